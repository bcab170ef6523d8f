// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Row kernels over logits [rows, columns]: softmax, and sparse softmax cross-entropy with its gradient. A row is read
/// three times while it is in the first-level cache; the largest logit is subtracted first, so nothing overflows.

#include <limits>

#include "../core/error.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace rill::kernel {

namespace detail {

/// The row's maximum, then exp(x - max) into y (when not null) and their sum.
template <class T>
struct row_sum {
  T largest, sum;
};
template <class T>
row_sum<T> exponentials(const T* x, std::int64_t columns, T* y) {
  constexpr int W = rill::detail::native_lanes<T>;
  using V = pack<T, W>;
  const auto lanes_below = [](std::int64_t n) { return pack<bool, W>::from_bits((std::uint64_t{1} << n) - 1); };
  const V lowest(-std::numeric_limits<T>::infinity());
  V m = lowest;
  std::int64_t i = 0;
  for (; i + W <= columns; i += W) m = max(m, V::load(x + i));
  if (i < columns) m = max(m, select(lanes_below(columns - i), V::load(x + i, columns - i), lowest));
  const T largest = combine_lanes(m, [](V a, V b) { return max(a, b); });
  const V shift(largest);
  V s(0);
  for (i = 0; i + W <= columns; i += W) {
    const V e = exp(V::load(x + i) - shift);
    if (y) e.store(y + i);
    s = s + e;
  }
  if (i < columns) {
    const V e = select(lanes_below(columns - i), exp(V::load(x + i, columns - i) - shift), V(0));
    if (y) e.store(y + i, columns - i);
    s = s + e;
  }
  return {largest, combine_lanes(s, [](V a, V b) { return a + b; })};
}

template <class T>
void scale_row(T* y, std::int64_t columns, T factor) {
  constexpr int W = rill::detail::native_lanes<T>;
  using V = pack<T, W>;
  const V f(factor);
  std::int64_t i = 0;
  for (; i + W <= columns; i += W) (V::load(y + i) * f).store(y + i);
  if (i < columns) (V::load(y + i, columns - i) * f).store(y + i, columns - i);
}

inline std::int64_t rows_per_task(std::int64_t columns) { return 1 + 16384 / (columns + 8); }

}  // namespace detail

/// y = softmax of each row of x; y may be x.
template <class T>
void softmax(std::int64_t rows, std::int64_t columns, const T* x, T* y) {
  parallel_for(rows, detail::rows_per_task(columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const auto s = detail::exponentials(x + r * columns, columns, y + r * columns);
      detail::scale_row(y + r * columns, columns, T(1) / s.sum);
    }
  });
}

/// loss[r] = log sum exp(x[r]) - x[r][label], and backprop[r] = softmax(x[r]) - one_hot(label). Either result may be null.
/// A label outside [0, columns) is invalid_argument naming the row and the label; then no result is complete.
template <class T, class Label>
void sparse_softmax_cross_entropy(std::int64_t rows, std::int64_t columns, const T* x, const Label* labels, T* loss,
                                  T* backprop) {
  for (std::int64_t r = 0; r < rows; ++r)
    if (labels[r] < 0 || labels[r] >= columns)
      throw invalid_argument("SparseSoftmaxCrossEntropyWithLogits: label " + std::to_string(labels[r]) + " of row " +
                             std::to_string(r) + " is outside of [0, " + std::to_string(columns) + ")");
  parallel_for(rows, detail::rows_per_task(columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const T* row = x + r * columns;
      T* out = backprop ? backprop + r * columns : nullptr;
      const auto label = static_cast<std::int64_t>(labels[r]);
      const T logit = row[label];
      const auto s = detail::exponentials(row, columns, out);
      if (loss) loss[r] = std::log(s.sum) - (logit - s.largest);
      if (out) {
        detail::scale_row(out, columns, T(1) / s.sum);
        out[label] -= T(1);
      }
    }
  });
}

}  // namespace rill::kernel

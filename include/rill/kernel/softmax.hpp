// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Row kernels over logits [rows, columns]: softmax and its gradient, sparse softmax cross-entropy with its own. A row is read
/// three times while it is in the first-level cache; the largest logit is subtracted first, so nothing overflows.

#include <limits>

#include "../core/error.hpp"
#include "../ops/normalization.hpp"
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

/// Rows of so few logits that one of them fills less than half of a register are taken a register of rows at a time: a lane
/// is a row. `count` rows, at most as many as there are lanes.
template <class T>
inline constexpr std::int64_t narrow_columns = rill::detail::native_lanes<T> / 2;
template <class T, class Label>
void narrow_cross_entropy(std::int64_t count, std::int64_t columns, const T* x, const Label* labels, T* loss, T* backprop) {
  constexpr int W = rill::detail::native_lanes<T>;
  using V = pack<T, W>;
  alignas(64) T lanes[static_cast<std::size_t>(narrow_columns<T> + 2)][static_cast<std::size_t>(W)] = {};
  for (std::int64_t r = 0; r < count; ++r)
    for (std::int64_t j = 0; j < columns; ++j) lanes[j][r] = x[r * columns + j];
  V largest = V::load(lanes[0]);
  for (std::int64_t j = 1; j < columns; ++j) largest = max(largest, V::load(lanes[j]));
  V sum(0);
  for (std::int64_t j = 0; j < columns; ++j) {
    const V e = exp(V::load(lanes[j]) - largest);
    e.store(lanes[j]);
    sum = sum + e;
  }
  if (loss != nullptr) {
    log(sum).store(lanes[columns]);
    largest.store(lanes[columns + 1]);
    for (std::int64_t r = 0; r < count; ++r)
      loss[r] = lanes[columns][r] - (x[r * columns + static_cast<std::int64_t>(labels[r])] - lanes[columns + 1][r]);
  }
  if (backprop == nullptr) return;
  const V factor = V(1) / sum;
  for (std::int64_t j = 0; j < columns; ++j) (V::load(lanes[j]) * factor).store(lanes[j]);
  for (std::int64_t r = 0; r < count; ++r) {
    for (std::int64_t j = 0; j < columns; ++j) backprop[r * columns + j] = lanes[j][r];
    backprop[r * columns + static_cast<std::int64_t>(labels[r])] -= T(1);
  }
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

namespace detail {
/// dx of a row from y, dy and the sum of their `summand`: to(y, dy, sum).
template <class T, class Summand, class Result>
void row_gradients(std::int64_t rows, std::int64_t columns, const T* y, const T* dy, T* dx, const Summand& summand, const Result& to) {
  constexpr int W = rill::detail::native_lanes<T>;
  using V = pack<T, W>;
  parallel_for(rows, rows_per_task(columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const T *p = y + r * columns, *g = dy + r * columns;
      T* const d = dx + r * columns;
      V s[4] = {V(0), V(0), V(0), V(0)};  // the lanes behind the last element add 0: so does dy = 0
      std::int64_t i = 0;
      for (; i + 4 * W <= columns; i += 4 * W)
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) s[k] = s[k] + summand(V::load(p + i + k * W), V::load(g + i + k * W));
      for (; i + W <= columns; i += W) s[0] = s[0] + summand(V::load(p + i), V::load(g + i));
      if (i < columns) s[1] = s[1] + summand(V::load(p + i, columns - i), V::load(g + i, columns - i));
      const V sum(combine_lanes((s[0] + s[1]) + (s[2] + s[3]), [](V a, V b) { return a + b; }));
      for (i = 0; i + W <= columns; i += W) to(V::load(p + i), V::load(g + i), sum).store(d + i);
      if (i < columns) to(V::load(p + i, columns - i), V::load(g + i, columns - i), sum).store(d + i, columns - i);
    }
  });
}
}  // namespace detail

/// dx = (dy - sum(dy y)) y of each row of y = softmax(x).
template <class T>
void softmax_grad(std::int64_t rows, std::int64_t columns, const T* y, const T* dy, T* dx) {
  detail::row_gradients(rows, columns, y, dy, dx, [](auto p, auto g) { return p * g; }, [](auto p, auto g, auto s) { return (g - s) * p; });
}
/// dx = dy - exp(y) sum(dy) of each row of y = log_softmax(x).
template <class T>
void log_softmax_grad(std::int64_t rows, std::int64_t columns, const T* y, const T* dy, T* dx) {
  detail::row_gradients(rows, columns, y, dy, dx, [](auto, auto g) { return g; }, [](auto p, auto g, auto s) { return g - exp(p) * s; });
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
    if (columns <= detail::narrow_columns<T>) {
      constexpr std::int64_t W = rill::detail::native_lanes<T>;
      for (std::int64_t r = begin; r < end; r += W)
        detail::narrow_cross_entropy(end - r < W ? end - r : W, columns, x + r * columns, labels + r,
                                     loss ? loss + r : nullptr, backprop ? backprop + r * columns : nullptr);
      return;
    }
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

namespace rill::ops {

template <class>
void softmax_grad_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const std::int64_t columns = out.shape[out.shape.rank() - 1], rows = columns == 0 ? 0 : out.size() / columns;
  if (out.type == dtype::float32) kernel::softmax_grad(rows, columns, in[0].as<float>(), in[1].as<float>(), out.as<float>());
  else kernel::softmax_grad(rows, columns, in[0].as<double>(), in[1].as<double>(), out.as<double>());
}

}  // namespace rill::ops

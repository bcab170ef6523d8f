// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Row kernels over logits [rows, columns]: softmax and its gradient, sparse softmax cross-entropy with its own. A row is read
/// three times while it is in the first-level cache; the largest logit is subtracted first, so nothing overflows.

#include <algorithm>
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
/// is a row.
template <class T>
inline constexpr std::int64_t narrow_columns = rill::detail::native_lanes<T> / 2;
/// Turns a register's number of rows of `columns` numbers each into as many registers, one of each column, and back.
template <class T>
class lane_order {
  static constexpr int W = rill::detail::native_lanes<T>;
  using V = pack<T, W>;
  static constexpr bool looks_up = std::is_same_v<T, float> && W == 16;

 public:
  static constexpr std::size_t room = static_cast<std::size_t>(narrow_columns<T> * W);
  explicit lane_order(std::int64_t columns) : columns_(static_cast<int>(columns)) {
    if constexpr (looks_up)
      for (int r = 0, e = 0; r < W; ++r)
        for (int j = 0; j < columns_; ++j, ++e) to_[j * W + r] = e, from_[e] = j * W + r;
  }
  void to_lanes(const T* rows, T* lanes) const {
    if constexpr (looks_up) return move(rows, to_, lanes);
    for (int r = 0; r < W; ++r)
      for (int j = 0; j < columns_; ++j) lanes[j * W + r] = rows[r * columns_ + j];
  }
  void from_lanes(const T* lanes, T* rows) const {
    if constexpr (looks_up) return move(lanes, from_, rows);
    for (int r = 0; r < W; ++r)
      for (int j = 0; j < columns_; ++j) rows[r * columns_ + j] = lanes[j * W + r];
  }

 private:
  /// to[k] = table[at[k]]: two registers of the table are looked up at once.
  void move(const T* table, const std::int32_t* at, T* to) const {
    using ops = elementary::lane_ops<xsimd::batch<T>>;
    using pair = const T (&)[std::size_t{2 * W}];
    for (int k = 0; k < columns_ * W; k += W) {
      const auto place = ops::ints::load_aligned(at + k);
      auto r = ops::look_up(reinterpret_cast<pair>(table[0]), place);
      for (int part = 2 * W; part < columns_ * W; part += 2 * W)
        r = ops::select(ops::less(ops::convert(place), typename ops::V(static_cast<T>(part))), r, ops::look_up(reinterpret_cast<pair>(table[part]), place));
      r.store_aligned(to + k);
    }
  }
  int columns_;
  alignas(64) std::int32_t to_[looks_up ? room : 1], from_[looks_up ? room : 1];
};
template <class T, class Label>
void narrow_cross_entropy(std::int64_t count, std::int64_t columns, const T* x, const Label* labels, T* loss, T* backprop) {
  constexpr int W = rill::detail::native_lanes<T>;
  using V = pack<T, W>;
  const lane_order<T> order(columns);
  alignas(64) T rows[lane_order<T>::room], lanes[lane_order<T>::room], label[static_cast<std::size_t>(W)];
  for (std::int64_t done = 0; done < count; done += W) {
    const std::int64_t n = std::min<std::int64_t>(W, count - done);
    if (n < W) std::fill(rows, rows + W * columns, T(0)), std::fill(label, label + W, T(0));
    std::copy(x + done * columns, x + (done + n) * columns, rows);
    for (std::int64_t r = 0; r < n; ++r) label[r] = static_cast<T>(labels[done + r]);
    order.to_lanes(rows, lanes);
    const V own = V::load(label);
    V largest(-std::numeric_limits<T>::infinity()), logit(0), sum(0);
    for (std::int64_t j = 0; j < columns; ++j) largest = max(largest, V::load(lanes + j * W));
    for (std::int64_t j = 0; j < columns; ++j) {
      const V v = V::load(lanes + j * W) - largest, e = exp(v);
      logit = select(own == V(static_cast<T>(j)), v, logit);
      e.store(lanes + j * W);
      sum = sum + e;
    }
    if (loss != nullptr) {
      const V result = log(sum) - logit;
      if (n < W) result.store(loss + done, n);
      else result.store(loss + done);
    }
    if (backprop == nullptr) continue;
    const V factor = V(1) / sum;
    for (std::int64_t j = 0; j < columns; ++j)
      (V::load(lanes + j * W) * factor - select(own == V(static_cast<T>(j)), V(1), V(0))).store(lanes + j * W);
    order.from_lanes(lanes, rows);
    std::copy(rows, rows + n * columns, backprop + done * columns);
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
      detail::narrow_cross_entropy(end - begin, columns, x + begin * columns, labels + begin, loss ? loss + begin : nullptr,
                                   backprop ? backprop + begin * columns : nullptr);
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

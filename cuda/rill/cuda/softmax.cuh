// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Softmax and cross-entropy by rows of matrices [rows, columns] in device memory: softmax, log_softmax, their gradients,
/// (sparse) softmax cross-entropy with its own. What kernel/softmax.hpp and kernel/nn.hpp do, for float, double, half and
/// bfloat16 (whose arithmetic is that of floats); one kernel each, which reads and writes memory once.
///
///   softmax(device, rows, columns, x, y);
///
/// A label outside of [0, columns) gives a loss and a row of the gradient that are NaN, as on TensorFlow's GPUs: a kernel
/// cannot throw. The CPU throws invalid_argument.

#include <limits>

#include <rill/ops/unary.hpp>

#include "rows.cuh"

namespace rill::cuda {

namespace detail {

/// The largest of a row's numbers and the sum of exp(x - largest). Cached rows keep these exponentials if Exponentials, else x.
template <class C>
struct row_moments {
  C largest, sum;
};
template <bool Exponentials, class Row, class T, class C = typename Row::number>
RILL_GPU row_moments<C> exponentials(const Row& row, const T* x, typename Row::values& v) {
  C m = -std::numeric_limits<C>::infinity();
  row.each([&](auto k, std::uint32_t j) {
    row.load(x, j, v[k]);
    for (int e = 0; e < Row::width; ++e) m = v[k].v[e] > m ? v[k].v[e] : m;
  });
  m = row.largest(m);
  C s = C(0);
  row.each([&](auto k, std::uint32_t j) {
    if constexpr (!Row::cached) row.load(x, j, v[k]);
    C own = C(0);
    for (int e = 0; e < Row::width; ++e) {
      const C y = ops::exp::eval(v[k].v[e] - m);
      own += y;
      if constexpr (Exponentials) v[k].v[e] = y;
    }
    s += own;
  });
  return {m, row.sum(s)};
}
/// The exponentials of piece k again.
template <class Row, class T, class K>
RILL_GPU void exponentials_again([[maybe_unused]] const Row& row, [[maybe_unused]] const T* x, [[maybe_unused]] K k, [[maybe_unused]] std::uint32_t j,
                                 [[maybe_unused]] typename Row::number m, [[maybe_unused]] typename Row::values& v) {
  if constexpr (!Row::cached) {
    row.load(x, j, v[k]);
    for (int e = 0; e < Row::width; ++e) v[k].v[e] = ops::exp::eval(v[k].v[e] - m);
  }
}

template <class T>
struct softmax_rows {
  using number = compute_t<T>;
  static constexpr int kept = 1;
  const T* x;
  T* y;
  template <class Row>
  RILL_GPU void operator()(const Row& row) const {
    typename Row::values v;
    const auto s = exponentials<true>(row, x, v);
    const number factor = number(1) / s.sum;
    row.each([&](auto k, std::uint32_t j) {
      exponentials_again(row, x, k, j, s.largest, v);
      for (int e = 0; e < Row::width; ++e) v[k].v[e] *= factor;
      row.store(y, j, v[k]);
    });
  }
};

template <class T>
struct log_softmax_rows {
  using number = compute_t<T>;
  static constexpr int kept = 1;
  const T* x;
  T* y;
  template <class Row>
  RILL_GPU void operator()(const Row& row) const {
    typename Row::values v;
    const auto s = exponentials<false>(row, x, v);
    const number log_sum = ops::log::eval(s.sum);
    row.each([&](auto k, std::uint32_t j) {
      if constexpr (!Row::cached) row.load(x, j, v[k]);
      for (int e = 0; e < Row::width; ++e) v[k].v[e] = (v[k].v[e] - s.largest) - log_sum;
      row.store(y, j, v[k]);
    });
  }
};

/// dx = (dy - sum(dy y)) y, or dy - exp(y) sum(dy).
template <class T, bool Log>
struct softmax_grad_rows {
  using number = compute_t<T>;
  static constexpr int kept = 2;
  const T *y, *dy;
  T* dx;
  template <class Row>
  RILL_GPU void operator()(const Row& row) const {
    typename Row::values p, g;
    number s = 0;
    row.each([&](auto k, std::uint32_t j) {
      row.load(y, j, p[k]);
      row.load(dy, j, g[k]);
      number own = 0;
      for (int e = 0; e < Row::width; ++e) own += Log ? g[k].v[e] : p[k].v[e] * g[k].v[e];
      s += own;
    });
    s = row.sum(s);
    row.each([&](auto k, std::uint32_t j) {
      if constexpr (!Row::cached) {
        row.load(y, j, p[k]);
        row.load(dy, j, g[k]);
      }
      for (int e = 0; e < Row::width; ++e) {
        if constexpr (Log) g[k].v[e] -= ops::exp::eval(p[k].v[e]) * s;
        else g[k].v[e] = (g[k].v[e] - s) * p[k].v[e];
      }
      row.store(dx, j, g[k]);
    });
  }
};

template <class T, class Label>
struct sparse_cross_entropy_rows {
  using number = compute_t<T>;
  static constexpr int kept = 1;
  const T* x;
  const Label* labels;
  T *loss, *backprop;
  template <class Row>
  RILL_GPU void operator()(const Row& row) const {
    typename Row::values v;
    const auto s = exponentials<true>(row, x, v);
    const std::int64_t label = row.active ? static_cast<std::int64_t>(labels[row.row]) : -1;
    const bool valid = label >= 0 && label < row.columns;
    constexpr number nan = std::numeric_limits<number>::quiet_NaN();
    if (loss != nullptr && row.active && row.lane == 0)
      loss[row.row] = static_cast<T>(valid ? ops::log::eval(s.sum) - (static_cast<number>(x[static_cast<std::int64_t>(row.row) * row.columns + label]) - s.largest) : nan);
    if (backprop == nullptr) return;
    const number factor = valid ? number(1) / s.sum : nan;
    row.each([&](auto k, std::uint32_t j) {
      exponentials_again(row, x, k, j, s.largest, v);
      for (int e = 0; e < Row::width; ++e) v[k].v[e] = v[k].v[e] * factor - (label == static_cast<std::int64_t>(j) + e ? number(1) : number(0));
      row.store(backprop, j, v[k]);
    });
  }
};

template <class T>
struct cross_entropy_rows {
  using number = compute_t<T>;
  static constexpr int kept = 1;
  const T *x, *labels;
  T* loss;
  template <class Row>
  RILL_GPU void operator()(const Row& row) const {
    typename Row::values v;
    const auto s = exponentials<false>(row, x, v);
    const number log_sum = ops::log::eval(s.sum);
    number total = 0;
    row.each([&](auto k, std::uint32_t j) {
      if constexpr (!Row::cached) row.load(x, j, v[k]);
      lane_values<number, Row::width> l;
      row.load(labels, j, l);
      number own = 0;
      for (int e = 0; e < Row::width; ++e) own += l.v[e] == number(0) ? number(0) : l.v[e] * (log_sum - (v[k].v[e] - s.largest));
      total += own;
    });
    total = row.sum(total);
    if (row.active && row.lane == 0) loss[row.row] = static_cast<T>(total);
  }
};

template <class T>
inline constexpr int row_access = static_cast<int>(16 / sizeof(T));

}  // namespace detail

/// y = softmax of each row of x; y may be x.
template <class T, class Device>
void softmax(Device& device, std::int64_t rows, std::int64_t columns, const T* x, T* y) {
  constexpr int v = detail::row_access<T>;
  if (columns > 0) detail::launch_rows<v>(device, detail::softmax_rows<T>{x, y}, rows, columns, detail::all_aligned<v>(columns, x, y));
}
/// y = x - log sum exp(x) of each row.
template <class T, class Device>
void log_softmax(Device& device, std::int64_t rows, std::int64_t columns, const T* x, T* y) {
  constexpr int v = detail::row_access<T>;
  if (columns > 0) detail::launch_rows<v>(device, detail::log_softmax_rows<T>{x, y}, rows, columns, detail::all_aligned<v>(columns, x, y));
}
/// dx = (dy - sum(dy y)) y of each row of y = softmax(x); dx may be dy.
template <class T, class Device>
void softmax_grad(Device& device, std::int64_t rows, std::int64_t columns, const T* y, const T* dy, T* dx) {
  constexpr int v = detail::row_access<T>;
  if (columns > 0) detail::launch_rows<v>(device, detail::softmax_grad_rows<T, false>{y, dy, dx}, rows, columns, detail::all_aligned<v>(columns, y, dy, dx));
}
/// dx = dy - exp(y) sum(dy) of each row of y = log_softmax(x); dx may be dy.
template <class T, class Device>
void log_softmax_grad(Device& device, std::int64_t rows, std::int64_t columns, const T* y, const T* dy, T* dx) {
  constexpr int v = detail::row_access<T>;
  if (columns > 0) detail::launch_rows<v>(device, detail::softmax_grad_rows<T, true>{y, dy, dx}, rows, columns, detail::all_aligned<v>(columns, y, dy, dx));
}
/// loss[r] = log sum exp(x[r]) - x[r][label], and backprop[r] = softmax(x[r]) - one_hot(label). Either result may be null.
template <class T, class Label, class Device>
void sparse_softmax_cross_entropy(Device& device, std::int64_t rows, std::int64_t columns, const T* x, const Label* labels, T* loss, T* backprop) {
  constexpr int v = detail::row_access<T>;
  if (loss == nullptr && backprop == nullptr) return;
  detail::launch_rows<v>(device, detail::sparse_cross_entropy_rows<T, Label>{x, labels, loss, backprop}, rows, columns,
                         detail::all_aligned<v>(columns, x, backprop));
}
/// loss[r] = sum labels (log sum exp(x) - x) of each row, without the classes whose label is 0.
template <class T, class Device>
void softmax_cross_entropy(Device& device, std::int64_t rows, std::int64_t columns, const T* x, const T* labels, T* loss) {
  constexpr int v = detail::row_access<T>;
  detail::launch_rows<v>(device, detail::cross_entropy_rows<T>{x, labels, loss}, rows, columns, detail::all_aligned<v>(columns, x, labels));
}

}  // namespace rill::cuda

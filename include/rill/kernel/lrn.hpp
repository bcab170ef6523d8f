// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Kernels of ops/lrn.hpp over rows of channels, float and double: a row is read and written once. Rows go in blocks of
/// some kilobytes through zero-padded buffers, from which sums over neighbours are read at shifted positions.

#include <algorithm>
#include <string>

#include "../core/error.hpp"
#include "../ops/lrn.hpp"
#include "matmul.hpp"
#include "simd_math.hpp"

namespace rill::kernel {

namespace detail {

/// p = e ** -beta and q = p / e.
template <class V>
struct response {
  V p, q;
};
template <class V>
[[gnu::always_inline]] inline response<V> response_of(V e, double beta) {
  using T = typename V::value_type;
  if (beta == 0.75) {
    const V r = rsqrt(e), p = r * sqrt(r);
    return {p, p * (r * r)};
  }
  if (beta == 0.5) {
    const V r = rsqrt(e);
    return {r, r * (r * r)};
  }
  const V p = beta == 1 ? V(T(1)) / e : pow(e, V(static_cast<T>(-beta)));
  return {p, p / e};
}

/// Room for rows of channels with zeros around them: position k of row r is at[r * pitch + radius + k].
template <class T>
struct padded_rows {
  static constexpr int W = rill::detail::native_lanes<T>;
  using V = pack<T, W>;
  std::int64_t columns, radius;
  [[nodiscard]] std::int64_t pitch() const { return (columns + 2 * radius + 2 * W - 1) / W * W; }
  [[nodiscard]] std::int64_t rows() const { return std::max<std::int64_t>(1, 2048 / pitch()); }
  [[nodiscard]] std::int64_t size() const { return rows() * pitch(); }
  /// The sum over the neighbours of W elements, which start at p.
  [[gnu::always_inline]] V near(const T* p) const {
    V even = V::load(p), odd(T(0));
    for (std::int64_t k = 1; k < 2 * radius; k += 2) odd = odd + V::load(p + k), even = even + V::load(p + k + 1);
    return even + odd;
  }
};

/// Runs f(first row, rows, buffer) over blocks of rows; `buffers` are this many of the layout, zeroed once per task.
template <class T, class F>
void for_row_blocks(const padded_rows<T>& l, std::int64_t rows, int buffers, const F& f) {
  const std::int64_t block = l.rows();
  const call_scratch<T> scratch(0, buffers * l.size());
  parallel_for((rows + block - 1) / block, std::max<std::int64_t>(1, 8192 / (block * l.columns)), [&](std::int64_t b0, std::int64_t b1) {
    scratch.with_task_scratch([&](T* own) {
      std::fill_n(own, buffers * l.size(), T(0));
      for (std::int64_t b = b0; b < b1; ++b) f(b * block, std::min(block, rows - b * block), own);
    });
  });
}
/// Calls f(k, lanes) for the packs of a row.
template <int W, class F>
[[gnu::always_inline]] inline void for_packs(std::int64_t columns, F&& f) {
  std::int64_t k = 0;
  for (; k + W <= columns; k += W) f(k, std::integral_constant<int, W>());
  if (k < columns) f(k, columns - k);
}
template <class V, class T>
[[gnu::always_inline]] inline V load_some(const T* p, std::int64_t n) {
  return V::load(p, n);
}
template <class V, class T, int N>
[[gnu::always_inline]] inline V load_some(const T* p, std::integral_constant<int, N>) {
  return V::load(p);
}
template <class V, class T>
[[gnu::always_inline]] inline void store_some(const V& v, T* p, std::int64_t n) {
  v.store(p, n);
}
template <class V, class T, int N>
[[gnu::always_inline]] inline void store_some(const V& v, T* p, std::integral_constant<int, N>) {
  v.store(p);
}

}  // namespace detail

/// y[r][k] = the sum of x[r][j] over |j - k| <= radius.
template <class T>
void sum_neighbours(std::int64_t rows, std::int64_t columns, std::int64_t radius, const T* x, T* y) {
  using layout = detail::padded_rows<T>;
  using V = typename layout::V;
  const layout l{columns, std::min(radius, columns)};
  detail::for_row_blocks(l, rows, 1, [&](std::int64_t first, std::int64_t n, T* sums) {
    for (std::int64_t r = 0; r < n; ++r) std::copy_n(x + (first + r) * columns, columns, sums + r * l.pitch() + l.radius);
    for (std::int64_t r = 0; r < n; ++r)
      detail::for_packs<layout::W>(columns, [&](std::int64_t k, auto some) __attribute__((always_inline)) {
        detail::store_some<V>(l.near(sums + r * l.pitch() + k), y + (first + r) * columns + k, some);
      });
  });
}

/// y = x / (bias + alpha S(x^2)) ** beta, S the sum over neighbours.
template <class T>
void local_response_normalization(std::int64_t rows, std::int64_t columns, const local_response_options& o, const T* x, T* y) {
  using layout = detail::padded_rows<T>;
  using V = typename layout::V;
  const layout l{columns, std::min(o.depth_radius, columns)};
  const V alpha(static_cast<T>(o.alpha)), bias(static_cast<T>(o.bias));
  detail::for_row_blocks(l, rows, 1, [&](std::int64_t first, std::int64_t n, T* squares) {
    for (std::int64_t r = 0; r < n; ++r)
      detail::for_packs<layout::W>(columns, [&](std::int64_t k, auto some) __attribute__((always_inline)) {
        const V v = detail::load_some<V>(x + (first + r) * columns + k, some);
        (v * v).store(squares + r * l.pitch() + l.radius + k);  // lanes that are not there are zero
      });
    for (std::int64_t r = 0; r < n; ++r)
      detail::for_packs<layout::W>(columns, [&](std::int64_t k, auto some) __attribute__((always_inline)) {
        const V e = l.near(squares + r * l.pitch() + k) * alpha + bias;
        const std::int64_t at = (first + r) * columns + k;
        detail::store_some<V>(detail::load_some<V>(x + at, some) * detail::response_of(e, o.beta).p, y + at, some);
      });
  });
}

/// dx = p dy - 2 alpha beta x S(x q dy) with p and q of ops/lrn.hpp.
template <class T>
void local_response_normalization_grad(std::int64_t rows, std::int64_t columns, const local_response_options& o, const T* x, const T* dy, T* dx) {
  using layout = detail::padded_rows<T>;
  using V = typename layout::V;
  const layout l{columns, std::min(o.depth_radius, columns)};
  const V alpha(static_cast<T>(o.alpha)), bias(static_cast<T>(o.bias)), factor(static_cast<T>(-2 * o.alpha * o.beta));
  detail::for_row_blocks(l, rows, 3, [&](std::int64_t first, std::int64_t n, T* squares) {
    T *const terms = squares + l.size(), *const direct = terms + l.size();
    for (std::int64_t r = 0; r < n; ++r)
      detail::for_packs<layout::W>(columns, [&](std::int64_t k, auto some) __attribute__((always_inline)) {
        const V v = detail::load_some<V>(x + (first + r) * columns + k, some);
        (v * v).store(squares + r * l.pitch() + l.radius + k);
      });
    for (std::int64_t r = 0; r < n; ++r)
      detail::for_packs<layout::W>(columns, [&](std::int64_t k, auto some) __attribute__((always_inline)) {
        const V e = l.near(squares + r * l.pitch() + k) * alpha + bias;
        const std::int64_t at = (first + r) * columns + k;
        const auto [p, q] = detail::response_of(e, o.beta);
        const V g = detail::load_some<V>(dy + at, some);
        detail::store_some<V>(detail::load_some<V>(x + at, some) * q * g, terms + r * l.pitch() + l.radius + k, some);
        (p * g).store(direct + r * l.pitch() + k);
      });
    for (std::int64_t r = 0; r < n; ++r)
      detail::for_packs<layout::W>(columns, [&](std::int64_t k, auto some) __attribute__((always_inline)) {
        const V sum = l.near(terms + r * l.pitch() + k);
        const std::int64_t at = (first + r) * columns + k;
        detail::store_some<V>(detail::load_some<V>(x + at, some) * sum * factor + V::load(direct + r * l.pitch() + k), dx + at, some);
      });
  });
}

namespace detail {
/// Calls f(rows, columns, T()) for a tensor of float or double seen as rows along its last axis.
template <class F>
void by_rows(const char* op, const operand_memory& x, const F& f) {
  const std::int64_t columns = x.shape[x.shape.rank() - 1];
  const std::int64_t rows = x.shape.num_elements() / std::max<std::int64_t>(columns, 1);
  if (x.type == dtype::float32) return f(rows, columns, float());
  if (x.type == dtype::float64) return f(rows, columns, double());
  throw unimplemented(std::string(op) + ": cast " + std::string(name_of(x.type)) + " to float32");
}
}  // namespace detail

}  // namespace rill::kernel

namespace rill::ops {

template <class>
void neighbour_sum_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::by_rows(name, in[0], [&]<class T>(std::int64_t rows, std::int64_t columns, T) {
    if (out.size() > 0) kernel::sum_neighbours(rows, columns, at.i[0], in[0].as<T>(), out.as<T>());
  });
}
template <class>
void lrn_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::by_rows(name, in[0], [&]<class T>(std::int64_t rows, std::int64_t columns, T) {
    if (out.size() > 0) kernel::local_response_normalization(rows, columns, lrn_attributes::options(at), in[0].as<T>(), out.as<T>());
  });
}
template <class>
void lrn_grad_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::by_rows(name, in[0], [&]<class T>(std::int64_t rows, std::int64_t columns, T) {
    if (out.size() > 0) kernel::local_response_normalization_grad(rows, columns, lrn_attributes::options(at), in[0].as<T>(), in[1].as<T>(), out.as<T>());
  });
}

}  // namespace rill::ops

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Where the largest or smallest element lies: argmax and argmin as reductions (reduce.cuh) of values with their places. The
/// first of equals wins and a NaN is before everything, as in kernel::arg_reduce.
///
///   arg_reduce<float, true>(device, {rows, columns}, 1, x, y);      // y[i] = argmax over j of x[i, j], int64

#include "reduce.cuh"

namespace rill::cuda {

namespace detail {

/// A value and its position in the reduced space; -1: nowhere yet.
template <class T>
struct place {
  T held;
  std::int64_t index;
  explicit constexpr operator std::int64_t() const { return index < 0 ? 0 : index; }
};
struct place_op {
  static constexpr int cost = 1;
  static constexpr bool indexed = true;
  template <class T>
  using result = place<compute_t<T>>;
  template <class R, class T>
  static constexpr R eval_at(std::int64_t index, T x) {
    return {x, index};
  }
};
template <bool Largest>
struct first_extremum {
  template <class P>
  static constexpr P identity() {
    return {{}, -1};
  }
  template <class T>
  static constexpr place<T> combine(const place<T>& a, const place<T>& b) {
    if (a.index < 0 || b.index < 0) return a.index < 0 ? b : a;
    bool second = Largest ? a.held < b.held : b.held < a.held, equal = a.held == b.held;
    if constexpr (std::is_floating_point_v<T>)
      if (a.held != a.held || b.held != b.held) second = a.held == a.held, equal = a.held != a.held && b.held != b.held;
    return second || (equal && b.index < a.index) ? b : a;
  }
};
template <class T>
using place_program = expr::program<expr::list<expr::in<T, expr::walk::contiguous>>, expr::list<expr::let<place_op, ~0>>, expr::list<expr::out<std::int64_t, 0>>>;

}  // namespace detail

/// y = the index of the first largest (smallest) element along an axis of x, a tensor of this shape; 0 where there is none.
template <class T, bool Largest, class Device>
void arg_reduce(Device& device, const tensor_shape& shape, int axis, const T* x, std::int64_t* y) {
  std::int64_t outer = 1, inner = 1;
  for (int d = 0; d < shape.rank(); ++d)
    if (d != axis) (d < axis ? outer : inner) *= shape[d];
  const std::int64_t n = shape[axis];
  const void* in[] = {x};
  void* out[] = {y};
  const detail::device_memory<Device> memory{device};
  using P = detail::place_program<T>;
  using R = detail::first_extremum<Largest>;
  if (inner == 1) detail::reduce_nest<P, R, true>(device, {2, {outer, n}, {{n, 1}, {1, 0}}}, 0b10, in, out, 0, memory);
  else detail::reduce_nest<P, R, true>(device, {3, {outer, n, inner}, {{n * inner, inner, 1}, {inner, 0, 1}}}, 0b010, in, out, 0, memory);
}

}  // namespace rill::cuda

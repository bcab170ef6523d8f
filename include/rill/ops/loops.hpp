// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Control flow that is made of cond, while_loop and loop_over, whatever these work on: graph/control_flow.hpp has them for
/// models, eager/loops.hpp for tensors. A function written with them does the same in both.
///
///   auto sums = scan([](auto sum, auto row) { return sum + row; }, rows, zeros_like(first));

#include <array>
#include <tuple>
#include <utility>

#include "op.hpp"

namespace rill {

namespace detail {
/// Structures of values: std::tuple, std::pair and std::array, of which the members may be structures.
template <class T>
inline constexpr bool is_nest = false;
template <class... T>
inline constexpr bool is_nest<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool is_nest<std::pair<A, B>> = true;
template <class T, std::size_t N>
inline constexpr bool is_nest<std::array<T, N>> = true;
}  // namespace detail

/// The function of the first predicate that holds, or default_fn: case_(p0, f0, p1, f1, ..., default_fn) (TensorFlow's
/// case with its pairs in a row). Predicates are values, all computed; of the functions one runs.
template <class F>
constexpr auto case_(F&& default_fn) {
  return default_fn();
}
template <operand P, class F, class... R>
constexpr auto case_(const P& pred, F&& f, R&&... rest) {
  return cond(pred, f, [&] { return case_(rest...); });
}

/// Options of while_loop. TensorFlow's parallel_iterations, back_prop and swap_memory have nothing to say here: the schedule
/// is the plan's, and only what a gradient asks for is kept.
struct while_loop_options {
  std::int64_t maximum_iterations = -1;  ///< negative: no limit
};
/// Options of the loops over rows.
struct loop_options {
  bool reverse = false;  ///< from the last row to the first; results keep the rows' order
  int unroll = 1;        ///< iterations traced side by side; as many as there are rows, or more: no loop is left
};
/// fn(row) for each row of elems, stacked (TensorFlow's map_fn).
template <class F, class X>
constexpr auto map_fn(F&& fn, const X& elems, loop_options o = {}) {
  return loop_over([&](const std::tuple<>& none, const auto& row) { return std::pair{none, fn(row)}; }, std::tuple<>{}, elems, o).second;
}
/// All of fn(... fn(fn(initializer, row 0), row 1) ...), stacked (TensorFlow's scan): rows of the initializer's structure.
template <class F, class X, class A>
constexpr auto scan(F&& fn, const X& elems, const A& initializer, loop_options o = {}) {
  return loop_over([&](const auto& state, const auto& row) {
    auto next = fn(state, row);
    return std::pair{next, next};
  }, initializer, elems, o).second;
}
/// fn(... fn(fn(initializer, row 0), row 1) ..., last row) (TensorFlow's foldl).
template <class F, class X, class A>
constexpr auto foldl(F&& fn, const X& elems, const A& initializer, loop_options o = {}) {
  return loop_over([&](const auto& state, const auto& row) { return std::pair{fn(state, row), std::tuple<>{}}; }, initializer, elems, o).first;
}
/// The same from the last row to the first (TensorFlow's foldr).
template <class F, class X, class A>
constexpr auto foldr(F&& fn, const X& elems, const A& initializer, loop_options o = {}) {
  o.reverse = !o.reverse;
  return foldl(fn, elems, initializer, o);
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Control flow on tensors, as models have it (graph/control_flow.hpp): cond, switch_case, while_loop and loop_over, with
/// map_fn, scan, foldl, foldr and case_ on top. Here they are plain loops and branches, which gradient tapes follow. Functions
/// get run-time-typed tensors; so do loop variables and rows that were typed tensors or numbers.
///
///   auto [n, power] = while_loop([](auto, auto p) { return less(p, 100.f); },
///                                [&](auto n, auto p) { return std::tuple(n + 1, p * x); }, std::tuple(0, x));

#include <array>
#include <vector>

#include "../ops/loops.hpp"
#include "lift.hpp"
#include "movement.hpp"

namespace rill {

namespace eager::detail {

using ::rill::detail::is_nest;

/// Whether a structure holds a tensor.
template <class T>
inline constexpr bool has_tensor = std::is_same_v<T, dynamic_tensor> || expr::eager<T>;
template <class... T>
inline constexpr bool has_tensor<std::tuple<T...>> = (has_tensor<T> || ...);
template <class A, class B>
inline constexpr bool has_tensor<std::pair<A, B>> = has_tensor<A> || has_tensor<B>;
template <class T, std::size_t N>
inline constexpr bool has_tensor<std::array<T, N>> = has_tensor<T>;

/// f on each member of a structure, in a std::tuple; f(x) for a single one.
template <class T, class F>
auto transform(const T& v, const F& f) {
  if constexpr (is_nest<T>) return std::apply([&](const auto&... m) { return std::make_tuple(transform(m, f)...); }, v);
  else return f(v);
}
/// The same for a structure of which there is only the type.
template <class T, class F>
auto generate(const F& f) {
  if constexpr (is_nest<T>) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::tuple{generate<std::tuple_element_t<I, T>>(f)...};  // in order
    }(std::make_index_sequence<std::tuple_size_v<T>>{});
  } else {
    return f();
  }
}
template <class T, class F>
void for_each(const T& v, const F& f) {
  if constexpr (is_nest<T>) std::apply([&](const auto&... m) { (for_each(m, f), ...); }, v);
  else f(v);
}
/// Members of two structures of one form.
template <class T, class U, class F>
void for_each_pair(const T& a, const U& b, const F& f) {
  if constexpr (is_nest<T>) {
    static_assert(std::tuple_size_v<T> == std::tuple_size_v<U>, "the function must return a structure like the one it takes");
    [&]<std::size_t... I>(std::index_sequence<I...>) { (for_each_pair(std::get<I>(a), std::get<I>(b), f), ...); }
    (std::make_index_sequence<std::tuple_size_v<T>>{});
  } else {
    f(a, b);
  }
}
/// A value as a run-time-typed tensor: integers are int32, other numbers float32, as in a model.
template <class T>
dynamic_tensor as_value(const T& v) {
  if constexpr (std::is_same_v<T, bool>) return dynamic_tensor(v);
  else if constexpr (std::is_integral_v<T>) return dynamic_tensor(static_cast<std::int32_t>(v));
  else if constexpr (std::is_arithmetic_v<T>) return dynamic_tensor(static_cast<float>(v));
  else return lend(v);
}
template <class T>
auto as_values(const T& v) {
  return transform(v, [](const auto& m) { return as_value(m); });
}
/// f(members...) for a structure, f(value) for anything else.
template <class F, class T>
auto call_with(F& f, const T& v) {
  if constexpr (is_nest<T>) return std::apply(f, v);
  else return f(v);
}
template <class T, class U>
void check_alike(const T& wanted, const U& got) {
  for_each_pair(wanted, got, [](const dynamic_tensor& w, const dynamic_tensor& g) {
    if (w.type() == g.type() && w.shape() == g.shape()) return;
    failure f;
    f.set("the body must give each state in its dtype and shape", "cast or reshape it", {w.type(), w.shape()}, {g.type(), g.shape()});
    throw invalid_argument(to_string(f, "While"));
  });
}
template <class P>
bool truth(const P& pred) {
  if constexpr (std::is_same_v<P, bool>) return pred;
  else {
    const dynamic_tensor p = lend(pred);
    if (p.type() == dtype::boolean && p.size() == 1) return *static_cast<const bool*>(p.data());
    failure f;
    f.set("the predicate must be a scalar of dtype bool", "compare, or reduce_all", {p.type(), p.shape()});
    throw invalid_argument(to_string(f, "Case"));
  }
}

}  // namespace eager::detail

/// A structure of tensors and numbers with a tensor in it.
template <class T>
concept tensor_structure = eager::detail::has_tensor<std::remove_cvref_t<T>>;

/// true_fn() where the scalar predicate (bool) holds, else false_fn(); only one of them is called.
template <class P, class F, class G>
  requires(tensor_structure<P> || std::is_same_v<P, bool>)
auto cond(const P& pred, F&& true_fn, G&& false_fn) {
  using T = decltype(eager::detail::as_values(true_fn()));
  if (eager::detail::truth(pred)) return T(eager::detail::as_values(true_fn()));
  return T(eager::detail::as_values(false_fn()));
}
/// functions[index](), the last one where the index (a scalar of int32) is out of range.
template <tensor_structure I, class F, class... R>
auto switch_case(const I& index, F&& first, R&&... rest) {
  using T = decltype(eager::detail::as_values(first()));
  const dynamic_tensor i = eager::lend(index);
  if (i.type() != dtype::int32 || i.size() != 1) {
    failure f;
    f.set("the index must be a scalar of dtype int32", "cast it", {i.type(), i.shape()});
    throw invalid_argument(to_string(f, "Case"));
  }
  std::int32_t k = *static_cast<const std::int32_t*>(i.data());
  constexpr std::int32_t n = 1 + static_cast<std::int32_t>(sizeof...(R));
  if (k < 0 || k >= n) k = n - 1;
  if (k == 0) return T(eager::detail::as_values(first()));
  std::vector<T> result;  // of the one that is called
  std::int32_t at = 0;
  ((++at == k ? static_cast<void>(result.push_back(eager::detail::as_values(rest()))) : static_cast<void>(0)), ...);
  return T(std::move(result.front()));
}

/// body(body(... loop_vars)) for as long as condition holds; both take the loop variables one by one.
template <class C, class F, tensor_structure T>
auto while_loop(C&& condition, F&& body, const T& loop_vars, while_loop_options o = {}) {
  auto v = eager::detail::as_values(loop_vars);
  for (std::int64_t k = 0; o.maximum_iterations < 0 || k < o.maximum_iterations; ++k) {
    if (!eager::detail::truth(eager::detail::call_with(condition, v))) break;
    auto next = eager::detail::as_values(eager::detail::call_with(body, v));
    eager::detail::check_alike(v, next);
    v = std::move(next);
  }
  return v;
}

/// (last state, results stacked): step(state, row) gives a std::pair (next state, result of the row) for each row of `rows`,
/// along the first axis of each. At least one row.
template <class F, class S, tensor_structure X>
auto loop_over(F&& step, const S& state, const X& rows, loop_options o = {}) {
  using namespace eager::detail;
  auto v = as_values(state);
  const auto stacks = as_values(rows);
  const dynamic_tensor* first = nullptr;
  std::int64_t n = 0;
  for_each(stacks, [&](const dynamic_tensor& s) {
    failure f;
    if (s.rank() == 0) f.set("there are no rows to loop over", "needs at least one axis", {s.type(), s.shape()});
    else if (first == nullptr) first = &s, n = s.shape()[0];
    else if (s.shape()[0] != n) f.set("first axes differ", "they are looped over together", {first->type(), first->shape()}, {s.type(), s.shape()});
    if (f) throw invalid_argument(to_string(f, "While"));
  });
  if (n == 0) throw invalid_argument("While: there are no rows to loop over: the first axis is empty");
  const auto row = [&](std::int64_t k) {
    return transform(stacks, [&](const dynamic_tensor& s) {
      tensor_shape shape;
      for (int d = 1; d < s.rank(); ++d) shape.push_back(s.shape()[d]);
      return reshape_to(slice_along(s, 0, k, 1), shape);
    });
  };
  using result = decltype(as_values(step(v, row(0)).second));
  std::vector<std::vector<dynamic_tensor>> given(static_cast<std::size_t>(n));
  for (std::int64_t k = 0; k < n; ++k) {
    const std::int64_t at = o.reverse ? n - 1 - k : k;
    auto [next, y] = step(v, row(at));
    auto kept = as_values(next);
    check_alike(v, kept);
    v = std::move(kept);
    for_each(as_values(y), [&](const dynamic_tensor& m) { given[static_cast<std::size_t>(at)].push_back(m); });
  }
  std::size_t member = 0;
  auto stacked = generate<result>([&] {
    std::vector<dynamic_tensor> parts;
    for (const auto& g : given) parts.push_back(g[member]);
    ++member;
    return stack(parts);
  });
  return std::pair{v, stacked};
}

}  // namespace rill

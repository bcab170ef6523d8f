// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// XLA's operations that take computations, as functions that take C++ functions: Map, Call, Conditional, While, and the
/// tuples that go in and out of them. Values are tensors, run-time-typed or typed, numbers, and std::tuple of these, nested
/// at will; gradient tapes follow what the computations do. Types are checked where they are known: those of C++ at compile
/// time, dtypes and shapes when it runs (invalid_argument).
///
/// In a model, map and call simply apply the function while the graph is traced. conditional and while_loop decide on data
/// and are for eager values; a model chooses with select, or calls an eager function (eager/py_func.hpp).
///
///   auto [n, sum] = xla::while_loop([](const auto& s) { return std::get<0>(s) < 1000; },
///                                   [&](const auto& s) { return xla::tuple(std::get<0>(s) + 1, std::get<1>(s) + step); },
///                                   xla::tuple(0, zeros));
///   auto y = xla::map([](float a, float b) { return a > 0 ? a : b * b; }, x, z);        // one loop

#include <tuple>

#include "lift.hpp"

namespace rill {

namespace ops {
/// i[0] operands of one shape.
struct map_of {
  static constexpr auto name = "Map";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1;
  static constexpr void check(const signature* in, int n, failure& f) {
    for (int k = 1; k < n; ++k)
      if (!(in[k].shape == in[0].shape)) f.set("operands differ in shape", "broadcast them before", in[0], in[k]);
  }
};
}  // namespace ops

namespace detail::control {

template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;

template <class X>
constexpr auto in_memory(X&& x);
template <class T>
constexpr auto all_in_memory(const T& t) {
  return std::apply([](const auto&... v) { return std::make_tuple(control::in_memory(v)...); }, t);
}
/// A value for keeps: expressions are evaluated.
template <class X>
constexpr auto in_memory(X&& x) {
  using T = std::remove_cvref_t<X>;
  if constexpr (is_tuple<T>) return control::all_in_memory(x);
  else if constexpr (expr::eager<T>) return rill::tensor(std::forward<X>(x));
  else return T(std::forward<X>(x));
}
template <class X>
using in_memory_t = decltype(control::in_memory(std::declval<X>()));

inline std::string describe(dtype type, const tensor_shape& s) { return std::string(name_of(type)) + to_string(s); }

/// Throws unless both are of one dtype and shape, member by member.
template <class T>
void check_alike(const char* op, const char* whose, const T& wanted, const T& got) {
  const auto compare = [&](dtype a, const tensor_shape& s, dtype b, const tensor_shape& t) {
    if (a == b && s == t) return;
    throw invalid_argument(std::string(op) + ": " + whose + " gave " + describe(b, t) + " where " + describe(a, s) +
                           " is wanted; dtypes and shapes must stay the same");
  };
  if constexpr (std::is_same_v<T, dynamic_tensor>) compare(wanted.type(), wanted.shape(), got.type(), got.shape());
  else if constexpr (expr::eager<T>) compare(dtype_v<typename T::element_type>, wanted.shape(), dtype_v<typename T::element_type>, got.shape());
  else if constexpr (is_tuple<T>)
    [&]<std::size_t... I>(std::index_sequence<I...>) { (control::check_alike(op, whose, std::get<I>(wanted), std::get<I>(got)), ...); }
    (std::make_index_sequence<std::tuple_size_v<T>>{});
}

template <class P>
inline constexpr bool is_symbol = std::is_same_v<std::remove_cvref_t<P>, symbol>;

/// A predicate as bool.
template <class P>
bool truth(const char* op, const P& pred) {
  if constexpr (std::is_same_v<P, bool>) {
    return pred;
  } else {
    const dynamic_tensor p = eager::lend(pred);
    if (p.type() != dtype::boolean || p.rank() != 0)
      throw invalid_argument(std::string(op) + ": the predicate must be a scalar of dtype bool, got " + describe(p.type(), p.shape()));
    return p.item<bool>();
  }
}

}  // namespace detail::control

namespace xla {

// ---- tuples ----------------------------------------------------------------------------------------------------------

/// The values as a tuple; expressions are evaluated.
template <class... X>
constexpr std::tuple<detail::control::in_memory_t<const X&>...> tuple(const X&... values) {
  return {detail::control::in_memory(values)...};
}
/// Member N of a tuple.
template <std::size_t N, class... T>
constexpr const auto& get_tuple_element(const std::tuple<T...>& t) {
  static_assert(N < sizeof...(T), "get_tuple_element: the tuple has fewer members");
  return std::get<N>(t);
}
template <std::size_t N, class... T>
constexpr auto get_tuple_element(std::tuple<T...>&& t) {
  static_assert(N < sizeof...(T), "get_tuple_element: the tuple has fewer members");
  return std::get<N>(std::move(t));
}
/// One of two tuples of equal types and shapes, as a scalar predicate says (XLA's Select between tuples).
template <class P, class... T>
std::tuple<T...> select(const P& pred, const std::tuple<T...>& on_true, const std::tuple<T...>& on_false) {
  static_assert(!detail::control::is_symbol<P>, "select: a model selects between tensors, member by member");
  detail::control::check_alike("Select", "on_false", on_true, on_false);
  return detail::control::truth("Select", pred) ? on_true : on_false;
}

// ---- computations ----------------------------------------------------------------------------------------------------

/// f applied to the elements at each index of one or more tensors of one shape (XLA's Map). f takes one number of each
/// operand's type and may return another type; constants that it needs besides are captured. It must have no side effects:
/// large tensors are mapped on several threads.
template <class F, expr::eager X, expr::eager... R>
auto map(F&& f, const X& x, const R&... rest) {
  static_assert(std::is_invocable_v<F&, typename X::element_type, typename R::element_type...>,
                "map: the function does not take one element of each operand");
  using S = std::remove_cvref_t<std::invoke_result_t<F&, typename X::element_type, typename R::element_type...>>;
  static_assert(element<S>, "map: the function returns what is no element type");
  const std::tuple<detail::control::in_memory_t<const X&>, detail::control::in_memory_t<const R&>...> in{detail::control::in_memory(x), detail::control::in_memory(rest)...};
  const signature s[] = {{dtype_v<typename X::element_type>, x.shape()}, {dtype_v<typename R::element_type>, rest.shape()}...};
  failure why;
  ops::map_of::check(s, static_cast<int>(sizeof...(R)) + 1, why);
  if (why) throw invalid_argument(to_string(why, ops::map_of::name));
  auto r = tensor<S, any_rank>::uninitialized(s[0].shape);
  S* const to = r.data();
  std::apply([&](const auto&... v) {
    const auto loop = [&](auto*... p) {
      parallel_for(r.size(), 4096, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t k = begin; k < end; ++k) to[k] = f(p[k]...);
      });
    };
    loop(v.data()...);
  }, in);
  return r;
}
/// On run-time-typed tensors and in a model f is applied to the tensors themselves, with the library's element-wise
/// functions; so it is differentiable, and fused in a model. Its result must have the operands' shape.
template <class F, value V, std::same_as<V>... R>
constexpr V map(F&& f, V x, R... rest) {
  static_assert(std::is_invocable_r_v<V, F&, V, R...>, "map: the function does not take one value for each operand");
  signature s[sizeof...(R) + 1];
  int n = 0;
  for (const V& v : {x, rest...}) {
    if (V::front_end::failed(v)) return v;
    s[n++] = {v.type(), v.shape()};
  }
  failure why;
  ops::map_of::check(s, n, why);
  if (why) return V::front_end::template fail<ops::map_of>(why, x);
  const V y = f(x, rest...);
  if (V::front_end::failed(y) || y.shape() == x.shape()) return y;
  why.set("the function must give an element for each of the operands'", "write it with element-wise functions", s[0], {y.type(), y.shape()});
  return V::front_end::template fail<ops::map_of>(why, x);
}

/// The computation's result for these arguments (XLA's Call); in a model it is inlined.
template <class F, class... A>
constexpr auto call(F&& computation, A&&... arguments) {
  static_assert(std::is_invocable_v<F, A...>, "call: the computation does not take these arguments");
  return std::forward<F>(computation)(std::forward<A>(arguments)...);
}

/// true_computation(true_operand) where the scalar predicate holds, else false_computation(false_operand); exactly one of
/// them runs, and both give values of one type.
template <class P, class A, class F, class B, class G>
auto conditional(const P& pred, const A& true_operand, F&& true_computation, const B& false_operand, G&& false_computation) {
  static_assert(!detail::control::is_symbol<P> && !detail::control::is_symbol<A> && !detail::control::is_symbol<B>,
                "conditional: a model chooses with select, or calls an eager function by eager::py_func");
  static_assert(std::is_invocable_v<F, const A&> && std::is_invocable_v<G, const B&>, "conditional: a computation does not take its operand");
  using T = detail::control::in_memory_t<std::invoke_result_t<F, const A&>>;
  static_assert(std::is_same_v<T, detail::control::in_memory_t<std::invoke_result_t<G, const B&>>>, "conditional: both computations must give values of one type");
  if (detail::control::truth("Conditional", pred)) return T(detail::control::in_memory(true_computation(true_operand)));
  return T(detail::control::in_memory(false_computation(false_operand)));
}

/// What body makes of init while condition holds: body(body(... init)). condition takes the value and gives a scalar
/// predicate; body takes the value and gives the next one, of the same dtypes and shapes. The value is a tensor, a number
/// or a tuple.
template <class C, class F, class X>
auto while_loop(C&& condition, F&& body, const X& init) {
  static_assert(!detail::control::is_symbol<X>, "while_loop: a model loops in C++ while it is traced, or calls an eager function by eager::py_func");
  using T = detail::control::in_memory_t<const X&>;
  static_assert(std::is_invocable_v<C&, const T&>, "while_loop: the condition does not take the value of the loop");
  static_assert(std::is_invocable_v<F&, const T&>, "while_loop: the body does not take the value of the loop");
  static_assert(std::is_convertible_v<std::invoke_result_t<F&, const T&>, T>, "while_loop: the body must return a value like the one it takes");
  T v = detail::control::in_memory(init);
  while (detail::control::truth("While", condition(static_cast<const T&>(v)))) {
    T next = body(static_cast<const T&>(v));
    detail::control::check_alike("While", "the body", v, next);
    v = std::move(next);
  }
  return v;
}

}  // namespace xla
}  // namespace rill

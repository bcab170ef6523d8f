// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Control flow in models: cond, switch_case, while_loop and loop_over, of which ops/loops.hpp makes case_, map_fn, scan,
/// foldl and foldr, with TensorFlow's semantics. Functions are traced once and compiled once, however often they run;
/// they may use any value of the model around them, and gradients go through all of them (a loop keeps what its backward
/// pass needs in memory that grows with its iterations).
///
///   auto [n, power] = while_loop([](symbol, symbol p) { return less(p, 100.f); },
///                                [&](symbol n, symbol p) { return std::tuple(n + 1, p * x); }, std::tuple(0, x));
///   auto y = cond(greater(reduce_sum(x), 0), [&] { return x * 2; }, [&] { return -x; });      // one of them runs
///   auto sums = scan([](symbol sum, symbol row) { return sum + row; }, rows, zeros_like(row));
///
/// Values are symbols, numbers and std::tuple or std::array of these, nested at will. States keep dtype and shape; branches
/// give the same ones. Variables are read and assigned inside as outside; a branch that runs without assigning what another
/// one would copies it.

#include <array>
#include <tuple>

#include "../kernel/movement.hpp"
#include "../ops/loops.hpp"
#include "body.hpp"
#include "trace.hpp"

namespace rill {

namespace graph {
namespace detail {

using ::rill::detail::is_nest;

/// Whether a structure holds a symbol.
template <class T>
inline constexpr bool has_symbol = std::is_same_v<T, symbol> || std::is_same_v<T, hyperparameter>;
template <class... T>
inline constexpr bool has_symbol<std::tuple<T...>> = (has_symbol<T> || ...);
template <class A, class B>
inline constexpr bool has_symbol<std::pair<A, B>> = has_symbol<A> || has_symbol<B>;
template <class T, std::size_t N>
inline constexpr bool has_symbol<std::array<T, N>> = has_symbol<T>;

/// The values of a structure as symbols of the builder, in order; integers become int32, other numbers float32.
template <class T>
constexpr void flatten(builder& b, const T& v, std::vector<symbol>& list) {
  if constexpr (is_nest<T>) {
    std::apply([&](const auto&... m) { (flatten(b, m, list), ...); }, v);
  } else {
    symbol s = as_symbol(v);
    if (s.g == nullptr)
      s = constant_of(&b, std::is_same_v<T, bool> ? dtype::boolean : is_integer_literal<T> ? dtype::int32 : dtype::float32, s.literal);
    list.push_back(b.local(s));
  }
}
/// A structure like T of the symbols from position k on; missing ones are poison.
template <class T>
constexpr auto rebuild(builder& b, const std::vector<symbol>& list, std::size_t& k) {
  if constexpr (is_nest<T>) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::tuple{rebuild<std::tuple_element_t<I, T>>(b, list, k)...};
    }(std::make_index_sequence<std::tuple_size_v<T>>{});
  } else {
    const symbol s = k < list.size() ? list[k] : symbol{&b, -1};
    ++k;
    return s;
  }
}
/// f(members...) for a tuple, f(value) for anything else.
template <class F, class T>
constexpr auto call_with(F& f, const T& v) {
  if constexpr (is_nest<T>) return std::apply(f, v);
  else return f(v);
}
/// Some builder of the trace that the values belong to.
template <class T>
constexpr builder* builder_of(const T& v) {
  builder* b = nullptr;
  if constexpr (is_nest<T>) {
    std::apply([&](const auto&... m) { ((b = b == nullptr ? builder_of(m) : b), ...); }, v);
  } else if constexpr (std::is_same_v<T, hyperparameter>) {
    b = v.traced.g;
  } else if constexpr (std::is_same_v<T, symbol>) {
    b = v.g;
  }
  return b == nullptr ? nullptr : &b->root().innermost();
}

/// The variables of the model that some of the bodies assign.
constexpr std::vector<int> assigned_by(const std::vector<builder>& bodies) {
  std::vector<int> list;
  for (const builder& b : bodies)
    for (const builder::variable_use& u : b.uses) {
      bool known = false;
      for (int v : list) known = known || v == u.variable;
      if (!known) list.push_back(u.variable);
    }
  return list;
}

/// Branches over a scalar that selects one of them.
template <class... F>
constexpr auto trace_branches(symbol which, F&... functions) {
  builder& outer = *builder_of(which);
  using first = std::remove_cvref_t<std::invoke_result_t<std::tuple_element_t<0, std::tuple<F&...>>>>;
  std::vector<int> operands{outer.local(which).id};
  std::vector<signature> results;
  attributes at;
  at.i[0] = static_cast<std::int64_t>(outer.bodies.size()), at.i[1] = sizeof...(F);
  bool ok = operands[0] >= 0;
  std::vector<builder> bodies;
  const auto branch = [&](auto& f) {
    using T = std::remove_cvref_t<decltype(f())>;
    body_trace t(outer);
    std::vector<symbol> values;
    flatten(t.b, f(), values);
    if (bodies.empty())
      for (const symbol& v : values) results.push_back({v.type(), v.shape()});
    for (std::size_t k = 0; k < values.size() || k < results.size(); ++k) {
      if (k < values.size() && values[k].id < 0) {
        ok = false;
        return;
      }
      const signature s = k < values.size() ? signature{values[k].type(), values[k].shape()} : signature{};
      if (k >= results.size() || values.size() != results.size() || !(s.type == results[k].type && s.shape == results[k].shape)) {
        failure why;
        why.set("the branches must give values of the same dtypes and shapes", "cast, reshape or broadcast one",
                k < results.size() ? results[k] : signature{}, s);
        outer.fail(&info_of<op::branch>, why);
        ok = false;
        return;
      }
      t.variable(s);
      t.write(static_cast<int>(k), values[k]);
    }
    static_assert(is_nest<T> == is_nest<first>, "the branches must return the same structure");
    bodies.push_back(t.take());
  };
  (branch(functions), ...);
  std::vector<symbol> given;
  if (ok) {
    const std::vector<int> assigned = assigned_by(bodies);
    at.i[0] = static_cast<std::int64_t>(outer.bodies.size());  // behind what the branches themselves have attached
    for (builder& b : bodies) {
      for (int v : assigned) {
        const symbol value = b.local(value_of_variable(b, v));
        body_trace::add_variable(b, b.at(value).sig(), false);
        body_trace::write(b, static_cast<int>(b.variables.size()) - 1, value);
      }
      finish(std::move(b), operands, outer.bodies);
    }
    const int id = add_control(outer, &info_of<op::branch>, at, operands);
    for (std::size_t k = 0; k < results.size(); ++k) given.push_back(add_result(outer, id, static_cast<int>(k)));
    for (std::size_t k = 0; k < assigned.size(); ++k)
      if (id >= 0) write_variable(outer, assigned[k], add_result(outer, id, static_cast<int>(results.size() + k)));
  }
  std::size_t k = 0;
  return rebuild<first>(outer, given, k);
}

template <class C, class F, class T>
constexpr auto trace_while(C& condition, F& body, const T& init, std::int64_t at_most) {
  builder& outer = *builder_of(init);
  const int passed_scope = outer.root().scope;
  std::vector<symbol> first;
  first.push_back(constant_of(&outer, dtype::int64, 0));  // counts the iterations: the backward loop asks for it
  flatten(outer, init, first);
  std::vector<int> operands;
  std::vector<builder::variable_use> uses;
  loop_results r;
  const auto result = [&] {
    outer.root().scope = passed_scope;
    std::size_t k = 1;
    return rebuild<T>(outer, r.states, k);
  };
  for (const symbol& s : first) {
    if (s.id < 0) return result();
    operands.push_back(s.id);
  }
  attributes at;
  at.i[2] = op::loop::conditional;
  {
    body_trace t(outer);
    t.b.repeats = true;
    std::vector<symbol> states, next;
    for (const symbol& s : first) states.push_back(t.variable({s.type(), s.shape()}));
    next.push_back(states[0] + 1);
    std::size_t k = 1;
    flatten(t.b, call_with(body, rebuild<T>(t.b, states, k)), next);
    if (!write_states(outer, t, next, 1)) return result();
    uses = begin_uses(outer, t, operands);
    at.i[0] = attach(outer, t, operands);
  }
  {
    body_trace t(outer);
    std::vector<symbol> states;
    for (const symbol& s : first) states.push_back(t.variable({s.type(), s.shape()}));
    for (builder::variable_use& u : uses) {
      const symbol before = value_of_variable(outer, u.variable), state = t.variable({before.type(), before.shape()});
      t.b.uses.push_back({u.variable, state.id, u.state});
    }
    const std::vector<builder::variable_use> as_they_are = t.b.uses;
    std::size_t k = 1;
    std::vector<symbol> test;
    flatten(t.b, call_with(condition, rebuild<T>(t.b, states, k)), test);
    if (test[0].id < 0) return result();
    bool writes = t.b.uses.size() != as_they_are.size();
    for (std::size_t u = 0; !writes && u < as_they_are.size(); ++u) writes = t.b.uses[u].value != as_they_are[u].value;
    if (writes) {
      failure why;
      why.set("the condition of a loop cannot assign a variable", "let the body do it", {});
      outer.fail(&info_of<op::loop>, why);
      return result();
    }
    if (test.size() != 1 || test[0].type() != dtype::boolean || test[0].shape().num_elements() != 1) {
      failure why;
      why.set("the condition must be a scalar of dtype bool", "compare, or reduce_all", {test[0].type(), test[0].shape()});
      outer.fail(&info_of<op::loop>, why);
      return result();
    }
    symbol go = test[0];
    if (at_most >= 0) go = logical_and(reshape(go, {}), less(states[0], static_cast<double>(at_most)));
    t.b.fetches.push_back({name_buffer("condition"), t.b.local(go).id, false});
    at.i[1] = attach(outer, t, operands);
  }
  const int id = add_control(outer, &info_of<op::loop>, at, operands);
  for (std::size_t k = 0; k < first.size(); ++k) r.states.push_back(add_result(outer, id, static_cast<int>(k)));
  end_uses(outer, id, uses);
  return result();
}

/// The extent over which rows are taken, checked: all stacks have the same first extent.
constexpr std::int64_t rows_of(builder& b, const std::vector<symbol>& stacks) {
  for (const symbol& s : stacks) {
    if (s.id < 0) return 0;
    failure why;
    if (s.rank() == 0) why.set("there are no rows to loop over", "needs at least one axis", {s.type(), s.shape()});
    else if (s.shape()[0] != stacks[0].shape()[0])
      why.set("first axes differ", "they are looped over together", {stacks[0].type(), stacks[0].shape()}, {s.type(), s.shape()});
    if (why) {
      b.fail(&info_of<op::loop>, why);
      return 0;
    }
  }
  return stacks[0].shape()[0];
}

}  // namespace detail
}  // namespace graph

/// A structure with a symbol in it: what the functions of this file take while a model is traced.
template <class T>
concept traced_structure = graph::detail::has_symbol<std::remove_cvref_t<T>>;

/// true_fn() where the scalar predicate (bool) holds, else false_fn(); exactly one of them runs (TensorFlow's cond).
template <class F, class G>
constexpr auto cond(symbol pred, F&& true_fn, G&& false_fn) {
  graph::builder& b = *graph::detail::builder_of(pred);
  if (pred.id >= 0 && (pred.type() != dtype::boolean || pred.shape().num_elements() != 1)) {
    failure why;
    why.set("the predicate must be a scalar of dtype bool", "compare, or reduce_all", {pred.type(), pred.shape()});
    b.fail(&graph::info_of<graph::op::branch>, why);
    pred.id = -1;
  }
  return graph::detail::trace_branches(pred, true_fn, false_fn);
}
/// functions[index](), the last one where the index (a scalar of int32) is out of range (TensorFlow's switch_case).
template <class... F>
constexpr auto switch_case(symbol index, F&&... functions) {
  graph::builder& b = *graph::detail::builder_of(index);
  if (index.id >= 0 && (index.type() != dtype::int32 || index.shape().num_elements() != 1)) {
    failure why;
    why.set("the index must be a scalar of dtype int32", "cast it", {index.type(), index.shape()});
    b.fail(&graph::info_of<graph::op::branch>, why);
    index.id = -1;
  }
  return graph::detail::trace_branches(index, functions...);
}
/// body(body(... loop_vars)) for as long as condition holds; both take the loop variables one by one. Gives a structure like
/// loop_vars.
template <class C, class F, traced_structure T>
constexpr auto while_loop(C&& condition, F&& body, const T& loop_vars, while_loop_options o = {}) {
  return graph::detail::trace_while(condition, body, loop_vars, o.maximum_iterations);
}

/// (last state, results stacked): step(state, row) gives a std::pair (next state, result of the row) for each row of `rows`,
/// along the first axis of each. What jax.lax.scan does; the other loops over rows are made of it.
template <class F, class S, traced_structure X>
constexpr auto loop_over(F&& step, const S& state, const X& rows, loop_options o = {}) {
  graph::builder& b = *graph::detail::builder_of(rows);
  std::vector<symbol> init, stacks;
  graph::detail::flatten(b, state, init);
  graph::detail::flatten(b, rows, stacks);
  std::int64_t n = graph::detail::rows_of(b, stacks);
  using step_result = std::remove_cvref_t<decltype([&] {
    std::size_t k = 0;
    const std::vector<symbol> none;
    return step(graph::detail::rebuild<S>(b, none, k), graph::detail::rebuild<X>(b, none, k));
  }())>;
  static_assert(std::tuple_size_v<step_result> == 2, "loop_over: the function must return std::pair(next state, result)");
  using result = std::tuple_element_t<1, step_result>;
  std::int64_t together = 1;  // iterations side by side: the largest divisor of n up to `unroll`
  for (std::int64_t k = 2; k <= o.unroll && k <= n; ++k)
    if (n % k == 0) together = k;
  if (n > 0 && o.unroll >= n) together = n;
  const auto apply = [&](const std::vector<symbol>& states, const std::vector<symbol>& items, std::vector<symbol>& next,
                         std::vector<symbol>& given) {
    std::size_t s = 0, x = 0;
    const auto [new_state, row] = step(graph::detail::rebuild<S>(b, states, s), graph::detail::rebuild<X>(b, items, x));
    next.clear();
    graph::builder& here = b.root().innermost();
    graph::detail::flatten(here, new_state, next);
    graph::detail::flatten(here, row, given);
  };
  // one iteration after the other, over items that have a leading axis of `together`
  const auto several = [&](const std::vector<symbol>& states, const std::vector<symbol>& items, std::vector<symbol>& next,
                           std::vector<symbol>& stacked) {
    next = states;
    std::vector<std::vector<symbol>> given(static_cast<std::size_t>(together));
    for (std::int64_t k = 0; k < together; ++k) {
      const std::int64_t at = o.reverse ? together - 1 - k : k;
      std::vector<symbol> row, from = next;
      for (const symbol& item : items) {
        tensor_shape shape;
        for (int d = 1; d < item.rank(); ++d) shape.push_back(item.shape()[d]);
        row.push_back(item.id < 0 ? item : ::rill::reshape_to(::rill::slice_along(item, 0, at, 1), shape));
      }
      apply(from, row, next, given[static_cast<std::size_t>(at)]);
    }
    for (std::size_t r = 0; r < given[0].size(); ++r) {
      std::vector<symbol> rows_given;
      for (const auto& g : given) rows_given.push_back(g[r]);
      stacked.push_back(stack(rows_given));
    }
  };
  graph::loop_results r;
  bool poisoned = false;
  for (const symbol& s : init) poisoned = poisoned || s.id < 0;
  for (const symbol& s : stacks) poisoned = poisoned || s.id < 0;
  if (!poisoned && together == n && n > 0) {
    several(init, stacks, r.states, r.rows);
  } else if (!poisoned && together > 1) {
    for (symbol& s : stacks) {
      tensor_shape shape{n / together, together};
      for (int d = 1; d < s.rank(); ++d) shape.push_back(s.shape()[d]);
      s = ::rill::reshape_to(s, shape);
    }
    r = graph::trace_loop(b, {n / together, o.reverse, {}}, init, stacks, several);
    for (symbol& y : r.rows) {
      tensor_shape shape{n};
      for (int d = 2; d < y.rank(); ++d) shape.push_back(y.shape()[d]);
      y = ::rill::reshape_to(y, shape);
    }
  } else if (!poisoned) {
    r = graph::trace_loop(b, {n, o.reverse, {}}, init, stacks, apply);
  }
  std::size_t s = 0, y = 0;
  auto last = graph::detail::rebuild<S>(b, r.states, s);
  auto stacked = graph::detail::rebuild<result>(b, r.rows, y);
  return std::pair{last, stacked};
}

}  // namespace rill

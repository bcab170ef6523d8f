// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The graphs inside of a graph: how the body of a loop or branch is traced, finished and attached to the node that runs it.
///
/// A body is a builder of its own. Its inputs stand for values outside (the row that belongs to the iteration, for inputs
/// that are rows), its variables for what it keeps or gives: states of a loop, rows of what a loop stacks, results of a
/// branch. It reads a state as it was when the iteration began, whatever it writes.
///
/// A variable of the model that a body assigns becomes one of its states or results, and what that is afterwards is
/// assigned where the body ends: in the model, or in the body around it.

#include <utility>
#include <vector>

#include "symbol.hpp"

namespace rill::graph {

/// The values that a tuple is made of, in order.
constexpr void append_leaves(const builder& b, int id, std::vector<int>& list) {
  const node& n = b.nodes[static_cast<std::size_t>(id)];
  if (n.op->kind != op_kind::tuple) {
    list.push_back(id);
    return;
  }
  for (int k = 0; k < n.arity; ++k) append_leaves(b, n.in[k], list);
}
/// The operands of a control flow node.
constexpr std::vector<int> leaves_of(const builder& b, const node& n) {
  std::vector<int> list;
  for (int k = 0; k < n.arity; ++k) append_leaves(b, n.in[k], list);
  return list;
}
/// Calls f with the number of each body of a control flow node.
template <class F>
constexpr void for_each_body(const node& n, F&& f) {
  if (n.op->id == id_of<op::loop>) {
    f(static_cast<int>(n.attr.i[0]));
    if (n.attr.i[2] == op::loop::conditional) f(static_cast<int>(n.attr.i[1]));
  } else if (n.op->id == id_of<op::branch>) {
    for (std::int64_t k = 0; k < n.attr.i[1]; ++k) f(static_cast<int>(n.attr.i[0] + k));
  }
}

/// A body while it is traced: symbols that are made meanwhile go into it.
class body_trace {
 public:
  builder b;

  constexpr explicit body_trace(builder& outer) : outer_(&outer) {
    b.outer = &outer;
    outer.inner = &b;
  }
  body_trace(const body_trace&) = delete;
  body_trace& operator=(const body_trace&) = delete;
  constexpr ~body_trace() { end(); }
  constexpr void end() {
    if (outer_ != nullptr) outer_->inner = nullptr;
    outer_ = nullptr;
  }

  /// A variable; with a row for each iteration it is only written.
  constexpr symbol variable(const signature& s, bool row = false) { return add_variable(b, s, row); }
  constexpr void write(int k, symbol value) { write(b, k, b.local(value)); }

  /// A builder for what symbols of a body that has been traced are made of still.
  constexpr builder take() {
    end();
    return std::move(b);
  }

  static constexpr symbol add_variable(builder& b, const signature& s, bool row) {
    attributes at;
    at.i[0] = static_cast<std::int64_t>(b.variables.size());
    const symbol v = b.add(&info_of<source::variable>, s, nullptr, 0, at);
    variable_decl d;
    d.type = s.type, d.shape = s.shape, d.node = v.id;
    b.variables.push_back(d);
    b.variable_is_row.push_back(row);
    return v;
  }
  static constexpr void write(builder& b, int k, symbol value) {
    const variable_decl& d = b.variables[static_cast<std::size_t>(k)];
    if (value.id < 0 || value.id == d.node) return;
    attributes at;
    at.i[0] = k;
    b.add(&info_of<op::assign>, {d.type, d.shape}, &value.id, 1, at);
  }

 private:
  builder* outer_;
};

/// Variable `k` of the model at this place of the program, which is in `here`.
constexpr symbol value_of_variable(builder& here, int k) {
  const auto n = static_cast<std::size_t>(k);
  if (here.outer == nullptr) return {&here, here.written[n] < 0 ? here.variables[n].node : here.written[n]};
  for (const builder::variable_use& u : here.uses)
    if (u.variable == k) return {&here, u.value};
  const symbol before = value_of_variable(*here.outer, k);
  if (!here.repeats) return before;
  const symbol state = body_trace::add_variable(here, before.g->at(before).sig(), false);
  here.uses.push_back({k, state.id, static_cast<int>(here.variables.size()) - 1});
  return state;
}
/// Gives variable `k` of the model a new value there; the result is that value.
constexpr symbol write_variable(builder& here, int k, symbol value) {
  const symbol v = here.local(value);
  if (v.id < 0) return v;
  if (here.outer == nullptr) {
    attributes at;
    at.i[0] = k;
    const symbol written = here.add(&info_of<op::assign>, here.at(v).sig(), {v.id}, at);
    here.written[static_cast<std::size_t>(k)] = written.id;
    return written;
  }
  if (here.repeats) value_of_variable(here, k);
  for (builder::variable_use& u : here.uses)
    if (u.variable == k) {
      u.value = v.id;
      return v;
    }
  here.uses.push_back({k, v.id});
  return v;
}

namespace detail {

/// Drops nodes that nothing needs, and inputs that nothing reads.
template <class = void>
constexpr void drop_unread(builder& b) {
  std::vector<char> live(b.nodes.size(), 0);
  for (const variable_decl& v : b.variables) live[static_cast<std::size_t>(v.node)] = 1;
  for (const fetch_decl& f : b.fetches)
    if (f.node >= 0) live[static_cast<std::size_t>(f.node)] = 1;
  for (std::size_t id = b.nodes.size(); id-- > 0;) {
    const node& n = b.nodes[id];
    if (n.op->kind == op_kind::assign || n.has_effect()) live[id] = 1;
    if (live[id])
      for (int k = 0; k < n.arity; ++k) live[static_cast<std::size_t>(n.in[k])] = 1;
  }
  std::vector<int> moved(b.nodes.size(), -1);
  std::vector<node> kept;
  for (std::size_t id = 0; id < b.nodes.size(); ++id) {
    if (!live[id]) continue;
    node n = b.nodes[id];
    for (int k = 0; k < n.arity; ++k) n.in[k] = moved[static_cast<std::size_t>(n.in[k])];
    moved[id] = static_cast<int>(kept.size());
    kept.push_back(n);
  }
  std::size_t inputs = 0;
  for (std::size_t k = 0; k < b.inputs.size(); ++k) {
    const int id = moved[static_cast<std::size_t>(b.inputs[k])];
    if (id < 0) continue;
    kept[static_cast<std::size_t>(id)].attr.i[0] = static_cast<std::int64_t>(inputs);
    b.inputs[inputs] = id, b.outside[inputs] = b.outside[k], b.input_is_row[inputs] = b.input_is_row[k];
    ++inputs;
  }
  b.inputs.resize(inputs), b.outside.resize(inputs), b.input_is_row.resize(inputs);
  for (variable_decl& v : b.variables) v.node = moved[static_cast<std::size_t>(v.node)];
  for (fetch_decl& f : b.fetches)
    if (f.node >= 0) f.node = moved[static_cast<std::size_t>(f.node)];
  b.nodes = kept;
}

/// Makes a traced body one of `bodies`; appends what its inputs stand for to the operands.
template <class = void>
constexpr void finish(builder b, std::vector<int>& operands, std::vector<builder>& bodies) {
  drop_unread(b);
  for (int id : b.outside) operands.push_back(id);
  b.outside.clear();
  b.uses.clear();
  b.outer = nullptr;
  bodies.push_back(std::move(b));
}
template <class = void>
constexpr void finish(body_trace& t, std::vector<int>& operands, std::vector<builder>& bodies) {
  finish(t.take(), operands, bodies);
}
/// The same, making it one of the outer graph's; returns its number.
template <class = void>
constexpr int attach(builder& outer, body_trace& t, std::vector<int>& operands) {
  finish(t, operands, outer.bodies);
  return static_cast<int>(outer.bodies.size()) - 1;
}
constexpr bool any_effect(const builder& b) {
  for (const node& n : b.nodes)
    if (n.has_effect()) return true;
  return false;
}
/// The node itself; its operands become a tuple of tuples of four.
template <class = void>
constexpr int add_control(builder& b, const op_info* op, attributes at, std::vector<int> operands) {
  for (int id : operands)
    if (id < 0) return -1;
  while (operands.size() > 1) {
    std::vector<int> next;
    for (std::size_t k = 0; k < operands.size(); k += max_operands) {
      const std::size_t n = operands.size() - k < max_operands ? operands.size() - k : max_operands;
      next.push_back(n == 1 ? operands[k] : b.add(&info_of<op::tuple>, {}, operands.data() + k, static_cast<int>(n), {}).id);
    }
    operands = next;
  }
  node made;
  made.op = op, made.attr = at;
  for_each_body(made, [&](int k) { at.i[11] |= any_effect(b.bodies[static_cast<std::size_t>(k)]); });
  return b.add(op, {}, operands.data(), static_cast<int>(operands.size()), at).id;
}
/// What variable k of the bodies holds after the node.
template <class = void>
constexpr symbol add_result(builder& b, int control, int k) {
  if (control < 0) return {&b, -1};
  const node& n = b.nodes[static_cast<std::size_t>(control)];
  const builder& body = b.bodies[static_cast<std::size_t>(n.attr.i[0])];
  const variable_decl& v = body.variables[static_cast<std::size_t>(k)];
  attributes at;
  at.i[0] = k;
  tensor_shape s = v.shape;
  if (body.variable_is_row[static_cast<std::size_t>(k)]) {
    at.i[1] = !op::loop::is_static(n.attr);
    s = {};
    s.push_back(at.i[1] ? 1 : n.attr.i[2]);
    for (std::int64_t d : v.shape) s.push_back(d);
  }
  return b.add(&info_of<op::result>, {v.type, s}, &control, 1, at);
}

/// Writes what the states of a loop, all variables so far, become in an iteration; false where that does not fit them. The
/// first `hidden` ones are not the program's.
template <class = void>
constexpr bool write_states(builder& outer, body_trace& t, const std::vector<symbol>& next, std::size_t hidden = 0) {
  failure f;
  const std::size_t states = t.b.variables.size() - t.b.uses.size();  // variables of the model came after them
  if (next.size() != states) {
    const auto count = [&](std::size_t n) { return signature{dtype::int64, {static_cast<std::int64_t>(n - hidden)}}; };
    f.set("the body must give as many values as it takes", "", count(states), count(next.size()));
    outer.fail(&info_of<op::loop>, f);
    return false;
  }
  for (std::size_t k = 0; k < next.size(); ++k) {
    const symbol v = t.b.local(next[k]);
    const signature state{t.b.variables[k].type, t.b.variables[k].shape};
    if (v.id < 0) return false;
    if (!(v.type() == state.type && v.shape() == state.shape)) {
      f.set("the body must give each state in its dtype and shape", "cast or reshape it", state, {v.type(), v.shape()});
      outer.fail(&info_of<op::loop>, f);
      return false;
    }
    t.write(static_cast<int>(k), v);
  }
  for (const builder::variable_use& u : t.b.uses) t.write(u.state, {&t.b, u.value});
  return true;
}
/// Appends what the states begin with that stand for variables of the model.
template <class = void>
constexpr std::vector<builder::variable_use> begin_uses(builder& outer, const body_trace& t, std::vector<int>& operands) {
  for (const builder::variable_use& u : t.b.uses) operands.push_back(outer.local(value_of_variable(outer, u.variable)).id);
  std::vector<builder::variable_use> uses = t.b.uses;
  for (builder::variable_use& u : uses)
    if (u.value == t.b.variables[static_cast<std::size_t>(u.state)].node) u.state = -1;  // only read
  return uses;
}
/// Assigns what became of them; states that were only read stay as they are.
template <class = void>
constexpr void end_uses(builder& outer, int control, const std::vector<builder::variable_use>& uses) {
  for (const builder::variable_use& u : uses)
    if (control >= 0 && u.state >= 0) write_variable(outer, u.variable, add_result(outer, control, u.state));
}

}  // namespace detail

/// What a loop leaves behind: its states, and the rows that its iterations wrote, stacked.
struct loop_results {
  std::vector<symbol> states, rows;
};
/// How often a loop runs.
struct loop_extent {
  std::int64_t trip = 0;  ///< a number; negative: that multiple of the batch; or op::loop::counted
  bool reverse = false;   ///< rows from the last to the first
  symbol count = {};      ///< int64 scalar of a counted loop
};

/// A loop over the outer builder's values: body(states, rows, next states, rows to stack) is traced once. `operands` are
/// of the outer builder.
template <class F>
constexpr loop_results trace_loop(builder& outer, const loop_extent& e, const std::vector<symbol>& init,
                                  const std::vector<symbol>& rows, F&& body) {
  loop_results r;
  std::vector<int> operands;
  if (e.trip == op::loop::counted) operands.push_back(e.count.id);
  for (const symbol& s : init) operands.push_back(s.id);
  for (const symbol& s : rows) operands.push_back(s.id);
  for (int id : operands)
    if (id < 0) return r;
  operands.resize(operands.size() - rows.size());
  std::vector<builder::variable_use> uses;
  attributes at;
  at.i[2] = e.trip, at.i[3] = e.reverse;
  {
    body_trace t(outer);
    t.b.repeats = true;
    std::vector<symbol> states, items, next, stacked;
    for (const symbol& s : init) states.push_back(t.variable({s.type(), s.shape()}));
    for (const symbol& s : rows) {
      tensor_shape shape;
      for (int d = 1; d < s.rank(); ++d) shape.push_back(s.shape()[d]);
      items.push_back(t.b.add_input({s.type(), shape}, s.id, true));
    }
    body(states, items, next, stacked);
    if (!detail::write_states(outer, t, next)) return r;
    uses = detail::begin_uses(outer, t, operands);
    for (const symbol& y : stacked) {
      const symbol v = t.b.local(y);
      if (v.id < 0) return r;
      t.variable({v.type(), v.shape()}, true);
      t.write(static_cast<int>(t.b.variables.size()) - 1, v);
    }
    at.i[0] = detail::attach(outer, t, operands);
  }
  const int id = detail::add_control(outer, &info_of<op::loop>, at, operands);
  const std::size_t count = outer.bodies[static_cast<std::size_t>(at.i[0])].variables.size();
  for (std::size_t k = 0; k < count; ++k)
    if (k < init.size() || k >= init.size() + uses.size())
      (k < init.size() ? r.states : r.rows).push_back(detail::add_result(outer, id, static_cast<int>(k)));
  detail::end_uses(outer, id, uses);
  return r;
}

}  // namespace rill::graph

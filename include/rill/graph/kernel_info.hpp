// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What the kernels of a compiled model are, at run time: what each computes, reads and writes, and the memory plan in
/// words. Derived from the constants of the model when asked for; a program that does not ask pays nothing.
///
///   for (const graph::kernel_info& k : graph::kernels_of<step, tensor<float, dyn, 784>>(100)) std::cout << k.name << '\n';
///   std::cout << to_string(graph::plan_of<step, tensor<float, dyn, 784>>(100));     // peak bytes, lower bound, buffers

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "graph_view.hpp"

namespace rill::graph {

/// A result of a kernel: in the arena, at a byte offset, or in a variable.
struct kernel_result {
  int node = -1;               ///< the node stored, or the assignment; -1 within bodies of control flow
  std::int64_t bytes = 0;      ///< of its elements
  std::int64_t allocated = 0;  ///< of its place in the arena, 0 for a variable
  std::int64_t offset = -1;    ///< there, -1 for a variable and for a row that a loop stacks
};

/// One kernel of a compiled model: a group of nodes that were fused.
struct kernel_info {
  std::string name;             ///< scope and ops, unique in the model: "dense/MatMul+Add+Relu"
  std::string type;             ///< its ops in order of evaluation, equal ones counted: "MatMul+Add*2+Relu"
  int body = -1;                ///< the body of control flow that it is in (of the graph_view's), or -1: the model itself
  int node = -1;                ///< the node it is attributed to: its contraction or other root, else its last result
  std::vector<int> nodes = {};  ///< everything it computes, and its assignments; counted within the body
  std::vector<kernel_result> results = {};
  std::int64_t bytes_read = 0;     ///< of its operands, each counted once
  std::int64_t bytes_written = 0;  ///< of its results
  std::int64_t flops = 0;          ///< of its contraction, convolution or reduction; element-wise ops count none
  std::int64_t live_bytes = 0;     ///< of the arena that hold values while it runs
};

/// A buffer of the arena and the kernels between which it holds its value; `last` may be one past the last kernel.
struct planned_buffer {
  int node = -1;
  std::string name;
  std::int64_t offset = 0, bytes = 0;
  int first = 0, last = 0;
  bool in_place = false;  ///< takes the memory of an operand that ends with the kernel
};

/// The memory plan for one batch. No other plan for this order of the kernels, with the same results written in place,
/// needs less than `lower_bound`.
struct memory_plan {
  std::int64_t batch = 1;
  std::int64_t peak_bytes = 0;
  std::int64_t lower_bound = 0;
  int fullest = 0;                      ///< the kernel while which so much is alive
  std::vector<std::int64_t> live = {};  ///< bytes alive per kernel, and after the last
  std::vector<planned_buffer> buffers = {};
};

namespace detail {

inline std::int64_t bytes_of(const tensor_shape& s, dtype type, std::int64_t batch) {
  return s.with_batch(batch).num_elements() * static_cast<std::int64_t>(size_of(type));
}
inline std::int64_t bytes_of(const graph_view& g, int node, std::int64_t batch) {
  const frozen_node& n = g.nodes[static_cast<std::size_t>(node)];
  return bytes_of(n.shape, n.type, batch);
}
/// -k bytes are k for each row of the batch.
inline std::int64_t for_batch(std::int64_t n, std::int64_t batch) { return n < 0 ? -n * batch : n; }

/// Where a slot begins when the arena is seen as one piece: what does not depend on the batch comes first.
inline std::int64_t offset_of(const graph_view& g, const slot_desc& s, std::int64_t batch) {
  return s.per_row ? g.fixed_bytes + s.offset * batch : s.offset;
}
inline std::int64_t allocated_by(const slot_desc& s, std::int64_t batch) { return s.per_row ? s.bytes * batch : s.bytes; }

/// Bytes of what lies there. Buffers within bodies of control flow count as allocated; of what grows in a loop nothing does.
inline std::int64_t bytes_at(const graph_view& g, const memory_ref& m, std::int64_t batch) {
  const auto k = static_cast<std::size_t>(m.index);
  switch (m.kind) {
    case memory_ref::slot: {
      const slot_desc& s = g.slots[k];
      return s.node >= 0 ? bytes_of(g, s.node, batch) : allocated_by(s, batch);
    }
    case memory_ref::variable: return bytes_of(g.variables[k].shape, g.variables[k].type, batch);
    case memory_ref::feed:
      for (std::size_t id = 0; id < g.nodes.size(); ++id)
        if (g.nodes[id].id == id_of<source::input> && g.nodes[id].i == m.index) return bytes_of(g, static_cast<int>(id), batch);
      return 0;
    case memory_ref::scalar: return static_cast<std::int64_t>(size_of(g.scalars[k].type));
    case memory_ref::range: return g.ranges[k].extent * static_cast<std::int64_t>(size_of(g.ranges[k].type));
    case memory_ref::row: return for_batch(g.rows[k].bytes, batch);
    case memory_ref::deferred: return bytes_of(g.steps[k].in[0].shape, g.steps[k].type, batch);
    default: return 0;
  }
}
/// The same of what a step reads or writes: of a variable whose rows lookups name no more than as many of them.
inline std::int64_t bytes_touched(const graph_view& g, const frozen_step& s, const memory_ref& m, std::int64_t batch) {
  const std::int64_t whole = bytes_at(g, m, batch);
  if (s.kind != group_kind::rows || m.kind != memory_ref::variable) return whole;
  std::int64_t named = 0;
  for (int k = 0; k < s.program.inputs; ++k)
    if (const memory_ref& i = g.inputs[static_cast<std::size_t>(s.program.input + k)].memory; i.kind == memory_ref::deferred) named += bytes_at(g, i, batch);
  return named < whole ? named : whole;
}

/// What a step reads, each memory once.
inline std::int64_t bytes_read_by(const graph_view& g, const frozen_step& s, std::int64_t batch) {
  std::vector<memory_ref> seen;
  std::int64_t total = 0;
  const auto add = [&](const memory_ref& m) {
    for (const memory_ref& o : seen)
      if (m.kind == o.kind && m.index == o.index) return;
    seen.push_back(m);
    total += bytes_touched(g, s, m, batch);
  };
  if (s.deferred) return 0;
  for (const frozen_program* p : {&s.program, &s.prologue_a, &s.prologue_b})
    for (int k = 0; k < p->inputs; ++k) add(g.inputs[static_cast<std::size_t>(p->input + k)].memory);
  for (int k = 0; k < s.arity && k < max_operands; ++k) {
    // the gradient of a maximum finds its winners in the input alone
    if (k == 1 && s.name == ops::max_pool_grad_op::name) continue;
    add(s.operands[k].memory);
  }
  return total;
}

/// "MatMul+Add*2+Relu": the ops of a step in order of evaluation, equal ones counted.
inline std::string ops_of_step(const graph_view& g, const frozen_step& s) {
  std::vector<std::pair<std::string_view, int>> ops;
  const auto add = [&](std::string_view name) {
    for (auto& [known, count] : ops)
      if (known == name) {
        ++count;
        return;
      }
    ops.emplace_back(name, 1);
  };
  const auto add_program = [&](const frozen_program& p) {
    for (int k = 0; k < p.lets; ++k) add(g.lets[static_cast<std::size_t>(p.let + k)].name);
  };
  add_program(s.prologue_a), add_program(s.prologue_b);
  if (s.kind == group_kind::reduce) add_program(s.program);
  if (s.control >= 0) add(g.controls[static_cast<std::size_t>(s.control)].is_loop ? op::loop::name : op::branch::name);
  if (!s.name.empty()) add(s.name);
  if (s.kind != group_kind::reduce) add_program(s.program);
  for (int k = 0; k < s.program.outputs; ++k)
    if (ops.empty() || g.outputs[static_cast<std::size_t>(s.program.output + k)].memory.kind == memory_ref::variable) add(op::assign::name);
  std::string text;
  for (const auto& [name, count] : ops) {
    if (!text.empty()) text += '+';
    text += name;
    if (count > 1) text += "*" + std::to_string(count);
  }
  return text;
}

}  // namespace detail

/// The memory plan of a model for a batch; what happens within bodies of control flow is one buffer of their kernel.
inline memory_plan plan_of(const graph_view& g, std::int64_t batch) {
  memory_plan p;
  p.batch = batch;
  p.peak_bytes = g.fixed_bytes + g.row_bytes * batch;
  p.live.assign(g.own_steps + 1, 0);
  const std::vector<std::string> names = node_names(g);
  for (const slot_desc& s : g.slots) {
    if (s.first >= static_cast<int>(g.own_steps) || s.bytes == 0) continue;
    planned_buffer b{s.node, s.node < 0 ? "(within the kernel)" : names[static_cast<std::size_t>(s.node)],
                     detail::offset_of(g, s, batch), detail::allocated_by(s, batch), s.first, s.last};
    for (const slot_desc& o : g.slots)  // two that meet in one kernel at one address: the later one is written in place
      b.in_place = b.in_place || (o.per_row == s.per_row && o.offset == s.offset && o.bytes == s.bytes &&
                                  o.first < s.first && o.last == s.first);
    for (int k = s.first + (b.in_place ? 1 : 0); k <= s.last; ++k) p.live[static_cast<std::size_t>(k)] += b.bytes;
    p.buffers.push_back(std::move(b));
  }
  for (std::size_t k = 0; k < p.live.size(); ++k)
    if (p.live[k] > p.lower_bound) p.lower_bound = p.live[k], p.fullest = static_cast<int>(k);
  return p;
}

/// The kernels of a model for a batch: its own in order of execution, then those of bodies of control flow, whose names
/// begin with that of the loop or branch. Of these buffers count as they are allocated.
inline std::vector<kernel_info> kernels_of(const graph_view& g, std::int64_t batch) {
  const std::vector<std::string> names = node_names(g);
  const memory_plan plan = plan_of(g, batch);
  std::vector<int> owner(g.steps.size(), -1), body_of(g.steps.size(), -1);  // the loop or branch that runs a step, in that body
  for (std::size_t k = 0; k < g.steps.size(); ++k) {
    if (g.steps[k].control < 0) continue;
    const control_desc& c = g.controls[static_cast<std::size_t>(g.steps[k].control)];
    const int regions = !c.is_loop ? c.branches : c.trip == op::loop::conditional ? 2 : 1;
    for (int r = c.region; r < c.region + regions; ++r)
      for (int i = 0; i < g.regions[static_cast<std::size_t>(r)].count; ++i) {
        const auto inside = static_cast<std::size_t>(g.regions[static_cast<std::size_t>(r)].first + i);
        owner[inside] = static_cast<int>(k), body_of[inside] = r;
      }
  }
  unique_names unique;
  std::vector<kernel_info> all;
  for (std::size_t step = 0; step < g.steps.size(); ++step) {
    const frozen_step& s = g.steps[step];
    const bool own = step < g.own_steps;
    kernel_info k;
    if (own)
      for (std::size_t id = 0; id < g.nodes.size(); ++id)
        if (g.group_of[id] == s.group) k.nodes.push_back(static_cast<int>(id));
    if (!own && !g.bodies.empty()) {
      k.body = body_of[step];
      const body_desc& d = g.bodies[static_cast<std::size_t>(k.body)];
      for (int id = 0; id < d.count; ++id)
        if (g.body_step_of[static_cast<std::size_t>(d.first + id)] == static_cast<int>(step)) k.nodes.push_back(id);
      k.node = s.root >= 0 || k.nodes.empty() ? s.root : k.nodes.back();
      for (int id : k.nodes)
        if (s.root < 0 && g.body_nodes[static_cast<std::size_t>(d.first + id)].kind != op_kind::assign) k.node = id;
    }
    k.bytes_read = detail::bytes_read_by(g, s, batch);
    const auto add_slot = [&](const memory_ref& m) {
      const slot_desc& slot = g.slots[static_cast<std::size_t>(m.index)];
      k.results.push_back({slot.node, detail::bytes_at(g, m, batch), detail::allocated_by(slot, batch), detail::offset_of(g, slot, batch)});
    };
    if (s.kind == group_kind::reduce) add_slot(s.operands[max_operands - 1].memory);
    if (s.kind == group_kind::control && own)
      for (int i = 0; i < static_cast<int>(g.slots.size()); ++i)
        if (const slot_desc& slot = g.slots[static_cast<std::size_t>(i)]; slot.first == static_cast<int>(step) && slot.node >= 0)
          add_slot({memory_ref::slot, i});
    std::string updated;  // a variable that it writes: of an update the variable itself, not its slots
    for (int i = 0; i < s.program.outputs; ++i) {
      const memory_ref& m = g.outputs[static_cast<std::size_t>(s.program.output + i)].memory;
      if (m.kind == memory_ref::slot) add_slot(m);
      if (m.kind == memory_ref::row) k.results.push_back({-1, detail::bytes_at(g, m, batch), 0, -1});
      if (m.kind != memory_ref::variable) continue;
      int assignment = -1;
      for (std::size_t id = 0; id < g.nodes.size(); ++id)
        if (g.nodes[id].id == id_of<op::assign> && g.nodes[id].i == m.index) assignment = static_cast<int>(id);
      if (assignment >= 0) k.nodes.push_back(assignment);
      k.results.push_back({assignment, detail::bytes_touched(g, s, m, batch), 0, -1});
      const std::string_view name = g.variables[static_cast<std::size_t>(m.index)].name.view();
      if (updated.empty() || name.size() < updated.size()) updated = name;
    }
    for (const kernel_result& r : k.results) k.bytes_written += r.bytes;
    k.flops = detail::for_batch(s.flops, batch);
    k.type = detail::ops_of_step(g, s);
    std::size_t top = step;  // the model's own step that it belongs to
    while (owner[top] >= 0) top = static_cast<std::size_t>(owner[top]);
    k.live_bytes = plan.live[top];
    if (own) {
      k.node = s.root >= 0 ? s.root : !k.results.empty() ? k.results.back().node : k.nodes.empty() ? -1 : k.nodes.back();
      std::string name = k.node < 0 ? "" : names[static_cast<std::size_t>(k.node)];
      if (s.root < 0 && !updated.empty()) name = updated;
      k.name = unique(name.substr(0, name.rfind('/') + 1) + k.type);
    } else {
      k.name = unique(all[static_cast<std::size_t>(owner[step])].name + "/" + k.type);
    }
    all.push_back(std::move(k));
  }
  return all;
}

template <class Model, class... Inputs>
std::vector<kernel_info> kernels_of(std::int64_t batch = 1) {
  return kernels_of(view_of<Model, Inputs...>, batch);
}
template <class Model, class... Inputs>
memory_plan plan_of(std::int64_t batch = 1) {
  return plan_of(view_of<Model, Inputs...>, batch);
}

/// The plan as a table: one line per buffer, in order of the kernels that write them.
inline std::string to_string(const memory_plan& p) {
  char line[256];
  std::snprintf(line, sizeof line, "arena for a batch of %lld: %lld bytes; alive at once: %lld (%.1f %%), at kernel %d\n",
                static_cast<long long>(p.batch), static_cast<long long>(p.peak_bytes), static_cast<long long>(p.lower_bound),
                p.peak_bytes == 0 ? 100.0 : 100.0 * static_cast<double>(p.lower_bound) / static_cast<double>(p.peak_bytes),
                p.fullest);
  std::string text = line;
  text += "      offset        bytes     kernels  value\n";
  for (const planned_buffer& b : p.buffers) {
    std::snprintf(line, sizeof line, "%12lld %12lld %5d..%-4d  ", static_cast<long long>(b.offset),
                  static_cast<long long>(b.bytes), b.first, b.last);
    text += line + b.name + (b.in_place ? " (in place)\n" : "\n");
  }
  return text;
}

}  // namespace rill::graph

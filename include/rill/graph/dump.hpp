// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A model after each pass of the graph compiler, as text and as a picture: what the model's code traced, what is left of it
/// when it is simplified, which kernels are made of it, their loops and operands, and where results lie.
///
///   std::cout << graph::dump<step, tensor<float, dyn, 784>>(graph::pass::simplified);
///   // simplified: 412 nodes, before 731; fewer: 160 BroadcastTo, 71 Reshape, ...
///   // %0 = Placeholder float32[?, 784]
///   // %1 = VariableV2 float32[784, 500]  dense/kernel
///   // %2 = MatMul float32[?, 500] (%0, %1)  dense

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "dot.hpp"

namespace rill::graph {

namespace detail {

inline const char* name_of(pass p) {
  constexpr const char* names[] = {"traced", "simplified", "fused", "lowered", "scheduled", "planned"};
  return names[static_cast<int>(p)];
}
inline const char* name_of(group_kind k) {
  constexpr const char* names[] = {"map", "reduce", "tile", "opaque", "control", "rows"};
  return names[static_cast<int>(k)];
}

inline int nodes_of(const builder& b) {
  int n = static_cast<int>(b.nodes.size());
  for (const builder& inside : b.bodies) n += nodes_of(inside);
  return n;
}
using op_counts = std::vector<std::pair<std::string_view, int>>;
inline void count_ops(const builder& b, int sign, op_counts& counts) {
  for (const node& n : b.nodes) {
    std::size_t k = 0;
    while (k < counts.size() && counts[k].first != n.op->name) ++k;
    if (k == counts.size()) counts.emplace_back(n.op->name, 0);
    counts[k].second += sign;
  }
  for (const builder& inside : b.bodies) count_ops(inside, sign, counts);
}

/// One line a node; behind a loop or branch, indented, those of its bodies.
inline std::string node_lines(const builder& b, const builder& root, const fusion* f, const std::string& indent) {
  std::string r;
  for (std::size_t id = 0; id < b.nodes.size(); ++id) {
    const node& n = b.nodes[id];
    r += indent + "%" + std::to_string(id) + " = " + std::string(n.op->name);
    if (n.type != dtype::invalid) r += " " + std::string(rill::name_of(n.type)) + to_string(n.shape);
    if (n.op->id == id_of<source::constant>) {
      char number[32];
      std::snprintf(number, sizeof number, " %.9g", n.attr.f[0]);
      r += number;
    }
    for (int k = 0; k < n.arity; ++k) r += (k == 0 ? " (%" : ", %") + std::to_string(n.in[k]);
    if (n.arity > 0) r += ")";
    const bool variable = n.op->id == id_of<source::variable> || n.op->kind == op_kind::assign;
    const std::string_view name = variable ? b.variables[static_cast<std::size_t>(n.attr.i[0])].name.view()
                                           : root.scopes[static_cast<std::size_t>(n.scope)].view();
    if (!name.empty()) r += "  " + std::string(name);
    if (f != nullptr && f->group_of[id] >= 0) r += "  in kernel " + std::to_string(f->group_of[id]);
    r += "\n";
    int number = 0;
    for_each_body(n, [&](int k) {
      r += indent + "  body " + std::to_string(number++) + ":\n" + node_lines(b.bodies[static_cast<std::size_t>(k)], root, nullptr, indent + "    ");
    });
  }
  return r;
}

inline std::string memory_text(const memory_ref& m) {
  constexpr const char* kinds[] = {"nothing", "slot", "variable", "feed", "scalar", "range", "row", "stack", "rows for kernel"};
  return m.kind == memory_ref::none ? "the result" : kinds[static_cast<int>(m.kind)] + std::string(" ") + std::to_string(m.index);
}
inline std::string program_text(const program_desc& p) {
  std::string r;
  for (std::size_t k = 0; k < p.lets.size(); ++k) {
    r += " " + std::string(p.lets[k].op->name) + "(";
    for (int a = 0; a < p.lets[k].arity; ++a) {
      const int v = p.lets[k].args[a];
      r += (a == 0 ? "" : ", ") + (v < 0 ? memory_text(p.inputs[static_cast<std::size_t>(~v)].memory) : "." + std::to_string(v));
    }
    r += ")";
  }
  for (const output_desc& o : p.outputs)
    if (o.memory.kind != memory_ref::none) r += " -> " + memory_text(o.memory);
  return r;
}
/// One line a kernel: its kind, loops, root and operands, then what it computes for each element (".k" is the k-th of
/// these) and where that goes.
inline std::string step_lines(const lowered& l) {
  std::string r;
  for (std::size_t k = 0; k < l.steps.size(); ++k) {
    const step_desc& s = l.steps[k];
    r += "kernel " + std::to_string(k) + ": " + name_of(s.kind);
    for (int d = 0; d < s.rank; ++d) r += (d == 0 ? " [" : ", ") + (s.extents[d] < 0 ? "?*" + std::to_string(-s.extents[d]) : std::to_string(s.extents[d]));
    if (s.rank > 0) r += "]";
    if (s.op != nullptr) {
      r += " " + std::string(s.op->name) + "(";
      for (int i = 0; i < s.n_operands; ++i)
        r += (i == 0 ? "" : ", ") + ((i == 0 && s.has_prologue_a) || (i == 1 && s.has_prologue_b) ? "what is read" : s.kind == group_kind::reduce ? "." : memory_text(s.operands[i].memory));
      r += ")";
      if (s.kind == group_kind::reduce) r += " -> " + memory_text(s.operands[max_operands - 1].memory);
    }
    if (s.has_prologue_a || s.has_prologue_b) r += " reading" + program_text(s.prologue_a) + program_text(s.prologue_b) + ";";
    r += program_text(s.program) + "\n";
  }
  return r;
}
inline std::string slot_lines(const lowered& l) {
  std::string r;
  for (std::size_t k = 0; k < l.slots.size(); ++k) {
    const slot_desc& s = l.slots[k];
    r += "slot " + std::to_string(k) + ": " + std::to_string(s.bytes) + (s.per_row ? " bytes a row at " : " bytes at ") + std::to_string(s.offset) +
         ", kernels " + std::to_string(s.first) + ".." + std::to_string(s.last);
    if (s.node >= 0) r += ", %" + std::to_string(s.node);
    r += "\n";
  }
  return r + "arena: " + std::to_string(l.fixed_bytes) + " bytes and " + std::to_string(l.row_bytes) + " a row\n";
}

/// What a pass made of a traced graph.
inline std::string dump(const builder& traced, pass after) {
  const image im = run_passes(traced, shortest_side, after);
  if (im.b.first_failure) return to_string(im.b.first_failure, std::string(im.b.failed_op->name).c_str()) + "\n";
  std::string r = std::string(name_of(after)) + ": " + std::to_string(nodes_of(im.b)) + " nodes";
  if (after == pass::simplified) {
    r += ", before " + std::to_string(nodes_of(traced));
    op_counts counts;
    count_ops(traced, 1, counts), count_ops(im.b, -1, counts);
    for (const int sign : {1, -1}) {
      const char* before = sign > 0 ? "; fewer: " : "; more: ";
      for (const auto& [op, n] : counts)
        if (n * sign > 0) r += before + std::to_string(n * sign) + " " + std::string(op), before = ", ";
    }
  }
  if (after >= pass::lowered) r += ", " + std::to_string(im.l.steps.size()) + " kernels";
  r += "\n";
  if (after <= pass::fused) r += node_lines(im.b, im.b, after == pass::fused ? &im.f : nullptr, "");
  else r += step_lines(im.l);
  if (after == pass::planned) r += slot_lines(im.l);
  return r;
}

}  // namespace detail

/// The model after a pass, one line a node or, from `lowered` on, a kernel. A model that does not fit gives the sentence
/// that says why.
template <class Model, class... Inputs>
std::string dump(pass after = pass::planned) {
  return detail::dump(trace<Model, Inputs...>(), after);
}

/// The model after a pass as Graphviz text; from `fused` on with a box for each kernel.
template <class Model, class... Inputs>
std::string to_dot(pass after) {
  const image im = run_passes(trace<Model, Inputs...>(), shortest_side, after);
  return detail::to_dot(im.b, im.f.group_of.empty() ? nullptr : &im.f);
}

}  // namespace rill::graph

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A model as a picture: `to_dot<Model, Inputs...>()` gives Graphviz text of the graph as traced, or, fused, with one box
/// per kernel (`dot -Tsvg`). Views (reshape, broadcast) are dashed, variables filled; bodies of loops and branches stand in
/// dotted boxes.

#include <string>

#include "step.hpp"

namespace rill::graph {

/// Before: the nodes as the model's code made them. After: simplified, one cluster per kernel.
enum class dot_stage : std::uint8_t { before_fusion, after_fusion };

namespace detail {

inline std::string dot_escape(std::string_view s) {
  std::string r;
  for (char c : s) {
    if (c == '"' || c == '\\') r += '\\';
    r += c;
  }
  return r;
}

template <class = void>
std::string dot_node(const builder& b, std::size_t id, const std::string& prefix) {
  const node& n = b.nodes[id];
  std::string label(n.op->name), style;
  if (n.op->id == id_of<source::variable>) {
    label = std::string(b.variables[static_cast<std::size_t>(n.attr.i[0])].name.view());
    if (label.empty()) label = "state " + std::to_string(n.attr.i[0]);  // of a loop's body
    style = ", style=filled, fillcolor=\"#dce9f7\"";
  } else if (n.op->kind == op_kind::source) {
    style = ", style=filled, fillcolor=\"#eeeeee\"";
  } else if (n.op->kind == op_kind::alias || n.op->kind == op_kind::broadcast) {
    style = ", style=dashed";
  } else if (n.op->kind == op_kind::opaque) {
    style = ", style=filled, fillcolor=\"#fbe5c8\"";
  }
  return prefix + std::to_string(id) + " [label=\"" + dot_escape(label) +
         (n.type == dtype::invalid ? "" : "\\n" + std::string(name_of(n.type)) + dot_escape(to_string(n.shape))) + "\"" + style + "];\n";
}

/// The nodes and edges of a graph, one box per kernel where there are kernels; then, in boxes of their own, the bodies of
/// its loops and branches.
template <class = void>
std::string dot_graph(const builder& b, const fusion* f, const std::string& prefix) {
  std::string r;
  for (std::size_t id = 0; id < b.nodes.size(); ++id)
    if (f == nullptr || f->group_of[id] < 0) r += "  " + dot_node(b, id, prefix);
  if (f != nullptr)
    for (std::size_t g = 0; g < f->groups.size(); ++g) {
      std::string body;
      for (std::size_t id = 0; id < b.nodes.size(); ++id)
        if (f->group_of[id] == static_cast<int>(g)) body += "    " + dot_node(b, id, prefix);
      if (body.empty()) continue;
      r += "  subgraph cluster_" + prefix + std::to_string(g) + " {\n    label=\"kernel " + std::to_string(g) +
           "\"; color=\"#888888\"; fontsize=9;\n" + body + "  }\n";
    }
  for (std::size_t id = 0; id < b.nodes.size(); ++id) {
    const node& n = b.nodes[id];
    for (int k = 0; k < n.arity; ++k)
      r += "  " + prefix + std::to_string(n.in[k]) + " -> " + prefix + std::to_string(id) + ";\n";
    int number = 0;
    for_each_body(n, [&](int k) {
      const std::string inside = prefix + std::to_string(id) + "_" + std::to_string(number) + "_";
      const bool condition = n.op->id == id_of<op::loop> && number == 1;
      r += "  subgraph cluster_" + inside + " {\n    label=\"" + std::string(n.op->name) + " " + std::to_string(id) +
           (condition ? ": condition" : n.op->id == id_of<op::loop> ? ": body" : ": branch " + std::to_string(number)) +
           "\"; style=dotted; fontsize=9;\n" + dot_graph(b.bodies[static_cast<std::size_t>(k)], nullptr, inside) + "  }\n";
      ++number;
    });
  }
  return r;
}
template <class = void>
std::string to_dot(const builder& b, const fusion* f) {
  return "digraph model {\n  node [shape=box, fontname=\"Helvetica\", fontsize=10];\n  rankdir=TB;\n" + dot_graph(b, f, "n") + "}\n";
}

}  // namespace detail

template <class Model, class... Inputs>
std::string to_dot(dot_stage stage = dot_stage::after_fusion) {
  const builder traced = trace<Model, Inputs...>();
  if (stage == dot_stage::before_fusion || traced.first_failure) return detail::to_dot(traced, nullptr);
  const image im = run_passes(traced);
  return detail::to_dot(im.b, &im.f);
}

}  // namespace rill::graph

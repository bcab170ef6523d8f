// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A model as a picture: `to_dot<Model, Inputs...>()` gives Graphviz text of the graph as traced, or, fused, with one box
/// per kernel (`dot -Tsvg`). Views (reshape, broadcast) are dashed, variables filled.

#include <string>

#include "compile.hpp"

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

inline std::string dot_node(const builder& b, std::size_t id) {
  const node& n = b.nodes[id];
  std::string label(n.op->name), style;
  if (n.op == &info_of<source::variable>) {
    label = std::string(b.variables[static_cast<std::size_t>(n.attr.i[0])].name.view());
    style = ", style=filled, fillcolor=\"#dce9f7\"";
  } else if (n.op->kind == op_kind::source) {
    style = ", style=filled, fillcolor=\"#eeeeee\"";
  } else if (n.op->kind == op_kind::alias || n.op->kind == op_kind::broadcast) {
    style = ", style=dashed";
  } else if (n.op->kind == op_kind::opaque) {
    style = ", style=filled, fillcolor=\"#fbe5c8\"";
  }
  return "n" + std::to_string(id) + " [label=\"" + dot_escape(label) + "\\n" + std::string(name_of(n.type)) +
         dot_escape(to_string(n.shape)) + "\"" + style + "];\n";
}

inline std::string to_dot(const builder& b, const fusion* f) {
  std::string r = "digraph model {\n  node [shape=box, fontname=\"Helvetica\", fontsize=10];\n  rankdir=TB;\n";
  for (std::size_t id = 0; id < b.nodes.size(); ++id)
    if (f == nullptr || f->group_of[id] < 0) r += "  " + dot_node(b, id);
  if (f != nullptr)
    for (std::size_t g = 0; g < f->groups.size(); ++g) {
      std::string body;
      for (std::size_t id = 0; id < b.nodes.size(); ++id)
        if (f->group_of[id] == static_cast<int>(g)) body += "    " + dot_node(b, id);
      if (body.empty()) continue;
      r += "  subgraph cluster_" + std::to_string(g) + " {\n    label=\"kernel " + std::to_string(g) +
           "\"; color=\"#888888\"; fontsize=9;\n" + body + "  }\n";
    }
  for (std::size_t id = 0; id < b.nodes.size(); ++id)
    for (int k = 0; k < b.nodes[id].arity; ++k)
      r += "  n" + std::to_string(b.nodes[id].in[k]) + " -> n" + std::to_string(id) + ";\n";
  return r + "}\n";
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

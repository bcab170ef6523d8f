// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A model's graph as TensorFlow's GraphDef, for TensorBoard's graph page: `summary::graph_of<Model, Inputs...>()`. Names
/// follow the scopes ("conv2d/Conv2D"), variables keep theirs, edges carry shapes, and nodes of one kernel share a device
/// line "/kernel:N", so that colouring by device shows the fusion. Bodies of loops and branches are functions (functions.hpp).

#include <string>
#include <vector>

#include "functions.hpp"

namespace rill::summary {

/// A graph as GraphDef. Without ControlFlow, one that has none, which is less to compile.
template <bool ControlFlow = true>
[[gnu::cold]] io::graph_def graph_of(const graph::graph_view& view) {
  const std::vector<std::string> names = graph::node_names(view);
  io::graph_def g;
  if constexpr (ControlFlow)
    if (!view.bodies.empty()) {
      detail::control_flow_writer<>(view, g).run(names);
      return g;
    }
  for (std::size_t id = 0; id < view.nodes.size(); ++id) {
    const graph::frozen_node& n = view.nodes[id];
    io::node_def d = detail::node_def_of(n, names[id]);
    for (int k = 0; k < n.arity; ++k) d.inputs.push_back(names[static_cast<std::size_t>(n.in[k])]);
    if (view.group_of[id] >= 0) d.device = "/kernel:" + std::to_string(view.group_of[id]);
    g.nodes.push_back(std::move(d));
  }
  return g;
}

/// The simplified graph of a model, from the constants that its compilation left behind.
template <class Model, class... Inputs>
[[gnu::cold]] io::graph_def graph_of() {
  return graph_of<!graph::compiled<Model, Inputs...>::tables.regions.empty()>(graph::view_of<Model, Inputs...>);
}

}  // namespace rill::summary

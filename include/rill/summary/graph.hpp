// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A model's graph as TensorFlow's GraphDef, for TensorBoard's graph page: `summary::graph_of<Model, Inputs...>()`. Names
/// follow the scopes ("conv2d/Conv2D"), variables keep theirs, edges carry shapes, and nodes of one kernel share a device
/// line "/kernel:N", so that colouring by device shows the fusion.

#include <string>
#include <vector>

#include "../graph/graph_view.hpp"
#include "../graph/initialize.hpp"
#include "../io/graph_def.hpp"

namespace rill::summary {

/// A graph as GraphDef.
inline io::graph_def graph_of(const graph::graph_view& view) {
  const std::vector<std::string> names = graph::node_names(view);
  io::graph_def g;
  for (std::size_t id = 0; id < view.nodes.size(); ++id) {
    const graph::frozen_node& n = view.nodes[id];
    io::node_def d;
    d.name = names[id];
    d.op = n.name;
    for (int k = 0; k < n.arity; ++k) d.inputs.push_back(names[static_cast<std::size_t>(n.in[k])]);
    if (view.group_of[id] >= 0) d.device = "/kernel:" + std::to_string(view.group_of[id]);
    d.attrs.emplace(n.kind == op_kind::source ? "dtype" : "T", io::attr_value(n.type));
    tensor_shape shape;  // a batch of unknown size is -1 in a file
    for (std::int64_t e : n.shape) shape.push_back(e < 0 ? -1 : e);
    d.attrs.emplace("_output_shapes", io::attr_value(io::attr_value::list_shape{shape}));
    if (n.id == graph::id_of<graph::source::variable> || n.id == graph::id_of<graph::source::input>)
      d.attrs.emplace("shape", io::attr_value(shape));
    if (n.id == graph::id_of<graph::source::constant>) {
      io::tensor_proto t;
      t.type = n.type;
      alignas(16) unsigned char bytes[16];
      graph::detail::write_number(bytes, n.type, n.type == dtype::boolean ? static_cast<double>(n.i) : n.f,
                                  n.i);
      t.content.assign(reinterpret_cast<const char*>(bytes), size_of(n.type));
      d.attrs.emplace("value", io::attr_value(t));
    }
    g.nodes.push_back(std::move(d));
  }
  return g;
}

/// The simplified graph of a model, from the constants that its compilation left behind.
template <class Model, class... Inputs>
io::graph_def graph_of() {
  return graph_of(graph::view_of<Model, Inputs...>);
}

}  // namespace rill::summary

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A node of a compiled model as TensorFlow's NodeDef, without its inputs.

#include <string>
#include <utility>

#include "../graph/graph_view.hpp"
#include "../graph/initialize.hpp"
#include "../io/graph_def.hpp"

namespace rill::summary::detail {

[[gnu::cold]] inline io::node_def node_def_of(const graph::frozen_node& n, std::string name) {
  io::node_def d;
  d.name = std::move(name);
  d.op = n.name;
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
    graph::detail::write_number(bytes, n.type, n.type == dtype::boolean ? static_cast<double>(n.i) : n.f, n.i);
    t.content.assign(reinterpret_cast<const char*>(bytes), size_of(n.type));
    d.attrs.emplace("value", io::attr_value(t));
  }
  return d;
}

}  // namespace rill::summary::detail

// SPDX-License-Identifier: Apache-2.0
// ONNX files (models, tensors, sequences, optionals) read with the library's wire reader into plain structs. Fields that
// the node tests do not use (names of documentation, training information, external data) are skipped or refused.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rill/core/dynamic_tensor.hpp"

namespace onnx {

using rill::dtype;
using rill::dynamic_tensor;
using rill::tensor_shape;

/// What flows along an edge: nothing (an optional input left out, an empty optional), a tensor, or a sequence.
struct value {
  dynamic_tensor t;
  bool is_sequence = false;
  std::vector<value> items;

  value() = default;
  value(dynamic_tensor x) : t(std::move(x)) {}  // NOLINT: implicit on purpose
  static value sequence(std::vector<value> v) {
    value r;
    r.is_sequence = true, r.items = std::move(v);
    return r;
  }
  [[nodiscard]] bool has_value() const { return is_sequence || t.has_value(); }
};

struct graph;

struct attribute {
  float f = 0;
  std::int64_t i = 0;
  std::string s;
  dynamic_tensor t;
  std::shared_ptr<graph> g;
  std::vector<float> floats;
  std::vector<std::int64_t> ints;
  std::vector<std::string> strings;
};

struct node {
  std::string op, domain;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, attribute, std::less<>> attributes;
};

enum class kind { tensor, sequence, optional };

/// An input or output of a graph: its name, whether its file holds a tensor, a sequence or an optional, and the number of
/// a tensor's element type.
struct port {
  std::string name;
  onnx::kind kind = onnx::kind::tensor;
  std::int64_t type = 0;
};

struct graph {
  std::vector<node> nodes;
  std::map<std::string, dynamic_tensor, std::less<>> initializers;
  std::vector<port> inputs, outputs;
};

struct model {
  graph main;
  std::int64_t opset = 0;  ///< version of the default operator set; 0 where only others are imported
};

/// The dtype of ONNX's number; unimplemented for those that Rill does not have.
dtype dtype_of(std::int64_t onnx_type);

/// data_loss naming `what` and the offset where the bytes are no such message.
model read_model(std::string_view bytes, std::string_view what);
/// The value of an input or output file. The node tests keep bfloat16 as the bits in uint16.
value read_value(std::string_view bytes, const port& p, std::string_view what);

}  // namespace onnx

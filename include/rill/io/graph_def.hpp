// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// TensorFlow's GraphDef as plain structs, with its binary and its text form: what TensorBoard draws, what a
/// checkpoint's .meta file holds; with the functions that bodies of loops and branches are (function_def.hpp). Attributes
/// cover the kinds that a graph of Rill needs. Reading them back: graph_def_reader.hpp.
///
///     io::graph_def g;
///     g.nodes.push_back({.name = "hidden/alpha", .op = "Const", .attrs = {{"dtype", io::attr_value(dtype::int32)}}});
///     std::string bytes = io::serialize(g), text = io::to_pbtxt(g);

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rill/core/dtype.hpp"
#include "rill/core/error.hpp"
#include "rill/core/shape.hpp"
#include "rill/core/text.hpp"
#include "rill/io/data_type.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/text_proto.hpp"
#include "rill/io/wire.hpp"

namespace rill::io {

/// A constant tensor: row-major little-endian bytes in `content`, or `strings` when `type` is string.
struct tensor_proto {
  dtype type = dtype::invalid;
  tensor_shape shape;
  std::string content;
  std::vector<std::string> strings;
};

/// The value of a node's attribute; one of TensorFlow's AttrValue kinds, in the field of that name. A shape's unknown
/// dimensions are negative; a shape whose `valid()` is false for having too many dimensions stands for unknown rank.
struct attr_value {
  using list_int = std::vector<std::int64_t>;
  using list_float = std::vector<float>;
  using list_type = std::vector<dtype>;
  using list_shape = std::vector<tensor_shape>;
  using list_string = std::vector<std::string>;
  enum class kind_type : unsigned char { none, i, f, b, s, type, shape, tensor, func, ints, floats, types, shapes, strings, funcs };

  attr_value() = default;
  attr_value(std::int64_t v) : kind(kind_type::i), i(v) {}
  attr_value(int v) : kind(kind_type::i), i(v) {}
  attr_value(float v) : kind(kind_type::f), f(v) {}
  attr_value(bool v) : kind(kind_type::b), b(v) {}
  attr_value(const char* v) : kind(kind_type::s), s(v) {}
  attr_value(std::string v) : kind(kind_type::s), s(std::move(v)) {}
  attr_value(dtype v) : kind(kind_type::type), type(v) {}
  attr_value(tensor_shape v) : kind(kind_type::shape), shape(v) {}
  attr_value(tensor_proto v) : kind(kind_type::tensor), tensor(std::move(v)) {}
  attr_value(list_int v) : kind(kind_type::ints), ints(std::move(v)) {}
  attr_value(list_float v) : kind(kind_type::floats), floats(std::move(v)) {}
  attr_value(list_type v) : kind(kind_type::types), types(std::move(v)) {}
  attr_value(list_shape v) : kind(kind_type::shapes), shapes(std::move(v)) {}
  attr_value(list_string v) : kind(kind_type::strings), strings(std::move(v)) {}
  /// A function of the graph's library, or several.
  [[gnu::cold]] static attr_value function(std::string name) {
    attr_value a(std::move(name));
    a.kind = kind_type::func;
    return a;
  }
  [[gnu::cold]] static attr_value functions(list_string names) {
    attr_value a(std::move(names));
    a.kind = kind_type::funcs;
    return a;
  }

  kind_type kind = kind_type::none;
  bool b = false;
  dtype type = dtype::invalid;
  float f = 0;
  std::int64_t i = 0;
  std::string s;  ///< also a function's name
  tensor_shape shape;
  tensor_proto tensor;
  list_int ints;
  list_float floats;
  list_type types;
  list_shape shapes;
  list_string strings;  ///< also functions' names
};

/// One operation. Inputs are "name", "name:k" or, after them, the control inputs "^name".
struct node_def {
  std::string name;
  std::string op;
  std::vector<std::string> inputs;
  std::string device;
  std::map<std::string, attr_value> attrs;
};

/// The functions of a graph, in its files' terms: function_def.hpp has them, whose code only programs with functions need.
class function_library {
 public:
  function_library() = default;
  function_library(const function_library&) = delete;
  function_library& operator=(const function_library&) = delete;
  virtual ~function_library() = default;
  [[nodiscard]] virtual std::string serialize() const = 0;
  virtual void write_text(text_proto_writer& w) const = 0;
};

/// A graph, its functions, if there are some, and the version of the format's producer (26 is TensorFlow 1.8).
struct graph_def {
  std::vector<node_def> nodes;
  std::shared_ptr<const function_library> library = nullptr;
  int producer = 26;
  int min_consumer = 0;
};

/// The wire form of a shape (TensorShapeProto).
[[gnu::cold]] inline std::string serialize(const tensor_shape& s) {
  wire_writer w;
  if (s.overflow_) return w.boolean(3, true).take();
  for (const std::int64_t d : s) {
    wire_writer dim;
    if (d != 0) dim.int64(1, d < 0 ? -1 : d);
    w.message(2, dim);
  }
  return w.take();
}

/// The wire form of a tensor (TensorProto).
[[gnu::cold]] inline std::string serialize(const tensor_proto& t) {
  wire_writer w;
  w.varint(1, static_cast<std::uint64_t>(t.type)).bytes(2, serialize(t.shape));
  if (!t.content.empty()) w.bytes(4, t.content);
  for (const std::string& s : t.strings) w.bytes(8, s);
  return w.take();
}

namespace detail {

[[gnu::cold]] inline std::string serialize_attr(const attr_value& a) {
  using kind = attr_value::kind_type;
  wire_writer w;
  wire_writer list;
  switch (a.kind) {
    case kind::none: return {};
    case kind::i: return w.int64(3, a.i).take();
    case kind::f: return w.float32(4, a.f).take();
    case kind::b: return w.boolean(5, a.b).take();
    case kind::s: return w.bytes(2, a.s).take();
    case kind::type: return w.varint(6, static_cast<std::uint64_t>(a.type)).take();
    case kind::shape: return w.bytes(7, serialize(a.shape)).take();
    case kind::tensor: return w.bytes(8, serialize(a.tensor)).take();
    case kind::func: {
      wire_writer name;
      return w.message(10, name.bytes(1, a.s)).take();
    }
    case kind::ints:
      if (!a.ints.empty()) list.packed_int64(3, a.ints);
      break;
    case kind::floats:
      if (!a.floats.empty()) list.packed_float32(4, a.floats);
      break;
    case kind::types: {
      std::string packed;
      for (const dtype d : a.types) put_varint(packed, static_cast<std::uint64_t>(d));
      if (!packed.empty()) list.bytes(6, packed);
      break;
    }
    case kind::shapes:
      for (const tensor_shape& s : a.shapes) list.bytes(7, serialize(s));
      break;
    case kind::strings:
      for (const std::string& s : a.strings) list.bytes(2, s);
      break;
    case kind::funcs:
      for (const std::string& s : a.strings) {
        wire_writer name;
        list.message(9, name.bytes(1, s));
      }
      break;
  }
  return w.message(1, list).take();
}

[[gnu::cold]] inline wire_writer wire_of(const node_def& n) {
  wire_writer node;
  if (!n.name.empty()) node.bytes(1, n.name);
  if (!n.op.empty()) node.bytes(2, n.op);
  for (const std::string& in : n.inputs) node.bytes(3, in);
  if (!n.device.empty()) node.bytes(4, n.device);
  for (const auto& [key, value] : n.attrs) {
    wire_writer entry;
    entry.bytes(1, key).bytes(2, serialize_attr(value));
    node.message(5, entry);
  }
  return node;
}
[[gnu::cold]] inline void shape_text(text_proto_writer& w, std::string_view name, const tensor_shape& s) {
  w.open(name);
  if (s.overflow_) w.boolean("unknown_rank", true);
  else
    for (const std::int64_t d : s) w.open("dim").integer("size", d < 0 ? -1 : d).close();
  w.close();
}
[[gnu::cold]] inline void type_text(text_proto_writer& w, std::string_view name, dtype d) {
  const std::string_view known = enum_name_of(d);
  if (known.empty()) w.integer(name, static_cast<std::int64_t>(d));
  else w.enumerator(name, known);
}
[[gnu::cold]] inline void attr_text(text_proto_writer& w, const attr_value& a) {
  using kind = attr_value::kind_type;
  w.open("value");
  if (a.kind >= kind::ints) w.open("list");
  switch (a.kind) {
    case kind::none: break;
    case kind::i: w.integer("i", a.i); break;
    case kind::f: w.float32("f", a.f); break;
    case kind::b: w.boolean("b", a.b); break;
    case kind::s: w.string("s", a.s); break;
    case kind::type: type_text(w, "type", a.type); break;
    case kind::shape: shape_text(w, "shape", a.shape); break;
    case kind::tensor:
      w.open("tensor");
      type_text(w, "dtype", a.tensor.type);
      shape_text(w, "tensor_shape", a.tensor.shape);
      if (!a.tensor.content.empty()) w.string("tensor_content", a.tensor.content);
      for (const std::string& s : a.tensor.strings) w.string("string_val", s);
      w.close();
      break;
    case kind::ints:
      for (const std::int64_t x : a.ints) w.integer("i", x);
      break;
    case kind::floats:
      for (const float x : a.floats) w.float32("f", x);
      break;
    case kind::types:
      for (const dtype x : a.types) type_text(w, "type", x);
      break;
    case kind::shapes:
      for (const tensor_shape& x : a.shapes) shape_text(w, "shape", x);
      break;
    case kind::strings:
      for (const std::string& x : a.strings) w.string("s", x);
      break;
    case kind::func: w.open("func").string("name", a.s).close(); break;
    case kind::funcs:
      for (const std::string& x : a.strings) w.open("func").string("name", x).close();
      break;
  }
  if (a.kind >= kind::ints) w.close();
  w.close();
}

[[gnu::cold]] inline void node_text(text_proto_writer& w, std::string_view field, const node_def& n) {
  w.open(field).string("name", n.name).string("op", n.op);
  for (const std::string& in : n.inputs) w.string("input", in);
  if (!n.device.empty()) w.string("device", n.device);
  for (const auto& [key, value] : n.attrs) {
    w.open("attr").string("key", key);
    attr_text(w, value);
    w.close();
  }
  w.close();
}
[[gnu::cold]] inline dtype parse_type(wire_reader& r) {
  const std::uint64_t v = r.varint();
  if (v > 255) r.fail({"has the data type number ", v, ", which does not exist"});
  return static_cast<dtype>(v);
}

/// A shape as stored, any rank up to 254 and sizes >= -1.
struct stored_shape {
  std::vector<std::int64_t> dims;
  bool unknown_rank = false;

  [[gnu::cold]] [[nodiscard]] tensor_shape to_shape() const {
    tensor_shape s;
    if (unknown_rank) s.overflow_ = true;
    for (const std::int64_t d : dims) s.push_back(d);
    return s;
  }
};
[[gnu::cold]] inline void parse_shape(wire_reader r, stored_shape& s) {
  while (r.next()) {
    if (r.field() == 2) {
      std::int64_t size = 0;
      wire_reader dim = r.message();
      while (dim.next())
        if (dim.field() == 1) size = dim.int64();
      if (size < -1) r.fail({"has a dimension of size ", size});
      if (s.dims.size() == 254) r.fail({"has a shape of more than 254 dimensions"});
      s.dims.push_back(size);
    } else if (r.field() == 3) {
      s.unknown_rank = r.boolean();
    }
  }
}

}  // namespace detail

/// GraphDef's wire form; equal graphs give equal bytes.
[[gnu::cold]] inline std::string serialize(const graph_def& g) {
  wire_writer w;
  for (const node_def& n : g.nodes) w.message(1, detail::wire_of(n));
  if (g.library) w.bytes(2, g.library->serialize());
  wire_writer versions;
  if (g.producer != 0) versions.int64(1, g.producer);
  if (g.min_consumer != 0) versions.int64(2, g.min_consumer);
  w.message(4, versions);
  return w.take();
}

/// GraphDef's text form, as graph.pbtxt holds it.
[[gnu::cold]] inline std::string to_pbtxt(const graph_def& g) {
  text_proto_writer w;
  for (const node_def& n : g.nodes) detail::node_text(w, "node", n);
  if (g.library) g.library->write_text(w);
  w.open("versions").integer("producer", g.producer);
  if (g.min_consumer != 0) w.integer("min_consumer", g.min_consumer);
  w.close();
  return w.str();
}

/// A MetaGraphDef around a graph: what `P.meta` beside a checkpoint holds, with the names of a default Saver.
[[gnu::cold]] inline std::string serialize_meta_graph(const graph_def& g) {
  wire_writer saver;
  saver.bytes(1, "save/Const:0").bytes(2, "save/control_dependency:0").bytes(3, "save/restore_all");
  saver.int64(4, 5).float32(6, 10000.0f).int64(7, 2);
  wire_writer info;
  info.bytes(2, "").bytes(4, "train");
  wire_writer w;
  return w.message(1, info).bytes(2, serialize(g)).message(3, saver).take();
}

/// Writes `prefix`.meta, atomically.
[[gnu::cold]] inline void write_meta_graph(const std::string& prefix, const graph_def& g) {
  atomic_write(prefix + ".meta", serialize_meta_graph(g));
}

}  // namespace rill::io

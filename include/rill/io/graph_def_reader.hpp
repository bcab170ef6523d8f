// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Reads GraphDefs: their wire form, and the graph in a checkpoint's .meta file. Attributes of kinds that io::attr_value does
/// not have (placeholders) are dropped, as are attributes of functions. Malformed files are `data_loss`.
///
///     io::graph_def g = io::parse_graph_def(bytes, "graph.pb");

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rill/core/dtype.hpp"
#include "rill/core/shape.hpp"
#include "rill/core/text.hpp"
#include "rill/io/data_type.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/function_def.hpp"
#include "rill/io/graph_def.hpp"
#include "rill/io/wire.hpp"

namespace rill::io {

namespace detail {

/// Largest constant that is spelled as "this value, repeated": a few bytes must not become gigabytes.
inline constexpr std::uint64_t splat_limit = std::uint64_t{64} << 20;

inline tensor_proto parse_tensor(wire_reader r) {
  tensor_proto t;
  stored_shape shape;
  std::string values;  // from the typed fields, in the tensor's own element type
  const auto put = [&](auto v) { values.append(reinterpret_cast<const char*>(&v), sizeof v); };
  const auto put_int = [&](std::uint64_t v) {
    const std::size_t n = stored_size_of(t.type);
    values.append(reinterpret_cast<const char*>(&v), n <= 8 ? n : 8);
  };
  for (wire_reader first = r; first.next();)  // fields may come in any order, and the values need the type
    if (first.field() == 1) t.type = parse_type(first);
  while (r.next()) {
    switch (r.field()) {
      case 2: parse_shape(r.message(), shape); break;
      case 4: t.content = std::string(r.bytes()); break;
      case 5:
      case 9: r.each_float32(put); break;  // of complex numbers, the parts
      case 6:
      case 12: r.each_float64(put); break;
      case 7:
      case 10:
      case 11:
      case 13:
      case 16:
      case 17: r.each_varint(put_int); break;
      case 8: t.strings.emplace_back(r.bytes()); break;
      default: break;
    }
  }
  t.shape = shape.to_shape();
  std::uint64_t elements = 1;
  for (const std::int64_t d : shape.dims)
    if (d < 0 || !checked_mul(elements, static_cast<std::uint64_t>(d), elements))
      r.fail({"has a constant whose shape is negative or too large"});
  if (t.type == dtype::string) {
    if (t.strings.size() != elements && !(t.strings.size() == 1 && elements == 0)) {
      if (t.strings.empty() || t.strings.size() > elements || elements > 4096)
        r.fail({"has a constant of ", elements, " strings of which ", t.strings.size(), " are stored"});
      t.strings.resize(static_cast<std::size_t>(elements), std::string(t.strings.back()));
    }
    return t;
  }
  const std::uint64_t size = stored_size_of(t.type);
  std::uint64_t bytes = 0;
  if (size == 0 || !checked_mul(elements, size, bytes)) return t;
  if (t.content.empty()) {
    if (values.size() > bytes || values.size() % size != 0) r.fail({"has more constant values than its shape holds"});
    if (bytes > values.size() && bytes > splat_limit)
      rill::detail::raise<resource_exhausted>({"a constant of ", bytes,
                                               " bytes is spelled as one repeated value; the limit is ", splat_limit});
    const std::string last = values.empty() ? std::string(size, '\0') : values.substr(values.size() - size);
    t.content = std::move(values);
    t.content.reserve(static_cast<std::size_t>(bytes));
    while (t.content.size() < bytes) t.content += last;
  } else if (t.content.size() != bytes) {
    r.fail({"has a constant of ", t.content.size(), " bytes, its shape and type need ", bytes});
  }
  return t;
}

/// The name in a NameAttrList.
inline std::string parse_function_name(wire_reader r) {
  std::string name;
  while (r.next())
    if (r.field() == 1) name = std::string(r.bytes());
  return name;
}

inline attr_value parse_attr_list(wire_reader r) {
  using kind = attr_value::kind_type;
  attr_value a{attr_value::list_int{}};  // what an empty list is taken for
  while (r.next()) {
    switch (r.field()) {
      case 2:
        a.strings.emplace_back(r.bytes());
        a.kind = kind::strings;
        break;
      case 3:
      case 5: r.each_varint([&](std::uint64_t v) { a.ints.push_back(static_cast<std::int64_t>(v)); }); break;
      case 4:
        r.each_float32([&](float v) { a.floats.push_back(v); });
        if (!a.floats.empty()) a.kind = kind::floats;
        break;
      case 6:
        r.each_varint([&](std::uint64_t v) {
          if (v > 255) r.fail({"has the data type number ", v, ", which does not exist"});
          a.types.push_back(static_cast<dtype>(v));
        });
        if (!a.types.empty()) a.kind = kind::types;
        break;
      case 7: {
        stored_shape s;
        parse_shape(r.message(), s);
        a.shapes.push_back(s.to_shape());
        a.kind = kind::shapes;
        break;
      }
      case 9:
        a.strings.push_back(parse_function_name(r.message()));
        a.kind = kind::funcs;
        break;
      default: break;
    }
  }
  return a;
}

inline attr_value parse_attr(wire_reader r) {
  attr_value a;
  while (r.next()) {
    switch (r.field()) {
      case 1: a = parse_attr_list(r.message()); break;
      case 2: a = std::string(r.bytes()); break;
      case 3: a = r.int64(); break;
      case 4: a = r.float32(); break;
      case 5: a = r.boolean(); break;
      case 6: a = parse_type(r); break;
      case 7: {
        stored_shape s;
        parse_shape(r.message(), s);
        a = s.to_shape();
        break;
      }
      case 8: a = parse_tensor(r.message()); break;
      case 10: a = attr_value::function(parse_function_name(r.message())); break;
      default: break;
    }
  }
  return a;
}

inline node_def parse_node(wire_reader r) {
  node_def n;
  while (r.next()) {
    switch (r.field()) {
      case 1: n.name = std::string(r.bytes()); break;
      case 2: n.op = std::string(r.bytes()); break;
      case 3: n.inputs.emplace_back(r.bytes()); break;
      case 4: n.device = std::string(r.bytes()); break;
      case 5: {
        std::string key;
        attr_value value;
        wire_reader entry = r.message();
        while (entry.next()) {
          if (entry.field() == 1) key = std::string(entry.bytes());
          else if (entry.field() == 2) value = parse_attr(entry.message());
        }
        n.attrs.insert_or_assign(std::move(key), std::move(value));
        break;
      }
      default: break;
    }
  }
  return n;
}

inline function_def parse_function(wire_reader r) {
  function_def f;
  while (r.next()) {
    if (r.field() == 1) {
      wire_reader signature = r.message();
      while (signature.next()) {
        if (signature.field() == 1) {
          f.name = std::string(signature.bytes());
        } else if (signature.field() == 2 || signature.field() == 3) {
          auto& list = signature.field() == 2 ? f.arguments : f.results;
          function_def::argument a;
          wire_reader argument = signature.message();
          while (argument.next()) {
            if (argument.field() == 1) a.name = std::string(argument.bytes());
            else if (argument.field() == 3) a.type = parse_type(argument);
          }
          list.push_back(std::move(a));
        }
      }
    } else if (r.field() == 3) {
      f.nodes.push_back(parse_node(r.message()));
    } else if (r.field() == 4) {
      std::string result, value;
      wire_reader entry = r.message();
      while (entry.next()) {
        if (entry.field() == 1) result = std::string(entry.bytes());
        else if (entry.field() == 2) value = std::string(entry.bytes());
      }
      f.ret.insert_or_assign(std::move(result), std::move(value));
    }
  }
  return f;
}

}  // namespace detail

/// Reads GraphDef's wire form. `what` names the file in errors.
inline graph_def parse_graph_def(std::string_view bytes, std::string_view what = "GraphDef") {
  graph_def g;
  g.producer = 0;
  std::shared_ptr<function_list> library;
  wire_reader r(bytes, what);
  while (r.next()) {
    if (r.field() == 1) {
      g.nodes.push_back(detail::parse_node(r.message()));
    } else if (r.field() == 2) {
      if (library == nullptr) g.library = library = std::make_shared<function_list>();  // of several, the functions of all
      wire_reader list = r.message();
      while (list.next())
        if (list.field() == 1) library->functions.push_back(detail::parse_function(list.message()));
    } else if (r.field() == 4) {
      wire_reader v = r.message();
      while (v.next()) {
        if (v.field() == 1) g.producer = v.int32();
        else if (v.field() == 2) g.min_consumer = v.int32();
      }
    }
  }
  return g;
}

/// Reads the graph out of `prefix`.meta.
inline graph_def read_meta_graph(const std::string& prefix) {
  const std::string path = prefix + ".meta";
  const std::string bytes = read_file(path);
  wire_reader r(bytes, path);
  graph_def g;
  while (r.next())
    if (r.field() == 2) g = parse_graph_def(r.bytes(), path);
  return g;
}

}  // namespace rill::io

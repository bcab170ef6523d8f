// SPDX-License-Identifier: Apache-2.0
#include "reader.hpp"

#include <cstring>

#include "rill/io/wire.hpp"

namespace onnx {
namespace {

using rill::io::wire_reader;

/// The numbers of a tensor, in whichever field they are.
struct numbers {
  std::vector<std::uint64_t> integers;  // int32_data, int64_data, uint64_data
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<std::string> strings;
  std::string_view raw;
  bool has_raw = false;
};

template <class T>
void fill(const wire_reader& r, const numbers& from, std::size_t n, T* to) {
  if (from.has_raw) {
    if (from.raw.size() != n * sizeof(T)) r.fail({"has ", from.raw.size(), " raw bytes for ", n, " elements"});
    if (n > 0) std::memcpy(static_cast<void*>(to), from.raw.data(), n * sizeof(T));
    return;
  }
  std::size_t got = from.integers.size();
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, std::complex<float>>) got = from.floats.size();
  if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::complex<double>>) got = from.doubles.size();
  if (got != n * (rill::is_complex_v<T> ? 2 : 1)) r.fail({"has ", got, " numbers for ", n, " elements"});
  for (std::size_t k = 0; k < n; ++k) {
    if constexpr (std::is_same_v<T, float>) to[k] = from.floats[k];
    else if constexpr (std::is_same_v<T, double>) to[k] = from.doubles[k];
    else if constexpr (std::is_same_v<T, std::complex<float>>) to[k] = {from.floats[2 * k], from.floats[2 * k + 1]};
    else if constexpr (std::is_same_v<T, std::complex<double>>) to[k] = {from.doubles[2 * k], from.doubles[2 * k + 1]};
    else if constexpr (rill::is_narrow_v<T>) {  // the bits in the low half of an int32
      const auto bits = static_cast<std::uint16_t>(from.integers[k]);
      std::memcpy(static_cast<void*>(to + k), &bits, sizeof bits);
    } else if constexpr (std::is_same_v<T, bool>) to[k] = from.integers[k] != 0;
    else to[k] = static_cast<T>(from.integers[k]);
  }
}

dynamic_tensor read_tensor(wire_reader r, std::string* name = nullptr) {
  tensor_shape shape;
  std::int64_t type = 0;
  numbers from;
  while (r.next()) {
    switch (r.field()) {
      case 1: r.each_varint([&](std::uint64_t d) { shape.push_back(static_cast<std::int64_t>(d)); }); break;
      case 2: type = r.int32(); break;
      case 4: r.each_float32([&](float x) { from.floats.push_back(x); }); break;
      case 5:
      case 7:
      case 11: r.each_varint([&](std::uint64_t x) { from.integers.push_back(x); }); break;
      case 6: from.strings.emplace_back(r.bytes()); break;
      case 8: {
        const std::string_view s = r.bytes();
        if (name) *name = s;
        break;
      }
      case 9: from.raw = r.bytes(), from.has_raw = true; break;
      case 10: r.each_float64([&](double x) { from.doubles.push_back(x); }); break;
      case 14:
        if (r.varint() != 0) r.fail({"has its tensor in another file"});
        break;
      default: break;
    }
  }
  if (shape.overflow_) throw rill::unimplemented("a tensor has more than 8 axes");
  // What the file holds bounds what is allocated: a shape with more elements than numbers is refused here.
  const std::size_t most = from.raw.size() + from.integers.size() + from.floats.size() + from.doubles.size() + from.strings.size();
  std::size_t n = 1;
  for (const std::int64_t d : shape) {
    if (d < 0 || __builtin_mul_overflow(n, static_cast<std::size_t>(d), &n)) r.fail({"has a shape that is not valid"});
  }
  if (n > most) r.fail({"has ", most, " numbers or bytes for ", n, " elements"});
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype_of(type), shape);
  rill::visit_element(t.type(), [&]<class T>(std::type_identity<T>) {
    auto* to = static_cast<T*>(t.mutable_data());
    if constexpr (std::is_same_v<T, std::string>) {
      if (from.strings.size() != n) r.fail({"has ", from.strings.size(), " strings for ", n, " elements"});
      for (std::size_t k = 0; k < n; ++k) to[k] = from.strings[k];
    } else fill(r, from, n, to);
  });
  return t;
}

graph read_graph(wire_reader r);

std::pair<std::string, attribute> read_attribute(wire_reader r) {
  std::pair<std::string, attribute> p;
  attribute& a = p.second;
  while (r.next()) {
    switch (r.field()) {
      case 1: p.first = r.bytes(); break;
      case 2: a.f = r.float32(); break;
      case 3: a.i = r.int64(); break;
      case 4: a.s = r.bytes(); break;
      case 5: a.t = read_tensor(r.message()); break;
      case 6: a.g = std::make_shared<graph>(read_graph(r.message())); break;
      case 7: r.each_float32([&](float x) { a.floats.push_back(x); }); break;
      case 8: r.each_varint([&](std::uint64_t x) { a.ints.push_back(static_cast<std::int64_t>(x)); }); break;
      case 9: a.strings.emplace_back(r.bytes()); break;
      default: break;
    }
  }
  return p;
}

node read_node(wire_reader r) {
  node n;
  while (r.next()) {
    switch (r.field()) {
      case 1: n.inputs.emplace_back(r.bytes()); break;
      case 2: n.outputs.emplace_back(r.bytes()); break;
      case 4: n.op = r.bytes(); break;
      case 5: n.attributes.insert(read_attribute(r.message())); break;
      case 7: n.domain = r.bytes(); break;
      default: break;
    }
  }
  return n;
}

port read_port(wire_reader r) {
  port p;
  while (r.next()) {
    if (r.field() == 1) p.name = r.bytes();
    else if (r.field() == 2)
      for (wire_reader type = r.message(); type.next();) {
        if (type.field() == 1)
          for (wire_reader t = type.message(); t.next();)
            if (t.field() == 1) p.type = t.int64();
        if (type.field() == 4) p.kind = kind::sequence;
        if (type.field() == 9) p.kind = kind::optional;
      }
  }
  return p;
}

graph read_graph(wire_reader r) {
  graph g;
  while (r.next()) {
    switch (r.field()) {
      case 1: g.nodes.push_back(read_node(r.message())); break;
      case 5: {
        std::string name;
        dynamic_tensor t = read_tensor(r.message(), &name);
        g.initializers.emplace(std::move(name), std::move(t));
        break;
      }
      case 11: g.inputs.push_back(read_port(r.message())); break;
      case 12: g.outputs.push_back(read_port(r.message())); break;
      default: break;
    }
  }
  return g;
}

value read_sequence(wire_reader r) {
  std::vector<value> items;
  while (r.next()) {
    if (r.field() == 3) items.emplace_back(read_tensor(r.message()));
    else if (r.field() == 5) items.push_back(read_sequence(r.message()));
  }
  return value::sequence(std::move(items));
}

value read_optional(wire_reader r) {
  value v;
  while (r.next()) {
    if (r.field() == 3) v = read_tensor(r.message());
    else if (r.field() == 5) v = read_sequence(r.message());
    else if (r.field() == 7) v = read_optional(r.message());
  }
  return v;
}

}  // namespace

dtype dtype_of(std::int64_t onnx_type) {
  constexpr dtype types[] = {dtype::invalid, dtype::float32, dtype::uint8,   dtype::int8,    dtype::uint16,    dtype::int16,
                             dtype::int32,   dtype::int64,   dtype::string,  dtype::boolean, dtype::float16,   dtype::float64,
                             dtype::uint32,  dtype::uint64,  dtype::complex64, dtype::complex128, dtype::bfloat16};
  if (onnx_type < 1 || onnx_type > 16) throw rill::unimplemented("ONNX's element type " + std::to_string(onnx_type) + " is not supported");
  return types[onnx_type];
}

model read_model(std::string_view bytes, std::string_view what) {
  model m;
  for (wire_reader r(bytes, what); r.next();) {
    if (r.field() == 7) m.main = read_graph(r.message());
    else if (r.field() == 8) {
      std::string domain;
      std::int64_t version = 0;
      for (wire_reader o = r.message(); o.next();) {
        if (o.field() == 1) domain = o.bytes();
        else if (o.field() == 2) version = o.int64();
      }
      if (domain.empty() || domain == "ai.onnx") m.opset = version;
    }
  }
  return m;
}

value read_value(std::string_view bytes, const port& p, std::string_view what) {
  const wire_reader r(bytes, what);
  if (p.kind == kind::sequence) return read_sequence(r);
  if (p.kind == kind::optional) return read_optional(r);
  dynamic_tensor t = read_tensor(r);
  if (t.type() != dtype::uint16 || p.type != 16) return t;
  dynamic_tensor bits = dynamic_tensor::uninitialized(dtype::bfloat16, t.shape());
  if (t.size() > 0) std::memcpy(bits.mutable_data(), t.data(), static_cast<std::size_t>(t.size()) * 2);
  return bits;
}

}  // namespace onnx

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The functions of a GraphDef's library (FunctionDef), as plain structs: what bodies of loops and branches are in files.
///
///     auto library = std::make_shared<io::function_list>();
///     library->functions.push_back({.name = "While_body", .arguments = {{"x", dtype::float32}}, ...});
///     graph.library = library;                     // io::functions_of(graph) gives the list back

#include <map>
#include <string>
#include <vector>

#include "graph_def.hpp"

namespace rill::io {

/// A function of a graph's library (FunctionDef). Inputs of its nodes are its arguments by name, or "node:result:0" with the
/// name that the node's op has for that result; `ret` says which of them each of its results is.
struct function_def {
  struct argument {
    std::string name;
    dtype type = dtype::invalid;
  };
  std::string name;
  std::vector<argument> arguments, results;
  std::vector<node_def> nodes;
  std::map<std::string, std::string> ret;
};

namespace detail {

[[gnu::cold]] inline wire_writer wire_of(const function_def& f) {
  wire_writer signature, w;
  signature.bytes(1, f.name);
  for (const auto* list : {&f.arguments, &f.results})
    for (const function_def::argument& a : *list) {
      wire_writer argument;
      argument.bytes(1, a.name).varint(3, static_cast<std::uint64_t>(a.type));
      signature.message(list == &f.arguments ? 2 : 3, argument);
    }
  w.message(1, signature);
  for (const node_def& n : f.nodes) w.message(3, wire_of(n));
  for (const auto& [result, value] : f.ret) {
    wire_writer entry;
    w.message(4, entry.bytes(1, result).bytes(2, value));
  }
  return w;
}
[[gnu::cold]] inline void function_text(text_proto_writer& w, const function_def& f) {
  w.open("function").open("signature").string("name", f.name);
  for (const auto* list : {&f.arguments, &f.results})
    for (const function_def::argument& a : *list) {
      w.open(list == &f.arguments ? "input_arg" : "output_arg").string("name", a.name);
      type_text(w, "type", a.type);
      w.close();
    }
  w.close();
  for (const node_def& n : f.nodes) node_text(w, "node_def", n);
  for (const auto& [result, value] : f.ret) w.open("ret").string("key", result).string("value", value).close();
  w.close();
}

}  // namespace detail

/// (A template so that only a program that makes one compiles its functions.)
template <class = void>
class basic_function_list final : public function_library {
 public:
  std::vector<function_def> functions = {};

  [[gnu::cold]] [[nodiscard]] std::string serialize() const override {
    wire_writer w;
    for (const function_def& f : functions) w.message(1, detail::wire_of(f));
    return w.take();
  }
  [[gnu::cold]] void write_text(text_proto_writer& w) const override {
    w.open("library");
    for (const function_def& f : functions) detail::function_text(w, f);
    w.close();
  }
};
using function_list = basic_function_list<>;

/// The functions of a graph, none without a library.
[[gnu::cold]] inline const std::vector<function_def>& functions_of(const graph_def& g) {
  static const std::vector<function_def> none;
  const auto* list = dynamic_cast<const function_list*>(g.library.get());
  return list == nullptr ? none : list->functions;
}

}  // namespace rill::io

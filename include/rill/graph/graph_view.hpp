// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A compiled model seen from outside: all of its tables as spans, and the names of its nodes. What files, pictures and
/// reports are made from, at run time, without a template for each model.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "step.hpp"

namespace rill::graph {

/// All tables of a compiled model, without their sizes in the type.
struct graph_view : table_view {
  std::span<const frozen_step> steps = {};
  std::span<const frozen_node> nodes = {};
  std::span<const int> group_of = {};
  std::span<const name_buffer> scopes = {};
  std::span<const frozen_let> lets = {};
  std::span<const region_desc> regions = {};
  std::size_t own_steps = 0;  ///< the first of them; the others belong to bodies of control flow

  graph_view() = default;
  template <table_sizes N>
  constexpr explicit graph_view(const table<N>& t)
      : table_view(t), steps(t.steps), nodes(t.nodes), group_of(t.group_of), scopes(t.scopes), lets(t.lets),
        regions(t.regions), own_steps(t.own_steps) {}
};
/// The tables of a `compiled`, as one object that lives as long as the program.
template <class Compiled>
inline constexpr graph_view view_of_compiled{Compiled::tables};
template <class Model, class... Inputs>
inline constexpr const graph_view& view_of = view_of_compiled<compiled<Model, Inputs...>>;

/// A name, made unique among those used before as TensorFlow does it: "MatMul", "MatMul_1", ...
class unique_names {
 public:
  std::string operator()(const std::string& name) {
    if (used_.emplace(name, 0).second) return name;
    for (;;) {
      std::string numbered = name + "_" + std::to_string(++used_[name]);
      if (used_.emplace(numbered, 0).second) return numbered;
    }
  }

 private:
  std::map<std::string, int> used_;  ///< and the last number tried behind each
};

/// The name of every node as files have it: its scope and op, variables by their own names.
inline std::vector<std::string> node_names(const graph_view& g) {
  std::vector<std::string> names;
  unique_names unique;
  for (const frozen_node& n : g.nodes) {
    std::string name;
    if (n.id == id_of<source::variable>) {
      name = g.variables[static_cast<std::size_t>(n.i)].name.view();
    } else {
      name = g.scopes[static_cast<std::size_t>(n.scope)].view();
      if (!name.empty()) name += '/';
      name += n.name;
    }
    names.push_back(unique(name));
  }
  return names;
}

}  // namespace rill::graph

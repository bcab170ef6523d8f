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

/// A body of control flow: the nodes of it among those of all bodies, whose operands count from `first`. Of its inputs and
/// variables (the values outside, the states and results) `i` is the number, and `f` is 1 where every iteration has a row.
struct body_desc {
  int first = 0, count = 0;
  int test = -1;       ///< of a condition, the node that says whether to go on
  int variables = 0;   ///< states, rows that are stacked, results
};

/// All tables of a compiled model, without their sizes in the type.
struct graph_view : table_view {
  std::span<const frozen_step> steps = {};
  std::span<const frozen_node> nodes = {};
  std::span<const int> group_of = {};
  std::span<const name_buffer> scopes = {};
  std::span<const frozen_let> lets = {};
  std::span<const region_desc> regions = {};
  std::size_t own_steps = 0;  ///< the first of them; the others belong to bodies of control flow
  std::span<const body_desc> bodies = {};         ///< one for each of `regions`
  std::span<const frozen_node> body_nodes = {};
  std::span<const int> body_step_of = {};         ///< the step that computes each of these, or -1

  graph_view() = default;
  template <table_sizes N>
  constexpr explicit graph_view(const table<N>& t)
      : table_view(t), steps(t.steps), nodes(t.nodes), group_of(t.group_of), scopes(t.scopes), lets(t.lets),
        regions(t.regions), own_steps(t.own_steps) {}
};
namespace detail {

template <std::size_t Bodies, std::size_t Nodes>
struct body_table {
  std::array<body_desc, Bodies> bodies{};
  std::array<frozen_node, Nodes> nodes{};
  std::array<int, Nodes> step_of{};
};

/// Writes the bodies of the control flow among steps [first, first + count) of a graph, and those within them.
template <std::size_t Bodies, std::size_t Nodes>
constexpr void freeze_bodies(const lowered& l, builder& b, int first, int count, int& used, body_table<Bodies, Nodes>& t) {
  for (int s = first; s < first + count; ++s) {
    const step_desc& control = l.steps[static_cast<std::size_t>(s)];
    if (control.control < 0) continue;
    int region = l.controls[static_cast<std::size_t>(control.control)].region;
    for_each_body(b.nodes[static_cast<std::size_t>(control.root)], [&](int k) {
      builder& body = b.bodies[static_cast<std::size_t>(k)];
      const region_desc& r = l.regions[static_cast<std::size_t>(region)];
      body_desc& d = t.bodies[static_cast<std::size_t>(region++)];
      d.first = used, d.count = static_cast<int>(body.nodes.size()), d.variables = static_cast<int>(body.variables.size());
      if (!body.fetches.empty()) d.test = body.fetches[0].node;
      fusion f = fuse(body);  // as lowering did
      for (std::size_t g = 0; g < f.groups.size(); ++g)
        for (int id : f.groups[g].assigns) f.group_of[static_cast<std::size_t>(id)] = static_cast<int>(g);
      for (std::size_t id = 0; id < body.nodes.size(); ++id) {
        const node& n = body.nodes[id];
        const auto at = static_cast<std::size_t>(used++);
        frozen_node& to = t.nodes[at];
        to = {n.op->id, n.op->name, n.op->kind, n.type, n.shape, {n.in[0], n.in[1], n.in[2], n.in[3]}, n.arity, n.scope, n.attr.f[0], n.attr.i[0]};
        if (to.id == id_of<source::input>) to.f = body.input_is_row[static_cast<std::size_t>(to.i)];
        if (to.id == id_of<source::variable> || to.id == id_of<op::assign>) to.f = body.variable_is_row[static_cast<std::size_t>(to.i)];
        t.step_of[at] = -1;
        for (int step = r.first; f.group_of[id] >= 0 && step < r.first + r.count; ++step)  // a group may be part of the step before
          if (l.steps[static_cast<std::size_t>(step)].group <= f.group_of[id]) t.step_of[at] = step;
      }
      freeze_bodies(l, body, r.first, r.count, used, t);
    });
  }
}
constexpr std::size_t nodes_in_bodies(const builder& b) {
  std::size_t n = 0;
  for (const node& control : b.nodes)
    for_each_body(control, [&](int k) {
      const builder& body = b.bodies[static_cast<std::size_t>(k)];
      n += body.nodes.size() + nodes_in_bodies(body);
    });
  return n;
}

/// The bodies of a compiled model: constants of their own, which cost nothing before somebody asks for them.
template <class Compiled>
struct bodies_of;
template <class Passes, class Model, class... Inputs>
struct bodies_of<basic_compiled<Passes, Model, Inputs...>> {
  using code = basic_compiled<Passes, Model, Inputs...>;
  static constexpr std::size_t count = nodes_in_bodies(Passes::run(trace<Model, Inputs...>(code::average_gradients())).b);
  static constexpr auto value = [] {
    image im = Passes::run(trace<Model, Inputs...>(code::average_gradients()));
    body_table<code::tables.regions.size(), count> t;
    int used = 0;
    freeze_bodies(im.l, im.b, 0, im.l.own_steps, used, t);
    return t;
  }();
};

template <class Compiled>
constexpr graph_view make_view() {
  graph_view v(Compiled::tables);
  if constexpr (!Compiled::tables.regions.empty()) {
    constexpr const auto& t = bodies_of<Compiled>::value;
    v.bodies = t.bodies, v.body_nodes = t.nodes, v.body_step_of = t.step_of;
  }
  return v;
}

}  // namespace detail

/// The tables of a `compiled`, as one object that lives as long as the program.
template <class Compiled>
inline constexpr graph_view view_of_compiled = detail::make_view<Compiled>();
template <class Model, class... Inputs>
inline constexpr const graph_view& view_of = view_of_compiled<compiled<Model, Inputs...>>;

/// A name, made unique among those used before as TensorFlow does it: "MatMul", "MatMul_1", ...
class unique_names {
 public:
  [[gnu::cold]] std::string operator()(const std::string& name) {
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
[[gnu::cold]] inline std::vector<std::string> node_names(const graph_view& g) {
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

/// The bodies of control flow as functions: what a file calls each of them ("While_body", "Case_branch_0"), and the names of
/// their nodes, which are those of a graph of its own: "input_2" and "state_1" for what comes from outside, scope and op.
struct body_names {
  std::vector<std::string> functions;              ///< of each of g.bodies
  std::vector<std::vector<std::string>> nodes;
  std::vector<int> owner;                          ///< the step that is the loop or branch
};
template <class = void>
body_names names_of_bodies(const graph_view& g) {
  body_names r;
  r.functions.resize(g.bodies.size()), r.nodes.resize(g.bodies.size()), r.owner.resize(g.bodies.size(), -1);
  const std::vector<std::string> own = node_names(g);
  std::vector<int> body_of(g.steps.size(), -1);
  unique_names function;
  for (std::size_t s = 0; s < g.steps.size(); ++s) {
    if (g.steps[s].control < 0) continue;  // a loop stands before the steps of its bodies
    const control_desc& c = g.controls[static_cast<std::size_t>(g.steps[s].control)];
    const int count = !c.is_loop ? c.branches : c.trip == op::loop::conditional ? 2 : 1;
    const auto node = static_cast<std::size_t>(g.steps[s].root), in = static_cast<std::size_t>(body_of[s]);
    std::string name = body_of[s] < 0 ? own[node] : r.functions[in] + "_" + r.nodes[in][node];
    for (char& letter : name)
      if (letter == '/') letter = '_';
    for (int k = 0; k < count; ++k) {
      const auto body = static_cast<std::size_t>(c.region + k);
      r.owner[body] = static_cast<int>(s);
      r.functions[body] = function(name + (!c.is_loop ? "_branch_" + std::to_string(k) : k == 0 ? "_body" : "_cond"));
      for (int i = 0; i < g.regions[body].count; ++i) body_of[static_cast<std::size_t>(g.regions[body].first + i)] = c.region + k;
      unique_names unique;
      for (int id = 0; id < g.bodies[body].count; ++id) {
        const frozen_node& n = g.body_nodes[static_cast<std::size_t>(g.bodies[body].first + id)];
        std::string text(g.scopes[static_cast<std::size_t>(n.scope)].view());
        if (!text.empty()) text += '/';
        text += n.name;
        if (n.id == id_of<source::input>) text = "input_" + std::to_string(n.i);
        if (n.id == id_of<source::variable>) text = "state_" + std::to_string(n.i);
        r.nodes[body].push_back(unique(text));
      }
    }
  }
  return r;
}

}  // namespace rill::graph

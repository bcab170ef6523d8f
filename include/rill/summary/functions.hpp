// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Loops and branches of a graph as TensorFlow's functional control flow: a `While`, `If` or `Case` whose bodies are functions
/// of the GraphDef's library, which TensorBoard's graph page shows beside the graph ("While_body", "While_cond",
/// "If_branch_0"). What summary::graph_of does for models that have control flow.
///
/// A loop's values are, in this order: the iteration; how many there are, where that is known before; the states, and what it
/// stacks, as tensor lists; and what its functions read from outside, with the tensors of whose rows each iteration has one. A
/// branch's are what its functions read. Ops of TensorFlow's names get the operands that TensorFlow has beside Rill's (shapes,
/// axes), so that TensorFlow can import and run what consists of element-wise ops, broadcasts, reshapes and reductions.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../graph/graph_view.hpp"
#include "../io/function_def.hpp"
#include "node_def.hpp"

namespace rill::summary::detail {

/// DT_VARIANT, the type of tensor lists, which no tensor of Rill has.
inline constexpr auto variant = static_cast<dtype>(21);

/// Writes the nodes of a model that has control flow, and the functions that its bodies are.
template <class = void>
class control_flow_writer {
 public:
  control_flow_writer(const graph::graph_view& g, io::graph_def& out) : g_(g), names_(graph::names_of_bodies(g)), out_(out) {}

  void run(const std::vector<std::string>& own) {
    scope model{-1, g_.nodes, own, out_.nodes};
    write_all(model);
    out_.library = std::move(library_);
  }

 private:
  using strings = std::vector<std::string>;
  /// The model's graph, or a body's.
  struct scope {
    int body = -1;
    std::span<const graph::frozen_node> nodes;
    const strings& names;
    std::vector<io::node_def>& out;
  };
  struct value {
    std::string name;  ///< of the function's argument
    std::string from;  ///< what it is outside, before the loop
    dtype type = dtype::invalid;
    tensor_shape shape;
  };

  static const graph::frozen_node& at(const scope& s, int id) { return s.nodes[static_cast<std::size_t>(id)]; }
  /// How files name result `k` of a node: "name:1", in functions "name:output:1" with what the op calls its result.
  static std::string reference(bool in_function, const std::string& name, const char* result, int k = 0) {
    if (in_function) return name + ":" + result + ":" + std::to_string(k);
    return k == 0 ? name : name + ":" + std::to_string(k);
  }
  static const char* result_of(const graph::frozen_node& n) {
    if (n.name == "MatMul") return "product";
    if (n.name == "Softmax") return "softmax";
    if (n.name == "Relu" || n.name == "Relu6" || n.name == "Elu" || n.name == "Selu" || n.name == "Softplus" || n.name == "Softsign") return "activations";
    if (n.kind == op_kind::elementwise && n.name != "Snapshot") return n.arity == 1 ? "y" : n.arity == 2 ? "z" : "output";
    return n.name == "Transpose" ? "y" : "output";
  }
  std::string reference(const scope& s, int id) const {
    const graph::frozen_node& n = at(s, id);
    const std::string& name = s.names[static_cast<std::size_t>(id)];
    if (s.body < 0) return name;
    if (n.id == graph::id_of<graph::source::variable>) return name;
    if (n.id == graph::id_of<graph::source::input>) return n.f != 0 ? name + ":output:0" : name;
    if (n.id == graph::id_of<graph::op::result>) return name + (is_stack(s, n) ? ":tensor:0" : ":output:0");
    return reference(true, name, result_of(n));
  }
  /// A constant beside a node, as TensorFlow's shapes and axes are.
  static std::string add_constant(scope& s, const std::string& name, dtype type, const std::vector<std::int64_t>& numbers, bool scalar) {
    io::tensor_proto t;
    t.type = type;
    if (!scalar) t.shape.push_back(static_cast<std::int64_t>(numbers.size()));
    for (std::int64_t n : numbers) t.content.append(reinterpret_cast<const char*>(&n), size_of(type));
    io::node_def d;
    d.name = name, d.op = "Const";
    d.attrs.emplace("dtype", type), d.attrs.emplace("value", t);
    s.out.push_back(std::move(d));
    return reference(s.body >= 0, name, "output");
  }
  static std::string add(scope& s, const std::string& name, const char* op, strings inputs, std::map<std::string, io::attr_value> attrs, const char* result) {
    s.out.push_back({name, op, std::move(inputs), {}, std::move(attrs)});
    return reference(s.body >= 0, name, result);
  }
  static std::vector<std::int64_t> extents(const tensor_shape& shape) {
    std::vector<std::int64_t> list;
    for (std::int64_t e : shape) list.push_back(e < 0 ? -1 : e);
    return list;
  }

  // ---- control flow --------------------------------------------------------------------------------------------------

  /// The step of a loop or branch.
  [[nodiscard]] int step_of(const scope& s, int id) const {
    const std::size_t first = s.body < 0 ? 0 : static_cast<std::size_t>(g_.regions[static_cast<std::size_t>(s.body)].first);
    const std::size_t count = s.body < 0 ? g_.own_steps : static_cast<std::size_t>(g_.regions[static_cast<std::size_t>(s.body)].count);
    for (std::size_t k = first; k < first + count; ++k)
      if (g_.steps[k].control >= 0 && g_.steps[k].root == id) return static_cast<int>(k);
    return -1;
  }
  [[nodiscard]] const graph::control_desc& control_of(const scope& s, int id) const {
    return g_.controls[static_cast<std::size_t>(g_.steps[static_cast<std::size_t>(step_of(s, id))].control)];
  }
  [[nodiscard]] scope body_scope(int body, std::vector<io::node_def>& out) const {
    const graph::body_desc& d = g_.bodies[static_cast<std::size_t>(body)];
    return {body, g_.body_nodes.subspan(static_cast<std::size_t>(d.first), static_cast<std::size_t>(d.count)), names_.nodes[static_cast<std::size_t>(body)], out};
  }
  static void append_leaves(const scope& s, int id, std::vector<int>& leaves) {
    const graph::frozen_node& n = at(s, id);
    if (n.kind != op_kind::tuple) leaves.push_back(id);
    else
      for (int k = 0; k < n.arity; ++k) append_leaves(s, n.in[k], leaves);
  }
  /// The nodes of a body that are its inputs, or its variables, by number.
  static std::vector<int> numbered(const scope& s, std::uint64_t id, int count = 0) {
    std::vector<int> list(static_cast<std::size_t>(count), -1);
    for (std::size_t k = 0; k < s.nodes.size(); ++k) {
      if (s.nodes[k].id != id) continue;
      const auto n = static_cast<std::size_t>(s.nodes[k].i);
      if (n >= list.size()) list.resize(n + 1, -1);
      list[n] = static_cast<int>(k);
    }
    return list;
  }
  static tensor_shape in_files(const tensor_shape& of) {
    tensor_shape shape;
    for (std::int64_t e : of) shape.push_back(e < 0 ? -1 : e);
    return shape;
  }

  /// Whether a result of control flow is what a loop has stacked.
  [[nodiscard]] bool is_stack(const scope& s, const graph::frozen_node& result) const {
    std::vector<io::node_def> none;
    const graph::control_desc& c = control_of(s, result.in[0]);
    const scope inside = body_scope(c.region, none);
    const std::vector<int> variables = numbered(inside, graph::id_of<graph::source::variable>);
    return at(inside, variables[static_cast<std::size_t>(result.i)]).f != 0;
  }

  /// A While with its functions. `names` of values are those of the arguments.
  void write_loop(scope& s, int id, io::node_def d) {
    const graph::control_desc& c = control_of(s, id);
    std::vector<io::node_def> nodes, test_nodes;
    scope body = body_scope(c.region, nodes);
    const bool conditional = c.trip == graph::op::loop::conditional;
    const std::vector<int> variables = numbered(body, graph::id_of<graph::source::variable>);
    std::vector<int> leaves;
    for (int k = 0; k < at(s, id).arity; ++k) append_leaves(s, at(s, id).in[k], leaves);
    std::size_t next = 0;

    std::vector<value> values;
    values.push_back({"iteration", add_constant(s, d.name + "/iteration", dtype::int64, {0}, true), dtype::int64, {}});
    if (!conditional) {
      std::string count;
      if (c.trip == graph::op::loop::counted) count = reference(s, leaves[next++]);
      else if (c.trip >= 0) count = add_constant(s, d.name + "/count", dtype::int64, {c.trip}, true);
      else count = add(s, d.name + "/count", "Parameter", {}, {{"dtype", dtype::int64}}, "output");
      values.push_back({"count", count, dtype::int64, {}});
    }
    const std::size_t first_variable = values.size();
    for (int v : variables) {
      const graph::frozen_node& n = at(body, v);
      const std::string& name = body.names[static_cast<std::size_t>(v)];
      if (n.f == 0) {
        values.push_back({name, reference(s, leaves[next++]), n.type, in_files(n.shape)});
        continue;
      }
      const std::string list = d.name + "/" + name;
      const std::string shape = add_constant(s, list + "/element_shape", dtype::int32, extents(n.shape), false);
      const std::string size = add_constant(s, list + "/num_elements", dtype::int32, {c.trip > 0 ? c.trip : 0}, true);
      values.push_back({name, add(s, list, "TensorListReserve", {shape, size}, {{"element_dtype", n.type}, {"shape_type", dtype::int32}}, "handle"), variant, {}});
    }
    const std::size_t first_input = values.size();
    const auto add_inputs = [&](const scope& inside, const char* prefix) {
      for (int k : numbered(inside, graph::id_of<graph::source::input>)) {
        const graph::frozen_node& n = at(inside, k);
        tensor_shape shape = in_files(n.shape);
        if (n.f != 0) {
          shape = {};
          for (std::int64_t e : at(s, leaves[next]).shape) shape.push_back(e < 0 ? -1 : e);
        }
        values.push_back({prefix + std::to_string(n.i) + (n.f != 0 ? "_rows" : ""), reference(s, leaves[next++]), n.type, shape});
      }
    };
    add_inputs(body, "input_");
    const std::size_t first_of_test = values.size();
    io::function_def f{names_.functions[static_cast<std::size_t>(c.region)], {}, {}, {}, {}};
    const std::size_t word = f.name.rfind("_body");  // a number may follow it
    io::function_def test{f.name.substr(0, word) + "_cond" + f.name.substr(word + 5), {}, {}, {}, {}};
    if (conditional) {
      test.name = names_.functions[static_cast<std::size_t>(c.region + 1)];
      scope condition = body_scope(c.region + 1, test_nodes);
      add_inputs(condition, "of_condition_");
      write_all(condition);
      test.ret.emplace("go_on", reference(condition, g_.bodies[static_cast<std::size_t>(c.region + 1)].test));
    } else {
      test_nodes.push_back({"Less", "Less", {"iteration", "count"}, {}, {{"T", dtype::int64}}});
      test.ret.emplace("go_on", "Less:z:0");
    }
    test.results.push_back({"go_on", dtype::boolean});

    // the body: the next iteration, the rows of this one, the model's own nodes, what is stacked
    const std::string one = add_constant(body, "one", dtype::int64, {1}, true);
    const std::string following = add(body, "next_iteration", "Add", {"iteration", one}, {{"T", dtype::int64}}, "z");
    std::string index = "iteration";
    if (c.reverse) {
      const std::string last = add(body, "last", "Sub", {"count", one}, {{"T", dtype::int64}}, "z");
      index = add(body, "index", "Sub", {last, "iteration"}, {{"T", dtype::int64}}, "z");
    }
    bool has_axis = false, has_place = false;
    for (int k : numbered(body, graph::id_of<graph::source::input>)) {
      const graph::frozen_node& n = at(body, k);
      if (n.f == 0) continue;
      if (!std::exchange(has_axis, true)) add_constant(body, "axis", dtype::int32, {0}, true);
      const std::string& name = body.names[static_cast<std::size_t>(k)];
      add(body, name, "GatherV2", {name + "_rows", index, "axis:output:0"}, {{"Tparams", n.type}, {"Tindices", dtype::int64}, {"Taxis", dtype::int32}}, "output");
    }
    write_all(body);
    for (std::size_t k = 0; k < values.size(); ++k) {
      std::string result = k == 0 ? following : values[k].name;
      if (k >= first_variable && k < first_input)
        for (std::size_t a = 0; a < body.nodes.size(); ++a) {
          const graph::frozen_node& n = body.nodes[a];
          if (n.kind != op_kind::assign || n.i != static_cast<std::int64_t>(k - first_variable)) continue;
          result = reference(body, static_cast<int>(a));
          if (n.f == 0) continue;
          if (!std::exchange(has_place, true)) add(body, "place", "Cast", {index}, {{"SrcT", dtype::int64}, {"DstT", dtype::int32}}, "y");
          result = add(body, values[k].name + "_next", "TensorListSetItem", {values[k].name, "place:y:0", result},
                       {{"element_dtype", n.type}, {"resize_if_index_out_of_bounds", true}}, "output_handle");
        }
      const std::string name = "result_" + std::to_string(k);
      f.arguments.push_back({values[k].name, values[k].type});
      // each function calls its own inputs by its own nodes' names
      std::string in_test = values[k].name;
      if (k >= first_of_test) in_test = "input_" + values[k].name.substr(std::string("of_condition_").size());
      else if (k >= first_input && conditional) in_test = "of_body_" + std::to_string(k - first_input);
      test.arguments.push_back({in_test, values[k].type});
      f.results.push_back({name, values[k].type});
      f.ret.emplace(name, result);
    }
    f.nodes = std::move(nodes), test.nodes = std::move(test_nodes);

    io::attr_value::list_type types;
    io::attr_value::list_shape shapes;
    for (const value& v : values) d.inputs.push_back(v.from), types.push_back(v.type), shapes.push_back(v.shape);
    first_result_[{s.body, id}] = static_cast<int>(first_variable);
    d.op = "While";
    d.attrs = {{"T", types}, {"body", io::attr_value::function(f.name)}, {"cond", io::attr_value::function(test.name)},
               {"output_shapes", shapes}, {"_output_shapes", shapes}, {"parallel_iterations", 1}};
    s.out.push_back(std::move(d));
    library_->functions.push_back(std::move(f));
    library_->functions.push_back(std::move(test));
  }

  /// An If or Case with its functions.
  void write_branches(scope& s, int id, io::node_def d) {
    const graph::control_desc& c = control_of(s, id);
    std::vector<int> leaves;
    for (int k = 0; k < at(s, id).arity; ++k) append_leaves(s, at(s, id).in[k], leaves);
    d.inputs = {reference(s, leaves[0])};
    io::attr_value::list_type in, results;
    io::attr_value::list_shape shapes;
    strings functions;
    for (std::size_t k = 1; k < leaves.size(); ++k) d.inputs.push_back(reference(s, leaves[k])), in.push_back(at(s, leaves[k]).type);
    std::size_t given = 0;  // to the branches before
    for (int k = 0; k < c.branches; ++k) {
      io::function_def f{names_.functions[static_cast<std::size_t>(c.region + k)], {}, {}, {}, {}};
      scope branch = body_scope(c.region + k, f.nodes);
      const std::size_t own = numbered(branch, graph::id_of<graph::source::input>).size();
      for (std::size_t j = 0; j < in.size(); ++j)
        f.arguments.push_back({j >= given && j < given + own ? "input_" + std::to_string(j - given) : "of_others_" + std::to_string(j), in[j]});
      given += own;
      write_all(branch);
      for (std::size_t a = 0; a < branch.nodes.size(); ++a)
        if (branch.nodes[a].kind == op_kind::assign) f.ret.emplace("result_" + std::to_string(branch.nodes[a].i), reference(branch, static_cast<int>(a)));
      const std::vector<int> variables = numbered(branch, graph::id_of<graph::source::variable>);
      for (std::size_t v = 0; v < variables.size(); ++v) {
        const graph::frozen_node& n = at(branch, variables[v]);
        f.results.push_back({"result_" + std::to_string(v), n.type});
        if (k == 0) results.push_back(n.type), shapes.push_back(in_files(n.shape));
      }
      functions.push_back(f.name);
      library_->functions.push_back(std::move(f));
    }
    first_result_[{s.body, id}] = 0;
    d.attrs = {{"Tin", in}, {"Tout", results}, {"output_shapes", shapes}, {"_output_shapes", shapes}};
    if (c.chosen_type == dtype::boolean) {
      d.op = "If";
      d.attrs.emplace("Tcond", dtype::boolean);
      d.attrs.emplace("then_branch", io::attr_value::function(functions[0]));
      d.attrs.emplace("else_branch", io::attr_value::function(functions[1]));
    } else {
      d.op = "Case";
      d.attrs.emplace("branches", io::attr_value::functions(functions));
    }
    s.out.push_back(std::move(d));
  }

  // ---- nodes ---------------------------------------------------------------------------------------------------------

  /// The operands and types that TensorFlow's op has and Rill's has not.
  static void complete(scope& s, const graph::frozen_node& n, io::node_def& d) {
    const auto constant = [&](const char* name, const std::vector<std::int64_t>& numbers) { d.inputs.push_back(add_constant(s, d.name + "/" + name, dtype::int32, numbers, false)); };
    if (n.id == graph::id_of<graph::op::reshape>) {
      constant("shape", extents(n.shape));
      d.attrs.emplace("Tshape", dtype::int32);
    } else if (n.id == graph::id_of<graph::op::broadcast_in_dim>) {
      const int rank = at(s, n.in[0]).shape.rank();
      if (rank > 0 && n.i != n.shape.rank() - rank) return;  // not to the last axes, which TensorFlow's does
      d.op = "BroadcastTo";
      constant("shape", extents(n.shape));
      d.attrs.emplace("Tidx", dtype::int32);
    } else if (n.kind == op_kind::reduction && (n.name == "Sum" || n.name == "Prod" || n.name == "Max" || n.name == "Min" || n.name == "Any" || n.name == "All")) {
      std::vector<std::int64_t> axes;
      for (int a = 0; a < max_rank; ++a)
        if (((n.i >> a) & 1) != 0) axes.push_back(a);
      constant("reduction_indices", axes);
      d.attrs.emplace("Tidx", dtype::int32);
      if (n.name == "Any" || n.name == "All") d.attrs.erase("T");
    } else if (n.kind == op_kind::elementwise && n.arity > 0) {
      const dtype from = at(s, n.in[0]).type;
      if (n.name == "Cast") d.attrs.erase("T"), d.attrs.emplace("SrcT", from), d.attrs.emplace("DstT", n.type);
      else if (n.type == dtype::boolean && from == dtype::boolean && n.name.substr(0, 7) == "Logical") d.attrs.erase("T");
      else if (n.type == dtype::boolean && from != dtype::boolean) d.attrs.insert_or_assign("T", from);
    }
  }

  void write_all(scope& s) {
    for (int id = 0; id < static_cast<int>(s.nodes.size()); ++id) {
      const graph::frozen_node& n = at(s, id);
      if (n.kind == op_kind::tuple) continue;
      if (s.body >= 0 && (n.id == graph::id_of<graph::source::input> || n.id == graph::id_of<graph::source::variable>)) continue;
      io::node_def d = node_def_of(n, s.names[static_cast<std::size_t>(id)]);
      const int group = s.body < 0 ? g_.group_of[static_cast<std::size_t>(id)] : g_.body_step_of[static_cast<std::size_t>(g_.bodies[static_cast<std::size_t>(s.body)].first + id)];
      if (n.id == graph::id_of<graph::op::loop>) {
        write_loop(s, id, std::move(d));
      } else if (n.id == graph::id_of<graph::op::branch>) {
        write_branches(s, id, std::move(d));
      } else if (n.id == graph::id_of<graph::op::result>) {
        const int k = first_result_.at({s.body, n.in[0]}) + static_cast<int>(n.i);
        d.inputs = {reference(s.body >= 0, s.names[static_cast<std::size_t>(n.in[0])], "output", k)};
        d.op = "Identity";
        if (is_stack(s, n)) {
          tensor_shape row;
          for (int a = 1; a < n.shape.rank(); ++a) row.push_back(n.shape[a]);
          d.inputs.push_back(add_constant(s, d.name + "/element_shape", dtype::int32, extents(row), false));
          d.op = "TensorListStack";
          d.attrs.erase("T");
          d.attrs.emplace("element_dtype", n.type);
        }
        s.out.push_back(std::move(d));
      } else {
        for (int k = 0; k < n.arity; ++k) d.inputs.push_back(reference(s, n.in[k]));
        if (s.body >= 0 && n.kind == op_kind::assign) d.op = "Identity";  // what the function gives
        if (group >= 0) d.device = (s.body < 0 ? "/kernel:" : "/body_kernel:") + std::to_string(group);
        complete(s, n, d);
        s.out.push_back(std::move(d));
      }
    }
  }

  const graph::graph_view& g_;
  const graph::body_names names_;
  io::graph_def& out_;
  std::shared_ptr<io::function_list> library_ = std::make_shared<io::function_list>();
  std::map<std::pair<int, int>, int> first_result_;  ///< of control flow: the output that is its variable 0
};

}  // namespace rill::summary::detail

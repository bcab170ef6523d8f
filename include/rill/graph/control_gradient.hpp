// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Gradients of loops and branches. The backward loop runs the iterations from the last to the first. What it reads of the
/// forward one it gets as rows that the forward loop is made to stack: states, and results that are dear to compute; cheap
/// ones are computed again. Gradients of states go from iteration to iteration, those of values that all iterations read
/// are added up, and where that sum is one of matrix products, the factors are stacked and multiplied once, after the loop.
/// The backward branch computes its forward branch again.

#include <vector>

#include "body.hpp"

namespace rill::graph {

template <class = void>
constexpr std::vector<int> backward(builder& b, const std::vector<int>& of, const std::vector<int>& seeds, const std::vector<int>& targets);

namespace detail {

/// Zeros as a node of this very builder.
constexpr symbol zeros_in(builder& b, const signature& s) {
  const symbol zero = b.add(&info_of<source::constant>, {s.type, {}}, nullptr, 0, {});
  return s.shape.rank() == 0 ? zero : b.add(&info_of<op::broadcast_in_dim>, s, &zero.id, 1, {});
}

/// The nodes of a forward body, made again in the backward body.
template <class = void>
struct forward_copy {
  builder& from;
  builder& to;
  std::vector<int> moved, written;  ///< per forward node its copy; per variable the forward node whose value it gets

  /// input(k) and variable(v, node) give the copies of these.
  template <class I, class V>
  constexpr forward_copy(builder& f, builder& t, I&& input, V&& variable) : from(f), to(t) {
    moved.assign(f.nodes.size(), -1);
    written.assign(f.variables.size(), -1);
    for (std::size_t id = 0; id < moved.size(); ++id) {
      node n = f.nodes[id];
      if (n.op->id == id_of<source::input>) {
        moved[id] = input(static_cast<std::size_t>(n.attr.i[0]));
      } else if (n.op->id == id_of<source::variable>) {
        if (is_read(static_cast<int>(id))) moved[id] = variable(static_cast<std::size_t>(n.attr.i[0]), static_cast<int>(id));
      } else if (n.op->kind == op_kind::assign) {
        written[static_cast<std::size_t>(n.attr.i[0])] = n.in[0];
      } else if (n.op->effect) {
        if (n.arity > 0) moved[id] = moved[static_cast<std::size_t>(n.in[0])];
      } else {
        for (int k = 0; k < n.arity; ++k) n.in[k] = moved[static_cast<std::size_t>(n.in[k])];
        if (n.op->kind == op_kind::control) copy_bodies(n);
        t.nodes.push_back(n);
        moved[id] = static_cast<int>(t.nodes.size()) - 1;
      }
    }
  }
  /// The forward node that a node is the copy of, or -1.
  [[nodiscard]] constexpr int original(int copy) const {
    for (std::size_t id = 0; id < moved.size(); ++id)
      if (moved[id] == copy) return static_cast<int>(id);
    return -1;
  }

 private:
  constexpr bool is_read(int id) const {
    for (const node& n : from.nodes)
      for (int k = 0; k < n.arity; ++k)
        if (n.in[k] == id) return true;
    return false;
  }
  constexpr void copy_bodies(node& n) {
    const auto first = static_cast<std::int64_t>(to.bodies.size());
    for_each_body(n, [&](int k) { to.bodies.push_back(from.bodies[static_cast<std::size_t>(k)]); });
    if (n.op->id == id_of<op::loop> && n.attr.i[2] == op::loop::conditional) n.attr.i[1] = first + 1;
    n.attr.i[0] = first;
  }
};

constexpr bool has_gradients(dtype t) { return is_floating(t) || is_complex(t); }

template <class = void>
class loop_gradient {
 public:
  constexpr loop_gradient(builder& b, int id) : b_(b), id_(id), n_(b.nodes[static_cast<std::size_t>(id)]) {}

  constexpr std::vector<int> run(const std::vector<int>& dy, const std::vector<char>& wanted) {
    const std::vector<int> leaves = leaves_of(b_, n_);
    std::vector<int> result(leaves.size(), -1);
    const bool is_static = op::loop::is_static(n_.attr), counted = n_.attr.i[2] == op::loop::counted;
    builder& forward = b_.bodies[static_cast<std::size_t>(n_.attr.i[0])];
    const std::size_t variables = forward.variables.size(), inputs = forward.inputs.size();
    std::size_t leaf = counted ? 1 : 0;
    std::vector<std::size_t> leaf_of_state(variables, 0), leaf_of_input(inputs, 0);
    for (std::size_t v = 0; v < variables; ++v)
      if (!forward.variable_is_row[v]) leaf_of_state[v] = leaf++;
    for (std::size_t k = 0; k < inputs; ++k) leaf_of_input[k] = leaf++;

    attributes at;
    at.i[2] = is_static ? n_.attr.i[2] : op::loop::counted, at.i[3] = n_.attr.i[3] == 0;
    std::vector<int> operands;
    if (counted) operands.push_back(leaves[0]);
    else if (!is_static) operands.push_back(add_result(b_, id_, 0).id);

    // what becomes of results in b, once the loop is there
    struct taken {
      std::size_t leaf;
      int variable;         ///< of the backward loop: the gradient, or the left factor's stack where that is one of its own
      int left = -1;        ///< of a product of stacks: the left factor's stack, if it is outside
      int right = -1, right_outside = -1;
      bool product = false;
    };
    std::vector<taken> results;
    body_trace t(b_);
    builder& to = t.b;
    saved_.assign(forward.nodes.size(), -1);
    std::vector<int> adjoint(variables, -1);  // of states: the variable that carries it
    for (std::size_t v = 0; v < variables; ++v) {
      const signature s{forward.variables[v].type, forward.variables[v].shape};
      if (forward.variable_is_row[v] || !has_gradients(s.type)) continue;
      operands.push_back(dy[v] >= 0 ? dy[v] : zeros_in(b_, s).id);
      adjoint[v] = static_cast<int>(to.variables.size());
      results.push_back({leaf_of_state[v], adjoint[v]});
      t.variable(s);
    }
    forward_copy<> copy(
        forward, to,
        [&](std::size_t k) {
          const int outside = leaves[leaf_of_input[k]];
          if (!forward.input_is_row[k]) return to.local({&b_, outside}).id;
          return to.add_input(forward.nodes[static_cast<std::size_t>(forward.inputs[k])].sig(), outside, true).id;
        },
        [&](std::size_t, int node) { return to.add_input(forward.nodes[static_cast<std::size_t>(node)].sig(), stack_of(forward, node), true).id; });

    std::vector<int> of, seeds, targets;
    for (std::size_t v = 0; v < variables; ++v) {
      const signature s{forward.variables[v].type, forward.variables[v].shape};
      const int value = copy.written[v] >= 0 ? copy.moved[static_cast<std::size_t>(copy.written[v])]
                                             : copy.moved[static_cast<std::size_t>(forward.variables[v].node)];
      if (value < 0) continue;
      if (adjoint[v] >= 0) {
        of.push_back(value);
        seeds.push_back(to.variables[static_cast<std::size_t>(adjoint[v])].node);
      } else if (forward.variable_is_row[v] && v < dy.size() && dy[v] >= 0) {
        of.push_back(value);
        seeds.push_back(to.add_input(s, dy[v], true).id);
      }
    }
    for (std::size_t v = 0; v < variables; ++v) targets.push_back(copy.moved[static_cast<std::size_t>(forward.variables[v].node)]);
    for (std::size_t k = 0; k < inputs; ++k) {
      const int node = copy.moved[static_cast<std::size_t>(forward.inputs[k])];
      targets.push_back(wanted[leaf_of_input[k]] && has_gradients(to.nodes[static_cast<std::size_t>(node)].type) ? node : -1);
    }
    const std::vector<int> g = backward(to, of, seeds, targets);
    for (std::size_t v = 0; v < variables; ++v) {
      if (adjoint[v] < 0) continue;
      const variable_decl d = to.variables[static_cast<std::size_t>(adjoint[v])];
      const bool passed_on = copy.written[v] < 0 && targets[v] < 0;
      if (!passed_on) t.write(adjoint[v], g[v] >= 0 ? symbol{&to, g[v]} : zeros_in(to, {d.type, d.shape}));
    }
    for (std::size_t k = 0; k < inputs; ++k) {
      const int gradient = targets[variables + k] < 0 ? -1 : g[variables + k];
      if (gradient < 0) continue;
      const signature s = to.nodes[static_cast<std::size_t>(gradient)].sig();
      if (forward.input_is_row[k]) {
        results.push_back({leaf_of_input[k], static_cast<int>(to.variables.size())});
        t.variable(s, true);
        t.write(static_cast<int>(to.variables.size()) - 1, {&to, gradient});
        continue;
      }
      std::vector<int> terms, sum;
      append_terms(to, gradient, terms);
      for (int term : terms) {
        const node n = to.nodes[static_cast<std::size_t>(term)];
        if (!is_static || n.op->id != id_of<ops::matmul_op> || n.attr.i[0] == 0 || n.attr.i[1] != 0) {
          sum.push_back(term);
          continue;
        }
        taken r{leaf_of_input[k], -1};
        r.product = true;
        if (!stack(t, copy, n.in[0], r.left, r.variable) || !stack(t, copy, n.in[1], r.right_outside, r.right)) {
          sum.push_back(term);
          continue;
        }
        results.push_back(r);
      }
      if (sum.empty()) continue;
      results.push_back({leaf_of_input[k], static_cast<int>(to.variables.size())});
      operands.push_back(zeros_in(b_, s).id);
      symbol total = t.variable(s);
      for (int term : sum) total = total + symbol{&to, term};
      t.write(results.back().variable, total);
    }
    keep_dear(to, copy);
    at.i[0] = attach(b_, t, operands);
    const int loop = add_control(b_, &info_of<op::loop>, at, operands);
    for (const taken& r : results) {
      symbol value{&b_, -1};
      if (r.product) {
        const symbol left = r.left >= 0 ? symbol{&b_, r.left} : add_result(b_, loop, r.variable);
        const symbol right = r.right_outside >= 0 ? symbol{&b_, r.right_outside} : add_result(b_, loop, r.right);
        value = matrix_product(as_matrix(left), as_matrix(right), true);
      } else {
        value = add_result(b_, loop, r.variable);
      }
      int& into = result[r.leaf];
      into = into < 0 ? value.id : (symbol{&b_, into} + value).id;
    }
    return result;
  }

 private:
  /// The stack of a forward node's values, one per iteration: a result of the forward loop.
  constexpr int stack_of(builder& forward, int node) {
    int& s = saved_[static_cast<std::size_t>(node)];
    if (s < 0) {
      const signature of = forward.nodes[static_cast<std::size_t>(node)].sig();
      const int v = static_cast<int>(forward.variables.size());
      body_trace::add_variable(forward, of, true);
      body_trace::write(forward, v, {&forward, node});
      s = add_result(b_, id_, v).id;
    }
    return s;
  }
  /// Turns the copy of a forward node into a row of what the forward loop kept.
  constexpr void read_back(builder& to, int copy, int stack) {
    node& n = to.nodes[static_cast<std::size_t>(copy)];
    n.op = &info_of<source::input>, n.arity = 0, n.attr = {};
    for (int& in : n.in) in = -1;
    n.attr.i[0] = static_cast<std::int64_t>(to.inputs.size());
    to.inputs.push_back(copy), to.outside.push_back(stack), to.input_is_row.push_back(1);
  }
  /// The summands that a node adds up.
  static constexpr void append_terms(const builder& b, int id, std::vector<int>& list) {
    const node& n = b.nodes[static_cast<std::size_t>(id)];
    if (n.op->id != id_of<ops::add>) {
      list.push_back(id);
      return;
    }
    append_terms(b, n.in[0], list);
    append_terms(b, n.in[1], list);
  }
  /// A factor of each iteration's product as a stack: one outside, or a variable of the backward loop; false where it is
  /// the same in all iterations.
  constexpr bool stack(body_trace& t, const forward_copy<>& copy, int factor, int& outside, int& variable) {
    builder& to = t.b;
    const node n = to.nodes[static_cast<std::size_t>(factor)];
    if (n.op->kind == op_kind::source) {
      if (n.op->id != id_of<source::input> || !to.input_is_row[static_cast<std::size_t>(n.attr.i[0])]) return false;
      outside = to.outside[static_cast<std::size_t>(n.attr.i[0])];
      return true;
    }
    if (const int original = copy.original(factor); original >= 0) {
      outside = stack_of(copy.from, original);
      read_back(to, factor, outside);
      return true;
    }
    variable = static_cast<int>(to.variables.size());
    t.variable(n.sig(), true);
    t.write(variable, {&to, factor});
    return true;
  }
  static constexpr symbol as_matrix(symbol stacked) {
    const tensor_shape s = stacked.shape();
    return reshape_to(stacked, {s[0] * s[1], s[2]});
  }
  /// Copies that are dear to compute and needed become rows kept by the forward loop.
  constexpr void keep_dear(builder& to, const forward_copy<>& copy) {
    constexpr int dear = 8;
    std::vector<int> original(to.nodes.size(), -1);
    for (std::size_t id = 0; id < copy.moved.size(); ++id)
      if (copy.moved[id] >= 0) original[static_cast<std::size_t>(copy.moved[id])] = static_cast<int>(id);
    std::vector<char> live(to.nodes.size(), 0);  // 2: its kernel runs here in any case, for a further result
    for (std::size_t id = to.nodes.size(); id-- > 0;) {
      const node n = to.nodes[id];
      if (n.op->kind == op_kind::assign) live[id] = 1;
      if (!live[id]) continue;
      const bool computed = n.op->kind == op_kind::opaque || n.op->kind == op_kind::reduction || n.op->kind == op_kind::elementwise ||
                            n.op->further != 0 || (n.op->id == id_of<op::result> && n.attr.i[1] == 0);
      const bool is_dear = n.op->kind == op_kind::opaque || n.op->kind == op_kind::alias || n.op->kind == op_kind::reduction || n.op->cost >= dear;
      if (original[id] >= 0 && computed && is_dear && live[id] != 2) {
        read_back(to, static_cast<int>(id), stack_of(copy.from, original[id]));
        continue;
      }
      for (int k = 0; k < n.arity; ++k)
        if (char& l = live[static_cast<std::size_t>(n.in[k])]; l == 0) l = 1;
      if (n.op->further != 0) live[static_cast<std::size_t>(n.in[0])] = 2;
    }
  }

  builder& b_;
  int id_;
  node n_;
  std::vector<int> saved_;
};

template <class = void>
constexpr std::vector<int> branch_gradients(builder& b, int id, const std::vector<int>& dy, const std::vector<char>& wanted) {
  const node n = b.nodes[static_cast<std::size_t>(id)];
  const std::vector<int> leaves = leaves_of(b, n);
  std::vector<int> result(leaves.size(), -1);
  std::vector<std::size_t> asked;  // leaves that get a gradient, each value once
  for (std::size_t k = 1; k < leaves.size(); ++k) {
    bool known = !wanted[k] || !has_gradients(b.nodes[static_cast<std::size_t>(leaves[k])].type);
    for (std::size_t a : asked) known = known || leaves[a] == leaves[k];
    if (!known) asked.push_back(k);
  }
  if (asked.empty()) return result;
  std::vector<int> operands{leaves[0]};
  std::vector<builder> bodies;
  std::size_t leaf = 1;
  for (std::int64_t j = 0; j < n.attr.i[1]; ++j) {
    builder& forward = b.bodies[static_cast<std::size_t>(n.attr.i[0] + j)];
    body_trace t(b);
    builder& to = t.b;
    forward_copy<> copy(
        forward, to, [&](std::size_t k) { return to.local({&b, leaves[leaf + k]}).id; }, [](std::size_t, int) { return -1; });
    std::vector<int> of, seeds, targets;
    for (std::size_t v = 0; v < forward.variables.size(); ++v)
      if (v < dy.size() && dy[v] >= 0 && copy.written[v] >= 0) {
        of.push_back(copy.moved[static_cast<std::size_t>(copy.written[v])]);
        seeds.push_back(to.local({&b, dy[v]}).id);
      }
    for (std::size_t a : asked) {
      int target = -1;
      for (std::size_t k = 0; k < forward.inputs.size(); ++k)
        if (leaves[leaf + k] == leaves[a]) target = copy.moved[static_cast<std::size_t>(forward.inputs[k])];
      targets.push_back(target);
    }
    const std::vector<int> g = backward(to, of, seeds, targets);
    for (std::size_t a = 0; a < asked.size(); ++a) {
      const signature s = b.nodes[static_cast<std::size_t>(leaves[asked[a]])].sig();
      t.variable(s);
      t.write(static_cast<int>(a), targets[a] >= 0 && g[a] >= 0 ? symbol{&to, g[a]} : zeros_in(to, s));
    }
    leaf += forward.inputs.size();
    finish(t, operands, bodies);
  }
  attributes at;
  at.i[0] = static_cast<std::int64_t>(b.bodies.size()), at.i[1] = n.attr.i[1];
  for (builder& body : bodies) b.bodies.push_back(std::move(body));
  const int branch = add_control(b, &info_of<op::branch>, at, operands);
  for (std::size_t a = 0; a < asked.size(); ++a) result[asked[a]] = add_result(b, branch, static_cast<int>(a)).id;
  return result;
}

}  // namespace detail

/// The gradient of each operand of a loop or branch (-1: none), given those of what its bodies' variables hold after it
/// (-1: none).
template <class = void>
constexpr std::vector<int> control_gradients(builder& b, int id, const std::vector<int>& dy, const std::vector<char>& wanted) {
  if (b.nodes[static_cast<std::size_t>(id)].op->id == id_of<op::branch>) return detail::branch_gradients(b, id, dy, wanted);
  return detail::loop_gradient<>(b, id).run(dy, wanted);
}

}  // namespace rill::graph

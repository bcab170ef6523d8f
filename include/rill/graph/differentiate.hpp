// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Reverse-mode differentiation: one backward sweep over the node table, which appends the gradient nodes. The gradient
/// of an op is what its definition says; an operand without a path to a target gets none. An input's gradient is emitted
/// before the weight's, so that the weight may be updated in place as soon as its own gradient is there.

#include <array>
#include <vector>

#include "../expr/program.hpp"
#include "control_gradient.hpp"
#include "trace.hpp"

namespace rill::graph {

/// Gradients with respect to each target of the values `of`, whose own gradients are the nodes `seeds`; -1 where there is
/// none. A target may be -1.
template <class>
constexpr std::vector<int> backward(builder& b, const std::vector<int>& of, const std::vector<int>& seeds, const std::vector<int>& targets) {
  std::vector<int> result(targets.size(), -1);
  const auto count = b.nodes.size();
  std::vector<char> needed(count, 0);
  for (int t : targets)
    if (t >= 0) needed[static_cast<std::size_t>(t)] = 1;
  for (std::size_t id = 0; id < count; ++id) {
    const node& n = b.nodes[id];
    for (int k = 0; k < n.arity; ++k)
      if (needed[static_cast<std::size_t>(n.in[k])]) needed[id] = 1;
  }
  std::vector<int> adjoint(count, -1);
  const auto add = [&](int to, int gradient) {
    if (gradient < 0 || !needed[static_cast<std::size_t>(to)]) return;
    int& a = adjoint[static_cast<std::size_t>(to)];
    a = a < 0 ? gradient : (symbol{&b, a} + symbol{&b, gradient}).id;
  };
  int last = -1;
  for (std::size_t k = 0; k < of.size(); ++k) {
    add(of[k], seeds[k]);
    if (of[k] > last) last = of[k];
  }
  builder& root = b.root();
  const int scope = root.scope;
  for (int id = last; id >= 0; --id) {
    const auto at = static_cast<std::size_t>(id);
    const node n = b.nodes[at];
    if (!needed[at] || n.arity == 0) continue;
    root.scope = n.scope;
    if (n.op->kind == op_kind::control) {
      std::vector<int> dy;
      bool any = false;
      for (std::size_t r = at + 1; r < count; ++r) {
        if (b.nodes[r].op->id != id_of<op::result> || b.nodes[r].in[0] != id) continue;
        const auto k = static_cast<std::size_t>(b.nodes[r].attr.i[0]);
        if (dy.size() <= k) dy.resize(k + 1, -1);
        dy[k] = adjoint[r];
        any = any || adjoint[r] >= 0;
      }
      if (!any) continue;
      const std::vector<int> leaves = leaves_of(b, n);
      std::vector<char> wanted;
      for (int leaf : leaves) wanted.push_back(needed[static_cast<std::size_t>(leaf)]);
      dy.resize(b.bodies[static_cast<std::size_t>(n.attr.i[0])].variables.size(), -1);
      const std::vector<int> g = control_gradients(b, id, dy, wanted);
      for (std::size_t k = 0; k < leaves.size(); ++k) add(leaves[k], g[k]);
      continue;
    }
    const int dy = adjoint[at];
    if (dy < 0 || n.op->id == id_of<op::result> || !(is_floating(n.type) || is_complex(n.type))) continue;
    if (n.op->kind == op_kind::assign) {  // its value is the value written
      add(n.in[0], dy);
      continue;
    }
    int g[max_operands] = {-1, -1, -1, -1};
    if (!n.op->vjp(b, id, dy, g)) {
      failure f;
      f.set("has no gradient", "wrap its result in stop_gradient", n.sig());
      b.fail(n.op, f);
      break;
    }
    for (int k = 0; k < n.arity; ++k) add(n.in[k], g[k]);
  }
  root.scope = scope;
  for (std::size_t k = 0; k < targets.size(); ++k)
    if (targets[k] >= 0) result[k] = adjoint[static_cast<std::size_t>(targets[k])];
  return result;
}

/// Gradients of the scalar (or the sum of the elements of) `loss` with respect to each target; -1 where there is none.
template <class = void>
constexpr std::vector<int> gradients(builder& b, symbol loss, const std::vector<int>& targets) {
  if (loss.id < 0) return std::vector<int>(targets.size(), -1);
  if (b.inner != nullptr) {
    failure f;
    f.set("a branch or loop cannot take the gradient of a value outside of it", "take it before, and use it there", {loss.type(), loss.shape()});
    b.fail(&info_of<op::branch>, f);
    return std::vector<int>(targets.size(), -1);
  }
  return backward(b, {loss.id}, {ones_like(loss).id}, targets);
}

}  // namespace rill::graph

namespace rill {

/// Gradients of a scalar (or of the sum of a tensor's elements) with respect to variables, inputs or any other value of the
/// model, in order; a value that `y` does not depend on gets zeros.
template <class... X>
constexpr std::array<symbol, sizeof...(X)> gradients(symbol y, X... xs) {
  std::array<symbol, sizeof...(X)> result{};
  if (y.id < 0) return result;
  const std::array<symbol, sizeof...(X)> targets{xs...};
  std::vector<int> ids;
  for (const symbol& t : targets) ids.push_back(t.id);
  const std::vector<int> g = graph::gradients(*y.g, y, ids);
  for (std::size_t k = 0; k < sizeof...(X); ++k) result[k] = g[k] >= 0 ? symbol{y.g, g[k]} : zeros_like(targets[k]);
  return result;
}

}  // namespace rill

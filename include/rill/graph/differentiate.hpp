// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Reverse-mode differentiation: one backward sweep over the node table, which appends the gradient nodes. The gradient
/// of an op is what its definition says; an operand without a path to a target gets none. An input's gradient is emitted
/// before the weight's, so that the weight may be updated in place as soon as its own gradient is there.

#include <array>
#include <vector>

#include "../expr/program.hpp"
#include "trace.hpp"

namespace rill::graph {

/// Gradients of the scalar (or the sum of the elements of) `loss` with respect to each target; -1 where there is none.
constexpr std::vector<int> gradients(builder& b, symbol loss, const std::vector<int>& targets) {
  std::vector<int> result(targets.size(), -1);
  if (loss.id < 0) return result;
  const auto count = b.nodes.size();
  std::vector<char> needed(count, 0);
  for (int t : targets) needed[static_cast<std::size_t>(t)] = 1;
  for (std::size_t id = 0; id < count; ++id) {
    const node& n = b.nodes[id];
    for (int k = 0; k < n.arity; ++k)
      if (needed[static_cast<std::size_t>(n.in[k])]) needed[id] = 1;
  }
  std::vector<int> adjoint(count, -1);
  adjoint[static_cast<std::size_t>(loss.id)] = ones_like(loss).id;
  const int scope = b.scope;
  for (int id = loss.id; id >= 0; --id) {
    const auto at = static_cast<std::size_t>(id);
    const node n = b.nodes[at];
    const int dy = adjoint[at];
    if (dy < 0 || !needed[at] || n.arity == 0 || !(is_floating(n.type) || is_complex(n.type))) continue;
    b.scope = n.scope;
    int g[max_operands] = {-1, -1, -1, -1};
    if (!n.op->vjp(b, id, dy, g)) {
      failure f;
      f.set("has no gradient", "wrap its result in stop_gradient", n.sig());
      b.fail(n.op, f);
      break;
    }
    for (int k = 0; k < n.arity; ++k) {
      const auto in = static_cast<std::size_t>(n.in[k]);
      if (g[k] < 0 || !needed[in]) continue;
      adjoint[in] = adjoint[in] < 0 ? g[k] : (symbol{&b, adjoint[in]} + symbol{&b, g[k]}).id;
    }
  }
  b.scope = scope;
  for (std::size_t k = 0; k < targets.size(); ++k) result[k] = adjoint[static_cast<std::size_t>(targets[k])];
  return result;
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

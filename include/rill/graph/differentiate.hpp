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

namespace detail {
template <class Op, int N>
consteval bool vjp_takes() {
  constexpr symbol s;
  if constexpr (requires { requires Op::arity > 0; }) {
    if constexpr (Op::arity != N) return false;
    else if constexpr (N == 1) return requires { Op::vjp(s, s, s); };
    else if constexpr (N == 2) return requires { Op::vjp(s, s, s, s); };
    else if constexpr (N == 3) return requires { Op::vjp(s, s, s, s, s); };
    else return false;
  } else {
    constexpr attributes a;
    if constexpr (N == 1) return requires { Op::vjp(a, s, s, s); };
    else if constexpr (N == 2) return requires { Op::vjp(a, s, s, s, s); };
    else if constexpr (N == 3) return requires { Op::vjp(a, s, s, s, s, s); };
    else return false;
  }
}
template <class Op>
consteval int vjp_arity() {
  if constexpr (vjp_takes<Op, 1>()) return 1;
  else if constexpr (vjp_takes<Op, 2>()) return 2;
  else if constexpr (vjp_takes<Op, 3>()) return 3;
  else return 0;
}
}  // namespace detail

namespace detail {
constexpr void write_gradients(int*, gradient_pack<>) {}
template <class G, class... R>
constexpr void write_gradients(int* out, const gradient_pack<G, R...>& p) {
  if constexpr (std::is_same_v<G, symbol>) *out = p.head.id;
  else *out = -1;
  write_gradients(out + 1, p.tail);
}
}  // namespace detail

template <class Op>
constexpr bool call_vjp([[maybe_unused]] builder& b, [[maybe_unused]] int id, [[maybe_unused]] int dy,
                        [[maybe_unused]] int* out) {
  constexpr int arity = detail::vjp_arity<Op>();
  if constexpr (arity == 0) {
    return false;
  } else {
    const node n = b.nodes[static_cast<std::size_t>(id)];
    const symbol d{&b, dy}, y{&b, id}, x0{&b, n.in[0]}, x1{&b, n.in[1]}, x2{&b, n.in[2]};
    if constexpr (requires { requires Op::arity > 0; }) {
      if constexpr (arity == 1) detail::write_gradients(out, Op::vjp(d, y, x0));
      else if constexpr (arity == 2) detail::write_gradients(out, Op::vjp(d, y, x0, x1));
      else detail::write_gradients(out, Op::vjp(d, y, x0, x1, x2));
    } else {
      if constexpr (arity == 1) detail::write_gradients(out, Op::vjp(n.attr, d, y, x0));
      else if constexpr (arity == 2) detail::write_gradients(out, Op::vjp(n.attr, d, y, x0, x1));
      else detail::write_gradients(out, Op::vjp(n.attr, d, y, x0, x1, x2));
    }
    return true;
  }
}

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
    if (dy < 0 || !needed[at] || n.arity == 0 || !is_floating(n.type)) continue;
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

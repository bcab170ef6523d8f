// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Ops that only rename or move elements: reshape, stop_gradient, broadcast_in_dim, transpose. Graphs fold the first three
/// into strides and compute nothing.

#include "op.hpp"
#include "signature.hpp"

namespace rill::ops {

/// The operand's bytes under the result's shape.
struct reshape_op {
  static constexpr auto name = "Reshape";
  static constexpr op_kind kind = op_kind::alias;
  static constexpr int cost = 0;
  static constexpr auto vjp(const attributes&, auto dy, auto, auto x) { return grads(reshape_to(dy, x.shape())); }
};

/// The operand's bytes; no gradient passes.
struct stop_gradient_op {
  static constexpr auto name = "StopGradient";
  static constexpr op_kind kind = op_kind::alias;
  static constexpr bool identity = true;
  static constexpr int cost = 0;
  static constexpr auto vjp(const attributes&, auto, auto, auto) { return grads(no_gradient{}); }
};

/// i[k] = the result's axis that operand axis k becomes; other axes repeat, and so do operand axes of extent 1.
struct broadcast_in_dim_op {
  static constexpr auto name = "BroadcastInDim";
  static constexpr op_kind kind = op_kind::broadcast;
  static constexpr int cost = 0;
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto x) {
    const tensor_shape from = x.shape(), to = y.shape();
    std::int64_t repeated = (std::int64_t{1} << to.rank()) - 1;
    for (int k = 0; k < from.rank(); ++k)
      if (from[k] == to[static_cast<int>(at.i[k])]) repeated &= ~(std::int64_t{1} << at.i[k]);
    return grads(reshape_to(sum_over(dy, repeated), from));
  }
};

/// i[k] = the operand's axis that becomes axis k.
struct transpose_op {
  static constexpr auto name = "Transpose";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto) {
    attributes inverse;
    for (int k = 0; k < dy.rank(); ++k) inverse.i[at.i[k]] = k;
    return grads(permute(dy, inverse));
  }
};

}  // namespace rill::ops

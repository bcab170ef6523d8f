// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Softmax over the last axis, and sparse softmax cross-entropy on logits, forward and backward in one pass over a row.

#include "op.hpp"
#include "signature.hpp"

namespace rill::ops {

/// (y, dy) -> dx of y = softmax(x): (dy - sum(dy y)) y along the last axis.
struct softmax_grad_op {
  static constexpr auto name = "SoftmaxGrad";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 10;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (in[1].type != in[0].type || !(in[1].shape == in[0].shape)) f.set("the gradient must be like the result", "", in[0], in[1]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto u, auto, auto y, auto dy) {
    const auto along = [](const auto& v) { return reduce_sum(v, {.axis = {-1}, .keepdims = true}); };
    return grads(u * (dy - along(dy * y)) - dy * along(u * y), decltype(y)::front_end::template emit<softmax_grad_op>({y, u}, {}));
  }
};

/// y = exp(x - max x) / sum exp(x - max x) along the last axis; dx = (dy - sum(dy y)) y.
struct softmax_op {
  static constexpr auto name = "Softmax";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 30;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (in[0].shape.rank() < 1 || !is_floating(in[0].type))
      f.set("needs logits of a floating dtype and rank 1 or more", "", in[0]);
    return in[0];
  }
  static constexpr auto vjp(const attributes&, auto dy, auto y, auto) {
    return grads(decltype(y)::front_end::template emit<softmax_grad_op>({y, dy}, {}));
  }
};

/// (logits [b, classes], labels [b] of int32 or int64) -> loss [b] = log(sum exp(logits)) - logits[label].
/// Its second result, read by softmax_cross_entropy_backprop_op, is softmax(logits) - one_hot(labels).
struct sparse_softmax_cross_entropy_op {
  static constexpr auto name = "SparseSoftmaxCrossEntropyWithLogits";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 30;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    const auto& x = in[0].shape;
    const auto& l = in[1].shape;
    if (x.rank() != 2 || !is_floating(in[0].type)) f.set("needs logits [batch, classes]", "", in[0], in[1]);
    else if (in[1].type != dtype::int32 && in[1].type != dtype::int64)
      f.set("labels must be int32 or int64 class indices", "cast them", in[0], in[1]);
    else if (l.rank() != 1 || l[0] != x[0])
      f.set("needs one label per row of the logits", "labels are [batch], logits [batch, classes]", in[0], in[1]);
    return {in[0].type, {x[0]}};
  }
  static constexpr auto vjp(const attributes&, auto dy, auto y, auto logits, auto labels) {
    auto backprop = sparse_softmax_cross_entropy_backprop(y, logits, labels);
    return grads(expand_dims(dy, -1) * backprop, no_gradient{});
  }
};

/// The second result of its operand (a sparse_softmax_cross_entropy_op node), computed by the same kernel.
struct softmax_cross_entropy_backprop_op {
  static constexpr auto name = "SoftmaxCrossEntropyBackprop";
  static constexpr op_kind kind = op_kind::alias;
  static constexpr int cost = 0, further = 1;
};

}  // namespace rill::ops

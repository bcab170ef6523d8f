// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Local response normalization over the channels of NHWC images: y[k] = x[k] / e[k] ** beta, where e[k] = bias + alpha
/// (sum of x[j]^2 over |j - k| <= depth_radius). float and double (half and bfloat16 are computed in float). The op and its
/// gradient are one pass over memory each (kernel/lrn.hpp); gradients of the gradient are written with sums over
/// neighbouring channels, and differentiable as often as one likes.
/// Source: Krizhevsky et al. 2012, section 3.3; TensorFlow's LRN and LRNGrad.
///
///   auto y = lrn(images, {.depth_radius = 4, .bias = 1, .alpha = 0.001 / 9, .beta = 0.75});

#include <bit>

#include "nn.hpp"

namespace rill {

/// Options of local_response_normalization.
struct local_response_options {
  std::int64_t depth_radius = 5;
  double bias = 1;
  double alpha = 1;
  double beta = 0.5;
};

namespace ops {

/// i[0] is the radius, i[1] the bits of the bias; f are alpha and beta.
struct lrn_attributes {
  static constexpr attributes make(const local_response_options& o) {
    attributes a;
    a.i[0] = o.depth_radius, a.i[1] = std::bit_cast<std::int64_t>(o.bias);
    a.f[0] = o.alpha, a.f[1] = o.beta;
    return a;
  }
  static constexpr local_response_options options(const attributes& a) { return {a.i[0], std::bit_cast<double>(a.i[1]), a.f[0], a.f[1]}; }
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (in[0].shape.rank() != 4 || !is_floating(in[0].type)) f.set("needs images [batch, height, width, channels] of a floating dtype", "", in[0]);
    else if (at.i[0] < 0) f.set("depth_radius must not be negative", "", in[0]);
    return in[0];
  }
};

/// Each element plus those that are at most i[0] before or after it on the last axis; its own transpose.
struct neighbour_sum_op {
  static constexpr auto name = "NeighbourSum";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 10;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) { return lrn_attributes::infer(at, in, f); }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto) { return grads(rill::detail::emit<neighbour_sum_op>({dy}, at)); }
};

/// (x, dy) -> the gradient of x. With e as above, p = e ** -beta and S the sum over neighbours it is
/// p dy - 2 alpha beta x S(x p / e dy): linear in dy, and the vjp is the derivative of its product with d.
struct lrn_grad_op {
  static constexpr auto name = "LRNGrad";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 20;
  static constexpr signature infer(const attributes&, const signature* in, failure&) { return in[0]; }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto d, auto, auto x, auto dy) {
    const local_response_options o = lrn_attributes::options(at);
    const auto near = [&](auto v) { return rill::detail::emit<neighbour_sum_op>({v}, at); };
    const auto e = near(rill::square(x)) * o.alpha + o.bias;
    const auto p = rill::pow(e, -o.beta), q = p / e;
    const auto of_d = near(x * d) * (2 * o.alpha * o.beta), of_dy = near(x * q * dy) * (2 * o.alpha * o.beta);
    // through e: p is differentiated, then q
    const auto by_e = dy * q * (x * of_d / e * (1 + o.beta) - d * o.beta);
    return grads(x * near(by_e) * (2 * o.alpha) - q * dy * of_d - d * of_dy, p * d - x * q * of_d);
  }
};

struct lrn_op {
  static constexpr auto name = "LRN";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 20;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) { return lrn_attributes::infer(at, in, f); }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x) { return grads(rill::detail::emit<lrn_grad_op>({x, dy}, at)); }
};

}  // namespace ops

/// x / (bias + alpha s) ** beta, where s is the sum of squares over the channels at most depth_radius away; images in NHWC
/// (tf.nn.local_response_normalization, tf.nn.lrn). In float the power is within 3 units in the last place of that of the
/// rounded base where beta is 0.5, 0.75 or 1, and one rounding of it elsewhere (by far slower).
template <value V>
constexpr V local_response_normalization(V input, local_response_options o = {}) {
  if (V::front_end::failed(input)) return input;
  return cast_like(detail::emit<ops::lrn_op>({detail::widened(input)}, ops::lrn_attributes::make(o)), input);
}
/// TensorFlow's other name of local_response_normalization.
template <value V>
constexpr V lrn(V input, local_response_options o = {}) {
  return local_response_normalization(input, o);
}

}  // namespace rill

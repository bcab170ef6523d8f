// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Normalization by the moments of rows and of features as ops with kernels of their own (kernel/normalization.hpp), which
/// batch_norm.hpp and the layers of nn/ are made of:
///
///   LayerNorm       x [rows, n], scale [n], offset [n] -> scale (x - mean) / sqrt(variance + f[0]) + offset, by rows
///   FusedBatchNorm  x [outer, features, inner], scale and offset [features] -> the same by features, and the moments
///
/// float32 and float64. Moments take a second look at what the cache holds and are merged, so a mean that is large beside the
/// deviation does no harm; variances are those of the population. Forward reads x once from memory by rows, twice by
/// features; so does backward with x and dy. The gradient of the rows keeps nothing: it computes the moments again. All
/// are differentiable as often as one likes. Sources: batch_norm.hpp.

#include "functions.hpp"

namespace rill {

namespace ops {

namespace norm {

/// x by rows (its axis 1 is normalized, scale lies along it) or by features (axes 0 and 2 are, scale lies along axis 1).
template <bool ByRows>
struct axes {
  template <class V>
  static constexpr V mean(const V& x) {
    if constexpr (ByRows) return rill::reduce_mean(x, {.axis = {1}, .keepdims = true});
    else return rill::reduce_mean(x, {.axis = {0, 2}, .keepdims = true});
  }
  /// What a vector that lies along the scale gets from all of x's elements.
  template <class V>
  static constexpr V gather(const V& x) {
    return sum_over(x, ByRows ? 1 : 5);
  }
  template <class V>
  static constexpr V spread(const V& v) {
    return ByRows ? v : reshape_to(v, {1, v.shape()[0], 1});
  }
  /// x without its mean and the reciprocal of its deviation.
  template <class V>
  struct unit {
    V centred, inverse;
    constexpr unit(const V& x, double epsilon)
        : centred(x - axes::mean(x)), inverse(rill::rsqrt(axes::mean(rill::square(centred)) + epsilon)) {}
    constexpr V value() const { return centred * inverse; }
  };
};

/// x, then `Vectors` along axis 1; a tensor like x among them is operand `Like`.
template <int Rank, int Vectors, int Like>
struct shapes {
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 20;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    const tensor_shape& s = in[0].shape;
    if (s.rank() != Rank || !(in[0].type == dtype::float32 || in[0].type == dtype::float64))
      f.set(Rank == 2 ? "needs float32 or float64 [rows, n]" : "needs float32 or float64 [outer, features, inner]", "", in[0]);
    for (int k = 1; !f && k <= Vectors; ++k) {
      if (k == Like ? in[k].shape == s : in[k].shape.rank() == 1 && in[k].shape[0] == s[1]) {
        if (in[k].type != in[0].type) f.set("dtypes differ", "cast one operand", in[0], in[k]);
      } else {
        f.set(k == Like ? "the gradient must be like the operand" : "needs a vector of one number per feature", "", in[0], in[k]);
      }
    }
    return in[0];
  }
};
/// A further result: a vector along axis 1.
template <int K>
struct vector_of {
  static constexpr op_kind kind = op_kind::alias;
  static constexpr int cost = 0, further = K;
  static constexpr signature infer(const attributes&, const signature* in) { return {in[0].type, {in[0].shape[1]}}; }
};

/// Gradient of dx(x, scale, dy), what normalization passes on: with P(v) the share of x in the gradient of unit(x) for v,
/// dx = P(scale dy), P is symmetric, and d<u, P(g)>/dx = -(c - a b) r^2 unit(x) - r (a P(g) + b P(u)) where
/// a = mean(u unit), b = mean(g unit), c = mean(u g) - mean(u) mean(g), r = the reciprocal of the deviation.
template <bool ByRows, class V>
constexpr auto second_order(double epsilon, const V& u, const V& pu, const V& dx, const V& x, const V& scale, const V& dy) {
  using A = axes<ByRows>;
  const typename A::template unit<V> n(x, epsilon);
  const V xh = n.value(), s = A::spread(scale), g = dy * s, r = n.inverse;
  const V a = A::mean(u * xh), b = A::mean(g * xh), c = A::mean(u * g) - A::mean(u) * A::mean(g);
  return grads(-(r * r * (c - a * b)) * xh - r * (a * dx + b * pu), A::gather(dy * pu), s * pu);
}

}  // namespace norm

// ---- by rows -----------------------------------------------------------------------------------------------------------

struct layer_norm_grad_op;
/// Gradient of the scale: the sum over rows of dy unit(x).
struct layer_norm_scale_grad : norm::vector_of<1> {
  static constexpr auto name = "LayerNormGradScale";
  static constexpr int operands[] = {0, 2};
  static constexpr auto vjp(const attributes& at, auto dv, auto, auto, auto x, auto dy) {
    return grads(no_gradient{}, rill::detail::emit<layer_norm_grad_op>({x, dv, dy}, at),
                 dv * typename norm::axes<true>::template unit<decltype(x)>(x, at.f[0]).value());
  }
};
/// Gradient of the offset: the sum of dy.
struct layer_norm_offset_grad : norm::vector_of<2> {
  static constexpr auto name = "LayerNormGradOffset";
  static constexpr int operands[] = {2};
  static constexpr auto vjp(const attributes&, auto dv, auto, auto, auto dy) {
    return grads(no_gradient{}, broadcast_to(dv, dy.shape()));
  }
};
/// (x, scale, dy) -> dx.
struct layer_norm_grad_op : norm::shapes<2, 2, 2> {
  static constexpr auto name = "LayerNormGrad";
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto u, auto dx, auto x, auto scale, auto dy) {
    const auto pu = rill::detail::emit<layer_norm_grad_op>({x, ones_like(scale), u}, at);
    return norm::second_order<true>(at.f[0], u, pu, dx, x, scale, dy);
  }
};
struct layer_norm_op : norm::shapes<2, 2, -1> {
  static constexpr auto name = "LayerNorm";
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x, auto scale, auto) {
    const auto g = rill::detail::emit_all<layer_norm_grad_op, layer_norm_scale_grad, layer_norm_offset_grad>({x, scale, dy}, at);
    return grads(g[0], g[1], g[2]);
  }
};

// ---- by features -------------------------------------------------------------------------------------------------------

/// The batch's means, [features].
struct batch_norm_mean : norm::vector_of<1> {
  static constexpr auto name = "FusedBatchNormMean";
  static constexpr int operands[] = {0};
  static constexpr auto vjp(const attributes&, auto dv, auto, auto, auto x) {
    return grads(no_gradient{}, broadcast_to(norm::axes<false>::spread(dv) / decltype(x)::front_end::count(x, x.shape()[0] * x.shape()[2]), x.shape()));
  }
};
/// The batch's variances.
struct batch_norm_variance : norm::vector_of<2> {
  static constexpr auto name = "FusedBatchNormVariance";
  static constexpr int operands[] = {0};
  static constexpr auto vjp(const attributes&, auto dv, auto, auto, auto x) {
    const auto n = decltype(x)::front_end::count(x, x.shape()[0] * x.shape()[2]);
    return grads(no_gradient{}, (x - norm::axes<false>::mean(x)) * norm::axes<false>::spread(2 * dv / n));
  }
};
/// Both, [2, features], as the gradient's kernel reads them; a copy without gradient.
struct batch_norm_moments {
  static constexpr auto name = "FusedBatchNormMoments";
  static constexpr op_kind kind = op_kind::alias;
  static constexpr int cost = 0, further = 3;
  static constexpr int operands[] = {0};
  static constexpr signature infer(const attributes&, const signature* in) { return {in[0].type, {2, in[0].shape[1]}}; }
  static constexpr auto vjp(const attributes&, auto, auto, auto, auto) { return grads(no_gradient{}, no_gradient{}); }
};

struct batch_norm_grad_op;
/// Gradient of the scale: for each feature the sum of dy unit(x).
struct batch_norm_scale_grad : norm::vector_of<1> {
  static constexpr auto name = "FusedBatchNormGradScale";
  static constexpr int operands[] = {0, 2, 3};
  static constexpr auto vjp(const attributes& at, auto dv, auto, auto, auto x, auto dy, auto moments) {
    return grads(no_gradient{}, rill::detail::emit<batch_norm_grad_op>({x, dv, dy, moments}, at),
                 norm::axes<false>::spread(dv) * typename norm::axes<false>::template unit<decltype(x)>(x, at.f[0]).value(), no_gradient{});
  }
};
/// Gradient of the offset: the sum of dy.
struct batch_norm_offset_grad : norm::vector_of<2> {
  static constexpr auto name = "FusedBatchNormGradOffset";
  static constexpr int operands[] = {2};
  static constexpr auto vjp(const attributes&, auto dv, auto, auto, auto dy) {
    return grads(no_gradient{}, broadcast_to(norm::axes<false>::spread(dv), dy.shape()));
  }
};
/// (x, scale, dy, the moments of x) -> dx.
struct batch_norm_grad_op : norm::shapes<3, 2, 2> {
  static constexpr auto name = "FusedBatchNormGrad";
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto u, auto dx, auto x, auto scale, auto dy, auto moments) {
    const auto pu = rill::detail::emit<batch_norm_grad_op>({x, ones_like(scale), u, moments}, at);
    const auto [gx, rest] = norm::second_order<false>(at.f[0], u, pu, dx, x, scale, dy);
    return grads(gx, rest.head, rest.tail.head, no_gradient{});
  }
};
struct batch_norm_op : norm::shapes<3, 2, -1> {
  static constexpr auto name = "FusedBatchNorm";
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x, auto scale, auto offset) {
    const auto y = rill::detail::emit_all<batch_norm_op, batch_norm_mean, batch_norm_variance, batch_norm_moments>({x, scale, offset}, at);
    const auto g = rill::detail::emit_all<batch_norm_grad_op, batch_norm_scale_grad, batch_norm_offset_grad>({x, scale, dy, y[3]}, at);
    return grads(g[0], g[1], g[2]);
  }
};

}  // namespace ops

namespace detail {

/// half and bfloat16 are computed in float32.
constexpr dtype computed_in(dtype d) { return size_of(d) == 2 ? dtype::float32 : d; }

/// Elements per index of an axis.
constexpr std::int64_t elements_without(const tensor_shape& s, int axis) {
  std::int64_t n = 1;
  for (int d = 0; d < s.rank(); ++d)
    if (d != axis) n *= s[d];
  return n;
}
/// What normalization by features gives.
template <class V>
struct normalized_features {
  V y, mean, variance;
};
/// Normalization by the moments of each feature, a number of `axis`, over all other axes; the variance is that of the
/// population. x may be narrower than scale and offset, in whose dtype, or float32, all is computed.
template <value V>
constexpr normalized_features<V> normalize_features(const V& x, const V& scale, const V& offset, double epsilon, int axis) {
  const tensor_shape s = x.shape();
  std::int64_t outer = 1, inner = 1;
  for (int d = 0; d < axis; ++d) outer *= s[d];
  for (int d = axis + 1; d < s.rank(); ++d) inner *= s[d];
  attributes at;
  at.f[0] = epsilon;
  const dtype wide = computed_in(scale.type());
  const auto r = emit_all<ops::batch_norm_op, ops::batch_norm_mean, ops::batch_norm_variance, ops::batch_norm_moments>(
      {reshape_to(cast_to(x, wide), {outer, s[axis], inner}), cast_to(scale, wide), cast_to(offset, wide)}, at);
  if (V::front_end::failed(r[0])) return {r[0], r[0], r[0]};
  return {cast_to(reshape_to(r[0], s), x.type()), cast_to(r[1], scale.type()), cast_to(r[2], scale.type())};
}
/// x with each feature's mean taken away, divided by its deviation, scaled and moved.
template <value V>
constexpr V normalized(const V& x, const V& mean, const V& variance, const V& scale, const V& offset, double epsilon) {
  const V factor = rsqrt(variance + epsilon) * scale;
  return (x - mean) * factor + offset;
}
/// The unbiased estimate for a population's variance.
template <value V>
constexpr V unbiased(const V& variance, std::int64_t count) {
  const V n = V::front_end::count(variance, count);
  return variance * (n / maximum(n - 1, 1));
}
/// Normalization over the axes from `begin` on; scale and offset broadcast to them.
template <value V>
constexpr V normalize_rows(const V& x, const V& scale, const V& offset, double epsilon, int begin) {
  const tensor_shape s = x.shape();
  tensor_shape own;
  std::int64_t rows = 1, n = 1;
  for (int d = 0; d < begin; ++d) rows *= s[d];
  for (int d = begin; d < s.rank(); ++d) n *= s[d], own.push_back(s[d]);
  const dtype wide = computed_in(scale.type());
  const auto flat = [&](const V& v) { return reshape_to(broadcast_to(cast_to(v, wide), own), {n}); };
  attributes at;
  at.f[0] = epsilon;
  const V y = emit<ops::layer_norm_op>({reshape_to(cast_to(x, wide), {rows, n}), flat(scale), flat(offset)}, at);
  return V::front_end::failed(y) ? y : cast_to(reshape_to(y, s), x.type());
}

}  // namespace detail

}  // namespace rill

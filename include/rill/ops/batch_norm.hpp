// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Normalizations: by given or batch moments (TensorFlow's batch_normalization and fused_batch_norm, XLA's
/// BatchNormTraining, BatchNormInference and BatchNormGrad), and by the moments of each example (layer and instance
/// normalization). local_response_normalization is in lrn.hpp.
///
/// Results have the operand's shape and dtype; variances are those of the population unless said otherwise. Batch and
/// layer normalization by moments of their own have kernels (normalize.hpp), the rest is written with other ops; all are
/// differentiable as often as one likes.
/// Sources: Ioffe and Szegedy 2015 (arXiv:1502.03167); Ba et al. 2016 (arXiv:1607.06450); Ulyanov et al. 2016
/// (arXiv:1607.08022); XLA's operation semantics.
///
///   auto [y, mean, variance] = fused_batch_norm(x, scale, offset, {.epsilon = 1e-3});
///   auto [dx, dscale, doffset] = xla::batch_norm_grad(x, scale, mean, variance, dy, 1e-3, 3);

#include "lrn.hpp"
#include "nn.hpp"
#include "normalize.hpp"

namespace rill {

/// Options of fused_batch_norm.
struct fused_batch_norm_options {
  double epsilon = 0.001;
  image_layout data_format = image_layout::nhwc;
};
/// Options of layer_normalization.
struct layer_normalization_options {
  std::int64_t begin_norm_axis = 1;  ///< moments are over this axis and all after it
  double epsilon = 1e-12;
};
/// Options of instance_normalization.
struct instance_normalization_options {
  double epsilon = 1e-6;
  image_layout data_format = image_layout::nhwc;
};
/// What fused_batch_norm gives; the variance is the unbiased estimate, for running averages.
template <class V>
struct fused_batch_norm_result {
  V y, batch_mean, batch_var;
};

namespace xla {
/// What batch_norm_training gives; batch_var is that of the population.
template <class V>
struct batch_norm_training_result {
  V output, batch_mean, batch_var;
};
/// What batch_norm_grad gives.
template <class V>
struct batch_norm_grad_result {
  V grad_operand, grad_scale, grad_offset;
};
}  // namespace xla

namespace ops {

/// An operand of a floating dtype, then vectors along its axis i[0], in the operand's dtype or in float32 beside a narrower
/// one; i[1]: how many vectors. What comes after them has the operand's dtype and shape.
struct featurewise : composition {
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const tensor_shape& s = in[0].shape;
    const int axis = at.i[0] < s.rank() ? static_cast<int>(at.i[0]) : -1;
    if (!is_floating(in[0].type)) f.set("needs an operand of a floating dtype", "cast it", in[0]);
    else if (axis < 0 || axis >= s.rank()) f.set("the feature index is not an axis of the operand", "", in[0]);
    for (int k = 1; !f && k <= at.i[1]; ++k) {
      if (in[k].type != in[0].type && !(size_of(in[0].type) == 2 && in[k].type == dtype::float32)) f.set("dtypes differ", "cast one operand", in[0], in[k]);
      else if (in[k].shape.rank() != 1 || in[k].shape[0] != s[axis]) f.set("needs a vector of one number per feature", "", in[0], in[k]);
    }
    if (!f && at.i[2] != 0) {
      const signature& g = in[at.i[1] + 1];
      if (g.type != in[0].type || !(g.shape == s)) f.set("the gradient must be like the operand", "", in[0], g);
    }
    return in[0];
  }
};
struct batch_norm_training_of : featurewise {
  static constexpr auto name = "BatchNormTraining";
};
struct batch_norm_inference_of : featurewise {
  static constexpr auto name = "BatchNormInference";
};
struct batch_norm_grad_of : featurewise {
  static constexpr auto name = "BatchNormGrad";
};
struct fused_batch_norm_of : featurewise {
  static constexpr auto name = "FusedBatchNorm";
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (in[0].shape.rank() != 4) f.set("needs images of rank 4", "", in[0]);
    return featurewise::infer(at, in, f);
  }
};
struct instance_norm_of : featurewise {
  static constexpr auto name = "InstanceNorm";
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (in[0].shape.rank() < 3) f.set("needs a batch, channels and at least one more axis", "", in[0]);
    return featurewise::infer(at, in, f);
  }
};
struct layer_norm_of : composition {
  static constexpr auto name = "LayerNorm";
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const tensor_shape& s = in[0].shape;
    if (!is_floating(in[0].type)) f.set("needs an operand of a floating dtype", "cast it", in[0]);
    else if (at.i[0] < 0 || at.i[0] >= s.rank()) f.set("begin_norm_axis out of range", "axes are -rank .. rank-1", in[0]);
    for (int k = 1; !f && k <= 2; ++k)
      if (in[k].shape.rank() > s.rank() - at.i[0]) f.set("scale and offset belong to the normalized axes", "", in[0], in[k]);
    return in[0];
  }
};
struct batch_normalization_of : composition {
  static constexpr auto name = "BatchNormalization";
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (!is_floating(in[0].type)) f.set("needs an operand of a floating dtype", "cast it", in[0]);
    return in[0];
  }
};

}  // namespace ops

namespace detail {

template <value V>
constexpr V along_feature(const V& v, int rank, int axis) {
  tensor_shape s;
  for (int d = 0; d < rank; ++d) s.push_back(d == axis ? v.shape()[0] : 1);
  return reshape_to(v, s);
}
constexpr std::int64_t all_but(int rank, int axis) { return ((std::int64_t{1} << rank) - 1) & ~(std::int64_t{1} << axis); }
constexpr attributes feature_attributes(std::int64_t axis, int rank, int vectors, bool gradient = false) {
  attributes at;
  at.i[0] = axis < 0 ? axis + rank : axis, at.i[1] = vectors, at.i[2] = gradient;
  return at;
}


}  // namespace detail

// ---- XLA -------------------------------------------------------------------------------------------------------------

namespace xla {

/// Normalizes each feature l over all other dimensions: output = scale (x - mean) / sqrt(var + epsilon) + offset, and the
/// mean and (population) variance themselves. scale and offset are vectors along dimension feature_index.
template <value V>
constexpr batch_norm_training_result<V> batch_norm_training(V operand, V scale, V offset, double epsilon, std::int64_t feature_index) {
  const attributes at = rill::detail::feature_attributes(feature_index, operand.rank(), 2);
  V bad{};
  if (!rill::detail::passes<ops::batch_norm_training_of>({operand, scale, offset}, at, bad)) return {bad, bad, bad};
  const auto r = rill::detail::normalize_features(operand, scale, offset, epsilon, static_cast<int>(at.i[0]));
  return {r.y, r.mean, r.variance};
}
/// The same by a mean and a variance that are given.
template <value V>
constexpr V batch_norm_inference(V operand, V scale, V offset, V mean, V variance, double epsilon, std::int64_t feature_index) {
  const int rank = operand.rank();
  const attributes at = rill::detail::feature_attributes(feature_index, rank, 4);
  V bad{};
  if (!rill::detail::passes<ops::batch_norm_inference_of>({operand, scale, offset, mean, variance}, at, bad)) return bad;
  const auto spread = [&](const V& v) { return rill::detail::along_feature(v, rank, static_cast<int>(at.i[0])); };
  return cast_like(spread(rsqrt(variance + epsilon) * scale) * (cast_like(operand, scale) - spread(mean)) + spread(offset), operand);
}
/// The gradients of batch_norm_training's output with respect to operand, scale and offset, from the batch's moments and
/// the gradient that arrives at the output.
template <value V>
constexpr batch_norm_grad_result<V> batch_norm_grad(V operand, V scale, V mean, V variance, V grad_output, double epsilon, std::int64_t feature_index) {
  const int rank = operand.rank();
  const attributes at = rill::detail::feature_attributes(feature_index, rank, 3, true);
  V bad{};
  if (!rill::detail::passes<ops::batch_norm_grad_of>({operand, scale, mean, variance, grad_output}, at, bad)) return {bad, bad, bad};
  const auto axis = static_cast<int>(at.i[0]);
  const std::int64_t mask = rill::detail::all_but(rank, axis);
  const auto spread = [&](const V& v) { return rill::detail::along_feature(v, rank, axis); };
  const V g = cast_like(grad_output, scale);
  const V n = V::front_end::count(g, rill::detail::elements_without(operand.shape(), axis));
  const V inverse = rsqrt(variance + epsilon);
  const V unit = (cast_like(operand, scale) - spread(mean)) * spread(inverse);  // of mean 0 and variance 1
  const V grad_offset = sum_over(g, mask), grad_scale = sum_over(g * unit, mask);
  const V grad_operand = spread(scale * inverse) * (g - spread(grad_offset / n) - unit * spread(grad_scale / n));
  return {cast_like(grad_operand, operand), grad_scale, grad_offset};
}

}  // namespace xla

// ---- TensorFlow ------------------------------------------------------------------------------------------------------

/// scale (x - mean) / sqrt(variance + variance_epsilon) + offset; all broadcast to x (tf.nn.batch_normalization).
template <value V>
constexpr V batch_normalization(V x, V mean, V variance, V offset, V scale, double variance_epsilon) {
  V bad{};
  if (!detail::passes<ops::batch_normalization_of>({x, mean, variance, offset, scale}, {}, bad)) return bad;
  return detail::normalized(x, mean, variance, scale, offset, variance_epsilon);
}
/// The same without offset and scale.
template <value V>
constexpr V batch_normalization(V x, V mean, V variance, double variance_epsilon) {
  V bad{};
  if (!detail::passes<ops::batch_normalization_of>({x, mean, variance}, {}, bad)) return bad;
  return (x - mean) * rsqrt(variance + variance_epsilon);
}
/// Batch normalization of images by the batch's own moments, for training (tf.nn.fused_batch_norm); scale and offset have
/// one number per channel, in float32 where x is half or bfloat16.
template <value V>
constexpr fused_batch_norm_result<V> fused_batch_norm(V x, V scale, V offset, fused_batch_norm_options o = {}) {
  const attributes at = detail::feature_attributes(o.data_format == image_layout::nhwc ? 3 : 1, 4, 2);
  V bad{};
  if (!detail::passes<ops::fused_batch_norm_of>({x, scale, offset}, at, bad)) return {bad, bad, bad};
  const auto axis = static_cast<int>(at.i[0]);
  const auto r = detail::normalize_features(x, scale, offset, o.epsilon, axis);
  return {r.y, r.mean, detail::unbiased(r.variance, detail::elements_without(x.shape(), axis))};
}
/// The same by given moments, for inference (is_training = False); they are also what it returns.
template <value V>
constexpr fused_batch_norm_result<V> fused_batch_norm(V x, V scale, V offset, V mean, V variance, fused_batch_norm_options o = {}) {
  const attributes at = detail::feature_attributes(o.data_format == image_layout::nhwc ? 3 : 1, 4, 4);
  V bad{};
  if (!detail::passes<ops::fused_batch_norm_of>({x, scale, offset, mean, variance}, at, bad)) return {bad, bad, bad};
  return {xla::batch_norm_inference(x, scale, offset, mean, variance, o.epsilon, at.i[0]), mean, variance};
}
/// Normalizes each example over all axes from begin_norm_axis on, then scales and moves by what broadcasts to them.
template <value V>
constexpr V layer_normalization(V x, V scale, V offset, layer_normalization_options o = {}) {
  attributes at;
  at.i[0] = o.begin_norm_axis < 0 ? o.begin_norm_axis + x.rank() : o.begin_norm_axis;
  V bad{};
  if (!detail::passes<ops::layer_norm_of>({x, scale, offset}, at, bad)) return bad;
  return detail::normalize_rows(x, scale, offset, o.epsilon, static_cast<int>(at.i[0]));
}
/// Normalizes each channel of each example; scale and offset have one number per channel.
template <value V>
constexpr V instance_normalization(V x, V scale, V offset, instance_normalization_options o = {}) {
  const int rank = x.rank();
  const attributes at = detail::feature_attributes(o.data_format == image_layout::nhwc ? -1 : 1, rank, 2);
  V bad{};
  if (!detail::passes<ops::instance_norm_of>({x, scale, offset}, at, bad)) return bad;
  const auto axis = static_cast<int>(at.i[0]);
  axis_list axes;
  for (int d = 1; d < rank; ++d)
    if (d != axis) axes.axes[axes.count++] = d;
  const V wide = cast_like(x, scale);
  const V centred = wide - reduce_mean(wide, {axes, true});
  const V variance = reduce_mean(square(centred), {axes, true});
  return cast_like(centred * rsqrt(variance + o.epsilon) * detail::along_feature(scale, rank, axis) + detail::along_feature(offset, rank, axis), x);
}

}  // namespace rill

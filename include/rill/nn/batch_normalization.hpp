// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Batch normalization layer (Ioffe and Szegedy 2015, tf.layers.batch_normalization): gamma (x - mean) / sqrt(variance +
/// epsilon) + beta, feature by feature along `axis`. In training by the batch's own moments, which move the averages that
/// are used otherwise: moving = momentum moving + (1 - momentum) batch. Variables gamma, beta [features], and moving_mean,
/// moving_variance, which no optimizer touches.
///
/// The averages move in every training step, as an assignment of the model's own: there is no collection of updates to run
/// (TensorFlow's UPDATE_OPS). As in TensorFlow, images of rank 4 move moving_variance by the unbiased estimate, anything else
/// by the population's. Features are computed in float32 where x is half or bfloat16.
///
///   nn::sequential(nn::conv2d{.filters = 32, .use_bias = false}, nn::batch_normalization{}, nn::relu)

#include "../kernel/normalization.hpp"
#include "layer.hpp"

namespace rill::nn {

struct batch_normalization {
  std::int64_t axis = -1;
  double momentum = 0.99;
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  graph::initializer beta_initializer = initializers::zeros();
  graph::initializer gamma_initializer = initializers::ones();
  graph::initializer moving_mean_initializer = initializers::zeros();
  graph::initializer moving_variance_initializer = initializers::ones();
  std::string_view name = "batch_normalization";

  template <value V>
  constexpr V operator()(V x) const {
    if (V::front_end::failed(x)) return x;
    variable_scope scope(x, name);
    const int rank = x.rank(), a = axis < -rank || axis >= rank ? -1 : static_cast<int>(axis < 0 ? axis + rank : axis);
    if (a < 0 || a >= rank) return rill::detail::fail<ops::batch_norm_op>(x, "axis out of range", "axes are -rank .. rank-1");
    if (!is_floating(x.type())) return rill::detail::fail<ops::batch_norm_op>(x, "needs an operand of a floating dtype", "cast it");
    if (rank == 4 && a == 1)  // channels first: in a model, its transposes cancel those of convolutions
      return scope.layer("batch_normalization", rill::detail::with_channels_last(x, channels_first, [&](V image) { return normalized(image, 3); }));
    return scope.layer("batch_normalization", normalized(x, a));
  }

 private:
  template <value V>
  constexpr V normalized(V x, int a) const {
    const int rank = x.rank();
    const std::int64_t features = x.shape()[a];
    const dtype type = rill::detail::computed_in(x.type());
    const auto make = [&](std::string_view of, const graph::initializer& first, bool trainable) {
      return variable(x, {.name = of, .shape = {features}, .initializer = first, .trainable = trainable, .type = type});
    };
    const auto all = [&](double number) { return broadcast_to(V::front_end::constant(x, type, number), {features}); };
    const V gamma = scale ? make("gamma", gamma_initializer, true) : all(1);
    const V beta = center ? make("beta", beta_initializer, true) : all(0);
    const V mean = make("moving_mean", moving_mean_initializer, false), variance = make("moving_variance", moving_variance_initializer, false);
    if (!training(x)) {
      tensor_shape along;
      for (int d = 0; d < rank; ++d) along.push_back(d == a ? features : 1);
      const auto spread = [&](const V& v) { return a == rank - 1 ? v : reshape_to(v, along); };
      const V y = rill::detail::normalized(cast_to(x, type), spread(mean), spread(variance), spread(gamma), spread(beta), epsilon);
      return cast_to(y, x.type());
    }
    const auto batch = rill::detail::normalize_features(x, gamma, beta, epsilon, a);
    if (V::front_end::failed(batch.y)) return batch.y;
    const std::int64_t count = rill::detail::elements_without(x.shape(), a);
    const V seen = rank == 4 ? rill::detail::unbiased(batch.variance, count) : batch.variance;
    assign(mean, mean - (mean - batch.mean) * (1 - momentum));
    assign(variance, variance - (variance - seen) * (1 - momentum));
    return batch.y;
  }
};

}  // namespace rill::nn

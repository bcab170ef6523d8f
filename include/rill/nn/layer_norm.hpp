// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Layer normalization layer (Ba et al. 2016, tf.contrib.layers.layer_norm): gamma (x - mean) / sqrt(variance + 1e-12) + beta
/// with the moments of each example over the axes from begin_norm_axis on. Variables beta and gamma of the shape of the axes
/// from begin_params_axis on.
///
///   nn::sequential(nn::dense{.units = 64}, nn::layer_norm{}, nn::relu)

#include "../kernel/normalization.hpp"
#include "layer.hpp"

namespace rill::nn {

struct layer_norm {
  bool center = true;
  bool scale = true;
  std::int64_t begin_norm_axis = 1;
  std::int64_t begin_params_axis = -1;
  double epsilon = 1e-12;
  std::string_view name = "LayerNorm";

  template <value V>
  constexpr V operator()(V x) const {
    if (V::front_end::failed(x)) return x;
    variable_scope scope(x, name);
    const int rank = x.rank();
    const auto place = [&](std::int64_t axis) { return axis < -rank || axis >= rank ? -1 : static_cast<int>(axis < 0 ? axis + rank : axis); };
    const int begin = place(begin_norm_axis), first = place(begin_params_axis);
    if (begin < 0 || begin >= rank || first < begin || first >= rank)
      return rill::detail::fail<ops::layer_norm_op>(x, "begin_norm_axis or begin_params_axis out of range", "parameters belong to the normalized axes");
    if (!is_floating(x.type())) return rill::detail::fail<ops::layer_norm_op>(x, "needs an operand of a floating dtype", "cast it");
    const tensor_shape own(x.shape().begin() + first, rank - first);
    const dtype type = rill::detail::computed_in(x.type());
    const auto make = [&](bool wanted, std::string_view of, double number) {
      if (!wanted) return broadcast_to(V::front_end::constant(x, type, number), own);
      return variable(x, {.name = of, .shape = own, .initializer = initializers::constant(number), .type = type});
    };
    const V beta = make(center, "beta", 0), gamma = make(scale, "gamma", 1);
    const V y = rill::detail::normalize_rows(x, gamma, beta, epsilon, begin);
    return V::front_end::failed(y) ? y : scope.layer("layer_norm", y);
  }
};

}  // namespace rill::nn

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// 2-D convolution layer: activation(conv(x, kernel) + bias), [b, h, w, c] -> [b, oh, ow, filters]; with channels_first
/// [b, c, h, w] -> [b, filters, oh, ow]. Variables kernel [kh, kw, c, filters], in either layout, and bias [filters]. Bias and
/// activation run in the convolution's epilogue.

#include "layer.hpp"

namespace rill::nn {

struct conv2d {
  std::int64_t filters = 1;
  size2d kernel_size = {};
  size2d strides = {};
  rill::padding padding = rill::padding::valid;
  nn::activation activation = {};
  bool use_bias = true;
  image_layout data_format = channels_last;
  bool direct = false;  ///< no minimal filtering: conv2d_options::direct
  graph::initializer kernel_initializer = initializers::glorot_uniform();
  graph::initializer bias_initializer = initializers::zeros();
  std::string_view name = "conv2d";

  template <value V>
  constexpr V operator()(V x) const {
    if (V::front_end::failed(x)) return x;
    variable_scope scope(x, name);
    if (x.rank() != 4)
      return rill::detail::fail<ops::conv2d_op>(x, "a conv2d layer needs [batch, height, width, channels]", "put nn::reshape before it");
    return scope.layer("conv2d", rill::detail::with_channels_last(x, data_format, [&](V image) {
      V kernel = variable(x, {.name = "kernel",
                              .shape = {kernel_size.h, kernel_size.w, image.shape()[3], filters},
                              .initializer = kernel_initializer,
                              .type = x.type()});
      V y = rill::conv2d(image, kernel, {.strides = {strides.h, strides.w}, .padding = padding, .direct = direct});
      if (use_bias) y = y + variable(x, {.name = "bias", .shape = {filters}, .initializer = bias_initializer, .type = x.type()});
      return activation(y);
    }));
  }
};

}  // namespace rill::nn

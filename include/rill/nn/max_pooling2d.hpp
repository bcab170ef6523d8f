// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Max pooling layer: [b, h, w, c] -> [b, oh, ow, c], or with channels_first [b, c, h, w] -> [b, c, oh, ow]: the largest
/// element of each window.

#include "layer.hpp"

namespace rill::nn {

struct max_pooling2d {
  size2d pool_size = {2, 2};
  size2d strides = {2, 2};
  rill::padding padding = rill::padding::valid;
  image_layout data_format = channels_last;
  std::string_view name = "max_pooling2d";

  template <value V>
  constexpr V operator()(V x) const {
    if (V::front_end::failed(x)) return x;
    variable_scope scope(x, name);
    return scope.layer("max_pooling2d", rill::detail::with_channels_last(x, data_format, [&](V image) {
      return max_pool(image, {.window = {pool_size.h, pool_size.w}, .strides = {strides.h, strides.w}, .padding = padding});
    }));
  }
};

}  // namespace rill::nn

// SPDX-License-Identifier: Apache-2.0
// The attributes of convolutions and pools: kernel, strides, dilations and paddings per spatial axis.
#pragma once

#include "driver.hpp"
#include "rill/ops/window_padding.hpp"

namespace onnx {

struct windows {
  int n = 0;  ///< spatial axes
  tensor_shape kernel, strides, dilations;
  rill::pad_list pads;      ///< of each spatial axis
  rill::pad_list ceiling;   ///< behind the pads, so that a last window that sticks out (ceil_mode) counts

  /// The attributes of a node whose input has this shape; the kernel of a convolution is its weights'.
  static windows of(const call& c, const tensor_shape& x, const tensor_shape& weights = {});
  /// The same entry for batch and channels in front of the spatial ones.
  static tensor_shape with_two(const tensor_shape& s) {
    tensor_shape r{1, 1};
    for (const std::int64_t d : s) r.push_back(d);
    return r;
  }
  static rill::pad_list with_two(const rill::pad_list& p) {
    rill::pad_list r{{}, {}};
    for (int k = 0; k < p.count; ++k) r.push_back(p.axes[k]);
    return r;
  }
  /// Pads and ceiling together.
  [[nodiscard]] rill::pad_list all() const {
    rill::pad_list r = pads;
    for (int k = 0; k < n; ++k) r.axes[k].after += ceiling.axes[k].after;
    return r;
  }
};

/// The flat index of the maximum of each window of a MaxPool node.
dynamic_tensor indices_of_maxima(const call& c);

}  // namespace onnx

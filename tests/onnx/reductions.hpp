// SPDX-License-Identifier: Apache-2.0
// The attributes of reductions.
#pragma once

#include "driver.hpp"

namespace onnx {

/// F(x, options), over the axes of the attribute or of the second input; all axes when none is named.
template <class F>
results reduced(const call& c, F f, const dynamic_tensor& x) {
  const std::vector<std::int64_t> axes = c.list(1, "axes");
  if (axes.empty() && c.i("noop_with_empty_axes", 0) != 0) return {x};
  return {f(x, rill::reduce_options{axes_from(axes), c.i("keepdims", 1) != 0})};
}

}  // namespace onnx

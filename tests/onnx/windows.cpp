// SPDX-License-Identifier: Apache-2.0
#include "windows.hpp"

#include <algorithm>

namespace onnx {

windows windows::of(const call& c, const tensor_shape& x, const tensor_shape& weights) {
  windows w;
  w.n = x.rank() - 2;
  if (w.n < 1) throw rill::invalid_argument(c.n->op + ": needs a batch of channels of at least one axis");
  w.kernel = c.has("kernel_shape") ? shape_from(c.ints("kernel_shape")) : weights;
  if (w.kernel.rank() != w.n) throw rill::invalid_argument(c.n->op + ": kernel_shape must have " + std::to_string(w.n) + " numbers");
  const auto list = [&](const char* name, std::size_t count, std::int64_t otherwise) {
    std::vector<std::int64_t> v = c.ints(name);
    if (v.empty()) v.assign(count, otherwise);
    if (v.size() != count) throw rill::invalid_argument(c.n->op + ": " + name + " must have " + std::to_string(count) + " numbers");
    return v;
  };
  const auto axes = static_cast<std::size_t>(w.n);
  const std::vector<std::int64_t> strides = list("strides", axes, 1), dilations = list("dilations", axes, 1), pads = list("pads", 2 * axes, 0);
  w.strides = shape_from(strides), w.dilations = shape_from(dilations);
  const std::string rule = c.s("auto_pad", "NOTSET");
  for (int d = 0; d < w.n; ++d) {
    const auto k = static_cast<std::size_t>(d);
    const std::int64_t in = x[2 + d], size = (w.kernel[d] - 1) * dilations[k] + 1, stride = strides[k];
    rill::pad_width p{pads[k], pads[k + axes], 0}, more{};
    if (rule == "SAME_UPPER" || rule == "SAME_LOWER") {
      const std::int64_t total = std::max(((in + stride - 1) / stride - 1) * stride + size - in, std::int64_t{0});
      p.before = rule == "SAME_UPPER" ? total / 2 : total - total / 2, p.after = total - p.before;
    } else if (rule == "VALID") {
      p = {};
    }
    if (c.i("ceil_mode", 0) != 0) {
      const std::int64_t room = in + p.before + p.after - size, out = (room + stride - 1) / stride + 1;
      more.after = (out - 1) * stride - room;
    }
    w.pads.push_back(p), w.ceiling.push_back(more);
  }
  return w;
}

}  // namespace onnx

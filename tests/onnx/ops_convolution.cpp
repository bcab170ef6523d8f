// SPDX-License-Identifier: Apache-2.0
// Convolutions, transposed and quantized ones too.
#include "rill/eager/conv.hpp"
#include "windows.hpp"

namespace onnx {
namespace {
using namespace rill;

dynamic_tensor convolve(const call& c, const dynamic_tensor& x, const dynamic_tensor& w) {
  tensor_shape kernel, order;
  for (int d = 2; d < w.rank(); ++d) kernel.push_back(w.shape()[d]);
  for (int d = 0; d < x.rank(); ++d) order.push_back(d);
  const windows v = windows::of(c, x.shape(), kernel);
  return xla::conv(x, w, {.window_strides = v.strides, .padding = v.pads, .rhs_dilation = v.dilations, .dimension_numbers = {order, order, order},
                          .feature_group_count = c.i("group", 1)});
}
dynamic_tensor per_channel(const dynamic_tensor& b, int rank) {
  tensor_shape s{1, b.shape()[0]};
  while (s.rank() < rank) s.push_back(1);
  return reshape(b, s);
}
results convolution(const call& c) {
  const dynamic_tensor y = convolve(c, c.x(0), c.x(1));
  return {c.given(2) ? dynamic_tensor(num(y) + per_channel(c.x(2), y.rank())) : y};
}

/// Small integers less their zero point, as float32, which holds all sums of their products up to 2^24.
dynamic_tensor centred(const call& c, std::size_t x, std::size_t zero) {
  const dynamic_tensor wide = cast_to(c.x(x), dtype::float32);
  if (!c.given(zero)) return wide;
  dynamic_tensor z = cast_to(c.x(zero), dtype::float32);
  if (z.rank() == 1)  // one per output channel
    for (int d = 1; d < wide.rank(); ++d) z = expand_dims(z, -1);
  return num(wide) - z;
}
results convolution_of_integers(const call& c) { return {cast_to(convolve(c, centred(c, 0, 2), centred(c, 1, 3)), dtype::int32)}; }
results quantized_convolution(const call& c) {
  num y = convolve(c, centred(c, 0, 2), centred(c, 3, 5));
  if (c.given(8)) y = y + per_channel(cast_to(c.x(8), dtype::float32), y.t.rank());
  const num scale = num(c.x(1)) * c.x(4);
  y = y * (scale.t.rank() == 1 && scale.t.size() > 1 ? num(per_channel(scale, y.t.rank())) : num(reshape(scale.t, {})));
  return op("QuantizeLinear", {y, c.in[6], c.in[7]}, {});
}

// TensorFlow's transposed convolution: filters [spatial.., out, in], the shape of the result named.
results transposed_convolution(const call& c) {
  if (c.i("group", 1) != 1) throw unimplemented("ConvTranspose: groups");
  const dynamic_tensor &x = c.x(0), &w = c.x(1);
  tensor_shape kernel, out{x.shape()[0], w.shape()[1]};
  axis_list order;
  for (int d = 2; d < w.rank(); ++d) kernel.push_back(w.shape()[d]), order.axes[order.count++] = d;
  order.axes[order.count++] = 1, order.axes[order.count++] = 0;
  windows v = windows::of(c, x.shape(), kernel);
  const std::vector<std::int64_t> given = c.ints("output_shape"), extra = c.ints("output_padding");
  const std::string rule = c.s("auto_pad", "NOTSET");
  for (int d = 0; d < v.n; ++d) {
    const auto k = static_cast<std::size_t>(d);
    pad_width& p = v.pads.axes[d];
    const std::int64_t more = extra.empty() ? 0 : extra.at(k), in = x.shape()[2 + d];
    const std::int64_t whole = (in - 1) * v.strides[d] + (kernel[d] - 1) * v.dilations[d] + 1 + more;
    if (!given.empty() || rule == "SAME_UPPER" || rule == "SAME_LOWER") {
      const std::int64_t wanted = given.empty() ? in * v.strides[d] : given.at(k), total = std::max(whole - wanted, std::int64_t{0});
      p.before = rule == "SAME_UPPER" ? total / 2 : total - total / 2, p.after = total - p.before;
      out.push_back(wanted);
    } else {
      out.push_back(whole - p.before - p.after);
    }

  }
  const dynamic_tensor y = conv_transpose(x, transpose(w, order), out, {.strides = v.strides, .padding = v.pads, .dilations = v.dilations, .data_format = image_layout::nchw});
  return {c.given(2) ? dynamic_tensor(num(y) + per_channel(c.x(2), y.rank())) : y};
}

}  // namespace

void add_convolution(op_table& t) {
  t["Conv"] = convolution;
  t["ConvInteger"] = convolution_of_integers;
  t["QLinearConv"] = quantized_convolution;
  t["ConvTranspose"] = transposed_convolution;
}

}  // namespace onnx

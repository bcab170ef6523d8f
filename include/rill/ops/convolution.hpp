// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// 2-D convolution (cross-correlation, as TensorFlow's): conv2d(x [n,h,w,ci], filter [kh,kw,ci,co]) -> [n,oh,ow,co],
/// NHWC and HWIO, strides, `same` or `valid` zero padding, and its two gradients as ops of their own.
/// Cost: 2 n oh ow co kh kw ci flops for each of the three.

#include "op.hpp"
#include "signature.hpp"

namespace rill {

/// Options of conv2d: strides over height and width, padding. `direct` keeps the convolution and its gradients from minimal
/// filtering (Winograd), which makes 3 x 3 and 5 x 5 filters two to three times faster and rounding errors three to five
/// times larger (kernel/convolution.hpp). It also spreads an infinity or NaN: where direct summation gives it to the results
/// whose window holds it, the whole tile of results round it becomes NaN (2 x 2 or 4 x 4 pixels), and all taps of a filter's
/// gradient.
struct conv2d_options {
  std::int64_t strides[2] = {1, 1};
  rill::padding padding = rill::padding::valid;
  bool direct = false;
};

namespace ops {

/// Attributes of the three convolution ops: i[0..1] strides, i[2] same-padding, for the gradients i[3..6] the shape of the
/// result, i[7] whether direct summation is asked for.
struct conv2d_attributes {
  static constexpr attributes make(const conv2d_options& o) {
    attributes a;
    a.i[0] = o.strides[0], a.i[1] = o.strides[1], a.i[2] = o.padding == padding::same, a.i[7] = o.direct;
    return a;
  }
  static constexpr attributes with_shape(attributes a, const tensor_shape& s) {
    for (int k = 0; k < 4; ++k) a.i[3 + k] = s[k];
    return a;
  }
  static constexpr tensor_shape shape(const attributes& a) { return {a.i[3], a.i[4], a.i[5], a.i[6]}; }
  static constexpr bool direct(const attributes& a) { return a.i[7] != 0; }
  static constexpr padding pad(const attributes& a) { return a.i[2] != 0 ? padding::same : padding::valid; }
  static constexpr window_extent height(const attributes& a, const tensor_shape& x, const tensor_shape& w) {
    return window_of(x[1], w[0], a.i[0], pad(a));
  }
  static constexpr window_extent width(const attributes& a, const tensor_shape& x, const tensor_shape& w) {
    return window_of(x[2], w[1], a.i[1], pad(a));
  }
};

struct conv2d_op {
  static constexpr auto name = "Conv2D";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1000;

  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const auto& x = in[0].shape;
    const auto& w = in[1].shape;
    if (x.rank() != 4 || w.rank() != 4) {
      f.set("needs an image batch [n, h, w, channels] and a filter [h, w, in, out]", "reshape to rank 4", in[0], in[1]);
      return {};
    }
    if (in[0].type != in[1].type || !is_floating(in[0].type)) {
      f.set("image and filter must have one floating dtype", "cast one of them", in[0], in[1]);
      return {};
    }
    if (x[3] != w[2]) {
      f.set("the image's channels differ from the filter's input channels", "the filter is [h, w, in, out]", in[0],
            in[1]);
      return {};
    }
    if (at.i[0] < 1 || at.i[1] < 1 || at.i[0] > most_step || at.i[1] > most_step) {
      f.set("strides must be at least 1", "and at most 2^20", in[0], in[1]);
      return {};
    }
    if (x[1] < 0 || x[2] < 0 || x[3] < 0 || !w.is_static()) {
      f.set("only the batch dimension may be dynamic", "", in[0], in[1]);
      return {};
    }
    const auto oh = conv2d_attributes::height(at, x, w).out, ow = conv2d_attributes::width(at, x, w).out;
    if (oh < 1 || ow < 1) {
      f.set("the filter is larger than the image", "use same padding or a smaller filter", in[0], in[1]);
      return {};
    }
    return {in[0].type, {x[0], oh, ow, w[3]}};
  }
  static constexpr std::int64_t flops(const attributes& at, const signature* in) {
    const auto& x = in[0].shape;
    const auto& w = in[1].shape;
    return 2 * x[0] * conv2d_attributes::height(at, x, w).out * conv2d_attributes::width(at, x, w).out *
           w.num_elements();
  }
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x, auto w) {
    auto dx = conv2d_backprop_input(x.shape(), w, dy, at);
    auto dw = conv2d_backprop_filter(x, w.shape(), dy, at);
    return grads(dx, dw);
  }
};

/// (filter, dy) -> gradient of the image; its own gradients are convolutions again.
struct conv2d_backprop_input_op {
  static constexpr auto name = "Conv2DBackpropInput";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1000;
  static constexpr signature infer(const attributes& at, const signature* in, failure&) {
    return {in[0].type, conv2d_attributes::shape(at)};
  }
  static constexpr std::int64_t flops(const attributes&, const signature* in) {
    const auto& w = in[0].shape;
    return 2 * in[1].shape.num_elements() * w[0] * w[1] * w[2];
  }
  static constexpr auto vjp(const attributes& at, auto g, auto, auto w, auto dy) {
    auto d_w = conv2d_backprop_filter(g, w.shape(), dy, at);
    auto d_dy = conv2d_with(g, w, at);
    return grads(d_w, d_dy);
  }
};

/// (image, dy) -> gradient of the filter.
struct conv2d_backprop_filter_op {
  static constexpr auto name = "Conv2DBackpropFilter";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1000;
  static constexpr signature infer(const attributes& at, const signature* in, failure&) {
    return {in[0].type, conv2d_attributes::shape(at)};
  }
  static constexpr std::int64_t flops(const attributes& at, const signature* in) {
    return 2 * in[1].shape.num_elements() * at.i[3] * at.i[4] * at.i[5];
  }
  static constexpr auto vjp(const attributes& at, auto g, auto, auto x, auto dy) {
    auto d_x = conv2d_backprop_input(x.shape(), g, dy, at);
    auto d_dy = conv2d_with(x, g, at);
    return grads(d_x, d_dy);
  }
};

}  // namespace ops
}  // namespace rill

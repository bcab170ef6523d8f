// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Grayscale morphology of NHWC images: dilation with a structuring function and, its dual, erosion.
///
///   dilation2d: out[b, y, x, c] = max over ky, kx of image[b, y * stride + ky * rate - before, .., c] + filter[ky, kx, c]
///   erosion2d:  the same with min and - filter[fh - 1 - ky, fw - 1 - kx, c]
///
/// Elements of the padding do not take part. image [b, h, w, c], filter [fh, fw, c] of one real dtype -> [b, h', w', c].
/// The gradient goes to the first pair in row-major order that gives the extremum; gradients of any order are again sums
/// and reads at these pairs. Cost: elements(out) * fh * fw. Source: TensorFlow 1.8's tf.nn.dilation2d, erosion2d.
///
///   y = dilation2d(image, filter, {.rates = {2, 2}, .padding = same});

#include "window_padding.hpp"

namespace rill {

/// Options of dilation2d and erosion2d, over height and width.
struct morphology_options {
  std::int64_t strides[2] = {1, 1};
  std::int64_t rates[2] = {1, 1};
  rill::padding padding = rill::padding::valid;
};

namespace ops {

/// i[0..1] strides, i[2..3] rates, i[4..5] elements before.
struct dilation2d_op {
  static constexpr auto name = "Dilation2D";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x, auto w) {
    return grads(dilation_scatter<true>(x, w, dy, at), dilation_scatter<false>(x, w, dy, at));
  }
};
/// (image, filter, dy): zeros of the image's shape (or the filter's), with each dy added at its pair.
template <bool ToImage>
struct dilation_scatter_op {
  static constexpr auto name = ToImage ? "Dilation2DBackpropInput" : "Dilation2DBackpropFilter";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 200;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto d, auto, auto x, auto w, auto dy) {
    return grads(no_gradient{}, no_gradient{}, dilation_gather<ToImage>(x, w, d, dy.shape(), at));
  }
};
/// (image, filter, values of the image's shape, or the filter's): the value at each result's pair.
template <bool FromImage>
struct dilation_gather_op {
  static constexpr auto name = "Dilation2DGather";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 200;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto d, auto, auto x, auto w, auto) {
    return grads(no_gradient{}, no_gradient{}, dilation_scatter<FromImage>(x, w, d, at));
  }
};

}  // namespace ops

/// Sums dy where the dilation of image x by filter w found its extrema: in the image, or in the filter.
template <bool ToImage, value V>
constexpr V dilation_scatter(V x, V w, V dy, const attributes& at) {
  if (V::front_end::failed(dy)) return dy;
  return V::front_end::template add<ops::dilation_scatter_op<ToImage>>({x.type(), ToImage ? x.shape() : w.shape()}, {x, w, dy}, at);
}
/// Reads values there.
template <bool FromImage, value V>
constexpr V dilation_gather(V x, V w, V values, const tensor_shape& shape, const attributes& at) {
  if (V::front_end::failed(values)) return values;
  return V::front_end::template add<ops::dilation_gather_op<FromImage>>({x.type(), shape}, {x, w, values}, at);
}

/// Grayscale dilation of images [b, h, w, c] by a filter [fh, fw, c].
template <value V>
constexpr V dilation2d(V x, V filter, const morphology_options& o = {}) {
  if (V::front_end::failed(x)) return x;
  if (V::front_end::failed(filter)) return filter;
  const signature s{x.type(), x.shape()}, w{filter.type(), filter.shape()};
  failure f;
  attributes at;
  signature r = s;
  if (s.shape.rank() != 4 || w.shape.rank() != 3) f.set("needs images [b, h, w, c] and a filter [h, w, c]", "", s, w);
  else if (s.type != w.type || (!is_floating(s.type) && !is_integer(s.type))) f.set("operands must have one real dtype", "cast one of them", s, w);
  else if (s.shape[3] != w.shape[2]) f.set("the image's channels differ from the filter's", "", s, w);
  for (int k = 0; k < 2 && !f; ++k) {
    rill::detail::window_axis a;
    a.in = s.shape[1 + k], a.window = w.shape[k], a.stride = o.strides[k], a.dilation = o.rates[k];
    if (a.in < 0 || !w.shape.is_static()) f.set("only the batch dimension may be dynamic", "", s, w);
    else if (a.window < 1) f.set("the filter has no elements along a spatial axis", "", s, w);
    else if (a.stride < 1 || a.dilation < 1 || a.stride > 1 << 20 || a.dilation > 1 << 20) f.set("strides and rates must be at least 1", "and at most 2^20", s, w);
    if (f) break;
    a.pad(o.padding);
    at.i[k] = a.stride, at.i[2 + k] = a.dilation, at.i[4 + k] = a.before;
    r.shape[1 + k] = a.out();
    if (a.in > 0 && r.shape[1 + k] < 1) f.set("the filter is larger than the image", "use same padding or a smaller filter", s, w);
  }
  if (f) return V::front_end::template fail<ops::dilation2d_op>(f, x);
  return V::front_end::template add<ops::dilation2d_op>(r, {x, filter}, at);
}
/// Grayscale erosion: the dilation of -x by the filter turned by half, negated. Not for unsigned images.
template <value V>
constexpr V erosion2d(V x, V filter, const morphology_options& o = {}) {
  if (V::front_end::failed(x)) return x;
  if (V::front_end::failed(filter)) return filter;
  if (filter.rank() != 3) return dilation2d(x, filter, o);  // says what is wrong
  if (is_integer(x.type()) && !is_signed(x.type())) return rill::detail::fail<ops::dilation2d_op>(x, "unsigned images cannot be negated", "cast them");
  return -dilation2d(-x, reverse(filter, {0, 1}), o);
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// General convolution (cross-correlation) over one to four spatial axes: strides, paddings of any sign, dilation of either
/// operand, any order of dimensions, groups of features or of the batch; float, double, half, bfloat16 and integers.
///
///   out[b, o, y..] = sum over i, k.. of lhs[b, i, y * stride + k * rhs_dilation - before ..] * rhs[o, i, k..]
///
/// where the lhs has lhs_dilation - 1 zeros between neighbours. Both gradients are convolutions of the same kind (lhs
/// dilation and stride change places, the window runs backwards), so gradients of any order are. Cost: 2 elements(out)
/// elements(rhs) / outputs flops. XLA's Conv and ConvWithGeneralPadding are in namespace `xla`; tf.nn.convolution, conv1d,
/// conv2d, conv3d, their transposes, atrous, depthwise and separable forms on top. conv2d of NHWC images without dilation
/// and explicit padding is the fused op of ops/convolution.hpp.
/// Sources: XLA operation semantics, ConvWithGeneralPadding; TensorFlow 1.8's tf.nn.
///
///   y = conv1d(x, filter, {.stride = 2, .padding = same});
///   y = conv2d(x, filter, convolution_options{.padding = same, .dilations = {2, 2}});
///   y = xla::conv(x, w, {.padding = {{1, 1}, {2, 0}}, .lhs_dilation = {2, 1}});

#include <concepts>

#include "window_padding.hpp"

namespace rill {

/// Options of convolution and conv3d, and of conv2d when it is given by name. Lists have one number per spatial axis.
struct convolution_options {
  tensor_shape strides = {};
  window_padding padding = rill::padding::valid;
  tensor_shape dilations = {};
  image_layout data_format = image_layout::nhwc;  ///< channels last, or (nchw) right after the batch
  bool direct = false;  ///< no minimal filtering: conv2d_options::direct
};
/// Options of conv1d.
struct conv1d_options {
  std::int64_t stride = 1;
  window_padding padding = rill::padding::valid;
  std::int64_t dilation = 1;
  image_layout data_format = image_layout::nhwc;
};

/// Which axes of lhs, rhs and result are what: {batch, feature, spatial..}, {output feature, input feature, spatial..},
/// {batch, feature, spatial..}. An empty list is 0, 1, 2, ...
struct conv_dimension_numbers {
  tensor_shape lhs = {}, rhs = {}, out = {};
};

namespace xla {
/// Options of conv, by XLA's names.
struct conv_options {
  tensor_shape window_strides = {};
  window_padding padding = rill::padding::valid;
  tensor_shape lhs_dilation = {}, rhs_dilation = {};
  conv_dimension_numbers dimension_numbers = {};
  std::int64_t feature_group_count = 1, batch_group_count = 1;
  bool direct = false;  ///< no minimal filtering: conv2d_options::direct
};
}  // namespace xla

namespace ops {

inline constexpr int max_spatial = 4;

/// What a convolution is told, unpacked. Axes: [0] batch (rhs: output feature), [1] feature (rhs: input feature), spatial
/// ones. With groups, each tensor has its groups in one of its first two axes.
struct conv_geometry {
  int spatial = 0;
  std::int64_t stride[max_spatial] = {}, lhs_dilation[max_spatial] = {}, rhs_dilation[max_spatial] = {}, before[max_spatial] = {};
  int lhs[max_spatial + 2] = {}, rhs[max_spatial + 2] = {}, out[max_spatial + 2] = {};
  std::int64_t groups = 1;
  bool lhs_group_batch = false, rhs_group_in = false, out_group_batch = false;
  bool reversed = false;  ///< the window runs backwards
  bool direct = false;    ///< no minimal filtering

  static constexpr std::int64_t largest = (std::int64_t{1} << 20) - 1;  ///< of strides and dilations

  /// i[0..3]: stride, lhs and rhs dilation, 20 bits each; i[4..7] zeros before; i[8] axes, 3 bits each; i[9] groups;
  /// i[10] flags and the number of spatial axes; i[11] direct.
  [[nodiscard]] constexpr attributes pack() const {
    attributes at;
    std::int64_t axes = 0;
    for (int k = 0; k < spatial; ++k) {
      at.i[k] = stride[k] | lhs_dilation[k] << 20 | rhs_dilation[k] << 40;
      at.i[4 + k] = before[k];
    }
    for (int k = spatial + 1; k >= 0; --k) axes = (((axes << 3 | lhs[k]) << 3 | rhs[k]) << 3) | out[k];
    at.i[8] = axes, at.i[9] = groups, at.i[11] = direct;
    at.i[10] = spatial << 4 | int{lhs_group_batch} | int{rhs_group_in} << 1 | int{out_group_batch} << 2 | int{reversed} << 3;
    return at;
  }
  static constexpr conv_geometry unpack(const attributes& at) {
    conv_geometry g;
    g.spatial = static_cast<int>(at.i[10] >> 4);
    g.lhs_group_batch = (at.i[10] & 1) != 0, g.rhs_group_in = (at.i[10] & 2) != 0;
    g.out_group_batch = (at.i[10] & 4) != 0, g.reversed = (at.i[10] & 8) != 0;
    g.groups = at.i[9], g.direct = at.i[11] != 0;
    for (int k = 0; k < g.spatial; ++k) {
      g.stride[k] = at.i[k] & largest, g.lhs_dilation[k] = at.i[k] >> 20 & largest, g.rhs_dilation[k] = at.i[k] >> 40;
      g.before[k] = at.i[4 + k];
    }
    std::int64_t axes = at.i[8];
    for (int k = 0; k < g.spatial + 2; ++k) {
      g.out[k] = static_cast<int>(axes & 7), g.rhs[k] = static_cast<int>(axes >> 3 & 7), g.lhs[k] = static_cast<int>(axes >> 6 & 7);
      axes >>= 9;
    }
    return g;
  }

  /// The convolution of the result's gradient with the rhs that gives the gradient of the lhs.
  [[nodiscard]] constexpr conv_geometry of_lhs_gradient(const tensor_shape& rhs_shape) const {
    conv_geometry g = *this;
    for (int k = 0; k < spatial + 2; ++k) g.lhs[k] = out[k], g.out[k] = lhs[k];
    g.rhs[0] = rhs[1], g.rhs[1] = rhs[0];
    for (int k = 0; k < spatial; ++k) {
      g.stride[k] = lhs_dilation[k], g.lhs_dilation[k] = stride[k];
      g.before[k] = (rhs_shape[rhs[2 + k]] - 1) * rhs_dilation[k] - before[k];
    }
    g.reversed = !reversed;
    g.lhs_group_batch = out_group_batch, g.out_group_batch = lhs_group_batch, g.rhs_group_in = !rhs_group_in;
    return g;
  }
  /// The convolution that gives the gradient of the rhs: of the lhs with the result's gradient, or the other way round when
  /// the window runs backwards.
  [[nodiscard]] constexpr conv_geometry of_rhs_gradient(const tensor_shape& rhs_shape) const {
    conv_geometry g = *this;
    const int* const window = reversed ? lhs : out;
    const int* const image = reversed ? out : lhs;
    for (int k = 0; k < spatial + 2; ++k) {
      const int from = k < 2 ? 1 - k : k;
      g.lhs[k] = image[from], g.rhs[k] = window[from];
      g.out[k] = reversed || k >= 2 ? rhs[k] : rhs[1 - k];
    }
    g.lhs_group_batch = !(reversed ? out_group_batch : lhs_group_batch);
    g.rhs_group_in = reversed ? lhs_group_batch : out_group_batch;
    g.out_group_batch = reversed ? !rhs_group_in : rhs_group_in;
    for (int k = 0; k < spatial; ++k) {
      g.stride[k] = rhs_dilation[k];
      g.lhs_dilation[k] = reversed ? stride[k] : lhs_dilation[k];
      g.rhs_dilation[k] = reversed ? lhs_dilation[k] : stride[k];
      if (reversed) g.before[k] = (rhs_shape[rhs[2 + k]] - 1) * rhs_dilation[k] - before[k];
    }
    g.reversed = false;
    return g;
  }
};

/// (lhs, rhs) -> out; attributes are a packed conv_geometry. The functions below know the result's shape.
struct conv_op {
  static constexpr auto name = "Convolution";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1000;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x, auto w) {
    auto dx = conv_lhs_gradient(dy, w, x.shape(), at);
    auto dw = conv_rhs_gradient(x, dy, w.shape(), at);
    return grads(dx, dw);
  }
};

}  // namespace ops

namespace detail {

/// The result of a convolution, and its attributes with the padding worked out; sets a failure when operands do not fit.
constexpr signature conv_signature(const signature& x, const signature& w, const xla::conv_options& o, attributes& at, failure& f) {
  ops::conv_geometry g;
  const int rank = x.shape.rank(), n = rank - 2;
  if (n < 1 || n > ops::max_spatial || w.shape.rank() != rank)
    f.set("needs operands of equal rank with one to four spatial axes", "add axes of extent 1", x, w);
  else if (x.type != w.type || (!is_floating(x.type) && !is_integer(x.type)))
    f.set("operands must have one real dtype", "cast one of them", x, w);
  if (f) return {};
  const auto axes = [&](const tensor_shape& list, int* to) {
    unsigned seen = 0;
    for (int k = 0; k < rank; ++k) {
      const std::int64_t a = list.rank() == 0 ? k : list.rank() == rank ? list[k] : -1;
      if (a < 0 || a >= rank || ((seen >> a) & 1u) != 0) return f.set("dimension numbers must name every axis once", "", x, w);
      seen |= 1u << a;
      to[k] = static_cast<int>(a);
    }
  };
  axes(o.dimension_numbers.lhs, g.lhs), axes(o.dimension_numbers.rhs, g.rhs), axes(o.dimension_numbers.out, g.out);
  if (f) return {};
  const std::int64_t features = x.shape[g.lhs[1]], in = w.shape[g.rhs[1]], out = w.shape[g.rhs[0]], batch = x.shape[g.lhs[0]];
  if (features < 0 || !w.shape.is_static()) f.set("only the batch dimension may be dynamic", "", x, w);
  for (int k = 0; k < n; ++k)
    if (x.shape[g.lhs[2 + k]] < 0) f.set("only the batch dimension may be dynamic", "", x, w);
  const std::int64_t fg = o.feature_group_count, bg = o.batch_group_count;
  if (fg < 1 || bg < 1 || (fg > 1 && bg > 1)) f.set("needs one group count of at least 1", "features or the batch are cut into groups, not both", x, w);
  else if (features != in * fg) f.set("the input's features differ from the filter's input features times the groups", "", x, w);
  else if (out % fg != 0 || out % bg != 0) f.set("the groups do not divide the filter's output features", "", x, w);
  else if (batch % bg != 0) f.set("the groups do not divide the batch", "", x, w);
  if (f) return {};
  g.spatial = n, g.groups = fg * bg, g.direct = o.direct;
  g.lhs_group_batch = bg > 1;
  bool lists = !o.padding.given || (o.padding.pairs.count == n && !o.padding.pairs.overflow);
  signature r{x.type, x.shape};
  r.shape[g.out[0]] = batch / bg;
  r.shape[g.out[1]] = out;
  for (int k = 0; k < n && !f; ++k) {
    window_axis a;
    a.in = x.shape[g.lhs[2 + k]], a.window = w.shape[g.rhs[2 + k]];
    a.stride = number_at(o.window_strides, k, n, lists);
    a.base_dilation = number_at(o.lhs_dilation, k, n, lists), a.dilation = number_at(o.rhs_dilation, k, n, lists);
    if (a.stride < 1 || a.dilation < 1 || a.base_dilation < 1 || a.stride > g.largest || a.dilation > g.largest || a.base_dilation > g.largest) {
      f.set("strides and dilations must be at least 1", "and less than 2^20", x, w);
      break;
    }
    if (a.window < 1) {
      f.set("the filter has no elements along a spatial axis", "", x, w);
      break;
    }
    if (!o.padding.given) a.pad(o.padding.rule);
    else if (lists) a.before = o.padding.pairs.axes[k].before, a.after = o.padding.pairs.axes[k].after;
    constexpr std::int64_t most = std::int64_t{1} << 40;
    if (a.before > most || a.before < -most || a.after > most || a.after < -most) {
      f.set("a padding is out of range", "", x, w);
      break;
    }
    g.stride[k] = a.stride, g.lhs_dilation[k] = a.base_dilation, g.rhs_dilation[k] = a.dilation, g.before[k] = a.before;
    r.shape[g.out[2 + k]] = a.out();
  }
  if (!lists) f.set("strides, dilations and paddings need one entry per spatial axis", "", x, w);
  if (!f && !countable(r.shape)) f.set("the result has more elements than 63 bits can count", "", x, w);
  at = g.pack();
  return r;
}

}  // namespace detail

/// The convolution that these attributes describe, of a known shape.
template <value V>
constexpr V conv_to(V x, V w, const tensor_shape& shape, const ops::conv_geometry& g) {
  if (V::front_end::failed(x)) return x;
  if (V::front_end::failed(w)) return w;
  return V::front_end::template add<ops::conv_op>({x.type(), shape}, {x, w}, g.pack());
}
/// The gradient of a convolution's lhs (of this shape), given the result's.
template <value V>
constexpr V conv_lhs_gradient(V dy, V w, const tensor_shape& lhs, const attributes& at) {
  if (V::front_end::failed(w)) return w;
  return conv_to(dy, w, lhs, ops::conv_geometry::unpack(at).of_lhs_gradient(w.shape()));
}
/// The gradient of its rhs.
template <value V>
constexpr V conv_rhs_gradient(V x, V dy, const tensor_shape& rhs, const attributes& at) {
  const ops::conv_geometry g = ops::conv_geometry::unpack(at);
  return g.reversed ? conv_to(dy, x, rhs, g.of_rhs_gradient(rhs)) : conv_to(x, dy, rhs, g.of_rhs_gradient(rhs));
}

namespace xla {
/// XLA's Conv and ConvWithGeneralPadding: lhs [batch, feature, spatial..], rhs [output feature, input feature, spatial..]
/// unless dimension numbers say otherwise.
template <value V>
constexpr V conv(V lhs, V rhs, const conv_options& o = {}) {
  if (V::front_end::failed(lhs)) return lhs;
  if (V::front_end::failed(rhs)) return rhs;
  failure f;
  attributes at;
  const signature s = rill::detail::conv_signature({lhs.type(), lhs.shape()}, {rhs.type(), rhs.shape()}, o, at, f);
  if (f) return V::front_end::template fail<ops::conv_op>(f, lhs);
  return V::front_end::template add<ops::conv_op>(s, {lhs, rhs}, at);
}
/// The same, its lists one after the other as in XLA's signature.
template <value V>
constexpr V conv_with_general_padding(V lhs, V rhs, const tensor_shape& window_strides, const window_padding& padding,
                                      const tensor_shape& lhs_dilation = {}, const tensor_shape& rhs_dilation = {}) {
  return conv(lhs, rhs, {.window_strides = window_strides, .padding = padding, .lhs_dilation = lhs_dilation, .rhs_dilation = rhs_dilation});
}
}  // namespace xla

namespace detail {

/// TensorFlow's layouts: images [b, spatial.., c] or [b, c, spatial..], filters [spatial.., in, out].
constexpr xla::conv_options layout_of(int rank, const convolution_options& o, std::int64_t groups = 1) {
  xla::conv_options r{.window_strides = o.strides, .padding = o.padding, .rhs_dilation = o.dilations};
  const bool last = o.data_format == image_layout::nhwc;
  tensor_shape image{0, last ? rank - 1 : 1}, filter{rank - 1, rank - 2};
  for (int k = 0; k < rank - 2; ++k) image.push_back(last ? 1 + k : 2 + k), filter.push_back(k);
  r.dimension_numbers = {image, filter, image};
  r.feature_group_count = groups, r.direct = o.direct;
  return r;
}
/// The gradient of the input of a convolution whose input has this shape (its batch may be left to dy), after checking
/// that dy is what the convolution gives.
template <value V>
constexpr V conv_input(const tensor_shape& input_sizes, V filter, V dy, const xla::conv_options& o) {
  if (V::front_end::failed(filter)) return filter;
  if (V::front_end::failed(dy)) return dy;
  failure f;
  attributes at;
  tensor_shape x = input_sizes;
  if (x.rank() > 0 && dy.rank() > 0 && x[0] == -1) x[0] = dy.shape()[0];
  const signature s = conv_signature({dy.type(), x}, {filter.type(), filter.shape()}, o, at, f);
  if (!f && !(s.shape == dy.shape()))
    f.set("the gradient does not have the shape that the convolution gives", "check the output shape, strides and padding",
          {dy.type(), dy.shape()}, s);
  if (f) return V::front_end::template fail<ops::conv_op>(f, dy);
  return conv_lhs_gradient(dy, filter, x, at);
}
template <value V>
constexpr V conv_filter(V x, const tensor_shape& filter_sizes, V dy, const xla::conv_options& o) {
  if (V::front_end::failed(x)) return x;
  if (V::front_end::failed(dy)) return dy;
  failure f;
  attributes at;
  const signature s = conv_signature({x.type(), x.shape()}, {dy.type(), filter_sizes}, o, at, f);
  if (!f && !(s.shape == dy.shape()))
    f.set("the gradient does not have the shape that the convolution gives", "check the filter sizes, strides and padding",
          {dy.type(), dy.shape()}, s);
  if (f) return V::front_end::template fail<ops::conv_op>(f, x);
  return conv_rhs_gradient(x, dy, filter_sizes, at);
}
/// Whether the fused op of channels-last images does it.
constexpr bool is_fused_conv2d(const signature& x, const convolution_options& o) {
  const auto ones = [](const tensor_shape& s) {
    for (std::int64_t d : s)
      if (d != 1) return false;
    return true;
  };
  return !o.padding.given && ones(o.dilations) && (o.strides.rank() == 0 || o.strides.rank() == 2) &&
         (o.dilations.rank() == 0 || o.dilations.rank() == 2) &&
         (x.type == dtype::float32 || x.type == dtype::float64);
}

}  // namespace detail

// ---- TensorFlow's names --------------------------------------------------------------------------------------------------

/// x [b, spatial.., in] with a filter [spatial.., in, out] over one to four spatial axes (tf.nn.convolution).
template <value V>
constexpr V convolution(V x, V filter, const convolution_options& o = {}) {
  if (V::front_end::failed(x)) return x;
  return xla::conv(x, filter, detail::layout_of(x.rank(), o));
}
/// x [b, w, in], filters [w, in, out] -> [b, w', out].
template <value V>
constexpr V conv1d(V x, V filters, const conv1d_options& o = {}) {
  if (V::front_end::failed(x)) return x;
  if (x.rank() != 3) return detail::fail<ops::conv_op>(x, "needs a batch of sequences [b, w, channels]", "reshape to rank 3");
  return convolution(x, filters, {{o.stride}, o.padding, {o.dilation}, o.data_format});
}
/// conv2d with dilations, NCHW or explicit padding: conv2d(x, w, convolution_options{.dilations = {2, 2}}).
template <value V, std::same_as<convolution_options> O>
constexpr V conv2d(V x, V filter, const O& o) {
  if (V::front_end::failed(x)) return x;
  if (x.rank() != 4) return detail::fail<ops::conv_op>(x, "needs a batch of images of rank 4", "reshape to [n, h, w, channels]");
  if (!detail::is_fused_conv2d({x.type(), x.shape()}, o)) return convolution(x, filter, o);
  const bool given = o.strides.rank() == 2;
  const conv2d_options fused{.strides = {given ? o.strides[0] : 1, given ? o.strides[1] : 1}, .padding = o.padding.rule, .direct = o.direct};
  return detail::with_channels_last(x, o.data_format, [&](V image) { return conv2d(image, filter, fused); });
}
/// x [b, d, h, w, in], filter [d, h, w, in, out].
template <value V>
constexpr V conv3d(V x, V filter, const convolution_options& o = {}) {
  if (V::front_end::failed(x)) return x;
  if (x.rank() != 5) return detail::fail<ops::conv_op>(x, "needs a batch of volumes of rank 5", "reshape to [n, d, h, w, channels]");
  return convolution(x, filter, o);
}
/// conv2d of dilation `rate` along both axes.
template <value V>
constexpr V atrous_conv2d(V x, V filters, std::int64_t rate, const window_padding& padding = rill::padding::valid) {
  return conv2d(x, filters, convolution_options{.padding = padding, .dilations = {rate, rate}});
}

/// The gradient of a convolution's input of shape input_sizes (-1 first: dy's batch).
template <value V, std::same_as<convolution_options> O>
constexpr V conv2d_backprop_input(const tensor_shape& input_sizes, V filter, V dy, const O& o) {
  return detail::conv_input(input_sizes, filter, dy, detail::layout_of(4, o));
}
/// The gradient of its filter, of shape filter_sizes.
template <value V, std::same_as<convolution_options> O>
constexpr V conv2d_backprop_filter(V x, const tensor_shape& filter_sizes, V dy, const O& o) {
  return detail::conv_filter(x, filter_sizes, dy, detail::layout_of(4, o));
}
template <value V>
constexpr V conv3d_backprop_input(const tensor_shape& input_sizes, V filter, V dy, const convolution_options& o = {}) {
  return detail::conv_input(input_sizes, filter, dy, detail::layout_of(5, o));
}
template <value V>
constexpr V conv3d_backprop_filter(V x, const tensor_shape& filter_sizes, V dy, const convolution_options& o = {}) {
  return detail::conv_filter(x, filter_sizes, dy, detail::layout_of(5, o));
}
/// The transpose of a convolution over any number of axes: x [b, spatial.., in], filter [spatial.., out, in] -> output_shape,
/// which a convolution with these options takes to x's shape (its batch may be -1).
template <value V>
constexpr V conv_transpose(V x, V filter, const tensor_shape& output_shape, const convolution_options& o = {}) {
  if (V::front_end::failed(x)) return x;
  return detail::conv_input(output_shape, filter, x, detail::layout_of(x.rank(), o));
}
template <value V>
constexpr V conv1d_transpose(V x, V filter, const tensor_shape& output_shape, const conv1d_options& o = {}) {
  return conv_transpose(x, filter, output_shape, {{o.stride}, o.padding, {o.dilation}, o.data_format});
}
template <value V>
constexpr V conv2d_transpose(V x, V filter, const tensor_shape& output_shape, const convolution_options& o = {}) {
  return conv_transpose(x, filter, output_shape, o);
}
template <value V>
constexpr V conv3d_transpose(V x, V filter, const tensor_shape& output_shape, const convolution_options& o = {}) {
  return conv_transpose(x, filter, output_shape, o);
}
template <value V>
constexpr V atrous_conv2d_transpose(V x, V filters, const tensor_shape& output_shape, std::int64_t rate,
                                    const window_padding& padding = rill::padding::valid) {
  return conv_transpose(x, filters, output_shape, {.padding = padding, .dilations = {rate, rate}});
}

/// Each channel with filters of its own: x [b, h, w, in], filter [h, w, in, multiplier] -> [b, h', w', in * multiplier].
template <value V>
constexpr V depthwise_conv2d(V x, V filter, const convolution_options& o = {}) {
  if (V::front_end::failed(x)) return x;
  if (V::front_end::failed(filter)) return filter;
  const tensor_shape s = filter.shape();
  if (x.rank() != 4 || s.rank() != 4) return detail::fail<ops::conv_op>(x, "needs images of rank 4 and a filter [h, w, in, multiplier]");
  if (x.shape()[o.data_format == image_layout::nhwc ? 3 : 1] != s[2]) {
    failure f;
    f.set("the image's channels differ from the filter's", "the filter is [h, w, in, multiplier]", {x.type(), x.shape()}, {filter.type(), s});
    return V::front_end::template fail<ops::conv_op>(f, x);
  }
  return xla::conv(x, reshape_to(filter, {s[0], s[1], 1, s[2] * s[3]}), detail::layout_of(4, o, s[2]));
}
template <value V>
constexpr V depthwise_conv2d_native(V x, V filter, const convolution_options& o = {}) {
  return depthwise_conv2d(x, filter, o);
}
template <value V>
constexpr V depthwise_conv2d_native_backprop_input(const tensor_shape& input_sizes, V filter, V dy, const convolution_options& o = {}) {
  if (V::front_end::failed(filter)) return filter;
  const tensor_shape s = filter.shape();
  if (s.rank() != 4) return detail::fail<ops::conv_op>(filter, "needs a filter [h, w, in, multiplier]");
  return detail::conv_input(input_sizes, reshape_to(filter, {s[0], s[1], 1, s[2] * s[3]}), dy, detail::layout_of(4, o, s[2]));
}
template <value V>
constexpr V depthwise_conv2d_native_backprop_filter(V x, const tensor_shape& filter_sizes, V dy, const convolution_options& o = {}) {
  if (V::front_end::failed(x)) return x;
  const tensor_shape& s = filter_sizes;
  if (s.rank() != 4) return detail::fail<ops::conv_op>(x, "needs filter sizes [h, w, in, multiplier]");
  return reshape_to(detail::conv_filter(x, {s[0], s[1], 1, s[2] * s[3]}, dy, detail::layout_of(4, o, s[2])), s);
}
/// A depthwise convolution, then one of 1 x 1: pointwise_filter [1, 1, in * multiplier, out].
template <value V>
constexpr V separable_conv2d(V x, V depthwise_filter, V pointwise_filter, const convolution_options& o = {}) {
  if (V::front_end::failed(pointwise_filter)) return pointwise_filter;
  const tensor_shape& w = pointwise_filter.shape();
  if (w.rank() != 4 || w[0] != 1 || w[1] != 1) return detail::fail<ops::conv_op>(pointwise_filter, "the pointwise filter must be [1, 1, in, out]");
  return conv2d(depthwise_conv2d(x, depthwise_filter, o), pointwise_filter, convolution_options{.data_format = o.data_format});
}

}  // namespace rill

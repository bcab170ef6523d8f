// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Images [batch, height, width, channels] at another size: resize_bilinear, resize_nearest_neighbor, resize_bicubic,
/// resize_area, `resample`, of which they are cases, and crop_and_resize. Results are float32 (of float64 images float64),
/// those of the nearest neighbour have the images' dtype. Every result is a sum of few elements with fixed weights, so that
/// gradients are the same sums turned round and differentiable as often as one likes; crop_and_resize has gradients of
/// images and boxes. Cost: a few operations an element of the result.
/// Source: TensorFlow 1.8's tf.image, half_pixel_centers from 1.14; bicubic weights are exact (TensorFlow's are rounded to
/// 1/1024 of a pixel).
///
///   auto small = resize_bilinear(images, {28, 28}, {.align_corners = true});
///   auto parts = crop_and_resize(images, boxes, box_indices, {14, 14});

#include <bit>

#include "functions.hpp"

namespace rill {

/// How resize_images and resample combine elements.
enum class resize_method : std::uint8_t { bilinear, nearest_neighbor, bicubic, area };

/// Options of the resize functions. Without either, element i of n comes from i * (m / n) of m; align_corners puts the
/// first and last on the first and last; half_pixel_centers counts from the elements' middles.
struct resize_options {
  bool align_corners = false;
  bool half_pixel_centers = false;
};

/// Where the elements of one axis come from: element i from (i + shift) * step + start, in float.
struct resample_axis {
  double step = 1;
  double start = 0;
};
/// Which neighbour is the nearest: the one below, the nearest (of two the upper, or the lower one), the one above.
enum class resample_rounding : std::uint8_t { down, half_up, half_down, up };

/// Options of resample. `cubic` is Keys' coefficient; taps outside of the image are its border, or with exclude_outside are
/// left out and the others scaled to make up for them.
struct resample_options {
  resize_method method = resize_method::bilinear;
  resample_axis rows = {}, columns = {};
  bool from_middles = false;  ///< shift is 1/2
  resample_rounding rounding = resample_rounding::down;
  double cubic = -0.75;
  bool exclude_outside = false;
};

/// Options of crop_and_resize.
struct crop_and_resize_options {
  resize_method method = resize_method::bilinear;  ///< or nearest_neighbor
  double extrapolation_value = 0;                  ///< of elements outside of the image
};

namespace ops {

/// i[0], i[1] are the result's size, i[2] method, rounding and flags, i[3], i[4] step and start of each axis as floats; f[0]
/// is the cubic coefficient. i[5], i[6] are the images' size, for the gradient.
struct resample_attributes {
  static constexpr std::int64_t axis(const resample_axis& a) {
    return static_cast<std::int64_t>(std::uint64_t{std::bit_cast<std::uint32_t>(static_cast<float>(a.step))} << 32 |
                                     std::bit_cast<std::uint32_t>(static_cast<float>(a.start)));
  }
  static constexpr resample_axis axis(std::int64_t bits) {
    const auto u = static_cast<std::uint64_t>(bits);
    return {std::bit_cast<float>(static_cast<std::uint32_t>(u >> 32)), std::bit_cast<float>(static_cast<std::uint32_t>(u))};
  }
  static constexpr attributes make(const tensor_shape& size, const resample_options& o) {
    attributes a;
    a.i[0] = size[0], a.i[1] = size[1];
    a.i[2] = static_cast<int>(o.method) | static_cast<int>(o.rounding) << 2 | (o.from_middles ? 16 : 0) | (o.exclude_outside ? 32 : 0);
    a.i[3] = axis(o.rows), a.i[4] = axis(o.columns), a.f[0] = o.cubic;
    return a;
  }
  static constexpr resample_options options(const attributes& a) {
    return {static_cast<resize_method>(a.i[2] & 3), axis(a.i[3]), axis(a.i[4]), (a.i[2] & 16) != 0, static_cast<resample_rounding>(a.i[2] >> 2 & 3), a.f[0],
            (a.i[2] & 32) != 0};
  }
  /// What both ops take: images with a height and a width.
  static constexpr void check(const signature& x, std::int64_t height, std::int64_t width, failure& f) {
    if (x.shape.rank() != 4) return f.set("needs images [batch, height, width, channels]", "", x);
    if (x.shape[1] < 0 || x.shape[2] < 0) f.set("height and width must be known", "", x);
    else if (x.shape[1] == 0 || x.shape[2] == 0) f.set("images must not be empty", "", x);
    else if (height <= 0 || width <= 0) f.set("the new height and width must be positive", "", x);
    else if (height > INT32_MAX || width > INT32_MAX || x.shape[1] > INT32_MAX || x.shape[2] > INT32_MAX) f.set("height or width is too large", "", x);
  }
};

struct resample_grad_op;

struct resample_op {
  static constexpr auto name = "Resample";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 10;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    resample_attributes::check(in[0], at.i[0], at.i[1], f);
    if (in[0].type == dtype::string) f.set("needs numbers", "", in[0]);
    if (f) return in[0];
    return {in[0].type, {in[0].shape[0], at.i[0], at.i[1], in[0].shape[3]}};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  template <class V>
  static constexpr auto vjp(const attributes& at, V dy, V, V x) {
    attributes back = at;
    back.i[5] = x.shape()[1], back.i[6] = x.shape()[2];
    return grads(cast_like(rill::detail::emit<resample_grad_op>({dy}, back), x));
  }
};
/// The transposed sums: each element of dy is added to the elements that it came from.
struct resample_grad_op {
  static constexpr auto name = "ResampleGrad";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 10;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (!is_floating(in[0].type)) f.set("needs a floating dtype", "", in[0]);
    return {in[0].type, {in[0].shape[0], at.i[5], at.i[6], in[0].shape[3]}};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto d, auto, auto) { return grads(rill::detail::emit<resample_op>({d}, at)); }
};

/// (images, boxes [n, 4], indices [n]) -> [n, i[0], i[1], channels]; i[2] is the method, f[0] the value outside.
struct crop_and_resize_grad_image_op;
struct crop_and_resize_grad_boxes_op;
struct crop_and_resize_op {
  static constexpr auto name = "CropAndResize";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 10;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    resample_attributes::check(in[0], at.i[0], at.i[1], f);
    if (in[1].shape.rank() != 2 || in[1].shape[1] != 4) f.set("needs boxes [number of boxes, 4]", "", in[1]);
    else if (in[2].shape.rank() != 1 || in[2].shape[0] != in[1].shape[0] || (in[2].type != dtype::int32 && in[2].type != dtype::int64))
      f.set("needs an int32 or int64 index of an image for each box", "", in[2], in[1]);
    else if (at.i[2] > 1) f.set("the method is bilinear or nearest_neighbor", "", in[0]);
    if (f) return in[0];
    return {in[0].type, {in[1].shape[0], at.i[0], at.i[1], in[0].shape[3]}};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  template <class V>
  static constexpr auto vjp(const attributes& at, V dy, V, V images, V boxes, V indices) {
    return grads(rill::detail::emit<crop_and_resize_grad_image_op>({dy, images, boxes, indices}, at),
                 rill::detail::emit<crop_and_resize_grad_boxes_op>({dy, images, boxes, indices}, at), no_gradient{});
  }
};
/// (dy, images, boxes, indices) -> the gradient of the images. Linear in dy; its derivative by the boxes is that of
/// crop_and_resize with other images.
struct crop_and_resize_grad_image_op {
  static constexpr auto name = "CropAndResizeGradImage";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 10;
  static constexpr signature infer(const attributes&, const signature* in, failure&) { return in[1]; }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  template <class V>
  static constexpr auto vjp(const attributes& at, V d, V, V dy, V, V boxes, V indices) {
    attributes plain = at;
    plain.f[0] = 0;
    return grads(rill::detail::emit<crop_and_resize_op>({d, boxes, indices}, plain), no_gradient{},
                 rill::detail::emit<crop_and_resize_grad_boxes_op>({dy, d, boxes, indices}, at), no_gradient{});
  }
};
/// (dy, images, boxes, indices) -> the gradient of the boxes, as of the bilinear method. It has none of its own.
struct crop_and_resize_grad_boxes_op {
  static constexpr auto name = "CropAndResizeGradBoxes";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 10;
  static constexpr signature infer(const attributes&, const signature* in, failure&) { return in[2]; }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto, auto, auto, auto, auto, auto) { return grads(no_gradient{}, no_gradient{}, no_gradient{}, no_gradient{}); }
};

struct resize_images_name : function_name {
  static constexpr auto name = "ResizeImages";
};

}  // namespace ops

namespace detail {
/// x in float32, unless it is float64.
template <value V>
constexpr V pixels(V x) {
  return x.type() == dtype::float64 ? x : cast_to(x, dtype::float32);
}
/// TensorFlow's scale of an axis, in float as there.
constexpr double resize_step(std::int64_t in, std::int64_t out, bool align_corners) {
  if (align_corners && out > 1) return static_cast<double>(static_cast<float>(in - 1) / static_cast<float>(out - 1));
  return static_cast<double>(static_cast<float>(in) / static_cast<float>(out));
}
/// The options that make resample one of TensorFlow's functions; x has four axes, size two extents.
constexpr resample_options resize_as(const tensor_shape& x, const tensor_shape& size, resize_method method, const resize_options& o) {
  resample_options r;
  r.method = method, r.from_middles = o.half_pixel_centers;
  const double back = o.half_pixel_centers && method != resize_method::nearest_neighbor ? -0.5 : 0;
  if (x.rank() == 4 && size[0] > 0 && size[1] > 0)
    r.rows = {resize_step(x[1], size[0], o.align_corners), back}, r.columns = {resize_step(x[2], size[1], o.align_corners), back};
  if (o.align_corners) r.rounding = resample_rounding::half_up;
  if (o.half_pixel_centers) r.cubic = -0.5, r.exclude_outside = true;
  return r;
}
}  // namespace detail

/// Images whose row i is taken from the row (i + shift) * rows.step + rows.start of `images`, likewise the columns; between
/// elements by the method (`area` is the mean from there to the next one's place). images are [batch, height, width,
/// channels] of numbers, size is the new [height, width]. Positions outside are those of the border.
template <value V>
constexpr V resample(V images, const tensor_shape& size, const resample_options& o) {
  if (V::front_end::failed(images)) return images;
  if (size.rank() != 2) return detail::fail<ops::resample_op>(images, "the new size is [height, width]");
  if (is_complex(images.type()) && o.method != resize_method::nearest_neighbor) return detail::fail<ops::resample_op>(images, "needs real numbers");
  if (images.type() == dtype::string) return detail::fail<ops::resample_op>(images, "needs numbers");
  constexpr double most = 1 << 30;
  for (const resample_axis& a : {o.rows, o.columns})
    if (!(a.step >= 0 && a.step <= most && a.start >= -most && a.start <= most) || (a.step == 0 && o.method == resize_method::area))
      return detail::fail<ops::resample_op>(images, "steps must not be negative (of areas, positive), nor steps and starts beyond 2^30");
  return detail::emit<ops::resample_op>({o.method == resize_method::nearest_neighbor ? images : detail::pixels(images)}, ops::resample_attributes::make(size, o));
}
/// images, one [height, width, channels] or several [batch, height, width, channels], at the size [height, width]
/// (tf.image.resize_images).
template <value V>
constexpr V resize_images(V images, const tensor_shape& size, resize_method method = resize_method::bilinear, resize_options o = {}) {
  if (V::front_end::failed(images)) return images;
  if (o.align_corners && o.half_pixel_centers) return detail::fail<ops::resize_images_name>(images, "align_corners and half_pixel_centers exclude each other");
  if (o.half_pixel_centers && method == resize_method::area) return detail::fail<ops::resize_images_name>(images, "half_pixel_centers make no difference to areas");
  if (size.rank() != 2) return detail::fail<ops::resize_images_name>(images, "the new size is [height, width]");
  if (images.rank() == 3) return squeeze(resize_images(expand_dims(images, 0), size, method, o), {0});
  return resample(images, size, detail::resize_as(images.shape(), size, method, o));
}
/// tf.image.resize_bilinear.
template <value V>
constexpr V resize_bilinear(V images, const tensor_shape& size, resize_options o = {}) {
  return resize_images(images, size, resize_method::bilinear, o);
}
/// tf.image.resize_nearest_neighbor; the result has the images' dtype.
template <value V>
constexpr V resize_nearest_neighbor(V images, const tensor_shape& size, resize_options o = {}) {
  return resize_images(images, size, resize_method::nearest_neighbor, o);
}
/// tf.image.resize_bicubic: Keys' cubic with -0.75, or with half_pixel_centers -0.5.
template <value V>
constexpr V resize_bicubic(V images, const tensor_shape& size, resize_options o = {}) {
  return resize_images(images, size, resize_method::bicubic, o);
}
/// tf.image.resize_area: means over what an element covers.
template <value V>
constexpr V resize_area(V images, const tensor_shape& size, resize_options o = {}) {
  return resize_images(images, size, resize_method::area, o);
}

/// Crop k is the box boxes[k] = [y1, x1, y2, x2] of images[box_indices[k]], in parts of height - 1 and width - 1, resized to
/// crop_size; boxes may reach outside and be turned round (tf.image.crop_and_resize). An index that names no image is
/// out_of_range.
template <value V>
constexpr V crop_and_resize(V images, V boxes, V box_indices, const tensor_shape& crop_size, crop_and_resize_options o = {}) {
  for (const V& x : {images, boxes, box_indices})
    if (V::front_end::failed(x)) return x;
  if (crop_size.rank() != 2) return detail::fail<ops::crop_and_resize_op>(images, "the size of the crops is [height, width]");
  if (is_complex(images.type()) || images.type() == dtype::string) return detail::fail<ops::crop_and_resize_op>(images, "needs real numbers");
  if (!is_floating(boxes.type())) return detail::fail<ops::crop_and_resize_op>(boxes, "needs boxes of a floating dtype");
  attributes at;
  at.i[0] = crop_size[0], at.i[1] = crop_size[1], at.i[2] = static_cast<int>(o.method), at.f[0] = o.extrapolation_value;
  const V x = detail::pixels(images);
  return detail::emit<ops::crop_and_resize_op>({x, cast_to(boxes, x.type()), box_indices}, at);
}

}  // namespace rill

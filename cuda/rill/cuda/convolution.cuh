// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Two-dimensional convolution on a device and its two gradients: NHWC images, HWIO filters, any stride and explicit padding,
/// as contractions (contraction.cuh) whose sides read patches of images where they lie. Dimensions, operands, epilogue and the
/// order of the arguments are those of kernel/convolution.hpp; types and precision are those of matmul. Results are the same
/// for the same sizes on the same device.
///
///   conv2d<float>(device, d, plain_operand<float>{x, 28}, plain_operand<float>{w, 32}, epilogue);
///
/// Channels that fill groups of four (two doubles) are read so; with others, each number is looked up by itself.

#include <rill/kernel/convolution.hpp>

#include "contraction.cuh"

namespace rill::cuda {

namespace detail {

/// One axis of images and of the windows over them.
struct window_axis {
  std::int32_t size, stride, pad;
};

/// Patches of images: the element of pixel p (image, y, x of the result) and tap q (ky, kx, channel). AlongK: taps are the
/// terms of the sums and pixels the rows; else it is the other way round. What lies outside of an image is zero.
template <class Operand, bool AlongK>
struct patches_side {
  using type = typename Operand::type;
  Operand operand;
  window_axis y_axis, x_axis;
  divider out_h, out_w, k_w, channels;
  bool whole = false, wide = false;  ///< groups of neighbours lie in one pixel; they can be read at once

  struct pixel {
    std::int32_t row, y, x;  ///< of the window's first element: rows are counted through all images
  };
  struct tap {
    std::int32_t y, x, c;
  };

  patches_side(const Operand& o, const kernel::conv2d_dims& d)
      : patches_side(o, {i32(d.in_h), i32(d.stride_h), i32(d.pad_top)}, {i32(d.in_w), i32(d.stride_w), i32(d.pad_left)}, d.out_h, d.out_w, d.k_w, d.in_c) {}
  patches_side(const Operand& o, window_axis y, window_axis x, std::int64_t results_h, std::int64_t results_w, std::int64_t window_w, std::int64_t c)
      : operand(o), y_axis(y), x_axis(x), out_h(u32(results_h)), out_w(u32(results_w)), k_w(u32(window_w)), channels(u32(c)),
        whole(c % group_size<type> == 0), wide(whole && o.template is_wide<group_size<type>>()) {}

  [[nodiscard]] static RILL_GPU constexpr bool along_k() { return AlongK; }
  [[nodiscard]] RILL_GPU auto at(std::uint32_t x) const {
    if constexpr (AlongK) return pixel_at(x);
    else return run{x, tap_at(x)};
  }
  template <int V, class At>
  RILL_GPU void load(const At& at, std::uint32_t k, std::uint32_t count, type* v) const {
    if constexpr (AlongK) read<V>(at, {k, tap_at(k)}, count, v);
    else read<V>(pixel_at(k), at, count, v);
  }

 private:
  /// A tap's number, from which its neighbours' follow.
  struct run {
    std::uint32_t number;
    tap first;
  };
  static std::int32_t i32(std::int64_t n) { return static_cast<std::int32_t>(n); }
  static std::uint32_t u32(std::int64_t n) { return static_cast<std::uint32_t>(n); }

  [[nodiscard]] RILL_GPU pixel pixel_at(std::uint32_t i) const {
    const auto x = static_cast<std::int32_t>(out_w.divide(i)), y = static_cast<std::int32_t>(out_h.divide(i));
    const std::int32_t top = y * y_axis.stride - y_axis.pad;
    return {static_cast<std::int32_t>(i) * y_axis.size + top, top, x * x_axis.stride - x_axis.pad};
  }
  [[nodiscard]] RILL_GPU tap tap_at(std::uint32_t i) const {
    const auto c = static_cast<std::int32_t>(channels.divide(i)), x = static_cast<std::int32_t>(k_w.divide(i));
    return {static_cast<std::int32_t>(i), x, c};
  }
  [[nodiscard]] RILL_GPU bool inside(const pixel& p, const tap& q) const {
    return static_cast<std::uint32_t>(p.y + q.y) < static_cast<std::uint32_t>(y_axis.size) && static_cast<std::uint32_t>(p.x + q.x) < static_cast<std::uint32_t>(x_axis.size);
  }
  [[nodiscard]] RILL_GPU std::int64_t column(const pixel& p, const tap& q) const {
    return static_cast<std::int64_t>(p.x + q.x) * channels.value() + q.c;
  }
  template <int V>
  RILL_GPU void read(const pixel& p, const run& q, std::uint32_t count, type* v) const {
    if (whole) {
      if (inside(p, q.first)) return operand.template several<V>(p.row + q.first.y, column(p, q.first), count, wide, v);
      RILL_GPU_UNROLL
      for (int e = 0; e < V; ++e) v[e] = type(0.f);
      return;
    }
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) {
      v[e] = type(0.f);
      if (static_cast<std::uint32_t>(e) >= count) continue;
      const tap r = e == 0 ? q.first : tap_at(q.number + static_cast<std::uint32_t>(e));
      if (inside(p, r)) v[e] = operand.value(p.row + r.y, column(p, r));
    }
  }
};

/// What the pixels of an image sent where: the gradient at the result of pixel p (image, y, x of the input) and term (ky, kx,
/// output channel), or zero where that window has no such element.
template <class Operand>
struct gradients_side {
  using type = typename Operand::type;
  Operand operand;
  window_axis y_axis, x_axis;  ///< sizes are the result's
  divider in_h, in_w, k_w, channels, stride_h, stride_w;
  bool whole = false, wide = false;

  struct pixel {
    std::int32_t row, y, x;
  };

  gradients_side(const Operand& o, const kernel::conv2d_dims& d)
      : operand(o), y_axis{i32(d.out_h), i32(d.stride_h), i32(d.pad_top)}, x_axis{i32(d.out_w), i32(d.stride_w), i32(d.pad_left)}, in_h(u32(d.in_h)),
        in_w(u32(d.in_w)), k_w(u32(d.k_w)), channels(u32(d.out_c)), stride_h(u32(d.stride_h)), stride_w(u32(d.stride_w)),
        whole(d.out_c % group_size<type> == 0), wide(whole && o.template is_wide<group_size<type>>()) {}

  [[nodiscard]] static RILL_GPU constexpr bool along_k() { return true; }
  [[nodiscard]] RILL_GPU pixel at(std::uint32_t i) const {
    const auto x = static_cast<std::int32_t>(in_w.divide(i)), y = static_cast<std::int32_t>(in_h.divide(i));
    return {static_cast<std::int32_t>(i) * y_axis.size, y + y_axis.pad, x + x_axis.pad};
  }
  template <int V>
  RILL_GPU void load(const pixel& p, std::uint32_t k, std::uint32_t count, type* v) const {
    std::int64_t row = 0, column = 0;
    if (whole) {
      if (find(p, k, row, column)) return operand.template several<V>(row, column, count, wide, v);
      RILL_GPU_UNROLL
      for (int e = 0; e < V; ++e) v[e] = type(0.f);
      return;
    }
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) {
      v[e] = type(0.f);
      if (static_cast<std::uint32_t>(e) < count && find(p, k + static_cast<std::uint32_t>(e), row, column)) v[e] = operand.value(row, column);
    }
  }

 private:
  static std::int32_t i32(std::int64_t n) { return static_cast<std::int32_t>(n); }
  static std::uint32_t u32(std::int64_t n) { return static_cast<std::uint32_t>(n); }

  [[nodiscard]] RILL_GPU bool find(const pixel& p, std::uint32_t k, std::int64_t& row, std::int64_t& column) const {
    const std::uint32_t c = channels.divide(k), kx = k_w.divide(k);
    const std::int32_t y = p.y - static_cast<std::int32_t>(k), x = p.x - static_cast<std::int32_t>(kx);
    if (y < 0 || x < 0) return false;
    auto oy = static_cast<std::uint32_t>(y), ox = static_cast<std::uint32_t>(x);
    if (stride_h.divide(oy) != 0 || stride_w.divide(ox) != 0) return false;
    if (oy >= static_cast<std::uint32_t>(y_axis.size) || ox >= static_cast<std::uint32_t>(x_axis.size)) return false;
    row = p.row + static_cast<std::int32_t>(oy), column = static_cast<std::int64_t>(ox) * channels.value() + c;
    return true;
  }
};

/// The filter that goes with it: the element of input channel x and term (ky, kx, output channel).
template <class Operand>
struct turned_filter_side {
  using type = typename Operand::type;
  Operand operand;
  std::uint32_t in_c;
  divider channels;
  bool whole = false, wide = false;

  turned_filter_side(const Operand& o, const kernel::conv2d_dims& d)
      : operand(o), in_c(static_cast<std::uint32_t>(d.in_c)), channels(static_cast<std::uint32_t>(d.out_c)), whole(d.out_c % group_size<type> == 0),
        wide(whole && o.template is_wide<group_size<type>>()) {}

  [[nodiscard]] static RILL_GPU constexpr bool along_k() { return true; }
  [[nodiscard]] RILL_GPU std::uint32_t at(std::uint32_t x) const { return x; }
  template <int V>
  RILL_GPU void load(std::uint32_t x, std::uint32_t k, std::uint32_t count, type* v) const {
    if (whole) {
      const std::uint32_t c = channels.divide(k);
      return operand.template several<V>(static_cast<std::int64_t>(k) * in_c + x, c, count, wide, v);
    }
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) {
      std::uint32_t l = static_cast<std::uint32_t>(e) < count ? k + static_cast<std::uint32_t>(e) : k;
      const std::uint32_t c = channels.divide(l);
      v[e] = operand.value(static_cast<std::int64_t>(l) * in_c + x, c);
    }
  }
};

/// Image rows and window positions are counted in 31 bits.
inline void check_images(const kernel::conv2d_dims& d) {
  constexpr std::int64_t limit = (std::int64_t{1} << 31) - 1;
  for (const std::int64_t n : {d.batch * d.in_h * d.in_w, d.batch * d.out_h * d.out_w, d.k_h * d.k_w * d.in_c, d.k_h * d.k_w * d.out_c})
    if (n > limit) throw resource_exhausted("convolution on a device: " + std::to_string(n) + " pixels, or elements of a window; there may be 2^31 - 1");
}

}  // namespace detail

/// Convolution: result row (image * out_h + y) * out_w + x, column = output channel. (TensorFlow's Conv2D, which does not flip
/// the filter.)
template <class T, precision P = precision::float32, class X, class W, class E, class Device>
void conv2d(Device& device, const kernel::conv2d_dims& d, const X& x, const W& filter, const E& epilogue) {
  detail::check_images(d);
  detail::contract<P>(device, d.batch * d.out_h * d.out_w, d.out_c, d.k_h * d.k_w * d.in_c, detail::patches_side<X, true>(x, d),
                      detail::matrix_side<W>(filter, true, d.out_c), epilogue);
}

/// Gradient of conv2d with respect to its images: result row (image * in_h + y) * in_w + x, column = input channel.
template <class T, precision P = precision::float32, class DY, class W, class E, class Device>
void conv2d_backprop_input(Device& device, const kernel::conv2d_dims& d, const DY& dy, const W& filter, const E& epilogue) {
  detail::check_images(d);
  detail::contract<P>(device, d.batch * d.in_h * d.in_w, d.in_c, d.k_h * d.k_w * d.out_c, detail::gradients_side<DY>(dy, d),
                      detail::turned_filter_side<W>(filter, d), epilogue);
}

/// Gradient of conv2d with respect to its filter: result row (ky * k_w + kx) * in_c + c, column = output channel.
template <class T, precision P = precision::float32, class X, class DY, class E, class Device>
void conv2d_backprop_filter(Device& device, const kernel::conv2d_dims& d, const X& x, const DY& dy, const E& epilogue) {
  detail::check_images(d);
  const auto i32 = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
  const detail::patches_side<DY, false> results(dy, {i32(d.out_h), 1, 0}, {i32(d.out_w), 1, 0}, d.out_h, d.out_w, 1, d.out_c);
  detail::contract<P>(device, d.k_h * d.k_w * d.in_c, d.out_c, d.batch * d.out_h * d.out_w, detail::patches_side<X, false>(x, d), results, epilogue);
}

}  // namespace rill::cuda

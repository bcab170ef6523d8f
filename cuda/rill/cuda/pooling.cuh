// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Max and average pooling over NHWC images on a device, with their gradients. Dimensions, operands, epilogue and meaning are
/// those of kernel/pooling.hpp: the gradient of a maximum goes to the first largest element of the window, an average counts
/// only the elements inside of the image. A gradient is gathered: each element adds up what the windows over it send, in their
/// row-major order, which is the CPU's.
///
///   max_pool2d<float>(device, d, plain_operand<float>{x, 28 * 32}, epilogue);

#include <limits>

#include <rill/core/error.hpp>
#include <rill/kernel/pooling.hpp>

#include "tile.cuh"

namespace rill::cuda {

namespace detail {

/// What pooling_kernel does with windows.
enum class pooling { max, average, max_grad, average_grad };

/// Stands where a gradient needs no images.
template <class T>
struct no_operand {
  using type = T;
  [[nodiscard]] RILL_GPU T value(std::int64_t, std::int64_t) const { return T(0.f); }
  template <int V>
  RILL_GPU void several(std::int64_t, std::int64_t, std::uint32_t, bool, T*) const {}
  template <int V>
  [[nodiscard]] bool is_wide() const {
    return true;
  }
};

/// Elements of results - of windows, or of pixels in a gradient - V neighbouring channels for a thread.
template <pooling Kind, int V, class X, class DY, class E>
struct pooling_kernel {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  static constexpr bool backward = Kind == pooling::max_grad || Kind == pooling::average_grad;
  using T = typename E::type;
  using S = compute_t<T>;

  X x;
  DY dy;
  E epilogue;
  std::uint32_t groups;  ///< of all results
  divider channel_groups, width, height;  ///< of the results
  std::int32_t in_h, in_w, c, win_h, win_w, out_h, out_w, stride_h, stride_w, pad_top, pad_left;
  divider by_h, by_w;  ///< strides
  bool wide;           ///< groups are read at once

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    RILL_GPU_ROLLED
    for (std::uint32_t i = t.index(); i < groups; i += t.count()) {
      std::uint32_t rest = i;
      const auto channel = static_cast<std::int32_t>(channel_groups.divide(rest)) * V;
      const std::uint32_t row = rest;
      const auto px = static_cast<std::int32_t>(width.divide(rest)), py = static_cast<std::int32_t>(height.divide(rest)), image = static_cast<std::int32_t>(rest);
      S r[room<V>];
      if constexpr (!backward) window(image, py, px, channel, r);
      else gather(image, py, px, channel, r);
      T y[room<V>];
      RILL_GPU_UNROLL
      for (int e = 0; e < V; ++e) y[e] = static_cast<T>(r[e]);
      if constexpr (V > 1) epilogue.template several<V>(row, channel, y);
      else epilogue(row, channel, y[0]);
    }
  }

 private:
  /// The part of a window that lies inside of an axis.
  struct range {
    std::int32_t begin, end;
  };
  static RILL_GPU range clip(std::int32_t o, std::int32_t stride, std::int32_t pad, std::int32_t window, std::int32_t size) {
    const std::int32_t first = o * stride - pad, last = first + window;
    return {first < 0 ? 0 : first, last < size ? last : size};
  }
  /// The windows that element `at` of an axis is in.
  static RILL_GPU range over(std::int32_t at, std::int32_t pad, std::int32_t window, std::int32_t count, const divider& stride) {
    const std::int32_t before = at + pad - window;  // windows that start here or earlier are past
    const std::int32_t begin = before < 0 ? 0 : static_cast<std::int32_t>(stride.quotient(static_cast<std::uint32_t>(before))) + 1;
    const std::int32_t end = static_cast<std::int32_t>(stride.quotient(static_cast<std::uint32_t>(at + pad))) + 1;
    return {begin, end < count ? end : count};
  }
  RILL_GPU void read(std::int32_t image, std::int32_t y, std::int32_t xx, std::int32_t channel, S* v) const {
    T w[room<V>];
    x.template several<V>(static_cast<std::int64_t>(image) * in_h + y, static_cast<std::int64_t>(xx) * c + channel, V, wide, w);
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) v[e] = static_cast<S>(w[e]);
  }
  RILL_GPU void window(std::int32_t image, std::int32_t oy, std::int32_t ox, std::int32_t channel, S* r) const {
    const range ys = clip(oy, stride_h, pad_top, win_h, in_h), xs = clip(ox, stride_w, pad_left, win_w, in_w);
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) r[e] = Kind == pooling::max ? static_cast<S>(std::numeric_limits<T>::lowest()) : S(0);
    for (std::int32_t y = ys.begin; y < ys.end; ++y)
      for (std::int32_t xx = xs.begin; xx < xs.end; ++xx) {
        S v[room<V>];
        read(image, y, xx, channel, v);
        RILL_GPU_UNROLL
        for (int e = 0; e < V; ++e) {
          if constexpr (Kind == pooling::max) r[e] = r[e] > v[e] ? r[e] : v[e];
          else r[e] += v[e];
        }
      }
    if constexpr (Kind == pooling::average) {
      const S scale = share(ys, xs);
      RILL_GPU_UNROLL
      for (int e = 0; e < V; ++e) r[e] *= scale;
    }
  }
  /// One over the number of elements.
  static RILL_GPU S share(const range& ys, const range& xs) {
    const std::int32_t n = ys.begin < ys.end && xs.begin < xs.end ? (ys.end - ys.begin) * (xs.end - xs.begin) : 0;
    return n > 0 ? S(1) / static_cast<S>(n) : S(0);
  }
  RILL_GPU void gather(std::int32_t image, std::int32_t py, std::int32_t px, std::int32_t channel, S* r) const {
    const range oys = over(py, pad_top, win_h, out_h, by_h), oxs = over(px, pad_left, win_w, out_w, by_w);
    S own[room<V>] = {};
    if constexpr (Kind == pooling::max_grad) read(image, py, px, channel, own);
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) r[e] = S(0);
    RILL_GPU_ROLLED
    for (std::int32_t oy = oys.begin; oy < oys.end; ++oy) {
      RILL_GPU_ROLLED
      for (std::int32_t ox = oxs.begin; ox < oxs.end; ++ox) {
        const range ys = clip(oy, stride_h, pad_top, win_h, in_h), xs = clip(ox, stride_w, pad_left, win_w, in_w);
        T g[room<V>];
        dy.template several<V>(static_cast<std::int64_t>(image) * out_h + oy, static_cast<std::int64_t>(ox) * c + channel, V, wide, g);
        if constexpr (Kind == pooling::average_grad) {
          const S scale = share(ys, xs);
          RILL_GPU_UNROLL
          for (int e = 0; e < V; ++e) r[e] += static_cast<S>(g[e]) * scale;
        } else {
          bool first[room<V>] = {};  // whether the first largest is here
          S largest[room<V>] = {};
          for (std::int32_t y = ys.begin; y < ys.end; ++y)
            for (std::int32_t xx = xs.begin; xx < xs.end; ++xx) {
              S v[room<V>];
              read(image, y, xx, channel, v);
              const bool here = y == py && xx == px, start = y == ys.begin && xx == xs.begin;
              RILL_GPU_UNROLL
              for (int e = 0; e < V; ++e) {
                if (start || v[e] > largest[e]) largest[e] = v[e], first[e] = here;
              }
            }
          RILL_GPU_UNROLL
          for (int e = 0; e < V; ++e) r[e] += first[e] ? static_cast<S>(g[e]) : S(0);
        }
      }
    }
  }
};

template <pooling Kind, class X, class DY, class E, class Device>
void pool(Device& device, const kernel::pool2d_dims& d, const X& x, const DY& dy, const E& e) {
  constexpr bool backward = Kind == pooling::max_grad || Kind == pooling::average_grad;
  constexpr int most = group_size<typename E::type>;
  constexpr std::int64_t limit = (std::int64_t{1} << 31) - 1;
  const std::int64_t h = backward ? d.in_h : d.out_h, w = backward ? d.in_w : d.out_w;
  if (d.batch <= 0 || h <= 0 || w <= 0 || d.c <= 0) return;
  const bool wide = d.c % most == 0 && e.template is_wide<most>();
  const std::int64_t elements = d.batch * h * w * d.c, groups = wide ? elements / most : elements;
  if (groups > limit || d.batch * d.in_h > limit || d.batch * d.out_h > limit)
    throw resource_exhausted("pooling on a device: " + std::to_string(elements) + " elements; there may be 2^31 - 1, or four times as many where channels and memory are multiples of four");
  const auto i32 = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
  const auto by = [](std::int64_t n) { return divider(static_cast<std::uint32_t>(n)); };
  const auto launch = [&](auto v) {
    device.launch(pooling_kernel<Kind, v(), X, DY, E>{x, dy, e, static_cast<std::uint32_t>(groups), by(d.c / v()), by(w), by(h), i32(d.in_h), i32(d.in_w), i32(d.c),
                                                      i32(d.win_h), i32(d.win_w), i32(d.out_h), i32(d.out_w), i32(d.stride_h), i32(d.stride_w), i32(d.pad_top),
                                                      i32(d.pad_left), by(d.stride_h), by(d.stride_w), x.template is_wide<v()>() && dy.template is_wide<v()>()},
                  shape_for(device, groups));
  };
  if (wide) launch(std::integral_constant<int, most>{});
  else launch(std::integral_constant<int, 1>{});
}

}  // namespace detail

/// Largest element of each window. A window that lies in the padding entirely gives the lowest finite value.
template <class T, class X, class E, class Device>
void max_pool2d(Device& device, const kernel::pool2d_dims& d, const X& x, const E& epilogue) {
  detail::pool<detail::pooling::max>(device, d, x, detail::no_operand<T>{}, epilogue);
}
/// Gradient of max_pool2d with respect to x: `dy` (one row per output image row) at the first largest element of each window;
/// every input element reaches the epilogue once.
template <class T, class X, class DY, class E, class Device>
void max_pool2d_grad(Device& device, const kernel::pool2d_dims& d, const X& x, const DY& dy, const E& epilogue) {
  detail::pool<detail::pooling::max_grad>(device, d, x, dy, epilogue);
}
/// Mean of the elements of each window that lie inside of the image (0 if there are none).
template <class T, class X, class E, class Device>
void avg_pool2d(Device& device, const kernel::pool2d_dims& d, const X& x, const E& epilogue) {
  detail::pool<detail::pooling::average>(device, d, x, detail::no_operand<T>{}, epilogue);
}
/// Gradient of avg_pool2d with respect to its input: each element of a window gets its share of `dy`.
template <class T, class DY, class E, class Device>
void avg_pool2d_grad(Device& device, const kernel::pool2d_dims& d, const DY& dy, const E& epilogue) {
  detail::pool<detail::pooling::average_grad>(device, d, detail::no_operand<T>{}, dy, epilogue);
}

}  // namespace rill::cuda

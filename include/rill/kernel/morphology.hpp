// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Kernels of ops/morphology.hpp: one walk over the windows that finds the extremum and the pair of elements it comes from.
/// half and bfloat16 are computed in float, integers in 64 bits. Results are the same for any number of threads.

#include <algorithm>
#include <limits>

#include "../ops/morphology.hpp"
#include "reduce_window.hpp"

namespace rill::kernel {

/// The sum of two elements; integers wrap.
template <class T>
constexpr T dilated(T x, T w) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<std::uint64_t>(x) + static_cast<std::uint64_t>(w));
  else return x + w;
}

/// Calls f(number of the result, extremum, offset in the image, offset in the filter) for the results of images [begin,
/// end), in order; the offsets are -1 where the window lies in the padding entirely.
template <class T, class F>
void for_each_dilation(const attributes& at, const tensor_shape& xs, const tensor_shape& ws, const tensor_shape& ys, const T* x,
                       const T* w, std::int64_t begin, std::int64_t end, const F& f) {
  const std::int64_t height = xs[1], width = xs[2], channels = xs[3];
  for (std::int64_t row = begin * ys[1]; row < end * ys[1]; ++row)
    for (std::int64_t ox = 0; ox < ys[2]; ++ox) {
      const std::int64_t top = row % ys[1] * at.i[0] - at.i[4], left = ox * at.i[1] - at.i[5], b = row / ys[1];
      for (std::int64_t c = 0; c < channels; ++c) {
        T best = std::numeric_limits<T>::lowest();
        std::int64_t from = -1, by = -1;
        for (std::int64_t ky = 0; ky < ws[0]; ++ky) {
          const std::int64_t iy = top + ky * at.i[2];
          if (iy < 0 || iy >= height) continue;
          for (std::int64_t kx = 0; kx < ws[1]; ++kx) {
            const std::int64_t ix = left + kx * at.i[3];
            if (ix < 0 || ix >= width) continue;
            const std::int64_t p = ((b * height + iy) * width + ix) * channels + c, q = (ky * ws[1] + kx) * channels + c;
            const T v = dilated(x[p], w[q]);
            if (from < 0 || v > best) best = v, from = p, by = q;
          }
        }
        f((row * ys[2] + ox) * channels + c, best, from, by);
      }
    }
}
/// The same for all images, several at a time; f may write to its own image's elements only.
template <class T, class F>
void for_each_dilation_parallel(const attributes& at, const operand_memory* in, const tensor_shape& ys, const F& f) {
  const std::int64_t images = in[0].shape[0];
  if (ys.num_elements() == 0) return;
  const std::int64_t work = ys.num_elements() / images * in[1].shape[0] * in[1].shape[1];
  parallel_for(images, 30'000 / (work + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    for_each_dilation<T>(at, in[0].shape, in[1].shape, ys, in[0].as<T>(), in[1].as<T>(), begin, end, f);
  });
}

}  // namespace rill::kernel

namespace rill::ops {

template <class>
void dilation2d_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::with_wide(in, 2, out, [&]<class T>(std::type_identity<T>, const operand_memory* x, const result_memory& y) {
    T* const to = y.template as<T>();
    kernel::for_each_dilation_parallel<T>(at, x, y.shape, [to](std::int64_t q, T best, std::int64_t, std::int64_t) { to[q] = best; });
  });
}
template <bool ToImage>
template <class>
void dilation_scatter_op<ToImage>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::with_wide(in, 3, out, [&]<class T>(std::type_identity<T>, const operand_memory* x, const result_memory& y) {
    if constexpr (std::is_floating_point_v<T>) {  // integers have no gradient
      T* const to = y.template as<T>();
      const T* const dy = x[2].as<T>();
      std::fill_n(to, y.size(), T(0));
      const auto add = [to, dy](std::int64_t q, T, std::int64_t from, std::int64_t by) {
        if (from >= 0) to[ToImage ? from : by] += dy[q];
      };
      if constexpr (ToImage) kernel::for_each_dilation_parallel<T>(at, x, x[2].shape, add);
      else if (x[2].size() > 0)  // all images add to one filter
        kernel::for_each_dilation<T>(at, x[0].shape, x[1].shape, x[2].shape, x[0].as<T>(), x[1].as<T>(), 0, x[0].shape[0], add);
    }
  });
}
template <bool FromImage>
template <class>
void dilation_gather_op<FromImage>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::with_wide(in, 3, out, [&]<class T>(std::type_identity<T>, const operand_memory* x, const result_memory& y) {
    if constexpr (std::is_floating_point_v<T>) {
      T* const to = y.template as<T>();
      const T* const values = x[2].as<T>();
      kernel::for_each_dilation_parallel<T>(at, x, y.shape, [to, values](std::int64_t q, T, std::int64_t from, std::int64_t by) {
        to[q] = from < 0 ? T(0) : values[FromImage ? from : by];
      });
    }
  });
}

}  // namespace rill::ops

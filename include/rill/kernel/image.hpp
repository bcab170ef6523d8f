// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Kernels of ops/image.hpp. A resize is a product with a matrix of few elements a row on either side: these are listed
/// once per axis. Rows of results run in parallel, gradients image by image, so that sums are always in the same order.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "../core/error.hpp"
#include "../ops/image.hpp"
#include "indexing.hpp"
#include "scratch.hpp"

namespace rill::kernel {

namespace detail {

/// One element that a result is made of.
template <class T>
struct tap {
  std::int64_t index;
  T weight;
};
/// How many taps an element of a result has at most.
inline std::int64_t taps_of(resize_method m, const resample_axis& a) {
  switch (m) {
    case resize_method::nearest_neighbor: return 1;
    case resize_method::bilinear: return 2;
    case resize_method::bicubic: return 4;
    default: return static_cast<std::int64_t>(std::ceil(a.step)) + 1;
  }
}
/// Keys' cubic at a distance.
inline double keys(double d, double a) {
  d = std::fabs(d);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? a * (((d - 5) * d + 8) * d - 4) : 0;
}
/// The taps of `out` elements of an axis of `in`, as many for each; those not needed have weight 0.
template <class T>
void list_taps(const resample_options& o, const resample_axis& a, std::int64_t in, std::int64_t out, tap<T>* to) {
  const std::int64_t count = taps_of(o.method, a);
  const auto inside = [&](double k) { return static_cast<std::int64_t>(std::clamp(k, 0.0, static_cast<double>(in - 1))); };
  for (std::int64_t i = 0; i < out; ++i, to += count) {
    const float stepped = (static_cast<float>(i) + (o.from_middles ? 0.5F : 0.0F)) * static_cast<float>(a.step);
    const auto at = static_cast<double>(stepped + static_cast<float>(a.start));
    const double low = std::floor(at), t = at - low;
    switch (o.method) {
      case resize_method::nearest_neighbor:
        *to = {inside(o.rounding == resample_rounding::down      ? low
                      : o.rounding == resample_rounding::up      ? std::ceil(at)
                      : o.rounding == resample_rounding::half_up ? low + (t >= 0.5 ? 1 : 0)
                                                                 : low + (t > 0.5 ? 1 : 0)),
               T(1)};
        break;
      case resize_method::bilinear:
        to[0] = {inside(low), static_cast<T>(1 - t)};
        to[1] = {inside(low + 1), static_cast<T>(t)};
        break;
      case resize_method::bicubic: {
        double weights[4], sum = 0;
        for (int k = 0; k < 4; ++k) {
          const double place = low - 1 + k;
          weights[k] = o.exclude_outside && (place < 0 || place > static_cast<double>(in - 1)) ? 0 : keys(at - place, o.cubic);
          sum += weights[k];
        }
        for (int k = 0; k < 4; ++k) to[k] = {inside(low - 1 + k), static_cast<T>(o.exclude_outside && sum != 0 ? weights[k] / sum : weights[k])};
        break;
      }
      default:
        for (std::int64_t k = 0; k < count; ++k) {
          const double place = low + static_cast<double>(k), part = std::min(at + a.step, place + 1) - std::max(at, place);
          to[k] = {inside(place), static_cast<T>(part > 0 ? part / a.step : 0)};
        }
    }
  }
}
/// The taps of both axes, in scratch memory.
template <class T>
struct resample_taps {
  std::int64_t down, across;
  scratch_lease memory;
  tap<T>*rows, *columns;
  resample_taps(const resample_options& o, const tensor_shape& x, std::int64_t height, std::int64_t width)
      : down(taps_of(o.method, o.rows)), across(taps_of(o.method, o.columns)),
        memory(static_cast<std::size_t>(height * down + width * across) * sizeof(tap<T>)),
        rows(reinterpret_cast<tap<T>*>(memory.data())), columns(rows + height * down) {
    list_taps(o, o.rows, x[1], height, rows);
    list_taps(o, o.columns, x[2], width, columns);
  }
};

/// y[k] += weight * x[k].
template <class T>
void add_scaled(T* __restrict y, const T* __restrict x, T weight, std::int64_t n) {
  for (std::int64_t k = 0; k < n; ++k) y[k] += weight * x[k];
}

template <class T>
void resample(const resample_options& o, const operand_memory& in, const result_memory& out) {
  const std::int64_t height = out.shape[1], width = out.shape[2], channels = out.shape[3], line = in.shape[2] * channels;
  const resample_taps<T> taps(o, in.shape, height, width);
  const T* const x = in.as<T>();
  T* const y = out.as<T>();
  parallel_for(out.shape[0] * height, 16384 / (line + width * channels) + 1, [&](std::int64_t begin, std::int64_t end) {
    const scratch_lease lease(static_cast<std::size_t>(line) * sizeof(T));
    T* const row = reinterpret_cast<T*>(lease.data());
    for (std::int64_t r = begin; r < end; ++r) {
      const T* const image = x + r / height * in.shape[1] * line;
      std::fill_n(row, line, T(0));
      for (std::int64_t k = 0; k < taps.down; ++k)
        if (const auto& t = taps.rows[r % height * taps.down + k]; t.weight != 0) add_scaled(row, image + t.index * line, t.weight, line);
      T* const to = y + r * width * channels;
      std::fill_n(to, width * channels, T(0));
      for (std::int64_t c = 0; c < width; ++c)
        for (std::int64_t k = 0; k < taps.across; ++k)
          if (const auto& t = taps.columns[c * taps.across + k]; t.weight != 0) add_scaled(to + c * channels, row + t.index * channels, t.weight, channels);
    }
  });
}
/// dx += the transposed sums of dy.
template <class T>
void resample_grad(const resample_options& o, const operand_memory& in, const result_memory& out) {
  const std::int64_t height = in.shape[1], width = in.shape[2], channels = in.shape[3], line = out.shape[2] * channels;
  const resample_taps<T> taps(o, out.shape, height, width);
  parallel_for(out.shape[0], 1, [&](std::int64_t begin, std::int64_t end) {
    const scratch_lease lease(static_cast<std::size_t>(line) * sizeof(T));
    T* const row = reinterpret_cast<T*>(lease.data());
    for (std::int64_t n = begin; n < end; ++n) {
      T* const dx = out.as<T>() + n * out.shape[1] * line;
      std::fill_n(dx, out.shape[1] * line, T(0));
      for (std::int64_t r = 0; r < height; ++r) {
        const T* const dy = in.as<T>() + (n * height + r) * width * channels;
        std::fill_n(row, line, T(0));
        for (std::int64_t c = 0; c < width; ++c)
          for (std::int64_t k = 0; k < taps.across; ++k)
            if (const auto& t = taps.columns[c * taps.across + k]; t.weight != 0) add_scaled(row + t.index * channels, dy + c * channels, t.weight, channels);
        for (std::int64_t k = 0; k < taps.down; ++k)
          if (const auto& t = taps.rows[r * taps.down + k]; t.weight != 0) add_scaled(dx + t.index * line, row, t.weight, line);
      }
    }
  });
}
/// Whole pixels, whatever they are made of.
inline void copy_nearest(const resample_options& o, const operand_memory& in, const result_memory& out) {
  const std::int64_t height = out.shape[1], width = out.shape[2], pixel = out.shape[3] * static_cast<std::int64_t>(size_of(out.type));
  const resample_taps<float> taps(o, in.shape, height, width);
  parallel_for(out.shape[0] * height, 65536 / (width * pixel) + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const unsigned char* const from = in.as<unsigned char>() + (r / height * in.shape[1] + taps.rows[r % height].index) * in.shape[2] * pixel;
      unsigned char* const to = out.as<unsigned char>() + r * width * pixel;
      for (std::int64_t c = 0; c < width; ++c) std::memcpy(to + c * pixel, from + taps.columns[c].index * pixel, static_cast<std::size_t>(pixel));
    }
  });
}

/// Where the elements of one axis of a crop lie: element i at start + i * step.
template <class T>
struct crop_axis {
  T start, step, share;  ///< share: what a step moves by when the box's end moves, in parts of the axis
  T last;
  crop_axis(T from, T to, std::int64_t crop, std::int64_t extent) : last(static_cast<T>(extent - 1)) {
    share = crop > 1 ? T(1) / static_cast<T>(crop - 1) : T(0);
    step = (to - from) * last * share;
    start = crop > 1 ? from * last : T(0.5) * (from + to) * last;
  }
  [[nodiscard]] T at(std::int64_t i) const { return start + static_cast<T>(i) * step; }
  [[nodiscard]] bool inside(T v) const { return v >= 0 && v <= last; }
  /// How element i moves with the box's beginning and end.
  [[nodiscard]] T by_begin(std::int64_t i) const { return last * (share > 0 ? 1 - static_cast<T>(i) * share : T(0.5)); }
  [[nodiscard]] T by_end(std::int64_t i) const { return last * (share > 0 ? static_cast<T>(i) * share : T(0.5)); }
};
/// Calls inner(element of the crop, offsets of its four neighbours, dy, dx, row, column) for those inside of the image, and
/// outer(element of the crop) for the others.
template <class T, class F, class G>
void walk_crop(const T* box, const tensor_shape& images, std::int64_t height, std::int64_t width, bool nearest, const F& inner, const G& outer) {
  const crop_axis<T> down(box[0], box[2], height, images[1]), across(box[1], box[3], width, images[2]);
  for (std::int64_t r = 0; r < height; ++r)
    for (std::int64_t c = 0; c < width; ++c) {
      T y = down.at(r), x = across.at(c);
      if (!down.inside(y) || !across.inside(x)) {
        outer(r * width + c);
        continue;
      }
      if (nearest) y = std::round(y), x = std::round(x);
      const auto top = static_cast<std::int64_t>(std::floor(y)), left = static_cast<std::int64_t>(std::floor(x));
      const auto bottom = static_cast<std::int64_t>(std::ceil(y)), right = static_cast<std::int64_t>(std::ceil(x));
      const std::int64_t corners[4] = {top * images[2] + left, top * images[2] + right, bottom * images[2] + left, bottom * images[2] + right};
      inner(r * width + c, corners, y - static_cast<T>(top), x - static_cast<T>(left), down, across, r, c);
    }
}
/// The image that a box is cut from.
inline std::int64_t image_of(const operand_memory& indices, std::int64_t box, std::int64_t images) {
  const std::int64_t k = index_at(indices, box);
  if (k < 0 || k >= images)
    throw out_of_range("CropAndResize: box_indices[" + std::to_string(box) + "] = " + std::to_string(k) + " is not in [0, " + std::to_string(images) + ")");
  return k;
}

template <class T>
void crop_and_resize(const attributes& at, const operand_memory* in, const result_memory& out) {
  const tensor_shape& s = in[0].shape;
  const std::int64_t height = out.shape[1], width = out.shape[2], channels = s[3];
  for (std::int64_t b = 0; b < out.shape[0]; ++b) image_of(in[2], b, s[0]);
  parallel_for(out.shape[0], 16384 / (height * width * channels + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const T* const image = in[0].as<T>() + index_at(in[2], b) * s[1] * s[2] * channels;
      T* const to = out.as<T>() + b * height * width * channels;
      walk_crop(
          in[1].as<T>() + 4 * b, s, height, width, at.i[2] == 1,
          [&](std::int64_t e, const std::int64_t* corners, T y, T x, const auto&...) {
            for (std::int64_t k = 0; k < channels; ++k) {
              const auto v = [&](int n) { return image[corners[n] * channels + k]; };
              const T top = v(0) + (v(1) - v(0)) * x, bottom = v(2) + (v(3) - v(2)) * x;
              to[e * channels + k] = top + (bottom - top) * y;
            }
          },
          [&](std::int64_t e) { std::fill_n(to + e * channels, channels, static_cast<T>(at.f[0])); });
    }
  });
}
template <class T>
void crop_and_resize_grad_image(const attributes& at, const operand_memory* in, const result_memory& out) {
  const tensor_shape& s = out.shape;
  const std::int64_t height = at.i[0], width = at.i[1], channels = s[3], boxes = in[2].shape[0], size = s[1] * s[2] * channels;
  parallel_for(s[0], 1, [&](std::int64_t begin, std::int64_t end) {
    std::fill_n(out.as<T>() + begin * size, (end - begin) * size, T(0));
    for (std::int64_t b = 0; b < boxes; ++b) {
      const std::int64_t n = index_at(in[3], b);
      if (n < begin || n >= end) continue;
      T* const image = out.as<T>() + n * size;
      const T* const dy = in[0].as<T>() + b * height * width * channels;
      walk_crop(
          in[2].as<T>() + 4 * b, s, height, width, at.i[2] == 1,
          [&](std::int64_t e, const std::int64_t* corners, T y, T x, const auto&...) {
            const T weights[4] = {(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x};
            for (int n4 = 0; n4 < 4; ++n4) add_scaled(image + corners[n4] * channels, dy + e * channels, weights[n4], channels);
          },
          [](std::int64_t) {});
    }
  });
}
template <class T>
void crop_and_resize_grad_boxes(const attributes& at, const operand_memory* in, const result_memory& out) {
  const tensor_shape& s = in[1].shape;
  const std::int64_t height = at.i[0], width = at.i[1], channels = s[3];
  parallel_for(out.shape[0], 16384 / (height * width * channels + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const T* const image = in[1].as<T>() + index_at(in[3], b) * s[1] * s[2] * channels;
      const T* const dy = in[0].as<T>() + b * height * width * channels;
      T sums[4] = {};
      walk_crop(
          in[2].as<T>() + 4 * b, s, height, width, false,
          [&](std::int64_t e, const std::int64_t* corners, T y, T x, const crop_axis<T>& down, const crop_axis<T>& across, std::int64_t r, std::int64_t c) {
            T by_y = 0, by_x = 0;
            for (std::int64_t k = 0; k < channels; ++k) {
              const auto v = [&](int n) { return image[corners[n] * channels + k]; };
              by_y += dy[e * channels + k] * ((1 - x) * (v(2) - v(0)) + x * (v(3) - v(1)));
              by_x += dy[e * channels + k] * ((1 - y) * (v(1) - v(0)) + y * (v(3) - v(2)));
            }
            sums[0] += by_y * down.by_begin(r), sums[1] += by_x * across.by_begin(c);
            sums[2] += by_y * down.by_end(r), sums[3] += by_x * across.by_end(c);
          },
          [](std::int64_t) {});
      std::copy_n(sums, 4, out.as<T>() + 4 * b);
    }
  });
}

/// f(T()) for the dtype of pixels.
template <class F>
void with_pixels(const char* op, dtype type, const F& f) {
  if (type == dtype::float32) return f(float());
  if (type == dtype::float64) return f(double());
  throw unimplemented(std::string(op) + ": cast " + std::string(name_of(type)) + " to float32");
}

}  // namespace detail

}  // namespace rill::kernel

namespace rill::ops {

template <class>
void resample_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const resample_options o = resample_attributes::options(at);
  if (out.size() == 0) return;
  if (o.method == resize_method::nearest_neighbor) return kernel::detail::copy_nearest(o, in[0], out);
  kernel::detail::with_pixels(name, out.type, [&]<class T>(T) { kernel::detail::resample<T>(o, in[0], out); });
}
template <class>
void resample_grad_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if (out.size() == 0) return;
  kernel::detail::with_pixels(name, out.type, [&]<class T>(T) { kernel::detail::resample_grad<T>(resample_attributes::options(at), in[0], out); });
}
template <class>
void crop_and_resize_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::with_pixels(name, out.type, [&]<class T>(T) { kernel::detail::crop_and_resize<T>(at, in, out); });
}
template <class>
void crop_and_resize_grad_image_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::with_pixels(name, out.type, [&]<class T>(T) { kernel::detail::crop_and_resize_grad_image<T>(at, in, out); });
}
template <class>
void crop_and_resize_grad_boxes_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::with_pixels(name, out.type, [&]<class T>(T) { kernel::detail::crop_and_resize_grad_boxes<T>(at, in, out); });
}

}  // namespace rill::ops

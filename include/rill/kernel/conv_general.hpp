// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The kernel of the general convolution. Whatever the order of dimensions and groups, it is one problem with strides:
///
///   out[g, b, o, y..] = sum over c, k.. of lhs[g, b, c, y * stride + k * dilation - before ..] * rhs[g, o, c, k..]
///
/// What is a convolution over one or two axes of channels-last images, or one of its gradients (a transposed convolution is
/// one, too), goes through convolution.hpp, and through depthwise.hpp where every channel is a group. For the rest a group's
/// windows are gathered into the rows of a matrix, some hundred kilobytes at a time, and multiplied with its filter by the
/// packed product; many small groups that lie next to each other run side by side instead, with the group as the innermost
/// loop. half and bfloat16 are computed in float, integers modulo 2^64.

#include <cstring>
#include <vector>

#include "../ops/conv_general.hpp"
#include "depthwise.hpp"
#include "matmul.hpp"
#include "movement.hpp"
#include "parallel.hpp"

namespace rill::kernel::detail {

/// Sizes and strides (in elements) of one convolution; unused spatial axes have extent 1.
struct conv_problem {
  static constexpr int axes = ops::max_spatial;
  struct walk {
    std::int64_t group = 0, outer = 0, feature = 0, spatial[axes] = {};  ///< outer: batch; of the rhs: output feature
  };
  std::int64_t groups = 1, batch = 1, features = 1, outputs = 1;
  std::int64_t in[axes], window[axes], out[axes], stride[axes], base[axes], dilation[axes], before[axes];
  walk lhs, rhs, to;
  std::int64_t rhs_start = 0;

  [[nodiscard]] std::int64_t positions() const { return out[0] * out[1] * out[2] * out[3]; }
  [[nodiscard]] std::int64_t taps() const { return window[0] * window[1] * window[2] * window[3]; }
};

template <class = void>
conv_problem plan_conv(const attributes& at, const tensor_shape& x, const tensor_shape& w, const tensor_shape& y) {
  const ops::conv_geometry g = ops::conv_geometry::unpack(at);
  const auto walk_of = [&](const tensor_shape& s, const int* axis, bool group_in_outer, std::int64_t& outer, std::int64_t& feature) {
    std::int64_t step[max_rank] = {}, n = 1;
    for (int d = s.rank() - 1; d >= 0; --d) step[d] = n, n *= s[d];
    conv_problem::walk r;
    r.outer = step[axis[0]], r.feature = step[axis[1]];
    outer = s[axis[0]] / (group_in_outer ? g.groups : 1), feature = s[axis[1]] / (group_in_outer ? 1 : g.groups);
    r.group = group_in_outer ? outer * r.outer : feature * r.feature;
    for (int k = 0; k < g.spatial; ++k) r.spatial[conv_problem::axes - g.spatial + k] = step[axis[2 + k]];
    return r;
  };
  conv_problem p;
  p.groups = g.groups;
  std::int64_t unused = 0;
  p.lhs = walk_of(x, g.lhs, g.lhs_group_batch, p.batch, p.features);
  p.rhs = walk_of(w, g.rhs, !g.rhs_group_in, p.outputs, p.features);
  p.to = walk_of(y, g.out, g.out_group_batch, p.batch, unused);
  for (int d = 0; d < conv_problem::axes; ++d) {
    const int k = d - (conv_problem::axes - g.spatial);
    const bool used = k >= 0;
    p.in[d] = used ? x[g.lhs[2 + k]] : 1, p.window[d] = used ? w[g.rhs[2 + k]] : 1, p.out[d] = used ? y[g.out[2 + k]] : 1;
    p.stride[d] = used ? g.stride[k] : 1, p.base[d] = used ? g.lhs_dilation[k] : 1, p.dilation[d] = used ? g.rhs_dilation[k] : 1;
    p.before[d] = used ? g.before[k] : 0;
    if (g.reversed && used) {
      p.rhs_start += (p.window[d] - 1) * p.rhs.spatial[d];
      p.rhs.spatial[d] = -p.rhs.spatial[d];
    }
  }
  return p;
}

/// Where window tap k of output position o lies in the input; -1 in the padding or in a hole.
inline std::int64_t conv_source(const conv_problem& p, int d, std::int64_t o, std::int64_t k) {
  std::int64_t i = o * p.stride[d] + k * p.dilation[d] - p.before[d];
  if (i < 0) return -1;
  if (p.base[d] != 1) {
    if (i % p.base[d] != 0) return -1;
    i /= p.base[d];
  }
  return i < p.in[d] ? i : -1;
}
/// Row-major coordinates of a number.
inline void conv_position(std::int64_t index, const std::int64_t* extents, std::int64_t* to) {
  for (int d = conv_problem::axes - 1; d >= 0; --d) to[d] = index % extents[d], index /= extents[d];
}
/// Calls f(tap number, offset of its input, offset of its filter element) for the taps of output position o that lie inside.
template <class F>
void for_each_tap(const conv_problem& p, const std::int64_t* o, F&& f) {
  std::int64_t tap = 0;
  for (std::int64_t a = 0; a < p.window[0]; ++a) {
    const std::int64_t i0 = conv_source(p, 0, o[0], a);
    if (i0 < 0) {
      tap += p.window[1] * p.window[2] * p.window[3];
      continue;
    }
    for (std::int64_t b = 0; b < p.window[1]; ++b) {
      const std::int64_t i1 = conv_source(p, 1, o[1], b);
      if (i1 < 0) {
        tap += p.window[2] * p.window[3];
        continue;
      }
      for (std::int64_t c = 0; c < p.window[2]; ++c) {
        const std::int64_t i2 = conv_source(p, 2, o[2], c);
        if (i2 < 0) {
          tap += p.window[3];
          continue;
        }
        const std::int64_t from = i0 * p.lhs.spatial[0] + i1 * p.lhs.spatial[1] + i2 * p.lhs.spatial[2];
        const std::int64_t by = a * p.rhs.spatial[0] + b * p.rhs.spatial[1] + c * p.rhs.spatial[2];
        for (std::int64_t e = 0; e < p.window[3]; ++e, ++tap) {
          const std::int64_t i3 = conv_source(p, 3, o[3], e);
          if (i3 >= 0) f(tap, from + i3 * p.lhs.spatial[3], by + e * p.rhs.spatial[3]);
        }
      }
    }
  }
}

/// c [m, n] = a [m, k] b [k, n], all in rows without gaps but c, whose rows are ld apart.
template <class T>
void conv_product(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, const T* b, T* c, std::int64_t ld) {
  if constexpr (std::is_floating_point_v<T>) {
    if (m * n * k > 256) {
      const plain_operand<T> x{a, k}, y{b, n};
      const store_epilogue<T> to{c, ld};
      multiply<T>({m, n, k, false, false, operand_ref<T>::of(x), operand_ref<T>::of(y), tile_sink<T>::of(to)});
      return;
    }
  }
  for (std::int64_t i = 0; i < m; ++i) {
    T* const row = c + i * ld;
    for (std::int64_t j = 0; j < n; ++j) row[j] = 0;
    for (std::int64_t l = 0; l < k; ++l) {
      const T v = a[i * k + l];
      for (std::int64_t j = 0; j < n; ++j) row[j] += v * b[l * n + j];
    }
  }
}

/// Windows gathered into a matrix and multiplied, group by group.
template <class T>
void conv_by_product(const conv_problem& p, const T* lhs, const T* rhs, T* out) {
  const std::int64_t positions = p.positions(), taps = p.taps(), depth = taps * p.features, rows = p.batch * positions;
  constexpr std::int64_t patch = 1 << 18;  // elements
  const std::int64_t chunk = std::max<std::int64_t>(1, std::min<std::int64_t>(rows, std::max<std::int64_t>(4, patch / std::max<std::int64_t>(1, depth))));
  const std::int64_t chunks = (rows + chunk - 1) / chunk;
  // rows of the result lie at equal distances when its spatial axes and its batch follow each other
  bool even = p.to.feature == 1 || p.outputs == 1;
  const std::int64_t ld = p.to.spatial[3] != 0 ? p.to.spatial[3] : p.outputs;
  std::int64_t step = ld;
  for (int d = conv_problem::axes - 1; d >= 0; --d) {
    if (p.out[d] > 1) even = even && p.to.spatial[d] == step;
    step *= p.out[d];
  }
  if (p.batch > 1) even = even && p.to.outer == step;
  even = even && ld >= p.outputs;
  // all filters as matrices [group][tap, feature][output]
  std::vector<T> filters(static_cast<std::size_t>(p.groups * depth * p.outputs));
  const std::int64_t filter_size = depth * p.outputs;
  parallel_for(p.groups * taps, 65536 / (p.features * p.outputs + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      std::int64_t tap[conv_problem::axes];
      conv_position(k % taps, p.window, tap);
      const T* from = rhs + p.rhs_start + k / taps * p.rhs.group;
      for (int d = 0; d < conv_problem::axes; ++d) from += tap[d] * p.rhs.spatial[d];
      T* to = filters.data() + k / taps * filter_size + k % taps * p.features * p.outputs;
      for (std::int64_t c = 0; c < p.features; ++c)
        for (std::int64_t o = 0; o < p.outputs; ++o) *to++ = from[c * p.rhs.feature + o * p.rhs.outer];
    }
  });
  const std::int64_t work = chunk * depth * (p.outputs + 8);
  parallel_for(p.groups * chunks, 200000 / (work + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> windows(static_cast<std::size_t>(chunk * depth)), result(even ? 0 : static_cast<std::size_t>(chunk * p.outputs));
    for (std::int64_t q = begin; q < end; ++q) {
      const std::int64_t g = q / chunks, first = q % chunks * chunk, n = std::min(chunk, rows - first);
      std::fill(windows.begin(), windows.end(), T(0));
      for (std::int64_t r = 0; r < n; ++r) {
        std::int64_t o[conv_problem::axes];
        conv_position((first + r) % positions, p.out, o);
        const T* const from = lhs + g * p.lhs.group + (first + r) / positions * p.lhs.outer;
        T* const row = windows.data() + r * depth;
        for_each_tap(p, o, [&](std::int64_t tap, std::int64_t offset, std::int64_t) {
          T* const to = row + tap * p.features;
          if (p.lhs.feature == 1)
            for (std::int64_t c = 0; c < p.features; ++c) to[c] = from[offset + c];
          else
            for (std::int64_t c = 0; c < p.features; ++c) to[c] = from[offset + c * p.lhs.feature];
        });
      }
      const T* const filter = filters.data() + g * filter_size;
      T* const group_out = out + g * p.to.group;
      if (even) {
        conv_product(n, p.outputs, depth, windows.data(), filter, group_out + first * ld, ld);
        continue;
      }
      conv_product(n, p.outputs, depth, windows.data(), filter, result.data(), p.outputs);
      for (std::int64_t r = 0; r < n; ++r) {
        std::int64_t o[conv_problem::axes];
        conv_position((first + r) % positions, p.out, o);
        T* to = group_out + (first + r) / positions * p.to.outer;
        for (int d = 0; d < conv_problem::axes; ++d) to += o[d] * p.to.spatial[d];
        for (std::int64_t k = 0; k < p.outputs; ++k) to[k * p.to.feature] = result[static_cast<std::size_t>(r * p.outputs + k)];
      }
    }
  });
}

/// Groups side by side: for each output and each tap, one loop over neighbouring groups.
template <class T>
void conv_by_groups(const conv_problem& p, const T* lhs, const T* rhs, T* out) {
  constexpr std::int64_t lanes = 128;
  const std::int64_t positions = p.positions(), rows = p.batch * positions;
  const std::int64_t work = p.taps() * p.features * p.outputs * p.groups;
  parallel_for(rows, 100000 / (work + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      std::int64_t o[conv_problem::axes];
      conv_position(r % positions, p.out, o);
      T* to = out + r / positions * p.to.outer;
      for (int d = 0; d < conv_problem::axes; ++d) to += o[d] * p.to.spatial[d];
      const T* const from = lhs + r / positions * p.lhs.outer;
      for (std::int64_t g = 0; g < p.groups; g += lanes) {
        const std::int64_t n = std::min(lanes, p.groups - g);
        for (std::int64_t k = 0; k < p.outputs; ++k) {
          T sum[lanes];
          for (std::int64_t j = 0; j < n; ++j) sum[j] = 0;
          for_each_tap(p, o, [&](std::int64_t, std::int64_t offset, std::int64_t by) {
            for (std::int64_t c = 0; c < p.features; ++c) {
              const T* const x = from + offset + c * p.lhs.feature + g * p.lhs.group;
              const T* const w = rhs + p.rhs_start + by + c * p.rhs.feature + k * p.rhs.outer + g * p.rhs.group;
              if (p.lhs.group == 1 && p.rhs.group == 1)
                for (std::int64_t j = 0; j < n; ++j) sum[j] += x[j] * w[j];
              else
                for (std::int64_t j = 0; j < n; ++j) sum[j] += x[j * p.lhs.group] * w[j * p.rhs.group];
            }
          });
          for (std::int64_t j = 0; j < n; ++j) to[(g + j) * p.to.group + k * p.to.feature] = sum[j];
        }
      }
    }
  });
}

/// Which kernel of channels-last images does it, and with which sizes.
struct image_conv {
  enum { none, forward, input_gradient, filter_gradient } kind = none;
  bool depthwise = false;
  conv2d_dims d{};
};
template <class = void>
image_conv as_image_conv(const attributes& at, const tensor_shape& x, const tensor_shape& w, const tensor_shape& y) {
  const ops::conv_geometry g = ops::conv_geometry::unpack(at);
  const int n = g.spatial;
  if (n > 2) return {};
  const auto axes = [&](const int* a, int first, int second, int rest) {
    bool same = a[0] == first && a[1] == second;
    for (int k = 0; k < n; ++k) same = same && a[2 + k] == rest + k;
    return same;
  };
  const auto ones = [&](const std::int64_t* v) { return v[0] == 1 && (n == 1 || v[1] == 1); };
  const bool images = axes(g.lhs, 0, n + 1, 1) && axes(g.out, 0, n + 1, 1);
  image_conv r;
  if (!g.reversed && images && axes(g.rhs, n + 1, n, 0) && ones(g.lhs_dilation) && ones(g.rhs_dilation)) r.kind = image_conv::forward;
  else if (g.reversed && images && axes(g.rhs, n, n + 1, 0) && ones(g.stride) && ones(g.rhs_dilation)) r.kind = image_conv::input_gradient;
  else if (!g.reversed && axes(g.lhs, n + 1, 0, 1) && axes(g.rhs, n + 1, 0, 1) && axes(g.out, n, n + 1, 0) && ones(g.stride) && ones(g.lhs_dilation))
    r.kind = image_conv::filter_gradient;
  else return {};
  const tensor_shape& in = r.kind == image_conv::input_gradient ? y : x;
  const tensor_shape& out = r.kind == image_conv::forward ? y : r.kind == image_conv::input_gradient ? x : w;
  const tensor_shape& filter = r.kind == image_conv::filter_gradient ? y : w;
  const std::int64_t* const stride = r.kind == image_conv::forward ? g.stride : r.kind == image_conv::input_gradient ? g.lhs_dilation : g.rhs_dilation;
  const auto along = [&](int k, std::int64_t& size, std::int64_t& window, std::int64_t& results, std::int64_t& step, std::int64_t& before) {
    size = in[1 + k], window = filter[k], results = out[1 + k], step = stride[k];
    before = r.kind == image_conv::input_gradient ? window - 1 - g.before[k] : g.before[k];
    if (before < 0 || before >= window) r.kind = image_conv::none;
  };
  conv2d_dims& d = r.d;
  d.direct = g.direct;
  d.batch = in[0], d.in_c = in[n + 1], d.out_c = out[n + 1];
  d.in_h = d.k_h = d.out_h = d.stride_h = 1;
  if (n == 2) along(0, d.in_h, d.k_h, d.out_h, d.stride_h, d.pad_top);
  along(n - 1, d.in_w, d.k_w, d.out_w, d.stride_w, d.pad_left);
  r.depthwise = g.groups > 1;
  // Groups of channels, not of the batch.
  const bool of_channels = !g.out_group_batch && g.lhs_group_batch == (r.kind == image_conv::filter_gradient) &&
                           g.rhs_group_in == (r.kind == image_conv::input_gradient);
  if (r.depthwise && (!of_channels || g.groups != d.in_c || g.groups != d.out_c || d.k_h * d.k_w > depthwise_taps)) r.kind = image_conv::none;
  return r;
}
template <class T>
void convolve_images(const image_conv& c, const T* lhs, const T* rhs, T* out) {
  const conv2d_dims& d = c.d;
  if (c.depthwise) {
    if (c.kind == image_conv::forward) depthwise_conv2d(d, lhs, rhs, out);
    else if (c.kind == image_conv::input_gradient) depthwise_conv2d_backprop_input(d, lhs, rhs, out);
    else depthwise_conv2d_backprop_filter(d, lhs, rhs, out);
    return;
  }
  const plain_operand<T> image{lhs, c.kind == image_conv::input_gradient ? d.out_w * d.out_c : d.in_w * d.in_c};
  const plain_operand<T> other{rhs, c.kind == image_conv::filter_gradient ? d.out_w * d.out_c : d.out_c};
  const store_epilogue<T> to{out, c.kind == image_conv::input_gradient ? d.in_c : d.out_c};
  if (c.kind == image_conv::forward) conv2d<T>(d, image, other, to);
  else if (c.kind == image_conv::input_gradient) conv2d_backprop_input<T>(d, image, other, to);
  else conv2d_backprop_filter<T>(d, image, other, to);
}

template <class T>
void convolve_general(const conv_problem& p, const T* lhs, const T* rhs, T* out) {
  if (p.groups > 1 && p.lhs.group <= 8 && p.rhs.group <= 8) conv_by_groups(p, lhs, rhs, out);
  else conv_by_product(p, lhs, rhs, out);
}
/// Operands of T computed as W.
template <class T, class W>
void convolve_as(const conv_problem& p, const operand_memory* in, const result_memory& out) {
  if constexpr (std::is_same_v<T, W>) {
    convolve_general<T>(p, in[0].as<T>(), in[1].as<T>(), out.as<T>());
  } else {
    const std::int64_t n = in[0].size(), m = in[1].size(), k = out.size();
    std::vector<W> x(static_cast<std::size_t>(n + m + k));
    for (std::int64_t i = 0; i < n; ++i) x[static_cast<std::size_t>(i)] = static_cast<W>(in[0].as<T>()[i]);
    for (std::int64_t i = 0; i < m; ++i) x[static_cast<std::size_t>(n + i)] = static_cast<W>(in[1].as<T>()[i]);
    convolve_general<W>(p, x.data(), x.data() + n, x.data() + n + m);
    for (std::int64_t i = 0; i < k; ++i) out.as<T>()[i] = static_cast<T>(x[static_cast<std::size_t>(n + m + i)]);
  }
}

}  // namespace rill::kernel::detail

namespace rill::ops {

template <class>
void conv_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if (out.size() == 0) return;
  if (in[0].size() == 0 || in[1].size() == 0) {  // sums without terms
    std::memset(out.data, 0, static_cast<std::size_t>(out.size()) * size_of(out.type));
    return;
  }
  const kernel::detail::conv_problem p = kernel::detail::plan_conv(at, in[0].shape, in[1].shape, out.shape);
  if (out.type == dtype::float32 || out.type == dtype::float64) {
    if (const auto images = kernel::detail::as_image_conv(at, in[0].shape, in[1].shape, out.shape); images.kind != images.none) {
      if (out.type == dtype::float32) kernel::detail::convolve_images(images, in[0].as<float>(), in[1].as<float>(), out.as<float>());
      else kernel::detail::convolve_images(images, in[0].as<double>(), in[1].as<double>(), out.as<double>());
      return;
    }
  }
  visit_real(out.type, [&]<class T>(std::type_identity<T>) {
    if constexpr (is_narrow_v<T>) kernel::detail::convolve_as<T, float>(p, in, out);
    else if constexpr (std::is_integral_v<T>) kernel::detail::convolve_as<T, std::uint64_t>(p, in, out);
    else kernel::detail::convolve_as<T, T>(p, in, out);
  }, name);
}

}  // namespace rill::ops

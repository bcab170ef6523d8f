// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Depthwise convolution of NHWC images, one filter per channel, and its two gradients; float and double. A vector holds
/// neighbouring channels, eight pixels of a row are summed in registers; nothing is gathered or transposed. For 3 x 3 filters
/// of stride 1 or 2 the pixels of several rows are, so that each register that is loaded serves all of them. Filters are
/// [k_h][k_w][channel], in_c == out_c, and k_h * k_w <= depthwise_taps.
///
/// Results are bit-identical for any number of threads. Dimensions are checked by the callers.

#include "convolution.hpp"

namespace rill::kernel {

inline constexpr std::int64_t depthwise_taps = 64;

namespace detail {

/// What a row of results is summed of: result j is the sum of x[t][j * step * channels] * w[t] over the taps t whose
/// column offset[t] + j * step lies inside of the row (x points to that column).
template <class T>
struct depthwise_row {
  std::int64_t channels, columns, step, taps = 0;
  const T* x[static_cast<std::size_t>(depthwise_taps)];
  const T* w[static_cast<std::size_t>(depthwise_taps)];
  std::int64_t offset[static_cast<std::size_t>(depthwise_taps)];

  depthwise_row(std::int64_t c, std::int64_t width, std::int64_t stride) : channels(c), columns(width), step(stride) {}
  void add(const T* row, const T* filter, std::int64_t column) {
    x[taps] = row + column * channels, w[taps] = filter, offset[taps++] = column;
  }
  [[nodiscard]] bool inside(std::int64_t t, std::int64_t j) const {
    const std::int64_t at = offset[t] + j * step;
    return at >= 0 && at < columns;
  }
};

/// A vector of channels, whole or its first n lanes.
template <bool Whole, class T>
struct depthwise_lanes {
  std::int64_t c, n;
  [[gnu::always_inline]] vec<T> load(const T* p) const {
    if constexpr (Whole) return vec<T>::load_unaligned(p + c);
    else return load_lanes(p + c, n);
  }
  [[gnu::always_inline]] void store(T* p, const vec<T>& v) const {
    if constexpr (Whole) v.store_unaligned(p + c);
    else store_lanes(p + c, v, n);
  }
};
template <class T, class F>
[[gnu::always_inline]] inline void depthwise_channels(std::int64_t channels, F&& f) {
  std::int64_t c = 0;
  for (; c + lanes<T> <= channels; c += lanes<T>) f(depthwise_lanes<true, T>{c, lanes<T>});
  if (c < channels) f(depthwise_lanes<false, T>{c, channels - c});
}

/// Results [0, count), `to_step` elements apart. Channels are the inner loop: memory is read and written in order.
template <class T>
[[gnu::noinline]] void depthwise_line(const depthwise_row<T>& row, std::int64_t count, T* to, std::int64_t to_step) {
  using V = vec<T>;
  // Between first and last all taps are inside.
  std::int64_t first = 0, last = count;
  for (std::int64_t t = 0; t < row.taps; ++t) {
    first = std::max(first, ceil_div(-std::min<std::int64_t>(row.offset[t], 0), row.step));
    last = std::min(last, row.columns > row.offset[t] ? (row.columns - row.offset[t] - 1) / row.step + 1 : 0);
  }
  const std::int64_t pixel = row.step * row.channels;
  for (std::int64_t j = 0; j < count;) {
    if (j >= first && j < last && j + 8 > last && last - 8 >= first) j = last - 8;  // some results again
    T* const at = to + j * to_step;
    if (j < first || j + 8 > last) {
      depthwise_channels<T>(row.channels, [&](auto l) __attribute__((always_inline)) {
        V sum(T(0));
        for (std::int64_t t = 0; t < row.taps; ++t)
          if (row.inside(t, j)) sum = multiply_add(l.load(row.x[t] + j * pixel), l.load(row.w[t]), sum);
        l.store(at, sum);
      });
      ++j;
      continue;
    }
    depthwise_channels<T>(row.channels, [&](auto l) __attribute__((always_inline)) {
      // Two pointers and two distances address eight pixels; more of them would not stay in registers.
      V a0(T(0)), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
      std::int64_t thrice = 3 * pixel;
      asm("" : "+r"(thrice));
      for (std::int64_t t = 0; t < row.taps; ++t) {
        const V w = l.load(row.w[t]);
        const T* const x = row.x[t] + j * pixel;
        const T* y = x + 4 * pixel;
        asm("" : "+r"(y));
        a0 = multiply_add(l.load(x), w, a0), a1 = multiply_add(l.load(x + pixel), w, a1);
        a2 = multiply_add(l.load(x + 2 * pixel), w, a2), a3 = multiply_add(l.load(x + thrice), w, a3);
        b0 = multiply_add(l.load(y), w, b0), b1 = multiply_add(l.load(y + pixel), w, b1);
        b2 = multiply_add(l.load(y + 2 * pixel), w, b2), b3 = multiply_add(l.load(y + thrice), w, b3);
      }
      l.store(at, a0), l.store(at + to_step, a1), l.store(at + 2 * to_step, a2), l.store(at + 3 * to_step, a3);
      l.store(at + 4 * to_step, b0), l.store(at + 5 * to_step, b1), l.store(at + 6 * to_step, b2), l.store(at + 7 * to_step, b3);
    });
    j += 8;
  }
}

/// Brings what the next row of results needs for the first time into the second-level cache: more streams are read at once
/// than the hardware follows.
template <class T>
inline void depthwise_prefetch(const T* p, std::int64_t n) {
  for (std::int64_t k = 0; k < n; k += 64 / std::int64_t{sizeof(T)}) __builtin_prefetch(p + k, 0, 2);
}
template <class T>
inline void depthwise_prefetch_results(T* p, std::int64_t n) {
  for (std::int64_t k = 0; k < n; k += 64 / std::int64_t{sizeof(T)}) __builtin_prefetch(p + k, 1, 3);
}

constexpr std::int64_t depthwise_grain(const conv2d_dims& d) {
  return std::max<std::int64_t>(1, 100'000 / std::max<std::int64_t>(1, d.out_w * d.in_c * d.k_h * d.k_w));
}

/// Adds the products of pixels [j0, j1) of a row of dy and of an image row x for Taps columns of the filter.
template <int Taps, class T, class L>
[[gnu::always_inline]] inline void depthwise_filter_vector(const conv2d_dims& d, const T* x, const T* dy, std::int64_t kx, std::int64_t j0,
                                                           std::int64_t j1, const L& l, std::int64_t pitch, T* to) {
  using V = vec<T>;
  const std::int64_t left = kx - d.pad_left, pixel = d.stride_w * d.in_c;
  const std::int64_t first = std::clamp(ceil_div(-std::min<std::int64_t>(left, 0), d.stride_w), j0, j1);
  const std::int64_t room = d.in_w - (left + Taps - 1);
  const std::int64_t last = std::clamp<std::int64_t>(room > 0 ? (room - 1) / d.stride_w + 1 : 0, first, j1);
  std::array<V, std::size_t{Taps}> sum;
  unroll<Taps>([&](auto k) __attribute__((always_inline)) { std::get<k>(sum) = l.load(to + k * pitch); });
  const auto edge = [&](std::int64_t j) {
    const V g = l.load(dy + j * d.in_c);
    unroll<Taps>([&](auto k) __attribute__((always_inline)) {
      const std::int64_t at = left + k + j * d.stride_w;
      if (at >= 0 && at < d.in_w) std::get<k>(sum) = multiply_add(l.load(x + at * d.in_c), g, std::get<k>(sum));
    });
  };
  for (std::int64_t j = j0; j < first; ++j) edge(j);
  std::int64_t from = (left + first * d.stride_w) * d.in_c;
  for (std::int64_t j = first; j < last; ++j, from += pixel) {
    const V g = l.load(dy + j * d.in_c);
    unroll<Taps>([&](auto k) __attribute__((always_inline)) { std::get<k>(sum) = multiply_add(l.load(x + from + k * d.in_c), g, std::get<k>(sum)); });
  }
  for (std::int64_t j = last; j < j1; ++j) edge(j);
  unroll<Taps>([&](auto k) __attribute__((always_inline)) { l.store(to + k * pitch, std::get<k>(sum)); });
}
template <class T>
[[gnu::noinline]] void depthwise_filter_row(const conv2d_dims& d, const T* x, const T* dy, std::int64_t pitch, T* to) {
  const even_split blocks(d.out_w, ceil_div(d.out_w, 16));  // pixels whose channels stay in the cache together
  for (std::int64_t block = 0; block < blocks.parts; ++block) {
    const std::int64_t j0 = blocks.begin(block), j1 = j0 + blocks.size(block);
    std::int64_t kx = 0;
    const auto channels = [&]<int Taps>(std::integral_constant<int, Taps>) {
      depthwise_channels<T>(d.in_c, [&](auto l) __attribute__((always_inline)) { depthwise_filter_vector<Taps>(d, x, dy, kx, j0, j1, l, pitch, to + kx * pitch); });
    };
    for (; kx + 5 <= d.k_w; kx += 5) channels(std::integral_constant<int, 5>());
    for (; kx < d.k_w; ++kx) channels(std::integral_constant<int, 1>());
  }
}

// ---- 3 x 3 ----------------------------------------------------------------------------------------------------------

/// Rows and columns of pixels that one pass over the channels computes, and where they and what they see lie: seven columns
/// divide the widths of most networks. What is outside of the image points to zeros.
template <class T, int Stride, class Y>
struct depthwise_block {
  static constexpr int rows = vector_registers == 32 ? 2 : 1, cols = 7, pixels = rows * cols;
  static constexpr int in_rows = (rows - 1) * Stride + 3, in_cols = (cols - 1) * Stride + 3;
  std::array<const T*, std::size_t{in_rows * in_cols}> x;
  std::array<Y*, std::size_t{pixels}> y;

  /// Calls f(k, each) for every input k, and each(use) calls use(t, pixel) for the taps t by which pixels see it.
  template <class F>
  [[gnu::always_inline]] static void for_inputs(F&& f) {
    unroll<in_rows * in_cols>([&](auto k) __attribute__((always_inline)) {
      f(k, [&](auto&& use) __attribute__((always_inline)) {
        unroll<9>([&](auto t) __attribute__((always_inline)) {
          constexpr int r = k / in_cols - t / 3, c = k % in_cols - t % 3;
          if constexpr (r >= 0 && c >= 0 && r % Stride == 0 && c % Stride == 0 && r / Stride < rows && c / Stride < cols)
            use(t, std::integral_constant<int, r / Stride * cols + c / Stride>());
        });
      });
    });
  }
};

template <class T, int Stride>
[[gnu::noinline]] void depthwise_forward(const depthwise_block<T, Stride, T>& b, const std::array<const T*, 9>& filter, std::int64_t channels) {
  using B = depthwise_block<T, Stride, T>;
  using V = vec<T>;
  depthwise_channels<T>(channels, [&](auto l) __attribute__((always_inline)) {
    std::array<V, 9> taps;
    std::array<V, std::size_t{B::pixels}> sum;
    unroll<9>([&](auto t) __attribute__((always_inline)) { std::get<t>(taps) = l.load(std::get<t>(filter)); });
    unroll<B::pixels>([&](auto o) __attribute__((always_inline)) { std::get<o>(sum) = V(T(0)); });
    B::for_inputs([&](auto k, auto each) __attribute__((always_inline)) {
      const V v = l.load(std::get<k>(b.x));
      each([&](auto t, auto o) __attribute__((always_inline)) { std::get<o>(sum) = multiply_add(v, std::get<t>(taps), std::get<o>(sum)); });
    });
    unroll<B::pixels>([&](auto o) __attribute__((always_inline)) { l.store(std::get<o>(b.y), std::get<o>(sum)); });
  });
}

/// Adds what the pixels of a block give to sums[tap * pitch + channel].
template <class T, int Stride>
[[gnu::noinline]] void depthwise_filter_sums(const depthwise_block<T, Stride, const T>& b, T* sums, std::int64_t pitch, std::int64_t channels) {
  using B = depthwise_block<T, Stride, const T>;
  using V = vec<T>;
  depthwise_channels<T>(channels, [&](auto l) __attribute__((always_inline)) {
    std::array<V, 9> taps;
    std::array<V, std::size_t{B::pixels}> dy;
    unroll<9>([&](auto t) __attribute__((always_inline)) { std::get<t>(taps) = l.load(sums + t * pitch); });
    unroll<B::pixels>([&](auto o) __attribute__((always_inline)) { std::get<o>(dy) = l.load(std::get<o>(b.y)); });
    B::for_inputs([&](auto k, auto each) __attribute__((always_inline)) {
      const V v = l.load(std::get<k>(b.x));
      each([&](auto t, auto o) __attribute__((always_inline)) { std::get<t>(taps) = multiply_add(v, std::get<o>(dy), std::get<t>(taps)); });
    });
    unroll<9>([&](auto t) __attribute__((always_inline)) { l.store(sums + t * pitch, std::get<t>(taps)); });
  });
}

/// Calls f(block) for the pixels of the block's rows from row y0 on of one image; pixels beyond the results are `nowhere`.
template <int Stride, class T, class Y, class F>
void depthwise_for_blocks(const conv2d_dims& d, const T* x, Y* y, std::int64_t y0, const T* nothing, Y* nowhere, F&& f) {
  using B = depthwise_block<T, Stride, Y>;
  B b;
  std::array<std::int64_t, std::size_t{B::in_rows * B::in_cols}> x_step{};
  std::array<std::int64_t, std::size_t{B::pixels}> y_step{};
  bool inner = false;
  for (std::int64_t x0 = 0; x0 < d.out_w; x0 += B::cols) {
    const std::int64_t left = x0 * Stride - d.pad_left;
    const bool before = inner;
    inner = left >= 0 && left + B::in_cols <= d.in_w && x0 + B::cols <= d.out_w;
    if (inner && before) {
      for (std::size_t k = 0; k < x_step.size(); ++k) b.x[k] += x_step[k];
      for (std::size_t k = 0; k < y_step.size(); ++k) b.y[k] += y_step[k];
    } else {
      auto* at = b.x.data();
      auto* step = x_step.data();
      for (int i = 0; i < B::in_rows; ++i) {
        const std::int64_t iy = y0 * Stride + i - d.pad_top;
        const bool inside = iy >= 0 && iy < d.in_h;
        for (std::int64_t ix = left; ix < left + B::in_cols; ++ix) {
          *at++ = inside && ix >= 0 && ix < d.in_w ? x + (iy * d.in_w + ix) * d.in_c : nothing;
          *step++ = inside ? B::cols * Stride * d.in_c : 0;
        }
      }
      auto* to = b.y.data();
      step = y_step.data();
      for (std::int64_t oy = y0; oy < y0 + B::rows; ++oy)
        for (std::int64_t ox = x0; ox < x0 + B::cols; ++ox) {
          *to++ = oy < d.out_h && ox < d.out_w ? y + (oy * d.out_w + ox) * d.in_c : nowhere;
          *step++ = oy < d.out_h ? B::cols * d.in_c : 0;
        }
    }
    f(b);
  }
}

/// With `flip` by the filter turned round.
template <int Stride, class T>
[[gnu::noinline]] void depthwise_3x3(const conv2d_dims& d, const T* x, const T* filter, bool flip, T* y) {
  constexpr int rows = depthwise_block<T, Stride, T>::rows;
  const std::int64_t blocks = ceil_div(d.out_h, rows);
  const call_scratch<T> scratch(d.in_c, d.in_c);
  zero(scratch.shared(), d.in_c);
  std::array<const T*, 9> taps{};
  for (std::size_t t = 0; t < 9; ++t) taps[t] = filter + static_cast<std::int64_t>(flip ? 8 - t : t) * d.in_c;
  parallel_for(d.batch * blocks, ceil_div(depthwise_grain(d), rows), [&](std::int64_t r0, std::int64_t r1) {
    scratch.with_task_scratch([&](T* own) {
      for (std::int64_t r = r0; r < r1; ++r)
        depthwise_for_blocks<Stride>(d, x + r / blocks * d.in_h * d.in_w * d.in_c, y + r / blocks * d.out_h * d.out_w * d.in_c, r % blocks * rows,
                                     scratch.shared(), own, [&](const auto& b) { depthwise_forward<T, Stride>(b, taps, d.in_c); });
    });
  });
}

/// Adds what rows [r0, r1) of the results give to sums[tap * pitch + channel].
template <int Stride, class T>
[[gnu::noinline]] void depthwise_filter_3x3(const conv2d_dims& d, const T* x, const T* dy, std::int64_t r0, std::int64_t r1, const T* nothing, T* sums, std::int64_t pitch) {
  constexpr int rows = depthwise_block<T, Stride, const T>::rows;
  conv2d_dims part = d;
  for (std::int64_t r = r0; r < r1;) {  // a block ends with its image, or with the part
    const std::int64_t image = r / d.out_h, y0 = r % d.out_h;
    part.out_h = std::min({y0 + rows, d.out_h, y0 + r1 - r});
    depthwise_for_blocks<Stride>(part, x + image * d.in_h * d.in_w * d.in_c, dy + image * d.out_h * d.out_w * d.in_c, y0, nothing, nothing,
                                 [&](const auto& b) { depthwise_filter_sums<T, Stride>(b, sums, pitch, d.in_c); });
    r += part.out_h - y0;
  }
}

constexpr bool depthwise_blocks(const conv2d_dims& d) {
  return d.k_h == 3 && d.k_w == 3 && d.stride_h == d.stride_w && d.stride_h <= 2;
}

}  // namespace detail

/// y [batch, out_h, out_w, c] from x [batch, in_h, in_w, c] and the filter.
template <class T>
void depthwise_conv2d(const conv2d_dims& d, const T* x, const T* filter, T* y) {
  if (detail::depthwise_blocks(d)) return d.stride_h == 1 ? detail::depthwise_3x3<1>(d, x, filter, false, y) : detail::depthwise_3x3<2>(d, x, filter, false, y);
  parallel_for(d.batch * d.out_h, detail::depthwise_grain(d), [&](std::int64_t r0, std::int64_t r1) {
    for (std::int64_t r = r0; r < r1; ++r) {
      detail::depthwise_row<T> row(d.in_c, d.in_w, d.stride_w);
      const std::int64_t next = r % d.out_h * d.stride_h + d.k_h - d.pad_top, fresh = std::clamp<std::int64_t>(d.in_h - next, 0, d.stride_h);
      if (fresh > 0) detail::depthwise_prefetch(x + (r / d.out_h * d.in_h + next) * d.in_w * d.in_c, fresh * d.in_w * d.in_c);
      if (r + 1 < r1) detail::depthwise_prefetch_results(y + (r + 1) * d.out_w * d.in_c, d.out_w * d.in_c);
      for (std::int64_t ky = 0; ky < d.k_h; ++ky) {
        const std::int64_t iy = r % d.out_h * d.stride_h + ky - d.pad_top;
        if (iy < 0 || iy >= d.in_h) continue;
        for (std::int64_t kx = 0; kx < d.k_w; ++kx)
          row.add(x + (r / d.out_h * d.in_h + iy) * d.in_w * d.in_c, filter + (ky * d.k_w + kx) * d.in_c, kx - d.pad_left);
      }
      detail::depthwise_line(row, d.out_w, y + r * d.out_w * d.in_c, d.in_c);
    }
  });
}

/// The gradient of x. Pixels whose columns have one residue modulo the stride see the same taps.
template <class T>
void depthwise_conv2d_backprop_input(const conv2d_dims& d, const T* dy, const T* filter, T* dx) {
  if (detail::depthwise_blocks(d) && d.stride_h == 1) {
    conv2d_dims turned = d;
    turned.in_h = d.out_h, turned.in_w = d.out_w, turned.out_h = d.in_h, turned.out_w = d.in_w;
    turned.pad_top = 2 - d.pad_top, turned.pad_left = 2 - d.pad_left;
    return detail::depthwise_3x3<1>(turned, dy, filter, true, dx);
  }
  parallel_for(d.batch * d.in_h, detail::depthwise_grain(d), [&](std::int64_t r0, std::int64_t r1) {
    for (std::int64_t r = r0; r < r1; ++r)
      for (std::int64_t px = 0; px < std::min(d.stride_w, d.in_w); ++px) {
        detail::depthwise_row<T> row(d.in_c, d.out_w, 1);
        for (std::int64_t ky = 0; ky < d.k_h; ++ky) {
          const std::int64_t y = r % d.in_h + d.pad_top - ky, oy = y / d.stride_h;
          if (y < 0 || y % d.stride_h != 0 || oy >= d.out_h) continue;
          for (std::int64_t kx = 0; kx < d.k_w; ++kx) {
            const std::int64_t at = px + d.pad_left - kx;
            if (at % d.stride_w == 0)
              row.add(dy + (r / d.in_h * d.out_h + oy) * d.out_w * d.in_c, filter + (ky * d.k_w + kx) * d.in_c, at / d.stride_w);
          }
        }
        detail::depthwise_line(row, (d.in_w - px - 1) / d.stride_w + 1, dx + (r * d.in_w + px) * d.in_c, d.stride_w * d.in_c);
      }
  });
}

/// The gradient of the filter. Rows are summed in chunks, whose number depends on the dimensions alone, and those in order.
template <class T>
void depthwise_conv2d_backprop_filter(const conv2d_dims& d, const T* x, const T* dy, T* dw) {
  using namespace detail;
  const std::int64_t size = d.k_h * d.k_w * d.in_c;
  if (d.batch <= 0 || d.out_h <= 0 || d.out_w <= 0) {
    std::memset(dw, 0, static_cast<std::size_t>(size) * sizeof(T));
    return;
  }
  // What a chunk is worth pays for clearing and adding up its sums. Taps a line apart in the cache do not meet in one set.
  const std::int64_t rows = d.batch * d.out_h, worth = std::max<std::int64_t>(1, rows * d.out_w * size / 800'000);
  const even_split chunks(rows, std::min<std::int64_t>({16, rows, worth}));
  const std::int64_t pitch = (ceil_div(d.in_c, lanes<T>) | 1) * lanes<T>, sums_size = d.k_h * d.k_w * pitch;
  const call_scratch<T> scratch(pitch + chunks.parts * sums_size, 0);
  T* const nothing = scratch.shared();
  T* const partial = nothing + pitch;
  zero(nothing, pitch);
  parallel_for(chunks.parts, 1, [&](std::int64_t chunk0, std::int64_t chunk1) {
    for (std::int64_t chunk = chunk0; chunk < chunk1; ++chunk) {
      T* const sums = partial + chunk * sums_size;
      zero(sums, sums_size);
      const std::int64_t r0 = chunks.begin(chunk), r1 = r0 + chunks.size(chunk);
      if (depthwise_blocks(d)) {
        if (d.stride_h == 1) depthwise_filter_3x3<1>(d, x, dy, r0, r1, nothing, sums, pitch);
        else depthwise_filter_3x3<2>(d, x, dy, r0, r1, nothing, sums, pitch);
        continue;
      }
      for (std::int64_t r = r0; r < r1; ++r) {
        const std::int64_t first = r % d.out_h * d.stride_h - d.pad_top;  // its first row of the image
        for (std::int64_t ky = std::max<std::int64_t>(0, -first), end = std::min(d.k_h, d.in_h - first); ky < end; ++ky)
          depthwise_filter_row(d, x + (r / d.out_h * d.in_h + first + ky) * d.in_w * d.in_c, dy + r * d.out_w * d.in_c, pitch, sums + ky * d.k_w * pitch);
      }
    }
  });
  for (std::int64_t tap = 0; tap < d.k_h * d.k_w; ++tap)
    depthwise_channels<T>(d.in_c, [&](auto l) {
      vec<T> sum(T(0));
      for (std::int64_t chunk = 0; chunk < chunks.parts; ++chunk) sum += l.load(partial + chunk * sums_size + tap * pitch);
      l.store(dw + tap * d.in_c, sum);
    });
}

}  // namespace rill::kernel

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Depthwise convolution of NHWC images, one filter per channel, and its two gradients; float and double. A vector holds
/// neighbouring channels, eight pixels of a row are summed in registers; nothing is gathered or transposed. Filters are
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

/// Adds the products of pixels [j0, j1) of a row for Taps columns of as many rows of the filter as there are image rows x.
template <int Rows, int Taps, class T, class L>
[[gnu::always_inline]] inline void depthwise_filter_vector(const conv2d_dims& d, const std::array<const T*, static_cast<std::size_t>(Rows)>& x, const T* dy, std::int64_t kx, std::int64_t j0,
                                                           std::int64_t j1, const L& l, T* to) {
  using V = vec<T>;
  const std::int64_t left = kx - d.pad_left, pixel = d.stride_w * d.in_c;
  const std::int64_t first = std::clamp(ceil_div(-std::min<std::int64_t>(left, 0), d.stride_w), j0, j1);
  const std::int64_t room = d.in_w - (left + Taps - 1);
  const std::int64_t last = std::clamp<std::int64_t>(room > 0 ? (room - 1) / d.stride_w + 1 : 0, first, j1);
  const auto filter = [&](int k) { return to + (k / Taps * d.k_w + k % Taps) * d.in_c; };
  std::array<V, static_cast<std::size_t>(Rows * Taps)> sum;
  unroll<Rows * Taps>([&](auto k) __attribute__((always_inline)) { std::get<k>(sum) = l.load(filter(k)); });
  const auto edge = [&](std::int64_t j) {
    const V g = l.load(dy + j * d.in_c);
    unroll<Rows * Taps>([&](auto k) __attribute__((always_inline)) {
      const std::int64_t at = left + k % Taps + j * d.stride_w;
      if (at >= 0 && at < d.in_w) std::get<k>(sum) = multiply_add(l.load(std::get<k / Taps>(x) + at * d.in_c), g, std::get<k>(sum));
    });
  };
  for (std::int64_t j = j0; j < first; ++j) edge(j);
  std::int64_t from = (left + first * d.stride_w) * d.in_c;
  for (std::int64_t j = first; j < last; ++j, from += pixel) {
    const V g = l.load(dy + j * d.in_c);
    unroll<Rows * Taps>([&](auto k) __attribute__((always_inline)) {
      std::get<k>(sum) = multiply_add(l.load(std::get<k / Taps>(x) + from + k % Taps * d.in_c), g, std::get<k>(sum));
    });
  }
  for (std::int64_t j = last; j < j1; ++j) edge(j);
  unroll<Rows * Taps>([&](auto k) __attribute__((always_inline)) { l.store(filter(k), std::get<k>(sum)); });
}
template <int Rows, class T>
[[gnu::noinline]] void depthwise_filter_rows(const conv2d_dims& d, const std::array<const T*, static_cast<std::size_t>(Rows)>& x, const T* dy, T* to) {
  const even_split blocks(d.out_w, ceil_div(d.out_w, 16));  // pixels whose channels stay in the cache together
  for (std::int64_t block = 0; block < blocks.parts; ++block) {
    const std::int64_t j0 = blocks.begin(block), j1 = j0 + blocks.size(block);
    std::int64_t kx = 0;
    const auto channels = [&]<int Taps>(std::integral_constant<int, Taps>) {
      depthwise_channels<T>(d.in_c, [&](auto l) __attribute__((always_inline)) { depthwise_filter_vector<Rows, Taps>(d, x, dy, kx, j0, j1, l, to + kx * d.in_c); });
    };
    for (; kx + 3 <= d.k_w; kx += 3) channels(std::integral_constant<int, 3>());
    for (; kx < d.k_w; ++kx) channels(std::integral_constant<int, 1>());
  }
}

}  // namespace detail

/// y [batch, out_h, out_w, c] from x [batch, in_h, in_w, c] and the filter.
template <class T>
void depthwise_conv2d(const conv2d_dims& d, const T* x, const T* filter, T* y) {
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
  const std::int64_t rows = d.batch * d.out_h, worth = std::max<std::int64_t>(1, rows / depthwise_grain(d));
  const even_split chunks(rows, std::min<std::int64_t>({16, rows, worth}));
  const call_scratch<T> scratch(chunks.parts * size, 0);
  T* const partial = scratch.shared();
  parallel_for(chunks.parts, 1, [&](std::int64_t chunk0, std::int64_t chunk1) {
    for (std::int64_t chunk = chunk0; chunk < chunk1; ++chunk) {
      T* const sums = partial + chunk * size;
      std::memset(sums, 0, static_cast<std::size_t>(size) * sizeof(T));
      for (std::int64_t r = chunks.begin(chunk); r < chunks.begin(chunk) + chunks.size(chunk); ++r) {
        const std::int64_t first = r % d.out_h * d.stride_h - d.pad_top;  // its first row of the image
        const auto row = [&](std::int64_t ky) { return x + (r / d.out_h * d.in_h + first + ky) * d.in_w * d.in_c; };
        const std::int64_t end = std::min(d.k_h, d.in_h - first);
        std::int64_t ky = std::max<std::int64_t>(0, -first);
        for (; ky + 3 <= end; ky += 3) depthwise_filter_rows<3, T>(d, {row(ky), row(ky + 1), row(ky + 2)}, dy + r * d.out_w * d.in_c, sums + ky * d.k_w * d.in_c);
        for (; ky < end; ++ky) depthwise_filter_rows<1, T>(d, {row(ky)}, dy + r * d.out_w * d.in_c, sums + ky * d.k_w * d.in_c);
      }
    }
  });
  depthwise_channels<T>(size, [&](auto l) {
    vec<T> sum(T(0));
    for (std::int64_t chunk = 0; chunk < chunks.parts; ++chunk) sum += l.load(partial + chunk * size);
    l.store(dw, sum);
  });
}

}  // namespace rill::kernel

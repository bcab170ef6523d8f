// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Convolution with 5 x 5 and 3 x 3 filters and stride 1 by Winograd's minimal filtering, F(2x2, 5x5) and F(4x4, 3x3): a
/// tile of 2 x 2 or 4 x 4 results costs 36 multiplications per pair of channels instead of 100 or 144. Input tiles of 6 x 6
/// pixels and the filter are transformed (interpolation points 0, 1, -1, 2, -2, infinity), 36 small matrix products follow,
/// and their results are transformed back. The duals F(5x5, 2x2) and F(3x3, 4x4) give the filter's gradient. conv2d and its
/// gradients choose it where it pays. Internal to convolution.hpp, which says how accurate it is.
///
/// Sums and differences mix the pixels of a tile: an infinity or NaN in the inner 4 x 4 of its inputs makes NaN of all of its
/// results (in an outer row or column, of the row or column next to it), one in a filter of that output in every tile, one in
/// an image or in dy of all taps of its channel in the filter's gradient.
///
/// A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, CVPR 2016.

#include <rill/kernel/matmul.hpp>

namespace rill::kernel::detail {

template <class T>
inline void zero(T* to, std::int64_t n) {
  std::memset(to, 0, static_cast<std::size_t>(n) * sizeof(T));
}

/// A zero-padded scratch copy of image rows, [row][position][channel]: source pixel x lies at position x + shift.
struct copied_image {
  std::int64_t height, width, channels, shift, pitch;
};

/// Copies image rows first_y ... first_y + rows; those outside of the image become zero. The padding inside the rows
/// must be zero already. `own` holds one evaluated row.
template <class T>
[[gnu::noinline]] void copy_image_rows(const copied_image& l, const operand_ref<T>& x, std::int64_t image_row0, std::int64_t first_y,
                     std::int64_t rows, T* to, T* own) {
  const std::int64_t begin = std::max<std::int64_t>(0, -l.shift), end = std::min(l.width, l.pitch - l.shift);
  for (std::int64_t y = first_y; y < first_y + rows; ++y, to += l.pitch * l.channels) {
    if (y < 0 || y >= l.height) {
      zero(to, l.pitch * l.channels);
    } else if (begin < end) {
      const T* from = x.segment(image_row0 + y, 0, l.width * l.channels, own);
      copy_elements(to + (l.shift + begin) * l.channels, from + begin * l.channels, (end - begin) * l.channels);
    }
  }
}

inline constexpr std::int64_t wino_points = 36;
/// Channels of transformed tiles that lie side by side, at most: [point][block of channels][tile][channel].
inline constexpr std::int64_t wino_block = 32;

/// A convolution of stride 1 with a filter of 5 x 5 or 3 x 3 taps: dst pixel (y, x) sees src pixels (y + ky - pad_top,
/// x + kx - pad_left).
struct wino_dims {
  std::int64_t filter, batch, src_h, src_w, channels, dst_h, dst_w, outs, pad_top, pad_left;
  [[nodiscard]] constexpr std::int64_t side() const { return 7 - filter; }  ///< of a tile of results
  [[nodiscard]] constexpr std::int64_t taps() const { return filter * filter; }
  /// Few images are cut into parts of some tile rows each, which are then as good as images.
  [[nodiscard]] constexpr std::int64_t parts() const {
    const std::int64_t rows = ceil_div(dst_h, side());
    return batch >= 4 ? 1 : std::clamp<std::int64_t>(ceil_div(rows * tiles_x(), 2 * tile_rows), 1, std::min(rows, ceil_div(4, batch)));
  }
  [[nodiscard]] constexpr std::int64_t images() const { return batch * parts(); }
  [[nodiscard]] constexpr std::int64_t tiles_y() const { return ceil_div(ceil_div(dst_h, side()), parts()); }
  [[nodiscard]] constexpr std::int64_t tiles_x() const { return ceil_div(dst_w, side()); }
  [[nodiscard]] constexpr std::int64_t tiles() const { return tiles_y() * tiles_x(); }
  [[nodiscard]] constexpr std::int64_t depth() const { return std::min(channels, wino_block); }
  [[nodiscard]] constexpr std::int64_t blocks() const { return channels / depth(); }
  [[nodiscard]] constexpr copied_image source() const { return {src_h, src_w, channels, pad_left, side() * tiles_x() + filter - 1}; }
  [[nodiscard]] constexpr std::int64_t source_rows() const { return side() * tiles_y() + filter - 1; }
  [[nodiscard]] constexpr std::int64_t source_size() const { return source_rows() * source().pitch * channels; }
  /// Row of its image's results with which a part begins.
  [[nodiscard]] constexpr std::int64_t first_row(std::int64_t image) const { return image % parts() * side() * tiles_y(); }
  [[nodiscard]] constexpr std::int64_t transformed_filter() const { return wino_points * channels * outs; }
};

constexpr bool wino_channels(std::int64_t c) { return c == wino_block / 2 || (c > 0 && c % wino_block == 0); }
/// Whether the transformed way is open and pays: channels fill vectors, little of the tiles is waste, there is enough
/// work for the transformed filter to be used again, and the copy of one image is small.
template <class T>
constexpr bool wino_pays(const wino_dims& d) {
  if (!wino_channels(d.channels) || !wino_channels(d.outs) || lanes<T> > wino_block / 2) return false;
  if (d.source_size() > std::int64_t{1} << 19 || d.transformed_filter() > std::int64_t{1} << 22) return false;
  const std::int64_t pixels = d.batch * d.dst_h * d.dst_w, tiles = d.images() * d.tiles();
  if (tiles < 3 * tile_rows) return false;
  if (d.filter == 5) return 40 * tiles <= 12 * pixels;
  return d.channels >= 32 && d.outs >= 32 && 8 * tiles <= pixels;
}
/// Whether its filter's gradient does, too: sums as large as the transformed filter are written and read once more.
template <class T>
constexpr bool wino_gradient_pays(const wino_dims& d) {
  return wino_pays<T>(d) && (d.transformed_filter() <= std::int64_t{1} << 20 || d.images() * d.tiles() >= 6 * tile_rows);
}
/// Calls f with the filter's size as a constant.
template <class F>
[[gnu::always_inline]] inline void wino_by_filter(const wino_dims& d, F&& f) {
  if (d.filter == 5) f(std::integral_constant<int, 5>());
  else f(std::integral_constant<int, 3>());
}

// ---- one-dimensional transforms -------------------------------------------------------------------------------------

template <class V>
[[gnu::always_inline]] inline void wino_input(const V& d0, const V& d1, const V& d2, const V& d3, const V& d4,
                                              const V& d5, V (&t)[6]) {
  using T = typename V::value_type;
  const V four(T(4)), minus_four(T(-4)), minus_five(T(-5)), two(T(2)), minus_two(T(-2));
  const V even1 = multiply_add(minus_four, d2, d4), odd1 = multiply_add(minus_four, d1, d3);
  const V even2 = d4 - d2, odd2 = d3 - d1;
  t[0] = multiply_add(four, d0, multiply_add(minus_five, d2, d4));
  t[1] = even1 + odd1;
  t[2] = even1 - odd1;
  t[3] = multiply_add(two, odd2, even2);
  t[4] = multiply_add(minus_two, odd2, even2);
  t[5] = multiply_add(four, d1, multiply_add(minus_five, d3, d5));
}

template <class V, int R>
using wino_line = std::array<V, static_cast<std::size_t>(R)>;

template <int R, class V>
[[gnu::always_inline]] inline void wino_filter(const wino_line<V, R>& g, wino_line<V, 6>& t) {
  using T = typename V::value_type;
  V even1 = g[0] + g[2], odd1 = g[1];
  V even2 = multiply_add(V(T(4)), g[2], g[0]), odd2 = V(T(2)) * g[1];
  if constexpr (R == 5) {
    even1 = even1 + std::get<R - 1>(g), odd1 = odd1 + std::get<R - 2>(g);
    even2 = multiply_add(V(T(16)), std::get<R - 1>(g), even2), odd2 = multiply_add(V(T(8)), std::get<R - 2>(g), odd2);
  }
  t[0] = V(T(0.25)) * g[0];
  t[1] = V(T(-1.0 / 6)) * (even1 + odd1);
  t[2] = V(T(-1.0 / 6)) * (even1 - odd1);
  t[3] = V(T(1.0 / 24)) * (even2 + odd2);
  t[4] = V(T(1.0 / 24)) * (even2 - odd2);
  t[5] = g[R - 1];
}

/// M results of a line.
template <int M, class V>
[[gnu::always_inline]] inline void wino_output(const wino_line<V, 6>& m, wino_line<V, M>& y) {
  using T = typename V::value_type;
  const V even1 = m[1] + m[2], even2 = m[3] + m[4], odd1 = m[1] - m[2], odd2 = m[3] - m[4];
  y[0] = (m[0] + even1) + even2;
  if constexpr (M == 2) {
    y[1] = multiply_add(V(T(2)), odd2, odd1 + m[5]);
  } else {
    y[1] = multiply_add(V(T(2)), odd2, odd1);
    y[2] = multiply_add(V(T(4)), even2, even1);
    y[3] = multiply_add(V(T(8)), odd2, odd1 + m[5]);
  }
}

// Of the dual form; the divisors of wino_filter are left to wino_filter_gradient.
template <int M, class V>
[[gnu::always_inline]] inline void wino_output_gradient(const wino_line<V, M>& g, wino_line<V, 6>& t) {
  using T = typename V::value_type;
  V even1 = g[0], odd1 = g[1], even2 = g[0], odd2 = V(T(2)) * g[1];
  if constexpr (M == 4) {
    even1 = even1 + g[2], odd1 = odd1 + g[3];
    even2 = multiply_add(V(T(4)), g[2], even2), odd2 = multiply_add(V(T(8)), g[3], odd2);
  }
  t[0] = g[0];
  t[1] = even1 + odd1;
  t[2] = even1 - odd1;
  t[3] = even2 + odd2;
  t[4] = even2 - odd2;
  t[5] = g[M - 1];
}

template <int R, class V>
[[gnu::always_inline]] inline void wino_filter_gradient(const wino_line<V, 6>& m, wino_line<V, R>& y) {
  using T = typename V::value_type;
  const V sixth(T(-1.0 / 6)), rest(T(1.0 / 24));
  const V even1 = sixth * (m[1] + m[2]), odd1 = sixth * (m[1] - m[2]);
  const V even2 = rest * (m[3] + m[4]), odd2 = rest * (m[3] - m[4]);
  y[0] = multiply_add(V(T(0.25)), m[0], even1 + even2);
  y[1] = multiply_add(V(T(2)), odd2, odd1);
  if constexpr (R == 3) {
    y[2] = multiply_add(V(T(4)), even2, even1 + m[5]);
  } else {
    y[2] = multiply_add(V(T(4)), even2, even1);
    y[3] = multiply_add(V(T(8)), odd2, odd1);
    y[4] = multiply_add(V(T(16)), even2, even1 + m[5]);
  }
}

// ---- transforms of tiles --------------------------------------------------------------------------------------------

/// Transforms 6 x 6 pixels of one vector of channels from `from` (rows `row_size`, pixels `channels` apart) to 36
/// vectors `stride` apart.
template <class T>
inline void wino_input_tile(const T* from, std::int64_t row_size, std::int64_t channels, T* to, std::int64_t stride) {
  using V = vec<T>;
  V half[6][6];
  unroll<6>([&](auto y) __attribute__((always_inline)) {
    const T* p = from + y * row_size;
    wino_input(V::load_unaligned(p), V::load_unaligned(p + channels), V::load_unaligned(p + 2 * channels),
               V::load_unaligned(p + 3 * channels), V::load_unaligned(p + 4 * channels),
               V::load_unaligned(p + 5 * channels), half[y]);
  });
  unroll<6>([&](auto x) __attribute__((always_inline)) {
    V t[6];
    wino_input(half[0][x], half[1][x], half[2][x], half[3][x], half[4][x], half[5][x], t);
    unroll<6>([&](auto y) __attribute__((always_inline)) { t[y].store_aligned(to + (y * 6 + x) * stride); });
  });
}

/// Transforms 36 vectors `stride` apart back to M x M pixels, `outs` apart in rows `row` apart.
template <int M, class T>
[[gnu::noinline]] void wino_output_tile(const T* from, std::int64_t stride, T* to, std::int64_t row, std::int64_t outs) {
  using V = vec<T>;
  std::array<wino_line<V, 6>, static_cast<std::size_t>(M)> half;
  unroll<6>([&](auto x) __attribute__((always_inline)) {
    wino_line<V, 6> m;
    wino_line<V, M> y;
    unroll<6>([&](auto r) __attribute__((always_inline)) { std::get<r>(m) = V::load_aligned(from + (r * 6 + x) * stride); });
    wino_output<M>(m, y);
    unroll<M>([&](auto r) __attribute__((always_inline)) { std::get<x>(std::get<r>(half)) = std::get<r>(y); });
  });
  unroll<M>([&](auto r) __attribute__((always_inline)) {
    wino_line<V, M> y;
    wino_output<M>(std::get<r>(half), y);
    unroll<M>([&](auto x) __attribute__((always_inline)) { std::get<x>(y).store_aligned(to + r * row + x * outs); });
  });
}

/// Transforms the gradients of M x M results, `outs` apart in rows `row` apart, to 36 vectors `stride` apart.
template <int M, class T>
[[gnu::noinline]] void wino_output_gradient_tile(const T* from, std::int64_t row, std::int64_t outs, T* to, std::int64_t stride) {
  using V = vec<T>;
  std::array<wino_line<V, 6>, static_cast<std::size_t>(M)> half;
  unroll<M>([&](auto r) __attribute__((always_inline)) {
    wino_line<V, M> g;
    unroll<M>([&](auto x) __attribute__((always_inline)) { std::get<x>(g) = V::load_unaligned(from + r * row + x * outs); });
    wino_output_gradient<M>(g, std::get<r>(half));
  });
  unroll<6>([&](auto x) __attribute__((always_inline)) {
    wino_line<V, M> g;
    wino_line<V, 6> t;
    unroll<M>([&](auto r) __attribute__((always_inline)) { std::get<r>(g) = std::get<x>(std::get<r>(half)); });
    wino_output_gradient<M>(g, t);
    unroll<6>([&](auto r) __attribute__((always_inline)) { std::get<r>(t).store_aligned(to + (r * 6 + x) * stride); });
  });
}

/// Transforms R x R vectors, `from(ky, kx)`, to 36 `stride` apart.
template <int R, class T, class From>
inline void wino_filter_tile(From&& from, T* to, std::int64_t stride) {
  using V = vec<T>;
  std::array<wino_line<V, R>, 6> half;
  wino_line<V, R> g;
  wino_line<V, 6> t;
  for (std::size_t kx = 0; kx < std::size_t{R}; ++kx) {
    for (std::size_t ky = 0; ky < std::size_t{R}; ++ky) g[ky] = V::load_aligned(from(static_cast<std::int64_t>(ky), static_cast<std::int64_t>(kx)));
    wino_filter<R>(g, t);
    for (std::size_t y = 0; y < 6; ++y) half[y][kx] = t[y];
  }
  for (std::size_t y = 0; y < 6; ++y) {
    wino_filter<R>(half[y], t);
    for (std::size_t q = 0; q < 6; ++q) t[q].store_aligned(to + static_cast<std::int64_t>(y * 6 + q) * stride);
  }
}

/// Transforms sums of 36 vectors back to R x R, one after the other.
template <int R, class T, class Sum>
inline void wino_filter_gradient_tile(Sum&& sum, T* to) {
  using V = vec<T>;
  std::array<wino_line<V, 6>, static_cast<std::size_t>(R)> half;
  wino_line<V, 6> m;
  wino_line<V, R> y;
  for (std::size_t q = 0; q < 6; ++q) {
    for (std::size_t r = 0; r < 6; ++r) m[r] = sum(static_cast<std::int64_t>(r * 6 + q));
    wino_filter_gradient<R>(m, y);
    for (std::size_t ky = 0; ky < std::size_t{R}; ++ky) half[ky][q] = y[ky];
  }
  for (std::size_t ky = 0; ky < std::size_t{R}; ++ky) {
    wino_filter_gradient<R>(half[ky], y);
    for (std::size_t kx = 0; kx < std::size_t{R}; ++kx, to += lanes<T>) y[kx].store_aligned(to);
  }
}

/// Calls f(slot, image, ty, tx) for tiles [tile0, tile0 + count) counted through images, and load_image(image) whenever
/// a new image begins.
template <class L, class F>
inline void wino_for_tiles(const wino_dims& d, std::int64_t tile0, std::int64_t count, L&& load_image, F&& f) {
  for (std::int64_t s = 0; s < count; ++s) {
    const std::int64_t image = (tile0 + s) / d.tiles(), tile = (tile0 + s) % d.tiles();
    if (tile == 0) load_image(image);
    f(s, image, tile / d.tiles_x(), tile % d.tiles_x());
  }
}

/// Distance of the points of transformed tiles: an odd number of cache lines, so that 36 of them meet in different
/// sets.
template <class T>
constexpr std::int64_t wino_stride(std::int64_t elements) {
  constexpr std::int64_t line = 64 / static_cast<std::int64_t>(sizeof(T));
  return (ceil_div(elements, line) | 1) * line;
}

/// Tiles transformed at a time: what they become should stay in the second-level cache beside the filter; where that does
/// not fit there, they are as many as make it pay to stream it.
template <class T>
constexpr std::int64_t wino_tiles_at_once(const wino_dims& d) {
  const std::int64_t size = wino_points * (d.channels + d.outs) * tile_rows, room = (std::int64_t{1} << 19) / static_cast<std::int64_t>(sizeof(T));
  return tile_rows * std::clamp<std::int64_t>(std::max(room / size, d.transformed_filter() / (2 * size)), 1, 8);
}

// ---- the convolution ------------------------------------------------------------------------------------------------

/// Pixels of a run of results that are handed over together, in elements at most.
inline constexpr std::int64_t wino_run = 4096;

/// `pack(to, scratch)` writes the filter in panels of tile_cols<T> outputs: [panel][tap][channel][output]. With `flip`,
/// tap (ky, kx) of the convolution is tap (4 - ky, 4 - kx) of the filter.
template <class T>
[[gnu::noinline]] void wino_conv2d(bool flip, const wino_dims& d, const operand_ref<T>& x,
                                   std::int64_t pack_scratch_size,
                                   function_ref<void(T*, const call_scratch<T>&)> pack, const tile_sink<T>& sink) {
  constexpr std::int64_t nr = tile_cols<T>, w = lanes<T>;
  const std::int64_t panels = ceil_div(d.outs, nr), at_once = wino_tiles_at_once<T>(d);
  const std::int64_t filter_stride = wino_stride<T>(panels * d.channels * nr);
  const std::int64_t packed_size = panels * d.taps() * d.channels * nr, filter_size = wino_points * filter_stride;
  const std::int64_t in_stride = wino_stride<T>(at_once * d.channels),
                     out_stride = wino_stride<T>(at_once * panels * nr);
  const std::int64_t offsets_size = round_up(ceil_div(d.blocks() * 8, static_cast<std::int64_t>(sizeof(T))), 16);
  const std::int64_t source_size = round_up(d.source_size(), 16);
  // Results wait in rows of pixels, as many as stay in the first-level cache.
  const std::int64_t side = d.side(), run_tiles = std::clamp<std::int64_t>(wino_run / (side * side * d.outs), 1, d.tiles_x());
  const std::int64_t run_size = side * run_tiles * d.outs;
  const call_scratch<T> scratch(
      offsets_size + packed_size + filter_size,
      std::max(pack_scratch_size, source_size + wino_points * (in_stride + out_stride) +
                                      std::max(d.src_w * d.channels, side * run_size)));
  std::int64_t* const offset = reinterpret_cast<std::int64_t*>(scratch.shared());
  T* const packed = scratch.shared() + offsets_size;
  T* const filter = packed + packed_size;
  for (std::int64_t b = 0; b < d.blocks(); ++b) offset[b] = b * at_once * d.depth();
  pack(packed, scratch);
  parallel_for(panels * d.channels, 32, [&](std::int64_t r0, std::int64_t r1) {
    for (std::int64_t r = r0; r < r1; ++r) {
      const T* from = packed + (r / d.channels * d.taps() * d.channels + r % d.channels) * nr;
      T* to = filter + (r / d.channels * d.channels + r % d.channels) * nr;
      wino_by_filter(d, [&](auto size) {
        for (std::int64_t v = 0; v < nr; v += w)
          wino_filter_tile<size>(
              [&](std::int64_t ky, std::int64_t kx) {
                const std::int64_t tap = ky * size + kx;
                return from + (flip ? d.taps() - 1 - tap : tap) * d.channels * nr + v;
              },
              to + v, filter_stride);
      });
    }
  });

  // As many images per task as leave the fewest tiles over, or as use a streamed filter often enough.
  std::int64_t images_per_task = 1;
  const auto computed = [&](std::int64_t images) {
    return ceil_div(images * d.tiles(), tile_rows) * tile_rows * 12 / images;
  };
  for (std::int64_t images : {2, 3, 4})
    if (images * 8 <= d.images() && computed(images) < computed(images_per_task)) images_per_task = images;
  if (at_once >= 2 * d.tiles()) images_per_task = std::max(images_per_task, std::min(at_once / d.tiles(), ceil_div(d.images(), 4)));
  parallel_for(ceil_div(d.images(), images_per_task), 1, [&](std::int64_t task0, std::int64_t task1) {
    scratch.with_task_scratch([&](T* own) {
      T* const source = own;
      T* const in = source + source_size;
      T* const out = in + wino_points * in_stride;
      T* const evaluated = out + wino_points * out_stride;
      T* const results = evaluated;  // whose row is not needed any more by then
      const copied_image image_layout = d.source();
      const std::int64_t row_size = image_layout.pitch * d.channels;
      zero(source, d.source_size());
      const std::int64_t first = task0 * images_per_task * d.tiles();
      const std::int64_t all = std::min(d.images(), task1 * images_per_task) * d.tiles() - first;
      const even_split rounds(all, ceil_div(all, at_once));
      for (std::int64_t round = 0; round < rounds.parts; ++round) {
        const std::int64_t tile0 = first + rounds.begin(round), count = rounds.size(round);
        const tile_split groups(count, ceil_div(count, tile_rows));
        wino_for_tiles(
            d, tile0, count,
            [&](std::int64_t image) {
              copy_image_rows(image_layout, x, image / d.parts() * d.src_h, d.first_row(image) - d.pad_top, d.source_rows(), source, evaluated);
            },
            [&](std::int64_t s, std::int64_t, std::int64_t ty, std::int64_t tx) {
              const T* from = source + side * (ty * row_size + tx * d.channels);
              for (std::int64_t c = 0; c < d.channels; c += w)
                wino_input_tile(from + c, row_size, d.channels,
                                in + c / d.depth() * at_once * d.depth() + s * d.depth() + c % d.depth(), in_stride);
            });
        for (std::int64_t p = 0; p < wino_points; ++p)
          for (std::int64_t panel = 0; panel < panels; ++panel) {
            const bool narrow = d.outs - panel * nr <= w;
            for (std::int64_t g = 0; g < groups.parts; ++g) {
              tile_args<T> args{.a = in + p * in_stride + groups.begin(g) * d.depth(),
                                      .a_row = d.depth(),
                                      .a_step = 1,
                                      .segment = offset,
                                      .segments = d.blocks(),
                                      .segment_length = d.depth(),
                                      .b = filter + p * filter_stride + panel * d.channels * nr,
                                      .b_step = nr,
                                      .c = out + p * out_stride + (panel * at_once + groups.begin(g)) * nr,
                                      .c_pitch = nr,
                                      .accumulate = false};
              run_tile<T>(args, groups.size(g), narrow ? 1 : 2);
            }
          }
        for (std::int64_t s = 0; s < count;) {
          const std::int64_t image = (tile0 + s) / d.tiles(), tile = (tile0 + s) % d.tiles();
          const std::int64_t ty = tile / d.tiles_x(), tx = tile % d.tiles_x();
          const std::int64_t run = std::min({run_tiles, d.tiles_x() - tx, count - s});
          wino_by_filter(d, [&](auto size) {
            constexpr int m = 7 - size;
            for (std::int64_t q = 0; q < run; ++q)
              for (std::int64_t o = 0; o < d.outs; o += w)
                wino_output_tile<m>(out + (o / nr * at_once + s + q) * nr + o % nr, out_stride, results + m * q * d.outs + o, run_size, d.outs);
          });
          const std::int64_t y0 = d.first_row(image) + side * ty, i = (image / d.parts() * d.dst_h + y0) * d.dst_w + side * tx;
          const std::int64_t pixels = std::min(side * run, d.dst_w - side * tx), rows = std::min(side, d.dst_h - y0);
          for (std::int64_t y = 0; y < rows; ++y) sink.finish(results + y * run_size, d.outs, pixels, i + y * d.dst_w, 1, 0, d.outs);
          s += run;
        }
      }
    });
  });
}

/// Gradient with respect to the filter: result row (ky * filter + kx) * channels + c, column = output.
template <class T>
[[gnu::noinline]] void wino_conv2d_backprop_filter(const wino_dims& d, const operand_ref<T>& x,
                                                   const operand_ref<T>& dy, const tile_sink<T>& sink) {
  using V = vec<T>;
  constexpr std::int64_t nr = tile_cols<T>, w = lanes<T>;
  const std::int64_t panels = ceil_div(d.outs, nr), at_once = wino_tiles_at_once<T>(d);
  const std::int64_t in_stride = wino_stride<T>(at_once * d.channels),
                     out_stride = wino_stride<T>(at_once * panels * nr);
  const std::int64_t source_size = round_up(d.source_size(), 16);
  const std::int64_t side = d.side();
  const copied_image dy_layout{d.dst_h, d.dst_w, d.outs, 0, side * d.tiles_x()};
  const std::int64_t dy_row = dy_layout.pitch * d.outs, dy_size = side * d.tiles_y() * dy_row;
  const std::int64_t sum_stride = wino_stride<T>(panels * d.channels * nr), partial_size = wino_points * sum_stride;
  const std::int64_t room = (std::int64_t{1} << 22) / partial_size;
  const even_split chunks(d.images(), room >= 8 ? 8 : room >= 4 ? 4 : 2);
  const call_scratch<T> scratch(chunks.parts * partial_size, source_size + round_up(dy_size, 16) +
                                                                 wino_points * (in_stride + out_stride) +
                                                                 std::max(d.src_w * d.channels, d.dst_w * d.outs));
  T* const partial = scratch.shared();
  const tile_split row_tiles(d.depth(), ceil_div(d.depth(), tile_rows));
  parallel_for(chunks.parts, 1, [&](std::int64_t chunk0, std::int64_t chunk1) {
    scratch.with_task_scratch([&](T* own) {
      T* const source = own;
      T* const dy_copy = source + source_size;
      T* const in = dy_copy + round_up(dy_size, 16);
      T* const out = in + wino_points * in_stride;
      T* const evaluated = out + wino_points * out_stride;
      const copied_image image_layout = d.source();
      const std::int64_t row_size = image_layout.pitch * d.channels;
      zero(source, d.source_size());
      zero(dy_copy, dy_size);
      for (std::int64_t chunk = chunk0; chunk < chunk1; ++chunk) {
        const std::int64_t begin = chunks.begin(chunk) * d.tiles(), end = begin + chunks.size(chunk) * d.tiles();
        for (std::int64_t tile0 = begin; tile0 < end; tile0 += at_once) {
          const std::int64_t count = std::min(at_once, end - tile0);
          wino_for_tiles(
              d, tile0, count,
              [&](std::int64_t image) {
                copy_image_rows(image_layout, x, image / d.parts() * d.src_h, d.first_row(image) - d.pad_top, d.source_rows(), source, evaluated);
                copy_image_rows(dy_layout, dy, image / d.parts() * d.dst_h, d.first_row(image), side * d.tiles_y(), dy_copy, evaluated);
              },
              [&](std::int64_t s, std::int64_t, std::int64_t ty, std::int64_t tx) {
                const T* from = source + side * (ty * row_size + tx * d.channels);
                for (std::int64_t c = 0; c < d.channels; c += w)
                  wino_input_tile(from + c, row_size, d.channels,
                                  in + c / d.depth() * at_once * d.depth() + s * d.depth() + c % d.depth(), in_stride);
                const T* g = dy_copy + side * (ty * dy_row + tx * d.outs);
                wino_by_filter(d, [&](auto size) {
                  for (std::int64_t o = 0; o < d.outs; o += w)
                    wino_output_gradient_tile<7 - size>(g + o, dy_row, d.outs, out + (o / nr * at_once + s) * nr + o % nr, out_stride);
                });
              });
          for (std::int64_t p = 0; p < wino_points; ++p)
            for (std::int64_t panel = 0; panel < panels; ++panel)
              for (std::int64_t b = 0; b < d.blocks(); ++b)
                for (std::int64_t t = 0; t < row_tiles.parts; ++t)
                  run_tile<T>({.a = in + p * in_stride + b * at_once * d.depth() + row_tiles.begin(t),
                               .a_row = 1,
                               .a_step = d.depth(),
                               .segment = no_offset,
                               .segments = 1,
                               .segment_length = count,
                               .b = out + p * out_stride + panel * at_once * nr,
                               .b_step = nr,
                               .c = partial + chunk * partial_size + p * sum_stride +
                                    (panel * d.channels + b * d.depth() + row_tiles.begin(t)) * nr,
                               .c_pitch = nr,
                               .accumulate = tile0 > begin},
                              row_tiles.size(t), d.outs - panel * nr > w ? 2 : 1);
        }
      }
    });
  });
  parallel_for(d.channels, 4, [&](std::int64_t c0, std::int64_t c1) {
    alignas(64) T taps[static_cast<std::size_t>(25 * w)];
    for (std::int64_t c = c0; c < c1; ++c)
      for (std::int64_t o = 0; o < d.outs; o += w) {
        const T* from = partial + (o / nr * d.channels + c) * nr + o % nr;
        const auto sum = [&](std::int64_t point) {
          V total(T(0));
          for (std::int64_t chunk = 0; chunk < chunks.parts; ++chunk)
            total += V::load_aligned(from + chunk * partial_size + point * sum_stride);
          return total;
        };
        wino_by_filter(d, [&](auto size) { wino_filter_gradient_tile<size>(sum, taps); });
        sink.finish(taps, w, d.taps(), c, d.channels, o, w);
      }
  });
}

}  // namespace rill::kernel::detail

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Two-dimensional convolution on a CPU and its two gradients, for float and double: NHWC images, HWIO filters, any
/// stride and explicit padding. Direct method: an image is brought once into a zero-padded scratch copy (evaluating its
/// operand on the way), so that the kernel knows no border and what a pixel reads of an image row is one run of memory.
/// 1 x 1 filters of stride 1 are matrix products (but for their gradient, which sums over chunks of the batch as all do).
///
/// 5 x 5 and 3 x 3 filters of stride 1 over 16 or a multiple of 32 channels go through winograd.hpp where there is enough
/// work, unless `direct` is set (conv2d_options::direct). With 128 channels of float the root mean square of the errors is
/// then below 4e-6 of that of the results, three to five times what direct summation has (below 1e-6). An infinity or NaN in
/// an operand makes NaN of whole tiles of results, where direct summation gives it to those whose window holds it.
///
/// Images stay NHWC. Direct summation reaches 90 to 95 % of the peak of fused multiply-adds on them where channels fill
/// vectors, as oneDNN does on blocked images (nChw16c) of its own choice: there is nothing left for another layout to win.
///
/// Operands and epilogue are those of matmul.hpp. Image operands have one row per image row (`outer` = image * height +
/// y, `inner` = x * channels + channel); filter operands one row per (ky, kx, input channel). Results are matrices of
/// pixels x channels, or (ky, kx, input channel) x output channels for the filter's gradient.
///
/// Results are bit-identical for any number of threads. Dimensions are checked by the callers; nothing is thrown here
/// but std::bad_alloc.
///
///     conv2d_dims d{.batch = 100, .in_h = 28, .in_w = 28, .in_c = 1, .k_h = 5, .k_w = 5, .out_h = 28, .out_w = 28,
///                   .out_c = 32, .stride_h = 1, .stride_w = 1, .pad_top = 2, .pad_left = 2};
///     conv2d<float>(d, plain_operand<float>{x, 28}, plain_operand<float>{w, 32}, store_epilogue<float>{y, 32});

#include <rill/kernel/matmul.hpp>
#include <rill/kernel/winograd.hpp>

namespace rill::kernel {

/// Sizes of a convolution. Output pixel (y, x) reads input pixels (y * stride_h + ky - pad_top, x * stride_w + kx -
/// pad_left); those outside of the image count as zero.
struct conv2d_dims {
  std::int64_t batch, in_h, in_w, in_c, k_h, k_w, out_h, out_w, out_c, stride_h, stride_w, pad_top, pad_left;
  bool direct = false;  ///< no minimal filtering
};

namespace detail {

/// Rows that one task computes: whole images where there are many, else a fixed cut by work and scratch size.
inline std::int64_t image_row_blocks(std::int64_t batch, std::int64_t rows, std::int64_t flops_per_image,
                                     std::int64_t scratch_per_image) {
  const std::int64_t by_size = ceil_div(scratch_per_image, 1 << 17);
  const std::int64_t by_tasks = std::min(ceil_div(16, batch), ceil_div(flops_per_image, 2 * flops_per_task));
  return std::clamp<std::int64_t>(std::max(by_size, by_tasks), 1, rows);
}

/// Brings one row of pixels (`from`, [x][channel]) into channel-major order, `pitch` elements from channel to channel.
template <class T>
[[gnu::noinline]] void transpose_pixels(const T* from, std::int64_t width, std::int64_t channels, std::int64_t pitch, T* to) {
  constexpr std::int64_t w = lanes<T>;
  for (std::int64_t x = 0; x < width; x += w) {
    const std::int64_t pixels = std::min(w, width - x);
    const T* row[std::size_t{lanes<T>}];
    for (std::int64_t q = 0; q < w; ++q) row[q] = from + (x + std::min(q, pixels - 1)) * channels;
    for (std::int64_t c = 0; c < channels; c += w)
      transpose_block<T>(row, pixels, c, std::min(w, channels - c), to + c * pitch + x, pitch, pixels);
  }
}

/// Packs a filter of `depth` rows in panels: [panel][row][output].
template <class T>
[[gnu::noinline]] void pack_filter_panels(const operand_ref<T>& filter, std::int64_t depth, std::int64_t outs, T* to, const call_scratch<T>& scratch) {
  constexpr std::int64_t nr = tile_cols<T>;
  const std::int64_t size = depth * nr;
  parallel_for(ceil_div(outs, nr), std::max<std::int64_t>(1, 60'000 / size), [&](std::int64_t p0, std::int64_t p1) {
    scratch.with_task_scratch([&](T* own) {
      for (std::int64_t p = p0; p < p1; ++p)
        pack_columns(filter, 0, depth, p * nr, std::min(nr, outs - p * nr), to + p * size, size, own);
    });
  });
}

/// Whether winograd.hpp knows such a filter.
constexpr bool minimal_filter(const conv2d_dims& d) {
  return !d.direct && (d.k_h == 5 || d.k_h == 3) && d.k_w == d.k_h && d.stride_h == 1 && d.stride_w == 1;
}

template <class T>
constexpr std::int64_t elements_for_offsets(std::int64_t n) {
  return ceil_div(n * static_cast<std::int64_t>(sizeof(std::int64_t)), static_cast<std::int64_t>(sizeof(T)));
}

/// Whether it is a product of matrices: pixels x channels.
constexpr bool one_by_one(const conv2d_dims& d) {
  return d.k_h == 1 && d.k_w == 1 && d.stride_h == 1 && d.stride_w == 1 && d.in_h == d.out_h && d.in_w == d.out_w && d.pad_top == 0 && d.pad_left == 0;
}
/// An image in memory as a matrix of pixels.
template <class T>
bool as_pixels(const operand_ref<T>& x, std::int64_t width, std::int64_t channels, operand_ref<T>& to) {
  to = {.data = x.data, .ld = channels};
  return x.in_memory() && x.ld == width * channels;
}

/// conv2d_backprop_input for images of so few channels that they do not fill a vector: a matrix product gives what each
/// output pixel sends to each (ky, kx, c), with pixels in the lanes; those are added up in a planar image.
template <class T>
[[gnu::noinline]] void backprop_few_channels(const conv2d_dims& d, const operand_ref<T>& dy,
                                             const operand_ref<T>& filter, const tile_sink<T>& sink) {
  constexpr std::int64_t nr = tile_cols<T>, mr = tile_rows, w = lanes<T>;
  const std::int64_t taps = d.k_h * d.k_w * d.in_c;
  const tile_split tiles(taps, ceil_div(taps, mr));
  const std::int64_t tile_size = packed_tile_size<T>(std::min(mr, taps), d.out_c);
  const std::int64_t pitch = round_up(d.out_w, w);  // of the channels of a transposed row
  // One line of the planar image: all positions that a tap can reach, and what else a vector touches.
  const std::int64_t line = std::max((pitch - 1) * d.stride_w + d.k_w, d.pad_left + d.in_w);
  const std::int64_t sum_size = round_up(d.in_h * d.in_c * line, 16), row_size = round_up(d.out_c * pitch, 16);
  const call_scratch<T> scratch(
      tiles.parts * tile_size,
      std::max(pack_scratch<T>(0), mr * nr + sum_size + row_size + d.in_w * w + d.out_w * d.out_c));
  T* const packed = scratch.shared();
  pack_a(false, filter, tiles, 0, d.out_c, tile_size, packed, scratch);
  parallel_for(
      d.batch, task_grain(2 * d.out_h * d.out_w * taps * d.out_c), [&](std::int64_t image0, std::int64_t image1) {
        scratch.with_task_scratch([&](T* own) {
          T* const c = own;
          T* const sum = c + mr * nr;
          T* const row = sum + sum_size;
          T* const pixels = row + row_size;  // a vector each
          T* const evaluated = pixels + d.in_w * w;
          zero(row, row_size);
          zero(pixels, d.in_w * w);
          for (std::int64_t image = image0; image < image1; ++image) {
            zero(sum, sum_size);
            for (std::int64_t oy = 0; oy < d.out_h; ++oy) {
              transpose_pixels(dy.segment(image * d.out_h + oy, 0, d.out_w * d.out_c, evaluated), d.out_w, d.out_c, pitch,
                               row);
              for (std::int64_t x0 = 0; x0 < d.out_w; x0 += nr) {
                const std::int64_t vectors = d.out_w - x0 > w ? 2 : 1;
                for (std::int64_t t = 0; t < tiles.parts; ++t) {
                  run_tile<T>({.a = packed + t * tile_size,
                               .a_row = 1,
                               .a_step = tiles.size(t),
                               .segment = no_offset,
                               .segments = 1,
                               .segment_length = d.out_c,
                               .b = row + x0,
                               .b_step = pitch,
                               .c = c,
                               .c_pitch = nr,
                               .accumulate = false},
                              tiles.size(t), vectors);
                  for (std::int64_t r = 0; r < tiles.size(t); ++r) {
                    const std::int64_t tap = (tiles.begin(t) + r) / d.in_c, channel = (tiles.begin(t) + r) % d.in_c;
                    const std::int64_t y = oy * d.stride_h + tap / d.k_w - d.pad_top;
                    if (y < 0 || y >= d.in_h) continue;
                    T* const to = sum + (y * d.in_c + channel) * line + x0 * d.stride_w + tap % d.k_w;
                    if (d.stride_w == 1)
                      for (std::int64_t x = 0; x < vectors * w; x += w)
                        (vec<T>::load_unaligned(to + x) + vec<T>::load_aligned(c + r * nr + x)).store_unaligned(to + x);
                    else
                      for (std::int64_t x = 0; x < std::min(nr, d.out_w - x0); ++x) to[x * d.stride_w] += c[r * nr + x];
                  }
                }
              }
            }
            for (std::int64_t y = 0; y < d.in_h; ++y) {
              for (std::int64_t x = 0; x < d.in_w; ++x)
                for (std::int64_t channel = 0; channel < d.in_c; ++channel)
                  pixels[x * w + channel] = sum[(y * d.in_c + channel) * line + d.pad_left + x];
              sink.finish(pixels, w, d.in_w, (image * d.in_h + y) * d.in_w, 1, 0, d.in_c);
            }
          }
        });
      });
}

/// conv2d.
template <class T>
[[gnu::noinline]] void convolve(const conv2d_dims& d, const operand_ref<T>& x, const operand_ref<T>& filter,
                                const tile_sink<T>& sink) {
  if (d.batch <= 0 || d.out_h <= 0 || d.out_w <= 0 || d.out_c <= 0) return;
  constexpr std::int64_t nr = tile_cols<T>, mr = tile_rows;
  const std::int64_t depth = d.k_h * d.k_w * d.in_c;
  if (depth <= 0) return zero_result(d.batch * d.out_h * d.out_w, d.out_c, sink);
  if (operand_ref<T> pixels; one_by_one(d) && as_pixels(x, d.in_w, d.in_c, pixels))
    return multiply<T>({d.batch * d.out_h * d.out_w, d.out_c, d.in_c, false, false, pixels, filter, sink});
  if (minimal_filter(d)) {
    const wino_dims wino{d.k_h, d.batch, d.in_h, d.in_w, d.in_c, d.out_h, d.out_w, d.out_c, d.pad_top, d.pad_left};
    if (wino_pays<T>(wino)) {
      const auto pack = [&](T* to, const call_scratch<T>& scratch) {
        pack_filter_panels(filter, depth, d.out_c, to, scratch);
      };
      return wino_conv2d<T>(false, wino, x, pack_scratch<T>(nr), pack, sink);
    }
  }

  const copied_image layout{d.in_h, d.in_w, d.in_c, d.pad_left, (d.out_w - 1) * d.stride_w + d.k_w};
  const std::int64_t row_size = layout.pitch * d.in_c;
  const std::int64_t panels = ceil_div(d.out_c, nr), panel_size = depth * nr;
  // A filter of few whole panels is read where it is.
  const bool in_place = filter.in_memory() && (d.out_c == nr || d.out_c == 2 * nr);

  const std::int64_t image_flops = 2 * d.out_h * d.out_w * depth * d.out_c;
  const even_split row_blocks(d.out_h,
                              image_row_blocks(d.batch, d.out_h, image_flops, d.out_h * d.stride_h * row_size));
  const std::int64_t copied_rows = (row_blocks.largest() - 1) * d.stride_h + d.k_h;
  const std::int64_t copy_size = round_up(copied_rows * row_size, 16);
  const std::int64_t offsets_size = round_up(elements_for_offsets<T>(d.k_h), 16);
  const call_scratch<T> scratch(offsets_size + (in_place ? 0 : panels * panel_size),
                                mr * nr + copy_size + std::max(d.in_w * d.in_c, pack_scratch<T>(nr)));
  std::int64_t* const offset = reinterpret_cast<std::int64_t*>(scratch.shared());
  T* const packed = scratch.shared() + offsets_size;
  for (std::int64_t ky = 0; ky < d.k_h; ++ky) offset[ky] = ky * row_size;
  if (!in_place) pack_filter_panels(filter, depth, d.out_c, packed, scratch);

  const tile_split tiles(d.out_w, ceil_div(d.out_w, mr));
  const std::int64_t tasks = d.batch * row_blocks.parts;
  parallel_for(tasks, task_grain(image_flops / row_blocks.parts), [&](std::int64_t task0, std::int64_t task1) {
    scratch.with_task_scratch([&](T* own) {
      T* const copy = own + mr * nr;
      zero(copy, copy_size);
      tile_args<T> args{.a = nullptr,
                        .a_row = d.stride_w * d.in_c,
                        .a_step = 1,
                        .segment = offset,
                        .segments = d.k_h,
                        .segment_length = d.k_w * d.in_c,
                        .b = nullptr,
                        .b_step = in_place ? filter.ld : nr,
                        .c = own,
                        .c_pitch = nr,
                        .accumulate = false};
      for (std::int64_t task = task0; task < task1; ++task) {
        const std::int64_t image = task / row_blocks.parts, block = task % row_blocks.parts;
        const std::int64_t y0 = row_blocks.begin(block), y1 = y0 + row_blocks.size(block);
        copy_image_rows(layout, x, image * d.in_h, y0 * d.stride_h - d.pad_top, (y1 - y0 - 1) * d.stride_h + d.k_h,
                        copy, copy + copy_size);
        for (std::int64_t p = 0; p < panels; ++p) {
          args.b = in_place ? filter.data + p * nr : packed + p * panel_size;
          for (std::int64_t y = y0; y < y1; ++y)
            for (std::int64_t t = 0; t < tiles.parts; ++t) {
              args.a = copy + (y - y0) * d.stride_h * row_size + tiles.begin(t) * args.a_row;
              run_tile_to_sink(args, sink, tiles.size(t), (image * d.out_h + y) * d.out_w + tiles.begin(t), 1, p * nr,
                               std::min(nr, d.out_c - p * nr));
            }
        }
      }
    });
  });
}

/// conv2d_backprop_input. Each residue of the input position modulo the stride is a convolution of stride 1 with the
/// taps of that residue.
template <class T>
[[gnu::noinline]] void convolve_backprop_input(const conv2d_dims& d, const operand_ref<T>& dy,
                                               const operand_ref<T>& filter, const tile_sink<T>& sink) {
  if (d.batch <= 0 || d.in_h <= 0 || d.in_w <= 0 || d.in_c <= 0) return;
  constexpr std::int64_t nr = tile_cols<T>, mr = tile_rows;
  const std::int64_t depth = d.k_h * d.k_w * d.out_c;
  if (depth <= 0 || d.out_h <= 0 || d.out_w <= 0) return zero_result(d.batch * d.in_h * d.in_w, d.in_c, sink);
  if (operand_ref<T> pixels; one_by_one(d) && as_pixels(dy, d.out_w, d.out_c, pixels))
    return multiply<T>({d.batch * d.in_h * d.in_w, d.in_c, d.out_c, false, true, pixels, filter, sink});

  if (minimal_filter(d)) {
    const wino_dims wino{d.k_h, d.batch, d.out_h, d.out_w, d.out_c, d.in_h, d.in_w, d.in_c, d.k_h - 1 - d.pad_top, d.k_w - 1 - d.pad_left};
    if (wino_pays<T>(wino)) {
      const auto pack = [&](T* to, const call_scratch<T>& scratch) {
        parallel_for(d.k_h * d.k_w, std::max<std::int64_t>(1, 60'000 / (d.out_c * d.in_c)), [&](std::int64_t s0, std::int64_t s1) {
          scratch.with_task_scratch([&](T* own) {
            for (std::int64_t s = s0; s < s1; ++s)
              pack_transposed_columns(filter, 0, d.out_c, s * d.in_c, d.in_c, to + s * d.out_c * nr, d.k_h * d.k_w * d.out_c * nr,
                                      own);
          });
        });
      };
      return wino_conv2d<T>(true, wino, dy, pack_scratch<T>(nr), pack, sink);
    }
  }

  if (4 * d.in_c <= lanes<T>) return backprop_few_channels(d, dy, filter, sink);

  // Input position p (with padding) = stride * q + residue is reached from output q - t by tap residue + stride * t.
  const std::int64_t sh = d.stride_h, sw = d.stride_w;
  const std::int64_t last_ty = (d.k_h - 1) / sh, last_tx = (d.k_w - 1) / sw;
  const std::int64_t first_qx = d.pad_left / sw, last_qx = (d.in_w - 1 + d.pad_left) / sw;
  const copied_image layout{d.out_h, d.out_w, d.out_c, last_tx - first_qx, last_qx - first_qx + last_tx + 1};
  const std::int64_t row_size = layout.pitch * d.out_c;
  const std::int64_t taps = d.k_h * d.k_w;
  const std::int64_t panels = ceil_div(d.in_c, nr);

  const std::int64_t image_flops = 2 * d.out_h * d.out_w * depth * d.in_c;
  const even_split row_blocks(d.in_h, image_row_blocks(d.batch, d.in_h, image_flops, d.out_h * row_size));
  const std::int64_t copied_rows = (row_blocks.largest() - 1) / sh + 2 + last_ty;
  const std::int64_t copy_size = round_up(copied_rows * row_size, 16);
  const std::int64_t offsets_size = round_up(elements_for_offsets<T>(taps), 16);
  const call_scratch<T> scratch(offsets_size + panels * nr * depth,
                                mr * nr + copy_size + std::max(d.out_w * d.out_c, pack_scratch<T>(nr)));
  // Offsets and packed taps are kept residue by residue: those of (py, px) start at tap number first_tap(py, px).
  std::int64_t* const offset = reinterpret_cast<std::int64_t*>(scratch.shared());
  T* const packed = scratch.shared() + offsets_size;
  const auto taps_of = [](std::int64_t kernel, std::int64_t stride, std::int64_t residue) {
    return residue < kernel ? (kernel - residue - 1) / stride + 1 : 0;
  };
  const auto first_tap = [&](std::int64_t py, std::int64_t px) {
    std::int64_t before = 0;
    for (std::int64_t q = 0; q < py; ++q) before += taps_of(d.k_h, sh, q) * d.k_w;
    for (std::int64_t q = 0; q < px; ++q) before += taps_of(d.k_h, sh, py) * taps_of(d.k_w, sw, q);
    return before;
  };
  for (std::int64_t py = 0; py < std::min(sh, d.k_h); ++py) {
    for (std::int64_t px = 0; px < std::min(sw, d.k_w); ++px) {
      const std::int64_t ty_count = taps_of(d.k_h, sh, py), tx_count = taps_of(d.k_w, sw, px);
      const std::int64_t first = first_tap(py, px), count = ty_count * tx_count;
      for (std::int64_t s = 0; s < count; ++s)
        offset[first + s] = (last_ty - s / tx_count) * row_size + (last_tx - s % tx_count) * d.out_c;
      parallel_for(count, std::max<std::int64_t>(1, 60'000 / (d.out_c * d.in_c)),
                   [&](std::int64_t s0, std::int64_t s1) {
                     scratch.with_task_scratch([&](T* own) {
                       for (std::int64_t s = s0; s < s1; ++s) {
                         const std::int64_t ky = py + sh * (s / tx_count), kx = px + sw * (s % tx_count);
                         pack_transposed_columns(filter, 0, d.out_c, (ky * d.k_w + kx) * d.in_c, d.in_c,
                                                 packed + first * d.out_c * nr * panels + s * d.out_c * nr,
                                                 count * d.out_c * nr, own);
                       }
                     });
                   });
    }
  }

  const std::int64_t tasks = d.batch * row_blocks.parts;
  parallel_for(tasks, task_grain(image_flops / row_blocks.parts), [&](std::int64_t task0, std::int64_t task1) {
    scratch.with_task_scratch([&](T* own) {
      T* const copy = own + mr * nr;
      zero(copy, copy_size);
      for (std::int64_t task = task0; task < task1; ++task) {
        const std::int64_t image = task / row_blocks.parts, block = task % row_blocks.parts;
        const std::int64_t y0 = row_blocks.begin(block), y1 = y0 + row_blocks.size(block);
        const std::int64_t first_qy = (y0 + d.pad_top) / sh, last_qy = (y1 - 1 + d.pad_top) / sh;
        copy_image_rows(layout, dy, image * d.out_h, first_qy - last_ty, last_qy - first_qy + last_ty + 1, copy,
                        copy + copy_size);
        for (std::int64_t p = 0; p < panels; ++p) {
          const std::int64_t cols = std::min(nr, d.in_c - p * nr);
          for (std::int64_t y = y0; y < y1; ++y) {
            const std::int64_t py = (y + d.pad_top) % sh;
            const T* const row = copy + ((y + d.pad_top) / sh - first_qy) * row_size;
            for (std::int64_t px = 0; px < sw; ++px) {
              const std::int64_t x_first = (px - d.pad_left % sw + sw) % sw;
              if (x_first >= d.in_w) continue;
              const std::int64_t pixels = (d.in_w - x_first - 1) / sw + 1;
              const std::int64_t count = taps_of(d.k_h, sh, py) * taps_of(d.k_w, sw, px);
              const std::int64_t first = count > 0 ? first_tap(py, px) : 0;
              const T* const panel = packed + (first * panels + p * count) * d.out_c * nr;
              const T* const from = row + ((x_first + d.pad_left) / sw - first_qx) * d.out_c;
              const tile_split tiles(pixels, ceil_div(pixels, mr));
              for (std::int64_t t = 0; t < tiles.parts; ++t) {
                const std::int64_t r0 = tiles.begin(t), rows = tiles.size(t);
                const std::int64_t i0 = (image * d.in_h + y) * d.in_w + x_first + r0 * sw;
                tile_args<T> args{.a = from + r0 * d.out_c,
                                  .a_row = d.out_c,
                                  .a_step = 1,
                                  .segment = offset + first,
                                  .segments = count,
                                  .segment_length = d.out_c,
                                  .b = panel,
                                  .b_step = nr,
                                  .c = own,
                                  .c_pitch = nr,
                                  .accumulate = false};
                run_tile_to_sink(args, sink, rows, i0, sw, p * nr, cols);
              }
            }
          }
        }
      }
    });
  });
}

/// to[2 x] = even[x], to[2 x + 1] = odd[x] for x < n.
template <class T>
[[gnu::noinline]] void interleave(const T* even, const T* odd, std::int64_t n, T* to) {
  constexpr int w = lanes<T>;
  typedef T native __attribute__((vector_size(sizeof(T) * static_cast<std::size_t>(w))));
  std::int64_t x = 0;
  for (; x + w <= n; x += w) {
    native a, b;
    std::memcpy(&a, even + x, sizeof(native));
    std::memcpy(&b, odd + x, sizeof(native));
    [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
      const native lower = shuffle<(I / 2 + I % 2 * w)...>(a, b);
      const native upper = shuffle<(w / 2 + I / 2 + I % 2 * w)...>(a, b);
      std::memcpy(to + 2 * x, &lower, sizeof(native));
      std::memcpy(to + 2 * x + w, &upper, sizeof(native));
    }
    (std::make_integer_sequence<int, w>{});
  }
  for (; x < n; ++x) to[2 * x] = even[x], to[2 * x + 1] = odd[x];
}

/// conv2d_backprop_filter. The batch is summed in a number of chunks that depends on the dimensions alone; their sums
/// are added in order.
template <class T>
[[gnu::noinline]] void convolve_backprop_filter(const conv2d_dims& d, const operand_ref<T>& x, const operand_ref<T>& dy,
                                                const tile_sink<T>& sink) {
  const std::int64_t result_rows = d.k_h * d.k_w * d.in_c;
  if (result_rows <= 0 || d.out_c <= 0) return;
  if (d.batch <= 0 || d.out_h <= 0 || d.out_w <= 0) return zero_result(result_rows, d.out_c, sink);
  constexpr std::int64_t nr = tile_cols<T>, mr = tile_rows;
  if (minimal_filter(d)) {
    const wino_dims wino{d.k_h, d.batch, d.in_h, d.in_w, d.in_c, d.out_h, d.out_w, d.out_c, d.pad_top, d.pad_left};
    if (wino_gradient_pays<T>(wino)) return wino_conv2d_backprop_filter(wino, x, dy, sink);
  }

  // For one ky the rows (kx, c) that meet an output pixel are neighbours in the padded image.
  const std::int64_t line = d.k_w * d.in_c;
  const tile_split tiles(line, ceil_div(line, mr));
  // Where those are few, two ky share a tile (and one pass over dy), on image rows that are interleaved with the next.
  const bool paired = d.in_c == 1 && d.k_h > 1 && 2 * line <= mr;
  const std::int64_t groups = paired ? ceil_div(d.k_h, 2) : d.k_h * tiles.parts;
  const std::int64_t panels = ceil_div(d.out_c, nr), partial_size = panels * groups * mr * nr;
  const std::int64_t pitch = (d.out_w - 1) * d.stride_w + d.k_w, row_size = pitch * d.in_c;
  const auto group_pairs = [&](std::int64_t g) { return paired && 2 * g + 1 < d.k_h; };
  const auto group_rows = [&](std::int64_t g) {
    return paired ? (group_pairs(g) ? 2 : 1) * line : tiles.size(g % tiles.parts);
  };

  const std::int64_t flops = 2 * d.batch * d.out_h * d.out_w * result_rows * d.out_c;
  const std::int64_t worth = std::max<std::int64_t>(1, flops / (2 * flops_per_task));
  const even_split chunks(d.batch,
                          std::min<std::int64_t>({16, worth, std::max<std::int64_t>(1, (1 << 22) / partial_size)}));
  const even_split parts(groups, std::min(ceil_div(16, chunks.parts), ceil_div(worth, chunks.parts)));
  // Some 200 pixels at a time keep both operands in the first-level cache; a pair's few passes over dy can come from the
  // second.
  const even_split row_blocks(d.out_h, ceil_div(d.out_h * d.out_w, paired ? 800 : 200));
  const std::int64_t block_rows = row_blocks.largest();
  const std::int64_t copied_rows = (block_rows - 1) * d.stride_h + d.k_h;
  const std::int64_t copy_size = round_up(copied_rows * row_size, 16);
  const std::int64_t pairs_size = paired ? 2 * copy_size : 0;
  const std::int64_t dy_panel = block_rows * d.out_w * nr;
  const std::int64_t offsets_size = round_up(elements_for_offsets<T>(2 * block_rows), 16);
  // Rows of dy that follow each other in memory, few whole panels wide, are read where they are.
  const bool in_place = dy.in_memory() && dy.ld == d.out_w * d.out_c && (d.out_c == nr || d.out_c == 2 * nr);
  const call_scratch<T> scratch(offsets_size + chunks.parts * partial_size,
                                copy_size + pairs_size + panels * dy_panel +
                                    std::max(d.in_w * d.in_c, d.out_w * d.out_c));
  std::int64_t* const offset = reinterpret_cast<std::int64_t*>(scratch.shared());
  std::int64_t* const pair_offset = offset + block_rows;
  T* const partial = scratch.shared() + offsets_size;
  for (std::int64_t r = 0; r < block_rows; ++r) {
    offset[r] = r * d.stride_h * row_size;
    pair_offset[r] = 2 * offset[r];
  }

  const std::int64_t tasks = chunks.parts * parts.parts;
  parallel_for(tasks, task_grain(flops / tasks), [&](std::int64_t task0, std::int64_t task1) {
    scratch.with_task_scratch([&](T* own) {
      T* const copy = own;
      T* const pairs = own + copy_size;
      T* const packed_dy = pairs + pairs_size;
      T* const evaluated = packed_dy + panels * dy_panel;
      zero(copy, copy_size);
      for (std::int64_t task = task0; task < task1; ++task) {
        const std::int64_t chunk = task / parts.parts, part = task % parts.parts;
        const std::int64_t image0 = chunks.begin(chunk), image1 = image0 + chunks.size(chunk);
        const std::int64_t g0 = parts.begin(part), g1 = g0 + parts.size(part);
        for (std::int64_t image = image0; image < image1; ++image) {
          for (std::int64_t block = 0; block < row_blocks.parts; ++block) {
            const std::int64_t y0 = row_blocks.begin(block), rows = row_blocks.size(block);
            const std::int64_t first_y = y0 * d.stride_h - d.pad_top;
            copy_image_rows(copied_image{d.in_h, d.in_w, d.in_c, d.pad_left, pitch}, x, image * d.in_h, first_y,
                            (rows - 1) * d.stride_h + d.k_h, copy, evaluated);
            for (std::int64_t r = 0; paired && r + 1 < (rows - 1) * d.stride_h + d.k_h; ++r)
              interleave(copy + r * row_size, copy + (r + 1) * row_size, row_size, pairs + 2 * r * row_size);
            const T* columns = packed_dy;
            if (in_place) columns = dy.segment(image * d.out_h + y0, 0, d.out_w * d.out_c, evaluated);
            else
              for (std::int64_t r = 0; r < rows; ++r) {
                const T* from = dy.segment(image * d.out_h + y0 + r, 0, d.out_w * d.out_c, evaluated);
                pack_columns(operand_ref<T>{.data = from, .ld = d.out_c}, 0, d.out_w, 0, d.out_c, packed_dy + r * d.out_w * nr,
                             dy_panel, evaluated);
              }
            for (std::int64_t p = 0; p < panels; ++p) {
              const std::int64_t vectors = d.out_c - p * nr > lanes<T> ? 2 : 1;
              for (std::int64_t g = g0; g < g1; ++g) {
                const bool pair = group_pairs(g);
                const T* from = paired ? copy + 2 * g * row_size
                                       : copy + g / tiles.parts * row_size + tiles.begin(g % tiles.parts);
                if (pair) from = pairs + 4 * g * row_size;
                run_tile<T>({.a = from,
                             .a_row = 1,
                             .a_step = (pair ? 2 : 1) * d.stride_w * d.in_c,
                             .segment = pair ? pair_offset : offset,
                             .segments = rows,
                             .segment_length = d.out_w,
                             .b = columns + p * (in_place ? nr : dy_panel),
                             .b_step = in_place ? d.out_c : nr,
                             .c = partial + chunk * partial_size + (p * groups + g) * mr * nr,
                             .c_pitch = nr,
                             .accumulate = image > image0 || block > 0},
                            group_rows(g), vectors);
              }
            }
          }
        }
      }
    });
  });

  parallel_for(panels * groups, std::max<std::int64_t>(1, 100'000 / (chunks.parts * mr * nr)),
               [&](std::int64_t tile0, std::int64_t tile1) {
                 for (std::int64_t tile = tile0; tile < tile1; ++tile) {
                   const std::int64_t p = tile / groups, g = tile % groups;
                   const std::int64_t cols = std::min(nr, d.out_c - p * nr), count = group_rows(g) * nr;
                   T* const sum = partial + tile * mr * nr;
                   for (std::int64_t chunk = 1; chunk < chunks.parts; ++chunk)
                     for (std::int64_t e = 0; e < count; e += lanes<T>)
                       (vec<T>::load_aligned(sum + e) + vec<T>::load_aligned(sum + chunk * partial_size + e))
                           .store_aligned(sum + e);
                   if (!paired) {
                     const std::int64_t first = g / tiles.parts * line + tiles.begin(g % tiles.parts);
                     sink.finish(sum, nr, tiles.size(g % tiles.parts), first, 1, p * nr, cols);
                   } else {  // rows of a pair alternate
                     const std::int64_t step = group_pairs(g) ? 2 : 1;
                     for (std::int64_t ky = 0; ky < step; ++ky)
                       sink.finish(sum + ky * nr, step * nr, line, (2 * g + ky) * line, 1, p * nr, cols);
                   }
                 }
               });
}

}  // namespace detail

/// Convolution: result row (image * out_h + y) * out_w + x, column = output channel. (TensorFlow's Conv2D, which does
/// not flip the filter.)
template <class T, class X, class W, class E>
void conv2d(const conv2d_dims& d, const X& x, const W& filter, const E& epilogue) {
  using operand = detail::operand_ref<T>;
  detail::convolve<T>(d, operand::of(x), operand::of(filter), detail::tile_sink<T>::of(epilogue));
}

/// Gradient of conv2d with respect to its images: result row (image * in_h + y) * in_w + x, column = input channel.
template <class T, class DY, class W, class E>
void conv2d_backprop_input(const conv2d_dims& d, const DY& dy, const W& filter, const E& epilogue) {
  using operand = detail::operand_ref<T>;
  detail::convolve_backprop_input<T>(d, operand::of(dy), operand::of(filter), detail::tile_sink<T>::of(epilogue));
}

/// Gradient of conv2d with respect to its filter: result row (ky * k_w + kx) * in_c + c, column = output channel.
template <class T, class X, class DY, class E>
void conv2d_backprop_filter(const conv2d_dims& d, const X& x, const DY& dy, const E& epilogue) {
  using operand = detail::operand_ref<T>;
  detail::convolve_backprop_filter<T>(d, operand::of(x), operand::of(dy), detail::tile_sink<T>::of(epilogue));
}

}  // namespace rill::kernel

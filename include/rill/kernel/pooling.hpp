// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Max and average pooling over NHWC images on a CPU, with their gradients, for float and double. Operands and epilogue
/// are those of matmul.hpp; image operands have one row per image row (`outer` = image * height + y, `inner` = x *
/// channels + channel), results are matrices of pixels x channels.
///
/// The gradient of a maximum goes to the first largest element of the window in row-major order (TensorFlow's rule);
/// overlapping windows add up. An average counts only the elements inside of the image. Results are bit-identical for
/// any number of threads. Dimensions are checked by the callers; nothing is thrown here but std::bad_alloc.
///
///     pool2d_dims d{.batch = 100, .in_h = 28, .in_w = 28, .c = 32, .win_h = 2, .win_w = 2, .out_h = 14, .out_w = 14,
///                   .stride_h = 2, .stride_w = 2, .pad_top = 0, .pad_left = 0};
///     max_pool2d<float>(d, plain_operand<float>{x, 28 * 32}, store_epilogue<float>{y, 32});

#include <rill/kernel/matmul.hpp>
#include <rill/ops/window.hpp>

#include <limits>

namespace rill::kernel {

/// Sizes of a pooling. Output pixel (y, x) sees input pixels (y * stride_h + ky - pad_top, x * stride_w + kx -
/// pad_left).
struct pool2d_dims {
  std::int64_t batch, in_h, in_w, c, win_h, win_w, out_h, out_w, stride_h, stride_w, pad_top, pad_left;
};

namespace detail {

template <class V>
inline V larger_of(const V& a, const V& b) {
  return xsimd::max(a, b);
}
#if defined(__AVX512F__)
// The same; g++ 12 takes the unmasked intrinsic that xsimd uses for a read of an uninitialised variable.
inline vec<float> larger_of(const vec<float>& a, const vec<float>& b) {
  return vec<float>(_mm512_maskz_max_ps(static_cast<__mmask16>(-1), a, b));
}
inline vec<double> larger_of(const vec<double>& a, const vec<double>& b) {
  return vec<double>(_mm512_maskz_max_pd(static_cast<__mmask8>(-1), a, b));
}
#endif

/// The part [begin, end) of a window at output position `o` that lies inside of an axis of `size` elements.
struct window_range {
  std::int64_t begin, end;
  constexpr window_range(std::int64_t o, std::int64_t stride, std::int64_t pad, std::int64_t window, std::int64_t size)
      : begin(std::clamp<std::int64_t>(o * stride - pad, 0, size)),
        end(std::clamp<std::int64_t>(o * stride - pad + window, begin, size)) {}
};

/// One vector of channels, from channel c: load(p) reads it at p + c (missing lanes are zero), store(p, v) writes it
/// back, emit(epilogue, row, v) hands it to the epilogue. whole_lanes has all its lanes, some_lanes the first n.
template <class T>
struct whole_lanes {
  std::int64_t c;
  [[nodiscard]] vec<T> load(const T* p) const { return vec<T>::load_unaligned(p + c); }
  void store(T* p, const vec<T>& v) const { v.store_unaligned(p + c); }
  template <class E>
  void emit(const E& epilogue, std::int64_t row, const vec<T>& v) const {
    epilogue(row, c, v);
  }
};
template <class T>
struct some_lanes {
  std::int64_t c, n;
  [[nodiscard]] vec<T> load(const T* p) const { return load_lanes(p + c, n); }
  void store(T* p, const vec<T>& v) const { store_lanes(p + c, v, n); }
  template <class E>
  void emit(const E& epilogue, std::int64_t row, const vec<T>& v) const {
    epilogue.tail(row, c, v, n);
  }
};
template <class T, class F>
[[gnu::always_inline]] inline void for_each_channel_vector(std::int64_t channels, F&& f) {
  std::int64_t c = 0;
  for (; c + lanes<T> <= channels; c += lanes<T>) f(whole_lanes<T>{c});
  if (c < channels) f(some_lanes<T>{c, channels - c});
}

/// Rows of results that make a chunk of work, for rows of `elements` reads.
constexpr std::int64_t row_grain(std::int64_t elements) {
  return std::max<std::int64_t>(1, 60'000 / std::max<std::int64_t>(1, elements));
}

/// Calls f(result row, pointers to the input rows of the window, their number, columns of the window) for each window.
template <class T, class X, class F>
void for_each_window(const pool2d_dims& d, const X& x, F&& f) {
  const std::int64_t line = d.in_w * d.c, held = std::min(d.win_h, d.in_h);
  const call_scratch<T> scratch(0, held * line + static_cast<std::int64_t>(sizeof(const T*) / sizeof(T)) * held);
  parallel_for(d.batch * d.out_h, row_grain(d.win_h * line), [&](std::int64_t r0, std::int64_t r1) {
    scratch.with_task_scratch([&](T* own) {
      for (std::int64_t r = r0; r < r1; ++r) {
        const window_range ys(r % d.out_h, d.stride_h, d.pad_top, d.win_h, d.in_h);
        const T** rows = reinterpret_cast<const T**>(own);
        T* evaluated = own + static_cast<std::int64_t>(sizeof(const T*) / sizeof(T)) * held;
        for (std::int64_t y = ys.begin; y < ys.end; ++y)
          rows[y - ys.begin] = x.segment(r / d.out_h * d.in_h + y, 0, line, evaluated + (y - ys.begin) * line);
        for (std::int64_t ox = 0; ox < d.out_w; ++ox) {
          const window_range xs(ox, d.stride_w, d.pad_left, d.win_w, d.in_w);
          f(r * d.out_w + ox, rows, ys.end - ys.begin, xs);
        }
      }
    });
  });
}

/// Gradients of windows that may overlap: `f(height, xs, rows, sums, dy)` adds the share of one window to rows of
/// zeros; then the epilogue gets every element once. `rows[y]` are the window's rows of x (null without
/// x), `sums[y]` those that take the gradient, `dy` is the window's own. No more than win_h rows wait at a time.
template <class T, class X, class DY, class F, class E>
void scatter_windows(const pool2d_dims& d, const X* x, const DY& dy, F&& f, const E& epilogue) {
  constexpr std::int64_t pointer = 8 / std::int64_t{sizeof(T)};
  const std::int64_t line = d.in_w * d.c, pitch = round_up(line, 16), dy_line = round_up(d.out_w * d.c, 16);
  const std::int64_t held = std::min(d.win_h, d.in_h), pointers = round_up(pointer * held, 16);
  const call_scratch<T> scratch(0, 2 * pointers + dy_line + (x != nullptr ? 2 : 1) * held * pitch);
  parallel_for(d.batch, row_grain(d.in_h * line), [&](std::int64_t b0, std::int64_t b1) {
    scratch.with_task_scratch([&](T* own) {
      T** const sums = reinterpret_cast<T**>(own);
      const T** const rows = reinterpret_cast<const T**>(own + pointers);
      T* const gradients = own + 2 * pointers;
      T* const waiting = gradients + dy_line;  // row y of the image in row y % held
      T* const evaluated = waiting + held * pitch;
      std::memset(waiting, 0, static_cast<std::size_t>(held * pitch) * sizeof(T));
      for (std::int64_t b = b0; b < b1; ++b) {
        std::int64_t done = 0;
        const auto finish = [&](std::int64_t end) {
          for (; done < end; ++done) {
            T* const row = waiting + done % held * pitch;
            for (std::int64_t xx = 0; xx < d.in_w; ++xx)
              for_each_channel_vector<T>(d.c, [&](auto l) {
                l.emit(epilogue, (b * d.in_h + done) * d.in_w + xx, l.load(row + xx * d.c));
              });
            std::memset(row, 0, static_cast<std::size_t>(line) * sizeof(T));
          }
        };
        for (std::int64_t oy = 0; oy < d.out_h; ++oy) {
          const window_range ys(oy, d.stride_h, d.pad_top, d.win_h, d.in_h);
          finish(ys.begin);
          for (std::int64_t y = ys.begin; y < ys.end; ++y) {
            sums[y - ys.begin] = waiting + y % held * pitch;
            if (x != nullptr) rows[y - ys.begin] = x->segment(b * d.in_h + y, 0, line, evaluated + (y - ys.begin) * pitch);
          }
          const T* g = dy.segment(b * d.out_h + oy, 0, d.out_w * d.c, gradients);
          for (std::int64_t ox = 0; ox < d.out_w; ++ox, g += d.c)
            f(ys.end - ys.begin, window_range(ox, d.stride_w, d.pad_left, d.win_w, d.in_w), rows, sums, g);
        }
        finish(d.in_h);
      }
    });
  });
}

/// Whole 2 x 2 windows side by side, from the image's corner.
constexpr bool quarters(const pool2d_dims& d) {
  return d.win_h == 2 && d.win_w == 2 && d.stride_h == 2 && d.stride_w == 2 && d.pad_top == 0 && d.pad_left == 0 &&
         2 * d.out_h <= d.in_h && 2 * d.out_w <= d.in_w;
}

}  // namespace detail

/// Largest element of each window. A window that lies in the padding entirely gives the lowest finite value.
template <class T, class X, class E>
void max_pool2d(const pool2d_dims& d, const X& x, const E& epilogue) {
  using namespace detail;
  using V = vec<T>;
  if (d.batch <= 0 || d.out_h <= 0 || d.out_w <= 0 || d.c <= 0) return;
  const bool fast = quarters(d);
  for_each_window<T>(d, x, [&](std::int64_t i, const T* const* rows, std::int64_t height, const window_range& xs) {
    if (fast) {
      const T *top = rows[0] + xs.begin * d.c, *bottom = rows[1] + xs.begin * d.c;
      for_each_channel_vector<T>(d.c, [&](auto l) {
        l.emit(epilogue, i,
               larger_of(larger_of(l.load(top), l.load(top + d.c)), larger_of(l.load(bottom), l.load(bottom + d.c))));
      });
      return;
    }
    if (height == 3 && xs.end - xs.begin == 3) {
      const T *top = rows[0] + xs.begin * d.c, *middle = rows[1] + xs.begin * d.c, *bottom = rows[2] + xs.begin * d.c;
      for_each_channel_vector<T>(d.c, [&](auto l) {
        const auto of_row = [&](const T* p) __attribute__((always_inline)) { return larger_of(larger_of(l.load(p), l.load(p + d.c)), l.load(p + 2 * d.c)); };
        l.emit(epilogue, i, larger_of(larger_of(of_row(top), of_row(middle)), of_row(bottom)));
      });
      return;
    }
    for_each_channel_vector<T>(d.c, [&](auto l) {
      V largest(std::numeric_limits<T>::lowest());
      for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t xx = xs.begin; xx < xs.end; ++xx) largest = larger_of(largest, l.load(rows[y] + xx * d.c));
      l.emit(epilogue, i, largest);
    });
  });
}

/// Gradient of max_pool2d with respect to x: `dy` (one row per output image row) is added at the first largest element
/// of each window; every input element reaches the epilogue once.
template <class T, class X, class DY, class E>
void max_pool2d_grad(const pool2d_dims& d, const X& x, const DY& dy, const E& epilogue) {
  using namespace detail;
  using V = vec<T>;
  if (d.batch <= 0 || d.in_h <= 0 || d.in_w <= 0 || d.c <= 0) return;
  const V nothing(T(0));
  const std::int64_t line = d.in_w * d.c, dy_line = d.out_w * d.c;
  if (!quarters(d)) {
    scatter_windows<T>(
        d, &x, dy,
        [&](std::int64_t height, const window_range& xs, const T* const* rows, T* const* sums, const T* g) {
          if (height == 3 && xs.end - xs.begin == 3) {
            for_each_channel_vector<T>(d.c, [&](auto l) {
              V largest = l.load(rows[0] + xs.begin * d.c), where = nothing;
              unroll<8>([&](auto k) __attribute__((always_inline)) {
                constexpr int t = k + 1;
                const V v = l.load(rows[t / 3] + (xs.begin + t % 3) * d.c);
                const auto larger = v > largest;
                largest = xsimd::select(larger, v, largest);
                where = xsimd::select(larger, V(T(t)), where);
              });
              const V grad = l.load(g);
              unroll<9>([&](auto t) __attribute__((always_inline)) {
                T* const at = sums[t / 3] + (xs.begin + t % 3) * d.c;
                l.store(at, l.load(at) + xsimd::select(where == V(T(t)), grad, nothing));
              });
            });
            return;
          }
          if (height == 0 || xs.begin == xs.end) return;
          for_each_channel_vector<T>(d.c, [&](auto l) {
            V largest = l.load(rows[0] + xs.begin * d.c), where = nothing;
            T number = 0;
            for (std::int64_t y = 0; y < height; ++y)
              for (std::int64_t xx = xs.begin; xx < xs.end; ++xx, number += T(1)) {
                const V v = l.load(rows[y] + xx * d.c);
                const auto larger = v > largest;
                largest = xsimd::select(larger, v, largest);
                where = xsimd::select(larger, V(number), where);
              }
            const V grad = l.load(g);
            number = 0;
            for (std::int64_t y = 0; y < height; ++y)
              for (std::int64_t xx = xs.begin; xx < xs.end; ++xx, number += T(1)) {
                T* const at = sums[y] + xx * d.c;
                l.store(at, l.load(at) + xsimd::select(where == V(number), grad, nothing));
              }
          });
        },
        epilogue);
    return;
  }
  // Whole 2 x 2 windows: two input rows at a time, written straight to the epilogue.
  const std::int64_t pairs = ceil_div(d.in_h, 2);
  const call_scratch<T> scratch(0, 2 * round_up(line, 16) + dy_line);
  parallel_for(d.batch * pairs, row_grain(2 * line), [&](std::int64_t r0, std::int64_t r1) {
    scratch.with_task_scratch([&](T* own) {
      for (std::int64_t r = r0; r < r1; ++r) {
        const std::int64_t b = r / pairs, oy = r % pairs, row = b * d.in_h + 2 * oy;
        std::int64_t covered = 0;
        if (oy < d.out_h) {
          const T* top = x.segment(row, 0, line, own);
          const T* bottom = x.segment(row + 1, 0, line, own + round_up(line, 16));
          const T* g = dy.segment(b * d.out_h + oy, 0, dy_line, own + 2 * round_up(line, 16));
          covered = 2 * d.out_w;
          for (std::int64_t ox = 0; ox < d.out_w; ++ox, top += 2 * d.c, bottom += 2 * d.c, g += d.c) {
            const std::int64_t i = row * d.in_w + 2 * ox;
            for_each_channel_vector<T>(d.c, [&](auto l) {
              const V a = l.load(top), e = l.load(top + d.c), f = l.load(bottom), h = l.load(bottom + d.c),
                      grad = l.load(g);
              // The right element of a pair wins only where it is larger, and so does the lower pair.
              const auto right = e > a, lower_right = h > f;
              const auto lower = xsimd::select(lower_right, h, f) > xsimd::select(right, e, a);
              const V upper_grad = xsimd::select(lower, nothing, grad),
                      lower_grad = xsimd::select(lower, grad, nothing);
              l.emit(epilogue, i, xsimd::select(right, nothing, upper_grad));
              l.emit(epilogue, i + 1, xsimd::select(right, upper_grad, nothing));
              l.emit(epilogue, i + d.in_w, xsimd::select(lower_right, nothing, lower_grad));
              l.emit(epilogue, i + d.in_w + 1, xsimd::select(lower_right, lower_grad, nothing));
            });
          }
        }
        const std::int64_t rows = std::min<std::int64_t>(2, d.in_h - 2 * oy);
        for (std::int64_t y = 0; y < rows; ++y)
          for (std::int64_t xx = covered; xx < d.in_w; ++xx)
            for_each_channel_vector<T>(d.c, [&](auto l) { l.emit(epilogue, (row + y) * d.in_w + xx, nothing); });
      }
    });
  });
}

/// What max_pool2d_grad's transpose reads: the value of `v` (as x) at the first largest element of each window of `x`.
template <class T>
void max_pool2d_gather(const pool2d_dims& d, const T* x, const T* v, T* out) {
  using detail::window_range;
  const std::int64_t line = d.in_w * d.c;
  if (d.batch <= 0 || d.out_h <= 0 || d.out_w <= 0 || d.c <= 0) return;
  parallel_for(d.batch * d.out_h, detail::row_grain(d.win_h * line), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const window_range ys(r % d.out_h, d.stride_h, d.pad_top, d.win_h, d.in_h);
      const std::int64_t image = r / d.out_h * d.in_h * line;
      for (std::int64_t ox = 0; ox < d.out_w; ++ox) {
        const window_range xs(ox, d.stride_w, d.pad_left, d.win_w, d.in_w);
        T* const to = out + (r * d.out_w + ox) * d.c;
        for (std::int64_t c = 0; c < d.c; ++c) {
          std::int64_t best = -1;
          for (std::int64_t y = ys.begin; y < ys.end; ++y)
            for (std::int64_t xx = xs.begin; xx < xs.end; ++xx) {
              const std::int64_t i = image + y * line + xx * d.c + c;
              if (best < 0 || x[i] > x[best]) best = i;
            }
          to[c] = best < 0 ? T(0) : v[best];
        }
      }
    }
  });
}

/// Mean of the elements of each window that lie inside of the image (0 if there are none).
template <class T, class X, class E>
void avg_pool2d(const pool2d_dims& d, const X& x, const E& epilogue) {
  using namespace detail;
  using V = vec<T>;
  if (d.batch <= 0 || d.out_h <= 0 || d.out_w <= 0 || d.c <= 0) return;
  for_each_window<T>(d, x, [&](std::int64_t i, const T* const* rows, std::int64_t height, const window_range& xs) {
    const std::int64_t count = height * (xs.end - xs.begin);
    const V scale(count > 0 ? T(1) / static_cast<T>(count) : T(0));
    for_each_channel_vector<T>(d.c, [&](auto l) {
      V total(T(0));
      for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t xx = xs.begin; xx < xs.end; ++xx) total += l.load(rows[y] + xx * d.c);
      l.emit(epilogue, i, total * scale);
    });
  });
}

/// Gradient of avg_pool2d with respect to its input: each element of a window gets its share of `dy`.
template <class T, class DY, class E>
void avg_pool2d_grad(const pool2d_dims& d, const DY& dy, const E& epilogue) {
  using namespace detail;
  using V = vec<T>;
  if (d.batch <= 0 || d.in_h <= 0 || d.in_w <= 0 || d.c <= 0) return;
  scatter_windows<T>(
      d, static_cast<const plain_operand<T>*>(nullptr), dy,
      [&](std::int64_t height, const window_range& xs, const T* const*, T* const* sums, const T* g) {
        const std::int64_t count = height * (xs.end - xs.begin);
        if (count == 0) return;
        const V scale(T(1) / static_cast<T>(count));
        for_each_channel_vector<T>(d.c, [&](auto l) {
          const V share = l.load(g) * scale;
          for (std::int64_t y = 0; y < height; ++y)
            for (std::int64_t xx = xs.begin; xx < xs.end; ++xx) {
              T* const at = sums[y] + xx * d.c;
              l.store(at, l.load(at) + share);
            }
        });
      },
      epilogue);
}

}  // namespace rill::kernel

namespace rill::ops {

template <class>
void max_pool_gather_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const tensor_shape& s = in[0].shape;
  if (out.size() == 0) return;
  const window_extent h = pool_attributes::height(at, s), w = pool_attributes::width(at, s);
  const kernel::pool2d_dims d{.batch = s[0], .in_h = s[1], .in_w = s[2], .c = s[3], .win_h = at.i[0], .win_w = at.i[1],
                              .out_h = h.out, .out_w = w.out, .stride_h = at.i[2], .stride_w = at.i[3], .pad_top = h.pad_before, .pad_left = w.pad_before};
  if (out.type == dtype::float32) kernel::max_pool2d_gather<float>(d, in[0].as<float>(), in[2].as<float>(), out.as<float>());
  else kernel::max_pool2d_gather<double>(d, in[0].as<double>(), in[2].as<double>(), out.as<double>());
}

}  // namespace rill::ops

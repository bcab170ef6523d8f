// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Kernels of ops/normalize.hpp: normalization by the moments of rows (layer normalization) and of features (batch
/// normalization), forward and backward, float and double.
///
/// A row stays in the cache between its mean, its variance and its result: memory is read and written once. Features that
/// are columns are read twice; eight rows at a time lie in registers for their mean and their squares, and groups are merged
/// by Chan's formula, so nothing cancels. Narrow rows are taken several at a time as one wide row. Work is cut by its size
/// alone and put together in order: results are the same for any number of threads.

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "../ops/normalize.hpp"
#include "parallel.hpp"
#include "scratch.hpp"
#include "simd.hpp"

namespace rill::kernel {

namespace detail {

/// A whole register, or the first lanes of one.
struct all_lanes {};
template <class T>
using wide = pack<T, rill::detail::native_lanes<T>>;
template <class T>
[[gnu::always_inline]] inline wide<T> get(const T* p, all_lanes) {
  return wide<T>::load(p);
}
template <class T>
[[gnu::always_inline]] inline wide<T> get(const T* p, std::int64_t lanes) {
  return wide<T>::load(p, lanes);
}
template <class T>
[[gnu::always_inline]] inline void put(T* p, const wide<T>& v, all_lanes) {
  v.store(p);
}
template <class T>
[[gnu::always_inline]] inline void put(T* p, const wide<T>& v, std::int64_t lanes) {
  v.store(p, lanes);
}
/// f(i, lanes) for the registers of n elements.
template <class T, class F>
[[gnu::always_inline]] inline void along(std::int64_t n, const F& f) {
  constexpr int W = rill::detail::native_lanes<T>;
  std::int64_t i = 0;
  for (; i + W <= n; i += W) f(i, all_lanes{});
  if (i < n) f(i, n - i);
}
template <class T, int R, int N>
struct sums {
  T of[static_cast<std::size_t>(R)][static_cast<std::size_t>(N)] = {};
};
/// Sums over R rows of n elements at once, whose chains of additions run beside each other: of N terms each, which
/// term(row, i, lanes, wide<T>[N]) gives.
template <class T, int R, int N, class F>
[[gnu::always_inline]] inline sums<T, R, N> sums_along(std::int64_t n, const F& term) {
  constexpr int W = rill::detail::native_lanes<T>, U = R * N >= 4 ? 1 : 4 / (R * N);
  wide<T> s[static_cast<std::size_t>(U)][static_cast<std::size_t>(R)][static_cast<std::size_t>(N)];
#pragma GCC unroll 8
  for (auto& u : s)
#pragma GCC unroll 8
    for (auto& r : u)
#pragma GCC unroll 8
      for (auto& v : r) v = wide<T>(0);
  const auto add = [&](int u, std::int64_t i, auto lanes, const auto& kept) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      wide<T> t[static_cast<std::size_t>(N)];
      term(r, i, lanes, t);
#pragma GCC unroll 8
      for (int k = 0; k < N; ++k) s[u][r][k] = s[u][r][k] + kept(t[k]);
    }
  };
  const auto all = [](const wide<T>& v) { return v; };
  std::int64_t i = 0;
  for (; i + U * W <= n; i += U * W)
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) add(u, i + u * W, all_lanes{}, all);
  if constexpr (U > 1)
    for (; i + W <= n; i += W) add(0, i, all_lanes{}, all);
  if (i < n) {
    const auto inside = pack<bool, W>::from_bits((std::uint64_t{1} << (n - i)) - 1);
    add(0, i, n - i, [&](const wide<T>& v) { return select(inside, v, wide<T>(0)); });
  }
  sums<T, R, N> total;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) {
      wide<T> v = s[0][r][k];
#pragma GCC unroll 8
      for (int u = 1; u < U; ++u) v = v + s[u][r][k];
      total.of[r][k] = combine_lanes(v, [](auto a, auto b) { return a + b; });
    }
  return total;
}
template <class T>
struct moments {
  T mean, rest, squares;  ///< mean + rest: the mean, of which `mean` is the rounded value; squares: the sum of (x - mean - rest)^2
};
/// Of R rows that follow each other.
template <class T, int R>
[[gnu::always_inline]] inline void moments_of(const T* x, std::int64_t n, moments<T>* to) {
  wide<T> mean[static_cast<std::size_t>(R)];
  const auto s = sums_along<T, R, 1>(n, [&](int r, std::int64_t i, auto l, wide<T>* t) { t[0] = get(x + r * n + i, l); });
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) mean[r] = wide<T>(to[r].mean = s.of[r][0] / static_cast<T>(n));
  const auto d = sums_along<T, R, 2>(n, [&](int r, std::int64_t i, auto l, wide<T>* t) {
    t[0] = get(x + r * n + i, l) - mean[r];
    t[1] = t[0] * t[0];
  });
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {  // a NaN passes
    const T rest = d.of[r][0] / static_cast<T>(n), squares = d.of[r][1] - rest * d.of[r][0];
    to[r].rest = rest, to[r].squares = squares < T(0) ? T(0) : squares;
  }
}
/// What normalizing a row takes: (x - mean - rest) * inverse. Equal numbers, however large, become zeros.
template <class T>
struct centre {
  wide<T> mean, rest, inverse;
  centre() = default;
  centre(const moments<T>& m, std::int64_t n, T epsilon) : mean(m.mean), rest(m.rest), inverse(T(1) / std::sqrt(m.squares / static_cast<T>(n) + epsilon)) {}
  [[gnu::always_inline]] wide<T> unit(const wide<T>& x) const { return (x - mean - rest) * inverse; }
};
/// f(r, size) for rows begin .. end-1 by four (size: a constant), then by one.
template <class F>
void for_groups(std::int64_t begin, std::int64_t end, const F& f) {
  constexpr int G = 4;
  for (; begin + G <= end; begin += G) f(begin, std::integral_constant<int, G>{});
  for (; begin < end; ++begin) f(begin, std::integral_constant<int, 1>{});
}
/// The cache line of p, if there is one, will be wanted soon.
template <class T>
[[gnu::always_inline]] inline void fetch(const T* p) {
  __builtin_prefetch(p);
}

/// How many of `count` things of `elements` elements make a chunk: some microseconds of work, 64 chunks at most.
inline std::int64_t chunk_of(std::int64_t count, std::int64_t elements, std::int64_t multiple) {
  const std::int64_t c = std::max<std::int64_t>({24576 / std::max<std::int64_t>(elements, 1), (count + 63) / 64, 1});
  return (c + multiple - 1) / multiple * multiple;
}
/// f(chunk, begin, end).
template <class F>
void for_chunks(std::int64_t count, std::int64_t chunk, const F& f) {
  parallel_for(count, chunk, [&](std::int64_t begin, std::int64_t end) { f(begin / chunk, begin, end); });
}
template <class T>
scratch_lease room_for(std::int64_t elements) {
  return scratch_lease(static_cast<std::size_t>(elements) * sizeof(T));
}
template <class T>
void add_to(T* total, const T* more, std::int64_t n) {
  along<T>(n, [&](std::int64_t i, auto l) { put(total + i, get(total + i, l) + get(more + i, l), l); });
}

}  // namespace detail

// ---- rows --------------------------------------------------------------------------------------------------------------

/// y = scale (x - mean) / sqrt(variance + epsilon) + offset of each row.
template <class T>
void layer_norm(std::int64_t rows, std::int64_t n, const T* x, const T* scale, const T* offset, T epsilon, T* y) {
  using namespace detail;
  parallel_for(rows, chunk_of(rows, n, 4), [&](std::int64_t begin, std::int64_t end) {
    for_groups(begin, end, [&]<int R>(std::int64_t r, std::integral_constant<int, R>) {
      moments<T> m[static_cast<std::size_t>(R)];
      moments_of<T, R>(x + r * n, n, m);
      centre<T> c[static_cast<std::size_t>(R)];
#pragma GCC unroll 8
      for (int k = 0; k < R; ++k) c[k] = centre<T>(m[k], n, epsilon);
      along<T>(n, [&](std::int64_t i, auto l) {
        const wide<T> s = get(scale + i, l), b = get(offset + i, l);
#pragma GCC unroll 8
        for (int k = 0; k < R; ++k) {
          const std::int64_t at = (r + k) * n + i;
          fetch(x + at + R * n);  // while this group is written
          put(y + at, c[k].unit(get(x + at, l)) * s + b, l);
        }
      });
    });
  });
}

/// The gradients of x (dx), of the scale and of the offset; any of them may be null.
template <class T>
void layer_norm_grad(std::int64_t rows, std::int64_t n, const T* x, const T* scale, const T* dy, T epsilon, T* dx, T* dscale, T* doffset) {
  using namespace detail;
  const std::int64_t chunk = chunk_of(rows, n, 4), chunks = (rows + chunk - 1) / chunk;
  const bool parameters = dscale != nullptr || doffset != nullptr;
  const scratch_lease lease = room_for<T>(parameters ? chunks * 2 * n : 0);
  T* const parts = reinterpret_cast<T*>(lease.data());
  for_chunks(rows, chunk, [&](std::int64_t c, std::int64_t begin, std::int64_t end) {
    T *const of_scale = parts + c * 2 * n, *const of_offset = of_scale + n;
    if (parameters) std::fill(of_scale, of_scale + 2 * n, T(0));
    for_groups(begin, end, [&]<int R>(std::int64_t r, std::integral_constant<int, R>) {
      moments<T> m[static_cast<std::size_t>(R)];
      moments_of<T, R>(x + r * n, n, m);
      centre<T> of[static_cast<std::size_t>(R)];
      wide<T> a[static_cast<std::size_t>(R)], b[static_cast<std::size_t>(R)];
#pragma GCC unroll 8
      for (int k = 0; k < R; ++k) of[k] = centre<T>(m[k], n, epsilon);
      if (dx != nullptr) {
        const auto s = sums_along<T, R, 2>(n, [&](int k, std::int64_t j, auto l, wide<T>* t) {
          const std::int64_t at = (r + k) * n + j;
          t[0] = get(dy + at, l) * get(scale + j, l);
          t[1] = t[0] * (get(x + at, l) - of[k].mean);
        });
        const wide<T> share(T(1) / static_cast<T>(n));
#pragma GCC unroll 8
        for (int k = 0; k < R; ++k) a[k] = wide<T>(s.of[k][0]) * share, b[k] = wide<T>(s.of[k][1] - m[k].rest * s.of[k][0]) * of[k].inverse * share;
      }
      along<T>(n, [&](std::int64_t j, auto l) {
        const wide<T> s = get(scale + j, l);
        wide<T> ds(0), db(0);
#pragma GCC unroll 8
        for (int k = 0; k < R; ++k) {
          const std::int64_t at = (r + k) * n + j;
          fetch(x + at + R * n), fetch(dy + at + R * n);  // the next group's
          const wide<T> d = get(dy + at, l), unit = of[k].unit(get(x + at, l));
          if (dx != nullptr) put(dx + at, of[k].inverse * (d * s - a[k] - unit * b[k]), l);
          ds = ds + d * unit, db = db + d;
        }
        if (!parameters) return;
        put(of_scale + j, get(of_scale + j, l) + ds, l);
        put(of_offset + j, get(of_offset + j, l) + db, l);
      });
    });
  });
  for (int k = 0; k < 2; ++k) {
    T* const to = k == 0 ? dscale : doffset;
    if (to == nullptr) continue;
    std::fill(to, to + n, T(0));
    for (std::int64_t c = 0; c < chunks; ++c) add_to(to, parts + (2 * c + k) * n, n);
  }
}

// ---- features ----------------------------------------------------------------------------------------------------------

namespace detail {

/// Rows [count, features], as wide rows of `joined` of them and some that are left over.
struct wide_rows {
  std::int64_t features, joined, columns, rows, left, chunk, chunks;
};
template <class T>
wide_rows widen(std::int64_t count, std::int64_t features) {
  constexpr std::int64_t W = rill::detail::native_lanes<T>;
  wide_rows w{features, 1, 0, 0, 0, 0, 0};
  while (features < 16 * W && w.joined < W && w.joined * features % W != 0) w.joined *= 2;
  w.columns = w.joined * features, w.rows = count / w.joined, w.left = count % w.joined;
  w.chunk = chunk_of(w.rows, w.columns, 8), w.chunks = (w.rows + w.chunk - 1) / w.chunk;
  return w;
}
/// v once for each of the joined rows.
template <class T>
void repeat(const wide_rows& w, const T* v, T* to) {
  for (std::int64_t k = 0; k < w.joined; ++k) std::copy(v, v + w.features, to + k * w.features);
}

/// Merges moments over `n` elements, whose sum of squares is `squares`, into those over `seen` others.
template <class T>
[[gnu::always_inline]] inline void merge(T seen, T n, const T& more_mean, const T& more_squares, T& mean, T& squares) {
  if (seen == T(0)) {
    mean = more_mean, squares = more_squares;
    return;
  }
  const T d = more_mean - mean;
  mean += d * (n / (seen + n));
  squares += more_squares + d * d * (seen * n / (seen + n));
}

/// Sums over columns: of the wide rows in chunks, then over chunks and joined rows, both in order. `chunk_sums(begin, end,
/// a, b)` writes two vectors of `columns` elements for wide rows begin .. end-1; `combine(seen, n, a, b, to)` adds those of
/// `n` rows of one feature to those of `seen` rows in `to`.
template <class T, class Chunk, class Combine>
void reduce_columns(const wide_rows& w, T* first, T* second, const Chunk& chunk_sums, const Combine& combine) {
  const scratch_lease lease = room_for<T>(w.chunks * 2 * w.columns);
  T* const parts = reinterpret_cast<T*>(lease.data());
  for_chunks(w.rows, w.chunk, [&](std::int64_t c, std::int64_t begin, std::int64_t end) {
    T* const to = parts + c * 2 * w.columns;
    chunk_sums(begin, end, to, to + w.columns);
  });
  std::fill(first, first + w.features, T(0)), std::fill(second, second + w.features, T(0));
  T seen(0);
  for (std::int64_t c = 0; c < w.chunks; ++c) {
    const auto n = static_cast<T>(std::min(w.chunk, w.rows - c * w.chunk));
    const T *a = parts + c * 2 * w.columns, *b = a + w.columns;
    for (std::int64_t j = 0; j < w.joined; ++j, seen += n, a += w.features, b += w.features)
      for (std::int64_t k = 0; k < w.features; ++k) combine(seen, n, a[k], b[k], first[k], second[k]);
  }
}

/// Means and sums of squares of columns less a number of their own, `origin`, which is near to them: then nothing is lost where the
/// mean is large, and equal numbers have none.
template <class T>
void column_moments(std::int64_t columns, const T* x, std::int64_t rows, const T* origin, T* mean, T* squares) {
  if (columns == 0) return;
  constexpr int G = 8;
  const T *p = x, *const end = x + rows * columns;
  T seen(0);
  const auto group = [&]<int N>(std::integral_constant<int, N>) {
    constexpr T n{N};
    const wide<T> share(1 / n), weight(n / (seen + n)), both(seen * n / (seen + n));
    const bool fresh = seen == T(0);
    along<T>(columns, [&](std::int64_t i, auto l) {
      const wide<T> from = get(origin + i, l);
      wide<T> v[static_cast<std::size_t>(N)];
#pragma GCC unroll 8
      for (int k = 0; k < N; ++k) v[k] = get(p + k * columns + i, l) - from;
      wide<T> m(0), s(0);
#pragma GCC unroll 8
      for (int k = 0; k < N; ++k) m = m + v[k];
      m = m * share;
#pragma GCC unroll 8
      for (int k = 0; k < N; ++k) {
        const wide<T> d = v[k] - m;
        s = s + d * d;
      }
      if (!fresh) {
        const wide<T> before = get(mean + i, l), d = m - before;
        m = before + d * weight;
        s = get(squares + i, l) + s + d * d * both;
      }
      put(mean + i, m, l), put(squares + i, s, l);
    });
    p += N * columns, seen += n;
  };
  while (p + G * columns <= end) group(std::integral_constant<int, G>{});
  while (p < end) group(std::integral_constant<int, 1>{});
}

template <class T>
void normalize_wide_rows(std::int64_t rows, std::int64_t columns, const T* x, const T* mean, const T* factor, const T* offset, T* y) {
  for (std::int64_t r = 0; r < rows; ++r, x += columns, y += columns)
    along<T>(columns, [&](std::int64_t i, auto l) {
      put(y + i, (get(x + i, l) - get(mean + i, l)) * get(factor + i, l) + get(offset + i, l), l);
    });
}
/// dx = factor (dy - a - (x - mean) b).
template <class T>
void pass_on_wide_rows(std::int64_t rows, std::int64_t columns, const T* x, const T* dy, const T* mean, const T* factor, const T* a,
                       const T* b, T* dx) {
  for (std::int64_t r = 0; r < rows; ++r, x += columns, dy += columns, dx += columns)
    along<T>(columns, [&](std::int64_t i, auto l) {
      const wide<T> centred = get(x + i, l) - get(mean + i, l);
      put(dx + i, get(factor + i, l) * (get(dy + i, l) - get(a + i, l) - centred * get(b + i, l)), l);
    });
}

}  // namespace detail

/// Means and population variances of the features of x [outer, features, inner].
template <class T>
void batch_moments(std::int64_t outer, std::int64_t features, std::int64_t inner, const T* x, T* mean, T* variance) {
  using namespace detail;
  const auto count = static_cast<T>(outer * inner);
  if (inner == 1) {
    if (outer == 0) {
      std::fill(mean, mean + features, T(0)), std::fill(variance, variance + features, std::numeric_limits<T>::quiet_NaN());
      return;
    }
    const wide_rows w = widen<T>(outer, features);
    const scratch_lease lease = room_for<T>(w.columns);
    T* const origin = reinterpret_cast<T*>(lease.data());
    repeat(w, x, origin);
    reduce_columns<T>(w, mean, variance,
                      [&](std::int64_t begin, std::int64_t end, T* a, T* b) { column_moments(w.columns, x + begin * w.columns, end - begin, origin, a, b); },
                      [](T seen, T n, T m, T s, T& to_mean, T& to_squares) { merge(seen, n, m, s, to_mean, to_squares); });
    const T* left = x + w.rows * w.columns;
    for (std::int64_t r = 0; r < w.left; ++r, left += features)
      for (std::int64_t k = 0; k < features; ++k) merge(static_cast<T>(w.rows * w.joined + r), T(1), left[k] - origin[k], T(0), mean[k], variance[k]);
    for (std::int64_t k = 0; k < features; ++k) mean[k] += origin[k];
  } else {
    const scratch_lease lease = room_for<T>(3 * outer * features);
    auto* const each = reinterpret_cast<moments<T>*>(lease.data());
    parallel_for(outer * features, chunk_of(outer * features, inner, 1), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) moments_of<T, 1>(x + r * inner, inner, each + r);
    });
    for (std::int64_t k = 0; k < features; ++k) {
      mean[k] = variance[k] = T(0);
      for (std::int64_t o = 0; o < outer; ++o)
        merge(static_cast<T>(o * inner), static_cast<T>(inner), each[o * features + k].mean + each[o * features + k].rest, each[o * features + k].squares, mean[k], variance[k]);
    }
  }
  for (std::int64_t k = 0; k < features; ++k) variance[k] /= count;
}

/// y = scale (x - mean) / sqrt(variance + epsilon) + offset, feature by feature.
template <class T>
void batch_norm(std::int64_t outer, std::int64_t features, std::int64_t inner, const T* x, const T* scale, const T* offset, const T* mean,
                const T* variance, T epsilon, T* y) {
  using namespace detail;
  const wide_rows w = inner == 1 ? widen<T>(outer, features) : wide_rows{features, 1, features, 0, 0, 0, 0};
  const scratch_lease lease = room_for<T>(3 * w.columns + features);
  T *const m = reinterpret_cast<T*>(lease.data()), *const f = m + w.columns, *const b = f + w.columns, *const factor = b + w.columns;
  for (std::int64_t k = 0; k < features; ++k) factor[k] = scale[k] / std::sqrt(variance[k] + epsilon);
  repeat(w, mean, m), repeat(w, factor, f), repeat(w, offset, b);
  if (inner == 1) {
    parallel_for(w.rows, w.chunk, [&](std::int64_t begin, std::int64_t end) {
      normalize_wide_rows(end - begin, w.columns, x + begin * w.columns, m, f, b, y + begin * w.columns);
    });
    normalize_wide_rows(1, w.left * features, x + w.rows * w.columns, m, f, b, y + w.rows * w.columns);
    return;
  }
  parallel_for(outer * features, chunk_of(outer * features, inner, 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t k = r % features;
      const wide<T> own(m[k]), by(f[k]), to(b[k]);
      along<T>(inner, [&](std::int64_t i, auto l) { put(y + r * inner + i, (get(x + r * inner + i, l) - own) * by + to, l); });
    }
  });
}

/// The gradients of x (dx), of the scale and of the offset, given x's moments; any of them may be null.
template <class T>
void batch_norm_grad(std::int64_t outer, std::int64_t features, std::int64_t inner, const T* x, const T* scale, const T* dy, const T* mean,
                     const T* variance, T epsilon, T* dx, T* dscale, T* doffset) {
  using namespace detail;
  const wide_rows w = inner == 1 ? widen<T>(outer, features) : wide_rows{features, 1, features, 0, 0, 0, 0};
  const scratch_lease lease = room_for<T>(4 * w.columns + 4 * features);
  T *const m = reinterpret_cast<T*>(lease.data()), *const f = m + w.columns, *const a = f + w.columns, *const b = a + w.columns;
  T *const sum = b + w.columns, *const product = sum + features, *const factor = product + features, *const slope = factor + features;
  repeat(w, mean, m);
  if (inner == 1) {  // the sums of dy and of dy (x - mean)
    reduce_columns<T>(w, sum, product, [&](std::int64_t begin, std::int64_t end, T* s, T* p) {
      constexpr int G = 8;
      const T *from = x + begin * w.columns, *d = dy + begin * w.columns;
      bool fresh = true;
      const auto group = [&]<int N>(std::integral_constant<int, N>) {
        along<T>(w.columns, [&](std::int64_t i, auto l) {
          const wide<T> own = get(m + i, l);
          wide<T> t(0), u(0);
#pragma GCC unroll 8
          for (int k = 0; k < N; ++k) {
            const wide<T> v = get(d + k * w.columns + i, l);
            t = t + v, u = u + v * (get(from + k * w.columns + i, l) - own);
          }
          if (!fresh) t = t + get(s + i, l), u = u + get(p + i, l);
          put(s + i, t, l), put(p + i, u, l);
        });
        from += N * w.columns, d += N * w.columns, fresh = false;
      };
      std::int64_t r = begin;
      for (; r + G <= end; r += G) group(std::integral_constant<int, G>{});
      for (; r < end; ++r) group(std::integral_constant<int, 1>{});
    }, [](T, T, T s, T p, T& to_sum, T& to_product) { to_sum += s, to_product += p; });
    const T *from = x + w.rows * w.columns, *d = dy + w.rows * w.columns;
    for (std::int64_t r = 0; r < w.left; ++r, from += features, d += features)
      for (std::int64_t k = 0; k < features; ++k) sum[k] += d[k], product[k] += d[k] * (from[k] - mean[k]);
  } else {
    const scratch_lease rows = room_for<T>(2 * outer * features);
    auto* const each = reinterpret_cast<sums<T, 1, 2>*>(rows.data());
    parallel_for(outer * features, chunk_of(outer * features, inner, 1), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const wide<T> own(mean[r % features]);
        each[r] = sums_along<T, 1, 2>(inner, [&](int, std::int64_t i, auto l, wide<T>* t) {
          t[0] = get(dy + r * inner + i, l);
          t[1] = t[0] * (get(x + r * inner + i, l) - own);
        });
      }
    });
    for (std::int64_t k = 0; k < features; ++k) {
      sum[k] = product[k] = T(0);
      for (std::int64_t o = 0; o < outer; ++o) sum[k] += each[o * features + k].of[0][0], product[k] += each[o * features + k].of[0][1];
    }
  }
  const T share = T(1) / static_cast<T>(outer * inner);
  for (std::int64_t k = 0; k < features; ++k) {
    const T inverse = T(1) / std::sqrt(variance[k] + epsilon);
    if (dscale != nullptr) dscale[k] = outer * inner == 0 ? T(0) : product[k] * inverse;  // nothing has no variance
    if (doffset != nullptr) doffset[k] = sum[k];
    factor[k] = scale[k] * inverse, slope[k] = product[k] * inverse * inverse * share, sum[k] *= share;
  }
  if (dx == nullptr) return;
  repeat(w, factor, f), repeat(w, sum, a), repeat(w, slope, b);
  if (inner == 1) {
    parallel_for(w.rows, w.chunk, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t at = begin * w.columns;
      pass_on_wide_rows(end - begin, w.columns, x + at, dy + at, m, f, a, b, dx + at);
    });
    const std::int64_t at = w.rows * w.columns;
    pass_on_wide_rows(1, w.left * features, x + at, dy + at, m, f, a, b, dx + at);
    return;
  }
  parallel_for(outer * features, chunk_of(outer * features, inner, 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t k = r % features;
      const wide<T> own(m[k]), by(f[k]), less(a[k]), by_unit(b[k]);
      along<T>(inner, [&](std::int64_t i, auto l) {
        const std::int64_t at = r * inner + i;
        put(dx + at, by * (get(dy + at, l) - less - (get(x + at, l) - own) * by_unit), l);
      });
    }
  });
}

}  // namespace rill::kernel

namespace rill::ops {

template <class>
void layer_norm_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  visit_float_or_double(in[0].type, [&](auto t) {
    using T = typename decltype(t)::type;
    kernel::layer_norm<T>(in[0].shape[0], in[0].shape[1], in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), static_cast<T>(at.f[0]), out.as<T>());
  });
}
template <class>
void layer_norm_grad_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  visit_float_or_double(in[0].type, [&](auto t) {
    using T = typename decltype(t)::type;
    kernel::layer_norm_grad<T>(in[0].shape[0], in[0].shape[1], in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), static_cast<T>(at.f[0]), out.as<T>(),
                               static_cast<T*>(out.more[0]), static_cast<T*>(out.more[1]));
  });
}
template <class>
void batch_norm_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  visit_float_or_double(in[0].type, [&](auto t) {
    using T = typename decltype(t)::type;
    const tensor_shape& s = in[0].shape;
    const std::int64_t features = s[1];
    const kernel::detail::scratch_lease lease = kernel::detail::room_for<T>(2 * features);
    T *const mean = reinterpret_cast<T*>(lease.data()), *const variance = mean + features;
    kernel::batch_moments<T>(s[0], features, s[2], in[0].as<T>(), mean, variance);
    kernel::batch_norm<T>(s[0], features, s[2], in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), mean, variance, static_cast<T>(at.f[0]), out.as<T>());
    for (int k = 0; k < 3; ++k)
      if (out.more[k] != nullptr) std::copy(k == 1 ? variance : mean, k == 0 ? variance : variance + features, static_cast<T*>(out.more[k]));
  });
}
template <class>
void batch_norm_grad_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  visit_float_or_double(in[0].type, [&](auto t) {
    using T = typename decltype(t)::type;
    const tensor_shape& s = in[0].shape;
    const T* moments = in[3].as<T>();
    kernel::batch_norm_grad<T>(s[0], s[1], s[2], in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), moments, moments + s[1], static_cast<T>(at.f[0]),
                               out.as<T>(), static_cast<T*>(out.more[0]), static_cast<T*>(out.more[1]));
  });
}

}  // namespace rill::ops

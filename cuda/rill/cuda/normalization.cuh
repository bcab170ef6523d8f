// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Normalization by the moments of rows (layer normalization) and of features (batch normalization) in device memory, forward
/// and backward: what kernel/normalization.hpp does, for float and double.
///
///   layer_norm(device, rows, n, x, scale, offset, epsilon, y);
///   batch_norm_training(device, outer, features, inner, x, scale, offset, epsilon, y, mean, variance, nullptr);
///
/// A row stays in registers between its mean, its variance and its result. The moments of features are collected in one
/// look at x: every thread sums up a few elements relative to the first of them, and these sums are merged by Chan's
/// formula, so that a mean that is large beside the deviation does no harm. Batch normalization is three kernels at most,
/// which read x twice; so is its gradient.

#include <rill/ops/binary.hpp>
#include <rill/ops/unary.hpp>

#include "reduce.cuh"
#include "rows.cuh"

namespace rill::cuda {

namespace detail {

/// A count, a mean and the sum of squared deviations, of numbers that come one by one: sums relative to the first of them.
template <class T>
struct moment_sums {
  T count, shift, sum, squares;
  RILL_GPU void add(T v) {
    if (count == T(0)) shift = v;
    const T d = v - shift;
    sum += d, squares += d * d, count += T(1);
  }
  [[nodiscard]] RILL_GPU T mean() const { return shift + sum / count; }
  [[nodiscard]] RILL_GPU T deviations() const {
    const T s = squares - sum * sum / count;
    return s < T(0) ? T(0) : s;  // a NaN passes
  }
  /// Mean and variance, and both again for a second place.
  [[nodiscard]] RILL_GPU T result(int k) const { return k % 2 == 0 ? mean() : deviations() / count; }
};
struct moments_reducer {
  static constexpr int results = 4;
  template <class T>
  using accumulator = moment_sums<T>;
  template <class A>
  static RILL_GPU A identity() {
    return A{};
  }
  template <class T>
  static RILL_GPU moment_sums<T> combine(const moment_sums<T>& a, const moment_sums<T>& b) {
    if (a.count == T(0) || b.count == T(0)) return a.count == T(0) ? b : a;
    const T n = a.count + b.count, own = a.mean(), d = b.mean() - own, share = b.count / n;
    return {n, own + d * share, T(0), a.deviations() + b.deviations() + d * d * a.count * share};
  }
};
template <class T>
using moments_program = expr::program<expr::list<expr::in<T, expr::walk::contiguous>>, expr::list<>, expr::list<expr::out<T, ~0>>>;

/// (x, dy, mean, 1 / deviation) of rows -> dy (x - mean) / deviation, dy: what the gradients of scale and offset are the sums of.
template <class T>
using row_gradient_program =
    expr::program<expr::list<expr::in<T, expr::walk::contiguous>, expr::in<T, expr::walk::contiguous>, expr::in<T, expr::walk::constant>, expr::in<T, expr::walk::constant>>,
                  expr::list<expr::let<ops::sub, ~0, ~2>, expr::let<ops::mul, 0, ~3>, expr::let<ops::mul, 1, ~1>>, expr::list<expr::out<T, 2>, expr::out<T, ~1>>>;
/// (x, dy, mean) of features, the mean walked as W -> dy (x - mean), dy.
template <class T, expr::walk W>
using feature_gradient_program = expr::program<expr::list<expr::in<T, expr::walk::contiguous>, expr::in<T, expr::walk::contiguous>, expr::in<T, W>>,
                                               expr::list<expr::let<ops::sub, ~0, ~2>, expr::let<ops::mul, 0, ~1>>, expr::list<expr::out<T, 1>, expr::out<T, ~1>>>;

// ---- rows --------------------------------------------------------------------------------------------------------------

/// Mean and variance of a row, whose elements v holds then if they are cached.
template <class C>
struct mean_and_variance {
  C mean, variance;
};
template <class Row, class T, class C = typename Row::number>
RILL_GPU mean_and_variance<C> moments_of(const Row& row, const T* x, typename Row::values& v) {
  C s(0);
  row.each([&](auto k, std::uint32_t j) {
    row.load(x, j, v[k]);
    C own(0);
    for (int e = 0; e < Row::width; ++e) own += v[k].v[e];
    s += own;
  });
  const C n = static_cast<C>(row.columns), mean = row.sum(s) / n;
  C first(0), second(0);
  row.each([&](auto k, std::uint32_t j) {
    if constexpr (!Row::cached) row.load(x, j, v[k]);
    for (int e = 0; e < Row::width; ++e) {
      const C d = v[k].v[e] - mean;
      first += d, second += d * d;
    }
  });
  first = row.sum(first), second = row.sum(second);
  const C rest = first / n, squares = second - rest * first;  // what the rounding of the first sum left over
  return {mean + rest, (squares < C(0) ? C(0) : squares) / n};
}

template <class T>
struct layer_norm_rows {
  using number = T;
  static constexpr int kept = 1;
  const T *x, *scale, *offset;
  T* y;
  T epsilon;
  template <class Row>
  RILL_GPU void operator()(const Row& row) const {
    typename Row::values v;
    const auto m = moments_of(row, x, v);
    const T inverse = ops::rsqrt::eval(m.variance + epsilon);
    row.each([&](auto k, std::uint32_t j) {
      if constexpr (!Row::cached) row.load(x, j, v[k]);
      lane_values<T, Row::width> s, b;
      row.load_at(scale, j, s), row.load_at(offset, j, b);
      for (int e = 0; e < Row::width; ++e) v[k].v[e] = (v[k].v[e] - m.mean) * inverse * s.v[e] + b.v[e];
      row.store(y, j, v[k]);
    });
  }
};

template <class T>
struct layer_norm_grad_rows {
  using number = T;
  static constexpr int kept = 2;
  const T *x, *scale, *dy;
  T *dx, *mean, *factor;  ///< null: not wanted; factor: 1 / deviation
  T epsilon;
  template <class Row>
  RILL_GPU void operator()(const Row& row) const {
    typename Row::values v, g;
    const auto m = moments_of(row, x, v);
    const T inverse = ops::rsqrt::eval(m.variance + epsilon);
    if (mean != nullptr && row.active && row.lane == 0) mean[row.row] = m.mean, factor[row.row] = inverse;
    if (dx == nullptr) return;
    const T share = T(1) / static_cast<T>(row.columns);
    const auto gradient = [&](auto k, std::uint32_t j) {
      if constexpr (!Row::cached) row.load(x, j, v[k]);
      lane_values<T, Row::width> s;
      row.load_at(scale, j, s);
      row.load(dy, j, g[k]);
      for (int e = 0; e < Row::width; ++e) g[k].v[e] *= s.v[e];
    };
    T a(0), b(0);
    row.each([&](auto k, std::uint32_t j) {
      gradient(k, j);
      T own(0), product(0);
      for (int e = 0; e < Row::width; ++e) own += g[k].v[e], product += g[k].v[e] * (v[k].v[e] - m.mean);
      a += own, b += product;
    });
    a = row.sum(a) * share, b = row.sum(b) * inverse * inverse * share;
    row.each([&](auto k, std::uint32_t j) {
      if constexpr (!Row::cached) gradient(k, j);
      for (int e = 0; e < Row::width; ++e) g[k].v[e] = inverse * (g[k].v[e] - a - (v[k].v[e] - m.mean) * b);
      row.store(dx, j, g[k]);
    });
  }
};

// ---- features ----------------------------------------------------------------------------------------------------------

/// Of S neighbouring features: what is to be subtracted, multiplied by and added.
template <class T>
struct batch_norm_body {
  const T *x, *scale, *offset, *mean, *variance;
  T* y;
  T epsilon;
  template <int S>
  struct state {
    T mean[room<S>], factor[room<S>], offset[room<S>];
  };
  template <int S>
  RILL_GPU void prepare(std::uint32_t k, bool, state<S>& s) const {
    for (int e = 0; e < S; ++e)
      s.mean[e] = mean[k + static_cast<std::uint32_t>(e)], s.offset[e] = offset[k + static_cast<std::uint32_t>(e)],
      s.factor[e] = scale[k + static_cast<std::uint32_t>(e)] * ops::rsqrt::eval(variance[k + static_cast<std::uint32_t>(e)] + epsilon);
  }
  template <int V, int S>
  RILL_GPU void apply(const state<S>& s, std::int64_t at) const {
    auto a = *reinterpret_cast<const access<T, V>*>(x + at);
    for (int e = 0; e < V; ++e) {
      const int f = S == 1 ? 0 : e;
      a.v[e] = (a.v[e] - s.mean[f]) * s.factor[f] + s.offset[f];
    }
    *reinterpret_cast<access<T, V>*>(y + at) = a;
  }
};
/// dx = factor (dy - a - (x - mean) b), given the sums of dy and of dy (x - mean); and the gradient of the scale, if wanted.
template <class T>
struct batch_norm_grad_body {
  const T *x, *dy, *scale, *mean, *variance, *products, *sums;
  T *dx, *dscale;
  T epsilon, share;
  template <int S>
  struct state {
    T mean[room<S>], factor[room<S>], a[room<S>], b[room<S>];
  };
  template <int S>
  RILL_GPU void prepare(std::uint32_t at, bool first, state<S>& s) const {
    for (int e = 0; e < S; ++e) {
      const std::uint32_t k = at + static_cast<std::uint32_t>(e);
      const T inverse = ops::rsqrt::eval(variance[k] + epsilon), product = products[k] * inverse;
      s.mean[e] = mean[k], s.factor[e] = scale[k] * inverse, s.a[e] = sums[k] * share, s.b[e] = product * inverse * share;
      if (first && dscale != nullptr) dscale[k] = product;
    }
  }
  template <int V, int S>
  RILL_GPU void apply(const state<S>& s, std::int64_t at) const {
    const auto from = *reinterpret_cast<const access<T, V>*>(x + at);
    auto d = *reinterpret_cast<const access<T, V>*>(dy + at);
    for (int e = 0; e < V; ++e) {
      const int f = S == 1 ? 0 : e;
      d.v[e] = s.factor[f] * (d.v[e] - s.a[f] - (from.v[e] - s.mean[f]) * s.b[f]);
    }
    *reinterpret_cast<access<T, V>*>(dx + at) = d;
  }
};

/// [rows, features]: a thread has V features in every so many rows; 2^across_bits threads lie beside each other.
template <class Body, int V>
struct feature_columns {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  Body body;
  std::uint32_t rows, columns, across_bits, row_step;  ///< no rows: only what is to be prepared

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    const std::uint32_t j = ((t.block() << across_bits) + (t.thread() & ((1u << across_bits) - 1))) * V;
    if (j >= columns) return;
    typename Body::template state<V> s;
    std::uint32_t r = t.block_y() * (t.threads() >> across_bits) + (t.thread() >> across_bits);
    body.prepare(j, r == 0, s);
    for (; r < rows; r += row_step)
      body.template apply<V>(s, static_cast<std::int64_t>(r) * columns + j);
  }
};
/// [outer, features, inner]: 2^group_bits threads take (a piece of) a row of `inner` elements by V.
template <class Body, int V>
struct feature_rows {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  Body body;
  std::uint32_t rows, inner, group_bits, step;
  divider features;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    const std::uint32_t r = ((t.block() * t.threads()) >> group_bits) + (t.thread() >> group_bits);
    if (r >= rows) return;
    typename Body::template state<1> s;
    std::uint32_t rest = r, j = (t.block_y() << group_bits) + (t.thread() & ((1u << group_bits) - 1));
    const std::uint32_t feature = features.divide(rest);
    body.prepare(feature, rest == 0 && j == 0, s);
    for (; j < inner / V; j += step)
      body.template apply<V>(s, static_cast<std::int64_t>(r) * inner + j * V);
  }
};

template <int V, class Body, class Device>
void launch_features_by(Device& device, const Body& body, std::int64_t outer, std::int64_t features, std::int64_t inner) {
  const std::int64_t fill = std::int64_t{8} * device.processors();
  const auto small = [](std::int64_t n) { return static_cast<std::uint32_t>(n); };
  const auto bits_of = [](std::int64_t units, std::uint32_t most) {
    const std::uint32_t b = log2_ceil(static_cast<std::uint64_t>(units));
    return b < most ? b : most;
  };
  if (inner == 1) {
    const std::uint32_t bits = bits_of(features / V, 5);
    const std::int64_t tiles = pieces(features / V, std::int64_t{1} << bits), beside = 256 >> bits;
    std::int64_t down = outer == 0 ? 1 : pieces(outer, 4 * beside);  // four rows per thread, at least
    if (tiles * down > fill) down = pieces(fill, tiles);
    if (down > 65535) down = 65535;
    device.launch(feature_columns<Body, V>{body, small(outer), small(features), bits, small(down * beside)}, {.blocks = small(tiles), .blocks_y = small(down)});
  } else {
    const std::int64_t units = inner / V, rows = outer * features;
    const std::uint32_t bits = bits_of(pieces(units, 4), 8);
    const std::int64_t blocks = pieces(rows, 256 >> bits), most = pieces(units, std::int64_t{4} << bits);
    std::int64_t beside = blocks >= fill ? 1 : pieces(fill, blocks);
    if (beside > most) beside = most;
    device.launch(feature_rows<Body, V>{body, small(rows), small(inner), bits, small(beside << bits), divider(small(features))},
                  {.blocks = small(blocks), .blocks_y = small(beside)});
  }
}
template <class T, class Body, class Device, class... Matrix>
void launch_features(Device& device, const Body& body, std::int64_t outer, std::int64_t features, std::int64_t inner, const Matrix*... m) {
  constexpr int v = static_cast<int>(16 / sizeof(T));
  if (all_aligned<v>(inner == 1 ? features : inner, m...)) launch_features_by<v>(device, body, outer, features, inner);
  else launch_features_by<1>(device, body, outer, features, inner);
}

/// Bytes of n numbers, up to where the next array may begin.
template <class T>
constexpr std::size_t padded(std::int64_t n) {
  return (static_cast<std::size_t>(n) * sizeof(T) + 255) / 256 * 256;
}

}  // namespace detail

/// y = scale (x - mean) / sqrt(variance + epsilon) + offset of each row of x [rows, n].
template <class T, class Device>
void layer_norm(Device& device, std::int64_t rows, std::int64_t n, const T* x, const T* scale, const T* offset, T epsilon, T* y) {
  constexpr int v = static_cast<int>(16 / sizeof(T));
  if (n > 0) detail::launch_rows<v>(device, detail::layer_norm_rows<T>{x, scale, offset, y, epsilon}, rows, n, detail::all_aligned<v>(n, x, scale, offset, y));
}

/// The gradients of x (dx), of the scale and of the offset; any of them may be null. One kernel for dx, one or two for the
/// others.
template <class T, class Device>
void layer_norm_grad(Device& device, std::int64_t rows, std::int64_t n, const T* x, const T* scale, const T* dy, T epsilon, T* dx, T* dscale, T* doffset) {
  constexpr int v = static_cast<int>(16 / sizeof(T));
  if (n == 0) return;
  const bool parameters = dscale != nullptr || doffset != nullptr;
  const kernel::nest<5> nest{2, {rows, n}, {{n, 1}, {n, 1}, {1, 0}, {1, 0}, {0, 1}}};
  const auto reduce = [&](const T* mean, const auto& memory) {
    const void* in[] = {x, dy, mean, mean + rows};
    void* out[] = {dscale, doffset};
    detail::reduce_nest<detail::row_gradient_program<T>, ops::sum, false>(device, nest, 1, in, out, 0, memory);
  };
  T* mean = nullptr;
  void* parts = nullptr;
  if (parameters) {
    const std::size_t own = detail::padded<T>(2 * rows);
    std::size_t bytes = 0;
    reduce(x, detail::counted_memory{bytes});
    mean = static_cast<T*>(device.scratch(own + bytes));
    parts = reinterpret_cast<unsigned char*>(mean) + own;
  }
  detail::launch_rows<v>(device, detail::layer_norm_grad_rows<T>{x, scale, dy, dx, mean, mean + (parameters ? rows : 0), epsilon}, rows, n,
                         detail::all_aligned<v>(n, x, scale, dy, dx));
  if (parameters) reduce(mean, detail::given_memory{parts});
}

/// Means and population variances of the features of x [outer, features, inner].
template <class T, class Device>
void batch_moments(Device& device, std::int64_t outer, std::int64_t features, std::int64_t inner, const T* x, T* mean, T* variance) {
  const kernel::nest<2> n{3, {outer, features, inner}, {{features * inner, inner, 1}, {0, 1, 0}}};
  const void* in[] = {x};
  void* out[] = {mean, variance, nullptr, nullptr};
  detail::reduce_nest<detail::moments_program<T>, detail::moments_reducer, false>(device, n, 0b101, in, out, 0, detail::device_memory<Device>{device});
}

/// y = scale (x - mean) / sqrt(variance + epsilon) + offset, feature by feature.
template <class T, class Device>
void batch_norm(Device& device, std::int64_t outer, std::int64_t features, std::int64_t inner, const T* x, const T* scale, const T* offset, const T* mean,
                const T* variance, T epsilon, T* y) {
  if (outer * features * inner == 0) return;
  detail::launch_features<T>(device, detail::batch_norm_body<T>{x, scale, offset, mean, variance, y, epsilon}, outer, features, inner, x, y);
}

/// The same by the batch's own moments, which go to `mean` and `variance` and to `both` [2, features] where these are not null.
template <class T, class Device>
void batch_norm_training(Device& device, std::int64_t outer, std::int64_t features, std::int64_t inner, const T* x, const T* scale, const T* offset, T epsilon, T* y,
                         T* mean, T* variance, T* both) {
  const kernel::nest<2> n{3, {outer, features, inner}, {{features * inner, inner, 1}, {0, 1, 0}}};
  const void* in[] = {x};
  void* out[] = {mean, variance, both, both == nullptr ? nullptr : both + features};
  const auto reduce = [&](const auto& memory) { detail::reduce_nest<detail::moments_program<T>, detail::moments_reducer, false>(device, n, 0b101, in, out, 0, memory); };
  const std::size_t own = detail::padded<T>(2 * features);
  std::size_t bytes = 0;
  reduce(detail::counted_memory{bytes});
  T* const memory = static_cast<T*>(device.scratch(own + bytes));
  if (out[0] == nullptr) out[0] = both != nullptr ? out[2] : memory;
  if (out[1] == nullptr) out[1] = both != nullptr ? out[3] : memory + features;
  reduce(detail::given_memory{reinterpret_cast<unsigned char*>(memory) + own});
  batch_norm<T>(device, outer, features, inner, x, scale, offset, static_cast<const T*>(out[0]), static_cast<const T*>(out[1]), epsilon, y);
}

/// The gradients of x (dx), of the scale and of the offset, given x's moments; any of them may be null.
template <class T, class Device>
void batch_norm_grad(Device& device, std::int64_t outer, std::int64_t features, std::int64_t inner, const T* x, const T* scale, const T* dy, const T* mean,
                     const T* variance, T epsilon, T* dx, T* dscale, T* doffset) {
  const std::int64_t f = features;
  const std::size_t own = detail::padded<T>(2 * features);
  T* products = nullptr;
  T* sums = doffset;
  const auto reduce = [&](const auto& memory) {
    const void* in[] = {x, dy, mean};
    void* out[] = {products, sums};
    if (inner == 1) {
      const kernel::nest<4> n{2, {outer, f}, {{f, 1}, {f, 1}, {0, 1}, {0, 1}}};
      detail::reduce_nest<detail::feature_gradient_program<T, expr::walk::contiguous>, ops::sum, false>(device, n, 1, in, out, 0, memory);
    } else {
      const kernel::nest<4> n{3, {outer, f, inner}, {{f * inner, inner, 1}, {f * inner, inner, 1}, {0, 1, 0}, {0, 1, 0}}};
      detail::reduce_nest<detail::feature_gradient_program<T, expr::walk::constant>, ops::sum, false>(device, n, 0b101, in, out, 0, memory);
    }
  };
  std::size_t bytes = 0;
  reduce(detail::counted_memory{bytes});
  products = static_cast<T*>(device.scratch(own + bytes));
  if (sums == nullptr) sums = products + features;
  reduce(detail::given_memory{reinterpret_cast<unsigned char*>(products) + own});
  const T share = T(1) / static_cast<T>(outer * inner);
  const detail::batch_norm_grad_body<T> body{x, dy, scale, mean, variance, products, sums, dx, dscale, epsilon, share};
  if (features == 0 || (dx == nullptr && dscale == nullptr)) return;
  if (dx == nullptr || outer * inner == 0) detail::launch_features_by<1>(device, body, 0, features, 1);
  else detail::launch_features<T>(device, body, outer, features, inner, x, dy, dx);
}

}  // namespace rill::cuda

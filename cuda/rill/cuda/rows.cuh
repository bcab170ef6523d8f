// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Kernels that take a matrix row by row and need several looks at a row: softmax, normalization. A body says what happens to
/// a row; `row_threads` are the threads that share it:
///
///   struct centre {                                    // y = x - mean(x)
///     using number = float;                            // what sums are made of
///     static constexpr int kept = 1;                   // numbers per element that stay in registers
///     const float* x; float* y;
///     template <class Row>
///     RILL_GPU void operator()(const Row& row) const {
///       typename Row::values v;
///       float s = 0;
///       row.each([&](auto k, std::uint32_t j) { row.load(x, j, v[k]); for (float e : v[k].v) s += e; });
///       s = row.sum(s) / row.columns;
///       row.each([&](auto k, std::uint32_t j) { if (!Row::cached) row.load(x, j, v[k]); ...; row.store(y, j, v[k]); });
///     }
///   };
///   detail::launch_rows(device, centre{x, y}, rows, columns, detail::all_aligned<4>(columns, x, y));
///
/// Rows are read once where they fit into the registers of a block (16,384 floats), else once per look, from the cache.

#include <limits>

#include "map.cuh"

namespace rill::cuda::detail {

/// V neighbours of a row in the type of the arithmetic.
template <class C, int V>
struct lane_values {
  C v[room<V>];
};

/// The threads that share a row, one of them: `group` (2^k), each with every so many pieces of V neighbours, N at most; N = 0:
/// any number, not kept.
template <class Threads, class C, int V, int N>
struct row_threads {
  static constexpr bool cached = N > 0;
  static constexpr int width = V;
  struct shared {
    C part[2][warp_size];
  };
  using number = C;
  struct values {
    lane_values<C, V> of[room<N>];
    template <int K>
    RILL_GPU lane_values<C, V>& operator[](std::integral_constant<int, K>) { return of[K]; }
  };
  const Threads& t;
  std::uint32_t lane, group, columns;
  std::uint32_t row;
  bool active;              ///< there is a row
  mutable std::uint32_t round = 0;

  /// f(k, j) for this thread's pieces: number k (a constant) begins at column j.
  template <class F>
  RILL_GPU void each(const F& f) const {
    if constexpr (N > 0) each_of(f, std::make_integer_sequence<int, N>{});
    else if (active)
      for (std::uint32_t j = lane * V; j < columns; j += group * V) f(std::integral_constant<int, 0>{}, j);
  }
  template <class T>
  RILL_GPU void load(const T* x, std::uint32_t j, lane_values<C, V>& to) const {
    load_at(x, static_cast<std::int64_t>(row) * columns + j, to);
  }
  /// The same of a vector that lies along every row.
  template <class T>
  RILL_GPU void load_at(const T* x, std::int64_t at, lane_values<C, V>& to) const {
    const auto a = *reinterpret_cast<const access<T, V>*>(x + at);
    for (int e = 0; e < V; ++e) to.v[e] = static_cast<C>(a.v[e]);
  }
  template <class T>
  RILL_GPU void store(T* y, std::uint32_t j, const lane_values<C, V>& from) const {
    access<T, V> a;
    for (int e = 0; e < V; ++e) a.v[e] = static_cast<T>(from.v[e]);
    *reinterpret_cast<access<T, V>*>(y + static_cast<std::int64_t>(row) * columns + j) = a;
  }
  /// The sum, the largest of what the threads of a row have; all of them get it.
  [[nodiscard]] RILL_GPU C sum(C v) const {
    return combine(v, C(0), [](C a, C b) { return a + b; });
  }
  [[nodiscard]] RILL_GPU C largest(C v) const {
    return combine(v, -std::numeric_limits<C>::infinity(), [](C a, C b) { return a > b ? a : b; });
  }

 private:
  template <class F, int... K>
  RILL_GPU void each_of(const F& f, std::integer_sequence<int, K...>) const {
    const std::uint32_t end = active ? columns : 0;
    const auto one = [&](auto k) {
      const std::uint32_t j = (lane + static_cast<std::uint32_t>(k) * group) * V;
      if (j < end) f(k, j);
    };
    (one(std::integral_constant<int, K>{}), ...);
  }
  template <class F>
  RILL_GPU C combine(C v, C identity, const F& f) const {
    for (std::uint32_t m = (group < warp_size ? group : warp_size) / 2; m > 0; m /= 2) v = f(v, t.shuffle_xor(v, m));
    if (group <= warp_size) return v;
    C* const part = t.template shared<shared>().part[round++ % 2];  // the other one may still be read
    if (t.lane() == 0) part[t.warp()] = v;
    t.sync();
    const std::uint32_t warps = group / warp_size, first = t.warp() & ~(warps - 1);  // of this row: a block may hold several
    v = t.lane() < warps ? part[first + t.lane()] : identity;
    for (std::uint32_t m = warp_size / 2; m > 0; m /= 2) v = f(v, t.shuffle_xor(v, m));
    return v;
  }
};

template <class Body, int V, int N>
struct row_kernel {
  using C = typename Body::number;
  using shared = typename row_threads<no_shared, C, V, N>::shared;
  static constexpr bool synchronizes = true;
  Body body;
  std::uint32_t rows, columns, group, group_bits;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    const std::uint32_t row = t.block() * (t.threads() >> group_bits) + (t.thread() >> group_bits);
    body(row_threads<Threads, C, V, N>{t, t.thread() & (group - 1), group, columns, row, row < rows});
  }
};

/// Whether rows of n columns of these matrices can be accessed by V elements.
template <int V, class... T>
bool all_aligned(std::int64_t n, const T*... p) {
  return n % V == 0 && ((reinterpret_cast<std::uintptr_t>(p) % (sizeof(T) * V) == 0) && ...);
}

template <int V, int N, class Body, class Device>
void launch_rows_as(Device& device, const Body& body, std::int64_t rows, std::int64_t columns, std::uint32_t group_bits) {
  const std::uint32_t group = 1u << group_bits, threads = group < 128 ? 128 : group;
  device.launch(row_kernel<Body, V, N>{body, static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(columns), group, group_bits},
                {.blocks = static_cast<unsigned>(pieces(rows, threads >> group_bits)), .threads = threads});
}
template <int V, class Body, class Device>
void launch_rows_by(Device& device, const Body& body, std::int64_t rows, std::int64_t columns) {
  constexpr int most = (V == 1 ? 16 : 32 / V > 8 ? 8 : 32 / V) / Body::kept;  // pieces that a thread keeps
  constexpr int N = most < 1 ? 1 : most;
  const auto units = static_cast<std::uint64_t>(columns / V);
  if (units <= 32) return launch_rows_as<V, 1>(device, body, rows, columns, log2_ceil(units));
  std::uint32_t bits = log2_ceil((units + N - 1) / N);
  if (bits < 3) bits = 3;
  while (bits < 9 && (units >> bits) > 0 && (rows << bits) < std::int64_t{512} * device.processors()) ++bits;  // few rows: more threads each
  if (bits > 9) return launch_rows_as<V, 0>(device, body, rows, columns, 9);  // 512 threads may have 128 registers each
  launch_rows_as<V, N>(device, body, rows, columns, bits);
}

/// Runs the body over all rows; `aligned`: all matrices allow accesses of 16 bytes, V elements of the widest.
template <int V, class Body, class Device>
void launch_rows(Device& device, const Body& body, std::int64_t rows, std::int64_t columns, bool aligned) {
  if (rows == 0) return;
  if (aligned && columns > 0) launch_rows_by<V>(device, body, rows, columns);
  else launch_rows_by<1>(device, body, rows, columns);
}

}  // namespace rill::cuda::detail

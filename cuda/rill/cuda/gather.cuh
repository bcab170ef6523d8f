// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Rows by indices in device memory: gather along an axis (embedding lookups), its gradient and the segment sums, one_hot.
///
///   gather(device, sizeof(float), 1, 1, n, inner, m, x, indices, y);               // y[k] = x[indices[k]], rows of `inner`
///   segment_sum(device, m, inner, n, x, ids, y);                                    // y[s] = the sum of x[k] where ids[k] = s
///   scatter_add(device, m, inner, n, x, indices, y);                                // y[indices[k]] += x[k]
///
/// Sums are made in the order of k whatever the device does, with the same result every time: the indices are sorted
/// together with their places (sort.cuh), and one group of threads adds up all that belongs to a row. An index outside of its
/// range gives zeros, or is left out, as on TensorFlow's GPUs: a kernel cannot throw. The CPU throws out_of_range where
/// TensorFlow does.

#include <string>

#include <rill/core/error.hpp>
#include <rill/ops/reduction.hpp>

#include "map.cuh"
#include "sort.cuh"
#include "transpose.cuh"

namespace rill::cuda {

namespace detail {

template <class Word, class Index>
struct gather_kernel {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  const Word* x;
  const Index* indices;
  Word* y;
  std::uint32_t size;                   ///< words of the result
  std::uint32_t n;
  divider words, m, outer;              ///< words per row, rows per slab, slabs per batch

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    for (std::uint32_t i = t.index(); i < size; i += t.count()) {
      std::uint32_t slab = i;
      const std::uint32_t j = words.divide(slab), k = m.divide(slab);
      const auto at = static_cast<std::int64_t>(indices[static_cast<std::int64_t>(outer.quotient(slab)) * m.value() + k]);
      Word w{};
      if (at >= 0 && at < n) w = x[(static_cast<std::int64_t>(slab) * n + at) * words.value() + j];
      y[i] = w;
    }
  }
};

/// Fewer than 2^31 words: a piece of a larger gather.
template <class Word, class Index, class Device>
void gather_words(Device& device, std::int64_t batch, std::int64_t outer, std::int64_t n, std::int64_t words, std::int64_t m, const void* x, const Index* indices, void* y) {
  constexpr std::int64_t most = std::int64_t{1} << 31;
  const auto small = [](std::int64_t v) { return static_cast<std::uint32_t>(v); };
  const Word* from = static_cast<const Word*>(x);
  Word* to = static_cast<Word*>(y);
  if (batch * outer * m * words >= most) {
    if (batch * outer > 1) {  // slab by slab
      for (std::int64_t s = 0; s < batch * outer; ++s)
        gather_words<Word>(device, 1, 1, n, words, m, from + s * n * words, indices + s / outer * m, to + s * m * words);
      return;
    }
    const std::int64_t each = words >= most ? 1 : (most - 1) / words;
    for (std::int64_t k = 0; k < m; k += each)
      gather_words<Word>(device, 1, 1, n, words, each < m - k ? each : m - k, x, indices + k, to + k * words);
    return;
  }
  const std::int64_t size = batch * outer * m * words, fill = std::int64_t{16} * device.processors(), blocks = pieces(size, 256);
  device.launch(gather_kernel<Word, Index>{from, indices, to, small(size), small(n), divider(small(words)), divider(small(m)), divider(small(outer))},
                {.blocks = small(blocks < fill ? blocks : fill)});
}

/// Indices and their places as keys; those that name none of n rows come last.
template <class Index>
struct index_keys {
  const Index* indices;
  std::uint32_t n;
  RILL_GPU sort_key operator()(std::uint32_t, std::uint32_t k) const {
    const auto at = static_cast<std::int64_t>(indices[k]);
    return at >= 0 && at < n ? static_cast<sort_key>(at) << 32 | k : ~sort_key{0};
  }
};

/// Adds up rows by sorted keys: 2^group_bits threads for each row of the result (All), or for each key, of which the first
/// of its index does the work.
template <class R, class T, int V, bool All>
struct segment_kernel {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  const T* x;
  const sort_key* keys;
  T* y;
  std::uint32_t items, count;       ///< rows or keys; keys
  std::uint32_t units, group_bits;  ///< pieces of V per row
  T empty;                          ///< of rows that no key names

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    const std::uint32_t item = t.block() * (t.threads() >> group_bits) + (t.thread() >> group_bits);
    if (item >= items) return;
    std::uint32_t begin = item, row = item;
    if constexpr (All) {
      begin = 0;
      for (std::uint32_t n = count; n > 0;) {  // the first key of this row
        const std::uint32_t half = n / 2;
        if (row_of(begin + half) < row) begin += half + 1, n -= half + 1;
        else n = half;
      }
    } else {
      row = row_of(item);
      if (row == none || (item > 0 && row_of(item - 1) == row)) return;
    }
    for (std::uint32_t j = t.thread() & ((1u << group_bits) - 1); j < units; j += 1u << group_bits) {
      using C = compute_t<T>;
      const std::int64_t at = (static_cast<std::int64_t>(row) * units + j) * V;
      C sum[room<V>];
      if constexpr (All) {
        for (int e = 0; e < V; ++e) sum[e] = R::template identity<C>();
      } else {
        read(y + at, sum);
      }
      std::uint32_t i = begin;
      constexpr int ahead = 4;  // rows that are read at once
      for (; i + ahead <= count && row_of(i + ahead - 1) == row; i += ahead) {
        C v[room<ahead>][room<V>];
        for (int u = 0; u < ahead; ++u) read(place(i + static_cast<std::uint32_t>(u), j), v[u]);
        for (int u = 0; u < ahead; ++u)
          for (int e = 0; e < V; ++e) sum[e] = R::combine(sum[e], v[u][e]);
      }
      for (; i < count && row_of(i) == row; ++i) {
        C v[room<V>];
        read(place(i, j), v);
        for (int e = 0; e < V; ++e) sum[e] = R::combine(sum[e], v[e]);
      }
      access<T, V> a;
      for (int e = 0; e < V; ++e) a.v[e] = All && i == begin ? empty : static_cast<T>(sum[e]);
      *reinterpret_cast<access<T, V>*>(y + at) = a;
    }
  }

 private:
  static constexpr std::uint32_t none = 0xffffffffu;
  [[nodiscard]] RILL_GPU std::uint32_t row_of(std::uint32_t i) const { return static_cast<std::uint32_t>(keys[i] >> 32); }
  [[nodiscard]] RILL_GPU const T* place(std::uint32_t i, std::uint32_t j) const { return x + (static_cast<std::int64_t>(static_cast<std::uint32_t>(keys[i])) * units + j) * V; }
  template <class C>
  static RILL_GPU void read(const T* p, C* to) {
    const auto a = *reinterpret_cast<const access<T, V>*>(p);
    for (int e = 0; e < V; ++e) to[e] = static_cast<C>(a.v[e]);
  }
};
template <class R, int V, bool All, class T, class Device>
void launch_segments(Device& device, std::int64_t m, std::int64_t inner, std::int64_t n, const T* x, const sort_key* keys, T empty, T* y) {
  const std::int64_t units = inner / V, items = All ? n : m;
  std::uint32_t bits = log2_ceil(static_cast<std::uint64_t>(units));
  if (bits > 5) bits = 5;
  const auto small = [](std::int64_t v) { return static_cast<std::uint32_t>(v); };
  device.launch(segment_kernel<R, T, V, All>{x, keys, y, small(items), small(m), small(units), bits, empty}, {.blocks = small(pieces(items, 256 >> bits))});
}
template <class R, bool All, class T, class Index, class Device>
void combine_segments(Device& device, std::int64_t m, std::int64_t inner, std::int64_t n, const T* x, const Index* ids, T empty, T* y) {
  constexpr int v = sizeof(T) >= 16 ? 1 : static_cast<int>(16 / sizeof(T));
  if (inner == 0 || n == 0 || (m == 0 && !All)) return;
  if (m >= std::int64_t{1} << 31 || n >= std::int64_t{1} << 31) throw unimplemented("segment_sum: takes less than 2^31 rows on a device, got " + std::to_string(m) + " for " + std::to_string(n));
  auto* const keys = static_cast<sort_key*>(device.scratch(static_cast<std::size_t>(sort_room(1, m)) * sizeof(sort_key)));
  sort_keys(device, 1, m, index_keys<Index>{ids, static_cast<std::uint32_t>(n)}, keys);
  const auto fits = [&](const T* p) { return reinterpret_cast<std::uintptr_t>(p) % (sizeof(T) * static_cast<std::size_t>(v)) == 0; };
  if (v > 1 && inner % v == 0 && fits(x) && fits(y)) launch_segments<R, v, All>(device, m, inner, n, x, keys, empty, y);
  else launch_segments<R, 1, All>(device, m, inner, n, x, keys, empty, y);
}

template <class Word, class Index>
struct one_hot_kernel {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  const Index* indices;
  Word* y;
  Word on, off;
  std::uint32_t size;
  divider depth, inner;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    for (std::uint32_t i = t.index(); i < size; i += t.count()) {
      std::uint32_t o = i;
      const std::uint32_t j = inner.divide(o), c = depth.divide(o);
      y[i] = static_cast<std::int64_t>(indices[static_cast<std::int64_t>(o) * inner.value() + j]) == static_cast<std::int64_t>(c) ? on : off;
    }
  }
};

}  // namespace detail

/// y[b, o, k] = x[b, o, indices[b, k]]: x is [batch, outer, n, inner] of elements of `width` bytes, indices [batch, m] of int32
/// or int64.
template <class Index, class Device>
void gather(Device& device, std::size_t width, std::int64_t batch, std::int64_t outer, std::int64_t n, std::int64_t inner, std::int64_t m, const void* x, const Index* indices,
            void* y) {
  const std::int64_t bytes = inner * static_cast<std::int64_t>(width);
  if (batch * outer * m * bytes == 0) return;
  const std::uint64_t all = reinterpret_cast<std::uintptr_t>(x) | reinterpret_cast<std::uintptr_t>(y) | static_cast<std::uint64_t>(bytes) | 16;
  const auto as = [&]<class Word>(std::type_identity<Word>) {
    detail::gather_words<Word>(device, batch, outer, n, bytes / static_cast<std::int64_t>(sizeof(Word)), m, x, indices, y);
  };
  switch (all & (~all + 1)) {  // the widest word that all rows are made of
    case 1: return as(std::type_identity<std::uint8_t>{});
    case 2: return as(std::type_identity<std::uint16_t>{});
    case 4: return as(std::type_identity<std::uint32_t>{});
    case 8: return as(std::type_identity<std::uint64_t>{});
    default: return as(std::type_identity<detail::two_words>{});
  }
}

/// y[s] = R (ops::sum, prod, max, min) of the rows x[k] with ids[k] = s, in the order of k; `empty` where there are none. x is
/// [m, inner], y [n, inner]; m and n < 2^31.
template <class R, class T, class Index, class Device>
void segment_reduce(Device& device, std::int64_t m, std::int64_t inner, std::int64_t n, const T* x, const Index* ids, T empty, T* y) {
  detail::combine_segments<R, true>(device, m, inner, n, x, ids, empty, y);
}
template <class T, class Index, class Device>
void segment_sum(Device& device, std::int64_t m, std::int64_t inner, std::int64_t n, const T* x, const Index* ids, T* y) {
  segment_reduce<ops::sum>(device, m, inner, n, x, ids, T(0), y);
}

/// y[indices[k]] += x[k], in the order of k. x is [m, inner], y [n, inner]; rows that no index names are not touched.
template <class T, class Index, class Device>
void scatter_add(Device& device, std::int64_t m, std::int64_t inner, std::int64_t n, const T* x, const Index* indices, T* y) {
  detail::combine_segments<ops::sum, false>(device, m, inner, n, x, indices, T(0), y);
}

/// y[o, c, i] = indices[o, i] == c ? on : off for c < depth, less than 2^31 elements.
template <class T, class Index, class Device>
void one_hot(Device& device, std::int64_t outer, std::int64_t depth, std::int64_t inner, const Index* indices, T on, T off, T* y) {
  const std::int64_t size = outer * depth * inner, fill = std::int64_t{16} * device.processors(), blocks = pieces(size, 256);
  if (size == 0) return;
  if (size >= std::int64_t{1} << 31) throw unimplemented("OneHot: takes less than 2^31 elements on a device, got " + std::to_string(size));
  device.launch(detail::one_hot_kernel<T, Index>{indices, y, on, off, static_cast<std::uint32_t>(size), divider(static_cast<std::uint32_t>(depth)), divider(static_cast<std::uint32_t>(inner))},
                {.blocks = static_cast<unsigned>(blocks < fill ? blocks : fill)});
}

}  // namespace rill::cuda

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Sorted rows in device memory: sort, argsort and top_k of numbers of 32 bits and less, in the order of kernel/sort.hpp (a
/// NaN is the largest, equals follow their index).
///
///   sort(device, rows, n, descending, x, y);
///   argsort(device, rows, n, k, descending, x, places);      // the first k: top_k where descending
///
/// A number and its index become one key of 64 bits, which are all different, and go through a bitonic network: as many rows
/// as have room in a block's shared memory (2048 keys) at once, in one kernel; longer rows block by block, with one more
/// kernel for every step whose partners lie in different blocks.

#include <string>

#include <rill/core/error.hpp>
#include <rill/kernel/sort.hpp>

#include "threads.cuh"

namespace rill::cuda {

namespace detail {

using sort_key = std::uint64_t;
inline constexpr std::uint32_t sort_threads = 512, sort_block = 4 * sort_threads;
struct sort_memory {
  sort_key key[sort_block];
};

/// One step of the network over a block; `base`: where it lies in its row, of `span` (2^k) keys.
template <class Threads>
RILL_GPU void sort_step(const Threads& t, sort_key* key, std::uint32_t base, std::uint32_t span, std::uint32_t size, std::uint32_t step) {
  for (std::uint32_t p = t.thread(); p < sort_block / 2; p += sort_threads) {
    const std::uint32_t i = 2 * p - (p & (step - 1));
    const sort_key a = key[i], b = key[i + step];
    if ((a > b) == (((base + i) & (span - 1) & size) == 0)) key[i] = b, key[i + step] = a;
  }
  t.sync();
}

/// Makes the keys of rows and sorts blocks of them. Rows that lie in a block are sorted then, and go to the sink where there
/// is no memory for keys.
template <class Source, class Sink>
struct sort_start {
  using shared = sort_memory;
  static constexpr bool synchronizes = true;
  Source source;
  Sink sink;
  sort_key* keys;
  std::uint32_t rows, n, span_bits;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    sort_key* const key = t.template shared<shared>().key;
    const std::uint32_t first = t.block() * sort_block, span = 1u << span_bits, inside = span < sort_block ? span : sort_block;
    for (std::uint32_t i = t.thread(); i < sort_block; i += sort_threads) {
      const std::uint32_t row = (first + i) >> span_bits, k = (first + i) & (span - 1);
      key[i] = row < rows && k < n ? source(row, k) : ~sort_key{0};
    }
    t.sync();
    for (std::uint32_t size = 2; size <= inside; size *= 2)
      for (std::uint32_t step = size / 2; step > 0; step /= 2) sort_step(t, key, first, span, size, step);
    for (std::uint32_t i = t.thread(); i < sort_block; i += sort_threads) {
      const std::uint32_t row = (first + i) >> span_bits, k = (first + i) & (span - 1);
      if (keys != nullptr) keys[first + i] = key[i];
      else if (row < rows && k < n) sink(row, k, key[i]);
    }
  }
};
/// A step whose partners lie in different blocks.
struct sort_far {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  sort_key* keys;
  std::uint32_t span, size, step;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    const std::uint32_t p = t.index(), i = 2 * p - (p & (step - 1));
    const sort_key a = keys[i], b = keys[i + step];
    if ((a > b) == ((i & (span - 1) & size) == 0)) keys[i] = b, keys[i + step] = a;
  }
};
/// The steps that remain.
struct sort_near {
  using shared = sort_memory;
  static constexpr bool synchronizes = true;
  sort_key* keys;
  std::uint32_t span, size;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    sort_key* const key = t.template shared<shared>().key;
    const std::uint32_t first = t.block() * sort_block;
    for (std::uint32_t i = t.thread(); i < sort_block; i += sort_threads) key[i] = keys[first + i];
    t.sync();
    for (std::uint32_t step = sort_block / 2; step > 0; step /= 2) sort_step(t, key, first, span, size, step);
    for (std::uint32_t i = t.thread(); i < sort_block; i += sort_threads) keys[first + i] = key[i];
  }
};
/// Sorted keys to where they are wanted.
template <class Sink>
struct sort_end {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  Sink sink;
  const sort_key* keys;
  std::uint32_t rows, n, span_bits;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    const std::uint32_t i = t.index(), row = i >> span_bits, k = i & ((1u << span_bits) - 1);
    if (row < rows && k < n) sink(row, k, keys[i]);
  }
};
struct no_sink {
  RILL_GPU void operator()(std::uint32_t, std::uint32_t, sort_key) const {}
};

/// Keys that there must be room for: rows of 2^k keys, whole blocks.
constexpr std::int64_t sort_room(std::int64_t rows, std::int64_t n) {
  return pieces(rows << log2_ceil(static_cast<std::uint64_t>(n)), sort_block) * sort_block;
}
/// Sorts rows of n keys that source(row, k) gives. With `keys` (of sort_room) they lie there, 2^k apart; else, where rows
/// lie in a block, sink(row, k, key) gets them.
template <class Source, class Sink, class Device>
void sort_keys(Device& device, std::int64_t rows, std::int64_t n, const Source& source, const Sink& sink, sort_key* keys) {
  const std::uint32_t bits = log2_ceil(static_cast<std::uint64_t>(n));
  if (rows << bits >= std::int64_t{1} << 31)
    throw unimplemented("sort: takes less than 2^31 keys on a device, got " + std::to_string(rows) + " rows of " + std::to_string(n));
  const auto whole = static_cast<std::uint32_t>(sort_room(rows, n)), span = std::uint32_t{1} << bits;
  const launch_shape blocks{.blocks = whole / sort_block, .threads = sort_threads};
  device.launch(sort_start<Source, Sink>{source, sink, keys, static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(n), bits}, blocks);
  for (std::uint32_t size = 2 * sort_block; size <= span; size *= 2) {
    for (std::uint32_t step = size / 2; step >= sort_block; step /= 2) device.launch(sort_far{keys, span, size, step}, {.blocks = whole / 512});
    device.launch(sort_near{keys, span, size}, blocks);
  }
}
template <class Source, class Device>
void sort_keys(Device& device, std::int64_t rows, std::int64_t n, const Source& source, sort_key* keys) {
  sort_keys(device, rows, n, source, no_sink{}, keys);
}
/// The same to a sink, whatever the length.
template <class Source, class Sink, class Device>
void sort_to(Device& device, std::int64_t rows, std::int64_t n, const Source& source, const Sink& sink) {
  if (rows * n == 0) return;
  if (n <= sort_block) return sort_keys(device, rows, n, source, sink, nullptr);
  auto* const keys = static_cast<sort_key*>(device.scratch(static_cast<std::size_t>(sort_room(rows, n)) * sizeof(sort_key)));
  sort_keys(device, rows, n, source, sink, keys);
  device.launch(sort_end<Sink>{sink, keys, static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(n), log2_ceil(static_cast<std::uint64_t>(n))},
                {.blocks = static_cast<unsigned>(sort_room(rows, n) / 256)});
}

/// Numbers and their indices; Zeros: -0 comes before 0.
template <class T, bool Zeros>
struct number_keys {
  using C = compute_t<T>;
  static_assert(sizeof(C) <= 4, "a device sorts numbers of 32 bits and less");
  const T* x;
  std::uint32_t n;
  bool descending;
  RILL_GPU sort_key operator()(std::uint32_t row, std::uint32_t k) const {
    return static_cast<sort_key>(kernel::detail::ordered_key<Zeros>(static_cast<C>(x[static_cast<std::int64_t>(row) * n + k]), descending)) << 32 | k;
  }
};
struct index_sink {
  std::int32_t* places;
  std::uint32_t wanted;
  RILL_GPU void operator()(std::uint32_t row, std::uint32_t k, sort_key key) const {
    if (k < wanted) places[static_cast<std::int64_t>(row) * wanted + k] = static_cast<std::int32_t>(static_cast<std::uint32_t>(key));
  }
};
template <class T>
struct number_sink {
  T* y;
  std::uint32_t n;
  bool descending;
  RILL_GPU void operator()(std::uint32_t row, std::uint32_t k, sort_key key) const {
    const auto found = static_cast<std::uint32_t>(key >> 32);
    y[static_cast<std::int64_t>(row) * n + k] = static_cast<T>(kernel::detail::number_of<compute_t<T>>(descending ? ~found : found));
  }
};

}  // namespace detail

/// y = the elements of each row of x [rows, n] in order; y may be x.
template <class T, class Device>
void sort(Device& device, std::int64_t rows, std::int64_t n, bool descending, const T* x, T* y) {
  const auto length = static_cast<std::uint32_t>(n);
  detail::sort_to(device, rows, n, detail::number_keys<T, true>{x, length, descending}, detail::number_sink<T>{y, length, descending});
}

/// places [rows, k] = where the first k elements of each row of x [rows, n], in order, come from.
template <class T, class Device>
void argsort(Device& device, std::int64_t rows, std::int64_t n, std::int64_t k, bool descending, const T* x, std::int32_t* places) {
  if (k == 0) return;
  detail::sort_to(device, rows, n, detail::number_keys<T, false>{x, static_cast<std::uint32_t>(n), descending}, detail::index_sink{places, static_cast<std::uint32_t>(k)});
}

}  // namespace rill::cuda

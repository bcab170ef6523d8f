// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Moves elements of any type by their width (1, 2, 4, 8 or 16 bytes): what transposes, broadcasts, slices, reversals and
/// tiles are. Takes the nests of kernel/copy.hpp:
///
///   transpose(device, sizeof(float), {2, 3}, order, x, y);      // order {1, 0}: y is [3, 2]
///   copy(device, sizeof(float), nest, from, to);
///
/// Runs that are contiguous in both memories are moved by 16 bytes where their places allow; where the contiguous axes
/// differ, tiles of 1024 elements go through shared memory, as high as they are wide unless one of the axes is short.

#include <rill/kernel/copy.hpp>

#include "threads.cuh"

namespace rill::cuda {

namespace detail {

/// Numbers where there are such, so that a copy is one load and one store.
template <int Width>
struct move_as {
  using type = typename kernel::detail::lanes_of_words<static_cast<std::size_t>(Width)>::number;
};
struct alignas(16) two_words {
  std::uint64_t v[2];
};
template <>
struct move_as<16> {
  using type = two_words;
};

inline constexpr int move_axes = kernel::copy_nest::max_axes;
/// Axes of a copy, outermost first.
struct move_dims {
  int rank;
  divider extents[static_cast<std::size_t>(move_axes)];
  std::int64_t from[static_cast<std::size_t>(move_axes)], to[static_cast<std::size_t>(move_axes)];

  RILL_GPU void advance(std::uint32_t p, std::int64_t& f, std::int64_t& t) const {
    for (int d = rank - 1; d >= 0; --d) {
      const std::uint32_t at = d == 0 ? p : extents[d].divide(p);
      f += at * from[d], t += at * to[d];
    }
  }
};

/// One element after the other of the destination.
template <class Word>
struct strided_copy {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  const Word* from;
  Word* to;
  std::uint32_t n;
  move_dims dims;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    for (std::uint32_t i = t.index(); i < n; i += t.count()) {
      std::int64_t f = 0, g = 0;
      dims.advance(i, f, g);
      to[g] = from[f];
    }
  }
};

/// Two axes: `a` contiguous in the source, `b` in the destination; a tile is 2^a_bits x 2^b_bits = 1024 elements. One
/// element in each of its rows is padding, so that columns lie in different banks.
template <class Word>
struct tiled_copy {
  static constexpr std::uint32_t elements = 1024, threads = 256;
  struct shared {
    Word tile[elements + elements / 2];
  };
  static constexpr bool synchronizes = true;
  const Word* from;
  Word* to;
  std::uint32_t a_extent, b_extent, a_bits, b_bits;
  std::int64_t b_from, a_to;
  divider a_tiles, b_tiles;
  move_dims others;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    Word* const tile = t.template shared<shared>().tile;
    std::uint32_t block = t.block();
    const std::uint32_t a0 = a_tiles.divide(block) << a_bits, b0 = b_tiles.divide(block) << b_bits;
    std::int64_t f = 0, g = 0;
    others.advance(block, f, g);
    const std::uint32_t pitch = (1u << a_bits) + 1, a_mask = (1u << a_bits) - 1, b_mask = (1u << b_bits) - 1;
    for (int k = 0; k < static_cast<int>(elements / threads); ++k) {
      const std::uint32_t i = t.thread() + static_cast<std::uint32_t>(k) * threads, a = i & a_mask, b = i >> a_bits;
      if (a0 + a < a_extent && b0 + b < b_extent) tile[b * pitch + a] = from[f + a0 + a + (b0 + b) * b_from];
    }
    t.sync();
    for (int k = 0; k < static_cast<int>(elements / threads); ++k) {
      const std::uint32_t i = t.thread() + static_cast<std::uint32_t>(k) * threads, b = i & b_mask, a = i >> b_bits;
      if (a0 + a < a_extent && b0 + b < b_extent) to[g + b0 + b + (a0 + a) * a_to] = tile[b * pitch + a];
    }
  }
};

template <class Plan>
void set_axis(move_dims& m, const Plan& p, int d) {
  m.extents[m.rank] = divider(static_cast<std::uint32_t>(p.extents[d]));
  m.from[m.rank] = p.from[d], m.to[m.rank++] = p.to[d];
}

template <int Width, class Device>
void copy_words(Device& device, kernel::detail::copy_plan p, const void* source, void* destination) {
  using Word = typename move_as<Width>::type;
  const Word* from = static_cast<const Word*>(source) + p.from_offset;
  Word* to = static_cast<Word*>(destination) + p.to_offset;
  constexpr std::int64_t most = std::int64_t{1} << 31;
  if (p.size >= most) {  // the outermost axis piece by piece
    const std::int64_t extent = p.extents[0], inside = p.size / extent, each = inside >= most ? 1 : (most - 1) / inside;
    for (std::int64_t done = 0; done < extent; done += each) {
      kernel::detail::copy_plan part = p;
      part.extents[0] = each < extent - done ? each : extent - done;
      part.size = inside * part.extents[0];
      part.from_offset += done * p.from[0], part.to_offset += done * p.to[0];
      if (part.extents[0] == 1 && p.rank > 1) {
        for (int d = 0; d + 1 < p.rank; ++d) part.extents[d] = p.extents[d + 1], part.from[d] = p.from[d + 1], part.to[d] = p.to[d + 1];
        --part.rank;
      }
      copy_words<Width>(device, part, source, destination);
    }
    return;
  }
  const int last = p.rank - 1;
  int a = last;  // the axis that is contiguous in the source
  for (int d = 0; d < last && p.from[last] != 1 && p.from[last] != 0; ++d)
    if (p.from[d] == 1) a = d;
  if (a != last && p.to[last] == 1) {
    tiled_copy<Word> k{};
    k.from = from, k.to = to;
    k.a_extent = static_cast<std::uint32_t>(p.extents[a]), k.b_extent = static_cast<std::uint32_t>(p.extents[last]);
    k.b_from = p.from[last], k.a_to = p.to[a];
    k.a_bits = log2_ceil(k.a_extent), k.b_bits = log2_ceil(k.b_extent);
    if (k.a_bits >= 5 && k.b_bits >= 5) k.a_bits = k.b_bits = 5;
    else if (k.a_bits < k.b_bits) k.b_bits = 10 - k.a_bits;
    else k.a_bits = 10 - k.b_bits;
    const std::int64_t a_tiles = pieces(p.extents[a], std::int64_t{1} << k.a_bits), b_tiles = pieces(p.extents[last], std::int64_t{1} << k.b_bits);
    k.a_tiles = divider(static_cast<std::uint32_t>(a_tiles)), k.b_tiles = divider(static_cast<std::uint32_t>(b_tiles));
    std::int64_t blocks = a_tiles * b_tiles;
    for (int d = 0; d < last; ++d)
      if (d != a) blocks *= p.extents[d], set_axis(k.others, p, d);
    return device.launch(k, {.blocks = static_cast<unsigned>(blocks), .threads = tiled_copy<Word>::threads});
  }
  strided_copy<Word> k{from, to, static_cast<std::uint32_t>(p.size), {}};
  for (int d = 0; d < p.rank; ++d) set_axis(k.dims, p, d);
  const std::int64_t fill = std::int64_t{16} * device.processors(), blocks = pieces(p.size, 256);
  device.launch(k, {.blocks = static_cast<unsigned>(blocks < fill ? blocks : fill)});
}

}  // namespace detail

/// to[sum of i_d * to_d] = from[sum of i_d * from_d], elements of `width` bytes (1, 2, 4, 8 or 16), aligned to it, in device
/// memory; no two elements of the destination at one place.
template <class Device>
void copy(Device& device, std::size_t width, const kernel::copy_nest& n, const void* from, void* to) {
  kernel::detail::copy_plan p = kernel::detail::plan_copy(n);
  if (p.size == 0) return;
  if (p.rank == 0) p.rank = 1, p.extents[0] = p.from[0] = p.to[0] = 1;
  const auto scale = [&](std::int64_t by) {  // elements become words of 1 / by of their size
    for (int d = 0; d < p.rank; ++d) p.from[d] *= by, p.to[d] *= by;
    p.from_offset *= by, p.to_offset *= by, p.size *= by;
  };
  const int last = p.rank - 1;
  if (p.from[last] == 1 && p.to[last] == 1) {  // runs: by words as wide as all of their places allow
    std::uint64_t all = reinterpret_cast<std::uintptr_t>(from) | reinterpret_cast<std::uintptr_t>(to) | 16;
    const auto bytes = [&](std::int64_t elements) { all |= static_cast<std::uint64_t>(elements) * width; };
    bytes(p.extents[last]), bytes(p.from_offset), bytes(p.to_offset);
    for (int d = 0; d < last; ++d) bytes(p.from[d]), bytes(p.to[d]);
    const auto wide = static_cast<std::size_t>(all & (~all + 1));  // the lowest bit
    if (wide > width) {
      const auto by = static_cast<std::int64_t>(wide / width);
      p.extents[last] /= by, p.size /= by, p.from_offset /= by, p.to_offset /= by;
      for (int d = 0; d < last; ++d) p.from[d] /= by, p.to[d] /= by;
    } else if (wide < width) {
      const auto by = static_cast<std::int64_t>(width / wide);
      scale(by);
      p.extents[last] *= by, p.from[last] = p.to[last] = 1;
    }
    width = wide;
  }
  switch (width) {
    case 1: return detail::copy_words<1>(device, p, from, to);
    case 2: return detail::copy_words<2>(device, p, from, to);
    case 4: return detail::copy_words<4>(device, p, from, to);
    case 8: return detail::copy_words<8>(device, p, from, to);
    default: return detail::copy_words<16>(device, p, from, to);
  }
}

/// y = x with its axes in another order: axis d of y is axis order[d] of x, a tensor of this shape.
template <class Device>
void transpose(Device& device, std::size_t width, const tensor_shape& shape, const int* order, const void* x, void* y) {
  std::int64_t from[max_rank] = {}, step = 1;
  for (int d = shape.rank() - 1; d >= 0; --d) from[d] = step, step *= shape[d];
  kernel::copy_nest n;
  std::int64_t to = step;
  for (int d = 0; d < shape.rank(); ++d) {
    const int a = order[d];
    if (shape[a] == 0) return;
    to /= shape[a];
    n.axis(shape[a], from[a], to);
  }
  copy(device, width, n, x, y);
}

}  // namespace rill::cuda

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Elements of any type moved in device memory: concat, slice, reverse, tile, the diagonals of matrices and bitcast by the
/// copies of transpose.cuh (`mover`, which kernel/movement.hpp's functions take); by index arithmetic, in one kernel each,
/// pad (and shift), take_along_axis, dynamic slices, matrix_band_part and reverse_sequence. Indices and lengths that are out of
/// range give zeros or the nearest ones: a kernel cannot throw.
///
///   kernel::move(std::type_identity<ops::slice_op>{}, mover<Device>{&device}, attributes, in, out);
///   pad(device, sizeof(float), x, shape, low, step, value, y, result_shape);

#include <string>
#include <type_traits>

#include <rill/core/error.hpp>
#include <rill/kernel/movement.hpp>

#include "map.cuh"
#include "transpose.cuh"

namespace rill::cuda {

/// Moves elements in a device's memory, as kernel::host_mover does in the host's.
template <class Device>
struct mover {
  Device* device;
  void operator()(dtype type, const void* from, void* to, const kernel::copy_nest& n) const { copy(*device, size_of(type), n, from, to); }
  void clear(dtype type, void* to, std::int64_t n) const { device->zero(to, static_cast<std::size_t>(n) * size_of(type)); }
};

namespace detail {

/// f(std::type_identity<Word>) for the word that is as wide as an element.
template <class F>
void with_word(std::size_t width, const F& f) {
  switch (width) {
    case 1: return f(std::type_identity<std::uint8_t>{});
    case 2: return f(std::type_identity<std::uint16_t>{});
    case 4: return f(std::type_identity<std::uint32_t>{});
    case 8: return f(std::type_identity<std::uint64_t>{});
    default: return f(std::type_identity<two_words>{});
  }
}
/// A kernel over `size` elements of the result.
template <class K, class Device>
void launch_over(Device& device, std::int64_t size, const K& kernel) {
  const std::int64_t fill = std::int64_t{16} * device.processors(), blocks = pieces(size, 256);
  if (size > 0) device.launch(kernel, {.blocks = static_cast<unsigned>(blocks < fill ? blocks : fill)});
}
/// Sizes that 32 bits hold. unimplemented when they do not.
inline std::uint32_t small_size(const char* op, std::int64_t n) {
  if (n >= std::int64_t{1} << 30) throw unimplemented(std::string(op) + ": takes less than 2^30 elements on a device, got " + std::to_string(n));
  return static_cast<std::uint32_t>(n);
}

/// Elements of x at low + k * step, the others `value`, which lies in device memory where `given` does.
template <class Word>
struct pad_kernel {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  struct dim {
    divider extent, step;
    std::int32_t low;
    std::uint32_t limit;  ///< of x
  };
  const Word* x;
  Word* y;
  const Word* given;
  Word value;
  std::uint32_t size;
  int rank;
  dim dims[max_rank];

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    const Word rest = given != nullptr ? *given : value;
    for (std::uint32_t i = t.index(); i < size; i += t.count()) {
      std::uint32_t o = i, at = 0, stride = 1;
      bool inside = true;
      for (int d = rank - 1; d >= 0; --d) {
        const dim& a = dims[d];
        const std::int32_t c = static_cast<std::int32_t>(a.extent.divide(o)) - a.low;
        std::uint32_t k = c < 0 ? 0 : static_cast<std::uint32_t>(c);
        inside = inside && c >= 0 && a.step.divide(k) == 0 && k < a.limit;
        at += k * stride, stride *= a.limit;
      }
      y[i] = inside ? x[at] : rest;
    }
  }
};

/// y[o, k, j] = x[o, indices[o, k, j], j].
template <class Word, class Index>
struct take_kernel {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  const Word* x;
  const Index* indices;
  Word* y;
  std::uint32_t size, n;
  divider m, inner;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    for (std::uint32_t i = t.index(); i < size; i += t.count()) {
      std::uint32_t o = i;
      const std::uint32_t j = inner.divide(o);
      m.divide(o);
      const auto at = static_cast<std::int64_t>(indices[i]);
      y[i] = at >= 0 && at < n ? x[(static_cast<std::int64_t>(o) * n + at) * inner.value() + j] : Word{};
    }
  }
};
/// The other way, added up by a thread for each row, in the order of k; y holds zeros.
template <class T, class Index>
struct put_kernel {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  const T* x;
  const Index* indices;
  T* y;
  std::uint32_t rows, n, m;
  divider inner;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    for (std::uint32_t i = t.index(); i < rows; i += t.count()) {
      std::uint32_t o = i;
      const std::uint32_t j = inner.divide(o), width = inner.value();
      for (std::uint32_t k = 0; k < m; ++k) {
        const std::int64_t from = (static_cast<std::int64_t>(o) * m + k) * width + j;
        const auto at = static_cast<std::int64_t>(indices[from]);
        if (at >= 0 && at < n) y[(static_cast<std::int64_t>(o) * n + at) * width + j] += x[from];
      }
    }
  }
};

/// A block of `whole` that begins where indices in device memory say, moved so that it lies inside: read, or (Into) written.
template <class Word, class Index, bool Into>
struct block_kernel {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  std::conditional_t<Into, Word, const Word>* whole;
  std::conditional_t<Into, const Word, Word>* part;
  const Index* start;
  std::uint32_t size;
  int rank;
  divider extents[max_rank];       ///< of the block
  std::uint32_t limits[max_rank];  ///< of what it lies in

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    for (std::uint32_t i = t.index(); i < size; i += t.count()) {
      std::uint32_t o = i;
      std::int64_t at = 0, stride = 1;
      for (int d = rank - 1; d >= 0; --d) {
        const std::int64_t most = static_cast<std::int64_t>(limits[d]) - extents[d].value(), wanted = static_cast<std::int64_t>(start[d]);
        at += (extents[d].divide(o) + (wanted < 0 ? 0 : wanted > most ? most : wanted)) * stride;
        stride *= limits[d];
      }
      if constexpr (Into) whole[at] = part[i];
      else part[i] = whole[at];
    }
  }
};

/// Zeros outside of a band of each matrix.
template <class Word>
struct band_kernel {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  const Word* x;
  Word* y;
  std::uint32_t size;
  std::int64_t below, above;  ///< diagonals; negative: all
  divider columns, rows;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    for (std::uint32_t i = t.index(); i < size; i += t.count()) {
      std::uint32_t o = i;
      const std::int64_t c = columns.divide(o), r = rows.divide(o);
      y[i] = (below < 0 || r - c <= below) && (above < 0 || c - r <= above) ? x[i] : Word{};
    }
  }
};

/// The first elements of each row along an axis the other way round, as many as the lengths along another axis say.
template <class Word, class Index>
struct reverse_sequence_kernel {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  const Word* x;
  const Index* lengths;
  Word* y;
  std::uint32_t size;
  divider n, inner, rows, inside;  ///< extents of both axes and of what they go over

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    for (std::uint32_t i = t.index(); i < size; i += t.count()) {
      std::uint32_t o = inner.quotient(i), b = inside.quotient(i);
      const std::int64_t k = n.divide(o), length = static_cast<std::int64_t>(lengths[rows.divide(b)]), last = length < n.value() ? length : n.value();
      y[i] = x[k < last ? i + (last - 1 - 2 * k) * inner.value() : i];
    }
  }
};

template <class Index, bool Into, class Device>
void move_block(Device& device, std::size_t width, const tensor_shape& whole, const tensor_shape& part, void* whole_data, const void* part_data, const void* start) {
  with_word(width, [&]<class Word>(std::type_identity<Word>) {
    block_kernel<Word, Index, Into> k{};
    k.whole = static_cast<Word*>(whole_data), k.part = static_cast<Word*>(const_cast<void*>(part_data)), k.start = static_cast<const Index*>(start);
    k.size = small_size("DynamicSlice", part.num_elements()), k.rank = part.rank();
    for (int d = 0; d < k.rank; ++d) k.extents[d] = divider(static_cast<std::uint32_t>(part[d])), k.limits[d] = static_cast<std::uint32_t>(whole[d]);
    launch_over(device, k.size, k);
  });
}

}  // namespace detail

/// y, of shape `to`, holds element k of axis d of x at low[d] + k * step[d], where it lies inside, and `value` elsewhere (of
/// `width` bytes, in the host's memory; or in the device's: `given`).
template <class Device>
void pad(Device& device, std::size_t width, const void* x, const tensor_shape& from, const std::int64_t* low, const std::int64_t* step, const void* value, const void* given,
         void* y, const tensor_shape& to) {
  detail::with_word(width, [&]<class Word>(std::type_identity<Word>) {
    detail::pad_kernel<Word> k{};
    k.x = static_cast<const Word*>(x), k.y = static_cast<Word*>(y), k.given = static_cast<const Word*>(given);
    if (given == nullptr) std::memcpy(&k.value, value, sizeof(Word));
    k.size = detail::small_size("PadV2", to.num_elements()), k.rank = to.rank();
    detail::small_size("PadV2", from.num_elements());
    for (int d = 0; d < k.rank; ++d) {
      detail::small_size("PadV2", low[d] < 0 ? -low[d] : low[d]);
      k.dims[d] = {divider(static_cast<std::uint32_t>(to[d])), divider(static_cast<std::uint32_t>(step[d])), static_cast<std::int32_t>(low[d]), static_cast<std::uint32_t>(from[d])};
    }
    detail::launch_over(device, k.size, k);
  });
}

/// y[o, k, j] = x[o, indices[o, k, j], j]: x is [outer, n, inner], indices and y [outer, m, inner].
template <class Index, class Device>
void take_along_axis(Device& device, std::size_t width, std::int64_t outer, std::int64_t n, std::int64_t m, std::int64_t inner, const void* x, const Index* indices, void* y) {
  const std::uint32_t size = detail::small_size("TakeAlongAxis", outer * m * inner);
  detail::with_word(width, [&]<class Word>(std::type_identity<Word>) {
    detail::launch_over(device, size,
                        detail::take_kernel<Word, Index>{static_cast<const Word*>(x), indices, static_cast<Word*>(y), size, static_cast<std::uint32_t>(n),
                                                         divider(static_cast<std::uint32_t>(m)), divider(static_cast<std::uint32_t>(inner))});
  });
}
/// y[o, indices[o, k, j], j] += x[o, k, j] over zeros, in the order of k.
template <class T, class Index, class Device>
void put_along_axis(Device& device, std::int64_t outer, std::int64_t n, std::int64_t m, std::int64_t inner, const T* x, const Index* indices, T* y) {
  device.zero(y, static_cast<std::size_t>(outer * n * inner) * sizeof(T));
  const std::uint32_t rows = detail::small_size("TakeAlongAxisGrad", outer * inner);
  detail::launch_over(device, rows,
                      detail::put_kernel<T, Index>{x, indices, y, rows, static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(m), divider(static_cast<std::uint32_t>(inner))});
}

}  // namespace rill::cuda

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// An element-wise program over those rows of tables that lookups have named: what is left of an optimizer's update where
/// the gradient's other rows are zeros. The gradient comes as the rows that lookups gave, each with the index of its row of
/// the table; rows of one index are added up in the order of the lookups, and the program then runs once for each index.
/// No row is seen by two threads, and what is computed for one is the same for any number of them.

#include <bit>
#include <cstring>

#include "../core/bfloat16.hpp"
#include "../core/half.hpp"
#include "map.hpp"
#include "matmul.hpp"

namespace rill::kernel {

/// A gradient by rows: `count` rows, of which row k belongs to row indices[k] of the table.
struct row_gradient {
  int input = 0;  ///< the operand of the program that stands for it
  dtype type = dtype::invalid;
  const void* rows = nullptr;
  const void* indices = nullptr;
  dtype index_type = dtype::invalid;
  std::int64_t count = 0;
};

namespace detail {

struct row_update {
  flat_call map;                 ///< of the whole table; the place of a gradient is empty
  const row_gradient* gradients;
  int n_gradients;
  std::int64_t rows, columns;    ///< of the table
  std::int64_t grain, serial;    ///< elements, as map_flat has them
};

template <class T>
void add_rows(const void* a, const void* b, std::int64_t n, void* to) {
  const T* const x = static_cast<const T*>(a);
  const T* const y = static_cast<const T*>(b);
  T* const z = static_cast<T*>(to);
  for (std::int64_t i = 0; i < n; ++i) z[i] = x[i] + y[i];
}
using add_rows_function = void (*)(const void*, const void*, std::int64_t, void*);
template <class = void>
add_rows_function add_rows_of(dtype type) {
  switch (type) {
    case dtype::float64: return &add_rows<double>;
    case dtype::float16: return &add_rows<half>;
    case dtype::bfloat16: return &add_rows<bfloat16>;
    default: return &add_rows<float>;
  }
}

/// The different indices of all gradients, in the order in which they first come, and for each the chain of its rows. Rows
/// are numbered from the first one of the first gradient on.
struct row_chains {
  std::int64_t* row;             ///< per different index
  std::int32_t *first, *last;    ///< its first and last row
  std::int32_t* next;            ///< per row the next one of its chain, or -1
  std::int64_t size = 0;

  static std::size_t table_size(std::int64_t total) { return std::bit_ceil(static_cast<std::size_t>(2 * total + 16)); }
  static std::size_t bytes(std::int64_t total) {
    return static_cast<std::size_t>(total) * (sizeof(std::int64_t) + 3 * sizeof(std::int32_t)) + table_size(total) * sizeof(std::int32_t);
  }
  /// Gives the number of a gradient with an index outside of the table, or -1.
  int build(const row_update& u, std::int64_t total, std::byte* memory) {
    row = reinterpret_cast<std::int64_t*>(memory);
    first = reinterpret_cast<std::int32_t*>(row + total);
    last = first + total, next = last + total;
    std::int32_t* const place = next + total;  // a hash table of the indices' numbers
    const std::size_t mask = table_size(total) - 1;
    const int shift = 64 - std::countr_one(mask);
    std::memset(place, 0xff, (mask + 1) * sizeof(std::int32_t));
    std::int32_t number = 0;
    for (int g = 0; g < u.n_gradients; ++g) {
      const auto add = [&]<class I>(const I* indices) {
        for (std::int64_t k = 0; k < u.gradients[g].count; ++k, ++number) {
          const auto r = static_cast<std::int64_t>(indices[k]);
          if (r < 0 || r >= u.rows) return false;
          auto h = static_cast<std::size_t>(static_cast<std::uint64_t>(r) * 0x9e3779b97f4a7c15u >> shift);
          while (place[h] >= 0 && row[place[h]] != r) h = (h + 1) & mask;
          next[number] = -1;
          if (const std::int32_t known = place[h]; known >= 0) {
            next[last[known]] = number;
            last[known] = number;
          } else {
            place[h] = static_cast<std::int32_t>(size);
            row[size] = r;
            first[size] = last[size] = number;
            ++size;
          }
        }
        return true;
      };
      const void* p = u.gradients[g].indices;
      if (!(u.gradients[g].index_type == dtype::int64 ? add(static_cast<const std::int64_t*>(p)) : add(static_cast<const std::int32_t*>(p))))
        return g;
    }
    return -1;
  }
};

/// The program for the different indices [begin, end).
template <class = void>
void update_rows(const row_update& u, const row_chains& chains, std::int64_t begin, std::int64_t end) {
  // A row goes in pieces, so that the sums of all gradients fit beside each other on the stack.
  constexpr std::int64_t room = 24576, max_gradients = max_map_operands;
  static_assert(room >= 64 * 8 * max_gradients);
  alignas(64) std::byte sums[static_cast<std::size_t>(room)];
  const std::int64_t piece = room / 8 / u.n_gradients / 64 * 64;
  const flat_call& c = u.map;
  const void* in[max_map_operands];
  void* out[max_map_operands];
  add_rows_function add[max_map_operands];
  std::int64_t width[max_map_operands];
  for (int g = 0; g < u.n_gradients; ++g) {
    add[g] = add_rows_of(u.gradients[g].type);
    width[g] = static_cast<std::int64_t>(size_of(u.gradients[g].type));
  }
  for (int k = 0; k < c.inputs; ++k) in[k] = c.in[k];
  for (std::int64_t i = begin; i < end; ++i) {
    constexpr std::int64_t ahead = 4;
    if (i + ahead < end)  // the rows of tables lie anywhere
      for (int k = 0; k < c.outputs; ++k) {
        const auto* p = static_cast<const unsigned char*>(c.out[k]) + chains.row[i + ahead] * u.columns * c.width[c.inputs + k];
        const std::int64_t bytes = std::min<std::int64_t>(u.columns * c.width[c.inputs + k], 1024);
        for (std::int64_t b = 0; b < bytes; b += 64) __builtin_prefetch(p + b, 1);
      }
    for (std::int64_t column = 0; column < u.columns; column += piece) {
      const std::int64_t n = std::min(piece, u.columns - column), at = chains.row[i] * u.columns + column;
      for (int k = 0; k < c.inputs; ++k)
        if (c.walks[k] != expr::walk::constant && c.in[k] != nullptr) in[k] = static_cast<const unsigned char*>(c.in[k]) + at * c.width[k];
      for (int k = 0; k < c.outputs; ++k) out[k] = static_cast<unsigned char*>(c.out[k]) + at * c.width[c.inputs + k];
      std::int64_t number = chains.first[i], before = 0;
      for (int g = 0; g < u.n_gradients; ++g) {
        const row_gradient& r = u.gradients[g];
        const auto lies_at = [&] { return static_cast<const unsigned char*>(r.rows) + ((number - before) * u.columns + column) * width[g]; };
        std::byte* const sum = sums + g * piece * 8;
        const void*& value = in[r.input];
        value = nullptr;
        for (; number >= 0 && number < before + r.count; number = chains.next[number]) {
          if (value == nullptr) {
            value = lies_at();
          } else {
            add[g](value, lies_at(), n, sum);
            value = sum;
          }
        }
        if (value == nullptr) value = std::memset(sum, 0, static_cast<std::size_t>(n * width[g]));
        before += r.count;
      }
      c.row(in, unit_strides, out, unit_strides, true, n, at);
    }
  }
}

/// The whole update; gives the number of a gradient with an index outside of the table, having done nothing, or -1.
template <class = void>
int update_rows(const row_update& u) {
  std::int64_t total = 0;
  for (int g = 0; g < u.n_gradients; ++g) total += u.gradients[g].count;
  if (total == 0) return -1;
  if (total > INT32_MAX) throw resource_exhausted("an update by rows takes at most 2147483647 of them, not " + std::to_string(total));
  const scratch_lease memory(row_chains::bytes(total));
  row_chains chains;
  if (const int outside = chains.build(u, total, memory.data()); outside >= 0) return outside;
  const std::int64_t work = (chains.size + total) * u.columns;
  if (work <= u.serial) {
    update_rows(u, chains, 0, chains.size);
  } else {
    parallel_for(chains.size, chains.size * u.grain / work, [&](std::int64_t begin, std::int64_t end) { update_rows(u, chains, begin, end); });
  }
  return -1;
}

}  // namespace detail

/// The program over the rows of a table of so many rows and columns that the gradients name. `in` and `out` are the
/// operands for the whole table, as map_flat takes them, but for those that stand for gradients (nullptr). Gives the
/// number of a gradient with an index outside of the table, having done nothing, or -1.
template <class P>
int update_rows(std::int64_t rows, std::int64_t columns, const row_gradient* gradients, int n_gradients, const void* const* in, void* const* out) {
  static_assert(operands_v<P> <= detail::max_map_operands, "a program has at most 40 operands");
  return detail::update_rows({{P::inputs::size, P::outputs::size, in, out, detail::widths_of<typename P::inputs, typename P::outputs>::value,
                               detail::walks_of<P>::value, &detail::map_row<P, false>},
                              gradients, n_gradients, rows, columns, detail::grain_v<P>, detail::serial_v<P>});
}

}  // namespace rill::kernel

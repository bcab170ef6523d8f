// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `nest`: the loops of a kernel at run time - extents of the iteration space, and how many elements each operand (the
/// inputs, then the outputs) moves per step of each dimension. Broadcasting is a stride of 0.
///
///   nest<3> n{2, {rows, columns}, {{columns, 1}, {0, 1}, {columns, 1}}};   // matrix + row -> matrix

#include <cstdint>

#include "../core/shape.hpp"
#include "../expr/program.hpp"

namespace rill::kernel {

template <int Operands>
struct nest {
  static constexpr int operands = Operands;
  int rank = 0;
  std::int64_t extents[max_rank] = {};
  std::int64_t strides[Operands > 0 ? static_cast<std::size_t>(Operands) : 1][max_rank] = {};

  [[nodiscard]] constexpr std::int64_t size() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= extents[i];
    return n;
  }
};

namespace detail {

using stride_row = std::int64_t[max_rank];

/// Merges dimensions that every operand walks as one and drops those of extent 1; the row-major order of the iteration
/// does not change. `walks[k]` is what the program promises of operand k's innermost stride: a merge keeps it, and the
/// last dimension goes only when the one before it keeps the promise too. `group[i]` (may be null) marks dimensions that
/// may merge with each other only when equal. Rank becomes at least 1.
constexpr void collapse(int& rank, std::int64_t* extents, stride_row* strides, int operands, const expr::walk* walks,
                        bool* group) {
  const auto remove = [&](int d) {
    for (int i = d; i + 1 < rank; ++i) {
      extents[i] = extents[i + 1];
      if (group) group[i] = group[i + 1];
      for (int k = 0; k < operands; ++k) strides[k][i] = strides[k][i + 1];
    }
    --rank;
  };
  if (rank == 0) {
    rank = 1;
    extents[0] = 1;
    if (group) group[0] = false;
    for (int k = 0; k < operands; ++k) strides[k][0] = walks && walks[k] == expr::walk::constant ? 0 : 1;
    return;
  }
  for (int d = rank - 2; d >= 0; --d)
    if (extents[d] == 1) remove(d);
  for (int d = rank - 2; d >= 0; --d) {
    bool merge = !group || group[d] == group[d + 1];
    for (int k = 0; k < operands && merge; ++k) merge = strides[k][d] == strides[k][d + 1] * extents[d + 1];
    if (!merge) continue;
    extents[d + 1] *= extents[d];
    remove(d);
  }
  if (rank > 1 && extents[rank - 1] == 1) {
    bool drop = true;
    for (int k = 0; k < operands && drop; ++k) {
      const std::int64_t s = strides[k][rank - 2];
      const expr::walk w = walks ? walks[k] : expr::walk::strided;
      drop = w == expr::walk::strided || (w == expr::walk::contiguous ? s == 1 : s == 0);
    }
    if (drop) remove(rank - 1);
  }
}

/// What a program promises of its operands' innermost strides, inputs first; outputs promise nothing.
template <class P>
struct walks_of;
template <class... I, class L, class... O>
struct walks_of<expr::program<expr::list<I...>, L, expr::list<O...>>> {
  static constexpr int operands = static_cast<int>(sizeof...(I) + sizeof...(O));
  static constexpr expr::walk value[sizeof...(I) + sizeof...(O) + 1] = {
      I::inner..., (static_cast<void>(sizeof(O)), expr::walk::strided)..., expr::walk::strided};
};

}  // namespace detail

template <class P>
inline constexpr int operands_v = detail::walks_of<P>::operands;

/// The same work in as few dimensions as possible.
template <class P, int N>
constexpr void collapse(nest<N>& n, bool* group = nullptr) {
  static_assert(N <= operands_v<P>);
  detail::collapse(n.rank, n.extents, n.strides, N, detail::walks_of<P>::value, group);
}

}  // namespace rill::kernel

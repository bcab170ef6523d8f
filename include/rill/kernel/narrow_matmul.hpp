// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Products of many rows of few numbers by a matrix that fits into the registers, as small networks have them: what a general
/// kernel spends on its tiles is more than their multiplications.

#include <type_traits>

#include "simd.hpp"

namespace rill::kernel::detail {

/// The most rows that the matrix may have; it has one register per row.
inline constexpr int narrow_depth = 16;

/// Rows of c, a register each: rows of `k` numbers, `a_ld` apart, times the `k` registers at b.
template <class T>
[[gnu::noinline]] void narrow_rows(std::int64_t k, const T* a, std::int64_t a_ld, const T* b, std::int64_t rows, T* c) {
  using V = pack<T, rill::detail::native_lanes<T>>;
  V v[static_cast<std::size_t>(narrow_depth)];
#pragma GCC unroll 16
  for (int l = 0; l < narrow_depth; ++l) v[l] = V::load(b + (l < k ? l : 0) * V::size);
  for (; rows > 0; rows -= 2, a += 2 * a_ld, c += 2 * V::size) {
    const bool pair = rows > 1;
    const T *const p = a, *const q = pair ? a + a_ld : a;  // the last row alone is computed twice
    V sum[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};       // of each row two chains of additions
    const auto add = [&](auto l) __attribute__((always_inline)) {
      sum[l % 2] = V(rill::detail::mad_of(V(p[l]).b[0], v[l].b[0], sum[l % 2].b[0]));
      sum[2 + l % 2] = V(rill::detail::mad_of(V(q[l]).b[0], v[l].b[0], sum[2 + l % 2].b[0]));
    };
    switch (k) {
      case 16: add(std::integral_constant<int, 15>{}); [[fallthrough]];
      case 15: add(std::integral_constant<int, 14>{}); [[fallthrough]];
      case 14: add(std::integral_constant<int, 13>{}); [[fallthrough]];
      case 13: add(std::integral_constant<int, 12>{}); [[fallthrough]];
      case 12: add(std::integral_constant<int, 11>{}); [[fallthrough]];
      case 11: add(std::integral_constant<int, 10>{}); [[fallthrough]];
      case 10: add(std::integral_constant<int, 9>{}); [[fallthrough]];
      case 9: add(std::integral_constant<int, 8>{}); [[fallthrough]];
      case 8: add(std::integral_constant<int, 7>{}); [[fallthrough]];
      case 7: add(std::integral_constant<int, 6>{}); [[fallthrough]];
      case 6: add(std::integral_constant<int, 5>{}); [[fallthrough]];
      case 5: add(std::integral_constant<int, 4>{}); [[fallthrough]];
      case 4: add(std::integral_constant<int, 3>{}); [[fallthrough]];
      case 3: add(std::integral_constant<int, 2>{}); [[fallthrough]];
      case 2: add(std::integral_constant<int, 1>{}); [[fallthrough]];
      case 1: add(std::integral_constant<int, 0>{}); [[fallthrough]];
      default: break;
    }
    (sum[0] + sum[1]).store(c);
    (sum[2] + sum[3]).store(pair ? c + V::size : c);
  }
}

}  // namespace rill::kernel::detail

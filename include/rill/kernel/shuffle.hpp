// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `shuffle<I...>(a, b)`: the lanes I of two vectors of the compiler's own kind (vector_size), numbered through both. One
/// spelling for g++, clang and nvcc, whose front end does not expand a pack inside __builtin_shufflevector.
///
///   const V evens = shuffle<0, 2, 4, 6>(a, b);   // of two vectors of four lanes

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace rill::kernel::detail {

template <std::size_t Width, std::size_t Bytes>
struct lane_numbers {
  using number = std::conditional_t<Width == 1, std::int8_t,
                                    std::conditional_t<Width == 2, std::int16_t, std::conditional_t<Width == 4, std::int32_t, std::int64_t>>>;
  typedef number type __attribute__((vector_size(Bytes)));  // NOLINT: an attribute of a typedef
};

template <int... I, class V>
[[gnu::always_inline]] inline V shuffle(const V& a, const V& b) {
#ifdef __clang__
  return __builtin_shufflevector(a, b, I...);
#else
  return __builtin_shuffle(a, b, typename lane_numbers<sizeof(a[0]), sizeof(V)>::type{I...});
#endif
}

}  // namespace rill::kernel::detail

// SPDX-License-Identifier: Apache-2.0
// Operands of small whole numbers for the tests of products, so that every type holds the sums exactly.
#pragma once

#include <complex>
#include <cstdint>
#include <rill/eager/contraction.hpp>
#include <string>

#include "message_of.hpp"

namespace rill::test {

/// Small integers, so that every type holds the sums exactly.
template <class T>
dynamic_tensor numbers(const tensor_shape& s, std::uint64_t seed) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype_v<T>, s);
  auto* p = static_cast<T*>(t.mutable_data());
  std::uint64_t state = seed * 2654435761u + 1;
  const auto next = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int>((state >> 40) % 7) - (std::is_unsigned_v<T> ? 0 : 3);
  };
  for (std::int64_t k = 0; k < t.size(); ++k) {
    if constexpr (is_complex_v<T>) {
      const int re = next(), im = next();
      p[k] = T(static_cast<real_type_t<T>>(re), static_cast<real_type_t<T>>(im));
    } else p[k] = static_cast<T>(static_cast<float>(next()));
  }
  return t;
}
template <class T>
auto wide(const T& x) {
  if constexpr (is_complex_v<T>) return std::complex<double>(x.real(), x.imag());
  else return static_cast<double>(x);
}

inline bool equals(const dynamic_tensor& a, const dynamic_tensor& b) {
  if (!(a.shape() == b.shape()) || a.type() != b.type()) return false;
  for (std::size_t k = 0; k < a.span<double>().size(); ++k)
    if (a.span<double>()[k] != b.span<double>()[k]) return false;
  return true;
}
inline dynamic_tensor doubles(const tensor_shape& s, std::uint64_t seed = 1) { return numbers<double>(s, seed); }

}  // namespace rill::test

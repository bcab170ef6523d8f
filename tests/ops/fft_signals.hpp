// SPDX-License-Identifier: Apache-2.0
// Signals for the tests of Fourier transforms.
#pragma once

#include <rill/eager/fft.hpp>

#include <cstdint>

namespace rill::test {

/// Numbers in [-1, 1), real and imaginary parts of complex ones.
template <class T>
dynamic_tensor noise(const tensor_shape& s, std::uint64_t seed) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype_v<T>, s);
  auto* p = static_cast<real_type_t<T>*>(t.mutable_data());
  std::uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (std::int64_t k = 0; k < t.size() * (is_complex_v<T> ? 2 : 1); ++k) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    p[k] = static_cast<real_type_t<T>>(static_cast<double>(state >> 11) * 0x1p-52 - 1);
  }
  return t;
}

}  // namespace rill::test

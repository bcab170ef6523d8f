// SPDX-License-Identifier: Apache-2.0
// Matrices for the tests of linear algebra, and how far two tensors are apart.
#pragma once

#include <rill/eager/linalg.hpp>

#include <cmath>
#include <string>
#include <vector>

#include "message_of.hpp"

namespace rill::test {

/// Numbers in [-1, 1), real and imaginary parts of complex ones.
template <class T>
dynamic_tensor random_matrices(const tensor_shape& s, std::uint64_t seed) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype_v<T>, s);
  auto* p = static_cast<real_type_t<T>*>(t.mutable_data());
  const std::int64_t n = t.size() * (is_complex_v<T> ? 2 : 1);
  std::uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (std::int64_t k = 0; k < n; ++k) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    p[k] = static_cast<real_type_t<T>>(static_cast<double>(state >> 11) * 0x1p-52 - 1);
  }
  return t;
}

/// x plus a multiple of the identity.
inline dynamic_tensor add_identity(dynamic_tensor x, double scale) {
  const tensor_shape s = x.shape();
  const std::int64_t n = s[s.rank() - 1];
  void* const data = x.mutable_data();
  visit_number(x.type(), [&]<class T>(std::type_identity<T>) {
    if constexpr (is_complex_v<T> || std::is_floating_point_v<T>)
      for (std::int64_t k = 0; n > 0 && k < x.size() / (n * n); ++k)
        for (std::int64_t i = 0; i < n; ++i) static_cast<T*>(data)[k * n * n + i * (n + 1)] += T(static_cast<real_type_t<T>>(scale));
  });
  return x;
}

/// The largest absolute difference; infinity for other shapes or dtypes.
inline double distance(const dynamic_tensor& a, const dynamic_tensor& b) {
  if (!(a.shape() == b.shape()) || a.type() != b.type()) return INFINITY;
  double most = 0;
  visit_number(a.type(), [&]<class T>(std::type_identity<T>) {
    if constexpr (is_complex_v<T> || std::is_floating_point_v<T>)
      for (std::size_t k = 0; k < a.span<T>().size(); ++k) {
        const double d = static_cast<double>(std::abs(a.span<T>()[k] - b.span<T>()[k]));
        most = d > most || d != d ? d : most;
      }
  });
  return most;
}

}  // namespace rill::test

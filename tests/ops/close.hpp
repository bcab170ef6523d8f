// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Tensors made of golden numbers and compared with them.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include <doctest/doctest.h>

#include <rill/eager/front_end.hpp>

namespace rill::test {

/// A float64 tensor of these elements.
template <std::size_t N>
dynamic_tensor table(const double (&v)[N], const tensor_shape& s) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float64, s);
  REQUIRE(static_cast<std::size_t>(t.size()) == N);
  std::copy(v, v + N, static_cast<double*>(t.mutable_data()));
  return t;
}
template <std::size_t N>
void check_close(const char* what, const dynamic_tensor& got, const double (&want)[N], double tolerance = 1e-12) {
  INFO(std::string(what));
  const dynamic_tensor g = cast_to(got, dtype::float64);
  REQUIRE(static_cast<std::size_t>(g.size()) == N);
  for (std::size_t k = 0; k < N; ++k) CHECK(g.span<double>()[k] == doctest::Approx(want[k]).epsilon(tolerance));
}

/// Whether two float32 tensors of one shape agree to a mixed absolute and relative tolerance.
template <class A>
bool near(const A& got, const dynamic_tensor& want, float tolerance) {
  if (!(got.shape() == want.shape())) return false;
  for (std::int64_t k = 0; k < want.size(); ++k) {
    const float w = want.span<float>()[static_cast<std::size_t>(k)];
    if (!(std::fabs(got.data()[k] - w) <= tolerance * (1 + std::fabs(w)))) return false;
  }
  return true;
}

}  // namespace rill::test

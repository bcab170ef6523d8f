// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `test::device`: what the tests of kernels run on - a GPU where nvcc compiles them (gpu/device.hpp), else the host.

#include <cmath>
#include <iterator>
#include <type_traits>

#ifdef __CUDACC__
#include "../gpu/device.hpp"
#else
#include "emulator.hpp"
namespace test {
using emulator::device;
}
#endif

namespace test {
/// Whether a device computed what the CPU did (vectors or tensors). On the host bit by bit; nvcc rounds a * b + c once, and the
/// host may not: then up to 1e-5.
template <class A, class B>
bool same(const A& a, const B& b) {
#ifdef __CUDACC__
  using T = typename A::value_type;
  if constexpr (std::is_floating_point_v<T>) {
    bool all = std::size(a) == std::size(b);
    for (decltype(std::size(a)) k = 0; all && k < std::size(a); ++k) {
      const T x = a.data()[k], y = b.data()[k];
      all = x == y || (std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= T(1e-5) * (std::abs(y) + 1);
    }
    return all;
  }
#endif
  return a == b;
}
}  // namespace test

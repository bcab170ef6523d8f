// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <vector>

#include <rill/core/dtype.hpp>
#include <rill/cuda/arg_reduce.cuh>

#include "device.hpp"

namespace {

using namespace rill;

/// Small whole numbers, so that there are equals, and now and then a NaN.
template <class T, bool Largest>
void check(const tensor_shape& shape, int axis, bool nans) {
  test::device device;
  std::mt19937 random(5);
  std::vector<T> x(static_cast<std::size_t>(shape.num_elements()));
  for (T& v : x) {
    v = static_cast<T>(static_cast<float>(random() % 60));
    if constexpr (std::is_floating_point_v<T>)
      if (nans && random() % 200 == 0) v = std::numeric_limits<T>::quiet_NaN();
  }
  std::int64_t outer = 1, inner = 1, n = shape[axis];
  for (int d = 0; d < shape.rank(); ++d)
    if (d != axis) (d < axis ? outer : inner) *= shape[d];
  std::vector<std::int64_t> y(static_cast<std::size_t>(outer * inner), -1), want(y.size());
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < inner; ++i) {
      const auto at = [&](std::int64_t k) { return static_cast<double>(x[static_cast<std::size_t>((o * n + k) * inner + i)]); };
      std::int64_t best = 0;
      for (std::int64_t k = 1; k < n; ++k)
        if (at(best) == at(best) && (at(k) != at(k) || (Largest ? at(k) > at(best) : at(k) < at(best)))) best = k;
      want[static_cast<std::size_t>(o * inner + i)] = best;
    }
  cuda::arg_reduce<T, Largest>(device, shape, axis, x.data(), y.data());
  CAPTURE(to_string(shape));
  CHECK(y == want);
}

TEST_CASE("argmax and argmin find the first, along any axis, before everything a NaN") {
  for (const bool nans : {false, true}) {
    check<float, true>({128, 10}, 1, nans);
    check<float, false>({3, 1000}, 1, nans);
    check<float, true>({1, 9000}, 1, nans);  // several blocks
    check<float, true>({300, 17}, 0, nans);
    check<float, false>({4, 33, 12}, 1, nans);
  }
  check<float, true>({7}, 0, false);
  check<half, true>({5, 48}, 1, false);
  check<std::uint8_t, true>({9, 64}, 1, false);
  check<std::uint8_t, false>({40, 32}, 0, false);
}

}  // namespace

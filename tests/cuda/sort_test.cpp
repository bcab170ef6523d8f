// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <rill/cuda/sort.cuh>

#include "device.hpp"

namespace {

using namespace rill;

/// Small whole numbers, so that there are equals, and now and then a NaN, which is the largest.
template <class T>
void check(std::int64_t rows, std::int64_t n, std::int64_t k) {
  test::device device;
  std::mt19937 random(5);
  std::vector<T> x(static_cast<std::size_t>(rows * n));
  std::vector<double> order(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const int v = static_cast<int>(random() % 200) - (std::is_unsigned_v<T> ? 0 : 100);
    x[i] = static_cast<T>(static_cast<float>(v)), order[i] = static_cast<double>(x[i]);
    if constexpr (std::is_floating_point_v<T>)
      if (random() % 50 == 0) x[i] = std::numeric_limits<T>::quiet_NaN(), order[i] = 1e300;
  }
  for (const bool descending : {false, true}) {
    CAPTURE(rows);
    CAPTURE(n);
    CAPTURE(descending);
    std::vector<std::int32_t> places(static_cast<std::size_t>(rows * k), -1), want;
    std::vector<T> y(x.size());
    std::size_t wrong = 0;
    cuda::argsort(device, rows, n, k, descending, x.data(), places.data());
    cuda::sort(device, rows, n, descending, x.data(), y.data());
    for (std::int64_t r = 0; r < rows; ++r) {
      std::vector<std::int32_t> p(static_cast<std::size_t>(n));
      std::iota(p.begin(), p.end(), 0);
      const auto at = [&](std::int32_t i) { return static_cast<std::size_t>(r * n + i); };
      std::stable_sort(p.begin(), p.end(), [&](std::int32_t a, std::int32_t b) { return descending ? order[at(a)] > order[at(b)] : order[at(a)] < order[at(b)]; });
      want.insert(want.end(), p.begin(), p.begin() + k);
      for (std::int32_t i = 0; i < n; ++i) {
        const T got = y[at(i)], v = x[at(p[static_cast<std::size_t>(i)])];
        wrong += !(got == v || (got != got && v != v));
      }
    }
    CHECK(places == want);
    CHECK(wrong == 0);
  }
}

TEST_CASE("rows are sorted, equals by their index, and the first k found") {
  check<float>(0, 4, 2);
  check<float>(1, 1, 1);
  check<float>(300, 10, 3);
  check<float>(3, 1000, 5);
  check<float>(2, 5000, 5000);  // several blocks
  check<std::int32_t>(1, 2048, 7);
  check<half>(5, 33, 33);
  check<std::uint8_t>(2, 100, 1);
}

}  // namespace

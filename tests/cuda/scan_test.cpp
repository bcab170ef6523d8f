// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include <rill/cuda/scan.cuh>
#include <rill/ops/scan.hpp>

#include "device.hpp"

namespace {

using namespace rill;

template <class R, class T>
void check(std::int64_t outer, std::int64_t n, std::int64_t inner, double tolerance, bool in_place = false) {
  test::device device;
  std::mt19937 random(9);
  std::vector<T> x(static_cast<std::size_t>(outer * n * inner));
  for (T& v : x) v = static_cast<T>(static_cast<float>(random() % 1000) / 512.f);
  for (const bool exclusive : {false, true})
    for (const bool reverse : {false, true}) {
      CAPTURE(outer);
      CAPTURE(n);
      CAPTURE(exclusive);
      CAPTURE(reverse);
      auto y = in_place ? x : std::vector<T>(x.size());
      cuda::scan<R>(device, outer, n, inner, in_place ? y.data() : x.data(), y.data(), exclusive, reverse);
      std::size_t wrong = 0;
      for (std::int64_t k = 0; k < outer * inner; ++k) {
        double sum = R::template identity<double>();
        for (std::int64_t i = 0; i < n; ++i) {
          const auto at = static_cast<std::size_t>((k / inner * n + (reverse ? n - 1 - i : i)) * inner + k % inner);
          const double before = sum;
          sum = R::combine(sum, static_cast<double>(x[at]));
          const double want = exclusive ? before : sum, got = static_cast<double>(y[at]);
          wrong += !(want == got || std::abs(got - want) <= tolerance * (1 + std::abs(want)));
        }
      }
      CHECK(wrong == 0);
    }
}

TEST_CASE("scans along any axis, both ways, with and without the element itself") {
  check<ops::sum, float>(1, 1, 1, 1e-6);
  check<ops::sum, float>(40, 10, 1, 1e-6);
  check<ops::sum, float>(3, 2049, 1, 1e-6);
  check<ops::sum, float>(1, 9000, 1, 1e-6, true);  // pieces of a row
  check<ops::sum, float>(20, 300, 1, 1e-6);
  check<ops::sum, float>(2, 17, 33, 1e-6);
  check<ops::sum, float>(2, 700, 3, 1e-6, true);  // pieces of columns
  check<ops::max, float>(2, 100, 1, 0);
  check<ops::max, float>(1, 5000, 1, 0);
  check<ops::log_sum_exp, double>(1, 300, 2, 1e-14);
  check<ops::sum, half>(2, 70, 1, 1e-3);
}

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include <rill/kernel/simd.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace rill;

namespace {

template <class T, int W>
void check_memory() {
  using P = pack<T, W>;
  T x[static_cast<std::size_t>(4 * W)];
  for (int i = 0; i < 4 * W; ++i) x[i] = static_cast<T>(i % 7 == 0 ? 0 : 1 + i % 50);
  for (std::int64_t n = 0; n <= W; ++n) {
    CAPTURE(n);
    T y[static_cast<std::size_t>(W + 1)];
    for (T& v : y) v = static_cast<T>(1);
    P::load(x + 1, n).store(y);  // other lanes are zero
    for (std::int64_t i = 0; i < W; ++i) REQUIRE(y[i] == (i < n ? x[i + 1] : T(0)));
    for (T& v : y) v = static_cast<T>(1);
    P::load(x).store(y, n);  // other elements stay
    for (std::int64_t i = 0; i <= W; ++i) REQUIRE(y[i] == (i < n ? x[i] : T(1)));
    for (T& v : y) v = static_cast<T>(1);
    P::gather(x, 3, n).store(y, n);
    for (std::int64_t i = 0; i < n; ++i) REQUIRE(y[i] == x[3 * i]);
    T z[static_cast<std::size_t>(4 * W)] = {};
    P::load(x).scatter(z, 4, n);
    for (std::int64_t i = 0; i < 4 * W; ++i) REQUIRE(z[i] == (i % 4 == 0 && i / 4 < n ? x[i / 4] : T(0)));
  }
  for (int i = 0; i < W; ++i) CHECK(detail::lane(P::load(x), i) == x[i]);
}

}  // namespace

TEST_CASE("simd: loads and stores touch exactly the lanes they name") {
  check_memory<float, lanes_for<float>()>();
  check_memory<double, lanes_for<double>()>();
  check_memory<double, lanes_for<float>()>();
  check_memory<std::int32_t, lanes_for<std::int32_t>()>();
  check_memory<std::int64_t, lanes_for<float>()>();
  check_memory<std::uint8_t, lanes_for<float>()>();
  check_memory<bool, lanes_for<float>()>();
  check_memory<bool, lanes_for<double>()>();
}

TEST_CASE("simd: maximum and minimum pass NaN on, larger prefers its second operand") {
  constexpr int w = lanes_for<float>();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const pack<float, w> one(1.0F);
  const pack<float, w> bad(nan);
  CHECK(std::isnan(detail::lane(max(one, bad), 0)));
  CHECK(std::isnan(detail::lane(max(bad, one), w - 1)));
  CHECK(std::isnan(detail::lane(min(one, bad), 0)));
  CHECK(std::isnan(detail::lane(min(bad, one), 0)));
  CHECK(std::isnan(detail::lane(larger(one, bad), 0)));
  CHECK(detail::lane(larger(bad, one), 0) == 1);
  CHECK((bad != bad).bits == pack<bool, w>::full);
  CHECK((bad == bad).bits == 0);
  CHECK(is_nan(bad).bits == pack<bool, w>::full);
}

TEST_CASE("simd: combining lanes and counting up") {
  constexpr int w = lanes_for<float>();
  const auto i = iota<std::int32_t, w>(5);
  CHECK(combine_lanes(i, [](auto a, auto b) { return a + b; }) == 5 * w + w * (w - 1) / 2);
  CHECK(combine_lanes(i, [](auto a, auto b) { return max(a, b); }) == 4 + w);
  const auto mask = i > pack<std::int32_t, w>(5);
  CHECK(combine_lanes(mask, [](auto a, auto b) { return a || b; }));
  CHECK_FALSE(combine_lanes(mask, [](auto a, auto b) { return a && b; }));
}

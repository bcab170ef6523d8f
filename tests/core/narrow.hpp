// SPDX-License-Identifier: Apache-2.0
// The two-byte floating types against their definition: a table of all their values made with ldexp, and rounding by
// search in that table. Nothing here looks at the bits of a float.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <unordered_set>
#include <vector>

namespace rill::test {

/// A format of 16 bits with `Fraction` bits of fraction.
template <class T, int Fraction>
struct narrow_format {
  static constexpr int exponent_bits = 15 - Fraction;
  static constexpr int bias = (1 << (exponent_bits - 1)) - 1;
  static constexpr std::uint32_t infinity = ((1U << exponent_bits) - 1U) << Fraction;

  /// values[b] for the bits of 0 and the positive finite numbers, ascending; then what would come next, 2^(bias + 1).
  std::vector<long double> values;

  narrow_format() {
    for (std::uint32_t b = 0; b <= infinity; ++b) {
      const int e = static_cast<int>(b >> Fraction);
      const auto m = static_cast<long double>(b & ((1U << Fraction) - 1U));
      values.push_back(e == 0 ? std::ldexp(m, 1 - bias - Fraction)
                              : std::ldexp(m + std::ldexp(1.0L, Fraction), e - bias - Fraction));
    }
  }
  /// The bits that x rounds to.
  [[nodiscard]] std::uint32_t nearest(long double x) const {
    const std::uint32_t sign = std::signbit(x) ? 0x8000U : 0U;
    const long double a = std::fabs(x);
    if (a >= values.back()) return sign | infinity;
    const auto above = static_cast<std::uint32_t>(std::upper_bound(values.begin(), values.end(), a) - values.begin());
    const std::uint32_t below = above - 1;
    const long double up = values[above] - a;
    const long double down = a - values[below];
    return sign | (up < down || (up == down && (below & 1U) != 0) ? above : below);
  }

  template <class A>
  [[nodiscard]] bool rounds(A x) const {
    const bool good = T(x).bits == nearest(static_cast<long double>(x));
    if (!good) {
      CAPTURE(static_cast<double>(x));
      CHECK(T(x).bits == nearest(static_cast<long double>(x)));
    }
    return good;
  }
};

template <class T, int Fraction>
void check_narrow() {
  using format = narrow_format<T, Fraction>;
  const format f;
  using limits = std::numeric_limits<T>;

  SUBCASE("all 65,536 values are what their bits say, and come back") {
    int wrong = 0;
    for (std::uint32_t b = 0; b < 65536; ++b) {
      const T x = T::from_bits(static_cast<std::uint16_t>(b));
      const std::uint32_t a = b & 0x7FFFU;
      const auto value = static_cast<float>(x);
      if (a > format::infinity) {
        wrong += !std::isnan(value) || !std::isnan(static_cast<double>(x)) || x == x;
        wrong += !std::isnan(static_cast<float>(T(value))) || std::signbit(value) != (b > 0x7FFFU);
      } else {
        const long double want = a == format::infinity ? std::numeric_limits<long double>::infinity() : f.values[a];
        wrong += static_cast<long double>(std::fabs(value)) != want || std::signbit(value) != (b > 0x7FFFU);
        wrong += T(value).bits != b || T(static_cast<double>(value)).bits != b || (-x).bits != (b ^ 0x8000U);
        wrong += static_cast<bool>(x) != (a != 0);
      }
    }
    CHECK(wrong == 0);
  }
  SUBCASE("between neighbours: the middle goes to the even one, what is off it to the nearer") {
    bool good = true;
    for (std::size_t b = 0; b + 1 < f.values.size(); ++b) {
      const auto middle = static_cast<double>((f.values[b] + f.values[b + 1]) / 2);  // exact
      for (const double x : {middle, std::nextafter(middle, 0.0), std::nextafter(middle, 1e300)})
        good = good && f.rounds(x) && f.rounds(-x);
      const auto single = static_cast<float>(middle);  // exact too
      for (const float x : {single, std::nextafter(single, 0.0F), std::nextafter(single, 3e38F)})
        good = good && f.rounds(x) && f.rounds(-x);
    }
    CHECK(good);
  }
  SUBCASE("numbers of other types are rounded once") {
    std::mt19937_64 random(20);
    bool good = true;
    for (int i = 0; i < 20000 && good; ++i) {
      const std::uint64_t bits = random() >> (random() % 64);
      good = good && f.rounds(bits) && f.rounds(static_cast<std::int64_t>(bits)) && f.rounds(static_cast<std::int32_t>(bits));
      double x = 0;
      const std::uint64_t any = random();
      std::memcpy(&x, &any, sizeof(x));
      if (!std::isnan(x)) good = good && f.rounds(x);
      float y = 0;
      const auto half_of_it = static_cast<std::uint32_t>(any);
      std::memcpy(&y, &half_of_it, sizeof(y));
      if (!std::isnan(y)) good = good && f.rounds(y);
    }
    // An int64 that a double would round onto the middle between two narrow numbers.
    for (int e = 54; e < 63; ++e)
      for (const std::int64_t off : {-1, 0, 1})
        good = good && f.rounds((std::int64_t{1} << e) + (std::int64_t{1} << (e - Fraction - 1)) + off);
    for (const std::int64_t x : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()})
      good = good && f.rounds(x);
    CHECK(good);
    CHECK(T(true).bits == T(1).bits);
    CHECK(T(1e300).bits == format::infinity);
    CHECK(T(-1e300).bits == (format::infinity | 0x8000U));
    CHECK(T(1e-300).bits == 0);
    CHECK(T(-1e-300).bits == 0x8000U);
    CHECK(static_cast<int>(T(-2.75)) == -2);
  }
  SUBCASE("arithmetic is exact arithmetic, rounded") {
    std::mt19937 random(7);
    int wrong = 0;
    for (int i = 0; i < 100000; ++i) {
      const T a = T::from_bits(static_cast<std::uint16_t>(random() & 0x7FFFU ? random() % (format::infinity + 1) : 0));
      const T b = T::from_bits(static_cast<std::uint16_t>((random() % (format::infinity + 1)) | (random() & 0x8000U)));
      const auto x = static_cast<double>(a);
      const auto y = static_cast<double>(b);
      const auto same = [&](T got, double want) {
        return std::isnan(want) ? got != got : got.bits == f.nearest(static_cast<long double>(want));
      };
      // Sums and products of two such numbers, and their ratios as far as rounding cares, are exact in double or beyond.
      wrong += !same(a * b, x * y) || !same(a / b, x / y);
      if (std::fabs(x) < 1e6 * std::fabs(y) && std::fabs(y) < 1e6 * std::fabs(x)) wrong += !same(a + b, x + y) || !same(a - b, x - y);
      wrong += (a == b) != (x == y) || (a < b) != (x < y) || (a <= b) != (x <= y) || (a > b) != (x > y) ||
               (a >= b) != (x >= y) || (a != b) != (x != y);
    }
    CHECK(wrong == 0);
    T t = 1;
    t += 2;
    t *= 4;
    t -= 2.0;
    t /= 5;
    CHECK(t == T(2));
    CHECK(2 * t + 1.5F == T(5.5));
  }
  SUBCASE("limits and hashes") {
    CHECK(static_cast<long double>(static_cast<double>(limits::max())) == f.values[format::infinity - 1]);
    CHECK(limits::lowest() == -limits::max());
    CHECK(static_cast<long double>(static_cast<double>(limits::min())) == f.values[1U << Fraction]);
    CHECK(static_cast<long double>(static_cast<double>(limits::denorm_min())) == f.values[1]);
    CHECK(static_cast<double>(limits::epsilon()) == std::ldexp(1.0, -Fraction));
    CHECK(static_cast<double>(limits::round_error()) == 0.5);
    CHECK(std::isinf(static_cast<float>(limits::infinity())));
    CHECK(limits::quiet_NaN() != limits::quiet_NaN());
    CHECK(limits::signaling_NaN() != limits::signaling_NaN());
    CHECK(limits::digits == Fraction + 1);
    CHECK(limits::max_exponent == std::ilogb(static_cast<double>(limits::max())) + 1);
    CHECK(limits::min_exponent == std::ilogb(static_cast<double>(limits::min())) + 1);
    CHECK(limits::digits10 == static_cast<int>(std::floor(Fraction * std::log10(2.0))));
    CHECK(limits::max_digits10 == static_cast<int>(std::ceil(1 + (Fraction + 1) * std::log10(2.0))));
    CHECK(limits::max_exponent10 == static_cast<int>(std::floor(std::log10(static_cast<double>(limits::max())))));
    CHECK(limits::min_exponent10 == static_cast<int>(std::ceil(std::log10(static_cast<double>(limits::min())))));
    const std::hash<T> hash;
    CHECK(hash(T(0.0)) == hash(T(-0.0)));
    std::unordered_set<std::size_t> seen;
    for (std::uint32_t b = 0; b < format::infinity; ++b) seen.insert(hash(T::from_bits(static_cast<std::uint16_t>(b))));
    CHECK(seen.size() == format::infinity);
  }
}

}  // namespace rill::test

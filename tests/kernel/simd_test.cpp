// SPDX-License-Identifier: Apache-2.0
#include <rill/kernel/simd.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <complex>
#include <limits>
#include <random>

using namespace rill;

namespace {

// Every value through a pack, and floats at, between and beside the values rounded by a pack and by the type itself
// (which has its own test against a table).
template <class T>
void check_narrow() {
  constexpr int w = lanes_for<T>();
  using P = pack<T, w>;
  using F = pack<float, w>;
  int wrong = 0;
  for (std::uint32_t base = 0; base < 65536; base += w) {
    T x[static_cast<std::size_t>(w)];
    T y[static_cast<std::size_t>(w)];
    float f[static_cast<std::size_t>(w)];
    for (int i = 0; i < w; ++i) x[i] = T::from_bits(static_cast<std::uint16_t>(base + static_cast<std::uint32_t>(i)));
    const P p = P::load(x);
    p.store(y);
    static_cast<F>(p).store(f);
    for (int i = 0; i < w; ++i) {
      if (x[i] == x[i]) wrong += y[i].bits != x[i].bits;
      else wrong += y[i] == y[i];
      wrong += std::bit_cast<std::uint32_t>(f[i]) != std::bit_cast<std::uint32_t>(static_cast<float>(x[i]));
    }
    for (const std::uint32_t off : {0U, 1U, 0x7FFU, 0xFFFU, 0x1000U, 0x1001U, 0x1FFFU, 0x7FFFU, 0x8000U, 0x8001U}) {
      float g[static_cast<std::size_t>(w)];
      for (int i = 0; i < w; ++i) g[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(f[i]) + off);
      const P rounded{F::load(g)};
      rounded.store(y);
      float back[static_cast<std::size_t>(w)];
      static_cast<F>(rounded).store(back);
      for (int i = 0; i < w; ++i) {
        wrong += y[i].bits != T(g[i]).bits;
        wrong += std::bit_cast<std::uint32_t>(back[i]) != std::bit_cast<std::uint32_t>(static_cast<float>(T(g[i])));
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(detail::lane(P(T(1.5)), w - 1) == T(1.5));
  CHECK(detail::lane(P(2), 0) == T(2));
}

template <class T>
void check_integers() {
  constexpr int w = lanes_for<T>();
  using P = pack<T, w>;
  std::mt19937_64 random(3);
  int wrong = 0;
  for (int round = 0; round < 200; ++round) {
    T a[static_cast<std::size_t>(w)];
    T b[static_cast<std::size_t>(w)];
    for (int i = 0; i < w; ++i) {
      a[i] = static_cast<T>(random());
      b[i] = round % 4 == 0 ? a[i] : static_cast<T>(random() >> (random() % 64));
    }
    a[0] = std::numeric_limits<T>::min(), b[0] = static_cast<T>(-1);
    a[1] = std::numeric_limits<T>::max(), b[1] = 0;
    const P x = P::load(a);
    const P y = P::load(b);
    const auto each = [&](const auto& got, const auto& want) {
      for (int i = 0; i < w; ++i) wrong += !(detail::lane(got, i) == want(a[i], b[i]));
    };
    using U = std::make_unsigned_t<T>;
    const auto wide = [](T v) { return static_cast<std::uint64_t>(static_cast<U>(v)); };
    each(x + y, [&](T p, T q) { return static_cast<T>(wide(p) + wide(q)); });
    each(x - y, [&](T p, T q) { return static_cast<T>(wide(p) - wide(q)); });
    each(x * y, [&](T p, T q) { return static_cast<T>(wide(p) * wide(q)); });
    each(-x, [&](T p, T) { return static_cast<T>(0 - wide(p)); });
    each(divide(x, y), [](T p, T q) { return scalar::divide(p, q); });
    each(remainder(x, y), [](T p, T q) { return scalar::remainder(p, q); });
    each(max(x, y), [](T p, T q) { return p > q ? p : q; });
    each(min(x, y), [](T p, T q) { return p < q ? p : q; });
    each(abs(x), [](T p, T) { return scalar::abs(p); });
    each(x < y, [](T p, T q) { return p < q; });
    each(x <= y, [](T p, T q) { return p <= q; });
    each(x > y, [](T p, T q) { return p > q; });
    each(x >= y, [](T p, T q) { return p >= q; });
    each(x == y, [](T p, T q) { return p == q; });
    each(x != y, [](T p, T q) { return p != q; });
    each(select(x < y, x, y), [](T p, T q) { return p < q ? p : q; });
    const T total = combine_lanes(x, [](P p, P q) { return p + q; });
    std::uint64_t want = 0;
    for (const T v : a) want += wide(v);
    wrong += total != static_cast<T>(want);
  }
  CAPTURE(name_of(dtype_v<T>));
  CHECK(wrong == 0);
}

template <class T, int W>
void check_memory() {
  using P = pack<T, W>;
  T x[static_cast<std::size_t>(4 * W)];
  for (int i = 0; i < 4 * W; ++i) x[i] = number_cast<T>(i % 7 == 0 ? 0 : 1 + i % 50);
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
  check_memory<std::int8_t, lanes_for<float>()>();
  check_memory<std::int16_t, lanes_for<double>()>();
  check_memory<std::uint16_t, lanes_for<float>()>();
  check_memory<std::uint32_t, lanes_for<std::uint32_t>()>();
  check_memory<std::uint64_t, lanes_for<float>()>();
  check_memory<half, lanes_for<half>()>();
  check_memory<bfloat16, lanes_for<float>()>();
  check_memory<bfloat16, 2 * lanes_for<bfloat16>()>();
  check_memory<std::complex<float>, lanes_for<std::complex<float>>()>();
  check_memory<std::complex<double>, lanes_for<float>()>();
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

TEST_CASE("simd: half and bfloat16 are loaded, stored and rounded as their types do") {
  check_narrow<half>();
  check_narrow<bfloat16>();
}

TEST_CASE("simd: integers of every width compute as plain ones") {
  check_integers<std::int8_t>();
  check_integers<std::uint8_t>();
  check_integers<std::int16_t>();
  check_integers<std::uint16_t>();
  check_integers<std::int32_t>();
  check_integers<std::uint32_t>();
  check_integers<std::int64_t>();
  check_integers<std::uint64_t>();
}

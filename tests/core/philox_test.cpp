// SPDX-License-Identifier: Apache-2.0
#include <rill/core/philox.hpp>

#include <doctest/doctest.h>

#include <initializer_list>

using namespace rill;

TEST_CASE("philox: known answers of Random123 (kat_vectors, philox4x32 10)") {
  static_assert(philox4x32({{0, 0, 0, 0}}, {{0, 0}}) ==
                philox_words{{0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U}});
  static_assert(philox4x32({{~0U, ~0U, ~0U, ~0U}}, {{~0U, ~0U}}) ==
                philox_words{{0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU}});
  static_assert(philox4x32({{0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U}}, {{0xa4093822U, 0x299f31d0U}}) ==
                philox_words{{0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U}});
  CHECK(philox4x32({{0, 0, 0, 0}}, {{0, 0}})[0] == 0x6627e8d5U);
}

TEST_CASE("philox: lanes give the bits of single elements, also across the carry of the low word") {
  for (const std::uint64_t first : {0ULL, 3ULL, 0xFFFFFFF7ULL, 0x1FFFFFFFBULL})
    for (const std::uint64_t seed : {0ULL, 0x123456789ABCDEFULL}) {
      float wide[16];
      float odd[5];
      philox_uniforms<16>(first, 11, seed, wide);
      philox_uniforms<5>(first, 11, seed, odd);
      for (std::uint64_t i = 0; i < 16; ++i) CHECK(wide[i] == philox_uniform(first + i, 11, seed));
      for (std::uint64_t i = 0; i < 5; ++i) CHECK(odd[i] == wide[i]);
    }
}

TEST_CASE("philox: uniform floats lie in [0, 1) and look uniform") {
  CHECK(uniform_from_bits(0) == 0.0F);
  CHECK(uniform_from_bits(0xFFFFFFFFU) < 1.0F);
  double sum = 0;
  double squares = 0;
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    const double u = philox_uniform(static_cast<std::uint64_t>(i), 5, 42);
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    sum += u;
    squares += u * u;
  }
  CHECK(sum / n == doctest::Approx(0.5).epsilon(0.02));
  CHECK(squares / n == doctest::Approx(1.0 / 3).epsilon(0.02));
  CHECK(philox_uniform(0, 1, 42) != philox_uniform(0, 2, 42));
  CHECK(philox_uniform(0, 1, 42) != philox_uniform(0, 1, 43));
}

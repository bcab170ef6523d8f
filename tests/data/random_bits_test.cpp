// SPDX-License-Identifier: Apache-2.0
#include "rill/data/random_bits.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <initializer_list>

using rill::data::detail::random_bits;

TEST_CASE("random_bits: streams are reproducible and differ") {
  random_bits a(1, 0), b(1, 0), c(1, 1), d(2, 0);
  const auto x = a.next();
  CHECK(b.next() == x);
  CHECK(c.next() != x);
  CHECK(d.next() != x);
}

TEST_CASE("random_bits: below is the high word of the exact product") {
  for (std::uint64_t n : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{60000}, std::uint64_t{0xffffffff},
                          std::uint64_t{0x123456789abcdef}, ~std::uint64_t{0}}) {
    random_bits a(5, n), b(5, n);
    for (int i = 0; i < 1000; ++i) {
      const std::uint64_t got = a.below(n);
      __extension__ using wide = unsigned __int128;
      CHECK(got == static_cast<std::uint64_t>((static_cast<wide>(b.next()) * n) >> 64));
      if (got >= n) CHECK(got < n);
    }
  }
  random_bits r(3, 3);
  for (int i = 0; i < 1000; ++i) {
    const float u = r.uniform(-2, 3);
    CHECK((u >= -2 && u < 3));
  }
}

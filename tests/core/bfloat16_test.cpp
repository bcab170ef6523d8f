// SPDX-License-Identifier: Apache-2.0
#include <rill/core/bfloat16.hpp>

#include "narrow.hpp"

using rill::bfloat16;
using rill::half;

static_assert(bfloat16(1).bits == 0x3F80 && bfloat16(-2).bits == 0xC000 && bfloat16(3.14159).bits == 0x4049);
static_assert(bfloat16(0x1.01p0).bits == 0x3F80 && bfloat16(0x1.03p0).bits == 0x3F82);  // two middles: both to the even one

TEST_CASE("bfloat16: conversions, arithmetic and limits") { rill::test::check_narrow<bfloat16, 7>(); }

TEST_CASE("bfloat16: to and from half") {
  int wrong = 0;
  for (std::uint32_t b = 0; b < 65536; ++b) {
    const bfloat16 x = bfloat16::from_bits(static_cast<std::uint16_t>(b));
    const half y = half::from_bits(static_cast<std::uint16_t>(b));
    if (x == x) wrong += static_cast<half>(x).bits != half(static_cast<double>(x)).bits;
    if (y == y) wrong += bfloat16(y).bits != bfloat16(static_cast<double>(y)).bits;
  }
  CHECK(wrong == 0);
}

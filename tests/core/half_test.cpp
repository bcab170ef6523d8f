// SPDX-License-Identifier: Apache-2.0
#include <rill/core/half.hpp>

#include "narrow.hpp"

using rill::half;

// By hand from IEEE 754.
static_assert(half(1).bits == 0x3C00 && half(-2).bits == 0xC000 && half(0.1).bits == 0x2E66 && half(65504).bits == 0x7BFF);
static_assert(half(65519.99).bits == 0x7BFF && half(65520).bits == 0x7C00 && half(0x1p-24).bits == 1 && half(0x1p-25).bits == 0);
static_assert(static_cast<float>(half::from_bits(0x3555)) == 0.333251953125F && static_cast<int>(half(-7.9)) == -7);

TEST_CASE("half: conversions, arithmetic and limits") { rill::test::check_narrow<half, 10>(); }

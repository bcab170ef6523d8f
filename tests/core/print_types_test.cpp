// SPDX-License-Identifier: Apache-2.0
// half, bfloat16, complex numbers and integers against strings made with NumPy 2.4 (`str(array)`).
#include <rill/core/print.hpp>

#include <doctest/doctest.h>

#include <complex>
#include <cstdlib>
#include <limits>
#include <sstream>

using namespace rill;

TEST_CASE("print: half and bfloat16 have digits of their own") {
  // NumPy's float16; for bfloat16 the same rule (the values come back, see below)
  CHECK(to_string(tensor<half, 4>{1, 2.5, 0.1, 65504}) == "[1.00e+00 2.50e+00 1.00e-01 6.55e+04]");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(to_string(tensor<half, 3>{1e-5, 1, nan}) == "[1.e-05 1.e+00    nan]");
  CHECK(to_string(tensor<half, 2>{inf, -inf}) == "[ inf -inf]");
  CHECK(to_string(tensor<half, 3>{1.0F / 3, 1000, 2.0F / 3}) == "[3.333e-01 1.000e+03 6.665e-01]");
  CHECK(to_string(tensor<half, 3>{0.1, -10, 0.333}) == "[  0.1   -10.      0.333]");
  CHECK(to_string(half(65504)) == "6.55e+04");
  CHECK(to_string(half(999)) == "999.0");
  CHECK(to_string(half(0x1p-6)) == "0.01563");  // above a power of two there is more room than below
  CHECK(to_string(half(0x1p-24)) == "6e-08");
  CHECK(to_string(-half(0)) == "-0.0");
  CHECK(to_string(tensor<bfloat16, 3>{0.1, 3.14159, -2}) == "[ 0.1   3.14 -2.  ]");
  CHECK(to_string(std::numeric_limits<bfloat16>::max()) == "3.39e+38");
  CHECK(to_string(tensor<bfloat16>{1}) == "1.0");
  std::ostringstream out;
  out << half(0.1) << ' ' << bfloat16(0.1);
  CHECK(out.str() == "0.1 0.1");
  int wrong = 0;
  for (std::uint32_t b = 0; b < 65536; b += 3) {
    const half h = half::from_bits(static_cast<std::uint16_t>(b));
    const bfloat16 f = bfloat16::from_bits(static_cast<std::uint16_t>(b));
    if (h == h) wrong += half(std::stod(to_string(h))).bits != h.bits;
    if (f == f) wrong += bfloat16(std::strtold(to_string(f).c_str(), nullptr)).bits != f.bits;
  }
  CHECK(wrong == 0);
}

TEST_CASE("print: complex numbers in two columns") {
  using c64 = std::complex<float>;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(to_string(tensor<c64, 2>{{1, 2}, {3, -4.5F}}) == "[1.+2.j  3.-4.5j]");
  CHECK(to_string(tensor<c64, 2, 2>{{{1, 2}, {3, -4.5F}}, {{-10.25F, 0}, {0, 1}}}) ==
        "[[  1.  +2.j    3.  -4.5j]\n [-10.25+0.j    0.  +1.j ]]");
  CHECK(to_string(tensor<c64, 2>{{nan, 2}, {inf, -inf}}) == "[nan +2.j inf-infj]");
  CHECK(to_string(tensor<c64, 2>{{nan, nan}, {1, nan}}) == "[nan+nanj  1.+nanj]");
  CHECK(to_string(tensor<c64, 2>{{1e-10F, 2}, {1, 1e10F}}) == "[1.e-10+2.e+00j 1.e+00+1.e+10j]");
  CHECK(to_string(tensor<std::complex<double>, 2>{{0.1, 1.0 / 3}, {100, 2}}) == "[  0.1+0.33333333j 100. +2.j        ]");
  CHECK(to_string(tensor<c64>{c64(1, 2)}) == "(1+2j)");
  CHECK(to_string(tensor<c64>{c64(0, 2)}) == "2j");
  CHECK(to_string(tensor<c64>{c64(-0.0F, 2)}) == "(-0+2j)");
  CHECK(to_string(tensor<c64>{c64(1.5F, -0.0F)}) == "(1.5-0j)");
  CHECK(to_string(tensor<c64>{c64(nan, nan)}) == "(nan+nanj)");
  CHECK(to_string(tensor<c64>{c64(0, inf)}) == "infj");
  CHECK(to_string(tensor<c64>{c64(1e20F, 1e-7F)}) == "(1e+20+1e-07j)");
}

TEST_CASE("print: integers of every width") {
  CHECK(to_string(tensor<std::int8_t, 3>{-128, 0, 127}) == "[-128    0  127]");
  CHECK(to_string(tensor<std::uint16_t, 2>{65535, 1}) == "[65535     1]");
  CHECK(to_string(tensor<std::uint64_t, 2>{18446744073709551615U, 1}) == "[18446744073709551615                    1]");
}

// SPDX-License-Identifier: Apache-2.0
#include "rill/io/crc32c.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace rill;

namespace {
std::uint32_t bit_by_bit(const std::string& s) {
  std::uint32_t c = 0xFFFFFFFFu;
  for (const char b : s) {
    c ^= static_cast<unsigned char>(b);
    for (int k = 0; k < 8; ++k) c = (c >> 1) ^ (0x82F63B78u & (0u - (c & 1u)));
  }
  return ~c;
}
}  // namespace

TEST_CASE("crc32c golden values") {
  CHECK(io::crc32c("123456789") == 0xE3069283u);
  CHECK(io::mask_crc(0xE3069283u) == 0xC78AB0E5u);
  CHECK(io::unmask_crc(0xC78AB0E5u) == 0xE3069283u);
  CHECK(io::crc32c("") == 0);
  // RFC 3720, B.4
  CHECK(io::crc32c(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(io::crc32c(std::string(32, '\xFF')) == 0x62A8AB43u);
}

TEST_CASE("crc32c: hardware, software and the definition agree at every length and alignment") {
  std::string s;
  for (int i = 0; i < 100; ++i) s += static_cast<char>(i * 37 + 11);
  for (std::size_t at = 0; at < 9; ++at) {
    for (std::size_t n = 0; n + at <= s.size(); ++n) {
      const auto* p = reinterpret_cast<const unsigned char*>(s.data()) + at;
      const std::uint32_t want = bit_by_bit(s.substr(at, n));
      REQUIRE(~io::detail::crc_software(0xFFFFFFFFu, p, n) == want);
      REQUIRE(io::crc32c(p, n) == want);
      REQUIRE(io::extend_crc32c(io::crc32c(p, n / 3), p + n / 3, n - n / 3) == want);
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
#include "rill/io/png.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "scratch.hpp"

using namespace rill;
using test::from_hex;
using test::to_hex;

namespace {
std::uint32_t big32(std::string_view s) {
  std::uint32_t v = 0;
  for (int i = 0; i < 4; ++i) v = v << 8 | static_cast<unsigned char>(s[static_cast<std::size_t>(i)]);
  return v;
}
}  // namespace

TEST_CASE("png: a stored zlib stream, byte for byte") {
  CHECK(to_hex(io::detail::zlib_stored("abc")) == to_hex(from_hex("7801 01 0300 fcff 616263 024d0127")));
  const std::string big(70000, 'x');
  const std::string s = io::detail::zlib_stored(big);
  CHECK(s.size() == 2 + 5 + 65535 + 5 + (70000 - 65535) + 4);
  CHECK(to_hex(s.substr(2, 5)) == "00ffff0000");
  CHECK(to_hex(io::detail::zlib_stored("")) == to_hex(from_hex("7801 01 0000 ffff 00000001")));
}

TEST_CASE("png: chunks, sizes and colours") {
  for (const int channels : {1, 2, 3, 4}) {
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(5 * 3 * channels));
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 5);
    const std::string f = io::encode_png(5, 3, channels, pixels);
    REQUIRE(f.substr(0, 8) == "\x89PNG\r\n\x1a\n");
    CHECK(f.substr(f.size() - 12) == from_hex("00000000 49454e44 ae426082"));
    CHECK(big32(std::string_view(f).substr(8)) == 13);
    CHECK(f.substr(12, 4) == "IHDR");
    CHECK(big32(std::string_view(f).substr(16)) == 5);
    CHECK(big32(std::string_view(f).substr(20)) == 3);
    CHECK(f[24] == 8);
    CHECK(f[25] == "\0\4\2\6"[channels - 1]);
#if __has_include(<zlib.h>)
    const std::uint32_t n = big32(std::string_view(f).substr(33));
    const std::string_view chunk = std::string_view(f).substr(37, 4 + n);
    CHECK(big32(std::string_view(f).substr(41 + n)) ==
          crc32(0, reinterpret_cast<const Bytef*>(chunk.data()), static_cast<uInt>(chunk.size())));
    for (const bool stored : {false, true}) {
      std::string rows(static_cast<std::size_t>(3 * (1 + 5 * channels)), '\xEE');
      std::string stream(chunk.substr(4));
      if (stored) {
        std::string raw;
        for (std::size_t y = 0; y < 3; ++y) {
          const std::size_t row = static_cast<std::size_t>(5 * channels);
          raw.append(1, '\0').append(reinterpret_cast<const char*>(pixels.data()) + y * row, row);
        }
        stream = io::detail::zlib_stored(raw);
      }
      uLongf size = static_cast<uLongf>(rows.size());
      REQUIRE(uncompress(reinterpret_cast<Bytef*>(rows.data()), &size, reinterpret_cast<const Bytef*>(stream.data()),
                         static_cast<uLong>(stream.size())) == Z_OK);
      REQUIRE(size == rows.size());
      for (std::size_t y = 0; y < 3; ++y) {
        const std::size_t row = static_cast<std::size_t>(5 * channels);
        REQUIRE(rows[y * (row + 1)] == 0);
        for (std::size_t x = 0; x < row; ++x)
          REQUIRE(static_cast<std::uint8_t>(rows[y * (row + 1) + 1 + x]) == pixels[y * row + x]);
      }
    }
#endif
  }
}

TEST_CASE("png: wrong sizes are refused") {
  const std::vector<std::uint8_t> p(12);
  CHECK_THROWS_AS(io::encode_png(2, 2, 2, p), invalid_argument);
  CHECK_THROWS_AS(io::encode_png(0, 2, 3, p), invalid_argument);
  CHECK_THROWS_AS(io::encode_png(-2, -2, 3, p), invalid_argument);
  CHECK_THROWS_AS(io::encode_png(2, 2, 5, p), invalid_argument);
  CHECK_THROWS_AS(io::encode_png(std::int64_t{1} << 24, std::int64_t{1} << 24, 1, p), invalid_argument);
  CHECK_NOTHROW(io::encode_png(2, 2, 3, p));
}

// SPDX-License-Identifier: Apache-2.0
#include "rill/io/snappy.hpp"

#include <doctest/doctest.h>

#include "scratch.hpp"

using namespace rill;
using test::from_hex;

TEST_CASE("snappy: literals and the three kinds of copies") {
  std::string out;
  CHECK(io::snappy_uncompress(from_hex("00"), out));
  CHECK(out.empty());
  CHECK(io::snappy_uncompress(from_hex("03 08 616263"), out));
  CHECK(out == "abc");
  // "ab" then a copy with a one-byte offset of length 6 that overlaps itself
  CHECK(io::snappy_uncompress(from_hex("08 04 6162 09 02"), out));
  CHECK(out == "abababab");
  // two-byte and four-byte offsets
  CHECK(io::snappy_uncompress(from_hex("05 04 6162 0a 0200"), out));
  CHECK(out == "ababa");
  CHECK(io::snappy_uncompress(from_hex("05 04 6162 0b 01000000"), out));
  CHECK(out == "abbbb");
  // a literal of 61 bytes needs an extra length byte, one of 300 needs two
  const std::string x61(61, 'x');
  CHECK(io::snappy_uncompress(from_hex("3d f0 3c") + x61, out));
  CHECK(out == x61);
  const std::string x300(300, 'y');
  CHECK(io::snappy_uncompress(from_hex("ac02 f4 2b01") + x300, out));
  CHECK(out == x300);
}

TEST_CASE("snappy: malformed blocks are refused") {
  std::string out;
  for (const char* bad : {"", "80", "03", "03 08 6162", "02 08 616263", "04 08 616263", "08 09 02", "08 04 6162 09 03",
                          "08 04 6162 09 00", "08 04 6162 09", "08 04 6162 0a 02", "08 04 6162 0b 020000", "03 f0",
                          "03 f4 00", "07 04 6162 09 02", "ffffffffff7f 00"}) {
    CAPTURE(bad);
    CHECK_FALSE(io::snappy_uncompress(from_hex(bad), out));
  }
  test::random_bits random(5);
  const std::string good = from_hex("13 04 6162 09 02 0a 0300 0b 01000000 04 6364 09 04");
  for (int i = 0; i < 20000; ++i) (void)io::snappy_uncompress(test::mutate(good, random), out);
}

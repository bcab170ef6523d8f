// SPDX-License-Identifier: Apache-2.0
#include "rill/io/wire.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "scratch.hpp"

using namespace rill;
using test::from_hex;
using test::to_hex;

TEST_CASE("the Example message of the format notes, byte for byte") {
  io::wire_writer bytes_list, s, float_list, x, int64_list, y, e1, e2, e3, features, example;
  bytes_list.bytes(1, "hi");
  s.message(1, bytes_list);
  const std::vector<float> xs{1.0f, 2.0f};
  float_list.packed_float32(1, xs);
  x.message(2, float_list);
  const std::vector<std::int64_t> ys{3};
  int64_list.packed_int64(1, ys);
  y.message(3, int64_list);
  e1.bytes(1, "s").message(2, s);
  e2.bytes(1, "x").message(2, x);
  e3.bytes(1, "y").message(2, y);
  features.message(1, e1).message(1, e2).message(1, e3);
  example.message(1, features);
  CHECK(to_hex(example.str()) ==
        to_hex(from_hex(
            "0a2c 0a0b0a017312060a040a026869 0a110a0178120c120a0a080000803f00000040 0a0a0a017912051a030a0103")));
}

TEST_CASE("scalars come back, unknown fields are skipped, order is free") {
  io::wire_writer w;
  w.int64(1, -1).varint(2, UINT64_MAX).boolean(3, true).float32(4, -1.5f).float64(5, 1e300).bytes(6, "abc");
  w.fixed32(7, 0xDEADBEEF).fixed64(8, 0x0123456789ABCDEFu).int64(536870911, 5);
  CHECK(to_hex(w.str()).substr(0, 22) == "08ffffffffffffffffff01");
  for (const bool read_all : {true, false}) {
    io::wire_reader r(w.str());
    int seen = 0;
    while (r.next()) {
      ++seen;
      if (!read_all) continue;
      switch (r.field()) {
        case 1: CHECK(r.int64() == -1); break;
        case 2: CHECK(r.varint() == UINT64_MAX); break;
        case 3: CHECK(r.boolean()); break;
        case 4: CHECK(r.float32() == -1.5f); break;
        case 5: CHECK(r.float64() == 1e300); break;
        case 6: CHECK(r.bytes() == "abc"); break;
        case 7: CHECK(r.fixed32() == 0xDEADBEEF); break;
        case 8: CHECK(r.fixed64() == 0x0123456789ABCDEFu); break;
        default: CHECK(r.int32() == 5); break;
      }
    }
    CHECK(seen == 9);
  }
}

TEST_CASE("repeated numbers, packed and unpacked") {
  const std::string both = from_hex("0a03019601 0805") + from_hex("15 0000803f 12 04 00000040") +
                           from_hex("1a08 000000000000f03f 19 0000000000000040");
  std::vector<std::uint64_t> ints;
  std::vector<float> floats;
  std::vector<double> doubles;
  io::wire_reader r(both);
  while (r.next()) {
    if (r.field() == 1) r.each_varint([&](std::uint64_t v) { ints.push_back(v); });
    if (r.field() == 2) r.each_float32([&](float v) { floats.push_back(v); });
    if (r.field() == 3) r.each_float64([&](double v) { doubles.push_back(v); });
  }
  CHECK(ints == std::vector<std::uint64_t>{1, 150, 5});
  CHECK(floats == std::vector<float>{1, 2});
  CHECK(doubles == std::vector<double>{1, 2});
}

TEST_CASE("groups of old messages are skipped") {
  const std::string bytes = from_hex("0b 1005 13 1801 14 0c 2007");
  io::wire_reader r(bytes);
  CHECK(r.next());
  CHECK(r.type() == io::wire_type::start_group);
  CHECK(r.next());
  CHECK(r.field() == 4);
  CHECK(r.int64() == 7);
  CHECK_FALSE(r.next());
}

TEST_CASE("malformed messages are data_loss with file and offset") {
  const auto read = [](const std::string& s) {
    io::wire_reader r(s, "some.file", 1000);
    while (r.next())
      if (r.field() == 9) (void)r.int64();
  };
  for (const char* bad : {"08", "0880", "08ffffffffffffffffff02", "08ffffffffffffffffffff01", "0a05 6162", "0d 000000",
                          "09 00000000000000", "0aff ffffffffffffffff01", "00", "0e", "0f", "0c", "ffffffffff01 00",
                          "4a00", "0b", "0b 0e"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(read(from_hex(bad)), data_loss);
  }
  CHECK_THROWS_WITH_AS(read(from_hex("0801 0a05 6162")),
                       "'some.file' at offset 1004 promises 5 bytes in field 1 where only 2 are left", data_loss);
  const std::string three = from_hex("0a03 000000");
  io::wire_reader odd(three);
  odd.next();
  CHECK_THROWS_AS(odd.each_float32([](float) {}), data_loss);
}

TEST_CASE("messages nest at most 100 deep") {
  const auto nested = [](int depth) {
    std::string s;
    for (int i = 1; i < depth; ++i) s = io::wire_writer().bytes(1, s).take();
    return s;
  };
  const auto walk = [](io::wire_reader r) {
    int depth = 1;
    while (r.next()) {
      r = r.message();
      ++depth;
    }
    return depth;
  };
  const std::string at_limit = nested(100);
  const std::string beyond = nested(101);
  CHECK(walk(io::wire_reader(at_limit)) == 100);
  CHECK_THROWS_AS(walk(io::wire_reader(beyond)), resource_exhausted);
  const std::string groups(200, '\x0b');
  io::wire_reader r(groups);
  r.next();
  CHECK_THROWS_AS(r.next(), resource_exhausted);
}

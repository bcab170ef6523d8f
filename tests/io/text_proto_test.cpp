// SPDX-License-Identifier: Apache-2.0
#include "rill/io/text_proto.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "scratch.hpp"

using namespace rill;

TEST_CASE("text proto: what is written") {
  io::text_proto_writer w;
  w.string("s", std::string("a\n\t\"\\'\x01\xff", 8)).open("m").integer("i", -3).boolean("b", true).close();
  w.float32("f", 0.1f).float64("d", -std::numeric_limits<double>::infinity()).enumerator("e", "DT_FLOAT");
  CHECK(w.str() == "s: \"a\\n\\t\\\"\\\\\\'\\001\\377\"\nm {\n  i: -3\n  b: true\n}\nf: 0.1\nd: -inf\ne: DT_FLOAT\n");
}

TEST_CASE("text proto: what is read") {
  const auto f = io::parse_text_proto(
      "# a comment\nname: \"a\" 'b\\x41\\102\\n' ; n:-12,x < y { z: 1.5e-3 } >\n l: [1, 2, 3] e: [] [a.b/c.D] { } k: "
      "{}");
  REQUIRE(f.size() == 8);
  CHECK(f[0].name == "name");
  CHECK(f[0].value == "abAB\n");
  CHECK(f[0].is_quoted);
  CHECK(f[1].value == "-12");
  REQUIRE(f[2].is_message);
  CHECK(f[2].children.at(0).children.at(0).value == "1.5e-3");
  CHECK(f[3].name == "l");
  CHECK(f[5].value == "3");
  CHECK(f[6].name == "[a.b/c.D]");
  CHECK(f[7].is_message);
  CHECK(io::parse_text_proto("").empty());
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  io::text_proto_writer w;
  w.string("s", all);
  CHECK(io::parse_text_proto(w.str()).at(0).value == all);
}

TEST_CASE("text proto: malformed text is data_loss with file and line") {
  for (const char* bad : {"a", "a:", "a: \"x", "a: \"x\n\"", "a {", "a }", "a: \"\\q\"", "a: \"\\", "a: \"\\777\"",
                          "a: \"\\x\"", ":", "a: [1 2]", "a: [1", "a < }", "[a", "a 1", "a: -"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(io::parse_text_proto(bad), data_loss);
  }
  CHECK_THROWS_WITH_AS(io::parse_text_proto("a: 1\nb: 2\nc", "x.pbtxt"), doctest::Contains("'x.pbtxt' line 3"),
                       data_loss);
  const auto nested = [](int depth) {
    std::string open, close;
    for (int i = 1; i < depth; ++i) {
      open += "a{";
      close += "}";
    }
    return open + close;
  };
  CHECK_NOTHROW(io::parse_text_proto(nested(100)));
  CHECK_THROWS_AS(io::parse_text_proto(nested(101)), resource_exhausted);
  CHECK_THROWS_AS(io::parse_text_proto(nested(100000)), resource_exhausted);
}

TEST_CASE("text proto: random damage is an error or a tree, never a crash") {
  test::random_bits random(7);
  const std::string good = "name: \"a\\001\" m { x: [1, 2] y < z: -1.5 > } # c\n e: DT_FLOAT";
  for (int i = 0; i < 20000; ++i) {
    try {
      (void)io::parse_text_proto(test::mutate(good, random));
    } catch (const error&) {
    }
  }
}

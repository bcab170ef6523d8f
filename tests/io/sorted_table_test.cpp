// SPDX-License-Identifier: Apache-2.0
#include "rill/io/sorted_table.hpp"

#include <doctest/doctest.h>

#include <map>

#include "scratch.hpp"

using namespace rill;
using test::from_hex;
using test::to_hex;

namespace {
std::map<std::string, std::string> read_all(const std::string& file) {
  std::map<std::string, std::string> out;
  std::string last;
  io::read_table(file, "t.index", [&](std::string_view k, std::string_view v, std::uint64_t at) {
    REQUIRE(at < file.size());
    out.emplace(k, v);
  });
  return out;
}
}  // namespace

TEST_CASE("table: an empty block has TensorFlow's bytes") {
  CHECK(to_hex(io::table_builder().finish().substr(0, 13)) ==
        "0000000001000000"
        "00c0f2a1b0");
  CHECK(read_all(io::table_builder().finish()).empty());
}

TEST_CASE("table: short keys between blocks") {
  CHECK(io::detail::key_between("abc", "abz") == "abd");
  CHECK(io::detail::key_between("abc", "abd") == "abc");
  CHECK(io::detail::key_between("ab", "abd") == "ab");
  CHECK(io::detail::key_after("conv2d_2/kernel") == "d");
  CHECK(io::detail::key_after("\xFF\xFF") == "\xFF\xFF");
  CHECK(io::detail::key_after("\xFFq") == "\xFFr");
}

TEST_CASE("table: any number of entries in any number of blocks") {
  for (const std::size_t block_size : {1u, 40u, 1000u, 262144u}) {
    for (const int n : {1, 2, 15, 16, 17, 33, 500}) {
      CAPTURE(block_size);
      CAPTURE(n);
      std::map<std::string, std::string> want;
      for (int i = 0; i < n; ++i)
        want["layer_" + std::to_string(i * 7919 % 1000) + "/kernel"] =
            std::string(static_cast<std::size_t>(i % 50), 'v');
      want[""] = "header";
      io::table_builder b(block_size);
      for (const auto& [k, v] : want) b.add(k, v);
      REQUIRE(read_all(b.finish()) == want);
    }
  }
  io::table_builder b;
  b.add("b", "");
  CHECK_THROWS_AS(b.add("b", ""), invalid_argument);
  CHECK_THROWS_AS(b.add("a", ""), invalid_argument);
}

TEST_CASE("table: each damaged byte is noticed, each shorter file refused") {
  io::table_builder b(30);
  std::map<std::string, std::string> want;
  for (int i = 0; i < 9; ++i) b.add("key" + std::to_string(i), want["key" + std::to_string(i)] = "value");
  const std::string good = b.finish();
  for (std::size_t i = 0; i < good.size(); ++i) {
    CHECK_THROWS_AS(read_all(good.substr(0, i)), data_loss);
    for (const int flip : {1, 2, 64, 128, 255}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      try {
        const auto got = read_all(bad);
        REQUIRE(got == want);  // only the padding of the footer does not matter
      } catch (const data_loss&) {
      }
    }
  }
}

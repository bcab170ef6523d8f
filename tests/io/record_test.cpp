// SPDX-License-Identifier: Apache-2.0
#include "rill/io/record.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "scratch.hpp"

using namespace rill;
using test::from_hex;
using test::scratch_dir;
using test::to_hex;

namespace {
std::vector<std::string> read_all(const std::string& path) {
  std::vector<std::string> out;
  std::string rec;
  for (io::record_reader r(path); r.next(rec);) out.push_back(rec);
  return out;
}
}  // namespace

TEST_CASE("record golden vectors") {
  CHECK(to_hex(io::encode_record("abc")) == "0300000000000000b099490e6162636e57f121");
  CHECK(to_hex(io::encode_record("")) == "000000000000000029039807d8ea82a2");
}

TEST_CASE("records of all sizes come back") {
  const scratch_dir dir;
  std::vector<std::string> want;
  io::record_writer w(dir / "r");
  for (const std::size_t n : {0u, 1u, 3u, 16u, 65535u, 65536u, 200001u, 0u}) {
    want.emplace_back(n, static_cast<char>('a' + want.size()));
    w.write(want.back());
  }
  w.sync();
  w.close();
  CHECK(read_all(dir / "r") == want);
  CHECK(io::read_file(dir / "r").substr(0, 16) == io::encode_record(""));
  io::atomic_write(dir / "empty", "");
  CHECK(read_all(dir / "empty").empty());
  CHECK_THROWS_AS(io::record_reader(dir / "missing"), not_found);
}

TEST_CASE("a torn tail: every whole record, then data_loss at its offset; repair cuts there") {
  const scratch_dir dir;
  const std::string whole = io::encode_record("first") + io::encode_record("second");
  const std::string third = io::encode_record("the third");
  for (std::size_t cut = 1; cut < third.size(); ++cut) {
    CAPTURE(cut);
    io::atomic_write(dir / "r", whole + third.substr(0, cut));
    io::record_reader r(dir / "r");
    std::string rec;
    REQUIRE(r.next(rec));
    REQUIRE(r.next(rec));
    REQUIRE(rec == "second");
    REQUIRE_THROWS_WITH_AS(r.next(rec), doctest::Contains(("offset " + std::to_string(whole.size())).c_str()),
                           data_loss);
    if (cut % 8 == 1) {
      REQUIRE(io::repair_records(dir / "r") == cut);
      REQUIRE(io::read_file(dir / "r") == whole);
      REQUIRE(io::repair_records(dir / "r") == 0);
    }
  }
}

TEST_CASE("a reader follows a file that grows") {
  const scratch_dir dir;
  io::record_writer w(dir / "r");
  w.write("a");
  w.flush();
  io::record_reader r(dir / "r");
  std::string rec;
  CHECK(r.next(rec));
  CHECK_FALSE(r.next(rec));
  w.write("b");
  w.flush();
  CHECK(r.next(rec));
  CHECK(rec == "b");
}

TEST_CASE("every flipped byte of a record file is noticed") {
  const scratch_dir dir;
  const std::string good = io::encode_record("some data") + io::encode_record("") + io::encode_record("more");
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const int flip : {1, 128, 255}) {
      CAPTURE(i);
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      io::atomic_file f(dir / "r");  // without its fsync this loop would be quick; with it, it is still short enough
      f.append(bad);
      f.commit(false);
      REQUIRE_THROWS_AS(read_all(dir / "r"), data_loss);
    }
  }
}

TEST_CASE("a length is never believed") {
  const scratch_dir dir;
  std::string head;
  io::put_fixed64(head, std::uint64_t{1} << 30);
  io::put_fixed32(head, io::mask_crc(io::crc32c(head)));
  io::atomic_write(dir / "r", head + "abc");
  CHECK_THROWS_AS(read_all(dir / "r"), data_loss);
  head.clear();
  io::put_fixed64(head, UINT64_MAX);
  io::put_fixed32(head, io::mask_crc(io::crc32c(head)));
  io::atomic_write(dir / "r", head + "abc");
  CHECK_THROWS_AS(read_all(dir / "r"), resource_exhausted);
  io::atomic_write(dir / "r", io::encode_record("12345"));
  std::string rec;
  CHECK(io::record_reader(dir / "r", 5).next(rec));
  CHECK_THROWS_AS(io::record_reader(dir / "r", 4).next(rec), resource_exhausted);
}

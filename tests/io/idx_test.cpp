// SPDX-License-Identifier: Apache-2.0
#include "rill/io/idx.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include "scratch.hpp"

using namespace rill;
using test::from_hex;
using test::scratch_dir;

namespace {

void write_raw(const std::string& path, std::string_view bytes) {
  io::writable_file f(path);
  f.append(bytes);
  f.close();
}

io::idx_array read(const scratch_dir& dir, const std::string& bytes, io::idx_limits limits = {}) {
  write_raw(dir / "x", bytes);
  return io::read_idx(dir / "x", limits);
}

template <class T>
std::vector<T> values(const io::idx_array& a) {
  std::vector<T> out(a.data.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), a.data.data(), a.data.size());
  return out;
}

#if __has_include(<zlib.h>)
std::string gzip(const std::string& data) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, static_cast<uLong>(data.size())) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  z.avail_in = static_cast<uInt>(data.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}
#endif

}  // namespace

TEST_CASE("idx: every element type, in the machine's byte order") {
  const scratch_dir dir;
  const io::idx_array labels = read(dir, from_hex("00000801 00000003 0500ff"));
  CHECK(labels.type == dtype::uint8);
  CHECK(labels.dims == std::vector<std::int64_t>{3});
  CHECK(values<std::uint8_t>(labels) == std::vector<std::uint8_t>{5, 0, 255});
  const io::idx_array images = read(dir, from_hex("00000803 00000002 00000001 00000002 01020304"));
  CHECK(images.dims == std::vector<std::int64_t>{2, 1, 2});
  CHECK(values<std::int8_t>(read(dir, from_hex("00000901 00000001 ff"))) == std::vector<std::int8_t>{-1});
  const io::idx_array shorts = read(dir, from_hex("00000b01 00000002 0102 fffe"));
  CHECK(shorts.type == dtype::int16);
  CHECK(values<std::int16_t>(shorts) == std::vector<std::int16_t>{258, -2});
  CHECK(values<std::int32_t>(read(dir, from_hex("00000c01 00000001 01020304"))) ==
        std::vector<std::int32_t>{0x01020304});
  CHECK(values<float>(read(dir, from_hex("00000d01 00000001 3f800000"))) == std::vector<float>{1.0f});
  CHECK(values<double>(read(dir, from_hex("00000e01 00000001 bff8000000000000"))) == std::vector<double>{-1.5});
  CHECK(read(dir, from_hex("00000800 07")).dims.empty());
  CHECK(read(dir, from_hex("00000802 00000000 00000005")).data.empty());
}

TEST_CASE("idx: encode and read are inverse") {
  const scratch_dir dir;
  for (const dtype t :
       {dtype::uint8, dtype::int8, dtype::int16, dtype::int32, dtype::float32, dtype::float64}) {
    io::idx_array a{t, {3, 5}, std::vector<std::byte>(15 * io::stored_size_of(t))};
    for (std::size_t i = 0; i < a.data.size(); ++i) a.data[i] = static_cast<std::byte>(i * 7);
    const io::idx_array b = read(dir, io::encode_idx(a));
    CHECK(b.type == t);
    CHECK(b.dims == a.dims);
    CHECK(b.data == a.data);
  }
  CHECK_THROWS_AS(io::encode_idx({dtype::int64, {1}, std::vector<std::byte>(8)}), invalid_argument);
  CHECK_THROWS_AS(io::encode_idx({dtype::uint8, {2}, std::vector<std::byte>(3)}), invalid_argument);
  CHECK_THROWS_AS(io::encode_idx({dtype::uint8, {-1}, {}}), invalid_argument);
}

TEST_CASE("idx: files that are not what they say") {
  const scratch_dir dir;
  const auto bad = [&](const char* hex) { return read(dir, from_hex(hex)); };
  CHECK_THROWS_WITH_AS(bad("00010801 00000001 00"), doctest::Contains("magic number 00010801 at offset 0"),
                       invalid_argument);
  CHECK_THROWS_AS(bad("00000a01 00000001 00"), invalid_argument);
  CHECK_THROWS_AS(bad("00000809 00000001"), invalid_argument);
  CHECK_THROWS_WITH_AS(bad("000008"), doctest::Contains("ends at offset 3 inside its header"), data_loss);
  CHECK_THROWS_AS(bad(""), data_loss);
  CHECK_THROWS_WITH_AS(bad("00000802 00000001 0000"), doctest::Contains("inside its dimensions"), data_loss);
  CHECK_THROWS_WITH_AS(bad("00000801 00000003 0102"),
                       doctest::Contains("[3] at offset 4, 3 bytes, but 2 bytes follow at offset 8"), data_loss);
  CHECK_THROWS_WITH_AS(bad("00000801 00000001 0102"), doctest::Contains("1 bytes, but 2 bytes follow"), data_loss);
  CHECK_THROWS_AS(bad("00000803 ffffffff ffffffff ffffffff 00"), data_loss);  // overflows 64 bits
  CHECK_THROWS_AS(bad("00000802 80000000 80000000 00"), data_loss);
  CHECK_THROWS_AS(bad("00000801 ffffffff 00"), data_loss);
  CHECK_THROWS_WITH_AS(io::read_idx(dir / "none"), doctest::Contains((dir / "none").c_str()), not_found);
  CHECK_THROWS_AS(io::read_idx(dir.path()), failed_precondition);
  write_raw(dir / "plain", "x");
  CHECK_THROWS_AS(io::read_idx(dir / "plain/below"), failed_precondition);
}

TEST_CASE("idx: each flipped byte and each shorter file gives data or a typed error") {
  const scratch_dir dir;
  const std::string good = from_hex("00000802 00000002 00000003 010203040506");
  for (std::size_t i = 0; i < good.size(); ++i) {
    CHECK_THROWS_AS(read(dir, good.substr(0, i)), error);
    for (int flip = 1; flip < 256; ++flip) {
      std::string s = good;
      s[i] = static_cast<char>(s[i] ^ flip);
      try {
        const io::idx_array a = read(dir, s);
        REQUIRE(a.data.size() == 6);  // only the numbers themselves, and their kind, can change unnoticed
      } catch (const error&) {
      }
    }
  }
}

#if __has_include(<zlib.h>)

TEST_CASE("idx: gzip by content, and by name where only that exists") {
  const scratch_dir dir;
  io::idx_array big{dtype::int32, {1000, 700}, std::vector<std::byte>(2800000)};
  for (std::size_t i = 0; i < big.data.size(); ++i) big.data[i] = static_cast<std::byte>(i * i >> 9);
  const io::idx_array a = read(dir, gzip(io::encode_idx(big)));
  CHECK(a.dims == big.dims);
  CHECK(a.data == big.data);
  write_raw(dir / "labels.gz", gzip(from_hex("00000801 00000002 0102")));
  CHECK(io::read_idx(dir / "labels").data.size() == 2);
}

TEST_CASE("idx: compressed files are held to the same rules, and to a ratio") {
  const scratch_dir dir;
  CHECK_THROWS_WITH_AS(read(dir, gzip(from_hex("00000801 00000002 010203"))),
                       doctest::Contains("goes on after its dimensions [2]"), data_loss);
  CHECK_THROWS_WITH_AS(read(dir, gzip(from_hex("00000801 00000004 010203"))),
                       doctest::Contains("ends at offset 11 inside its elements"), data_loss);
  CHECK_THROWS_AS(read(dir, gzip(from_hex("00000a01 00000004 010203"))), invalid_argument);
  CHECK_THROWS_AS(read(dir, gzip(from_hex("00000803 ffffffff ffffffff ffffffff 00"))), resource_exhausted);
  CHECK_THROWS_AS(read(dir, gzip(from_hex("00000801 7fffffff 00"))), resource_exhausted);
  const std::string bomb = gzip(from_hex("00000801 00100000") + std::string(1 << 20, '\0'));
  CHECK(bomb.size() < 5000);
  CHECK(read(dir, bomb).data.size() == 1 << 20);
  CHECK_THROWS_AS(read(dir, bomb, {.ratio = 100}), resource_exhausted);
  CHECK_THROWS_AS(read(dir, bomb, {.bytes = 1 << 19}), resource_exhausted);
  const std::string good = gzip(from_hex("00000802 00000002 00000003 010203040506"));
  for (std::size_t i = 0; i < good.size(); ++i) {
    CHECK_THROWS_AS(read(dir, good.substr(0, i)), error);
    for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
      std::string s = good;
      s[i] = static_cast<char>(s[i] ^ flip);
      try {
        const io::idx_array a = read(dir, s);
        REQUIRE(a.data.size() == 6);
        REQUIRE(a.data[5] == std::byte{6});
      } catch (const error&) {
      }
    }
  }
}

#endif

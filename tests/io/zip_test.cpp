// SPDX-License-Identifier: Apache-2.0
#include "rill/io/zip.hpp"

#include <doctest/doctest.h>

#include "scratch.hpp"

using namespace rill;
using test::scratch_dir;

namespace {

std::string some_bytes(std::size_t n, std::uint64_t seed) {
  test::random_bits random(seed);
  std::string s(n, '\0');
  for (char& c : s) c = static_cast<char>(random() % 7);
  return s;
}

/// Writes without waiting for the disk, which thousands of damaged files would.
void put(const std::string& path, const std::string& bytes) {
  io::writable_file f(path);
  f.append(bytes);
  f.close();
}

}  // namespace

TEST_CASE("zip: what is written is read, stored and deflated, small and zip64") {
  const scratch_dir dir;
  for (int mode = 0; mode < 4; ++mode) {
    CAPTURE(mode);
    const io::zip_options options{.deflate = (mode & 1) != 0, .zip64 = (mode & 2) != 0};
    const std::string big = some_bytes(200001, 3);
    {
      io::zip_writer w(dir / "a.zip", options);
      w.add("hello.txt", "hi there");
      w.add("empty", "");
      w.add("sub/big", {std::string_view(big).substr(0, 1000), {}, std::string_view(big).substr(1000)});
      CHECK_THROWS_WITH_AS(w.add("empty", "x"), doctest::Contains("already"), invalid_argument);
      CHECK_THROWS_AS(w.add("../x", "x"), invalid_argument);
      CHECK_THROWS_AS(w.add("", "x"), invalid_argument);
      if (mode == 0) CHECK_FALSE(io::exists(dir / "a.zip"));
      w.finish();
    }
    const io::zip_reader r(dir / "a.zip");
    REQUIRE(r.entries().size() == 3);
    CHECK(r.entries()[0].name == "hello.txt");
    CHECK(r.read("hello.txt") == "hi there");
    CHECK(r.read("empty").empty());
    CHECK(r.read("sub/big") == big);
    CHECK(r.entry("sub/big").deflated == options.deflate);
    if (options.deflate) CHECK(r.entry("sub/big").compressed_size < big.size() / 2);
    CHECK(r.find("nothing") == nullptr);
    CHECK_THROWS_WITH_AS(static_cast<void>(r.read("nothing")), doctest::Contains("no member 'nothing'"), not_found);
    CHECK_THROWS_WITH_AS(static_cast<void>(r.read("sub/big", 100)), doctest::Contains("200001"), resource_exhausted);
    // In pieces, and not beyond the end.
    io::zip_member m(r, r.entry("sub/big"));
    std::string pieces(big.size(), '\0');
    for (std::size_t at = 0; at < big.size(); at += 777) m.read(&pieces[at], std::min<std::size_t>(777, big.size() - at));
    CHECK(pieces == big);
    char c;
    CHECK_THROWS_AS(m.read(&c, 1), data_loss);
  }
  io::zip_writer(dir / "none.zip").finish();
  CHECK(io::zip_reader(dir / "none.zip").entries().empty());
  put(dir / "none.zip", io::read_file(dir / "none.zip").substr(0, 20) + std::string("\3\0abc", 5));
  CHECK(io::zip_reader(dir / "none.zip").entries().empty());  // with a comment
}

TEST_CASE("zip: two members of a name, overlaps and bombs are refused") {
  const scratch_dir dir;
  io::zip_writer w(dir / "a.zip");
  w.add("aa", "1234");
  w.add("bb", "1234");
  w.finish();
  const std::string good = io::read_file(dir / "a.zip");
  const auto changed = [&](auto change) {
    std::string bad = good;
    change(bad);
    put(dir / "b.zip", bad);
    io::zip_reader r(dir / "b.zip");
    for (const io::zip_entry& e : r.entries()) static_cast<void>(r.read(e.name));
  };
  const std::size_t local = good.find("bb");
  const std::size_t central = good.rfind("bb");
  CHECK_NOTHROW(changed([](std::string&) {}));
  CHECK_THROWS_WITH_AS(changed([&](std::string& s) { s[local] = s[central] = s[local + 1] = s[central + 1] = 'a'; }),
                       doctest::Contains("two members 'aa'"), invalid_argument);
  CHECK_THROWS_WITH_AS(changed([&](std::string& s) { s[central] = 'c'; }), doctest::Contains("differs from the directory"), data_loss);
  // The second member's header is that of the first: overlap.
  CHECK_THROWS_WITH_AS(changed([&](std::string& s) { s[central - 4] = s[central - 3] = '\0'; }), doctest::Contains("overlaps"), data_loss);
  CHECK_THROWS_WITH_AS(changed([&](std::string& s) { s[central - 46 + 24] = '\5'; }), doctest::Contains("cannot unfold"), data_loss);
  CHECK_THROWS_WITH_AS(changed([&](std::string& s) { s[central - 46 + 8] = '\1'; }), doctest::Contains("encrypted"), unimplemented);
  CHECK_THROWS_WITH_AS(changed([&](std::string& s) { s[central - 46 + 10] = '\14'; }), doctest::Contains("method 12"), unimplemented);
  CHECK_THROWS_WITH_AS(changed([&](std::string& s) { s[local + 2] = 'x'; }), doctest::Contains("CRC-32"), data_loss);
  CHECK_THROWS_WITH_AS(changed([&](std::string& s) { s[s.size() - 12] = s[s.size() - 14] = '\3'; }), doctest::Contains("cannot hold 3"), data_loss);
}

TEST_CASE("zip: any byte changed or cut off is an error or changes nothing that counts") {
  const scratch_dir dir;
  for (int mode = 0; mode < 4; ++mode) {
    io::zip_writer w(dir / "a.zip", {.deflate = (mode & 1) != 0, .zip64 = (mode & 2) != 0});
    const std::string text = some_bytes(60, 5);
    w.add("a", text);
    w.add("b", "xyz");
    w.finish();
    const std::string good = io::read_file(dir / "a.zip");
    const auto survives = [&](const std::string& bytes) {
      put(dir / "b.zip", bytes);
      try {
        const io::zip_reader r(dir / "b.zip");
        for (const io::zip_entry& e : r.entries())
          if (const std::string read = r.read(e.name); e.name == "a" || e.name == "b") REQUIRE(read == (e.name == "a" ? text : "xyz"));
      } catch (const error& e) {
        REQUIRE(std::string(e.what()).find("b.zip") != std::string::npos);
        return false;
      }
      return true;
    };
    REQUIRE(survives(good));
    for (std::size_t i = 0; i < good.size(); ++i) {
      CAPTURE(i);
      for (const int flip : {0x01, 0x80, 0xFF}) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ flip);
        survives(bad);
      }
      REQUIRE_FALSE(survives(good.substr(0, i)));
    }
    test::random_bits random(11);
    for (int i = 0; i < 300; ++i) survives(test::mutate(good, random));
  }
}

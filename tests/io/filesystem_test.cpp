// SPDX-License-Identifier: Apache-2.0
#include "rill/io/filesystem.hpp"

#include <doctest/doctest.h>

#include "scratch.hpp"

using namespace rill;
using test::scratch_dir;

TEST_CASE("paths") {
  CHECK(io::join_path("a/b", "c") == "a/b/c");
  CHECK(io::join_path("a/", "c") == "a/c");
  CHECK(io::join_path("", "c") == "c");
  CHECK(io::join_path("a", "/c") == "/c");
  CHECK(io::dir_name("a/b/c") == "a/b");
  CHECK(io::dir_name("c") == ".");
  CHECK(io::dir_name("/c") == "/");
  CHECK(io::base_name("a/b/c") == "c");
  CHECK(io::base_name("c") == "c");
  CHECK(io::is_beneath("a/b..c/.d"));
  for (const char* bad : {"", "/a", "..", "../a", "a/../b", "a/.."}) CHECK_FALSE(io::is_beneath(bad));
  CHECK_FALSE(io::is_beneath(std::string_view("a\0b", 3)));
}

TEST_CASE("files are written, read, listed, renamed and removed") {
  const scratch_dir dir;
  for (const std::size_t n : {0u, 1u, 15u, 16u, 65535u, 65536u, 65537u, 3000001u}) {
    CAPTURE(n);
    std::string bytes(n, '\0');
    for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<char>(i * 7 + i / 251);
    io::writable_file f(dir / "x");
    for (std::size_t at = 0, step = 1; at < n; step = step * 3 + 1) {
      const std::size_t k = std::min(step, n - at);
      f.append(bytes.data() + at, k);
      at += k;
    }
    CHECK(f.bytes_written() == n);
    f.sync();
    f.close();
    f.close();
    CHECK(io::read_file(dir / "x") == bytes);
    CHECK(io::file_size(dir / "x") == n);
  }
  CHECK(io::read_file("file://" + (dir / "x")).size() == 3000001);
  {
    io::writable_file f(dir / "x", io::write_mode::append);
    f.append("end");
  }
  CHECK(io::file_size(dir / "x") == 3000004);
  CHECK_THROWS_AS(io::writable_file(dir / "x", io::write_mode::create), failed_precondition);
  io::make_dirs(dir / "p/q//r/");
  io::make_dirs(dir / "p/q/r");
  CHECK(io::is_directory(dir / "p/q/r"));
  CHECK_FALSE(io::is_directory(dir / "x"));
  CHECK(io::list_dir(dir.path()) == std::vector<std::string>{"p", "x"});
  io::rename(dir / "x", dir / "y");
  CHECK(io::exists(dir / "y"));
  CHECK_FALSE(io::exists(dir / "x"));
  CHECK_FALSE(io::exists(dir / "y/z"));
  io::remove(dir / "y");
  CHECK_FALSE(io::remove_if_exists(dir / "y"));
  CHECK_THROWS_AS(io::remove(dir / "y"), not_found);
}

TEST_CASE("random access reads are checked against the file") {
  const scratch_dir dir;
  io::atomic_write(dir / "x", "0123456789");
  const io::random_access_file f(dir / "x");
  char c[4];
  f.read(6, c, 4);
  CHECK(std::string(c, 4) == "6789");
  CHECK(f.read_some(8, c, 4) == 2);
  CHECK(f.read_some(11, c, 4) == 0);
  CHECK(f.read_some(UINT64_MAX, c, 4) == 0);
  CHECK_THROWS_WITH_AS(f.read(7, c, 4), doctest::Contains("truncated: wanted 4 bytes at offset 7, got 3"), data_loss);
  CHECK_THROWS_AS(io::random_access_file(dir.path()), failed_precondition);
}

TEST_CASE("every failure is typed and names the file") {
  const scratch_dir dir;
  io::atomic_write(dir / "plain", "x");
  CHECK_THROWS_WITH_AS(io::read_file(dir / "no"), doctest::Contains((dir / "no").c_str()), not_found);
  CHECK_THROWS_AS(io::list_dir(dir / "no"), not_found);
  CHECK_THROWS_AS(io::file_size(dir / "no"), not_found);
  CHECK_THROWS_AS(io::rename(dir / "no", dir / "other"), not_found);
  CHECK_THROWS_AS(io::writable_file(dir / "no/file"), not_found);
  CHECK_THROWS_AS(io::atomic_write(dir / "no/file", "x"), not_found);
  CHECK_THROWS_AS(io::read_file(dir / "plain/below"), failed_precondition);
  CHECK_THROWS_AS(io::atomic_write(dir / "plain/below", "x"), failed_precondition);
  CHECK_THROWS_WITH_AS(io::make_dirs(dir / "plain/below"), doctest::Contains("Not a directory"), failed_precondition);
  CHECK_THROWS_AS(io::make_dirs(dir / "plain"), failed_precondition);
  CHECK_THROWS_AS(io::read_file(dir.path()), failed_precondition);
  CHECK_THROWS_AS(io::read_file(dir / std::string(300, 'n')), invalid_argument);
  CHECK_THROWS_AS(io::read_file(std::string("a\0b", 3)), invalid_argument);
  CHECK_THROWS_AS(io::read_file("gs://bucket/file"), unimplemented);
  CHECK_THROWS_AS(io::make_dirs(""), invalid_argument);
  io::atomic_write(dir / "big", std::string(1000, 'x'));
  CHECK(io::read_file(dir / "big", 1000).size() == 1000);
  CHECK_THROWS_WITH_AS(io::read_file(dir / "big", 999), doctest::Contains("limit of 999"), resource_exhausted);
  CHECK_THROWS_AS(io::read_file("/dev/zero", 1 << 20), resource_exhausted);
}

TEST_CASE("no access is permission_denied") {
  const scratch_dir dir;
  io::atomic_write(dir / "x", "x");
  ::chmod((dir / "x").c_str(), 0);
  ::chmod(dir.path().c_str(), 0555);
  {
    const test::without_rights nobody;
    CHECK_THROWS_AS(io::read_file(dir / "x"), permission_denied);
    CHECK_THROWS_AS(io::atomic_write(dir / "y", "y"), permission_denied);
    CHECK_THROWS_AS(io::make_dirs(dir / "z"), permission_denied);
    CHECK_THROWS_AS(io::remove(dir / "x"), permission_denied);
  }
  ::chmod(dir.path().c_str(), 0755);
}

TEST_CASE("a full disk is resource_exhausted, stays an error, and leaves the old file") {
  const scratch_dir dir;
  if (io::exists("/dev/full")) {
    io::writable_file f("/dev/full");
    f.append("x");
    CHECK_THROWS_WITH_AS(f.flush(), doctest::Contains("/dev/full"), resource_exhausted);
    CHECK_THROWS_AS(f.append("x"), failed_precondition);
    CHECK_THROWS_AS(f.close(), failed_precondition);
  }
  io::atomic_write(dir / "state", "old");
  const std::string big(200000, 'x');
  {
    const test::file_size_limit limit(100000);
    CHECK_THROWS_AS(io::atomic_write(dir / "state", big), resource_exhausted);
  }
  CHECK(io::read_file(dir / "state") == "old");
  CHECK(io::list_dir(dir.path()) == std::vector<std::string>{"state"});
}

TEST_CASE("an atomic file appears at commit or not at all") {
  const scratch_dir dir;
  {
    io::atomic_file f(dir / "x");
    f.append("abc");
    CHECK_FALSE(io::exists(dir / "x"));
  }
  CHECK(io::list_dir(dir.path()).empty());
  io::atomic_file a(dir / "x");
  io::atomic_file b(dir / "x");
  a.append("a");
  b.append("b");
  a.commit();
  CHECK(io::read_file(dir / "x") == "a");
  b.commit();
  CHECK(io::read_file(dir / "x") == "b");
  CHECK_THROWS_AS(b.commit(), failed_precondition);
  CHECK(io::list_dir(dir.path()) == std::vector<std::string>{"x"});
  struct stat st {};
  ::stat((dir / "x").c_str(), &st);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  CHECK((st.st_mode & 0777) == (0666 & ~mask));
}

// SPDX-License-Identifier: Apache-2.0
#include "rill/io/gzip.hpp"

#include <doctest/doctest.h>

#include "scratch.hpp"

using namespace rill;
using test::from_hex;
using test::scratch_dir;

#if __has_include(<zlib.h>)

namespace {

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

std::string unzip(const std::string& path, std::size_t step) {
  io::gzip_reader r(path);
  std::string out;
  for (;;) {
    const std::size_t old = out.size();
    out.resize(old + step);
    const std::size_t got = r.read(out.data() + old, step);
    out.resize(old + got);
    if (got < step) return out;
  }
}

}  // namespace

TEST_CASE("gzip: any size in any steps, also several members") {
  const scratch_dir dir;
  for (const std::size_t n : {0u, 1u, 1000u, 65536u, 300000u}) {
    std::string data(n, '\0');
    for (std::size_t i = 0; i < n; ++i) data[i] = static_cast<char>(i * i >> 7);
    io::atomic_write(dir / "x.gz", gzip(data));
    CHECK(io::is_gzip(io::random_access_file(dir / "x.gz")));
    for (const std::size_t step : {7u, 65536u, 1000000u}) REQUIRE(unzip(dir / "x.gz", step) == data);
    io::atomic_write(dir / "two.gz", gzip(data) + gzip("end"));
    REQUIRE(unzip(dir / "two.gz", 1000) == data + "end");
  }
  io::atomic_write(dir / "plain", "\x1f");
  CHECK_FALSE(io::is_gzip(io::random_access_file(dir / "plain")));
}

TEST_CASE("gzip: cut off or damaged streams are data_loss") {
  const scratch_dir dir;
  const std::string good = gzip(std::string(500, 'a') + "bcd");
  for (std::size_t n = 2; n < good.size(); ++n) {
    io::atomic_file f(dir / "x");
    f.append(good.substr(0, n));
    f.commit(false);
    REQUIRE_THROWS_WITH_AS(unzip(dir / "x", 100), doctest::Contains("'"), data_loss);
  }
  io::atomic_write(dir / "x", good + "trailing");
  CHECK_THROWS_AS(unzip(dir / "x", 100), data_loss);
}

#endif

// SPDX-License-Identifier: Apache-2.0
#include <rill/kernel/copy.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

using namespace rill;

namespace {

/// Bytes that differ from their neighbours.
std::vector<unsigned char> bytes(std::int64_t n) {
  std::vector<unsigned char> b(static_cast<std::size_t>(n));
  std::uint32_t state = 7;
  for (unsigned char& x : b) state = state * 1664525U + 1013904223U, x = static_cast<unsigned char>(state >> 24);
  return b;
}
constexpr dtype types[] = {dtype::uint8, dtype::float16, dtype::float32, dtype::float64, dtype::complex128};

}  // namespace

TEST_CASE("copy: matrices transposed, of few and of many columns, next to each other and in rows with gaps") {
  for (const dtype type : types)
    for (const std::int64_t rows : {1, 2, 3, 4, 5, 15, 16, 33, 64, 130, 300})
      for (const std::int64_t columns : {1, 2, 3, 4, 7, 16, 31, 32, 65, 200})
        for (const std::int64_t gap : {0, 3}) {
          const std::string name(name_of(type));
          CAPTURE(name);
          CAPTURE(rows);
          CAPTURE(columns);
          CAPTURE(gap);
          const auto width = static_cast<std::int64_t>(size_of(type));
          const std::int64_t from_step = columns + gap, to_step = rows + gap;
          const auto x = bytes(rows * from_step * width);
          std::vector<unsigned char> got(static_cast<std::size_t>(columns * to_step * width)), want = got;
          for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t c = 0; c < columns; ++c)
              std::memcpy(want.data() + (c * to_step + r) * width, x.data() + (r * from_step + c) * width, static_cast<std::size_t>(width));
          kernel::copy_nest n;
          n.axis(columns, 1, to_step), n.axis(rows, from_step, 1);
          kernel::copy(type, x.data(), got.data(), n);
          REQUIRE(got == want);
        }
}

TEST_CASE("copy: matrices transposed past the caches, and read ahead") {
  constexpr std::int64_t pitch = 512, most = 300;
  const auto x = bytes(most * pitch * 8);
  std::vector<unsigned char> room(most * pitch * 8 + 64);
  unsigned char* const to = room.data() + (64 - reinterpret_cast<std::uintptr_t>(room.data()) % 64) % 64;
  const auto check = [&]<class Word>(Word) {
    for (const std::int64_t rows : {8, 16, 40, 129, 300})
      for (const std::int64_t columns : {5, 16, 49, 64, 200, 300})
        for (const bool stream : {false, true}) {
          CAPTURE(rows);
          CAPTURE(columns);
          CAPTURE(stream);
          std::memset(to, 0, most * pitch * sizeof(Word));
          const auto* const from = reinterpret_cast<const Word*>(x.data());
          if (stream) kernel::detail::transpose_tiles<true>(from, pitch, rows, columns, pitch, true, reinterpret_cast<Word*>(to));
          else kernel::detail::transpose_tiles<false>(from, pitch, rows, columns, pitch, true, reinterpret_cast<Word*>(to));
          kernel::detail::store_fence();
          bool alike = true;
          for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t c = 0; c < pitch; ++c) {
              const Word none{}, *const want = c < columns ? from + r + c * pitch : &none;
              alike = alike && std::memcmp(to + (r * pitch + c) * static_cast<std::int64_t>(sizeof(Word)), want, sizeof(Word)) == 0;
            }
          REQUIRE(alike);
        }
  };
  check(kernel::detail::word<4>{});
  check(kernel::detail::word<8>{});
}

TEST_CASE("copy: rows backwards") {
  for (const dtype type : types)
    for (const std::int64_t n : {1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 1000}) {
      const std::string name(name_of(type));
          CAPTURE(name);
          CAPTURE(n);
      const std::int64_t rows = 3;
      const auto width = static_cast<std::int64_t>(size_of(type));
      const auto x = bytes(rows * n * width);
      std::vector<unsigned char> got(x.size()), want(x.size());
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < n; ++c)
          std::memcpy(want.data() + (r * n + c) * width, x.data() + (r * n + n - 1 - c) * width, static_cast<std::size_t>(width));
      kernel::copy_nest nest;
      nest.axis(rows, n, n), nest.axis(n, -1, 1);
      kernel::copy(type, x.data() + (n - 1) * width, got.data(), nest);
      REQUIRE(got == want);
    }
}

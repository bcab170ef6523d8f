// SPDX-License-Identifier: Apache-2.0
// Cases of a table: their count, the seed of each, failures told with it, walks over the indices of a shape.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <rill/core/dtype.hpp>
#include <rill/core/shape.hpp>
#include <string>

namespace rill::test::table {

/// Cases of one file, the seed of the current one, failures told.
struct tally {
  long cases = 0;
  int told = 0;
  std::uint64_t seed = 0;
};
inline tally& count() {
  static tally t;
  return t;
}

/// SplitMix64.
struct numbers_of {
  std::uint64_t state;
  std::uint64_t next() {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(n)); }
};
/// The generator of the next case.
inline numbers_of next_case() {
  tally& t = count();
  t.seed = 1000003U * static_cast<std::uint64_t>(++t.cases);
  return {t.seed};
}

inline std::string what(const char* op, dtype type, const tensor_shape& shape) {
  return std::string(op) + " of " + std::string(name_of(type)) + to_string(shape) + ", seed " + std::to_string(count().seed);
}
/// A failure of the current case; only the first few of a file are printed.
inline void fail(const std::string& text) {
  if (++count().told <= 20) FAIL_CHECK(text);
}

/// Calls f(index) for each index of a shape in row-major order; index is an array of rank numbers.
template <class F>
void each_index(const tensor_shape& s, const F& f) {
  if (s.num_elements() == 0) return;
  std::int64_t i[max_rank] = {};
  for (;;) {
    f(i);
    int d = s.rank() - 1;
    for (; d >= 0; --d) {
      if (++i[d] < s[d]) break;
      i[d] = 0;
    }
    if (d < 0) return;
  }
}
inline std::int64_t offset(const tensor_shape& s, const std::int64_t* i) {
  std::int64_t k = 0;
  for (int d = 0; d < s.rank(); ++d) k = k * s[d] + i[d];
  return k;
}

}  // namespace rill::test::table

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What the tests of datasets share: all elements of a dataset, and a check of every way to break off and continue.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "rill/data/dataset.hpp"

namespace rill::test {

/// The elements of one pass, at most `limit`.
template <class D>
std::vector<typename D::element> collect(const D& d, std::size_t limit = 1000000, std::int64_t epoch = 0) {
  std::vector<typename D::element> got;
  auto it = d.iterator(epoch);
  for (typename D::element e{}; got.size() < limit && it.next(e);) got.push_back(e);
  return got;
}

template <class T, std::int64_t... E>
std::vector<T> values(const tensor<T, E...>& t) {
  return std::vector<T>(t.begin(), t.end());
}

/// A new iterator that skips to where another stopped continues exactly like it; the first `limit` elements are looked at.
template <class D>
void check_resume(const D& d, std::size_t limit = 200) {
  const auto got = collect(d, limit);
  const auto n = static_cast<std::int64_t>(got.size());
  for (std::int64_t stop : {std::int64_t{0}, std::int64_t{1}, n / 7, n / 3, n / 2, n - 1, n}) {
    if (stop < 0 || stop > n) continue;
    for (std::int64_t used : {std::int64_t{0}, stop / 2}) {  // skipped at the start, or after some reading
      CAPTURE(stop);
      CAPTURE(used);
      auto it = d.iterator();
      typename D::element e{};
      for (std::int64_t i = 0; i < used && i < stop; ++i) REQUIRE(it.next(e));
      REQUIRE(it.skip(stop - std::min(used, stop)) == stop - std::min(used, stop));
      REQUIRE(it.position() == stop);
      for (std::int64_t i = stop; i < n; ++i) {
        REQUIRE(it.next(e));
        REQUIRE(e == got[static_cast<std::size_t>(i)]);
      }
      if (got.size() < limit) {
        CHECK_FALSE(it.next(e));
        CHECK_FALSE(it.next(e));  // and it stays at the end
        CHECK(it.skip(3) == 0);
        it.restart();
        CHECK(it.next(e) == (n > 0));
        if (n > 0) CHECK(e == got[0]);
      }
    }
  }
  if (got.size() < limit) {
    auto it = d.iterator();
    CHECK(it.skip(n + 5) == n);
  }
}

}  // namespace rill::test

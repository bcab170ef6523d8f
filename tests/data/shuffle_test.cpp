// SPDX-License-Identifier: Apache-2.0
#include "rill/data/shuffle.hpp"

#include <numeric>
#include <set>

#include "collect.hpp"
#include "rill/data/batch.hpp"
#include "rill/data/filter.hpp"
#include "rill/data/range.hpp"
#include "rill/data/repeat.hpp"
#include "rill/data/take.hpp"

using namespace rill;
using indices = std::vector<std::int64_t>;

namespace {
indices sorted(indices v) {
  std::sort(v.begin(), v.end());
  return v;
}
indices counting(std::int64_t n) {
  indices v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}
const auto stream = data::filter([](std::int64_t) { return true; });
}  // namespace

TEST_CASE("shuffle: a permutation, within the reach of the buffer") {
  for (std::int64_t n : {0, 1, 2, 17, 100})
    for (std::int64_t buffer : {1, 2, 16, 100, 1000}) {
      CAPTURE(n);
      CAPTURE(buffer);
      const auto d = data::range(n) | data::shuffle(buffer, 11);
      const indices got = test::collect(d);
      CHECK(sorted(got) == counting(n));
      // position p can only hold one of the first p + buffer elements
      for (std::size_t p = 0; p < got.size(); ++p) CHECK(got[p] < static_cast<std::int64_t>(p) + buffer);
      if (buffer == 1) CHECK(got == counting(n));
      else if (n >= 17) CHECK(got != counting(n));
      // a stream of elements comes in the same order as indices
      CHECK(test::collect(data::range(n) | stream | data::shuffle(buffer, 11)) == got);
      test::check_resume(d);
    }
}

TEST_CASE("shuffle: the order of a seed is fixed") {
  // Frozen: a changed order would break every resumed run.
  CHECK(test::collect(data::range(10) | data::shuffle(4, 1)) == indices{0, 2, 4, 3, 5, 1, 8, 9, 7, 6});
  CHECK(test::collect(data::range(10) | data::shuffle(100)) == indices{8, 3, 7, 4, 1, 9, 6, 0, 5, 2});
}

TEST_CASE("shuffle: seeds and epochs") {
  const auto d = data::range(50) | data::shuffle(50, 7);
  CHECK(test::collect(d) == test::collect(d));
  CHECK(test::collect(d) != test::collect(data::range(50) | data::shuffle(50, 8)));
  CHECK(test::collect(d, 50, 1) != test::collect(d));
  const indices three = test::collect(d | data::repeat(3));
  REQUIRE(three.size() == 150);
  std::set<indices> orders;
  for (std::ptrdiff_t e = 0; e < 3; ++e) {
    const indices epoch(three.begin() + 50 * e, three.begin() + 50 * (e + 1));
    CHECK(sorted(epoch) == counting(50));
    CHECK(epoch == test::collect(d, 50, e));
    orders.insert(epoch);
  }
  CHECK(orders.size() == 3);

  const indices fixed = test::collect(data::range(50) | data::shuffle(50, 7, false) | data::repeat(2));
  CHECK(indices(fixed.begin(), fixed.begin() + 50) == indices(fixed.begin() + 50, fixed.end()));
  // nested repeats see different epochs, too
  const indices nested = test::collect(d | data::repeat(2) | data::repeat(2));
  const indices four = test::collect(d | data::repeat(4));
  CHECK(nested == four);
}

TEST_CASE("shuffle: every first element is as likely") {
  constexpr int n = 10, runs = 5000;
  int count[n][n] = {};
  for (int s = 0; s < runs; ++s) {
    const indices v = test::collect(data::range(n) | data::shuffle(n, static_cast<std::uint64_t>(s)));
    for (std::size_t p = 0; p < n; ++p) ++count[p][v[p]];
  }
  for (auto& row : count) {
    double chi = 0;
    for (int c : row) chi += (c - runs / n) * (c - runs / n) / static_cast<double>(runs / n);
    CHECK(chi < 33.7);  // 9 degrees of freedom, p = 0.0001
  }
}

TEST_CASE("shuffle: over a repeat, the buffer crosses epochs") {
  const auto d = data::range(5) | data::repeat(4) | data::shuffle(8, 2);
  indices want;
  for (std::int64_t i = 0; i < 20; ++i) want.push_back(i / 4);
  CHECK(sorted(test::collect(d)) == want);
  test::check_resume(d);
  test::check_resume(data::range(5) | data::repeat() | data::shuffle(8, 2) | data::batch(3));
  test::check_resume(data::range(7) | stream | data::shuffle(3, 2) | data::repeat(3));
}

TEST_CASE("shuffle: going forward far touches no data and takes no time") {
  const auto d = data::range(60000) | data::shuffle(60000, 5) | data::repeat() | data::batch(100);
  auto near = d.iterator();
  auto far = d.iterator();
  CHECK(far.skip(1000000) == 1000000);  // 1,666 epochs
  CHECK(near.skip(999999) == 999999);
  near.get();
  CHECK(test::values(near.get()) == test::values(far.get()));
  CHECK(data::cardinality(d) == data::infinite);
}

TEST_CASE("shuffle: bad arguments") {
  CHECK_THROWS_WITH_AS(data::shuffle(0), "shuffle: the buffer size is 0, it must be at least 1", invalid_argument);
}

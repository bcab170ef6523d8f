// SPDX-License-Identifier: Apache-2.0
#include "rill/data/prefetch.hpp"

#include <atomic>
#include <stdexcept>

#include "collect.hpp"
#include "rill/data/batch.hpp"
#include "rill/data/filter.hpp"
#include "rill/data/map.hpp"
#include "rill/data/range.hpp"
#include "rill/data/repeat.hpp"
#include "rill/data/shuffle.hpp"

using namespace rill;

TEST_CASE("prefetch: the same elements in the same order") {
  for (std::int64_t n : {1, 2, 7})
    for (std::int64_t size : {0, 1, 2, 50}) {
      CAPTURE(n);
      CAPTURE(size);
      const auto d = data::range(size) | data::shuffle(20, 3) | data::batch(3);
      const auto p = d | data::prefetch(n);
      CHECK(test::collect(p) == test::collect(d));
      test::check_resume(p);
      test::check_resume(d | data::repeat(3) | data::prefetch(n));
      test::check_resume(p | data::repeat(3));
      CHECK(data::cardinality(p) == data::cardinality(d));
    }
}

TEST_CASE("prefetch: skipping in the middle, at any moment") {
  const auto d = data::range(100) | data::prefetch(4);
  for (std::int64_t k = 0; k < 12; ++k) {
    auto it = d.iterator();
    CHECK(it.get() == 0);
    CHECK(it.get() == 1);
    CHECK(it.skip(k) == k);
    CHECK(it.get() == 2 + k);
    CHECK(it.skip(1) == 1);
    CHECK(it.get() == 4 + k);
  }
}

TEST_CASE("prefetch: an exception upstream comes after the elements before it") {
  const auto d = data::range(5) | data::map([](std::int64_t i) {
                   if (i == 3) throw data_loss("element 3 is broken");
                   return i;
                 }) |
                 data::prefetch(2);
  auto it = d.iterator();
  for (std::int64_t i = 0; i < 3; ++i) CHECK(it.get() == i);
  std::int64_t v = 0;
  CHECK_THROWS_WITH_AS(it.next(v), "element 3 is broken", data_loss);
  CHECK_FALSE(it.next(v));
  it.restart();
  CHECK(it.get() == 0);
}

TEST_CASE("prefetch: works ahead, no further than asked, and stops when dropped") {
  std::atomic<int> calls = 0;
  {
    const auto d = data::range(1000000) | data::map([&calls](std::int64_t i) { return ++calls, i; }) | data::prefetch(3);
    auto it = d.iterator();
    CHECK(calls == 0);  // nothing before the first next
    CHECK(it.get() == 0);
    while (calls < 5) std::this_thread::yield();
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    CHECK(calls == 5);  // one used, three in the ring, one in hand
  }
  CHECK(calls == 5);
  CHECK_THROWS_AS(data::prefetch(0), invalid_argument);
}

TEST_CASE("prefetch: an iterator can be moved while its thread runs") {
  const auto d = data::range(50) | data::repeat() | data::prefetch(2);
  auto a = d.iterator();
  CHECK(a.get() == 0);
  auto b = std::move(a);
  for (std::int64_t i = 1; i < 120; ++i) CHECK(b.get() == i % 50);
}

// SPDX-License-Identifier: Apache-2.0
#include "rill/data/cache.hpp"

#include "collect.hpp"
#include "rill/data/batch.hpp"
#include "rill/data/filter.hpp"
#include "rill/data/map.hpp"
#include "rill/data/range.hpp"
#include "rill/data/repeat.hpp"
#include "rill/data/shuffle.hpp"

using namespace rill;

TEST_CASE("cache: reads once, then is indexed") {
  int calls = 0;
  const auto d = data::range(10) | data::map([&calls](std::int64_t i) { return ++calls, i; }) |
                 data::filter([](std::int64_t i) { return i % 2 == 0; }) | data::cache();
  static_assert(data::indexed<std::remove_const_t<decltype(d)>>);
  CHECK(calls == 0);
  const std::vector<std::int64_t> want{0, 2, 4, 6, 8};
  CHECK(test::collect(d) == want);
  CHECK(test::collect(d | data::shuffle(1)) == want);
  CHECK(calls == 10);
  CHECK(d.size() == 5);
  test::check_resume(d | data::shuffle(3, 4) | data::repeat(2) | data::batch(3));
  CHECK(calls == 10);
  CHECK_THROWS_WITH_AS(test::collect(data::range(2) | data::repeat() | data::cache()),
                       "cache: the dataset before it never ends", invalid_argument);
}

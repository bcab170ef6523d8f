// SPDX-License-Identifier: Apache-2.0
#include "rill/data/take.hpp"

#include "collect.hpp"
#include "rill/data/filter.hpp"
#include "rill/data/range.hpp"
#include "rill/data/repeat.hpp"
#include "rill/data/shuffle.hpp"

using namespace rill;

TEST_CASE("take: the first elements") {
  for (std::int64_t n : {0, 1, 5, 9}) {
    CAPTURE(n);
    std::vector<std::int64_t> want;
    for (std::int64_t i = 0; i < n && i < 5; ++i) want.push_back(i);
    const auto d = data::range(5) | data::take(n);
    static_assert(data::indexed<std::remove_const_t<decltype(d)>>);
    CHECK(test::collect(d) == want);
    CHECK(test::collect(data::range(5) | data::shuffle(1) | data::take(n)) == want);
    CHECK(test::collect(data::range(5) | data::filter([](std::int64_t) { return true; }) | data::take(n)) == want);
    test::check_resume(d);
    test::check_resume(data::range(5) | data::shuffle(4) | data::take(n) | data::repeat(3));
  }
  CHECK(data::cardinality(data::range(5) | data::repeat() | data::take(12)) == 12);
  CHECK_THROWS_WITH_AS(data::take(-1), "take: the number of elements is -1, it must not be negative", invalid_argument);
}

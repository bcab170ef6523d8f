// SPDX-License-Identifier: Apache-2.0
#include "rill/data/skip.hpp"

#include "collect.hpp"
#include "rill/data/filter.hpp"
#include "rill/data/range.hpp"
#include "rill/data/repeat.hpp"
#include "rill/data/shuffle.hpp"
#include "rill/data/take.hpp"

using namespace rill;

TEST_CASE("skip: all but the first elements") {
  for (std::int64_t n : {0, 1, 5, 9}) {
    CAPTURE(n);
    std::vector<std::int64_t> want;
    for (std::int64_t i = n; i < 5; ++i) want.push_back(i);
    const auto d = data::range(5) | data::skip(n);
    static_assert(data::indexed<std::remove_const_t<decltype(d)>>);
    CHECK(test::collect(d) == want);
    CHECK(test::collect(data::range(5) | data::shuffle(1) | data::skip(n)) == want);
    CHECK(test::collect(data::range(5) | data::filter([](std::int64_t) { return true; }) | data::skip(n)) == want);
    test::check_resume(d);
    test::check_resume(data::range(5) | data::shuffle(4) | data::skip(n) | data::repeat(3));
  }
  CHECK(test::collect(data::range(9) | data::skip(2) | data::take(3)) == std::vector<std::int64_t>{2, 3, 4});
  CHECK_THROWS_AS(data::skip(-1), invalid_argument);
}

// SPDX-License-Identifier: Apache-2.0
#include "rill/data/range.hpp"

#include "collect.hpp"

using namespace rill;

TEST_CASE("range: like a loop") {
  for (std::int64_t start : {-3, 0, 5})
    for (std::int64_t stop : {-7, -3, 0, 4, 5, 6, 11})
      for (std::int64_t step : {-4, -1, 1, 2, 3}) {
        CAPTURE(start);
        CAPTURE(stop);
        CAPTURE(step);
        std::vector<std::int64_t> want;
        for (std::int64_t i = start; step > 0 ? i < stop : i > stop; i += step) want.push_back(i);
        CHECK(test::collect(data::range(start, stop, step)) == want);
      }
  test::check_resume(data::range(13));
}

TEST_CASE("range: bad arguments") {
  CHECK_THROWS_WITH_AS(data::range(0, 3, 0), "range: the step must not be 0", invalid_argument);
  CHECK_THROWS_AS(data::range(INT64_MIN, INT64_MAX), invalid_argument);
  CHECK(data::range(0, INT64_MAX).size() == INT64_MAX);
}

// SPDX-License-Identifier: Apache-2.0
#include "rill/data/enumerate.hpp"

#include "collect.hpp"
#include "rill/data/shuffle.hpp"

using namespace rill;

TEST_CASE("enumerate: numbers elements of any dataset") {
  const auto d = data::range(10, 13) | data::enumerate(5);
  CHECK(d.size() == 3);
  CHECK(test::collect(d)[2] == std::tuple<std::int64_t, std::int64_t>(7, 12));
  const auto s = data::range(4) | data::shuffle(4, 3) | data::enumerate();
  const auto plain = test::collect(data::range(4) | data::shuffle(4, 3));
  const auto got = test::collect(s);
  REQUIRE(got.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(got[i] == std::tuple<std::int64_t, std::int64_t>(i, plain[i]));
  test::check_resume(s);
}

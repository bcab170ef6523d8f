// SPDX-License-Identifier: Apache-2.0
#include "rill/data/concatenate.hpp"

#include "collect.hpp"
#include "rill/data/batch.hpp"
#include "rill/data/filter.hpp"
#include "rill/data/range.hpp"
#include "rill/data/shuffle.hpp"

using namespace rill;

TEST_CASE("concatenate: one after the other") {
  const auto d = data::range(2) | data::concatenate(data::range(5, 7));
  static_assert(data::indexed<std::remove_const_t<decltype(d)>>);
  CHECK(test::collect(d) == std::vector<std::int64_t>{0, 1, 5, 6});
  test::check_resume(d);
  test::check_resume(d | data::shuffle(4, 3) | data::batch(3));

  const auto s = data::concatenate(data::range(9) | data::filter([](std::int64_t i) { return i > 6; }), data::range(2));
  CHECK(test::collect(s) == std::vector<std::int64_t>{7, 8, 0, 1});
  test::check_resume(s);
  CHECK(test::collect(data::concatenate(data::range(0), data::range(1))) == std::vector<std::int64_t>{0});
}

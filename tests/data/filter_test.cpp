// SPDX-License-Identifier: Apache-2.0
#include "rill/data/filter.hpp"

#include "collect.hpp"
#include "rill/data/batch.hpp"
#include "rill/data/range.hpp"
#include "rill/data/repeat.hpp"
#include "rill/data/shuffle.hpp"
#include "rill/data/zip.hpp"

using namespace rill;

TEST_CASE("filter: keeps what the function wants") {
  const auto d = data::range(10) | data::filter([](std::int64_t i) { return i % 3 == 0; });
  CHECK(test::collect(d) == std::vector<std::int64_t>{0, 3, 6, 9});
  CHECK(data::cardinality(d) == data::unknown);
  test::check_resume(d);
  test::check_resume(d | data::shuffle(3, 5) | data::repeat(3) | data::batch(5));
  CHECK(test::collect(data::range(10) | data::filter([](std::int64_t) { return false; }) | data::repeat()).empty());
  const auto components = data::zip(data::range(6), data::range(3, 9)) | data::filter([](auto a, auto b) { return a * b > 20; });
  CHECK(test::collect(components).size() == 2);
}

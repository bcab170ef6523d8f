// SPDX-License-Identifier: Apache-2.0
#include "rill/data/repeat.hpp"

#include "collect.hpp"
#include "rill/data/batch.hpp"
#include "rill/data/filter.hpp"
#include "rill/data/range.hpp"
#include "rill/data/take.hpp"

using namespace rill;
using indices = std::vector<std::int64_t>;

TEST_CASE("repeat: counts") {
  CHECK(test::collect(data::range(2) | data::repeat(3)) == indices{0, 1, 0, 1, 0, 1});
  CHECK(test::collect(data::range(2) | data::repeat(0)).empty());
  CHECK(test::collect(data::range(2) | data::repeat(), 5) == indices{0, 1, 0, 1, 0});
  CHECK(test::collect(data::range(2) | data::repeat(data::forever) | data::take(3)) == indices{0, 1, 0});
  CHECK(test::collect(data::range(0) | data::repeat()).empty());
  CHECK(data::range(0).iterator().skip(4) == 0);
  CHECK((data::range(0) | data::repeat()).iterator().skip(4) == 0);
  CHECK(data::cardinality(data::range(3) | data::repeat(4)) == 12);
  CHECK(data::cardinality(data::range(3) | data::repeat()) == data::infinite);
}

TEST_CASE("repeat: of an order, of batches, of a stream") {
  test::check_resume(data::range(7) | data::repeat(3));
  test::check_resume(data::range(7) | data::batch(3) | data::repeat(3));
  test::check_resume(data::range(7) | data::filter([](std::int64_t i) { return i != 3; }) | data::repeat(3));
  test::check_resume(data::range(1) | data::repeat() | data::batch(4));
  // batches do not cross the end of an epoch when the batch comes first, and do when it comes last
  std::vector<std::int64_t> sizes;
  for (const auto& b : data::range(7) | data::batch(3) | data::repeat(2)) sizes.push_back(b.size());
  CHECK(sizes == indices{3, 3, 1, 3, 3, 1});
  sizes.clear();
  for (const auto& b : data::range(7) | data::repeat(2) | data::batch(3)) sizes.push_back(b.size());
  CHECK(sizes == indices{3, 3, 3, 3, 2});
}

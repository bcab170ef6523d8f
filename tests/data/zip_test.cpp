// SPDX-License-Identifier: Apache-2.0
#include "rill/data/zip.hpp"

#include "collect.hpp"
#include "rill/data/batch.hpp"
#include "rill/data/filter.hpp"
#include "rill/data/range.hpp"
#include "rill/data/repeat.hpp"
#include "rill/data/shuffle.hpp"

using namespace rill;

TEST_CASE("zip: the documentation's batches of two ranges") {
  const auto d = data::zip(data::range(100), data::range(0, -100, -1)) | data::batch(4);
  const auto got = test::collect(d);
  REQUIRE(got.size() == 25);
  using v = std::vector<std::int64_t>;
  CHECK(test::values(std::get<0>(got[0])) == v{0, 1, 2, 3});
  CHECK(test::values(std::get<1>(got[0])) == v{0, -1, -2, -3});
  CHECK(test::values(std::get<0>(got[1])) == v{4, 5, 6, 7});
  CHECK(test::values(std::get<1>(got[1])) == v{-4, -5, -6, -7});
  CHECK(test::values(std::get<0>(got[2])) == v{8, 9, 10, 11});
  CHECK(test::values(std::get<1>(got[2])) == v{-8, -9, -10, -11});
  test::check_resume(d);
}

TEST_CASE("zip: as long as the shortest, indexed or not") {
  const auto d = data::zip(data::range(7), data::range(5));
  static_assert(data::indexed<std::remove_const_t<decltype(d)>>);
  CHECK(d.size() == 5);
  test::check_resume(d);

  const auto odd = data::range(20) | data::filter([](std::int64_t i) { return i % 2 == 1; });
  const auto s = data::zip(odd, data::range(3) | data::shuffle(3, 1) | data::repeat());
  static_assert(!data::indexed<std::remove_const_t<decltype(s)>>);
  const auto got = test::collect(s);
  REQUIRE(got.size() == 10);
  for (std::size_t i = 0; i < 10; ++i) CHECK(std::get<0>(got[i]) == static_cast<std::int64_t>(2 * i + 1));
  test::check_resume(s);
  CHECK(data::cardinality(s) == data::unknown);
  CHECK(data::cardinality(data::zip(data::range(4), data::range(2) | data::repeat())) == 4);
}

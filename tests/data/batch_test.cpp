// SPDX-License-Identifier: Apache-2.0
#include "rill/data/batch.hpp"

#include "collect.hpp"
#include "rill/data/filter.hpp"
#include "rill/data/range.hpp"
#include "rill/data/shuffle.hpp"
#include "rill/data/slices.hpp"

using namespace rill;
using indices = std::vector<std::int64_t>;

namespace {
template <class D>
std::vector<indices> row_lists(const D& d) {
  std::vector<indices> r;
  for (const auto& b : d) r.push_back(test::values(b));
  return r;
}
}  // namespace

TEST_CASE("batch: remainder kept or left out, over every kind of dataset") {
  const auto same = data::filter([](std::int64_t) { return true; });
  for (std::int64_t n : {0, 1, 3, 4, 5, 12, 13})
    for (std::int64_t b : {1, 3, 4, 20})
      for (bool drop : {false, true}) {
        CAPTURE(n);
        CAPTURE(b);
        CAPTURE(drop);
        std::vector<indices> want;
        for (std::int64_t i = 0; i < n; i += b) {
          indices row;
          for (std::int64_t k = i; k < n && k < i + b; ++k) row.push_back(k);
          if (!drop || static_cast<std::int64_t>(row.size()) == b) want.push_back(row);
        }
        const auto step = data::batch(b, {.drop_remainder = drop});
        const auto d = data::range(n) | step;
        static_assert(data::indexed<std::remove_const_t<decltype(d)>>);
        CHECK(d.size() == static_cast<std::int64_t>(want.size()));
        CHECK(row_lists(d) == want);
        CHECK(row_lists(data::range(n) | data::shuffle(1) | step) == want);
        CHECK(row_lists(data::range(n) | same | step) == want);
        test::check_resume(d);
        test::check_resume(data::range(n) | data::shuffle(1) | step);
        test::check_resume(data::range(n) | same | step);
      }
}

TEST_CASE("batch: of batches, and batches in random order") {
  const auto d = data::range(12) | data::batch(3) | data::batch(2);
  const auto got = test::collect(d);
  REQUIRE(got.size() == 2);
  CHECK(got[1].shape() == tensor_shape{2, 3});
  CHECK(test::values(got[1]) == indices{6, 7, 8, 9, 10, 11});
  CHECK_THROWS_AS(test::collect(data::range(10) | data::batch(4) | data::batch(3)), invalid_argument);

  auto whole = row_lists(data::range(12) | data::batch(3) | data::shuffle(4, 9));
  CHECK(whole != row_lists(data::range(12) | data::batch(3)));
  std::sort(whole.begin(), whole.end());
  CHECK(whole == row_lists(data::range(12) | data::batch(3)));
}

TEST_CASE("batch: memory stays where it is, also around a short batch") {
  const auto d = data::from_tensor_slices(tensor<float, dyn, 5>({7, 5})) | data::batch(3);
  auto it = d.iterator();
  tensor<float, dyn, 5> b;
  REQUIRE(it.next(b));
  const float* full = b.data();
  REQUIRE(it.next(b));
  CHECK(b.data() == full);
  REQUIRE(it.next(b));
  CHECK(b.extent(0) == 1);
  const float* small = b.data();
  it.restart();
  REQUIRE(it.next(b));
  CHECK(b.data() == full);
  REQUIRE(it.next(b));
  REQUIRE(it.next(b));
  CHECK(b.data() == small);
}

TEST_CASE("batch: bad arguments") {
  CHECK_THROWS_WITH_AS(data::batch(0), "batch: the batch size is 0, it must be at least 1", invalid_argument);
  CHECK_THROWS_AS(data::batch(-1), invalid_argument);
}

// SPDX-License-Identifier: Apache-2.0
#include <rill/core/extents.hpp>

#include <doctest/doctest.h>

using namespace rill;

TEST_CASE("extents: static and dynamic dimensions") {
  using e = extents<dyn, 784, dyn>;
  static_assert(e::rank == 3 && e::dynamic == 2 && !e::is_static);
  static_assert(sizeof(extents<dyn, 784>) == sizeof(std::int64_t));
  const e x(tensor_shape{100, 784, 3});
  CHECK(x[0] == 100);
  CHECK(x[1] == 784);
  CHECK(x[2] == 3);
  CHECK(x.size() == 100 * 784 * 3);
  CHECK(x.shape() == tensor_shape{100, 784, 3});
  CHECK(extents<>().size() == 1);
  CHECK(extents<3, dyn>().size() == 0);
  CHECK(e::fits(tensor_shape{0, 784, 0}));
  CHECK_FALSE(e::fits(tensor_shape{1, 783, 1}));
  CHECK_FALSE(e::fits(tensor_shape{1, 784}));
  CHECK_FALSE(e::fits(tensor_shape{-1, 784, 1}));
  CHECK_THROWS_WITH_AS(e(tensor_shape{1, 2}), "a tensor of shape [?, 784, ?] cannot take the shape [1, 2]", invalid_argument);
}

TEST_CASE("extents: agreement of types") {
  using detail::extents_agree;
  static_assert(extents_agree<extents<2, dyn>, extents<dyn, 3>>);
  static_assert(!extents_agree<extents<2, 3>, extents<2, 4>>);
  static_assert(!extents_agree<extents<2>, extents<2, 1>>);
  static_assert(extents_agree<extents<any_rank>, extents<2, 4>>);
}

TEST_CASE("extents: sizes are checked") {
  CHECK(checked_size(tensor_shape{}) == 1);
  CHECK(checked_size(tensor_shape{3, 0, INT64_MAX / 3}) == 0);
  CHECK_THROWS_WITH_AS(checked_size(tensor_shape{3, 0, INT64_MAX}),
                       "shape [3, 0, 9223372036854775807] has more elements than 63 bits can count", invalid_argument);
  CHECK_THROWS_WITH_AS(checked_size(tensor_shape{INT64_MIN}), "shape [9223372036854775808*?] has a negative dimension", invalid_argument);
  CHECK(checked_size(tensor_shape{INT64_MAX, 1}) == INT64_MAX);
  CHECK_THROWS_WITH_AS(checked_size(tensor_shape{INT64_MAX, 2}),
                       "shape [9223372036854775807, 2] has more elements than 63 bits can count", invalid_argument);
  CHECK_THROWS_AS(checked_size(tensor_shape{4, -7}), invalid_argument);
  CHECK_THROWS_AS(checked_size(tensor_shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), invalid_argument);
}

// SPDX-License-Identifier: Apache-2.0
#include <rill/expr/broadcast.hpp>

#include <doctest/doctest.h>

using namespace rill;
using expr::broadcast_t;

TEST_CASE("broadcast: types") {
  static_assert(std::is_same_v<broadcast_t<extents<2, 3>, extents<3>>, extents<2, 3>>);
  static_assert(std::is_same_v<broadcast_t<extents<2, 1>, extents<1, 3>>, extents<2, 3>>);
  static_assert(std::is_same_v<broadcast_t<extents<dyn, 3>, extents<7, 1>>, extents<7, 3>>);
  static_assert(std::is_same_v<broadcast_t<extents<dyn>, extents<dyn>>, extents<dyn>>);
  static_assert(std::is_same_v<broadcast_t<extents<dyn>, extents<1>>, extents<dyn>>);
  static_assert(std::is_same_v<broadcast_t<extents<0>, extents<1>>, extents<0>>);
  static_assert(std::is_same_v<broadcast_t<extents<>, extents<>>, extents<>>);
  static_assert(std::is_same_v<broadcast_t<extents<any_rank>, extents<2>>, extents<any_rank>>);
  static_assert(std::is_same_v<broadcast_t<extents<2>, extents<2, 1>, extents<4, 1, 1>>, extents<4, 2, 2>>);
}

TEST_CASE("broadcast: run-time shapes") {
  CHECK(expr::broadcast({2, 1}, {3}) == tensor_shape{2, 3});
  CHECK(expr::broadcast({}, {3}) == tensor_shape{3});
  CHECK(expr::broadcast({0, 4}, {1, 1}) == tensor_shape{0, 4});
  CHECK_THROWS_WITH_AS(expr::broadcast({2, 3}, {4}),
                       "the shapes [2, 3] and [4] do not broadcast: trailing dimensions must be equal or 1", invalid_argument);
}

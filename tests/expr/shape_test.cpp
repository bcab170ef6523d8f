// SPDX-License-Identifier: Apache-2.0
#include <rill/core/print.hpp>
#include <rill/expr/create.hpp>
#include <rill/expr/shape.hpp>

#include <doctest/doctest.h>

using namespace rill;

TEST_CASE("shape: reshape, also of strided views") {
  const tensor<int, 2, 3> x{{1, 2, 3}, {4, 5, 6}};
  CHECK(to_string(reshape(x, {3, -1})) == "[[1 2]\n [3 4]\n [5 6]]");
  CHECK(to_string(reshape(x(all, slice{slice::none, slice::none, -1}), {6})) == "[3 2 1 6 5 4]");
  CHECK(to_string(reshape(x * 2, tensor_shape{1, 6})) == "[[ 2  4  6  8 10 12]]");
  CHECK(reshape(tensor<int, 0, 3>(), {-1, 3}).shape() == tensor_shape{0, 3});
  CHECK_THROWS_WITH_AS(reshape(x, {4, -1}), "reshape: a tensor of shape [2, 3] has 6 elements, which do not fill the shape [4, ?]", invalid_argument);
  CHECK_THROWS_AS(reshape(x, {-1, -1}), invalid_argument);
  CHECK_THROWS_AS(reshape(x, {INT64_MAX, 4}), invalid_argument);
}

TEST_CASE("shape: transpose") {
  const tensor<int, 2, 3> x{{1, 2, 3}, {4, 5, 6}};
  static_assert(std::is_same_v<decltype(transpose(x)), view<const int, 3, 2>>);
  CHECK(to_string(transpose(x)) == "[[1 4]\n [2 5]\n [3 6]]");
  tensor<int, 2, 3, 5> t;
  for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<int>(i);
  const auto p = transpose(t, {2, 0, 1});
  CHECK(p.shape() == tensor_shape{5, 2, 3});
  for (std::int64_t i = 0; i < 2; ++i)
    for (std::int64_t j = 0; j < 3; ++j)
      for (std::int64_t k = 0; k < 5; ++k) CHECK(p(k, i, j) == t(i, j, k));
  CHECK_THROWS_AS(transpose(t, {0, 0, 1}), invalid_argument);
  CHECK_THROWS_AS(transpose(t, {0, 1}), invalid_argument);
  tensor<int, dyn, dyn> square = reshape(range(9), {3, 3});
  square = transpose(square);
  CHECK(to_string(square) == "[[0 3 6]\n [1 4 7]\n [2 5 8]]");
  square = square + transpose(square);
  CHECK(to_string(square) == "[[ 0  4  8]\n [ 4  8 12]\n [ 8 12 16]]");
}

TEST_CASE("shape: expand_dims, squeeze, broadcast_to") {
  const tensor<int, 2, 3> x{{1, 2, 3}, {4, 5, 6}};
  CHECK(expand_dims(x, 0).shape() == tensor_shape{1, 2, 3});
  CHECK(expand_dims(x, -1).shape() == tensor_shape{2, 3, 1});
  CHECK(expand_dims(x, 1)(1, 0, 2) == 6);
  CHECK_THROWS_AS(expand_dims(x, 3), invalid_argument);
  CHECK(squeeze(expand_dims(x, 1)).shape() == tensor_shape{2, 3});
  CHECK(squeeze(expand_dims(x, 1), {1}).shape() == tensor_shape{2, 3});
  CHECK_THROWS_AS(squeeze(x, {0}), invalid_argument);
  CHECK(to_string(broadcast_to(x(0, all), {2, 3}) + 0) == "[[1 2 3]\n [1 2 3]]");
  CHECK_THROWS_AS(broadcast_to(x, {3, 3}), invalid_argument);
}

TEST_CASE("shape: concat") {
  const tensor<int, 2, 3> x{{1, 2, 3}, {4, 5, 6}};
  CHECK(to_string(concat({x, x})) == "[[1 2 3]\n [4 5 6]\n [1 2 3]\n [4 5 6]]");
  CHECK(to_string(concat({x, x}, {.axis = -1})) == "[[1 2 3 1 2 3]\n [4 5 6 4 5 6]]");
  CHECK(to_string(concat(x, x(all, 0)(all, newaxis) * 10, {.axis = 1})) == "[[ 1  2  3 10]\n [ 4  5  6 40]]");
  CHECK_THROWS_WITH_AS(concat(x, transpose(x)), "concat: the shapes [2, 3] and [3, 2] differ besides axis 0", invalid_argument);
  CHECK_THROWS_AS(concat({x, x}, {.axis = 2}), invalid_argument);
}

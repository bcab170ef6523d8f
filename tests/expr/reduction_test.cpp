// SPDX-License-Identifier: Apache-2.0
#include <rill/core/print.hpp>
#include <rill/expr/reduction.hpp>

#include <doctest/doctest.h>

using namespace rill;

TEST_CASE("reduction: options, static axes, keepdims") {
  const tensor<float, 2, 3> x{{1, 2, 3}, {4, 5, 6}};
  CHECK(static_cast<float>(reduce_sum(x)) == 21);
  static_assert(std::is_same_v<decltype(reduce_sum(x)), tensor<float>>);
  static_assert(std::is_same_v<decltype(reduce_sum(x, axis<0>)), tensor<float, 3>>);
  static_assert(std::is_same_v<decltype(reduce_sum(x, axis<-1>, keepdims)), tensor<float, 2, 1>>);
  static_assert(std::is_same_v<decltype(reduce_sum(x, {.axis = {0}})), tensor<float, any_rank>>);
  CHECK(to_string(reduce_sum(x, axis<0>)) == "[5. 7. 9.]");
  CHECK(to_string(reduce_sum(x, axis<-1>, keepdims)) == "[[ 6.]\n [15.]]");
  CHECK(to_string(mean(x, {.axis = {0}, .keepdims = true})) == "[[2.5 3.5 4.5]]");
  CHECK(to_string(reduce_max(x, {.axis = {-1}})) == "[3. 6.]");
  CHECK(to_string(reduce_min(x, {.axis = {1, 0}})) == "1.0");
  CHECK(to_string(reduce_prod(x, axis<1>)) == "[  6. 120.]");
  CHECK_THROWS_WITH_AS(reduce_sum(x, {.axis = {2}}), "Sum: an axis is out of range or named twice for the shape [2, 3]", invalid_argument);
  CHECK_THROWS_AS(reduce_sum(x, {.axis = {0, -2}}), invalid_argument);
}

TEST_CASE("reduction: of expressions, views and broadcasts, in one pass") {
  tensor<float, dyn, dyn> x({7, 33});
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(i % 13) - 6;
  double squares = 0;
  double column = 0;
  for (std::int64_t i = 0; i < 7; ++i) column += static_cast<double>(x(i, 4));
  for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
  CHECK(static_cast<double>(static_cast<float>(sum(square(x)))) == doctest::Approx(squares));
  CHECK(static_cast<double>(sum(x, axis<0>)(4)) == doctest::Approx(column));
  CHECK(static_cast<double>(static_cast<float>(sum(x(all, 4)))) == doctest::Approx(column));
  tensor centred = x - reduce_mean(x, axis<0>, keepdims);
  CHECK(static_cast<double>(static_cast<float>(sum(centred(all, 4)))) == doctest::Approx(0).epsilon(1e-5));
  CHECK(static_cast<bool>(all(x * x >= 0)));
  CHECK(static_cast<bool>(any(x > 5)));
  CHECK_FALSE(static_cast<bool>(any(x > 6)));
}

TEST_CASE("reduction: argmax and argmin") {
  const tensor<float, 3, 4> x{{1, 5, 5, 2}, {0, -1, -1, 3}, {9, 2, 4, 9}};
  static_assert(std::is_same_v<decltype(argmax(x, axis<1>)), tensor<std::int64_t, 3>>);
  CHECK(to_string(argmax(x, axis<1>)) == "[1 3 0]");
  CHECK(to_string(argmin(x, axis<1>)) == "[0 1 1]");
  CHECK(to_string(argmax(x)) == "[2 0 0 2]");
  CHECK(to_string(argmax<std::int32_t>(-x, {.axis = -1})) == "[0 1 1]");
  CHECK_THROWS_AS(argmax(tensor<float, dyn>()), invalid_argument);
}

TEST_CASE("reduction: nothing to reduce, integers, scalars") {
  const tensor<float, 0> empty;
  CHECK(to_string(reduce_sum(empty)) == "0.0");
  CHECK(to_string(reduce_max(empty)) == "-inf");
  CHECK(to_string(reduce_mean(empty)) == "nan");
  const tensor<int, 2, 2> i{{1, 2}, {3, 5}};
  CHECK(to_string(reduce_mean(i)) == "2");
  CHECK(to_string(reduce_max(i, axis<0>)) == "[3 5]");
  CHECK(to_string(reduce_sum(tensor<float>(3.5F))) == "3.5");
}

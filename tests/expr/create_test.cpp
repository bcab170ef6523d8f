// SPDX-License-Identifier: Apache-2.0
#include <rill/core/print.hpp>
#include <rill/expr/create.hpp>

#include <doctest/doctest.h>

using namespace rill;

TEST_CASE("create: zeros, ones, full, eye, range, linspace, one_hot") {
  CHECK(to_string(zeros<float>({2, 1})) == "[[0.]\n [0.]]");
  CHECK(to_string(ones<int, 2>()) == "[1 1]");
  CHECK(to_string(full({2}, 7)) == "[7 7]");
  CHECK(to_string(eye(2)) == "[[1. 0.]\n [0. 1.]]");
  CHECK(to_string(range(5)) == "[0 1 2 3 4]");
  CHECK(to_string(range(7, 0, -3)) == "[7 4 1]");
  CHECK(range(3, 3).size() == 0);
  CHECK(to_string(range(1.0F, 2.0F, 0.25F)) == "[1.   1.25 1.5  1.75]");
  CHECK(to_string(linspace(0.0, 1.0, 5)) == "[0.   0.25 0.5  0.75 1.  ]");
  CHECK(to_string(one_hot(tensor<int, 4>{0, 2, 5, -1}, 3)) == "[[1. 0. 0.]\n [0. 0. 1.]\n [0. 0. 0.]\n [0. 0. 0.]]");
  CHECK_THROWS_AS(range(0, 5, 0), invalid_argument);
  CHECK_THROWS_AS(linspace(0.0F, 1.0F, 0), invalid_argument);
  CHECK_THROWS_AS(zeros<float>({-1}), invalid_argument);
  CHECK_THROWS_AS(one_hot(tensor<int, 1>{0}, -2), invalid_argument);
}

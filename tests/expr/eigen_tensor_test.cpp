// SPDX-License-Identifier: Apache-2.0
#include "rill/expr/eigen_tensor.hpp"

#include <doctest/doctest.h>

using namespace rill;

TEST_CASE("eigen_tensor: maps and copies") {
  tensor<float, 2, 3, 4> a;
  for (int i = 0; i < 24; ++i) a.data()[i] = static_cast<float>(i);
  auto m = as_eigen_tensor(a);
  CHECK(m(1, 2, 3) == 23);
  tensor<float, dyn, 3, dyn> b({2, 3, 4});
  const auto& constant = a;
  as_eigen_tensor(b) = as_eigen_tensor(constant) * 2.0f;
  CHECK(b(1, 0, 2) == 2 * a(1, 0, 2));

  Eigen::Tensor<int, 3> columns(2, 3, 4);
  Eigen::Tensor<int, 3, Eigen::RowMajor> rows(2, 3, 4);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 4; ++k) columns(i, j, k) = rows(i, j, k) = 100 * i + 10 * j + k;
  const auto c = from_eigen_tensor(columns);
  static_assert(std::is_same_v<decltype(c), const tensor<int, dyn, dyn, dyn>>);
  CHECK(c(1, 2, 3) == 123);
  CHECK((from_eigen_tensor(rows) == c));
  CHECK(from_eigen_tensor(Eigen::Tensor<double, 0>()).size() == 1);
}

// SPDX-License-Identifier: Apache-2.0
#include "rill/expr/eigen.hpp"

#include <doctest/doctest.h>

#include "rill/core/convert.hpp"

using namespace rill;

namespace {
template <class T>
tensor<T, dyn, dyn> counted(std::int64_t rows, std::int64_t cols) {
  tensor<T, dyn, dyn> t({rows, cols});
  for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<T>(i);
  return t;
}
}  // namespace

TEST_CASE("eigen: maps see the tensor's memory") {
  auto t = counted<float>(3, 5);
  auto m = as_eigen(t);
  static_assert(decltype(m)::IsRowMajor && decltype(m)::RowsAtCompileTime == Eigen::Dynamic);
  CHECK(m.rows() == 3);
  CHECK(m.cols() == 5);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 5; ++j) REQUIRE(m(i, j) == t(i, j));
  m(2, 1) = -1;
  CHECK(t(2, 1) == -1);
  as_eigen_array(t) += 1.0f;
  CHECK(t(0, 0) == 1);

  tensor<double, 2, 3> fixed{{1, 2, 3}, {4, 5, 6}};
  static_assert(decltype(as_eigen(fixed))::RowsAtCompileTime == 2 && decltype(as_eigen(fixed))::ColsAtCompileTime == 3);
  const auto& read_only = fixed;
  CHECK(as_eigen(read_only).sum() == 21);
  CHECK(as_eigen_array(read_only).maxCoeff() == 6);

  tensor<double, 3> v{1, 2, 3};
  static_assert(decltype(as_eigen(v))::IsVectorAtCompileTime);
  const auto product = from_eigen(as_eigen(fixed) * as_eigen(v));
  static_assert(std::is_same_v<decltype(product), const tensor<double, 2>>);
  CHECK(product == tensor<double, 2>{14, 32});

  tensor<float, dyn, 1> column({4, 1});
  as_eigen(column).setLinSpaced(1, 4);
  CHECK(column(3, 0) == 4);
  tensor<float, 1, dyn> row({1, 4});
  as_eigen(row) = as_eigen(column).transpose();
  CHECK(row(0, 2) == 3);
  tensor<float, dyn, dyn> empty({0, 3});
  CHECK(as_eigen(empty).sum() == 0);
}

TEST_CASE("eigen: views keep their strides") {
  auto t = counted<int>(6, 7);
  const auto v = t(slice{5, slice::none, -2}, slice{1, 7, 3});
  auto m = as_eigen(v);
  REQUIRE(m.rows() == 3);
  REQUIRE(m.cols() == 2);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 2; ++j) REQUIRE(m(i, j) == t(5 - 2 * i, 1 + 3 * j));
  as_eigen(t(all, 2)).setConstant(100);
  for (int i = 0; i < 6; ++i) CHECK(t(i, 2) == 100);
  CHECK(t(0, 3) == 3);
  as_eigen_array(t(0, slice{0, slice::none, 2})) *= 2;
  CHECK(t(0, 4) == 8);
  const auto column = t(all, slice{6, 7});
  CHECK(as_eigen(column)(3, 0) == t(3, 6));
  const int raw[] = {1, 2, 3, 4, 5, 6};  // column-major memory of somebody else
  CHECK(as_eigen(from_pointer(raw, {2, 3}, {1, 2}))(1, 2) == 6);
}

TEST_CASE("eigen: from matrices, arrays and expressions of any storage order") {
  Eigen::MatrixXf columns(2, 3);
  columns << 1, 2, 3, 4, 5, 6;
  const auto t = from_eigen(columns);
  static_assert(std::is_same_v<decltype(t), const tensor<float, dyn, dyn>>);
  CHECK(t == tensor<float, 2, 3>{{1, 2, 3}, {4, 5, 6}});
  CHECK(from_eigen(columns.transpose() * 2.0f)(2, 1) == 12);
  const Eigen::Matrix3d i3 = Eigen::Matrix3d::Identity();
  const tensor<double, 3, 3> identity = from_eigen(i3);
  CHECK(identity(1, 1) == 1);
  CHECK(identity(1, 2) == 0);
  const auto flags = from_eigen(columns.array() > 3.0f);
  static_assert(std::is_same_v<decltype(flags), const tensor<bool, dyn, dyn>>);
  CHECK((flags(1, 0) && !flags(0, 2)));
  const auto row = from_eigen(columns.row(1));
  static_assert(std::is_same_v<decltype(row), const tensor<float, dyn>>);
  CHECK(to_vector(row) == std::vector<float>{4, 5, 6});
  const auto z = from_eigen((Eigen::Vector2cf() << std::complex<float>(1, 2), 3).finished());
  CHECK(z(0).imag() == 2);
  CHECK(from_eigen(Eigen::MatrixXf(0, 4)).shape() == tensor_shape{0, 4});
}

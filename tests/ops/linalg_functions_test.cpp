// SPDX-License-Identifier: Apache-2.0
// Determinants and small functions of matrices: worked examples, operands that are refused.

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <rill/eager/linalg.hpp>

#include "linalg_matrices.hpp"

using namespace rill;
using namespace rill::test;

namespace {

/// The determinant by expansion along the first row.
double minors(const std::vector<double>& a, std::size_t n) {
  if (n == 0) return 1;
  double sum = 0;
  for (std::size_t c = 0; c < n; ++c) {
    std::vector<double> rest;
    for (std::size_t i = 1; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        if (j != c) rest.push_back(a[i * n + j]);
    sum += (c % 2 == 0 ? 1 : -1) * a[c] * minors(rest, n - 1);
  }
  return sum;
}

}  // namespace

TEST_CASE("determinants equal their expansion") {
  for (const std::int64_t n : {0, 1, 2, 3, 5}) {
    const dynamic_tensor a = random_matrices<double>({3, n, n}, 9);
    const dynamic_tensor d = matrix_determinant(a);
    const auto [sign, log_abs] = log_matrix_determinant(a);
    REQUIRE(d.shape() == tensor_shape{3});
    for (std::size_t k = 0; k < 3; ++k) {
      const auto m = static_cast<std::size_t>(n);
      const double* p = a.span<double>().data() + k * m * m;
      const double want = minors({p, p + m * m}, m);
      CHECK(d.span<double>()[k] == doctest::Approx(want).epsilon(1e-10));
      CHECK(sign.span<double>()[k] * std::exp(log_abs.span<double>()[k]) == doctest::Approx(want).epsilon(1e-10));
    }
  }
  const tensor<float, 2, 2> singular{{1, 2}, {2, 4}};
  CHECK(to_string(matrix_determinant(singular)) == "0.0");
  CHECK(to_string(log_matrix_determinant(singular).sign) == "0.0");
  CHECK(to_string(log_matrix_determinant(singular).log_abs_determinant) == "-inf");
  const tensor<std::complex<double>, 2, 2> c{{{0, 1}, {1, 0}}, {{2, 0}, {0, 3}}};  // i 3i - 2 = -5
  CHECK(std::abs(matrix_determinant(c).data()[0] - std::complex<double>(-5, 0)) < 1e-14);
  CHECK(log_matrix_determinant(c).log_abs_determinant.data()[0] == doctest::Approx(std::log(5.0)));
  const tensor<double, 2, 2> p{{4, 2}, {2, 3}};
  CHECK(logdet(p).data()[0] == doctest::Approx(std::log(8.0)));
}

TEST_CASE("worked examples") {
  const tensor<double, 2, 2> a{{4, 2}, {2, 3}};
  CHECK(to_string(matrix_solve(a, tensor<double, 2, 1>{{2}, {1}})) == "[[0.5]\n [0. ]]");
  CHECK(to_string(matrix_inverse(tensor<double, 2, 2>{{1, 2}, {3, 4}})) == "[[-2.   1. ]\n [ 1.5 -0.5]]");
  CHECK(to_string(trace(tensor<int, 2, 3>{{1, 2, 3}, {4, 5, 6}})) == "6");
  CHECK(to_string(trace(tensor<float, 2, 3, 2>{{{1, 2}, {3, 4}, {9, 9}}, {{5, 6}, {7, 8}, {9, 9}}})) == "[ 5. 13.]");
  CHECK(to_string(cross(tensor<int, 2, 3>{{1, 0, 0}, {1, 2, 3}}, tensor<int, 2, 3>{{0, 1, 0}, {4, 5, 6}})) == "[[ 0  0  1]\n [-3  6 -3]]");
  CHECK(to_string(matrix_transpose(tensor<int, 1, 2, 2>{{{1, 2}, {3, 4}}})) == "[[[1 3]\n  [2 4]]]");
  CHECK(to_string(eye<int>(2, 3)) == "[[1 0 0]\n [0 1 0]]");
  CHECK(to_string(eye<float>(2, -1, {2}).shape()) == "[2, 2, 2]");
}

TEST_CASE("operands that do not fit are refused") {
  const dynamic_tensor square = random_matrices<double>({2, 3, 3}, 1), wide = random_matrices<double>({2, 3}, 1);
  const dynamic_tensor rhs = random_matrices<double>({2, 3, 1}, 1), vector = random_matrices<double>({3}, 1);
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  CHECK(has(message_of([&] { matrix_determinant(wide); }), "square"));
  CHECK(has(message_of([&] { matrix_determinant(vector); }), "must be a matrix"));
  CHECK(has(message_of([&] { matrix_determinant(cast<std::int64_t>(square)); }), "takes float32"));
  CHECK(has(message_of([&] { log_matrix_determinant(wide); }), "square"));
  CHECK(has(message_of([&] { cross(square, vector); }), "one number dtype and shape"));
  CHECK(has(message_of([&] { cross(rhs, rhs); }), "vectors of 3"));
  CHECK(has(message_of([&] { trace(vector); }), "must be a matrix"));
  CHECK(has(message_of([&] { matrix_transpose(vector); }), "must be a matrix"));
  CHECK(has(message_of([&] { eye_like(wide, -3); }), "at least 0"));
}

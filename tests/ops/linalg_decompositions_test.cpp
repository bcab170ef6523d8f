// SPDX-License-Identifier: Apache-2.0
// qr, svd, eigenvalues, least squares and the matrix exponential: the identities that define them, known values, operands
// that are refused.

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <rill/eager/linalg.hpp>

#include "linalg_matrices.hpp"

using namespace rill;
using namespace rill::test;

namespace {

struct extents_2d {
  std::int64_t m, n;
};
constexpr extents_2d sizes[] = {{1, 1}, {2, 2}, {3, 3}, {5, 3}, {3, 5}, {17, 9}, {9, 17}, {33, 33}, {4, 1}, {1, 4}, {0, 3}, {3, 0}};

template <class T>
void check_decompositions(double tolerance) {
  CAPTURE(name_of(dtype_v<T>));
  for (const extents_2d& extents : sizes) {
    const std::int64_t m = extents.m, n = extents.n;
    CAPTURE(m);
    CAPTURE(n);
    const std::int64_t k = std::min(m, n);
    const dynamic_tensor a = random_matrices<T>({2, m, n}, 3);
    for (const bool full : {false, true}) {
      CAPTURE(full);
      const auto [q, r] = qr(a, {.full_matrices = full});
      const std::int64_t c = full ? m : k;
      REQUIRE(q.shape() == tensor_shape{2, m, c});
      REQUIRE(r.shape() == tensor_shape{2, c, n});
      CHECK(distance(matmul(q, r), a) <= tolerance);
      CHECK(distance(matmul(q, q, {.adjoint_a = true}), eye_like(a, c, -1, {2})) <= tolerance);
      CHECK(distance(r, detail::keep_part(r, detail::matrix_part::upper)) == 0);

      const auto [s, u, v] = svd(a, {.full_matrices = full});
      const std::int64_t cu = full ? m : k, cv = full ? n : k;
      REQUIRE(s.shape() == tensor_shape{2, k});
      REQUIRE(u.shape() == tensor_shape{2, m, cu});
      REQUIRE(v.shape() == tensor_shape{2, n, cv});
      CHECK(distance(matmul(u, u, {.adjoint_a = true}), eye_like(a, cu, -1, {2})) <= tolerance);
      CHECK(distance(matmul(v, v, {.adjoint_a = true}), eye_like(a, cv, -1, {2})) <= tolerance);
      for (std::int64_t i = 0; i + 1 < k; ++i) CHECK(s.template span<T>()[static_cast<std::size_t>(i)] >= s.template span<T>()[static_cast<std::size_t>(i + 1)]);
      if (!full) CHECK(distance(matmul(u * expand_dims(s, -2), v, {.adjoint_b = true}), a) <= tolerance);
      CHECK(distance(svd(a, {.compute_uv = false}).s, s) <= tolerance);
    }
    const dynamic_tensor x = random_matrices<T>({2, m, 2}, 4);
    const dynamic_tensor least = matrix_solve_ls(a, x, {.fast = false});
    REQUIRE(least.shape() == tensor_shape{2, n, 2});
    // the residual is orthogonal to the columns
    CHECK(distance(matmul(a, matmul(a, least) - x, {.adjoint_a = true}), zeros_like(least)) <= tolerance * 10);
    if (k > 0 && m != n) CHECK(distance(matrix_solve_ls(a, x), least) <= tolerance * 1000);
  }
  for (const std::int64_t n : {0, 1, 2, 3, 17}) {
    CAPTURE(n);
    const dynamic_tensor a = random_matrices<T>({3, n, n}, 6), symmetric = a + adjoint(a);
    const auto [e, v] = self_adjoint_eig(symmetric);
    REQUIRE(e.shape() == tensor_shape{3, n});
    CHECK(distance(matmul(symmetric, v), v * expand_dims(e, -2)) <= tolerance);
    CHECK(distance(matmul(v, v, {.adjoint_a = true}), eye_like(a, n, -1, {3})) <= tolerance);
    CHECK(distance(self_adjoint_eigvals(symmetric), e) <= tolerance);
    // only the lower triangle is read
    CHECK(distance(self_adjoint_eigvals(detail::keep_part(symmetric, detail::matrix_part::lower)), e) <= tolerance);
  }
}

}  // namespace

TEST_CASE("decompositions put together again") {
  check_decompositions<double>(1e-12);
  check_decompositions<float>(1e-5);
}

TEST_CASE("the matrix exponential") {
  const auto number = [](const auto& t, int i) { return t.data()[i]; };
  const tensor<double, 2, 2> turn{{0, -1}, {1, 0}};
  const auto r = matrix_exponential(turn);
  CHECK(number(r, 0) == doctest::Approx(std::cos(1.0)).epsilon(1e-14));
  CHECK(number(r, 2) == doctest::Approx(std::sin(1.0)).epsilon(1e-14));
  const dynamic_tensor nilpotent(matrix_exponential(tensor<double, 3, 3>{{0, 1, 2}, {0, 0, 3}, {0, 0, 0}}));
  CHECK(distance(nilpotent, dynamic_tensor(tensor<double, 3, 3>{{1, 1, 3.5}, {0, 1, 3}, {0, 0, 1}})) < 1e-15);
  const auto large = matrix_exponential(tensor<double, 2, 2>{{-20, 0}, {30, 20}});  // lower triangular: closed form
  CHECK(number(large, 3) == doctest::Approx(std::exp(20.0)).epsilon(1e-12));
  CHECK(number(large, 2) == doctest::Approx(30 * (std::exp(20.0) - std::exp(-20.0)) / 40).epsilon(1e-12));
  const dynamic_tensor a = random_matrices<std::complex<double>>({2, 5, 5}, 8);
  CHECK(distance(matmul(matrix_exponential(a), matrix_exponential(-a)), eye_like(a, 5, -1, {2})) < 1e-12);
  CHECK(matrix_exponential(random_matrices<float>({2, 0, 0}, 1)).shape() == tensor_shape{2, 0, 0});
}

TEST_CASE("typed decompositions") {
  const tensor<double, 2, 2> a{{3, 0}, {4, 5}};  // singular values 3 sqrt 5 and sqrt 5
  const auto [s, u, v] = svd(a);
  CHECK(s.data()[0] == doctest::Approx(3 * std::sqrt(5.0)));
  CHECK(s.data()[1] == doctest::Approx(std::sqrt(5.0)));
  const auto [e, w] = self_adjoint_eig(tensor<float, 2, 2>{{2, 1}, {1, 2}});
  CHECK(e.data()[0] == doctest::Approx(1.0f));
  CHECK(e.data()[1] == doctest::Approx(3.0f));
  const auto [q, r] = qr(a);
  CHECK(std::abs(r.data()[0]) == doctest::Approx(5));
  const tensor<double, 3, 1> line{{1}, {2}, {3}}, y{{2}, {4}, {6}};
  CHECK(matrix_solve_ls(line, y).data()[0] == doctest::Approx(2));
  CHECK(matrix_solve_ls(line, y, {.l2_regularizer = 14}).data()[0] == doctest::Approx(1));
  // of rank 1: the solution of least norm
  const auto flat = matrix_solve_ls(tensor<double, 2, 2>{{1, 1}, {1, 1}}, tensor<double, 2, 1>{{2}, {2}}, {.fast = false});
  CHECK(flat.data()[0] == doctest::Approx(1));
  CHECK(flat.data()[1] == doctest::Approx(1));
}

TEST_CASE("decompositions refuse what they cannot take") {
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  const dynamic_tensor vector = random_matrices<double>({3}, 1), wide = random_matrices<double>({2, 3}, 1);
  dynamic_tensor broken = random_matrices<double>({2, 3, 3}, 1);
  static_cast<double*>(broken.mutable_data())[9] = NAN;
  const dynamic_tensor complex_one = random_matrices<std::complex<float>>({2, 2}, 1), integers = cast<std::int32_t>(wide);
  CHECK(has(message_of([&] { qr(vector); }), "Qr: the operand must be a matrix"));
  CHECK(has(message_of([&] { qr(integers); }), "Qr: takes float32, float64, complex64 and complex128: got int32[2, 3]"));
  CHECK(qr(complex_one).r.type() == dtype::complex64);
  CHECK(has(message_of([&] { svd(vector); }), "Svd: the operand must be a matrix"));
  CHECK(has(message_of([&] { svd(integers); }), "takes float32"));
  CHECK(has(message_of([&] { svd(broken); }), "Svd: matrix 1 of 2 has elements that are not finite"));
  CHECK(has(message_of([&] { self_adjoint_eig(wide); }), "SelfAdjointEig: matrices must be square"));
  CHECK(has(message_of([&] { self_adjoint_eig(broken); }), "SelfAdjointEig: matrix 1 of 2 has elements"));
  CHECK(has(message_of([&] { self_adjoint_eigvals(vector); }), "must be a matrix"));
  CHECK(has(message_of([&] { matrix_solve_ls(wide, vector); }), "MatrixSolveLs: the right-hand side does not fit"));
  CHECK(has(message_of([&] { matrix_solve_ls(broken, broken, {.fast = false}); }), "matrix 1 of 2 has elements"));
  CHECK(has(message_of([&] { matrix_solve_ls(vector, vector); }), "must be a matrix"));
  CHECK(has(message_of([&] { matrix_exponential(wide); }), "MatrixExponential: matrices must be square"));
  CHECK(has(message_of([&] { matrix_exponential(broken); }), "matrix 1 of 2 has elements that are not finite"));
  CHECK(has(message_of([&] { matrix_exponential(integers); }), "takes float32"));
}

// SPDX-License-Identifier: Apache-2.0
// Solvers, inverse and Cholesky by the identities that define them, over batches and dtypes.

#include <doctest/doctest.h>

#include <complex>
#include <rill/eager/linalg.hpp>

#include "linalg_matrices.hpp"

using namespace rill;
using namespace rill::test;

namespace {

template <class T>
void check_solvers(double tolerance) {
  CAPTURE(name_of(dtype_v<T>));
  for (const std::int64_t n : {0, 1, 2, 3, 7, 17, 33}) {
    CAPTURE(n);
    const dynamic_tensor a = random_matrices<T>({2, 3, n, n}, 5), b = random_matrices<T>({2, 3, n, 4}, 6);
    const dynamic_tensor positive = add_identity(matmul(a, a, {.adjoint_b = true}), 0.5);
    const dynamic_tensor regular = add_identity(a, 2.0 * static_cast<double>(n));
    const dynamic_tensor one = eye_like(a, n, -1, {2, 3});

    const dynamic_tensor l = cholesky(positive);
    CHECK(distance(matmul(l, l, {.adjoint_b = true}), positive) <= tolerance);
    CHECK(distance(l, detail::keep_part(l, detail::matrix_part::lower)) == 0);
    CHECK(distance(matmul(positive, cholesky_solve(l, b)), b) <= tolerance * 10);
    CHECK(distance(matmul(l, matrix_triangular_solve(l, b)), b) <= tolerance * 10);
    CHECK(distance(matmul(l, matrix_triangular_solve(l, b, {.adjoint = true}), {.adjoint_a = true}), b) <= tolerance * 10);
    const dynamic_tensor u = adjoint(l);
    CHECK(distance(matmul(u, matrix_triangular_solve(u, b, {.lower = false})), b) <= tolerance * 10);
    CHECK(distance(matmul(u, matrix_triangular_solve(u, b, {.lower = false, .adjoint = true}), {.adjoint_a = true}), b) <=
          tolerance * 10);

    CHECK(distance(matmul(regular, matrix_solve(regular, b)), b) <= tolerance);
    CHECK(distance(matmul(regular, matrix_solve(regular, b, {.adjoint = true}), {.adjoint_a = true}), b) <= tolerance);
    CHECK(distance(matmul(regular, matrix_inverse(regular)), one) <= tolerance);
    CHECK(distance(matmul(regular, matrix_inverse(regular, {.adjoint = true}), {.adjoint_a = true}), one) <= tolerance);

    CHECK(l.shape() == tensor_shape{2, 3, n, n});
    CHECK(l.type() == dtype_v<T>);
  }
}

}  // namespace

TEST_CASE("solvers undo products, in batches of every dtype") {
  check_solvers<float>(2e-4);
  check_solvers<double>(1e-11);
  check_solvers<std::complex<float>>(2e-4);
  check_solvers<std::complex<double>>(1e-11);
}

TEST_CASE("solvers refuse operands that do not fit and matrices that cannot be solved") {
  const dynamic_tensor square = random_matrices<double>({2, 3, 3}, 1), wide = random_matrices<double>({2, 3}, 1);
  const dynamic_tensor rhs = random_matrices<double>({2, 3, 1}, 1), vector = random_matrices<double>({3}, 1);
  dynamic_tensor singular = eye_like(square, 3, -1, {4});
  static_cast<double*>(singular.mutable_data())[2 * 9 + 4] = 0;
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  CHECK(has(message_of([&] { cholesky(wide); }), "Cholesky: matrices must be square: got float64[2, 3]"));
  CHECK(has(message_of([&] { cholesky(vector); }), "must be a matrix or a batch"));
  CHECK(has(message_of([&] { cholesky(cast<std::int32_t>(square)); }), "takes float32, float64"));
  CHECK(has(message_of([&] { cholesky(singular); }), "Cholesky: matrix 2 of 4 is not positive definite: got float64[4, 3, 3]"));
  CHECK(has(message_of([&] { cholesky(0 - eye_like(square, 3)); }), "matrix 0 of 1 is not positive definite"));
  CHECK(has(message_of([&] { matrix_solve(singular, random_matrices<double>({4, 3, 1}, 1)); }), "MatrixSolve: matrix 2 of 4 is not invertible"));
  CHECK(has(message_of([&] { matrix_solve(square, vector); }), "the right-hand side does not fit"));
  CHECK(has(message_of([&] { matrix_solve(square, random_matrices<float>({2, 3, 1}, 1)); }), "the right-hand side does not fit"));
  CHECK(has(message_of([&] { matrix_solve(wide, rhs); }), "square"));
  CHECK(has(message_of([&] { matrix_inverse(singular); }), "MatrixInverse: matrix 2 of 4 is not invertible"));
  CHECK(has(message_of([&] { matrix_inverse(wide); }), "square"));
  CHECK(has(message_of([&] { matrix_inverse(vector); }), "must be a matrix"));
  CHECK(has(message_of([&] { matrix_triangular_solve(singular, random_matrices<double>({4, 3, 1}, 1)); }), "is not invertible"));
  CHECK(has(message_of([&] { matrix_triangular_solve(square, wide); }), "does not fit"));
  CHECK(has(message_of([&] { matrix_triangular_solve(wide, rhs); }), "square"));
}

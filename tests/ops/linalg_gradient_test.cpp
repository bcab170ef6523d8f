// SPDX-License-Identifier: Apache-2.0
// Gradients of solvers, determinants, traces and products of vectors, of first and second order.

#include <doctest/doctest.h>

#include <rill/eager/linalg.hpp>

#include "derivatives.hpp"
#include "linalg_matrices.hpp"

using namespace rill;
using namespace rill::test;

TEST_CASE("gradients of solvers agree with central differences, twice") {
  const dynamic_tensor a = add_identity(random_matrices<double>({2, 3, 3}, 21), 2), b = random_matrices<double>({2, 3, 2}, 22);
  check_derivatives("cholesky", [](auto x) { return cholesky(matmul(x, x, {.transpose_b = true})); }, {a});
  check_derivatives("solve", [](auto x, auto y) { return matrix_solve(x, y); }, {a, b});
  check_derivatives("solve adjoint", [](auto x, auto y) { return matrix_solve(x, y, {.adjoint = true}); }, {a, b});
  check_derivatives("inverse", [](auto x) { return matrix_inverse(x); }, {a});
  check_derivatives("inverse adjoint", [](auto x) { return matrix_inverse(x, {.adjoint = true}); }, {a});
  check_derivatives("determinant", [](auto x) { return matrix_determinant(x); }, {a});
  check_derivatives("log determinant", [](auto x) { return log_matrix_determinant(x).log_abs_determinant; }, {a});
  for (const bool lower : {true, false})
    for (const bool adjoint : {true, false})
      check_derivatives("triangular solve", [&](auto x, auto y) { return matrix_triangular_solve(x, y, {.lower = lower, .adjoint = adjoint}); }, {a, b});
  check_derivatives("cholesky solve", [](auto x, auto y) { return cholesky_solve(x, y); }, {a, b});
  check_derivatives("cross", [](auto x, auto y) { return cross(x, y); }, {random_matrices<double>({2, 3}, 4), random_matrices<double>({2, 3}, 5)});
  check_derivatives("trace", [](auto x) { return trace(x) * trace(x); }, {b});
}

// SPDX-License-Identifier: Apache-2.0
// Gradients of qr, svd, eigenvalues, least squares, the matrix exponential and norms.

#include <doctest/doctest.h>

#include <rill/eager/linalg.hpp>

#include "derivatives.hpp"
#include "linalg_matrices.hpp"

using namespace rill;
using namespace rill::test;

TEST_CASE("gradients of decompositions agree with central differences") {
  const dynamic_tensor tall = random_matrices<double>({2, 4, 3}, 31), wide = random_matrices<double>({2, 3, 4}, 32);
  const dynamic_tensor square_ones = add_identity(random_matrices<double>({2, 3, 3}, 33), 1);
  const auto symmetric = [](auto x) { return x + matrix_transpose(x); };
  for (const dynamic_tensor& a : {tall, square_ones}) check_derivatives("qr", [](auto x) { auto p = qr(x); return matmul(p.q, exp(p.r * 0.3)); }, {a});
  for (const dynamic_tensor& a : {tall, wide, square_ones}) {
    check_derivatives("singular values", [](auto x) { return svd(x, {.compute_uv = false}).s; }, {a});
    // invariant under the signs of singular vectors, and smooth
    check_derivatives("svd", [](auto x) { auto p = svd(x); return matmul(p.u * expand_dims(exp(p.s), -2), p.v, {.transpose_b = true}); }, {a});
  }
  check_derivatives("eigenvalues", [&](auto x) { return self_adjoint_eigvals(x); }, {square_ones});
  check_derivatives("eigenvectors", [&](auto x) { auto p = self_adjoint_eig(symmetric(x)); return matmul(p.v * expand_dims(exp(p.e), -2), p.v, {.transpose_b = true}); }, {square_ones});
  check_derivatives("least squares", [](auto x) { return matrix_solve_ls(x, sin(x), {.l2_regularizer = 0.5}); }, {tall});
  check_derivatives("least squares, wide", [](auto x) { return matrix_solve_ls(x, sin(x)); }, {wide});
  check_derivatives("exponential", [](auto x) { return matrix_exponential(x); }, {square_ones});
  const dynamic_tensor vectors = random_matrices<double>({2, 3, 2}, 22);
  check_derivatives("norm", [](auto x) { return norm(x, {.axis = {1}}) + norm(x, {.ord = 3, .axis = {1}}); }, {vectors});
  check_derivatives("matrix norm", [](auto x) { return norm(x, {.ord = norms::fro, .axis = {0, 1}}); }, {vectors});
}

// SPDX-License-Identifier: Apache-2.0
// Linear algebra in graphs: a gradient through Cholesky and a determinant, and a batch of matrices.

#include <doctest/doctest.h>

#include <cmath>
#include <rill/eager/linalg.hpp>
#include <rill/graph/session.hpp>

#include "linalg_matrices.hpp"

using namespace rill;
using namespace rill::test;

namespace {

struct gaussian {  // log density of rows under a covariance that is an input too
  constexpr auto operator()(symbol x, symbol factor) const {
    symbol covariance = matmul(factor, factor, {.transpose_b = true}) + eye_like(factor, 3);
    symbol l = cholesky(covariance);
    symbol z = matrix_triangular_solve(l, matrix_transpose(x));
    symbol loss = reduce_sum(square(z)) + log_matrix_determinant(covariance).log_abs_determinant;
    auto [df] = gradients(loss, factor);
    return outputs(fetch("loss", loss), fetch("df", df));
  }
};
struct batched {  // matrices one per row of the batch
  constexpr auto operator()(symbol x) const {
    symbol a = matmul(x, x, {.transpose_b = true}) + eye_like(x, 2);
    return outputs(fetch("inverse", matrix_inverse(a)), fetch("s", svd(x).s), fetch("e", einsum("bij,bji->b", a, a)));
  }
};

}  // namespace

TEST_CASE("linear algebra in graphs, with gradients and a batch") {
  graph::session<gaussian, tensor<double, 4, 3>, tensor<double, 3, 3>> s;
  tensor<double, 4, 3> x;
  tensor<double, 3, 3> factor;
  for (int k = 0; k < 12; ++k) x.data()[k] = std::sin(k * 1.7);
  for (int k = 0; k < 9; ++k) factor.data()[k] = std::cos(k * 2.3);
  auto [loss, df] = s.run(x, factor);
  for (int k = 0; k < 9; ++k) {
    const double at = factor.data()[k];
    factor.data()[k] = at + 1e-6;
    const double up = *std::get<0>(s.run(x, factor)).data();
    factor.data()[k] = at - 1e-6;
    const double down = *std::get<0>(s.run(x, factor)).data();
    factor.data()[k] = at;
    CHECK(df.data()[k] == doctest::Approx((up - down) / 2e-6).epsilon(1e-4).scale(1));
  }
  graph::session<batched, tensor<double, dyn, 2, 3>> b;
  for (const std::int64_t rows : {1, 5}) {
    const dynamic_tensor in = random_matrices<double>({rows, 2, 3}, 5);
    auto [inverse, singular, e] = b.run(in.to<double, dyn, 2, 3>());
    const dynamic_tensor a = add_identity(matmul(in, in, {.transpose_b = true}), 1);
    CHECK(distance(dynamic_tensor(inverse), matrix_inverse(a)) < 1e-12);
    CHECK(distance(dynamic_tensor(singular), svd(in).s) < 1e-12);
    CHECK(distance(dynamic_tensor(e), einsum("bij,bji->b", a, a)) < 1e-12);
  }
}

// SPDX-License-Identifier: Apache-2.0
// qr, svd, eigenvalues and least squares of complex matrices: the identities that define them, matrices of low rank and with
// equal values, derivatives of values and of vectors.

#include <doctest/doctest.h>

#include <complex>
#include <rill/eager/linalg.hpp>

#include "derivatives.hpp"
#include "linalg_matrices.hpp"

using namespace rill;
using namespace rill::test;

namespace {

using c128 = std::complex<double>;

dynamic_tensor scaled(const dynamic_tensor& columns, const dynamic_tensor& by) { return columns * detail::as_type(expand_dims(by, -2), columns.type()); }
bool real_diagonal(const dynamic_tensor& r) {
  const std::int64_t k = detail::min_extent(r.shape()), n = r.shape()[r.rank() - 1], size = r.shape()[r.rank() - 2] * n;
  for (std::int64_t b = 0; b * size < r.size(); ++b)
    for (std::int64_t i = 0; i < k; ++i)
      if (std::abs(r.span<c128>()[static_cast<std::size_t>(b * size + i * n + i)].imag()) > 1e-13) return false;
  return true;
}
void check(const dynamic_tensor& a) {
  const tensor_shape s = a.shape();
  const std::int64_t m = s[s.rank() - 2], n = s[s.rank() - 1], k = std::min(m, n);
  CAPTURE(m);
  CAPTURE(n);
  for (const bool full : {false, true}) {
    CAPTURE(full);
    const std::int64_t columns = full ? m : k;
    const auto [q, r] = qr(a, {.full_matrices = full});
    CHECK(distance(matmul(q, r), a) <= 1e-12);
    CHECK(distance(matmul(q, q, {.adjoint_a = true}), eye_like(a, columns, -1, {2})) <= 1e-12);
    CHECK(distance(r, detail::keep_part(r, detail::matrix_part::upper)) == 0);
    CHECK(real_diagonal(r));
    const auto [values, u, v] = svd(a, {.full_matrices = full});
    CHECK(values.type() == dtype::float64);
    CHECK(u.shape() == tensor_shape{2, m, full ? m : k});
    CHECK(v.shape() == tensor_shape{2, n, full ? n : k});
    CHECK(distance(matmul(u, u, {.adjoint_a = true}), eye_like(a, full ? m : k, -1, {2})) <= 1e-12);
    CHECK(distance(matmul(v, v, {.adjoint_a = true}), eye_like(a, full ? n : k, -1, {2})) <= 1e-12);
    if (!full) CHECK(distance(matmul(scaled(u, values), v, {.adjoint_b = true}), a) <= 1e-12);
    for (std::size_t i = 0; i + 1 < values.span<double>().size(); ++i)
      if ((i + 1) % static_cast<std::size_t>(k) != 0) CHECK(values.span<double>()[i] >= values.span<double>()[i + 1]);
    CHECK(distance(svd(a, {.compute_uv = false}).s, values) <= 1e-12);
  }
  const dynamic_tensor x = random_matrices<c128>({2, m, 2}, 4), least = matrix_solve_ls(a, x, {.fast = false});
  CHECK(distance(matmul(a, matmul(a, least) - x, {.adjoint_a = true}), zeros_like(least)) <= 1e-11);
}

}  // namespace

TEST_CASE("complex decompositions put together again") {
  for (const tensor_shape& s : {tensor_shape{2, 1, 1}, {2, 2, 2}, {2, 5, 3}, {2, 3, 5}, {2, 17, 9}, {2, 9, 17}, {2, 33, 33}, {2, 4, 1}, {2, 1, 4}, {2, 0, 3}, {2, 3, 0}})
    check(random_matrices<c128>(s, 3));
  // of rank 2, of rank 0, with a column of zeros
  const dynamic_tensor tall = random_matrices<c128>({2, 6, 2}, 5), wide = random_matrices<c128>({2, 2, 5}, 6);
  check(matmul(tall, wide));
  check(dynamic_tensor::zeros(dtype::complex128, {2, 4, 3}));
  const dynamic_tensor column = random_matrices<c128>({2, 4, 3}, 7);
  check(column * dynamic_tensor(tensor<c128, 3>{{0, 0}, {1, 0}, {2, 0}}));
  const dynamic_tensor single = random_matrices<std::complex<float>>({3, 4}, 8);
  const auto [s, u, v] = svd(single);
  CHECK(s.type() == dtype::float32);
  CHECK(distance(matmul(scaled(u, s), v, {.adjoint_b = true}), single) < 1e-5);
}

TEST_CASE("self-adjoint matrices") {
  for (const std::int64_t n : {0, 1, 2, 3, 17}) {
    const dynamic_tensor a = random_matrices<c128>({3, n, n}, 6), h = a + adjoint(a);
    const auto [e, v] = self_adjoint_eig(h);
    REQUIRE(e.shape() == tensor_shape{3, n});
    CHECK(distance(matmul(h, v), scaled(v, e)) <= 1e-12);
    CHECK(distance(matmul(v, v, {.adjoint_a = true}), eye_like(a, n, -1, {3})) <= 1e-12);
    CHECK(distance(self_adjoint_eigvals(detail::keep_part(h, detail::matrix_part::lower)), e) <= 1e-12);
  }
  const tensor<c128, 2, 2> y{{c128(0, 0), c128(0, -1)}, {c128(0, 1), c128(0, 0)}};  // Pauli's y: -1 and 1
  const auto [e, v] = self_adjoint_eig(y);
  CHECK(e.data()[0] == doctest::Approx(-1));
  CHECK(e.data()[1] == doctest::Approx(1));
  const auto equal_values = self_adjoint_eig(eye_like(dynamic_tensor::zeros(dtype::complex64, {}), 5));
  CHECK(distance(equal_values.e, ones_like(equal_values.e)) == 0);
  dynamic_tensor broken = random_matrices<c128>({2, 3, 3}, 1);
  static_cast<double*>(broken.mutable_data())[18] = NAN;
  CHECK(message_of([&] { self_adjoint_eig(broken); }).find("SelfAdjointEig: matrix 1 of 2 has elements that are not finite") == 0);
  CHECK(message_of([&] { svd(broken); }).find("Svd: matrix 1 of 2") == 0);
}

TEST_CASE("derivatives of decompositions of complex matrices") {
  const dynamic_tensor re = random_matrices<double>({3, 3}, 11), im = random_matrices<double>({3, 3}, 12);
  check_derivatives("eigenvalues", [](auto x, auto y) { const auto z = rill::complex(x, y); return self_adjoint_eigvals(z + adjoint(z)); }, {re, im});
  check_derivatives("singular values", [](auto x, auto y) { return svd(rill::complex(x, y), {.compute_uv = false}).s; }, {re, im}, false);
  check_derivatives("functions of a self-adjoint matrix", [](auto x, auto y) {
    const auto z = rill::complex(x, y);
    const auto [e, v] = self_adjoint_eig(z + adjoint(z));
    return rill::real(matmul(v * detail::as_type(expand_dims(exp(e * 0.3), -2), v.type()), v, {.adjoint_b = true}));
  }, {re, im});
  const auto parts = [](const auto& z) { return rill::real(z) + rill::imag(z) * 0.5; };
  const dynamic_tensor tall_re = random_matrices<double>({4, 3}, 13), tall_im = random_matrices<double>({4, 3}, 14);
  check_derivatives("qr", [&](auto x, auto y) {
    const auto [q, r] = qr(rill::complex(x, y));
    return parts(q) + reduce_sum(parts(square(r)));
  }, {tall_re, tall_im});
  // what no choice of the vectors' phases changes
  const auto of_vectors = [&](const dynamic_tensor& x, const dynamic_tensor& y) {
    const auto [s, u, v] = svd(rill::complex(x, y));
    return parts(matmul(scaled(u, exp(s * 0.3)), v, {.adjoint_b = true})) + reduce_sum(parts(square(matmul(scaled(u, s), u, {.adjoint_b = true}))));
  };
  check_derivatives("svd, tall", of_vectors, {tall_re, tall_im});
  check_derivatives("svd, wide", of_vectors, {transpose(tall_re), transpose(tall_im)}, false);
}

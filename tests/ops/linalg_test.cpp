// SPDX-License-Identifier: Apache-2.0
// Solvers, inverse, determinant, Cholesky, norms and small vector functions: identities that define them, over batches and
// dtypes, values of NumPy, wrong inputs, gradients of first and second order.

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <rill/eager/linalg.hpp>
#include <rill/eager/numeric_gradient.hpp>

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

TEST_CASE("norms are NumPy's") {
  const tensor<double, 2, 3> a{{1, -2, 3}, {-4, 5, -6}};  // numpy.linalg.norm(a, ord, axis)
  const auto number = [](const auto& t) { return t.data()[0]; };
  constexpr double infinity = std::numeric_limits<double>::infinity();
  CHECK(number(norm(a)) == doctest::Approx(9.539392014169456));
  CHECK(number(norm(a, {.ord = 1})) == 21);
  CHECK(number(norm(a, {.ord = infinity})) == 6);
  CHECK(number(norm(a, {.ord = 3})) == doctest::Approx(std::cbrt(441.0)));
  CHECK(to_string(norm(a, {.ord = 1, .axis = {1}})) == "[ 6. 15.]");
  CHECK(to_string(norm(a, {.ord = norms::infinity, .axis = {0}, .keepdims = true})) == "[[4. 5. 6.]]");
  CHECK(number(norm(a, {.axis = {0, 1}})) == doctest::Approx(9.539392014169456));
  CHECK(number(norm(a, {.ord = norms::fro, .axis = {-2, -1}})) == doctest::Approx(9.539392014169456));
  CHECK(number(norm(a, {.ord = 1, .axis = {0, 1}})) == 9);
  CHECK(number(norm(a, {.ord = 1, .axis = {1, 0}})) == 15);
  CHECK(number(norm(a, {.ord = infinity, .axis = {0, 1}})) == 15);
  CHECK(to_string(norm(a, {.ord = infinity, .axis = {0, 1}, .keepdims = true})) == "[[15.]]");
  const tensor<std::complex<float>, 2> c{{3, 4}, {0, 12}};
  CHECK(number(norm(c)) == 13.0f);
  CHECK(number(norm(c, {.ord = 1})) == 17.0f);
}

TEST_CASE("operands that do not fit are refused") {
  const dynamic_tensor square = random_matrices<double>({2, 3, 3}, 1), wide = random_matrices<double>({2, 3}, 1);
  const dynamic_tensor rhs = random_matrices<double>({2, 3, 1}, 1), vector = random_matrices<double>({3}, 1);
  dynamic_tensor singular = eye_like(square, 3, -1, {4});
  static_cast<double*>(singular.mutable_data())[2 * 9 + 4] = 0;
  dynamic_tensor infinite = eye_like(square, 3, -1, {2});
  static_cast<double*>(infinite.mutable_data())[9] = INFINITY;
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
  CHECK(has(message_of([&] { matrix_determinant(wide); }), "square"));
  CHECK(has(message_of([&] { matrix_determinant(vector); }), "must be a matrix"));
  CHECK(has(message_of([&] { matrix_determinant(cast<std::int64_t>(square)); }), "takes float32"));
  CHECK(has(message_of([&] { log_matrix_determinant(wide); }), "square"));
  CHECK(has(message_of([&] { cross(square, vector); }), "one number dtype and shape"));
  CHECK(has(message_of([&] { cross(rhs, rhs); }), "vectors of 3"));
  CHECK(has(message_of([&] { trace(vector); }), "must be a matrix"));
  CHECK(has(message_of([&] { matrix_transpose(vector); }), "must be a matrix"));
  CHECK(has(message_of([&] { norm(wide, {.ord = norms::fro}); }), "norms of matrices"));
  CHECK(has(message_of([&] { norm(wide, {.ord = -1}); }), "positive"));
  CHECK(has(message_of([&] { norm(wide, {.axis = {2}}); }), "axis out of range"));
  CHECK(has(message_of([&] { norm(wide, {.ord = 3, .axis = {0, 1}}); }), "norms of matrices have"));
  CHECK(has(message_of([&] { norm(wide, {.axis = {0, 0}}); }), "two different axes"));
  CHECK(has(message_of([&] { eye_like(wide, -3); }), "at least 0"));
}

TEST_CASE("gradients of solvers agree with central differences, twice") {
  const dynamic_tensor a = add_identity(random_matrices<double>({2, 3, 3}, 21), 2), b = random_matrices<double>({2, 3, 2}, 22);
  const auto ok = [](const char* what, const auto& f, const auto&... x) {
    const dynamic_tensor xs[] = {x...};
    const auto c = eager::check_gradients(f, xs, {.second_order = true});
    INFO(what, ": ", c.message);
    CHECK(c.ok);
  };
  ok("cholesky", [](auto x) { return cholesky(matmul(x, x, {.transpose_b = true})); }, a);
  ok("solve", [](auto x, auto y) { return matrix_solve(x, y); }, a, b);
  ok("solve adjoint", [](auto x, auto y) { return matrix_solve(x, y, {.adjoint = true}); }, a, b);
  ok("inverse", [](auto x) { return matrix_inverse(x); }, a);
  ok("inverse adjoint", [](auto x) { return matrix_inverse(x, {.adjoint = true}); }, a);
  ok("determinant", [](auto x) { return matrix_determinant(x); }, a);
  ok("log determinant", [](auto x) { return log_matrix_determinant(x).log_abs_determinant; }, a);
  for (const bool lower : {true, false})
    for (const bool adjoint : {true, false})
      ok("triangular solve", [&](auto x, auto y) { return matrix_triangular_solve(x, y, {.lower = lower, .adjoint = adjoint}); }, a, b);
  ok("cholesky solve", [](auto x, auto y) { return cholesky_solve(x, y); }, a, b);
  ok("cross", [](auto x, auto y) { return cross(x, y); }, random_matrices<double>({2, 3}, 4), random_matrices<double>({2, 3}, 5));
  ok("trace", [](auto x) { return trace(x) * trace(x); }, b);
  ok("norm", [](auto x) { return norm(x, {.axis = {1}}) + norm(x, {.ord = 3, .axis = {1}}); }, b);
  ok("matrix norm", [](auto x) { return norm(x, {.ord = norms::fro, .axis = {0, 1}}); }, b);
}

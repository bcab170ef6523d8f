// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Linear algebra of typed tensors (ops/linalg.hpp says what each function does) and the kernels that graphs and tapes use.
/// Not part of <rill/rill.hpp>: it reads Eigen. Results have a rank known at run time.
///
///   tensor<float, dyn, 3, 3> a = ...;
///   tensor<float, dyn, 3, 3> inverse = matrix_inverse(a);
///   auto [q, r] = qr(a);

#include "../kernel/linalg.hpp"
#include "../ops/linalg.hpp"
#include "contraction.hpp"

namespace rill {

template <expr::eager X>
auto matrix_transpose(const X& x, matrix_transpose_options o = {}) {
  return eager::lift([&](const auto& v) { return matrix_transpose(v, o); }, x);
}
template <expr::eager X>
auto adjoint(const X& x) {
  return eager::lift([](const auto& v) { return adjoint(v); }, x);
}
/// The identity of `rows` rows and `columns` columns (-1: as many), once for each element of a batch of that shape.
template <class T = float>
tensor<T, any_rank> eye(std::int64_t rows, std::int64_t columns, const tensor_shape& batch_shape = {}) {
  return eager::as_tensor<T>(eye_like(dynamic_tensor::zeros(dtype_v<T>, {}), rows, columns, batch_shape));
}
template <expr::eager X>
auto trace(const X& x) {
  return eager::lift([](const auto& v) { return trace(v); }, x);
}
template <expr::eager A, expr::eager B>
auto cross(const A& a, const B& b) {
  return eager::lift([](const auto& x, const auto& y) { return cross(x, y); }, a, b);
}
template <expr::eager X>
auto cholesky(const X& x) {
  return eager::lift([](const auto& v) { return cholesky(v); }, x);
}
template <expr::eager A, expr::eager B>
auto cholesky_solve(const A& chol, const B& rhs) {
  return eager::lift([](const auto& a, const auto& b) { return cholesky_solve(a, b); }, chol, rhs);
}
template <expr::eager A, expr::eager B>
auto matrix_triangular_solve(const A& matrix, const B& rhs, triangular_solve_options o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return matrix_triangular_solve(a, b, o); }, matrix, rhs);
}
template <expr::eager A, expr::eager B>
auto matrix_solve(const A& matrix, const B& rhs, matrix_solve_options o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return matrix_solve(a, b, o); }, matrix, rhs);
}
template <expr::eager A, expr::eager B>
auto matrix_solve_ls(const A& matrix, const B& rhs, matrix_solve_ls_options o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return matrix_solve_ls(a, b, o); }, matrix, rhs);
}
template <expr::eager X>
auto matrix_inverse(const X& x, matrix_inverse_options o = {}) {
  return eager::lift([&](const auto& v) { return matrix_inverse(v, o); }, x);
}
template <expr::eager X>
auto matrix_determinant(const X& x) {
  return eager::lift([](const auto& v) { return matrix_determinant(v); }, x);
}
template <expr::eager X>
auto matrix_exponential(const X& x) {
  return eager::lift([](const auto& v) { return matrix_exponential(v); }, x);
}

/// A tensor of the type of real parts beside one of T.
template <class T>
struct typed_log_determinant {
  tensor<T, any_rank> sign;
  tensor<real_type_t<T>, any_rank> log_abs_determinant;
};
template <class T>
struct typed_qr {
  tensor<T, any_rank> q, r;
};
template <class T>
struct typed_svd {
  tensor<real_type_t<T>, any_rank> s;
  tensor<T, any_rank> u, v;
};
template <class T>
struct typed_eig {
  tensor<real_type_t<T>, any_rank> e;
  tensor<T, any_rank> v;
};

template <expr::eager X>
auto log_matrix_determinant(const X& x) {
  using T = typename X::element_type;
  auto r = log_matrix_determinant(eager::lend(x));
  return typed_log_determinant<T>{eager::as_tensor<T>(std::move(r.sign)),
                                  eager::as_tensor<real_type_t<T>>(std::move(r.log_abs_determinant))};
}
template <expr::eager X>
auto logdet(const X& x) {
  return eager::lift_as<real_type_t<typename X::element_type>>([](const auto& v) { return logdet(v); }, x);
}
template <expr::eager X>
auto qr(const X& x, qr_options o = {}) {
  using T = typename X::element_type;
  auto r = qr(eager::lend(x), o);
  return typed_qr<T>{eager::as_tensor<T>(std::move(r.q)), eager::as_tensor<T>(std::move(r.r))};
}
template <expr::eager X>
auto svd(const X& x, svd_options o = {}) {
  using T = typename X::element_type;
  auto r = svd(eager::lend(x), o);
  return typed_svd<T>{eager::as_tensor<real_type_t<T>>(std::move(r.s)), eager::as_tensor<T>(std::move(r.u)),
                      eager::as_tensor<T>(std::move(r.v))};
}
template <expr::eager X>
auto self_adjoint_eig(const X& x) {
  using T = typename X::element_type;
  auto r = self_adjoint_eig(eager::lend(x));
  return typed_eig<T>{eager::as_tensor<real_type_t<T>>(std::move(r.e)), eager::as_tensor<T>(std::move(r.v))};
}
template <expr::eager X>
auto self_adjoint_eigvals(const X& x) {
  return eager::lift_as<real_type_t<typename X::element_type>>([](const auto& v) { return self_adjoint_eigvals(v); }, x);
}
template <expr::eager X>
auto norm(const X& x, norm_options o = {}) {
  return eager::lift_as<real_type_t<typename X::element_type>>([&](const auto& v) { return norm(v, o); }, x);
}

}  // namespace rill

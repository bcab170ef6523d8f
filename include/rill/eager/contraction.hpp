// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Products of typed tensors over any axes (ops/einsum.hpp): matmul of batches and of any number type, matvec, einsum,
/// tensordot, dot, dot_general, outer, kron. The result has the operands' dtype and a rank known at run time. (matmul of two
/// float or double tensors that are known to be matrices is that of expr/contraction.hpp.)
///
///   tensor<float, 2, 2> a{{1, 2}, {3, 4}};
///   einsum("ii", a);                                  // 5
///   tensordot(a, a, 2);                               // 30

#include "../ops/einsum.hpp"
#include "lift.hpp"

namespace rill {

namespace eager::detail {
template <class X>
inline constexpr bool is_real_matrix =
    (std::is_same_v<typename X::value_type, float> || std::is_same_v<typename X::value_type, double>) && X::extents_type::rank == 2;
}

/// op(a) op(b); leading axes are equal or broadcast.
template <expr::eager A, expr::eager B>
  requires(!eager::detail::is_real_matrix<A> || !eager::detail::is_real_matrix<B>)
auto matmul(const A& a, const B& b) {
  return eager::lift([](const auto& x, const auto& y) { return matmul(x, y); }, a, b);
}
template <expr::eager A, expr::eager B>
  requires(!eager::detail::is_real_matrix<A> || !eager::detail::is_real_matrix<B>)
auto matmul(const A& a, const B& b, matmul_options o) {
  return eager::lift([&](const auto& x, const auto& y) { return matmul(x, y, o); }, a, b);
}
/// The same with a result of R: float for operands of half or bfloat16.
template <element R, expr::eager A, expr::eager B>
tensor<R, any_rank> matmul(const A& a, const B& b, matmul_options o = {}) {
  o.output_type = dtype_v<R>;
  return eager::lift_as<R>([&](const auto& x, const auto& y) { return matmul(x, y, o); }, a, b);
}
template <expr::eager A, expr::eager B>
auto matvec(const A& a, const B& b, matvec_options o = {}) {
  return eager::lift([&](const auto& x, const auto& y) { return matvec(x, y, o); }, a, b);
}
template <expr::eager A, expr::eager... B>
auto einsum(std::string_view equation, const A& a, const B&... b) {
  return eager::lift([&](const auto&... x) { return einsum(equation, x...); }, a, b...);
}
template <expr::eager A, expr::eager B>
auto tensordot(const A& a, const B& b, axis_list axes_a, axis_list axes_b) {
  return eager::lift([&](const auto& x, const auto& y) { return tensordot(x, y, axes_a, axes_b); }, a, b);
}
template <expr::eager A, expr::eager B>
auto tensordot(const A& a, const B& b, std::int64_t axes) {
  return eager::lift([&](const auto& x, const auto& y) { return tensordot(x, y, axes); }, a, b);
}
template <expr::eager A, expr::eager B>
auto dot_general(const A& a, const B& b, const dot_dimension_numbers& d) {
  return eager::lift([&](const auto& x, const auto& y) { return dot_general(x, y, d); }, a, b);
}
template <expr::eager A, expr::eager B>
auto dot(const A& a, const B& b) {
  return eager::lift([](const auto& x, const auto& y) { return dot(x, y); }, a, b);
}
template <expr::eager A, expr::eager B>
auto outer(const A& a, const B& b) {
  return eager::lift([](const auto& x, const auto& y) { return outer(x, y); }, a, b);
}
template <expr::eager A, expr::eager B>
auto kron(const A& a, const B& b) {
  return eager::lift([](const auto& x, const auto& y) { return kron(x, y); }, a, b);
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Declarations of the element-wise functions, so that gradients can be written with ops of any family.

#include "op.hpp"

namespace rill {

template <class A>
  requires operands<A>
constexpr auto negative(A&& x);
template <class A>
  requires operands<A>
constexpr auto abs(A&& x);
template <class A>
  requires operands<A>
constexpr auto sign(A&& x);
template <class A>
  requires operands<A>
constexpr auto square(A&& x);
template <class A>
  requires operands<A>
constexpr auto sqrt(A&& x);
template <class A>
  requires operands<A>
constexpr auto rsqrt(A&& x);
template <class A>
  requires operands<A>
constexpr auto reciprocal(A&& x);
template <class A>
  requires operands<A>
constexpr auto exp(A&& x);
template <class A>
  requires operands<A>
constexpr auto expm1(A&& x);
template <class A>
  requires operands<A>
constexpr auto log(A&& x);
template <class A>
  requires operands<A>
constexpr auto log1p(A&& x);
template <class A>
  requires operands<A>
constexpr auto sin(A&& x);
template <class A>
  requires operands<A>
constexpr auto cos(A&& x);
template <class A>
  requires operands<A>
constexpr auto tanh(A&& x);
template <class A>
  requires operands<A>
constexpr auto sigmoid(A&& x);
template <class A>
  requires operands<A>
constexpr auto relu(A&& x);
template <class A>
  requires operands<A>
constexpr auto relu6(A&& x);
template <class A>
  requires operands<A>
constexpr auto elu(A&& x);
template <class A>
  requires operands<A>
constexpr auto softplus(A&& x);
template <class A>
  requires operands<A>
constexpr auto softsign(A&& x);
template <class A>
  requires operands<A>
constexpr auto floor(A&& x);
template <class A>
  requires operands<A>
constexpr auto ceil(A&& x);
template <class A>
  requires operands<A>
constexpr auto round(A&& x);
template <class A>
  requires operands<A>
constexpr auto erf(A&& x);
template <class A>
  requires operands<A>
constexpr auto logical_not(A&& x);
template <class A>
  requires operands<A>
constexpr auto is_nan(A&& x);
template <class A>
  requires operands<A>
constexpr auto is_inf(A&& x);
template <class A>
  requires operands<A>
constexpr auto is_finite(A&& x);
template <class A, class B>
  requires operands<A, B>
constexpr auto add(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto subtract(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto multiply(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto divide(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto floor_div(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto floor_mod(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto maximum(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto minimum(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto pow(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto squared_difference(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto equal(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto not_equal(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto less(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto less_equal(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto greater(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto greater_equal(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto logical_and(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto logical_or(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto logical_xor(A&& a, B&& b);
template <class A>
  requires operands<A>
constexpr auto exp2(A&& x);
template <class A>
  requires operands<A>
constexpr auto log2(A&& x);
template <class A>
  requires operands<A>
constexpr auto log10(A&& x);
template <class A>
  requires operands<A>
constexpr auto cbrt(A&& x);
template <class A>
  requires operands<A>
constexpr auto tan(A&& x);
template <class A>
  requires operands<A>
constexpr auto asin(A&& x);
template <class A>
  requires operands<A>
constexpr auto acos(A&& x);
template <class A>
  requires operands<A>
constexpr auto atan(A&& x);
template <class A>
  requires operands<A>
constexpr auto sinh(A&& x);
template <class A>
  requires operands<A>
constexpr auto cosh(A&& x);
template <class A>
  requires operands<A>
constexpr auto asinh(A&& x);
template <class A>
  requires operands<A>
constexpr auto acosh(A&& x);
template <class A>
  requires operands<A>
constexpr auto atanh(A&& x);
template <class A>
  requires operands<A>
constexpr auto erfc(A&& x);
template <class A>
  requires operands<A>
constexpr auto rint(A&& x);
template <class A>
  requires operands<A>
constexpr auto trunc(A&& x);
template <class A>
  requires operands<A>
constexpr auto selu(A&& x);
template <class A>
  requires operands<A>
constexpr auto invert(A&& x);
template <class A>
  requires operands<A>
constexpr auto population_count(A&& x);
template <class A>
  requires operands<A>
constexpr auto count_leading_zeros(A&& x);
template <class A, class B>
  requires operands<A, B>
constexpr auto div(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto real_div(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto truncate_div(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto truncate_mod(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto rem(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto mod(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto div_no_nan(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto xlogy(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto xlog1py(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto xdivy(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto atan2(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto hypot(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto next_after(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto bitwise_and(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto bitwise_or(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto bitwise_xor(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto left_shift(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto right_shift(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto shift_left(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto shift_right_arithmetic(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto shift_right_logical(A&& a, B&& b);
template <class A, class B, class C>
  requires operands<A, B, C>
constexpr auto clamp(A&& low, B&& x, C&& high);
template <class C, class A, class B>
  requires operands<C, A, B>
constexpr auto select(C&& c, A&& a, B&& b);
template <class To, class A>
  requires operands<A>
constexpr auto cast(A&& x);

}  // namespace rill

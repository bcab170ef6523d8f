// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Declarations of the element-wise functions, so that gradients can be written with ops of any family.

#include "op.hpp"

namespace rill {

namespace ops {
struct abs;
struct acos;
struct acosh;
struct add;
struct angle;
struct asin;
struct asinh;
struct atan;
struct atan2;
struct atanh;
struct bessel_i0e;
struct bessel_i1e;
struct betainc;
struct bitwise_and;
struct bitwise_or;
struct bitwise_xor;
struct cbrt;
struct ceil;
struct clamp;
struct complex;
struct complex_abs;
struct conj;
struct cos;
struct cosh;
struct count_leading_zeros;
struct digamma;
struct div;
struct div_no_nan;
struct elu;
struct equal;
struct erf;
struct erfc;
struct erfinv;
struct exp;
struct exp2;
struct expm1;
struct floor;
struct floor_div;
struct floor_mod;
struct greater;
struct greater_equal;
struct hypot;
struct igamma;
struct igammac;
struct imag;
struct invert;
struct is_finite;
struct is_inf;
struct is_nan;
struct left_shift;
struct less;
struct less_equal;
struct lgamma;
struct log;
struct log10;
struct log1p;
struct log2;
struct logical_and;
struct logical_not;
struct logical_or;
struct logical_xor;
struct maximum;
struct minimum;
struct mul;
struct ndtr;
struct ndtri;
struct neg;
struct next_after;
struct not_equal;
struct polygamma;
struct population_count;
struct pow;
struct python_div;
struct real;
struct reciprocal;
struct relu;
struct relu6;
struct right_shift;
struct rint;
struct round;
struct rsqrt;
struct select;
struct selu;
struct shift_right_logical;
struct sigmoid;
struct sign;
struct sin;
struct sinh;
struct softplus;
struct softsign;
struct sqrt;
struct square;
struct squared_difference;
struct sub;
struct tan;
struct tanh;
struct true_div;
struct trunc;
struct truncate_div;
struct truncate_mod;
struct xdivy;
struct xlog1py;
struct xlogy;
struct zeta;
template <class To>
struct cast;
}  // namespace ops

template <class A>
  requires operands<A>
constexpr applied_t<ops::neg, A> negative(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::abs, A> abs(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::sign, A> sign(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::square, A> square(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::sqrt, A> sqrt(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::rsqrt, A> rsqrt(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::reciprocal, A> reciprocal(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::exp, A> exp(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::expm1, A> expm1(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::log, A> log(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::log1p, A> log1p(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::sin, A> sin(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::cos, A> cos(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::tanh, A> tanh(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::sigmoid, A> sigmoid(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::relu, A> relu(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::relu6, A> relu6(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::elu, A> elu(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::softplus, A> softplus(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::softsign, A> softsign(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::floor, A> floor(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::ceil, A> ceil(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::round, A> round(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::erf, A> erf(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::logical_not, A> logical_not(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::is_nan, A> is_nan(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::is_inf, A> is_inf(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::is_finite, A> is_finite(A&& x);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::add, A, B> add(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::sub, A, B> subtract(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::mul, A, B> multiply(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr auto divide(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::floor_div, A, B> floor_div(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::floor_mod, A, B> floor_mod(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::maximum, A, B> maximum(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::minimum, A, B> minimum(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::pow, A, B> pow(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::squared_difference, A, B> squared_difference(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::equal, A, B> equal(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::not_equal, A, B> not_equal(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::less, A, B> less(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::less_equal, A, B> less_equal(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::greater, A, B> greater(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::greater_equal, A, B> greater_equal(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::logical_and, A, B> logical_and(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::logical_or, A, B> logical_or(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::logical_xor, A, B> logical_xor(A&& a, B&& b);
template <class A>
  requires operands<A>
constexpr applied_t<ops::exp2, A> exp2(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::log2, A> log2(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::log10, A> log10(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::cbrt, A> cbrt(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::tan, A> tan(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::asin, A> asin(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::acos, A> acos(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::atan, A> atan(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::sinh, A> sinh(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::cosh, A> cosh(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::asinh, A> asinh(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::acosh, A> acosh(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::atanh, A> atanh(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::erfc, A> erfc(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::rint, A> rint(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::trunc, A> trunc(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::selu, A> selu(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::invert, A> invert(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::cast<std::uint8_t>, applied_t<ops::population_count, A>> population_count(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::count_leading_zeros, A> count_leading_zeros(A&& x);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::python_div, A, B> div(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::div, A, B> real_div(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::truncate_div, A, B> truncate_div(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::truncate_mod, A, B> truncate_mod(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::truncate_mod, A, B> rem(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::floor_mod, A, B> mod(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::div_no_nan, A, B> div_no_nan(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::xlogy, A, B> xlogy(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::xlog1py, A, B> xlog1py(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::xdivy, A, B> xdivy(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::atan2, A, B> atan2(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::hypot, A, B> hypot(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::next_after, A, B> next_after(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::bitwise_and, A, B> bitwise_and(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::bitwise_or, A, B> bitwise_or(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::bitwise_xor, A, B> bitwise_xor(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::left_shift, A, B> left_shift(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::right_shift, A, B> right_shift(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::left_shift, A, B> shift_left(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::right_shift, A, B> shift_right_arithmetic(A&& a, B&& b);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::shift_right_logical, A, B> shift_right_logical(A&& a, B&& b);
template <class A, class B, class C>
  requires operands<A, B, C>
constexpr applied_t<ops::clamp, A, B, C> clamp(A&& low, B&& x, C&& high);
template <class C, class A, class B>
  requires operands<C, A, B>
constexpr applied_t<ops::select, C, A, B> select(C&& c, A&& a, B&& b);
template <class To, class A>
  requires operands<A>
constexpr applied_t<ops::cast<To>, A> cast(A&& x);

}  // namespace rill

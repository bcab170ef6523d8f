// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The vocabulary of an op's `eval` for plain numbers. An eval says `using scalar::exp; return exp(x);`: numbers find
/// these functions, SIMD packs find their own by argument-dependent lookup, and both mean the same. All of it also
/// compiles for a device.
///
/// Fixed here once: max and min give NaN when an operand is NaN; integer division by zero gives 0 and the smallest
/// integer divided by -1 wraps (no trap); round goes half to even; a float that does not fit an integer type gives an
/// unspecified value in a cast. half and bfloat16 are no business of these functions: an op is evaluated on floats and its
/// result rounded once (expr/registers.hpp). Functions of complex numbers are those of <complex>.

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "../core/dtype.hpp"
#include "elementary_double.hpp"

namespace rill::detail::standard {

// Nothing here is named as the functions called, so that argument-dependent lookup finds those of <complex>.
template <class T>
T exp_of(const T& z) {
  return exp(z);
}
template <class T>
T log_of(const T& z) {
  return log(z);
}
template <class T>
T sqrt_of(const T& z) {
  return sqrt(z);
}
template <class T>
T sin_of(const T& z) {
  return sin(z);
}
template <class T>
T cos_of(const T& z) {
  return cos(z);
}
template <class T>
T tanh_of(const T& z) {
  return tanh(z);
}
template <class T>
T pow_of(const T& z, const T& w) {
  return pow(z, w);
}

}  // namespace rill::detail::standard

namespace rill::scalar {

template <class T>
concept number = std::is_arithmetic_v<T> || is_complex_v<T>;
template <class T>
concept real = std::is_floating_point_v<T>;
template <class T>
concept complex_number = is_complex_v<T>;
template <class T>
concept integer = std::is_integral_v<T>;

/// a * b + c: one rounding where the machine has an instruction for it, and spelled out, so that the compiler has no choice
/// and every lane gets the same bits.
template <real T>
[[gnu::always_inline]] constexpr T multiply_add(T a, T b, T c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) == sizeof(float)) return __builtin_fmaf(a, b, c);
  else return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}
/// A complex number with the textbook's product, which NumPy's and XLA's is too (that of std::complex looks for infinities).
template <real R>
struct textbook_complex {
  R re, im;
  friend constexpr textbook_complex operator+(textbook_complex a, textbook_complex b) { return {a.re + b.re, a.im + b.im}; }
  friend constexpr textbook_complex operator-(textbook_complex a, textbook_complex b) { return {a.re - b.re, a.im - b.im}; }
  friend constexpr textbook_complex operator*(textbook_complex a, textbook_complex b) {
    return {multiply_add(a.re, b.re, -(a.im * b.im)), multiply_add(a.re, b.im, a.im * b.re)};
  }
  constexpr textbook_complex operator-() const { return {-re, -im}; }
  template <class C>
    requires is_complex_v<C>
  constexpr explicit operator C() const {
    return C(re, im);
  }
};
/// A value whose +, - and * are those of ops: integers as unsigned ones that no promotion makes signed, which wrap round,
/// complex numbers without the checks of std::complex, everything else as it is.
template <class V>
[[gnu::always_inline]] constexpr auto wrapping(V a) {
  if constexpr (std::is_integral_v<V> && !std::is_same_v<V, bool>)
    return static_cast<std::conditional_t<(sizeof(V) < sizeof(unsigned)), std::uint32_t, std::make_unsigned_t<V>>>(a);
  else if constexpr (is_complex_v<V>) return textbook_complex<real_type_t<V>>{a.real(), a.imag()};
  else return a;
}
template <number T>
constexpr T select(bool c, T a, T b) {
  return c ? a : b;
}
template <number T>
constexpr T max(T a, T b) {
  return a > b || a != a ? a : b;
}
template <number T>
constexpr T min(T a, T b) {
  return a < b || a != a ? a : b;
}
/// The larger operand; the second when they do not compare. One instruction where `max` needs three.
template <number T>
constexpr T larger(T a, T b) {
  return a > b ? a : b;
}
template <class U, class T>
  requires is_number_v<T>
constexpr U cast(T x) {
  return number_cast<U>(x);
}
template <number T>
constexpr T divide(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    if (b == T(0)) return T(0);
    if constexpr (std::is_signed_v<T>) {
      using U = std::make_unsigned_t<T>;
      if (b == T(-1)) return static_cast<T>(U(0) - static_cast<U>(a));
    }
    return static_cast<T>(a / b);
  } else if constexpr (is_complex_v<T>) {  // Smith's method: nothing overflows that the quotient does not
    using R = real_type_t<T>;
    const R re = b.real();
    const R im = b.imag();
    if ((re < 0 ? -re : re) >= (im < 0 ? -im : im)) {
      if (re == 0) return T(a.real() / re, a.imag() / re);
      const R ratio = im / re;
      const R d = multiply_add(im, ratio, re);
      return T(multiply_add(a.imag(), ratio, a.real()) / d, multiply_add(-a.real(), ratio, a.imag()) / d);
    }
    const R ratio = re / im;
    const R d = multiply_add(re, ratio, im);
    return T(multiply_add(a.real(), ratio, a.imag()) / d, multiply_add(a.imag(), ratio, -a.real()) / d);
  } else return a / b;
}
/// a - divide(a, b) * b for integers, C's fmod for floats; the sign is the dividend's.
template <number T>
constexpr T remainder(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    if (b == T(0)) return T(0);
    if constexpr (std::is_signed_v<T>) {
      if (b == T(-1)) return T(0);
    }
    return static_cast<T>(a % b);
  } else return std::fmod(a, b);
}
template <number T>
constexpr T abs(T x) {
  if constexpr (std::is_unsigned_v<T>) return x;
  else if constexpr (std::is_integral_v<T>) return x < T(0) ? static_cast<T>(-wrapping(x)) : x;
  else return x < T(0) ? -x : x + T(0);
}
template <number T>
constexpr bool is_nan(T x) {
  return x != x;
}
template <real T>
constexpr bool is_inf(T x) {
  return x == std::numeric_limits<T>::infinity() || x == -std::numeric_limits<T>::infinity();
}
template <real T>
constexpr bool is_finite(T x) {
  return x - x == T(0);
}
template <real T>
constexpr T exp(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) <= sizeof(double)) return elementary::exp(x);  // as in a pack
  else
#endif
    return std::exp(x);
}
template <real T>
constexpr T expm1(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) <= sizeof(double)) return elementary::expm1(x);  // as in a pack
  else
#endif
    return std::expm1(x);
}
template <real T>
constexpr T log(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) <= sizeof(double)) return elementary::log(x);  // as in a pack
  else
#endif
    return std::log(x);
}
template <real T>
constexpr T log1p(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) <= sizeof(double)) return elementary::log1p(x);  // as in a pack
  else
#endif
    return std::log1p(x);
}
template <real T>
constexpr T sqrt(T x) {
  return std::sqrt(x);
}
/// 1 / sqrt(x).
template <real T>
constexpr T rsqrt(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) <= sizeof(double)) return elementary::rsqrt(x);  // as in a pack
  else
#endif
    return T(1) / std::sqrt(x);
}
template <real T>
constexpr T sin(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) <= sizeof(double)) return elementary::sin(x);  // as in a pack
  else
#endif
    return std::sin(x);
}
template <real T>
constexpr T cos(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) <= sizeof(double)) return elementary::cos(x);  // as in a pack
  else
#endif
    return std::cos(x);
}
template <real T>
constexpr T tanh(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) <= sizeof(double)) return elementary::tanh(x);  // as in a pack
  else
#endif
    return std::tanh(x);
}
/// 1 / (1 + exp(-x)).
template <real T>
constexpr T sigmoid(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) <= sizeof(double)) return elementary::sigmoid(x);  // as in a pack
  else
#endif
    return T(1) / (T(1) + std::exp(-x));
}
template <real T>
constexpr T erf(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::erf(x);  // as in a pack
  else
#endif
    return std::erf(x);
}
template <real T>
constexpr T floor(T x) {
  return std::floor(x);
}
template <real T>
constexpr T ceil(T x) {
  return std::ceil(x);
}
template <real T>
constexpr T round_even(T x) {
  return std::nearbyint(x);
}
template <number T>
constexpr T pow(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return std::pow(a, b);
  else if constexpr (is_complex_v<T>) return rill::detail::standard::pow_of(a, b);
  else {
    if constexpr (std::is_signed_v<T>) {
      if (b < T(0)) return a == T(1) ? T(1) : a == T(-1) ? (b % 2 == 0 ? T(1) : T(-1)) : T(0);
    }
    using U = std::make_unsigned_t<T>;
    U r = 1;
    for (U base = static_cast<U>(a), e = static_cast<U>(b); e != 0; e = static_cast<U>(e >> 1)) {
      if (e & 1U) r = static_cast<U>(wrapping(r) * wrapping(base));
      base = static_cast<U>(wrapping(base) * wrapping(base));
    }
    return static_cast<T>(r);
  }
}
template <complex_number T>
constexpr T exp(T z) {
  return rill::detail::standard::exp_of(z);
}
template <complex_number T>
constexpr T log(T z) {
  return rill::detail::standard::log_of(z);
}
template <complex_number T>
constexpr T sqrt(T z) {
  return rill::detail::standard::sqrt_of(z);
}
template <complex_number T>
constexpr T sin(T z) {
  return rill::detail::standard::sin_of(z);
}
template <complex_number T>
constexpr T cos(T z) {
  return rill::detail::standard::cos_of(z);
}
template <complex_number T>
constexpr T tanh(T z) {
  return rill::detail::standard::tanh_of(z);
}
template <complex_number T>
constexpr real_type_t<T> real_part(T z) {
  return z.real();
}
template <complex_number T>
constexpr real_type_t<T> imaginary_part(T z) {
  return z.imag();
}
template <complex_number T>
constexpr T conjugate(T z) {
  return T(z.real(), -z.imag());
}
/// |z|, without overflow on the way.
template <complex_number T>
constexpr real_type_t<T> magnitude(T z) {
  return std::hypot(z.real(), z.imag());
}
/// The angle of z, in [-pi, pi].
template <complex_number T>
constexpr real_type_t<T> argument(T z) {
  return std::atan2(z.imag(), z.real());
}
template <real T>
constexpr complex_type_t<T> make_complex(T re, T im) {
  return complex_type_t<T>(re, im);
}
constexpr bool logical_and(bool a, bool b) { return a && b; }
constexpr bool logical_or(bool a, bool b) { return a || b; }
constexpr bool logical_xor(bool a, bool b) { return a != b; }
constexpr bool logical_not(bool a) { return !a; }

}  // namespace rill::scalar

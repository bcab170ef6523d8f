// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The vocabulary of an op's `eval` for plain numbers. An eval says `using scalar::exp; return exp(x);`: numbers find
/// these functions, SIMD packs find their own by argument-dependent lookup, and both mean the same. All of it also
/// compiles for a device.
///
/// Fixed here once: max and min give NaN when an operand is NaN; integer division by zero gives 0 and the smallest
/// integer divided by -1 wraps (no trap); round goes half to even; a float that does not fit an integer type gives an
/// unspecified value in a cast.

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace rill::scalar {

template <class T>
concept number = std::is_arithmetic_v<T>;
template <class T>
concept real = std::is_floating_point_v<T>;
template <class T>
concept integer = std::is_integral_v<T>;

/// A value whose +, - and * wrap round: signed integers as unsigned ones, everything else as it is.
template <class V>
[[gnu::always_inline]] constexpr auto wrapping(V a) {
  if constexpr (std::is_integral_v<V> && !std::is_same_v<V, bool>) return static_cast<std::make_unsigned_t<V>>(a);
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
template <class U, number T>
constexpr U cast(T x) {
  return static_cast<U>(x);
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
  return std::exp(x);
}
template <real T>
constexpr T expm1(T x) {
  return std::expm1(x);
}
template <real T>
constexpr T log(T x) {
  return std::log(x);
}
template <real T>
constexpr T log1p(T x) {
  return std::log1p(x);
}
template <real T>
constexpr T sqrt(T x) {
  return std::sqrt(x);
}
template <real T>
constexpr T sin(T x) {
  return std::sin(x);
}
template <real T>
constexpr T cos(T x) {
  return std::cos(x);
}
template <real T>
constexpr T tanh(T x) {
  return std::tanh(x);
}
template <real T>
constexpr T erf(T x) {
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
  else {
    if constexpr (std::is_signed_v<T>) {
      if (b < T(0)) return a == T(1) ? T(1) : a == T(-1) ? (b % 2 == 0 ? T(1) : T(-1)) : T(0);
    }
    using U = std::make_unsigned_t<T>;
    U r = 1;
    for (U base = static_cast<U>(a), e = static_cast<U>(b); e != 0; e = static_cast<U>(e >> 1)) {
      if (e & 1U) r = static_cast<U>(r * base);
      base = static_cast<U>(base * base);
    }
    return static_cast<T>(r);
  }
}
constexpr bool logical_and(bool a, bool b) { return a && b; }
constexpr bool logical_or(bool a, bool b) { return a || b; }
constexpr bool logical_xor(bool a, bool b) { return a != b; }
constexpr bool logical_not(bool a) { return !a; }

}  // namespace rill::scalar

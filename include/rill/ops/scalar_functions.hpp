// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// More of the vocabulary of an op's `eval` for plain numbers: the functions of real numbers that no instruction and no
/// SIMD polynomial serves, and the bit operations of integers. An op applies them with `lanewise`, which calls a function
/// on each lane of packs and once on numbers.
///
/// The functions of real numbers are those of ops/elementary_double.hpp for floats: evaluated in double and rounded once, off
/// by half a unit in the last place and a little. Those of doubles, and the rest, are the C library's (in device code they
/// are the device's own).
///
///   using scalar::lanewise;  return lanewise([](auto v) { return scalar::tan(v); }, x);

#include <bit>

#include "scalar.hpp"

namespace rill::scalar {

/// f of numbers; for packs, f of each lane.
template <class F, number T, class... R>
constexpr auto lanewise(const F& f, T x, R... rest) {
  return f(x, rest...);
}

namespace detail {
template <class V>
struct element {
  using type = V;
};
template <class V>
  requires(!is_complex_v<V> && requires { typename V::value_type; })
struct element<V> {
  using type = typename V::value_type;
};
#if defined(__CUDA_ARCH__)
template <class T>
using wide = T;
#else
template <class T>
using wide = double;
#endif
}  // namespace detail

/// The type of a number or of a pack's lanes.
template <class V>
using element_of = typename detail::element<V>::type;

template <real T>
constexpr T log2(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::log2(x);  // as in a pack
  else
#endif
    return std::log2(x);
}
template <real T>
constexpr T log10(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::log10(x);  // as in a pack
  else
#endif
    return std::log10(x);
}
template <real T>
constexpr T cbrt(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::cbrt(x);  // as in a pack
  else
#endif
    return std::cbrt(x);
}
template <real T>
constexpr T tan(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::tan(x);  // as in a pack
  else
#endif
    return std::tan(x);
}
template <real T>
constexpr T asin(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::asin(x);  // as in a pack
  else
#endif
    return std::asin(x);
}
template <real T>
constexpr T acos(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::acos(x);  // as in a pack
  else
#endif
    return std::acos(x);
}
template <real T>
constexpr T atan(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::atan(x);  // as in a pack
  else
#endif
    return std::atan(x);
}
template <real T>
constexpr T sinh(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::sinh(x);  // as in a pack
  else
#endif
    return std::sinh(x);
}
template <real T>
constexpr T cosh(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::cosh(x);  // as in a pack
  else
#endif
    return std::cosh(x);
}
template <real T>
constexpr T asinh(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::asinh(x);  // as in a pack
  else
#endif
    return std::asinh(x);
}
template <real T>
constexpr T acosh(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::acosh(x);  // as in a pack
  else
#endif
    return std::acosh(x);
}
template <real T>
constexpr T atanh(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::atanh(x);  // as in a pack
  else
#endif
    return std::atanh(x);
}
template <real T>
constexpr T erfc(T x) {
  return static_cast<T>(std::erfc(static_cast<detail::wide<T>>(x)));
}
template <real T>
constexpr T atan2(T y, T x) {
  return static_cast<T>(std::atan2(static_cast<detail::wide<T>>(y), static_cast<detail::wide<T>>(x)));
}
template <real T>
constexpr T hypot(T a, T b) {
  return static_cast<T>(std::hypot(static_cast<detail::wide<T>>(a), static_cast<detail::wide<T>>(b)));
}
template <real T>
constexpr T next_after(T a, T b) {
  return std::nextafter(a, b);
}

// ---- bits of integers; counts outside of [0, bits) move every bit out --------------------------------------------------

template <integer T>
constexpr bool moves_all(T count) {
  return count < T(0) || static_cast<std::make_unsigned_t<T>>(count) >= sizeof(T) * 8;
}
template <integer T>
constexpr T shift_left(T a, T count) {
  if (moves_all(count)) return T(0);
  return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) << count);
}
template <integer T>
constexpr T shift_right_arithmetic(T a, T count) {
  if (moves_all(count)) return a < T(0) ? static_cast<T>(-1) : T(0);
  return static_cast<T>(a >> count);
}
template <integer T>
constexpr T shift_right_logical(T a, T count) {
  if (moves_all(count)) return T(0);
  return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) >> count);
}
template <integer T>
constexpr T population_count(T a) {
  return static_cast<T>(std::popcount(static_cast<std::make_unsigned_t<T>>(a)));
}
template <integer T>
constexpr T count_leading_zeros(T a) {
  return static_cast<T>(std::countl_zero(static_cast<std::make_unsigned_t<T>>(a)));
}
template <real T>
constexpr T exp2(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return elementary::exp2(x);  // as in a pack
  else
#endif
    return std::exp2(x);
}

}  // namespace rill::scalar

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `half`: IEEE 754 binary16 as a trivial two-byte number. Conversions round to nearest, ties to even, once (also from
/// double and 64-bit integers); infinities, NaN and denormals are kept. Arithmetic is done in float and rounded after
/// every operation. Numbers become a half implicitly, a half becomes another number by a cast. All of it is constexpr, and
/// compiles for a device.
///
///   half h = 0.1f;  h += 1;  float f = static_cast<float>(h);      // 1.0996094

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

namespace rill {

namespace detail {

/// A double as the float that a further rounding to fewer bits turns into what the double itself would have become: cut
/// towards zero, with the last bit set when something was cut ("round to odd").
constexpr float sticky_float(double x) {
  if (x != x) return static_cast<float>(x);
  if (x > static_cast<double>(std::numeric_limits<float>::max())) return std::numeric_limits<float>::infinity();
  if (x < static_cast<double>(std::numeric_limits<float>::lowest())) return -std::numeric_limits<float>::infinity();
  const float f = static_cast<float>(x);
  const double back = static_cast<double>(f);
  if (back == x) return f;
  std::uint32_t bits = std::bit_cast<std::uint32_t>(f);
  if ((back < 0 ? -back : back) > (x < 0 ? -x : x)) --bits;
  return std::bit_cast<float>(bits | 1U);
}
/// The same for any number: exact, or rounded to odd.
template <class A>
constexpr float sticky_float_of(A x) {
  if constexpr (std::is_integral_v<A> && sizeof(A) == 8) {
    // The lowest eleven bits do not fit a double: what they hold is gathered in the one above them.
    const bool negative = x < A(0);
    std::uint64_t m = static_cast<std::uint64_t>(x);
    if (negative) m = 0 - m;
    if (m >> 53 != 0) m = (m | ((m & 0x7FFU) != 0 ? 0x800U : 0U)) & ~std::uint64_t{0x7FF};
    const double d = static_cast<double>(m);
    return sticky_float(negative ? -d : d);
  } else if constexpr (std::is_integral_v<A>) return sticky_float(static_cast<double>(x));
  else if constexpr (std::is_same_v<A, float>) return x;
  else return sticky_float(static_cast<double>(x));
}

constexpr std::uint16_t float_to_half(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = bits >> 16 & 0x8000U;
  const std::uint32_t a = bits & 0x7FFFFFFFU;
  if (a > 0x7F800000U) return static_cast<std::uint16_t>(sign | 0x7E00U | (a >> 13 & 0x3FFU));  // NaN, made quiet
  if (a >= 0x477FF000U) return static_cast<std::uint16_t>(sign | 0x7C00U);                      // 65520 and above
  std::uint32_t r = 0;
  if (a >= 0x38800000U) {  // a normal half
    r = a - 0x38000000U;
    r = (r + 0xFFFU + (r >> 13 & 1U)) >> 13;
  } else if (a > 0x33000000U) {  // above half of the smallest denormal
    const std::uint32_t m = (a & 0x7FFFFFU) | 0x800000U;
    const std::uint32_t shift = 126U - (a >> 23);
    const std::uint32_t rest = m & ((1U << shift) - 1U);
    const std::uint32_t middle = 1U << (shift - 1U);
    r = m >> shift;
    if (rest > middle || (rest == middle && (r & 1U) != 0)) ++r;
  }
  return static_cast<std::uint16_t>(sign | r);
}
constexpr float half_to_float(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000U) << 16;
  const std::uint32_t exponent = h >> 10 & 31U;
  const std::uint32_t m = h & 0x3FFU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | (m != 0 ? 0x400000U : 0U) | m << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112U) << 23 | m << 13);
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(m) * 0x1p-24F));
}

}  // namespace detail

struct half {
  std::uint16_t bits;  ///< sign, 5 bits of exponent, 10 of fraction

  half() = default;
  /// The nearest half; infinity from 65520 on.
  template <class A>
    requires std::is_arithmetic_v<A>
  constexpr half(A x) : bits(detail::float_to_half(detail::sticky_float_of(x))) {}  // NOLINT: implicit on purpose
  static constexpr half from_bits(std::uint16_t b) {
    half h(0.0F);
    h.bits = b;
    return h;
  }
  /// The value, exactly for floating types; integers are cut towards zero.
  template <class A>
    requires std::is_arithmetic_v<A>
  constexpr explicit operator A() const {
    if constexpr (std::is_same_v<A, bool>) return (bits & 0x7FFFU) != 0;
    else return static_cast<A>(detail::half_to_float(bits));
  }

  friend constexpr half operator+(half a, half b) { return static_cast<float>(a) + static_cast<float>(b); }
  friend constexpr half operator-(half a, half b) { return static_cast<float>(a) - static_cast<float>(b); }
  friend constexpr half operator*(half a, half b) { return static_cast<float>(a) * static_cast<float>(b); }
  friend constexpr half operator/(half a, half b) { return static_cast<float>(a) / static_cast<float>(b); }
  constexpr half operator-() const { return from_bits(static_cast<std::uint16_t>(bits ^ 0x8000U)); }
  constexpr half operator+() const { return *this; }
  constexpr half& operator+=(half b) { return *this = *this + b; }
  constexpr half& operator-=(half b) { return *this = *this - b; }
  constexpr half& operator*=(half b) { return *this = *this * b; }
  constexpr half& operator/=(half b) { return *this = *this / b; }
  friend constexpr bool operator==(half a, half b) { return static_cast<float>(a) == static_cast<float>(b); }
  friend constexpr bool operator<(half a, half b) { return static_cast<float>(a) < static_cast<float>(b); }
  friend constexpr bool operator>(half a, half b) { return b < a; }
  friend constexpr bool operator<=(half a, half b) { return static_cast<float>(a) <= static_cast<float>(b); }
  friend constexpr bool operator>=(half a, half b) { return b <= a; }
};
static_assert(sizeof(half) == 2 && std::is_trivial_v<half>);

}  // namespace rill

template <>
class std::numeric_limits<rill::half> {
 public:
  static constexpr bool is_specialized = true, is_signed = true, is_integer = false, is_exact = false;
  static constexpr bool has_infinity = true, has_quiet_NaN = true, has_signaling_NaN = true;
  static constexpr std::float_denorm_style has_denorm = std::denorm_present;
  static constexpr bool has_denorm_loss = false, is_iec559 = true, is_bounded = true, is_modulo = false;
  static constexpr bool traps = false, tinyness_before = false;
  static constexpr std::float_round_style round_style = std::round_to_nearest;
  static constexpr int radix = 2, digits = 11, digits10 = 3, max_digits10 = 5;
  static constexpr int min_exponent = -13, min_exponent10 = -4, max_exponent = 16, max_exponent10 = 4;
  static constexpr rill::half min() noexcept { return rill::half::from_bits(0x0400); }
  static constexpr rill::half max() noexcept { return rill::half::from_bits(0x7BFF); }
  static constexpr rill::half lowest() noexcept { return rill::half::from_bits(0xFBFF); }
  static constexpr rill::half epsilon() noexcept { return rill::half::from_bits(0x1400); }
  static constexpr rill::half round_error() noexcept { return rill::half::from_bits(0x3800); }
  static constexpr rill::half infinity() noexcept { return rill::half::from_bits(0x7C00); }
  static constexpr rill::half quiet_NaN() noexcept { return rill::half::from_bits(0x7E00); }
  static constexpr rill::half signaling_NaN() noexcept { return rill::half::from_bits(0x7D00); }
  static constexpr rill::half denorm_min() noexcept { return rill::half::from_bits(0x0001); }
};

/// Equal numbers have equal hashes: -0 that of 0.
template <>
struct std::hash<rill::half> {
  std::size_t operator()(rill::half h) const noexcept {
    return (h.bits & 0x7FFFU) == 0 ? 0 : std::hash<std::uint16_t>()(h.bits);
  }
};

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `bfloat16`: the upper half of a float (8 bits of exponent, 7 of fraction) as a trivial two-byte number. Conversions
/// round to nearest, ties to even, once; infinities, NaN and denormals are kept. Arithmetic is done in float and rounded
/// after every operation. Numbers become a bfloat16 implicitly, a bfloat16 becomes another number by a cast. All of it is
/// constexpr, and compiles for a device.
///
///   bfloat16 b = 3.14159;  float f = static_cast<float>(b);      // 3.140625

#include "half.hpp"

namespace rill {

namespace detail {

constexpr std::uint16_t float_to_bfloat16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);  // NaN, made quiet
  return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}
constexpr float bfloat16_to_float(std::uint16_t b) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(b) << 16);
}

}  // namespace detail

struct bfloat16 {
  std::uint16_t bits;  ///< sign, 8 bits of exponent, 7 of fraction

  bfloat16() = default;
  /// The nearest bfloat16; infinity above the largest one.
  template <class A>
    requires std::is_arithmetic_v<A>
  constexpr bfloat16(A x) : bits(detail::float_to_bfloat16(detail::sticky_float_of(x))) {}  // NOLINT: implicit on purpose
  constexpr explicit bfloat16(half h) : bits(detail::float_to_bfloat16(detail::half_to_float(h.bits))) {}
  static constexpr bfloat16 from_bits(std::uint16_t b) {
    bfloat16 r(0.0F);
    r.bits = b;
    return r;
  }
  /// The value, exactly for float and double; integers are cut towards zero.
  template <class A>
    requires std::is_arithmetic_v<A>
  constexpr explicit operator A() const {
    if constexpr (std::is_same_v<A, bool>) return (bits & 0x7FFFU) != 0;
    else return static_cast<A>(detail::bfloat16_to_float(bits));
  }
  constexpr explicit operator half() const { return half(detail::bfloat16_to_float(bits)); }

  friend constexpr bfloat16 operator+(bfloat16 a, bfloat16 b) { return static_cast<float>(a) + static_cast<float>(b); }
  friend constexpr bfloat16 operator-(bfloat16 a, bfloat16 b) { return static_cast<float>(a) - static_cast<float>(b); }
  friend constexpr bfloat16 operator*(bfloat16 a, bfloat16 b) { return static_cast<float>(a) * static_cast<float>(b); }
  friend constexpr bfloat16 operator/(bfloat16 a, bfloat16 b) { return static_cast<float>(a) / static_cast<float>(b); }
  constexpr bfloat16 operator-() const { return from_bits(static_cast<std::uint16_t>(bits ^ 0x8000U)); }
  constexpr bfloat16 operator+() const { return *this; }
  constexpr bfloat16& operator+=(bfloat16 b) { return *this = *this + b; }
  constexpr bfloat16& operator-=(bfloat16 b) { return *this = *this - b; }
  constexpr bfloat16& operator*=(bfloat16 b) { return *this = *this * b; }
  constexpr bfloat16& operator/=(bfloat16 b) { return *this = *this / b; }
  friend constexpr bool operator==(bfloat16 a, bfloat16 b) { return static_cast<float>(a) == static_cast<float>(b); }
  friend constexpr bool operator<(bfloat16 a, bfloat16 b) { return static_cast<float>(a) < static_cast<float>(b); }
  friend constexpr bool operator>(bfloat16 a, bfloat16 b) { return b < a; }
  friend constexpr bool operator<=(bfloat16 a, bfloat16 b) { return static_cast<float>(a) <= static_cast<float>(b); }
  friend constexpr bool operator>=(bfloat16 a, bfloat16 b) { return b <= a; }
};
static_assert(sizeof(bfloat16) == 2 && std::is_trivial_v<bfloat16>);

}  // namespace rill

template <>
class std::numeric_limits<rill::bfloat16> {
 public:
  static constexpr bool is_specialized = true, is_signed = true, is_integer = false, is_exact = false;
  static constexpr bool has_infinity = true, has_quiet_NaN = true, has_signaling_NaN = true;
  static constexpr std::float_denorm_style has_denorm = std::denorm_present;
  static constexpr bool has_denorm_loss = false, is_iec559 = false, is_bounded = true, is_modulo = false;
  static constexpr bool traps = false, tinyness_before = false;
  static constexpr std::float_round_style round_style = std::round_to_nearest;
  static constexpr int radix = 2, digits = 8, digits10 = 2, max_digits10 = 4;
  static constexpr int min_exponent = -125, min_exponent10 = -37, max_exponent = 128, max_exponent10 = 38;
  static constexpr rill::bfloat16 min() noexcept { return rill::bfloat16::from_bits(0x0080); }
  static constexpr rill::bfloat16 max() noexcept { return rill::bfloat16::from_bits(0x7F7F); }
  static constexpr rill::bfloat16 lowest() noexcept { return rill::bfloat16::from_bits(0xFF7F); }
  static constexpr rill::bfloat16 epsilon() noexcept { return rill::bfloat16::from_bits(0x3C00); }
  static constexpr rill::bfloat16 round_error() noexcept { return rill::bfloat16::from_bits(0x3F00); }
  static constexpr rill::bfloat16 infinity() noexcept { return rill::bfloat16::from_bits(0x7F80); }
  static constexpr rill::bfloat16 quiet_NaN() noexcept { return rill::bfloat16::from_bits(0x7FC0); }
  static constexpr rill::bfloat16 signaling_NaN() noexcept { return rill::bfloat16::from_bits(0x7FA0); }
  static constexpr rill::bfloat16 denorm_min() noexcept { return rill::bfloat16::from_bits(0x0001); }
};

/// Equal numbers have equal hashes: -0 that of 0.
template <>
struct std::hash<rill::bfloat16> {
  std::size_t operator()(rill::bfloat16 b) const noexcept {
    return (b.bits & 0x7FFFU) == 0 ? 0 : std::hash<std::uint16_t>()(b.bits);
  }
};

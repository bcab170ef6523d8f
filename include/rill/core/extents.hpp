// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `extents<E...>`: the shape of a tensor type. Dimensions >= 0 are part of the type, `dyn` ones are stored (any number
/// of them); `extents<any_rank>` stores even the rank. Also the checked size arithmetic of all shapes: a product that does
/// not fit is an invalid_argument, never a small number.
///
///   extents<dyn, 784> e(tensor_shape{100, 784});   // sizeof(e) == sizeof(std::int64_t)

#include <cstddef>
#include <cstdint>
#include <string>

#include "error.hpp"
#include "shape.hpp"

namespace rill {

/// The only extent of a tensor type whose rank is known at run time only: `tensor<float, any_rank>`.
inline constexpr std::int64_t any_rank = INT64_MIN;

/// Number of elements of a run-time shape. invalid_argument when a dimension is negative, the rank is above `max_rank`
/// or the product does not fit 63 bits; also that of the others where a dimension is 0, so that any product of some of
/// them can be taken.
inline std::int64_t checked_size(const tensor_shape& s) {
  if (s.overflow_) throw invalid_argument("a shape may have at most 8 dimensions");
  std::int64_t n = 1;
  bool empty = false;
  for (int i = 0; i < s.rank(); ++i) {
    if (s[i] < 0) throw invalid_argument("shape " + to_string(s) + " has a negative dimension");
    empty = empty || s[i] == 0;
  }
  for (int i = 0; i < s.rank(); ++i)
    if (s[i] != 0 && __builtin_mul_overflow(n, s[i], &n))
      throw invalid_argument("shape " + to_string(s) + " has more elements than 63 bits can count");
  return empty ? 0 : n;
}

template <std::int64_t... E>
class extents {
  static_assert(sizeof...(E) <= static_cast<std::size_t>(max_rank), "a tensor has at most 8 dimensions");
  static_assert(((E >= dyn) && ...), "an extent is >= 0, or dyn");

 public:
  static constexpr int rank = static_cast<int>(sizeof...(E));
  static constexpr int dynamic = ((E < 0 ? 1 : 0) + ... + 0);
  static constexpr bool is_static = dynamic == 0;
  static constexpr bool has_any_rank = false;
  /// The dimensions as written: `dyn` (-1) where unknown.
  static constexpr tensor_shape declared() { return tensor_shape{E...}; }

  constexpr extents() = default;
  /// Takes the run-time dimensions; invalid_argument when rank or a static dimension differs.
  explicit constexpr extents(const tensor_shape& s) {
    if (!fits(s))
      throw invalid_argument("a tensor of shape " + to_string(declared()) + " cannot take the shape " + to_string(s));
    constexpr tensor_shape d = declared();
    int k = 0;
    for (int i = 0; i < rank; ++i)
      if (d[i] < 0) dims_[k++] = s[i];
  }
  /// Whether a run-time shape is one of this type.
  static constexpr bool fits(const tensor_shape& s) {
    if (s.overflow_ || s.rank() != rank) return false;
    constexpr tensor_shape d = declared();
    for (int i = 0; i < rank; ++i)
      if (s[i] < 0 || (d[i] >= 0 && d[i] != s[i])) return false;
    return true;
  }
  [[nodiscard]] constexpr std::int64_t operator[](int i) const {
    constexpr tensor_shape d = declared();
    if (d[i] >= 0) return d[i];
    int k = 0;
    for (int j = 0; j < i; ++j) k += d[j] < 0;
    return dims_[k];
  }
  [[nodiscard]] constexpr tensor_shape shape() const {
    tensor_shape s = declared();
    int k = 0;
    for (int i = 0; i < rank; ++i)
      if (s[i] < 0) s[i] = dims_[k++];
    return s;
  }
  /// Product of the dimensions (checked when the shape was made).
  [[nodiscard]] constexpr std::int64_t size() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= (*this)[i];
    return n;
  }
  friend constexpr bool operator==(const extents& a, const extents& b) {
    for (int k = 0; k < dynamic; ++k)
      if (a.dims_[k] != b.dims_[k]) return false;
    return true;
  }

 private:
  std::int64_t dims_[dynamic > 0 ? static_cast<std::size_t>(dynamic) : 1] = {};
};

template <>
class extents<any_rank> {
 public:
  static constexpr int rank = -1;
  static constexpr int dynamic = -1;
  static constexpr bool is_static = false;
  static constexpr bool has_any_rank = true;
  static constexpr bool fits(const tensor_shape& s) {
    for (int i = 0; i < s.rank(); ++i)
      if (s[i] < 0) return false;
    return !s.overflow_;
  }
  constexpr extents() : shape_{0} {}
  explicit constexpr extents(const tensor_shape& s) : shape_(s) {}
  [[nodiscard]] constexpr std::int64_t operator[](int i) const { return shape_[i]; }
  [[nodiscard]] constexpr tensor_shape shape() const { return shape_; }
  [[nodiscard]] constexpr std::int64_t size() const {
    std::int64_t n = 1;
    for (int i = 0; i < shape_.rank(); ++i) n *= shape_[i];
    return n;
  }
  friend constexpr bool operator==(const extents& a, const extents& b) { return a.shape_ == b.shape_; }

 private:
  tensor_shape shape_;
};

namespace detail {

/// Whether a value of one extents type may be a value of the other: static dimensions that both name are equal.
template <class A, class B>
inline constexpr bool extents_agree = false;
template <std::int64_t... A, std::int64_t... B>
inline constexpr bool extents_agree<extents<A...>, extents<B...>> = [] {
  if constexpr (extents<A...>::has_any_rank || extents<B...>::has_any_rank) return true;
  else if constexpr (sizeof...(A) != sizeof...(B)) return false;
  else return ((A < 0 || B < 0 || A == B) && ...);
}();

/// Row-major element strides of a shape.
constexpr void row_major_strides(const tensor_shape& s, std::int64_t* strides) {
  std::int64_t n = 1;
  for (int i = s.rank() - 1; i >= 0; --i) {
    strides[i] = n;
    n *= s[i];
  }
}

}  // namespace detail
}  // namespace rill

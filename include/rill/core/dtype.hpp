// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Element types: the run-time tag `dtype` (numbered as TensorFlow's DataType), its C++ types and names.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rill {

/// Element type of a tensor; the values are TensorFlow's DataType numbers, so they can be written to files as they are.
enum class dtype : std::uint8_t {
  invalid = 0,
  float32 = 1,
  float64 = 2,
  int32 = 3,
  uint8 = 4,
  string = 7,
  int64 = 9,
  boolean = 10,
};

namespace detail {
template <class T>
struct dtype_of;
template <>
struct dtype_of<float> {
  static constexpr dtype value = dtype::float32;
};
template <>
struct dtype_of<double> {
  static constexpr dtype value = dtype::float64;
};
template <>
struct dtype_of<std::int32_t> {
  static constexpr dtype value = dtype::int32;
};
template <>
struct dtype_of<std::int64_t> {
  static constexpr dtype value = dtype::int64;
};
template <>
struct dtype_of<std::uint8_t> {
  static constexpr dtype value = dtype::uint8;
};
template <>
struct dtype_of<bool> {
  static constexpr dtype value = dtype::boolean;
};
template <dtype D>
struct type_of;
template <>
struct type_of<dtype::float32> {
  using type = float;
};
template <>
struct type_of<dtype::float64> {
  using type = double;
};
template <>
struct type_of<dtype::int32> {
  using type = std::int32_t;
};
template <>
struct type_of<dtype::int64> {
  using type = std::int64_t;
};
template <>
struct type_of<dtype::uint8> {
  using type = std::uint8_t;
};
template <>
struct type_of<dtype::boolean> {
  using type = bool;
};
}  // namespace detail

/// The tag of a C++ element type: `dtype_v<float> == dtype::float32`.
template <class T>
inline constexpr dtype dtype_v = detail::dtype_of<T>::value;

/// The C++ type of a tag: `type_of_t<dtype::int64>` is `std::int64_t`.
template <dtype D>
using type_of_t = typename detail::type_of<D>::type;

/// A type that a tensor can hold.
template <class T>
concept element = requires { detail::dtype_of<T>::value; };

/// Bytes of one element; 0 for string and invalid.
constexpr std::size_t size_of(dtype d) {
  switch (d) {
    case dtype::float32:
    case dtype::int32: return 4;
    case dtype::float64:
    case dtype::int64: return 8;
    case dtype::uint8:
    case dtype::boolean: return 1;
    default: return 0;
  }
}

/// TensorFlow's name of the type: "float32", "int64", "bool".
constexpr std::string_view name_of(dtype d) {
  switch (d) {
    case dtype::float32: return "float32";
    case dtype::float64: return "float64";
    case dtype::int32: return "int32";
    case dtype::int64: return "int64";
    case dtype::uint8: return "uint8";
    case dtype::boolean: return "bool";
    case dtype::string: return "string";
    default: return "invalid";
  }
}

constexpr bool is_floating(dtype d) { return d == dtype::float32 || d == dtype::float64; }
constexpr bool is_integer(dtype d) { return d == dtype::int32 || d == dtype::int64 || d == dtype::uint8; }

}  // namespace rill

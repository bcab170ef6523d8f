// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Element types: the run-time tag `dtype` (numbered as TensorFlow's DataType), its C++ types and names, and the step from
/// a tag to its type. std::complex is only declared here: who computes with it includes <complex>.
///
///   visit_floating(d, [&]<class T>(std::type_identity<T>) { fill(static_cast<T*>(data), T(1)); });

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "bfloat16.hpp"
#include "error.hpp"
#include "half.hpp"

#if defined(__GLIBCXX__)
namespace std {
_GLIBCXX_BEGIN_NAMESPACE_VERSION
template <typename>
class complex;
_GLIBCXX_END_NAMESPACE_VERSION
}  // namespace std
#else
#include <complex>
#endif

namespace rill {

/// Element type of a tensor; the values are TensorFlow's DataType numbers, so they can be written to files as they are.
enum class dtype : std::uint8_t {
  invalid = 0,
  float32 = 1,
  float64 = 2,
  int32 = 3,
  uint8 = 4,
  int16 = 5,
  int8 = 6,
  string = 7,
  complex64 = 8,
  int64 = 9,
  boolean = 10,
  bfloat16 = 14,
  uint16 = 17,
  complex128 = 18,
  float16 = 19,
  half = 19,
  uint32 = 22,
  uint64 = 23,
};

namespace detail {

template <dtype D, class T>
struct tagged {
  static constexpr dtype value = D;
  using type = T;
};
/// The one table of tags and types; a tag or a type finds its line by deduction.
struct dtype_table : tagged<dtype::float32, float>,
                     tagged<dtype::float64, double>,
                     tagged<dtype::float16, rill::half>,
                     tagged<dtype::bfloat16, rill::bfloat16>,
                     tagged<dtype::int8, std::int8_t>,
                     tagged<dtype::int16, std::int16_t>,
                     tagged<dtype::int32, std::int32_t>,
                     tagged<dtype::int64, std::int64_t>,
                     tagged<dtype::uint8, std::uint8_t>,
                     tagged<dtype::uint16, std::uint16_t>,
                     tagged<dtype::uint32, std::uint32_t>,
                     tagged<dtype::uint64, std::uint64_t>,
                     tagged<dtype::complex64, std::complex<float>>,
                     tagged<dtype::complex128, std::complex<double>>,
                     tagged<dtype::boolean, bool>,
                     tagged<dtype::string, std::string> {};
template <class T, dtype D>
tagged<D, T> line_of_type(const tagged<D, T>*);
template <dtype D, class T>
tagged<D, T> line_of_tag(const tagged<D, T>*);

template <class T>
using dtype_of = decltype(line_of_type<T>(static_cast<const dtype_table*>(nullptr)));
template <dtype D>
using type_of = decltype(line_of_tag<D>(static_cast<const dtype_table*>(nullptr)));

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

template <class T>
inline constexpr bool is_complex_v = std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;
/// half and bfloat16, the types whose arithmetic is done in float.
template <class T>
inline constexpr bool is_narrow_v = std::is_same_v<T, half> || std::is_same_v<T, bfloat16>;
/// float, double, half and bfloat16.
template <class T>
inline constexpr bool is_floating_v = std::is_floating_point_v<T> || is_narrow_v<T>;
/// What can stand for one number: C++'s arithmetic types, half, bfloat16, complex.
template <class T>
inline constexpr bool is_number_v = std::is_arithmetic_v<T> || is_narrow_v<T> || is_complex_v<T>;
/// The type that arithmetic on T is done and accumulated in: float for half and bfloat16, else T itself.
template <class T>
using compute_t = std::conditional_t<is_narrow_v<T>, float, T>;

namespace detail {
template <class T>
struct real_of {
  using type = T;
};
template <class T>
struct real_of<std::complex<T>> {
  using type = T;
};
template <class T>
struct complex_of {};
template <>
struct complex_of<float> {
  using type = std::complex<float>;
};
template <>
struct complex_of<double> {
  using type = std::complex<double>;
};
}  // namespace detail

/// The type of the real part: float for std::complex<float>, else T itself.
template <class T>
using real_type_t = typename detail::real_of<T>::type;
/// The complex type with parts of type T (float or double).
template <class T>
using complex_type_t = typename detail::complex_of<T>::type;

/// Any number as another: floats are cut towards zero, a number becomes true where it is not 0, a complex number becomes
/// its real part.
template <class To, class From>
  requires(is_number_v<To> && is_number_v<From>)
constexpr To number_cast(const From& x) {
  if constexpr (std::is_same_v<To, From>) return x;
  else if constexpr (std::is_same_v<To, bool>) return x != From(0);
  else if constexpr (is_complex_v<To> && is_complex_v<From>) {
    using R = real_type_t<To>;
    return To(static_cast<R>(x.real()), static_cast<R>(x.imag()));
  } else if constexpr (is_complex_v<To>) return To(static_cast<real_type_t<To>>(x));
  else if constexpr (is_complex_v<From>) return number_cast<To>(x.real());
  else return static_cast<To>(x);
}

/// Bytes of one element; 0 for string and invalid.
constexpr std::size_t size_of(dtype d) {
  switch (d) {
    case dtype::int8:
    case dtype::uint8:
    case dtype::boolean: return 1;
    case dtype::float16:
    case dtype::bfloat16:
    case dtype::int16:
    case dtype::uint16: return 2;
    case dtype::float32:
    case dtype::int32:
    case dtype::uint32: return 4;
    case dtype::float64:
    case dtype::int64:
    case dtype::uint64:
    case dtype::complex64: return 8;
    case dtype::complex128: return 16;
    default: return 0;
  }
}

/// TensorFlow's name of the type: "float32", "int64", "bool".
constexpr std::string_view name_of(dtype d) {
  switch (d) {
    case dtype::float16: return "float16";
    case dtype::bfloat16: return "bfloat16";
    case dtype::float32: return "float32";
    case dtype::float64: return "float64";
    case dtype::int8: return "int8";
    case dtype::int16: return "int16";
    case dtype::int32: return "int32";
    case dtype::int64: return "int64";
    case dtype::uint8: return "uint8";
    case dtype::uint16: return "uint16";
    case dtype::uint32: return "uint32";
    case dtype::uint64: return "uint64";
    case dtype::complex64: return "complex64";
    case dtype::complex128: return "complex128";
    case dtype::boolean: return "bool";
    case dtype::string: return "string";
    default: return "invalid";
  }
}

/// The type of that name ("half", "float" and "double" are understood too); invalid_argument for any other text.
constexpr dtype dtype_from_name(std::string_view name) {
  for (int k = 1; k <= 23; ++k) {
    const dtype d = static_cast<dtype>(k);
    if (name_of(d) == name && name != "invalid") return d;
  }
  if (name == "half") return dtype::float16;
  if (name == "float") return dtype::float32;
  if (name == "double") return dtype::float64;
  throw invalid_argument("no element type is named '" + std::string(name) + "'");
}

constexpr bool is_floating(dtype d) {
  return d == dtype::float32 || d == dtype::float64 || d == dtype::float16 || d == dtype::bfloat16;
}
constexpr bool is_complex(dtype d) { return d == dtype::complex64 || d == dtype::complex128; }
constexpr bool is_unsigned(dtype d) {
  return d == dtype::uint8 || d == dtype::uint16 || d == dtype::uint32 || d == dtype::uint64;
}
constexpr bool is_integer(dtype d) {
  return is_unsigned(d) || d == dtype::int8 || d == dtype::int16 || d == dtype::int32 || d == dtype::int64;
}
/// Whether values of the type have a sign: floating, complex and signed integers.
constexpr bool is_signed(dtype d) { return is_floating(d) || is_complex(d) || (is_integer(d) && !is_unsigned(d)); }
/// The type of the real part; the type itself when it is not complex.
constexpr dtype real_type_of(dtype d) {
  return d == dtype::complex64 ? dtype::float32 : d == dtype::complex128 ? dtype::float64 : d;
}

// ---- from a tag to its type -------------------------------------------------------------------------------------------

namespace detail {

[[noreturn]] inline void throw_dtype(dtype d, const char* wanted, const char* op) {
  throw invalid_argument((op ? std::string(op) + ": " : std::string()) + "an element type is " + std::string(name_of(d)) +
                         " where " + wanted + " is wanted");
}
template <dtype D, dtype... Rest, class F>
constexpr decltype(auto) visit_one_of(dtype d, const char* wanted, const char* op, F& f) {
  if (d == D) return f(std::type_identity<type_of_t<D>>{});
  if constexpr (sizeof...(Rest) > 0) return visit_one_of<Rest...>(d, wanted, op, f);
  else throw_dtype(d, wanted, op);
}

}  // namespace detail

/// Calls f(std::type_identity<T>{}) for the type T of the tag and returns what it returns, which is of one type for all T.
/// Each visitor compiles f for the types it names; invalid_argument, naming `op` when given, for any other tag.
/// Here: float16, bfloat16, float32, float64.
template <class F>
constexpr decltype(auto) visit_floating(dtype d, F&& f, const char* op = nullptr) {
  return detail::visit_one_of<dtype::float32, dtype::float64, dtype::float16, dtype::bfloat16>(
      d, "a floating-point type", op, f);
}
/// float32 and float64.
template <class F>
constexpr decltype(auto) visit_float_or_double(dtype d, F&& f, const char* op = nullptr) {
  return detail::visit_one_of<dtype::float32, dtype::float64>(d, "float32 or float64", op, f);
}
/// The eight integer types.
template <class F>
constexpr decltype(auto) visit_integer(dtype d, F&& f, const char* op = nullptr) {
  return detail::visit_one_of<dtype::int32, dtype::int64, dtype::uint8, dtype::int8, dtype::int16, dtype::uint16,
                              dtype::uint32, dtype::uint64>(d, "an integer type", op, f);
}
/// int32 and int64.
template <class F>
constexpr decltype(auto) visit_index(dtype d, F&& f, const char* op = nullptr) {
  return detail::visit_one_of<dtype::int32, dtype::int64>(d, "int32 or int64", op, f);
}
/// complex64 and complex128.
template <class F>
constexpr decltype(auto) visit_complex(dtype d, F&& f, const char* op = nullptr) {
  return detail::visit_one_of<dtype::complex64, dtype::complex128>(d, "a complex type", op, f);
}
/// Floating-point and integer types.
template <class F>
constexpr decltype(auto) visit_real(dtype d, F&& f, const char* op = nullptr) {
  return detail::visit_one_of<dtype::float32, dtype::float64, dtype::int32, dtype::int64, dtype::uint8, dtype::float16,
                              dtype::bfloat16, dtype::int8, dtype::int16, dtype::uint16, dtype::uint32, dtype::uint64>(
      d, "a real type", op, f);
}
/// Real and complex types.
template <class F>
constexpr decltype(auto) visit_number(dtype d, F&& f, const char* op = nullptr) {
  return detail::visit_one_of<dtype::float32, dtype::float64, dtype::int32, dtype::int64, dtype::uint8, dtype::float16,
                              dtype::bfloat16, dtype::int8, dtype::int16, dtype::uint16, dtype::uint32, dtype::uint64,
                              dtype::complex64, dtype::complex128>(d, "a number type", op, f);
}
/// Every type of a fixed size: numbers and bool.
template <class F>
constexpr decltype(auto) visit_dtype(dtype d, F&& f, const char* op = nullptr) {
  return detail::visit_one_of<dtype::float32, dtype::float64, dtype::int32, dtype::int64, dtype::boolean, dtype::uint8,
                              dtype::float16, dtype::bfloat16, dtype::int8, dtype::int16, dtype::uint16, dtype::uint32,
                              dtype::uint64, dtype::complex64, dtype::complex128>(d, "a type of fixed size", op, f);
}
/// Every type that a tensor can hold, std::string too.
template <class F>
constexpr decltype(auto) visit_element(dtype d, F&& f, const char* op = nullptr) {
  return detail::visit_one_of<dtype::float32, dtype::float64, dtype::int32, dtype::int64, dtype::boolean, dtype::uint8,
                              dtype::string, dtype::float16, dtype::bfloat16, dtype::int8, dtype::int16, dtype::uint16,
                              dtype::uint32, dtype::uint64, dtype::complex64, dtype::complex128>(d, "an element type", op,
                                                                                                f);
}

}  // namespace rill

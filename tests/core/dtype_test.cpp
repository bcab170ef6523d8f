// SPDX-License-Identifier: Apache-2.0
#include <rill/core/dtype.hpp>

#include <doctest/doctest.h>

#include <complex>
#include <string>
#include <type_traits>

using rill::dtype;

namespace {

// What TensorFlow's types.proto and NumPy say, written out by hand.
struct row {
  dtype type;
  int number;
  const char* name;
  std::size_t size;
  bool floating, integer, is_signed;
};
constexpr row table[] = {
    {dtype::invalid, 0, "invalid", 0, false, false, false},   {dtype::float32, 1, "float32", 4, true, false, true},
    {dtype::float64, 2, "float64", 8, true, false, true},     {dtype::int32, 3, "int32", 4, false, true, true},
    {dtype::uint8, 4, "uint8", 1, false, true, false},        {dtype::int16, 5, "int16", 2, false, true, true},
    {dtype::int8, 6, "int8", 1, false, true, true},           {dtype::string, 7, "string", 0, false, false, false},
    {dtype::complex64, 8, "complex64", 8, false, false, true}, {dtype::int64, 9, "int64", 8, false, true, true},
    {dtype::boolean, 10, "bool", 1, false, false, false},     {dtype::bfloat16, 14, "bfloat16", 2, true, false, true},
    {dtype::uint16, 17, "uint16", 2, false, true, false},     {dtype::complex128, 18, "complex128", 16, false, false, true},
    {dtype::float16, 19, "float16", 2, true, false, true},    {dtype::uint32, 22, "uint32", 4, false, true, false},
    {dtype::uint64, 23, "uint64", 8, false, true, false},
};

template <class T>
void check_round_trip(dtype expected) {
  constexpr dtype d = rill::dtype_v<T>;
  CHECK(d == expected);
  CHECK(std::is_same_v<rill::type_of_t<d>, T>);
  CHECK(rill::element<T>);
  CHECK(rill::size_of(d) == sizeof(T));
  CHECK(rill::is_floating(d) == rill::is_floating_v<T>);
  CHECK(rill::is_complex(d) == rill::is_complex_v<T>);
  CHECK(rill::dtype_v<rill::real_type_t<T>> == rill::real_type_of(d));
  CHECK(rill::is_integer(d) == (std::is_integral_v<T> && !std::is_same_v<T, bool>));
}

}  // namespace

TEST_CASE("dtype: numbers, names and sizes are TensorFlow's") {
  for (const row& r : table) {
    CAPTURE(r.name);
    CHECK(static_cast<int>(r.type) == r.number);
    CHECK(std::string(rill::name_of(r.type)) == r.name);
    CHECK(rill::size_of(r.type) == r.size);
    CHECK(rill::is_floating(r.type) == r.floating);
    CHECK(rill::is_integer(r.type) == r.integer);
    CHECK(rill::is_signed(r.type) == r.is_signed);
    if (r.number != 0) CHECK(rill::dtype_from_name(r.name) == r.type);
  }
}

TEST_CASE("dtype: a number that is no dtype (as read from a file) has no size and no name") {
  for (int number : {11, 12, 13, 15, 16, 20, 21, 24, 101, 255}) {
    CAPTURE(number);
    const auto d = static_cast<dtype>(number);
    CHECK(rill::size_of(d) == 0);
    CHECK(std::string(rill::name_of(d)) == "invalid");
    CHECK_FALSE(rill::is_floating(d));
    CHECK_FALSE(rill::is_integer(d));
  }
}

TEST_CASE("dtype: C++ types map to tags and back") {
  check_round_trip<float>(dtype::float32);
  check_round_trip<double>(dtype::float64);
  check_round_trip<std::int32_t>(dtype::int32);
  check_round_trip<std::int64_t>(dtype::int64);
  check_round_trip<std::uint8_t>(dtype::uint8);
  check_round_trip<bool>(dtype::boolean);
  check_round_trip<rill::half>(dtype::float16);
  check_round_trip<rill::bfloat16>(dtype::bfloat16);
  check_round_trip<std::int8_t>(dtype::int8);
  check_round_trip<std::int16_t>(dtype::int16);
  check_round_trip<std::uint16_t>(dtype::uint16);
  check_round_trip<std::uint32_t>(dtype::uint32);
  check_round_trip<std::uint64_t>(dtype::uint64);
  check_round_trip<std::complex<float>>(dtype::complex64);
  check_round_trip<std::complex<double>>(dtype::complex128);
  static_assert(rill::dtype_v<std::string> == dtype::string && std::is_same_v<rill::type_of_t<dtype::string>, std::string>);
  static_assert(dtype::half == dtype::float16);
}

namespace {
std::string visited(dtype d) {
  const auto name = []<class T>(std::type_identity<T>) { return std::string(rill::name_of(rill::dtype_v<T>)); };
  const auto attempt = [&](auto visit) {
    try {
      return visit() == rill::name_of(d) ? "1" : "wrong";
    } catch (const rill::invalid_argument& e) {
      CHECK(std::string(e.what()).find(std::string(rill::name_of(d)) + " where ") != std::string::npos);
      CHECK(std::string(e.what()).rfind("Op: ", 0) == 0);
      return "0";
    }
  };
  std::string r;
  r += attempt([&] { return rill::visit_floating(d, name, "Op"); });
  r += attempt([&] { return rill::visit_integer(d, name, "Op"); });
  r += attempt([&] { return rill::visit_index(d, name, "Op"); });
  r += attempt([&] { return rill::visit_complex(d, name, "Op"); });
  r += attempt([&] { return rill::visit_real(d, name, "Op"); });
  r += attempt([&] { return rill::visit_number(d, name, "Op"); });
  r += attempt([&] { return rill::visit_dtype(d, name, "Op"); });
  r += attempt([&] { return rill::visit_element(d, name, "Op"); });
  return r;
}
}  // namespace

TEST_CASE("dtype: visitors find the type of a tag, or say what they wanted") {
  for (const row& r : table) {
    CAPTURE(r.name);
    const bool complex = r.type == dtype::complex64 || r.type == dtype::complex128;
    const bool index = r.type == dtype::int32 || r.type == dtype::int64;
    const auto bit = [](bool b) { return std::string(b ? "1" : "0"); };
    CHECK(visited(r.type) == bit(r.floating) + bit(r.integer) + bit(index) + bit(complex) + bit(r.floating || r.integer) +
                                 bit(r.floating || r.integer || complex) + bit(r.size > 0) +
                                 bit(r.size > 0 || r.type == dtype::string));
  }
  CHECK(visited(static_cast<dtype>(200)) == "00000000");
  int count = 0;
  rill::visit_dtype(dtype::int8, [&]<class T>(std::type_identity<T>) { count += static_cast<int>(sizeof(T)); });
  CHECK(count == 1);
  try {
    rill::visit_floating(dtype::int32, [](auto) {}, "Sqrt");
    FAIL("no error");
  } catch (const rill::invalid_argument& e) {
    CHECK(std::string(e.what()) == "Sqrt: an element type is int32 where a floating-point type is wanted");
  }
}

TEST_CASE("dtype: names are read too") {
  CHECK(rill::dtype_from_name("half") == dtype::float16);
  CHECK(rill::dtype_from_name("float") == dtype::float32);
  CHECK(rill::dtype_from_name("double") == dtype::float64);
  for (const char* bad : {"", "invalid", "Float32", "int", "float32 "}) CHECK_THROWS_AS(rill::dtype_from_name(bad), rill::invalid_argument);
}

TEST_CASE("number_cast: between all kinds of numbers") {
  using rill::half;
  using c64 = std::complex<float>;
  CHECK(rill::number_cast<int>(-2.9) == -2);
  CHECK(rill::number_cast<bool>(0.5F));
  CHECK_FALSE(rill::number_cast<bool>(half(-0.0)));
  CHECK(rill::number_cast<std::uint8_t>(half(7.5)) == 7);
  CHECK(rill::number_cast<rill::bfloat16>(half(0.1)).bits == rill::bfloat16(static_cast<float>(half(0.1))).bits);
  CHECK(rill::number_cast<double>(c64(1.5F, 2)) == 1.5);
  CHECK(rill::number_cast<half>(c64(1.5F, 2)) == half(1.5));
  CHECK(rill::number_cast<std::int8_t>(c64(-1.5F, 2)) == -1);
  CHECK(rill::number_cast<bool>(c64(0, 2)));
  CHECK(rill::number_cast<c64>(half(3)) == c64(3, 0));
  CHECK(rill::number_cast<c64>(std::int64_t{7}) == c64(7, 0));
  CHECK(rill::number_cast<std::complex<double>>(c64(1, 2)) == std::complex<double>(1, 2));
  CHECK(rill::number_cast<c64>(true) == c64(1, 0));
}

TEST_CASE("dtype: other types are not elements") {
  CHECK_FALSE(rill::element<char>);
  CHECK_FALSE(rill::element<long long>);
  CHECK_FALSE(rill::element<std::complex<long double>>);
  CHECK_FALSE(rill::element<long double>);
  CHECK_FALSE(rill::element<void*>);
  CHECK_FALSE(rill::element<const float>);
}

TEST_CASE("dtype: usable in constant expressions") {
  static_assert(rill::size_of(dtype::float64) == 8);
  static_assert(rill::name_of(dtype::int64) == "int64");
  static_assert(sizeof(dtype) == 1);
}

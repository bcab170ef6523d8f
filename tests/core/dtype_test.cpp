// SPDX-License-Identifier: Apache-2.0
#include <rill/core/dtype.hpp>

#include <doctest/doctest.h>

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
  bool floating, integer;
};
constexpr row table[] = {
    {dtype::invalid, 0, "invalid", 0, false, false}, {dtype::float32, 1, "float32", 4, true, false},
    {dtype::float64, 2, "float64", 8, true, false},  {dtype::int32, 3, "int32", 4, false, true},
    {dtype::uint8, 4, "uint8", 1, false, true},      {dtype::string, 7, "string", 0, false, false},
    {dtype::int64, 9, "int64", 8, false, true},      {dtype::boolean, 10, "bool", 1, false, false},
};

template <class T>
void check_round_trip(dtype expected) {
  constexpr dtype d = rill::dtype_v<T>;
  CHECK(d == expected);
  CHECK(std::is_same_v<rill::type_of_t<d>, T>);
  CHECK(rill::element<T>);
  CHECK(rill::size_of(d) == sizeof(T));
  CHECK(rill::is_floating(d) == std::is_floating_point_v<T>);
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
  }
}

TEST_CASE("dtype: a number that is no dtype (as read from a file) has no size and no name") {
  for (int number : {5, 6, 8, 11, 14, 101, 255}) {
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
}

TEST_CASE("dtype: other types are not elements") {
  CHECK_FALSE(rill::element<char>);
  CHECK_FALSE(rill::element<unsigned>);
  CHECK_FALSE(rill::element<long double>);
  CHECK_FALSE(rill::element<void*>);
  CHECK_FALSE(rill::element<const float>);
}

TEST_CASE("dtype: usable in constant expressions") {
  static_assert(rill::size_of(dtype::float64) == 8);
  static_assert(rill::name_of(dtype::int64) == "int64");
  static_assert(sizeof(dtype) == 1);
}

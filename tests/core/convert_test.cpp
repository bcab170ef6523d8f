// SPDX-License-Identifier: Apache-2.0
#include "rill/core/convert.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "rill/expr/expression.hpp"

using namespace rill;

TEST_CASE("convert: vectors and spans to tensors and back") {
  const std::vector<float> v{1, 2, 3, 4, 5, 6};
  const auto t = from_vector(v, {2, 3});
  static_assert(std::is_same_v<decltype(t), const tensor<float, dyn, dyn>>);
  CHECK(t.shape() == tensor_shape{2, 3});
  CHECK(t(1, 0) == 4);
  CHECK(to_vector(t) == v);
  CHECK(to_vector(t(all, 1)) == std::vector<float>{2, 5});
  CHECK(to_vector(t * 2) == std::vector<float>{2, 4, 6, 8, 10, 12});
  CHECK(from_vector(v, {6, 1, 1}).shape() == tensor_shape{6, 1, 1});
  const tensor<float, 2, 3> fixed = from_vector(v, {2, 3});
  CHECK(fixed == t);

  CHECK(to_vector(from_vector(v)) == v);
  CHECK(to_vector(from_span(std::span(v))) == v);
  const std::array<std::int64_t, 4> a{1, 2, 3, 4};
  CHECK(from_span(std::span(a), {2, 2})(1, 1) == 4);
  const tensor deduced(v);
  static_assert(std::is_same_v<decltype(deduced), const tensor<float, dyn>>);
  CHECK(to_vector(deduced) == v);
  CHECK(tensor<std::int64_t, 4>(a)(3) == 4);

  const auto nested = from_vector(std::vector<std::vector<int>>{{1, 2, 3}, {4, 5, 6}});
  static_assert(std::is_same_v<decltype(nested), const tensor<int, dyn, dyn>>);
  CHECK(nested(1, 2) == 6);
  CHECK(from_vector(std::vector<std::vector<std::vector<int>>>{{{7}}})(0, 0, 0) == 7);
  CHECK(from_vector(std::vector<std::vector<int>>{}).shape() == tensor_shape{0, 0});
  CHECK(from_vector(std::vector<std::vector<int>>{{}, {}}).shape() == tensor_shape{2, 0});

  const std::vector<bool> bits{true, false, true};
  CHECK(from_vector(bits)(2));
  CHECK_FALSE(from_vector(bits, {3, 1})(1, 0));
  CHECK(to_vector(from_vector(bits)) == bits);
  CHECK(from_vector(std::vector<float>{}).size() == 0);
  CHECK(to_vector(tensor<float, 0, 3>()).empty());
}

TEST_CASE("convert: wrong counts and ragged rows") {
  const std::vector<float> v{1, 2, 3};
  CHECK_THROWS_WITH_AS(from_vector(v, {2, 2}), doctest::Contains("shape [2, 2] needs 4 elements, got 3"), invalid_argument);
  CHECK_THROWS_AS(from_vector(v, {-3}), invalid_argument);
  CHECK_THROWS_AS(from_span(std::span(v), {INT64_MAX, INT64_MAX}), invalid_argument);
  CHECK_THROWS_WITH_AS(from_vector(std::vector<std::vector<int>>{{1, 2}, {3}}), doctest::Contains("1 elements on axis 1"),
                       invalid_argument);
  CHECK_THROWS_WITH_AS((tensor<float, 2>(v)), doctest::Contains("[3]"), invalid_argument);
}

TEST_CASE("convert: views of raw memory") {
  float memory[12];
  for (int i = 0; i < 12; ++i) memory[i] = static_cast<float>(i);
  const auto m = from_pointer(memory, {3, 4});
  static_assert(std::is_same_v<decltype(m), const view<float, dyn, dyn>>);
  CHECK(m(2, 1) == 9);
  const auto columns = from_pointer(static_cast<const float*>(memory), {3, 4}, {1, 3});
  static_assert(std::is_same_v<decltype(columns), const view<const float, dyn, dyn>>);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) REQUIRE(columns(i, j) == static_cast<float>(i + 3 * j));
  const tensor copy = columns + 1;
  CHECK(copy(2, 3) == 12);
  auto backwards = from_pointer(memory + 11, {12}, {-1});
  CHECK(to_vector(backwards).front() == 11);
  backwards = backwards * 2;  // through the view into the memory
  CHECK(memory[3] == 6);
  const auto repeated = from_pointer(static_cast<const float*>(memory), {5, 2}, {0, 1});
  CHECK(to_vector(repeated) == std::vector<float>{0, 2, 0, 2, 0, 2, 0, 2, 0, 2});
  const auto fixed = view<float, 3, 4>::from_pointer(memory, {3, 4});
  CHECK(fixed(1, 1) == 10);
  CHECK(view<float, any_rank>::from_pointer(memory, {2, 6}).rank() == 2);
  CHECK(from_pointer(static_cast<float*>(nullptr), {0, 4}).size() == 0);

  CHECK_THROWS_WITH_AS(from_pointer(static_cast<float*>(nullptr), {2}), doctest::Contains("null"), invalid_argument);
  CHECK_THROWS_WITH_AS(from_pointer(memory, {3, 4}, {0, 1}), doctest::Contains("[0, 1]"), invalid_argument);
  CHECK_THROWS_WITH_AS(from_pointer(memory, {3, 4}, {INT64_MAX, 1}), doctest::Contains("63 bits"), invalid_argument);
  CHECK_THROWS_AS(from_pointer(memory, {-1}), invalid_argument);
  CHECK_THROWS_WITH_AS((view<float, 3, 5>::from_pointer(memory, {3, 4})), doctest::Contains("[3, 5]"), invalid_argument);
  CHECK_THROWS_WITH_AS((view<float, 3, 4>::from_pointer(memory, {3, 4}, {1})), doctest::Contains("one stride"), invalid_argument);
  alignas(8) char bytes[16] = {};
  CHECK_THROWS_WITH_AS(from_pointer(reinterpret_cast<float*>(bytes + 1), {2}), doctest::Contains("aligned"), invalid_argument);
}

TEST_CASE("convert: adopted memory lives as long as its views") {
  static int released = 0;
  released = 0;
  auto* memory = new std::vector<int>{1, 2, 3, 4};
  tensor<int, dyn> sum;
  {
    auto rest = [&] {
      const auto v = from_pointer(memory->data(), {4}, adopt(memory, [](void* p) {
                                    delete static_cast<std::vector<int>*>(p);
                                    ++released;
                                  }));
      return v(slice{1, slice::none});
    }();
    CHECK(released == 0);
    auto later = rest + 1;
    CHECK(rest(2) == 4);
    sum = later;
  }
  CHECK(released == 1);
  CHECK(to_vector(sum) == std::vector<int>{3, 4, 5});
}

TEST_CASE("convert: spans of contiguous memory") {
  tensor<float, dyn, 4> t({3, 4});
  as_span(t)[5] = 7;
  CHECK(t(1, 1) == 7);
  CHECK(as_span(t(1, all)).size() == 4);
  CHECK(as_span(t(1, all))[1] == 7);
  CHECK(as_span(t(slice{1, 3}, all)).size() == 8);
  CHECK(is_contiguous(t(slice{1, 2}, all)));
  CHECK_FALSE(is_contiguous(t(all, 1)));
  CHECK(as_span(t(slice{0, 0}, 1)).empty());
  CHECK_THROWS_WITH_AS(as_span(t(all, slice{0, 2})), doctest::Contains("[3, 2]"), invalid_argument);
  const tensor<int, 2> fixed{1, 2};
  CHECK(as_span(fixed)[1] == 2);
}

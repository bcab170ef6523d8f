// SPDX-License-Identifier: Apache-2.0
#include <rill/core/print.hpp>
#include <rill/core/tensor.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace rill;

namespace {

tensor<int, dyn, dyn> counting(std::int64_t rows, std::int64_t columns) {
  tensor<int, dyn, dyn> t({rows, columns});
  for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<int>(i);
  return t;
}

/// Python's slice(begin, end, step).indices(n), computed element by element.
std::vector<std::int64_t> reference(std::int64_t begin, std::int64_t end, std::int64_t step, std::int64_t n) {
  const auto clip = [&](std::int64_t p) {
    if (p < 0) p += n;
    if (step > 0) return p < 0 ? 0 : p > n ? n : p;
    return p < -1 ? -1 : p > n - 1 ? n - 1 : p;
  };
  std::int64_t i = begin == slice::none ? (step > 0 ? 0 : n - 1) : clip(begin);
  const std::int64_t stop = end == slice::none ? (step > 0 ? n : -1) : clip(end);
  std::vector<std::int64_t> r;
  for (; step > 0 ? i < stop : i > stop; i += step) r.push_back(i);
  return r;
}

}  // namespace

TEST_CASE("view: every slice of a vector, as Python's") {
  for (const std::int64_t n : {0, 1, 5, 8}) {
    tensor<int, dyn> t({n});
    for (std::int64_t i = 0; i < n; ++i) t(i) = static_cast<int>(i);
    for (const std::int64_t step : {-3, -2, -1, 1, 2, 3})
      for (std::int64_t begin = -n - 2; begin <= n + 2; ++begin)
        for (std::int64_t end = -n - 2; end <= n + 2; ++end) {
          const std::int64_t b = begin == n + 2 ? slice::none : begin;
          const std::int64_t e = end == n + 2 ? slice::none : end;
          const auto want = reference(b, e, step, n);
          const auto got = t(slice{b, e, step});
          CAPTURE(n);
          CAPTURE(b);
          CAPTURE(e);
          CAPTURE(step);
          REQUIRE(got.size() == static_cast<std::int64_t>(want.size()));
          for (std::size_t i = 0; i < want.size(); ++i) REQUIRE(got(i) == want[i]);
        }
  }
  tensor<int, 3> t;
  CHECK_THROWS_AS(t(slice{0, 3, 0}), invalid_argument);
}

TEST_CASE("view: integers drop axes, all keeps, newaxis adds, missing indices are all") {
  tensor<int, 2, 3, 4> t;
  for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<int>(i);
  const auto row = t(1, 2);
  static_assert(std::is_same_v<decltype(row), const view<int, 4>>);
  CHECK(row(3) == 23);
  const auto column = t(all, -1, 0);
  static_assert(std::is_same_v<decltype(column), const view<int, 2>>);
  CHECK(column(1) == 20);
  const auto wide = t(0, newaxis, slice{1, slice::none}, all);
  static_assert(decltype(wide)::rank_v == 3);
  CHECK(wide.shape() == tensor_shape{1, 2, 4});
  CHECK(wide(0, 1, 3) == 11);
  CHECK(t(1)(2)(3) == 23);
  CHECK_THROWS_WITH_AS(t(2, all), "index 2 is outside axis 0 of shape [2, 3, 4]", out_of_range);
}

TEST_CASE("view: writes go through, also through views of small tensors") {
  tensor<int, 3, 4> t;
  t(2, all) = 7;
  t(all, 1) = tensor<int, 3>{1, 2, 3};
  CHECK(to_string(t) == "[[0 1 0 0]\n [0 2 0 0]\n [7 3 7 7]]");
  auto v = t(all, slice{slice::none, slice::none, 2});
  v(0, 1) = 5;
  CHECK(t(0, 2) == 5);
  tensor<int, 2, 2> small{{1, 2}, {3, 4}};
  auto w = small(0, all);
  w(1) = 9;
  CHECK(small(0, 1) == 9);
  tensor<int, 2, 2> copy = small;
  w(0) = 8;
  CHECK(copy(0, 0) == 1);
  CHECK(small(0, 0) == 8);
}

TEST_CASE("view: assignment between overlapping parts behaves as if copied first") {
  auto t = counting(4, 5);
  t(all, slice{1, slice::none}) = t(all, slice{0, -1});
  CHECK(to_string(t) == "[[ 0  0  1  2  3]\n [ 5  5  6  7  8]\n [10 10 11 12 13]\n [15 15 16 17 18]]");
  auto u = counting(3, 3);
  u(slice{slice::none, slice::none, -1}, all) = u(all, all);
  CHECK(to_string(u) == "[[6 7 8]\n [3 4 5]\n [0 1 2]]");
  const tensor<int, dyn> four({4});
  CHECK_THROWS_WITH_AS(u(0, all) = four, "cannot assign a value of shape [4] to a tensor of shape [3]", invalid_argument);
}

TEST_CASE("view: outlives its tensor") {
  const auto make = [] { return counting(100, 3)(slice{98, slice::none}, 1); };
  const auto v = make();
  CHECK(v(0) == 295);
  CHECK(v(1) == 298);
  const auto small = [] { return tensor<int, 2, 2>{{1, 2}, {3, 4}}(1, all); }();
  CHECK(small(1) == 4);
  const tensor<int, 2> constant{1, 2};
  const auto c = constant(slice{0, 1});
  static_assert(std::is_same_v<decltype(c(0)), const int&>);
  CHECK(c(0) == 1);
}

TEST_CASE("view: becomes a tensor by copying") {
  const auto t = counting(2, 3);
  tensor c = t(all, slice{slice::none, slice::none, -1});
  static_assert(std::is_same_v<decltype(c), tensor<int, dyn, dyn>>);
  CHECK(to_string(c) == "[[2 1 0]\n [5 4 3]]");
}

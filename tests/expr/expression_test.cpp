// SPDX-License-Identifier: Apache-2.0
#include <rill/core/print.hpp>
#include <rill/expr/expression.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace rill;

namespace {

template <class T = float>
tensor<T, dyn, dyn> matrix(std::int64_t rows, std::int64_t columns, int seed) {
  tensor<T, dyn, dyn> t({rows, columns});
  for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<T>((i * 37 + seed * 11) % 23 - 11);
  return t;
}

}  // namespace

TEST_CASE("expression: the taste of the README") {
  const tensor<int, 2, 2> a{{1, 2}, {3, 4}};
  tensor b = a + 1;
  static_assert(std::is_same_v<decltype(b), tensor<int, 2, 2>>);
  CHECK(to_string(b) == "[[2 3]\n [4 5]]");
  CHECK(to_string(a * b) == "[[ 2  6]\n [12 20]]");
}

TEST_CASE("expression: fused chains against loops, odd sizes") {
  for (const std::int64_t n : {0, 1, 3, 15, 16, 17, 31, 33, 257, 2049}) {
    CAPTURE(n);
    const auto a = matrix(n, 3, 1);
    const auto b = matrix(n, 3, 2);
    const auto c = matrix(n, 3, 3);
    tensor y = relu(a * b + c) * 0.5 - a;
    for (std::int64_t i = 0; i < y.size(); ++i) {
      const float want = std::max(0.0F, a.data()[i] * b.data()[i] + c.data()[i]) * 0.5F - a.data()[i];
      REQUIRE(y.data()[i] == want);
    }
  }
}

TEST_CASE("expression: NumPy broadcasting in static, dynamic and run-time ranks") {
  for (const std::int64_t n : {1, 2, 7, 16, 35}) {
    CAPTURE(n);
    const auto m = matrix(5, n, 1);
    const auto row = matrix(1, n, 2);
    const auto column = matrix(5, 1, 3);
    tensor y = m * row + column;
    REQUIRE(y.shape() == tensor_shape{5, n});
    tensor outer = column - row;
    for (std::int64_t i = 0; i < 5; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        REQUIRE(y(i, j) == m(i, j) * row(0, j) + column(i, 0));
        REQUIRE(outer(i, j) == column(i, 0) - row(0, j));
      }
    const tensor<float, any_rank> free = row(0, all);
    tensor z = m + free;
    static_assert(std::is_same_v<decltype(z), tensor<float, any_rank>>);
    REQUIRE(z(4, n - 1) == m(4, n - 1) + row(0, n - 1));
  }
  const tensor<float, 2, 1, 3> a{{{1, 2, 3}}, {{4, 5, 6}}};
  const tensor<float, 4, 1> b{{10}, {20}, {30}, {40}};
  tensor c = a + b;
  static_assert(std::is_same_v<decltype(c), tensor<float, 2, 4, 3>>);
  CHECK(c(1, 3, 2) == 46);
}

TEST_CASE("expression: shapes that do not fit are errors with both shapes") {
  const auto a = matrix(2, 3, 1);
  const auto b = matrix(4, 3, 1);
  CHECK_THROWS_WITH_AS(a + b, "the shapes [2, 3] and [4, 3] do not broadcast: trailing dimensions must be equal or 1", invalid_argument);
  tensor<float, 5, dyn> fixed({5, 3});
  CHECK_THROWS_WITH_AS(fixed = a + 1, "cannot assign a value of shape [2, 3] to a tensor of shape [5, ?]", invalid_argument);
  auto v = fixed(slice{0, 4}, all);
  CHECK_THROWS_AS(v = a + 1, invalid_argument);
}

TEST_CASE("expression: numbers take the tensor's dtype") {
  const tensor<double, 2> d{1, 2};
  static_assert(std::is_same_v<decltype(d * 2)::element_type, double>);
  const tensor<std::uint8_t, 2> u{1, 2};
  static_assert(std::is_same_v<decltype(u + 1)::element_type, std::uint8_t>);
  tensor w = select(d > 1, 1, 0);
  static_assert(std::is_same_v<decltype(w), tensor<std::int32_t, 2>>);
  tensor z = select(d > 1, d, 0);
  CHECK(z(0) == 0);
  CHECK(z(1) == 2);
  tensor f = cast<float>(u) / 2;
  CHECK(f(0) == 0.5F);
  tensor r = 1 / d;
  CHECK(r(1) == 0.5);
}

TEST_CASE("expression: auto is always safe") {
  const auto make = [](float x) {
    tensor<float, 100> local;
    local.fill(x);
    tensor<float, 2> small{x, x + 1};
    return std::pair{local * 2 + 1, small * small};
  };
  const auto pair = make(3);
  tensor<float, 100> reuse;  // would take over freed memory
  reuse.fill(99);
  CHECK(tensor(pair.first)(99) == 7);
  CHECK(tensor(pair.second)(1) == 16);
  const auto rvalue = tensor<float, dyn>{1, 2, 3} + tensor<float, dyn>{10, 20, 30};
  CHECK(to_string(rvalue) == "[11. 22. 33.]");
  auto t = matrix(3, 4, 1);
  const float old = t(0, 0);
  const auto late = t + 0;
  t = matrix(9, 9, 2);  // another shape: the expression keeps the memory it was made of
  CHECK(tensor(late)(0, 0) == old);
}

TEST_CASE("expression: aliasing is decided") {
  tensor<float, dyn> v{1, 2, 3, 4, 5};
  const float* p = v.data();
  v = v * v + v;  // same indices: in place
  CHECK(v.data() == p);
  CHECK(to_string(v) == "[ 2.  6. 12. 20. 30.]");
  v(slice{1, slice::none}) = v(slice{0, -1}) + v(slice{1, slice::none});  // other indices: as if copied first
  CHECK(to_string(v) == "[ 2.  8. 18. 32. 50.]");
  v = v(slice{slice::none, slice::none, -1}) + 0;
  CHECK(to_string(v) == "[50. 32. 18.  8.  2.]");
  v += v;
  v -= 1;
  v /= 3;
  CHECK(v(0) == 33);
  auto m = matrix(6, 6, 1);
  const auto before = m;
  m = m + m(0, all);  // the first row is read at all rows
  for (std::int64_t i = 0; i < 6; ++i)
    for (std::int64_t j = 0; j < 6; ++j) REQUIRE(m(i, j) == before(i, j) + before(0, j));
  m(all, 2) *= 2;
  CHECK(m(3, 2) == 2 * (before(3, 2) + before(0, 2)));
}

TEST_CASE("expression: noalias is a checked promise") {
  tensor<float, dyn> v{1, 2, 3, 4};
  tensor<float, dyn> w({4});
  noalias(w) = v * 2;
  CHECK(w(3) == 8);
  noalias(v) = v + 1;
  CHECK(v(0) == 2);
  auto part = v(slice{1, slice::none});
  CHECK_THROWS_WITH_AS(noalias(part) = v(slice{0, -1}) * 1,
                       "noalias: the destination of shape [3] overlaps an operand that is read at other indices", invalid_argument);
  CHECK_THROWS_AS(noalias(w) = part * 1, invalid_argument);
}

TEST_CASE("expression: scalars") {
  const tensor<float> s = 3.0F;
  CHECK(static_cast<float>(s * s + 1) == 10);
  tensor<float, 3> v{1, 2, 3};
  v = v * s;
  CHECK(v(2) == 9);
  tensor<bool, 3> in_between = v > 3 && v < 9;
  CHECK(to_string(in_between) == "[False  True False]");
}

TEST_CASE("expressions: a block is held once however often it is read, and outlives its tensor") {
  tensor<float, dyn> a({100}), b({100});
  a.fill(2);
  b.fill(3);
  const auto held = [&] { return a.owner().use_count(); };
  CHECK(held() == 1);
  auto e = a * b + a * a - b / a;  // two products of a, joined, and one of b and a
  const std::int64_t once = held();
  auto f = (a * b + a) * a;
  CHECK(held() == once + 1);
  const auto g = f;  // a copy holds what the original holds
  CHECK(held() == once + 2);
  auto h = std::move(f) - a;
  CHECK(held() == once + 2);
  a = tensor<float, dyn>({1});
  b = tensor<float, dyn>({1});
  CHECK(tensor<float, dyn>(e)(99) == 2.F * 3 + 4 - 1.5F);
  CHECK(tensor<float, dyn>(g)(50) == 16.F);
  CHECK(tensor<float, dyn>(h)(0) == 14.F);
}

TEST_CASE("expressions: into tensors of any rank, of other shapes, and onto themselves") {
  tensor<float, any_rank> x = tensor<float, 2, 3>{{1, 2, 3}, {4, 5, 6}};
  tensor<float, any_rank> y = x + x;
  CHECK(y == tensor<float, 2, 3>{{2, 4, 6}, {8, 10, 12}});
  y = x * tensor<float, 3>{1, 0, 2};
  CHECK(y == tensor<float, 2, 3>{{1, 0, 6}, {4, 0, 12}});
  tensor<float, dyn> v({5});
  for (int i = 0; i < 5; ++i) v(i) = static_cast<float>(i);
  v(slice{1, 5}) = v(slice{0, 4}) + 1.F;
  CHECK(v == tensor<float, 5>{0, 1, 2, 3, 4});
  tensor<float, dyn> w({2});
  w = v * v;
  CHECK(w == tensor<float, 5>{0, 1, 4, 9, 16});
}

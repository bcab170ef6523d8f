// SPDX-License-Identifier: Apache-2.0
#include <rill/ops/comparison.hpp>

#include <cstdint>
#include <limits>

#include "value.hpp"

using namespace rill;

namespace {

template <class Op, class T, class Reference>
void check(const std::vector<T>& values, const Reference& reference) {
  using namespace expr;
  using c = in<T, walk::contiguous>;
  using p = program<list<c, c>, list<let<Op, ~0, ~1>>, list<out<bool, 0>>>;
  std::vector<T> a;
  std::vector<T> b;
  for (const T x : values)
    for (const T y : values) a.push_back(x), b.push_back(y);
  bool r[512];
  REQUIRE(a.size() < 512);
  const void* in[] = {a.data(), b.data()};
  void* out[] = {r};
  kernel::map<p>({1, {static_cast<std::int64_t>(a.size())}, {{1}, {1}, {1}}}, in, out);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(Op::name);
    CAPTURE(+a[i]);
    CAPTURE(+b[i]);
    CHECK(r[i] == reference(a[i], b[i]));
    CHECK(Op::eval(a[i], b[i]) == reference(a[i], b[i]));
  }
}

template <class T>
void check_all(const std::vector<T>& v) {
  check<ops::equal>(v, [](T a, T b) { return a == b; });
  check<ops::not_equal>(v, [](T a, T b) { return a != b; });
  check<ops::less>(v, [](T a, T b) { return a < b; });
  check<ops::less_equal>(v, [](T a, T b) { return a <= b; });
  check<ops::greater>(v, [](T a, T b) { return a > b; });
  check<ops::greater_equal>(v, [](T a, T b) { return a >= b; });
}

}  // namespace

TEST_CASE("comparison: every element type, NaN compares with nothing") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  check_all<float>({-1, 0, -0.0F, 2.5F, nan, std::numeric_limits<float>::infinity()});
  check_all<std::int64_t>({-1, 0, 5, 1LL << 40, std::numeric_limits<std::int64_t>::min()});
  check_all<std::uint8_t>({0, 1, 127, 128, 255});
}

TEST_CASE("comparison: logic on bools") {
  using namespace expr;
  using c = in<bool, walk::contiguous>;
  using p = program<list<c, c>, list<let<ops::logical_and, ~0, ~1>, let<ops::logical_or, ~0, ~1>, let<ops::logical_xor, ~0, ~1>>,
                    list<out<bool, 0>, out<bool, 1>, out<bool, 2>>>;
  bool a[37];
  bool b[37];
  bool r[3][37];
  for (int i = 0; i < 37; ++i) a[i] = i % 2 == 0, b[i] = i % 3 == 0;
  const void* in[] = {a, b};
  void* out[] = {r[0], r[1], r[2]};
  kernel::map<p>({1, {37}, {{1}, {1}, {1}, {1}, {1}}}, in, out);
  for (int i = 0; i < 37; ++i) {
    CHECK(r[0][i] == (a[i] && b[i]));
    CHECK(r[1][i] == (a[i] || b[i]));
    CHECK(r[2][i] == (a[i] != b[i]));
  }
}

TEST_CASE("comparison: approximate_equal is strict about its tolerance") {
  const test::value<double> one{1};
  CHECK(approximate_equal(one, test::value<double>{1.0000001}).v);
  CHECK(!approximate_equal(one, test::value<double>{1.0001}).v);
  CHECK(approximate_equal(one, test::value<double>{1.25}, 0.5).v);
  CHECK(!approximate_equal(one, test::value<double>{1.5}, 0.5).v);
  CHECK(!approximate_equal(one, test::value<double>{std::numeric_limits<double>::quiet_NaN()}).v);
}

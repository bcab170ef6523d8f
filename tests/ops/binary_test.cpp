// SPDX-License-Identifier: Apache-2.0
#include <rill/ops/binary.hpp>

#include <cstdint>
#include <limits>

#include "value.hpp"

using namespace rill;
using test::check_gradient_2;

namespace {

/// The op on packs against its own scalar function and a reference, over all pairs.
template <class Op, class T, class Reference>
void check_pairs(const std::vector<T>& values, const Reference& reference, double tolerance = 0) {
  using namespace expr;
  using c = in<T, walk::contiguous>;
  using p = program<list<c, c>, list<let<Op, ~0, ~1>>, list<out<T, 0>>>;
  std::vector<T> a;
  std::vector<T> b;
  for (const T x : values)
    for (const T y : values) a.push_back(x), b.push_back(y);
  std::vector<T> r(a.size());
  const void* in[] = {a.data(), b.data()};
  void* out[] = {r.data()};
  kernel::map<p>({1, {static_cast<std::int64_t>(a.size())}, {{1}, {1}, {1}}}, in, out);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(Op::name);
    CAPTURE(+a[i]);
    CAPTURE(+b[i]);
    const double want = static_cast<double>(reference(a[i], b[i]));
    const double got = static_cast<double>(r[i]);
    const double scalar = static_cast<double>(Op::eval(a[i], b[i]));
    if (std::isnan(want)) {
      CHECK(std::isnan(got));
      CHECK(std::isnan(scalar));
    } else if (std::isinf(want)) {
      CHECK(got == want);
    } else {
      CHECK(std::fabs(got - want) <= tolerance * (1 + std::fabs(want)));
      CHECK(std::fabs(scalar - want) <= tolerance * (1 + std::fabs(want)));
    }
  }
}

}  // namespace

TEST_CASE("binary: float32, with NaN and infinity") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> v{-7.5F, -2, -0.5F, 0, 0.25F, 1, 3, 8, nan, inf, -inf};
  check_pairs<ops::add>(v, [](float a, float b) { return a + b; });
  check_pairs<ops::sub>(v, [](float a, float b) { return a - b; });
  check_pairs<ops::mul>(v, [](float a, float b) { return a * b; });
  check_pairs<ops::div>(v, [](float a, float b) { return a / b; });
  check_pairs<ops::maximum>(v, [&](float a, float b) { return a != a || b != b ? nan : a > b ? a : b; });
  check_pairs<ops::minimum>(v, [&](float a, float b) { return a != a || b != b ? nan : a < b ? a : b; });
  const std::vector<float> f{-7.5F, -2, -0.5F, 0.25F, 1, 3, 8, nan};
  check_pairs<ops::pow>(f, [](float a, float b) { return std::pow(a, b); }, 1e-6);
  check_pairs<ops::squared_difference>(f, [](float a, float b) { return (a - b) * (a - b); });
  check_pairs<ops::floor_div>(f, [](float a, float b) { return std::floor(a / b); });
  check_pairs<ops::floor_mod>(f, [](float a, float b) {
    const double r = std::fmod(static_cast<double>(a), static_cast<double>(b));
    return r != 0 && (r < 0) != (b < 0) ? r + static_cast<double>(b) : r;
  }, 1e-6);
}

TEST_CASE("binary: integers divide as TensorFlow 1.x does, and never trap") {
  const std::vector<std::int32_t> v{-7, -3, -1, 0, 1, 2, 3, 7, 1000003};
  check_pairs<ops::mul>(v, [](int a, int b) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) * static_cast<std::uint32_t>(b)); });
  check_pairs<ops::div>(v, [](int a, int b) { return b == 0 ? 0 : a / b; });
  check_pairs<ops::floor_div>(v, [](int a, int b) { return b == 0 ? 0.0 : std::floor(static_cast<double>(a) / b); });
  check_pairs<ops::floor_mod>(v, [](int a, int b) { return b == 0 ? 0.0 : a - b * std::floor(static_cast<double>(a) / b); });
  const std::vector<std::int64_t> w{std::numeric_limits<std::int64_t>::min(), -5, -1, 0, 3, 1LL << 33};
  check_pairs<ops::div>(w, [](std::int64_t a, std::int64_t b) {
    return b == 0 ? 0 : b == -1 ? static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(a)) : a / b;
  });
  const std::vector<std::uint8_t> u{0, 1, 3, 17, 200, 255};
  check_pairs<ops::add>(u, [](std::uint8_t a, std::uint8_t b) { return (a + b) & 255; });
  check_pairs<ops::floor_div>(u, [](std::uint8_t a, std::uint8_t b) { return b == 0 ? 0 : a / b; });
  const std::vector<std::int32_t> small{-3, -1, 0, 1, 2, 5};
  check_pairs<ops::pow>(small, [](int a, int b) {
    if (b < 0) return a == 1 ? 1.0 : a == -1 ? (b % 2 == 0 ? 1.0 : -1.0) : 0.0;
    return std::pow(static_cast<double>(a), b);
  });
}

TEST_CASE("binary: gradients against central differences") {
  check_gradient_2<ops::add>({{1.5, -2}, {0.3, 0.4}});
  check_gradient_2<ops::sub>({{1.5, -2}, {0.3, 0.4}});
  check_gradient_2<ops::mul>({{1.5, -2}, {0.3, 0.4}});
  check_gradient_2<ops::div>({{1.5, -2}, {0.3, 0.4}});
  check_gradient_2<ops::maximum>({{1.5, -2}, {0.3, 0.4}});
  check_gradient_2<ops::minimum>({{1.5, -2}, {0.3, 0.4}});
  check_gradient_2<ops::pow>({{1.5, -2}, {0.3, 0.4}, {2.5, 3}});
  check_gradient_2<ops::squared_difference>({{1.5, -2}, {0.3, 0.4}});
  check_gradient_2<ops::floor_mod>({{1.5, -2}, {7.3, 0.9}});
  // At a tie the gradient goes to the first operand.
  const test::value<double> one{1};
  const auto g = ops::maximum::vjp(one, one, one, one);
  CHECK(g.head.v == 1);
  CHECK(g.tail.head.v == 0);
  // A base of 0 or below gives its exponent no gradient.
  CHECK(ops::pow::vjp(one, test::value<double>{4}, test::value<double>{-2}, test::value<double>{2}).tail.head.v == 0);
}

// SPDX-License-Identifier: Apache-2.0
#include <rill/ops/binary.hpp>

#include <cstdint>
#include <limits>

#include "gradients.hpp"

using namespace rill;
using test::check_gradients;

namespace {

/// The op on packs against its own scalar function and a reference, over all pairs.
template <class Op, class T, class R = T, class Reference>
void check_pairs(const std::vector<T>& values, const Reference& reference, double tolerance = 0) {
  using namespace expr;
  using c = in<T, walk::contiguous>;
  using p = program<list<c, c>, list<let<Op, ~0, ~1>>, list<out<R, 0>>>;
  std::vector<T> a;
  std::vector<T> b;
  for (const T x : values)
    for (const T y : values) a.push_back(x), b.push_back(y);
  std::vector<R> r(a.size());
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

TEST_CASE("binary: divisions of negative integers, TensorFlow 1.0's table") {
  CHECK(ops::python_div::eval(3, 4) == 0);
  CHECK(ops::python_div::eval(-3, 4) == -1);
  CHECK(ops::floor_mod::eval(-3, 4) == 1);
  CHECK(ops::true_div::eval(-3, 4) == -0.75);
  CHECK(std::is_same_v<decltype(ops::true_div::eval(1, 2)), double>);
  CHECK(std::is_same_v<decltype(ops::true_div::eval(std::uint8_t{1}, std::uint8_t{2})), float>);
  CHECK(ops::true_div::eval(1, 0) == std::numeric_limits<double>::infinity());
  CHECK(ops::truncate_div::eval(-3, 4) == 0);
  CHECK(ops::truncate_mod::eval(-3, 4) == -3);
  CHECK(ops::python_div::eval(-3.0, 4.0) == -0.75);
  CHECK(ops::truncate_div::eval(-7.5, 2.0) == -3);
  CHECK(ops::truncate_mod::eval(-7.5, 2.0) == -1.5);
  const std::vector<std::int32_t> v{-7, -3, -1, 0, 1, 2, 3, 7, 1000003};
  check_pairs<ops::python_div>(v, [](int a, int b) { return b == 0 ? 0.0 : std::floor(static_cast<double>(a) / b); });
  check_pairs<ops::truncate_div>(v, [](int a, int b) { return b == 0 ? 0 : a / b; });
  check_pairs<ops::truncate_mod>(v, [](int a, int b) { return b == 0 ? 0 : a % b; });
  check_pairs<ops::true_div, std::int32_t, double>(v, [](int a, int b) { return static_cast<double>(a) / b; });
}

TEST_CASE("binary: the rarer functions of floats") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> v{-7.5F, -2, -0.5F, 0, 0.25F, 1, 3, 8, nan, inf, -inf};
  check_pairs<ops::div_no_nan>(v, [](float a, float b) { return b == 0 ? 0 : a / b; });
  check_pairs<ops::xdivy>(v, [](float a, float b) { return a == 0 ? 0 : a / b; });
  check_pairs<ops::xlogy>(v, [](float a, float b) { return a == 0 ? 0 : static_cast<double>(a) * std::log(static_cast<double>(b)); }, 2e-7);
  check_pairs<ops::xlog1py>(v, [](float a, float b) { return a == 0 ? 0 : static_cast<double>(a) * std::log1p(static_cast<double>(b)); }, 2e-7);
  check_pairs<ops::atan2>(v, [](float a, float b) { return std::atan2(static_cast<double>(a), static_cast<double>(b)); }, 6e-8);
  check_pairs<ops::hypot>(v, [](float a, float b) { return std::hypot(static_cast<double>(a), static_cast<double>(b)); }, 6e-8);
  check_pairs<ops::next_after>(v, [](float a, float b) { return std::nextafter(a, b); });
  check_pairs<ops::truncate_div>(std::vector<float>{-7.5F, -2, -0.5F, 0.25F, 1, 3, nan}, [](float a, float b) { return std::trunc(a / b); });
}

TEST_CASE("binary: bits of integers; counts that are out of range move all bits out") {
  const std::vector<std::int32_t> v{0, 1, -1, 5, 31, 32, 33, -8, 2147483647, -2147483647 - 1, 40};
  const auto u = [](std::int32_t x) { return static_cast<std::uint32_t>(x); };
  check_pairs<ops::bitwise_and>(v, [](std::int32_t a, std::int32_t b) { return a & b; });
  check_pairs<ops::bitwise_or>(v, [](std::int32_t a, std::int32_t b) { return a | b; });
  check_pairs<ops::bitwise_xor>(v, [](std::int32_t a, std::int32_t b) { return a ^ b; });
  check_pairs<ops::left_shift>(v, [&](std::int32_t a, std::int32_t b) { return b < 0 || b > 31 ? 0 : static_cast<std::int32_t>(u(a) << b); });
  check_pairs<ops::right_shift>(v, [&](std::int32_t a, std::int32_t b) { return a >> (b < 0 || b > 31 ? 31 : b); });
  check_pairs<ops::shift_right_logical>(v, [&](std::int32_t a, std::int32_t b) { return b < 0 || b > 31 ? 0 : static_cast<std::int32_t>(u(a) >> b); });
  const std::vector<std::uint8_t> w{0, 1, 7, 8, 200, 255};
  check_pairs<ops::bitwise_and>(w, [](int a, int b) { return a & b; });
  check_pairs<ops::left_shift>(w, [](int a, int b) { return b > 7 ? 0 : (a << b) & 255; });
  check_pairs<ops::right_shift>(w, [](int a, int b) { return b > 7 ? 0 : a >> b; });
  CHECK(ops::bitwise_and::eval(true, false) == false);
  CHECK(ops::bitwise_or::eval(true, false) == true);
}

TEST_CASE("binary: clamp") {
  // the example of XLA's documentation
  CHECK(ops::clamp::eval(0, -1, 6) == 0);
  CHECK(ops::clamp::eval(0, 5, 6) == 5);
  CHECK(ops::clamp::eval(0, 9, 6) == 6);
  CHECK(ops::clamp::eval(4, 9, 2) == 2);  // min(max(low, x), high)
  CHECK(std::isnan(ops::clamp::eval(0.0, std::numeric_limits<double>::quiet_NaN(), 1.0)));
  const test::value<double> x{0.5};
  CHECK(clamp(1, x, 2).v == 1);
  CHECK(clip_by_value(x, 0.0, 0.25).v == 0.25);
  // at a limit the value keeps its gradient
  const test::value<double> one{1};
  const auto g = ops::clamp::vjp(one, one, one, one, one);
  CHECK(g.head.v == 0);
  CHECK(g.tail.head.v == 1);
  CHECK(g.tail.tail.head.v == 0);
}

TEST_CASE("binary: gradients of first and second order") {
  check_gradients<ops::add>({{1.5, -2}, {0.3, 0.4}});
  check_gradients<ops::sub>({{1.5, -2}, {0.3, 0.4}});
  check_gradients<ops::mul>({{1.5, -2}, {0.3, 0.4}});
  check_gradients<ops::div>({{1.5, -2}, {0.3, 0.4}});
  check_gradients<ops::true_div>({{1.5, -2}});
  check_gradients<ops::python_div>({{1.5, -2}});
  check_gradients<ops::div_no_nan>({{1.5, -2}, {0.3, 0.4}});
  check_gradients<ops::maximum>({{1.5, -2}, {0.3, 0.4}});
  check_gradients<ops::minimum>({{1.5, -2}, {0.3, 0.4}});
  check_gradients<ops::pow>({{1.5, -2}, {0.3, 0.4}, {2.5, 3}});
  check_gradients<ops::squared_difference>({{1.5, -2}, {0.3, 0.4}});
  check_gradients<ops::floor_div>({{1.5, -2}, {7.3, 0.9}});
  check_gradients<ops::floor_mod>({{1.5, -2}, {7.3, 0.9}});
  check_gradients<ops::truncate_div>({{1.5, -2}, {7.3, 0.9}});
  check_gradients<ops::truncate_mod>({{1.5, -2}, {7.3, 0.9}});
  check_gradients<ops::xlogy>({{1.5, 2}, {-0.3, 0.4}});
  check_gradients<ops::xlog1py>({{1.5, 2}, {-0.3, -0.4}});
  check_gradients<ops::xdivy>({{1.5, 2}, {-0.3, -0.4}});
  check_gradients<ops::atan2>({{1.5, 2}, {-0.3, -0.4}, {2, -0.1}});
  check_gradients<ops::hypot>({{1.5, 2}, {-0.3, -0.4}});
  check_gradients<ops::clamp>({{0.5, 0.2, 1.5}, {0.5, 0.9, 1.5}, {0.5, 1.9, 1.5}, {2.5, 1.9, 1.5}});
  const test::value<double> zero{0};
  const test::value<double> one{1};
  // At a tie the gradient goes to the first operand.
  const auto g = ops::maximum::vjp(one, one, one, one);
  CHECK(g.head.v == 1);
  CHECK(g.tail.head.v == 0);
  // A base of 0 or below gives its exponent no gradient; a power of 0 is constant, even of 0.
  CHECK(ops::pow::vjp(one, test::value<double>{4}, test::value<double>{-2}, test::value<double>{2}).tail.head.v == 0);
  CHECK(ops::pow::vjp(one, one, zero, zero).head.v == 0);
  CHECK(ops::pow::vjp(one, zero, zero, one).head.v == 1);
  // where the formulas divide by 0
  CHECK(ops::atan2::vjp(one, zero, zero, zero).head.v == 0);
  CHECK(ops::hypot::vjp(one, zero, zero, zero).tail.head.v == 0);
  CHECK(ops::xlogy::vjp(one, zero, zero, zero).head.v == 0);
  CHECK(ops::div_no_nan::vjp(one, zero, one, zero).tail.head.v == 0);
  CHECK(ops::next_after::vjp(one, one, one, one).head.v == 1);
}

// SPDX-License-Identifier: Apache-2.0
#include <rill/ops/unary.hpp>

#include <cstdint>
#include <limits>

#include "gradients.hpp"

using namespace rill;
using test::check_gradients;
using test::check_packs;

namespace {

template <class T>
std::vector<T> samples(double from, double to, bool special = true) {
  std::vector<T> x;
  for (int i = 0; i <= 40; ++i) x.push_back(static_cast<T>(from + (to - from) * i / 40));
  if (special) {
    for (const double v : {0.0, -0.0, static_cast<double>(std::numeric_limits<T>::quiet_NaN()),
                           static_cast<double>(std::numeric_limits<T>::infinity()),
                           -static_cast<double>(std::numeric_limits<T>::infinity())})
      x.push_back(static_cast<T>(v));
  }
  return x;
}

}  // namespace

TEST_CASE("unary: float32 values on packs") {
  const double e = 3e-7;
  const auto x = samples<float>(-6.3, 7.1);
  const auto pos = samples<float>(0.01, 40);
  check_packs<ops::neg>(x, [](double v) { return -v; }, 0);
  check_packs<ops::abs>(x, [](double v) { return std::fabs(v); }, 0);
  check_packs<ops::sign>(x, [](double v) { return v > 0 ? 1.0 : v < 0 ? -1.0 : v == 0 ? 0.0 : v; }, 0);
  check_packs<ops::square>(x, [](double v) { return v * v; }, e);
  check_packs<ops::sqrt>(pos, [](double v) { return std::sqrt(v); }, e);
  check_packs<ops::exp>(x, [](double v) { return std::exp(v); }, e);
  check_packs<ops::log>(pos, [](double v) { return std::log(v); }, e);
  check_packs<ops::tanh>(x, [](double v) { return std::tanh(v); }, e);
  check_packs<ops::sigmoid>(x, [](double v) { return 1 / (1 + std::exp(-v)); }, e);
  check_packs<ops::relu>(x, [](double v) { return std::isnan(v) ? v : v > 0 ? v : 0.0; }, 0);
  check_packs<ops::softplus>(samples<float>(-20, 90, false), [](double v) { return v > 30 ? v : std::log1p(std::exp(v)); }, 1e-6);
  check_packs<ops::floor>(x, [](double v) { return std::floor(v); }, 0);
  check_packs<ops::ceil>(x, [](double v) { return std::ceil(v); }, 0);
}

TEST_CASE("unary: float32 values, the rarer ones") {
  const double e = 1e-6;
  const auto x = samples<float>(-6.3, 7.1);
  check_packs<ops::rsqrt>(samples<float>(0.01, 40, false), [](double v) { return 1 / std::sqrt(v); }, e);
  check_packs<ops::reciprocal>(samples<float>(0.01, 40, false), [](double v) { return 1 / v; }, e);
  check_packs<ops::expm1>(samples<float>(-1e-3, 2e-3), [](double v) { return std::expm1(v); }, e);
  check_packs<ops::log1p>(samples<float>(-1e-3, 2e-3, false), [](double v) { return std::log1p(v); }, e);
  check_packs<ops::sin>(samples<float>(-3, 3, false), [](double v) { return std::sin(v); }, e);
  check_packs<ops::cos>(samples<float>(-1.5, 1.5, false), [](double v) { return std::cos(v); }, e);
  check_packs<ops::relu6>(samples<float>(-3, 9), [](double v) { return std::isnan(v) ? v : v < 0 ? 0.0 : v > 6 ? 6.0 : v; }, 0);
  check_packs<ops::elu>(samples<float>(-6, 9, false), [](double v) { return v < 0 ? std::exp(v) - 1 : v; }, 1e-5);
  check_packs<ops::softsign>(samples<float>(-6, 9, false), [](double v) { return v / (1 + std::fabs(v)); }, e);
  check_packs<ops::erf>(samples<float>(-3, 3, false), [](double v) { return std::erf(v); }, 2e-6);
  check_packs<ops::round>(std::vector<float>{-2.5F, -1.5F, -0.5F, 0.5F, 1.5F, 2.5F, 2.4F, 2.6F, 1e10F, -7.0F},
                          [](double v) { return std::nearbyint(v); }, 0);
  check_packs<ops::is_nan>(x, [](double v) { return std::isnan(v); }, 0);
  check_packs<ops::is_inf>(x, [](double v) { return std::isinf(v); }, 0);
  check_packs<ops::is_finite>(x, [](double v) { return std::isfinite(v); }, 0);
}

TEST_CASE("unary: double, integers and bool") {
  const double e = 1e-14;
  check_packs<ops::exp>(samples<double>(-300, 300), [](double v) { return std::exp(v); }, e);
  check_packs<ops::log>(samples<double>(0.01, 40), [](double v) { return std::log(v); }, e);
  check_packs<ops::tanh>(samples<double>(-4, 5), [](double v) { return std::tanh(v); }, e);
  const std::vector<std::int32_t> i{0, 1, -1, 7, -8, 2147483647, -2147483647, 100, 5, 6, 7, 8, 9, 10, 11, 12, -13};
  check_packs<ops::neg>(i, [](double v) { return -v; }, 0);
  check_packs<ops::reciprocal>(i, [](double v) { return v == 1 || v == -1 ? v : 0.0; }, 0);
  check_packs<ops::abs>(i, [](double v) { return std::fabs(v); }, 0);
  check_packs<ops::sign>(i, [](double v) { return v > 0 ? 1 : v < 0 ? -1 : 0; }, 0);
  check_packs<ops::relu>(std::vector<std::int64_t>{0, 1, -1, 1LL << 40, -(1LL << 40), 3, 4, 5, -6},
                         [](double v) { return v > 0 ? v : 0.0; }, 0);
  check_packs<ops::abs>(std::vector<std::uint8_t>{0, 1, 200, 255}, [](double v) { return v; }, 0);
  bool flags[19];
  bool inverted[19];
  for (int k = 0; k < 19; ++k) flags[k] = k % 3 == 0;
  using namespace expr;
  using p = program<list<in<bool, walk::contiguous>>, list<let<ops::logical_not, ~0>>, list<out<bool, 0>>>;
  const void* in[] = {flags};
  void* out[] = {inverted};
  kernel::map<p>({1, {19}, {{1}, {1}}}, in, out);
  for (int k = 0; k < 19; ++k) CHECK(inverted[k] == !flags[k]);
}

TEST_CASE("unary: functions of the C library, once rounded") {
  const double e = 6e-8;
  const auto x = samples<float>(-6.3, 7.1);
  const auto pos = samples<float>(0.01, 40);
  const auto unit = samples<float>(-1, 1, false);
  check_packs<ops::exp2>(x, [](double v) { return std::exp2(v); }, 2 * e);
  check_packs<ops::log2>(pos, [](double v) { return std::log2(v); }, e);
  check_packs<ops::log10>(pos, [](double v) { return std::log10(v); }, e);
  check_packs<ops::cbrt>(x, [](double v) { return std::cbrt(v); }, e);
  check_packs<ops::tan>(x, [](double v) { return std::tan(v); }, e);
  check_packs<ops::asin>(unit, [](double v) { return std::asin(v); }, e);
  check_packs<ops::acos>(unit, [](double v) { return std::acos(v); }, e);
  check_packs<ops::atan>(x, [](double v) { return std::atan(v); }, e);
  check_packs<ops::sinh>(x, [](double v) { return std::sinh(v); }, e);
  check_packs<ops::cosh>(x, [](double v) { return std::cosh(v); }, e);
  check_packs<ops::asinh>(x, [](double v) { return std::asinh(v); }, e);
  check_packs<ops::acosh>(pos, [](double v) { return std::acosh(v); }, e);
  check_packs<ops::atanh>(unit, [](double v) { return std::atanh(v); }, e);
  check_packs<ops::erfc>(x, [](double v) { return std::erfc(v); }, e);
  check_packs<ops::trunc>(x, [](double v) { return std::trunc(v); }, 0);
  check_packs<ops::selu>(x, [](double v) { return 1.0507009873554805 * (v < 0 ? 1.6732632423543772 * std::expm1(v) : v); }, 3 * e);
}

TEST_CASE("unary: TensorFlow 1.x rounds half to even, and sign keeps NaN") {
  const std::vector<float> x{-3.5F, -2.5F, -1.5F, -0.5F, 0.5F, 1.5F, 2.5F, 3.5F};
  const double rounded[] = {-4, -2, -2, 0, 0, 2, 2, 4};
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(ops::round::eval(x[i]) == rounded[i]);
    CHECK(ops::rint::eval(x[i]) == rounded[i]);
  }
  check_packs<ops::rint>(x, [](double v) { return std::nearbyint(v); }, 0);
  CHECK(ops::sign::eval(-0.25) == -1);
  CHECK(ops::sign::eval(0.0) == 0);
  CHECK(std::isnan(ops::sign::eval(std::numeric_limits<double>::quiet_NaN())));
}

TEST_CASE("unary: bits of integers") {
  const std::vector<std::int32_t> i{0, 1, -1, 7, -8, 2147483647, -2147483647 - 1, 100, 5, 6, 7, 8, 9, 10, 11, 12, -13};
  check_packs<ops::invert>(i, [](double v) { return -v - 1; }, 0);
  check_packs<ops::population_count>(i, [](double v) {
    int n = 0;
    for (unsigned b = static_cast<unsigned>(static_cast<std::int32_t>(v)); b != 0; b &= b - 1) ++n;
    return n;
  }, 0);
  check_packs<ops::count_leading_zeros>(i, [](double v) {
    int n = 0;
    for (auto b = static_cast<std::uint32_t>(static_cast<std::int32_t>(v)); n < 32 && (b >> 31) == 0; b <<= 1) ++n;
    return n;
  }, 0);
  check_packs<ops::invert>(std::vector<std::uint8_t>{0, 1, 200, 255}, [](double v) { return 255 - v; }, 0);
  check_packs<ops::count_leading_zeros>(std::vector<std::uint8_t>{0, 1, 200, 255}, [](double v) { return v == 0 ? 8 : v == 1 ? 7 : 0; }, 0);
  check_packs<ops::population_count>(std::vector<std::int64_t>{0, -1, 1LL << 40}, [](double v) { return v == 0 ? 0 : v < 0 ? 64 : 1; }, 0);
}

TEST_CASE("unary: gradients of first and second order") {
  const auto any = {-2.3, -0.4, 0.3, 1.7, 5.2};
  const auto positive = {0.2, 0.9, 3.4};
  const auto unit = {-0.9, -0.2, 0.1, 0.7};
  check_gradients<ops::neg>(any);
  check_gradients<ops::abs>(any);
  check_gradients<ops::sign>(any);
  check_gradients<ops::square>(any);
  check_gradients<ops::sqrt>(positive);
  check_gradients<ops::rsqrt>(positive);
  check_gradients<ops::reciprocal>(any);
  check_gradients<ops::exp>(any);
  check_gradients<ops::exp2>(any);
  check_gradients<ops::expm1>(any);
  check_gradients<ops::log>(positive);
  check_gradients<ops::log2>(positive);
  check_gradients<ops::log10>(positive);
  check_gradients<ops::log1p>(positive);
  check_gradients<ops::cbrt>(any);
  check_gradients<ops::sin>(any);
  check_gradients<ops::cos>(any);
  check_gradients<ops::tan>(any);
  check_gradients<ops::asin>(unit);
  check_gradients<ops::acos>(unit);
  check_gradients<ops::atan>(any);
  check_gradients<ops::sinh>(any);
  check_gradients<ops::cosh>(any);
  check_gradients<ops::tanh>(any);
  check_gradients<ops::asinh>(any);
  check_gradients<ops::acosh>({1.1, 2.5, 40.0});
  check_gradients<ops::atanh>(unit);
  check_gradients<ops::erf>(any);
  check_gradients<ops::erfc>(any);
  check_gradients<ops::sigmoid>(any);
  check_gradients<ops::relu>(any);
  check_gradients<ops::relu6>({-2.0, 1.0, 5.5, 6.5});
  check_gradients<ops::elu>(any);
  check_gradients<ops::selu>(any);
  check_gradients<ops::softplus>(any);
  check_gradients<ops::softsign>(any);
  check_gradients<ops::floor>(any);
  check_gradients<ops::ceil>(any);
  check_gradients<ops::round>(any);
  check_gradients<ops::rint>(any);
  check_gradients<ops::trunc>(any);
  CHECK(ops::relu::vjp(test::value<double>{1}, test::value<double>{0}, test::value<double>{0}).head.v == 0);
}

TEST_CASE("unary: functions made of other ops") {
  using d = test_dual<double>;
  const d x{-1.5, 1};
  CHECK(leaky_relu(x).v == doctest::Approx(-0.3));
  CHECK(leaky_relu(x, 0.1).d == doctest::Approx(0.1));
  CHECK(leaky_relu(d{2, 1}).v == 2);
  CHECK(swish(x).v == doctest::Approx(-1.5 / (1 + std::exp(1.5))));
  CHECK(log_sigmoid(d{-800, 1}).v == doctest::Approx(-800));
  CHECK(logit(sigmoid(x)).v == doctest::Approx(-1.5));
  CHECK(logit(sigmoid(x)).d == doctest::Approx(1));
}

// SPDX-License-Identifier: Apache-2.0
#include <rill/ops/unary.hpp>

#include <cstdint>
#include <limits>

#include "value.hpp"

using namespace rill;
using test::check_gradient;
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

TEST_CASE("unary: gradients against central differences") {
  const auto any = {-2.3, -0.4, 0.3, 1.7, 5.2};
  const auto positive = {0.2, 0.9, 3.4};
  check_gradient<ops::neg>(any);
  check_gradient<ops::abs>(any);
  check_gradient<ops::sign>(any);
  check_gradient<ops::square>(any);
  check_gradient<ops::sqrt>(positive);
  check_gradient<ops::rsqrt>(positive);
  check_gradient<ops::reciprocal>(any);
  check_gradient<ops::exp>(any);
  check_gradient<ops::expm1>(any);
  check_gradient<ops::log>(positive);
  check_gradient<ops::log1p>(positive);
  check_gradient<ops::sin>(any);
  check_gradient<ops::cos>(any);
  check_gradient<ops::tanh>(any);
  check_gradient<ops::sigmoid>(any);
  check_gradient<ops::relu>(any);
  check_gradient<ops::relu6>({-2.0, 1.0, 5.5, 6.5});
  check_gradient<ops::elu>(any);
  check_gradient<ops::softplus>(any);
  check_gradient<ops::softsign>(any);
  check_gradient<ops::floor>(any);
  check_gradient<ops::ceil>(any);
  check_gradient<ops::round>(any);
  check_gradient<ops::erf>(any);
  CHECK(ops::relu::vjp(test::value<double>{1}, test::value<double>{0}, test::value<double>{0}).head.v == 0);
}

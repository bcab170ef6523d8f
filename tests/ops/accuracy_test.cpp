// SPDX-License-Identifier: Apache-2.0
// Largest errors of the unary functions in units in the last place, against the C library in double, for doubles in long
// double, and the same bits from numbers, whole packs and the ends of rows. Numbers are drawn in strata: as many from each
// pattern of sign, exponent and leading mantissa bits. RILL_ACCURACY_BITS=26 draws 2^26 floats (32: every float; 20 is the
// default) and a sixteenth as many doubles, and RILL_ACCURACY_TABLE=1 prints the tables of bench/README.md.
#include <rill/kernel/map.hpp>
#include <rill/ops/unary.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

using namespace rill;

namespace {

/// |got - want| in units of the last place that a float near `want` has; a float that rounds to the same infinity is right.
template <int MantissaBits, int MinExponent>
double ulps(double got, double want, double largest) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e9;
  if (std::isnan(got)) return 1e9;
  if (std::fabs(want) > largest && std::fabs(got) > largest) return std::signbit(got) == std::signbit(want) ? 0 : 1e9;
  int exponent = 0;
  std::frexp(want, &exponent);
  const double unit = std::ldexp(1.0, std::max(exponent, MinExponent) - MantissaBits);
  if (std::isinf(got)) got = std::copysign(2 * largest, got);
  if (std::isinf(want)) want = std::copysign(2 * largest, want);
  return std::fabs(got - want) / unit;
}
double float_ulps(float got, double want) {
  return ulps<24, -125>(static_cast<double>(got), want, 3.4028235677973366e38);  // from here on floats round to infinity
}

struct worst_case {
  double ulps = 0;
  double at = 0;
  void add(double u, double x) {
    if (u > ulps) ulps = u, at = x;
  }
};

template <class Op, class T>
void run(const T* x, T* y, std::int64_t n) {
  using namespace expr;
  using p = program<list<in<T, walk::contiguous>>, list<let<Op, ~0>>, list<out<T, 0>>>;
  const void* in[] = {x};
  void* out[] = {y};
  kernel::map<p>({1, {n}, {{1}, {1}}}, in, out);
}

int sample_bits() {
  const char* text = std::getenv("RILL_ACCURACY_BITS");
  const int bits = text ? std::atoi(text) : 20;
  return bits < 10 ? 10 : bits > 32 ? 32 : bits;
}

bool prints_table() {
  const char* table = std::getenv("RILL_ACCURACY_TABLE");
  return table && *table == '1';
}

/// How many of Op's results differ in their bits: those of x, already in y, those of packs that start elsewhere and end
/// early, and those of numbers.
template <class Op, class T>
int differences(const T* x, const T* y, std::int64_t n) {
  using word = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  std::vector<T> z(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; i += 37) run<Op>(x + i, z.data() + i, std::min<std::int64_t>(37, n - i));
  int different = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const T number = Op::eval(x[i]);
    for (const T other : {z[static_cast<std::size_t>(i)], number})
      if (std::isnan(y[i]) ? !std::isnan(other) : std::bit_cast<word>(y[i]) != std::bit_cast<word>(other)) ++different;
  }
  return different;
}

template <class T>
T from_word(std::uint16_t w) {
  return std::bit_cast<T>(w);
}

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
constexpr double rounding_twice = 1;
#else
constexpr double rounding_twice = 1.15;  // without fused multiply-adds limits are a little wider
#endif

/// Op over floats, half and bfloat16: errors within the limits, the same bits however it is evaluated. An error of a
/// narrow type counts from the exact value, so that 0.5 is a correct rounding.
template <class Op, class F>
void check(double limit, const F& exact, double xla) {
  const int bits = sample_bits();
  const std::int64_t total = std::int64_t{1} << bits;
  constexpr std::int64_t chunk = 4096;
  std::vector<float> x(chunk);
  std::vector<float> y(chunk);
  worst_case f32;
  std::uint32_t state = 12345;
  for (std::int64_t begin = 0; begin < total; begin += chunk) {
    const std::int64_t n = std::min(chunk, total - begin);
    for (std::int64_t i = 0; i < n; ++i) {
      state = state * 1664525U + 1013904223U;  // which float of its stratum
      const auto high = static_cast<std::uint32_t>((begin + i) << (32 - bits));
      x[static_cast<std::size_t>(i)] = std::bit_cast<float>(bits == 32 ? high : high | state >> bits);
    }
    run<Op>(x.data(), y.data(), n);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = static_cast<std::size_t>(i);
      f32.add(float_ulps(y[k], exact(static_cast<double>(x[k]))), static_cast<double>(x[k]));
    }
    if (begin / chunk % 16 == 0) CHECK(differences<Op>(x.data(), y.data(), n) == 0);
  }
  worst_case f16;
  worst_case bf16;
  std::vector<half> h(65536);
  std::vector<half> hy(65536);
  std::vector<bfloat16> b(65536);
  std::vector<bfloat16> by(65536);
  for (std::uint32_t w = 0; w < 65536; ++w) {
    h[w] = from_word<half>(static_cast<std::uint16_t>(w));
    b[w] = from_word<bfloat16>(static_cast<std::uint16_t>(w));
  }
  run<Op>(h.data(), hy.data(), 65536);
  run<Op>(b.data(), by.data(), 65536);
  for (std::size_t w = 0; w < 65536; ++w) {
    const auto hx = static_cast<double>(static_cast<float>(h[w]));
    const auto bx = static_cast<double>(static_cast<float>(b[w]));
    f16.add(ulps<11, -13>(static_cast<double>(static_cast<float>(hy[w])), exact(hx), 65520), hx);
    bf16.add(ulps<8, -125>(static_cast<double>(static_cast<float>(by[w])), exact(bx), 3.3961775292304957e38), bx);
  }
  INFO(std::string(Op::name), ": float ", f32.ulps, " at ", f32.at, ", half ", f16.ulps, " at ", f16.at, ", bfloat16 ",
       bf16.ulps, " at ", bf16.at);
  CHECK(f32.ulps <= (limit > 0.6 ? limit * rounding_twice : limit));
  CHECK(f16.ulps <= 0.51);
  CHECK(bf16.ulps <= 0.51);
  if (prints_table())
    std::printf("| %s | %.2f | %.9g | %.3f | %.3f | %.1f |\n", std::string(Op::name).c_str(), f32.ulps, f32.at, f16.ulps,
                bf16.ulps, xla);
}

/// Op over doubles.
template <class Op, class F>
void check_double(double limit, const F& exact) {
  const int bits = sample_bits() - 4;
  const std::int64_t total = std::int64_t{1} << bits;
  constexpr std::int64_t chunk = 4096;
  std::vector<double> x(chunk);
  std::vector<double> y(chunk);
  worst_case f64;
  std::uint64_t state = 12345;
  for (std::int64_t begin = 0; begin < total; begin += chunk) {
    const std::int64_t n = std::min(chunk, total - begin);
    for (std::int64_t i = 0; i < n; ++i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      const auto k = static_cast<std::uint64_t>(begin + i);
      const std::uint64_t any = k << (64 - bits) | state >> bits;
      const std::uint64_t near = (k & 1U) << 63 | (1023 - 24 + (k >> 2) % 36) << 52 | state >> 12;  // where something happens
      x[static_cast<std::size_t>(i)] = std::bit_cast<double>((k & 2U) != 0 ? near : any);
    }
    run<Op>(x.data(), y.data(), n);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = static_cast<std::size_t>(i);
      const long double want = exact(static_cast<long double>(x[k]));
      double u = 0;
      if (std::isnan(want) || std::isnan(y[k])) u = std::isnan(want) == std::isnan(y[k]) ? 0 : 1e9;
      else if (std::fabs(want) > 1.7976931348623158e308L) {  // from here on doubles round to infinity
        u = std::isinf(y[k]) && std::signbit(y[k]) == std::signbit(want) ? 0 : 1e9;
      } else {
        int exponent = 0;
        std::frexp(want, &exponent);
        const long double unit = std::ldexp(1.0L, std::max(exponent, -1021) - 53);
        u = static_cast<double>(std::fabs(static_cast<long double>(y[k]) - want) / unit);
      }
      f64.add(u, x[k]);
    }
    if (begin / chunk % 16 == 0) CHECK(differences<Op>(x.data(), y.data(), n) == 0);
  }
  const double inf = std::numeric_limits<double>::infinity();
  for (const double special : {0.0, -0.0, inf, -inf, 1.0, -1.0, 5e-324, -5e-324, 1.7976931348623157e308, std::nan("")}) {
    const auto want = static_cast<double>(exact(static_cast<long double>(special)));
    const double got = Op::eval(special);
    INFO(std::string(Op::name), " of ", special, ": ", got, ", expected ", want);
    if (std::isnan(want)) CHECK(std::isnan(got));
    else if (std::isinf(want) || want == 0) CHECK(std::bit_cast<std::uint64_t>(got) == std::bit_cast<std::uint64_t>(want));
    else CHECK(std::fabs(got / want - 1) < 1e-15);
    const std::vector<double> row(11, special);
    std::vector<double> results(11);
    run<Op>(row.data(), results.data(), 11);
    CHECK(differences<Op>(row.data(), results.data(), 11) == 0);
  }
  INFO(std::string(Op::name), ": double ", f64.ulps, " at ", f64.at);
  CHECK(f64.ulps <= limit * rounding_twice);
  if (prints_table()) std::printf("| %s | %.2f | %.17g |\n", std::string(Op::name).c_str(), f64.ulps, f64.at);
}

}  // namespace

TEST_CASE("accuracy: unary functions in float, half and bfloat16") {
  if (prints_table())
    std::printf("Largest errors in ulp (2^%d floats, all halfs, all bfloat16):\n\n| op | float32 | at | float16 | bfloat16 | XLA CPU, float32 |\n|---|---|---|---|---|---|\n",
                sample_bits());
  check<ops::exp>(1.0, [](double v) { return std::exp(v); }, 1.5);
  check<ops::exp2>(1.0, [](double v) { return std::exp2(v); }, 68.5);
  check<ops::expm1>(2.0, [](double v) { return std::expm1(v); }, 6.5);
  check<ops::log>(1.0, [](double v) { return std::log(v); }, 1.5);
  check<ops::log1p>(2.0, [](double v) { return std::log1p(v); }, 3.0);
  check<ops::tanh>(2.0, [](double v) { return std::tanh(v); }, 5.0);
  check<ops::sigmoid>(2.5, [](double v) { return v < 0 ? std::exp(v) / (1 + std::exp(v)) : 1 / (1 + std::exp(-v)); }, 2.5);
  check<ops::erf>(2.0, [](double v) { return std::erf(v); }, 7.0);
  check<ops::sqrt>(0.5, [](double v) { return std::sqrt(v); }, 0.5);
  check<ops::rsqrt>(1.5, [](double v) { return 1 / std::sqrt(v); }, 2.0);
}

TEST_CASE("accuracy: unary functions that are rounded once from double") {
  const double once = 0.501;
  check<ops::log2>(once, [](double v) { return std::log2(v); }, 2.5);
  check<ops::log10>(once, [](double v) { return std::log10(v); }, 3.0);
  check<ops::sin>(once, [](double v) { return std::sin(v); }, 0.5);
  check<ops::cos>(once, [](double v) { return std::cos(v); }, 0.5);
  check<ops::tan>(once, [](double v) { return std::tan(v); }, 0.5);
  check<ops::asin>(once, [](double v) { return std::asin(v); }, 2.0);
  check<ops::acos>(once, [](double v) { return std::acos(v); }, 1.5);
  check<ops::atan>(once, [](double v) { return std::atan(v); }, 5.5);
  check<ops::sinh>(once, [](double v) { return std::sinh(v); }, 25.0);
  check<ops::cosh>(once, [](double v) { return std::cosh(v); }, 25.0);
  check<ops::asinh>(once, [](double v) { return std::asinh(v); }, 3.5);
  check<ops::acosh>(once, [](double v) { return std::acosh(v); }, 4.5);
  check<ops::atanh>(once, [](double v) { return std::atanh(v); }, 3.0);
  check<ops::erfc>(once, [](double v) { return std::erfc(v); }, 66.0);
  check<ops::cbrt>(once, [](double v) { return std::cbrt(v); }, 0.5);
}

TEST_CASE("accuracy: unary functions in double") {
  if (prints_table()) std::printf("\n| op | float64 | at |\n|---|---|---|\n");
  check_double<ops::exp>(1.0, [](long double v) { return std::exp(v); });
  check_double<ops::expm1>(1.25, [](long double v) { return std::expm1(v); });
  check_double<ops::log>(1.0, [](long double v) { return std::log(v); });
  check_double<ops::log1p>(1.0, [](long double v) { return std::log1p(v); });
  check_double<ops::tanh>(1.5, [](long double v) { return std::tanh(v); });
  check_double<ops::sigmoid>(2.25, [](long double v) { return v < 0 ? std::exp(v) / (1 + std::exp(v)) : 1 / (1 + std::exp(-v)); });
  check_double<ops::sin>(1.0, [](long double v) { return std::sin(v); });
  check_double<ops::cos>(1.0, [](long double v) { return std::cos(v); });
  check_double<ops::sqrt>(0.501, [](long double v) { return std::sqrt(v); });
  check_double<ops::rsqrt>(1.5, [](long double v) { return 1 / std::sqrt(v); });
}

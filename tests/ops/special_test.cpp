// SPDX-License-Identifier: Apache-2.0
#include <rill/ops/special.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "gradients.hpp"
#include "special_reference.hpp"

using namespace rill;
using test::check_gradients;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

template <class T>
T apply(test::special f, const double* x) {
  const T a = static_cast<T>(x[0]);
  const T b = static_cast<T>(x[1]);
  const T c = static_cast<T>(x[2]);
  switch (f) {
    case test::special::lgamma: return ops::lgamma::eval(a);
    case test::special::digamma: return ops::digamma::eval(a);
    case test::special::polygamma: return ops::polygamma::eval(a, b);
    case test::special::zeta: return ops::zeta::eval(a, b);
    case test::special::igamma: return ops::igamma::eval(a, b);
    case test::special::igammac: return ops::igammac::eval(a, b);
    case test::special::betainc: return ops::betainc::eval(a, b, c);
    case test::special::erfinv: return ops::erfinv::eval(a);
    case test::special::ndtri: return ops::ndtri::eval(a);
    case test::special::ndtr: return ops::ndtr::eval(a);
    case test::special::bessel_i0e: return ops::bessel_i0e::eval(a);
    case test::special::bessel_i1e: return ops::bessel_i1e::eval(a);
  }
  return 0;
}

/// Units of 2^-52 that a double result may be off by, relative to the value.
double tolerance(test::special f) {
  switch (f) {
    case test::special::lgamma: return 4;
    case test::special::digamma: return 16;  // its zeros are between the points
    case test::special::polygamma: return 8;
    case test::special::zeta: return 4;
    case test::special::igamma:
    case test::special::igammac:
    case test::special::betainc: return 500;  // 1e-13: exponents of some hundred are subtracted
    case test::special::erfinv:
    case test::special::ndtri: return 2;
    case test::special::ndtr: return 4;
    case test::special::bessel_i0e:
    case test::special::bessel_i1e: return 8;
  }
  return 0;
}

}  // namespace

TEST_CASE("special: values of a table from mpmath") {
  double worst[12] = {};
  int count[12] = {};
  for (const auto& r : test::special_values) {
    const auto k = static_cast<std::size_t>(r.function);
    const double got = apply<double>(r.function, r.x);
    const double off = std::fabs(got - r.want) / std::fabs(r.want) / std::numeric_limits<double>::epsilon();
    worst[k] = std::max(worst[k], off);
    ++count[k];
    INFO("function ", k, " at ", r.x[0], " ", r.x[1], " ", r.x[2], ": got ", got, ", want ", r.want);
    CHECK(off <= tolerance(r.function));
    const bool exact_as_float = static_cast<double>(static_cast<float>(r.x[0])) == r.x[0] &&
                                static_cast<double>(static_cast<float>(r.x[1])) == r.x[1] &&
                                static_cast<double>(static_cast<float>(r.x[2])) == r.x[2];
    if (exact_as_float && std::fabs(r.want) > 1e-37 && std::fabs(r.want) < 1e38) {
      const double f = static_cast<double>(apply<float>(r.function, r.x));
      CHECK(std::fabs(f - r.want) <= 0.5001 * static_cast<double>(std::numeric_limits<float>::epsilon()) * std::fabs(r.want));
    }
  }
  for (std::size_t k = 0; k < 12; ++k) {
    MESSAGE("function " << k << ": " << count[k] << " points, worst " << worst[k] << " x 2^-52");
    CHECK(count[k] >= 12);
  }
}

TEST_CASE("special: edges of the domains") {
  CHECK(ops::lgamma::eval(0.0) == inf);
  CHECK(ops::lgamma::eval(-3.0) == inf);
  CHECK(ops::lgamma::eval(1.0) == 0);
  CHECK(ops::lgamma::eval(2.0) == 0);
  CHECK(ops::lgamma::eval(inf) == inf);
  CHECK(ops::lgamma::eval(1e306) == inf);
  CHECK(std::isnan(ops::lgamma::eval(not_a_number)));
  CHECK(ops::digamma::eval(0.0) == -inf);
  CHECK(std::isnan(ops::digamma::eval(-2.0)));
  CHECK(ops::digamma::eval(inf) == inf);
  CHECK(ops::polygamma::eval(0.0, 2.5) == ops::digamma::eval(2.5));
  CHECK(std::isnan(ops::polygamma::eval(1.5, 2.5)));
  CHECK(std::isnan(ops::polygamma::eval(-1.0, 2.5)));
  CHECK(ops::zeta::eval(1.0, 2.0) == inf);
  CHECK(std::isnan(ops::zeta::eval(0.5, 2.0)));
  CHECK(ops::zeta::eval(2.0, -1.0) == inf);
  CHECK(std::isnan(ops::zeta::eval(2.5, -1.5)));
  CHECK(ops::igamma::eval(2.0, 0.0) == 0);
  CHECK(ops::igammac::eval(2.0, 0.0) == 1);
  CHECK(ops::igamma::eval(2.0, inf) == 1);
  CHECK(ops::igammac::eval(2.0, inf) == 0);
  CHECK(std::isnan(ops::igamma::eval(0.0, 1.0)));
  CHECK(std::isnan(ops::igamma::eval(1.0, -1.0)));
  CHECK(std::isnan(ops::igammac::eval(not_a_number, 1.0)));
  // about a the fractions are near 1/2 for every large a: DLMF 8.11.12's first terms
  for (const double a : {1e7, 1e9, 1e12}) {
    const double half = 0.5 + 1 / (3 * std::sqrt(2 * scalar::pi * a));
    CHECK(ops::igamma::eval(a, a) == doctest::Approx(half).epsilon(1e-12));
    CHECK(ops::igamma::eval(a, a) + ops::igammac::eval(a, a) == doctest::Approx(1).epsilon(1e-14));
    CHECK(ops::igammac::eval(a, 2 * a) == 0);
  }
  CHECK(ops::betainc::eval(2.0, 3.0, 0.0) == 0);
  CHECK(ops::betainc::eval(2.0, 3.0, 1.0) == 1);
  CHECK(ops::betainc::eval(1.0, 1.0, 0.375) == doctest::Approx(0.375).epsilon(1e-15));
  CHECK(std::isnan(ops::betainc::eval(0.0, 3.0, 0.5)));
  CHECK(std::isnan(ops::betainc::eval(2.0, 3.0, 1.5)));
  CHECK(ops::erfinv::eval(1.0) == inf);
  CHECK(ops::erfinv::eval(-1.0) == -inf);
  CHECK(ops::erfinv::eval(0.0) == 0);
  CHECK(std::signbit(ops::erfinv::eval(-0.0)));
  CHECK(std::isnan(ops::erfinv::eval(1.25)));
  CHECK(ops::ndtri::eval(0.5) == 0);
  CHECK(ops::ndtri::eval(0.0) == -inf);
  CHECK(ops::ndtri::eval(1.0) == inf);
  CHECK(std::isnan(ops::ndtri::eval(-0.5)));
  CHECK(ops::ndtr::eval(-40.0) == 0);
  CHECK(ops::ndtr::eval(inf) == 1);
  CHECK(ops::bessel_i0e::eval(0.0) == 1);
  CHECK(ops::bessel_i1e::eval(0.0) == 0);
  CHECK(ops::bessel_i0e::eval(inf) == 0);
}

TEST_CASE("special: packs do what numbers do") {
  const std::vector<float> x{0.5F, 1.25F, 3, 7.5F, 12, 0.01F, 100, 2, 1, 0.75F, 5, 6, 7, 8, 9, 10, 11, 33, 0.3F};
  test::check_packs<ops::lgamma>(x, [](double v) { return ops::lgamma::eval(v); }, 6e-8);
  test::check_packs<ops::bessel_i1e>(x, [](double v) { return ops::bessel_i1e::eval(v); }, 6e-8);
  using namespace expr;
  using c = in<float, walk::contiguous>;
  using p = program<list<c, c, c>, list<let<ops::betainc, ~0, ~1, ~2>>, list<out<float, 0>>>;
  std::vector<float> u(x.size());
  for (std::size_t i = 0; i < u.size(); ++i) u[i] = static_cast<float>(i) / 20;
  std::vector<float> y(x.size());
  const void* in[] = {x.data(), x.data() + 1, u.data()};
  void* out[] = {y.data()};
  const auto n = static_cast<std::int64_t>(x.size()) - 1;
  kernel::map<p>({1, {n}, {{1}, {1}, {1}, {1}}}, in, out);
  for (std::size_t i = 0; i + 1 < x.size(); ++i) CHECK(y[i] == ops::betainc::eval(x[i], x[i + 1], u[i]));
}

TEST_CASE("special: gradients of first and second order") {
  check_gradients<ops::lgamma>({0.3, 1.7, 4.5, -1.3});
  check_gradients<ops::digamma>({0.3, 1.7, 4.5, -1.3});
  check_gradients<ops::polygamma, 0>({{1, 1.5}, {2, 0.7}, {3, 4.5}});
  check_gradients<ops::zeta, 0>({{2.5, 1.5}, {3, 0.7}});
  check_gradients<ops::igamma>({{0.5, 0.3}, {2.5, 3.5}, {1.0, 0.25}});
  check_gradients<ops::igammac>({{0.5, 0.3}, {2.5, 3.5}, {1.0, 0.25}});
  check_gradients<ops::betainc>({{0.5, 0.7, 0.3}, {2.5, 3.5, 0.6}, {1.0, 1.0, 0.5}});
  check_gradients<ops::erfinv>({-0.9, -0.1, 0.4});
  check_gradients<ops::ndtri>({0.05, 0.4, 0.8});
  check_gradients<ops::ndtr>({-2.5, -0.1, 0.4, 1.5});
  check_gradients<ops::bessel_i0e>({-2.5, 0.4, 1.5, 25});
  check_gradients<ops::bessel_i1e>({-2.5, 0.4, 1.5, 25});
  // at 0, where the formulas divide
  const test::value<double> zero{0};
  const test::value<double> one{1};
  CHECK(ops::bessel_i1e::vjp(one, zero, zero).head.v == 0.5);
  CHECK(ops::igamma::vjp(one, zero, one, zero).tail.head.v == 1);
  CHECK(ops::betainc::vjp(one, zero, one, one, zero).tail.tail.head.v == doctest::Approx(1));
}

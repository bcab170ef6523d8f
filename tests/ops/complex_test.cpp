// SPDX-License-Identifier: Apache-2.0
#include <rill/ops/complex.hpp>

#include <cmath>
#include <complex>
#include <cstring>
#include <random>
#include <vector>

#include <rill/core/print.hpp>
#include <rill/expr/eager.hpp>

#include "value.hpp"

using namespace rill;

namespace {

template <class R>
std::vector<std::complex<R>> samples(int n) {
  std::mt19937 random(11);
  std::vector<std::complex<R>> z;
  const auto part = [&] { return static_cast<R>(static_cast<double>(random() % 4001) / 1000 - 2); };
  for (int i = 0; i < n; ++i) z.emplace_back(part(), part());
  return z;
}

void require_near(const char* op, std::complex<double> z, bool same, std::complex<double> got, std::complex<double> want,
                  double tolerance) {
  CAPTURE(std::string(op));
  CAPTURE(z.real());
  CAPTURE(z.imag());
  REQUIRE(same);
  REQUIRE(std::abs(got - want) <= tolerance * (1 + std::abs(want)));
}

/// Op on packs (whole and partial) and on numbers: the same bits from both, and near what `reference` says in double.
template <class Op, class R, bool SameBits = true, class Reference, class... More>
void check(const Reference& reference, const More&... more) {
  using namespace expr;
  using C = std::complex<R>;
  constexpr int n_in = 1 + static_cast<int>(sizeof...(More));
  using lets = std::conditional_t<n_in == 1, list<let<Op, ~0>>, list<let<Op, ~0, ~(n_in - 1)>>>;
  using ins = std::conditional_t<n_in == 1, list<in<C, walk::contiguous>>, list<in<C, walk::contiguous>, in<C, walk::contiguous>>>;
  using out_type = value_type_t<program<ins, lets, list<>>, 0>;
  using p = program<ins, lets, list<out<out_type, 0>>>;
  constexpr int W = kernel::lanes_v<p>;
  const auto z = samples<R>(3 * W);
  const auto second = [&](int i) { return z[static_cast<std::size_t>((i * 7 + 3) % (3 * W))]; };
  for (const int first : {0, W})
    for (const int n : {W, first == 0 ? 1 : W - 1}) {
      C b[static_cast<std::size_t>(W)];
      for (int i = 0; i < W; ++i) b[i] = second(first + i);
      registers<p, kernel::pack_lane<W>> v;
      v.template get<~0>() = pack<C, W>::load(z.data() + first, n);
      v.template get<~(n_in - 1)>() = n_in == 1 ? v.template get<~0>() : pack<C, W>::load(b, n);
      v.run(0);
      out_type got[static_cast<std::size_t>(W)];
      v.template get<0>().store(got, n);
      for (int i = 0; i < n; ++i) {
        registers<p, scalar_lane> one;
        one.template get<~0>() = z[static_cast<std::size_t>(first + i)];
        if constexpr (n_in == 2) one.template get<~1>() = b[i];
        one.run(0);
        const out_type alone = one.template get<0>();
        const std::complex<double> a(z[static_cast<std::size_t>(first + i)]);
        std::complex<double> want;
        if constexpr (n_in == 1) want = reference(a);
        else want = reference(a, std::complex<double>(b[i]));
        require_near(Op::name, a, !SameBits || std::memcmp(&alone, &got[i], sizeof(alone)) == 0,
                     number_cast<std::complex<double>>(got[i]), want,
                     16 * static_cast<double>(std::numeric_limits<R>::epsilon()));
      }
    }
  (static_cast<void>(more), ...);
}

template <class R>
void check_all() {
  using c = std::complex<double>;
  check<ops::add, R>([](c a, c b) { return c(a.real() + b.real(), a.imag() + b.imag()); }, 0);
  check<ops::sub, R>([](c a, c b) { return c(a.real() - b.real(), a.imag() - b.imag()); }, 0);
  check<ops::mul, R>(
      [](c a, c b) { return c(a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()); }, 0);
  check<ops::div, R>(
      [](c a, c b) {
        const double d = b.real() * b.real() + b.imag() * b.imag();
        return c((a.real() * b.real() + a.imag() * b.imag()) / d, (a.imag() * b.real() - a.real() * b.imag()) / d);
      },
      0);
  if constexpr (std::is_same_v<R, float>) {
    check<ops::equal, R>([](c a, c b) { return c(a.real() == b.real() && a.imag() == b.imag() ? 1 : 0, 0); }, 0);
    check<ops::not_equal, R>([](c a, c b) { return c(a.real() != b.real() || a.imag() != b.imag() ? 1 : 0, 0); }, 0);
    check<ops::neg, R>([](c a) { return c(-a.real(), -a.imag()); });
    check<ops::square, R>([](c a) { return c(a.real() * a.real() - a.imag() * a.imag(), 2 * a.real() * a.imag()); });
    check<ops::reciprocal, R>([](c a) { return c(a.real(), -a.imag()) / (a.real() * a.real() + a.imag() * a.imag()); });
    check<ops::exp, R>([](c a) { return std::exp(a.real()) * c(std::cos(a.imag()), std::sin(a.imag())); });
    check<ops::log, R>([](c a) { return c(std::log(std::hypot(a.real(), a.imag())), std::atan2(a.imag(), a.real())); });
    check<ops::sqrt, R>([](c a) { return std::polar(std::sqrt(std::hypot(a.real(), a.imag())), std::atan2(a.imag(), a.real()) / 2); });
    check<ops::sin, R>([](c a) { return c(std::sin(a.real()) * std::cosh(a.imag()), std::cos(a.real()) * std::sinh(a.imag())); });
    check<ops::cos, R>([](c a) { return c(std::cos(a.real()) * std::cosh(a.imag()), -std::sin(a.real()) * std::sinh(a.imag())); });
    check<ops::tanh, R>([](c a) {
      const c p = std::exp(a);
      const c m = std::exp(-a);
      return (p - m) / (p + m);
    });
    check<ops::conj, R>([](c a) { return c(a.real(), -a.imag()); });
    check<ops::real, R>([](c a) { return c(a.real(), 0); });
    check<ops::imag, R>([](c a) { return c(a.imag(), 0); });
    check<ops::angle, R>([](c a) { return c(std::atan2(a.imag(), a.real()), 0); });
    check<ops::complex_abs, R>([](c a) { return c(std::sqrt(a.real() * a.real() + a.imag() * a.imag()), 0); });
  }
}

}  // namespace

TEST_CASE("complex: ops in float, in every lane") { check_all<float>(); }
TEST_CASE("complex: ops in double, in every lane") { check_all<double>(); }

TEST_CASE("complex: tensors, parts and numbers") {
  using c64 = std::complex<float>;
  tensor<c64, 2> z{{3, 4}, {0, -1}};
  static_assert(std::is_same_v<decltype(tensor(complex_abs(z))), tensor<float, 2>>);
  CHECK(to_string(z) == "[3.+4.j 0.-1.j]");
  CHECK(to_string(complex_abs(z)) == "[5. 1.]");
  CHECK(to_string(real(z) + imag(z)) == "[ 7. -1.]");
  CHECK(to_string(conj(z) * 2 + 1) == "[7.-8.j 1.+2.j]");
  CHECK(to_string(z * c64(0, 1)) == "[-4.+3.j  1.+0.j]");
  CHECK(to_string(complex(real(z), -imag(z))) == to_string(conj(z)));
  CHECK(to_string(reduce_sum(z)) == "(3+3j)");
  CHECK(to_string(reduce_mean(z)) == "(1.5+1.5j)");
  CHECK(to_string(reduce_prod(z)) == "(4-3j)");
  CHECK(to_string(not_equal(z, 1)) == "[ True  True]");
  CHECK(tensor<float, 2>(angle(z))(1) == std::atan2(-1.0F, 0.0F));
  CHECK(to_string(cast<std::complex<double>>(z)) == "[3.+4.j 0.-1.j]");
  // no overflow on the way
  CHECK(to_string(complex_abs(tensor<c64, 1>{c64(3e30F, 4e30F)})) == "[5.e+30]");
  const tensor<c64, 2, 2> m{{{1, 2}, 3}, {c64(0, 1), 5}};
  CHECK(to_string(m) == "[[1.+2.j 3.+0.j]\n [0.+1.j 5.+0.j]]");
  CHECK(to_string(reduce_sum(m, axis<0>)) == "[1.+3.j 8.+0.j]");
  tensor<std::complex<double>, dyn> many({1000});
  for (int i = 0; i < 1000; ++i) many(i) = {i / 8.0, -i / 4.0};
  CHECK(to_string(reduce_sum(many)) == "(62437.5-124875j)");
  CHECK_THROWS_AS((tensor<c64, 3>{{1, 2}, {3, 4}}), invalid_argument);
}

namespace {

// The gradient of sum(w1 * real(f(z)) + w2 * imag(f(z))) with respect to both parts of z, by central differences.
template <class Op>
void check_part_gradient() {
  using c = std::complex<double>;
  for (const c z : {c(0.7, -1.2), c(-0.3, 0.4), c(2, 0.1)}) {
    const double h = 1e-6;
    const double dy = -1.5;
    const c want(dy * (Op::eval(z + h) - Op::eval(z - h)) / (2 * h), dy * (Op::eval(z + c(0, h)) - Op::eval(z - c(0, h))) / (2 * h));
    const tensor<c> x{z};
    const tensor<double> y = expr::eager_front_end::apply<Op>(x);
    const tensor<c> got = Op::vjp(tensor<double>{dy}, y, x).head;
    CAPTURE(std::string(Op::name));
    CHECK(std::abs(*got.data() - want) < 1e-7);
  }
}

}  // namespace

TEST_CASE("complex: gradients of the parts") {
  check_part_gradient<ops::real>();
  check_part_gradient<ops::imag>();
  check_part_gradient<ops::angle>();
  check_part_gradient<ops::complex_abs>();
  using c = std::complex<double>;
  const tensor<c> dy{c(2, -3)};
  const auto g = ops::complex::vjp(dy, dy, tensor<double>{1.0}, tensor<double>{2.0});
  CHECK(*tensor<double>(g.head).data() == 2);
  CHECK(*tensor<double>(g.tail.head).data() == -3);
  CHECK(*tensor<c>(ops::conj::vjp(dy, dy, dy).head).data() == c(2, 3));
  const tensor<c> zero{c(0, 0)};
  CHECK(*tensor<c>(ops::complex_abs::vjp(tensor<double>{1.0}, tensor<double>{0.0}, zero).head).data() == c(0, 0));
}

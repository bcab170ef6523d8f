// SPDX-License-Identifier: Apache-2.0
// A front end for tests: ops applied to single numbers at once, so that gradients can be checked against central
// differences without a graph or a tensor; and a check of an op on SIMD packs against a reference.
#pragma once

#include <rill/kernel/map.hpp>
#include <rill/ops/binary.hpp>
#include <rill/ops/cast.hpp>
#include <rill/ops/comparison.hpp>
#include <rill/ops/select.hpp>
#include <rill/ops/unary.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <vector>

namespace rill {

namespace test {
struct number_front_end;
}
/// Lies in rill, where its operators are found.
template <class T>
struct test_value {
  using front_end = test::number_front_end;
  T v;
};

inline test_value<double> zeros_like(const test_value<double>&) { return {0}; }
inline test_value<double> ones_like(const test_value<double>&) { return {1}; }
template <class T>
test_value<T> cast_like(const test_value<T>& dy, const test_value<T>&) {
  return dy;
}

namespace test {

template <class T>
using value = test_value<T>;

template <class T>
struct is_value : std::false_type {};
template <class T>
struct is_value<value<T>> : std::true_type {};

struct number_front_end {
  template <class T, class A>
  static T get(const A& a) {
    if constexpr (is_value<A>::value) return a.v;
    else return static_cast<T>(a);
  }
  template <class Op, class A>
  static auto apply(const A& a) {
    return wrap(Op::eval(a.v));
  }
  template <class Op, class A, class B>
  static auto apply(const A& a, const B& b) {
    if constexpr (is_value<A>::value) return wrap(Op::eval(a.v, get<decltype(a.v)>(b)));
    else return wrap(Op::eval(get<decltype(b.v)>(a), b.v));
  }
  template <class Op, class C, class A, class B>
  static auto apply(const C& c, const A& a, const B& b) {
    if constexpr (is_value<C>::value) return wrap(Op::eval(c.v, get<double>(a), get<double>(b)));
    else return wrap(Op::eval(get<double>(c), get<double>(a), get<double>(b)));
  }
  template <class T>
  static value<T> wrap(T v) {
    return {v};
  }
};

constexpr double step = 1e-6;

/// Op::vjp of one operand against a central difference, at each point.
template <class Op>
void check_gradient(std::initializer_list<double> points, double tolerance = 1e-7) {
  for (const double x : points) {
    CAPTURE(Op::name);
    CAPTURE(x);
    const double dy = 0.75;
    const double got = Op::vjp(value<double>{dy}, value<double>{Op::eval(x)}, value<double>{x}).head.v;
    const double want = dy * (Op::eval(x + step) - Op::eval(x - step)) / (2 * step);
    CHECK(std::fabs(got - want) <= tolerance * (1 + std::fabs(want)));
  }
}
template <class Op>
void check_gradient_2(std::initializer_list<std::pair<double, double>> points, double tolerance = 1e-7) {
  for (const auto& point : points) {
    const double a = point.first;
    const double b = point.second;
    CAPTURE(Op::name);
    CAPTURE(a);
    CAPTURE(b);
    const double dy = -1.5;
    const auto g = Op::vjp(value<double>{dy}, value<double>{Op::eval(a, b)}, value<double>{a}, value<double>{b});
    const double da = dy * (Op::eval(a + step, b) - Op::eval(a - step, b)) / (2 * step);
    const double db = dy * (Op::eval(a, b + step) - Op::eval(a, b - step)) / (2 * step);
    CHECK(std::fabs(g.head.v - da) <= tolerance * (1 + std::fabs(da)));
    CHECK(std::fabs(g.tail.head.v - db) <= tolerance * (1 + std::fabs(db)));
  }
}

/// The op on packs of T (whole and partial) against a reference in double, or against equality for NaN and infinity.
template <class Op, class T, class Reference>
void check_packs(const std::vector<T>& x, const Reference& reference, double tolerance) {
  using namespace expr;
  using r = typename Op::template result<T>;
  using p = program<list<in<T, walk::contiguous>>, list<let<Op, ~0>>, list<out<r, 0>>>;
  for (const std::size_t n : {x.size(), x.size() - 1, std::size_t{1}, std::size_t{0}}) {
    std::vector<unsigned char> memory((n + 1) * sizeof(r), 0x5A);
    auto* y = reinterpret_cast<r*>(memory.data());
    const void* in[] = {x.data()};
    void* out[] = {y};
    kernel::map<p>({1, {static_cast<std::int64_t>(n)}, {{1}, {1}}}, in, out);
    CHECK(memory[n * sizeof(r)] == 0x5A);  // nothing beyond the end
    for (std::size_t i = 0; i < n; ++i) {
      CAPTURE(Op::name);
      CAPTURE(x[i]);
      const double want = static_cast<double>(reference(static_cast<double>(x[i])));
      const double got = static_cast<double>(y[i]);
      if (std::isnan(want)) CHECK(std::isnan(got));
      else if (std::isinf(want)) CHECK(got == want);
      else CHECK(std::fabs(got - want) <= tolerance * (std::fabs(want) + 1e-30));
      if constexpr (!std::is_same_v<T, r> || std::is_integral_v<T>) CHECK(y[i] == Op::eval(x[i]));
    }
  }
}

}  // namespace test
}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
// Gradients of ops against central differences in double, of first and second order, without a graph: `test_dual` is a
// front end of numbers with a derivative along one direction, which it takes from the ops' own vjp.
#pragma once

#include "value.hpp"

#include <array>
#include <string>
#include <utility>

namespace rill {

namespace test {
struct dual_front_end;
}
template <class T>
struct test_dual {
  using front_end = test::dual_front_end;
  T v;
  double d = 0;
};
inline test_dual<double> zeros_like(const test_dual<double>&) { return {0, 0}; }
inline test_dual<double> ones_like(const test_dual<double>&) { return {1, 0}; }

namespace test {

template <class T>
T plain(const test_dual<T>& x) {
  return x.v;
}
template <class T>
  requires std::is_arithmetic_v<T>
double plain(T x) {
  return static_cast<double>(x);
}
template <class T>
double slope(const test_dual<T>& x) {
  return x.d;
}
template <class T>
  requires std::is_arithmetic_v<T>
double slope(T) {
  return 0;
}

/// The sum of the gradients of a pack, each times the slope of its operand.
inline double along(const gradient_pack<>&, const double*) { return 0; }
template <class G, class... R>
double along(const gradient_pack<G, R...>& g, const double* d) {
  double s = along(g.tail, d + 1);
  if constexpr (!std::is_same_v<G, no_gradient>)
    if (*d != 0) s += g.head.v * *d;
  return s;
}

struct dual_front_end {
  template <class Op, class... A>
  static auto apply(const A&... a) {
    const auto y = Op::eval(plain(a)...);
    test_dual<std::remove_const_t<decltype(y)>> r{y};
    if constexpr (requires { Op::vjp(value<double>{1}, value<double>{y}, value<decltype(plain(a))>{plain(a)}...); }) {
      const double d[] = {slope(a)...};
      r.d = along(Op::vjp(value<double>{1}, value<double>{y}, value<decltype(plain(a))>{plain(a)}...), d);
    }
    return r;
  }
};

/// Gradient number K of a pack.
template <std::size_t K, class P>
decltype(auto) gradient_at(const P& g) {
  if constexpr (K == 0) return (g.head);
  else return gradient_at<K - 1>(g.tail);
}

inline bool close(double got, double want) { return std::fabs(got - want) <= 1e-5 + 1e-3 * std::fabs(want); }

/// Op::vjp at a point of N operands: the gradient of each against a central difference, and so the derivative of each
/// gradient along each operand but number Fixed.
template <class Op, int Fixed, std::size_t N>
void check_gradients_at(const std::array<double, N>& x) {
  constexpr auto each = std::make_index_sequence<N>{};
  const double dy = 0.75;
  const auto eval = [&]<std::size_t... I>(const std::array<double, N>& p, std::index_sequence<I...>) { return Op::eval(p[I]...); };
  const auto gradients = [&]<std::size_t... I>(const std::array<double, N>& p, std::index_sequence<I...>) {
    return Op::vjp(value<double>{dy}, value<double>{eval(p, each)}, value<double>{p[I]}...);
  };
  const auto second = [&]<std::size_t... I>(std::size_t along_axis, std::index_sequence<I...>) {
    const test_dual<double> p[] = {{x[I], I == along_axis ? 1.0 : 0.0}...};
    return Op::vjp(test_dual<double>{dy, 0}, dual_front_end::apply<Op>(p[I]...), p[I]...);
  };
  const auto moved = [&](std::size_t axis, double by) {
    auto p = x;
    p[axis] += by;
    return p;
  };
  const auto check_one = [&]<std::size_t K>(std::integral_constant<std::size_t, K>) {
    const auto at_x = gradients(x, each);
    if constexpr (!std::is_same_v<std::remove_cvref_t<decltype(gradient_at<K>(at_x))>, no_gradient>) {
      const double got = gradient_at<K>(at_x).v;
      const double want = dy * (eval(moved(K, step), each) - eval(moved(K, -step), each)) / (2 * step);
      INFO(std::string(Op::name), ", operand ", K, ": gradient ", got, ", difference quotient ", want, " at ", x[0], " ", x[N - 1]);
      CHECK(close(got, want));
      for (std::size_t j = 0; j < N; ++j) {
        const auto up = gradients(moved(j, step), each);
        const auto down = gradients(moved(j, -step), each);
        const double difference = (gradient_at<K>(up).v - gradient_at<K>(down).v) / (2 * step);
        const double derivative = gradient_at<K>(second(j, each)).d;
        INFO("along ", j, ": second derivative ", derivative, ", difference quotient ", difference);
        if (static_cast<int>(j) != Fixed) CHECK(close(derivative, difference));
      }
    }
  };
  [&]<std::size_t... K>(std::index_sequence<K...>) { (check_one(std::integral_constant<std::size_t, K>{}), ...); }(each);
}

/// One operand of Op at a time, or as many as it has.
template <class Op>
using point = std::conditional_t<Op::arity == 1, double, std::array<double, static_cast<std::size_t>(Op::arity)>>;

template <class Op, int Fixed = -1>
void check_gradients(std::initializer_list<point<Op>> points) {
  for (const auto& x : points) {
    if constexpr (Op::arity == 1) check_gradients_at<Op, Fixed, 1>({x});
    else check_gradients_at<Op, Fixed>(x);
  }
}

}  // namespace test
}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Checks gradients against central differences: df/dx ~ (f(x + h) - f(x - h)) / 2h, each element of each operand in turn.
/// Operands should be double; a result that is no scalar is weighted with fixed pseudo-random numbers, so that no error
/// cancels out in a plain sum.
///
///   auto c = eager::check_gradients([](auto x, auto y) { return matmul(x, y); }, {a, b});
///   if (!c.ok) std::cout << c.message;

#include <cmath>

#include "gradient.hpp"

namespace rill::eager {

struct gradient_check_options {
  double eps = 1e-6;   ///< step, relative to max(1, |x|)
  double atol = 1e-5;
  double rtol = 1e-3;
  bool second_order = false;  ///< also check the gradient of the gradient
};

struct gradient_check {
  bool ok = true;
  double max_error = 0;   ///< the largest absolute difference
  std::string message;    ///< the first element that failed: operand, index, both numbers
};

namespace detail {

inline dynamic_tensor weighted_sum(const dynamic_tensor& y) {
  if (y.rank() == 0) return y;
  dynamic_tensor w = dynamic_tensor::uninitialized(y.type(), y.shape());
  std::uint64_t state = 88172645463325252u;
  visit_floating(y.type(), [&]<class T>(std::type_identity<T>) {
    auto* p = static_cast<T*>(w.mutable_data());
    for (std::int64_t k = 0; k < y.size(); ++k) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      p[k] = static_cast<T>(static_cast<float>(static_cast<double>(state >> 11) * 0x1p-53 + 0.5));
    }
  });
  return reduce_sum(y * w);
}

inline dynamic_tensor moved(const dynamic_tensor& x, std::int64_t index, double by) {
  dynamic_tensor t = x.alias();
  visit_floating(x.type(), [&]<class T>(std::type_identity<T>) {
    auto* p = static_cast<T*>(t.mutable_data());
    p[index] = static_cast<T>(static_cast<double>(p[index]) + by);
  });
  return t;
}

template <class F>
gradient_check check_gradients(const F& f, const std::vector<dynamic_tensor>& xs, const gradient_check_options& o) {
  gradient_check c;
  gradient_tape tape;
  std::vector<dynamic_tensor> x;
  for (const dynamic_tensor& v : xs) x.push_back(argument(v));
  for (const dynamic_tensor& v : x) tape.watch(v);
  const std::vector<dynamic_tensor> g = tape.gradient(weighted_sum(f(x)), x);
  for (std::size_t k = 0; k < x.size(); ++k) {
    if (!is_floating(x[k].type())) continue;
    if (g[k].has_value() && !(g[k].shape() == x[k].shape())) {
      c.ok = false;
      c.message = "the gradient of operand " + std::to_string(k) + " has shape " + to_string(g[k].shape()) + ", not " +
                  to_string(x[k].shape());
      return c;
    }
    for (std::int64_t i = 0; i < x[k].size(); ++i) {
      const auto number = [&](const dynamic_tensor& t) {
        return visit_floating(t.type(), [&]<class T>(std::type_identity<T>) { return static_cast<double>(t.span<T>()[static_cast<std::size_t>(i)]); });
      };
      const double at = number(x[k]), h = o.eps * std::max(1.0, std::abs(at));
      std::vector<dynamic_tensor> low = xs, high = xs;
      low[k] = moved(xs[k], i, -h), high[k] = moved(xs[k], i, h);
      const double difference =
          (weighted_sum(f(high)).template item<double>() - weighted_sum(f(low)).template item<double>()) / (2 * h);
      const double got = g[k].has_value() ? number(g[k]) : 0;
      const double error = std::abs(got - difference);
      c.max_error = std::max(c.max_error, error);
      if (c.ok && !(error <= o.atol + o.rtol * std::abs(difference))) {
        c.ok = false;
        c.message = "operand " + std::to_string(k) + ", element " + std::to_string(i) + ": the gradient is " +
                    std::to_string(got) + ", differences give " + std::to_string(difference);
      }
    }
  }
  return c;
}

}  // namespace detail

/// Compares the gradients of f (of as many dynamic_tensors as `xs` has) with central differences at xs.
template <std::size_t N, class F>
gradient_check check_gradients(const F& f, const dynamic_tensor (&xs)[N], const gradient_check_options& o = {}) {
  const std::vector<dynamic_tensor> x(xs, xs + N);
  const auto call = [&](const std::vector<dynamic_tensor>& v) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return dynamic_tensor(f(v[I]...)); }
    (std::make_index_sequence<N>{});
  };
  gradient_check c = detail::check_gradients(call, x, o);
  if (!c.ok || !o.second_order) return c;
  // the gradients themselves, one operand after the other, as functions of all operands
  for (std::size_t k = 0; k < N && c.ok; ++k) {
    if (!is_floating(x[k].type())) continue;
    const auto first = [&](const std::vector<dynamic_tensor>& v) {
      gradient_tape tape;
      std::vector<dynamic_tensor> own;
      for (const dynamic_tensor& t : v) own.push_back(detail::argument(t));
      for (const dynamic_tensor& t : own) tape.watch(t);
      const dynamic_tensor g = tape.gradient(detail::weighted_sum(call(own)), own)[k];
      return g.has_value() ? g : zeros_like(own[k]);
    };
    const gradient_check second = detail::check_gradients(first, x, o);
    c.max_error = std::max(c.max_error, second.max_error);
    if (!second.ok) c.ok = false, c.message = "second order, gradient of operand " + std::to_string(k) + ": " + second.message;
  }
  return c;
}

}  // namespace rill::eager

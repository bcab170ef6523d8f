// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The functions of ops/debugging.hpp on tensors, run-time-typed or typed: they print or throw at once and give their first
/// operand (of typed tensors: as tensor<T, any_rank>).
///
///   auto y = check_numerics(log(x), "log of x");       // invalid_argument: log of x : Tensor had NaN values
///   assert_equal(a, b, "a and b");
///   repr(tensor<int, 2>{1, 2});                       // Tensor([1 2], shape=(2,), dtype=int32)

#include "../kernel/debugging.hpp"
#include "lift.hpp"

namespace rill {

/// The elements with shape and dtype, as TensorFlow prints an eager tensor; "None" for nothing.
template <std::same_as<dynamic_tensor> D>
std::string repr(const D& x, const print_options& o = {}) {
  if (!x.has_value()) return "None";
  std::string shape;
  for (const std::int64_t n : x.shape()) shape += (shape.empty() ? "" : ", ") + std::to_string(n);
  if (x.rank() == 1) shape += ",";
  return "Tensor(" + to_string(x, o) + ", shape=(" + shape + "), dtype=" + std::string(name_of(x.type())) + ")";
}
template <expr::eager X>
std::string repr(const X& x, const print_options& o = {}) {
  return repr(dynamic_tensor(eager::lend(x)), o);
}

template <expr::eager X>
auto print(const X& x, print_values_options o = {}) {
  return eager::lift([&](const dynamic_tensor& v) { return print(v, o); }, x);
}
template <expr::eager X>
auto check_numerics(const X& x, std::string_view message) {
  return eager::lift([&](const dynamic_tensor& v) { return check_numerics(v, message); }, x);
}
template <expr::eager C>
auto assert_that(const C& condition, std::string_view message = {}) {
  return eager::lift([&](const dynamic_tensor& c) { return assert_that(c, message); }, condition);
}

namespace eager::detail {
/// f on both operands; a number is one of the first one's dtype.
template <class F, class X, class Y>
void relate(F f, const X& x, const Y& y) {
  if constexpr (is_number_v<Y>) f(lend(x), y);
  else f(lend(x), lend(y));
}
}  // namespace eager::detail

template <expr::eager X, class Y>
void assert_equal(const X& x, const Y& y, std::string_view message = {}) {
  eager::detail::relate([&](const auto& a, const auto& b) { assert_equal(a, b, message); }, x, y);
}
template <expr::eager X, class Y>
void assert_less(const X& x, const Y& y, std::string_view message = {}) {
  eager::detail::relate([&](const auto& a, const auto& b) { assert_less(a, b, message); }, x, y);
}
template <expr::eager X, class Y>
void assert_less_equal(const X& x, const Y& y, std::string_view message = {}) {
  eager::detail::relate([&](const auto& a, const auto& b) { assert_less_equal(a, b, message); }, x, y);
}
template <expr::eager X, class Y>
void assert_greater(const X& x, const Y& y, std::string_view message = {}) {
  eager::detail::relate([&](const auto& a, const auto& b) { assert_greater(a, b, message); }, x, y);
}
template <expr::eager X, class Y>
void assert_greater_equal(const X& x, const Y& y, std::string_view message = {}) {
  eager::detail::relate([&](const auto& a, const auto& b) { assert_greater_equal(a, b, message); }, x, y);
}
template <expr::eager X>
void assert_positive(const X& x, std::string_view message = {}) {
  assert_greater(x, 0, message);
}
template <expr::eager X>
void assert_non_negative(const X& x, std::string_view message = {}) {
  assert_greater_equal(x, 0, message);
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
// Gradients of kernel ops against differences, of first and second order.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <rill/eager/numeric_gradient.hpp>
#include <string>

namespace rill::test {

/// First and second derivatives of a function of one or two tensors against differences; it should not be linear. Without `twice`
/// the first alone. (Erased,
/// so that the checks are compiled once.)
using function1 = std::function<dynamic_tensor(const dynamic_tensor&)>;
using function2 = std::function<dynamic_tensor(const dynamic_tensor&, const dynamic_tensor&)>;
inline void check_derivatives(const char* what, const function1& f, const dynamic_tensor (&x)[1], bool twice = true) {
  const auto c = eager::check_gradients(f, x, {.second_order = twice});
  INFO(std::string(what), ": ", c.message);
  CHECK(c.ok);
}
inline void check_derivatives(const char* what, const function2& f, const dynamic_tensor (&x)[2], bool twice = true) {
  const auto c = eager::check_gradients(f, x, {.second_order = twice});
  INFO(std::string(what), ": ", c.message);
  CHECK(c.ok);
}

/// Different numbers of [-1, 1], none next to another.
inline dynamic_tensor spread(const tensor_shape& s, std::int64_t seed) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float64, s);
  auto* p = static_cast<double*>(t.mutable_data());
  const std::int64_t n = t.size();
  for (std::int64_t k = 0; k < n; ++k) p[k] = static_cast<double>((k * 37 + seed * 11) % 101) / 50 - 1;
  return t;
}

}  // namespace rill::test

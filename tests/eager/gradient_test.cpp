// SPDX-License-Identifier: Apache-2.0
// Gradient tapes, gradient functions, custom gradients: the documentation's examples with their numbers, and rules that a
// tape must keep (one gradient, nesting, None, variables recorded without watch).
#include <rill/eager/numeric_gradient.hpp>
#include <rill/expr/eager.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

using namespace rill;
using eager::gradient_tape;

namespace {
float number(const dynamic_tensor& t) {
  REQUIRE(t.has_value());
  return t.item<float>();
}
}  // namespace

TEST_CASE("a tape gives the gradient of a variable once") {
  eager::variable w{tensor<float, 1, 1>{{1.f}}};
  gradient_tape tape;
  const auto loss = w * w;
  const auto [dw] = tape.gradient(loss, w);
  CHECK(to_string(dw) == "[[2.]]");
  CHECK_THROWS_AS(tape.gradient(loss, w), failed_precondition);
}

TEST_CASE("a persistent tape gives several, a plain tensor must be watched") {
  const dynamic_tensor x = 3.f;
  {
    gradient_tape tape({.persistent = true});
    tape.watch(x);
    const auto y = x * x;
    const auto z = y * y;
    CHECK(number(tape.gradient(z, x)[0]) == 108.f);
    CHECK(number(tape.gradient(y, x)[0]) == 6.f);
    CHECK(number(tape.gradient(z, y)[0]) == 18.f);
  }
  gradient_tape tape;
  const auto y = x * x;
  CHECK_FALSE(tape.gradient(y, x)[0].has_value());
}

TEST_CASE("variables that are not trainable are not followed") {
  eager::variable w{dynamic_tensor(2.f), {.name = "w", .trainable = false}};
  gradient_tape tape;
  CHECK_FALSE(tape.gradient(w * w, w)[0].has_value());
}

TEST_CASE("a variable that changes between its reads collects both gradients") {
  eager::variable w{dynamic_tensor(2.f), "w"};
  gradient_tape tape;
  const auto a = w * w;  // 2 w = 4
  w.assign(dynamic_tensor(5.f));
  const auto b = a + w * 3;  // + 3
  CHECK(number(tape.gradient(b, w)[0]) == 7.f);
  CHECK_THROWS_WITH_AS(w.assign(tensor<float, 2>{1, 2}), "assign: the variable 'w' is float32[], the value float32[2]",
                       invalid_argument);
}

TEST_CASE("gradients of any order; None where nothing depends") {
  const auto square = [](auto x) { return x * x; };
  const auto grad = [&](auto x) { return gradients_function(square)(x)[0]; };
  const auto gradgrad = [&](auto x) { return gradients_function(grad)(x)[0]; };
  const auto third = [&](auto x) { return gradients_function(gradgrad)(x)[0]; };
  CHECK(number(square(dynamic_tensor(3.f))) == 9.f);
  CHECK(number(grad(dynamic_tensor(3.f))) == 6.f);
  CHECK(number(gradgrad(dynamic_tensor(3.f))) == 2.f);
  CHECK_FALSE(third(dynamic_tensor(3.f)).has_value());
  CHECK(to_string(third(dynamic_tensor(3.f))) == "None");
}

TEST_CASE("branches, loops and recursion on data") {
  const auto absolute = [](const dynamic_tensor& x) { return (x > 0.f).item<bool>() ? x : -x; };
  const auto grad = gradients_function(absolute);
  CHECK(number(grad(3.f)[0]) == 1.f);
  CHECK(number(grad(-3.f)[0]) == -1.f);

  const auto power = [](const dynamic_tensor& x) {
    dynamic_tensor y = x;
    while ((y < 100.f).item<bool>()) y = y * x;  // 3^5 = 243
    return y;
  };
  CHECK(number(gradients_function(power)(3.f)[0]) == 405.f);  // 5 * 3^4

  struct recursion {
    dynamic_tensor operator()(const dynamic_tensor& x, int n) const { return n == 0 ? dynamic_tensor(1.f) : x * (*this)(x, n - 1); }
  };
  CHECK(number(gradients_function([](const dynamic_tensor& x) { return recursion{}(x, 4); })(2.f)[0]) == 32.f);
}

TEST_CASE("line search of the documentation") {
  const auto step = [](const auto& fn, const dynamic_tensor& init_x, double rate = 1.0) {
    gradient_tape tape;
    tape.watch(init_x);
    const dynamic_tensor init_value = fn(init_x);
    const auto [grad] = tape.gradient(init_value, init_x);
    const dynamic_tensor grad_norm = reduce_sum(grad * grad);
    dynamic_tensor x = init_x, value = init_value;
    int iterations = 0;
    while ((value > init_value - rate * grad_norm).template item<bool>()) {
      x = init_x - rate * grad;
      value = fn(x);
      rate /= 2;
      ++iterations;
    }
    return std::tuple{x, value, iterations};
  };
  const auto [x, value, iterations] = step([](const dynamic_tensor& v) { return v * v; }, 3.f);
  CHECK(number(x) == 0.f);
  CHECK(number(value) == 0.f);
  CHECK(iterations == 2);
}

TEST_CASE("log1pexp: the naive gradient breaks at 100, the custom one does not") {
  const auto naive = [](auto x) { return log(1.f + exp(x)); };
  CHECK(number(gradients_function(naive)(0.f)[0]) == 0.5f);
  CHECK(std::isnan(number(gradients_function(naive)(100.f)[0])));
  const auto safe = eager::custom_gradient([](auto x) {
    auto e = exp(x);
    return eager::with_gradient(log(1.f + e), [=](auto dy) { return grads(dy * (1.f - 1.f / (1.f + e))); });
  });
  CHECK(number(safe(dynamic_tensor(0.f))) == doctest::Approx(std::log(2.0)));
  CHECK(number(gradients_function(safe)(0.f)[0]) == 0.5f);
  CHECK(number(gradients_function(safe)(100.f)[0]) == 1.f);
  // its gradient is differentiable again: s (1 - s) with s = sigmoid(x)
  const auto second = gradients_function([&](const dynamic_tensor& x) { return gradients_function(safe)(x)[0]; })(1.f)[0];
  const double s = 1 / (1 + std::exp(-1.0));
  CHECK(number(second) == doctest::Approx(s * (1 - s)));
}

TEST_CASE("a custom gradient may clip and may be None") {
  const auto clip = [](const dynamic_tensor& x, float norm) {
    return eager::custom_gradient([norm](const dynamic_tensor& v, const dynamic_tensor&) {
      return eager::with_gradient(v, [norm](const dynamic_tensor& dy) {
        const float n = sqrt(reduce_sum(dy * dy)).item<float>();
        return grads(n > norm ? dy * (norm / n) : dy, no_gradient{});
      });
    })(x, dynamic_tensor(norm));
  };
  const dynamic_tensor x = tensor<float, 2>{3, 4};
  gradient_tape tape;
  tape.watch(x);
  const auto y = clip(x, 1.f) * dynamic_tensor(tensor<float, 2>{3, 4});
  CHECK(to_string(tape.gradient(y, x)[0]) == "[0.6 0.8]");
}

TEST_CASE("value and gradients of several arguments, broadcast operands") {
  const dynamic_tensor a = tensor<double, 2, 3>{{1, 2, 3}, {4, 5, 6}}, b = tensor<double, 3>{1, -1, 2};
  const auto [value, g] = value_and_gradients_function([](const dynamic_tensor& x, const dynamic_tensor& y) {
    return reduce_sum(x * y);
  })(a, b);
  CHECK(value.item<double>() == 1 - 2 + 6 + 4 - 5 + 12);
  CHECK(to_string(g[0]) == "[[ 1. -1.  2.]\n [ 1. -1.  2.]]");
  CHECK(to_string(g[1]) == "[5. 7. 9.]");
  const auto c = eager::check_gradients([](const dynamic_tensor& x, const dynamic_tensor& y) { return tanh(x * y) / (2.0 + cos(y)); },
                                        {a, b}, {.second_order = true});
  CHECK_MESSAGE(c.ok, c.message);
}

TEST_CASE("jacobian and hessian") {
  const dynamic_tensor x = tensor<double, 3>{1, 2, 3};
  CHECK(to_string(eager::jacobian([](const dynamic_tensor& v) { return v * v; }, x)) == "[[2. 0. 0.]\n [0. 4. 0.]\n [0. 0. 6.]]");
  const auto h = eager::hessian([](const dynamic_tensor& v) { return reduce_sum(v) * reduce_sum(v * v); }, x);
  // f = (sum v)(sum v^2): d2f/dvi dvj = 2 vi + 2 vj + [i = j] 2 sum v
  for (std::int64_t i = 0; i < 3; ++i)
    for (std::int64_t j = 0; j < 3; ++j)
      CHECK(h.span<double>()[static_cast<std::size_t>(3 * i + j)] == doctest::Approx(static_cast<double>(2 * (i + 1) + 2 * (j + 1) + (i == j ? 12 : 0))));
}

TEST_CASE("tapes nest and end in any order; stop_gradient and stop_recording") {
  const dynamic_tensor x = 2.f;
  auto outer = std::make_unique<gradient_tape>();
  outer->watch(x);
  auto inner = std::make_unique<gradient_tape>(eager::tape_options{.persistent = true});
  inner->watch(x);
  const auto y = x * x * x;
  const auto [dy] = inner->gradient(y, x);
  CHECK(number(dy) == 12.f);
  CHECK(number(outer->gradient(dy, x)[0]) == 12.f);
  outer.reset();
  CHECK(number(inner->gradient(y, x)[0]) == 12.f);
  inner.reset();

  gradient_tape tape({.persistent = true});
  tape.watch(x);
  const auto z = stop_gradient(x) * x;
  CHECK(number(tape.gradient(z, x)[0]) == 2.f);
  dynamic_tensor quiet;
  {
    const auto pause = tape.stop_recording();
    quiet = x * x;
  }
  CHECK_FALSE(tape.gradient(quiet, x)[0].has_value());
}

TEST_CASE("operands that do not fit are named") {
  const dynamic_tensor a = tensor<float, 2>{1, 2}, b = tensor<int, 2>{1, 2};
  CHECK_THROWS_WITH_AS(a + b, "Add: dtypes differ: got float32[2] and int32[2]; cast one operand", invalid_argument);
  CHECK_THROWS_WITH_AS(sqrt(b), "Sqrt: does not take operands of this dtype: got int32[2]; cast them", invalid_argument);
  CHECK_THROWS_AS(a + dynamic_tensor(), invalid_argument);
  CHECK_THROWS_AS((void)a.item<float>(), invalid_argument);
  CHECK_THROWS_AS((void)(a.to<double, dyn>()), invalid_argument);
  CHECK_THROWS_AS((void)(a.to<float, 3>()), invalid_argument);
}

TEST_CASE("copies of a dynamic tensor are values") {
  dynamic_tensor a = tensor<int, 3>{1, 2, 3};
  const dynamic_tensor b = a;
  static_cast<std::int32_t*>(a.mutable_data())[0] = 9;
  CHECK(to_string(a) == "[9 2 3]");
  CHECK(to_string(b) == "[1 2 3]");
  std::ostringstream s;
  s << b;
  CHECK(s.str() == "[1 2 3]");
}

TEST_CASE("gradients of complex numbers are dL/dRe + i dL/dIm") {
  using c = std::complex<double>;
  const auto f = [](const dynamic_tensor& z) { return real(exp(z * z) / (z + 3.0)) * imag(z) + complex_abs(sin(z)); };
  const c at[] = {{0.3, -0.7}, {1.1, 0.2}, {-0.4, 0.9}};
  for (const c z : at) {
    const dynamic_tensor g = gradients_function(f)(dynamic_tensor(tensor<c>(z)))[0];
    const auto value = [&](c w) { return f(dynamic_tensor(tensor<c>(w))).item<double>(); };
    const double h = 1e-6;
    const c got = g.span<c>()[0];
    CHECK(got.real() == doctest::Approx((value(z + h) - value(z - h)) / (2 * h)).epsilon(1e-6));
    CHECK(got.imag() == doctest::Approx((value(z + c(0, h)) - value(z - c(0, h))) / (2 * h)).epsilon(1e-6));
  }
}

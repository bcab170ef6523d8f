// SPDX-License-Identifier: Apache-2.0
// Ops from outside of the library: one with an attribute, a shape rule, a kernel and a gradient; plain functions inside a
// graph; custom gradients in a graph. Numbers of the documentation's zero_out, CustomCall and py_func examples.
#include <rill/eager/lift.hpp>
#include <rill/eager/numeric_gradient.hpp>
#include <rill/eager/py_func.hpp>
#include <rill/graph/session.hpp>
#include <rill/ops/custom_call.hpp>

#include <doctest/doctest.h>

using namespace rill;

// What a user writes: all of it in one file of their own.
namespace user {

/// Keeps element `preserve_index` of the flattened operand, makes all others 0.
struct zero_out_op {
  static constexpr auto name = "ZeroOut";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (at.i[0] < 0) f.set("preserve_index must not be negative", "", in[0]);
    else if (in[0].shape.rank() == 0) f.set("needs at least one axis", "", in[0]);
    return in[0];
  }
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) {
    if (at.i[0] >= out.size()) throw out_of_range("ZeroOut: preserve_index " + std::to_string(at.i[0]) + " is outside of " + to_string(out.shape));
    visit_number(out.type, [&]<class T>(std::type_identity<T>) {
      for (std::int64_t k = 0; k < out.size(); ++k) out.as<T>()[k] = k == at.i[0] ? in[0].as<T>()[k] : T();
    });
  }
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto) { return grads(rill::detail::emit<zero_out_op>({dy}, at)); }
};
struct zero_out_options {
  std::int64_t preserve_index = 0;
};
template <value V>
constexpr V zero_out(V x, zero_out_options o = {}) {
  attributes at;
  at.i[0] = o.preserve_index;
  return rill::detail::emit<zero_out_op>({x}, at);
}
template <expr::eager X>
auto zero_out(const X& x, zero_out_options o = {}) {
  return eager::lift([&](const auto& v) { return zero_out(v, o); }, x);
}

struct model {
  constexpr auto operator()(auto x) const {
    auto y = zero_out(x * 2 + 1, {.preserve_index = 1}) * 3;
    auto [g] = gradients(reduce_sum(y * y), x);
    return outputs(fetch("y", y), fetch("g", g));
  }
};

inline constexpr auto my_custom_call = [](void* out, const void** in) {
  const auto& x = *static_cast<const float(*)[2]>(in[0]);
  const auto& y = *static_cast<const float(*)[2][3]>(in[1]);
  auto& z = *static_cast<float(*)[3][3]>(out);
  for (auto& row : z)
    for (float& v : row) v = 0;
  z[0][0] = x[1] + y[1][0];
};
struct custom_model {
  constexpr auto operator()(auto x, auto y) const { return custom_call<my_custom_call>({dtype::float32, {3, 3}}, x, y); }
};

inline constexpr auto collatz = [](const dynamic_tensor& x) {  // branches and loops on data
  dynamic_tensor y = x;
  while (reduce_sum(y).item<double>() < 100) y = y * x;
  return y;
};
struct py_model {
  constexpr auto operator()(auto x) const {
    auto y = eager::py_func<collatz>({x.type(), x.shape()}, x);
    auto [g] = gradients(reduce_sum(y), x);
    return outputs(fetch("y", y), fetch("g", g));
  }
};

inline constexpr auto log1pexp = eager::custom_gradient([](auto x) {
  auto e = exp(x);
  return eager::with_gradient(log(e + 1.0), [=](auto dy) { return grads(dy * (1.0 - 1.0 / (e + 1.0))); });
});
struct safe_model {
  constexpr auto operator()(auto x) const {
    auto y = log1pexp(x);
    auto [g] = gradients(reduce_sum(y), x);
    return outputs(fetch("y", y), fetch("g", g));
  }
};

}  // namespace user

TEST_CASE("zero_out on tensors, on a tape, in a graph") {
  CHECK(to_string(user::zero_out(tensor<int, 2, 2>{{1, 2}, {3, 4}})) == "[[1 0]\n [0 0]]");
  CHECK(to_string(user::zero_out(tensor<int, 5>{5, 4, 3, 2, 1})) == "[5 0 0 0 0]");
  CHECK(to_string(user::zero_out(tensor<double, 3>{5, 4, 3} + 1, {.preserve_index = 2})) == "[0. 0. 4.]");
  const auto c = eager::check_gradients([](const dynamic_tensor& x) { return user::zero_out(x * x, {.preserve_index = 1}); },
                                        {tensor<double, 3>{1, 2, 3}}, {.second_order = true});
  CHECK_MESSAGE(c.ok, c.message);
  graph::session<user::model, tensor<float, dyn>> s;
  const auto [y, g] = s.run(tensor<float, dyn>{1, 2, 3});
  CHECK(to_string(y) == "[ 0. 15.  0.]");
  CHECK(to_string(g) == "[  0. 180.   0.]");  // 2 * 15 * 3 * 2
  CHECK_THROWS_WITH_AS(user::zero_out(tensor<int, 2>{1, 2}, {.preserve_index = -1}),
                       "ZeroOut: preserve_index must not be negative: got int32[2]", invalid_argument);
  CHECK_THROWS_WITH_AS(user::zero_out(tensor<int, 2>{1, 2}, {.preserve_index = 7}),
                       "ZeroOut: preserve_index 7 is outside of [2]", out_of_range);
}

TEST_CASE("CustomCall of the documentation") {
  graph::session<user::custom_model, tensor<float, 2>, tensor<float, 2, 3>> s;
  const auto z = s.run(tensor<float, 2>{1, 2}, tensor<float, 2, 3>{{10, 20, 30}, {40, 50, 60}});
  CHECK(z(0, 0) == 42.f);
  CHECK(z(2, 2) == 0.f);
}

TEST_CASE("an eager function inside a graph, with its gradient") {
  graph::session<user::py_model, tensor<double, dyn>> s;
  const auto [y, g] = s.run(tensor<double, dyn>{2, 3});  // 2+3, 4+9, 8+27, 16+81, 32+243 >= 100
  CHECK(to_string(y) == "[ 32. 243.]");
  CHECK(to_string(g) == "[ 80. 405.]");  // 5 x^4
}

TEST_CASE("a custom gradient in a graph") {
  graph::session<user::safe_model, tensor<float, dyn>> s;
  const auto [y, g] = s.run(tensor<float, dyn>{0.f, 100.f});
  CHECK(y(0) == doctest::Approx(0.6931472));
  CHECK(g(0) == 0.5f);
  CHECK(g(1) == 1.f);
}

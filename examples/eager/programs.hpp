// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The programs of TensorFlow's guide to eager execution, each as a function that prints what the guide prints: control
/// flow on tensors, two linear fits, a line search, custom gradients. The tests run them and check their numbers.

#include <rill/eager/eager.hpp>

#include <iomanip>
#include <ostream>
#include <vector>

namespace programs {

using rill::dynamic_tensor;
using rill::tensor;
namespace eager = rill::eager;

/// Counts to max_num; every number is a tensor, every decision reads one.
inline dynamic_tensor fizzbuzz(std::ostream& out, int max_num) {
  dynamic_tensor counter = 0;
  for (int n = 1; n <= max_num; ++n) {
    const dynamic_tensor num = n;
    const bool by3 = equal(num % 3, 0).item<bool>(), by5 = equal(num % 5, 0).item<bool>();
    if (by3 && by5) out << "FizzBuzz\n";
    else if (by3) out << "Fizz\n";
    else if (by5) out << "Buzz\n";
    else out << num << '\n';
    counter = counter + 1;
  }
  return counter;
}

/// What a fit ends with, and the losses that it printed.
struct fit_result {
  std::vector<float> losses;  ///< initial, at every 20th step, final
  float weight = 0, bias = 0;
};

struct points {
  dynamic_tensor x, y;
};
/// y = 3 x + 2 + noise.
inline points noisy_line(std::int64_t n) {
  const tensor<float, rill::dyn> x = rill::random_normal({n}, {.seed = 1}), noise = rill::random_normal({n}, {.seed = 2});
  return {x, tensor<float, rill::dyn>(x * 3 + 2 + noise)};
}
inline void print_loss(std::ostream& out, const char* when, float loss) {
  out << when << std::fixed << std::setprecision(3) << loss << std::defaultfloat << std::setprecision(6) << '\n';
}
inline std::string step_name(int i) {
  std::string s = std::to_string(i);
  return "Loss at step " + std::string(3 - s.size(), '0') + s + ": ";
}

/// Gradient descent by hand: two variables, a tape, assign_sub.
inline fit_result linear_fit_a(std::ostream& out) {
  const auto [x, y] = noisy_line(1000);
  const eager::variable w(dynamic_tensor(5.f), "W"), b(dynamic_tensor(10.f), "B");
  const auto loss = [&, x = x, y = y] { return reduce_mean(square(x * w + b - y)); };
  fit_result r;
  const auto report = [&](const std::string& when) {
    r.losses.push_back(loss().item<float>());
    print_loss(out, when.c_str(), r.losses.back());
  };
  report("Initial loss: ");
  constexpr float learning_rate = 0.01f;
  for (int i = 0; i < 200; ++i) {
    eager::gradient_tape tape;
    const auto [dw, db] = tape.gradient(loss(), w, b);
    w.assign_sub(dw * learning_rate);
    b.assign_sub(db * learning_rate);
    if (i % 20 == 0) report(step_name(i));
  }
  report("Final loss: ");
  r.weight = w.value().item<float>(), r.bias = b.value().item<float>();
  out << "W = " << r.weight << ", B = " << r.bias << '\n';
  return r;
}

/// The same as an object with an optimizer.
class line {
 public:
  eager::variable weight{dynamic_tensor(5.f), "weight"}, bias{dynamic_tensor(10.f), "bias"};
  dynamic_tensor operator()(const dynamic_tensor& x) const { return x * weight + bias; }
  [[nodiscard]] std::vector<eager::variable> variables() const { return {weight, bias}; }
};
inline fit_result linear_fit_b(std::ostream& out) {
  const auto [x, y] = noisy_line(2000);
  const line model;
  eager::optimizer sgd(rill::optimizers::gradient_descent{.learning_rate = 0.01});
  const auto loss = [&, x = x, y = y] { return reduce_mean(square(model(x) - y)); };
  fit_result r;
  const auto report = [&](const std::string& when) {
    r.losses.push_back(loss().item<float>());
    print_loss(out, when.c_str(), r.losses.back());
  };
  report("Initial loss: ");
  for (int i = 0; i < 300; ++i) {
    eager::gradient_tape tape;
    const std::vector<dynamic_tensor> gradients = tape.gradient(loss(), model.variables());
    sgd.apply_gradients(gradients, model.variables());
    if (i % 20 == 0) report(step_name(i));
  }
  report("Final loss: ");
  r.weight = model.weight.value().item<float>(), r.bias = model.bias.value().item<float>();
  out << "W = " << r.weight << ", B = " << r.bias << '\n';
  return r;
}

/// Halves the step until the function has become small enough: a loop that the tape differentiates like any code.
struct line_search_result {
  dynamic_tensor x, value;
  int iterations = 0;
};
template <class F>
line_search_result line_search_step(const F& fn, const dynamic_tensor& init_x, float rate = 1) {
  eager::gradient_tape tape;
  tape.watch(init_x);
  const dynamic_tensor init_value = fn(init_x);
  const auto [grad] = tape.gradient(init_value, init_x);
  const dynamic_tensor grad_norm = reduce_sum(grad * grad);
  line_search_result r{init_x, init_value};
  while ((r.value > init_value - rate * grad_norm).template item<bool>()) {
    r.x = init_x - rate * grad;
    r.value = fn(r.x);
    rate /= 2;
    ++r.iterations;
  }
  return r;
}

/// log(1 + e^x): the gradient as it comes, and one that knows better at large x.
inline constexpr auto log1pexp = [](auto x) { return log(1.f + exp(x)); };
inline constexpr auto stable_log1pexp = eager::custom_gradient([](auto x) {
  auto e = exp(x);
  return eager::with_gradient(log(1.f + e), [=](auto dy) { return grads(dy * (1.f - 1.f / (1.f + e))); });
});

}  // namespace programs

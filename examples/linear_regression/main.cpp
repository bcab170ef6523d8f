// SPDX-License-Identifier: Apache-2.0
// Fits a line with the low-level interface: a layer of one's own, a loss, gradient descent, an explicit loop.

#include <iostream>
#include <rill/expr/eager.hpp>
#include <rill/graph/describe.hpp>
#include <rill/graph/session.hpp>
#include <rill/losses/mean_squared_error.hpp>
#include <rill/optimizers/gradient_descent.hpp>

using namespace rill;

// A layer makes the variables it needs; w * x + b with the values that the fit is to forget.
struct scale_shift {
  constexpr auto operator()(auto x) const {
    auto w = variable(x, {.name = "weight", .shape = {}, .initializer = constant(5.f)});
    auto b = variable(x, {.name = "bias", .shape = {}, .initializer = constant(10.f)});
    return w * x + b;
  }
};

// A step is a model too: its outputs are what a run returns, its learning rate is a run-time value.
struct fit {
  static constexpr bool tunable = true;
  optimizers::gradient_descent optimizer{.learning_rate = 0.01};
  constexpr auto operator()(auto x, auto y) const {
    auto loss = losses::mean_squared_error(y, scale_shift{}(x));
    return outputs(fetch("loss", loss), fetch("train", optimizer.minimize(loss)));
  }
};

int main() {
  // 1000 points around y = 3 x + 2
  tensor<float, dyn> x = random_uniform({1000}, {.seed = 1}) * 4 - 2;
  tensor<float, dyn> y = x * 3 + 2 + (random_uniform({1000}, {.seed = 2}) - 0.5f);

  graph::variable_store variables;
  graph::session<fit, tensor<float, dyn>, tensor<float, dyn>> session(variables, {.optimizer = {.learning_rate = 0.05}});
  std::cout << graph::describe<fit, tensor<float, dyn>, tensor<float, dyn>>() << '\n';
  for (int i = 0; i <= 300; ++i) {
    auto [loss, train] = session.run(x, y);
    if (i % 50 == 0) std::cout << "step " << i << ": loss " << loss << '\n';
  }
  for (const char* name : {"weight", "bias"})
    std::cout << name << " = " << *static_cast<const float*>(variables.find(name)->data) << '\n';
}

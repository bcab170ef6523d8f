// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Adadelta: a = rho * a + (1 - rho) * grad^2; d = sqrt(u + epsilon) / sqrt(a + epsilon) * grad; var -= learning_rate * d;
/// u = rho * u + (1 - rho) * d^2. Slots "Adadelta" (a) and "Adadelta_1" (u). (Zeiler 2012, TensorFlow's AdadeltaOptimizer.)

#include "optimizer.hpp"

namespace rill::optimizers {

struct adadelta {
  static constexpr bool tunable = true;
  hyperparameter learning_rate = 0.001;
  hyperparameter rho = 0.95;
  hyperparameter epsilon = 1e-8;

  constexpr void apply(auto var, auto grad, auto& slots) const {
    auto a = slots.get("Adadelta", var), u = slots.get("Adadelta_1", var);
    auto mean = assign(a, rho * a + (1 - rho) * (grad * grad));
    auto step = sqrt(u + epsilon) * rsqrt(mean + epsilon) * grad;
    assign_sub(var, learning_rate * step);
    assign(u, rho * u + (1 - rho) * (step * step));
  }
  template <class = void>
  constexpr operation minimize(symbol loss) const { return optimizers::minimize(*this, loss); }
};

}  // namespace rill::optimizers

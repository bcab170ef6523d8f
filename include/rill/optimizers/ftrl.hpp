// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// FTRL-Proximal: with p = -learning_rate_power and n = a + grad^2, z += grad - (n^p - a^p) / learning_rate * var, and var
/// becomes (clip(z, -l1, l1) - z) / (n^p / learning_rate + 2 * l2); a = n. With shrinkage, grad + 2 * l2_shrinkage * var takes
/// the place of grad in z. Slots "Ftrl" (a, which begins at initial_accumulator_value, a constant of the model) and
/// "Ftrl_1" (z). (McMahan et al. 2013, TensorFlow's FtrlOptimizer.)

#include "optimizer.hpp"

namespace rill::optimizers {

struct ftrl {
  static constexpr bool tunable = true;
  static constexpr double initial_accumulator_value = 0.1;
  hyperparameter learning_rate = 0.001;
  hyperparameter learning_rate_power = -0.5;
  hyperparameter l1_regularization_strength = 0;
  hyperparameter l2_regularization_strength = 0;
  hyperparameter l2_shrinkage_regularization_strength = 0;

  constexpr void apply(auto var, auto grad, auto& slots) const {
    auto a = slots.get("Ftrl", var, initial_accumulator_value), z = slots.get("Ftrl_1", var);
    auto before = pow(1 * a, -learning_rate_power);  // read before it is written: tensors change at once
    auto after = pow(assign(a, a + grad * grad), -learning_rate_power);
    auto shrunk = grad + 2 * l2_shrinkage_regularization_strength * var;
    auto linear = assign(z, z + shrunk - (after - before) / learning_rate * var);
    auto clipped = maximum(minimum(linear, l1_regularization_strength), -l1_regularization_strength);
    assign(var, (clipped - linear) / (after / learning_rate + 2 * l2_regularization_strength));
  }
  template <class = void>
  constexpr operation minimize(symbol loss) const { return optimizers::minimize(*this, loss); }
};

}  // namespace rill::optimizers

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Adagrad with dual averaging: s += grad, a += grad^2, and at step t, from 1, var = -learning_rate * sign(s) * max(|s| - l1 * t, 0)
/// / (sqrt(a) + learning_rate * l2 * t): whatever var was at first. Slots "AdagradDA" (s) and "AdagradDA_1" (a, which begins at
/// initial_gradient_squared_accumulator_value, a constant of the model). (Duchi, Hazan and Singer 2011, TensorFlow's
/// AdagradDAOptimizer.)

#include "proximal_gradient_descent.hpp"

namespace rill::optimizers {

struct adagrad_da {
  static constexpr bool tunable = true;
  static constexpr double initial_gradient_squared_accumulator_value = 0.1;
  hyperparameter learning_rate = 0.01;
  hyperparameter l1_regularization_strength = 0;
  hyperparameter l2_regularization_strength = 0;

  constexpr void apply(auto var, auto grad, auto& slots) const {
    auto s = slots.get("AdagradDA", var), a = slots.get("AdagradDA_1", var, initial_gradient_squared_accumulator_value);
    auto kept = detail::soft_threshold(assign(s, s + grad), l1_regularization_strength * slots.step());
    auto scale = sqrt(assign(a, a + grad * grad)) + l2_regularization_strength * learning_rate * slots.step();
    assign(var, -learning_rate * kept / scale);
  }
  template <class = void>
  constexpr operation minimize(symbol loss) const { return optimizers::minimize(*this, loss); }
};

}  // namespace rill::optimizers

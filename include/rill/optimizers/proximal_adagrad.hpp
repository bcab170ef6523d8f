// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Adagrad with a proximal step: a += grad^2, and with r = learning_rate / sqrt(a) and v = var - r * grad, var = sign(v) *
/// max(|v| - r * l1, 0) / (1 + r * l2). One slot, "ProximalAdagrad", which begins at initial_accumulator_value (a constant of the
/// model). (Duchi, Hazan and Singer 2011, TensorFlow's ProximalAdagradOptimizer.)

#include "proximal_gradient_descent.hpp"

namespace rill::optimizers {

struct proximal_adagrad {
  static constexpr bool tunable = true;
  static constexpr double initial_accumulator_value = 0.1;
  hyperparameter learning_rate = 0.01;
  hyperparameter l1_regularization_strength = 0;
  hyperparameter l2_regularization_strength = 0;

  constexpr void apply(auto var, auto grad, auto& slots) const {
    auto a = slots.get("ProximalAdagrad", var, initial_accumulator_value);
    auto rate = learning_rate * rsqrt(assign(a, a + grad * grad));
    auto v = var - rate * grad;
    assign(var, detail::soft_threshold(v, rate * l1_regularization_strength) / (1 + rate * l2_regularization_strength));
  }
  template <class = void>
  constexpr operation minimize(symbol loss) const { return optimizers::minimize(*this, loss); }
};

}  // namespace rill::optimizers

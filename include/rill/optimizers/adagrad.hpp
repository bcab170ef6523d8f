// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Adagrad: a += grad^2; var -= learning_rate * grad / sqrt(a). One slot, "Adagrad", which begins at
/// initial_accumulator_value (a constant of the model, not a run-time value). (Duchi, Hazan and Singer 2011.)

#include "optimizer.hpp"

namespace rill::optimizers {

struct adagrad {
  static constexpr bool tunable = true;
  static constexpr double initial_accumulator_value = 0.1;
  hyperparameter learning_rate = 0.01;

  constexpr void apply(auto var, auto grad, auto& slots) const {
    auto a = slots.get("Adagrad", var, initial_accumulator_value);
    auto sum = assign(a, a + grad * grad);
    assign_sub(var, learning_rate * grad * rsqrt(sum));
  }
  template <class = void>
  constexpr operation minimize(symbol loss) const { return optimizers::minimize(*this, loss); }
};

}  // namespace rill::optimizers

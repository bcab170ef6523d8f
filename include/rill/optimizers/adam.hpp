// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Adam: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; var -= lr sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon).
/// Slots "Adam" (m) and "Adam_1" (v), and the scalars beta1_power and beta2_power as TensorFlow saves them.
/// (Kingma and Ba 2015, the formulation before section 2.1 with its epsilon hat.)

#include "optimizer.hpp"

namespace rill::optimizers {

struct adam {
  static constexpr bool tunable = true;
  hyperparameter learning_rate = 0.001;
  hyperparameter beta1 = 0.9;
  hyperparameter beta2 = 0.999;
  hyperparameter epsilon = 1e-8;

  constexpr void apply(auto var, auto grad, auto& slots) const {
    auto m = slots.get("Adam", var), v = slots.get("Adam_1", var);
    auto rate = learning_rate * sqrt(1 - pow(beta2, slots.step())) / (1 - pow(beta1, slots.step()));
    auto m1 = assign(m, m + (1 - beta1) * (grad - m));
    auto v1 = assign(v, v + (1 - beta2) * (grad * grad - v));
    assign_sub(var, rate * m1 / (sqrt(v1) + epsilon));
  }
  constexpr void finish(auto& slots) const {
    assign(slots.scalar("beta1_power", 0.9), pow(beta1, slots.step() + 1));
    assign(slots.scalar("beta2_power", 0.999), pow(beta2, slots.step() + 1));
  }
  template <class = void>
  constexpr operation minimize(symbol loss) const { return optimizers::minimize(*this, loss); }
};

}  // namespace rill::optimizers

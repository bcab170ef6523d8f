// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Momentum: m = momentum * m + grad; var -= learning_rate * m, or, with use_nesterov, learning_rate * (grad + momentum *
/// m). One slot, "Momentum". (Sutskever et al. 2013, TensorFlow's MomentumOptimizer.)

#include "optimizer.hpp"

namespace rill::optimizers {

struct momentum {
  static constexpr bool tunable = true;
  hyperparameter learning_rate = 0.01;
  hyperparameter decay = 0.9;
  hyperparameter use_nesterov = 0;  ///< 1: look ahead

  constexpr void apply(auto var, auto grad, auto& slots) const {
    auto m = slots.get("Momentum", var);
    auto v = assign(m, decay * m + grad);
    // without Nesterov the weights are 0 and 1, with it 1 and momentum
    auto own = use_nesterov * (decay - 1) + 1;
    assign_sub(var, learning_rate * (use_nesterov * grad + own * v));
  }
  template <class = void>
  constexpr operation minimize(symbol loss) const { return optimizers::minimize(*this, loss); }
};

}  // namespace rill::optimizers

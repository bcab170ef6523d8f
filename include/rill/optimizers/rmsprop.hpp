// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// RMSProp: s = decay * s + (1 - decay) * grad^2; m = momentum * m + learning_rate * grad / sqrt(s + epsilon); var -= m. Centered,
/// s - c^2 takes the place of s, where c = decay * c + (1 - decay) * grad. Slots as TensorFlow's RMSPropOptimizer saves
/// them: "RMSProp" (s, ones at first), "RMSProp_1" (m), centered "RMSProp_1" (c) and "RMSProp_2" (m). (Hinton's lecture 6
/// of 2012; centered: Graves 2013.)

#include "optimizer.hpp"

namespace rill::optimizers {

struct rmsprop {
  static constexpr bool tunable = true;
  hyperparameter learning_rate = 0.001;
  hyperparameter decay = 0.9;
  hyperparameter momentum = 0;
  hyperparameter epsilon = 1e-10;
  bool centered = false;  ///< a constant of the model: it decides which slots there are

  constexpr void apply(auto var, auto grad, auto& slots) const {
    auto s = slots.get("RMSProp", var, 1), m = slots.get(centered ? "RMSProp_2" : "RMSProp_1", var);
    auto mean = assign(s, s + (1 - decay) * (grad * grad - s));
    auto spread = mean + epsilon;
    if (centered) {
      auto c = slots.get("RMSProp_1", var);
      auto center = assign(c, c + (1 - decay) * (grad - c));
      spread = mean - center * center + epsilon;
    }
    assign_sub(var, assign(m, momentum * m + learning_rate * grad / sqrt(spread)));
  }
  template <class = void>
  constexpr operation minimize(symbol loss) const { return optimizers::minimize(*this, loss); }
};

}  // namespace rill::optimizers

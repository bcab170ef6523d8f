// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Gradient descent: var -= learning_rate * grad. No slots; the update runs in the epilogue of the weight gradient.

#include "optimizer.hpp"

namespace rill::optimizers {

struct gradient_descent {
  static constexpr bool tunable = true;
  hyperparameter learning_rate = 0.01;

  constexpr void apply(auto var, auto grad, auto&) const { assign_sub(var, learning_rate * grad); }
  template <class = void>
  constexpr operation minimize(symbol loss) const { return optimizers::minimize(*this, loss); }
};

}  // namespace rill::optimizers

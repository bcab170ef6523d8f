// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Gradient descent with a proximal step: v = var - learning_rate * grad; var = sign(v) * max(|v| - learning_rate * l1, 0) /
/// (1 + learning_rate * l2). No slots. (Duchi and Singer 2009, TensorFlow's ProximalGradientDescentOptimizer.)

#include "optimizer.hpp"

namespace rill::optimizers {

namespace detail {
/// sign(v) * max(|v| - threshold, 0): values move towards zero, and stay there.
constexpr auto soft_threshold(const auto& v, const auto& threshold) { return sign(v) * maximum(abs(v) - threshold, 0); }
}  // namespace detail

struct proximal_gradient_descent {
  static constexpr bool tunable = true;
  hyperparameter learning_rate = 0.01;
  hyperparameter l1_regularization_strength = 0;
  hyperparameter l2_regularization_strength = 0;

  constexpr void apply(auto var, auto grad, auto&) const {
    auto v = var - learning_rate * grad;
    assign(var, detail::soft_threshold(v, learning_rate * l1_regularization_strength) / (1 + learning_rate * l2_regularization_strength));
  }
  template <class = void>
  constexpr operation minimize(symbol loss) const { return optimizers::minimize(*this, loss); }
};

}  // namespace rill::optimizers

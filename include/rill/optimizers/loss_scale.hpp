// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Loss scaling, with which models that compute in half train: what is differentiated is the loss times a scale, so that
/// small gradients do not become zero on their way, and the gradients are divided by it before the optimizer sees them. A
/// step in which any of these is not finite changes nothing that the optimizer writes: no variable, no slot, not the global
/// step. What the model itself assigns, such as moving averages of batch normalization, is assigned in such a step, too. The
/// scale is fixed, or follows what happens (Micikevicius et al. 2018), with the rules, names and defaults of TensorFlow's
/// tf.contrib.mixed_precision. One to a model: the scale's variables have fixed names.
///
///   optimizers::loss_scale{optimizers::adam{}}                                                   // from 2^15, by itself
///   optimizers::loss_scale{optimizers::adam{}, optimizers::fixed_loss_scale{.loss_scale = 1024}}
///
/// with a model whose layers compute in half (nn::compute_in<half>) and whose loss is float. It goes around everything
/// else, also around optimizers::moving_average. bfloat16 has the range of float and needs no scale.

#include "optimizer.hpp"

namespace rill::optimizers {

/// A scale that stays (TensorFlow's FixedLossScaleManager).
struct fixed_loss_scale {
  static constexpr bool tunable = true;
  hyperparameter loss_scale = 1024;

  template <class = void>
  [[nodiscard]] constexpr symbol scale(symbol context) const {
    return loss_scale.traced.g != nullptr ? loss_scale.traced : graph::constant_of(context.g, dtype::float32, loss_scale.value);
  }
  constexpr void update(symbol, symbol) const {}
};

/// A scale that grows after `incr_every_n_steps` good steps and shrinks after `decr_every_n_nan_or_inf` steps whose gradients
/// were not finite, but not below 1 (TensorFlow's ExponentialUpdateLossScaleManager). Each change, and nothing but it, begins
/// both counts anew; a bad step also begins that of the good ones. The state is in the variables "loss_scale" (0 before the
/// first step), "good_steps" and "bad_steps", and so in checkpoints.
struct exponential_update_loss_scale {
  static constexpr bool tunable = true;
  hyperparameter init_loss_scale = 32768;
  hyperparameter incr_every_n_steps = 2000;
  hyperparameter decr_every_n_nan_or_inf = 2;
  hyperparameter incr_ratio = 2;
  hyperparameter decr_ratio = 0.8;

  /// The scale of this step, as a scalar of the model that `context` is a value of.
  template <class = void>
  [[nodiscard]] constexpr symbol scale(symbol context) const {
    // Initial values of variables are constants of the program, the first scale is not: zero stands for it.
    const symbol kept = state(context, "loss_scale", dtype::float32);
    return select(greater(kept, 0), kept, init_loss_scale);
  }
  /// Takes note of a step with this scale, and whether its gradients were finite.
  template <class = void>
  constexpr void update(symbol scale, symbol finite) const {
    const symbol good = state(scale, "good_steps", dtype::int32), bad = state(scale, "bad_steps", dtype::int32);
    const symbol none = zeros_like(good);
    const symbol grows = greater_equal(cast<float>(good + 1), incr_every_n_steps);
    const symbol shrinks = greater_equal(cast<float>(bad + 1), decr_every_n_nan_or_inf);
    const symbol larger = scale * incr_ratio, smaller = maximum(scale * decr_ratio, 1);
    const symbol after_good = select(logical_and(grows, is_finite(larger)), larger, scale);
    assign(state(scale, "loss_scale", dtype::float32), select(finite, after_good, select(shrinks, smaller, scale)));
    assign(good, select(logical_and(finite, logical_not(grows)), good + 1, none));
    assign(bad, select(finite, select(grows, none, bad), select(shrinks, none, bad + 1)));
  }

 private:
  static constexpr symbol state(symbol context, std::string_view name, dtype type) {
    return graph::shared_variable(context.g->root(), name, {.shape = {}, .initializer = initializers::zeros(), .trainable = false, .type = type});
  }
};

namespace detail {

/// An optimizer that gets gradients times 1 / inverse, and notes whether all are finite.
template <class Optimizer>
struct unscaled {
  const Optimizer& optimizer;
  symbol inverse;
  symbol* finite;

  constexpr void apply(symbol var, symbol grad, auto& slots) const {
    const symbol own = grad * graph::cast_to(inverse, grad.type());
    const symbol here = reduce_all(is_finite(own));
    *finite = finite->g == nullptr ? here : logical_and(*finite, here);
    optimizer.apply(var, own, slots);
  }
  constexpr void finish(auto& slots) const {
    if constexpr (requires { optimizer.finish(slots); }) optimizer.finish(slots);
  }
};

}  // namespace detail

/// Any optimizer, with a scaled loss.
template <class Optimizer, class Scale = exponential_update_loss_scale>
struct loss_scale {
  static constexpr bool tunable = true;
  Optimizer optimizer{};
  Scale manager{};

  template <class = void>
  constexpr operation minimize(symbol loss) const {
    graph::builder& b = *loss.g;
    if (loss.id < 0) return {&b};
    const symbol scale = manager.scale(loss);
    const bool narrow = loss.type() == dtype::float16 || loss.type() == dtype::bfloat16;  // which the scaled loss may not fit
    const symbol wide = narrow ? cast<float>(loss) : loss;
    symbol finite;
    const std::vector<int> before = b.written;
    const std::size_t first = b.nodes.size();
    const operation done = optimizers::minimize(detail::unscaled<Optimizer>{optimizer, 1 / scale, &finite}, wide * graph::cast_to(scale, wide.type()));
    if (finite.id < 0) return done;
    // What the optimizer wrote, it writes where all is well. Its own writes become the values that they were of.
    for (std::size_t id = first; id < b.nodes.size(); ++id)
      if (graph::node& n = b.nodes[id]; n.op->kind == op_kind::assign) n.op = &graph::info_of<graph::op::stop_gradient>, n.attr = {};
    for (std::size_t k = 0; k < b.written.size(); ++k) {
      const int old = k < before.size() ? before[k] : -1, now = b.written[k];
      if (now == old) continue;
      const symbol variable{&b, b.variables[k].node};
      assign(variable, select(broadcast_to(finite, variable.shape()), symbol{&b, now}, old >= 0 ? symbol{&b, old} : variable));
    }
    manager.update(scale, finite);
    return done;
  }
};
template <class Optimizer, class... Scale>
loss_scale(Optimizer, Scale...) -> loss_scale<Optimizer, Scale...>;

}  // namespace rill::optimizers

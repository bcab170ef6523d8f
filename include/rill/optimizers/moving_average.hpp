// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Moving averages of variables, by which models are often better evaluated than by the last values: a <- decay * a +
/// (1 - decay) * v after every step (Polyak and Juditsky 1992), with TensorFlow's formulas and names. The average of
/// "dense/kernel" is the variable "dense/kernel/ExponentialMovingAverage", which begins with the variable's value and is saved
/// in checkpoints.
///
/// With any optimizer, the average is part of its update:
///
///   estimator classifier{head, optimizers::moving_average{optimizers::momentum{.learning_rate = 0.1}, 0.9999}, config};
///   classifier.train(data);
///   classifier.evaluate(test, {.averages = true});        // and predict
///
/// or in a model, of what one likes (TensorFlow's tf.train.ExponentialMovingAverage):
///
///   constexpr optimizers::exponential_moving_average ema{.decay = 0.9999};
///   auto train = sgd.minimize(loss);
///   ema.apply(loss);                                       // every trainable variable, as the update left it
///   auto smooth = optimizers::exponential_moving_average{.decay = 0.9, .zero_debias = true}.apply("loss", loss);
///
/// Evaluation takes averages from a checkpoint by train::restore(store, prefix, {.averages = true}), or from the variables of
/// a training session by optimizers::averaged(store).

#include "../graph/variable_store.hpp"
#include "optimizer.hpp"

namespace rill::optimizers {

/// An optimizer that keeps the moving averages of what it trains.
template <class Optimizer>
struct moving_average {
  static constexpr bool tunable = true;
  Optimizer optimizer{};
  hyperparameter average_decay = 0.9999;
  hyperparameter use_num_updates = 0;  ///< 1: the decay of step n, from 1, is at most (1 + n) / (10 + n), so that averages move soon

  constexpr void apply(auto var, auto grad, auto& slots) const {
    auto average = slots.copy(graph::moving_average_slot, var);
    optimizer.apply(var, grad, slots);
    auto early = (1 + slots.step()) / (10 + slots.step()) * use_num_updates + (1 - use_num_updates);
    assign_sub(average, cast_to(1 - minimum(average_decay, early), var.type()) * (average - read_value(var)));
  }
  constexpr void finish(auto& slots) const {
    if constexpr (requires { optimizer.finish(slots); }) optimizer.finish(slots);
  }
  template <class = void>
  constexpr operation minimize(symbol loss) const { return optimizers::minimize(*this, loss); }
};
template <class Optimizer, class... Decay>
moving_average(Optimizer, Decay...) -> moving_average<Optimizer>;

/// Moving averages in a model.
struct exponential_moving_average {
  hyperparameter decay = 0.9999;
  symbol num_updates = {};    ///< where given, a scalar n, such as the global step: the decay is at most (1 + n) / (10 + n)
  bool zero_debias = false;   ///< of values, not of variables: divides by 1 - decay^n what began at zero (Kingma and Ba 2015)
  std::string_view name = graph::moving_average_slot;

  /// Moves the average of a variable towards its value at this place of the model; the result is the new average.
  template <class = void>
  constexpr symbol update(symbol variable) const {
    if (variable.id < 0) return variable;
    const symbol average = slots(variable).copy(name, variable);
    return move(average, read_value(variable));
  }
  /// Of every trainable variable that the model of `context` has so far.
  template <class = void>
  constexpr operation apply(symbol context) const {
    graph::builder& b = context.g->root();
    for (std::size_t k = 0, n = b.variables.size(); k < n; ++k)
      if (b.variables[k].trainable) update({&b, b.variables[k].node});
    return {&b};
  }
  /// Of a value under a name of its own; the average begins at zero.
  template <class = void>
  constexpr symbol apply(std::string_view value_name, symbol value) const {
    if (value.id < 0) return value;
    const auto state = [&](std::string_view part, const tensor_shape& shape) {
      graph::name_buffer full(value_name);
      full.append("/").append(name).append(part);
      return graph::shared_variable(value.g->root(), full.view(), {.shape = shape, .initializer = initializers::zeros(), .trainable = false, .type = value.type()});
    };
    const symbol average = state("", value.shape());
    if (!zero_debias) return move(average, value);
    const symbol biased = state("/biased", value.shape()), count = state("/local_step", {});
    const symbol sum = move(biased, value), n = assign_add(count, ones_like(count));
    return assign(average, sum / (1 - pow(decay_for(value), n)));
  }
  /// The average of a variable at this place of the model.
  template <class = void>
  constexpr symbol average(symbol variable) const { return variable.id < 0 ? variable : read_value(slots(variable).copy(name, variable)); }
  /// Its name, which is its name in checkpoints.
  constexpr graph::name_buffer average_name(symbol variable) const {
    graph::name_buffer full = graph::declaration(variable).name;
    full.append("/").append(name);
    return full;
  }

 private:
  static constexpr slot_set slots(symbol of) { return {of.g->root(), {}}; }
  /// The decay of this step, for values like x.
  template <class = void>
  [[nodiscard]] constexpr symbol decay_for(symbol x) const {
    if (num_updates.g == nullptr) return graph::as_symbol(decay);
    const symbol n = cast<float>(num_updates);
    return cast_to(minimum(decay, (1 + n) / (10 + n)), x.type());
  }
  template <class = void>
  constexpr symbol move(symbol average, symbol value) const { return assign_sub(average, (1 - decay_for(value)) * (read_value(average) - value)); }
};

/// The variables of a training session as an evaluation takes them: each with the value of its moving average, if it has one.
template <class = void>
graph::variable_store averaged(const graph::variable_store& trained) {
  graph::variable_store result;
  for (const auto& v : trained.variables()) {
    const auto* average = trained.find(v->name + "/" + std::string(graph::moving_average_slot));
    const auto& from = average != nullptr ? *average : *v;
    graph::stored_variable& to = result.get(v->name, v->type, v->shape, v->trainable);
    std::memcpy(to.data, from.data, to.bytes);
    to.initialized = from.initialized;
  }
  return result;
}

}  // namespace rill::optimizers

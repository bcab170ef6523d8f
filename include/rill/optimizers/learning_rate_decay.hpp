// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Learning rates that change with the number of steps: TensorFlow 1.8's tf.train.exponential_decay and its like. Each is a
/// function of the global step (a scalar of a model or a tensor, any number type) and gives a float32 of its shape:
///
///   auto rate = optimizers::exponential_decay(0.1, optimizers::global_step(x), 1000, 0.96, {.staircase = true});
///   auto train = optimizers::gradient_descent{.learning_rate = rate}.minimize(loss);

#include <array>

#include "optimizer.hpp"

namespace rill::optimizers {

/// Options of the schedules that may go in steps: `staircase` keeps the rate until decay_steps are full.
struct staircase_options {
  bool staircase = false;
};
/// Options of polynomial_decay: with `cycle` the rate begins anew, over a longer time, whenever it has reached its end.
struct polynomial_decay_options {
  double end_learning_rate = 0.0001;
  double power = 1;
  bool cycle = false;
};
/// Options of cosine_decay: `alpha` is the last rate, as a share of the first.
struct cosine_decay_options {
  double alpha = 0;
};

namespace detail {
/// How many times decay_steps have passed.
template <value V>
constexpr V periods(const V& global_step, double decay_steps, bool whole) {
  const V p = cast_to(global_step, dtype::float32) / decay_steps;
  return whole ? V(floor(p)) : p;
}
}  // namespace detail

/// learning_rate * decay_rate ^ (step / decay_steps).
template <value V>
constexpr V exponential_decay(double learning_rate, V global_step, double decay_steps, double decay_rate, staircase_options o = {}) {
  return learning_rate * pow(decay_rate, detail::periods(global_step, decay_steps, o.staircase));
}
/// learning_rate * exp(-decay_rate * step / decay_steps).
template <value V>
constexpr V natural_exp_decay(double learning_rate, V global_step, double decay_steps, double decay_rate, staircase_options o = {}) {
  return learning_rate * exp(-decay_rate * detail::periods(global_step, decay_steps, o.staircase));
}
/// learning_rate / (1 + decay_rate * step / decay_steps).
template <value V>
constexpr V inverse_time_decay(double learning_rate, V global_step, double decay_steps, double decay_rate, staircase_options o = {}) {
  return learning_rate / (1 + decay_rate * detail::periods(global_step, decay_steps, o.staircase));
}
/// values[k] up to and at step boundaries[k], the last value after the last boundary. Boundaries ascend.
template <value V, std::size_t N>
constexpr V piecewise_constant(V global_step, const std::array<double, N>& boundaries, const std::array<double, N + 1>& values) {
  const V step = cast_to(global_step, dtype::float32);
  V rate = step * 0 + values[N];
  for (std::size_t k = N; k-- > 0;) rate = select(less_equal(step, boundaries[k]), step * 0 + values[k], rate);
  return rate;
}
/// (learning_rate - end) * (1 - min(step, decay_steps) / decay_steps) ^ power + end.
template <value V>
constexpr V polynomial_decay(double learning_rate, V global_step, double decay_steps, polynomial_decay_options o = {}) {
  const V step = cast_to(global_step, dtype::float32);
  const V done = o.cycle ? V(step / (decay_steps * maximum(ceil(step / decay_steps), 1))) : V(minimum(step, decay_steps) / decay_steps);
  const V left = 1 - done;
  return (learning_rate - o.end_learning_rate) * (o.power == 1 ? left : V(pow(left, o.power))) + o.end_learning_rate;
}
/// learning_rate * ((1 - alpha) * (1 + cos(pi * min(step, decay_steps) / decay_steps)) / 2 + alpha). (Loshchilov and Hutter 2017.)
template <value V>
constexpr V cosine_decay(double learning_rate, V global_step, double decay_steps, cosine_decay_options o = {}) {
  const V done = minimum(cast_to(global_step, dtype::float32), decay_steps) / decay_steps;
  return learning_rate * ((1 - o.alpha) * 0.5 * (1 + cos(done * 3.141592653589793)) + o.alpha);
}

}  // namespace rill::optimizers

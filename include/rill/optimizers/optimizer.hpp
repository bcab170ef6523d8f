// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What all optimizers share. An optimizer is a formula: `apply(var, grad, slots)` writes one variable's update in the
/// vocabulary of models; `minimize(loss)` differentiates the loss, applies it to every trainable variable and counts the
/// step in "global_step". Slots are variables named after the one they serve ("dense/kernel/Momentum"), saved with it.

#include "../graph/differentiate.hpp"

namespace rill::optimizers {

/// The state of an optimizer while its updates are traced.
class slot_set {
 public:
  constexpr slot_set(graph::builder& b, symbol step) : b_(&b), step_(step) {}

  /// The slot `name` of a variable: not trainable, of its shape, at first filled with `initial`.
  constexpr symbol get(std::string_view name, symbol var, double initial = 0) const {
    const graph::variable_decl d = graph::declaration(var);
    graph::name_buffer full = d.name;
    full.append("/").append(name);
    return graph::shared_variable(
        *b_, full, {.shape = d.shape, .initializer = initializers::constant(initial), .trainable = false, .type = d.type});
  }
  /// The same, at first with the value that the variable has.
  constexpr symbol copy(std::string_view name, symbol var) const {
    const symbol slot = get(name, var);
    if (slot.id >= 0) b_->variables[static_cast<std::size_t>(b_->at(slot).attr.i[0])].like = static_cast<int>(b_->at(var).attr.i[0]);
    return slot;
  }
  /// A scalar that all variables share.
  constexpr symbol scalar(std::string_view name, double initial) const {
    return graph::shared_variable(*b_, name, {.shape = {}, .initializer = initializers::constant(initial), .trainable = false});
  }
  /// Number of this step, from 1, as a float32 scalar.
  [[nodiscard]] constexpr symbol step() const { return step_; }

 private:
  graph::builder* b_;
  symbol step_;
};

/// The int64 scalar "global_step", created at zero when the model has none.
constexpr symbol global_step(graph::builder& b) {
  return graph::shared_variable(
      b, "global_step", {.shape = {}, .initializer = initializers::zeros(), .trainable = false, .type = dtype::int64});
}

/// The number of steps before this one, of the model that `context` is a value of: what schedules are functions of.
constexpr symbol global_step(symbol context) { return global_step(context.g->root()); }

/// One step of `o` on the gradient of `loss`; fetch it to train.
template <class O>
constexpr operation minimize(const O& o, symbol loss) {
  graph::builder& b = *loss.g;
  if (loss.id < 0) return {&b};
  std::vector<int> targets;
  for (const auto& v : b.variables)
    if (v.trainable) targets.push_back(v.node);
  if (targets.empty()) {
    failure f;
    f.set("there is nothing to train", "the model has no trainable variable", b.at(loss).sig());
    b.fail(&graph::info_of<graph::op::assign>, f);
    return {&b};
  }
  const auto differentiate = b.average_gradients != nullptr ? b.average_gradients : &graph::gradients<>;
  const std::vector<int> gradient = differentiate(b, loss, targets);
  const int scope = b.scope;
  b.scope = 0;
  symbol count = global_step(b);
  slot_set slots(b, cast<float>(count + 1));
  for (std::size_t k = 0; k < targets.size(); ++k)
    if (gradient[k] >= 0) o.apply(symbol{&b, targets[k]}, symbol{&b, gradient[k]}, slots);
  if constexpr (requires { o.finish(slots); }) o.finish(slots);
  assign(count, count + 1);
  b.scope = scope;
  return {&b};
}

}  // namespace rill::optimizers

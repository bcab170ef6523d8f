// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Optimizers on eager variables: the formulas of optimizers/ applied at once, with slots and a step count of their own.
///
///   eager::optimizer sgd(optimizers::gradient_descent{.learning_rate = 0.01});
///   sgd.apply_gradients(tape.gradient(loss, vars), vars);

#include <map>

#include "../optimizers/optimizers.hpp"
#include "variable.hpp"

namespace rill::eager {

/// assign for formulas: the new value.
inline dynamic_tensor assign(const variable& v, const dynamic_tensor& value) {
  v.assign(value);
  return value;
}
inline dynamic_tensor assign_sub(const variable& v, const dynamic_tensor& value) { return *v.assign_sub(value); }
inline dynamic_tensor assign_add(const variable& v, const dynamic_tensor& value) { return *v.assign_add(value); }

inline dynamic_tensor read_value(const variable& v) { return *v; }

template <class O>
class optimizer {
 public:
  explicit optimizer(O formula) : formula_(formula) {}

  /// One update of each variable by its gradient; None leaves the variable as it is. invalid_argument when the numbers of
  /// gradients and variables differ, or all gradients are None.
  void apply_gradients(const std::vector<dynamic_tensor>& gradients, const std::vector<variable>& variables) {
    if (gradients.size() != variables.size())
      throw invalid_argument("apply_gradients: " + std::to_string(gradients.size()) + " gradients for " +
                             std::to_string(variables.size()) + " variables");
    bool any = false;
    for (const dynamic_tensor& g : gradients) any = any || g.has_value();
    if (!any) throw invalid_argument("apply_gradients: no variable has a gradient");
    step_.assign_add(std::int64_t{1});
    slots s{*this};
    for (std::size_t k = 0; k < variables.size(); ++k)
      if (gradients[k].has_value()) formula_.apply(variables[k], gradients[k], s);
    if constexpr (requires { formula_.finish(s); }) formula_.finish(s);
  }
  /// The number of updates so far, an int64 scalar.
  [[nodiscard]] const variable& global_step() const { return step_; }
  /// The slots by name ("<variable's name>/Momentum"), for checkpoints.
  [[nodiscard]] const std::map<std::string, variable>& slot_variables() const { return slots_; }
  /// The value that a slot of this name will have when it is made; no effect when it exists.
  void set_first_value(const std::string& name, const dynamic_tensor& value) { first_values_[name] = value; }
  O& formula() { return formula_; }

 private:
  /// What a formula asks for its state.
  struct slots {
    optimizer& o;
    variable get(std::string_view name, const variable& var, hyperparameter initial = 0) const {
      return o.slot(join(name, var), std::to_string(var.id()), full_like(*var, initial.value));
    }
    variable copy(std::string_view name, const variable& var) const { return o.slot(join(name, var), std::to_string(var.id()), *var); }
    variable scalar(const char* name, double initial) const { return o.slot(name, "", dynamic_tensor(static_cast<float>(initial))); }
    [[nodiscard]] dynamic_tensor step() const { return cast_to(*o.step_, dtype::float32); }
    static std::string join(std::string_view name, const variable& var) { return var.name() + "/" + std::string(name); }
  };
  variable slot(const std::string& name, const std::string& owner, dynamic_tensor first) {
    const std::string key = owner + ":" + name;
    auto found = by_owner_.find(key);
    if (found == by_owner_.end()) {
      std::string unique = name;
      for (int k = 1; slots_.count(unique) != 0; ++k) unique = name + "_" + std::to_string(k);
      if (const auto saved = first_values_.find(unique);
          saved != first_values_.end() && saved->second.type() == first.type() && saved->second.shape() == first.shape())
        first = saved->second;
      found = by_owner_.emplace(key, variable(first, {.name = unique, .trainable = false})).first;
      slots_.emplace(unique, found->second);
    }
    return found->second;
  }

  O formula_;
  variable step_{dynamic_tensor(std::int64_t{0}), variable_options{"global_step", false}};
  std::map<std::string, variable> by_owner_, slots_;
  std::map<std::string, dynamic_tensor> first_values_;
};

}  // namespace rill::eager

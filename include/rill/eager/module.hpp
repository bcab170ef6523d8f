// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `eager::module<Model>`: a model's description applied to tensors at once. The module owns the variables that the
/// description only names: they are made at the first call, from the input's shape, by the initializers and names that a
/// compiled model has, and shared by later calls. A tape around a call sees them all.
///
///   eager::module<mnist_cnn> model;
///   eager::gradient_tape tape;
///   auto loss = losses::sparse_softmax_cross_entropy(labels, model(images));
///   auto grads = tape.gradient(loss, model.trainable_variables());

#include <map>
#include <set>

#include "../graph/initialize.hpp"
#include "../graph/trace.hpp"
#include "variable.hpp"

namespace rill::eager {

/// How a module is applied.
struct module_options {
  std::uint64_t seed = 0;  ///< of first values and of dropout
};

namespace detail {

/// What a description finds while it runs: variables by full name, the scope it is in, the mode.
struct module_state {
  std::map<std::string, variable, std::less<>> by_name;
  std::vector<variable> variables;
  std::map<std::string, dynamic_tensor, std::less<>> first_values;  // of variables to come
  std::uint64_t seed = 0;
  std::uint64_t draws = 0;  // random ops applied so far
  bool training = false;
  std::string scope;
  std::set<std::string, std::less<>> scopes_taken, variables_taken;  // in this call
  module_state* outer = nullptr;

  static module_state*& top() {
    thread_local module_state* innermost = nullptr;
    return innermost;
  }
  static module_state& current(const char* what) {
    if (!top()) throw failed_precondition(std::string(what) + ": a layer is applied to a tensor outside of an eager::module");
    return *top();
  }
};

}  // namespace detail

template <class Model>
class module {
 public:
  explicit module(Model model = {}, module_options o = {}) : model_(std::move(model)) { state_.seed = o.seed; }
  module(const module&) = delete;
  module& operator=(const module&) = delete;

  /// The model's result for these tensors; typed tensors are converted.
  template <class... X>
  auto operator()(const X&... x) {
    detail::module_state*& top = detail::module_state::top();
    state_.outer = top;
    state_.scope.clear(), state_.scopes_taken.clear(), state_.variables_taken.clear();
    top = &state_;
    struct leave {
      detail::module_state*& top;
      ~leave() { top = top->outer; }
    } guard{top};
    return model_(dynamic_tensor(x)...);
  }
  /// Dropout acts and batch statistics move while this is set.
  void set_training(bool on) { state_.training = on; }
  /// All variables, in order of creation; none before the first call.
  [[nodiscard]] const std::vector<variable>& variables() const { return state_.variables; }
  [[nodiscard]] std::vector<variable> trainable_variables() const {
    std::vector<variable> r;
    for (const variable& v : state_.variables)
      if (v.trainable()) r.push_back(v);
    return r;
  }
  /// The value that a variable of this name will have when it is made; no effect when it exists.
  void set_first_value(const std::string& name, const dynamic_tensor& value) { state_.first_values[name] = value; }
  /// The variable of this full name ("dense/kernel"); not_found otherwise.
  [[nodiscard]] const variable& find(std::string_view name) const {
    const auto found = state_.by_name.find(name);
    if (found == state_.by_name.end()) throw not_found("the module has no variable '" + std::string(name) + "'");
    return found->second;
  }

 private:
  Model model_;
  detail::module_state state_;
};

}  // namespace rill::eager

namespace rill {

/// The scope of a layer inside a module: the names a compiled model would give.
template <>
class variable_scope<dynamic_tensor> {
 public:
  variable_scope(const dynamic_tensor&, std::string_view name)
      : state_(eager::detail::module_state::current("variable_scope")), parent_(state_.scope) {
    std::string base = parent_.empty() ? std::string(name) : parent_ + "/" + std::string(name), full = base;
    for (int k = 1; !state_.scopes_taken.insert(full).second; ++k) full = base + "_" + std::to_string(k);
    state_.scope = full;
  }
  variable_scope(const variable_scope&) = delete;
  variable_scope& operator=(const variable_scope&) = delete;
  ~variable_scope() { state_.scope = parent_; }
  [[nodiscard]] dynamic_tensor layer(std::string_view, dynamic_tensor result) const { return result; }

 private:
  eager::detail::module_state& state_;
  std::string parent_;
};

/// A variable of the module that is being applied; made at its first use. invalid_argument when the name is taken in this
/// call, or the variable has another shape than an earlier call gave it.
template <std::same_as<dynamic_tensor> V>
dynamic_tensor variable(const V&, const variable_options& o) {
  eager::detail::module_state& m = eager::detail::module_state::current("variable");
  const std::string name = m.scope.empty() ? std::string(o.name) : m.scope + "/" + std::string(o.name);
  if (!m.variables_taken.insert(name).second) throw invalid_argument("variable: the name '" + name + "' is taken");
  auto found = m.by_name.find(name);
  if (found == m.by_name.end()) {
    graph::stored_variable first(name, o.type, o.shape, o.trainable);
    graph::initialize(first, o.initializer, m.seed);
    dynamic_tensor value = dynamic_tensor::uninitialized(o.type, o.shape);
    if (first.bytes > 0) std::memcpy(value.mutable_data(), first.data, first.bytes);
    if (const auto saved = m.first_values.find(name); saved != m.first_values.end()) {
      if (saved->second.type() != o.type || !(saved->second.shape() == o.shape))
        throw invalid_argument("variable: '" + name + "' was restored as " + std::string(name_of(saved->second.type())) +
                               to_string(saved->second.shape()) + ", the model asks for " + std::string(name_of(o.type)) +
                               to_string(o.shape));
      value = saved->second;
    }
    eager::variable v(value, {.name = name, .trainable = o.trainable});
    m.variables.push_back(v);
    found = m.by_name.emplace(name, std::move(v)).first;
  } else if (!(found->second.shape() == o.shape) || found->second.type() != o.type) {
    throw invalid_argument("variable: '" + name + "' is " + std::string(name_of(found->second.type())) +
                           to_string(found->second.shape()) + ", this input asks for " + std::string(name_of(o.type)) +
                           to_string(o.shape));
  }
  return found->second.value();
}

/// Gives a variable that no optimizer touches, as `variable` returned it in this call, another value.
template <std::same_as<dynamic_tensor> V>
dynamic_tensor assign(const V& variable, const V& value) {
  for (const eager::variable& v : eager::detail::module_state::current("assign").variables)
    if (!v.trainable() && v.value().id() == variable.id()) {
      v.assign(value);
      return v.value();
    }
  throw invalid_argument("assign: the tensor is no variable of the module that optimizers leave alone");
}

/// Whether the module is applied for training.
template <std::same_as<dynamic_tensor> V>
bool training(const V&) {
  return eager::detail::module_state::current("training").training;
}

/// In training, drops each element with probability `rate` and scales the others by 1 / (1 - rate); else the identity.
template <std::same_as<dynamic_tensor> V>
dynamic_tensor dropout(const V& x, double rate) {
  eager::detail::module_state& m = eager::detail::module_state::current("dropout");
  if (!m.training || rate <= 0) return x;
  dynamic_tensor u = dynamic_tensor::uninitialized(dtype::float32, x.shape());
  auto* const p = static_cast<float*>(u.mutable_data());
  const std::uint64_t draw = m.draws++;
  for (std::int64_t k = 0; k < u.size(); ++k) p[k] = philox_uniform(static_cast<std::uint64_t>(k), draw, m.seed);
  return select(greater_equal(u, rate), x * (1 / (1 - rate)), zeros_like(x));
}

}  // namespace rill

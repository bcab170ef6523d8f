// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The variables of a program: named, typed buffers that outlive any one session. Sessions (training, evaluation,
/// prediction) bind to a store by name and share its buffers; checkpoints, counts and summaries are folds over it.
///
///   graph::variable_store store;
///   graph::session<train_step, ...> train(store, ...);     // creates and initialises what is missing
///   graph::session<predict, ...> predict(store, ...);      // finds the same variables by name

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "../core/dtype.hpp"
#include "../core/error.hpp"
#include "../core/shape.hpp"

namespace rill::graph {

/// One variable: its identity and its 64-byte-aligned, row-major value.
struct stored_variable {
  std::string name;
  dtype type = dtype::invalid;
  tensor_shape shape;
  bool trainable = true;    ///< counted as a parameter; false for slots, global_step, moving averages
  bool initialized = false; ///< false until an initializer or a restore has written it
  std::size_t bytes = 0;
  void* data = nullptr;

  stored_variable(std::string_view n, dtype t, const tensor_shape& s, bool train)
      : name(n), type(t), shape(s), trainable(train), bytes(static_cast<std::size_t>(s.num_elements()) * size_of(t)) {
    data = ::operator new(bytes == 0 ? 64 : bytes, std::align_val_t{64});
    std::memset(data, 0, bytes);
  }
  stored_variable(const stored_variable&) = delete;
  stored_variable& operator=(const stored_variable&) = delete;
  ~stored_variable() { ::operator delete(data, std::align_val_t{64}); }
};

class variable_store {
 public:
  /// The variable called `name`, or nullptr.
  [[nodiscard]] stored_variable* find(std::string_view name) {
    for (const auto& v : variables_)
      if (v->name == name) return v.get();
    return nullptr;
  }
  [[nodiscard]] const stored_variable* find(std::string_view name) const {
    return const_cast<variable_store*>(this)->find(name);
  }
  /// The variable called `name`, created (zero, uninitialised) when missing.
  /// Throws invalid_argument, naming both, when one of another dtype or shape is there.
  stored_variable& get(std::string_view name, dtype type, const tensor_shape& shape, bool trainable) {
    if (stored_variable* v = find(name)) {
      if (v->type != type || !(v->shape == shape))
        throw invalid_argument("variable " + std::string(name) + ": the store holds " + std::string(name_of(v->type)) +
                               to_string(v->shape) + ", the model wants " + std::string(name_of(type)) + to_string(shape));
      return *v;
    }
    variables_.push_back(std::make_unique<stored_variable>(name, type, shape, trainable));
    return *variables_.back();
  }
  /// All variables, in order of creation.
  [[nodiscard]] const std::vector<std::unique_ptr<stored_variable>>& variables() const { return variables_; }

 private:
  std::vector<std::unique_ptr<stored_variable>> variables_;
};

}  // namespace rill::graph

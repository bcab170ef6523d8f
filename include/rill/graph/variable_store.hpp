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
#include <utility>
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

/// The slot with a variable's moving average: "dense/kernel/ExponentialMovingAverage" (optimizers/moving_average.hpp).
inline constexpr std::string_view moving_average_slot = "ExponentialMovingAverage";

/// Where the values of a store's variables are while they are not in its own memory, as on a GPU.
class variable_mirror {
 public:
  virtual ~variable_mirror() = default;
  /// Brings the newest values to the store's memory: all, or those of one variable.
  virtual void to_host() = 0;
  virtual void to_host(const stored_variable& v) = 0;
  /// Takes over the values in the store's memory.
  virtual void from_host() = 0;

 protected:
  variable_mirror() = default;
  variable_mirror(const variable_mirror&) = default;
  variable_mirror& operator=(const variable_mirror&) = default;
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
  [[gnu::cold]] stored_variable& get(std::string_view name, dtype type, const tensor_shape& shape, bool trainable) {
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

  /// Before values are read that a session elsewhere may have written; nothing to do for sessions on the CPU.
  [[gnu::cold]] void to_host() const {
    if (mirror_) mirror_->to_host();
  }
  [[gnu::cold]] void to_host(const stored_variable& v) const {
    if (mirror_) mirror_->to_host(v);
  }
  /// After values were written that a session elsewhere is to see.
  [[gnu::cold]] void from_host() const {
    if (mirror_) mirror_->from_host();
  }
  [[nodiscard]] variable_mirror* mirror() const { return mirror_.get(); }
  void set_mirror(std::shared_ptr<variable_mirror> m) { mirror_ = std::move(m); }

 private:
  std::vector<std::unique_ptr<stored_variable>> variables_;
  std::shared_ptr<variable_mirror> mirror_;  // before the variables that it knows go
};

}  // namespace rill::graph

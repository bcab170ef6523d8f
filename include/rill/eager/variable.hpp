// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `eager::variable`: a mutable tensor with a name, what training changes. Copies of the handle are the same variable, as
/// TensorFlow's are; it lives as long as its last handle. Reading it while a gradient tape is there records the read, so
/// trainable variables need no watch(). In formulas it stands for its value; `*w` is the value where a function wants one.
///
///   eager::variable w{tensor<float>{5.f}, "weight"};
///   w.assign_sub(0.01f * dw);
///   auto y = matmul(x, *w);

#include <string>

#include "front_end.hpp"

namespace rill::eager {

/// Options of a variable.
struct variable_options {
  std::string name = "Variable";
  bool trainable = true;
};

namespace detail {
inline void pass_gradient(const tape_entry&, const dynamic_tensor& dy, dynamic_tensor* g) { g[0] = dy; }
/// The value under an identity of its own; gradients go on to `from`.
inline dynamic_tensor identity_of(const dynamic_tensor& value, const dynamic_tensor& from, const char* op) {
  dynamic_tensor out = value.alias();
  if (recording::top() != nullptr && recorded(&from, 1)) {
    tape_entry e;
    e.vjp = &pass_gradient;
    e.op = op;
    e.arity = 1, e.in[0] = from, e.out = out;
    record(e);
  }
  return out;
}
}  // namespace detail

class variable {
 public:
  using front_end = eager::front_end;

  /// No variable.
  variable() = default;
  explicit variable(dynamic_tensor value, variable_options o = {}) : state_(std::make_shared<state>()) {
    if (!value.has_value()) throw invalid_argument("the variable '" + o.name + "' needs a value");
    state_->value = std::move(value);
    state_->anchor = state_->value.alias();
    state_->options = std::move(o);
  }
  variable(dynamic_tensor value, const char* name) : variable(std::move(value), variable_options{name, true}) {}

  /// The value; recorded by the tapes of this thread when the variable is trainable.
  [[nodiscard]] dynamic_tensor value() const {
    state& s = checked();
    if (detail::recording::top() == nullptr || !s.options.trainable) return s.value;
    for (detail::recording* r = detail::recording::top(); r; r = r->outer())
      if (r->active) r->watch(s.anchor.id());
    return detail::identity_of(s.value, s.anchor, "ReadVariableOp");
  }
  [[nodiscard]] dynamic_tensor operator*() const { return value(); }
  operator dynamic_tensor() const { return value(); }  // NOLINT: implicit on purpose

  /// Gives it another value of the same dtype and shape; invalid_argument names the variable otherwise.
  const variable& assign(const dynamic_tensor& v) const {
    state& s = checked();
    if (v.type() != s.value.type() || !(v.shape() == s.value.shape()))
      throw invalid_argument("assign: the variable '" + s.options.name + "' is " + std::string(name_of(s.value.type())) +
                             to_string(s.value.shape()) + ", the value " + std::string(name_of(v.type())) +
                             to_string(v.shape()));
    s.value = v.alias();
    return *this;
  }
  const variable& assign_add(const dynamic_tensor& v) const { return assign(checked().value + v); }
  const variable& assign_sub(const dynamic_tensor& v) const { return assign(checked().value - v); }

  [[nodiscard]] bool has_value() const { return state_ != nullptr; }
  [[nodiscard]] dtype type() const { return checked().value.type(); }
  [[nodiscard]] const tensor_shape& shape() const { return checked().value.shape(); }
  [[nodiscard]] int rank() const { return shape().rank(); }
  [[nodiscard]] const std::string& name() const { return checked().options.name; }
  [[nodiscard]] bool trainable() const { return checked().options.trainable; }
  /// What a tape knows the variable by.
  [[nodiscard]] std::uint64_t id() const { return checked().anchor.id(); }
  /// Whether two handles are the same variable.
  friend bool operator==(const variable& a, const variable& b) { return a.state_ == b.state_; }

 private:
  struct state {
    dynamic_tensor value;
    dynamic_tensor anchor;  // only its id counts
    variable_options options;
  };
  [[nodiscard]] state& checked() const {
    if (!state_) throw failed_precondition("an eager variable is used before it was given a value");
    return *state_;
  }
  std::shared_ptr<state> state_;
};

template <std::same_as<variable> V>
std::ostream& operator<<(std::ostream& out, const V& v) {
  return out << to_string(*v);
}

}  // namespace rill::eager

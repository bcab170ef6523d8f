// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What a model says while it is traced besides ops: variables and their initializers, scopes, outputs, the training mode,
/// random numbers, assignments.
///
///   struct scale_shift {
///     constexpr auto operator()(auto x) const {
///       auto w = variable(x, {.name = "weight", .shape = {}, .initializer = constant(5.f)});
///       auto b = variable(x, {.name = "bias", .shape = {}, .initializer = constant(10.f)});
///       return w * x + b;
///     }
///   };

#include "body.hpp"

namespace rill {

/// Initializers: TensorFlow's zeros, ones, constant, random_uniform, random_normal, truncated_normal and Glorot's.
namespace initializers {
constexpr graph::initializer zeros() { return {graph::initializer::zeros, 0, 0}; }
constexpr graph::initializer ones() { return {graph::initializer::ones, 0, 0}; }
constexpr graph::initializer constant(double value) { return {graph::initializer::constant, value, 0}; }
constexpr graph::initializer random_uniform(double minimum = -0.05, double maximum = 0.05) {
  return {graph::initializer::uniform, minimum, maximum};
}
constexpr graph::initializer random_normal(double mean = 0, double stddev = 1) {
  return {graph::initializer::normal, mean, stddev};
}
/// Values beyond two standard deviations are drawn again.
constexpr graph::initializer truncated_normal(double mean = 0, double stddev = 1) {
  return {graph::initializer::truncated_normal, mean, stddev};
}
/// Uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010); the default of variables.
constexpr graph::initializer glorot_uniform() { return {graph::initializer::glorot_uniform, 0, 0}; }
/// Truncated normal of standard deviation sqrt(2 / (fan_in + fan_out)).
constexpr graph::initializer glorot_normal() { return {graph::initializer::glorot_normal, 0, 0}; }
}  // namespace initializers
using initializers::constant;

/// Options of `variable`. The full name is the scope, "/", and `name`.
struct variable_options {
  std::string_view name = "variable";
  tensor_shape shape = {};
  graph::initializer initializer = {};
  bool trainable = true;
  dtype type = dtype::float32;
};

namespace graph {
/// A variable of this name, which no other has.
constexpr symbol new_variable(builder& b, const name_buffer& name, const variable_options& o) {
  if (!o.shape.is_static()) {
    failure f;
    f.set("a variable's shape must be static", "only inputs have a batch dimension", {o.type, o.shape});
    b.fail(&info_of<source::variable>, f, name);
    return {&b, -1};
  }
  attributes at;
  at.i[0] = static_cast<std::int64_t>(b.variables.size());
  const symbol s = b.add(&info_of<source::variable>, {o.type, o.shape}, nullptr, 0, at);
  b.declare({.name = name, .type = o.type, .shape = o.shape, .trainable = o.trainable, .init = o.initializer, .node = s.id});
  return s;
}
}  // namespace graph

/// A variable of the model, at the value it has when the step begins. `context` is any symbol of the trace.
/// A second variable of one name is an error, as TensorFlow's get_variable has it.
constexpr symbol variable(symbol context, const variable_options& o) {
  graph::builder& b = context.g->root();  // also for one that a loop's body names: it is read as a value from outside
  graph::name_buffer name = b.scopes[static_cast<std::size_t>(b.scope)];
  if (name.size > 0) name.append("/");
  name.append(o.name);
  if (b.float_variables && (o.type == dtype::float16 || o.type == dtype::bfloat16)) {
    variable_options wide = o;
    wide.type = dtype::float32;
    return b.narrowed(variable(context, wide), o.type);
  }
  const int taken = b.find_variable(name);
  if (taken < 0) return graph::new_variable(b, name, o);
  const graph::variable_decl& other = b.variables[static_cast<std::size_t>(taken)];
  failure f;
  f.set("the name is taken", "give the variable or its scope another name", {o.type, o.shape}, {other.type, other.shape});
  b.fail(&graph::info_of<graph::source::variable>, f, name);
  return {&b, -1};
}

namespace graph {
/// The variable called `name` at the root, created when missing: how slots and counters are shared.
constexpr symbol shared_variable(builder& b, std::string_view name, const variable_options& o) {
  if (const int k = b.find_variable(name); k >= 0) return {&b, b.variables[static_cast<std::size_t>(k)].node};
  const int scope = b.scope;
  b.scope = 0;
  const symbol s = new_variable(b, name_buffer(name), o);
  b.scope = scope;
  return s;
}
/// The variable that a symbol is, also where nn::compute_in has narrowed it: there variables of half and bfloat16 are casts.
constexpr symbol variable_behind(symbol s) {
  if (s.id < 0 || s.g->narrowed == nullptr) return s;
  const node& n = s.g->at(s);
  if (n.op->name != "Cast" || (n.type != dtype::float16 && n.type != dtype::bfloat16)) return s;
  return s.g->at({s.g, n.in[0]}).op == &info_of<source::variable> ? symbol{s.g, n.in[0]} : s;
}
constexpr const variable_decl& declaration(symbol variable) {
  variable = variable_behind(variable);
  return variable.g->variables[static_cast<std::size_t>(variable.g->at(variable).attr.i[0])];
}
}  // namespace graph

/// A scope for the variables and nodes made while it lives, unique among its siblings: "conv2d", then "conv2d_1". The
/// context is a symbol of the trace, or a tensor that an eager module is applied to.
template <class V>
class variable_scope {
 public:
  constexpr variable_scope(const V& context, std::string_view name)
      : builder_(&context.g->root()), parent_(builder_->enter(name)), scope_(builder_->scope) {}
  variable_scope(const variable_scope&) = delete;
  variable_scope& operator=(const variable_scope&) = delete;
  constexpr ~variable_scope() { builder_->scope = parent_; }

  /// Lists the result of a layer of this kind for `describe`.
  constexpr symbol layer(std::string_view kind, symbol result) const {
    builder_->layers.push_back({scope_, kind, result.g == builder_ ? result.id : -1});
    return result;
  }

 private:
  graph::builder* builder_;
  int parent_;
  int scope_;
};

/// Whether the model is traced for training: dropout acts, batch statistics move.
constexpr bool training(symbol context) { return context.g->root().training; }

/// Writes `value` to a variable at the end of the step's reads; the result is the new value. In a branch, when that runs;
/// in a loop, in every iteration (where what carries the value on is a state of the loop, or a result of the branch).
constexpr symbol assign(symbol variable, symbol value) {
  if (variable.id < 0 || value.id < 0) return value;
  if (const symbol whole = graph::variable_behind(variable); whole.id != variable.id && value.type() == variable.type()) {
    const auto narrowed = whole.g->narrowed;
    return narrowed(assign(whole, narrowed(value, whole.type())), variable.type());
  }
  graph::builder& b = *variable.g;
  const graph::node& v = b.at(variable);
  const graph::node& given = value.g->at(value);
  const bool is_variable = v.op == &graph::info_of<graph::source::variable> && b.outer == nullptr;
  if (is_variable && v.type == given.type && v.shape == given.shape)
    return graph::write_variable(b.innermost(), static_cast<int>(v.attr.i[0]), value);
  failure f;
  if (!is_variable) f.set("only a variable can be assigned", "pass what variable() returned", v.sig(), given.sig());
  else f.set("the value differs from the variable", "dtype and shape must be equal", v.sig(), given.sig());
  b.fail(&graph::info_of<graph::op::assign>, f);
  return {&b, -1};
}
/// The variable as it is at this place of the program: what it was assigned last, in a loop also by the iteration before,
/// or its value when the step began (which is what the variable's own symbol stands for throughout).
constexpr symbol read_value(symbol variable) {
  if (const symbol whole = graph::variable_behind(variable); whole.id != variable.id) return whole.g->narrowed(read_value(whole), variable.type());
  if (variable.id < 0 || variable.g->at(variable).op != &graph::info_of<graph::source::variable> || variable.g->outer != nullptr) return variable;
  return graph::value_of_variable(variable.g->innermost(), static_cast<int>(variable.g->at(variable).attr.i[0]));
}
/// To the variable as it is at this place.
template <class = void>
constexpr symbol assign_add(symbol variable, symbol value) { return assign(variable, read_value(variable) + value); }
template <class = void>
constexpr symbol assign_sub(symbol variable, symbol value) { return assign(variable, read_value(variable) - value); }

/// Uniform float32 numbers in [0, 1), different in every step and for every call in a model, the same for the same seed.
template <class = void>
constexpr symbol random_uniform(symbol context, const tensor_shape& shape) {
  graph::builder* b = context.g;
  symbol key[3] = {graph::parameter(b, dtype::int64, -1), graph::random_stream(b), graph::parameter(b, dtype::int64, -2)};
  for (symbol& k : key) k = broadcast_to(k, shape);
  return graph::add_node(&graph::info_of<ops::random_uniform>, {dtype::float32, shape}, {key[0], key[1], key[2]});
}

/// In training, drops each element with probability `rate` and scales the others by 1 / (1 - rate); else the identity.
template <class = void>
constexpr symbol dropout(symbol x, double rate) {
  if (x.id < 0 || !training(x) || rate <= 0) return x;
  auto keep = greater_equal(random_uniform(x, x.shape()), rate);
  return select(keep, x * (1 / (1 - rate)), zeros_like(x));
}

namespace graph {

/// The name of an output as a template argument: `s.get<"loss">()`.
struct output_name {
  char text[name_buffer::capacity + 1] = {};
  template <std::size_t N>
  consteval output_name(const char (&s)[N]) {  // NOLINT: implicit on purpose
    static_assert(N <= name_buffer::capacity + 1, "the name is too long");
    for (std::size_t k = 0; k < N; ++k) text[k] = s[k];
  }
  [[nodiscard]] constexpr std::string_view view() const { return text; }
};

}  // namespace graph

/// x under a name, by which a `feeding` session replaces it.
constexpr symbol named(std::string_view name, symbol x) {
  if (x.id < 0) return x;
  graph::builder& root = x.g->root();
  for (const graph::fed_decl& f : root.fed) {
    if (f.name.view() != name) continue;
    const symbol given{&root, f.node};
    if (given.type() == x.type() && given.shape() == x.shape()) return given;
    failure why;
    why.set("a value is fed in another dtype or shape", "declare the session's input like the value", {x.type(), x.shape()}, {given.type(), given.shape()});
    root.fail(&graph::info_of<graph::source::input>, why, name);
    return {&root, -1};
  }
  return x;
}

/// What a step is run for: a named output, or an op run for its effect.
struct operation {
  graph::builder* g = nullptr;
};
struct named_output {
  std::string_view name;
  symbol value = {};
  bool is_op = false;
};
constexpr named_output fetch(std::string_view name, symbol value) { return {name, value, false}; }
constexpr named_output fetch(std::string_view name, operation) { return {name, {}, true}; }

/// All of these (TensorFlow's group). Assignments and other effects of a model happen in every step anyway, in the order of
/// the program: there is nothing to depend on, and read_value says which value is meant.
template <class... O>
constexpr operation group(const O&... ops) {
  operation o;
  ((o.g = ops.g != nullptr ? ops.g : o.g), ...);
  return o;
}

template <int N>
struct output_list {
  named_output list[static_cast<std::size_t>(N)];
};
/// The outputs of a step, in the order in which `session::run` returns them.
template <class... Outputs>
constexpr output_list<static_cast<int>(sizeof...(Outputs))> outputs(const Outputs&... o) {
  return {{o...}};
}

}  // namespace rill

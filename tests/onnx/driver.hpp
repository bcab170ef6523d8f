// SPDX-License-Identifier: Apache-2.0
// Runs graphs of ONNX operators: each operator is a function that adapts the node's attributes to calls of Rill's functions
// on run-time-typed tensors. The table of operators is put together from one function per family (ops_*.cpp).
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "reader.hpp"
#include "rill/ops/functions.hpp"

namespace onnx {

/// The names that a graph and those around it have computed.
struct scope {
  const scope* outer = nullptr;
  std::map<std::string, value, std::less<>> values;
};

/// One node with its inputs.
struct call {
  const node* n = nullptr;
  std::vector<value> in;
  std::int64_t opset = 0;
  const scope* names = nullptr;

  [[nodiscard]] bool has(std::string_view attribute) const { return n->attributes.find(attribute) != n->attributes.end(); }
  [[nodiscard]] const attribute& at(std::string_view attribute) const;
  [[nodiscard]] std::int64_t i(std::string_view name, std::int64_t otherwise) const { return has(name) ? at(name).i : otherwise; }
  [[nodiscard]] double f(std::string_view name, double otherwise) const { return has(name) ? static_cast<double>(at(name).f) : otherwise; }
  [[nodiscard]] std::string s(std::string_view name, const char* otherwise) const { return has(name) ? at(name).s : otherwise; }
  [[nodiscard]] std::vector<std::int64_t> ints(std::string_view name) const { return has(name) ? at(name).ints : std::vector<std::int64_t>(); }
  [[nodiscard]] bool given(std::size_t k) const { return k < in.size() && in[k].has_value(); }
  /// Input k, a tensor that is there.
  [[nodiscard]] const dynamic_tensor& x(std::size_t k = 0) const;
  /// The numbers of the input k, or of the attribute where an older operator set has one; empty when neither is given.
  [[nodiscard]] std::vector<std::int64_t> list(std::size_t k, std::string_view name) const;
  /// How many results the node wants.
  [[nodiscard]] std::size_t wanted() const { return n->outputs.size(); }
};

using results = std::vector<value>;
using function = results (*)(const call&);
using op_table = std::map<std::string, function, std::less<>>;

void add_elementwise(op_table& t);
void add_elementary(op_table& t);
void add_arithmetic(op_table& t);
void add_activations(op_table& t);
void add_comparisons(op_table& t);
void add_casts(op_table& t);
void add_reductions(op_table& t);
void add_scans(op_table& t);
void add_movement(op_table& t);
void add_indexing(op_table& t);
void add_sorting(op_table& t);
void add_unique(op_table& t);
void add_linear(op_table& t);
void add_einsum(op_table& t);
void add_determinant(op_table& t);
void add_convolution(op_table& t);
void add_pooling(op_table& t);
void add_unpooling(op_table& t);
void add_normalization(op_table& t);
void add_losses(op_table& t);
void add_quantization(op_table& t);
void add_control(op_table& t);
void add_recurrent(op_table& t);
void add_signal(op_table& t);
void add_images(op_table& t);
void add_training(op_table& t);

/// All operators.
const op_table& operators();

/// The named operator of these inputs with its default attributes: how composite operators use what another file compiles.
dynamic_tensor op(std::string_view name, std::initializer_list<dynamic_tensor> in);
/// The same with attributes.
results op(std::string_view name, std::vector<value> in, std::map<std::string, attribute, std::less<>> attributes, std::size_t outputs = 1);

/// Arithmetic by the operators above, for composite operators; a number takes the dtype of the tensor beside it.
struct num {
  dynamic_tensor t;
  double literal = 0;
  num(dynamic_tensor x) : t(std::move(x)) {}  // NOLINT: implicit on purpose
  num(double x) : literal(x) {}               // NOLINT: implicit on purpose
  operator dynamic_tensor() const { return t; }  // NOLINT: implicit on purpose
  operator value() const { return t; }           // NOLINT: implicit on purpose
};
num calculate(std::string_view name, const num& a, const num& b);
inline num operator+(const num& a, const num& b) { return calculate("Add", a, b); }
inline num operator-(const num& a, const num& b) { return calculate("Sub", a, b); }
inline num operator*(const num& a, const num& b) { return calculate("Mul", a, b); }
inline num operator/(const num& a, const num& b) { return calculate("Div", a, b); }
/// A number as a scalar of a dtype.
dynamic_tensor scalar(double number, dtype type);

/// Runs a graph on its inputs, in order; throws unimplemented for an operator that the table does not have.
results run(const graph& g, const std::vector<value>& inputs, std::int64_t opset, const scope* outer = nullptr);

/// The numbers of a tensor of int32 or int64.
std::vector<std::int64_t> integers(const dynamic_tensor& t);
dynamic_tensor from_integers(const std::vector<std::int64_t>& v);
tensor_shape shape_from(const std::vector<std::int64_t>& v);
rill::axis_list axes_from(const std::vector<std::int64_t>& v);
/// An axis counted from the front; invalid_argument outside 0 .. rank-1 (or rank).
std::int64_t axis_in(std::int64_t axis, int rank, bool end_too = false);

/// x with an axis moved to the end, and back.
dynamic_tensor with_axis_last(const dynamic_tensor& x, std::int64_t axis);
dynamic_tensor with_last_axis_at(const dynamic_tensor& x, std::int64_t axis);

/// Attributes for `op`.
inline attribute of(std::int64_t i) {
  attribute a;
  a.i = i;
  return a;
}
inline attribute of(std::vector<std::int64_t> v) {
  attribute a;
  a.ints = std::move(v);
  return a;
}

}  // namespace onnx

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The graph while it is being built: a flat table of nodes in topological order, and the trace's bookkeeping (scopes,
/// variables, run-time parameters, the first failure). Everything is constexpr; passes are plain loops over the table.

#include <cstdint>
#include <string_view>
#include <vector>

#include "../core/shape.hpp"
#include "../ops/op.hpp"
#include "../ops/reduction.hpp"
#include "../ops/shape.hpp"
#include "../ops/signature.hpp"

namespace rill::graph {

using ops::arg_reduce_op;
using ops::reduce_op;
using ops::reduced_shape;

/// The elements of a vector for a loop: by plain pointers, over which a constant expression runs several times faster than
/// over iterators.
template <class T>
struct element_range {
  T *first, *last;
  [[nodiscard]] constexpr T* begin() const { return first; }
  [[nodiscard]] constexpr T* end() const { return last; }
};
template <class T>
constexpr element_range<const T> each(const std::vector<T>& v) {
  return {v.data(), v.data() + v.size()};
}
template <class T>
constexpr element_range<T> each(std::vector<T>& v) {
  return {v.data(), v.data() + v.size()};
}

/// A short string that lives in a constant: names of variables, scopes and fetches. Longer text is cut.
struct name_buffer {
  static constexpr int capacity = 95;
  char text[capacity + 1] = {};
  int size = 0;

  constexpr name_buffer() = default;
  constexpr name_buffer(std::string_view s) { append(s); }  // NOLINT: implicit on purpose
  constexpr name_buffer& append(std::string_view s) {
    const int room = capacity - size, n = static_cast<int>(s.size()) < room ? static_cast<int>(s.size()) : room;
    const char* from = s.data();
    char* to = text + size;
    for (int k = 0; k < n; ++k) to[k] = from[k];
    size += n;
    return *this;
  }
  constexpr name_buffer& append_number(std::int64_t n) {
    char digits[24] = {};
    int k = 0;
    do digits[k++] = static_cast<char>('0' + n % 10);
    while ((n /= 10) != 0);
    while (k > 0) append({&digits[--k], 1});
    return *this;
  }
  [[nodiscard]] constexpr std::string_view view() const { return {text, static_cast<std::size_t>(size)}; }
  constexpr operator std::string_view() const { return view(); }  // NOLINT: implicit on purpose
  friend constexpr bool operator==(const name_buffer& a, const name_buffer& b) { return a.view() == b.view(); }
};

class builder;

/// A number of its own for each op type, by which a table's ops are turned back into types.
template <class Op>
constexpr std::uint64_t make_id() {
  std::uint64_t h = 14695981039346656037u;
  for (const char* p = __PRETTY_FUNCTION__; *p != 0; ++p) h = (h ^ static_cast<unsigned char>(*p)) * 1099511628211u;
  return h;
}
template <class Op>
inline constexpr std::uint64_t id_of = make_id<Op>();

/// What the passes know of an op besides its type. Nodes hold a pointer to it; `op_list` turns it back into a type.
struct op_info {
  std::uint64_t id = 0;  ///< id_of<Op>
  std::string_view name;
  op_kind kind = op_kind::source;
  int cost = 0;
  bool identity = false;  ///< the first operand, under another name or gradient
  int further = 0;        ///< k > 0: the k-th further result of the kernel that computes its first operand
  bool effect = false;    ///< runs for what it does besides giving a value: never dropped or merged
  bool adds_rows = false; ///< zeros but for the rows of operand 0, added up at the indices that operand 1 holds
  std::int64_t (*flops)(const attributes&, const signature*) = nullptr;
  /// Appends the gradient node of each operand (-1: none) of node `id` to the graph, given that of its result; false for
  /// an op without gradients.
  bool (*vjp)(builder& b, int id, int dy, int* gradients) = nullptr;
  /// The CPU kernel of an op that brings its own (`Op::run`); null for ops that the compiler fuses or knows.
  void (*run)(const attributes&, const operand_memory*, const result_memory&) = nullptr;
};

inline constexpr int max_operands = 4;

/// An op with a kernel of its own: run(attributes, operands, result) beside a shape rule.
template <class Op>
concept kernel_op = requires(const attributes& at, const operand_memory* in, const result_memory& out) { Op::run(at, in, out); } ||
                    requires(const attributes& at, const operand_memory* in, const result_memory& out) { Op::template run<void>(at, in, out); };

struct node {
  const op_info* op = nullptr;
  dtype type = dtype::invalid;
  tensor_shape shape;
  int in[max_operands] = {-1, -1, -1, -1};
  int arity = 0;
  attributes attr;
  int scope = 0;  ///< index into the trace's scopes

  [[nodiscard]] constexpr signature sig() const { return {type, shape}; }
  /// Whether it does something besides giving a value, itself or in a body (`i[11]` of control flow).
  [[nodiscard]] constexpr bool has_effect() const { return op->effect || (op->kind == op_kind::control && attr.i[11] != 0); }
};

/// How a variable gets its first value; the formulas are TensorFlow's.
struct initializer {
  enum kind_type : std::uint8_t { zeros, ones, constant, uniform, normal, truncated_normal, glorot_uniform, glorot_normal };
  kind_type kind = glorot_uniform;
  double a = 0;  ///< constant's value, uniform's minimum, normal's mean
  double b = 0;  ///< uniform's maximum, normal's standard deviation
};

struct variable_decl {
  name_buffer name;
  dtype type = dtype::float32;
  tensor_shape shape;
  bool trainable = true;
  initializer init;
  int node = -1;  ///< the node that reads it
  int like = -1;  ///< the variable whose value it has at first; none: what `init` says
};

/// A layer as `describe` lists it: its scope and the node of its result.
struct layer_decl {
  int scope = 0;
  std::string_view kind;
  int node = -1;
};

struct fetch_decl {
  name_buffer name;
  int node = -1;
  bool is_op = false;  ///< run for its effect, fetched without a value
};

/// A named value that is fed: the input that takes its place.
struct fed_decl {
  name_buffer name;
  int node = -1;
};

// Ops that only the graph has: values that are there when a step begins, and the write of a variable.
namespace source {
/// A feed: i[0] = position among the session's inputs.
struct input {
  static constexpr auto name = "Placeholder";
  static constexpr op_kind kind = op_kind::source;
  static constexpr int cost = 0;
};
/// A variable's value at the beginning of the step: i[0] = index of its declaration.
struct variable {
  static constexpr auto name = "VariableV2";
  static constexpr op_kind kind = op_kind::source;
  static constexpr int cost = 0;
};
/// A scalar constant: f[0], i[0] hold it as double and int64.
struct constant {
  static constexpr auto name = "Const";
  static constexpr op_kind kind = op_kind::source;
  static constexpr int cost = 0;
};
/// 0, 1, 2, ... along its only dimension.
struct range {
  static constexpr auto name = "Range";
  static constexpr op_kind kind = op_kind::source;
  static constexpr int cost = 0;
};
/// A scalar that the session sets for each run: i[0] = -1 seed, -2 step, -3 the batch times i[1], -4 a number of its own
/// for each iteration of the loop around it, k >= 0 the k-th hyperparameter of the model.
struct parameter {
  static constexpr auto name = "Parameter";
  static constexpr op_kind kind = op_kind::source;
  static constexpr int cost = 0;
};
}  // namespace source

namespace op {
using reshape = ops::reshape_op;
using stop_gradient = ops::stop_gradient_op;
using broadcast_in_dim = ops::broadcast_in_dim_op;
using transpose = ops::transpose_op;
/// Writes variable i[0]; its value is the operand's.
struct assign {
  static constexpr auto name = "Assign";
  static constexpr op_kind kind = op_kind::assign;
  static constexpr int cost = 0;
};
/// The operand's value in memory of its own: what an assignment from another variable reads.
struct copy : elementwise<1> {
  static constexpr auto name = "Snapshot";
  template <class V>
  static constexpr V eval(V x) {
    return x;
  }
};

// Control flow. A node of it owns bodies, graphs that see the values outside as inputs of theirs and write what they give to
// variables of theirs: the states of a loop, the rows of what it stacks, the results of a branch.

/// Several values as one operand; the operands may be tuples again.
struct tuple {
  static constexpr auto name = "Tuple";
  static constexpr op_kind kind = op_kind::tuple;
  static constexpr int cost = 0;
};
/// Repeats body i[0] for i[2] times (k < 0: -k times the batch), or as often as operand 0 says (`counted`), or while body
/// i[1] gives true (`conditional`); i[3]: from the last row to the first. Operands: [the count,] the first values of the
/// states in order, then what the inputs of both bodies stand for.
struct loop {
  static constexpr auto name = "While";
  static constexpr op_kind kind = op_kind::control;
  static constexpr int cost = 0;
  static constexpr std::int64_t counted = INT64_MIN, conditional = INT64_MIN + 1;
  static constexpr bool is_static(const attributes& at) { return at.i[2] > conditional; }
};
/// Runs one of the i[1] bodies from i[0] on: as a scalar of int32 says (the last one when it is out of range), or the
/// first one for true. Operands: that scalar, then what the inputs of the bodies stand for.
struct branch {
  static constexpr auto name = "Case";
  static constexpr op_kind kind = op_kind::control;
  static constexpr int cost = 0;
};
/// What variable i[0] of the bodies holds after control flow; i[1] != 0: rows of a loop whose number is known when it has
/// run, which only loops of as many iterations read (in memory that grows, with 1 for its first extent).
struct result {
  static constexpr auto name = "GetTupleElement";
  static constexpr op_kind kind = op_kind::alias;
  static constexpr int cost = 0;
};
}  // namespace op

}  // namespace rill::graph

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `symbol`, the one type that stands for a tensor while a model is traced, and the functions that apply ops to symbols.
/// A shape that does not fit is kept as the trace's first failure and raised once, when the trace is compiled; what
/// follows it is traced on as "poison" without further complaints.

#include <array>
#include <bit>
#include <initializer_list>
#include <type_traits>

#include "../ops/binary.hpp"
#include "../ops/cast.hpp"
#include "../ops/comparison.hpp"
#include "../ops/contraction.hpp"
#include "../ops/convolution.hpp"
#include "../ops/normalization.hpp"
#include "../ops/random.hpp"
#include "../ops/reduction.hpp"
#include "../ops/select.hpp"
#include "../ops/unary.hpp"
#include "../ops/window.hpp"
#include "node.hpp"

namespace rill {

namespace graph {
struct symbolic_front_end;
}

/// A value of a model that is being traced: a node of its graph, or a plain number that has not met one yet.
struct symbol {
  using front_end = graph::symbolic_front_end;

  graph::builder* g = nullptr;
  int id = -1;         ///< node index; -1 with a builder: poison after a failure
  double literal = 0;  ///< the number, when there is no builder

  constexpr symbol() = default;
  constexpr symbol(graph::builder* b, int node) : g(b), id(node) {}
  constexpr explicit symbol(double number) : literal(number) {}

  [[nodiscard]] constexpr bool poisoned() const { return g != nullptr && id < 0; }
  [[nodiscard]] constexpr tensor_shape shape() const;
  [[nodiscard]] constexpr dtype type() const;
  [[nodiscard]] constexpr int rank() const { return shape().rank(); }
};

/// A number of a model that may be chosen at run time, such as a learning rate: changing it compiles nothing. Inside a
/// trace it stands for a scalar; a model that is never given an instance keeps the value written in its source.
struct hyperparameter {
  using front_end = graph::symbolic_front_end;
  double value = 0;
  symbol traced = {};

  constexpr hyperparameter() = default;
  template <class T>
    requires std::is_arithmetic_v<T>
  constexpr hyperparameter(T v) : value(static_cast<double>(v)) {}  // NOLINT: implicit on purpose
};

// What the gradients of ops call, declared before any gradient is instantiated.
constexpr symbol matmul(symbol a, symbol b, matmul_options o);
constexpr symbol conv2d_with(symbol x, symbol filter, const attributes& at);
constexpr symbol conv2d_backprop_input(const tensor_shape& x, symbol filter, symbol dy, const attributes& at);
constexpr symbol conv2d_backprop_filter(symbol x, const tensor_shape& filter, symbol dy, const attributes& at);
constexpr symbol max_pool_grad(symbol x, symbol y, symbol dy, const attributes& at);
constexpr symbol sparse_softmax_cross_entropy_backprop(symbol loss);
constexpr symbol expand_dims(symbol x, std::int64_t axis);
constexpr symbol reduce_sum(symbol x, reduce_options o);
constexpr symbol zeros_like(symbol x);
constexpr symbol ones_like(symbol x);
constexpr symbol cast_like(symbol x, symbol like);

namespace graph {

namespace detail {
/// Names are looked up by a short key first: comparing text is what a trace of many layers would spend its time on.
constexpr std::uint32_t key_of(const name_buffer& n) {
  std::uint32_t h = 2166136261u;
  for (int k = 0; k < n.size; ++k) h = (h ^ static_cast<unsigned char>(n.text[k])) * 16777619u;
  return h;
}
}  // namespace detail

class builder {
 public:
  std::vector<node> nodes;
  std::vector<name_buffer> scopes = std::vector<name_buffer>(1);
  std::vector<variable_decl> variables;
  std::vector<layer_decl> layers;
  std::vector<fetch_decl> fetches;
  int scope = 0;
  int random_ops = 0;
  bool training = false;
  /// Writes the gradient node of each operand (-1: none) of node `id`, given that of its result; false for an op without
  /// gradients. The trace sets it, since it knows the model's ops.
  bool (*vjp)(builder& b, int id, int dy, int* gradients) = nullptr;
  failure first_failure;
  const op_info* failed_op = nullptr;
  int failed_scope = 0;
  name_buffer failed_name;

  constexpr void fail(const op_info* op, const failure& f, std::string_view name = {}) {
    if (first_failure) return;
    first_failure = f;
    failed_op = op;
    failed_scope = scope;
    failed_name = name_buffer(name);
  }

  constexpr symbol add(const op_info* op, const signature& s, std::initializer_list<int> in, const attributes& at = {}) {
    if (!s.shape.valid()) {  // sizes are linear in the batch, and the tables have max_rank axes
      failure f;
      f.set(s.shape.overflow_ ? "the result would have more than 8 axes" : "two axes of the result depend on the batch", "", s);
      fail(op, f);
      return {this, -1};
    }
    node n;
    n.op = op, n.type = s.type, n.shape = s.shape, n.attr = at, n.scope = scope;
    for (int i : in) {
      if (i < 0) return {this, -1};
      n.in[n.arity++] = i;
    }
    nodes.push_back(n);
    return {this, static_cast<int>(nodes.size()) - 1};
  }

  /// Enters a scope below the present one, made unique as TensorFlow does ("conv2d", "conv2d_1"); returns its parent.
  constexpr int enter(std::string_view base) {
    const int parent = scope;
    // counting from where the last scope of this base ended keeps a loop over many layers from trying every number again
    std::size_t series = 0;
    for (; series < scope_series_.size(); ++series)
      if (scope_series_[series].parent == parent && scope_series_[series].base.view() == base) break;
    if (series == scope_series_.size()) scope_series_.push_back({parent, base, 0});
    for (;;) {
      name_buffer n = scopes[static_cast<std::size_t>(parent)];
      if (n.size > 0) n.append("/");
      n.append(base);
      if (const int k = scope_series_[series].next++; k > 0) n.append("_").append_number(k);
      if (taken(scope_keys_, scopes, n)) continue;
      scopes.push_back(n);
      scope_keys_.push_back(detail::key_of(n));
      scope = static_cast<int>(scopes.size()) - 1;
      return parent;
    }
  }

  /// The declaration of the variable of this name, or -1.
  [[nodiscard]] constexpr int find_variable(const name_buffer& name) const {
    const std::uint32_t key = detail::key_of(name);
    for (std::size_t k = 0; k < variable_keys_.size(); ++k)
      if (variable_keys_[k] == key && variables[k].name == name) return static_cast<int>(k);
    return -1;
  }
  constexpr void declare(const variable_decl& v) {
    variables.push_back(v);
    variable_keys_.push_back(detail::key_of(v.name));
  }

  [[nodiscard]] constexpr const node& at(symbol s) const { return nodes[static_cast<std::size_t>(s.id)]; }

 private:
  struct numbered_scopes {
    int parent = 0;
    name_buffer base;
    int next = 0;
  };
  static constexpr bool taken(const std::vector<std::uint32_t>& keys, const std::vector<name_buffer>& names,
                              const name_buffer& n) {
    const std::uint32_t key = detail::key_of(n);
    for (std::size_t k = 0; k < keys.size(); ++k)
      if (keys[k] == key && names[k] == n) return true;
    return false;
  }
  std::vector<numbered_scopes> scope_series_;
  std::vector<std::uint32_t> scope_keys_ = std::vector<std::uint32_t>(1, detail::key_of({})), variable_keys_;
};

namespace detail {
template <class Op>
consteval op_info make_info() {
  op_info i;
  i.name = Op::name;
  i.kind = Op::kind;
  i.cost = Op::cost;
  if constexpr (requires { &Op::flops; }) i.flops = &Op::flops;
  return i;
}

template <int>
struct operand_probe {};
/// dtype of an element-wise result, read off Op::result.
template <class Op>
constexpr dtype result_type(const dtype* in) {
  using r = typename Op::template result<operand_probe<0>, operand_probe<1>, operand_probe<2>>;
  if constexpr (std::is_same_v<r, operand_probe<0>>) return in[0];
  else if constexpr (std::is_same_v<r, operand_probe<1>>) return in[1];
  else if constexpr (std::is_same_v<r, operand_probe<2>>) return in[2];
  else return dtype_v<r>;
}
}  // namespace detail

/// The one description of each op, whose address identifies the op in a table.
template <class Op>
inline constexpr op_info info_of = detail::make_info<Op>();

/// The shape both operands broadcast to by NumPy's rule; sets ok to false when they do not.
constexpr tensor_shape broadcast_shape(const tensor_shape& a, const tensor_shape& b, bool& ok) {
  const int rank = a.rank() > b.rank() ? a.rank() : b.rank();
  tensor_shape r;
  for (int k = 0; k < rank; ++k) {
    const int ia = k - (rank - a.rank()), ib = k - (rank - b.rank());
    const std::int64_t da = ia < 0 ? 1 : a[ia], db = ib < 0 ? 1 : b[ib];
    if (da != db && da != 1 && db != 1) ok = false;
    r.push_back(da == 1 ? db : da);
  }
  return r;
}

/// Applies an op that has a shape rule of its own.
template <class Op>
constexpr symbol emit(std::initializer_list<symbol> in, const attributes& at = {}) {
  builder* b = nullptr;
  for (const symbol& s : in)
    if (s.g) b = s.g;
  signature sig[max_operands];
  int ids[max_operands] = {-1, -1, -1, -1}, n = 0;
  for (const symbol& s : in) {
    if (s.id < 0) return {b, -1};
    ids[n] = s.id;
    sig[n++] = b->at(s).sig();
  }
  failure f;
  const signature out = Op::infer(at, sig, f);
  if (f) {
    b->fail(&info_of<Op>, f);
    return {b, -1};
  }
  symbol r = b->add(&info_of<Op>, out, {}, at);
  node& made = b->nodes.back();
  for (int k = 0; k < n; ++k) made.in[k] = ids[k];
  made.arity = n;
  return r;
}

/// A scalar constant of a dtype.
constexpr symbol constant_of(builder* b, dtype type, double value) {
  attributes at;
  at.f[0] = value;
  at.i[0] = static_cast<std::int64_t>(value);
  return b->add(&info_of<source::constant>, {type, {}}, {}, at);
}

constexpr symbol broadcast_in_dim(symbol x, const tensor_shape& shape, const int* dims) {
  if (x.id < 0) return x;
  if (x.g->at(x).shape == shape) return x;
  attributes at;
  for (int k = 0; k < x.rank(); ++k) at.i[k] = dims[k];
  return x.g->add(&info_of<op::broadcast_in_dim>, {x.type(), shape}, {x.id}, at);
}

constexpr symbol broadcast_to(symbol x, const tensor_shape& shape) {
  int dims[max_rank] = {};
  if (x.id < 0) return x;
  const int shift = shape.rank() - x.rank();
  for (int k = 0; k < x.rank(); ++k) dims[k] = k + shift;
  return broadcast_in_dim(x, shape, dims);
}

constexpr double literal_of(const symbol& s) { return s.literal; }
constexpr double literal_of(const hyperparameter& h) { return h.traced.g ? 0 : h.value; }
template <class T>
  requires std::is_arithmetic_v<T>
constexpr double literal_of(T v) {
  return static_cast<double>(v);
}
constexpr symbol as_symbol(const symbol& s) { return s; }
constexpr symbol as_symbol(const hyperparameter& h) { return h.traced.g ? h.traced : symbol(h.value); }
template <class T>
  requires std::is_arithmetic_v<T>
constexpr symbol as_symbol(T v) {
  return symbol(static_cast<double>(v));
}
template <class T>
constexpr bool is_integer_literal = std::is_integral_v<T> && !std::is_same_v<T, bool>;

/// Element-wise application while tracing: numbers become constants of the other operands' dtype, operands broadcast.
struct symbolic_front_end {
  template <class Op, class... A>
  static constexpr symbol apply(const A&... operands) {
    constexpr int n = sizeof...(A);
    static_assert(n == Op::arity, "wrong number of operands");
    symbol s[static_cast<std::size_t>(n)] = {as_symbol(operands)...};
    builder* b = nullptr;
    for (const symbol& x : s)
      if (x.g) b = x.g;
    if (b == nullptr) {  // numbers only: the result is a number too
      if constexpr (std::is_same_v<Op, ops::neg>) return symbol(-s[0].literal);
      else if constexpr (std::is_same_v<Op, ops::add> || std::is_same_v<Op, ops::sub> || std::is_same_v<Op, ops::mul> ||
                         std::is_same_v<Op, ops::div>)
        return symbol(Op::template eval<double>(s[0].literal, s[1].literal));
      else return {};
    }
    dtype number = dtype::invalid;
    for (const symbol& x : s) {
      if (x.poisoned()) return {b, -1};
      if (x.g && (x.type() != dtype::boolean || number == dtype::invalid)) number = x.type();
    }
    if (number == dtype::boolean && Op::arity == 3) number = dtype::float32;
    for (symbol& x : s)
      if (!x.g) x = constant_of(b, number, x.literal);
    return apply_nodes<Op>(b, s, n);
  }

  template <class Op>
  static constexpr symbol apply_nodes(builder* b, symbol* s, int n) {
    tensor_shape shape;
    bool ok = true;
    dtype types[3] = {dtype::invalid, dtype::invalid, dtype::invalid};
    for (int k = 0; k < n; ++k) {
      shape = k == 0 ? s[0].shape() : broadcast_shape(shape, s[k].shape(), ok);
      types[k] = s[k].type();
      failure f;
      const int other = k > 0 && types[0] == dtype::boolean && n == 3 ? 1 : 0;
      if (!ok) {
        f.set("shapes do not broadcast", "trailing dimensions must be equal or 1", b->at(s[0]).sig(), b->at(s[k]).sig());
      } else if (k > other && types[k] != types[other]) {
        f.set("dtypes differ", "cast one operand", b->at(s[other]).sig(), b->at(s[k]).sig());
      }
      if (f) {
        b->fail(&info_of<Op>, f);
        return {b, -1};
      }
    }
    int ids[3] = {-1, -1, -1};
    for (int k = 0; k < n; ++k) ids[k] = broadcast_to(s[k], shape).id;
    const signature out{detail::result_type<Op>(types), shape};
    if (n == 1) return b->add(&info_of<Op>, out, {ids[0]});
    if (n == 2) return b->add(&info_of<Op>, out, {ids[0], ids[1]});
    return b->add(&info_of<Op>, out, {ids[0], ids[1], ids[2]});
  }
};

constexpr symbol cast_to(symbol x, dtype type);
template <class Reducer>
constexpr symbol reduce_mask(symbol x, std::int64_t mask);

/// Reduction node over the axes in the mask i[0]; dimensions are dropped.
template <class Reducer>
struct reduce_op {
  static constexpr auto name = Reducer::name;
  static constexpr op_kind kind = op_kind::reduction;
  static constexpr int cost = 2;
  static constexpr std::int64_t flops(const attributes&, const signature* in) { return in[0].shape.num_elements(); }
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto x)
    requires(std::is_same_v<Reducer, ops::sum> || std::is_same_v<Reducer, ops::max> ||
             std::is_same_v<Reducer, ops::min>)
  {
    auto spread = [&](symbol v) {
      int dims[max_rank] = {}, k = 0;
      for (int d = 0; d < x.rank(); ++d)
        if (((at.i[0] >> d) & 1) == 0) dims[k++] = d;
      return broadcast_in_dim(v, x.shape(), dims);
    };
    if constexpr (std::is_same_v<Reducer, ops::sum>) {
      return grads(spread(dy));
    } else {  // shared evenly among the elements that attain the extremum
      auto hit = graph::cast_to(equal(x, spread(y)), x.type());
      auto count = graph::reduce_mask<ops::sum>(hit, at.i[0]);
      return grads(hit * spread(dy / count));
    }
  }
};

constexpr tensor_shape reduced_shape(const tensor_shape& s, std::int64_t mask, bool keepdims) {
  tensor_shape r;
  for (int d = 0; d < s.rank(); ++d) {
    if (((mask >> d) & 1) == 0) r.push_back(s[d]);
    else if (keepdims) r.push_back(1);
  }
  return r;
}

template <class Reducer>
constexpr symbol reduce_mask(symbol x, std::int64_t mask) {
  attributes at;
  at.i[0] = mask;
  if (mask == 0) return x;
  return x.g->add(&info_of<reduce_op<Reducer>>, {x.type(), reduced_shape(x.shape(), mask, false)}, {x.id}, at);
}

constexpr symbol reshape_to(symbol x, const tensor_shape& s) {
  if (x.id < 0 || x.shape() == s) return x;
  return x.g->add(&info_of<op::reshape>, {x.type(), s}, {x.id});
}

template <class Reducer>
constexpr symbol reduce(symbol x, const reduce_options& o) {
  if (x.id < 0) return x;
  const std::int64_t mask = axis_mask(o.axis, x.rank());
  if (mask < 0) {
    failure f;
    f.set("axis out of range", "axes are -rank .. rank-1", x.g->at(x).sig());
    x.g->fail(&info_of<reduce_op<Reducer>>, f);
    return {x.g, -1};
  }
  symbol r = reduce_mask<Reducer>(x, mask);
  return o.keepdims ? reshape_to(r, reduced_shape(x.shape(), mask, true)) : r;
}

/// argmax/argmin along axis i[0].
template <class Reducer>
struct arg_reduce_op {
  static constexpr auto name = Reducer::name;
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 2;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const auto& x = in[0].shape;
    if (at.i[0] < 0 || at.i[0] >= x.rank()) {
      f.set("axis out of range", "axes are -rank .. rank-1", in[0]);
      return {};
    }
    return {dtype::int64, reduced_shape(x, std::int64_t{1} << at.i[0], false)};
  }
};

}  // namespace graph

constexpr tensor_shape symbol::shape() const { return id < 0 ? tensor_shape{} : g->at(*this).shape; }
constexpr dtype symbol::type() const { return id < 0 ? dtype::invalid : g->at(*this).type; }

namespace graph {
/// The elements as another dtype; nothing to do for the same.
constexpr symbol cast_to(symbol x, dtype type) {
  if (x.id < 0 || x.type() == type) return x;
  switch (type) {
    case dtype::float32: return cast<float>(x);
    case dtype::float64: return cast<double>(x);
    case dtype::int32: return cast<std::int32_t>(x);
    case dtype::int64: return cast<std::int64_t>(x);
    case dtype::uint8: return cast<std::uint8_t>(x);
    default: return cast<bool>(x);
  }
}
}  // namespace graph

// ---- functions on symbols: the same names, arguments and meaning as on tensors ----------------------------------------

constexpr symbol matmul(symbol a, symbol b, matmul_options o = {}) {
  attributes at;
  at.i[0] = o.transpose_a, at.i[1] = o.transpose_b;
  return graph::emit<ops::matmul_op>({a, b}, at);
}
constexpr symbol conv2d_with(symbol x, symbol filter, const attributes& at) {
  attributes plain = at;
  for (int k = 3; k < 7; ++k) plain.i[k] = 0;
  return graph::emit<ops::conv2d_op>({x, filter}, plain);
}
constexpr symbol conv2d(symbol x, symbol filter, conv2d_options o = {}) {
  return conv2d_with(x, filter, ops::conv2d_attributes::make(o));
}
constexpr symbol conv2d_backprop_input(const tensor_shape& x, symbol filter, symbol dy, const attributes& at) {
  return graph::emit<ops::conv2d_backprop_input_op>({filter, dy}, ops::conv2d_attributes::with_shape(at, x));
}
constexpr symbol conv2d_backprop_filter(symbol x, const tensor_shape& filter, symbol dy, const attributes& at) {
  return graph::emit<ops::conv2d_backprop_filter_op>({x, dy}, ops::conv2d_attributes::with_shape(at, filter));
}
constexpr symbol max_pool(symbol x, pool_options o = {}) {
  return graph::emit<ops::max_pool_op>({x}, ops::pool_attributes::make(o));
}
constexpr symbol max_pool_grad(symbol x, symbol y, symbol dy, const attributes& at) {
  return graph::emit<ops::max_pool_grad_op>({x, y, dy}, at);
}
/// Softmax over the last axis.
constexpr symbol softmax(symbol logits) { return graph::emit<ops::softmax_op>({logits}); }
/// Loss of each row: log(sum exp(logits)) - logits[label]. Shapes [b], [b, classes] -> [b].
constexpr symbol sparse_softmax_cross_entropy_with_logits(symbol labels, symbol logits) {
  return graph::emit<ops::sparse_softmax_cross_entropy_op>({logits, labels});
}
constexpr symbol sparse_softmax_cross_entropy_backprop(symbol loss) {
  if (loss.id < 0) return loss;
  const graph::node n = loss.g->at(loss);
  const graph::node logits = loss.g->nodes[static_cast<std::size_t>(n.in[0])];
  return loss.g->add(&graph::info_of<ops::softmax_cross_entropy_backprop_op>, logits.sig(), {loss.id});
}

/// The same elements, row-major, under another shape; one extent may be -1 and is worked out.
constexpr symbol reshape(symbol x, const tensor_shape& wanted) {
  if (x.id < 0) return x;
  tensor_shape s = wanted;
  const std::int64_t total = x.shape().num_elements();
  std::int64_t known = 1;
  int unknown = -1, unknowns = 0;
  for (int k = 0; k < s.rank(); ++k) {
    if (s[k] == -1) unknown = k, ++unknowns;
    else known *= s[k];
  }
  failure f;
  if (unknowns > 1) f.set("at most one extent may be -1", "", x.g->at(x).sig(), {x.type(), wanted});
  else if (unknowns == 1 && (known == 0 || total % known != 0))
    f.set("the number of elements does not divide", "", x.g->at(x).sig(), {x.type(), wanted});
  else if (unknowns == 0 && known != total)
    f.set("the number of elements differs", "", x.g->at(x).sig(), {x.type(), wanted});
  if (f) {
    x.g->fail(&graph::info_of<graph::op::reshape>, f);
    return {x.g, -1};
  }
  if (unknown >= 0) s[unknown] = total / known;
  return graph::reshape_to(x, s);
}
constexpr symbol expand_dims(symbol x, std::int64_t axis) {
  if (x.id < 0) return x;
  const int rank = x.rank();
  const std::int64_t a = axis < 0 ? axis + rank + 1 : axis;
  if (a < 0 || a > rank || rank == max_rank) {
    failure f;
    f.set("axis out of range", "axes are -rank-1 .. rank", x.g->at(x).sig());
    x.g->fail(&graph::info_of<graph::op::reshape>, f);
    return {x.g, -1};
  }
  tensor_shape s;
  for (int k = 0; k <= rank; ++k) {
    if (k == a) s.push_back(1);
    if (k < rank) s.push_back(x.shape()[k]);
  }
  return graph::reshape_to(x, s);
}
/// All axes but the first become one.
constexpr symbol flatten(symbol x) {
  if (x.id < 0) return x;
  std::int64_t inner = 1;
  for (int k = 1; k < x.rank(); ++k) inner *= x.shape()[k];
  return graph::reshape_to(x, {x.rank() == 0 ? 1 : x.shape()[0], inner});
}
/// Axis k of the result is axis perm[k] of x; an empty permutation reverses the axes.
constexpr symbol transpose(symbol x, axis_list perm = {}) {
  if (x.id < 0) return x;
  const int rank = x.rank();
  if (perm.count == 0)
    for (int k = 0; k < rank; ++k) perm.axes[perm.count++] = rank - 1 - k;
  attributes at;
  tensor_shape s;
  std::int64_t seen = 0;
  bool ok = perm.count == rank;
  for (int k = 0; ok && k < rank; ++k) {
    const std::int64_t p = perm.axes[k] < 0 ? perm.axes[k] + rank : perm.axes[k];
    ok = p >= 0 && p < rank && ((seen >> p) & 1) == 0;
    if (!ok) break;
    seen |= std::int64_t{1} << p;
    at.i[k] = p;
    s.push_back(x.shape()[static_cast<int>(p)]);
  }
  if (!ok) {
    failure f;
    f.set("needs a permutation of the axes", "", x.g->at(x).sig());
    x.g->fail(&graph::info_of<graph::op::transpose>, f);
    return {x.g, -1};
  }
  return x.g->add(&graph::info_of<graph::op::transpose>, {x.type(), s}, {x.id}, at);
}

constexpr symbol reduce_sum(symbol x, reduce_options o = {}) { return graph::reduce<ops::sum>(x, o); }
constexpr symbol reduce_max(symbol x, reduce_options o = {}) { return graph::reduce<ops::max>(x, o); }
constexpr symbol reduce_min(symbol x, reduce_options o = {}) { return graph::reduce<ops::min>(x, o); }
constexpr symbol reduce_prod(symbol x, reduce_options o = {}) { return graph::reduce<ops::prod>(x, o); }
constexpr symbol reduce_any(symbol x, reduce_options o = {}) { return graph::reduce<ops::any>(x, o); }
constexpr symbol reduce_all(symbol x, reduce_options o = {}) { return graph::reduce<ops::all>(x, o); }

namespace graph {
/// The number of elements as a scalar of the dtype; a run-time value when it depends on the batch.
constexpr symbol count_of(builder* b, dtype type, std::int64_t n) {
  if (n >= 0) return constant_of(b, type, static_cast<double>(n));
  attributes at;
  at.i[0] = -3, at.i[1] = -n;
  return b->add(&info_of<source::parameter>, {type, {}}, {}, at);
}
constexpr symbol parameter(builder* b, dtype type, std::int64_t which) {
  attributes at;
  at.i[0] = which;
  return b->add(&info_of<source::parameter>, {type, {}}, {}, at);
}
}  // namespace graph

constexpr symbol reduce_mean(symbol x, reduce_options o = {}) {
  symbol s = reduce_sum(x, o);
  if (s.id < 0) return s;
  const std::int64_t kept = s.shape().num_elements(), total = x.shape().num_elements();
  return s / graph::count_of(x.g, x.type(), kept == 0 ? 0 : total / kept);
}
constexpr symbol sum(symbol x, reduce_options o = {}) { return reduce_sum(x, o); }
constexpr symbol mean(symbol x, reduce_options o = {}) { return reduce_mean(x, o); }

/// Index (int64) of the first largest element along an axis.
constexpr symbol argmax(symbol x, arg_options o = {}) {
  attributes at;
  at.i[0] = o.axis < 0 ? o.axis + x.rank() : o.axis;
  return graph::emit<graph::arg_reduce_op<ops::argmax>>({x}, at);
}
constexpr symbol argmin(symbol x, arg_options o = {}) {
  attributes at;
  at.i[0] = o.axis < 0 ? o.axis + x.rank() : o.axis;
  return graph::emit<graph::arg_reduce_op<ops::argmin>>({x}, at);
}

constexpr symbol stop_gradient(symbol x) {
  if (x.id < 0) return x;
  return x.g->add(&graph::info_of<graph::op::stop_gradient>, x.g->at(x).sig(), {x.id});
}
constexpr symbol zeros_like(symbol x) {
  if (x.id < 0) return x;
  return graph::broadcast_to(graph::constant_of(x.g, x.type(), 0), x.shape());
}
constexpr symbol ones_like(symbol x) {
  if (x.id < 0) return x;
  return graph::broadcast_to(graph::constant_of(x.g, x.type(), 1), x.shape());
}
/// x as the dtype of `like`.
constexpr symbol cast_like(symbol x, symbol like) { return graph::cast_to(x, like.type()); }
/// 1 where the last axis equals the index, else 0: [..] -> [.., depth].
template <class T = float>
constexpr symbol one_hot(symbol indices, std::int64_t depth) {
  if (indices.id < 0) return indices;
  symbol r = indices.g->add(&graph::info_of<graph::source::range>, {indices.type(), {depth}}, {});
  return graph::cast_to(equal(expand_dims(indices, -1), r), dtype_v<T>);
}

}  // namespace rill

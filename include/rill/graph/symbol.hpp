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

#include "../ops/functions.hpp"
#include "../ops/random.hpp"
#include "node.hpp"

namespace rill {

namespace graph {
struct symbolic_front_end;
}

/// A value of a model that is being traced: a node of its graph, or a plain number that has not met one yet.
struct symbol {
  using front_end = graph::symbolic_front_end;
  static constexpr bool is_value = true;

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
  constexpr hyperparameter(symbol scalar) : value(scalar.literal), traced(scalar) {}  // NOLINT: a function of the step, say
};

namespace graph {

namespace detail {
/// Names are looked up by a short key first: comparing text is what a trace of many layers would spend its time on.
constexpr std::uint32_t key_of(const name_buffer& n) {
  std::uint32_t h = 2166136261u + static_cast<std::uint32_t>(n.size);
  const char* text = n.text;
  for (int k = n.size - 1; k >= 0; k -= k > n.size - 12 ? 1 : 4)  // names differ at their ends
    h = (h ^ static_cast<unsigned char>(text[k])) * 16777619u;
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
  std::vector<int> written;               ///< per variable what it was assigned last, or -1
  std::vector<fed_decl> fed;              ///< values that are fed instead of computed
  int scope = 0;
  int random_ops = 0;
  bool training = false;
  bool float_variables = false;           ///< those of half and bfloat16 are kept as float32 (nn/compute_in.hpp)
  symbol (*narrowed)(symbol, dtype) = nullptr;  ///< then: cast_to, which no other model has to compile
  /// The gradients that an update is made of, where not the loss's own: averages over towers (towers.hpp).
  using gradient_function = std::vector<int> (*)(builder&, symbol loss, const std::vector<int>& targets);
  gradient_function average_gradients = nullptr;
  failure first_failure;
  const op_info* failed_op = nullptr;
  int failed_scope = 0;
  name_buffer failed_name;

  // Bodies of control flow are builders too. While one is traced it lies below the builder around it; what is made of
  // values from outside goes into it as well, and reads them as inputs. Scopes, variables, layers, modes, random streams
  // and failures are the root's.
  std::vector<builder> bodies;            ///< finished ones
  std::vector<char> input_is_row, variable_is_row;  ///< of a body: inputs and variables of which each iteration has a row
  std::vector<int> inputs, outside;       ///< of a body: its input nodes and, while it is traced, what they stand for
  /// What the model does to a variable of its own in a body: the node with its value at this place and, where the body
  /// repeats, the state that it is meanwhile.
  struct variable_use {
    int variable = -1, value = -1, state = -1;
  };
  std::vector<variable_use> uses;         ///< of a body, while it is traced
  bool repeats = false;                   ///< of a body: what it writes, its next iteration reads
  builder* outer = nullptr;
  builder* inner = nullptr;

  [[nodiscard]] constexpr builder& root() { return outer == nullptr ? *this : outer->root(); }
  [[nodiscard]] constexpr builder& innermost() { return inner != nullptr ? inner->innermost() : *this; }

  /// The symbol as a value of this builder: one from outside becomes an input, a number is made anew.
  constexpr symbol local(symbol s) {
    if (s.g == this || s.g == nullptr || s.id < 0) return s.id < 0 ? symbol{this, -1} : s;
    if (outer == nullptr) {
      failure f;
      f.set("a value of a loop or branch that has ended is used outside", "return it from there", {});
      fail(ended(), f);
      return {this, -1};
    }
    const symbol o = outer->local(s);
    if (o.id < 0) return {this, -1};
    const node& n = outer->nodes[static_cast<std::size_t>(o.id)];
    if (n.op->kind == op_kind::source && number(n.op)) return add(n.op, n.sig(), {}, n.attr);
    for (std::size_t k = 0; k < outside.size(); ++k)
      if (outside[k] == o.id && !input_is_row[k]) return {this, inputs[k]};
    return add_input(n.sig(), o.id, false);
  }
  /// An input of a body: a value outside, or the row of one in each iteration.
  constexpr symbol add_input(const signature& s, int from, bool row);

  constexpr void fail(const op_info* op, const failure& f, std::string_view name = {}) {
    if (outer != nullptr) {
      root().fail(op, f, name);
      return;
    }
    fail_here(op, f, name);
  }
  constexpr void fail_here(const op_info* op, const failure& f, std::string_view name = {}) {
    if (first_failure) return;
    first_failure = f;
    failed_op = op;
    failed_scope = scope;
    failed_name = name_buffer(name);
  }

  constexpr symbol add(const op_info* op, const signature& s, std::initializer_list<int> in, const attributes& at = {}) {
    if (inner != nullptr) {
      builder& b = innermost();
      int ids[max_operands] = {-1, -1, -1, -1}, count = 0;
      for (int i : in)
        if ((ids[count++] = b.local({this, i}).id) < 0) return {&b, -1};
      return b.add(op, s, ids, count, at);
    }
    int ids[max_operands] = {-1, -1, -1, -1}, count = 0;
    for (int i : in) ids[count++] = i;
    return add(op, s, ids, count, at);
  }
  constexpr symbol add(const op_info* op, const signature& s, const int* in, int count, const attributes& at) {
    if (!s.shape.valid()) {  // sizes are linear in the batch, and the tables have max_rank axes
      failure f;
      f.set(s.shape.overflow_ ? "the result would have more than 8 axes" : "two axes of the result depend on the batch", "", s);
      fail(op, f);
      return {this, -1};
    }
    nodes.push_back({.op = op, .type = s.type, .shape = s.shape, .arity = count, .attr = at, .scope = root().scope});
    node& n = nodes.back();
    for (int k = 0; k < count; ++k) {
      if (in[k] < 0) {
        nodes.pop_back();
        return {this, -1};
      }
      n.in[k] = in[k];
    }
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
    written.push_back(-1);
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
  static constexpr bool number(const op_info* op);
  static constexpr const op_info* ended();
  std::vector<numbered_scopes> scope_series_;
  std::vector<std::uint32_t> scope_keys_ = std::vector<std::uint32_t>(1, detail::key_of({})), variable_keys_;
};

namespace detail {
template <class Op, int N>
consteval bool vjp_takes() {
  constexpr symbol s;
  if constexpr (requires { requires Op::arity > 0; }) {
    if constexpr (Op::arity != N) return false;
    else if constexpr (N == 1) return requires { Op::vjp(s, s, s); };
    else if constexpr (N == 2) return requires { Op::vjp(s, s, s, s); };
    else if constexpr (N == 3) return requires { Op::vjp(s, s, s, s, s); };
    else return false;
  } else {
    constexpr attributes a;
    if constexpr (N == 1) return requires { Op::vjp(a, s, s, s); };
    else if constexpr (N == 2) return requires { Op::vjp(a, s, s, s, s); };
    else if constexpr (N == 3) return requires { Op::vjp(a, s, s, s, s, s); };
    else if constexpr (N == 4) return requires { Op::vjp(a, s, s, s, s, s, s); };
    else return false;
  }
}
template <class Op>
consteval int vjp_arity() {
  if constexpr (vjp_takes<Op, 1>()) return 1;
  else if constexpr (vjp_takes<Op, 2>()) return 2;
  else if constexpr (vjp_takes<Op, 3>()) return 3;
  else if constexpr (vjp_takes<Op, 4>()) return 4;
  else return 0;
}
}  // namespace detail

namespace detail {
constexpr void write_gradients(int*, gradient_pack<>) {}
template <class G, class... R>
constexpr void write_gradients(int* out, const gradient_pack<G, R...>& p) {
  if constexpr (std::is_same_v<G, symbol>) *out = p.head.id;
  else *out = -1;
  write_gradients(out + 1, p.tail);
}
}  // namespace detail

/// Applies the gradient rule of one op; false when it has none.
template <class Op>
constexpr bool call_vjp([[maybe_unused]] builder& b, [[maybe_unused]] int id, [[maybe_unused]] int dy,
                        [[maybe_unused]] int* out) {
  constexpr int arity = detail::vjp_arity<Op>();
  if constexpr (arity == 0) {
    return false;
  } else {
    const node& n = b.nodes[static_cast<std::size_t>(id)];
    const symbol d{&b, dy}, y{&b, id}, x0{&b, n.in[0]}, x1{&b, n.in[1]}, x2{&b, n.in[2]};
    if constexpr (requires { requires Op::arity > 0; }) {
      if constexpr (arity == 1) detail::write_gradients(out, Op::vjp(d, y, x0));
      else if constexpr (arity == 2) detail::write_gradients(out, Op::vjp(d, y, x0, x1));
      else detail::write_gradients(out, Op::vjp(d, y, x0, x1, x2));
    } else {
      const symbol x3{&b, n.in[3]};
      const attributes at = n.attr;  // the node moves when others are added
      if constexpr (arity == 1) detail::write_gradients(out, Op::vjp(at, d, y, x0));
      else if constexpr (arity == 2) detail::write_gradients(out, Op::vjp(at, d, y, x0, x1));
      else if constexpr (arity == 3) detail::write_gradients(out, Op::vjp(at, d, y, x0, x1, x2));
      else detail::write_gradients(out, Op::vjp(at, d, y, x0, x1, x2, x3));
    }
    return true;
  }
}

namespace detail {
template <class Op>
consteval op_info make_info() {
  op_info i;
  i.id = id_of<Op>;
  i.name = Op::name;
  i.kind = Op::kind;
  i.cost = Op::cost;
  if constexpr (requires { Op::identity; }) i.identity = Op::identity;
  if constexpr (requires { Op::effect; }) i.effect = Op::effect;
  if constexpr (requires { Op::further; }) i.further = Op::further;
  if constexpr (requires { Op::adds_rows; }) i.adds_rows = Op::adds_rows;
  if constexpr (requires { &Op::flops; }) i.flops = &Op::flops;
  if constexpr (kernel_op<Op>)
    i.run = [](const attributes& at, const operand_memory* in, const result_memory& out) { ops::run<Op>(at, in, out); };
  i.vjp = &call_vjp<Op>;
  return i;
}
}  // namespace detail

/// The one description of each op, whose address identifies the op in a table.
template <class Op>
inline constexpr op_info info_of = detail::make_info<Op>();

constexpr bool builder::number(const op_info* op) {
  return op->id == id_of<source::constant> || op->id == id_of<source::range> || op->id == id_of<source::parameter>;
}
constexpr const op_info* builder::ended() { return &info_of<op::tuple>; }
constexpr symbol builder::add_input(const signature& s, int from, bool row) {
  attributes at;
  at.i[0] = static_cast<std::int64_t>(inputs.size());
  const symbol made = add(&info_of<source::input>, s, nullptr, 0, at);
  inputs.push_back(made.id), outside.push_back(from), input_is_row.push_back(row);
  return made;
}

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

/// The operands as nodes of the builder that the trace is in, which is returned; null when all are plain numbers.
constexpr builder* localize(symbol* s, int n) {
  builder* b = nullptr;
  for (int k = 0; k < n; ++k)
    if (s[k].g) b = s[k].g;
  if (b == nullptr) return nullptr;
  b = &b->root().innermost();
  for (int k = 0; k < n; ++k)
    if (s[k].g) s[k] = b->local(s[k]);
  return b;
}
/// Adds a node of these operands, whose result is known.
constexpr symbol add_node(const op_info* op, const signature& out, std::initializer_list<symbol> in, const attributes& at = {}) {
  symbol s[max_operands] = {};
  int ids[max_operands] = {-1, -1, -1, -1}, n = 0;
  for (const symbol& x : in) s[n++] = x;
  builder* b = localize(s, n);
  for (int k = 0; k < n; ++k) ids[k] = s[k].id;
  return b->add(op, out, ids, n, at);
}

template <class = void>
constexpr symbol cast_to(symbol x, dtype type);

/// Applies an op that has a shape rule of its own.
template <class Op>
constexpr symbol emit(std::initializer_list<symbol> in, const attributes& at = {}) {
  symbol s[max_operands] = {};
  signature sig[max_operands];
  int ids[max_operands] = {-1, -1, -1, -1}, n = 0;
  for (const symbol& x : in) s[n++] = x;
  builder* b = localize(s, n);
  for (int k = 0; k < n; ++k) {
    if (s[k].id < 0) return {b, -1};
    ids[k] = s[k].id;
    sig[k] = b->at(s[k]).sig();
  }
  // Products and windows of half and bfloat16 are those of floats, which they become while they are read and are rounded
  // from while they are written.
  if constexpr (std::is_same_v<Op, ops::matmul_op> || std::is_same_v<Op, ops::conv2d_op> || std::is_same_v<Op, ops::max_pool_op>)
    if (const dtype type = sig[0].type; (type == dtype::float16 || type == dtype::bfloat16) && (n == 1 || sig[1].type == type)) {
      for (int k = 0; k < n; ++k) s[k] = cast_to(s[k], dtype::float32);
      return cast_to(n == 1 ? emit<Op>({s[0]}, at) : emit<Op>({s[0], s[1]}, at), type);
    }
  failure f;
  const signature out = Op::infer(at, sig, f);
  if (f) {
    b->fail(&info_of<Op>, f);
    return {b, -1};
  }
  return b->add(&info_of<Op>, out, ids, n, at);
}

/// A scalar constant of a dtype.
constexpr symbol constant_of(builder* b, dtype type, double value) {
  attributes at;
  at.f[0] = value;
  if (value >= -0x1p63 && value < 0x1p63) at.i[0] = static_cast<std::int64_t>(value);  // what integers read
  return b->add(&info_of<source::constant>, {type, {}}, {}, at);
}

constexpr symbol count_of(builder* b, dtype type, std::int64_t n);

constexpr double literal_of(const symbol& s) { return s.literal; }
constexpr double literal_of(const hyperparameter& h) { return h.traced.g ? 0 : h.value; }
template <class T>
  requires(std::is_arithmetic_v<T> || is_narrow_v<T>)
constexpr double literal_of(T v) {
  return static_cast<double>(v);
}
constexpr symbol as_symbol(const symbol& s) { return s; }
constexpr symbol as_symbol(const hyperparameter& h) { return h.traced.g ? h.traced : symbol(h.value); }
template <class T>
  requires(std::is_arithmetic_v<T> || is_narrow_v<T>)
constexpr symbol as_symbol(T v) {
  return symbol(static_cast<double>(v));
}
template <class T>
constexpr bool is_integer_literal = std::is_integral_v<T> && !std::is_same_v<T, bool>;

/// Element-wise application while tracing: numbers become constants of the other operands' dtype, operands broadcast.
struct symbolic_front_end {
  static constexpr bool traced = true;
  static constexpr bool failed(const symbol& x) { return x.id < 0; }
  /// Applies an op that has a shape rule of its own.
  template <class Op>
  static constexpr symbol emit(std::initializer_list<symbol> in, const attributes& at) {
    return graph::emit<Op>(in, at);
  }
  /// Applies an op whose result is known.
  template <class Op>
  static constexpr symbol add(const signature& out, std::initializer_list<symbol> in, const attributes& at = {}) {
    return add_node(&info_of<Op>, out, in, at);
  }
  template <class Op>
  static constexpr symbol fail(const failure& f, const symbol& x) {
    x.g->fail(&info_of<Op>, f);
    return {x.g, -1};
  }
  static constexpr symbol constant(const symbol& like, dtype type, double number) {
    return constant_of(like.g, type, number);
  }
  /// n as a scalar of x's dtype; a run-time value where n is a multiple of the batch.
  static constexpr symbol count(const symbol& x, std::int64_t n) { return count_of(x.g, x.type(), n); }
  template <class = void>
  static constexpr symbol cast(const symbol& x, dtype type) {
    return graph::cast_to(x, type);
  }
  /// 0, 1, ... n - 1.
  static constexpr symbol range(const symbol& like, dtype type, std::int64_t n) {
    return like.g->add(&info_of<source::range>, {type, {n}}, {});
  }
  /// Op's result, then the further ones that its kernel gives.
  template <class Op, class... Further>
  static constexpr std::array<symbol, 1 + sizeof...(Further)> emit_all(std::initializer_list<symbol> in, const attributes& at) {
    const symbol first = graph::emit<Op>(in, at);
    std::array<symbol, 1 + sizeof...(Further)> all;
    for (symbol& s : all) s = first;
    if (first.id < 0) return all;
    signature sig[max_operands];
    int n = 0, k = 1;
    for (const symbol& x : in) sig[n++] = {x.type(), x.shape()};
    const auto add_one = [&]<class F>(F) {
      symbol x[max_operands] = {first};
      int ids[max_operands] = {first.id, -1, -1, -1}, count = 1;
      for (int o : F::operands) x[count++] = in.begin()[o];
      localize(x, count);
      for (int j = 1; j < count; ++j) ids[j] = x[j].id;
      return first.g->add(&info_of<F>, F::infer(at, sig), ids, count, at);
    };
    ((all[static_cast<std::size_t>(k++)] = add_one(Further{})), ...);
    return all;
  }
  template <class Op>
  static constexpr symbol second_result(const symbol& first, const signature& out, std::initializer_list<symbol>) {
    return add_node(&info_of<Op>, out, {first});
  }

  template <class Op, class... A>
  static constexpr symbol apply(const A&... operands) {
    constexpr int n = sizeof...(A);
    static_assert(n == Op::arity, "wrong number of operands");
    symbol s[static_cast<std::size_t>(n)] = {as_symbol(operands)...};
    builder* b = localize(s, n);
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
    tensor_shape shape = b->at(s[0]).shape;
    bool ok = true, spread = false;
    dtype types[3] = {b->at(s[0]).type, dtype::invalid, dtype::invalid};
    for (int k = 1; k < n; ++k) {
      const node& x = b->at(s[k]);
      types[k] = x.type;
      if (!(x.shape == shape)) shape = broadcast_shape(shape, x.shape, ok), spread = true;
      const int other = types[0] == dtype::boolean && n == 3 ? 1 : 0;
      if (ok && (k <= other || types[k] == types[other])) continue;
      failure f;
      if (!ok) f.set("shapes do not broadcast", "trailing dimensions must be equal or 1", b->at(s[0]).sig(), x.sig());
      else f.set("dtypes differ", "cast one operand", b->at(s[other]).sig(), x.sig());
      b->fail(&info_of<Op>, f);
      return {b, -1};
    }
    int ids[3] = {-1, -1, -1};
    for (int k = 0; k < n; ++k) ids[k] = spread ? broadcast_to(s[k], shape).id : s[k].id;
    return b->add(&info_of<Op>, {result_dtype<Op>(types), shape}, ids, n, {});
  }
};

}  // namespace graph

constexpr tensor_shape symbol::shape() const { return id < 0 ? tensor_shape{} : g->at(*this).shape; }
constexpr dtype symbol::type() const { return id < 0 ? dtype::invalid : g->at(*this).type; }

namespace graph {
/// The elements as another dtype; nothing to do for the same.
template <class>
constexpr symbol cast_to(symbol x, dtype type) {
  if (x.id < 0 || x.type() == type) return x;
  return visit_dtype(type, [&](auto t) { return cast<typename decltype(t)::type>(x); }, "cast");
}

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
/// The number of a random op, by which its random numbers differ from those of others and, within a loop, from iteration
/// to iteration.
template <class = void>
constexpr symbol random_stream(builder* b) {
  builder& root = b->root();
  const symbol number = constant_of(b, dtype::int64, root.random_ops++);
  return root.inner == nullptr ? number : number + parameter(b, dtype::int64, -4);
}
}  // namespace graph

}  // namespace rill

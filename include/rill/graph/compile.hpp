// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// From a model type to constants: `compiled<Model, Inputs...>` traces the model, runs the passes inside the compiler and
/// leaves behind flat tables (steps, operands, lets, outputs, slots, variables) and, for each step, the canonical program
/// type that its kernel is instantiated on. A model that does not fit is one static_assert whose text names the op, the
/// scope and the shapes.

#include <array>
#include <string>
#include <utility>

#include "../core/reflect.hpp"
#include "../core/tensor.hpp"
#include "../expr/registers.hpp"
#include "../ops/cast.hpp"
#include "../ops/comparison.hpp"
#include "../ops/loops.hpp"
#include "../ops/select.hpp"
#include "../ops/unary.hpp"
#include "differentiate.hpp"
#include "plan.hpp"
#include "schedule.hpp"
#include "sparse_update.hpp"

namespace rill::graph {

// ---- op types --------------------------------------------------------------------------------------------------------

template <class... Ops>
using op_list = expr::list<Ops...>;

/// The ops that most models are made of, and all that are not element-wise and bring no kernel of their own.
using library_ops =
    op_list<ops::add, ops::sub, ops::mul, ops::div, ops::floor_div, ops::floor_mod, ops::maximum, ops::minimum,
            ops::pow, ops::squared_difference, ops::neg, ops::abs, ops::sign, ops::square, ops::sqrt, ops::rsqrt,
            ops::reciprocal, ops::exp, ops::expm1, ops::log, ops::log1p, ops::sin, ops::cos, ops::tanh, ops::sigmoid,
            ops::relu, ops::relu6, ops::elu, ops::softplus, ops::softsign, ops::floor, ops::ceil, ops::round,
            ops::erf, ops::logical_not, ops::is_nan, ops::is_inf, ops::is_finite, ops::equal, ops::not_equal,
            ops::less, ops::less_equal, ops::greater, ops::greater_equal, ops::logical_and, ops::logical_or,
            ops::logical_xor, ops::select, ops::cast<float>, ops::cast<double>, ops::cast<std::int32_t>,
            ops::cast<std::int64_t>, ops::cast<std::uint8_t>, ops::cast<bool>, ops::cast<half>, ops::cast<bfloat16>,
            ops::cast<std::int8_t>, ops::cast<std::int16_t>, ops::cast<std::uint16_t>, ops::cast<std::uint32_t>,
            ops::cast<std::uint64_t>, ops::cast<std::complex<float>>, ops::cast<std::complex<double>>,
            ops::random_uniform, op::copy,
            ops::matmul_op, ops::conv2d_op, ops::conv2d_backprop_input_op, ops::conv2d_backprop_filter_op,
            ops::max_pool_op, ops::max_pool_grad_op, ops::softmax_op, ops::sparse_softmax_cross_entropy_op,
            ops::softmax_cross_entropy_backprop_op, reduce_op<ops::sum>, reduce_op<ops::prod>, reduce_op<ops::max>,
            reduce_op<ops::min>, reduce_op<ops::any>, reduce_op<ops::all>, arg_reduce_op<ops::argmax>,
            arg_reduce_op<ops::argmin>, op::transpose, op::reshape, op::broadcast_in_dim, op::stop_gradient,
            op::assign, op::loop, op::branch, source::variable, source::input, source::constant>;

/// The other element-wise ops. Only a model that uses one of them looks into this list, so that it costs nobody else
/// anything to compile; an op of none of the lists is named by its model (`using ops = op_list<...>`).
using rarer_ops =
    op_list<ops::exp2, ops::log2, ops::log10, ops::cbrt, ops::tan, ops::asin, ops::acos, ops::atan, ops::sinh, ops::cosh,
            ops::asinh, ops::acosh, ops::atanh, ops::erfc, ops::rint, ops::trunc, ops::selu, ops::invert,
            ops::population_count, ops::count_leading_zeros, ops::python_div, ops::true_div, ops::truncate_div,
            ops::truncate_mod, ops::div_no_nan, ops::xlogy, ops::xlog1py, ops::xdivy, ops::atan2, ops::hypot,
            ops::next_after, ops::bitwise_and, ops::bitwise_or, ops::bitwise_xor, ops::left_shift, ops::right_shift,
            ops::shift_right_logical, ops::clamp, ops::lgamma, ops::digamma, ops::polygamma, ops::zeta, ops::igamma,
            ops::igammac, ops::betainc, ops::erfinv, ops::ndtri, ops::ndtr, ops::bessel_i0e, ops::bessel_i1e, ops::real,
            ops::imag, ops::conj, ops::angle, ops::complex_abs, ops::complex>;

namespace detail {
template <class Model>
struct ops_of {
  using type = library_ops;
};
template <class A, class B>
struct joined;
template <class... A, class... B>
struct joined<op_list<A...>, op_list<B...>> {
  using type = op_list<A..., B...>;
};
template <class Model>
  requires requires { typename Model::ops; }
struct ops_of<Model> {
  using type = typename joined<library_ops, typename Model::ops>::type;
};

}  // namespace detail

// ---- from the trace to tables ----------------------------------------------------------------------------------------

/// A model or optimizer whose fields include hyperparameters says so by `static constexpr bool tunable = true;`.
template <class T>
concept tunable = requires { requires T::tunable; };

/// Calls f on each hyperparameter field, depth first, in order of declaration.
template <class M, class F>
constexpr void for_each_hyperparameter(M& m, F&& f) {
  if constexpr (std::is_same_v<std::remove_const_t<M>, hyperparameter>) f(m);
  else if constexpr (tunable<std::remove_const_t<M>>)
    for_each_field(m, [&](auto& field) { for_each_hyperparameter(field, f); });
}

template <class T>
struct input_signature;
template <class T, std::int64_t... E>
struct input_signature<tensor<T, E...>> {
  static constexpr signature value() { return {dtype_v<T>, tensor_shape{E...}}; }
};

/// Model with values of its own fed from outside, as TensorFlow feeds any tensor: the last inputs of a session stand for
/// what the model calls named("...", x), in this order, and nothing is computed that only those values needed.
///
///   graph::session<graph::feeding<net, "hidden">, tensor<float, dyn, 784>, tensor<float, dyn, 500>> s;
template <class Model, output_name... Names>
struct feeding : Model {
  template <class... In>
  constexpr auto operator()(In... in) const {
    constexpr std::size_t own = sizeof...(In) - sizeof...(Names);
    static_assert(sizeof...(In) >= sizeof...(Names), "feeding: an input is missing for a name");
    const symbol all[] = {in...};
    std::size_t k = own;
    ((all[k].g->fed.push_back({name_buffer(Names.view()), all[k].id}), ++k), ...);
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return static_cast<const Model&>(*this)(all[I]...);
    }(std::make_index_sequence<own>{});
  }
};

namespace detail {
template <class Model, class... Inputs>
using returned_t = decltype(std::declval<const Model&>()((static_cast<void>(sizeof(Inputs)), symbol{})...));

/// Fetches of what a model returned, numbered where they have no name.
template <class R>
constexpr void append_fetches(builder& b, const R& r) {
  if constexpr (::rill::detail::is_nest<R>) {
    std::apply([&](const auto&... m) { (append_fetches(b, m), ...); }, r);
  } else if constexpr (requires { r.list; }) {
    for (const named_output& o : r.list) b.fetches.push_back({name_buffer(o.name), o.value.id, o.is_op});
  } else if constexpr (requires { r.id; }) {
    name_buffer name("output");
    if (!b.fetches.empty()) name.append("_").append_number(static_cast<std::int64_t>(b.fetches.size()));
    b.fetches.push_back({name, r.id, false});
  } else {
    b.fetches.push_back({name_buffer("train"), -1, true});
  }
}
}  // namespace detail

/// Traces a model over inputs of the given tensor types; also callable at run time, where a graph is wanted for a picture.
/// A model returns a symbol, an operation, outputs(...), or these nested in std::tuple and std::array.
template <class Model, class... Inputs>
constexpr builder trace(builder::gradient_function average_gradients = nullptr) {
  builder b;
  b.average_gradients = average_gradients;
  b.nodes.reserve(512);  // moving them all when there are more costs the compiler most
  b.variables.reserve(64);
  if constexpr (requires { requires Model::training; }) b.training = true;
  Model model{};
  int count = 0;
  for_each_hyperparameter(model, [&](hyperparameter& h) { h.traced = parameter(&b, dtype::float32, count++); });
  int position = 0;
  const auto feed = [&](const signature& s) {
    attributes at;
    at.i[0] = position++;
    return b.add(&info_of<source::input>, s, {}, at);
  };
  const symbol in[] = {feed(input_signature<Inputs>::value())..., symbol{}};
  const auto result = [&]<std::size_t... I>(std::index_sequence<I...>) { return model(in[I]...); }
  (std::make_index_sequence<sizeof...(Inputs)>{});
  detail::append_fetches(b, result);
  return b;
}

/// Everything the passes produce, with vectors; what compiled<> freezes.
struct image {
  builder b;
  fusion f;
  lowered l;
};
/// The passes in order. Gradients are part of the trace: a model asks for them while it is traced.
enum class pass : std::uint8_t { traced, simplified, fused, lowered, scheduled, planned };

/// Runs the passes up to and with the last one asked for.
template <class = void>
constexpr image run_passes(builder b, double shortest_of_pair = shortest_side, pass last = pass::planned) {
  image i;
  i.b = std::move(b);
  if (i.b.first_failure || last == pass::traced) return i;
  simplify(i.b);
  if (last == pass::simplified) return i;
  i.f = fuse(i.b);
  if (last == pass::fused) return i;
  i.l = lower(i.b, i.f);
  update_rows_only(i.l);
  if (last == pass::lowered) return i;
  schedule(i.l, shortest_of_pair);
  if (last != pass::scheduled) plan(i.l);
  return i;
}

// ---- frozen tables -----------------------------------------------------------------------------------------------------

struct frozen_program {
  int input = 0, inputs = 0, let = 0, lets = 0, output = 0, outputs = 0;
};
struct frozen_let {
  int op = -1;           ///< index among the model's ops, -1 for one of rarer_ops
  std::string_view name;
  std::uint64_t id = 0;  ///< that op's
  int arity = 0;
  int args[max_operands] = {};
};
struct frozen_step {
  group_kind kind = group_kind::map;
  int op = -1;                    ///< index among the model's ops; -1 for an op that brings its own kernel
  std::string_view name;          ///< the root's
  void (*run)(const attributes&, const operand_memory*, const result_memory&) = nullptr;  ///< that op's kernel
  int arity = 0;                  ///< and its number of operands
  int control = -1;               ///< the loop or branch that it is
  int root = -1;
  int group = -1;                 ///< of the nodes that it computes
  std::int64_t flops = 0;         ///< of the root; -k is k times the batch
  attributes attr;
  dtype type = dtype::invalid;
  signature in[max_operands];
  signature out;
  input_desc operands[max_operands];
  int rank = 0;
  std::int64_t extents[max_rank] = {};
  unsigned reduced = 0;
  int parts = 1;
  frozen_program program, prologue_a, prologue_b;
  bool has_prologue_a = false, has_prologue_b = false;
  bool beside = false;            ///< may run at the same time as the next one
  work_estimate work;
  bool deferred = false;          ///< not run: what reads it does with its operands
};
/// A node for files and pictures: what an op is, without what the compiler does with it. (A pointer to its op_info would
/// put all gradients into the program.)
struct frozen_node {
  std::uint64_t id = 0;  ///< id_of<Op>
  std::string_view name;
  op_kind kind = op_kind::source;
  dtype type = dtype::invalid;
  tensor_shape shape;
  int in[max_operands] = {-1, -1, -1, -1};
  int arity = 0;
  int scope = 0;
  double f = 0;        ///< attributes f[0] and i[0]: a constant's value, a variable's number
  std::int64_t i = 0;
};
struct frozen_fetch {
  name_buffer name;
  bool is_op = false;
  memory_ref memory;
  dtype type = dtype::invalid;
  tensor_shape shape;
};

struct table_sizes {
  std::size_t steps = 0, inputs = 0, lets = 0, outputs = 0, scalars = 0, ranges = 0, slots = 0, variables = 0, fetches = 0;
  std::size_t nodes = 0, scopes = 0;
  std::size_t controls = 0, copies = 0, rows = 0, stacks = 0, regions = 0, loops = 0;  // of control flow
};

template <table_sizes N>
struct table {
  std::array<frozen_step, N.steps> steps{};
  std::array<input_desc, N.inputs> inputs{};
  std::array<frozen_let, N.lets> lets{};
  std::array<output_desc, N.outputs> outputs{};
  std::array<scalar_desc, N.scalars> scalars{};
  std::array<range_desc, N.ranges> ranges{};
  std::array<slot_desc, N.slots> slots{};
  std::array<variable_decl, N.variables> variables{};
  std::array<frozen_fetch, N.fetches> fetches{};
  std::array<frozen_node, N.nodes> nodes{};          ///< the simplified graph, for files and pictures
  std::array<int, N.nodes> group_of{};        ///< the kernel that computes each node, or -1
  std::array<name_buffer, N.scopes> scopes{};
  std::int64_t fixed_bytes = 0, row_bytes = 0;
  std::size_t own_steps = 0;  ///< the model's own steps, the first ones; the others belong to bodies of control flow
  std::array<control_desc, N.controls> controls{};
  std::array<copy_desc, N.copies> copies{};
  std::array<row_desc, N.rows> rows{};
  std::array<stack_desc, N.stacks> stacks{};
  std::array<region_desc, N.regions> regions{};
};

/// The first failure of a trace, as a constant.
struct frozen_failure {
  failure what;
  int op = -1;                ///< index among the model's ops, or -1
  std::string_view op_name;
  name_buffer scope, name;
};

template <std::size_t N>
struct fixed_text {
  char text[N + 1] = {};
};

namespace detail {

template <class... T>
struct ids {  // a class for nvcc's sake, which does not read a variable template here
  static constexpr std::uint64_t value[sizeof...(T)] = {make_id<T>()...};
};
template <class... T>
constexpr int find_id(op_list<T...>, std::uint64_t id) {
  for (int k = 0; k < static_cast<int>(sizeof...(T)); ++k)
    if (ids<T...>::value[k] == id) return k;
  return -1;
}
template <class Ops>
constexpr int find_op(Ops list, const op_info* op) {
  return find_id(list, op->id);
}

/// An op as a type again: by its place among the model's ops or, where that is -1, as one of the rarer ones.
template <class Ops, int K, std::uint64_t Id>
struct op_type {
  using type = expr::detail::at<Ops, K>;
};
template <class Ops, std::uint64_t Id>
struct op_type<Ops, -1, Id> {
  static constexpr int place = find_id(rarer_ops{}, Id);
  static_assert(place >= 0, "the model uses an op that no list has: name it in `using ops = graph::op_list<...>` of the model");
  using type = expr::detail::at<rarer_ops, place < 0 ? 0 : place>;
};

template <class = void>
constexpr table_sizes sizes_of(const image& im) {
  table_sizes n;
  n.steps = im.l.steps.size();
  for (const auto& s : im.l.steps)
    for (const auto* p : {&s.program, &s.prologue_a, &s.prologue_b})
      n.inputs += p->inputs.size(), n.lets += p->lets.size(), n.outputs += p->outputs.size();
  n.scalars = im.l.scalars.size(), n.ranges = im.l.ranges.size(), n.slots = im.l.slots.size();
  n.variables = im.b.variables.size(), n.fetches = im.l.fetch_memory.size();
  n.nodes = im.b.nodes.size(), n.scopes = im.b.scopes.size();
  n.controls = im.l.controls.size(), n.copies = im.l.copies.size(), n.rows = im.l.rows.size(), n.stacks = im.l.stacks.size();
  n.regions = im.l.regions.size(), n.loops = static_cast<std::size_t>(im.l.loops);
  return n;
}

/// The image as arrays; N is its sizes, or more.
template <class Ops, table_sizes N>
constexpr table<N> freeze(const image& im) {
  table<N> t;
  const table_sizes n = sizes_of(im);
  std::size_t in = 0, let = 0, out = 0;
  const auto freeze_program = [&](const program_desc& p) {
    frozen_program r;
    r.input = static_cast<int>(in), r.inputs = static_cast<int>(p.inputs.size());
    r.let = static_cast<int>(let), r.lets = static_cast<int>(p.lets.size());
    r.output = static_cast<int>(out), r.outputs = static_cast<int>(p.outputs.size());
    for (const auto& d : each(p.inputs)) t.inputs.data()[in++] = d;
    for (const auto& d : each(p.lets)) {
      frozen_let& l = t.lets.data()[let++];
      l.op = find_op(Ops{}, d.op);
      l.name = d.op->name;
      if (l.op < 0) l.id = d.op->id;
      l.arity = d.arity;
      for (int k = 0; k < max_operands; ++k) l.args[k] = d.args[k];
    }
    for (const auto& d : each(p.outputs)) t.outputs.data()[out++] = d;
    return r;
  };
  for (std::size_t s = 0; s < n.steps; ++s) {
    const step_desc& d = im.l.steps[s];
    frozen_step& r = t.steps[s];
    r.kind = d.kind;
    r.root = d.root;
    r.group = d.group;
    r.flops = d.op && d.op->flops ? d.op->flops(d.attr, d.in) : 0;
    r.op = d.op ? find_op(Ops{}, d.op) : -1;
    if (d.op) r.name = d.op->name;
    r.run = d.op ? d.op->run : nullptr;
    r.arity = d.n_operands;
    r.control = d.control;
    r.attr = d.attr, r.type = d.type, r.out = d.out;
    for (int k = 0; k < max_operands; ++k) r.in[k] = d.in[k], r.operands[k] = d.operands[k];
    r.rank = d.rank, r.reduced = d.reduced, r.parts = d.parts;
    for (int k = 0; k < max_rank; ++k) r.extents[k] = d.extents[k];
    r.program = freeze_program(d.program);
    r.prologue_a = freeze_program(d.prologue_a);
    r.prologue_b = freeze_program(d.prologue_b);
    r.has_prologue_a = d.has_prologue_a, r.has_prologue_b = d.has_prologue_b, r.deferred = d.deferred;
    r.beside = d.beside, r.work = d.work;
  }
  for (std::size_t k = 0; k < n.scalars; ++k) t.scalars[k] = im.l.scalars[k];
  for (std::size_t k = 0; k < n.ranges; ++k) t.ranges[k] = im.l.ranges[k];
  for (std::size_t k = 0; k < n.slots; ++k) t.slots[k] = im.l.slots[k];
  for (std::size_t k = 0; k < n.variables; ++k) t.variables[k] = im.b.variables[k];
  for (std::size_t k = 0; k < n.fetches; ++k) {
    const auto& f = im.b.fetches[k];
    t.fetches[k].name = f.name, t.fetches[k].is_op = f.is_op, t.fetches[k].memory = im.l.fetch_memory[k];
    if (f.node >= 0) {
      const node& fetched = im.b.nodes[static_cast<std::size_t>(f.node)];
      t.fetches[k].type = fetched.type, t.fetches[k].shape = fetched.shape;
    }
  }
  const node* from = im.b.nodes.data();
  const int* group_of = im.f.group_of.data();
  frozen_node* to = t.nodes.data();
  int* group_to = t.group_of.data();
  for (std::size_t k = 0; k < n.nodes; ++k) {
    const node& d = from[k];
    to[k] = {d.op->id, d.op->name, d.op->kind, d.type, d.shape, {d.in[0], d.in[1], d.in[2], d.in[3]}, d.arity, d.scope, d.attr.f[0], d.attr.i[0]};
    group_to[k] = group_of[k];
  }
  for (std::size_t k = 0; k < n.scopes; ++k) t.scopes[k] = im.b.scopes[k];
  t.fixed_bytes = im.l.fixed_bytes, t.row_bytes = im.l.row_bytes;
  t.own_steps = static_cast<std::size_t>(im.l.own_steps);
  for (std::size_t k = 0; k < n.controls; ++k) t.controls[k] = im.l.controls[k];
  for (std::size_t k = 0; k < n.copies; ++k) t.copies[k] = im.l.copies[k];
  for (std::size_t k = 0; k < n.rows; ++k) t.rows[k] = im.l.rows[k];
  for (std::size_t k = 0; k < n.stacks; ++k) t.stacks[k] = im.l.stacks[k];
  for (std::size_t k = 0; k < n.regions; ++k) t.regions[k] = im.l.regions[k];
  return t;
}

/// Room for the tables of all but the largest models (some 3,000 nodes), so that one run of the passes gives sizes and
/// contents: room that is not used costs the compilers nothing, a second run as much as the first.
inline constexpr table_sizes roomy{512, 2560, 2048, 1024, 384, 16, 1024, 640, 32, 4096, 512, 16, 32, 64, 16, 32, 16};

constexpr bool fits_in(const table_sizes& n, const table_sizes& room) {
  return n.steps <= room.steps && n.inputs <= room.inputs && n.lets <= room.lets && n.outputs <= room.outputs &&
         n.scalars <= room.scalars && n.ranges <= room.ranges && n.slots <= room.slots && n.variables <= room.variables &&
         n.fetches <= room.fetches && n.nodes <= room.nodes && n.scopes <= room.scopes && n.controls <= room.controls &&
         n.copies <= room.copies && n.rows <= room.rows && n.stacks <= room.stacks && n.regions <= room.regions && n.loops <= room.loops;
}

/// The first elements of each array.
template <table_sizes N, table_sizes Room>
constexpr table<N> shrink(const table<Room>& t) {
  table<N> r;
  const auto copy = []<class T, std::size_t Count>(std::array<T, Count>& to, const auto& from) {
    if constexpr (Count > 0) {
      T* d = to.data();
      const T* s = from.data();
      for (std::size_t k = 0; k < Count; ++k) d[k] = s[k];
    }
  };
  copy(r.steps, t.steps), copy(r.inputs, t.inputs), copy(r.lets, t.lets), copy(r.outputs, t.outputs);
  copy(r.scalars, t.scalars), copy(r.ranges, t.ranges), copy(r.slots, t.slots), copy(r.variables, t.variables);
  copy(r.fetches, t.fetches), copy(r.nodes, t.nodes), copy(r.group_of, t.group_of), copy(r.scopes, t.scopes);
  copy(r.controls, t.controls), copy(r.copies, t.copies), copy(r.rows, t.rows), copy(r.stacks, t.stacks), copy(r.regions, t.regions);
  r.fixed_bytes = t.fixed_bytes, r.row_bytes = t.row_bytes, r.own_steps = t.own_steps;
  return r;
}

}  // namespace detail

// ---- what the compiler says when a model does not fit ------------------------------------------------------------------

/// Shape of an operand in a diagnostic; -1 is the batch.
template <std::int64_t... Dims>
struct shape {};
template <class... Shapes>
struct got {};
/// The reason in words (`text` of the constant).
template <fixed_text Why>
struct because {};
template <fixed_text Where>
struct in_scope {};
/// An op that has no place among the model's ops, by its name.
template <fixed_text Name>
struct op_named {};

/// Named in the compiler's output when a model's shapes do not fit: the op, the shapes it got, the reason and the scope.
template <class Op, class Got, class Because, class Scope>
struct model_does_not_fit {
  static constexpr bool value = false;
};

/// The passes for the CPU. What compiles for other machines names passes of its own.
struct cpu_passes {
  template <class = void>  // compiled for programs that have a model
  static constexpr image run(builder b) { return run_passes(std::move(b)); }
};

/// The constants of a model over inputs of the given types.
template <class Passes, class Model, class... Inputs>
struct basic_compiled {
  using ops = typename detail::ops_of<Model>::type;

  /// How gradients are averaged over towers, where the passes say so.
  static constexpr builder::gradient_function average_gradients() {
    if constexpr (requires { Passes::average_gradients; }) return Passes::average_gradients;
    else return nullptr;
  }

 private:
  struct summary {
    table_sizes sizes;
    frozen_failure why;
    bool single_output = false;
    table<detail::roomy> contents;  ///< when they fit
  };
  static constexpr summary summarize() {
    const image im = Passes::run(trace<Model, Inputs...>(average_gradients()));
    summary s;
    s.single_output = im.b.fetches.size() == 1 && im.b.fetches[0].name.view() == "output";
    if (im.b.first_failure) {
      s.why.what = im.b.first_failure;
      s.why.op = detail::find_op(ops{}, im.b.failed_op);
      s.why.op_name = im.b.failed_op->name;
      s.why.scope = im.b.scopes[static_cast<std::size_t>(im.b.failed_scope)];
      s.why.name = im.b.failed_name;
    } else {
      s.sizes = detail::sizes_of(im);
      if (detail::fits_in(s.sizes, detail::roomy)) s.contents = detail::freeze<ops, detail::roomy>(im);
    }
    return s;
  }
  static constexpr summary summary_ = summarize();

  template <int K, std::size_t... I>
  static auto dims_of(std::index_sequence<I...>) -> shape<summary_.why.what.got[K].shape[static_cast<int>(I)]...>;
  template <int K>
  using shape_of =
      decltype(dims_of<K>(std::make_index_sequence<static_cast<std::size_t>(summary_.why.what.got[K].shape.rank())>{}));

  static constexpr std::size_t length(const char* s) {
    std::size_t n = 0;
    while (s != nullptr && s[n] != 0) ++n;
    return n;
  }
  static constexpr auto why_text() {
    constexpr const char* p = summary_.why.what.problem;
    constexpr const char* c = summary_.why.what.cure;
    fixed_text<length(p) + length(c) + 2> t;
    std::size_t k = 0;
    for (std::size_t i = 0; i < length(p); ++i) t.text[k++] = p[i];
    if (length(c) > 0) t.text[k++] = ';', t.text[k++] = ' ';
    for (std::size_t i = 0; i < length(c); ++i) t.text[k++] = c[i];
    return t;
  }
  static constexpr auto op_text() {
    fixed_text<summary_.why.op_name.size()> t;
    for (std::size_t k = 0; k < summary_.why.op_name.size(); ++k) t.text[k] = summary_.why.op_name[k];
    return t;
  }
  template <int K>
  static auto failed_op_type() -> expr::detail::at<ops, K>;
  template <int K>
    requires(K < 0)
  static auto failed_op_type() -> op_named<op_text()>;
  template <int K>
  using failed_op = decltype(failed_op_type<K>());
  static constexpr auto scope_text() {
    constexpr std::size_t n = static_cast<std::size_t>(summary_.why.scope.size + summary_.why.name.size);
    fixed_text<n + 1> t;
    std::size_t k = 0;
    for (char c : summary_.why.scope.view()) t.text[k++] = c;
    for (char c : summary_.why.name.view()) t.text[k++] = c;
    return t;
  }

 public:
  static constexpr bool fits = !summary_.why.what;
  /// Whether the model returns a plain value rather than `outputs(...)`.
  static constexpr bool single_output = summary_.single_output;
  static constexpr frozen_failure why = summary_.why;

  /// Fails to compile, naming the reason, when the model does not fit.
  static constexpr void require() {
    if constexpr (!fits) {
      using op_type = failed_op<summary_.why.op>;
      if constexpr (summary_.why.what.n_got == 2)
        static_assert(model_does_not_fit<op_type, got<shape_of<0>, shape_of<1>>, because<why_text()>, in_scope<scope_text()>>::value,
                      "the model's shapes do not fit: see the op, the shapes it got (-1 is the batch) and the reason above");
      else
        static_assert(model_does_not_fit<op_type, got<shape_of<0>>, because<why_text()>, in_scope<scope_text()>>::value,
                      "the model's shapes do not fit: see the op, the shape it got (-1 is the batch) and the reason above");
    }
  }

  static constexpr std::size_t loop_count = summary_.sizes.loops;

 private:
  static constexpr auto frozen_ = [] {
    if constexpr (detail::fits_in(summary_.sizes, detail::roomy)) return detail::shrink<summary_.sizes>(summary_.contents);
    else return detail::freeze<ops, summary_.sizes>(Passes::run(trace<Model, Inputs...>(average_gradients())));
  }();

 public:
  /// A reference: clang writes a static member's constant once for each place that names it.
  static constexpr const auto& tables = frozen_;
};

template <class Model, class... Inputs>
using compiled = basic_compiled<cpu_passes, Model, Inputs...>;

// ---- canonical program types --------------------------------------------------------------------------------------------

namespace detail {

constexpr expr::walk walk_of(const input_desc& d, group_kind kind, int rank) {
  if (kind == group_kind::opaque) return d.linear ? expr::walk::contiguous : expr::walk::constant;  // read as a stream
  const std::int64_t inner = kind == group_kind::tile ? d.strides[1] : rank == 0 ? 0 : d.strides[rank - 1];
  return inner == 1 ? expr::walk::contiguous : inner == 0 ? expr::walk::constant : expr::walk::strided;
}

template <class C, frozen_program F, group_kind Kind, int Rank>
struct program_type {
  template <std::size_t I>
  static constexpr const input_desc& input = C::tables.inputs[static_cast<std::size_t>(F.input) + I];
  template <std::size_t I>
  static constexpr const output_desc& output = C::tables.outputs[static_cast<std::size_t>(F.output) + I];

  template <std::size_t L, std::size_t... A>
  static auto make_let(std::index_sequence<A...>)
      -> expr::let<typename op_type<typename C::ops, C::tables.lets[static_cast<std::size_t>(F.let) + L].op,
                                    C::tables.lets[static_cast<std::size_t>(F.let) + L].id>::type,
                   C::tables.lets[static_cast<std::size_t>(F.let) + L].args[A]...>;
  template <std::size_t L>
  using let_at = decltype(make_let<L>(
      std::make_index_sequence<static_cast<std::size_t>(C::tables.lets[static_cast<std::size_t>(F.let) + L].arity)>{}));

  template <std::size_t... I, std::size_t... L, std::size_t... O>
  static auto make(std::index_sequence<I...>, std::index_sequence<L...>, std::index_sequence<O...>)
      -> expr::program<expr::list<expr::in<type_of_t<input<I>.type>, walk_of(input<I>, Kind, Rank)>...>,
                       expr::list<let_at<L>...>, expr::list<expr::out<type_of_t<output<O>.type>, output<O>.value>...>>;
  using type = decltype(make(std::make_index_sequence<static_cast<std::size_t>(F.inputs)>{},
                             std::make_index_sequence<static_cast<std::size_t>(F.lets)>{},
                             std::make_index_sequence<static_cast<std::size_t>(F.outputs)>{}));
};

}  // namespace detail

}  // namespace rill::graph

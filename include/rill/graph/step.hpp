// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Runs one step of a compiled model: binds pointers and strides, then calls the kernel of the step's canonical program.
/// Everything but the batch is a constant here; what differs from step to step is this thin binding, not the kernel.

#include <cstring>
#include <new>
#include <span>
#include <string>

#include "../kernel/batch_matmul.hpp"
#include "../kernel/convolution.hpp"
#include "../kernel/map.hpp"
#include "../kernel/matmul.hpp"
#include "../kernel/pooling.hpp"
#include "../kernel/reduce.hpp"
#include "../kernel/row_update.hpp"
#include "../kernel/softmax.hpp"
#include "../kernel/tile.hpp"
#include "compile.hpp"

namespace rill::graph {

/// The tables of a compiled model that are read at run time, without their sizes in the type.
struct table_view {
  std::span<const input_desc> inputs = {};
  std::span<const output_desc> outputs = {};
  std::span<const scalar_desc> scalars = {};
  std::span<const range_desc> ranges = {};
  std::span<const slot_desc> slots = {};
  std::span<const variable_decl> variables = {};
  std::span<const frozen_fetch> fetches = {};
  std::span<const control_desc> controls = {};
  std::span<const copy_desc> copies = {};
  std::span<const row_desc> rows = {};
  std::span<const stack_desc> stacks = {};
  std::int64_t fixed_bytes = 0, row_bytes = 0;

  table_view() = default;
  template <table_sizes N>
  constexpr explicit table_view(const table<N>& t)
      : inputs(t.inputs), outputs(t.outputs), scalars(t.scalars), ranges(t.ranges), slots(t.slots), variables(t.variables),
        fetches(t.fetches), controls(t.controls), copies(t.copies), rows(t.rows), stacks(t.stacks), fixed_bytes(t.fixed_bytes), row_bytes(t.row_bytes) {}
};

class trace_log;
struct graph_view;

/// Who is told what a traced run does: a trace_log (graph/trace_log.hpp), of which a session knows no more than this.
class tracer {
 public:
  virtual void begin_run(const graph_view& g, std::int64_t batch) = 0;
  virtual void begin(std::size_t step) = 0;
  virtual void end() = 0;
  virtual void end_run() = 0;
  /// Itself.
  virtual trace_log& log() = 0;

 protected:
  tracer() = default;
  tracer(const tracer&) = default;
  tracer& operator=(const tracer&) = default;
  ~tracer() = default;
};

/// Where a loop is.
struct loop_state {
  std::int64_t row = 0;         ///< of this iteration
  std::int64_t iterations = 0;  ///< made so far
  std::uint64_t stream = 0;     ///< a number of this iteration, whatever its loop is inside of
};
/// Memory of a stack whose height is not known before.
struct stack_state {
  unsigned char* data = nullptr;
  std::int64_t capacity = 0;  ///< bytes: a row may have more of them at the next batch

  stack_state() = default;
  stack_state(const stack_state&) = delete;
  stack_state& operator=(const stack_state&) = delete;
  ~stack_state() { ::operator delete(data, std::align_val_t{64}); }
  /// Rows to have room for where `wanted` are too many.
  [[nodiscard]] std::int64_t rows_for(std::int64_t wanted, std::int64_t row_bytes) const {
    const std::int64_t held = row_bytes > 0 ? capacity / row_bytes : 0, rows = held < 16 ? 16 : held * 2;
    return rows < wanted ? wanted : rows;
  }
  /// Makes room for `wanted` rows, keeping `used` of them.
  void reserve(std::int64_t wanted, std::int64_t used, std::int64_t row_bytes) {
    const std::int64_t rows = rows_for(wanted, row_bytes);
    const auto bytes = static_cast<std::size_t>(rows * row_bytes);
    auto* grown = static_cast<unsigned char*>(::operator new(bytes, std::align_val_t{64}, std::nothrow));
    if (grown == nullptr) throw resource_exhausted("while_loop: no memory to keep " + std::to_string(rows) + " iterations of " + std::to_string(row_bytes) + " bytes each for the gradient");
    if (used > 0) std::memcpy(grown, data, static_cast<std::size_t>(used * row_bytes));
    ::operator delete(data, std::align_val_t{64});
    data = grown, capacity = rows * row_bytes;
  }
};

/// Where a session's values lie while a step runs, and the tables that say how steps read them.
struct step_context {
  const void* const* feeds = nullptr;
  void* const* variables = nullptr;
  std::int64_t* scalars = nullptr;  ///< one cell of 16 bytes each
  const void* const* ranges = nullptr;
  unsigned char* fixed = nullptr;
  unsigned char* rows = nullptr;
  std::int64_t batch = 1;
  const table_view* tables = nullptr;
  tracer* trace = nullptr;  ///< who listens, in a traced run
  loop_state* loops = nullptr;
  stack_state* stacks = nullptr;
  kernel::scratch_memory* sides = nullptr;  ///< of two kernels that run at the same time; none: they never do

  [[nodiscard]] std::int64_t extent(std::int64_t n) const { return n < 0 ? -n * batch : n; }
};

namespace detail {

template <class C, std::size_t S>
inline constexpr const frozen_step& step_of = C::tables.steps[S];

// Binding is the same code for all steps of all models; only what a kernel is instantiated on is a template argument.

inline void* address(const step_context& c, const memory_ref& m) {
  const auto k = static_cast<std::size_t>(m.index);
  switch (m.kind) {
    case memory_ref::slot: {
      const slot_desc& s = c.tables->slots[k];
      return s.per_row ? c.rows + s.offset * c.batch : c.fixed + s.offset;
    }
    case memory_ref::variable: return c.variables[k];
    case memory_ref::feed: return const_cast<void*>(c.feeds[k]);
    case memory_ref::scalar: return c.scalars + 2 * k;
    case memory_ref::range: return const_cast<void*>(c.ranges[k]);
    case memory_ref::row: {
      const row_desc& r = c.tables->rows[k];
      return static_cast<unsigned char*>(address(c, r.stacked)) + c.loops[r.loop].row * c.extent(r.bytes);
    }
    case memory_ref::stack: return c.stacks[k].data;
    default: return nullptr;
  }
}

/// Where input k of a step's program lies, and where output k goes.
inline const void* input_of(const step_context& c, const frozen_step& s, int k) {
  return address(c, c.tables->inputs[static_cast<std::size_t>(s.program.input + k)].memory);
}
inline void* result_of(const step_context& c, const frozen_step& s, int k) {
  return address(c, c.tables->outputs[static_cast<std::size_t>(s.program.output + k)].memory);
}

/// The operand of a contraction: memory, or an expression evaluated while it is read.
template <class C, std::size_t S, int K, class T>
struct operand_type {
  using type = kernel::plain_operand<T>;
};
template <class C, std::size_t S, class T>
  requires(step_of<C, S>.has_prologue_a)
struct operand_type<C, S, 0, T> {
  using type = kernel::operand_reader<typename program_type<C, step_of<C, S>.prologue_a, group_kind::opaque, 1>::type, T>;
};
template <class C, std::size_t S, class T>
  requires(step_of<C, S>.has_prologue_b)
struct operand_type<C, S, 1, T> {
  using type = kernel::operand_reader<typename program_type<C, step_of<C, S>.prologue_b, group_kind::opaque, 1>::type, T>;
};

inline void bind_reader(const step_context& c, const frozen_program& p, std::int64_t columns, const void** in,
                        std::int64_t* outer, std::int64_t* inner) {
  for (int k = 0; k < p.inputs; ++k) {
    const input_desc& d = c.tables->inputs[static_cast<std::size_t>(p.input + k)];
    in[k] = address(c, d.memory), outer[k] = d.linear ? columns : 0, inner[k] = d.linear ? 1 : 0;
  }
}
/// A plain operand or a reader, of whatever machine.
template <class Operand>
void bind_operand(const step_context& c, const frozen_step& s, int k, std::int64_t columns, Operand& o) {
  if constexpr (requires { o.in_outer; }) {
    o.columns = columns;
    bind_reader(c, k == 0 ? s.prologue_a : s.prologue_b, columns, o.in, o.in_outer, o.in_inner);
  } else {
    o.data = static_cast<decltype(o.data)>(address(c, s.operands[k].memory)), o.ld = columns;
  }
}

inline void bind_epilogue(const step_context& c, const frozen_step& s, std::int64_t columns, const void** in,
                          std::int64_t* in_row, std::int64_t* in_column, void** out, std::int64_t* out_row) {
  for (int k = 1; k < s.program.inputs; ++k) {
    const input_desc& d = c.tables->inputs[static_cast<std::size_t>(s.program.input + k)];
    in[k] = address(c, d.memory), in_row[k] = c.extent(d.strides[0]), in_column[k] = c.extent(d.strides[1]);
  }
  for (int k = 0; k < s.program.outputs; ++k) out[k] = result_of(c, s, k), out_row[k] = columns;
}

inline kernel::conv2d_dims convolution_dims(const tensor_shape& x, const tensor_shape& w, const attributes& at,
                                            std::int64_t batch) {
  const window_extent h = ops::conv2d_attributes::height(at, x, w), v = ops::conv2d_attributes::width(at, x, w);
  return {batch, x[1], x[2], x[3], w[0], w[1], h.out, v.out, w[3], at.i[0], at.i[1], h.pad_before, v.pad_before, ops::conv2d_attributes::direct(at)};
}
inline kernel::pool2d_dims pooling_dims(const tensor_shape& x, const attributes& at, std::int64_t batch) {
  const window_extent h = ops::pool_attributes::height(at, x), w = ops::pool_attributes::width(at, x);
  return {batch, x[1], x[2], x[3], at.i[0], at.i[1], h.out, w.out, at.i[2], at.i[3], h.pad_before, w.pad_before};
}

/// A contraction without its programs: what its kernel needs at run time. One function per op and element type serves all
/// steps of all models.
template <class T>
struct contraction {
  const step_context& context;
  const frozen_step& step;
  kernel::detail::operand_ref<T> a, b;
  kernel::detail::tile_sink<T> sink;
};

template <class Root, class T>
[[gnu::noinline]] void run_contraction(const contraction<T>& c) {
  const attributes& at = c.step.attr;
  if constexpr (std::is_same_v<Root, ops::matmul_op>) {
    const bool ta = Root::trans_a(at), tb = Root::trans_b(at);
    const tensor_shape& out = c.step.out.shape;
    kernel::detail::multiply<T>({c.context.extent(out[0]), c.context.extent(out[1]), c.context.extent(c.step.in[0].shape[ta ? 0 : 1]), ta, tb, c.a, c.b, c.sink});
  } else {
    const auto shape = [&](const signature& s) { return s.shape.with_batch(c.context.batch); };
    const tensor_shape in0 = shape(c.step.in[0]), in1 = shape(c.step.in[1]), out = shape(c.step.out);
    if constexpr (std::is_same_v<Root, ops::conv2d_op>) {
      kernel::detail::convolve<T>(convolution_dims(in0, in1, at, in0[0]), c.a, c.b, c.sink);
    } else if constexpr (std::is_same_v<Root, ops::conv2d_backprop_input_op>) {
      kernel::detail::convolve_backprop_input<T>(convolution_dims(out, in0, at, in1[0]), c.b, c.a, c.sink);
    } else {
      static_assert(std::is_same_v<Root, ops::conv2d_backprop_filter_op>);
      kernel::detail::convolve_backprop_filter<T>(convolution_dims(in0, out, at, in0[0]), c.a, c.b, c.sink);
    }
  }
}

/// Elements of one row of an operand as its kernel reads it: an image row, or a matrix row.
template <class Root>
std::int64_t row_length(const tensor_shape& s, bool image) {
  if (std::is_same_v<Root, ops::matmul_op> || !image) return s[s.rank() - 1];
  return s[2] * s[3];
}

/// Epilogue, A and B are the types that the kernel sees.
template <class Root, class T, class Epilogue, class A, class B>
void run_tile(const step_context& c, const frozen_step& s) {
  Epilogue epilogue;
  epilogue.columns = c.extent(s.out.shape[s.out.shape.rank() - 1]);
  bind_epilogue(c, s, epilogue.columns, epilogue.in, epilogue.in_row, epilogue.in_column, epilogue.out, epilogue.out_row);
  A a;
  B b;
  if constexpr (std::is_same_v<Root, ops::max_pool_op> || std::is_same_v<Root, ops::max_pool_grad_op>) {
    const tensor_shape in0 = s.in[0].shape.with_batch(c.batch);
    const auto d = pooling_dims(in0, s.attr, in0[0]);
    bind_operand(c, s, 0, in0[2] * in0[3], a);
    if constexpr (std::is_same_v<Root, ops::max_pool_op>) {
      kernel::max_pool2d<T>(d, a, epilogue);
    } else {
      bind_operand(c, s, 2, d.out_w * d.c, b);
      kernel::max_pool2d_grad<T>(d, a, b, epilogue);
    }
  } else {
    bind_operand(c, s, 0, c.extent(row_length<Root>(s.in[0].shape, !std::is_same_v<Root, ops::conv2d_backprop_input_op>)), a);
    bind_operand(c, s, 1, c.extent(row_length<Root>(s.in[1].shape, !std::is_same_v<Root, ops::conv2d_op>)), b);
    run_contraction<Root, T>({c, s, kernel::detail::operand_ref<T>::of(a), kernel::detail::operand_ref<T>::of(b), kernel::detail::tile_sink<T>::of(epilogue)});
  }
}

/// The loops of a map or reduction and its inputs.
inline void bind_nest(const step_context& c, const frozen_step& s, std::int64_t* extents, kernel::detail::stride_row* strides,
                      const void** in) {
  for (int d = 0; d < s.rank; ++d) extents[d] = c.extent(s.extents[d]);
  for (int k = 0; k < s.program.inputs; ++k) {
    const input_desc& d = c.tables->inputs[static_cast<std::size_t>(s.program.input + k)];
    in[k] = address(c, d.memory);
    for (int a = 0; a < s.rank; ++a) strides[k][a] = c.extent(d.strides[a]);
  }
}
/// Row-major strides over the axes that are not in the mask.
inline void bind_output(int rank, unsigned without, const std::int64_t* extents, std::int64_t* strides) {
  std::int64_t stride = 1;
  for (int a = rank - 1; a >= 0; --a) {
    const bool gone = ((without >> a) & 1) != 0;
    strides[a] = gone ? 0 : stride;
    if (!gone) stride *= extents[a];
  }
}

/// One axis and nothing strided: there are no loops to prepare. A short one takes less code.
template <class P, bool Short>
void run_flat(const step_context& c, const frozen_step& s) {
  const void* in[static_cast<std::size_t>(P::inputs::size) + 1];
  void* out[static_cast<std::size_t>(P::outputs::size) + 1];
  for (int k = 0; k < P::inputs::size; ++k) in[k] = input_of(c, s, k);
  for (int k = 0; k < P::outputs::size; ++k) out[k] = result_of(c, s, k);
  if constexpr (Short) kernel::map_short<P>(s.extents[0], in, out);
  else kernel::map_flat<P>(c.extent(s.extents[0]), in, out);
}

/// The same over several ranges, each with operands of its own.
template <class P>
void run_parts(const step_context& c, const frozen_step& s) {
  std::int64_t lengths[max_parts];
  for (int k = 0; k < s.parts; ++k)
    lengths[k] = c.tables->outputs[static_cast<std::size_t>(s.program.output + k * P::outputs::size)].elements;
  kernel::map_flat_ranges<P>(s.parts, lengths, [&](int part, const void** in, void** out) {
    for (int k = 0; k < P::inputs::size; ++k) in[k] = input_of(c, s, part * P::inputs::size + k);
    for (int k = 0; k < P::outputs::size; ++k) out[k] = result_of(c, s, part * P::outputs::size + k);
  });
}
/// The program of one part.
constexpr frozen_program part_of(const frozen_step& s) {
  frozen_program p = s.program;
  p.inputs /= s.parts, p.outputs /= s.parts;
  return p;
}

template <class P>
void run_map(const step_context& c, const frozen_step& s) {
  kernel::nest<kernel::operands_v<P>> n;
  const void* in[static_cast<std::size_t>(P::inputs::size) + 1];
  void* out[static_cast<std::size_t>(P::outputs::size) + 1];
  n.rank = s.rank;
  bind_nest(c, s, n.extents, n.strides, in);
  for (int k = 0; k < P::outputs::size; ++k) {
    out[k] = result_of(c, s, k);
    bind_output(s.rank, 0, n.extents, n.strides[P::inputs::size + k]);
  }
  kernel::map<P>(n, in, out);
}

/// An op with a kernel of its own.
inline void run_kernel(const step_context& c, const frozen_step& s) {
  operand_memory x[max_operands];
  for (int k = 0; k < s.arity; ++k) x[k] = {s.in[k].type, s.in[k].shape.with_batch(c.batch), address(c, s.operands[k].memory)};
  result_memory out{s.out.type, s.out.shape.with_batch(c.batch), nullptr};
  for (int k = 0; k < s.program.outputs; ++k) {
    const int further = c.tables->outputs[static_cast<std::size_t>(s.program.output + k)].further;
    (further == 0 ? out.data : out.more[further - 1]) = result_of(c, s, k);
  }
  s.run(s.attr, x, out);
}

/// A map over the rows that the deferred scatters among its inputs name.
template <class P>
void run_rows(const step_context& c, const frozen_step& s, const frozen_step* steps) {
  const void* in[static_cast<std::size_t>(P::inputs::size) + 1];
  void* out[static_cast<std::size_t>(P::outputs::size) + 1];
  kernel::row_gradient gradients[static_cast<std::size_t>(P::inputs::size) + 1];
  const frozen_step* scatters[static_cast<std::size_t>(P::inputs::size) + 1];
  int n = 0;
  for (int k = 0; k < P::inputs::size; ++k) {
    const memory_ref& m = c.tables->inputs[static_cast<std::size_t>(s.program.input + k)].memory;
    in[k] = address(c, m);
    if (m.kind != memory_ref::deferred) continue;
    const frozen_step& from = *(scatters[n] = steps + m.index);
    gradients[n++] = {k, from.type, address(c, from.operands[0].memory), address(c, from.operands[1].memory), from.in[1].type,
                      from.in[1].shape.with_batch(c.batch).num_elements()};
  }
  for (int k = 0; k < P::outputs::size; ++k) out[k] = result_of(c, s, k);
  const std::int64_t rows = scatters[0]->out.shape[0];
  const int outside = kernel::update_rows<P>(rows, s.extents[0] / rows, gradients, n, in, out);
  if (outside < 0) return;
  run_kernel(c, *scatters[outside]);  // which says what is wrong, before it writes anything
}

template <class R>
struct reducer_of;
template <class R>
struct reducer_of<reduce_op<R>> {
  using type = R;
};

template <class P, class R>
void run_reduce(const step_context& c, const frozen_step& s) {
  kernel::nest<kernel::operands_v<P>> n;
  const void* in[static_cast<std::size_t>(P::inputs::size) + 1];
  n.rank = s.rank;
  bind_nest(c, s, n.extents, n.strides, in);
  bind_output(s.rank, s.reduced, n.extents, n.strides[P::inputs::size]);
  kernel::reduce<P, R>(n, s.reduced, in, address(c, s.operands[max_operands - 1].memory));
}

template <class T>
void run_softmax(const step_context& c, const frozen_step& s) {
  const tensor_shape in = s.in[0].shape.with_batch(c.batch);
  const std::int64_t columns = in[in.rank() - 1];
  kernel::softmax<T>(columns == 0 ? 0 : in.num_elements() / columns, columns,
                     static_cast<const T*>(address(c, s.operands[0].memory)), static_cast<T*>(result_of(c, s, 0)));
}

template <class T, class L>
void run_sparse_softmax_cross_entropy(const step_context& c, const frozen_step& s) {
  const tensor_shape in = s.in[0].shape.with_batch(c.batch);
  T* loss = nullptr;
  T* backprop = nullptr;
  for (int k = 0; k < s.program.outputs; ++k)
    (c.tables->outputs[static_cast<std::size_t>(s.program.output + k)].further == 0 ? loss : backprop) = static_cast<T*>(result_of(c, s, k));
  kernel::sparse_softmax_cross_entropy<T, L>(in[0], in[1], static_cast<const T*>(address(c, s.operands[0].memory)),
                                             static_cast<const L*>(address(c, s.operands[1].memory)), loss, backprop);
}

template <class T>
void run_transpose(const step_context& c, const frozen_step& s) {
  using P = expr::program<expr::list<expr::in<T, expr::walk::strided>>, expr::list<>, expr::list<expr::out<T, ~0>>>;
  const tensor_shape in0 = s.in[0].shape.with_batch(c.batch);
  kernel::nest<2> n;
  std::int64_t from[max_rank] = {};
  row_major(in0, from);
  n.rank = in0.rank();
  for (int d = 0; d < n.rank; ++d) {
    n.extents[d] = in0[static_cast<int>(s.attr.i[d])];
    n.strides[0][d] = from[s.attr.i[d]];
  }
  bind_output(n.rank, 0, n.extents, n.strides[1]);
  const void* in[] = {address(c, s.operands[0].memory)};
  void* out[] = {result_of(c, s, 0)};
  kernel::map<P>(n, in, out);
}

template <class T, bool Largest, expr::walk Inner>
void run_arg_reduce(const step_context& c, const frozen_step& s) {
  using P = expr::program<expr::list<expr::in<T, Inner>>, expr::list<>, expr::list<expr::out<T, ~0>>>;
  const tensor_shape in0 = s.in[0].shape.with_batch(c.batch);
  const unsigned axis = 1u << s.attr.i[0];
  kernel::nest<2> n;
  n.rank = in0.rank();
  row_major(in0, n.strides[0]);
  for (int d = 0; d < n.rank; ++d) {
    n.extents[d] = in0[d];
    if (in0[d] == 1) n.strides[0][d] = 1;
  }
  bind_output(n.rank, axis, n.extents, n.strides[1]);
  const void* in[] = {address(c, s.operands[0].memory)};
  kernel::arg_reduce<P, Largest>(n, axis, in, static_cast<std::int64_t*>(result_of(c, s, 0)));
}

// ---- loops and branches --------------------------------------------------------------------------------------------------

using region_function = void (*)(const step_context&);

inline std::uint64_t stream_of(std::uint64_t around, std::int64_t row) {
  std::uint64_t x = (around + static_cast<std::uint64_t>(row) + 1) * 0x9e3779b97f4a7c15u;  // splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// What loops and branches ask of the machine that they run on, here the CPU.
struct host_machine {
  using region = region_function;
  static void copy(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  template <class T>
  static T read(const void* p) {
    return *static_cast<const T*>(p);
  }
  static void set(std::int64_t* cell, std::int64_t value) { *cell = value; }
  static void reserve(stack_state& s, std::int64_t wanted, std::int64_t used, std::int64_t row_bytes) { s.reserve(wanted, used, row_bytes); }
  static void run(region f, const step_context& c) { f(c); }
};

/// Runs `body` as often as the loop says.
template <class Machine>
void run_loop(const Machine& m, const step_context& c, const control_desc& d, typename Machine::region body, typename Machine::region condition) {
  const table_view& t = *c.tables;
  for (int k = d.copy; k < d.copy + d.copies; ++k) {
    const copy_desc& p = t.copies[static_cast<std::size_t>(k)];
    if (const auto bytes = static_cast<std::size_t>(c.extent(p.bytes)); bytes != 0) m.copy(address(c, p.to), address(c, p.from), bytes);
  }
  const std::int64_t count = d.trip == op::loop::counted       ? m.template read<std::int64_t>(address(c, d.chosen))
                             : d.trip == op::loop::conditional ? std::int64_t{1} << 62
                                                               : c.extent(d.trip);
  loop_state& s = c.loops[d.loop];
  const std::uint64_t around = d.outer_loop < 0 ? 0 : c.loops[d.outer_loop].stream;
  for (std::int64_t k = 0; k < count; ++k) {
    s.iterations = k;
    s.row = d.reverse ? count - 1 - k : k;
    if (condition != nullptr) {
      m.run(condition, c);
      if (!m.template read<bool>(address(c, d.test))) break;
    }
    s.stream = stream_of(around, s.row);
    if (d.has_stream)
      for (std::size_t i = 0; i < t.scalars.size(); ++i)
        if (t.scalars[i].loop == d.loop) m.set(c.scalars + 2 * i, static_cast<std::int64_t>(s.stream >> 1));
    for (int i = d.stack; i < d.stack + d.stacks; ++i)
      if (const auto n = static_cast<std::size_t>(i); c.stacks[n].capacity < (s.row + 1) * c.extent(t.stacks[n].bytes))
        m.reserve(c.stacks[n], d.trip == op::loop::counted ? count : k + 1, d.reverse ? 0 : k, c.extent(t.stacks[n].bytes));
    m.run(body, c);
  }
}
/// Runs one of the branches.
template <class Machine>
void run_branch(const Machine& m, const step_context& c, const control_desc& d, const typename Machine::region* branches) {
  const void* p = address(c, d.chosen);
  std::int64_t k = 0;
  if (d.chosen_type == dtype::boolean) k = m.template read<bool>(p) ? 0 : 1;
  else k = m.template read<std::int32_t>(p);
  m.run(branches[k < 0 || k >= d.branches ? d.branches - 1 : k], c);
}

}  // namespace detail

template <class C, std::size_t S>
void run_step(const step_context& c);

namespace detail {

/// Runs `count` steps from number `first` on, traced: defined in traced_run.hpp.
template <class C>
void run_range_traced(const step_context& c, std::size_t first, std::size_t count);

using step_function = void (*)(const step_context&);

/// Two steps that do not depend on each other.
inline void run_pair(const step_context& c, step_function a, step_function b, const work_estimate& work_a, const work_estimate& work_b) {
  if (c.sides != nullptr && worth_a_fork(work_a, work_b, c.batch)) {
    const auto on_side = [&](int side, step_function f) {
      const kernel::scratch_memory::scope use(c.sides[side]);
      f(c);
    };
    side_by_side([&] { on_side(0, a); }, [&] { on_side(1, b); });
  } else {
    a(c);
    b(c);
  }
}
/// Step S, with the one that runs beside it; that one has run already.
template <class C, std::size_t S>
void run_in_turn(const step_context& c) {
  if constexpr (step_of<C, S>.beside) run_pair(c, &run_step<C, S>, &run_step<C, S + 1>, step_of<C, S>.work, step_of<C, S + 1>.work);
  else if constexpr (S == 0) run_step<C, S>(c);
  else if constexpr (!step_of<C, S - 1>.beside) run_step<C, S>(c);
}

template <class C, std::size_t First, bool Traced, std::size_t... S>
void run_steps_from(const step_context& c, std::index_sequence<S...>) {
  if constexpr (Traced) run_range_traced<C>(c, First, sizeof...(S));
  else (run_in_turn<C, First + S>(c), ...);
}
template <class C, int Region, bool Traced>
void run_region(const step_context& c) {
  constexpr region_desc r = C::tables.regions[static_cast<std::size_t>(Region)];
  run_steps_from<C, static_cast<std::size_t>(r.first), Traced>(c, std::make_index_sequence<static_cast<std::size_t>(r.count)>{});
}
template <class C, int First, bool Traced, int... B>
void run_branches(const step_context& c, const control_desc& d, std::integer_sequence<int, B...>) {
  static constexpr region_function branches[] = {&run_region<C, First + B, Traced>...};
  run_branch(host_machine{}, c, d, branches);
}
template <class C, int Control>
inline constexpr const control_desc& control_of = C::tables.controls[static_cast<std::size_t>(Control)];
template <class C, int Control, bool Traced>
void run_control(const step_context& c) {
  using branches = std::make_integer_sequence<int, control_of<C, Control>.branches>;
  constexpr int region = control_of<C, Control>.region;
  if constexpr (!control_of<C, Control>.is_loop) run_branches<C, region, Traced>(c, control_of<C, Control>, branches{});
  else if constexpr (control_of<C, Control>.trip != op::loop::conditional) run_loop(host_machine{}, c, control_of<C, Control>, &run_region<C, region, Traced>, nullptr);
  else run_loop(host_machine{}, c, control_of<C, Control>, &run_region<C, region, Traced>, &run_region<C, region + 1, Traced>);
}

}  // namespace detail

/// Step S of the compiled model C: picks the types, then runs code that all steps with these types share.
template <class C, std::size_t S>
void run_step(const step_context& c) {
  constexpr auto& s = detail::step_of<C, S>;
  if constexpr (s.kind == group_kind::control) {
    detail::run_control<C, s.control, false>(c);
  } else if constexpr (s.kind == group_kind::map) {
    using program = typename detail::program_type<C, detail::part_of(s), group_kind::map, s.rank>::type;
    if constexpr (s.parts > 1) detail::run_parts<program>(c, s);
    else if constexpr (s.rank == 1 && !kernel::detail::any_strided<typename program::inputs>) detail::run_flat<program, s.extents[0] >= 0 && s.extents[0] <= kernel::detail::serial_v<program>>(c, s);
    else detail::run_map<program>(c, s);
  } else if constexpr (s.kind == group_kind::rows) {
    detail::run_rows<typename detail::program_type<C, s.program, group_kind::map, 1>::type>(c, s, C::tables.steps.data());
  } else if constexpr (s.deferred) {
    return;
  } else if constexpr (s.op < 0) {
    detail::run_kernel(c, s);
  } else {
    using root = expr::detail::at<typename C::ops, s.op>;
    if constexpr (s.kind == group_kind::reduce) {
      detail::run_reduce<typename detail::program_type<C, s.program, group_kind::reduce, s.rank>::type,
                         typename detail::reducer_of<root>::type>(c, s);
    } else if constexpr (s.kind == group_kind::tile) {
      using T = type_of_t<s.type>;
      using epilogue = kernel::tile_epilogue<typename detail::program_type<C, s.program, group_kind::tile, 2>::type, T>;
      detail::run_tile<root, T, epilogue, typename detail::operand_type<C, S, 0, T>::type,
                       typename detail::operand_type<C, S, std::is_same_v<root, ops::max_pool_grad_op> ? 2 : 1, T>::type>(c, s);
    } else {
      using T = type_of_t<s.in[0].type>;
      if constexpr (std::is_same_v<root, ops::softmax_op>) {
        detail::run_softmax<T>(c, s);
      } else if constexpr (std::is_same_v<root, ops::sparse_softmax_cross_entropy_op>) {
        detail::run_sparse_softmax_cross_entropy<T, type_of_t<s.in[1].type>>(c, s);
      } else if constexpr (std::is_same_v<root, graph::op::transpose>) {
        detail::run_transpose<T>(c, s);
      } else {
        constexpr bool largest = std::is_same_v<root, arg_reduce_op<ops::argmax>>;
        static_assert(largest || std::is_same_v<root, arg_reduce_op<ops::argmin>>);
        constexpr int rank = s.in[0].shape.rank();
        detail::run_arg_reduce<T, largest, rank == 0 || s.attr.i[0] == rank - 1 ? expr::walk::contiguous : expr::walk::strided>(c, s);
      }
    }
  }
}

}  // namespace rill::graph

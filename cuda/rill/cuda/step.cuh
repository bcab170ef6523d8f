// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Runs one step of a compiled model on a device: graph/step.hpp's binding and control flow, this folder's kernels. Bodies of
/// loops and branches run on the device, one step after the other as the host says; how often a loop runs that the data
/// decides, or which branch, the host reads back first. A step whose kernel exists for the CPU only (an op that brings its
/// own, a user's function) runs there between two copies: sessions allow it where they are told to (`soft_placement`).

#include <vector>

#include <rill/core/storage.hpp>
#include <rill/graph/step.hpp>

#include "arg_reduce.cuh"
#include "contractions.cuh"
#include "convolution.cuh"
#include "map.cuh"
#include "op_kernels.cuh"
#include "pooling.cuh"
#include "reduce.cuh"
#include "softmax.cuh"
#include "tile.cuh"
#include "transpose.cuh"

namespace rill::cuda {

/// The passes for a device: those that only a CPU gains from (pairs of small kernels side by side, updates of single rows)
/// are left out.
template <class Contractions = cuda::contractions<>>
struct basic_passes {
  using contractions = Contractions;
  static constexpr graph::image run(graph::builder b) {
    graph::image i;
    i.b = std::move(b);
    if (i.b.first_failure) return i;
    graph::simplify(i.b);
    i.f = graph::fuse(i.b);
    i.l = graph::lower(i.b, i.f);
    graph::plan(i.l);
    return i;
  }
};
using passes = basic_passes<>;

/// Whether the kernel of a step is the CPU's.
constexpr bool needs_host(const graph::frozen_step& s) { return s.kind == graph::group_kind::opaque && s.op < 0 && kernel_of(s) < 0; }

namespace detail {

using graph::frozen_step;
using graph::group_kind;
using graph::step_context;
namespace binding = graph::detail;

/// Sets scalars: their values travel with the launch, so that no host memory is read later.
struct set_scalars {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  static constexpr int most = 128;
  std::int64_t value[2 * most];
  std::int64_t* cells;
  std::uint32_t count;  ///< words

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    for (std::uint32_t k = t.index(); k < count; k += t.count()) cells[k] = value[k];
  }
};

/// The bytes of a result's place.
inline std::size_t bytes_at(const step_context& c, const graph::memory_ref& m) {
  const auto k = static_cast<std::size_t>(m.index);
  if (m.kind == graph::memory_ref::slot) {
    const graph::slot_desc& d = c.tables->slots[k];
    return static_cast<std::size_t>(d.per_row ? d.bytes * c.batch : d.bytes);
  }
  if (m.kind == graph::memory_ref::row) return static_cast<std::size_t>(c.extent(c.tables->rows[k].bytes));
  const graph::variable_decl& v = c.tables->variables[k];
  return static_cast<std::size_t>(v.shape.num_elements()) * size_of(v.type);
}

/// An op whose kernel is the CPU's: its operands come to the host, its results go back.
template <class Device>
void run_on_host(Device& device, const step_context& c, const frozen_step& s) {
  storage memory[graph::max_operands];
  operand_memory x[graph::max_operands];
  for (int k = 0; k < s.arity; ++k) {
    x[k] = {s.in[k].type, s.in[k].shape.with_batch(c.batch), nullptr};
    const std::size_t bytes = static_cast<std::size_t>(x[k].size()) * size_of(x[k].type);
    memory[k] = storage::allocate(bytes);
    device.copy_out(memory[k].data(), binding::address(c, s.operands[k].memory), bytes);
    x[k].data = memory[k].data();
  }
  result_memory out{s.out.type, s.out.shape.with_batch(c.batch), nullptr};
  std::vector<storage> results;
  for (int k = 0; k < s.program.outputs; ++k) {
    const graph::output_desc& d = c.tables->outputs[static_cast<std::size_t>(s.program.output + k)];
    results.push_back(storage::allocate(bytes_at(c, d.memory)));
    (d.further == 0 ? out.data : out.more[d.further - 1]) = results.back().data();
  }
  s.run(s.attr, x, out);
  for (int k = 0; k < s.program.outputs; ++k) {
    const graph::output_desc& d = c.tables->outputs[static_cast<std::size_t>(s.program.output + k)];
    device.copy_in(binding::address(c, d.memory), results[static_cast<std::size_t>(k)].data(), bytes_at(c, d.memory));
  }
}

/// An op whose kernel of its own exists here.
template <class Kernel, class T, class Index, class Device>
void run_own(Device& device, const step_context& c, const frozen_step& s) {
  operand_memory x[graph::max_operands];
  for (int k = 0; k < s.arity; ++k) x[k] = {s.in[k].type, s.in[k].shape.with_batch(c.batch), binding::address(c, s.operands[k].memory)};
  result_memory out{s.out.type, s.out.shape.with_batch(c.batch), nullptr};
  for (int k = 0; k < s.program.outputs; ++k) {
    const graph::output_desc& d = c.tables->outputs[static_cast<std::size_t>(s.program.output + k)];
    (d.further == 0 ? out.data : out.more[d.further - 1]) = binding::address(c, d.memory);
  }
  Kernel::template run<T, Index>(device, s.attr, x, out);
}

/// The operand of a contraction: memory, or an expression evaluated while it is read.
template <class C, std::size_t S, int K, class T>
struct operand_type {
  using type = plain_operand<T>;
};
template <class C, std::size_t S, class T>
  requires(binding::step_of<C, S>.has_prologue_a)
struct operand_type<C, S, 0, T> {
  using type = operand_reader<typename binding::program_type<C, binding::step_of<C, S>.prologue_a, group_kind::opaque, 1>::type, T>;
};
template <class C, std::size_t S, class T>
  requires(binding::step_of<C, S>.has_prologue_b)
struct operand_type<C, S, 1, T> {
  using type = operand_reader<typename binding::program_type<C, binding::step_of<C, S>.prologue_b, group_kind::opaque, 1>::type, T>;
};

template <class P, int Rank, class Device>
void run_map(Device& device, const step_context& c, const frozen_step& s) {
  kernel::nest<kernel::operands_v<P>> n;
  const void* in[room<P::inputs::size>];
  void* out[room<P::outputs::size>];
  n.rank = s.rank;
  binding::bind_nest(c, s, n.extents, n.strides, in);
  for (int k = 0; k < P::outputs::size; ++k) {
    out[k] = binding::result_of(c, s, k);
    binding::bind_output(s.rank, 0, n.extents, n.strides[P::inputs::size + k]);
  }
  map<P, Rank>(device, n, in, out);
}
/// The same over several ranges, each with operands of its own.
template <class P, class Device>
void run_parts(Device& device, const step_context& c, const frozen_step& s) {
  flat_parts<P> parts;
  for (int part = 0; part < s.parts; ++part) {
    const void* in[room<P::inputs::size>];
    void* out[room<P::outputs::size>];
    for (int k = 0; k < P::inputs::size; ++k) in[k] = binding::input_of(c, s, part * P::inputs::size + k);
    for (int k = 0; k < P::outputs::size; ++k) out[k] = binding::result_of(c, s, part * P::outputs::size + k);
    parts.add(device, c.tables->outputs[static_cast<std::size_t>(s.program.output + part * P::outputs::size)].elements, in, out);
  }
  parts.launch(device);
}

template <class P, class R, class Device>
void run_reduce(Device& device, const step_context& c, const frozen_step& s) {
  kernel::nest<kernel::operands_v<P>> n;
  const void* in[room<P::inputs::size>];
  n.rank = s.rank;
  binding::bind_nest(c, s, n.extents, n.strides, in);
  binding::bind_output(s.rank, s.reduced, n.extents, n.strides[P::inputs::size]);
  reduce<P, R>(device, n, s.reduced, in, binding::address(c, s.operands[graph::max_operands - 1].memory));
}

/// How a compiled model's products are computed.
template <class C>
struct contractions_of {
  using type = contractions<>;
};
template <class Passes, class Model, class... Inputs>
  requires requires { typename Passes::contractions; }
struct contractions_of<graph::basic_compiled<Passes, Model, Inputs...>> {
  using type = typename Passes::contractions;
};

template <class Contractions, class Root, class T, class Epilogue, class A, class B, class Device>
void run_tile(Device& device, const step_context& c, const frozen_step& s) {
  Epilogue epilogue;
  epilogue.columns = c.extent(s.out.shape[s.out.shape.rank() - 1]);
  binding::bind_epilogue(c, s, epilogue.columns, epilogue.in, epilogue.in_row, epilogue.in_column, epilogue.out, epilogue.out_row);
  const tensor_shape in0 = s.in[0].shape.with_batch(c.batch), out = s.out.shape.with_batch(c.batch);
  A a;
  B b;
  if constexpr (std::is_same_v<Root, ops::max_pool_op>) {
    binding::bind_operand(c, s, 0, in0[2] * in0[3], a);
    max_pool2d<T>(device, binding::pooling_dims(in0, s.attr, in0[0]), a, epilogue);
  } else if constexpr (std::is_same_v<Root, ops::max_pool_grad_op>) {
    const auto d = binding::pooling_dims(in0, s.attr, in0[0]);
    binding::bind_operand(c, s, 0, in0[2] * in0[3], a);
    binding::bind_operand(c, s, 2, d.out_w * d.c, b);
    max_pool2d_grad<T>(device, d, a, b, epilogue);
  } else {
    const tensor_shape in1 = s.in[1].shape.with_batch(c.batch);
    binding::bind_operand(c, s, 0, binding::row_length<Root>(in0, !std::is_same_v<Root, ops::conv2d_backprop_input_op>), a);
    binding::bind_operand(c, s, 1, binding::row_length<Root>(in1, !std::is_same_v<Root, ops::conv2d_op>), b);
    constexpr precision P = Contractions::accuracy;
    if constexpr (std::is_same_v<Root, ops::matmul_op>) {
      const bool ta = Root::trans_a(s.attr), tb = Root::trans_b(s.attr);
      const std::int64_t k = ta ? in0[0] : in0[1];
      if (!Contractions::template by_library<Root, T, P>(device, out[0], out[1], k, ta, tb, a, b, epilogue)) matmul<T, P>(device, out[0], out[1], k, ta, tb, a, b, epilogue);
    } else if constexpr (std::is_same_v<Root, ops::conv2d_op>) {
      const auto d = binding::convolution_dims(in0, in1, s.attr, in0[0]);
      if (!Contractions::template by_library<Root, T, P>(device, d, a, b, epilogue)) conv2d<T, P>(device, d, a, b, epilogue);
    } else if constexpr (std::is_same_v<Root, ops::conv2d_backprop_input_op>) {
      const auto d = binding::convolution_dims(out, in0, s.attr, in1[0]);
      if (!Contractions::template by_library<Root, T, P>(device, d, b, a, epilogue)) conv2d_backprop_input<T, P>(device, d, b, a, epilogue);
    } else {
      static_assert(std::is_same_v<Root, ops::conv2d_backprop_filter_op>);
      const auto d = binding::convolution_dims(in0, out, s.attr, in0[0]);
      if (!Contractions::template by_library<Root, T, P>(device, d, a, b, epilogue)) conv2d_backprop_filter<T, P>(device, d, a, b, epilogue);
    }
  }
}

template <class T, class Device>
void run_softmax(Device& device, const step_context& c, const frozen_step& s) {
  const tensor_shape in = s.in[0].shape.with_batch(c.batch);
  const std::int64_t columns = in[in.rank() - 1];
  softmax<T>(device, columns == 0 ? 0 : in.num_elements() / columns, columns, static_cast<const T*>(binding::address(c, s.operands[0].memory)),
             static_cast<T*>(binding::result_of(c, s, 0)));
}
template <class T, class L, class Device>
void run_sparse_softmax_cross_entropy(Device& device, const step_context& c, const frozen_step& s) {
  const tensor_shape in = s.in[0].shape.with_batch(c.batch);
  T* loss = nullptr;
  T* backprop = nullptr;
  for (int k = 0; k < s.program.outputs; ++k)
    (c.tables->outputs[static_cast<std::size_t>(s.program.output + k)].further == 0 ? loss : backprop) = static_cast<T*>(binding::result_of(c, s, k));
  sparse_softmax_cross_entropy<T, L>(device, in[0], in[1], static_cast<const T*>(binding::address(c, s.operands[0].memory)),
                                     static_cast<const L*>(binding::address(c, s.operands[1].memory)), loss, backprop);
}
template <class T, class Device>
void run_transpose(Device& device, const step_context& c, const frozen_step& s) {
  int order[max_rank] = {};
  const tensor_shape in0 = s.in[0].shape.with_batch(c.batch);
  for (int d = 0; d < in0.rank(); ++d) order[d] = static_cast<int>(s.attr.i[d]);
  transpose(device, sizeof(T), in0, order, binding::address(c, s.operands[0].memory), binding::result_of(c, s, 0));
}
template <class T, bool Largest, class Device>
void run_arg_reduce(Device& device, const step_context& c, const frozen_step& s) {
  arg_reduce<T, Largest>(device, s.in[0].shape.with_batch(c.batch), static_cast<int>(s.attr.i[0]),
                         static_cast<const T*>(binding::address(c, s.operands[0].memory)), static_cast<std::int64_t*>(binding::result_of(c, s, 0)));
}

// ---- loops and branches --------------------------------------------------------------------------------------------------

/// What a loop or branch asks of a device (graph/step.hpp's host_machine).
template <class Device>
struct machine {
  using region = void (*)(Device&, const step_context&);
  Device* device;

  void copy(void* to, const void* from, std::size_t bytes) const { device->copy(to, from, bytes); }
  /// Waits for it.
  template <class T>
  [[nodiscard]] T read(const void* p) const {
    T v{};
    device->copy_out(&v, p, sizeof v);
    return v;
  }
  void set(std::int64_t* cell, std::int64_t value) const {
    set_scalars k{};
    k.value[0] = value, k.cells = cell, k.count = 1;
    device->launch(k, {.threads = warp_size});
  }
  void reserve(graph::stack_state& s, std::int64_t wanted, std::int64_t used, std::int64_t row_bytes) const {
    const std::int64_t rows = s.rows_for(wanted, row_bytes);
    auto* const grown = static_cast<unsigned char*>(device->allocate(static_cast<std::size_t>(rows * row_bytes)));
    device->copy(grown, s.data, static_cast<std::size_t>(used * row_bytes));
    if (s.data != nullptr) device->release(s.data);
    s.data = grown, s.capacity = rows * row_bytes;
  }
  void run(region f, const step_context& c) const { f(*device, c); }
};

/// Whether a step always asks the device for the same work: none of it runs on the host, and the host reads nothing back.
template <class Tables>
constexpr bool is_recordable(const Tables& t, std::size_t step) {
  const frozen_step& s = t.steps[step];
  if (s.kind != group_kind::control) return !needs_host(s);
  const graph::control_desc& d = t.controls[static_cast<std::size_t>(s.control)];
  if (!d.is_loop || d.trip <= graph::op::loop::conditional) return false;
  const graph::region_desc& r = t.regions[static_cast<std::size_t>(d.region)];
  for (int k = r.first; k < r.first + r.count; ++k)
    if (!is_recordable(t, static_cast<std::size_t>(k))) return false;
  return true;
}

template <class C, std::size_t S, bool Traced, class Device>
void run_in_turn(Device& device, const step_context& c);

template <class C, std::size_t First, bool Traced, class Device, std::size_t... S>
void run_steps(Device& device, const step_context& c, std::index_sequence<S...>) {
  (run_in_turn<C, First + S, Traced>(device, c), ...);
}
/// Steps First, First + 1, ..., of that number.
template <class C, std::size_t First, std::size_t Count, bool Traced, class Device>
void run_range(Device& device, const step_context& c) {
  run_steps<C, First, Traced>(device, c, std::make_index_sequence<Count>{});
}
template <class C, int Region, bool Traced, class Device>
void run_region(Device& device, const step_context& c) {
  constexpr graph::region_desc r = C::tables.regions[static_cast<std::size_t>(Region)];
  run_range<C, static_cast<std::size_t>(r.first), static_cast<std::size_t>(r.count), Traced>(device, c);
}
template <class C, int First, bool Traced, class Device, int... B>
void run_branches(Device& device, const step_context& c, const graph::control_desc& d, std::integer_sequence<int, B...>) {
  static constexpr typename machine<Device>::region branches[] = {&run_region<C, First + B, Traced, Device>...};
  binding::run_branch(machine<Device>{&device}, c, d, branches);
}
template <class C, int Control, bool Traced, class Device>
void run_control(Device& device, const step_context& c) {
  constexpr const graph::control_desc& d = binding::control_of<C, Control>;
  using branches = std::make_integer_sequence<int, binding::control_of<C, Control>.branches>;
  if constexpr (!d.is_loop) run_branches<C, d.region, Traced>(device, c, d, branches{});
  else if constexpr (d.trip != graph::op::loop::conditional) binding::run_loop(machine<Device>{&device}, c, d, &run_region<C, d.region, Traced, Device>, nullptr);
  else binding::run_loop(machine<Device>{&device}, c, d, &run_region<C, d.region, Traced, Device>, &run_region<C, d.region + 1, Traced, Device>);
}

}  // namespace detail

/// Step S of the compiled model C.
template <class C, std::size_t S, class Device>
void run_step(Device& device, const graph::step_context& c) {
  namespace binding = graph::detail;
  using graph::group_kind;
  constexpr auto& s = binding::step_of<C, S>;
  if constexpr (s.kind == group_kind::map) {
    using program = typename binding::program_type<C, binding::part_of(s), group_kind::map, s.rank>::type;
    if constexpr (s.parts > 1) detail::run_parts<program>(device, c, s);
    else detail::run_map<program, s.rank>(device, c, s);
  } else if constexpr (needs_host(s)) {
    detail::run_on_host(device, c, s);
  } else if constexpr (s.op < 0) {
    detail::run_own<expr::detail::at<detail::own_kernels, kernel_of(s)>, type_of_t<s.in[0].type>, type_of_t<s.in[s.arity > 1 ? 1 : 0].type>>(device, c, s);
  } else {
    using root = expr::detail::at<typename C::ops, s.op>;
    if constexpr (s.kind == group_kind::reduce) {
      detail::run_reduce<typename binding::program_type<C, s.program, group_kind::reduce, s.rank>::type, typename binding::reducer_of<root>::type>(device, c, s);
    } else if constexpr (s.kind == group_kind::tile) {
      using T = type_of_t<s.type>;
      using epilogue = tile_epilogue<typename binding::program_type<C, s.program, group_kind::tile, 2>::type, T>;
      detail::run_tile<typename detail::contractions_of<C>::type, root, T, epilogue, typename detail::operand_type<C, S, 0, T>::type,
                       typename detail::operand_type<C, S, std::is_same_v<root, ops::max_pool_grad_op> ? 2 : 1, T>::type>(device, c, s);
    } else {
      using T = type_of_t<s.in[0].type>;
      if constexpr (std::is_same_v<root, ops::softmax_op>) detail::run_softmax<T>(device, c, s);
      else if constexpr (std::is_same_v<root, ops::sparse_softmax_cross_entropy_op>)
        detail::run_sparse_softmax_cross_entropy<T, type_of_t<s.in[1].type>>(device, c, s);
      else if constexpr (std::is_same_v<root, graph::op::transpose>) detail::run_transpose<T>(device, c, s);
      else detail::run_arg_reduce<T, std::is_same_v<root, graph::arg_reduce_op<ops::argmax>>>(device, c, s);
    }
  }
}

namespace detail {

/// Step S; with a word to who listens where it is traced.
template <class C, std::size_t S, bool Traced, class Device>
void run_in_turn(Device& device, const step_context& c) {
  constexpr auto& s = binding::step_of<C, S>;
  if constexpr (Traced) c.trace->begin(S);
  if constexpr (s.kind == group_kind::control) run_control<C, s.control, Traced>(device, c);
  else run_step<C, S>(device, c);
  if constexpr (Traced) {
    device.synchronize();
    c.trace->end();
  }
}

}  // namespace detail
}  // namespace rill::cuda

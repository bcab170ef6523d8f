// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Runs one step of a compiled model: binds pointers and strides, then calls the kernel of the step's canonical program.
/// Everything but the batch is a constant here; what differs from step to step is this thin binding, not the kernel.

#include "../kernel/convolution.hpp"
#include "../kernel/map.hpp"
#include "../kernel/matmul.hpp"
#include "../kernel/pooling.hpp"
#include "../kernel/reduce.hpp"
#include "../kernel/softmax.hpp"
#include "../kernel/tile.hpp"
#include "compile.hpp"

namespace rill::graph {

/// Where a session's values lie while a step runs.
struct step_context {
  const void* const* feeds = nullptr;
  void* const* variables = nullptr;
  const std::int64_t* scalars = nullptr;  ///< one 8-byte cell each
  const void* const* ranges = nullptr;
  unsigned char* fixed = nullptr;
  unsigned char* rows = nullptr;
  std::int64_t batch = 1;

  [[nodiscard]] std::int64_t extent(std::int64_t n) const { return n < 0 ? -n * batch : n; }
};

namespace detail {

template <class C, std::size_t S>
inline constexpr frozen_step step_of = C::tables.steps[S];

template <class C>
void* address(const step_context& c, const memory_ref& m) {
  const auto k = static_cast<std::size_t>(m.index);
  switch (m.kind) {
    case memory_ref::slot:
      return C::tables.slots[k].per_row ? c.rows + C::tables.slots[k].offset * c.batch : c.fixed + C::tables.slots[k].offset;
    case memory_ref::variable: return c.variables[k];
    case memory_ref::feed: return const_cast<void*>(c.feeds[k]);
    case memory_ref::scalar: return const_cast<std::int64_t*>(c.scalars + k);
    case memory_ref::range: return const_cast<void*>(c.ranges[k]);
    default: return nullptr;
  }
}

/// The operand of a contraction: memory, or an expression evaluated while it is read.
template <class C, std::size_t S, int K, class T>
auto operand_of(const step_context& c, std::int64_t columns) {
  constexpr auto& s = step_of<C, S>;
  constexpr bool reads = K == 0 ? s.has_prologue_a : K == 1 ? s.has_prologue_b : false;
  if constexpr (reads) {
    constexpr frozen_program p = K == 0 ? s.prologue_a : s.prologue_b;
    using program = typename program_type<C, p, group_kind::opaque, 1>::type;
    kernel::operand_reader<program, T> r;
    r.columns = columns;
    for (int k = 0; k < p.inputs; ++k) {
      const input_desc& d = C::tables.inputs[static_cast<std::size_t>(p.input + k)];
      r.input(k, address<C>(c, d.memory), d.linear ? columns : 0, d.linear ? 1 : 0);
    }
    return r;
  } else {
    return kernel::plain_operand<T>{static_cast<const T*>(address<C>(c, s.operands[K].memory)), columns};
  }
}

template <class C, std::size_t S, class T>
auto epilogue_of(const step_context& c, std::int64_t columns) {
  constexpr auto& s = step_of<C, S>;
  using program = typename program_type<C, s.program, group_kind::tile, 2>::type;
  kernel::tile_epilogue<program, T> e;
  e.columns = columns;
  for (int k = 1; k < s.program.inputs; ++k) {
    const input_desc& d = C::tables.inputs[static_cast<std::size_t>(s.program.input + k)];
    e.input(k, address<C>(c, d.memory), c.extent(d.strides[0]), c.extent(d.strides[1]));
  }
  for (int k = 0; k < s.program.outputs; ++k)
    e.output(k, address<C>(c, C::tables.outputs[static_cast<std::size_t>(s.program.output + k)].memory), columns);
  return e;
}

inline kernel::conv2d_dims convolution_dims(const tensor_shape& x, const tensor_shape& w, const attributes& at,
                                            std::int64_t batch) {
  const window_extent h = ops::conv2d_attributes::height(at, x, w), v = ops::conv2d_attributes::width(at, x, w);
  return {batch, x[1], x[2], x[3], w[0], w[1], h.out, v.out, w[3], at.i[0], at.i[1], h.pad_before, v.pad_before};
}
inline kernel::pool2d_dims pooling_dims(const tensor_shape& x, const attributes& at, std::int64_t batch) {
  const window_extent h = ops::pool_attributes::height(at, x), w = ops::pool_attributes::width(at, x);
  return {batch, x[1], x[2], x[3], at.i[0], at.i[1], h.out, w.out, at.i[2], at.i[3], h.pad_before, w.pad_before};
}

/// A contraction without its programs: what its kernel needs at run time. One function per op and element type serves all
/// steps of all models.
template <class T>
struct contraction {
  const attributes& attr;
  tensor_shape in0, in1, out;
  kernel::detail::operand_ref<T> a, b;
  kernel::detail::tile_sink<T> sink;
};

template <class Root, class T>
[[gnu::noinline]] void run_contraction(const contraction<T>& c) {
  if constexpr (std::is_same_v<Root, ops::matmul_op>) {
    const bool ta = Root::trans_a(c.attr), tb = Root::trans_b(c.attr);
    kernel::detail::multiply<T>({c.out[0], c.out[1], ta ? c.in0[0] : c.in0[1], ta, tb, c.a, c.b, c.sink});
  } else if constexpr (std::is_same_v<Root, ops::conv2d_op>) {
    kernel::detail::convolve<T>(convolution_dims(c.in0, c.in1, c.attr, c.in0[0]), c.a, c.b, c.sink);
  } else if constexpr (std::is_same_v<Root, ops::conv2d_backprop_input_op>) {
    kernel::detail::convolve_backprop_input<T>(convolution_dims(c.out, c.in0, c.attr, c.in1[0]), c.b, c.a, c.sink);
  } else {
    static_assert(std::is_same_v<Root, ops::conv2d_backprop_filter_op>);
    kernel::detail::convolve_backprop_filter<T>(convolution_dims(c.in0, c.out, c.attr, c.in0[0]), c.a, c.b, c.sink);
  }
}

/// Elements of one row of an operand as its kernel reads it: an image row, or a matrix row.
template <class Root>
std::int64_t row_length(const tensor_shape& s, bool image) {
  if (std::is_same_v<Root, ops::matmul_op> || !image) return s[s.rank() - 1];
  return s[2] * s[3];
}

template <class C, std::size_t S>
void run_tile(const step_context& c) {
  constexpr auto& s = step_of<C, S>;
  using root_op = expr::detail::at<typename C::ops, s.op>;
  using T = type_of_t<s.type>;
  constexpr int rank = s.out.shape.rank();
  const auto epilogue = epilogue_of<C, S, T>(c, c.extent(s.out.shape[rank - 1]));
  const tensor_shape in0 = s.in[0].shape.with_batch(c.batch);
  if constexpr (std::is_same_v<root_op, ops::max_pool_op>) {
    kernel::max_pool2d<T>(pooling_dims(in0, s.attr, in0[0]), operand_of<C, S, 0, T>(c, in0[2] * in0[3]), epilogue);
  } else if constexpr (std::is_same_v<root_op, ops::max_pool_grad_op>) {
    const auto d = pooling_dims(in0, s.attr, in0[0]);
    kernel::max_pool2d_grad<T>(d, operand_of<C, S, 0, T>(c, in0[2] * in0[3]), operand_of<C, S, 2, T>(c, d.out_w * d.c), epilogue);
  } else {
    const tensor_shape in1 = s.in[1].shape.with_batch(c.batch);
    constexpr bool image0 = !std::is_same_v<root_op, ops::conv2d_backprop_input_op>;
    constexpr bool image1 = !std::is_same_v<root_op, ops::conv2d_op>;
    const auto a = operand_of<C, S, 0, T>(c, row_length<root_op>(in0, image0));
    const auto b = operand_of<C, S, 1, T>(c, row_length<root_op>(in1, image1));
    run_contraction<root_op, T>({s.attr, in0, in1, s.out.shape.with_batch(c.batch), kernel::detail::operand_ref<T>::of(a),
                                 kernel::detail::operand_ref<T>::of(b), kernel::detail::tile_sink<T>::of(epilogue)});
  }
}

template <class C, std::size_t S, class P, int Operands>
void bind_nest(const step_context& c, kernel::nest<Operands>& n, const void** in) {
  constexpr auto& s = step_of<C, S>;
  n.rank = s.rank;
  for (int d = 0; d < s.rank; ++d) n.extents[d] = c.extent(s.extents[d]);
  for (int k = 0; k < s.program.inputs; ++k) {
    const input_desc& d = C::tables.inputs[static_cast<std::size_t>(s.program.input + k)];
    in[k] = address<C>(c, d.memory);
    for (int a = 0; a < s.rank; ++a) n.strides[k][a] = c.extent(d.strides[a]);
  }
}

template <class C, std::size_t S>
void run_map(const step_context& c) {
  constexpr auto& s = step_of<C, S>;
  using P = typename program_type<C, s.program, group_kind::map, s.rank>::type;
  kernel::nest<kernel::operands_v<P>> n;
  const void* in[static_cast<std::size_t>(s.program.inputs) + 1];
  void* out[static_cast<std::size_t>(s.program.outputs) + 1];
  bind_nest<C, S, P>(c, n, in);
  for (int k = 0; k < s.program.outputs; ++k) {
    out[k] = address<C>(c, C::tables.outputs[static_cast<std::size_t>(s.program.output + k)].memory);
    std::int64_t stride = 1;
    for (int a = s.rank - 1; a >= 0; --a) {
      n.strides[s.program.inputs + k][a] = stride;
      stride *= n.extents[a];
    }
  }
  kernel::map<P>(n, in, out);
}

template <class R>
struct reducer_of;
template <class R>
struct reducer_of<reduce_op<R>> {
  using type = R;
};

template <class C, std::size_t S>
void run_reduce(const step_context& c) {
  constexpr auto& s = step_of<C, S>;
  using P = typename program_type<C, s.program, group_kind::reduce, s.rank>::type;
  using R = typename reducer_of<expr::detail::at<typename C::ops, s.op>>::type;
  kernel::nest<kernel::operands_v<P>> n;
  const void* in[static_cast<std::size_t>(s.program.inputs) + 1];
  bind_nest<C, S, P>(c, n, in);
  std::int64_t stride = 1;
  for (int a = s.rank - 1; a >= 0; --a) {
    const bool gone = ((s.reduced >> a) & 1) != 0;
    n.strides[s.program.inputs][a] = gone ? 0 : stride;
    if (!gone) stride *= n.extents[a];
  }
  kernel::reduce<P, R>(n, s.reduced, in, address<C>(c, s.operands[max_operands - 1].memory));
}

template <class C, std::size_t S>
void run_opaque(const step_context& c) {
  constexpr auto& s = step_of<C, S>;
  using root_op = expr::detail::at<typename C::ops, s.op>;
  using T = type_of_t<s.in[0].type>;
  const auto* x = static_cast<const T*>(address<C>(c, s.operands[0].memory));
  const auto result = [&](int k) {
    return address<C>(c, C::tables.outputs[static_cast<std::size_t>(s.program.output + k)].memory);
  };
  const tensor_shape in0 = s.in[0].shape.with_batch(c.batch);
  if constexpr (std::is_same_v<root_op, ops::softmax_op>) {
    const std::int64_t columns = in0[in0.rank() - 1];
    kernel::softmax<T>(columns == 0 ? 0 : in0.num_elements() / columns, columns, x, static_cast<T*>(result(0)));
  } else if constexpr (std::is_same_v<root_op, ops::sparse_softmax_cross_entropy_op>) {
    using L = type_of_t<s.in[1].type>;
    T* loss = nullptr;
    T* backprop = nullptr;
    for (int k = 0; k < s.program.outputs; ++k)
      (C::tables.outputs[static_cast<std::size_t>(s.program.output + k)].node == s.root ? loss : backprop) = static_cast<T*>(result(k));
    kernel::sparse_softmax_cross_entropy<T, L>(in0[0], in0[1], x, static_cast<const L*>(address<C>(c, s.operands[1].memory)),
                                               loss, backprop);
  } else if constexpr (std::is_same_v<root_op, graph::op::transpose>) {
    using P = expr::program<expr::list<expr::in<T, expr::walk::strided>>, expr::list<>, expr::list<expr::out<T, ~0>>>;
    kernel::nest<2> n;
    std::int64_t from[max_rank] = {};
    row_major(in0, from);
    n.rank = in0.rank();
    std::int64_t to = 1;
    for (int d = n.rank - 1; d >= 0; --d) {
      n.extents[d] = in0[static_cast<int>(s.attr.i[d])];
      n.strides[0][d] = from[s.attr.i[d]];
      n.strides[1][d] = to;
      to *= n.extents[d];
    }
    const void* in[] = {x};
    void* out[] = {result(0)};
    kernel::map<P>(n, in, out);
  } else {
    constexpr bool largest = std::is_same_v<root_op, arg_reduce_op<ops::argmax>>;
    static_assert(largest || std::is_same_v<root_op, arg_reduce_op<ops::argmin>>);
    constexpr int axis = static_cast<int>(s.attr.i[0]);
    constexpr expr::walk inner = axis == s.in[0].shape.rank() - 1 || s.in[0].shape.rank() == 0 ? expr::walk::contiguous : expr::walk::strided;
    using P = expr::program<expr::list<expr::in<T, inner>>, expr::list<>, expr::list<expr::out<T, ~0>>>;
    kernel::nest<2> n;
    n.rank = in0.rank();
    row_major(in0, n.strides[0]);
    std::int64_t to = 1;
    for (int d = n.rank - 1; d >= 0; --d) {
      n.extents[d] = in0[d];
      n.strides[1][d] = d == axis ? 0 : to;
      if (d != axis) to *= in0[d];
      if (in0[d] == 1) n.strides[0][d] = 1;
    }
    const void* in[] = {x};
    kernel::arg_reduce<P, largest>(n, 1u << axis, in, static_cast<std::int64_t*>(result(0)));
  }
}

}  // namespace detail

template <class C, std::size_t S>
void run_step(const step_context& c) {
  constexpr group_kind kind = C::tables.steps[S].kind;
  if constexpr (kind == group_kind::map) detail::run_map<C, S>(c);
  else if constexpr (kind == group_kind::reduce) detail::run_reduce<C, S>(c);
  else if constexpr (kind == group_kind::tile) detail::run_tile<C, S>(c);
  else detail::run_opaque<C, S>(c);
}

}  // namespace rill::graph

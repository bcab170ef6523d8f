// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Ops that bring a kernel of their own to the CPU (`Op::run`) and have one for devices too. Each names its op, says which
/// steps it takes, and is instantiated for the element types of these steps alone:
///
///   struct my_kernel {
///     using op = ops::my_op;
///     static constexpr bool takes(const graph::frozen_step& s) { return is_floating(s.in[0].type); }
///     template <class T, class Index, class Device>    // element types of operands 0 and 1
///     static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out);
///   };
///
/// A step that none of them takes has the CPU's kernel alone.

#include <rill/graph/compile.hpp>
#include <rill/kernel/batch_matmul.hpp>
#include <rill/kernel/indexing.hpp>
#include <rill/kernel/scan.hpp>
#include <rill/ops/all_reduce.hpp>
#include <rill/ops/indexing.hpp>
#include <rill/ops/nn.hpp>
#include <rill/ops/normalize.hpp>
#include <rill/ops/segment.hpp>

#include "contraction.cuh"
#include "gather.cuh"
#include "movement.cuh"
#include "normalization.cuh"
#include "scan.cuh"
#include "softmax.cuh"
#include "sort.cuh"

namespace rill::cuda {

namespace detail {

constexpr bool is_real_floating(dtype t) { return t == dtype::float32 || t == dtype::float64; }
constexpr bool is_index(dtype t) { return t == dtype::int32 || t == dtype::int64; }

struct layer_norm_kernel {
  using op = ops::layer_norm_op;
  static constexpr bool takes(const graph::frozen_step& s) { return is_real_floating(s.in[0].type); }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    layer_norm<T>(device, in[0].shape[0], in[0].shape[1], in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), static_cast<T>(at.f[0]), out.as<T>());
  }
};
struct layer_norm_grad_kernel {
  using op = ops::layer_norm_grad_op;
  static constexpr bool takes(const graph::frozen_step& s) { return is_real_floating(s.in[0].type); }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    layer_norm_grad<T>(device, in[0].shape[0], in[0].shape[1], in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), static_cast<T>(at.f[0]), out.as<T>(),
                       static_cast<T*>(out.more[0]), static_cast<T*>(out.more[1]));
  }
};
struct batch_norm_kernel {
  using op = ops::batch_norm_op;
  static constexpr bool takes(const graph::frozen_step& s) { return is_real_floating(s.in[0].type); }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    const tensor_shape& s = in[0].shape;
    batch_norm_training<T>(device, s[0], s[1], s[2], in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), static_cast<T>(at.f[0]), out.as<T>(), static_cast<T*>(out.more[0]),
                           static_cast<T*>(out.more[1]), static_cast<T*>(out.more[2]));
  }
};
struct batch_norm_grad_kernel {
  using op = ops::batch_norm_grad_op;
  static constexpr bool takes(const graph::frozen_step& s) { return is_real_floating(s.in[0].type); }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    const tensor_shape& s = in[0].shape;
    const T* const moments = in[3].as<T>();
    batch_norm_grad<T>(device, s[0], s[1], s[2], in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), moments, moments + s[1], static_cast<T>(at.f[0]), out.as<T>(),
                       static_cast<T*>(out.more[0]), static_cast<T*>(out.more[1]));
  }
};

/// Rows of a matrix along its last axis.
template <class T, class Run>
void by_rows(const operand_memory& x, const Run& run) {
  const std::int64_t columns = x.shape[x.shape.rank() - 1];
  if (x.size() > 0) run(x.size() / columns, columns);
}
struct log_softmax_kernel {
  using op = ops::log_softmax_op;
  static constexpr bool takes(const graph::frozen_step& s) { return is_floating(s.in[0].type); }
  template <class T, class, class Device>
  static void run(Device& device, const attributes&, const operand_memory* in, const result_memory& out) {
    by_rows<T>(in[0], [&](std::int64_t rows, std::int64_t columns) { log_softmax(device, rows, columns, in[0].as<T>(), out.as<T>()); });
  }
};
struct log_softmax_grad_kernel {
  using op = ops::log_softmax_grad_op;
  static constexpr bool takes(const graph::frozen_step& s) { return is_floating(s.in[0].type); }
  template <class T, class, class Device>
  static void run(Device& device, const attributes&, const operand_memory* in, const result_memory& out) {
    by_rows<T>(in[0], [&](std::int64_t rows, std::int64_t columns) { log_softmax_grad(device, rows, columns, in[0].as<T>(), in[1].as<T>(), out.as<T>()); });
  }
};
struct softmax_grad_kernel {
  using op = ops::softmax_grad_op;
  static constexpr bool takes(const graph::frozen_step& s) { return is_floating(s.in[0].type); }
  template <class T, class, class Device>
  static void run(Device& device, const attributes&, const operand_memory* in, const result_memory& out) {
    by_rows<T>(in[0], [&](std::int64_t rows, std::int64_t columns) { softmax_grad(device, rows, columns, in[0].as<T>(), in[1].as<T>(), out.as<T>()); });
  }
};
struct softmax_cross_entropy_kernel {
  using op = ops::softmax_cross_entropy_op;
  static constexpr bool takes(const graph::frozen_step& s) { return is_floating(s.in[0].type) && s.in[0].shape[s.in[0].shape.rank() - 1] != 0; }
  template <class T, class, class Device>
  static void run(Device& device, const attributes&, const operand_memory* in, const result_memory& out) {
    by_rows<T>(in[0], [&](std::int64_t rows, std::int64_t columns) { softmax_cross_entropy(device, rows, columns, in[0].as<T>(), in[1].as<T>(), out.as<T>()); });
  }
};

/// An index that names no row gives zeros; the CPU throws out_of_range.
struct gather_kernel_of {
  using op = ops::gather_op;
  static constexpr bool takes(const graph::frozen_step& s) { return s.in[0].type != dtype::string && is_index(s.in[1].type); }
  template <class T, class Index, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    const kernel::detail::slice_extents e(in[0].shape, in[1].shape, at);
    gather(device, sizeof(T), e.batch, e.outer, e.n, e.inner, e.m, in[0].data, in[1].as<Index>(), out.data);
  }
};
/// Its gradient along the first axis, added up in the order of the indices.
struct scatter_slices_kernel {
  using op = ops::scatter_slices_op;
  static constexpr bool takes(const graph::frozen_step& s) { return is_real_floating(s.in[0].type) && is_index(s.in[1].type) && s.attr.i[0] == 0 && s.attr.i[1] == 0; }
  template <class T, class Index, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    const kernel::detail::slice_extents e(out.shape, in[1].shape, at);
    segment_sum(device, e.m, e.inner, e.n, in[0].as<T>(), in[1].as<Index>(), out.as<T>());
  }
};

/// Towers sum up between their steps (towers.cuh); alone there is nothing to sum.
struct all_reduce_kernel {
  using op = ops::all_reduce_op;
  static constexpr bool takes(const graph::frozen_step&) { return true; }
  template <class, class, class Device>
  static void run(Device& device, const attributes&, const operand_memory* in, const result_memory& out) {
    device.copy(out.data, in[0].data, static_cast<std::size_t>(in[0].size()) * size_of(in[0].type));
  }
};

struct take_along_axis_kernel {
  using op = ops::gather_elements_op;
  static constexpr bool takes(const graph::frozen_step& s) { return s.in[0].type != dtype::string && is_index(s.in[1].type); }
  template <class T, class Index, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    const kernel::axis_layout x(in[0].shape, at.i[0]), y(out.shape, at.i[0]);
    take_along_axis(device, sizeof(T), y.outer, x.n, y.n, y.inner, in[0].data, in[1].as<Index>(), out.data);
  }
};
struct put_along_axis_kernel {
  using op = ops::scatter_elements_op;
  static constexpr bool takes(const graph::frozen_step& s) { return is_real_floating(s.in[0].type) && is_index(s.in[1].type); }
  template <class T, class Index, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    const kernel::axis_layout x(in[0].shape, at.i[0]), y(out.shape, at.i[0]);
    put_along_axis(device, y.outer, y.n, x.n, y.inner, in[0].as<T>(), in[1].as<Index>(), out.as<T>());
  }
};
struct one_hot_kernel_of {
  using op = ops::one_hot_op;
  static constexpr bool takes(const graph::frozen_step& s) { return s.out.type != dtype::string; }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    const kernel::axis_layout y(out.shape, at.i[0]);
    const kernel::detail::element_value on(out.type, at.f[0], 0), off(out.type, at.f[1], 0);
    with_word(size_of(out.type), [&]<class Word>(std::type_identity<Word>) {
      Word a, b;
      std::memcpy(&a, on.data, sizeof a), std::memcpy(&b, off.data, sizeof b);
      one_hot(device, y.outer, y.n, y.inner, in[0].as<T>(), a, b, static_cast<Word*>(out.data));
    });
  }
};

/// Sums by segment; ids outside are left out, where the CPU may throw.
template <bool Sorted>
struct segment_sum_kernel {
  using op = ops::segment_op<ops::sum, Sorted>;
  static constexpr bool takes(const graph::frozen_step& s) { return is_real_floating(s.in[0].type) && is_index(s.in[1].type); }
  template <class T, class Index, class Device>
  static void run(Device& device, const attributes&, const operand_memory* in, const result_memory& out) {
    const std::int64_t n = out.shape[0];
    if (out.size() > 0) segment_sum(device, in[1].size(), out.size() / n, n, in[0].as<T>(), in[1].as<Index>(), out.as<T>());
  }
};
struct spread_segments_kernel {
  using op = ops::spread_segments_op;
  static constexpr bool takes(const graph::frozen_step& s) { return is_index(s.in[1].type); }
  template <class T, class Index, class Device>
  static void run(Device& device, const attributes&, const operand_memory* in, const result_memory& out) {
    const std::int64_t m = in[1].size();
    if (out.size() > 0) gather(device, sizeof(T), 1, 1, in[0].shape[0], out.size() / m, m, in[0].data, in[1].as<Index>(), out.data);
  }
};

/// Products of matrices; of half and bfloat16 to results of that type.
struct batch_matmul_kernel {
  using op = ops::batch_matmul_op;
  static constexpr bool takes(const graph::frozen_step& s) { return is_floating(s.in[0].type) && s.out.type == s.in[0].type; }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    if (out.size() == 0) return;
    const auto p = kernel::detail::plan_batch(at, in[0].shape, in[1].shape, out.shape);
    store_epilogue<T> store;
    store.output(0, out.data, p.n), store.columns = p.n;
    batch_matmul<T>(device, p, in[0].as<T>(), in[1].as<T>(), store);
  }
};

template <class Reducer>
struct scan_kernel {
  using op = ops::scan_op<Reducer>;
  static constexpr bool takes(const graph::frozen_step& s) {
    return is_floating(s.in[0].type) || (is_index(s.in[0].type) && !std::is_same_v<Reducer, ops::log_sum_exp>);
  }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    const kernel::axis_layout x(out.shape, at.i[0]);
    scan<Reducer>(device, x.outer, x.n, x.inner, in[0].as<T>(), out.as<T>(), at.i[1] != 0, at.i[2] != 0);
  }
};

/// Along the last axis, numbers of 32 bits and less.
constexpr bool can_sort(const graph::frozen_step& s, std::int64_t axis) {
  const dtype t = s.in[0].type;
  return axis == s.in[0].shape.rank() - 1 && (t == dtype::float32 || t == dtype::int32 || t == dtype::float16 || t == dtype::bfloat16);
}
struct sort_kernel {
  using op = ops::sort_op;
  static constexpr bool takes(const graph::frozen_step& s) { return can_sort(s, s.attr.i[0]); }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    by_rows<T>(in[0], [&](std::int64_t rows, std::int64_t n) { sort(device, rows, n, at.i[1] != 0, in[0].as<T>(), out.as<T>()); });
  }
};
struct argsort_kernel {
  using op = ops::argsort_op;
  static constexpr bool takes(const graph::frozen_step& s) { return can_sort(s, s.attr.i[0]); }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    by_rows<T>(in[0], [&](std::int64_t rows, std::int64_t n) { argsort(device, rows, n, n, at.i[1] != 0, in[0].as<T>(), out.as<std::int32_t>()); });
  }
};
struct top_k_kernel {
  using op = ops::top_k_op;
  static constexpr bool takes(const graph::frozen_step& s) { return can_sort(s, s.in[0].shape.rank() - 1); }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    by_rows<T>(in[0], [&](std::int64_t rows, std::int64_t n) { argsort(device, rows, n, at.i[0], true, in[0].as<T>(), out.as<std::int32_t>()); });
  }
};

/// What kernel/movement.hpp moves, of numbers; Operands: of the op of this name that has so many.
template <class Op, int Operands = 0>
struct movement_kernel {
  using op = Op;
  static constexpr bool takes(const graph::frozen_step& s) { return s.out.type != dtype::string && (Operands == 0 || s.arity == Operands); }
  template <class, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    kernel::move(std::type_identity<Op>{}, mover<Device>{&device}, at, in, out);
  }
};
template <int N>
struct pad_kernel_of {
  using op = ops::pad_op<N>;
  static constexpr bool takes(const graph::frozen_step& s) { return s.out.type != dtype::string && s.arity == N; }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    std::int64_t step[max_rank] = {};
    for (int d = 0; d < out.shape.rank(); ++d) step[d] = rill::detail::small_number(at, d) + 1;
    const kernel::detail::element_value value(out.type, at.f[0], at.f[1]);
    pad(device, sizeof(T), in[0].data, in[0].shape, at.i, step, value.data, N == 2 ? in[N - 1].data : nullptr, out.data, out.shape);
  }
};
struct shift_kernel {
  using op = ops::shift_op;
  static constexpr bool takes(const graph::frozen_step& s) { return s.out.type != dtype::string; }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    std::int64_t low[max_rank] = {}, step[max_rank] = {};
    for (std::int64_t& s : step) s = 1;
    low[at.i[0]] = at.i[2] != 0 ? -1 : 1;
    const kernel::detail::element_value fill(out.type, at.f[0], 0);
    pad(device, sizeof(T), in[0].data, in[0].shape, low, step, fill.data, nullptr, out.data, out.shape);
  }
};
struct dynamic_slice_kernel {
  using op = ops::dynamic_slice_op;
  static constexpr bool takes(const graph::frozen_step& s) { return s.out.type != dtype::string && is_index(s.in[1].type); }
  template <class T, class Index, class Device>
  static void run(Device& device, const attributes&, const operand_memory* in, const result_memory& out) {
    move_block<Index, false>(device, sizeof(T), in[0].shape, out.shape, const_cast<void*>(in[0].data), out.data, in[1].data);
  }
};
struct dynamic_update_slice_kernel {
  using op = ops::dynamic_update_slice_op;
  static constexpr bool takes(const graph::frozen_step& s) { return s.out.type != dtype::string && is_index(s.in[2].type); }
  template <class T, class, class Device>
  static void run(Device& device, const attributes&, const operand_memory* in, const result_memory& out) {
    device.copy(out.data, in[0].data, static_cast<std::size_t>(out.size()) * sizeof(T));
    if (in[2].type == dtype::int64) move_block<std::int64_t, true>(device, sizeof(T), out.shape, in[1].shape, out.data, in[1].data, in[2].data);
    else move_block<std::int32_t, true>(device, sizeof(T), out.shape, in[1].shape, out.data, in[1].data, in[2].data);
  }
};
struct band_part_kernel {
  using op = ops::matrix_band_part_op;
  static constexpr bool takes(const graph::frozen_step& s) { return s.out.type != dtype::string; }
  template <class T, class, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    const std::uint32_t size = small_size(op::name, out.size());
    with_word(sizeof(T), [&]<class Word>(std::type_identity<Word>) {
      const kernel::detail::matrices m(out.shape);
      launch_over(device, size,
                  band_kernel<Word>{static_cast<const Word*>(in[0].data), static_cast<Word*>(out.data), size, at.i[0], at.i[1],
                                    divider(static_cast<std::uint32_t>(m.columns)), divider(static_cast<std::uint32_t>(m.rows))});
    });
  }
};
struct reverse_sequence_kernel_of {
  using op = ops::reverse_sequence_op;
  static constexpr bool takes(const graph::frozen_step& s) { return s.out.type != dtype::string && is_index(s.in[1].type); }
  template <class T, class Index, class Device>
  static void run(Device& device, const attributes& at, const operand_memory* in, const result_memory& out) {
    const kernel::axis_layout seq(out.shape, at.i[0]), batch(out.shape, at.i[1]);
    const std::uint32_t size = small_size(op::name, out.size());
    const auto by = [](std::int64_t n) { return divider(static_cast<std::uint32_t>(n)); };
    with_word(sizeof(T), [&]<class Word>(std::type_identity<Word>) {
      launch_over(device, size,
                  reverse_sequence_kernel<Word, Index>{static_cast<const Word*>(in[0].data), in[1].as<Index>(), static_cast<Word*>(out.data), size, by(seq.n),
                                                       by(seq.inner), by(batch.n), by(batch.inner)});
    });
  }
};

using own_kernels =
    expr::list<all_reduce_kernel, layer_norm_kernel, layer_norm_grad_kernel, batch_norm_kernel, batch_norm_grad_kernel, log_softmax_kernel, log_softmax_grad_kernel, softmax_grad_kernel,
               softmax_cross_entropy_kernel, gather_kernel_of, scatter_slices_kernel, take_along_axis_kernel, put_along_axis_kernel, one_hot_kernel_of,
               segment_sum_kernel<true>, segment_sum_kernel<false>, spread_segments_kernel, batch_matmul_kernel, scan_kernel<ops::sum>, scan_kernel<ops::prod>,
               scan_kernel<ops::max>, scan_kernel<ops::min>, scan_kernel<ops::log_sum_exp>, sort_kernel, argsort_kernel, top_k_kernel,
               movement_kernel<ops::concat_op<2>, 2>, movement_kernel<ops::concat_op<3>, 3>, movement_kernel<ops::slice_op>, movement_kernel<ops::reverse_op>,
               movement_kernel<ops::tile_op>, movement_kernel<ops::bitcast_op>, movement_kernel<ops::matrix_diag_op>, movement_kernel<ops::matrix_diag_part_op>,
               movement_kernel<ops::matrix_set_diag_op>, pad_kernel_of<1>, pad_kernel_of<2>, shift_kernel, dynamic_slice_kernel, dynamic_update_slice_kernel,
               band_part_kernel, reverse_sequence_kernel_of>;

template <class... K>
constexpr int find_kernel(expr::list<K...>, const graph::frozen_step& s) {
  int k = 0, found = -1;
  ((found = found < 0 && s.name == K::op::name && K::takes(s) ? k : found, ++k), ...);
  return found;
}

}  // namespace detail

/// The number of the device kernel that a step with a kernel of its own has, or -1.
constexpr int kernel_of(const graph::frozen_step& s) { return detail::find_kernel(detail::own_kernels{}, s); }

}  // namespace rill::cuda

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
/// A step that none of them takes runs on the host.

#include <rill/graph/compile.hpp>
#include <rill/kernel/indexing.hpp>
#include <rill/ops/indexing.hpp>
#include <rill/ops/nn.hpp>
#include <rill/ops/normalize.hpp>

#include "gather.cuh"
#include "normalization.cuh"
#include "softmax.cuh"

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

using own_kernels = expr::list<layer_norm_kernel, layer_norm_grad_kernel, batch_norm_kernel, batch_norm_grad_kernel, log_softmax_kernel, log_softmax_grad_kernel,
                               softmax_grad_kernel, softmax_cross_entropy_kernel, gather_kernel_of, scatter_slices_kernel>;

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

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The CPU kernel of each op that is not element-wise, for operands whose dtype is known at run time. An op that brings its
/// own (`Op::run`) needs nothing here; the others are the kernels that compiled models use, instantiated per dtype.

#include "../core/storage.hpp"
#include "../kernel/batch_matmul.hpp"
#include "../kernel/cast.hpp"
#include "../kernel/convolution.hpp"
#include "../kernel/copy.hpp"
#include "../kernel/map.hpp"
#include "../kernel/matmul.hpp"
#include "../kernel/pooling.hpp"
#include "../kernel/reduce.hpp"
#include "../kernel/softmax.hpp"
#include "../ops/functions.hpp"

namespace rill::eager {

/// run(attributes, operands, result).
template <class Op>
struct cpu_kernel {
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) { ops::run<Op>(at, in, out); }
};

namespace detail {

template <class F>
void real_kernel(const char* op, dtype d, F&& f) {
  if (d == dtype::float32) return f(float{});
  if (d == dtype::float64) return f(double{});
  throw unimplemented(std::string(op) + " has a kernel for float32 and float64, not for " + std::string(name_of(d)));
}

inline kernel::conv2d_dims convolution_dims(const tensor_shape& x, const tensor_shape& w, const attributes& at) {
  const window_extent h = ops::conv2d_attributes::height(at, x, w), v = ops::conv2d_attributes::width(at, x, w);
  return {x[0], x[1], x[2], x[3], w[0], w[1], h.out, v.out, w[3], at.i[0], at.i[1], h.pad_before, v.pad_before, ops::conv2d_attributes::direct(at)};
}
inline kernel::pool2d_dims pooling_dims(const tensor_shape& x, const attributes& at) {
  const window_extent h = ops::pool_attributes::height(at, x), w = ops::pool_attributes::width(at, x);
  return {x[0], x[1], x[2], x[3], at.i[0], at.i[1], h.out, w.out, at.i[2], at.i[3], h.pad_before, w.pad_before};
}

template <class R, class T>
void reduce_dense(const operand_memory& x, std::int64_t mask, void* out) {
  using P = expr::program<expr::list<expr::in<T, expr::walk::contiguous>>, expr::list<>, expr::list<expr::out<T, ~0>>>;
  kernel::nest<2> n;
  n.rank = x.shape.rank();
  std::int64_t from = 1, to = 1;
  for (int d = n.rank - 1; d >= 0; --d) {
    n.extents[d] = x.shape[d];
    n.strides[0][d] = from;
    from *= x.shape[d];
    const bool gone = ((mask >> d) & 1) != 0;
    n.strides[1][d] = gone ? 0 : to;
    if (!gone) to *= x.shape[d];
  }
  const void* in[] = {x.data};
  kernel::reduce<P, R>(n, static_cast<unsigned>(mask), in, out);
}

/// The same without packs, for the dtypes that are reduced rarely, each in its wide type W.
template <class R, class W>
void reduce_wide(const W* x, const tensor_shape& shape, std::int64_t mask, W identity, W* total, std::int64_t outputs) {
  std::int64_t step[max_rank] = {}, index[max_rank] = {}, to = 1, at = 0, n = 1;
  const int rank = shape.rank();
  for (int d = rank - 1; d >= 0; --d) {
    n *= shape[d];
    if (((mask >> d) & 1) != 0) continue;
    step[d] = to;
    to *= shape[d];
  }
  for (std::int64_t k = 0; k < outputs; ++k) total[k] = identity;
  for (std::int64_t k = 0; k < n; ++k) {
    total[at] = static_cast<W>(R::combine(total[at], x[k]));
    for (int d = rank - 1; d >= 0; --d) {
      at += step[d];
      if (++index[d] < shape[d]) break;
      at -= step[d] * shape[d];
      index[d] = 0;
    }
  }
}
/// Elements of one of the types T as W, and back: a part of kernel/cast.hpp, all of which takes a second to compile.
template <class W, class... T>
void widen_all(const operand_memory& x, W* to) {
  (void)((x.type == dtype_v<T> && (kernel::detail::cast_loop<T, W>(x.data, to, x.size()), true)) || ...);
}
template <class W, class... T>
void narrow_all(const W* x, const result_memory& out) {
  (void)((out.type == dtype_v<T> && (kernel::detail::cast_loop<W, T>(x, out.data, out.size()), true)) || ...);
}
template <class R, class W, class... T>
void reduce_through(const operand_memory& x, std::int64_t mask, const result_memory& out) {
  const storage in = storage::allocate(static_cast<std::size_t>(x.size()) * sizeof(W)),
                to = storage::allocate(static_cast<std::size_t>(out.size()) * sizeof(W));
  widen_all<W, T...>(x, static_cast<W*>(in.data()));
  W identity = R::template identity<W>();
  if constexpr (std::is_same_v<W, std::int64_t>)  // the lowest number of the dtype itself
    (void)((out.type == dtype_v<T> && (identity = static_cast<W>(R::template identity<T>()), true)) || ...);
  reduce_wide<R, W>(static_cast<const W*>(in.data()), x.shape, mask, identity, static_cast<W*>(to.data()), out.size());
  narrow_all<W, T...>(static_cast<const W*>(to.data()), out);
}

}  // namespace detail

template <class R>
struct cpu_kernel<ops::reduce_op<R>> {
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) {
    if constexpr (std::is_same_v<R, ops::any> || std::is_same_v<R, ops::all>) {
      if (in[0].type != dtype::boolean) throw invalid_argument(std::string(R::name) + ": needs an operand of dtype bool");
      detail::reduce_dense<R, bool>(in[0], at.i[0], out.data);
    } else {
      const dtype t = in[0].type;
      if (t == dtype::float32) return detail::reduce_dense<R, float>(in[0], at.i[0], out.data);
      if (t == dtype::float64) return detail::reduce_dense<R, double>(in[0], at.i[0], out.data);
      if (is_floating(t)) return detail::reduce_through<R, double, half, bfloat16>(in[0], at.i[0], out);
      if (t == dtype::uint64) return detail::reduce_through<R, std::uint64_t, std::uint64_t>(in[0], at.i[0], out);
      if (is_integer(t))
        return detail::reduce_through<R, std::int64_t, std::int32_t, std::int64_t, std::uint8_t, std::int8_t, std::int16_t,
                                      std::uint16_t, std::uint32_t>(in[0], at.i[0], out);
      if constexpr (!std::is_same_v<R, ops::max> && !std::is_same_v<R, ops::min>)
        if (is_complex(t))
          return detail::reduce_through<R, std::complex<double>, std::complex<float>, std::complex<double>>(in[0], at.i[0], out);
      throw invalid_argument(std::string(R::name) + ": does not take operands of " + std::string(name_of(t)));
    }
  }
};

template <class R>
struct cpu_kernel<ops::arg_reduce_op<R>> {
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) {
    visit_real(in[0].type, [&]<class T>(std::type_identity<T>) {
      const auto axis = static_cast<int>(at.i[0]);
      const tensor_shape& s = in[0].shape;
      std::int64_t outer = 1, inner = 1;
      for (int d = 0; d < axis; ++d) outer *= s[d];
      for (int d = axis + 1; d < s.rank(); ++d) inner *= s[d];
      const std::int64_t n = s[axis];
      if (n == 0 && outer * inner > 0) throw invalid_argument(std::string(R::name) + ": the axis is empty");
      const auto* x = in[0].as<T>();
      auto* to = out.as<std::int64_t>();
      parallel_for(outer * inner, 32768 / (n + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t k = begin; k < end; ++k) {
          const T* row = x + k / inner * n * inner + k % inner;
          std::int64_t best = 0;
          T value = row[0];
          for (std::int64_t j = 1; j < n && value == value; ++j) {
            const T v = row[j * inner];
            const bool beats = std::is_same_v<R, ops::argmax> ? v > value : v < value;
            if (beats || v != v) best = j, value = v;
          }
          to[k] = best;
        }
      });
    }, R::name);
  }
};

template <class Op>
  requires std::is_same_v<Op, ops::transpose_op>
struct cpu_kernel<Op> {
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) {
    const tensor_shape& s = in[0].shape;
    std::int64_t stride[max_rank] = {}, step = 1, by_axis[max_rank] = {};
    for (int d = s.rank() - 1; d >= 0; --d) by_axis[d] = step, step *= s[d];
    for (int d = 0; d < s.rank(); ++d) stride[d] = by_axis[at.i[d]];
    kernel::copy_strided(in[0], stride, out);
  }
};

template <class Op>
  requires std::is_same_v<Op, ops::broadcast_in_dim_op>
struct cpu_kernel<Op> {
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) {
    const tensor_shape& s = in[0].shape;
    std::int64_t stride[max_rank] = {}, step = 1;
    for (int d = s.rank() - 1; d >= 0; --d) {
      if (s[d] != 1) stride[at.i[d]] = step;
      step *= s[d];
    }
    kernel::copy_strided(in[0], stride, out);
  }
};

template <class Op>
  requires std::is_same_v<Op, ops::matmul_op>
struct cpu_kernel<Op> {
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) {
    detail::real_kernel("MatMul", out.type, [&]<class T>(T) {
      const bool ta = ops::matmul_op::trans_a(at), tb = ops::matmul_op::trans_b(at);
      const kernel::plain_operand<T> a{in[0].as<T>(), in[0].shape[1]}, b{in[1].as<T>(), in[1].shape[1]};
      const kernel::store_epilogue<T> to{out.as<T>(), out.shape[1]};
      kernel::detail::multiply<T>({out.shape[0], out.shape[1], in[0].shape[ta ? 0 : 1], ta, tb,
                                   kernel::detail::operand_ref<T>::of(a), kernel::detail::operand_ref<T>::of(b),
                                   kernel::detail::tile_sink<T>::of(to)});
    });
  }
};

namespace detail {
template <class Op>
void convolve(const attributes& at, const operand_memory* in, const result_memory& out) {
  real_kernel(Op::name, out.type, [&]<class T>(T) {
    using ref = kernel::detail::operand_ref<T>;
    // An image is read by rows of the picture, a filter by rows of its output channels.
    const auto columns = [](const operand_memory& m, bool image) { return image ? m.shape[2] * m.shape[3] : m.shape[3]; };
    const kernel::plain_operand<T> x{in[0].as<T>(), columns(in[0], !std::is_same_v<Op, ops::conv2d_backprop_input_op>)};
    const kernel::plain_operand<T> y{in[1].as<T>(), columns(in[1], !std::is_same_v<Op, ops::conv2d_op>)};
    const kernel::store_epilogue<T> to{out.as<T>(), out.shape[3]};
    const auto sink = kernel::detail::tile_sink<T>::of(to);
    if constexpr (std::is_same_v<Op, ops::conv2d_op>)
      kernel::detail::convolve<T>(convolution_dims(in[0].shape, in[1].shape, at), ref::of(x), ref::of(y), sink);
    else if constexpr (std::is_same_v<Op, ops::conv2d_backprop_input_op>)
      kernel::detail::convolve_backprop_input<T>(convolution_dims(out.shape, in[0].shape, at), ref::of(y), ref::of(x), sink);
    else
      kernel::detail::convolve_backprop_filter<T>(convolution_dims(in[0].shape, out.shape, at), ref::of(x), ref::of(y), sink);
  });
}
}  // namespace detail

template <class Op>
  requires std::is_same_v<Op, ops::conv2d_op>
struct cpu_kernel<Op> {
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) {
    detail::convolve<ops::conv2d_op>(at, in, out);
  }
};
template <class Op>
  requires std::is_same_v<Op, ops::conv2d_backprop_input_op>
struct cpu_kernel<Op> {
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) {
    detail::convolve<ops::conv2d_backprop_input_op>(at, in, out);
  }
};
template <class Op>
  requires std::is_same_v<Op, ops::conv2d_backprop_filter_op>
struct cpu_kernel<Op> {
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) {
    detail::convolve<ops::conv2d_backprop_filter_op>(at, in, out);
  }
};

template <class Op>
  requires std::is_same_v<Op, ops::max_pool_op>
struct cpu_kernel<Op> {
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) {
    detail::real_kernel("MaxPool", out.type, [&]<class T>(T) {
      kernel::max_pool2d<T>(detail::pooling_dims(in[0].shape, at), kernel::plain_operand<T>{in[0].as<T>(), in[0].shape[2] * in[0].shape[3]},
                            kernel::store_epilogue<T>{out.as<T>(), out.shape[3]});
    });
  }
};
template <class Op>
  requires std::is_same_v<Op, ops::max_pool_grad_op>
struct cpu_kernel<Op> {
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) {
    detail::real_kernel("MaxPoolGrad", out.type, [&]<class T>(T) {
      const auto d = detail::pooling_dims(in[0].shape, at);
      kernel::max_pool2d_grad<T>(d, kernel::plain_operand<T>{in[0].as<T>(), in[0].shape[2] * in[0].shape[3]},
                                 kernel::plain_operand<T>{in[2].as<T>(), d.out_w * d.c},
                                 kernel::store_epilogue<T>{out.as<T>(), out.shape[3]});
    });
  }
};

template <class Op>
  requires std::is_same_v<Op, ops::softmax_op>
struct cpu_kernel<Op> {
  static void run(const attributes&, const operand_memory* in, const result_memory& out) {
    detail::real_kernel("Softmax", out.type, [&]<class T>(T) {
      const std::int64_t columns = out.shape[out.shape.rank() - 1];
      kernel::softmax<T>(columns == 0 ? 0 : out.size() / columns, columns, in[0].as<T>(), out.as<T>());
    });
  }
};
template <class Op>
  requires std::is_same_v<Op, ops::sparse_softmax_cross_entropy_op>
struct cpu_kernel<Op> {
  static void run(const attributes&, const operand_memory* in, const result_memory& out) {
    detail::real_kernel("SparseSoftmaxCrossEntropyWithLogits", out.type, [&]<class T>(T) {
      visit_index(in[1].type, [&]<class L>(std::type_identity<L>) {
        kernel::sparse_softmax_cross_entropy<T, L>(in[0].shape[0], in[0].shape[1], in[0].as<T>(), in[1].as<L>(), out.as<T>(),
                                                   static_cast<T*>(nullptr));
      });
    });
  }
};

}  // namespace rill::eager

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Products, convolutions, pooling, softmax and cross-entropy of tensors, evaluated at once by the kernels that compiled
/// models use. Operands are tensors, views or expressions of float or double; the shape rules and their sentences are the
/// ops' own (invalid_argument).
///
///   tensor<float, 2, 3> a{{1, 2, 3}, {4, 5, 6}};
///   tensor<float, 3, 2> b{{1, 0}, {0, 1}, {1, 1}};
///   std::cout << matmul(a, b);                       // [[ 4.  5.] [10. 11.]]

#include "../core/philox.hpp"
#include "../kernel/convolution.hpp"
#include "../kernel/matmul.hpp"
#include "../kernel/pooling.hpp"
#include "../kernel/softmax.hpp"
#include "../ops/contraction.hpp"
#include "../ops/convolution.hpp"
#include "../ops/normalization.hpp"
#include "../ops/window.hpp"
#include "shape.hpp"

namespace rill {

namespace expr {

template <class X>
concept eager = operand<X> && std::is_same_v<front_end_t<X>, eager_front_end>;

namespace detail {

template <class T, std::int64_t... E>
const tensor<T, E...>& in_memory(const tensor<T, E...>& t) {
  return t;
}
template <class D, class T, std::int64_t... E>
tensor<T, E...> in_memory(const expression_base<D, T, E...>& x) {
  return tensor<T, E...>(x);
}

/// The result of an op's shape rule for these operands; throws its sentence when they do not fit.
template <class Op, class... X>
tensor_shape result_shape(const attributes& at, const X&... x) {
  const signature in[] = {{dtype_v<typename X::value_type>, x.shape()}...};
  failure f;
  const signature out = Op::infer(at, in, f);
  if (f) throw invalid_argument(to_string(f, Op::name));
  return out.shape;
}

template <class T>
kernel::plain_operand<T> plain(const T* data, std::int64_t columns) {
  return {data, columns};
}

/// Static extent K of a tensor, or dyn.
template <class X, int K>
inline constexpr std::int64_t extent_v = dyn;
template <class T, std::int64_t... E, int K>
  requires(K < static_cast<int>(sizeof...(E)))
inline constexpr std::int64_t extent_v<tensor<T, E...>, K> = std::array<std::int64_t, sizeof...(E)>{E...}[K];

template <bool TransA, bool TransB, class T>
void multiply(const tensor_shape& a, const T* pa, const tensor_shape& b, const T* pb, T* out) {
  const std::int64_t m = a[TransA ? 1 : 0], k = a[TransA ? 0 : 1], n = b[TransB ? 0 : 1];
  kernel::matmul<TransA, TransB, T>(m, n, k, plain(pa, a[1]), plain(pb, b[1]), kernel::store_epilogue<T>{out, n});
}

}  // namespace detail
}  // namespace expr

/// [m, k] x [k, n] -> [m, n]; static extents stay static.
template <expr::eager A, expr::eager B>
auto matmul(const A& a, const B& b) {
  const auto& x = expr::detail::in_memory(a);
  const auto& y = expr::detail::in_memory(b);
  using X = std::remove_cvref_t<decltype(x)>;
  using Y = std::remove_cvref_t<decltype(y)>;
  const tensor_shape s = expr::detail::result_shape<ops::matmul_op>({}, x, y);
  using T = typename X::value_type;
  auto r = tensor<T, expr::detail::extent_v<X, 0>, expr::detail::extent_v<Y, 1>>::uninitialized(s);
  expr::detail::multiply<false, false, T>(x.shape(), x.data(), y.shape(), y.data(), r.data());
  return r;
}
/// The same with either operand read transposed.
template <expr::eager A, expr::eager B>
auto matmul(const A& a, const B& b, matmul_options o) {
  const auto& x = expr::detail::in_memory(a);
  const auto& y = expr::detail::in_memory(b);
  attributes at;
  if ((o.transpose_a && o.adjoint_a) || (o.transpose_b && o.adjoint_b))
    throw invalid_argument("MatMul: an operand is read transposed or adjoint, not both");
  o.transpose_a = o.transpose_a || o.adjoint_a, o.transpose_b = o.transpose_b || o.adjoint_b;  // the same for real numbers
  at.i[0] = o.transpose_a, at.i[1] = o.transpose_b;
  const tensor_shape s = expr::detail::result_shape<ops::matmul_op>(at, x, y);
  using T = typename std::remove_cvref_t<decltype(x)>::value_type;
  if (o.output_type != dtype::invalid && o.output_type != dtype_v<T>) throw invalid_argument("MatMul: output_type must be the operands' dtype");
  auto r = tensor<T, dyn, dyn>::uninitialized(s);
  const auto run = [&]<bool TransA, bool TransB>() {
    expr::detail::multiply<TransA, TransB, T>(x.shape(), x.data(), y.shape(), y.data(), r.data());
  };
  if (o.transpose_a) o.transpose_b ? run.template operator()<true, true>() : run.template operator()<true, false>();
  else o.transpose_b ? run.template operator()<false, true>() : run.template operator()<false, false>();
  return r;
}

/// x [n, h, w, ci], filter [kh, kw, ci, co] -> [n, oh, ow, co] (cross-correlation).
template <expr::eager X, expr::eager W>
auto conv2d(const X& image, const W& filter, conv2d_options o = {}) {
  const auto& x = expr::detail::in_memory(image);
  const auto& w = expr::detail::in_memory(filter);
  using T = typename std::remove_cvref_t<decltype(x)>::value_type;
  const attributes at = ops::conv2d_attributes::make(o);
  const tensor_shape s = expr::detail::result_shape<ops::conv2d_op>(at, x, w), xs = x.shape(), ws = w.shape();
  auto r = tensor<T, dyn, dyn, dyn, dyn>::uninitialized(s);
  const kernel::conv2d_dims d{xs[0], xs[1], xs[2], xs[3], ws[0], ws[1], s[1], s[2], s[3], at.i[0], at.i[1],
                              ops::conv2d_attributes::height(at, xs, ws).pad_before,
                              ops::conv2d_attributes::width(at, xs, ws).pad_before, o.direct};
  kernel::conv2d<T>(d, expr::detail::plain(x.data(), xs[2] * xs[3]), expr::detail::plain(w.data(), ws[3]),
                    kernel::store_epilogue<T>{r.data(), s[3]});
  return r;
}

/// The largest element of each window of x [n, h, w, c].
template <expr::eager X>
auto max_pool(const X& image, pool_options o = {}) {
  const auto& x = expr::detail::in_memory(image);
  using T = typename std::remove_cvref_t<decltype(x)>::value_type;
  const attributes at = ops::pool_attributes::make(o);
  const tensor_shape s = expr::detail::result_shape<ops::max_pool_op>(at, x), xs = x.shape();
  auto r = tensor<T, dyn, dyn, dyn, dyn>::uninitialized(s);
  const kernel::pool2d_dims d{xs[0], xs[1], xs[2], xs[3], at.i[0], at.i[1], s[1], s[2], at.i[2], at.i[3],
                              ops::pool_attributes::height(at, xs).pad_before,
                              ops::pool_attributes::width(at, xs).pad_before};
  kernel::max_pool2d<T>(d, expr::detail::plain(x.data(), xs[2] * xs[3]), kernel::store_epilogue<T>{r.data(), s[3]});
  return r;
}

/// exp(x) / sum exp(x) along the last axis.
template <expr::eager X>
auto softmax(const X& logits) {
  auto r = [&] {
    const auto& x = expr::detail::in_memory(logits);
    return std::remove_cvref_t<decltype(x)>(x);
  }();
  const tensor_shape s = expr::detail::result_shape<ops::softmax_op>({}, r);
  const std::int64_t columns = s[s.rank() - 1];
  kernel::softmax(columns == 0 ? 0 : r.size() / columns, columns, r.data(), r.data());
  return r;
}

/// The loss of each row: log sum exp(logits) - logits[label]. labels [..] int32 or int64, logits [.., classes] -> [..], of
/// static rank for a matrix of logits.
template <expr::eager L, expr::eager X>
auto sparse_softmax_cross_entropy_with_logits(const L& labels, const X& logits) {
  const auto& x = expr::detail::in_memory(logits);
  const auto& y = expr::detail::in_memory(labels);
  using T = typename std::remove_cvref_t<decltype(x)>::value_type;
  constexpr bool matrix = std::remove_cvref_t<decltype(x)>::rank_v == 2;
  using result = std::conditional_t<matrix, tensor<T, expr::detail::extent_v<std::remove_cvref_t<decltype(x)>, 0>>, tensor<T, any_rank>>;
  tensor_shape s = y.shape();
  const std::int64_t classes = x.rank() > 0 ? x.shape()[x.rank() - 1] : 0;
  s.push_back(classes);
  if (matrix || !(s == x.shape())) s = expr::detail::result_shape<ops::sparse_softmax_cross_entropy_op>({}, x, y);
  else s = y.shape();
  auto r = result::uninitialized(s);
  kernel::sparse_softmax_cross_entropy(s.num_elements(), classes, x.data(), y.data(), r.data(), static_cast<T*>(nullptr));
  return r;
}

/// Where random numbers come from: the same seed and step give the same numbers, whatever the number of threads.
struct random_options {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
};

/// Uniform float32 numbers in [0, 1).
template <std::size_t N>
auto random_uniform(const std::int64_t (&dims)[N], random_options o = {}) {
  const tensor_shape s(dims, static_cast<int>(N));
  auto r = expr::detail::of_rank<tensor, float, static_cast<int>(N)>::type::uninitialized(s);
  float* out = r.data();
  parallel_for(r.size(), 16384, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t i = begin;
    for (; i + 16 <= end; i += 16) philox_uniforms<16>(static_cast<std::uint64_t>(i), o.step, o.seed, out + i);
    for (; i < end; ++i) out[i] = philox_uniform(static_cast<std::uint64_t>(i), o.step, o.seed);
  });
  return r;
}

/// Zeroes each element with probability `rate` and scales the others by 1 / (1 - rate); rate in [0, 1).
template <expr::eager X>
auto dropout(const X& values, double rate, random_options o = {}) {
  if (!(rate >= 0 && rate < 1)) throw invalid_argument("dropout: the rate " + std::to_string(rate) + " is not in [0, 1)");
  auto r = [&] {
    const auto& x = expr::detail::in_memory(values);
    return std::remove_cvref_t<decltype(x)>(x);
  }();
  using T = typename decltype(r)::value_type;
  const T scale = static_cast<T>(1 / (1 - rate));
  T* out = r.data();
  parallel_for(r.size(), 16384, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      out[i] = static_cast<double>(philox_uniform(static_cast<std::uint64_t>(i), o.step, o.seed)) >= rate ? out[i] * scale : T(0);
  });
  return r;
}

}  // namespace rill

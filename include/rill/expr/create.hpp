// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Tensors made from nothing: zeros, ones, full, eye, range, linspace, one_hot. Shapes are given as run-time dimensions
/// (`zeros<float>({n, 3})`, extents dyn) or in the type (`zeros<float, 2, 3>()`). Sizes below 0 are invalid_argument.

#include "shape.hpp"

namespace rill {

/// All elements 0.
template <class T, std::int64_t... E>
  requires(extents<E...>::is_static)
tensor<T, E...> zeros() {
  return {};
}
template <class T, std::size_t N>
auto zeros(const std::int64_t (&dims)[N]) {
  return typename expr::detail::of_rank<tensor, T, static_cast<int>(N)>::type(tensor_shape(dims, static_cast<int>(N)));
}
/// All elements `value`.
template <class T, std::size_t N>
auto full(const std::int64_t (&dims)[N], T value) {
  auto t = expr::detail::of_rank<tensor, T, static_cast<int>(N)>::type::uninitialized(tensor_shape(dims, static_cast<int>(N)));
  t.fill(value);
  return t;
}
/// All elements 1.
template <class T, std::int64_t... E>
  requires(extents<E...>::is_static)
tensor<T, E...> ones() {
  tensor<T, E...> t;
  t.fill(T(1));
  return t;
}
template <class T, std::size_t N>
auto ones(const std::int64_t (&dims)[N]) {
  return full(dims, T(1));
}
/// The identity matrix of n rows.
template <class T = float>
tensor<T, dyn, dyn> eye(std::int64_t n) {
  tensor<T, dyn, dyn> t({n, n});
  for (std::int64_t i = 0; i < n; ++i) t.data()[i * (n + 1)] = T(1);
  return t;
}
/// start, start + delta, ... below limit (above it when delta is negative); delta 0 is invalid_argument.
template <class T>
tensor<T, dyn> range(T start, std::type_identity_t<T> limit, std::type_identity_t<T> delta = T(1)) {
  if (delta == T(0)) throw invalid_argument("range: the step is 0");
  std::int64_t n = 0;
  if constexpr (is_floating_v<T>) {
    const double steps = (static_cast<double>(limit) - static_cast<double>(start)) / static_cast<double>(delta);
    if (!(steps < 9e15)) throw invalid_argument("range: more elements than memory can hold");
    n = steps > 0 ? static_cast<std::int64_t>(std::ceil(steps)) : 0;
  } else {
    const auto from = static_cast<std::int64_t>(start);
    const auto to = static_cast<std::int64_t>(limit);
    const auto step = static_cast<std::int64_t>(delta);
    std::int64_t span = 0;
    if (step > 0 ? to > from : to < from) {
      if (__builtin_sub_overflow(step > 0 ? to : from, step > 0 ? from : to, &span) || step == INT64_MIN)
        throw invalid_argument("range: more elements than memory can hold");
      n = (span - 1) / (step > 0 ? step : -step) + 1;
    }
  }
  auto t = tensor<T, dyn>::uninitialized({n});
  using C = compute_t<T>;
  for (std::int64_t i = 0; i < n; ++i)
    t.data()[i] = static_cast<T>(static_cast<C>(start) + static_cast<C>(i) * static_cast<C>(delta));
  return t;
}
/// 0, 1, ... below limit.
template <class T>
tensor<T, dyn> range(T limit) {
  return range(T(0), limit);
}
/// `num` (at least 1) evenly spaced numbers from start to stop, both included.
template <class T>
  requires is_floating_v<T>
tensor<T, dyn> linspace(T start, std::type_identity_t<T> stop, std::int64_t num) {
  if (num < 1) throw invalid_argument("linspace: needs at least one number, got num = " + std::to_string(num));
  auto t = tensor<T, dyn>::uninitialized({num});
  using C = compute_t<T>;
  const C step = num > 1 ? (static_cast<C>(stop) - static_cast<C>(start)) / static_cast<C>(num - 1) : C(0);
  for (std::int64_t i = 0; i < num; ++i) t.data()[i] = static_cast<T>(static_cast<C>(start) + static_cast<C>(i) * step);
  if (num > 1) t.data()[num - 1] = stop;
  return t;
}
/// 1 where the last axis equals the index, else 0: [..] -> [.., depth]; an index outside gives zeros.
template <class T = float, eager_operand X>
auto one_hot(const X& indices, std::int64_t depth) {
  const auto v = expr::detail::as_view(indices);
  using V = decltype(v);
  static_assert(std::is_integral_v<typename V::value_type>, "one_hot takes integer indices");
  tensor_shape s = v.shape();
  if (depth < 0 || s.rank() == max_rank)
    throw invalid_argument("one_hot: cannot append a depth of " + std::to_string(depth) + " to the shape " + to_string(s));
  s.push_back(depth);
  using result = typename expr::detail::of_rank<tensor, T, expr::detail::rank_plus<typename V::extents_type, 1>>::type;
  result r(s);
  T* row = r.data();
  const auto from = v.strided_const();
  rill::detail::for_each_row(from.shape, from.strides, from.strides,
                             [&](std::int64_t o, std::int64_t, std::int64_t n, std::int64_t step, std::int64_t) {
                               for (std::int64_t i = 0; i < n; ++i, row += depth) {
                                 const auto k = static_cast<std::int64_t>(from.data[o + i * step]);
                                 if (k >= 0 && k < depth) row[k] = T(1);
                               }
                             });
  return r;
}

}  // namespace rill

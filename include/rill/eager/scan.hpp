// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The functions of ops/scan.hpp on tensors, run-time-typed or typed (results are tensor<T, any_rank>), and XLA's Reduce
/// with any function of the caller's.
///
///   auto s = cumsum(tensor<int, 4>{1, 2, 3, 4}, {.reverse = true});              // [10 9 7 4]
///   auto m = xla::reduce(x, 0.f, [&](float a, float b) { return std::max(a, b); }, {0, 1});

#include "../kernel/scan.hpp"
#include "../ops/scan.hpp"
#include "indexing.hpp"

namespace rill {

template <expr::eager X>
auto cumsum(const X& x, scan_options o = {}) {
  return eager::lift([&](const auto& v) { return cumsum(v, o); }, x);
}
template <expr::eager X>
auto cumprod(const X& x, scan_options o = {}) {
  return eager::lift([&](const auto& v) { return cumprod(v, o); }, x);
}
template <expr::eager X>
auto cummax(const X& x, scan_options o = {}) {
  return eager::lift([&](const auto& v) { return cummax(v, o); }, x);
}
template <expr::eager X>
auto cummin(const X& x, scan_options o = {}) {
  return eager::lift([&](const auto& v) { return cummin(v, o); }, x);
}
template <expr::eager X>
auto cumulative_logsumexp(const X& x, scan_options o = {}) {
  return eager::lift([&](const auto& v) { return cumulative_logsumexp(v, o); }, x);
}
template <expr::eager A, expr::eager B>
auto linear_recurrence(const A& a, const B& b, std::int64_t axis, bool reverse = false) {
  return eager::lift([&](const auto& u, const auto& v) { return linear_recurrence(u, v, axis, reverse); }, a, b);
}
template <expr::eager X>
auto shift(const X& x, std::int64_t axis, bool back = false, double fill = 0) {
  return eager::lift([&](const auto& v) { return shift(v, axis, back, fill); }, x);
}
template <expr::eager X>
auto reduce_logsumexp(const X& x, reduce_options o = {}) {
  return eager::lift([&](const auto& v) { return reduce_logsumexp(v, o); }, x);
}
template <class T, std::int64_t... E>
tensor<T, any_rank> add_n(std::initializer_list<tensor<T, E...>> inputs) {
  std::vector<dynamic_tensor> parts;
  for (const auto& v : inputs) parts.push_back(eager::lend(v));
  return eager::as_tensor<T>(add_n(parts));
}
template <class T, std::int64_t... E>
tensor<T, any_rank> add_n(const std::vector<tensor<T, E...>>& inputs) {
  std::vector<dynamic_tensor> parts;
  for (const auto& v : inputs) parts.push_back(eager::lend(v));
  return eager::as_tensor<T>(add_n(parts));
}
/// Index: the dtype of the result.
template <class Index = std::int64_t, expr::eager X>
tensor<Index, any_rank> count_nonzero(const X& x, reduce_options o = {}) {
  return eager::lift_as<Index>([&](const auto& v) { return count_nonzero(v, o, dtype_v<Index>); }, x);
}
template <expr::eager X>
auto reduce_variance(const X& x, reduce_options o = {}) {
  return eager::lift([&](const auto& v) { return reduce_variance(v, o); }, x);
}
template <expr::eager X>
auto reduce_std(const X& x, reduce_options o = {}) {
  return eager::lift([&](const auto& v) { return reduce_std(v, o); }, x);
}
template <expr::eager X>
auto reduce_euclidean_norm(const X& x, reduce_options o = {}) {
  return eager::lift([&](const auto& v) { return reduce_euclidean_norm(v, o); }, x);
}

namespace eager::detail {
template <class T, class V>
moments_result<tensor<T, any_rank>> as_moments(moments_result<V>&& m) {
  return {as_tensor<T>(std::move(m.mean)), as_tensor<T>(std::move(m.variance))};
}
}  // namespace eager::detail
template <expr::eager X>
auto moments(const X& x, const axis_list& axes, moments_options o = {}) {
  return eager::detail::as_moments<typename X::element_type>(moments(dynamic_tensor(eager::lend(x)), axes, o));
}
template <expr::eager X, expr::eager S>
auto moments(const X& x, const axis_list& axes, const S& shift, moments_options o = {}) {
  return eager::detail::as_moments<typename X::element_type>(moments(dynamic_tensor(eager::lend(x)), axes, dynamic_tensor(eager::lend(shift)), o));
}
template <expr::eager X, expr::eager W>
auto weighted_moments(const X& x, const axis_list& axes, const W& frequency_weights, moments_options o = {}) {
  return eager::detail::as_moments<typename X::element_type>(
      weighted_moments(dynamic_tensor(eager::lend(x)), axes, dynamic_tensor(eager::lend(frequency_weights)), o));
}
template <expr::eager X>
auto sufficient_statistics(const X& x, const axis_list& axes, moments_options o = {}) {
  using T = typename X::element_type;
  auto r = sufficient_statistics(dynamic_tensor(eager::lend(x)), axes, o);
  return sufficient_statistics_result<tensor<T, any_rank>>{eager::as_tensor<T>(std::move(r.count)), eager::as_tensor<T>(std::move(r.mean_ss)),
                                                           eager::as_tensor<T>(std::move(r.variance_ss))};
}

namespace xla {
/// The same on run-time-typed tensors: f takes two tensors of one shape and combines them element by element, so that a
/// tape follows it. Halves are combined with halves until one element per result is left, init_value last.
template <class F>
dynamic_tensor reduce(const dynamic_tensor& x, const dynamic_tensor& init_value, F&& f, const axis_list& dimensions) {
  const std::int64_t mask = rill::detail::named_axes(dimensions, x.rank());
  if (mask < 0) throw invalid_argument("Reduce: an axis is out of range or named twice for the shape " + to_string(x.shape()));
  if (init_value.rank() != 0 || init_value.type() != x.type())
    throw invalid_argument("Reduce: the initial value must be a scalar of the operand's dtype: got " + std::string(name_of(x.type())) +
                           to_string(x.shape()) + " and " + std::string(name_of(init_value.type())) + to_string(init_value.shape()));
  attributes order;
  tensor_shape rows{1};
  int k = 0;
  for (int d = 0; d < x.rank(); ++d)
    if ((mask >> d & 1) != 0) order.i[k++] = d, rows[0] *= x.shape()[d];
  for (int d = 0; d < x.rank(); ++d)
    if ((mask >> d & 1) == 0) order.i[k++] = d, rows.push_back(x.shape()[d]);
  const tensor_shape kept(rows.begin() + 1, rows.rank() - 1);
  const dynamic_tensor start = broadcast_to(init_value, kept);
  if (rows[0] == 0) return start;
  // one axis of all that is reduced, one of the rest: the rank cannot grow past max_rank
  dynamic_tensor v = reshape_to(permute(x, order), {rows[0], kept.num_elements()});
  while (v.shape()[0] > 1) {
    const std::int64_t n = v.shape()[0], half = n / 2;
    dynamic_tensor pairs = f(slice_along(v, 0, 0, half), slice_along(v, 0, half, half));
    v = n % 2 == 0 ? pairs : concat({pairs, slice_along(v, 0, 2 * half, 1)}, {.axis = 0});
  }
  return f(start, reshape_to(v, kept));
}
/// On typed tensors f is any function of two elements.
template <expr::eager X, class F>
auto reduce(const X& x, typename X::element_type init_value, F&& f, const axis_list& dimensions) {
  using T = typename X::element_type;
  const dynamic_tensor v = eager::lend(x);
  const std::int64_t mask = rill::detail::named_axes(dimensions, v.rank());
  if (mask < 0) throw invalid_argument("Reduce: an axis is out of range or named twice for the shape " + to_string(v.shape()));
  auto r = tensor<T, any_rank>::uninitialized(ops::reduced_shape(v.shape(), mask, false));
  kernel::reduce_with(static_cast<const T*>(v.data()), v.shape(), mask, init_value, r.data(), f);
  return r;
}
/// Typed tensors of one shape reduced together by any function: f(a0, .., an, b0, .., bn) gives a tuple (or pair).
///
///   auto [value, index] = xla::reduce(std::tuple(x, indices), std::tuple(-1.f, -1), f, {1});
template <expr::eager... X, class F>
auto reduce(const std::tuple<X...>& operands, const std::tuple<typename X::element_type...>& init_values, F&& f, const axis_list& dimensions) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    const std::array<dynamic_tensor, sizeof...(X)> x{eager::lend(std::get<I>(operands))...};
    const tensor_shape& s = x[0].shape();
    const std::int64_t mask = rill::detail::named_axes(dimensions, s.rank());
    if (mask < 0) throw invalid_argument("Reduce: an axis is out of range or named twice for the shape " + to_string(s));
    for (const dynamic_tensor& v : x)
      if (!(v.shape() == s)) throw invalid_argument("Reduce: operands must be of one shape: got " + to_string(s) + " and " + to_string(v.shape()));
    const auto total = kernel::reduce_together(std::tuple<const typename X::element_type*...>(static_cast<const typename X::element_type*>(x[I].data())...),
                                               s, mask, init_values, f);
    std::tuple<tensor<typename X::element_type, any_rank>...> r(
        tensor<typename X::element_type, any_rank>::uninitialized(ops::reduced_shape(s, mask, false))...);
    for (std::size_t k = 0; k < total.size(); ++k) ((std::get<I>(r).data()[k] = std::get<I>(total[k])), ...);
    return r;
  }
  (std::index_sequence_for<X...>{});
}
}  // namespace xla

}  // namespace rill

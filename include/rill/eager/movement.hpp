// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The functions of ops/movement.hpp on tensors: run-time-typed ones (with any number of operands joined in one pass) and
/// typed ones, whose results are tensor<T, any_rank> or, for bitcasts, tensors of the dtype asked for.
///
///   tensor<int, 2, 3> t{{1, 2, 3}, {4, 5, 6}};
///   auto padded = pad(t, {{1, 1}, {2, 2}}, {.mode = pad_mode::symmetric});
///   auto [left, right] = split<2>(concat({t, t}, {.axis = 1}), {.axis = 1});

#include "../kernel/movement.hpp"
#include "../ops/movement.hpp"
#include "lift.hpp"

namespace rill {

namespace eager::detail {
/// All parts at once; a tape that follows one of them gets ops of two and three.
inline dynamic_tensor join(const dynamic_tensor* parts, std::size_t n, std::int64_t axis) {
  if (n == 0) throw invalid_argument("concat needs at least one tensor");
  if (n <= 3 || (recording::top() != nullptr && recorded(parts, static_cast<int>(n)))) return rill::detail::concat_parts(parts, n, axis);
  std::vector<signature> s;
  std::vector<operand_memory> in;
  for (std::size_t k = 0; k < n; ++k) {
    if (!parts[k].has_value()) throw invalid_argument("ConcatV2: an operand is None");
    s.push_back({parts[k].type(), parts[k].shape()});
    in.push_back({parts[k].type(), parts[k].shape(), parts[k].data()});
  }
  failure f;
  const std::int64_t a = axis < 0 ? axis + parts[0].rank() : axis;
  const signature out = rill::detail::concat_signature(s.data(), static_cast<int>(n), a, f);
  if (f) throw invalid_argument(to_string(f, "ConcatV2"));
  dynamic_tensor result = dynamic_tensor::uninitialized(out.type, out.shape);
  kernel::concat(in.data(), static_cast<int>(n), static_cast<int>(a), {out.type, out.shape, result.mutable_data()});
  return result;
}
template <class T>
std::vector<tensor<T, any_rank>> as_tensors(std::vector<dynamic_tensor>&& parts) {
  std::vector<tensor<T, any_rank>> r;
  r.reserve(parts.size());
  for (dynamic_tensor& p : parts) r.push_back(as_tensor<T>(std::move(p)));
  return r;
}
template <class T, std::size_t N, std::size_t... I>
std::array<tensor<T, any_rank>, N> as_tensors(std::array<dynamic_tensor, N>&& parts, std::index_sequence<I...>) {
  return {as_tensor<T>(std::move(parts[I]))...};
}
template <class X>
using element_of = typename X::element_type;
}  // namespace eager::detail

inline dynamic_tensor concat(std::initializer_list<dynamic_tensor> values, axis_options o = {}) {
  return eager::detail::join(values.begin(), values.size(), o.axis);
}
inline dynamic_tensor concat(const std::vector<dynamic_tensor>& values, axis_options o = {}) {
  return eager::detail::join(values.data(), values.size(), o.axis);
}
/// Any number of tensors of one type.
template <class T, std::int64_t... E>
tensor<T, any_rank> concat(const std::vector<tensor<T, E...>>& values, axis_options o = {}) {
  std::vector<dynamic_tensor> parts;
  for (const auto& v : values) parts.push_back(eager::lend(v));
  return eager::as_tensor<T>(concat(parts, o));
}
template <class T, std::int64_t... E>
tensor<T, any_rank> stack(std::initializer_list<tensor<T, E...>> values, axis_options o = {}) {
  std::vector<dynamic_tensor> parts;
  for (const auto& v : values) parts.push_back(eager::lend(v));
  return eager::as_tensor<T>(stack(parts, o));
}
template <class T, std::int64_t... E>
tensor<T, any_rank> stack(const std::vector<tensor<T, E...>>& values, axis_options o = {}) {
  std::vector<dynamic_tensor> parts;
  for (const auto& v : values) parts.push_back(eager::lend(v));
  return eager::as_tensor<T>(stack(parts, o));
}
template <expr::eager X>
auto split(const X& x, const tensor_shape& sizes, axis_options o = {}) {
  return eager::detail::as_tensors<typename X::element_type>(split(dynamic_tensor(eager::lend(x)), sizes, o));
}
template <expr::eager X>
auto split(const X& x, std::int64_t n, axis_options o = {}) {
  return eager::detail::as_tensors<typename X::element_type>(split(dynamic_tensor(eager::lend(x)), n, o));
}
template <std::size_t N, expr::eager X>
auto split(const X& x, axis_options o = {}) {
  return eager::detail::as_tensors<typename X::element_type, N>(split<N>(dynamic_tensor(eager::lend(x)), o), std::make_index_sequence<N>{});
}
template <expr::eager X>
auto unstack(const X& x, axis_options o = {}) {
  return eager::detail::as_tensors<typename X::element_type>(unstack(dynamic_tensor(eager::lend(x)), o));
}
template <std::size_t N, expr::eager X>
auto unstack(const X& x, axis_options o = {}) {
  return eager::detail::as_tensors<typename X::element_type, N>(unstack<N>(dynamic_tensor(eager::lend(x)), o), std::make_index_sequence<N>{});
}

template <expr::eager X>
auto slice_from(const X& x, const tensor_shape& begin, const tensor_shape& size) {
  return eager::lift([&](const auto& v) { return slice_from(v, begin, size); }, x);
}
template <expr::eager X>
auto strided_slice(const X& x, const tensor_shape& begin, const tensor_shape& end, const tensor_shape& strides = {},
                   strided_slice_options o = {}) {
  return eager::lift([&](const auto& v) { return strided_slice(v, begin, end, strides, o); }, x);
}
template <expr::eager X, class... I>
  requires(detail::any_index<I>&&...)
auto index(const X& x, I... indices) {
  return eager::lift([&](const auto& v) { return index(v, indices...); }, x);
}
template <expr::eager X>
auto pad(const X& x, const pad_list& paddings, pad_options o = {}) {
  return eager::lift([&](const auto& v) { return pad(v, paddings, o); }, x);
}
template <expr::eager X>
auto reverse(const X& x, const axis_list& axis) {
  return eager::lift([&](const auto& v) { return reverse(v, axis); }, x);
}
template <expr::eager X, expr::eager L>
auto reverse_sequence(const X& x, const L& seq_lengths, reverse_sequence_options o = {}) {
  return eager::lift([&](const auto& v, const auto& n) { return reverse_sequence(v, n, o); }, x, seq_lengths);
}
template <expr::eager X>
auto tile(const X& x, const tensor_shape& multiples) {
  return eager::lift([&](const auto& v) { return tile(v, multiples); }, x);
}
template <expr::eager X>
auto roll(const X& x, const roll_options& o) {
  return eager::lift([&](const auto& v) { return roll(v, o); }, x);
}
template <class To, expr::eager X>
tensor<To, any_rank> bitcast(const X& x) {
  return eager::lift_as<To>([](const auto& v) { return bitcast(v, dtype_v<To>); }, x);
}
template <expr::eager X>
auto space_to_batch_nd(const X& x, const tensor_shape& block_shape, const pad_list& paddings) {
  return eager::lift([&](const auto& v) { return space_to_batch_nd(v, block_shape, paddings); }, x);
}
template <expr::eager X>
auto batch_to_space_nd(const X& x, const tensor_shape& block_shape, const pad_list& crops) {
  return eager::lift([&](const auto& v) { return batch_to_space_nd(v, block_shape, crops); }, x);
}
template <expr::eager X>
auto space_to_batch(const X& x, const pad_list& paddings, std::int64_t block_size) {
  return eager::lift([&](const auto& v) { return space_to_batch(v, paddings, block_size); }, x);
}
template <expr::eager X>
auto batch_to_space(const X& x, const pad_list& crops, std::int64_t block_size) {
  return eager::lift([&](const auto& v) { return batch_to_space(v, crops, block_size); }, x);
}
template <expr::eager X>
auto space_to_depth(const X& x, std::int64_t block_size, block_options o = {}) {
  return eager::lift([&](const auto& v) { return space_to_depth(v, block_size, o); }, x);
}
template <expr::eager X>
auto depth_to_space(const X& x, std::int64_t block_size, block_options o = {}) {
  return eager::lift([&](const auto& v) { return depth_to_space(v, block_size, o); }, x);
}
template <expr::eager X>
auto matrix_diag(const X& diagonal) {
  return eager::lift([](const auto& v) { return matrix_diag(v); }, diagonal);
}
template <expr::eager X>
auto matrix_diag_part(const X& x) {
  return eager::lift([](const auto& v) { return matrix_diag_part(v); }, x);
}
template <expr::eager X, expr::eager D>
auto matrix_set_diag(const X& x, const D& diagonal) {
  return eager::lift([](const auto& v, const auto& d) { return matrix_set_diag(v, d); }, x, diagonal);
}
template <expr::eager X>
auto matrix_band_part(const X& x, std::int64_t num_lower, std::int64_t num_upper) {
  return eager::lift([&](const auto& v) { return matrix_band_part(v, num_lower, num_upper); }, x);
}
template <expr::eager X>
auto diag(const X& x) {
  return eager::lift([](const auto& v) { return diag(v); }, x);
}
template <expr::eager X>
auto diag_part(const X& x) {
  return eager::lift([](const auto& v) { return diag_part(v); }, x);
}
/// meshgrid of typed vectors of one dtype: `auto [gx, gy] = meshgrid(x, y);`
template <expr::eager X, expr::eager... R>
auto meshgrid(const X& first, const R&... rest) {
  constexpr std::size_t n = 1 + sizeof...(R);
  return eager::detail::as_tensors<typename X::element_type, n>(
      meshgrid(std::array<dynamic_tensor, n>{eager::lend(first), eager::lend(rest)...}), std::make_index_sequence<n>{});
}
/// The extents as a tensor (tf.shape).
template <expr::eager X>
tensor<std::int32_t, any_rank> shape_of(const X& x) {
  const tensor_shape s = x.shape();
  auto r = tensor<std::int32_t, any_rank>::uninitialized({s.rank()});
  for (int d = 0; d < s.rank(); ++d) r.data()[d] = static_cast<std::int32_t>(s[d]);
  return r;
}

namespace xla {
template <expr::eager X>
auto slice(const X& x, const tensor_shape& start_indices, const tensor_shape& limit_indices, const tensor_shape& strides = {}) {
  return eager::lift([&](const auto& v) { return slice(v, start_indices, limit_indices, strides); }, x);
}
template <expr::eager X>
auto pad(const X& x, std::type_identity_t<typename X::element_type> padding_value, const pad_list& padding_config) {
  using T = typename X::element_type;
  auto value = tensor<T, any_rank>::uninitialized({});
  value.data()[0] = std::move(padding_value);
  return eager::lift([&](const auto& v, const auto& p) { return pad(v, p, padding_config); }, x, value);
}
template <class T, std::int64_t... E>
auto concatenate(std::initializer_list<tensor<T, E...>> operands, std::int64_t dimension) {
  return rill::concat(operands, {dimension});
}
template <expr::eager X>
auto rev(const X& x, const axis_list& dimensions) {
  return rill::reverse(x, dimensions);
}
template <expr::eager X>
auto broadcast(const X& x, const tensor_shape& broadcast_sizes) {
  return eager::lift([&](const auto& v) { return broadcast(v, broadcast_sizes); }, x);
}
template <expr::eager X>
auto broadcast_in_dim(const X& x, const tensor_shape& shape, const axis_list& broadcast_dimensions) {
  return eager::lift([&](const auto& v) { return broadcast_in_dim(v, shape, broadcast_dimensions); }, x);
}
template <expr::eager X>
auto in_dim(const X& x, int rank, const axis_list& broadcast_dimensions) {
  return eager::lift([&](const auto& v) { return in_dim(v, rank, broadcast_dimensions); }, x);
}
template <expr::eager X>
auto collapse(const X& x, const axis_list& dimensions) {
  return eager::lift([&](const auto& v) { return collapse(v, dimensions); }, x);
}
template <expr::eager X>
auto reshape(const X& x, const axis_list& dimensions, const tensor_shape& new_sizes) {
  return eager::lift([&](const auto& v) { return reshape(v, dimensions, new_sizes); }, x);
}
template <expr::eager C, expr::eager A, expr::eager B>
auto select(const C& pred, const A& on_true, const B& on_false) {
  return eager::lift_as<typename A::element_type>([](const auto& c, const auto& a, const auto& b) { return select(c, a, b); }, pred, on_true, on_false);
}
template <class To, expr::eager X>
tensor<To, any_rank> convert_element_type(const X& x) {
  return eager::lift_as<To>([](const auto& v) { return convert_element_type(v, dtype_v<To>); }, x);
}
template <class To, expr::eager X>
tensor<To, any_rank> bitcast_convert_type(const X& x) {
  return eager::lift_as<To>([](const auto& v) { return bitcast_convert_type(v, dtype_v<To>); }, x);
}
}  // namespace xla
template <expr::eager X, expr::eager I>
auto dynamic_slice(const X& x, const I& start_indices, const tensor_shape& size_indices) {
  return eager::lift([&](const auto& v, const auto& i) { return dynamic_slice(v, i, size_indices); }, x, start_indices);
}
template <expr::eager X, expr::eager U, expr::eager I>
auto dynamic_update_slice(const X& x, const U& update, const I& start_indices) {
  return eager::lift([](const auto& v, const auto& u, const auto& i) { return dynamic_update_slice(v, u, i); }, x, update, start_indices);
}
namespace xla {
using rill::dynamic_slice;
using rill::dynamic_update_slice;
}  // namespace xla

}  // namespace rill

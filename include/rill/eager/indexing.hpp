// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The functions of ops/indexing.hpp on tensors, and those whose results are as large as their data say: where(condition),
/// boolean_mask, dynamic_partition, dynamic_stitch, sequence_mask up to the longest; and XLA's Scatter with a function of
/// the caller's. Typed tensors give tensor<T, any_rank>.
///
///   auto hits = where(x > 0);                              // int64 [n, rank]
///   auto kept = boolean_mask(x, x > 0);                    // differentiable in x
///   auto product = xla::scatter(x, indices, updates, dims, [](float a, float b) { return a * b; });

#include <algorithm>
#include <optional>

#include "../kernel/indexing.hpp"
#include "../ops/indexing.hpp"
#include "movement.hpp"

namespace rill {

// ---- sizes that depend on data -------------------------------------------------------------------------------------------

/// One row of indices (int64) per true element of the condition, in row-major order: [n, rank] (tf.where of one argument).
inline dynamic_tensor where(const dynamic_tensor& condition) {
  if (condition.type() != dtype::boolean)
    throw invalid_argument("where: the condition must be bool, not " + std::string(name_of(condition.type())));
  const auto flags = condition.span<bool>();
  const std::int64_t n = std::count(flags.begin(), flags.end(), true);
  const tensor_shape& s = condition.shape();
  dynamic_tensor result = dynamic_tensor::uninitialized(dtype::int64, {n, s.rank()});
  auto* to = static_cast<std::int64_t*>(result.mutable_data());
  for (std::size_t k = 0; k < flags.size(); ++k) {
    if (!flags[k]) continue;
    auto rest = static_cast<std::int64_t>(k);
    for (int d = s.rank() - 1; d >= 0; --d) {
      to[d] = rest % s[d];
      rest /= s[d];
    }
    to += s.rank();
  }
  return result;
}
template <expr::eager X>
tensor<std::int64_t, any_rank> where(const X& condition) {
  static_assert(std::is_same_v<typename X::element_type, bool>, "where: the condition must be bool");
  return eager::as_tensor<std::int64_t>(where(dynamic_tensor(eager::lend(condition))));
}

/// The slices of x where the mask holds; the mask's axes are those of x from `axis` on, and become one (tf.boolean_mask).
inline dynamic_tensor boolean_mask(const dynamic_tensor& x, const dynamic_tensor& mask, axis_options o = {}) {
  const std::int64_t axis = o.axis < 0 ? o.axis + x.rank() : o.axis;
  bool fits = mask.rank() > 0 && axis >= 0 && axis + mask.rank() <= x.rank();
  for (int d = 0; fits && d < mask.rank(); ++d) fits = mask.shape()[d] == x.shape()[static_cast<int>(axis) + d];
  if (!fits)
    throw invalid_argument("boolean_mask: a mask of shape " + to_string(mask.shape()) + " does not fit a tensor of shape " +
                           to_string(x.shape()) + " at axis " + std::to_string(o.axis));
  tensor_shape flat;
  for (int d = 0; d < axis; ++d) flat.push_back(x.shape()[d]);
  flat.push_back(mask.shape().num_elements());
  for (int d = static_cast<int>(axis) + mask.rank(); d < x.rank(); ++d) flat.push_back(x.shape()[d]);
  const dynamic_tensor hits = where(reshape_to(mask, {mask.size()}));
  return gather(reshape_to(x, flat), reshape_to(hits, {hits.size()}), {.axis = axis});
}
template <expr::eager X, expr::eager M>
auto boolean_mask(const X& x, const M& mask, axis_options o = {}) {
  return eager::lift([&](const auto& v, const auto& m) { return boolean_mask(dynamic_tensor(v), dynamic_tensor(m), o); }, x, mask);
}

/// The slices of x that each partition number names, in order, for 0 .. num_partitions-1; the axes of `partitions` are the
/// first ones of x (tf.dynamic_partition). out_of_range for another number.
inline std::vector<dynamic_tensor> dynamic_partition(const dynamic_tensor& x, const dynamic_tensor& partitions, std::int64_t num_partitions) {
  bool fits = partitions.type() == dtype::int32 && partitions.rank() <= x.rank() && num_partitions > 0 && num_partitions <= 1 << 24;
  for (int d = 0; fits && d < partitions.rank(); ++d) fits = partitions.shape()[d] == x.shape()[d];
  if (!fits)
    throw invalid_argument("dynamic_partition: int32 partitions that are a prefix of the shape " + to_string(x.shape()) +
                           " and 1 to 2^24 parts are wanted, not " + std::string(name_of(partitions.type())) +
                           to_string(partitions.shape()) + " and " + std::to_string(num_partitions) + " parts");
  const operand_memory numbers{partitions.type(), partitions.shape(), partitions.data()};
  kernel::detail::check_indices("DynamicPartition", numbers, num_partitions);
  std::vector<std::vector<std::int64_t>> rows(static_cast<std::size_t>(num_partitions));
  for (std::int64_t k = 0; k < partitions.size(); ++k) rows[static_cast<std::size_t>(kernel::detail::index_at(numbers, k))].push_back(k);
  tensor_shape flat{partitions.shape().num_elements()};
  for (int d = partitions.rank(); d < x.rank(); ++d) flat.push_back(x.shape()[d]);
  const dynamic_tensor slices = reshape_to(x, flat);
  std::vector<dynamic_tensor> parts;
  for (const auto& r : rows) {
    dynamic_tensor at = dynamic_tensor::uninitialized(dtype::int64, {static_cast<std::int64_t>(r.size())});
    std::copy(r.begin(), r.end(), static_cast<std::int64_t*>(at.mutable_data()));
    parts.push_back(gather(slices, at));
  }
  return parts;
}
template <expr::eager X, expr::eager P>
auto dynamic_partition(const X& x, const P& partitions, std::int64_t num_partitions) {
  return eager::detail::as_tensors<typename X::element_type>(
      dynamic_partition(dynamic_tensor(eager::lend(x)), dynamic_tensor(eager::lend(partitions)), num_partitions));
}

/// One tensor of slices: slice indices[m][i..] of the result is data[m][i.., ..]; the last one where several meet, zero
/// where there is none (tf.dynamic_stitch). As many slices as the largest index says.
inline dynamic_tensor dynamic_stitch(const std::vector<dynamic_tensor>& indices, const std::vector<dynamic_tensor>& data) {
  const auto fail = [](const std::string& why) { throw invalid_argument("dynamic_stitch: " + why); };
  if (indices.empty() || indices.size() != data.size()) fail("as many tensors of data as of indices, and one at least, are wanted");
  std::vector<dynamic_tensor> slices;
  std::vector<std::int64_t> at;
  for (std::size_t m = 0; m < indices.size(); ++m) {
    const tensor_shape &i = indices[m].shape(), &s = data[m].shape();
    bool fits = indices[m].type() == dtype::int32 && i.rank() <= s.rank();
    for (int d = 0; fits && d < i.rank(); ++d) fits = i[d] == s[d];
    if (!fits) fail("indices " + std::string(name_of(indices[m].type())) + to_string(i) + " are not int32 and a prefix of the data " + to_string(s));
    tensor_shape flat{i.num_elements()};
    for (int d = i.rank(); d < s.rank(); ++d) flat.push_back(s[d]);
    slices.push_back(reshape_to(data[m], flat));
    for (const std::int32_t k : indices[m].span<std::int32_t>()) {
      if (k < 0) throw out_of_range("dynamic_stitch: the index " + std::to_string(k) + " is negative");
      at.push_back(k);
    }
  }
  tensor_shape one = slices[0].shape();
  one[0] = 1;
  slices.push_back(dynamic_tensor::zeros(slices[0].type(), one));  // for slices that nothing names
  std::int64_t n = 0;
  for (const std::int64_t k : at) n = std::max(n, k + 1);
  dynamic_tensor from = dynamic_tensor::uninitialized(dtype::int64, {n});
  auto* source = static_cast<std::int64_t*>(from.mutable_data());
  std::fill_n(source, n, static_cast<std::int64_t>(at.size()));
  for (std::size_t k = 0; k < at.size(); ++k) source[at[k]] = static_cast<std::int64_t>(k);
  return gather(concat(slices), from);
}

/// Up to the longest of the lengths.
inline dynamic_tensor sequence_mask(const dynamic_tensor& lengths) {
  const operand_memory n{lengths.type(), lengths.shape(), lengths.data()};
  if (lengths.type() != dtype::int32 && lengths.type() != dtype::int64)
    throw invalid_argument("sequence_mask: lengths must be int32 or int64, not " + std::string(name_of(lengths.type())));
  std::int64_t longest = 0;
  for (std::int64_t k = 0; k < lengths.size(); ++k) longest = std::max(longest, kernel::detail::index_at(n, k));
  return sequence_mask(lengths, longest);
}
template <expr::eager X>
tensor<bool, any_rank> sequence_mask(const X& lengths, std::optional<std::int64_t> maxlen = std::nullopt) {
  return eager::lift_as<bool>([&](const dynamic_tensor& n) { return maxlen ? sequence_mask(n, *maxlen) : sequence_mask(n); }, lengths);
}

// ---- typed tensors -------------------------------------------------------------------------------------------------------

template <expr::eager X, expr::eager I>
auto gather(const X& x, const I& indices, gather_options o = {}) {
  return eager::lift([&](const auto& v, const auto& i) { return gather(v, i, o); }, x, indices);
}
template <expr::eager X, expr::eager I>
auto batch_gather(const X& x, const I& indices) {
  return eager::lift([](const auto& v, const auto& i) { return batch_gather(v, i); }, x, indices);
}
namespace eager::detail {
template <class I>
auto index_or_tensor(const I& i) {
  if constexpr (expr::eager<I>) return dynamic_tensor(lend(i));
  else return i;
}
}  // namespace eager::detail
template <expr::eager X, class... I>
  requires(((detail::any_index<I> || expr::eager<I>) && ...) && (expr::eager<I> || ...))
auto index(const X& x, const I&... indices) {
  return eager::lift([&](const auto& v) { return index(dynamic_tensor(v), eager::detail::index_or_tensor(indices)...); }, x);
}
template <expr::eager X, expr::eager I>
auto gather_nd(const X& x, const I& indices) {
  return eager::lift([](const auto& v, const auto& i) { return gather_nd(v, i); }, x, indices);
}
template <expr::eager X, expr::eager I>
auto take_along_axis(const X& x, const I& indices, std::int64_t axis) {
  return eager::lift([&](const auto& v, const auto& i) { return take_along_axis(v, i, axis); }, x, indices);
}
template <expr::eager I, expr::eager U>
auto scatter_nd(const I& indices, const U& updates, const tensor_shape& shape) {
  return eager::lift([&](const auto& u, const auto& i) { return scatter_nd(i, u, shape); }, updates, indices);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto tensor_scatter(const X& x, const I& indices, const U& updates, scatter_kind kind) {
  return eager::lift([&](const auto& v, const auto& i, const auto& u) { return tensor_scatter(v, i, u, kind); }, x, indices, updates);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto tensor_scatter_update(const X& x, const I& indices, const U& updates) {
  return tensor_scatter(x, indices, updates, scatter_kind::update);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto tensor_scatter_add(const X& x, const I& indices, const U& updates) {
  return tensor_scatter(x, indices, updates, scatter_kind::add);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto tensor_scatter_sub(const X& x, const I& indices, const U& updates) {
  return tensor_scatter(x, indices, updates, scatter_kind::sub);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto tensor_scatter_min(const X& x, const I& indices, const U& updates) {
  return tensor_scatter(x, indices, updates, scatter_kind::min);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto tensor_scatter_max(const X& x, const I& indices, const U& updates) {
  return tensor_scatter(x, indices, updates, scatter_kind::max);
}
namespace eager::detail {
template <class X, class I, class U>
auto scatter_rows(const X& x, const I& indices, const U& updates, scatter_kind kind) {
  return lift([&](const auto& v, const auto& i, const auto& u) {
    return rill::detail::scatter_rows(dynamic_tensor(v), dynamic_tensor(i), dynamic_tensor(u), kind);
  }, x, indices, updates);
}
}  // namespace eager::detail
template <expr::eager X, expr::eager I, expr::eager U>
auto scatter_update(const X& x, const I& indices, const U& updates) {
  return eager::detail::scatter_rows(x, indices, updates, scatter_kind::update);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto scatter_add(const X& x, const I& indices, const U& updates) {
  return eager::detail::scatter_rows(x, indices, updates, scatter_kind::add);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto scatter_sub(const X& x, const I& indices, const U& updates) {
  return eager::detail::scatter_rows(x, indices, updates, scatter_kind::sub);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto scatter_mul(const X& x, const I& indices, const U& updates) {
  return eager::detail::scatter_rows(x, indices, updates, scatter_kind::mul);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto scatter_div(const X& x, const I& indices, const U& updates) {
  return eager::detail::scatter_rows(x, indices, updates, scatter_kind::div);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto scatter_min(const X& x, const I& indices, const U& updates) {
  return eager::detail::scatter_rows(x, indices, updates, scatter_kind::min);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto scatter_max(const X& x, const I& indices, const U& updates) {
  return eager::detail::scatter_rows(x, indices, updates, scatter_kind::max);
}
template <expr::eager I>
auto invert_permutation(const I& x) {
  return eager::lift([](const auto& v) { return invert_permutation(v); }, x);
}
/// The dtype of the result is T; that of the options is not looked at.
template <class T = float, expr::eager I>
tensor<T, any_rank> one_hot(const I& indices, std::int64_t depth, one_hot_options o) {
  o.type = dtype_v<T>;
  return eager::lift_as<T>([&](const auto& v) { return one_hot(v, depth, o); }, indices);
}
template <expr::eager P, expr::eager I>
auto embedding_lookup(const P& params, const I& ids, embedding_options o = {}) {
  return eager::lift([&](const auto& p, const auto& i) { return embedding_lookup(dynamic_tensor(p), dynamic_tensor(i), o); }, params, ids);
}

namespace xla {
template <expr::eager X, expr::eager I>
auto gather(const X& operand, const I& gather_indices, const gather_dimensions& d) {
  return eager::lift([&](const auto& v, const auto& i) { return gather(v, i, d); }, operand, gather_indices);
}
template <expr::eager X, expr::eager I, expr::eager U>
auto scatter(const X& operand, const I& scatter_indices, const U& updates, const scatter_dimensions& d,
             scatter_kind kind = scatter_kind::update) {
  return eager::lift([&](const auto& v, const auto& i, const auto& u) { return scatter(v, i, u, d, kind); }, operand, scatter_indices, updates);
}
/// The same with any function of (element, update), called in the order of the indices.
template <expr::eager X, expr::eager I, expr::eager U, class F>
  requires std::is_invocable_r_v<typename X::element_type, F&, typename X::element_type, typename X::element_type>
auto scatter(const X& operand, const I& scatter_indices, const U& updates, const scatter_dimensions& d, F&& f) {
  using T = typename X::element_type;
  static_assert(std::is_same_v<T, typename U::element_type>, "scatter: operand and updates have different dtypes");
  const dynamic_tensor x = eager::lend(operand), i = eager::lend(scatter_indices), u = eager::lend(updates);
  auto result = x.to<T, any_rank>();
  attributes at;
  const dynamic_tensor checked = scatter(x, i, u, d);  // reports what does not fit
  rill::detail::pack_windows(d.update_window_dims, d.inserted_window_dims, d.scatter_dims_to_operand_dims, d.index_vector_dim, i.rank(), x.rank(), at);
  const kernel::detail::window_walk windows(ops::window_attributes::with(at, ops::window_attributes::drop, scatter_kind::update), checked.shape(),
                                            {i.type(), i.shape(), i.data()}, u.shape());
  const T* const from = static_cast<const T*>(u.data());
  T* const to = result.data();
  if (u.size() > 0) windows.each([&](std::int64_t o, std::int64_t k) { to[o] = f(to[o], from[k]); });
  return result;
}
}  // namespace xla

}  // namespace rill

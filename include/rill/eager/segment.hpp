// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The functions of ops/segment.hpp on tensors, run-time-typed or typed (results are tensor<T, any_rank>). The number of
/// segments of segment_* and sparse_segment_* is the last id + 1 unless it is said.
///
///   tensor<float, 3, 2> x{{1, 2}, {3, 4}, {5, 6}};
///   auto m = segment_mean(x, tensor<int, 3>{0, 0, 2});                    // [[2 3] [0 0] [5 6]]
///   auto s = unsorted_segment_sum(x, tensor<int, 3>{1, -1, 1}, 2);        // [[0 0] [6 8]]

#include "../kernel/segment.hpp"
#include "../ops/segment.hpp"
#include "indexing.hpp"

namespace rill {

namespace eager::detail {
/// What was said, or one more than the last id.
inline segment_options with_segments(const dynamic_tensor& ids, segment_options o) {
  if (o.num_segments >= 0 || (ids.type() != dtype::int32 && ids.type() != dtype::int64)) return o;
  o.num_segments = ids.size() == 0 ? 0 : kernel::detail::index_at({ids.type(), ids.shape(), ids.data()}, ids.size() - 1) + 1;
  if (o.num_segments < 0) throw out_of_range("segment ids must not be negative, the last one is " + std::to_string(o.num_segments - 1));
  return o;
}
}  // namespace eager::detail

// ---- run-time-typed tensors ----------------------------------------------------------------------------------------------

inline dynamic_tensor segment_sum(const dynamic_tensor& data, const dynamic_tensor& segment_ids, segment_options o = {}) {
  return segment_sum<dynamic_tensor>(data, segment_ids, eager::detail::with_segments(segment_ids, o));
}
inline dynamic_tensor segment_prod(const dynamic_tensor& data, const dynamic_tensor& segment_ids, segment_options o = {}) {
  return segment_prod<dynamic_tensor>(data, segment_ids, eager::detail::with_segments(segment_ids, o));
}
inline dynamic_tensor segment_max(const dynamic_tensor& data, const dynamic_tensor& segment_ids, segment_options o = {}) {
  return segment_max<dynamic_tensor>(data, segment_ids, eager::detail::with_segments(segment_ids, o));
}
inline dynamic_tensor segment_min(const dynamic_tensor& data, const dynamic_tensor& segment_ids, segment_options o = {}) {
  return segment_min<dynamic_tensor>(data, segment_ids, eager::detail::with_segments(segment_ids, o));
}
inline dynamic_tensor segment_mean(const dynamic_tensor& data, const dynamic_tensor& segment_ids, segment_options o = {}) {
  return segment_mean<dynamic_tensor>(data, segment_ids, eager::detail::with_segments(segment_ids, o));
}
inline dynamic_tensor sparse_segment_sum(const dynamic_tensor& data, const dynamic_tensor& indices, const dynamic_tensor& segment_ids,
                                         segment_options o = {}) {
  return sparse_segment_sum<dynamic_tensor>(data, indices, segment_ids, eager::detail::with_segments(segment_ids, o));
}
inline dynamic_tensor sparse_segment_mean(const dynamic_tensor& data, const dynamic_tensor& indices, const dynamic_tensor& segment_ids,
                                         segment_options o = {}) {
  return sparse_segment_mean<dynamic_tensor>(data, indices, segment_ids, eager::detail::with_segments(segment_ids, o));
}
inline dynamic_tensor sparse_segment_sqrt_n(const dynamic_tensor& data, const dynamic_tensor& indices, const dynamic_tensor& segment_ids,
                                         segment_options o = {}) {
  return sparse_segment_sqrt_n<dynamic_tensor>(data, indices, segment_ids, eager::detail::with_segments(segment_ids, o));
}

// ---- typed tensors -------------------------------------------------------------------------------------------------------

template <expr::eager X, expr::eager I>
auto segment_sum(const X& data, const I& segment_ids, segment_options o = {}) {
  return eager::lift([&](const auto& v, const auto& i) { return segment_sum(v, i, o); }, data, segment_ids);
}
template <expr::eager X, expr::eager I>
auto segment_prod(const X& data, const I& segment_ids, segment_options o = {}) {
  return eager::lift([&](const auto& v, const auto& i) { return segment_prod(v, i, o); }, data, segment_ids);
}
template <expr::eager X, expr::eager I>
auto segment_max(const X& data, const I& segment_ids, segment_options o = {}) {
  return eager::lift([&](const auto& v, const auto& i) { return segment_max(v, i, o); }, data, segment_ids);
}
template <expr::eager X, expr::eager I>
auto segment_min(const X& data, const I& segment_ids, segment_options o = {}) {
  return eager::lift([&](const auto& v, const auto& i) { return segment_min(v, i, o); }, data, segment_ids);
}
template <expr::eager X, expr::eager I>
auto segment_mean(const X& data, const I& segment_ids, segment_options o = {}) {
  return eager::lift([&](const auto& v, const auto& i) { return segment_mean(v, i, o); }, data, segment_ids);
}
template <expr::eager X, expr::eager I>
auto unsorted_segment_sum(const X& data, const I& segment_ids, std::int64_t num_segments) {
  return eager::lift([&](const auto& v, const auto& i) { return unsorted_segment_sum(v, i, num_segments); }, data, segment_ids);
}
template <expr::eager X, expr::eager I>
auto unsorted_segment_prod(const X& data, const I& segment_ids, std::int64_t num_segments) {
  return eager::lift([&](const auto& v, const auto& i) { return unsorted_segment_prod(v, i, num_segments); }, data, segment_ids);
}
template <expr::eager X, expr::eager I>
auto unsorted_segment_max(const X& data, const I& segment_ids, std::int64_t num_segments) {
  return eager::lift([&](const auto& v, const auto& i) { return unsorted_segment_max(v, i, num_segments); }, data, segment_ids);
}
template <expr::eager X, expr::eager I>
auto unsorted_segment_min(const X& data, const I& segment_ids, std::int64_t num_segments) {
  return eager::lift([&](const auto& v, const auto& i) { return unsorted_segment_min(v, i, num_segments); }, data, segment_ids);
}
template <expr::eager X, expr::eager I>
auto unsorted_segment_mean(const X& data, const I& segment_ids, std::int64_t num_segments) {
  return eager::lift([&](const auto& v, const auto& i) { return unsorted_segment_mean(v, i, num_segments); }, data, segment_ids);
}
template <expr::eager X, expr::eager I>
auto unsorted_segment_sqrt_n(const X& data, const I& segment_ids, std::int64_t num_segments) {
  return eager::lift([&](const auto& v, const auto& i) { return unsorted_segment_sqrt_n(v, i, num_segments); }, data, segment_ids);
}
template <expr::eager X, expr::eager J, expr::eager I>
auto sparse_segment_sum(const X& data, const J& indices, const I& segment_ids, segment_options o = {}) {
  return eager::lift([&](const auto& v, const auto& j, const auto& i) { return sparse_segment_sum(v, j, i, o); }, data, indices, segment_ids);
}
template <expr::eager X, expr::eager J, expr::eager I>
auto sparse_segment_mean(const X& data, const J& indices, const I& segment_ids, segment_options o = {}) {
  return eager::lift([&](const auto& v, const auto& j, const auto& i) { return sparse_segment_mean(v, j, i, o); }, data, indices, segment_ids);
}
template <expr::eager X, expr::eager J, expr::eager I>
auto sparse_segment_sqrt_n(const X& data, const J& indices, const I& segment_ids, segment_options o = {}) {
  return eager::lift([&](const auto& v, const auto& j, const auto& i) { return sparse_segment_sqrt_n(v, j, i, o); }, data, indices, segment_ids);
}

}  // namespace rill

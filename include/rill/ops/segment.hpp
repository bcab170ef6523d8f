// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Ops that combine slices of a tensor by the number of the segment that each belongs to. segment_* take one id per slice
/// of the first axis, ascending, from 0 on; unsorted_segment_* ids in any order, whose axes are the first ones of the data,
/// where a negative id leaves its slice out; sparse_segment_* combine rows data[indices[k]] without gathering them first.
/// The result is [segments, ...]. Segments that nothing belongs to hold 0; of unsorted_segment_max and _min the lowest and
/// highest number; of products 1. Ids are int32 or int64. A wrong id throws when the op runs: invalid_argument where ids
/// descend, out_of_range (with position, id and bound) outside the range.
///
/// In a model the number of segments must be said: {.num_segments = n}; eagerly it is the last id + 1 unless it is said.
/// Elements are combined in the order of the data, whatever the number of threads. Gradients: a sum's is the segment's
/// gradient for each slice; extremes share it evenly; products are right where elements are 0, to any order.
/// Source: TensorFlow 1.8's tf.segment_sum ... tf.sparse_segment_sqrt_n.
///
///   segment_sum(tensor<int, 3, 2>{{1, 2}, {-1, -2}, {5, 6}}, tensor<int, 3>{0, 0, 1})      // [[0 0] [5 6]]

#include "indexing.hpp"

namespace rill {

/// Options of segment_* and sparse_segment_*.
struct segment_options {
  std::int64_t num_segments = -1;  ///< -1: the last id + 1, which a model cannot know
};

namespace detail {
/// [segments, the axes of the data that the ids lack].
constexpr signature segment_signature(std::int64_t segments, const signature& data, const signature& ids, bool sorted, failure& f) {
  signature out{data.type, {}};
  bool fits = ids.shape.rank() <= data.shape.rank() && (!sorted || ids.shape.rank() == 1);
  for (int d = 0; fits && d < ids.shape.rank(); ++d) fits = ids.shape[d] == data.shape[d];
  if (!is_index(ids)) f.set("segment ids must be int32 or int64", "cast them", ids);
  else if (!fits) f.set(sorted ? "needs one segment id per slice of the first axis" : "the shape of the ids must begin the shape of the data", "", data, ids);
  else if (segments < 0) f.set("the number of segments must be given and not negative", "set num_segments", data, ids);
  if (f) return out;
  out.shape.push_back(segments);
  for (int d = ids.shape.rank(); d < data.shape.rank(); ++d) out.shape.push_back(data.shape[d]);
  return out;
}
}  // namespace detail
namespace ops {

/// Data (operand 0) combined by segment ids (operand 1) into i[0] segments; i[1]: ids that are too large are left out.
template <class Reducer, bool Sorted>
struct segment_op {
  static constexpr const char* name = std::is_same_v<Reducer, sum>    ? (Sorted ? "SegmentSum" : "UnsortedSegmentSum")
                                      : std::is_same_v<Reducer, prod> ? (Sorted ? "SegmentProd" : "UnsortedSegmentProd")
                                      : std::is_same_v<Reducer, max>  ? (Sorted ? "SegmentMax" : "UnsortedSegmentMax")
                                                                      : (Sorted ? "SegmentMin" : "UnsortedSegmentMin");
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    constexpr bool ordered = std::is_same_v<Reducer, max> || std::is_same_v<Reducer, min>;
    if ((class_of(in[0].type) & (ordered ? types::reals : types::numbers)) == 0) f.set("does not take data of this dtype", "cast them", in[0]);
    return detail::segment_signature(at.i[0], in[0], in[1], Sorted, f);
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto x, auto ids) {
    const auto spread = [&](const auto& v) { return spread_segments(v, ids, x.shape()); };
    if constexpr (std::is_same_v<Reducer, sum>) {
      return grads(spread(dy), no_gradient{});
    } else if constexpr (std::is_same_v<Reducer, prod>) {
      const auto first = segment_shift(zeros_like(x), ids, at.i[0], false, 1), last = segment_shift(zeros_like(x), ids, at.i[0], true, 1);
      const auto before = segment_recurrence(segment_shift(x, ids, at.i[0], false), first, ids, at.i[0], false);
      const auto after = segment_recurrence(segment_shift(x, ids, at.i[0], true), last, ids, at.i[0], true);
      return grads(spread(dy) * before * after, no_gradient{});
    } else {
      const auto hit = cast_like(rill::equal(x, spread(y)), x);
      attributes plain;
      plain.i[0] = at.i[0], plain.i[1] = at.i[1];
      const auto count = sum_segments(hit, ids, plain);
      return grads(hit * spread(dy / rill::maximum(count, ones_like(count))), no_gradient{});
    }
  }
};

/// The transpose of a sum by segments: each slice is its segment's (operand 0), 0 for ids outside. The shape is known.
struct spread_segments_op {
  static constexpr auto name = "SegmentSumGrad";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto, auto x, auto ids) {
    attributes at;
    at.i[0] = x.shape()[0], at.i[1] = 1;
    return grads(sum_segments(dy, ids, at), no_gradient{});
  }
};

/// How many slices each of i[0] segments has, as numbers of the dtype i[1].
struct segment_count_op {
  static constexpr auto name = "SegmentCount";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (!detail::is_index(in[0])) f.set("segment ids must be int32 or int64", "cast them", in[0]);
    else if (at.i[0] < 0) f.set("the number of segments must be given and not negative", "set num_segments", in[0]);
    return {static_cast<dtype>(at.i[1]), {at.i[0]}};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};

/// Within each of i[0] segments: the slice before (i[2]: after) this one; f[0] where there is none.
struct segment_shift_op {
  static constexpr auto name = "SegmentShift";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto, auto ids) {
    return grads(segment_shift(dy, ids, at.i[0], at.i[2] == 0), no_gradient{});
  }
};
/// Within each of i[0] segments: h = a * (h of the slice before) + b, beginning with b; i[2]: from the last slice.
struct segment_recurrence_op {
  static constexpr auto name = "SegmentRecurrence";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto a, auto, auto ids) {
    const bool reverse = at.i[2] != 0;
    const auto g = segment_recurrence(segment_shift(a, ids, at.i[0], !reverse), dy, ids, at.i[0], !reverse);
    return grads(g * segment_shift(y, ids, at.i[0], reverse), g, no_gradient{});
  }
};

/// Rows data[indices[k]] (operands 0 and 1) added up by ascending ids (operand 2) into i[0] segments.
struct sparse_segment_sum_op {
  static constexpr auto name = "SparseSegmentSum";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if ((class_of(in[0].type) & types::numbers) == 0) f.set("does not take data of this dtype", "cast them", in[0]);
    else if (in[0].shape.rank() == 0) f.set("data must have a first axis", "", in[0]);
    else if (!detail::is_index(in[1]) || in[1].shape.rank() != 1) f.set("indices must be a vector of int32 or int64", "", in[0], in[1]);
    if (f) return in[0];
    signature rows = in[0];
    rows.shape[0] = in[1].shape[0];
    return detail::segment_signature(at.i[0], rows, in[2], true, f);
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto, auto x, auto indices, auto ids) {
    tensor_shape rows = x.shape();
    rows[0] = indices.shape()[0];
    attributes at;
    at.i[0] = x.shape()[0];
    return grads(sum_segments(spread_segments(dy, ids, rows), indices, at), no_gradient{}, no_gradient{});
  }
};

}  // namespace ops

// ---- what gradients are made of ------------------------------------------------------------------------------------------

template <value V>
constexpr V sum_segments(V x, V ids, const attributes& at) {
  return detail::emit<ops::segment_op<ops::sum, false>>({x, ids}, at);
}
template <value V>
constexpr V spread_segments(V segments, V ids, const tensor_shape& shape) {
  if (V::front_end::failed(segments)) return segments;
  return V::front_end::template add<ops::spread_segments_op>({segments.type(), shape}, {segments, ids});
}
template <value V>
constexpr V segment_shift(V x, V ids, std::int64_t segments, bool back, double fill = 0) {
  if (V::front_end::failed(x)) return x;
  attributes at;
  at.i[0] = segments, at.i[2] = back, at.f[0] = fill;
  return V::front_end::template add<ops::segment_shift_op>({x.type(), x.shape()}, {x, ids}, at);
}
template <value V>
constexpr V segment_recurrence(V a, V b, V ids, std::int64_t segments, bool reverse) {
  if (V::front_end::failed(a)) return a;
  attributes at;
  at.i[0] = segments, at.i[2] = reverse;
  return V::front_end::template add<ops::segment_recurrence_op>({a.type(), a.shape()}, {a, b, ids}, at);
}

namespace detail {
template <class Reducer, bool Sorted, value V>
constexpr V segments(const V& x, const V& ids, std::int64_t n) {
  attributes at;
  at.i[0] = n;
  return emit<ops::segment_op<Reducer, Sorted>>({x, ids}, at);
}
/// Sums divided by the numbers of slices (at least 1), or by the square roots of them.
template <value V>
constexpr V divide_by_count(const V& sums, const V& ids, std::int64_t n, bool root) {
  if (V::front_end::failed(sums)) return sums;
  attributes at;
  at.i[0] = n, at.i[1] = static_cast<std::int64_t>(sums.type());
  V count = emit<ops::segment_count_op>({ids}, at);
  if (V::front_end::failed(count)) return count;
  count = maximum(count, ones_like(count));
  tensor_shape s{n};
  for (int d = 1; d < sums.rank(); ++d) s.push_back(1);
  count = reshape_to(count, s);
  return sums / (root ? sqrt(count) : count);
}
}  // namespace detail

// ---- ascending ids -------------------------------------------------------------------------------------------------------

template <value V>
constexpr V segment_sum(V data, V segment_ids, segment_options o = {}) {
  return detail::segments<ops::sum, true>(data, segment_ids, o.num_segments);
}
template <value V>
constexpr V segment_prod(V data, V segment_ids, segment_options o = {}) {
  return detail::segments<ops::prod, true>(data, segment_ids, o.num_segments);
}
template <value V>
constexpr V segment_max(V data, V segment_ids, segment_options o = {}) {
  return detail::segments<ops::max, true>(data, segment_ids, o.num_segments);
}
template <value V>
constexpr V segment_min(V data, V segment_ids, segment_options o = {}) {
  return detail::segments<ops::min, true>(data, segment_ids, o.num_segments);
}
template <value V>
constexpr V segment_mean(V data, V segment_ids, segment_options o = {}) {
  return detail::divide_by_count(segment_sum(data, segment_ids, o), segment_ids, o.num_segments, false);
}

// ---- ids in any order ----------------------------------------------------------------------------------------------------

template <value V>
constexpr V unsorted_segment_sum(V data, V segment_ids, std::int64_t num_segments) {
  return detail::segments<ops::sum, false>(data, segment_ids, num_segments);
}
template <value V>
constexpr V unsorted_segment_prod(V data, V segment_ids, std::int64_t num_segments) {
  return detail::segments<ops::prod, false>(data, segment_ids, num_segments);
}
template <value V>
constexpr V unsorted_segment_max(V data, V segment_ids, std::int64_t num_segments) {
  return detail::segments<ops::max, false>(data, segment_ids, num_segments);
}
template <value V>
constexpr V unsorted_segment_min(V data, V segment_ids, std::int64_t num_segments) {
  return detail::segments<ops::min, false>(data, segment_ids, num_segments);
}
template <value V>
constexpr V unsorted_segment_mean(V data, V segment_ids, std::int64_t num_segments) {
  return detail::divide_by_count(unsorted_segment_sum(data, segment_ids, num_segments), segment_ids, num_segments, false);
}
/// The sum divided by the square root of the number of slices.
template <value V>
constexpr V unsorted_segment_sqrt_n(V data, V segment_ids, std::int64_t num_segments) {
  return detail::divide_by_count(unsorted_segment_sum(data, segment_ids, num_segments), segment_ids, num_segments, true);
}

// ---- rows by index -------------------------------------------------------------------------------------------------------

/// segment_sum(gather(data, indices), segment_ids) in one pass.
template <value V>
constexpr V sparse_segment_sum(V data, V indices, V segment_ids, segment_options o = {}) {
  attributes at;
  at.i[0] = o.num_segments;
  return detail::emit<ops::sparse_segment_sum_op>({data, indices, segment_ids}, at);
}
template <value V>
constexpr V sparse_segment_mean(V data, V indices, V segment_ids, segment_options o = {}) {
  return detail::divide_by_count(sparse_segment_sum(data, indices, segment_ids, o), segment_ids, o.num_segments, false);
}
template <value V>
constexpr V sparse_segment_sqrt_n(V data, V indices, V segment_ids, segment_options o = {}) {
  return detail::divide_by_count(sparse_segment_sum(data, indices, segment_ids, o), segment_ids, o.num_segments, true);
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Ops that order elements: sort, argsort, top_k, nth_element, in_top_k, searchsorted, histograms, and XLA's Sort with a
/// comparator over several operands (namespace `xla`). Real dtypes, bool and strings where that makes sense.
///
/// Order: NaN is greater than every number (last in ascending order as NumPy's, first in descending order), -0 equals 0,
/// strings are compared byte by byte. argsort is always stable, in both directions; top_k prefers the lower index among
/// equals. Indices are int32, as TensorFlow's. Gradients go back through the indices, to any order; those of nth_element are
/// shared evenly among equals. Cost: radix sort of the keys, in parallel for long rows; top_k is a selection in one pass.
/// Sources: TensorFlow 1.8's tf.nn.top_k ... tf.histogram_fixed_width, tf.sort; XLA's operation semantics.
///
///   sort(x, {.axis = 0, .direction = sort_direction::descending});
///   auto [values, indices] = top_k(x, 3);
///   auto [k, v] = xla::sort<float, int>([](float a, float b, int, int) { return a > b; }, 0, keys, values);

#include <array>

#include "segment.hpp"

namespace rill {

enum class sort_direction : std::uint8_t { ascending, descending };
/// Options of sort and argsort.
struct sort_options {
  std::int64_t axis = -1;
  sort_direction direction = sort_direction::ascending;
};
/// Options of top_k. The result is sorted either way, which `sorted = false` allows.
struct top_k_options {
  bool sorted = true;
};
/// What top_k gives: the k largest elements of each row and where they are (int32).
template <class V, class I = V>
struct top_k_result {
  V values;
  I indices;
};
/// Which end of a run of equal elements searchsorted finds.
enum class search_side : std::uint8_t { left, right };
/// Options of searchsorted.
struct searchsorted_options {
  search_side side = search_side::left;
  dtype out_type = dtype::int32;
};
/// Options of histogram_fixed_width.
struct histogram_options {
  std::int64_t nbins = 100;
  dtype type = dtype::int32;
};

namespace detail {
constexpr signature sort_signature(const attributes& at, const signature& x, failure& f) {
  if ((class_of(x.type) & (types::reals | types::booleans | types::strings)) == 0) f.set("elements of this dtype have no order", "", x);
  else if (at.i[0] < 0 || at.i[0] >= x.shape.rank()) f.set("axis out of range", "axes are -rank .. rank-1", x);
  return x;
}
/// Real numbers with a last axis.
constexpr bool are_rows(const signature& x, failure& f) {
  if ((class_of(x.type) & types::reals) == 0) f.set("takes real numbers", "cast the operand", x);
  else if (x.shape.rank() == 0) f.set("needs at least one axis", "", x);
  return !f;
}
}  // namespace detail
namespace ops {

/// The elements in order along axis i[0]; i[1]: descending.
struct sort_op {
  static constexpr auto name = "Sort";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 40;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) { return detail::sort_signature(at, in[0], f); }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x) {
    const sort_options o{at.i[0], at.i[1] != 0 ? sort_direction::descending : sort_direction::ascending};
    return grads(scatter_elements(dy, argsort(x, o), x.shape(), at));
  }
};
/// Where the elements in order come from (int32).
struct argsort_op {
  static constexpr auto name = "ArgSort";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 60;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    return {dtype::int32, detail::sort_signature(at, in[0], f).shape};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// The indices (int32) of the i[0] largest elements of each row, in descending order.
struct top_k_op {
  static constexpr auto name = "TopKV2";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    signature out{dtype::int32, in[0].shape};
    if (!detail::are_rows(in[0], f)) return out;
    const int last = in[0].shape.rank() - 1;
    if (in[0].shape[last] < 0) f.set("the last axis cannot be the batch", "its size is known at run time only", in[0]);
    else if (at.i[0] < 0 || at.i[0] > in[0].shape[last]) f.set("k is larger than the last axis, or negative", "0 <= k <= extent", in[0]);
    out.shape[last] = at.i[0];
    return out;
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// Element i[0] of each row in ascending (i[1]: descending) order.
struct nth_element_op {
  static constexpr auto name = "NthElement";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 10;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    signature out{in[0].type, {}};
    if (!detail::are_rows(in[0], f)) return out;
    const int last = in[0].shape.rank() - 1;
    if (in[0].shape[last] < 0) f.set("the last axis cannot be the batch", "its size is known at run time only", in[0]);
    else if (at.i[0] < 0 || at.i[0] >= in[0].shape[last]) f.set("n is not an index of the last axis", "0 <= n < extent", in[0]);
    for (int d = 0; d < last; ++d) out.shape.push_back(in[0].shape[d]);
    return out;
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto y, auto x) {
    const auto hit = cast_like(rill::equal(x, expand_dims(y, -1)), x);
    const auto count = sum_over(hit, std::int64_t{1} << (x.rank() - 1));
    return grads(hit * expand_dims(dy / count, -1));
  }
};
/// Whether fewer than i[0] classes are predicted higher than the target: [b, classes], [b] -> bool [b].
struct in_top_k_op {
  static constexpr auto name = "InTopK";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (in[0].shape.rank() != 2 || !is_floating(in[0].type)) f.set("needs floating-point predictions [batch, classes]", "", in[0]);
    else if (!detail::is_index(in[1]) || in[1].shape.rank() != 1 || in[1].shape[0] != in[0].shape[0])
      f.set("needs one target, int32 or int64, per row of predictions", "", in[0], in[1]);
    return {dtype::boolean, in[1].shape};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// Where each of the values (operand 1) would be inserted into its sorted row (operand 0); i[0]: behind equals, i[1]: dtype.
struct searchsorted_op {
  static constexpr const char* name = "SearchSorted";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 20;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const int rank = in[0].shape.rank();
    if ((class_of(in[0].type) & (types::reals | types::strings)) == 0) f.set("elements of this dtype have no order", "", in[0]);
    else if (in[0].type != in[1].type) f.set("dtypes differ", "cast one operand", in[0], in[1]);
    else if (rank == 0 || rank != in[1].shape.rank()) f.set("operands must be of one rank, 1 or more", "", in[0], in[1]);
    else if (at.i[1] != static_cast<int>(dtype::int32) && at.i[1] != static_cast<int>(dtype::int64)) f.set("out_type must be int32 or int64", "", in[0]);
    for (int d = 0; !f && d < rank - 1; ++d)
      if (in[0].shape[d] != in[1].shape[d]) f.set("shapes differ besides the last axis", "", in[0], in[1]);
    return {static_cast<dtype>(at.i[1]), in[1].shape};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// How many values fall into each of i[0] equal parts of the range (operand 1: [low, high]); i[1]: dtype of the counts.
struct histogram_op {
  static constexpr auto name = "HistogramFixedWidth";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if ((class_of(in[0].type) & types::reals) == 0) f.set("takes real numbers", "cast the values", in[0]);
    else if (in[1].type != in[0].type || !(in[1].shape == tensor_shape{2})) f.set("value_range must be [low, high] of the values' dtype", "", in[0], in[1]);
    else if (at.i[0] < 1) f.set("nbins must be positive", "", in[0]);
    else if (at.i[1] != static_cast<int>(dtype::int32) && at.i[1] != static_cast<int>(dtype::int64)) f.set("counts must be int32 or int64", "", in[0]);
    return {static_cast<dtype>(at.i[1]), {at.i[0]}};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};

/// The stable order (int64 indices) of the elements of T... along axis i[0] by a comparator without state.
template <class F, class... T>
struct sort_by_op {
  static_assert(std::is_empty_v<F>, "the comparator of a sort in a model must not have state");
  static constexpr auto name = "Sort";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    constexpr dtype wanted[] = {dtype_v<T>...};
    for (std::size_t k = 0; k < sizeof...(T); ++k) {
      if (in[k].type != wanted[k]) f.set("an operand is of another dtype than the comparator takes", "", in[k]);
      if (!(in[k].shape == in[0].shape)) f.set("operands must be of one shape", "", in[0], in[k]);
    }
    if (at.i[0] < 0 || at.i[0] >= in[0].shape.rank()) f.set("dimension out of range", "dimensions are -rank .. rank-1", in[0]);
    return {dtype::int64, in[0].shape};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};

}  // namespace ops

namespace detail {
constexpr attributes sort_attributes(const sort_options& o, int rank) {
  attributes at;
  at.i[0] = o.axis < 0 ? o.axis + rank : o.axis;
  at.i[1] = o.direction == sort_direction::descending;
  return at;
}
}  // namespace detail

/// The elements in order along an axis.
template <value V>
constexpr V sort(V values, sort_options o = {}) {
  if (V::front_end::failed(values)) return values;
  return detail::emit<ops::sort_op>({values}, detail::sort_attributes(o, values.rank()));
}
/// The indices that put the elements in order: take_along_axis(values, argsort(values), axis) is sort(values).
template <value V>
constexpr V argsort(V values, sort_options o = {}) {
  if (V::front_end::failed(values)) return values;
  return detail::emit<ops::argsort_op>({values}, detail::sort_attributes(o, values.rank()));
}
/// The k largest elements of each row (the last axis), largest first, and their indices.
template <value V>
constexpr top_k_result<V> top_k(V input, std::int64_t k = 1, top_k_options = {}) {
  if (V::front_end::failed(input)) return {input, input};
  attributes at;
  at.i[0] = k;
  const V indices = detail::emit<ops::top_k_op>({input}, at);
  if (V::front_end::failed(indices)) return {indices, indices};
  return {take_along_axis(input, indices, input.rank() - 1), indices};
}
/// The n-th smallest (reverse: largest) element of each row, counting from 0.
template <value V>
constexpr V nth_element(V input, std::int64_t n, bool reverse = false) {
  attributes at;
  at.i[0] = n, at.i[1] = reverse;
  return detail::emit<ops::nth_element_op>({input}, at);
}
/// Whether each target is among the k highest predictions of its row; false where that cannot be said: a target out of
/// range, a prediction that is not finite.
template <value V>
constexpr V in_top_k(V predictions, V targets, std::int64_t k) {
  attributes at;
  at.i[0] = k;
  return detail::emit<ops::in_top_k_op>({predictions, targets}, at);
}
/// The index at which each value would be inserted into its sorted row: before (left) or behind (right) its equals.
template <value V>
constexpr V searchsorted(V sorted_sequence, V values, searchsorted_options o = {}) {
  attributes at;
  at.i[0] = o.side == search_side::right, at.i[1] = static_cast<std::int64_t>(o.out_type);
  return detail::emit<ops::searchsorted_op>({sorted_sequence, values}, at);
}
template <value V>
constexpr V lower_bound(V sorted_sequence, V values, dtype out_type = dtype::int32) {
  return searchsorted(sorted_sequence, values, {search_side::left, out_type});
}
template <value V>
constexpr V upper_bound(V sorted_sequence, V values, dtype out_type = dtype::int32) {
  return searchsorted(sorted_sequence, values, {search_side::right, out_type});
}
/// How many values fall into each of nbins equal parts of value_range = [low, high]; what lies outside is counted in the
/// first and last one, NaN nowhere. invalid_argument, when it runs, unless low < high.
template <value V>
constexpr V histogram_fixed_width(V values, V value_range, histogram_options o = {}) {
  attributes at;
  at.i[0] = o.nbins, at.i[1] = static_cast<std::int64_t>(o.type);
  return detail::emit<ops::histogram_op>({values, value_range}, at);
}
/// How often each of the numbers 0 .. length-1 occurs in an int32 or int64 tensor; others are not counted.
template <value V>
constexpr V count_values(V x, std::int64_t length, dtype type = dtype::int32) {
  attributes at;
  at.i[0] = length, at.i[1] = static_cast<std::int64_t>(type);
  return detail::emit<ops::segment_count_op>({x}, at);
}

namespace xla {
/// The elements in ascending order along the last dimension.
template <value V>
constexpr V sort(V operand) {
  return rill::sort(operand);
}
/// One to four operands of one shape, whose elements are of types T..., put into the order of a comparator along a dimension;
/// it takes (a0, b0, a1, b1, ...) and says whether the elements a come before the elements b. Stable. In a model the
/// comparator is a type without state.
template <class... T, class F, value V, std::same_as<V>... R>
constexpr std::array<V, 1 + sizeof...(R)> sort(F, std::int64_t dimension, V first, R... rest) {
  static_assert(sizeof...(T) == 1 + sizeof...(R) && sizeof...(T) <= 4, "sort: say the element types of the one to four operands");
  static_assert(std::is_empty_v<F>, "the comparator of a sort in a model must not have state");
  std::array<V, 1 + sizeof...(R)> result{first, rest...};
  for (const V& v : result) {
    if (!V::front_end::failed(v)) continue;
    for (V& r : result) r = v;
    return result;
  }
  attributes at;
  at.i[0] = dimension < 0 ? dimension + first.rank() : dimension;
  const V order = rill::detail::emit<ops::sort_by_op<F, T...>>({first, rest...}, at);
  for (V& v : result) v = V::front_end::failed(order) ? order : take_along_axis(v, order, at.i[0]);
  return result;
}
}  // namespace xla

}  // namespace rill

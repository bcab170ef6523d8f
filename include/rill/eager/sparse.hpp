// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The functions of ops/sparse.hpp on sparse tensors, and those whose results are as large as their data say: sums of two
/// sparse tensors, slices, parts, rows to fill, sparse reductions, dense tensors made sparse. Those take run-time-typed
/// tensors and typed ones, but no symbols. Typed functions give sparse_tensor<T> or tensor<T, any_rank>.
///
/// Values move by gather, and meet by adding: gradients of all these functions reach the values (and default values).
///
///   sparse_tensor<float> s({{0, 1}, {2, 3}}, {5, 6}, {3, 4});
///   auto dense = sparse_tensor_to_dense(s);                                        // [3, 4]
///   auto twice = sparse_add(s, s);
///   auto [filled, empty] = sparse_fill_empty_rows(s, 0.f);                          // row 1 gets an element

#include <algorithm>
#include <cmath>
#include <vector>

#include "../kernel/sparse.hpp"
#include "../ops/sparse.hpp"
#include "indexing.hpp"

namespace rill {

/// What sparse_fill_empty_rows gives.
template <class S, class B, class I>
struct sparse_filled {
  S sp_output;
  B empty_row_indicator;  ///< bool [rows]: which rows had no element
  I reverse_index_map;    ///< int64 [n]: where each element of the operand is now
};

namespace eager::detail {

/// Functions of this file are for tensors.
template <class V>
inline constexpr bool size_is_free = std::is_same_v<V, dynamic_tensor>;

/// Checked parts of a sparse operand.
struct sparse_entries {
  const std::int64_t* indices = nullptr;
  std::int64_t n = 0;
  int rank = 0;
  [[nodiscard]] const std::int64_t* at(std::int64_t k) const { return indices + k * rank; }
};
template <class = void>
sparse_entries entries_of(const char* op, const dynamic_sparse_tensor& s, bool ordered = false) {
  if (!s.indices.has_value() || !s.values.has_value()) throw invalid_argument(std::string(op) + ": an operand is None");
  rill::detail::check_sparse_parts(s.indices.type(), s.indices.shape(), s.type(), s.values.shape(), s.dense_shape);
  const sparse_entries e{static_cast<const std::int64_t*>(s.indices.data()), s.values.size(), s.rank()};
  kernel::detail::check_sparse_bounds(op, e.indices, e.n, s.dense_shape);
  if (ordered) kernel::detail::check_sparse_order(op, e.indices, e.n, e.rank);
  return e;
}
[[noreturn]] inline void throw_sparse(const char* op, const std::string& why) {
  throw invalid_argument(std::string(op) + ": " + why);
}
inline std::string sparse_text(const dynamic_sparse_tensor& s) {
  return std::string(name_of(s.type())) + to_string(s.dense_shape);
}

inline dynamic_tensor indices_of(const std::vector<std::int64_t>& flat, int rank, std::int64_t n) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::int64, {n, rank});
  if (n * rank > 0) std::copy(flat.begin(), flat.end(), static_cast<std::int64_t*>(t.mutable_data()));
  return t;
}
inline dynamic_tensor numbers_of(const std::vector<std::int64_t>& list) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::int64, {static_cast<std::int64_t>(list.size())});
  if (!list.empty()) std::copy(list.begin(), list.end(), static_cast<std::int64_t*>(t.mutable_data()));
  return t;
}
/// The elements of the given numbers, at the given indices.
template <class = void>
dynamic_sparse_tensor chosen(const dynamic_sparse_tensor& s, const std::vector<std::int64_t>& flat,
                             const std::vector<std::int64_t>& from, const tensor_shape& shape) {
  return {indices_of(flat, shape.rank(), static_cast<std::int64_t>(from.size())), gather(s.values, numbers_of(from)),
          shape};
}
/// The elements for which keep(k) holds.
template <class F>
dynamic_sparse_tensor kept_if(const dynamic_sparse_tensor& s, const sparse_entries& e, const F& keep) {
  std::vector<std::int64_t> flat, from;
  for (std::int64_t k = 0; k < e.n; ++k) {
    if (!keep(k)) continue;
    from.push_back(k);
    flat.insert(flat.end(), e.at(k), e.at(k) + e.rank);
  }
  return chosen(s, flat, from, s.dense_shape);
}
/// A scalar of the values' dtype.
template <class = void>
dynamic_tensor default_like(const char* op, const dynamic_tensor& given, const dynamic_sparse_tensor& s) {
  if (!given.has_value() || given.rank() != 0) throw_sparse(op, "the default must be a scalar");
  if (given.type() == s.type()) return given;
  if (given.type() == dtype::string || s.type() == dtype::string)
    throw_sparse(op, "the default is " + std::string(name_of(given.type())) + ", the values are " +
                         std::string(name_of(s.type())));
  return front_end::cast(given, s.type());
}

/// The indices of two sparse tensors together, and both's values at them (0 where one stores nothing).
struct sparse_union {
  dynamic_tensor indices, a, b;
};
template <class = void>
sparse_union united(const char* op, const dynamic_sparse_tensor& a, const dynamic_sparse_tensor& b) {
  const sparse_entries x = entries_of(op, a, true), y = entries_of(op, b, true);
  if (!(a.dense_shape == b.dense_shape) || a.type() != b.type())
    throw_sparse(op, "shapes or dtypes differ: got " + sparse_text(a) + " and " + sparse_text(b));
  std::vector<std::int64_t> flat, to_a, to_b;
  std::int64_t n = 0;
  for (std::int64_t i = 0, j = 0; i < x.n || j < y.n; ++n) {
    const int c = i == x.n ? 1 : j == y.n ? -1 : kernel::detail::compare_indices(x.at(i), y.at(j), x.rank);
    const std::int64_t* from = c <= 0 ? x.at(i) : y.at(j);
    flat.insert(flat.end(), from, from + x.rank);
    if (c <= 0) to_a.push_back(n), ++i;
    if (c >= 0) to_b.push_back(n), ++j;
  }
  const auto spread = [&](const dynamic_tensor& values, const std::vector<std::int64_t>& to) {
    return scatter_nd(expand_dims(numbers_of(to), -1), values, {n});
  };
  return {indices_of(flat, x.rank, n), spread(a.values, to_a), spread(b.values, to_b)};
}

/// The largest element of each of n groups, none of which is empty: the rows of a matrix with a column per element.
inline dynamic_tensor largest_of_groups(const dynamic_tensor& groups, const dynamic_tensor& values, std::int64_t n) {
  const dynamic_tensor column = expand_dims(front_end::range(values, dtype::int64, values.size()), -1);
  return sparse_reduce_max(dynamic_sparse_tensor{concat({groups, column}, {.axis = 1}), values, {n, values.size()}},
                           {.axis = {1}});
}
/// Sparse reductions: groups of elements that agree besides the reduced axes, in canonical order.
template <bool Largest>
dynamic_sparse_tensor reduce_sparse(const char* op, const dynamic_sparse_tensor& s, const reduce_options& o) {
  const sparse_entries e = entries_of(op, s);
  const std::int64_t mask = axis_mask(o.axis, s.rank());
  if (mask < 0) throw_sparse(op, "axis out of range for " + sparse_text(s) + "; axes are -rank .. rank-1");
  const tensor_shape kept = ops::reduced_shape(s.dense_shape, mask, false),
                     shape = o.keepdims ? ops::reduced_shape(s.dense_shape, mask, true) : kept;
  std::vector<std::int64_t> rest, flat, group(static_cast<std::size_t>(e.n));
  for (std::int64_t k = 0; k < e.n; ++k)
    for (int d = 0; d < e.rank; ++d)
      if ((mask >> d & 1) == 0) rest.push_back(e.at(k)[d]);
  const int r = kept.rank();
  const std::vector<std::int64_t> order = kernel::detail::sparse_order(rest.data(), e.n, kept);
  std::int64_t n = 0;
  for (std::int64_t k = 0, before = -1; k < e.n; ++k) {
    const std::int64_t at = order.empty() ? k : order[static_cast<std::size_t>(k)];
    if (before < 0 || kernel::detail::compare_indices(rest.data() + before * r, rest.data() + at * r, r) != 0) {
      ++n;
      for (int d = 0, next = 0; d < e.rank; ++d) {
        if ((mask >> d & 1) == 0) flat.push_back(rest[static_cast<std::size_t>(at * r + next++)]);
        else if (o.keepdims) flat.push_back(0);
      }
    }
    group[static_cast<std::size_t>(at)] = n - 1;
    before = at;
  }
  const dynamic_tensor to = expand_dims(numbers_of(group), -1);
  return {indices_of(flat, shape.rank(), n),
          Largest ? largest_of_groups(to, s.values, n) : scatter_nd(to, s.values, {n}), shape};
}
}  // namespace eager::detail

// ---- sizes that depend on data -------------------------------------------------------------------------------------------

/// The elements of a dense tensor that are not 0, false or empty (tf.contrib.layers.dense_to_sparse, tf.sparse.from_dense).
template <value V>
sparse_value<V> dense_to_sparse(const V& x) {
  static_assert(eager::detail::size_is_free<V>,
                "dense_to_sparse stores as many elements as are not 0, which a graph cannot know");
  if constexpr (eager::detail::size_is_free<V>) {
    if (!x.has_value()) throw invalid_argument("dense_to_sparse: the operand is None");
    V there = V::uninitialized(dtype::boolean, x.shape());
    auto* flag = static_cast<bool*>(there.mutable_data());
    visit_element(x.type(), [&]<class T>(std::type_identity<T>) {
      const T* p = static_cast<const T*>(x.data());
      for (std::int64_t k = 0; k < x.size(); ++k) flag[k] = !(p[k] == T());
    });
    const V at = where(there);
    return {at, gather_nd(x, at), x.shape()};
  }
}

/// The same elements in the smallest shape that holds them (tf.sparse_reset_shape).
template <value V>
sparse_value<V> sparse_reset_shape(const sparse_value<V>& s) {
  static_assert(
      eager::detail::size_is_free<V>,
      "sparse_reset_shape without a shape looks for the largest index, which a graph cannot know; say the new shape");
  if constexpr (eager::detail::size_is_free<V>) {
    const auto e = eager::detail::entries_of("sparse_reset_shape", s);
    tensor_shape shape;
    for (int d = 0; d < e.rank; ++d) {
      std::int64_t extent = 0;
      for (std::int64_t k = 0; k < e.n; ++k) extent = std::max(extent, e.at(k)[d] + 1);
      shape.push_back(extent);
    }
    return {s.indices, s.values, shape};
  }
}

/// The part of `size` elements per axis from `start` on, cut where the tensor ends (tf.sparse_slice).
template <value V>
sparse_value<V> sparse_slice(const sparse_value<V>& s, const tensor_shape& start, const tensor_shape& size) {
  static_assert(eager::detail::size_is_free<V>,
                "sparse_slice keeps as many elements as lie in the slice, which a graph cannot know; slice before the "
                "model, or slice the dense tensor");
  if constexpr (eager::detail::size_is_free<V>) {
    const auto e = eager::detail::entries_of("sparse_slice", s);
    bool good = start.rank() == e.rank && size.rank() == e.rank;
    for (int d = 0; good && d < e.rank; ++d) good = start[d] >= 0 && size[d] >= 0;
    if (!good)
      eager::detail::throw_sparse(
          "sparse_slice", "a start and a size that are not negative are wanted for each axis of " +
                              eager::detail::sparse_text(s) + ", got " + to_string(start) + " and " + to_string(size));
    tensor_shape shape;
    for (int d = 0; d < e.rank; ++d)
      shape.push_back(std::max<std::int64_t>(0, std::min(size[d], s.dense_shape[d] - start[d])));
    std::vector<std::int64_t> flat, from;
    for (std::int64_t k = 0; k < e.n; ++k) {
      bool inside = true;
      for (int d = 0; inside && d < e.rank; ++d) inside = e.at(k)[d] >= start[d] && e.at(k)[d] - start[d] < shape[d];
      if (!inside) continue;
      from.push_back(k);
      for (int d = 0; d < e.rank; ++d) flat.push_back(e.at(k)[d] - start[d]);
    }
    return eager::detail::chosen(s, flat, from, shape);
  }
}

/// num_split parts along an axis (tf.sparse_split); the first ones are longer by one where the extent does not divide.
template <value V>
std::vector<sparse_value<V>> sparse_split(const sparse_value<V>& s, std::int64_t num_split, axis_options o = {}) {
  static_assert(eager::detail::size_is_free<V>,
                "sparse_split gives as many elements as lie in each part, which a graph cannot know");
  std::vector<sparse_value<V>> parts;
  if constexpr (eager::detail::size_is_free<V>) {
    const auto e = eager::detail::entries_of("sparse_split", s);
    const std::int64_t axis = o.axis < 0 ? o.axis + e.rank : o.axis;
    if (axis < 0 || axis >= e.rank)
      eager::detail::throw_sparse(
          "sparse_split", "axis " + std::to_string(o.axis) + " is out of range for " + eager::detail::sparse_text(s));
    const auto a = static_cast<int>(axis);
    if (num_split < 1 || num_split > s.dense_shape[a])
      eager::detail::throw_sparse("sparse_split", std::to_string(num_split) + " parts of an axis of " +
                                                      std::to_string(s.dense_shape[a]) +
                                                      " elements; at least 1 and at most the extent are wanted");
    const std::int64_t size = s.dense_shape[a] / num_split, longer = s.dense_shape[a] % num_split;
    // one pass over the elements, whatever the number of parts
    std::vector<std::vector<std::int64_t>> flat(static_cast<std::size_t>(num_split)),
        from(static_cast<std::size_t>(num_split));
    for (std::int64_t k = 0; k < e.n; ++k) {
      const std::int64_t i = e.at(k)[a], border = longer * (size + 1);
      const std::int64_t part = i < border ? i / (size + 1) : longer + (i - border) / size;
      auto& to = flat[static_cast<std::size_t>(part)];
      to.insert(to.end(), e.at(k), e.at(k) + e.rank);
      to[to.size() - static_cast<std::size_t>(e.rank - a)] -= part * size + std::min(part, longer);
      from[static_cast<std::size_t>(part)].push_back(k);
    }
    for (std::int64_t p = 0; p < num_split; ++p) {
      tensor_shape shape = s.dense_shape;
      shape[a] = size + (p < longer);
      parts.push_back(
          eager::detail::chosen(s, flat[static_cast<std::size_t>(p)], from[static_cast<std::size_t>(p)], shape));
    }
  }
  return parts;
}

/// The elements that a bool vector [n] marks (tf.sparse_retain).
template <value V>
sparse_value<V> sparse_retain(const sparse_value<V>& s, const std::type_identity_t<V>& to_retain) {
  static_assert(
      eager::detail::size_is_free<V>,
      "sparse_retain keeps as many elements as are marked, which a graph cannot know; multiply the values by 0 or 1");
  if constexpr (eager::detail::size_is_free<V>) {
    const auto e = eager::detail::entries_of("sparse_retain", s);
    if (to_retain.type() != dtype::boolean || !(to_retain.shape() == tensor_shape{e.n}))
      eager::detail::throw_sparse("sparse_retain", "one bool per element is wanted, bool[" + std::to_string(e.n) +
                                                       "], not " + std::string(name_of(to_retain.type())) +
                                                       to_string(to_retain.shape()));
    const auto flag = to_retain.template span<bool>();
    return eager::detail::kept_if(s, e, [&](std::int64_t k) { return flag[static_cast<std::size_t>(k)]; });
  }
}

/// Each row without elements gets the default value at [row, 0, ..] (tf.sparse_fill_empty_rows); rows ascend in the result.
template <value V>
sparse_filled<sparse_value<V>, V, V> sparse_fill_empty_rows(const sparse_value<V>& s,
                                                            const std::type_identity_t<V>& default_value) {
  static_assert(eager::detail::size_is_free<V>,
                "sparse_fill_empty_rows adds as many elements as rows are empty, which a graph cannot know");
  if constexpr (eager::detail::size_is_free<V>) {
    const auto e = eager::detail::entries_of("sparse_fill_empty_rows", s);
    if (e.rank < 1) eager::detail::throw_sparse("sparse_fill_empty_rows", "a sparse tensor of rank 0 has no rows");
    for (int d = 1; d < e.rank; ++d)
      if (s.dense_shape[d] == 0 && s.dense_shape[0] > 0)
        eager::detail::throw_sparse("sparse_fill_empty_rows",
                                    "rows of the shape " + to_string(s.dense_shape) + " hold no element");
    const dynamic_tensor given = eager::detail::default_like("sparse_fill_empty_rows", default_value, s);
    const std::int64_t rows = s.dense_shape[0];
    dynamic_tensor empty =
        dynamic_tensor::uninitialized(dtype::boolean, {rows});  // resource_exhausted for absurd shapes
    auto* flag = static_cast<bool*>(empty.mutable_data());
    std::fill(flag, flag + rows, true);
    std::vector<std::int64_t> first(static_cast<std::size_t>(rows) + 1);
    for (std::int64_t k = 0; k < e.n; ++k) {
      flag[e.at(k)[0]] = false;
      ++first[static_cast<std::size_t>(e.at(k)[0]) + 1];
    }
    for (std::int64_t r = 0; r < rows; ++r)
      first[static_cast<std::size_t>(r) + 1] += first[static_cast<std::size_t>(r)] + (flag[r] ? 1 : 0);
    const std::int64_t n = first.back();
    std::vector<std::int64_t> from(static_cast<std::size_t>(n), e.n), map(static_cast<std::size_t>(e.n)),
        flat(static_cast<std::size_t>(n * e.rank));
    for (std::int64_t r = 0; r < rows; ++r)
      if (flag[r]) flat[static_cast<std::size_t>(first[static_cast<std::size_t>(r)] * e.rank)] = r;
    for (std::int64_t k = 0; k < e.n; ++k) {
      const std::int64_t to = first[static_cast<std::size_t>(e.at(k)[0])]++;
      map[static_cast<std::size_t>(k)] = to;
      from[static_cast<std::size_t>(to)] = k;
      std::copy(e.at(k), e.at(k) + e.rank, flat.begin() + to * e.rank);
    }
    const dynamic_tensor values = gather(concat({s.values, reshape_to(given, {1})}), eager::detail::numbers_of(from));
    return {{eager::detail::indices_of(flat, e.rank, n), values, s.dense_shape}, empty, eager::detail::numbers_of(map)};
  }
}

/// The sum of two sparse tensors in canonical order (tf.sparse_add): their elements together, without those whose absolute
/// value is less than `thresh` (of all, as TensorFlow's documentation says; its kernel spares what only one of them has).
template <value V>
sparse_value<V> sparse_add(const sparse_value<V>& a, const sparse_value<V>& b, double thresh = 0) {
  static_assert(
      eager::detail::size_is_free<V>,
      "the sum of two sparse tensors stores the union of their elements, which a graph cannot know; add a dense one");
  if constexpr (eager::detail::size_is_free<V>) {
    const auto u = eager::detail::united("sparse_add", a, b);
    const dynamic_sparse_tensor sum{u.indices, u.a + u.b, a.dense_shape};
    if (!(thresh > 0)) return sum;
    return visit_number(
        sum.type(),
        [&]<class T>(std::type_identity<T>) {
          const T* v = static_cast<const T*>(sum.values.data());
          return eager::detail::kept_if(sum, eager::detail::entries_of("sparse_add", sum), [&](std::int64_t k) {
            if constexpr (is_complex_v<T>) return thresh <= static_cast<double>(std::abs(v[k]));
            else return thresh <= std::abs(static_cast<double>(v[k]));
          });
        },
        "sparse_add");
  }
}
/// The larger (smaller) elements of two sparse tensors in canonical order; 0 stands for what one of them lacks
/// (tf.sparse_maximum, tf.sparse_minimum).
template <value V>
sparse_value<V> sparse_maximum(const sparse_value<V>& a, const sparse_value<V>& b) {
  static_assert(eager::detail::size_is_free<V>,
                "sparse_maximum stores the union of two sparse tensors' elements, which a graph cannot know");
  if constexpr (eager::detail::size_is_free<V>) {
    const auto u = eager::detail::united("sparse_maximum", a, b);
    return {u.indices, maximum(u.a, u.b), a.dense_shape};
  }
}
template <value V>
sparse_value<V> sparse_minimum(const sparse_value<V>& a, const sparse_value<V>& b) {
  static_assert(eager::detail::size_is_free<V>,
                "sparse_minimum stores the union of two sparse tensors' elements, which a graph cannot know");
  if constexpr (eager::detail::size_is_free<V>) {
    const auto u = eager::detail::united("sparse_minimum", a, b);
    return {u.indices, minimum(u.a, u.b), a.dense_shape};
  }
}

/// The sums over axes as a sparse tensor in canonical order: an element wherever something is stored
/// (tf.sparse_reduce_sum_sparse).
template <value V>
sparse_value<V> sparse_reduce_sum_sparse(const sparse_value<V>& s, reduce_options o = {}) {
  static_assert(eager::detail::size_is_free<V>,
                "sparse_reduce_sum_sparse stores what is not empty, which a graph cannot know; use sparse_reduce_sum");
  if constexpr (eager::detail::size_is_free<V>)
    return eager::detail::reduce_sparse<false>("sparse_reduce_sum_sparse", s, o);
}
/// The largest stored elements over axes as a sparse tensor (tf.sparse_reduce_max_sparse).
template <value V>
sparse_value<V> sparse_reduce_max_sparse(const sparse_value<V>& s, reduce_options o = {}) {
  static_assert(eager::detail::size_is_free<V>,
                "sparse_reduce_max_sparse stores what is not empty, which a graph cannot know; use sparse_reduce_max");
  if constexpr (eager::detail::size_is_free<V>)
    return eager::detail::reduce_sparse<true>("sparse_reduce_max_sparse", s, o);
}

/// The slices whose index is not among mask_indices (tf.sparse_mask).
template <value V>
indexed_slices<V> sparse_mask(const indexed_slices<V>& a, const std::type_identity_t<V>& mask_indices) {
  static_assert(eager::detail::size_is_free<V>,
                "sparse_mask keeps as many slices as are not masked, which a graph cannot know");
  if constexpr (eager::detail::size_is_free<V>) {
    const auto list = [](const dynamic_tensor& t) {
      if (!t.has_value() || t.rank() != 1) eager::detail::throw_sparse("sparse_mask", "indices must be vectors");
      const dynamic_tensor wide = cast_to(t, dtype::int64);
      const auto s = wide.template span<std::int64_t>();
      return std::vector<std::int64_t>(s.begin(), s.end());
    };
    const std::vector<std::int64_t> at = list(a.indices);
    std::vector<std::int64_t> hidden = list(mask_indices), kept;
    if (a.values.rank() < 1 || a.values.shape()[0] != static_cast<std::int64_t>(at.size()))
      eager::detail::throw_sparse("sparse_mask", "one slice per index is wanted, got " + to_string(a.values.shape()) +
                                                     " for " + std::to_string(at.size()) + " indices");
    std::sort(hidden.begin(), hidden.end());
    for (std::size_t k = 0; k < at.size(); ++k)
      if (!std::binary_search(hidden.begin(), hidden.end(), at[k])) kept.push_back(static_cast<std::int64_t>(k));
    const dynamic_tensor rows = eager::detail::numbers_of(kept);
    return {gather(a.values, rows), gather(a.indices, rows), a.dense_shape};
  }
}

// ---- typed sparse tensors ------------------------------------------------------------------------------------------------

namespace eager {
/// The parts of a typed sparse tensor, which are not copied.
template <class T>
dynamic_sparse_tensor lend(const sparse_tensor<T>& s) {
  rill::detail::check_sparse_parts(dtype::int64, s.indices.shape(), dtype_v<T>, s.values.shape(), s.dense_shape);
  return {lend(s.indices), lend(s.values), s.dense_shape};
}
/// A result as a typed sparse tensor; takes over what nobody else holds.
template <class T>
sparse_tensor<T> as_sparse(dynamic_sparse_tensor&& s) {
  return {as_tensor<std::int64_t>(std::move(s.indices)), as_tensor<T>(std::move(s.values)), s.dense_shape};
}
}  // namespace eager

template <class T>
auto sparse_tensor_to_dense(const sparse_tensor<T>& s, std::type_identity_t<T> default_value = T(),
                            sparse_to_dense_options o = {}) {
  return eager::as_tensor<T>(sparse_tensor_to_dense(eager::lend(s), eager::lend(tensor<T>(default_value)), o));
}
/// Indices are int32 or int64 tensors.
template <expr::eager I, expr::eager X>
auto sparse_to_dense(const I& sparse_indices, const tensor_shape& output_shape, const X& sparse_values,
                     typename X::element_type default_value = {}, sparse_to_dense_options o = {}) {
  using T = typename X::element_type;
  const dynamic_tensor i = eager::lend(sparse_indices), v = eager::lend(sparse_values),
                       d = eager::lend(tensor<T>(default_value));
  return eager::as_tensor<T>(sparse_to_dense(i, output_shape, v, d, o));
}
template <expr::eager X>
auto dense_to_sparse(const X& x) {
  return eager::as_sparse<typename X::element_type>(dense_to_sparse(dynamic_tensor(eager::lend(x))));
}
template <class T>
sparse_tensor<T> sparse_reorder(const sparse_tensor<T>& s) {
  return eager::as_sparse<T>(sparse_reorder(eager::lend(s)));
}
template <class T>
sparse_tensor<T> sparse_transpose(const sparse_tensor<T>& s, axis_list perm = {}) {
  return eager::as_sparse<T>(sparse_transpose(eager::lend(s), perm));
}
template <class T>
sparse_tensor<T> sparse_reshape(const sparse_tensor<T>& s, const tensor_shape& shape) {
  return eager::as_sparse<T>(sparse_reshape(eager::lend(s), shape));
}
template <class T>
sparse_tensor<T> sparse_reset_shape(const sparse_tensor<T>& s) {
  return eager::as_sparse<T>(sparse_reset_shape(eager::lend(s)));
}
template <class T>
sparse_tensor<T> sparse_reset_shape(const sparse_tensor<T>& s, const tensor_shape& new_shape) {
  return eager::as_sparse<T>(sparse_reset_shape(eager::lend(s), new_shape));
}
template <class T>
sparse_tensor<T> sparse_slice(const sparse_tensor<T>& s, const tensor_shape& start, const tensor_shape& size) {
  return eager::as_sparse<T>(sparse_slice(eager::lend(s), start, size));
}
template <class T>
std::vector<sparse_tensor<T>> sparse_split(const sparse_tensor<T>& s, std::int64_t num_split, axis_options o = {}) {
  std::vector<sparse_tensor<T>> parts;
  for (auto& p : sparse_split(eager::lend(s), num_split, o)) parts.push_back(eager::as_sparse<T>(std::move(p)));
  return parts;
}
template <class T>
sparse_tensor<T> sparse_concat(const std::vector<sparse_tensor<T>>& sp_inputs, sparse_concat_options o = {}) {
  std::vector<dynamic_sparse_tensor> parts;
  for (const auto& s : sp_inputs) parts.push_back(eager::lend(s));
  return eager::as_sparse<T>(sparse_concat(parts, o));
}
template <class T>
sparse_tensor<T> sparse_concat(std::initializer_list<sparse_tensor<T>> sp_inputs, sparse_concat_options o = {}) {
  return sparse_concat(std::vector<sparse_tensor<T>>(sp_inputs), o);
}
template <class T, expr::eager X>
sparse_tensor<T> sparse_retain(const sparse_tensor<T>& s, const X& to_retain) {
  return eager::as_sparse<T>(sparse_retain(eager::lend(s), eager::lend(to_retain)));
}
template <class T>
auto sparse_fill_empty_rows(const sparse_tensor<T>& s, std::type_identity_t<T> default_value) {
  auto r = sparse_fill_empty_rows(eager::lend(s), eager::lend(tensor<T>(default_value)));
  return sparse_filled<sparse_tensor<T>, tensor<bool, dyn>, tensor<std::int64_t, dyn>>{
      eager::as_sparse<T>(std::move(r.sp_output)), eager::as_tensor<bool>(std::move(r.empty_row_indicator)),
      eager::as_tensor<std::int64_t>(std::move(r.reverse_index_map))};
}
template <class I, class T>
sparse_tensor<T> sparse_merge(const sparse_tensor<I>& sp_ids, const sparse_tensor<T>& sp_values,
                              std::int64_t vocab_size, sparse_merge_options o = {}) {
  return eager::as_sparse<T>(sparse_merge(eager::lend(sp_ids), eager::lend(sp_values), vocab_size, o));
}
template <class I>
tensor<bool, any_rank> sparse_to_indicator(const sparse_tensor<I>& s, std::int64_t vocab_size) {
  return eager::as_tensor<bool>(sparse_to_indicator(eager::lend(s), vocab_size));
}
template <class T>
sparse_tensor<T> sparse_add(const sparse_tensor<T>& a, const sparse_tensor<T>& b, double thresh = 0) {
  return eager::as_sparse<T>(sparse_add(eager::lend(a), eager::lend(b), thresh));
}
template <class T, expr::eager X>
auto sparse_add(const sparse_tensor<T>& a, const X& b) {
  return eager::as_tensor<T>(sparse_add(eager::lend(a), dynamic_tensor(eager::lend(b))));
}
template <class T, expr::eager X>
auto sparse_add(const X& a, const sparse_tensor<T>& b) {
  return sparse_add(b, a);
}
template <class T>
sparse_tensor<T> sparse_maximum(const sparse_tensor<T>& a, const sparse_tensor<T>& b) {
  return eager::as_sparse<T>(sparse_maximum(eager::lend(a), eager::lend(b)));
}
template <class T>
sparse_tensor<T> sparse_minimum(const sparse_tensor<T>& a, const sparse_tensor<T>& b) {
  return eager::as_sparse<T>(sparse_minimum(eager::lend(a), eager::lend(b)));
}
template <class T, expr::eager X>
sparse_tensor<T> sparse_dense_cwise_mul(const sparse_tensor<T>& s, const X& dense) {
  return eager::as_sparse<T>(sparse_dense_cwise_mul(eager::lend(s), eager::lend(dense)));
}
template <class T, expr::eager X>
sparse_tensor<T> sparse_dense_cwise_div(const sparse_tensor<T>& s, const X& dense) {
  return eager::as_sparse<T>(sparse_dense_cwise_div(eager::lend(s), eager::lend(dense)));
}
template <class T, expr::eager X>
sparse_tensor<T> sparse_dense_cwise_add(const sparse_tensor<T>& s, const X& dense) {
  return eager::as_sparse<T>(sparse_dense_cwise_add(eager::lend(s), eager::lend(dense)));
}
template <class T, expr::eager X>
sparse_tensor<T> operator*(const sparse_tensor<T>& s, const X& dense) {
  return sparse_dense_cwise_mul(s, dense);
}
template <class T, expr::eager X>
sparse_tensor<T> operator/(const sparse_tensor<T>& s, const X& dense) {
  return sparse_dense_cwise_div(s, dense);
}
template <class T>
sparse_tensor<T> sparse_softmax(const sparse_tensor<T>& s) {
  return eager::as_sparse<T>(sparse_softmax(eager::lend(s)));
}
template <class T>
auto sparse_reduce_sum(const sparse_tensor<T>& s, reduce_options o = {}) {
  return eager::as_tensor<T>(sparse_reduce_sum(eager::lend(s), o));
}
template <class T>
auto sparse_reduce_max(const sparse_tensor<T>& s, reduce_options o = {}) {
  return eager::as_tensor<T>(sparse_reduce_max(eager::lend(s), o));
}
template <class T>
sparse_tensor<T> sparse_reduce_sum_sparse(const sparse_tensor<T>& s, reduce_options o = {}) {
  return eager::as_sparse<T>(sparse_reduce_sum_sparse(eager::lend(s), o));
}
template <class T>
sparse_tensor<T> sparse_reduce_max_sparse(const sparse_tensor<T>& s, reduce_options o = {}) {
  return eager::as_sparse<T>(sparse_reduce_max_sparse(eager::lend(s), o));
}
template <class T, expr::eager X>
auto sparse_tensor_dense_matmul(const sparse_tensor<T>& a, const X& b, sparse_matmul_options o = {}) {
  return eager::as_tensor<T>(sparse_tensor_dense_matmul(eager::lend(a), dynamic_tensor(eager::lend(b)), o));
}
template <expr::eager P, class I>
auto embedding_lookup_sparse(const P& params, const sparse_tensor<I>& sp_ids, embedding_sparse_options o = {}) {
  return eager::as_tensor<typename P::element_type>(
      embedding_lookup_sparse(dynamic_tensor(eager::lend(params)), eager::lend(sp_ids), o));
}
template <expr::eager P, class I, class W>
auto embedding_lookup_sparse(const P& params, const sparse_tensor<I>& sp_ids, const sparse_tensor<W>& sp_weights,
                             embedding_sparse_options o = {}) {
  return eager::as_tensor<typename P::element_type>(
      embedding_lookup_sparse(dynamic_tensor(eager::lend(params)), eager::lend(sp_ids), eager::lend(sp_weights), o));
}
template <expr::eager P, class I>
auto safe_embedding_lookup_sparse(const P& params, const sparse_tensor<I>& sp_ids, safe_embedding_options o = {}) {
  return eager::as_tensor<typename P::element_type>(
      safe_embedding_lookup_sparse(dynamic_tensor(eager::lend(params)), eager::lend(sp_ids), o));
}
template <expr::eager P, class I, class W>
auto safe_embedding_lookup_sparse(const P& params, const sparse_tensor<I>& sp_ids, const sparse_tensor<W>& sp_weights,
                                  safe_embedding_options o = {}) {
  return eager::as_tensor<typename P::element_type>(safe_embedding_lookup_sparse(
      dynamic_tensor(eager::lend(params)), eager::lend(sp_ids), eager::lend(sp_weights), o));
}

}  // namespace rill

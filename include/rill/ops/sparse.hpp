// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Sparse tensors in coordinate form (core/sparse_tensor.hpp): the functions whose results are as large as shapes say, for
/// models and for tensors. What depends on data besides (slices, unions, rows to fill) is in <rill/eager/sparse.hpp>.
///
/// In a model the parts are symbols: feed indices and values as inputs, with a fixed number of elements or, when nothing
/// else is the batch, `dyn`; the dense shape is a constant, whose first extent may be the batch. Unused room of a fixed
/// number is filled with any index and the value (or weight) 0, which adds nothing. Functions that sum take elements in any
/// order and repeated ones; softmax asks for the canonical order. Where none is asked for, results have it all the same.
///
/// An index outside of the shape is out_of_range, one out of order or repeated where that is forbidden invalid_argument;
/// both name the position. Gradients go to the values and to dense operands; all are differentiable again.
/// Sources: TensorFlow 1.8's tf.sparse_* and tf.nn.embedding_lookup_sparse.
///
///   auto s = sparse_placeholder(indices, values, {4, 1000});
///   y = sparse_tensor_dense_matmul(s, w);                                    // [4, 1000] x [1000, n]
///   e = embedding_lookup_sparse(table, s_ids, {.combiner = sparse_combiner::mean});

#include "../core/sparse_tensor.hpp"
#include "complex.hpp"
#include "indexing.hpp"
#include "segment.hpp"

namespace rill {

/// Whether sparse_to_dense refuses indices that repeat or do not ascend.
struct sparse_to_dense_options {
  bool validate_indices = true;
};
/// Options of sparse_concat; expand_nonconcat_dim: the other extents may differ and become the largest.
struct sparse_concat_options {
  std::int64_t axis = 0;
  bool expand_nonconcat_dim = false;
};
/// Options of sparse_tensor_dense_matmul: an operand is read transposed and conjugated.
struct sparse_matmul_options {
  bool adjoint_a = false, adjoint_b = false;
};
/// Options of sparse_merge; already_sorted: the result needs no reordering.
struct sparse_merge_options {
  bool already_sorted = false;
};
/// How the embeddings of a row become one: their sum, divided by the weights' sum, or by the root of their squares' sum.
enum class sparse_combiner : std::uint8_t { sum, mean, sqrtn };
/// Options of embedding_lookup_sparse.
struct embedding_sparse_options {
  sparse_combiner combiner = sparse_combiner::mean;
  partition_strategy strategy = partition_strategy::mod;
  double max_norm = 0;  ///< rows that are longer are shortened to it; 0: never
};
/// Options of safe_embedding_lookup_sparse; a negative default_id gives rows without ids the zero vector.
struct safe_embedding_options {
  sparse_combiner combiner = sparse_combiner::mean;
  std::int64_t default_id = -1;
  partition_strategy strategy = partition_strategy::div;
  double max_norm = 0;
};

namespace ops {

/// The dense shape of a kernel op: i[0..7]; its rank is the columns' number of the indices.
struct sparse_attributes {
  static constexpr attributes with(attributes at, const tensor_shape& shape) {
    for (int d = 0; d < shape.rank(); ++d) at.i[d] = shape[d];
    return at;
  }
  static constexpr tensor_shape shape(const attributes& at, int rank) { return {at.i, rank}; }
};

/// (indices, values, default scalar) -> the result's shape; the default where no index points. i[0]: indices must be in
/// canonical order; else the last of repeated ones stays (and gradients suppose that none are).
struct sparse_to_dense_op {
  static constexpr auto name = "SparseToDense";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto y, auto indices, auto values, auto) {
    auto at =
        indices.rank() == 2 ? indices : reshape_to(indices, {indices.rank() == 0 ? 1 : indices.shape()[0], y.rank()});
    auto taken = gather_nd(dy, at);
    return grads(no_gradient{}, values.rank() == 0 ? reduce_sum(taken) : taken, reduce_sum(dy) - reduce_sum(taken));
  }
};

/// indices -> the permutation (int64 [n]) that puts them in canonical order; equal ones keep their order.
struct sparse_order_op {
  static constexpr auto name = "SparseReorder";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 60;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// indices -> the row-major number (int64 [n]) over i[9] axes of the shape, four bits each in i[8].
struct sparse_flat_op {
  static constexpr auto name = "SparseFlatten";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// int64 [n] -> indices [n, rank] of a shape, the inverse of the former over all axes.
struct sparse_unflat_op {
  static constexpr auto name = "SparseReshape";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 40;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// indices -> columns of them: i[8] holds four bits per column of the result, a column of the indices or 15 for zeros;
/// the column i[9] (if it is not negative) of the result is moved by i[10].
struct sparse_columns_op {
  static constexpr auto name = "SparseColumns";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// (indices, values) -> for each value the sum (i[0] = 1: the largest) of those that differ in the last index only.
struct sparse_group_op {
  static constexpr auto name = "SparseSoftmax";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto indices, auto values) {
    return grads(no_gradient{}, decltype(dy)::front_end::template add<sparse_group_op>({values.type(), values.shape()},
                                                                                       {indices, dy}, at));
  }
};

/// The sparse matrix (indices, values) times a dense one; i[0]: the sparse one is read transposed.
struct sparse_matmul_op {
  static constexpr auto name = "SparseTensorDenseMatMul";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto indices, auto values, auto b) {
    const bool t = at.i[0] != 0;
    const auto other = sparse_conj(b);
    return grads(no_gradient{}, t ? sampled_dot(indices, other, dy) : sampled_dot(indices, dy, other),
                 sparse_matmul(indices, sparse_conj(values), dy, !t, b.shape()[0]));
  }
};
/// s[e] = the product of row indices[e, 0] of one matrix and row indices[e, 1] of another.
struct sampled_dot_op {
  static constexpr auto name = "SampledDot";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto ds, auto, auto indices, auto l, auto r) {
    return grads(no_gradient{}, sparse_matmul(indices, ds, sparse_conj(r), false, l.shape()[0]),
                 sparse_matmul(indices, ds, sparse_conj(l), true, r.shape()[0]));
  }
};

/// Functions made of other ops, by the names that their errors bear.
enum class sparse_function {
  placeholder,
  reset_shape,
  transpose,
  concat,
  merge,
  indicator,
  cwise,
  dense_add,
  softmax,
  reduce_sum,
  reduce_max,
  embedding,
  safe_embedding
};
constexpr const char* name_of(sparse_function f) {
  constexpr const char* names[] = {
      "SparsePlaceholder", "SparseResetShape",      "SparseTranspose",          "SparseConcat",  "SparseMerge",
      "SparseToIndicator", "SparseDenseCwise",      "SparseTensorDenseAdd",     "SparseSoftmax", "SparseReduceSum",
      "SparseReduceMax",   "EmbeddingLookupSparse", "SafeEmbeddingLookupSparse"};
  return names[static_cast<int>(f)];
}
template <sparse_function F>
struct sparse_function_op {
  static constexpr auto name = name_of(F);
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 0;
};

}  // namespace ops

// ---- what the functions are made of --------------------------------------------------------------------------------------

template <value V>
constexpr V sparse_conj(const V& x) {
  if (V::front_end::failed(x) || !is_complex(x.type())) return x;
  return conj(x);
}
/// A product whose operands are known to fit: rows of the result are said.
template <value V>
constexpr V sparse_matmul(V indices, V values, V dense, bool transposed, std::int64_t rows) {
  if (V::front_end::failed(values)) return values;
  if (V::front_end::failed(dense)) return dense;
  attributes at;
  at.i[0] = transposed;
  return V::front_end::template add<ops::sparse_matmul_op>({dense.type(), {rows, dense.shape()[1]}},
                                                           {indices, values, dense}, at);
}
template <value V>
constexpr V sampled_dot(V indices, V l, V r) {
  if (V::front_end::failed(l)) return l;
  if (V::front_end::failed(r)) return r;
  return V::front_end::template add<ops::sampled_dot_op>({l.type(), {indices.shape()[0]}}, {indices, l, r});
}

namespace detail {

/// What is wrong with the parts.
template <value V>
constexpr failure sparse_failure(const sparse_value<V>& s) {
  failure f;
  const signature i{s.indices.type(), s.indices.shape()}, v{s.values.type(), s.values.shape()};
  if (i.type != dtype::int64 || i.shape.rank() != 2 || v.shape.rank() != 1)
    f.set("a sparse tensor needs indices int64[n, rank] and values [n]", "", i, v);
  else if (i.shape[0] != v.shape[0]) f.set("a sparse tensor needs as many indices as values", "", i, v);
  else if (s.dense_shape.overflow_ || i.shape[1] != s.dense_shape.rank())
    f.set("the indices do not have one column per axis of the dense shape", "", i, {v.type, s.dense_shape});
  for (int d = 0; !f && d < s.rank(); ++d) {
    if (s.dense_shape[d] >= 0) continue;
    if constexpr (requires(V t) { t.mutable_data(); })
      f.set("an extent of the dense shape is negative", "", i, {v.type, s.dense_shape});
    else if (d > 0) f.set("only the first extent of a dense shape may be the batch", "", i, {v.type, s.dense_shape});
  }
  return f;
}
/// True when s cannot be used; `result` then says so to whoever reads it.
template <class Op, value V>
constexpr bool refused(const sparse_value<V>& s, V& result) {
  if (V::front_end::failed(s.indices) || V::front_end::failed(s.values)) {
    result = V::front_end::failed(s.indices) ? s.indices : s.values;
    return true;
  }
  const failure f = sparse_failure(s);
  if (f) result = V::front_end::template fail<Op>(f, s.values);
  return static_cast<bool>(f);
}
/// The number of elements; false when it has more than 63 bits. The batch counts as 1.
constexpr bool dense_size(const tensor_shape& s, std::int64_t& n) {
  n = 1;
  for (const std::int64_t d : s)
    if (d == 0) n = 0;
  if (n == 0) return true;
  for (const std::int64_t d : s)
    if (__builtin_mul_overflow(n, d < 0 ? -d : d, &n)) return false;
  return true;
}

template <value V>
constexpr V sparse_flat(const V& indices, const tensor_shape& shape, std::int64_t axes_packed, int count) {
  attributes at = ops::sparse_attributes::with({}, shape);
  at.i[8] = axes_packed, at.i[9] = count;
  return V::front_end::template add<ops::sparse_flat_op>({dtype::int64, {indices.shape()[0]}}, {indices}, at);
}
/// The row-major number over the axes that are not in the mask.
template <value V>
constexpr V sparse_flat_without(const V& indices, const tensor_shape& shape, std::int64_t mask) {
  std::int64_t packed = 0;
  int count = 0;
  for (int d = 0; d < shape.rank(); ++d)
    if ((mask >> d & 1) == 0) packed |= std::int64_t{d} << (4 * count++);
  return sparse_flat(indices, shape, packed, count);
}
template <value V>
constexpr V sparse_columns(const V& indices, const tensor_shape& shape, const int* columns, int count, int moved = -1,
                           std::int64_t by = 0) {
  attributes at = ops::sparse_attributes::with({}, shape);
  for (int k = 0; k < count; ++k) at.i[8] |= std::int64_t{columns[k] < 0 ? 15 : columns[k]} << (4 * k);
  at.i[9] = moved, at.i[10] = by;
  return V::front_end::template add<ops::sparse_columns_op>({dtype::int64, {indices.shape()[0], count}}, {indices}, at);
}
template <value V>
constexpr sparse_value<V> sparse_in_order(const sparse_value<V>& s) {
  const V order = V::front_end::template add<ops::sparse_order_op>({dtype::int64, {s.indices.shape()[0]}}, {s.indices},
                                                                   ops::sparse_attributes::with({}, s.dense_shape));
  return {gather(s.indices, order), gather(s.values, order), s.dense_shape};
}
/// The elements of one number as a scalar of the values' dtype; an empty string for strings.
template <value V>
constexpr V sparse_default(const V& values, double number) {
  if constexpr (requires { V::uninitialized(dtype::string, tensor_shape{}); })
    if (values.type() == dtype::string) return V::uninitialized(dtype::string, {});
  return V::front_end::constant(values, values.type(), number);
}
template <ops::sparse_function F>
using named = ops::sparse_function_op<F>;

}  // namespace detail

// ---- sparse values -------------------------------------------------------------------------------------------------------

/// Indices int64 [n, rank], values [n] and a dense shape as one; in a model, the counterpart of tf.sparse_placeholder.
template <value V>
constexpr sparse_value<V> sparse_placeholder(V indices, V values, const tensor_shape& dense_shape) {
  sparse_value<V> s{indices, values, dense_shape};
  V bad;
  if (detail::refused<detail::named<ops::sparse_function::placeholder>>(s, bad)) s.values = bad;
  return s;
}
/// The sparse tensor with f(values), for f with f(0) = 0: sparse_map(s, [](const auto& v) { return tanh(v) * 2; }). S is a
/// sparse_value or a sparse_tensor; so it is below.
template <any_sparse S, class F>
constexpr S sparse_map(const S& s, const F& f) {
  return S{s.indices, decltype(S::values)(f(s.values)), s.dense_shape};
}
/// Element-wise functions that keep 0.
template <any_sparse S>
constexpr S abs(const S& s) {
  return sparse_map(s, [](const auto& v) { return abs(v); });
}
template <any_sparse S>
constexpr S operator-(const S& s) {
  return sparse_map(s, [](const auto& v) { return -v; });
}
template <any_sparse S>
constexpr S sign(const S& s) {
  return sparse_map(s, [](const auto& v) { return sign(v); });
}
template <any_sparse S>
constexpr S square(const S& s) {
  return sparse_map(s, [](const auto& v) { return square(v); });
}
template <any_sparse S>
constexpr S sqrt(const S& s) {
  return sparse_map(s, [](const auto& v) { return sqrt(v); });
}
template <any_sparse S>
constexpr S tanh(const S& s) {
  return sparse_map(s, [](const auto& v) { return tanh(v); });
}
template <any_sparse S>
constexpr S erf(const S& s) {
  return sparse_map(s, [](const auto& v) { return erf(v); });
}
/// The values as another dtype (tf.cast).
template <value V>
constexpr sparse_value<V> cast_to(const sparse_value<V>& s, dtype type) {
  return {s.indices, cast_to(s.values, type), s.dense_shape};
}

// ---- to dense ------------------------------------------------------------------------------------------------------------

/// A dense tensor with values at indices and a default elsewhere (tf.sparse_to_dense). Indices: [n, rank], [n] for a
/// vector, or one scalar; int32 or int64. Values: [n], or one scalar for all. Every dtype.
template <value V>
constexpr V sparse_to_dense(V sparse_indices, const tensor_shape& output_shape, V sparse_values,
                            std::type_identity_t<V> default_value, sparse_to_dense_options o = {}) {
  if (V::front_end::failed(sparse_indices)) return sparse_indices;
  if (V::front_end::failed(sparse_values)) return sparse_values;
  if (V::front_end::failed(default_value)) return default_value;
  const signature i{sparse_indices.type(), sparse_indices.shape()}, v{sparse_values.type(), sparse_values.shape()};
  const int rank = i.shape.rank();
  std::int64_t n = 0;
  failure f;
  if (!detail::is_index(i) || rank > 2) f.set("indices must be int32 or int64 and have at most 2 axes", "", i);
  else if ((rank == 2 ? i.shape[1] : 1) != output_shape.rank() || output_shape.overflow_)
    f.set("the indices do not have one column per axis of the dense shape", "", i, {v.type, output_shape});
  else if (v.shape.rank() > 1 || (v.shape.rank() == 1 && v.shape[0] != (rank == 0 ? 1 : i.shape[0])))
    f.set("the values must be one per index, or a scalar", "", i, v);
  else if (default_value.type() != v.type || default_value.rank() != 0)
    f.set("the default must be a scalar of the values' dtype", "", {default_value.type(), default_value.shape()}, v);
  else if (!detail::dense_size(output_shape, n))
    f.set("the dense shape has more elements than 63 bits can count", "", {v.type, output_shape});
  if (f) return V::front_end::template fail<ops::sparse_to_dense_op>(f, sparse_values);
  attributes at;
  at.i[0] = o.validate_indices;
  return V::front_end::template add<ops::sparse_to_dense_op>({v.type, output_shape},
                                                             {sparse_indices, sparse_values, default_value}, at);
}
template <value V>
constexpr V sparse_to_dense(V sparse_indices, const tensor_shape& output_shape, V sparse_values,
                            double default_value = 0, sparse_to_dense_options o = {}) {
  if (V::front_end::failed(sparse_values)) return sparse_values;
  return sparse_to_dense(sparse_indices, output_shape, sparse_values,
                         detail::sparse_default(sparse_values, default_value), o);
}
/// The whole tensor, with a default where nothing is stored (tf.sparse_tensor_to_dense).
template <value V>
constexpr V sparse_tensor_to_dense(const sparse_value<V>& s, std::type_identity_t<V> default_value,
                                   sparse_to_dense_options o = {}) {
  V bad;
  if (detail::refused<ops::sparse_to_dense_op>(s, bad)) return bad;
  return sparse_to_dense(s.indices, s.dense_shape, s.values, default_value, o);
}
template <value V>
constexpr V sparse_tensor_to_dense(const sparse_value<V>& s, double default_value = 0, sparse_to_dense_options o = {}) {
  V bad;
  if (detail::refused<ops::sparse_to_dense_op>(s, bad)) return bad;
  return sparse_to_dense(s.indices, s.dense_shape, s.values, default_value, o);
}

// ---- order and shape -----------------------------------------------------------------------------------------------------

/// The same elements in canonical order (tf.sparse_reorder); repeated ones stay, in their order.
template <value V>
constexpr sparse_value<V> sparse_reorder(const sparse_value<V>& s) {
  V bad;
  if (detail::refused<ops::sparse_order_op>(s, bad)) return {s.indices, bad, s.dense_shape};
  return detail::sparse_in_order(s);
}
/// Axis k of the result is axis perm[k] (tf.sparse_transpose); an empty permutation reverses the axes.
template <value V>
constexpr sparse_value<V> sparse_transpose(const sparse_value<V>& s, axis_list perm = {}) {
  using op = detail::named<ops::sparse_function::transpose>;
  V bad;
  if (detail::refused<op>(s, bad)) return {s.indices, bad, s.dense_shape};
  const int rank = s.rank();
  if (perm.count == 0)
    for (int k = 0; k < rank; ++k) perm.axes[perm.count++] = rank - 1 - k;
  int columns[max_rank] = {};
  std::int64_t seen = 0;
  tensor_shape shape;
  bool good = perm.count == rank;
  for (int k = 0; good && k < rank; ++k) {
    const std::int64_t p = perm.axes[k] < 0 ? perm.axes[k] + rank : perm.axes[k];
    good = p >= 0 && p < rank && (seen >> p & 1) == 0;
    if (!good) break;
    seen |= std::int64_t{1} << p;
    columns[k] = static_cast<int>(p);
    shape.push_back(s.dense_shape[columns[k]]);
  }
  if (!good) return {s.indices, detail::fail<op>(s.values, "needs a permutation of the axes"), s.dense_shape};
  return detail::sparse_in_order(
      sparse_value<V>{detail::sparse_columns(s.indices, s.dense_shape, columns, rank), s.values, shape});
}
/// The same elements, row-major, under another shape; one extent may be -1 (tf.sparse_reshape).
template <value V>
constexpr sparse_value<V> sparse_reshape(const sparse_value<V>& s, const tensor_shape& wanted) {
  using op = ops::sparse_unflat_op;
  V bad;
  if (detail::refused<op>(s, bad)) return {s.indices, bad, s.dense_shape};
  std::int64_t total = 0, known = 1;
  tensor_shape shape = wanted;
  int unknown = -1, unknowns = 0;
  failure f;
  const signature from{s.type(), s.dense_shape}, to{s.type(), wanted};
  if (!s.dense_shape.is_static()) f.set("the dense shape must be static", "", from);
  else if (!detail::dense_size(s.dense_shape, total))
    f.set("the dense shape has more elements than 63 bits can count", "", from);
  for (int d = 0; d < shape.rank(); ++d) {
    if (shape[d] == -1) unknown = d, ++unknowns;
    else if (shape[d] < 0) f.set("an extent is negative", "", to);
    else if (known != 0 && __builtin_mul_overflow(known, shape[d], &known))
      f.set("the shape has more elements than 63 bits can count", "", to);
  }
  if (wanted.overflow_) f.set("more than 8 axes", "", to);
  if (unknowns > 1) f.set("at most one extent may be -1", "", from, to);
  else if (unknowns == 1 && (known == 0 || total % known != 0))
    f.set("the number of elements does not divide", "", from, to);
  else if (unknowns == 0 && known != total) f.set("the number of elements differs", "", from, to);
  if (f) return {s.indices, V::front_end::template fail<op>(f, s.values), s.dense_shape};
  if (unknown >= 0) shape[unknown] = total / known;
  const V flat = detail::sparse_flat_without(s.indices, s.dense_shape, 0);
  return {V::front_end::template add<op>({dtype::int64, {s.indices.shape()[0], shape.rank()}}, {flat},
                                         ops::sparse_attributes::with({}, shape)),
          s.values, shape};
}
/// The same elements in a larger shape of equal rank (tf.sparse_reset_shape with new_shape).
template <value V>
constexpr sparse_value<V> sparse_reset_shape(const sparse_value<V>& s, const tensor_shape& new_shape) {
  using op = detail::named<ops::sparse_function::reset_shape>;
  V bad;
  if (detail::refused<op>(s, bad)) return {s.indices, bad, s.dense_shape};
  bool good = new_shape.rank() == s.rank() && !new_shape.overflow_;
  for (int d = 0; good && d < s.rank(); ++d)
    good = new_shape[d] == s.dense_shape[d] || (s.dense_shape[d] >= 0 && new_shape[d] >= s.dense_shape[d]);
  if (good) return {s.indices, s.values, new_shape};
  failure f;
  f.set("the new shape must have the old one's rank and no smaller extents", "", {s.type(), s.dense_shape},
        {s.type(), new_shape});
  return {s.indices, V::front_end::template fail<op>(f, s.values), s.dense_shape};
}

namespace detail {
template <value V>
constexpr sparse_value<V> sparse_concat_parts(const sparse_value<V>* parts, std::size_t n,
                                              const sparse_concat_options& o) {
  using op = named<ops::sparse_function::concat>;
  if (n == 0) throw invalid_argument("sparse_concat needs at least one sparse tensor");
  const sparse_value<V>& first = parts[0];
  V bad;
  for (std::size_t k = 0; k < n; ++k)
    if (refused<op>(parts[k], bad)) return {first.indices, bad, first.dense_shape};
  const int rank = first.rank();
  const std::int64_t axis = o.axis < 0 ? o.axis + rank : o.axis;
  failure f;
  tensor_shape shape = first.dense_shape;
  const auto a = static_cast<int>(axis);
  if (axis < 0 || axis >= rank)
    f.set("axis out of range", "axes are -rank .. rank-1", {first.type(), first.dense_shape});
  for (std::size_t k = 0; !f && k < n; ++k) {
    const tensor_shape& s = parts[k].dense_shape;
    const signature got{parts[k].type(), s}, want{first.type(), first.dense_shape};
    if (s.rank() != rank) f.set("ranks differ", "", want, got);
    else if (got.type != want.type) f.set("dtypes differ", "cast one operand", want, got);
    else if (!s.is_static()) f.set("the dense shape must be static", "", got);
    for (int d = 0; !f && k > 0 && d < rank; ++d) {
      if (d == a) {
        if (__builtin_add_overflow(shape[d], s[d], &shape[d])) f.set("the axis is too long", "", want, got);
      } else if (o.expand_nonconcat_dim) {
        shape[d] = shape[d] > s[d] ? shape[d] : s[d];
      } else if (shape[d] != s[d]) {
        f.set("shapes differ besides the axis", "expand_nonconcat_dim takes the largest extents", want, got);
      }
    }
  }
  if (f) return {first.indices, V::front_end::template fail<op>(f, first.values), first.dense_shape};
  int columns[max_rank] = {0, 1, 2, 3, 4, 5, 6, 7};
  std::vector<V> indices, values;
  std::int64_t before = 0;
  for (std::size_t k = 0; k < n; ++k) {
    indices.push_back(sparse_columns(parts[k].indices, parts[k].dense_shape, columns, rank, a, before));
    values.push_back(parts[k].values);
    before += parts[k].dense_shape[a];
  }
  return sparse_in_order(sparse_value<V>{concat_parts(indices.data(), n, 0), concat_parts(values.data(), n, 0), shape});
}
}  // namespace detail
/// Sparse tensors one after the other along an axis (tf.sparse_concat), in canonical order.
template <value V>
constexpr sparse_value<V> sparse_concat(std::initializer_list<sparse_value<V>> sp_inputs,
                                        sparse_concat_options o = {}) {
  return detail::sparse_concat_parts(sp_inputs.begin(), sp_inputs.size(), o);
}
template <value V>
constexpr sparse_value<V> sparse_concat(const std::vector<sparse_value<V>>& sp_inputs, sparse_concat_options o = {}) {
  return detail::sparse_concat_parts(sp_inputs.data(), sp_inputs.size(), o);
}

/// Values at the places that ids name (tf.sparse_merge): ids' last index is replaced by its values, one column for each of
/// sp_ids, and the last extent by the sizes of the vocabularies. Ids are int32 or int64; all have the indices of sp_values.
template <value V>
constexpr sparse_value<V> sparse_merge(const std::vector<sparse_value<V>>& sp_ids, const sparse_value<V>& sp_values,
                                       const tensor_shape& vocab_size, sparse_merge_options o = {}) {
  using op = detail::named<ops::sparse_function::merge>;
  V bad;
  if (detail::refused<op>(sp_values, bad)) return {sp_values.indices, bad, sp_values.dense_shape};
  for (const auto& s : sp_ids)
    if (detail::refused<op>(s, bad)) return {sp_values.indices, bad, sp_values.dense_shape};
  failure f;
  const signature v{sp_values.type(), sp_values.values.shape()};
  if (sp_ids.empty() || static_cast<int>(sp_ids.size()) != vocab_size.rank())
    f.set("needs one vocabulary size per tensor of ids, and one at least", "", v);
  for (const auto& s : sp_ids) {
    const signature i{s.type(), s.values.shape()};
    if (s.rank() < 1 || s.rank() != sp_ids[0].rank()) f.set("the ids must be of one rank that is not 0", "", i);
    else if (!detail::is_index(i)) f.set("ids must be int32 or int64", "cast them", i);
    else if (!(i.shape == v.shape)) f.set("there are not as many ids as values", "", i, v);
  }
  if (!f && sp_ids[0].rank() - 1 + vocab_size.rank() > max_rank) f.set("the result would have more than 8 axes", "", v);
  if (f) return {sp_values.indices, V::front_end::template fail<op>(f, sp_values.values), sp_values.dense_shape};
  const int kept = sp_ids[0].rank() - 1;
  int columns[max_rank] = {0, 1, 2, 3, 4, 5, 6, 7};
  std::vector<V> parts{detail::sparse_columns(sp_ids[0].indices, sp_ids[0].dense_shape, columns, kept)};
  tensor_shape shape(sp_ids[0].dense_shape.begin(), kept);
  for (std::size_t k = 0; k < sp_ids.size(); ++k) {
    parts.push_back(expand_dims(cast_to(sp_ids[k].values, dtype::int64), -1));
    shape.push_back(vocab_size[static_cast<int>(k)]);
  }
  const sparse_value<V> merged{detail::concat_parts(parts.data(), parts.size(), 1), sp_values.values, shape};
  return o.already_sorted ? merged : detail::sparse_in_order(merged);
}
template <value V>
constexpr sparse_value<V> sparse_merge(const sparse_value<V>& sp_ids, const sparse_value<V>& sp_values,
                                       std::int64_t vocab_size, sparse_merge_options o = {}) {
  return sparse_merge(std::vector<sparse_value<V>>{sp_ids}, sp_values, {vocab_size}, o);
}
/// A dense bool tensor, true at [.., id] for each id among the values (tf.sparse_to_indicator).
template <value V>
constexpr V sparse_to_indicator(const sparse_value<V>& s, std::int64_t vocab_size) {
  using op = detail::named<ops::sparse_function::indicator>;
  V bad;
  if (detail::refused<op>(s, bad)) return bad;
  if (s.rank() < 1 || !detail::is_index({s.type(), {}}))
    return detail::fail<op>(s.values, "needs ids of int32 or int64");
  if (vocab_size < 0) return detail::fail<op>(s.values, "vocab_size is negative");
  int columns[max_rank] = {0, 1, 2, 3, 4, 5, 6, 7};
  const V rows = detail::sparse_columns(s.indices, s.dense_shape, columns, s.rank() - 1),
          ids = expand_dims(cast_to(s.values, dtype::int64), -1);
  tensor_shape shape = s.dense_shape;
  shape[s.rank() - 1] = vocab_size;
  const V yes = V::front_end::constant(s.values, dtype::boolean, 1);
  return sparse_to_dense(concat({rows, ids}, {.axis = 1}), shape, yes, 0, {.validate_indices = false});
}

// ---- with dense operands -------------------------------------------------------------------------------------------------

/// The sum of a sparse and a dense tensor of one shape, dense (tf.sparse_add); repeated elements add up.
template <value V>
constexpr V sparse_add(const sparse_value<V>& a, const V& b) {
  using op = detail::named<ops::sparse_function::dense_add>;
  V bad;
  if (detail::refused<op>(a, bad)) return bad;
  if (V::front_end::failed(b)) return b;
  failure f;
  if (!(a.dense_shape == b.shape())) f.set("the shapes differ", "", {a.type(), a.dense_shape}, {b.type(), b.shape()});
  if (f) return V::front_end::template fail<op>(f, b);
  return tensor_scatter_add(b, a.indices, a.values);
}
template <value V>
constexpr V sparse_add(const V& a, const sparse_value<V>& b) {
  return sparse_add(b, a);
}

namespace detail {
/// The elements of `dense`, broadcast to the sparse tensor's shape, at its indices.
template <value V>
constexpr V dense_at(const sparse_value<V>& s, const V& dense) {
  using op = named<ops::sparse_function::cwise>;
  V bad;
  if (refused<op>(s, bad)) return bad;
  if (V::front_end::failed(dense) || dense.rank() == 0) return dense;
  const int rank = dense.rank(), shift = s.rank() - rank;
  int columns[max_rank] = {};
  bool good = shift >= 0 && dense.type() == s.type();
  for (int d = 0; good && d < rank; ++d) {
    const std::int64_t n = dense.shape()[d], whole = s.dense_shape[d + shift];
    good = n == whole || n == 1;
    columns[d] = n == 1 && whole != 1 ? -1 : d + shift;
  }
  if (!good) {
    failure f;
    f.set("the dense operand must be of the same dtype and broadcast to the sparse one", "", {s.type(), s.dense_shape},
          {dense.type(), dense.shape()});
    return V::front_end::template fail<op>(f, dense);
  }
  return gather_nd(dense, sparse_columns(s.indices, s.dense_shape, columns, rank));
}
}  // namespace detail
/// The stored elements times those of a dense tensor at their places, which broadcasts to the sparse one
/// (tf.sparse_dense_cwise_mul; the operator * of tf.SparseTensor).
template <value V>
constexpr sparse_value<V> sparse_dense_cwise_mul(const sparse_value<V>& s, const std::type_identity_t<V>& dense) {
  return {s.indices, s.values * detail::dense_at(s, dense), s.dense_shape};
}
/// The stored elements divided by the dense ones at their places.
template <value V>
constexpr sparse_value<V> sparse_dense_cwise_div(const sparse_value<V>& s, const std::type_identity_t<V>& dense) {
  return {s.indices, s.values / detail::dense_at(s, dense), s.dense_shape};
}
/// The stored elements plus the dense ones at their places (and only there).
template <value V>
constexpr sparse_value<V> sparse_dense_cwise_add(const sparse_value<V>& s, const std::type_identity_t<V>& dense) {
  return {s.indices, s.values + detail::dense_at(s, dense), s.dense_shape};
}
template <value V>
constexpr sparse_value<V> operator*(const sparse_value<V>& s, const std::type_identity_t<V>& dense) {
  return sparse_dense_cwise_mul(s, dense);
}
template <value V>
constexpr sparse_value<V> operator/(const sparse_value<V>& s, const std::type_identity_t<V>& dense) {
  return sparse_dense_cwise_div(s, dense);
}

/// A sparse matrix times a dense one (tf.sparse_tensor_dense_matmul): float32, float64, int32, int64 and complex. Repeated
/// elements add up. In a model a product with the transpose (adjoint_a) gives rows whose number must be static.
template <value V>
constexpr V sparse_tensor_dense_matmul(const sparse_value<V>& a, const V& b, sparse_matmul_options o = {}) {
  using op = ops::sparse_matmul_op;
  V bad;
  if (detail::refused<op>(a, bad)) return bad;
  if (V::front_end::failed(b)) return b;
  failure f;
  const signature l{a.type(), a.dense_shape}, r{b.type(), b.shape()};
  if (a.rank() != 2 || b.rank() != 2) f.set("operands must be matrices", "", l, r);
  else if (l.type != r.type) f.set("dtypes differ", "cast one operand", l, r);
  else if (a.dense_shape[o.adjoint_a ? 0 : 1] != b.shape()[o.adjoint_b ? 1 : 0])
    f.set("inner dimensions differ", "the first operand's columns must equal the second's rows", l, r);
  if (f) return V::front_end::template fail<op>(f, b);
  const V values = o.adjoint_a ? sparse_conj(a.values) : a.values,
          dense = o.adjoint_b ? sparse_conj(transpose(b, {1, 0})) : b;
  return sparse_matmul(a.indices, values, dense, o.adjoint_a, a.dense_shape[o.adjoint_a ? 1 : 0]);
}

// ---- reductions ----------------------------------------------------------------------------------------------------------

/// Softmax over the stored elements of each row of the last axis (tf.sparse_softmax); rank 2 or more, canonical order.
template <value V>
constexpr sparse_value<V> sparse_softmax(const sparse_value<V>& s) {
  using op = ops::sparse_group_op;
  V bad;
  if (detail::refused<op>(s, bad)) return {s.indices, bad, s.dense_shape};
  if (s.rank() < 2 || !is_floating(s.type()))
    return {s.indices, detail::fail<op>(s.values, "needs a floating-point matrix or a batch of them"), s.dense_shape};
  const auto over = [&](const V& x, bool largest) {
    attributes at;
    at.i[0] = largest;
    return V::front_end::template add<op>({x.type(), x.shape()}, {s.indices, x}, at);
  };
  const V e = exp(s.values - stop_gradient(over(stop_gradient(s.values), true)));
  return {s.indices, e / over(e, false), s.dense_shape};
}

namespace detail {
template <ops::sparse_function F, value V>
constexpr V sparse_reduce(const sparse_value<V>& s, const reduce_options& o) {
  using op = named<F>;
  V bad;
  if (refused<op>(s, bad)) return bad;
  const std::int64_t mask = axis_mask(o.axis, s.rank());
  if (mask < 0) return fail<op>(s.values, "axis out of range", "axes are -rank .. rank-1");
  const tensor_shape kept = ops::reduced_shape(s.dense_shape, mask, false);
  std::int64_t n = 0;
  if (!dense_size(kept, n)) {
    failure f;
    f.set("the result has more elements than 63 bits can count", "", {s.type(), kept});
    return V::front_end::template fail<op>(f, s.values);
  }
  if (!kept.is_static()) n = -n;
  const V flat = sparse_flat_without(s.indices, s.dense_shape, mask), at = expand_dims(flat, -1);
  V total;
  if constexpr (F == ops::sparse_function::reduce_sum) {
    total = scatter_nd(at, s.values, {n});
  } else {
    if (!is_floating(s.type()) && !is_integer(s.type())) return fail<op>(s.values, "needs numbers that have an order");
    const V one = broadcast_to(V::front_end::constant(s.values, dtype::int32, 1), s.values.shape());
    const V largest = unsorted_segment_max(s.values, flat, n);
    if (V::front_end::failed(largest)) return largest;
    total = select(scatter_nd(at, one, {n}) > 0, largest, zeros_like(largest));
  }
  return reshape_to(total, o.keepdims ? ops::reduced_shape(s.dense_shape, mask, true) : kept);
}
}  // namespace detail
/// The sums over axes (all when none is given) as a dense tensor (tf.sparse_reduce_sum).
template <value V>
constexpr V sparse_reduce_sum(const sparse_value<V>& s, reduce_options o = {}) {
  return detail::sparse_reduce<ops::sparse_function::reduce_sum>(s, o);
}
/// The largest of the stored elements over axes as a dense tensor; 0 where nothing is stored (tf.sparse_reduce_max). The
/// result's shape must be static in a model.
template <value V>
constexpr V sparse_reduce_max(const sparse_value<V>& s, reduce_options o = {}) {
  return detail::sparse_reduce<ops::sparse_function::reduce_max>(s, o);
}

// ---- embeddings ----------------------------------------------------------------------------------------------------------

namespace detail {
/// Sums of weighted rows of a table per row of the ids; `rows` of them. Ids are int64 [n].
template <value V>
constexpr V embedding_sums(const std::vector<V>& params, const V& segments, const V& ids, const V& weights,
                           std::int64_t rows, partition_strategy strategy, double max_norm) {
  std::int64_t inner = 1;
  for (int d = 1; d < params[0].rank(); ++d) inner *= params[0].shape()[d];
  const std::int64_t n = ids.shape()[0];
  if (params.size() == 1 && max_norm == 0) {
    const V at = concat({expand_dims(segments, -1), expand_dims(ids, -1)}, {.axis = 1});
    return sparse_matmul(at, weights, reshape_to(params[0], {params[0].shape()[0], inner}), false, rows);
  }
  const V found = embedding_lookup(params, ids, {.strategy = strategy, .max_norm = max_norm});
  if (V::front_end::failed(found)) return found;
  return scatter_nd(expand_dims(segments, -1), reshape_to(found, {n, inner}) * expand_dims(weights, -1), {rows, inner});
}
template <class Op, value V>
constexpr V embedding_sparse(const std::vector<V>& params, const sparse_value<V>& sp_ids,
                             const sparse_value<V>* sp_weights, sparse_combiner combiner, partition_strategy strategy,
                             double max_norm, bool safe, std::int64_t default_id) {
  if (params.empty()) throw invalid_argument("embedding_lookup_sparse needs at least one part of a table");
  for (const V& p : params)
    if (V::front_end::failed(p)) return p;
  V bad;
  if (refused<Op>(sp_ids, bad) || (sp_weights != nullptr && refused<Op>(*sp_weights, bad))) return bad;
  const V& table = params[0];
  failure f;
  const signature i{sp_ids.type(), sp_ids.dense_shape}, t{table.type(), table.shape()};
  const int kept = sp_ids.rank() - 1;
  std::int64_t rows = 0;
  if (kept < 1 || !detail::is_index(i)) f.set("needs ids of int32 or int64 and of at least two axes", "", i);
  else if (table.rank() < 1 || !is_floating(t.type)) f.set("needs a table of floating-point rows", "", t);
  else if (sp_weights != nullptr &&
           (!(sp_weights->values.shape() == sp_ids.values.shape()) || !is_floating(sp_weights->type())))
    f.set("needs one floating-point weight per id", "", i, {sp_weights->type(), sp_weights->values.shape()});
  else if (kept + table.rank() - 1 > max_rank) f.set("the result would have more than 8 axes", "", i, t);
  const tensor_shape leading(sp_ids.dense_shape.begin(), kept < 0 ? 0 : kept);
  if (!f && !dense_size(leading, rows)) f.set("the result has more elements than 63 bits can count", "", i);
  if (f) return V::front_end::template fail<Op>(f, sp_ids.values);
  if (!leading.is_static()) rows = -rows;

  const V segments = sparse_flat_without(sp_ids.indices, sp_ids.dense_shape, std::int64_t{1} << kept);
  const V at = expand_dims(segments, -1);
  V ids = cast_to(sp_ids.values, dtype::int64);
  const V one = broadcast_to(V::front_end::constant(ids, t.type, 1), ids.shape());
  V weights = sp_weights == nullptr ? one : cast_to(sp_weights->values, t.type);
  V kept_ids = one;
  if (safe) {
    V valid = ids >= 0;
    if (sp_weights != nullptr && combiner != sparse_combiner::sum) valid = logical_and(valid, weights > 0);
    kept_ids = cast_to(valid, t.type);
    weights = select(valid, weights, zeros_like(weights));
    ids = select(valid, ids, zeros_like(ids));
  }
  V y = embedding_sums(params, segments, ids, weights, rows, strategy, max_norm);
  if (combiner == sparse_combiner::mean) {
    const V total = expand_dims(scatter_nd(at, weights, {rows}), -1);
    if (V::front_end::failed(y) || V::front_end::failed(total)) return V::front_end::failed(y) ? y : total;
    const V some = not_equal(total, 0);  // rows without ids, or whose weights cancel, give 0
    y = select(broadcast_to(some, y.shape()), y / select(some, total, ones_like(total)), zeros_like(y));
  } else if (combiner == sparse_combiner::sqrtn) {
    const V squares = scatter_nd(at, square(weights), {rows});  // 0 only where the sum is 0 too
    y = y / expand_dims(sqrt(select(squares > 0, squares, ones_like(squares))), -1);
  }
  if (V::front_end::failed(y)) return y;
  if (safe && default_id >= 0) {
    const V id = reshape_to(V::front_end::constant(ids, dtype::int64, static_cast<double>(default_id)), {1});
    const V row = embedding_lookup(params, id, {.strategy = strategy, .max_norm = max_norm});
    if (V::front_end::failed(row)) return row;
    const V empty = expand_dims(scatter_nd(at, kept_ids, {rows}), -1) <= 0;
    y = select(broadcast_to(empty, y.shape()), broadcast_to(reshape_to(row, {1, y.shape()[1]}), y.shape()), y);
  }
  tensor_shape shape = leading;
  for (int d = 1; d < table.rank(); ++d) shape.push_back(table.shape()[d]);
  return reshape_to(y, shape);
}
}  // namespace detail

/// For each row of ids (all axes but the last of sp_ids) the combined rows of a table (tf.nn.embedding_lookup_sparse):
/// [d0, .., dm, *] and [p0, p1, ..] give [d0, .., dm, p1, ..]; rows without ids give 0. The table may be cut into parts
/// (embedding_lookup). One part is used where it lies: no row is copied first.
template <value V>
constexpr V embedding_lookup_sparse(const std::vector<V>& params, const sparse_value<V>& sp_ids,
                                    embedding_sparse_options o = {}) {
  return detail::embedding_sparse<detail::named<ops::sparse_function::embedding>, V>(
      params, sp_ids, nullptr, o.combiner, o.strategy, o.max_norm, false, -1);
}
/// The same with a weight for each id; sp_weights has the indices of sp_ids.
template <value V>
constexpr V embedding_lookup_sparse(const std::vector<V>& params, const sparse_value<V>& sp_ids,
                                    const sparse_value<V>& sp_weights, embedding_sparse_options o = {}) {
  return detail::embedding_sparse<detail::named<ops::sparse_function::embedding>>(
      params, sp_ids, &sp_weights, o.combiner, o.strategy, o.max_norm, false, -1);
}
template <value V>
constexpr V embedding_lookup_sparse(const V& params, const sparse_value<V>& sp_ids, embedding_sparse_options o = {}) {
  return embedding_lookup_sparse(std::vector<V>{params}, sp_ids, o);
}
template <value V>
constexpr V embedding_lookup_sparse(const V& params, const sparse_value<V>& sp_ids, const sparse_value<V>& sp_weights,
                                    embedding_sparse_options o = {}) {
  return embedding_lookup_sparse(std::vector<V>{params}, sp_ids, sp_weights, o);
}

/// embedding_lookup_sparse for ids from outside (tf.contrib.layers.safe_embedding_lookup_sparse): negative ids are left out,
/// and so are ids whose weight is not positive unless they are summed; rows without ids get the embedding of default_id,
/// or zeros.
template <value V>
constexpr V safe_embedding_lookup_sparse(const std::vector<V>& params, const sparse_value<V>& sp_ids,
                                         safe_embedding_options o = {}) {
  return detail::embedding_sparse<detail::named<ops::sparse_function::safe_embedding>, V>(
      params, sp_ids, nullptr, o.combiner, o.strategy, o.max_norm, true, o.default_id);
}
template <value V>
constexpr V safe_embedding_lookup_sparse(const std::vector<V>& params, const sparse_value<V>& sp_ids,
                                         const sparse_value<V>& sp_weights, safe_embedding_options o = {}) {
  return detail::embedding_sparse<detail::named<ops::sparse_function::safe_embedding>>(
      params, sp_ids, &sp_weights, o.combiner, o.strategy, o.max_norm, true, o.default_id);
}
template <value V>
constexpr V safe_embedding_lookup_sparse(const V& params, const sparse_value<V>& sp_ids,
                                         safe_embedding_options o = {}) {
  return safe_embedding_lookup_sparse(std::vector<V>{params}, sp_ids, o);
}
template <value V>
constexpr V safe_embedding_lookup_sparse(const V& params, const sparse_value<V>& sp_ids,
                                         const sparse_value<V>& sp_weights, safe_embedding_options o = {}) {
  return safe_embedding_lookup_sparse(std::vector<V>{params}, sp_ids, sp_weights, o);
}

}  // namespace rill

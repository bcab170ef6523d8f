// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The functions of ops that have attributes, written once for all *values* (ops/op.hpp): symbols of a graph and tensors
/// whose dtype is known at run time. Names, arguments and meaning are those of the functions on typed tensors. A front end
/// F provides F::emit<Op>({operands}, attributes) (applies the op's shape rule), F::add<Op>(signature, {operands},
/// attributes) (the result is known), F::fail<Op>(failure, operand), F::failed(operand) and F::constant(like, dtype, number).

#include <array>

#include "binary.hpp"
#include "cast.hpp"
#include "comparison.hpp"
#include "contraction.hpp"
#include "convolution.hpp"
#include "normalization.hpp"
#include "reduction.hpp"
#include "select.hpp"
#include "shape.hpp"
#include "unary.hpp"
#include "window.hpp"

namespace rill {

template <value V>
using front_end_of_value = typename V::front_end;

namespace ops {
/// Base of the names under which functions without an op of their own report what they cannot take.
struct function_name {
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1;
};
struct expand_dims_name : function_name {
  static constexpr auto name = "ExpandDims";
};
struct squeeze_name : function_name {
  static constexpr auto name = "Squeeze";
};
struct one_hot_name : function_name {
  static constexpr auto name = "OneHot";
};
}  // namespace ops

namespace detail {
template <class Op, value V>
constexpr V emit(std::initializer_list<V> operands, const attributes& at = {}) {
  return V::front_end::template emit<Op>(operands, at);
}
/// The result of an op and the further ones that its kernel gives: Further... are result_memory::more[0], [1], ... in order,
/// each an op with `further` (1, 2, ...), `operands` (the numbers of Op's operands that its gradient reads; it is applied
/// to Op's result and these) and `infer` (attributes and signatures of Op's operands to its own).
template <class Op, class... Further, value V>
constexpr std::array<V, 1 + sizeof...(Further)> emit_all(std::initializer_list<V> operands, const attributes& at = {}) {
  return V::front_end::template emit_all<Op, Further...>(operands, at);
}
/// Reports why Op cannot take x; throws, or gives a poisoned symbol.
template <class Op, value V>
constexpr V fail(const V& x, const char* problem, const char* cure = "") {
  failure f;
  f.set(problem, cure, {x.type(), x.shape()});
  return V::front_end::template fail<Op>(f, x);
}
}  // namespace detail

// ---- shapes ----------------------------------------------------------------------------------------------------------

/// x under a shape of the same number of elements.
template <value V>
constexpr V reshape_to(V x, const tensor_shape& s) {
  if (V::front_end::failed(x) || x.shape() == s) return x;
  return V::front_end::template add<ops::reshape_op>({x.type(), s}, {x});
}
/// The same elements, row-major, under another shape; one extent may be -1 and is worked out.
template <value V>
constexpr V reshape(V x, const tensor_shape& wanted) {
  if (V::front_end::failed(x)) return x;
  tensor_shape s = wanted;
  const std::int64_t total = x.shape().num_elements();
  constexpr std::int64_t most = INT64_MAX;  // checked by a division: nvcc evaluates no __builtin_mul_overflow
  std::int64_t known = 1;
  int unknown = -1, unknowns = 0;
  bool counts = true;
  for (int k = 0; k < s.rank(); ++k) {
    if (s[k] == -1) {
      unknown = k, ++unknowns;
      continue;
    }
    const std::int64_t size = s[k] < -most ? most : s[k] < 0 ? -s[k] : s[k], so_far = known < 0 ? -known : known;
    counts = counts && !(s[k] < 0 && total >= 0) && (size == 0 || so_far <= most / size);
    if (counts) known *= s[k];
  }
  failure f;
  const signature got{x.type(), x.shape()};
  if (!counts) f.set("an extent is negative or too large", "one may be -1", got);
  else if (unknowns > 1) f.set("at most one extent may be -1", "", got, {x.type(), wanted});
  else if (unknowns == 1 && (known == 0 || total % known != 0))
    f.set("the number of elements does not divide", "", got, {x.type(), wanted});
  else if (unknowns == 0 && known != total) f.set("the number of elements differs", "", got, {x.type(), wanted});
  if (f) return V::front_end::template fail<ops::reshape_op>(f, x);
  if (unknown >= 0) s[unknown] = total / known;
  return reshape_to(x, s);
}
/// Inserts an axis of extent 1 before axis `axis` (-1: at the end).
template <value V>
constexpr V expand_dims(V x, std::int64_t axis) {
  if (V::front_end::failed(x)) return x;
  const int rank = x.rank();
  const std::int64_t a = axis < 0 ? axis + rank + 1 : axis;
  if (a < 0 || a > rank || rank == max_rank)
    return detail::fail<ops::expand_dims_name>(x, "axis out of range", "axes are -rank-1 .. rank");
  tensor_shape s;
  for (int k = 0; k <= rank; ++k) {
    if (k == a) s.push_back(1);
    if (k < rank) s.push_back(x.shape()[k]);
  }
  return reshape_to(x, s);
}
/// Drops the given axes, which must be 1; all axes of extent 1 when none is given.
template <value V>
constexpr V squeeze(V x, axis_list axes = {}) {
  if (V::front_end::failed(x)) return x;
  std::int64_t mask = 0;
  for (int k = 0; k < axes.count; ++k) {
    const std::int64_t a = axes.axes[k] < 0 ? axes.axes[k] + x.rank() : axes.axes[k];
    if (a < 0 || a >= x.rank()) return detail::fail<ops::squeeze_name>(x, "axis out of range", "axes are -rank .. rank-1");
    if (x.shape()[static_cast<int>(a)] != 1) return detail::fail<ops::squeeze_name>(x, "cannot squeeze an axis that is not 1");
    mask |= std::int64_t{1} << a;
  }
  tensor_shape s;
  for (int k = 0; k < x.rank(); ++k)
    if (axes.count > 0 ? ((mask >> k) & 1) == 0 : x.shape()[k] != 1) s.push_back(x.shape()[k]);
  return reshape_to(x, s);
}
/// All axes but the first become one.
template <value V>
constexpr V flatten(V x) {
  if (V::front_end::failed(x)) return x;
  std::int64_t inner = 1;
  for (int k = 1; k < x.rank(); ++k) inner *= x.shape()[k];
  return reshape_to(x, {x.rank() == 0 ? 1 : x.shape()[0], inner});
}
/// Operand axis k becomes axis dims[k] of the shape; the other axes repeat, and so do operand axes of extent 1.
template <value V>
constexpr V broadcast_in_dim(V x, const tensor_shape& shape, const int* dims) {
  if (V::front_end::failed(x) || x.shape() == shape) return x;
  attributes at;
  for (int k = 0; k < x.rank(); ++k) at.i[k] = dims[k];
  return V::front_end::template add<ops::broadcast_in_dim_op>({x.type(), shape}, {x}, at);
}
/// x repeated along new leading and size-1 axes (NumPy's rule).
template <value V>
constexpr V broadcast_to(V x, const tensor_shape& shape) {
  int dims[max_rank] = {};
  if (V::front_end::failed(x)) return x;
  const int shift = shape.rank() - x.rank();
  bool fits = shift >= 0;
  for (int k = 0; fits && k < x.rank(); ++k) {
    dims[k] = k + shift;
    fits = x.shape()[k] == 1 || x.shape()[k] == shape[k + shift];
  }
  if (!fits) {
    failure f;
    f.set("shapes do not broadcast", "trailing dimensions must be equal or 1", {x.type(), x.shape()}, {x.type(), shape});
    return V::front_end::template fail<ops::broadcast_in_dim_op>(f, x);
  }
  return broadcast_in_dim(x, shape, dims);
}
/// Axis k of the result is axis order.i[k] of x, a permutation.
template <value V>
constexpr V permute(V x, const attributes& order) {
  tensor_shape s;
  for (int k = 0; k < x.rank(); ++k) s.push_back(x.shape()[static_cast<int>(order.i[k])]);
  return V::front_end::template add<ops::transpose_op>({x.type(), s}, {x}, order);
}
/// Axis k of the result is axis perm[k] of x; an empty permutation reverses the axes.
template <value V>
constexpr V transpose(V x, axis_list perm = {}) {
  if (V::front_end::failed(x)) return x;
  const int rank = x.rank();
  if (perm.count == 0)
    for (int k = 0; k < rank; ++k) perm.axes[perm.count++] = rank - 1 - k;
  attributes at;
  std::int64_t seen = 0;
  bool ok = perm.count == rank;
  for (int k = 0; ok && k < rank; ++k) {
    const std::int64_t p = perm.axes[k] < 0 ? perm.axes[k] + rank : perm.axes[k];
    ok = p >= 0 && p < rank && ((seen >> p) & 1) == 0;
    if (!ok) break;
    seen |= std::int64_t{1} << p;
    at.i[k] = p;
  }
  return ok ? permute(x, at) : detail::fail<ops::transpose_op>(x, "needs a permutation of the axes");
}

namespace detail {
/// f of images [b, h, w, c], where x and the result have them in `layout`. In a model the transposes of one such call cancel
/// those of the next (graph/simplify.hpp): what is written with channels first is computed with channels last.
template <value V, class F>
constexpr V with_channels_last(V x, image_layout layout, const F& f) {
  if (layout == channels_last || x.rank() != 4) return f(x);
  const V y = f(transpose(x, {0, 2, 3, 1}));
  return V::front_end::failed(y) ? y : transpose(y, {0, 3, 1, 2});
}
}  // namespace detail

// ---- constants, casts ------------------------------------------------------------------------------------------------

template <value V>
constexpr V full_like(const V& x, double number) {
  if (V::front_end::failed(x)) return x;
  return broadcast_to(V::front_end::constant(x, x.type(), number), x.shape());
}
template <value V>
constexpr V zeros_like(const V& x) {
  return full_like(x, 0);
}
template <value V>
constexpr V ones_like(const V& x) {
  return full_like(x, 1);
}
/// The elements as another dtype.
template <value V>
constexpr V cast_to(const V& x, dtype type) {
  if (V::front_end::failed(x) || x.type() == type) return x;
  return V::front_end::cast(x, type);
}
/// x as the dtype of `like`.
template <value V>
constexpr V cast_like(const V& x, const V& like) {
  return cast_to(x, like.type());
}

// ---- reductions ------------------------------------------------------------------------------------------------------

namespace detail {
template <class Reducer, value V>
constexpr V reduce_mask(V x, std::int64_t mask) {
  if (mask == 0 || V::front_end::failed(x)) return x;
  attributes at;
  at.i[0] = mask;
  return V::front_end::template add<ops::reduce_op<Reducer>>({x.type(), ops::reduced_shape(x.shape(), mask, false)}, {x}, at);
}
template <class Reducer, value V>
constexpr V reduce(V x, const reduce_options& o) {
  if (V::front_end::failed(x)) return x;
  const std::int64_t mask = axis_mask(o.axis, x.rank());
  if (mask < 0) return fail<ops::reduce_op<Reducer>>(x, "axis out of range", "axes are -rank .. rank-1");
  constexpr bool adds = std::is_same_v<Reducer, ops::sum> || std::is_same_v<Reducer, ops::prod>;
  constexpr bool truth = std::is_same_v<Reducer, ops::any> || std::is_same_v<Reducer, ops::all>;
  if ((class_of(x.type()) & (truth ? types::booleans : adds ? types::numbers : types::reals)) == 0)
    return fail<ops::reduce_op<Reducer>>(x, "does not take operands of this dtype", truth ? "compare first" : "cast them");
  V r = reduce_mask<Reducer>(x, mask);
  return o.keepdims ? reshape_to(r, ops::reduced_shape(x.shape(), mask, true)) : r;
}
template <class Reducer, value V>
constexpr V arg_reduce(V x, const arg_options& o) {
  attributes at;
  at.i[0] = o.axis < 0 ? o.axis + x.rank() : o.axis;
  return emit<ops::arg_reduce_op<Reducer>>({x}, at);
}
}  // namespace detail

/// The sum over the axes in a bit mask, which are dropped.
template <value V>
constexpr V sum_over(V x, std::int64_t mask) {
  return detail::reduce_mask<ops::sum>(x, mask);
}
template <value V>
constexpr V reduce_sum(V x, reduce_options o = {}) {
  return detail::reduce<ops::sum>(x, o);
}
template <value V>
constexpr V reduce_max(V x, reduce_options o = {}) {
  return detail::reduce<ops::max>(x, o);
}
template <value V>
constexpr V reduce_min(V x, reduce_options o = {}) {
  return detail::reduce<ops::min>(x, o);
}
template <value V>
constexpr V reduce_prod(V x, reduce_options o = {}) {
  return detail::reduce<ops::prod>(x, o);
}
template <value V>
constexpr V reduce_any(V x, reduce_options o = {}) {
  return detail::reduce<ops::any>(x, o);
}
template <value V>
constexpr V reduce_all(V x, reduce_options o = {}) {
  return detail::reduce<ops::all>(x, o);
}
template <value V>
constexpr V reduce_mean(V x, reduce_options o = {}) {
  V s = reduce_sum(x, o);
  if (V::front_end::failed(s)) return s;
  const std::int64_t kept = s.shape().num_elements(), total = x.shape().num_elements();
  return s / V::front_end::count(x, kept == 0 ? 0 : total / kept);
}
template <value V>
constexpr V sum(V x, reduce_options o = {}) {
  return reduce_sum(x, o);
}
template <value V>
constexpr V mean(V x, reduce_options o = {}) {
  return reduce_mean(x, o);
}
/// Index (int64) of the first largest element along an axis.
template <value V>
constexpr V argmax(V x, arg_options o = {}) {
  return detail::arg_reduce<ops::argmax>(x, o);
}
template <value V>
constexpr V argmin(V x, arg_options o = {}) {
  return detail::arg_reduce<ops::argmin>(x, o);
}

// ---- the gradient of reduce_prod -------------------------------------------------------------------------------------

/// [parts, rows, n]: for each number of a row the product of all others (ops::product_of_others_op).
template <value V>
constexpr V product_of_others(V x) {
  if (V::front_end::failed(x)) return x;
  return V::front_end::template add<ops::product_of_others_op>({x.type(), x.shape()}, {x});
}
/// Its gradient: the e part of the product of the others of x + e rev(dy), reversed; rev exchanges the parts s and all - s.
template <value V>
constexpr V product_of_others_gradient(const V& dy, const V& x) {
  using F = typename V::front_end;
  if (F::failed(x)) return x;
  const std::int64_t parts = x.shape()[0], rows = x.shape()[1], n = x.shape()[2];
  const auto reversed = [&](const V& t) {
    if (parts == 1 || F::failed(t)) return t;
    const V k = F::range(x, dtype::int32, parts);
    const V hit = equal(reshape_to(k, {parts, 1, 1, 1}) + reshape_to(k, {1, parts, 1, 1}), full_like(reshape_to(k, {parts, 1, 1, 1}), static_cast<double>(parts - 1)));
    const V each = broadcast_to(reshape_to(t, {1, parts, rows, n}), {parts, parts, rows, n});
    return sum_over(select(broadcast_to(hit, each.shape()), each, zeros_like(each)), 2);
  };
  const tensor_shape pair{2, parts, rows, n};
  const V first = broadcast_to(equal(reshape_to(F::range(x, dtype::int32, 2), {2, 1, 1, 1}), F::constant(x, dtype::int32, 0)), pair);
  const auto spread = [&](const V& t) { return broadcast_to(reshape_to(t, {1, parts, rows, n}), pair); };
  const V both = product_of_others(reshape_to(select(first, spread(x), spread(reversed(dy))), {2 * parts, rows, n}));
  const V numbers = reshape_to(both, pair);
  return reversed(sum_over(select(first, zeros_like(numbers), numbers), 1));
}
/// The gradient of a product over the axes in a bit mask: dy (without those axes) times the product of all other elements,
/// which is right where elements are 0. Not for complex numbers.
template <value V>
constexpr V prod_gradient(V dy, V x, std::int64_t mask) {
  if (V::front_end::failed(x)) return x;
  if (is_complex(x.type())) return detail::fail<ops::reduce_op<ops::prod>>(x, "has no gradient for complex numbers");
  const int rank = x.rank();
  attributes order, back;
  tensor_shape kept;
  int n = 0;
  std::int64_t reduced = 1;
  for (int d = 0; d < rank; ++d)
    if ((mask >> d & 1) == 0) order.i[n++] = d, kept.push_back(x.shape()[d]);
  for (int d = 0; d < rank; ++d)
    if ((mask >> d & 1) != 0) order.i[n++] = d, reduced *= x.shape()[d];
  for (int k = 0; k < rank; ++k) back.i[order.i[k]] = k;
  if (kept.rank() == rank) return dy;
  const tensor_shape flat{1, kept.num_elements(), reduced};
  bool in_order = true;
  for (int k = 0; k < rank; ++k) in_order = in_order && order.i[k] == k;
  const V moved = in_order ? x : permute(x, order);
  const V others = product_of_others(reshape_to(moved, flat)) * reshape_to(dy, {1, flat[1], 1});
  const V g = reshape_to(others, moved.shape());
  return in_order ? g : permute(g, back);
}

// ---- contractions and windows ----------------------------------------------------------------------------------------

/// The product of (batches of) matrices, by the fused op where both are real matrices. at.i[0], i[1]: read transposed;
/// i[2], i[3]: and conjugated; i[4]: the result's dtype, if it is another.
template <value V>
constexpr V batch_matmul(V a, V b, const attributes& at) {
  if (V::front_end::failed(a)) return a;
  if (V::front_end::failed(b)) return b;
  const tensor_shape s = a.shape();
  const bool fused = a.type() == b.type() && (a.type() == dtype::float32 || a.type() == dtype::float64) && at.i[4] == 0 && b.rank() <= 2;
  if (fused && s.rank() <= 2) {
    attributes plain;
    plain.i[0] = at.i[0], plain.i[1] = at.i[1];
    return detail::emit<ops::matmul_op>({a, b}, plain);
  }
  if (fused && at.i[0] == 0 && b.rank() == 2 && s[s.rank() - 1] == b.shape()[at.i[1] != 0 ? 1 : 0]) {
    // One matrix for the whole batch: the rows of all of it are the rows of one product.
    tensor_shape rows{1, s[s.rank() - 1]}, r;
    for (int k = 0; k + 1 < s.rank(); ++k) rows[0] *= s[k], r.push_back(s[k]);
    r.push_back(b.shape()[at.i[1] != 0 ? 0 : 1]);
    attributes plain;
    plain.i[1] = at.i[1];
    return reshape_to(detail::emit<ops::matmul_op>({reshape_to(a, rows), b}, plain), r);
  }
  return detail::emit<ops::batch_matmul_op>({a, b}, at);
}
/// The product of two matrices in layers and gradients: in a model always the fused op, so that a program without batched
/// products does not compile their kernel.
template <value V>
constexpr V matrix_product(V a, V b, bool transpose_a = false, bool transpose_b = false) {
  attributes at;
  at.i[0] = transpose_a, at.i[1] = transpose_b;
  if constexpr (V::front_end::traced) return detail::emit<ops::matmul_op>({a, b}, at);
  else return batch_matmul(a, b, at);
}
/// The sum of g over the axes along which `to` was repeated by NumPy's rule.
template <value V>
constexpr V unbroadcast(V g, const tensor_shape& to) {
  if (V::front_end::failed(g) || g.shape() == to) return g;
  std::int64_t mask = 0;
  const int shift = g.rank() - to.rank();
  for (int d = 0; d < g.rank(); ++d)
    if (d < shift || (to[d - shift] == 1 && g.shape()[d] != 1)) mask |= std::int64_t{1} << d;
  return reshape_to(sum_over(g, mask), to);
}
/// op(a) op(b) of matrices, or of batches of them whose leading axes are equal or broadcast (ops/contraction.hpp).
template <value V>
constexpr V matmul(V a, V b, matmul_options o = {}) {
  if (V::front_end::failed(a)) return a;
  if ((o.transpose_a && o.adjoint_a) || (o.transpose_b && o.adjoint_b))
    return detail::fail<ops::batch_matmul_op>(a, "an operand is read transposed or adjoint, not both");
  attributes at;
  at.i[0] = o.transpose_a || o.adjoint_a, at.i[1] = o.transpose_b || o.adjoint_b;
  if (is_complex(a.type())) at.i[2] = o.adjoint_a, at.i[3] = o.adjoint_b;
  if (o.output_type != a.type()) at.i[4] = static_cast<std::int64_t>(o.output_type);
  return batch_matmul(a, b, at);
}
template <value V>
constexpr V conv2d_with(V x, V filter, const attributes& at) {
  attributes plain = at;
  for (int k = 3; k < 7; ++k) plain.i[k] = 0;
  return detail::emit<ops::conv2d_op>({x, filter}, plain);
}
template <value V>
constexpr V conv2d(V x, V filter, conv2d_options o = {}) {
  return conv2d_with(x, filter, ops::conv2d_attributes::make(o));
}
template <value V>
constexpr V conv2d_backprop_input(const tensor_shape& x, V filter, V dy, const attributes& at) {
  return detail::emit<ops::conv2d_backprop_input_op>({filter, dy}, ops::conv2d_attributes::with_shape(at, x));
}
template <value V>
constexpr V conv2d_backprop_filter(V x, const tensor_shape& filter, V dy, const attributes& at) {
  return detail::emit<ops::conv2d_backprop_filter_op>({x, dy}, ops::conv2d_attributes::with_shape(at, filter));
}
template <value V>
constexpr V max_pool(V x, pool_options o = {}) {
  return detail::emit<ops::max_pool_op>({x}, ops::pool_attributes::make(o));
}
template <value V>
constexpr V max_pool_grad(V x, V y, V dy, const attributes& at) {
  return detail::emit<ops::max_pool_grad_op>({x, y, dy}, at);
}
template <value V>
constexpr V max_pool_gather(V x, V y, V values, const attributes& at) {
  return detail::emit<ops::max_pool_gather_op>({x, y, values}, at);
}

// ---- softmax ---------------------------------------------------------------------------------------------------------

/// Softmax over the last axis.
template <value V>
constexpr V softmax(V logits) {
  return detail::emit<ops::softmax_op>({logits});
}
/// Loss of each row: log(sum exp(logits)) - logits[label]. Shapes [..], [.., classes] -> [..].
template <value V>
constexpr V sparse_softmax_cross_entropy_with_logits(V labels, V logits) {
  const int last = logits.rank() - 1;
  if (last >= 0 && last != 1 && labels.shape() == tensor_shape(logits.shape().begin(), last)) {
    const std::int64_t rows = labels.shape().num_elements();
    const V loss = detail::emit<ops::sparse_softmax_cross_entropy_op>({reshape_to(logits, {rows, logits.shape()[last]}), reshape_to(labels, {rows})});
    return reshape_to(loss, labels.shape());
  }
  return detail::emit<ops::sparse_softmax_cross_entropy_op>({logits, labels});
}
/// softmax(logits) - one_hot(labels), the second result of the op whose first is `loss`.
template <value V>
constexpr V sparse_softmax_cross_entropy_backprop(V loss, V logits, V labels) {
  if (V::front_end::failed(loss)) return loss;
  return V::front_end::template second_result<ops::softmax_cross_entropy_backprop_op>(loss, {logits.type(), logits.shape()},
                                                                                      {logits, labels});
}

/// The value; no gradient passes.
template <value V>
constexpr V stop_gradient(V x) {
  if (V::front_end::failed(x)) return x;
  return V::front_end::template add<ops::stop_gradient_op>({x.type(), x.shape()}, {x});
}
/// 1 where the last axis equals the index, else 0: [..] -> [.., depth].
template <class T = float, value V>
constexpr V one_hot(V indices, std::int64_t depth) {
  if (V::front_end::failed(indices)) return indices;
  if ((class_of(indices.type()) & types::integers) == 0) return detail::fail<ops::one_hot_name>(indices, "indices must be integers", "cast them");
  if (depth < 0 || indices.rank() == max_rank) return detail::fail<ops::one_hot_name>(indices, depth < 0 ? "the depth is negative" : "the result would have more than 8 axes");
  return cast_to(equal(expand_dims(indices, -1), V::front_end::range(indices, indices.type(), depth)), dtype_v<T>);
}

}  // namespace rill

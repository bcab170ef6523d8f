// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Ops that combine elements one after the other along an axis: cumsum, cumprod, cummax, cummin, cumulative_logsumexp and
/// the linear recurrence that their gradients are made of; reductions by a function of the caller's (XLA's Reduce); and the
/// reductions that are compositions: reduce_logsumexp, add_n, count_nonzero, variances, norms, moments.
///
/// A scan has its operand's shape and dtype; `exclusive` leaves out the element itself, `reverse` begins at the end. half
/// and bfloat16 are added up in float. Gradients of every order are right where elements are 0: none divides by them.
/// Cost: one pass; results do not depend on the number of threads.
/// Sources: TensorFlow 1.8's tf.cumsum, tf.cumprod, tf.nn.moments; XLA's operation semantics.
///
///   cumsum(x, {.axis = 1, .exclusive = true})                 // [1 2 3] -> [0 1 3]
///   auto [mean, variance] = moments(x, {0, 1});

#include <array>

#include "indexing.hpp"

namespace rill {

/// Options of the scans.
struct scan_options {
  std::int64_t axis = 0;
  bool exclusive = false;  ///< element i of the result does not take in element i of the operand
  bool reverse = false;    ///< from the last element to the first
};
using cumsum_options = scan_options;

namespace ops {

struct add_n_name : function_name {
  static constexpr auto name = "AddN";
};

/// log(exp(a) + exp(b)) as a reducer.
struct log_sum_exp {
  static constexpr auto name = "LogSumExp";
  template <class T>
  static constexpr T identity() {
    return -std::numeric_limits<T>::infinity();
  }
  template <class T>
  static constexpr T combine(T a, T b) {
    if (!(a <= b)) {  // b is the larger one, or NaN
      const T t = a;
      a = b;
      b = t;
    }
    if (!(b - a < std::numeric_limits<T>::infinity())) return a == a ? b : a;  // an infinity, or NaN
    return b + static_cast<T>(scalar::log1p(scalar::exp(static_cast<double>(a - b))));
  }
};

/// The combination of all elements up to each along axis i[0]; i[1]: exclusive, i[2]: reverse.
template <class Reducer>
struct scan_op {
  static constexpr const char* name = std::is_same_v<Reducer, sum>    ? "Cumsum"
                                      : std::is_same_v<Reducer, prod> ? "Cumprod"
                                      : std::is_same_v<Reducer, max>  ? "Cummax"
                                      : std::is_same_v<Reducer, min>  ? "Cummin"
                                                                      : "CumulativeLogsumexp";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = std::is_same_v<Reducer, log_sum_exp> ? 60 : 4;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    constexpr bool adds = std::is_same_v<Reducer, sum> || std::is_same_v<Reducer, prod>;
    constexpr unsigned takes = adds ? types::numbers : std::is_same_v<Reducer, log_sum_exp> ? types::floats : types::reals;
    if ((class_of(in[0].type) & takes) == 0) f.set("does not take operands of this dtype", "cast them", in[0]);
    else if (at.i[0] < 0 || at.i[0] >= in[0].shape.rank()) f.set("axis out of range", "axes are -rank .. rank-1", in[0]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto x) {
    return grads(scan_gradient(Reducer{}, at, dy, y, x));
  }
};

/// Index (int64) along axis i[0] of the last element so far that is as large (small) as all before it; i[2]: reverse.
template <class Reducer>
struct arg_scan_op {
  static constexpr const char* name = std::is_same_v<Reducer, max> ? "Cumargmax" : "Cumargmin";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    return {dtype::int64, scan_op<Reducer>::infer(at, in, f).shape};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};

/// h[i] = a[i] * h[i-1] + b[i] along axis i[0], beginning with h[0] = b[0]; i[2]: from the end.
struct linear_recurrence_op {
  static constexpr auto name = "LinearRecurrence";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if ((class_of(in[0].type) & types::floats) == 0) f.set("takes floating-point numbers", "cast them", in[0]);
    else if (in[0].type != in[1].type || !(in[0].shape == in[1].shape)) f.set("operands must be of one dtype and shape", "", in[0], in[1]);
    else if (at.i[0] < 0 || at.i[0] >= in[0].shape.rank()) f.set("axis out of range", "axes are -rank .. rank-1", in[0]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto a, auto) {
    const bool reverse = at.i[2] != 0;
    const auto g = linear_recurrence(shift(a, at.i[0], !reverse), dy, at.i[0], !reverse);
    return grads(g * shift(y, at.i[0], reverse), g);
  }
};

/// Every element one place further along axis i[0] (i[2]: back); f[0] where nothing comes from.
struct shift_op {
  static constexpr auto name = "Shift";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto) { return grads(shift(dy, at.i[0], at.i[2] == 0)); }
};

}  // namespace ops
namespace detail {
/// What a function of two elements takes: void where it is generic.
template <class F>
struct element_of {
  using type = void;
};
template <class T>
struct element_of_call;
template <class F, class R, class A, class B>
struct element_of_call<R (F::*)(A, B) const> {
  using type = std::remove_cvref_t<A>;
};
template <class F, class R, class A, class B>
struct element_of_call<R (F::*)(A, B)> : element_of_call<R (F::*)(A, B) const> {};
template <class F>
  requires requires { &F::operator(); }
struct element_of<F> : element_of_call<decltype(&F::operator())> {};
}  // namespace detail
namespace ops {

/// XLA's Reduce over the axes in the mask i[0]: F, a type without state, combines two elements; operand 1 is its identity.
template <class F>
struct reduce_with_op {
  using element = typename detail::element_of<F>::type;
  static_assert(std::is_empty_v<F>, "the function of a reduction in a model must not have state");
  static constexpr auto name = "Reduce";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    bool fits = (class_of(in[0].type) & (types::reals | types::booleans)) != 0;
    if constexpr (!std::is_void_v<element>) fits = in[0].type == dtype_v<element>;
    if (!fits) f.set("the function does not combine elements of this dtype", "a generic one takes real numbers and bool", in[0]);
    else if (in[1].type != in[0].type || in[1].shape.rank() != 0) f.set("the initial value must be a scalar of the operand's dtype", "", in[0], in[1]);
    return {in[0].type, reduced_shape(in[0].shape, at.i[0], false)};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};

/// The same of two operands at once: F takes (a0, a1, b0, b1) and gives a pair or tuple; operands 2 and 3 are the identities.
/// This op's result is number Result of the two.
template <int Result, class F, class T, class U>
struct reduce_together_op {
  static_assert(std::is_empty_v<F>, "the function of a reduction in a model must not have state");
  static constexpr auto name = "Reduce";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 12;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (in[0].type != dtype_v<T> || in[1].type != dtype_v<U>) f.set("an operand is of another dtype than the function takes", "", in[0], in[1]);
    else if (!(in[0].shape == in[1].shape)) f.set("operands must be of one shape", "", in[0], in[1]);
    else if (in[2].type != in[0].type || in[2].shape.rank() != 0) f.set("the initial values must be scalars of the operands' dtypes", "", in[0], in[2]);
    else if (in[3].type != in[1].type || in[3].shape.rank() != 0) f.set("the initial values must be scalars of the operands' dtypes", "", in[1], in[3]);
    return {in[Result].type, reduced_shape(in[0].shape, at.i[0], false)};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};

}  // namespace ops

namespace detail {
/// The attributes of an op along an axis.
constexpr attributes along(std::int64_t axis, int rank, bool exclusive = false, bool reverse = false) {
  attributes at;
  at.i[0] = axis < 0 ? axis + rank : axis;
  at.i[1] = exclusive, at.i[2] = reverse;
  return at;
}
template <class Reducer, value V>
constexpr V scan(const V& x, const scan_options& o) {
  if (V::front_end::failed(x)) return x;
  return emit<ops::scan_op<Reducer>>({x}, along(o.axis, x.rank(), o.exclusive, o.reverse));
}
}  // namespace detail

// ---- scans -----------------------------------------------------------------------------------------------------------

/// Sums of the elements up to each, along an axis.
template <value V>
constexpr V cumsum(V x, scan_options o = {}) {
  return detail::scan<ops::sum>(x, o);
}
/// Products of the elements up to each.
template <value V>
constexpr V cumprod(V x, scan_options o = {}) {
  return detail::scan<ops::prod>(x, o);
}
/// The largest element up to each; NaN from the first NaN on. The gradient goes to the last element that attains it.
template <value V>
constexpr V cummax(V x, scan_options o = {}) {
  return detail::scan<ops::max>(x, o);
}
template <value V>
constexpr V cummin(V x, scan_options o = {}) {
  return detail::scan<ops::min>(x, o);
}
/// log(sum(exp(x))) of the elements up to each, without overflow.
template <value V>
constexpr V cumulative_logsumexp(V x, scan_options o = {}) {
  return detail::scan<ops::log_sum_exp>(x, o);
}
/// h[i] = a[i] * h[i-1] + b[i] along an axis, h[0] = b[0]; in reverse h[i] = a[i] * h[i+1] + b[i].
template <value V>
constexpr V linear_recurrence(V a, V b, std::int64_t axis, bool reverse = false) {
  if (V::front_end::failed(a)) return a;
  return detail::emit<ops::linear_recurrence_op>({a, b}, detail::along(axis, a.rank(), false, reverse));
}
/// Every element one place further along an axis (or back); `fill` where nothing comes from.
template <value V>
constexpr V shift(V x, std::int64_t axis, bool back = false, double fill = 0) {
  if (V::front_end::failed(x)) return x;
  attributes at = detail::along(axis, x.rank(), false, back);
  if (at.i[0] < 0 || at.i[0] >= x.rank()) return detail::fail<ops::shift_op>(x, "axis out of range", "axes are -rank .. rank-1");
  if ((class_of(x.type()) & types::numbers) == 0) return detail::fail<ops::shift_op>(x, "takes numbers");
  at.f[0] = fill;
  return V::front_end::template add<ops::shift_op>({x.type(), x.shape()}, {x}, at);
}

// ---- gradients of scans ----------------------------------------------------------------------------------------------

template <value V>
constexpr V scan_gradient(ops::sum, const attributes& at, const V& dy, const V&, const V&) {
  return cumsum(dy, {at.i[0], at.i[1] != 0, at.i[2] == 0});
}
/// The product of what comes before times the sum of what comes after, each as a scan of its own.
template <value V>
constexpr V scan_gradient(ops::prod, const attributes& at, const V& dy, const V&, const V& x) {
  if (is_complex(x.type())) return detail::fail<ops::scan_op<ops::prod>>(x, "has no gradient for complex numbers");
  const bool reverse = at.i[2] != 0;
  const V before = cumprod(x, {at.i[0], true, reverse});
  const V weight = at.i[1] != 0 ? shift(dy, at.i[0], !reverse) : dy;
  return before * linear_recurrence(shift(x, at.i[0], !reverse), weight, at.i[0], !reverse);
}
namespace detail {
template <class Reducer, value V>
constexpr V extreme_gradient(const attributes& at, const V& dy, const V& x) {
  attributes inclusive = at;
  inclusive.i[1] = 0;
  const V from = emit<ops::arg_scan_op<Reducer>>({x}, inclusive);
  const V weight = at.i[1] != 0 ? shift(dy, at.i[0], at.i[2] == 0) : dy;
  attributes axis;
  axis.i[0] = at.i[0];
  return scatter_elements(weight, from, x.shape(), axis);
}
}  // namespace detail
template <value V>
constexpr V scan_gradient(ops::max, const attributes& at, const V& dy, const V&, const V& x) {
  return detail::extreme_gradient<ops::max>(at, dy, x);
}
template <value V>
constexpr V scan_gradient(ops::min, const attributes& at, const V& dy, const V&, const V& x) {
  return detail::extreme_gradient<ops::min>(at, dy, x);
}
/// sum over j >= i of dy[j] exp(x[i] - y[j]), as a recurrence whose factors exp(y[i] - y[i+1]) are at most 1.
template <value V>
constexpr V scan_gradient(ops::log_sum_exp, const attributes& at, const V& dy, const V& y, const V& x) {
  const std::int64_t axis = at.i[0];
  const bool reverse = at.i[2] != 0;
  const V total = at.i[1] != 0 ? cumulative_logsumexp(x, {axis, false, reverse}) : y;
  const V weight = at.i[1] != 0 ? shift(dy, axis, !reverse) : dy;
  const V zero = zeros_like(x);
  const auto exp_of = [&](const V& difference) {  // 0 where it is positive or NaN: -inf - -inf, the end of the axis
    const V good = less_equal(difference, zero);
    return select(good, exp(select(good, difference, zero)), zero);
  };
  return exp_of(x - total) * linear_recurrence(exp_of(total - shift(total, axis, !reverse)), weight, axis, !reverse);
}

// ---- reductions ------------------------------------------------------------------------------------------------------

/// log(sum(exp(x))) over axes, without overflow; -inf for no elements.
template <value V>
constexpr V reduce_logsumexp(V x, reduce_options o = {}) {
  const V most = stop_gradient(reduce_max(x, {o.axis, true}));
  if (V::front_end::failed(most)) return most;
  const V zero = zeros_like(most);
  const V base = select(equal(most - most, zero), most, zero);  // infinities are not subtracted
  const V r = log(reduce_sum(exp(x - base), {o.axis, true})) + base;
  return o.keepdims ? r : reshape_to(r, ops::reduced_shape(x.shape(), axis_mask(o.axis, x.rank()), false));
}
/// The sum of tensors of one shape and dtype in a std::vector, a std::array or the like (tf.add_n).
template <class List>
  requires value<typename List::value_type>
constexpr typename List::value_type add_n(const List& inputs) {
  using V = typename List::value_type;
  if (inputs.size() == 0) throw invalid_argument("AddN: the list holds no tensor");
  V total = *inputs.begin();
  bool first = true;
  for (const V& x : inputs) {
    if (V::front_end::failed(x)) return x;
    failure f;
    if (x.type() == dtype::string || x.type() == dtype::boolean) f.set("tensors must be of numbers", "", {x.type(), x.shape()});
    else if (x.type() != total.type() || !(x.shape() == total.shape()))
      f.set("tensors must be of one dtype and shape", "", {total.type(), total.shape()}, {x.type(), x.shape()});
    if (f) return V::front_end::template fail<ops::add_n_name>(f, total);
    if (!first) total = total + x;
    first = false;
  }
  return total;
}
template <value V>
constexpr V add_n(std::initializer_list<V> inputs) {
  return add_n<std::initializer_list<V>>(inputs);
}
/// How many elements are not 0 (or false).
template <value V>
constexpr V count_nonzero(V x, reduce_options o = {}, dtype type = dtype::int64) {
  if (V::front_end::failed(x)) return x;
  return reduce_sum(cast_to(x.type() == dtype::boolean ? x : not_equal(x, zeros_like(x)), type), o);
}
/// The mean squared distance from the mean.
template <value V>
constexpr V reduce_variance(V x, reduce_options o = {}) {
  return reduce_mean(square(x - reduce_mean(x, {o.axis, true})), o);
}
/// The square root of the variance.
template <value V>
constexpr V reduce_std(V x, reduce_options o = {}) {
  return sqrt(reduce_variance(x, o));
}
/// The square root of the sum of squares.
template <value V>
constexpr V reduce_euclidean_norm(V x, reduce_options o = {}) {
  return sqrt(reduce_sum(square(x), o));
}

/// Mean and variance.
template <class V>
struct moments_result {
  V mean, variance;
};
/// Options of moments and weighted_moments.
struct moments_options {
  bool keep_dims = false;
};
/// What moments can be computed from: the number of elements, the sums of (shifted) elements and of their squares.
template <class V>
struct sufficient_statistics_result {
  V count, mean_ss, variance_ss;
};

/// Mean and variance over axes; half and bfloat16 are computed in float32 (tf.nn.moments).
template <value V>
constexpr moments_result<V> moments(V x, const axis_list& axes, moments_options o = {}) {
  const V wide = is_floating(x.type()) && size_of(x.type()) == 2 ? cast_to(x, dtype::float32) : x;
  const V mean = reduce_mean(wide, {axes, true});
  const V variance = reduce_mean(square(wide - mean), {axes, o.keep_dims});
  if (V::front_end::failed(variance)) return {variance, variance};
  return {cast_to(reshape_to(mean, variance.shape()), x.type()), cast_to(variance, x.type())};
}
/// The same with numbers close to the means, one or as many as there are means, from sums over x - shift in one pass.
template <value V>
constexpr moments_result<V> moments(V x, const axis_list& axes, V shift, moments_options o = {}) {
  const V moved = x - shift;
  const V mean = reduce_mean(moved, {axes, true}), raw = reduce_mean(square(moved), {axes, o.keep_dims});
  if (V::front_end::failed(raw)) return {raw, raw};
  return {reshape(mean + shift, raw.shape()), raw - square(reshape_to(mean, raw.shape()))};
}
/// Mean and variance where each element counts as often as its weight says; the weights broadcast to x.
template <value V>
constexpr moments_result<V> weighted_moments(V x, const axis_list& axes, V frequency_weights, moments_options o = {}) {
  const V w = broadcast_to(cast_like(frequency_weights, x), x.shape());
  const V total = reduce_sum(w, {axes, true});
  const V mean = reduce_sum(w * x, {axes, true}) / total;
  const V variance = reduce_sum(w * square(x - mean), {axes, true}) / total;
  if (V::front_end::failed(variance)) return {variance, variance};
  const tensor_shape s = ops::reduced_shape(x.shape(), axis_mask(axes, x.rank()), o.keep_dims);
  return {reshape_to(mean, s), reshape_to(variance, s)};
}
/// count, sum(x) and sum(x * x) over axes (tf.nn.sufficient_statistics).
template <value V>
constexpr sufficient_statistics_result<V> sufficient_statistics(V x, const axis_list& axes, moments_options o = {}) {
  const V s = reduce_sum(x, {axes, o.keep_dims});
  if (V::front_end::failed(s)) return {s, s, s};
  const std::int64_t kept = s.shape().num_elements();
  return {V::front_end::count(x, kept == 0 ? 0 : x.shape().num_elements() / kept), s, reduce_sum(square(x), {axes, o.keep_dims})};
}
/// Mean and variance from sufficient statistics.
template <value V>
constexpr moments_result<V> normalize_moments(V counts, V mean_ss, V variance_ss) {
  const V mean = mean_ss / counts;
  return {mean, variance_ss / counts - square(mean)};
}

namespace xla {
/// The elements over `dimensions` combined by a function of two elements that is associative and whose identity is
/// init_value (XLA's Reduce). In a model the function is a type without state, a lambda without captures, of the operand's
/// elements or generic (then for real numbers and bool); it is called in row-major order. There is no gradient.
///
///   y = xla::reduce(x, init, [](auto a, auto b) { return a < b ? b : a; }, {0, 2});
template <value V, class F>
constexpr V reduce(V x, V init_value, F, const axis_list& dimensions) {
  if (V::front_end::failed(x)) return x;
  attributes at;
  at.i[0] = rill::detail::named_axes(dimensions, x.rank());
  if (at.i[0] < 0)
    return rill::detail::fail<ops::reduce_with_op<F>>(x, at.i[0] == -2 ? "an axis is named twice" : "axis out of range", "axes are -rank .. rank-1");
  return rill::detail::emit<ops::reduce_with_op<F>>({x, init_value}, at);
}
/// Two operands of one shape, of element types T and U, reduced together: f(a0, a1, b0, b1) combines two pairs of elements
/// into a pair. So the largest element comes with its index:
///
///   auto [value, index] = xla::reduce<float, int>([](float a, int i, float b, int j) { return a < b ? std::pair(b, j) : std::pair(a, i); },
///                                                 {1}, x, indices, lowest, minus_one);
template <class T, class U, class F, value V>
constexpr std::array<V, 2> reduce(F, const axis_list& dimensions, V x, V y, V init_x, V init_y) {
  if (V::front_end::failed(x)) return {x, x};
  attributes at;
  at.i[0] = rill::detail::named_axes(dimensions, x.rank());
  if (at.i[0] < 0) {
    const V failed = rill::detail::fail<ops::reduce_together_op<0, F, T, U>>(x, "an axis is out of range or named twice", "axes are -rank .. rank-1");
    return {failed, failed};
  }
  return {rill::detail::emit<ops::reduce_together_op<0, F, T, U>>({x, y, init_x, init_y}, at),
          rill::detail::emit<ops::reduce_together_op<1, F, T, U>>({x, y, init_x, init_y}, at)};
}
}  // namespace xla

}  // namespace rill

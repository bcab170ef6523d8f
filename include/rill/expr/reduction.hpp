// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Reductions of tensors, views and expressions. The expression is evaluated inside the reduction, in one pass. Axes count
/// from the end when negative; an axis out of range is invalid_argument.
///
///   reduce_sum(x)                                    // all axes: tensor<T>
///   reduce_mean(x, axis<0>)                          // the shape of the result is known statically as far as x's is
///   reduce_max(x, axis<-1>, keepdims)                // the axis stays with extent 1
///   reduce_sum(x, {.axis = {0}, .keepdims = true})   // axes chosen at run time: tensor<T, any_rank>

#include <bit>

#include "../kernel/reduce.hpp"
#include "../ops/reduction.hpp"
#include "expression.hpp"

namespace rill {

/// Axes known at compile time: `reduce_sum(x, axis<0, 2>)`.
template <std::int64_t... A>
struct axis_t {};
template <std::int64_t... A>
inline constexpr axis_t<A...> axis{};

/// Keeps reduced axes with extent 1.
struct keepdims_t {};
inline constexpr keepdims_t keepdims{};

/// What the eager front end takes apart from numbers: tensors, views and expressions.
template <class X>
concept eager_operand = requires { typename std::remove_cvref_t<X>::front_end; } &&
                        std::is_same_v<typename std::remove_cvref_t<X>::front_end, expr::eager_front_end>;

namespace expr::detail {

/// An operand in the form that flattens to a program, which it outlives.
template <class X>
decltype(auto) as_root(const X& x) {
  if constexpr (is_tensor<decltype(as_operand<element_of<X>>(x))>) return kept_t<X>(x, true);
  else return as_operand<element_of<X>>(x);
}

[[noreturn]] inline void throw_axis(const char* op, const tensor_shape& s) {
  throw invalid_argument(std::string(op) + ": an axis is out of range or named twice for the shape " + rill::to_string(s));
}

/// Bit mask of axes; throws when one is out of range or occurs twice.
inline unsigned mask_of(const char* op, const axis_list& list, const tensor_shape& s) {
  if (list.count == 0) return (1U << s.rank()) - 1U;
  unsigned mask = 0;
  for (int k = 0; k < list.count; ++k) {
    const std::int64_t a = list.axes[k] < 0 ? list.axes[k] + s.rank() : list.axes[k];
    if (a < 0 || a >= s.rank() || (mask >> a & 1U) != 0) throw_axis(op, s);
    mask |= 1U << a;
  }
  return mask;
}
inline tensor_shape reduced_shape(const tensor_shape& s, unsigned mask, bool keep) {
  tensor_shape r;
  r.rank_ = keep ? s.rank() : s.rank() - std::popcount(mask);
  int to = 0;
  for (int d = 0; d < s.rank(); ++d) {
    if ((mask >> d & 1U) == 0) r[to++] = s[d];
    else if (keep) r[to++] = 1;
  }
  return r;
}

template <class X, bool Keep, std::int64_t... A>
struct reduced_declared {
  static constexpr int rank = X::rank;
  static constexpr unsigned mask = [] {
    unsigned m = 0;
    ((m |= 1U << (A < 0 ? A + rank : A)), ...);
    return sizeof...(A) == 0 ? (1U << rank) - 1U : m;
  }();
  static constexpr bool in_range = ((A >= -rank && A < rank) && ...);
  static constexpr tensor_shape value = [] {
    tensor_shape r;
    const tensor_shape s = X::declared();
    for (int d = 0; d < s.rank(); ++d) {
      if ((mask >> d & 1U) == 0) r.push_back(s[d]);
      else if (Keep) r.push_back(1);
    }
    return r;
  }();
};

/// Calls body(program, nest, inputs, mask) with the strides of the result; a linear program leaves a single dimension.
template <class X, class Body>
void with_reduction(const X& x, const tensor_shape& shape, unsigned mask, const Body& body) {
  std::int64_t strides[max_rank] = {};
  std::int64_t dense = 1;
  for (int d = shape.rank() - 1; d >= 0; --d) {
    if ((mask >> d & 1U) != 0) continue;
    strides[d] = dense;
    dense *= shape[d];
  }
  bool conflict = false;
  const bool everything = shape.rank() > 0 && mask == (1U << shape.rank()) - 1U;
  with_program<true>(x, shape, {}, nullptr, strides, 0, everything, conflict,
               [&](auto which, auto& n, const void* const* in) { body(which, n, in, n.rank == shape.rank() ? mask : 1U); });
}

template <class R, bool Everything, class X, class T>
void reduce_into(const X& x, const tensor_shape& shape, unsigned mask, T* out) {
  with_reduction(x, shape, mask, [&](auto which, const auto& n, const void* const* in, unsigned m) {
    using P = typename decltype(which)::program;
    kernel::reduce<P, R, Everything>(n, m, in, out);
  });
}

template <class R, class X>
auto reduce_all_axes(const X& x) {
  const auto& root = as_root(x);
  const tensor_shape s = root.shape();
  auto r = tensor<element_of<X>>::uninitialized({});
  reduce_into<R, true>(root, s, (1U << s.rank()) - 1U, r.data());
  return r;
}
template <class R, class X>
auto reduce_some(const X& x, const reduce_options& o) {
  const auto& root = as_root(x);
  const tensor_shape s = root.shape();
  const unsigned mask = mask_of(R::name, o.axis, s);
  using result = tensor<element_of<X>, any_rank>;
  static constexpr tensor_shape scalar;  // reading back a shape that has just been written takes longer than a small sum
  const bool everything = !o.keepdims && mask == (1U << s.rank()) - 1U;
  auto r = everything ? result::uninitialized(scalar) : result::uninitialized(reduced_shape(s, mask, o.keepdims));
  reduce_into<R, false>(root, s, mask, r.data());
  return r;
}
template <class R, bool Keep, class X, std::int64_t... A>
auto reduce_static(const X& x, axis_t<A...>) {
  const auto& root = as_root(x);
  using E = typename std::remove_cvref_t<decltype(root)>::extents_type;
  const tensor_shape s = root.shape();
  using T = element_of<X>;
  if constexpr (E::has_any_rank) {
    reduce_options o{axis_list{A...}, Keep};
    return reduce_some<R>(x, o);
  } else {
    using D = reduced_declared<E, Keep, A...>;
    static_assert(D::in_range, "an axis is out of range");
    auto r = rill::detail::with_shape<tensor, T, D>::type::uninitialized(reduced_shape(s, D::mask, Keep));
    reduce_into<R, false>(root, s, D::mask, r.data());
    return r;
  }
}

template <bool Largest, class Index, class X>
void arg_into(const X& root, const tensor_shape& s, int a, Index* out) {
  if (s[a] == 0) throw invalid_argument("argmax: axis " + std::to_string(a) + " of shape " + rill::to_string(s) + " is empty");
  with_reduction(root, s, 1U << a, [&](auto which, const auto& n, const void* const* in, unsigned m) {
    kernel::arg_reduce<typename decltype(which)::program, Largest>(n, m, in, out);
  });
}
template <bool Largest, class Index, class X>
auto arg_some(const X& x, const arg_options& o) {
  const auto& root = as_root(x);
  const tensor_shape s = root.shape();
  const std::int64_t a = o.axis < 0 ? o.axis + s.rank() : o.axis;
  if (a < 0 || a >= s.rank()) throw_axis(Largest ? "argmax" : "argmin", s);
  auto r = tensor<Index, any_rank>::uninitialized(reduced_shape(s, 1U << a, false));
  arg_into<Largest>(root, s, static_cast<int>(a), r.data());
  return r;
}
template <bool Largest, class Index, std::int64_t A, class X>
auto arg_static(const X& x) {
  const auto& root = as_root(x);
  using E = typename std::remove_cvref_t<decltype(root)>::extents_type;
  if constexpr (E::has_any_rank) return arg_some<Largest, Index>(x, {A});
  else {
    using D = reduced_declared<E, false, A>;
    static_assert(D::in_range, "an axis is out of range");
    const tensor_shape s = root.shape();
    auto r = rill::detail::with_shape<tensor, Index, D>::type::uninitialized(reduced_shape(s, D::mask, false));
    arg_into<Largest>(root, s, static_cast<int>(A < 0 ? A + E::rank : A), r.data());
    return r;
  }
}

}  // namespace expr::detail

/// Sum along axes; 0 when there is nothing to add.
template <eager_operand X>
auto reduce_sum(const X& x) {
  return expr::detail::reduce_all_axes<ops::sum>(x);
}
template <eager_operand X>
auto reduce_sum(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::sum>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto reduce_sum(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::sum, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto reduce_sum(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::sum, true>(x, a);
}
/// Short for reduce_sum.
template <eager_operand X>
auto sum(const X& x) {
  return expr::detail::reduce_all_axes<ops::sum>(x);
}
template <eager_operand X>
auto sum(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::sum>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto sum(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::sum, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto sum(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::sum, true>(x, a);
}
/// Product along axes; 1 when there is nothing to multiply.
template <eager_operand X>
auto reduce_prod(const X& x) {
  return expr::detail::reduce_all_axes<ops::prod>(x);
}
template <eager_operand X>
auto reduce_prod(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::prod>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto reduce_prod(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::prod, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto reduce_prod(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::prod, true>(x, a);
}
/// Short for reduce_prod.
template <eager_operand X>
auto prod(const X& x) {
  return expr::detail::reduce_all_axes<ops::prod>(x);
}
template <eager_operand X>
auto prod(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::prod>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto prod(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::prod, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto prod(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::prod, true>(x, a);
}
/// Largest element along axes, NaN when one is NaN.
template <eager_operand X>
auto reduce_max(const X& x) {
  return expr::detail::reduce_all_axes<ops::max>(x);
}
template <eager_operand X>
auto reduce_max(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::max>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto reduce_max(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::max, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto reduce_max(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::max, true>(x, a);
}
/// Short for reduce_max.
template <eager_operand X>
auto max(const X& x) {
  return expr::detail::reduce_all_axes<ops::max>(x);
}
template <eager_operand X>
auto max(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::max>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto max(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::max, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto max(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::max, true>(x, a);
}
/// Smallest element along axes, NaN when one is NaN.
template <eager_operand X>
auto reduce_min(const X& x) {
  return expr::detail::reduce_all_axes<ops::min>(x);
}
template <eager_operand X>
auto reduce_min(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::min>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto reduce_min(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::min, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto reduce_min(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::min, true>(x, a);
}
/// Short for reduce_min.
template <eager_operand X>
auto min(const X& x) {
  return expr::detail::reduce_all_axes<ops::min>(x);
}
template <eager_operand X>
auto min(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::min>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto min(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::min, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto min(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::min, true>(x, a);
}
/// Mean along axes: the sum divided by the count (integers are cut towards zero).
template <eager_operand X>
auto reduce_mean(const X& x) {
  return expr::detail::reduce_all_axes<ops::mean>(x);
}
template <eager_operand X>
auto reduce_mean(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::mean>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto reduce_mean(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::mean, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto reduce_mean(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::mean, true>(x, a);
}
/// Short for reduce_mean.
template <eager_operand X>
auto mean(const X& x) {
  return expr::detail::reduce_all_axes<ops::mean>(x);
}
template <eager_operand X>
auto mean(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::mean>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto mean(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::mean, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto mean(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::mean, true>(x, a);
}
/// Whether any element along axes is true.
template <eager_operand X>
auto reduce_any(const X& x) {
  return expr::detail::reduce_all_axes<ops::any>(x);
}
template <eager_operand X>
auto reduce_any(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::any>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto reduce_any(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::any, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto reduce_any(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::any, true>(x, a);
}
/// Short for reduce_any.
template <eager_operand X>
auto any(const X& x) {
  return expr::detail::reduce_all_axes<ops::any>(x);
}
template <eager_operand X>
auto any(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::any>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto any(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::any, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto any(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::any, true>(x, a);
}
/// Whether all elements along axes are true.
template <eager_operand X>
auto reduce_all(const X& x) {
  return expr::detail::reduce_all_axes<ops::all>(x);
}
template <eager_operand X>
auto reduce_all(const X& x, const reduce_options& o) {
  return expr::detail::reduce_some<ops::all>(x, o);
}
template <eager_operand X, std::int64_t... A>
auto reduce_all(const X& x, axis_t<A...> a) {
  return expr::detail::reduce_static<ops::all, false>(x, a);
}
template <eager_operand X, std::int64_t... A>
auto reduce_all(const X& x, axis_t<A...> a, keepdims_t) {
  return expr::detail::reduce_static<ops::all, true>(x, a);
}

/// Index of the first largest element along an axis (default 0), as Index (int64, or int32 if asked).
template <class Index = std::int64_t, eager_operand X>
auto argmax(const X& x, const arg_options& o = {}) {
  return expr::detail::arg_some<true, Index>(x, o);
}
template <class Index = std::int64_t, eager_operand X, std::int64_t A>
auto argmax(const X& x, axis_t<A>) {
  return expr::detail::arg_static<true, Index, A>(x);
}
/// Index of the first smallest element along an axis (default 0).
template <class Index = std::int64_t, eager_operand X>
auto argmin(const X& x, const arg_options& o = {}) {
  return expr::detail::arg_some<false, Index>(x, o);
}
template <class Index = std::int64_t, eager_operand X, std::int64_t A>
auto argmin(const X& x, axis_t<A>) {
  return expr::detail::arg_static<false, Index, A>(x);
}

}  // namespace rill

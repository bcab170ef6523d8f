// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The same elements under another shape: reshape, transpose, expand_dims, squeeze, broadcast_to, and concat. All but
/// concat give a read-only view that shares the operand's memory (an expression is evaluated first); assign it to a tensor
/// to copy. A shape that cannot be is invalid_argument and names both shapes.
///
///   auto rows = reshape(x, {-1, 784});
///   tensor y = transpose(x, {1, 0});
///   tensor z = concat({a, b}, {.axis = 1});

#include <initializer_list>

#include "reduction.hpp"

namespace rill {

/// Options of concat.
struct concat_options {
  std::int64_t axis = 0;
};

namespace expr::detail {

template <class T, std::int64_t... E>
view<const T, E...> as_view(const tensor<T, E...>& t) {
  return t.whole();
}
template <class T, std::int64_t... E>
view<const std::remove_const_t<T>, E...> as_view(const view<T, E...>& v) {
  return v;
}
template <class Op, class Args, class T, std::int64_t... E>
view<const T, E...> as_view(const node<Op, Args, T, E...>& n) {
  return tensor<T, E...>(n).whole();
}

template <int Rank>
struct dynamic_extents {
  static constexpr tensor_shape value = [] {
    tensor_shape s;
    for (int d = 0; d < Rank; ++d) s.push_back(dyn);
    return s;
  }();
};
/// view<const T, dyn...> of a rank, or of any rank when it is not known.
template <template <class, std::int64_t...> class To, class T, int Rank>
struct of_rank {
  using type = typename rill::detail::with_shape<To, T, dynamic_extents<Rank>>::type;
};
template <template <class, std::int64_t...> class To, class T, int Rank>
  requires(Rank < 0)
struct of_rank<To, T, Rank> {
  using type = To<T, any_rank>;
};

/// Works out the one extent that may be -1.
inline tensor_shape complete_shape(const tensor_shape& wanted, const tensor_shape& from) {
  const std::int64_t total = checked_size(from);
  tensor_shape s = wanted;
  int open = -1;
  std::int64_t known = 1;
  for (int d = 0; d < s.rank(); ++d) {
    if (s[d] == -1 && open < 0) open = d;
    else if (s[d] < 0) throw invalid_argument("reshape: only one extent of the shape may be -1, and none below");
    else if (__builtin_mul_overflow(known, s[d], &known))
      throw invalid_argument("reshape: the wanted shape has more elements than 63 bits can count");
  }
  const auto fail = [&] {
    throw invalid_argument("reshape: a tensor of shape " + rill::to_string(from) + " has " + std::to_string(total) +
                           " elements, which do not fill the shape " + rill::to_string(wanted));
  };
  if (open >= 0) {
    if (known == 0 ? total != 0 : total % known != 0) fail();
    s[open] = known == 0 ? 0 : total / known;
  } else if (known != total) fail();
  return s;
}

template <class Result, class V>
Result reshaped(const V& v, const tensor_shape& shape) {
  using T = typename V::value_type;
  rill::detail::strided<const T> to;
  to.shape = shape;
  rill::detail::row_major_strides(to.shape, to.strides);
  const auto from = v.strided_const();
  if (is_row_major(from)) {
    to.data = from.data;
    return Result(v.owner(), to);
  }
  const storage block = rill::detail::allocate_elements<T>(v.size());  // strided: copied first
  rill::detail::strided<T> middle;
  middle.data = static_cast<T*>(block.data());
  middle.shape = from.shape;
  rill::detail::row_major_strides(middle.shape, middle.strides);
  rill::detail::strided_copy(from, middle);
  to.data = middle.data;
  return Result(block, to);
}

template <class X, int Change>
inline constexpr int rank_plus = X::has_any_rank ? -1 : X::rank + Change;

}  // namespace expr::detail

/// The elements in row-major order under another shape; one extent may be -1 and is worked out.
template <eager_operand X, std::size_t N>
auto reshape(const X& x, const std::int64_t (&dims)[N]) {
  const auto v = expr::detail::as_view(x);
  using T = typename decltype(v)::value_type;
  using result = typename expr::detail::of_rank<view, const T, static_cast<int>(N)>::type;
  const tensor_shape wanted(dims, static_cast<int>(N));
  return expr::detail::reshaped<result>(v, expr::detail::complete_shape(wanted, v.shape()));
}
/// The same for a shape whose rank is known at run time only.
template <eager_operand X>
auto reshape(const X& x, const tensor_shape& wanted) {
  const auto v = expr::detail::as_view(x);
  using T = typename decltype(v)::value_type;
  return expr::detail::reshaped<view<const T, any_rank>>(v, expr::detail::complete_shape(wanted, v.shape()));
}

namespace expr::detail {
template <class X, std::size_t... I>
constexpr tensor_shape reversed(std::index_sequence<I...>) {
  return tensor_shape{X::declared()[X::rank - 1 - static_cast<int>(I)]...};
}
template <class X>
struct reversed_extents {
  static constexpr tensor_shape value = reversed<X>(std::make_index_sequence<static_cast<std::size_t>(X::rank)>{});
};
template <class Result, class V>
Result permuted(const V& v, const std::int64_t* perm, int count) {
  const auto from = v.strided_const();
  const int rank = from.shape.rank();
  rill::detail::strided<const typename V::value_type> to;
  to.data = from.data;
  unsigned seen = 0;
  bool good = count == rank;
  for (int d = 0; good && d < rank; ++d) {
    const std::int64_t p = perm[d] < 0 ? perm[d] + rank : perm[d];
    good = p >= 0 && p < rank && (seen >> p & 1U) == 0;
    if (!good) break;
    seen |= 1U << p;
    to.shape.push_back(from.shape[static_cast<int>(p)]);
    to.strides[d] = from.strides[p];
  }
  if (!good)
    throw invalid_argument("transpose: the permutation does not name each axis of the shape " + rill::to_string(from.shape) +
                           " once");
  return Result(v.owner(), to);
}
}  // namespace expr::detail

/// The axes in reverse order.
template <eager_operand X>
auto transpose(const X& x) {
  const auto v = expr::detail::as_view(x);
  using V = decltype(v);
  using E = typename V::extents_type;
  std::int64_t perm[max_rank];
  const int rank = v.rank();
  for (int d = 0; d < rank; ++d) perm[d] = rank - 1 - d;
  if constexpr (E::has_any_rank)
    return expr::detail::permuted<view<const typename V::value_type, any_rank>>(v, perm, rank);
  else {
    using result =
        typename rill::detail::with_shape<view, const typename V::value_type, expr::detail::reversed_extents<E>>::type;
    return expr::detail::permuted<result>(v, perm, rank);
  }
}
/// Axis k of the result is axis perm[k] of x.
template <eager_operand X, std::size_t N>
auto transpose(const X& x, const std::int64_t (&perm)[N]) {
  const auto v = expr::detail::as_view(x);
  using T = typename decltype(v)::value_type;
  using result = typename expr::detail::of_rank<view, const T, static_cast<int>(N)>::type;
  return expr::detail::permuted<result>(v, perm, static_cast<int>(N));
}

/// Inserts an axis of extent 1 before axis `axis` (-1: at the end).
template <eager_operand X>
auto expand_dims(const X& x, std::int64_t axis) {
  const auto v = expr::detail::as_view(x);
  using V = decltype(v);
  using result = typename expr::detail::of_rank<view, const typename V::value_type,
                                                expr::detail::rank_plus<typename V::extents_type, 1>>::type;
  const auto from = v.strided_const();
  const int rank = from.shape.rank();
  const std::int64_t a = axis < 0 ? axis + rank + 1 : axis;
  if (a < 0 || a > rank || rank == max_rank) expr::detail::throw_axis("expand_dims", from.shape);
  rill::detail::strided<const typename V::value_type> to;
  to.data = from.data;
  for (int d = 0; d <= rank; ++d) {
    if (d == a) to.shape.push_back(1);
    if (d == rank) break;
    to.shape.push_back(from.shape[d]);
    to.strides[to.shape.rank() - 1] = from.strides[d];
  }
  return result(v.owner(), to);
}

namespace expr::detail {
template <class Result, class V>
Result squeezed(const V& v, unsigned mask) {
  const auto from = v.strided_const();
  rill::detail::strided<const typename V::value_type> to;
  to.data = from.data;
  for (int d = 0; d < from.shape.rank(); ++d) {
    if ((mask >> d & 1U) != 0) {
      if (from.shape[d] != 1)
        throw invalid_argument("squeeze: axis " + std::to_string(d) + " of the shape " + rill::to_string(from.shape) +
                               " is not 1");
      continue;
    }
    to.shape.push_back(from.shape[d]);
    to.strides[to.shape.rank() - 1] = from.strides[d];
  }
  return Result(v.owner(), to);
}
}  // namespace expr::detail

/// Drops all axes of extent 1; the rank of the result is known at run time.
template <eager_operand X>
auto squeeze(const X& x) {
  const auto v = expr::detail::as_view(x);
  const tensor_shape s = v.shape();
  unsigned mask = 0;
  for (int d = 0; d < s.rank(); ++d) mask |= s[d] == 1 ? 1U << d : 0U;
  return expr::detail::squeezed<view<const typename decltype(v)::value_type, any_rank>>(v, mask);
}
/// Drops the given axes, which must be 1.
template <eager_operand X, std::size_t N>
auto squeeze(const X& x, const std::int64_t (&axes)[N]) {
  const auto v = expr::detail::as_view(x);
  using V = decltype(v);
  axis_list list;
  for (const std::int64_t a : axes) list.axes[list.count++] = a;
  using result = typename expr::detail::of_rank<view, const typename V::value_type,
                                                expr::detail::rank_plus<typename V::extents_type, -static_cast<int>(N)>>::type;
  return expr::detail::squeezed<result>(v, expr::detail::mask_of("squeeze", list, v.shape()));
}

/// x repeated along new and size-1 axes to the given shape.
template <eager_operand X, std::size_t N>
auto broadcast_to(const X& x, const std::int64_t (&dims)[N]) {
  const auto v = expr::detail::as_view(x);
  using T = typename decltype(v)::value_type;
  using result = typename expr::detail::of_rank<view, const T, static_cast<int>(N)>::type;
  const auto from = v.strided_const();
  rill::detail::strided<const T> to;
  to.data = from.data;
  to.shape = tensor_shape(dims, static_cast<int>(N));
  checked_size(to.shape);
  if (!(expr::broadcast(from.shape, to.shape) == to.shape))
    throw invalid_argument("broadcast_to: the shape " + rill::to_string(from.shape) + " does not broadcast to " +
                           rill::to_string(to.shape));
  const int shift = static_cast<int>(N) - from.shape.rank();
  for (int d = 0; d < from.shape.rank(); ++d) to.strides[d + shift] = from.shape[d] == 1 ? 0 : from.strides[d];
  return result(v.owner(), to);
}

namespace expr::detail {
/// Copies the parts one after the other along an axis.
template <class T, class Result>
Result join(const rill::detail::strided<const T>* parts, std::size_t count, std::int64_t axis) {
  const tensor_shape& first = parts[0].shape;
  const std::int64_t a = axis < 0 ? axis + first.rank() : axis;
  if (a < 0 || a >= first.rank()) throw_axis("concat", first);
  const int d = static_cast<int>(a);
  tensor_shape s = first;
  for (std::size_t k = 1; k < count; ++k) {
    tensor_shape other = parts[k].shape;
    if (other.rank() == first.rank()) other[d] = first[d];
    if (!(other == first))
      throw invalid_argument("concat: the shapes " + rill::to_string(first) + " and " + rill::to_string(parts[k].shape) +
                             " differ besides axis " + std::to_string(d));
    if (__builtin_add_overflow(s[d], parts[k].shape[d], &s[d])) throw invalid_argument("concat: the axis is too long");
  }
  Result r = Result::uninitialized(s);
  auto to = r.strided();
  for (std::size_t k = 0; k < count; ++k) {
    to.shape = parts[k].shape;
    rill::detail::strided_copy(parts[k], to);
    to.data += parts[k].shape[d] * to.strides[d];
  }
  return r;
}
}  // namespace expr::detail

/// The tensors one after the other along an axis; all other extents are equal. At least one tensor.
template <class T, std::int64_t... E>
auto concat(std::initializer_list<tensor<T, E...>> parts, const concat_options& o = {}) {
  static_assert(extents<E...>::rank != 0, "concat joins along an axis, which scalars do not have");
  using result = typename expr::detail::of_rank<tensor, T, extents<E...>::rank>::type;
  if (parts.size() == 0 || parts.size() > 64) throw invalid_argument("concat joins 1 to 64 tensors");
  rill::detail::strided<const T> s[64];
  std::size_t n = 0;
  for (const auto& p : parts) s[n++] = p.strided();
  return expr::detail::join<T, result>(s, n, o.axis);
}
/// The same for two operands of different types.
template <eager_operand A, eager_operand B>
auto concat(const A& a, const B& b, const concat_options& o = {}) {
  const auto v = expr::detail::as_view(a);
  const auto w = expr::detail::as_view(b);
  using V = decltype(v);
  using T = typename V::value_type;
  static_assert(std::is_same_v<T, typename decltype(w)::value_type>, "concat: the operands have different dtypes");
  using result = typename expr::detail::of_rank<tensor, T, expr::detail::rank_plus<typename V::extents_type, 0>>::type;
  const rill::detail::strided<const T> parts[2] = {v.strided_const(), w.strided_const()};
  return expr::detail::join<T, result>(parts, 2, o.axis);
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// NumPy's broadcasting rule on extents types and on run-time shapes: trailing dimensions are equal or 1. Two static
/// extents that differ are a compile error in `shapes_do_not_broadcast<A, B>`; at run time the same is an
/// invalid_argument that names both shapes.
///
///   broadcast_t<extents<dyn, 3>, extents<3>>      // extents<dyn, 3>

#include "../core/view.hpp"

namespace rill::expr {

/// Instantiated when static shapes do not broadcast; its name shows them.
template <class A, class B>
struct shapes_do_not_broadcast {
  static_assert(A::rank == -2, "the shapes do not broadcast: trailing dimensions must be equal or 1");
};

/// The shape that both broadcast to; invalid_argument when they do not.
inline tensor_shape broadcast(const tensor_shape& a, const tensor_shape& b) {
  const int rank = a.rank() > b.rank() ? a.rank() : b.rank();
  tensor_shape r;
  for (int k = 0; k < rank; ++k) {
    const int i = k - (rank - a.rank());
    const int j = k - (rank - b.rank());
    const std::int64_t m = i < 0 ? 1 : a[i];
    const std::int64_t n = j < 0 ? 1 : b[j];
    if (m != n && m != 1 && n != 1)
      throw invalid_argument("the shapes " + to_string(a) + " and " + to_string(b) +
                             " do not broadcast: trailing dimensions must be equal or 1");
    r.push_back(m == 1 ? n : m);
  }
  return r;
}

namespace detail {

/// Declared extents (-1 where dynamic) of the broadcast; ok becomes false when two static ones differ.
constexpr tensor_shape broadcast_declared(const tensor_shape& a, const tensor_shape& b, bool& ok) {
  const int rank = a.rank() > b.rank() ? a.rank() : b.rank();
  tensor_shape r;
  for (int k = 0; k < rank; ++k) {
    const int i = k - (rank - a.rank());
    const int j = k - (rank - b.rank());
    const std::int64_t m = i < 0 ? 1 : a[i];
    const std::int64_t n = j < 0 ? 1 : b[j];
    if (m == 1) r.push_back(n);
    else if (n == 1) r.push_back(m);
    else if (m < 0) r.push_back(n);
    else if (n < 0) r.push_back(m);
    else {
      if (m != n) ok = false;
      r.push_back(m);
    }
  }
  return r;
}

template <class A, class B>
struct broadcast_of {
  static constexpr bool ok = [] {
    bool good = true;
    broadcast_declared(A::declared(), B::declared(), good);
    return good;
  }();
  static constexpr tensor_shape value = [] {
    bool good = true;
    return broadcast_declared(A::declared(), B::declared(), good);
  }();
};

template <class, std::int64_t... E>
using extents_for = extents<E...>;

template <class A, class B>
struct broadcast_type {
  using shape = broadcast_of<A, B>;
  static constexpr bool checked = [] {
    if constexpr (!shape::ok) return sizeof(shapes_do_not_broadcast<A, B>) > 0;
    else return true;
  }();
  static_assert(checked);
  using type = typename rill::detail::with_shape<extents_for, void, shape>::type;
};
template <class B>
struct broadcast_type<extents<any_rank>, B> {
  using type = extents<any_rank>;
};
template <class A>
struct broadcast_type<A, extents<any_rank>> {
  using type = extents<any_rank>;
};
template <>
struct broadcast_type<extents<any_rank>, extents<any_rank>> {
  using type = extents<any_rank>;
};

template <class... X>
struct broadcast_all;
template <class A>
struct broadcast_all<A> {
  using type = A;
};
template <class A, class B, class... R>
struct broadcast_all<A, B, R...> : broadcast_all<typename broadcast_type<A, B>::type, R...> {};

}  // namespace detail

/// The extents that all of the given extents types broadcast to.
template <class... X>
using broadcast_t = typename detail::broadcast_all<X...>::type;

}  // namespace rill::expr

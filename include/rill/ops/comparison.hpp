// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Element-wise comparisons and logic: two operands of one dtype (bool for the logical ones) give a bool. They have no
/// gradient. `==` and `!=` on tensors compare whole tensors; equal and not_equal compare elements.
///
///   mask = x > 0 && x < 6;

#include "forward.hpp"

namespace rill {
namespace ops {

/// a == b.
struct equal : comparison {
  static constexpr auto name = "Equal";
  static constexpr unsigned accepts = types::all;
  template <class V>
  static constexpr auto eval(V a, V b) {
    return a == b;
  }
};

/// a != b.
struct not_equal : comparison {
  static constexpr auto name = "NotEqual";
  static constexpr unsigned accepts = types::all;
  template <class V>
  static constexpr auto eval(V a, V b) {
    return a != b;
  }
};

/// a < b.
struct less : comparison {
  static constexpr auto name = "Less";
  template <class V>
  static constexpr auto eval(V a, V b) {
    return a < b;
  }
};

/// a <= b.
struct less_equal : comparison {
  static constexpr auto name = "LessEqual";
  template <class V>
  static constexpr auto eval(V a, V b) {
    return a <= b;
  }
};

/// a > b.
struct greater : comparison {
  static constexpr auto name = "Greater";
  template <class V>
  static constexpr auto eval(V a, V b) {
    return a > b;
  }
};

/// a >= b.
struct greater_equal : comparison {
  static constexpr auto name = "GreaterEqual";
  template <class V>
  static constexpr auto eval(V a, V b) {
    return a >= b;
  }
};

/// a && b.
struct logical_and : comparison {
  static constexpr auto name = "LogicalAnd";
  static constexpr unsigned accepts = types::booleans;
  template <class V>
  static constexpr auto eval(V a, V b) {
    return a && b;
  }
};

/// a || b.
struct logical_or : comparison {
  static constexpr auto name = "LogicalOr";
  static constexpr unsigned accepts = types::booleans;
  template <class V>
  static constexpr auto eval(V a, V b) {
    return a || b;
  }
};

/// a != b.
struct logical_xor : comparison {
  static constexpr auto name = "LogicalXor";
  static constexpr unsigned accepts = types::booleans;
  template <class V>
  static constexpr auto eval(V a, V b) {
    return a != b;
  }
};

}  // namespace ops

/// a == b, element by element.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::equal, A, B> equal(A&& a, B&& b) {
  return apply<ops::equal>(std::forward<A>(a), std::forward<B>(b));
}
/// a != b, element by element.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::not_equal, A, B> not_equal(A&& a, B&& b) {
  return apply<ops::not_equal>(std::forward<A>(a), std::forward<B>(b));
}
/// a < b, element by element.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::less, A, B> less(A&& a, B&& b) {
  return apply<ops::less>(std::forward<A>(a), std::forward<B>(b));
}
/// a <= b, element by element.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::less_equal, A, B> less_equal(A&& a, B&& b) {
  return apply<ops::less_equal>(std::forward<A>(a), std::forward<B>(b));
}
/// a > b, element by element.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::greater, A, B> greater(A&& a, B&& b) {
  return apply<ops::greater>(std::forward<A>(a), std::forward<B>(b));
}
/// a >= b, element by element.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::greater_equal, A, B> greater_equal(A&& a, B&& b) {
  return apply<ops::greater_equal>(std::forward<A>(a), std::forward<B>(b));
}
/// a && b, element by element.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::logical_and, A, B> logical_and(A&& a, B&& b) {
  return apply<ops::logical_and>(std::forward<A>(a), std::forward<B>(b));
}
/// a || b, element by element.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::logical_or, A, B> logical_or(A&& a, B&& b) {
  return apply<ops::logical_or>(std::forward<A>(a), std::forward<B>(b));
}
/// a != b, element by element.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::logical_xor, A, B> logical_xor(A&& a, B&& b) {
  return apply<ops::logical_xor>(std::forward<A>(a), std::forward<B>(b));
}
/// |a - b| < tolerance, element by element.
template <class A, class B>
  requires operands<A, B>
constexpr auto approximate_equal(A&& a, B&& b, double tolerance = 1e-5) {
  return rill::less(rill::abs(rill::subtract(std::forward<A>(a), std::forward<B>(b))), tolerance);
}
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::less, A, B> operator<(A&& a, B&& b) {
  return apply<ops::less>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::less_equal, A, B> operator<=(A&& a, B&& b) {
  return apply<ops::less_equal>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::greater, A, B> operator>(A&& a, B&& b) {
  return apply<ops::greater>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::greater_equal, A, B> operator>=(A&& a, B&& b) {
  return apply<ops::greater_equal>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::logical_and, A, B> operator&&(A&& a, B&& b) {
  return apply<ops::logical_and>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::logical_or, A, B> operator||(A&& a, B&& b) {
  return apply<ops::logical_or>(std::forward<A>(a), std::forward<B>(b));
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Element-wise ops of two operands (arithmetic, the divisions and remainders, powers, angles, bits), of three (clamp), and
/// the operators. Operands broadcast by NumPy's trailing-dimension rule; all have one dtype, which a plain number takes
/// from the others. Divisions of integers: `/` and truncate_div cut towards zero, div, floor_div, mod and `%` round down,
/// divide gives a real number; by zero, all but divide give 0.
///
///   y = x * w + 1;   d = squared_difference(a, b);

#include "scalar_functions.hpp"
#include "forward.hpp"
#include "scalar.hpp"

namespace rill {
namespace ops {

/// a + b.
struct add : elementwise<2> {
  static constexpr auto name = "Add";
  static constexpr unsigned accepts = types::numbers;
  template <class V>
  static constexpr V eval(V a, V b) {
    return static_cast<V>(scalar::wrapping(a) + scalar::wrapping(b));
  }
  static constexpr auto vjp(auto dy, auto, auto, auto) {
    return grads(dy, dy);
  }
};

/// a - b.
struct sub : elementwise<2> {
  static constexpr auto name = "Sub";
  static constexpr unsigned accepts = types::numbers;
  template <class V>
  static constexpr V eval(V a, V b) {
    return static_cast<V>(scalar::wrapping(a) - scalar::wrapping(b));
  }
  static constexpr auto vjp(auto dy, auto, auto, auto) {
    return grads(dy, -dy);
  }
};

/// a * b.
struct mul : elementwise<2> {
  static constexpr auto name = "Mul";
  static constexpr unsigned accepts = types::numbers;
  template <class V>
  static constexpr V eval(V a, V b) {
    return static_cast<V>(scalar::wrapping(a) * scalar::wrapping(b));
  }
  static constexpr auto vjp(auto dy, auto, auto a, auto b) {
    return grads(dy * b, dy * a);
  }
};

/// a / b; integers are cut towards zero, and give 0 where b is 0.
struct div : elementwise<2> {
  static constexpr auto name = "RealDiv";
  static constexpr unsigned accepts = types::numbers;
  static constexpr int cost = 5;
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::divide;
    return divide(a, b);
  }
  static constexpr auto vjp(auto dy, auto y, auto, auto b) {
    return grads(dy / b, -(dy * y) / b);
  }
};

/// a / b rounded down, for integers and floats; 0 where an integer b is 0.
struct floor_div : elementwise<2> {
  static constexpr auto name = "FloorDiv";
  static constexpr int cost = 10;
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::divide;
    using scalar::select;
    using scalar::floor;
    using scalar::remainder;
    if constexpr (requires { floor(a); }) return floor(divide(a, b));
    else {
      const V q = divide(a, b);
      const V r = remainder(a, b);
      return select(r != V(0) && (r < V(0)) != (b < V(0)), static_cast<V>(q - V(1)), q);
    }
  }
  static constexpr auto vjp(auto, auto, auto a, auto b) { return grads(zeros_like(a), zeros_like(b)); }
};

/// a - floor_div(a, b) * b: the remainder with the sign of b.
struct floor_mod : elementwise<2> {
  static constexpr auto name = "FloorMod";
  static constexpr int cost = 12;
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::remainder;
    using scalar::select;
    const V r = remainder(a, b);
    return select(r != V(0) && (r < V(0)) != (b < V(0)), static_cast<V>(r + b), r);
  }
  static constexpr auto vjp(auto dy, auto, auto a, auto b) {
    return grads(dy, -dy * rill::floor_div(a, b));
  }
};

/// The larger operand, NaN when one is NaN; at a tie the gradient goes to the first.
struct maximum : elementwise<2> {
  static constexpr auto name = "Maximum";
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::max;
    return max(a, b);
  }
  static constexpr auto vjp(auto dy, auto, auto a, auto b) {
    auto first = rill::greater_equal(a, b);
    return grads(rill::select(first, dy, zeros_like(dy)), rill::select(first, zeros_like(dy), dy));
  }
};

/// The smaller operand, NaN when one is NaN; at a tie the gradient goes to the first.
struct minimum : elementwise<2> {
  static constexpr auto name = "Minimum";
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::min;
    return min(a, b);
  }
  static constexpr auto vjp(auto dy, auto, auto a, auto b) {
    auto first = rill::less_equal(a, b);
    return grads(rill::select(first, dy, zeros_like(dy)), rill::select(first, zeros_like(dy), dy));
  }
};

/// a to the power b. The gradient of b is 0 where a <= 0.
struct pow : elementwise<2> {
  static constexpr auto name = "Pow";
  static constexpr int cost = 60;
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::pow;
    return pow(a, b);
  }
  static constexpr auto vjp(auto dy, auto y, auto a, auto b) {
    // where b is 0 the power is 1 whatever a is: a ** (b - 1), which may be infinite, is not asked for
    auto da = dy * (b * rill::pow(a, rill::select(rill::equal(b, 0), ones_like(b), b - 1)));
    auto log_a = rill::log(rill::select(a > 0, a, ones_like(a)));
    return grads(da, rill::select(a > 0, dy * (y * log_a), zeros_like(dy)));
  }
};

/// (a - b) squared.
struct squared_difference : elementwise<2> {
  static constexpr auto name = "SquaredDifference";
  static constexpr int cost = 2;
  template <class V>
  static constexpr V eval(V a, V b) {
    const auto d = scalar::wrapping(a) - scalar::wrapping(b);
    return static_cast<V>(d * d);
  }
  static constexpr auto vjp(auto dy, auto, auto a, auto b) {
    auto g = dy * (2 * (a - b));
    return grads(g, -g);
  }
};

/// TensorFlow 1.x's `div`: integers round down (and give 0 where b is 0), floats divide.
struct python_div : div {
  static constexpr auto name = "Div";
  static constexpr int cost = 10;
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::floor;
    if constexpr (requires { floor(a); } || is_complex_v<scalar::element_of<V>>) return div::eval(a, b);
    else return floor_div::eval(a, b);
  }
};

/// The quotient as a real number: of integers a float where they have at most two bytes, a double otherwise.
struct true_div : div {
  template <class T, class...>
  using result = std::conditional_t<std::is_integral_v<T>, std::conditional_t<(sizeof(T) > 2), double, float>, T>;
  template <class V>
  static constexpr auto eval(V a, V b) {
    using scalar::cast;
    using R = result<scalar::element_of<V>>;
    return div::eval(cast<R>(a), cast<R>(b));
  }
};

/// a / b cut towards zero; 0 where an integer b is 0.
struct truncate_div : elementwise<2> {
  static constexpr auto name = "TruncateDiv";
  static constexpr int cost = 8;
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::ceil;
    using scalar::divide;
    using scalar::floor;
    using scalar::select;
    const V q = divide(a, b);
    if constexpr (requires { floor(a); }) return select(q < V(0), ceil(q), floor(q));
    else return q;
  }
  static constexpr auto vjp(auto, auto, auto a, auto b) { return grads(zeros_like(a), zeros_like(b)); }
};

/// a - truncate_div(a, b) * b: the remainder with the sign of a (XLA's Rem, C's fmod); 0 where an integer b is 0.
struct truncate_mod : elementwise<2> {
  static constexpr auto name = "TruncateMod";
  static constexpr int cost = 12;
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::remainder;
    return remainder(a, b);
  }
  static constexpr auto vjp(auto dy, auto, auto a, auto b) { return grads(dy, -dy * rill::truncate_div(a, b)); }
};

/// a / b, and 0 where b is 0.
struct div_no_nan : elementwise<2> {
  static constexpr auto name = "DivNoNan";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 6;
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::divide;
    using scalar::select;
    return select(b == V(0), V(0), divide(a, b));
  }
  static constexpr auto vjp(auto dy, auto y, auto, auto b) {
    return grads(rill::div_no_nan(dy, b), rill::div_no_nan(-(dy * y), b));
  }
};

/// x log(y), and 0 where x is 0 whatever y is.
struct xlogy : elementwise<2> {
  static constexpr auto name = "Xlogy";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 20;
  template <class V>
  static constexpr V eval(V x, V y) {
    using scalar::log;
    using scalar::select;
    return select(x == V(0), V(0), x * log(y));
  }
  static constexpr auto vjp(auto dy, auto, auto x, auto y) {
    auto used = rill::select(rill::equal(x, 0), zeros_like(x), ones_like(x));
    return grads(dy * rill::xlogy(used, y), dy * rill::xdivy(x, y));
  }
};

/// x log(1 + y), and 0 where x is 0 whatever y is.
struct xlog1py : elementwise<2> {
  static constexpr auto name = "Xlog1py";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 22;
  template <class V>
  static constexpr V eval(V x, V y) {
    using scalar::log1p;
    using scalar::select;
    return select(x == V(0), V(0), x * log1p(y));
  }
  static constexpr auto vjp(auto dy, auto, auto x, auto y) {
    auto used = rill::select(rill::equal(x, 0), zeros_like(x), ones_like(x));
    return grads(dy * rill::xlog1py(used, y), dy * rill::xdivy(x, 1 + y));
  }
};

/// x / y, and 0 where x is 0 whatever y is.
struct xdivy : elementwise<2> {
  static constexpr auto name = "Xdivy";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 6;
  template <class V>
  static constexpr V eval(V x, V y) {
    using scalar::select;
    return select(x == V(0), V(0), x / y);
  }
  static constexpr auto vjp(auto dy, auto, auto x, auto y) {
    auto used = rill::select(rill::equal(x, 0), zeros_like(x), ones_like(x));
    return grads(dy * rill::xdivy(used, y), dy * rill::xdivy(-x, y * y));
  }
};

/// The angle of the point (x, y), in [-pi, pi]. The gradient at the origin is 0.
struct atan2 : elementwise<2> {
  static constexpr auto name = "Atan2";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 60;
  template <class V>
  static constexpr V eval(V y, V x) {
    using scalar::lanewise;
    return lanewise([](auto a, auto b) { return scalar::atan2(a, b); }, y, x);
  }
  static constexpr auto vjp(auto dy, auto, auto y, auto x) {
    auto g = rill::div_no_nan(dy, x * x + y * y);
    return grads(x * g, -y * g);
  }
};

/// sqrt(a * a + b * b) without overflow. The gradient at the origin is 0.
struct hypot : elementwise<2> {
  static constexpr auto name = "Hypot";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 40;
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::lanewise;
    return lanewise([](auto u, auto v) { return scalar::hypot(u, v); }, a, b);
  }
  static constexpr auto vjp(auto dy, auto y, auto a, auto b) {
    auto g = rill::div_no_nan(dy, y);
    return grads(a * g, b * g);
  }
};

/// The next number of the dtype from a towards b.
struct next_after : elementwise<2> {
  static constexpr auto name = "NextAfter";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 20;
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::lanewise;
    return lanewise([](auto u, auto v) { return scalar::next_after(u, v); }, a, b);
  }
  static constexpr auto vjp(auto dy, auto, auto, auto b) { return grads(dy, zeros_like(b)); }
};

/// a & b, bit by bit, of integers or bools.
struct bitwise_and : elementwise<2> {
  static constexpr auto name = "BitwiseAnd";
  static constexpr unsigned accepts = types::integers | types::booleans;
  template <class V>
  static constexpr V eval(V a, V b) {
    return static_cast<V>(a & b);
  }
};

/// a | b, bit by bit, of integers or bools.
struct bitwise_or : elementwise<2> {
  static constexpr auto name = "BitwiseOr";
  static constexpr unsigned accepts = types::integers | types::booleans;
  template <class V>
  static constexpr V eval(V a, V b) {
    return static_cast<V>(a | b);
  }
};

/// a ^ b, bit by bit, of integers or bools.
struct bitwise_xor : elementwise<2> {
  static constexpr auto name = "BitwiseXor";
  static constexpr unsigned accepts = types::integers | types::booleans;
  template <class V>
  static constexpr V eval(V a, V b) {
    return static_cast<V>(a ^ b);
  }
};

/// The bits of integer a moved up by b; 0 where b is not in [0, bits of the type).
struct left_shift : elementwise<2> {
  static constexpr auto name = "LeftShift";
  static constexpr unsigned accepts = types::integers;
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::lanewise;
    return lanewise([](auto u, auto v) { return scalar::shift_left(u, v); }, a, b);
  }
};

/// The bits of integer a moved down by b; copies of the sign come in from above, in signed types, zeros in unsigned ones.
/// Where b is not in [0, bits of the type), all bits are what comes in.
struct right_shift : elementwise<2> {
  static constexpr auto name = "RightShift";
  static constexpr unsigned accepts = types::integers;
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::lanewise;
    return lanewise([](auto u, auto v) { return scalar::shift_right_arithmetic(u, v); }, a, b);
  }
};

/// The bits of integer a moved down by b, with zeros from above; 0 where b is not in [0, bits of the type).
struct shift_right_logical : elementwise<2> {
  static constexpr auto name = "ShiftRightLogical";
  static constexpr unsigned accepts = types::integers;
  static constexpr bool counts_bits = true;  ///< the width of the type matters
  template <class V>
  static constexpr V eval(V a, V b) {
    using scalar::lanewise;
    return lanewise([](auto u, auto v) { return scalar::shift_right_logical(u, v); }, a, b);
  }
};

/// min(max(low, x), high), NaN when one of them is NaN. A value within the limits, or at one, passes its gradient on;
/// one outside gives it to the limit.
struct clamp : elementwise<3> {
  static constexpr auto name = "ClipByValue";
  static constexpr int cost = 4;
  template <class V>
  static constexpr V eval(V low, V x, V high) {
    using scalar::max;
    using scalar::min;
    return min(max(x, low), high);
  }
  static constexpr auto vjp(auto dy, auto, auto low, auto x, auto high) {
    auto zero = zeros_like(dy);
    auto above = rill::greater(rill::maximum(x, low), high);
    auto below = rill::logical_and(rill::less(x, low), rill::logical_not(above));
    auto outside = rill::logical_or(above, below);
    return grads(rill::select(below, dy, zero), rill::select(outside, zero, dy), rill::select(above, dy, zero));
  }
};

}  // namespace ops

namespace detail {
/// Operands whose type does not tell their dtype are cast here, since `result` could not see it.
template <class A>
constexpr decltype(auto) as_real(A&& x) {
  if constexpr (value<A>) {
    if (is_integer(x.type())) return size_of(x.type()) > 2 ? rill::cast<double>(x) : rill::cast<float>(x);
    return std::remove_cvref_t<A>(x);
  } else return std::forward<A>(x);
}
}  // namespace detail

/// a + b.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::add, A, B> add(A&& a, B&& b) {
  return apply<ops::add>(std::forward<A>(a), std::forward<B>(b));
}
/// a - b.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::sub, A, B> subtract(A&& a, B&& b) {
  return apply<ops::sub>(std::forward<A>(a), std::forward<B>(b));
}
/// a * b.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::mul, A, B> multiply(A&& a, B&& b) {
  return apply<ops::mul>(std::forward<A>(a), std::forward<B>(b));
}
/// The true quotient a / b, as Python 3's `/`: integers give float where they have at most two bytes, double otherwise.
template <class A, class B>
  requires operands<A, B>
constexpr auto divide(A&& a, B&& b) {
  return apply<ops::true_div>(detail::as_real(std::forward<A>(a)), detail::as_real(std::forward<B>(b)));
}
/// TensorFlow's other name of divide.
template <class A, class B>
  requires operands<A, B>
constexpr auto truediv(A&& a, B&& b) {
  return rill::divide(std::forward<A>(a), std::forward<B>(b));
}
/// a / b rounded down, for integers and floats; 0 where an integer b is 0.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::floor_div, A, B> floor_div(A&& a, B&& b) {
  return apply<ops::floor_div>(std::forward<A>(a), std::forward<B>(b));
}
/// a - floor_div(a, b) * b: the remainder with the sign of b.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::floor_mod, A, B> floor_mod(A&& a, B&& b) {
  return apply<ops::floor_mod>(std::forward<A>(a), std::forward<B>(b));
}
/// The larger operand, NaN when one is NaN; at a tie the gradient goes to the first.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::maximum, A, B> maximum(A&& a, B&& b) {
  return apply<ops::maximum>(std::forward<A>(a), std::forward<B>(b));
}
/// The smaller operand, NaN when one is NaN; at a tie the gradient goes to the first.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::minimum, A, B> minimum(A&& a, B&& b) {
  return apply<ops::minimum>(std::forward<A>(a), std::forward<B>(b));
}
/// a to the power b. The gradient of b is 0 where a <= 0.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::pow, A, B> pow(A&& a, B&& b) {
  return apply<ops::pow>(std::forward<A>(a), std::forward<B>(b));
}
/// (a - b) squared.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::squared_difference, A, B> squared_difference(A&& a, B&& b) {
  return apply<ops::squared_difference>(std::forward<A>(a), std::forward<B>(b));
}
/// TensorFlow 1.x's div: integers round down (and give 0 where b is 0), floats divide.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::python_div, A, B> div(A&& a, B&& b) {
  return apply<ops::python_div>(std::forward<A>(a), std::forward<B>(b));
}
/// a / b of floats.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::div, A, B> real_div(A&& a, B&& b) {
  return apply<ops::div>(std::forward<A>(a), std::forward<B>(b));
}
/// a / b cut towards zero; 0 where an integer b is 0.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::truncate_div, A, B> truncate_div(A&& a, B&& b) {
  return apply<ops::truncate_div>(std::forward<A>(a), std::forward<B>(b));
}
/// The remainder with the sign of a (C's %, fmod); 0 where an integer b is 0.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::truncate_mod, A, B> truncate_mod(A&& a, B&& b) {
  return apply<ops::truncate_mod>(std::forward<A>(a), std::forward<B>(b));
}
/// XLA's name of truncate_mod.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::truncate_mod, A, B> rem(A&& a, B&& b) {
  return apply<ops::truncate_mod>(std::forward<A>(a), std::forward<B>(b));
}
/// TensorFlow's other name of floor_mod: the remainder with the sign of b.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::floor_mod, A, B> mod(A&& a, B&& b) {
  return apply<ops::floor_mod>(std::forward<A>(a), std::forward<B>(b));
}
/// a / b, and 0 where b is 0.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::div_no_nan, A, B> div_no_nan(A&& a, B&& b) {
  return apply<ops::div_no_nan>(std::forward<A>(a), std::forward<B>(b));
}
/// a log(b), and 0 where a is 0 whatever b is.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::xlogy, A, B> xlogy(A&& a, B&& b) {
  return apply<ops::xlogy>(std::forward<A>(a), std::forward<B>(b));
}
/// a log(1 + b), and 0 where a is 0 whatever b is.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::xlog1py, A, B> xlog1py(A&& a, B&& b) {
  return apply<ops::xlog1py>(std::forward<A>(a), std::forward<B>(b));
}
/// a / b, and 0 where a is 0 whatever b is.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::xdivy, A, B> xdivy(A&& a, B&& b) {
  return apply<ops::xdivy>(std::forward<A>(a), std::forward<B>(b));
}
/// The angle of the point (x = b, y = a), in [-pi, pi]. The gradient at the origin is 0.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::atan2, A, B> atan2(A&& a, B&& b) {
  return apply<ops::atan2>(std::forward<A>(a), std::forward<B>(b));
}
/// sqrt(a * a + b * b) without overflow. The gradient at the origin is 0.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::hypot, A, B> hypot(A&& a, B&& b) {
  return apply<ops::hypot>(std::forward<A>(a), std::forward<B>(b));
}
/// The next number of the dtype from a towards b.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::next_after, A, B> next_after(A&& a, B&& b) {
  return apply<ops::next_after>(std::forward<A>(a), std::forward<B>(b));
}
/// a & b, bit by bit, of integers or bools.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::bitwise_and, A, B> bitwise_and(A&& a, B&& b) {
  return apply<ops::bitwise_and>(std::forward<A>(a), std::forward<B>(b));
}
/// a | b, bit by bit, of integers or bools.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::bitwise_or, A, B> bitwise_or(A&& a, B&& b) {
  return apply<ops::bitwise_or>(std::forward<A>(a), std::forward<B>(b));
}
/// a ^ b, bit by bit, of integers or bools.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::bitwise_xor, A, B> bitwise_xor(A&& a, B&& b) {
  return apply<ops::bitwise_xor>(std::forward<A>(a), std::forward<B>(b));
}
/// The bits of integer a moved up by b; 0 where b is not in [0, bits of the type).
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::left_shift, A, B> left_shift(A&& a, B&& b) {
  return apply<ops::left_shift>(std::forward<A>(a), std::forward<B>(b));
}
/// The bits of integer a moved down by b: copies of the sign come in from above, in signed types.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::right_shift, A, B> right_shift(A&& a, B&& b) {
  return apply<ops::right_shift>(std::forward<A>(a), std::forward<B>(b));
}
/// XLA's name of left_shift.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::left_shift, A, B> shift_left(A&& a, B&& b) {
  return apply<ops::left_shift>(std::forward<A>(a), std::forward<B>(b));
}
/// XLA's name of right_shift on signed integers.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::right_shift, A, B> shift_right_arithmetic(A&& a, B&& b) {
  return apply<ops::right_shift>(std::forward<A>(a), std::forward<B>(b));
}
/// The bits of integer a moved down by b, with zeros from above.
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::shift_right_logical, A, B> shift_right_logical(A&& a, B&& b) {
  return apply<ops::shift_right_logical>(std::forward<A>(a), std::forward<B>(b));
}
/// min(max(low, x), high), in XLA's order of arguments; the limits may be numbers.
template <class A, class B, class C>
  requires operands<A, B, C>
[[gnu::always_inline]] constexpr applied_t<ops::clamp, A, B, C> clamp(A&& low, B&& x, C&& high) {
  return apply<ops::clamp>(std::forward<A>(low), std::forward<B>(x), std::forward<C>(high));
}
/// min(max(low, x), high), in TensorFlow's order of arguments; the limits may be numbers.
template <class A, class B, class C>
  requires operands<A, B, C>
[[gnu::always_inline]] constexpr applied_t<ops::clamp, B, A, C> clip_by_value(A&& x, B&& low, C&& high) {
  return apply<ops::clamp>(std::forward<B>(low), std::forward<A>(x), std::forward<C>(high));
}
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::add, A, B> operator+(A&& a, B&& b) {
  return apply<ops::add>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::sub, A, B> operator-(A&& a, B&& b) {
  return apply<ops::sub>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::mul, A, B> operator*(A&& a, B&& b) {
  return apply<ops::mul>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::div, A, B> operator/(A&& a, B&& b) {
  return apply<ops::div>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::floor_mod, A, B> operator%(A&& a, B&& b) {
  return apply<ops::floor_mod>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::bitwise_and, A, B> operator&(A&& a, B&& b) {
  return apply<ops::bitwise_and>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::bitwise_or, A, B> operator|(A&& a, B&& b) {
  return apply<ops::bitwise_or>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
[[gnu::always_inline]] constexpr applied_t<ops::bitwise_xor, A, B> operator^(A&& a, B&& b) {
  return apply<ops::bitwise_xor>(std::forward<A>(a), std::forward<B>(b));
}

}  // namespace rill

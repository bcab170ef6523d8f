// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Element-wise ops of two operands: add, sub, mul, div, floor_div, floor_mod, maximum, minimum, pow, squared_difference,
/// and the operators. Operands broadcast by NumPy's trailing-dimension rule; both have one dtype, which a plain number
/// takes from the other operand. Integer division is TensorFlow 1.x's: `/` cuts towards zero, floor_div and `%` round down.
///
///   y = x * w + 1;   d = squared_difference(a, b);

#include "forward.hpp"
#include "scalar.hpp"

namespace rill {
namespace ops {

/// a + b.
struct add : elementwise<2> {
  static constexpr auto name = "Add";
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
    return grads(dy * (b * rill::pow(a, b - 1)), rill::select(a > 0, dy * (y * rill::log(rill::select(a > 0, a, ones_like(a)))), zeros_like(dy)));
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

}  // namespace ops

/// a + b.
template <class A, class B>
  requires operands<A, B>
constexpr auto add(A&& a, B&& b) {
  return apply<ops::add>(std::forward<A>(a), std::forward<B>(b));
}
/// a - b.
template <class A, class B>
  requires operands<A, B>
constexpr auto subtract(A&& a, B&& b) {
  return apply<ops::sub>(std::forward<A>(a), std::forward<B>(b));
}
/// a * b.
template <class A, class B>
  requires operands<A, B>
constexpr auto multiply(A&& a, B&& b) {
  return apply<ops::mul>(std::forward<A>(a), std::forward<B>(b));
}
/// a / b; integers are cut towards zero, and give 0 where b is 0.
template <class A, class B>
  requires operands<A, B>
constexpr auto divide(A&& a, B&& b) {
  return apply<ops::div>(std::forward<A>(a), std::forward<B>(b));
}
/// a / b rounded down, for integers and floats; 0 where an integer b is 0.
template <class A, class B>
  requires operands<A, B>
constexpr auto floor_div(A&& a, B&& b) {
  return apply<ops::floor_div>(std::forward<A>(a), std::forward<B>(b));
}
/// a - floor_div(a, b) * b: the remainder with the sign of b.
template <class A, class B>
  requires operands<A, B>
constexpr auto floor_mod(A&& a, B&& b) {
  return apply<ops::floor_mod>(std::forward<A>(a), std::forward<B>(b));
}
/// The larger operand, NaN when one is NaN; at a tie the gradient goes to the first.
template <class A, class B>
  requires operands<A, B>
constexpr auto maximum(A&& a, B&& b) {
  return apply<ops::maximum>(std::forward<A>(a), std::forward<B>(b));
}
/// The smaller operand, NaN when one is NaN; at a tie the gradient goes to the first.
template <class A, class B>
  requires operands<A, B>
constexpr auto minimum(A&& a, B&& b) {
  return apply<ops::minimum>(std::forward<A>(a), std::forward<B>(b));
}
/// a to the power b. The gradient of b is 0 where a <= 0.
template <class A, class B>
  requires operands<A, B>
constexpr auto pow(A&& a, B&& b) {
  return apply<ops::pow>(std::forward<A>(a), std::forward<B>(b));
}
/// (a - b) squared.
template <class A, class B>
  requires operands<A, B>
constexpr auto squared_difference(A&& a, B&& b) {
  return apply<ops::squared_difference>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
constexpr auto operator+(A&& a, B&& b) {
  return apply<ops::add>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
constexpr auto operator-(A&& a, B&& b) {
  return apply<ops::sub>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
constexpr auto operator*(A&& a, B&& b) {
  return apply<ops::mul>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
constexpr auto operator/(A&& a, B&& b) {
  return apply<ops::div>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
  requires operands<A, B>
constexpr auto operator%(A&& a, B&& b) {
  return apply<ops::floor_mod>(std::forward<A>(a), std::forward<B>(b));
}

}  // namespace rill

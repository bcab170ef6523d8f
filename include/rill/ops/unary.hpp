// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Element-wise ops of one operand: arithmetic, exponentials, trigonometry, activations, rounding, tests. Shape and dtype
/// are the operand's (tests give bool). Functions of real numbers take floating dtypes.
///
///   y = sigmoid(x);   z = relu(x * 2 + 1);

#include "forward.hpp"
#include "scalar.hpp"

namespace rill {
namespace ops {

/// -x.
struct neg : elementwise<1> {
  static constexpr auto name = "Neg";
  template <class V>
  static constexpr V eval(V x) {
    return static_cast<V>(-scalar::wrapping(x));
  }
  static constexpr auto vjp(auto dy, auto, auto) { return grads(-dy); }
};

/// |x|.
struct abs : elementwise<1> {
  static constexpr auto name = "Abs";
  template <class V>
  static constexpr V eval(V x) {
    using scalar::abs;
    return abs(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * rill::sign(x)); }
};

/// -1, 0 or 1; NaN for NaN.
struct sign : elementwise<1> {
  static constexpr auto name = "Sign";
  static constexpr int cost = 2;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::select;
    return select(x > V(0), V(1), select(x < V(0), V(static_cast<signed char>(-1)), x - x));
  }
  static constexpr auto vjp(auto, auto, auto x) { return grads(zeros_like(x)); }
};

/// x * x.
struct square : elementwise<1> {
  static constexpr auto name = "Square";
  template <class V>
  static constexpr V eval(V x) {
    return static_cast<V>(scalar::wrapping(x) * scalar::wrapping(x));
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * (2 * x)); }
};

/// The square root.
struct sqrt : elementwise<1> {
  static constexpr auto name = "Sqrt";
  static constexpr int cost = 10;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::sqrt;
    return sqrt(x);
  }
  static constexpr auto vjp(auto dy, auto y, auto) { return grads(dy / (2 * y)); }
};

/// 1 / sqrt(x).
struct rsqrt : elementwise<1> {
  static constexpr auto name = "Rsqrt";
  static constexpr int cost = 12;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::sqrt;
    return V(1) / sqrt(x);
  }
  static constexpr auto vjp(auto dy, auto y, auto x) { return grads(dy * (y / (-2 * x))); }
};

/// 1 / x.
struct reciprocal : elementwise<1> {
  static constexpr auto name = "Reciprocal";
  static constexpr int cost = 5;
  template <class V>
  static constexpr V eval(V x) {
    return V(1) / x;
  }
  static constexpr auto vjp(auto dy, auto y, auto) { return grads(-dy * (y * y)); }
};

/// e to the power x.
struct exp : elementwise<1> {
  static constexpr auto name = "Exp";
  static constexpr int cost = 15;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::exp;
    return exp(x);
  }
  static constexpr auto vjp(auto dy, auto y, auto) { return grads(dy * y); }
};

/// exp(x) - 1, exact near 0.
struct expm1 : elementwise<1> {
  static constexpr auto name = "Expm1";
  static constexpr int cost = 18;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::expm1;
    return expm1(x);
  }
  static constexpr auto vjp(auto dy, auto y, auto) { return grads(dy * (y + 1)); }
};

/// The natural logarithm; NaN below 0.
struct log : elementwise<1> {
  static constexpr auto name = "Log";
  static constexpr int cost = 18;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::log;
    return log(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy / x); }
};

/// log(1 + x), exact near 0.
struct log1p : elementwise<1> {
  static constexpr auto name = "Log1p";
  static constexpr int cost = 20;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::log1p;
    return log1p(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy / (1 + x)); }
};

/// Sine of radians.
struct sin : elementwise<1> {
  static constexpr auto name = "Sin";
  static constexpr int cost = 25;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::sin;
    return sin(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * rill::cos(x)); }
};

/// Cosine of radians.
struct cos : elementwise<1> {
  static constexpr auto name = "Cos";
  static constexpr int cost = 25;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::cos;
    return cos(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(-dy * rill::sin(x)); }
};

/// Hyperbolic tangent.
struct tanh : elementwise<1> {
  static constexpr auto name = "Tanh";
  static constexpr int cost = 20;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::tanh;
    return tanh(x);
  }
  static constexpr auto vjp(auto dy, auto y, auto) { return grads(dy * (1 - y * y)); }
};

/// 1 / (1 + exp(-x)).
struct sigmoid : elementwise<1> {
  static constexpr auto name = "Sigmoid";
  static constexpr int cost = 20;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::exp;
    return V(1) / (V(1) + exp(-x));
  }
  static constexpr auto vjp(auto dy, auto y, auto) { return grads(dy * (y * (1 - y))); }
};

/// max(x, 0); NaN for NaN. The gradient at 0 is 0.
struct relu : elementwise<1> {
  static constexpr auto name = "Relu";
  template <class V>
  static constexpr V eval(V x) {
    using scalar::larger;
    return larger(V(0), x);
  }
  static constexpr auto vjp(auto dy, auto y, auto) { return grads(rill::select(y > 0, dy, zeros_like(dy))); }
};

/// min(max(x, 0), 6).
struct relu6 : elementwise<1> {
  static constexpr auto name = "Relu6";
  static constexpr int cost = 2;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::larger;
    using scalar::select;
    return select(x > V(6), V(6), larger(V(0), x));
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(rill::select(x > 0 && x < 6, dy, zeros_like(dy))); }
};

/// x, or exp(x) - 1 below 0.
struct elu : elementwise<1> {
  static constexpr auto name = "Elu";
  static constexpr int cost = 20;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::exp;
    using scalar::select;
    return select(x < V(0), exp(x) - V(1), x);
  }
  static constexpr auto vjp(auto dy, auto y, auto x) { return grads(rill::select(x < 0, dy * (y + 1), dy)); }
};

/// log(1 + exp(x)), without overflow.
struct softplus : elementwise<1> {
  static constexpr auto name = "Softplus";
  static constexpr int cost = 35;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::abs;
    using scalar::exp;
    using scalar::larger;
    using scalar::log1p;
    return larger(V(0), x) + log1p(exp(-abs(x)));
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * rill::sigmoid(x)); }
};

/// x / (1 + |x|).
struct softsign : elementwise<1> {
  static constexpr auto name = "Softsign";
  static constexpr int cost = 6;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::abs;
    return x / (V(1) + abs(x));
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy / rill::square(1 + rill::abs(x))); }
};

/// The largest integer not above x.
struct floor : elementwise<1> {
  static constexpr auto name = "Floor";
  template <class V>
  static constexpr V eval(V x) {
    using scalar::floor;
    return floor(x);
  }
  static constexpr auto vjp(auto, auto, auto x) { return grads(zeros_like(x)); }
};

/// The smallest integer not below x.
struct ceil : elementwise<1> {
  static constexpr auto name = "Ceil";
  template <class V>
  static constexpr V eval(V x) {
    using scalar::ceil;
    return ceil(x);
  }
  static constexpr auto vjp(auto, auto, auto x) { return grads(zeros_like(x)); }
};

/// The nearest integer, halves to the even one.
struct round : elementwise<1> {
  static constexpr auto name = "Round";
  template <class V>
  static constexpr V eval(V x) {
    using scalar::round_even;
    return round_even(x);
  }
  static constexpr auto vjp(auto, auto, auto x) { return grads(zeros_like(x)); }
};

/// The error function.
struct erf : elementwise<1> {
  static constexpr auto name = "Erf";
  static constexpr int cost = 40;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::erf;
    return erf(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * (1.1283791670955126 * rill::exp(-rill::square(x)))); }
};

/// not x.
struct logical_not : elementwise<1> {
  static constexpr auto name = "LogicalNot";
  template <class...>
  using result = bool;
  template <class V>
  static constexpr auto eval(V x) {
    using scalar::logical_not;
    return logical_not(x);
  }
};

/// Whether x is NaN.
struct is_nan : elementwise<1> {
  static constexpr auto name = "IsNan";
  template <class...>
  using result = bool;
  template <class V>
  static constexpr auto eval(V x) {
    using scalar::is_nan;
    return is_nan(x);
  }
};

/// Whether x is infinite.
struct is_inf : elementwise<1> {
  static constexpr auto name = "IsInf";
  template <class...>
  using result = bool;
  template <class V>
  static constexpr auto eval(V x) {
    using scalar::is_inf;
    return is_inf(x);
  }
};

/// Whether x is neither infinite nor NaN.
struct is_finite : elementwise<1> {
  static constexpr auto name = "IsFinite";
  template <class...>
  using result = bool;
  template <class V>
  static constexpr auto eval(V x) {
    using scalar::is_finite;
    return is_finite(x);
  }
};

}  // namespace ops

/// -x.
template <class A>
  requires operands<A>
constexpr auto negative(A&& x) {
  return apply<ops::neg>(std::forward<A>(x));
}
/// |x|.
template <class A>
  requires operands<A>
constexpr auto abs(A&& x) {
  return apply<ops::abs>(std::forward<A>(x));
}
/// -1, 0 or 1; NaN for NaN.
template <class A>
  requires operands<A>
constexpr auto sign(A&& x) {
  return apply<ops::sign>(std::forward<A>(x));
}
/// x * x.
template <class A>
  requires operands<A>
constexpr auto square(A&& x) {
  return apply<ops::square>(std::forward<A>(x));
}
/// The square root.
template <class A>
  requires operands<A>
constexpr auto sqrt(A&& x) {
  return apply<ops::sqrt>(std::forward<A>(x));
}
/// 1 / sqrt(x).
template <class A>
  requires operands<A>
constexpr auto rsqrt(A&& x) {
  return apply<ops::rsqrt>(std::forward<A>(x));
}
/// 1 / x.
template <class A>
  requires operands<A>
constexpr auto reciprocal(A&& x) {
  return apply<ops::reciprocal>(std::forward<A>(x));
}
/// e to the power x.
template <class A>
  requires operands<A>
constexpr auto exp(A&& x) {
  return apply<ops::exp>(std::forward<A>(x));
}
/// exp(x) - 1, exact near 0.
template <class A>
  requires operands<A>
constexpr auto expm1(A&& x) {
  return apply<ops::expm1>(std::forward<A>(x));
}
/// The natural logarithm; NaN below 0.
template <class A>
  requires operands<A>
constexpr auto log(A&& x) {
  return apply<ops::log>(std::forward<A>(x));
}
/// log(1 + x), exact near 0.
template <class A>
  requires operands<A>
constexpr auto log1p(A&& x) {
  return apply<ops::log1p>(std::forward<A>(x));
}
/// Sine of radians.
template <class A>
  requires operands<A>
constexpr auto sin(A&& x) {
  return apply<ops::sin>(std::forward<A>(x));
}
/// Cosine of radians.
template <class A>
  requires operands<A>
constexpr auto cos(A&& x) {
  return apply<ops::cos>(std::forward<A>(x));
}
/// Hyperbolic tangent.
template <class A>
  requires operands<A>
constexpr auto tanh(A&& x) {
  return apply<ops::tanh>(std::forward<A>(x));
}
/// 1 / (1 + exp(-x)).
template <class A>
  requires operands<A>
constexpr auto sigmoid(A&& x) {
  return apply<ops::sigmoid>(std::forward<A>(x));
}
/// max(x, 0); NaN for NaN. The gradient at 0 is 0.
template <class A>
  requires operands<A>
constexpr auto relu(A&& x) {
  return apply<ops::relu>(std::forward<A>(x));
}
/// min(max(x, 0), 6).
template <class A>
  requires operands<A>
constexpr auto relu6(A&& x) {
  return apply<ops::relu6>(std::forward<A>(x));
}
/// x, or exp(x) - 1 below 0.
template <class A>
  requires operands<A>
constexpr auto elu(A&& x) {
  return apply<ops::elu>(std::forward<A>(x));
}
/// log(1 + exp(x)), without overflow.
template <class A>
  requires operands<A>
constexpr auto softplus(A&& x) {
  return apply<ops::softplus>(std::forward<A>(x));
}
/// x / (1 + |x|).
template <class A>
  requires operands<A>
constexpr auto softsign(A&& x) {
  return apply<ops::softsign>(std::forward<A>(x));
}
/// The largest integer not above x.
template <class A>
  requires operands<A>
constexpr auto floor(A&& x) {
  return apply<ops::floor>(std::forward<A>(x));
}
/// The smallest integer not below x.
template <class A>
  requires operands<A>
constexpr auto ceil(A&& x) {
  return apply<ops::ceil>(std::forward<A>(x));
}
/// The nearest integer, halves to the even one.
template <class A>
  requires operands<A>
constexpr auto round(A&& x) {
  return apply<ops::round>(std::forward<A>(x));
}
/// The error function.
template <class A>
  requires operands<A>
constexpr auto erf(A&& x) {
  return apply<ops::erf>(std::forward<A>(x));
}
/// not x.
template <class A>
  requires operands<A>
constexpr auto logical_not(A&& x) {
  return apply<ops::logical_not>(std::forward<A>(x));
}
/// Whether x is NaN.
template <class A>
  requires operands<A>
constexpr auto is_nan(A&& x) {
  return apply<ops::is_nan>(std::forward<A>(x));
}
/// Whether x is infinite.
template <class A>
  requires operands<A>
constexpr auto is_inf(A&& x) {
  return apply<ops::is_inf>(std::forward<A>(x));
}
/// Whether x is neither infinite nor NaN.
template <class A>
  requires operands<A>
constexpr auto is_finite(A&& x) {
  return apply<ops::is_finite>(std::forward<A>(x));
}
template <class A>
  requires operands<A>
constexpr auto operator-(A&& x) {
  return apply<ops::neg>(std::forward<A>(x));
}
template <class A>
  requires operands<A>
constexpr auto operator!(A&& x) {
  return apply<ops::logical_not>(std::forward<A>(x));
}

}  // namespace rill

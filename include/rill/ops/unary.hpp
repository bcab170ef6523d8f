// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Element-wise ops of one operand: arithmetic, exponentials, trigonometry, activations, rounding, bits, tests. Shape and
/// dtype are the operand's (tests give bool). Functions of real numbers take floating dtypes, those of bits integers.
///
///   y = sigmoid(x);   z = relu(x * 2 + 1);

#include "scalar_functions.hpp"
#include "forward.hpp"
#include "scalar.hpp"

namespace rill {
namespace ops {

/// -x.
struct neg : elementwise<1> {
  static constexpr auto name = "Neg";
  static constexpr unsigned accepts = types::numbers;
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
  static constexpr unsigned accepts = types::numbers;
  template <class V>
  static constexpr V eval(V x) {
    return static_cast<V>(scalar::wrapping(x) * scalar::wrapping(x));
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * (2 * x)); }
};

/// The square root.
struct sqrt : elementwise<1> {
  static constexpr auto name = "Sqrt";
  static constexpr unsigned accepts = types::floats_or_complexes;
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
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 12;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::rsqrt;
    return rsqrt(x);
  }
  static constexpr auto vjp(auto dy, auto y, auto x) { return grads(dy * (y / (-2 * x))); }
};

/// 1 / x; of integers cut towards zero, and 0 for 0.
struct reciprocal : elementwise<1> {
  static constexpr auto name = "Reciprocal";
  static constexpr unsigned accepts = types::numbers;
  static constexpr int cost = 5;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::divide;
    return divide(V(1), x);
  }
  static constexpr auto vjp(auto dy, auto y, auto) { return grads(-dy * (y * y)); }
};

/// e to the power x.
struct exp : elementwise<1> {
  static constexpr auto name = "Exp";
  static constexpr unsigned accepts = types::floats_or_complexes;
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
  static constexpr unsigned accepts = types::floats;
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
  static constexpr unsigned accepts = types::floats_or_complexes;
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
  static constexpr unsigned accepts = types::floats;
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
  static constexpr unsigned accepts = types::floats_or_complexes;
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
  static constexpr unsigned accepts = types::floats_or_complexes;
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
  static constexpr unsigned accepts = types::floats_or_complexes;
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
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 20;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::sigmoid;
    return sigmoid(x);
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
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 20;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::expm1;
    using scalar::select;
    return select(x < V(0), expm1(x), x);
  }
  static constexpr auto vjp(auto dy, auto y, auto x) { return grads(rill::select(x < 0, dy * (y + 1), dy)); }
};

/// log(1 + exp(x)), without overflow.
struct softplus : elementwise<1> {
  static constexpr auto name = "Softplus";
  static constexpr unsigned accepts = types::floats;
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
  static constexpr unsigned accepts = types::floats;
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
  static constexpr unsigned accepts = types::floats;
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
  static constexpr unsigned accepts = types::floats;
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
  static constexpr unsigned accepts = types::floats;
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
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 40;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::erf;
    return erf(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * (1.1283791670955126 * rill::exp(-rill::square(x)))); }
};

/// 2 to the power x.
struct exp2 : elementwise<1> {
  static constexpr auto name = "Exp2";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 15;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::exp2;
    return exp2(x);
  }
  static constexpr auto vjp(auto dy, auto y, auto) { return grads(dy * (y * 0.6931471805599453)); }
};

/// The logarithm to base 2; NaN below 0.
struct log2 : elementwise<1> {
  static constexpr auto name = "Log2";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 18;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::log2;
    return log2(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy / (x * 0.6931471805599453)); }
};

/// The logarithm to base 10; NaN below 0.
struct log10 : elementwise<1> {
  static constexpr auto name = "Log10";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 18;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::log10;
    return log10(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy / (x * 2.302585092994046)); }
};

/// The cube root, of negative numbers too.
struct cbrt : elementwise<1> {
  static constexpr auto name = "Cbrt";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 40;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::cbrt;
    return cbrt(x);
  }
  static constexpr auto vjp(auto dy, auto y, auto) { return grads(dy / (3 * (y * y))); }
};

/// Tangent of radians.
struct tan : elementwise<1> {
  static constexpr auto name = "Tan";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 50;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::tan;
    return tan(x);
  }
  static constexpr auto vjp(auto dy, auto y, auto) { return grads(dy * (1 + y * y)); }
};

/// Arc sine, in [-pi/2, pi/2]; NaN outside [-1, 1].
struct asin : elementwise<1> {
  static constexpr auto name = "Asin";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 50;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::asin;
    return asin(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * rill::rsqrt(1 - x * x)); }
};

/// Arc cosine, in [0, pi]; NaN outside [-1, 1].
struct acos : elementwise<1> {
  static constexpr auto name = "Acos";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 50;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::acos;
    return acos(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(-dy * rill::rsqrt(1 - x * x)); }
};

/// Arc tangent, in [-pi/2, pi/2].
struct atan : elementwise<1> {
  static constexpr auto name = "Atan";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 50;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::atan;
    return atan(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy / (1 + x * x)); }
};

/// Hyperbolic sine.
struct sinh : elementwise<1> {
  static constexpr auto name = "Sinh";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 50;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::sinh;
    return sinh(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * rill::cosh(x)); }
};

/// Hyperbolic cosine.
struct cosh : elementwise<1> {
  static constexpr auto name = "Cosh";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 50;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::cosh;
    return cosh(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * rill::sinh(x)); }
};

/// Inverse hyperbolic sine.
struct asinh : elementwise<1> {
  static constexpr auto name = "Asinh";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 60;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::asinh;
    return asinh(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * rill::rsqrt(1 + x * x)); }
};

/// Inverse hyperbolic cosine, not negative; NaN below 1.
struct acosh : elementwise<1> {
  static constexpr auto name = "Acosh";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 60;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::acosh;
    return acosh(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * rill::rsqrt((x - 1) * (x + 1))); }
};

/// Inverse hyperbolic tangent; NaN outside [-1, 1].
struct atanh : elementwise<1> {
  static constexpr auto name = "Atanh";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 60;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::atanh;
    return atanh(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy / ((1 - x) * (1 + x))); }
};

/// 1 - erf(x), exact where that is small.
struct erfc : elementwise<1> {
  static constexpr auto name = "Erfc";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 60;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::lanewise;
    return lanewise([](auto v) { return scalar::erfc(v); }, x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) { return grads(dy * (-1.1283791670955126 * rill::exp(-rill::square(x)))); }
};

/// The nearest integer, halves to the even one: what `round` is too.
struct rint : round {
  static constexpr auto name = "Rint";
  static constexpr unsigned accepts = types::floats;
};

/// The integer part: x cut towards zero.
struct trunc : elementwise<1> {
  static constexpr auto name = "Trunc";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 2;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::ceil;
    using scalar::floor;
    using scalar::select;
    return select(x < V(0), ceil(x), floor(x));
  }
  static constexpr auto vjp(auto, auto, auto x) { return grads(zeros_like(x)); }
};

/// 1.0507 times x, or 1.0507 * 1.67326 * (exp(x) - 1) below 0: activations that normalise themselves
/// (Klambauer et al. 2017, arXiv:1706.02515, eq. 2).
struct selu : elementwise<1> {
  static constexpr auto name = "Selu";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 22;
  static constexpr double scale = 1.0507009873554804934193349852946;
  static constexpr double slope = scale * 1.6732632423543772848170429916717;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::expm1;
    using scalar::select;
    return select(x < V(0), V(slope) * expm1(x), V(scale) * x);
  }
  static constexpr auto vjp(auto dy, auto y, auto x) {
    return grads(rill::select(x < 0, dy * (y + slope), dy * scale));
  }
};

/// The bits of an integer inverted; not x for bool.
struct invert : elementwise<1> {
  static constexpr auto name = "Invert";
  static constexpr unsigned accepts = types::integers | types::booleans;
  template <class V>
  static constexpr V eval(V x) {
    if constexpr (std::is_same_v<V, bool>) return !x;
    else return static_cast<V>(~x);
  }
};

/// How many bits of an integer are set, in its own dtype.
struct population_count : elementwise<1> {
  static constexpr auto name = "PopulationCount";
  static constexpr unsigned accepts = types::integers;
  static constexpr bool counts_bits = true;  ///< the width of the type matters
  static constexpr int cost = 4;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::lanewise;
    return lanewise([](auto v) { return scalar::population_count(v); }, x);
  }
};

/// How many bits above the highest one that is set are zero, in the integer's own dtype.
struct count_leading_zeros : elementwise<1> {
  static constexpr auto name = "Clz";
  static constexpr unsigned accepts = types::integers;
  static constexpr bool counts_bits = true;  ///< the width of the type matters
  static constexpr int cost = 4;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::lanewise;
    return lanewise([](auto v) { return scalar::count_leading_zeros(v); }, x);
  }
};

/// not x.
struct logical_not : elementwise<1> {
  static constexpr auto name = "LogicalNot";
  static constexpr unsigned accepts = types::booleans;
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
  static constexpr unsigned accepts = types::floats;
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
  static constexpr unsigned accepts = types::floats;
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
  static constexpr unsigned accepts = types::floats;
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
constexpr applied_t<ops::neg, A> negative(A&& x) {
  return apply<ops::neg>(std::forward<A>(x));
}
/// |x|.
template <class A>
  requires operands<A>
constexpr applied_t<ops::abs, A> abs(A&& x) {
  return apply<ops::abs>(std::forward<A>(x));
}
/// -1, 0 or 1; NaN for NaN.
template <class A>
  requires operands<A>
constexpr applied_t<ops::sign, A> sign(A&& x) {
  return apply<ops::sign>(std::forward<A>(x));
}
/// x * x.
template <class A>
  requires operands<A>
constexpr applied_t<ops::square, A> square(A&& x) {
  return apply<ops::square>(std::forward<A>(x));
}
/// The square root.
template <class A>
  requires operands<A>
constexpr applied_t<ops::sqrt, A> sqrt(A&& x) {
  return apply<ops::sqrt>(std::forward<A>(x));
}
/// 1 / sqrt(x).
template <class A>
  requires operands<A>
constexpr applied_t<ops::rsqrt, A> rsqrt(A&& x) {
  return apply<ops::rsqrt>(std::forward<A>(x));
}
/// 1 / x; of integers cut towards zero, and 0 for 0.
template <class A>
  requires operands<A>
constexpr applied_t<ops::reciprocal, A> reciprocal(A&& x) {
  return apply<ops::reciprocal>(std::forward<A>(x));
}
/// e to the power x.
template <class A>
  requires operands<A>
constexpr applied_t<ops::exp, A> exp(A&& x) {
  return apply<ops::exp>(std::forward<A>(x));
}
/// exp(x) - 1, exact near 0.
template <class A>
  requires operands<A>
constexpr applied_t<ops::expm1, A> expm1(A&& x) {
  return apply<ops::expm1>(std::forward<A>(x));
}
/// The natural logarithm; NaN below 0.
template <class A>
  requires operands<A>
constexpr applied_t<ops::log, A> log(A&& x) {
  return apply<ops::log>(std::forward<A>(x));
}
/// log(1 + x), exact near 0.
template <class A>
  requires operands<A>
constexpr applied_t<ops::log1p, A> log1p(A&& x) {
  return apply<ops::log1p>(std::forward<A>(x));
}
/// Sine of radians.
template <class A>
  requires operands<A>
constexpr applied_t<ops::sin, A> sin(A&& x) {
  return apply<ops::sin>(std::forward<A>(x));
}
/// Cosine of radians.
template <class A>
  requires operands<A>
constexpr applied_t<ops::cos, A> cos(A&& x) {
  return apply<ops::cos>(std::forward<A>(x));
}
/// Hyperbolic tangent.
template <class A>
  requires operands<A>
constexpr applied_t<ops::tanh, A> tanh(A&& x) {
  return apply<ops::tanh>(std::forward<A>(x));
}
/// 1 / (1 + exp(-x)).
template <class A>
  requires operands<A>
constexpr applied_t<ops::sigmoid, A> sigmoid(A&& x) {
  return apply<ops::sigmoid>(std::forward<A>(x));
}
/// max(x, 0); NaN for NaN. The gradient at 0 is 0.
template <class A>
  requires operands<A>
constexpr applied_t<ops::relu, A> relu(A&& x) {
  return apply<ops::relu>(std::forward<A>(x));
}
/// min(max(x, 0), 6).
template <class A>
  requires operands<A>
constexpr applied_t<ops::relu6, A> relu6(A&& x) {
  return apply<ops::relu6>(std::forward<A>(x));
}
/// x, or exp(x) - 1 below 0.
template <class A>
  requires operands<A>
constexpr applied_t<ops::elu, A> elu(A&& x) {
  return apply<ops::elu>(std::forward<A>(x));
}
/// log(1 + exp(x)), without overflow.
template <class A>
  requires operands<A>
constexpr applied_t<ops::softplus, A> softplus(A&& x) {
  return apply<ops::softplus>(std::forward<A>(x));
}
/// x / (1 + |x|).
template <class A>
  requires operands<A>
constexpr applied_t<ops::softsign, A> softsign(A&& x) {
  return apply<ops::softsign>(std::forward<A>(x));
}
/// The largest integer not above x.
template <class A>
  requires operands<A>
constexpr applied_t<ops::floor, A> floor(A&& x) {
  return apply<ops::floor>(std::forward<A>(x));
}
/// The smallest integer not below x.
template <class A>
  requires operands<A>
constexpr applied_t<ops::ceil, A> ceil(A&& x) {
  return apply<ops::ceil>(std::forward<A>(x));
}
/// The nearest integer, halves to the even one.
template <class A>
  requires operands<A>
constexpr applied_t<ops::round, A> round(A&& x) {
  return apply<ops::round>(std::forward<A>(x));
}
/// The error function.
template <class A>
  requires operands<A>
constexpr applied_t<ops::erf, A> erf(A&& x) {
  return apply<ops::erf>(std::forward<A>(x));
}
/// 2 to the power x.
template <class A>
  requires operands<A>
constexpr applied_t<ops::exp2, A> exp2(A&& x) {
  return apply<ops::exp2>(std::forward<A>(x));
}
/// The logarithm to base 2; NaN below 0.
template <class A>
  requires operands<A>
constexpr applied_t<ops::log2, A> log2(A&& x) {
  return apply<ops::log2>(std::forward<A>(x));
}
/// The logarithm to base 10; NaN below 0.
template <class A>
  requires operands<A>
constexpr applied_t<ops::log10, A> log10(A&& x) {
  return apply<ops::log10>(std::forward<A>(x));
}
/// The cube root, of negative numbers too.
template <class A>
  requires operands<A>
constexpr applied_t<ops::cbrt, A> cbrt(A&& x) {
  return apply<ops::cbrt>(std::forward<A>(x));
}
/// Tangent of radians.
template <class A>
  requires operands<A>
constexpr applied_t<ops::tan, A> tan(A&& x) {
  return apply<ops::tan>(std::forward<A>(x));
}
/// Arc sine, in [-pi/2, pi/2]; NaN outside [-1, 1].
template <class A>
  requires operands<A>
constexpr applied_t<ops::asin, A> asin(A&& x) {
  return apply<ops::asin>(std::forward<A>(x));
}
/// Arc cosine, in [0, pi]; NaN outside [-1, 1].
template <class A>
  requires operands<A>
constexpr applied_t<ops::acos, A> acos(A&& x) {
  return apply<ops::acos>(std::forward<A>(x));
}
/// Arc tangent, in [-pi/2, pi/2].
template <class A>
  requires operands<A>
constexpr applied_t<ops::atan, A> atan(A&& x) {
  return apply<ops::atan>(std::forward<A>(x));
}
/// Hyperbolic sine.
template <class A>
  requires operands<A>
constexpr applied_t<ops::sinh, A> sinh(A&& x) {
  return apply<ops::sinh>(std::forward<A>(x));
}
/// Hyperbolic cosine.
template <class A>
  requires operands<A>
constexpr applied_t<ops::cosh, A> cosh(A&& x) {
  return apply<ops::cosh>(std::forward<A>(x));
}
/// Inverse hyperbolic sine.
template <class A>
  requires operands<A>
constexpr applied_t<ops::asinh, A> asinh(A&& x) {
  return apply<ops::asinh>(std::forward<A>(x));
}
/// Inverse hyperbolic cosine, not negative; NaN below 1.
template <class A>
  requires operands<A>
constexpr applied_t<ops::acosh, A> acosh(A&& x) {
  return apply<ops::acosh>(std::forward<A>(x));
}
/// Inverse hyperbolic tangent; NaN outside [-1, 1].
template <class A>
  requires operands<A>
constexpr applied_t<ops::atanh, A> atanh(A&& x) {
  return apply<ops::atanh>(std::forward<A>(x));
}
/// 1 - erf(x), exact where that is small.
template <class A>
  requires operands<A>
constexpr applied_t<ops::erfc, A> erfc(A&& x) {
  return apply<ops::erfc>(std::forward<A>(x));
}
/// The nearest integer, halves to the even one.
template <class A>
  requires operands<A>
constexpr applied_t<ops::rint, A> rint(A&& x) {
  return apply<ops::rint>(std::forward<A>(x));
}
/// The integer part: x cut towards zero.
template <class A>
  requires operands<A>
constexpr applied_t<ops::trunc, A> trunc(A&& x) {
  return apply<ops::trunc>(std::forward<A>(x));
}
/// The self-normalising activation: 1.0507 times x, or times 1.67326 * (exp(x) - 1) below 0.
template <class A>
  requires operands<A>
constexpr applied_t<ops::selu, A> selu(A&& x) {
  return apply<ops::selu>(std::forward<A>(x));
}
/// The bits of an integer inverted; not x for bool.
template <class A>
  requires operands<A>
constexpr applied_t<ops::invert, A> invert(A&& x) {
  return apply<ops::invert>(std::forward<A>(x));
}
/// How many bits of an integer are set, as uint8 (TensorFlow's; XLA's is the op, in the integer's own dtype).
template <class A>
  requires operands<A>
constexpr applied_t<ops::cast<std::uint8_t>, applied_t<ops::population_count, A>> population_count(A&& x) {
  return apply<ops::cast<std::uint8_t>>(apply<ops::population_count>(std::forward<A>(x)));
}
/// How many bits above the highest set one are zero, in the integer's own dtype.
template <class A>
  requires operands<A>
constexpr applied_t<ops::count_leading_zeros, A> count_leading_zeros(A&& x) {
  return apply<ops::count_leading_zeros>(std::forward<A>(x));
}
/// x where it is positive, alpha * x elsewhere.
template <class A>
  requires operands<A>
constexpr auto leaky_relu(A&& x, double alpha = 0.2) {
  return rill::select(x > 0, x, x * alpha);
}
/// x * sigmoid(x) (Ramachandran et al. 2017, arXiv:1710.05941).
template <class A>
  requires operands<A>
constexpr auto swish(A&& x) {
  return x * rill::sigmoid(x);
}
/// log(sigmoid(x)), without overflow.
template <class A>
  requires operands<A>
constexpr auto log_sigmoid(A&& x) {
  return -rill::softplus(-x);
}
/// log(x / (1 - x)), the inverse of sigmoid.
template <class A>
  requires operands<A>
constexpr auto logit(A&& x) {
  return rill::log(x / (1 - x));
}
/// not x.
template <class A>
  requires operands<A>
constexpr applied_t<ops::logical_not, A> logical_not(A&& x) {
  return apply<ops::logical_not>(std::forward<A>(x));
}
/// Whether x is NaN.
template <class A>
  requires operands<A>
constexpr applied_t<ops::is_nan, A> is_nan(A&& x) {
  return apply<ops::is_nan>(std::forward<A>(x));
}
/// Whether x is infinite.
template <class A>
  requires operands<A>
constexpr applied_t<ops::is_inf, A> is_inf(A&& x) {
  return apply<ops::is_inf>(std::forward<A>(x));
}
/// Whether x is neither infinite nor NaN.
template <class A>
  requires operands<A>
constexpr applied_t<ops::is_finite, A> is_finite(A&& x) {
  return apply<ops::is_finite>(std::forward<A>(x));
}
template <class A>
  requires operands<A>
constexpr applied_t<ops::neg, A> operator-(A&& x) {
  return apply<ops::neg>(std::forward<A>(x));
}
template <class A>
  requires operands<A>
constexpr applied_t<ops::logical_not, A> operator!(A&& x) {
  return apply<ops::logical_not>(std::forward<A>(x));
}
template <class A>
  requires operands<A>
constexpr applied_t<ops::invert, A> operator~(A&& x) {
  return apply<ops::invert>(std::forward<A>(x));
}

}  // namespace rill

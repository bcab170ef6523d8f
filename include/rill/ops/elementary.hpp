// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// exp, exp2, expm1, log, log1p, sin, cos, tanh, sigmoid and erf in float, written once for a number and for a register of numbers: the
/// same operations in the same order, so that a value has the same bits wherever it stands. `lane_ops<V>` says how V does
/// each operation; the register's is in kernel/simd_math.hpp. Where the target has no fused multiply-add, `mad` rounds
/// twice, for numbers and registers alike.
///
/// exp, expm1, log reduce their argument as Cody and Waite 1980 ("Software Manual for the Elementary Functions") do, and
/// use a polynomial; tanh and erf are polynomials on 16 intervals. The coefficients are printed
/// by tests/oracle/elementary_tables.py. Largest errors are measured by tests/ops/accuracy_test.cpp.
///
///   float y = elementary::exp(0.5f);

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace rill::elementary {

template <class V>
struct lane_ops;

template <>
struct lane_ops<float> {
  using ints = std::int32_t;
  /// Whether scale() is one instruction that takes any exponent; then bound(r) is r, made small where it is not, in one.
  static constexpr bool scales = false;
  static float mad(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__CUDACC__)
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
  }
  /// The smaller (larger) one; the second when they do not compare.
  static float min(float a, float b) { return a < b ? a : b; }
  static float max(float a, float b) { return a > b ? a : b; }
  static ints bits(float x) { return std::bit_cast<ints>(x); }
  static float number(ints i) { return std::bit_cast<float>(i); }
  static float convert(ints i) { return static_cast<float>(i); }
  static ints set(std::int32_t i) { return i; }
  static ints add(ints a, ints b) { return static_cast<ints>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b)); }
  static ints sub(ints a, ints b) { return static_cast<ints>(static_cast<std::uint32_t>(a) - static_cast<std::uint32_t>(b)); }
  template <int N>
  static ints up(ints a) {
    return static_cast<ints>(static_cast<std::uint32_t>(a) << N);
  }
  template <int N>
  static ints down(ints a) {
    return a >> N;
  }
  static ints both(ints a, ints b) { return a & b; }
  static float abs(float x) { return number(bits(x) & 0x7FFFFFFF); }
  static float minus_abs(float x) { return number(bits(x) | std::numeric_limits<ints>::min()); }
  /// y, not negative, with the sign of x.
  static float with_sign(float y, float x) { return number(bits(y) | (bits(x) & std::numeric_limits<ints>::min())); }
  static bool less(float a, float b) { return a < b; }
  static float select(bool c, float a, float b) { return c ? a : b; }
  static float look_up(const float* table, ints i) { return table[i & 15]; }
  /// f of x in double, rounded.
  template <class F>
  static float widened(float x, const F& f) {
    return static_cast<float>(f(static_cast<double>(x)));
  }
  /// f(x) where x is not inside (low, high), y elsewhere.
  template <class F>
  static float patch(float x, float low, float high, float y, const F& f) {
    return x > low && x < high ? y : f(x);
  }
};

template <>
struct lane_ops<double> {
  static double mad(double a, double b, double c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__CUDACC__)
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
  }
  static double nearest(double x) { return std::nearbyint(x); }
  static double floor(double x) { return std::floor(x); }
  static double select_equal(double a, double b, double equal, double other) { return a == b ? equal : other; }
};

namespace detail {

inline constexpr float round_to_integer = 12582912.0F;  // 1.5 * 2^23: adding it leaves the integer in the low bits

/// p * 2^n, rounded once, for |n| <= 252; t = n + round_to_integer.
template <class V>
[[gnu::always_inline]] inline V scale(V p, [[maybe_unused]] V n, [[maybe_unused]] V t) {
  using o = lane_ops<V>;
  if constexpr (o::scales) return o::scale(p, n);
  else {
    const auto whole = o::sub(o::bits(t), o::set(std::bit_cast<std::int32_t>(round_to_integer)));
    const auto half = o::template down<1>(whole);
    const auto one = o::set(127);
    return p * o::number(o::template up<23>(o::add(half, one))) * o::number(o::template up<23>(o::add(o::sub(whole, half), one)));
  }
}

/// (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2.
template <class V>
[[gnu::always_inline]] inline V exp_tail(V r) {
  using o = lane_ops<V>;
  V q = V(0.00139366009F);
  q = o::mad(q, r, V(0.00836993195F));
  q = o::mad(q, r, V(0.0416664481F));
  q = o::mad(q, r, V(0.166665092F));
  q = o::mad(q, r, V(0.5F));
  return q;
}

/// x = n log(2) + r.
template <class V>
struct reduced {
  V t, n, r;
};
template <class V>
[[gnu::always_inline]] inline reduced<V> reduce(V x) {
  using o = lane_ops<V>;
  reduced<V> s;
  s.t = o::mad(x, V(1.44269504F), V(round_to_integer));
  s.n = s.t - V(round_to_integer);
  s.r = o::mad(s.n, V(-0.693359375F), x);  // exact: the constant has ten bits
  s.r = o::mad(s.n, V(2.12194440E-4F), s.r);
  return s;
}
/// The same for exp, where any x may come: if exp(x) is infinite or 0, n says so and r is some number near 0.
template <class V>
[[gnu::always_inline]] inline reduced<V> reduce_any(V x) {
  using o = lane_ops<V>;
  if constexpr (o::scales) {
    auto s = reduce(x);
    s.r = o::bound(s.r);
    return s;
  } else return reduce(o::max(V(-104.0F), o::min(V(89.0F), x)));
}

/// log(m) for m = 1 + f in [2/3, 4/3], plus e log(2).
template <class V>
[[gnu::always_inline]] inline V log_of(V f, V e) {
  using o = lane_ops<V>;
  V q = V(-0.128600299F);
  q = o::mad(q, f, V(0.14011097F));
  q = o::mad(q, f, V(-0.121921763F));
  q = o::mad(q, f, V(0.13999708F));
  q = o::mad(q, f, V(-0.166798532F));
  q = o::mad(q, f, V(0.200108513F));
  q = o::mad(q, f, V(-0.249998137F));
  q = o::mad(q, f, V(0.333332062F));
  q = o::mad(q, f, V(-0.5F));
  return o::mad(e, V(0.693147180559945F), o::mad(f * f, q, f));
}

/// Sixteen polynomials: rows of their coefficients from degree 0 on, an element for each piece of the argument.
template <int Degree>
struct piecewise {
  alignas(64) float rows[static_cast<std::size_t>(Degree) + 1][16];
};

/// The polynomial of a piece at t, with `start` for its constant term.
template <int Degree, class I, class V>
[[gnu::always_inline]] inline V evaluate(const piecewise<Degree>& p, I piece, V t, V start) {
  using o = lane_ops<V>;
  V q = o::look_up(p.rows[Degree], piece);
#ifndef __CUDACC__
#pragma GCC unroll 8
#endif
  for (int k = Degree - 1; k > 0; --k) q = o::mad(q, t, o::look_up(p.rows[k], piece));
  return o::mad(q, t, start);
}

/// Pieces of |x|: four to an octave of |x| + 0.75.
alignas(64) inline constexpr float tanh_middles[16] = {
     1.50000668F, 2.00003886F, 2.50000405F, 2.99995446F, 3.75000477F, 4.75008345F, 5.74986744F, 6.75000048F,
     8.25286102F, 0.0F, 0.0F, 0.187501088F, 0.375000685F, 0.624986887F, 0.875001848F, 1.12500918F
};
inline constexpr piecewise<5> tanh_pieces = {{
    {0.90514946F, 0.964030325F, 0.986614406F, 0.995054305F, 0.998894453F, 0.999850333F, 0.999979734F, 0.999997258F,
     0.999999881F, 0.0F, 0.0F, 0.18533425F, 0.358357996F, 0.554590642F, 0.703906536F, 0.809304237F},
    {0.180704266F, 0.0706455112F, 0.0265920162F, 0.00986693334F, 0.00220991764F, 0.000299319276F, 4.05311803e-05F,
     5.48393837e-06F, 2.72222735e-07F, 0.0F, 1.0F, 0.965651214F, 0.871579707F, 0.692429245F, 0.504515588F,
     0.345026642F},
    {-0.163576841F, -0.068104215F, -0.0262348522F, -0.00981750712F, -0.00220476789F, -0.000298899395F,
     -4.04753191e-05F, -5.47852687e-06F, -3.31686778e-07F, 0.0F, 3.02525393e-07F, -0.178967848F, -0.312330157F,
     -0.384012163F, -0.355133206F, -0.279233545F},
    {0.0878343508F, 0.0421086289F, 0.0170205906F, 0.00648031523F, 0.00146689522F, 0.000199239017F, 2.6990183e-05F,
     3.65194705e-06F, 1.75863207e-07F, 0.0F, -0.333355129F, -0.28871417F, -0.178639367F, -0.0178489964F,
     0.0818067417F, 0.110976979F},
    {-0.0243374109F, -0.0179017093F, -0.00811025407F, -0.00320835272F, -0.00076474587F, -0.000104382772F,
     -1.41625405e-05F, -1.90990772e-06F, -5.59243993e-08F, 0.0F, 0.000465448567F, 0.112839676F, 0.166602701F,
     0.137371168F, 0.061078459F, 0.00367244775F},
    {-0.0031594669F, 0.00470707146F, 0.00286604627F, 0.0012285664F, 0.00030140896F, 4.15040049e-05F,
     5.62966443e-06F, 7.62158322e-07F, 4.44741524e-08F, 0.0F, 0.130017534F, 0.0965752825F, 0.0209724363F,
     -0.0541190952F, -0.0586204603F, -0.0321405903F},
}};

/// Pieces of |x|: those nearest to 0, 1, ..., 15 times 0.265625.
inline constexpr piecewise<5> erf_pieces = {{
    {0.0F, 0.292823255F, 0.547528446F, 0.740236998F, 0.867058277F, 0.939653337F, 0.975797713F, 0.99145031F,
     0.997345984F, 0.999277413F, 0.999827683F, 0.999964058F, 0.999993443F, 0.999998987F, 0.999999881F, 1.0F},
    {1.12837923F, 1.05150867F, 0.850914061F, 0.597962439F, 0.364902973F, 0.193373144F, 0.0889877751F, 0.0355615057F,
     0.0123408781F, 0.00371903973F, 0.000973297108F, 0.000221230614F, 4.37058516e-05F, 7.53858785e-06F,
     1.17179422e-06F, 2.02492657e-07F},
    {2.05399829e-07F, -0.279304504F, -0.452041507F, -0.476501465F, -0.387712508F, -0.256822973F, -0.141824558F,
     -0.0661275834F, -0.0262270253F, -0.00889511686F, -0.0025816937F, -0.000645230466F, -0.000137635172F,
     -3.24243847e-05F, -9.92970035e-06F, -4.54791143e-06F},
    {-0.376140296F, -0.301109523F, -0.123560719F, 0.0538055301F, 0.15298681F, 0.162942082F, 0.121028528F,
     0.0701109096F, 0.0330378972F, 0.0129297646F, 0.00425329898F, 0.00118496001F, 0.000281033223F, 5.69474105e-05F,
     9.8861874e-06F, 1.47337983e-06F},
    {0.000279342115F, 0.132200897F, 0.1823055F, 0.137016803F, 0.0482995696F, -0.0222113859F, -0.0488595441F,
     -0.0428028814F, -0.0262679793F, -0.0123480093F, -0.00498365331F, -0.00157964195F, -0.000475653476F,
     0.000207525416F, 0.000245160656F, 0.000177438138F},
    {0.110966377F, 0.0788904056F, -0.000742324279F, -0.0589110777F, -0.0657745525F, -0.0370415226F, -0.00520271948F,
     0.0109155849F, 0.0124387648F, 0.0080745928F, 0.00383148831F, 0.00143094268F, 0.000434369053F, 0.000109123263F,
     2.29385623e-05F, 4.06528352e-06F},
}};

}  // namespace detail

template <class V>
[[gnu::always_inline]] inline V exp(V x) {
  using o = lane_ops<V>;
  const auto s = detail::reduce_any(x);
  V p = o::mad(detail::exp_tail(s.r), s.r, V(1.0F));
  p = o::mad(p, s.r, V(1.0F));
  return detail::scale(p, s.n, s.t);
}

template <class V>
[[gnu::always_inline]] inline V exp2(V x) {
  using o = lane_ops<V>;
  const V c = o::max(V(-151.0F), o::min(V(129.0F), x));
  const V t = c + V(detail::round_to_integer);
  const V n = t - V(detail::round_to_integer);
  const V r = c - n;
  V q = V(0.000154573456F);
  q = o::mad(q, r, V(0.00133927132F));
  q = o::mad(q, r, V(0.00961807556F));
  q = o::mad(q, r, V(0.0555035621F));
  q = o::mad(q, r, V(0.240226507F));
  q = o::mad(q, r, V(0.693147182F));
  return detail::scale(o::mad(q, r, V(1.0F)), n, t);
}

template <class V>
[[gnu::always_inline]] inline V expm1(V x) {
  using o = lane_ops<V>;
  const V c = o::max(V(-20.0F), o::min(V(89.0F), x));
  const auto s = detail::reduce(c);
  const V p = o::mad(s.r * s.r, detail::exp_tail(s.r), s.r);
  // 2^n p + (2^n - 1), on half of it, so that 2^n fits
  const V half = o::number(o::template up<23>(o::add(o::bits(s.t), o::set(126 - std::bit_cast<std::int32_t>(detail::round_to_integer)))));
  const V y = o::mad(half, p, half - V(0.5F));
  const V r = y + y;
  return o::select(o::less(o::abs(x), V(1.0e-30F)), x, r);
}

template <class V>
[[gnu::always_inline]] inline V log(V x) {
  using o = lane_ops<V>;
  const auto b = o::bits(x);
  // the mantissa's bits counted from those of 2/3: m in [2/3, 4/3)
  const auto m = o::add(o::both(o::sub(b, o::set(0x3F2AAAAB)), o::set(0x007FFFFF)), o::set(0x3F2AAAAB));
  const V e = o::convert(o::template down<23>(o::sub(b, m)));
  const V y = detail::log_of(o::number(m) - V(1.0F), e);
  return o::patch(x, std::numeric_limits<float>::min(), std::numeric_limits<float>::infinity(), y,
                  [](float v) { return static_cast<float>(std::log(static_cast<double>(v))); });
}

template <class V>
[[gnu::always_inline]] inline V log1p(V x) {
  using o = lane_ops<V>;
  const V u = x + V(1.0F);
  const V back = u - V(1.0F);
  const V lost = (x - back) + (V(1.0F) - (u - back));  // 1 + x = u + lost, exactly (Knuth, TAOCP 2, 4.2.2, theorem B)
  const auto b = o::bits(u);
  const auto m = o::add(o::both(o::sub(b, o::set(0x3F2AAAAB)), o::set(0x007FFFFF)), o::set(0x3F2AAAAB));
  const auto shift = o::sub(b, m);  // e in the exponent's place
  const V e = o::convert(o::template down<23>(shift));
  const V f = o::mad(lost, o::number(o::sub(o::set(0x3F800000), shift)), o::number(m) - V(1.0F));
  const V y = detail::log_of(f, e);
  return o::patch(x, -0.9999999F, 1.0e30F, o::select(o::less(o::abs(x), V(1.0e-30F)), x, y),
                  [](float v) { return static_cast<float>(std::log1p(static_cast<double>(v))); });
}

template <class V>
[[gnu::always_inline]] inline V tanh(V x) {
  using o = lane_ops<V>;
  const V a = o::min(V(9.2F), o::abs(x));  // 1 from there on
  const auto piece = o::template down<21>(o::bits(a + V(0.75F)));
  return o::with_sign(detail::evaluate(detail::tanh_pieces, piece, a - o::look_up(detail::tanh_middles, piece),
                                        o::look_up(detail::tanh_pieces.rows[0], piece)), x);
}

template <class V>
[[gnu::always_inline]] inline V erf(V x) {
  using o = lane_ops<V>;
  const V a = o::min(V(4.0F), o::abs(x));  // 1 from there on
  const V k = o::mad(a, V(1 / 0.265625F), V(detail::round_to_integer));
  const V t = o::mad(k - V(detail::round_to_integer), V(-0.265625F), a);
  // what 2 / sqrt(pi) loses as a float would be felt near 0
  const V start = o::mad(t, V(-5.86424931e-8F), o::look_up(detail::erf_pieces.rows[0], o::bits(k)));
  return o::with_sign(detail::evaluate(detail::erf_pieces, o::bits(k), t, start), x);
}

namespace detail {
/// sin(x) or cos(x) of a float in double, |x| <= 1e6: pi / 2 in two parts (Cody and Waite), Taylor's polynomials.
template <bool Cosine, class D>
[[gnu::always_inline]] inline D wide_sine(D x) {
  using o = lane_ops<D>;
  const D n = o::nearest(x * D(0.63661977236758134308));
  D r = o::mad(n, D(-1.57079632673412561417), x);  // exact: the constant has 33 bits
  r = o::mad(n, D(-6.07710050650619224932e-11), r);
  const D z = r * r;
  D s = D(-1.0 / 39916800);
  s = o::mad(s, z, D(1.0 / 362880));
  s = o::mad(s, z, D(-1.0 / 5040));
  s = o::mad(s, z, D(1.0 / 120));
  s = o::mad(s, z, D(-1.0 / 6));
  s = o::mad(s * z, r, r);
  D c = D(1.0 / 479001600);
  c = o::mad(c, z, D(-1.0 / 3628800));
  c = o::mad(c, z, D(1.0 / 40320));
  c = o::mad(c, z, D(-1.0 / 720));
  c = o::mad(c, z, D(1.0 / 24));
  c = o::mad(c, z, D(-0.5));
  c = o::mad(c, z, D(1.0));
  const D half = (Cosine ? n + D(1.0) : n) * D(0.5);
  const D whole = o::floor(half);  // its parity is the sign, the half that is cut off says which function
  const D quarter = whole * D(0.5);
  const D negative = quarter - o::floor(quarter);
  return o::select_equal(half, whole, s, c) * o::mad(negative, D(-4.0), D(1.0));
}
}  // namespace detail

template <class V>
[[gnu::always_inline]] inline V sin(V x) {
  using o = lane_ops<V>;
  const V y = o::widened(x, [](const auto& d) __attribute__((always_inline)) { return detail::wide_sine<false>(d); });
  return o::patch(x, -1.0e6F, 1.0e6F, o::select(o::less(V(0.0F), o::abs(x)), y, x),
                  [](float v) { return static_cast<float>(std::sin(static_cast<double>(v))); });
}

template <class V>
[[gnu::always_inline]] inline V cos(V x) {
  using o = lane_ops<V>;
  const V y = o::widened(x, [](const auto& d) __attribute__((always_inline)) { return detail::wide_sine<true>(d); });
  return o::patch(x, -1.0e6F, 1.0e6F, y, [](float v) { return static_cast<float>(std::cos(static_cast<double>(v))); });
}

/// 1 / (1 + exp(-x)): exp is taken of -|x|, so that small results keep their digits.
template <class V>
[[gnu::always_inline]] inline V sigmoid(V x) {
  using o = lane_ops<V>;
  const V e = elementary::exp(o::minus_abs(x));
  return o::select(o::less(x, V(0.0F)), e, V(1.0F)) / (V(1.0F) + e);
}

}  // namespace rill::elementary

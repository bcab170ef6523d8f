// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// exp, exp2, expm1, log, log1p, tanh, sigmoid and erf in float, written once for a number and for a register of numbers: the
/// same operations in the same order, so that a value has the same bits wherever it stands. `lane_ops<V>` says how V does
/// each operation; the register's is in kernel/simd_math.hpp. Where the target has no fused multiply-add, `mad` rounds
/// twice, for numbers and registers alike.
///
/// exp, expm1, log reduce their argument as Cody and Waite 1980 ("Software Manual for the Elementary Functions") do, and
/// use a polynomial; tanh and erf are polynomials on 30 or 32 intervals, four to an octave. The coefficients are printed
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
  static ints max(ints a, ints b) { return a > b ? a : b; }
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
  static float look_up(const float* table, ints i) { return table[i & 31]; }
  /// f(x) where x is not inside (low, high), y elsewhere.
  template <class F>
  static float patch(float x, float low, float high, float y, const F& f) {
    return x > low && x < high ? y : f(x);
  }
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

/// x = n log(2) + r, for exp's purposes: where exp(x) is infinite or 0, n says so and r is some number near 0.
template <class V>
struct reduced {
  V t, n, r;
};
template <class V>
[[gnu::always_inline]] inline reduced<V> reduce(V x) {
  using o = lane_ops<V>;
  reduced<V> s;
  if constexpr (!o::scales) x = o::max(V(-104.0F), o::min(V(89.0F), x));
  s.t = o::mad(x, V(1.44269504F), V(round_to_integer));
  s.n = s.t - V(round_to_integer);
  s.r = o::mad(s.n, V(-0.693359375F), x);  // exact: the constant has ten bits
  s.r = o::mad(s.n, V(2.12194440E-4F), s.r);
  if constexpr (o::scales) s.r = o::bound(s.r);
  return s;
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

/// A table of polynomials in |x|: their coefficients from degree 0 on. Four pieces make an octave.
template <int Degree>
struct piecewise {
  alignas(64) float rows[static_cast<std::size_t>(Degree) + 1][32];
  std::int32_t first;  ///< bits of the end of the first piece, less one
  float last;          ///< the function is constant from here on
};

template <int Degree, class V>
[[gnu::always_inline]] inline V evaluate(const piecewise<Degree>& p, V x) {
  using o = lane_ops<V>;
  const V a = o::min(V(p.last), o::abs(x));
  const auto piece = o::template down<21>(o::max(o::bits(a), o::set(p.first)));
  V q = o::look_up(p.rows[Degree], piece);
#pragma GCC unroll 8
  for (int k = Degree - 1; k >= 0; --k) q = o::mad(q, a, o::look_up(p.rows[k], piece));
  return o::with_sign(q, x);
}

inline constexpr piecewise<4> tanh_pieces = {
    {
    {0.035260953F, 0.308564991F, 0.555478811F, 0.734617472F, 0.884931326F, 0.968287766F, 0.992139935F, 0.998198926F,
     0.999794662F, 0.0F, 0.0F, 0.0F, 2.17553023e-07F, 5.88730018e-07F, 1.33837489e-06F, 2.68638837e-06F,
     6.34554681e-06F, 1.63677068e-05F, 3.50522569e-05F, 6.54044488e-05F, 0.00013444481F, 0.000266577728F,
     0.000375374046F, 0.000296008162F, -0.000783843803F, -0.00610009953F, -0.0187150948F, -0.0400974005F,
     -0.0832912326F, -0.140270367F, -0.157263398F, -0.115297519F},
    {1.21565616F, 0.775914133F, 0.444098145F, 0.237743229F, 0.0890710205F, 0.0206722487F, 0.00441880478F,
     0.000889434945F, 8.58086642e-05F, 0.0F, 0.0F, 1.0F, 0.999984384F, 0.999965489F, 0.9999336F, 0.999884427F,
     0.999770761F, 0.999515176F, 0.999117374F, 0.998562992F, 0.997487366F, 0.995788634F, 0.994609714F, 0.995305955F,
     1.00359154F, 1.03725994F, 1.10427082F, 1.20192564F, 1.37061131F, 1.55535007F, 1.6028657F, 1.5081749F},
    {-0.603978217F, -0.338100463F, -0.17064397F, -0.0814112723F, -0.026180122F, -0.00509540364F, -0.000937056553F,
     -0.000165434496F, -1.34734892e-05F, 0.0F, 0.0F, 6.07682796e-06F, 0.000448075996F, 0.000809570833F,
     0.00131905917F, 0.00199250155F, 0.00331855775F, 0.00576786883F, 0.00894845743F, 0.0127496682F, 0.0190433953F,
     0.0272502042F, 0.0320466459F, 0.0297579858F, 0.0058917217F, -0.0742225945F, -0.207897633F, -0.375323892F,
     -0.622744858F, -0.847802401F, -0.897602737F, -0.81741488F},
    {0.138963044F, 0.0673694462F, 0.029756628F, 0.0125895645F, 0.00345578929F, 0.000562155969F, 8.87688657e-05F,
     1.37286852e-05F, 9.41809219e-07F, 0.0F, 0.0F, -0.333917081F, -0.339760929F, -0.342841715F, -0.346465379F,
     -0.350569159F, -0.357455552F, -0.367909521F, -0.379228204F, -0.390824378F, -0.407217234F, -0.42487511F,
     -0.433558494F, -0.430217683F, -0.399628043F, -0.314734757F, -0.19605042F, -0.0683385059F, 0.0932103246F,
     0.215302244F, 0.238490045F, 0.208283991F},
    {-0.0123960581F, -0.00515214354F, -0.00197965023F, -0.000739894051F, -0.000172556727F, -2.33987048e-05F,
     -3.16750697e-06F, -4.28689077e-07F, -2.47213574e-08F, 0.0F, 0.0F, 0.016030686F, 0.0461615548F, 0.0560295954F,
     0.065709956F, 0.0750985667F, 0.0885312334F, 0.105298482F, 0.120425269F, 0.133705392F, 0.149742901F,
     0.164019331F, 0.169921219F, 0.168094173F, 0.153372884F, 0.119571082F, 0.0799988061F, 0.0434283204F,
     0.00380855217F, -0.0210757796F, -0.0251228902F, -0.0208523199F},
    },
    0x3D7FFFFF,
    9.5F};

inline constexpr piecewise<5> erf_pieces = {
    {
    {-0.452433348F, 0.289061517F, 0.836809754F, 0.981440008F, 0.0F, 3.34578475e-13F, 1.08218762e-12F,
     2.95448106e-12F, 1.04086696e-11F, 4.27185579e-11F, 1.38034542e-10F, 3.7640957e-10F, 1.32337041e-09F,
     5.41322098e-09F, 1.74216197e-08F, 4.72857771e-08F, 1.64876496e-07F, 6.65423784e-07F, 2.10715234e-06F,
     5.61155503e-06F, 1.89152906e-05F, 7.2210998e-05F, 0.000213597901F, 0.000524212955F, 0.00151994568F,
     0.0044495794F, 0.00909790117F, 0.0128124207F, 0.00135691941F, -0.0959350467F, -0.308551073F, -0.520214498F},
    {2.64699674F, 1.16409647F, 0.235190719F, 0.0236545131F, 1.12837923F, 1.12837923F, 1.12837923F, 1.12837923F,
     1.12837911F, 1.12837911F, 1.12837911F, 1.12837911F, 1.12837911F, 1.12837875F, 1.12837815F, 1.12837684F,
     1.12837231F, 1.12835646F, 1.12831831F, 1.12823868F, 1.1279819F, 1.12713766F, 1.12526464F, 1.12173021F,
     1.11209369F, 1.08874643F, 1.0576911F, 1.03615415F, 1.08995175F, 1.47388589F, 2.18218875F, 2.79242229F},
    {-1.9557811F, -0.766970396F, -0.135941103F, -0.012074207F, -4.00278623e-05F, -1.0963352e-05F, -9.2770897e-06F,
     -8.05355739e-06F, 6.8499703e-06F, 5.44174873e-06F, 4.28142266e-06F, 3.11584404e-06F, 9.37585298e-07F,
     1.26440982e-05F, 2.42068763e-05F, 4.72876163e-05F, 0.000117420299F, 0.000318940758F, 0.000723417557F,
     0.00144817471F, 0.00343391229F, 0.00879527628F, 0.0187359843F, 0.0348418802F, 0.0722076222F, 0.146803781F,
     0.22992909F, 0.279926986F, 0.178858876F, -0.428425401F, -1.37377F, -2.07828331F},
    {0.731572747F, 0.254019558F, 0.039381668F, 0.00308515597F, -0.368748546F, -0.375359118F, -0.375577211F,
     -0.37571314F, -0.376418799F, -0.376314878F, -0.376249343F, -0.376199692F, -0.376133025F, -0.37631762F,
     -0.37642628F, -0.3766298F, -0.377175361F, -0.378460288F, -0.380608648F, -0.383911192F, -0.391602784F,
     -0.408665597F, -0.435086995F, -0.471826315F, -0.544393718F, -0.663840413F, -0.775268853F, -0.83335948F,
     -0.738409996F, -0.25710994F, 0.374750286F, 0.78187573F},
    {-0.138394669F, -0.0422698036F, -0.00571685052F, -0.000394573988F, -0.503655493F, -0.0238286387F,
     -0.0144284479F, -0.00940791145F, 0.00555262761F, 0.00292696594F, 0.00161517097F, 0.000835006416F,
     6.47606212e-05F, 0.00148772215F, 0.00197518035F, 0.00287395529F, 0.00500665093F, 0.009117065F, 0.0148333171F,
     0.0223679282F, 0.0372914411F, 0.0645063967F, 0.0996756926F, 0.141628578F, 0.21221973F, 0.308074266F,
     0.382877529F, 0.416655749F, 0.372047722F, 0.180909604F, -0.0305905286F, -0.148352519F},
    {0.0105818529F, 0.00282587064F, 0.000332616386F, 2.02052688e-05F, 11.5736904F, 0.389921695F, 0.254791588F,
     0.193013936F, 0.0732614994F, 0.0956440642F, 0.104647711F, 0.108951211F, 0.112137474F, 0.107812069F,
     0.10700047F, 0.105410777F, 0.102058686F, 0.0967806801F, 0.0906852409F, 0.083799921F, 0.072195977F,
     0.0547920763F, 0.0360363051F, 0.0168510024F, -0.010666729F, -0.0415071584F, -0.0616254099F, -0.069489032F,
     -0.0611044839F, -0.0306752678F, -0.0023127012F, 0.0113268709F},
    },
    0x3C9FFFFF,
    3.93F};

}  // namespace detail

template <class V>
[[gnu::always_inline]] inline V exp(V x) {
  using o = lane_ops<V>;
  const auto s = detail::reduce(x);
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
  return detail::evaluate(detail::tanh_pieces, x);
}

template <class V>
[[gnu::always_inline]] inline V erf(V x) {
  return detail::evaluate(detail::erf_pieces, x);
}

/// 1 / (1 + exp(-x)): exp is taken of -|x|, so that small results keep their digits.
template <class V>
[[gnu::always_inline]] inline V sigmoid(V x) {
  using o = lane_ops<V>;
  const V e = exp(o::minus_abs(x));
  return o::select(o::less(x, V(0.0F)), e, V(1.0F)) / (V(1.0F) + e);
}

}  // namespace rill::elementary

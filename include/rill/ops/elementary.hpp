// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// exp, exp2, expm1, log, log1p, tanh, sigmoid and erf in float, written once for a number and for a register of numbers: the
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
  static float look_up(const float* table, ints i) { return table[i & 15]; }
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

/// Sixteen polynomials: rows of their coefficients from degree 0 on, an element for each piece of the argument.
template <int Degree>
struct piecewise {
  alignas(64) float rows[static_cast<std::size_t>(Degree) + 1][16];
};

/// The polynomial of a piece at t.
template <int Degree, class I, class V>
[[gnu::always_inline]] inline V evaluate(const piecewise<Degree>& p, I piece, V t) {
  using o = lane_ops<V>;
  V q = o::look_up(p.rows[Degree], piece);
#pragma GCC unroll 8
  for (int k = Degree - 1; k >= 0; --k) q = o::mad(q, t, o::look_up(p.rows[k], piece));
  return q;
}

/// Pieces of |x|: two to an octave, the first one all below 0.0625.
alignas(64) inline constexpr float tanh_middles[16] = {
     2.50000405F, 3.49998045F, 5.00009727F, 6.99856949F, 10.002861F, 0.0F, 0.0781245381F, 0.109374434F,
     0.156249285F, 0.218750015F, 0.312497407F, 0.437497616F, 0.624986887F, 0.875001848F, 1.25000322F, 1.74999332F
};
inline constexpr piecewise<5> tanh_pieces = {{
    {0.986614406F, 0.998177826F, 0.999909222F, 0.999998331F, 1.0F, 0.0F, 0.0779659823F, 0.10894037F, 0.154990032F,
     0.215326354F, 0.302707374F, 0.411568075F, 0.554590642F, 0.703906536F, 0.848284543F, 0.941374779F},
    {0.0265921932F, 0.0036410999F, 0.000181828F, 3.34047718e-06F, 9.3677599e-09F, 1.0F, 0.99392128F, 0.988132F,
     0.975978076F, 0.95363456F, 0.90836823F, 0.830611706F, 0.692429245F, 0.504515588F, 0.280412942F, 0.11381346F},
    {-0.0262167994F, -0.0036301224F, -0.000177618334F, -3.25908081e-06F, -8.38402059e-09F, 9.55072199e-09F,
     -0.0774922296F, -0.107647203F, -0.151266932F, -0.205342755F, -0.27496928F, -0.341852933F, -0.384012163F,
     -0.355133206F, -0.237896189F, -0.107144713F},
    {0.0170161463F, 0.00241179019F, 0.000118788616F, 2.18467676e-06F, 3.2572125e-09F, -0.333334714F, -0.32493186F,
     -0.317705035F, -0.301837802F, -0.273658782F, -0.219541848F, -0.136164173F, -0.0178489964F, 0.0818067417F,
     0.108343475F, 0.062929742F},
    {-0.00829551555F, -0.00125258137F, -7.26806902e-05F, -1.3403278e-06F, -4.75019979e-09F, 5.89206393e-05F,
     0.0517697297F, 0.0696187019F, 0.0972062722F, 0.127390593F, 0.157721743F, 0.169675037F, 0.137371168F,
     0.061078459F, -0.0112630315F, -0.0233409069F},
    {0.00289117242F, 0.000490484177F, 2.84856724e-05F, 5.22690812e-07F, 2.08819739e-09F, 0.132495925F,
     -0.843208134F, 0.27866742F, 0.0757743269F, 0.0823645815F, 0.0433595255F, -0.00789017137F, -0.0541190952F,
     -0.0586204603F, -0.0199148972F, 0.00347092655F},
}};

/// Pieces of |x|: those nearest to 0, 1, ..., 15 times 0.265625.
inline constexpr piecewise<5> erf_pieces = {{
    {0.0F, 0.292823255F, 0.547528446F, 0.740236998F, 0.867058277F, 0.939653337F, 0.975797713F, 0.99145031F,
     0.997345984F, 0.999277413F, 0.999827683F, 0.999964058F, 0.999993443F, 0.999998987F, 0.999999881F, 1.0F},
    {1.12837923F, 1.05150855F, 0.850914001F, 0.597962379F, 0.364902914F, 0.193373084F, 0.088987723F, 0.0355614461F,
     0.0123408195F, 0.00371898105F, 0.000973238435F, 0.000221171969F, 4.36472146e-05F, 7.47995273e-06F,
     1.11315887e-06F, 1.43857278e-07F},
    {-5.67743746e-06F, -0.279304534F, -0.452041507F, -0.476501465F, -0.387712508F, -0.256822973F, -0.141824558F,
     -0.0661275834F, -0.0262270253F, -0.00889511686F, -0.0025816937F, -0.000645230466F, -0.000137635172F,
     -3.24243847e-05F, -9.92970035e-06F, -4.54791143e-06F},
    {-0.375980943F, -0.301099211F, -0.123560548F, 0.0538057052F, 0.152986974F, 0.162942246F, 0.121027358F,
     0.0701110885F, 0.0330379046F, 0.012929772F, 0.00425330596F, 0.00118496164F, 0.000281033514F, 5.69473632e-05F,
     9.88618103e-06F, 1.47337914e-06F},
    {-0.00131956092F, 0.132202864F, 0.1823055F, 0.137016803F, 0.0482995696F, -0.0222113859F, -0.0488595441F,
     -0.0428028814F, -0.0262679793F, -0.0123480093F, -0.00498365331F, -0.00157964195F, -0.000475653476F,
     0.000207525416F, 0.000245160656F, 0.000177438138F},
    {0.116314605F, 0.0784892589F, -0.000749160361F, -0.0589181483F, -0.0657809228F, -0.0370478891F, -0.00515548885F,
     0.0109082768F, 0.01243845F, 0.00807427894F, 0.00383120333F, 0.00143087609F, 0.000434357091F, 0.000109125183F,
     2.29388315e-05F, 4.06530944e-06F},
}};

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
  using o = lane_ops<V>;
  const V a = o::min(V(9.5F), o::abs(x));  // 1 from there on
  const auto piece = o::template down<22>(o::max(o::bits(a), o::set(0x3D7FFFFF)));
  return o::with_sign(detail::evaluate(detail::tanh_pieces, piece, a - o::look_up(detail::tanh_middles, piece)), x);
}

template <class V>
[[gnu::always_inline]] inline V erf(V x) {
  using o = lane_ops<V>;
  const V a = o::min(V(4.0F), o::abs(x));  // 1 from there on
  const V k = o::mad(a, V(1 / 0.265625F), V(detail::round_to_integer));
  const V t = o::mad(k - V(detail::round_to_integer), V(-0.265625F), a);
  return o::with_sign(detail::evaluate(detail::erf_pieces, o::bits(k), t), x);
}

/// 1 / (1 + exp(-x)): exp is taken of -|x|, so that small results keep their digits.
template <class V>
[[gnu::always_inline]] inline V sigmoid(V x) {
  using o = lane_ops<V>;
  const V e = exp(o::minus_abs(x));
  return o::select(o::less(x, V(0.0F)), e, V(1.0F)) / (V(1.0F) + e);
}

}  // namespace rill::elementary

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// exp, exp2, expm1, log, log1p, sin, cos, tanh, sigmoid, erf and rsqrt in float, written once for a number and for a
/// register of numbers: the same operations in the same order, so that a value has the same bits wherever it stands.
/// `lane_ops<V>` says how V does each operation; the register's is in kernel/simd_math.hpp. Where the target has no fused
/// multiply-add, `mad` rounds twice, for numbers and registers alike. A product is never written beside a sum: compilers
/// may join the two, and need not do it everywhere. Those in double, and the floats rounded from them, are in
/// elementary_double.hpp.
///
/// exp, expm1, log reduce their argument as Cody and Waite 1980 ("Software Manual for the Elementary Functions") do, and
/// use a polynomial, exp after a look-up of the sixteenths of the exponent (Tang 1989, "Table-driven implementation of the
/// exponential function"); tanh and erf are polynomials on 32 intervals. The coefficients are printed by
/// tests/oracle/elementary_tables.py. Largest errors are measured by tests/ops/accuracy_test.cpp.
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
  /// a less the nearest eighth; k = a + round_to_integer / 8.
  static float off_eighth(float a, float k) { return a - (k - 12582912.0F / 8); }
  /// The element of a table of N that the low bits of i name.
  template <std::size_t N>
  static float look_up(const float (&table)[N], ints i) {
    return table[static_cast<std::size_t>(i) & (N - 1)];
  }
  static float sqrt(float x) { return std::sqrt(x); }
  /// Whether estimate(x) is 1 / sqrt(x) to 14 bits, in one instruction.
#if defined(__AVX512F__) && !defined(__CUDACC__)
  static constexpr bool estimates = true;
  static float estimate(float x) {
    float y;
    __asm__("vrsqrt14ss %1, %1, %0" : "=v"(y) : "v"(x));
    return y;
  }
#else
  static constexpr bool estimates = false;
#endif
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
  using ints = std::int64_t;
  static constexpr bool is_double = true;
  static constexpr bool scales = false;
  static double mad(double a, double b, double c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__CUDACC__)
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
  }
  static double min(double a, double b) { return a < b ? a : b; }
  static double max(double a, double b) { return a > b ? a : b; }
  static ints bits(double x) { return std::bit_cast<ints>(x); }
  static double number(ints i) { return std::bit_cast<double>(i); }
  static ints set(std::int64_t i) { return i; }
  static ints add(ints a, ints b) { return static_cast<ints>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b)); }
  static ints sub(ints a, ints b) { return static_cast<ints>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b)); }
  template <int N>
  static ints up(ints a) {
    return static_cast<ints>(static_cast<std::uint64_t>(a) << N);
  }
  /// Zeros come in from above.
  template <int N>
  static ints down(ints a) {
    return static_cast<ints>(static_cast<std::uint64_t>(a) >> N);
  }
  static ints both(ints a, ints b) { return a & b; }
  static ints either(ints a, ints b) { return a | b; }
  static ints differ(ints a, ints b) { return a ^ b; }
  static double abs(double x) { return number(bits(x) & std::numeric_limits<ints>::max()); }
  static double minus_abs(double x) { return number(bits(x) | std::numeric_limits<ints>::min()); }
  static double with_sign(double y, double x) { return number(bits(y) | (bits(x) & std::numeric_limits<ints>::min())); }
  static bool less(double a, double b) { return a < b; }
  static double select(bool c, double a, double b) { return c ? a : b; }
  static double sqrt(double x) { return std::sqrt(x); }
#if defined(__AVX512F__) && !defined(__CUDACC__)
  static constexpr bool estimates = true;
  static double estimate(double x) {
    double y;
    __asm__("vrsqrt14sd %1, %1, %0" : "=v"(y) : "v"(x));
    return y;
  }
#else
  static constexpr bool estimates = false;
#endif
  template <class F>
  static double patch(double x, double low, double high, double y, const F& f) {
    return x > low && x < high ? y : f(x);
  }
};

namespace detail {

inline constexpr float round_to_integer = 12582912.0F;  // 1.5 * 2^23: adding it leaves the integer in the low bits
inline constexpr double wide_round_to_integer = 6755399441055744.0;  // 1.5 * 2^52

/// p * 2^floor(n), rounded once, for |n| <= 252; whole = floor(n).
template <class V>
[[gnu::always_inline]] inline V scale(V p, [[maybe_unused]] V n, [[maybe_unused]] typename lane_ops<V>::ints whole) {
  using o = lane_ops<V>;
  if constexpr (o::scales) return o::scale(p, n);
  else {
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

/// 2^(k / 16), rounded.
alignas(64) inline constexpr float sixteenths[16] = {
    1.0F,         1.04427373F, 1.09050775F, 1.13878858F, 1.18920708F, 1.24185777F, 1.29683959F, 1.35425556F,
    1.41421354F,  1.47682619F, 1.54221082F, 1.61049032F, 1.68179286F, 1.75625217F, 1.8340081F,  1.91520655F};
/// What they lose by that, as part of them.
alignas(64) inline constexpr float sixteenths_lost[16] = {
    0.0F, 4.62854708e-08F, -1.19921571e-08F, 4.72978236e-08F, 3.19341809e-08F, 3.62105731e-08F,
    -3.09907208e-08F, -7.47521317e-09F, 1.71142713e-08F, -3.04768342e-08F, 5.23333425e-09F, 6.10759162e-09F,
    -1.47196054e-08F, -5.25879512e-09F, -6.12825982e-09F, 5.14060921e-09F};

/// Thirty-two polynomials: rows of their coefficients from degree 0 on, an element for each piece of the argument.
template <int Degree>
struct piecewise {
  alignas(64) float rows[static_cast<std::size_t>(Degree) + 1][32];
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

/// Pieces of |x|: eight to an octave of |x| + 0.75.
alignas(64) inline constexpr float tanh_middles[32] = {
    1.37499774F, 1.62499523F, 1.87500703F, 2.12498927F, 2.37498713F, 2.62498379F, 2.87500739F, 3.1250968F, 3.49998045F,
     4.00002146F, 4.50005245F, 5.00009727F, 5.50035954F, 6.00038958F, 6.49928474F, 6.99928474F, 7.75071526F,
     8.74856949F, 0.0F, 0.0F, 0.0F, 0.0937501192F, 0.156249285F, 0.218750015F, 0.312497407F, 0.437497616F, 0.562506557F,
     0.687501669F, 0.812495172F, 0.937497616F, 1.06248832F, 1.18749332F};
inline constexpr piecewise<4> tanh_pieces = {{
    {0.879826188F, 0.92534554F, 0.954045892F, 0.971872151F, 0.982844591F, 0.989559412F, 0.993654728F, 0.996147275F,
     0.998177826F, 0.999329329F, 0.999753237F, 0.999909222F, 0.999966621F, 0.999987721F, 0.99999547F, 0.999998331F,
     0.999999642F, 0.99999994F, 0.0F, 0.0F, 0.0F, 0.0934764221F, 0.154990032F, 0.215326354F, 0.302707374F, 0.411568075F,
     0.509834826F, 0.596374631F, 0.67096442F, 0.73407042F, 0.786614358F, 0.829799831F},
    {0.22590661F, 0.143735528F, 0.0897960812F, 0.055464182F, 0.0340162478F, 0.0207719915F, 0.0126501648F,
     0.00769053213F, 0.00364044588F, 0.0013406754F, 0.000493384956F, 0.000181518146F, 6.6745597e-05F, 2.45533702e-05F,
     9.05260549e-06F, 3.33016465e-06F, 7.38950916e-07F, 1.0024543e-07F, 0.0F, 0.0F, 1.0F, 0.991262138F, 0.975978076F,
     0.95363456F, 0.908368051F, 0.830611765F, 0.740068674F, 0.644337595F, 0.549807072F, 0.461140871F, 0.381238043F,
     0.311432362F},
    {-0.198759258F, -0.133005574F, -0.0856699646F, -0.053904362F, -0.0334328339F, -0.0205552652F, -0.0125699937F,
     -0.00766088627F, -0.00363412779F, -0.00133989425F, -0.000493308296F, -0.000181530122F, -6.67636123e-05F,
     -2.45692136e-05F, -8.87232e-06F, -3.10709834e-06F, -9.46839975e-07F, 4.72329909e-08F, 0.0F, 0.0F, 6.07682796e-06F,
     -0.0926589593F, -0.15126653F, -0.205342457F, -0.274968594F, -0.341852903F, -0.377312601F, -0.384266704F,
     -0.368901044F, -0.338510036F, -0.299887449F, -0.258426517F},
    {0.0993850529F, 0.075191386F, 0.0518912971F, 0.033987496F, 0.0215873756F, 0.0134624839F, 0.00830340572F,
     0.00508684106F, 0.00245120144F, 0.00090604159F, 0.000333886739F, 0.000122899568F, 4.51995184e-05F, 1.66285736e-05F,
     6.13507018e-06F, 2.26058569e-06F, 5.26917859e-07F, 7.31440011e-08F, 0.0F, 0.0F, -0.333917081F, -0.321628511F,
     -0.301773101F, -0.273588419F, -0.21933876F, -0.136209458F, -0.0545400828F, 0.0140863387F, 0.0639363676F,
     0.0945173129F, 0.108623616F, 0.110507876F},
    {-0.0210992508F, -0.0251276884F, -0.0208518058F, -0.014991154F, -0.0100252209F, -0.00643688114F, -0.00403945521F,
     -0.00250451034F, -0.00121167046F, -0.000449998188F, -0.000166101527F, -6.10293973e-05F, -2.23299485e-05F,
     -8.1046046e-06F, -5.3705412e-06F, -3.98360862e-06F, 4.02401724e-07F, -5.08206199e-07F, 0.0F, 0.0F, 0.016030686F,
     0.0601076707F, 0.096712701F, 0.127024233F, 0.157511607F, 0.169665903F, 0.153320596F, 0.119546443F, 0.0799590796F,
     0.0434183143F, 0.0145082297F, -0.00556664495F},
}};

/// Pieces of |x|: those nearest to 0, 1, ..., 31 eighths.
inline constexpr piecewise<4> erf_pieces = {{
    {0.0F, 0.140316203F, 0.276326388F, 0.404116899F, 0.520499885F, 0.623240888F, 0.711155653F, 0.784075081F,
     0.842700779F, 0.888388216F, 0.92290014F, 0.948170066F, 0.966105163F, 0.978443742F, 0.986671686F, 0.99199003F,
     0.995322287F, 0.997345984F, 0.998537302F, 0.999217033F, 0.999593019F, 0.999794602F, 0.999899387F, 0.999952137F,
     0.999977887F, 0.999990106F, 0.999995708F, 0.999998212F, 0.999999285F, 0.999999702F, 0.999999881F, 0.99999994F},
    {1.12837923F, 1.1108849F, 1.06001377F, 0.98035264F, 0.87878263F, 0.763499737F, 0.642931402F, 0.524745405F,
     0.415107876F, 0.318274319F, 0.236521408F, 0.170359984F, 0.118930422F, 0.0804723278F, 0.0527750216F, 0.0335458331F,
     0.0206669811F, 0.0123408195F, 0.00714232679F, 0.00400649663F, 0.00217831368F, 0.00114791363F, 0.000586322742F,
     0.000290278724F, 0.000139306823F, 6.48145578e-05F, 2.92461609e-05F, 1.28095926e-05F, 5.45766898e-06F,
     2.27436612e-06F, 9.39979543e-07F, 3.98418422e-07F},
    {5.15270813e-06F, -0.138854668F, -0.265000284F, -0.367620766F, -0.439398229F, -0.477193087F, -0.482218057F,
     -0.459172785F, -0.415093839F, -0.358042806F, -0.295663893F, -0.23423779F, -0.178412586F, -0.130776286F,
     -0.0923716128F, -0.0628699288F, -0.0413565636F, -0.026237892F, -0.0160892475F, -0.0094862869F, -0.00541651109F,
     -0.0029907627F, -0.00162175589F, -0.000826524105F, -0.000394380186F, -0.000204788186F, -0.000106377491F,
     -7.08296357e-05F, -4.74083317e-05F, -5.08022231e-06F, 2.30836008e-06F, 1.61841253e-05F},
    {-0.376621217F, -0.358238369F, -0.308769345F, -0.234650791F, -0.146436334F, -0.0558091141F, 0.0265228897F,
     0.0926016718F, 0.138034567F, 0.162150055F, 0.167304873F, 0.157786474F, 0.138678432F, 0.114830144F, 0.090189971F,
     0.0674967915F, 0.0482869782F, 0.0330984592F, 0.0217765979F, 0.0137713477F, 0.00837997161F, 0.0049110353F,
     0.00277385255F, 0.00151091558F, 0.000794074091F, 0.000402843143F, 0.000197345056F, 9.3384675e-05F, 4.26976658e-05F,
     1.88676768e-05F, 8.05964646e-06F, 3.32873014e-06F},
    {0.0135813365F, 0.0669536814F, 0.12605913F, 0.163985685F, 0.184278414F, 0.177502394F, 0.154635176F, 0.116645344F,
     0.0664213076F, 0.0248910766F, -0.00351086445F, -0.0318204537F, -0.0410064831F, -0.0478437021F, -0.0449179001F,
     -0.0480797328F, -0.0298163835F, -0.0235732719F, -0.0151981106F, -0.0191052388F, -0.0146138845F, -0.0100129638F,
     -0.00132065057F, -0.0035007163F, -0.00583543954F, -6.43671156e-05F, 0.00207024324F, 0.00554941641F, 0.0057708798F,
     -0.00063600071F, -0.00116361259F, -0.00359016145F},
}};

}  // namespace detail

namespace detail {
/// exp(x), off by an ulp at most; Fine costs two more operations and is off by little more than half an ulp.
template <bool Fine, class V>
[[gnu::always_inline]] inline V exp_of(V x) {
  using o = lane_ops<V>;
  constexpr float round_to_sixteenth = round_to_integer / 16;
  // Where exp(x) is infinite or 0, n says so if r is some number near 0.
  V c = x;
  if constexpr (!o::scales) c = o::max(V(-104.0F), o::min(V(89.0F), x));
  const V t = o::mad(c, V(1.44269504F), V(round_to_sixteenth));
  const V n = t - V(round_to_sixteenth);
  V r = o::mad(n, V(-0.693359375F), c);  // exact: the constant has ten bits
  r = o::mad(n, V(2.12194440E-4F), r);
  if constexpr (o::scales) r = o::bound(r);
  const V part = o::look_up(sixteenths, o::bits(t));
  const V more = Fine ? r + o::look_up(sixteenths_lost, o::bits(t)) : r;
  const V p = o::mad(r * r, o::mad(r, V(0.166670159F), V(0.50001663F)), more);
  return scale(o::mad(part, p, part), n,
               o::template down<4>(o::sub(o::bits(t), o::set(std::bit_cast<std::int32_t>(round_to_sixteenth)))));
}
}  // namespace detail

template <class V>
[[gnu::always_inline]] inline V exp(V x) {
  return detail::exp_of<false>(x);
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
  return detail::scale(o::mad(q, r, V(1.0F)), n, o::sub(o::bits(t), o::set(std::bit_cast<std::int32_t>(detail::round_to_integer))));
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
  const auto piece = o::template down<20>(o::bits(a + V(0.75F)));
  return o::with_sign(detail::evaluate(detail::tanh_pieces, piece, a - o::look_up(detail::tanh_middles, piece),
                                        o::look_up(detail::tanh_pieces.rows[0], piece)), x);
}

template <class V>
[[gnu::always_inline]] inline V erf(V x) {
  using o = lane_ops<V>;
  const V a = o::min(V(3.9374998F), o::abs(x));  // 1 from there on, and still in the last piece
  const V k = a + V(detail::round_to_integer / 8);
  const V t = o::off_eighth(a, k);
  // what 2 / sqrt(pi) loses as a float would be felt near 0
  const V start = o::mad(t, V(-5.86353834e-8F), o::look_up(detail::erf_pieces.rows[0], o::bits(k)));
  return o::with_sign(detail::evaluate(detail::erf_pieces, o::bits(k), t, start), x);
}

namespace detail {
/// sin(x) or cos(x) of a float in double, |x| <= 1e6: pi in two parts (Cody and Waite), then a polynomial that is off by
/// 2.5e-11 at most.
template <bool Cosine, class D>
[[gnu::always_inline]] inline D wide_sine(D x) {
  using o = lane_ops<D>;
  D t = o::mad(x, D(0.31830988618379067154), D(Cosine ? 0.5 : wide_round_to_integer));
  if constexpr (Cosine) t = t + D(wide_round_to_integer);
  D n = t - D(wide_round_to_integer);
  if constexpr (Cosine) n = n - D(0.5);
  D r = o::mad(n, D(-3.1415926534682512), x);  // exact: the constant has 33 bits
  r = o::mad(n, D(-1.2154201013012384e-10), r);
  const D z = r * r;
  D s = D(-2.3885863197274674e-08);
  s = o::mad(s, z, D(2.7525188912390974e-06));
  s = o::mad(s, z, D(-0.00019840863775520023));
  s = o::mad(s, z, D(0.008333331067332188));
  s = o::mad(s, z, D(-0.1666666662486398));
  s = o::mad(s, z, D(1.0));
  return o::number(o::differ(o::bits(r * s), o::template up<63>(o::bits(t))));  // odd multiples of pi turn the sign
}
}  // namespace detail

template <class V>
[[gnu::always_inline]] inline V sin(V x) {
  using o = lane_ops<V>;
  const V y = o::widened(x, [](const auto& d) __attribute__((always_inline)) { return detail::wide_sine<false>(d); });
  return o::patch(x, -1.0e6F, 1.0e6F, y, [](float v) { return static_cast<float>(std::sin(static_cast<double>(v))); });
}

template <class V>
[[gnu::always_inline]] inline V cos(V x) {
  using o = lane_ops<V>;
  const V y = o::widened(x, [](const auto& d) __attribute__((always_inline)) { return detail::wide_sine<true>(d); });
  return o::patch(x, -1.0e6F, 1.0e6F, y, [](float v) { return static_cast<float>(std::cos(static_cast<double>(v))); });
}

/// 1 / sqrt(x): the estimate improved by Newton's method, where there is one.
template <class V>
[[gnu::always_inline]] inline V rsqrt(V x) {
  using o = lane_ops<V>;
  if constexpr (o::estimates) {
    const V y = o::estimate(x);
    const V half_off = o::mad(x * y, y * V(-0.5F), V(0.5F));
    return o::select(o::less(o::abs(half_off), V(1.0F)), o::mad(y, half_off, y), y);  // NaN where y is infinite or 0
  } else return V(1.0F) / o::sqrt(x);
}

/// 1 / (1 + exp(-x)): exp is taken of -|x|, so that small results keep their digits.
template <class V>
[[gnu::always_inline]] inline V sigmoid(V x) {
  using o = lane_ops<V>;
  const V e = detail::exp_of<true>(o::minus_abs(x));
  return o::select(o::less(x, V(0.0F)), e, V(1.0F)) / (V(1.0F) + e);
}

}  // namespace rill::elementary

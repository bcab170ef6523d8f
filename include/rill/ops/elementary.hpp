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

/// A table of polynomials in |x| less the middle of a piece: the middles, then the coefficients from degree 0 on. Four
/// pieces make an octave.
template <int Degree>
struct piecewise {
  alignas(64) float rows[static_cast<std::size_t>(Degree) + 2][32];
  std::int32_t first;  ///< bits of the end of the first piece, less one
  float last;          ///< the function is constant from here on
};

template <int Degree, class V>
[[gnu::always_inline]] inline V evaluate(const piecewise<Degree>& p, V x) {
  using o = lane_ops<V>;
  const V a = o::min(V(p.last), o::abs(x));
  const auto piece = o::template down<21>(o::max(o::bits(a), o::set(p.first)));
  const V t = a - o::look_up(p.rows[0], piece);
  V q = o::look_up(p.rows[Degree + 1], piece);
#pragma GCC unroll 8
  for (int k = Degree; k > 0; --k) q = o::mad(q, t, o::look_up(p.rows[k], piece));
  return o::with_sign(q, x);
}

inline constexpr piecewise<5> tanh_pieces = {
    {
    {2.24996519F, 2.7499969F, 3.25001311F, 3.75000477F, 4.50005245F, 5.50035954F, 6.49899721F, 7.50143051F,
     8.99713898F, 0.0F, 0.0F, 0.0F, 0.0703120381F, 0.0859374627F, 0.101562679F, 0.117187127F, 0.140626654F,
     0.171874776F, 0.20312424F, 0.2343757F, 0.281249583F, 0.34375155F, 0.406248122F, 0.46875146F, 0.562506557F,
     0.687501669F, 0.812495172F, 0.937497616F, 1.12500918F, 1.37499774F, 1.62499523F, 1.87500703F},
    {0.978024602F, 0.991859674F, 0.996997714F, 0.998894453F, 0.999753237F, 0.999966621F, 0.99999547F, 0.999999404F,
     0.99999994F, 0.0F, 0.0F, 0.0F, 0.0701963976F, 0.0857265294F, 0.101214908F, 0.116653621F, 0.139706925F,
     0.170202091F, 0.200375989F, 0.230176374F, 0.274061203F, 0.330822498F, 0.385282367F, 0.437189966F, 0.509834826F,
     0.596374631F, 0.67096442F, 0.73407042F, 0.809304237F, 0.879826188F, 0.92534554F, 0.954045892F},
    {0.0434678756F, 0.0162143894F, 0.00599555997F, 0.00220987201F, 0.000493476575F, 6.67581335e-05F,
     9.05960042e-06F, 1.2206275e-06F, 6.18494411e-08F, 0.0F, 0.0F, 1.0F, 0.995072484F, 0.992650986F, 0.989755571F,
     0.986391962F, 0.980481982F, 0.971031249F, 0.959849477F, 0.947018862F, 0.924890459F, 0.890556455F, 0.851557493F,
     0.808864951F, 0.740068436F, 0.644337296F, 0.549806774F, 0.461140633F, 0.345026642F, 0.22590588F, 0.143735632F,
     0.0897964388F},
    {-0.0425114334F, -0.0160814729F, -0.00597713795F, -0.00220725127F, -0.000492733612F, -6.66747947e-05F,
     -9.04442641e-06F, -1.44277931e-06F, 5.59486857e-08F, 0.0F, 0.0F, 9.55072199e-09F, -0.0698511004F,
     -0.0850961208F, -0.100178726F, -0.115065247F, -0.136979848F, -0.165271088F, -0.192330867F, -0.217981935F,
     -0.253476292F, -0.294616073F, -0.328090221F, -0.35362801F, -0.377312392F, -0.384266436F, -0.368900895F,
     -0.338509917F, -0.279233545F, -0.198759109F, -0.133005589F, -0.0856699944F},
    {0.0270894747F, 0.0105463145F, 0.00396086508F, 0.00146827055F, 0.000328386028F, 4.4450524e-05F, 6.03371745e-06F,
     8.02137947e-07F, 3.75094515e-08F, 0.0F, 0.0F, -0.333334714F, -0.327745676F, -0.324819744F, -0.32127437F,
     -0.316886038F, -0.30778107F, -0.295552641F, -0.281592309F, -0.265827775F, -0.238833606F, -0.199319705F,
     -0.157431856F, -0.115077764F, -0.0543108545F, 0.014389988F, 0.0642287433F, 0.0947645679F, 0.110976979F,
     0.0995708928F, 0.0751641095F, 0.0518005565F},
    {-0.0123863472F, -0.0051476378F, -0.00197798363F, -0.000739445502F, -0.000171971071F, -2.32935545e-05F,
     -3.17514787e-06F, 2.91455962e-07F, -1.17283498e-07F, 0.0F, 0.0F, 5.89206393e-05F, 0.0540602915F, 0.0508258082F,
     0.0750577897F, 0.0627567247F, 0.0877372697F, 0.103864349F, 0.120741591F, 0.135631606F, 0.149623677F,
     0.164055035F, 0.170069024F, 0.168406919F, 0.153256416F, 0.119464166F, 0.0799135268F, 0.0433817096F,
     0.00367244775F, -0.0211106651F, -0.0251265522F, -0.0208494943F},
    {0.00397729455F, 0.00191498233F, 0.000770652143F, 0.000292688463F, 6.83069011e-05F, 9.28118698e-06F,
     1.25658255e-06F, 2.11188947e-07F, 1.22205162e-08F, 0.0F, 0.0F, 0.132495925F, 11.3487749F, 14.5057974F,
     17.6298046F, 17.7774811F, 0.375900328F, 0.115216918F, 0.620291412F, 1.04248059F, 0.0624657422F, -0.0168806482F,
     -0.00372364698F, 0.0257670302F, -0.0456382148F, -0.0620533302F, -0.0587541461F, -0.0509096608F, -0.0321405903F,
     -0.00949089695F, 0.00140935148F, 0.00462788157F},
    },
    0x3D7FFFFF,
    9.5F};

inline constexpr piecewise<5> erf_pieces = {
    {
    {2.25000262F, 2.7500155F, 3.25037789F, 3.74928474F, 0.0F, 0.021484226F, 0.0253906641F, 0.029296929F,
     0.0351451226F, 0.0429686941F, 0.0507816151F, 0.0585939959F, 0.0703125447F, 0.0859374776F, 0.101562567F,
     0.11718829F, 0.140625969F, 0.171873987F, 0.203125983F, 0.234375745F, 0.281250447F, 0.343748301F, 0.406252116F,
     0.46874851F, 0.562496066F, 0.68749094F, 0.81250155F, 0.937502921F, 1.12501025F, 1.37500346F, 1.62498307F,
     1.87499917F},
    {0.998537302F, 0.999899387F, 0.999995708F, 0.999999881F, 0.0F, 0.0242386237F, 0.0286441408F, 0.0330485888F,
     0.0396407023F, 0.0484551564F, 0.0572516993F, 0.0660406575F, 0.0792086571F, 0.0967318714F, 0.114208266F,
     0.131629989F, 0.157639593F, 0.192046136F, 0.226089448F, 0.259700954F, 0.309184194F, 0.37312749F, 0.434388936F,
     0.492612123F, 0.573671222F, 0.66907829F, 0.749464929F, 0.815103769F, 0.888391495F, 0.948170662F, 0.978442371F,
     0.99199003F},
    {0.0071422169F, 0.00058624451F, 2.91225679e-05F, 8.86885346e-07F, 1.12837923F, 1.1278584F, 1.12765193F,
     1.12741113F, 1.12698627F, 1.12629771F, 1.12547314F, 1.12451184F, 1.12281442F, 1.12007654F, 1.11679983F,
     1.11298895F, 1.1062839F, 1.09553361F, 1.08276951F, 1.06806672F, 1.04256129F, 1.00262272F, 0.956706583F,
     0.905794382F, 0.822324991F, 0.703377485F, 0.583111703F, 0.46854201F, 0.31826663F, 0.170358151F, 0.0804766864F,
     0.0335459299F},
    {-0.0160652343F, -0.00160930073F, -9.41943072e-05F, -2.97723227e-06F, -4.00278623e-05F, -0.024230456F,
     -0.0286379308F, -0.0330323875F, -0.0396051966F, -0.0483942106F, -0.057153862F, -0.0658916607F, -0.078946799F,
     -0.0962563381F, -0.113423862F, -0.130429208F, -0.155571997F, -0.188293904F, -0.219939008F, -0.250329494F,
     -0.293220997F, -0.344649583F, -0.388664335F, -0.424589783F, -0.462554336F, -0.483565509F, -0.473778874F,
     -0.43925932F, -0.358054876F, -0.234245464F, -0.130774766F, -0.0628990754F},
    {0.0217266977F, 0.00275798864F, 0.000194741267F, 7.92932678e-06F, -0.368748546F, -0.326392949F, -0.35737583F,
     -0.411786854F, -0.37233144F, -0.365536213F, -0.385583222F, -0.381322592F, -0.3718476F, -0.369726866F,
     -0.365719259F, -0.360846221F, -0.354018837F, -0.343441933F, -0.331853479F, -0.316338062F, -0.292688936F,
     -0.255052269F, -0.213667616F, -0.169181913F, -0.10064593F, -0.012820744F, 0.0622502863F, 0.118366666F,
     0.162449792F, 0.157938227F, 0.114844806F, 0.0674425811F},
    {-0.0193313528F, -0.0034032769F, -0.000309317169F, -1.96432939e-05F, -0.503655493F, -0.134428516F, 1.29368937F,
     0.584361434F, -0.129165605F, -0.0456458554F, 0.056104701F, 0.138992757F, 0.02442424F, 0.0451232605F,
     0.0406809226F, 0.0637921616F, 0.075937435F, 0.0928611606F, 0.108230248F, 0.122387573F, 0.138981417F,
     0.158455506F, 0.173110455F, 0.18114689F, 0.182253167F, 0.165427551F, 0.132498831F, 0.0908899456F,
     0.0283087492F, -0.0300149582F, -0.0494048409F, -0.0421676822F},
    {0.0105821462F, 0.00282592583F, 0.000332730095F, 2.06452096e-05F, 11.5736904F, -9207.71387F, -3361.5874F,
     6859.3291F, -112.84874F, -398.231781F, 578.446289F, 424.36084F, 14.9864931F, 22.1147346F, 13.318984F,
     0.56881839F, -0.359356761F, -0.372341067F, 2.17897201F, -1.5818764F, 0.180000946F, -0.0721705407F,
     0.0574016944F, -0.0312084127F, -0.0118272156F, -0.042895101F, -0.0598721728F, -0.0712355897F, -0.060992483F,
     -0.0306778513F, -0.00228315289F, 0.0113142133F},
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

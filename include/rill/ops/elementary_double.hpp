// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// exp, expm1, log, log1p, tanh, sigmoid, sin, cos and rsqrt in double, and functions of floats that are evaluated in double
/// and rounded once: log2, log10, tan, asin, acos, atan, sinh, cosh, asinh, acosh, atanh, cbrt. Written for a number and
/// for a register of numbers, as in elementary.hpp.
///
/// Arguments are reduced as Cody and Waite 1980 do, with what the reduction loses carried along; logarithms use the series
/// of 2 atanh(f / (2 + f)), as fdlibm (Sun Microsystems 1993) does. The coefficients are printed by
/// tests/oracle/elementary_tables.py. Largest errors are measured by tests/ops/accuracy_test.cpp.
///
///   double y = elementary::exp(0.5);

#include <type_traits>

#include "elementary.hpp"

namespace rill::elementary {

/// double, or a register of doubles.
template <class V>
concept wide = requires { lane_ops<V>::is_double; };

namespace detail {

/// p * 2^n, rounded once, for whole |n| <= 2044; t = n + wide_round_to_integer.
template <wide V>
[[gnu::always_inline]] inline V scale(V p, V n, [[maybe_unused]] V t) {
  using o = lane_ops<V>;
  if constexpr (o::scales) return o::scale(p, n);
  else {
    const V half = o::mad(n, V(0.5), V(wide_round_to_integer));
    const auto offset = o::set(1023);
    const auto first = o::add(o::bits(half), offset);
    const auto second = o::add(o::sub(o::bits(t), o::bits(half)), o::add(o::set(std::bit_cast<std::int64_t>(wide_round_to_integer)), offset));
    return p * o::number(o::template up<52>(first)) * o::number(o::template up<52>(second));
  }
}

/// x = n log(2) + r + lost.
template <class V>
struct wide_reduced {
  V t, n, r, lost;
};
template <class V>
[[gnu::always_inline]] inline wide_reduced<V> wide_reduce(V x) {
  using o = lane_ops<V>;
  wide_reduced<V> s;
  s.t = o::mad(x, V(1.44269504088896340736), V(wide_round_to_integer));
  s.n = s.t - V(wide_round_to_integer);
  const V high = o::mad(s.n, V(-0.6931471803691238), x);  // exact: the constant has 32 bits
  s.r = o::mad(s.n, V(-1.9082149292705877e-10), high);
  s.lost = o::mad(s.n, V(-1.9082149292705877e-10), high - s.r);
  return s;
}
/// exp(r + lost) - 1 - r for |r| <= log(2) / 2.
template <class V>
[[gnu::always_inline]] inline V wide_exp_tail(V r, V lost) {
  using o = lane_ops<V>;
  V q = V(2.511265401198411e-08);
  q = o::mad(q, r, V(2.7631517209714487e-07));
  q = o::mad(q, r, V(2.7557232875898035e-06));
  q = o::mad(q, r, V(2.4801489193658203e-05));
  q = o::mad(q, r, V(0.00019841269898657093));
  q = o::mad(q, r, V(0.0013888888947850466));
  q = o::mad(q, r, V(0.008333333333315955));
  q = o::mad(q, r, V(0.04166666666651161));
  q = o::mad(q, r, V(0.16666666666666685));
  q = o::mad(q, r, V(0.5000000000000013));
  return o::mad(r * r, q, lost);
}

/// log(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)), plus e log(2), plus `lost`.
template <class V>
[[gnu::always_inline]] inline V wide_log_of(V f, V e, V lost) {
  using o = lane_ops<V>;
  const V s = f / (V(2.0) + f);
  const V z = s * s;
  V q = V(0.14800731001529535);
  q = o::mad(q, z, V(0.15313576213346528));
  q = o::mad(q, z, V(0.18183582853289504));
  q = o::mad(q, z, V(0.22222198213077984));
  q = o::mad(q, z, V(0.28571428745996863));
  q = o::mad(q, z, V(0.39999999999397445));
  q = o::mad(q, z, V(0.6666666666666737));
  const V rest = o::mad(s, o::mad(z, q, V(0.0) - f), o::mad(e, V(1.9082149292705877e-10), lost));
  return o::mad(e, V(0.6931471803691238), f + rest);
}
/// The exponent e and f for which u, positive and not denormal, is 2^e (1 + f).
template <class V>
struct wide_split {
  V e, f;
};
template <class V>
[[gnu::always_inline]] inline wide_split<V> split(V u) {
  using o = lane_ops<V>;
  // the bits counted from those of sqrt(1/2), so that the exponent's rise with them
  const auto b = o::add(o::bits(u), o::set(0x3FF0000000000000 - 0x3FE6A09E667F3BCD));
  const auto m = o::add(o::both(b, o::set(0x000FFFFFFFFFFFFF)), o::set(0x3FE6A09E667F3BCD));
  wide_split<V> s;
  s.e = o::number(o::either(o::template down<52>(b), o::set(0x4330000000000000))) - V(4503599627370496.0 + 1023);
  s.f = o::number(m) - V(1.0);
  return s;
}
/// log(u) for u positive, finite and not denormal.
template <class V>
[[gnu::always_inline]] inline V wide_log(V u) {
  const auto s = split(u);
  return wide_log_of(s.f, s.e, V(0.0));
}
/// log(1 + x) for -1 < x < 1e300.
template <class V>
[[gnu::always_inline]] inline V wide_log1p(V x) {
  using o = lane_ops<V>;
  const V u = x + V(1.0);
  const V back = u - V(1.0);
  const V lost = (x - back) + (V(1.0) - (u - back));  // 1 + x = u + lost, exactly (Knuth, TAOCP 2, 4.2.2, theorem B)
  const auto s = split(u);
  const auto whole = o::less(o::abs(s.e), V(0.5));
  return wide_log_of(o::select(whole, x, s.f), s.e, o::select(whole, V(0.0), lost / u));
}

/// x = n pi / 2 + r + lost, |r| <= pi / 4, for |x| <= 1e6; t = n + wide_round_to_integer.
template <class V>
struct wide_angle {
  V t, r, lost;
};
template <class V>
[[gnu::always_inline]] inline wide_angle<V> wide_quarter(V x) {
  using o = lane_ops<V>;
  wide_angle<V> a;
  a.t = o::mad(x, V(0.63661977236758134308), V(wide_round_to_integer));
  const V n = a.t - V(wide_round_to_integer);
  const V first = o::mad(n, V(-1.5707963267341256), x);  // exact: the constant has 33 bits
  const V second = n * V(-6.077100506303966e-11);        // so is this
  const V sum = first + second;
  const V back = sum - first;
  const V lost = o::mad(n, V(-2.0222662487959506e-21), (first - (sum - back)) + (second - back));
  a.r = sum + lost;
  a.lost = (sum - a.r) + lost;
  return a;
}
template <class V>
[[gnu::always_inline]] inline V wide_sine_of(V r, V lost) {
  using o = lane_ops<V>;
  const V z = r * r;
  V q = V(1.589618977343222e-10);
  q = o::mad(q, z, V(-2.5050746453348854e-08));
  q = o::mad(q, z, V(2.7557313607067274e-06));
  q = o::mad(q, z, V(-0.00019841269829520692));
  q = o::mad(q, z, V(0.008333333333321973));
  q = o::mad(q, z, V(-0.1666666666666663));
  return r + o::mad(z * r, q, o::mad(z * V(-0.5), lost, lost));
}
template <class V>
[[gnu::always_inline]] inline V wide_cosine_of(V r, V lost) {
  using o = lane_ops<V>;
  const V z = r * r;
  V q = V(-1.1359087310084711e-11);
  q = o::mad(q, z, V(2.0875711542211635e-09));
  q = o::mad(q, z, V(-2.755731425770238e-07));
  q = o::mad(q, z, V(2.4801587289117357e-05));
  q = o::mad(q, z, V(-0.001388888888887346));
  q = o::mad(q, z, V(0.041666666666666595));
  const V w = o::mad(z, V(-0.5), V(1.0));
  return w + o::mad(z * z, q, o::mad(V(0.0) - r, lost, o::mad(z, V(-0.5), V(1.0) - w)));
}
/// sin(x), or cos(x) = sin(x + pi / 2).
template <bool Cosine, class V>
[[gnu::always_inline]] inline V wide_turn(V x) {
  using o = lane_ops<V>;
  const auto a = wide_quarter(x);
  const V s = wide_sine_of(a.r, a.lost);
  const V c = wide_cosine_of(a.r, a.lost);
  const auto quarter = o::add(o::bits(a.t), o::set(Cosine ? 1 : 0));
  const auto odd = o::sub(o::set(0), o::both(quarter, o::set(1)));  // all bits, or none
  const auto chosen = o::differ(o::bits(s), o::both(o::differ(o::bits(s), o::bits(c)), odd));
  return o::number(o::differ(chosen, o::template up<63>(o::template down<1>(quarter))));
}

/// |t| <= 1, to 41 bits.
template <class D>
[[gnu::always_inline]] inline D narrow_atan(D t) {
  using o = lane_ops<D>;
  const D z = t * t;
  D q = D(-0.00027749062207681305);
  q = o::mad(q, z, D(0.002234819370174924));
  q = o::mad(q, z, D(-0.008453126580994078));
  q = o::mad(q, z, D(0.020299171665269677));
  q = o::mad(q, z, D(-0.0356687033727073));
  q = o::mad(q, z, D(0.05075698531337068));
  q = o::mad(q, z, D(-0.06381737958472572));
  q = o::mad(q, z, D(0.07619854683658844));
  q = o::mad(q, z, D(-0.09078160212507873));
  q = o::mad(q, z, D(0.11109644517533959));
  q = o::mad(q, z, D(-0.14285613446056586));
  q = o::mad(q, z, D(0.19999996467700917));
  q = o::mad(q, z, D(-0.3333333328953367));
  return o::mad(z * t, q, t);
}

}  // namespace detail

template <wide V>
[[gnu::always_inline]] inline V exp(V x) {
  using o = lane_ops<V>;
  const auto s = detail::wide_reduce(o::max(V(-746.0), o::min(V(710.0), x)));
  const V sum = V(1.0) + s.r;
  return detail::scale(sum + ((V(1.0) - sum) + s.r + detail::wide_exp_tail(s.r, s.lost)), s.n, s.t);
}

template <wide V>
[[gnu::always_inline]] inline V expm1(V x) {
  using o = lane_ops<V>;
  const auto s = detail::wide_reduce(o::max(V(-40.0), o::min(V(710.0), x)));
  // 2^n (r + tail) + (2^n - 1), on half of it, so that 2^n fits
  const V half = o::number(o::template up<52>(o::add(o::bits(s.t), o::set(1022))));
  const V whole = half - V(0.5);
  const V part = half * s.r;
  const V sum = whole + part;
  const V y = sum + o::mad(half, detail::wide_exp_tail(s.r, s.lost), (whole - sum) + part);
  return o::select(o::less(o::abs(x), V(1.0e-300)), x, y + y);
}

template <wide V>
[[gnu::always_inline]] inline V log(V x) {
  using o = lane_ops<V>;
  return o::patch(x, std::numeric_limits<double>::min(), std::numeric_limits<double>::infinity(), detail::wide_log(x),
                  [](double v) { return std::log(v); });
}

template <wide V>
[[gnu::always_inline]] inline V log1p(V x) {
  using o = lane_ops<V>;
  return o::patch(x, -1.0, 1.0e300, o::select(o::less(o::abs(x), V(1.0e-300)), x, detail::wide_log1p(x)),
                  [](double v) { return std::log1p(v); });
}

template <wide V>
[[gnu::always_inline]] inline V tanh(V x) {
  using o = lane_ops<V>;
  const V a = o::abs(x);
  const V z = x * x;
  V q = V(4.988632338593541e-05);
  q = o::mad(q, z, V(-0.00020864853935401297));
  q = o::mad(q, z, V(0.0005781166710946893));
  q = o::mad(q, z, V(-0.0014528697667517583));
  q = o::mad(q, z, V(0.003591648775967765));
  q = o::mad(q, z, V(-0.008863185596207301));
  q = o::mad(q, z, V(0.02186948530052488));
  q = o::mad(q, z, V(-0.05396825384724171));
  q = o::mad(q, z, V(0.13333333333108158));
  q = o::mad(q, z, V(-0.3333333333333187));
  const V small = o::mad(z * x, q, x);
  const V large = V(1.0) - V(2.0) / (V(1.0) + elementary::exp(a + a));
  return o::select(o::less(a, V(0.55)), o::select(o::less(a, V(1.0e-150)), x, small), o::with_sign(large, x));
}

template <wide V>
[[gnu::always_inline]] inline V sigmoid(V x) {
  using o = lane_ops<V>;
  const V e = elementary::exp(o::minus_abs(x));
  return o::select(o::less(x, V(0.0)), e, V(1.0)) / (V(1.0) + e);
}

template <wide V>
[[gnu::always_inline]] inline V sin(V x) {
  using o = lane_ops<V>;
  const V y = o::select(o::less(o::abs(x), V(1.0e-150)), x, detail::wide_turn<false>(x));
  return o::patch(x, -1.0e6, 1.0e6, y, [](double v) { return std::sin(v); });
}

template <wide V>
[[gnu::always_inline]] inline V cos(V x) {
  using o = lane_ops<V>;
  return o::patch(x, -1.0e6, 1.0e6, detail::wide_turn<true>(x), [](double v) { return std::cos(v); });
}

/// 1 / sqrt(x): the estimate improved twice by Newton's method, where there is one.
template <wide V>
[[gnu::always_inline]] inline V rsqrt(V x) {
  using o = lane_ops<V>;
  if constexpr (o::estimates) {
    const V y = o::estimate(x);
    const V half_off = o::mad(x * y, y * V(-0.5), V(0.5));
    const V near = o::mad(y, half_off, y);
    const V last = o::mad(near, o::mad(x * near, near * V(-0.5), V(0.5)), near);
    return o::select(o::less(o::abs(half_off), V(1.0)), last, y);  // NaN where y is infinite or 0
  } else return V(1.0) / o::sqrt(x);
}

// ---- floats by way of double -----------------------------------------------------------------------------------------

namespace detail {
/// log(x) times 1 / log(base); `exact` takes the numbers that are not positive and finite.
template <class V>
[[gnu::always_inline]] inline V log_to_base(V x, double factor, float (*exact)(float)) {
  using o = lane_ops<V>;
  const V y = o::widened(x, [&](const auto& d) __attribute__((always_inline)) {
    using D = std::remove_cvref_t<decltype(d)>;
    return wide_log(d) * D(factor);
  });
  return o::patch(x, 0.0F, std::numeric_limits<float>::infinity(), y, exact);
}
}  // namespace detail

template <class V>
[[gnu::always_inline]] inline V log2(V x) {
  return detail::log_to_base(x, 1.44269504088896340736, [](float v) { return static_cast<float>(std::log2(static_cast<double>(v))); });
}

template <class V>
[[gnu::always_inline]] inline V log10(V x) {
  return detail::log_to_base(x, 0.43429448190325182765, [](float v) { return static_cast<float>(std::log10(static_cast<double>(v))); });
}

template <class V>
[[gnu::always_inline]] inline V tan(V x) {
  using o = lane_ops<V>;
  const V y = o::widened(x, [](const auto& d) __attribute__((always_inline)) {
    using D = std::remove_cvref_t<decltype(d)>;
    using w = lane_ops<D>;
    const auto a = detail::wide_quarter(d);
    const D s = detail::wide_sine_of(a.r, a.lost);
    const D c = detail::wide_cosine_of(a.r, a.lost);
    const auto odd = w::sub(w::set(0), w::both(w::bits(a.t), w::set(1)));
    const auto exchanged = w::both(w::differ(w::bits(s), w::bits(c)), odd);
    const D quotient = w::number(w::differ(w::bits(s), exchanged)) / w::number(w::differ(w::bits(c), exchanged));
    return w::number(w::differ(w::bits(quotient), w::template up<63>(w::bits(a.t))));
  });
  return o::patch(x, -1.0e6F, 1.0e6F, o::select(o::less(V(0.0F), o::abs(x)), y, x),
                  [](float v) { return static_cast<float>(std::tan(static_cast<double>(v))); });
}

template <class V>
[[gnu::always_inline]] inline V atan(V x) {
  using o = lane_ops<V>;
  return o::widened(x, [](const auto& d) __attribute__((always_inline)) {
    using D = std::remove_cvref_t<decltype(d)>;
    using w = lane_ops<D>;
    const D a = w::abs(d);
    const auto beyond = w::less(D(1.0), a);
    const D y = detail::narrow_atan(w::select(beyond, D(1.0) / a, a));
    return w::with_sign(w::select(beyond, D(1.57079632679489661923) - y, y), d);
  });
}

template <class V>
[[gnu::always_inline]] inline V asin(V x) {
  using o = lane_ops<V>;
  return o::widened(x, [](const auto& d) __attribute__((always_inline)) {
    using D = std::remove_cvref_t<decltype(d)>;
    using w = lane_ops<D>;
    // the smaller one of the two sides of the triangle over the larger one
    const D a = w::abs(d);
    const D b = w::sqrt(w::mad(D(0.0) - a, a, D(1.0)));
    const auto steep = w::less(b, a);
    const D y = detail::narrow_atan(w::select(steep, b, a) / w::select(steep, a, b));
    return w::with_sign(w::select(steep, D(1.57079632679489661923) - y, y), d);
  });
}

template <class V>
[[gnu::always_inline]] inline V acos(V x) {
  using o = lane_ops<V>;
  return o::widened(x, [](const auto& d) __attribute__((always_inline)) {
    using D = std::remove_cvref_t<decltype(d)>;
    using w = lane_ops<D>;
    const D a = w::abs(d);
    const D b = w::sqrt(w::mad(D(0.0) - a, a, D(1.0)));
    const auto steep = w::less(b, a);
    const D y = detail::narrow_atan(w::select(steep, b, a) / w::select(steep, a, b));
    const D half = D(1.57079632679489661923);
    const D positive = w::select(steep, y, half - y);
    return w::select(w::less(d, D(0.0)), (half + half) - positive, positive);
  });
}

template <class V>
[[gnu::always_inline]] inline V sinh(V x) {
  using o = lane_ops<V>;
  return o::widened(x, [](const auto& d) __attribute__((always_inline)) {
    using D = std::remove_cvref_t<decltype(d)>;
    using w = lane_ops<D>;
    const D e = elementary::expm1(w::min(D(200.0), w::abs(d)));  // beyond all floats from there on
    return w::with_sign(w::mad(e, D(0.5), (e * D(0.5)) / (e + D(1.0))), d);
  });
}

template <class V>
[[gnu::always_inline]] inline V cosh(V x) {
  using o = lane_ops<V>;
  return o::widened(x, [](const auto& d) __attribute__((always_inline)) {
    using D = std::remove_cvref_t<decltype(d)>;
    using w = lane_ops<D>;
    const D e = elementary::exp(w::abs(d));
    return w::mad(e, D(0.5), D(0.5) / e);
  });
}

template <class V>
[[gnu::always_inline]] inline V asinh(V x) {
  using o = lane_ops<V>;
  const V y = o::widened(x, [](const auto& d) __attribute__((always_inline)) {
    using D = std::remove_cvref_t<decltype(d)>;
    using w = lane_ops<D>;
    const D a = w::abs(d);
    return w::with_sign(detail::wide_log1p(a + (a * a) / (D(1.0) + w::sqrt(w::mad(a, a, D(1.0))))), d);
  });
  return o::patch(x, -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::infinity(), y, [](float v) { return v; });
}

template <class V>
[[gnu::always_inline]] inline V acosh(V x) {
  using o = lane_ops<V>;
  const V y = o::widened(x, [](const auto& d) __attribute__((always_inline)) {
    using D = std::remove_cvref_t<decltype(d)>;
    using w = lane_ops<D>;
    const D f = d - D(1.0);
    return detail::wide_log1p(f + w::sqrt(f * (d + D(1.0))));
  });
  return o::patch(x, 1.0F, std::numeric_limits<float>::infinity(), y,
                  [](float v) { return static_cast<float>(std::acosh(static_cast<double>(v))); });
}

template <class V>
[[gnu::always_inline]] inline V atanh(V x) {
  using o = lane_ops<V>;
  const V y = o::widened(x, [](const auto& d) __attribute__((always_inline)) {
    using D = std::remove_cvref_t<decltype(d)>;
    using w = lane_ops<D>;
    const D a = w::abs(d);
    return w::with_sign(D(0.5) * detail::wide_log1p((a + a) / (D(1.0) - a)), d);
  });
  return o::patch(x, -1.0F, 1.0F, y, [](float v) { return static_cast<float>(std::atanh(static_cast<double>(v))); });
}

template <class V>
[[gnu::always_inline]] inline V cbrt(V x) {
  using o = lane_ops<V>;
  const V y = o::widened(x, [](const auto& d) __attribute__((always_inline)) {
    using D = std::remove_cvref_t<decltype(d)>;
    using w = lane_ops<D>;
    return w::with_sign(elementary::exp(detail::wide_log(w::abs(d)) * D(0.33333333333333333333)), d);
  });
  return o::select(o::less(o::abs(x - x), V(1.0F)), o::select(o::less(V(0.0F), o::abs(x)), y, x), x);
}

}  // namespace rill::elementary

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Special functions, element by element: lgamma, digamma, polygamma, zeta, igamma, igammac, betainc, erfinv, ndtri, ndtr
/// and the exponentially scaled Bessel functions. Floating dtypes only; operands broadcast. They are evaluated lane by lane
/// in double and rounded once, so float results are correctly rounded but for rare cases; double results are good to some
/// 1e-15 relative, 1e-13 for the incomplete functions, away from zeros. Outside of a function's domain the result is NaN.
///
/// Gradients: all of them in their last operand; igamma, igammac and betainc none in a and b, zeta none in x, polygamma
/// none in n, as TensorFlow.
///
///   y = lgamma(x);   p = igamma(0.5, x);   q = betainc(a, b, x);
///
/// Sources: DLMF = NIST Digital Library of Mathematical Functions; Loader 2000, "Fast and accurate computation of binomial
/// probabilities"; Press et al., Numerical Recipes, 6.2 and 6.4; Winitzki 2008, "A handy approximation for the error
/// function and its inverse".

#include "binary.hpp"
#include "comparison.hpp"
#include "select.hpp"
#include "unary.hpp"

namespace rill {
namespace scalar {

inline constexpr double pi = 3.14159265358979323846;

namespace detail {

// T is double throughout; templates may be constexpr, and thus run on a device, although the C library's functions are not.

template <class T>
constexpr T nan_v = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T infinity_v = std::numeric_limits<T>::infinity();

/// log(gamma(2 + z)) for |z| <= 0.5 (DLMF 5.7.3 with one log taken out): exact around the zero at 2.
template <class T>
constexpr T lgamma_2p(T z) {
  const T c[] = {0.3224670334241132182,     -0.06735230105319809513,   0.02058080842778454788,   -0.007385551028673985266,
                 0.002890510330741523286,   -0.001192753911703260977,  0.0005096695247430424224, -0.0002231547584535793798,
                 0.00009945751278180853371, -0.00004492623673813314170, 0.00002050721277567069155, -9.439488275268395905e-6,
                 4.374866789907487805e-6,   -2.039215753801366236e-6,  9.551412130407419834e-7,  -4.492469198764566045e-7,
                 2.120718480555466586e-7,   -1.004322482396809960e-7,  4.769810169363980565e-8,  -2.271109460894316491e-8,
                 1.083865921489695409e-8,   -5.183475041970046655e-9,  2.483674543802478317e-9,  -1.192140140586091207e-9,
                 5.731367241678862013e-10,  -2.759522885124233145e-10, 1.330476437424448950e-10, -6.422964563838100022e-11,
                 3.104424774732227276e-11};
  T s = 0;
  for (int k = 28; k >= 0; --k) s = s * z + c[k];
  return z * (T(0.42278433509846713939) + z * s);
}

/// lgamma(n + 1) - (n + 1/2) log(n) + n - log(2 pi) / 2 for n >= 10 (DLMF 5.11.1).
template <class T>
constexpr T stirling_tail(T n) {
  const T r = 1 / (n * n);
  return (T(1) / 12 -
          r * (T(1) / 360 -
               r * (T(1) / 1260 -
                    r * (T(1) / 1680 - r * (T(1) / 1188 - r * (T(691) / 360360 - r * (T(1) / 156 - r * T(3617) / 122400))))))) /
         n;
}

template <class T>
constexpr T lgamma_positive(T x) {
  if (x < T(0.5)) return x < T(1e-300) ? -std::log(x) : lgamma_2p(x) - std::log1p(x) - std::log(x);
  if (x < T(1.5)) return lgamma_2p(x - 1) - std::log1p(x - 1);
  if (x <= T(2.5)) return lgamma_2p(x - 2);
  if (x < 10) {
    T p = 1;
    while (x > T(2.5)) {
      x -= 1;
      p *= x;
    }
    return std::log(p) + lgamma_2p(x - 2);
  }
  if (x > T(2e305)) return infinity_v<T>;
  if (x > T(1e17)) return x * (std::log(x) - 1);
  return (x - T(0.5)) * std::log(x) - x + T(0.91893853320467274178) + stirling_tail(x);
}

template <class T>
constexpr T lgamma(T x) {
  if (x != x) return x;
  if (x > 0) return x == infinity_v<T> ? x : lgamma_positive(x);
  if (x == std::floor(x)) return infinity_v<T>;  // poles, and -infinity
  const T r = x - std::nearbyint(x);             // sin(pi x) is +-sin(pi r)
  return std::log(T(pi) / (-x * std::fabs(std::sin(T(pi) * r)))) - lgamma_positive(-x);  // DLMF 5.5.3
}

template <class T>
constexpr T digamma(T x) {
  if (x != x) return x;
  if (x == infinity_v<T>) return x;
  if (x == 0) return std::signbit(x) ? infinity_v<T> : -infinity_v<T>;
  T s = 0;
  if (x < 0) {
    if (x == std::floor(x)) return nan_v<T>;
    s = -T(pi) / std::tan(T(pi) * (x - std::nearbyint(x)));  // DLMF 5.5.4
    x = 1 - x;
  }
  T shift = 0;
  for (; x < 10; x += 1) shift += 1 / x;
  const T r = 1 / (x * x);
  const T tail =  // DLMF 5.11.2
      r * (T(1) / 12 -
           r * (T(1) / 120 -
                r * (T(1) / 252 - r * (T(1) / 240 - r * (T(1) / 132 - r * (T(691) / 32760 - r * (T(1) / 12)))))));
  return s + (std::log(x) - T(0.5) / x - tail - shift);
}

/// The Hurwitz zeta function: the sum of (q + k)^-x over k >= 0, by Euler-Maclaurin (DLMF 25.11.28 with more terms).
template <class T>
constexpr T zeta(T x, T q) {
  if (x != x || q != q || x < 1) return nan_v<T>;
  if (x == 1) return infinity_v<T>;
  if (q <= 0) {
    if (q == std::floor(q)) return x == std::floor(x) && std::fmod(x, T(2)) == 0 ? infinity_v<T> : nan_v<T>;
    if (x != std::floor(x)) return nan_v<T>;
  }
  if (q == infinity_v<T>) return 0;
  const T b[] = {T(1) / 12,         -T(1) / 720,          T(1) / 30240,      -T(1) / 1209600,    // B_2k / (2k)!
                 T(1) / 47900160,   -T(691) / 1307674368000.0, T(1) / 74724249600.0,
                 -T(3617) / 10670622842880000.0, T(43867) / 5109094217170944000.0,
                 -T(174611) / 802857662698291200000.0};
  const T eps = std::numeric_limits<T>::epsilon() / 4;
  T s = 0;
  T a = q;
  do {
    const T term = std::pow(a, -x);
    s += term;
    a += 1;
    if (std::fabs(term) < eps * std::fabs(s) && a > 1) return s;
  } while (a < 12 + x / 2);
  const T p = std::pow(a, -x);
  s += p * a / (x - 1) + p / 2;
  T factor = x * p / a;
  for (int k = 0; k < 10; ++k) {
    const T term = b[k] * factor;
    s += term;
    if (std::fabs(term) < eps * std::fabs(s)) break;
    factor *= (x + 2 * k + 1) * (x + 2 * k + 2) / (a * a);
  }
  return s;
}

/// The n-th derivative of digamma (DLMF 5.15.2 and 25.11.12); NaN unless n is 0, 1, 2, ...
template <class T>
constexpr T polygamma(T n, T x) {
  if (n == 0) return digamma(x);
  if (n != n || n < 0 || n != std::floor(n)) return nan_v<T>;
  T factorial = 1;
  for (T k = 2; k <= n && factorial < infinity_v<T>; k += 1) factorial *= k;
  const T z = factorial * zeta(n + 1, x);
  return std::fmod(n, T(2)) == 0 ? -z : z;
}

/// x log(x / m) + m - x without cancellation (Loader 2000, bd0).
template <class T>
constexpr T deviance(T x, T m) {
  if (std::fabs(x - m) < T(0.1) * (x + m)) {
    T v = (x - m) / (x + m);
    T s = (x - m) * v;
    T e = 2 * x * v;
    v *= v;
    for (int j = 3; j < 100; j += 2) {
      e *= v;
      const T next = s + e / j;
      if (next == s) break;
      s = next;
    }
    return s;
  }
  return x * std::log(x / m) + m - x;
}

/// log(gamma(n + 1)) less Stirling's formula (Loader 2000, stirlerr).
template <class T>
constexpr T stirling_error(T n) {
  if (n >= 10) return stirling_tail(n);
  const T g = n < T(0.5) ? lgamma_2p(n) - std::log1p(n) : lgamma_positive(n + 1);
  return g - (n + T(0.5)) * std::log(n) + n - T(0.91893853320467274178);
}

/// x^a exp(-x) / gamma(a + 1).
template <class T>
constexpr T poisson(T a, T x) {
  if (a <= 20) return std::pow(x, a) * std::exp(-x) / std::tgamma(a + 1);
  return std::exp(-stirling_tail(a) - deviance(a, x)) / std::sqrt(2 * T(pi) * a);
}

/// Terms that the expansions below may take; near x = a they need some 10 sqrt(a).
inline constexpr int max_terms = 200000;
/// From here on, one uniform expansion serves for all x.
inline constexpr double large_a = 1e8;

/// The lower (or upper) fraction of the gamma function for a > 1e8 (Temme; DLMF 8.12.3, 8.12.4, first two coefficients at
/// x near a; elsewhere the fraction is 0 or 1 to the last bit).
template <class T>
constexpr T gamma_fraction_uniform(T a, T x, bool lower) {
  const T mu = (x - a) / a;
  if (std::fabs(mu) > T(0.02)) return (mu > 0) == lower ? T(1) : T(0);
  const T half = deviance(a, x) / a;  // eta^2 / 2
  const T eta = (mu < 0 ? -1 : 1) * std::sqrt(2 * half);
  const T c0 = -T(1) / 3 + eta * (T(1) / 12 + eta * (-T(2) / 135 + eta * (T(1) / 864 + eta * (T(1) / 2835))));
  const T c1 = -T(1) / 540 - eta * (T(1) / 288);
  const T s = std::exp(-a * half) / std::sqrt(2 * T(pi) * a) * (c0 + c1 / a);
  const T z = eta * std::sqrt(a / 2);
  return lower ? std::erfc(-z) / 2 - s : std::erfc(z) / 2 + s;
}

template <class T>
constexpr T igamma_series(T a, T x) {  // DLMF 8.7.1
  T s = 1;
  T term = 1;
  for (int k = 1; k < max_terms; ++k) {
    term *= x / (a + k);
    s += term;
    if (term < s * (std::numeric_limits<T>::epsilon() / 8)) break;
  }
  return poisson(a, x) * s;
}
template <class T>
constexpr T igammac_series(T a, T x) {  // 1 - DLMF 8.7.1's other form, for small a and x
  T factor = 1;
  T s = 0;
  for (int k = 1; k < max_terms; ++k) {
    factor *= -x / k;
    const T term = factor / (a + k);
    s += term;
    if (std::fabs(term) < std::fabs(s) * (std::numeric_limits<T>::epsilon() / 8)) break;
  }
  const T lg = a < T(0.5) ? lgamma_2p(a) - std::log1p(a) : lgamma_positive(a + 1);
  return -std::expm1(a * std::log(x) - lg) - std::pow(x, a) / std::tgamma(a) * s;
}
template <class T>
constexpr T igammac_fraction(T a, T x) {  // DLMF 8.9.2 by Lentz's method (Numerical Recipes 6.2, gcf)
  const T tiny = T(1e-300);
  T b = x + 1 - a;
  T c = 1 / tiny;
  T d = 1 / b;
  T h = d;
  for (int k = 1; k < max_terms; ++k) {
    const T an = -k * (k - a);
    b += 2;
    d = an * d + b;
    if (std::fabs(d) < tiny) d = tiny;
    c = b + an / c;
    if (std::fabs(c) < tiny) c = tiny;
    d = 1 / d;
    const T delta = d * c;
    h *= delta;
    if (std::fabs(delta - 1) < std::numeric_limits<T>::epsilon()) break;
  }
  return poisson(a, x) * a * h;
}

/// Which expansion is exact for the upper fraction at (a, x).
template <class T>
constexpr bool upper_by_series(T a, T x) {
  if (x <= T(0.5)) return -T(0.4) / std::log(x) >= a;
  return x <= T(1.1) && T(1.1) * x >= a;
}

template <class T>
constexpr T gamma_fraction(T a, T x, bool lower) {
  if (a != a || x != x || x < 0 || a <= 0) return nan_v<T>;
  if (x == 0) return lower ? T(0) : T(1);
  if (x == infinity_v<T>) return a == x ? nan_v<T> : lower ? T(1) : T(0);
  if (a > large_a) return a == infinity_v<T> ? (lower ? T(0) : T(1)) : gamma_fraction_uniform(a, x, lower);
  if (x > T(1.1) && x >= a) {
    const T q = igammac_fraction(a, x);
    return lower ? 1 - q : q;
  }
  if (!lower && upper_by_series(a, x)) return igammac_series(a, x);
  const T p = igamma_series(a, x);
  return lower ? p : 1 - p;
}

template <class T>
constexpr T betainc_fraction(T a, T b, T x) {  // DLMF 8.17.22 by Lentz's method (Numerical Recipes 6.4, betacf)
  const T tiny = T(1e-300);
  T c = 1;
  T d = 1 - (a + b) * x / (a + 1);
  if (std::fabs(d) < tiny) d = tiny;
  d = 1 / d;
  T h = d;
  for (int m = 1; m < max_terms; ++m) {
    const T even = m * (b - m) * x / ((a - 1 + 2 * m) * (a + 2 * m));
    d = 1 + even * d;
    if (std::fabs(d) < tiny) d = tiny;
    c = 1 + even / c;
    if (std::fabs(c) < tiny) c = tiny;
    d = 1 / d;
    h *= d * c;
    const T odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 1 + 2 * m));
    d = 1 + odd * d;
    if (std::fabs(d) < tiny) d = tiny;
    c = 1 + odd / c;
    if (std::fabs(c) < tiny) c = tiny;
    d = 1 / d;
    const T delta = d * c;
    h *= delta;
    if (std::fabs(delta - 1) < std::numeric_limits<T>::epsilon()) break;
  }
  return h;
}

template <class T>
constexpr T betainc(T a, T b, T x) {
  if (!(a > 0 && b > 0 && x >= 0 && x <= 1) || a == infinity_v<T> || b == infinity_v<T>) return nan_v<T>;
  if (x == 0 || x == 1) return x;
  const T n = a + b;
  T front;  // x^a (1 - x)^b / beta(a, b)
  if (n <= 20)
    front = std::pow(x, a) * (x < T(0.5) ? std::exp(b * std::log1p(-x)) : std::pow(1 - x, b)) * std::tgamma(n + 1) /
            (std::tgamma(a + 1) * std::tgamma(b + 1)) * (a * b / n);
  else {
    const T e = stirling_error(n) - stirling_error(a) - stirling_error(b) - deviance(a, n * x) - deviance(b, n * (1 - x));
    front = std::exp(e) * std::sqrt(a * b / (2 * T(pi) * n));
  }
  if (x < (a + 1) / (n + 2)) return front * betainc_fraction(a, b, x) / a;
  return 1 - front * betainc_fraction(b, a, 1 - x) / b;
}

/// y >= 0 with erf(y) = x = 1 - q, given both where either is small: a first guess (Winitzki 2008, eq. 7; in the tail the
/// asymptotic series of erfc, DLMF 7.12.1), then Halley's method.
template <class T>
constexpr T inverse_erf(T x, T q) {
  if (q == 0) return infinity_v<T>;
  const T root_pi_2 = T(0.88622692545275801365);
  if (x < T(1e-9)) return x * root_pi_2;
  T y;
  if (q > T(1e-4)) {
    const T l = x < T(0.5) ? std::log1p(-x * x) : std::log(q * (2 - q));
    const T t = T(4.3307467508) + l / 2;
    y = std::sqrt((-l / T(0.147)) / (std::sqrt(t * t - l / T(0.147)) + t));
  } else {
    const T w = -std::log(q * (2 * root_pi_2));
    y = std::sqrt(w);
    for (int k = 0; k < 3; ++k) {
      const T r = 1 / (2 * y * y);
      y = std::sqrt(w - std::log(y) + std::log1p(r * (-1 + 3 * r)));
    }
  }
  for (int k = 0; k < 2; ++k) {
    const T u = (y < T(0.5) ? std::erf(y) - x : q - std::erfc(y)) * root_pi_2 * std::exp(y * y);
    y -= u / (1 + u * y);
  }
  return y;
}
template <class T>
constexpr T erfinv(T x) {
  if (!(x >= -1 && x <= 1)) return nan_v<T>;
  const T a = std::fabs(x);
  return std::copysign(inverse_erf(a, 1 - a), x);
}
template <class T>
constexpr T ndtri(T p) {
  if (!(p >= 0 && p <= 1)) return nan_v<T>;
  if (p == T(0.5)) return 0;
  const T tail = p < T(0.5) ? p : 1 - p;
  const T y = T(1.41421356237309504880) * inverse_erf(1 - 2 * tail, 2 * tail);
  return p < T(0.5) ? -y : y;
}

/// erfc(-x / sqrt(2)) / 2, with what the product loses put back: in the tail it would count 2 x^2 times.
template <class T>
constexpr T ndtr(T x) {
  const T root_half = T(-0.70710678118654752440);
  const T t = x * root_half;
  const T lost = std::fma(x, root_half, -t) + x * T(4.8336466567264567e-17);
  const T y = std::erfc(t);
  return (y > 0 && t > 0 ? y - lost * T(1.12837916709551257390) * std::exp(-t * t) : y) / 2;
}

/// exp(-|x|) I_order(x) for order 0 and 1 (DLMF 10.25.2; from 20 on, 10.40.1).
template <int Order, class T>
constexpr T bessel_scaled(T x) {
  if (x != x) return x;
  const T a = std::fabs(x);
  T s = 1;
  T term = 1;
  if (a < 20) {
    const T q = a * a / 4;
    for (int k = 1; k < 100; ++k) {
      term *= q / (k * (k + Order));
      s += term;
      if (term < s * (std::numeric_limits<T>::epsilon() / 8)) break;
    }
    s *= std::exp(-a) * (Order == 0 ? T(1) : a / 2);
  } else {
    if (a == infinity_v<T>) return 0;
    for (int k = 1; k < 30; ++k) {
      const T odd = T(2) * k - 1;
      const T next = term * (odd * odd - 4 * Order) / (8 * k * a);
      if (std::fabs(next) < std::numeric_limits<T>::epsilon() / 8) break;
      term = next;
      s += term;
    }
    s /= std::sqrt(2 * T(pi) * a);
  }
  return Order == 1 && x < 0 ? -s : s;
}

}  // namespace detail

/// log|gamma(x)|; infinite at 0, -1, -2, ...
template <real T>
constexpr T lgamma(T x) {
  return static_cast<T>(detail::lgamma(static_cast<double>(x)));
}
/// The derivative of lgamma.
template <real T>
constexpr T digamma(T x) {
  return static_cast<T>(detail::digamma(static_cast<double>(x)));
}
template <real T>
constexpr T polygamma(T n, T x) {
  return static_cast<T>(detail::polygamma(static_cast<double>(n), static_cast<double>(x)));
}
template <real T>
constexpr T zeta(T x, T q) {
  return static_cast<T>(detail::zeta(static_cast<double>(x), static_cast<double>(q)));
}
template <real T>
constexpr T igamma(T a, T x) {
  return static_cast<T>(detail::gamma_fraction(static_cast<double>(a), static_cast<double>(x), true));
}
template <real T>
constexpr T igammac(T a, T x) {
  return static_cast<T>(detail::gamma_fraction(static_cast<double>(a), static_cast<double>(x), false));
}
template <real T>
constexpr T betainc(T a, T b, T x) {
  return static_cast<T>(detail::betainc(static_cast<double>(a), static_cast<double>(b), static_cast<double>(x)));
}
template <real T>
constexpr T erfinv(T x) {
  return static_cast<T>(detail::erfinv(static_cast<double>(x)));
}
template <real T>
constexpr T ndtri(T p) {
  return static_cast<T>(detail::ndtri(static_cast<double>(p)));
}
template <real T>
constexpr T ndtr(T x) {
  return static_cast<T>(detail::ndtr(static_cast<double>(x)));
}
template <real T>
constexpr T bessel_i0e(T x) {
  return static_cast<T>(detail::bessel_scaled<0>(static_cast<double>(x)));
}
template <real T>
constexpr T bessel_i1e(T x) {
  return static_cast<T>(detail::bessel_scaled<1>(static_cast<double>(x)));
}

}  // namespace scalar

template <class A>
  requires operands<A>
constexpr applied_t<ops::lgamma, A> lgamma(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::digamma, A> digamma(A&& x);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::polygamma, A, B> polygamma(A&& n, B&& x);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::zeta, A, B> zeta(A&& x, B&& q);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::igamma, A, B> igamma(A&& a, B&& x);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::igammac, A, B> igammac(A&& a, B&& x);
template <class A, class B, class C>
  requires operands<A, B, C>
constexpr applied_t<ops::betainc, A, B, C> betainc(A&& a, B&& b, C&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::erfinv, A> erfinv(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::ndtri, A> ndtri(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::ndtr, A> ndtr(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::bessel_i0e, A> bessel_i0e(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::bessel_i1e, A> bessel_i1e(A&& x);

namespace detail {
/// x^(a - 1) exp(-x) / gamma(a), the derivative of igamma; the log is not taken where x is 0 to the power of 0.
constexpr auto gamma_density(auto a, auto x) {
  auto zero = rill::logical_and(rill::equal(x, 0), rill::equal(a, 1));
  return rill::exp((a - 1) * rill::log(rill::select(zero, ones_like(x), x)) - x - rill::lgamma(a));
}
}  // namespace detail
namespace ops {

/// log|gamma(x)|; infinite at 0, -1, -2, ...
struct lgamma : elementwise<1> {
  static constexpr auto name = "Lgamma";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 100;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::lanewise;
    return lanewise([](auto u) { return scalar::lgamma(u); }, x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) {
    return grads(dy * rill::digamma(x));
  }
};

/// The derivative of lgamma; NaN at -1, -2, ...
struct digamma : elementwise<1> {
  static constexpr auto name = "Digamma";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 100;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::lanewise;
    return lanewise([](auto u) { return scalar::digamma(u); }, x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) {
    return grads(dy * rill::polygamma(ones_like(x), x));
  }
};

/// The n-th derivative of digamma at x, for n = 0, 1, 2, ...; NaN for other n.
struct polygamma : elementwise<2> {
  static constexpr auto name = "Polygamma";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 200;
  template <class V>
  static constexpr V eval(V n, V x) {
    using scalar::lanewise;
    return lanewise([](auto u, auto v) { return scalar::polygamma(u, v); }, n, x);
  }
  static constexpr auto vjp(auto dy, auto, auto n, auto x) {
    return grads(no_gradient{}, dy * rill::polygamma(n + 1, x));
  }
};

/// Hurwitz's zeta function: the sum of 1 / (q + k)^x over k = 0, 1, 2, ...; NaN for x < 1.
struct zeta : elementwise<2> {
  static constexpr auto name = "Zeta";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 200;
  template <class V>
  static constexpr V eval(V x, V q) {
    using scalar::lanewise;
    return lanewise([](auto u, auto v) { return scalar::zeta(u, v); }, x, q);
  }
  static constexpr auto vjp(auto dy, auto, auto x, auto q) {
    return grads(no_gradient{}, -(dy * (x * rill::zeta(x + 1, q))));
  }
};

/// The lower regularised incomplete gamma function P(a, x); a > 0, x >= 0.
struct igamma : elementwise<2> {
  static constexpr auto name = "Igamma";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 300;
  template <class V>
  static constexpr V eval(V a, V x) {
    using scalar::lanewise;
    return lanewise([](auto u, auto v) { return scalar::igamma(u, v); }, a, x);
  }
  static constexpr auto vjp(auto dy, auto, auto a, auto x) {
    return grads(no_gradient{}, dy * detail::gamma_density(a, x));
  }
};

/// The upper regularised incomplete gamma function Q(a, x) = 1 - P(a, x); a > 0, x >= 0.
struct igammac : elementwise<2> {
  static constexpr auto name = "Igammac";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 300;
  template <class V>
  static constexpr V eval(V a, V x) {
    using scalar::lanewise;
    return lanewise([](auto u, auto v) { return scalar::igammac(u, v); }, a, x);
  }
  static constexpr auto vjp(auto dy, auto, auto a, auto x) {
    return grads(no_gradient{}, -(dy * detail::gamma_density(a, x)));
  }
};

/// The regularised incomplete beta function I_x(a, b); a, b > 0, x in [0, 1].
struct betainc : elementwise<3> {
  static constexpr auto name = "Betainc";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 400;
  template <class V>
  static constexpr V eval(V a, V b, V x) {
    using scalar::lanewise;
    return lanewise([](auto u, auto v, auto w) { return scalar::betainc(u, v, w); }, a, b, x);
  }
  static constexpr auto vjp(auto dy, auto, auto a, auto b, auto x) {
    // the density of the distribution; its logs are not taken where x or 1 - x is 0 to the power of 0
    auto low = rill::logical_and(rill::equal(x, 0), rill::equal(a, 1));
    auto high = rill::logical_and(rill::equal(x, 1), rill::equal(b, 1));
    auto log_density = (a - 1) * rill::log(rill::select(low, ones_like(x), x)) +
                       (b - 1) * rill::log1p(rill::select(high, zeros_like(x), -x)) + rill::lgamma(a + b) -
                       (rill::lgamma(a) + rill::lgamma(b));
    return grads(no_gradient{}, no_gradient{}, dy * rill::exp(log_density));
  }
};

/// The inverse of erf on [-1, 1].
struct erfinv : elementwise<1> {
  static constexpr auto name = "Erfinv";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 200;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::lanewise;
    return lanewise([](auto u) { return scalar::erfinv(u); }, x);
  }
  static constexpr auto vjp(auto dy, auto y, auto) {
    return grads(dy * (0.88622692545275801365 * rill::exp(y * y)));
  }
};

/// The quantile of the standard normal distribution: the inverse of ndtr on [0, 1].
struct ndtri : elementwise<1> {
  static constexpr auto name = "Ndtri";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 200;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::lanewise;
    return lanewise([](auto u) { return scalar::ndtri(u); }, x);
  }
  static constexpr auto vjp(auto dy, auto y, auto) {
    return grads(dy * (2.50662827463100050242 * rill::exp(0.5 * (y * y))));
  }
};

/// The distribution function of the standard normal distribution.
struct ndtr : elementwise<1> {
  static constexpr auto name = "Ndtr";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 60;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::lanewise;
    return lanewise([](auto u) { return scalar::ndtr(u); }, x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) {
    return grads(dy * (0.39894228040143267794 * rill::exp(-0.5 * (x * x))));
  }
};

/// exp(-|x|) times the modified Bessel function of order 0.
struct bessel_i0e : elementwise<1> {
  static constexpr auto name = "BesselI0e";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 100;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::lanewise;
    return lanewise([](auto u) { return scalar::bessel_i0e(u); }, x);
  }
  static constexpr auto vjp(auto dy, auto y, auto x) {
    return grads(dy * (rill::bessel_i1e(x) - rill::sign(x) * y));
  }
};

/// exp(-|x|) times the modified Bessel function of order 1.
struct bessel_i1e : elementwise<1> {
  static constexpr auto name = "BesselI1e";
  static constexpr unsigned accepts = types::floats;
  static constexpr int cost = 100;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::lanewise;
    return lanewise([](auto u) { return scalar::bessel_i1e(u); }, x);
  }
  static constexpr auto vjp(auto dy, auto y, auto x) {
    return grads(dy * rill::select(rill::equal(x, 0), 0.5 * ones_like(x), rill::bessel_i0e(x) - y * (rill::sign(x) + 1 / rill::select(rill::equal(x, 0), ones_like(x), x))));
  }
};

}  // namespace ops

/// log|gamma(x)|; infinite at 0, -1, -2, ...
template <class A>
  requires operands<A>
constexpr applied_t<ops::lgamma, A> lgamma(A&& x) {
  return apply<ops::lgamma>(std::forward<A>(x));
}
/// The derivative of lgamma; NaN at -1, -2, ...
template <class A>
  requires operands<A>
constexpr applied_t<ops::digamma, A> digamma(A&& x) {
  return apply<ops::digamma>(std::forward<A>(x));
}
/// The n-th derivative of digamma at x, for n = 0, 1, 2, ...; NaN for other n.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::polygamma, A, B> polygamma(A&& n, B&& x) {
  return apply<ops::polygamma>(std::forward<A>(n), std::forward<B>(x));
}
/// Hurwitz's zeta function: the sum of 1 / (q + k)^x over k = 0, 1, 2, ...; NaN for x < 1.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::zeta, A, B> zeta(A&& x, B&& q) {
  return apply<ops::zeta>(std::forward<A>(x), std::forward<B>(q));
}
/// The lower regularised incomplete gamma function P(a, x); a > 0, x >= 0.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::igamma, A, B> igamma(A&& a, B&& x) {
  return apply<ops::igamma>(std::forward<A>(a), std::forward<B>(x));
}
/// The upper regularised incomplete gamma function Q(a, x) = 1 - P(a, x); a > 0, x >= 0.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::igammac, A, B> igammac(A&& a, B&& x) {
  return apply<ops::igammac>(std::forward<A>(a), std::forward<B>(x));
}
/// The regularised incomplete beta function I_x(a, b); a, b > 0, x in [0, 1].
template <class A, class B, class C>
  requires operands<A, B, C>
constexpr applied_t<ops::betainc, A, B, C> betainc(A&& a, B&& b, C&& x) {
  return apply<ops::betainc>(std::forward<A>(a), std::forward<B>(b), std::forward<C>(x));
}
/// The inverse of erf on [-1, 1].
template <class A>
  requires operands<A>
constexpr applied_t<ops::erfinv, A> erfinv(A&& x) {
  return apply<ops::erfinv>(std::forward<A>(x));
}
/// The quantile of the standard normal distribution: the inverse of ndtr on [0, 1].
template <class A>
  requires operands<A>
constexpr applied_t<ops::ndtri, A> ndtri(A&& x) {
  return apply<ops::ndtri>(std::forward<A>(x));
}
/// The distribution function of the standard normal distribution.
template <class A>
  requires operands<A>
constexpr applied_t<ops::ndtr, A> ndtr(A&& x) {
  return apply<ops::ndtr>(std::forward<A>(x));
}
/// exp(-|x|) times the modified Bessel function of order 0.
template <class A>
  requires operands<A>
constexpr applied_t<ops::bessel_i0e, A> bessel_i0e(A&& x) {
  return apply<ops::bessel_i0e>(std::forward<A>(x));
}
/// exp(-|x|) times the modified Bessel function of order 1.
template <class A>
  requires operands<A>
constexpr applied_t<ops::bessel_i1e, A> bessel_i1e(A&& x) {
  return apply<ops::bessel_i1e>(std::forward<A>(x));
}
/// The modified Bessel function of the first kind of order 0.
template <class A>
  requires operands<A>
constexpr auto bessel_i0(A&& x) {
  return rill::exp(rill::abs(x)) * rill::bessel_i0e(x);
}
/// The modified Bessel function of the first kind of order 1.
template <class A>
  requires operands<A>
constexpr auto bessel_i1(A&& x) {
  return rill::exp(rill::abs(x)) * rill::bessel_i1e(x);
}

}  // namespace rill

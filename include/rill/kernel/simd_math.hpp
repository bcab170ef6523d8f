// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What packs offer beyond arithmetic: `lanewise`, the bits of integers, and the elementary functions.
///
///   pack<float, 16> y = lanewise([](float v) { return std::tan(v); }, x);

#include "../ops/elementary.hpp"
#include "../ops/scalar_functions.hpp"
#include "simd.hpp"

namespace rill {

/// f of each lane of packs of one size.
template <class F, class T, int W, class... R>
inline auto lanewise(const F& f, pack<T, W> a, R... rest) {
  using U = decltype(f(detail::lane(a, 0), detail::lane(rest, 0)...));
  return pack<U, W>::each_lane([&](int i) { return f(detail::lane(a, i), detail::lane(rest, i)...); });
}

namespace detail {
template <class F, class T, int W, class... R>
[[gnu::always_inline]] inline pack<T, W> bitwise(const F& f, const pack<T, W>& a, const R&... rest) {
  if constexpr (std::is_same_v<T, bool>) return pack<bool, W>::from_bits(f(a.bits, rest.bits...));
  else if constexpr (batched<T>) return pack<T, W>::each([&](int k) { return f(a.b[k], rest.b[k]...); });
  else return pack<T, W>::each_lane([&](int i) { return static_cast<T>(f(lane(a, i), lane(rest, i)...)); });
}
}  // namespace detail

template <class T, int W>
[[gnu::always_inline]] inline pack<T, W> operator&(pack<T, W> a, pack<T, W> b) {
  return detail::bitwise([](const auto& x, const auto& y) { return x & y; }, a, b);
}
template <class T, int W>
[[gnu::always_inline]] inline pack<T, W> operator|(pack<T, W> a, pack<T, W> b) {
  return detail::bitwise([](const auto& x, const auto& y) { return x | y; }, a, b);
}
template <class T, int W>
[[gnu::always_inline]] inline pack<T, W> operator^(pack<T, W> a, pack<T, W> b) {
  return detail::bitwise([](const auto& x, const auto& y) { return x ^ y; }, a, b);
}
template <class T, int W>
[[gnu::always_inline]] inline pack<T, W> operator~(pack<T, W> a) {
  return detail::bitwise([](const auto& x) { return ~x; }, a);
}

// ---- elementary functions ----------------------------------------------------------------------------------------------

namespace detail {
/// a * b + c, rounded once where the target can: xsimd 8.1's fma is a product and a sum on AVX-512.
template <class V>
[[gnu::always_inline]] inline V mad_of(const V& a, const V& b, const V& c) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<V, xsimd::batch<float>>) return V(_mm512_fmadd_ps(a, b, c));
  else return V(_mm512_fmadd_pd(a, b, c));
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return xsimd::fma(a, b, c);
#else
  return a * b + c;
#endif
}
}  // namespace detail

namespace detail {
/// y, but f(x) in the lanes whose bit of `inside` is not set. All by value: the registers stay registers.
template <class T, class F>
[[gnu::noinline]] inline xsimd::batch<T> patched(xsimd::batch<T> x, std::uint64_t inside, xsimd::batch<T> y, F f) {
  constexpr std::size_t size = xsimd::batch<T>::size;
  alignas(64) T from[size];
  alignas(64) T to[size];
  x.store_aligned(from);
  y.store_aligned(to);
  for (std::size_t k = 0; k < size; ++k)
    if ((inside >> k & 1U) == 0) to[k] = f(from[k]);
  return xsimd::batch<T>::load_aligned(to);
}
template <class T, class F>
[[gnu::always_inline]] inline xsimd::batch<T> patch_lanes(const xsimd::batch<T>& x, T low, T high, const xsimd::batch<T>& y,
                                                          const F& f) {
  using V = xsimd::batch<T>;
  const std::uint64_t inside = bits_of<T>((V(low) < x) & (x < V(high)));
  if (inside == (std::uint64_t{1} << V::size) - 1) [[likely]] return y;
  return patched(x, inside, y, f);
}
}  // namespace detail

/// How one register of double does what ops/elementary.hpp asks for.
template <>
struct elementary::lane_ops<xsimd::batch<double>> {
  using V = xsimd::batch<double>;
  using ints = xsimd::batch<std::int64_t>;
  using mask = xsimd::batch_bool<double>;
  static constexpr bool is_double = true;
  static constexpr std::int64_t sign = std::numeric_limits<std::int64_t>::min();

  [[gnu::always_inline]] static V mad(const V& a, const V& b, const V& c) { return rill::detail::mad_of(a, b, c); }
  [[gnu::always_inline]] static V min(const V& a, const V& b) { return rill::detail::raw_min(a, b); }
  [[gnu::always_inline]] static V max(const V& a, const V& b) { return rill::detail::raw_max(a, b); }
  [[gnu::always_inline]] static ints bits(const V& x) { return std::bit_cast<ints>(x); }
  [[gnu::always_inline]] static V number(const ints& i) { return std::bit_cast<V>(i); }
  [[gnu::always_inline]] static ints set(std::int64_t i) { return ints(i); }
  [[gnu::always_inline]] static ints add(const ints& a, const ints& b) { return a + b; }
  [[gnu::always_inline]] static ints sub(const ints& a, const ints& b) { return a - b; }
  [[gnu::always_inline]] static ints both(const ints& a, const ints& b) { return a & b; }
  [[gnu::always_inline]] static ints either(const ints& a, const ints& b) { return a | b; }
  [[gnu::always_inline]] static ints differ(const ints& a, const ints& b) { return a ^ b; }
  [[gnu::always_inline]] static V abs(const V& x) { return number(bits(x) & ints(~sign)); }
  [[gnu::always_inline]] static V minus_abs(const V& x) { return number(bits(x) | ints(sign)); }
  [[gnu::always_inline]] static V with_sign(const V& y, const V& x) { return number(bits(y) | (bits(x) & ints(sign))); }
  [[gnu::always_inline]] static mask less(const V& a, const V& b) { return a < b; }
  [[gnu::always_inline]] static V select(const mask& c, const V& a, const V& b) { return xsimd::select(c, a, b); }
  [[gnu::always_inline]] static V sqrt(const V& x) { return xsimd::sqrt(x); }
  // Shifts through vectors of the compiler's: xsimd 8.1 shifts signed numbers down with their sign, and slowly.
  using words = typename rill::detail::vector_of<std::uint64_t, static_cast<int>(V::size)>::type;
  template <int N>
  [[gnu::always_inline]] static ints up(const ints& a) {
    return std::bit_cast<ints>(std::bit_cast<words>(a) << N);
  }
  template <int N>
  [[gnu::always_inline]] static ints down(const ints& a) {
    return std::bit_cast<ints>(std::bit_cast<words>(a) >> N);
  }
#if defined(__AVX512DQ__)
  static constexpr bool scales = true;
  static constexpr bool estimates = true;
  static constexpr __mmask8 all = static_cast<__mmask8>(-1);
  [[gnu::always_inline]] static V scale(const V& p, const V& n) { return V(_mm512_maskz_scalef_pd(all, p, n)); }
  [[gnu::always_inline]] static V estimate(const V& x) { return V(_mm512_maskz_rsqrt14_pd(all, x)); }
#else
  static constexpr bool scales = false;
  static constexpr bool estimates = false;
#endif
  template <class F>
  [[gnu::always_inline]] static V patch(const V& x, double low, double high, const V& y, const F& f) {
    return rill::detail::patch_lanes<double>(x, low, high, y, f);
  }
};

/// How one register of float does what ops/elementary.hpp asks for.
template <>
struct elementary::lane_ops<xsimd::batch<float>> {
  using V = xsimd::batch<float>;
  using ints = xsimd::batch<std::int32_t>;
  using mask = xsimd::batch_bool<float>;
  static constexpr int size = static_cast<int>(V::size);

  [[gnu::always_inline]] static V mad(const V& a, const V& b, const V& c) { return rill::detail::mad_of(a, b, c); }
  [[gnu::always_inline]] static V min(const V& a, const V& b) { return rill::detail::raw_min(a, b); }
  [[gnu::always_inline]] static V max(const V& a, const V& b) { return rill::detail::raw_max(a, b); }
  [[gnu::always_inline]] static ints bits(const V& x) { return std::bit_cast<ints>(x); }
  [[gnu::always_inline]] static V number(const ints& i) { return std::bit_cast<V>(i); }
  [[gnu::always_inline]] static V convert(const ints& i) { return xsimd::batch_cast<float>(i); }
  [[gnu::always_inline]] static ints set(std::int32_t i) { return ints(i); }
  [[gnu::always_inline]] static ints add(const ints& a, const ints& b) { return a + b; }
  [[gnu::always_inline]] static ints sub(const ints& a, const ints& b) { return a - b; }
  [[gnu::always_inline]] static ints both(const ints& a, const ints& b) { return a & b; }
  [[gnu::always_inline]] static V abs(const V& x) { return number(bits(x) & ints(0x7FFFFFFF)); }
  [[gnu::always_inline]] static V minus_abs(const V& x) {
    return number(bits(x) | ints(std::numeric_limits<std::int32_t>::min()));
  }
  [[gnu::always_inline]] static V with_sign(const V& y, const V& x) {
    return number(bits(y) | (bits(x) & ints(std::numeric_limits<std::int32_t>::min())));
  }
#if defined(__AVX512DQ__)
  // Masked forms and counts in registers: they compile without optimisation, and g++ does not warn of them.
  static constexpr bool scales = true;
  static constexpr __mmask16 all = static_cast<__mmask16>(-1);
  [[gnu::always_inline]] static V scale(const V& p, const V& n) { return V(_mm512_maskz_scalef_ps(all, p, n)); }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // of the mask, inside of what is a macro without optimisation
  [[gnu::always_inline]] static V bound(const V& r) {
    return V(_mm512_maskz_range_ps(all, r, V(0.5F), 2));  // the smaller magnitude with the sign of r
  }
#pragma GCC diagnostic pop
  template <int N>
  [[gnu::always_inline]] static ints up(const ints& a) {
    return ints(_mm512_maskz_sllv_epi32(all, a, _mm512_set1_epi32(N)));
  }
  template <int N>
  [[gnu::always_inline]] static ints down(const ints& a) {
    return ints(_mm512_maskz_srav_epi32(all, a, _mm512_set1_epi32(N)));
  }
  [[gnu::always_inline]] static mask less(const V& a, const V& b) { return a < b; }
  [[gnu::always_inline]] static V select(const mask& c, const V& a, const V& b) {
    return V(_mm512_mask_blend_ps(static_cast<__mmask16>(c.data), b, a));
  }
  template <std::size_t N>
  [[gnu::always_inline]] static V look_up(const float (&table)[N], const ints& i) {
    if constexpr (N == 16) return V(_mm512_maskz_permutexvar_ps(all, i, _mm512_load_ps(table)));
    else return V(_mm512_maskz_permutex2var_ps(all, _mm512_load_ps(table), i, _mm512_load_ps(table + 16)));
  }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
  [[gnu::always_inline]] static V off_eighth(const V& a, const V&) { return V(_mm512_maskz_reduce_ps(all, a, 0x38)); }
#pragma GCC diagnostic pop
  static constexpr bool estimates = true;
  [[gnu::always_inline]] static V estimate(const V& x) { return V(_mm512_maskz_rsqrt14_ps(all, x)); }
#else
  static constexpr bool scales = false;
  template <int N>
  [[gnu::always_inline]] static ints up(const ints& a) {
    return a << N;
  }
  template <int N>
  [[gnu::always_inline]] static ints down(const ints& a) {
    return a >> N;
  }
  [[gnu::always_inline]] static mask less(const V& a, const V& b) { return a < b; }
  [[gnu::always_inline]] static V select(const mask& c, const V& a, const V& b) { return xsimd::select(c, a, b); }
  [[gnu::always_inline]] static V off_eighth(const V& a, const V& k) { return a - (k - V(12582912.0F / 8)); }
  static constexpr bool estimates = false;
  template <std::size_t N>
  [[gnu::always_inline]] static V look_up(const float (&table)[N], const ints& i) {
#if defined(__AVX2__) && !defined(__AVX512F__)
    // eight elements at a time, and the bits above the third choose
    const auto eight = [&](int k) { return _mm256_permutevar8x32_ps(_mm256_load_ps(table + k), i); };
    const __m256 fourth = _mm256_castsi256_ps(_mm256_slli_epi32(i, 28));
    const __m256 low = _mm256_blendv_ps(eight(0), eight(8), fourth);
    if constexpr (N == 16) return V(low);
    else {
      const __m256 high = _mm256_blendv_ps(eight(16), eight(24), fourth);
      return V(_mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(i, 27))));
    }
#else
    alignas(64) std::int32_t at[size];
    alignas(64) float r[size];
    (i & ints(static_cast<std::int32_t>(N - 1))).store_aligned(at);
    for (int k = 0; k < size; ++k) r[k] = table[at[k]];
    return V::load_aligned(r);
#endif
  }
#endif
  [[gnu::always_inline]] static V sqrt(const V& x) { return xsimd::sqrt(x); }
  /// f of x in double, rounded.
  template <class F>
  [[gnu::always_inline]] static V widened(const V& x, const F& f) {
    using D = xsimd::batch<double>;
#if defined(__AVX512F__) && !defined(__CUDACC__)
    constexpr auto each = static_cast<__mmask8>(-1);
    const __m512 whole = x;
    const D low = f(D(_mm512_maskz_cvtps_pd(each, __builtin_shufflevector(whole, whole, 0, 1, 2, 3, 4, 5, 6, 7))));
    const D high = f(D(_mm512_maskz_cvtps_pd(each, __builtin_shufflevector(whole, whole, 8, 9, 10, 11, 12, 13, 14, 15))));
    return V(static_cast<__m512>(__builtin_shufflevector(_mm512_maskz_cvtpd_ps(each, low), _mm512_maskz_cvtpd_ps(each, high), 0, 1, 2,
                                                         3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
#elif defined(__AVX__) && !defined(__AVX512F__)
    const D low = f(D(_mm256_cvtps_pd(_mm256_castps256_ps128(x))));
    const D high = f(D(_mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))));
    return V(_mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low)));
#elif defined(__SSE2__) && !defined(__AVX512F__)
    const D low = f(D(_mm_cvtps_pd(x)));
    const D high = f(D(_mm_cvtps_pd(_mm_movehl_ps(x, x))));
    return V(_mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high)));
#else
    const auto wide = cast<double>(pack<float, size>(x));
    pack<double, size> r;
    for (int k = 0; k < pack<double, size>::count; ++k) r.b[k] = f(wide.b[k]);
    return cast<float>(r).b[0];
#endif
  }
  template <class F>
  [[gnu::always_inline]] static V patch(const V& x, float low, float high, const V& y, const F& f) {
    return rill::detail::patch_lanes<float>(x, low, high, y, f);
  }
};

// Packs go through ops/elementary.hpp and elementary_double.hpp, as single numbers do. What these do not have for double
// goes through the C library, lane by lane.

namespace detail {
template <class F, class T, int W>
[[gnu::always_inline]] inline pack<T, W> each_register(const F& f, const pack<T, W>& a) {
  return pack<T, W>::each([&](int k) __attribute__((always_inline)) { return f(a.b[k]); });
}
}  // namespace detail

template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> exp(pack<T, W> a) {
  return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::exp(x); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> expm1(pack<T, W> a) {
  return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::expm1(x); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> log(pack<T, W> a) {
  return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::log(x); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> log1p(pack<T, W> a) {
  return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::log1p(x); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> tanh(pack<T, W> a) {
  return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::tanh(x); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> sigmoid(pack<T, W> a) {
  return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::sigmoid(x); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> sin(pack<T, W> a) {
  return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::sin(x); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> cos(pack<T, W> a) {
  return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::cos(x); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> rsqrt(pack<T, W> a) {
  return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::rsqrt(x); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> exp2(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::exp2(x); }, a);
  else return lanewise([](T v) { return scalar::exp2(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> erf(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::erf(x); }, a);
  else return lanewise([](T v) { return scalar::erf(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> log2(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::log2(x); }, a);
  else return lanewise([](T v) { return scalar::log2(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> log10(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::log10(x); }, a);
  else return lanewise([](T v) { return scalar::log10(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> tan(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::tan(x); }, a);
  else return lanewise([](T v) { return scalar::tan(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> asin(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::asin(x); }, a);
  else return lanewise([](T v) { return scalar::asin(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> acos(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::acos(x); }, a);
  else return lanewise([](T v) { return scalar::acos(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> atan(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::atan(x); }, a);
  else return lanewise([](T v) { return scalar::atan(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> sinh(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::sinh(x); }, a);
  else return lanewise([](T v) { return scalar::sinh(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> cosh(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::cosh(x); }, a);
  else return lanewise([](T v) { return scalar::cosh(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> asinh(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::asinh(x); }, a);
  else return lanewise([](T v) { return scalar::asinh(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> acosh(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::acosh(x); }, a);
  else return lanewise([](T v) { return scalar::acosh(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> atanh(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::atanh(x); }, a);
  else return lanewise([](T v) { return scalar::atanh(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> cbrt(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::cbrt(x); }, a);
  else return lanewise([](T v) { return scalar::cbrt(v); }, a);
}
template <class T, int W>
inline pack<T, W> pow(pack<T, W> a, pack<T, W> b) {
  return lanewise([](T x, T y) { return scalar::pow(x, y); }, a, b);
}

}  // namespace rill

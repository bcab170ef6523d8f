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

/// How one register of double does what ops/elementary.hpp asks for.
template <>
struct elementary::lane_ops<xsimd::batch<double>> {
  using V = xsimd::batch<double>;
  [[gnu::always_inline]] static V mad(const V& a, const V& b, const V& c) { return rill::detail::mad_of(a, b, c); }
  [[gnu::always_inline]] static V nearest(const V& x) { return xsimd::nearbyint(x); }
  [[gnu::always_inline]] static V floor(const V& x) { return xsimd::floor(x); }
  [[gnu::always_inline]] static V select_equal(const V& a, const V& b, const V& equal, const V& other) {
    return xsimd::select(a == b, equal, other);
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
  [[gnu::always_inline]] static V look_up(const float* table, const ints& i) {
    return V(_mm512_maskz_permutexvar_ps(all, i, _mm512_load_ps(table)));
  }
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
  [[gnu::always_inline]] static V look_up(const float* table, const ints& i) {
    alignas(64) std::int32_t at[size];
    alignas(64) float r[size];
    (i & ints(15)).store_aligned(at);
    for (int k = 0; k < size; ++k) r[k] = table[at[k]];
    return V::load_aligned(r);
  }
#endif
  template <class F>
  [[gnu::always_inline]] static V widened(const V& x, const F& f) {
    constexpr int half = size / 2;
    const pack<float, size> one(x);
    const auto wide = cast<double>(one);
    pack<double, size> r;
    static_assert(pack<double, size>::count * half == size);
    for (int k = 0; k < pack<double, size>::count; ++k) r.b[k] = f(wide.b[k]);
    return cast<float>(r).b[0];
  }
  template <class F>
  [[gnu::always_inline]] static V patch(const V& x, float low, float high, const V& y, const F& f) {
    const std::uint64_t inside = rill::detail::bits_of<float>((V(low) < x) & (x < V(high)));
    if (inside == (std::uint64_t{1} << size) - 1) return y;
    return patched(x, inside, y, f);
  }

 private:
  template <class F>
  [[gnu::noinline]] static V patched(const V& x, std::uint64_t inside, const V& y, const F& f) {
    alignas(64) float from[size];
    alignas(64) float to[size];
    x.store_aligned(from);
    y.store_aligned(to);
    for (int k = 0; k < size; ++k)
      if ((inside >> k & 1U) == 0) to[k] = f(from[k]);
    return V::load_aligned(to);
  }
};

// Packs of float go through ops/elementary.hpp, as single floats do. Packs of double go through the C library, lane by
// lane: it is exact to an ulp, and single doubles get the same bits from it.

namespace detail {
template <class F, class T, int W>
[[gnu::always_inline]] inline pack<T, W> each_register(const F& f, const pack<T, W>& a) {
  return pack<T, W>::each([&](int k) __attribute__((always_inline)) { return f(a.b[k]); });
}
}  // namespace detail

template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> exp(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::exp(x); }, a);
  else return lanewise([](T v) { return scalar::exp(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> exp2(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::exp2(x); }, a);
  else return lanewise([](T v) { return scalar::exp2(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> expm1(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::expm1(x); }, a);
  else return lanewise([](T v) { return scalar::expm1(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> log(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::log(x); }, a);
  else return lanewise([](T v) { return scalar::log(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> log1p(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::log1p(x); }, a);
  else return lanewise([](T v) { return scalar::log1p(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> tanh(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::tanh(x); }, a);
  else return lanewise([](T v) { return scalar::tanh(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> erf(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::erf(x); }, a);
  else return lanewise([](T v) { return scalar::erf(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> sigmoid(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::sigmoid(x); }, a);
  else return pack<T, W>(1) / (pack<T, W>(1) + exp(-a));
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> sin(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::sin(x); }, a);
  else return lanewise([](T v) { return scalar::sin(v); }, a);
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> cos(pack<T, W> a) {
  if constexpr (std::is_same_v<T, float>) return detail::each_register([](const auto& x) __attribute__((always_inline)) { return elementary::cos(x); }, a);
  else return lanewise([](T v) { return scalar::cos(v); }, a);
}
template <class T, int W>
inline pack<T, W> pow(pack<T, W> a, pack<T, W> b) {
  return lanewise([](T x, T y) { return scalar::pow(x, y); }, a, b);
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `pack<T, W>`: W lanes of an element type, the value that a fused program is evaluated on. Numbers of 4 and 8 bytes sit
/// in xsimd batches (several when W is wider than a register), smaller integers and complex numbers in an array, bool in a
/// bit mask. A pack offers what `scalar` offers for one number, found by argument-dependent lookup, with the same meaning:
/// max and min pass NaN on, integer division by zero gives 0.
///
/// A pack of half or bfloat16 holds its values as floats, each rounded to what its type can hold. It is loaded, stored,
/// made from a pack of floats (rounding) and turned into one; ops see the floats (expr/registers.hpp).
///
/// Partial loads and stores touch exactly the first n lanes in memory, so the end of a row goes through the same
/// operations as its middle and gives the same bits.

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "../core/dtype.hpp"
#include "../ops/scalar.hpp"
#include "shuffle.hpp"
#include "xsimd.hpp"

namespace rill {

namespace detail {
template <class T>
concept batched = std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, std::int32_t> ||
                  std::is_same_v<T, std::int64_t> || std::is_same_v<T, std::uint32_t> || std::is_same_v<T, std::uint64_t>;
template <class T>
concept arrayed = std::is_same_v<T, std::uint8_t> || std::is_same_v<T, std::int8_t> || std::is_same_v<T, std::uint16_t> ||
                  std::is_same_v<T, std::int16_t> || is_complex_v<T>;
template <class T>
concept floating = std::is_same_v<T, float> || std::is_same_v<T, double>;
template <class T>
inline constexpr int native_lanes = static_cast<int>(64 / sizeof(T));
template <batched T>
inline constexpr int native_lanes<T> = static_cast<int>(xsimd::batch<T>::size);
}  // namespace detail

/// Lanes of a program that uses these element types: the most that one register of any of the 4- and 8-byte ones holds;
/// half and bfloat16 count as float, a complex number as its parts.
template <class... T>
constexpr int lanes_for() {
  int w = 0;
  ((w = detail::batched<real_type_t<compute_t<T>>> && detail::native_lanes<real_type_t<compute_t<T>>> > w
            ? detail::native_lanes<real_type_t<compute_t<T>>>
            : w),
   ...);
  return w > 0 ? w : detail::native_lanes<float>;
}

template <class T, int W>
struct pack;

// ---- numbers in registers -------------------------------------------------------------------------------------------

template <detail::batched T, int W>
struct pack<T, W> {
  using value_type = T;
  using batch = xsimd::batch<T>;
  static constexpr int size = W;
  static constexpr int lanes = static_cast<int>(batch::size);
  static constexpr int count = W / lanes;
  static_assert(count * lanes == W, "a pack holds whole registers");

  batch b[static_cast<std::size_t>(count)];

  pack() = default;
  template <class A>
    requires is_number_v<A>
  [[gnu::always_inline]] explicit pack(A a) {
    for (int k = 0; k < count; ++k) b[k] = batch(number_cast<T>(a));
  }
  [[gnu::always_inline]] explicit pack(const batch& one)
    requires(count == 1)
      : b{one} {}

  [[gnu::always_inline]] static pack load(const T* p) {
    pack r;
    for (int k = 0; k < count; ++k) r.b[k] = batch::load_unaligned(p + k * lanes);
    return r;
  }
  /// The first n lanes from memory, zeros in the others.
  [[gnu::always_inline]] static pack load(const T* p, std::int64_t n) {
    pack r;
    for (int k = 0; k < count; ++k) r.b[k] = load_some(p + k * lanes, n - k * lanes);
    return r;
  }
  /// Lanes that lie `stride` elements apart.
  [[gnu::always_inline]] static pack gather(const T* p, std::int64_t stride, std::int64_t n = W) {
    alignas(64) T t[static_cast<std::size_t>(W)] = {};
    for (std::int64_t i = 0; i < n; ++i) t[i] = p[i * stride];
    return load(t);
  }
  [[gnu::always_inline]] void store(T* p) const {
    for (int k = 0; k < count; ++k) b[k].store_unaligned(p + k * lanes);
  }
  [[gnu::always_inline]] void store(T* p, std::int64_t n) const {
    for (int k = 0; k < count; ++k) store_some(b[k], p + k * lanes, n - k * lanes);
  }
  [[gnu::always_inline]] void scatter(T* p, std::int64_t stride, std::int64_t n = W) const {
    alignas(64) T t[static_cast<std::size_t>(W)];
    store(t);
    for (std::int64_t i = 0; i < n; ++i) p[i * stride] = t[i];
  }
  /// Writes past the caches; `p` is aligned to a register.
  [[gnu::always_inline]] void stream(T* p) const {
    for (int k = 0; k < count; ++k) {
#if defined(__AVX512F__)
      _mm512_stream_si512(reinterpret_cast<__m512i*>(p + k * lanes), std::bit_cast<__m512i>(b[k].data));
#elif defined(__AVX__)
      _mm256_stream_si256(reinterpret_cast<__m256i*>(p + k * lanes), std::bit_cast<__m256i>(b[k].data));
#elif defined(__SSE2__)
      _mm_stream_si128(reinterpret_cast<__m128i*>(p + k * lanes), std::bit_cast<__m128i>(b[k].data));
#else
      b[k].store_unaligned(p + k * lanes);
#endif
    }
  }

  // Applies f to registers.
  template <class F>
  [[gnu::always_inline]] static pack each(const F& f) {
    pack r;
    for (int k = 0; k < count; ++k) r.b[k] = f(k);
    return r;
  }
  // Applies f to lanes; for what no instruction does.
  template <class F>
  static pack each_lane(const F& f) {
    alignas(64) T t[static_cast<std::size_t>(W)];
    for (int i = 0; i < W; ++i) t[i] = f(i);
    return load(t);
  }

 private:
  [[gnu::always_inline]] static batch load_some(const T* p, std::int64_t n) {
    if (n >= lanes) return batch::load_unaligned(p);
#if defined(__AVX512F__)
    const unsigned m = n > 0 ? (1U << n) - 1U : 0U;
    if constexpr (std::is_same_v<T, float>) return _mm512_maskz_loadu_ps(static_cast<__mmask16>(m), p);
    else if constexpr (std::is_same_v<T, double>) return _mm512_maskz_loadu_pd(static_cast<__mmask8>(m), p);
    else if constexpr (sizeof(T) == 4) return _mm512_maskz_loadu_epi32(static_cast<__mmask16>(m), p);
    else return _mm512_maskz_loadu_epi64(static_cast<__mmask8>(m), p);
#else
    alignas(64) T t[static_cast<std::size_t>(lanes)] = {};
    for (std::int64_t i = 0; i < n; ++i) t[i] = p[i];
    return batch::load_aligned(t);
#endif
  }
  [[gnu::always_inline]] static void store_some(const batch& x, T* p, std::int64_t n) {
    if (n >= lanes) return x.store_unaligned(p);
#if defined(__AVX512F__)
    const unsigned m = n > 0 ? (1U << n) - 1U : 0U;
    if constexpr (std::is_same_v<T, float>) _mm512_mask_storeu_ps(p, static_cast<__mmask16>(m), x);
    else if constexpr (std::is_same_v<T, double>) _mm512_mask_storeu_pd(p, static_cast<__mmask8>(m), x);
    else if constexpr (sizeof(T) == 4) _mm512_mask_storeu_epi32(p, static_cast<__mmask16>(m), x);
    else _mm512_mask_storeu_epi64(p, static_cast<__mmask8>(m), x);
#else
    alignas(64) T t[static_cast<std::size_t>(lanes)];
    x.store_aligned(t);
    for (std::int64_t i = 0; i < n; ++i) p[i] = t[i];
#endif
  }
};

// ---- small integers, complex numbers --------------------------------------------------------------------------------

template <detail::arrayed T, int W>
struct pack<T, W> {
  using value_type = T;
  static constexpr int size = W;
  T v[static_cast<std::size_t>(W)];

  pack() = default;
  template <class A>
    requires is_number_v<A>
  explicit pack(A a) {
    const T x = number_cast<T>(a);
    for (int i = 0; i < W; ++i) v[i] = x;
  }
  static pack load(const T* p) {
    pack r;
    std::memcpy(r.v, p, sizeof(v));
    return r;
  }
  static pack load(const T* p, std::int64_t n) {
    if (n >= W) return load(p);
    pack r(T(0));
    for (std::int64_t i = 0; i < n; ++i) r.v[i] = p[i];
    return r;
  }
  static pack gather(const T* p, std::int64_t stride, std::int64_t n = W) {
    pack r(T(0));
    for (std::int64_t i = 0; i < n; ++i) r.v[i] = p[i * stride];
    return r;
  }
  void store(T* p) const { std::memcpy(p, v, sizeof(v)); }
  void store(T* p, std::int64_t n) const {
    if (n >= W) return store(p);
    for (std::int64_t i = 0; i < n; ++i) p[i] = v[i];
  }
  void scatter(T* p, std::int64_t stride, std::int64_t n = W) const {
    for (std::int64_t i = 0; i < n; ++i) p[i * stride] = v[i];
  }
  void stream(T* p) const { store(p); }
  template <class F>
  [[gnu::always_inline]] static pack each_lane(const F& f) {
    pack r;
    for (int i = 0; i < W; ++i) r.v[i] = static_cast<T>(f(i));
    return r;
  }
};

// ---- half and bfloat16 ----------------------------------------------------------------------------------------------

namespace detail {

template <class T, int W>
struct vector_of {
  typedef T type __attribute__((vector_size(sizeof(T) * static_cast<std::size_t>(W))));  // NOLINT: an attribute of a typedef
};

/// W floats and the W narrow numbers in memory that they come from or go to. `round` gives every float the value that it
/// has after a trip to memory and back.
template <class T, int W>
struct narrow_memory;

template <int W>
struct narrow_memory<bfloat16, W> {
  using words = typename vector_of<std::uint32_t, W>::type;
  using shorts = typename vector_of<std::uint16_t, W>::type;
  using floats = pack<float, W>;
  [[gnu::always_inline]] static floats load(const void* p) {
    shorts x;
    std::memcpy(&x, p, sizeof(x));
    const words y = __builtin_convertvector(x, words) << 16;
    return from_bits(y);
  }
  [[gnu::always_inline]] static void store(const floats& a, void* p) {
    words x;
    std::memcpy(&x, &a, sizeof(x));
    const shorts y = __builtin_convertvector(x >> 16, shorts);
    std::memcpy(p, &y, sizeof(y));
  }
  [[gnu::always_inline]] static floats round(const floats& a) {
    words x;
    std::memcpy(&x, &a, sizeof(x));
    const auto is_nan = (x & 0x7FFFFFFFU) > 0x7F800000U;  // all bits of a lane, or none
    words nan;
    std::memcpy(&nan, &is_nan, sizeof(nan));
    const words near = x + 0x7FFFU + (x >> 16 & 1U);
    const words y = ((nan & (x | 0x400000U)) | (~nan & near)) & 0xFFFF0000U;
    return from_bits(y);
  }

 private:
  [[gnu::always_inline]] static floats from_bits(const words& x) {
    floats r;
    std::memcpy(&r, &x, sizeof(r));
    return r;
  }
};

template <int W>
struct narrow_memory<half, W> {
  using floats = pack<float, W>;
#if defined(__AVX512F__) || defined(__F16C__)
  static constexpr int lanes = floats::lanes;
  static constexpr unsigned short whole = 0xFFFF;  // the unmasked intrinsics make g++ warn of their undefined operand
  [[gnu::always_inline]] static floats load(const void* p) {
    const auto* h = static_cast<const std::uint16_t*>(p);
    return floats::each([&](int k) {
#if defined(__AVX512F__)
      return xsimd::batch<float>(_mm512_maskz_cvtph_ps(whole, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(h + k * lanes))));
#else
      return xsimd::batch<float>(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(h + k * lanes))));
#endif
    });
  }
  [[gnu::always_inline]] static void store(const floats& a, void* p) {
    auto* h = static_cast<std::uint16_t*>(p);
    for (int k = 0; k < floats::count; ++k) {
#if defined(__AVX512F__)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(h + k * lanes), _mm512_maskz_cvtps_ph(whole, a.b[k], 8));  // to nearest, quietly
#else
      _mm_storeu_si128(reinterpret_cast<__m128i*>(h + k * lanes), _mm256_cvtps_ph(a.b[k], 0));
#endif
    }
  }
  [[gnu::always_inline]] static floats round(const floats& a) {
    return floats::each([&](int k) {
#if defined(__AVX512F__)
      return xsimd::batch<float>(_mm512_maskz_cvtph_ps(whole, _mm512_maskz_cvtps_ph(whole, a.b[k], 8)));
#else
      return xsimd::batch<float>(_mm256_cvtph_ps(_mm256_cvtps_ph(a.b[k], 0)));
#endif
    });
  }
#else
  static floats load(const void* p) {
    const auto* h = static_cast<const std::uint16_t*>(p);
    return floats::each_lane([&](int i) { return half_to_float(h[i]); });
  }
  static void store(const floats& a, void* p) {
    auto* h = static_cast<std::uint16_t*>(p);
    alignas(64) float t[static_cast<std::size_t>(W)];
    a.store(t);
    for (int i = 0; i < W; ++i) h[i] = float_to_half(t[i]);
  }
  static floats round(const floats& a) {
    alignas(64) float t[static_cast<std::size_t>(W)];
    a.store(t);
    return floats::each_lane([&](int i) { return half_to_float(float_to_half(t[i])); });
  }
#endif
};

}  // namespace detail

template <class T, int W>
  requires is_narrow_v<T>
struct pack<T, W> {
  using value_type = T;
  using floats = pack<float, W>;
  static constexpr int size = W;

  pack() = default;
  template <class A>
    requires is_number_v<A>
  [[gnu::always_inline]] explicit pack(A a) : f(static_cast<float>(number_cast<T>(a))) {}
  /// Rounds each lane.
  [[gnu::always_inline]] explicit pack(const floats& x) : f(memory::round(x)) {}
  [[gnu::always_inline]] explicit operator floats() const { return f; }

  [[gnu::always_inline]] static pack load(const T* p) { return exactly(memory::load(p)); }
  static pack load(const T* p, std::int64_t n) {
    if (n >= W) return load(p);
    T t[static_cast<std::size_t>(W)] = {};
    for (std::int64_t i = 0; i < n; ++i) t[i] = p[i];
    return load(t);
  }
  static pack gather(const T* p, std::int64_t stride, std::int64_t n = W) {
    T t[static_cast<std::size_t>(W)] = {};
    for (std::int64_t i = 0; i < n; ++i) t[i] = p[i * stride];
    return load(t);
  }
  [[gnu::always_inline]] void store(T* p) const { memory::store(f, p); }
  void store(T* p, std::int64_t n) const {
    if (n >= W) return store(p);
    scatter(p, 1, n);
  }
  void scatter(T* p, std::int64_t stride, std::int64_t n = W) const {
    T t[static_cast<std::size_t>(W)];
    store(t);
    for (std::int64_t i = 0; i < n; ++i) p[i * stride] = t[i];
  }
  [[gnu::always_inline]] void stream(T* p) const { store(p); }
  template <class F>
  static pack each_lane(const F& g) {
    return exactly(floats::each_lane([&](int i) { return static_cast<float>(static_cast<T>(g(i))); }));
  }

 private:
  using memory = detail::narrow_memory<T, W>;
  [[gnu::always_inline]] static pack exactly(const floats& x) {
    pack r;
    r.f = x;
    return r;
  }
  floats f;
};

// ---- truth values ---------------------------------------------------------------------------------------------------

/// W truth values, lane i in bit i; the bits above W are zero.
template <int W>
struct pack<bool, W> {
  static_assert(W <= 64);
  using value_type = bool;
  static constexpr int size = W;
  static constexpr std::uint64_t full = W == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (W & 63)) - 1;
  std::uint64_t bits;

  pack() = default;
  template <class A>
    requires is_number_v<A>
  [[gnu::always_inline]] explicit pack(A a) : bits(number_cast<bool>(a) ? full : 0) {}
  [[gnu::always_inline]] static pack from_bits(std::uint64_t b) {
    pack r;
    r.bits = b & full;
    return r;
  }
  static pack load(const bool* p) {
    pack r(false);
    if constexpr (W % 8 == 0) {
      for (int k = 0; k < W; k += 8) {
        std::uint64_t x;
        std::memcpy(&x, p + k, 8);  // bytes are 0 or 1
        r.bits |= ((x * 0x0102040810204080U) >> 56) << k;
      }
    } else
      for (int i = 0; i < W; ++i) r.bits |= std::uint64_t{p[i]} << i;
    return r;
  }
  static pack load(const bool* p, std::int64_t n) {
    if (n >= W) return load(p);
    pack r(false);
    for (std::int64_t i = 0; i < n; ++i) r.bits |= std::uint64_t{p[i]} << i;
    return r;
  }
  static pack gather(const bool* p, std::int64_t stride, std::int64_t n = W) {
    pack r(false);
    for (std::int64_t i = 0; i < n; ++i) r.bits |= std::uint64_t{p[i * stride]} << i;
    return r;
  }
  void store(bool* p) const {
    if constexpr (W % 8 == 0) {
      for (int k = 0; k < W; k += 8) {
        const std::uint64_t spread = (((bits >> k) & 0xFFU) * 0x0101010101010101U) & 0x8040201008040201U;
        const std::uint64_t bytes = ((spread + 0x7F7F7F7F7F7F7F7FU) >> 7 | spread >> 7) & 0x0101010101010101U;
        std::memcpy(p + k, &bytes, 8);
      }
    } else store(p, W);
  }
  void store(bool* p, std::int64_t n) const {
    for (std::int64_t i = 0; i < n && i < W; ++i) p[i] = (bits >> i & 1U) != 0;
  }
  void scatter(bool* p, std::int64_t stride, std::int64_t n = W) const {
    for (std::int64_t i = 0; i < n; ++i) p[i * stride] = (bits >> i & 1U) != 0;
  }
  void stream(bool* p) const { store(p); }
};

namespace detail {

// The instruction's own maximum and minimum: the second operand when the two do not compare.
template <class B>
[[gnu::always_inline]] inline B raw_max(const B& a, const B& b) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<B, xsimd::batch<float>>) return B(_mm512_maskz_max_ps(static_cast<__mmask16>(-1), a, b));
  else if constexpr (std::is_same_v<B, xsimd::batch<double>>)
    return B(_mm512_maskz_max_pd(static_cast<__mmask8>(-1), a, b));
  else
#endif
    return xsimd::max(a, b);
}
template <class B>
[[gnu::always_inline]] inline B raw_min(const B& a, const B& b) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<B, xsimd::batch<float>>) return B(_mm512_maskz_min_ps(static_cast<__mmask16>(-1), a, b));
  else if constexpr (std::is_same_v<B, xsimd::batch<double>>)
    return B(_mm512_maskz_min_pd(static_cast<__mmask8>(-1), a, b));
  else
#endif
    return xsimd::min(a, b);
}

template <batched T>
[[gnu::always_inline]] inline std::uint64_t bits_of(const xsimd::batch_bool<T>& m) {
#if defined(__AVX512F__)
  return static_cast<std::uint64_t>(m.data);
#elif defined(__AVX__)
  if constexpr (sizeof(T) == 4)
    return static_cast<std::uint64_t>(static_cast<unsigned>(_mm256_movemask_ps(std::bit_cast<__m256>(m.data))));
  else return static_cast<std::uint64_t>(static_cast<unsigned>(_mm256_movemask_pd(std::bit_cast<__m256d>(m.data))));
#elif defined(__SSE2__)
  if constexpr (sizeof(T) == 4)
    return static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_ps(std::bit_cast<__m128>(m.data))));
  else return static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_pd(std::bit_cast<__m128d>(m.data))));
#else
  bool t[xsimd::batch<T>::size];
  m.store_unaligned(t);
  std::uint64_t b = 0;
  for (unsigned i = 0; i < xsimd::batch<T>::size; ++i) b |= std::uint64_t{t[i]} << i;
  return b;
#endif
}

template <batched T>
[[gnu::always_inline]] inline xsimd::batch_bool<T> mask_of(std::uint64_t bits) {
#if defined(__AVX512F__)
  using M = std::conditional_t<sizeof(T) == 4, __mmask16, __mmask8>;
  return xsimd::batch_bool<T>(static_cast<M>(bits));
#else
  using I = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  alignas(64) I lane[xsimd::batch<T>::size];
  for (unsigned i = 0; i < xsimd::batch<T>::size; ++i) lane[i] = static_cast<I>(I{1} << i);
  const auto select = xsimd::batch<I>::load_aligned(lane);
  const auto hit = (xsimd::batch<I>(static_cast<I>(bits)) & select) == select;
  return std::bit_cast<xsimd::batch_bool<T>>(hit);
#endif
}

template <batched T, int W, class F>
[[gnu::always_inline]] inline pack<bool, W> compare(const pack<T, W>&, const F& f) {
  std::uint64_t r = 0;
  for (int k = 0; k < pack<T, W>::count; ++k) r |= bits_of<T>(f(k)) << (k * pack<T, W>::lanes);
  return pack<bool, W>::from_bits(r);
}
template <arrayed T, int W, class F>
[[gnu::always_inline]] inline pack<bool, W> compare_lanes(const pack<T, W>&, const F& f) {
  bool t[static_cast<std::size_t>(W)];
  for (int i = 0; i < W; ++i) t[i] = f(i);
  return pack<bool, W>::load(t);
}

}  // namespace detail

// ---- arithmetic -----------------------------------------------------------------------------------------------------

template <detail::batched T, int W>
[[gnu::always_inline]] inline pack<T, W> operator+(pack<T, W> a, pack<T, W> b) {
  return pack<T, W>::each([&](int k) { return a.b[k] + b.b[k]; });
}
template <detail::batched T, int W>
[[gnu::always_inline]] inline pack<T, W> operator-(pack<T, W> a, pack<T, W> b) {
  return pack<T, W>::each([&](int k) { return a.b[k] - b.b[k]; });
}
template <detail::batched T, int W>
[[gnu::always_inline]] inline pack<T, W> operator*(pack<T, W> a, pack<T, W> b) {
  return pack<T, W>::each([&](int k) { return a.b[k] * b.b[k]; });
}
template <detail::batched T, int W>
[[gnu::always_inline]] inline pack<T, W> operator-(pack<T, W> a) {
  return pack<T, W>::each([&](int k) { return -a.b[k]; });
}
template <detail::arrayed T, int W>
inline pack<T, W> operator+(pack<T, W> a, pack<T, W> b) {
  return pack<T, W>::each_lane([&](int i) { return scalar::wrapping(a.v[i]) + scalar::wrapping(b.v[i]); });
}
template <detail::arrayed T, int W>
inline pack<T, W> operator-(pack<T, W> a, pack<T, W> b) {
  return pack<T, W>::each_lane([&](int i) { return scalar::wrapping(a.v[i]) - scalar::wrapping(b.v[i]); });
}
template <detail::arrayed T, int W>
inline pack<T, W> operator*(pack<T, W> a, pack<T, W> b) {
  return pack<T, W>::each_lane([&](int i) { return scalar::wrapping(a.v[i]) * scalar::wrapping(b.v[i]); });
}
template <detail::arrayed T, int W>
inline pack<T, W> operator-(pack<T, W> a) {
  return pack<T, W>::each_lane([&](int i) { return -scalar::wrapping(a.v[i]); });
}

namespace detail {
template <class T, int W>
[[gnu::always_inline]] inline T lane(const pack<T, W>& x, int i) {
  if constexpr (arrayed<T>) return x.v[i];
  else if constexpr (is_narrow_v<T>) return T(lane(static_cast<pack<float, W>>(x), i));
  else if constexpr (std::is_same_v<T, bool>) return (x.bits >> i & 1U) != 0;
  else {
    T t;
    std::memcpy(&t, reinterpret_cast<const unsigned char*>(x.b) + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
    return t;
  }
}
}  // namespace detail

template <class T, int W>
[[gnu::always_inline]] inline pack<T, W> divide(pack<T, W> a, pack<T, W> b) {
  if constexpr (std::is_floating_point_v<T>) return pack<T, W>::each([&](int k) { return a.b[k] / b.b[k]; });
  else
    return pack<T, W>::each_lane([&](int i) { return scalar::divide(detail::lane(a, i), detail::lane(b, i)); });
}
template <class T, int W>
[[gnu::always_inline]] inline pack<T, W> operator/(pack<T, W> a, pack<T, W> b) {
  return divide(a, b);
}
template <class T, int W>
inline pack<T, W> remainder(pack<T, W> a, pack<T, W> b) {
  return pack<T, W>::each_lane([&](int i) { return scalar::remainder(detail::lane(a, i), detail::lane(b, i)); });
}

// ---- comparison and choice ------------------------------------------------------------------------------------------

template <detail::batched T, int W>
[[gnu::always_inline]] inline pack<bool, W> operator<(pack<T, W> a, pack<T, W> b) {
  return detail::compare(a, [&](int k) { return a.b[k] < b.b[k]; });
}
template <detail::batched T, int W>
[[gnu::always_inline]] inline pack<bool, W> operator<=(pack<T, W> a, pack<T, W> b) {
  return detail::compare(a, [&](int k) { return a.b[k] <= b.b[k]; });
}
template <detail::batched T, int W>
[[gnu::always_inline]] inline pack<bool, W> operator==(pack<T, W> a, pack<T, W> b) {
  return detail::compare(a, [&](int k) { return a.b[k] == b.b[k]; });
}
template <detail::batched T, int W>
[[gnu::always_inline]] inline pack<bool, W> operator!=(pack<T, W> a, pack<T, W> b) {
  return !(a == b);  // xsimd's own != says that NaN is not different from NaN on AVX-512
}
template <detail::arrayed T, int W>
inline pack<bool, W> operator<(pack<T, W> a, pack<T, W> b) {
  return detail::compare_lanes(a, [&](int i) { return a.v[i] < b.v[i]; });
}
template <detail::arrayed T, int W>
inline pack<bool, W> operator<=(pack<T, W> a, pack<T, W> b) {
  return detail::compare_lanes(a, [&](int i) { return a.v[i] <= b.v[i]; });
}
template <detail::arrayed T, int W>
inline pack<bool, W> operator==(pack<T, W> a, pack<T, W> b) {
  return detail::compare_lanes(a, [&](int i) { return a.v[i] == b.v[i]; });
}
template <detail::arrayed T, int W>
inline pack<bool, W> operator!=(pack<T, W> a, pack<T, W> b) {
  return detail::compare_lanes(a, [&](int i) { return a.v[i] != b.v[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline pack<bool, W> operator>(pack<T, W> a, pack<T, W> b) {
  return b < a;
}
template <class T, int W>
[[gnu::always_inline]] inline pack<bool, W> operator>=(pack<T, W> a, pack<T, W> b) {
  return b <= a;
}

template <int W>
[[gnu::always_inline]] inline pack<bool, W> operator!(pack<bool, W> a) {
  return pack<bool, W>::from_bits(~a.bits);
}
template <int W>
[[gnu::always_inline]] inline pack<bool, W> operator&&(pack<bool, W> a, pack<bool, W> b) {
  return pack<bool, W>::from_bits(a.bits & b.bits);
}
template <int W>
[[gnu::always_inline]] inline pack<bool, W> operator||(pack<bool, W> a, pack<bool, W> b) {
  return pack<bool, W>::from_bits(a.bits | b.bits);
}
template <int W>
[[gnu::always_inline]] inline pack<bool, W> operator==(pack<bool, W> a, pack<bool, W> b) {
  return pack<bool, W>::from_bits(~(a.bits ^ b.bits));
}
template <int W>
[[gnu::always_inline]] inline pack<bool, W> operator!=(pack<bool, W> a, pack<bool, W> b) {
  return pack<bool, W>::from_bits(a.bits ^ b.bits);
}
template <int W>
[[gnu::always_inline]] inline pack<bool, W> logical_and(pack<bool, W> a, pack<bool, W> b) {
  return a && b;
}
template <int W>
[[gnu::always_inline]] inline pack<bool, W> logical_or(pack<bool, W> a, pack<bool, W> b) {
  return a || b;
}
template <int W>
[[gnu::always_inline]] inline pack<bool, W> logical_xor(pack<bool, W> a, pack<bool, W> b) {
  return a != b;
}
template <int W>
[[gnu::always_inline]] inline pack<bool, W> logical_not(pack<bool, W> a) {
  return !a;
}

template <class T, int W>
[[gnu::always_inline]] inline pack<T, W> select(pack<bool, W> c, pack<T, W> a, pack<T, W> b) {
  if constexpr (std::is_same_v<T, bool>) return pack<bool, W>::from_bits((c.bits & a.bits) | (~c.bits & b.bits));
  else if constexpr (detail::arrayed<T>) {
    bool first[static_cast<std::size_t>(W)];
    c.store(first);
    return pack<T, W>::each_lane([&](int i) { return first[i] ? a.v[i] : b.v[i]; });
  }
  else
    return pack<T, W>::each([&](int k) {
#if defined(__AVX512F__)
      // xsimd 8.1 selects integers through macros that do not compile without optimisation
      const auto bits = c.bits >> (k * pack<T, W>::lanes);
      if constexpr (std::is_integral_v<T> && sizeof(T) == 8)
        return xsimd::batch<T>(_mm512_mask_blend_epi64(static_cast<__mmask8>(bits), b.b[k].data, a.b[k].data));
      else if constexpr (std::is_integral_v<T>)
        return xsimd::batch<T>(_mm512_mask_blend_epi32(static_cast<__mmask16>(bits), b.b[k].data, a.b[k].data));
      else
#endif
        return xsimd::select(detail::mask_of<T>(c.bits >> (k * pack<T, W>::lanes)), a.b[k], b.b[k]);
    });
}
/// The larger operand, the second when they do not compare: one instruction.
template <class T, int W>
[[gnu::always_inline]] inline pack<T, W> larger(pack<T, W> a, pack<T, W> b) {
  if constexpr (std::is_floating_point_v<T>) return pack<T, W>::each([&](int k) { return detail::raw_max(a.b[k], b.b[k]); });
  else return select(a > b, a, b);
}
template <class T, int W>
[[gnu::always_inline]] inline pack<T, W> max(pack<T, W> a, pack<T, W> b) {
  if constexpr (std::is_floating_point_v<T>)
    return pack<T, W>::each([&](int k) { return xsimd::select(a.b[k] == a.b[k], detail::raw_max(a.b[k], b.b[k]), a.b[k]); });
  else return select(a > b, a, b);
}
template <class T, int W>
[[gnu::always_inline]] inline pack<T, W> min(pack<T, W> a, pack<T, W> b) {
  if constexpr (std::is_floating_point_v<T>)
    return pack<T, W>::each([&](int k) { return xsimd::select(a.b[k] == a.b[k], detail::raw_min(a.b[k], b.b[k]), a.b[k]); });
  else return select(a < b, a, b);
}

// ---- functions ------------------------------------------------------------------------------------------------------

template <class T, int W>
[[gnu::always_inline]] inline pack<T, W> abs(pack<T, W> a) {
  if constexpr (std::is_unsigned_v<T>) return a;
  else if constexpr (detail::arrayed<T>) return pack<T, W>::each_lane([&](int i) { return scalar::abs(a.v[i]); });
  else return pack<T, W>::each([&](int k) { return xsimd::abs(a.b[k]); });
}
template <class T, int W>
[[gnu::always_inline]] inline pack<bool, W> is_nan(pack<T, W> a) {
  return a != a;
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<bool, W> is_inf(pack<T, W> a) {
  return abs(a) == pack<T, W>(std::numeric_limits<T>::infinity());
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<bool, W> is_finite(pack<T, W> a) {
  return abs(a) < pack<T, W>(std::numeric_limits<T>::infinity());
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> sqrt(pack<T, W> a) {
  return pack<T, W>::each([&](int k) { return xsimd::sqrt(a.b[k]); });
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> floor(pack<T, W> a) {
  return pack<T, W>::each([&](int k) { return xsimd::floor(a.b[k]); });
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> ceil(pack<T, W> a) {
  return pack<T, W>::each([&](int k) { return xsimd::ceil(a.b[k]); });
}
template <detail::floating T, int W>
[[gnu::always_inline]] inline pack<T, W> round_even(pack<T, W> a) {
  return pack<T, W>::each([&](int k) { return xsimd::nearbyint(a.b[k]); });
}
// Complex numbers, lane by lane.
template <class T, int W>
  requires is_complex_v<T>
inline pack<T, W> sqrt(pack<T, W> a) {
  return pack<T, W>::each_lane([&](int i) { return scalar::sqrt(a.v[i]); });
}
template <class T, int W>
  requires is_complex_v<T>
inline pack<T, W> exp(pack<T, W> a) {
  return pack<T, W>::each_lane([&](int i) { return scalar::exp(a.v[i]); });
}
template <class T, int W>
  requires is_complex_v<T>
inline pack<T, W> log(pack<T, W> a) {
  return pack<T, W>::each_lane([&](int i) { return scalar::log(a.v[i]); });
}
template <class T, int W>
  requires is_complex_v<T>
inline pack<T, W> sin(pack<T, W> a) {
  return pack<T, W>::each_lane([&](int i) { return scalar::sin(a.v[i]); });
}
template <class T, int W>
  requires is_complex_v<T>
inline pack<T, W> cos(pack<T, W> a) {
  return pack<T, W>::each_lane([&](int i) { return scalar::cos(a.v[i]); });
}
template <class T, int W>
  requires is_complex_v<T>
inline pack<T, W> tanh(pack<T, W> a) {
  return pack<T, W>::each_lane([&](int i) { return scalar::tanh(a.v[i]); });
}
template <class T, int W>
  requires is_complex_v<T>
inline pack<real_type_t<T>, W> real_part(pack<T, W> a) {
  return pack<real_type_t<T>, W>::each_lane([&](int i) { return a.v[i].real(); });
}
template <class T, int W>
  requires is_complex_v<T>
inline pack<real_type_t<T>, W> imaginary_part(pack<T, W> a) {
  return pack<real_type_t<T>, W>::each_lane([&](int i) { return a.v[i].imag(); });
}
template <class T, int W>
  requires is_complex_v<T>
inline pack<T, W> conjugate(pack<T, W> a) {
  return pack<T, W>::each_lane([&](int i) { return scalar::conjugate(a.v[i]); });
}
template <class T, int W>
  requires is_complex_v<T>
inline pack<real_type_t<T>, W> magnitude(pack<T, W> a) {
  return pack<real_type_t<T>, W>::each_lane([&](int i) { return scalar::magnitude(a.v[i]); });
}
template <class T, int W>
  requires is_complex_v<T>
inline pack<real_type_t<T>, W> argument(pack<T, W> a) {
  return pack<real_type_t<T>, W>::each_lane([&](int i) { return scalar::argument(a.v[i]); });
}
template <detail::floating T, int W>
inline pack<complex_type_t<T>, W> make_complex(pack<T, W> re, pack<T, W> im) {
  using C = complex_type_t<T>;
  return pack<C, W>::each_lane([&](int i) { return C(detail::lane(re, i), detail::lane(im, i)); });
}

namespace detail {
/// Pairs of types between which xsimd converts (those of 8 bytes it takes lane by lane).
template <class T, class U>
inline constexpr bool converts = sizeof(T) == 4 && sizeof(U) == 4 && batched<T> && batched<U> && !std::is_unsigned_v<T> &&
                                 !std::is_unsigned_v<U>;
}  // namespace detail

/// Each lane as a U.
template <class U, class T, int W>
[[gnu::always_inline]] inline pack<U, W> cast(pack<T, W> a) {
  if constexpr (std::is_same_v<T, U>) return a;
  else if constexpr (std::is_same_v<U, bool>) return a != pack<T, W>(0);
  else if constexpr (is_narrow_v<T>) return cast<U>(static_cast<pack<float, W>>(a));
  else if constexpr (is_narrow_v<U> && (std::is_same_v<T, float> || std::is_same_v<T, bool> || sizeof(T) < 4))
    return pack<U, W>(cast<float>(a));
  else if constexpr (std::is_same_v<T, bool>) return select(a, pack<U, W>(1), pack<U, W>(0));
  else if constexpr (is_narrow_v<U> || is_complex_v<T> || is_complex_v<U>)
    return pack<U, W>::each_lane([&](int i) { return number_cast<U>(detail::lane(a, i)); });
  else if constexpr (detail::converts<T, U>)
    return pack<U, W>::each([&](int k) { return xsimd::batch_cast<U>(a.b[k]); });
  else {
    typename detail::vector_of<T, W>::type x;
    std::memcpy(&x, &a, sizeof(x));
    const auto y = __builtin_convertvector(x, typename detail::vector_of<U, W>::type);
    pack<U, W> r;
    std::memcpy(&r, &y, sizeof(y));
    return r;
  }
}

namespace detail {
template <int Step, class T, int W, std::size_t... I>
[[gnu::always_inline]] inline pack<T, W> rotate_lanes(const pack<T, W>& a, std::index_sequence<I...>) {
  if constexpr (is_complex_v<T>) return pack<T, W>::each_lane([&](int i) { return a.v[(i + Step) % W]; });
  else {
  typename vector_of<T, W>::type x;
  std::memcpy(&x, &a, sizeof(x));
  const auto y = kernel::detail::shuffle<(static_cast<int>(I) + Step) % W...>(x, x);
  pack<T, W> r;
  std::memcpy(&r, &y, sizeof(y));
  return r;
  }
}
template <int Step, class Combine, class T, int W>
[[gnu::always_inline]] inline pack<T, W> fold_lanes(const pack<T, W>& a, const Combine& combine) {
  if constexpr (Step == 0) return a;
  else
    return fold_lanes<Step / 2>(
        combine(a, rotate_lanes<Step>(a, std::make_index_sequence<static_cast<std::size_t>(W)>{})), combine);
}
}  // namespace detail

/// All lanes combined by `combine(pack, pack)`, always in the same order.
template <class Combine, class T, int W>
inline T combine_lanes(pack<T, W> a, const Combine& combine) {
  if constexpr (std::is_same_v<T, bool>) {
    for (int step = W / 2; step > 0; step /= 2) a = combine(a, pack<T, W>::from_bits(a.bits >> step));
    return (a.bits & 1U) != 0;
  } else return detail::lane(detail::fold_lanes<W / 2>(a, combine), 0);
}

/// The numbers 0, 1, 2, ... plus `first`.
template <class T, int W>
inline pack<T, W> iota(T first) {
  return pack<T, W>::each_lane([&](int i) { return static_cast<T>(first + number_cast<T>(i)); });
}

}  // namespace rill

#include "simd_math.hpp"

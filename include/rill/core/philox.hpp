// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): random bits as a pure function
/// of a 128-bit counter and a 64-bit key. Random tensors use one counter per element,
///
///   counter = {lo(element), hi(element), lo(step), hi(step)},  key = {lo(seed), hi(seed)},  word 0,
///
/// so any element can be computed anywhere, in any order, on any number of threads, and again in the backward pass.
///
///   float u = philox_uniform(element, step, seed);      // in [0, 1), a multiple of 2^-23, as TensorFlow's

#include <cstdint>
#include <cstring>

namespace rill {

/// Four 32-bit words: a counter, or the random bits made of it.
struct philox_words {
  std::uint32_t w[4] = {};
  constexpr std::uint32_t operator[](int i) const { return w[i]; }
  friend constexpr bool operator==(const philox_words& a, const philox_words& b) {
    return a.w[0] == b.w[0] && a.w[1] == b.w[1] && a.w[2] == b.w[2] && a.w[3] == b.w[3];
  }
};
struct philox_key {
  std::uint32_t k[2] = {};
};

namespace detail {
inline constexpr std::uint32_t philox_m0 = 0xD2511F53U;
inline constexpr std::uint32_t philox_m1 = 0xCD9E8D57U;
inline constexpr std::uint32_t philox_w0 = 0x9E3779B9U;
inline constexpr std::uint32_t philox_w1 = 0xBB67AE85U;
}  // namespace detail

/// Ten rounds of Philox4x32 on a counter.
constexpr philox_words philox4x32(philox_words c, philox_key key) {
  std::uint32_t k0 = key.k[0];
  std::uint32_t k1 = key.k[1];
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{detail::philox_m0} * c.w[0];
    const std::uint64_t p1 = std::uint64_t{detail::philox_m1} * c.w[2];
    c = {{static_cast<std::uint32_t>(p1 >> 32) ^ c.w[1] ^ k0, static_cast<std::uint32_t>(p1),
          static_cast<std::uint32_t>(p0 >> 32) ^ c.w[3] ^ k1, static_cast<std::uint32_t>(p0)}};
    k0 += detail::philox_w0;
    k1 += detail::philox_w1;
  }
  return c;
}

/// The four words of one element.
constexpr philox_words philox_bits(std::uint64_t element, std::uint64_t step, std::uint64_t seed) {
  return philox4x32({{static_cast<std::uint32_t>(element), static_cast<std::uint32_t>(element >> 32),
                      static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32)}},
                    {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}});
}

namespace detail {

// 64-bit lanes with 32 bits in each, so that one multiplication gives both halves of a product.
typedef std::uint64_t philox_lanes __attribute__((vector_size(64)));  // NOLINT: an attribute of a typedef
typedef std::uint32_t philox_eight __attribute__((vector_size(32)));  // NOLINT

struct philox_state {
  philox_lanes a, b, c, d;
  [[gnu::always_inline]] philox_state(std::uint64_t element, std::uint64_t step) {
    const philox_lanes e = element + philox_lanes{0, 1, 2, 3, 4, 5, 6, 7};
    a = e & std::uint64_t{0xFFFFFFFFU};
    b = e >> 32;
    c = philox_lanes{} + (step & 0xFFFFFFFFU);
    d = philox_lanes{} + (step >> 32);
  }
  [[gnu::always_inline]] void round(std::uint64_t k0, std::uint64_t k1) {
    const philox_lanes p0 = a * std::uint64_t{philox_m0};
    const philox_lanes p1 = c * std::uint64_t{philox_m1};
    a = (p1 >> 32) ^ b ^ k0;
    b = p1 & std::uint64_t{0xFFFFFFFFU};
    c = (p0 >> 32) ^ d ^ k1;
    d = p0 & std::uint64_t{0xFFFFFFFFU};
  }
  [[gnu::always_inline]] void store(float* out) const {
    typedef std::int32_t ints __attribute__((vector_size(32)));  // NOLINT
    typedef float floats __attribute__((vector_size(32)));       // NOLINT
    const philox_eight w = __builtin_convertvector(a, philox_eight) & 0x7FFFFFU;
    const floats u = __builtin_convertvector(reinterpret_cast<const ints&>(w), floats) * 0x1p-23F;
    std::memcpy(out, &u, sizeof(u));
  }
};

/// Eight or sixteen uniform numbers; two chains of rounds hide each other's latency.
template <bool Two>
inline void philox_block(std::uint64_t element, std::uint64_t step, std::uint64_t seed, float* out) {
  philox_state x(element, step);
  philox_state y(element + 8, step);
  auto k0 = static_cast<std::uint32_t>(seed);
  auto k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    x.round(k0, k1);
    if constexpr (Two) y.round(k0, k1);
    k0 += philox_w0;
    k1 += philox_w1;
  }
  x.store(out);
  if constexpr (Two) y.store(out + 8);
}

}  // namespace detail

/// 23 random bits as a float in [0, 1), the grid of TensorFlow's mantissa construction.
constexpr float uniform_from_bits(std::uint32_t bits) { return static_cast<float>(bits & 0x7FFFFFU) * 0x1p-23F; }

/// Element `element` of a uniform float32 tensor in [0, 1).
constexpr float philox_uniform(std::uint64_t element, std::uint64_t step, std::uint64_t seed) {
  return uniform_from_bits(philox_bits(element, step, seed).w[0]);
}

/// Elements `element` ... `element` + N - 1 of the same tensor, with the same bits.
template <int N>
inline void philox_uniforms(std::uint64_t element, std::uint64_t step, std::uint64_t seed, float* out) {
  int done = 0;
  for (; done + 16 <= N; done += 16)
    detail::philox_block<true>(element + static_cast<std::uint64_t>(done), step, seed, out + done);
  for (; done + 8 <= N; done += 8)
    detail::philox_block<false>(element + static_cast<std::uint64_t>(done), step, seed, out + done);
  for (; done < N; ++done) out[done] = philox_uniform(element + static_cast<std::uint64_t>(done), step, seed);
}

}  // namespace rill

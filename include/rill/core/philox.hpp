// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw ("Parallel random numbers: as easy as 1, 2,
/// 3", SC 2011): a bijection of 128 counter bits under a 64-bit key. Random numbers here are functions of their place:
/// counter = (element index, step), key = seed; nothing is stored and any element can be computed anywhere.

#include <array>
#include <cstdint>

namespace rill {

/// Four random words for a counter and a key.
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * c[0], b = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(a)};
    k = {k[0] + 0x9E3779B9u, k[1] + 0xBB67AE85u};
  }
  return c;
}

/// A float in [0, 1) from the 24 high bits of a word: multiples of 2^-24, all equally likely.
constexpr float uniform_from_bits(std::uint32_t bits) {
  return static_cast<float>(static_cast<std::int32_t>(bits >> 8)) * (1.0f / 16777216.0f);
}

/// The uniform number of element `index` in step `step`: one counter per element, its first word.
constexpr float philox_uniform(std::uint64_t index, std::uint64_t step, std::uint64_t key) {
  return uniform_from_bits(philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                                       static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32)},
                                      {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)})[0]);
}

/// philox_uniform of N consecutive elements; loops of constant length, which compilers turn into vector code.
template <int N>
constexpr void philox_uniforms(std::uint64_t index, std::uint64_t step, std::uint64_t key, float* out) {
  constexpr auto n = static_cast<std::size_t>(N);
  std::uint64_t c0[n], c1[n], c2[n], c3[n];  // 32-bit values in 64-bit lanes, so that products need no shuffles
  for (int i = 0; i < N; ++i) {
    const std::uint64_t e = index + static_cast<std::uint64_t>(i);
    c0[i] = e & 0xffffffffu, c1[i] = e >> 32, c2[i] = step & 0xffffffffu, c3[i] = step >> 32;
  }
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < N; ++i) {
      const std::uint64_t a = 0xD2511F53u * c0[i], b = 0xCD9E8D57u * c2[i];
      c0[i] = (b >> 32) ^ c1[i] ^ k0;
      c1[i] = b & 0xffffffffu;
      c2[i] = (a >> 32) ^ c3[i] ^ k1;
      c3[i] = a & 0xffffffffu;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int i = 0; i < N; ++i) out[i] = uniform_from_bits(static_cast<std::uint32_t>(c0[i]));
}

}  // namespace rill

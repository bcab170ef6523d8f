// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Hashes of byte strings that are the same on every machine and in every run, as TensorFlow computes them, so that ids
/// made by it (hash buckets, crossed columns) and by Rill agree. `fingerprint64` is FarmHash's Fingerprint64 (Geoff Pike's
/// farmhashna), `legacy_hash64` is MurmurHash64A with TensorFlow's seed, `sip_hash` is SipHash-2-4 (Aumasson and Bernstein),
/// the one that a party who chooses the strings cannot make collide without the key.
///
///   const std::uint64_t bucket = fingerprint64("Exec-managerial") % 1000;

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

namespace rill {

namespace detail {

inline std::uint64_t load64(const char* p) {
  std::uint64_t v;
  std::memcpy(&v, p, sizeof(v));
  if constexpr (std::endian::native == std::endian::big) v = __builtin_bswap64(v);
  return v;
}
inline std::uint64_t load32(const char* p) {
  std::uint32_t v;
  std::memcpy(&v, p, sizeof(v));
  if constexpr (std::endian::native == std::endian::big) v = __builtin_bswap32(v);
  return v;
}
inline std::uint64_t load8(const char* p) { return static_cast<unsigned char>(*p); }

namespace farm {

inline constexpr std::uint64_t k0 = 0xc3a5c85c97cb3127U;
inline constexpr std::uint64_t k1 = 0xb492b66fbe98f273U;
inline constexpr std::uint64_t k2 = 0x9ae16a3b2f90404fU;

struct pair {
  std::uint64_t first = 0, second = 0;
};
constexpr std::uint64_t shift_mix(std::uint64_t v) { return v ^ (v >> 47); }
constexpr std::uint64_t mix(std::uint64_t u, std::uint64_t v, std::uint64_t mul) {
  const std::uint64_t a = shift_mix((u ^ v) * mul);
  return shift_mix((v ^ a) * mul) * mul;
}
inline std::uint64_t up_to_16(const char* s, std::size_t n) {
  const std::uint64_t mul = k2 + n * 2;
  if (n >= 8) {
    const std::uint64_t a = load64(s) + k2;
    const std::uint64_t b = load64(s + n - 8);
    return mix(std::rotr(b, 37) * mul + a, (std::rotr(a, 25) + b) * mul, mul);
  }
  if (n >= 4) return mix(n + (load32(s) << 3), load32(s + n - 4), mul);
  if (n == 0) return k2;
  const std::uint64_t y = load8(s) + (load8(s + (n >> 1)) << 8);
  const std::uint64_t z = n + (load8(s + n - 1) << 2);
  return shift_mix((y * k2) ^ (z * k0)) * k2;
}
inline std::uint64_t up_to_32(const char* s, std::size_t n) {
  const std::uint64_t mul = k2 + n * 2;
  const std::uint64_t a = load64(s) * k1;
  const std::uint64_t b = load64(s + 8);
  const std::uint64_t c = load64(s + n - 8) * mul;
  const std::uint64_t d = load64(s + n - 16) * k2;
  return mix(std::rotr(a + b, 43) + std::rotr(c, 30) + d, a + std::rotr(b + k2, 18) + c, mul);
}
inline std::uint64_t up_to_64(const char* s, std::size_t n) {
  const std::uint64_t mul = k2 + n * 2;
  const std::uint64_t a = load64(s) * k2;
  const std::uint64_t b = load64(s + 8);
  const std::uint64_t c = load64(s + n - 8) * mul;
  const std::uint64_t d = load64(s + n - 16) * k2;
  const std::uint64_t y = std::rotr(a + b, 43) + std::rotr(c, 30) + d;
  const std::uint64_t z = mix(y, a + std::rotr(b + k2, 18) + c, mul);
  const std::uint64_t e = load64(s + 16) * mul;
  const std::uint64_t f = load64(s + 24);
  const std::uint64_t g = (y + load64(s + n - 32)) * mul;
  const std::uint64_t h = (z + load64(s + n - 24)) * mul;
  return mix(std::rotr(e + f, 43) + std::rotr(g, 30) + h, e + std::rotr(f + a, 18) + g, mul);
}
inline pair weak32(const char* s, std::uint64_t a, std::uint64_t b) {
  const std::uint64_t z = load64(s + 24);
  a += load64(s);
  b = std::rotr(b + a + z, 21);
  const std::uint64_t c = a;
  a += load64(s + 8) + load64(s + 16);
  b += std::rotr(a, 44);
  return {a + z, b + c};
}
/// The state that long inputs are folded into, 64 bytes at a time.
struct state {
  std::uint64_t x, y, z;
  pair v, w;
  void fold(const char* s, std::uint64_t mul, std::uint64_t weight) {
    x = std::rotr(x + y + v.first + load64(s + 8), 37) * mul;
    y = std::rotr(y + v.second + load64(s + 48), 42) * mul;
    x ^= w.second * weight;
    y += v.first * weight + load64(s + 40);
    z = std::rotr(z + w.first, 33) * mul;
    v = weak32(s, v.second * mul, x + w.first);
    w = weak32(s + 32, z + w.second, y + load64(s + 16));
    std::swap(z, x);
  }
};
inline std::uint64_t above_64(const char* s, std::size_t n) {
  constexpr std::uint64_t seed = 81;
  constexpr std::uint64_t y = seed * k1 + 113;
  state t{seed * k2 + load64(s), y, shift_mix(y * k2 + 113) * k2, {}, {}};
  const std::size_t blocks = (n - 1) / 64;
  for (std::size_t i = 0; i < blocks; ++i) t.fold(s + 64 * i, k1, 1);
  const std::uint64_t mul = k1 + ((t.z & 0xffU) << 1);
  t.w.first += (n - 1) & 63U;
  t.v.first += t.w.first;
  t.w.first += t.v.first;
  t.fold(s + n - 64, mul, 9);
  return mix(mix(t.v.first, t.w.first, mul) + shift_mix(t.y) * k0 + t.z, mix(t.v.second, t.w.second, mul) + t.x, mul);
}

}  // namespace farm
}  // namespace detail

/// FarmHash's Fingerprint64 of the bytes; never changes.
inline std::uint64_t fingerprint64(std::string_view bytes) {
  const char* s = bytes.data();
  const std::size_t n = bytes.size();
  if (n <= 16) return detail::farm::up_to_16(s, n);
  if (n <= 32) return detail::farm::up_to_32(s, n);
  if (n <= 64) return detail::farm::up_to_64(s, n);
  return detail::farm::above_64(s, n);
}

/// One fingerprint of two: TensorFlow's FingerprintCat64, which crosses features.
constexpr std::uint64_t fingerprint_cat64(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t mul = 0xc6a4a7935bd1e995U;
  std::uint64_t r = a ^ mul;
  r ^= detail::farm::shift_mix(b * mul) * mul;
  r *= mul;
  r = detail::farm::shift_mix(r) * mul;
  return detail::farm::shift_mix(r);
}

/// MurmurHash64A of the bytes: what string_to_hash_bucket takes; kept for ids that exist.
inline std::uint64_t legacy_hash64(std::string_view bytes, std::uint64_t seed = 0xdecafcaffeU) {
  constexpr std::uint64_t mul = 0xc6a4a7935bd1e995U;
  const char* s = bytes.data();
  std::size_t n = bytes.size();
  std::uint64_t h = seed ^ (n * mul);
  for (; n >= 8; n -= 8, s += 8) {
    const std::uint64_t k = detail::farm::shift_mix(detail::load64(s) * mul) * mul;
    h = (h ^ k) * mul;
  }
  if (n > 0) {
    for (std::size_t i = 0; i < n; ++i) h ^= detail::load8(s + i) << (8 * i);
    h *= mul;
  }
  return detail::farm::shift_mix(detail::farm::shift_mix(h) * mul);
}

/// SipHash-2-4 of the bytes under a key of two words.
inline std::uint64_t sip_hash(std::string_view bytes, std::uint64_t key0, std::uint64_t key1) {
  std::uint64_t a = key0 ^ 0x736f6d6570736575U;
  std::uint64_t b = key1 ^ 0x646f72616e646f6dU;
  std::uint64_t c = key0 ^ 0x6c7967656e657261U;
  std::uint64_t d = key1 ^ 0x7465646279746573U;
  const auto rounds = [&](int n) {
    for (int i = 0; i < n; ++i) {
      a += b, c += d;
      b = std::rotl(b, 13) ^ a, d = std::rotl(d, 16) ^ c;
      a = std::rotl(a, 32);
      c += b, a += d;
      b = std::rotl(b, 17) ^ c, d = std::rotl(d, 21) ^ a;
      c = std::rotl(c, 32);
    }
  };
  const auto absorb = [&](std::uint64_t word) {
    d ^= word;
    rounds(2);
    a ^= word;
  };
  const char* s = bytes.data();
  std::size_t n = bytes.size();
  for (; n >= 8; n -= 8, s += 8) absorb(detail::load64(s));
  std::uint64_t last = static_cast<std::uint64_t>(bytes.size()) << 56;
  for (std::size_t i = 0; i < n; ++i) last |= detail::load8(s + i) << (8 * i);
  absorb(last);
  c ^= 0xffU;
  rounds(4);
  return a ^ b ^ c ^ d;
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The random numbers of pipelines: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
/// 2014) as a family of streams. Stream (seed, number) is the same on every platform; a draw is three multiplications.
///
///   detail::random_bits r(7, epoch);
///   r.below(6);      // 0 to 5

#include <cstdint>

namespace rill::data::detail {

class random_bits {
 public:
  random_bits() = default;
  random_bits(std::uint64_t seed, std::uint64_t stream) { start(seed, stream); }
  void start(std::uint64_t seed, std::uint64_t stream) {
    state_ = mix(mix(seed + gamma) ^ mix(stream + 2 * gamma));
  }
  std::uint64_t next() { return mix(state_ += gamma); }
  /// A number below n: the high word of a 64 x 64 bit product.
  std::uint64_t below(std::uint64_t n) {
    const std::uint64_t x = next();
    const std::uint64_t low = (x & 0xffffffffu) * (n & 0xffffffffu);
    const std::uint64_t m1 = (x >> 32) * (n & 0xffffffffu) + (low >> 32);
    const std::uint64_t m2 = (x & 0xffffffffu) * (n >> 32) + (m1 & 0xffffffffu);
    return (x >> 32) * (n >> 32) + (m1 >> 32) + (m2 >> 32);
  }
  /// Uniform in [low, high).
  float uniform(float low, float high) {
    return low + (high - low) * (static_cast<float>(next() >> 40) * 0x1p-24f);
  }

 private:
  static constexpr std::uint64_t gamma = 0x9e3779b97f4a7c15u;
  static constexpr std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::uint64_t state_ = 0;
};

}  // namespace rill::data::detail

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Random numbers as pure functions of (seed, stream, step, element index): Philox4x32-10, so a mask can be recomputed in
/// the backward pass, does not depend on threads, and a resumed run continues bit for bit.

#include "../core/philox.hpp"
#include "op.hpp"

namespace rill::ops {

/// (seed, stream, step: int64 scalars) -> float32 uniform in [0, 1) at every index of the result. The key is the seed with
/// the stream (one per random op of a model) mixed in, the counter is (index, step).
struct random_uniform : elementwise<3> {
  static constexpr auto name = "RandomUniform";
  static constexpr int cost = 60;
  static constexpr bool indexed = true;
  template <class...>
  using result = float;

  static constexpr std::uint64_t key(std::int64_t seed, std::int64_t stream) {
    return static_cast<std::uint64_t>(seed) + 0x9e3779b97f4a7c15u * static_cast<std::uint64_t>(stream + 1);
  }

  template <class V, class K>
  static constexpr V eval_at(std::int64_t index, K seed, K stream, K step) {
    if constexpr (std::is_arithmetic_v<K>) {
      return philox_uniform(static_cast<std::uint64_t>(index), static_cast<std::uint64_t>(step), key(seed, stream));
    } else {
      const auto first = [](const K& pack) {
        std::int64_t lanes[static_cast<std::size_t>(K::size)];
        pack.store(lanes);
        return lanes[0];
      };
      float u[static_cast<std::size_t>(V::size)];
      philox_uniforms<V::size>(static_cast<std::uint64_t>(index), static_cast<std::uint64_t>(first(step)),
                               key(first(seed), first(stream)), u);
      return V::load(u);
    }
  }
};

}  // namespace rill::ops

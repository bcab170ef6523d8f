// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Random numbers as pure functions of (seed, stream, step, element index): Philox4x32-10, so a mask can be recomputed in
/// the backward pass, does not depend on threads, and a resumed run continues bit for bit.

#include "op.hpp"

namespace rill::ops {

/// (seed, stream, step: int64 scalars) -> float32 uniform in [0, 1) at every index of the result.
/// Key = seed mixed with the stream (one per random op of a model); counter = (index, step).
struct random_uniform : elementwise<3> {
  static constexpr auto name = "RandomUniform";
  static constexpr int cost = 60;
  static constexpr bool indexed = true;
  template <class...>
  using result = float;
};

}  // namespace rill::ops

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Mean over all elements of (predictions - labels)^2; two tensors of one shape -> scalar.

#include "../graph/trace.hpp"

namespace rill::losses {

template <value V>
constexpr V mean_squared_error(V labels, V predictions) {
  V d = predictions - labels;
  return reduce_mean(d * d);
}

}  // namespace rill::losses

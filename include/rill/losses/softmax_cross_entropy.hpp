// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Mean over the batch of -sum(onehot_labels * log softmax(logits)), on logits: [b, classes] twice -> scalar.

#include "../graph/trace.hpp"

namespace rill::losses {

template <value V>
constexpr V softmax_cross_entropy(V onehot_labels, V logits) {
  V shifted = logits - stop_gradient(reduce_max(logits, {.axis = {-1}, .keepdims = true}));
  V log_sum = log(reduce_sum(exp(shifted), {.axis = {-1}, .keepdims = true}));
  return reduce_mean(reduce_sum(onehot_labels * (log_sum - shifted), {.axis = {-1}}));
}

}  // namespace rill::losses

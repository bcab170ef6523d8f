// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Mean over the batch of -sum(onehot_labels * log softmax(logits)), on logits: [b, classes] twice -> scalar.

#include "../graph/trace.hpp"

namespace rill::losses {

constexpr symbol softmax_cross_entropy(symbol onehot_labels, symbol logits) {
  symbol shifted = logits - stop_gradient(reduce_max(logits, {.axis = {-1}, .keepdims = true}));
  symbol log_sum = log(reduce_sum(exp(shifted), {.axis = {-1}, .keepdims = true}));
  return reduce_mean(reduce_sum(onehot_labels * (log_sum - shifted), {.axis = {-1}}));
}

}  // namespace rill::losses

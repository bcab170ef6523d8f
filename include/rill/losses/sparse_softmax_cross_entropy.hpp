// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Mean over the batch of -log softmax(logits)[label], computed on logits (never log of a softmax).
/// labels [b] int32 or int64, logits [b, classes] -> scalar. Gradient: (softmax - one_hot) / b, made in the same pass.

#include "../graph/trace.hpp"

namespace rill::losses {

constexpr symbol sparse_softmax_cross_entropy(symbol labels, symbol logits) {
  return reduce_mean(sparse_softmax_cross_entropy_with_logits(labels, logits));
}

}  // namespace rill::losses

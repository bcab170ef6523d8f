// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Mean over the batch of -log softmax(logits)[label], computed on logits (never log of a softmax).
/// labels [b] int32 or int64, logits [b, classes] -> scalar. Gradient: (softmax - one_hot) / b, made in the same pass.

#include "../graph/trace.hpp"

namespace rill::losses {

template <value V>
constexpr V sparse_softmax_cross_entropy(V labels, V logits) {
  return reduce_mean(sparse_softmax_cross_entropy_with_logits(labels, logits));
}

}  // namespace rill::losses

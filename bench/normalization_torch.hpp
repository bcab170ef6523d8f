// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Normalizations and softmax in libtorch, as plain C++. Each call gives its result anew; it lies behind the pointer until
/// the next.

#include <cstdint>
#include <functional>

namespace bench::torch_peer {

struct norm_calls {
  std::function<const float*()> forward;   ///< y
  std::function<const float*()> backward;  ///< dx; the parameters' gradients are computed, too
};
/// Layer normalization of [rows, n]; batch normalization in training of `rows` positions of n channels, channels last.
norm_calls layer_norm(std::int64_t rows, std::int64_t n, const float* x, const float* scale, const float* offset, const float* dy, double epsilon);
norm_calls batch_norm(std::int64_t rows, std::int64_t n, const float* x, const float* scale, const float* offset, const float* dy, double epsilon);
/// Softmax or its logarithm over the last axis of [rows, n].
norm_calls softmax(bool logarithm, std::int64_t rows, std::int64_t n, const float* x, const float* dy);

}  // namespace bench::torch_peer

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A dense layer in libtorch, as plain C++. Each call gives the result anew; it lies behind the pointer until the next.

#include <cstdint>
#include <functional>

namespace bench::torch_peer {

/// relu(x w + bias) of an [m, k] and a [k, n] matrix.
std::function<const float*()> dense_relu(const float* x, const float* w, const float* bias, std::int64_t m, std::int64_t k,
                                         std::int64_t n);

}  // namespace bench::torch_peer

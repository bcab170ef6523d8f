// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Products in libtorch, as plain C++. Each call gives the result anew; it lies behind the pointer until the next.

#include <cstdint>
#include <functional>

namespace bench::torch_peer {

/// relu(x w + bias) of an [m, k] and a [k, n] matrix.
std::function<const float*()> dense_relu(const float* x, const float* w, const float* bias, std::int64_t m, std::int64_t k,
                                         std::int64_t n);
/// The products of `count` [m, k] and as many [k, n] matrices.
std::function<const float*()> batch_product(const float* a, const float* b, std::int64_t count, std::int64_t m, std::int64_t k, std::int64_t n);

}  // namespace bench::torch_peer

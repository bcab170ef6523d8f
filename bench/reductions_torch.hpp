// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Reductions in libtorch, as plain C++. Each call gives the result anew; it lies behind the pointer until the next.

#include <cstdint>
#include <functional>
#include <vector>

namespace bench {

enum class reducer { sum, mean, max, argmax };
enum class number { f32, f64, i32 };

namespace torch_peer {

/// A tensor reduced over axes (argmax: over one); the result has the element type, or int64 (argmax, sums of integers).
std::function<const void*()> reduce(reducer r, number n, const void* x, const std::vector<std::int64_t>& shape,
                                    const std::vector<std::int64_t>& axes);

}  // namespace torch_peer

}  // namespace bench

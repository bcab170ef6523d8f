// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Sorts and scans in libtorch, as plain C++. Each call gives the result anew; it lies behind the pointer until the next.

#include <cstdint>
#include <functional>

namespace bench::torch_peer {

/// What a call leaves behind: floats, and indices where there are some.
struct ordered {
  const float* values = nullptr;
  const std::int64_t* indices = nullptr;
};

/// Rows of a matrix in order; libtorch always finds the indices too.
std::function<ordered()> sort(const float* x, std::int64_t rows, std::int64_t columns, int axis);
/// The k largest of each row, in order.
std::function<ordered()> top_k(const float* x, std::int64_t rows, std::int64_t columns, std::int64_t k);
std::function<ordered()> cumsum(const float* x, std::int64_t rows, std::int64_t columns, int axis);
/// Rows added up by segment, as index_add does.
std::function<ordered()> segment_sum(const float* x, std::int64_t rows, std::int64_t columns, const std::int32_t* ids, std::int64_t segments);

}  // namespace bench::torch_peer

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Moves of elements in libtorch, as plain C++. Each call gives the result anew; it lies behind the pointer until the next.

#include <cstdint>
#include <functional>
#include <vector>

namespace bench::torch_peer {

using extents = std::vector<std::int64_t>;
using move = std::function<const float*()>;

move transpose(const float* x, const extents& shape, const extents& order);
move concat(const std::vector<const float*>& parts, const extents& shape, int axis);
/// Every axis from `begin` on, `size` elements.
move slice(const float* x, const extents& shape, const extents& begin, const extents& size);
move pad(const float* x, const extents& shape, const extents& width);
move tile(const float* x, const extents& shape, const extents& multiples);
move reverse(const float* x, const extents& shape, const extents& axes);
/// Rows of a matrix, and the sum of rows of the same indices.
move gather_rows(const float* x, std::int64_t rows, std::int64_t columns, const std::int32_t* ids, std::int64_t n);
move add_rows(const float* dy, std::int64_t rows, std::int64_t columns, const std::int32_t* ids, std::int64_t n);

}  // namespace bench::torch_peer

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What layers share. A layer is a plain aggregate with a constexpr call operator from value to value (a symbol of a graph,
/// or a tensor inside an eager::module); calling it opens a scope of the layer's name, makes its variables there and lists it for `describe`.

#include "../graph/trace.hpp"
#include "activations.hpp"

namespace rill::nn {

/// Extents of a window or kernel over height and width: {5, 5}, or one number for both.
struct size2d {
  std::int64_t h = 1, w = 1;
  constexpr size2d() = default;
  constexpr size2d(std::int64_t both) : h(both), w(both) {}  // NOLINT: implicit on purpose
  constexpr size2d(std::int64_t height, std::int64_t width) : h(height), w(width) {}
};

}  // namespace rill::nn

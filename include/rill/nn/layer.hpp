// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What layers share. A layer is a plain aggregate with a constexpr call operator from symbol to symbol; calling it opens
/// a scope of the layer's name, makes its variables there and lists it for `describe`.

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

namespace detail {
/// A failure of a layer itself, reported as one of the op at its heart.
template <class Op>
constexpr symbol reject(symbol x, const char* problem, const char* cure) {
  failure f;
  f.set(problem, cure, x.g->at(x).sig());
  x.g->fail(&graph::info_of<Op>, f);
  return {x.g, -1};
}
}  // namespace detail

}  // namespace rill::nn

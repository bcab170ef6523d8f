// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Activations as values, so that a layer's description can name one: `nn::dense{.units = 10, .activation = relu}`. They
/// are also the functions: `relu(x)`.

#include "../graph/trace.hpp"

namespace rill::nn {

/// An element-wise function of a symbol; the default is the identity (a linear layer).
struct activation {
  symbol (*apply)(symbol) = nullptr;
  constexpr symbol operator()(symbol x) const { return apply == nullptr || x.id < 0 ? x : apply(x); }
};

}  // namespace rill::nn

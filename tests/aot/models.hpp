// SPDX-License-Identifier: Apache-2.0
#pragma once
// The models that tests/CMakeLists.txt compiles ahead of time.

#include <rill/nn/nn.hpp>

namespace models {

/// tfcompile's example: x_hold and y_hold to x_y_prod.
struct matmul_graph {
  constexpr auto operator()(rill::symbol x_hold, rill::symbol y_hold) const { return rill::matmul(x_hold, y_hold); }
};

/// Two dense layers whose weights, in the checkpoint beside this file, are constants of the library.
struct dense_graph {
  constexpr auto operator()(rill::symbol x) const {
    const rill::symbol h = rill::nn::dense{.units = 16, .activation = rill::relu}(x);
    const rill::symbol y = rill::nn::dense{.units = 3}(h);
    return rill::outputs(rill::fetch("logits", y), rill::fetch("class", rill::argmax(y, {.axis = 1})));
  }
};

}  // namespace models

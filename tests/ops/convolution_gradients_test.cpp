// SPDX-License-Identifier: Apache-2.0
// Gradients, of first and second order, of the convolution and the pooling of images that models use.

#include <rill/eager/numeric_gradient.hpp>

#include "derivatives.hpp"

using namespace rill;
using test::check_derivatives;

namespace {

using V = const dynamic_tensor&;

}  // namespace

TEST_CASE("derivatives: the fused convolution and pooling") {
  const dynamic_tensor image = test::spread({2, 4, 3, 2}, 1), filter = test::spread({2, 2, 2, 3}, 2);
  check_derivatives("conv2d", [](V x, V w) { return square(conv2d(x, w)); }, {image, filter});
  check_derivatives("conv2d, same, strides", [](V x, V w) { return square(conv2d(x, w, {.strides = {2, 1}, .padding = same})); }, {image, filter});
  check_derivatives("conv2d of itself", [](V x) { return conv2d(x, reshape(square(x), {4, 3, 2, 2}), {.padding = same}); }, {image});
  check_derivatives("max_pool", [](V x) { return square(max_pool(x, {.window = {2, 2}, .strides = {1, 1}})); }, {image});
}

// SPDX-License-Identifier: Apache-2.0
// Gradients, of first and second order, of the convolution and the pooling of images that models use.

#include <rill/eager/numeric_gradient.hpp>

#include "derivatives.hpp"

using namespace rill;
using test::check_derivatives;

namespace {

using V = const dynamic_tensor&;

/// Different numbers of [-1, 1], none next to another.
dynamic_tensor spread(const tensor_shape& s, std::int64_t seed) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float64, s);
  auto* p = static_cast<double*>(t.mutable_data());
  const std::int64_t n = t.size();
  for (std::int64_t k = 0; k < n; ++k) p[k] = static_cast<double>((k * 37 + seed * 11) % 101) / 50 - 1;
  return t;
}

}  // namespace

TEST_CASE("derivatives: the fused convolution and pooling") {
  const dynamic_tensor image = spread({2, 4, 3, 2}, 1), filter = spread({2, 2, 2, 3}, 2);
  check_derivatives("conv2d", [](V x, V w) { return square(conv2d(x, w)); }, {image, filter});
  check_derivatives("conv2d, same, strides", [](V x, V w) { return square(conv2d(x, w, {.strides = {2, 1}, .padding = same})); }, {image, filter});
  check_derivatives("conv2d of itself", [](V x) { return conv2d(x, reshape(square(x), {4, 3, 2, 2}), {.padding = same}); }, {image});
  check_derivatives("max_pool", [](V x) { return square(max_pool(x, {.window = {2, 2}, .strides = {1, 1}})); }, {image});
}

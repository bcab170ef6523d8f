// SPDX-License-Identifier: Apache-2.0
// Gradients of windows, pooling and morphology against differences, first and second order.
#include <rill/eager/numeric_gradient.hpp>
#include <rill/eager/window.hpp>

#include "derivatives.hpp"

#include <algorithm>
#include <random>
#include <vector>

using namespace rill;
using test::check_derivatives;

namespace {
/// Distinct numbers, far apart for a difference quotient.
dynamic_tensor distinct(const tensor_shape& s, unsigned seed) {
  std::mt19937 g(seed);
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float64, s);
  auto* p = static_cast<double*>(t.mutable_data());
  for (std::int64_t k = 0; k < t.size(); ++k) p[k] = static_cast<double>(k) * 0.125 - 2.0625;
  std::shuffle(p, p + t.size(), g);
  return t;
}
}  // namespace

TEST_CASE("pooling") {
  const dynamic_tensor x[] = {distinct({1, 4, 5, 2}, 1)};
  check_derivatives("max_pool", [](const dynamic_tensor& a) { return square(max_pool(a, {.window = {2, 2}, .strides = {2, 2}})); }, x);
  check_derivatives("max_pool, overlapping", [](const dynamic_tensor& a) { return square(max_pool(a, {.window = {3, 2}, .strides = {1, 2}, .padding = same})); }, x);
  check_derivatives("max_pool, general", [](const dynamic_tensor& a) {
    return square(max_pool(a, pooling_options{.window = {2, 2}, .padding = {{1, 0}, {0, 1}}, .dilations = {2, 1}, .data_format = image_layout::nchw}));
  }, x);
  check_derivatives("max_pool_with_argmax", [](const dynamic_tensor& a) { return square(max_pool_with_argmax(a, {.window = {3, 3}, .strides = {1, 1}}).output); }, x);
  check_derivatives("avg_pool", [](const dynamic_tensor& a) { return square(avg_pool(a, {.window = {3, 2}, .strides = {2, 1}, .padding = same})); }, x);
  const dynamic_tensor volume[] = {distinct({1, 3, 2, 3, 2}, 2)};
  check_derivatives("max_pool3d", [](const dynamic_tensor& a) { return square(max_pool3d(a, {.window = {2, 2, 2}, .padding = same})); }, volume);
  check_derivatives("avg_pool3d", [](const dynamic_tensor& a) { return square(avg_pool3d(a, {.window = {2, 1, 2}, .strides = {1, 1, 2}})); }, volume);
  // the third derivative of the fused op: d/dx of sum(x^4) at the maxima, three times, is 24 x
  eager::gradient_tape a, b, c;
  a.watch(x[0]), b.watch(x[0]), c.watch(x[0]);
  const dynamic_tensor y = square(square(max_pool(x[0], {.window = {2, 2}, .strides = {2, 2}})));
  const dynamic_tensor first = c.gradient(reduce_sum(y), x[0])[0], second = b.gradient(reduce_sum(first), x[0])[0], third = a.gradient(reduce_sum(second), x[0])[0];
  for (std::size_t k = 0; k < 40; ++k) {
    const double v = x[0].span<double>()[k], f = first.span<double>()[k];
    CHECK(third.span<double>()[k] == doctest::Approx(f == 0 ? 0 : 24 * v));
  }
}

TEST_CASE("window reductions") {
  const dynamic_tensor x[] = {distinct({4, 5}, 3)};
  const xla::window_options o{.window_dimensions = {2, 3}, .window_strides = {1, 2}, .padding = {{1, 0}, {-1, 2}}};
  xla::window_options holes = o;
  holes.base_dilations = {2, 3}, holes.window_dilations = {2, 1};
  check_derivatives("sum", [&](const dynamic_tensor& a) { return square(xla::reduce_window(a, ops::sum{}, o)); }, x);
  check_derivatives("sum with holes", [&](const dynamic_tensor& a) { return square(xla::reduce_window(a, ops::sum{}, holes)); }, x);
  const dynamic_tensor init = dynamic_tensor(tensor<double>(-0.3125));
  const dynamic_tensor both[] = {x[0], init};
  check_derivatives("max", [&](const dynamic_tensor& a, const dynamic_tensor& i) { return square(xla::reduce_window(a, i, ops::max{}, o)); }, both);
  check_derivatives("min", [&](const dynamic_tensor& a, const dynamic_tensor& i) { return square(xla::reduce_window(a, i, ops::min{}, o)); }, both);
  const dynamic_tensor scattered[] = {distinct({4, 2}, 4), init};
  check_derivatives("select_and_scatter", [&](const dynamic_tensor& s, const dynamic_tensor& i) {
    return square(xla::select_and_scatter(x[0], ops::first_smallest{}, {.window_dimensions = {1, 3}, .window_strides = {1, 2}}, s, i, ops::sum{}));
  }, scattered);
  dynamic_tensor zeros = distinct({4, 5}, 7);
  for (const int k : {2, 3, 11, 12, 17}) static_cast<double*>(zeros.mutable_data())[k] = 0;
  for (const dynamic_tensor& at : {x[0], zeros}) {
    check_derivatives("prod", [&](const dynamic_tensor& a, const dynamic_tensor& i) { return square(xla::reduce_window(a, i, ops::prod{}, o)); }, {at, init});
    check_derivatives("prod with holes", [&](const dynamic_tensor& a) { return xla::reduce_window(a, ops::prod{}, holes); }, {at});
  }
  eager::gradient_tape tape;
  tape.watch(x[0]);
  const dynamic_tensor p = xla::reduce_window(x[0], init, [](auto a, auto b) { return a + b; }, o);
  CHECK_THROWS_WITH_AS(tape.gradient(p, x[0]), doctest::Contains("ReduceWindow has no gradient"), unimplemented);
}

TEST_CASE("morphology and patches") {
  const dynamic_tensor x[] = {distinct({1, 4, 4, 2}, 5)}, both[] = {x[0], distinct({2, 3, 2}, 6) * 0.77};
  check_derivatives("dilation2d", [](const dynamic_tensor& a, const dynamic_tensor& w) { return square(dilation2d(a, w, {.strides = {1, 2}, .rates = {2, 1}, .padding = same})); }, both);
  check_derivatives("erosion2d", [](const dynamic_tensor& a, const dynamic_tensor& w) { return square(erosion2d(a, w)); }, both);
  check_derivatives("patches", [](const dynamic_tensor& a) { return square(extract_image_patches(a, {.ksizes = {2, 3}, .strides = {2, 1}, .padding = same})); }, x);
}

// SPDX-License-Identifier: Apache-2.0
// Gradients of the ops that move elements, of first and second order, against differences.

#include "derivatives.hpp"
#include "tensors.hpp"

#include <rill/eager/movement.hpp>

using namespace rill;
using test::check_derivatives;
using test::noise;

TEST_CASE("movement: gradients of first and second order") {
  const dynamic_tensor x = noise({3, 4}), y = noise({2, 4}, 2), z = noise({2, 3, 2}, 3);
  using V = const dynamic_tensor&;
  check_derivatives("concat", [](V a, V b) { return square(concat({a, b, a, b, a})); }, {x, y});
  check_derivatives("stack", [](V a) { return square(stack({a, a * a}, {.axis = 1})); }, {y});
  check_derivatives("split", [](V a) { const auto p = split<2>(a, {.axis = 1}); return p[0] * p[1]; }, {x});
  check_derivatives("strided_slice", [](V a) { return square(strided_slice(a, {2, 3}, {-4, 0}, {-2, -1})); }, {x});
  check_derivatives("index", [](V a) { return square(index(a, 1, slice{.step = 2})) * index(a, 2, slice{.step = 2}); }, {x});
  check_derivatives("pad", [](V a) { return square(pad(a, {{-1, 2}, {1, -1, 2}}, {.constant_values = 3})); }, {x});
  check_derivatives("xla::pad", [](V a, V b) { return square(xla::pad(a, index(b, 0, 0), {{1, 0, 1}, {-1, 2, 0}})); }, {x, y});
  check_derivatives("xla::pad that removes all", [](V a) { return square(pad(a, {{-4, 2}, {0, 0}})) + index(a, 0); }, {x});
  check_derivatives("reflect", [](V a) { return square(pad(a, {{2, 1}, {1, 3}}, {.mode = pad_mode::reflect})); }, {x});
  check_derivatives("symmetric", [](V a) { return square(pad(a, {{2, 3}, {1, 0}}, {.mode = pad_mode::symmetric})); }, {x});
  check_derivatives("reverse", [](V a) { return a * reverse(a, {0}); }, {x});
  check_derivatives("reverse_sequence", [](V a) { return a * reverse_sequence(a, dynamic_tensor(tensor<int, 3>{0, 3, 4}), {.seq_axis = 1, .batch_axis = 0}); }, {x});
  check_derivatives("tile", [](V a) { return square(tile(a, {2, 1, 3})) * noise({4, 3, 6}); }, {z});
  check_derivatives("roll", [](V a) { return a * roll(a, {.shift = {1, 3}, .axis = {0, 1}}); }, {x});
  const dynamic_tensor start = tensor<int, 2>{1, 9};
  check_derivatives("dynamic_slice", [&](V a) { return square(dynamic_slice(a, start, {2, 2})); }, {x});
  check_derivatives("dynamic_update_slice", [&](V a, V b) { return square(dynamic_update_slice(a, index(b, all, slice{1, 3}), start)); }, {x, y});
  check_derivatives("xla::select", [](V a, V b) { return xla::select(greater(a, b), a * b, a); }, {x, noise({3, 4}, 7)});
  check_derivatives("xla::reshape", [](V a) { return square(xla::reshape(a, {1, 0}, {6, 2})) * noise({6, 2}); }, {x});
  check_derivatives("xla::broadcast", [](V a) { return square(xla::broadcast(a, {2})) * noise({2, 3, 4}); }, {x});
  check_derivatives("space_to_batch", [](V a) { return square(space_to_batch_nd(a, {2}, {{1, 0}})) * noise({4, 2, 2}); }, {z});
  check_derivatives("batch_to_space", [](V a) { return square(batch_to_space_nd(a, {2}, {{1, 2}})); }, {z});
  check_derivatives("matrix_diag", [](V a) { return matmul(matrix_diag(index(a, 0)), matrix_diag(index(a, 1))); }, {x});
  check_derivatives("matrix_diag_part", [](V a) { return square(matrix_diag_part(a)); }, {z});
  check_derivatives("matrix_set_diag", [](V a, V b) { return square(matrix_set_diag(a, index(b, 0, slice{0, 3}))); }, {x, y});
  check_derivatives("matrix_band_part", [](V a) { return square(matrix_band_part(a, 0, 1)); }, {z});
  check_derivatives("diag", [](V a) { return square(diag(a)) + diag_part(diag(a * a)).shape().rank(); }, {y});
  check_derivatives("meshgrid", [](V a, V b) { const auto g = meshgrid(std::array<dynamic_tensor, 2>{index(a, 0), index(b, 1)}); return g[0] * g[1]; }, {x, y});
}

// SPDX-License-Identifier: Apache-2.0
// Gradients of gathers and scatters, of first and second order, against differences.

#include "derivatives.hpp"
#include "tensors.hpp"

#include <rill/eager/indexing.hpp>

using namespace rill;
using test::check_derivatives;
using test::noise;

TEST_CASE("indexing: gradients of first and second order") {
  using V = const dynamic_tensor&;
  const dynamic_tensor x = noise({4, 3}), u = noise({3, 3}, 2), cube = noise({2, 3, 2}, 3);
  const dynamic_tensor i = tensor<int, 3>{2, 0, 2}, v = tensor<std::int64_t, 3, 1>{{2}, {0}, {2}}, pairs = tensor<int, 2, 2>{{3, 1}, {0, 2}};
  check_derivatives("gather", [&](V a) { return square(gather(a, i)); }, {x});
  check_derivatives("gather along an axis", [&](V a) { return square(gather(a, i, {.axis = 1})); }, {x});
  check_derivatives("batch_gather", [](V a) { return square(batch_gather(a, dynamic_tensor(tensor<int, 2, 4>{{2, 0, 2, 1}, {1, 1, 1, 1}}))); }, {cube});
  check_derivatives("gather_nd", [&](V a) { return square(gather_nd(a, pairs)) * gather_nd(a, pairs); }, {x});
  check_derivatives("take_along_axis", [](V a) { return square(take_along_axis(a, dynamic_tensor(tensor<int, 2, 3>{{0, 3, 3}, {1, 3, 0}}), 0)); }, {x});
  check_derivatives("scatter_nd", [&](V a) { return square(scatter_nd(v, a, {4, 3})); }, {u});
  check_derivatives("boolean_mask", [](V a) { return square(boolean_mask(a, greater(a, 0))); }, {x});
  check_derivatives("tensor_scatter_update", [&](V a, V b) { return square(tensor_scatter_update(a, v, b)) + 0 * reduce_sum(b * b); }, {x, gather(u, dynamic_tensor(tensor<int, 3>{2, 0, 2}))});
  check_derivatives("tensor_scatter_add", [&](V a, V b) { return square(tensor_scatter_add(a, v, b)); }, {x, u});
  check_derivatives("tensor_scatter_sub", [&](V a, V b) { return square(tensor_scatter_sub(a, v, b)); }, {x, u});
  check_derivatives("tensor_scatter_min", [&](V a, V b) { return square(tensor_scatter_min(a, v, b)); }, {x, u});
  check_derivatives("tensor_scatter_max", [&](V a, V b) { return square(tensor_scatter_max(a, v, b)); }, {x, u});
  check_derivatives("scatter_mul", [&](V a, V b) { return square(scatter_mul(a, i, b)); }, {x + 3, u + 2});
  check_derivatives("scatter_mul by zeros", [&](V a, V b) { return square(scatter_mul(a, i, b * dynamic_tensor(tensor<double, 3, 1>{{1}, {0}, {2}}))); }, {x + 3, u + 2});
  check_derivatives("scatter_mul by a zero", [&](V a, V b) { return scatter_mul(a, i, b) * a; }, {x + 3, dynamic_tensor(tensor<double, 3, 3>{{0, 1, 2}, {0, 1, 0}, {3, 0, 2}})});
  check_derivatives("index with a tensor", [&](V a) { return square(index(a, all, dynamic_tensor(-2))) * index(a, slice{.step = -1}, dynamic_tensor(0)); }, {x});
  check_derivatives("scatter_div", [&](V a, V b) { return square(scatter_div(a, i, b)); }, {x, u + 3});
  const dynamic_tensor starts = tensor<int, 3, 2>{{0, 1}, {3, 2}, {1, -1}};
  check_derivatives("xla::gather", [&](V a) {
    return square(xla::gather(a, starts, {.output_window_dims = {0, 2}, .window_bounds = {2, 2}, .gather_dims_to_operand_dims = {0, 1}, .index_vector_dim = 1}));
  }, {x});
  for (const auto kind : {scatter_kind::add, scatter_kind::sub, scatter_kind::mul, scatter_kind::max})
    check_derivatives("xla::scatter", [&](V a, V b) {
      return square(xla::scatter(a, starts, reshape(b, {3, 1, 3}) * 1.5, {.update_window_dims = {1, 2}, .scatter_dims_to_operand_dims = {0, 1}, .index_vector_dim = 1}, kind));
    }, {x + 2, u + 2});
  check_derivatives("dynamic_partition and dynamic_stitch", [](V a) {
    const dynamic_tensor where_to = tensor<int, 4>{1, 0, 1, 1};
    const auto p = dynamic_partition(a, where_to, 2);
    return dynamic_stitch({dynamic_tensor(tensor<int, 1>{2}), dynamic_tensor(tensor<int, 3>{3, 1, 0})}, {square(p[0]), p[1] * square(p[1])});
  }, {x});
  check_derivatives("embedding_lookup", [&](V a, V b) { return square(embedding_lookup(std::vector<dynamic_tensor>{a, index(b, all)}, dynamic_tensor(tensor<int, 3>{6, 3, 6}), {.max_norm = 0.5})); }, {x, u});
}

// SPDX-License-Identifier: Apache-2.0
// Gradients of segments and sorts, of first and second order, against differences; products with zeros.

#include "derivatives.hpp"
#include "tensors.hpp"

#include <rill/eager/sort.hpp>

using namespace rill;
using test::check_derivatives;
using test::noise;
using V = const dynamic_tensor&;

TEST_CASE("gradients of segments") {
  const dynamic_tensor x = noise({5, 2}), zeros = tensor<double, 5, 2>{{0, 1}, {2, 0}, {0, 3}, {1.5, 2}, {1, 0}};
  const dynamic_tensor up = tensor<int, 5>{0, 0, 2, 2, 2}, mixed = tensor<int, 5>{2, 0, 2, -1, 2}, rows = tensor<int, 5>{4, 0, 4, 1, 2};
  check_derivatives("segment_sum", [&](V a) { return square(segment_sum(a, up)); }, {x});
  check_derivatives("segment_mean", [&](V a) { return square(segment_mean(a, up)); }, {x});
  check_derivatives("segment_prod", [&](V a) { return square(segment_prod(a, up)); }, {x});
  check_derivatives("segment_prod with zeros", [&](V a) { return segment_prod(a, up) * reduce_sum(a); }, {zeros});
  check_derivatives("segment_max", [&](V a) { return square(segment_max(a, up)); }, {x});
  check_derivatives("segment_min", [&](V a) { return square(segment_min(a, up)); }, {x});
  check_derivatives("unsorted_segment_sum", [&](V a) { return square(unsorted_segment_sum(a, mixed, 3)); }, {x});
  check_derivatives("unsorted_segment_mean", [&](V a) { return square(unsorted_segment_mean(a, mixed, 4)); }, {x});
  check_derivatives("unsorted_segment_sqrt_n", [&](V a) { return square(unsorted_segment_sqrt_n(a, mixed, 3)); }, {x});
  check_derivatives("unsorted_segment_prod with zeros", [&](V a) { return unsorted_segment_prod(a, mixed, 3) * reduce_sum(a); }, {zeros});
  check_derivatives("unsorted_segment_max", [&](V a) { return sin(unsorted_segment_max(a, mixed, 3)) * reduce_sum(a); }, {x});
  check_derivatives("sparse_segment_sum", [&](V a) { return square(sparse_segment_sum(a, rows, up)); }, {x});
  check_derivatives("sparse_segment_mean", [&](V a) { return square(sparse_segment_mean(a, rows, up)); }, {x});
  check_derivatives("sparse_segment_sqrt_n", [&](V a) { return square(sparse_segment_sqrt_n(a, rows, up)); }, {x});
  // equal extremes share
  eager::gradient_tape tape;
  const dynamic_tensor ties = tensor<float, 4>{1, 3, 3, 2};
  tape.watch(ties);
  const auto [g] = tape.gradient(segment_max(ties, dynamic_tensor(tensor<int, 4>{0, 0, 0, 1})), ties);
  CHECK(g.to<float, 4>() == tensor<float, 4>{0, 0.5F, 0.5F, 1});
}

TEST_CASE("gradients of sorts") {
  const dynamic_tensor x = noise({3, 4});
  const dynamic_tensor weight = noise({3, 4}, 8);
  check_derivatives("sort", [&](V a) { return square(sort(a)) * weight; }, {x});
  check_derivatives("sort along an axis, descending", [&](V a) { return square(sort(a, {.axis = 0, .direction = sort_direction::descending})) * weight; }, {x});
  check_derivatives("top_k", [](V a) { return square(top_k(a, 2).values); }, {x});
  check_derivatives("nth_element", [](V a) { return square(nth_element(a, 1)); }, {x});
  check_derivatives("unique", [](V a) { return square(unique(reshape(a, {-1})).y); }, {x});
  check_derivatives("setdiff1d", [](V a) { return square(setdiff1d(reshape(a, {-1}), dynamic_tensor(tensor<double, 1>{7})).out); }, {x});
  check_derivatives("bincount", [](V w) { return square(bincount(dynamic_tensor(tensor<int, 3, 4>{{0, 1, 2, 0}, {5, 5, 1, 0}, {9, 1, 1, 2}}), w, {.maxlength = 6})); }, {x});
  check_derivatives("xla::sort", [](V a) { return square(xla::sort<double>([](double p, double q) { return p > q; }, 0, a)[0]); }, {x});
}

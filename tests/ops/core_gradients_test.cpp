// SPDX-License-Identifier: Apache-2.0
// Gradients, of first and second order, of the ops that every program has: reductions, products, choices,
// shapes.

#include <rill/eager/numeric_gradient.hpp>

#include "derivatives.hpp"

using namespace rill;
using test::check_derivatives;

namespace {

using V = const dynamic_tensor&;

}  // namespace

TEST_CASE("derivatives: reductions") {
  const dynamic_tensor x = test::spread({3, 2, 4}, 3);
  for (const axis_list& axes : {axis_list{}, axis_list{0}, axis_list{-1}, axis_list{0, 2}}) {
    check_derivatives("reduce_sum", [&](V a) { return square(reduce_sum(a, {axes})); }, {x});
    check_derivatives("reduce_mean", [&](V a) { return square(reduce_mean(a, {axes, true})); }, {x});
    check_derivatives("reduce_max", [&](V a) { return square(reduce_max(a, {axes})); }, {x});
    check_derivatives("reduce_min", [&](V a) { return square(reduce_min(a, {axes, true})); }, {x});
    check_derivatives("reduce_prod", [&](V a) { return square(reduce_prod(a, {axes})); }, {x});
  }
  // an extremum that several elements attain shares its gradient evenly
  const dynamic_tensor tie = tensor<double, 4>{1, 3, 3, 2};
  const auto [g] = gradients_function([](V a) { return reduce_max(a); })(tie);
  CHECK((g.to<double, 4>() == tensor<double, 4>{0, 0.5, 0.5, 0}));
}

TEST_CASE("derivatives: products, choices, shapes") {
  const dynamic_tensor a = test::spread({3, 4}, 4), b = test::spread({4, 2}, 5), batch = test::spread({2, 3, 4}, 6);
  check_derivatives("matmul", [](V x, V y) { return square(matmul(x, y)); }, {a, b});
  check_derivatives("select", [](V x, V y) { return square(select(less(x, 0.1), x * y, y)); }, {a, test::spread({3, 4}, 10)});
  check_derivatives("maximum, minimum", [](V x, V y) { return square(maximum(x, y)) * minimum(x, y); }, {a, test::spread({1, 4}, 12)});
  check_derivatives("transpose", [](V x) { return square(transpose(x, {2, 0, 1})); }, {batch});
  check_derivatives("broadcast", [](V x) { return square(broadcast_to(reshape(x, {3, 1, 4}), {3, 2, 4})); }, {a});
}

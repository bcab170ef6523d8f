// SPDX-License-Identifier: Apache-2.0
// Gradients of scans and of the reductions made of them, of first and second order, against differences; products with zeros.

#include "derivatives.hpp"
#include "tensors.hpp"

#include <rill/eager/scan.hpp>

using namespace rill;
using test::check_derivatives;
using test::noise;
using V = const dynamic_tensor&;

TEST_CASE("gradients of scans") {
  const dynamic_tensor x = noise({2, 4}), zeros = tensor<double, 2, 4>{{0.5, 0, 2, -1}, {0, 1.5, 0, 3}};
  for (int k = 0; k < 8; ++k) {
    const scan_options o{k & 1, (k & 2) != 0, (k & 4) != 0};
    check_derivatives("cumsum", [&](V a) { return square(cumsum(a, o)); }, {x});
    check_derivatives("cumprod", [&](V a) { return square(cumprod(a, o)); }, {x});
    check_derivatives("cumprod with zeros", [&](V a) { return cumprod(a, o) * a; }, {zeros});
    // -inf of an exclusive scan would only be multiplied by nothing
    check_derivatives("cumulative_logsumexp", [&](V a) { return exp(cumulative_logsumexp(a, o)) * a; }, {o.exclusive ? x : zeros});
    if (!o.exclusive) {
      check_derivatives("cummax", [&](V a) { return square(cummax(a, o)); }, {x});
      check_derivatives("cummin", [&](V a) { return square(cummin(a, o)) * a; }, {x});
    }
  }
  check_derivatives("linear_recurrence", [](V a, V b) { return square(linear_recurrence(a, b, 1)); }, {zeros, x});
  check_derivatives("linear_recurrence, reverse", [](V a, V b) { return square(linear_recurrence(a, b, 0, true)); }, {zeros, x});
}

TEST_CASE("gradients of reductions") {
  const dynamic_tensor x = noise({2, 3, 2});
  check_derivatives("reduce_logsumexp", [](V a) { return square(reduce_logsumexp(a, {.axis = {0, 2}})); }, {x});
  check_derivatives("reduce_variance", [](V a) { return square(reduce_variance(a, {.axis = {1}})); }, {x});
  check_derivatives("reduce_std", [](V a) { return square(reduce_std(a)) * reduce_std(a); }, {x});
  check_derivatives("reduce_euclidean_norm", [](V a) { return reduce_euclidean_norm(a, {.axis = {0}}); }, {x});
  check_derivatives("moments", [](V a) {
    const auto m = moments(a, {0, 1});
    return m.mean * m.variance;
  }, {x});
  check_derivatives("weighted_moments", [](V a, V w) {
    const auto m = weighted_moments(a, {0, 1}, w);
    return m.mean * m.variance;
  }, {x, noise({2, 1, 1}, 4) + 2});
  check_derivatives("xla::reduce", [](V a) {
    return xla::reduce(a, dynamic_tensor(tensor<double>(1.0)), [](V p, V q) { return p * q; }, {0, 2});
  }, {x});
  check_derivatives("reduce_prod", [](V a) { return square(reduce_prod(a, {.axis = {0, 2}})); }, {x});
  // the gradient of a product, to be differentiated itself
  const dynamic_tensor zeros = tensor<double, 2, 3>{{2, 0, 3}, {0, 0, 1.5}}, dy = noise({2});
  for (const std::int64_t mask : {1, 2, 3}) {
    const tensor_shape kept = mask == 1 ? tensor_shape{3} : mask == 2 ? tensor_shape{2} : tensor_shape{};
    const dynamic_tensor weight = noise(kept, 6);
    const auto product = [&](V a) { return prod_gradient(weight, a, mask); };
    for (const dynamic_tensor& at : {zeros, noise({2, 3})}) {
      const dynamic_tensor g = product(at);
      for (std::size_t k = 0; k < 6; ++k) {
        double others = weight.span<double>()[mask == 1 ? k % 3 : mask == 2 ? k / 3 : 0];
        for (std::size_t j = 0; j < 6; ++j)
          if (j != k && (mask == 3 || (mask == 1 ? j % 3 == k % 3 : j / 3 == k / 3))) others *= at.span<double>()[j];
        CHECK(g.span<double>()[k] == doctest::Approx(others));
      }
      check_derivatives("prod_gradient", [&](V a) { return product(a) * a; }, {at});
    }
  }
}

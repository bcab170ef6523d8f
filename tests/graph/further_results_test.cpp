// SPDX-License-Identifier: Apache-2.0
// Kernels with several results inside a loop: their gradients, of which the loop back computes some again, against differences.

#include <doctest/doctest.h>

#include <cmath>
#include <rill/graph/control_flow.hpp>
#include <rill/graph/session.hpp>
#include <rill/kernel/normalization.hpp>
#include <rill/ops/batch_norm.hpp>

using namespace rill;

namespace {

/// A state that is normalized by its own moments, and a loss whose gradient its kernel gives.
struct normalized_loop {
  constexpr auto operator()(symbol x, symbol scale, symbol labels) const {
    const auto [last, losses] = loop_over([&](const symbol& state, const symbol& row) {
      const symbol y = xla::batch_norm_training(state + row, scale, scale * 0.5, 0.1, 1).output;
      return std::pair{tanh(y * 2), reduce_sum(sparse_softmax_cross_entropy_with_logits(labels, y))};
    }, zeros_like(index(x, 0)), x, loop_options{});
    const symbol total = reduce_sum(losses) + reduce_sum(square(last));
    const auto [dx, ds] = gradients(total, x, scale);
    return outputs(fetch("total", total), fetch("dx", dx), fetch("ds", ds));
  }
};

}  // namespace

TEST_CASE("batch normalization and sparse cross-entropy in a loop") {
  graph::session<normalized_loop, tensor<double, 3, 4, 5>, tensor<double, 5>, tensor<int, 4>> s;
  tensor<double, 3, 4, 5> x;
  tensor<double, 5> scale;
  const tensor<int, 4> labels{1, 3, 0, 4};
  for (int k = 0; k < 60; ++k) x.data()[k] = std::sin(k * 1.7);
  for (int k = 0; k < 5; ++k) scale.data()[k] = 1 + 0.2 * k;
  const auto [total, dx, ds] = s.run(x, scale, labels);
  for (int k = 0; k < 65; ++k) {
    double& v = k < 60 ? x.data()[k] : scale.data()[k - 60];
    const double was = v, got = k < 60 ? dx.data()[k] : ds.data()[k - 60];
    const auto at = [&](double there) {
      v = there;
      return std::get<0>(s.run(x, scale, labels))();
    };
    const double slope = (at(was + 1e-6) - at(was - 1e-6)) / 2e-6;
    v = was;
    CHECK(got == doctest::Approx(slope).epsilon(1e-6).scale(1));
  }
}

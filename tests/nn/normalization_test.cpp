// SPDX-License-Identifier: Apache-2.0
// Normalization layers against plain loops in double: names, values, moving averages, gradients through a training step, the
// same layers inside an eager module.

#include <doctest/doctest.h>

#include <cmath>
#include <rill/core/philox.hpp>
#include <rill/eager/module.hpp>
#include <rill/graph/session.hpp>
#include <rill/nn/batch_normalization.hpp>
#include <rill/nn/layer_norm.hpp>
#include <vector>

using namespace rill;

namespace {

struct network {
  constexpr auto operator()(auto x) const { return nn::layer_norm{.begin_norm_axis = 2}(nn::batch_normalization{.momentum = 0.9}(x)); }
};
struct train_step {
  static constexpr bool training = true;
  constexpr auto operator()(symbol x) const {
    const symbol y = network{}(x);
    return outputs(fetch("y", y), fetch("dx", gradients(reduce_sum(y * y * y), x)[0]));
  }
};
constexpr std::int64_t n = 3, h = 2, w = 5, c = 7;
using images = tensor<double, dyn, h, w, c>;

images input(std::uint64_t seed) {
  images x({n, h, w, c});
  for (std::int64_t i = 0; i < x.size(); ++i)
    x.data()[i] = 4.0 * static_cast<double>(philox_uniform(static_cast<std::uint64_t>(i), 0, seed)) + static_cast<double>(i % c);
  return x;
}
/// (v - mean) / sqrt(variance + epsilon) of the elements k of x with (k / inner) % count == each; gives mean and variance.
template <class F>
std::pair<double, double> normalize(std::vector<double>& x, double epsilon, const F& among) {
  double mean = 0, variance = 0, count = 0;
  for (std::size_t k = 0; k < x.size(); ++k)
    if (among(k)) mean += x[k], count += 1;
  mean /= count;
  for (std::size_t k = 0; k < x.size(); ++k)
    if (among(k)) variance += (x[k] - mean) * (x[k] - mean) / count;
  for (std::size_t k = 0; k < x.size(); ++k)
    if (among(k)) x[k] = (x[k] - mean) / std::sqrt(variance + epsilon);
  return {mean, variance};
}
void normalize_rows(std::vector<double>& x) {
  constexpr std::size_t row = w * c;
  for (std::size_t r = 0; r < x.size() / row; ++r) normalize(x, 1e-12, [&](std::size_t k) { return k / row == r; });
}
double number(const graph::variable_store& s, std::string_view name, std::size_t k) {
  const auto* v = s.find(name);
  REQUIRE(v != nullptr);
  return static_cast<const double*>(v->data)[k];
}

}  // namespace

TEST_CASE("batch_normalization and layer_norm train by batches, then run by moving averages") {
  graph::variable_store store;
  graph::session<train_step, images> train(store);
  graph::session<network, images> infer(store);
  eager::module<network> module;
  REQUIRE(store.variables().size() == 6);
  for (const char* name : {"batch_normalization/gamma", "batch_normalization/beta"}) CHECK(store.find(name)->trainable);
  for (const char* name : {"batch_normalization/moving_mean", "batch_normalization/moving_variance"}) CHECK(!store.find(name)->trainable);
  CHECK(store.find("LayerNorm/gamma")->shape == tensor_shape{c});
  CHECK(store.find("LayerNorm/beta") != nullptr);
  std::vector<double> moving_mean(c, 0), moving_variance(c, 1);
  module.set_training(true);
  for (const std::uint64_t seed : {1U, 2U}) {
    const images x = input(seed);
    std::vector<double> want(x.data(), x.data() + x.size());
    for (std::size_t f = 0; f < c; ++f) {
      const auto [mean, variance] = normalize(want, 1e-3, [&](std::size_t k) { return k % c == f; });
      constexpr double count = n * h * w;
      moving_mean[f] = 0.9 * moving_mean[f] + 0.1 * mean;
      moving_variance[f] = 0.9 * moving_variance[f] + 0.1 * variance * count / (count - 1);
    }
    normalize_rows(want);
    const auto [y, dx] = train.run(x);
    const dynamic_tensor eager = module(x);
    double slope = 0, largest = 0;
    for (std::int64_t k = 0; k < x.size(); ++k) {
      const auto i = static_cast<std::size_t>(k);
      CHECK(y.data()[k] == doctest::Approx(want[i]).epsilon(1e-9).scale(1));
      CHECK(eager.span<double>()[i] == doctest::Approx(want[i]).epsilon(1e-9).scale(1));
      slope += dx.data()[k], largest = std::max(largest, std::fabs(dx.data()[k]));
    }
    CHECK(largest > 0.01);
    CHECK(std::fabs(slope) < 1e-9);  // a shift of all changes nothing
  }
  for (std::size_t f = 0; f < c; ++f) {
    CHECK(number(store, "batch_normalization/moving_mean", f) == doctest::Approx(moving_mean[f]).epsilon(1e-12));
    CHECK(number(store, "batch_normalization/moving_variance", f) == doctest::Approx(moving_variance[f]).epsilon(1e-12));
    CHECK(module.find("batch_normalization/moving_mean").value().span<double>()[f] == doctest::Approx(moving_mean[f]).epsilon(1e-12));
  }
  module.set_training(false);
  const images x = input(3);
  std::vector<double> want(x.data(), x.data() + x.size());
  for (std::size_t k = 0; k < want.size(); ++k) want[k] = (want[k] - moving_mean[k % c]) / std::sqrt(moving_variance[k % c] + 1e-3);
  normalize_rows(want);
  const images y = infer.run(x);
  const dynamic_tensor eager = module(x);
  for (std::int64_t k = 0; k < x.size(); ++k) {
    CHECK(y.data()[k] == doctest::Approx(want[static_cast<std::size_t>(k)]).epsilon(1e-9).scale(1));
    CHECK(eager.span<double>()[static_cast<std::size_t>(k)] == doctest::Approx(want[static_cast<std::size_t>(k)]).epsilon(1e-9).scale(1));
  }
}

TEST_CASE("what normalization layers refuse") {
  struct wrong_axis {
    auto operator()(const dynamic_tensor& x) const { return nn::batch_normalization{.axis = 2}(x); }
  };
  struct wrong_type {
    auto operator()(const dynamic_tensor& x) const { return nn::layer_norm{}(cast_to(x, dtype::int32)); }
  };
  struct wrong_parameters {
    auto operator()(const dynamic_tensor& x) const { return nn::layer_norm{.begin_norm_axis = 1, .begin_params_axis = 0}(x); }
  };
  const dynamic_tensor x = tensor<float, 2, 3>{{1, 2, 3}, {4, 5, 6}};
  eager::module<wrong_axis> a;
  eager::module<wrong_type> b;
  eager::module<wrong_parameters> d;
  CHECK_THROWS_WITH_AS(a(x), doctest::Contains("FusedBatchNorm: axis out of range: got float32[2, 3]"), invalid_argument);
  CHECK_THROWS_WITH_AS(b(x), doctest::Contains("LayerNorm: needs an operand of a floating dtype"), invalid_argument);
  CHECK_THROWS_WITH_AS(d(x), doctest::Contains("begin_params_axis out of range"), invalid_argument);
}

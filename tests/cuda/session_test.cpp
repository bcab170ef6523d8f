// SPDX-License-Identifier: Apache-2.0
// Whole models: what a session computes with the device's kernels, here on the host, is what a session on the CPU does.
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <string>

#include <rill/cuda/session.cuh>
#include <rill/losses/losses.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/momentum.hpp>

#include "device.hpp"

namespace {

using namespace rill;
using target = cuda::basic_target<test::device>;
template <class Model, class... Inputs>
using device_session = graph::basic_session<target, Model, Inputs...>;

struct network {
  constexpr auto operator()(auto images) const {
    return nn::sequential(nn::reshape{{8, 8, 1}}, nn::conv2d{.filters = 4, .kernel_size = {3, 3}, .padding = same, .activation = relu},
                          nn::max_pooling2d{.pool_size = {2, 2}, .strides = {2, 2}}, nn::conv2d{.filters = 6, .kernel_size = {3, 3}, .padding = same, .activation = relu},
                          nn::flatten{}, nn::dense{.units = 16, .activation = relu}, nn::dropout{.rate = 0.4f}, nn::dense{.units = 5})(images);
  }
};
template <class Optimizer>
struct train {
  static constexpr bool training = true;
  static constexpr bool tunable = true;
  Optimizer optimizer = {};
  constexpr auto operator()(auto images, auto labels) const {
    const auto logits = network{}(images);
    const auto loss = losses::sparse_softmax_cross_entropy(labels, logits);
    return outputs(fetch("loss", loss), fetch("classes", argmax(logits, {.axis = 1})), fetch("train", optimizer.minimize(loss)));
  }
};

using images = tensor<float, dyn, 64>;
using labels = tensor<std::int32_t, dyn>;

TEST_CASE("a convolutional network trains on a device as on the CPU") {
  using Optimizer = optimizers::momentum;
  const Optimizer optimizer{.learning_rate = 0.05f};
  const double tolerance = 2e-5;
  test::device device;
  graph::variable_store mine, theirs;
  {
    const train<Optimizer> model{optimizer};
    graph::session<train<Optimizer>, images, labels> host(mine, model, {.seed = 3});
    device_session<train<Optimizer>, images, labels> s(theirs, model, {.seed = 3}, target(device));
    std::mt19937 random(1);
    std::uniform_real_distribution<float> d(0, 1);
    for (const std::int64_t rows : {7, 7, 7, 3, 7, 8}) {
      images x({rows, 64});
      labels y({rows});
      for (float& v : x) v = d(random);
      for (std::int32_t& v : y) v = static_cast<std::int32_t>(random() % 5);
      const auto [a, classes, done] = host.run(x, y);
      const auto [b, theirs_classes, theirs_done] = s.run(x, y);
      CAPTURE(rows);
      CHECK(std::abs(static_cast<float>(a) - static_cast<float>(b)) < tolerance);
      CHECK(classes == theirs_classes);
    }
    CHECK(device.records() == 1);  // of the batch of 7, before the batch of 8 made room
    theirs.to_host();
    REQUIRE(mine.variables().size() == theirs.variables().size());
    for (const auto& v : mine.variables()) {
      CAPTURE(v->name);
      const graph::stored_variable* w = theirs.find(v->name);
      REQUIRE(w != nullptr);
      if (v->type != dtype::float32) {
        CHECK(std::memcmp(v->data, w->data, v->bytes) == 0);
        continue;
      }
      const auto* p = static_cast<const float*>(v->data);
      const auto* q = static_cast<const float*>(w->data);
      double most = 0;
      for (std::size_t i = 0; i < v->bytes / 4; ++i) most = std::max(most, std::abs(static_cast<double>(p[i]) - static_cast<double>(q[i])));
      CHECK(most < tolerance);
    }
    // A changed variable is seen after from_host.
    for (const auto& v : theirs.variables())
      if (v->type == dtype::float32) std::memset(v->data, 0, v->bytes);
    theirs.from_host();
    images x({2, 64});
    labels y({2});
    CHECK(static_cast<float>(std::get<0>(s.run(x, y))) == doctest::Approx(std::log(5.0)));
  }
}


}  // namespace

// SPDX-License-Identifier: Apache-2.0
// Mixed precision: networks that compute in half and bfloat16 learn what one of floats does, with variables of float.

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <rill/graph/session.hpp>
#include <rill/losses/losses.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/loss_scale.hpp>
#include <rill/optimizers/momentum.hpp>

using namespace rill;

namespace {

template <class T>
struct network {
  constexpr symbol operator()(symbol x) const {
    const auto layers = [](const auto&... all) {
      if constexpr (std::is_same_v<T, float>) return nn::sequential(all...);
      else return nn::compute_in<T>(all...);
    };
    return layers(nn::reshape{{6, 6, 1}}, nn::conv2d{.filters = 4, .kernel_size = {3, 3}, .padding = same, .activation = relu},
                  nn::max_pooling2d{.pool_size = {2, 2}, .strides = {2, 2}}, nn::flatten{}, nn::dense{.units = 3})(x);
  }
};
template <class T, class Optimizer>
struct train {
  static constexpr bool training = true;
  static constexpr bool tunable = true;
  Optimizer optimizer = {};
  constexpr auto operator()(auto images, auto labels) const {
    const auto logits = network<T>{}(images);
    const auto loss = losses::sparse_softmax_cross_entropy(labels, logits);
    return outputs(fetch("loss", loss), fetch("train", optimizer.minimize(loss)), fetch("logits", logits));
  }
};

struct losses_of {
  float first, last;
};
template <class T, class Optimizer>
losses_of learn(const Optimizer& optimizer) {
  graph::variable_store store;
  graph::session<train<T, Optimizer>, tensor<float, dyn, 36>, tensor<std::int32_t, dyn>> s(store, {optimizer}, {.seed = 3});
  std::mt19937 random(1);
  std::uniform_real_distribution<float> d(0, 1);
  tensor<float, dyn, 36> x({30, 36});
  tensor<std::int32_t, dyn> y({30});
  for (std::int64_t i = 0; i < 30; ++i) {
    y(i) = static_cast<std::int32_t>(i % 3);
    for (std::int64_t j = 0; j < 36; ++j) x(i, j) = d(random) * 0.6f + (j / 12 == y(i) ? 0.2f : 0.f);
  }
  losses_of r{};
  for (int k = 0; k < 50; ++k) {
    const auto [loss, done, logits] = s.run(x, y);
    (k == 0 ? r.first : r.last) = static_cast<float>(loss);
    bool rounded = true;  // what the layers give are numbers of T
    for (std::int64_t i = 0; i < logits.size(); ++i) rounded = rounded && static_cast<float>(static_cast<T>(logits.data()[i])) == logits.data()[i];
    CHECK(rounded);
  }
  for (const auto& v : store.variables())
    if (v->trainable) CHECK(v->type == dtype::float32);
  if (const auto* v = store.find("good_steps")) CHECK(*static_cast<const std::int32_t*>(v->data) == 50);
  return r;
}

}  // namespace

TEST_CASE("networks of half and bfloat16 with variables of float learn as one of floats") {
  const optimizers::momentum optimizer{.learning_rate = 0.1f};
  const losses_of whole = learn<float>(optimizer), brain = learn<bfloat16>(optimizer), ieee = learn<half>(optimizers::loss_scale{optimizer});
  CHECK(whole.last < 0.1f * whole.first);
  CHECK(brain.first == doctest::Approx(whole.first).epsilon(1e-2));
  CHECK(ieee.first == doctest::Approx(whole.first).epsilon(2e-3));
  CHECK(brain.last == doctest::Approx(whole.last).epsilon(0.05));
  CHECK(ieee.last == doctest::Approx(whole.last).epsilon(0.01));
  CHECK(brain.last != whole.last);
}

namespace {
struct running_sum {  // a layer that assigns a variable of its own
  constexpr symbol operator()(symbol x) const {
    symbol first = variable(x, {.name = "first", .shape = {}, .initializer = constant(1), .trainable = false, .type = x.type()});
    symbol second = variable(x, {.name = "second", .shape = {}, .initializer = constant(2), .trainable = false, .type = x.type()});
    assign_add(second, cast_to(reduce_sum(x), x.type()) + first);
    return x + read_value(second);
  }
};
struct summed {
  constexpr auto operator()(symbol x) const { return nn::compute_in<half>(running_sum{})(x); }
};
}  // namespace

TEST_CASE("layers in half assign their variables of float") {
  graph::variable_store store;
  graph::session<summed, tensor<float, 2>> s(store);
  for (int step = 1; step <= 3; ++step) {
    const auto y = s.run(tensor<float, 2>{0.25f, 0.5f});
    CHECK(y(0) == 0.25f + 2 + 1.75f * static_cast<float>(step));
    const auto* v = store.find("second");
    REQUIRE(v->type == dtype::float32);
    CHECK(*static_cast<const float*>(v->data) == 2 + 1.75f * static_cast<float>(step));
    CHECK(*static_cast<const float*>(store.find("first")->data) == 1);
  }
}

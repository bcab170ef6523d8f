// SPDX-License-Identifier: Apache-2.0
// Variables and slots, by TensorFlow's names, after steps of the optimizers: as TensorFlow has them.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include <rill/graph/session.hpp>
#include <rill/optimizers/optimizers.hpp>

#include "golden.hpp"

using namespace rill;

namespace {

template <class Optimizer>
struct linear {  // the gradient is x
  static constexpr bool tunable = true;
  Optimizer optimizer{};
  constexpr auto operator()(symbol x) const {
    symbol w = variable(x, {.name = "w", .shape = {golden::size}});
    return outputs(fetch("train", optimizer.minimize(reduce_sum(w * x))));
  }
};
struct linear_centered {
  constexpr auto operator()(symbol x) const {
    return linear<optimizers::rmsprop>{{.learning_rate = 0.1, .decay = 0.8, .momentum = 0.3, .epsilon = 1e-3, .centered = true}}(x);
  }
};

struct averaged_value {
  constexpr auto operator()(symbol x) const {
    symbol w = variable(x, {.name = "w", .shape = {golden::size}});
    optimizers::exponential_moving_average{.decay = 0.8, .zero_debias = true}.apply("w_g", w * x);
    return outputs(fetch("train", optimizers::gradient_descent{0.3}.minimize(reduce_sum(w * x))));
  }
};
struct averaged_by_hand {  // what optimizers::moving_average does
  constexpr auto operator()(symbol x) const {
    symbol w = variable(x, {.name = "w", .shape = {golden::size}, .initializer = initializers::zeros()});
    const operation train = optimizers::momentum{.learning_rate = 0.3, .decay = 0.8}.minimize(reduce_sum(w * x));
    const optimizers::exponential_moving_average ema{.decay = 0.3, .num_updates = read_value(optimizers::global_step(x))};
    return outputs(fetch("train", group(train, ema.apply(x))), fetch("average", ema.average(w)));
  }
};

struct schedules {
  constexpr auto operator()(symbol step) const {
    using namespace optimizers;
    return std::array{exponential_decay(0.1, step, 7, 0.9),
                      exponential_decay(0.1, step, 7, 0.9, {.staircase = true}),
                      natural_exp_decay(0.1, step, 7, 0.4, {.staircase = true}),
                      inverse_time_decay(0.1, step, 7, 0.5),
                      inverse_time_decay(0.1, step, 7, 0.5, {.staircase = true}),
                      piecewise_constant(step, std::array{7., 15.}, {0.3, 0.2, 0.1}),
                      polynomial_decay(0.1, step, 10),
                      polynomial_decay(0.1, step, 10, {.end_learning_rate = 0.01, .power = 0.5, .cycle = true}),
                      cosine_decay(0.1, step, 20, {.alpha = 0.1})};
  }
};
struct scheduled {
  constexpr auto operator()(symbol x) const {
    using namespace optimizers;
    symbol w = variable(x, {.name = "w", .shape = {}, .initializer = initializers::zeros()});
    auto rate = piecewise_constant(global_step(x), std::array{0.}, {0.5, 2.0});
    return outputs(fetch("train", gradient_descent{.learning_rate = rate}.minimize(w * x)));
  }
};

template <class Model>
void check(std::string_view optimizer, const Model& model) {
  graph::variable_store store;
  std::copy_n(golden::start, golden::size, static_cast<float*>(store.get("w", dtype::float32, {golden::size}, true).data));
  store.find("w")->initialized = true;
  graph::session<Model, tensor<float, golden::size>> s(store, model);
  for (const auto& gradient : golden::gradients) {
    tensor<float, golden::size> x;
    std::copy_n(gradient, golden::size, x.data());
    s.step(x);
  }
  int seen = 0;
  for (const golden::variable& v : golden::variables) {
    if (v.optimizer != optimizer) continue;
    CAPTURE(std::string(v.optimizer));
    CAPTURE(std::string(v.name));
    const auto* got = store.find(v.name);
    REQUIRE(got != nullptr);
    for (int i = 0; i < got->shape.num_elements(); ++i) CHECK(static_cast<const float*>(got->data)[i] == doctest::Approx(v.values[i]).epsilon(2e-5).scale(0.1));
    ++seen;
  }
  CHECK(seen + 1 == static_cast<int>(store.variables().size()));  // and global_step
}

}  // namespace

TEST_CASE("optimizers have the values, the slots and the names that TensorFlow's have") {
  using namespace optimizers;
  check("rmsprop", linear<rmsprop>{{.learning_rate = 0.1, .momentum = 0.3}});
  check("rmsprop_centered", linear_centered{});
  check("ftrl", linear<ftrl>{{.learning_rate = 0.2, .l1_regularization_strength = 0.05, .l2_regularization_strength = 0.01}});
  check("ftrl_shrinkage", linear<ftrl>{{.learning_rate = 0.2, .learning_rate_power = -0.7, .l2_shrinkage_regularization_strength = 0.1}});
  check("adadelta", linear<adadelta>{{.learning_rate = 0.7, .rho = 0.9, .epsilon = 1e-4}});
  check("proximal_gradient_descent", linear<proximal_gradient_descent>{{.learning_rate = 0.3, .l1_regularization_strength = 0.1, .l2_regularization_strength = 0.2}});
  check("proximal_adagrad", linear<proximal_adagrad>{{.learning_rate = 0.3, .l1_regularization_strength = 0.1, .l2_regularization_strength = 0.2}});
  check("adagrad_da", linear<adagrad_da>{{.learning_rate = 0.3, .l1_regularization_strength = 0.05, .l2_regularization_strength = 0.1}});
}

TEST_CASE("moving averages have the values and the names that TensorFlow's have") {
  using namespace optimizers;
  const moving_average each{gradient_descent{.learning_rate = 0.3}, 0.9};
  check("moving_average", linear<moving_average<gradient_descent>>{each});
  const moving_average soon{momentum{.learning_rate = 0.3, .decay = 0.8}, 0.3, 1};
  check("moving_average_updates", linear<moving_average<momentum>>{soon});
  check("moving_average_updates", averaged_by_hand{});
  check("debiased_average", averaged_value{});
}

TEST_CASE("an average begins with its variable's first value, and evaluation can take it") {
  graph::variable_store store;
  graph::session<linear<optimizers::moving_average<optimizers::gradient_descent>>, tensor<float, golden::size>> s(store, {{{.learning_rate = 1.}, 0.75}});
  const auto value = [](const graph::variable_store& of, const char* name) { return static_cast<const float*>(of.find(name)->data)[1]; };
  const float first = value(store, "w");
  CHECK(first != 0);
  CHECK(value(store, "w/ExponentialMovingAverage") == first);
  s.step(tensor<float, golden::size>{0.f, 4.f, 0.f, 0.f, 0.f});
  CHECK(value(store, "w") == first - 4);
  const graph::variable_store averages = optimizers::averaged(store);
  CHECK(value(averages, "w") == doctest::Approx(first - 1));
  CHECK(averages.find("global_step") != nullptr);
}

TEST_CASE("learning rates decay as TensorFlow's do, and train") {
  graph::session<schedules, tensor<std::int64_t>> s;
  for (int k = 0; k < golden::schedule_steps; ++k) {
    const auto rates = std::apply([](const auto&... r) { return std::array{r()...}; }, s.run(tensor<std::int64_t>(golden::schedule_at[k])));
    for (int f = 0; f < golden::schedule_count; ++f) {
      CAPTURE(f);
      CAPTURE(golden::schedule_at[k]);
      CHECK(rates[static_cast<std::size_t>(f)] == doctest::Approx(golden::schedules[f][k]).epsilon(1e-5));
    }
  }
  graph::variable_store store;
  graph::session<scheduled, tensor<float>> train(store);
  for (int k = 0; k < 3; ++k) train.step(tensor<float>(1.f));  // one step at a rate of 0.5, then two at 2
  CHECK(*static_cast<const float*>(store.find("w")->data) == -4.5f);
}

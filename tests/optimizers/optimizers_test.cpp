// SPDX-License-Identifier: Apache-2.0
// Every optimizer against its formula in double, over steps, with hyperparameters given and changed at run time.

#include <doctest/doctest.h>

#include <cmath>
#include <rill/graph/session.hpp>
#include <rill/optimizers/adagrad.hpp>
#include <rill/optimizers/adam.hpp>
#include <rill/optimizers/gradient_descent.hpp>
#include <rill/optimizers/momentum.hpp>
#include <vector>

#include "../variables.hpp"

using namespace rill;

namespace {

using test::values;

template <class Optimizer>
struct quadratic {  // minimises sum((w - x)^2) / 2 over one variable
  static constexpr bool tunable = true;
  Optimizer optimizer{};
  constexpr auto operator()(symbol x) const {
    symbol w = variable(x, {.name = "w", .shape = {5}, .initializer = constant(1)});
    symbol loss = reduce_sum(square(w - x)) * 0.5;
    return outputs(fetch("loss", loss), fetch("train", optimizer.minimize(loss)));
  }
};

}  // namespace

TEST_CASE("optimizers follow their formulas and take hyperparameters at run time") {
  tensor<float, 5> x{0.f, 1.f, -2.f, 3.f, 0.5f};
  const auto start = [] { return std::vector<double>(5, 1.0); };
  SUBCASE("gradient descent") {
    graph::variable_store store;
    graph::session<quadratic<optimizers::gradient_descent>, tensor<float, 5>> s(store, {{.learning_rate = 0.25}});
    auto w = start();
    for (int t = 0; t < 7; ++t) {
      if (t == 4) s.model().optimizer.learning_rate = 0.125;
      s.step(x);
      for (std::size_t i = 0; i < 5; ++i) w[i] -= (t < 4 ? 0.25 : 0.125) * (w[i] - static_cast<double>(x.data()[i]));
    }
    for (std::size_t i = 0; i < 5; ++i) CHECK(values<float>(store, "w")[i] == doctest::Approx(w[i]).epsilon(1e-5));
  }
  SUBCASE("momentum, plain and Nesterov") {
    for (const bool nesterov : {false, true}) {
      graph::variable_store store;
      graph::session<quadratic<optimizers::momentum>, tensor<float, 5>> s(
          store, {{.learning_rate = 0.1, .decay = 0.8, .use_nesterov = nesterov}});
      auto w = start();
      std::vector<double> m(5, 0.0);
      for (int t = 0; t < 7; ++t) {
        s.step(x);
        for (std::size_t i = 0; i < 5; ++i) {
          const double g = w[i] - static_cast<double>(x.data()[i]);
          m[i] = 0.8 * m[i] + g;
          w[i] -= 0.1 * (nesterov ? g + 0.8 * m[i] : m[i]);
        }
      }
      for (std::size_t i = 0; i < 5; ++i) {
        CHECK(values<float>(store, "w")[i] == doctest::Approx(w[i]).epsilon(1e-5));
        CHECK(values<float>(store, "w/Momentum")[i] == doctest::Approx(m[i]).epsilon(1e-5).scale(1));
      }
    }
  }
  SUBCASE("adagrad") {
    graph::variable_store store;
    graph::session<quadratic<optimizers::adagrad>, tensor<float, 5>> s(store, {{.learning_rate = 0.3}});
    auto w = start();
    std::vector<double> a(5, 0.1);
    for (int t = 0; t < 7; ++t) {
      s.step(x);
      for (std::size_t i = 0; i < 5; ++i) {
        const double g = w[i] - static_cast<double>(x.data()[i]);
        a[i] += g * g;
        w[i] -= 0.3 * g / std::sqrt(a[i]);
      }
    }
    for (std::size_t i = 0; i < 5; ++i) CHECK(values<float>(store, "w")[i] == doctest::Approx(w[i]).epsilon(1e-5));
  }
  SUBCASE("adam") {
    graph::variable_store store;
    graph::session<quadratic<optimizers::adam>, tensor<float, 5>> s(store, {{.learning_rate = 0.2}});
    auto w = start();
    std::vector<double> m(5, 0.0), v(5, 0.0);
    for (int t = 1; t <= 7; ++t) {
      s.step(x);
      const double rate = 0.2 * std::sqrt(1 - std::pow(0.999, t)) / (1 - std::pow(0.9, t));
      for (std::size_t i = 0; i < 5; ++i) {
        const double g = w[i] - static_cast<double>(x.data()[i]);
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.999 * v[i] + 0.001 * g * g;
        w[i] -= rate * m[i] / (std::sqrt(v[i]) + 1e-8);
      }
    }
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(values<float>(store, "w")[i] == doctest::Approx(w[i]).epsilon(1e-4));
      CHECK(values<float>(store, "w/Adam_1")[i] == doctest::Approx(v[i]).epsilon(1e-4));
    }
    CHECK(*values<float>(store, "beta1_power") == doctest::Approx(std::pow(0.9, 8)).epsilon(1e-5));
    CHECK(*values<float>(store, "beta2_power") == doctest::Approx(std::pow(0.999, 8)).epsilon(1e-5));
  }
}

TEST_CASE("slots are variables of their own, named after the variable, and not trainable") {
  graph::variable_store store;
  graph::session<quadratic<optimizers::adam>, tensor<float, 5>> s(store);
  for (const char* name : {"w/Adam", "w/Adam_1", "beta1_power", "beta2_power", "global_step"}) {
    REQUIRE(store.find(name) != nullptr);
    CHECK_FALSE(store.find(name)->trainable);
  }
  CHECK(store.find("w")->trainable);
  CHECK(*values<float>(store, "beta1_power") == doctest::Approx(0.9));
}

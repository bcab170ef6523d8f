// SPDX-License-Identifier: Apache-2.0
// Loss scaling: which steps count, and what the scale does.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include <rill/graph/session.hpp>
#include <rill/optimizers/adam.hpp>
#include <rill/optimizers/loss_scale.hpp>

#include "../variables.hpp"

using namespace rill;

namespace {

using test::values;

template <class Optimizer>
struct quadratic {  // minimises sum((w - x)^2) / 2; x that is not finite spoils the gradient of w, not of u
  static constexpr bool tunable = true;
  Optimizer optimizer{};
  constexpr auto operator()(symbol x) const {
    symbol w = variable(x, {.name = "w", .shape = {5}, .initializer = constant(1)});
    symbol u = variable(x, {.name = "u", .shape = {3}, .initializer = constant(2)});
    symbol loss = reduce_sum(square(w - x)) * 0.5 + reduce_sum(square(u));
    return outputs(fetch("loss", loss), fetch("train", optimizer.minimize(loss)));
  }
};
using input = tensor<float, 5>;
const input x{0.f, 1.f, -2.f, 3.f, 0.5f};
input spoiled() {
  input y = x;
  y(3) = std::numeric_limits<float>::infinity();
  return y;
}

/// TensorFlow's rules.
struct rules {
  double scale = 8, n = 3, d = 2, up = 2, down = 0.8;
  int good = 0, bad = 0;
  void step(bool finite) {
    if (finite && ++good >= n) scale *= up, good = bad = 0;
    if (finite) return;
    good = 0;
    if (++bad >= d) scale = std::max(1.0, scale * down), bad = 0;
  }
};

}  // namespace

TEST_CASE("a scale that follows what happens leaves the steps as they are and skips the bad ones") {
  using plain = optimizers::adam;
  using scaled = optimizers::loss_scale<plain>;
  graph::variable_store store, reference;
  graph::session<quadratic<plain>, input> r(reference, {{.learning_rate = 0.2}});
  graph::session<quadratic<scaled>, input> s(
      store, {{.optimizer = {.learning_rate = 0.2},
               .manager = {.init_loss_scale = 8, .incr_every_n_steps = 3, .decr_every_n_nan_or_inf = 2, .incr_ratio = 2, .decr_ratio = 0.8}}});
  CHECK(*values<float>(store, "loss_scale") == 0);
  rules expected;
  std::int64_t steps = 0;
  for (const char c : std::string_view("..x....xx.x..x.xxx...xxxxxxxxxxxxxxxxxxxxxxxxxxxx....")) {
    const bool finite = c == '.';
    s.step(finite ? x : spoiled());
    if (finite) r.step(x), ++steps;
    expected.step(finite);
    CAPTURE(steps);
    CHECK(*values<float>(store, "loss_scale") == doctest::Approx(expected.scale).epsilon(1e-6));
    CHECK(*values<std::int32_t>(store, "good_steps") == expected.good);
    CHECK(*values<std::int32_t>(store, "bad_steps") == expected.bad);
    CHECK(*values<std::int64_t>(store, "global_step") == steps);
    for (const char* name : {"w", "w/Adam", "w/Adam_1", "u", "u/Adam", "u/Adam_1", "beta1_power"})
      for (std::size_t i = 0; i < store.find(name)->bytes / 4; ++i)
        CHECK(values<float>(store, name)[i] == doctest::Approx(values<float>(reference, name)[i]).epsilon(1e-5));
  }
  CHECK(expected.scale == 2);  // 28 bad steps came to 1
  for (const char* name : {"loss_scale", "good_steps", "bad_steps"}) CHECK_FALSE(store.find(name)->trainable);
}

TEST_CASE("a fixed scale that is a power of two changes no bit") {
  using scaled = optimizers::loss_scale<optimizers::adam, optimizers::fixed_loss_scale>;
  graph::variable_store store, reference;
  graph::session<quadratic<optimizers::adam>, input> r(reference);
  graph::session<quadratic<scaled>, input> s(store, {{.manager = {.loss_scale = 4096}}});
  for (int k = 0; k < 5; ++k) {
    r.step(x), s.step(x), s.step(spoiled());
    CHECK(std::memcmp(values<float>(store, "w"), values<float>(reference, "w"), 20) == 0);
    CHECK(std::memcmp(values<float>(store, "u/Adam"), values<float>(reference, "u/Adam"), 12) == 0);
  }
  const std::vector<float> before(values<float>(store, "w"), values<float>(store, "w") + 5);
  for (const double scale : {3e38, 1e-39}) {  // now gradients overflow: as they are scaled, or when they are divided by it
    s.model().optimizer.manager.loss_scale = scale;
    s.step(x);
    CHECK(std::memcmp(values<float>(store, "w"), before.data(), 20) == 0);
  }
  CHECK(store.find("good_steps") == nullptr);
}

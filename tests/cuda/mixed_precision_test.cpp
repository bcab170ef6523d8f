// SPDX-License-Identifier: Apache-2.0
// Mixed precision with loss scaling on a device: the numbers are the CPU's, the steps skipped are the same.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>

#include <rill/cuda/session.cuh>
#include <rill/nn/compute_in.hpp>
#include <rill/nn/dense.hpp>
#include <rill/optimizers/loss_scale.hpp>
#include <rill/optimizers/momentum.hpp>

#include "device.hpp"

namespace {

using namespace rill;

struct train {
  static constexpr bool training = true;
  static constexpr bool tunable = true;
  optimizers::loss_scale<optimizers::momentum> optimizer = {};
  constexpr auto operator()(auto x, auto wanted) const {
    const auto loss = reduce_mean(square(nn::compute_in<half>(nn::dense{.units = 3, .activation = relu})(x) - wanted));
    return outputs(fetch("loss", loss), fetch("train", optimizer.minimize(loss)));
  }
};
using input = tensor<float, dyn, 12>;
using wanted = tensor<float, dyn, 3>;

TEST_CASE("a network of half trains on a device as on the CPU, and skips the same steps") {
  const train model{{.optimizer = {.learning_rate = 0.1f}, .manager = {.init_loss_scale = 1024, .incr_every_n_steps = 3}}};
  test::device device;
  graph::variable_store mine, theirs;
  graph::session<train, input, wanted> host(mine, model, {.seed = 3});
  graph::basic_session<cuda::basic_target<test::device>, train, input, wanted> s(theirs, model, {.seed = 3}, cuda::basic_target<test::device>(device));
  std::mt19937 random(1);
  std::uniform_real_distribution<float> d(0, 1);
  input x({20, 12});
  wanted y({20, 3});
  for (std::int64_t i = 0; i < 20; ++i) {
    y(i, i % 3) = 1;
    for (std::int64_t j = 0; j < 12; ++j) x(i, j) = d(random) * 0.6f + (j / 4 == i % 3 ? 0.4f : 0.f);
  }
  input bad = x;
  bad(7, 5) = std::numeric_limits<float>::infinity();
  float first = 0, last = 0;
  for (const char c : std::string_view("....x...xx....x...")) {
    const auto [a, done] = host.run(c == 'x' ? bad : x, y);
    const auto [b, theirs_done] = s.run(c == 'x' ? bad : x, y);
    if (c == 'x') continue;
    last = static_cast<float>(a);
    if (first == 0) first = last;
    CHECK(static_cast<float>(b) == doctest::Approx(last).epsilon(2e-3));
  }
  CHECK(last < 0.7f * first);
  theirs.to_host();
  const auto value = [](const graph::variable_store& store, const char* name) {
    const auto* v = store.find(name);
    return v->type == dtype::float32 ? static_cast<double>(*static_cast<const float*>(v->data)) : *static_cast<const std::int32_t*>(v->data);
  };
  // After 3 good steps twice as much, after 2 bad ones 0.8 of it.
  CHECK(value(mine, "loss_scale") == doctest::Approx(1024 * 2 * 2 * 0.8 * 2 * 2));
  for (const char* name : {"loss_scale", "good_steps", "bad_steps"}) CHECK(value(mine, name) == value(theirs, name));
  CHECK(*static_cast<const std::int64_t*>(theirs.find("global_step")->data) == 14);
}

}  // namespace

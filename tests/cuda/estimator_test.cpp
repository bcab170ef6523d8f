// SPDX-License-Identifier: Apache-2.0
// An estimator on a device: the same files as on the CPU, and each goes on where the other stopped.
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <utility>
#include <string>
#include <vector>

#include <rill/cuda/data.cuh>
#include <rill/data/data.hpp>
#include <rill/estimator/estimator.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/momentum.hpp>

#include "device.hpp"
#include "estimator/quiet.hpp"

namespace {

using namespace rill;

struct model {
  constexpr auto operator()(auto x) const { return nn::sequential(nn::dense{.units = 8, .activation = relu}, nn::dense{.units = 3})(x); }
};
using head = multi_class_head<model, 3>;

TEST_CASE("an estimator trains on a device, and its checkpoints go on anywhere") {
  std::mt19937 random(2);
  tensor<float, dyn, 4> x({60, 4});
  tensor<std::int32_t, dyn> y({60});
  for (std::int64_t i = 0; i < 60; ++i) {
    y(i) = static_cast<std::int32_t>(i % 3);
    for (std::int64_t j = 0; j < 4; ++j) x(i, j) = static_cast<float>(random() % 100) / 100 + static_cast<float>((i % 3) * (j % 2));
  }
  const auto examples = data::from_tensor_slices(std::pair(x, y));
  const auto batches = examples | data::shuffle(60, {.seed = 1}) | data::repeat() | data::batch(20);
  ::test::device device;
  using target = cuda::basic_target<::test::device>;
  const optimizers::momentum optimizer{.learning_rate = 0.1f};
  const rill::test::scratch_dir mixed, plain;

  evaluation there;
  {
    estimator on_device{head{}, optimizer, rill::test::quiet_run(mixed), target(device)};
    on_device.train(batches | cuda::prefetch_to_device(device, 2), {.max_steps = 30});
    there = on_device.evaluate(examples | data::batch(20));
    CHECK(there["global_step"] == 30);
  }
  CHECK(device.blocks() == 0);
  {
    estimator on_cpu{head{}, optimizer, rill::test::quiet_run(mixed)};  // reads what the device wrote
    const evaluation here = on_cpu.evaluate(examples | data::batch(20));
    CHECK(here["loss"] == doctest::Approx(there["loss"]).epsilon(1e-5));
    on_cpu.train(batches, {.max_steps = 45});
  }
  estimator again{head{}, optimizer, rill::test::quiet_run(mixed), target(device)};
  again.train(batches | cuda::prefetch_to_device(device), {.max_steps = 60});
  estimator whole{head{}, optimizer, rill::test::quiet_run(plain)};  // all of it on the CPU
  whole.train(batches, {.max_steps = 60});
  const evaluation a = again.evaluate(examples | data::batch(20)), b = whole.evaluate(examples | data::batch(20));
  CHECK(a["global_step"] == 60);
  CHECK(a["loss"] == doctest::Approx(b["loss"]).epsilon(1e-4));
  CHECK(a["accuracy"] == b["accuracy"]);
  CHECK(again.predict(examples | data::batch(20)).size() == 60);
}

}  // namespace

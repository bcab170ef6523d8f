// SPDX-License-Identifier: Apache-2.0
// Several devices train one model as one session on the CPU does with the whole batch; files are the same.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include <rill/cuda/towers.cuh>
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
using target = cuda::basic_target<::test::device>;
using towers = graph::towers<target>;
using features = tensor<float, dyn, 4>;
using labels = tensor<std::int32_t, dyn>;
using program = head::train_program<optimizers::momentum>;

std::pair<features, labels> examples(std::int64_t rows, unsigned seed) {
  std::mt19937 random(seed);
  features x({rows, 4});
  labels y({rows});
  for (std::int64_t i = 0; i < rows; ++i) {
    y(i) = static_cast<std::int32_t>(random() % 3);
    for (std::int64_t j = 0; j < 4; ++j) x(i, j) = static_cast<float>(random() % 100) / 100 + static_cast<float>(y(i) * (j % 2));
  }
  return {x, y};
}

TEST_CASE("devices train together like one session on the whole batch") {
  const program step{optimizers::momentum{.learning_rate = 0.1f}};
  graph::variable_store whole;
  graph::session<program, features, labels> one(whole, step, {.seed = 4});
  std::vector<float> losses;
  const auto rows_of = [](int k) -> std::int64_t { return k == 7 ? 2 : k == 11 ? 1 : 7; };
  for (int k = 0; k < 20; ++k) {
    const auto [x, y] = examples(rows_of(k), static_cast<unsigned>(k));
    losses.push_back(static_cast<float>(std::get<0>(one.run(x, y))));
  }
  for (const std::size_t n : {1u, 2u, 3u}) {
    CAPTURE(n);
    std::vector<std::unique_ptr<::test::device>> devices;
    std::vector<target> machines;
    for (std::size_t t = 0; t < n; ++t) {
      devices.push_back(std::make_unique<::test::device>());
      machines.emplace_back(*devices.back());
    }
    {
      graph::variable_store split;
      graph::basic_session<towers, program, features, labels> several(split, step, {.seed = 4}, towers(machines));
      for (int k = 0; k < 20; ++k) {
        CAPTURE(k);
        const auto [x, y] = examples(rows_of(k), static_cast<unsigned>(k));
        several.step(x, y);
        CHECK(static_cast<const float*>(several.output<0>())[0] == doctest::Approx(losses[static_cast<std::size_t>(k)]).epsilon(1e-4));
      }
      CHECK(several.get<"probabilities">().shape() == tensor_shape{7, 3});
      for (const auto& d : devices) CHECK(d->records() >= 2);  // before and after the gradients meet
      split.to_host();
      for (const auto& v : whole.variables()) {
        CAPTURE(v->name);
        const graph::stored_variable& w = *split.find(v->name);
        if (v->type != dtype::float32) {
          CHECK(std::memcmp(v->data, w.data, v->bytes) == 0);
          continue;
        }
        for (std::size_t i = 0; i < v->bytes / 4; ++i)
          CHECK(static_cast<const float*>(w.data)[i] == doctest::Approx(static_cast<const float*>(v->data)[i]).epsilon(1e-4));
      }
    }
    for (const auto& d : devices) CHECK(d->blocks() == 0);
  }
}

TEST_CASE("an estimator on several devices writes what one machine reads") {
  const auto examples_of_all = data::from_tensor_slices(examples(60, 1));
  const auto batches = examples_of_all | data::shuffle(60, {.seed = 1}) | data::repeat() | data::batch(7);
  ::test::device first, second;
  const optimizers::momentum optimizer{.learning_rate = 0.1f};
  const rill::test::scratch_dir mixed, plain;
  estimator classifier{head{}, optimizer, rill::test::quiet_run(mixed), towers({target(first), target(second)})};
  classifier.train(batches, {.max_steps = 20});
  const evaluation there = classifier.evaluate(examples_of_all | data::batch(25));
  estimator on_cpu{head{}, optimizer, rill::test::quiet_run(mixed)};
  const evaluation here = on_cpu.evaluate(examples_of_all | data::batch(20));
  CHECK(here["global_step"] == 20);
  CHECK(there["loss"] == doctest::Approx(here["loss"]).epsilon(1e-5));
  CHECK(there["accuracy"] == doctest::Approx(here["accuracy"]));
  on_cpu.train(batches, {.max_steps = 30});
  classifier.train(batches, {.max_steps = 40});  // goes on where the CPU stopped
  estimator whole{head{}, optimizer, rill::test::quiet_run(plain)};
  whole.train(batches, {.max_steps = 40});
  CHECK(classifier.evaluate(examples_of_all | data::batch(20))["loss"] == doctest::Approx(whole.evaluate(examples_of_all | data::batch(20))["loss"]).epsilon(1e-4));
}

#if defined(__CUDACC__) && __has_include(<nccl.h>)
TEST_CASE("NCCL with one GPU gives what it gets") {
  cuda::device& d = cuda::device_of(gpu(0));
  cuda::nccl_communicator nccl({cuda::on(gpu(0))});
  const std::vector<float> x{1, -2, 3.5f, 0};
  std::vector<float> sum(4), copy(4);
  void* const from = d.allocate(16);
  void* const to = d.allocate(16);
  d.copy_in(from, x.data(), 16);
  graph::tower_value v{dtype::float32, 4, {from}, {to}};
  nccl.all_reduce({&v, 1});
  d.copy_out(sum.data(), to, 16);
  d.zero(to, 16);
  nccl.broadcast({&v, 1});
  d.copy_out(copy.data(), to, 16);
  CHECK(sum == x);
  CHECK(copy == x);
  v.type = dtype::int32;
  CHECK_THROWS_WITH_AS(nccl.all_reduce({&v, 1}), doctest::Contains("floating"), invalid_argument);
  v.type = dtype::float32;
  nccl.all_reduce({&v, 1});  // nothing is left open
  CHECK_THROWS_WITH_AS(cuda::nccl_communicator({cuda::on(gpu(0)), cuda::on(gpu(0))}), doctest::Contains("named twice"), invalid_argument);
  d.release(from), d.release(to);
}
#endif

}  // namespace

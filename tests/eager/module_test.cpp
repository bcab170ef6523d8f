// SPDX-License-Identifier: Apache-2.0
// A model's description applied eagerly: the same names, first values, outputs and gradients as its compiled session, and
// optimizers whose updates agree with the compiled ones.
#include <rill/eager/module.hpp>
#include <rill/eager/optimizer.hpp>
#include <rill/eager/gradient.hpp>
#include <rill/expr/eager.hpp>
#include <rill/graph/session.hpp>
#include <rill/losses/losses.hpp>
#include <rill/nn/nn.hpp>

#include <doctest/doctest.h>

using namespace rill;

namespace {

inline constexpr auto layers =
    nn::sequential(nn::reshape{{6, 6, 1}}, nn::conv2d{.filters = 3, .kernel_size = 3, .padding = same, .activation = relu},
                   nn::max_pooling2d{}, nn::flatten{}, nn::dense{.units = 5, .activation = rill::tanh}, nn::dense{.units = 4});

struct net {
  constexpr auto operator()(auto x) const { return layers(x); }
};
struct dropped {
  auto operator()(auto x) const { return nn::dropout{.rate = 0.5f}(x); }
};
template <class Optimizer>
struct train_step {
  constexpr auto operator()(auto x, auto labels) const {
    auto loss = losses::sparse_softmax_cross_entropy(labels, layers(x));
    return outputs(fetch("loss", loss), fetch("train", Optimizer{}.minimize(loss)));
  }
};

tensor<float, dyn, 36> images() {
  tensor<float, dyn, 36> x({5, 36});
  for (std::int64_t k = 0; k < x.size(); ++k) x.data()[k] = static_cast<float>(k * 37 % 101) / 50.f - 1.f;
  return x;
}

template <class Optimizer>
void same_as_compiled() {
  const tensor<float, dyn, 36> x = images();
  const tensor<int, dyn> labels{0, 3, 1, 2, 3};
  graph::session<train_step<Optimizer>, tensor<float, dyn, 36>, tensor<int, dyn>> compiled;
  eager::module<net> model;
  eager::optimizer<Optimizer> optimizer{Optimizer{}};
  for (int step = 0; step < 3; ++step) {
    const auto [loss, _] = compiled.run(x, labels);
    eager::gradient_tape tape;
    const dynamic_tensor eager_loss = losses::sparse_softmax_cross_entropy(dynamic_tensor(labels), model(x));
    CHECK(eager_loss.item<float>() == doctest::Approx(float(loss)).epsilon(2e-5));
    const auto vars = model.trainable_variables();
    optimizer.apply_gradients(tape.gradient(eager_loss, vars), vars);
  }
  CHECK(optimizer.global_step().value().template item<int>() == 3);
  REQUIRE(model.variables().size() == 6);
  CHECK(model.variables()[0].name() == "conv2d/kernel");
  CHECK(model.variables()[5].name() == "dense_1/bias");
}

}  // namespace

TEST_CASE("a module trains as its compiled session does") {
  SUBCASE("momentum") { same_as_compiled<optimizers::momentum>(); }
  SUBCASE("adam") { same_as_compiled<optimizers::adam>(); }
}

TEST_CASE("what a module refuses") {
  eager::module<net> model;
  CHECK_THROWS_AS(model(tensor<float, 2, 35>()), invalid_argument);
  CHECK_THROWS_AS(layers(dynamic_tensor(images())), failed_precondition);
  model(images());
  CHECK(model(images()).shape() == tensor_shape{5, 4});
  CHECK(model.variables().size() == 6);
  CHECK_THROWS_AS(static_cast<void>(model.find("dense/kernels")), not_found);
  CHECK(model.find("dense/kernel").shape() == tensor_shape{27, 5});
}

TEST_CASE("dropout of a module acts in training only and differs from call to call") {
  eager::module<dropped> model;
  const dynamic_tensor x = ones<float, 1000>();
  CHECK(reduce_sum(model(x)).item<float>() == 1000.f);
  model.set_training(true);
  const dynamic_tensor a = model(x), b = model(x);
  CHECK(reduce_sum(a).item<float>() == doctest::Approx(1000).epsilon(0.1));
  CHECK(to_string(a) != to_string(b));
}

// SPDX-License-Identifier: Apache-2.0
// A whole network: its gradients against central differences in double, no allocation in a step, the same bits for any
// number of threads, and its description.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <rill/graph/describe.hpp>
#include <rill/graph/dot.hpp>
#include <rill/graph/session.hpp>
#include <rill/losses/sparse_softmax_cross_entropy.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/adam.hpp>
#include <string>
#include <vector>

#include "counting_new.hpp"

using namespace rill;

namespace {

// The tutorial's network, small: reshape, two convolutions with pooling, two dense layers with dropout between.
inline constexpr auto network = nn::sequential(
    nn::reshape{{8, 8, 1}}, nn::conv2d{.filters = 3, .kernel_size = {5, 5}, .padding = same, .activation = tanh},
    nn::max_pooling2d{}, nn::conv2d{.filters = 5, .kernel_size = {3, 3}, .padding = same, .activation = relu},
    nn::max_pooling2d{.pool_size = 2, .strides = 2}, nn::flatten{}, nn::dense{.units = 17, .activation = relu},
    nn::dropout{.rate = 0.4f}, nn::dense{.units = 4});

struct network_model {
  constexpr auto operator()(symbol x) const { return network(x); }
};

/// Loss and the gradients of all eight variables.
struct network_gradients {
  constexpr auto operator()(symbol x, symbol labels) const {
    symbol loss = losses::sparse_softmax_cross_entropy(labels, network(x));
    symbol v[8] = {};
    for (int k = 0; k < 8; ++k) v[k] = {x.g, x.g->variables[static_cast<std::size_t>(k)].node};
    auto g = gradients(loss, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]);
    return outputs(fetch("loss", loss), fetch("0", g[0]), fetch("1", g[1]), fetch("2", g[2]), fetch("3", g[3]),
                   fetch("4", g[4]), fetch("5", g[5]), fetch("6", g[6]), fetch("7", g[7]));
  }
};

struct network_step {
  static constexpr bool training = true;
  static constexpr bool tunable = true;
  optimizers::adam optimizer{};
  constexpr auto operator()(symbol x, symbol labels) const {
    symbol loss = losses::sparse_softmax_cross_entropy(labels, network(x));
    return outputs(fetch("loss", loss), fetch("train", optimizer.minimize(loss)));
  }
};

template <class T>
void fill(tensor<T, dyn, 64>& x, tensor<int, dyn>& y) {
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<T>(philox_uniform(static_cast<std::uint64_t>(i), 2, 9));
  for (std::int64_t i = 0; i < y.size(); ++i) y.data()[i] = static_cast<int>(i % 4);
}

std::vector<std::vector<unsigned char>> train(int threads, int steps) {
  thread_limit limit(threads);
  graph::variable_store store;
  graph::session<network_step, tensor<float, dyn, 64>, tensor<int, dyn>> s(store, {{.learning_rate = 0.01}}, {.seed = 11});
  tensor<float, dyn, 64> x({50, 64});
  tensor<int, dyn> y({50});
  fill(x, y);
  for (int i = 0; i < steps; ++i) s.step(x, y);
  std::vector<std::vector<unsigned char>> bits;
  for (const auto& v : store.variables()) {
    const auto* p = static_cast<const unsigned char*>(v->data);
    bits.emplace_back(p, p + v->bytes);
  }
  return bits;
}

}  // namespace

TEST_CASE("the gradients of a convolutional network agree with central differences") {
  graph::variable_store store;
  for (const auto& [name, shape] :
       {std::pair<const char*, tensor_shape>{"conv2d/kernel", {5, 5, 1, 3}}, {"conv2d/bias", {3}}, {"conv2d_1/kernel", {3, 3, 3, 5}},
        {"conv2d_1/bias", {5}}, {"dense/kernel", {20, 17}}, {"dense/bias", {17}}, {"dense_1/kernel", {17, 4}}, {"dense_1/bias", {4}}})
    store.get(name, dtype::float64, shape, true);
  graph::session<network_gradients, tensor<double, dyn, 64>, tensor<int, dyn>> s(store, {}, {.seed = 5});
  tensor<double, dyn, 64> x({3, 64});
  tensor<int, dyn> y({3});
  fill(x, y);
  for (const auto& v : store.variables())  // biases away from zero, so that no relu sits on its kink
    if (v->shape.rank() == 1)
      for (std::int64_t i = 0; i < v->shape[0]; ++i) static_cast<double*>(v->data)[i] = 0.05 * static_cast<double>(i + 1);
  const auto result = s.run(x, y);
  const double* gradient[8] = {std::get<1>(result).data(), std::get<2>(result).data(), std::get<3>(result).data(),
                               std::get<4>(result).data(), std::get<5>(result).data(), std::get<6>(result).data(),
                               std::get<7>(result).data(), std::get<8>(result).data()};
  double largest = 0;
  for (std::size_t k = 0; k < 8; ++k) {
    auto& v = *store.variables()[k];
    CAPTURE(v.name);
    auto* w = static_cast<double*>(v.data);
    for (std::int64_t i = 0; i < v.shape.num_elements(); ++i) {
      const double at = w[i], eps = 1e-6;
      w[i] = at + eps;
      const double up = *std::get<0>(s.run(x, y)).data();
      w[i] = at - eps;
      const double down = *std::get<0>(s.run(x, y)).data();
      w[i] = at;
      CAPTURE(i);
      CHECK(gradient[k][i] == doctest::Approx((up - down) / (2 * eps)).epsilon(1e-3).scale(1e-2));
      largest = std::max(largest, std::fabs(gradient[k][i]));
    }
  }
  CHECK(largest > 1e-2);
}

TEST_CASE("a training step allocates nothing after the first") {
  graph::session<network_step, tensor<float, dyn, 64>, tensor<int, dyn>> s;
  tensor<float, dyn, 64> x({100, 64}), short_x({37, 64});
  tensor<int, dyn> y({100}), short_y({37});
  fill(x, y);
  fill(short_x, short_y);
  for (int i = 0; i < 20; ++i) s.step(x, y);  // threads come up and make their scratch
  s.step(short_x, short_y);
  const long before = allocations;
  float loss = 0;
  for (int i = 0; i < 50; ++i) {
    loss = *std::get<0>(s.run(x, y)).data();
    s.step(short_x, short_y);
  }
  CHECK(allocations - before == 0);
  CHECK(std::isfinite(loss));
}

TEST_CASE("weights are bit-identical for 1, 2 and 4 threads and for every run") {
  const auto one = train(1, 30);
  REQUIRE(one.size() == 8 * 3 + 3);
  CHECK(train(2, 30) == one);
  CHECK(train(4, 30) == one);
  CHECK(train(2, 30) == one);
  CHECK_FALSE(train(1, 29) == one);
}

TEST_CASE("variables are named as TensorFlow names them and counted by describe") {
  const std::string text = graph::describe<network_model, tensor<float, dyn, 64>>();
  CAPTURE(text);
  const std::int64_t parameters = 25 * 3 + 3 + 27 * 5 + 5 + 20 * 17 + 17 + 17 * 4 + 4;
  CHECK(text.find("total: " + std::to_string(parameters) + " parameters") != std::string::npos);
  CHECK(text.find("conv2d_1          conv2d         [?, 4, 4, 5]") != std::string::npos);
  CHECK(text.find("max_pooling2d_1   max_pooling2d  [?, 2, 2, 5]") != std::string::npos);
  graph::variable_store store;
  graph::session<network_model, tensor<float, dyn, 64>> s(store);
  for (const char* name : {"conv2d/kernel", "conv2d/bias", "conv2d_1/kernel", "conv2d_1/bias", "dense/kernel", "dense/bias",
                           "dense_1/kernel", "dense_1/bias"})
    CHECK(store.find(name) != nullptr);
  CHECK(store.variables().size() == 8);
}

TEST_CASE("to_dot draws the graph before and after fusion") {
  using in = tensor<float, dyn, 64>;
  const std::string before = graph::to_dot<network_model, in>(graph::dot_stage::before_fusion);
  const std::string after = graph::to_dot<network_model, in>();
  CHECK(before.find("conv2d_1/kernel") != std::string::npos);
  CHECK(before.find("subgraph") == std::string::npos);
  CHECK(after.find("subgraph cluster_") != std::string::npos);
  CHECK(after.find("Relu") != std::string::npos);
}

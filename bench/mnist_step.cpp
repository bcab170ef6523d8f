// SPDX-License-Identifier: Apache-2.0
// The tutorial network: forward pass and whole training step.
#include <rill/graph/session.hpp>
#include <rill/losses/sparse_softmax_cross_entropy.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/gradient_descent.hpp>

#include <cmath>

#include "harness.hpp"
#if defined(RILL_BENCH_TORCH)
#include "peer_torch.hpp"
#endif

namespace bench {

namespace {

namespace nn = rill::nn;

inline constexpr auto cnn = nn::sequential(
    nn::reshape{{28, 28, 1}},
    nn::conv2d{.filters = 32, .kernel_size = {5, 5}, .padding = rill::same, .activation = rill::relu},
    nn::max_pooling2d{.pool_size = {2, 2}, .strides = {2, 2}},
    nn::conv2d{.filters = 64, .kernel_size = {5, 5}, .padding = rill::same, .activation = rill::relu},
    nn::max_pooling2d{.pool_size = {2, 2}, .strides = {2, 2}}, nn::flatten{},
    nn::dense{.units = 1024, .activation = rill::relu}, nn::dropout{.rate = 0.4f}, nn::dense{.units = 10});

struct classify {
  constexpr auto operator()(auto images) const { return cnn(images); }
};

struct train {
  static constexpr bool training = true;
  static constexpr bool tunable = true;
  rill::optimizers::gradient_descent optimizer{};
  constexpr auto operator()(auto images, auto labels) const {
    const auto loss = rill::losses::sparse_softmax_cross_entropy(labels, cnn(images));
    return rill::outputs(rill::fetch("loss", loss), rill::fetch("train", optimizer.minimize(loss)));
  }
};

using images = rill::tensor<float, rill::dyn, 784>;
using labels = rill::tensor<int, rill::dyn>;

constexpr float learning_rate = 0.001f;

struct program {
  explicit program(std::int64_t batch)
      : x({batch, 784}), y({batch}), trainer(store, train{.optimizer = {.learning_rate = learning_rate}}), classifier(store) {
    const auto pixels = noise(static_cast<std::size_t>(batch * 784), 1);
    for (std::int64_t i = 0; i < batch * 784; ++i) x.data()[i] = std::fabs(pixels[static_cast<std::size_t>(i)]);
    for (std::int64_t i = 0; i < batch; ++i) y.data()[i] = static_cast<int>(i % 10);
    for (const auto& v : store.variables()) {
      if (v->shape.rank() == 0) continue;
      weights.push_back(static_cast<const float*>(v->data));
    }
  }
  /// Mean loss of the classifier's last logits.
  [[nodiscard]] double loss() const {
    const auto* logits = static_cast<const float*>(classifier.template output<0>());
    double sum = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) {
      double total = 0;
      for (int k = 0; k < 10; ++k) total += std::exp(static_cast<double>(logits[i * 10 + k]));
      sum += std::log(total) - static_cast<double>(logits[i * 10 + y.data()[i]]);
    }
    return sum / static_cast<double>(y.size());
  }
  images x;
  labels y;
  rill::graph::variable_store store;
  rill::graph::session<train, images, labels> trainer;
  rill::graph::session<classify, images> classifier;
  std::vector<const float*> weights;  ///< in order of creation: kernels and biases from the input to the output
};

duel prepare(std::int64_t batch, bool whole_step) {
  auto p = std::make_shared<program>(batch);
  duel d;
  // Multiplications and additions of a direct convolution; the first layer needs no gradient of its input.
  d.cost.flops = (whole_step ? 82.0e6 : 27.8e6) * static_cast<double>(batch);
  if (whole_step) d.rill = {"Rill", [p] { p->trainer.step(p->x, p->y); }};
  else d.rill = {"Rill", [p] { p->classifier.step(p->x); }};
#if defined(RILL_BENCH_TORCH)
  p->classifier.step(p->x);
  const double want = p->loss();
  for (const auto l : {torch_peer::layout::nchw, torch_peer::layout::nhwc}) {
    auto net = std::make_shared<torch_peer::mnist_network>(l, p->weights, p->x.data(), p->y.data(), batch, learning_rate);
    const std::string name = torch_peer::name() + (l == torch_peer::layout::nchw ? " NCHW" : " NHWC");
    net->forward();
    const double got = net->loss();
    if (!(std::fabs(got - want) <= 1e-4 * want))
      throw wrong_result(name + ": the loss is " + std::to_string(got) + ", Rill's " + std::to_string(want));
    if (whole_step) d.peers.push_back({name, [net] { net->step(); }});
    else d.peers.push_back({name, [net] { net->forward(); }});
  }
#endif
  return d;
}

}  // namespace

void add_mnist_step(const std::string& suffix, bool only_training) {
  for (const bool whole_step : {true, false}) {
    if (only_training && !whole_step) continue;
    const std::string family = (whole_step ? "MNIST training step" : "MNIST forward") + suffix;
    for (const std::int64_t batch : {100, 32, 1})
      add(family, "batch " + std::to_string(batch), many_threads(), [=] { return prepare(batch, whole_step); });
    if (!only_training) add(family, "batch 100", 1, [=] { return prepare(100, whole_step); });
  }
}

}  // namespace bench

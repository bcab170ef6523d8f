// SPDX-License-Identifier: Apache-2.0
// The CIFAR-10 tutorial network with local response normalization: the whole training step.
#include <rill/graph/session.hpp>
#include <rill/kernel/lrn.hpp>
#include <rill/losses/sparse_softmax_cross_entropy.hpp>
#include <rill/nn/nn.hpp>
#include <rill/ops/lrn.hpp>
#include <rill/optimizers/gradient_descent.hpp>

#include <cmath>

#include "harness.hpp"
#if defined(RILL_BENCH_TORCH)
#include "cifar10_step_torch.hpp"
#endif

namespace bench {

namespace {

namespace nn = rill::nn;

constexpr float learning_rate = 0.01f, weight_decay = 0.004f;
using images = rill::tensor<float, rill::dyn, 24, 24, 3>;
using labels = rill::tensor<int, rill::dyn>;

struct train {
  /// relu(x kernel + bias), and the kernel's part of the loss.
  template <rill::value V>
  static constexpr std::pair<V, V> dense(V x, std::string_view name, std::int64_t units) {
    rill::variable_scope scope(x, name);
    const V kernel = rill::variable(x, {.name = "weights", .shape = {x.shape()[1], units}, .initializer = rill::initializers::truncated_normal(0, 0.04)});
    const V bias = rill::variable(x, {.name = "biases", .shape = {units}, .initializer = rill::initializers::constant(0.1)});
    return {rill::relu(rill::matmul(x, kernel) + bias), rill::l2_loss(kernel) * weight_decay};
  }
  constexpr auto operator()(auto x, auto y) const {
    constexpr nn::conv2d conv1{.filters = 64, .kernel_size = {5, 5}, .padding = rill::same, .activation = rill::relu, .name = "conv1"};
    constexpr nn::conv2d conv2{.filters = 64, .kernel_size = {5, 5}, .padding = rill::same, .activation = rill::relu, .name = "conv2"};
    constexpr nn::max_pooling2d pool{.pool_size = {3, 3}, .strides = {2, 2}, .padding = rill::same};
    constexpr rill::local_response_options norm{.depth_radius = 4, .bias = 1, .alpha = 0.001 / 9, .beta = 0.75};
    auto h = rill::lrn(pool(conv1(x)), norm);
    h = nn::flatten{}(pool(rill::lrn(conv2(h), norm)));
    const auto [local3, decay3] = dense(h, "local3", 384);
    const auto [local4, decay4] = dense(local3, "local4", 192);
    const auto logits = nn::dense{.units = 10, .name = "softmax_linear"}(local4);
    const auto loss = rill::losses::sparse_softmax_cross_entropy(y, logits) + decay3 + decay4;
    return rill::outputs(rill::fetch("loss", loss), rill::fetch("train", rill::optimizers::gradient_descent{learning_rate}.minimize(loss)));
  }
};

struct program {
  explicit program(std::int64_t batch) : x({batch, 24, 24, 3}), y({batch}), session(store) {
    const auto pixels = noise(static_cast<std::size_t>(x.size()), 1);
    for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = pixels[static_cast<std::size_t>(i)];
    for (std::int64_t i = 0; i < batch; ++i) y.data()[i] = static_cast<int>(i % 10);
    for (const auto& v : store.variables())
      if (v->shape.rank() > 0) weights.push_back(static_cast<const float*>(v->data));
  }
  images x;
  labels y;
  rill::graph::variable_store store;
  rill::graph::session<train, images, labels> session;
  std::vector<const float*> weights;  ///< in order of creation: kernels and biases from the input to the output
};

duel prepare(std::int64_t batch) {
  auto p = std::make_shared<program>(batch);
  duel d;
  // Multiplications and additions of direct convolutions and of the dense layers; the first one needs no gradient of its
  // input.
  d.cost.flops = 2.0 * static_cast<double>(batch) * (2 * 576 * 75 * 64 + 3 * (144 * 1600 * 64 + 2304 * 384 + 384 * 192 + 192 * 10));
#if defined(RILL_BENCH_TORCH)
  std::vector<std::shared_ptr<torch_peer::cifar10_network>> peers;
  for (const auto l : {torch_peer::layout::nchw, torch_peer::layout::nhwc})
    peers.push_back(std::make_shared<torch_peer::cifar10_network>(l, p->weights, p->x.data(), p->y.data(), batch, learning_rate, weight_decay));
  for (int step = 0; step < 3; ++step) {  // later losses tell whether gradients agree
    const double want = std::get<0>(p->session.run(p->x, p->y))();
    for (std::size_t k = 0; k < peers.size(); ++k) {
      const double got = peers[k]->loss();
      if (!(std::fabs(got - want) <= 1e-4 * want))
        throw wrong_result(torch_peer::name() + ": the loss before step " + std::to_string(step) + " is " + std::to_string(got) + ", Rill's " + std::to_string(want));
      peers[k]->step();
    }
  }
  for (std::size_t k = 0; k < peers.size(); ++k)
    d.peers.push_back({torch_peer::name() + (k == 0 ? " NCHW" : " NHWC"), [net = peers[k]] { net->step(); }});
#endif
  d.rill = {"Rill", [p] { p->session.step(p->x, p->y); }};
  return d;
}

}  // namespace

void add_cifar10_step() {
  for (const std::int64_t batch : {128, 1}) add("CIFAR-10 training step", "batch " + std::to_string(batch), many_threads(), [=] { return prepare(batch); });
  add("CIFAR-10 training step", "batch 128", 1, [] { return prepare(128); });
}

}  // namespace bench

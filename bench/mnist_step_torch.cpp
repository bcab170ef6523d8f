// SPDX-License-Identifier: Apache-2.0
// The tutorial network in libtorch.
#include "peer_torch.hpp"

#include <torch/nn/functional/activation.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/sgd.h>
#include <torch/version.h>

namespace bench::torch_peer {

std::string name() { return std::string("libtorch ") + TORCH_VERSION; }
void use_threads(int threads) { at::set_num_threads(threads); }

namespace {

struct network : torch::nn::Module {
  explicit network(bool nhwc) : channels_last(nhwc) {
    using torch::nn::Conv2dOptions;
    conv1 = register_module("conv1", torch::nn::Conv2d(Conv2dOptions(1, 32, 5).padding(2)));
    conv2 = register_module("conv2", torch::nn::Conv2d(Conv2dOptions(32, 64, 5).padding(2)));
    dense1 = register_module("dense1", torch::nn::Linear(3136, 1024));
    dense2 = register_module("dense2", torch::nn::Linear(1024, 10));
  }
  torch::Tensor forward(torch::Tensor x) {
    x = torch::max_pool2d(torch::relu(conv1->forward(x)), 2);
    x = torch::max_pool2d(torch::relu(conv2->forward(x)), 2);
    if (channels_last) x = x.permute({0, 2, 3, 1});  // so that flattening is free
    x = torch::relu(dense1->forward(x.flatten(1)));
    return dense2->forward(torch::dropout(x, 0.4, is_training()));
  }
  torch::nn::Conv2d conv1{nullptr}, conv2{nullptr};
  torch::nn::Linear dense1{nullptr}, dense2{nullptr};
  bool channels_last;
};

torch::Tensor from(const float* p, torch::IntArrayRef sizes) { return torch::from_blob(const_cast<float*>(p), sizes); }

}  // namespace

struct mnist_network::state {
  network net;
  torch::Tensor images, labels, logits;
  torch::optim::SGD optimizer;

  state(layout l, double learning_rate)
      : net(l == layout::nhwc), optimizer(net.parameters(), torch::optim::SGDOptions(learning_rate)) {}
};

mnist_network::mnist_network(layout l, const std::vector<const float*>& w, const float* images, const std::int32_t* labels,
                             std::int64_t batch, double learning_rate)
    : state_(std::make_unique<state>(l, learning_rate)) {
  torch::NoGradGuard no_tape;
  auto& s = *state_;
  const auto format = l == layout::nhwc ? torch::MemoryFormat::ChannelsLast : torch::MemoryFormat::Contiguous;
  const auto filter = [&](const float* p, std::int64_t in, std::int64_t out) {
    return from(p, {5, 5, in, out}).permute({3, 2, 0, 1}).contiguous(format);
  };
  s.net.conv1->weight.set_data(filter(w[0], 1, 32));
  s.net.conv1->bias.set_data(from(w[1], {32}).clone());
  s.net.conv2->weight.set_data(filter(w[2], 32, 64));
  s.net.conv2->bias.set_data(from(w[3], {64}).clone());
  auto dense = from(w[4], {7, 7, 64, 1024});
  if (l == layout::nchw) dense = dense.permute({2, 0, 1, 3});
  s.net.dense1->weight.set_data(dense.reshape({3136, 1024}).t().contiguous());
  s.net.dense1->bias.set_data(from(w[5], {1024}).clone());
  s.net.dense2->weight.set_data(from(w[6], {1024, 10}).t().contiguous());
  s.net.dense2->bias.set_data(from(w[7], {10}).clone());
  s.images = from(images, {batch, 1, 28, 28}).clone().contiguous(format);
  s.labels = torch::from_blob(const_cast<std::int32_t*>(labels), {batch}, torch::kInt32).to(torch::kInt64);
}

mnist_network::~mnist_network() = default;

float mnist_network::forward() {
  c10::InferenceMode no_tape;
  state_->net.eval();
  state_->logits = state_->net.forward(state_->images);
  return *state_->logits.data_ptr<float>();
}

float mnist_network::loss() {
  c10::InferenceMode no_tape;
  return torch::cross_entropy_loss(state_->logits, state_->labels).item<float>();
}

void mnist_network::step() {
  auto& s = *state_;
  s.net.train();
  s.optimizer.zero_grad();
  torch::cross_entropy_loss(s.net.forward(s.images), s.labels).backward();
  s.optimizer.step();
}

}  // namespace bench::torch_peer

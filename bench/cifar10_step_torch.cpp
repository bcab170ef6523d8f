// SPDX-License-Identifier: Apache-2.0
// The CIFAR-10 tutorial network in libtorch.
#include "cifar10_step_torch.hpp"

#include <torch/nn/functional/activation.h>
#include <torch/nn/functional/normalization.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/sgd.h>

namespace bench::torch_peer {

namespace {

struct network : torch::nn::Module {
  explicit network(bool nhwc) : channels_last(nhwc) {
    using torch::nn::Conv2dOptions;
    conv1 = register_module("conv1", torch::nn::Conv2d(Conv2dOptions(3, 64, 5).padding(2)));
    conv2 = register_module("conv2", torch::nn::Conv2d(Conv2dOptions(64, 64, 5).padding(2)));
    dense1 = register_module("dense1", torch::nn::Linear(2304, 384));
    dense2 = register_module("dense2", torch::nn::Linear(384, 192));
    output = register_module("output", torch::nn::Linear(192, 10));
  }
  static torch::Tensor pool(const torch::Tensor& x) {  // SAME: all of the padding is at the end
    return torch::max_pool2d(x, {3, 3}, {2, 2}, {0, 0}, {1, 1}, true);
  }
  static torch::Tensor normalize(const torch::Tensor& x) {  // libtorch divides alpha by the window
    return torch::nn::functional::local_response_norm(
        x, torch::nn::functional::LocalResponseNormFuncOptions(9).alpha(0.001).beta(0.75).k(1));
  }
  torch::Tensor forward(torch::Tensor x) {
    x = normalize(pool(torch::relu(conv1->forward(x))));
    x = pool(normalize(torch::relu(conv2->forward(x))));
    if (channels_last) x = x.permute({0, 2, 3, 1});  // so that flattening is free
    x = torch::relu(dense1->forward(x.flatten(1)));
    return output->forward(torch::relu(dense2->forward(x)));
  }
  torch::nn::Conv2d conv1{nullptr}, conv2{nullptr};
  torch::nn::Linear dense1{nullptr}, dense2{nullptr}, output{nullptr};
  bool channels_last;
};

torch::Tensor from(const float* p, torch::IntArrayRef sizes) { return torch::from_blob(const_cast<float*>(p), sizes); }

}  // namespace

struct cifar10_network::state {
  network net;
  torch::Tensor images, labels;
  torch::optim::SGD optimizer;
  double decay;

  state(layout l, double learning_rate, double weight_decay)
      : net(l == layout::nhwc), optimizer(net.parameters(), torch::optim::SGDOptions(learning_rate)), decay(weight_decay) {}
  torch::Tensor loss() {
    return torch::cross_entropy_loss(net.forward(images), labels) +
           (net.dense1->weight.square().sum() + net.dense2->weight.square().sum()) * (decay / 2);
  }
};

cifar10_network::cifar10_network(layout l, const std::vector<const float*>& w, const float* images, const std::int32_t* labels,
                                 std::int64_t batch, double learning_rate, double weight_decay)
    : state_(std::make_unique<state>(l, learning_rate, weight_decay)) {
  torch::NoGradGuard no_tape;
  auto& s = *state_;
  const auto format = l == layout::nhwc ? torch::MemoryFormat::ChannelsLast : torch::MemoryFormat::Contiguous;
  const auto filter = [&](const float* p, std::int64_t in) {
    return from(p, {5, 5, in, 64}).permute({3, 2, 0, 1}).clone().contiguous(format);
  };
  const auto dense = [&](torch::nn::Linear& layer, torch::Tensor kernel, const float* bias) {
    layer->weight.set_data(kernel.t().clone().contiguous());
    layer->bias.set_data(from(bias, {kernel.size(1)}).clone());
  };
  s.net.conv1->weight.set_data(filter(w[0], 3));
  s.net.conv1->bias.set_data(from(w[1], {64}).clone());
  s.net.conv2->weight.set_data(filter(w[2], 64));
  s.net.conv2->bias.set_data(from(w[3], {64}).clone());
  auto kernel = from(w[4], {6, 6, 64, 384});
  if (l == layout::nchw) kernel = kernel.permute({2, 0, 1, 3});
  dense(s.net.dense1, kernel.reshape({2304, 384}), w[5]);
  dense(s.net.dense2, from(w[6], {384, 192}), w[7]);
  dense(s.net.output, from(w[8], {192, 10}), w[9]);
  s.images = from(images, {batch, 24, 24, 3}).permute({0, 3, 1, 2}).clone().contiguous(format);
  s.labels = torch::from_blob(const_cast<std::int32_t*>(labels), {batch}, torch::kInt32).to(torch::kInt64);
}

cifar10_network::~cifar10_network() = default;

float cifar10_network::loss() {
  torch::NoGradGuard no_tape;
  return state_->loss().item<float>();
}

void cifar10_network::step() {
  state_->optimizer.zero_grad();
  state_->loss().backward();
  state_->optimizer.step();
}

}  // namespace bench::torch_peer

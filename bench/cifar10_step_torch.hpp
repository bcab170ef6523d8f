// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The network of cifar10_step.cpp in libtorch; see peer_torch.hpp.

#include "peer_torch.hpp"

namespace bench::torch_peer {

/// Its loss, weight decay included, and steps of plain gradient descent on images of 24 x 24 x 3.
class cifar10_network {
 public:
  /// `weights` are the values of the variables as TensorFlow stores them: kernel and bias of each layer, in order.
  cifar10_network(layout l, const std::vector<const float*>& weights, const float* images, const std::int32_t* labels,
                  std::int64_t batch, double learning_rate, double weight_decay);
  cifar10_network(const cifar10_network&) = delete;
  cifar10_network& operator=(const cifar10_network&) = delete;
  ~cifar10_network();
  /// The loss before the step.
  float loss();
  void step();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace bench::torch_peer

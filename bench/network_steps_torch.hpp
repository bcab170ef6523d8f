// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Networks of network_steps.cpp in libtorch; see peer_torch.hpp.

#include <cstdint>
#include <memory>
#include <vector>

namespace bench::torch_peer {

/// A network with its data: one step of plain gradient descent on the mean sparse softmax cross-entropy.
class network {
 public:
  struct state;
  explicit network(std::unique_ptr<state> s);
  network(const network&) = delete;
  network& operator=(const network&) = delete;
  ~network();
  /// The loss before the step.
  float loss();
  void step();

 private:
  std::unique_ptr<state> state_;
};

/// Dense layers of these sizes with relu between them; kernels [in, out] and biases in order.
std::unique_ptr<network> dense_network(const std::vector<std::int64_t>& sizes, const std::vector<const float*>& weights,
                                       const float* x, const std::int32_t* labels, std::int64_t batch, double learning_rate);

/// lstm and gru_module are libtorch's own layers; its GRU applies the reset gate after the candidate's product, another
/// formula, whose loss differs. gru is Rill's, in operations of libtorch.
enum class recurrence { lstm, gru, gru_module };
/// Embedding [words, units], two recurrent layers, a dense layer over the words. Weights as Rill has them: the embedding; of each
/// layer kernel [2 units, 4 units] with gates i, j, f, o and bias, or the gates' kernel [2 units, 2 units] and bias and the
/// candidate's [2 units, units] and bias; kernel and bias of the dense layer. Words and targets are [time, batch].
std::unique_ptr<network> language_model(recurrence layers, std::int64_t vocabulary, std::int64_t units, std::int64_t time, std::int64_t batch,
                                        const std::vector<const float*>& weights, const std::int32_t* words,
                                        const std::int32_t* targets, double learning_rate);

}  // namespace bench::torch_peer

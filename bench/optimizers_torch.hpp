// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Optimizers and embeddings of optimizers.cpp in libtorch; see peer_torch.hpp.

#include <cstdint>
#include <memory>
#include <vector>

namespace bench::torch_peer {

enum class update_rule { gradient_descent, momentum, adagrad, adam };

/// Parameters whose gradients are set: a call is one step of the optimizer.
class parameters {
 public:
  parameters(update_rule rule, double learning_rate, const std::vector<const float*>& values, const std::vector<const float*>& gradients,
             std::int64_t elements);
  parameters(const parameters&) = delete;
  parameters& operator=(const parameters&) = delete;
  ~parameters();
  void step();
  [[nodiscard]] const float* value(std::size_t k) const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// An embedding of which rows are looked up and then moved by the gradient `dy`, which is sparse.
class embedding {
 public:
  embedding(update_rule rule, double learning_rate, const float* table, std::int64_t vocabulary, std::int64_t width, const std::int32_t* ids,
            const float* dy, std::int64_t count);
  embedding(const embedding&) = delete;
  embedding& operator=(const embedding&) = delete;
  ~embedding();
  void step();
  [[nodiscard]] const float* table() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// Skip-gram with noise-contrastive estimation: sparse gradients, plain gradient descent.
class skip_gram {
 public:
  skip_gram(double learning_rate, const float* embeddings, const float* weights, const float* biases, std::int64_t vocabulary, std::int64_t width,
            const std::int32_t* words, const std::int32_t* labels, std::int64_t batch, const std::int32_t* sampled, std::int64_t negatives);
  skip_gram(const skip_gram&) = delete;
  skip_gram& operator=(const skip_gram&) = delete;
  ~skip_gram();
  void step();
  [[nodiscard]] const float* embeddings() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace bench::torch_peer

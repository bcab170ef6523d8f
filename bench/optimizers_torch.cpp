// SPDX-License-Identifier: Apache-2.0
// Optimizers and embeddings in libtorch.
#include "optimizers_torch.hpp"

#include <torch/nn/functional/activation.h>
#include <torch/optim/adagrad.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

namespace bench::torch_peer {

namespace {

torch::Tensor from(const float* p, torch::IntArrayRef sizes) { return torch::from_blob(const_cast<float*>(p), sizes).clone(); }
torch::Tensor parameter(const float* p, torch::IntArrayRef sizes) { return from(p, sizes).requires_grad_(true); }
torch::Tensor indices(const std::int32_t* p, std::int64_t n) {
  return torch::from_blob(const_cast<std::int32_t*>(p), {n}, torch::kInt32).to(torch::kInt64);
}
std::unique_ptr<torch::optim::Optimizer> optimizer(update_rule rule, double rate, std::vector<torch::Tensor> of) {
  using namespace torch::optim;
  switch (rule) {
    case update_rule::momentum: return std::make_unique<SGD>(std::move(of), SGDOptions(rate).momentum(0.9));
    case update_rule::adagrad: return std::make_unique<Adagrad>(std::move(of), AdagradOptions(rate).initial_accumulator_value(0.1));
    case update_rule::adam: return std::make_unique<Adam>(std::move(of), AdamOptions(rate));
    default: return std::make_unique<SGD>(std::move(of), SGDOptions(rate));
  }
}

}  // namespace

struct parameters::state {
  std::vector<torch::Tensor> values;
  std::unique_ptr<torch::optim::Optimizer> optimizer;
};
parameters::parameters(update_rule rule, double learning_rate, const std::vector<const float*>& values, const std::vector<const float*>& gradients,
                       std::int64_t elements)
    : state_(std::make_unique<state>()) {
  for (std::size_t k = 0; k < values.size(); ++k) {
    state_->values.push_back(parameter(values[k], {elements}));
    state_->values.back().mutable_grad() = from(gradients[k], {elements});
  }
  state_->optimizer = optimizer(rule, learning_rate, state_->values);
}
parameters::~parameters() = default;
void parameters::step() { state_->optimizer->step(); }
const float* parameters::value(std::size_t k) const { return state_->values[k].data_ptr<float>(); }

struct embedding::state {
  torch::Tensor table, ids, dy;
  std::unique_ptr<torch::optim::Optimizer> optimizer;
};
embedding::embedding(update_rule rule, double learning_rate, const float* table, std::int64_t vocabulary, std::int64_t width,
                     const std::int32_t* ids, const float* dy, std::int64_t count)
    : state_(std::make_unique<state>()) {
  state_->table = parameter(table, {vocabulary, width});
  state_->ids = indices(ids, count);
  state_->dy = from(dy, {count, width});
  state_->optimizer = optimizer(rule, learning_rate, {state_->table});
}
embedding::~embedding() = default;
void embedding::step() {
  state_->optimizer->zero_grad();
  torch::embedding(state_->table, state_->ids, -1, false, true).backward(state_->dy);
  state_->optimizer->step();
}
const float* embedding::table() const { return state_->table.data_ptr<float>(); }

struct skip_gram::state {
  torch::Tensor embeddings, weights, biases, words, labels, sampled, ones, zeros;
  std::unique_ptr<torch::optim::Optimizer> optimizer;
};
skip_gram::skip_gram(double learning_rate, const float* embeddings, const float* weights, const float* biases, std::int64_t vocabulary,
                     std::int64_t width, const std::int32_t* words, const std::int32_t* labels, std::int64_t batch, const std::int32_t* sampled,
                     std::int64_t negatives)
    : state_(std::make_unique<state>()) {
  state& s = *state_;
  s.embeddings = parameter(embeddings, {vocabulary, width}), s.weights = parameter(weights, {vocabulary, width});
  s.biases = parameter(biases, {vocabulary, 1});
  s.words = indices(words, batch), s.labels = indices(labels, batch), s.sampled = indices(sampled, negatives);
  s.ones = torch::ones({batch, 1}), s.zeros = torch::zeros({batch, negatives});
  s.optimizer = optimizer(update_rule::gradient_descent, learning_rate, {s.embeddings, s.weights, s.biases});
}
skip_gram::~skip_gram() = default;
void skip_gram::step() {
  state& s = *state_;
  s.optimizer->zero_grad();
  const auto rows = [](const torch::Tensor& table, const torch::Tensor& ids) { return torch::embedding(table, ids, -1, false, true); };
  const auto x = rows(s.embeddings, s.words);
  const auto right = (x * rows(s.weights, s.labels)).sum(1, true) + rows(s.biases, s.labels);
  const auto wrong = torch::addmm(rows(s.biases, s.sampled).t(), x, rows(s.weights, s.sampled).t());
  const auto loss = torch::binary_cross_entropy_with_logits(right, s.ones, {}, {}, at::Reduction::Sum) +
                    torch::binary_cross_entropy_with_logits(wrong, s.zeros, {}, {}, at::Reduction::Sum);
  (loss / static_cast<double>(s.words.size(0))).backward();
  s.optimizer->step();
}
const float* skip_gram::embeddings() const { return state_->embeddings.data_ptr<float>(); }

}  // namespace bench::torch_peer

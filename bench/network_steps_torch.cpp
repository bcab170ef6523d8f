// SPDX-License-Identifier: Apache-2.0
// Networks of dense and recurrent layers in libtorch.
#include "network_steps_torch.hpp"

#include <torch/nn/functional/activation.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/rnn.h>
#include <torch/optim/sgd.h>

namespace bench::torch_peer {

struct network::state {
  torch::Tensor x, labels;
  std::unique_ptr<torch::optim::SGD> optimizer;
  virtual ~state() = default;
  virtual torch::Tensor logits() = 0;
};

network::network(std::unique_ptr<state> s) : state_(std::move(s)) {}
network::~network() = default;
float network::loss() {
  torch::NoGradGuard no_tape;
  return torch::cross_entropy_loss(state_->logits(), state_->labels).item<float>();
}
void network::step() {
  state_->optimizer->zero_grad();
  torch::cross_entropy_loss(state_->logits(), state_->labels).backward();
  state_->optimizer->step();
}

namespace {

torch::Tensor from(const float* p, torch::IntArrayRef sizes) { return torch::from_blob(const_cast<float*>(p), sizes).clone(); }
torch::Tensor whole_numbers(const std::int32_t* p, torch::IntArrayRef sizes) {
  return torch::from_blob(const_cast<std::int32_t*>(p), sizes, torch::kInt32).to(torch::kInt64);
}
void set(torch::nn::Linear& l, const float* kernel, const float* bias) {
  const auto in = l->options.in_features(), out = l->options.out_features();
  l->weight.set_data(from(kernel, {in, out}).t().contiguous());
  l->bias.set_data(from(bias, {out}));
}

struct dense_state : network::state {
  std::vector<torch::nn::Linear> layers;
  torch::Tensor logits() override {
    torch::Tensor y = x;
    for (std::size_t k = 0; k < layers.size(); ++k) {
      y = layers[k]->forward(y);
      if (k + 1 < layers.size()) y = torch::relu(y);
    }
    return y;
  }
};
/// The GRU of TensorFlow's formula: the reset gate is applied before the candidate's product.
struct gru_layer {
  torch::Tensor input, bias, gates, candidate;  // [units, 3 units], [3 units], [units, 2 units], [units, units]
  torch::Tensor operator()(const torch::Tensor& x) const {
    const std::int64_t units = gates.size(0);
    const auto z = torch::addmm(bias, x.flatten(0, 1), input).view({x.size(0), x.size(1), 3 * units});
    const auto of_gates = z.slice(2, 0, 2 * units).unbind(), of_candidate = z.slice(2, 2 * units).unbind();
    torch::Tensor h = torch::zeros({x.size(1), units});
    std::vector<torch::Tensor> y;
    for (std::size_t t = 0; t < of_gates.size(); ++t) {
      const auto g = torch::sigmoid(torch::addmm(of_gates[t], h, gates)).chunk(2, 1);
      const auto c = torch::tanh(torch::addmm(of_candidate[t], g[0] * h, candidate));
      y.push_back(h = torch::lerp(c, h, g[1]));
    }
    return torch::stack(y);
  }
};
struct language_state : network::state {
  torch::nn::Embedding table{nullptr};
  std::vector<std::function<torch::Tensor(const torch::Tensor&)>> layers;
  torch::nn::Linear output{nullptr};
  torch::Tensor logits() override {
    torch::Tensor y = table->forward(x);
    for (const auto& layer : layers) y = layer(y);
    return output->forward(y.flatten(0, 1));
  }
};

}  // namespace

std::unique_ptr<network> dense_network(const std::vector<std::int64_t>& sizes, const std::vector<const float*>& weights,
                                       const float* x, const std::int32_t* labels, std::int64_t batch, double learning_rate) {
  torch::NoGradGuard no_tape;
  auto s = std::make_unique<dense_state>();
  s->x = from(x, {batch, sizes[0]});
  s->labels = whole_numbers(labels, {batch});
  std::vector<torch::Tensor> parameters;
  for (std::size_t k = 0; k + 1 < sizes.size(); ++k) {
    torch::nn::Linear l(sizes[k], sizes[k + 1]);
    set(l, weights[2 * k], weights[2 * k + 1]);
    for (const auto& p : l->parameters()) parameters.push_back(p);
    s->layers.push_back(l);
  }
  s->optimizer = std::make_unique<torch::optim::SGD>(parameters, torch::optim::SGDOptions(learning_rate));
  return std::make_unique<network>(std::move(s));
}

std::unique_ptr<network> language_model(recurrence layers, std::int64_t vocabulary, std::int64_t units, std::int64_t time, std::int64_t batch,
                                        const std::vector<const float*>& weights, const std::int32_t* words,
                                        const std::int32_t* targets, double learning_rate) {
  torch::NoGradGuard no_tape;
  auto s = std::make_unique<language_state>();
  s->x = whole_numbers(words, {time, batch});
  s->labels = whole_numbers(targets, {time * batch});
  s->table = torch::nn::Embedding(torch::nn::EmbeddingOptions(vocabulary, units));
  s->table->weight.set_data(from(weights[0], {vocabulary, units}));
  std::vector<torch::Tensor> parameters = s->table->parameters();
  auto w = weights.begin() + 1;
  if (layers == recurrence::lstm) {
    const auto gates = [&](torch::Tensor t) {  // i, j, f, o along the first axis to i, f, g, o
      const auto q = t.chunk(4, 0);
      return torch::cat({q[0], q[2], q[1], q[3]}, 0).contiguous();
    };
    torch::nn::LSTM lstm(torch::nn::LSTMOptions(units, units).num_layers(2));
    for (std::size_t layer = 0; layer < 2; ++layer, w += 2) {
      const auto kernel = from(w[0], {2 * units, 4 * units});
      const std::string l = "_l" + std::to_string(layer);
      auto named = lstm->named_parameters();
      named["weight_ih" + l].set_data(gates(kernel.slice(0, 0, units).t()));
      named["weight_hh" + l].set_data(gates(kernel.slice(0, units, 2 * units).t()));
      named["bias_ih" + l].set_data(gates(from(w[1], {4 * units})));
      named["bias_hh" + l].zero_();
    }
    for (const auto& p : lstm->parameters()) parameters.push_back(p);
    s->layers = {[lstm](const torch::Tensor& x) mutable { return std::get<0>(lstm->forward(x)); }};
  } else if (layers == recurrence::gru_module) {
    torch::nn::GRU gru(torch::nn::GRUOptions(units, units).num_layers(2));
    for (const auto& p : gru->parameters()) parameters.push_back(p);
    s->layers = {[gru](const torch::Tensor& x) mutable { return std::get<0>(gru->forward(x)); }};
    w += 8;
  } else
    for (std::size_t layer = 0; layer < 2; ++layer, w += 4) {
      const auto gates = from(w[0], {2 * units, 2 * units}), candidate = from(w[2], {2 * units, units});
      const auto parameter = [&](const torch::Tensor& t) { return parameters.emplace_back(t.contiguous().clone().requires_grad_()); };
      gru_layer l;
      l.input = parameter(torch::cat({gates.slice(0, 0, units), candidate.slice(0, 0, units)}, 1));
      l.bias = parameter(torch::cat({from(w[1], {2 * units}), from(w[3], {units})}, 0));
      l.gates = parameter(gates.slice(0, units)), l.candidate = parameter(candidate.slice(0, units));
      s->layers.push_back(l);
    }
  s->output = torch::nn::Linear(units, vocabulary);
  set(s->output, w[0], w[1]);
  for (const auto& p : s->output->parameters()) parameters.push_back(p);
  s->optimizer = std::make_unique<torch::optim::SGD>(parameters, torch::optim::SGDOptions(learning_rate));
  return std::make_unique<network>(std::move(s));
}

}  // namespace bench::torch_peer

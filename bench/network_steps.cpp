// SPDX-License-Identifier: Apache-2.0
// Whole training steps of dense networks and of the language model of the recurrent tutorial, with LSTM and with GRU layers.
#include <rill/graph/session.hpp>
#include <rill/kernel/indexing.hpp>
#include <rill/losses/sparse_softmax_cross_entropy.hpp>
#include <rill/nn/dynamic_rnn.hpp>
#include <rill/nn/nn.hpp>
#include <rill/ops/indexing.hpp>
#include <rill/optimizers/gradient_descent.hpp>

#include <cmath>

#include "harness.hpp"
#if defined(RILL_BENCH_TORCH)
#include "network_steps_torch.hpp"
#include "peer_torch.hpp"
#endif

namespace bench {

namespace {

namespace nn = rill::nn;

constexpr float learning_rate = 0.001f;

inline constexpr auto mlp = nn::sequential(nn::dense{.units = 500, .activation = rill::relu}, nn::dense{.units = 10});
inline constexpr auto iris = nn::sequential(nn::dense{.units = 10, .activation = rill::relu},
                                            nn::dense{.units = 10, .activation = rill::relu}, nn::dense{.units = 3});
inline constexpr auto lstms = nn::multi_rnn_cell(nn::basic_lstm_cell{.units = 200, .forget_bias = 0},
                                                 nn::basic_lstm_cell{.units = 200, .forget_bias = 0});
inline constexpr auto grus = nn::multi_rnn_cell(nn::gru_cell{.units = 200}, nn::gru_cell{.units = 200});

/// Net is a layer as a constant.
template <const auto& Net>
struct classify_step {
  constexpr auto operator()(auto x, auto labels) const {
    const auto loss = rill::losses::sparse_softmax_cross_entropy(labels, Net(x));
    return rill::outputs(rill::fetch("loss", loss), rill::fetch("train", rill::optimizers::gradient_descent{learning_rate}.minimize(loss)));
  }
};
constexpr std::int64_t vocabulary = 10000, units = 200, time_steps = 20, streams = 20;
template <const auto& Cells>
struct language_step {
  constexpr auto operator()(auto words, auto targets) const {
    const auto table = rill::variable(words, {.name = "embedding", .shape = {vocabulary, units}, .initializer = rill::initializers::random_uniform(-0.1, 0.1)});
    const auto y = nn::dynamic_rnn(Cells, rill::embedding_lookup(table, words), {.time_major = true}).first;
    const auto logits = nn::dense{.units = vocabulary, .name = "softmax"}(rill::reshape(y, {time_steps * streams, units}));
    const auto loss = rill::losses::sparse_softmax_cross_entropy(rill::reshape(targets, {time_steps * streams}), logits);
    return rill::outputs(rill::fetch("loss", loss), rill::fetch("train", rill::optimizers::gradient_descent{learning_rate}.minimize(loss)));
  }
};

template <class Step, class X, class Y>
struct program {
  program(X in, Y out) : x(std::move(in)), y(std::move(out)), session(store) {
    for (const auto& v : store.variables())
      if (v->shape.rank() > 0) weights.push_back(static_cast<const float*>(v->data));
  }
  X x;
  Y y;
  rill::graph::variable_store store;
  rill::graph::session<Step, X, Y> session;
  std::vector<const float*> weights;  ///< in order of creation
};

/// The duel of a program with a peer that holds the same weights.
template <class P>
duel against(const std::shared_ptr<P>& p, double flops, [[maybe_unused]] const auto& make_peer) {
  duel d;
  d.cost.flops = flops;
#if defined(RILL_BENCH_TORCH)
  std::shared_ptr<torch_peer::network> net = make_peer(*p);
  const double got = net->loss(), want = std::get<0>(p->session.run(p->x, p->y))();
  if (!(std::fabs(got - want) <= 1e-4 * want))
    throw wrong_result(torch_peer::name() + ": the loss is " + std::to_string(got) + ", Rill's " + std::to_string(want));
  d.peers.push_back({torch_peer::name(), [net] { net->step(); }});
#endif
  d.rill = {"Rill", [p] { p->session.step(p->x, p->y); }};
  return d;
}

template <const auto& Net, std::int64_t Features, std::int64_t Classes>
duel dense_step(const std::vector<std::int64_t>& sizes) {
  using X = rill::tensor<float, rill::dyn, Features>;
  using Y = rill::tensor<int, rill::dyn>;
  X x({100, Features});
  Y y({100});
  const auto values = noise(static_cast<std::size_t>(100 * Features), 1);
  for (std::int64_t k = 0; k < 100 * Features; ++k) x.data()[k] = values[static_cast<std::size_t>(k)];
  for (std::int64_t k = 0; k < 100; ++k) y.data()[k] = static_cast<int>(k % Classes);
  double flops = 0;  // the first layer needs no gradient of its input
  for (std::size_t k = 0; k + 1 < sizes.size(); ++k) flops += (k == 0 ? 4.0 : 6.0) * 100.0 * static_cast<double>(sizes[k] * sizes[k + 1]);
  auto p = std::make_shared<program<classify_step<Net>, X, Y>>(std::move(x), std::move(y));
  return against(p, flops, [&]([[maybe_unused]] auto& q) {
#if defined(RILL_BENCH_TORCH)
    return torch_peer::dense_network(sizes, q.weights, q.x.data(), q.y.data(), 100, learning_rate);
#endif
  });
}
/// Gates: matrices of units by units in each of a cell's two kernels.
template <const auto& Cells, int Gates>
duel recurrent_step() {
  using W = rill::tensor<int, time_steps, streams>;
  W words, targets;
  for (std::int64_t k = 0; k < time_steps * streams; ++k)
    words.data()[k] = static_cast<int>(k * 7919 % vocabulary), targets.data()[k] = static_cast<int>((k + streams) * 7919 % vocabulary);
  auto p = std::make_shared<program<language_step<Cells>, W, W>>(words, targets);
  const double rows = time_steps * streams, per_row = 2.0 * 2 * units * Gates * units + static_cast<double>(units * vocabulary);
#if defined(RILL_BENCH_TORCH)
  const auto peer = [](torch_peer::recurrence r, auto& q) {
    return torch_peer::language_model(r, vocabulary, units, time_steps, streams, q.weights, q.x.data(), q.y.data(), learning_rate);
  };
  duel d = against(p, 6 * rows * per_row, [&](auto& q) { return peer(Gates == 4 ? torch_peer::recurrence::lstm : torch_peer::recurrence::gru, q); });
  if constexpr (Gates == 3) {  // another formula: there is no loss to compare
    std::shared_ptr<torch_peer::network> module = peer(torch_peer::recurrence::gru_module, *p);
    d.peers.push_back({torch_peer::name() + " GRU module, reset after the product", [module] { module->step(); }});
  }
  return d;
#else
  return against(p, 6 * rows * per_row, [](auto&) {});
#endif
}

}  // namespace

void add_network_steps() {
  const std::string family = "training step of a network";
  add(family, "MLP 784-500-10, batch 100", many_threads(), [] { return dense_step<mlp, 784, 10>({784, 500, 10}); });
  add(family, "Iris 4-10-10-3, batch 100", 1, [] { return dense_step<iris, 4, 3>({4, 10, 10, 3}); });
  add(family, "LSTM 2x200, batch 20, 20 steps, vocabulary 10000", many_threads(), [] { return recurrent_step<lstms, 4>(); });
  add(family, "GRU 2x200, batch 20, 20 steps, vocabulary 10000", many_threads(), [] { return recurrent_step<grus, 3>(); });
}

}  // namespace bench

// SPDX-License-Identifier: Apache-2.0
// Updates of parameters: every optimizer over one million numbers whose gradients are given, in one tensor and in a hundred; rows of an
// embedding that are looked up and moved; a step of skip-gram.
#include <rill/graph/session.hpp>
#include <rill/nn/embedding.hpp>
#include <rill/optimizers/optimizers.hpp>

#include "harness.hpp"
#if defined(RILL_BENCH_TORCH)
#include "optimizers_torch.hpp"
#include "peer_torch.hpp"
#endif

namespace bench {

namespace {

using rill::symbol;
namespace optimizers = rill::optimizers;

constexpr double learning_rate = 0.01;

/// Variables and the gradients that are fed for them.
template <class Optimizer, std::int64_t Elements>
struct update {
  template <class... G>
  constexpr auto operator()(G... gradient) const {
    const symbol all[] = {gradient...};
    rill::graph::builder& b = *all[0].g;
    const Optimizer optimizer{.learning_rate = learning_rate};
    const symbol count = optimizers::global_step(b);
    optimizers::slot_set slots(b, rill::cast<float>(count + 1));
    for (const symbol& g : all) {
      const rill::variable_scope scope(g, "parameter");
      optimizer.apply(rill::variable(g, {.name = "w", .shape = {Elements}}), g, slots);
    }
    rill::assign(count, count + 1);
    return rill::outputs(rill::fetch("train", rill::operation{&b}));
  }
};
template <class Optimizer, std::int64_t Elements, class Index>
struct session_of;
template <class Optimizer, std::int64_t Elements, std::size_t... I>
struct session_of<Optimizer, Elements, std::index_sequence<I...>> {
  using gradient = rill::tensor<float, Elements>;
  using type = rill::graph::session<update<Optimizer, Elements>, std::conditional_t<(I < sizeof...(I)), gradient, void>...>;
  static void step(type& s, const std::vector<gradient>& g) { s.step(g[I]...); }
};

/// `each`: bytes that a number takes at least, read and written.
template <class Optimizer, std::int64_t Elements, std::size_t Tensors>
duel whole([[maybe_unused]] int rule, double each) {
  using made = session_of<Optimizer, Elements, std::make_index_sequence<Tensors>>;
  struct program {
    rill::graph::variable_store store;
    std::vector<typename made::gradient> gradients;
    std::unique_ptr<typename made::type> session;
  };
  auto p = std::make_shared<program>();
  p->session = std::make_unique<typename made::type>(p->store);
  std::vector<const float*> values, gradients;
  for (std::size_t k = 0; k < Tensors; ++k) {
    p->gradients.emplace_back();
    const auto g = noise(static_cast<std::size_t>(Elements), static_cast<unsigned>(k));
    for (std::int64_t i = 0; i < Elements; ++i)  // far from zero, where Adam's epsilon, which has another place in the peer's formula, would show
      p->gradients[k].data()[i] = g[static_cast<std::size_t>(i)] + 1.5f;
  }
  for (const auto& g : p->gradients) gradients.push_back(g.data());
  for (const auto& v : p->store.variables())
    if (v->trainable) values.push_back(static_cast<const float*>(v->data));
  duel d{{.bytes = each * static_cast<double>(Elements) * static_cast<double>(Tensors)}, {"Rill", [p] { made::step(*p->session, p->gradients); }}, {}};
#if defined(RILL_BENCH_TORCH)
  auto peer = std::make_shared<torch_peer::parameters>(static_cast<torch_peer::update_rule>(rule), learning_rate, values, gradients, Elements);
  for (int t = 0; t < 2; ++t) peer->step(), d.rill.call();
  for (std::size_t k = 0; k < Tensors; ++k)
    expect_close(torch_peer::name(), peer->value(k), values[k], static_cast<std::size_t>(Elements), 1e-4);
  d.peers.push_back({torch_peer::name(), [peer] { peer->step(); }});
#endif
  return d;
}

constexpr std::int64_t vocabulary = 50000, width = 128;

/// Rows that are looked up, and the update of the table by the gradient that is fed for them.
template <class Optimizer>
struct lookup {
  constexpr auto operator()(symbol ids, symbol dy) const {
    symbol rows = rill::nn::embedding{.input_dim = vocabulary, .output_dim = width}(ids);
    return rill::outputs(rill::fetch("rows", rows), rill::fetch("train", Optimizer{.learning_rate = learning_rate}.minimize(rill::reduce_sum(rows * dy))));
  }
};
/// Indices of words: few are frequent, most are rare.
int word(std::int64_t k) {
  const auto x = static_cast<std::uint64_t>(k + 1) * 0x9e3779b97f4a7c15u;
  const double u = static_cast<double>(x >> 11) * 0x1p-53;
  return static_cast<int>(u * u * u * static_cast<double>(vocabulary));
}

template <class Optimizer, std::int64_t Count>
duel rows([[maybe_unused]] int rule, double each) {
  using ids_type = rill::tensor<int, Count>;
  using rows_type = rill::tensor<float, Count, width>;
  struct program {
    rill::graph::variable_store store;
    rill::graph::session<lookup<Optimizer>, ids_type, rows_type> session{store};
    ids_type ids;
    rows_type dy;
  };
  auto p = std::make_shared<program>();
  const auto g = noise(static_cast<std::size_t>(Count * width), 5);
  for (std::int64_t i = 0; i < Count * width; ++i) p->dy.data()[i] = g[static_cast<std::size_t>(i)];
  for (std::int64_t i = 0; i < Count; ++i) p->ids.data()[i] = word(i);
  duel d{{.bytes = each * Count * width}, {"Rill", [p] { p->session.step(p->ids, p->dy); }}, {}};
#if defined(RILL_BENCH_TORCH)
  const auto* table = static_cast<const float*>(p->store.find("embedding/embeddings")->data);
  auto peer = std::make_shared<torch_peer::embedding>(static_cast<torch_peer::update_rule>(rule), learning_rate, table, vocabulary, width,
                                                      p->ids.data(), p->dy.data(), Count);
  for (int t = 0; t < 2; ++t) peer->step(), d.rill.call();
  expect_close(torch_peer::name(), peer->table(), table, static_cast<std::size_t>(vocabulary * width), 1e-4);
  d.peers.push_back({torch_peer::name(), [peer] { peer->step(); }});
#endif
  return d;
}

constexpr std::int64_t batch = 128, negatives = 64;

struct word2vec {
  constexpr auto operator()(symbol words, symbol labels, symbol sampled) const {
    symbol embeddings = rill::variable(words, {.name = "embeddings", .shape = {vocabulary, width}, .initializer = rill::initializers::random_uniform(-1, 1)});
    symbol weights = rill::variable(words, {.name = "nce_weights", .shape = {vocabulary, width}, .initializer = rill::initializers::truncated_normal(0, 0.088)});
    symbol biases = rill::variable(words, {.name = "nce_biases", .shape = {vocabulary}, .initializer = rill::initializers::zeros()});
    symbol x = rill::embedding_lookup(embeddings, words);
    symbol right = rill::reduce_sum(x * rill::embedding_lookup(weights, labels), {.axis = {1}}) + rill::embedding_lookup(biases, labels);
    symbol wrong = rill::matmul(x, rill::embedding_lookup(weights, sampled), {.transpose_b = true}) + rill::embedding_lookup(biases, sampled);
    symbol loss = (rill::reduce_sum(rill::softplus(-right)) + rill::reduce_sum(rill::softplus(wrong))) * (1.0 / batch);
    return rill::outputs(rill::fetch("loss", loss), rill::fetch("train", optimizers::gradient_descent{.learning_rate = 0.1}.minimize(loss)));
  }
};
duel skip_gram() {
  using words = rill::tensor<int, batch>;
  using samples = rill::tensor<int, negatives>;
  struct program {
    rill::graph::variable_store store;
    rill::graph::session<word2vec, words, words, samples> session{store};
    words x, y;
    samples sampled;
  };
  auto p = std::make_shared<program>();
  for (std::int64_t i = 0; i < batch; ++i) p->x.data()[i] = word(i), p->y.data()[i] = word(i + 1);
  for (std::int64_t i = 0; i < negatives; ++i) p->sampled.data()[i] = word(7 * i + 1000);
  const double flops = 6.0 * batch * width * (negatives + 1);
  duel d{{.flops = flops}, {"Rill", [p] { p->session.step(p->x, p->y, p->sampled); }}, {}};
#if defined(RILL_BENCH_TORCH)
  const auto value = [&](const char* name) { return static_cast<const float*>(p->store.find(name)->data); };
  auto peer = std::make_shared<torch_peer::skip_gram>(0.1, value("embeddings"), value("nce_weights"), value("nce_biases"), vocabulary, width,
                                                      p->x.data(), p->y.data(), batch, p->sampled.data(), negatives);
  for (int t = 0; t < 2; ++t) peer->step(), d.rill.call();
  expect_close(torch_peer::name(), peer->embeddings(), value("embeddings"), static_cast<std::size_t>(vocabulary * width), 1e-4);
  d.peers.push_back({torch_peer::name(), [peer] { peer->step(); }});
#endif
  return d;
}

}  // namespace

void add_optimizers() {
  using optimizers::adagrad;
  using optimizers::adam;
  using optimizers::gradient_descent;
  using optimizers::momentum;
  for (int threads = 1; threads <= many_threads(); ++threads) {
    const std::string family = "optimizer over a million parameters";
    add(family, "gradient descent, one tensor", threads, [] { return whole<gradient_descent, 1000000, 1>(0, 12); });
    add(family, "Momentum, one tensor", threads, [] { return whole<momentum, 1000000, 1>(1, 20); });
    add(family, "Adagrad, one tensor", threads, [] { return whole<adagrad, 1000000, 1>(2, 20); });
    add(family, "Adam, one tensor", threads, [] { return whole<adam, 1000000, 1>(3, 28); });
    add(family, "gradient descent, 100 tensors", threads, [] { return whole<gradient_descent, 10000, 100>(0, 12); });
    add(family, "Adam, 100 tensors", threads, [] { return whole<adam, 10000, 100>(3, 28); });
  }
  for (int threads = 1; threads <= many_threads(); ++threads) {
    const std::string family = "embedding: lookup, gradient and update";
    add(family, "128 rows of 50000x128, gradient descent", threads, [] { return rows<gradient_descent, 128>(0, 20); });
    add(family, "20x128 rows of 50000x128, gradient descent", threads, [] { return rows<gradient_descent, 2560>(0, 20); });
    add(family, "128 rows of 50000x128, Adagrad", threads, [] { return rows<adagrad, 128>(2, 28); });
    add(family, "20x128 rows of 50000x128, Adagrad", threads, [] { return rows<adagrad, 2560>(2, 28); });
    add(family, "word2vec: batch 128, 64 negatives, 50000x128", threads, [] { return skip_gram(); });
  }
}

}  // namespace bench

// SPDX-License-Identifier: Apache-2.0
// Layer normalization, batch normalization in training, softmax and its logarithm, forward and backward.
#include <rill/kernel/nn.hpp>

#include <memory>

#include "harness.hpp"
#if defined(RILL_BENCH_TORCH)
#include "normalization_torch.hpp"
#include "peer_torch.hpp"
#endif

namespace bench {

namespace {

constexpr float epsilon = 1e-3f;
enum class kind { layer, batch, softmax, log_softmax };

struct data {
  data(kind k, std::int64_t r, std::int64_t c)
      : what(k), rows(r), n(c), x(noise(static_cast<std::size_t>(r * c), 3)), dy(noise(x.size(), 4)),
        scale(noise(static_cast<std::size_t>(c), 5)), offset(noise(static_cast<std::size_t>(c), 6)), y(x), dx(x), ds(scale), db(scale),
        mean(scale), variance(scale) {}
  kind what;
  std::int64_t rows, n;
  std::vector<float> x, dy, scale, offset, y, dx, ds, db, mean, variance;

  void forward() {
    namespace k = rill::kernel;
    switch (what) {
      case kind::layer: return k::layer_norm(rows, n, x.data(), scale.data(), offset.data(), epsilon, y.data());
      case kind::batch:
        k::batch_moments(rows, n, 1, x.data(), mean.data(), variance.data());
        return k::batch_norm(rows, n, 1, x.data(), scale.data(), offset.data(), mean.data(), variance.data(), epsilon, y.data());
      case kind::softmax: return k::softmax(rows, n, x.data(), y.data());
      case kind::log_softmax: return k::log_softmax(rows, n, x.data(), y.data());
    }
  }
  void backward() {
    namespace k = rill::kernel;
    switch (what) {
      case kind::layer: return k::layer_norm_grad(rows, n, x.data(), scale.data(), dy.data(), epsilon, dx.data(), ds.data(), db.data());
      case kind::batch:
        return k::batch_norm_grad(rows, n, 1, x.data(), scale.data(), dy.data(), mean.data(), variance.data(), epsilon, dx.data(), ds.data(), db.data());
      case kind::softmax: return k::softmax_grad(rows, n, y.data(), dy.data(), dx.data());
      case kind::log_softmax: return k::log_softmax_grad(rows, n, y.data(), dy.data(), dx.data());
    }
  }
};

duel prepare(kind what, bool backward, std::int64_t rows, std::int64_t n) {
  auto d = std::make_shared<data>(what, rows, n);
  duel result;
  // Features can be normalized only when all rows have been seen, so where they do not fit a cache they are read twice.
  const double passes = (backward ? 3 : 2) + (what == kind::batch ? (backward ? 2 : 1) : 0);
  result.cost.bytes = 4.0 * passes * static_cast<double>(rows * n);
  result.rill = {"Rill", [d, backward] { backward ? d->backward() : d->forward(); }};
#if defined(RILL_BENCH_TORCH)
  namespace peer = torch_peer;
  const float *x = d->x.data(), *s = d->scale.data(), *b = d->offset.data(), *g = d->dy.data();
  const auto calls = what == kind::layer   ? peer::layer_norm(rows, n, x, s, b, g, static_cast<double>(epsilon))
                     : what == kind::batch ? peer::batch_norm(rows, n, x, s, b, g, static_cast<double>(epsilon))
                                           : peer::softmax(what == kind::log_softmax, rows, n, x, g);
  d->forward(), d->backward();
  expect_close(peer::name(), calls.forward(), d->y.data(), d->y.size(), 1e-4);
  expect_close(peer::name(), calls.backward(), d->dx.data(), d->dx.size(), 1e-4);
  result.peers.push_back({peer::name(), [call = backward ? calls.backward : calls.forward, d] { keep(call()); }});
#endif
  return result;
}

}  // namespace

void add_normalization() {
  struct row {
    kind what;
    const char* family;
    std::int64_t rows, n;
  };
  constexpr row rows[] = {
      {kind::layer, "layer normalization", 512, 128},      {kind::layer, "layer normalization", 256, 1024},
      {kind::layer, "layer normalization", 8192, 1024},    {kind::batch, "batch normalization", 100 * 14 * 14, 64},
      {kind::batch, "batch normalization", 100, 512},      {kind::batch, "batch normalization", 32 * 56 * 56, 64},
      {kind::softmax, "softmax", 1000, 10},                {kind::softmax, "softmax", 1000, 100},
      {kind::softmax, "softmax", 100, 1000},               {kind::softmax, "softmax", 400, 10000},
      {kind::log_softmax, "log softmax", 100, 1000},       {kind::log_softmax, "log softmax", 400, 10000}};
  for (const row& r : rows)
    for (const bool backward : {false, true})
      add(std::string(r.family) + (backward ? ", gradients" : ""), std::to_string(r.rows) + "x" + std::to_string(r.n), many_threads(),
          [r, backward] { return prepare(r.what, backward, r.rows, r.n); });
}

}  // namespace bench

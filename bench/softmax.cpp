// SPDX-License-Identifier: Apache-2.0
// Sparse softmax cross-entropy on logits: losses and gradient in one call.
#include <rill/kernel/softmax.hpp>

#include <memory>

#include "harness.hpp"
#if defined(RILL_BENCH_TORCH)
#include "peer_torch.hpp"
#endif

namespace bench {

namespace {

struct logits {
  logits(std::int64_t r, std::int64_t c)
      : rows(r), columns(c), x(noise(static_cast<std::size_t>(r * c), 3)), gradient(x.size()), loss(static_cast<std::size_t>(r)) {
    for (std::int64_t i = 0; i < r; ++i) labels.push_back(static_cast<std::int32_t>(i * 7919 % c));
  }
  std::int64_t rows, columns;
  std::vector<float> x, gradient, loss;
  std::vector<std::int32_t> labels;
};

duel prepare(std::int64_t rows, std::int64_t columns) {
  auto d = std::make_shared<logits>(rows, columns);
  duel result;
  result.cost.bytes = 8.0 * static_cast<double>(rows * columns);
  result.rill = {"Rill", [d] {
                   rill::kernel::sparse_softmax_cross_entropy(d->rows, d->columns, d->x.data(), d->labels.data(),
                                                              d->loss.data(), d->gradient.data());
                 }};
#if defined(RILL_BENCH_TORCH)
  auto call = torch_peer::softmax_cross_entropy(rows, columns, d->x.data(), d->labels.data());
  result.rill.call();
  // libtorch's gradient is that of the mean.
  std::vector<float> theirs(d->x.size());
  const float* p = call();
  for (std::size_t i = 0; i < theirs.size(); ++i) theirs[i] = p[i] * static_cast<float>(rows);
  expect_close(torch_peer::name(), theirs.data(), d->gradient.data(), theirs.size(), 1e-5);
  result.peers.push_back({torch_peer::name(), [call, d] { keep(call()); }});
#endif
  return result;
}

}  // namespace

void add_softmax() {
  constexpr std::pair<std::int64_t, std::int64_t> shapes[] = {{100, 10}, {100, 1000}, {32, 10000}};
  for (const auto& [rows, columns] : shapes)
    add("sparse softmax cross-entropy and gradient", std::to_string(rows) + "x" + std::to_string(columns), many_threads(),
        [rows = rows, columns = columns] { return prepare(rows, columns); });
}

}  // namespace bench

// SPDX-License-Identifier: Apache-2.0
// Steps side by side: which are, what they share, and that nobody sees a difference. (tests/graph/passes_fuzz_test.cpp runs
// the pairs of random graphs in the other order.)

#include <doctest/doctest.h>

#include <rill/graph/session.hpp>
#include <rill/losses/mean_squared_error.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/gradient_descent.hpp>

using namespace rill;

namespace {

inline constexpr auto tower = nn::sequential(nn::dense{.units = 32, .activation = relu}, nn::dense{.units = 32});
struct two_towers {
  constexpr auto operator()(symbol x, symbol y) const {
    symbol loss = losses::mean_squared_error(y, tower(x) * tower(tanh(x)));
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{0.1}.minimize(loss)));
  }
};
struct chain {  // where everything waits for what is before it
  constexpr auto operator()(symbol x, symbol) const {
    symbol y = nn::dense{.units = 32}(tower(x));
    return reduce_sum(y);
  }
};
using X = tensor<float, dyn, 32>;

template <class Model>
graph::image passes(double shortest) {
  return graph::run_passes(graph::trace<Model, X, X>(), shortest);
}
int pairs(const graph::image& im) {
  int n = 0;
  for (const auto& s : im.l.steps) n += s.beside;
  return n;
}
X numbers(std::int64_t rows, int seed) {
  X x({rows, 32});
  for (std::int64_t k = 0; k < x.size(); ++k) x.data()[k] = static_cast<float>(philox_uniform(static_cast<std::uint64_t>(k), 0, static_cast<std::uint64_t>(seed))) - 0.5f;
  return x;
}

}  // namespace

TEST_CASE("kernels that do not depend on each other come in pairs, whose results share no memory with the other's") {
  const graph::image im = passes<two_towers>(0);
  REQUIRE_FALSE(im.b.first_failure);
  CHECK(pairs(im) >= 4);
  for (std::size_t k = 0; k + 1 < im.l.steps.size(); ++k) {
    if (!im.l.steps[k].beside) continue;
    CAPTURE(k);
    CHECK_FALSE(im.l.steps[k + 1].beside);
    CHECK_FALSE(graph::detail::depend(im.l.steps[k], im.l.steps[k + 1]));
    for (const auto& o : im.l.steps[k + 1].program.outputs)
      if (o.memory.kind == graph::memory_ref::slot) CHECK(im.l.slots[static_cast<std::size_t>(o.memory.index)].first == static_cast<int>(k));
  }
  CHECK(pairs(passes<two_towers>(graph::shortest_side)) >= 3);
  CHECK(pairs(passes<chain>(0)) == 0);
}

TEST_CASE("a pair forks from a batch on that makes both worth it, and not where kernels fork themselves") {
  const graph::work_estimate small{0, 10}, large{100, 40};
  CHECK_FALSE(graph::worth_a_fork(small, large, 100));
  CHECK(graph::worth_a_fork(small, large, 300));
  CHECK_FALSE(graph::worth_a_fork(small, large, 1000));
}

TEST_CASE("any number of threads gives the same bits") {
  const X x = numbers(256, 1), y = numbers(256, 2);
  std::vector<tensor<float>> losses;
  for (int threads : {1, 2, 4}) {
    const thread_limit limit(threads);
    graph::session<two_towers, X, X> s;
    for (int k = 0; k < 20; ++k) s.step(x, y);
    losses.push_back(std::get<0>(s.run(x, y)));
  }
  CHECK(losses[0] == losses[1]);
  CHECK(losses[0] == losses[2]);
  CHECK(losses[0]() > 0);
}

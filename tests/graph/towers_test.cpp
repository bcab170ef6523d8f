// SPDX-License-Identifier: Apache-2.0
// Several towers on the CPU train as one session on the whole batch does.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <rill/graph/control_flow.hpp>
#include <rill/graph/towers.hpp>
#include <rill/graph/trace_log.hpp>
#include <rill/losses/losses.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/adam.hpp>
#include <rill/optimizers/gradient_descent.hpp>

namespace {

using namespace rill;

struct train {
  static constexpr bool training = true;
  static constexpr bool tunable = true;
  optimizers::adam optimizer{.learning_rate = 0.01};
  constexpr auto operator()(auto x, auto y) const {
    auto logits = nn::sequential(nn::dense{.units = 6, .activation = relu}, nn::dense{.units = 3})(x);
    auto loss = losses::sparse_softmax_cross_entropy(y, logits);
    return outputs(fetch("loss", loss), fetch("classes", argmax(logits, {.axis = 1})), fetch("columns", transpose(logits)), fetch("train", optimizer.minimize(loss)));
  }
};
using features = tensor<float, dyn, 4>;
using labels = tensor<std::int32_t, dyn>;
using tower_session = graph::basic_session<graph::towers<>, train, features, labels>;

struct batch {
  features x;
  labels y;
};
batch examples(std::int64_t rows, unsigned seed) {
  std::mt19937 random(seed);
  batch b{features({rows, 4}), labels({rows})};
  for (float& v : b.x) v = static_cast<float>(random() % 200) / 100 - 1;
  for (std::int32_t& v : b.y) v = static_cast<std::int32_t>(random() % 3);
  return b;
}
/// The largest difference between two stores' variables.
double difference(const graph::variable_store& a, const graph::variable_store& b) {
  double most = 0;
  REQUIRE(a.variables().size() == b.variables().size());
  for (const auto& v : a.variables()) {
    const graph::stored_variable* w = b.find(v->name);
    REQUIRE(w != nullptr);
    if (v->type == dtype::float32)
      for (std::size_t i = 0; i < v->bytes / 4; ++i)
        most = std::max(most, std::abs(static_cast<double>(static_cast<const float*>(v->data)[i]) - static_cast<double>(static_cast<const float*>(w->data)[i])));
    else
      CHECK(std::memcmp(v->data, w->data, v->bytes) == 0);
  }
  return most;
}

TEST_CASE("towers train like one session on the whole batch") {
  for (const int n : {1, 2, 3}) {
    CAPTURE(n);
    graph::variable_store whole, split, again;
    graph::session<train, features, labels> one(whole, {}, {.seed = 4});
    tower_session several(split, {}, {.seed = 4}, graph::towers(n)), repeated(again, {}, {.seed = 4}, graph::towers(n));
    for (int step = 0; step < 20; ++step) {
      const std::int64_t rows = step == 7 ? 2 : step == 11 ? 1 : step == 13 ? 12 : 7;
      const auto [x, y] = examples(rows, static_cast<unsigned>(step));
      const auto [loss, classes, columns, done] = one.run(x, y);
      const auto [loss2, classes2, columns2, done2] = several.run(x, y);
      repeated.step(x, y);
      CAPTURE(step);
      CHECK(static_cast<float>(loss2) == doctest::Approx(static_cast<float>(loss)).epsilon(1e-5));
      CHECK(classes == classes2);
      REQUIRE(columns2.shape() == tensor_shape{3, rows});
      for (std::int64_t i = 0; i < columns.size(); ++i) CHECK(columns2.data()[i] == doctest::Approx(columns.data()[i]).epsilon(1e-3));
    }
    CHECK(*static_cast<const std::int64_t*>(split.find("global_step")->data) == 20);
    CHECK(difference(split, again) == 0);
    if (n == 1) CHECK(difference(whole, split) == 0);
    else CHECK(difference(whole, split) < 2e-5);
    // Values that are written from outside reach all towers.
    for (auto* store : {&whole, &split})
      for (const auto& v : store->variables())
        if (v->type == dtype::float32) std::memset(v->data, 0, v->bytes);
    split.from_host();
    const auto [x, y] = examples(9, 77);
    CHECK(static_cast<float>(std::get<0>(several.run(x, y))) == doctest::Approx(std::log(3.0)));
    graph::trace_log log;
    several.step({.trace = &log}, x, y);
    REQUIRE(log.runs.size() == 1);  // the first tower's
    CHECK(log.runs[0].batch == (9 + n - 1) / n);
    CHECK(log.runs[0].entries.size() > 5);
  }
}

struct normalized {
  static constexpr bool training = true;
  constexpr auto operator()(auto x, auto y) const {
    auto logits = nn::sequential(nn::batch_normalization{.momentum = 0.5}, nn::dense{.units = 3})(x);
    auto loss = losses::sparse_softmax_cross_entropy(y, logits);
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{}.minimize(loss)));
  }
};

TEST_CASE("moving averages are the first tower's") {
  const auto [x, y] = examples(11, 5);
  graph::variable_store both;
  graph::basic_session<graph::towers<>, normalized, features, labels> two(both, {}, {.seed = 4}, graph::towers(2));
  two.step(x, y);
  const auto* mean = static_cast<const float*>(both.find("batch_normalization/moving_mean")->data);
  const auto* variance = static_cast<const float*>(both.find("batch_normalization/moving_variance")->data);
  for (std::int64_t j = 0; j < 4; ++j) {
    double sum = 0, squares = 0;  // of the first six rows
    for (std::int64_t i = 0; i < 6; ++i) sum += static_cast<double>(x(i, j)), squares += static_cast<double>(x(i, j)) * static_cast<double>(x(i, j));
    CHECK(mean[j] == doctest::Approx(0.5 * sum / 6).epsilon(1e-4));
    CHECK(variance[j] == doctest::Approx(0.5 + 0.5 * (squares / 6 - sum / 6 * (sum / 6))).epsilon(1e-4));
  }
  two.step(x, y);
  auto& towers = dynamic_cast<graph::detail::tower_mirror<graph::cpu_target>&>(*both.mirror());
  for (const auto& v : both.variables()) {
    CAPTURE(v->name);
    CHECK(towers.at(1).place(*v) != v->data);
    CHECK(std::memcmp(towers.at(1).place(*v), v->data, v->bytes) == 0);
  }
  CHECK_THROWS_WITH_AS(graph::towers(0), doctest::Contains("one at least"), invalid_argument);
  using three = graph::basic_session<graph::towers<>, normalized, features, labels>;
  CHECK_THROWS_WITH_AS(three(both, {}, {}, graph::towers(3)), doctest::Contains("live on other devices"), invalid_argument);
}

TEST_CASE("sums over towers are taken in their order, of narrow types as float") {
  const std::int64_t n = 300;
  graph::host_communicator<graph::cpu_target> c(std::vector<graph::cpu_target>(3));
  const auto check = [&]<class T>(std::type_identity<T>) {
    std::vector<T> x[3], y[3];
    for (int t = 0; t < 3; ++t) {
      y[t].resize(static_cast<std::size_t>(n));
      for (std::int64_t i = 0; i < n; ++i) x[t].push_back(static_cast<T>(static_cast<float>(i % 17) / 3 + static_cast<float>(t) * 1000));
    }
    const graph::tower_value v{dtype_v<T>, n, {x[0].data(), x[1].data(), x[2].data()}, {y[0].data(), y[1].data(), y[2].data()}};
    c.all_reduce({&v, 1});
    using sum = std::conditional_t<std::is_same_v<T, double>, double, float>;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      const T wanted = static_cast<T>((static_cast<sum>(x[0][i]) + static_cast<sum>(x[1][i])) + static_cast<sum>(x[2][i]));
      for (const auto& r : y) CHECK(static_cast<double>(r[i]) == static_cast<double>(wanted));
    }
    c.broadcast({&v, 1});
    for (int t = 1; t < 3; ++t) CHECK(std::memcmp(y[t].data(), x[0].data(), static_cast<std::size_t>(n) * sizeof(T)) == 0);
  };
  check(std::type_identity<float>{}), check(std::type_identity<double>{}), check(std::type_identity<half>{}), check(std::type_identity<bfloat16>{});
  const graph::tower_value v{dtype::int32, 0, {}, {}};
  CHECK_THROWS_AS(c.all_reduce({&v, 1}), std::exception);
}

}  // namespace

TEST_CASE("after a refused batch all towers are alike again") {
  graph::variable_store store;
  tower_session s(store, {}, {.seed = 3}, graph::towers(2));
  auto& mirror = dynamic_cast<graph::detail::tower_mirror<graph::cpu_target>&>(*store.mirror());
  const auto [x, y] = examples(6, 1);
  s.step(x, y);
  auto wrong = y;
  wrong(0) = 99;
  CHECK_THROWS_AS(s.step(x, wrong), invalid_argument);
  for (int step = 0; step < 2; ++step) {
    for (const auto& v : store.variables()) CHECK_MESSAGE(std::memcmp(v->data, mirror.at(1).place(*v), v->bytes) == 0, v->name);
    s.step(x, y);
  }
}

TEST_CASE("sums that travel together do not lie in each other's way") {
  using compiled = graph::basic_compiled<graph::towers<>::passes, train, features, labels>;
  using plan = graph::detail::tower_plan<compiled>;
  const auto range = [](const graph::memory_ref& m, std::int64_t bytes) {
    const std::int64_t first = m.kind == graph::memory_ref::slot ? compiled::tables.slots[static_cast<std::size_t>(m.index)].offset : -1;
    return std::pair(first, first + bytes);
  };
  int pairs = 0;
  for (const auto& r : plan::ranges)
    for (std::size_t i = r.first_value; i < r.first_value + r.values; ++i)
      for (std::size_t k = r.first_value; k < r.first_value + r.values; ++k) {
        const auto &a = plan::values[i], &b = plan::values[k];
        const auto [from, from_end] = range(a.from, a.count * 4);
        const auto [to, to_end] = range(b.to, b.count * 4);
        if (i == k || from < 0 || to < 0) continue;
        CHECK((from_end <= to || to_end <= from));
        ++pairs;
      }
  CHECK(pairs >= 12);
}

namespace {
struct overflowing {
  constexpr auto operator()(auto x) const { return outputs(fetch("largest", exp(reduce_max(x))), fetch("tenth", reduce_max(x) * 0 + 0.1f)); }
};
}  // namespace
TEST_CASE("infinities of one tower are those of all") {
  graph::variable_store store;
  graph::basic_session<graph::towers<>, overflowing, features> s(store, {}, {}, graph::towers(3));
  features x({7, 4});
  for (const int row : {0, 6}) {
    x(row, 1) = 1000;
    const auto [largest, tenth] = s.run(x);
    CHECK(std::isinf(largest()));
    CHECK(tenth() == 0.1f);
  }
}

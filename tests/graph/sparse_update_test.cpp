// SPDX-License-Identifier: Apache-2.0
// Updates of the rows that were looked up: where the passes find them, and that they equal the update of the whole table.

#include <doctest/doctest.h>

#include <cstring>

#include <rill/graph/session.hpp>
#include <rill/nn/embedding.hpp>
#include <rill/optimizers/adagrad.hpp>
#include <rill/optimizers/adam.hpp>
#include <rill/optimizers/gradient_descent.hpp>
#include <rill/optimizers/momentum.hpp>

using namespace rill;

namespace {

constexpr std::int64_t vocabulary = 61, width = 19;
using ids_type = tensor<int, dyn>;
using x_type = tensor<float, dyn, width>;
using more_type = tensor<std::int64_t, 2, 3>;

using sgd = optimizers::gradient_descent;
enum class loss_kind { one_lookup, two_lookups, penalty, norm };

/// Rows of a table, times x, squared; `Fetch` also fetches the gradient, which takes the update of the whole table.
template <class Optimizer, loss_kind Kind, bool Fetch>
struct lookups {
  static constexpr bool tunable = true;
  Optimizer optimizer{};
  constexpr auto operator()(symbol ids, symbol x, symbol more) const {
    symbol table = variable(x, {.name = "table", .shape = {vocabulary, width}});
    symbol loss = reduce_sum(square(embedding_lookup(table, ids) * x));
    if (Kind == loss_kind::two_lookups) loss = loss + reduce_sum(embedding_lookup(table, more) * 0.37);
    if (Kind == loss_kind::penalty) loss = loss + 0.01 * reduce_sum(square(table));
    if (Kind == loss_kind::norm) {  // a function of the gradient besides the update
      auto [g] = gradients(loss, table);
      return outputs(fetch("norm", reduce_sum(square(g))), fetch("train", optimizer.minimize(loss)));
    }
    auto [g] = gradients(loss, table);
    return outputs(fetch("gradient", Fetch ? g : loss), fetch("train", optimizer.minimize(loss)));
  }
};

/// How many updates by rows the passes make of a step; -1: there is something wrong with them.
template <class Optimizer, loss_kind Kind>
inline constexpr int updates_by_rows = [] {
  const auto im = graph::run_passes(graph::trace<lookups<Optimizer, Kind, false>, ids_type, x_type, more_type>());
  int rows = 0, deferred = 0;
  for (const auto& s : im.l.steps) {
    rows += s.kind == graph::group_kind::rows;
    deferred += s.deferred;
  }
  bool good = !im.b.first_failure && deferred == (rows == 0 ? 0 : Kind == loss_kind::two_lookups ? 2 : 1);
  for (const auto& s : im.l.slots) good = good && (rows == 0 || s.bytes < vocabulary * width * 4);  // the gradient has no memory
  return good ? rows : -1;
}();

}  // namespace

TEST_CASE("updates that change nothing where a lookup's gradient is zero touch the rows that were looked up") {
  static_assert(updates_by_rows<sgd, loss_kind::one_lookup> == 1);
  static_assert(updates_by_rows<optimizers::adagrad, loss_kind::one_lookup> == 1);
  static_assert(updates_by_rows<optimizers::adagrad, loss_kind::two_lookups> == 1);
  static_assert(updates_by_rows<optimizers::momentum, loss_kind::one_lookup> == 0);  // slots decay
  static_assert(updates_by_rows<optimizers::adam, loss_kind::one_lookup> == 0);
  static_assert(updates_by_rows<sgd, loss_kind::penalty> == 0);  // every row shrinks
  static_assert(updates_by_rows<sgd, loss_kind::norm> == 0);     // somebody else reads the gradient
}

TEST_CASE("an embedding is rows of a variable, and gradient descent moves those of the batch") {
  struct model {
    constexpr auto operator()(symbol ids) const {
      symbol y = nn::embedding{.input_dim = 7, .output_dim = 3, .type = dtype::float64}(ids);
      return outputs(fetch("rows", y), fetch("train", sgd{0.5}.minimize(reduce_sum(y * 2))));
    }
  };
  graph::variable_store store;
  graph::session<model, tensor<int, dyn, 2>> s(store);
  const auto* table = store.find("embedding/embeddings");
  REQUIRE(table != nullptr);
  CHECK(table->shape == tensor_shape{7, 3});
  auto* rows = static_cast<double*>(table->data);
  for (int k = 0; k < 21; ++k) rows[k] = k;
  const auto [y, train] = s.run(tensor<int, dyn, 2>{{6, 0}, {3, 3}});
  const double moved[] = {1, 0, 0, 2, 0, 0, 1};
  const int ids[] = {6, 0, 3, 3};
  for (int j = 0; j < 3; ++j) {
    for (int k = 0; k < 4; ++k) CHECK(y.data()[3 * k + j] == 3 * ids[k] + j);
    for (int k = 0; k < 7; ++k) CHECK(rows[3 * k + j] == 3 * k + j - moved[k]);
  }
  CHECK_THROWS_WITH_AS(s.run(tensor<int, dyn, 2>{{6, 7}}), doctest::Contains("= 7 is not in [0, 7)"), out_of_range);
}

TEST_CASE("what an update by rows reads stays in memory for those who read it later") {
  struct model {
    constexpr auto operator()(symbol ids, symbol x) const {
      symbol table = variable(x, {.name = "table", .shape = {vocabulary, width}}), w = variable(x, {.name = "w", .shape = {4, 4}});
      symbol which = ids * 3 + 1;
      symbol loss = reduce_sum(square(embedding_lookup(table, which)));
      assign(table, table - 0.1f * gradients(loss, table)[0]);
      return outputs(fetch("which", which), fetch("later", matmul(matmul(x, w), w)), fetch("loss", loss));
    }
  };
  using values = tensor<float, dyn, 4>;
  graph::session<model, tensor<int, dyn>, values> s;
  const auto [which, later, loss] = s.run(tensor<int, dyn>{5, 6, 7}, values({3, 4}));
  CHECK(which == tensor<int, dyn>{16, 19, 22});
}

TEST_CASE("an update by rows equals that of the whole table, for any number of threads, and refuses wrong indices") {
  using adagrad = optimizers::adagrad;
  graph::variable_store rows_store, single_store, whole_store;
  graph::session<lookups<adagrad, loss_kind::two_lookups, false>, ids_type, x_type, more_type> by_rows(rows_store, {}, {.seed = 7}), single(single_store, {}, {.seed = 7});
  graph::session<lookups<adagrad, loss_kind::two_lookups, true>, ids_type, x_type, more_type> whole(whole_store, {}, {.seed = 7});
  const auto equal = [&](const graph::variable_store& other) {
    bool alike = true;
    for (const char* name : {"table", "table/Adagrad"})
      alike = alike && std::memcmp(rows_store.find(name)->data, other.find(name)->data, sizeof(float) * vocabulary * width) == 0;
    return alike;
  };
  std::uint64_t step = 0;
  ids_type ids;
  x_type x;
  more_type more;
  for (const std::int64_t n : {33, 0, 1, 1500, 40000, 900}) {  // 40000: more than one thread would do
    CAPTURE(n);
    ids = ids_type({n});
    x = x_type({n, width});
    const auto number = [&](std::int64_t i) { return static_cast<double>(philox_uniform(static_cast<std::uint64_t>(i), step, 3)); };
    for (std::int64_t i = 0; i < n; ++i) ids.data()[i] = n == 900 ? 17 : static_cast<int>(number(i) * vocabulary);  // 900 want one row
    for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(number(i + 1000) - 0.5);
    for (int i = 0; i < 6; ++i) more.data()[i] = i < 2 && n > 0 ? ids.data()[0] : static_cast<std::int64_t>(number(i + 5) * vocabulary);
    by_rows.step(ids, x, more);
    whole.step(ids, x, more);
    const thread_limit one(1);
    single.step(ids, x, more);
    CHECK(equal(single_store));
    CHECK(equal(whole_store));
    ++step;
  }
  for (const int wrong : {-1, 61}) {
    ids.data()[899] = wrong;
    CHECK_THROWS_AS(by_rows.step(ids, x, more), out_of_range);
    CHECK(equal(single_store));
  }
}

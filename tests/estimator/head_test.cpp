// SPDX-License-Identifier: Apache-2.0
#include "rill/estimator/head.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "rill/graph/session.hpp"

namespace {
/// The features are the logits.
struct identity {
  constexpr auto operator()(auto logits) const { return logits * 1.0f; }
};
using head = rill::multi_class_head<identity, 3>;
using features = rill::tensor<float, rill::dyn, 3>;
using labels = rill::tensor<std::int32_t, rill::dyn>;
}  // namespace

TEST_CASE("multi_class_head: the guide's logits (-1.3, 2.6, -0.9) are class 1 with 95 %") {
  rill::graph::variable_store store;
  rill::graph::session<head::predict_program, features> session(store);
  const features x{{-1.3f, 2.6f, -0.9f}, {5.0f, 5.0f, 5.0f}};
  auto [ids, probabilities] = session.run(x);
  CHECK(ids(0) == 1);
  CHECK(ids(1) == 0);  // of equals the first
  CHECK(probabilities(0, 0) == doctest::Approx(0.02).epsilon(0.1));
  CHECK(probabilities(0, 1) == doctest::Approx(0.95).epsilon(0.01));
  CHECK(probabilities(0, 2) == doctest::Approx(0.03).epsilon(0.1));
  const auto p = head::predicted({"class_ids", rill::dtype::int64, {2}, ids.data()},
                                 {"probabilities", rill::dtype::float32, {2, 3}, probabilities.data()}, 1);
  CHECK(p.class_id == 0);
  CHECK(p.probability() == doctest::Approx(1.0 / 3));
}

TEST_CASE("multi_class_head: evaluation's loss is the mean of -log p(label)") {
  rill::graph::variable_store store;
  rill::graph::session<head::evaluate_program, features, labels> session(store);
  const features x{{-1.3f, 2.6f, -0.9f}, {0.5f, 0.25f, -4.0f}, {80.0f, -80.0f, 0.0f}};
  const labels y{1, 2, 0};
  auto [loss, ids] = session.run(x, y);
  double expected = 0;
  for (int r = 0; r < 3; ++r) {
    double sum = 0;
    for (int c = 0; c < 3; ++c) sum += std::exp(static_cast<double>(x(r, c)));
    expected += std::log(sum) - static_cast<double>(x(r, y(r)));
  }
  CHECK(static_cast<double>(static_cast<float>(loss)) == doctest::Approx(expected / 3).epsilon(1e-6));

  head::evaluator e;
  e.update(2.0, y, std::vector<std::int64_t>{1, 0, 0});
  e.update(0.5, labels{2}, std::vector<std::int64_t>{2});
  rill::evaluation result;
  e.report(result);
  CHECK(e.examples() == 4.0);
  CHECK(result["accuracy"] == 0.75);
  CHECK(result["loss"] == (3 * 2.0 + 0.5) / 4);  // every example counts the same
}

TEST_CASE("multi_class_head: labels outside the classes") {
  head::check_labels(labels{0, 1, 2});
  CHECK_THROWS_WITH_AS(head::check_labels(labels{0, 3}), "label 3 in row 1 of the batch is outside [0, 3)",
                       rill::invalid_argument);
  CHECK_THROWS_WITH_AS(head::check_labels(labels{-1, 0}), "label -1 in row 0 of the batch is outside [0, 3)",
                       rill::invalid_argument);
}

// SPDX-License-Identifier: Apache-2.0
#include "rill/metrics/accuracy.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "rill/core/tensor.hpp"

TEST_CASE("accuracy: the five rows of the getting-started guide are 80 % right") {
  rill::metrics::accuracy a;
  CHECK(a.update(std::vector{1, 2, 0, 1, 1}, std::vector{1, 2, 0, 2, 1}) == doctest::Approx(0.8));
}

TEST_CASE("accuracy: nothing seen yet, and empty batches") {
  rill::metrics::accuracy a;
  CHECK(a.value() == 0.0);
  a.update(std::vector<int>{}, std::vector<int>{});
  CHECK(a.value() == 0.0);
  CHECK(a.count() == 0.0);
}

TEST_CASE("accuracy: streaming over batches of odd sizes equals one count over everything") {
  const unsigned seed = 17;
  CAPTURE(seed);
  std::mt19937 rng(seed);
  rill::metrics::accuracy plain, weighted;
  long hits = 0, n = 0;
  double w_hits = 0, w_sum = 0;
  for (const std::size_t size : {1u, 7u, 8u, 9u, 0u, 31u, 100u, 257u}) {
    std::vector<std::int32_t> labels(size);
    std::vector<std::int64_t> predictions(size);
    std::vector<float> weights(size);
    for (std::size_t i = 0; i < size; ++i) {
      labels[i] = static_cast<std::int32_t>(rng() % 5);
      predictions[i] = static_cast<std::int64_t>(rng() % 5);
      weights[i] = static_cast<float>(rng() % 8) / 4.0f;
      if (labels[i] == predictions[i]) ++hits, w_hits += static_cast<double>(weights[i]);
      ++n;
      w_sum += static_cast<double>(weights[i]);
    }
    plain.update(labels, predictions);
    weighted.update(labels, predictions, weights);
  }
  CHECK(plain.value() == doctest::Approx(static_cast<double>(hits) / static_cast<double>(n)).epsilon(1e-15));
  CHECK(plain.count() == static_cast<double>(n));
  CHECK(weighted.value() == doctest::Approx(w_hits / w_sum).epsilon(1e-14));
  plain.reset();
  CHECK(plain.value() == 0.0);
}

TEST_CASE("accuracy: tensors, and shapes that do not match") {
  rill::tensor<std::int32_t, rill::dyn> labels(rill::tensor_shape{3});
  rill::tensor<std::int64_t, rill::dyn> predictions(rill::tensor_shape{3});
  labels(1) = 2;
  rill::metrics::accuracy a;
  CHECK(a.update(labels, predictions) == doctest::Approx(2.0 / 3.0));
  rill::tensor<std::int64_t, rill::dyn, 1> column(rill::tensor_shape{3, 1});
  CHECK_THROWS_WITH_AS(a.update(labels, column),
                       "accuracy: labels have shape [3], but predictions have shape [3, 1]", rill::invalid_argument);
  CHECK_THROWS_WITH_AS(a.update(labels, predictions, std::vector<float>(4)),
                       "accuracy: labels have shape [3], but weights have shape [4]", rill::invalid_argument);
  CHECK(a.count() == 3.0);
}

// SPDX-License-Identifier: Apache-2.0
#include "rill/metrics/confusion_matrix.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <sstream>
#include <vector>

TEST_CASE("confusion_matrix: TensorFlow's documented example") {
  // labels [1, 2, 4], predictions [2, 2, 4], five classes
  rill::metrics::confusion_matrix m(5);
  m.update(std::vector{1, 2, 4}, std::vector{2, 2, 4});
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < 5; ++j) {
      CAPTURE(i);
      CAPTURE(j);
      CHECK(m(i, j) == ((i == 1 && j == 2) || (i == 2 && j == 2) || (i == 4 && j == 4) ? 1.0 : 0.0));
    }
}

TEST_CASE("confusion_matrix: streaming against a naive count") {
  const unsigned seed = 5;
  CAPTURE(seed);
  std::mt19937 rng(seed);
  for (const int classes : {1, 2, 7, 10}) {
    CAPTURE(classes);
    rill::metrics::confusion_matrix m(classes), w(classes);
    std::vector<std::vector<double>> expected(static_cast<std::size_t>(classes),
                                              std::vector<double>(static_cast<std::size_t>(classes)));
    auto expected_w = expected;
    for (const std::size_t size : {0u, 1u, 17u, 100u}) {
      std::vector<std::int32_t> labels(size);
      std::vector<std::int64_t> predictions(size);
      std::vector<double> weights(size);
      for (std::size_t i = 0; i < size; ++i) {
        const std::size_t l = rng() % static_cast<unsigned>(classes), p = rng() % static_cast<unsigned>(classes);
        labels[i] = static_cast<std::int32_t>(l);
        predictions[i] = static_cast<std::int64_t>(p);
        weights[i] = static_cast<double>(rng() % 100) / 8;
        expected[l][p] += 1;
        expected_w[l][p] += weights[i];
      }
      m.update(labels, predictions);
      w.update(labels, predictions, weights);
    }
    double hits = 0;
    for (int i = 0; i < classes; ++i)
      for (int j = 0; j < classes; ++j) {
        const auto a = static_cast<std::size_t>(i), b = static_cast<std::size_t>(j);
        CHECK(m(i, j) == expected[a][b]);
        CHECK(w(i, j) == expected_w[a][b]);
        if (i == j) hits += expected[a][b];
      }
    CHECK(m.count() == 118.0);
    CHECK(m.accuracy() == doctest::Approx(hits / 118.0));
  }
}

TEST_CASE("confusion_matrix: the printed table") {
  rill::metrics::confusion_matrix m(3);
  m.update(std::vector{0, 0, 0, 1, 2, 2}, std::vector{0, 0, 1, 1, 0, 2});
  std::ostringstream out;
  out << m;
  CHECK(out.str() ==
        "true | 0 1 2  | recall\n"
        "-----+--------+--------\n"
        "   0 | 2 1 .  |  66.7 %\n"
        "   1 | . 1 .  | 100.0 %\n"
        "   2 | 1 . 1  |  50.0 %\n");
}

TEST_CASE("confusion_matrix: classes outside the matrix leave it unchanged") {
  rill::metrics::confusion_matrix m(3);
  CHECK_THROWS_WITH_AS(m.update(std::vector{0, 3}, std::vector{0, 0}),
                       "confusion_matrix: label 3 at index 1 is outside [0, 3)", rill::invalid_argument);
  CHECK_THROWS_WITH_AS(m.update(std::vector{0, 1}, std::vector{-1, 0}),
                       "confusion_matrix: prediction -1 at index 0 is outside [0, 3)", rill::invalid_argument);
  CHECK_THROWS_WITH_AS(m.update(std::vector{0, 1}, std::vector{0}),
                       "confusion_matrix: labels have shape [2], but predictions have shape [1]",
                       rill::invalid_argument);
  CHECK_THROWS_AS((void)m(3, 0), rill::invalid_argument);
  CHECK(m.count() == 0.0);
  CHECK_THROWS_AS(rill::metrics::confusion_matrix(0), rill::invalid_argument);
}

// SPDX-License-Identifier: Apache-2.0
#include "rill/metrics/mean.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

TEST_CASE("mean: of nothing, of scalars, of weighted scalars") {
  rill::metrics::mean m;
  CHECK(m.value() == 0.0);
  CHECK(m.update(2.0) == 2.0);
  CHECK(m.update(4.0) == 3.0);
  CHECK(m.update(9.0, 2.0) == 6.0);
  CHECK(m.count() == 4.0);
  m.reset();
  CHECK(m.value() == 0.0);
}

TEST_CASE("mean: batches against a long double loop") {
  const unsigned seed = 3;
  CAPTURE(seed);
  std::mt19937 rng(seed);
  std::uniform_real_distribution<float> u(-1.0f, 3.0f);
  rill::metrics::mean plain, weighted;
  long double sum = 0, n = 0, w_sum = 0, w = 0;
  for (const std::size_t size : {1u, 13u, 0u, 64u, 1021u}) {
    std::vector<float> x(size), k(size);
    for (std::size_t i = 0; i < size; ++i) {
      x[i] = u(rng);
      k[i] = u(rng) + 2.0f;
      sum += static_cast<long double>(x[i]);
      n += 1;
      w_sum += static_cast<long double>(x[i]) * static_cast<long double>(k[i]);
      w += static_cast<long double>(k[i]);
    }
    plain.update(x);
    weighted.update(x, k);
  }
  CHECK(plain.value() == doctest::Approx(static_cast<double>(sum / n)).epsilon(1e-13));
  CHECK(weighted.value() == doctest::Approx(static_cast<double>(w_sum / w)).epsilon(1e-13));
}

TEST_CASE("mean: a million small values after a large one are not lost, as they would be in float") {
  rill::metrics::mean m;
  m.update(1e8);
  const std::vector<float> small(1000, 0.25f);
  for (int i = 0; i < 1000; ++i) m.update(small);
  CHECK(m.value() == doctest::Approx((1e8 + 250000.0) / 1000001.0).epsilon(1e-14));
}

TEST_CASE("mean: weights of another shape") {
  rill::metrics::mean m;
  CHECK_THROWS_WITH_AS(m.update(std::vector<double>(2), std::vector<double>(3)),
                       "mean: values have shape [2], but weights have shape [3]", rill::invalid_argument);
  CHECK(m.count() == 0.0);
}

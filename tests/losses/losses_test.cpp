// SPDX-License-Identifier: Apache-2.0
// Losses against plain loops in double, and the documentation's softmax example.

#include <doctest/doctest.h>

#include <cmath>
#include <rill/graph/session.hpp>
#include <rill/losses/mean_squared_error.hpp>
#include <rill/losses/softmax_cross_entropy.hpp>
#include <rill/losses/sparse_softmax_cross_entropy.hpp>
#include <vector>

using namespace rill;

namespace {

struct sparse_loss {
  constexpr auto operator()(symbol logits, symbol labels) const {
    symbol loss = losses::sparse_softmax_cross_entropy(labels, logits);
    auto [gradient] = gradients(loss, logits);
    return outputs(fetch("loss", loss), fetch("gradient", gradient));
  }
};
struct one_hot_loss {
  constexpr auto operator()(symbol logits, symbol labels) const {
    symbol loss = losses::softmax_cross_entropy(one_hot<double>(labels, logits.shape()[1]), logits);
    auto [gradient] = gradients(loss, logits);
    return outputs(fetch("loss", loss), fetch("gradient", gradient));
  }
};
struct squared_loss {
  constexpr auto operator()(symbol a, symbol b) const { return losses::mean_squared_error(a, b); }
};
struct probabilities {
  constexpr auto operator()(symbol logits) const { return softmax(logits); }
};

template <class Loss, std::int64_t Classes>
void check(std::int64_t batch, double scale, std::uint64_t seed) {
  CAPTURE(batch);
  CAPTURE(seed);
  graph::session<Loss, tensor<double, dyn, Classes>, tensor<int, dyn>> s;
  tensor<double, dyn, Classes> logits({batch, Classes});
  tensor<int, dyn> labels({batch});
  for (std::int64_t i = 0; i < logits.size(); ++i)
    logits.data()[i] = scale * (2 * static_cast<double>(philox_uniform(static_cast<std::uint64_t>(i), 0, seed)) - 1);
  for (std::int64_t i = 0; i < batch; ++i) labels.data()[i] = static_cast<int>((i * 7) % Classes);
  auto [loss, gradient] = s.run(logits, labels);
  double expected = 0;
  for (std::int64_t r = 0; r < batch; ++r) {
    const double* row = logits.data() + r * Classes;
    double largest = row[0], sum = 0;
    for (std::int64_t j = 1; j < Classes; ++j) largest = std::max(largest, row[j]);
    for (std::int64_t j = 0; j < Classes; ++j) sum += std::exp(row[j] - largest);
    expected += std::log(sum) + largest - row[labels.data()[r]];
    for (std::int64_t j = 0; j < Classes; ++j) {
      const double p = std::exp(row[j] - largest) / sum - (j == labels.data()[r] ? 1 : 0);
      CHECK(gradient.data()[r * Classes + j] == doctest::Approx(p / static_cast<double>(batch)).epsilon(1e-9).scale(1e-3));
    }
  }
  CHECK(*loss.data() == doctest::Approx(expected / static_cast<double>(batch)).epsilon(1e-12));
}

}  // namespace

TEST_CASE("cross-entropies and their gradients agree with plain loops, also for huge logits") {
  for (const std::int64_t batch : {1, 2, 31, 100}) {
    check<sparse_loss, 10>(batch, 3, 1);
    check<one_hot_loss, 10>(batch, 3, 1);
    check<sparse_loss, 1>(batch, 3, 2);
    check<sparse_loss, 7>(batch, 900, 3);
    check<one_hot_loss, 7>(batch, 900, 3);
    check<sparse_loss, 33>(batch, 20, 4);
  }
}

TEST_CASE("a label outside of the classes is an error that names row and label") {
  graph::session<sparse_loss, tensor<double, dyn, 3>, tensor<int, dyn>> s;
  tensor<double, dyn, 3> logits({2, 3});
  tensor<int, dyn> labels({2});
  labels.data()[1] = 3;
  CHECK_THROWS_WITH_AS(s.run(logits, labels), doctest::Contains("label 3 of row 1 is outside of [0, 3)"), invalid_argument);
  labels.data()[1] = -1;
  CHECK_THROWS_AS(s.run(logits, labels), invalid_argument);
}

TEST_CASE("softmax of the documentation's logits") {
  graph::session<probabilities, tensor<float, dyn, 3>> s;
  tensor<float, dyn, 3> logits({1, 3});
  logits.data()[0] = -1.3f, logits.data()[1] = 2.6f, logits.data()[2] = -0.9f;
  const auto p = s.run(logits);
  CHECK(std::round(p.data()[0] * 100) == 2);
  CHECK(std::round(p.data()[1] * 100) == 95);
  CHECK(std::round(p.data()[2] * 100) == 3);
}

TEST_CASE("mean squared error is the mean over all elements") {
  graph::session<squared_loss, tensor<double, dyn, 3>, tensor<double, dyn, 3>> s;
  tensor<double, dyn, 3> a({5, 3}), b({5, 3});
  double sum = 0;
  for (int i = 0; i < 15; ++i) {
    a.data()[i] = 0.5 * i;
    b.data()[i] = 7 - i;
    sum += (1.5 * i - 7) * (1.5 * i - 7);
  }
  CHECK(*s.run(a, b).data() == doctest::Approx(sum / 15));
}

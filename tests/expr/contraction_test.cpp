// SPDX-License-Identifier: Apache-2.0
// Eager products, convolutions, pooling, softmax, cross-entropy and random numbers against plain loops in double.

#include <doctest/doctest.h>

#include <cmath>
#include <rill/expr/contraction.hpp>
#include <rill/expr/eager.hpp>

using namespace rill;

namespace {
template <class T>
void fill(T& x, std::uint64_t seed) {
  using V = typename T::value_type;
  for (std::int64_t i = 0; i < x.size(); ++i)
    x.data()[i] = static_cast<V>(2 * static_cast<double>(philox_uniform(static_cast<std::uint64_t>(i), 0, seed)) - 1);
}
template <class T>
void check_matmul(std::int64_t m, std::int64_t n, std::int64_t k) {
  tensor<T, dyn, dyn> a({m, k}), at({k, m}), b({k, n}), bt({n, k});
  fill(a, 1);
  fill(b, 2);
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < k; ++j) at.data()[j * m + i] = a.data()[i * k + j];
  for (std::int64_t i = 0; i < k; ++i)
    for (std::int64_t j = 0; j < n; ++j) bt.data()[j * k + i] = b.data()[i * n + j];
  const tensor<T, dyn, dyn> r[] = {matmul(a, b), matmul(at, b, {.transpose_a = true}), matmul(a, bt, {.transpose_b = true}),
                                   matmul(at, bt, {.transpose_a = true, .transpose_b = true}), matmul(transpose(at), b + 0)};
  for (const auto& c : r) {
    REQUIRE(c.shape() == tensor_shape{m, n});
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::int64_t x = 0; x < k; ++x) sum += static_cast<double>(a.data()[i * k + x]) * static_cast<double>(b.data()[x * n + j]);
        CHECK(static_cast<double>(c.data()[i * n + j]) == doctest::Approx(sum).epsilon(sizeof(T) == 8 ? 1e-12 : 1e-4).scale(1));
      }
  }
}
}  // namespace

TEST_CASE("matmul of tensors, views and expressions") {
  for (const auto& [m, n, k] : {std::array<std::int64_t, 3>{1, 1, 1}, {2, 3, 4}, {7, 17, 5}, {33, 31, 65}, {3, 4, 0}, {0, 4, 3}}) {
    check_matmul<float>(m, n, k);
    check_matmul<double>(m, n, k);
  }
  tensor<float, 2, 3> a{{1, 2, 3}, {4, 5, 6}};
  tensor<float, 3, 2> b{{1, 0}, {0, 1}, {1, 1}};
  const auto c = matmul(a, b);
  static_assert(std::is_same_v<decltype(c), const tensor<float, 2, 2>>);
  CHECK(c == tensor<float, 2, 2>{{4, 5}, {10, 11}});
  tensor<float, dyn, dyn> wrong({4, 2});
  CHECK_THROWS_WITH_AS(matmul(a, wrong), doctest::Contains("MatMul: inner dimensions differ: got float32[2, 3] and float32[4, 2]"),
                       invalid_argument);
}

TEST_CASE("conv2d and max_pool of tensors") {
  for (const padding p : {same, valid}) {
    tensor<double, 2, 6, 5, 3> x;
    tensor<double, 3, 2, 3, 4> w;
    fill(x, 3);
    fill(w, 4);
    const auto y = conv2d(x * 2, w, {.strides = {2, 1}, .padding = p});
    const auto rows = window_of(6, 3, 2, p), columns = window_of(5, 2, 1, p);
    REQUIRE(y.shape() == tensor_shape{2, rows.out, columns.out, 4});
    for (int b = 0; b < 2; ++b)
      for (std::int64_t i = 0; i < rows.out; ++i)
        for (std::int64_t j = 0; j < columns.out; ++j)
          for (int o = 0; o < 4; ++o) {
            double sum = 0;
            for (std::int64_t q = 0; q < 3; ++q)
              for (std::int64_t s = 0; s < 2; ++s)
                for (int c = 0; c < 3; ++c) {
                  const std::int64_t r = 2 * i + q - rows.pad_before, t = j + s - columns.pad_before;
                  if (r >= 0 && r < 6 && t >= 0 && t < 5) sum += 2 * x(b, r, t, c) * w(q, s, c, o);
                }
            CHECK(y(b, i, j, o) == doctest::Approx(sum).epsilon(1e-12).scale(1));
          }
    const auto m = max_pool(x, {.window = {3, 2}, .strides = {2, 2}, .padding = p});
    const auto prow = window_of(6, 3, 2, p), pcol = window_of(5, 2, 2, p);
    REQUIRE(m.shape() == tensor_shape{2, prow.out, pcol.out, 3});
    for (int b = 0; b < 2; ++b)
      for (std::int64_t i = 0; i < prow.out; ++i)
        for (std::int64_t j = 0; j < pcol.out; ++j)
          for (int c = 0; c < 3; ++c) {
            double largest = -1e300;
            for (std::int64_t q = 0; q < 3; ++q)
              for (std::int64_t s = 0; s < 2; ++s) {
                const std::int64_t r = 2 * i + q - prow.pad_before, t = 2 * j + s - pcol.pad_before;
                if (r >= 0 && r < 6 && t >= 0 && t < 5) largest = std::max(largest, x(b, r, t, c));
              }
            CHECK(m(b, i, j, c) == largest);
          }
  }
  tensor<float, 1, 2, 2, 1> small;
  tensor<float, 3, 3, 1, 1> filter;
  tensor<float, 3, 3, 2, 1> other;
  CHECK_THROWS_WITH_AS(conv2d(small, filter), doctest::Contains("filter is larger than the image"), invalid_argument);
  CHECK_THROWS_WITH_AS(conv2d(small, other), doctest::Contains("channels differ"), invalid_argument);
  CHECK_THROWS_AS(max_pool(small, {.window = {3, 3}}), invalid_argument);
}

TEST_CASE("softmax and cross-entropy of tensors") {
  tensor<double, dyn, dyn> x({5, 7});
  tensor<std::int64_t, dyn> labels({5});
  fill(x, 5);
  for (int i = 0; i < 5; ++i) labels.data()[i] = (3 * i) % 7;
  const auto p = softmax(x * 100);
  const auto loss = sparse_softmax_cross_entropy_with_logits(labels, x * 100);
  for (int i = 0; i < 5; ++i) {
    double largest = -1e300, sum = 0;
    for (int j = 0; j < 7; ++j) largest = std::max(largest, 100 * x(i, j));
    for (int j = 0; j < 7; ++j) sum += std::exp(100 * x(i, j) - largest);
    for (int j = 0; j < 7; ++j) CHECK(p(i, j) == doctest::Approx(std::exp(100 * x(i, j) - largest) / sum).epsilon(1e-9));
    CHECK(loss(i) == doctest::Approx(std::log(sum) + largest - 100 * x(i, labels(i))).epsilon(1e-9).scale(1e-6));
  }
  labels.data()[2] = 7;
  CHECK_THROWS_AS(sparse_softmax_cross_entropy_with_logits(labels, x), invalid_argument);
  // one label per vector of logits, whatever leads
  tensor<double, 2, dyn, 3> deep({2, 2, 3});
  fill(deep, 6);
  const tensor<std::int32_t, 2, 2> ids{{0, 2}, {1, 1}};
  const tensor<double, any_rank> each = sparse_softmax_cross_entropy_with_logits(ids, deep);
  REQUIRE(each.shape() == tensor_shape{2, 2});
  const auto q = softmax(deep);
  for (int i = 0; i < 4; ++i) CHECK(each.data()[i] == doctest::Approx(-std::log(q.data()[3 * i + ids.data()[i]])));
  const tensor<double, 3> one{1, 2, 3};
  CHECK(sparse_softmax_cross_entropy_with_logits(tensor<std::int32_t>(2), one).shape() == tensor_shape{});
  CHECK_THROWS_WITH_AS(sparse_softmax_cross_entropy_with_logits(tensor<std::int32_t, 2>{0, 1}, deep),
                       doctest::Contains("SparseSoftmaxCrossEntropyWithLogits"), invalid_argument);
}

TEST_CASE("random numbers are functions of seed, step and place") {
  const auto a = random_uniform({1000, 37}, {.seed = 3});
  double sum = 0;
  for (float v : a) {
    REQUIRE(v >= 0);
    REQUIRE(v < 1);
    sum += static_cast<double>(v);
  }
  CHECK(sum / 37000 == doctest::Approx(0.5).epsilon(0.01));
  CHECK(a == random_uniform({1000, 37}, {.seed = 3}));
  CHECK_FALSE(a == random_uniform({1000, 37}, {.seed = 4}));
  CHECK_FALSE(a == random_uniform({1000, 37}, {.seed = 3, .step = 1}));
  const auto d = dropout(a + 1, 0.25, {.seed = 9});
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < d.size(); ++i)
    if (d.data()[i] != 0) {
      ++kept;
      CHECK(d.data()[i] == doctest::Approx((a.data()[i] + 1) / 0.75f));
    }
  CHECK(static_cast<double>(kept) / 37000 == doctest::Approx(0.75).epsilon(0.02));
  CHECK_THROWS_AS(dropout(a, 1.0), invalid_argument);
}

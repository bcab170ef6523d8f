// SPDX-License-Identifier: Apache-2.0
// Sparse tensors as inputs of compiled models: an embedding bag learns, and the functions that models may use give what
// they give eagerly.
#include <doctest/doctest.h>

#include <rill/eager/sparse.hpp>
#include <rill/graph/session.hpp>
#include <rill/optimizers/gradient_descent.hpp>

using namespace rill;

namespace {

constexpr tensor_shape bags{4, 6};

/// The mean embedding of each bag of words, through a linear layer, towards targets.
struct embedding_bag {
  constexpr auto operator()(auto indices, auto ids, auto targets) const {
    const auto words = sparse_placeholder(indices, ids, bags);
    const auto table =
        variable(ids, {.name = "table", .shape = {10, 3}, .initializer = initializers::random_uniform(-0.5, 0.5)});
    const auto output =
        variable(ids, {.name = "output", .shape = {3, 1}, .initializer = initializers::random_uniform(-0.5, 0.5)});
    const auto loss = mean(square(matmul(embedding_lookup_sparse(table, words), output) - targets));
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{0.5f}.minimize(loss)));
  }
};

struct functions {
  constexpr auto operator()(auto indices, auto values, auto dense) const {
    const auto s = sparse_placeholder(indices, values, {3, 4});
    const auto ordered = sparse_reorder(s);
    const auto row = reduce_sum(dense, {.axis = {1}});
    return outputs(fetch("dense", sparse_tensor_to_dense(sparse_transpose(s))),
                   fetch("product", sparse_tensor_dense_matmul(s, dense)),
                   fetch("sum", sparse_reduce_sum(s, {.axis = {0}})), fetch("softmax", sparse_softmax(ordered).values),
                   fetch("joined", sparse_tensor_to_dense(sparse_concat({s, sparse_reshape(s, {3, 4})}, {.axis = 1}))),
                   fetch("quotient", (square(s) / row).values),
                   fetch("total", sparse_add(s, broadcast_to(row, {3, 4}))));
  }
};

}  // namespace

TEST_CASE("sparse inputs: an embedding bag learns") {
  graph::session<embedding_bag, tensor<std::int64_t, dyn, 2>, tensor<std::int64_t, dyn>, tensor<float, 4, 1>> s(
      embedding_bag{}, {.seed = 5});
  const tensor<std::int64_t, dyn, 2> at{{0, 0}, {0, 1}, {1, 0}, {2, 0}, {2, 1}, {2, 5}, {3, 2}};
  const tensor<std::int64_t, dyn> ids{1, 4, 2, 9, 0, 1, 7};
  const tensor<float, 4, 1> targets{{1}, {-1}, {0.5f}, {2}};
  float first = 0, last = 0;
  for (int k = 0; k < 300; ++k) {
    const auto [loss, _] = s.run(at, ids, targets);
    last = loss();
    if (k == 0) first = last;
  }
  CHECK(first > 0.5f);
  CHECK(last < 0.01f * first);
  // another number of words in the next step
  const auto [loss, _] =
      s.run(tensor<std::int64_t, dyn, 2>{{0, 0}}, tensor<std::int64_t, dyn>(tensor<std::int64_t, 1>{3}), targets);
  CHECK(loss() == loss());
  CHECK_THROWS_AS(
      s.run(tensor<std::int64_t, dyn, 2>{{0, 0}}, tensor<std::int64_t, dyn>(tensor<std::int64_t, 1>{10}), targets),
      out_of_range);
}

TEST_CASE("sparse inputs: what eager calls give") {
  graph::session<functions, tensor<std::int64_t, dyn, 2>, tensor<float, dyn>, tensor<float, 4, 2>> s;
  const tensor<float, 4, 2> dense{{1, 2}, {3, 4}, {5, 6}, {7, 8}};
  const sparse_tensor<float> x({{2, 1}, {0, 3}, {2, 0}}, {4, 5, 6}, {3, 4});
  const auto [transposed, product, sums, soft, joined, quotient, total] =
      s.run(tensor<std::int64_t, dyn, 2>(x.indices), x.values, dense);
  CHECK(transposed == sparse_tensor_to_dense(sparse_transpose(x)));
  CHECK(product == sparse_tensor_dense_matmul(x, dense));
  CHECK(sums == tensor<float, 4>{6, 4, 0, 5});
  CHECK(sums == sparse_reduce_sum(x, {.axis = {0}}));
  CHECK(soft(0) == 1);
  CHECK(soft(1) == doctest::Approx(1 / (1 + std::exp(-2.0))));
  CHECK(soft.size() == 3);
  CHECK((joined == sparse_tensor_to_dense(sparse_concat({x, x}, {.axis = 1}))));
  CHECK((quotient == tensor<float, 3>{16 / 7.f, 25 / 15.f, 36 / 3.f}));
  CHECK((total == tensor<float, 3, 4>{{3, 7, 11, 20}, {3, 7, 11, 15}, {9, 11, 11, 15}}));
}

// SPDX-License-Identifier: Apache-2.0
// Sparse tensors: gradients of first and second order.

#include "derivatives.hpp"
#include "sparse_samples.hpp"

using namespace rill;
using namespace rill::test;

TEST_CASE("sparse: gradients") {
  std::mt19937 g(11);
  const sample a = random_sparse(g, {4, 5}, true, 45), b = random_sparse(g, {4, 5}, true, 45),
               u = random_sparse(g, {4, 5}, false, 45);
  const dynamic_tensor &va = a.s.values, &vb = b.s.values;
  const auto with = [](const sample& s, const auto& v) { return with_values(s.s, v); };
  check_derivatives("to_dense", [&](auto v) { return square(sparse_tensor_to_dense(with(a, v))); }, {va});
  check_derivatives("to_dense, default", [&](auto v, auto d) { return square(sparse_tensor_to_dense(with(a, v), d)); },
                    {va, noise({})});
  check_derivatives("reorder, transpose",
                    [&](auto v) { return square(sparse_transpose(sparse_reorder(with(u, v))).values); }, {u.s.values});
  check_derivatives("reshape, slice",
                    [&](auto v) {
                      return square(sparse_slice(sparse_reshape(with(a, v), {2, 10}), {0, 2}, {2, 7}).values);
                    },
                    {va});
  check_derivatives("add", [&](auto x, auto y) { return square(sparse_add(with(a, x), with(b, y)).values); }, {va, vb});
  check_derivatives("maximum", [&](auto x, auto y) { return square(sparse_maximum(with(a, x), with(b, y)).values); },
                    {noise(va.shape(), 3), noise(vb.shape(), 4)});
  check_derivatives("add dense", [&](auto x, auto y) { return square(sparse_add(with(u, x), y)); },
                    {u.s.values, noise({4, 5})});
  check_derivatives(
      "cwise",
      [&](auto x, auto y) { return sparse_dense_cwise_div(sparse_dense_cwise_mul(with(u, x), y), y + 3.0).values; },
      {u.s.values, noise({1, 5})});
  check_derivatives("concat",
                    [&](auto x, auto y) {
                      return square(sparse_concat({with(a, x), with(b, y)}, {.axis = 1}).values);
                    },
                    {va, vb});
  check_derivatives("split", [&](auto x) { return square(sparse_split(with(a, x), 2, {.axis = 1})[1].values); }, {va});
  check_derivatives("fill_empty_rows",
                    [&](auto x, auto d) { return square(sparse_fill_empty_rows(with(a, x), d).sp_output.values); },
                    {va, noise({})});
  check_derivatives("reduce_sum", [&](auto x) { return square(sparse_reduce_sum(with(u, x), {.axis = {1}})); },
                    {u.s.values});
  check_derivatives("reduce_sum_sparse",
                    [&](auto x) { return square(sparse_reduce_sum_sparse(with(u, x), {.axis = {0}}).values); },
                    {u.s.values});
  check_derivatives("reduce_max", [&](auto x) { return square(sparse_reduce_max(with(u, x), {.axis = {0}})); },
                    {noise(u.s.values.shape(), 9)});
  check_derivatives("softmax", [&](auto x) { return sparse_softmax(with(a, x)).values; }, {va});
  const dynamic_tensor w = noise({5, 3}), wt = noise({3, 4}, 2);
  check_derivatives("matmul", [&](auto x, auto y) { return square(sparse_tensor_dense_matmul(with(u, x), y)); },
                    {u.s.values, w});
  check_derivatives("adjoint matmul",
                    [&](auto x, auto y) {
                      return square(sparse_tensor_dense_matmul(with(u, x), y, {.adjoint_a = true, .adjoint_b = true}));
                    },
                    {u.s.values, wt});
  const dynamic_sparse_tensor ids{longs({0, 0, 0, 2, 2, 1, 2, 3}, {4, 2}), longs({1, 0, 1, 2}, {4}), {3, 4}};
  for (const sparse_combiner c : {sparse_combiner::sum, sparse_combiner::mean, sparse_combiner::sqrtn}) {
    check_derivatives(
        "embedding",
        [&](auto t, auto x) { return square(embedding_lookup_sparse(t, ids, with_values(ids, x), {.combiner = c})); },
        {w, abs(noise({4}, 8)) + 0.5});
    check_derivatives(
        "safe embedding",
        [&](auto t, auto x) {
          return square(safe_embedding_lookup_sparse(t, ids, with_values(ids, x), {.combiner = c, .default_id = 3}));
        },
        {w, abs(noise({4}, 8)) + 0.5});
  }
  check_derivatives("embedding in parts",
                    [&](auto t, auto r) {
                      return square(embedding_lookup_sparse(std::vector<dynamic_tensor>{t, r}, ids));
                    },
                    {noise({2, 2}), noise({1, 2})});
}

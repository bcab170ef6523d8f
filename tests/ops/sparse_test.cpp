// SPDX-License-Identifier: Apache-2.0
// Sparse tensors: random ones of ranks 1-4 against dense loops, products with matrices, wrong input.

#include "sparse_samples.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RILL_TEST_CLANG_ASAN 1
#endif
#endif
#ifndef RILL_TEST_CLANG_ASAN
#define RILL_TEST_CLANG_ASAN 0
#endif

using namespace rill;
using namespace rill::test;

namespace {

template <class F>
void random_cases(int per_rank, const F& body) {
  for (int rank = 1; rank <= 4; ++rank)
    for (int k = 0; k < per_rank; ++k) {
      const unsigned seed = static_cast<unsigned>(rank * 1000 + k);
      CAPTURE(seed);
      std::mt19937 g(seed);
      tensor_shape s;
      for (int d = 0; d < rank; ++d) s.push_back(1 + below(g, 5));
      if (k % 7 == 6) s[static_cast<int>(below(g, rank))] = 0;
      body(g, s);
    }
}

}  // namespace

TEST_CASE("sparse: random tensors against dense ones") {
  random_cases(28, [](std::mt19937& g, const tensor_shape& shape) {
    const int rank = shape.rank();
    const sample a = random_sparse(g, shape), b = random_sparse(g, shape), u = random_sparse(g, shape, false);
    const auto dense = [](const dynamic_tensor& t) { return list(t); };
    CHECK(holds(a.s, shape, a.dense));
    CHECK(dense(sparse_tensor_to_dense(u.s, 0, {.validate_indices = false})) == u.dense);
    CHECK(holds(sparse_reorder(u.s), shape, u.dense));
    CHECK(holds(sparse_transpose(u.s), transpose(u.whole()).shape(), dense(transpose(u.whole()))));
    axis_list perm;
    for (int d = 0; d < rank; ++d) perm.axes[perm.count++] = d;
    std::shuffle(perm.axes, perm.axes + rank, g);
    CHECK(holds(sparse_transpose(a.s, perm), transpose(a.whole(), perm).shape(), dense(transpose(a.whole(), perm))));
    if (shape.num_elements() > 0)
      CHECK(holds(sparse_reshape(a.s, {shape[rank - 1], -1}), {shape[rank - 1], shape.num_elements() / shape[rank - 1]},
                  a.dense));
    const dynamic_sparse_tensor found = dense_to_sparse(a.whole());
    CHECK(holds(found, shape, a.dense));
    for (const double v : list(found.values)) CHECK(v != 0);

    CHECK(holds(sparse_add(a.s, b.s), shape, dense(a.whole() + b.whole())));
    CHECK(holds(sparse_maximum(a.s, b.s), shape, dense(maximum(a.whole(), b.whole()))));
    CHECK(holds(sparse_minimum(a.s, b.s), shape, dense(minimum(a.whole(), b.whole()))));
    CHECK(dense(sparse_add(u.s, b.whole())) == dense(u.whole() + b.whole()));
    CHECK(dense(sparse_add(b.whole(), u.s)) == dense(u.whole() + b.whole()));
    CHECK(holds(abs(a.s), shape, dense(abs(a.whole()))));
    CHECK(holds(-a.s, shape, dense(-a.whole())));

    // a dense operand that broadcasts
    tensor_shape part;
    for (int d = static_cast<int>(below(g, rank)); d < rank; ++d) part.push_back(g() % 3 == 0 ? 1 : shape[d]);
    const dynamic_tensor w = abs(noise(part, static_cast<unsigned>(g()))) + 0.5;
    CHECK(holds(sparse_dense_cwise_mul(a.s, w), shape, dense(a.whole() * w)));
    CHECK(holds(a.s / w, shape, dense(a.whole() / w)));
    CHECK(holds(
        sparse_dense_cwise_add(a.s, w), shape,
        dense(cast_to(not_equal(sparse_tensor_to_dense(with_values(a.s, ones_like(a.s.values))), 0), dtype::float64) *
              (a.whole() + w))));

    reduce_options o;
    for (int d = 0; d < rank; ++d)
      if (g() % 2 == 0) o.axis.axes[o.axis.count++] = d;
    o.keepdims = g() % 2 == 0;
    const dynamic_tensor total = reduce_sum(u.whole(), o);
    CHECK(sparse_reduce_sum(u.s, o).shape() == total.shape());
    CHECK(alike(list(sparse_reduce_sum(u.s, o)), list(total)));
    CHECK(alike(list(sparse_tensor_to_dense(sparse_reduce_sum_sparse(u.s, o))), list(total)));
    CHECK(alike(list(sparse_tensor_to_dense(sparse_reduce_max_sparse(u.s, o))), list(sparse_reduce_max(u.s, o))));

    tensor_shape start, size, end;
    for (int d = 0; d < rank; ++d) {
      start.push_back(below(g, shape[d] + 1)), size.push_back(below(g, shape[d] + 2));
      end.push_back(std::min(size[d], shape[d] - start[d]));
    }
    CHECK(holds(sparse_slice(a.s, start, size), end, dense(slice_from(a.whole(), start, end))));
    const auto axis = static_cast<int>(below(g, rank));
    const dynamic_tensor both = concat({a.whole(), b.whole(), a.whole()}, {.axis = axis});
    CHECK(holds(sparse_concat({u.s, b.s, u.s}, {.axis = axis}), both.shape(),
                dense(concat({u.whole(), b.whole(), u.whole()}, {.axis = axis}))));
    if (shape[axis] > 0) {
      const auto parts = sparse_split(a.s, 1 + below(g, shape[axis]), {.axis = axis});
      CHECK(holds(sparse_concat(parts, {.axis = axis}), shape, a.dense));
    }
    dynamic_tensor keep = a.s.values > 0;
    CHECK(holds(sparse_retain(a.s, keep), shape, dense(maximum(a.whole(), zeros_like(a.whole())))));
    if (shape.num_elements() > 0) {
      const auto filled = sparse_fill_empty_rows(u.s, dynamic_tensor(9.0f));
      CHECK(list(filled.sp_output.values).size() >= list(u.s.values).size());
      CHECK(alike(list(gather(filled.sp_output.values, filled.reverse_index_map)), list(u.s.values)));
    }
    if (rank >= 2) {
      const dynamic_sparse_tensor y = sparse_softmax(a.s);
      const auto sums = list(sparse_reduce_sum(y, {.axis = {-1}}));
      for (const double v : sums) CHECK((v == 0 || std::abs(v - 1) < 1e-12));
    }
  });
}

TEST_CASE("sparse: products with dense matrices") {
  for (int k = 0; k < 60; ++k) {
    CAPTURE(k);
    std::mt19937 g(static_cast<unsigned>(k));
    const std::int64_t m = below(g, 9), n = below(g, 9), w = k % 3 == 0 ? 33 : below(g, 20);
    const sample a = random_sparse(g, {m, n}, k % 2 == 0);
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        const std::int64_t inner = ta ? m : n;
        const dynamic_tensor b = noise(tb ? tensor_shape{w, inner} : tensor_shape{inner, w}, 5u);
        const dynamic_tensor got = sparse_tensor_dense_matmul(a.s, b, {.adjoint_a = ta, .adjoint_b = tb});
        const std::int64_t rows = ta ? n : m;
        REQUIRE(got.shape() == tensor_shape{rows, w});
        const auto bv = list(b);
        std::vector<double> want(static_cast<std::size_t>(rows * w));
        for (std::int64_t i = 0; i < rows; ++i)
          for (std::int64_t j = 0; j < w; ++j)
            for (std::int64_t p = 0; p < inner; ++p)
              want[static_cast<std::size_t>(i * w + j)] +=
                  a.dense[static_cast<std::size_t>(ta ? p * n + i : i * n + p)] *
                  bv[static_cast<std::size_t>(tb ? j * inner + p : p * w + j)];
        CHECK(alike(list(got), want));
      }
  }
  // repeated elements add up, whatever the number of threads
  std::mt19937 g(3);
  std::vector<std::int64_t> at;
  std::vector<double> v;
  for (int k = 0; k < 20000; ++k)
    at.push_back(below(g, 700)), at.push_back(below(g, 500)), v.push_back(static_cast<double>(g() % 1000) / 7);
  const dynamic_sparse_tensor s{longs(at, {20000, 2}), doubles(v, {20000}), {700, 500}};
  const dynamic_tensor b = noise({500, 40});
  dynamic_tensor one, four;
  {
    thread_limit limit(1);
    one = sparse_tensor_dense_matmul(s, b);
  }
  {
    thread_limit limit(4);
    four = sparse_tensor_dense_matmul(s, b);
  }
  CHECK(list(one) == list(four));
  CHECK(alike(list(one), list(matmul(scatter_nd(s.indices, s.values, {700, 500}), b)), 1e-9));
  using z = std::complex<double>;
  const sparse_tensor<z> c({{0, 1}}, {z(1, 2)}, {2, 2});
  const tensor<z, 2, 1> right{{z(0, 0)}, {z(3, 1)}};
  CHECK(sparse_tensor_dense_matmul(c, right)(0, 0) == z(1, 2) * z(3, 1));
  CHECK(sparse_tensor_dense_matmul(c, tensor<z, 1, 2>{{z(3, 1), z(0, 0)}}, {.adjoint_a = true, .adjoint_b = true})(
            1, 0) == z(1, -2) * z(3, -1));
}

TEST_CASE("sparse: wrong input") {
  // Not {1, 1, 0, 0}: g++ 12.2 with AVX2 copies that constant as {1, 1, 1, 1}.
  const auto make = [](const std::vector<std::int64_t>& at, std::int64_t n, const tensor_shape& shape) {
    return dynamic_sparse_tensor{longs(at, {n, shape.rank()}), noise({n}), shape};
  };
  const auto good = make({0, 1, 2, 3}, 2, {3, 4});
  check_error<out_of_range>(
      [&] {
        sparse_tensor_to_dense(make({0, 1, 3, 0}, 2, {3, 4}));
      },
      "SparseToDense: indices[1] = [3, 0] is outside of the shape [3, 4]");
  check_error<out_of_range>([&] { sparse_tensor_to_dense(make({0, -1}, 1, {3, 4})); }, "indices[0] = [0, -1]");
  check_error<invalid_argument>(
      [&] {
        sparse_tensor_to_dense(make({0, 1, 0, 0}, 2, {3, 4}));
      },
      "indices[1] = [0, 0] is out of order");
  check_error<invalid_argument>(
      [&] {
        sparse_tensor_to_dense(make({0, 1, 0, 1}, 2, {3, 4}));
      },
      "indices[1] = [0, 1] is repeated");
  check_error<invalid_argument>(
      [&] {
        sparse_tensor_to_dense(make({}, 0, {1 << 30, 1 << 30, 1 << 30}));
      },
      "more elements than 63 bits");
  check_error<invalid_argument>([&] { sparse_tensor_to_dense(make({}, 0, {3, -4})); }, "negative");
  check_error<invalid_argument>(
      [&] {
        sparse_tensor_to_dense(dynamic_sparse_tensor{longs({0, 1}, {1, 2}), noise({2}), {3, 4}});
      },
      "as many indices as values");
  check_error<invalid_argument>(
      [&] {
        sparse_tensor_to_dense(dynamic_sparse_tensor{longs({0, 1}, {1, 2}), noise({1}), {3}});
      },
      "one column per axis");
  check_error<invalid_argument>(
      [&] {
        sparse_tensor_to_dense(dynamic_sparse_tensor{noise({1, 2}), noise({1}), {3, 4}});
      },
      "int64[n, rank]");
  check_error<invalid_argument>([&] { sparse_tensor_to_dense(good, dynamic_tensor(std::int64_t{1})); },
                                "scalar of the values' dtype");
  check_error<out_of_range>([&] { sparse_reorder(make({9, 9}, 1, {3, 4})); }, "SparseReorder: indices[0] = [9, 9]");
  check_error<invalid_argument>([&] { sparse_reshape(good, {5, -1}); }, "does not divide");
  check_error<invalid_argument>([&] { sparse_reshape(good, {5, 3}); }, "number of elements differs");
  check_error<invalid_argument>([&] { sparse_reshape(good, {-1, -1}); }, "at most one");
  check_error<invalid_argument>([&] { sparse_reshape(make({}, 0, {INT64_MAX, 3}), {-1}); }, "63 bits");
  check_error<invalid_argument>([&] { sparse_reset_shape(good, {3, 3}); }, "no smaller extents");
  check_error<invalid_argument>([&] { sparse_reset_shape(good, {3, 4, 5}); }, "rank");
  check_error<invalid_argument>([&] { sparse_transpose(good, {0, 0}); }, "permutation");
  check_error<invalid_argument>(
      [&] {
        sparse_concat({good, make({}, 0, {4, 4})}, {.axis = 1});
      },
      "shapes differ besides the axis");
  check_error<invalid_argument>([&] { sparse_concat({good, make({}, 0, {4})}); }, "ranks differ");
  check_error<invalid_argument>([&] { sparse_concat({good}, {.axis = 2}); }, "axis out of range");
  check_error<invalid_argument>([&] { sparse_concat({make({}, 0, {INT64_MAX}), make({}, 0, {2})}); }, "too long");
  check_error<invalid_argument>([&] { sparse_slice(good, {0}, {1}); }, "for each axis");
  check_error<invalid_argument>([&] { sparse_slice(good, {0, -1}, {1, 1}); }, "not negative");
  check_error<invalid_argument>([&] { sparse_split(good, 5, {.axis = 1}); }, "5 parts of an axis of 4");
  check_error<invalid_argument>([&] { sparse_split(good, 1, {.axis = 2}); }, "out of range");
  check_error<invalid_argument>([&] { sparse_retain(good, tensor<bool, 3>{true, true, true}); }, "bool[2]");
  check_error<invalid_argument>([&] { sparse_add(good, make({}, 0, {3, 5})); }, "float64[3, 4] and float64[3, 5]");
  check_error<invalid_argument>([&] { sparse_add(make({1, 2, 0, 1}, 2, {3, 4}), good); }, "out of order");
  check_error<invalid_argument>([&] { sparse_add(good, noise({4, 3})); }, "the shapes differ");
  check_error<out_of_range>([&] { sparse_add(make({3, 3}, 1, {3, 4}), noise({3, 4})); }, "[3, 3]");
  check_error<invalid_argument>([&] { sparse_dense_cwise_mul(good, noise({3})); }, "broadcast");
  check_error<invalid_argument>([&] { sparse_softmax(make({1, 2, 0, 1}, 2, {3, 4})); }, "out of order");
  check_error<invalid_argument>([&] { sparse_reduce_sum(good, {.axis = {2}}); }, "axis out of range");
  check_error<invalid_argument>([&] { sparse_reduce_sum_sparse(good, {.axis = {-3}}); }, "axis out of range");
  check_error<invalid_argument>([&] { sparse_tensor_dense_matmul(good, noise({3, 2})); }, "inner dimensions differ");
  check_error<invalid_argument>([&] { sparse_tensor_dense_matmul(good, noise({4})); }, "matrices");
  check_error<out_of_range>(
      [&] {
        sparse_tensor_dense_matmul(make({0, 4}, 1, {3, 4}), noise({4, 2}));
      },
      "SparseTensorDenseMatMul: indices[0] = [0, 4]");
  check_error<invalid_argument>([&] { sparse_to_dense(longs({0}, {1, 1, 1}), {3}, noise({1})); }, "at most 2 axes");
  check_error<invalid_argument>(
      [&] {
        sparse_to_dense(longs({0, 1}, {2}), {3, 3}, noise({2}));
      },
      "one column per axis");
  check_error<invalid_argument>([&] { sparse_merge(good, good, 3); }, "ids must be int32 or int64");
  check_error<out_of_range>(
      [&] {
        sparse_to_indicator(dynamic_sparse_tensor{longs({0, 0}, {1, 2}), longs({5}, {1}), {1, 1}}, 5);
      },
      "[0, 5]");
  const dynamic_sparse_tensor ids{longs({0, 0}, {1, 2}), longs({5}, {1}), {1, 1}};
  check_error<out_of_range>([&] { embedding_lookup_sparse(noise({5, 2}), ids); }, "[0, 5]");
  check_error<invalid_argument>([&] { embedding_lookup_sparse(noise({5, 2}), good); }, "ids of int32 or int64");
  check_error<invalid_argument>(
      [&] {
        embedding_lookup_sparse(noise({5, 2}), ids, good);
      },
      "one floating-point weight per id");
  check_error<invalid_argument>(
      [&] {
        sparse_fill_empty_rows(make({}, 0, {2, 0}), dynamic_tensor(1.f));
      },
      "hold no element");
#if !defined(__SANITIZE_ADDRESS__) && !RILL_TEST_CLANG_ASAN  // which ends the program at such sizes
  check_error<resource_exhausted>(
      [&] {
        sparse_fill_empty_rows(make({}, 0, {std::int64_t{1} << 60, 1}), dynamic_tensor(1.f));
      },
      "");
  check_error<resource_exhausted>([&] { sparse_tensor_to_dense(make({}, 0, {std::int64_t{1} << 57})); }, "");
#endif
  check_error<invalid_argument>([&] { sparse_add(dynamic_sparse_tensor(), good); }, "None");
}

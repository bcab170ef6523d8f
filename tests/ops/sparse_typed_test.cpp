// SPDX-License-Identifier: Apache-2.0
// Typed sparse tensors, and the examples of TensorFlow's documentation.

#include "sparse_samples.hpp"

#include <rill/ops/string.hpp>

using namespace rill;
using namespace rill::test;

TEST_CASE("sparse: typed tensors and strings") {
  const sparse_tensor<float> s({{0, 1}, {2, 3}}, {5, 6}, {3, 4});
  CHECK((sparse_tensor_to_dense(s) == tensor<float, 3, 4>{{0, 5, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 6}}));
  CHECK(sparse_tensor_to_dense(s, -1)(1, 2) == -1);
  CHECK((sparse_add(s, s) == sparse_tensor<float>({{0, 1}, {2, 3}}, {10, 12}, {3, 4})));
  CHECK((dense_to_sparse(sparse_tensor_to_dense(s)) == s));
  const auto [filled, empty, map] = sparse_fill_empty_rows(s, 7);
  CHECK((filled == sparse_tensor<float>({{0, 1}, {1, 0}, {2, 3}}, {5, 7, 6}, {3, 4})));
  CHECK((empty == tensor<bool, 3>{false, true, false}));
  CHECK((map == tensor<std::int64_t, 2>{0, 2}));
  CHECK((s * tensor<float, 4>{1, 2, 3, 4}) == sparse_tensor<float>({{0, 1}, {2, 3}}, {10, 24}, {3, 4}));
  CHECK((square(s) == sparse_tensor<float>({{0, 1}, {2, 3}}, {25, 36}, {3, 4})));
  CHECK((sparse_map(s, [](const auto& v) { return v * 2; }) == sparse_add(s, s)));
  CHECK((sparse_tensor_dense_matmul(s, tensor<float, 4, 1>{{1}, {2}, {3}, {4}}) == tensor<float, 3, 1>{{10}, {0}, {24}}));
  CHECK((sparse_reduce_sum(s, {.axis = {1}}) == tensor<float, 3>{5, 0, 6}));
  CHECK((sparse_split(s, 2, {.axis = 1})[1] == sparse_tensor<float>({{2, 1}}, {6}, {3, 2})));
  // the documentation's gradient of zero_out: sparse_to_dense of one index, vector and scalar forms
  CHECK((sparse_to_dense(tensor<int, 1>{2}, {5}, tensor<float, 1>{3}) == tensor<float, 5>{0, 0, 3, 0, 0}));
  CHECK((sparse_to_dense(tensor<int, 3>{0, 2, 3}, {5}, tensor<float>(1), 9) == tensor<float, 5>{1, 9, 1, 1, 9}));
  CHECK((sparse_to_dense(tensor<std::int64_t>(1), {3}, tensor<int>(4)) == tensor<int, 3>{0, 4, 0}));
  const tensor<bool, any_rank> hot =
      sparse_to_indicator(sparse_tensor<int>({{0, 0}, {0, 1}, {1, 0}}, {2, 2, 0}, {2, 2}), 3);
  CHECK((hot == tensor<bool, 2, 3>{{false, false, true}, {true, false, false}}));

  const sparse_tensor<std::string> words(string_split(tensor<std::string, dyn>{"hello world", "", "a b c"}));
  CHECK((words.dense_shape == tensor_shape{3, 3}));
  const auto table = sparse_tensor_to_dense(words, "-");
  CHECK(table(0, 1) == "world");
  CHECK(table(1, 0) == "-");
  CHECK((dense_to_sparse(sparse_tensor_to_dense(words)) == words));
  CHECK(sparse_fill_empty_rows(words, "?").sp_output.values(2) == "?");
  CHECK(sparse_concat({words, words}).size() == 10);
  CHECK((sparse_slice(words, {2, 1}, {1, 2}) == sparse_tensor<std::string>({{0, 0}, {0, 1}}, {"b", "c"}, {1, 2})));
  CHECK(sparse_reorder(sparse_tensor<std::string>({{1}, {0}}, {"b", "a"}, {2})).values(0) == "a");

  const indexed_slices<dynamic_tensor> slices{
      tensor<float, 3, 2>{{1, 2}, {3, 4}, {5, 6}}, tensor<int, 3>{7, 1, 3}, {8, 2}};
  const auto masked = sparse_mask(slices, tensor<int, 2>{3, 7});
  CHECK((masked.values.to<float, 1, 2>() == tensor<float, 1, 2>{{3, 4}}));
  CHECK(masked.indices.to<int, 1>()(0) == 1);

  // tables in parts, and rows of bounded length
  const tensor<float, 5, 2> rows{{3, 4}, {1, 1}, {2, 0}, {0, 3}, {5, 5}};
  const sparse_tensor<std::int64_t> ids({{0, 0}, {0, 1}, {2, 0}}, {0, 3, 4}, {3, 2});
  const std::vector<dynamic_tensor> parts{tensor<float, 3, 2>{{3, 4}, {2, 0}, {5, 5}},
                                          tensor<float, 2, 2>{{1, 1}, {0, 3}}};
  CHECK((embedding_lookup_sparse(parts, dynamic_sparse_tensor(ids), {.combiner = sparse_combiner::sum})
            .to<float, 3, 2>() == embedding_lookup_sparse(rows, ids, {.combiner = sparse_combiner::sum})));
  const auto short_rows = embedding_lookup_sparse(rows, ids, {.combiner = sparse_combiner::sum, .max_norm = 1});
  CHECK(short_rows(0, 0) == doctest::Approx(0.6));
  CHECK(short_rows(0, 1) == doctest::Approx(1.8));
}

TEST_CASE("sparse: the examples of TensorFlow's documentation") {
  using words = sparse_tensor<std::string>;
  const words abcd({{0, 3}, {0, 1}, {3, 1}, {2, 0}}, {"b", "a", "d", "c"}, {4, 5});
  const words ordered({{0, 1}, {0, 3}, {2, 0}, {3, 1}}, {"a", "b", "c", "d"}, {4, 5});
  CHECK((sparse_reorder(abcd) == ordered));
  CHECK((sparse_transpose(abcd) == words({{0, 2}, {1, 0}, {1, 3}, {3, 0}}, {"c", "a", "d", "b"}, {5, 4})));
  CHECK((sparse_retain(ordered, tensor<bool, 4>{true, false, false, true}) ==
        words({{0, 1}, {3, 1}}, {"a", "d"}, {4, 5})));
  CHECK((sparse_tensor_to_dense(words({{0, 1}, {0, 3}, {2, 0}}, {"a", "b", "c"}, {3, 5}), "x") ==
        tensor<std::string, 3, 5>{{"x", "a", "x", "b", "x"}, {"x", "x", "x", "x", "x"}, {"c", "x", "x", "x", "x"}}));

  const words rows({{0, 1}, {0, 3}, {2, 0}, {3, 1}}, {"a", "b", "c", "d"}, {5, 6});
  const auto filled = sparse_fill_empty_rows(rows, "e");
  CHECK((filled.sp_output == words({{0, 1}, {0, 3}, {1, 0}, {2, 0}, {3, 1}, {4, 0}}, {"a", "b", "e", "c", "d", "e"}, {5, 6})));
  CHECK((filled.empty_row_indicator == tensor<bool, 5>{false, true, false, false, true}));

  const words left({{0, 2}, {1, 0}, {1, 1}}, {"a", "b", "c"}, {2, 3}), right({{0, 1}, {0, 2}}, {"d", "e"}, {2, 4}),
      both({{0, 2}, {0, 4}, {0, 5}, {1, 0}, {1, 1}}, {"a", "d", "e", "b", "c"}, {2, 7});
  CHECK((sparse_concat({left, right}, {.axis = 1}) == both));
  CHECK((sparse_concat({words({{0, 2}, {1, 0}, {2, 1}}, {"a", "b", "c"}, {3, 3}), right},
                      {.axis = 1, .expand_nonconcat_dim = true}) ==
        words({{0, 2}, {0, 4}, {0, 5}, {1, 0}, {2, 1}}, {"a", "d", "e", "b", "c"}, {3, 7})));
  const words first({{0, 2}, {1, 0}, {1, 1}}, {"a", "b", "c"}, {2, 4}), last({{0, 0}, {0, 1}}, {"d", "e"}, {2, 3});
  CHECK((sparse_slice(both, {0, 0}, {2, 4}) == first));
  CHECK((sparse_slice(both, {0, 4}, {2, 3}) == last));
  const auto halves = sparse_split(both, 2, {.axis = 1});
  REQUIRE(halves.size() == 2);
  CHECK((halves[0] == first));
  CHECK((halves[1] == last));

  const words cube({{0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {1, 0, 0}, {1, 2, 3}}, {"a", "b", "c", "d", "e"}, {2, 3, 6});
  CHECK((sparse_reshape(cube, {9, -1}) ==
        words({{0, 0}, {0, 1}, {1, 2}, {4, 2}, {8, 1}}, {"a", "b", "c", "d", "e"}, {9, 4})));
  const words boxed({{0, 0, 1}, {0, 1, 0}, {0, 2, 2}, {1, 0, 3}}, {"a", "b", "c", "d"}, {2, 3, 5});
  CHECK((sparse_reset_shape(boxed).dense_shape == tensor_shape{2, 3, 4}));
  CHECK((sparse_reset_shape(boxed, {2, 3, 6}).dense_shape == tensor_shape{2, 3, 6}));
  check_error<invalid_argument>([&] { sparse_reset_shape(boxed, {2, 3}); }, "[2, 3, 5]");

  const sparse_tensor<int> ones({{0, 0}, {0, 2}, {1, 1}}, {1, 1, 1}, {2, 3});
  CHECK(sparse_reduce_sum(ones)() == 3);
  CHECK((sparse_reduce_sum(ones, {.axis = {0}}) == tensor<int, 3>{1, 1, 1}));
  CHECK((sparse_reduce_sum(ones, {.axis = {1}}) == tensor<int, 2>{2, 1}));
  CHECK((sparse_reduce_sum(ones, {.axis = {1}, .keepdims = true}) == tensor<int, 2, 1>{{2}, {1}}));
  CHECK(sparse_reduce_sum(ones, {.axis = {0, 1}})() == 3);
  const sparse_tensor<int> some({{0, 0}, {0, 2}, {1, 1}}, {1, 2, 3}, {2, 3});
  CHECK(sparse_reduce_max(some)() == 3);
  CHECK((sparse_reduce_max(some, {.axis = {0}}) == tensor<int, 3>{1, 3, 2}));
  CHECK((sparse_reduce_max(some, {.axis = {1}}) == tensor<int, 2>{2, 3}));
  CHECK((sparse_reduce_max(some, {.axis = {1}, .keepdims = true}) == tensor<int, 2, 1>{{2}, {3}}));
  CHECK(sparse_reduce_max(some, {.axis = {0, 1}})() == 3);

  const double e = std::exp(1.0);
  const sparse_tensor<double> logits({{0, 0, 1}, {0, 1, 0}, {1, 0, 0}, {1, 1, 0}, {1, 1, 1}}, {e, 1, e, e, e}, {2, 2, 2});
  CHECK((sparse_softmax(logits).values == tensor<double, 5>{1, 1, 1, 0.5, 0.5}));
  const sparse_tensor<int> zero({{0}}, {0}, {7}), one({{1}}, {1}, {7});
  CHECK((sparse_maximum(zero, one) == sparse_tensor<int>({{0}, {1}}, {0, 1}, {7})));
  CHECK((sparse_minimum(zero, one) == sparse_tensor<int>({{0}, {1}}, {0, 0}, {7})));

  // sums of .1, 2, 0, 6 and -.2: the threshold leaves out what is smaller
  const sparse_tensor<float> x({{0, 1}, {1, 1}, {2, 0}}, {2, 1, 5}, {3, 2}),
      y({{1, 0}, {1, 1}, {2, 0}, {2, 1}}, {.1f, -1, 1, -.2f}, {3, 2});
  CHECK((sparse_add(x, y) == sparse_tensor<float>({{0, 1}, {1, 0}, {1, 1}, {2, 0}, {2, 1}}, {2, .1f, 0, 6, -.2f}, {3, 2})));
  CHECK((sparse_add(x, y, 0.11) == sparse_tensor<float>({{0, 1}, {2, 0}, {2, 1}}, {2, 6, -.2f}, {3, 2})));
  CHECK((sparse_add(x, y, 0.21) == sparse_tensor<float>({{0, 1}, {2, 0}}, {2, 6}, {3, 2})));

  const sparse_tensor<std::int64_t> found({{0, 0}, {1, 0}, {1, 1}, {2, 0}, {2, 1}}, {0, 1, 3, 0, 3}, {3, 2});
  const sparse_tensor<float> weights({{0, 0}, {1, 0}, {1, 1}, {2, 0}, {2, 1}}, {-3, 1, 4, 5, 9}, {3, 2});
  CHECK((sparse_merge(found, weights, 6) ==
        sparse_tensor<float>({{0, 0}, {1, 1}, {1, 3}, {2, 0}, {2, 3}}, {-3, 1, 4, 5, 9}, {3, 6})));
  const sparse_tensor<int> ids({{0, 0, 0}, {0, 1, 0}, {1, 0, 3}, {1, 1, 2}, {1, 1, 3}, {1, 2, 1}},
                               {0, 10, 103, 149, 150, 121}, {2, 3, 4});
  const auto hot = sparse_to_indicator(ids, 200);
  CHECK((hot.shape() == tensor_shape{2, 3, 200}));
  CHECK(std::count(hot.data(), hot.data() + hot.size(), true) == 6);
  CHECK((hot(0, 0, 0) && hot(0, 1, 10) && hot(1, 0, 103) && hot(1, 1, 149) && hot(1, 1, 150) && hot(1, 2, 121)));

  tensor<float, 10, 2> table;
  for (int k = 0; k < 20; ++k) table.data()[k] = static_cast<float>(k * k);
  const sparse_tensor<std::int64_t> bag({{0, 0}, {0, 1}, {1, 0}, {2, 3}}, {1, 3, 0, 1}, {3, 4});
  const sparse_tensor<float> factor({{0, 0}, {0, 1}, {1, 0}, {2, 3}}, {2, 0.5f, 1, 3}, {3, 4});
  const auto mean_rows = embedding_lookup_sparse(table, bag, factor);
  REQUIRE(mean_rows.shape() == tensor_shape{3, 2});
  for (int j = 0; j < 2; ++j) {
    CHECK(mean_rows(0, j) == doctest::Approx((table(1, j) * 2 + table(3, j) * 0.5f) / 2.5f));
    CHECK(mean_rows(1, j) == doctest::Approx(table(0, j)));
    CHECK(mean_rows(2, j) == doctest::Approx(table(1, j)));
  }
  const indexed_slices<dynamic_tensor> slices{noise({4, 10}), tensor<int, 4>{12, 26, 37, 45}, {50, 10}};
  const auto left_over = sparse_mask(slices, tensor<int, 2>{12, 45});
  CHECK((left_over.indices.to<int, 2>() == tensor<int, 2>{26, 37}));
  CHECK((list(left_over.values) == list(slice_from(slices.values, {1, 0}, {2, 10}))));
}

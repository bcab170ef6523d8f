// SPDX-License-Identifier: Apache-2.0
// Ops that read and write at indices: TensorFlow's worked examples, indices outside and wrong inputs.

#include "tensors.hpp"

#include <rill/eager/indexing.hpp>

using namespace rill;
using test::check_error;
using test::counted;
using test::holds;
using test::list;
using test::made;
using test::numbers;
using test::tensor_of;

namespace {
using ints = std::vector<int>;
using longs = std::vector<std::int64_t>;
}  // namespace

TEST_CASE("indexing: TensorFlow's worked examples") {
  const tensor<int, 2, 2> p{{1, 2}, {3, 4}};
  CHECK(list(gather_nd(p, tensor<int, 2, 2>{{0, 0}, {1, 1}})) == ints{1, 4});
  CHECK(list(gather_nd(p, tensor<int, 2, 1>{{1}, {0}})) == ints{3, 4, 1, 2});
  const tensor<std::string, 2, 2, 2> names{{{"a0", "b0"}, {"c0", "d0"}}, {{"a1", "b1"}, {"c1", "d1"}}};
  CHECK(list(gather_nd(names, tensor<int, 2, 3>{{0, 0, 1}, {1, 0, 1}})) == std::vector<std::string>{"b0", "b1"});
  CHECK(list(gather_nd(names, tensor<int, 1, 1>{{1}})) == std::vector<std::string>{"a1", "b1", "c1", "d1"});
  CHECK(gather_nd(p, tensor<int, 0, 2>{}).shape() == tensor_shape{0});
  CHECK(list(gather(p, tensor<int>{1})) == ints{3, 4});
  CHECK(list(gather(p, tensor<std::int64_t, 3>{1, 0, 1}, {.axis = -1})) == ints{2, 1, 2, 4, 3, 4});
  CHECK(list(batch_gather(p, tensor<int, 2, 1>{{1}, {0}})) == ints{2, 3});

  const dynamic_tensor m = tensor<int, 3, 4>{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 10, 11}}, one = dynamic_tensor(1), last = dynamic_tensor(std::int64_t{-1});
  CHECK(list<int>(index(m, one)) == ints{4, 5, 6, 7});  // an index may be a scalar tensor
  CHECK(list<int>(index(m, all, last)) == ints{3, 7, 11});
  CHECK(list<int>(index(m, one, newaxis, slice{1, -1})) == ints{5, 6});
  CHECK(list<int>(index(m, one, ellipsis, last)) == ints{7});
  CHECK(list<int>(index(m, ellipsis, newaxis, one)) == ints{1, 5, 9});
  CHECK(list<int>(index(expand_dims(m, 0), 0, ellipsis, one, last)) == ints{7});
  CHECK(list(index(p, tensor<int>{1}, 0)) == ints{3});

  CHECK(list(scatter_nd(tensor<int, 4, 1>{{4}, {3}, {1}, {7}}, tensor<int, 4>{9, 10, 11, 12}, {8})) == ints{0, 11, 0, 10, 9, 0, 0, 12});
  const auto slab = scatter_nd(tensor<int, 2, 1>{{0}, {2}}, tensor<int, 2, 2, 2>{{{5, 5}, {6, 6}}, {{7, 7}, {8, 8}}}, {4, 2, 2});
  CHECK(list(slab) == ints{5, 5, 6, 6, 0, 0, 0, 0, 7, 7, 8, 8, 0, 0, 0, 0});
  const tensor<int, 8> typed{1, 2, 3, 4, 5, 6, 7, 8};
  const dynamic_tensor ref = typed;
  const dynamic_tensor at = tensor<int, 4, 1>{{4}, {3}, {1}, {7}};
  const dynamic_tensor u = tensor<int, 4>{9, 10, 11, 12};
  CHECK(list<int>(tensor_scatter_update(ref, at, u)) == ints{1, 11, 3, 10, 9, 6, 7, 12});
  CHECK(list<int>(tensor_scatter_add(ref, at, u)) == ints{1, 13, 3, 14, 14, 6, 7, 20});
  CHECK(list<int>(tensor_scatter_sub(ref, at, u)) == ints{1, -9, 3, -6, -4, 6, 7, -4});
  const dynamic_tensor twice = tensor<int, 3>{1, 1, 3};
  const dynamic_tensor v = tensor<int, 3>{10, 20, 30};
  CHECK(list<int>(scatter_update(ref, twice, v)) == ints{1, 20, 3, 30, 5, 6, 7, 8});
  CHECK(list<int>(scatter_add(ref, twice, v)) == ints{1, 32, 3, 34, 5, 6, 7, 8});
  CHECK(list<int>(scatter_sub(ref, twice, v)) == ints{1, -28, 3, -26, 5, 6, 7, 8});
  CHECK(list<int>(scatter_mul(ref, twice, v)) == ints{1, 400, 3, 120, 5, 6, 7, 8});
  CHECK(list<int>(scatter_div(scatter_mul(ref, twice, v), twice, v)) == list<int>(ref));
  CHECK(list<int>(scatter_max(ref, twice, v)) == ints{1, 20, 3, 30, 5, 6, 7, 8});
  CHECK(list<int>(scatter_min(ref, twice, v)) == list<int>(ref));

  CHECK(list(tensor_scatter_add(typed, tensor<int, 1, 1>{{2}}, tensor<int, 1>{5})) == ints{1, 2, 8, 4, 5, 6, 7, 8});
  CHECK(list(scatter_update(typed, tensor<int>{2}, tensor<int>{5})) == ints{1, 2, 5, 4, 5, 6, 7, 8});

  CHECK(list(one_hot(tensor<int, 4>{0, 2, -1, 1}, 3, {.on_value = 5, .off_value = 0, .axis = -1})) == std::vector<float>{5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 5, 0});
  CHECK(list<float>(one_hot(dynamic_tensor(tensor<std::uint8_t, 2>{1, 200}), 2, {})) == std::vector<float>{0, 1, 0, 0});
  CHECK(list(one_hot<bool>(tensor<std::int64_t, 2>{1, 0}, 2, {.on_value = 0, .off_value = 1, .axis = 0})) == std::vector<bool>{true, false, false, true});
  CHECK(one_hot(dynamic_tensor(tensor<int, 2, 2>{{0, 2}, {1, -1}}), 3, {.axis = 1, .type = dtype::int32}).shape() == tensor_shape{2, 3, 2});
  CHECK(list(sequence_mask(tensor<int, 3>{1, 3, 2}, 5)) == std::vector<bool>{true, false, false, false, false, true, true, true, false, false, true, true, false, false, false});
  CHECK(sequence_mask(tensor<int, 2, 2>{{1, 3}, {2, 0}}).shape() == tensor_shape{2, 2, 3});
  CHECK(list<float>(sequence_mask(dynamic_tensor(tensor<int, 1>{1}), 2, dtype::float32)) == std::vector<float>{1, 0});
  CHECK(list(invert_permutation(tensor<int, 5>{3, 4, 0, 2, 1})) == ints{2, 4, 3, 0, 1});

  CHECK(list(where(tensor<bool, 2, 2>{{true, false}, {true, false}})) == longs{0, 0, 1, 0});
  CHECK(list(where(tensor<bool, 3, 2, 2>{{{true, false}, {true, false}}, {{false, true}, {false, true}}, {{false, false}, {false, true}}})) ==
        longs{0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 1, 1, 2, 1, 1});
  CHECK(where(dynamic_tensor(true)).shape() == tensor_shape{1, 0});
  CHECK(list(boolean_mask(tensor<int, 4>{0, 1, 2, 3}, tensor<bool, 4>{true, false, true, false})) == ints{0, 2});
  CHECK(list(boolean_mask(tensor<int, 3, 2>{{1, 2}, {3, 4}, {5, 6}}, tensor<bool, 3>{true, false, true})) == ints{1, 2, 5, 6});
  CHECK(list(boolean_mask(p, tensor<bool, 2>{false, true}, {.axis = 1})) == ints{2, 4});

  const auto parts = dynamic_partition(tensor<int, 5>{10, 20, 30, 40, 50}, tensor<int, 5>{0, 0, 1, 1, 0}, 2);
  CHECK(list(parts[0]) == ints{10, 20, 50});
  CHECK(list(parts[1]) == ints{30, 40});
  CHECK(dynamic_partition(p, tensor<int, 2>{0, 0}, 2)[1].shape() == tensor_shape{0, 2});
  const dynamic_tensor stitched = dynamic_stitch({dynamic_tensor(tensor<int>{6}), dynamic_tensor(tensor<int, 2>{4, 1}), dynamic_tensor(tensor<int, 2, 2>{{5, 2}, {0, 3}})},
                                                 {dynamic_tensor(tensor<int, 2>{61, 62}), dynamic_tensor(tensor<int, 2, 2>{{41, 42}, {11, 12}}),
                                                  dynamic_tensor(tensor<int, 2, 2, 2>{{{51, 52}, {21, 22}}, {{1, 2}, {31, 32}}})});
  CHECK(list<int>(stitched) == ints{1, 2, 11, 12, 21, 22, 31, 32, 41, 42, 51, 52, 61, 62});
  CHECK(list<int>(dynamic_stitch({dynamic_tensor(tensor<int, 3>{2, 0, 2})}, {dynamic_tensor(tensor<int, 3>{7, 8, 9})})) == ints{8, 0, 9});
}

TEST_CASE("indexing: embedding_lookup") {
  const numbers table = counted({11, 3});
  const dynamic_tensor whole = tensor_of(dtype::float64, table), ids = tensor<std::int64_t, 2, 3>{{0, 10, 4}, {7, 4, 1}};
  const auto want = made({2, 3, 3}, [&](const tensor_shape& k) { return table({ids.span<std::int64_t>()[static_cast<std::size_t>(k[0] * 3 + k[1])], k[2]}); });
  CHECK(holds(embedding_lookup(whole, ids), dtype::float64, want));
  std::vector<dynamic_tensor> dealt, ranges;
  for (std::int64_t p = 0; p < 3; ++p) {
    dealt.push_back(index(whole, slice{p, slice::none, 3}));
    ranges.push_back(index(whole, slice{p * 4, std::min<std::int64_t>(11, p * 4 + 4)}));
  }
  CHECK(holds(embedding_lookup(dealt, ids), dtype::float64, want));
  CHECK(holds(embedding_lookup(ranges, ids, {.strategy = partition_strategy::div}), dtype::float64, want));
  const auto short_rows = embedding_lookup(whole, ids, {.max_norm = 2});
  const auto norms = list<double>(reduce_sum(square(short_rows), {.axis = {2}}));
  for (const double n : norms) CHECK(n == doctest::Approx(4));
  check_error<invalid_argument>([&] { embedding_lookup(std::vector<dynamic_tensor>{}, ids); }, "at least one part");
  check_error<invalid_argument>([&] { embedding_lookup(std::vector<dynamic_tensor>{whole, index(whole, slice{0, 3})}, ids); }, "more than one row");
  check_error<out_of_range>([&] { embedding_lookup(whole, ids + std::int64_t{1}); }, "indices[0,1] = 11 is not in [0, 11)");
}

TEST_CASE("indexing: indices outside and other wrong inputs") {
  const dynamic_tensor x = tensor<float, 2, 3>{{1, 2, 3}, {4, 5, 6}}, v = tensor<float, 3>{1, 2, 3}, i = tensor<int, 2>{0, 2}, ok = tensor<int, 2>{0, 1};
  const dynamic_tensor points = tensor<int, 2, 2>{{0, 1}, {1, 3}}, s = tensor<std::string, 2>{"a", "b"};
  check_error<out_of_range>([&] { gather(x, i); }, "GatherV2: indices[1] = 2 is not in [0, 2)");
  check_error<out_of_range>([&] { gather(x, dynamic_tensor(-1)); }, "GatherV2: indices = -1 is not in [0, 2)");
  check_error<out_of_range>([&] { gather(x, dynamic_tensor(tensor<std::int64_t, 2, 1>{{0}, {3}}), {.axis = 1}); }, "indices[1,0] = 3 is not in [0, 3)");
  check_error<out_of_range>([&] { index(x, all, dynamic_tensor(3)); }, "indices = 3 is not in [0, 3)");
  check_error<out_of_range>([&] { index(x, dynamic_tensor(-3)); }, "indices = -1 is not in [0, 2)");
  check_error<invalid_argument>([&] { index(x, i); }, "must be a scalar");
  check_error<invalid_argument>([&] { index(x, dynamic_tensor(1.f)); }, "GatherV2: indices must be int32 or int64");
  check_error<invalid_argument>([&] { index(x, 0, 0, dynamic_tensor(1)); }, "more indices than the tensor has axes");
  check_error<out_of_range>([&] { gather_nd(x, points); }, "GatherNd: indices[1] = [1, 3] does not index into shape [2, 3]");
  check_error<out_of_range>([&] { scatter_nd(points, ok, {2, 2}); }, "ScatterNd: indices[1] = [1, 3]");
  check_error<out_of_range>([&] { tensor_scatter_add(x, points, dynamic_tensor(tensor<float, 2>{1, 2})); }, "TensorScatter: indices[1]");
  check_error<out_of_range>([&] { take_along_axis(v, i + 1, 0); }, "TakeAlongAxis: indices[1] = 3 is not in [0, 3)");
  check_error<out_of_range>([&] { invert_permutation(i); }, "indices[1] = 2 is not in [0, 2)");
  check_error<out_of_range>([&] { dynamic_partition(x, i, 2); }, "DynamicPartition: indices[1] = 2");
  check_error<out_of_range>([&] { dynamic_stitch({i - 1}, {i}); }, "-1 is negative");
  check_error<invalid_argument>([&] { scatter_div(i, ok, i); }, "divided by zero");

  const auto bad = [](function_ref<void()> f, const char* text) { check_error<invalid_argument>(f, text); };
  bad([&] { gather(x, v); }, "GatherV2: indices must be int32 or int64");
  bad([&] { gather(x, i, {.axis = 2}); }, "axis out of range");
  bad([&] { gather(x, i, {.axis = 0, .batch_dims = 1}); }, "batch_dims out of range");
  bad([&] { gather(x, dynamic_tensor(tensor<int, 3, 1>{}), {.batch_dims = 1}); }, "batch axes of operand and indices differ");
  bad([&] { gather(dynamic_tensor(1.f), i); }, "axis out of range");
  bad([&] { gather_nd(x, v); }, "int32 or int64");
  bad([&] { gather_nd(v, points); }, "at most one index per axis");
  bad([&] { gather_nd(x, dynamic_tensor(1)); }, "at most one index per axis");
  bad([&] { take_along_axis(x, i, 0); }, "of one rank");
  bad([&] { take_along_axis(v, i, 1); }, "axis out of range");
  bad([&] { take_along_axis(x, dynamic_tensor(tensor<int, 3, 1>{}), 0); }, "differ besides the axis");
  bad([&] { scatter_nd(points, v, {2, 3}); }, "the updates do not fit shape and indices");
  bad([&] { scatter_nd(points, ok, {2}); }, "at most one index per axis");
  bad([&] { scatter_nd(expand_dims(ok, 1), s, {2}); }, "cannot be added");
  bad([&] { tensor_scatter_add(x, points, v); }, "the updates do not fit operand and indices");
  bad([&] { tensor_scatter_add(x, points, ok); }, "dtypes differ");
  bad([&] { tensor_scatter_add(s, expand_dims(ok, 1), s); }, "they can be replaced");
  bad([&] { scatter_add(x, v, x); }, "int32 or int64");
  bad([&] { one_hot(v, 3, {}); }, "uint8, int32 or int64");
  bad([&] { one_hot(i, 3, {.axis = 2}); }, "axis out of range");
  bad([&] { one_hot(i, -1, {}); }, "the depth is negative");
  bad([&] { one_hot(i, 2, {.type = dtype::string}); }, "strings");
  bad([&] { sequence_mask(v, 3); }, "must be integers");
  bad([&] { sequence_mask(i, -1); }, "maxlen is negative");
  bad([&] { sequence_mask(v); }, "int32 or int64");
  bad([&] { invert_permutation(x); }, "needs a vector");
  bad([&] { invert_permutation(dynamic_tensor(tensor<int, 3>{0, 1, 1})); }, "1 is there twice, at last at position 2");
  bad([&] { invert_permutation(v); }, "int32 or int64");
  bad([&] { where(x); }, "must be bool, not float32");
  bad([&] { boolean_mask(x, greater(v, 0)); }, "a mask of shape [3] does not fit a tensor of shape [2, 3] at axis 0");
  bad([&] { boolean_mask(x, dynamic_tensor(true)); }, "does not fit");
  bad([&] { boolean_mask(x, x); }, "must be bool");
  bad([&] { dynamic_partition(x, v, 2); }, "prefix of the shape");
  bad([&] { dynamic_partition(x, i, 0); }, "0 parts");
  bad([&] { dynamic_partition(v, i, 1); }, "prefix of the shape");
  bad([&] { dynamic_stitch({}, {}); }, "one at least");
  bad([&] { dynamic_stitch({i}, {v}); }, "prefix of the data");
  bad([&] { dynamic_stitch({i}, {i, i}); }, "as many tensors of data");

  const xla::gather_dimensions g{.output_window_dims = {1}, .elided_window_dims = {0}, .window_bounds = {1, 3}, .gather_dims_to_operand_dims = {0}, .index_vector_dim = 1};
  CHECK(xla::gather(x, i, g).shape() == tensor_shape{2, 3});
  const auto with = [&](function_ref<void(xla::gather_dimensions&)> change) {
    xla::gather_dimensions d = g;
    change(d);
    xla::gather(x, i, d);
  };
  bad([&] { with([](auto& d) { d.window_bounds = {1}; }); }, "one window bound per axis");
  bad([&] { with([](auto& d) { d.window_bounds = {1, 4}; }); }, "larger than its axis");
  bad([&] { with([](auto& d) { d.window_bounds = {2, 3}; }); }, "elided axis must be 1");
  bad([&] { with([](auto& d) { d.output_window_dims = {1, 0}; }); }, "out of order");
  bad([&] { with([](auto& d) { d.output_window_dims = {}; }); }, "the window's axes are not those of the result");
  bad([&] { with([](auto& d) { d.gather_dims_to_operand_dims = {0, 1}; }); }, "not as long as the list");
  bad([&] { with([](auto& d) { d.gather_dims_to_operand_dims = {2}; }); }, "out of range");
  bad([&] { with([](auto& d) { d.index_vector_dim = 2; }); }, "out of range");
  bad([&] { xla::gather(x, v, g); }, "int32 or int64");
  const xla::scatter_dimensions sd{.update_window_dims = {1}, .inserted_window_dims = {0}, .scatter_dims_to_operand_dims = {0}, .index_vector_dim = 1};
  bad([&] { xla::scatter(x, i, v, sd); }, "an axis of the updates per axis of a window");
  bad([&] { xla::scatter(x, i, concat({x, x}), sd); }, "the updates do not fit operand and indices");
  bad([&] { xla::scatter(x, v, x, sd); }, "int32 or int64");
  bad([&] { xla::scatter(x, i, cast_to(x, dtype::int32), sd); }, "dtypes differ");
}

// SPDX-License-Identifier: Apache-2.0
// Ops that read and write at indices: XLA's and TensorFlow's worked examples, random cases of one dtype of each width
// against element-by-element definitions, indices outside and wrong inputs.

#include "tensors.hpp"

#include <rill/eager/indexing.hpp>

using namespace rill;
using test::below;
using test::between;
using test::check_error;
using test::counted;
using test::holds;
using test::made;
using test::noise;
using test::numbers;
using test::random_shape;
using test::tensor_of;

namespace {

template <class T, std::int64_t... E>
std::vector<T> list(const tensor<T, E...>& t) {
  return std::vector<T>(t.data(), t.data() + t.size());
}
template <class T>
std::vector<T> list(const dynamic_tensor& t) {
  const auto s = t.span<T>();
  return std::vector<T>(s.begin(), s.end());
}
using ints = std::vector<int>;
using longs = std::vector<std::int64_t>;

dtype index_type(std::mt19937& g) { return g() % 2 ? dtype::int32 : dtype::int64; }
tensor_shape joined(std::initializer_list<tensor_shape> parts) {
  tensor_shape s;
  for (const auto& p : parts)
    for (const std::int64_t n : p) s.push_back(n);
  return s;
}
tensor_shape part(const tensor_shape& s, int begin, int end) { return {s.begin() + begin, end - begin}; }

template <class F>
void random_cases(int per_case, const F& body) {
  for (const dtype type : test::widths)
    for (int k = 0; k < per_case; ++k) {
      const unsigned seed = static_cast<unsigned>(k * 16 + static_cast<int>(type) * 4096);
      CAPTURE(seed);
      std::mt19937 g(seed);
      body(g, type);
    }
}

}  // namespace

TEST_CASE("indexing: XLA's Gather") {
  const numbers x = counted({16, 11});
  const dynamic_tensor operand = tensor_of(dtype::float32, x);
  {  // five windows [8, 6]: a batch of dynamic slices, moved inside where they stick out
    const tensor<std::int64_t, 5, 2> at{{0, 0}, {8, 5}, {3, 2}, {12, 9}, {-4, 1}};
    const auto y = xla::gather(operand, dynamic_tensor(at), {.output_window_dims = {1, 2}, .window_bounds = {8, 6}, .gather_dims_to_operand_dims = {0, 1}, .index_vector_dim = 1});
    CHECK(holds(y, dtype::float32, made({5, 8, 6}, [&](const tensor_shape& i) {
      const auto g = static_cast<int>(i[0]);
      return x({std::clamp<std::int64_t>(at(g, 0), 0, 8) + i[1], std::clamp<std::int64_t>(at(g, 1), 0, 5) + i[2]});
    })));
    // windows may be any axes of the result
    const auto z = xla::gather(operand, dynamic_tensor(at), {.output_window_dims = {0, 2}, .window_bounds = {8, 6}, .gather_dims_to_operand_dims = {0, 1}, .index_vector_dim = 1});
    CHECK(list<float>(transpose(z, {1, 0, 2})) == list<float>(y));
  }
  {  // indices [4, 5, 2]: two batch axes; and gather_nd: full rows, axis 0 elided
    const numbers at = made({4, 5, 2}, [](const tensor_shape& i) { return i[0] + i[1] * i[2]; });
    const auto y = xla::gather(operand, tensor_of(dtype::int32, at), {.output_window_dims = {2, 3}, .window_bounds = {8, 6}, .gather_dims_to_operand_dims = {0, 1}, .index_vector_dim = 2});
    CHECK(holds(y, dtype::float32, made({4, 5, 8, 6}, [&](const tensor_shape& i) { return x({at({i[0], i[1], 0}) + i[2], std::min<std::int64_t>(at({i[0], i[1], 1}), 5) + i[3]}); })));
    const numbers rows = made({4, 5, 1}, [](const tensor_shape& i) { return i[0] * i[1]; });
    const auto nd = xla::gather(operand, tensor_of(dtype::int32, rows), {.output_window_dims = {2}, .elided_window_dims = {0}, .window_bounds = {1, 11}, .gather_dims_to_operand_dims = {0}, .index_vector_dim = 2});
    CHECK(holds(nd, dtype::float32, made({4, 5, 11}, [&](const tensor_shape& i) { return x({i[0] * i[1], i[2]}); })));
    // scalars for index vectors: index_vector_dim is the rank
    const auto scalars = xla::gather(operand, reshape(tensor_of(dtype::int32, rows), {4, 5}), {.output_window_dims = {2}, .elided_window_dims = {0}, .window_bounds = {1, 11}, .gather_dims_to_operand_dims = {0}, .index_vector_dim = 2});
    CHECK(list<float>(scalars) == list<float>(nd));
  }
  // window dimensions to operand dimensions {0 -> 1, 1 -> 3, 2 -> 4, 3 -> 5}: rank 6, {0, 2} elided; result rank 5, batch axes {0, 1, 3} of windows {2, 4}
  const numbers six = counted({2, 3, 4, 2, 3, 2});
  const auto w = xla::gather(tensor_of(dtype::int32, six), tensor_of(dtype::int64, made({5, 2}, [](const tensor_shape& i) { return i[1] ? i[0] % 4 : i[0] % 2; })),
                             {.output_window_dims = {1, 2, 3, 4}, .elided_window_dims = {0, 2}, .window_bounds = {1, 3, 1, 2, 3, 2}, .gather_dims_to_operand_dims = {0, 2}, .index_vector_dim = 1});
  CHECK(holds(w, dtype::int32, made({5, 3, 2, 3, 2}, [&](const tensor_shape& i) { return six({i[0] % 2, i[1], i[0] % 4, i[2], i[3], i[4]}); })));
  const auto five = xla::gather(operand, tensor_of(dtype::int32, made({2, 3, 2, 1}, [](const tensor_shape& i) { return i[0] + i[1] + i[2]; })),
                                {.output_window_dims = {2, 4}, .window_bounds = {2, 11}, .gather_dims_to_operand_dims = {0}, .index_vector_dim = 3});
  CHECK(holds(five, dtype::float32, made({2, 3, 2, 2, 11}, [&](const tensor_shape& i) { return x({i[0] + i[1] + i[3] + i[2], i[4]}); })));
}

TEST_CASE("indexing: XLA's Scatter") {
  random_cases(25, [](std::mt19937& g, dtype type) {
    // windows [1 or 2, all] of a matrix at index vectors along axis 0 or 1 of the indices, partly outside
    const std::int64_t rows = between(g, 1, 6), columns = between(g, 1, 5), n = between(g, 0, 7), high = between(g, 1, std::min<std::int64_t>(rows, 2));
    const bool turned = g() % 2;
    const numbers x = counted({rows, columns}), at = made({n}, [&](const tensor_shape&) { return between(g, -2, rows); });
    const numbers u = made({n, high, columns}, [&](const tensor_shape& i) { return i[0] + 2 * i[2] + 1; });
    const tensor_shape index_shape = turned ? tensor_shape{1, n} : tensor_shape{n, 1};
    const bool numeric = type != dtype::string && type != dtype::boolean;
    for (const auto kind : {scatter_kind::update, scatter_kind::add, scatter_kind::sub, scatter_kind::mul, scatter_kind::min, scatter_kind::max}) {
      if (!numeric && kind != scatter_kind::update) continue;
      if (is_complex(type) && kind != scatter_kind::update && kind != scatter_kind::add && kind != scatter_kind::sub) continue;
      if (kind == scatter_kind::mul && n > 2) continue;  // small numbers in every dtype
      numbers want = x;
      u.each([&](const tensor_shape& i) {
        const std::int64_t r = at({i[0]}) + i[1];
        if (r < 0 || r >= rows) return;
        std::int64_t& e = want({r, i[2]});
        const std::int64_t v = u(i);
        e = kind == scatter_kind::update ? v : kind == scatter_kind::add ? e + v : kind == scatter_kind::sub ? e - v : kind == scatter_kind::mul ? e * v : kind == scatter_kind::min ? std::min(e, v) : std::max(e, v);
      });
      if (type == dtype::uint8 || type == dtype::float16) {
        bool fits = true;
        for (const auto v : want.at) fits = fits && v >= 0 && v < 256;
        if (!fits) continue;
      }
      const auto y = xla::scatter(tensor_of(type, x), reshape(tensor_of(index_type(g), at), index_shape), tensor_of(type, u),
                                  {.update_window_dims = {1, 2}, .scatter_dims_to_operand_dims = {0}, .index_vector_dim = turned ? 0 : 1}, kind);
      REQUIRE(holds(y, type, want));
    }
  });
  const tensor<float, 3, 2> x{{1, 2}, {3, 4}, {5, 6}};
  const auto y = xla::scatter(x, tensor<int, 3>{2, 0, 2}, tensor<float, 3, 2>{{2, 2}, {3, 3}, {10, 10}},
                              {.update_window_dims = {1}, .inserted_window_dims = {0}, .scatter_dims_to_operand_dims = {0}, .index_vector_dim = 1},
                              [](float a, float b) { return a * 10 + b; });
  CHECK(list(y) == std::vector<float>{13, 23, 3, 4, 530, 630});
}

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

  CHECK(list(scatter_nd(tensor<int, 4, 1>{{4}, {3}, {1}, {7}}, tensor<int, 4>{9, 10, 11, 12}, {8})) == ints{0, 11, 0, 10, 9, 0, 0, 12});
  const auto slab = scatter_nd(tensor<int, 2, 1>{{0}, {2}}, tensor<int, 2, 2, 2>{{{5, 5}, {6, 6}}, {{7, 7}, {8, 8}}}, {4, 2, 2});
  CHECK(list(slab) == ints{5, 5, 6, 6, 0, 0, 0, 0, 7, 7, 8, 8, 0, 0, 0, 0});
  const tensor<int, 8> ref{1, 2, 3, 4, 5, 6, 7, 8};
  const tensor<int, 4, 1> at{{4}, {3}, {1}, {7}};
  const tensor<int, 4> u{9, 10, 11, 12};
  CHECK(list(tensor_scatter_update(ref, at, u)) == ints{1, 11, 3, 10, 9, 6, 7, 12});
  CHECK(list(tensor_scatter_add(ref, at, u)) == ints{1, 13, 3, 14, 14, 6, 7, 20});
  CHECK(list(tensor_scatter_sub(ref, at, u)) == ints{1, -9, 3, -6, -4, 6, 7, -4});
  const tensor<int, 3> twice{1, 1, 3};
  const tensor<int, 3> v{10, 20, 30};
  CHECK(list(scatter_update(ref, twice, v)) == ints{1, 20, 3, 30, 5, 6, 7, 8});
  CHECK(list(scatter_add(ref, twice, v)) == ints{1, 32, 3, 34, 5, 6, 7, 8});
  CHECK(list(scatter_sub(ref, twice, v)) == ints{1, -28, 3, -26, 5, 6, 7, 8});
  CHECK(list(scatter_mul(ref, twice, v)) == ints{1, 400, 3, 120, 5, 6, 7, 8});
  CHECK(list(scatter_div(scatter_mul(ref, twice, v), twice, v)) == list(ref));
  CHECK(list(scatter_max(ref, twice, v)) == ints{1, 20, 3, 30, 5, 6, 7, 8});
  CHECK(list(scatter_min(ref, twice, v)) == list(ref));

  CHECK(list(one_hot(tensor<int, 4>{0, 2, -1, 1}, 3, {.on_value = 5, .off_value = 0, .axis = -1})) == std::vector<float>{5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 5, 0});
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

TEST_CASE("indexing: random gathers") {
  random_cases(40, [](std::mt19937& g, dtype type) {
    const int axis = static_cast<int>(below(g, 3)), batch = static_cast<int>(below(g, axis + 1));
    tensor_shape s = random_shape(g, axis + 1 + static_cast<int>(below(g, 3)));
    if (s[axis] == 0) s[axis] = 5;
    const tensor_shape index_shape = joined({part(s, 0, batch), random_shape(g, static_cast<int>(below(g, 3)))});
    const numbers x = counted(s), at = made(index_shape, [&](const tensor_shape&) { return below(g, s[axis]); });
    const dynamic_tensor t = tensor_of(type, x), i = tensor_of(index_type(g), at);
    const tensor_shape free = part(index_shape, batch, index_shape.rank());
    const tensor_shape out = joined({part(s, 0, axis), free, part(s, axis + 1, s.rank())});
    REQUIRE(holds(gather(t, i, {.axis = axis, .batch_dims = batch}), type, made(out, [&](const tensor_shape& k) {
      const tensor_shape index = joined({part(k, 0, batch), part(k, axis, axis + free.rank())});
      return x(joined({part(k, 0, axis), {at(index)}, part(k, axis + free.rank(), k.rank())}));
    })));

    const numbers along = made(s, [&](const tensor_shape&) { return below(g, s[axis]); });
    REQUIRE(holds(take_along_axis(t, tensor_of(index_type(g), along), axis - (g() % 2 ? s.rank() : 0)), type, made(s, [&](tensor_shape k) {
      k[axis] = along(k);
      return x(k);
    })));

    const int depth = static_cast<int>(below(g, s.rank() + 1));
    tensor_shape front = random_shape(g, static_cast<int>(below(g, 3)));
    for (int d = 0; d < depth; ++d)
      if (s[d] == 0) return;
    const numbers points = made(joined({front, {depth}}), [&](const tensor_shape& k) { return below(g, s[static_cast<int>(k[front.rank()])]); });
    const auto place = [&](const tensor_shape& k) {
      tensor_shape to;
      for (int d = 0; d < depth; ++d) to.push_back(points(joined({part(k, 0, front.rank()), {d}})));
      return joined({to, part(k, front.rank(), k.rank())});
    };
    const tensor_shape result = joined({front, part(s, depth, s.rank())});
    REQUIRE(holds(gather_nd(t, tensor_of(index_type(g), points)), type, made(result, [&](const tensor_shape& k) { return x(place(k)); })));

    const numbers u = made(result, [](const tensor_shape& k) { return k.rank() > 0 ? k[0] % 3 + 1 : 2; });
    numbers sum(s), last = x;
    u.each([&](const tensor_shape& k) { sum(place(k)) += u(k), last(place(k)) = u(k); });
    REQUIRE(holds(tensor_scatter_update(t, tensor_of(dtype::int32, points), tensor_of(type, u)), type, last));
    if (type != dtype::string && type != dtype::boolean && (type != dtype::uint8 || u.at.size() < 60))
      REQUIRE(holds(scatter_nd(tensor_of(index_type(g), points), tensor_of(type, u), s), type, sum));
  });
}

TEST_CASE("indexing: large gathers and scatters, the same for any number of threads") {
  std::mt19937 g(3);
  for (const std::int64_t width : {1, 3, 16, 67}) {
    const numbers x = counted({1000, width}), at = made({20011}, [&](const tensor_shape&) { return below(g, 1000); });
    const dynamic_tensor t = tensor_of(dtype::float32, x), i = tensor_of(dtype::int32, at);
    const dynamic_tensor rows = gather(t, i);
    REQUIRE(holds(rows, dtype::float32, made({20011, width}, [&](const tensor_shape& k) { return x({at({k[0]}), k[1]}); })));
    const dynamic_tensor updates = cast_to(noise({20011, width}), dtype::float32);
    const dynamic_tensor dt = scatter_slices(updates, i, t.shape(), {});  // the gradient of gather
    std::vector<float> want(static_cast<std::size_t>(1000 * width));
    for (std::int64_t k = 0; k < 20011; ++k)
      for (std::int64_t c = 0; c < width; ++c) want[static_cast<std::size_t>(at({k}) * width + c)] += updates.span<float>()[static_cast<std::size_t>(k * width + c)];
    CHECK(list<float>(dt) == want);  // in the order of the indices, to the bit
    const thread_limit one(1);
    CHECK(list<float>(scatter_add(zeros_like(t), i, updates)) == want);
  }
  const dynamic_tensor big = tensor_of(dtype::uint8, counted({3, 200, 1000}));
  const dynamic_tensor cut = gather(big, dynamic_tensor(tensor<int, 3>{199, 0, 7}), {.axis = 1});
  CHECK(list<std::uint8_t>(index(cut, all, 2)) == list<std::uint8_t>(index(big, all, 7)));
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
  check_error<out_of_range>([&] { gather_nd(x, points); }, "GatherNd: indices[1] = [1, 3] does not index into shape [2, 3]");
  check_error<out_of_range>([&] { scatter_nd(points, ok, {2, 2}); }, "ScatterNd: indices[1] = [1, 3]");
  check_error<out_of_range>([&] { tensor_scatter_add(x, points, dynamic_tensor(tensor<float, 2>{1, 2})); }, "TensorScatter: indices[1]");
  check_error<out_of_range>([&] { take_along_axis(v, i + 1, 0); }, "TakeAlongAxis: indices[1] = 3 is not in [0, 3)");
  check_error<out_of_range>([&] { invert_permutation(i); }, "indices[1] = 2 is not in [0, 2)");
  check_error<out_of_range>([&] { dynamic_partition(x, i, 2); }, "DynamicPartition: indices[1] = 2");
  check_error<out_of_range>([&] { dynamic_stitch({i - 1}, {i}); }, "-1 is negative");
  check_error<invalid_argument>([&] { scatter_div(i, ok, i); }, "divided by zero");

  const auto bad = [](const auto& f, const char* text) { check_error<invalid_argument>(f, text); };
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
  bad([&] { one_hot(v, 3, {}); }, "int32 or int64");
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
  const auto with = [&](const auto& change) {
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

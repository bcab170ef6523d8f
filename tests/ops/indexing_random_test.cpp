// SPDX-License-Identifier: Apache-2.0
// Ops that read and write at indices: XLA's worked examples of Gather, random cases of one dtype of each width against
// element-by-element definitions.

#include "tensors.hpp"

#include <rill/eager/indexing.hpp>

using namespace rill;
using test::below;
using test::between;
using test::counted;
using test::holds;
using test::list;
using test::made;
using test::noise;
using test::numbers;
using test::random_shape;
using test::tensor_of;

namespace {

dtype index_type(std::mt19937& g) { return g() % 2 ? dtype::int32 : dtype::int64; }
tensor_shape joined(std::initializer_list<tensor_shape> parts) {
  tensor_shape s;
  for (const auto& p : parts)
    for (const std::int64_t n : p) s.push_back(n);
  return s;
}
tensor_shape part(const tensor_shape& s, int begin, int end) { return {s.begin() + begin, end - begin}; }

void random_cases(int per_case, function_ref<void(std::mt19937&, dtype)> body) {
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


// SPDX-License-Identifier: Apache-2.0
// Ops that move elements: XLA's and TensorFlow's worked examples, random cases of ranks 0-6 and one dtype of each width
// against element-by-element definitions, wrong inputs.

#include "tensors.hpp"

#include <rill/eager/movement.hpp>

using namespace rill;
using test::between;
using test::check_error;
using test::counted;
using test::holds;
using test::made;
using test::numbers;
using test::random_shape;
using test::tensor_of;

namespace {

template <class T>
std::vector<T> list(const dynamic_tensor& t) {
  const auto s = t.span<T>();
  return std::vector<T>(s.begin(), s.end());
}
template <class T, std::int64_t... E>
std::vector<T> list(const tensor<T, E...>& t) {
  return std::vector<T>(t.data(), t.data() + t.size());
}
using ints = std::vector<int>;

const tensor<float, 4, 2, 3> cube{{{10, 11, 12}, {15, 16, 17}}, {{20, 21, 22}, {25, 26, 27}}, {{30, 31, 32}, {35, 36, 37}}, {{40, 41, 42}, {45, 46, 47}}};
const tensor<int, 4, 3> b43{{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {9, 10, 11}};

/// Runs `body(seed generator, shape, dtype)` for ranks 0-6 and all widths.
template <class F>
void random_cases(int per_case, int first_rank, int last_rank, const F& body) {
  for (const dtype type : test::widths)
    for (int rank = first_rank; rank <= last_rank; ++rank)
      for (int k = 0; k < per_case; ++k) {
        const unsigned seed = static_cast<unsigned>(k * 64 + rank * 8 + static_cast<int>(type) * 1024);
        CAPTURE(seed);
        std::mt19937 g(seed);
        const tensor_shape s = random_shape(g, rank);
        CAPTURE(to_string(s));
        body(g, s, type);
      }
}

}  // namespace

TEST_CASE("movement: XLA's worked examples") {
  const std::vector<float> v021{10, 20, 30, 40, 11, 21, 31, 41, 12, 22, 32, 42, 15, 25, 35, 45, 16, 26, 36, 46, 17, 27, 37, 47};
  const std::vector<float> v012(cube.data(), cube.data() + 24);
  for (const tensor_shape& s : {tensor_shape{24}, tensor_shape{8, 3}, tensor_shape{2, 6, 2}}) {
    CHECK(xla::reshape(cube, {0, 1, 2}, s).shape() == s);
    CHECK(list(xla::reshape(cube, {0, 1, 2}, s)) == v012);
    CHECK(xla::reshape(cube, {1, 2, 0}, s).shape() == s);
    CHECK(list(xla::reshape(cube, {1, 2, 0}, s)) == v021);
  }
  CHECK(xla::reshape(tensor<float, 1, 1>{{5}}, {0, 1}, {})() == 5);
  CHECK(xla::reshape(dynamic_tensor(5.f), {}, {1, 1}).shape() == tensor_shape{1, 1});

  CHECK(xla::collapse(cube, {0, 1, 2}).shape() == tensor_shape{24});
  CHECK(xla::collapse(cube, {0, 1}).shape() == tensor_shape{8, 3});  // dimension 0 is the one of size 4
  CHECK(xla::collapse(cube, {1, 2}).shape() == tensor_shape{4, 6});
  CHECK(list(xla::collapse(cube, {1, 2})) == v012);

  CHECK(list(xla::concatenate({tensor<int, 2>{2, 3}, tensor<int, 2>{4, 5}, tensor<int, 2>{6, 7}}, 0)) == ints{2, 3, 4, 5, 6, 7});
  const dynamic_tensor joined = concat({dynamic_tensor(tensor<int, 3, 2>{{1, 2}, {3, 4}, {5, 6}}), dynamic_tensor(tensor<int, 1, 2>{{7, 8}})});
  CHECK(joined.shape() == tensor_shape{4, 2});
  CHECK(list<int>(joined) == ints{1, 2, 3, 4, 5, 6, 7, 8});

  CHECK(list(xla::slice(tensor<int, 5>{0, 1, 2, 3, 4}, {2}, {4})) == ints{2, 3});
  CHECK(list(xla::slice(b43, {2, 1}, {4, 3})) == ints{7, 8, 10, 11});
  CHECK(list(xla::slice(b43, {0, 0}, {4, 3}, {3, 2})) == ints{0, 2, 9, 11});

  CHECK(list(dynamic_slice(tensor<int, 5>{0, 1, 2, 3, 4}, tensor<int, 1>{2}, {2})) == ints{2, 3});
  CHECK(list(dynamic_slice(b43, tensor<int, 2>{2, 1}, {2, 2})) == ints{7, 8, 10, 11});
  CHECK(list(xla::dynamic_slice(b43, tensor<int, 2>{9, -4}, {2, 2})) == ints{6, 7, 9, 10});  // moved inside
  CHECK(list(dynamic_update_slice(tensor<int, 5>{0, 1, 2, 3, 4}, tensor<int, 2>{5, 6}, tensor<int, 1>{2})) == ints{0, 1, 5, 6, 4});
  CHECK(list(dynamic_update_slice(b43, tensor<int, 3, 2>{{12, 13}, {14, 15}, {16, 17}}, tensor<int, 2>{1, 1})) ==
        ints{0, 1, 2, 3, 12, 13, 6, 14, 15, 9, 16, 17});

  const tensor<int, 4> v1{1, 2, 3, 4}, v2{100, 200, 300, 400};
  CHECK(list(xla::select(tensor<bool, 4>{true, false, false, true}, v1, v2)) == ints{1, 200, 300, 4});
  CHECK(list(xla::select(tensor<bool>{true}, v1, v2)) == ints{1, 2, 3, 4});

  const auto twos = xla::broadcast(tensor<float>{2}, {2, 3});
  CHECK(twos.shape() == tensor_shape{2, 3});
  CHECK(list(twos) == std::vector<float>(6, 2));
  const tensor<int, 3> v789{7, 8, 9};
  CHECK(list(xla::broadcast_in_dim(v789, {2, 3}, {1})) == ints{7, 8, 9, 7, 8, 9});
  CHECK(list(xla::broadcast_in_dim(v789, {3, 3}, {0})) == ints{7, 7, 7, 8, 8, 8, 9, 9, 9});
  CHECK(list(xla::broadcast_in_dim(tensor<int, 1, 2>{{5, 6}}, {4, 3, 2}, {1, 2})).size() == 24);

  CHECK(list(xla::rev(b43, {0})) == ints{9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2});
  CHECK(list(xla::rev(b43, {0, 1})) == ints{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
  CHECK(list(xla::pad(b43, -1, {{0, 0, 0}, {0, 0, 0}})) == list(xla::slice(b43, {0, 0}, {4, 3})));
  CHECK(list(xla::pad(tensor<int, 3>{1, 2, 3}, 9, {{-1, 2, 1}})) == ints{9, 2, 9, 3, 9, 9});
  CHECK(list(xla::bitcast_convert_type<std::int32_t>(tensor<float, 2>{1.f, -0.f})) == ints{0x3f800000, INT32_MIN});
}

TEST_CASE("movement: TensorFlow's worked examples") {
  const tensor<int, 2, 3> t{{1, 2, 3}, {4, 5, 6}};
  CHECK(list(pad(t, {{1, 1}, {2, 2}})) == ints{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(list(pad(t, {{1, 1}, {2, 2}}, {.mode = pad_mode::reflect})) ==
        ints{6, 5, 4, 5, 6, 5, 4, 3, 2, 1, 2, 3, 2, 1, 6, 5, 4, 5, 6, 5, 4, 3, 2, 1, 2, 3, 2, 1});
  CHECK(list(pad(t, {{1, 1}, {2, 2}}, {.mode = pad_mode::symmetric})) ==
        ints{2, 1, 1, 2, 3, 3, 2, 2, 1, 1, 2, 3, 3, 2, 5, 4, 4, 5, 6, 6, 5, 5, 4, 4, 5, 6, 6, 5});

  const tensor<int, 3, 2, 3> s{{{1, 1, 1}, {2, 2, 2}}, {{3, 3, 3}, {4, 4, 4}}, {{5, 5, 5}, {6, 6, 6}}};
  CHECK(list(strided_slice(s, {1, 0, 0}, {2, 1, 3}, {1, 1, 1})) == ints{3, 3, 3});
  CHECK(list(strided_slice(s, {1, 0, 0}, {2, 2, 3}, {1, 1, 1})) == ints{3, 3, 3, 4, 4, 4});
  CHECK(list(strided_slice(s, {1, -1, 0}, {2, -3, 3}, {1, -1, 1})) == ints{4, 4, 4, 3, 3, 3});
  CHECK(list(slice_from(s, {1, 0, 0}, {1, 2, 3})) == ints{3, 3, 3, 4, 4, 4});
  CHECK(list(slice_from(s, {1, 0, 0}, {2, 1, -1})) == ints{3, 3, 3, 5, 5, 5});

  const tensor<int, 4, 5> m{{0, 1, 2, 3, 4}, {5, 6, 7, 8, 9}, {10, 11, 12, 13, 14}, {15, 16, 17, 18, 19}};
  const dynamic_tensor d = m;
  CHECK(list<int>(index(d, 2, all)) == ints{10, 11, 12, 13, 14});
  CHECK(list<int>(index(d, 2, slice{1, -1})) == ints{11, 12, 13});
  CHECK(list<int>(index(d, all, 3)) == ints{3, 8, 13, 18});
  CHECK(list<int>(index(d, -1, -1)) == ints{19});
  CHECK(index(d, ellipsis, newaxis, slice{0, 2}).shape() == tensor_shape{4, 1, 2});
  CHECK(list<int>(index(d, slice{.step = -2}, slice{4, 1, -1})) == ints{19, 18, 17, 9, 8, 7});
  CHECK(list(index(m, ellipsis, 0)) == list(tensor<int, any_rank>(m(all, 0))));

  const auto parts = split(dynamic_tensor(m), {1, -1, 2}, {.axis = 1});
  CHECK(parts[1].shape() == tensor_shape{4, 2});
  CHECK(list<int>(parts[1]) == ints{1, 2, 6, 7, 11, 12, 16, 17});
  const auto [top, bottom] = split<2>(m);
  CHECK(list(bottom) == ints{10, 11, 12, 13, 14, 15, 16, 17, 18, 19});
  CHECK(list(stack({tensor<int, 2>{1, 4}, tensor<int, 2>{2, 5}, tensor<int, 2>{3, 6}})) == ints{1, 4, 2, 5, 3, 6});
  CHECK(list(stack({tensor<int, 2>{1, 4}, tensor<int, 2>{2, 5}, tensor<int, 2>{3, 6}}, {.axis = 1})) == ints{1, 2, 3, 4, 5, 6});
  CHECK(list(unstack(t, {.axis = 1})[2]) == ints{3, 6});
  CHECK(unstack<2>(t)[1].shape() == tensor_shape{3});

  const tensor<int, 4, 8> q{{1, 2, 3, 4, 5, 0, 0, 0}, {1, 2, 0, 0, 0, 0, 0, 0}, {1, 2, 3, 4, 0, 0, 0, 0}, {1, 2, 3, 4, 5, 6, 7, 8}};
  CHECK(list(reverse_sequence(q, tensor<int, 4>{7, 2, 3, 5}, {.seq_axis = 1, .batch_axis = 0})) ==
        ints{0, 0, 5, 4, 3, 2, 1, 0, 2, 1, 0, 0, 0, 0, 0, 0, 3, 2, 1, 4, 0, 0, 0, 0, 5, 4, 3, 2, 1, 6, 7, 8});
  CHECK(list(roll(tensor<int, 5>{0, 1, 2, 3, 4}, {.shift = {2}, .axis = {0}})) == ints{3, 4, 0, 1, 2});
  CHECK(list(roll(tensor<int, 2, 5>{{0, 1, 2, 3, 4}, {5, 6, 7, 8, 9}}, {.shift = {1, -2}, .axis = {0, 1}})) == ints{7, 8, 9, 5, 6, 2, 3, 4, 0, 1});
  CHECK(list(roll(tensor<int, 2, 5>{{0, 1, 2, 3, 4}, {5, 6, 7, 8, 9}}, {.shift = {2, -3}, .axis = {1, 1}})) == ints{1, 2, 3, 4, 0, 6, 7, 8, 9, 5});

  const tensor<int, 1, 4, 4, 1> image{{{{1}, {2}, {3}, {4}}, {{5}, {6}, {7}, {8}}, {{9}, {10}, {11}, {12}}, {{13}, {14}, {15}, {16}}}};
  const auto blocks = space_to_batch(image, {{0, 0}, {0, 0}}, 2);
  CHECK(blocks.shape() == tensor_shape{4, 2, 2, 1});
  CHECK(list(blocks) == ints{1, 3, 9, 11, 2, 4, 10, 12, 5, 7, 13, 15, 6, 8, 14, 16});
  CHECK(list(batch_to_space(blocks, {{0, 0}, {0, 0}}, 2)) == list(dynamic_tensor(image).to<int, any_rank>()));
  const auto two = space_to_batch_nd(dynamic_tensor(image).to<int, any_rank>(), {2, 2}, {{0, 0}, {2, 0}});
  CHECK(two.shape() == tensor_shape{4, 2, 3, 1});
  CHECK(list(two) == ints{0, 1, 3, 0, 9, 11, 0, 2, 4, 0, 10, 12, 0, 5, 7, 0, 13, 15, 0, 6, 8, 0, 14, 16});
  CHECK(list(batch_to_space_nd(two, {2, 2}, {{0, 0}, {2, 0}})) == list(dynamic_tensor(image).to<int, any_rank>()));
  CHECK(list(space_to_depth(image, 2)) == ints{1, 2, 5, 6, 3, 4, 7, 8, 9, 10, 13, 14, 11, 12, 15, 16});
  CHECK(list(depth_to_space(tensor<int, 1, 1, 1, 12>{{{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}}}, 2)) == ints{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});

  CHECK(list(matrix_diag(tensor<int, 2, 2>{{1, 2}, {5, 6}})) == ints{1, 0, 0, 2, 5, 0, 0, 6});
  CHECK(list(matrix_diag_part(m)) == ints{0, 6, 12, 18});
  CHECK(list(matrix_set_diag(t, tensor<int, 2>{8, 9})) == ints{8, 2, 3, 4, 9, 6});
  const tensor<int, 4, 4> band{{0, 1, 2, 3}, {-1, 0, 1, 2}, {-2, -1, 0, 1}, {-3, -2, -1, 0}};
  CHECK(list(matrix_band_part(band, 1, -1)) == ints{0, 1, 2, 3, -1, 0, 1, 2, 0, -1, 0, 1, 0, 0, -1, 0});
  CHECK(list(matrix_band_part(band, 2, 1)) == ints{0, 1, 0, 0, -1, 0, 1, 0, -2, -1, 0, 1, 0, -2, -1, 0});
  CHECK(list(diag(tensor<int, 3>{1, 2, 3})) == ints{1, 0, 0, 0, 2, 0, 0, 0, 3});
  CHECK(diag(t).shape() == tensor_shape{2, 3, 2, 3});
  CHECK(list(diag_part(diag(t))) == ints{1, 2, 3, 4, 5, 6});

  const auto [gx, gy] = meshgrid(tensor<int, 3>{1, 2, 3}, tensor<int, 2>{4, 5});
  CHECK(gx.shape() == tensor_shape{2, 3});
  CHECK(list(gx) == ints{1, 2, 3, 1, 2, 3});
  CHECK(list(gy) == ints{4, 4, 4, 5, 5, 5});
  const auto ij = meshgrid(std::array<dynamic_tensor, 2>{dynamic_tensor(tensor<int, 3>{1, 2, 3}), dynamic_tensor(tensor<int, 2>{4, 5})}, {.ij = true});
  CHECK(list<int>(ij[1]) == ints{4, 5, 4, 5, 4, 5});
  CHECK(list<int>(shape_of(d)) == ints{4, 5});
  CHECK(shape_of(dynamic_tensor(1)).shape() == tensor_shape{0});
  CHECK(count_of(d).item<int>() == 20);
  CHECK(rank_of(d).item<int>() == 2);
  CHECK(broadcast_static_shape({2, 1}, {5, 1, 3}) == tensor_shape{5, 2, 3});
  const auto bytes = bitcast(dynamic_tensor(tensor<int, 1>{0x01020304}), dtype::uint8);
  CHECK(list<std::uint8_t>(bytes) == std::vector<std::uint8_t>{4, 3, 2, 1});
  CHECK(list<int>(bitcast(bytes, dtype::int32)) == ints{0x01020304});
}

TEST_CASE("movement: concat, split, stack of random tensors") {
  random_cases(4, 1, 6, [](std::mt19937& g, const tensor_shape& s, dtype type) {
    const int axis = static_cast<int>(test::below(g, s.rank()));
    const auto n = between(g, 1, 11);
    std::vector<dynamic_tensor> parts;
    tensor_shape whole = s, sizes;
    whole[axis] = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      tensor_shape p = s;
      p[axis] = between(g, 0, 3);
      whole[axis] += p[axis];
      if (k < 8) sizes.push_back(p[axis]);
    }
    const numbers x = counted(whole);
    std::int64_t at = 0;
    std::mt19937 again = g;
    for (std::int64_t k = 0, left = whole[axis]; k < n; ++k) {
      tensor_shape p = s;
      p[axis] = k < sizes.rank() ? sizes[static_cast<int>(k)] : k == n - 1 ? left : std::min<std::int64_t>(left, 1);
      left -= p[axis];
      parts.push_back(tensor_of(type, made(p, [&](tensor_shape i) { return i[axis] += at, x(i); })));
      at += p[axis];
    }
    REQUIRE(holds(concat(parts, {axis - (again() % 2 ? s.rank() : 0)}), type, x));
    if (n <= 8) {
      const auto back = split(concat(parts, {axis}), sizes, {axis});
      for (std::size_t k = 0; k < parts.size(); ++k) REQUIRE(back[k].shape() == parts[k].shape());
      REQUIRE(holds(concat(back, {axis}), type, x));
    }
    const dynamic_tensor t = tensor_of(type, x);
    const auto slices = unstack(t, {axis});
    if (!slices.empty()) REQUIRE(holds(stack(slices, {axis}), type, x));
  });
}

TEST_CASE("movement: slices and paddings of random tensors") {
  random_cases(6, 0, 6, [](std::mt19937& g, const tensor_shape& s, dtype type) {
    const numbers x = counted(s);
    const dynamic_tensor t = tensor_of(type, x);
    tensor_shape begin, end, step, size;
    for (int d = 0; d < s.rank(); ++d) {
      const std::int64_t stride = between(g, 1, 3) * (g() % 2 ? 1 : -1);
      const std::int64_t first = between(g, -1, s[d] - 1), count = first < 0 ? 0 : between(g, 0, (stride > 0 ? s[d] - 1 - first : first) / std::abs(stride) + 1);
      begin.push_back(std::max<std::int64_t>(first, 0)), step.push_back(stride), size.push_back(count);
      const std::int64_t last = begin[d] + count * stride;
      end.push_back(last < 0 ? -s[d] - 1 : last);
    }
    REQUIRE(holds(strided_slice(t, begin, end, step), type, made(size, [&](tensor_shape i) {
      for (int d = 0; d < i.rank(); ++d) i[d] = begin[d] + i[d] * step[d];
      return x(i);
    })));

    pad_list widths;
    tensor_shape padded;
    for (int d = 0; d < s.rank(); ++d) {
      const pad_width w{between(g, -1, 2), between(g, -1, 2), between(g, 0, 2)};
      const std::int64_t n = s[d] + w.before + w.after + (s[d] > 1 ? (s[d] - 1) * w.interior : 0);
      widths.push_back(n < 0 ? pad_width{} : w);
      padded.push_back(n < 0 ? s[d] : n);
    }
    const auto wanted = made(padded, [&](tensor_shape i) -> std::int64_t {
      for (int d = 0; d < i.rank(); ++d) {
        const std::int64_t k = i[d] - widths.axes[d].before, each = widths.axes[d].interior + 1;
        if (k < 0 || k % each != 0 || k / each >= s[d]) return 5;
        i[d] = k / each;
      }
      return x(i);
    });
    REQUIRE(holds(xla::pad(t, tensor_of(type, made({}, [](const tensor_shape&) { return 5; })), widths), type, wanted));
    if (is_floating(type)) REQUIRE(holds(pad(t, widths, {.constant_values = 5}), type, wanted));

    for (const std::int64_t border : {0, 1}) {  // symmetric, reflect
      pad_list mirror;
      tensor_shape large;
      for (int d = 0; d < s.rank(); ++d) {
        const std::int64_t most = std::max<std::int64_t>(s[d] - border, 0);
        mirror.push_back({between(g, 0, std::min<std::int64_t>(most, 2)), between(g, 0, std::min<std::int64_t>(most, 2))});
        large.push_back(s[d] + mirror.axes[d].before + mirror.axes[d].after);
      }
      if (large.num_elements() > 20000) continue;
      bool room = true;  // a reflection needs elements, also where nothing is added
      for (int d = 0; d < s.rank(); ++d) room = room && s[d] > 0;
      if (!room) continue;
      REQUIRE(holds(pad(t, mirror, {.mode = border ? pad_mode::reflect : pad_mode::symmetric}), type, made(large, [&](tensor_shape i) {
        for (int d = 0; d < i.rank(); ++d) {
          std::int64_t k = i[d] - mirror.axes[d].before;
          if (k < 0) k = -k - 1 + border;
          if (k >= s[d]) k = 2 * s[d] - 1 - border - k;
          i[d] = k;
        }
        return x(i);
      })));
    }
  });
}

TEST_CASE("movement: reversals, tiles, rolls, transposes of random tensors") {
  random_cases(5, 0, 6, [](std::mt19937& g, const tensor_shape& s, dtype type) {
    const numbers x = counted(s);
    const dynamic_tensor t = tensor_of(type, x);
    axis_list axes, order;
    tensor_shape often = s, large = s, turned = s;
    for (int d = 0; d < s.rank(); ++d) {
      if (g() % 2) axes.axes[axes.count++] = g() % 2 ? d : d - s.rank();
      often[d] = between(g, g() % 6 == 0 ? 0 : 1, 3);
      large[d] = s[d] * often[d];
      order.axes[order.count++] = d;
    }
    REQUIRE(holds(reverse(t, axes), type, made(s, [&](tensor_shape i) {
      for (int k = 0; k < axes.count; ++k) {
        const int d = static_cast<int>(axes.axes[k] < 0 ? axes.axes[k] + s.rank() : axes.axes[k]);
        i[d] = s[d] - 1 - i[d];
      }
      return x(i);
    })));
    if (large.num_elements() < 20000) REQUIRE(holds(tile(t, often), type, made(large, [&](tensor_shape i) {
      for (int d = 0; d < s.rank(); ++d) i[d] %= s[d];
      return x(i);
    })));
    for (int d = s.rank() - 1; d > 0; --d) std::swap(order.axes[d], order.axes[test::below(g, d + 1)]);
    for (int d = 0; d < s.rank(); ++d) turned[d] = s[static_cast<int>(order.axes[d])];
    if (s.rank() > 0) REQUIRE(holds(transpose(t, order), type, made(turned, [&](const tensor_shape& i) {
      tensor_shape from = s;
      for (int d = 0; d < s.rank(); ++d) from[static_cast<int>(order.axes[d])] = i[d];
      return x(from);
    })));
    if (s.rank() == 0) return;
    const int d = static_cast<int>(test::below(g, s.rank()));
    const std::int64_t shift = between(g, -9, 9);
    REQUIRE(holds(roll(t, {.shift = {shift}, .axis = {d}}), type, made(s, [&](tensor_shape i) {
      i[d] = ((i[d] - shift) % s[d] + s[d]) % s[d];
      return x(i);
    })));
    if (s.rank() < 2) return;
    const int b = (d + 1) % s.rank();
    const numbers lengths = made({s[b]}, [&](const tensor_shape&) { return test::below(g, s[d] + 1); });
    REQUIRE(holds(reverse_sequence(t, tensor_of(dtype::int32, lengths), {.seq_axis = d, .batch_axis = b}), type, made(s, [&](tensor_shape i) {
      const std::int64_t n = lengths({i[b]});
      if (i[d] < n) i[d] = n - 1 - i[d];
      return x(i);
    })));
  });
}

TEST_CASE("movement: large transposes, concats and tiles") {  // more than one block and chunk, odd edges
  for (const dtype type : {dtype::uint8, dtype::float16, dtype::float32, dtype::float64, dtype::complex128, dtype::string}) {
    for (const tensor_shape& s : {tensor_shape{257, 131}, tensor_shape{3, 65, 96}, tensor_shape{64, 512}, tensor_shape{1, 33000}, tensor_shape{9000, 3}}) {
      const numbers x = counted(s);
      const dynamic_tensor t = tensor_of(type, x);
      const int last = s.rank() - 1;
      tensor_shape turned = s;
      std::swap(turned[last], turned[last - 1]);
      REQUIRE(holds(transpose(t, s.rank() == 2 ? rill::axis_list{1, 0} : rill::axis_list{0, 2, 1}), type, made(turned, [&](tensor_shape i) {
        std::swap(i[last], i[last - 1]);
        return x(i);
      })));
      tensor_shape twice = s;
      twice[last] *= 2;
      const numbers wide = made(twice, [&](tensor_shape i) { return i[last] %= s[last], x(i); });
      tensor_shape multiples = s;
      for (int d = 0; d <= last; ++d) multiples[d] = d == last ? 2 : 1;
      REQUIRE(holds(tile(t, multiples), type, wide));
      REQUIRE(holds(concat({t, t}, {.axis = -1}), type, wide));
      REQUIRE(holds(reverse(reverse(t, {last}), {-1}), type, x));
    }
  }
}

TEST_CASE("movement: blocks and diagonals of random tensors") {
  random_cases(3, 2, 4, [](std::mt19937& g, const tensor_shape& s, dtype type) {
    const numbers x = counted(s);
    const dynamic_tensor t = tensor_of(type, x);
    const int last = s.rank() - 1;
    tensor_shape part = s;
    part[last - 1] = std::min(s[last], s[last - 1]);
    part = tensor_shape(part.begin(), last);
    REQUIRE(holds(matrix_diag_part(t), type, made(part, [&](tensor_shape i) {
      i.push_back(i[last - 1]);
      return x(i);
    })));
    const numbers other = made(part, [&](const tensor_shape& i) { return 50 + i[last - 1]; });
    REQUIRE(holds(matrix_set_diag(t, tensor_of(type, other)), type, made(s, [&](const tensor_shape& i) {
      return i[last] == i[last - 1] ? other(tensor_shape(i.begin(), last)) : x(i);
    })));
    if (type == dtype::string) return;
    const std::int64_t low = between(g, -1, 3), high = between(g, -1, 3);
    REQUIRE(holds(matrix_band_part(t, low, high), type, made(s, [&](const tensor_shape& i) {
      return (low < 0 || i[last - 1] - i[last] <= low) && (high < 0 || i[last] - i[last - 1] <= high) ? x(i) : 0;
    })));
    REQUIRE(holds(matrix_diag_part(matrix_diag(t)), type, x));
    if (s.rank() != 4) return;
    const tensor_shape blocks{between(g, 1, 3), between(g, 1, 3)};
    pad_list padding;
    for (int d = 0; d < 2; ++d) {
      const std::int64_t before = between(g, 0, 2), rest = (s[d + 1] + before) % blocks[d];
      padding.push_back({before, rest == 0 ? 0 : blocks[d] - rest});
    }
    const dynamic_tensor moved = space_to_batch_nd(t, blocks, padding);
    const tensor_shape to{s[0] * blocks[0] * blocks[1], (s[1] + padding.axes[0].before + padding.axes[0].after) / blocks[0],
                          (s[2] + padding.axes[1].before + padding.axes[1].after) / blocks[1], s[3]};
    REQUIRE(holds(moved, type, made(to, [&](const tensor_shape& i) -> std::int64_t {
      const std::int64_t place = s[0] == 0 ? 0 : i[0] / s[0];
      const tensor_shape from{i[0] % s[0], i[1] * blocks[0] + place / blocks[1] - padding.axes[0].before,
                              i[2] * blocks[1] + place % blocks[1] - padding.axes[1].before, i[3]};
      return from[1] < 0 || from[1] >= s[1] || from[2] < 0 || from[2] >= s[2] ? 0 : x(from);
    })));
    REQUIRE(holds(batch_to_space_nd(moved, blocks, padding), type, x));
    const dynamic_tensor deep = tile(t, {1, 1, 1, 4});
    for (const auto f : {image_layout::nhwc, image_layout::nchw})
      if (f == image_layout::nhwc) REQUIRE(list<unsigned char>(bitcast(space_to_depth(depth_to_space(deep, 2, {f}), 2, {f}), dtype::uint8)) == list<unsigned char>(bitcast(deep, dtype::uint8)));
  });
  const numbers x = counted({2, 8, 3, 5});
  const dynamic_tensor nchw = depth_to_space(tensor_of(dtype::int32, x), 2, {image_layout::nchw});
  CHECK(holds(nchw, dtype::int32, made({2, 2, 6, 10}, [&](const tensor_shape& i) {
    return x({i[0], (i[2] % 2 * 2 + i[3] % 2) * 2 + i[1], i[2] / 2, i[3] / 2});
  })));
  CHECK(holds(space_to_depth(nchw, 2, {image_layout::nchw}), dtype::int32, x));
}

TEST_CASE("movement: wrong inputs") {
  const dynamic_tensor x = tensor<float, 2, 3>{{1, 2, 3}, {4, 5, 6}}, i = tensor<int, 2>{0, 0}, v = tensor<float, 3>{1, 2, 3};
  const dynamic_tensor s = dynamic_tensor(tensor<std::string, 2>{"a", "b"}), scalar = dynamic_tensor(1.f);
  const auto bad = [](const auto& f, const char* part) { check_error<invalid_argument>(f, part); };
  bad([&] { concat({x, v}); }, "ConcatV2: shapes differ besides the axis: got float32[2, 3] and float32[3]");
  bad([&] { concat({x, x, x, x, v}); }, "ConcatV2: shapes differ besides the axis");
  bad([&] { concat({x, x}, {.axis = 2}); }, "ConcatV2: axis out of range");
  bad([&] { concat({scalar, scalar}); }, "scalars cannot be joined");
  bad([&] { concat({v, cast_to(v, dtype::int32)}); }, "ConcatV2: dtypes differ");
  bad([&] { concat(std::vector<dynamic_tensor>{}); }, "at least one tensor");
  bad([&] { concat({x, dynamic_tensor{}}); }, "None");
  bad([&] { stack({x, v}); }, "shapes to stack differ");
  bad([&] { stack({x, x}, {.axis = 4}); }, "axis out of range");
  bad([&] { stack({v, cast_to(v, dtype::int32)}); }, "dtypes differ");
  bad([&] { split(x, 2, {.axis = 1}); }, "does not split into equal parts: got float32[2, 3]");
  bad([&] { split(x, {1, 1}, {.axis = 1}); }, "do not add up");
  bad([&] { split(x, 2, {.axis = 2}); }, "axis out of range");
  bad([&] { split(x, 0); }, "0 parts");
  bad([&] { unstack(x, {.axis = 3}); }, "cannot unstack");
  bad([&] { unstack<3>(x); }, "another number of elements");
  bad([&] { unstack(scalar); }, "cannot unstack");
  bad([&] { index(x, 2); }, "StridedSlice: an index is outside its axis: got float32[2, 3]");
  bad([&] { index(x, 0, 0, 0); }, "more indices than the tensor has axes");
  bad([&] { index(x, ellipsis, ellipsis); }, "only one ellipsis");
  bad([&] { strided_slice(x, {0}, {1}, {0}); }, "other than 0");
  bad([&] { strided_slice(x, {0}, {1, 1}); }, "of one length");
  bad([&] { index(x, newaxis, newaxis, newaxis, newaxis, newaxis, newaxis, newaxis); }, "more than 8 axes");
  bad([&] { xla::slice(x, {0}, {1}); }, "per axis");
  bad([&] { xla::slice(x, {0, 0}, {2, 4}); }, "out of range");
  bad([&] { xla::slice(x, {0, 2}, {2, 1}); }, "out of range");
  bad([&] { slice_from(x, {0, 1}, {2, 3}); }, "begin or size out of range");
  bad([&] { slice_from(x, {0, -1}, {2, 1}); }, "begin or size out of range");
  bad([&] { slice_from(x, {0}, {2}); }, "per axis");
  bad([&] { pad(x, {{1, 1}}); }, "PadV2: needs one padding per axis: got float32[2, 3]");
  bad([&] { pad(x, {{-3, 0}, {0, 0}}); }, "more elements are removed");
  bad([&] { pad(x, {{0, 0, -1}, {0, 0}}); }, "out of range");
  bad([&] { pad(x, {{2, 0}, {0, 0}}, {.mode = pad_mode::reflect}); }, "longer than what it reflects");
  bad([&] { pad(x, {{3, 0}, {0, 0}}, {.mode = pad_mode::symmetric}); }, "longer than what it reflects");
  bad([&] { pad(s, {{1, 1}}, {.constant_values = 1}); }, "padded with empty ones");
  bad([&] { pad(x, {{INT64_MAX / 2, 0}, {0, 0}}); }, "out of range");
  bad([&] { xla::pad(x, v, {{0, 0}, {0, 0}}); }, "scalar of the operand's dtype");
  bad([&] { xla::pad(x, dynamic_tensor(1), {{0, 0}, {0, 0}}); }, "scalar of the operand's dtype");
  bad([&] { reverse(x, {2}); }, "ReverseV2: axis out of range");
  bad([&] { reverse(x, {-3}); }, "ReverseV2: axis out of range");
  bad([&] { reverse(x, {1, -1}); }, "named twice");
  bad([&] { reverse_sequence(x, i, {.seq_axis = 0, .batch_axis = 0}); }, "two different axes");
  bad([&] { reverse_sequence(x, v, {.seq_axis = 1, .batch_axis = 0}); }, "int32 or int64");
  bad([&] { reverse_sequence(x, i, {.seq_axis = 0, .batch_axis = 1}); }, "one length per index");
  bad([&] { reverse_sequence(x, dynamic_tensor(tensor<int, 2>{1, 4}), {.seq_axis = 1, .batch_axis = 0}); }, "seq_lengths[1] = 4 is not in [0, 3]");
  bad([&] { tile(x, {1}); }, "Tile: needs one multiple per axis");
  bad([&] { tile(x, {1, -1}); }, "negative");
  bad([&] { tile(x, {std::int64_t{1} << 39, std::int64_t{1} << 39}); }, "63 bits");
  bad([&] { roll(x, {.shift = {1}, .axis = {}}); }, "one shift per axis");
  bad([&] { roll(x, {.shift = {1}, .axis = {2}}); }, "axis out of range");
  bad([&] { roll(x, {.shift = {1}, .axis = {-3}}); }, "axis out of range");
  bad([&] { xla::broadcast(x, {1, 1, 1, 1, 1, 1, 1}); }, "at most eight axes");
  bad([&] { xla::broadcast(x, {-1}); }, "no negative size");
  bad([&] { xla::broadcast(x, {INT64_MAX}); }, "cannot be repeated");
  bad([&] { xla::broadcast_in_dim(v, {2, 3}, {0}); }, "dimensions do not match");
  bad([&] { xla::broadcast_in_dim(x, {3, 2}, {1, 0}); }, "strictly increasing");
  bad([&] { xla::broadcast_in_dim(x, {2, 3}, {0}); }, "dimensions do not match");
  bad([&] { xla::collapse(x, {1, 0}); }, "consecutive axes");
  bad([&] { xla::collapse(x, {0, 2}); }, "consecutive axes");
  bad([&] { xla::collapse(x, {-1}); }, "consecutive axes");
  bad([&] { xla::reshape(x, {0}, {6}); }, "permutation");
  bad([&] { xla::reshape(x, {0, 0}, {6}); }, "permutation");
  bad([&] { xla::reshape(x, {1, 0}, {5}); }, "number of elements");
  bad([&] { xla::select(x, x, x); }, "must be bool");
  bad([&] { xla::select(greater(x, 0), x, v); }, "one shape");
  bad([&] { xla::select(greater(v, 0), x, x); }, "a scalar or of the shape");
  bad([&] { dynamic_slice(x, v, {1, 1}); }, "int32 or int64");
  bad([&] { dynamic_slice(x, i, {1}); }, "one size per axis");
  bad([&] { dynamic_slice(x, i, {3, 1}); }, "larger than its axis");
  bad([&] { dynamic_slice(v, i, {1}); }, "one start index per axis");
  bad([&] { dynamic_update_slice(x, v, i); }, "does not fit");
  bad([&] { dynamic_update_slice(x, concat({x, x}), i); }, "does not fit");
  bad([&] { dynamic_update_slice(x, cast_to(x, dtype::int32), i); }, "dtypes differ");
  bad([&] { dynamic_update_slice(x, x, v); }, "int32 or int64");
  bad([&] { xla::bitcast_convert_type(x, dtype::float64); }, "differ in width");
  bad([&] { bitcast(x, dtype::string); }, "fixed width");
  bad([&] { bitcast(x, dtype::float64); }, "one wider element");
  bad([&] { space_to_batch_nd(x, {2}, {}); }, "per spatial axis");
  bad([&] { space_to_batch_nd(x, {2}, {{0, 0}}); }, "not a multiple of its block");
  bad([&] { space_to_batch_nd(x, {0}, {{0, 0}}); }, "not a multiple of its block");
  bad([&] { batch_to_space_nd(x, {3}, {{0, 0}}); }, "not a multiple of the blocks");
  bad([&] { batch_to_space_nd(x, {2}, {{4, 4}}); }, "longer than its axis");
  bad([&] { batch_to_space_nd(x, {2}, {}); }, "per spatial axis");
  bad([&] { space_to_depth(x, 2); }, "needs images");
  bad([&] { depth_to_space(reshape(x, {1, 1, 2, 3}), 2); }, "channels");
  bad([&] { depth_to_space(x, 2); }, "needs images");
  bad([&] { matrix_diag(scalar); }, "rank 1 to 7");
  bad([&] { matrix_diag_part(v); }, "needs matrices");
  bad([&] { matrix_set_diag(x, v); }, "not one of the matrices");
  bad([&] { matrix_set_diag(x, i); }, "dtypes differ");
  bad([&] { matrix_band_part(v, 0, 0); }, "needs matrices");
  bad([&] { diag(scalar); }, "rank 1 to 4");
  bad([&] { diag_part(x); }, "halves are of one shape");
  bad([&] { diag_part(v); }, "even rank");
  bad([&] { meshgrid(std::array<dynamic_tensor, 2>{x, v}); }, "made of vectors");
  bad([&] { broadcast_static_shape({2}, {3}); }, "[2] and [3] do not broadcast");
}

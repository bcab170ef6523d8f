// SPDX-License-Identifier: Apache-2.0
// Ops that move elements: XLA's and TensorFlow's worked examples, wrong inputs.

#include "tensors.hpp"

#include <rill/eager/movement.hpp>

using namespace rill;
using test::check_error;
using test::list;

namespace {

using ints = std::vector<int>;

const tensor<float, 4, 2, 3> cube{{{10, 11, 12}, {15, 16, 17}}, {{20, 21, 22}, {25, 26, 27}}, {{30, 31, 32}, {35, 36, 37}}, {{40, 41, 42}, {45, 46, 47}}};
const tensor<int, 4, 3> b43{{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {9, 10, 11}};

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
  CHECK(list(xla::pad(tensor<int, 2, 2>{{1, 2}, {3, 4}}, 0, {{1, 0, 1}, {-1, 1, 2}})) == ints{0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4, 0});
  // a transpose is a reshape that takes the axes in its order
  CHECK(list<float>(transpose(dynamic_tensor(cube), {1, 2, 0})) == v021);
  CHECK(list(xla::reshape(cube, {2, 0, 1}, {3, 4, 2})) == list<float>(transpose(dynamic_tensor(cube), {2, 0, 1})));
  CHECK(list(xla::bitcast_convert_type<std::int32_t>(tensor<float, 2>{1.f, -0.f})) == ints{0x3f800000, INT32_MIN});
}

TEST_CASE("movement: TensorFlow's worked examples") {
  const tensor<int, 2, 3> t{{1, 2, 3}, {4, 5, 6}};
  CHECK(list(pad(t, {{1, 1}, {2, 2}})) == ints{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(list(pad(t, {{1, 1}, {2, 2}}, {.mode = pad_mode::reflect})) ==
        ints{6, 5, 4, 5, 6, 5, 4, 3, 2, 1, 2, 3, 2, 1, 6, 5, 4, 5, 6, 5, 4, 3, 2, 1, 2, 3, 2, 1});
  CHECK(list(pad(t, {{1, 1}, {2, 2}}, {.mode = pad_mode::symmetric})) ==
        ints{2, 1, 1, 2, 3, 3, 2, 2, 1, 1, 2, 3, 3, 2, 5, 4, 4, 5, 6, 6, 5, 5, 4, 4, 5, 6, 6, 5});

  const dynamic_tensor r3 = dynamic_tensor::zeros(dtype::float32, {2, 3, 5}), r6 = dynamic_tensor::zeros(dtype::int8, {1, 2, 1, 3, 1, 1});
  CHECK(expand_dims(r3, 0).shape() == tensor_shape{1, 2, 3, 5});
  CHECK(expand_dims(r3, -1).shape() == tensor_shape{2, 3, 5, 1});
  CHECK(squeeze(r6).shape() == tensor_shape{2, 3});
  CHECK(squeeze(r6, {2, 4}).shape() == tensor_shape{1, 2, 3, 1});
  CHECK(list<std::string>(tile(dynamic_tensor(tensor<std::string, 4>{"a", "b", "c", "d"}), {2})) == std::vector<std::string>{"a", "b", "c", "d", "a", "b", "c", "d"});
  CHECK(list<float>(reverse(dynamic_tensor(cube), {0, 2})) == list<float>(reverse(reverse(dynamic_tensor(cube), {2}), {0})));
  const dynamic_tensor wide = dynamic_tensor::zeros(dtype::float32, {3, 4, 5});
  CHECK(reshape(wide, {6, 10}).shape() == tensor_shape{6, 10});
  CHECK(reshape(wide, {3, -1}).shape() == tensor_shape{3, 20});
  CHECK(reshape(reshape(wide, {3, -1}), {4, 3, -1}).shape() == tensor_shape{4, 3, 5});
  check_error<invalid_argument>([&] { reshape(wide, {13, 2, -1}); }, "does not divide");

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

TEST_CASE("movement: wrong inputs") {
  const dynamic_tensor x = tensor<float, 2, 3>{{1, 2, 3}, {4, 5, 6}}, i = tensor<int, 2>{0, 0}, v = tensor<float, 3>{1, 2, 3};
  const dynamic_tensor s = dynamic_tensor(tensor<std::string, 2>{"a", "b"}), scalar = dynamic_tensor(1.f);
  const auto bad = [](function_ref<void()> f, const char* part) { check_error<invalid_argument>(f, part); };
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

// SPDX-License-Identifier: Apache-2.0
// General convolution against the definition as loops over random configurations (dimension orders, strides, paddings of
// any sign, dilations, groups), TensorFlow's forms against it, gradients of both orders, messages.
#include <rill/eager/conv.hpp>
#include <rill/eager/movement.hpp>
#include <rill/eager/numeric_gradient.hpp>

#include "array.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

using namespace rill;
using test::array;
using test::values;

namespace {

dynamic_tensor make(const tensor_shape& s, std::mt19937& g, dtype type = dtype::float64) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float64, s);
  auto* p = static_cast<double*>(t.mutable_data());
  for (std::int64_t k = 0; k < t.size(); ++k) p[k] = static_cast<double>(static_cast<int>(g() % 13) - 6);
  return cast_to(is_integer(type) ? cast_to(t, dtype::int64) : t, type);
}

/// XLA's definition, one number at a time.
array reference(const dynamic_tensor& lhs, const dynamic_tensor& rhs, const xla::conv_options& o, const tensor_shape& out) {
  const int rank = lhs.rank(), n = rank - 2;
  const auto axis = [](const tensor_shape& list, int k) { return static_cast<int>(list.rank() == 0 ? k : list[k]); };
  const auto entry = [](const tensor_shape& list, int k) { return list.rank() == 0 ? std::int64_t{1} : list[k]; };
  const auto offset = [](const tensor_shape& s, const std::int64_t* at) {
    std::int64_t r = 0;
    for (int d = 0; d < s.rank(); ++d) r = r * s[d] + at[d];
    return r;
  };
  const array x = values(lhs), w = values(rhs);
  const tensor_shape xs = lhs.shape(), ws = rhs.shape();
  array y(static_cast<std::size_t>(out.num_elements()));
  const auto& dn = o.dimension_numbers;
  const std::int64_t out_features = ws[axis(dn.rhs, 0)], batch = out[axis(dn.out, 0)], in = ws[axis(dn.rhs, 1)];
  std::int64_t taps = 1;
  for (int d = 0; d < n; ++d) taps *= ws[axis(dn.rhs, 2 + d)];
  for (std::int64_t q = 0; q < out.num_elements(); ++q) {
    std::int64_t at[max_rank] = {}, rest = q;
    for (int d = rank - 1; d >= 0; --d) at[d] = rest % out[d], rest /= out[d];
    const std::int64_t b = at[axis(dn.out, 0)], f = at[axis(dn.out, 1)];
    const std::int64_t feature_group = f / (out_features / o.feature_group_count), batch_group = f / (out_features / o.batch_group_count);
    double sum = 0;
    for (std::int64_t t = 0; t < taps; ++t) {
      std::int64_t from[max_rank] = {}, by[max_rank] = {}, left = t;
      bool inside = true;
      for (int d = n - 1; d >= 0; --d) {
        const int xa = axis(dn.lhs, 2 + d), wa = axis(dn.rhs, 2 + d);
        by[wa] = left % ws[wa], left /= ws[wa];
        std::int64_t low = 0;
        const std::int64_t base = entry(o.lhs_dilation, d), dilated = xs[xa] == 0 ? 0 : (xs[xa] - 1) * base + 1;
        if (o.padding.given) {
          low = o.padding.pairs.axes[d].before;
        } else if (o.padding.rule == same) {
          const std::int64_t stride = entry(o.window_strides, d), window = (ws[wa] - 1) * entry(o.rhs_dilation, d) + 1;
          low = std::max<std::int64_t>(0, ((dilated + stride - 1) / stride - 1) * stride + window - dilated) / 2;
        }
        const std::int64_t i = at[axis(dn.out, 2 + d)] * entry(o.window_strides, d) + by[wa] * entry(o.rhs_dilation, d) - low;
        inside = inside && i >= 0 && i < dilated && i % base == 0;
        from[xa] = i / base;
      }
      if (!inside) continue;
      for (std::int64_t c = 0; c < in; ++c) {
        from[axis(dn.lhs, 0)] = b + batch_group * batch, from[axis(dn.lhs, 1)] = c + feature_group * in;
        by[axis(dn.rhs, 0)] = f, by[axis(dn.rhs, 1)] = c;
        sum += x[static_cast<std::size_t>(offset(xs, from))] * w[static_cast<std::size_t>(offset(ws, by))];
      }
    }
    y[static_cast<std::size_t>(q)] = sum;
  }
  return y;
}

struct configuration {
  tensor_shape lhs, rhs;
  xla::conv_options o;
};
configuration random_configuration(std::mt19937& g, int largest_rank = 3) {
  const auto pick = [&](int low, int high) { return low + static_cast<int>(g() % static_cast<unsigned>(high - low + 1)); };
  configuration c;
  const int n = pick(1, largest_rank), rank = n + 2;
  const auto order = [&] {
    std::vector<std::int64_t> v;
    for (int k = 0; k < rank; ++k) v.push_back(k);
    if (pick(0, 2) > 0) std::shuffle(v.begin(), v.end(), g);
    return tensor_shape(v.data(), rank);
  };
  c.o.dimension_numbers = {order(), order(), order()};
  const int kind = pick(0, 3), groups = pick(2, 5);
  if (kind == 1) c.o.feature_group_count = groups;
  if (kind == 2) c.o.batch_group_count = groups;
  const std::int64_t in = pick(1, 3), out = pick(1, 3) * (kind == 1 || kind == 2 ? groups : 1);
  for (int k = 0; k < rank; ++k) c.lhs.push_back(0), c.rhs.push_back(0);
  const auto& dn = c.o.dimension_numbers;
  c.lhs[static_cast<int>(dn.lhs[0])] = pick(1, 2) * c.o.batch_group_count;
  c.lhs[static_cast<int>(dn.lhs[1])] = in * c.o.feature_group_count;
  c.rhs[static_cast<int>(dn.rhs[0])] = out, c.rhs[static_cast<int>(dn.rhs[1])] = in;
  const bool simple = pick(0, 3) == 0;
  pad_list pads;
  for (int k = 0; k < n; ++k) {
    const int size = pick(n > 2 ? 1 : 0, n > 2 ? 4 : 9), window = pick(1, 3);
    c.lhs[static_cast<int>(dn.lhs[2 + k])] = size, c.rhs[static_cast<int>(dn.rhs[2 + k])] = window;
    c.o.window_strides.push_back(simple ? 1 : pick(1, 3));
    c.o.lhs_dilation.push_back(simple ? 1 : pick(1, 3));
    c.o.rhs_dilation.push_back(simple ? 1 : pick(1, 3));
    pads.push_back({pick(-2, 4), pick(-2, 4)});
  }
  const int rule = pick(0, 3);
  if (rule == 0) c.o.padding = same;
  else if (rule == 1) c.o.padding = valid;
  else c.o.padding = pads;
  return c;
}

}  // namespace

// Channels-last images have kernels of their own, channels-first ones are gathered.
TEST_CASE("channels last against channels first") {
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    std::mt19937 g(seed);
    const auto pick = [&](int low, int high) { return low + static_cast<std::int64_t>(g() % static_cast<unsigned>(high - low + 1)); };
    const std::int64_t channels[] = {1, 3, 16, 17, 32, 35}, in = channels[seed % 6], out = pick(1, 20), kh = pick(1, 4), kw = pick(1, 5);
    const convolution_options last{.strides = {pick(1, 3), pick(1, 3)}, .padding = seed % 2 == 0 ? same : valid};
    convolution_options first = last;
    first.data_format = image_layout::nchw;
    const dtype type = seed % 3 == 0 ? dtype::float64 : dtype::float32;
    const dynamic_tensor x = make({pick(1, 2), kh + pick(0, 12), kw + pick(0, 25), in}, g, type);
    const auto turned = [](const dynamic_tensor& t) { return transpose(t, {0, 3, 1, 2}); };
    const auto sizes = [](const tensor_shape& s) { return tensor_shape{s[0], s[3], s[1], s[2]}; };
    const dynamic_tensor w = make({kh, kw, in, out}, g, type), y = convolution(x, w, last), dy = make(y.shape(), g, type);
    CHECK(values(turned(y)) == values(convolution(turned(x), w, first)));
    CHECK(values(turned(conv2d_transpose(dy, w, x.shape(), last))) == values(conv2d_transpose(turned(dy), w, sizes(x.shape()), first)));
    CHECK(values(conv2d_backprop_filter(x, w.shape(), dy, last)) == values(conv2d_backprop_filter(turned(x), w.shape(), turned(dy), first)));
    const dynamic_tensor own = make({kh, kw, in, 1}, g, type), z = depthwise_conv2d(x, own, last), dz = make(z.shape(), g, type);
    CHECK(values(turned(z)) == values(depthwise_conv2d(turned(x), own, first)));
    CHECK(values(turned(depthwise_conv2d_native_backprop_input(x.shape(), own, dz, last))) ==
          values(depthwise_conv2d_native_backprop_input(sizes(x.shape()), own, turned(dz), first)));
    CHECK(values(depthwise_conv2d_native_backprop_filter(x, own.shape(), dz, last)) ==
          values(depthwise_conv2d_native_backprop_filter(turned(x), own.shape(), turned(dz), first)));
    const dynamic_tensor rows = reshape(x, {x.shape()[0] * x.shape()[1], x.shape()[2], in}), line = reshape(make({kw, in, out}, g, type), {kw, in, out});
    CHECK(values(transpose(conv1d(rows, line, {.stride = last.strides[0], .padding = last.padding}), {0, 2, 1})) ==
          values(conv1d(transpose(rows, {0, 2, 1}), line, {.stride = last.strides[0], .padding = last.padding, .data_format = image_layout::nchw})));
  }
}

// Small integers have exact sums, but not when they went through fractions on the way.
TEST_CASE("direct summation on demand") {
  std::mt19937 g(7);
  const dynamic_tensor x = make({8, 16, 16, 32}, g, dtype::float32), w = make({3, 3, 32, 32}, g, dtype::float32), dy = make(x.shape(), g, dtype::float32);
  const auto exact = [](const dynamic_tensor& t) {
    for (const double v : values(t))
      if (v != std::round(v)) return false;
    return true;
  };
  for (const bool direct : {false, true}) {
    CAPTURE(direct);
    const convolution_options o{.padding = same, .direct = direct};
    eager::gradient_tape tape;
    tape.watch(x), tape.watch(w);
    const dynamic_tensor y = conv2d(x, w, conv2d_options{.padding = same, .direct = direct});
    const auto gradients = tape.gradient(y * dy, std::vector<dynamic_tensor>{x, w});
    CHECK(exact(y) == direct);
    CHECK(exact(gradients[0]) == direct);
    CHECK(exact(gradients[1]) == direct);
    CHECK(exact(conv2d(x, w, o)) == direct);
    CHECK(exact(convolution(x, w, o)) == direct);
    CHECK(exact(conv2d_transpose(x, w, x.shape(), o)) == direct);
    CHECK(exact(conv2d_backprop_filter(x, w.shape(), dy, o)) == direct);
  }
}

TEST_CASE("random configurations against the definition") {
  int ran = 0, empty = 0;
  for (unsigned seed = 0; seed < 600; ++seed) {
    CAPTURE(seed);
    std::mt19937 g(seed);
    const configuration c = random_configuration(g);
    const dtype types[] = {dtype::float64, dtype::float32, dtype::int32, dtype::float64, dtype::int8, dtype::float16, dtype::uint64};
    const dtype type = types[seed % 7];
    dynamic_tensor x = make(c.lhs, g, type), w = make(c.rhs, g, type);
    const dynamic_tensor y = xla::conv(x, w, c.o);
    empty += y.size() == 0;
    if (type == dtype::int8 || type == dtype::uint64 || type == dtype::float16) {  // sums wrap, or need not fit
      const dynamic_tensor wide = xla::conv(cast_to(x, dtype::int64), cast_to(w, dtype::int64), c.o);
      REQUIRE(values(y) == values(cast_to(wide, type)));
      continue;
    }
    ran += y.size() > 0;
    REQUIRE(values(y) == reference(x, w, c.o, y.shape()));
  }
  CHECK(ran > 200);
  CHECK(empty < 200);
}

TEST_CASE("as many groups as channels, of the batch and of the features, channels last") {
  std::mt19937 g(5);
  for (const bool of_batch : {true, false})
    for (const tensor_shape& lhs : {tensor_shape{0, 2, 1}, tensor_shape{2, 0, 1}}) {
      xla::conv_options o;
      o.dimension_numbers = {lhs, {2, 1, 0}, {0, 2, 1}};
      (of_batch ? o.batch_group_count : o.feature_group_count) = 2;
      const dynamic_tensor x = make({2, 5, 2}, g), w = make({3, of_batch ? 2 : 1, 2}, g);
      const dynamic_tensor y = xla::conv(x, w, o);
      CHECK(values(y) == reference(x, w, o, y.shape()));
    }
}

TEST_CASE("gradients of random configurations, and theirs") {
  for (unsigned seed = 1000; seed < 1045; ++seed) {
    CAPTURE(seed);
    std::mt19937 g(seed);
    configuration c = random_configuration(g, 2);
    for (std::int64_t& d : c.lhs.dims_) d = std::min<std::int64_t>(d, 5);
    if (c.o.feature_group_count > 1) c.lhs[static_cast<int>(c.o.dimension_numbers.lhs[1])] = c.rhs[static_cast<int>(c.o.dimension_numbers.rhs[1])] * c.o.feature_group_count;
    if (c.o.batch_group_count > 1) c.lhs[static_cast<int>(c.o.dimension_numbers.lhs[0])] = c.o.batch_group_count;
    const dynamic_tensor x = make(c.lhs, g), w = make(c.rhs, g);
    const auto f = [&](const dynamic_tensor& a, const dynamic_tensor& b) { return square(xla::conv(a, b, c.o)); };
    if (xla::conv(x, w, c.o).size() > 100 || x.size() > 100 || x.size() * w.size() > 2000) continue;
    const auto check = eager::check_gradients(f, {x, w}, {.second_order = x.size() < 30});
    INFO(check.message);
    REQUIRE(check.ok);
  }
}

TEST_CASE("larger ones go through the packed product and run in parallel") {
  std::mt19937 g(5);
  for (int k = 0; k < 4; ++k) {
    xla::conv_options o{.window_strides = {1 + k % 2, 1}, .padding = same};
    if (k >= 2) o.dimension_numbers = {{0, 3, 1, 2}, {3, 2, 0, 1}, {0, 3, 1, 2}};
    if (k == 3) o.feature_group_count = 2;
    const dynamic_tensor x = make(k < 2 ? tensor_shape{3, 10, 17, 19} : tensor_shape{3, 17, 19, 10}, g, dtype::float32);
    const dynamic_tensor w = make(k < 2 ? tensor_shape{14, 10, 3, 5} : tensor_shape{3, 5, k == 3 ? 5 : 10, 14}, g, dtype::float32);
    const dynamic_tensor y = xla::conv(x, w, o);
    REQUIRE(values(y) == reference(x, w, o, y.shape()));
    thread_limit one(1);
    REQUIRE(values(xla::conv(x, w, o)) == values(y));
  }
}

TEST_CASE("TensorFlow's forms") {
  std::mt19937 g(7);
  const auto x = tensor<float, 1, 5, 1>(make({1, 5, 1}, g, dtype::float32).to<float, 1, 5, 1>());
  const tensor<float, 3, 1, 1> ones{{{1.f}}, {{1.f}}, {{1.f}}};
  const auto y = conv1d(x, ones, {.stride = 2, .padding = same});
  CHECK(y.shape() == tensor_shape{1, 3, 1});
  for (int k = 0; k < 3; ++k) {
    float sum = 0;
    for (int j = 2 * k - 1; j <= 2 * k + 1; ++j) sum += j >= 0 && j < 5 ? x(0, j, 0) : 0.f;
    CHECK(y(0, k, 0) == sum);
  }
  // NCHW is NHWC transposed; the fused op and the general one agree
  const dynamic_tensor image = make({2, 7, 6, 3}, g), filter = make({3, 2, 3, 4}, g);
  for (const auto padding : {same, valid})
    for (std::int64_t stride : {1, 2, 3}) {
      const dynamic_tensor fused = conv2d(image, filter, {.strides = {stride, 1}, .padding = padding});
      CHECK(values(convolution(image, filter, {.strides = {stride, 1}, .padding = padding})) == values(fused));
      CHECK(values(conv2d(image, filter, convolution_options{.strides = {stride, 1}, .padding = padding})) == values(fused));
      const dynamic_tensor nchw = conv2d(transpose(image, {0, 3, 1, 2}), filter,
                                         convolution_options{.strides = {stride, 1}, .padding = padding, .data_format = image_layout::nchw});
      CHECK(values(transpose(nchw, {0, 2, 3, 1})) == values(fused));
      // transposes are the fused op's gradients
      attributes at = ops::conv2d_attributes::make({.strides = {stride, 1}, .padding = padding});
      const convolution_options o{.strides = {stride, 1}, .padding = padding};
      CHECK(values(conv2d_transpose(fused, filter, {-1, 7, 6, 3}, o)) == values(conv2d_backprop_input(image.shape(), filter, fused, at)));
      CHECK(values(conv2d_backprop_input(image.shape(), filter, fused, o)) == values(conv2d_backprop_input(image.shape(), filter, fused, at)));
      CHECK(values(conv2d_backprop_filter(image, filter.shape(), fused, o)) == values(conv2d_backprop_filter(image, filter.shape(), fused, at)));
    }
  // a dilated filter is one with zeros between
  const dynamic_tensor holes = xla::pad(filter, dynamic_tensor(tensor<double>(0.0)), {{0, 0, 1}, {0, 0, 1}, {}, {}});
  CHECK(values(atrous_conv2d(image, filter, 2, same)) == values(conv2d(image, holes, {.padding = same})));
  const dynamic_tensor back = atrous_conv2d(image, filter, 2, valid);
  CHECK(values(atrous_conv2d_transpose(back, filter, image.shape(), 2)) ==
        values(conv2d_transpose(back, holes, image.shape(), convolution_options{})));
  // each channel alone; then mixed
  const dynamic_tensor depth = make({3, 3, 3, 2}, g);
  const dynamic_tensor z = depthwise_conv2d(image, depth, {.strides = {2, 2}, .padding = same});
  CHECK(z.shape() == tensor_shape{2, 4, 3, 6});
  for (std::int64_t c = 0; c < 3; ++c) {
    const dynamic_tensor one = conv2d(slice_along(image, 3, c, 1), slice_along(depth, 2, c, 1), {.strides = {2, 2}, .padding = same});
    CHECK(values(slice_along(z, 3, 2 * c, 2)) == values(one));
  }
  const convolution_options strided{.strides = {2, 2}, .padding = same};
  const dynamic_tensor nchw = depthwise_conv2d(transpose(image, {0, 3, 1, 2}), depth, {.strides = {2, 2}, .padding = same, .data_format = image_layout::nchw});
  CHECK(values(transpose(nchw, {0, 2, 3, 1})) == values(z));
  eager::gradient_tape tape;
  tape.watch(image), tape.watch(depth);
  const auto gradients = tape.gradient(depthwise_conv2d(image, depth, strided) * z, std::vector<dynamic_tensor>{image, depth});
  CHECK(values(gradients[0]) == values(depthwise_conv2d_native_backprop_input(image.shape(), depth, z, strided)));
  CHECK(values(gradients[1]) == values(depthwise_conv2d_native_backprop_filter(image, depth.shape(), z, strided)));
  const dynamic_tensor point = make({1, 1, 6, 5}, g);
  CHECK(values(separable_conv2d(image, depth, point, strided)) == values(conv2d(z, point)));
  // volumes
  const dynamic_tensor volume = make({2, 4, 5, 3, 2}, g), cube = make({2, 3, 1, 2, 3}, g);
  const dynamic_tensor v = conv3d(volume, cube, {.strides = {1, 2, 1}, .padding = same});
  CHECK(v.shape() == tensor_shape{2, 4, 3, 3, 3});
  const convolution_options o3{.strides = {1, 2, 1}, .padding = same};
  CHECK(conv3d_transpose(v, cube, {-1, 4, 5, 3, 2}, o3).shape() == volume.shape());
  CHECK(conv3d_backprop_filter(volume, cube.shape(), v, o3).shape() == cube.shape());
}

TEST_CASE("wrong operands") {
  const dynamic_tensor x = dynamic_tensor::zeros(dtype::float32, {2, 4, 5, 5}), w = dynamic_tensor::zeros(dtype::float32, {6, 4, 3, 3});
  CHECK_THROWS_WITH_AS(xla::conv(x, dynamic_tensor::zeros(dtype::float32, {6, 3, 3, 3})),
                       "Convolution: the input's features differ from the filter's input features times the groups: got float32[2, 4, 5, 5] and float32[6, 3, 3, 3]",
                       invalid_argument);
  CHECK_THROWS_WITH_AS(xla::conv(x, dynamic_tensor::zeros(dtype::float64, {6, 4, 3, 3})), doctest::Contains("operands must have one real dtype"), invalid_argument);
  CHECK_THROWS_WITH_AS(xla::conv(x, w, {.window_strides = {0, 1}}), doctest::Contains("strides and dilations must be at least 1"), invalid_argument);
  CHECK_THROWS_WITH_AS(xla::conv(x, w, {.padding = {{1, 1}}}), doctest::Contains("one entry per spatial axis"), invalid_argument);
  CHECK_THROWS_WITH_AS(xla::conv(x, w, {.dimension_numbers = {{0, 1, 2, 2}}}), doctest::Contains("must name every axis once"), invalid_argument);
  CHECK_THROWS_WITH_AS(xla::conv(x, dynamic_tensor::zeros(dtype::float32, {5, 2, 3, 3}), {.feature_group_count = 2}), doctest::Contains("do not divide"), invalid_argument);
  CHECK_THROWS_WITH_AS(xla::conv(x, w, {.batch_group_count = 3}), doctest::Contains("the groups do not divide the batch"), invalid_argument);
  CHECK_THROWS_WITH_AS(xla::conv(x, w, {.padding = {{INT64_MAX, 1}, {0, 0}}}), doctest::Contains("out of range"), invalid_argument);
  CHECK_THROWS_WITH_AS(conv1d(x, w), doctest::Contains("[b, w, channels]"), invalid_argument);
  CHECK_THROWS_WITH_AS(conv3d(x, w), doctest::Contains("volumes of rank 5"), invalid_argument);
  CHECK_THROWS_WITH_AS(convolution(dynamic_tensor(1.f), w), doctest::Contains("one to four spatial axes"), invalid_argument);
  CHECK_THROWS_WITH_AS(conv2d_transpose(x, dynamic_tensor::zeros(dtype::float32, {3, 3, 7, 5}), {2, 9, 9, 7}), doctest::Contains("does not have the shape"), invalid_argument);
  CHECK_THROWS_WITH_AS(depthwise_conv2d(x, dynamic_tensor::zeros(dtype::float32, {3, 3, 4, 1})), doctest::Contains("channels differ"), invalid_argument);
  CHECK_THROWS_AS(conv2d_backprop_filter(x, {3, 3, 5, 2}, x, convolution_options{}), invalid_argument);
}

// SPDX-License-Identifier: Apache-2.0
// Resized images, crops of boxes and boxes without overlaps against what TensorFlow gives (tests/oracle/images.py), their
// gradients against differences, in a graph, and what is refused.
#include "derivatives.hpp"
#include "image_golden.hpp"
#include "message_of.hpp"

#include <rill/eager/gradient.hpp>
#include <rill/eager/image.hpp>
#include <rill/graph/session.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <span>

using namespace rill;
using namespace rill::test;

namespace {

dynamic_tensor images(const tensor_shape& s) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float32, s);
  for (std::int64_t k = 0; k < t.size(); ++k) static_cast<float*>(t.mutable_data())[k] = static_cast<float>(k * 37 % 101) / 8;
  return t;
}
template <class T>
dynamic_tensor tensor_of(std::span<const T> v, const tensor_shape& s) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype_v<T>, s);
  std::copy(v.begin(), v.end(), static_cast<T*>(t.mutable_data()));
  return t;
}
dynamic_tensor numbers_of(std::vector<int> v) { return tensor_of<int>(v, {static_cast<std::int64_t>(v.size())}); }
/// The largest difference, parts of 1 + |want|.
double difference(const dynamic_tensor& got, const float* want) {
  double worst = 0;
  for (const float v : got.span<float>())
    worst = std::max(worst, std::fabs(static_cast<double>(v - *want)) / (1 + std::fabs(static_cast<double>(*want)))), ++want;
  return worst;
}
/// The numbers of image_golden.hpp in turn, which have six digits.
struct golden_numbers {
  const float* at;
  double difference_from(const dynamic_tensor& got) {
    const float* const from = at;
    at += got.size();
    REQUIRE(at <= std::end(image_numbers));
    return difference(got, from);
  }
};

template <class V>
constexpr V half_squares(const V& x) {
  return reduce_sum(square(x)) * 0.5;
}
struct resized {
  template <class V>
  constexpr auto operator()(V x) const {
    const V loss = half_squares(resize_bilinear(x, {5, 3}));
    auto [dx] = gradients(loss, x);
    return outputs(fetch("loss", loss), fetch("dx", dx));
  }
};

}  // namespace

TEST_CASE("images are resized and crops of boxes cut as by TensorFlow") {
  golden_numbers golden{image_numbers};
  for (const resize_case& c : resize_golden) {
    INFO("method ", c.method, ", align ", c.align, ", half pixel ", c.half_pixel, ", ", c.in[0], "x", c.in[1], " to ", c.out[0], "x", c.out[1]);
    const dynamic_tensor x = images({2, c.in[0], c.in[1], 2});
    eager::gradient_tape tape;
    tape.watch(x);
    const dynamic_tensor y = resize_images(x, {c.out[0], c.out[1]}, static_cast<resize_method>(c.method), {c.align != 0, c.half_pixel != 0});
    CHECK(y.shape() == tensor_shape{2, c.out[0], c.out[1], 2});
    const double most = c.method == 2 ? 2e-3 : 1e-5;  // TensorFlow rounds the places of a cubic to 1/1024
    CHECK(golden.difference_from(y) < most);
    if (c.method != 3) CHECK(golden.difference_from(tape.gradient(half_squares(y), x)[0]) < 4 * most);
  }
  const dynamic_tensor x = images({2, 5, 6, 2}), boxes = tensor_of<float>(crop_boxes, {4, 4});
  for (const crop_case& c : crop_golden) {
    INFO("method ", c.method, " to ", c.out[0], "x", c.out[1]);
    eager::gradient_tape tape;
    tape.watch(x), tape.watch(boxes);
    const dynamic_tensor y = crop_and_resize(x, boxes, numbers_of({0, 1, 1, 0}), {c.out[0], c.out[1]}, {static_cast<resize_method>(c.method), 0.5});
    CHECK(golden.difference_from(y) < 1e-5);
    const auto [dx, dboxes] = tape.gradient(half_squares(y), x, boxes);
    CHECK(golden.difference_from(dx) < 4e-5);
    CHECK(golden.difference_from(dboxes) < 1e-4);
  }
  CHECK(golden.at == std::end(image_numbers));
}

TEST_CASE("boxes without overlaps are TensorFlow's") {
  std::vector<float> corners, scores;
  for (int k = 0; k < 24; ++k) {
    for (const int v : {k * 7 % 13, k * 5 % 11, k * 7 % 13 + 2 + k % 4, k * 5 % 11 + 3 - k % 3 * 6}) corners.push_back(static_cast<float>(v));
    scores.push_back(static_cast<float>(k * 11 % 17) / 16);
  }
  for (const suppression_case& c : suppression_golden) {
    INFO("most ", c.most, ", overlap ", c.iou, ", score ", c.score);
    const dynamic_tensor kept = non_max_suppression(tensor_of<float>(corners, {24, 4}), tensor_of<float>(scores, {24}), c.most, {c.iou, c.score});
    CHECK(std::vector<int>(kept.span<int>().begin(), kept.span<int>().end()) == c.kept);
  }
}

TEST_CASE("gradients of resized images against differences") {
  const dynamic_tensor x = spread({2, 3, 4, 2}, 1);
  for (const auto method : {resize_method::bilinear, resize_method::nearest_neighbor, resize_method::bicubic, resize_method::area})
    check_derivatives("resize", [&](const dynamic_tensor& v) { return square(resize_images(v, {4, 3}, method)); }, {x});
  const tensor<double, 3, 4> corners{{0.05, 0.1, 0.9, 0.83}, {0.8, 0.7, 0.13, 0.02}, {-0.2, 0.3, 0.7, 1.2}};
  const dynamic_tensor boxes = corners, from = numbers_of({0, 1, 0});
  check_derivatives("crop_and_resize", [&](const dynamic_tensor& v, const dynamic_tensor& b) {
    return square(crop_and_resize(v, b, from, {3, 2}));
  }, {spread({2, 4, 5, 2}, 2), boxes}, false);
  check_derivatives("crop_and_resize of images", [&](const dynamic_tensor& v) {
    return square(crop_and_resize(v, boxes, from, {3, 2}));
  }, {spread({2, 4, 5, 2}, 2)});
}

TEST_CASE("images of other dtypes, single ones, typed ones and in a graph") {
  const dynamic_tensor bytes = cast_to(images({1, 2, 2, 3}), dtype::uint8);
  CHECK(resize_nearest_neighbor(bytes, {4, 4}).type() == dtype::uint8);
  CHECK(resize_bilinear(bytes, {4, 4}).type() == dtype::float32);
  CHECK(resize_images(squeeze(bytes, {0}), {5, 1}).shape() == tensor_shape{5, 1, 3});
  CHECK(resize_area(tensor<double, 0, 2, 2, 1>(), {1, 1}).shape() == tensor_shape{0, 1, 1, 1});
  const tensor<float, 1, 2, 2, 1> small{{{{1}, {3}}, {{5}, {9}}}};
  const auto mean = resize_area(small, {1, 1});
  CHECK(*mean.data() == 4.5F);
  graph::session<resized, tensor<float, dyn, 3, 4, 2>> s;
  for (const std::int64_t n : {1, 3}) {
    const dynamic_tensor x = images({n, 3, 4, 2});
    auto [loss, dx] = s.run(x.to<float, dyn, 3, 4, 2>());
    eager::gradient_tape tape;
    tape.watch(x);
    const dynamic_tensor want = half_squares(resize_bilinear(x, {5, 3}));
    CHECK(*loss.data() == doctest::Approx(want.item<float>()).epsilon(1e-5));
    const dynamic_tensor want_dx = tape.gradient(want, x)[0];
    CHECK(difference(dx, want_dx.span<float>().data()) < 1e-5);
  }
}

TEST_CASE("images that are refused") {
  const dynamic_tensor x = images({2, 3, 4, 2}), boxes = dynamic_tensor::zeros(dtype::float32, {2, 4}), at = dynamic_tensor::zeros(dtype::int32, {2});
  CHECK(message_of([&] { resize_bilinear(images({3, 4}), {2, 2}); }).find("Resample: needs images [batch, height, width, channels]: got float32[3, 4]") == 0);
  CHECK(message_of([&] { resize_area(x, {0, 2}); }).find("the new height and width must be positive") != std::string::npos);
  CHECK(message_of([&] { resize_bicubic(x, {2}); }).find("ResizeImages: the new size is [height, width]") == 0);
  CHECK(message_of([&] { resize_bilinear(x, {2, 2}, {true, true}); }).find("exclude each other") != std::string::npos);
  CHECK(message_of([&] { resize_nearest_neighbor(images({2, 0, 4, 2}), {2, 2}); }).find("images must not be empty") != std::string::npos);
  CHECK(message_of([&] { resample(x, {2, 2}, {.rows = {-1, 0}}); }).find("Resample: steps must not be negative") == 0);
  CHECK(message_of([&] { crop_and_resize(x, images({2, 3}), at, {2, 2}); }).find("CropAndResize: needs boxes [number of boxes, 4]: got float32[2, 3]") == 0);
  CHECK(message_of([&] { crop_and_resize(x, boxes, dynamic_tensor::zeros(dtype::int32, {3}), {2, 2}); }).find("needs an int32 or int64 index of an image for each box: got int32[3] and float32[2, 4]") != std::string::npos);
  CHECK(message_of([&] { crop_and_resize(x, boxes, at, {2, 2}, {resize_method::area}); }).find("the method is bilinear or nearest_neighbor") != std::string::npos);
  CHECK_THROWS_AS(crop_and_resize(x, boxes, numbers_of({0, 2}), {2, 2}), out_of_range);
  CHECK(message_of([&] { non_max_suppression(images({2, 3}), images({2}), 1); }).find("NonMaxSuppression: needs boxes [number of boxes, 4]") == 0);
  CHECK(message_of([&] { non_max_suppression(boxes, images({3}), 1); }).find("needs a score for each of 2 boxes") != std::string::npos);
  CHECK(message_of([&] { non_max_suppression(boxes, images({2}), -1); }).find("max_output_size must not be negative") != std::string::npos);
  CHECK(message_of([&] { non_max_suppression(boxes, images({2}), 1, {2.0}); }).find("iou_threshold must be in [0, 1]") != std::string::npos);
}

// SPDX-License-Identifier: Apache-2.0
// Normalizations: TensorFlow's numbers, the documentation's formulas by plain loops over every feature index, gradients of
// first and second order, errors.

#include "derivatives.hpp"
#include "nn_golden.hpp"
#include "tensors.hpp"

#include <rill/eager/nn.hpp>
#include <rill/eager/scan.hpp>

using namespace rill;
using namespace rill::test;

namespace {

template <std::size_t N>
dynamic_tensor table(const float (&v)[N], const tensor_shape& s) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float32, s);
  REQUIRE(static_cast<std::size_t>(t.size()) == N);
  std::copy(v, v + N, static_cast<float*>(t.mutable_data()));
  return t;
}
template <std::size_t N>
void check_close(const char* what, const dynamic_tensor& got, const float (&want)[N], double tolerance = 1e-5) {
  INFO(std::string(what));
  const dynamic_tensor g = cast_to(got, dtype::float64);
  REQUIRE(static_cast<std::size_t>(g.size()) == N);
  for (std::size_t k = 0; k < N; ++k) CHECK(g.span<double>()[k] == doctest::Approx(static_cast<double>(want[k])).epsilon(tolerance));
}
double at(const dynamic_tensor& t, std::int64_t k) { return t.span<double>()[static_cast<std::size_t>(k)]; }
bool near(const dynamic_tensor& t, std::int64_t k, double want) { return std::fabs(at(t, k) - want) <= 1e-12 * (1 + std::fabs(want)); }

}  // namespace

TEST_CASE("TensorFlow's numbers") {
  const dynamic_tensor x = table(golden::image, {2, 3, 2, 5}), scale = table(golden::scale, {5}), offset = table(golden::offset, {5});
  check_close("lrn", local_response_normalization(x, {.depth_radius = 2, .bias = 1.5, .alpha = 0.3, .beta = 0.75}), golden::lrn);
  check_close("lrn by pow", lrn(x, {.depth_radius = 2, .bias = 1.5, .alpha = 0.3, .beta = 0.7500001}), golden::lrn);
  check_close("lrn, defaults", lrn(x), golden::lrn_default);
  const auto r = fused_batch_norm(x, scale, offset, {.epsilon = 0.002});
  check_close("output", r.y, golden::fused_y);
  check_close("mean", r.batch_mean, golden::fused_mean);
  check_close("unbiased variance", r.batch_var, golden::fused_variance);
  check_close("by moments", batch_normalization(x, r.batch_mean, r.batch_var, offset, scale, 0.01), golden::batch_norm);
  const auto inference = fused_batch_norm(x, scale, offset, r.batch_mean, r.batch_var, {.epsilon = 0.01});
  check_close("inference", inference.y, golden::batch_norm);
  check_close("its mean", inference.batch_mean, golden::fused_mean);
  const auto channels = fused_batch_norm(transpose(x, {0, 3, 1, 2}), scale, offset, {.epsilon = 0.002, .data_format = image_layout::nchw});
  check_close("nchw", transpose(channels.y, {0, 2, 3, 1}), golden::fused_y);
  const auto half = fused_batch_norm(cast_to(x, dtype::float16), scale, offset, {.epsilon = 0.002});
  CHECK(half.y.type() == dtype::float16);
  CHECK(half.batch_mean.type() == dtype::float32);
  check_close("half", half.batch_mean, golden::fused_mean, 1e-2);
  const auto typed = fused_batch_norm(x.to<float, 2, 3, 2, 5>(), scale.to<float, 5>(), offset.to<float, 5>(), {.epsilon = 0.002});
  check_close("typed", dynamic_tensor(typed.y), golden::fused_y);
}

TEST_CASE("XLA's batch normalization by its formulas, every feature index") {
  const double epsilon = 0.01;
  for (const tensor_shape& s : {tensor_shape{7}, tensor_shape{4, 3}, tensor_shape{2, 3, 4}, tensor_shape{3, 2, 1, 5}, tensor_shape{2, 1, 2, 3, 2}})
    for (int axis = 0; axis < s.rank(); ++axis) {
      INFO(to_string(s), " feature ", axis);
      const std::int64_t features = s[axis];
      std::int64_t inner = 1;
      for (int d = axis + 1; d < s.rank(); ++d) inner *= s[d];
      const std::int64_t total = s.num_elements(), n = total / features;
      const dynamic_tensor x = noise(s, 1), scale = noise({features}, 2), offset = noise({features}, 3), g = noise(s, 4);
      const auto r = xla::batch_norm_training(x, scale, offset, epsilon, axis);
      const dynamic_tensor again = xla::batch_norm_inference(x, scale, offset, r.batch_mean, r.batch_var, epsilon, axis - s.rank());
      const auto d = xla::batch_norm_grad(x, scale, r.batch_mean, r.batch_var, g, epsilon, axis);
      REQUIRE(r.output.shape() == s);
      REQUIRE(d.grad_operand.shape() == s);
      REQUIRE(d.grad_scale.shape() == tensor_shape{features});
      bool ok = true;
      for (std::int64_t l = 0; l < features; ++l) {
        double mean = 0, variance = 0, grad_mean = 0, coef = 0, grad_scale = 0;
        const auto each = [&](const auto& f) {
          for (std::int64_t k = 0; k < total; ++k)
            if (k / inner % features == l) f(k);
        };
        const auto count = static_cast<double>(n);
        each([&](std::int64_t k) { mean += at(x, k) / count; });
        each([&](std::int64_t k) { variance += (at(x, k) - mean) * (at(x, k) - mean) / count; });
        const double deviation = std::sqrt(variance + epsilon);
        each([&](std::int64_t k) {
          grad_mean += at(g, k) / count;
          coef += at(g, k) * (at(x, k) - mean) / (variance + epsilon) / count;
          grad_scale += at(g, k) * (at(x, k) - mean) / deviation;
        });
        ok = ok && near(r.batch_mean, l, mean) && near(r.batch_var, l, variance) && near(d.grad_offset, l, grad_mean * count) && near(d.grad_scale, l, grad_scale);
        each([&](std::int64_t k) {
          const double y = at(scale, l) * (at(x, k) - mean) / deviation + at(offset, l);
          const double dx = at(scale, l) / deviation * (at(g, k) - grad_mean - (at(x, k) - mean) * coef);
          ok = ok && near(r.output, k, y) && near(again, k, y) && near(d.grad_operand, k, dx);
        });
      }
      CHECK(ok);
      // and it is what differentiation finds
      eager::gradient_tape tape;
      tape.watch(x), tape.watch(scale), tape.watch(offset);
      const auto [dx, ds, db] = tape.gradient(reduce_sum(xla::batch_norm_training(x, scale, offset, epsilon, axis).output * g), x, scale, offset);
      for (std::int64_t k = 0; k < total; ++k) CHECK(at(dx, k) == doctest::Approx(at(d.grad_operand, k)).epsilon(1e-9));
      for (std::int64_t k = 0; k < features; ++k) {
        CHECK(at(ds, k) == doctest::Approx(at(d.grad_scale, k)).epsilon(1e-9));
        CHECK(at(db, k) == doctest::Approx(at(d.grad_offset, k)).epsilon(1e-9));
      }
    }
  const auto typed = xla::batch_norm_training(tensor<float, 2, 1>{{1}, {3}}, tensor<float, 1>{2}, tensor<float, 1>{1}, 0, 1);
  CHECK(typed.output == tensor<float, 2, 1>{{-1}, {3}});
  CHECK(typed.batch_mean(0) == 2.0F);
  CHECK(typed.batch_var(0) == 1.0F);
}

TEST_CASE("neighbouring channels, examples") {
  for (const std::int64_t channels : {1, 5, 16, 17, 40})
    for (const std::int64_t radius : {0, 1, 4, 5, 50})
      for (const double beta : {0.75, 0.5, 1.0, 0.6}) {
        CAPTURE(channels);
        CAPTURE(radius);
        CAPTURE(beta);
        const local_response_options o{.depth_radius = radius, .bias = 2, .alpha = 0.5, .beta = beta};
        const dynamic_tensor x = noise({2, 1, 3, channels}), dy = noise(x.shape(), 4);
        const auto near = [&](std::int64_t k, auto&& f) {
          double sum = 0;
          for (std::int64_t j = k - k % channels; j < k - k % channels + channels; ++j)
            if (std::abs(j - k) <= radius) sum += f(j);
          return sum;
        };
        const auto energy = [&](std::int64_t k) { return 2 + 0.5 * near(k, [&](std::int64_t j) { return at(x, j) * at(x, j); }); };
        const auto gradient = [&](const dynamic_tensor& v, const dynamic_tensor& g) { return detail::emit<ops::lrn_grad_op>({v, g}, ops::lrn_attributes::make(o)); };
        const dynamic_tensor y = lrn(x, o), dx = gradient(x, dy);
        const dynamic_tensor x4 = cast_to(x, dtype::float32);
        const dynamic_tensor y4 = cast_to(lrn(x4, o), dtype::float64), dx4 = cast_to(gradient(x4, cast_to(dy, dtype::float32)), dtype::float64);
        for (std::int64_t k = 0; k < x.size(); ++k) {
          const double want = at(x, k) * std::pow(energy(k), -beta);
          CHECK(at(y, k) == doctest::Approx(want).epsilon(1e-13));
          CHECK(at(y4, k) == doctest::Approx(want).epsilon(1e-6));
          const double want_dx = at(dy, k) * std::pow(energy(k), -beta) -
                                 beta * at(x, k) * near(k, [&](std::int64_t j) { return at(x, j) * at(dy, j) * std::pow(energy(j), -beta - 1); });
          CHECK(std::abs(at(dx, k) - want_dx) < 1e-13);
          CHECK(std::abs(at(dx4, k) - want_dx) < 1e-6);
        }
      }
  const dynamic_tensor x = noise({2, 3, 4}), ones = ones_like(noise({4})), zeros = zeros_like(ones);
  const dynamic_tensor y = layer_normalization(x, ones, zeros);
  const auto [mean, variance] = moments(reshape(y, {2, 12}), {1});
  for (int k = 0; k < 2; ++k) {
    CHECK(std::fabs(at(mean, k)) < 1e-14);
    CHECK(at(variance, k) == doctest::Approx(1));
  }
  const dynamic_tensor own = layer_normalization(x, noise({4}, 8), noise({4}, 9), {.begin_norm_axis = -1});
  const auto row = moments(x, {2});
  CHECK(at(own, 5) == doctest::Approx((at(x, 5) - at(row.mean, 1)) / std::sqrt(at(row.variance, 1)) * at(noise({4}, 8), 1) + at(noise({4}, 9), 1)));
  const dynamic_tensor style = instance_normalization(x, ones, zeros, {.epsilon = 0});
  const auto channel = moments(x, {1});
  CHECK(at(style, 13) == doctest::Approx((at(x, 13) - at(channel.mean, 5)) / std::sqrt(at(channel.variance, 5))));
  const dynamic_tensor first = instance_normalization(transpose(x, {0, 2, 1}), ones, zeros, {.epsilon = 0, .data_format = image_layout::nchw});
  CHECK(at(transpose(first, {0, 2, 1}), 13) == doctest::Approx(at(style, 13)));
}

TEST_CASE("gradients") {
  const dynamic_tensor x = noise({2, 2, 1, 3}), scale = noise({3}, 2) + 2.0, offset = noise({3}, 3);
  check_derivatives("training", [&](const dynamic_tensor& v, const dynamic_tensor& s) { return square(xla::batch_norm_training(v, s, offset, 0.1, 3).output); }, {x, scale});
  check_derivatives("fused", [&](const dynamic_tensor& v, const dynamic_tensor& b) { return square(fused_batch_norm(v, scale, b, {0.1}).y); }, {x, offset});
  const dynamic_tensor mean = noise({3}, 5), variance = noise({3}, 6) + 2.0;
  check_derivatives("given", [&](const dynamic_tensor& m, const dynamic_tensor& v) { return square(batch_normalization(x, m, v, offset, scale, 0.1)); }, {mean, variance});
  check_derivatives("grad", [&](const dynamic_tensor& v, const dynamic_tensor& g) { return xla::batch_norm_grad(v, scale, mean, variance, g, 0.1, 3).grad_operand; }, {x, noise(x.shape(), 7)});
  check_derivatives("moments", [&](const dynamic_tensor& v) {
    const auto r = xla::batch_norm_training(v, scale, offset, 0.1, 1);
    return square(r.output) * reshape(r.batch_mean * r.batch_var, {1, 3, 1});
  }, {noise({2, 3, 2})});
  check_derivatives("layer's offset", [&](const dynamic_tensor& v, const dynamic_tensor& b) { return square(layer_normalization(v, scale, b, {.begin_norm_axis = 3, .epsilon = 0.1})); }, {x, offset});
  check_derivatives("layer", [&](const dynamic_tensor& v, const dynamic_tensor& s) { return layer_normalization(v, s, offset, {.epsilon = 0.1}); }, {x, scale});
  check_derivatives("instance", [&](const dynamic_tensor& v) { return instance_normalization(v, scale, offset, {0.1}); }, {noise({2, 3, 3})});
  check_derivatives("lrn", [](const dynamic_tensor& v) { return lrn(v, {1, 1.5, 0.4, 0.75}); }, {x});
  check_derivatives("lrn by pow", [](const dynamic_tensor& v) { return lrn(v, {1, 1.5, 0.4, 0.6}); }, {x});
}

TEST_CASE("errors") {
  const dynamic_tensor x = noise({2, 3, 4, 5}), five = noise({5}), three = noise({3});
  check_error<invalid_argument>([&] { xla::batch_norm_training(x, five, five, 0.1, 4); }, "BatchNormTraining: the feature index is not an axis of the operand: got float64[2, 3, 4, 5]");
  check_error<invalid_argument>([&] { xla::batch_norm_training(x, five, three, 0.1, 3); }, "BatchNormTraining: needs a vector of one number per feature: got float64[2, 3, 4, 5] and float64[3]");
  check_error<invalid_argument>([&] { xla::batch_norm_inference(x, five, five, five, noise({5, 1}), 0.1, 3); }, "BatchNormInference: needs a vector of one number per feature");
  check_error<invalid_argument>([&] { xla::batch_norm_inference(x, five, cast_to(five, dtype::float32), five, five, 0.1, 3); }, "BatchNormInference: dtypes differ");
  check_error<invalid_argument>([&] { xla::batch_norm_grad(x, five, five, five, noise({2, 3, 4}), 0.1, 3); }, "BatchNormGrad: the gradient must be like the operand: got float64[2, 3, 4, 5] and float64[2, 3, 4]");
  check_error<invalid_argument>([&] { fused_batch_norm(noise({2, 5}), five, five); }, "FusedBatchNorm: needs images of rank 4: got float64[2, 5]");
  check_error<invalid_argument>([&] { fused_batch_norm(x, five, five, {.data_format = image_layout::nchw}); }, "FusedBatchNorm: needs a vector of one number per feature");
  check_error<invalid_argument>([&] { batch_normalization(cast_to(x, dtype::int32), five, five, 0.1); }, "BatchNormalization: needs an operand of a floating dtype: got int32");
  check_error<invalid_argument>([&] { batch_normalization(x, three, five, 0.1); }, "shapes do not broadcast");
  check_error<invalid_argument>([&] { lrn(three); }, "LRN: needs images [batch, height, width, channels] of a floating dtype: got float64[3]");
  check_error<invalid_argument>([&] { lrn(x, {.depth_radius = -1}); }, "LRN: depth_radius must not be negative");
  check_error<invalid_argument>([&] { lrn(cast_to(x, dtype::int32)); }, "LRN: needs images");
  check_error<invalid_argument>([&] { layer_normalization(x, five, five, {.begin_norm_axis = 4}); }, "LayerNorm: begin_norm_axis out of range");
  check_error<invalid_argument>([&] { layer_normalization(x, noise({4, 5}), five, {.begin_norm_axis = -1}); }, "LayerNorm: scale and offset belong to the normalized axes");
  check_error<invalid_argument>([&] { layer_normalization(x, three, three); }, "shapes do not broadcast");
  check_error<invalid_argument>([&] { instance_normalization(noise({2, 5}), five, five); }, "InstanceNorm: needs a batch, channels and at least one more axis");
  check_error<invalid_argument>([&] { instance_normalization(x, three, three); }, "InstanceNorm: needs a vector of one number per feature");
}

// SPDX-License-Identifier: Apache-2.0
// Softmax over axes, losses on logits, norms, biases: TensorFlow's numbers, plain loops at odd sizes, extreme logits,
// gradients of first and second order, errors.

#include "close.hpp"
#include "derivatives.hpp"
#include "nn_golden.hpp"
#include "tensors.hpp"

#include <rill/eager/nn.hpp>

using namespace rill;
using namespace rill::test;

namespace {

double at(const dynamic_tensor& t, std::int64_t k) { return t.span<double>()[static_cast<std::size_t>(k)]; }

}  // namespace

TEST_CASE("TensorFlow's numbers") {
  const dynamic_tensor x = table(golden::x, {3, 4}), z = table(golden::z, {3, 4}), p = table(golden::p, {3, 4});
  check_close("softmax", softmax(x, {.axis = 0}), golden::softmax_0);
  check_close("log_softmax", log_softmax(x, {.axis = -2}), golden::log_softmax_0);
  check_close("dense", softmax_cross_entropy_with_logits_v2(p, x), golden::dense_ce);
  check_close("dense, v1", softmax_cross_entropy_with_logits(p, x), golden::dense_ce);
  check_close("dense, axis 0", softmax_cross_entropy_with_logits_v2(transpose(p), transpose(x), {.axis = 0}), golden::dense_ce);
  check_close("sigmoid", sigmoid_cross_entropy_with_logits(z, x), golden::sigmoid_ce);
  check_close("weighted", weighted_cross_entropy_with_logits(z, x, 2.5), golden::weighted_ce);
  const dynamic_tensor weight = cast_to(dynamic_tensor(2.5F), dtype::float64);
  check_close("weighted by a tensor", weighted_cross_entropy_with_logits(z, x, weight), golden::weighted_ce);
  const dynamic_tensor counts = table(golden::counts, {3, 4});
  check_close("poisson", log_poisson_loss(counts, x), golden::poisson);
  check_close("poisson, full", log_poisson_loss(counts, x, {.compute_full_loss = true}), golden::poisson_full);
  check_close("l2_loss", l2_loss(x), golden::l2_loss);
  CHECK(l2_loss(x).rank() == 0);
  check_close("l2_normalize", l2_normalize(x, {1}), golden::l2_normalize);
  check_close("crelu", crelu(x), golden::crelu);
  CHECK(crelu(x, {0}).shape() == tensor_shape{6, 4});
  check_close("half", softmax(cast_to(x, dtype::float16), {.axis = 0}), golden::softmax_0, 2e-3);
  CHECK(log_softmax(cast_to(x, dtype::bfloat16)).type() == dtype::bfloat16);
  CHECK(l2_loss(cast_to(x, dtype::float16)).type() == dtype::float16);
}

TEST_CASE("rows of all lengths against plain loops") {
  for (const dtype type : {dtype::float32, dtype::float64})
    for (const std::int64_t n : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 1000, 1009})
      for (const std::int64_t rows : {1, 3}) {
        const dynamic_tensor x = cast_to(noise({rows, n}, 5) * 30.0, type), labels = cast_to(noise({rows, n}, 6), type);
        const dynamic_tensor logs = cast_to(log_softmax(x), dtype::float64), loss = cast_to(softmax_cross_entropy_with_logits_v2(labels, x), dtype::float64);
        const dynamic_tensor wide = cast_to(x, dtype::float64), weights = cast_to(labels, dtype::float64);
        double worst = 0;
        for (std::int64_t r = 0; r < rows; ++r) {
          double largest = at(wide, r * n), sum = 0, total = 0;
          for (std::int64_t k = 0; k < n; ++k) largest = std::max(largest, at(wide, r * n + k));
          for (std::int64_t k = 0; k < n; ++k) sum += std::exp(at(wide, r * n + k) - largest);
          for (std::int64_t k = 0; k < n; ++k) {
            const double want = at(wide, r * n + k) - largest - std::log(sum);
            worst = std::max(worst, std::fabs(at(logs, r * n + k) - want) / (1 + std::fabs(want)));
            total -= at(weights, r * n + k) * want;
          }
          worst = std::max(worst, std::fabs(at(loss, r) - total) / (1 + 30 * std::sqrt(static_cast<double>(n))));
        }
        INFO(std::string(name_of(type)), "[", rows, ", ", n, "]");
        CHECK(worst < (type == dtype::float32 ? 1e-6 : 1e-14));
      }
  // an axis in the middle is the last one of the transposed tensor
  const dynamic_tensor cube = noise({2, 5, 3});
  const dynamic_tensor want = transpose(softmax(transpose(cube, {0, 2, 1})), {0, 2, 1}), got = softmax(cube, {.axis = 1});
  CHECK(std::equal(got.span<double>().begin(), got.span<double>().end(), want.span<double>().begin()));
  CHECK(softmax_cross_entropy_with_logits_v2(cube, cube, {.axis = 1}).shape() == tensor_shape{2, 3});
  CHECK(log_softmax(noise({0, 3})).shape() == tensor_shape{0, 3});
  const dynamic_tensor none = softmax_cross_entropy_with_logits_v2(noise({2, 0}), noise({2, 0}));
  CHECK(at(none, 0) == 0);
  // any rank of sparse labels
  const dynamic_tensor deep = noise({2, 3, 4}), ids = cast_to(dynamic_tensor(tensor<int, 2, 3>{{0, 1, 2}, {3, 0, 1}}), dtype::int64);
  const dynamic_tensor sparse = sparse_softmax_cross_entropy_with_logits(ids, deep), logs = log_softmax(deep);
  REQUIRE(sparse.shape() == tensor_shape{2, 3});
  for (std::int64_t k = 0; k < 6; ++k) CHECK(at(sparse, k) == doctest::Approx(-at(logs, 4 * k + ids.span<std::int64_t>()[static_cast<std::size_t>(k)])));
}

TEST_CASE("extreme logits") {
  const float inf = INFINITY;
  const tensor<float, 6> x{-200, 200, 0, 1e30F, 30, -30}, z{0, 1, 0.5F, 1, 1, 0};
  const tensor<float, 6> loss = sigmoid_cross_entropy_with_logits(z, x), weighted = weighted_cross_entropy_with_logits(z, x, 2.0F);
  CHECK(loss == tensor<float, 6>{0, 0, loss(2), 0, loss(4), loss(4)});
  CHECK(loss(2) == doctest::Approx(std::log(2.0)));
  CHECK(loss(4) == doctest::Approx(9.3576e-14).epsilon(1e-4));  // not the 0 that x - x z + ... would round to
  CHECK(weighted(4) == 2 * loss(4));
  CHECK(weighted(5) == loss(4));
  const auto l = log_softmax(tensor<float, 3>{1000, 0, -inf});
  CHECK(l(0) == 0.0F);
  CHECK(l(1) == -1000.0F);
  CHECK(l(2) == -inf);
  const auto c = softmax_cross_entropy_with_logits_v2(tensor<float, 1, 2>{{1, 0}}, tensor<float, 1, 2>{{3, -inf}});
  CHECK(c(0) == 0.0F);
  CHECK(l2_normalize(tensor<float, 2>{0, 0})(0) == 0.0F);
  const tensor<double, 1> zero{0};
  eager::gradient_tape tape;
  const dynamic_tensor v(zero), half(tensor<double, 1>{0.25});
  tape.watch(v);
  CHECK(tape.gradient(sigmoid_cross_entropy_with_logits(half, v), v)[0].item<double>() == 0.25);  // sigmoid(0) - z
}

TEST_CASE("biases") {
  CHECK(bias_add(tensor<float, 2, 3>{{1, 2, 3}, {4, 5, 6}}, tensor<float, 3>{10, 20, 30}) == tensor<float, 2, 3>{{11, 22, 33}, {14, 25, 36}});
  const dynamic_tensor image = noise({2, 3, 2, 2}), bias = noise({3}, 2), y = bias_add(image, bias, {.data_format = image_layout::nchw});
  for (std::int64_t k = 0; k < 24; ++k) CHECK(at(y, k) == at(image, k) + at(bias, k / 4 % 3));
  CHECK(crelu(tensor<float, 2>{1, -2}) == tensor<float, 4>{1, 0, 0, 2});
}

TEST_CASE("images of mean 0 and deviation 1") {
  const double unit = 1 / std::sqrt(5.0);
  check_close("standardized", per_image_standardization(tensor<float, 2, 2, 1>{{{0}, {2}}, {{4}, {6}}}), {-3 * unit, -unit, unit, 3 * unit}, 1e-6);
  // the deviation counts as 1 / sqrt(number of elements) at least
  check_close("dim", per_image_standardization(tensor<double, 1, 2, 1>{{{1}, {1.2}}}), {-0.1 * std::sqrt(2.0), 0.1 * std::sqrt(2.0)});
  const auto both = per_image_standardization(tensor<std::uint8_t, 2, 1, 1, 2>{{{{7, 7}}}, {{{250, 252}}}});
  CHECK(std::is_same_v<decltype(both), const tensor<float, any_rank>>);
  check_close("bytes", both, {0, 0, -1, 1}, 1e-6);
}

TEST_CASE("gradients") {
  const dynamic_tensor x = noise({3, 4}, 1) * 2.0, z = noise({3, 4}, 2) * 0.5 + 0.5;
  check_derivatives("softmax", [](const dynamic_tensor& v) { return softmax(v, {.axis = 0}); }, {x});
  check_derivatives("log_softmax", [](const dynamic_tensor& v) { return log_softmax(v, {.axis = 1}); }, {x});
  check_derivatives("dense", [](const dynamic_tensor& v, const dynamic_tensor& l) { return softmax_cross_entropy_with_logits_v2(l, v); }, {x, z});
  check_derivatives("sigmoid", [](const dynamic_tensor& v, const dynamic_tensor& l) { return square(sigmoid_cross_entropy_with_logits(l, v)); }, {x, z});
  check_derivatives("weighted", [](const dynamic_tensor& v, const dynamic_tensor& l) { return weighted_cross_entropy_with_logits(l, v, 3.0); }, {x, z});
  check_derivatives("poisson", [](const dynamic_tensor& v, const dynamic_tensor& l) { return log_poisson_loss(l, v, {true}); }, {x, z * 3.0 + 0.1});
  check_derivatives("l2_loss", [](const dynamic_tensor& v) { return square(l2_loss(v)); }, {x});
  check_derivatives("l2_normalize", [](const dynamic_tensor& v) { return l2_normalize(v, {0}); }, {x});
  check_derivatives("images", [](const dynamic_tensor& v) { return per_image_standardization(v); }, {noise({2, 2, 3, 1}) * 2.0});
  check_derivatives("bias_add", [](const dynamic_tensor& v, const dynamic_tensor& b) { return square(bias_add(v, b, {image_layout::nchw})); },
                    {noise({2, 3, 2}), noise({3})});
  check_derivatives("crelu", [](const dynamic_tensor& v) { return square(crelu(v)); }, {x});
  const dynamic_tensor ids(tensor<int, 3>{1, 3, 0});
  check_derivatives("sparse", [&](const dynamic_tensor& v) { return square(sparse_softmax_cross_entropy_with_logits(ids, v)); }, {x});
  // constant labels get none
  eager::gradient_tape tape;
  tape.watch(x), tape.watch(z);
  const auto [dx, dz] = tape.gradient(softmax_cross_entropy_with_logits(z, x), x, z);
  CHECK(dx.has_value());
  CHECK(!dz.has_value());
}

TEST_CASE("errors") {
  const dynamic_tensor x = noise({3, 4}), ints(tensor<int, 2>{1, 2});
  check_error<invalid_argument>([&] { softmax(x, {.axis = 2}); }, "Softmax: axis out of range: got float64[3, 4]");
  check_error<invalid_argument>([&] { log_softmax(ints); }, "LogSoftmax: needs logits of a floating dtype and rank 1 or more: got int32[2]");
  check_error<invalid_argument>([&] { log_softmax(noise({})); }, "LogSoftmax: axis out of range");
  check_error<invalid_argument>([&] { softmax_cross_entropy_with_logits(noise({3, 5}), x); }, "labels and logits differ in shape: got float64[3, 5] and float64[3, 4]");
  check_error<invalid_argument>([&] { softmax_cross_entropy_with_logits_v2(cast_to(x, dtype::float32), x); }, "labels and logits differ in dtype");
  check_error<invalid_argument>([&] { softmax_cross_entropy_with_logits_v2(x, x, {.axis = -3}); }, "SoftmaxCrossEntropyWithLogits: axis out of range");
  check_error<invalid_argument>([&] { sparse_softmax_cross_entropy_with_logits(ints, noise({2, 3, 4})); }, "SparseSoftmaxCrossEntropyWithLogits");
  check_error<invalid_argument>([&] { sigmoid_cross_entropy_with_logits(noise({4}), x); }, "SigmoidCrossEntropyWithLogits: labels and logits differ in shape: got float64[4]");
  check_error<invalid_argument>([&] { sigmoid_cross_entropy_with_logits(tensor<float, 1>{1}, tensor<float, 6>{1, 2, 3, 4, 5, 6}); }, "got float32[1] and float32[6]");
  check_error<invalid_argument>([&] { weighted_cross_entropy_with_logits(ints, ints, 1.0); }, "WeightedCrossEntropyWithLogits: needs a floating dtype");
  check_error<invalid_argument>([&] { log_poisson_loss(noise({4}), x); }, "LogPoissonLoss: labels and logits differ in shape");
  check_error<invalid_argument>([&] { l2_loss(ints); }, "L2Loss: needs a floating dtype: got int32[2]");
  check_error<invalid_argument>([&] { l2_normalize(x, {2}); }, "L2Normalize: axis out of range");
  check_error<invalid_argument>([&] { bias_add(x, noise({3})); }, "BiasAdd: the bias must be a vector of one number per channel: got float64[3, 4] and float64[3]");
  check_error<invalid_argument>([&] { bias_add(noise({4}), noise({4})); }, "BiasAdd: needs a value of rank 2 or more");
  check_error<invalid_argument>([&] { bias_add(x, noise({4}), {image_layout::nchw}); }, "rank 3 or more in NCHW");
  check_error<invalid_argument>([&] { bias_add(x, cast_to(noise({4}), dtype::float32)); }, "BiasAdd: dtypes differ");
  check_error<invalid_argument>([&] { crelu(ints); }, "CRelu: needs a floating dtype");
}

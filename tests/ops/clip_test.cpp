// SPDX-License-Identifier: Apache-2.0
// Clipping by norms: TensorFlow's numbers, the documentation's custom gradient, lists with None, infinities, gradients,
// errors.

#include "close.hpp"
#include "derivatives.hpp"
#include "nn_golden.hpp"
#include "tensors.hpp"

#include <array>
#include <rill/eager/nn.hpp>

using namespace rill;
using namespace rill::test;

namespace {

dynamic_tensor number(double v) { return cast_to(dynamic_tensor(1.0F), dtype::float64) * v; }

}  // namespace

TEST_CASE("TensorFlow's numbers") {
  const dynamic_tensor x = table(golden::x, {3, 4}), z = table(golden::z, {3, 4});
  check_close("clip_by_norm", clip_by_norm(x, 1.5, {0}), golden::clip_by_norm);
  check_close("by a tensor", clip_by_norm(x, number(1.5), {0}), golden::clip_by_norm);
  check_close("clip_by_average_norm", clip_by_average_norm(x, 0.5), golden::clip_by_average_norm, 1e-6);
  const std::vector<dynamic_tensor> list{x, dynamic_tensor(), z};
  const auto r = clip_by_global_norm(list, 2.0);
  check_close("first", r.list_clipped[0], golden::clip_a);
  CHECK(!r.list_clipped[1].has_value());
  check_close("second", r.list_clipped[2], golden::clip_b);
  check_close("norm", r.global_norm, golden::clip_norm);
  check_close("norm alone", global_norm(list), golden::clip_norm);
  check_close("norm given", clip_by_global_norm(list, number(2), r.global_norm).list_clipped[2], golden::clip_b);
  const auto twice = clip_by_global_norm(std::array<dynamic_tensor, 1>{x}, 2, number(2 * r.global_norm.item<double>()));
  CHECK(twice.list_clipped[0].span<double>()[0] == doctest::Approx(golden::clip_a[0] / 2));
}

TEST_CASE("what is short stays, what is not finite") {
  CHECK(clip_by_norm(tensor<float, 2>{3, 4}, 10) == tensor<float, 2>{3, 4});
  CHECK(clip_by_norm(tensor<float, 2>{3, 4}, 2.5) == tensor<float, 2>{1.5F, 2});
  CHECK(clip_by_norm(tensor<float, 2>{0, 0}, 1) == tensor<float, 2>{0, 0});
  CHECK(clip_by_norm(tensor<float, 2, 2>{{3, 4}, {0.3F, 0.4F}}, 2.5, {1}) == tensor<float, 2, 2>{{1.5F, 2}, {0.3F, 0.4F}});
  CHECK(clip_by_average_norm(tensor<float, 2>{3, 4}, 2.5) == tensor<float, 2>{3, 4});
  CHECK(clip_by_average_norm(tensor<float, 2>{6, 8}, 2.5) == tensor<float, 2>{3, 4});
  CHECK(clip_by_norm(dynamic_tensor(tensor<float, 2>{3, 4}), 2.5).type() == dtype::float32);
  const auto typed = clip_by_global_norm(std::vector<tensor<float, 2>>{{3, 4}, {0, 12}}, 6.5);
  CHECK(typed.global_norm() == 13.0F);
  CHECK(typed.list_clipped[0] == tensor<float, 2>{1.5F, 2});
  CHECK(typed.list_clipped[1] == tensor<float, 2>{0, 6});
  CHECK(global_norm(std::array<tensor<double, 1>, 2>{tensor<double, 1>{3}, tensor<double, 1>{4}})() == 5.0);
  const auto lost = clip_by_global_norm(std::vector<tensor<float, 1>>{tensor<float, 1>{1}, tensor<float, 1>{INFINITY}}, 1.0);
  CHECK(lost.global_norm() == INFINITY);
  CHECK(lost.list_clipped[0](0) != lost.list_clipped[0](0));
  CHECK(global_norm(std::vector<dynamic_tensor>{cast_to(noise({4}), dtype::float16)}).type() == dtype::float32);
}

TEST_CASE("gradients, and the gradient that is clipped") {
  const dynamic_tensor x = noise({3, 4}) * 3.0, z = noise({5}, 2);
  check_derivatives("clip_by_norm", [](const dynamic_tensor& v) { return clip_by_norm(v, 1.0, {1}); }, {x});
  check_derivatives("within", [](const dynamic_tensor& v) { return square(clip_by_norm(v, 100.0)); }, {x});
  check_derivatives("average", [](const dynamic_tensor& v) { return clip_by_average_norm(v, 0.1); }, {x});
  check_derivatives("global", [](const dynamic_tensor& v, const dynamic_tensor& w) {
    const auto r = clip_by_global_norm(std::vector<dynamic_tensor>{v, w}, 2.0);
    return reduce_sum(square(r.list_clipped[0])) * reduce_sum(r.list_clipped[1]) + r.global_norm;
  }, {x, z});
  // at 0 nothing is NaN
  const dynamic_tensor zero(tensor<double, 2>{0, 0});
  eager::gradient_tape tape;
  tape.watch(zero);
  const dynamic_tensor g = tape.gradient(clip_by_norm(zero, 1.0), zero)[0];
  CHECK(g.span<double>()[0] == 1.0);
  // the documentation's clip_gradient_by_norm
  const auto clipped = eager::custom_gradient([](auto v) { return eager::with_gradient(v * 1.0, [](auto dy) { return grads(clip_by_norm(dy, 0.5)); }); });
  const dynamic_tensor at(tensor<double, 2>{3, 4});
  const dynamic_tensor d = eager::gradients_function([&](const dynamic_tensor& v) { return clipped(v) * v; })(at)[0];
  CHECK(d.span<double>()[0] == doctest::Approx(0.5 * 0.6 + 3));
}

TEST_CASE("errors") {
  const dynamic_tensor x = noise({3, 4}), ints(tensor<int, 2>{1, 2});
  check_error<invalid_argument>([&] { clip_by_norm(ints, 1); }, "ClipByNorm: needs a floating dtype: got int32[2]");
  check_error<invalid_argument>([&] { clip_by_norm(x, 0); }, "ClipByNorm: clip_norm must be positive");
  check_error<invalid_argument>([&] { clip_by_norm(x, double(NAN)); }, "ClipByNorm: clip_norm must be positive");
  check_error<invalid_argument>([&] { clip_by_norm(x, 1, {2}); }, "ClipByNorm: axis out of range");
  check_error<invalid_argument>([&] { clip_by_norm(x, noise({1})); }, "ClipByNorm: clip_norm must be a scalar of the operand's dtype: got float64[3, 4] and float64[1]");
  check_error<invalid_argument>([&] { clip_by_average_norm(x, -1); }, "ClipByAverageNorm: clip_norm must be positive");
  check_error<invalid_argument>([&] { clip_by_average_norm(ints, 1); }, "ClipByAverageNorm: needs a floating dtype");
  check_error<invalid_argument>([&] { clip_by_average_norm(x, dynamic_tensor(1.0F)); }, "clip_norm must be a scalar of the operand's dtype");
  const std::vector<dynamic_tensor> none(2), mixed{x, ints};
  check_error<invalid_argument>([&] { global_norm(none); }, "GlobalNorm: the list holds no tensor");
  check_error<invalid_argument>([&] { global_norm(mixed); }, "GlobalNorm: needs a floating dtype: got int32[2]");
  check_error<invalid_argument>([&] { clip_by_global_norm(mixed, 1.0); }, "ClipByGlobalNorm: needs a floating dtype");
  check_error<invalid_argument>([&] { clip_by_global_norm(std::vector<dynamic_tensor>{x}, -1.0); }, "ClipByGlobalNorm: clip_norm must be positive");
  check_error<invalid_argument>([&] { clip_by_global_norm(std::vector<dynamic_tensor>{}, 1.0); }, "ClipByGlobalNorm: the list holds no tensor");
}

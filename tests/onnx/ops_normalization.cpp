// SPDX-License-Identifier: Apache-2.0
// Softmax and its family, normalizations, dropout.
#include "driver.hpp"
#include "rill/eager/nn.hpp"
#include "rill/eager/scan.hpp"

namespace onnx {
namespace {
using namespace rill;

/// f(x, axis); before operator set 13 all axes from `axis` on are one.
template <class F>
results along_axis(const call& c, F f) {
  const dynamic_tensor& x = c.x();
  if (c.opset >= 13) return {f(x, axis_in(c.i("axis", -1), x.rank()))};
  const std::int64_t axis = axis_in(c.i("axis", 1), x.rank(), true);
  tensor_shape s{1, 1};
  for (int d = 0; d < x.rank(); ++d) s[d < axis ? 0 : 1] *= x.shape()[d];
  return {reshape(f(reshape(x, s), std::int64_t{1}), x.shape())};
}
results softmax_of(const call& c) {
  return along_axis(c, [](const dynamic_tensor& x, std::int64_t axis) { return softmax(x, softmax_options{axis}); });
}
results log_softmax_of(const call& c) {
  return along_axis(c, [](const dynamic_tensor& x, std::int64_t axis) { return log_softmax(x, {axis}); });
}
results hardmax(const call& c) {
  return along_axis(c, [](const dynamic_tensor& x, std::int64_t axis) {
    return one_hot(argmax(x, {axis}), x.shape()[static_cast<int>(axis)], {.axis = axis, .type = x.type()});
  });
}

results batch_norm(const call& c) {
  const double epsilon = c.f("epsilon", 1e-5), momentum = c.f("momentum", 0.9);
  if (c.i("training_mode", 0) == 0) return {xla::batch_norm_inference(c.x(0), c.x(1), c.x(2), c.x(3), c.x(4), epsilon, 1)};
  const auto r = xla::batch_norm_training(c.x(0), c.x(1), c.x(2), epsilon, 1);
  return {r.output, num(c.x(3)) * momentum + num(r.batch_mean) * (1 - momentum), num(c.x(4)) * momentum + num(r.batch_var) * (1 - momentum)};
}

results layer_norm(const call& c) {
  const dynamic_tensor& x = c.x();
  const std::int64_t axis = axis_in(c.i("axis", -1), x.rank());
  const double epsilon = c.f("epsilon", 1e-5);
  axis_list axes;
  for (std::int64_t d = axis; d < x.rank(); ++d) axes.axes[axes.count++] = d;
  const auto m = moments(x, axes, {.keep_dims = true});
  const dynamic_tensor offset = c.given(2) ? c.x(2) : zeros_like(c.x(1));
  return {layer_normalization(x, c.x(1), offset, {.begin_norm_axis = axis, .epsilon = epsilon}), m.mean, op("Reciprocal", {op("Sqrt", {num(m.variance) + epsilon})})};
}

results instance_norm(const call& c) {
  return {instance_normalization(c.x(0), c.x(1), c.x(2), {.epsilon = c.f("epsilon", 1e-5), .data_format = image_layout::nchw})};
}

// TensorFlow's alpha belongs to each element of the window, ONNX's to all of it.
results local_response(const call& c) {
  const std::int64_t size = c.at("size").i;
  if (size % 2 == 0) throw unimplemented("LRN: of an even size");
  const dynamic_tensor x = transpose(c.x(), {0, 2, 3, 1});
  const dynamic_tensor y = local_response_normalization(
      x, {.depth_radius = size / 2, .bias = c.f("bias", 1), .alpha = c.f("alpha", 1e-4) / static_cast<double>(size), .beta = c.f("beta", 0.75)});
  return {transpose(y, {0, 3, 1, 2})};
}

results mean_variance(const call& c) {
  std::vector<std::int64_t> axes = c.ints("axes");
  if (axes.empty()) axes = {0, 2, 3};
  const auto m = moments(c.x(), axes_from(axes), {.keep_dims = true});
  return {batch_normalization(c.x(), m.mean, m.variance, 1e-9)};
}

// What inference and a ratio of 0 leave: everything.
results dropout(const call& c) {
  const double ratio = c.given(1) ? c.x(1).item<double>() : c.f("ratio", 0.5);
  const bool training = c.given(2) && c.x(2).item<bool>();
  if (training && ratio != 0) throw unimplemented("Dropout: the elements to drop are ONNX's own random choice");
  return {c.x(), broadcast_to(dynamic_tensor(true), c.x().shape())};
}

}  // namespace

void add_normalization(op_table& t) {
  t["Softmax"] = softmax_of;
  t["LogSoftmax"] = log_softmax_of;
  t["Hardmax"] = hardmax;
  t["BatchNormalization"] = batch_norm;
  t["LayerNormalization"] = layer_norm;
  t["InstanceNormalization"] = instance_norm;
  t["LRN"] = local_response;
  t["MeanVarianceNormalization"] = mean_variance;
  t["Dropout"] = dropout;
}

}  // namespace onnx

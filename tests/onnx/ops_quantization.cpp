// SPDX-License-Identifier: Apache-2.0
// Linear quantization: round(x / scale) + zero_point, cut off to the type of the zero point.
#include "driver.hpp"
#include "rill/eager/front_end.hpp"

namespace onnx {
namespace {
using namespace rill;

/// One number per index of an axis, or one for all.
dynamic_tensor along(const dynamic_tensor& s, const dynamic_tensor& x, std::int64_t axis) {
  if (s.size() == 1) return reshape(s, {});
  tensor_shape shape;
  for (int d = 0; d < x.rank(); ++d) shape.push_back(d == axis_in(axis, x.rank()) ? s.size() : 1);
  return reshape(s, shape);
}
dynamic_tensor quantized(const dynamic_tensor& x, const dynamic_tensor& scale, const dynamic_tensor& zero) {
  const bool is_signed = zero.type() == dtype::int8;
  const dynamic_tensor y = num(op("Round", {num(x) / scale})) + cast_like(zero, x);
  return cast_to(op("Clip", {y, scalar(is_signed ? -128 : 0, y.type()), scalar(is_signed ? 127 : 255, y.type())}), zero.type());
}

results quantize_linear(const call& c) {
  const std::int64_t axis = c.i("axis", 1);
  const dynamic_tensor zero = c.given(2) ? c.x(2) : scalar(0, dtype::uint8);
  return {quantized(c.x(), along(c.x(1), c.x(), axis), along(zero, c.x(), axis))};
}
results dequantize_linear(const call& c) {
  const std::int64_t axis = c.i("axis", 1);
  num y = cast_to(c.x(), dtype::float32);
  if (c.given(2)) y = y - along(cast_to(c.x(2), dtype::float32), c.x(), axis);
  return {y * along(c.x(1), c.x(), axis)};
}
// A scale for the range of the elements and 0 over 255 steps; the zero point is where 0 falls.
results dynamic_quantize(const call& c) {
  const dynamic_tensor zero = scalar(0, dtype::float32), low = op("Min", {reduce_min(c.x()), zero}), high = op("Max", {reduce_max(c.x()), zero});
  const num scale = (num(high) - low) / 255.0;
  const dynamic_tensor point = cast_to(op("Round", {op("Clip", {op("Neg", {num(low) / scale}), zero, scalar(255, dtype::float32)})}), dtype::uint8);
  return {quantized(c.x(), scale, point), scale, point};
}

}  // namespace

void add_quantization(op_table& t) {
  t["QuantizeLinear"] = quantize_linear;
  t["DequantizeLinear"] = dequantize_linear;
  t["DynamicQuantizeLinear"] = dynamic_quantize;
}

}  // namespace onnx

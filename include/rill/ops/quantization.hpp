// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Numbers of fewer bits: floats rounded as a narrower float format would (XLA's ReducePrecision), 8-bit codes spread
/// linearly over a range of floats (quantize, dequantize), and the rounding that such codes cause, in floats, for training
/// (fake_quant_with_min_max_*: Jacob et al. 2017, arXiv:1712.05877; straight-through gradient of Bengio et al. 2013).
///
///   y = xla::reduce_precision(x, {.exponent_bits = 5, .mantissa_bits = 10});       // what half would keep of x
///   auto [q, low, high] = quantize(x, -10, 30);                                     // uint8: -10 -> 0, 30 -> 255
///   x = dequantize(q, low, high);
///   auto [sums, least, most] = quantized_matmul(q, codes, -10, 30, -1, 1);          // int32

#include "nn.hpp"

namespace rill {

namespace xla {
/// The bits of a floating-point format, without the sign.
struct precision {
  int exponent_bits = 8;
  int mantissa_bits = 23;
};
}  // namespace xla

/// Options of fake_quant_with_min_max_args.
struct fake_quant_args {
  double min = -6;
  double max = 6;
  int num_bits = 8;
  bool narrow_range = false;  ///< codes begin at 1 instead of 0
};
/// Options of fake_quant_with_min_max_vars.
struct fake_quant_options {
  int num_bits = 8;
  bool narrow_range = false;
};
/// Codes and the range that they are spread over, scalars of float32.
template <class V, class R = V>
struct quantize_result {
  V output;
  R output_min, output_max;
};

namespace ops {

/// i[0]: bits of the exponent, i[1]: bits of the mantissa. The gradient is rounded like the value.
struct reduce_precision_op {
  static constexpr auto name = "ReducePrecision";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (!is_floating(in[0].type)) f.set("needs an operand of a floating dtype", "cast it", in[0]);
    else if (at.i[0] < 1) f.set("exponent_bits must be at least 1", "one bit tells 0 from infinity", in[0]);
    else if (at.i[1] < 0) f.set("mantissa_bits must not be negative", "", in[0]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto) { return grads(rill::detail::emit<reduce_precision_op>({dy}, at)); }
};

/// (inputs, min, max): scalars, or vectors along the last axis. i[0]: num_bits, i[1]: narrow_range. Part 0 gives the rounded
/// inputs; part 1 gives -1, 0 or 1 where an input lies below, within or above the range.
template <int Part>
struct fake_quant_op {
  static constexpr auto name = "FakeQuantWithMinMaxVars";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const tensor_shape &s = in[0].shape, &low = in[1].shape;
    if (in[0].type != dtype::float32 && in[0].type != dtype::float64) f.set("needs float32 or float64", "cast the inputs", in[0]);
    else if (in[1].type != in[0].type || in[2].type != in[0].type) f.set("dtypes differ", "cast min and max", in[0], in[1].type == in[0].type ? in[2] : in[1]);
    else if (!(low == in[2].shape) || low.rank() > 1) f.set("min and max must both be scalars, or vectors of one number per channel", "", in[1], in[2]);
    else if (low.rank() == 1 && (s.rank() == 0 || s[s.rank() - 1] != low[0])) f.set("min and max must have one number per channel", "channels come last", in[0], in[1]);
    else if (at.i[0] < 2 || at.i[0] > 16) f.set("num_bits must be within 2 .. 16", "", in[0]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x, auto low, auto high)
    requires(Part == 0)
  {
    auto side = rill::detail::emit<fake_quant_op<1>>({x, low, high}, at);
    auto zero = rill::zeros_like(dy);
    auto below = rill::select(rill::less(side, zero), dy, zero), above = rill::select(rill::greater(side, zero), dy, zero);
    return grads(rill::select(rill::equal(side, zero), dy, zero), rill::unbroadcast(below, low.shape()), rill::unbroadcast(above, high.shape()));
  }
};

/// (a, b, a's zero point, b's): the product of batches of matrices of bytes less their zero points, summed in int32 modulo
/// 2^32. i[0], i[1]: the operand is read transposed. No gradient. Source: ONNX MatMulInteger, with scalar zero points.
struct matmul_integer_op {
  static constexpr auto name = "MatMulInteger";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1000;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    for (int k = 0; k < 2; ++k)
      if (in[k].type != dtype::int8 && in[k].type != dtype::uint8) f.set("operands must be int8 or uint8", "quantize them", in[0], in[1]);
      else if (in[k + 2].type != dtype::int32 || in[k + 2].shape.rank() != 0) f.set("zero points must be scalars of int32", "", in[2], in[3]);
    if (f) return {};
    return {dtype::int32, batch_matmul_op::shape_of_product(at, in, f)};
  }
  static constexpr std::int64_t flops(const attributes& at, const signature* in) {
    failure f;
    const tensor_shape& a = in[0].shape;
    return 2 * batch_matmul_op::shape_of_product(at, in, f).num_elements() * a[at.i[0] != 0 ? a.rank() - 2 : a.rank() - 1];
  }
  /// kernel/quantization.hpp
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto, auto, auto, auto, auto, auto) { return grads(no_gradient{}, no_gradient{}, no_gradient{}, no_gradient{}); }
};

struct quantize_of : composition {
  static constexpr auto name = "QuantizeV2";
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const auto to = static_cast<dtype>(at.i[0]);
    if (!is_floating(in[0].type)) f.set("needs an operand of a floating dtype", "", in[0]);
    else if (to != dtype::uint8 && to != dtype::int8) f.set("codes are uint8 or int8", "", in[0], {to, in[0].shape});
    return in[0];
  }
};
struct dequantize_of : composition {
  static constexpr auto name = "Dequantize";
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (in[0].type != dtype::uint8 && in[0].type != dtype::int8) f.set("codes are uint8 or int8", "", in[0]);
    else if (in[1].type != dtype::float32 || in[2].type != dtype::float32 || in[1].shape.rank() != 0 || in[2].shape.rank() != 0)
      f.set("min_range and max_range must be scalars of float32", "", in[1], in[2]);
    return in[0];
  }
};

}  // namespace ops

namespace xla {
/// The operand as a float format of fewer bits would keep it, in its own dtype: rounded to the nearest, ties to even; what
/// is beyond the exponent's range becomes an infinity, what is below its smallest normal number a zero, both of the same
/// sign; NaN stays NaN. Bits that the dtype does not have change nothing.
template <value V>
constexpr V reduce_precision(V operand, precision p) {
  attributes at;
  at.i[0] = p.exponent_bits, at.i[1] = p.mantissa_bits;
  return rill::detail::emit<ops::reduce_precision_op>({operand}, at);
}
}  // namespace xla

/// inputs cut to [min, max] and rounded to the 2^num_bits numbers (one fewer in a narrow range) that are spread over it; the
/// range is moved so that 0 is one of them. The gradient passes where an input lies within, and goes to the limit where it
/// lies outside. invalid_argument, when it runs, unless min <= max.
template <value V>
constexpr V fake_quant_with_min_max_vars(V inputs, V min, V max, fake_quant_options o = {}) {
  attributes at;
  at.i[0] = o.num_bits, at.i[1] = o.narrow_range;
  return detail::emit<ops::fake_quant_op<0>>({inputs, min, max}, at);
}
/// The same with a range of its own for each channel, the last axis: min and max are vectors.
template <value V>
constexpr V fake_quant_with_min_max_vars_per_channel(V inputs, V min, V max, fake_quant_options o = {}) {
  if (!V::front_end::failed(inputs) && !V::front_end::failed(min) && min.rank() != 1)
    return detail::fail<ops::fake_quant_op<0>>(min, "min and max must be vectors of one number per channel");
  return fake_quant_with_min_max_vars(inputs, min, max, o);
}
/// The same with limits that are known beforehand.
template <value V>
constexpr V fake_quant_with_min_max_args(V inputs, fake_quant_args o = {}) {
  if (V::front_end::failed(inputs)) return inputs;
  if (!(o.min < o.max)) return detail::fail<ops::fake_quant_op<0>>(inputs, "min must be less than max");
  const auto limit = [&](double v) { return V::front_end::constant(inputs, inputs.type(), v); };
  return fake_quant_with_min_max_vars(inputs, limit(o.min), limit(o.max), {o.num_bits, o.narrow_range});
}

/// 8-bit codes, uint8 or int8, of floats: the lowest code is min_range, the highest max_range, the others lie evenly between
/// them (mode MIN_COMBINED); what is outside is cut. The range is widened to hold 0 and to a hundredth of its limits at
/// least; what it became comes with the codes.
template <value V>
constexpr quantize_result<V> quantize(V input, double min_range, double max_range, dtype type = dtype::uint8) {
  attributes at;
  at.i[0] = static_cast<std::int64_t>(type);
  V bad{};
  if (!detail::passes<ops::quantize_of>({input}, at, bad)) return {bad, bad, bad};
  if (!(min_range <= max_range)) {
    bad = detail::fail<ops::quantize_of>(input, "min_range must not exceed max_range");
    return {bad, bad, bad};
  }
  const auto magnitude = [](double v) { return v < 0 ? -v : v; };
  const auto larger = [](double a, double b) { return a < b ? b : a; };
  const double low = min_range < 0 ? min_range : 0;
  const double high = larger(0, larger(max_range, low + larger(1, larger(magnitude(min_range), magnitude(max_range))) / 100));
  const V x = detail::widened(input);
  const V code = floor((clip_by_value(x, low, high) - low) * (255 / (high - low)) + 0.5);
  const auto limit = [&](double v) { return V::front_end::constant(input, dtype::float32, v); };
  return {cast_to(type == dtype::uint8 ? code : code - 128, type), limit(low), limit(high)};
}
/// The floats (float32) that 8-bit codes stand for, given the range of their quantization.
template <value V>
constexpr V dequantize(V input, V min_range, V max_range) {
  V bad{};
  if (!detail::passes<ops::dequantize_of>({input, min_range, max_range}, {}, bad)) return bad;
  const V code = cast_to(input, dtype::float32);
  return (input.type() == dtype::uint8 ? code : code + 128) * ((max_range - min_range) / 255) + min_range;
}
template <value V>
constexpr V dequantize(V input, double min_range, double max_range) {
  if (V::front_end::failed(input)) return input;
  const auto limit = [&](double v) { return V::front_end::constant(input, dtype::float32, v); };
  return dequantize(input, limit(min_range), limit(max_range));
}

/// op(a) op(b) of (batches of) matrices of int8 or uint8 less their zero points, scalars of int32, as int32. The two may
/// differ in type; sums beyond int32, of more than some 33,000 products, wrap. `output_type` is not used.
template <value V>
constexpr V matmul_integer(V a, V b, V a_zero_point, V b_zero_point, matmul_options o = {}) {
  attributes at;
  at.i[0] = o.transpose_a || o.adjoint_a, at.i[1] = o.transpose_b || o.adjoint_b;
  return detail::emit<ops::matmul_integer_op>({a, b, a_zero_point, b_zero_point}, at);
}
/// The same without zero points.
template <value V>
constexpr V matmul_integer(V a, V b, matmul_options o = {}) {
  if (V::front_end::failed(a)) return a;
  const V zero = V::front_end::constant(a, dtype::int32, 0);
  return matmul_integer(a, b, zero, zero, o);
}
/// The product of matrices of 8-bit codes that `quantize` made, given the ranges of their quantization (scalars of float32):
/// codes of int32 in the range that comes with them, output_min for the lowest number and output_max for the highest, so
/// that a step of the result is the product of the operands' steps. Float zero is taken for the code nearest to it.
template <value V>
constexpr quantize_result<V> quantized_matmul(V a, V b, V min_a, V max_a, V min_b, V max_b, matmul_options o = {}) {
  V bad{};
  if (!detail::passes<ops::dequantize_of>({a, min_a, max_a}, {}, bad) || !detail::passes<ops::dequantize_of>({b, min_b, max_b}, {}, bad)) return {bad, bad, bad};
  const auto zero_point = [](const V& x, const V& low, const V& high) {
    const V code = floor(low * -255.0 / (high - low) + 0.5);
    return cast_to(x.type() == dtype::uint8 ? code : code - 128, dtype::int32);
  };
  const V step = (max_a - min_a) * (max_b - min_b) * (1.0 / (255.0 * 255.0));
  return {matmul_integer(a, b, zero_point(a, min_a, max_a), zero_point(b, min_b, max_b), o), step * -2147483648.0, step * 2147483647.0};
}
template <value V>
constexpr quantize_result<V> quantized_matmul(V a, V b, double min_a, double max_a, double min_b, double max_b, matmul_options o = {}) {
  if (V::front_end::failed(a)) return {a, a, a};
  const auto limit = [&](double v) { return V::front_end::constant(a, dtype::float32, v); };
  return quantized_matmul(a, b, limit(min_a), limit(max_a), limit(min_b), limit(max_b), o);
}

}  // namespace rill

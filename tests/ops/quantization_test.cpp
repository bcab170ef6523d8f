// SPDX-License-Identifier: Apache-2.0
// ReducePrecision against half, bfloat16 and arithmetic in double; quantization against TensorFlow's numbers and the
// documentation's range of -10 .. 30; straight-through gradients; errors.

#include "message_of.hpp"
#include "nn_golden.hpp"
#include "tensors.hpp"

#include <bit>
#include <cmath>
#include <rill/eager/gradient.hpp>
#include <rill/eager/nn.hpp>

using namespace rill;
using namespace rill::test;

namespace {

/// x in a format of these bits: to the nearest, ties to even, by scaling and nearbyint.
double reduced(double x, int exponent, int mantissa) {
  if (x != x || x == 0 || std::isinf(x)) return x;
  int e = 0;
  (void)std::frexp(x, &e);  // x = 0.5.. * 2^e
  const double r = std::ldexp(std::nearbyint(std::ldexp(x, mantissa + 1 - e)), e - mantissa - 1);
  (void)std::frexp(r, &e);
  const int bias = (1 << (exponent - 1)) - 1;
  if (e - 1 > bias) return std::copysign(INFINITY, x);
  if (e - 1 <= -bias) return std::copysign(0.0, x);
  return r;
}
template <class T>
bool equals(T a, T b) {
  return (a != a && b != b) || (a == b && std::signbit(a) == std::signbit(b));
}
dynamic_tensor floats(std::size_t n) {
  std::mt19937 g(11);
  dynamic_tensor x = dynamic_tensor::uninitialized(dtype::float32, {static_cast<std::int64_t>(n)});
  auto* p = static_cast<float*>(x.mutable_data());
  for (std::size_t k = 0; k < n; ++k) p[k] = std::bit_cast<float>(static_cast<std::uint32_t>(g()));
  const float special[] = {0.0F, -0.0F, INFINITY, -INFINITY, NAN, 1.5F, -2.5F, 65519.0F, 65520.0F, 6.1e-5F, 6.103515625e-5F, 3.0e38F, 3.4e38F, 1e-40F, 0x1.ffep0F, 0x1.fffp0F};
  std::copy(std::begin(special), std::end(special), p);
  return x;
}
template <std::size_t N>
dynamic_tensor table(const float (&v)[N]) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float32, {static_cast<std::int64_t>(N)});
  std::copy(v, v + N, static_cast<float*>(t.mutable_data()));
  return t;
}
template <std::size_t N>
void check_close(const char* what, const dynamic_tensor& got, const float (&want)[N]) {
  INFO(std::string(what));
  REQUIRE(static_cast<std::size_t>(got.size()) == N);
  for (std::size_t k = 0; k < N; ++k) CHECK(got.span<float>()[k] == doctest::Approx(static_cast<double>(want[k])).epsilon(1e-6));
}
template <std::size_t N>
void check_codes(const char* what, const dynamic_tensor& got, const int (&want)[N]) {
  INFO(std::string(what));
  const dynamic_tensor wide = cast_to(got, dtype::int32);
  for (std::size_t k = 0; k < N; ++k) CHECK(wide.span<std::int32_t>()[k] == want[k]);
}

}  // namespace

TEST_CASE("reduce_precision is a conversion there and back") {
  const dynamic_tensor x = floats(40000);
  const auto from = x.span<float>();
  const dynamic_tensor to_half = xla::reduce_precision(x, {.exponent_bits = 5, .mantissa_bits = 10}), to_brain = xla::reduce_precision(x, {8, 7}),
                       same_bits = xla::reduce_precision(x, {8, 23}), more_bits = xla::reduce_precision(x, {11, 52});
  int wrong = 0;
  for (std::size_t k = 0; k < from.size(); ++k) {
    float h = static_cast<float>(half(from[k]));
    if (std::fabs(h) < 6.103515625e-05F) h = std::copysign(0.0F, h);  // halves below the normal ones are zeros
    // just below the smallest normal number a half's steps are twice as wide as the mantissa's
    const bool edge = std::fabs(from[k]) < 0x1p-14F && std::fabs(from[k]) >= 0x1p-14F - 0x1p-25F;
    wrong += !edge && !equals(to_half.span<float>()[k], h);
    wrong += !equals(to_brain.span<float>()[k], static_cast<float>(bfloat16(from[k])));
    wrong += !equals(same_bits.span<float>()[k], from[k]) + !equals(more_bits.span<float>()[k], from[k]);
  }
  CHECK(wrong == 0);
  for (const auto& format : {std::pair{2, 1}, {2, 3}, {3, 2}, {4, 3}, {5, 2}, {6, 9}, {8, 1}}) {
    const int e = format.first, m = format.second;
    INFO(e, " exponent bits, ", m, " mantissa bits");
    const dynamic_tensor y = xla::reduce_precision(x, {e, m}), z = xla::reduce_precision(cast_to(x, dtype::float64), {e, m});
    wrong = 0;
    for (std::size_t k = 0; k < from.size(); ++k) {
      const auto v = static_cast<double>(from[k]);
      if (std::fpclassify(from[k]) == FP_SUBNORMAL) continue;  // their mantissas are shorter
      wrong += !equals(static_cast<double>(y.span<float>()[k]), reduced(v, e, m)) + !equals(z.span<double>()[k], reduced(v, e, m));
    }
    CHECK(wrong == 0);
  }
  const auto tie = xla::reduce_precision(tensor<float, 4>{1.25F, 1.75F, -1.25F, 1.2500001F}, {8, 1});
  CHECK(tie == tensor<float, 4>{1, 2, -1, 1.5F});
  const auto one_bit = xla::reduce_precision(tensor<float, 4>{1, 3, -3, 0.5F}, {1, 23});  // nothing but 0 and infinity
  CHECK(one_bit == tensor<float, 4>{0, INFINITY, -INFINITY, 0});
  const auto powers = xla::reduce_precision(tensor<float, 3>{1.4F, 1.6F, 5}, {8, 0});
  CHECK(powers == tensor<float, 3>{1, 2, 4});
  const dynamic_tensor h = xla::reduce_precision(cast_to(x, dtype::float16), {3, 2}), b = xla::reduce_precision(cast_to(x, dtype::bfloat16), {5, 3});
  wrong = 0;
  for (std::size_t k = 0; k < from.size(); ++k) {
    const auto v = static_cast<double>(static_cast<float>(half(from[k])));
    wrong += !equals(static_cast<double>(static_cast<float>(h.span<half>()[k])), reduced(v, 3, 2));
    const auto w = static_cast<double>(static_cast<float>(bfloat16(from[k])));
    wrong += !equals(static_cast<double>(static_cast<float>(b.span<bfloat16>()[k])), reduced(w, 5, 3));
  }
  CHECK(wrong == 0);
  eager::gradient_tape tape;
  const dynamic_tensor at(tensor<float, 2>{1.3F, 2});
  tape.watch(at);
  const dynamic_tensor seed(tensor<float, 2>{1, 1.0001F});
  CHECK(tape.gradient(xla::reduce_precision(at, {5, 10}), std::vector<dynamic_tensor>{at}, seed)[0].to<float, 2>() == tensor<float, 2>{1, 1});
}

TEST_CASE("codes of eight bits") {
  // a range of -10 .. 30
  const auto r = quantize(tensor<float, 5>{-10, 30, 10, -99, 99}, -10, 30);
  CHECK(r.output == tensor<std::uint8_t, 5>{0, 255, 128, 0, 255});
  CHECK(r.output_min == -10.0F);
  CHECK(r.output_max == 30.0F);
  const auto back = dequantize(tensor<std::uint8_t, 3>{0, 255, 128}, -10, 30);
  CHECK(back(0) == -10.0F);
  CHECK(back(1) == doctest::Approx(30));
  CHECK(back(2) == doctest::Approx(-10 + 128 * 40.0 / 255));  // 10.078; the documentation rounds it to 10
  // every code there and back, within half a step
  const dynamic_tensor q = table(golden::q);
  const auto check = [&](const char* name, double low, double high, dtype type, const auto& codes, const auto& range, const auto& floats_back) {
    const auto c = quantize(q, low, high, type);
    check_codes(name, c.output, codes);
    CHECK(c.output_min.item<float>() == range[0]);
    CHECK(c.output_max.item<float>() == range[1]);
    check_close(name, dequantize(c.output, c.output_min, c.output_max), floats_back);
  };
  check("plain", -10, 30, dtype::uint8, golden::codes_plain, golden::range_plain, golden::back_plain);
  check("signed", -3, 5, dtype::int8, golden::codes_signed, golden::range_signed, golden::back_signed);
  check("above 0", 2, 6, dtype::uint8, golden::codes_above, golden::range_above, golden::back_above);
  check("empty", 0, 0, dtype::uint8, golden::codes_tiny, golden::range_tiny, golden::back_tiny);
  for (int k = 0; k < 256; ++k) {
    const auto x = dequantize(tensor<std::uint8_t, 1>{static_cast<std::uint8_t>(k)}, -15, 15);
    CHECK(quantize(x, -15, 15).output(0) == k);
    CHECK(quantize<std::int8_t>(x, -15, 15).output(0) == k - 128);
  }
}

TEST_CASE("fake quantization and its straight-through gradient") {
  const dynamic_tensor q = table(golden::q);
  check_close("8 bits", fake_quant_with_min_max_args(q), golden::fake_8);
  check_close("4 bits, narrow", fake_quant_with_min_max_args(q, {.min = -1.3, .max = 3.7, .num_bits = 4, .narrow_range = true}), golden::fake_4);
  check_close("without 0", fake_quant_with_min_max_args(q, {.min = 1, .max = 9}), golden::fake_positive);
  const dynamic_tensor x(tensor<float, 2, 3>{{-9, 0.3F, 9}, {1, -9, 9}}), low(tensor<float, 3>{-1, -2, -1}), high(tensor<float, 3>{1, 2, 3});
  eager::gradient_tape tape({.persistent = true});
  tape.watch(x), tape.watch(low), tape.watch(high);
  const dynamic_tensor dy(tensor<float, 2, 3>{{1, 2, 3}, {4, 5, 6}});
  const dynamic_tensor y = reduce_sum(fake_quant_with_min_max_vars_per_channel(x, low, high) * dy);
  const auto [dx, dl, dh] = tape.gradient(y, x, low, high);
  CHECK(dx.to<float, 2, 3>() == tensor<float, 2, 3>{{0, 2, 0}, {4, 0, 0}});
  CHECK(dl.to<float, 3>() == tensor<float, 3>{1, 5, 0});
  CHECK(dh.to<float, 3>() == tensor<float, 3>{0, 0, 9});
  const dynamic_tensor bottom(-1.0F), top(1.0F);
  tape.watch(bottom), tape.watch(top);
  const auto [db, dt] = tape.gradient(reduce_sum(fake_quant_with_min_max_vars(x, bottom, top) * dy), bottom, top);
  CHECK(db.item<float>() == 6.0F);
  CHECK(dt.item<float>() == 9.0F);
  const auto typed = fake_quant_with_min_max_vars(tensor<double, 1>{0.26}, tensor<double>{0.0}, tensor<double>{3.0}, {.num_bits = 2});
  CHECK(typed(0) == 0.0);
  CHECK(fake_quant_with_min_max_vars(tensor<float, 2>{5, NAN}, tensor<float>{0.0F}, tensor<float>{0.0F})(0) == 0.0F);
}

TEST_CASE("errors") {
  const dynamic_tensor x = cast_to(noise({3, 4}), dtype::float32), ints(tensor<int, 2>{1, 2}), low(-1.0F), high(1.0F);
  check_error<invalid_argument>([&] { xla::reduce_precision(ints, {5, 10}); }, "ReducePrecision: needs an operand of a floating dtype: got int32[2]");
  check_error<invalid_argument>([&] { xla::reduce_precision(x, {0, 10}); }, "ReducePrecision: exponent_bits must be at least 1");
  check_error<invalid_argument>([&] { xla::reduce_precision(x, {5, -1}); }, "ReducePrecision: mantissa_bits must not be negative");
  check_error<invalid_argument>([&] { quantize(ints, 0, 1); }, "QuantizeV2: needs an operand of a floating dtype");
  check_error<invalid_argument>([&] { quantize(x, 0, 1, dtype::int32); }, "QuantizeV2: codes are uint8 or int8: got float32[3, 4] and int32");
  check_error<invalid_argument>([&] { quantize(x, 2, 1); }, "QuantizeV2: min_range must not exceed max_range");
  check_error<invalid_argument>([&] { dequantize(x, 0, 1); }, "Dequantize: codes are uint8 or int8: got float32[3, 4]");
  const dynamic_tensor codes = cast_to(ints, dtype::uint8);
  check_error<invalid_argument>([&] { dequantize(codes, x, high); }, "Dequantize: min_range and max_range must be scalars of float32: got float32[3, 4] and float32[]");
  check_error<invalid_argument>([&] { dequantize(codes, ints, ints); }, "Dequantize: min_range and max_range");
  check_error<invalid_argument>([&] { fake_quant_with_min_max_args(ints); }, "FakeQuantWithMinMaxVars: needs float32 or float64");
  check_error<invalid_argument>([&] { fake_quant_with_min_max_args(x, {.min = 1, .max = 1}); }, "FakeQuantWithMinMaxVars: min must be less than max");
  check_error<invalid_argument>([&] { fake_quant_with_min_max_args(x, {.num_bits = 1}); }, "num_bits must be within 2 .. 16");
  check_error<invalid_argument>([&] { fake_quant_with_min_max_vars(x, high, low); }, "min 1.000000 must not exceed max -1.000000");
  check_error<invalid_argument>([&] { fake_quant_with_min_max_vars(x, low, cast_to(high, dtype::float64)); }, "dtypes differ: got float32[3, 4] and float64[]");
  check_error<invalid_argument>([&] { fake_quant_with_min_max_vars_per_channel(x, low, high); }, "min and max must be vectors of one number per channel");
  const dynamic_tensor three(tensor<float, 3>{1, 2, 3});
  check_error<invalid_argument>([&] { fake_quant_with_min_max_vars_per_channel(x, three, three); }, "min and max must have one number per channel: got float32[3, 4] and float32[3]");
}

TEST_CASE("matmul_integer sums products of bytes in int32") {
  const tensor<std::int8_t, 2, 3> a{{-128, 127, 1}, {2, -3, 4}};
  const tensor<std::uint8_t, 3, 2> b{{255, 1}, {254, 2}, {0, 3}};
  CHECK(to_string(matmul_integer(a, b)) == "[[-382  129]\n [-252    8]]");
  CHECK(to_string(matmul_integer(b, a)) == "[[-32638  32382    259]\n [-32508  32252    262]\n [     6     -9     12]]");
  const auto zero = [](int v) { return dynamic_tensor(tensor<std::int32_t>(v)); };
  const dynamic_tensor batch = stack({dynamic_tensor(a), dynamic_tensor(a)});
  const dynamic_tensor r = matmul_integer(batch, dynamic_tensor(b), zero(1), zero(-2), {});
  CHECK(r.type() == dtype::int32);
  CHECK(to_string(r.to<std::int32_t, 2, 2, 2>()) == "[[[-897  117]\n  [-761    2]]\n\n [[-897  117]\n  [-761    2]]]");
  const auto says = [](const dynamic_tensor& x, const dynamic_tensor& y, const dynamic_tensor& z) { return message_of([&] { matmul_integer(x, y, z, z); }); };
  CHECK(says(dynamic_tensor(b), dynamic_tensor(b), zero(0)).find("MatMulInteger: inner dimensions differ") == 0);
  CHECK(says(cast_to(dynamic_tensor(a), dtype::int16), dynamic_tensor(b), zero(0)).find("int8 or uint8") != std::string::npos);
  CHECK(says(dynamic_tensor(a), dynamic_tensor(b), batch).find("zero points must be scalars of int32") != std::string::npos);
}

TEST_CASE("quantized_matmul: within the steps of its operands of the product of the floats") {
  const std::int64_t m = 9, k = 70, n = 33;
  std::mt19937 g(3);
  std::uniform_real_distribution<float> left(-3, 5), right(-1, 1);
  tensor<float, dyn, dyn> x = tensor<float, dyn, dyn>::uninitialized({m, k}), y = tensor<float, dyn, dyn>::uninitialized({k, n});
  for (std::int64_t i = 0; i < m * k; ++i) x.data()[i] = left(g);
  for (std::int64_t i = 0; i < k * n; ++i) y.data()[i] = right(g);
  for (const dtype type : {dtype::uint8, dtype::int8}) {
    const auto p = quantize(dynamic_tensor(x), -3, 5), q = quantize(dynamic_tensor(y), -1, 1, type);
    const auto z = quantized_matmul(p.output, q.output, p.output_min, p.output_max, q.output_min, q.output_max);
    const double step = z.output_max.item<double>() / 2147483647.0;
    CHECK(z.output_min.item<double>() == doctest::Approx(step * -2147483648.0));
    // Codes are half a step off, at most, and zero another half.
    const double bound = static_cast<double>(k) * (8.0 / 255 * 1.1 + 2.0 / 255 * 5.1);
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::int64_t l = 0; l < k; ++l) sum += static_cast<double>(x(i, l)) * static_cast<double>(y(l, j));
        CHECK(std::abs(z.output.span<std::int32_t>()[static_cast<std::size_t>(i * n + j)] * step - sum) < bound);
      }
  }
}

// SPDX-License-Identifier: Apache-2.0
// Transforms of typed tensors, shifts, the cosine transform, operands that are refused, a graph.

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <rill/eager/fft.hpp>
#include <rill/graph/session.hpp>
#include <string>

#include "message_of.hpp"
#include "fft_signals.hpp"

using namespace rill;
using namespace rill::test;

namespace {

struct spectrum_power {
  constexpr auto operator()(symbol x) const {
    symbol z = rfft(x, {.fft_length = {8}});
    symbol power = reduce_sum(square(real(z)) + square(imag(z)));
    auto [dx] = gradients(power, x);
    return outputs(fetch("power", power), fetch("dx", dx), fetch("back", irfft(z, {.fft_length = {8}})));
  }
};

}  // namespace

TEST_CASE("typed transforms, shifts and the cosine transform") {
  const tensor<std::complex<float>, 4> x{{1, 0}, {2, 0}, {3, 0}, {4, 0}};
  CHECK(to_string(fft(x)) == "[10.+0.j -2.+2.j -2.+0.j -2.-2.j]");
  CHECK(to_string(rfft(tensor<float, 4>{1, 2, 3, 4})) == "[10.+0.j -2.+2.j -2.+0.j]");
  CHECK(to_string(irfft(rfft(tensor<double, 4>{1, 2, 3, 4}))) == "[1. 2. 3. 4.]");
  CHECK(to_string(fftshift(tensor<int, 4>{0, 1, -2, -1})) == "[-2 -1  0  1]");
  CHECK(to_string(fftshift(tensor<int, 5>{0, 1, 2, -2, -1})) == "[-2 -1  0  1  2]");
  CHECK(to_string(ifftshift(tensor<int, 5>{-2, -1, 0, 1, 2})) == "[ 0  1  2 -2 -1]");
  CHECK(to_string(fftshift(tensor<int, 2, 3>{{0, 1, 2}, {3, 4, 5}}, {.axes = {1}})) == "[[2 0 1]\n [5 3 4]]");
  for (const std::int64_t n : {1, 2, 5, 8}) {
    const dynamic_tensor v = noise<double>({3, n}, 3), y = dct(v), o = dct(v, {.ortho = true});
    for (std::int64_t b = 0; b < 3; ++b)
      for (std::int64_t k = 0; k < n; ++k) {
        double sum = 0;
        for (std::int64_t j = 0; j < n; ++j)
          sum += 2 * v.span<double>()[static_cast<std::size_t>(b * n + j)] *
                 std::cos(std::acos(-1.0) * static_cast<double>(k) * (static_cast<double>(j) + 0.5) / static_cast<double>(n));
        CHECK(y.span<double>()[static_cast<std::size_t>(b * n + k)] == doctest::Approx(sum).epsilon(1e-12));
        const double scale = std::sqrt((k == 0 ? 0.25 : 0.5) / static_cast<double>(n));
        CHECK(o.span<double>()[static_cast<std::size_t>(b * n + k)] == doctest::Approx(sum * scale).epsilon(1e-12));
      }
  }
}

TEST_CASE("operands that cannot be transformed are refused") {
  const dynamic_tensor real_line = noise<double>({4}, 1), line = noise<std::complex<double>>({4}, 1);
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  CHECK(has(message_of([&] { fft(real_line); }), "FFT: takes complex64 and complex128: got float64[4]"));
  CHECK(has(message_of([&] { fft(noise<std::complex<double>>({}, 1)); }), "fewer axes"));
  CHECK(has(message_of([&] { fft2d(line); }), "FFT2D: the operand has fewer axes"));
  CHECK(has(message_of([&] { ifft3d(line); }), "IFFT3D: the operand has fewer axes"));
  CHECK(has(message_of([&] { rfft(line); }), "RFFT: takes float32 and float64"));
  CHECK(has(message_of([&] { rfft(real_line, {.fft_length = {0}}); }), "at least 1"));
  CHECK(has(message_of([&] { rfft(real_line, {.fft_length = {4, 4}}); }), "fft_length does not have one extent"));
  CHECK(has(message_of([&] { rfft(noise<double>({3, 0}, 1)); }), "at least 1"));
  CHECK(has(message_of([&] { rfft2d(real_line); }), "fewer axes"));
  CHECK(has(message_of([&] { irfft(real_line); }), "IRFFT: takes complex64"));
  CHECK(has(message_of([&] { irfft(noise<std::complex<double>>({1}, 1)); }), "at least 1"));
  CHECK(has(message_of([&] { irfft2d(line); }), "fewer axes"));
  CHECK(has(message_of([&] { fftshift(line, {.axes = {1}}); }), "axis out of range"));
  CHECK(has(message_of([&] { dct(noise<double>({}, 1)); }), "DCT: the last axis"));
  CHECK(has(message_of([&] { dct(line); }), "takes float32"));
  CHECK(fft(noise<std::complex<double>>({3, 0}, 1)).shape() == tensor_shape{3, 0});
}

TEST_CASE("transforms run in graphs") {
  graph::session<spectrum_power, tensor<float, dyn, 8>> s;
  const tensor<float, dyn, 8> x{{1, 2, 3, 4, 5, 6, 7, 8}, {0, 1, 0, -1, 0, 1, 0, -1}};
  auto [power, dx, back] = s.run(x);
  double want = 0;
  const dynamic_tensor spectrum = rfft(dynamic_tensor(x));
  for (const auto& z : spectrum.span<std::complex<float>>()) want += static_cast<double>(std::norm(z));
  CHECK(*power.data() == doctest::Approx(want).epsilon(1e-5));
  for (int k = 0; k < 16; ++k) CHECK(back.data()[k] == doctest::Approx(x.data()[k]).epsilon(1e-5).scale(1));
  // the power of all bins is 8 |x|^2 by Parseval; those in the middle are counted once, the first and last whole
  for (int b = 0; b < 2; ++b) {
    float sum = 0, alternating = 0;
    for (int j = 0; j < 8; ++j) sum += x.data()[8 * b + j], alternating += (j % 2 == 0 ? 1.0f : -1.0f) * x.data()[8 * b + j];
    for (int j = 0; j < 8; ++j) {
      const float sign = j % 2 == 0 ? 1.0f : -1.0f;
      CHECK(dx.data()[8 * b + j] == doctest::Approx(8 * x.data()[8 * b + j] + sum + sign * alternating).epsilon(1e-4).scale(10));
    }
  }
}

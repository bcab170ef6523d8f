// SPDX-License-Identifier: Apache-2.0
// Gradients of Fourier transforms, of first and second order.

#include <doctest/doctest.h>

#include <complex>
#include <rill/eager/fft.hpp>
#include <rill/ops/complex.hpp>

#include "derivatives.hpp"
#include "fft_signals.hpp"

using namespace rill;
using namespace rill::test;

TEST_CASE("gradients of transforms agree with central differences, twice") {
  const auto power = [](auto z) { return real(z) * real(z) + imag(z); };
  const dynamic_tensor a = noise<double>({2, 5}, 1), b = noise<double>({2, 5}, 2);
  check_derivatives("fft", [&](auto x, auto y) { return power(fft(rill::complex(x, y))); }, {a, b});
  check_derivatives("ifft", [&](auto x, auto y) { return power(ifft(rill::complex(x, y))); }, {a, b});
  check_derivatives("fft2d", [&](auto x, auto y) { return power(fft2d(rill::complex(x, y))); }, {a, b});
  for (const std::int64_t n : {3, 5, 6}) {
    check_derivatives("rfft", [&](auto x, auto y) { return power(rfft(x * y, {.fft_length = {n}})); }, {a, b});
    check_derivatives("irfft", [&](auto x, auto y) { return square(irfft(rill::complex(x, y), {.fft_length = {2 * n}})); }, {a, b});
  }
  check_derivatives("rfft2d", [&](auto x, auto y) { return power(rfft2d(x * y, {.fft_length = {3, 4}})); }, {a, b});
  check_derivatives("irfft2d", [&](auto x, auto y) { return square(irfft2d(rill::complex(x, y), {.fft_length = {3, 7}})); }, {a, b});
  check_derivatives("dct", [&](auto x, auto y) { return dct(x * y, {.ortho = true}); }, {a, b});
  check_derivatives("fftshift", [&](auto x, auto y) { return fftshift(x * y); }, {a, b});
}

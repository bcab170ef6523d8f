// SPDX-License-Identifier: Apache-2.0
// Windows and Fourier transforms; complex numbers are pairs on the last axis.
#include "driver.hpp"
#include "rill/eager/fft.hpp"
#include "rill/eager/indexing.hpp"
#include "rill/eager/movement.hpp"

namespace onnx {
namespace {
using namespace rill;

/// a - b cos(2 pi k / n) + d cos(4 pi k / n) for k below size; n is the size, one less for a symmetric window.
results window(const call& c, double a, double b, double d) {
  const std::int64_t size = integers(c.x()).at(0);
  const double n = static_cast<double>(c.i("periodic", 1) != 0 ? size : size - 1), turn = 2 * 3.14159265358979323846 / n;
  const num k = eager::front_end::range(c.x(), dtype::float64, size);
  num y = num(a) - num(op("Cos", {k * turn})) * b;
  if (d != 0) y = y + num(op("Cos", {k * (2 * turn)})) * d;
  return {cast_to(y.t, dtype_of(c.i("output_datatype", 1)))};
}

dynamic_tensor as_complex(const dynamic_tensor& x) {
  const std::vector<dynamic_tensor> parts = unstack(x, {-1});
  return complex(parts.at(0), parts.size() > 1 ? parts[1] : zeros_like(parts[0]));
}
dynamic_tensor as_pairs(const dynamic_tensor& z) { return stack({dynamic_tensor(real(z)), dynamic_tensor(imag(z))}, {-1}); }

// In complex128: what cancels must be zero within 1e-7, whatever the size of the numbers.
results dft(const call& c) {
  if (c.given(1) || c.i("onesided", 0) != 0) throw unimplemented("DFT: of other lengths or one-sided");
  const std::int64_t axis = axis_in(c.i("axis", 1), c.x().rank() - 1);
  const dynamic_tensor z = with_axis_last(as_complex(cast_to(c.x(), dtype::float64)), axis);
  return {cast_like(as_pairs(with_last_axis_at(c.i("inverse", 0) != 0 ? ifft(z) : fft(z), axis)), c.x())};
}

// Frames are gathered: frame f, sample k is sample f * step + k of the signal.
results stft(const call& c) {
  const dynamic_tensor x = squeeze(c.x(), {-1});
  const std::int64_t step = integers(c.x(1)).at(0), n = c.given(3) ? integers(c.x(3)).at(0) : c.x(2).shape()[0];
  std::vector<std::int64_t> index;
  const std::int64_t frames = (x.shape()[1] - n) / step + 1;
  for (std::int64_t f = 0; f < frames; ++f)
    for (std::int64_t k = 0; k < n; ++k) index.push_back(f * step + k);
  num y = gather(x, reshape(from_integers(index), {frames, n}), {.axis = 1});
  if (c.given(2)) y = y * c.x(2);
  return {as_pairs(c.i("onesided", 1) != 0 ? rfft(y.t) : fft(dynamic_tensor(complex(y.t, zeros_like(y.t)))))};
}

}  // namespace

void add_signal(op_table& t) {
  t["HannWindow"] = [](const call& c) { return window(c, 0.5, 0.5, 0); };
  t["HammingWindow"] = [](const call& c) { return window(c, 25.0 / 46, 21.0 / 46, 0); };
  t["BlackmanWindow"] = [](const call& c) { return window(c, 0.42, 0.5, 0.08); };
  t["DFT"] = dft;
  t["STFT"] = stft;
}

}  // namespace onnx

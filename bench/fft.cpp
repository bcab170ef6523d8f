// SPDX-License-Identifier: Apache-2.0
// Fourier transforms of complex and real rows, against Eigen's (kissfft inside), which keeps its plan from call to call.
#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 warns of its own AVX-512 intrinsics where they are inlined into Eigen.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <rill/eager/fft.hpp>

#include <cmath>
#include <complex>
#include <memory>
#include <unsupported/Eigen/FFT>

#include "harness.hpp"

namespace bench {

namespace {

struct rows {
  rows(std::int64_t r, std::int64_t c)
      : count(r), n(c), x(static_cast<std::size_t>(r * c)), z(x.size()), y(x.size()), real(x.size()), half(static_cast<std::size_t>(r * (c / 2 + 1))) {
    const auto numbers = noise(2 * x.size(), 5);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = {numbers[2 * i], numbers[2 * i + 1]}, real[i] = numbers[2 * i];
  }
  std::int64_t count, n;
  std::vector<std::complex<float>> x, z, y;
  std::vector<float> real;
  std::vector<std::complex<float>> half;
  Eigen::FFT<float> eigen;
};

duel complex_rows(std::int64_t count, std::int64_t n) {
  auto d = std::make_shared<rows>(count, n);
  duel result;
  result.cost.flops = 5.0 * static_cast<double>(count * n) * std::log2(static_cast<double>(n));
  result.rill = {"Rill", [d] {
                   rill::kernel::fft::transform<float>({d->count, d->n, 1}, false, 1.0f, reinterpret_cast<const float*>(d->x.data()),
                                                       reinterpret_cast<float*>(d->z.data()));
                 }};
  result.rill.call();
  const auto peer = [d] {
    for (std::int64_t r = 0; r < d->count; ++r) d->eigen.fwd(d->y.data() + r * d->n, d->x.data() + r * d->n, static_cast<int>(d->n));
  };
  peer();
  expect_close("Eigen FFT", reinterpret_cast<const float*>(d->y.data()), reinterpret_cast<const float*>(d->z.data()), 2 * d->y.size(), 1e-4);
  result.peers.push_back({"Eigen FFT", peer});
  return result;
}

duel real_rows(std::int64_t count, std::int64_t n) {
  auto d = std::make_shared<rows>(count, n);
  duel result;
  result.cost.flops = 2.5 * static_cast<double>(count * n) * std::log2(static_cast<double>(n));
  result.rill = {"Rill", [d] {
                   rill::kernel::fft::real_forward<float>(d->count, d->n, d->n, 1.0f, d->real.data(), reinterpret_cast<float*>(d->half.data()));
                 }};
  d->eigen.SetFlag(Eigen::FFT<float>::HalfSpectrum);
  result.peers.push_back({"Eigen FFT", [d] {
                            for (std::int64_t r = 0; r < d->count; ++r)
                              d->eigen.fwd(d->y.data() + r * d->n, d->real.data() + r * d->n, static_cast<int>(d->n));
                          }});
  return result;
}

}  // namespace

void add_fft() {
  constexpr std::pair<std::int64_t, std::int64_t> shapes[] = {{1, 1024}, {1000, 64}, {100, 1024}, {100, 1000}, {100, 1021}, {4, 65536}};
  const auto text = [](std::int64_t count, std::int64_t n) { return std::to_string(count) + "x" + std::to_string(n); };
  for (const auto& [count, n] : shapes) add("fft", text(count, n), 1, [count = count, n = n] { return complex_rows(count, n); });
  for (const auto& [count, n] : shapes) add("rfft", text(count, n), 1, [count = count, n = n] { return real_rows(count, n); });
}

}  // namespace bench

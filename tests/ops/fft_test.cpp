// SPDX-License-Identifier: Apache-2.0
// Fourier transforms against the sum that defines them, in long double: lengths of every kind, batches, axes, padding and
// cropping, inverses, any number of threads.

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <cstring>
#include <rill/eager/fft.hpp>
#include <string>
#include <vector>

#include "fft_signals.hpp"

using namespace rill;
using namespace rill::test;

namespace {

using wide = std::complex<long double>;


/// Transforms axis `axis` of x, row-major of shape s; the sign of the exponent; n elements are taken (or zeros).
std::vector<wide> naive(const std::vector<wide>& x, tensor_shape& s, int axis, int sign, std::int64_t n) {
  std::int64_t outer = 1, inner = 1;
  const std::int64_t have = s[axis];
  for (int d = 0; d < axis; ++d) outer *= s[d];
  for (int d = axis + 1; d < s.rank(); ++d) inner *= s[d];
  s[axis] = n;
  std::vector<wide> root(static_cast<std::size_t>(n));
  const long double turn = 2 * std::acos(-1.0L);
  for (std::int64_t k = 0; k < n; ++k) {
    const long double a = static_cast<long double>(sign) * turn * static_cast<long double>(k) / static_cast<long double>(n);
    root[static_cast<std::size_t>(k)] = {std::cos(a), std::sin(a)};
  }
  std::vector<wide> y(static_cast<std::size_t>(outer * n * inner));
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < inner; ++i)
      for (std::int64_t k = 0; k < n; ++k) {
        wide sum = 0;
        for (std::int64_t j = 0; j < n && j < have; ++j)
          sum += x[static_cast<std::size_t>((o * have + j) * inner + i)] * root[static_cast<std::size_t>(j * k % n)];
        y[static_cast<std::size_t>((o * n + k) * inner + i)] = sum;
      }
  return y;
}
template <class T>
std::vector<wide> values(const dynamic_tensor& t) {
  std::vector<wide> r;
  for (const T& x : t.span<T>()) {
    if constexpr (is_complex_v<T>) r.emplace_back(static_cast<long double>(x.real()), static_cast<long double>(x.imag()));
    else r.emplace_back(static_cast<long double>(x));
  }
  return r;
}
/// The root mean square of the difference over that of the values wanted.
template <class T>
double relative_error(const dynamic_tensor& got, const std::vector<wide>& want) {
  const std::vector<wide> g = values<T>(got);
  if (g.size() != want.size()) return INFINITY;
  long double difference = 0, size = 0;
  for (std::size_t k = 0; k < g.size(); ++k) difference += std::norm(g[k] - want[k]), size += std::norm(want[k]);
  return size == 0 ? 0 : static_cast<double>(std::sqrt(difference / size));
}
template <class T>
double tolerance(std::int64_t n) {
  return static_cast<double>(std::numeric_limits<T>::epsilon()) * (2 + std::log2(static_cast<double>(n)));
}

template <class T>
void check_lengths(std::initializer_list<std::int64_t> lengths, std::int64_t batch) {
  using C = std::complex<T>;
  for (const std::int64_t n : lengths) {
    CAPTURE(n);
    CAPTURE(batch);
    const dynamic_tensor x = noise<C>({batch, n}, static_cast<std::uint64_t>(n));
    tensor_shape s = x.shape();
    CHECK(relative_error<C>(fft(x), naive(values<C>(x), s, 1, -1, n)) <= tolerance<T>(n));
    CHECK(relative_error<C>(ifft(fft(x)), values<C>(x)) <= tolerance<T>(n));

    const dynamic_tensor r = noise<T>({batch, n}, static_cast<std::uint64_t>(n) + 1);
    s = r.shape();
    const std::vector<wide> whole = naive(values<T>(r), s, 1, -1, n);
    std::vector<wide> first;
    for (std::int64_t b = 0; b < batch; ++b)
      for (std::int64_t k = 0; k <= n / 2; ++k) first.push_back(whole[static_cast<std::size_t>(b * n + k)]);
    const dynamic_tensor spectrum = rfft(r);
    CHECK(relative_error<C>(spectrum, first) <= tolerance<T>(n));
    CHECK(relative_error<T>(irfft(spectrum, {.fft_length = {n}}), values<T>(r)) <= tolerance<T>(n));
  }
}

}  // namespace

TEST_CASE("transforms of every length equal the defining sum") {
  for (const std::int64_t batch : {1, 3, 17}) {
    check_lengths<double>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20, 21, 24, 25, 31, 32, 35, 36, 49, 60, 63, 64}, batch);
    check_lengths<float>({1, 2, 3, 4, 5, 7, 8, 11, 12, 15, 16, 18, 23, 27, 28, 30, 40, 45, 48, 50, 56, 61, 64}, batch);
  }
  check_lengths<double>({97, 100, 101, 128, 210, 243, 256, 343, 500, 512, 625, 720, 1024}, 1);
  check_lengths<float>({97, 99, 128, 210, 243, 256, 343, 512, 770, 1000, 1024}, 1);
  check_lengths<float>({96, 105, 202, 128}, 9);
}

TEST_CASE("transforms over two and three axes") {
  using C = std::complex<double>;
  for (const tensor_shape& dims : {tensor_shape{2, 3, 4, 5}, tensor_shape{1, 8, 16, 12}, tensor_shape{3, 1, 7, 2}, tensor_shape{2, 6, 1, 11}}) {
    CAPTURE(to_string(dims));
    const dynamic_tensor x = noise<C>(dims, 5);
    tensor_shape s = dims;
    auto want = naive(naive(values<C>(x), s, 3, -1, dims[3]), s, 2, -1, dims[2]);
    CHECK(relative_error<C>(fft2d(x), want) < 1e-14);
    want = naive(want, s, 1, -1, dims[1]);
    CHECK(relative_error<C>(fft3d(x), want) < 1e-14);
    CHECK(relative_error<C>(ifft2d(fft2d(x)), values<C>(x)) < 1e-14);
    CHECK(relative_error<C>(ifft3d(fft3d(x)), values<C>(x)) < 1e-14);
  }
}

TEST_CASE("real transforms crop and pad to fft_length") {
  using C = std::complex<double>;
  const dynamic_tensor x = noise<double>({2, 4, 5, 6}, 7);
  const auto halved = [](const std::vector<wide>& whole, std::int64_t n) {
    std::vector<wide> r;
    for (std::size_t k = 0; k < whole.size(); ++k)
      if (static_cast<std::int64_t>(k) % n <= n / 2) r.push_back(whole[k]);
    return r;
  };
  for (const std::int64_t n : {3, 4, 6, 7, 8, 13}) {
    CAPTURE(n);
    tensor_shape s = x.shape();
    const auto line = naive(values<double>(x), s, 3, -1, n);
    CHECK(relative_error<C>(rfft(x, {.fft_length = {n}}), halved(line, n)) < 1e-14);
    for (const std::int64_t m : {3, 5, 8}) {
      tensor_shape t = s;
      const auto plane = naive(line, t, 2, -1, m);
      CHECK(relative_error<C>(rfft2d(x, {.fft_length = {m, n}}), halved(plane, n)) < 1e-14);
      const dynamic_tensor cube = rfft3d(x, {.fft_length = {6, m, n}});
      CHECK(relative_error<C>(cube, halved(naive(plane, t, 1, -1, 6), n)) < 1e-14);
      // back: what was cropped is gone, what was padded is zero
      const dynamic_tensor again = irfft3d(cube, {.fft_length = {6, m, n}});
      REQUIRE(again.shape() == tensor_shape{2, 6, m, n});
      double worst = 0;
      for (std::int64_t k = 0; k < again.size(); ++k) {
        const std::int64_t l = k % n, j = k / n % m, i = k / n / m % 6, b = k / n / m / 6;
        const double want = i < 4 && j < 5 && l < 6 ? x.span<double>()[static_cast<std::size_t>(((b * 4 + i) * 5 + j) * 6 + l)] : 0;
        worst = std::max(worst, std::abs(again.span<double>()[static_cast<std::size_t>(k)] - want));
      }
      CHECK(worst < 1e-14);
    }
  }
  CHECK(irfft(noise<C>({5}, 1)).shape() == tensor_shape{8});
  CHECK(irfft(noise<C>({2}, 1), {.fft_length = {9}}).shape() == tensor_shape{9});  // padded
  CHECK(irfft2d(noise<C>({4, 3}, 1)).shape() == tensor_shape{4, 4});
  CHECK(rfft2d(noise<double>({0, 4, 6}, 1)).shape() == tensor_shape{0, 4, 4});
}

TEST_CASE("results do not depend on the number of threads") {
  const dynamic_tensor x = noise<std::complex<float>>({40, 30, 24}, 3);
  const dynamic_tensor many = fft2d(x);
  const thread_limit one(1);
  const dynamic_tensor single = fft2d(x);
  CHECK(std::memcmp(many.data(), single.data(), static_cast<std::size_t>(x.size()) * 8) == 0);
}

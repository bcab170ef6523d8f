// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <random>
#include <vector>

#include <rill/cuda/gather.cuh>

#include "device.hpp"

namespace {

using namespace rill;

template <class I>
std::vector<I> indices(std::int64_t count, std::int64_t low, std::int64_t high) {
  std::mt19937 random(3);
  std::vector<I> v(static_cast<std::size_t>(count));
  for (I& i : v) i = static_cast<I>(low + static_cast<std::int64_t>(random() % static_cast<unsigned>(high - low)));
  return v;
}
std::vector<float> numbers(std::int64_t n) {
  std::mt19937 random(4);
  std::uniform_real_distribution<float> d(-1, 1);
  std::vector<float> v(static_cast<std::size_t>(n));
  for (float& f : v) f = d(random);
  return v;
}

template <class T, class I>
void check_gather(std::int64_t batch, std::int64_t outer, std::int64_t n, std::int64_t inner, std::int64_t m) {
  test::device device;
  std::vector<T> x(static_cast<std::size_t>(batch * outer * n * inner)), y(static_cast<std::size_t>(batch * outer * m * inner), T(77)), want(y);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i * 2654435761u >> 5);
  const auto at = indices<I>(batch * m, -1, n + 1);
  for (std::int64_t s = 0; s < batch * outer; ++s)
    for (std::int64_t k = 0; k < m; ++k)
      for (std::int64_t j = 0; j < inner; ++j) {
        const auto i = static_cast<std::int64_t>(at[static_cast<std::size_t>(s / outer * m + k)]);
        want[static_cast<std::size_t>((s * m + k) * inner + j)] = i < 0 || i >= n ? T(0) : x[static_cast<std::size_t>((s * n + i) * inner + j)];
      }
  cuda::gather(device, sizeof(T), batch, outer, n, inner, m, x.data(), at.data(), y.data());
  CHECK((y == want));
}

TEST_CASE("gathers along any axis") {
  check_gather<float, std::int32_t>(1, 1, 10, 64, 33);
  check_gather<float, std::int64_t>(1, 1, 1000, 3, 257);
  check_gather<std::uint8_t, std::int32_t>(1, 5, 7, 1, 12);
  check_gather<std::uint16_t, std::int64_t>(3, 4, 5, 6, 7);
  check_gather<double, std::int32_t>(2, 1, 5, 5, 3);
  check_gather<float, std::int32_t>(1, 1, 4, 4, 0);
}

template <class I>
void check_sums(std::int64_t m, std::int64_t inner, std::int64_t n) {
  test::device device;
  CAPTURE(m);
  CAPTURE(inner);
  const auto x = numbers(m * inner), start = numbers(n * inner);
  const auto ids = indices<I>(m, -1, n + 1);  // some outside
  auto sums = std::vector<float>(start.size(), 0.f), added = start;
  for (std::int64_t k = 0; k < m; ++k)
    if (const auto s = static_cast<std::int64_t>(ids[static_cast<std::size_t>(k)]); s >= 0 && s < n)
      for (std::int64_t j = 0; j < inner; ++j) {
        sums[static_cast<std::size_t>(s * inner + j)] += x[static_cast<std::size_t>(k * inner + j)];
        added[static_cast<std::size_t>(s * inner + j)] += x[static_cast<std::size_t>(k * inner + j)];
      }
  std::vector<float> y(start.size(), 5.f), z = start;
  cuda::segment_sum(device, m, inner, n, x.data(), ids.data(), y.data());
  cuda::scatter_add(device, m, inner, n, x.data(), ids.data(), z.data());
  CHECK(y == sums);  // the same additions in the same order
  CHECK(z == added);
}

TEST_CASE("segment sums and scattered additions are those of a loop, bit for bit") {
  check_sums<std::int32_t>(0, 4, 3);
  check_sums<std::int32_t>(1, 1, 1);
  check_sums<std::int64_t>(50, 7, 11);
  check_sums<std::int32_t>(300, 64, 5);
  check_sums<std::int32_t>(9000, 1, 40);  // several blocks of keys
  check_sums<std::int64_t>(100, 132, 1000);
}

TEST_CASE("the largest of a segment, and of none") {
  test::device device;
  const std::vector<float> x{1, -2, 3, 0.5f};
  const std::vector<std::int32_t> ids{2, 0, 2, 0};
  float y[3];
  cuda::segment_reduce<ops::max>(device, 4, 1, 3, x.data(), ids.data(), -9.f, y);
  CHECK(y[0] == 0.5f);
  CHECK(y[1] == -9.f);
  CHECK(y[2] == 3.f);
}

TEST_CASE("one_hot") {
  test::device device;
  const std::vector<std::int32_t> at{2, 0, -1, 5, 1, 2};
  std::vector<float> y(24), want(24, -1.f);
  for (std::size_t i = 0; i < 6; ++i)
    if (at[i] >= 0 && at[i] < 4) want[i / 3 * 12 + static_cast<std::size_t>(at[i]) * 3 + i % 3] = 9.f;
  cuda::one_hot(device, 2, 4, 3, at.data(), 9.f, -1.f, y.data());
  CHECK(y == want);
}

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include <rill/cuda/reduce.cuh>
#include <rill/kernel/reduce.hpp>
#include <rill/ops/binary.hpp>
#include <rill/ops/comparison.hpp>
#include <rill/ops/unary.hpp>

#include "device.hpp"

namespace {

using namespace rill;
using namespace rill::expr;

template <walk W>
using plain = program<list<in<float, W>>, list<>, list<out<float, ~0>>>;
template <walk W>
using scaled = program<list<in<float, W>, in<float, walk::constant>>, list<let<ops::mul, ~0, ~1>, let<ops::square, 0>>, list<out<float, 1>>>;
template <walk W>
using positive = program<list<in<float, W>, in<float, walk::constant>>, list<let<ops::greater, ~0, ~1>>, list<out<bool, 0>>>;
using bytes = program<list<in<std::int8_t, walk::contiguous>>, list<>, list<out<std::int8_t, ~0>>>;
using halves = program<list<in<half, walk::contiguous>>, list<>, list<out<half, ~0>>>;

struct generator {
  std::uint32_t state;
  int operator()(int n) {
    state = state * 1664525U + 1013904223U;
    return static_cast<int>((state >> 8) % static_cast<std::uint32_t>(n));
  }
};

struct problem {
  int rank;
  std::int64_t extents[5];
  unsigned mask;
};

/// Row-major input, dense result.
template <int N>
kernel::nest<N> dense(const problem& p, std::int64_t* results, std::int64_t* size) {
  kernel::nest<N> n;
  n.rank = p.rank;
  *results = *size = 1;
  for (int d = p.rank - 1; d >= 0; --d) {
    n.extents[d] = p.extents[d];
    n.strides[0][d] = *size;
    *size *= p.extents[d];
    if ((p.mask >> d & 1U) == 0) n.strides[N - 1][d] = *results, *results *= p.extents[d];
  }
  return n;
}

template <class P, class R, class T>
void compare(test::device& device, const problem& p, const void* const* in, double tolerance, std::uint64_t numbers = 0) {
  std::int64_t results = 0, size = 0;
  const auto n = dense<kernel::operands_v<P>>(p, &results, &size);
  const auto m = static_cast<std::size_t>(results) + 1;
  const auto y = std::make_unique<T[]>(m), want = std::make_unique<T[]>(m);
  kernel::reduce<P, R>(n, p.mask, in, want.get());
  cuda::reduce<P, R>(device, n, p.mask, in, y.get(), numbers);
  for (std::size_t i = 0; i < m; ++i) {
    const double a = static_cast<double>(y[i]), b = static_cast<double>(want[i]);
    if (a != a && b != b) continue;
    CAPTURE(i);
    if (tolerance == 0) REQUIRE(a == b);
    else REQUIRE(std::abs(a - b) <= tolerance * (1 + std::abs(b)));
  }
}

std::vector<float> numbers(std::size_t n) {
  generator next{42};
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(next(2001) - 1000) / 512.0F;
  return x;
}

TEST_CASE("a reduction gives what the CPU gives, whatever is reduced") {
  test::device device;
  const auto x = numbers(20000);
  const float by = 1.25f;
  const problem problems[] = {
      {1, {1}, 1}, {1, {5}, 1}, {1, {33}, 1}, {1, {9999}, 1}, {1, {7}, 0}, {0, {}, 0},                            // everything, or nothing
      {2, {3, 64}, 2}, {2, {70, 8}, 2}, {2, {37, 7}, 2}, {2, {3, 1001}, 2}, {2, {2, 5000}, 2}, {2, {600, 4}, 2},  // rows
      {2, {64, 8}, 1}, {2, {31, 33}, 1}, {2, {2000, 3}, 1}, {2, {3, 700}, 1}, {2, {500, 36}, 1}, {2, {1, 40}, 1},  // columns
      {3, {5, 6, 49}, 5}, {3, {4, 3, 64}, 5}, {3, {5, 300, 4}, 2}, {3, {2, 3, 5}, 7}, {4, {3, 5, 4, 12}, 10}, {4, {3, 5, 4, 13}, 5},
      {5, {2, 3, 2, 5, 7}, 21}, {2, {0, 4}, 1}, {2, {4, 0}, 2}, {2, {0, 4}, 2}, {2, {8, 0}, 1}};
  for (const auto& p : problems)
    for (const std::size_t shift : {0u, 1u}) {
      CAPTURE(p.rank);
      CAPTURE(p.extents[0]);
      CAPTURE(p.extents[1]);
      CAPTURE(p.mask);
      const void* in[] = {x.data() + shift, &by};
      compare<scaled<walk::contiguous>, ops::sum, float>(device, p, in, 1e-6, shift == 0 ? 0 : 2);
      if (shift == 0) compare<scaled<walk::strided>, ops::mean, float>(device, p, in, 1e-6);
      else compare<plain<walk::contiguous>, ops::max, float>(device, p, in, 0);
    }
}

TEST_CASE("reductions of other types, and NaN") {
  test::device device;
  auto x = numbers(3000);
  std::vector<half> h(3000);
  std::vector<std::int8_t> b(3000);
  for (std::size_t i = 0; i < h.size(); ++i) h[i] = static_cast<half>(x[i]), b[i] = static_cast<std::int8_t>(i * 7 % 251);
  const float two = 1.94f;
  for (const problem& p : {problem{2, {3, 1000}, 2}, problem{2, {30, 100}, 2}, problem{2, {60, 48}, 1}, problem{2, {50, 7}, 1}, problem{2, {50, 7}, 2}}) {
    CAPTURE(p.extents[0]);
    CAPTURE(p.mask);
    const void *hs[] = {h.data()}, *bs[] = {b.data()}, *xs[] = {x.data(), &two};
    compare<halves, ops::mean, half>(device, p, hs, 1e-3);
    compare<bytes, ops::sum, std::int8_t>(device, p, bs, 0);
    compare<positive<walk::contiguous>, ops::any, bool>(device, p, xs, 0);
  }
  x[70] = std::numeric_limits<float>::quiet_NaN();
  kernel::nest<2> n{2, {2, 100}, {{100, 1}, {1, 0}}};
  float y[2];
  const void* in[] = {x.data()};
  cuda::reduce<plain<walk::contiguous>, ops::max>(device, n, 2, in, y);
  CHECK(y[0] != y[0]);
  CHECK(y[1] == y[1]);
}

TEST_CASE("sums of many numbers stay accurate, and use the whole device") {
  test::device device;
  std::vector<float> x(400000, 0.1f);
  const void* in[] = {x.data()};
  const kernel::nest<2> n{1, {400000}, {{1}, {0}}};
  float y = 0;
  cuda::reduce<plain<walk::contiguous>, ops::sum>(device, n, 1, in, &y);
  CHECK(std::abs(y / (400000 * static_cast<double>(0.1f)) - 1) < 3e-7);
  CHECK(device.launches() == 2);
  const float first = y;
  cuda::reduce<plain<walk::contiguous>, ops::sum>(device, n, 1, in, &y);
  CHECK(y == first);
}

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include <rill/cuda/map.cuh>
#include <rill/kernel/map.hpp>
#include <rill/ops/binary.hpp>
#include <rill/ops/comparison.hpp>
#include <rill/ops/random.hpp>
#include <rill/ops/unary.hpp>

#include "device.hpp"

namespace {

using namespace rill;
using namespace rill::expr;

using x = in<float, walk::contiguous>;
using s = in<float, walk::constant>;
using t = in<float, walk::strided>;
// relu(a * b + c) * 0.5 - tanh(a), and whether it is positive
template <class A, class B>
using chain = program<list<A, B, A, s, s>,
                      list<let<ops::mul, ~0, ~1>, let<ops::add, 0, ~2>, let<ops::relu, 1>, let<ops::mul, 2, ~3>, let<ops::tanh, ~0>,
                           let<ops::sub, 3, 4>, let<ops::greater, 5, ~4>>,
                      list<out<float, 5>, out<bool, 6>>>;

std::vector<float> numbers(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> d(-3, 3);
  std::vector<float> v(n);
  for (float& f : v) f = d(random);
  return v;
}

TEST_CASE("division by multiplication is division") {
  std::mt19937 random(7);
  for (int k = 0; k < 20000; ++k) {
    const auto number = [&] { return static_cast<std::uint32_t>(random() >> (random() % 31 + 1)); };
    const std::uint32_t n = number(), e = number(), d = e == 0 ? 1 : e;
    for (const std::uint32_t m : {n, 0u, d - 1, d, 0x7fffffffu}) {
      if (m > 0x7fffffffu) continue;
      CHECK(cuda::divider(d).quotient(m) == m / d);
    }
  }
}

TEST_CASE("a flat map gives what the CPU gives, for any size and alignment") {
  test::device device;
  using P = chain<x, x>;
  const float half = 0.5f, zero = 0;
  for (const std::int64_t n : {0, 1, 3, 4, 5, 7, 8, 31, 1023, 4099, 70001})
    for (const std::size_t shift : {0u, 1u, 2u}) {
      const auto m = static_cast<std::size_t>(n);
      const auto a = numbers(m + shift, 1), b = numbers(m + shift, 2), c = numbers(m + shift, 3);
      std::vector<float> y(m + shift, -1), want(m + shift, -1);
      std::vector<char> p(m + 1), q(m + 1);
      const void* in[] = {a.data() + shift, b.data() + shift, c.data() + shift, &half, &zero};
      void *out[] = {y.data() + shift, p.data()}, *expected[] = {want.data() + shift, q.data()};
      kernel::map_flat<P>(n, in, expected);
      cuda::map_flat<P>(device, n, in, out);
      CHECK(test::same(y, want));
      CHECK(test::same(p, q));
      std::fill(y.begin(), y.end(), -1.f);
      cuda::map_flat<P>(device, n, in, out, 0b11000);  // the numbers by value
      CHECK(test::same(y, want));
    }
}

TEST_CASE("a map over strides and broadcasts gives what the CPU gives") {
  test::device device;
  using P = chain<t, t>;
  const float half = 0.5f, zero = 0;
  const auto a = numbers(5000, 1), b = numbers(5000, 2), c = numbers(5000, 3);
  struct shape {
    int rank;
    std::int64_t extents[5], a[5], b[5];
  };
  for (const shape& e : {shape{2, {7, 33}, {33, 1}, {0, 1}}, shape{2, {33, 7}, {1, 33}, {7, 1}}, shape{3, {3, 5, 17}, {85, 17, 1}, {0, 17, 0}},
                         shape{5, {2, 3, 4, 5, 3}, {1, 2, 6, 24, 120}, {0, 20, 5, 1, 0}}, shape{1, {100}, {-1}, {2}}, shape{0, {}, {}, {}}, shape{2, {0, 5}, {5, 1}, {5, 1}}}) {
    kernel::nest<7> n;
    n.rank = e.rank;
    std::int64_t dense = 1;
    for (int d = e.rank - 1; d >= 0; --d) {
      n.extents[d] = e.extents[d];
      n.strides[0][d] = n.strides[2][d] = e.a[d], n.strides[1][d] = e.b[d], n.strides[5][d] = n.strides[6][d] = dense;
      dense *= e.extents[d];
    }
    std::vector<float> y(1200, -1), want(1200, -1);
    std::vector<char> p(1200), q(1200);
    const void* in[] = {a.data() + 200, b.data(), c.data() + 200, &half, &zero};
    void *out[] = {y.data(), p.data()}, *expected[] = {want.data(), q.data()};
    kernel::map<P>(n, in, expected);
    cuda::map<P>(device, n, in, out);
    CHECK(test::same(y, want));
    CHECK(test::same(p, q));
  }
}

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <rill/cuda/contraction.cuh>
#include <rill/ops/binary.hpp>
#include <rill/ops/unary.hpp>

#include "device.hpp"

namespace {

using namespace rill;
using namespace rill::expr;

template <class T>
using x = in<T, walk::contiguous>;
/// relu(acc + bias) stored, and the sum without relu.
template <class T>
using biased = program<list<x<T>, x<T>>, list<let<ops::add, ~0, ~1>, let<ops::relu, 0>>, list<out<T, 1>, out<T, 0>>>;
/// a * (a + b)
template <class T>
using factor = program<list<x<T>, in<T, walk::constant>>, list<let<ops::add, ~0, ~1>, let<ops::mul, ~0, 0>>, list<out<T, 1>>>;

/// Small whole numbers: every sum of their products is exact, whatever the precision and the order.
template <class T>
std::vector<T> whole(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<T> v(n);
  for (T& e : v) e = T(static_cast<float>(static_cast<int>(random() % 5) - 2));
  return v;
}

template <class T>
std::vector<double> product(std::int64_t m, std::int64_t n, std::int64_t k, bool ta, bool tb, const std::vector<T>& a, const std::vector<T>& b) {
  std::vector<double> c(static_cast<std::size_t>(m * n));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t l = 0; l < k; ++l)
        c[static_cast<std::size_t>(i * n + j)] += static_cast<double>(a[static_cast<std::size_t>(ta ? l * m + i : i * k + l)]) *
                                                  static_cast<double>(b[static_cast<std::size_t>(tb ? j * k + l : l * n + j)]);
  return c;
}

/// matmul, by the tiles that it chooses itself or by these.
template <class T, cuda::precision P = cuda::precision::float32, class... Tiles>
void check(int processors, std::int64_t m, std::int64_t n, std::int64_t k, bool ta, bool tb, std::size_t shift = 0) {
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  CAPTURE(ta);
  CAPTURE(tb);
  CAPTURE(shift);
  test::device device;
  device.set_processors(processors);
  auto a = whole<T>(static_cast<std::size_t>(m * k) + shift, 1), b = whole<T>(static_cast<std::size_t>(k * n) + shift, 2), bias = whole<T>(static_cast<std::size_t>(n), 3);
  const cuda::plain_operand<T> left{a.data() + shift, ta ? m : k}, right{b.data() + shift, tb ? k : n};
  std::vector<T> y(static_cast<std::size_t>(m * n), T(-77.f)), z = y;
  cuda::tile_epilogue<biased<T>, T> e;
  e.input(1, bias.data(), 0), e.output(0, y.data(), n), e.output(1, z.data(), n), e.columns = n;
  if constexpr (sizeof...(Tiles) == 0) cuda::matmul<T, P>(device, m, n, k, ta, tb, left, right, e);
  else cuda::detail::contract_by_best(list<Tiles...>{}, device, m, n, k, cuda::detail::matrix_side(left, ta, left.ld), cuda::detail::matrix_side(right, !tb, right.ld), e, 1);
  a.erase(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(shift)), b.erase(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(shift));
  const auto c = product(m, n, k, ta, tb, a, b);
  int wrong = 0;
  for (std::size_t i = 0; i < c.size(); ++i) {
    const double sum = static_cast<double>(static_cast<T>(c[i])) + static_cast<double>(bias[i % static_cast<std::size_t>(n)]);
    wrong += !(static_cast<double>(z[i]) == sum) + !(static_cast<double>(y[i]) == std::max(sum, 0.));
  }
  CHECK(wrong == 0);
}
template <class T, cuda::precision P, class... Tiles>
void check_each(list<Tiles...>) {
  (check<T, P, Tiles>(1, 130, 132, 36, false, true), ...);
  (check<T, P, Tiles>(1, 67, 131, 33, true, false), ...);
}
template <class T, cuda::precision P = cuda::precision::float32>
void check_tiles() {
  check_each<T, P>(typename cuda::detail::maths_of<T, P>::type{});
}

TEST_CASE("products of any size in any transposition, with an epilogue") {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      check<float>(4, 65, 67, 33, ta, tb);
      check<float>(4, 64, 36, 20, ta, tb, 1);
      check<float>(2, 12, 40, 640, ta, tb);   // in parts
      check<double>(2, 31, 70, 18, ta, tb);
      check<half>(2, 40, 44, 36, ta, tb);
    }
  check_tiles<float>();
  check_tiles<double>();
  check<float>(4, 1, 1, 1, false, false);
  check<float>(4, 5, 10, 700, false, false);  // narrow, in many parts
  check<float>(64, 3, 9, 4100, true, false);
  check<float>(4, 3, 5, 0, false, false);
  check<float>(4, 0, 5, 3, false, false);
  check<float>(1, 1100, 36, 3, false, false);  // more than a band of tiles
  check<double>(4, 7, 5, 520, false, true);
}

TEST_CASE("products of the matrix units") {
  using cuda::precision;
  for (const bool ta : {false, true}) {
    check<float, precision::tf32>(4, 66, 68, 40, ta, !ta);
    check<float, precision::bfloat16>(4, 33, 35, 64, ta, ta);
  }
  check_tiles<float, precision::tf32>();
  check_tiles<half>();
  check<half>(4, 3, 33, 530, false, false);
  // What rounding costs: no more than twice half a unit of 11 bits per product.
  std::mt19937 random(5);
  std::uniform_real_distribution<float> d(-1, 1);
  const std::int64_t m = 17, n = 19, k = 64;
  std::vector<float> a(17 * 64), b(19 * 64), y(17 * 19);
  for (float& v : a) v = d(random);
  for (float& v : b) v = d(random);
  test::device device;
  cuda::store_epilogue<float> e;
  e.output(0, y.data(), n);
  cuda::matmul<float, precision::tf32>(device, m, n, k, false, true, cuda::plain_operand<float>{a.data(), k}, cuda::plain_operand<float>{b.data(), k}, e);
  const auto c = product(m, n, k, false, true, a, b);
  double worst = 0;
  for (std::size_t i = 0; i < c.size(); ++i) worst = std::max(worst, std::abs(c[i] - static_cast<double>(y[i])));
  CHECK(worst > 1e-6);
  CHECK(worst < 64 * 0x1p-11);
}

/// The same words for every lane, by the unit and without it.
template <cuda::mma_type K>
struct two_ways {
  using shared = cuda::no_shared;
  static constexpr bool synchronizes = true;
  const std::uint32_t* words;
  float *unit, *plain;
  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    const std::uint32_t* w = words + t.lane() * 6;
    const std::uint32_t a[] = {w[0], w[1], w[2], w[3]}, b[] = {w[4], w[5]};
    float c[4] = {1, 2, 3, 4}, d[4] = {1, 2, 3, 4};
    t.template mma<K>(c, a, b);
    cuda::detail::mma_by_shuffles<K>(t, d, a, b);
    for (unsigned e = 0; e < 4; ++e) unit[t.lane() * 4 + e] = c[e], plain[t.lane() * 4 + e] = d[e];
  }
};

TEST_CASE("a matrix product of a warp, without a matrix unit") {
  const auto v = whole<bfloat16>(384, 9);
  std::vector<std::uint32_t> w(192);
  for (std::size_t i = 0; i < 192; ++i) w[i] = v[2 * i].bits | static_cast<std::uint32_t>(v[2 * i + 1].bits) << 16;
  std::vector<float> c(128), d(128);
  test::device device;
  device.launch(two_ways<cuda::mma_type::bfloat16>{w.data(), c.data(), d.data()}, {.threads = 32});
  CHECK(c == d);
  CHECK(c != std::vector<float>(128, c[0]));
}

TEST_CASE("operands that are expressions") {
  const std::int64_t m = 33, n = 18, k = 37;
  for (const bool ta : {false, true})
    for (const bool tb : {false, true})
      for (const std::int64_t pad : {0, 3}) {  // rows that 16 bytes divide, or not
        const std::int64_t a_row = (ta ? m : k) + pad, b_row = tb ? k : n;
        const auto a = whole<float>(2000, 1), b = whole<float>(2000, 2);
        const float one = 1;
        test::device device;
        cuda::operand_reader<factor<float>, float> left;
        left.input(0, a.data(), a_row), left.input(1, &one, 0, 0), left.columns = ta ? m : k;
        std::vector<float> y(static_cast<std::size_t>(m * n));
        cuda::store_epilogue<float> e;
        e.output(0, y.data(), n);
        cuda::matmul<float>(device, m, n, k, ta, tb, left, cuda::plain_operand<float>{b.data(), b_row}, e);
        std::vector<float> f(static_cast<std::size_t>(m * k));
        for (std::int64_t i = 0; i < (ta ? k : m); ++i)
          for (std::int64_t j = 0; j < (ta ? m : k); ++j) {
            const float v = a[static_cast<std::size_t>(i * a_row + j)];
            f[static_cast<std::size_t>(i * (ta ? m : k) + j)] = v * (v + 1);
          }
        const auto c = product(m, n, k, ta, tb, f, b);
        CHECK(std::equal(c.begin(), c.end(), y.begin(), [](double p, float q) { return p == static_cast<double>(q); }));
      }
}

/// The fields of kernel::detail::batch_product.
struct plan {
  std::int64_t m, n, k, count;
  bool trans_a, trans_b;
  int rank;
  std::int64_t extents[3], a_strides[3], b_strides[3];
};

TEST_CASE("batches of products, broadcast") {
  const auto a = whole<float>(3000, 1), b = whole<float>(3000, 2);
  for (const plan& p : {plan{5, 7, 9, 6, false, false, 2, {2, 3}, {0, 1}, {3, 1}}, plan{8, 12, 20, 6, true, true, 3, {3, 1, 2}, {2, 2, 1}, {1, 0, 0}}, plan{4, 4, 600, 1, false, true, 0, {}, {}, {}}}) {
    std::vector<float> y(static_cast<std::size_t>(p.count * p.m * p.n), -7);
    cuda::store_epilogue<float> e;
    e.output(0, y.data(), p.n);
    test::device device;
    cuda::batch_matmul<float>(device, p, a.data(), b.data(), e);
    for (std::int64_t i = 0; i < p.count; ++i) {
      std::int64_t rest = i, x = 0, z = 0;
      for (int d = p.rank - 1; d >= 0; --d) x += rest % p.extents[d] * p.a_strides[d], z += rest % p.extents[d] * p.b_strides[d], rest /= p.extents[d];
      const std::vector<float> left(a.begin() + x * p.m * p.k, a.begin() + (x + 1) * p.m * p.k), right(b.begin() + z * p.n * p.k, b.begin() + (z + 1) * p.n * p.k);
      const auto c = product(p.m, p.n, p.k, p.trans_a, p.trans_b, left, right);
      CHECK(std::equal(c.begin(), c.end(), y.begin() + i * p.m * p.n, [](double u, float v) { return u == static_cast<double>(v); }));
    }
  }
}

}  // namespace

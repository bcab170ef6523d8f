// SPDX-License-Identifier: Apache-2.0
// low_precision_matmul.hpp against sums in int64 (equal) and double (within a stated bound): sizes round the numbers of a
// unit, the vector and the tile, all transpositions, signs and zero points, thread counts.
#include <rill/kernel/low_precision_matmul.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace {

using rill::bfloat16;
using rill::half;
using rill::kernel::byte_matrix;
using rill::kernel::narrow_matrix;

constexpr unsigned seed = 20180607;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

std::vector<std::uint8_t> random_bytes(std::int64_t n, unsigned salt) {
  std::mt19937 generator(seed + salt);
  std::vector<std::uint8_t> v(at(n));
  // The extreme bytes of either sign are frequent: they are what saturates.
  for (auto& x : v) x = static_cast<std::uint8_t>(generator() % 4 == 0 ? (generator() % 2 == 0 ? 0x80U : 0x7FU + generator() % 2 * 0x80U) : generator());
  return v;
}

struct byte_case {
  std::int64_t m, n, k;
  bool trans_a, trans_b, signed_a, signed_b;
  std::int32_t zero_a = 0, zero_b = 0;
};

void check(const byte_case& c) {
  const std::int64_t gap = c.k % 2 == 0 ? 4 : 3;  // rows with numbers between them, once whole units and once not
  const std::int64_t lda = (c.trans_a ? c.m : c.k) + gap, ldb = (c.trans_b ? c.k : c.n) + gap, ldc = c.n + 3;
  const auto a = random_bytes((c.trans_a ? c.k : c.m) * lda, 1), b = random_bytes((c.trans_b ? c.n : c.k) * ldb, 2);
  std::vector<std::int32_t> got(at(c.m * ldc), 7);
  std::vector<std::int8_t> low(at(c.m * ldc), 7);
  const byte_matrix x{a.data(), lda, c.trans_a, c.signed_a, c.zero_a}, y{b.data(), ldb, c.trans_b, c.signed_b, c.zero_b};
  rill::kernel::matmul_integer(c.m, c.n, c.k, x, y, got.data(), ldc);
  rill::kernel::matmul_integer(c.m, c.n, c.k, x, y, low.data(), ldc);
  const auto number = [](std::uint8_t v, bool is_signed) { return is_signed ? std::int64_t{static_cast<std::int8_t>(v)} : std::int64_t{v}; };
  std::int64_t bad = 0;
  for (std::int64_t i = 0; i < c.m; ++i)
    for (std::int64_t j = 0; j < ldc; ++j) {
      std::int64_t sum = 0;
      for (std::int64_t l = 0; l < c.k && j < c.n; ++l)
        sum += (number(a[at(c.trans_a ? l * lda + i : i * lda + l)], c.signed_a) - c.zero_a) *
               (number(b[at(c.trans_b ? j * ldb + l : l * ldb + j)], c.signed_b) - c.zero_b);
      if (j >= c.n) sum = 7;
      bad += got[at(i * ldc + j)] != sum;
      bad += low[at(i * ldc + j)] != static_cast<std::int8_t>(sum & 0xFF);
    }
  CAPTURE(c.m);
  CAPTURE(c.n);
  CAPTURE(c.k);
  CAPTURE(c.trans_a);
  CAPTURE(c.trans_b);
  CAPTURE(c.signed_a);
  CAPTURE(c.signed_b);
  CHECK(bad == 0);
}

void check_bytes(std::int64_t m, std::int64_t n, std::int64_t k) {
  for (const unsigned flags : {0U, 1U, 2U, 3U})
    for (const unsigned signs : {0U, 1U, 2U, 3U})
      check({m, n, k, (flags & 1) != 0, (flags & 2) != 0, (signs & 1) != 0, (signs & 2) != 0, signs == 1 ? -3 : 0, flags == 2 ? 200 : 0});
}

/// Sums of k products of numbers with 8 or 11 bits. The products are exact in float; each of the k additions errs by at most
/// 2^-23 of the sum of their magnitudes (2^-24 for one rounding; the dot product rounds twice), the result by 2^-bits.
template <class T>
void check_narrow(std::int64_t m, std::int64_t n, std::int64_t k, int bits) {
  for (const unsigned flags : {0U, 1U, 2U, 3U}) {
    const bool ta = (flags & 1) != 0, tb = (flags & 2) != 0;
    const std::int64_t lda = (ta ? m : k) + k % 2, ldb = (tb ? k : n) + k % 2, ldc = n + 3;
    std::mt19937 generator(seed + flags);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<T> a(at((ta ? k : m) * lda)), b(at((tb ? n : k) * ldb)), rounded(at(m * ldc), T(7));
    std::vector<float> sums(at(m * ldc), 7.0F);
    for (T& x : a) x = uniform(generator);
    for (T& x : b) x = uniform(generator);
    const narrow_matrix<T> x{a.data(), lda, ta}, y{b.data(), ldb, tb};
    rill::kernel::matmul_narrow(m, n, k, x, y, rill::kernel::store_epilogue<float>{sums.data(), ldc});
    rill::kernel::matmul_narrow(m, n, k, x, y, rill::kernel::detail::narrow_epilogue<T>{rounded.data(), ldc});
    std::int64_t bad = 0;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < ldc; ++j) {
        double sum = j < n ? 0 : 7, size = 0;
        for (std::int64_t l = 0; l < k && j < n; ++l) {
          const double p = static_cast<double>(a[at(ta ? l * lda + i : i * lda + l)]) * static_cast<double>(b[at(tb ? j * ldb + l : l * ldb + j)]);
          sum += p, size += std::fabs(p);
        }
        const double bound = std::ldexp(static_cast<double>(k) * size, -23);
        const double got = static_cast<double>(sums[at(i * ldc + j)]);
        bad += !(std::fabs(got - sum) <= bound);
        bad += static_cast<double>(rounded[at(i * ldc + j)]) != static_cast<double>(T(got));
        bad += !(std::fabs(static_cast<double>(rounded[at(i * ldc + j)]) - sum) <= bound + std::ldexp(std::fabs(sum) + bound, -bits));
      }
    CAPTURE(m);
    CAPTURE(n);
    CAPTURE(k);
    CAPTURE(flags);
    CHECK(bad == 0);
  }
}

}  // namespace

TEST_CASE("matmul_integer: equal to sums in int64") {
  for (const std::int64_t m : {1, 2, 13, 15})
    for (const std::int64_t n : {1, 15, 17, 33})
      for (const std::int64_t k : {1, 3, 4, 5, 17, 64}) check_bytes(m, n, k);
  for (const std::int64_t k : {0, 1, 2}) check({3, 5, k, false, false, true, true, 1, 2});
  check({0, 5, 3, false, false, true, true});
  check({5, 0, 3, false, false, true, true});
  check_bytes(31, 67, 127);
  check({30, 100, 4111, false, false, true, true});
  check({30, 100, 4112, false, true, false, false, 255, 255});
  check({530, 70, 68, true, false, false, true, 128, -128});
}

TEST_CASE("matmul_integer: the largest sums neither saturate nor wrap") {
  const std::int64_t m = 3, n = 19, k = 33000;
  const std::vector<std::int8_t> a(at(m * k), -128), b(at(k * n), -128);
  const std::vector<std::uint8_t> u(at(m * k), 255);
  std::vector<std::int32_t> c(at(m * n));
  const byte_matrix y{b.data(), n};
  rill::kernel::matmul_integer(m, n, k, {a.data(), k}, y, c.data(), n);
  CHECK(std::count(c.begin(), c.end(), 33000 * 16384) == m * n);
  rill::kernel::matmul_integer(m, n, k, {.data = u.data(), .ld = k, .is_signed = false}, y, c.data(), n);
  CHECK(std::count(c.begin(), c.end(), 33000 * 255 * -128) == m * n);
}

TEST_CASE("matmul_narrow: bfloat16 and half within the bound of sums in float") {
  for (const std::int64_t m : {1, 4, 13, 15})
    for (const std::int64_t n : {1, 15, 16, 33})
      for (const std::int64_t k : {0, 1, 2, 3, 17, 40}) check_narrow<bfloat16>(m, n, k, 8);
  check_narrow<bfloat16>(100, 67, 2051, 8);
  check_narrow<bfloat16>(31, 130, 258, 8);
  for (const std::int64_t k : {0, 1, 17, 130}) check_narrow<half>(15, 33, k, 11);
}

TEST_CASE("products of narrow numbers are bit-identical for any number of threads") {
  const std::int64_t m = 300, n = 260, k = 1100;
  const auto a = random_bytes(m * k, 3), b = random_bytes(k * n, 4);
  std::vector<bfloat16> x(at(m * k)), y(at(k * n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(a[i]) * 0.01F - 1;
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<float>(b[i]) * 0.01F - 1;
  std::vector<std::int32_t> integers[2];
  std::vector<float> floats[2];
  for (const int threads : {1, 4}) {
    const rill::thread_limit limit(threads);
    auto& i = integers[threads / 4];
    auto& f = floats[threads / 4];
    i.resize(at(m * n)), f.resize(at(m * n));
    rill::kernel::matmul_integer(m, n, k, {a.data(), k}, {b.data(), n}, i.data(), n);
    rill::kernel::matmul_narrow<bfloat16>(m, n, k, {x.data(), k}, {y.data(), n}, rill::kernel::store_epilogue<float>{f.data(), n});
  }
  CHECK(integers[0] == integers[1]);
  CHECK(floats[0] == floats[1]);
}

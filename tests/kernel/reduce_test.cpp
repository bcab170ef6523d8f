// SPDX-License-Identifier: Apache-2.0
#include <rill/kernel/reduce.hpp>
#include <rill/ops/binary.hpp>
#include <rill/ops/comparison.hpp>
#include <rill/ops/reduction.hpp>
#include <rill/ops/unary.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

using namespace rill;
using namespace rill::expr;

namespace {

using s = in<float, walk::strided>;
using c = in<float, walk::contiguous>;
using plain = program<list<s>, list<>, list<out<float, ~0>>>;
using squares = program<list<s>, list<let<ops::square, ~0>>, list<out<float, 0>>>;
using positive = program<list<s, in<float, walk::constant>>, list<let<ops::greater, ~0, ~1>>, list<out<bool, 0>>>;

struct generator {
  std::uint32_t state;
  int operator()(int n) {
    state = state * 1664525U + 1013904223U;
    return static_cast<int>((state >> 8) % static_cast<std::uint32_t>(n));
  }
};

}  // namespace

TEST_CASE("reduce: random shapes and axes against double loops") {
  for (std::uint32_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    generator next{seed};
    const std::int64_t choices[] = {1, 2, 3, 7, 17, 33, 70, 5, 129};
    kernel::nest<2> n;
    n.rank = 1 + next(4);
    std::int64_t total = 1;
    for (int d = 0; d < n.rank; ++d) total *= n.extents[d] = choices[next(9)];
    if (total > 60000) continue;
    const auto mask = static_cast<unsigned>(next(1 << n.rank));
    std::int64_t in_step = 1;
    std::int64_t outputs = 1;
    for (int d = n.rank - 1; d >= 0; --d) {
      n.strides[0][d] = in_step;
      in_step *= n.extents[d];
      if ((mask >> d & 1U) == 0) n.strides[1][d] = outputs, outputs *= n.extents[d];
    }
    const auto size = static_cast<std::size_t>(outputs);
    std::vector<float> x(static_cast<std::size_t>(total));
    for (float& v : x) v = static_cast<float>(next(2001) - 1000) / 512.0F;
    std::vector<double> sum(size, 0);
    std::vector<double> largest(size, -1e30);
    std::vector<std::int64_t> where(size, -1);
    std::vector<std::int64_t> count(size, 0);
    for (std::int64_t i = 0; i < total; ++i) {
      std::int64_t rest = i;
      std::int64_t o = 0;
      for (int d = n.rank - 1; d >= 0; --d) {
        if ((mask >> d & 1U) == 0) o += rest % n.extents[d] * n.strides[1][d];
        rest /= n.extents[d];
      }
      const double v = static_cast<double>(x[static_cast<std::size_t>(i)]);
      const auto k = static_cast<std::size_t>(o);
      sum[k] += v * v;
      if (v > largest[k]) largest[k] = v, where[k] = count[k];
      ++count[k];
    }
    std::vector<float> y(size);
    std::vector<float> m(size);
    std::vector<std::int64_t> w(size);
    const void* in[] = {x.data()};
    kernel::reduce<squares, ops::sum>(n, mask, in, y.data());
    kernel::reduce<plain, ops::max>(n, mask, in, m.data());
    kernel::arg_reduce<plain, true>(n, mask, in, w.data());
    for (std::size_t k = 0; k < size; ++k) {
      REQUIRE(std::fabs(static_cast<double>(y[k]) - sum[k]) <= 2e-6 * (1 + sum[k]));
      REQUIRE(static_cast<double>(m[k]) == largest[k]);
      REQUIRE(w[k] == where[k]);
    }
  }
}

TEST_CASE("reduce: long sums stay accurate, whatever the number of threads") {
  using p = program<list<c>, list<>, list<out<float, ~0>>>;
  const std::int64_t n = 3000001;
  std::vector<float> x(static_cast<std::size_t>(n));
  double want = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = 1.0F / 3 + static_cast<float>(i % 7) * 0.01F;
    want += static_cast<double>(x[i]);
  }
  const void* in[] = {x.data()};
  float first = 0;
  float column_first[3] = {};
  for (const int threads : {1, 2, 4}) {
    const thread_limit limit(threads);
    float y = 0;
    kernel::reduce<p, ops::sum, true>({1, {n}, {{1}, {0}}}, 1, in, &y);
    CHECK(std::fabs(static_cast<double>(y) / want - 1) < 2e-7);
    float column[3];
    kernel::reduce<p, ops::sum>({2, {1000000, 3}, {{3, 1}, {0, 1}}}, 1, in, column);
    if (threads == 1) {
      first = y;
      std::memcpy(column_first, column, sizeof(column));
    }
    CHECK(y == first);
    CHECK(std::memcmp(column, column_first, sizeof(column)) == 0);
  }
}

TEST_CASE("reduce: every reducer on its edge cases") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> x(37, 1.0F);
  x[20] = nan;
  const void* in[] = {x.data()};
  float y = 0;
  std::int64_t i = 0;
  kernel::reduce<plain, ops::max>({1, {37}, {{1}, {0}}}, 1, in, &y);
  CHECK(std::isnan(y));
  kernel::reduce<plain, ops::min>({1, {37}, {{1}, {0}}}, 1, in, &y);
  CHECK(std::isnan(y));
  kernel::arg_reduce<plain, true>({1, {37}, {{1}, {0}}}, 1, in, &i);
  CHECK(i == 20);
  kernel::arg_reduce<plain, false>({1, {20}, {{1}, {0}}}, 1, in, &i);
  CHECK(i == 0);
  kernel::reduce<plain, ops::prod>({1, {20}, {{1}, {0}}}, 1, in, &y);
  CHECK(y == 1);
  kernel::reduce<plain, ops::mean>({1, {20}, {{1}, {0}}}, 1, in, &y);
  CHECK(y == 1);
  kernel::reduce<plain, ops::sum>({1, {0}, {{1}, {0}}}, 1, in, &y);
  CHECK(y == 0);
  kernel::reduce<plain, ops::max>({2, {0, 1}, {{1, 1}, {0, 1}}}, 1, in, &y);
  CHECK(y == -std::numeric_limits<float>::infinity());
  bool b = false;
  const float zero = 0;
  const float two = 2;
  const void* above_zero[] = {x.data(), &zero};
  const void* above_two[] = {x.data(), &two};
  kernel::reduce<positive, ops::all>({1, {20}, {{1}, {0}, {0}}}, 1, above_zero, &b);
  CHECK(b);
  kernel::reduce<positive, ops::all>({1, {37}, {{1}, {0}, {0}}}, 1, above_zero, &b);
  CHECK_FALSE(b);
  kernel::reduce<positive, ops::any>({1, {37}, {{1}, {0}, {0}}}, 1, above_two, &b);
  CHECK_FALSE(b);
}

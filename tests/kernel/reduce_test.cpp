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
using k = in<float, walk::constant>;
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

namespace {

/// Sums of rows of x * scale, of every length around the blocks, against a double loop.
template <class T>
void check_rows(std::int64_t outer, std::int64_t rows, std::int64_t length) {
  CAPTURE(outer);
  CAPTURE(rows);
  CAPTURE(length);
  using p = program<list<in<T, walk::contiguous>, in<T, walk::constant>>, list<let<ops::mul, ~0, ~1>>, list<out<T, 0>>>;
  // Rows lie 3 elements apart, blocks of rows 5; the results are strided, too.
  const std::int64_t pitch = length + 3;
  const std::int64_t block = rows * pitch + 5;
  std::vector<T> x(static_cast<std::size_t>(outer * block + 1));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(static_cast<int>(i * 7919 % 1009) - 504);
  std::vector<T> scale(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < scale.size(); ++i) scale[i] = static_cast<T>(i % 3 + 1);
  std::vector<T> y(static_cast<std::size_t>(2 * outer * rows), static_cast<T>(-1));
  const void* in[] = {x.data(), scale.data()};
  kernel::reduce<p, ops::sum>(
      {3, {outer, rows, length}, {{block, pitch, 1}, {0, 1, 0}, {2 * rows, 2, 0}}}, 0b100, in, y.data());
  std::int64_t wrong = 0;
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t r = 0; r < rows; ++r) {
      double want = 0;
      for (std::int64_t i = 0; i < length; ++i)
        want += static_cast<double>(x[static_cast<std::size_t>(o * block + r * pitch + i)]) *
                static_cast<double>(scale[static_cast<std::size_t>(r)]);
      const auto at = static_cast<std::size_t>(2 * (o * rows + r));
      wrong += static_cast<double>(y[at]) != want || y[at + 1] != static_cast<T>(-1);  // small integers: exact
    }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("reduce: many rows, side by side") {
  for (const std::int64_t length : {0, 1, 7, 15, 16, 17, 127, 128, 129, 511, 4097})
    for (const std::int64_t rows : {1, 3, 16, 17, 37}) {
      check_rows<float>(2, rows, length);
      if (length < 200) check_rows<double>(3, rows, length), check_rows<std::int32_t>(1, rows, length);
    }
  check_rows<float>(3, 1001, 130);  // several tasks, cut inside blocks of rows
}

TEST_CASE("reduce: rows of every lane number meet in the right place") {
  // max of a row is at a lane of its own; any is evaluated on bits
  using largest = program<list<c>, list<>, list<out<float, ~0>>>;
  using above = program<list<c, k>, list<let<ops::greater, ~0, ~1>>, list<out<bool, 0>>>;
  constexpr std::int64_t n = 70;
  std::vector<float> x(static_cast<std::size_t>(n * n), -5.0F);
  for (std::int64_t i = 0; i < n; ++i) x[static_cast<std::size_t>(i * n + i * 3 % n)] = static_cast<float>(i - 20);
  const float limit = 0;
  const void* in[] = {x.data(), &limit};
  float y[n];
  bool b[n];
  kernel::reduce<largest, ops::max>({2, {n, n}, {{n, 1}, {1, 0}}}, 0b10, in, y);
  kernel::reduce<above, ops::any>({2, {n, n}, {{n, 1}, {0, 0}, {1, 0}}}, 0b10, in, b);
  for (std::int64_t i = 0; i < n; ++i) {
    CHECK(y[i] == static_cast<float>(i < 15 ? -5 : i - 20));
    CHECK(b[i] == (i > 20));
  }
}

TEST_CASE("reduce: columns over several reduced dimensions") {
  // [4, rows, 6, columns] over axes 0 and 2: the odometer of a strip turns over
  for (const std::int64_t columns : {1, 16, 63, 64, 70, 200}) {
    CAPTURE(columns);
    const std::int64_t rows = 3;
    using p = program<list<c>, list<>, list<out<float, ~0>>>;
    std::vector<float> x(static_cast<std::size_t>(4 * rows * 6 * columns));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 31 % 1013) - 500;
    std::vector<float> y(static_cast<std::size_t>(rows * columns));
    const void* in[] = {x.data()};
    const std::int64_t a = columns, b = 6 * a, d = rows * b;
    kernel::reduce<p, ops::sum>({4, {4, rows, 6, columns}, {{d, b, a, 1}, {0, columns, 0, 1}}}, 0b0101, in, y.data());
    std::int64_t wrong = 0;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t j = 0; j < columns; ++j) {
        float want = 0;
        for (std::int64_t o = 0; o < 4; ++o)
          for (std::int64_t i = 0; i < 6; ++i) want += x[static_cast<std::size_t>(o * d + r * b + i * a + j)];
        wrong += y[static_cast<std::size_t>(r * columns + j)] != want;
      }
    CHECK(wrong == 0);
  }
}

namespace {

/// Its operand times (index mod 7): shows which linear position a kernel hands to each element.
struct times_index : elementwise<1> {
  static constexpr bool indexed = true;
  template <class V, class A>
  static V eval_at(std::int64_t index, A x) {
    if constexpr (std::is_arithmetic_v<V>) return static_cast<V>(index % 7) * x;
    else return V::each_lane([&](int i) { return static_cast<typename V::value_type>((index + i) % 7); }) * x;
  }
};

}  // namespace

TEST_CASE("reduce: indexed ops see the linear position, whichever axes go") {
  using p = program<list<c>, list<let<times_index, ~0>>, list<out<float, 0>>>;
  const std::int64_t e[] = {3, 5, 2, 33};
  std::vector<float> x(3 * 5 * 2 * 33, 1.0F);
  const void* in[] = {x.data()};
  for (unsigned mask = 1; mask < 16; ++mask) {
    CAPTURE(mask);
    kernel::nest<2> n{4, {e[0], e[1], e[2], e[3]}, {{330, 66, 33, 1}, {}}};
    std::int64_t outputs = 1;
    for (int d = 3; d >= 0; --d)
      if ((mask >> d & 1U) == 0) n.strides[1][d] = outputs, outputs *= e[d];
    std::vector<float> want(static_cast<std::size_t>(outputs), 0.0F);
    for (std::int64_t i = 0; i < 990; ++i) {
      std::int64_t o = 0;
      for (std::int64_t d = 3, rest = i; d >= 0; rest /= e[d], --d)
        if ((mask >> d & 1U) == 0) o += rest % e[d] * n.strides[1][d];
      want[static_cast<std::size_t>(o)] += static_cast<float>(i % 7);
    }
    std::vector<float> y(static_cast<std::size_t>(outputs));
    kernel::reduce<p, ops::sum>(n, mask, in, y.data());
    CHECK(y == want);
  }
}

TEST_CASE("arg_reduce: long rows and tall columns are cut into pieces; ties and NaN give the first place") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto& shape : {std::pair<std::int64_t, std::int64_t>{1, 300001}, {3, 140000}, {200003, 3}, {70001, 20}, {3001, 133}, {40, 9}}) {
    const std::int64_t rows = shape.first, columns = shape.second;
    CAPTURE(rows);
    generator next{static_cast<std::uint32_t>(rows)};
    std::vector<float> x(static_cast<std::size_t>(rows * columns));
    for (float& v : x) v = static_cast<float>(next(50));
    for (const bool with_nan : {false, true}) {
      if (with_nan) x[x.size() / 2] = x[x.size() / 2 + 1] = x[x.size() - 1] = nan;
      for (const unsigned mask : {1U, 2U, 3U}) {
        const std::int64_t outputs = mask == 1 ? columns : mask == 2 ? rows : 1;
        std::vector<std::int64_t> want(static_cast<std::size_t>(outputs), -1), count(want.size()), got(want.size());
        std::vector<float> best(want.size());
        for (std::int64_t i = 0; i < rows * columns; ++i) {
          const auto o = static_cast<std::size_t>(mask == 1 ? i % columns : mask == 2 ? i / columns : 0);
          const float v = x[static_cast<std::size_t>(i)];
          if (want[o] < 0 || (best[o] == best[o] && (v != v || v < best[o]))) want[o] = count[o], best[o] = v;
          ++count[o];
        }
        const void* in[] = {x.data()};
        for (const int threads : {1, 2}) {
          const thread_limit limit(threads);
          kernel::arg_reduce<plain, false>({2, {rows, columns}, {{columns, 1}, {mask == 2 ? 1 : 0, mask == 1 ? 1 : 0}}}, mask, in, got.data());
          REQUIRE(got == want);
        }
      }
    }
  }
}

TEST_CASE("reduce: rows between kept dimensions, summed several at a time") {
  for (const std::int64_t inner : {1, 5, 16, 31, 100, 5000}) {
    CAPTURE(inner);
    const std::int64_t rows = 37, kept = 3;
    std::vector<float> x(static_cast<std::size_t>(rows * kept * inner));
    std::vector<double> want(3);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(i % 97) / 64;
      want[i / static_cast<std::size_t>(inner) % 3] += static_cast<double>(x[i]);
    }
    float y[3];
    const void* in[] = {x.data()};
    kernel::reduce<plain, ops::sum>({3, {rows, kept, inner}, {{kept * inner, inner, 1}, {0, 1, 0}}}, 5U, in, y);
    for (std::size_t k = 0; k < 3; ++k) CHECK(static_cast<double>(y[k]) == doctest::Approx(want[k]).epsilon(1e-6));
  }
}

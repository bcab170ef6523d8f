// SPDX-License-Identifier: Apache-2.0
#include <rill/kernel/map.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include <rill/expr/scalar_eval.hpp>
#include <rill/ops/binary.hpp>
#include <rill/ops/cast.hpp>
#include <rill/ops/comparison.hpp>
#include <rill/ops/select.hpp>
#include <rill/ops/unary.hpp>

using namespace rill;
using namespace rill::expr;

namespace {

/// index + its operand: shows which linear index a kernel hands to each element.
struct add_index : elementwise<1> {
  static constexpr bool indexed = true;
  template <class V, class A>
  static V eval_at(std::int64_t index, A x) {
    if constexpr (std::is_arithmetic_v<V>) return static_cast<V>(index) + x;
    else return iota<typename V::value_type, V::size>(static_cast<typename V::value_type>(index)) + x;
  }
};

template <walk W>
using f = in<float, W>;

/// Two outputs of two types from three inputs.
template <walk A, walk B, walk C>
using program_under_test =
    program<list<f<A>, f<B>, in<std::int32_t, C>>,
            list<let<ops::mul, ~0, ~1>, let<ops::cast<float>, ~2>, let<ops::add, 0, 1>, let<ops::greater, 2, ~0>,
                 let<ops::select, 3, 2, ~1>>,
            list<out<float, 4>, out<bool, 3>>>;

/// The nest on the kernel against the same program on plain numbers at every point.

template <class P>
void check_nest(const kernel::nest<5>& n) {
  std::vector<float> a(40000);
  std::vector<float> b(40000);
  std::vector<std::int32_t> c(40000);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(i % 17) - 8;
    b[i] = static_cast<float>(i % 5) * 0.5F;
    c[i] = static_cast<std::int32_t>(i % 11) - 5;
  }
  std::vector<float> y(40000, -99.0F);
  std::vector<float> y_want = y;
  std::vector<unsigned char> m(40000, 7);
  std::vector<unsigned char> m_want = m;
  const void* in[] = {a.data(), b.data(), c.data()};
  void* out[] = {y.data(), m.data()};
  void* want[] = {y_want.data(), m_want.data()};
  kernel::map<P>(n, in, out);
  const std::int64_t total = n.size();
  for (std::int64_t p = 0; p < total; ++p) {
    std::int64_t offset[5] = {};
    std::int64_t rest = p;
    for (int d = n.rank - 1; d >= 0; --d) {
      for (int k = 0; k < 5; ++k) offset[k] += rest % n.extents[d] * n.strides[k][d];
      rest /= n.extents[d];
    }
    scalar_eval<P>(p, in, offset, want, offset + 3);
  }
  CHECK(y == y_want);
  CHECK(m == m_want);
}

constexpr auto c = walk::contiguous;
constexpr auto k = walk::constant;
constexpr auto s = walk::strided;

}  // namespace

TEST_CASE("map: contiguous, of every length around the lanes") {
  for (const std::int64_t n : {0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000, 39999}) {
    CAPTURE(n);
    check_nest<program_under_test<c, c, c>>({1, {n}, {{1}, {1}, {1}, {1}, {1}}});
    check_nest<program_under_test<c, k, c>>({1, {n}, {{1}, {0}, {1}, {1}, {1}}});
  }
}

TEST_CASE("map: broadcasts, transposes, gaps and strided results") {
  for (const std::int64_t m : {1, 3, 13})
    for (const std::int64_t n : {1, 5, 16, 19}) {
      CAPTURE(m);
      CAPTURE(n);
      // matrix * row + column
      check_nest<program_under_test<c, c, k>>({2, {m, n}, {{n, 1}, {0, 1}, {1, 0}, {n, 1}, {n, 1}}});
      // the same without promises about the walks
      check_nest<program_under_test<s, s, s>>({2, {m, n}, {{n, 1}, {0, 1}, {1, 0}, {n, 1}, {n, 1}}});
      // transposed operand, reversed operand by a shifted base is a view's business; rows with gaps; strided result
      check_nest<program_under_test<s, s, s>>({2, {m, n}, {{1, m}, {n + 3, 1}, {0, 0}, {2 * n, 2}, {n, 1}}});
      check_nest<program_under_test<s, s, s>>(
          {4, {m, 1, 4, n}, {{4 * n, 77, n, 1}, {0, 0, n, 1}, {1, 0, 0, 0}, {4 * n, 1, n, 1}, {4 * n, 5, n, 1}}});
    }
  check_nest<program_under_test<c, k, c>>({0, {}, {}});
}

TEST_CASE("map: indexed ops see the linear position, whatever the split") {
  using p = program<list<in<std::int64_t, k>>, list<let<add_index, ~0>>, list<out<std::int64_t, 0>>>;
  for (const int threads : {1, 4}) {
    const thread_limit limit(threads);
    const std::int64_t rows = 300;
    const std::int64_t columns = 1001;
    std::vector<std::int64_t> y(static_cast<std::size_t>(rows * (columns + 2)), -1);
    const std::int64_t hundred = 100;
    const void* in[] = {&hundred};
    void* out[] = {y.data()};
    kernel::map<p>({2, {rows, columns}, {{0, 0}, {columns + 2, 1}}}, in, out);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns + 2; ++j)
        wrong += y[static_cast<std::size_t>(i * (columns + 2) + j)] != (j < columns ? 100 + i * columns + j : -1);
    CHECK(wrong == 0);
  }
}

TEST_CASE("map: in place, and the same bits for any number of threads") {
  using p = program<list<f<c>, f<c>>, list<let<ops::exp, ~0>, let<ops::tanh, ~1>, let<ops::mul, 0, 1>>, list<out<float, 2>>>;
  const std::int64_t n = 200001;
  std::vector<float> first;
  for (const int threads : {1, 2, 4}) {
    const thread_limit limit(threads);
    std::vector<float> x(static_cast<std::size_t>(n));
    std::vector<float> w(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 101) * 0.01F, w[i] = static_cast<float>(i % 37) - 18;
    const void* in[] = {x.data(), w.data()};
    void* out[] = {x.data()};
    kernel::map<p>({1, {n}, {{1}, {1}, {1}}}, in, out);
    if (first.empty()) first = x;
    CHECK(std::memcmp(first.data(), x.data(), x.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("nest: collapsing keeps the order and the promises") {
  using p = program<list<f<c>, f<k>>, list<let<ops::mul, ~0, ~1>>, list<out<float, 0>>>;
  kernel::nest<3> n{3, {2, 3, 4}, {{12, 4, 1}, {0, 0, 0}, {12, 4, 1}}};
  kernel::collapse<p>(n);
  CHECK(n.rank == 1);
  CHECK(n.extents[0] == 24);
  kernel::nest<3> column{2, {5, 1}, {{1, 1}, {1, 0}, {1, 1}}};  // input 1 moves along the rows: axis 1 must stay
  kernel::collapse<p>(column);
  CHECK(column.rank == 2);
  kernel::nest<3> row{2, {1, 5}, {{5, 1}, {1, 0}, {5, 1}}};
  kernel::collapse<p>(row);
  CHECK(row.rank == 1);
}

TEST_CASE("map: results beyond every cache are written past them, to the last element") {
  CHECK(kernel::detail::parse_cache_size("32768K\n", 7) == 32 << 20);
  CHECK(kernel::detail::parse_cache_size("96M", 3) == 96 << 20);
  CHECK(kernel::detail::parse_cache_size("512", 2) == 51);
  CHECK(kernel::detail::parse_cache_size("", 0) == 0);
  CHECK(kernel::detail::parse_cache_size("", -1) == 0);
  const std::int64_t cache = kernel::detail::last_level_cache();
  CHECK(cache >= 1 << 20);

  using p = program<list<in<std::uint8_t, c>, in<std::uint8_t, k>>,
                    list<let<ops::cast<float>, ~0>, let<ops::cast<float>, ~1>, let<ops::add, 0, 1>>,
                    list<out<float, 2>, out<float, 0>>>;
  const std::int64_t large = cache / 6 + 77;  // 9 bytes per element and 1.5 caches
  std::vector<std::uint8_t> x(static_cast<std::size_t>(large));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint8_t>(i * 7 % 251);
  std::vector<float> memory(static_cast<std::size_t>(2 * large + 64));
  const std::uint8_t five = 5;
  const void* in[] = {x.data(), &five};
  for (const std::int64_t shift : {0, 1}) {  // aligned, and not
    CAPTURE(shift);
    memory.assign(memory.size(), -1.0F);
    float* y = memory.data();
    while (reinterpret_cast<std::uintptr_t>(y) % 64 != 0) ++y;
    y += shift;
    float* z = y + (large / 16 + 1) * 16;
    void* out[] = {y, z};
    CHECK(kernel::detail::worth_streaming<p>(large, in, out) == (shift == 0));
    CHECK_FALSE(kernel::detail::worth_streaming<p>(large / 2, in, out));
    void* in_place[] = {y, x.data()};
    CHECK_FALSE(kernel::detail::worth_streaming<p>(large, in, in_place));
    kernel::map<p>({1, {large}, {{1}, {0}, {1}, {1}}}, in, out);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < large; ++i) {
      const float want = static_cast<float>(x[static_cast<std::size_t>(i)]);
      wrong += y[i] != want + 5 || z[i] != want;
    }
    CHECK(wrong == 0);
    for (float* q = y + large; q < z; ++q) CHECK(*q == -1);
    CHECK(z[large] == -1);
  }
}

TEST_CASE("map_flat: as map, on one thread and in tasks") {
  using p = program<list<f<c>, f<k>>, list<let<ops::mul, ~0, ~1>, let<ops::add, 0, ~0>>, list<out<float, 1>>>;
  for (const std::int64_t n : {0, 1, 31, 32, 33, 48, 1000, 500001}) {
    CAPTURE(n);
    std::vector<float> x(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 1021);
    std::vector<float> y(static_cast<std::size_t>(n + 1), -1.0F);
    const float three = 3;
    const void* in[] = {x.data(), &three};
    void* out[] = {y.data()};
    kernel::map_flat<p>(n, in, out);
    std::int64_t wrong = 0;
    for (std::size_t i = 0; i < x.size(); ++i) wrong += y[i] != x[i] * 4;
    CHECK(wrong == 0);
    CHECK(y.back() == -1);
  }
}

TEST_CASE("map: an element has the same bits wherever in a row it lies") {
  using p = program<list<f<c>, f<c>, f<c>>, list<let<ops::mul, ~0, ~1>, let<ops::add, 0, ~2>>, list<out<float, 1>>>;
  std::vector<float> x(100);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.0F / static_cast<float>(i + 3);  // products are not exact
  std::vector<float> whole(64);
  const void* in[] = {x.data(), x.data() + 7, x.data() + 20};
  void* out[] = {whole.data()};
  kernel::map<p>({1, {64}, {{1}, {1}, {1}, {1}}}, in, out);
  for (std::int64_t n = 1; n < 64; ++n) {
    CAPTURE(n);
    std::vector<float> y(static_cast<std::size_t>(n));
    void* part[] = {y.data()};
    kernel::map<p>({1, {n}, {{1}, {1}, {1}, {1}}}, in, part);
    CHECK(std::memcmp(y.data(), whole.data(), y.size() * sizeof(float)) == 0);
  }
}

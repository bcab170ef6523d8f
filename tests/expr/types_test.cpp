// SPDX-License-Identifier: Apache-2.0
// Tensors of the smaller element types: what an op and a reduction do with half, bfloat16 and narrow integers.
#include <rill/expr/create.hpp>
#include <rill/expr/eager.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace rill;

namespace {

template <class T>
void check_narrow() {
  constexpr std::int64_t n = 53;
  tensor<T, dyn> x({n});
  for (std::int64_t i = 0; i < n; ++i) x(i) = T(static_cast<double>(i - 20) / 16);

  // A fused chain gives what its ops give one after the other; each is computed in float and rounded once.
  const tensor<T, dyn> fused = sigmoid(x) * x + 0.1;
  const tensor<T, dyn> first = sigmoid(x);
  const tensor<T, dyn> second = first * x;
  const tensor<T, dyn> third = second + 0.1;
  CHECK(fused == third);
  int wrong = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto v = static_cast<double>(x(i));
    const T want = T(1 / (1 + std::exp(-v)));  // the float on the way may be off by a little near the middle of two T
    wrong += !(first(i) == want) && !(static_cast<double>(first(i) - want) / static_cast<double>(want) <
                                      static_cast<double>(std::numeric_limits<T>::epsilon()));
    wrong += second(i).bits != T(static_cast<float>(first(i)) * static_cast<float>(x(i))).bits;
    wrong += third(i).bits != T(static_cast<float>(second(i)) + static_cast<float>(T(0.1))).bits;
  }
  CHECK(wrong == 0);
  // Sums are kept in float: steps of 1 would be lost from 2048 (256) on.
  tensor<T, dyn> ones({6000});
  ones.fill(T(1));
  CHECK(*reduce_sum(ones).data() == T(6000));
  const tensor<T, dyn> numbers = range(T(0), T(2), T(0.25));
  CHECK(numbers.size() == 8);
  CHECK(numbers(7) == T(1.75));
  CHECK(linspace(T(0), T(1), 5)(1) == T(0.25));
}

template <class T>
void check_integer() {
  constexpr std::int64_t n = 37;
  tensor<T, dyn> x({n});
  for (std::int64_t i = 0; i < n; ++i) x(i) = static_cast<T>(i * 1237);
  const tensor<T, dyn> y = x * x + 3;
  const tensor<T, dyn> q = x / 7 - x % 5;
  std::uint64_t sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto u = static_cast<std::uint64_t>(x(i));
    CHECK(y(i) == static_cast<T>(u * u + 3));
    T r = static_cast<T>(x(i) % T(5));
    if (r < T(0)) r = static_cast<T>(r + T(5));
    CHECK(q(i) == static_cast<T>(x(i) / T(7) - r));
    sum += u;
  }
  CHECK(*reduce_sum(x).data() == static_cast<T>(sum));
}

}  // namespace

TEST_CASE("types: reductions of half along axes are rounded at the end") {
  using T = half;
  tensor<T, dyn, dyn> m({300, 21});
  for (std::int64_t i = 0; i < 300; ++i)
    for (std::int64_t j = 0; j < 21; ++j) m(i, j) = T(static_cast<double>(j + 1) / 4);
  const tensor<T, dyn> down = reduce_sum(m, axis<0>);
  const tensor<T, dyn> across = reduce_mean(m, axis<1>);
  const tensor<T, dyn> top = reduce_max(m, axis<1>);
  for (std::int64_t j = 0; j < 21; ++j) CHECK(down(j).bits == T(300 * static_cast<double>(j + 1) / 4).bits);
  for (std::int64_t i = 0; i < 300; ++i) CHECK(across(i).bits == T(2.75).bits);
  for (std::int64_t i = 0; i < 300; ++i) CHECK(top(i) == T(5.25));
}

TEST_CASE("types: strided views, comparisons and choice of half") {
  using T = half;
  constexpr std::int64_t n = 53;
  tensor<T, dyn> x({n});
  for (std::int64_t i = 0; i < n; ++i) x(i) = T(static_cast<double>(i - 20) / 16);
  const tensor<T, dyn> every_third = x(slice{0, n, 3}) * 2;
  for (std::int64_t i = 0; i < every_third.size(); ++i) CHECK(every_third(i) == x(3 * i) + x(3 * i));
  const tensor<T, dyn> positive = select(x > 0, x, T(0));
  for (std::int64_t i = 0; i < n; ++i) CHECK(positive(i) == (x(i) > T(0) ? x(i) : T(0)));
}

TEST_CASE("types: half") { check_narrow<half>(); }
TEST_CASE("types: bfloat16") { check_narrow<bfloat16>(); }
TEST_CASE("types: narrow and unsigned integers") {
  check_integer<std::int8_t>();
  check_integer<std::uint64_t>();
}

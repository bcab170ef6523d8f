// SPDX-License-Identifier: Apache-2.0
#include <rill/ops/cast.hpp>

#include <cstdint>

#include "value.hpp"

using namespace rill;

namespace {

template <class From, class To>
void check() {
  using namespace expr;
  using p = program<list<in<From, walk::contiguous>>, list<let<ops::cast<To>, ~0>>, list<out<To, 0>>>;
  const double values[] = {0, 1, 2, 3.75, 100, 0.5, 7, 63, 64, 127, 1, 0, 0, 5, 6, 7, 8, 9, 31.25, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  constexpr std::size_t n = sizeof(values) / sizeof(double);
  From x[n];
  To y[n];
  for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<From>(values[i]);
  if constexpr (std::is_signed_v<From>) x[1] = static_cast<From>(-x[4]);
  if constexpr (std::is_signed_v<From> && std::is_unsigned_v<To> && !std::is_same_v<To, bool>) x[1] = From(1);
  const void* in[] = {x};
  void* out[] = {y};
  kernel::map<p>({1, {static_cast<std::int64_t>(n)}, {{1}, {1}}}, in, out);
  for (std::size_t i = 0; i < n; ++i) CHECK(y[i] == static_cast<To>(x[i]));
}
template <class From>
void check_from() {
  check<From, float>();
  check<From, double>();
  check<From, std::int32_t>();
  check<From, std::int64_t>();
  check<From, std::uint8_t>();
  check<From, bool>();
}

}  // namespace

TEST_CASE("cast: every pair of element types") {
  check_from<float>();
  check_from<double>();
  check_from<std::int32_t>();
  check_from<std::int64_t>();
  check_from<std::uint8_t>();
  check_from<bool>();
}

TEST_CASE("cast: the gradient of a floating cast is cast back, others have none") {
  using test::value;
  CHECK(ops::cast<double>::vjp(value<double>{2}, value<double>{1}, value<double>{1}).head.v == 2);
  using none = decltype(ops::cast<std::int32_t>::vjp(value<double>{2}, value<double>{1}, value<double>{1}).head);
  static_assert(std::is_same_v<none, no_gradient>);
}

// SPDX-License-Identifier: Apache-2.0
#include <rill/ops/select.hpp>

#include <cstdint>

#include "value.hpp"

using namespace rill;

namespace {

template <class T>
void check_type() {
  using namespace expr;
  using c = in<T, walk::contiguous>;
  using p = program<list<in<bool, walk::contiguous>, c, c>, list<let<ops::select, ~0, ~1, ~2>>, list<out<T, 0>>>;
  constexpr int n = 41;
  bool condition[n];
  T a[n];
  T b[n];
  T r[n];
  for (int i = 0; i < n; ++i) condition[i] = i % 5 < 2, a[i] = static_cast<T>(i), b[i] = static_cast<T>(100 + i);
  const void* in[] = {condition, a, b};
  void* out[] = {r};
  kernel::map<p>({1, {n}, {{1}, {1}, {1}, {1}}}, in, out);
  for (int i = 0; i < n; ++i) CHECK(r[i] == (condition[i] ? a[i] : b[i]));
}

}  // namespace

TEST_CASE("select: every element type") {
  check_type<float>();
  check_type<double>();
  check_type<std::int32_t>();
  check_type<std::int64_t>();
  check_type<std::uint8_t>();
  check_type<bool>();
}

TEST_CASE("select: the gradient follows the choice") {
  using test::value;
  const auto yes = ops::select::vjp(value<double>{3}, value<double>{0}, value<bool>{true}, value<double>{1}, value<double>{2});
  CHECK(yes.tail.head.v == 3);
  CHECK(yes.tail.tail.head.v == 0);
  const auto no = ops::select::vjp(value<double>{3}, value<double>{0}, value<bool>{false}, value<double>{1}, value<double>{2});
  CHECK(no.tail.head.v == 0);
  CHECK(no.tail.tail.head.v == 3);
}

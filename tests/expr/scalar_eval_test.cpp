// SPDX-License-Identifier: Apache-2.0
#include <rill/expr/scalar_eval.hpp>
#include <rill/ops/binary.hpp>
#include <rill/ops/cast.hpp>
#include <rill/ops/comparison.hpp>
#include <rill/ops/select.hpp>
#include <rill/ops/unary.hpp>

#include <doctest/doctest.h>

using namespace rill;
using namespace rill::expr;

TEST_CASE("program: types of values, costs") {
  using p = program<list<in<float, walk::contiguous>, in<std::int64_t, walk::constant>>,
                    list<let<ops::cast<float>, ~1>, let<ops::greater, ~0, 0>, let<ops::select, 1, ~0, 0>>,
                    list<out<float, 2>, out<bool, 1>>>;
  static_assert(std::is_same_v<value_type_t<p, ~1>, std::int64_t>);
  static_assert(std::is_same_v<value_type_t<p, 0>, float>);
  static_assert(std::is_same_v<value_type_t<p, 1>, bool>);
  static_assert(std::is_same_v<value_type_t<p, 2>, float>);
  static_assert(cost_v<p> == 3);

  const float x[] = {1.5F, -4.0F};
  const std::int64_t s[] = {-2};
  float y[2] = {};
  bool m[2] = {};
  const void* ins[] = {x, s};
  void* outs[] = {y, m};
  for (std::int64_t i = 0; i < 2; ++i) {
    const std::int64_t from[] = {i, 0};
    const std::int64_t to[] = {i, i};
    scalar_eval<p>(i, ins, from, outs, to);
    CHECK(scalar_value<p>(i, ins, from) == y[i]);
  }
  CHECK(y[0] == 1.5F);
  CHECK(y[1] == -2.0F);
  CHECK(m[0]);
  CHECK_FALSE(m[1]);
}

// SPDX-License-Identifier: Apache-2.0
#include <rill/core/shape.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

using rill::dyn;
using rill::tensor_shape;

namespace {
std::vector<std::int64_t> dims_of(const tensor_shape& s) { return {s.begin(), s.end()}; }
template <tensor_shape S>
struct holds {
  static constexpr std::int64_t elements = S.num_elements();
};
}  // namespace

TEST_CASE("shape: a scalar has rank 0 and one element") {
  const tensor_shape s;
  CHECK(s.rank() == 0);
  CHECK(s.num_elements() == 1);
  CHECK(s.valid());
  CHECK(s.is_static());
  CHECK(s.begin() == s.end());
  CHECK(to_string(s) == "[]");
}

TEST_CASE("shape: dimensions are kept in order, from a list and from a pointer") {
  const tensor_shape s{2, 3, 5};
  CHECK(dims_of(s) == std::vector<std::int64_t>{2, 3, 5});
  const std::int64_t raw[] = {2, 3, 5, 7};
  CHECK(tensor_shape(raw, 3) == s);
  CHECK(tensor_shape(raw, 0) == tensor_shape{});
  CHECK(to_string(s) == "[2, 3, 5]");
  CHECK(s.num_elements() == 30);
}

TEST_CASE("shape: a zero dimension makes it empty") {
  CHECK(tensor_shape{4, 0, 7}.num_elements() == 0);
  CHECK(tensor_shape{dyn, 0}.num_elements() == 0);
  CHECK(tensor_shape{0}.valid());
}

TEST_CASE("shape: the element count does not wrap at 32 bits") {
  CHECK(tensor_shape{65536, 65536, 3}.num_elements() == std::int64_t{12884901888});
}

TEST_CASE("shape: dynamic dimensions count multiples of the batch") {
  const tensor_shape s{dyn, 7, 7, 64};
  CHECK(s.dynamic_dims() == 1);
  CHECK_FALSE(s.is_static());
  CHECK(s.valid());
  CHECK(s.num_elements() == -3136);
  CHECK(to_string(s) == "[?, 7, 7, 64]");
  CHECK(to_string(tensor_shape{-3136}) == "[3136*?]");
}

TEST_CASE("shape: with_batch fills in the batch for every size") {
  const tensor_shape image{dyn, 28, 28}, flat{-784}, fixed{3, 4};
  for (std::int64_t batch : {0, 1, 2, 31, 100}) {
    CAPTURE(batch);
    CHECK(image.with_batch(batch) == tensor_shape{batch, 28, 28});
    CHECK(flat.with_batch(batch) == tensor_shape{784 * batch});
    CHECK(fixed.with_batch(batch) == fixed);
    // Counting first and filling in later is the same as the other way round.
    CHECK(image.with_batch(batch).num_elements() == -image.num_elements() * batch);
  }
}

TEST_CASE("shape: two dynamic dimensions are not valid") {
  CHECK_FALSE(tensor_shape{dyn, dyn}.valid());
  CHECK_FALSE(tensor_shape{-2, 3, dyn}.valid());
}

TEST_CASE("shape: more than max_rank dimensions are not valid, and nothing is overwritten") {
  tensor_shape s;
  for (int i = 0; i < rill::max_rank; ++i) s.push_back(i + 1);
  CHECK(s.valid());
  CHECK(s.rank() == rill::max_rank);
  s.push_back(99);
  CHECK_FALSE(s.valid());
  CHECK(s.rank() == rill::max_rank);
  CHECK(s[rill::max_rank - 1] == rill::max_rank);
}

TEST_CASE("shape: equality looks at rank and dimensions only") {
  CHECK(tensor_shape{2, 3} == tensor_shape{2, 3});
  CHECK(tensor_shape{2, 3} != tensor_shape{3, 2});
  CHECK(tensor_shape{2, 3} != tensor_shape{2, 3, 1});
  CHECK(tensor_shape{1} != tensor_shape{});
  CHECK(tensor_shape{dyn, 3} != tensor_shape{1, 3});
}

TEST_CASE("shape: dimensions can be changed in place") {
  tensor_shape s{2, 3};
  s[0] = dyn;
  CHECK(s == tensor_shape{dyn, 3});
}

TEST_CASE("shape: a constant, and a template argument") {
  static_assert(tensor_shape{2, 3}.num_elements() == 6);
  static_assert(tensor_shape{dyn, 3}.with_batch(5) == tensor_shape{5, 3});
  static_assert(holds<tensor_shape{4, 6}>::elements == 24);
  CHECK(holds<tensor_shape{dyn, 6}>::elements == -6);
}

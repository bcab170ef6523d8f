// SPDX-License-Identifier: Apache-2.0
// Heap allocations of a warm pipeline: none. The counting operators new and delete serve this whole executable.
#include "collect.hpp"
#include "counting_new.hpp"
#include "rill/data/batch.hpp"
#include "rill/data/map.hpp"
#include "rill/data/mnist.hpp"
#include "rill/data/prefetch.hpp"
#include "rill/data/repeat.hpp"
#include "rill/data/shuffle.hpp"

using namespace rill;

namespace {
data::digit_dataset some_digits(std::int64_t n) {
  return data::digits({tensor<std::uint8_t, dyn, 784>({n, 784}), tensor<std::uint8_t, dyn>({n})});
}
template <class D>
std::int64_t allocations_of(const D& d, int warm, int steps) {
  auto it = d.iterator();
  typename D::element batch{};
  for (int i = 0; i < warm; ++i) REQUIRE(it.next(batch));
  const std::int64_t before = allocations;
  for (int i = 0; i < steps; ++i)
    if (!it.next(batch)) return -1;
  return allocations - before;
}
}  // namespace

TEST_CASE("allocation: none per batch, over the ends of epochs") {
  CHECK(allocations > 0);
  const auto train = some_digits(103);
  CHECK(allocations_of(train | data::shuffle(50) | data::repeat() | data::batch(10), 12, 100) == 0);
  CHECK(allocations_of(train | data::batch(10) | data::repeat(), 12, 100) == 0);
  CHECK(allocations_of(train | data::shuffle(200) | data::batch(10) | data::repeat(), 12, 100) == 0);
  CHECK(allocations_of(train | data::shuffle(50) | data::repeat() | data::batch(10) | data::prefetch(2), 20, 100) == 0);
  CHECK(allocations_of(train | data::map([](const auto&, int y) { return y; }) | data::repeat() | data::batch(7), 3, 100) == 0);
}

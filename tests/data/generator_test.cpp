// SPDX-License-Identifier: Apache-2.0
#include "rill/data/generator.hpp"

#include "collect.hpp"
#include "rill/data/batch.hpp"
#include "rill/data/repeat.hpp"

using namespace rill;

TEST_CASE("generator: a stream that begins again with every pass") {
  const auto d = data::from_generator([i = 0]() mutable -> std::optional<int> {
    if (i == 3) return std::nullopt;
    const int r = i * i;
    ++i;
    return r;
  });
  CHECK(test::collect(d) == std::vector<int>{0, 1, 4});
  CHECK(test::collect(d | data::repeat(2)) == std::vector<int>{0, 1, 4, 0, 1, 4});
  test::check_resume(d);
  test::check_resume(d | data::repeat(3) | data::batch(2));
}

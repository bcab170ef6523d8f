// SPDX-License-Identifier: Apache-2.0
#include "rill/data/dataset.hpp"

#include <sstream>

#include "collect.hpp"
#include "rill/data/batch.hpp"
#include "rill/data/map.hpp"
#include "rill/data/range.hpp"
#include "rill/data/slices.hpp"
#include "rill/data/zip.hpp"

using namespace rill;

TEST_CASE("dataset: element types and shapes of the documentation's examples") {
  const auto d1 = data::from_tensor_slices(tensor<float, 4, 10>());
  CHECK(data::output_types(d1) == "float32");
  CHECK(data::output_shapes(d1) == "(10,)");
  const auto d2 = data::from_tensor_slices(std::tuple(tensor<float, 4>(), tensor<int, 4, 100>()));
  CHECK(data::output_types(d2) == "(float32, int32)");
  CHECK(data::output_shapes(d2) == "((), (100,))");
  const auto d3 = data::zip(d1, d2);
  CHECK(data::output_types(d3) == "(float32, (float32, int32))");
  CHECK(data::output_shapes(d3) == "((10,), ((), (100,)))");
  CHECK(d3.size() == 4);
}

TEST_CASE("dataset: printing names shapes and types") {
  const auto images = data::from_tensor_slices(tensor<std::uint8_t, dyn, 28, 28>({3, 28, 28}));
  CHECK(to_string(images) == "<tensor_slice dataset shapes: (28, 28), types: uint8>");
  CHECK(to_string(images | data::batch(100)) == "<batch dataset shapes: (?, 28, 28), types: uint8>");
  std::ostringstream os;
  os << (data::range(3) | data::batch(2));
  CHECK(os.str() == "<batch dataset shapes: (?,), types: int64>");
}

TEST_CASE("dataset: one pass, get, and the end of the sequence") {
  auto it = data::range(5).iterator();
  // The documentation's "next + next".
  for (std::int64_t i = 0; i < 5; ++i) {
    const std::int64_t v = it.get();
    CHECK(v + v == 2 * i);
  }
  CHECK_THROWS_WITH_AS(it.get(), "End of sequence", out_of_range);
  CHECK_THROWS_WITH_AS(it.get(), "End of sequence", out_of_range);
  it.restart();
  CHECK(it.get() == 0);
  CHECK(it.position() == 1);

  std::int64_t i = 0;
  for (const std::int64_t v : data::range(100)) CHECK(v == i++);
  CHECK(i == 100);
  for ([[maybe_unused]] std::int64_t v : data::range(0)) CHECK(false);
}

TEST_CASE("dataset: random access") {
  const auto d = data::range(10, 20);
  std::int64_t v = 0;
  d.get(7, v);
  CHECK(v == 17);
  CHECK_THROWS_AS(d.get(10, v), out_of_range);
  CHECK_THROWS_AS(d.get(-1, v), out_of_range);
}

TEST_CASE("dataset: steps compose before they meet a dataset") {
  const auto prepare = data::map([](std::int64_t i) { return 2 * i; }) | data::batch(2);
  const auto got = test::collect(data::range(4) | prepare);
  REQUIRE(got.size() == 2);
  CHECK(test::values(got[1]) == std::vector<std::int64_t>{4, 6});
}

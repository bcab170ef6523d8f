// SPDX-License-Identifier: Apache-2.0
#include "rill/data/slices.hpp"

#include <map>
#include <string>

#include "collect.hpp"
#include "rill/data/batch.hpp"

using namespace rill;

namespace {
struct table {
  tensor<float, dyn> length;
  std::vector<int> species;
};
tensor<float, dyn, 3> counting(std::int64_t n) {
  tensor<float, dyn, 3> t({n, 3});
  for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<float>(i);
  return t;
}
}  // namespace

TEST_CASE("slices: one element per row") {
  for (std::int64_t n : {0, 1, 2, 7}) {
    CAPTURE(n);
    const auto d = data::from_tensor_slices(counting(n));
    CHECK(d.size() == n);
    const auto got = test::collect(d);
    REQUIRE(got.size() == static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < got.size(); ++i)
      for (int k = 0; k < 3; ++k) CHECK(got[i](k) == static_cast<float>(3 * i) + static_cast<float>(k));
    test::check_resume(d);
  }
}

TEST_CASE("slices: nested structures keep their shape") {
  const auto d = data::from_tensor_slices(
      std::pair(std::map<std::string, tensor<double, dyn>>{{"a", {1., 2.}}, {"b", {3., 4.}}}, tensor<std::int64_t, dyn>{5, 6}));
  const auto got = test::collect(d);
  REQUIRE(got.size() == 2);
  CHECK(got[1].first.at("a") == 2.);
  CHECK(got[1].first.at("b") == 4.);
  CHECK(got[1].second == 6);
  const auto batches = test::collect(d | data::batch(2));
  REQUIRE(batches.size() == 1);
  CHECK(test::values(batches[0].first.at("b")) == std::vector<double>{3., 4.});

  const auto t = data::from_tensor_slices(table{{1.5f, 2.5f}, {7, 8}});
  for (const auto& [length, species] : t) CHECK(species == (length > 2 ? 8 : 7));
}

TEST_CASE("slices: the data is shared, not copied") {
  const auto d = data::from_tensor_slices(counting(5));
  const auto e = d;
  CHECK(&e.source() == &d.source());
}

TEST_CASE("slices: components of different length are an error") {
  CHECK_THROWS_WITH_AS(data::from_tensor_slices(std::pair(tensor<float, dyn>({4}), tensor<int, dyn>({3}))),
                       "from_tensor_slices: component 1 has 3 rows, component 0 has 4", invalid_argument);
}

TEST_CASE("from_tensors: the whole as one element") {
  const auto d = data::from_tensors(std::tuple(counting(2), 7));
  CHECK(d.size() == 1);
  const auto got = test::collect(d);
  REQUIRE(got.size() == 1);
  CHECK(std::get<0>(got[0]) == counting(2));
  CHECK(std::get<1>(got[0]) == 7);
  CHECK(to_string(d) == "<tensor dataset shapes: ((?, 3), ()), types: (float32, int32)>");
  const auto batch = test::collect(data::from_tensors(counting(2)) | data::batch(3));
  REQUIRE(batch.size() == 1);
  CHECK(batch[0].shape() == tensor_shape{1, 2, 3});
}

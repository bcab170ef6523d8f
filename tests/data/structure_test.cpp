// SPDX-License-Identifier: Apache-2.0
#include "rill/data/structure.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace rill;

namespace {
struct flower {
  float length;
  tensor<float, 2> size;
  struct batch;
  using tuple_size_of_fields = int;
};
struct flower::batch {
  using slice = flower;
  tensor<float, dyn> length;
  tensor<float, dyn, 2> size;
};
struct plain {
  tensor<int, dyn> a;
  tensor<double, dyn, 3> b;
};
}  // namespace

TEST_CASE("structure: slices and batches of types") {
  static_assert(std::is_same_v<data::slice_t<tensor<float, dyn, 784>>, tensor<float, 784>>);
  static_assert(std::is_same_v<data::slice_t<tensor<int, dyn>>, int>);
  static_assert(std::is_same_v<data::slice_t<std::vector<double>>, double>);
  static_assert(std::is_same_v<data::slice_t<tensor<float, any_rank>>, tensor<float, any_rank>>);
  using nested = std::tuple<tensor<float, dyn>, std::pair<tensor<int, dyn, 2>, std::array<tensor<bool, dyn, dyn>, 2>>>;
  static_assert(std::is_same_v<data::slice_t<nested>,
                               std::tuple<float, std::pair<tensor<int, 2>, std::array<tensor<bool, dyn>, 2>>>>);
  static_assert(std::is_same_v<data::batch_t<std::pair<tensor<float, 784>, int>>,
                               std::pair<tensor<float, dyn, 784>, tensor<int, dyn>>>);
  static_assert(std::is_same_v<data::batch_t<std::map<std::string, double>>, std::map<std::string, tensor<double, dyn>>>);
  static_assert(std::is_same_v<data::slice_t<flower::batch>, flower>);
  static_assert(std::is_same_v<data::batch_t<flower>, flower::batch>);
  static_assert(std::is_same_v<data::slice_t<plain>, std::tuple<int, tensor<double, 3>>>);
  static_assert(data::detail::all_static<flower>());
  static_assert(!data::detail::all_static<plain>());
  static_assert(!data::detail::all_static<std::map<std::string, float>>());
  CHECK(true);
}

TEST_CASE("structure: rows go in and out of every component") {
  flower::batch b{tensor<float, dyn>({3}), tensor<float, dyn, 2>({3, 2})};
  for (std::int64_t r = 0; r < 3; ++r)
    data::detail::write_row(flower{static_cast<float>(r), tensor<float, 2>{10.f + static_cast<float>(r), 20.f}}, b, r);
  flower f{};
  data::detail::read_row(b, 2, f);
  CHECK(f.length == 2.f);
  CHECK(f.size(0) == 12.f);
  CHECK(f.size(1) == 20.f);
  flower::batch c{};
  data::detail::shape_batch(c, 1);
  data::detail::copy_row(b, 1, c, 0);
  CHECK(c.length(0) == 1.f);
  CHECK(c.size(0, 0) == 11.f);
}

TEST_CASE("structure: a batch of another row shape is an error") {
  tensor<float, dyn, dyn> b({2, 3});
  data::detail::write_row(tensor<float, dyn>({3}), b, 0);
  CHECK_THROWS_WITH_AS(data::detail::write_row(tensor<float, dyn>({4}), b, 1),
                       "batch: element 1 of the batch has a component of shape [4], the first one has [3]",
                       invalid_argument);
}

TEST_CASE("structure: text") {
  using data::detail::structure_text;
  using nested = std::tuple<tensor<float, 10>, std::tuple<float, tensor<int, 100>>>;
  CHECK(structure_text<nested>(data::detail::shape_text{}) == "((10,), ((), (100,)))");
  CHECK(structure_text<nested>(data::detail::type_text{}) == "(float32, (float32, int32))");
  CHECK(structure_text<std::tuple<int>>(data::detail::shape_text{}) == "((),)");
  CHECK(structure_text<std::map<std::string, double>>(data::detail::type_text{}) == "{string: float64}");
  CHECK(structure_text<flower>(data::detail::shape_text{}) == "((), (2,))");
}

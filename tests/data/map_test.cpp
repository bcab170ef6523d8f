// SPDX-License-Identifier: Apache-2.0
#include "rill/data/map.hpp"

#include "collect.hpp"
#include "rill/data/batch.hpp"
#include "rill/data/filter.hpp"
#include "rill/data/range.hpp"
#include "rill/data/repeat.hpp"
#include "rill/data/shuffle.hpp"
#include "rill/data/slices.hpp"
#include "rill/data/zip.hpp"

using namespace rill;

namespace {
const auto twice = [](const auto& in, const auto& out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = 2 * static_cast<float>(in[i]);
};
tensor<std::uint8_t, dyn, 5> bytes(std::int64_t n) {
  tensor<std::uint8_t, dyn, 5> t({n, 5});
  for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<std::uint8_t>(i);
  return t;
}
}  // namespace

TEST_CASE("map: functions of a scalar, of components, of a whole element") {
  CHECK(test::collect(data::range(3) | data::map([](std::int64_t i) { return i * i; })) ==
        std::vector<std::int64_t>{0, 1, 4});
  const auto pairs = data::zip(data::range(3), data::range(10, 13));
  CHECK(test::collect(pairs | data::map([](auto a, auto b) { return a + b; })) == std::vector<std::int64_t>{10, 12, 14});
  CHECK(test::collect(pairs | data::map([](const auto& p) { return std::get<1>(p); })) ==
        std::vector<std::int64_t>{10, 11, 12});
  // the element type is the function's result
  const auto d = data::range(3) | data::map([](std::int64_t i) { return std::pair(static_cast<float>(i), tensor<int, 2>()); });
  CHECK(to_string(d) == "<map dataset shapes: ((), (2,)), types: (float32, int32)>");
  test::check_resume(d);
}

TEST_CASE("map: over an order and over a stream") {
  const auto square = data::map([](std::int64_t i) { return i * i; });
  const auto plus = [](auto d) { return d | data::shuffle(5, 3); };
  std::vector<std::int64_t> want = test::collect(plus(data::range(10)));
  for (auto& v : want) v *= v;
  CHECK(test::collect(plus(data::range(10)) | square) == want);
  CHECK(test::collect(plus(data::range(10) | square)) == want);
  const auto stream = data::range(10) | data::filter([](std::int64_t i) { return i > 6; }) | square;
  CHECK(test::collect(stream) == std::vector<std::int64_t>{49, 64, 81});
  test::check_resume(stream);
  test::check_resume(plus(data::range(10)) | square | data::repeat(3));
}

TEST_CASE("map: skipped elements are not computed") {
  int calls = 0;
  const auto d = data::range(1000) | data::map([&calls](std::int64_t i) { return ++calls, i; }) | data::shuffle(10);
  auto it = d.iterator();
  it.skip(990);
  CHECK(calls == 0);
  it.get();
  CHECK(calls == 1);
}

TEST_CASE("map: tensors of run-time shape") {
  // the documentation's fill([x], x)
  const auto d = data::range(4) | data::map([](std::int64_t x) {
                   tensor<std::int64_t, dyn> t({x});
                   t.fill(x);
                   return t;
                 });
  const auto got = test::collect(d);
  CHECK(got[3].shape() == tensor_shape{3});
  CHECK(test::values(got[2]) == std::vector<std::int64_t>{2, 2});
  CHECK_THROWS_AS(test::collect(d | data::batch(2)), invalid_argument);
  CHECK(test::collect(d | data::batch(1)).size() == 4);
}

TEST_CASE("map: views and other expressions become tensors, or rows of a batch") {
  const auto d = data::from_tensor_slices(bytes(7)) | data::map([](const auto& x) { return x(slice{1, 4}); });
  static_assert(std::is_same_v<decltype(d)::element, tensor<std::uint8_t, dyn>>);
  const auto check = [](const auto& batches) {
    std::int64_t row = 0;
    for (const auto& b : batches) {
      REQUIRE(b.extent(1) == 3);
      for (std::int64_t r = 0; r < b.extent(0); ++r, ++row)
        for (std::int64_t k = 0; k < 3; ++k) CHECK(b(r, k) == 5 * row + 1 + k);
    }
    CHECK(row == 7);
  };
  check(d | data::batch(3));
  // with a static shape it is written straight into the row
  const auto s = data::from_tensor_slices([] {
                   tensor<std::uint8_t, dyn, 2, 5> t({7, 2, 5});
                   for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<std::uint8_t>(i);
                   return t;
                 }()) |
                 data::map([](const auto& x) { return std::pair(x(1, all), x(0, 2)); });
  static_assert(std::is_same_v<decltype(s)::element, std::pair<tensor<std::uint8_t, 5>, std::uint8_t>>);
  std::int64_t row = 0;
  for (const auto& [x, y] : s | data::batch(4))
    for (std::int64_t r = 0; r < y.size(); ++r, ++row) {
      CHECK(y(r) == 10 * row + 2);
      for (std::int64_t k = 0; k < 5; ++k) CHECK(x(r, k) == 10 * row + 5 + k);
    }
  CHECK(row == 7);
  CHECK(test::collect(s)[6].first(4) == 69);
}

TEST_CASE("map_into: in place over slices, scratch elsewhere, the same values") {
  const auto source = data::from_tensor_slices(std::pair(bytes(7), std::vector<int>{0, 1, 2, 3, 4, 5, 6}));
  const auto f = data::map_into<std::pair<tensor<float, 5>, std::int64_t>>([](const auto& in, const auto& out) {
    twice(std::get<0>(in), std::get<0>(out));
    std::get<1>(out) = std::get<1>(in) + 1;
  });
  const auto check = [](const auto& d) {
    std::int64_t i = 0;
    for (const auto& [x, y] : d) {
      CHECK(y == i + 1);
      for (int k = 0; k < 5; ++k) CHECK(x(k) == static_cast<float>(2 * (5 * i + k)));
      ++i;
    }
    CHECK(i == 7);
    std::int64_t row = 0;
    for (const auto& [x, y] : d | data::batch(3))
      for (std::int64_t r = 0; r < y.size(); ++r, ++row) {
        CHECK(y(r) == row + 1);
        for (int k = 0; k < 5; ++k) CHECK(x(r, k) == static_cast<float>(2 * (5 * row + k)));
      }
    CHECK(row == 7);
  };
  check(source | f);
  check(source | data::map([](const auto& x, int y) { return std::pair(x, y); }) | f);
  check(source | data::filter([](const auto&, int) { return true; }) | f);
}

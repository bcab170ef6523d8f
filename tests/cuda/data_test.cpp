// SPDX-License-Identifier: Apache-2.0
// Batches on a device: those of the host, in their order, and the numbers of a session that takes them.
#include <doctest/doctest.h>

#include <stdexcept>
#include <utility>
#include <vector>

#include <rill/cuda/data.cuh>
#include <rill/data/data.hpp>

#include "device.hpp"

namespace {

using namespace rill;
using cuda::to;
using rill::to;

auto examples() {
  tensor<float, dyn, 3> x({23, 3});
  tensor<std::int32_t, dyn> y({23});
  for (std::int64_t i = 0; i < 23; ++i) {
    y(i) = static_cast<std::int32_t>(7 * i % 5);
    for (std::int64_t j = 0; j < 3; ++j) x(i, j) = static_cast<float>(10 * i + j);
  }
  return std::pair(x, y);
}

template <class Here, class There>
void check_same(const Here& here, const There& there) {
  auto a = here.iterator();
  auto b = there.iterator();
  typename Here::element x{};
  typename There::element y{};
  const auto same = [&] { return x.first == y.first.on_host() && x.second == y.second.on_host(); };
  while (a.next(x)) {
    REQUIRE(b.next(y));
    CHECK(same());
  }
  CHECK_FALSE(b.next(y));
  a.restart(1), b.restart(1);
  CHECK(a.skip(3) == b.skip(3));
  REQUIRE((a.next(x) && b.next(y)));
  CHECK(same());
  CHECK(a.skip(2) == b.skip(2));  // over what is there already
  REQUIRE((a.next(x) && b.next(y)));
  CHECK(same());
  CHECK(a.skip(100) == b.skip(100));
  CHECK(data::cardinality(here) == data::cardinality(there));
  CHECK(data::output_shapes(here) == data::output_shapes(there));
}

TEST_CASE("batches come to a device ahead of use, and from tensors that are there") {
  ::test::device device;
  {
    const auto [x, y] = examples();
    const auto order = data::shuffle(23, {.seed = 4});
    const auto host = data::from_tensor_slices(std::pair(x, y)) | order | data::repeat(2) | data::batch(5);
    for (const std::int64_t n : {1, 3}) check_same(host, host | data::prefetch(1) | cuda::prefetch_to_device(device, n));
    const auto rows = cuda::rows_of(std::pair(to(x, device), to(y, device)));
    check_same(host, data::range(23) | order | data::repeat(2) | data::batch(5) | rows);
    CHECK_THROWS_AS((data::range(24) | data::batch(24) | rows).iterator().get(), out_of_range);
    CHECK_THROWS_AS(static_cast<void>(cuda::prefetch_to_device(device, 0)), invalid_argument);
    CHECK_THROWS_AS(static_cast<void>(cuda::rows_of(std::pair(to(x, device), to(tensor<float, dyn>({22}), device)))), invalid_argument);
    // An error comes after the batches before it.
    const auto broken = data::range(10) | data::batch(2) | data::map([](const tensor<std::int64_t, dyn>& v) {
                          if (v(0) == 4) throw std::runtime_error("the third batch");
                          return v;
                        }) | cuda::prefetch_to_device(device, 4);
    auto it = broken.iterator();
    CHECK(it.get().on_host()(1) == 1);
    CHECK(it.get().on_host()(1) == 3);
    CHECK_THROWS_WITH(it.get(), "the third batch");
  }
  CHECK(device.blocks() == 0);
}

struct weighted_sum {
  constexpr auto operator()(auto x, auto y) const { return reduce_sum(x * expand_dims(cast<float>(y), 1)); }
};

TEST_CASE("a session takes batches that are on its device") {
  ::test::device device;
  const auto [x, y] = examples();
  const auto host = data::from_tensor_slices(std::pair(x, y)) | data::batch(5);
  using target = cuda::basic_target<::test::device>;
  graph::basic_session<target, weighted_sum, tensor<float, dyn, 3>, tensor<std::int32_t, dyn>> s({}, {}, target(device));
  graph::basic_session<target, weighted_sum, cuda::basic_tensor<::test::device, float, dyn, 3>, cuda::basic_tensor<::test::device, std::int32_t, dyn>> there({}, {}, target(device));
  auto it = (host | cuda::prefetch_to_device(device)).iterator();
  for (const auto& [a, b] : host) {
    const auto [p, q] = it.get();
    CHECK(s.run(a, b) == there.run(p, q));
  }
  CHECK_THROWS_AS(static_cast<void>(there.run(to(tensor<float, dyn, 3>({2, 3}), device), to(tensor<std::int32_t, dyn>({3}), device))), invalid_argument);
}

}  // namespace

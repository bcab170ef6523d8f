// SPDX-License-Identifier: Apache-2.0
// Ops without a device kernel on the CPU, and the log of where ops run.
#include <doctest/doctest.h>

#include <rill/cuda/session.cuh>
#include <rill/graph/control_flow.hpp>
#include <rill/kernel/sort.hpp>
#include <rill/ops/sort.hpp>

#include "device.hpp"

namespace {

using namespace rill;

/// An op whose kernel is the CPU's, by itself and in a loop.
struct counted {
  constexpr auto operator()(auto x) const {  // [5, 3]
    const auto range = concat({zeros_like(reshape(index(index(x, 0), 0), {1})), zeros_like(reshape(index(index(x, 0), 0), {1})) + 8.f}, {.axis = 0});
    const auto count = [&](auto v) { return histogram_fixed_width(v, range, {.nbins = 2}); };
    return outputs(fetch("all", count(x * 2.f) + 1), fetch("rows", map_fn([&](auto r) { return count(r * 2.f); }, x)));
  }
};
TEST_CASE("an op without a device kernel runs on the host where that is asked for") {
  test::device device;
  using soft = cuda::basic_target<test::device, cuda::placement::soft>;
  using input = tensor<float, 5, 3>;
  graph::basic_session<soft, counted, input> s(counted{}, {}, cuda::basic_target<test::device>(device));  // a target of the one kind is one of the other
  for (int k = 0; k < 3; ++k) {
    const input x{{0, 1, 2}, {3, 4, 5}, {1, 1, 1}, {2, 2, 1}, {9, 0, 9}};
    const auto [all, rows] = s.run(x);
    CHECK(all == tensor<std::int32_t, 2>{8, 9});
    CHECK(rows == tensor<std::int32_t, 5, 2>{{2, 1}, {0, 3}, {3, 0}, {1, 2}, {1, 2}});
  }
  CHECK(device.records() > 0);  // what lies before and between
  using compiled = graph::basic_compiled<cuda::passes, counted, input>;
  const std::string log = cuda::placement_of(graph::view_of_compiled<compiled>, cuda::device_name(device));
  CAPTURE(log);
  CHECK(log.find("\nMul: (Mul): /job:localhost/replica:0/task:0/device:GPU:0\n") != log.npos);
  CHECK(log.find("\nHistogramFixedWidth: (HistogramFixedWidth): /job:localhost/replica:0/task:0/device:CPU:0\n") != log.npos);
  CHECK(log.find("\nWhile/HistogramFixedWidth: (HistogramFixedWidth): /job:localhost/replica:0/task:0/device:CPU:0\n") != log.npos);
}

}  // namespace

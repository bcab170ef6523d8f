// SPDX-License-Identifier: Apache-2.0
// Loops over rows and examples, recorded with the step that they are in: on a device as on the CPU.
#ifndef __CUDACC__  // nvcc 13 takes the CPU's session of it for no constant: some memory be never given back. g++ and clang find none
#include <doctest/doctest.h>

#include <rill/cuda/session.cuh>
#include <rill/graph/control_flow.hpp>
#include <rill/optimizers/gradient_descent.hpp>

#include "device.hpp"

namespace {

using namespace rill;
using target = cuda::basic_target<test::device>;
template <class Model, class... Inputs>
using device_session = graph::basic_session<target, Model, Inputs...>;

float noise(std::uint64_t seed, std::int64_t i) { return 2 * static_cast<float>(philox_uniform(static_cast<std::uint64_t>(i), 0, seed)) - 1; }

/// As many iterations as there are rows, or examples; random numbers of each.
struct rows {
  static constexpr bool training = true;
  constexpr auto operator()(symbol x, symbol batch) const {  // [5, 3] and [batch, 7]
    symbol w = variable(x, {.name = "w", .shape = {3, 3}, .initializer = constant(0.25)});
    symbol states = scan([&](symbol s, symbol r) { return tanh(reshape(matmul(reshape(s + r, {1, 3}), w), {3})); }, x, zeros_like(index(x, 0)), {.reverse = true});
    symbol noisy = map_fn([](symbol r) { return r + random_uniform(r, {3}); }, x);
    symbol largest = map_fn([](symbol r) { return reduce_max(r * r); }, batch);
    symbol loss = reduce_sum(square(states));
    return outputs(fetch("loss", loss), fetch("noisy", noisy), fetch("largest", largest), fetch("train", optimizers::gradient_descent{0.05f}.minimize(loss)));
  }
};
TEST_CASE("loops over rows are recorded, and train") {
  test::device device;
  graph::variable_store mine, theirs;
  using batch = tensor<float, dyn, 7>;
  graph::session<rows, tensor<float, 5, 3>, batch> host(mine, {}, {.seed = 4});
  device_session<rows, tensor<float, 5, 3>, batch> s(theirs, {}, {.seed = 4}, target(device));
  tensor<float, 5, 3> x;
  for (int k = 0; k < 15; ++k) x.data()[k] = noise(1, k);
  for (const std::int64_t n : {3, 3, 3, 2, 3}) {
    batch b({n, 7});
    for (std::int64_t k = 0; k < b.size(); ++k) b.data()[k] = noise(2, k);
    const auto [loss, noisy, largest, done] = host.run(x, b);
    const auto [device_loss, device_noisy, device_largest, device_done] = s.run(x, b);
    CHECK(device_loss() == doctest::Approx(loss()).epsilon(1e-5));
    CHECK(noisy == device_noisy);
    CHECK(largest == device_largest);
  }
  CHECK(device.records() == 1);
  theirs.to_host();
  const graph::stored_variable *a = mine.find("w"), *b = theirs.find("w");
  for (std::size_t k = 0; k < 9; ++k) CHECK(static_cast<const float*>(b->data)[k] == doctest::Approx(static_cast<const float*>(a->data)[k]).epsilon(1e-5));
}

}  // namespace
#endif

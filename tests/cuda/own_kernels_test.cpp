// SPDX-License-Identifier: Apache-2.0
// A model whose ops bring kernels of their own.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include <rill/cuda/session.cuh>
#include <rill/eager/nn.hpp>
#include <rill/nn/batch_normalization.hpp>
#include <rill/nn/embedding.hpp>
#include <rill/nn/layer_norm.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/gradient_descent.hpp>

#include "device.hpp"

namespace {

using namespace rill;
using target = cuda::basic_target<test::device>;
template <class Model, class... Inputs>
using device_session = graph::basic_session<target, Model, Inputs...>;

/// Ops that bring kernels of their own: normalizations, and a lookup whose gradient is a scatter.
struct embedded {
  static constexpr bool training = true;
  constexpr auto operator()(auto ids, auto y) const {
    auto x = nn::embedding{.input_dim = 11, .output_dim = 6}(ids);
    x = nn::layer_norm{}(x);
    x = nn::batch_normalization{}(nn::dense{.units = 7}(x));
    const auto loss = reduce_mean(square(x - y)) - reduce_mean(log_softmax(x));
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{0.1f}.minimize(loss)));
  }
};
TEST_CASE("normalizations and embeddings train on a device as on the CPU") {
  test::device device;
  graph::variable_store mine, theirs;
  using ids = tensor<std::int32_t, dyn>;
  using targets = tensor<float, dyn, 7>;
  graph::session<embedded, ids, targets> host(mine);
  device_session<embedded, ids, targets> s(theirs, {}, {}, target(device));
  std::mt19937 random(5);
  for (int step = 0; step < 4; ++step) {
    ids x({9});
    targets y({9, 7});
    for (std::int32_t& v : x) v = static_cast<std::int32_t>(random() % 11);
    for (float& v : y) v = static_cast<float>(random() % 100) / 100;
    CHECK(std::abs(static_cast<float>(std::get<0>(host.run(x, y))) - static_cast<float>(std::get<0>(s.run(x, y)))) < 1e-5);
  }
  CHECK(device.records() == 1);  // nothing of it runs on the host
}

}  // namespace

// SPDX-License-Identifier: Apache-2.0
// Training with RILL_SINGLE_THREADED: no oneTBB is included, and none is linked.

#include <cstdio>
#include <rill/graph/session.hpp>
#include <rill/losses/mean_squared_error.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/gradient_descent.hpp>

#if defined(TBB_VERSION_MAJOR) || defined(TBB_INTERFACE_VERSION)
#error "oneTBB is included"
#endif

using namespace rill;

struct regression {
  constexpr auto operator()(symbol x, symbol y) const {
    symbol loss = losses::mean_squared_error(y, nn::dense{.units = 1}(x));
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{0.01}.minimize(loss)));
  }
};

int main() {
  graph::session<regression, tensor<float, 4, 1>, tensor<float, 4, 1>> s;
  tensor<float, 4, 1> x, y;
  for (int i = 0; i < 4; ++i) x.data()[i] = static_cast<float>(i + 1), y.data()[i] = static_cast<float>(-i);
  float loss = 1;
  for (int i = 0; i < 2000; ++i) loss = std::get<0>(s.run(x, y))();
  int ranges = 0;
  parallel_for(10, 3, [&](std::int64_t, std::int64_t) { ++ranges; });
  std::printf("loss %g, %d threads, %d ranges\n", static_cast<double>(loss), max_threads(), ranges);
  return loss < 0.01f && max_threads() == 1 && ranges == 4 ? 0 : 1;
}

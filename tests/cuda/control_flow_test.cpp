// SPDX-License-Identifier: Apache-2.0
// Loops and branches in models that the data decides, and their gradients, on a device: against plain loops and differences.
#include <doctest/doctest.h>

#include <cmath>

#include <rill/cuda/session.cuh>
#include <rill/graph/control_flow.hpp>

#include "device.hpp"

namespace {

using namespace rill;
using target = cuda::basic_target<test::device>;
template <class Model, class... Inputs>
using device_session = graph::basic_session<target, Model, Inputs...>;

/// A loop that the data ends, and a branch, in a loop over rows; a branch by a number of iterations.
struct decided {
  constexpr auto operator()(symbol x, symbol h) const {  // [4, 3] and [3]
    symbol y = scan([&](symbol s, symbol r) {
      symbol t = while_loop([](symbol u) { return less(reduce_sum(u * u), 4.); }, [&](symbol u) { return u * 1.5 + r * 0.1; }, s + 0.1);
      return cond(greater(reduce_sum(r), 0.), [&] { return tanh(t); }, [&] { return t * h; });
    }, x, h);
    symbol n = while_loop([&](symbol k) { return less(k, reduce_sum(h * h)); }, [](symbol k) { return k + 1; }, reduce_sum(h * 0));
    symbol loss = switch_case(cast<std::int32_t>(n), [&] { return reduce_sum(y); }, [&] { return reduce_sum(y * y); });
    return outputs(fetch("loss", loss), fetch("dx", gradients(loss, x)[0]));
  }
};
double plain(const tensor<double, 4, 3>& x, const tensor<double, 3>& h) {
  const auto sum = [](const double* v, bool squares) { return squares ? v[0] * v[0] + v[1] * v[1] + v[2] * v[2] : v[0] + v[1] + v[2]; };
  double s[3] = {h(0), h(1), h(2)}, total = 0;
  const bool squares = sum(s, true) > 0;
  for (int r = 0; r < 4; ++r) {
    const double* const row = x.data() + 3 * r;
    for (double& v : s) v += 0.1;
    while (sum(s, true) < 4)
      for (int k = 0; k < 3; ++k) s[k] = s[k] * 1.5 + row[k] * 0.1;
    for (int k = 0; k < 3; ++k) s[k] = sum(row, false) > 0 ? std::tanh(s[k]) : s[k] * h(k);
    total += sum(s, squares);
  }
  return total;
}
TEST_CASE("loops and branches that the data decides") {
  test::device device;
  {
    device_session<decided, tensor<double, 4, 3>, tensor<double, 3>> s(decided{}, {}, target(device));
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      CAPTURE(seed);
      const auto noise = [&](std::int64_t i) { return 2 * philox_uniform(static_cast<std::uint64_t>(i), 0, seed) - 1.; };
      tensor<double, 4, 3> x;
      tensor<double, 3> h;
      for (int k = 0; k < 12; ++k) x.data()[k] = noise(k);
      for (int k = 0; k < 3; ++k) h.data()[k] = seed == 1 ? 0 : noise(k + 12);
      const auto [loss, dx] = s.run(x, h);
      CHECK(loss() == doctest::Approx(plain(x, h)));
      for (int k = 0; k < 12; ++k) {
        CAPTURE(k);
        const double at = x.data()[k], step = 1e-6;
        x.data()[k] = at + step;
        const double up = plain(x, h);
        x.data()[k] = at - step;
        CHECK(dx.data()[k] == doctest::Approx((up - plain(x, h)) / (2 * step)).epsilon(1e-4).scale(1e-2));
        x.data()[k] = at;
      }
    }
  }
  CHECK(device.blocks() == 0);  // what the gradients kept is given back
}

}  // namespace

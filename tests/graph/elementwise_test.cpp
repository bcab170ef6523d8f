// SPDX-License-Identifier: Apache-2.0
// Element-wise ops that few models use, in a graph whose batch is known at run time, with gradients, against the same
// formulas on tensors.

#include <doctest/doctest.h>

#include <rill/eager/gradient.hpp>
#include <rill/graph/session.hpp>
#include <rill/ops/special.hpp>

using namespace rill;

namespace {

/// The same for symbols and tensors.
template <class V>
constexpr V all_of(const V& x, const V& y) {
  const V a = erfc(x) * igamma(y, square(x)) + xlogy(x, y);
  const V b = atan2(x, y) + clamp(-1, x, 0.5F) + div_no_nan(x, floor(y));
  return reduce_sum(a * b + log2(y));
}
template <class V>
constexpr V bits_of(const V& k) {
  return bitwise_xor(bitwise_and(k, 12), left_shift(k, 3)) + cast<std::int32_t>(population_count(invert(k))) + truncate_mod(k, 3);
}

struct model {
  constexpr auto operator()(symbol x, symbol y, symbol k) const {
    const symbol loss = all_of(x, y);
    auto [dx, dy] = gradients(loss, x, y);
    return outputs(fetch("loss", loss), fetch("dx", dx), fetch("dy", dy), fetch("bits", bits_of(k)), fetch("angle", atan2(x, y)),
                   fetch("next", next_after(x, y)));
  }
};

}  // namespace

TEST_CASE("graph: rarer element-wise ops") {
  graph::session<model, tensor<float, dyn, 3>, tensor<float, 3>, tensor<std::int32_t, dyn>> s;
  for (const std::int64_t n : {1, 7}) {
    auto x = tensor<float, dyn, 3>::uninitialized({n, 3});
    auto k = tensor<std::int32_t, dyn>::uninitialized({n});
    for (std::int64_t i = 0; i < 3 * n; ++i) x.data()[i] = static_cast<float>(i % 11) * 0.37F - 1.8F;
    for (std::int64_t i = 0; i < n; ++i) k.data()[i] = static_cast<std::int32_t>(i * 7 - 20);
    const tensor<float, 3> y{0.7F, 1.9F, 3.1F};
    auto [loss, dx, dy, bits, angle, next] = s.run(x, y, k);
    eager::gradient_tape tape;
    const dynamic_tensor vx(x), vy(y);
    tape.watch(vx);
    tape.watch(vy);
    const dynamic_tensor want = all_of(vx, vy);
    const auto [gx, gy] = tape.gradient(want, vx, vy);
    CHECK(*loss.data() == doctest::Approx(want.item<float>()).epsilon(1e-5));
    for (std::size_t i = 0; i < static_cast<std::size_t>(3 * n); ++i) {
      CHECK(dx.data()[i] == doctest::Approx(gx.span<float>()[i]).epsilon(1e-4));
      CHECK(angle.data()[i] == doctest::Approx(std::atan2(x.data()[i], y.data()[i % 3])).epsilon(1e-6));
      CHECK(next.data()[i] == std::nextafter(x.data()[i], y.data()[i % 3]));
    }
    for (std::size_t i = 0; i < 3; ++i) CHECK(dy.data()[i] == doctest::Approx(gy.span<float>()[i]).epsilon(1e-4));
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int32_t v = k.data()[i];
      const std::int32_t wanted = ((v & 12) ^ static_cast<std::int32_t>(static_cast<std::uint32_t>(v) << 3)) +
                                  __builtin_popcount(static_cast<unsigned>(~v)) + v % 3;
      CHECK(bits.data()[i] == wanted);
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
// Losses and clipped gradients in a graph whose batch is known at run time, against the same run eagerly; and a model whose
// shapes do not fit.

#include "close.hpp"
#include "tensors.hpp"

#include <rill/eager/gradient.hpp>
#include <rill/eager/nn.hpp>
#include <rill/graph/session.hpp>

using namespace rill;
using test::near;
using rill::test::noise;

namespace {

/// The same for symbols and tensors.
template <class V>
constexpr V losses_of(const V& x, const V& z) {
  return reduce_sum(log_softmax(x, {.axis = 0}) * z) + reduce_sum(softmax_cross_entropy_with_logits_v2(z, x)) + reduce_sum(sigmoid_cross_entropy_with_logits(z, x)) +
         l2_loss(x);
}
struct losses_model {
  constexpr auto operator()(symbol x, symbol z) const {
    const symbol loss = losses_of(x, z);
    auto [dx, dz] = gradients(loss, x, z);
    const auto clipped = clip_by_global_norm(std::array<symbol, 2>{dx, dz}, 0.5);
    return outputs(fetch("loss", loss), fetch("dx", dx), fetch("clipped", clipped.list_clipped[1]), fetch("norm", clipped.global_norm));
  }
};

}  // namespace

TEST_CASE("losses and clipped gradients in a graph") {
  graph::session<losses_model, tensor<float, dyn, 5>, tensor<float, dyn, 5>> s;
  for (const std::int64_t n : {1, 3, 8}) {
    const dynamic_tensor x = cast_to(noise({n, 5}, 1) * 3.0, dtype::float32), z = cast_to(noise({n, 5}, 2) * 0.5 + 0.5, dtype::float32);
    auto [loss, dx, clipped, norm] = s.run(x.to<float, dyn, 5>(), z.to<float, dyn, 5>());
    eager::gradient_tape tape;
    tape.watch(x), tape.watch(z);
    const dynamic_tensor want = losses_of(x, z);
    const auto [gx, gz] = tape.gradient(want, x, z);
    CHECK(*loss.data() == doctest::Approx(want.item<float>()).epsilon(1e-5));
    CHECK(near(dx, gx, 1e-4F));
    const auto r = clip_by_global_norm(std::vector<dynamic_tensor>{gx, gz}, 0.5);
    CHECK(near(clipped, r.list_clipped[1], 1e-4F));
    CHECK(*norm.data() == doctest::Approx(r.global_norm.item<float>()).epsilon(1e-5));
  }
}

TEST_CASE("a trace keeps the first thing that does not fit") {
  struct wrong {
    constexpr auto operator()(symbol x, symbol z) const { return outputs(fetch("y", l2_loss(sigmoid_cross_entropy_with_logits(x, z)))); }
  };
  const graph::builder b = graph::trace<wrong, tensor<float, dyn, 5>, tensor<float, dyn, 4>>();
  REQUIRE(static_cast<bool>(b.first_failure));
  CHECK(to_string(b.first_failure, std::string(b.failed_op->name).c_str()).find("SigmoidCrossEntropyWithLogits: labels and logits differ in shape: got float32[?, 5] and float32[?, 4]") == 0);
}

// SPDX-License-Identifier: Apache-2.0
// Normalizations and quantization in a graph whose batch is known at run time, with gradients, against the same run eagerly.

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
constexpr V norms_of(const V& image, const V& scale, const V& offset) {
  const V y = xla::batch_norm_training(bias_add(image, offset), scale, offset, 0.01, 3).output;
  return lrn(y, {.depth_radius = 1, .alpha = 0.5, .beta = 0.75});
}

struct norms_model {
  constexpr auto operator()(symbol image, symbol scale, symbol offset) const {
    const symbol y = norms_of(image, scale, offset);
    const symbol rounded = fake_quant_with_min_max_args(y, {.min = -1, .max = 1, .num_bits = 4});
    auto [ds] = gradients(reduce_sum(square(y)), scale);
    return outputs(fetch("y", y), fetch("ds", ds), fetch("rounded", rounded), fetch("few", xla::reduce_precision(y, {5, 3})),
                   fetch("codes", quantize(y, -1, 1).output));
  }
};

}  // namespace

TEST_CASE("normalizations and quantization in a graph") {
  graph::session<norms_model, tensor<float, dyn, 2, 2, 3>, tensor<float, 3>, tensor<float, 3>> s;
  const dynamic_tensor scale = cast_to(noise({3}, 3), dtype::float32), offset = cast_to(noise({3}, 4), dtype::float32);
  for (const std::int64_t n : {1, 4}) {
    const dynamic_tensor image = cast_to(noise({n, 2, 2, 3}, 5), dtype::float32);
    auto [y, ds, rounded, few, codes] = s.run(image.to<float, dyn, 2, 2, 3>(), scale.to<float, 3>(), offset.to<float, 3>());
    eager::gradient_tape tape;
    tape.watch(scale);
    const dynamic_tensor want = norms_of(image, scale, offset);
    CHECK(near(y, want, 1e-5F));
    CHECK(near(ds, tape.gradient(reduce_sum(square(want)), scale)[0], 1e-4F));
    // what rounds is checked on the graph's own numbers
    CHECK(near(rounded, fake_quant_with_min_max_args(dynamic_tensor(y), {.min = -1, .max = 1, .num_bits = 4}), 1e-6F));
    CHECK(near(few, xla::reduce_precision(dynamic_tensor(y), {5, 3}), 0.0F));
    const auto direct = quantize(y, -1, 1);
    for (std::int64_t k = 0; k < want.size(); ++k) CHECK(std::abs(codes.data()[k] - direct.output.data()[k]) <= 1);
  }
}

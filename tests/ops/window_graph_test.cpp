// SPDX-License-Identifier: Apache-2.0
// General convolutions and windows in a graph, with gradients of both orders, against the same functions of tensors.
#include <rill/eager/conv.hpp>
#include <rill/eager/gradient.hpp>
#include <rill/eager/window.hpp>
#include <rill/graph/session.hpp>

#include "array.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace rill;
using test::array;
using test::values;

namespace {

dynamic_tensor make(const tensor_shape& s, std::mt19937& g) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float32, s);
  auto* p = static_cast<float*>(t.mutable_data());
  for (std::int64_t k = 0; k < t.size(); ++k) p[k] = static_cast<float>(static_cast<int>(g() % 13) - 6);
  return t;
}

template <value V>
constexpr V loss_of(V x, V w) {
  auto y = conv1d(x, w, {.stride = 2, .padding = same, .dilation = 2});
  auto z = depthwise_conv2d(expand_dims(x, 1), reshape(w, {1, 3, 2, 3}), {.padding = {{1, 0}, {2, -1}}});
  auto p = max_pool(expand_dims(x, 1), {.window = {1, 2}, .strides = {1, 2}});
  auto q = max_pool1d(x, {.window = {3}, .padding = same});
  auto r = avg_pool1d(x, {.window = {2}, .strides = {2}, .padding = same});
  return reduce_sum(y * y) + reduce_sum(z * z) + reduce_sum(p * p * p) + reduce_sum(q * q) + reduce_sum(r * r);
}
struct model {
  constexpr auto operator()(auto x, auto w) const {
    auto loss = loss_of(x, w);
    auto [dx, dw] = gradients(loss, x, w);
    auto [ddx, ddw] = gradients(reduce_sum(dx * dx), x, w);
    return outputs(fetch("loss", loss), fetch("dx", dx), fetch("dw", dw), fetch("ddx", ddx), fetch("ddw", ddw));
  }
};

}  // namespace

TEST_CASE("convolutions and pooling in a graph") {
  std::mt19937 g(3);
  const dynamic_tensor x = make({3, 7, 2}, g), w = make({3, 2, 3}, g);
  graph::session<model, tensor<float, dyn, 7, 2>, tensor<float, 3, 2, 3>> s;
  const auto [loss, dx, dw, ddx, ddw] = s.run(x.to<float, dyn, 7, 2>(), w.to<float, 3, 2, 3>());
  eager::gradient_tape outer;
  outer.watch(x), outer.watch(w);
  eager::gradient_tape tape;
  tape.watch(x), tape.watch(w);
  const dynamic_tensor e = loss_of(x, w);
  const auto first = tape.gradient(e, std::vector<dynamic_tensor>{x, w});
  const auto second = outer.gradient(reduce_sum(first[0] * first[0]), std::vector<dynamic_tensor>{x, w});
  CHECK(values(loss) == values(e));
  const auto close = [](const dynamic_tensor& a, const dynamic_tensor& b) {
    REQUIRE(a.shape() == b.shape());
    for (std::size_t k = 0; k < values(a).size(); ++k) CHECK(values(a)[k] == doctest::Approx(values(b)[k]).epsilon(1e-5));
  };
  close(dx, first[0]);
  close(dw, first[1]);
  close(ddx, second[0]);
  close(ddw, second[1]);
}

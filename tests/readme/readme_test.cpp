// SPDX-License-Identifier: Apache-2.0
// The README's code, compiled and run.

#include <doctest/doctest.h>

#include <rill/rill.hpp>
#include <sstream>

using namespace rill;

namespace {

inline constexpr auto cnn = nn::sequential(
    nn::reshape{{28, 28, 1}},
    nn::conv2d{.filters = 32, .kernel_size = {5, 5}, .padding = same, .activation = relu},
    nn::max_pooling2d{.pool_size = {2, 2}, .strides = {2, 2}},
    nn::flatten{},
    nn::dropout{.rate = 0.4f},
    nn::dense{.units = 10});

struct mnist_cnn {
  constexpr auto operator()(auto images) const { return cnn(images); }
};

struct scale_shift {
  constexpr auto operator()(auto x) const {
    auto w = variable(x, {.name = "weight", .shape = {}, .initializer = constant(5.f)});
    auto b = variable(x, {.name = "bias", .shape = {}, .initializer = constant(10.f)});
    return w * x + b;
  }
};
struct step {
  constexpr auto operator()(auto x, auto y) const {
    auto loss = mean(square(scale_shift{}(x) - y));
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{0.01f}.minimize(loss)));
  }
};

}  // namespace

TEST_CASE("the README's tensors") {
  rill::tensor<int, 2, 2> a{{1, 2}, {3, 4}};
  rill::tensor b = a + 1;
  std::ostringstream out;
  out << a * b << '\n';
  CHECK(out.str() == "[[ 2  6]\n [12 20]]\n");
  rill::tensor<float, rill::dyn, 3> x({100, 3});
  auto y = relu(x * 2 + 1);
  rill::tensor m = reduce_mean(y, rill::axis<0>);
  static_assert(std::is_same_v<decltype(m), rill::tensor<float, 3>>);
  CHECK(m(0) == 1);
  rill::tensor z = matmul(y, transpose(y));
  CHECK(z.shape() == tensor_shape{100, 100});
  CHECK(tensor<float, any_rank>(z(rill::slice{0, 2}, rill::slice{0, 3})).shape() == tensor_shape{2, 3});
}

TEST_CASE("the README's model and step") {
  graph::session<mnist_cnn, tensor<float, dyn, 784>> network;
  tensor<float, dyn, 784> images({2, 784});
  CHECK(network.run(images).shape() == tensor_shape{2, 10});
  tensor<float, dyn> xs({8}), ys({8});
  for (int i = 0; i < 8; ++i) xs(i) = static_cast<float>(i) / 8, ys(i) = 3 * xs(i) + 2;
  graph::session<step, tensor<float, dyn>, tensor<float, dyn>> s;
  float first = 0, last = 0;
  for (int i = 0; i < 300; ++i) {
    auto [loss, none] = s.run(xs, ys);
    last = *loss.data();
    if (i == 0) first = last;
  }
  CHECK(last < first / 100);
}

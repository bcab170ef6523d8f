// SPDX-License-Identifier: Apache-2.0
// The README's eager code and its op, compiled and run.

#include <doctest/doctest.h>

#include <rill/eager/eager.hpp>
#include <rill/graph/session.hpp>
#include <rill/nn/nn.hpp>

using namespace rill;

namespace {

inline constexpr auto network = nn::sequential(nn::dense{.units = 16, .activation = relu}, nn::dense{.units = 10});
struct classifier {
  constexpr auto operator()(auto images) const { return network(images); }
};

struct zero_out_op {
  static constexpr auto name = "ZeroOut";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1;
  static constexpr signature infer(const attributes&, const signature* in, failure&) { return in[0]; }
  static void run(const attributes& at, const operand_memory* in, const result_memory& out) {
    for (std::int64_t k = 0; k < out.size(); ++k) out.as<float>()[k] = k == at.i[0] ? in[0].as<float>()[k] : 0;
  }
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto) { return grads(rill::detail::emit<zero_out_op>({dy}, at)); }
};
template <value V>
constexpr V zero_out(V x, std::int64_t keep = 0) {
  attributes at;
  at.i[0] = keep;
  return rill::detail::emit<zero_out_op>({x}, at);
}
struct keeps_second {
  constexpr auto operator()(auto x) const { return zero_out(x * 2, 1); }
};

}  // namespace

TEST_CASE("the README's tape, gradient function and module") {
  eager::variable w{tensor<float>{1.0f}};
  eager::gradient_tape tape;
  auto loss = w * w;
  auto [dw] = tape.gradient(loss, w);
  REQUIRE(dw.has_value());
  CHECK(dw.item<float>() == 2.f);
  CHECK_THROWS(tape.gradient(loss, w));

  auto df = gradients_function([](auto x) { return log(1.f + exp(x)); });
  CHECK(df(0.f)[0].item<float>() == 0.5f);

  eager::module<classifier> model;
  const dynamic_tensor images = tensor<float, dyn, 784>({3, 784});
  const auto first = model(images), second = model(images);
  CHECK(first.shape() == tensor_shape{3, 10});
  CHECK(to_string(first) == to_string(second));
}

TEST_CASE("the README's op, on a tape and in a model") {
  const dynamic_tensor x = tensor<float, 3>{5, 4, 3};
  eager::gradient_tape tape;
  tape.watch(x);
  const auto y = zero_out(x * x, 2);
  CHECK(to_string(y) == "[0. 0. 9.]");
  CHECK(to_string(tape.gradient(y, x)[0]) == "[0. 0. 6.]");
  graph::session<keeps_second, tensor<float, dyn>> s;
  CHECK(to_string(s.run(tensor<float, dyn>{1, 2, 3})) == "[0. 4. 0.]");
}

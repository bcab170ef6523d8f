// SPDX-License-Identifier: Apache-2.0
// Activation functions, by TensorFlow's where they are the same function.
#include "driver.hpp"
#include "rill/eager/front_end.hpp"

namespace onnx {
namespace {
using namespace rill;

results elu_with_alpha(const call& c) {
  const double alpha = c.f("alpha", 1);
  const dynamic_tensor y = elu(c.x());
  return {alpha == 1 ? y : dynamic_tensor(minimum(y, 0) * alpha + relu(c.x()))};
}
results selu_with_constants(const call& c) {
  if (!c.has("alpha") && !c.has("gamma")) return {selu(c.x())};
  const dynamic_tensor y = elu(c.x());
  return {(minimum(y, 0) * c.f("alpha", 1.6732631921768188) + relu(c.x())) * c.f("gamma", 1.0507010221481323)};
}
results celu(const call& c) {
  const double alpha = c.f("alpha", 1);
  return {relu(c.x()) + minimum(elu(c.x() / alpha), 0) * alpha};
}
results leaky(const call& c) { return {leaky_relu(c.x(), c.f("alpha", 0.01))}; }
results prelu(const call& c) { return {relu(c.x()) + minimum(c.x(), 0) * c.x(1)}; }
results thresholded(const call& c) { return {where(greater(c.x(), c.f("alpha", 1)), c.x(), 0)}; }
results shrink(const call& c) {
  const double lambd = c.f("lambd", 0.5), bias = c.f("bias", 0);
  return {where(less(c.x(), -lambd), c.x() + bias, where(greater(c.x(), lambd), c.x() - bias, zeros_like(c.x())))};
}
dynamic_tensor hard(const dynamic_tensor& x, double alpha, double beta) { return minimum(relu(x * alpha + beta), 1); }

}  // namespace

void add_activations(op_table& t) {
  t["Relu"] = [](const call& c) -> results { return {relu(c.x())}; };
  t["Sigmoid"] = [](const call& c) -> results { return {sigmoid(c.x())}; };
  t["Softplus"] = [](const call& c) -> results { return {softplus(c.x())}; };
  t["Softsign"] = [](const call& c) -> results { return {softsign(c.x())}; };
  t["Elu"] = elu_with_alpha;
  t["Selu"] = selu_with_constants;
  t["Celu"] = celu;
  t["LeakyRelu"] = leaky;
  t["PRelu"] = prelu;
  t["ThresholdedRelu"] = thresholded;
  t["Shrink"] = shrink;
  t["HardSigmoid"] = [](const call& c) -> results { return {hard(c.x(), c.f("alpha", 0.2), c.f("beta", 0.5))}; };
  t["HardSwish"] = [](const call& c) -> results { return {c.x() * hard(c.x(), 1.0 / 6, 0.5)}; };
}

}  // namespace onnx

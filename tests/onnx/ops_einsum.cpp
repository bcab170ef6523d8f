// SPDX-License-Identifier: Apache-2.0
// Einsum.
#include "driver.hpp"
#include "rill/eager/front_end.hpp"
#include "rill/ops/einsum.hpp"

namespace onnx {
namespace {
using namespace rill;

results sum_of_products(const call& c) {
  std::vector<dynamic_tensor> x;
  for (std::size_t k = 0; k < c.in.size(); ++k) x.push_back(c.x(k));
  const std::string equation = c.s("equation", "");
  switch (x.size()) {
    case 1: return {einsum(equation, x[0])};
    case 2: return {einsum(equation, x[0], x[1])};
    case 3: return {einsum(equation, x[0], x[1], x[2])};
    default: throw unimplemented("Einsum: of more than three tensors");
  }
}

}  // namespace

void add_einsum(op_table& t) {
  t["Einsum"] = sum_of_products;
}

}  // namespace onnx

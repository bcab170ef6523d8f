// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Fully connected layer: activation(x * kernel + bias), [b, n] -> [b, units]. Variables kernel [n, units] and bias
/// [units]. Bias and activation run in the product's epilogue.

#include "layer.hpp"

namespace rill::nn {

struct dense {
  std::int64_t units = 1;
  nn::activation activation = {};
  bool use_bias = true;
  graph::initializer kernel_initializer = initializers::glorot_uniform();
  graph::initializer bias_initializer = initializers::zeros();
  std::string_view name = "dense";

  template <value V>
  constexpr V operator()(V x) const {
    if (V::front_end::failed(x)) return x;
    variable_scope scope(x, name);
    if (x.rank() != 2) return rill::detail::fail<ops::matmul_op>(x, "a dense layer needs [batch, features]", "put nn::flatten before it");
    V kernel = variable(x, {.name = "kernel", .shape = {x.shape()[1], units}, .initializer = kernel_initializer, .type = x.type()});
    V y = matrix_product(x, kernel);
    if (use_bias) y = y + variable(x, {.name = "bias", .shape = {units}, .initializer = bias_initializer, .type = x.type()});
    return scope.layer("dense", activation(y));
  }
};

}  // namespace rill::nn

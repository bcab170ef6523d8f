// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Activations as values, so that a layer's description can name one: `nn::dense{.units = 10, .activation = relu}`. They
/// are also the functions: `relu(x)`.

#include "../graph/trace.hpp"

namespace rill {

constexpr symbol relu(symbol x) { return apply<ops::relu>(x); }
constexpr symbol relu6(symbol x) { return apply<ops::relu6>(x); }
constexpr symbol elu(symbol x) { return apply<ops::elu>(x); }
constexpr symbol tanh(symbol x) { return apply<ops::tanh>(x); }
constexpr symbol sigmoid(symbol x) { return apply<ops::sigmoid>(x); }
constexpr symbol softplus(symbol x) { return apply<ops::softplus>(x); }
constexpr symbol softsign(symbol x) { return apply<ops::softsign>(x); }

namespace nn {

/// An element-wise function of a symbol; the default is the identity (a linear layer).
class activation {
 public:
  constexpr activation() = default;
  constexpr activation(symbol (*function)(symbol)) : function_(function), given_(true) {}  // NOLINT: implicit on purpose
  constexpr symbol operator()(symbol x) const { return given_ && x.id >= 0 ? function_(x) : x; }

 private:
  symbol (*function_)(symbol) = nullptr;
  bool given_ = false;  // g++ under -fsanitize=undefined does not compare function pointers in constants
};

}  // namespace nn
}  // namespace rill

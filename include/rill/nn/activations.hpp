// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Activations as values, so that a layer's description can name one: `nn::dense{.units = 10, .activation = relu}`. They
/// are also the functions: `relu(x)`.

#include "../graph/trace.hpp"

namespace rill {

template <class = void>
constexpr symbol relu(symbol x) { return apply<ops::relu>(x); }
template <class = void>
constexpr symbol relu6(symbol x) { return apply<ops::relu6>(x); }
template <class = void>
constexpr symbol elu(symbol x) { return apply<ops::elu>(x); }
template <class = void>
constexpr symbol tanh(symbol x) { return apply<ops::tanh>(x); }
template <class = void>
constexpr symbol sigmoid(symbol x) { return apply<ops::sigmoid>(x); }
template <class = void>
constexpr symbol softplus(symbol x) { return apply<ops::softplus>(x); }
template <class = void>
constexpr symbol softsign(symbol x) { return apply<ops::softsign>(x); }

namespace nn {

/// An element-wise function of a symbol; the default is the identity (a linear layer). Tensors in an eager::module know it
/// by the library's functions above; another function is unimplemented there.
class activation {
 public:
  constexpr activation() = default;
  constexpr activation(symbol (*function)(symbol)) : function_(function), given_(true) {}  // NOLINT: implicit on purpose
  template <value V>
  constexpr V operator()(V x) const {
    if (!given_ || V::front_end::failed(x)) return x;
    if constexpr (std::is_same_v<V, symbol>) {
      return function_(x);
    } else {
      using f = symbol (*)(symbol);
      if (function_ == static_cast<f>(rill::relu)) return rill::relu(x);
      if (function_ == static_cast<f>(rill::tanh)) return rill::tanh(x);
      if (function_ == static_cast<f>(rill::sigmoid)) return rill::sigmoid(x);
      if (function_ == static_cast<f>(rill::elu)) return rill::elu(x);
      if (function_ == static_cast<f>(rill::relu6)) return rill::relu6(x);
      if (function_ == static_cast<f>(rill::softplus)) return rill::softplus(x);
      if (function_ == static_cast<f>(rill::softsign)) return rill::softsign(x);
      throw unimplemented("activation: a function that is not the library's takes symbols only; apply it beside the layer");
    }
  }

 private:
  symbol (*function_)(symbol) = nullptr;
  bool given_ = false;  // g++ under -fsanitize=undefined does not compare function pointers in constants
};

}  // namespace nn
}  // namespace rill

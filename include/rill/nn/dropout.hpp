// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Dropout layer: in training, zeroes each element with probability `rate` and scales the rest by 1 / (1 - rate); else the
/// identity. The mask is a function of (seed, step, index), so it does not depend on threads.

#include "layer.hpp"

namespace rill::nn {

struct dropout {
  float rate = 0.5f;
  std::string_view name = "dropout";

  template <value V>
  constexpr V operator()(V x) const {
    if (V::front_end::failed(x)) return x;
    variable_scope scope(x, name);
    if (!(rate >= 0 && rate < 1)) return rill::detail::fail<ops::random_uniform>(x, "the dropout rate must be in [0, 1)", "");
    return scope.layer("dropout", rill::dropout(x, static_cast<double>(rate)));
  }
};

}  // namespace rill::nn

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Change of element type: cast<To>(x). Floats are cut towards zero, numbers become true where they are not 0, true is 1.
/// The gradient is cast back; it is zero through an integer or bool.
///
///   x = cast<float>(pixels) * (1 / 255.f);

#include "forward.hpp"
#include "scalar.hpp"

namespace rill {
namespace ops {

template <class To>
struct cast : elementwise<1> {
  static constexpr auto name = "Cast";
  template <class...>
  using result = To;
  template <class V>
  static constexpr auto eval(V x) {
    using scalar::cast;
    return cast<To>(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) {
    if constexpr (std::is_floating_point_v<To>) return grads(cast_like(dy, x));
    else return grads(no_gradient{});
  }
};

}  // namespace ops

/// The elements as To.
template <class To, class A>
  requires operands<A>
constexpr auto cast(A&& x) {
  return apply<ops::cast<To>>(std::forward<A>(x));
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Change of element type between all numbers and bool: cast<To>(x). Towards an integer floats are cut towards zero, towards
/// half, bfloat16 and float numbers are rounded once; numbers become true where they are not 0, true is 1; a complex number
/// becomes its real part. The gradient is cast back; there is none through an integer or bool.
///
///   x = cast<float>(pixels) * (1 / 255.f);

#include "forward.hpp"
#include "scalar.hpp"

namespace rill {
namespace ops {

template <class To>
struct cast : elementwise<1> {
  static constexpr auto name = "Cast";
  static constexpr unsigned accepts = types::all;
  template <class...>
  using result = To;
  template <class V>
  static constexpr auto eval(V x) {
    using scalar::cast;
    return cast<To>(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) {
    if constexpr (is_floating_v<To> || is_complex_v<To>) return grads(cast_like(dy, x));
    else return grads(no_gradient{});
  }
};

}  // namespace ops

/// The elements as To.
template <class To, class A>
  requires operands<A>
constexpr applied_t<ops::cast<To>, A> cast(A&& x) {
  return apply<ops::cast<To>>(std::forward<A>(x));
}

}  // namespace rill

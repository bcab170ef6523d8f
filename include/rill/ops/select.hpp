// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Element-wise choice: select(condition, a, b) is a where the condition holds, b elsewhere. The condition is bool, a and
/// b have one dtype; all three broadcast. The gradient follows the choice.
///
///   y = select(x > 0, x, 0.1f * x);

#include "forward.hpp"
#include "scalar.hpp"

namespace rill {
namespace ops {

struct select : elementwise<3> {
  static constexpr auto name = "Select";
  static constexpr unsigned accepts = types::all;
  template <class, class A, class>
  using result = A;
  template <class C, class V>
  static constexpr V eval(C c, V a, V b) {
    using scalar::select;
    return select(c, a, b);
  }
  static constexpr auto vjp(auto dy, auto, auto c, auto, auto) {
    return grads(no_gradient{}, rill::select(c, dy, zeros_like(dy)), rill::select(c, zeros_like(dy), dy));
  }
};

}  // namespace ops

/// a where the condition holds, b elsewhere.
template <class C, class A, class B>
  requires operands<C, A, B>
constexpr applied_t<ops::select, C, A, B> select(C&& c, A&& a, B&& b) {
  return apply<ops::select>(std::forward<C>(c), std::forward<A>(a), std::forward<B>(b));
}
/// TensorFlow's name of `select`.
template <class C, class A, class B>
  requires operands<C, A, B>
constexpr applied_t<ops::select, C, A, B> where(C&& c, A&& a, B&& b) {
  return apply<ops::select>(std::forward<C>(c), std::forward<A>(a), std::forward<B>(b));
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Typed tensors through functions that are written for values: operands lend their elements, the result is a tensor of
/// static dtype whose rank is known at run time.
///
///   template <expr::eager X>
///   auto cumsum(const X& x, cumsum_options o = {}) { return eager::lift([&](const auto& v) { return cumsum(v, o); }, x); }

#include "../expr/contraction.hpp"
#include "front_end.hpp"

namespace rill::eager {

/// The elements of a typed operand without copying them where they lie in memory in order.
template <class T, std::int64_t... E>
dynamic_tensor lend(const tensor<T, E...>& t) {
  if constexpr (tensor<T, E...>::is_inline) return dynamic_tensor(t);
  else return {dtype_v<T>, t.shape(), t.owner(), const_cast<T*>(t.data())};
}
template <class D, class T, std::int64_t... E>
dynamic_tensor lend(const expression_base<D, T, E...>& x) {
  return dynamic_tensor(x);
}
inline const dynamic_tensor& lend(const dynamic_tensor& t) { return t; }

/// A result as a typed tensor; takes the elements over when nobody else holds them.
template <class T>
tensor<T, any_rank> as_tensor(dynamic_tensor&& t) {
  if (t.type() != dtype_v<T> || t.storage_count() != 1) return t.to<T, any_rank>();
  const tensor_shape s = t.shape();
  return tensor<T, any_rank>::adopt(std::move(t).release(), s);
}

/// f(operands...) as tensor<T, any_rank>.
template <class T, class F, class... X>
tensor<T, any_rank> lift_as(F&& f, const X&... x) {
  return as_tensor<T>(f(lend(x)...));
}
/// The same; the result has the dtype of the first operand.
template <class F, class X, class... R>
auto lift(F&& f, const X& x, const R&... rest) {
  return lift_as<typename X::element_type>(std::forward<F>(f), x, rest...);
}

}  // namespace rill::eager

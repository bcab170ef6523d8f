// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// An eager function inside a graph (TensorFlow's py_func): py_func<f>(result, x...) calls `f`, a function or a lambda
/// without captures over dynamic_tensor, whenever the step reaches it. f may branch and loop on data; its gradient is what
/// a tape around it finds. invalid_argument when the value is not of the dtype and shape that were announced.
///
///   auto y = eager::py_func<[](const dynamic_tensor& x) { return x * x; }>({x.type(), x.shape()}, x);

#include "gradient.hpp"

namespace rill::eager {

namespace detail {

inline dynamic_tensor copy_of(const operand_memory& m) {
  dynamic_tensor t = dynamic_tensor::uninitialized(m.type, m.shape);
  if (t.size() > 0) std::memcpy(t.mutable_data(), m.data, static_cast<std::size_t>(t.size()) * size_of(m.type));
  return t;
}
inline void store(const dynamic_tensor& t, const result_memory& out) {
  if (t.type() != out.type || !(t.shape() == out.shape))
    throw invalid_argument("py_func: the function gave " + std::string(name_of(t.type())) + to_string(t.shape()) +
                           ", announced was " + std::string(name_of(out.type)) + to_string(out.shape));
  if (t.size() > 0) std::memcpy(out.data, t.data(), static_cast<std::size_t>(t.size()) * size_of(t.type()));
}

/// The gradient of operand Which: operands are f's, then dy.
template <auto Function, int Operands, int Which>
struct py_func_grad_op {
  static constexpr auto name = "EagerPyFuncGrad";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1000;
  static void run(const attributes&, const operand_memory* in, const result_memory& out) {
    std::vector<dynamic_tensor> x;
    for (int k = 0; k < Operands; ++k) x.push_back(copy_of(in[k]));
    gradient_tape tape;
    for (const dynamic_tensor& t : x) tape.watch(t);
    const auto call = [&]<std::size_t... I>(std::index_sequence<I...>) { return dynamic_tensor(Function(x[I]...)); };
    const dynamic_tensor y = call(std::make_index_sequence<static_cast<std::size_t>(Operands)>{});
    const dynamic_tensor g = tape.gradient(y, x, copy_of(in[Operands]))[static_cast<std::size_t>(Which)];
    store(g.has_value() ? g : zeros_like(x[static_cast<std::size_t>(Which)]), out);
  }
};

template <auto Function, int Operands>
struct py_func_op {
  static constexpr auto name = "EagerPyFunc";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1000;
  static void run(const attributes&, const operand_memory* in, const result_memory& out) {
    const auto call = [&]<std::size_t... I>(std::index_sequence<I...>) { return dynamic_tensor(Function(copy_of(in[I])...)); };
    store(call(std::make_index_sequence<static_cast<std::size_t>(Operands)>{}), out);
  }
  static constexpr auto vjp(const attributes&, auto dy, auto, auto x)
    requires(Operands == 1)
  {
    return grads(grad<0>(x, dy, x));
  }
  static constexpr auto vjp(const attributes&, auto dy, auto, auto x, auto y)
    requires(Operands == 2)
  {
    return grads(grad<0>(x, dy, x, y), grad<1>(y, dy, x, y));
  }
  static constexpr auto vjp(const attributes&, auto dy, auto, auto x, auto y, auto z)
    requires(Operands == 3)
  {
    return grads(grad<0>(x, dy, x, y, z), grad<1>(y, dy, x, y, z), grad<2>(z, dy, x, y, z));
  }

 private:
  template <int Which, class V, class... R>
  static constexpr V grad(const V& of, const V& dy, const R&... x) {
    return V::front_end::template add<py_func_grad_op<Function, Operands, Which>>({of.type(), of.shape()}, {x..., dy});
  }
};

}  // namespace detail

/// f applied to one to three values; symbols give a node that calls it, tensors call it at once.
template <auto Function, value V, std::same_as<V>... R>
constexpr V py_func(const signature& result, V x, R... rest) {
  static_assert(sizeof...(R) < 3, "py_func takes at most three operands");
  if constexpr (std::is_same_v<V, symbol>) {
    for (const V& v : {x, rest...})
      if (V::front_end::failed(v)) return v;
    return V::front_end::template add<detail::py_func_op<Function, static_cast<int>(sizeof...(R)) + 1>>(result, {x, rest...});
  } else {
    return Function(x, rest...);
  }
}

}  // namespace rill::eager

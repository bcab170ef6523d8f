// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A plain C++ function as an op: custom_call<f>(result, x...). `f` is a function or a lambda without captures that takes
/// (const operand_memory* in, const result_memory& out), or XLA's (void* out, const void** in). It must write the whole
/// result, have no side effects and give the same for the same operands. dtype and shape of the result are the caller's to
/// say; there is no gradient (wrap it in eager::custom_gradient, or write an op).
///
///   auto y = custom_call<[](const operand_memory* in, const result_memory& out) { ... }>({dtype::float32, {3, 3}}, a, b);

#include <concepts>

#include "op.hpp"
#include "signature.hpp"

namespace rill {
namespace ops {

template <auto Function, int Operands>
struct custom_call_op {
  static constexpr auto name = "CustomCall";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  static void run(const attributes&, const operand_memory* in, const result_memory& out) {
    if constexpr (requires { Function(in, out); }) {
      Function(in, out);
    } else {
      const void* operands[static_cast<std::size_t>(Operands) + 1] = {};
      for (int k = 0; k < Operands; ++k) operands[k] = in[k].data;
      Function(out.data, operands);
    }
  }
};

}  // namespace ops

/// f applied to one to four values; the result has the given dtype and shape.
template <auto Function, value V, std::same_as<V>... R>
constexpr V custom_call(const signature& result, V x, R... rest) {
  static_assert(sizeof...(R) < 4, "custom_call takes at most four operands");
  for (const V& v : {x, rest...})
    if (V::front_end::failed(v)) return v;
  return V::front_end::template add<ops::custom_call_op<Function, static_cast<int>(sizeof...(R)) + 1>>(result, {x, rest...});
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Matrix product. matmul(a, b): [m, k] x [k, n] -> [m, n], either operand read transposed. Gradient: two more products.
/// Cost: 2 m n k flops; the kernel reads element-wise producers while packing and writes through element-wise consumers.

#include "op.hpp"
#include "signature.hpp"

namespace rill {

/// Options of matmul, as TensorFlow's transpose_a and transpose_b.
struct matmul_options {
  bool transpose_a = false, transpose_b = false;
};

namespace ops {

struct matmul_op {
  static constexpr auto name = "MatMul";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1000;

  static constexpr bool trans_a(const attributes& a) { return a.i[0] != 0; }
  static constexpr bool trans_b(const attributes& a) { return a.i[1] != 0; }

  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const auto& [ta, a] = in[0];
    const auto& [tb, b] = in[1];
    if (a.rank() != 2 || b.rank() != 2) {
      f.set("operands must be matrices", "reshape them to rank 2", in[0], in[1]);
      return {};
    }
    if (ta != tb || !is_floating(ta)) {
      f.set("operands must have one floating dtype", "cast one of them", in[0], in[1]);
      return {};
    }
    if (a[trans_a(at) ? 0 : 1] != b[trans_b(at) ? 1 : 0]) {
      f.set("inner dimensions differ", "the first operand's columns must equal the second's rows", in[0], in[1]);
      return {};
    }
    return {ta, {a[trans_a(at) ? 1 : 0], b[trans_b(at) ? 0 : 1]}};
  }
  /// Multiply-adds count as two flops.
  static constexpr std::int64_t flops(const attributes& at, const signature* in) {
    const auto& a = in[0].shape;
    const auto& b = in[1].shape;
    return 2 * a[0] * a[1] * b[trans_b(at) ? 0 : 1];
  }
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto a, auto b) {
    const bool ta = trans_a(at), tb = trans_b(at);
    auto da = ta ? matmul(b, dy, {tb, true}) : matmul(dy, b, {false, !tb});
    auto db = tb ? matmul(dy, a, {true, ta}) : matmul(a, dy, {!ta, false});
    return grads(da, db);
  }
};

}  // namespace ops
}  // namespace rill

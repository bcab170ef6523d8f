// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Matrix products. matmul(a, b): [m, k] x [k, n] -> [m, n], either operand read transposed or adjoint (the conjugate
/// transpose). Gradient: two more products. Cost: 2 m n k flops.
///
/// Two ops: MatMul multiplies two real matrices and is fused: it reads element-wise producers while packing and writes
/// through element-wise consumers. BatchMatMul multiplies [.., m, k] by [.., k, n] for every number type, matrix by matrix;
/// the leading axes broadcast by NumPy's rule (TensorFlow 1.8 wants them equal). `matmul` picks one. Products of half and
/// bfloat16 are summed in float32 and rounded once, or not at all: {.output_type = dtype::float32}. Bytes whose products are
/// summed in int32 are multiplied by matmul_integer (quantization.hpp).
///
///   matmul(a, b, {.transpose_b = true});             // [8, 5, 3] x [7, 3] -> [8, 5, 7]

#include "op.hpp"
#include "signature.hpp"

namespace rill {

/// Options of matmul, TensorFlow's: an operand is read transposed, or transposed and conjugated, not both.
struct matmul_options {
  bool transpose_a = false, transpose_b = false;
  bool adjoint_a = false, adjoint_b = false;
  dtype output_type = dtype::invalid;  ///< float32 for operands of half or bfloat16; else that of the operands
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
    auto da = ta ? matrix_product(b, dy, tb, true) : matrix_product(dy, b, false, !tb);
    auto db = tb ? matrix_product(dy, a, true, ta) : matrix_product(a, dy, !ta, false);
    return grads(da, db);
  }
};

/// i[0], i[1]: the operand is read transposed; i[2], i[3]: and conjugated. i[4]: the result's dtype, if it is another.
struct batch_matmul_op {
  static constexpr auto name = "BatchMatMul";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1000;

  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const dtype type = in[0].type, to = static_cast<dtype>(at.i[4]);
    const tensor_shape s = shape_of_product(at, in, f);
    if (f) return {};
    if (type != in[1].type || (!is_floating(type) && !is_integer(type) && !is_complex(type))) {
      f.set("operands must have one number dtype", "cast one of them", in[0], in[1]);
      return {};
    }
    if (to != dtype::invalid && to != type && (to != dtype::float32 || (type != dtype::float16 && type != dtype::bfloat16))) {
      f.set("output_type must be the operands' dtype, or float32 for half and bfloat16", "cast the result", in[0], {to, s});
      return {};
    }
    return {to == dtype::invalid ? type : to, s};
  }
  static constexpr tensor_shape shape_of_product(const attributes& at, const signature* in, failure& f) {
    const tensor_shape &a = in[0].shape, &b = in[1].shape;
    const int ra = a.rank(), rb = b.rank();
    if (ra < 2 || rb < 2) {
      f.set("operands must be matrices or batches of them", "matvec takes a vector; expand_dims makes one a matrix", in[0], in[1]);
      return {};
    }
    if (a[at.i[0] != 0 ? ra - 2 : ra - 1] != b[at.i[1] != 0 ? rb - 1 : rb - 2]) {
      f.set("inner dimensions differ", "the first operand's columns must equal the second's rows", in[0], in[1]);
      return {};
    }
    const int rank = ra > rb ? ra : rb;
    tensor_shape r;
    for (int k = 0; k < rank - 2; ++k) {
      const int i = k - (rank - ra), j = k - (rank - rb);
      const std::int64_t x = i < 0 ? 1 : a[i], y = j < 0 ? 1 : b[j];
      if (x != y && x != 1 && y != 1) {
        f.set("batch dimensions do not broadcast", "they must be equal or 1", in[0], in[1]);
        return {};
      }
      r.push_back(x == 1 ? y : x);
    }
    r.push_back(a[at.i[0] != 0 ? ra - 1 : ra - 2]);
    r.push_back(b[at.i[1] != 0 ? rb - 2 : rb - 1]);
    return r;
  }
  /// Multiply-adds count as two flops.
  static constexpr std::int64_t flops(const attributes& at, const signature* in) {
    failure f;
    const signature r = infer(at, in, f);
    const auto& a = in[0].shape;
    return 2 * r.shape.num_elements() * a[at.i[0] != 0 ? a.rank() - 2 : a.rank() - 1];
  }
  /// kernel/batch_matmul.hpp
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);

  // With A = op(a), B = op(b): dA = dy B^H and dB = A^H dy, brought back through op, and summed over repeated batch axes.
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto a, auto b) {
    const bool ta = at.i[0] != 0, tb = at.i[1] != 0, ca = at.i[2] != 0, cb = at.i[3] != 0;
    const bool other = ca == cb;  // conjugation of the other operand in either gradient, but for complex types moot
    const auto product = [&](auto x, auto y, bool tx, bool ty, bool cx, bool cy) {
      attributes p;
      p.i[0] = tx, p.i[1] = ty;
      if (is_complex(x.type())) p.i[2] = cx, p.i[3] = cy;
      return batch_matmul(x, y, p);
    };
    auto x = cast_like(a, dy), y = cast_like(b, dy);
    auto da = ta ? product(y, dy, tb, true, other, ca) : product(dy, y, false, !tb, ca, other);
    auto db = tb ? product(dy, x, true, ta, cb, other) : product(x, dy, !ta, false, other, cb);
    return grads(cast_like(unbroadcast(da, a.shape()), a), cast_like(unbroadcast(db, b.shape()), b));
  }
};

}  // namespace ops
}  // namespace rill

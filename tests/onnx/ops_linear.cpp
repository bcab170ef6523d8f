// SPDX-License-Identifier: Apache-2.0
// Products of matrices.
#include "driver.hpp"
#include "rill/eager/front_end.hpp"

namespace onnx {
namespace {
using namespace rill;

/// NumPy's matmul: vectors are a row on the left, a column on the right.
dynamic_tensor product(dynamic_tensor a, dynamic_tensor b) {
  const bool row = a.rank() == 1, column = b.rank() == 1;
  if (row) a = expand_dims(a, 0);
  if (column) b = expand_dims(b, 1);
  dynamic_tensor y = matmul(a, b);
  if (column) y = squeeze(y, {-1});
  return row ? squeeze(y, {column ? -1 : -2}) : y;
}

results gemm(const call& c) {
  num y = matmul(c.x(0), c.x(1), {.transpose_a = c.i("transA", 0) != 0, .transpose_b = c.i("transB", 0) != 0});
  if (const double alpha = c.f("alpha", 1); alpha != 1) y = y * alpha;
  if (!c.given(2)) return {y};
  const double beta = c.f("beta", 1);
  return {y + (beta == 1 ? num(c.x(2)) : num(c.x(2)) * beta)};
}

/// Small integers as int32, less their zero point; one per row when it is a vector on the left side.
dynamic_tensor centred(const call& c, std::size_t x, std::size_t zero, bool rows) {
  const dynamic_tensor wide = cast_to(c.x(x), dtype::int32);
  if (!c.given(zero)) return wide;
  dynamic_tensor z = cast_to(c.x(zero), dtype::int32);
  if (rows && z.rank() == 1) z = expand_dims(z, 1);
  return num(wide) - z;
}
results matmul_integer(const call& c) { return {product(centred(c, 0, 2, true), centred(c, 1, 3, false))}; }
results matmul_quantized(const call& c) {
  const dynamic_tensor y = product(centred(c, 0, 2, true), centred(c, 3, 5, false));
  return op("QuantizeLinear", {cast_to(y, dtype::float32), num(c.x(6)) / (num(c.x(1)) * c.x(4)), c.in[7]}, {});
}

}  // namespace

void add_linear(op_table& t) {
  t["MatMul"] = [](const call& c) -> results { return {product(c.x(0), c.x(1))}; };
  t["Gemm"] = gemm;
  t["MatMulInteger"] = matmul_integer;
  t["QLinearMatMul"] = matmul_quantized;
}

}  // namespace onnx

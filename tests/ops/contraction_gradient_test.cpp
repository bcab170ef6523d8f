// SPDX-License-Identifier: Apache-2.0
// Gradients of products, of first and second order.

#include <doctest/doctest.h>

#include <rill/eager/contraction.hpp>
#include <rill/ops/complex.hpp>

#include "derivatives.hpp"
#include "message_of.hpp"
#include "small_numbers.hpp"

using namespace rill;
using namespace rill::test;

TEST_CASE("gradients of products agree with central differences, twice") {
  const auto ok = [](const function2& f, const tensor_shape& a, const tensor_shape& b) {
    check_derivatives("product", f, {doubles(a, 11) / 3.0, doubles(b, 12) / 3.0});
  };
  for (const int flags : {0, 1, 2, 3}) {
    const bool ta = (flags & 1) != 0, tb = (flags & 2) != 0;
    const auto product = [&](auto x, auto y) { return matmul(x, y, {.transpose_a = ta, .transpose_b = tb}); };
    ok(product, ta ? tensor_shape{2, 3, 2} : tensor_shape{2, 2, 3}, tb ? tensor_shape{2, 2, 3} : tensor_shape{2, 3, 2});
    ok(product, ta ? tensor_shape{2, 1, 3, 2} : tensor_shape{2, 1, 2, 3}, tb ? tensor_shape{2, 2, 3} : tensor_shape{2, 3, 2});
    ok(product, ta ? tensor_shape{2, 3, 2} : tensor_shape{2, 2, 3}, tb ? tensor_shape{2, 3} : tensor_shape{3, 2});
  }
  ok([](auto x, auto y) { return einsum("bij,kjb->ki", x, y); }, {2, 3, 2}, {2, 2, 2});
  ok([](auto x, auto y) { return einsum("iij,jk->ki", x, y); }, {2, 2, 3}, {3, 2});
  ok([](auto x, auto y) { return tensordot(x, y, {0, 2}, {1, 0}); }, {2, 2, 3}, {3, 2});
  ok([](auto x, auto y) { return kron(x, y); }, {2, 2}, {1, 3});
  // complex operands, made of real ones: adjoint and plain
  for (const int flags : {0, 1, 2, 3}) {
    const bool aa = (flags & 1) != 0, ab = (flags & 2) != 0;
    const auto product = [&](auto x, auto y) {
      return matmul(rill::complex(x, y * 0.5), rill::complex(y, x * x), {.adjoint_a = aa, .adjoint_b = ab});
    };
    ok([&](auto x, auto y) { return real(product(x, y)); }, {2, 2, 2}, {2, 2, 2});
    ok([&](auto x, auto y) { return imag(product(x, y)); }, {2, 2, 2}, {2, 2, 2});
  }
}

TEST_CASE("sums of narrow floats stay float32 where that is asked for, and have gradients of the operands' dtype") {
  // Exact in float32, but not in bfloat16.
  const tensor<bfloat16, 2, 3> a{{1, 2, 3}, {4, 5, 6}}, b{{100, 1, 0}, {0, 1, 101}};
  CHECK(to_string(matmul<float>(a, b, {.transpose_b = true})) == "[[102. 305.]\n [405. 611.]]");
  CHECK(to_string(matmul(a, b, {.transpose_b = true})) == "[[102. 304.]\n [404. 612.]]");
  const dynamic_tensor x(a), y(b);
  eager::gradient_tape tape;
  tape.watch(x), tape.watch(y);
  const dynamic_tensor z = matmul(x, y, {.transpose_b = true, .output_type = dtype::float32});
  CHECK(z.type() == dtype::float32);
  const auto g = tape.gradient(reduce_sum(z), x, y);
  CHECK(g[0].type() == dtype::bfloat16);
  CHECK(to_string(cast_to(g[0], dtype::float32)) == "[[100.   2. 101.]\n [100.   2. 101.]]");
  CHECK(to_string(cast_to(g[1], dtype::float32)) == "[[5. 7. 9.]\n [5. 7. 9.]]");
  const std::string said = message_of([&] { matmul(cast_to(x, dtype::int32), cast_to(y, dtype::int32), {.transpose_b = true, .output_type = dtype::float32}); });
  CHECK(said.find("output_type") != std::string::npos);
}

// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <random>
#include <vector>

#include <rill/cuda/convolution.cuh>
#include <rill/kernel/tile.hpp>
#include <rill/ops/binary.hpp>
#include <rill/ops/unary.hpp>

#include "device.hpp"

namespace {

using namespace rill;
using namespace rill::expr;

using x = in<float, walk::contiguous>;
using biased = program<list<x, x>, list<let<ops::add, ~0, ~1>, let<ops::relu, 0>>, list<out<float, 1>>>;
using squared = program<list<x>, list<let<ops::mul, ~0, ~0>>, list<out<float, 0>>>;

/// Small whole numbers: every sum of their products is exact, whatever the order.
std::vector<float> whole(std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> v(static_cast<std::size_t>(n));
  for (float& e : v) e = static_cast<float>(static_cast<int>(random() % 5) - 2);
  return v;
}

/// Runs `f` with the operands and the epilogue of the device and of the CPU, in that order.
template <bool Expression = false, class F>
void same(const kernel::conv2d_dims& d, std::int64_t rows, std::int64_t columns, const std::vector<float>& a, std::int64_t a_row, const std::vector<float>& b,
          std::int64_t b_row, F&& f) {
  CAPTURE(d.in_c);
  CAPTURE(d.out_c);
  CAPTURE(d.stride_h);
  const auto bias = whole(columns, 8);
  std::vector<float> y(static_cast<std::size_t>(rows * columns), -7), want(y.size(), 7);
  cuda::tile_epilogue<biased, float> e;
  e.input(1, bias.data(), 0), e.output(0, y.data(), columns), e.columns = columns;
  kernel::tile_epilogue<biased, float> h;
  h.input(1, bias.data(), 0), h.output(0, want.data(), columns), h.columns = columns;
  if constexpr (Expression) {
    cuda::operand_reader<squared, float> p;
    kernel::operand_reader<squared, float> q;
    p.input(0, a.data(), a_row), q.input(0, a.data(), a_row);
    f(p, cuda::plain_operand<float>{b.data(), b_row}, e, q, kernel::plain_operand<float>{b.data(), b_row}, h);
  } else {
    f(cuda::plain_operand<float>{a.data(), a_row}, cuda::plain_operand<float>{b.data(), b_row}, e, kernel::plain_operand<float>{a.data(), a_row},
      kernel::plain_operand<float>{b.data(), b_row}, h);
  }
  CHECK(y == want);
}

TEST_CASE("a convolution and its gradients give what the CPU gives") {
  test::device device;
  for (kernel::conv2d_dims d : {kernel::conv2d_dims{2, 7, 6, 1, 5, 5, 7, 6, 8, 1, 1, 2, 2}, kernel::conv2d_dims{1, 9, 8, 4, 3, 3, 9, 8, 36, 1, 1, 1, 1},
                                kernel::conv2d_dims{2, 9, 7, 3, 3, 2, 4, 3, 5, 2, 2, 0, 0}, kernel::conv2d_dims{1, 5, 7, 8, 2, 3, 3, 3, 4, 2, 3, 1, 2},
                                kernel::conv2d_dims{3, 4, 4, 6, 1, 1, 4, 4, 40, 1, 1, 0, 0}, kernel::conv2d_dims{5, 16, 17, 1, 2, 2, 15, 16, 2, 1, 1, 0, 0}}) {
    d.direct = true;
    const std::int64_t taps = d.k_h * d.k_w * d.in_c;
    const auto images = whole(d.batch * d.in_h * d.in_w * d.in_c, 1), filter = whole(taps * d.out_c, 2), dy = whole(d.batch * d.out_h * d.out_w * d.out_c, 3);
    same(d, d.batch * d.out_h * d.out_w, d.out_c, images, d.in_w * d.in_c, filter, d.out_c,
         [&](const auto& a, const auto& b, const auto& e, const auto& p, const auto& q, const auto& h) {
           cuda::conv2d<float>(device, d, a, b, e);
           kernel::conv2d<float>(d, p, q, h);
         });
    same(d, d.batch * d.in_h * d.in_w, d.in_c, dy, d.out_w * d.out_c, filter, d.out_c,
         [&](const auto& a, const auto& b, const auto& e, const auto& p, const auto& q, const auto& h) {
           cuda::conv2d_backprop_input<float>(device, d, a, b, e);
           kernel::conv2d_backprop_input<float>(d, p, q, h);
         });
    same<true>(d, taps, d.out_c, images, d.in_w * d.in_c, dy, d.out_w * d.out_c,
               [&](const auto& a, const auto& b, const auto& e, const auto& p, const auto& q, const auto& h) {
                 cuda::conv2d_backprop_filter<float>(device, d, a, b, e);
                 kernel::conv2d_backprop_filter<float>(d, p, q, h);
               });
  }
}

}  // namespace

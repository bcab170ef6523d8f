// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include <rill/cuda/pooling.cuh>
#include <rill/kernel/tile.hpp>
#include <rill/ops/binary.hpp>
#include <rill/ops/unary.hpp>

#include "device.hpp"

namespace {

using namespace rill;
using namespace rill::expr;

template <class T>
using x = in<T, walk::contiguous>;
template <class T>
using biased = program<list<x<T>, x<T>>, list<let<ops::add, ~0, ~1>, let<ops::relu, 0>>, list<out<T, 1>>>;
template <class T>
using squared = program<list<x<T>>, list<let<ops::mul, ~0, ~0>>, list<out<T, 0>>>;

/// Few different numbers, so that windows have several largest.
template <class T>
std::vector<T> numbers(std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<T> v(static_cast<std::size_t>(n));
  for (T& e : v) e = static_cast<T>(static_cast<int>(random() % 7) - 3) / 2;
  return v;
}

/// Runs `f` with the epilogue of the device and of the CPU. Sums of products may differ by a rounding.
template <class T, class F>
void same(std::int64_t rows, std::int64_t columns, F&& f, double difference = 0) {
  const auto bias = numbers<T>(columns, 8);
  std::vector<T> y(static_cast<std::size_t>(rows * columns), -7), want(y.size(), 7);
  cuda::tile_epilogue<biased<T>, T> e;
  e.input(1, bias.data(), 0), e.output(0, y.data(), columns), e.columns = columns;
  kernel::tile_epilogue<biased<T>, T> h;
  h.input(1, bias.data(), 0), h.output(0, want.data(), columns), h.columns = columns;
  f(e, h);
  int wrong = 0;
  for (std::size_t i = 0; i < y.size(); ++i) wrong += !(std::abs(static_cast<double>(y[i]) - static_cast<double>(want[i])) <= difference);
  CHECK(wrong == 0);
}

template <class T>
void check(const kernel::pool2d_dims& d) {
  CAPTURE(d.in_h);
  CAPTURE(d.c);
  CAPTURE(d.stride_h);
  test::device device;
  const std::int64_t x_row = d.in_w * d.c, dy_row = d.out_w * d.c, pixels = d.batch * d.in_h * d.in_w, windows = d.batch * d.out_h * d.out_w;
  const auto images = numbers<T>(pixels * d.c, 1), dy = numbers<T>(windows * d.c, 2);
  const cuda::plain_operand<T> a{images.data(), x_row}, b{dy.data(), dy_row};
  const kernel::plain_operand<T> p{images.data(), x_row}, q{dy.data(), dy_row};
  cuda::operand_reader<squared<T>, T> s;
  kernel::operand_reader<squared<T>, T> r;
  s.input(0, images.data(), x_row), r.input(0, images.data(), x_row);
  same<T>(windows, d.c, [&](const auto& e, const auto& h) { cuda::max_pool2d<T>(device, d, a, e), kernel::max_pool2d<T>(d, p, h); });
  same<T>(windows, d.c, [&](const auto& e, const auto& h) { cuda::max_pool2d<T>(device, d, s, e), kernel::max_pool2d<T>(d, r, h); });
  same<T>(pixels, d.c, [&](const auto& e, const auto& h) { cuda::max_pool2d_grad<T>(device, d, a, b, e), kernel::max_pool2d_grad<T>(d, p, q, h); });
  same<T>(pixels, d.c, [&](const auto& e, const auto& h) { cuda::max_pool2d_grad<T>(device, d, s, b, e), kernel::max_pool2d_grad<T>(d, r, q, h); });
  same<T>(windows, d.c, [&](const auto& e, const auto& h) { cuda::avg_pool2d<T>(device, d, a, e), kernel::avg_pool2d<T>(d, p, h); }, 1e-6);
  same<T>(pixels, d.c, [&](const auto& e, const auto& h) { cuda::avg_pool2d_grad<T>(device, d, b, e), kernel::avg_pool2d_grad<T>(d, q, h); }, 1e-6);
}

TEST_CASE("pooling and its gradients give what the CPU gives") {
  using d = kernel::pool2d_dims;
  for (const d& e : {d{2, 8, 6, 8, 2, 2, 4, 3, 2, 2, 0, 0}, d{2, 9, 7, 5, 2, 2, 4, 3, 2, 2, 0, 0}, d{1, 7, 9, 4, 3, 3, 4, 5, 2, 2, 1, 1},
                     d{2, 6, 5, 3, 3, 2, 6, 5, 1, 1, 1, 0}, d{1, 5, 5, 12, 2, 2, 2, 2, 3, 3, 0, 0}, d{1, 3, 3, 1, 5, 5, 3, 3, 1, 1, 2, 2}, d{0, 4, 4, 4, 2, 2, 2, 2, 2, 2, 0, 0}})
    check<float>(e);
  check<double>({2, 7, 7, 6, 3, 3, 3, 3, 2, 2, 0, 0});
}

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include <rill/kernel/tile.hpp>
#include <rill/ops/binary.hpp>
#include <rill/ops/unary.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace rill;
using namespace rill::expr;

namespace {
using c = in<float, walk::contiguous>;
using k = in<float, walk::constant>;
using s = in<float, walk::strided>;
}  // namespace

TEST_CASE("tile_epilogue: bias, scale, a transposed residual and two outputs, whole and partial") {
  using p = program<list<c, c, k, s>, list<let<ops::add, ~0, ~1>, let<ops::relu, 0>, let<ops::mul, 1, ~2>, let<ops::add, 2, ~3>>,
                    list<out<float, 3>, out<float, 1>>>;
  constexpr int w = static_cast<int>(xsimd::batch<float>::size);
  constexpr int rows = 3;
  constexpr int columns = w + 3;
  std::vector<float> bias(columns);
  std::vector<float> scale(rows);
  std::vector<float> residual(rows * columns);
  std::vector<float> y(rows * columns + 1, -1.0F);
  std::vector<float> z(rows * columns + 1, -1.0F);
  for (int j = 0; j < columns; ++j) bias[static_cast<std::size_t>(j)] = static_cast<float>(j) - 4;
  for (int i = 0; i < rows; ++i) scale[static_cast<std::size_t>(i)] = static_cast<float>(i) + 1;
  for (int i = 0; i < rows * columns; ++i) residual[static_cast<std::size_t>(i)] = static_cast<float>(i);
  kernel::tile_epilogue<p, float> e;
  e.input(1, bias.data(), 0);
  e.input(2, scale.data(), 1);
  e.input(3, residual.data(), 1, rows);
  e.output(0, y.data(), columns);
  e.output(1, z.data(), columns);
  e.columns = columns;
  for (int i = 0; i < rows; ++i) {
    e(i, 0, xsimd::batch<float>(-2.0F));
    e.tail(i, w, xsimd::batch<float>(2.0F), columns - w);
  }
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      const float relu = std::max(0.0F, (j < w ? -2.0F : 2.0F) + bias[static_cast<std::size_t>(j)]);
      const auto at = static_cast<std::size_t>(i * columns + j);
      CHECK(z[at] == relu);
      CHECK(y[at] == relu * scale[static_cast<std::size_t>(i)] + residual[static_cast<std::size_t>(i + rows * j)]);
    }
  CHECK(y.back() == -1);
  static_assert(!kernel::tile_epilogue<p, float>::plain_store);
  using pass = program<list<c>, list<>, list<out<float, ~0>>>;
  static_assert(kernel::tile_epilogue<pass, float>::plain_store);
}

TEST_CASE("operand_reader: computes segments, or points at the memory itself") {
  std::vector<float> x(80);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  const float factor[] = {1, 10, 100};
  using p = program<list<c, k>, list<let<ops::mul, ~0, ~1>>, list<out<float, 0>>>;
  kernel::operand_reader<p, float> r;
  r.input(0, x.data(), 20);
  r.input(1, factor, 1);
  for (const std::int64_t n : {0, 1, 15, 16, 17, 19}) {
    float scratch[20];
    std::fill(scratch, scratch + 20, -1.0F);
    const float* got = r.segment(2, 1, n, scratch);
    for (std::int64_t j = 0; j < 20; ++j) CHECK(got[j] == (j < n ? x[static_cast<std::size_t>(41 + j)] * 100 : -1.0F));
  }
  using pass = program<list<c>, list<>, list<out<float, ~0>>>;
  kernel::operand_reader<pass, float> q;
  q.input(0, x.data(), 20);
  static_assert(kernel::operand_reader<pass, float>::plain_load);
  CHECK(q.segment(1, 2, 3, nullptr) == x.data() + 22);
}

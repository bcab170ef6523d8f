// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Row kernels of ops/nn.hpp and ops/batch_norm.hpp: log_softmax, softmax cross-entropy with dense labels, sums over
/// neighbouring channels. float and double; a row is read again while it is in the first-level cache.

#include <algorithm>
#include <cmath>

#include "../ops/batch_norm.hpp"
#include "../ops/nn.hpp"
#include "softmax.hpp"

namespace rill::kernel {

/// y = x - log sum exp(x) of each row.
template <class T>
void log_softmax(std::int64_t rows, std::int64_t columns, const T* x, T* y) {
  parallel_for(rows, detail::rows_per_task(columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const T* row = x + r * columns;
      const auto s = detail::exponentials(row, columns, static_cast<T*>(nullptr));
      const T log_sum = std::log(s.sum);
      for (std::int64_t k = 0; k < columns; ++k) y[r * columns + k] = (row[k] - s.largest) - log_sum;
    }
  });
}

/// loss[r] = sum labels (log sum exp(x) - x) of each row, without the classes whose label is 0.
template <class T>
void softmax_cross_entropy(std::int64_t rows, std::int64_t columns, const T* x, const T* labels, T* loss) {
  constexpr int W = rill::detail::native_lanes<T>;
  using V = pack<T, W>;
  parallel_for(rows, detail::rows_per_task(columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const T *row = x + r * columns, *label = labels + r * columns;
      const auto s = detail::exponentials(row, columns, static_cast<T*>(nullptr));
      const V largest(s.largest), log_sum(std::log(s.sum)), zero(0);
      const auto term = [&](V l, V v) { return select(l == zero, zero, l * (log_sum - (v - largest))); };
      V total(0);
      std::int64_t k = 0;
      for (; k + W <= columns; k += W) total = total + term(V::load(label + k), V::load(row + k));
      if (k < columns) {
        const auto inside = pack<bool, W>::from_bits((std::uint64_t{1} << (columns - k)) - 1);
        total = total + select(inside, term(V::load(label + k, columns - k), V::load(row + k, columns - k)), zero);
      }
      loss[r] = combine_lanes(total, [](V a, V b) { return a + b; });
    }
  });
}

/// y[r][k] = the sum of x[r][j] over |j - k| <= radius.
template <class T>
void sum_neighbours(std::int64_t rows, std::int64_t columns, std::int64_t radius, const T* x, T* y) {
  parallel_for(rows, detail::rows_per_task(columns * (2 * std::min(radius, columns) + 1)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const T* from = x + r * columns;
      T* to = y + r * columns;
      for (std::int64_t k = 0; k < columns; ++k) to[k] = from[k];
      for (std::int64_t d = 1; d <= radius && d < columns; ++d) {
        for (std::int64_t k = 0; k < columns - d; ++k) to[k] += from[k + d];
        for (std::int64_t k = d; k < columns; ++k) to[k] += from[k - d];
      }
    }
  });
}

namespace detail {
/// Calls f(rows, columns, T()) for a tensor of float or double seen as rows along its last axis.
template <class F>
void by_rows(const char* op, const operand_memory& x, const F& f) {
  const std::int64_t columns = x.shape[x.shape.rank() - 1];
  const std::int64_t rows = x.shape.num_elements() / std::max<std::int64_t>(columns, 1);
  if (x.type == dtype::float32) return f(rows, columns, float());
  if (x.type == dtype::float64) return f(rows, columns, double());
  throw unimplemented(std::string(op) + ": cast " + std::string(name_of(x.type)) + " to float32");
}
}  // namespace detail

}  // namespace rill::kernel

namespace rill::ops {

template <class>
void log_softmax_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  kernel::detail::by_rows(name, in[0], [&]<class T>(std::int64_t rows, std::int64_t columns, T) {
    kernel::log_softmax(rows, columns, in[0].as<T>(), out.as<T>());
  });
}
template <class>
void softmax_cross_entropy_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  if (in[0].shape[in[0].shape.rank() - 1] == 0) {  // no classes, no loss
    if (out.size() > 0) std::memset(out.data, 0, static_cast<std::size_t>(out.size()) * size_of(out.type));
    return;
  }
  kernel::detail::by_rows(name, in[0], [&]<class T>(std::int64_t rows, std::int64_t columns, T) {
    kernel::softmax_cross_entropy(rows, columns, in[0].as<T>(), in[1].as<T>(), out.as<T>());
  });
}
template <class>
void neighbour_sum_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::by_rows(name, in[0], [&]<class T>(std::int64_t rows, std::int64_t columns, T) {
    kernel::sum_neighbours(rows, columns, at.i[0], in[0].as<T>(), out.as<T>());
  });
}

}  // namespace rill::ops

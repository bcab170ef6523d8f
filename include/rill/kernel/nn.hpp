// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Row kernels of ops/nn.hpp: log_softmax, softmax cross-entropy with dense labels (and those of lrn.hpp and normalization.hpp). float and
/// double; a row is read again while it is in the first-level cache.

#include <algorithm>
#include <cmath>

#include "../ops/batch_norm.hpp"
#include "../ops/nn.hpp"
#include "lrn.hpp"
#include "normalization.hpp"
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
      detail::along<T>(columns, [&](std::int64_t k, auto lanes) {
        detail::put(y + r * columns + k, (detail::get(row + k, lanes) - detail::wide<T>(s.largest)) - detail::wide<T>(log_sum), lanes);
      });
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

}  // namespace rill::kernel

namespace rill::ops {

template <class>
void log_softmax_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  kernel::detail::by_rows(name, in[0], [&]<class T>(std::int64_t rows, std::int64_t columns, T) {
    kernel::log_softmax(rows, columns, in[0].as<T>(), out.as<T>());
  });
}
template <class>
void log_softmax_grad_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  kernel::detail::by_rows(name, in[0], [&]<class T>(std::int64_t rows, std::int64_t columns, T) {
    kernel::log_softmax_grad(rows, columns, in[0].as<T>(), in[1].as<T>(), out.as<T>());
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

}  // namespace rill::ops

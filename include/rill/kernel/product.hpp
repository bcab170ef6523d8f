// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The kernel of the gradient of reduce_prod (ops::product_of_others_op): products of what comes before an element with
/// products of what comes after it, in one pass each way, in parallel over the rows. Nothing is divided.

#include <vector>

#include "../core/dtype.hpp"
#include "../ops/reduction.hpp"
#include "parallel.hpp"

namespace rill::kernel {

/// out(., row, k) = the product of x(., row, j) over j != k, of numbers of `parts` components (ops::product_of_others_op).
template <class T>
void product_of_others(const T* x, T* out, std::int64_t parts, std::int64_t rows, std::int64_t n) {
  using W = compute_t<T>;
  const std::int64_t step = rows * n;
  const auto multiply = [&](const W* a, const W* b, W* to) {  // component s of a product: the sum over subsets u of s of a(u) b(s - u)
    for (std::int64_t s = 0; s < parts; ++s) {
      W sum(0);
      for (std::int64_t u = s;; u = (u - 1) & s) {
        sum += a[u] * b[s ^ u];
        if (u == 0) break;
      }
      to[s] = sum;
    }
  };
  parallel_for(rows, 8192 / (n * parts * parts + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<W> after(static_cast<std::size_t>(n * parts)), one(static_cast<std::size_t>(3 * parts));
    W *const before = one.data(), *const element = before + parts, *const product = element + parts;
    for (std::int64_t row = begin; row < end; ++row) {
      const T* const from = x + row * n;
      T* const to = out + row * n;
      const auto read = [&](std::int64_t k) {
        for (std::int64_t s = 0; s < parts; ++s) element[s] = static_cast<W>(from[s * step + k]);
      };
      for (std::int64_t k = n - 1; k >= 0; --k) {
        W* const here = after.data() + k * parts;
        if (k == n - 1) {
          for (std::int64_t s = 0; s < parts; ++s) here[s] = W(s == 0 ? 1 : 0);
        } else {
          read(k + 1);
          multiply(here + parts, element, here);
        }
      }
      for (std::int64_t s = 0; s < parts; ++s) before[s] = W(s == 0 ? 1 : 0);
      for (std::int64_t k = 0; k < n; ++k) {
        multiply(before, after.data() + k * parts, product);
        for (std::int64_t s = 0; s < parts; ++s) to[s * step + k] = static_cast<T>(product[s]);
        read(k);
        multiply(before, element, product);
        for (std::int64_t s = 0; s < parts; ++s) before[s] = product[s];
      }
    }
  });
}

}  // namespace rill::kernel

namespace rill::ops {

template <class>
void product_of_others_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const tensor_shape& s = out.shape;
  visit_floating(out.type, [&](auto t) {
    using T = typename decltype(t)::type;
    kernel::product_of_others(in[0].as<T>(), out.as<T>(), s[0], s[1], s[2]);
  }, name);
}

}  // namespace rill::ops

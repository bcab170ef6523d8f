// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The CPU kernels of ops/sparse.hpp. Products with sparse matrices run in parallel over the rows of the result, each of
/// which adds its elements in the order in which they are stored: the same for any number of threads.

#include <algorithm>
#include <vector>

#include "../ops/sparse.hpp"
#include "indexing.hpp"
#include "segment.hpp"

namespace rill::kernel {

namespace detail {

/// "indices[3] = [0, 7]".
inline std::string sparse_position(const std::int64_t* indices, std::int64_t k, int rank) {
  std::string text = "indices[" + std::to_string(k) + "] = [";
  for (int d = 0; d < rank; ++d) text += (d > 0 ? ", " : "") + std::to_string(indices[k * rank + d]);
  return text + "]";
}
/// -1, 0, 1 as index vector a stands before, at or behind b.
inline int compare_indices(const std::int64_t* a, const std::int64_t* b, int rank) {
  for (int d = 0; d < rank; ++d)
    if (a[d] != b[d]) return a[d] < b[d] ? -1 : 1;
  return 0;
}
/// out_of_range unless all of n index vectors lie inside of a shape; a negative extent is not known.
inline void check_sparse_bounds(const char* op, const std::int64_t* indices, std::int64_t n,
                                const tensor_shape& shape) {
  const int rank = shape.rank();
  for (std::int64_t k = 0; k < n; ++k)
    for (int d = 0; d < rank; ++d) {
      const std::int64_t i = indices[k * rank + d];
      if (i >= 0 && (i < shape[d] || shape[d] < 0)) continue;
      throw out_of_range(std::string(op) + ": " + sparse_position(indices, k, rank) + " is outside of the shape " +
                         to_string(shape));
    }
}
/// invalid_argument unless index vectors ascend (and none repeats, if that is forbidden).
inline void check_sparse_order(const char* op, const std::int64_t* indices, std::int64_t n, int rank,
                               bool unique = true) {
  for (std::int64_t k = 1; k < n; ++k) {
    const int c = compare_indices(indices + (k - 1) * rank, indices + k * rank, rank);
    if (c < 0 || (c == 0 && !unique)) continue;
    throw invalid_argument(std::string(op) + ": " + sparse_position(indices, k, rank) +
                           (c == 0 ? " is repeated" : " is out of order; sparse_reorder puts indices in order"));
  }
}
/// The canonical order of n index vectors of a shape, equal ones as they are; empty when they are in order.
inline std::vector<std::int64_t> sparse_order(const std::int64_t* indices, std::int64_t n, const tensor_shape& shape) {
  const int rank = shape.rank();
  bool sorted = true;
  for (std::int64_t k = 1; sorted && k < n; ++k)
    sorted = compare_indices(indices + (k - 1) * rank, indices + k * rank, rank) <= 0;
  std::vector<std::int64_t> order;
  if (sorted) return order;
  order.resize(static_cast<std::size_t>(n));
  for (std::int64_t k = 0; k < n; ++k) order[static_cast<std::size_t>(k)] = k;
  std::int64_t size = 0;
  std::vector<std::int64_t> keys;
  if (shape.is_static() && rill::detail::dense_size(shape, size)) {
    keys.resize(static_cast<std::size_t>(n));
    for (std::int64_t k = 0; k < n; ++k)
      for (int d = 0; d < rank; ++d)
        keys[static_cast<std::size_t>(k)] = keys[static_cast<std::size_t>(k)] * shape[d] + indices[k * rank + d];
  }
  const std::int64_t* const key = keys.empty() ? nullptr : keys.data();
  std::sort(order.begin(), order.end(), [=](std::int64_t a, std::int64_t b) {
    if (key) return key[a] != key[b] ? key[a] < key[b] : a < b;
    const int c = compare_indices(indices + a * rank, indices + b * rank, rank);
    return c != 0 ? c < 0 : a < b;
  });
  return order;
}

/// to[j] += v * from[j].
template <class T>
void add_multiple(T v, const T* __restrict from, std::int64_t n, T* __restrict to) {
  using k = scatter_kind;
  const auto one = [&](std::int64_t j) { to[j] = combined<k::add>(to[j], combined<k::mul>(v, from[j])); };
  std::int64_t j = 0;
  for (; j + 16 <= n; j += 16)
    for (std::int64_t i = 0; i < 16; ++i) one(j + i);
  for (; j < n; ++j) one(j);
}
/// The sum of a[j] * b[j], in sixteen partial sums.
template <class T>
T sum_of_products(const T* __restrict a, const T* __restrict b, std::int64_t n) {
  using k = scatter_kind;
  T s[16] = {};
  std::int64_t j = 0;
  for (; j + 16 <= n; j += 16)
    for (std::int64_t i = 0; i < 16; ++i) s[i] = combined<k::add>(s[i], combined<k::mul>(a[j + i], b[j + i]));
  for (; j < n; ++j) s[0] = combined<k::add>(s[0], combined<k::mul>(a[j], b[j]));
  for (std::int64_t half = 8; half > 0; half /= 2)
    for (std::int64_t i = 0; i < half; ++i) s[i] = combined<k::add>(s[i], s[i + half]);
  return s[0];
}
template <class F>
void visit_sparse_product(dtype type, const F& f, const char* op) {
  if (type == dtype::float16 || type == dtype::bfloat16 ||
      (is_integer(type) && type != dtype::int32 && type != dtype::int64))
    throw unimplemented(std::string(op) +
                        " has kernels for float32, float64, int32, int64 and complex numbers, not for " +
                        std::string(name_of(type)));
  rill::detail::visit_one_of<dtype::float32, dtype::float64, dtype::int32, dtype::int64, dtype::complex64,
                             dtype::complex128>(type, "a number type", op, f);
}

/// out[row] += values[e] * dense[column] for each element e; rows are column `row_at` of the indices [n, 2].
template <class T>
void sparse_product(const std::int64_t* indices, std::int64_t n, int row_at, const T* values, const T* dense,
                    std::int64_t rows, std::int64_t width, T* out) {
  // where each row's elements begin, and which they are (nothing where they are in order)
  std::vector<std::int64_t> first(static_cast<std::size_t>(rows) + 1), order;
  bool sorted = true;
  for (std::int64_t e = 0; e < n; ++e) {
    ++first[static_cast<std::size_t>(indices[2 * e + row_at]) + 1];
    sorted = sorted && (e == 0 || indices[2 * e - 2 + row_at] <= indices[2 * e + row_at]);
  }
  for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) first[r + 1] += first[r];
  if (!sorted) {
    order.resize(static_cast<std::size_t>(n));
    std::vector<std::int64_t> next(first.begin(), first.end() - 1);
    for (std::int64_t e = 0; e < n; ++e)
      order[static_cast<std::size_t>(next[static_cast<std::size_t>(indices[2 * e + row_at])]++)] = e;
  }
  const std::int64_t work = (n / rows + 1) * width;
  parallel_for(rows, 65536 / work + 1, [&](std::int64_t begin, std::int64_t end) {
    std::fill(out + begin * width, out + end * width, T(0));
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t k = first[static_cast<std::size_t>(r)]; k < first[static_cast<std::size_t>(r) + 1]; ++k) {
        const std::int64_t e = sorted ? k : order[static_cast<std::size_t>(k)];
        add_multiple(values[e], dense + indices[2 * e + 1 - row_at] * width, width, out + r * width);
      }
  });
}

}  // namespace detail
}  // namespace rill::kernel

namespace rill::ops {

template <class>
void sparse_to_dense_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const int rank = out.shape.rank();
  const std::int64_t n = in[0].shape.rank() == 0 ? 1 : in[0].shape[0];
  std::vector<std::int64_t> wide;
  const std::int64_t* indices = in[0].as<std::int64_t>();
  if (in[0].type != dtype::int64) {
    wide.assign(in[0].as<std::int32_t>(), in[0].as<std::int32_t>() + in[0].size());
    indices = wide.data();
  }
  kernel::detail::check_sparse_bounds(name, indices, n, out.shape);
  if (at.i[0] != 0) kernel::detail::check_sparse_order(name, indices, n, rank);
  const std::int64_t size = out.size();
  if (size == 0) return;
  kernel::copy_nest fill;
  fill.axis(size, 0, 1);
  kernel::copy(out.type, in[2].data, out.data, fill);
  std::vector<std::int64_t> to(static_cast<std::size_t>(n));
  for (std::int64_t k = 0; k < n; ++k)
    for (int d = 0; d < rank; ++d)
      to[static_cast<std::size_t>(k)] = to[static_cast<std::size_t>(k)] * out.shape[d] + indices[k * rank + d];
  if (in[1].shape.rank() == 1)
    return kernel::detail::scatter_rows(name, out.type, scatter_kind::update, to, in[1].data, 1, size, out.data);
  for (const std::int64_t k : to)
    kernel::detail::copy_all(out.type, in[1].data, kernel::detail::element_at(out.type, out.data, k), 1);
}

template <class>
void sparse_order_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const std::int64_t n = in[0].shape[0];
  const tensor_shape shape = sparse_attributes::shape(at, static_cast<int>(in[0].shape[1]));
  const auto* indices = in[0].as<std::int64_t>();
  kernel::detail::check_sparse_bounds(name, indices, n, shape);
  const auto order = kernel::detail::sparse_order(indices, n, shape);
  for (std::int64_t k = 0; k < n; ++k)
    out.as<std::int64_t>()[k] = order.empty() ? k : order[static_cast<std::size_t>(k)];
}

template <class>
void sparse_flat_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const std::int64_t n = in[0].shape[0];
  const int rank = static_cast<int>(in[0].shape[1]), count = static_cast<int>(at.i[9]);
  const tensor_shape shape = sparse_attributes::shape(at, rank);
  const auto* indices = in[0].as<std::int64_t>();
  kernel::detail::check_sparse_bounds(name, indices, n, shape);
  for (std::int64_t k = 0; k < n; ++k) {
    std::int64_t flat = 0;
    for (int j = 0; j < count; ++j) {
      const int d = static_cast<int>(at.i[8] >> (4 * j) & 0xf);
      flat = (j == 0 ? 0 : flat * shape[d]) + indices[k * rank + d];
    }
    out.as<std::int64_t>()[k] = flat;
  }
}
template <class>
void sparse_unflat_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const int rank = static_cast<int>(out.shape[1]);
  auto* to = out.as<std::int64_t>();
  for (std::int64_t k = 0, n = in[0].size(); k < n; ++k) {
    std::int64_t rest = in[0].as<std::int64_t>()[k];
    for (int d = rank - 1; d >= 0; --d) {
      to[k * rank + d] = d == 0 ? rest : rest % at.i[d];
      if (d > 0) rest /= at.i[d];
    }
  }
}
template <class>
void sparse_columns_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const std::int64_t n = in[0].shape[0];
  const int rank = static_cast<int>(in[0].shape[1]), count = static_cast<int>(out.shape[1]);
  const auto* indices = in[0].as<std::int64_t>();
  auto* to = out.as<std::int64_t>();
  kernel::detail::check_sparse_bounds(name, indices, n, sparse_attributes::shape(at, rank));
  for (int j = 0; j < count; ++j) {
    const int d = static_cast<int>(at.i[8] >> (4 * j) & 0xf);
    const std::int64_t by = j == at.i[9] ? at.i[10] : 0;
    for (std::int64_t k = 0; k < n; ++k) to[k * count + j] = d == 15 ? 0 : indices[k * rank + d] + by;
  }
}
template <class>
void sparse_group_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const std::int64_t n = in[0].shape[0];
  const int rank = static_cast<int>(in[0].shape[1]);
  const auto* indices = in[0].as<std::int64_t>();
  kernel::detail::check_sparse_order(name, indices, n, rank);
  visit_floating(
      out.type,
      [&]<class T>(std::type_identity<T>) {
        const T* x = in[1].as<T>();
        T* y = out.as<T>();
        for (std::int64_t begin = 0, end; begin < n; begin = end) {
          auto total = static_cast<compute_t<T>>(x[begin]);
          for (end = begin + 1;
               end < n && kernel::detail::compare_indices(indices + begin * rank, indices + end * rank, rank - 1) == 0;
               ++end) {
            const auto v = static_cast<compute_t<T>>(x[end]);
            total = at.i[0] == 0 ? total + v : v > total || v != v ? v : total;
          }
          for (std::int64_t k = begin; k < end; ++k) y[k] = static_cast<T>(total);
        }
      },
      name);
}

template <class>
void sparse_matmul_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const std::int64_t n = in[0].shape[0], rows = out.shape[0], columns = in[2].shape[0];
  const bool t = at.i[0] != 0;
  const auto* indices = in[0].as<std::int64_t>();
  kernel::detail::check_sparse_bounds(name, indices, n, t ? tensor_shape{columns, rows} : tensor_shape{rows, columns});
  if (out.size() == 0) return;
  kernel::detail::visit_sparse_product(
      out.type,
      [&]<class T>(std::type_identity<T>) {
        kernel::detail::sparse_product<T>(indices, n, t, in[1].as<T>(), in[2].as<T>(), rows, out.shape[1], out.as<T>());
      },
      name);
}
template <class>
void sampled_dot_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const std::int64_t n = in[0].shape[0], width = in[1].shape[1];
  const auto* indices = in[0].as<std::int64_t>();
  kernel::detail::check_sparse_bounds(name, indices, n, {in[1].shape[0], in[2].shape[0]});
  kernel::detail::visit_sparse_product(
      out.type,
      [&]<class T>(std::type_identity<T>) {
        parallel_for(n, 65536 / (width + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t e = begin; e < end; ++e)
            out.as<T>()[e] = kernel::detail::sum_of_products(in[1].as<T>() + indices[2 * e] * width,
                                                             in[2].as<T>() + indices[2 * e + 1] * width, width);
        });
      },
      name);
}

}  // namespace rill::ops

// SPDX-License-Identifier: Apache-2.0
// Sparse tensors of doubles for tests, and their comparison with dense ones.
#pragma once

#include "tensors.hpp"

#include <algorithm>
#include <rill/eager/sparse.hpp>

namespace rill::test {

inline dynamic_tensor doubles(const std::vector<double>& v, const tensor_shape& s) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float64, s);
  std::copy(v.begin(), v.end(), static_cast<double*>(t.mutable_data()));
  return t;
}
inline dynamic_tensor longs(const std::vector<std::int64_t>& v, const tensor_shape& s) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::int64, s);
  std::copy(v.begin(), v.end(), static_cast<std::int64_t*>(t.mutable_data()));
  return t;
}
inline std::vector<double> list(const dynamic_tensor& t) {
  const dynamic_tensor wide = cast_to(t, dtype::float64);
  const auto s = wide.span<double>();
  return {s.begin(), s.end()};
}
inline std::vector<std::int64_t> list_of_longs(const dynamic_tensor& t) {
  const auto s = t.span<std::int64_t>();
  return {s.begin(), s.end()};
}

/// A random sparse tensor of doubles and the same as a dense vector.
struct sample {
  dynamic_sparse_tensor s;
  std::vector<double> dense;
  [[nodiscard]] dynamic_tensor whole() const { return doubles(dense, s.dense_shape); }
};
inline sample random_sparse(std::mt19937& g, const tensor_shape& shape, bool ordered = true, int percent = -1) {
  const std::int64_t n = shape.num_elements();
  if (percent < 0) percent = (g() % 4 == 0) ? 0 : (g() % 3 == 0) ? 100 : 40;
  std::vector<std::int64_t> at, flat;
  std::vector<double> values, dense(static_cast<std::size_t>(n));
  for (std::int64_t k = 0; k < n; ++k)
    if (static_cast<int>(g() % 100) < percent) at.push_back(k);
  if (!ordered) std::shuffle(at.begin(), at.end(), g);
  for (const std::int64_t k : at) {
    const double v = static_cast<double>(static_cast<int>(g() % 41) - 20) / 4;
    values.push_back(v);
    dense[static_cast<std::size_t>(k)] = v;
    std::int64_t rest = k;
    const std::size_t before = flat.size();
    for (int d = shape.rank() - 1; d >= 0; --d)
      flat.insert(flat.begin() + static_cast<std::ptrdiff_t>(before), rest % shape[d]), rest /= shape[d];
  }
  const auto count = static_cast<std::int64_t>(at.size());
  return {{longs(flat, {count, shape.rank()}), doubles(values, {count}), shape}, dense};
}
inline bool alike(const std::vector<double>& a, const std::vector<double>& b, double tolerance = 1e-12) {
  bool good = a.size() == b.size();
  for (std::size_t k = 0; good && k < a.size(); ++k) good = std::abs(a[k] - b[k]) <= tolerance * (1 + std::abs(b[k]));
  return good;
}
/// Whether s in canonical order is that dense tensor.
inline bool holds(const dynamic_sparse_tensor& s, const tensor_shape& shape, const std::vector<double>& dense) {
  return s.dense_shape == shape && alike(list(sparse_tensor_to_dense(s)), dense);
}
inline dynamic_sparse_tensor with_values(const dynamic_sparse_tensor& s, const dynamic_tensor& v) {
  return {s.indices, v, s.dense_shape};
}

}  // namespace rill::test

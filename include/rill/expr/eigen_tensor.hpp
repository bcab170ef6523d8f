// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Between tensors of any rank and Eigen's own tensors (its unsupported Tensor module, the slowest of its headers to
/// compile). The map is row-major, as all of Rill, and looks at the tensor's memory, which must outlive it.
///
///   as_eigen_tensor(b) = as_eigen_tensor(a).exp();
///   tensor<float, dyn, dyn, dyn> t = from_eigen_tensor(column_major);

#include <type_traits>
#include <unsupported/Eigen/CXX11/Tensor>

#include "../core/convert.hpp"

namespace rill {

namespace detail {
template <class Map, class T>
Map map_tensor(T* data, const tensor_shape& s) {
  Eigen::DSizes<Eigen::Index, Map::NumDimensions> dims;
  for (int i = 0; i < s.rank(); ++i) dims[static_cast<std::size_t>(i)] = s[i];
  return Map(data, dims);
}
}  // namespace detail

/// A row-major Eigen::TensorMap of a tensor, not copied.
template <class T, std::int64_t... E>
  requires(std::is_arithmetic_v<T> && tensor<T, E...>::rank_v >= 0)
auto as_eigen_tensor(tensor<T, E...>& t) {
  using plain = Eigen::Tensor<T, static_cast<int>(sizeof...(E)), Eigen::RowMajor, Eigen::Index>;
  return detail::map_tensor<Eigen::TensorMap<plain>>(t.data(), t.shape());
}
template <class T, std::int64_t... E>
  requires(std::is_arithmetic_v<T> && tensor<T, E...>::rank_v >= 0)
auto as_eigen_tensor(const tensor<T, E...>& t) {
  using plain = Eigen::Tensor<T, static_cast<int>(sizeof...(E)), Eigen::RowMajor, Eigen::Index>;
  return detail::map_tensor<Eigen::TensorMap<const plain>>(t.data(), t.shape());
}
template <class T, std::int64_t... E>
void as_eigen_tensor(tensor<T, E...>&&) = delete;  // the memory would be gone

/// A copy of an Eigen::Tensor of either storage order (evaluate an expression into one first).
template <class T, int N, int Options, class Index>
auto from_eigen_tensor(const Eigen::Tensor<T, N, Options, Index>& x) {
  using to = detail::tensor_of_rank<T, static_cast<std::size_t>(N)>;
  detail::strided<const T> s;
  s.data = x.data();
  for (int i = 0; i < N; ++i) s.shape.push_back(static_cast<std::int64_t>(x.dimension(static_cast<std::size_t>(i))));
  detail::row_major_strides(s.shape, s.strides);
  if constexpr ((Options & Eigen::RowMajor) == 0) {
    std::int64_t n = 1;
    for (int i = 0; i < N; ++i) {
      s.strides[i] = n;
      n *= s.shape[i];
    }
  }
  return to(typename detail::view_of_rank_t<const T, static_cast<std::size_t>(N)>::type({}, s));
}

}  // namespace rill

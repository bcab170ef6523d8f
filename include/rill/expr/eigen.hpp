// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Between tensors and Eigen's matrices. `as_eigen` and `as_eigen_array` look at the memory of a vector or matrix (a tensor
/// or a view of rank 1 or 2) without copying it, row-major and with the view's strides; sizes that are static stay static.
/// `from_eigen` evaluates any matrix or array expression of Eigen's, whatever its storage order, into a new tensor. A map
/// keeps no handle: what it looks at must outlive it. Not in <rill/rill.hpp>, since Eigen takes a while to compile.
///
///   as_eigen(c) = as_eigen(a) * as_eigen(b).transpose();
///   tensor x = from_eigen(as_eigen(a).colPivHouseholderQr().solve(as_eigen(b)));    // include <Eigen/QR>

#include <Eigen/Core>
#include <complex>
#include <type_traits>

#include "../core/tensor.hpp"

namespace rill {

namespace detail {

static_assert(Eigen::Dynamic == dyn, "a size that is only known at run time is -1 on both sides");

/// Eigen's class for memory that is row-major; a column, which Eigen refuses to call that, lies there the same way.
template <class T, int R, int C>
using eigen_matrix = Eigen::Matrix<T, R, C, C == 1 && R != 1 ? Eigen::ColMajor : Eigen::RowMajor>;
template <class T, int R, int C>
using eigen_array = Eigen::Array<T, R, C, C == 1 && R != 1 ? Eigen::ColMajor : Eigen::RowMajor>;
template <bool Array, class T, int R, int C>
using eigen_plain = std::conditional_t<Array, eigen_array<T, R, C>, eigen_matrix<T, R, C>>;

template <class T, class Plain>
using eigen_const = std::conditional_t<std::is_const_v<T>, const Plain, Plain>;

template <class X>
struct eigen_sizes;
template <std::int64_t N>
struct eigen_sizes<extents<N>> {
  static constexpr int rows = static_cast<int>(N), cols = 1;
};
template <std::int64_t R, std::int64_t C>
struct eigen_sizes<extents<R, C>> {
  static constexpr int rows = static_cast<int>(R), cols = static_cast<int>(C);
};

template <bool Array, class X, int Alignment, class T>
auto map_dense(T* data, const tensor_shape& s) {
  using sizes = eigen_sizes<X>;
  using plain = eigen_plain<Array, std::remove_const_t<T>, sizes::rows, sizes::cols>;
  return Eigen::Map<eigen_const<T, plain>, Alignment>(data, s[0], s.rank() == 2 ? s[1] : 1);
}
template <bool Array, class X, class T>
auto map_strided(const strided<T>& s) {
  using sizes = eigen_sizes<X>;
  using plain = eigen_plain<Array, std::remove_const_t<T>, sizes::rows, sizes::cols>;
  using strides = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  const bool matrix = s.shape.rank() == 2;
  const Eigen::Index down = s.strides[0];
  const Eigen::Index across = matrix ? s.strides[1] : 0;
  return Eigen::Map<eigen_const<T, plain>, Eigen::Unaligned, strides>(
      s.data, s.shape[0], matrix ? s.shape[1] : 1, plain::IsRowMajor ? strides(down, across) : strides(across, down));
}

template <class T>
inline constexpr bool eigen_scalar = std::is_arithmetic_v<T> || std::is_same_v<T, std::complex<float>> ||
                                     std::is_same_v<T, std::complex<double>>;

template <class T, std::int64_t... E>
constexpr void check_eigen() {
  static_assert(sizeof...(E) == 1 || sizeof...(E) == 2, "Eigen has vectors and matrices: rank 1 or 2");
  static_assert(eigen_scalar<std::remove_const_t<T>>, "Eigen computes with C++'s numbers and std::complex");
}
/// What a tensor's memory is aligned to: elements in the object itself to no more than T.
template <class T, std::int64_t... E>
inline constexpr int eigen_alignment = tensor<T, E...>::is_inline ? int{Eigen::Unaligned} : int{Eigen::Aligned64};

}  // namespace detail

/// An Eigen::Map of a vector (one column) or matrix, not copied.
template <class T, std::int64_t... E>
auto as_eigen(tensor<T, E...>& t) {
  detail::check_eigen<T, E...>();
  return detail::map_dense<false, extents<E...>, detail::eigen_alignment<T, E...>>(t.data(), t.shape());
}
template <class T, std::int64_t... E>
auto as_eigen(const tensor<T, E...>& t) {
  detail::check_eigen<T, E...>();
  return detail::map_dense<false, extents<E...>, detail::eigen_alignment<T, E...>>(t.data(), t.shape());
}
template <class T, std::int64_t... E>
auto as_eigen(const view<T, E...>& v) {
  detail::check_eigen<T, E...>();
  return detail::map_strided<false, extents<E...>>(v.strided());
}
template <class T, std::int64_t... E>
void as_eigen(tensor<T, E...>&&) = delete;  // the memory would be gone
template <class T, std::int64_t... E>
void as_eigen(const tensor<T, E...>&&) = delete;

/// The same as an array, whose operators work element by element.
template <class T, std::int64_t... E>
auto as_eigen_array(tensor<T, E...>& t) {
  detail::check_eigen<T, E...>();
  return detail::map_dense<true, extents<E...>, detail::eigen_alignment<T, E...>>(t.data(), t.shape());
}
template <class T, std::int64_t... E>
auto as_eigen_array(const tensor<T, E...>& t) {
  detail::check_eigen<T, E...>();
  return detail::map_dense<true, extents<E...>, detail::eigen_alignment<T, E...>>(t.data(), t.shape());
}
template <class T, std::int64_t... E>
auto as_eigen_array(const view<T, E...>& v) {
  detail::check_eigen<T, E...>();
  return detail::map_strided<true, extents<E...>>(v.strided());
}
template <class T, std::int64_t... E>
void as_eigen_array(tensor<T, E...>&&) = delete;
template <class T, std::int64_t... E>
void as_eigen_array(const tensor<T, E...>&&) = delete;

/// Evaluates a matrix, array or expression of Eigen's into a tensor of its sizes, static where they are: rank 1 for what
/// is a vector at compile time, else rank 2.
template <class D>
auto from_eigen(const Eigen::DenseBase<D>& x) {
  using T = std::remove_const_t<typename D::Scalar>;
  static_assert(element<T>, "no tensor holds these elements");
  constexpr int rows = D::RowsAtCompileTime;
  constexpr int cols = D::ColsAtCompileTime;
  constexpr bool array = std::is_same_v<typename Eigen::internal::traits<D>::XprKind, Eigen::ArrayXpr>;
  const auto fill = [&](auto t) {
    Eigen::Map<detail::eigen_plain<array, T, rows, cols>>(t.data(), x.rows(), x.cols()) = x.derived();
    return t;
  };
  if constexpr (D::IsVectorAtCompileTime) {
    constexpr std::int64_t n = D::SizeAtCompileTime;
    return fill(tensor<T, n>::uninitialized({x.size()}));
  } else return fill(tensor<T, rows, cols>::uninitialized({x.rows(), x.cols()}));
}

}  // namespace rill

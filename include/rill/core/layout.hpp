// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How an array lies in memory (XLA's Layout): `minor_to_major` lists the dimensions from the fastest-varying to the
/// slowest, and the dimensions may be padded to larger ones. Tensors of the library are row-major; layouts describe memory
/// of others and padded, aligned copies. Conversions between a multi-index (one number per dimension) and the linear index
/// into memory are XLA's IndexUtil. Everything is constexpr but the copies.
///
///   layout l{0, 1};                                            // dimension 0 is minor: column-major
///   linear_index({2, 3}, l, {1, 0}) == 1
///   to_layout(rows, {2, 3}, layout{0, 1}.padded({3, 5}), memory, 0);   // a d 0 b e 0 c f 0 0 0 0 0 0 0

#include <cstdint>
#include <initializer_list>
#include <string>

#include "error.hpp"
#include "shape.hpp"

namespace rill {

/// An order of dimensions in memory, and the dimensions that they are padded to.
class layout {
 public:
  /// Of a scalar.
  constexpr layout() = default;
  /// Dimensions from the most minor to the most major; invalid_argument unless they are 0 .. n-1 in some order.
  constexpr layout(std::initializer_list<int> minor_to_major) {
    unsigned seen = 0;
    for (const int d : minor_to_major) {
      if (rank_ == max_rank || d < 0 || d >= static_cast<int>(minor_to_major.size()) || (seen >> d & 1U) != 0)
        throw invalid_argument("layout: minor_to_major does not name each dimension once");
      seen |= 1U << d;
      order_[rank_++] = d;
    }
  }
  /// Row-major: the last dimension is the most minor one.
  static constexpr layout row_major(int rank) {
    layout l;
    for (; l.rank_ < rank; ++l.rank_) l.order_[l.rank_] = rank - 1 - l.rank_;
    return l;
  }
  /// The first dimension is the most minor one.
  static constexpr layout column_major(int rank) {
    layout l;
    for (; l.rank_ < rank; ++l.rank_) l.order_[l.rank_] = l.rank_;
    return l;
  }
  /// The same order with dimensions padded to these sizes (totals, not widths).
  [[nodiscard]] constexpr layout padded(const tensor_shape& dimensions) const {
    if (dimensions.rank() != rank_) throw invalid_argument("layout: as many padded dimensions as dimensions are wanted");
    layout l = *this;
    l.padded_ = dimensions;
    l.has_padding_ = true;
    return l;
  }

  [[nodiscard]] constexpr int rank() const { return rank_; }
  /// Dimension number k from the most minor one.
  [[nodiscard]] constexpr int minor_to_major(int k) const { return order_[k]; }
  [[nodiscard]] constexpr bool has_padding() const { return has_padding_; }
  /// The extents in memory of an array of this shape: padded, or the shape itself. invalid_argument when they do not fit.
  [[nodiscard]] constexpr tensor_shape extents(const tensor_shape& shape) const {
    if (shape.rank() != rank_)
      throw invalid_argument("layout: one of " + std::to_string(rank_) + " dimensions does not fit the shape " + to_string(shape));
    if (!has_padding_) return shape;
    for (int d = 0; d < rank_; ++d)
      if (padded_[d] < shape[d])
        throw invalid_argument("layout: the shape " + to_string(shape) + " is larger than its padded dimensions " + to_string(padded_));
    return padded_;
  }
  /// Elements of memory that an array of this shape takes.
  [[nodiscard]] constexpr std::int64_t size(const tensor_shape& shape) const { return extents(shape).num_elements(); }
  /// The distance in memory of neighbours along each dimension, as a list.
  [[nodiscard]] constexpr tensor_shape strides(const tensor_shape& shape) const {
    const tensor_shape n = extents(shape);
    tensor_shape s = n;
    std::int64_t step = 1;
    for (int k = 0; k < rank_; ++k) {
      s[order_[k]] = step;
      step *= n[order_[k]];
    }
    return s;
  }
  friend constexpr bool operator==(const layout& a, const layout& b) {
    if (a.rank_ != b.rank_ || a.has_padding_ != b.has_padding_ || !(a.padded_ == b.padded_)) return false;
    for (int k = 0; k < a.rank_; ++k)
      if (a.order_[k] != b.order_[k]) return false;
    return true;
  }

 private:
  int rank_ = 0;
  int order_[max_rank] = {};
  bool has_padding_ = false;
  tensor_shape padded_;
};

/// Where the element of a multi-index (written as a shape) lies in memory; out_of_range when there is none.
constexpr std::int64_t linear_index(const tensor_shape& shape, const layout& l, const tensor_shape& index) {
  const tensor_shape step = l.strides(shape);
  bool inside = index.rank() == shape.rank();
  std::int64_t at = 0;
  for (int d = 0; inside && d < shape.rank(); ++d) {
    inside = index[d] >= 0 && index[d] < shape[d];
    at += index[d] * step[d];
  }
  if (!inside) throw out_of_range("the index " + to_string(index) + " is outside of the shape " + to_string(shape));
  return at;
}
/// The multi-index of an element in memory; in the padding it lies outside of the shape. out_of_range beyond the memory.
constexpr tensor_shape multi_index(const tensor_shape& shape, const layout& l, std::int64_t linear) {
  const tensor_shape n = l.extents(shape);
  if (linear < 0 || linear >= n.num_elements())
    throw out_of_range("the linear index " + std::to_string(linear) + " is outside of the " + std::to_string(n.num_elements()) +
                       " elements of the shape " + to_string(n));
  tensor_shape index = n;
  for (int k = 0; k < l.rank(); ++k) {
    const int d = l.minor_to_major(k);
    index[d] = linear % n[d];
    linear /= n[d];
  }
  return index;
}
/// Whether a multi-index lies inside of a shape (and not in its padding).
constexpr bool contains(const tensor_shape& shape, const tensor_shape& index) {
  bool inside = index.rank() == shape.rank();
  for (int d = 0; inside && d < shape.rank(); ++d) inside = index[d] >= 0 && index[d] < shape[d];
  return inside;
}
/// Moves a multi-index to the next one in row-major order; false behind the last.
constexpr bool next_index(const tensor_shape& shape, tensor_shape& index) {
  for (int d = shape.rank() - 1; d >= 0; --d) {
    if (++index[d] < shape[d]) return true;
    index[d] = 0;
  }
  return false;
}
/// The number of dimensions of size greater than 1 (XLA's true rank).
constexpr int true_rank(const tensor_shape& shape) {
  int n = 0;
  for (int d = 0; d < shape.rank(); ++d) n += shape[d] > 1;
  return n;
}
/// A dimension counted from the end when negative; out_of_range when there is none.
constexpr int dimension_number(const tensor_shape& shape, int dimension) {
  const int d = dimension < 0 ? dimension + shape.rank() : dimension;
  if (d < 0 || d >= shape.rank())
    throw out_of_range("dimension " + std::to_string(dimension) + " is not one of the shape " + to_string(shape));
  return d;
}

namespace detail {
/// Calls f(row-major position, position in the layout) for all elements of a shape.
template <class F>
constexpr void for_each_place(const tensor_shape& shape, const layout& l, const F& f) {
  const tensor_shape step = l.strides(shape);
  for (int d = 0; d < shape.rank(); ++d)
    if (shape[d] == 0) return;
  tensor_shape index = shape;
  for (int d = 0; d < shape.rank(); ++d) index[d] = 0;
  std::int64_t row_major = 0;
  do {
    std::int64_t at = 0;
    for (int d = 0; d < shape.rank(); ++d) at += index[d] * step[d];
    f(row_major++, at);
  } while (next_index(shape, index));
}
}  // namespace detail

/// Row-major elements in another layout; `to` holds l.size(shape) elements, the padding becomes `padding_value`.
template <class T>
constexpr void to_layout(const T* row_major, const tensor_shape& shape, const layout& l, T* to, const T& padding_value = T()) {
  if (l.has_padding())
    for (std::int64_t k = 0, n = l.size(shape); k < n; ++k) to[k] = padding_value;
  detail::for_each_place(shape, l, [&](std::int64_t k, std::int64_t at) { to[at] = row_major[k]; });
}
/// Elements in some layout as row-major ones.
template <class T>
constexpr void from_layout(const T* from, const tensor_shape& shape, const layout& l, T* row_major) {
  detail::for_each_place(shape, l, [&](std::int64_t k, std::int64_t at) { row_major[k] = from[at]; });
}

}  // namespace rill

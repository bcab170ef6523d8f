// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Sparse tensors in coordinate form, TensorFlow's SparseTensor: `indices` [n, rank] int64, one row per stored element,
/// `values` [n], and the shape of the whole, whose other elements are 0 (or empty strings). The canonical order, which
/// some functions ask for, is that of the rows of the whole: indices ascending, none twice.
///
/// `sparse_tensor<T>` holds typed tensors; its rank is known at run time. `sparse_value<V>` is the same over a value of a
/// front end: over symbols it is a part of a model, over dynamic_tensor a sparse tensor whose dtype is known at run time.
/// Parts must agree (invalid_argument); that indices lie inside of the shape is checked where they are used.
///
///   sparse_tensor<float> s({{0, 1}, {2, 3}}, {5, 6}, {3, 4});
///   std::cout << s;  // SparseTensorValue(indices=array([[0, 1],
///                    //        [2, 3]]), values=array([5., 6.], dtype=float32), dense_shape=array([3, 4]))

#include "dynamic_tensor.hpp"

namespace rill {

namespace detail {
/// invalid_argument unless the parts of a sparse tensor agree.
inline void check_sparse_parts(dtype index_type, const tensor_shape& indices, dtype type, const tensor_shape& values,
                               const tensor_shape& dense_shape) {
  bool good = index_type == dtype::int64 && !dense_shape.overflow_ && indices.rank() == 2 && values.rank() == 1 &&
              indices[0] == values[0] && indices[1] == dense_shape.rank();
  for (const std::int64_t d : dense_shape) good = good && d >= 0;
  if (!good)
    throw invalid_argument(
        "a sparse tensor needs indices int64[n, rank], values [n] and a shape of rank (at most 8) extents >= 0: got "
        "indices " +
        std::string(name_of(index_type)) + to_string(indices) + ", values " + std::string(name_of(type)) +
        to_string(values) + ", shape " + to_string(dense_shape));
}
}  // namespace detail

/// A sparse tensor whose parts are values of one front end (symbol, dynamic_tensor).
template <class V>
struct sparse_value {
  V indices = {};  ///< int64 [n, rank]
  V values = {};   ///< [n]
  tensor_shape dense_shape = {};

  [[nodiscard]] constexpr int rank() const { return dense_shape.rank(); }
  [[nodiscard]] constexpr dtype type() const { return values.type(); }
};
using dynamic_sparse_tensor = sparse_value<dynamic_tensor>;

/// A sparse tensor with elements of type T.
template <element T>
struct sparse_tensor {
  using element_type = T;

  tensor<std::int64_t, dyn, dyn> indices;  ///< [n, rank]
  tensor<T, dyn> values;                   ///< [n]
  tensor_shape dense_shape;

  /// No elements, of rank 0.
  sparse_tensor() = default;
  sparse_tensor(tensor<std::int64_t, dyn, dyn> at, tensor<T, dyn> elements, const tensor_shape& shape)
      : indices(std::move(at)), values(std::move(elements)), dense_shape(shape) {
    check();
  }
  /// `sparse_tensor<int>({{0, 0}, {1, 2}}, {1, 2}, {3, 4})`
  sparse_tensor(std::initializer_list<std::initializer_list<std::int64_t>> at, std::initializer_list<T> elements,
                const tensor_shape& shape)
      : indices(tensor_shape{static_cast<std::int64_t>(at.size()), shape.rank()}),
        values(tensor_shape{static_cast<std::int64_t>(elements.size())}),
        dense_shape(shape) {
    std::int64_t* to = indices.data();
    for (const auto& row : at) {
      if (static_cast<int>(row.size()) != shape.rank())
        throw invalid_argument("a sparse tensor of shape " + to_string(shape) + " has an index of " +
                               std::to_string(row.size()) + " numbers");
      for (const std::int64_t k : row) *to++ = k;
    }
    T* v = values.data();
    for (const T& e : elements) *v++ = e;
    check();
  }
  /// From one whose dtype is known at run time, which must be T's.
  explicit sparse_tensor(const dynamic_sparse_tensor& s)
      : sparse_tensor(s.indices.to<std::int64_t, dyn, dyn>(), s.values.template to<T, dyn>(), s.dense_shape) {}
  /// From parts as tf.string_split and tf.parse_example give them: a struct of indices, values and dense_shape (a vector).
  template <class P>
  requires requires(const P& p) {
    p.indices;
    p.values;
    p.dense_shape.data();
    p.dense_shape.size();
  }
  explicit sparse_tensor(const P& p) : sparse_tensor(p.indices, p.values, shape_from(p.dense_shape)) {}

  [[nodiscard]] int rank() const { return dense_shape.rank(); }
  /// The number of stored elements.
  [[nodiscard]] std::int64_t size() const { return values.size(); }
  [[nodiscard]] static constexpr dtype type() { return dtype_v<T>; }

  /// The same elements with a dtype that is known at run time (a copy).
  operator dynamic_sparse_tensor() const { return {indices, values, dense_shape}; }  // NOLINT: implicit on purpose

  /// Whether indices (in the same order), values and shape are equal.
  friend bool operator==(const sparse_tensor& a, const sparse_tensor& b) {
    return a.dense_shape == b.dense_shape && a.indices == b.indices && a.values == b.values;
  }

 private:
  void check() const {
    detail::check_sparse_parts(dtype::int64, indices.shape(), dtype_v<T>, values.shape(), dense_shape);
  }
  template <class S>
  static tensor_shape shape_from(const S& extents) {
    tensor_shape s;
    for (std::int64_t k = 0; k < static_cast<std::int64_t>(extents.size()); ++k)
      s.push_back(static_cast<std::int64_t>(extents.data()[k]));
    return s;
  }
};

namespace detail {
template <class S>
inline constexpr bool is_sparse = false;
template <class V>
inline constexpr bool is_sparse<sparse_value<V>> = true;
template <class T>
inline constexpr bool is_sparse<sparse_tensor<T>> = true;
}  // namespace detail
/// A sparse tensor of either kind.
template <class S>
concept any_sparse = detail::is_sparse<S>;

/// Slices of a larger tensor, TensorFlow's IndexedSlices: slice k belongs at index indices[k] of the first axis.
template <class V>
struct indexed_slices {
  V values = {};   ///< [n, ...]
  V indices = {};  ///< int32 or int64 [n]
  tensor_shape dense_shape = {};
};

// ---- printing ------------------------------------------------------------------------------------------------------------

namespace detail {
/// NumPy's repr of an array: "array([1, 2], dtype=int32)".
template <class X>
std::string array_text(const X& x, dtype type, const tensor_shape& shape, print_options o) {
  o.separator = ", ";
  const int width = o.line_width;
  o.line_width = width > 7 ? width - 7 : 0;  // "array(" and ")"
  std::string text = "array(";
  const std::int64_t n = shape.num_elements();
  if (n == 0) text += "[]";
  else
    for (const char c : to_string(x, o)) {
      text += c;
      if (c == '\n') text += "      ";
    }
  std::string extra;
  if ((n == 0 && shape.rank() != 1) || n > o.threshold) {
    extra = "shape=(";
    for (int d = 0; d < shape.rank(); ++d) extra += (d > 0 ? ", " : "") + std::to_string(shape[d]);
    extra += shape.rank() == 1 ? ",)" : ")";
  }
  const bool implied =
      type == dtype::int64 || type == dtype::float64 || type == dtype::complex128 || type == dtype::boolean;
  if (!implied || n == 0)
    extra += std::string(extra.empty() ? "" : ", ") +
             "dtype=" + (type == dtype::string ? "object" : std::string(name_of(type)));
  if (extra.empty()) return text + ")";
  const std::size_t line = text.rfind('\n'), last = text.size() - (line == std::string::npos ? 0 : line + 1) + 1;
  const bool breaks = last + extra.size() + 2 > static_cast<std::size_t>(width);
  return text + "," + (breaks ? "\n      " : " ") + extra + ")";
}
template <class I, class X>
std::string sparse_text(const I& indices, const X& values, dtype type, const tensor_shape& dense_shape,
                        const print_options& o) {
  tensor<std::int64_t, dyn> shape(tensor_shape{dense_shape.rank()});
  for (int d = 0; d < dense_shape.rank(); ++d) shape.data()[d] = dense_shape[d];
  return "SparseTensorValue(indices=" + array_text(indices, dtype::int64, indices.shape(), o) +
         ", values=" + array_text(values, type, values.shape(), o) +
         ", dense_shape=" + array_text(shape, dtype::int64, shape.shape(), o) + ")";
}
}  // namespace detail

/// As Python prints a tf.SparseTensorValue.
template <class T>
std::string to_string(const sparse_tensor<T>& s, const print_options& o = {}) {
  return detail::sparse_text(s.indices, s.values, dtype_v<T>, s.dense_shape, o);
}
template <std::same_as<dynamic_tensor> V>
std::string to_string(const sparse_value<V>& s, const print_options& o = {}) {
  if (!s.indices.has_value() || !s.values.has_value()) return "None";
  return detail::sparse_text(s.indices, s.values, s.type(), s.dense_shape, o);
}
template <class T>
std::ostream& operator<<(std::ostream& out, const sparse_tensor<T>& s) {
  return out << to_string(s);
}
template <std::same_as<dynamic_tensor> V>
std::ostream& operator<<(std::ostream& out, const sparse_value<V>& s) {
  return out << to_string(s);
}

}  // namespace rill

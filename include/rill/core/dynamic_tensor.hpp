// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `dynamic_tensor`: a tensor whose dtype and shape are known at run time only: what a gradient tape records, what a file
/// without a schema holds. It is a row-major, contiguous *value*: copies share the elements, and whoever writes through
/// `mutable_data` gets elements of their own first. One that holds nothing stands for TensorFlow's None.
///
///   dynamic_tensor x = tensor<float, 2>{1, 2};
///   tensor<float, dyn> y = (x * x).to<float, dyn>();        // [1. 4.]
///   float first = x.span<float>()[0];

#include <atomic>
#include <complex>
#include <ostream>
#include <span>

#include "print.hpp"
#include "tensor.hpp"

namespace rill {

namespace eager {
struct front_end;
}

/// A span of elements that keeps their memory; it becomes a std::span only where it lives on.
template <class T>
class kept_span {
 public:
  kept_span(std::span<const T> elements, storage owner) : elements_(elements), owner_(std::move(owner)) {}
  operator std::span<const T>() const& { return elements_; }  // NOLINT: implicit on purpose
  operator std::span<const T>() const&& = delete;
  [[nodiscard]] const T* data() const& { return elements_.data(); }
  const T* data() const&& = delete;
  [[nodiscard]] std::size_t size() const { return elements_.size(); }
  [[nodiscard]] bool empty() const { return elements_.empty(); }
  [[nodiscard]] auto begin() const { return elements_.begin(); }
  [[nodiscard]] auto end() const { return elements_.end(); }
  const T& operator[](std::size_t k) const& { return elements_[k]; }
  T operator[](std::size_t k) const&& { return elements_[k]; }

 private:
  std::span<const T> elements_;
  storage owner_;
};

class dynamic_tensor {
 public:
  using front_end = eager::front_end;
  static constexpr bool is_value = true;

  /// Nothing (None).
  dynamic_tensor() = default;
  /// A scalar: numbers are float32 and int32 as TensorFlow's, bool and int64 keep their type.
  template <class T>
    requires std::is_arithmetic_v<T>
  dynamic_tensor(T number) : dynamic_tensor(uninitialized(scalar_type<T>(), {})) {  // NOLINT: implicit on purpose
    if constexpr (std::is_floating_point_v<T>) *static_cast<float*>(data_) = static_cast<float>(number);
    else if constexpr (std::is_same_v<T, bool>) *static_cast<bool*>(data_) = number;
    else if constexpr (sizeof(T) == 8) *static_cast<std::int64_t*>(data_) = static_cast<std::int64_t>(number);
    else *static_cast<std::int32_t*>(data_) = static_cast<std::int32_t>(number);
  }
  /// A complex scalar of the number's own precision.
  template <class R>
  dynamic_tensor(std::complex<R> number) : dynamic_tensor(uninitialized(dtype_v<std::complex<R>>, {})) {  // NOLINT: implicit on purpose
    *static_cast<std::complex<R>*>(data_) = number;
  }
  /// A scalar string.
  template <class S>
    requires std::is_same_v<S, std::string> || std::is_same_v<S, const char*>
  dynamic_tensor(S text) : dynamic_tensor(uninitialized(dtype::string, {})) {  // NOLINT: implicit on purpose
    *static_cast<std::string*>(data_) = std::move(text);
  }
  /// A copy of a tensor's elements; an rvalue's are taken over.
  template <class T, std::int64_t... E>
  dynamic_tensor(const tensor<T, E...>& t) : dynamic_tensor(uninitialized(dtype_v<T>, t.shape())) {  // NOLINT
    detail::copy_elements(t.data(), static_cast<T*>(data_), t.size());
  }
  template <class T, std::int64_t... E>
  dynamic_tensor(tensor<T, E...>&& t) {  // NOLINT: implicit on purpose
    if constexpr (tensor<T, E...>::is_inline) *this = dynamic_tensor(static_cast<const tensor<T, E...>&>(t));
    else *this = dynamic_tensor(dtype_v<T>, t.shape(), t.owner(), t.data());
  }
  /// The elements of a view, the value of an expression.
  template <class D, class T, std::int64_t... E>
  dynamic_tensor(const expression_base<D, T, E...>& x)  // NOLINT: implicit on purpose
      : dynamic_tensor(tensor<T, E...>(x)) {}

  /// Elements in a block that `owner` keeps alive; nobody else may write them any more.
  dynamic_tensor(dtype type, const tensor_shape& shape, storage owner, void* data)
      : type_(type), shape_(shape), block_(std::move(owner)), data_(data), id_(next_id()) {}

  /// Elements that have no value yet (strings are empty). resource_exhausted when there is no memory for them.
  static dynamic_tensor uninitialized(dtype type, const tensor_shape& shape) {
    const std::int64_t n = checked_size(shape);
    dynamic_tensor t;
    t.type_ = type, t.shape_ = shape, t.id_ = next_id();
    if (type == dtype::string) {
      t.block_ = storage::allocate_strings(static_cast<std::size_t>(n));
    } else {
      std::size_t bytes = 0;
      if (__builtin_mul_overflow(static_cast<std::size_t>(n), size_of(type), &bytes)) bytes = SIZE_MAX;
      t.block_ = storage::allocate(bytes);
    }
    t.data_ = t.block_.data();
    return t;
  }
  static dynamic_tensor zeros(dtype type, const tensor_shape& shape) {
    dynamic_tensor t = uninitialized(type, shape);
    if (type != dtype::string && t.size() > 0) std::memset(t.data_, 0, static_cast<std::size_t>(t.size()) * size_of(type));
    return t;
  }

  /// Whether there is a tensor at all.
  [[nodiscard]] bool has_value() const { return type_ != dtype::invalid; }
  [[nodiscard]] dtype type() const { return type_; }
  [[nodiscard]] const tensor_shape& shape() const { return shape_; }
  [[nodiscard]] int rank() const { return shape_.rank(); }
  [[nodiscard]] std::int64_t size() const { return has_value() ? shape_.num_elements() : 0; }
  [[nodiscard]] const void* data() const& { return data_; }
  const void* data() const&& = delete;  ///< the elements of a temporary are gone before the pointer is read
  /// The elements, which no other handle sees any more.
  [[nodiscard]] void* mutable_data() {
    if (block_.use_count() > 1) {
      dynamic_tensor own = uninitialized(type_, shape_);
      if (type_ == dtype::string) {
        const auto* from = static_cast<const std::string*>(data_);
        for (std::int64_t i = 0; i < size(); ++i) static_cast<std::string*>(own.data_)[i] = from[i];
      } else if (size() > 0) {
        std::memcpy(own.data_, data_, static_cast<std::size_t>(size()) * size_of(type_));
      }
      *this = std::move(own);
    }
    return data_;
  }
  /// The elements as T, those of a temporary together with their memory; invalid_argument when the dtype is another.
  template <element T>
  [[nodiscard]] std::span<const T> span() const& {
    check<T>();
    return {static_cast<const T*>(data_), static_cast<std::size_t>(size())};
  }
  template <element T>
  [[nodiscard]] kept_span<T> span() const&& {
    return {static_cast<const dynamic_tensor&>(*this).span<T>(), block_};
  }
  /// The one number of a tensor of one element, converted.
  template <class T>
    requires std::is_arithmetic_v<T>
  [[nodiscard]] T item() const {
    if (size() != 1) throw invalid_argument("a tensor of shape " + to_string(shape_) + " is not one number");
    switch (type_) {
      case dtype::float32: return static_cast<T>(*static_cast<const float*>(data_));
      case dtype::float64: return static_cast<T>(*static_cast<const double*>(data_));
      case dtype::int32: return static_cast<T>(*static_cast<const std::int32_t*>(data_));
      case dtype::int64: return static_cast<T>(*static_cast<const std::int64_t*>(data_));
      case dtype::uint8: return static_cast<T>(*static_cast<const std::uint8_t*>(data_));
      case dtype::boolean: return static_cast<T>(*static_cast<const bool*>(data_));
      default: throw unimplemented("item: no number can be read from " + std::string(name_of(type_)));
    }
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  explicit operator T() const {
    return item<T>();
  }
  /// As a typed tensor; invalid_argument when dtype, rank or a static extent differ.
  template <element T, std::int64_t... E>
  [[nodiscard]] tensor<T, E...> to() const {
    check<T>();
    if (!extents<E...>::fits(shape_)) {
      tensor_shape want;
      if constexpr (extents<E...>::rank >= 0) want = extents<E...>::declared();
      throw invalid_argument("a tensor of shape " + to_string(shape_) + " is not one of shape " + to_string(want));
    }
    auto t = tensor<T, E...>::uninitialized(shape_);
    detail::copy_elements(static_cast<const T*>(data_), t.data(), t.size());
    return t;
  }
  /// A view of the elements.
  template <element T>
  [[nodiscard]] view<const T, any_rank> as() const {
    check<T>();
    detail::strided<const T> s;
    s.data = static_cast<const T*>(data_);
    s.shape = shape_;
    detail::row_major_strides(s.shape, s.strides);
    return {block_, s};
  }
  /// How many handles share the elements; 0 when they are a part of somebody's block.
  [[nodiscard]] std::int64_t storage_count() const { return block_.data() == data_ ? block_.use_count() : 0; }
  /// The block of the elements, given away.
  [[nodiscard]] storage release() && { return std::move(block_); }
  /// What a tape knows this value by; another number for every result, the same for copies.
  [[nodiscard]] std::uint64_t id() const { return id_; }
  /// The same elements as a value of its own.
  [[nodiscard]] dynamic_tensor alias() const { return alias(shape_); }
  [[nodiscard]] dynamic_tensor alias(const tensor_shape& shape) const { return {type_, shape, block_, data_}; }

 private:
  template <class T>
  static constexpr dtype scalar_type() {
    if constexpr (std::is_floating_point_v<T>) return dtype::float32;
    else if constexpr (std::is_same_v<T, bool>) return dtype::boolean;
    else return sizeof(T) == 8 ? dtype::int64 : dtype::int32;
  }
  static std::uint64_t next_id() {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  template <class T>
  void check() const {
    if (type_ != dtype_v<T>)
      throw invalid_argument("a tensor of " + std::string(name_of(type_)) + " does not hold " + std::string(name_of(dtype_v<T>)));
  }

  dtype type_ = dtype::invalid;
  tensor_shape shape_;
  storage block_;
  void* data_ = nullptr;
  std::uint64_t id_ = 0;
};

/// The elements as NumPy prints them; "None" for nothing. (Templates, so that only who prints compiles the printer.)
template <std::same_as<dynamic_tensor> D>
std::string to_string(const D& t, const print_options& o = {}) {
  if (!t.has_value()) return "None";
  const auto type = visit_element(t.type(), []<class T>(std::type_identity<T>) { return detail::shown_type_of<T>; });
  std::int64_t strides[max_rank] = {}, stride = 1;
  for (int d = t.rank() - 1; d >= 0; --d) strides[d] = stride, stride *= t.shape()[d];
  return detail::print(type, t.data(), t.shape(), strides, o);
}
template <std::same_as<dynamic_tensor> D>
std::ostream& operator<<(std::ostream& out, const D& t) {
  return out << to_string(t);
}

}  // namespace rill

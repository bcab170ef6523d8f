// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Between tensors and the standard library's and other people's memory. `from_vector`, `from_span` and `to_vector` copy,
/// row-major; `as_span` and `from_pointer` do not: the first is the memory of a contiguous tensor or view, the second a
/// view (of T or const T) of memory that somebody else owns, with strides counted in elements. A shape that does not hold
/// exactly the elements given is invalid_argument and names both.
///
///   tensor a = from_vector(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});       // tensor<float, dyn, dyn>
///   auto columns = from_pointer(buffer, {rows, cols}, {1, rows});               // a column-major matrix, not copied
///   std::vector<float> flat = to_vector(columns * 2);

#include <span>
#include <utility>
#include <vector>

#include "tensor.hpp"

namespace rill {

namespace detail {

/// Ends with somebody else's function; the content of a block that keeps foreign memory alive.
struct foreign_memory {
  void* context = nullptr;
  void (*release)(void*) = nullptr;
  foreign_memory() = default;
  foreign_memory(const foreign_memory&) = delete;
  foreign_memory& operator=(const foreign_memory&) = delete;
  ~foreign_memory() {
    if (release) release(context);
  }
};

inline std::string foreign_strides(const tensor_shape& strides) {
  std::string r = "[";
  for (int i = 0; i < strides.rank(); ++i) r += (i > 0 ? ", " : "") + std::to_string(strides[i]);
  return r + "]";
}

/// Whether the strided elements can be addressed at all: every offset in bytes fits, memory is there and aligned, and
/// elements that will be written have one index each (as far as a stride of 0 tells).
template <class T>
strided<T> checked_foreign(T* data, const tensor_shape& shape, const tensor_shape& strides) {
  const std::int64_t n = checked_size(shape);
  const auto fail = [&](const std::string& problem) {
    throw invalid_argument("memory of shape " + to_string(shape) + " and strides " + foreign_strides(strides) + " " + problem);
  };
  if (strides.overflow_ || strides.rank() != shape.rank()) fail("needs one stride for each axis");
  if (n > 0 && data == nullptr) fail("is a null pointer");
  if (reinterpret_cast<std::uintptr_t>(data) % alignof(T) != 0)
    fail("is not aligned to the " + std::to_string(alignof(T)) + " bytes of " + std::string(name_of(dtype_v<std::remove_const_t<T>>)));
  strided<T> s;
  s.data = data;
  s.shape = shape;
  std::int64_t low = 0;
  std::int64_t high = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    const std::int64_t step = shape[i] > 1 ? strides[i] : 0;
    std::int64_t reach = 0;
    std::int64_t& end = step < 0 ? low : high;
    if (n > 0 && (__builtin_mul_overflow(shape[i] - 1, step, &reach) || __builtin_add_overflow(end, reach, &end)))
      fail("reaches beyond 63 bits");
    if (!std::is_const_v<T> && n > 0 && shape[i] > 1 && step == 0) fail("would have several indices for one element that can be written");
    s.strides[i] = step;
  }
  std::int64_t bytes = 0;
  if (__builtin_sub_overflow(high, low, &bytes) || __builtin_mul_overflow(bytes, static_cast<std::int64_t>(sizeof(T)), &bytes))
    fail("reaches beyond 63 bits");
  return s;
}

template <class C>
inline constexpr bool is_vector = false;
template <class T, class A>
inline constexpr bool is_vector<std::vector<T, A>> = true;

/// Depth and innermost element of std::vector<std::vector<...>>.
template <class C>
struct nested_vector {
  using element = C;
  static constexpr int depth = 0;
};
template <class T, class A>
struct nested_vector<std::vector<T, A>> {
  using element = typename nested_vector<T>::element;
  static constexpr int depth = nested_vector<T>::depth + 1;
};

template <class C>
void shape_of_vector(const C& v, tensor_shape& s) {
  if constexpr (is_vector<C>) {
    s.push_back(static_cast<std::int64_t>(v.size()));
    if constexpr (is_vector<typename C::value_type>) {
      if (v.empty())
        for (int i = 0; i < nested_vector<typename C::value_type>::depth; ++i) s.push_back(0);
      else shape_of_vector(v.front(), s);
    }
  }
}
template <class T, class C>
T* copy_vector(const C& v, const tensor_shape& s, int axis, T* to) {
  if (static_cast<std::int64_t>(v.size()) != s[axis])
    throw invalid_argument("the vectors of a tensor of shape " + to_string(s) + " hold one of " + std::to_string(v.size()) +
                           " elements on axis " + std::to_string(axis));
  for (const auto& x : v) {
    if constexpr (is_vector<typename C::value_type>) to = copy_vector(x, s, axis + 1, to);
    else *to++ = static_cast<T>(x);
  }
  return to;
}
template <class T>
struct dynamic_tensor_of {
  template <std::size_t... I>
  static tensor<T, (static_cast<void>(I), dyn)...> make(std::index_sequence<I...>);
};
template <class T, std::size_t R>
using tensor_of_rank = decltype(dynamic_tensor_of<T>::make(std::make_index_sequence<R>{}));
template <class T, std::size_t R>
struct view_of_rank_t {
  template <std::size_t... I>
  static view<T, (static_cast<void>(I), dyn)...> make(std::index_sequence<I...>);
  using type = decltype(make(std::make_index_sequence<R>{}));
};

inline void check_count(std::size_t count, const tensor_shape& shape) {
  if (static_cast<std::uint64_t>(checked_size(shape)) != count)
    throw invalid_argument("a tensor of shape " + to_string(shape) + " needs " + std::to_string(checked_size(shape)) +
                           " elements, got " + std::to_string(count));
}

template <class T>
bool is_dense(const strided<T>& s) {
  std::int64_t step = 1;
  for (int i = s.shape.rank() - 1; i >= 0; --i) {
    if (s.shape[i] == 0) return true;
    if (s.shape[i] > 1 && s.strides[i] != step) return false;
    step *= s.shape[i];
  }
  return true;
}

template <class To, class T>
To from_elements(std::span<const T> values, const tensor_shape& shape) {
  check_count(values.size(), shape);
  To t = To::uninitialized(shape);
  copy_elements(values.data(), t.data(), t.size());
  return t;
}

}  // namespace detail

/// A handle that keeps foreign memory alive: `release(context)` is called, once, when its last copy (in whatever views
/// were made with it) is gone. `release` must not throw.
inline storage adopt(void* context, void (*release)(void*)) {
  storage s = storage::allocate_objects<detail::foreign_memory>(1);
  auto* memory = static_cast<detail::foreign_memory*>(s.data());
  memory->context = context;
  memory->release = release;
  return s;
}

template <class T, std::int64_t... E>
view<T, E...> view<T, E...>::from_pointer(T* data, const tensor_shape& shape, const tensor_shape& strides, storage owner) {
  return view(std::move(owner), detail::checked_foreign(data, shape, strides));
}
template <class T, std::int64_t... E>
view<T, E...> view<T, E...>::from_pointer(T* data, const tensor_shape& shape, storage owner) {
  checked_size(shape);
  std::int64_t steps[max_rank];
  detail::row_major_strides(shape, steps);
  return from_pointer(data, shape, tensor_shape(steps, shape.rank()), std::move(owner));
}

/// A view of raw memory, row-major: `from_pointer(p, {2, 3})` is a view<T, dyn, dyn> (T may be const). The memory must
/// outlive the view and every expression made of it, or be kept alive by `owner` (see `adopt`).
template <class T, std::size_t R>
typename detail::view_of_rank_t<T, R>::type from_pointer(T* data, const std::int64_t (&shape)[R], storage owner = {}) {
  return detail::view_of_rank_t<T, R>::type::from_pointer(data, tensor_shape(shape, static_cast<int>(R)), std::move(owner));
}
/// The same with strides, in elements, one for each axis; they may be negative (the pointer is that of index 0), and 0
/// where elements are not written through. invalid_argument for null or misaligned memory and for strides that overflow.
template <class T, std::size_t R>
typename detail::view_of_rank_t<T, R>::type from_pointer(T* data, const std::int64_t (&shape)[R],
                                                         const std::int64_t (&strides)[R], storage owner = {}) {
  constexpr int rank = static_cast<int>(R);
  return detail::view_of_rank_t<T, R>::type::from_pointer(data, tensor_shape(shape, rank), tensor_shape(strides, rank),
                                                          std::move(owner));
}

/// The elements of a span under a shape, copied: `from_span(s, {2, 3})` is a tensor<T, dyn, dyn>.
template <class T, std::size_t N, std::size_t R>
detail::tensor_of_rank<std::remove_const_t<T>, R> from_span(std::span<T, N> values, const std::int64_t (&shape)[R]) {
  using to = detail::tensor_of_rank<std::remove_const_t<T>, R>;
  return detail::from_elements<to>(std::span<const std::remove_const_t<T>>(values), tensor_shape(shape, static_cast<int>(R)));
}
/// The elements of a span as a vector, copied.
template <class T, std::size_t N>
tensor<std::remove_const_t<T>, dyn> from_span(std::span<T, N> values) {
  return from_span(values, {static_cast<std::int64_t>(values.size())});
}

/// Vectors, nested as deep as the tensor has axes, copied; rows of different lengths are invalid_argument.
template <class T, class A>
auto from_vector(const std::vector<T, A>& values) {
  using nested = detail::nested_vector<std::vector<T, A>>;
  tensor_shape shape;
  detail::shape_of_vector(values, shape);
  auto t = detail::tensor_of_rank<typename nested::element, static_cast<std::size_t>(nested::depth)>::uninitialized(shape);
  detail::copy_vector(values, shape, 0, t.data());
  return t;
}
/// The elements of one vector under a shape, copied: `from_vector(v, {2, 3})` is a tensor<T, dyn, dyn>.
template <class T, class A, std::size_t R>
  requires(!detail::is_vector<T>)
detail::tensor_of_rank<T, R> from_vector(const std::vector<T, A>& values, const std::int64_t (&shape)[R]) {
  const tensor_shape s(shape, static_cast<int>(R));
  detail::check_count(values.size(), s);
  auto t = detail::tensor_of_rank<T, R>::uninitialized(s);
  T* to = t.data();
  for (const auto& x : values) *to++ = x;
  return t;
}
template <class T, class A>
tensor(const std::vector<T, A>&) -> tensor<T, dyn>;

/// The elements, row-major, in a vector.
template <class T, std::int64_t... E>
std::vector<T> to_vector(const tensor<T, E...>& t) {
  return std::vector<T>(t.begin(), t.end());
}
template <class D, class T, std::int64_t... E>
std::vector<T> to_vector(const expression_base<D, T, E...>& x) {
  return to_vector(tensor<T, E...>(x));
}

/// Whether the elements lie one after the other, row-major.
template <class T, std::int64_t... E>
bool is_contiguous(const view<T, E...>& v) {
  return detail::is_dense(v.strided());
}
template <class T, std::int64_t... E>
bool is_contiguous(const tensor<T, E...>&) {
  return true;
}

/// The memory of a tensor or of a contiguous view, not copied: as long as the tensor lives, for a view as long as one
/// handle on its memory does. invalid_argument when the elements of the view do not lie one after the other.
template <class T, std::int64_t... E>
std::span<T> as_span(tensor<T, E...>& t) {
  return t.span();
}
template <class T, std::int64_t... E>
std::span<const T> as_span(const tensor<T, E...>& t) {
  return t.span();
}
template <class T, std::int64_t... E>
void as_span(tensor<T, E...>&&) = delete;  // the memory would be gone
template <class T, std::int64_t... E>
std::span<T> as_span(const view<T, E...>& v) {
  if (!is_contiguous(v))
    throw invalid_argument("a view of shape " + to_string(v.shape()) +
                           " whose elements do not lie one after the other is not a span: copy it into a tensor");
  return {v.data(), static_cast<std::size_t>(v.size())};
}

}  // namespace rill

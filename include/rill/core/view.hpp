// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `view<T, E...>`: strided elements of a tensor under a shape of their own; the slicing vocabulary (`all`, `slice`,
/// `newaxis`); and `expression_base`, what every value that can be assigned to a tensor derives from.
///
/// A view shares the block of memory it looks at by counted handle, so it never dangles; copying a view gives another
/// view of the same elements, assigning to a view writes through. Indices count from the end when negative, as in NumPy;
/// an index outside its axis is out_of_range and names the index and the shape.
///
///   tensor<int, 3, 4> t;
///   t(2, all) = 7;                      // last row
///   t(all, slice{1, -1}) = t(all, slice{0, 2});

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "dtype.hpp"
#include "extents.hpp"
#include "storage.hpp"

namespace rill {

namespace expr {
struct eager_front_end;
}

template <class T, std::int64_t... E>
class tensor;
template <class T, std::int64_t... E>
class view;

/// begin:end:step along one axis, with NumPy's meaning: negative positions count from the end, positions outside are
/// cut off, a negative step walks backwards. `slice{}` is the whole axis.
struct slice {
  static constexpr std::int64_t none = INT64_MIN;  ///< a part that is left out: slice{1, slice::none}
  std::int64_t begin = none;
  std::int64_t end = none;
  std::int64_t step = 1;
};

/// As an index, the whole axis: `t(2, all)`. As a function, whether all elements (along axes) are true: `all(x)`.
struct all_t {
  template <class X, class... Options>
  constexpr auto operator()(X&& x, const Options&... options) const {
    return reduce_all(std::forward<X>(x), options...);
  }
};
inline constexpr all_t all{};

/// Inserts an axis of extent 1: `v(newaxis, all)`.
struct newaxis_t {};
inline constexpr newaxis_t newaxis{};

namespace detail {

/// What a strided destination or source is at run time.
template <class T>
struct strided {
  T* data = nullptr;
  tensor_shape shape;
  std::int64_t strides[max_rank] = {};
};

/// The first and one past the last byte that a strided value touches.
struct byte_range {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  [[nodiscard]] constexpr bool overlaps(const byte_range& o) const { return begin < o.end && o.begin < end; }
};
template <class T>
byte_range touched(const strided<T>& s) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  for (int i = 0; i < s.shape.rank(); ++i) {
    if (s.shape[i] == 0) return {};
    const std::int64_t d = (s.shape[i] - 1) * s.strides[i];
    (d < 0 ? low : high) += d;
  }
  const auto base = reinterpret_cast<std::uintptr_t>(s.data);
  const auto width = static_cast<std::int64_t>(sizeof(T));
  return {base + static_cast<std::uintptr_t>(low * width), base + static_cast<std::uintptr_t>((high + 1) * width)};
}

/// Calls body(offset of a, offset of b, n, a's inner stride, b's inner stride) for every innermost row.
template <class Body>
void for_each_row(const tensor_shape& shape, const std::int64_t* a, const std::int64_t* b, const Body& body) {
  const int rank = shape.rank();
  for (int i = 0; i < rank; ++i)
    if (shape[i] == 0) return;
  if (rank == 0) return body(std::int64_t{0}, std::int64_t{0}, std::int64_t{1}, std::int64_t{1}, std::int64_t{1});
  std::int64_t index[max_rank] = {};
  std::int64_t oa = 0;
  std::int64_t ob = 0;
  for (;;) {
    body(oa, ob, shape[rank - 1], a[rank - 1], b[rank - 1]);
    int i = rank - 2;
    for (; i >= 0; --i) {
      oa += a[i];
      ob += b[i];
      if (++index[i] < shape[i]) break;
      oa -= a[i] * shape[i];
      ob -= b[i] * shape[i];
      index[i] = 0;
    }
    if (i < 0) return;
  }
}

/// Copies n elements to constructed ones that do not overlap them.
template <class T>
void copy_elements(const T* from, T* to, std::int64_t n) {
  if constexpr (std::is_trivially_copyable_v<T>) {
    if (n > 0) std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
  } else
    for (std::int64_t i = 0; i < n; ++i) to[i] = from[i];
}
/// A block of n elements: without a value where that is possible, empty strings otherwise.
template <class T>
storage allocate_elements(std::int64_t n) {
  std::size_t bytes = 0;
  if constexpr (!std::is_trivially_copyable_v<T>) return storage::allocate_objects<T>(static_cast<std::size_t>(n));
  else if (__builtin_mul_overflow(static_cast<std::size_t>(n), sizeof(T), &bytes)) bytes = SIZE_MAX;
  return storage::allocate(bytes);
}

/// Copies elements of equal shape; source and destination do not overlap.
template <class T>
void strided_copy(const strided<const T>& from, const strided<T>& to) {
  for_each_row(to.shape, from.strides, to.strides,
               [&](std::int64_t a, std::int64_t b, std::int64_t n, std::int64_t sa, std::int64_t sb) {
                 const T* p = from.data + a;
                 T* q = to.data + b;
                 if constexpr (std::is_trivially_copyable_v<T>)
                   if (sa == 1 && sb == 1) return copy_elements(p, q, n);
                 for (std::int64_t i = 0; i < n; ++i) q[i * sb] = p[i * sa];
               });
}

[[noreturn]] inline void throw_index(std::int64_t index, int axis, const tensor_shape& shape) {
  throw out_of_range("index " + std::to_string(index) + " is outside axis " + std::to_string(axis) + " of shape " +
                     to_string(shape));
}
[[noreturn]] inline void throw_assign(const tensor_shape& from, const tensor_shape& to) {
  throw invalid_argument("cannot assign a value of shape " + to_string(from) + " to a tensor of shape " + to_string(to));
}
constexpr std::int64_t checked_index(std::int64_t index, int axis, const tensor_shape& shape) {
  const std::int64_t n = shape[axis];
  const std::int64_t i = index < 0 ? index + n : index;
  if (i < 0 || i >= n) throw_index(index, axis, shape);
  return i;
}

template <class S>
concept slicing_index =
    std::is_integral_v<S> || std::is_same_v<S, all_t> || std::is_same_v<S, slice> || std::is_same_v<S, newaxis_t>;

/// The declared shape of t(S...) for a tensor declared as `from`: integers drop an axis, slices make it dynamic.
template <class... S>
constexpr tensor_shape sliced_shape(const tensor_shape& from) {
  tensor_shape to;
  int axis = 0;
  (..., [&] {
    if constexpr (std::is_integral_v<S>) ++axis;
    else if constexpr (std::is_same_v<S, all_t>) to.push_back(from[axis++]);
    else if constexpr (std::is_same_v<S, slice>) {
      to.push_back(dyn);
      ++axis;
    } else to.push_back(1);
  }());
  for (; axis < from.rank(); ++axis) to.push_back(from[axis]);
  return to;
}
template <class... S>
inline constexpr int axes_taken = ((std::is_same_v<S, newaxis_t> ? 0 : 1) + ... + 0);

/// view<T, ...> or tensor<T, ...> with the extents of the constant shape `Shape::value`.
template <template <class, std::int64_t...> class To, class T, class Shape,
          class I = std::make_index_sequence<static_cast<std::size_t>(Shape::value.rank())>>
struct with_shape;
template <template <class, std::int64_t...> class To, class T, class Shape, std::size_t... I>
struct with_shape<To, T, Shape, std::index_sequence<I...>> {
  using type = To<T, Shape::value.dims_[I]...>;
};

template <class X, class... S>
struct sliced_extents {
  static constexpr tensor_shape value = sliced_shape<S...>(X::declared());
};
template <class T, class X, class... S>
struct sliced_view {
  using type = typename with_shape<view, T, sliced_extents<X, S...>>::type;
};
template <class T, class... S>
struct sliced_view<T, extents<any_rank>, S...> {
  using type = view<T, any_rank>;
};

/// Narrows `s` by one index after the other.
template <class T, class... S>
strided<T> slice_strided(const strided<T>& from, const S&... s) {
  strided<T> to;
  to.data = from.data;
  int axis = 0;
  if (axes_taken<S...> > from.shape.rank())
    throw invalid_argument("a tensor of shape " + to_string(from.shape) + " has no " +
                           std::to_string(axes_taken<S...>) + " axes to index");
  const auto keep = [&](std::int64_t n, std::int64_t stride) {
    to.shape.push_back(n);
    to.strides[to.shape.rank() - 1] = stride;
  };
  (..., [&] {
    if constexpr (std::is_integral_v<S>) {
      to.data += checked_index(static_cast<std::int64_t>(s), axis, from.shape) * from.strides[axis];
      ++axis;
    } else if constexpr (std::is_same_v<S, all_t>) {
      keep(from.shape[axis], from.strides[axis]);
      ++axis;
    } else if constexpr (std::is_same_v<S, slice>) {
      const std::int64_t n = from.shape[axis];
      if (s.step == 0 || s.step == slice::none) throw invalid_argument("a slice needs a step other than 0");
      const std::int64_t low = s.step > 0 ? 0 : -1;
      const std::int64_t high = s.step > 0 ? n : n - 1;
      const auto place = [&](std::int64_t p) {
        if (p < 0) p = p < -n ? low : p + n;
        return p < low ? low : p > high ? high : p;
      };
      const std::int64_t begin = s.begin == slice::none ? (s.step > 0 ? 0 : n - 1) : place(s.begin);
      const std::int64_t end = s.end == slice::none ? (s.step > 0 ? n : -1) : place(s.end);
      const std::int64_t span = s.step > 0 ? end - begin : begin - end;
      const std::int64_t width = s.step > 0 ? s.step : -s.step;
      const std::int64_t count = span <= 0 ? 0 : 1 + (span - 1) / width;
      if (count > 0) to.data += begin * from.strides[axis];
      keep(count, count > 1 ? s.step * from.strides[axis] : 0);
      ++axis;
    } else keep(1, 0);
  }());
  for (; axis < from.shape.rank(); ++axis) keep(from.shape[axis], from.strides[axis]);
  return to;
}

}  // namespace detail

/// Base of everything that has elements of type T and a shape of extents E and can be written into a tensor: views and
/// unevaluated expressions. `Derived` has `shape()` and `assign_to(destination)`, which decides about overlap itself.
template <class Derived, class T, std::int64_t... E>
struct expression_base {
  using element_type = T;
  using extents_type = extents<E...>;
  using front_end = expr::eager_front_end;
  [[nodiscard]] constexpr const Derived& derived() const { return static_cast<const Derived&>(*this); }
};

/// Assigned to or constructed from a value whose static shape cannot match.
template <class Wanted, class Got>
inline constexpr bool shapes_match = detail::extents_agree<Wanted, Got>;

template <class T, std::int64_t... E>
class view : public expression_base<view<T, E...>, std::remove_const_t<T>, E...> {
 public:
  using value_type = std::remove_const_t<T>;
  using extents_type = extents<E...>;
  static constexpr int rank_v = extents_type::rank;

  /// A view of a block that `owner` keeps alive (null when something else does).
  view(storage owner, const detail::strided<T>& s) : owner_(std::move(owner)), data_(s.data), extents_(s.shape) {
    for (int i = 0; i < s.shape.rank(); ++i) strides_[i] = s.strides[i];
  }
  /// A view of memory of somebody else's, checked; strides in elements, row-major when left out. Defined in convert.hpp.
  static view from_pointer(T* data, const tensor_shape& shape, const tensor_shape& strides, storage owner = {});
  static view from_pointer(T* data, const tensor_shape& shape, storage owner = {});
  view(const view&) = default;
  view(view&&) noexcept = default;
  /// A view of const elements of the same.
  operator view<const T, E...>() const  // NOLINT: implicit on purpose
    requires(!std::is_const_v<T>)
  {
    detail::strided<const T> s = strided_const();
    return {owner_, s};
  }

  /// Writes the elements of `other` through; invalid_argument when the shapes differ.
  view& operator=(const view& other)
    requires(!std::is_const_v<T>)
  {
    return assign(other);
  }
  template <class D, std::int64_t... F>
    requires(!std::is_const_v<T>)
  view& operator=(const expression_base<D, value_type, F...>& other) {
    static_assert(shapes_match<extents<E...>, extents<F...>>, "the shapes of view and value differ");
    return assign(other.derived());
  }
  template <std::int64_t... F>
    requires(!std::is_const_v<T>)
  view& operator=(const tensor<value_type, F...>& other) {
    static_assert(shapes_match<extents<E...>, extents<F...>>, "the shapes of view and value differ");
    return assign(other.whole());
  }
  view& operator=(const value_type& value)
    requires(!std::is_const_v<T>)
  {
    fill(value);
    return *this;
  }
  template <class X>
    requires(!std::is_const_v<T>)
  view& operator+=(const X& x) {
    return *this = *this + x;
  }
  template <class X>
    requires(!std::is_const_v<T>)
  view& operator-=(const X& x) {
    return *this = *this - x;
  }
  template <class X>
    requires(!std::is_const_v<T>)
  view& operator*=(const X& x) {
    return *this = *this * x;
  }
  template <class X>
    requires(!std::is_const_v<T>)
  view& operator/=(const X& x) {
    return *this = *this / x;
  }

  void fill(const value_type& value) const
    requires(!std::is_const_v<T>)
  {
    const detail::strided<T> s = strided();
    detail::for_each_row(s.shape, s.strides, s.strides,
                         [&](std::int64_t o, std::int64_t, std::int64_t n, std::int64_t step, std::int64_t) {
                           for (std::int64_t i = 0; i < n; ++i) s.data[o + i * step] = value;
                         });
  }

  [[nodiscard]] T* data() const noexcept { return data_; }
  [[nodiscard]] tensor_shape shape() const { return extents_.shape(); }
  [[nodiscard]] int rank() const { return shape().rank(); }
  [[nodiscard]] std::int64_t extent(int i) const { return extents_[i]; }
  [[nodiscard]] std::int64_t stride(int i) const { return strides_[i]; }
  [[nodiscard]] std::int64_t size() const { return extents_.size(); }
  [[nodiscard]] const storage& owner() const { return owner_; }
  [[nodiscard]] detail::strided<T> strided() const {
    detail::strided<T> s;
    s.data = data_;
    s.shape = shape();
    for (int i = 0; i < s.shape.rank(); ++i) s.strides[i] = strides_[i];
    return s;
  }
  [[nodiscard]] detail::strided<const T> strided_const() const {
    detail::strided<const T> s;
    s.data = data_;
    s.shape = shape();
    for (int i = 0; i < s.shape.rank(); ++i) s.strides[i] = strides_[i];
    return s;
  }

  /// One element: as many integers as axes.
  template <class... I>
    requires(std::is_integral_v<I> && ...) && (rank_v < 0 || static_cast<int>(sizeof...(I)) == rank_v)
  T& operator()(I... i) const {
    const tensor_shape s = shape();
    if (rank_v < 0 && s.rank() != static_cast<int>(sizeof...(I)))
      throw invalid_argument("shape " + to_string(s) + " is indexed by " + std::to_string(sizeof...(I)) + " numbers");
    std::int64_t offset = 0;
    int axis = 0;
    (..., (offset += detail::checked_index(static_cast<std::int64_t>(i), axis, s) * strides_[axis], ++axis));
    return data_[offset];
  }
  /// A narrower view.
  template <detail::slicing_index... S>
    requires(rank_v >= 0) && (!(std::is_integral_v<S> && ...) || static_cast<int>(sizeof...(S)) != rank_v)
  auto operator()(S... s) const {
    static_assert(detail::axes_taken<S...> <= rank_v, "more indices than the view has axes");
    using result = typename detail::sliced_view<T, extents_type, S...>::type;
    return result(owner_, detail::slice_strided(strided(), s...));
  }

  /// Writes these elements to a destination of equal shape, through a temporary where the memory overlaps.
  void assign_to(const detail::strided<value_type>& to) const {
    const detail::strided<const value_type> from = strided_const();
    if (from.data == to.data && same_walk(from, to)) return;
    if (!detail::touched(from).overlaps(detail::touched(to))) return detail::strided_copy(from, to);
    const storage copy = detail::allocate_elements<value_type>(size());
    detail::strided<value_type> middle;
    middle.data = static_cast<value_type*>(copy.data());
    middle.shape = from.shape;
    detail::row_major_strides(middle.shape, middle.strides);
    detail::strided_copy(from, middle);
    detail::strided<const value_type> again;
    again.data = middle.data;
    again.shape = middle.shape;
    detail::row_major_strides(again.shape, again.strides);
    detail::strided_copy(again, to);
  }

 private:
  template <class X>
  view& assign(const X& x) {
    if (!(x.shape() == shape())) detail::throw_assign(x.shape(), shape());
    x.assign_to(strided());
    return *this;
  }
  static bool same_walk(const detail::strided<const value_type>& a, const detail::strided<value_type>& b) {
    for (int i = 0; i < a.shape.rank(); ++i)
      if (a.shape[i] != 1 && a.strides[i] != b.strides[i]) return false;
    return true;
  }

  storage owner_;
  T* data_;
  [[no_unique_address]] extents_type extents_;
  std::int64_t strides_[rank_v < 0 ? std::size_t{max_rank} : rank_v > 0 ? static_cast<std::size_t>(rank_v) : 1] = {};
};

}  // namespace rill

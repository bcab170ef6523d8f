// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `tensor<T, E...>`: an owning, row-major, contiguous array of known rank. Extents >= 0 are part of the type, `dyn` ones
/// are given at run time; `tensor<float>` is a scalar; `tensor<T, any_rank>` knows even its rank at run time only.
///
/// Copying copies the elements, moving is free (a moved-from tensor may only be assigned to or destroyed). Elements start
/// at a multiple of 64 bytes, except in static tensors of at most 64 bytes, which live in the object itself; taking a
/// mutable view of such a tensor moves its elements to shared memory, as growing a vector would. Strings always live in
/// shared memory and start empty.
///
///   tensor<int, 2, 2> a{{1, 2}, {3, 4}};
///   tensor<float, dyn, 784> x({100, 784});    // zeros
///   tensor b = a + 1;                         // evaluates the expression
///   a(1, 0) = 5;  a(all, 1) = 9;              // elements and views
///   tensor<std::string, dyn> words{"to", "be"};

#include <initializer_list>
#include <span>
#include <string_view>

#include "view.hpp"

namespace rill {

namespace detail {

template <class T, int Rank>
struct nested_list {
  using type = std::initializer_list<typename nested_list<T, Rank - 1>::type>;
};
template <class T>
struct nested_list<T, 0> {
  using type = T;
};

template <class T>
tensor_shape shape_of_list(const std::initializer_list<T>& list) {
  tensor_shape s{static_cast<std::int64_t>(list.size())};
  if constexpr (!element<T>) {
    bool first = true;
    tensor_shape inner;
    for (const T& row : list) {
      const tensor_shape r = shape_of_list(row);
      if (first) inner = r;
      else if (!(r == inner))
        throw invalid_argument("the braces of a tensor hold rows of shapes " + to_string(inner) + " and " + to_string(r));
      first = false;
    }
    for (std::int64_t d : inner) s.push_back(d);
  }
  return s;
}
template <class T, class U>
T* copy_list(T* to, const std::initializer_list<U>& list) {
  if constexpr (element<U>)
    for (const U& v : list) *to++ = v;
  else
    for (const U& row : list) to = copy_list(to, row);
  return to;
}

template <class T, class A>
concept brace_element = std::is_same_v<A, T> ||
                        ((std::is_arithmetic_v<A> || is_narrow_v<A>)&&!std::is_same_v<T, std::string> &&
                         (std::is_integral_v<A> || !std::is_integral_v<T>)) ||
                        (std::is_same_v<T, std::string> && std::is_convertible_v<const A&, std::string_view>);

/// A complex number in a list; no integer becomes one, so that a list of those can be a shape.
template <class T>
struct complex_braces {
  T value;
  complex_braces(const T& z) : value(z) {}                                 // NOLINT: implicit on purpose
  complex_braces(real_type_t<T> re, real_type_t<T> im) : value(re, im) {}  // NOLINT: implicit on purpose
};

/// Elements in the object (`Inline` of them) or in a counted block.
template <class T, std::int64_t Inline>
class elements {
 public:
  explicit elements(std::int64_t) {}
  elements(const elements& other) : elements(other, Inline) {}
  elements(const elements& other, std::int64_t) { copy(other.data()); }
  elements(elements&& other) noexcept : block_(std::move(other.block_)) {
    if (!block_) copy(other.local_);
  }
  elements& operator=(elements&& other) noexcept {
    if (this != &other) {
      block_ = std::move(other.block_);
      if (!block_) copy(other.local_);
    }
    return *this;
  }
  [[nodiscard]] T* data() noexcept { return block_ ? static_cast<T*>(block_.data()) : local_; }
  [[nodiscard]] const T* data() const noexcept { return block_ ? static_cast<const T*>(block_.data()) : local_; }
  /// The block, after moving the elements into one.
  const storage& shared() {
    if (!block_) {
      storage s = storage::allocate(sizeof(local_));
      std::memcpy(s.data(), local_, sizeof(local_));
      block_ = std::move(s);
    }
    return block_;
  }
  /// A block with the same elements: the tensor's own, or a copy when they are in the object.
  [[nodiscard]] storage shared() const {
    if (block_) return block_;
    storage s = storage::allocate(sizeof(local_));
    std::memcpy(s.data(), local_, sizeof(local_));
    return s;
  }

 private:
  void copy(const T* from) { std::memcpy(local_, from, sizeof(local_)); }
  storage block_;
  T local_[static_cast<std::size_t>(Inline)];
};

template <class T>
class elements<T, 0> {
 public:
  explicit elements(std::int64_t n) : block_(allocate_elements<T>(n)) {}
  explicit elements(storage block) noexcept : block_(std::move(block)) {}
  elements(const elements& other, std::int64_t n) : block_(allocate_elements<T>(n)) {
    copy_elements(other.data(), data(), n);
  }
  elements(elements&&) noexcept = default;
  elements& operator=(elements&&) noexcept = default;
  [[nodiscard]] T* data() noexcept { return static_cast<T*>(block_.data()); }
  [[nodiscard]] const T* data() const noexcept { return static_cast<const T*>(block_.data()); }
  [[nodiscard]] const storage& shared() const { return block_; }

 private:
  storage block_;
};

template <class T, class X>
constexpr std::int64_t inline_elements() {
  if constexpr (X::is_static && std::is_trivially_copyable_v<T>) {
    const std::int64_t n = X().size();
    return n > 0 && n * static_cast<std::int64_t>(sizeof(T)) <= 64 ? n : 0;
  } else return 0;
}

}  // namespace detail

template <class T, std::int64_t... E>
class tensor {
  static_assert(element<T>, "a tensor holds numbers (float, std::int32_t, half, std::complex<float>, ...), bool or std::string");
  struct raw {};
  using braces = typename detail::nested_list<T, (extents<E...>::rank > 1 ? extents<E...>::rank : 2)>::type;

 public:
  using value_type = T;
  using element_type = T;
  using extents_type = extents<E...>;
  using front_end = expr::eager_front_end;
  /// The number of axes; -1 when only known at run time.
  static constexpr int rank_v = extents_type::rank;
  static constexpr bool is_static = extents_type::is_static;
  /// Whether the elements live in the object itself.
  static constexpr bool is_inline = detail::inline_elements<T, extents_type>() > 0;

  /// Zeros; a dynamic extent is 0.
  tensor() : tensor(extents_type().shape()) {}
  /// Zeros of the given shape; invalid_argument when a static extent differs.
  explicit tensor(const tensor_shape& shape) : tensor(raw{}, shape) { zero(); }
  /// Zeros: `tensor<float, dyn, 784> x({100, 784})`.
  template <int R = rank_v>
    requires(R > 0)
  explicit tensor(const std::int64_t (&dims)[static_cast<std::size_t>(R)]) : tensor(tensor_shape(dims, R)) {}
  /// A scalar.
  tensor(std::type_identity_t<T> value)  // NOLINT: implicit on purpose
    requires(rank_v == 0)
      : tensor(raw{}, tensor_shape{}) {
    *data() = std::move(value);
  }
  /// A scalar of text.
  template <class A>
    requires(rank_v == 0 && detail::brace_element<T, A> && std::is_same_v<T, std::string> && !std::is_same_v<T, A>)
  tensor(const A& text) : tensor(std::string(std::string_view(text))) {}  // NOLINT: implicit on purpose
  /// A vector: `tensor<float, 3> v{1, 2, 3}`.
  template <class... A>
    requires(rank_v == 1 && sizeof...(A) > 0) && (detail::brace_element<T, A> && ...)
  explicit(sizeof...(A) == 1) tensor(A... a) : tensor(raw{}, tensor_shape{static_cast<std::int64_t>(sizeof...(A))}) {
    static_assert(extents_type::dynamic == 1 || ((E == static_cast<std::int64_t>(sizeof...(A))) && ...),
                  "the braces hold another number of elements than the tensor");
    T* p = data();
    (..., (*p++ = static_cast<T>(a)));
  }
  /// A vector of complex numbers as pairs: `tensor<std::complex<float>, 2> z{{3, 4}, {0, 1}}`.
  tensor(std::initializer_list<detail::complex_braces<T>> list)
    requires(rank_v == 1 && is_complex_v<T>)
      : tensor(raw{}, tensor_shape{static_cast<std::int64_t>(list.size())}) {
    T* p = data();
    for (const auto& z : list) *p++ = z.value;
  }
  /// A copy of the elements of a vector, array or span: `tensor<float, dyn> t(v)`; see also convert.hpp.
  explicit tensor(std::span<const T> values)
    requires(rank_v == 1)
      : tensor(raw{}, tensor_shape{static_cast<std::int64_t>(values.size())}) {
    copy_from(values.data());
  }
  /// Nested braces; invalid_argument when rows differ in length or a static extent differs.
  tensor(braces list)
    requires(rank_v > 1)
      : tensor(raw{}, detail::shape_of_list(list)) {
    detail::copy_list(data(), list);
  }

  tensor(const tensor& other) : extents_(other.extents_), elements_(other.elements_, other.size()) {}
  tensor(tensor&&) noexcept = default;
  tensor& operator=(const tensor& other) {
    if (this == &other) return *this;
    if (other.shape() == shape() && data()) copy_from(other.data());
    else *this = tensor(other);
    return *this;
  }
  tensor& operator=(tensor&&) noexcept = default;

  /// From a tensor of the same shape known more or less statically; invalid_argument when the shapes differ.
  template <std::int64_t... F>
    requires(!std::is_same_v<extents<E...>, extents<F...>>)
  tensor(const tensor<T, F...>& other) : tensor(raw{}, matching<F...>(other.shape())) {  // NOLINT
    copy_from(other.data());
  }
  template <std::int64_t... F>
    requires(!std::is_same_v<extents<E...>, extents<F...>>)
  tensor(tensor<T, F...>&& other)  // NOLINT
      : extents_(matching<F...>(other.shape())), elements_(take(std::move(other))) {}

  /// Evaluates an expression or copies a view; invalid_argument when the shapes differ.
  template <class D, std::int64_t... F>
  tensor(const expression_base<D, T, F...>& x)  // NOLINT: implicit on purpose
      : tensor(raw{}, matching_extents<F...>(x.derived())) {
    if constexpr (requires { x.derived().assign_to(data()); }) x.derived().assign_to(data());
    else x.derived().assign_to(strided());
  }
  /// Evaluates into these elements when the shape is the same (through a temporary where the expression reads them at
  /// other indices), into new ones when a dynamic extent changes.
  template <class D, std::int64_t... F>
  tensor& operator=(const expression_base<D, T, F...>& x) {
    const auto& s = matching_extents<F...>(x.derived());
    if (!(s == extents_) || (!data() && size() > 0)) return *this = tensor(x);
    if constexpr (requires { x.derived().assign_to(data()); }) x.derived().assign_to(data());
    else x.derived().assign_to(strided());
    return *this;
  }
  template <class X>
  tensor& operator+=(const X& x) {
    return *this = *this + x;
  }
  template <class X>
  tensor& operator-=(const X& x) {
    return *this = *this - x;
  }
  template <class X>
  tensor& operator*=(const X& x) {
    return *this = *this * x;
  }
  template <class X>
  tensor& operator/=(const X& x) {
    return *this = *this / x;
  }

  /// Takes over a block that holds the elements in order and that nobody else will write.
  static tensor adopt(storage block, const tensor_shape& shape)
    requires(!is_inline)
  {
    return tensor(std::move(block), shape);
  }
  /// A tensor whose elements have no value yet.
  static tensor uninitialized(const tensor_shape& shape) { return tensor(raw{}, shape); }

  [[nodiscard]] T* data() noexcept { return elements_.data(); }
  [[nodiscard]] const T* data() const noexcept { return elements_.data(); }
  [[nodiscard]] std::int64_t size() const { return extents_.size(); }
  [[nodiscard]] tensor_shape shape() const { return extents_.shape(); }
  [[nodiscard]] const extents_type& dims() const noexcept { return extents_; }
  [[nodiscard]] int rank() const { return rank_v >= 0 ? rank_v : shape().rank(); }
  [[nodiscard]] std::int64_t extent(int i) const { return extents_[i]; }
  [[nodiscard]] static constexpr dtype type() { return dtype_v<T>; }
  [[nodiscard]] std::span<T> span() { return {data(), static_cast<std::size_t>(size())}; }
  [[nodiscard]] std::span<const T> span() const { return {data(), static_cast<std::size_t>(size())}; }
  [[nodiscard]] T* begin() { return data(); }
  [[nodiscard]] T* end() { return data() + size(); }
  [[nodiscard]] const T* begin() const { return data(); }
  [[nodiscard]] const T* end() const { return data() + size(); }
  void fill(T value) {
    T* p = data();
    for (std::int64_t i = 0, n = size(); i < n; ++i) p[i] = value;
  }
  /// The value of a tensor of one element; invalid_argument when it has more or fewer.
  explicit operator T() const
    requires(rank_v <= 0)
  {
    if (rank_v != 0 && size() != 1)
      throw invalid_argument("a tensor of shape " + to_string(shape()) + " is not one element");
    return *data();
  }

  /// One element: as many integers as axes, negative ones counted from the end; out_of_range outside.
  template <class... I>
    requires(std::is_integral_v<I> && ...) && (rank_v < 0 || static_cast<int>(sizeof...(I)) == rank_v)
  T& operator()(I... i) {
    return data()[offset(i...)];
  }
  template <class... I>
    requires(std::is_integral_v<I> && ...) && (rank_v < 0 || static_cast<int>(sizeof...(I)) == rank_v)
  const T& operator()(I... i) const {
    return data()[offset(i...)];
  }
  /// A view: an integer drops its axis, `all` and `slice` keep it, `newaxis` adds one; missing indices are `all`.
  template <detail::slicing_index... S>
    requires(rank_v >= 0) && (!(std::is_integral_v<S> && ...) || static_cast<int>(sizeof...(S)) != rank_v)
  auto operator()(S... s) & {
    static_assert(detail::axes_taken<S...> <= rank_v, "more indices than the tensor has axes");
    using result = typename detail::sliced_view<T, extents_type, S...>::type;
    const storage& owner = elements_.shared();
    return result(owner, detail::slice_strided(strided(), s...));
  }
  template <detail::slicing_index... S>
    requires(rank_v >= 0) && (!(std::is_integral_v<S> && ...) || static_cast<int>(sizeof...(S)) != rank_v)
  auto operator()(S... s) const& {
    static_assert(detail::axes_taken<S...> <= rank_v, "more indices than the tensor has axes");
    using result = typename detail::sliced_view<const T, extents_type, S...>::type;
    const storage owner = elements_.shared();
    detail::strided<const T> from = strided();
    from.data = static_cast<const T*>(owner.data());
    return result(owner, detail::slice_strided(from, s...));
  }
  template <detail::slicing_index... S>
    requires(rank_v >= 0) && (!(std::is_integral_v<S> && ...) || static_cast<int>(sizeof...(S)) != rank_v)
  auto operator()(S... s) && {
    return static_cast<tensor&>(*this)(s...);
  }
  /// The block of memory that holds the elements, shared.
  [[nodiscard]] const storage& owner() const&
    requires(!is_inline)
  {
    return elements_.shared();
  }
  [[nodiscard]] storage owner() const&&
    requires(!is_inline)
  {
    return elements_.shared();
  }
  /// A view of all elements.
  [[nodiscard]] view<T, E...> whole() {
    const storage& owner = elements_.shared();
    return {owner, strided()};
  }
  [[nodiscard]] view<const T, E...> whole() const {
    const storage owner = elements_.shared();
    detail::strided<const T> s = strided();
    s.data = static_cast<const T*>(owner.data());
    return {owner, s};
  }

  [[nodiscard]] detail::strided<T> strided() {
    detail::strided<T> s;
    s.data = data();
    s.shape = shape();
    detail::row_major_strides(s.shape, s.strides);
    return s;
  }
  [[nodiscard]] detail::strided<const T> strided() const {
    detail::strided<const T> s;
    s.data = data();
    s.shape = shape();
    detail::row_major_strides(s.shape, s.strides);
    return s;
  }

  /// Whether shapes and all elements are equal (a NaN equals nothing).
  template <std::int64_t... F>
  friend bool operator==(const tensor& a, const tensor<T, F...>& b) {
    if (!(a.shape() == b.shape())) return false;
    const T* p = a.data();
    const T* q = b.data();
    for (std::int64_t i = 0, n = a.size(); i < n; ++i)
      if (!(p[i] == q[i])) return false;
    return true;
  }

 private:
  template <class U, std::int64_t... F>
  friend class tensor;
  static constexpr std::int64_t inline_v = detail::inline_elements<T, extents_type>();
  using elements_type = detail::elements<T, inline_v>;

  tensor(storage block, const tensor_shape& shape)
    requires(detail::inline_elements<T, extents_type>() == 0)
      : extents_(checked(shape)), elements_(std::move(block)) {}
  tensor(raw, const tensor_shape& shape) : extents_(checked(shape)), elements_(extents_.size()) {}
  tensor(raw, const extents_type& checked) : extents_(checked), elements_(extents_.size()) {}
  static const tensor_shape& checked(const tensor_shape& shape) {
    checked_size(shape);
    return shape;
  }
  template <std::int64_t... F>
  static tensor_shape matching(const tensor_shape& from) {
    static_assert(shapes_match<extents<E...>, extents<F...>>, "the shapes of tensor and value differ");
    if (!extents_type::fits(from)) {
      if constexpr (rank_v >= 0) detail::throw_assign(from, extents_type::declared());
    }
    return from;
  }
  /// The extents of an expression, as ours; it has checked their product where it has them as such.
  template <std::int64_t... F, class D>
  static decltype(auto) matching_extents(const D& x) {
    if constexpr (std::is_same_v<extents<E...>, extents<F...>> && requires { x.dims(); }) return (x.dims());
    else return extents_type(checked(matching<F...>(x.shape())));
  }
  template <std::int64_t... F>
  static elements_type take(tensor<T, F...>&& other) {
    if constexpr (inline_v == 0 && tensor<T, F...>::inline_v == 0) return elements_type(storage(other.elements_.shared()));
    else {
      elements_type e(other.size());
      detail::copy_elements(other.data(), e.data(), other.size());
      return e;
    }
  }
  void copy_from(const T* from) {
    detail::copy_elements(from, data(), size());
  }
  void zero() {
    if constexpr (std::is_trivially_copyable_v<T>)  // others are made empty
      if (size() > 0) std::memset(static_cast<void*>(data()), 0, static_cast<std::size_t>(size()) * sizeof(T));
  }
  template <class... I>
  std::int64_t offset(I... i) const {
    const tensor_shape s = shape();
    if (rank_v < 0 && s.rank() != static_cast<int>(sizeof...(I)))
      throw invalid_argument("shape " + to_string(s) + " is indexed by " + std::to_string(sizeof...(I)) + " numbers");
    std::int64_t o = 0;
    int axis = 0;
    (..., (o = o * s[axis] + detail::checked_index(static_cast<std::int64_t>(i), axis, s), ++axis));
    return o;
  }

  [[no_unique_address]] extents_type extents_;
  elements_type elements_;
};

template <class D, class T, std::int64_t... E>
tensor(const expression_base<D, T, E...>&) -> tensor<T, E...>;

}  // namespace rill

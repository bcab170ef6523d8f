// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Nested structures of a pipeline. An *element* is a scalar, a tensor, or any nesting of std::tuple, std::pair,
/// std::array, std::map<std::string, X> and plain aggregate structs (up to twelve fields) of these. This file knows how
/// structures correspond: `slice_t` removes the first axis of every component, `batch_t` adds a run-time one in front, and
/// rows are copied between the two without temporaries.
///
///   slice_t<std::pair<tensor<float, dyn, 784>, tensor<int, dyn>>>   is std::pair<tensor<float, 784>, int>
///   batch_t<std::pair<tensor<float, 784>, int>>                     is std::pair<tensor<float, dyn, 784>, tensor<int, dyn>>
///
/// The slice of an aggregate `S` is `S::slice` and its batch `S::batch` where the struct names them (a struct of the
/// same number of fields), otherwise the std::tuple of its fields' slices or batches.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "rill/core/dtype.hpp"
#include "rill/core/error.hpp"
#include "rill/core/reflect.hpp"
#include "rill/core/shape.hpp"
#include "rill/core/tensor.hpp"
#include "rill/core/text.hpp"

namespace rill::data {
namespace detail {

// ---- kinds -----------------------------------------------------------------------------------------------------------

template <class X>
struct tensor_info {
  static constexpr bool is_tensor = false;
};
template <class T, std::int64_t... E>
struct tensor_info<tensor<T, E...>> {
  static constexpr bool is_tensor = true;
  static constexpr bool any = ((E == any_rank) || ...);
  static constexpr bool is_static = ((E >= 0) && ...);
  static constexpr std::size_t size = is_static ? static_cast<std::size_t>((E * ... * 1)) : std::dynamic_extent;
  using value = T;
};
template <class X>
inline constexpr bool is_tensor = tensor_info<X>::is_tensor;

template <class X>
inline constexpr bool is_column = false;  // a std::vector as a source of scalars
template <class T>
inline constexpr bool is_column<std::vector<T>> = element<T> && !std::is_same_v<T, bool>;

template <class X>
inline constexpr bool is_map = false;
template <class X>
inline constexpr bool is_map<std::map<std::string, X>> = true;

template <class X>
inline constexpr bool is_tuple = false;
template <class... X>
inline constexpr bool is_tuple<std::tuple<X...>> = true;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;
template <class X, std::size_t N>
inline constexpr bool is_tuple<std::array<X, N>> = true;

/// Whether elements are made on a device that one thread at a time may use (tensor_info says so of its tensors).
template <class X>
inline constexpr bool is_on_device = requires { requires tensor_info<X>::on_device; };
template <class... X>
inline constexpr bool is_on_device<std::tuple<X...>> = (is_on_device<X> || ...);
template <class A, class B>
inline constexpr bool is_on_device<std::pair<A, B>> = is_on_device<A> || is_on_device<B>;

// ---- reflection of plain structs ---------------------------------------------------------------------------------------

/// An unevaluated expression or a view.
template <class X>
concept lazy = requires(const X& x) {
  typename X::element_type;
  typename X::extents_type;
  x.derived();
};

template <class X>
inline constexpr bool is_struct = std::is_class_v<X> && std::is_aggregate_v<X> && !is_tensor<X> && !is_tuple<X> &&
                                  !is_map<X> && !lazy<X>;

/// The fields of a tuple-like or aggregate as a std::tuple of references.
template <class S>
constexpr auto fields(S& s) {
  using X = std::remove_const_t<S>;
  if constexpr (is_tuple<X>) {
    return std::apply([](auto&... f) { return std::tie(f...); }, s);
  } else {
    static_assert(field_count<X> >= 1, "a struct in a dataset element has fields");
    return with_fields(s, [](auto&... f) { return std::tie(f...); });
  }
}
template <class S>
using fields_t = decltype(fields(std::declval<S&>()));

template <class X>
inline constexpr bool is_product = is_tuple<X> || is_struct<X>;

// ---- corresponding types -----------------------------------------------------------------------------------------------

template <class X>
struct slice_of {
  static_assert(is_struct<X>, "from_tensor_slices takes tensors of rank >= 1, vectors of scalars, and nestings of them");
  template <class T>
  struct of_fields;
  template <class... F>
  struct of_fields<std::tuple<F&...>> {
    using type = std::tuple<typename slice_of<F>::type...>;
  };
  static auto pick() {
    if constexpr (requires { typename X::slice; }) return std::type_identity<typename X::slice>{};
    else return std::type_identity<typename of_fields<fields_t<X>>::type>{};
  }
  using type = typename decltype(pick())::type;
};
template <class T>
struct slice_of<tensor<T>> {
  static_assert(sizeof(T) == 0, "from_tensor_slices: a scalar has no axis to slice along");
};
template <class T, std::int64_t E>
struct slice_of<tensor<T, E>> {
  using type = T;
};
template <class T>
struct slice_of<tensor<T, any_rank>> {
  using type = tensor<T, any_rank>;
};
template <class T, std::int64_t E, std::int64_t E1, std::int64_t... Es>
struct slice_of<tensor<T, E, E1, Es...>> {
  using type = tensor<T, E1, Es...>;
};
template <class T>
struct slice_of<std::vector<T>> {
  static_assert(is_column<std::vector<T>>, "from_tensor_slices: a vector holds float, double, int, int64 or uint8");
  using type = T;
};
template <class... X>
struct slice_of<std::tuple<X...>> {
  using type = std::tuple<typename slice_of<X>::type...>;
};
template <class A, class B>
struct slice_of<std::pair<A, B>> {
  using type = std::pair<typename slice_of<A>::type, typename slice_of<B>::type>;
};
template <class X, std::size_t N>
struct slice_of<std::array<X, N>> {
  using type = std::array<typename slice_of<X>::type, N>;
};
template <class X>
struct slice_of<std::map<std::string, X>> {
  using type = std::map<std::string, typename slice_of<X>::type>;
};

template <class X>
struct batch_of {
  static_assert(is_struct<X> || element<X>, "batch stacks tensors, scalars, and nestings of them");
  template <class T>
  struct of_fields;
  template <class... F>
  struct of_fields<std::tuple<F&...>> {
    using type = std::tuple<typename batch_of<F>::type...>;
  };
  static auto pick() {
    if constexpr (element<X>) return std::type_identity<tensor<X, dyn>>{};
    else if constexpr (requires { typename X::batch; }) return std::type_identity<typename X::batch>{};
    else return std::type_identity<typename of_fields<fields_t<X>>::type>{};
  }
  using type = typename decltype(pick())::type;
};
template <class T, std::int64_t... E>
struct batch_of<tensor<T, E...>> {
  using type = tensor<T, dyn, E...>;
};
template <class T>
struct batch_of<tensor<T, any_rank>> {
  using type = tensor<T, any_rank>;
};
template <class... X>
struct batch_of<std::tuple<X...>> {
  using type = std::tuple<typename batch_of<X>::type...>;
};
template <class A, class B>
struct batch_of<std::pair<A, B>> {
  using type = std::pair<typename batch_of<A>::type, typename batch_of<B>::type>;
};
template <class X, std::size_t N>
struct batch_of<std::array<X, N>> {
  using type = std::array<typename batch_of<X>::type, N>;
};
template <class X>
struct batch_of<std::map<std::string, X>> {
  using type = std::map<std::string, typename batch_of<X>::type>;
};

/// Whether every component's shape is part of its type, so that a batch can be shaped before its elements are seen.
template <class X>
constexpr bool all_static() {
  if constexpr (is_tensor<X>) return tensor_info<X>::is_static;
  else if constexpr (is_product<X>)
    return []<class... F>(std::type_identity<std::tuple<F&...>>) {
      return (all_static<F>() && ...);
    }(std::type_identity<fields_t<X>>{});
  else return element<X>;
}

// ---- walking -------------------------------------------------------------------------------------------------------------

/// Calls f(leaf) for every component.
template <class X, class F>
void for_each_leaf(X& x, F&& f) {
  using S = std::remove_const_t<X>;
  if constexpr (is_product<S>) {
    std::apply([&](auto&... c) { (for_each_leaf(c, f), ...); }, fields(x));
  } else if constexpr (is_map<S>) {
    for (auto& [key, value] : x) for_each_leaf(value, f);
  } else {
    f(x);
  }
}

/// Calls f(leaf of a, leaf of b) for corresponding components; b's maps get a's keys.
template <class A, class B, class F>
void zip_leaves(A& a, B& b, F&& f) {
  using S = std::remove_const_t<A>;
  if constexpr (is_product<S>) {
    auto fa = fields(a);
    auto fb = fields(b);
    static_assert(std::tuple_size_v<decltype(fa)> == std::tuple_size_v<decltype(fb)>,
                  "corresponding structures have the same number of fields");
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (zip_leaves(std::get<I>(fa), std::get<I>(fb), f), ...);
    }(std::make_index_sequence<std::tuple_size_v<decltype(fa)>>{});
  } else if constexpr (is_map<S>) {
    auto same_keys = [&] {
      if (a.size() != b.size()) return false;
      auto k = b.begin();
      for (auto& entry : a)
        if (entry.first != (k++)->first) return false;
      return true;
    };
    if (!same_keys()) {
      b.clear();
      for (auto& entry : a) b[entry.first];
    }
    auto k = b.begin();
    for (auto& entry : a) zip_leaves(entry.second, (k++)->second, f);
  } else {
    f(a, b);
  }
}

/// Gives a tensor this shape, keeping its memory when it has the shape already.
template <class T>
void shape_to(T& t, const tensor_shape& s) {
  if (!(t.shape() == s) || (t.data() == nullptr && t.size() > 0)) t = T::uninitialized(s);
}

inline tensor_shape without_first(const tensor_shape& s) { return tensor_shape(s.begin() + 1, s.rank() - 1); }
inline tensor_shape with_first(std::int64_t n, const tensor_shape& s) {
  tensor_shape r{n};
  for (std::int64_t d : s) r.push_back(d);
  return r;
}

template <class L>
std::int64_t leaf_rows(const L& l) {
  if constexpr (is_tensor<L>) {
    if constexpr (tensor_info<L>::any)
      if (l.shape().rank() == 0) rill::detail::raise<invalid_argument>({"from_tensor_slices: a scalar has no axis to slice along"});
    return l.shape()[0];
  } else {
    return static_cast<std::int64_t>(l.size());
  }
}

/// Rows of the first component of a structure whose components have the same number.
template <class S>
std::int64_t row_count(const S& s) {
  std::int64_t n = -1;
  for_each_leaf(s, [&](const auto& l) {
    if (n < 0) n = leaf_rows(l);
  });
  return n < 0 ? 0 : n;
}

/// Elements of one row of a leaf with `n` rows.
template <class L>
std::int64_t row_size(const L& l, std::int64_t n) {
  if constexpr (is_tensor<L>) return n > 0 ? l.size() / n : 0;
  else return 1;
}

template <class T>
void copy_values(const T* from, T* to, std::int64_t n) {
  rill::detail::copy_elements(from, to, n);
}

/// Row i of a source becomes an element.
template <class Source, class Element>
void read_row(const Source& source, std::int64_t i, Element& out) {
  zip_leaves(source, out, [i](const auto& s, auto& e) {
    using E = std::remove_cvref_t<decltype(e)>;
    if constexpr (is_tensor<E>) {
      if constexpr (!tensor_info<E>::is_static) shape_to(e, without_first(s.shape()));
      else if (e.data() == nullptr) shape_to(e, e.shape());
      const std::int64_t n = e.size();
      copy_values(s.data() + i * n, e.data(), n);
    } else {
      e = s.data()[i];
    }
  });
}

/// Row i of a source becomes row r of a batch that has its shape already.
template <class Source, class Batch>
void copy_row(const Source& source, std::int64_t i, Batch& batch, std::int64_t r) {
  zip_leaves(source, batch, [i, r](const auto& s, auto& b) {
    const std::int64_t n = row_size(b, b.shape()[0]);
    copy_values(s.data() + i * n, b.data() + r * n, n);
  });
}

/// An element (or a function's result) becomes row r of a batch that has its shape already; invalid_argument when its shapes are not those of the batch's rows.
template <class Element, class Batch>
void write_row(const Element& from, Batch& batch, std::int64_t r) {
  zip_leaves(from, batch, [r](const auto& e, auto& b) {
    using E = std::remove_cvref_t<decltype(e)>;
    if constexpr (is_tensor<E>) {
      if constexpr (!tensor_info<E>::is_static)
        if (const tensor_shape want = without_first(b.shape()); !(e.shape() == want))
          rill::detail::raise<invalid_argument>({"batch: element ", r, " of the batch has a component of shape ",
                                                 to_string(e.shape()), ", the first one has ", to_string(want)});
      const std::int64_t n = e.size();
      copy_values(e.data(), b.data() + r * n, n);
    } else if constexpr (lazy<E>) {  // evaluated straight into the row
      auto row = b.strided();
      if (!(e.shape() == without_first(row.shape)))
        rill::detail::raise<invalid_argument>({"batch: element ", r, " of the batch has a component of shape ",
                                               to_string(e.shape()), ", the batch holds ",
                                               to_string(without_first(row.shape))});
      row.data += r * row.strides[0];
      row.shape = without_first(row.shape);
      for (int i = 0; i < row.shape.rank(); ++i) row.strides[i] = row.strides[i + 1];
      e.derived().assign_to(row);
    } else {
      b.data()[r] = e;
    }
  });
}

/// Shapes a batch for n elements like this one.
template <class Element, class Batch>
void shape_batch(const Element& like, Batch& batch, std::int64_t n) {
  zip_leaves(like, batch, [n](const auto& e, auto& b) {
    if constexpr (is_tensor<std::remove_cvref_t<decltype(e)>>) shape_to(b, with_first(n, e.shape()));
    else shape_to(b, tensor_shape{n});
  });
}

/// Shapes a batch of static elements for n of them.
template <class Batch>
void shape_batch(Batch& batch, std::int64_t n) {
  for_each_leaf(batch, [n](auto& b) {
    if (b.shape()[0] == n && (b.data() != nullptr || b.size() == 0)) return;
    shape_to(b, with_first(n, without_first(b.shape())));
  });
}

/// Copies an element, reusing the memory of the target.
template <class Element>
void copy_element(const Element& from, Element& to) {
  zip_leaves(from, to, [](const auto& f, auto& t) {
    if constexpr (is_tensor<std::remove_cvref_t<decltype(f)>>) {
      shape_to(t, f.shape());
      copy_values(f.data(), t.data(), f.size());
    } else {
      t = f;
    }
  });
}

// ---- spans: tensors as spans of their elements (row-major), scalars by reference, structures as std::tuple -----------------

template <class X>
decltype(auto) spans(X& x) {
  using S = std::remove_const_t<X>;
  if constexpr (is_product<S>) {
    return std::apply([](auto&... c) { return std::tuple<decltype(spans(c))...>(spans(c)...); }, fields(x));
  } else if constexpr (is_tensor<S>) {
    using T = std::remove_pointer_t<decltype(x.data())>;
    return std::span<T, tensor_info<S>::size>(x.data(), static_cast<std::size_t>(x.size()));
  } else {
    static_assert(element<S>, "map_into works on tensors, scalars, tuples and structs of them");
    return (x);
  }
}

/// The same for row i of a source or batch.
template <class X>
decltype(auto) row_spans(X& x, std::int64_t i) {
  using S = std::remove_const_t<X>;
  if constexpr (is_product<S>) {
    return std::apply([i](auto&... c) { return std::tuple<decltype(row_spans(c, i))...>(row_spans(c, i)...); },
                      fields(x));
  } else {
    using Row = typename slice_of<S>::type;
    if constexpr (is_tensor<Row>) {
      using T = std::remove_pointer_t<decltype(x.data())>;
      std::int64_t n = static_cast<std::int64_t>(tensor_info<Row>::size);
      if constexpr (!tensor_info<Row>::is_static) n = row_size(x, x.shape()[0]);
      return std::span<T, tensor_info<Row>::size>(x.data() + i * n, static_cast<std::size_t>(n));
    } else {
      return (x.data()[i]);
    }
  }
}

// ---- results of user functions -------------------------------------------------------------------------------------------

template <class T, class E>
struct tensor_with;
template <class T, std::int64_t... E>
struct tensor_with<T, extents<E...>> {
  using type = tensor<T, E...>;
};

/// What a dataset stores for a function's result: expressions become tensors, everything else stays.
template <class X>
struct value_of {
  using type = X;
};
template <lazy X>
struct value_of<X> {
  using type = typename tensor_with<typename X::element_type, typename X::extents_type>::type;
};
template <class... X>
struct value_of<std::tuple<X...>> {
  using type = std::tuple<typename value_of<std::remove_cvref_t<X>>::type...>;
};
template <class A, class B>
struct value_of<std::pair<A, B>> {
  using type = std::pair<typename value_of<std::remove_cvref_t<A>>::type, typename value_of<std::remove_cvref_t<B>>::type>;
};
template <class X, std::size_t N>
struct value_of<std::array<X, N>> {
  using type = std::array<typename value_of<X>::type, N>;
};

/// Stores a function's result in an element.
template <class R, class Element>
void store(R&& result, Element& out) {
  if constexpr (std::is_same_v<std::remove_cvref_t<R>, Element>) {
    out = std::forward<R>(result);
  } else {
    zip_leaves(result, out, [](auto& from, auto& to) { to = std::move(from); });
  }
}

template <class F, class E>
inline constexpr bool takes_components = false;
template <class F, class... X>
inline constexpr bool takes_components<F, std::tuple<X...>> = std::is_invocable_v<F&, const X&...>;
template <class F, class A, class B>
inline constexpr bool takes_components<F, std::pair<A, B>> = std::is_invocable_v<F&, const A&, const B&>;

/// Calls f with an element: with the components of a tuple or pair when it takes them, otherwise with the whole.
template <class F, class E>
decltype(auto) call(F& f, const E& e) {
  if constexpr (takes_components<F, E>) return std::apply(f, e);
  else return f(e);
}

// ---- text ------------------------------------------------------------------------------------------------------------------

/// Writes a structure as Python writes it; `leaf` gives the text of one component.
template <class X, class Leaf>
std::string structure_text(const Leaf& leaf) {
  if constexpr (is_map<X>) {
    return "{string: " + structure_text<typename X::mapped_type>(leaf) + "}";
  } else if constexpr (is_product<X>) {
    return [&]<class... F>(std::type_identity<std::tuple<F&...>>) {
      std::string r = "(";
      int n = 0;
      ((r += (n++ > 0 ? ", " : "") + structure_text<std::remove_const_t<F>>(leaf)), ...);
      return r + (sizeof...(F) == 1 ? ",)" : ")");
    }(std::type_identity<fields_t<X>>{});
  } else {
    return leaf(std::type_identity<X>{});
  }
}

struct shape_text {
  template <class X>
  std::string operator()(std::type_identity<X>) const {
    if constexpr (!is_tensor<X>) {
      return "()";
    } else if constexpr (tensor_info<X>::any) {
      return "<unknown>";
    } else {
      const tensor_shape s = X::extents_type::declared();
      std::string r = "(";
      for (int i = 0; i < s.rank(); ++i)
        r += (i > 0 ? ", " : "") + (s[i] < 0 ? std::string("?") : std::to_string(s[i]));
      return r + (s.rank() == 1 ? ",)" : ")");
    }
  }
};
struct type_text {
  template <class X>
  std::string operator()(std::type_identity<X>) const {
    if constexpr (is_tensor<X>) return std::string(name_of(dtype_v<typename tensor_info<X>::value>));
    else if constexpr (element<X>) return std::string(name_of(dtype_v<X>));
    else if constexpr (std::is_convertible_v<X, std::string>) return "string";
    else return "object";
  }
};

}  // namespace detail

/// The element type of `from_tensor_slices(x)`: every component without its first axis, a rank-1 one as a scalar.
template <class X>
using slice_t = typename detail::slice_of<X>::type;

/// The element type of `batch`: every component with a run-time axis in front.
template <class X>
using batch_t = typename detail::batch_of<X>::type;

}  // namespace rill::data

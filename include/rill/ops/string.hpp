// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Functions of tensors of strings (`tensor<std::string, ...>`, bytes as in TensorFlow): joining, splitting, cutting,
/// conversion from and to numbers, hash buckets, regular expressions, base64, comparison. They are eager and have no
/// gradient. Operands are tensors and views of strings; plain text counts as a scalar. A function of each element returns
/// a tensor of the operand's extents. Operands of several shapes broadcast by NumPy's rule. What a string cannot be
/// converted to is invalid_argument and names the string.
///
///   tensor<std::string, dyn> words{"hello world", "a b c"};
///   auto s = string_split(words);                          // s.values: [b'hello' b'world' b'a' b'b' b'c']
///   auto n = string_to_number<int>(tensor<std::string, 2>{"4", "7"});     // tensor<int, 2>
///   auto ids = string_to_hash_bucket_fast(words, 1000);    // tensor<std::int64_t, dyn>

#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "../core/hash.hpp"
#include "../core/tensor.hpp"
#include "op.hpp"
#include "reduction.hpp"
#include "regex.hpp"

namespace rill {

namespace detail {
template <class X>
inline constexpr bool holds_strings = false;
template <std::int64_t... E>
inline constexpr bool holds_strings<tensor<std::string, E...>> = true;
template <std::int64_t... E>
inline constexpr bool holds_strings<view<std::string, E...>> = true;
template <std::int64_t... E>
inline constexpr bool holds_strings<view<const std::string, E...>> = true;
}  // namespace detail

/// A tensor or view of strings.
template <class X>
concept string_tensor = detail::holds_strings<std::remove_cvref_t<X>>;
/// Plain text, which counts as a scalar.
template <class X>
concept text = !string_tensor<X> && std::is_convertible_v<const std::remove_reference_t<X>&, std::string_view>;
/// What the functions of strings take.
template <class X>
concept string_operand = string_tensor<X> || text<X>;

/// What a position or a length in a string counts.
enum class string_unit : std::uint8_t { byte, utf8_char };

namespace detail {

template <class A, class B>
concept string_with_text = (string_tensor<A> && text<B>) || (text<A> && string_tensor<B>);

// ---- operands as views ------------------------------------------------------------------------------------------------

template <class T, std::int64_t... E>
view<const T, E...> view_of(const tensor<T, E...>& t) {
  return t.whole();
}
template <class T, std::int64_t... E>
view<const std::remove_const_t<T>, E...> view_of(const view<T, E...>& v) {
  return v;
}
template <class D, class T, std::int64_t... E>
view<const T, E...> view_of(const expression_base<D, T, E...>& x) {
  return tensor<T, E...>(x).whole();
}
template <text X>
view<const std::string> view_of(const X& x) {
  return tensor<std::string>(std::string(std::string_view(x))).whole();
}
template <element T>
requires(!text<T>) view<const T> view_of(const T& number) { return tensor<T>(number).whole(); }
template <class X>
using extents_of = typename decltype(view_of(std::declval<const X&>()))::extents_type;

template <class T, class X>
struct tensor_with;
template <class T, std::int64_t... E>
struct tensor_with<T, extents<E...>> {
  using type = tensor<T, E...>;
};

template <int Rank>
struct all_dynamic {
  static constexpr tensor_shape value = [] {
    tensor_shape s;
    for (int d = 0; d < Rank; ++d) s.push_back(dyn);
    return s;
  }();
};
template <class T, std::int64_t... E>
struct extents_alias {
  using type = extents<E...>;
};
/// What two operands broadcast to: the extents of one where the other has the same or is a scalar, else dynamic ones.
template <class A, class B>
struct joined_extents {
  static constexpr int rank = A::rank > B::rank ? A::rank : B::rank;
  using type = typename with_shape<extents_alias, void, all_dynamic<rank>>::type::type;
};
template <class A, class B>
requires(A::has_any_rank || B::has_any_rank) struct joined_extents<A, B> {
  using type = extents<any_rank>;
};
template <class A, class B>
requires(!A::has_any_rank && !B::has_any_rank && (std::is_same_v<A, B> || B::rank == 0)) struct joined_extents<A, B> {
  using type = A;
};
template <class A, class B>
requires(!A::has_any_rank && !B::has_any_rank && !std::is_same_v<A, B> && A::rank == 0) struct joined_extents<A, B> {
  using type = B;
};

/// The shape of the result and, of each of K operands, pointer and strides over that shape.
template <std::size_t K>
struct string_walk {
  tensor_shape shape;
  std::int64_t strides[K][max_rank] = {};

  /// Broadcasts the shape with that of an operand; invalid_argument when they do not agree.
  void widen(const char* op, const tensor_shape& s) {
    const int rank = shape.rank() > s.rank() ? shape.rank() : s.rank();
    tensor_shape r;
    for (int d = 0; d < rank; ++d) {
      const int i = d - (rank - shape.rank());
      const int k = d - (rank - s.rank());
      const std::int64_t m = i < 0 ? 1 : shape[i];
      const std::int64_t n = k < 0 ? 1 : s[k];
      if (m != n && m != 1 && n != 1)
        throw invalid_argument(std::string(op) + ": the shapes " + rill::to_string(shape) + " and " +
                               rill::to_string(s) + " do not broadcast");
      r.push_back(m == 1 ? n : m);
    }
    shape = r;
  }
  template <class T>
  void place(std::size_t k, const strided<T>& s) {
    const int shift = shape.rank() - s.shape.rank();
    for (int d = 0; d < s.shape.rank(); ++d) strides[k][d + shift] = s.shape[d] == 1 ? 0 : s.strides[d];
  }
  /// Calls body(offset of operand 0, ...) for every element in row-major order.
  template <class Body>
  void run(const Body& body) const {
    const int rank = shape.rank();
    for (int d = 0; d < rank; ++d)
      if (shape[d] == 0) return;
    std::int64_t index[max_rank] = {};
    std::array<std::int64_t, K> at{};
    for (;;) {
      body(at);
      int d = rank - 1;
      for (; d >= 0; --d) {
        for (std::size_t k = 0; k < K; ++k) at[k] += strides[k][d];
        if (++index[d] < shape[d]) break;
        for (std::size_t k = 0; k < K; ++k) at[k] -= strides[k][d] * shape[d];
        index[d] = 0;
      }
      if (d < 0) return;
    }
  }
};

/// R(x) = f(element) for every element of an operand.
template <class R, class X, class F>
auto map_elements(const X& x, F&& f) {
  const auto v = view_of(x);
  const auto from = v.strided_const();
  using result = typename tensor_with<R, typename decltype(v)::extents_type>::type;
  result r = result::uninitialized(from.shape);
  string_walk<1> w;
  w.shape = from.shape;
  w.place(0, from);
  R* to = r.data();
  w.run([&](const auto& at) { *to++ = f(from.data[at[0]]); });
  return r;
}
/// R(a, b) = f(element of a, element of b).
template <class R, class A, class B, class F>
auto zip_elements(const char* op, const A& a, const B& b, F&& f) {
  const auto v = view_of(a);
  const auto u = view_of(b);
  const auto p = v.strided_const();
  const auto q = u.strided_const();
  using E = typename joined_extents<typename decltype(v)::extents_type, typename decltype(u)::extents_type>::type;
  string_walk<2> w;
  w.shape = p.shape;
  w.widen(op, q.shape);
  w.place(0, p);
  w.place(1, q);
  using result = typename tensor_with<R, E>::type;
  result r = result::uninitialized(w.shape);
  R* to = r.data();
  w.run([&](const auto& at) { *to++ = f(p.data[at[0]], q.data[at[1]]); });
  return r;
}

inline bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
inline std::string_view stripped(std::string_view s) {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}
/// Whether a character of UTF-8 does not begin at the byte.
inline bool is_tail(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }
inline std::int64_t count_chars(std::string_view s) {
  std::int64_t n = 0;
  for (const char c : s) n += !is_tail(c);
  return n;
}

}  // namespace detail

// ---- comparison, selection, concatenation -----------------------------------------------------------------------------

/// Elements that are equal (byte by byte).
template <class A, class B>
requires operands<A, B> &&(string_tensor<A>&& string_tensor<B>)auto equal(A&& a, B&& b) {
  return detail::zip_elements<bool>("equal", a, b, [](const auto& p, const auto& q) { return p == q; });
}
template <class A, class B>
requires detail::string_with_text<A, B>
auto equal(A&& a, B&& b) {
  return detail::zip_elements<bool>("equal", a, b, [](const auto& p, const auto& q) { return p == q; });
}
/// Elements that differ.
template <class A, class B>
requires operands<A, B> &&(string_tensor<A>&& string_tensor<B>)auto not_equal(A&& a, B&& b) {
  return detail::zip_elements<bool>("not_equal", a, b, [](const auto& p, const auto& q) { return p != q; });
}
template <class A, class B>
requires detail::string_with_text<A, B>
auto not_equal(A&& a, B&& b) {
  return detail::zip_elements<bool>("not_equal", a, b, [](const auto& p, const auto& q) { return p != q; });
}
/// Elements of a that come before those of b in the order of their bytes; the other comparisons alike.
template <class A, class B>
requires operands<A, B> &&(string_tensor<A>&& string_tensor<B>)auto less(A&& a, B&& b) {
  return detail::zip_elements<bool>("less", a, b, [](const auto& p, const auto& q) { return p < q; });
}
template <class A, class B>
requires detail::string_with_text<A, B>
auto less(A&& a, B&& b) {
  return detail::zip_elements<bool>("less", a, b, [](const auto& p, const auto& q) { return p < q; });
}
template <class A, class B>
requires operands<A, B> &&(string_tensor<A>&& string_tensor<B>)auto less_equal(A&& a, B&& b) {
  return detail::zip_elements<bool>("less_equal", a, b, [](const auto& p, const auto& q) { return p <= q; });
}
template <class A, class B>
requires detail::string_with_text<A, B>
auto less_equal(A&& a, B&& b) {
  return detail::zip_elements<bool>("less_equal", a, b, [](const auto& p, const auto& q) { return p <= q; });
}
template <class A, class B>
requires operands<A, B> &&(string_tensor<A>&& string_tensor<B>)auto greater(A&& a, B&& b) {
  return detail::zip_elements<bool>("greater", a, b, [](const auto& p, const auto& q) { return p > q; });
}
template <class A, class B>
requires detail::string_with_text<A, B>
auto greater(A&& a, B&& b) {
  return detail::zip_elements<bool>("greater", a, b, [](const auto& p, const auto& q) { return p > q; });
}
template <class A, class B>
requires operands<A, B> &&(string_tensor<A>&& string_tensor<B>)auto greater_equal(A&& a, B&& b) {
  return detail::zip_elements<bool>("greater_equal", a, b, [](const auto& p, const auto& q) { return p >= q; });
}
template <class A, class B>
requires detail::string_with_text<A, B>
auto greater_equal(A&& a, B&& b) {
  return detail::zip_elements<bool>("greater_equal", a, b, [](const auto& p, const auto& q) { return p >= q; });
}
/// Every element of a with that of b behind it.
template <class A, class B>
requires operands<A, B> &&(string_tensor<A>&& string_tensor<B>)auto add(A&& a, B&& b) {
  return detail::zip_elements<std::string>("add", a, b, [](const auto& p, const auto& q) { return p + q; });
}
template <class A, class B>
requires detail::string_with_text<A, B>
auto add(A&& a, B&& b) {
  return detail::zip_elements<std::string>("add", a, b, [](const auto& p, const auto& q) { return p + q; });
}
template <class A, class B>
requires operands<A, B> &&(string_tensor<A>&& string_tensor<B>)auto operator+(A&& a, B&& b) { return add(a, b); }
template <class A, class B>
requires detail::string_with_text<A, B>
auto operator+(A&& a, B&& b) { return add(a, b); }
namespace detail {
template <class C, class A, class B>
auto select_strings(const C& c, const A& a, const B& b) {
  const auto condition = view_of(c);
  const auto u = view_of(a);
  const auto v = view_of(b);
  static_assert(std::is_same_v<typename decltype(condition)::value_type, bool>, "the condition of select is bool");
  const auto k = condition.strided_const();
  const auto p = u.strided_const();
  const auto q = v.strided_const();
  using E = typename joined_extents<typename joined_extents<extents_of<C>, extents_of<A>>::type, extents_of<B>>::type;
  string_walk<3> w;
  w.shape = k.shape;
  w.widen("select", p.shape);
  w.widen("select", q.shape);
  w.place(0, k);
  w.place(1, p);
  w.place(2, q);
  using result = typename tensor_with<std::string, E>::type;
  result r = result::uninitialized(w.shape);
  std::string* to = r.data();
  w.run([&](const auto& at) { *to++ = k.data[at[0]] ? p.data[at[1]] : q.data[at[2]]; });
  return r;
}
}  // namespace detail
/// The element of a where the condition is true, that of b elsewhere.
template <class C, class A, class B>
requires operands<C, A, B> &&(string_tensor<A>&& string_tensor<B>)auto select(C&& condition, A&& a, B&& b) {
  return detail::select_strings(condition, a, b);
}
template <class C, class A, class B>
requires operand<C> && string_operand<A> && string_operand<B> &&
    (text<A> || text<B>)auto select(C&& condition, A&& a, B&& b) {
  return detail::select_strings(condition, a, b);
}

// ---- joining and splitting --------------------------------------------------------------------------------------------

/// One operand of string_join: a tensor or view of strings, or text. Refers to the tensor that it was made of.
class string_input {
 public:
  template <string_operand X>
  string_input(const X& x) {  // NOLINT: implicit on purpose
    if constexpr (text<X>) {
      text_ = std::string(std::string_view(x));
      is_text_ = true;
    } else {
      const auto v = detail::view_of(x);
      owner_ = v.owner();
      elements_ = v.strided_const();
    }
  }
  [[nodiscard]] detail::strided<const std::string> strided() const {
    if (!is_text_) return elements_;
    detail::strided<const std::string> s;
    s.data = &text_;
    return s;
  }

 private:
  std::string text_;
  bool is_text_ = false;
  storage owner_;
  detail::strided<const std::string> elements_;
};

/// Options of string_join.
struct string_join_options {
  std::string_view separator = "";
};

namespace detail {
template <class Result>
Result join_strings(const std::vector<strided<const std::string>>& parts, std::string_view separator) {
  tensor_shape shape;
  for (const auto& p : parts) {
    if (p.shape.rank() == 0) continue;
    if (shape.rank() > 0 && !(p.shape == shape))
      throw invalid_argument("string_join: the shapes " + rill::to_string(shape) + " and " + rill::to_string(p.shape) +
                             " differ");
    shape = p.shape;
  }
  Result r = Result::uninitialized(shape);
  for (std::size_t k = 0; k < parts.size(); ++k) {
    string_walk<1> w;
    w.shape = shape;
    w.place(0, parts[k]);
    std::string* to = r.data();
    w.run([&](const auto& at) {
      if (k > 0) *to += separator;
      *to++ += parts[k].data[at[0]];
    });
  }
  return r;
}
}  // namespace detail

/// The elements of the operands one behind the other, with a separator between them. Operands have one shape or are
/// scalars: string_join({"a", words}, {.separator = "-"}). No operands at all give one empty string.
inline tensor<std::string, any_rank> string_join(std::initializer_list<string_input> parts,
                                                 const string_join_options& o = {}) {
  std::vector<detail::strided<const std::string>> s;
  for (const string_input& p : parts) s.push_back(p.strided());
  return detail::join_strings<tensor<std::string, any_rank>>(s, o.separator);
}
/// The same for tensors of one type; the result is of that type too.
template <std::int64_t... E>
tensor<std::string, E...> string_join(const std::vector<tensor<std::string, E...>>& parts,
                                      const string_join_options& o = {}) {
  if (parts.empty() && extents<E...>::rank != 0) throw invalid_argument("string_join: no operands");
  std::vector<detail::strided<const std::string>> s;
  for (const auto& p : parts) s.push_back(p.strided());
  return detail::join_strings<tensor<std::string, E...>>(s, o.separator);
}

/// Options of reduce_join.
struct reduce_join_options {
  axis_list axis = {};  ///< the axes to join along, the first one first; none given: all, in row-major order
  bool keepdims = false;
  std::string_view separator = "";
};

/// Joins the strings along axes: of [[a b] [c d]], axis {0} gives [ac bd], {1} [ab cd], {0, 1} acbd and {1, 0} abcd. An empty
/// axis gives empty strings. invalid_argument for an axis out of range or named twice.
template <string_operand X>
tensor<std::string, any_rank> reduce_join(const X& x, const reduce_join_options& o = {}) {
  const auto v = detail::view_of(x);
  const auto from = v.strided_const();
  const int rank = from.shape.rank();
  int order[max_rank] = {};
  int count = 0;
  unsigned mask = 0;
  if (o.axis.count == 0)
    for (int d = rank - 1; d >= 0; --d) order[count++] = d, mask |= 1U << d;
  for (int k = 0; k < o.axis.count; ++k) {
    const std::int64_t a = o.axis.axes[k] < 0 ? o.axis.axes[k] + rank : o.axis.axes[k];
    if (a < 0 || a >= rank || (mask >> a & 1U) != 0)
      throw invalid_argument("reduce_join: an axis is out of range or named twice for the shape " +
                             to_string(from.shape));
    order[count++] = static_cast<int>(a);
    mask |= 1U << a;
  }
  detail::string_walk<1> kept;
  detail::string_walk<1> joined;
  tensor_shape shape;
  for (int d = 0; d < rank; ++d) {
    if ((mask >> d & 1U) != 0) {
      if (o.keepdims) shape.push_back(1);
      continue;
    }
    shape.push_back(from.shape[d]);
    kept.strides[0][kept.shape.rank()] = from.strides[d];
    kept.shape.push_back(from.shape[d]);
  }
  for (int k = count - 1; k >= 0; --k) {  // the first axis is the innermost
    joined.strides[0][joined.shape.rank()] = from.strides[order[k]];
    joined.shape.push_back(from.shape[order[k]]);
  }
  auto r = tensor<std::string, any_rank>::uninitialized(shape);
  std::string* to = r.data();
  kept.run([&](const auto& base) {
    bool first = true;
    joined.run([&](const auto& at) {
      if (!first) *to += o.separator;
      *to += from.data[base[0] + at[0]];
      first = false;
    });
    ++to;
  });
  return r;
}

/// What string_split returns: the parts in order, where they stand, and the shape of the ragged matrix they form.
struct string_split_result {
  tensor<std::int64_t, dyn, 2> indices;  ///< row and column of each part
  tensor<std::string, dyn> values;
  tensor<std::int64_t, 2> dense_shape;  ///< rows, most parts of a row
};

/// Options of string_split.
struct string_split_options {
  std::string_view delimiter = " ";  ///< each of its bytes separates; empty: every byte is a part
  bool skip_empty = true;
};

/// Splits every element of a vector; invalid_argument for another rank.
template <string_operand X>
string_split_result string_split(const X& x, const string_split_options& o = {}) {
  const auto v = detail::view_of(x);
  static_assert(decltype(v)::extents_type::rank == 1 || decltype(v)::extents_type::has_any_rank,
                "string_split takes a vector of strings");
  const auto from = v.strided_const();
  if (from.shape.rank() != 1)
    throw invalid_argument("string_split: the operand is a vector, got the shape " + to_string(from.shape));
  const std::int64_t rows = from.shape[0];
  std::vector<std::string_view> parts;
  std::vector<std::int64_t> ends;
  std::int64_t widest = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::string_view s = from.data[i * from.strides[0]];
    const std::size_t before = parts.size();
    if (o.delimiter.empty()) {
      for (std::size_t k = 0; k < s.size(); ++k) parts.push_back(s.substr(k, 1));
    } else if (!s.empty()) {
      for (std::size_t begin = 0; begin <= s.size();) {
        const std::size_t hit = s.find_first_of(o.delimiter, begin);
        const std::size_t end = hit == std::string_view::npos ? s.size() : hit;
        if (end > begin || !o.skip_empty) parts.push_back(s.substr(begin, end - begin));
        begin = end + 1;
      }
    }
    const auto n = static_cast<std::int64_t>(parts.size() - before);
    if (n > widest) widest = n;
    ends.push_back(static_cast<std::int64_t>(parts.size()));
  }
  const auto n = static_cast<std::int64_t>(parts.size());
  string_split_result r{tensor<std::int64_t, dyn, 2>::uninitialized({n, 2}),
                        tensor<std::string, dyn>::uninitialized({n}), tensor<std::int64_t, 2>{rows, widest}};
  std::int64_t k = 0;
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t column = 0; k < ends[static_cast<std::size_t>(row)]; ++k, ++column) {
      r.indices.data()[2 * k] = row;
      r.indices.data()[2 * k + 1] = column;
      r.values.data()[k] = parts[static_cast<std::size_t>(k)];
    }
  return r;
}

// ---- parts of a string ------------------------------------------------------------------------------------------------

/// Options of functions that count in a string.
struct string_unit_options {
  string_unit unit = string_unit::byte;
};
/// Options of functions that know letters: of ASCII, or with "utf-8" also Latin, Greek, Cyrillic and Armenian ones.
struct string_case_options {
  std::string_view encoding = "";
};

/// The strings without white space at both ends.
template <string_operand X>
auto string_strip(const X& x) {
  return detail::map_elements<std::string>(x, [](const std::string& s) { return std::string(detail::stripped(s)); });
}
/// The lengths in bytes or in characters of UTF-8: int32, as in TensorFlow.
template <string_operand X>
auto string_length(const X& x, const string_unit_options& o = {}) {
  return detail::map_elements<std::int32_t>(x, [&](const std::string& s) {
    return static_cast<std::int32_t>(o.unit == string_unit::byte ? static_cast<std::int64_t>(s.size())
                                                                 : detail::count_chars(s));
  });
}

namespace detail {
template <class X, class Letter>
auto change_case(const char* op, const X& x, const string_case_options& o, Letter letter) {
  if (!o.encoding.empty() && o.encoding != "utf-8")
    throw invalid_argument(std::string(op) + ": the encoding is \"\" or \"utf-8\", got \"" + std::string(o.encoding) +
                           "\"");
  return map_elements<std::string>(x, [&](const std::string& s) {
    std::string r;
    r.reserve(s.size());
    for (std::size_t i = 0; i < s.size();) {
      const decoded d = o.encoding.empty() ? decoded{static_cast<unsigned char>(s[i]), 1} : decode_utf8(s, i);
      if (d.code == no_code_point || (d.code >= 0x80 && d.size == 1)) r += s[i];
      else append_utf8(r, letter(d.code));
      i += d.size;
    }
    return r;
  });
}
}  // namespace detail
/// The strings in upper case.
template <string_operand X>
auto string_upper(const X& x, const string_case_options& o = {}) {
  return detail::change_case("string_upper", x, o, [](std::uint32_t c) { return detail::to_upper(c); });
}
/// The strings in lower case.
template <string_operand X>
auto string_lower(const X& x, const string_case_options& o = {}) {
  return detail::change_case("string_lower", x, o, [](std::uint32_t c) { return detail::to_lower(c); });
}

/// The `len` bytes (or characters) of every string from position `pos` on, fewer where the string ends; a negative `pos`
/// counts from the end, a negative `len` takes the rest. pos and len are integers or tensors of them, broadcast with x.
/// out_of_range when a string has no such position (its length is one).
template <string_operand X, class P, class L>
auto substr(const X& x, const P& pos, const L& len, const string_unit_options& o = {}) {
  const auto v = detail::view_of(x);
  const auto begins = detail::view_of(pos);
  const auto counts = detail::view_of(len);
  static_assert(std::is_integral_v<typename decltype(begins)::value_type> &&
                    std::is_integral_v<typename decltype(counts)::value_type>,
                "positions and lengths of substr are integers");
  const auto s = v.strided_const();
  const auto p = begins.strided_const();
  const auto n = counts.strided_const();
  detail::string_walk<3> w;
  w.shape = s.shape;
  w.widen("substr", p.shape);
  w.widen("substr", n.shape);
  w.place(0, s);
  w.place(1, p);
  w.place(2, n);
  using namespace detail;
  using E = typename joined_extents<typename joined_extents<extents_of<X>, extents_of<P>>::type, extents_of<L>>::type;
  using result = typename tensor_with<std::string, E>::type;
  result r = result::uninitialized(w.shape);
  std::string* to = r.data();
  w.run([&](const auto& at) {
    const std::string& text = s.data[at[0]];
    const bool bytes = o.unit == string_unit::byte;
    const std::int64_t size = bytes ? static_cast<std::int64_t>(text.size()) : count_chars(text);
    const auto wanted = static_cast<std::int64_t>(p.data[at[1]]);
    const std::int64_t begin = wanted < 0 ? wanted + size : wanted;
    if (begin < 0 || begin > size)
      throw out_of_range("substr: pos " + std::to_string(wanted) + " out of range for string '" + text + "' at index " +
                         std::to_string(to - r.data()));
    const auto length = static_cast<std::int64_t>(n.data[at[2]]);
    const std::int64_t end = length < 0 || length > size - begin ? size : begin + length;
    const auto byte_of = [&](std::int64_t place) {
      if (bytes) return static_cast<std::size_t>(place);
      std::size_t i = 0;
      for (std::int64_t k = -1; i < text.size(); ++i)
        if (!is_tail(text[i]) && ++k == place) break;
      return i;
    };
    const std::size_t first = byte_of(begin);
    *to++ = text.substr(first, byte_of(end) - first);
  });
  return r;
}

// ---- numbers ----------------------------------------------------------------------------------------------------------

namespace detail {

[[noreturn]] inline void throw_number(std::string_view s) {
  throw invalid_argument("string_to_number: '" + std::string(s) + "' is no number of the wanted type");
}
/// Whether a decimal number that a floating-point type cannot hold is too large (and not too small).
inline bool is_huge(std::string_view s) {
  std::int64_t magnitude = 0;
  bool point = false;
  bool digits = false;
  std::size_t i = 0;
  for (; i < s.size() && s[i] != 'e' && s[i] != 'E'; ++i) {
    if (s[i] == '.') point = true;
    else if (!digits && s[i] == '0') magnitude -= point;
    else digits = true, magnitude += !point;
  }
  std::int64_t exponent = 0;
  if (i < s.size()) {
    const bool negative = ++i < s.size() && s[i] == '-';
    if (i < s.size() && (s[i] == '-' || s[i] == '+')) ++i;
    for (; i < s.size(); ++i)
      if (exponent < 1000000000) exponent = exponent * 10 + (s[i] - '0');
    if (negative) exponent = -exponent;
  }
  return magnitude + exponent > 0;
}
template <class T>
T parse_number(const std::string& whole) {
  std::string_view s = stripped(whole);
  if (s.empty()) throw_number(whole);
  const bool negative = s.front() == '-';
  if (s.front() == '+') s.remove_prefix(1);
  if (s.empty() || (s.data() != whole.data() && s.front() == '-' && s.data()[-1] == '+')) throw_number(whole);
  T value{};
  if constexpr (std::is_integral_v<T>) {
    const auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), value);
    if (problem != std::errc() || end != s.data() + s.size()) throw_number(whole);
  } else {
    if (negative) s.remove_prefix(1);
    if (s.empty() || s.front() == '-' || s.find('(') != std::string_view::npos) throw_number(whole);  // no nan(...)
    const bool hex = s.size() > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    if (hex) s.remove_prefix(2);
    if (hex && s.front() == '-') throw_number(whole);
    const auto format = hex ? std::chars_format::hex : std::chars_format::general;
    const auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), value, format);
    if (problem == std::errc::invalid_argument || end != s.data() + s.size()) throw_number(whole);
    if (problem == std::errc::result_out_of_range) value = is_huge(s) ? std::numeric_limits<T>::infinity() : T(0);
    if (negative) value = -value;
  }
  return value;
}

}  // namespace detail

/// The numbers that the strings say: T is float (the default), double or an integer type. White space around a number,
/// a sign, "inf" and "nan" are understood; anything else is invalid_argument, and so is an integer that T cannot hold.
template <class T = float, string_operand X>
auto string_to_number(const X& x) {
  static_assert(
      (std::is_integral_v<T> && !std::is_same_v<T, bool>) || std::is_same_v<T, float> || std::is_same_v<T, double>,
      "string_to_number makes floats, doubles and integers");
  return detail::map_elements<T>(x, [](const std::string& s) { return detail::parse_number<T>(s); });
}

/// Options of as_string; the defaults are C's %d and %f.
struct as_string_options {
  int precision = -1;          ///< digits behind the point (or in all, with `shortest`); -1: 6
  bool scientific = false;     ///< 1.500000e+00
  bool shortest = false;       ///< the shorter of both, as %g
  int width = -1;              ///< pads to so many characters
  std::string_view fill = "";  ///< with "0", or on the right ("-"); "+" writes the sign of positive numbers
};

namespace detail {
inline std::string padded(std::string s, const as_string_options& o, bool zeros) {
  if (o.fill == "+" && s[0] != '-') s.insert(0, 1, '+');
  const std::size_t width = o.width > 0 ? static_cast<std::size_t>(o.width) : 0;
  if (s.size() >= width) return s;
  const std::size_t n = width - s.size();
  if (o.fill == "-") s.append(n, ' ');
  else if (o.fill == "0" && zeros) s.insert(s[0] == '-' ? 1 : 0, n, '0');
  else s.insert(0, n, ' ');
  return s;
}
inline std::string float_text(double x, const as_string_options& o) {
  if (x != x) return padded("nan", o, false);
  if (!(x - x == 0.0)) return padded(x < 0 ? "-inf" : "inf", o, false);
  const auto format = o.shortest     ? std::chars_format::general
                      : o.scientific ? std::chars_format::scientific
                                     : std::chars_format::fixed;
  const int precision = o.precision < 0 ? 6 : o.precision;
  std::string s(static_cast<std::size_t>(precision) + 330, '\0');
  s.resize(static_cast<std::size_t>(std::to_chars(s.data(), s.data() + s.size(), x, format, precision).ptr - s.data()));
  return padded(std::move(s), o, true);
}
template <class T>
std::string number_text(const T& x, const as_string_options& o) {
  if constexpr (std::is_same_v<T, bool>) return x ? "true" : "false";
  else if constexpr (std::is_integral_v<T>) return padded(std::to_string(x), o, true);
  else if constexpr (requires { x.imag(); })
    return "(" + float_text(static_cast<double>(x.real()), o) + "," + float_text(static_cast<double>(x.imag()), o) +
           ")";
  else if constexpr (std::is_floating_point_v<T>) return float_text(static_cast<double>(x), o);
  else return float_text(static_cast<double>(static_cast<float>(x)), o);  // half and bfloat16
}
}  // namespace detail

/// Numbers and bools as text. invalid_argument for options that do not fit the type or each other.
template <class X>
requires(!string_operand<X>) auto as_string(const X& x, const as_string_options& o = {}) {
  using T = typename decltype(detail::view_of(x))::value_type;
  if (o.scientific && o.shortest) throw invalid_argument("as_string: scientific and shortest exclude each other");
  if (std::is_integral_v<T> && (o.precision >= 0 || o.scientific || o.shortest))
    throw invalid_argument("as_string: " + std::string(name_of(dtype_v<T>)) +
                           " has no precision, scientific or shortest form");
  if (o.precision < -1 || o.precision > 100000 || o.width > 100000)
    throw invalid_argument("as_string: precision and width are at most 100000, got " + std::to_string(o.precision) +
                           " and " + std::to_string(o.width));
  if (o.fill.size() > 1 || (o.fill.size() == 1 && std::string_view(" 0-+").find(o.fill[0]) == std::string_view::npos))
    throw invalid_argument("as_string: the fill is \" \", \"0\", \"-\" or \"+\", got \"" + std::string(o.fill) + "\"");
  return detail::map_elements<std::string>(x, [&](const T& n) { return detail::number_text(n, o); });
}

// ---- hash buckets -----------------------------------------------------------------------------------------------------

namespace detail {
template <class X, class F>
auto buckets(const char* op, const X& x, std::int64_t num_buckets, const F& hash) {
  if (num_buckets < 1)
    throw invalid_argument(std::string(op) + ": the number of buckets is at least 1, got " +
                           std::to_string(num_buckets));
  return map_elements<std::int64_t>(x, [&](const std::string& s) {
    return static_cast<std::int64_t>(hash(s) % static_cast<std::uint64_t>(num_buckets));
  });
}
}  // namespace detail

/// A bucket from 0 to num_buckets - 1 for every string, by FarmHash's Fingerprint64: never changes, equal to TensorFlow's.
template <string_operand X>
auto string_to_hash_bucket_fast(const X& x, std::int64_t num_buckets) {
  return detail::buckets("string_to_hash_bucket_fast", x, num_buckets,
                         [](const std::string& s) { return fingerprint64(s); });
}
/// The same by SipHash-2-4 under a key of two words: slower, but nobody can choose strings that share a bucket.
template <string_operand X>
auto string_to_hash_bucket_strong(const X& x, std::int64_t num_buckets, const std::array<std::uint64_t, 2>& key) {
  return detail::buckets("string_to_hash_bucket_strong", x, num_buckets,
                         [&](const std::string& s) { return sip_hash(s, key[0], key[1]); });
}
/// The same by the hash of TensorFlow's first releases; for buckets that were made with it.
template <string_operand X>
auto string_to_hash_bucket(const X& x, std::int64_t num_buckets) {
  return detail::buckets("string_to_hash_bucket", x, num_buckets,
                         [](const std::string& s) { return legacy_hash64(s); });
}

// ---- regular expressions ----------------------------------------------------------------------------------------------

/// The strings with matches of the pattern replaced by `rewrite`, where \0 is the match and \1 to \9 are its groups; see
/// <rill/ops/regex.hpp> for the syntax. invalid_argument for a wrong pattern or rewrite.
template <string_operand X>
auto regex_replace(const X& x, const regex& pattern, std::string_view rewrite, const regex_replace_options& o = {}) {
  detail::regex_replacer replace(pattern.program(), rewrite, o.replace_global);
  return detail::map_elements<std::string>(x, [&](const std::string& s) { return replace(s); });
}
template <string_operand X>
auto regex_replace(const X& x, std::string_view pattern, std::string_view rewrite,
                   const regex_replace_options& o = {}) {
  return regex_replace(x, regex(pattern), rewrite, o);
}
/// Whether the pattern matches all of a string.
template <string_operand X>
auto regex_full_match(const X& x, const regex& pattern) {
  detail::regex_runner runner(pattern.program(), 0);
  return detail::map_elements<bool>(x,
                                    [&](const std::string& s) { return runner.run(s, 0, detail::regex_anchor::both); });
}
template <string_operand X>
auto regex_full_match(const X& x, std::string_view pattern) {
  return regex_full_match(x, regex(pattern));
}

// ---- bytes ------------------------------------------------------------------------------------------------------------

/// Options of encode_base64.
struct base64_options {
  bool pad = false;  ///< with = up to a multiple of four characters
};

namespace detail {
inline constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
inline std::string base64_text(std::string_view s, bool pad) {
  std::string r;
  r.reserve((s.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < s.size(); i += 3) {
    const std::size_t n = s.size() - i < 3 ? s.size() - i : 3;
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < n ? static_cast<unsigned char>(s[i + k]) : 0U);
    for (std::size_t k = 0; k <= n; ++k) r += base64_digits[bits >> (18 - 6 * k) & 63U];
    if (pad) r.append(3 - n, '=');
  }
  return r;
}
inline std::string base64_bytes(const std::string& whole) {
  std::string_view s = whole;
  if (s.size() % 4 == 0)
    for (int k = 0; k < 2 && !s.empty() && s.back() == '='; ++k) s.remove_suffix(1);
  if (s.size() % 4 == 1) throw invalid_argument("decode_base64: the length of '" + whole + "' cannot be 1 modulo 4");
  std::string r;
  r.reserve(s.size() / 4 * 3 + 3);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : s) {
    const std::size_t digit = base64_digits.find(c);
    if (digit == std::string_view::npos)
      throw invalid_argument("decode_base64: '" + whole + "' has an invalid character");
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      r += static_cast<char>(static_cast<unsigned char>(bits >> count & 0xffU));
    }
  }
  return r;
}
}  // namespace detail

/// The bytes in the web-safe base64 of RFC 4648: - and _ instead of + and /.
template <string_operand X>
auto encode_base64(const X& x, const base64_options& o = {}) {
  return detail::map_elements<std::string>(x, [&](const std::string& s) { return detail::base64_text(s, o.pad); });
}
/// The reverse; padding may be there or not. invalid_argument for anything else.
template <string_operand X>
auto decode_base64(const X& x) {
  return detail::map_elements<std::string>(x, [](const std::string& s) { return detail::base64_bytes(s); });
}

/// Options of decode_raw and encode_raw.
struct raw_options {
  bool little_endian = true;
};

namespace detail {
template <class X>
struct one_more;
template <std::int64_t... E>
struct one_more<extents<E...>> {
  using type = extents<E..., dyn>;
};
template <>
struct one_more<extents<any_rank>> {
  using type = extents<any_rank>;
};
template <class T, class X>
struct one_less {
  struct shape {
    static constexpr tensor_shape value = [] {
      tensor_shape s;
      for (int d = 0; d + 1 < X::rank; ++d) s.push_back(X::declared()[d]);
      return s;
    }();
  };
  using type = typename with_shape<tensor, T, shape>::type;
};
template <class T>
struct one_less<T, extents<any_rank>> {
  using type = tensor<T, any_rank>;
};
/// Copies numbers of `part` bytes each, with their bytes turned round when the order is not this machine's.
inline void copy_raw(const char* from, char* to, std::size_t bytes, std::size_t part, bool little_endian) {
  std::memcpy(to, from, bytes);
  if (little_endian == (std::endian::native == std::endian::little)) return;
  for (std::size_t i = 0; i < bytes; i += part)
    for (std::size_t a = i, b = i + part - 1; a < b; ++a, --b) std::swap(to[a], to[b]);
}
/// The size of what has a byte order in T: half of a complex number.
template <class T>
constexpr std::size_t swapped_size() {
  if constexpr (requires(T t) { t.imag(); }) return sizeof(T) / 2;
  else return sizeof(T);
}
}  // namespace detail

/// The bytes of every string as numbers of type T, in a new last axis. All strings have one length, a multiple of the size
/// of T; invalid_argument otherwise.
template <class T, string_operand X>
auto decode_raw(const X& x, const raw_options& o = {}) {
  static_assert(element<T> && !std::is_same_v<T, std::string>, "decode_raw makes numbers");
  const auto v = detail::view_of(x);
  const auto from = v.strided_const();
  detail::string_walk<1> w;
  w.shape = from.shape;
  w.place(0, from);
  std::size_t size = 0;
  std::int64_t index = 0;
  w.run([&](const auto& at) {
    const std::size_t n = from.data[at[0]].size();
    if (index++ == 0) size = n;
    if (n != size)
      throw invalid_argument("decode_raw: strings of " + std::to_string(size) + " and of " + std::to_string(n) +
                             " bytes (at index " + std::to_string(index - 1) + ") cannot form one tensor");
  });
  if (size % sizeof(T) != 0)
    throw invalid_argument("decode_raw: " + std::to_string(size) + " bytes are no multiple of " +
                           std::to_string(sizeof(T)) + ", the size of " + std::string(name_of(dtype_v<T>)));
  tensor_shape shape = from.shape;
  shape.push_back(static_cast<std::int64_t>(size / sizeof(T)));
  using result =
      typename detail::tensor_with<T, typename detail::one_more<typename decltype(v)::extents_type>::type>::type;
  result r = result::uninitialized(shape);
  T* to = r.data();
  w.run([&](const auto& at) {
    const std::string& s = from.data[at[0]];
    if (size == 0) return;
    if constexpr (std::is_same_v<T, bool>)
      for (const char c : s) *to++ = c != 0;
    else {
      detail::copy_raw(s.data(), reinterpret_cast<char*>(to), size, detail::swapped_size<T>(), o.little_endian);
      to += size / sizeof(T);
    }
  });
  return r;
}

/// The reverse: the numbers along the last axis as the bytes of one string.
template <class X>
requires(!string_operand<X>) auto encode_raw(const X& x, const raw_options& o = {}) {
  const auto v = detail::view_of(x);
  using V = decltype(v);
  using T = typename V::value_type;
  static_assert(V::extents_type::rank != 0, "encode_raw takes the numbers of the last axis; a scalar has none");
  const auto from = v.strided_const();
  const int rank = from.shape.rank();
  if (rank == 0) throw invalid_argument("encode_raw: a scalar has no last axis");
  const std::int64_t n = from.shape[rank - 1];
  const std::int64_t step = from.strides[rank - 1];
  detail::string_walk<1> w;
  for (int d = 0; d + 1 < rank; ++d) {
    w.shape.push_back(from.shape[d]);
    w.strides[0][d] = from.strides[d];
  }
  using result = typename detail::one_less<T, typename V::extents_type>::type;
  using strings = typename detail::tensor_with<std::string, typename result::extents_type>::type;
  strings r = strings::uninitialized(w.shape);
  std::string* to = r.data();
  w.run([&](const auto& at) {
    to->resize(static_cast<std::size_t>(n) * sizeof(T));
    for (std::int64_t i = 0; i < n; ++i)
      detail::copy_raw(reinterpret_cast<const char*>(from.data + at[0] + i * step),
                       to->data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T), detail::swapped_size<T>(),
                       o.little_endian);
    ++to;
  });
  return r;
}

}  // namespace rill

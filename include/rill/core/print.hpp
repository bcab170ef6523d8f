// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Tensors, views and expressions as text, exactly as NumPy prints arrays: aligned columns, the shortest digits that tell
/// a float from its neighbours (at most 8 after the point), scientific notation for wide ranges, and "..." in the middle of
/// more than 1000 elements.
///
///   std::cout << tensor<int, 2, 2>{{2, 6}, {12, 20}};     // [[ 2  6]
///                                                         //  [12 20]]

#include <charconv>
#include <iosfwd>
#include <string>

#include "tensor.hpp"

namespace rill {

/// How to print; the defaults are NumPy's.
struct print_options {
  int precision = 8;              ///< digits after the point, at most
  std::int64_t threshold = 1000;  ///< more elements than this are summarised
  std::int64_t edge_items = 3;    ///< elements shown at each end of a summarised axis
  int line_width = 75;            ///< characters per line
};

namespace detail {

/// The digits of a finite number, NumPy's way: shortest unless that takes more than `precision` digits after the point.
template <class T>
std::string float_digits(T x, bool scientific, int precision) {
  char text[512];
  const auto format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  char* end = std::to_chars(text, text + sizeof(text), x, format).ptr;
  std::string s(text, end);
  const std::size_t e = scientific ? s.find('e') : s.size();
  const std::size_t point = s.find('.');
  if (precision >= 0 && point != std::string::npos && e - point - 1 > static_cast<std::size_t>(precision)) {
    end = std::to_chars(text, text + sizeof(text), x, format, precision).ptr;
    s.assign(text, end);
  }
  return s;
}

/// [sign and integer part, fraction, exponent with its sign]; trailing zeros of the fraction are gone.
struct split_number {
  std::string whole, fraction, exponent;
};
template <class T>
split_number split(T x, bool scientific, int precision) {
  const std::string s = float_digits(x, scientific, precision);
  split_number r;
  const std::size_t e = scientific ? s.find('e') : std::string::npos;
  const std::string mantissa = s.substr(0, e);
  if (e != std::string::npos) r.exponent = s.substr(e + 1);
  const std::size_t point = mantissa.find('.');
  r.whole = mantissa.substr(0, point);
  if (point != std::string::npos) r.fraction = mantissa.substr(point + 1);
  while (!r.fraction.empty() && r.fraction.back() == '0') r.fraction.pop_back();
  return r;
}

inline std::string spaces(std::size_t n) { return std::string(n, ' '); }

/// Formats single elements so that all of them line up.
template <class T>
class element_format {
 public:
  explicit element_format(const print_options& o) : options_(o) {}

  /// Takes an element into account.
  void see(T x) {
    if constexpr (std::is_floating_point_v<T>) {
      if (!(x - x == T(0))) {
        special_ = true;
        if (x < T(0)) negative_infinity_ = true;
        return;
      }
      any_finite_ = true;
      const T a = x < T(0) ? -x : x;
      if (a == T(0)) return;
      if (!any_ || a > largest_) largest_ = a;
      if (!any_ || a < smallest_) smallest_ = a;
      any_ = true;
    } else if constexpr (!std::is_same_v<T, bool>) {
      const std::size_t n = std::to_string(x).size();
      if (n > left_) left_ = n;
    }
  }
  /// Between the two passes over the elements.
  void decide() {
    if constexpr (std::is_floating_point_v<T>)
      scientific_ = any_ && (largest_ >= T(1e8) || static_cast<double>(smallest_) < 0.0001 || largest_ / smallest_ > T(1000));
  }
  void measure(T x) {
    if constexpr (std::is_floating_point_v<T>) {
      if (!(x - x == T(0))) return;
      const split_number s = split(x, scientific_, options_.precision);
      if (s.whole.size() > left_) left_ = s.whole.size();
      if (s.fraction.size() > right_) right_ = s.fraction.size();
      if (s.exponent.size() > exponent_) exponent_ = s.exponent.size();
    }
  }
  void finish() {
    if (!special_) return;
    const std::size_t tail = scientific_ ? right_ + 2 + exponent_ : right_ + 1;
    const std::size_t widest = negative_infinity_ ? 4 : 3;
    if (left_ + tail < widest) left_ = widest - tail;
    if (!any_finite_) left_ = widest - 1, right_ = 0;
  }
  [[nodiscard]] std::string operator()(T x) const {
    if constexpr (std::is_same_v<T, bool>) return x ? " True" : "False";
    else if constexpr (std::is_integral_v<T>) {
      const std::string s = std::to_string(x);
      return spaces(left_ - s.size()) + s;
    } else {
      const std::size_t tail = scientific_ ? right_ + 2 + exponent_ : right_ + 1;
      if (!(x - x == T(0))) {
        const std::string s = x != x ? "nan" : x < T(0) ? "-inf" : "inf";
        return spaces(left_ + tail - s.size()) + s;
      }
      split_number s = split(x, scientific_, options_.precision);
      std::string r = spaces(left_ - s.whole.size()) + s.whole + "." + s.fraction;
      if (!scientific_) return r + spaces(right_ - s.fraction.size());
      r += std::string(right_ - s.fraction.size(), '0') + "e" + s.exponent.substr(0, 1);
      return r + std::string(exponent_ - s.exponent.size(), '0') + s.exponent.substr(1);
    }
  }

 private:
  print_options options_;
  bool special_ = false, negative_infinity_ = false, any_finite_ = false, any_ = false, scientific_ = false;
  T largest_{}, smallest_{};
  std::size_t left_ = 0, right_ = 0, exponent_ = 0;
};

template <class T>
class printer {
 public:
  printer(const strided<const T>& x, const print_options& o) : x_(x), options_(o), format_(o) {
    std::int64_t n = 1;
    for (int d = 0; d < x.shape.rank(); ++d) n *= x.shape[d];
    size_ = n;
    summarise_ = n > o.threshold;
  }
  std::string operator()() {
    if (size_ == 0) return "[]";
    visit(0, 0, [this](T v) { format_.see(v); });
    format_.decide();
    visit(0, 0, [this](T v) { format_.measure(v); });
    format_.finish();
    return axis(0, 0, " ", static_cast<std::size_t>(options_.line_width));
  }

 private:
  [[nodiscard]] bool cut(int d) const { return summarise_ && 2 * options_.edge_items < x_.shape[d]; }
  /// Calls f on each element that will be shown.
  template <class F>
  void visit(int d, std::int64_t offset, const F& f) const {
    if (d == x_.shape.rank()) return f(x_.data[offset]);
    const std::int64_t n = x_.shape[d];
    for (std::int64_t i = 0; i < n; ++i) {
      if (cut(d) && i == options_.edge_items) i = n - options_.edge_items;
      visit(d + 1, offset + i * x_.strides[d], f);
    }
  }
  std::string axis(int d, std::int64_t offset, const std::string& indent, std::size_t width) const {
    if (d == x_.shape.rank()) return format_(x_.data[offset]);
    const int left = x_.shape.rank() - d;
    const std::int64_t n = x_.shape[d];
    std::string s;
    std::string line = indent;
    const auto add = [&](const std::string& word) {
      if (line.size() + word.size() > width - 1 && line.size() > indent.size()) {
        while (!line.empty() && line.back() == ' ') line.pop_back();
        s += line + "\n";
        line = indent;
      }
      line += word;
    };
    const std::string separator(static_cast<std::size_t>(left - 1), '\n');
    for (std::int64_t i = 0; i < n; ++i) {
      if (cut(d) && i == options_.edge_items) {
        if (left == 1) {
          add("...");
          line += " ";
        } else s += indent + "..." + separator;
        i = n - options_.edge_items;
      }
      const std::string word = axis(d + 1, offset + i * x_.strides[d], indent + " ", width - 1);
      if (left == 1) {
        add(word);
        if (i + 1 < n) line += " ";
      } else s += indent + word + (i + 1 < n ? separator : "");
    }
    if (left == 1) s += line;
    return "[" + s.substr(indent.size()) + "]";
  }

  strided<const T> x_;
  print_options options_;
  element_format<T> format_;
  std::int64_t size_ = 0;
  bool summarise_ = false;
};

/// A scalar as NumPy prints one: all the digits it needs, and at least ".0".
template <class T>
std::string scalar_text(T x) {
  if constexpr (std::is_same_v<T, bool>) return x ? "True" : "False";
  else if constexpr (std::is_integral_v<T>) return std::to_string(x);
  else {
    if (x != x) return "nan";
    if (!(x - x == T(0))) return x < T(0) ? "-inf" : "inf";
    const T a = x < T(0) ? -x : x;
    const bool scientific = a != T(0) && (static_cast<double>(a) < 1e-4 || static_cast<double>(a) >= 1e16);
    const split_number s = split(x, scientific, -1);
    if (scientific) return s.whole + (s.fraction.empty() ? "" : "." + s.fraction) + "e" + s.exponent;
    return s.whole + "." + (s.fraction.empty() ? "0" : s.fraction);
  }
}

template <class T>
std::string print(const strided<const T>& x, const print_options& o) {
  return x.shape.rank() == 0 ? scalar_text(*x.data) : printer<T>(x, o)();
}

}  // namespace detail

/// The elements as NumPy prints them.
template <class T, std::int64_t... E>
std::string to_string(const tensor<T, E...>& t, const print_options& o = {}) {
  return detail::print<T>(t.strided(), o);
}
template <class T, std::int64_t... E>
std::string to_string(const view<T, E...>& v, const print_options& o = {}) {
  detail::strided<const std::remove_const_t<T>> s;
  const auto from = v.strided_const();
  s.data = from.data;
  s.shape = from.shape;
  for (int i = 0; i < max_rank; ++i) s.strides[i] = from.strides[i];
  return detail::print<std::remove_const_t<T>>(s, o);
}
/// Evaluates the expression and prints it.
template <class D, class T, std::int64_t... E>
std::string to_string(const expression_base<D, T, E...>& x, const print_options& o = {}) {
  return to_string(tensor<T, E...>(x), o);
}

template <class C, class Traits, class T, std::int64_t... E>
std::basic_ostream<C, Traits>& operator<<(std::basic_ostream<C, Traits>& out, const tensor<T, E...>& t) {
  return out << to_string(t);
}
template <class C, class Traits, class D, class T, std::int64_t... E>
std::basic_ostream<C, Traits>& operator<<(std::basic_ostream<C, Traits>& out, const expression_base<D, T, E...>& x) {
  return out << to_string(x.derived());
}

}  // namespace rill

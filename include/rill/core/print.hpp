// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Tensors, views and expressions as text, exactly as NumPy (2.3 and later) prints arrays: aligned columns, the shortest
/// digits that tell a float from its neighbours (at most 8 after the point), scientific notation for wide ranges and for
/// numbers with more digits than the type has, and "..." in the middle of more than 1000 elements. half and bfloat16 have
/// shortest digits of their own (the largest half is 6.55e+04); complex numbers are two aligned columns, 1.+2.j. Strings
/// are printed as NumPy prints an array of bytes objects: b'quoted', not aligned. Options are a value that belongs to one
/// call or one statement; there is no global state.
///
///   std::cout << tensor<int, 2, 2>{{2, 6}, {12, 20}};     // [[ 2  6]
///                                                         //  [12 20]]
///   to_string(x, {.precision = 3, .suppress = true});
///   std::cout << print_options{.precision = 3} << x << y;     // both with these options

#include <charconv>
#include <iosfwd>
#include <string>

#include "tensor.hpp"

namespace rill {

/// How many digits after the point: the fewest that are unique, at most `precision` of them (`maxprec`); the same number
/// for all elements, the largest that `maxprec` needs (`maxprec_equal`); exactly `precision` (`fixed`); as many as needed
/// (`unique`).
enum class float_mode { maxprec, maxprec_equal, fixed, unique };

/// How to print; the defaults are NumPy's, and so are the meanings (numpy.set_printoptions). Negative numbers and a
/// precision above 400 are invalid_argument.
struct print_options {
  int precision = 8;                           ///< digits after the point, at most
  std::int64_t threshold = 1000;               ///< more elements than this are summarised
  std::int64_t edge_items = 3;                 ///< elements shown at each end of a summarised axis
  int line_width = 75;                         ///< characters per line
  bool suppress = false;                       ///< small numbers and wide ranges are no reason for scientific notation
  char sign = '-';                             ///< '-': only of negative numbers, '+': always, ' ': room for one
  float_mode floats = float_mode::maxprec;     ///< how many digits
  const char* separator = " ";                 ///< between elements
  std::string (*format_bool)(bool) = nullptr;  ///< these replace the text of single elements
  std::string (*format_int)(std::int64_t) = nullptr;
  std::string (*format_unsigned)(std::uint64_t) = nullptr;
  std::string (*format_float)(double) = nullptr;
};

namespace detail {

/// The fewest digits that round to x and to no other T, scientific ("6.55e+04"), for the types that to_chars does not know.
template <class T>
std::string shortest_digits(T x) {
  char text[64];
  const auto attempt = [&](double value, int digits) {
    char* const end = std::to_chars(text, text + sizeof(text), value, std::chars_format::scientific, digits).ptr;
    double back = 0;
    std::from_chars(text, end, back);
    return std::string(T(back).bits == x.bits ? "" : "?").append(text, end);
  };
  const double value = static_cast<double>(x);
  for (int digits = 0;; ++digits) {
    std::string s = attempt(value, digits);
    if (s[0] != '?') return s;
    // The neighbour below a power of two is nearer than the one above: the next number up may do where the nearest does not.
    double unit = 0;
    const std::string power = "1" + s.substr(s.find('e'));
    std::from_chars(power.data(), power.data() + power.size(), unit);
    for (int k = 0; k < digits; ++k) unit /= 10;
    double nearest = 0;
    std::from_chars(s.data() + 1, s.data() + s.size(), nearest);
    s = attempt(value < 0 ? nearest - unit : nearest + unit, digits);
    if (s[0] != '?') return s;
    if (digits > std::numeric_limits<T>::max_digits10) return s.substr(1);
  }
}
/// A scientific number in fixed notation: the same digits, zeros where there are none.
inline std::string without_exponent(const std::string& s) {
  const std::size_t sign = s[0] == '-' ? 1 : 0;
  const std::size_t e = s.find('e');
  int exponent = 0;
  std::from_chars(s.data() + e + (s[e + 1] == '+' ? 2 : 1), s.data() + s.size(), exponent);
  std::string digits = s.substr(sign, 1);
  if (e > sign + 1) digits += s.substr(sign + 2, e - sign - 2);
  if (exponent < 0) digits.insert(0, static_cast<std::size_t>(-exponent), '0');
  const std::size_t whole = exponent < 0 ? 1 : static_cast<std::size_t>(exponent) + 1;
  if (digits.size() < whole) digits.resize(whole, '0');
  std::string r = s.substr(0, sign) + digits.substr(0, whole);
  if (digits.size() > whole) r += "." + digits.substr(whole);
  return r;
}

/// The digits of a finite number, NumPy's way: the shortest unless that takes more than `precision` digits after the point
/// (-1: any number) or fewer than `at_least`, which are then the digits of the exact value.
template <class T>
std::string float_digits(T x, bool scientific, int precision, int at_least = 0) {
  char text[1024];
  const auto format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  char* end = text;
  std::string s;
  if constexpr (is_narrow_v<T>) {
    s = shortest_digits(x);
    if (!scientific) s = without_exponent(s);
  } else {
    end = std::to_chars(text, text + sizeof(text), x, format).ptr;
    s.assign(text, end);
  }
  const std::size_t e = scientific ? s.find('e') : s.size();
  const std::size_t point = s.find('.');
  const int digits = point == std::string::npos ? 0 : static_cast<int>(e - point - 1);
  const int wanted = precision >= 0 && digits > precision ? precision : digits < at_least ? at_least : -1;
  if (wanted >= 0) {
    end = std::to_chars(text, text + sizeof(text), static_cast<compute_t<T>>(x), format, wanted).ptr;
    s.assign(text, end);
  }
  return s;
}

/// [sign and integer part, fraction, exponent with its sign]; trailing zeros of the fraction are gone.
struct split_number {
  std::string whole, fraction, exponent;
};
template <class T>
split_number split(T x, bool scientific, int precision, bool plus = false, int at_least = 0) {
  const std::string s = float_digits(x, scientific, precision, at_least);
  split_number r;
  const std::size_t e = scientific ? s.find('e') : std::string::npos;
  const std::string mantissa = s.substr(0, e);
  if (e != std::string::npos) r.exponent = s.substr(e + 1);
  const std::size_t point = mantissa.find('.');
  r.whole = mantissa.substr(0, point);
  if (plus && r.whole[0] != '-') r.whole.insert(0, 1, '+');
  if (point != std::string::npos) r.fraction = mantissa.substr(point + 1);
  while (!r.fraction.empty() && r.fraction.back() == '0') r.fraction.pop_back();
  return r;
}

inline std::string spaces(std::size_t n) { return std::string(n, ' '); }

/// From which number on all are written scientifically: where the digits of the type end. (bfloat16, which NumPy does not
/// have, would end at 100.)
template <class T>
constexpr T first_scientific(double most) {
  if constexpr (sizeof(T) < 8 && !std::is_same_v<T, bfloat16>) {
    double power = 1;
    for (int i = 0; i < std::numeric_limits<T>::digits10 && power < most; ++i) power *= 10;
    return static_cast<T>(power);
  }
  return static_cast<T>(most);
}

/// Formats single elements so that all of them line up.
template <class T>
class element_format {
 public:
  explicit element_format(const print_options& o) : options_(o), plus_(o.sign == '+'), negative_infinity_(o.sign != '-') {
    if (o.floats == float_mode::unique) options_.precision = -1;
  }

  /// Takes an element into account.
  void see(T x) {
    if constexpr (is_floating_v<T>) {
      if (!(x - x == T(0))) {
        special_ = true;
        if (x < T(0)) negative_infinity_ = true;
        return;
      }
      any_finite_ = true;
      if (__builtin_signbit(static_cast<double>(x))) negative_ = true;
      const T a = x < T(0) ? -x : x;
      if (a == T(0)) return;
      if (!any_ || a > largest_) largest_ = a;
      if (!any_ || a < smallest_) smallest_ = a;
      any_ = true;
    } else if constexpr (!std::is_same_v<T, bool>) {
      if (!any_ || x > largest_) largest_ = x;
      if (!any_ || x < smallest_) smallest_ = x;
      any_ = true;
    }
  }
  /// Between the two passes over the elements.
  void decide() {
    if constexpr (is_floating_v<T>) {
      scientific_ = any_ && (largest_ >= first_scientific<T>(1e8) ||
                             (!options_.suppress && (smallest_ < T(0.0001) || largest_ / smallest_ > T(1000))));
    } else if constexpr (!std::is_same_v<T, bool>) {
      if (options_.sign == ' ' && smallest_ < T(0)) options_.sign = '-';
      const std::size_t high = std::to_string(largest_).size() + (options_.sign != '-' && largest_ >= T(0) ? 1 : 0);
      const std::size_t low = std::to_string(smallest_).size();
      left_ = high > low ? high : low;
    }
  }
  void measure(T x) {
    if constexpr (is_floating_v<T>) {
      if (!(x - x == T(0))) return;
      const bool fixed = options_.floats == float_mode::fixed;
      const split_number s = split(x, scientific_, options_.precision, plus_, fixed ? options_.precision : 0);
      if (s.whole.size() > left_) left_ = s.whole.size();
      if (s.fraction.size() > right_) right_ = s.fraction.size();
      if (fixed) right_ = static_cast<std::size_t>(options_.precision);
      if (s.exponent.size() > exponent_) exponent_ = s.exponent.size();
    }
  }
  void finish() {
    if constexpr (is_floating_v<T>) {
      if (options_.sign == ' ' && !negative_) ++left_;
      // From here on every element has as many digits as the longest, where they are kept.
      if (any_finite_ && (scientific_ || options_.floats == float_mode::fixed || options_.floats == float_mode::maxprec_equal)) {
        keep_zeros_ = true;
        options_.precision = static_cast<int>(right_);
      }
    }
    if (!special_) return;
    const std::size_t tail = scientific_ ? right_ + 2 + exponent_ : right_ + 1;
    const std::size_t widest = negative_infinity_ ? 4 : 3;
    if (left_ + tail < widest) left_ = widest - tail;
  }
  [[nodiscard]] std::string operator()(T x) const {
    if constexpr (std::is_same_v<T, bool>) {
      if (options_.format_bool) return options_.format_bool(x);
      return x ? " True" : "False";
    } else if constexpr (std::is_integral_v<T>) {
      if constexpr (std::is_signed_v<T>) {
        if (options_.format_int) return options_.format_int(x);
      } else if (options_.format_unsigned) return options_.format_unsigned(x);
      std::string s = std::to_string(x);
      if (options_.sign != '-' && x >= T(0)) s.insert(0, 1, options_.sign);
      return spaces(left_ - s.size()) + s;
    } else {
      if (options_.format_float) return options_.format_float(static_cast<double>(x));
      const std::size_t tail = scientific_ ? right_ + 2 + exponent_ : right_ + 1;
      if (!(x - x == T(0))) {
        const std::string s = std::string(x < T(0) ? "-" : plus_ ? "+" : "") + (x != x ? "nan" : "inf");
        return spaces(left_ + tail - s.size()) + s;
      }
      split_number s = split(x, scientific_, options_.precision, plus_, keep_zeros_ ? options_.precision : 0);
      std::string r = spaces(left_ - s.whole.size()) + s.whole + "." + s.fraction;
      r += std::string(right_ - s.fraction.size(), keep_zeros_ ? '0' : ' ');
      if (!scientific_) return r;
      r += "e" + s.exponent.substr(0, 1);
      return r + std::string(exponent_ - s.exponent.size(), '0') + s.exponent.substr(1);
    }
  }

 private:
  print_options options_;
  bool plus_;
  bool special_ = false, negative_infinity_, any_finite_ = false, any_ = false, scientific_ = false;
  bool negative_ = false, keep_zeros_ = false;
  T largest_{}, smallest_{};
  std::size_t left_ = 0, right_ = 0, exponent_ = 0;
};

/// Real parts in one column, imaginary ones with their sign in the next.
template <class T>
  requires is_complex_v<T>
class element_format<T> {
 public:
  explicit element_format(const print_options& o) : real_(part_options(o, o.sign)), imaginary_(part_options(o, '+')) {}
  void see(const T& x) { real_.see(x.real()), imaginary_.see(x.imag()); }
  void decide() { real_.decide(), imaginary_.decide(); }
  void measure(const T& x) { real_.measure(x.real()), imaginary_.measure(x.imag()); }
  void finish() { real_.finish(), imaginary_.finish(); }
  [[nodiscard]] std::string operator()(const T& x) const {
    std::string s = imaginary_(x.imag());
    s.insert(s.find_last_not_of(' ') + 1, 1, 'j');
    return real_(x.real()) + s;
  }

 private:
  static print_options part_options(print_options o, char sign) {
    o.sign = sign;
    o.format_float = nullptr;  // NumPy's is not asked about complex numbers
    return o;
  }
  element_format<real_type_t<T>> real_, imaginary_;
};

/// A string as a bytes literal of Python: b'it\'s' is b"it's", and bytes that are not printable ASCII are escaped.
inline std::string bytes_literal(const std::string& s) {
  constexpr char digits[] = "0123456789abcdef";
  const char quote = s.find('\'') != std::string::npos && s.find('"') == std::string::npos ? '"' : '\'';
  std::string r = "b";
  r += quote;
  for (const char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (c == quote || c == '\\') (r += '\\') += c;
    else if (c == '\n') r += "\\n";
    else if (c == '\r') r += "\\r";
    else if (c == '\t') r += "\\t";
    else if (u < 0x20 || u > 0x7e) ((r += "\\x") += digits[u >> 4]) += digits[u & 15U];
    else r += c;
  }
  return r += quote;
}
template <>
class element_format<std::string> {
 public:
  explicit element_format(const print_options&) {}
  void see(const std::string&) {}
  void decide() {}
  void measure(const std::string&) {}
  void finish() {}
  [[nodiscard]] std::string operator()(const std::string& x) const { return bytes_literal(x); }
};

template <class T>
class printer {
 public:
  printer(const strided<const T>& x, const print_options& o) : x_(x), options_(o), format_(o) {
    std::int64_t n = 1;
    for (int d = 0; d < x.shape.rank(); ++d) n *= x.shape[d];
    size_ = n;
    summarise_ = n > o.threshold;
    const auto check = [](std::int64_t value, std::int64_t most, const char* name) {
      if (value < 0 || value > most)
        throw invalid_argument(std::string("print_options: ") + name + " is " + std::to_string(value) + ", which no text has");
    };
    check(o.precision, 400, "precision");
    check(o.threshold, INT64_MAX, "threshold");
    check(o.edge_items, INT64_MAX / 2, "edge_items");
    check(o.line_width, INT32_MAX, "line_width");
    if (o.sign != '-' && o.sign != '+' && o.sign != ' ')
      throw invalid_argument(std::string("print_options: sign is '") + o.sign + "', wanted '-', '+' or ' '");
    separator_ = o.separator ? o.separator : "";
    stripped_ = separator_.substr(0, separator_.find_last_not_of(" \n\t") + 1);
  }
  std::string operator()() {
    if (size_ == 0) return "[]";
    visit(0, 0, [this](const T& v) { format_.see(v); });
    format_.decide();
    visit(0, 0, [this](const T& v) { format_.measure(v); });
    format_.finish();
    return axis(0, 0, " ", options_.line_width);
  }

 private:
  [[nodiscard]] bool cut(int d) const { return summarise_ && 2 * options_.edge_items < x_.shape[d]; }
  /// Elements after the "...": NumPy always shows one.
  [[nodiscard]] std::int64_t last_items() const { return options_.edge_items > 0 ? options_.edge_items : 1; }
  /// Calls f on each element that will be shown.
  template <class F>
  void visit(int d, std::int64_t offset, const F& f) const {
    if (d == x_.shape.rank()) return f(x_.data[offset]);
    const std::int64_t n = x_.shape[d];
    for (std::int64_t i = 0; i < n; ++i) {
      if (cut(d) && i == options_.edge_items && i > 0) i = n - last_items();
      visit(d + 1, offset + i * x_.strides[d], f);
    }
  }
  std::string axis(int d, std::int64_t offset, const std::string& indent, std::int64_t width) const {
    if (d == x_.shape.rank()) return format_(x_.data[offset]);
    const int left = x_.shape.rank() - d;
    const std::int64_t n = x_.shape[d];
    std::string s;
    std::string line = indent;
    const auto room = width - static_cast<std::int64_t>(stripped_.size() > 1 ? stripped_.size() : 1);
    const auto add = [&](const std::string& word) {
      if (static_cast<std::int64_t>(line.size() + word.size()) > room && line.size() > indent.size()) {
        while (!line.empty() && line.back() == ' ') line.pop_back();
        s += line + "\n";
        line = indent;
      }
      line += word;
    };
    const std::string separator = stripped_ + std::string(static_cast<std::size_t>(left - 1), '\n');
    for (std::int64_t i = 0; i < n; ++i) {
      if (cut(d) && i == options_.edge_items) {
        if (left == 1) {
          add("...");
          line += separator_;
        } else s += indent + "..." + separator;
        i = n - last_items();
      }
      const std::string word = axis(d + 1, offset + i * x_.strides[d], indent + " ", width - 1);
      if (left == 1) {
        add(word);
        if (i + 1 < n) line += separator_;
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
  std::string separator_, stripped_;
};

/// A scalar as NumPy prints one: all the digits it needs, and at least ".0".
template <class T>
std::string scalar_text(T x) {
  if constexpr (std::is_same_v<T, bool>) return x ? "True" : "False";
  else if constexpr (std::is_integral_v<T>) return std::to_string(x);
  else if constexpr (is_complex_v<T>) {  // 2j, (1+2j)
    const auto part = [](real_type_t<T> v) {
      std::string s = scalar_text(v);
      if (s.size() > 2 && s.compare(s.size() - 2, 2, ".0") == 0) s.resize(s.size() - 2);
      return s;
    };
    const std::string im = part(x.imag()) + "j";
    const std::string re = part(x.real());
    return re == "0" ? im : "(" + re + (im[0] == '-' ? "" : "+") + im + ")";
  } else {
    if (x != x) return "nan";
    if (!(x - x == T(0))) return x < T(0) ? "-inf" : "inf";
    const T a = x < T(0) ? -x : x;
    const bool scientific = a != T(0) && (static_cast<double>(a) < 1e-4 || a >= first_scientific<T>(1e16));
    const split_number s = split(x, scientific, -1);
    if (scientific) return s.whole + (s.fraction.empty() ? "" : "." + s.fraction) + "e" + s.exponent;
    return s.whole + "." + (s.fraction.empty() ? "0" : s.fraction);
  }
}

inline std::string scalar_text(const std::string& x) { return bytes_literal(x); }

template <class T>
std::string print(const strided<const T>& x, const print_options& o) {
  return x.shape.rank() == 0 ? scalar_text(*x.data) : printer<T>(x, o)();
}

}  // namespace detail

/// The shortest digits that tell the number from its neighbours: "0.1", "6.55e+04".
template <class T>
  requires is_narrow_v<T>
std::string to_string(T x) {
  return detail::scalar_text(x);
}
template <class C, class Traits, class T>
  requires is_narrow_v<T>
std::basic_ostream<C, Traits>& operator<<(std::basic_ostream<C, Traits>& out, T x) {
  return out << to_string(x);
}

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

/// What `out << print_options{...}` gives: tensors and expressions written to it are printed with these options, anything
/// else as ever. It belongs to one statement; the stream itself is not changed.
template <class Stream>
class printing_stream {
 public:
  printing_stream(Stream& out, const print_options& o) : out_(out), options_(o) {}
  template <class X>
  const printing_stream& operator<<(const X& x) const {
    if constexpr (requires { to_string(x, options_); }) out_ << to_string(x, options_);
    else out_ << x;
    return *this;
  }
  /// std::endl and its like.
  const printing_stream& operator<<(Stream& (*f)(Stream&)) const {
    f(out_);
    return *this;
  }

 private:
  Stream& out_;
  print_options options_;
};
template <class C, class Traits>
printing_stream<std::basic_ostream<C, Traits>> operator<<(std::basic_ostream<C, Traits>& out, const print_options& o) {
  return {out, o};
}

}  // namespace rill

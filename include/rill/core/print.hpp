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

// What follows is the same code for every element type, since formatting is long and elements are few: an element is
// widened, which loses nothing, and a dtype says what it was. Templates, so that only who prints compiles them.

/// An element of any type; `kind` (the real part's dtype of a complex number) says which members count.
struct shown {
  double real = 0, imaginary = 0;
  std::int64_t whole = 0;
  std::uint64_t natural = 0;
  const std::string* text = nullptr;
};
struct shown_type {
  dtype kind = dtype::invalid;
  bool complex = false;
  void (*get)(const void* data, std::int64_t at, shown& to) = nullptr;
};
template <class T>
inline constexpr shown_type shown_type_of = [] {
  const auto get = [](const void* data, std::int64_t at, [[maybe_unused]] shown& to) {
    const T& x = static_cast<const T*>(data)[at];
    if constexpr (std::is_same_v<T, std::string>) to.text = &x;
    else if constexpr (is_complex_v<T>) to.real = static_cast<double>(x.real()), to.imaginary = static_cast<double>(x.imag());
    else if constexpr (is_floating_v<T>) to.real = static_cast<double>(x);
    else if constexpr (std::is_signed_v<T>) to.whole = x;
    else to.natural = x;
  };
  if constexpr (is_complex_v<T>) return shown_type{dtype_v<real_type_t<T>>, true, get};
  else return shown_type{dtype_v<T>, false, get};
}();

inline bool is_finite(double x) { return x - x == 0; }

/// x as a number of the type.
template <class = void>
double rounded(dtype type, double x) {
  switch (type) {
    case dtype::float32: return static_cast<double>(static_cast<float>(x));
    case dtype::float16: return static_cast<double>(static_cast<half>(x));
    case dtype::bfloat16: return static_cast<double>(static_cast<bfloat16>(x));
    default: return x;
  }
}

/// The fewest digits that round to x and to no other number of the type, scientific ("6.55e+04"), for the types that
/// to_chars does not know.
template <class = void>
std::string shortest_digits(double x, dtype type) {
  char text[64];
  const auto attempt = [&](double value, int digits) {
    char* const end = std::to_chars(text, text + sizeof(text), value, std::chars_format::scientific, digits).ptr;
    double back = 0;
    std::from_chars(text, end, back);
    return std::string(rounded(type, back) == x ? "" : "?").append(text, end);
  };
  const int most = type == dtype::float16 ? std::numeric_limits<half>::max_digits10 : std::numeric_limits<bfloat16>::max_digits10;
  for (int digits = 0;; ++digits) {
    std::string s = attempt(x, digits);
    if (s[0] != '?') return s;
    // The neighbour below a power of two is nearer than the one above: the next number up may do where the nearest does not.
    double unit = 0;
    const std::string power = "1" + s.substr(s.find('e'));
    std::from_chars(power.data(), power.data() + power.size(), unit);
    for (int k = 0; k < digits; ++k) unit /= 10;
    double nearest = 0;
    std::from_chars(s.data() + 1, s.data() + s.size(), nearest);
    s = attempt(x < 0 ? nearest - unit : nearest + unit, digits);
    if (s[0] != '?') return s;
    if (digits > most) return s.substr(1);
  }
}
/// A scientific number in fixed notation: the same digits, zeros where there are none.
template <class = void>
std::string without_exponent(const std::string& s) {
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
template <class = void>
std::string float_digits(double x, dtype type, bool scientific, int precision, int at_least) {
  char text[1024];
  const auto format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  std::string s;
  if (type == dtype::float64) s.assign(text, std::to_chars(text, text + sizeof(text), x, format).ptr);
  else if (type == dtype::float32) s.assign(text, std::to_chars(text, text + sizeof(text), static_cast<float>(x), format).ptr);
  else s = scientific ? shortest_digits(x, type) : without_exponent(shortest_digits(x, type));
  const std::size_t e = scientific ? s.find('e') : s.size();
  const std::size_t point = s.find('.');
  const int digits = point == std::string::npos ? 0 : static_cast<int>(e - point - 1);
  const int wanted = precision >= 0 && digits > precision ? precision : digits < at_least ? at_least : -1;
  if (wanted >= 0) s.assign(text, std::to_chars(text, text + sizeof(text), x, format, wanted).ptr);
  return s;
}

/// [sign and integer part, fraction, exponent with its sign]; trailing zeros of the fraction are gone.
struct split_number {
  std::string whole, fraction, exponent;
};
template <class = void>
split_number split(double x, dtype type, bool scientific, int precision, bool plus = false, int at_least = 0) {
  const std::string s = float_digits(x, type, scientific, precision, at_least);
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

/// From which number on all are written scientifically: where the digits of the type end. (bfloat16, which NumPy does not
/// have, would end at 100.)
template <class = void>
double first_scientific(dtype type, double most) {
  const double end = type == dtype::float32 ? 1e6 : type == dtype::float16 ? 1e3 : most;
  return rounded(type, end < most ? end : most);
}

/// A string as a bytes literal of Python: b'it\'s' is b"it's", and bytes that are not printable ASCII are escaped.
template <class = void>
std::string bytes_literal(const std::string& s) {
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

/// Formats single elements so that all of them line up.
template <class = void>
class element_format {
 public:
  element_format(dtype type, const print_options& o)
      : type_(type), options_(o), plus_(o.sign == '+'), negative_infinity_(o.sign != '-') {
    if (o.floats == float_mode::unique) options_.precision = -1;
  }

  /// Takes an element into account.
  void see(const shown& e, double x) {
    if (is_floating(type_)) {
      if (!is_finite(x)) {
        special_ = true;
        if (x < 0) negative_infinity_ = true;
        return;
      }
      any_finite_ = true;
      if (__builtin_signbit(x)) negative_ = true;
      const double a = x < 0 ? -x : x;
      if (a == 0) return;
      if (!any_ || a > largest_) largest_ = a;
      if (!any_ || a < smallest_) smallest_ = a;
      any_ = true;
    } else if (is_integer(type_)) {
      std::size_t& widest = e.whole < 0 ? below_zero_ : left_;
      const std::size_t n = digits(e).size();
      if (n > widest) widest = n;
    }
  }
  /// Between the two passes over the elements.
  void decide() {
    if (is_floating(type_)) {
      scientific_ = any_ && (largest_ >= first_scientific(type_, 1e8) ||
                             (!options_.suppress &&
                              (smallest_ < rounded(type_, 0.0001) || rounded(type_, largest_ / smallest_) > 1000)));
    } else if (is_integer(type_)) {
      if (options_.sign == ' ' && below_zero_ > 0) options_.sign = '-';
      if (options_.sign != '-' && left_ > 0) ++left_;
      if (below_zero_ > left_) left_ = below_zero_;
    }
  }
  void measure(double x) {
    if (!is_floating(type_) || !is_finite(x)) return;
    const bool fixed = options_.floats == float_mode::fixed;
    const split_number s = split(x, type_, scientific_, options_.precision, plus_, fixed ? options_.precision : 0);
    if (s.whole.size() > left_) left_ = s.whole.size();
    if (s.fraction.size() > right_) right_ = s.fraction.size();
    if (fixed) right_ = static_cast<std::size_t>(options_.precision);
    if (s.exponent.size() > exponent_) exponent_ = s.exponent.size();
  }
  void finish() {
    if (is_floating(type_)) {
      if (options_.sign == ' ' && !negative_) ++left_;
      // From here on every element has as many digits as the longest, where they are kept.
      if (any_finite_ && (scientific_ || options_.floats == float_mode::fixed || options_.floats == float_mode::maxprec_equal)) {
        keep_zeros_ = true;
        options_.precision = static_cast<int>(right_);
      }
    }
    if (!special_) return;
    const std::size_t widest = negative_infinity_ ? 4 : 3;
    if (left_ + tail() < widest) left_ = widest - tail();
  }
  [[nodiscard]] std::string operator()(const shown& e, double x) const {
    if (type_ == dtype::string) return bytes_literal(*e.text);
    if (type_ == dtype::boolean) {
      if (options_.format_bool) return options_.format_bool(e.natural != 0);
      return e.natural != 0 ? " True" : "False";
    }
    if (is_integer(type_)) {
      if (is_unsigned(type_)) {
        if (options_.format_unsigned) return options_.format_unsigned(e.natural);
      } else if (options_.format_int) return options_.format_int(e.whole);
      std::string s = digits(e);
      if (options_.sign != '-' && e.whole >= 0) s.insert(0, 1, options_.sign);
      return std::string(left_ - s.size(), ' ') + s;
    }
    if (options_.format_float) return options_.format_float(x);
    if (!is_finite(x)) {
      const std::string s = std::string(x < 0 ? "-" : plus_ ? "+" : "") + (x != x ? "nan" : "inf");
      return std::string(left_ + tail() - s.size(), ' ') + s;
    }
    const split_number s = split(x, type_, scientific_, options_.precision, plus_, keep_zeros_ ? options_.precision : 0);
    std::string r = std::string(left_ - s.whole.size(), ' ') + s.whole + "." + s.fraction;
    r.append(right_ - s.fraction.size(), keep_zeros_ ? '0' : ' ');
    if (!scientific_) return r;
    r += "e" + s.exponent.substr(0, 1);
    return r.append(exponent_ - s.exponent.size(), '0') + s.exponent.substr(1);
  }

 private:
  [[nodiscard]] std::string digits(const shown& e) const {
    return is_unsigned(type_) ? std::to_string(e.natural) : std::to_string(e.whole);
  }
  [[nodiscard]] std::size_t tail() const { return scientific_ ? right_ + 2 + exponent_ : right_ + 1; }

  dtype type_;
  print_options options_;
  bool plus_;
  bool special_ = false, negative_infinity_, any_finite_ = false, any_ = false, scientific_ = false;
  bool negative_ = false, keep_zeros_ = false;
  double largest_ = 0, smallest_ = 0;
  std::size_t left_ = 0, right_ = 0, exponent_ = 0, below_zero_ = 0;
};

template <class = void>
class printer {
 public:
  printer(const shown_type& type, const void* data, const tensor_shape& shape, const std::int64_t* strides, const print_options& o)
      : type_(type), data_(data), shape_(shape), strides_(strides), options_(o), real_(type.kind, part_options(o, type, o.sign)),
        imaginary_(type.kind, part_options(o, type, '+')) {
    size_ = 1;
    for (int d = 0; d < shape.rank(); ++d) size_ *= shape[d];
    summarise_ = size_ > o.threshold;
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
    visit(0, 0, false);
    real_.decide(), imaginary_.decide();
    visit(0, 0, true);
    real_.finish(), imaginary_.finish();
    return axis(0, 0, " ", options_.line_width);
  }

 private:
  static print_options part_options(print_options o, const shown_type& type, char sign) {
    if (!type.complex) return o;
    o.sign = sign;
    o.format_float = nullptr;  // NumPy's is not asked about complex numbers
    return o;
  }
  [[nodiscard]] bool cut(int d) const { return summarise_ && 2 * options_.edge_items < shape_[d]; }
  /// Elements after the "...": NumPy always shows one.
  [[nodiscard]] std::int64_t last_items() const { return options_.edge_items > 0 ? options_.edge_items : 1; }
  [[nodiscard]] shown element(std::int64_t offset) const {
    shown e;
    type_.get(data_, offset, e);
    return e;
  }
  /// Sees or measures each element that will be shown.
  void visit(int d, std::int64_t offset, bool measuring) {
    if (d == shape_.rank()) {
      const shown e = element(offset);
      if (measuring) real_.measure(e.real), imaginary_.measure(e.imaginary);
      else real_.see(e, e.real), imaginary_.see(e, e.imaginary);
      return;
    }
    const std::int64_t n = shape_[d];
    for (std::int64_t i = 0; i < n; ++i) {
      if (cut(d) && i == options_.edge_items && i > 0) i = n - last_items();
      visit(d + 1, offset + i * strides_[d], measuring);
    }
  }
  /// Real parts in one column, imaginary ones with their sign in the next.
  [[nodiscard]] std::string word(std::int64_t offset) const {
    const shown e = element(offset);
    if (!type_.complex) return real_(e, e.real);
    std::string s = imaginary_(e, e.imaginary);
    s.insert(s.find_last_not_of(' ') + 1, 1, 'j');
    return real_(e, e.real) + s;
  }
  std::string axis(int d, std::int64_t offset, const std::string& indent, std::int64_t width) const {
    if (d == shape_.rank()) return word(offset);
    const int left = shape_.rank() - d;
    const std::int64_t n = shape_[d];
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
      const std::string part = axis(d + 1, offset + i * strides_[d], indent + " ", width - 1);
      if (left == 1) {
        add(part);
        if (i + 1 < n) line += separator_;
      } else s += indent + part + (i + 1 < n ? separator : "");
    }
    if (left == 1) s += line;
    return "[" + s.substr(indent.size()) + "]";
  }

  shown_type type_;
  const void* data_;
  tensor_shape shape_;
  const std::int64_t* strides_;
  print_options options_;
  element_format<> real_, imaginary_;
  std::int64_t size_ = 0;
  bool summarise_ = false;
  std::string separator_, stripped_;
};

/// A number as NumPy prints a scalar: all the digits it needs, and at least ".0".
template <class = void>
std::string float_text(double x, dtype type) {
  if (x != x) return "nan";
  if (!is_finite(x)) return x < 0 ? "-inf" : "inf";
  const double a = x < 0 ? -x : x;
  const bool scientific = a != 0 && (a < 1e-4 || a >= first_scientific(type, 1e16));
  const split_number s = split(x, type, scientific, -1);
  if (scientific) return s.whole + (s.fraction.empty() ? "" : "." + s.fraction) + "e" + s.exponent;
  return s.whole + "." + (s.fraction.empty() ? "0" : s.fraction);
}
template <class = void>
std::string scalar_text(const shown_type& type, const shown& e) {
  if (type.kind == dtype::string) return bytes_literal(*e.text);
  if (type.kind == dtype::boolean) return e.natural != 0 ? "True" : "False";
  if (is_integer(type.kind)) return is_unsigned(type.kind) ? std::to_string(e.natural) : std::to_string(e.whole);
  if (!type.complex) return float_text(e.real, type.kind);
  const auto part = [&](double v) {  // 2j, (1+2j)
    std::string s = float_text(v, type.kind);
    if (s.size() > 2 && s.compare(s.size() - 2, 2, ".0") == 0) s.resize(s.size() - 2);
    return s;
  };
  const std::string im = part(e.imaginary) + "j";
  const std::string re = part(e.real);
  return re == "0" ? im : "(" + re + (im[0] == '-' ? "" : "+") + im + ")";
}

template <class = void>
std::string print(const shown_type& type, const void* data, const tensor_shape& shape, const std::int64_t* strides,
                  const print_options& o) {
  if (shape.rank() > 0) return printer<>(type, data, shape, strides, o)();
  shown e;
  type.get(data, 0, e);
  return scalar_text(type, e);
}

}  // namespace detail

/// The shortest digits that tell the number from its neighbours: "0.1", "6.55e+04".
template <class T>
  requires is_narrow_v<T>
std::string to_string(T x) {
  return detail::float_text(static_cast<double>(x), dtype_v<T>);
}
template <class C, class Traits, class T>
  requires is_narrow_v<T>
std::basic_ostream<C, Traits>& operator<<(std::basic_ostream<C, Traits>& out, T x) {
  return out << to_string(x);
}

/// The elements as NumPy prints them.
template <class T, std::int64_t... E>
std::string to_string(const tensor<T, E...>& t, const print_options& o = {}) {
  const auto s = t.strided();
  return detail::print(detail::shown_type_of<T>, s.data, s.shape, s.strides, o);
}
template <class T, std::int64_t... E>
std::string to_string(const view<T, E...>& v, const print_options& o = {}) {
  const auto s = v.strided_const();
  return detail::print(detail::shown_type_of<std::remove_const_t<T>>, s.data, s.shape, s.strides, o);
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

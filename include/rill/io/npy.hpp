// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// NumPy's files: .npy (versions 1.0, 2.0 and 3.0, both byte orders, C and Fortran order) and .npz, a zip of them, stored
/// or compressed. All numbers and bool as NumPy's types of the same name, bfloat16 as the two bytes "V2" that NumPy's
/// extension writes, strings as fixed-width bytes "S" (NumPy's "U" is read as UTF-8). Files are written atomically.
///
/// The header is a strict subset of Python: what it promises must be exactly what the file holds, and is checked before
/// memory is taken. No .npy file: invalid_argument; damage: data_loss; types that a tensor cannot hold, pickled objects and
/// records: unimplemented; another dtype or shape than asked for: invalid_argument naming both. Each names the file.
///
///   io::save_npy("x.npy", x);                                  // np.load("x.npy")
///   auto y = io::load_npy<float, dyn, 3>("x.npy");             // tensor<float, dyn, 3>
///   io::save_npz("all.npz", "x", x, "labels", labels);         // np.load("all.npz")["labels"]
///   for (auto& [name, t] : io::load_npz("all.npz")) ...        // dynamic_tensor, dtype and shape at run time

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "rill/core/dynamic_tensor.hpp"
#include "rill/core/error.hpp"
#include "rill/core/tensor.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/zip.hpp"

namespace rill::io {

/// What the header of an .npy file says.
struct npy_header {
  dtype type = dtype::invalid;
  char kind = 0;                  ///< NumPy's letter: 'f', 'i', 'u', 'b', 'c', 'V', 'S' or 'U'
  std::size_t width = 0;          ///< bytes of one stored element
  bool swapped = false;           ///< stored in the other byte order than the machine's
  bool fortran_order = false;     ///< the first axis is the one that varies fastest
  tensor_shape shape;
  int version = 1;                ///< 1, 2 or 3 (always .0)
  std::uint64_t data_offset = 0;  ///< where the elements begin
};

/// How an .npy file is written.
struct npy_options {
  int version = 1;             ///< of the format: 1, 2 or 3
  bool fortran_order = false;  ///< column-major
  bool big_endian = false;
};

namespace detail {

/// The element types: NumPy's letter and width. A type that is stored is one row.
struct npy_type {
  dtype type;
  char kind;
  std::size_t width;
};
inline constexpr npy_type npy_types[] = {
    {dtype::float32, 'f', 4},   {dtype::float64, 'f', 8},    {dtype::float16, 'f', 2}, {dtype::bfloat16, 'V', 2},
    {dtype::int8, 'i', 1},      {dtype::int16, 'i', 2},      {dtype::int32, 'i', 4},   {dtype::int64, 'i', 8},
    {dtype::uint8, 'u', 1},     {dtype::uint16, 'u', 2},     {dtype::uint32, 'u', 4},  {dtype::uint64, 'u', 8},
    {dtype::complex64, 'c', 8}, {dtype::complex128, 'c', 16}, {dtype::boolean, 'b', 1},
};

/// A longer header is not read; those of unstructured arrays have about 128 bytes.
inline constexpr std::uint64_t npy_header_limit = 1 << 16;

/// Reads the Python literal {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } and nothing else.
class npy_literal {
 public:
  npy_literal(std::string_view text, std::uint64_t offset, const std::string& file) : text_(text), offset_(offset), file_(file) {}

  void parse(npy_header& h) {
    bool seen[3] = {};
    expect('{');
    for (;;) {
      if (take('}')) break;
      const std::size_t at = at_;
      const std::string key = quoted();
      expect(':');
      const std::string_view keys[] = {"descr", "fortran_order", "shape"};
      const std::size_t k = static_cast<std::size_t>(std::find(std::begin(keys), std::end(keys), key) - std::begin(keys));
      if (k == 3 || std::exchange(seen[k], true)) fail(at, "the key '" + key + "' is unknown or there twice");
      if (k == 0) descr(h);
      else if (k == 1) h.fortran_order = boolean();
      else shape(h);
      if (take(',')) continue;
      expect('}');
      break;
    }
    skip();
    if (at_ != text_.size()) fail(at_, "text follows the dictionary");
    if (!seen[0] || !seen[1] || !seen[2]) fail(at_, "one of descr, fortran_order and shape is missing");
  }

 private:
  [[noreturn]] void fail(std::size_t at, const std::string& problem) const {
    throw data_loss("the header of " + file_ + " is damaged at offset " + std::to_string(offset_ + at) + ": " + problem);
  }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(at_, std::string("'") + c + "' is missing");
  }
  std::string quoted() {
    skip();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail(at_, "a string is missing");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail(at_, "a string does not end");
    const std::string s(text_.substr(at_ + 1, end - at_ - 1));
    for (const char c : s)
      if (c == '\\' || static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) fail(at_, "a string is not plain");
    at_ = end + 1;
    return s;
  }
  bool word(std::string_view w) {
    skip();
    if (text_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return true;
  }
  bool boolean() {
    if (word("True")) return true;
    if (!word("False")) fail(at_, "fortran_order is neither True nor False");
    return false;
  }
  std::uint64_t digits(std::string_view s, std::size_t at) const {
    std::uint64_t n = 0;
    for (const char c : s) {
      if (c < '0' || c > '9') fail(at, "a number is missing");
      if (n > (static_cast<std::uint64_t>(INT64_MAX) - static_cast<std::uint64_t>(c - '0')) / 10) fail(at, "a number does not fit 63 bits");
      n = n * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (s.empty()) fail(at, "a number is missing");
    return n;
  }
  void shape(npy_header& h) {
    expect('(');
    bool comma = true;
    while (!take(')')) {
      if (!comma) fail(at_, "',' is missing");
      skip();
      std::size_t end = at_;
      while (end < text_.size() && text_[end] >= '0' && text_[end] <= '9') ++end;
      const std::uint64_t n = digits(text_.substr(at_, end - at_), at_);
      if (h.shape.rank() == max_rank)
        throw unimplemented(file_ + " has more than " + std::to_string(max_rank) + " dimensions, the most that a tensor has");
      h.shape.push_back(static_cast<std::int64_t>(n));
      at_ = end;
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // a long of Python 2
      comma = take(',');
    }
    if (h.shape.rank() == 1 && !comma) fail(at_, "(n) is a number, not a shape");
  }
  void descr(npy_header& h) {
    skip();
    const std::size_t at = at_;
    if (at_ < text_.size() && text_[at_] == '[') throw unimplemented(file_ + " holds records, which no tensor does");
    const std::string d = quoted();
    const auto unknown = [&] {
      throw unimplemented(file_ + " holds elements of NumPy's type '" + d + "'" +
                          (d.find('O') != std::string::npos ? ": pickled objects are not read" : ", which no tensor does"));
    };
    if (d.size() < 2) fail(at, "'" + d + "' is no type");
    const std::size_t kind_at = d[0] == '<' || d[0] == '>' || d[0] == '|' || d[0] == '=' ? 1 : 0;
    h.kind = d[kind_at];
    if (h.kind == 'O') unknown();
    for (const char c : d.substr(kind_at + 1))
      if (c < '0' || c > '9') unknown();  // datetime64 and its like
    const std::uint64_t n = digits(std::string_view(d).substr(kind_at + 1), at);
    const bool big = d[0] == '>';
    if (h.kind == 'S' || h.kind == 'U') {
      h.type = dtype::string;
      if (n < 1 || n > (1u << 30)) unknown();
      h.width = static_cast<std::size_t>(h.kind == 'U' ? 4 * n : n);
    } else {
      for (const npy_type& t : npy_types)
        if (t.kind == h.kind && t.width == n) {
          h.type = t.type;
          h.width = t.width;
        }
      if (h.type == dtype::invalid) unknown();
      if ((d[0] == '|' || kind_at == 0) && h.width > 1 && h.kind != 'V') fail(at, "'" + d + "' has no byte order");
    }
    h.swapped = (d[0] == '<' || big) && big != (std::endian::native == std::endian::big);
  }

  std::string_view text_;
  std::uint64_t offset_;
  std::string file_;
  std::size_t at_ = 0;
};

/// Where the bytes of an .npy file come from, front to back; `left` is how many there are.
class npy_file_source {
 public:
  explicit npy_file_source(const std::string& path) : file_(path), size_(file_.size()) {}
  [[nodiscard]] std::string name() const { return "'" + file_.path() + "'"; }
  [[nodiscard]] std::uint64_t offset() const { return at_; }
  [[nodiscard]] std::uint64_t left() const { return size_ - at_; }
  void read(void* to, std::size_t n) {
    file_.read(at_, to, n);
    at_ += n;
  }

 private:
  random_access_file file_;
  std::uint64_t size_;
  std::uint64_t at_ = 0;
};
class npy_member_source {
 public:
  npy_member_source(const zip_reader& archive, const zip_entry& e) : archive_(archive), member_(archive, e) {}
  [[nodiscard]] std::string name() const { return "member '" + member_.name() + "' of '" + archive_.path() + "'"; }
  [[nodiscard]] std::uint64_t offset() const { return member_.offset(); }
  [[nodiscard]] std::uint64_t left() const { return member_.size() - member_.offset(); }
  void read(void* to, std::size_t n) { member_.read(to, n); }

 private:
  const zip_reader& archive_;
  zip_member member_;
};

/// Reads and checks everything up to the elements; afterwards the source holds exactly those.
template <class Source>
npy_header read_npy_header(Source& from) {
  const auto cut = [&](const std::string& part) {
    throw data_loss(from.name() + " ends at offset " + std::to_string(from.offset() + from.left()) + " inside its " + part);
  };
  unsigned char b[12];
  const std::size_t first = static_cast<std::size_t>(std::min<std::uint64_t>(from.left(), 8));
  from.read(b, first);
  if (std::memcmp(b, "\x93NUMPY", std::min<std::size_t>(first, 6)) != 0 || first == 0)
    throw invalid_argument(from.name() + " is no .npy file: it does not start with \\x93NUMPY at offset 0");
  if (first < 8) cut("header");
  npy_header h;
  h.version = b[6];
  if (b[6] < 1 || b[6] > 3 || b[7] != 0)
    throw unimplemented(from.name() + " has version " + std::to_string(b[6]) + "." + std::to_string(b[7]) +
                        " of the .npy format at offset 6; 1.0, 2.0 and 3.0 are known");
  const std::size_t field = h.version == 1 ? 2 : 4;
  if (from.left() < field) cut("header");
  from.read(b, field);
  const std::uint64_t length = h.version == 1 ? get_little<std::uint16_t>(b) : get_little<std::uint32_t>(b);
  if (length > npy_header_limit)
    throw resource_exhausted(from.name() + " has a header of " + std::to_string(length) + " bytes at offset 8, more than the limit of " +
                             std::to_string(npy_header_limit));
  if (length > from.left()) cut("header of " + std::to_string(length) + " bytes");
  std::string text(static_cast<std::size_t>(length), '\0');
  const std::uint64_t at = from.offset();
  from.read(text.data(), text.size());
  npy_literal(text, at, from.name()).parse(h);
  h.data_offset = from.offset();
  std::uint64_t bytes = h.width;
  bool fits = true;
  bool empty = false;
  for (const std::int64_t d : h.shape) empty = empty || d == 0;
  for (const std::int64_t d : h.shape) fits = fits && (empty || !__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(d), &bytes));
  if (empty) bytes = 0;
  if (!fits || bytes != from.left())
    throw data_loss(from.name() + " promises shape " + to_string(h.shape) + " with " + std::to_string(h.width) + " bytes an element" +
                    (fits ? ", " + std::to_string(bytes) + " bytes in all" : ", more than 64 bits can count") + ", but " +
                    std::to_string(from.left()) + " bytes follow at offset " + std::to_string(h.data_offset));
  return h;
}

/// Reverses the bytes of each unit.
inline void npy_swap(void* data, std::size_t bytes, std::size_t unit) {
  auto* p = static_cast<unsigned char*>(data);
  if (unit > 1)
    for (std::size_t i = 0; i + unit <= bytes; i += unit) std::reverse(p + i, p + i + unit);
}
inline std::size_t npy_unit(dtype type) { return is_complex(type) ? size_of(type) / 2 : size_of(type); }

/// Copies elements of `width` bytes between a row-major array and one in Fortran order.
inline void npy_reorder(const tensor_shape& shape, std::size_t width, const char* from, char* to, bool from_fortran) {
  std::int64_t c[max_rank];
  std::int64_t f[max_rank];
  rill::detail::row_major_strides(shape, c);
  std::int64_t n = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    f[i] = n;
    n *= shape[i];
  }
  const auto run = [&]<std::size_t Width>(std::integral_constant<std::size_t, Width>) {
    rill::detail::for_each_row(shape, from_fortran ? f : c, from_fortran ? c : f,
                               [&](std::int64_t a, std::int64_t b, std::int64_t count, std::int64_t sa, std::int64_t sb) {
                                 const std::size_t w = Width != 0 ? Width : width;
                                 for (std::int64_t i = 0; i < count; ++i)
                                   std::memcpy(to + static_cast<std::size_t>(b + i * sb) * w,
                                               from + static_cast<std::size_t>(a + i * sa) * w, w);
                               });
  };
  if (width == 4) run(std::integral_constant<std::size_t, 4>{});
  else if (width == 8) run(std::integral_constant<std::size_t, 8>{});
  else run(std::integral_constant<std::size_t, 0>{});
}

template <class Source>
void npy_read_bytes(Source& from, char* to, std::uint64_t n) {
  while (n > 0) {
    const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(n, std::uint64_t{1} << 30));
    from.read(to, step);
    to += step;
    n -= step;
  }
}

/// One element of type S or U.
inline std::string npy_string(const npy_header& h, const char* p, const std::string& file) {
  if (h.kind == 'S') {
    std::size_t n = h.width;
    while (n > 0 && p[n - 1] == '\0') --n;
    return std::string(p, n);
  }
  std::string s;
  std::string zeros;
  for (std::size_t i = 0; i < h.width; i += 4) {
    unsigned char u[4];
    std::memcpy(u, p + i, 4);
    if (h.swapped != (std::endian::native == std::endian::big)) std::reverse(u, u + 4);
    const auto c = get_little<std::uint32_t>(u);
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
      throw data_loss(file + " holds the number " + std::to_string(c) + ", which is no character");
    if (c == 0) {  // trailing ones are padding
      zeros += '\0';
      continue;
    }
    s += std::exchange(zeros, {});
    if (c < 0x80) s += static_cast<char>(c);
    else {
      const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
      constexpr unsigned lead[] = {0, 0xC0, 0xE0, 0xF0};
      s += static_cast<char>(lead[more] | c >> (6 * more));
      for (int k = more - 1; k >= 0; --k) s += static_cast<char>(0x80 | (c >> (6 * k) & 0x3F));
    }
  }
  return s;
}

/// Reads the elements into row-major memory of the header's type and shape.
template <class Source>
void read_npy_elements(Source& from, const npy_header& h, void* to) {
  const std::uint64_t bytes = from.left();
  if (bytes == 0) return;
  const bool reorder = h.fortran_order && h.shape.rank() > 1;
  if (!reorder && h.type != dtype::string) {
    npy_read_bytes(from, static_cast<char*>(to), bytes);
  } else {
    const storage buffer = storage::allocate(static_cast<std::size_t>(bytes));
    char* p = static_cast<char*>(buffer.data());
    npy_read_bytes(from, p, bytes);
    if (h.type == dtype::string) {
      storage ordered;
      if (reorder) {
        ordered = storage::allocate(static_cast<std::size_t>(bytes));
        npy_reorder(h.shape, h.width, p, static_cast<char*>(ordered.data()), true);
        p = static_cast<char*>(ordered.data());
      }
      for (std::size_t i = 0; i < bytes / h.width; ++i)
        static_cast<std::string*>(to)[i] = npy_string(h, p + i * h.width, from.name());
      return;
    }
    npy_reorder(h.shape, h.width, p, static_cast<char*>(to), true);
  }
  if (h.swapped) npy_swap(to, static_cast<std::size_t>(bytes), npy_unit(h.type));
  if (h.type == dtype::boolean) {  // a C++ bool is 0 or 1, a byte in a file need not be
    auto* b = static_cast<unsigned char*>(to);
    for (std::uint64_t i = 0; i < bytes; ++i) b[i] = b[i] != 0;
  }
}

template <class T, std::int64_t... E, class Source>
tensor<T, E...> read_npy(Source& from) {
  const npy_header h = read_npy_header(from);
  if (h.type != dtype_v<T>)
    throw invalid_argument(from.name() + " holds " + std::string(name_of(h.type)) + " of shape " + to_string(h.shape) + ", not " +
                           std::string(name_of(dtype_v<T>)));
  if (!extents<E...>::fits(h.shape)) {
    tensor_shape wanted;
    if constexpr (extents<E...>::rank >= 0) wanted = extents<E...>::declared();
    throw invalid_argument(from.name() + " holds " + std::string(name_of(h.type)) + " of shape " + to_string(h.shape) + ", not of shape " +
                           to_string(wanted));
  }
  auto t = tensor<T, E...>::uninitialized(h.shape);
  read_npy_elements(from, h, t.data());
  return t;
}
template <class Source>
dynamic_tensor read_npy_untyped(Source& from) {
  const npy_header h = read_npy_header(from);
  dynamic_tensor t = dynamic_tensor::uninitialized(h.type, h.shape);
  read_npy_elements(from, h, t.mutable_data());
  return t;
}

/// The header as np.save writes it, a multiple of 64 bytes long.
inline std::string npy_header_bytes(dtype type, std::size_t string_width, const tensor_shape& shape, const npy_options& o) {
  if (o.version < 1 || o.version > 3)
    throw invalid_argument("an .npy file has version 1, 2 or 3, not " + std::to_string(o.version));
  std::string d = "{'descr': '";
  if (type == dtype::string) d += "|S" + std::to_string(string_width);
  else {
    const npy_type* row = nullptr;
    for (const npy_type& t : npy_types)
      if (t.type == type) row = &t;
    if (row == nullptr) throw invalid_argument("no .npy file holds " + std::string(name_of(type)));
    d += row->width == 1 ? '|' : o.big_endian ? '>' : '<';
    d += row->kind + std::to_string(row->width);
  }
  d += o.fortran_order ? "', 'fortran_order': True, 'shape': (" : "', 'fortran_order': False, 'shape': (";
  for (int i = 0; i < shape.rank(); ++i) d += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  d += shape.rank() == 1 ? ",), }" : "), }";
  if (shape.rank() > 0)  // room for the axis along which a writer might append
    d.append(21 - std::to_string(shape[o.fortran_order ? shape.rank() - 1 : 0]).size(), ' ');
  const std::size_t prefix = 8 + (o.version == 1 ? 2u : 4u);
  d.append(63 - (prefix + d.size()) % 64, ' ');
  d += '\n';
  std::string out("\x93NUMPY", 6);
  out += static_cast<char>(o.version);
  out += '\0';
  if (o.version == 1) put_little<std::uint16_t>(out, static_cast<std::uint16_t>(d.size()));
  else put_little<std::uint32_t>(out, static_cast<std::uint32_t>(d.size()));
  return out + d;
}

/// Header and elements; the second part is `data` itself where nothing has to be changed, else `buffer`.
struct npy_bytes {
  std::string header;
  std::string_view elements;
  std::string buffer;

  npy_bytes(dtype type, const tensor_shape& shape, const void* data, const npy_options& o) {
    const auto n = static_cast<std::size_t>(checked_size(shape));
    std::size_t width = size_of(type);
    elements = {static_cast<const char*>(data), n * width};
    bool changed = false;
    if (type == dtype::string) {
      const auto* s = static_cast<const std::string*>(data);
      width = 1;
      for (std::size_t i = 0; i < n; ++i) {
        if (!s[i].empty() && s[i].back() == '\0')
          throw invalid_argument("NumPy's fixed-width strings cannot end in a zero byte, as that of element " + std::to_string(i) + " does");
        width = std::max(width, s[i].size());
      }
      std::size_t bytes = 0;
      if (__builtin_mul_overflow(n, width, &bytes)) throw resource_exhausted("strings of " + std::to_string(width) + " bytes do not fit an .npy file");
      buffer.assign(bytes, '\0');
      for (std::size_t i = 0; i < n; ++i) std::memcpy(buffer.data() + i * width, s[i].data(), s[i].size());
      changed = true;
    }
    header = npy_header_bytes(type, width, shape, o);
    if (o.fortran_order && shape.rank() > 1 && n > 0) {
      std::string reordered(n * width, '\0');
      npy_reorder(shape, width, changed ? buffer.data() : elements.data(), reordered.data(), false);
      buffer = std::move(reordered);
      changed = true;
    }
    if (type != dtype::string && o.big_endian != (std::endian::native == std::endian::big) && width > 1) {
      if (!changed) buffer = elements;
      npy_swap(buffer.data(), buffer.size(), npy_unit(type));
      changed = true;
    }
    if (changed) elements = buffer;
  }
  npy_bytes(const npy_bytes&) = delete;
  npy_bytes& operator=(const npy_bytes&) = delete;
};

/// Calls f(dtype, shape, row-major elements) for a tensor, a dynamic_tensor, a view or an expression.
template <class T, std::int64_t... E, class F>
void with_npy_elements(const tensor<T, E...>& t, const F& f) {
  f(dtype_v<T>, t.shape(), static_cast<const void*>(t.data()));
}
template <class D, class T, std::int64_t... E, class F>
void with_npy_elements(const expression_base<D, T, E...>& x, const F& f) {
  with_npy_elements(tensor<T, E...>(x), f);
}
template <class F>
void with_npy_elements(const dynamic_tensor& t, const F& f) {
  if (!t.has_value()) throw invalid_argument("an empty dynamic_tensor cannot be saved");
  f(t.type(), t.shape(), t.data());
}

inline void write_npy(const std::string& path, dtype type, const tensor_shape& shape, const void* data, const npy_options& o) {
  const npy_bytes bytes(type, shape, data, o);
  atomic_file f(path);
  f.append(bytes.header);
  f.append(bytes.elements);
  f.commit();
}

}  // namespace detail

/// The header of an .npy file, checked against the size of the file.
inline npy_header load_npy_header(const std::string& path) {
  detail::npy_file_source from(path);
  return detail::read_npy_header(from);
}

/// An .npy file of known dtype and rank: `load_npy<float, dyn, 3>(path)`, `load_npy<double, any_rank>(path)`. Nothing is
/// converted: another dtype, rank or static extent is invalid_argument and names both.
template <element T, std::int64_t... E>
tensor<T, E...> load_npy(const std::string& path) {
  detail::npy_file_source from(path);
  return detail::read_npy<T, E...>(from);
}
/// An .npy file of any dtype and rank.
inline dynamic_tensor load_npy(const std::string& path) {
  detail::npy_file_source from(path);
  return detail::read_npy_untyped(from);
}

/// Writes a tensor, dynamic_tensor, view or expression as an .npy file, atomically.
template <class X>
void save_npy(const std::string& path, const X& x, const npy_options& options = {}) {
  detail::with_npy_elements(x, [&](dtype type, const tensor_shape& shape, const void* data) {
    detail::write_npy(path, type, shape, data, options);
  });
}

/// Reads arrays of an .npz file by name, with or without the ".npy" that they have inside.
class npz_reader {
 public:
  explicit npz_reader(const std::string& path) : zip_(path) {}

  [[nodiscard]] const std::string& path() const { return zip_.path(); }
  /// The names without ".npy", in the order of the file.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> r;
    for (const zip_entry& e : zip_.entries()) r.push_back(bare(e.name));
    return r;
  }
  [[nodiscard]] bool contains(const std::string& name) const { return look(name) != nullptr; }
  /// The header of an array; not_found when there is none of that name.
  [[nodiscard]] npy_header header(const std::string& name) const {
    detail::npy_member_source from(zip_, entry(name));
    return detail::read_npy_header(from);
  }
  /// An array, as load_npy reads one: `r.read<float, dyn, 3>("x")`, or `r.read("x")` for a dynamic_tensor.
  template <element T, std::int64_t... E>
  [[nodiscard]] tensor<T, E...> read(const std::string& name) const {
    detail::npy_member_source from(zip_, entry(name));
    return detail::read_npy<T, E...>(from);
  }
  [[nodiscard]] dynamic_tensor read(const std::string& name) const {
    detail::npy_member_source from(zip_, entry(name));
    return detail::read_npy_untyped(from);
  }

 private:
  static std::string bare(const std::string& name) {
    return name.size() > 4 && name.compare(name.size() - 4, 4, ".npy") == 0 ? name.substr(0, name.size() - 4) : name;
  }
  [[nodiscard]] const zip_entry* look(const std::string& name) const {
    const zip_entry* e = zip_.find(name + ".npy");
    return e != nullptr ? e : zip_.find(name);
  }
  [[nodiscard]] const zip_entry& entry(const std::string& name) const {
    if (const zip_entry* e = look(name)) return *e;
    throw not_found("'" + path() + "' has no array '" + name + "'");
  }
  zip_reader zip_;
};

/// Writes an .npz file array by array; it appears, whole, at `finish`.
class npz_writer {
 public:
  explicit npz_writer(const std::string& path, const zip_options& options = {}) : zip_(path, options) {}
  /// Adds an array as `name`.npy; invalid_argument for a name that is there already.
  template <class X>
  void add(const std::string& name, const X& x, const npy_options& options = {}) {
    detail::with_npy_elements(x, [&](dtype type, const tensor_shape& shape, const void* data) {
      const detail::npy_bytes bytes(type, shape, data, options);
      zip_.add(name + ".npy", {bytes.header, bytes.elements});
    });
  }
  void finish() { zip_.finish(); }

 private:
  zip_writer zip_;
};

/// All arrays of an .npz file by name (without ".npy").
inline std::map<std::string, dynamic_tensor> load_npz(const std::string& path) {
  const npz_reader r(path);
  std::map<std::string, dynamic_tensor> all;
  for (const std::string& name : r.names())
    if (!all.emplace(name, r.read(name)).second)
      throw invalid_argument("'" + path + "' has two arrays '" + name + "'");
  return all;
}

namespace detail {
inline void add_npz(npz_writer&) {}
template <class X, class... Rest>
void add_npz(npz_writer& w, const std::string& name, const X& x, const Rest&... rest) {
  w.add(name, x);
  add_npz(w, rest...);
}
}  // namespace detail

/// Writes names and arrays as an .npz file, atomically: `save_npz(path, "x", x, "y", y)`. Not compressed, as np.savez.
template <class... NamesAndArrays>
  requires(sizeof...(NamesAndArrays) % 2 == 0)
void save_npz(const std::string& path, const NamesAndArrays&... arrays) {
  npz_writer w(path);
  detail::add_npz(w, arrays...);
  w.finish();
}
/// The same, compressed by zlib, as np.savez_compressed.
template <class... NamesAndArrays>
  requires(sizeof...(NamesAndArrays) % 2 == 0)
void save_npz_compressed(const std::string& path, const NamesAndArrays&... arrays) {
  npz_writer w(path, {.deflate = true});
  detail::add_npz(w, arrays...);
  w.finish();
}
/// Writes all of a map.
inline void save_npz(const std::string& path, const std::map<std::string, dynamic_tensor>& arrays, const zip_options& options = {}) {
  npz_writer w(path, options);
  for (const auto& [name, t] : arrays) w.add(name, t);
  w.finish();
}

}  // namespace rill::io

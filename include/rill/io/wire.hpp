// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The protobuf wire format: the one writer and the one reader of the library. Fields are (number, wire type) keys
/// followed by a varint, 8 little-endian bytes, a length and that many bytes, or 4 little-endian bytes.
/// The reader never copies, never allocates and never looks outside its slice: a length beyond it, a varint of more
/// than 10 bytes, a wrong wire type is `data_loss` naming file and offset; more than 100 nested messages
/// `resource_exhausted`. Fields in any order, unknown fields skipped, repeated numbers packed or not.
///
///     io::wire_writer w;  w.int64(1, 7).bytes(2, "ab");                         // 08 07 12 02 61 62
///     for (io::wire_reader r(w.str()); r.next();)
///       if (r.field() == 1) n = r.int64();

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "rill/core/error.hpp"
#include "rill/core/text.hpp"

namespace rill::io {

static_assert(std::endian::native == std::endian::little, "the file formats are written as the bytes lie in memory");

/// Appends a base-128 varint (1 to 10 bytes).
inline void put_varint(std::string& out, std::uint64_t v) {
  for (; v >= 0x80; v >>= 7) out.push_back(static_cast<char>(v | 0x80));
  out.push_back(static_cast<char>(v));
}
/// Appends 4 little-endian bytes.
inline void put_fixed32(std::string& out, std::uint32_t v) { out.append(reinterpret_cast<const char*>(&v), 4); }
/// Appends 8 little-endian bytes.
inline void put_fixed64(std::string& out, std::uint64_t v) { out.append(reinterpret_cast<const char*>(&v), 8); }
/// Reads 4 little-endian bytes; the caller has checked that they are there.
inline std::uint32_t get_fixed32(const char* p) {
  std::uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}
/// Reads 8 little-endian bytes; the caller has checked that they are there.
inline std::uint64_t get_fixed64(const char* p) {
  std::uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}
/// Takes a varint off the front of `in`; false (and `in` unspecified) when it is cut off or longer than 64 bits.
inline bool take_varint(std::string_view& in, std::uint64_t& v) {
  v = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto b = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    if (shift == 63 && b > 1) return false;
    v |= static_cast<std::uint64_t>(b & 0x7Fu) << shift;
    if (b < 0x80) return true;
  }
  return false;
}

enum class wire_type : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, start_group = 3, end_group = 4, fixed32 = 5 };

/// Appends fields to a string. Every call writes its field, defaults included: proto3's omission of defaults is the
/// caller's `if`.
class wire_writer {
 public:
  wire_writer& varint(std::uint32_t field, std::uint64_t v) {
    key(field, wire_type::varint);
    put_varint(out_, v);
    return *this;
  }
  /// int32, int64, enum: a negative number takes ten bytes.
  wire_writer& int64(std::uint32_t field, std::int64_t v) { return varint(field, static_cast<std::uint64_t>(v)); }
  wire_writer& boolean(std::uint32_t field, bool v) { return varint(field, v ? 1 : 0); }
  wire_writer& fixed32(std::uint32_t field, std::uint32_t v) {
    key(field, wire_type::fixed32);
    put_fixed32(out_, v);
    return *this;
  }
  wire_writer& fixed64(std::uint32_t field, std::uint64_t v) {
    key(field, wire_type::fixed64);
    put_fixed64(out_, v);
    return *this;
  }
  wire_writer& float32(std::uint32_t field, float v) { return fixed32(field, std::bit_cast<std::uint32_t>(v)); }
  wire_writer& float64(std::uint32_t field, double v) { return fixed64(field, std::bit_cast<std::uint64_t>(v)); }
  wire_writer& bytes(std::uint32_t field, std::string_view v) {
    key(field, wire_type::bytes);
    put_varint(out_, v.size());
    out_.append(v);
    return *this;
  }
  wire_writer& message(std::uint32_t field, const wire_writer& m) { return bytes(field, m.out_); }
  wire_writer& packed_int64(std::uint32_t field, std::span<const std::int64_t> v) {
    std::string packed;
    for (const std::int64_t x : v) put_varint(packed, static_cast<std::uint64_t>(x));
    return bytes(field, packed);
  }
  wire_writer& packed_float32(std::uint32_t field, std::span<const float> v) {
    return bytes(field, {reinterpret_cast<const char*>(v.data()), v.size_bytes()});
  }
  wire_writer& packed_float64(std::uint32_t field, std::span<const double> v) {
    return bytes(field, {reinterpret_cast<const char*>(v.data()), v.size_bytes()});
  }
  /// Appends fields that are serialised already.
  wire_writer& raw(std::string_view fields) {
    out_.append(fields);
    return *this;
  }

  [[nodiscard]] const std::string& str() const { return out_; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void key(std::uint32_t field, wire_type t) {
    put_varint(out_, std::uint64_t{field} << 3 | static_cast<std::uint64_t>(t));
  }
  std::string out_;
};

/// Walks over the fields of one message. `what` (usually the path; it must outlive the reader) and `base` (the offset
/// of `data` in it) only serve the error messages.
class wire_reader {
 public:
  /// Messages nested deeper than this are refused, as protobuf does.
  static constexpr int max_depth = 100;

  explicit wire_reader(std::string_view data, std::string_view what = "message", std::uint64_t base = 0)
      : data_(data), what_(what), base_(base) {}
  /// The reader only looks at its bytes; a temporary string would be gone.
  template <class S>
  requires std::same_as<S, std::string>
  explicit wire_reader(S&& data, std::string_view what = "message", std::uint64_t base = 0) = delete;

  /// Moves to the next field, skipping the value of the last one if nobody took it; false at the end of the message.
  bool next() {
    if (pending_) skip();
    if (at_ == data_.size()) return false;
    const std::uint64_t k = raw_varint();
    if (k >> 32 != 0 || k >> 3 == 0 || (k >> 3) > 0x1FFFFFFF) fail({"has a field key that is not valid"});
    field_ = static_cast<std::uint32_t>(k >> 3);
    const auto t = static_cast<unsigned>(k & 7);
    if (t > 5 || t == 4) fail({"has wire type ", t, " where a field should start"});
    type_ = static_cast<wire_type>(t);
    pending_ = true;
    return true;
  }
  [[nodiscard]] std::uint32_t field() const { return field_; }
  [[nodiscard]] wire_type type() const { return type_; }
  /// Offset of the next unread byte, counted from the start of the file.
  [[nodiscard]] std::uint64_t offset() const { return base_ + at_; }

  std::uint64_t varint() {
    expect(wire_type::varint);
    return raw_varint();
  }
  std::int64_t int64() { return static_cast<std::int64_t>(varint()); }
  /// The low 32 bits, as protobuf reads int32 and enums.
  std::int32_t int32() { return static_cast<std::int32_t>(static_cast<std::uint32_t>(varint())); }
  bool boolean() { return varint() != 0; }
  std::uint32_t fixed32() {
    expect(wire_type::fixed32);
    return get_fixed32(slice(4).data());
  }
  std::uint64_t fixed64() {
    expect(wire_type::fixed64);
    return get_fixed64(slice(8).data());
  }
  float float32() { return std::bit_cast<float>(fixed32()); }
  double float64() { return std::bit_cast<double>(fixed64()); }
  /// A view of a string, bytes or message field; it lives as long as the data does.
  std::string_view bytes() {
    expect(wire_type::bytes);
    return slice(raw_varint());
  }
  /// A reader for a message field.
  wire_reader message() {
    if (depth_ + 1 > max_depth)
      rill::detail::raise<resource_exhausted>({place(), " has messages nested deeper than the limit of ", max_depth});
    const std::string_view inner = bytes();
    wire_reader r(inner, what_, base_ + at_ - inner.size());
    r.depth_ = depth_ + 1;
    return r;
  }
  /// Calls `f(std::uint64_t)` for each number of a repeated varint field, packed or not.
  template <class F>
  void each_varint(F&& f) {
    if (type_ == wire_type::varint) return f(varint());
    wire_reader r = packed();
    while (r.at_ < r.data_.size()) f(r.raw_varint());
  }
  /// Calls `f(float)` for each number of a repeated float field.
  template <class F>
  void each_float32(F&& f) {
    if (type_ == wire_type::fixed32) return f(float32());
    wire_reader r = packed();
    while (r.at_ < r.data_.size()) f(std::bit_cast<float>(get_fixed32(r.slice(4).data())));
  }
  /// Calls `f(double)` for each number of a repeated double field.
  template <class F>
  void each_float64(F&& f) {
    if (type_ == wire_type::fixed64) return f(float64());
    wire_reader r = packed();
    while (r.at_ < r.data_.size()) f(std::bit_cast<double>(get_fixed64(r.slice(8).data())));
  }

  /// Throws `data_loss` about the place reached: "'file' at offset 12 <problem>".
  [[noreturn, gnu::cold]] void fail(rill::detail::text_pieces problem) const {
    rill::detail::raise<data_loss>({place(), " ", rill::detail::join(problem)});
  }

 private:
  [[gnu::cold]] [[nodiscard]] std::string place() const {
    return "'" + std::string(what_) + "' at offset " + std::to_string(base_ + at_);
  }
  void expect(wire_type t) {
    if (!pending_) fail({"was asked for a value that was read already"});
    if (type_ != t)
      fail({"has wire type ", static_cast<int>(type_), " in field ", field_, ", wanted ", static_cast<int>(t)});
    pending_ = false;
  }
  wire_reader packed() {
    const std::string_view inner = bytes();
    wire_reader r(inner, what_, base_ + at_ - inner.size());
    r.depth_ = depth_;
    return r;
  }
  std::uint64_t raw_varint() {
    std::string_view rest = data_.substr(at_);
    std::uint64_t v = 0;
    if (!take_varint(rest, v)) fail({"has a varint that is cut off or longer than 64 bits"});
    at_ = data_.size() - rest.size();
    return v;
  }
  std::string_view slice(std::uint64_t n) {
    if (n > data_.size() - at_)
      fail({"promises ", n, " bytes in field ", field_, " where only ", data_.size() - at_, " are left"});
    const std::string_view s = data_.substr(at_, static_cast<std::size_t>(n));
    at_ += static_cast<std::size_t>(n);
    return s;
  }
  void skip() {
    pending_ = false;
    int open = 0;  // groups (obsolete) nest without a length
    wire_type t = type_;
    for (;;) {
      switch (t) {
        case wire_type::varint: raw_varint(); break;
        case wire_type::fixed64: slice(8); break;
        case wire_type::bytes: slice(raw_varint()); break;
        case wire_type::fixed32: slice(4); break;
        case wire_type::start_group:
          if (++open + depth_ > max_depth)
            rill::detail::raise<resource_exhausted>({place(), " has groups nested deeper than the limit of ", max_depth});
          break;
        case wire_type::end_group: --open; break;
      }
      if (open == 0) return;
      const std::uint64_t k = raw_varint();
      if ((k & 7) > 5 || k >> 3 == 0) fail({"has a field key that is not valid"});
      t = static_cast<wire_type>(k & 7);
    }
  }

  std::string_view data_;
  std::string_view what_;
  std::uint64_t base_ = 0;
  std::size_t at_ = 0;
  std::uint32_t field_ = 0;
  wire_type type_ = wire_type::varint;
  bool pending_ = false;
  int depth_ = 1;
};

}  // namespace rill::io

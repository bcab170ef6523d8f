// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Protobuf's text form, as in `checkpoint`, graph.pbtxt and projector_config.pbtxt: `name: value` and `name { ... }`,
/// strings in double quotes with \n \t \" \\ and octal escapes, enums by name, floats in their shortest exact form.
/// The reader makes a tree without knowing the message: comments, `<...>`, `[a, b]` lists, `;` and `,` separators and
/// adjacent strings are understood, keys are not judged (the caller ignores those it does not know). Malformed text is
/// `data_loss` naming file and line; more than 100 nested messages `resource_exhausted`.
///
///     io::text_proto_writer w;  w.string("path", "model.ckpt-7").open("shape").integer("dim", 3).close();
///     for (const io::text_field& f : io::parse_text_proto(text, "checkpoint"))
///       if (f.name == "path") use(f.value);

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rill/core/error.hpp"
#include "rill/core/text.hpp"

namespace rill::io {

/// A string between quotes, escaped.
[[gnu::cold]] inline std::string quote_text(std::string_view s) {
  std::string out = "\"";
  for (const char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (c == '"') out += "\\\"";
    else if (c == '\'') out += "\\'";
    else if (c == '\\') out += "\\\\";
    else if (u < 0x20 || u >= 0x7F) {
      out += '\\';
      out += static_cast<char>('0' + (u >> 6));
      out += static_cast<char>('0' + ((u >> 3) & 7));
      out += static_cast<char>('0' + (u & 7));
    } else out += c;
  }
  return out += '"';
}

/// The shortest text that reads back as the same number; "inf", "-inf", "nan".
template <class T>
[[gnu::cold]] std::string shortest_text(T v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto r = std::to_chars(buffer, buffer + sizeof buffer, v);
  return std::string(buffer, r.ptr);
}

/// Writes text protos, two spaces per level.
class text_proto_writer {
 public:
  text_proto_writer& string(std::string_view name, std::string_view value) { return line(name, quote_text(value)); }
  text_proto_writer& integer(std::string_view name, std::int64_t value) { return line(name, std::to_string(value)); }
  text_proto_writer& boolean(std::string_view name, bool value) { return line(name, value ? "true" : "false"); }
  text_proto_writer& float32(std::string_view name, float value) { return line(name, shortest_text(value)); }
  text_proto_writer& float64(std::string_view name, double value) { return line(name, shortest_text(value)); }
  /// An enumerator, by its name.
  text_proto_writer& enumerator(std::string_view name, std::string_view value) { return line(name, value); }
  [[gnu::cold]] text_proto_writer& open(std::string_view name) {
    out_.append(static_cast<std::size_t>(2 * depth_++), ' ').append(name).append(" {\n");
    return *this;
  }
  [[gnu::cold]] text_proto_writer& close() {
    out_.append(static_cast<std::size_t>(2 * --depth_), ' ').append("}\n");
    return *this;
  }
  [[nodiscard]] const std::string& str() const { return out_; }

 private:
  [[gnu::cold]] text_proto_writer& line(std::string_view name, std::string_view value) {
    out_.append(static_cast<std::size_t>(2 * depth_), ' ').append(name).append(": ").append(value).append("\n");
    return *this;
  }
  std::string out_;
  int depth_ = 0;
};

/// One field of a parsed text proto: a scalar in `value` (unescaped when it was quoted, else the token as written), or
/// a message in `children`.
struct text_field {
  std::string name;
  std::string value;
  bool is_message = false;
  bool is_quoted = false;
  std::vector<text_field> children;
};

namespace detail {

class text_parser {
 public:
  text_parser(std::string_view text, std::string_view what) : text_(text), what_(what) {}

  /// Fields up to the closing bracket `end`, or to the end of the text when `end` is 0.
  [[gnu::cold]] std::vector<text_field> fields(char end, int depth) {
    if (depth > max_depth)
      rill::detail::raise<resource_exhausted>({place(), " has messages nested deeper than the limit of ", max_depth});
    std::vector<text_field> out;
    for (;;) {
      space();
      if (at_ == text_.size()) {
        if (end != 0) fail({"ends before a '", end, "'"});
        return out;
      }
      if (end != 0 && text_[at_] == end) {
        ++at_;
        return out;
      }
      const std::string name(name_token());
      space();
      const bool colon = accept(':');
      space();
      if (colon && accept('[')) {
        for (space(); !accept(']'); space()) {
          out.push_back(value(name, true, depth));
          space();
          if (!accept(',') && peek() != ']') fail({"has a list without ',' or ']'"});
        }
      } else {
        out.push_back(value(name, colon, depth));
      }
      space();
      if (!accept(',')) accept(';');
    }
  }

 private:
  static constexpr int max_depth = 100;

  text_field value(const std::string& name, bool colon, int depth) {
    text_field f;
    f.name = name;
    const char c = peek();
    if (c == '{' || c == '<') {
      ++at_;
      f.is_message = true;
      f.children = fields(c == '{' ? '}' : '>', depth + 1);
    } else if (!colon) {
      fail({"has no ':' or '{' after '", name.substr(0, 64), "'"});
    } else if (c == '"' || c == '\'') {
      f.is_quoted = true;
      for (; peek() == '"' || peek() == '\''; space()) quoted(f.value);
    } else {
      if (accept('-')) {
        f.value = "-";
        space();
      }
      f.value += scalar_token();
    }
    return f;
  }
  [[gnu::cold]] void quoted(std::string& out) {
    const char quote = text_[at_++];
    for (;;) {
      if (at_ == text_.size() || text_[at_] == '\n') fail({"has a string without its closing quote"});
      char c = text_[at_++];
      if (c == quote) return;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ == text_.size()) fail({"ends inside an escape"});
      c = text_[at_++];
      switch (c) {
        case 'n': out += '\n'; break;
        case 't': out += '\t'; break;
        case 'r': out += '\r'; break;
        case 'a': out += '\a'; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'v': out += '\v'; break;
        case '\\':
        case '\'':
        case '"':
        case '?': out += c; break;
        case 'x':
        case 'X': {
          unsigned v = 0;
          int digits = 0;
          for (; digits < 2 && hex(peek()) >= 0; ++digits) v = v * 16 + static_cast<unsigned>(hex(text_[at_++]));
          if (digits == 0) fail({"has an escape \\x without digits"});
          out += static_cast<char>(v);
          break;
        }
        default: {
          if (c < '0' || c > '7') fail({"has an unknown escape '\\", c, "'"});
          auto v = static_cast<unsigned>(c - '0');
          for (int k = 0; k < 2 && peek() >= '0' && peek() <= '7'; ++k)
            v = v * 8 + static_cast<unsigned>(text_[at_++] - '0');
          if (v > 255) fail({"has an octal escape above \\377"});
          out += static_cast<char>(v);
        }
      }
    }
  }
  [[gnu::cold]] std::string_view name_token() {
    // [domain/type] names an extension or an Any; it is kept as a name like any other.
    if (peek() == '[') {
      const std::size_t end = text_.find(']', at_);
      if (end == std::string_view::npos) fail({"has a '[' without its ']'"});
      const std::string_view s = text_.substr(at_, end + 1 - at_);
      at_ = end + 1;
      return s;
    }
    const std::string_view s = take([](char c) { return word(c); });
    if (s.empty()) fail({"has no field name where one should start"});
    return s;
  }
  [[gnu::cold]] std::string_view scalar_token() {
    const std::string_view s = take([](char c) { return word(c) || c == '.' || c == '+' || c == '-'; });
    if (s.empty()) fail({"has no value where one should start"});
    return s;
  }
  template <class F>
  [[gnu::cold]] std::string_view take(F&& f) {
    const std::size_t start = at_;
    while (at_ < text_.size() && f(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }
  static bool word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }
  static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  }
  void space() {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
      } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\v' && c != '\f') {
        return;
      }
    }
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool accept(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] std::string place() const {
    std::size_t line = 1;
    for (const char c : text_.substr(0, at_)) line += c == '\n';
    return "'" + std::string(what_) + "' line " + std::to_string(line);
  }
  [[noreturn, gnu::cold]] void fail(rill::detail::text_pieces problem) const {
    rill::detail::raise<data_loss>({place(), " ", rill::detail::join(problem)});
  }

  std::string_view text_;
  std::string_view what_;
  std::size_t at_ = 0;
};

}  // namespace detail

/// The fields of a text proto, in order. `what` names the file in errors.
[[gnu::cold]] inline std::vector<text_field> parse_text_proto(std::string_view text, std::string_view what = "text proto") {
  return detail::text_parser(text, what).fields(0, 1);
}

}  // namespace rill::io

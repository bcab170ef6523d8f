// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Regular expressions with RE2's syntax and meaning, matched in time linear in the text (Thompson's construction, Pike's
/// simulation with captures): no pattern can make a match explode. The leftmost match wins; among those, the one that the
/// pattern prefers. Text and pattern are UTF-8; a byte that is none is matched by nothing, and no match begins or ends
/// within a character. Names of groups are accepted and ignored.
///
/// Syntax: literals, `.`, classes [a-z], [^a], \d \w \s \D \W \S, [[:alpha:]] and its kin; ^ $ \A \z \b \B; groups (x), (?:x),
/// (?P<name>x), (?<name>x); a|b; * + ? {m,n} and the lazy *? +? ?? {m,n}?; flags (?i) (?m) (?s) (?U) and (?i:x); escapes
/// \n \t \r \f \v \a \123 \x7F \x{10FFFF} \Q...\E. Case is folded for Latin, Greek, Cyrillic and Armenian letters.
/// \pN classes, \C, back-references and look-around are not supported. What cannot be compiled is invalid_argument and
/// names the position.
///
///   const regex words("(\\w+) (\\w+)");
///   words.replace("hello world", "\\2 \\1");    // "world hello"
///   words.full_match("hello");                  // false

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"

namespace rill {

namespace detail {

// ---- code points ------------------------------------------------------------------------------------------------------

inline constexpr std::uint32_t no_code_point = 0xffffffffU;
inline constexpr std::uint32_t last_code_point = 0x10ffffU;

/// The code point at `at` and its length in bytes; no_code_point of length 1 where the bytes are no UTF-8.
struct decoded {
  std::uint32_t code = no_code_point;
  std::size_t size = 1;
};
constexpr decoded decode_utf8(std::string_view s, std::size_t at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return at + i < s.size() ? static_cast<unsigned char>(s[at + i]) : 0U;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const std::uint32_t a = byte(0);
  if (a < 0x80) return {a, 1};
  if (a >= 0xc2 && a < 0xe0 && follows(1)) return {(a & 0x1fU) << 6 | (byte(1) & 0x3fU), 2};
  if (a >= 0xe0 && a < 0xf0 && follows(1) && follows(2)) {
    const std::uint32_t c = (a & 0xfU) << 12 | (byte(1) & 0x3fU) << 6 | (byte(2) & 0x3fU);
    if (c >= 0x800 && (c < 0xd800 || c > 0xdfff)) return {c, 3};
  }
  if (a >= 0xf0 && a < 0xf5 && follows(1) && follows(2) && follows(3)) {
    const std::uint32_t c = (a & 7U) << 18 | (byte(1) & 0x3fU) << 12 | (byte(2) & 0x3fU) << 6 | (byte(3) & 0x3fU);
    if (c >= 0x10000 && c <= last_code_point) return {c, 4};
  }
  return {};
}
inline void append_utf8(std::string& s, std::uint32_t c) {
  const auto put = [&](std::uint32_t byte) { s += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) return put(0xc0U | c >> 6), put(0x80U | (c & 0x3fU));
  if (c < 0x10000) put(0xe0U | c >> 12);
  else put(0xf0U | c >> 18), put(0x80U | (c >> 12 & 0x3fU));
  put(0x80U | (c >> 6 & 0x3fU)), put(0x80U | (c & 0x3fU));
}

/// Upper-case letters first..last whose lower case is `offset` further; offset 0: upper and lower take turns.
struct case_range {
  std::uint32_t first, last, offset;
};
inline constexpr case_range case_ranges[] = {
    {0x41, 0x5a, 32},    {0xc0, 0xd6, 32},    {0xd8, 0xde, 32},   {0x100, 0x12f, 0},  {0x132, 0x137, 0},
    {0x139, 0x148, 0},   {0x14a, 0x177, 0},   {0x179, 0x17e, 0},  {0x386, 0x386, 38}, {0x388, 0x38a, 37},
    {0x38c, 0x38c, 64},  {0x38e, 0x38f, 63},  {0x391, 0x3a1, 32}, {0x3a3, 0x3ab, 32}, {0x400, 0x40f, 80},
    {0x410, 0x42f, 32},  {0x460, 0x481, 0},   {0x48a, 0x4bf, 0},  {0x4d0, 0x52f, 0},  {0x531, 0x556, 48},
    {0x1e00, 0x1e95, 0}, {0x1ea0, 0x1eff, 0},
};
constexpr std::uint32_t to_lower(std::uint32_t c) {
  if (c == 0x178) return 0xff;
  for (const case_range& r : case_ranges)
    if (c >= r.first && c <= r.last) return r.offset > 0 ? c + r.offset : c + ((c - r.first) % 2 == 0);
  return c;
}
constexpr std::uint32_t to_upper(std::uint32_t c) {
  if (c == 0xff) return 0x178;
  for (const case_range& r : case_ranges) {
    if (r.offset > 0 && c >= r.first + r.offset && c <= r.last + r.offset) return c - r.offset;
    if (r.offset == 0 && c >= r.first && c <= r.last) return c - (c - r.first) % 2;
  }
  return c;
}

// ---- the program ------------------------------------------------------------------------------------------------------

/// A set of code points: a bit per ASCII character, sorted ranges for all.
class char_class {
 public:
  struct range {
    std::uint32_t first, last;
  };
  void add(std::uint32_t first, std::uint32_t last) { ranges_.push_back({first, last}); }
  void add(const char_class& other) { ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end()); }
  /// Adds the other case of every letter.
  void fold() {
    const std::size_t n = ranges_.size();
    for (std::size_t i = 0; i < n; ++i) {
      const range r = ranges_[i];
      const auto cut = [&](std::uint32_t first, std::uint32_t last, std::int64_t shift, std::uint32_t round) {
        std::uint32_t a = r.first > first ? r.first : first;
        std::uint32_t b = r.last < last ? r.last : last;
        if (a > b) return;
        if (round != 0) a -= (a - first) % 2, b += (b - first + 1) % 2;
        add(static_cast<std::uint32_t>(a + shift), static_cast<std::uint32_t>(b + shift));
      };
      for (const case_range& c : case_ranges) {
        cut(c.first, c.last, c.offset, c.offset == 0);
        if (c.offset > 0) cut(c.first + c.offset, c.last + c.offset, -static_cast<std::int64_t>(c.offset), 0);
      }
      if (r.first <= 0xff && r.last >= 0xff) add(0x178, 0x178);
      if (r.first <= 0x178 && r.last >= 0x178) add(0xff, 0xff);
    }
  }
  void invert() {
    normalise();
    std::vector<range> rest;
    std::uint32_t next = 0;
    for (const range& r : ranges_) {
      if (r.first > next) rest.push_back({next, r.first - 1});
      next = r.last + 1;
    }
    if (next <= last_code_point) rest.push_back({next, last_code_point});
    ranges_ = std::move(rest);
  }
  /// Sorts and joins the ranges and fills the bits; before the first question.
  void finish() {
    normalise();
    for (std::uint32_t c = 0; c < 128; ++c)
      if (in_ranges(c)) ascii_[c / 64] |= std::uint64_t{1} << (c % 64);
  }
  [[nodiscard]] bool contains(std::uint32_t c) const {
    return c < 128 ? (ascii_[c / 64] >> (c % 64) & 1U) != 0 : in_ranges(c);
  }
  [[nodiscard]] const std::vector<range>& ranges() const { return ranges_; }

 private:
  [[nodiscard]] bool in_ranges(std::uint32_t c) const {
    std::size_t low = 0;
    std::size_t high = ranges_.size();
    while (low < high) {
      const std::size_t mid = (low + high) / 2;
      if (ranges_[mid].last < c) low = mid + 1;
      else high = mid;
    }
    return low < ranges_.size() && ranges_[low].first <= c;
  }
  void normalise() {
    for (std::size_t i = 1; i < ranges_.size(); ++i)  // classes are short and mostly in order
      for (std::size_t k = i; k > 0 && ranges_[k].first < ranges_[k - 1].first; --k)
        std::swap(ranges_[k], ranges_[k - 1]);
    std::size_t n = 0;
    for (const range& r : ranges_) {
      if (n > 0 && r.first <= ranges_[n - 1].last + 1) {
        if (r.last > ranges_[n - 1].last) ranges_[n - 1].last = r.last;
      } else ranges_[n++] = r;
    }
    ranges_.resize(n);
  }
  std::vector<range> ranges_;
  std::uint64_t ascii_[2] = {};
};

enum class regex_op : std::uint8_t { literal, one_of, split, jump, save, check, match };
enum class regex_check : std::uint8_t { text_begin, text_end, line_begin, line_end, word, not_word };

/// literal: x is the code point; one_of: x the class; split: go to x, or else to y; jump: to x; save: slot x; check: x.
struct regex_instruction {
  regex_op op;
  std::uint32_t x = 0, y = 0;
};

struct regex_program {
  std::vector<regex_instruction> code;
  std::vector<char_class> classes;
  std::uint32_t groups = 0;
  bool first_known = false;  // whether every match starts with a byte of `first`
  std::uint64_t first[4] = {};

  [[nodiscard]] bool may_start(char c) const {
    const auto u = static_cast<unsigned char>(c);
    return (first[u / 64] >> (u % 64) & 1U) != 0;
  }
};

// ---- pattern to program -----------------------------------------------------------------------------------------------

class regex_compiler {
 public:
  regex_compiler(std::string_view pattern, regex_program& out) : p_(pattern), out_(out) {
    const std::uint32_t top = alternation(0);
    if (at_ < p_.size()) fail("unexpected )", at_);
    out_.groups = groups_;
    emit({regex_op::save, 0});
    emit_node(top);
    emit({regex_op::save, 1});
    emit({regex_op::match});
    for (char_class& c : out_.classes) c.finish();
    find_first();
  }

 private:
  enum class kind : std::uint8_t { empty, literal, one_of, check, group, concat, choice, repeat };
  struct node {
    kind what = kind::empty;
    bool lazy = false;
    bool nullable = true;
    std::uint32_t value = 0;  // code point, class, check, group
    int least = 0, most = 0;  // of a repeat; most is -1 without a limit
    std::vector<std::uint32_t> parts;
  };
  struct flag_set {
    bool fold = false, lines = false, dot_newline = false, lazy = false;
  };
  static constexpr std::size_t max_code = 50000;
  static constexpr int max_depth = 250;
  static constexpr int max_repeat = 1000;

  [[noreturn]] void fail(const std::string& problem, std::size_t position) const {
    throw invalid_argument("regex '" + std::string(p_) + "': " + problem + " at position " + std::to_string(position));
  }
  [[nodiscard]] bool more() const { return at_ < p_.size(); }
  [[nodiscard]] bool looking_at(std::string_view s) const { return p_.substr(at_, s.size()) == s; }
  bool take(std::string_view s) {
    if (!looking_at(s)) return false;
    at_ += s.size();
    return true;
  }
  std::uint32_t code_point() {
    const decoded d = decode_utf8(p_, at_);
    if (d.code == no_code_point) fail("invalid UTF-8", at_);
    at_ += d.size;
    return d.code;
  }

  std::uint32_t make(node n) {
    nodes_.push_back(std::move(n));
    return static_cast<std::uint32_t>(nodes_.size() - 1);
  }
  std::uint32_t make_class(char_class c, bool negative) {
    if (flags_.fold) c.fold();
    if (negative) c.invert();
    out_.classes.push_back(std::move(c));
    node n;
    n.what = kind::one_of;
    n.nullable = false;
    n.value = static_cast<std::uint32_t>(out_.classes.size() - 1);
    return make(std::move(n));
  }
  std::uint32_t make_literal(std::uint32_t c) {
    if (flags_.fold && (to_lower(c) != c || to_upper(c) != c)) {
      char_class both;
      both.add(c, c);
      return make_class(std::move(both), false);
    }
    node n;
    n.what = kind::literal;
    n.nullable = false;
    n.value = c;
    return make(std::move(n));
  }
  std::uint32_t make_check(regex_check c) {
    node n;
    n.what = kind::check;
    n.value = static_cast<std::uint32_t>(c);
    return make(std::move(n));
  }

  std::uint32_t alternation(int depth) {
    if (depth > max_depth) fail("groups are nested too deeply", at_);
    node n;
    n.what = kind::choice;
    n.nullable = false;
    do {
      const std::uint32_t part = concatenation(depth);
      n.nullable = n.nullable || nodes_[part].nullable;
      n.parts.push_back(part);
    } while (take("|"));
    return n.parts.size() == 1 ? n.parts[0] : make(std::move(n));
  }
  std::uint32_t concatenation(int depth) {
    node n;
    n.what = kind::concat;
    while (more() && p_[at_] != '|' && p_[at_] != ')') {
      if (take("\\Q")) {
        const std::size_t before = n.parts.size();
        while (more() && !take("\\E")) n.parts.push_back(make_literal(code_point()));
        if (n.parts.size() == before) continue;
        n.nullable = n.nullable && n.parts.size() == before + 1;
        quantify(n.parts);
        n.nullable = n.nullable && nodes_[n.parts.back()].nullable;
        continue;
      }
      if (const std::size_t start = at_; repetition_starts())
        fail("nothing to repeat before '" + std::string(p_.substr(start, 1)) + "'", start);
      const std::uint32_t unit = atom(depth);
      if (unit == no_code_point) continue;  // flags only
      n.parts.push_back(unit);
      quantify(n.parts);
      n.nullable = n.nullable && nodes_[n.parts.back()].nullable;
    }
    return n.parts.size() == 1 ? n.parts[0] : make(std::move(n));
  }

  /// Whether an operator starts here: * + ? or a well-formed {m,n}.
  [[nodiscard]] bool repetition_starts() const {
    if (!more()) return false;
    const char c = p_[at_];
    int least = 0;
    int most = 0;
    std::size_t end = 0;
    return c == '*' || c == '+' || c == '?' || (c == '{' && counts(least, most, end));
  }
  bool counts(int& least, int& most, std::size_t& end) const {
    std::size_t i = at_ + 1;
    const auto number = [&](int& n) {
      const std::size_t start = i;
      n = 0;
      for (; i < p_.size() && p_[i] >= '0' && p_[i] <= '9'; ++i) n = n > max_repeat ? n : n * 10 + (p_[i] - '0');
      return i > start;
    };
    if (!number(least)) return false;
    most = least;
    if (i < p_.size() && p_[i] == ',') {
      ++i;
      if (!number(most)) most = -1;
    }
    end = i + 1;
    return i < p_.size() && p_[i] == '}';
  }
  /// Wraps the last part in the repetition that follows it, if one does.
  void quantify(std::vector<std::uint32_t>& parts) {
    if (!repetition_starts()) return;
    const std::size_t start = at_;
    node n;
    n.what = kind::repeat;
    const char c = p_[at_];
    if (c == '{') {
      std::size_t end = 0;
      counts(n.least, n.most, end);
      if (n.least > max_repeat || n.most > max_repeat || (n.most >= 0 && n.most < n.least))
        fail("bad repetition count '" + std::string(p_.substr(start, end - start)) + "' (at most 1000)", start);
      at_ = end;
    } else {
      n.least = c == '+' ? 1 : 0;
      n.most = c == '?' ? 1 : -1;
      ++at_;
    }
    n.lazy = take("?") != flags_.lazy;
    if (repetition_starts()) fail("a repetition cannot be repeated", at_);
    n.nullable = n.least == 0 || nodes_[parts.back()].nullable;
    n.parts.push_back(parts.back());
    parts.back() = make(std::move(n));
  }

  std::uint32_t atom(int depth) {
    const std::size_t start = at_;
    switch (p_[at_]) {
      case '(': return group(depth);
      case '[': return bracket();
      case '\\': return escape();
      case '.': {
        ++at_;
        char_class c;
        if (!flags_.dot_newline) c.add('\n', '\n');
        c.invert();
        const bool fold = flags_.fold;
        flags_.fold = false;
        const std::uint32_t n = make_class(std::move(c), false);
        flags_.fold = fold;
        return n;
      }
      case '^': ++at_; return make_check(flags_.lines ? regex_check::line_begin : regex_check::text_begin);
      case '$': ++at_; return make_check(flags_.lines ? regex_check::line_end : regex_check::text_end);
      default: break;
    }
    at_ = start;
    return make_literal(code_point());
  }

  /// A group, or flags alone (no_code_point).
  std::uint32_t group(int depth) {
    const std::size_t start = at_++;
    const flag_set outer = flags_;
    bool capturing = true;
    if (take("?")) {
      if (take("P<") || (looking_at("<") && !looking_at("<=") && !looking_at("<!") && take("<"))) {
        const std::size_t name = at_;
        while (more() && is_word(p_[at_])) ++at_;
        if (at_ == name || !take(">")) fail("bad name of a group", name);
      } else {
        capturing = false;
        bool on = true;
        bool any = false;
        for (;; ++at_) {
          if (!more()) fail("missing )", start);
          const char c = p_[at_];
          if (c == ')' || c == ':') break;
          if (c == '-' && on) on = false, any = false;
          else if (c == 'i') flags_.fold = on, any = true;
          else if (c == 'm') flags_.lines = on, any = true;
          else if (c == 's') flags_.dot_newline = on, any = true;
          else if (c == 'U') flags_.lazy = on, any = true;
          else fail("unsupported kind of group or flag", start);
        }
        if (!on && !any) fail("a flag is missing after -", at_);
        if (take(")")) return no_code_point;
        ++at_;
      }
    }
    const std::uint32_t index = capturing ? ++groups_ : 0;
    const std::uint32_t inner = alternation(depth + 1);
    if (!take(")")) fail("missing ) of the group", start);
    flags_ = outer;
    if (!capturing) return inner;
    node n;
    n.what = kind::group;
    n.value = index;
    n.nullable = nodes_[inner].nullable;
    n.parts.push_back(inner);
    return make(std::move(n));
  }

  static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  }

  /// \d \w \s and their opposites; false when c is none of these letters.
  static bool perl_class(char c, char_class& out) {
    char_class k;
    switch (c) {
      case 'd':
      case 'D': k.add('0', '9'); break;
      case 'w':
      case 'W': k.add('0', '9'), k.add('A', 'Z'), k.add('_', '_'), k.add('a', 'z'); break;
      case 's':
      case 'S': k.add('\t', '\n'), k.add('\f', '\r'), k.add(' ', ' '); break;
      default: return false;
    }
    if (c < 'a') k.invert();
    out.add(k);
    return true;
  }
  /// [:alpha:] and its kin, `at_` behind "[:".
  void named_class(char_class& out, std::size_t start) {
    const bool negative = take("^");
    const std::size_t end = p_.find(":]", at_);
    const std::string_view name = p_.substr(at_, end - at_);
    char_class k;
    if (name == "alpha") k.add('A', 'Z'), k.add('a', 'z');
    else if (name == "digit") k.add('0', '9');
    else if (name == "alnum") k.add('0', '9'), k.add('A', 'Z'), k.add('a', 'z');
    else if (name == "upper") k.add('A', 'Z');
    else if (name == "lower") k.add('a', 'z');
    else if (name == "space") k.add('\t', '\r'), k.add(' ', ' ');
    else if (name == "blank") k.add('\t', '\t'), k.add(' ', ' ');
    else if (name == "punct") k.add('!', '/'), k.add(':', '@'), k.add('[', '`'), k.add('{', '~');
    else if (name == "cntrl") k.add(0, 31), k.add(127, 127);
    else if (name == "print") k.add(' ', '~');
    else if (name == "graph") k.add('!', '~');
    else if (name == "xdigit") k.add('0', '9'), k.add('A', 'F'), k.add('a', 'f');
    else if (name == "word") k.add('0', '9'), k.add('A', 'Z'), k.add('_', '_'), k.add('a', 'z');
    else if (name == "ascii") k.add(0, 127);
    else fail("no such character class", start);
    at_ = end + 2;
    if (negative) k.invert();
    out.add(k);
  }
  std::uint32_t bracket() {
    const std::size_t start = at_++;
    const bool negative = take("^");
    char_class k;
    bool first = true;
    while (more() && (p_[at_] != ']' || first)) {
      first = false;
      const std::size_t item = at_;
      if (looking_at("[:") && p_.find(":]", at_) != std::string_view::npos) {
        at_ += 2;
        named_class(k, item);
        continue;
      }
      if (p_[at_] == '\\' && at_ + 1 < p_.size() && perl_class(p_[at_ + 1], k)) {
        at_ += 2;
        continue;
      }
      const std::uint32_t low = class_character();
      std::uint32_t high = low;
      if (looking_at("-") && at_ + 1 < p_.size() && p_[at_ + 1] != ']') {
        ++at_;
        high = class_character();
        if (high < low) fail("bad range in a class", item);
      }
      k.add(low, high);
    }
    if (!take("]")) fail("missing ]", start);
    return make_class(std::move(k), negative);
  }
  std::uint32_t class_character() {
    if (p_[at_] != '\\') return code_point();
    const std::size_t start = at_++;
    return escaped_character(start);
  }
  /// The character behind a backslash at `start`.
  std::uint32_t escaped_character(std::size_t start) {
    if (!more()) fail("nothing behind the last \\", start);
    const char c = p_[at_];
    const auto digit = [&](char d) -> int {
      if (d >= '0' && d <= '9') return d - '0';
      if (d >= 'a' && d <= 'f') return d - 'a' + 10;
      if (d >= 'A' && d <= 'F') return d - 'A' + 10;
      return 16;
    };
    const auto is_octal = [&](std::size_t i) { return i < p_.size() && p_[i] >= '0' && p_[i] <= '7'; };
    if (c == '0' || (c >= '1' && c <= '7' && is_octal(at_ + 1))) {
      std::uint32_t v = 0;
      for (int n = 0; n < 3 && is_octal(at_); ++n, ++at_) v = v * 8 + static_cast<std::uint32_t>(p_[at_] - '0');
      return v;
    }
    if (c == 'x') {
      ++at_;
      std::uint32_t v = 0;
      int n = 0;
      const bool braces = take("{");
      for (; more() && digit(p_[at_]) < 16 && n < (braces ? 8 : 2); ++n, ++at_)
        v = v * 16 + static_cast<std::uint32_t>(digit(p_[at_]));
      if (v > last_code_point || (braces ? n == 0 || !take("}") : n != 2)) fail("bad \\x escape", start);
      return v;
    }
    if (static_cast<unsigned char>(c) >= 0x80) fail("unsupported escape", start);
    ++at_;
    switch (c) {
      case 'a': return 7;
      case 'f': return '\f';
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case 'v': return '\v';
      default: break;
    }
    if (is_word(c) && c != '_') fail("unsupported escape \\" + std::string(1, c), start);
    return static_cast<std::uint32_t>(static_cast<unsigned char>(c));
  }
  std::uint32_t escape() {
    const std::size_t start = at_++;
    if (more()) {
      const char c = p_[at_];
      if (char_class k; perl_class(c, k)) {
        ++at_;
        return make_class(std::move(k), false);
      }
      ++at_;
      if (c == 'A') return make_check(regex_check::text_begin);
      if (c == 'z') return make_check(regex_check::text_end);
      if (c == 'b') return make_check(regex_check::word);
      if (c == 'B') return make_check(regex_check::not_word);
      --at_;
    }
    return make_literal(escaped_character(start));
  }

  // ---- code ----

  std::uint32_t emit(regex_instruction i) {
    if (out_.code.size() >= max_code) fail("the pattern is too large", p_.size());
    out_.code.push_back(i);
    return static_cast<std::uint32_t>(out_.code.size() - 1);
  }
  [[nodiscard]] std::uint32_t here() const { return static_cast<std::uint32_t>(out_.code.size()); }
  /// Fills in a split whose preferred way is the next instruction and whose other way is `to` (the reverse when lazy).
  void aim(std::uint32_t split, std::uint32_t body, std::uint32_t to, bool lazy) {
    out_.code[split].x = lazy ? to : body;
    out_.code[split].y = lazy ? body : to;
  }
  void emit_node(std::uint32_t index) {
    if (++visits_ > 4 * max_code) fail("the pattern is too large", p_.size());  // repeats of nothing emit nothing
    const node& n = nodes_[index];
    switch (n.what) {
      case kind::empty: return;
      case kind::literal: emit({regex_op::literal, n.value}); return;
      case kind::one_of: emit({regex_op::one_of, n.value}); return;
      case kind::check: emit({regex_op::check, n.value}); return;
      case kind::group:
        emit({regex_op::save, 2 * n.value});
        emit_node(n.parts[0]);
        emit({regex_op::save, 2 * n.value + 1});
        return;
      case kind::concat:
        for (const std::uint32_t part : n.parts) emit_node(part);
        return;
      case kind::choice: {
        std::vector<std::uint32_t> ends;
        for (std::size_t i = 0; i < n.parts.size(); ++i) {
          const bool last = i + 1 == n.parts.size();
          const std::uint32_t split = last ? 0 : emit({regex_op::split});
          emit_node(n.parts[i]);
          if (last) break;
          ends.push_back(emit({regex_op::jump}));
          aim(split, split + 1, here(), false);
        }
        for (const std::uint32_t end : ends) out_.code[end].x = here();
        return;
      }
      case kind::repeat: emit_repeat(n); return;
    }
  }
  void emit_repeat(const node& n) {
    const std::uint32_t body = n.parts[0];
    if (n.most < 0) {
      for (int i = 1; i < n.least; ++i) emit_node(body);
      if (n.least == 0 && !nodes_[body].nullable) {  // L: split body, out; body; jump L
        const std::uint32_t split = emit({regex_op::split});
        emit_node(body);
        emit({regex_op::jump, split});
        aim(split, split + 1, here(), n.lazy);
        return;
      }
      // x+, and (x+)? for the star of what may be empty, so that an empty round ends the loop with the right captures
      const std::uint32_t skip = n.least == 0 ? emit({regex_op::split}) : 0;
      const std::uint32_t start = here();
      emit_node(body);
      const std::uint32_t split = emit({regex_op::split});
      aim(split, start, here(), n.lazy);
      if (n.least == 0) aim(skip, start, here(), n.lazy);
      return;
    }
    for (int i = 0; i < n.least; ++i) emit_node(body);
    std::vector<std::uint32_t> splits;
    for (int i = n.least; i < n.most; ++i) {
      splits.push_back(emit({regex_op::split}));
      emit_node(body);
    }
    for (const std::uint32_t split : splits) aim(split, split + 1, here(), n.lazy);
  }

  /// The bytes that a match can start with.
  void find_first() {
    std::vector<std::uint32_t> stack{0};
    std::vector<bool> seen(out_.code.size());
    const auto lead = [](std::uint32_t c) {
      std::string bytes;
      append_utf8(bytes, c);
      return static_cast<unsigned char>(bytes[0]);
    };
    const auto allow = [&](std::uint32_t low, std::uint32_t high) {  // lead bytes grow with the code point
      for (unsigned u = lead(low), last = lead(high); u <= last; ++u)
        out_.first[u / 64] |= std::uint64_t{1} << (u % 64);
    };
    out_.first_known = true;
    while (!stack.empty()) {
      const std::uint32_t pc = stack.back();
      stack.pop_back();
      if (seen[pc]) continue;
      seen[pc] = true;
      const regex_instruction& i = out_.code[pc];
      switch (i.op) {
        case regex_op::literal: allow(i.x, i.x); break;
        case regex_op::one_of:
          for (const char_class::range& r : out_.classes[i.x].ranges()) allow(r.first, r.last);
          break;
        case regex_op::split: stack.push_back(i.x), stack.push_back(i.y); break;
        case regex_op::jump: stack.push_back(i.x); break;
        case regex_op::save:
        case regex_op::check: stack.push_back(pc + 1); break;
        case regex_op::match: out_.first_known = false; return;
      }
    }
  }

  std::string_view p_;
  regex_program& out_;
  std::size_t at_ = 0;
  flag_set flags_;
  std::uint32_t groups_ = 0;
  std::size_t visits_ = 0;
  std::vector<node> nodes_;
};

// ---- matching ---------------------------------------------------------------------------------------------------------

enum class regex_anchor : std::uint8_t { none, begin, both };

/// Runs a program over texts; keeps its buffers between them. Not for several threads at once.
class regex_runner {
 public:
  static constexpr std::size_t unset = static_cast<std::size_t>(-1);

  /// Reports the positions of `slots` / 2 groups (group 0 is the match).
  regex_runner(const regex_program& p, std::size_t slots)
      : p_(p), slots_(slots), saved_(slots, unset), found_(slots, unset) {
    for (threads* t : {&now_, &next_}) {
      t->index.resize(p.code.size());
      t->pc.resize(p.code.size());
      t->slots.resize(p.code.size() * slots);
    }
  }
  /// The positions that the last match saved.
  [[nodiscard]] const std::vector<std::size_t>& slots() const { return found_; }

  /// Looks for the leftmost match in text[from:].
  bool run(std::string_view text, std::size_t from, regex_anchor anchor) {
    bool matched = false;
    now_.clear();
    for (std::size_t at = from;;) {
      if (now_.live == 0) {
        now_.clear();
        if (matched || (anchor != regex_anchor::none && at > from)) break;
        if (p_.first_known) {
          if (anchor == regex_anchor::none)
            while (at < text.size() && !p_.may_start(text[at])) ++at;
          if (at == text.size()) break;
        }
      }
      if (!matched && (anchor == regex_anchor::none || at == from)) {
        for (std::size_t& s : saved_) s = unset;
        follow(now_, 0, text, at);
      }
      const bool end = at == text.size();
      const decoded d = end ? decoded{no_code_point, 0} : decode_utf8(text, at);
      next_.clear();
      for (std::size_t t = 0; t < now_.count; ++t) {
        const std::uint32_t pc = now_.pc[t];
        const regex_instruction& i = p_.code[pc];
        if (i.op != regex_op::literal && i.op != regex_op::one_of && i.op != regex_op::match) continue;
        if (i.op == regex_op::match) {
          if (anchor == regex_anchor::both && !end) continue;
          copy(found_.data(), now_.slots.data() + t * slots_);
          matched = true;
          break;  // the rest is less preferred
        }
        if (d.code == no_code_point) continue;
        if (i.op == regex_op::literal ? d.code != i.x : !p_.classes[i.x].contains(d.code)) continue;
        copy(saved_.data(), now_.slots.data() + t * slots_);
        follow(next_, pc + 1, text, at + d.size);
      }
      if (end || (matched && slots_ == 0)) break;
      at += d.size;
      std::swap(now_, next_);
    }
    return matched;
  }

 private:
  struct threads {
    std::vector<std::uint32_t> index, pc;  // a sparse set of program counters, in the order of preference
    std::vector<std::size_t> slots;
    std::size_t count = 0;  // all instructions that were reached
    std::size_t live = 0;   // those that read a character or match
    void clear() { count = live = 0; }
    [[nodiscard]] bool has(std::uint32_t i) const { return index[i] < count && pc[index[i]] == i; }
  };
  struct todo {
    std::uint32_t pc;  // or, with `restore`, the slot to set back
    bool restore;
    std::size_t value;
  };

  void copy(std::size_t* to, const std::size_t* from) const {
    for (std::size_t i = 0; i < slots_; ++i) to[i] = from[i];
  }
  static bool word_at(std::string_view s, std::size_t i) {
    if (i >= s.size()) return false;
    const char c = s[i];
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  }
  static bool holds(regex_check c, std::string_view text, std::size_t at) {
    switch (c) {
      case regex_check::text_begin: return at == 0;
      case regex_check::text_end: return at == text.size();
      case regex_check::line_begin: return at == 0 || text[at - 1] == '\n';
      case regex_check::line_end: return at == text.size() || text[at] == '\n';
      case regex_check::word: return (at > 0 && word_at(text, at - 1)) != word_at(text, at);
      default: return (at > 0 && word_at(text, at - 1)) == word_at(text, at);
    }
  }
  /// Adds the threads that reach a character from `pc` without reading one.
  void follow(threads& list, std::uint32_t start, std::string_view text, std::size_t at) {
    visit(list, start, text, at);
    while (!stack_.empty()) {
      const todo t = stack_.back();
      stack_.pop_back();
      if (t.restore) saved_[t.pc] = t.value;
      else visit(list, t.pc, text, at);
    }
  }
  /// One way from `pc` on; the others go onto the stack.
  void visit(threads& list, std::uint32_t pc, std::string_view text, std::size_t at) {
    while (!list.has(pc)) {
      const std::size_t place = list.count++;
      list.index[pc] = static_cast<std::uint32_t>(place);
      list.pc[place] = pc;
      const regex_instruction& i = p_.code[pc];
      switch (i.op) {
        case regex_op::split:
          stack_.push_back({i.y, false, 0});
          pc = i.x;
          break;
        case regex_op::jump: pc = i.x; break;
        case regex_op::check:
          if (!holds(static_cast<regex_check>(i.x), text, at)) return;
          ++pc;
          break;
        case regex_op::save:
          if (i.x < slots_) {
            stack_.push_back({i.x, true, saved_[i.x]});
            saved_[i.x] = at;
          }
          ++pc;
          break;
        default:
          copy(list.slots.data() + place * slots_, saved_.data());
          ++list.live;
          return;
      }
    }
  }
  const regex_program& p_;
  std::size_t slots_;
  std::vector<std::size_t> saved_, found_;
  threads now_, next_;
  std::vector<todo> stack_;
};

/// A rewrite: text in which \\0 to \\9 stand for groups and \\\\ for a backslash.
class regex_rewrite {
 public:
  regex_rewrite(std::string_view text, std::uint32_t groups) : pieces_(1) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        pieces_.back().text += text[i];
        continue;
      }
      const char c = ++i < text.size() ? text[i] : '\0';
      const auto fail = [&](const std::string& problem) {
        throw invalid_argument("regex rewrite '" + std::string(text) + "': " + problem + " at position " +
                               std::to_string(i - 1));
      };
      if (c == '\\') pieces_.back().text += c;
      else if (c < '0' || c > '9') fail("a backslash is followed by a digit or a backslash, not by something else");
      else {
        const auto group = static_cast<std::uint32_t>(c - '0');
        if (group > groups)
          fail("group " + std::to_string(group) + " of a pattern of " + std::to_string(groups) + " groups");
        pieces_.back().group = static_cast<int>(group);
        pieces_.emplace_back();
        if (group + 1 > groups_) groups_ = group + 1;
      }
    }
  }
  /// How many positions it needs of a match.
  [[nodiscard]] std::size_t slots() const { return std::size_t{2} * groups_; }
  void append_to(std::string& out, std::string_view text, const std::vector<std::size_t>& slots) const {
    for (const piece& p : pieces_) {
      out += p.text;
      const auto g = static_cast<std::size_t>(p.group);
      if (p.group >= 0 && slots[2 * g] != regex_runner::unset)
        out += text.substr(slots[2 * g], slots[2 * g + 1] - slots[2 * g]);
    }
  }

 private:
  struct piece {
    std::string text;
    int group = -1;  // behind the text
  };
  std::vector<piece> pieces_;
  std::uint32_t groups_ = 1;
};

/// Replaces matches in text after text.
class regex_replacer {
 public:
  regex_replacer(const regex_program& p, std::string_view rewrite, bool global)
      : rewrite_(rewrite, p.groups), runner_(p, rewrite_.slots()), global_(global) {}

  std::string operator()(std::string_view text) {
    std::string out;
    std::size_t at = 0;
    std::size_t last_end = regex_runner::unset;
    while (at <= text.size() && runner_.run(text, at, regex_anchor::none)) {
      const std::size_t begin = runner_.slots()[0];
      const std::size_t end = runner_.slots()[1];
      out += text.substr(at, begin - at);
      at = begin;
      if (begin == end && begin == last_end) {  // no empty match right behind a match: one character is passed over
        const std::size_t n = at < text.size() ? decode_utf8(text, at).size : 1;
        out += text.substr(at, n);
        at += n;
        continue;
      }
      rewrite_.append_to(out, text, runner_.slots());
      at = last_end = end;
      if (!global_) break;
    }
    if (at < text.size()) out += text.substr(at);
    return out;
  }

 private:
  regex_rewrite rewrite_;
  regex_runner runner_;
  bool global_;
};

}  // namespace detail

/// Options of regex_replace.
struct regex_replace_options {
  bool replace_global = true;  ///< all matches, or only the first
};

/// A compiled pattern; safe to use from several threads.
class regex {
 public:
  /// invalid_argument, naming the position, when the pattern is wrong, unsupported or too large.
  explicit regex(std::string_view pattern) : pattern_(pattern) { detail::regex_compiler(pattern_, program_); }

  [[nodiscard]] const std::string& pattern() const { return pattern_; }
  /// The number of capturing groups.
  [[nodiscard]] int groups() const { return static_cast<int>(program_.groups); }

  /// Whether the pattern matches all of the text.
  [[nodiscard]] bool full_match(std::string_view text) const {
    return detail::regex_runner(program_, 0).run(text, 0, detail::regex_anchor::both);
  }
  /// Whether the pattern matches somewhere in the text.
  [[nodiscard]] bool partial_match(std::string_view text) const {
    return detail::regex_runner(program_, 0).run(text, 0, detail::regex_anchor::none);
  }
  /// The leftmost match that begins at or behind `from` and its groups, as parts of the text: [0] is the match, a group that
  /// took no part is empty with a null pointer. No elements at all when nothing matches.
  [[nodiscard]] std::vector<std::string_view> find(std::string_view text, std::size_t from = 0) const {
    std::vector<std::string_view> found;
    if (from > text.size()) return found;
    detail::regex_runner runner(program_, 2 * (std::size_t{program_.groups} + 1));
    if (!runner.run(text, from, detail::regex_anchor::none)) return found;
    const std::vector<std::size_t>& s = runner.slots();
    for (std::size_t i = 0; i < s.size(); i += 2) {
      const bool set = s[i] != detail::regex_runner::unset && s[i + 1] != detail::regex_runner::unset;
      found.push_back(set ? text.substr(s[i], s[i + 1] - s[i]) : std::string_view());
    }
    return found;
  }
  /// The text with its matches replaced; in `rewrite`, \\0 is the match, \\1 to \\9 are the groups, \\\\ is a backslash.
  [[nodiscard]] std::string replace(std::string_view text, std::string_view rewrite,
                                    const regex_replace_options& o = {}) const {
    return detail::regex_replacer(program_, rewrite, o.replace_global)(text);
  }
  [[nodiscard]] const detail::regex_program& program() const { return program_; }

 private:
  std::string pattern_;
  detail::regex_program program_;
};

}  // namespace rill

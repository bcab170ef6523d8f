// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Sentences out of pieces. A chain of `+` over strings is inlined where it stands, with a temporary and its clean-up per
/// piece; here a message costs its caller one call, and an error's whole path stays out of the way of the code around it.
///
///   if (n < 0) detail::raise<invalid_argument>({"take: n must not be negative, got ", n});
///   const std::string name = detail::join({prefix, ".data-", shard});

#include <charconv>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace rill::detail {

/// Text or a whole number; refers to text that must outlive it.
class text_piece {
 public:
  text_piece(const char* s) : text_(s) {}         // NOLINT: implicit on purpose
  text_piece(std::string_view s) : text_(s) {}    // NOLINT
  text_piece(const std::string& s) : text_(s) {}  // NOLINT
  text_piece(std::integral auto n) : number_(static_cast<long long>(n)) {  // NOLINT
    using N = decltype(n);
    static_assert(!std::same_as<N, bool>, "a bool is neither text nor a number: say what is true");
    kind_ = std::same_as<N, char> ? character : std::signed_integral<N> ? whole : natural;
  }

  void append_to(std::string& to) const {
    if (kind_ == text) {
      to += text_;
    } else if (kind_ == character) {
      to += static_cast<char>(number_);
    } else {
      char digits[24];
      const auto end = kind_ == whole ? std::to_chars(digits, digits + sizeof digits, number_)
                                      : std::to_chars(digits, digits + sizeof digits, static_cast<unsigned long long>(number_));
      to.append(digits, end.ptr);
    }
  }

 private:
  enum kind : unsigned char { text, character, whole, natural };
  std::string_view text_;
  long long number_ = 0;
  kind kind_ = text;
};
using text_pieces = std::initializer_list<text_piece>;

/// Appends all pieces.
[[gnu::noinline]] inline void append(std::string& to, text_pieces pieces) {
  for (const text_piece& p : pieces) p.append_to(to);
}
/// All pieces as one string.
[[gnu::noinline]] inline std::string join(text_pieces pieces) {
  std::string all;
  append(all, pieces);
  return all;
}
/// Throws an error whose message is the pieces.
template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void raise(text_pieces message) {
  throw Error(join(message));
}

}  // namespace rill::detail

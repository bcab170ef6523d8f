// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What the file tests share besides ../scratch.hpp: hexadecimal golden vectors, and two ways to make writing fail (a
/// limit on the size of files, a user without rights).

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "../scratch.hpp"
#include "rill/core/error.hpp"

namespace rill::test {

/// The bytes of "0a 1b"; spaces are for the reader.
inline std::string from_hex(std::string_view text) {
  std::string out;
  int half = -1;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    const int v = std::isdigit(static_cast<unsigned char>(c)) != 0 ? c - '0' : c - 'a' + 10;
    if (half < 0) half = v;
    else {
      out += static_cast<char>(half * 16 + v);
      half = -1;
    }
  }
  return out;
}

inline std::string to_hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    out += "0123456789abcdef"[u >> 4];
    out += "0123456789abcdef"[u & 15];
  }
  return out;
}

/// While it lives, no file of this process may grow beyond `bytes`: writing fails in the middle, as on a full disk.
class file_size_limit {
 public:
  explicit file_size_limit(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit small = old_;
    small.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  file_size_limit(const file_size_limit&) = delete;
  file_size_limit& operator=(const file_size_limit&) = delete;
  ~file_size_limit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit old_{};
  void (*handler_)(int) = nullptr;
};

/// While it lives, a process of the superuser (who may write everywhere) acts as a user without rights.
class without_rights {
 public:
  without_rights() : root_(::geteuid() == 0) {
    if (root_ && ::seteuid(65534) != 0) throw std::runtime_error("cannot give up the superuser's rights");
  }
  without_rights(const without_rights&) = delete;
  without_rights& operator=(const without_rights&) = delete;
  ~without_rights() {
    if (root_ && ::seteuid(0) != 0) std::abort();
  }

 private:
  bool root_;
};

/// A small reproducible generator (splitmix64).
class random_bits {
 public:
  explicit random_bits(std::uint64_t seed) : state_(seed) {}
  std::uint64_t operator()() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>((*this)() % n); }

 private:
  std::uint64_t state_;
};

/// Some bytes changed, removed or inserted at random: for readers that must survive anything.
inline std::string mutate(std::string s, random_bits& random) {
  for (std::size_t edits = 1 + random.below(4); edits > 0; --edits) {
    if (s.empty()) return s;
    const std::size_t at = random.below(s.size());
    switch (random.below(5)) {
      case 0: s[at] = static_cast<char>(s[at] ^ (1 << random.below(8))); break;
      case 1: s[at] = static_cast<char>(random()); break;
      case 2: s[at] = '\xFF'; break;
      case 3: s.erase(at, 1 + random.below(4)); break;
      default: s.insert(at, 1, static_cast<char>(random())); break;
    }
  }
  return s;
}

}  // namespace rill::test

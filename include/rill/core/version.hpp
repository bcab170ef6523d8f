// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The library's version, and what this translation unit was compiled for.

#include <string>

namespace rill {

struct version_number {
  int major, minor, patch;
};
inline constexpr version_number version{0, 1, 0};

/// "rill 0.1.0, AVX-512, g++ 12.2": version, vector instructions and compiler, for bug reports and benchmark headers.
inline std::string build_info() {
  std::string s = "rill " + std::to_string(version.major) + "." + std::to_string(version.minor) + "." + std::to_string(version.patch);
#if defined(__AVX512F__)
  s += ", AVX-512";
#elif defined(__AVX2__)
  s += ", AVX2";
#elif defined(__SSE2__)
  s += ", SSE2";
#else
  s += ", no vector instructions that it knows";
#endif
#if defined(__clang__)
  s += ", clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__);
#elif defined(__GNUC__)
  s += ", g++ " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__);
#endif
#if !defined(__OPTIMIZE__)
  s += ", NOT optimised";
#endif
  return s;
}

}  // namespace rill

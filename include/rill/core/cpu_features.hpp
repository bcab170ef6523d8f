// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Which vector instructions this program was compiled for and which the processor has: kernels use what they were compiled
/// for, so that a build without -march=native leaves most of the processor's speed unused. Programs that train say so once
/// (train::run_steps), unless RILL_CPU_NOTE=0 is in the environment.
///
///   const std::string note = instruction_note();   // "this program was compiled for SSE2, but the CPU has AVX-512: ..."
///   if (!note.empty()) std::fputs(note.c_str(), stderr);

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace rill {

/// Vector instructions, each with those before it; `other` is a processor that is not known here.
enum class vector_level : std::uint8_t { other, sse2, avx2, avx512 };

constexpr const char* name_of(vector_level l) {
  switch (l) {
    case vector_level::sse2: return "SSE2";
    case vector_level::avx2: return "AVX2 and FMA";
    case vector_level::avx512: return "AVX-512";
    default: return "other instructions";
  }
}

/// A level, and the two dot products of narrow numbers that only some processors with AVX-512 have.
struct cpu_features {
  vector_level level = vector_level::other;
  bool bfloat16_dots = false, int8_dots = false;
  friend constexpr bool operator==(const cpu_features&, const cpu_features&) = default;
};

/// What the file that asks was compiled for.
constexpr cpu_features compiled_features() {
  cpu_features f;
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
  f.level = vector_level::avx512;
#elif defined(__AVX2__) && defined(__FMA__)
  f.level = vector_level::avx2;
#elif defined(__SSE2__)
  f.level = vector_level::sse2;
#endif
#if defined(__AVX512BF16__)
  f.bfloat16_dots = true;
#endif
#if defined(__AVX512VNNI__)
  f.int8_dots = true;
#endif
  return f;
}

/// What this processor has (and its operating system lets programs use); compiled_features() where it cannot be asked.
inline cpu_features available_features() {
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
  __builtin_cpu_init();
  cpu_features f;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    f.level = vector_level::avx512;
  else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) f.level = vector_level::avx2;
  else if (__builtin_cpu_supports("sse2")) f.level = vector_level::sse2;
  f.bfloat16_dots = __builtin_cpu_supports("avx512bf16") != 0;
  f.int8_dots = __builtin_cpu_supports("avx512vnni") != 0;
  return f;
#else
  return compiled_features();
#endif
}

/// One sentence where the processor has more than a program uses; empty where it does not.
inline std::string instruction_note(const cpu_features& compiled, const cpu_features& available) {
  if (available.level <= compiled.level) return {};
  return std::string("this program was compiled for ") + name_of(compiled.level) + ", but the CPU has " + name_of(available.level) +
         ": built with -march=native it would run faster (RILL_CPU_NOTE=0 silences this)";
}
inline std::string instruction_note() { return instruction_note(compiled_features(), available_features()); }

/// Prints the note to stderr, the first time that it is called.
inline void print_instruction_note() {
  static const bool done = [] {
    const char* wish = std::getenv("RILL_CPU_NOTE");
    if (wish != nullptr && wish[0] == '0') return true;
    const std::string note = instruction_note();
    if (!note.empty()) std::fprintf(stderr, "note: %s\n", note.c_str());
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace rill

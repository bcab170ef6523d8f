// SPDX-License-Identifier: Apache-2.0
#include <rill/core/cpu_features.hpp>

#include <doctest/doctest.h>

using namespace rill;

TEST_CASE("instruction_note speaks up where the processor has more than the program uses, and only there") {
  const cpu_features base{vector_level::sse2}, middle{vector_level::avx2}, top{vector_level::avx512, true, true};
  CHECK(instruction_note(base, top) ==
        "this program was compiled for SSE2, but the CPU has AVX-512: built with -march=native it would run faster "
        "(RILL_CPU_NOTE=0 silences this)");
  CHECK(instruction_note(base, middle).find("AVX2 and FMA") != std::string::npos);
  CHECK(instruction_note(middle, top).find("compiled for AVX2") != std::string::npos);
  CHECK(instruction_note(middle, middle).empty());
  CHECK(instruction_note(top, top).empty());
  CHECK(instruction_note(top, middle).empty());
}

TEST_CASE("a program that runs was compiled for no more than the processor has") {
  CHECK(compiled_features().level <= available_features().level);
  CHECK((!compiled_features().bfloat16_dots || available_features().bfloat16_dots));
  CHECK((!compiled_features().int8_dots || available_features().int8_dots));
}

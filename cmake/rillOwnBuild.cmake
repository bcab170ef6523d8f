# SPDX-License-Identifier: Apache-2.0
# How Rill's own programs are compiled: target rill_own (strict warnings, this machine's instruction set), ccache, -O2.
include_guard(GLOBAL)

add_library(rill_own INTERFACE)
target_link_libraries(rill_own INTERFACE rill::rill)
target_compile_options(rill_own INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wconversion;-Wsign-conversion;-Wshadow>")
if(RILL_WERROR)
  target_compile_options(rill_own INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(RILL_NATIVE)
  target_compile_options(rill_own INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
endif()

# Sanitizers are asked for by name ("address,undefined", "thread"), so that presets need no compiler flags of their own.
set(RILL_SANITIZE "" CACHE STRING "Sanitizers for Rill's own programs, as given to -fsanitize=")
if(RILL_SANITIZE)
  target_compile_options(rill_own INTERFACE
    -fsanitize=${RILL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    # a cast of a number that does not fit gives an unspecified value by contract, as in TensorFlow
    -fno-sanitize=float-cast-overflow)
  target_link_options(rill_own INTERFACE -fsanitize=${RILL_SANITIZE})
endif()

if(PROJECT_IS_TOP_LEVEL)
  get_property(rill_multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(NOT CMAKE_BUILD_TYPE AND NOT rill_multi_config)
    set(CMAKE_BUILD_TYPE Release)
  endif()
  # The compile budget is stated for -O2; -O3 costs more and the loops are vectorised by hand.
  if(CMAKE_CXX_FLAGS_RELEASE STREQUAL "-O3 -DNDEBUG")
    set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
  endif()
  set(CMAKE_CXX_EXTENSIONS OFF)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
    find_program(RILL_CCACHE ccache)
    mark_as_advanced(RILL_CCACHE)
    if(RILL_CCACHE)
      set(CMAKE_CXX_COMPILER_LAUNCHER "${RILL_CCACHE}")
      set(CMAKE_CUDA_COMPILER_LAUNCHER "${RILL_CCACHE}")
    endif()
  endif()
  if(CMAKE_GENERATOR MATCHES "Ninja")
    set(CMAKE_COLOR_DIAGNOSTICS ON)
  endif()
endif()

# SPDX-License-Identifier: Apache-2.0
# A model compiled ahead of time into a library whose header needs nothing of Rill:
#
#   rill_add_compiled_model(NAME CLASS namespaces::Class MODEL namespaces::model HEADER model.hpp
#                           INPUTS "rill::tensor<float, 2, 3>" "rill::tensor<float, 3, 2>"
#                           [WEIGHTS checkpoint-prefix] [SINGLE_THREADED])
#
# HEADER defines MODEL, a model as graph::session takes it; INPUTS are the types of its arguments, all extents known.
# WEIGHTS is a checkpoint (the path without .index) whose values become constants of the library; without it a model with
# variables is given them by set_weights(). SINGLE_THREADED leaves oneTBB out: the C++ standard library is all it needs.
#
# Makes the static library NAME with the header NAME.h (a class with Run(), argN(...), resultN(...) and so on), the test
# NAME_test, known to CTest under that name, and the benchmark NAME_benchmark, which prints minimum, median and maximum of
# one run. Options of the compiler, such as -march=native, are given to NAME by target_compile_options as to any target.
include_guard(GLOBAL)

function(rill_add_compiled_model name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SINGLE_THREADED" "CLASS;MODEL;HEADER;WEIGHTS" "INPUTS")
  if(DEFINED arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "rill_add_compiled_model(${name}): what is '${arg_UNPARSED_ARGUMENTS}'?")
  endif()
  foreach(wanted IN ITEMS CLASS MODEL HEADER)
    if(NOT arg_${wanted})
      message(FATAL_ERROR "rill_add_compiled_model(${name}): ${wanted} is missing")
    endif()
  endforeach()
  get_filename_component(header "${arg_HEADER}" ABSOLUTE)
  set(generated "${CMAKE_CURRENT_BINARY_DIR}/${name}_compiled")
  set(templates "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/compiled_model")

  # What the templates mention.
  string(REPLACE "::" ";" scopes "${arg_CLASS}")
  list(POP_BACK scopes class)
  list(JOIN scopes "::" namespace)
  set(namespace_open "")
  set(namespace_close "")
  if(namespace)
    set(namespace_open "namespace ${namespace} {")
    set(namespace_close "}  // namespace ${namespace}")
  endif()
  list(JOIN arg_INPUTS ", " inputs)
  set(parameters "${arg_MODEL}")
  if(inputs)
    string(APPEND parameters ", ${inputs}")
  endif()
  string(MAKE_C_IDENTIFIER "rill_weights_of_${name}" symbol)
  set(baked 0)
  set(weights "${generated}/weights.bin")
  if(arg_WEIGHTS)
    set(baked 1)
    get_filename_component(checkpoint "${arg_WEIGHTS}" ABSOLUTE)
    file(GLOB checkpoint_files CONFIGURE_DEPENDS "${checkpoint}.index" "${checkpoint}.data-*")
  endif()
  foreach(file IN ITEMS generator implementation weights test benchmark)
    configure_file("${templates}/${file}.cpp.in" "${generated}/${file}.cpp" @ONLY)
  endforeach()

  # Rill's headers and compiler options, but nothing linked: what is linked is chosen below.
  add_library(${name}_headers INTERFACE)
  foreach(property IN ITEMS INCLUDE_DIRECTORIES COMPILE_OPTIONS COMPILE_FEATURES COMPILE_DEFINITIONS)
    set_property(TARGET ${name}_headers PROPERTY INTERFACE_${property} "$<TARGET_PROPERTY:rill::rill,INTERFACE_${property}>")
  endforeach()
  set_property(TARGET ${name}_headers PROPERTY INTERFACE_SYSTEM_INCLUDE_DIRECTORIES
    "$<TARGET_PROPERTY:xsimd,INTERFACE_INCLUDE_DIRECTORIES>" "$<TARGET_PROPERTY:Eigen3::Eigen,INTERFACE_INCLUDE_DIRECTORIES>")

  # The generator knows the types and shapes; it instantiates no kernel, and nothing in it is worth optimising.
  add_executable(${name}_generator "${generated}/generator.cpp")
  target_link_libraries(${name}_generator PRIVATE ${name}_headers)
  target_compile_definitions(${name}_generator PRIVATE RILL_SINGLE_THREADED)
  target_compile_options(${name}_generator PRIVATE $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-O0>)
  set(outputs "${generated}/${name}.h")
  if(baked)
    list(APPEND outputs "${weights}")
  endif()
  add_custom_command(OUTPUT ${outputs}
    COMMAND ${name}_generator "${generated}/${name}.h" ${checkpoint} "$<$<BOOL:${baked}>:${weights}>"
    DEPENDS ${checkpoint_files}
    COMMENT "Generating ${name}.h"
    COMMAND_EXPAND_LISTS VERBATIM)

  add_library(${name} STATIC "${generated}/implementation.cpp" "${generated}/${name}.h")
  if(baked)
    target_sources(${name} PRIVATE "${generated}/weights.cpp")
    set_source_files_properties("${generated}/weights.cpp" PROPERTIES OBJECT_DEPENDS "${weights}")
  endif()
  target_include_directories(${name} PUBLIC "${generated}")
  target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:${name}_headers>)
  if(arg_SINGLE_THREADED)
    target_compile_definitions(${name} PRIVATE RILL_SINGLE_THREADED)
  else()
    target_link_libraries(${name} PRIVATE TBB::tbb Threads::Threads)
  endif()

  add_executable(${name}_test "${generated}/test.cpp")
  target_link_libraries(${name}_test PRIVATE ${name})
  add_test(NAME ${name}_test COMMAND ${name}_test)
  add_executable(${name}_benchmark "${generated}/benchmark.cpp")
  target_link_libraries(${name}_benchmark PRIVATE ${name})
  foreach(program IN ITEMS test benchmark)
    target_compile_features(${name}_${program} PRIVATE cxx_std_17)
  endforeach()
endfunction()

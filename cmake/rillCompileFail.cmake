# SPDX-License-Identifier: Apache-2.0
# rill_compile_fail_tests(DIRECTORY): one test per DIRECTORY/*.cpp and compiler (this build's, and g++ and clang++ where
# found). Each file must compile as it is, must not compile with -DRILL_MUST_FAIL, and every line of the form
# `// expect: REGEX` (grep -E) must match a line of what the compiler then says.
function(rill_compile_fail_tests directory)
  set(compilers "")
  foreach(candidate IN ITEMS g++ clang++)
    find_program(RILL_TRY_${candidate} NAMES ${candidate})
    mark_as_advanced(RILL_TRY_${candidate})
    if(RILL_TRY_${candidate})
      list(APPEND compilers "${RILL_TRY_${candidate}}")
    endif()
  endforeach()
  list(APPEND compilers "${CMAKE_CXX_COMPILER}")
  # The same program may have several names; the first counts.
  set(seen "")
  set(unique "")
  foreach(compiler IN LISTS compilers)
    file(REAL_PATH "${compiler}" real)
    if(NOT real IN_LIST seen)
      list(APPEND seen "${real}")
      list(APPEND unique "${compiler}")
    endif()
  endforeach()

  set(includes "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/cuda")
  foreach(dependency IN ITEMS TBB::tbb xsimd Eigen3::Eigen)
    get_target_property(dirs ${dependency} INTERFACE_INCLUDE_DIRECTORIES)
    if(dirs)
      list(APPEND includes ${dirs})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES includes)
  list(REMOVE_ITEM includes /usr/include)
  list(TRANSFORM includes PREPEND -I)

  file(GLOB sources CONFIGURE_DEPENDS "${directory}/*.cpp")
  foreach(source IN LISTS sources)
    get_filename_component(stem "${source}" NAME_WE)
    foreach(compiler IN LISTS unique)
      get_filename_component(compiler_name "${compiler}" NAME)
      set(test "compile_fail.${stem}.${compiler_name}")
      add_test(NAME ${test}
        COMMAND sh "${PROJECT_SOURCE_DIR}/cmake/compile_fail.sh" "${source}" "${CMAKE_CURRENT_BINARY_DIR}/${test}.o"
          "${compiler}" ${includes})
      set_tests_properties(${test} PROPERTIES LABELS compile_fail TIMEOUT 300)
    endforeach()
  endforeach()
endfunction()

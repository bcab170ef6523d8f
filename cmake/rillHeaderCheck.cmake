# SPDX-License-Identifier: Apache-2.0
# rill_header_check(NAME ROOT GLOB EXTENSION): an object library NAME with one generated source per header below ROOT,
# which includes that header alone, twice. A header that leans on its includer, lacks its guard, defines a non-inline
# function used nowhere or warns does not build.
function(rill_header_check name root glob extension)
  file(GLOB_RECURSE headers RELATIVE "${root}" CONFIGURE_DEPENDS "${root}/${glob}")
  set(sources "")
  foreach(header IN LISTS headers)
    string(REGEX REPLACE "[^A-Za-z0-9]" "_" unit "${header}")
    set(source "${CMAKE_CURRENT_BINARY_DIR}/${name}/${unit}.${extension}")
    file(CONFIGURE OUTPUT "${source}" CONTENT "#include <${header}>\n#include <${header}>  // again: the guard\n" @ONLY)
    list(APPEND sources "${source}")
  endforeach()
  if(sources)
    add_library(${name} OBJECT ${sources})
    target_link_libraries(${name} PRIVATE rill_own)
    target_compile_options(${name} PRIVATE -O0)  # only the checks count
  else()
    add_custom_target(${name})
  endif()
endfunction()

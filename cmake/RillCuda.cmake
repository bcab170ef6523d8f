# SPDX-License-Identifier: Apache-2.0
# rill::cuda: rill::rill for files that nvcc compiles, with the libraries of the CUDA toolkit that its headers call. Sets
# RILL_HAS_CUDA where there is a compiler. With RILL_CUDA ON it is an error if there is none; with AUTO nothing is offered.
include_guard(GLOBAL)
if(NOT CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
  set(CMAKE_CUDA_ARCHITECTURES 75-real 90)  # and PTX of the newest for later ones
endif()
if(RILL_CUDA STREQUAL "AUTO")
  include(CheckLanguage)
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    return()
  endif()
endif()
enable_language(CUDA)
find_package(CUDAToolkit QUIET)
set(RILL_HAS_CUDA ${CUDAToolkit_FOUND})
if(NOT RILL_HAS_CUDA)
  if(NOT RILL_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "Rill: RILL_CUDA is ${RILL_CUDA}, but the CUDA toolkit was not found")
  endif()
  return()
endif()

add_library(rill_cuda INTERFACE)
add_library(rill::cuda ALIAS rill_cuda)
target_link_libraries(rill_cuda INTERFACE rill::rill CUDA::cudart)
# What nvcc 13 says of g++'s pragmas and attributes, and of comparisons that constants decide.
target_compile_options(rill_cuda INTERFACE $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-diag-suppress=186,1675,2189>)
# <rill/cuda/blas.cuh> and <rill/cuda/dnn.cuh> call these; a program that includes neither needs neither.
if(TARGET CUDA::cublasLt)
  target_link_libraries(rill_cuda INTERFACE CUDA::cublasLt)
endif()
find_library(RILL_CUDNN cudnn HINTS "${CUDAToolkit_LIBRARY_DIR}" "${CUDAToolkit_LIBRARY_ROOT}/lib64")
mark_as_advanced(RILL_CUDNN)
if(RILL_CUDNN)
  target_link_libraries(rill_cuda INTERFACE "${RILL_CUDNN}")
endif()

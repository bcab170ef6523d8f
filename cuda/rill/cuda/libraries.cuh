// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Sessions whose products and convolutions are cuBLASLt's and, where its header is found, cuDNN's, wherever operands are
/// memory and the epilogue is one of theirs (blas.cuh, dnn.cuh); all others stay with our own kernels.
///
///   #include <rill/cuda.hpp>
///   #include <rill/cuda/libraries.cuh>                              // link them: CMake target rill::cuda_libraries
///
///   using by = cuda::library_contractions<cuda::precision::tf32>;   // <>: floats as they are
///   cuda::session_by<by, step, tensor<float, dyn, 784>, tensor<std::int32_t, dyn>> s(store, {}, {}, cuda::on(gpu(0), by{}));
///   estimator classifier{head{}, optimizers::adam{}, run_config{.model_dir = dir}, cuda::on(gpu(0), by{})};

#include "blas.cuh"
#if __has_include(<cudnn.h>)
#include "dnn.cuh"
#endif

namespace rill::cuda {

#if __has_include(<cudnn.h>)
template <precision P = precision::float32>
using library_contractions = contractions_by<blas, dnn, P>;
#else
template <precision P = precision::float32>
using library_contractions = contractions_by<blas, void, P>;
#endif

}  // namespace rill::cuda

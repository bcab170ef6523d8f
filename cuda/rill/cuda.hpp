// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Rill with GPUs: everything of <rill/rill.hpp>, and the same programs on a GPU. For files that nvcc compiles
/// (`-std=c++20 --expt-relaxed-constexpr`; the CMake target rill::cuda brings the flags).
///
///   gpu_tensor<float, dyn, 784> x = to(images, gpu(0));
///   tensor<float, dyn> norms = to(reduce_sum(x * x, axis<1>), cpu);               // one kernel
///
///   cuda::session<train_step, tensor<float, dyn, 784>, tensor<std::int32_t, dyn>> s(store, {}, {}, cuda::on(gpu(0)));
///   estimator classifier{head{}, optimizers::adam{}, run_config{.model_dir = dir}, cuda::on(gpu(0))};
///
/// Several GPUs that train together are <rill/cuda/towers.cuh>.

#ifndef __CUDACC__
#error "<rill/cuda.hpp> is for files that a CUDA compiler compiles; <rill/rill.hpp> is for the others"
#endif

#include <rill/rill.hpp>

#include "cuda/data.cuh"
#include "cuda/device.cuh"
#include "cuda/session.cuh"
#include "cuda/tensor.cuh"

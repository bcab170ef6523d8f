// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Several GPUs that train one model together (graph/towers.hpp says how): gradients are summed up by NCCL, on the GPUs'
/// own streams, and each GPU has the variables.
///
///   #include <rill/cuda.hpp>
///   #include <rill/cuda/towers.cuh>                                           // link NCCL: CMake target rill::cuda_libraries
///
///   estimator classifier{head{}, optimizers::adam{}, run_config{.model_dir = dir}, cuda::towers(gpu(0), gpu(1))};
///   cuda::tower_session<step, tensor<float, dyn, 784>, tensor<std::int32_t, dyn>> s(store, {}, {}, cuda::towers(gpu(0), gpu(1)));
///
/// Without NCCL, or with `cuda::towers_through_host(gpu(0), gpu(1))`, gradients are summed up on the CPU, in the order of the
/// GPUs: slower, but the same bits every time. There a GPU may be named more than once.

#include <concepts>
#include <memory>
#include <utility>
#include <vector>

#include <rill/graph/towers.hpp>

#include "session.cuh"
#ifdef __CUDACC__
#include "communicator.cuh"
#endif

namespace rill::graph {

/// A tower on a device.
template <class Device, cuda::placement Where>
struct tower_of<cuda::basic_target<Device, Where>> {
  using target = cuda::basic_target<Device, Where>;
  using passes = typename target::passes;
  using replica = cuda::variable_mirror<Device>;
  static std::unique_ptr<replica> make_replica(const target& t, bool /*first*/) { return std::make_unique<replica>(t.on()); }
  static bool same(const target& a, const target& b) { return &a.on() == &b.on(); }
  static void bind(typename target::core& core, variable_store& store, replica& r) { core.bind(store, r); }
  static void run(typename target::core& core, const typename target::run_function& steps, const step_context& c) { core.run(steps, c); }
  static void copy_in(const target& t, void* to, const void* from, std::size_t bytes) { t.on().copy_in(to, from, bytes); }
  static void copy_out(const target& t, void* to, const void* from, std::size_t bytes) { t.on().copy_out(to, from, bytes); }

  template <class C, std::size_t First, std::size_t Count, bool Traced>
  static constexpr typename target::run_function run_range = [] {
    if constexpr (Where == cuda::placement::strict) cuda::detail::require_kernels<C>();
    using steps = typename target::run_function;
    if constexpr (Traced) return steps{{}, &cuda::detail::run_traced<C, First, Count, Device>, &view_of_compiled<C>};
    else return steps{cuda::detail::pieces_of<C, Device, First, First + Count>::list, nullptr, &view_of_compiled<C>};
  }();
};

}  // namespace rill::graph

#ifdef __CUDACC__
namespace rill::cuda {

#if __has_include(<nccl.h>)
using tower_target = graph::towers<target, nccl_communicator>;
#else
using tower_target = graph::towers<target>;
#endif

namespace detail {
template <class... G>
std::vector<target> targets_on(G... gpus) {
  return {on(gpus)...};
}
}  // namespace detail

/// One tower on each of these GPUs. invalid_argument when there is no such GPU, or one is named twice where NCCL is used.
template <std::same_as<gpu>... G>
tower_target towers(gpu first, G... others) {
  return tower_target(detail::targets_on(first, others...));
}
/// The same, with gradients that are summed up on the CPU.
template <std::same_as<gpu>... G>
graph::towers<target> towers_through_host(gpu first, G... others) {
  return graph::towers<target>(detail::targets_on(first, others...));
}
/// As many towers as there are GPUs. invalid_argument when there is none.
inline tower_target towers_on_all() {
  std::vector<target> all;
  for (int k = 0; k < device_count(); ++k) all.push_back(on(gpu(k)));
  return tower_target(std::move(all));
}

template <class Model, class... Inputs>
using tower_session = graph::basic_session<tower_target, Model, Inputs...>;

}  // namespace rill::cuda
#endif

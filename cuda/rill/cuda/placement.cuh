// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Where the ops of a compiled model run, as TensorFlow's log_device_placement has it: a line for each node, and one for
/// each kernel in the bodies of loops and branches.
///
///   dense/MatMul: (MatMul): /job:localhost/replica:0/task:0/device:GPU:0
///   Sort: (Sort): /job:localhost/replica:0/task:0/device:CPU:0

#include <string>

#include <rill/graph/kernel_info.hpp>

#include "step.cuh"

namespace rill::cuda {

/// "/job:localhost/replica:0/task:0/device:GPU:0" for gpu(0).
template <class Device>
std::string device_name(const Device& device) {
  int number = 0;
  if constexpr (requires { device.which().number; }) number = device.which().number;
  return "/job:localhost/replica:0/task:0/device:GPU:" + std::to_string(number);
}

/// The lines for a model (graph::view_of_compiled) on a device of this name.
inline std::string placement_of(const graph::graph_view& g, const std::string& device) {
  const std::string host = "/job:localhost/replica:0/task:0/device:CPU:0";
  std::string text;
  const auto line = [&](const std::string& name, std::string_view op, bool on_host) {
    text.append(name).append(": (").append(op).append("): ").append(on_host ? host : device).append("\n");
  };
  const std::vector<std::string> names = graph::node_names(g);
  for (std::size_t k = 0; k < g.nodes.size(); ++k) {
    bool on_host = false;
    for (std::size_t s = 0; s < g.own_steps; ++s) on_host = on_host || (g.steps[s].root == static_cast<int>(k) && needs_host(g.steps[s]));
    line(names[k], g.nodes[k].name, on_host);
  }
  if (g.own_steps == g.steps.size()) return text;
  const std::vector<graph::kernel_info> kernels = graph::kernels_of(g, 1);
  for (std::size_t s = g.own_steps; s < kernels.size(); ++s) line(kernels[s].name, kernels[s].type, needs_host(g.steps[s]));
  return text;
}

}  // namespace rill::cuda

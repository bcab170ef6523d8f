// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A matrix product in oneDNN, prepared once and run again and again.

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

namespace bench {

struct onednn_matmul {
  dnnl::engine cpu{dnnl::engine::kind::cpu, 0};
  dnnl::stream queue{cpu};
  dnnl::matmul primitive;
  std::unordered_map<int, dnnl::memory> arguments;

  void bind(int argument, const dnnl::memory::desc& d, void* data) { arguments.emplace(argument, dnnl::memory(d, cpu, data)); }
  void operator()() {
    primitive.execute(queue, arguments);
    queue.wait();
  }
};

}  // namespace bench

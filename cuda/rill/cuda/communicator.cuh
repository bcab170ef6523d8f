// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `nccl_communicator`: moves values between the GPUs of this process with NCCL (graph/towers.hpp's communicator). Each call
/// is one group: NCCL makes one kernel of it on every GPU, in the order of that GPU's stream; the host does not wait. Link
/// libnccl. Offered where <nccl.h> is.

#if __has_include(<nccl.h>)
#include <nccl.h>

#include <span>
#include <string>
#include <vector>

#include <rill/graph/towers.hpp>

#include "session.cuh"

namespace rill::cuda {

/// Throws the typed error that a status of NCCL stands for, with NCCL's own sentences; nothing for success.
inline void check(ncclResult_t status, const char* what, ncclComm_t comm = nullptr) {
  if (status == ncclSuccess) return;
  std::string text = std::string(what) + ": " + ncclGetErrorString(status);
  if (const char* last = ncclGetLastError(comm); last != nullptr && *last != '\0') text += std::string(" (") + last + ")";
  if (status == ncclInvalidArgument || status == ncclInvalidUsage) throw invalid_argument(text);
  throw failed_precondition(text);
}

class nccl_communicator {
 public:
  /// invalid_argument when a GPU is named twice; else what NCCL says.
  explicit nccl_communicator(const std::vector<target>& towers) {
    std::vector<int> numbers;
    for (const target& t : towers) {
      for (const int n : numbers)
        if (n == t.on().which().number) throw invalid_argument("towers: gpu(" + std::to_string(n) + ") is named twice, which NCCL does not take: cuda::towers_through_host does");
      numbers.push_back(t.on().which().number);
      devices_.push_back(&t.on());
    }
    comms_.resize(towers.size());
    try {
      check(ncclCommInitAll(comms_.data(), static_cast<int>(numbers.size()), numbers.data()), "towers: NCCL");
    } catch (...) {
      destroy();
      throw;
    }
  }
  nccl_communicator(const nccl_communicator&) = delete;
  nccl_communicator& operator=(const nccl_communicator&) = delete;
  ~nccl_communicator() {
    for (device* d : devices_) {
      try {
        d->synchronize();
      } catch (...) {  // NOLINT: whoever reads a value is told
      }
    }
    destroy();
  }

  void all_reduce(std::span<const graph::tower_value> values) {
    for (const graph::tower_value& v : values) static_cast<void>(type_of(v.type));  // which may throw, but in no open group
    each(values, "the sum of gradients over GPUs", [&](const graph::tower_value& v, std::size_t t) {
      return ncclAllReduce(v.from[t], v.to[t], static_cast<std::size_t>(v.count), type_of(v.type), ncclSum, comms_[t], devices_[t]->stream());
    });
  }
  void broadcast(std::span<const graph::tower_value> values) {
    each(values, "a copy to all GPUs", [&](const graph::tower_value& v, std::size_t t) {
      return ncclBroadcast(v.from[t], v.to[t], static_cast<std::size_t>(v.count) * size_of(v.type), ncclChar, 0, comms_[t], devices_[t]->stream());
    });
  }

 private:
  static ncclDataType_t type_of(dtype t) {
    switch (t) {
      case dtype::float32: return ncclFloat;
      case dtype::float64: return ncclDouble;
      case dtype::float16: return ncclHalf;
      case dtype::bfloat16: return ncclBfloat16;
      default: throw invalid_argument("all_reduce: needs a floating type, got " + std::string(name_of(t)));
    }
  }
  /// One group of calls: for every value, one on each GPU.
  template <class Call>
  void each(std::span<const graph::tower_value> values, const char* what, const Call& call) {
    check(ncclGroupStart(), what);
    ncclResult_t status = ncclSuccess;
    for (const graph::tower_value& v : values)
      for (std::size_t t = 0; t < comms_.size() && status == ncclSuccess; ++t) status = call(v, t);
    const ncclResult_t ended = ncclGroupEnd();
    check(status, what, comms_[0]);
    check(ended, what, comms_[0]);
  }
  void destroy() {
    for (ncclComm_t& c : comms_)
      if (c != nullptr) static_cast<void>(ncclCommDestroy(c));
    comms_.clear();
  }

  std::vector<device*> devices_;
  std::vector<ncclComm_t> comms_;
};

}  // namespace rill::cuda
#endif

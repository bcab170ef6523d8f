// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The device of the tests where there is a GPU: every launch is waited for, and host memory that kernels read and write is
/// memory that the GPU reaches (main.cpp).

#include <rill/cuda/device.cuh>

namespace test {

class device : public rill::cuda::device {
 public:
  device() : rill::cuda::device(rill::gpu(0), {.allow_growth = true}), processors_(rill::cuda::device::processors()) {}

  [[nodiscard]] int processors() const { return processors_; }
  void set_processors(int n) { processors_ = n; }
  [[nodiscard]] std::int64_t launches() const { return launches_; }
  [[nodiscard]] int records() const { return records_; }
  /// Blocks of memory in use: none, or some.
  [[nodiscard]] int blocks() const { return memory().used() == 0 ? 0 : 1; }

  template <class K>
  void launch(const K& kernel, const rill::cuda::launch_shape& s) {
    rill::cuda::device::launch(kernel, s);
    ++launches_;
    if (!recording_) synchronize();
  }
  template <class Work>
  [[nodiscard]] recording_type record(const Work& work) {
    ++records_;
    recording_ = true;
    try {
      auto r = rill::cuda::device::record(work);
      recording_ = false;
      return r;
    } catch (...) {
      recording_ = false;
      throw;
    }
  }

 private:
  int processors_, records_ = 0;
  std::int64_t launches_ = 0;
  bool recording_ = false;
};

}  // namespace test

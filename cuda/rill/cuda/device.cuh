// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A GPU as this process uses it: `device`, one stream of work in order, with its memory pool, scratch memory and recorded
/// steps. Work is asynchronous; the host waits where it reads a value. What CUDA refuses is a typed error that holds CUDA's
/// own sentence: no memory is resource_exhausted, no such GPU is invalid_argument, all else failed_precondition.
///
///   cuda::device& d = cuda::device_of(gpu(0));   // made once, lives as long as the process
///   void* p = d.allocate(1024);
///   d.copy_in(p, host, 1024);
///   d.launch(kernel, {.blocks = 8});
///   d.copy_out(host, p, 1024);                   // waits
///
/// Which GPUs there are is CUDA's to say (CUDA_VISIBLE_DEVICES). How much memory is taken, and when, is set before a GPU is
/// first used: `configure(gpu(0), {.allow_growth = true})`.

#include <cuda_runtime.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <rill/core/error.hpp>

#include "memory_pool.hpp"
#include "threads.cuh"

namespace rill {

/// The k-th GPU that CUDA shows this process.
struct gpu {
  int number = 0;
  constexpr gpu() = default;
  constexpr explicit gpu(int k) : number(k) {}
  friend constexpr bool operator==(gpu, gpu) = default;
};

namespace cuda {

/// Throws the typed error that a status of the CUDA runtime stands for; nothing for success.
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  const std::string text = std::string(what) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")";
  static_cast<void>(cudaGetLastError());  // so that a later call does not report it again
  if (status == cudaErrorMemoryAllocation) throw resource_exhausted(text);
  if (status == cudaErrorInvalidDevice || status == cudaErrorNoDevice) throw invalid_argument(text);
  throw failed_precondition(text);
}

/// How many GPUs there are: 0 also where there is no driver.
inline int device_count() {
  int n = 0;
  if (cudaGetDeviceCount(&n) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return 0;
  }
  return n;
}

namespace detail {

struct gpu_memory {
  void* allocate(std::size_t bytes) {
    void* p = nullptr;
    if (cudaMalloc(&p, bytes) == cudaSuccess) return p;
    static_cast<void>(cudaGetLastError());
    return nullptr;
  }
  void release(void* p) { static_cast<void>(cudaFree(p)); }
  static std::pair<std::size_t, std::size_t> info() {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "the memory of the GPU");
    return {free, total};
  }
  [[nodiscard]] std::size_t free_bytes() const { return info().first; }
  [[nodiscard]] std::size_t total_bytes() const { return info().second; }
};

}  // namespace detail

/// Host memory that the GPU copies to and from by itself. resource_exhausted when there is none.
class pinned_memory {
 public:
  pinned_memory() = default;
  explicit pinned_memory(std::size_t bytes) : bytes_(bytes) {
    if (bytes > 0) check(cudaMallocHost(&data_, bytes), "pinned host memory");
  }
  pinned_memory(pinned_memory&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  pinned_memory& operator=(pinned_memory other) noexcept {
    std::swap(data_, other.data_), std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~pinned_memory() {
    if (data_ != nullptr) static_cast<void>(cudaFreeHost(data_));
  }
  [[nodiscard]] void* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Work recorded once, to be done again by one call (a CUDA graph).
class recording {
 public:
  recording() = default;
  recording(recording&& other) noexcept : graph_(std::exchange(other.graph_, nullptr)) {}
  recording& operator=(recording other) noexcept {
    std::swap(graph_, other.graph_);
    return *this;
  }
  ~recording() {
    if (graph_ != nullptr) static_cast<void>(cudaGraphExecDestroy(graph_));
  }
  explicit operator bool() const { return graph_ != nullptr; }

 private:
  friend class device;
  cudaGraphExec_t graph_ = nullptr;
};

class upload;

class device {
 public:
  using recording_type = recording;
  using upload_type = upload;

  explicit device(gpu which, gpu_options options = {}) : which_(which), pool_(activated(which, options)) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
    check(cudaDeviceGetAttribute(&processors_, cudaDevAttrMultiProcessorCount, which.number), "the GPU's processors");
    check(cudaEventCreateWithFlags(&staged_[0], cudaEventDisableTiming), "an event");
    check(cudaEventCreateWithFlags(&staged_[1], cudaEventDisableTiming), "an event");
  }
  device(const device&) = delete;
  device& operator=(const device&) = delete;
  ~device() {
    static_cast<void>(cudaStreamSynchronize(stream_));
    for (cudaEvent_t e : staged_) static_cast<void>(cudaEventDestroy(e));
    static_cast<void>(cudaStreamDestroy(stream_));
  }

  [[nodiscard]] gpu which() const { return which_; }
  [[nodiscard]] int processors() const { return processors_; }
  [[nodiscard]] cudaStream_t stream() const { return stream_; }
  [[nodiscard]] std::string name() const {
    cudaDeviceProp p{};
    check(cudaGetDeviceProperties(&p, which_.number), "the GPU's name");
    return p.name;
  }
  /// The memory that tensors and sessions of this GPU live in.
  [[nodiscard]] const memory_pool<detail::gpu_memory>& memory() const { return pool_; }

  /// Memory in the order of the stream: what is released may be handed out again at once, since its last reader is enqueued
  /// before its next writer.
  [[nodiscard]] void* allocate(std::size_t bytes) {
    use();
    return pool_.allocate(bytes);
  }
  void release(void* p) { pool_.release(p); }
  /// Memory for one operation to work in, until the next one asks.
  [[nodiscard]] void* scratch(std::size_t bytes) {
    if (bytes > scratch_bytes_) {
      if (recording_) throw failed_precondition("a recorded step wants more scratch memory than the step before it");
      pool_.release(std::exchange(scratch_, nullptr));
      scratch_bytes_ = 0;
      ++scratch_moves_;  // also where there is no more memory: what was there is others' now
      scratch_ = allocate(bytes);
      scratch_bytes_ = bytes;
    }
    return scratch_;
  }
  /// How often scratch memory has moved: work that was recorded before uses memory that is others' now.
  [[nodiscard]] std::int64_t scratch_moves() const { return scratch_moves_; }

  /// Calls of this thread go to this GPU.
  void use() const {
    int now = -1;
    check(cudaGetDevice(&now), "the GPU");
    if (now != which_.number) check(cudaSetDevice(which_.number), "the GPU");
  }

  template <class K>
  void launch(const K& kernel, const launch_shape& s) {
    static_assert(std::is_trivially_copyable_v<K> && sizeof(K) <= 4096, "a kernel is a small struct of operands");
    constexpr std::size_t shared = std::is_same_v<typename K::shared, no_shared> ? 0 : sizeof(typename K::shared);
    use();
    if constexpr (shared > 48 * 1024) {
      static std::atomic<std::uint64_t> allowed{0};  // a bit for each GPU: every one has to be asked
      const std::uint64_t bit = std::uint64_t{1} << (which_.number % 64);
      if ((allowed.load() & bit) == 0 || which_.number >= 64) {
        check(cudaFuncSetAttribute(detail::entry<K>, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
              "shared memory of a kernel");
        allowed |= bit;
      }
    }
    detail::entry<K><<<dim3(s.blocks, s.blocks_y), s.threads, shared, stream_>>>(kernel);
    check(cudaGetLastError(), "a kernel's launch");
  }

  /// From host memory, which may be used again at once.
  void copy_in(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0) return;
    use();
    // Through pinned memory of our own: the copy is asynchronous and the caller's memory free when this returns.
    if (bytes <= staging_limit) {
      turn_ = 1 - turn_;
      check(cudaEventSynchronize(staged_[turn_]), "a copy to the GPU");
      if (staging_[turn_].size() < bytes) staging_[turn_] = pinned_memory(bytes);
      std::memcpy(staging_[turn_].data(), from, bytes);
      check(cudaMemcpyAsync(to, staging_[turn_].data(), bytes, cudaMemcpyHostToDevice, stream_), "a copy to the GPU");
      check(cudaEventRecord(staged_[turn_], stream_), "a copy to the GPU");
    } else {
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "a copy to the GPU");
      synchronize();
    }
  }
  /// To host memory, after all work before it.
  void copy_out(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0) return;
    use();
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "a copy from the GPU");
    synchronize();
  }
  void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0) return;
    use();
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "a copy on the GPU");
  }
  void zero(void* p, std::size_t bytes) {
    if (bytes == 0) return;
    use();
    check(cudaMemsetAsync(p, 0, bytes, stream_), "zeros on the GPU");
  }
  /// Waits for all work; a kernel that failed is reported here.
  void synchronize() { check(cudaStreamSynchronize(stream_), "work on the GPU"); }

  /// Records what `work` does instead of doing it. What it launches must not depend on memory that moves.
  template <class Work>
  [[nodiscard]] recording record(const Work& work) {
    use();
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "the recording of a step");
    recording_ = true;
    cudaGraph_t graph = nullptr;
    try {
      work();
    } catch (...) {
      recording_ = false;
      if (cudaStreamEndCapture(stream_, &graph) == cudaSuccess && graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
      static_cast<void>(cudaGetLastError());
      throw;
    }
    recording_ = false;
    check(cudaStreamEndCapture(stream_, &graph), "the recording of a step");
    recording r;
    const cudaError_t made = cudaGraphInstantiate(&r.graph_, graph, 0);
    static_cast<void>(cudaGraphDestroy(graph));
    check(made, "the recording of a step");
    return r;
  }
  void replay(const recording& r) {
    use();
    check(cudaGraphLaunch(r.graph_, stream_), "a recorded step");
  }

 private:
  static constexpr std::size_t staging_limit = std::size_t{64} << 20;
  static gpu_options activated(gpu which, gpu_options options) {
    const int n = device_count();
    if (which.number < 0 || which.number >= n)
      throw invalid_argument("gpu(" + std::to_string(which.number) + "): CUDA shows " + std::to_string(n) + (n == 1 ? " GPU" : " GPUs"));
    check(cudaSetDevice(which.number), "the GPU");
    return options;
  }

  gpu which_;
  memory_pool<detail::gpu_memory> pool_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t staged_[2] = {};
  pinned_memory staging_[2];
  int turn_ = 0, processors_ = 0;
  void* scratch_ = nullptr;
  std::size_t scratch_bytes_ = 0;
  std::int64_t scratch_moves_ = 0;
  bool recording_ = false;
};

/// Copies to a GPU beside its stream: on one of their own, through pinned memory of their own.
class upload {
 public:
  explicit upload(device& d) : device_(&d) {
    d.use();
    try {
      check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream for copies");
      check(cudaEventCreateWithFlags(&free_, cudaEventDisableTiming), "an event");
      check(cudaEventCreateWithFlags(&there_, cudaEventDisableTiming), "an event");
    } catch (...) {
      close();
      throw;
    }
  }
  upload(const upload&) = delete;
  upload& operator=(const upload&) = delete;
  ~upload() { close(); }

  /// Copies of so many bytes in all, each rounded up to 64, to memory that all work asked for until now may still use.
  void begin(std::size_t bytes) {
    device_->use();
    check(cudaEventSynchronize(there_), "a copy to the GPU");  // the last one has left the pinned memory
    if (staging_.size() < bytes) {
      staging_ = pinned_memory();
      staging_ = pinned_memory(bytes);
    }
    used_ = 0;
    check(cudaEventRecord(free_, device_->stream()), "a copy to the GPU");
    check(cudaStreamWaitEvent(stream_, free_, 0), "a copy to the GPU");
  }
  /// From host memory, which may be used again at once.
  void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0) return;
    void* const middle = static_cast<unsigned char*>(staging_.data()) + used_;
    std::memcpy(middle, from, bytes);
    check(cudaMemcpyAsync(to, middle, bytes, cudaMemcpyHostToDevice, stream_), "a copy to the GPU");
    used_ += (bytes + 63) / 64 * 64;
  }
  void end() { check(cudaEventRecord(there_, stream_), "a copy to the GPU"); }
  /// What is asked of the device from now on comes after these copies.
  void await() {
    device_->use();
    check(cudaStreamWaitEvent(device_->stream(), there_, 0), "a copy to the GPU");
  }

 private:
  void close() {
    if (stream_ != nullptr) static_cast<void>(cudaStreamSynchronize(stream_)), static_cast<void>(cudaStreamDestroy(stream_));
    if (free_ != nullptr) static_cast<void>(cudaEventDestroy(free_));
    if (there_ != nullptr) static_cast<void>(cudaEventDestroy(there_));
  }
  device* device_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t free_ = nullptr, there_ = nullptr;
  pinned_memory staging_;
  std::size_t used_ = 0;
};

namespace detail {

struct device_table {
  std::map<int, gpu_options> options;
  std::map<int, std::unique_ptr<device>> devices;
};
inline device_table& devices() {
  // Never destroyed: the driver may be gone by then.
  static device_table& t = *new device_table;
  return t;
}

}  // namespace detail

/// How the memory of a GPU is taken; failed_precondition once it is in use.
inline void configure(gpu which, gpu_options options) {
  const auto made = detail::devices().devices.find(which.number);
  if (made != detail::devices().devices.end() && made->second != nullptr)
    throw failed_precondition("gpu(" + std::to_string(which.number) + ") is in use already: configure it before its first tensor or session");
  detail::devices().options[which.number] = options;
}
/// The one device object of a GPU. For one thread at a time. invalid_argument when there is no such GPU.
inline device& device_of(gpu which) {
  detail::device_table& t = detail::devices();
  std::unique_ptr<device>& d = t.devices[which.number];
  if (d == nullptr) {
    const auto o = t.options.find(which.number);
    d = std::make_unique<device>(which, o == t.options.end() ? gpu_options{} : o->second);
  }
  return *d;
}

}  // namespace cuda
}  // namespace rill

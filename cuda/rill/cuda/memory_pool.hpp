// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `memory_pool<Source>`: memory of a device, taken from it in regions and handed out in blocks. A freed block goes back to
/// its neighbours and waits for the next request; regions stay until the pool dies. A request takes the smallest free block
/// that is large enough, the lowest address among equals. Blocks are multiples of 512 bytes and aligned to that.
///
///   memory_pool<source> pool({.allow_growth = true});
///   void* p = pool.allocate(1000);   // resource_exhausted when the device, or the share of it that is allowed, is full
///   pool.release(p);
///
/// `Source` has allocate(bytes) (nullptr when there is no more), release(pointer), free_bytes() and total_bytes().
/// Not for several threads at the same time.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <rill/core/error.hpp>

namespace rill::cuda {

/// Options of TensorFlow's GPUOptions, with its names.
struct gpu_options {
  /// Takes memory as it is needed; otherwise nearly all that is free at once.
  bool allow_growth = false;
  /// The part of the device's memory that may be taken; 0: all but what the driver and libraries need.
  double per_process_gpu_memory_fraction = 0;
};

template <class Source>
class memory_pool {
 public:
  explicit memory_pool(gpu_options options = {}, Source source = {}) : options_(options), source_(std::move(source)) {
    if (!(options.per_process_gpu_memory_fraction >= 0 && options.per_process_gpu_memory_fraction <= 1))
      throw invalid_argument("gpu_options: per_process_gpu_memory_fraction is " + std::to_string(options.per_process_gpu_memory_fraction) + ", wanted 0 to 1");
  }
  memory_pool(const memory_pool&) = delete;
  memory_pool& operator=(const memory_pool&) = delete;
  ~memory_pool() {
    for (const auto& [p, bytes] : regions_) source_.release(p);
  }

  /// A block of at least that many bytes; nullptr for 0.
  void* allocate(std::size_t bytes) {
    if (bytes == 0) return nullptr;
    const std::size_t wanted = rounded(bytes);
    if (wanted < bytes) fail(bytes);
    auto it = free_.lower_bound({wanted, nullptr});
    if (it == free_.end()) {
      grow(wanted);
      it = free_.lower_bound({wanted, nullptr});
    }
    char* const p = it->second;
    free_.erase(it);
    block& b = blocks_.find(p)->second;
    b.free = false;
    if (b.bytes - wanted >= unit) {
      block rest{b.bytes - wanted, true, false};
      b.bytes = wanted;
      blocks_.emplace(p + wanted, rest);
      free_.emplace(rest.bytes, p + wanted);
    }
    used_ += b.bytes;
    if (used_ > peak_) peak_ = used_;
    return p;
  }
  /// Takes back a block; nothing for nullptr. invalid_argument for an address that is none.
  void release(void* p) {
    if (p == nullptr) return;
    auto it = blocks_.find(static_cast<char*>(p));
    if (it == blocks_.end() || it->second.free) throw invalid_argument("memory_pool: release of an address that no block in use has");
    used_ -= it->second.bytes;
    it->second.free = true;
    const auto next = std::next(it);
    if (next != blocks_.end() && next->second.free && !next->second.first_of_region) join(it, next);
    if (it != blocks_.begin() && !it->second.first_of_region) {
      const auto before = std::prev(it);
      if (before->second.free) {
        free_.erase({before->second.bytes, before->first});
        before->second.bytes += it->second.bytes;
        blocks_.erase(it);
        it = before;
      }
    }
    free_.emplace(it->second.bytes, it->first);
  }

  /// Bytes of the blocks in use, the most there ever were, and those taken from the device.
  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] std::size_t peak() const { return peak_; }
  [[nodiscard]] std::size_t reserved() const { return reserved_; }

 private:
  static constexpr std::size_t unit = 512;
  static constexpr std::size_t first_region = std::size_t{1} << 21;
  struct block {
    std::size_t bytes;
    bool free;
    bool first_of_region;
  };
  static std::size_t rounded(std::size_t n) { return (n + unit - 1) / unit * unit; }
  using iterator = typename std::map<char*, block>::iterator;

  void join(iterator a, iterator b) {
    free_.erase({b->second.bytes, b->first});
    a->second.bytes += b->second.bytes;
    blocks_.erase(b);
  }
  /// Bytes that may still be taken.
  std::size_t allowed() const {
    const std::size_t total = source_.total_bytes(), free = source_.free_bytes();
    const double fraction = options_.per_process_gpu_memory_fraction;
    if (fraction > 0) {
      const auto cap = static_cast<std::size_t>(static_cast<double>(total) * fraction);
      const std::size_t left = cap > reserved_ ? cap - reserved_ : 0;
      return left < free ? left : free;
    }
    const std::size_t spare = total / 20;  // for the context, cuBLAS, cuDNN
    return free > spare ? free - spare : 0;
  }
  void grow(std::size_t wanted) {
    const std::size_t most = allowed() / unit * unit;
    if (most < wanted) fail(wanted);
    std::size_t bytes = most;
    if (options_.allow_growth) {
      bytes = reserved_ > first_region ? reserved_ : first_region;  // doubles
      if (bytes < wanted) bytes = wanted;
      if (bytes > most) bytes = most;
    }
    void* p = source_.allocate(bytes);
    while (p == nullptr && bytes > wanted) {  // the free memory is in pieces
      bytes = bytes / 2 > wanted ? bytes / 2 / unit * unit : wanted;
      p = source_.allocate(bytes);
    }
    if (p == nullptr) fail(wanted);
    regions_.emplace(p, bytes);
    reserved_ += bytes;
    blocks_.emplace(static_cast<char*>(p), block{bytes, true, true});
    free_.emplace(bytes, static_cast<char*>(p));
  }
  [[noreturn]] void fail(std::size_t wanted) const {
    throw resource_exhausted("no memory for " + std::to_string(wanted) + " bytes on the GPU: " + std::to_string(used_) + " bytes are in use, " +
                             std::to_string(reserved_) + " reserved, " + std::to_string(source_.free_bytes()) + " of " +
                             std::to_string(source_.total_bytes()) + " free, per_process_gpu_memory_fraction " +
                             std::to_string(options_.per_process_gpu_memory_fraction));
  }

  gpu_options options_;
  Source source_;
  std::map<void*, std::size_t> regions_;
  std::map<char*, block> blocks_;
  std::set<std::pair<std::size_t, char*>> free_;
  std::size_t used_ = 0, peak_ = 0, reserved_ = 0;
};

}  // namespace rill::cuda

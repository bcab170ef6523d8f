// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The scratch memory of kernels, which they lease: every thread has some, which only grows; an object
/// that must not allocate while it runs, on whatever thread, brings its own.
///
///   kernel::scratch_memory own;
///   { const kernel::scratch_memory::scope use(own); run_kernels(); }   // grows `own`, once

#include <array>
#include <cstddef>
#include <new>
#include <utility>

namespace rill::kernel {

class scratch_memory {
 public:
  static constexpr int max_depth = 8;  ///< of leases inside leases
  static constexpr std::align_val_t alignment{64};

  struct buffer {
    std::byte* data = nullptr;
    std::size_t size = 0;
    buffer() = default;
    buffer(const buffer&) = delete;
    buffer& operator=(const buffer&) = delete;
    ~buffer() { ::operator delete(data, alignment); }
    void reserve(std::size_t bytes) {
      if (bytes <= size) return;
      ::operator delete(data, alignment);
      data = nullptr;
      size = 0;
      data = static_cast<std::byte*>(::operator new(bytes, alignment));
      size = bytes;
    }
  };

  /// What leases of this thread use now.
  static scratch_memory& current() {
    if (scratch_memory* given = brought()) return *given;
    static thread_local scratch_memory own;
    return own;
  }

  /// While it lives, leases of this thread use `m`.
  class scope {
   public:
    explicit scope(scratch_memory& m) : before_(std::exchange(brought(), &m)) {}
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;
    ~scope() { brought() = before_; }

   private:
    scratch_memory* before_;
  };

  std::array<buffer, static_cast<std::size_t>(max_depth)> buffers;
  int depth = 0;

 private:
  static scratch_memory*& brought() {
    static thread_local scratch_memory* m = nullptr;
    return m;
  }
};

namespace detail {

/// Scratch memory of the calling thread for the lease's lifetime, 64-byte aligned. The memory outlives the lease and is
/// used again by the next one; leases nest (a waiting thread may be given another task that needs scratch itself).
class scratch_lease {
 public:
  explicit scratch_lease(std::size_t bytes) {
    scratch_memory& s = scratch_memory::current();
    if (s.depth < scratch_memory::max_depth) {
      scratch_memory::buffer& b = s.buffers[static_cast<std::size_t>(s.depth)];
      b.reserve(bytes);
      data_ = b.data;
    } else {
      own_.reserve(bytes);
      data_ = own_.data;
    }
    ++s.depth;
  }
  scratch_lease(const scratch_lease&) = delete;
  scratch_lease& operator=(const scratch_lease&) = delete;
  ~scratch_lease() { --scratch_memory::current().depth; }
  [[nodiscard]] std::byte* data() const { return data_; }

 private:
  scratch_memory::buffer own_;
  std::byte* data_ = nullptr;
};

}  // namespace detail

}  // namespace rill::kernel

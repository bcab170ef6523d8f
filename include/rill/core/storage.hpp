// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Memory of tensors: one 64-byte-aligned block with an intrusive, thread-safe count, shared by the tensor that owns it and
/// the views and expressions that look at it. A block is plain bytes, or holds constructed objects (strings) that die with
/// its last handle. Allocation failure is resource_exhausted and names the size.
///
///   auto s = storage::allocate(1024);        // s.data() is aligned to 64 bytes; copies of s share the block
///   auto t = storage::allocate_strings(10);  // t.data() points to ten empty std::string

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "error.hpp"

#if defined(__has_include)
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define RILL_DETAIL_SINGLE_THREADED
#endif
#endif

namespace rill {

namespace detail {

/// Whether the process has but one thread for sure: then counting takes no atomic instructions.
inline bool only_thread() noexcept {
#ifdef RILL_DETAIL_SINGLE_THREADED
#undef RILL_DETAIL_SINGLE_THREADED
  return __libc_single_threaded != 0;
#else
  return false;
#endif
}

}  // namespace detail

/// A counted handle on one block of bytes; empty by default.
class storage {
  struct header;

 public:
  static constexpr std::size_t alignment = 64;

  storage() = default;
  storage(const storage& other) noexcept : block_(other.block_) {
    if (block_) block_->retain();
  }
  storage(storage&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  storage& operator=(storage other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~storage() {
    if (block_) release(block_);
  }

  /// A block of `bytes` uninitialised bytes; no block at all for 0. resource_exhausted when there is no memory.
  static storage allocate(std::size_t bytes) {
    storage s;
    if (bytes == 0) return s;
    // Aligned here: the C library is slow at it.
    void* const p = bytes <= static_cast<std::size_t>(PTRDIFF_MAX) - 2 * alignment
                        ? ::operator new(2 * alignment + bytes, std::nothrow)
                        : nullptr;
    if (!p) no_memory(bytes);
    const std::size_t past = reinterpret_cast<std::uintptr_t>(p) % alignment;
    s.block_ = ::new (static_cast<unsigned char*>(p) + (past == 0 ? 0 : alignment - past)) header{};
    s.block_->memory = p;
    s.block_->bytes = bytes;
    return s;
  }
  /// A block of `n` value-initialised objects, destroyed with the last handle; no block at all for 0. resource_exhausted
  /// when there is no memory.
  template <class T>
  static storage allocate_objects(std::size_t n) {
    static_assert(alignof(T) <= alignment && std::is_nothrow_default_constructible_v<T> && std::is_nothrow_destructible_v<T>);
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(n, sizeof(T), &bytes)) bytes = SIZE_MAX;
    storage s = allocate(bytes);
    if (n == 0) return s;
    for (std::size_t i = 0; i < n; ++i) ::new (static_cast<void*>(static_cast<T*>(s.data()) + i)) T();
    if constexpr (!std::is_trivially_destructible_v<T>) {
      s.block_->objects = n;
      s.block_->destroy = [](void* p, std::size_t count) noexcept {
        for (std::size_t i = 0; i < count; ++i) static_cast<T*>(p)[i].~T();
      };
    }
    return s;
  }
  /// A block of `n` empty strings: the elements of a tensor of dtype string.
  static storage allocate_strings(std::size_t n) { return allocate_objects<std::string>(n); }

  [[nodiscard]] void* data() const noexcept {
    return block_ ? reinterpret_cast<unsigned char*>(block_) + alignment : nullptr;
  }
  explicit operator bool() const noexcept { return block_ != nullptr; }
  /// How many handles share the block, without one that this thread keeps (see short_handle); 0 for none.
  [[nodiscard]] std::int64_t use_count() const noexcept {
    return block_ ? block_->count.load(std::memory_order_relaxed) - (kept_place(block_) == block_) : 0;
  }
  friend bool operator==(const storage& a, const storage& b) noexcept { return a.block_ == b.block_; }

 private:
  struct header {
    std::atomic<std::int64_t> count{1};
    void retain() noexcept {
      if (detail::only_thread()) count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      else count.fetch_add(1, std::memory_order_relaxed);
    }
    /// How many handles are left without this one.
    std::int64_t drop() noexcept {
      if (!detail::only_thread()) return count.fetch_sub(1, std::memory_order_acq_rel) - 1;
      const std::int64_t left = count.load(std::memory_order_relaxed) - 1;
      count.store(left, std::memory_order_relaxed);
      return left;
    }
    std::size_t bytes = 0;
    void* memory = nullptr;                                  // what was allocated
    std::size_t objects = 0;                                 // constructed ones that `destroy` ends
    void (*destroy)(void*, std::size_t) noexcept = nullptr;  // null for plain bytes
  };
  static_assert(sizeof(header) <= alignment);
  [[noreturn, gnu::noinline, gnu::cold]] static void no_memory(std::size_t bytes) {
    throw resource_exhausted("cannot allocate " + std::to_string(bytes) + " bytes for a tensor");
  }
  [[gnu::noinline]] static void release(header* block) noexcept {  // apart: handles die everywhere
    if (const std::int64_t left = block->drop(); left != 0) {
      header*& kept = kept_place(block);
      if (left > 1 || kept != block) return;
      kept = nullptr;  // nobody else can get hold of it any more
      return release(block);
    }
    if (block->destroy) block->destroy(reinterpret_cast<unsigned char*>(block) + alignment, block->objects);
    void* const memory = block->memory;
    block->~header();
    ::operator delete(memory);
  }

  friend class short_handle;
  /// The handles that this thread keeps, each in the place that its block's address gives.
  struct kept_handles {
    static constexpr int places = 16;
    header* block[places];
    bool watched;  ///< something will give them back when the thread ends
    bool closed;   ///< and it has
  };
  static inline constinit thread_local kept_handles kept_ = {};
  static header*& kept_place(const header* block) noexcept {
    return kept_.block[(reinterpret_cast<std::uintptr_t>(block) * std::uint64_t{0x9E3779B97F4A7C15}) >> 60];
  }
  [[gnu::noinline]] static void watch() noexcept {
    struct at_end {
      ~at_end() {
        kept_.closed = true;
        for (header*& b : kept_.block)
          if (b) release(std::exchange(b, nullptr));
      }
    };
    static thread_local at_end of_this_thread;
    static_cast<void>(&of_this_thread);
    kept_.watched = true;
  }

  header* block_ = nullptr;
};

/// A handle for as long as an expression takes. In a process of several threads counting takes longer than a short loop;
/// so the handle on a small block is not given back at once but kept by the thread, which needs not count when its next
/// expression reads the same block. A tensor that dies takes along the handle that its thread keeps; others are given
/// back when another block needs the place, or the thread ends.
class short_handle {
 public:
  short_handle() = default;
  explicit short_handle(const storage& s) noexcept : block_(s.block_) { hold(); }
  short_handle(const short_handle& other) noexcept : block_(other.block_) { hold(); }
  short_handle(short_handle&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  short_handle& operator=(short_handle other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~short_handle() {
    if (block_) let_go(block_);
  }

 private:
  static constexpr std::size_t most_bytes = std::size_t{16} << 10;
  void hold() noexcept {
    if (!block_) return;
    if (storage::header*& kept = storage::kept_place(block_); kept == block_) kept = nullptr;
    else block_->retain();
  }
  [[gnu::noinline]] static void let_go(storage::header* block) noexcept {
    storage::header*& kept = storage::kept_place(block);
    const bool last = block->count.load(std::memory_order_relaxed) == 1;
    if (last || detail::only_thread() || block->bytes > most_bytes || kept == block || storage::kept_.closed)
      return storage::release(block);
    storage::header* const before = std::exchange(kept, block);
    if (before) storage::release(before);
    if (!storage::kept_.watched) storage::watch();
  }
  storage::header* block_ = nullptr;
};

}  // namespace rill

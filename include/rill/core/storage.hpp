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

namespace rill {

/// A counted handle on one block of bytes; empty by default.
class storage {
 public:
  static constexpr std::size_t alignment = 64;

  storage() = default;
  storage(const storage& other) noexcept : block_(other.block_) {
    if (block_) block_->count.fetch_add(1, std::memory_order_relaxed);
  }
  storage(storage&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  storage& operator=(storage other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~storage() {
    if (block_ && block_->count.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      if (block_->destroy) block_->destroy(data(), block_->objects);
      block_->~header();
      ::operator delete(block_, std::align_val_t{alignment});
    }
  }

  /// A block of `bytes` uninitialised bytes; no block at all for 0. resource_exhausted when there is no memory.
  static storage allocate(std::size_t bytes) {
    storage s;
    if (bytes == 0) return s;
    void* p = bytes <= static_cast<std::size_t>(PTRDIFF_MAX) - 2 * alignment
                  ? ::operator new(alignment + bytes, std::align_val_t{alignment}, std::nothrow)
                  : nullptr;
    if (!p) throw resource_exhausted("cannot allocate " + std::to_string(bytes) + " bytes for a tensor");
    s.block_ = ::new (p) header{};
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
  /// How many handles share the block; 0 for none.
  [[nodiscard]] std::int64_t use_count() const noexcept {
    return block_ ? block_->count.load(std::memory_order_relaxed) : 0;
  }
  friend bool operator==(const storage& a, const storage& b) noexcept { return a.block_ == b.block_; }

 private:
  struct header {
    std::atomic<std::int64_t> count{1};
    std::size_t objects = 0;                                 // constructed ones that `destroy` ends
    void (*destroy)(void*, std::size_t) noexcept = nullptr;  // null for plain bytes
  };
  static_assert(sizeof(header) <= alignment);
  header* block_ = nullptr;
};

}  // namespace rill

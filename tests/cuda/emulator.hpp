// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Runs device kernels on the host, so that what they compute is tested where there is no GPU: blocks one after the other,
/// the threads of a block as fibers that take turns at every sync and shuffle. A thread that misses a sync that others wait
/// at is an error, as are warps of which only a part shuffles. Shared memory starts as NaNs.

#include <ucontext.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <vector>

#include <rill/cuda/threads.cuh>

#if defined(__SANITIZE_ADDRESS__)
#define RILL_TEST_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RILL_TEST_ASAN
#endif
#endif
#ifdef RILL_TEST_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulator {

struct fiber {
  enum class state { ready, at_sync, at_shuffle, done };
  ucontext_t context{};
  static constexpr std::size_t stack_bytes = std::size_t{1} << 17;
  std::unique_ptr<unsigned char[]> stack;  ///< not filled with anything: most of it is never touched
  state now = state::ready;
  unsigned char exchanged[64] = {};
};

/// One block while it runs.
class block {
 public:
  block(unsigned threads, std::size_t shared_bytes) : fibers_(threads), shared_(shared_bytes / 4 + 4, 0x7fc00000u) {}

  template <class Body>
  void run(const Body& body) {
    body_ = [](const void* f, unsigned thread) { (*static_cast<const Body*>(f))(thread); };
    argument_ = &body;
    current() = this;
    for (std::size_t i = 0; i < fibers_.size(); ++i) {
      fiber& f = fibers_[i];
      f.stack = std::make_unique_for_overwrite<unsigned char[]>(fiber::stack_bytes);
      getcontext(&f.context);
      f.context.uc_stack.ss_sp = f.stack.get(), f.context.uc_stack.ss_size = fiber::stack_bytes;
      f.context.uc_link = &scheduler_;
      makecontext(&f.context, &block::start, 0);
    }
    for (bool going = true; going;) {
      going = false;
      for (std::size_t i = 0; i < fibers_.size(); ++i)
        if (fibers_[i].now == fiber::state::ready) resume(i), going = true;
      release();
    }
    for (const fiber& f : fibers_)
      if (f.now != fiber::state::done) throw std::logic_error("emulator: some threads of a block wait for others that have ended");
  }
  void wait(unsigned thread, fiber::state at) {
    fibers_[thread].now = at;
    leave(thread);
  }
  fiber& at(unsigned thread) { return fibers_[thread]; }
  void* shared() { return shared_.data(); }
  static block*& current() {
    static thread_local block* b = nullptr;
    return b;
  }

 private:
  static void start() {
    block& b = *current();
    const unsigned thread = b.running_;
#ifdef RILL_TEST_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &b.host_stack_, &b.host_size_);
#endif
    b.body_(b.argument_, thread);
    b.fibers_[thread].now = fiber::state::done;
#ifdef RILL_TEST_ASAN
    __sanitizer_start_switch_fiber(nullptr, b.host_stack_, b.host_size_);
#endif
    swapcontext(&b.fibers_[thread].context, &b.scheduler_);
  }
  void resume(std::size_t i) {
    running_ = static_cast<unsigned>(i);
#ifdef RILL_TEST_ASAN
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, fibers_[i].stack.get(), fiber::stack_bytes);
#endif
    swapcontext(&scheduler_, &fibers_[i].context);
#ifdef RILL_TEST_ASAN
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
  }
  void leave(unsigned thread) {
#ifdef RILL_TEST_ASAN
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, host_stack_, host_size_);
#endif
    swapcontext(&fibers_[thread].context, &scheduler_);
#ifdef RILL_TEST_ASAN
    __sanitizer_finish_switch_fiber(fake, &host_stack_, &host_size_);
#endif
  }
  /// Lets those go on that have met all that they wait for.
  void release() {
    for (std::size_t w = 0; w < fibers_.size(); w += rill::cuda::warp_size) meet(w, rill::cuda::warp_size, fiber::state::at_shuffle);
    meet(0, fibers_.size(), fiber::state::at_sync);
  }
  void meet(std::size_t first, std::size_t count, fiber::state where) {
    for (std::size_t i = first; i < first + count; ++i)
      if (fibers_[i].now != where) return;
    for (std::size_t i = first; i < first + count; ++i) fibers_[i].now = fiber::state::ready;
  }

  std::vector<fiber> fibers_;
  std::vector<std::uint32_t> shared_;
  ucontext_t scheduler_{};
  unsigned running_ = 0;
  void (*body_)(const void*, unsigned) = nullptr;
  const void* argument_ = nullptr;
#ifdef RILL_TEST_ASAN
  const void* host_stack_ = nullptr;
  std::size_t host_size_ = 0;
#endif
};

/// What a kernel sees of its thread (rill::cuda::gpu_threads).
class thread_view {
 public:
  thread_view(unsigned thread, unsigned x, unsigned y, const rill::cuda::launch_shape& s, class block* b)
      : thread_(thread), block_(x), block_y_(y), shape_(s), state_(b) {}

  [[nodiscard]] std::uint32_t thread() const { return thread_; }
  [[nodiscard]] std::uint32_t threads() const { return shape_.threads; }
  [[nodiscard]] std::uint32_t lane() const { return thread_ % rill::cuda::warp_size; }
  [[nodiscard]] std::uint32_t warp() const { return thread_ / rill::cuda::warp_size; }
  [[nodiscard]] std::uint32_t block() const { return block_; }
  [[nodiscard]] std::uint32_t block_y() const { return block_y_; }
  [[nodiscard]] std::uint32_t blocks() const { return shape_.blocks; }
  [[nodiscard]] std::uint32_t index() const { return block_ * shape_.threads + thread_; }
  [[nodiscard]] std::uint32_t count() const { return shape_.blocks * shape_.threads; }
  void sync() const { state().wait(thread_, fiber::state::at_sync); }
  template <class T>
  [[nodiscard]] T shuffle(const T& v, std::uint32_t from) const {
    return exchange(v, thread_ / rill::cuda::warp_size * rill::cuda::warp_size + from % rill::cuda::warp_size);
  }
  template <class T>
  [[nodiscard]] T shuffle_xor(const T& v, std::uint32_t mask) const {
    return exchange(v, thread_ ^ mask);
  }
  template <class S>
  [[nodiscard]] S& shared() const {
    return *static_cast<S*>(state().shared());
  }
  template <rill::cuda::mma_type K>
  void mma(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) const {
    std::uint32_t words[] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    std::memcpy(state().at(thread_).exchanged, words, sizeof words);
    state().wait(thread_, fiber::state::at_shuffle);
    const unsigned first = thread_ - lane(), g = lane() / 4, q = lane() % 4;
    const auto word = [&](unsigned from, unsigned k) {
      std::uint32_t w;
      std::memcpy(&w, state().at(first + from).exchanged + 4 * k, 4);
      return w;
    };
    for (unsigned e = 0; e < 4; ++e)
      for (unsigned w = 0; w < 8; ++w)
        for (int k = 0; k < (K == rill::cuda::mma_type::tf32 ? 1 : 2); ++k)
          c[e] += rill::cuda::detail::number_of<K>(word(4 * g + w % 4, w / 4 * 2 + e / 2), k) *
                  rill::cuda::detail::number_of<K>(word(4 * (2 * q + e % 2) + w % 4, 4 + w / 4), k);
    state().wait(thread_, fiber::state::at_shuffle);
  }
  template <class T>
  void atomic_add(T* p, T v) const {
    *p += v;
  }

 private:
  class block& state() const {
    if (state_ == nullptr) throw std::logic_error("emulator: a kernel that says it does not synchronize does");
    return *state_;
  }
  template <class T>
  T exchange(const T& v, unsigned from) const {
    static_assert(sizeof(T) <= sizeof(fiber::exchanged));
    std::memcpy(state().at(thread_).exchanged, &v, sizeof v);
    state().wait(thread_, fiber::state::at_shuffle);
    T r;
    std::memcpy(static_cast<void*>(&r), state().at(from).exchanged, sizeof r);
    state().wait(thread_, fiber::state::at_shuffle);  // nobody writes the next value before all have read this one
    return r;
  }
  unsigned thread_, block_, block_y_;
  const rill::cuda::launch_shape& shape_;
  class block* state_;
};

/// A device of the host: memory is the host's, work is done when it is asked for.
class device {
 public:
  [[nodiscard]] int processors() const { return processors_; }
  void set_processors(int n) { processors_ = n; }
  [[nodiscard]] std::int64_t launches() const { return launches_; }

  template <class K>
  void launch(const K& kernel, const rill::cuda::launch_shape& s) {
    static_assert(std::is_trivially_copyable_v<K> && sizeof(K) <= 4096);
    if (s.blocks == 0 || s.blocks_y == 0 || s.blocks_y > 65535 || s.threads == 0 || s.threads > 1024 || s.threads % rill::cuda::warp_size != 0)
      throw std::logic_error("emulator: no device takes a launch of this shape");
    ++launches_;
    for (unsigned y = 0; y < s.blocks_y; ++y)
      for (unsigned x = 0; x < s.blocks; ++x) {
        if constexpr (!K::synchronizes) {
          for (unsigned i = 0; i < s.threads; ++i) kernel(thread_view(i, x, y, s, nullptr));
        } else {
          block b(s.threads, sizeof(typename K::shared));
          b.run([&](unsigned i) { kernel(thread_view(i, x, y, s, &b)); });
        }
      }
  }
  // Memory and copies.
  void* allocate(std::size_t bytes) {
    void* const p = ::operator new(bytes == 0 ? 64 : bytes, std::align_val_t{64});
    std::memset(p, 0xff, bytes);
    ++blocks_;
    return p;
  }
  void release(void* p) {
    ::operator delete(p, std::align_val_t{64});
    --blocks_;
  }
  [[nodiscard]] int blocks() const { return blocks_; }  ///< in use
  void copy_in(void* to, const void* from, std::size_t n) { move(to, from, n); }
  void copy_out(void* to, const void* from, std::size_t n) { move(to, from, n); }
  void copy(void* to, const void* from, std::size_t n) { move(to, from, n); }
  void zero(void* p, std::size_t n) {
    if (n != 0) std::memset(p, 0, n);
  }
  void synchronize() {}

  /// Recorded work: done again when it is replayed.
  using recording_type = std::function<void()>;
  template <class Work>
  recording_type record(const Work& work) {
    ++records_;
    return work;
  }
  void replay(const recording_type& r) { r(); }
  [[nodiscard]] int records() const { return records_; }

  [[nodiscard]] std::int64_t scratch_moves() const { return scratch_moves_; }
  /// Memory until the next call.
  void* scratch(std::size_t bytes) {
    if (bytes > largest_scratch_) largest_scratch_ = bytes, ++scratch_moves_;
    scratch_.assign(bytes / 4 + 16, 0x7fc00000u);
    const auto at = reinterpret_cast<std::uintptr_t>(scratch_.data());
    return reinterpret_cast<void*>((at + 15) / 16 * 16);
  }

 private:
  static void move(void* to, const void* from, std::size_t n) {
    if (n != 0) std::memmove(to, from, n);
  }
  int processors_ = 4, blocks_ = 0, records_ = 0;
  std::int64_t launches_ = 0, scratch_moves_ = 0;
  std::size_t largest_scratch_ = 0;
  std::vector<std::uint32_t> scratch_;
};

}  // namespace emulator

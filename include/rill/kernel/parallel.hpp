// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The one way to run on several cores: a type-erased `parallel_for` over oneTBB, or over a pool that the program brings,
/// with a serial cut-off. Work is cut into chunks by its size alone, never by the number of threads, so every result is the
/// same for any thread count and any pool.
///
/// With RILL_SINGLE_THREADED defined (for every file of a program) oneTBB is neither included nor linked: loops are plain
/// loops, unless a pool is brought.

#if !defined(RILL_SINGLE_THREADED)
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#endif

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <exception>
#include <memory>

#include "../core/function_ref.hpp"

namespace rill {

/// Threads of the program's own, for `pool_scope`.
class thread_pool {
 public:
  virtual ~thread_pool() = default;
  /// How many threads may be inside `body` at once, the caller among them.
  [[nodiscard]] virtual int num_threads() const noexcept = 0;
  /// Calls `body(begin, end)` on ranges that cover [0, n) exactly once, cut and ordered as it likes, and returns when all
  /// calls have. `body` does not throw.
  virtual void parallel_for(std::int64_t n, function_ref<void(std::int64_t, std::int64_t)> body) = 0;
};

namespace detail {

/// Where the calling thread's loops go: to a pool, or nowhere else while it is inside one of that pool's calls.
struct loop_target {
  thread_pool* pool = nullptr;
  int slot = -1;  ///< inside a call: a number that no other thread inside has
};
inline loop_target& local_target() {
  static thread_local loop_target t;
  return t;
}

class target_scope {
 public:
  explicit target_scope(loop_target t) : before_(local_target()) { local_target() = t; }
  target_scope(const target_scope&) = delete;
  target_scope& operator=(const target_scope&) = delete;
  ~target_scope() { local_target() = before_; }

 private:
  loop_target before_;
};

}  // namespace detail

/// While it lives, the parallel loops that this thread starts run in `pool` (nullptr: as without it).
class pool_scope {
 public:
  explicit pool_scope(thread_pool* pool) : scope_({pool, -1}) {}

 private:
  detail::target_scope scope_;
};

/// Number of threads that parallel loops may use now.
inline int max_threads() {
  const detail::loop_target t = detail::local_target();
  if (t.slot >= 0) return 1;
  if (t.pool != nullptr) return std::max(1, t.pool->num_threads());
#if defined(RILL_SINGLE_THREADED)
  return 1;
#else
  return static_cast<int>(oneapi::tbb::global_control::active_value(oneapi::tbb::global_control::max_allowed_parallelism));
#endif
}

/// Limits parallel loops to `threads` threads while it lives (0 keeps the machine's default); a pool that the program
/// brings has as many as it has. Results do not change.
class thread_limit {
 public:
#if defined(RILL_SINGLE_THREADED)
  explicit thread_limit(int) {}
#else
  explicit thread_limit(int threads)
      : control_(threads > 0 ? std::make_unique<oneapi::tbb::global_control>(
                                   oneapi::tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads))
                             : nullptr) {}

 private:
  std::unique_ptr<oneapi::tbb::global_control> control_;
#endif
};

namespace detail {

/// Scratch that every thread of a loop has for itself is numbered: threads inside a loop started now have numbers below
/// `loop_slots()` (but see `loop_slot`), each another one.
inline int loop_slots() {
  if (const loop_target t = local_target(); t.slot >= 0 || t.pool != nullptr) return max_threads() + 1;
#if defined(RILL_SINGLE_THREADED)
  return 1;
#else
  return std::max(2, oneapi::tbb::this_task_arena::max_concurrency()) + 1;
#endif
}
/// The calling thread's number; it may be beyond what was promised, if a pool has more threads than it says.
inline int loop_slot() {
  if (const loop_target t = local_target(); t.slot >= 0 || t.pool != nullptr) return std::max(t.slot, 0);
#if defined(RILL_SINGLE_THREADED)
  return 0;
#else
  return std::max(oneapi::tbb::this_task_arena::current_thread_index(), 0);
#endif
}

/// parallel_for in a pool: calls get numbers from a mask of those in use, and the first exception comes back.
inline void run_in_pool(thread_pool& pool, std::int64_t chunks, function_ref<void(std::int64_t)> run) {
  std::atomic<std::uint64_t> taken = 0;
  std::atomic<bool> failed = false;
  std::exception_ptr problem;
  pool.parallel_for(chunks, [&](std::int64_t begin, std::int64_t end) {
    std::uint64_t seen = taken.load(), bit = 0;
    do bit = ~seen & (seen + 1);  // the lowest free one; none when all 64 are taken
    while (bit != 0 && !taken.compare_exchange_weak(seen, seen | bit));
    {
      const target_scope inside({&pool, bit == 0 ? 1 << 30 : 1 + std::countr_zero(bit)});
      try {
        for (std::int64_t c = begin; c < end && !failed.load(std::memory_order_relaxed); ++c) run(c);
      } catch (...) {
        if (!failed.exchange(true)) problem = std::current_exception();
      }
    }
    taken &= ~bit;
  });
  if (problem) std::rethrow_exception(problem);
}

}  // namespace detail

/// Calls `body(begin, end)` so that the calls cover [0, n) exactly once, on several threads where that pays.
/// Every call covers at most `grain` items and starts at a multiple of `grain`, whatever the number of threads; the
/// order of the calls is unspecified. `grain` should be some 10 microseconds of work or more; n <= grain runs in place.
/// An exception thrown by `body` reaches the caller (one of them, if several).
inline void parallel_for(std::int64_t n, std::int64_t grain, function_ref<void(std::int64_t, std::int64_t)> body) {
  if (n <= 0) return;
  if (grain < 1) grain = 1;
  const std::int64_t chunks = (n + grain - 1) / grain;
  const auto run = [&](std::int64_t c) { body(c * grain, (c + 1) * grain < n ? (c + 1) * grain : n); };
  if (chunks == 1 || max_threads() == 1) {
    for (std::int64_t c = 0; c < chunks; ++c) run(c);
    return;
  }
  if (thread_pool* pool = detail::local_target().pool) return detail::run_in_pool(*pool, chunks, run);
#if !defined(RILL_SINGLE_THREADED)
  oneapi::tbb::parallel_for(std::int64_t{0}, chunks, [&](std::int64_t c) { run(c); });
#endif
}

/// Calls a and b at the same time where there are two threads. Parallel loops in them run on the thread that they are
/// called by, so that each is as it would be alone, and neither takes up the other's work while it waits.
inline void side_by_side(function_ref<void()> a, function_ref<void()> b) {
  parallel_for(2, 1, [&](std::int64_t begin, std::int64_t end) {
    const detail::target_scope alone({detail::local_target().pool, 0});
    if (begin == 0) a();
    if (end == 2) b();
  });
}

}  // namespace rill

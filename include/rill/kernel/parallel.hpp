// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The one way to run on several cores: a type-erased `parallel_for` over oneTBB with a serial cut-off. Work is cut into
/// chunks by its size alone, never by the number of threads, so every result is the same for any thread count.

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <cstdint>
#include <memory>

#include "../core/function_ref.hpp"

namespace rill {

/// Number of threads that parallel loops may use now.
inline int max_threads() {
  return static_cast<int>(oneapi::tbb::global_control::active_value(oneapi::tbb::global_control::max_allowed_parallelism));
}

/// Limits parallel loops to `threads` threads while it lives (0 keeps the machine's default). Results do not change.
class thread_limit {
 public:
  explicit thread_limit(int threads)
      : control_(threads > 0 ? std::make_unique<oneapi::tbb::global_control>(
                                   oneapi::tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads))
                             : nullptr) {}

 private:
  std::unique_ptr<oneapi::tbb::global_control> control_;
};

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
  oneapi::tbb::parallel_for(std::int64_t{0}, chunks, [&](std::int64_t c) { run(c); });
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Ctrl-C during training. While a `signal_guard` lives, the first SIGINT or SIGTERM only sets a flag, which the training
/// loop reads between steps: it finishes the step, saves, flushes its event files and throws `interrupted`. A second
/// signal ends the process at once with exit status 128 + signal; files under an atomic write keep their old content.
///
///   try { classifier.train(...); }
///   catch (const train::interrupted& e) { std::cerr << e.what() << '\n'; return e.exit_code(); }   // 130 or 143

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "rill/core/error.hpp"

namespace rill::train {

/// The user (SIGINT) or the system (SIGTERM) asked training to stop; everything up to the last step is saved.
struct interrupted : cancelled {
  interrupted(int signal, const std::string& message) : cancelled(message), signal_(signal) {}
  [[nodiscard]] int signal() const noexcept { return signal_; }
  /// What main should return: 130 after Ctrl-C, 143 after SIGTERM.
  [[nodiscard]] int exit_code() const noexcept { return 128 + signal_; }

 private:
  int signal_;
};

namespace detail {
// A signal handler can reach nothing but a global; it lives only as long as some guard does.
inline std::atomic<int> pending_signal{0};
inline std::atomic<int> signal_guards{0};
static_assert(std::atomic<int>::is_always_lock_free, "the handler may only touch lock-free atomics");

extern "C" inline void rill_on_stop_signal(int signal) {
  int none = 0;
  if (!pending_signal.compare_exchange_strong(none, signal)) _exit(128 + signal);
}
}  // namespace detail

/// Catches SIGINT and SIGTERM while it lives; afterwards the previous handlers are back. Guards may nest.
/// A signal that the program ignored before (as under nohup) stays ignored.
class signal_guard {
 public:
  [[gnu::cold]] signal_guard() : outermost_(detail::signal_guards.fetch_add(1) == 0) {
    if (!outermost_) return;
    detail::pending_signal = 0;
    for (int i = 0; i < 2; ++i) {
      struct sigaction action {};
      action.sa_handler = detail::rill_on_stop_signal;
      action.sa_flags = SA_RESTART;  // reads of the input pipeline carry on
      sigemptyset(&action.sa_mask);
      sigaction(signals[i], nullptr, &before_[i]);
      if (before_[i].sa_handler != SIG_IGN) sigaction(signals[i], &action, nullptr);
    }
  }
  signal_guard(const signal_guard&) = delete;
  signal_guard& operator=(const signal_guard&) = delete;
  [[gnu::cold]] ~signal_guard() {
    if (outermost_) {
      for (int i = 0; i < 2; ++i) sigaction(signals[i], &before_[i], nullptr);
      detail::pending_signal = 0;
    }
    detail::signal_guards.fetch_sub(1);
  }

  /// The signal that has arrived, 0 if none.
  [[nodiscard]] static int pending() noexcept { return detail::pending_signal.load(std::memory_order_relaxed); }

 private:
  static constexpr int signals[2] = {SIGINT, SIGTERM};
  bool outermost_;
  struct sigaction before_[2];
};

}  // namespace rill::train

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How training looks while it runs. On a terminal one line that is redrawn at most every 100 ms:
///
///   training [=========>                    ]  3100/10000  loss 0.0421  61.3 steps/s  6130 examples/s  ETA 1:53
///
/// otherwise (a file, a pipe) a plain line after the first step and every `log_step_count_steps` steps:
///
///   step 101/20000: loss 2.1312, 5.44 steps/s, 544 examples/s, ETA 1:00:58
///
/// Rates are over the time since the last line. Nothing is allocated between lines.

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <ostream>
#include <string>
#include <string_view>

#include "rill/train/hooks.hpp"

namespace rill::train {

/// What a progress line says.
struct progress_state {
  std::int64_t step = 0;
  std::int64_t last_step = -1;  ///< -1: unknown
  std::int64_t first_step = 0;  ///< steps done before this run
  double loss = 0;
  double steps_per_second = 0;  ///< 0: not known yet
  double examples_per_second = 0;
};

/// "47s", "1:53", "1:00:58"; days as hours.
[[gnu::cold]] inline std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  const auto s = static_cast<std::int64_t>(std::ceil(seconds));
  char buffer[32];
  if (s < 60) std::snprintf(buffer, sizeof buffer, "%ds", static_cast<int>(s));
  else if (s < 3600) std::snprintf(buffer, sizeof buffer, "%d:%02d", static_cast<int>(s / 60), static_cast<int>(s % 60));
  else
    std::snprintf(buffer, sizeof buffer, "%lld:%02d:%02d", static_cast<long long>(s / 3600), static_cast<int>(s / 60 % 60),
                  static_cast<int>(s % 60));
  return buffer;
}

namespace detail {
/// Three significant digits: "5.44", "61.3", "6130".
[[gnu::cold]] inline std::string rate_text(double rate) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, rate < 10 ? "%.2f" : rate < 100 ? "%.1f" : "%.0f", rate);
  return buffer;
}
[[gnu::cold]] inline std::string eta_text(const progress_state& s) {
  if (s.last_step < 0 || s.steps_per_second <= 0) return {};
  return duration_text(static_cast<double>(s.last_step - s.step) / s.steps_per_second);
}
[[gnu::cold]] inline std::string loss_text(double loss) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, std::fabs(loss) < 1e-3 || std::fabs(loss) >= 1e6 ? "%.4g" : "%.4f", loss);
  return buffer;
}
}  // namespace detail

/// The plain line, without its end.
[[gnu::cold]] inline std::string log_line(const progress_state& s) {
  std::string out = "step " + std::to_string(s.step) + (s.last_step >= 0 ? "/" + std::to_string(s.last_step) : "");
  out += ": loss " + detail::loss_text(s.loss);
  if (s.steps_per_second > 0) {
    out += ", " + detail::rate_text(s.steps_per_second) + " steps/s, " + detail::rate_text(s.examples_per_second) + " examples/s";
    if (const std::string eta = detail::eta_text(s); !eta.empty() && s.step < s.last_step) out += ", ETA " + eta;
  }
  return out;
}

/// The line on a terminal of `width` columns (at most width - 1 of them are used, so that it never wraps). The bar gives
/// way first; without a known end there is none.
[[gnu::cold]] inline std::string bar_line(const progress_state& s, int width) {
  const auto columns = static_cast<std::size_t>(std::clamp(width, 20, 4096) - 1);
  std::string tail = "  " + std::to_string(s.step);
  if (s.last_step >= 0) tail += "/" + std::to_string(s.last_step);
  tail += "  loss " + detail::loss_text(s.loss);
  if (s.steps_per_second > 0) {
    tail += "  " + detail::rate_text(s.steps_per_second) + " steps/s  " + detail::rate_text(s.examples_per_second) + " examples/s";
    if (const std::string eta = detail::eta_text(s); !eta.empty()) tail += "  ETA " + eta;
  }
  std::string out = "training";
  const std::size_t used = out.size() + tail.size() + 3;
  if (s.last_step > s.first_step && used + 8 <= columns) {
    const std::size_t cells = std::min<std::size_t>(columns - used, 30);
    const double part = static_cast<double>(s.step - s.first_step) / static_cast<double>(s.last_step - s.first_step);
    const auto full = static_cast<std::size_t>(std::clamp(part, 0.0, 1.0) * static_cast<double>(cells));
    out += " [" + std::string(full, '=') + (full < cells ? ">" + std::string(cells - full - 1, ' ') : "") + "]";
  }
  out += tail;
  if (out.size() > columns) out.resize(columns);
  return out;
}

/// Draws the lines above while training runs.
class progress_hook : public hook {
 public:
  struct options {
    std::int64_t log_step_count_steps = 100;  ///< plain lines; 0 prints none
    double refresh_seconds = 0.1;             ///< terminal
    std::ostream* out = &std::cerr;
    int terminal_width = 0;                   ///< 0: ask; < 0: `out` is no terminal
  };
  progress_hook() : progress_hook(options()) {}
  explicit progress_hook(options o) : options_(o) {}
  progress_hook(const progress_hook&) = default;
  progress_hook& operator=(const progress_hook&) = default;
  [[gnu::cold]] ~progress_hook() override {
    if (drawn_) *options_.out << std::endl;  // training ended with an exception: what is said next gets its own line
  }

  [[gnu::cold]] void begin(const train_context& c) override {
    state_ = {};
    state_.first_step = state_.step = c.global_step;
    state_.last_step = c.last_step;
    width_ = options_.terminal_width != 0 ? options_.terminal_width : options_.out == &std::cerr ? stderr_width() : -1;
    started_ = drawn_ = false;
    examples_ = 0;
  }
  void after_step(step_context& step) override {
    examples_ += step.examples();
    const auto now = detail::clock::now();
    if (!started_) {  // the first step pays for first touches of memory; rates begin after it
      started_ = true;
      line_time_ = now;
      line_step_ = step.global_step();
      examples_ = 0;
      if (width_ <= 0 && options_.log_step_count_steps > 0) draw(step);
      return;
    }
    const bool due = width_ > 0 ? detail::seconds_between(line_time_, now) >= options_.refresh_seconds
                                : options_.log_step_count_steps > 0 &&
                                      step.global_step() >= line_step_ + options_.log_step_count_steps;
    if (due) {
      measure(step, now);
      draw(step);
    }
  }
  [[gnu::cold]] void end(step_context& step) override {
    if (!started_) return;
    if (width_ > 0) {
      if (step.global_step() > line_step_ && state_.steps_per_second <= 0) measure(step, detail::clock::now());
      state_.last_step = std::max(state_.last_step, step.global_step());
      draw(step);
      *options_.out << std::endl;
      drawn_ = false;
    } else if (step.global_step() > line_step_ && options_.log_step_count_steps > 0) {
      measure(step, detail::clock::now());
      draw(step);
    }
  }

 private:
  void measure(const step_context& step, detail::clock::time_point now) {
    const double seconds = detail::seconds_between(line_time_, now);
    const double rate = static_cast<double>(step.global_step() - line_step_) / seconds;
    const double examples = static_cast<double>(examples_) / seconds;
    // On a terminal windows are short: smooth over some ten of them, so that the figures can be read.
    const double keep = width_ > 0 && state_.steps_per_second > 0 ? 0.9 : 0.0;
    state_.steps_per_second = keep * state_.steps_per_second + (1 - keep) * rate;
    state_.examples_per_second = keep * state_.examples_per_second + (1 - keep) * examples;
    line_time_ = now;
    line_step_ = step.global_step();
    examples_ = 0;
  }
  [[gnu::cold]] void draw(const step_context& step) {
    state_.step = step.global_step();
    if (const step_value v = step.find("loss"); v.data != nullptr) state_.loss = v.at();
    if (width_ <= 0) {
      *options_.out << log_line(state_) + "\n" << std::flush;
      return;
    }
    drawn_ = true;
    const std::string line = bar_line(state_, width_);
    // "\r", the line, and "erase to the end of the line" for what a longer one left behind
    *options_.out << "\r" + line + "\x1b[K" << std::flush;
  }
  [[gnu::cold]] static int stderr_width() {
    if (::isatty(STDERR_FILENO) == 0) return -1;
    winsize w{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
  }

  options options_;
  progress_state state_;
  int width_ = -1;
  bool started_ = false, drawn_ = false;
  detail::clock::time_point line_time_{};
  std::int64_t line_step_ = 0, examples_ = 0;
};

}  // namespace rill::train

// SPDX-License-Identifier: Apache-2.0
#include "rill/train/progress.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <sstream>
#include <string>

#include "rill/train/loop.hpp"

using rill::train::progress_state;

TEST_CASE("progress: durations") {
  CHECK(rill::train::duration_text(0) == "0s");
  CHECK(rill::train::duration_text(46.2) == "47s");
  CHECK(rill::train::duration_text(60) == "1:00");
  CHECK(rill::train::duration_text(113) == "1:53");
  CHECK(rill::train::duration_text(3658) == "1:00:58");
  CHECK(rill::train::duration_text(360000) == "100:00:00");
  CHECK(rill::train::duration_text(-1) == "?");
  CHECK(rill::train::duration_text(std::nan("")) == "?");
}

TEST_CASE("progress: plain lines") {
  progress_state s{.step = 1, .last_step = 20000, .loss = 2.36026};
  CHECK(rill::train::log_line(s) == "step 1/20000: loss 2.3603");
  s = {.step = 101, .last_step = 20000, .loss = 2.13119, .steps_per_second = 5.44132, .examples_per_second = 544.132};
  CHECK(rill::train::log_line(s) == "step 101/20000: loss 2.1312, 5.44 steps/s, 544 examples/s, ETA 1:00:58");
  s.last_step = -1;
  CHECK(rill::train::log_line(s) == "step 101: loss 2.1312, 5.44 steps/s, 544 examples/s");
  s = {.step = 7, .last_step = 7, .loss = 1.5e-5, .steps_per_second = 61.27, .examples_per_second = 6127};
  CHECK(rill::train::log_line(s) == "step 7/7: loss 1.5e-05, 61.3 steps/s, 6127 examples/s");
}

TEST_CASE("progress: the bar fills, gives way on narrow terminals, and never wraps") {
  progress_state s{.step = 3100, .last_step = 10000, .loss = 0.0421, .steps_per_second = 61.3, .examples_per_second = 6130};
  CHECK(rill::train::bar_line(s, 120) ==
        "training [=========>                    ]  3100/10000  loss 0.0421  61.3 steps/s  6130 examples/s  ETA 1:53");
  s.step = 10000;
  CHECK(rill::train::bar_line(s, 120).find("[==============================]") != std::string::npos);
  s.first_step = 9000;
  s.step = 9500;
  CHECK(rill::train::bar_line(s, 120).find("[===============>              ]") != std::string::npos);
  for (const int width : {0, 20, 40, 60, 80, 81, 100, 200, 5000}) {
    CAPTURE(width);
    CHECK(rill::train::bar_line(s, width).size() < static_cast<std::size_t>(std::max(width, 20)));
  }
  s.last_step = -1;
  CHECK(rill::train::bar_line(s, 120) == "training  9500  loss 0.0421  61.3 steps/s  6130 examples/s");
}

namespace {

/// Runs n pretended steps of 20 examples and loss 1/step through the hook; what it printed.
std::string printed(rill::train::progress_hook::options options, std::int64_t first, std::int64_t n) {
  std::ostringstream out;
  options.out = &out;
  rill::graph::variable_store store;
  rill::train::hook_list hooks{rill::train::progress_hook(options)};
  std::int64_t step = first;
  float loss = 0;
  rill::train::run_steps(hooks, {.variables = store, .global_step = first, .last_step = first + n},
                         [&](rill::train::step_context& c) {
                           loss = 1.0f / static_cast<float>(++step);
                           c.end_step(step, 20);
                           c.add({"loss", rill::dtype::float32, {}, &loss});
                           return true;
                         });
  return out.str();
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("progress: without a terminal, one line for the first step, every hundredth after it, and the last") {
  const std::string text = printed({.log_step_count_steps = 100, .terminal_width = -1}, 0, 250);
  CHECK(count(text, "\n") == 4);
  CHECK(text.find("step 1/250: loss 1.0000\n") == 0);
  CHECK(text.find("\nstep 101/250: loss 0.0099, ") != std::string::npos);
  CHECK(text.find("\nstep 201/250: loss 0.0050, ") != std::string::npos);
  CHECK(text.find("\nstep 250/250: loss 0.0040, ") != std::string::npos);
  CHECK(text.find('\r') == std::string::npos);
  CHECK(printed({.log_step_count_steps = 0, .terminal_width = -1}, 0, 250).empty());
  // resumed, and ending on a logged step: no line twice
  const std::string more = printed({.log_step_count_steps = 100, .terminal_width = -1}, 500, 101);
  CHECK(count(more, "\n") == 2);
  CHECK(more.find("step 501/601") == 0);
  CHECK(count(more, "step 601/601") == 1);
}

TEST_CASE("progress: on a terminal one line, drawn at most as often as it may be, ended by a line break") {
  const std::string text = printed({.refresh_seconds = 1000, .terminal_width = 120}, 0, 2000);
  CHECK(count(text, "\r") == 1);
  CHECK(count(text, "\n") == 1);
  CHECK(text.back() == '\n');
  CHECK(text.find("[==============================]  2000/2000  loss 0.0005") != std::string::npos);
  CHECK(count(printed({.refresh_seconds = 0, .terminal_width = 120}, 0, 50), "\r") == 50);
}

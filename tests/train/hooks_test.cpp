// SPDX-License-Identifier: Apache-2.0
#include "rill/train/hooks.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "rill/summary/event_reader.hpp"
#include "rill/train/loop.hpp"
#include "../scratch.hpp"

namespace train = rill::train;

namespace {

/// n pretended steps after `first`; the loss of step k is losses(k), and a variable "w" of two floats exists.
template <class Losses>
train::loop_result run(train::hook_list hooks, std::int64_t first, std::int64_t n, Losses losses,
                       rill::summary::event_writer* events = nullptr) {
  rill::graph::variable_store store;
  auto& w = store.get("w", rill::dtype::float32, {2}, true);
  static_cast<float*>(w.data)[1] = 1.5f;
  std::int64_t step = first;
  float loss = 0;
  return train::run_steps(hooks, {.variables = store, .global_step = first, .last_step = first + n, .events = events},
                          [&](train::step_context& c) {
                            loss = losses(++step);
                            c.end_step(step, 1);
                            c.add({"loss", rill::dtype::float32, {}, &loss});
                            return true;
                          });
}
float falling(std::int64_t step) { return 1.0f / static_cast<float>(step); }

}  // namespace

TEST_CASE("hooks: called in order around every step, from values, pointers and shared pointers") {
  struct recorder : train::hook {
    std::string* log;
    char name;
    recorder(std::string* l, char n) : log(l), name(n) {}
    void add(const char* what, std::int64_t step) { *log += std::string(1, name) + what + std::to_string(step) + " "; }
    void begin(const train::train_context& c) override { add("begin", c.global_step); }
    void before_step(train::step_context& c) override { add("before", c.global_step()); }
    void after_step(train::step_context& c) override { add("after", c.global_step()); }
    void end(train::step_context& c) override { add("end", c.global_step()); }
  };
  std::string log;
  recorder b(&log, 'b');
  const auto result = run({recorder(&log, 'a'), &b, std::make_shared<recorder>(&log, 'c')}, 5, 2, falling);
  CHECK(result.global_step == 7);
  CHECK(result.signal == 0);
  CHECK(log ==
        "abegin5 bbegin5 cbegin5 "
        "abefore5 bbefore5 cbefore5 aafter6 bafter6 cafter6 "
        "abefore6 bbefore6 cbefore6 aafter7 bafter7 cafter7 "
        "aend7 bend7 cend7 ");
}

TEST_CASE("hooks: a user's hook stops training") {
  struct early_stop : train::hook {
    void after_step(train::step_context& step) override {
      if (step.loss() < 0.11) step.request_stop();
    }
  };
  CHECK(run({early_stop{}}, 0, 1000, falling).global_step == 10);
}

TEST_CASE("stop_at_step_hook: relative and absolute") {
  CHECK(run({train::stop_at_step_hook({.num_steps = 7})}, 100, 50, falling).global_step == 107);
  CHECK(run({train::stop_at_step_hook({.last_step = 103})}, 100, 50, falling).global_step == 103);
  CHECK(run({train::stop_at_step_hook({.last_step = 50})}, 100, 50, falling).global_step == 101);
  CHECK_THROWS_AS(train::stop_at_step_hook({}), rill::invalid_argument);
  CHECK_THROWS_AS(train::stop_at_step_hook({.num_steps = 1, .last_step = 1}), rill::invalid_argument);
}

TEST_CASE("logging_hook: aliases, variables, the first step and every n-th after it") {
  std::ostringstream out;
  run({train::logging_hook({.tensors = {{"l", "loss"}, {"weights", "w"}}, .every_n_iter = 50, .out = &out})}, 0, 120, falling);
  std::istringstream lines(out.str());
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) all.push_back(line.substr(0, line.find(" (")));
  CHECK(all == std::vector<std::string>{"l = 1, weights = [0 1.5], step = 1", "l = 0.0196078, weights = [0 1.5], step = 51",
                                        "l = 0.00990099, weights = [0 1.5], step = 101"});
  std::ostringstream end_only;
  run({train::logging_hook({.tensors = {{"loss", "loss"}}, .every_n_iter = 0, .at_end = true, .out = &end_only})}, 0, 4, falling);
  CHECK(end_only.str() == "loss = 0.25, step = 4\n");
  CHECK_THROWS_WITH_AS(run({train::logging_hook({.tensors = {{"p", "softmax_tensor"}}})}, 0, 1, falling),
                       "logging_hook: the step has no value 'softmax_tensor' (alias 'p')", rill::not_found);
  CHECK_THROWS_AS(train::logging_hook({.every_n_iter = 0}), rill::invalid_argument);
}

TEST_CASE("step_value: prints as NumPy does") {
  std::vector<float> f(1200);
  for (std::size_t i = 0; i < f.size(); ++i) f[i] = static_cast<float>(i) / 4;
  const std::int64_t i[] = {1, -2, 3, 4};
  const bool b[] = {true, false};
  using rill::dtype;
  CHECK(to_string(train::step_value{"f", dtype::float32, {}, f.data() + 1}) == "0.25");
  CHECK(to_string(train::step_value{"i", dtype::int64, {2, 2}, i}) == "[[1 -2]\n [3 4]]");
  CHECK(to_string(train::step_value{"b", dtype::boolean, {2}, b}) == "[True False]");
  CHECK(to_string(train::step_value{"e", dtype::float32, {0}, f.data()}) == "[]");
  CHECK(to_string(train::step_value{"f", dtype::float32, {1200}, f.data()}) == "[0 0.25 0.5 ... 299.25 299.5 299.75]");
  CHECK(to_string(train::step_value{}) == "(none)");
}

TEST_CASE("nan_tensor_hook: ends training at the step, before anything else is saved") {
  const auto bad = [](float value) {
    return [value](std::int64_t step) { return step == 4 ? value : 1.0f; };
  };
  CHECK_THROWS_WITH_AS(run({train::nan_tensor_hook()}, 0, 10, bad(std::nanf(""))),
                       "model diverged: loss = NaN at step 4 (a smaller learning rate often helps)", rill::aborted);
  CHECK_THROWS_WITH_AS(run({train::nan_tensor_hook()}, 0, 10, bad(std::numeric_limits<float>::infinity())),
                       "model diverged: loss = infinity at step 4 (a smaller learning rate often helps)", rill::aborted);
  CHECK_THROWS_AS(run({train::nan_tensor_hook({.tensor = "nothing"})}, 0, 10, falling), rill::not_found);
  std::ostringstream text;
  {
    struct redirect {
      std::streambuf* before;
      ~redirect() { std::cerr.rdbuf(before); }
    } const guard{std::cerr.rdbuf(text.rdbuf())};
    CHECK(run({train::nan_tensor_hook({.fail_on_nan_loss = false})}, 0, 10, bad(std::nanf(""))).global_step == 4);
  }
  CHECK(text.str() == "warning: model diverged: loss = NaN at step 4; training stops\n");

  const rill::test::scratch_dir dir;
  CHECK_THROWS_AS(run({train::nan_tensor_hook(), train::checkpoint_saver_hook({.checkpoint_dir = dir.path(), .save_steps = 1})}, 0,
                      10, bad(std::nanf(""))),
                  rill::aborted);
  CHECK(rill::io::latest_checkpoint(dir.path()) == dir.path() + "/model.ckpt-3");
}

TEST_CASE("checkpoint_saver_hook: the first step, every n-th after it, the last, none twice") {
  const auto saved = [](std::int64_t first, std::int64_t n, std::int64_t every) {
    const rill::test::scratch_dir dir;
    run({train::checkpoint_saver_hook({.checkpoint_dir = dir.path(), .save_steps = every, .max_to_keep = 0})}, first, n, falling);
    std::vector<std::string> names;
    const auto state = rill::io::read_checkpoint_state(dir.path());
    REQUIRE(state.has_value());
    for (const std::string& path : state->all_model_checkpoint_paths)
      names.push_back(path.substr(path.find('-') + 1));
    return names;
  };
  CHECK(saved(0, 200, 0) == std::vector<std::string>{"1", "200"});  // by time: 600 s
  CHECK(saved(0, 1, 0) == std::vector<std::string>{"1"});
  CHECK(saved(200, 50, 20) == std::vector<std::string>{"201", "221", "241", "250"});
  CHECK(saved(0, 21, 20) == std::vector<std::string>{"1", "21"});
  CHECK_THROWS_AS(train::checkpoint_saver_hook({}), rill::invalid_argument);
}

TEST_CASE("summary_saver_hook, step_counter_hook: what reaches the event file, steps rising in every tag") {
  const rill::test::scratch_dir dir;
  std::string path;
  {
    rill::summary::event_writer events(dir.path());
    path = events.path();
    run({train::step_counter_hook({.every_n_steps = 10}), train::summary_saver_hook({.save_steps = 10})}, 0, 35, falling, &events);
  }
  std::map<std::string, std::vector<std::int64_t>> steps;
  for (const auto& e : rill::summary::read_events(path).events)
    for (const auto& v : e.values) {
      steps[v.tag].push_back(e.step);
      if (v.tag == "loss") CHECK(v.scalar.value() == falling(e.step));
      else CHECK(v.scalar.value() > 0);
    }
  CHECK(steps["loss"] == std::vector<std::int64_t>{1, 11, 21, 31});
  CHECK(steps["global_step/sec"] == std::vector<std::int64_t>{11, 21, 31});
  CHECK(steps.size() == 2);
}

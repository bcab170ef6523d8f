// SPDX-License-Identifier: Apache-2.0
#include "rill/train/profiler_hook.hpp"

#include <doctest/doctest.h>

#include <rill/nn/nn.hpp>
#include <rill/optimizers/gradient_descent.hpp>
#include <string>
#include <vector>

#include "../scratch.hpp"
#include "rill/summary/event_reader.hpp"
#include "rill/train/loop.hpp"

using namespace rill;

namespace {

struct step {
  constexpr auto operator()(symbol x) const {
    symbol loss = reduce_mean(square(nn::dense{.units = 3}(x)));
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{0.1}.minimize(loss)));
  }
};

/// n steps with these hooks; whether each was traced.
std::vector<bool> run(train::hook_list hooks, std::int64_t n, summary::event_writer* events = nullptr, bool tracing = true) {
  graph::variable_store store;
  graph::session<step, tensor<float, dyn, 5>> session(store);
  tensor<float, dyn, 5> x({4, 5});
  std::int64_t done = 0;
  std::vector<bool> traced;
  train::run_steps(hooks, {.variables = store, .last_step = n, .events = events}, [&](train::step_context& c) {
    traced.push_back(c.trace() != nullptr);
    session.step({.trace = tracing ? c.trace() : nullptr}, x);
    c.end_step(++done, 4);
    return true;
  });
  return traced;
}
std::vector<std::string> files(const std::string& dir) { return io::list_dir(dir); }

}  // namespace

TEST_CASE("profiler_hook: the first step and every third after it") {
  const test::scratch_dir dir;
  {
    summary::event_writer events(dir / "events");
    const auto traced = run({train::profiler_hook({.save_steps = 3, .output_dir = dir / "a/b"})}, 8, &events);
    CHECK(traced == std::vector<bool>{true, false, false, true, false, false, true, false});
  }
  CHECK(files(dir / "a/b") == std::vector<std::string>{"timeline-1.json", "timeline-4.json", "timeline-7.json"});
  const std::string json = io::read_file(dir / "a/b/timeline-4.json");
  CHECK(json.find("\"name\":\"dense/MatMul+Add") != std::string::npos);
  CHECK(json.find("\"name\":\"run 0\"") != std::string::npos);
  CHECK(json.find("\"name\":\"run 1\"") == std::string::npos);  // one run a file
  std::vector<std::string> tags;
  for (const summary::event& e : summary::read_event_dir(dir / "events").events) {
    if (e.run_metadata_tag.empty()) continue;
    tags.push_back(e.run_metadata_tag);
    CHECK("step" + std::to_string(e.step) == e.run_metadata_tag);
    CHECK(io::parse_run_metadata(e.run_metadata).devices.at(0).nodes.size() > 4);
  }
  CHECK(tags == std::vector<std::string>{"step1", "step4", "step7"});
}

TEST_CASE("profiler_hook: by time, and two hooks at once") {
  const test::scratch_dir dir;
  const auto traced = run({train::profiler_hook({.save_secs = 1000, .output_dir = dir / "slow"}),
                           train::profiler_hook({.save_steps = 2, .output_dir = dir / "often"})}, 4);
  CHECK(traced == std::vector<bool>{true, false, true, false});
  CHECK(files(dir / "slow") == std::vector<std::string>{"timeline-1.json"});
  CHECK(files(dir / "often") == std::vector<std::string>{"timeline-1.json", "timeline-3.json"});
}

TEST_CASE("profiler_hook: wrong options, and a loop that does not trace") {
  CHECK_THROWS_WITH_AS(train::profiler_hook({}), doctest::Contains("exactly one of save_steps and save_secs"), invalid_argument);
  CHECK_THROWS_AS(train::profiler_hook({.save_steps = 1, .save_secs = 1}), invalid_argument);
  const test::scratch_dir dir;
  CHECK_THROWS_WITH_AS(run({train::profiler_hook({.save_steps = 2, .output_dir = dir.path()})}, 4, nullptr, false),
                       doctest::Contains("step 1 was not traced"), failed_precondition);
  CHECK(files(dir.path()).empty());
}

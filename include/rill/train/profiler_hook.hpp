// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Profiles training as tf.train.ProfilerHook does: of the first step, and then of every `save_steps`-th or once in
/// `save_secs`, it writes timeline-<step>.json for chrome://tracing or ui.perfetto.dev and, where the run has an event file,
/// the same as RunMetadata "step<step>" for TensorBoard's graph page. The steps between cost nothing.
///
///   classifier.train(data, {.steps = 2000, .hooks = {train::profiler_hook({.save_steps = 100, .output_dir = "models/mnist"})}});

#include <cstdint>
#include <string>
#include <utility>

#include "rill/graph/trace_log.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/summary/run_metadata.hpp"
#include "rill/train/hooks.hpp"

namespace rill::train {

/// invalid_argument unless exactly one of save_steps and save_secs is given; failed_precondition when the training loop
/// does not trace its steps (`session.step({.trace = context.trace()}, ...)`).
class profiler_hook : public hook {
 public:
  struct options {
    std::int64_t save_steps = 0;
    double save_secs = 0;
    std::string output_dir = {};  ///< made when missing
  };
  explicit profiler_hook(options o) : options_(std::move(o)), trigger_(options_.save_steps, options_.save_secs) {
    if ((options_.save_steps > 0) == (options_.save_secs > 0))
      rill::detail::raise<invalid_argument>({"profiler_hook: exactly one of save_steps and save_secs must be given"});
  }
  void begin(const train_context& c) override {
    events_ = c.events;
    trigger_.reset();
    if (!options_.output_dir.empty()) io::make_dirs(options_.output_dir);
  }
  void before_step(step_context& step) override {
    traced_ = nullptr;
    if (!trigger_.due(step.global_step() + 1)) return;
    log_.runs.clear();
    traced_ = &step.request_trace(&log_)->log();
  }
  void after_step(step_context& step) override {
    if (traced_ == nullptr) return;
    if (traced_->runs.empty())
      rill::detail::raise<failed_precondition>({"profiler_hook: step ", step.global_step(), " was not traced: the loop must run "
                                                "its session with {.trace = context.trace()}"});
    const std::string number = std::to_string(step.global_step());
    io::atomic_write(io::join_path(options_.output_dir, "timeline-" + number + ".json"), graph::to_chrome_trace(*traced_));
    if (events_ != nullptr)
      events_->add_run_metadata("step" + number, io::serialize(summary::run_metadata_of(traced_->runs.back())),
                                step.global_step());
    trigger_.fired(step.global_step());
  }

 private:
  options options_;
  detail::trigger trigger_;
  summary::event_writer* events_ = nullptr;
  graph::trace_log log_;
  graph::trace_log* traced_ = nullptr;  ///< the log of the step at hand
};

}  // namespace rill::train

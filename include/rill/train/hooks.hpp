// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What runs beside the training steps. A hook sees the beginning, every step with the values it left behind, and the
/// end. An exception thrown by a hook ends training and reaches the caller; `end` is then not called. Hooks must not
/// allocate except when they act, so that a step costs no heap allocation.
///
///   struct early_stop : train::hook {
///     void after_step(train::step_context& step) override { if (step.loss() < 0.01) step.request_stop(); }
///   };
///   classifier.train(data, {.steps = 20000, .hooks = {early_stop{}, train::logging_hook({.tensors = {{"loss", "loss"}}})}});

#include <array>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "rill/core/dtype.hpp"
#include "rill/core/error.hpp"
#include "rill/core/shape.hpp"
#include "rill/core/text.hpp"
#include "rill/graph/variable_store.hpp"
#include "rill/io/graph_def.hpp"
#include "rill/summary/event_writer.hpp"
#include "rill/train/saver.hpp"

namespace rill::graph {
class tracer;
}

namespace rill::train {

/// A named tensor that can be looked at between two steps, not kept.
struct step_value {
  std::string_view name;
  dtype type = dtype::invalid;
  tensor_shape shape;
  const void* data = nullptr;

  /// Element i as double; NaN when it is no real number.
  [[nodiscard]] double at(std::int64_t i = 0) const {
    if (type == dtype::boolean) return static_cast<const bool*>(data)[i] ? 1.0 : 0.0;
    if (!is_floating(type) && !is_integer(type)) return std::numeric_limits<double>::quiet_NaN();
    return visit_real(type, [&]<class T>(std::type_identity<T>) { return static_cast<double>(static_cast<const T*>(data)[i]); });
  }
};

/// What is known when training begins.
struct train_context {
  graph::variable_store& variables;
  std::int64_t global_step = 0;              ///< steps done before
  std::int64_t last_step = -1;               ///< global step at which training ends, -1 when only the data end it
  const io::graph_def* graph = nullptr;      ///< the training graph, if known
  summary::event_writer* events = nullptr;   ///< the event file of the run, if one is written
};

/// What is known around one step. Filled by the loop.
class step_context {
 public:
  step_context(graph::variable_store& variables, std::int64_t last_step) : variables_(&variables), last_step_(last_step) {}

  /// Steps done: before the step in before_step, including it in after_step.
  [[nodiscard]] std::int64_t global_step() const { return global_step_; }
  /// Global step at which training ends, -1 when only the data end it.
  [[nodiscard]] std::int64_t last_step() const { return last_step_; }
  /// Rows of this step's batch.
  [[nodiscard]] std::int64_t examples() const { return examples_; }
  /// The value called "loss"; NaN if there is none.
  [[nodiscard]] double loss() const {
    const step_value v = find("loss");
    return v.data != nullptr ? v.at() : std::numeric_limits<double>::quiet_NaN();
  }
  /// What the step fetched ("loss", "probabilities", ...), in order.
  [[nodiscard]] std::span<const step_value> values() const { return {values_.data(), count_}; }
  /// A fetched value or a variable by name; `data` is null when there is none.
  [[nodiscard]] step_value find(std::string_view name) const {
    for (const step_value& v : values())
      if (v.name == name) return v;
    if (const graph::stored_variable* v = variables_->find(name)) {
      variables_->to_host(*v);
      return {v->name, v->type, v->shape, v->data};
    }
    return {};
  }
  [[nodiscard]] graph::variable_store& variables() const { return *variables_; }
  /// Training ends after this step, as if it had been the last.
  void request_stop() { stop_ = true; }
  [[nodiscard]] bool stop_requested() const { return stop_; }
  /// In before_step: the step to come is traced into this log, or into the one of the hook that asked first; that is
  /// returned. The loop runs its session with `{.trace = trace()}`.
  graph::tracer* request_trace(graph::tracer* log) { return trace_ = trace_ != nullptr ? trace_ : log; }
  [[nodiscard]] graph::tracer* trace() const { return trace_; }

  // Called by the loop.
  void begin_step() {
    count_ = 0;
    trace_ = nullptr;
  }
  void end_step(std::int64_t global_step, std::int64_t examples) {
    global_step_ = global_step;
    examples_ = examples;
  }
  void set_global_step(std::int64_t step) { global_step_ = step; }
  void add(const step_value& v) {
    if (count_ < values_.size()) values_[count_++] = v;
  }

 private:
  graph::variable_store* variables_;
  std::int64_t last_step_, global_step_ = 0, examples_ = 0;
  std::array<step_value, 16> values_;
  std::size_t count_ = 0;
  graph::tracer* trace_ = nullptr;
  bool stop_ = false;
};

/// Base of all hooks.
class hook {
 public:
  hook() = default;
  hook(const hook&) = default;
  hook& operator=(const hook&) = default;
  virtual ~hook() = default;
  virtual void begin(const train_context&) {}
  virtual void before_step(step_context&) {}
  virtual void after_step(step_context&) {}
  virtual void end(step_context&) {}
};

/// A hook in a list: made from a hook (which is copied or moved in) or a pointer to one that outlives training.
class hook_handle {
 public:
  template <class H>
    requires std::derived_from<std::remove_cvref_t<H>, hook>
  hook_handle(H&& h) : hook_(static_cast<hook*>(new std::remove_cvref_t<H>(std::forward<H>(h)))) {}  // NOLINT: implicit
  hook_handle(hook* h) : hook_(std::shared_ptr<hook>(), h) {}                                   // NOLINT: implicit
  template <std::derived_from<hook> H>
  hook_handle(std::shared_ptr<H> h) : hook_(std::move(h)) {}  // NOLINT: implicit
  hook* operator->() const { return hook_.get(); }

 private:
  std::shared_ptr<hook> hook_;
};
using hook_list = std::vector<hook_handle>;

namespace detail {
using clock = std::chrono::steady_clock;
inline double seconds_between(clock::time_point from, clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// Fires at the first step it sees, then every n steps or s seconds (whichever is set).
class trigger {
 public:
  trigger(std::int64_t steps, double seconds) : steps_(steps), seconds_(seconds) {}
  [[nodiscard]] bool due(std::int64_t step) const {
    if (last_step_ < 0) return true;
    if (step == last_step_) return false;
    if (steps_ > 0) return step >= last_step_ + steps_;
    return seconds_ > 0 && seconds_between(last_time_, clock::now()) >= seconds_;
  }
  void fired(std::int64_t step) {
    last_step_ = step;
    last_time_ = clock::now();
  }
  [[nodiscard]] std::int64_t last_step() const { return last_step_; }
  [[nodiscard]] clock::time_point last_time() const { return last_time_; }
  void reset() { last_step_ = -1; }

 private:
  std::int64_t steps_;
  double seconds_;
  std::int64_t last_step_ = -1;
  clock::time_point last_time_{};
};

/// A value as NumPy prints it; long axes show their three first and last entries.
[[gnu::cold]] inline void print_value(std::string& out, const step_value& v, int axis, std::int64_t offset, bool whole) {
  if (axis == v.shape.rank()) {
    char buffer[32];
    const double x = v.at(offset);
    if (v.type == dtype::boolean) out += x != 0 ? "True" : "False";
    else out.append(buffer, static_cast<std::size_t>(std::snprintf(buffer, sizeof buffer, is_floating(v.type) ? "%.6g" : "%.0f", x)));
    return;
  }
  const std::int64_t n = v.shape[axis];
  std::int64_t stride = 1;
  for (int i = axis + 1; i < v.shape.rank(); ++i) stride *= v.shape[i];
  out += "[";
  for (std::int64_t i = 0; i < n; ++i) {
    const bool last_axis = axis + 1 == v.shape.rank();
    if (i > 0) out += last_axis ? " " : "\n" + std::string(static_cast<std::size_t>(axis) + 1, ' ');
    if (!whole && n > 6 && i == 3) {
      out += "...";
      i = n - 4;
      continue;
    }
    print_value(out, v, axis + 1, offset + i * stride, whole);
  }
  out += "]";
}
}  // namespace detail

/// A value as text: "0.25", "[1 2 3]"; of more than 1000 elements only the corners.
[[gnu::cold]] inline std::string to_string(const step_value& v) {
  std::string out;
  if (v.data == nullptr) return "(none)";
  detail::print_value(out, v, 0, 0, v.shape.num_elements() <= 1000);
  return out;
}

/// Prints values by alias at the first step and every n after it: "loss = 0.25, step = 101 (3.120 sec)".
/// A name that is neither fetched nor a variable is not_found at the first step.
class logging_hook : public hook {
 public:
  struct options {
    std::vector<std::pair<std::string, std::string>> tensors = {};  ///< alias -> name
    std::int64_t every_n_iter = 100;
    double every_n_secs = 0;  ///< used when every_n_iter is 0
    bool at_end = false;
    std::ostream* out = &std::cerr;
  };
  [[gnu::cold]] explicit logging_hook(options o) : options_(std::move(o)), trigger_(options_.every_n_iter, options_.every_n_secs) {
    if (options_.every_n_iter <= 0 && options_.every_n_secs <= 0 && !options_.at_end)
      rill::detail::raise<invalid_argument>({"logging_hook: every_n_iter must be at least 1, got ", options_.every_n_iter});
  }
  void begin(const train_context&) override { trigger_.reset(); }
  void after_step(step_context& step) override {
    if ((options_.every_n_iter > 0 || options_.every_n_secs > 0) && trigger_.due(step.global_step())) print(step);
  }
  [[gnu::cold]] void end(step_context& step) override {
    if (options_.at_end) print(step);
  }

 private:
  [[gnu::cold]] void print(const step_context& step) {
    std::string line;
    for (const auto& [alias, name] : options_.tensors) {
      const step_value v = step.find(name);
      if (v.data == nullptr) rill::detail::raise<not_found>({"logging_hook: the step has no value '", name, "' (alias '",
                                                             alias, "')"});
      line += (line.empty() ? "" : ", ") + alias + " = " + to_string(v);
    }
    line += (line.empty() ? "step = " : ", step = ") + std::to_string(step.global_step());
    if (trigger_.last_step() >= 0) {
      char buffer[32];
      std::snprintf(buffer, sizeof buffer, " (%.3f sec)", detail::seconds_between(trigger_.last_time(), detail::clock::now()));
      line += buffer;
    }
    detail::print_line(*options_.out, line);
    trigger_.fired(step.global_step());
  }

  options options_;
  detail::trigger trigger_;
};

/// Ends training after `num_steps` more steps or at global step `last_step`; exactly one of them is given.
class stop_at_step_hook : public hook {
 public:
  struct options {
    std::optional<std::int64_t> num_steps = std::nullopt;
    std::optional<std::int64_t> last_step = std::nullopt;
  };
  [[gnu::cold]] explicit stop_at_step_hook(options o) : options_(o) {
    if (o.num_steps.has_value() == o.last_step.has_value())
      rill::detail::raise<invalid_argument>({"stop_at_step_hook: exactly one of num_steps and last_step must be given"});
  }
  [[gnu::cold]] void begin(const train_context& c) override {
    stop_at_ = options_.last_step ? *options_.last_step : c.global_step + *options_.num_steps;
  }
  void after_step(step_context& step) override {
    if (step.global_step() >= stop_at_) step.request_stop();
  }

 private:
  options options_;
  std::int64_t stop_at_ = 0;
};

/// Saves a checkpoint after the first step, then every `save_secs` seconds or `save_steps` steps, and at the end. Never
/// twice for one step.
class checkpoint_saver_hook : public hook {
 public:
  struct options {
    std::string checkpoint_dir = {};
    double save_secs = 600;
    std::int64_t save_steps = 0;  ///< if set, `save_secs` is not looked at
    int max_to_keep = 5;
    std::string checkpoint_basename = "model.ckpt";
  };
  explicit checkpoint_saver_hook(options o)
      : options_(std::move(o)), saver_({options_.max_to_keep}),
        trigger_(options_.save_steps, options_.save_steps > 0 ? 0 : options_.save_secs) {
    if (options_.checkpoint_dir.empty()) rill::detail::raise<invalid_argument>({"checkpoint_saver_hook: checkpoint_dir is empty"});
  }
  [[gnu::cold]] void begin(const train_context& c) override {
    graph_ = c.graph;
    events_ = c.events;
    trigger_.reset();
  }
  void after_step(step_context& step) override {
    if (trigger_.due(step.global_step())) save(step);
  }
  [[gnu::cold]] void end(step_context& step) override {
    if (trigger_.last_step() != step.global_step()) save(step);
  }
  /// The prefix of the checkpoint written last.
  [[nodiscard]] const std::string& last_saved() const { return last_saved_; }

 private:
  [[gnu::cold]] void save(const step_context& step) {
    last_saved_ = saver_.save(step.variables(), io::join_path(options_.checkpoint_dir, options_.checkpoint_basename),
                              step.global_step(), graph_);
    if (events_ != nullptr) events_->add_session_log(summary::session_status::checkpoint, step.global_step(), last_saved_);
    trigger_.fired(step.global_step());
  }

  options options_;
  saver saver_;
  detail::trigger trigger_;
  const io::graph_def* graph_ = nullptr;
  summary::event_writer* events_ = nullptr;
  std::string last_saved_;
};

/// Writes scalar values to the run's event file at the first step and every `save_steps` after it.
class summary_saver_hook : public hook {
 public:
  struct options {
    std::int64_t save_steps = 100;
    std::vector<std::pair<std::string, std::string>> tensors = {{"loss", "loss"}};  ///< tag -> name
  };
  summary_saver_hook() : summary_saver_hook(options()) {}
  [[gnu::cold]] explicit summary_saver_hook(options o) : options_(std::move(o)), trigger_(options_.save_steps, 0) {
    if (options_.save_steps <= 0)
      rill::detail::raise<invalid_argument>({"summary_saver_hook: save_steps must be at least 1, got ",
                                             options_.save_steps});
  }
  [[gnu::cold]] void begin(const train_context& c) override {
    events_ = c.events;
    trigger_.reset();
  }
  void after_step(step_context& step) override {
    if (events_ == nullptr || !trigger_.due(step.global_step())) return;
    for (const auto& [tag, name] : options_.tensors)
      if (const step_value v = step.find(name); v.data != nullptr && v.shape.rank() == 0)
        events_->add_scalar(tag, static_cast<float>(v.at()), step.global_step());
    trigger_.fired(step.global_step());
  }

 private:
  options options_;
  detail::trigger trigger_;
  summary::event_writer* events_ = nullptr;
};

/// Watches a value (the loss). When it is not finite, training ends with `aborted`, so that no checkpoint of a diverged
/// model is written; with `fail_on_nan_loss = false` it only ends.
class nan_tensor_hook : public hook {
 public:
  struct options {
    std::string tensor = "loss";
    bool fail_on_nan_loss = true;
  };
  nan_tensor_hook() : nan_tensor_hook(options()) {}
  explicit nan_tensor_hook(options o) : options_(std::move(o)) {}
  void after_step(step_context& step) override {
    const step_value v = step.find(options_.tensor);
    if (v.data == nullptr) rill::detail::raise<not_found>({"nan_tensor_hook: the step has no value '", options_.tensor,
                                                           "'"});
    for (std::int64_t i = 0, n = v.shape.num_elements(); i < n; ++i) {
      if (std::isfinite(v.at(i))) continue;
      const std::string message = "model diverged: " + options_.tensor + " = " + (std::isnan(v.at(i)) ? "NaN" : "infinity") +
                                  " at step " + std::to_string(step.global_step());
      if (options_.fail_on_nan_loss) rill::detail::raise<aborted>({message, " (a smaller learning rate often helps)"});
      detail::warn(message + "; training stops");
      step.request_stop();
      return;
    }
  }

 private:
  options options_;
};

/// Measures steps per second and writes them to the event file as "global_step/sec" every `every_n_steps` steps.
class step_counter_hook : public hook {
 public:
  struct options {
    std::int64_t every_n_steps = 100;
  };
  step_counter_hook() : step_counter_hook(options()) {}
  [[gnu::cold]] explicit step_counter_hook(options o) : options_(o) {
    if (o.every_n_steps <= 0)
      rill::detail::raise<invalid_argument>({"step_counter_hook: every_n_steps must be at least 1, got ", o.every_n_steps});
  }
  [[gnu::cold]] void begin(const train_context& c) override {
    events_ = c.events;
    started_ = false;
    rate_ = 0;
  }
  void after_step(step_context& step) override {
    const auto now = detail::clock::now();
    if (started_ && step.global_step() < since_step_ + options_.every_n_steps) return;
    if (started_) {
      rate_ = static_cast<double>(step.global_step() - since_step_) / detail::seconds_between(since_, now);
      if (events_ != nullptr) events_->add_scalar("global_step/sec", static_cast<float>(rate_), step.global_step());
    }
    started_ = true;
    since_ = now;
    since_step_ = step.global_step();
  }
  /// The rate measured last; 0 before the first.
  [[nodiscard]] double steps_per_second() const { return rate_; }

 private:
  options options_;
  summary::event_writer* events_ = nullptr;
  bool started_ = false;
  detail::clock::time_point since_{};
  std::int64_t since_step_ = 0;
  double rate_ = 0;
};

}  // namespace rill::train

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `run_config`: where and how often an estimator writes, and its seed. The defaults are TensorFlow 1.8's documented ones.
///
///   estimator classifier{head, optimizer, run_config{.model_dir = "models/mnist", .keep_checkpoint_max = 10}};

#include <cstdint>
#include <optional>
#include <string>

#include "rill/core/error.hpp"
#include "rill/core/text.hpp"

namespace rill {

struct run_config {
  /// Checkpoints and event files go here; created when missing. Empty: a new directory below the system's temporary one,
  /// readable back as `model_dir()`.
  std::string model_dir = {};
  /// Seed of initial weights and of dropout: the same seed gives the same weights, bit for bit.
  std::uint64_t seed = 0;
  /// A checkpoint every so many seconds (default 600), or every so many steps; at most one of the two may be given.
  /// The first and the last step are saved in any case.
  std::optional<double> save_checkpoints_secs = std::nullopt;
  std::optional<std::int64_t> save_checkpoints_steps = std::nullopt;
  /// How many checkpoints stay; 0 keeps all.
  int keep_checkpoint_max = 5;
  /// Loss and speed go to the log and the event file every so many steps; 0: never.
  std::int64_t log_step_count_steps = 100;
  std::int64_t save_summary_steps = 100;
  /// Whether training shows progress on stderr.
  bool progress = true;
};

namespace detail {
/// invalid_argument naming the field that cannot be right.
[[gnu::cold]] inline void check(const run_config& c) {
  const auto at_least = [](const char* field, double value, double least) {
    if (!(value >= least))
      rill::detail::raise<invalid_argument>({"run_config: ", field, " is ", std::to_string(value), ", but must be at least ",
                                             static_cast<int>(least)});
  };
  if (c.save_checkpoints_secs && c.save_checkpoints_steps)
    rill::detail::raise<invalid_argument>({"run_config: save_checkpoints_secs and save_checkpoints_steps cannot both be given"});
  if (c.save_checkpoints_secs) at_least("save_checkpoints_secs", *c.save_checkpoints_secs, 0);
  if (c.save_checkpoints_steps) at_least("save_checkpoints_steps", static_cast<double>(*c.save_checkpoints_steps), 1);
  at_least("keep_checkpoint_max", c.keep_checkpoint_max, 0);
  at_least("log_step_count_steps", static_cast<double>(c.log_step_count_steps), 0);
  at_least("save_summary_steps", static_cast<double>(c.save_summary_steps), 0);
}
}  // namespace detail
}  // namespace rill

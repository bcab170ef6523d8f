// SPDX-License-Identifier: Apache-2.0
#include "rill/estimator/run_config.hpp"

#include <doctest/doctest.h>

using rill::run_config;

TEST_CASE("run_config: the documented defaults") {
  const run_config c;
  CHECK(c.model_dir.empty());
  CHECK_FALSE(c.save_checkpoints_secs.has_value());  // 600 s
  CHECK_FALSE(c.save_checkpoints_steps.has_value());
  CHECK(c.keep_checkpoint_max == 5);
  CHECK(c.log_step_count_steps == 100);
  CHECK(c.save_summary_steps == 100);
  rill::detail::check(c);
}

TEST_CASE("run_config: contradictions name the field") {
  CHECK_THROWS_WITH_AS(rill::detail::check({.save_checkpoints_secs = 60, .save_checkpoints_steps = 100}),
                       "run_config: save_checkpoints_secs and save_checkpoints_steps cannot both be given",
                       rill::invalid_argument);
  CHECK_THROWS_AS(rill::detail::check({.save_checkpoints_secs = -1}), rill::invalid_argument);
  CHECK_THROWS_AS(rill::detail::check({.save_checkpoints_steps = 0}), rill::invalid_argument);
  CHECK_THROWS_AS(rill::detail::check({.keep_checkpoint_max = -1}), rill::invalid_argument);
  CHECK_THROWS_AS(rill::detail::check({.log_step_count_steps = -1}), rill::invalid_argument);
  CHECK_THROWS_AS(rill::detail::check({.save_summary_steps = -1}), rill::invalid_argument);
}

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How tests of estimators on devices run them.

#include <rill/estimator/run_config.hpp>

#include "../scratch.hpp"

namespace rill::test {

/// A run in this directory that draws no progress and writes no summaries.
inline run_config quiet_run(const scratch_dir& dir) {
  run_config c;
  c.model_dir = dir.path(), c.seed = 5, c.progress = false;
  c.save_summary_steps = c.log_step_count_steps = 0;
  return c;
}

}  // namespace rill::test

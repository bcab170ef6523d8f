// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `train::run_steps`: the loop that all training goes through. It calls `step` until that returns false (the data have
/// ended), a hook asks to stop, `last_step` is reached, or Ctrl-C or SIGTERM arrives; hooks run around every step and,
/// at the end, in `end` (where the last checkpoint is written). A build that leaves instructions of the processor unused says
/// so on stderr, once (core/cpu_features.hpp). Between the hooks' actions it allocates nothing.
///
///   train::run_steps(hooks, {.variables = store, .last_step = 1000}, [&](train::step_context& c) {
///     if (!it.next(batch)) return false;
///     auto [loss, _] = session.run(batch.first, batch.second);
///     ...                                                        // c.add({"loss", ...}); c.end_step(global_step, rows)
///     return true;
///   });

#include <cstdint>
#include <string>

#include "rill/core/cpu_features.hpp"
#include "rill/core/function_ref.hpp"
#include "rill/train/hooks.hpp"
#include "rill/train/signals.hpp"

namespace rill::train {

/// How a loop ended.
struct loop_result {
  std::int64_t global_step = 0;
  int signal = 0;  ///< the signal that ended it, 0 if none did
};

/// See above. `step` gets the context after `before_step` of all hooks; it must call `end_step` and may `add` values.
inline loop_result run_steps(hook_list& hooks, const train_context& context, function_ref<bool(step_context&)> step) {
  print_instruction_note();
  const signal_guard guard;
  step_context c(context.variables, context.last_step);
  c.set_global_step(context.global_step);
  for (hook_handle& h : hooks) h->begin(context);
  while (!c.stop_requested() && (context.last_step < 0 || c.global_step() < context.last_step) &&
         signal_guard::pending() == 0) {
    c.begin_step();
    for (hook_handle& h : hooks) h->before_step(c);
    if (!step(c)) break;
    for (hook_handle& h : hooks) h->after_step(c);
  }
  for (hook_handle& h : hooks) h->end(c);
  return {c.global_step(), signal_guard::pending()};
}

}  // namespace rill::train

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How a session runs its steps when somebody listens: one after the other, with a word before and after each. All models
/// share the loop; a program that never asks for a trace pays for a table of functions. The listener is in trace_log.hpp.

#include <utility>

#include "graph_view.hpp"
#include "session.hpp"

namespace rill::graph::detail {

inline void run_traced(const step_context& c, const step_function* steps, std::size_t first, std::size_t count) {
  for (std::size_t k = first; k < first + count; ++k) {
    c.trace->begin(k);
    steps[k](c);
    c.trace->end();
  }
}

/// Step S, of which the steps in the bodies of a loop or branch are traced in turn.
template <class C, std::size_t S>
constexpr step_function traced_step() {
  if constexpr (step_of<C, S>.kind == group_kind::control) return &run_control<C, step_of<C, S>.control, true>;
  else return &run_step<C, S>;
}
template <class C, class = std::make_index_sequence<C::tables.steps.size()>>
struct traced_steps;
template <class C, std::size_t... S>
struct traced_steps<C, std::index_sequence<S...>> {
  static constexpr step_function of[sizeof...(S) + 1] = {traced_step<C, S>()..., nullptr};
};

template <class C>
void run_range_traced(const step_context& c, std::size_t first, std::size_t count) {
  run_traced(c, traced_steps<C>::of, first, count);
}
template <class C>
void run_all_traced(const step_context& c) {
  c.trace->begin_run(view_of_compiled<C>, c.batch);
  run_range_traced<C>(c, 0, C::tables.own_steps);
  c.trace->end_run();
}

}  // namespace rill::graph::detail

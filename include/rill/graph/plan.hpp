// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The memory plan: every value that lives in memory gets an offset from its lifetime, first fit, in one of two lanes:
/// bytes that do not depend on the batch, and bytes per batch row, so a short last batch uses the same plan. A result
/// takes over the memory of an operand that dies with its step when both are walked in the same order.

#include "lower.hpp"

namespace rill::graph {

namespace detail {

constexpr dtype result_type_of(const step_desc& s, int slot) {
  for (const auto& o : s.program.outputs)
    if (o.memory.kind == memory_ref::slot && o.memory.index == slot) return o.type;
  return dtype::invalid;
}

/// The slot that result `o` of step s may overwrite, or -1.
constexpr int reusable(const lowered& l, const step_desc& s, int step, const slot_desc& result, int own) {
  if (s.kind == group_kind::opaque || s.kind == group_kind::reduce) return -1;
  for (std::size_t k = s.kind == group_kind::tile ? 1 : 0; k < s.program.inputs.size(); ++k) {
    const input_desc& d = s.program.inputs[k];
    if (d.memory.kind != memory_ref::slot || !d.linear || d.memory.index == own) continue;
    const slot_desc& c = l.slots[static_cast<std::size_t>(d.memory.index)];
    if (c.last != step || c.first == step || c.bytes != result.bytes || c.per_row != result.per_row) continue;
    bool elsewhere = false;
    for (std::size_t j = 0; j < s.program.inputs.size(); ++j)
      if (j != k && s.program.inputs[j].memory.kind == memory_ref::slot &&
          s.program.inputs[j].memory.index == d.memory.index)
        elsewhere = true;
    for (int j = 0; j < s.n_operands; ++j)
      if (s.operands[j].memory.kind == memory_ref::slot && s.operands[j].memory.index == d.memory.index) elsewhere = true;
    for (const auto* p : {&s.prologue_a, &s.prologue_b})
      for (const auto& in : p->inputs)
        if (in.memory.kind == memory_ref::slot && in.memory.index == d.memory.index) elsewhere = true;
    if (size_of(d.type) != size_of(result_type_of(s, own))) elsewhere = true;
    if (!elsewhere) return d.memory.index;
  }
  return -1;
}

}  // namespace detail

constexpr void plan(lowered& l) {
  std::vector<char> taken(l.slots.size(), 0);
  for (std::size_t k = 0; k < l.slots.size(); ++k) {
    slot_desc& s = l.slots[k];
    if (static_cast<std::size_t>(s.first) < l.steps.size()) {
      const int from = detail::reusable(l, l.steps[static_cast<std::size_t>(s.first)], s.first, s, static_cast<int>(k));
      if (from >= 0 && !taken[static_cast<std::size_t>(from)]) {
        taken[static_cast<std::size_t>(from)] = 1;
        s.offset = l.slots[static_cast<std::size_t>(from)].offset;
        continue;
      }
    }
    // first fit: the lowest offset that overlaps no slot of the lane that is alive at the same time
    std::int64_t offset = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t j = 0; j < k; ++j) {
        const slot_desc& o = l.slots[j];
        const bool together = o.per_row == s.per_row && o.first <= s.last && s.first <= o.last;
        if (together && offset < o.offset + o.bytes && o.offset < offset + s.bytes) {
          offset = o.offset + o.bytes;
          moved = true;
        }
      }
    }
    s.offset = offset;
    std::int64_t& total = s.per_row ? l.row_bytes : l.fixed_bytes;
    if (offset + s.bytes > total) total = offset + s.bytes;
  }
}

}  // namespace rill::graph

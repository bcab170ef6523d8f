// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The memory plan: every value that lives in memory gets an offset from its lifetime, first fit, in one of two lanes:
/// bytes that do not depend on the batch, and bytes per batch row, so a short last batch uses the same plan. A result
/// takes over the memory of an operand that dies with its step when both are walked in the same order. A body of control
/// flow has a plan of its own, within memory that is there while the step runs that it belongs to.

#include "lower.hpp"

namespace rill::ops {
struct all_reduce_op;
}  // namespace rill::ops

namespace rill::graph {

namespace detail {

constexpr dtype result_type_of(const step_desc& s, int slot) {
  for (const auto& o : s.program.outputs)
    if (o.memory.kind == memory_ref::slot && o.memory.index == slot) return o.type;
  return dtype::invalid;
}

/// The slot that result `o` of step s may overwrite, or -1.
template <class = void>
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

template <class T>
constexpr int size(const std::vector<T>& v) {
  return static_cast<int>(v.size());
}

/// Makes the tables of the bodies of control flow part of these: what they call inputs and variables becomes the memory
/// outside that it stands for, their steps regions behind the model's own.
template <class = void>
class linker {
 public:
  constexpr explicit linker(lowered& l) : l_(l) {}

  constexpr void run() {
    std::vector<int> region_of;
    for (const auto& in : l_.inner) {
      control_desc& c = l_.controls[static_cast<std::size_t>(in.control)];
      if (c.region < 0) c.region = static_cast<int>(l_.regions.size());
      region_of.push_back(static_cast<int>(l_.regions.size()));
      l_.regions.push_back({});
    }
    for (std::size_t k = 0; k < l_.inner.size(); ++k) append(l_.inner[k], l_.regions[static_cast<std::size_t>(region_of[k])]);
    l_.inner.clear();
  }

 private:
  struct offsets {
    int slots, scalars, ranges, rows, stacks;
  };
  constexpr void append(lowered::inner_body& in, region_desc& own) {
    const offsets o{size(l_.slots), size(l_.scalars), size(l_.ranges), size(l_.rows), size(l_.stacks)};
    const int steps = size(l_.steps), regions = size(l_.regions), controls = size(l_.controls), copies = size(l_.copies), loops = l_.loops;
    const control_desc owner = l_.controls[static_cast<std::size_t>(in.control)];
    const int around = owner.is_loop ? owner.loop : owner.outer_loop;
    const auto fix = [&](memory_ref& m) {
      switch (m.kind) {
        case memory_ref::slot: m.index += o.slots; break;
        case memory_ref::scalar: m.index += o.scalars; break;
        case memory_ref::range: m.index += o.ranges; break;
        case memory_ref::row: m.index += o.rows; break;
        case memory_ref::stack: m.index += o.stacks; break;
        case memory_ref::feed: m = in.feeds[static_cast<std::size_t>(m.index)]; break;
        case memory_ref::variable: m = in.variables[static_cast<std::size_t>(m.index)]; break;
        case memory_ref::none:
        case memory_ref::deferred: break;
      }
    };
    own = {steps, in.l.own_steps};
    if (in.is_condition) {
      memory_ref test = in.l.fetch_memory[0];
      fix(test);
      l_.controls[static_cast<std::size_t>(in.control)].test = test;
    }
    const std::int64_t fixed = in.fixed_slot < 0 ? 0 : l_.slots[static_cast<std::size_t>(in.fixed_slot)].offset;
    const std::int64_t per_row = in.row_slot < 0 ? 0 : l_.slots[static_cast<std::size_t>(in.row_slot)].offset;
    for (slot_desc s : in.l.slots) {
      s.offset += s.per_row ? per_row : fixed;
      s.first += steps, s.last += steps, s.node = -1;
      l_.slots.push_back(s);
    }
    for (scalar_desc s : in.l.scalars) {
      if (s.is_parameter && s.parameter == -4) {
        s.loop = s.loop < 0 ? around : s.loop + loops;
        if (s.loop >= 0) stream_of(s.loop);
      }
      l_.scalars.push_back(s);
    }
    for (const range_desc& r : in.l.ranges) l_.ranges.push_back(r);
    for (row_desc r : in.l.rows) {
      fix(r.stacked);
      r.loop += loops;
      l_.rows.push_back(r);
    }
    for (const stack_desc& s : in.l.stacks) l_.stacks.push_back(s);
    for (region_desc r : in.l.regions) {
      r.first += steps;
      l_.regions.push_back(r);
    }
    for (copy_desc c : in.l.copies) {
      fix(c.from), fix(c.to);
      l_.copies.push_back(c);
    }
    for (control_desc c : in.l.controls) {
      fix(c.chosen), fix(c.test);
      c.region += regions, c.copy += copies, c.stack += o.stacks;
      c.outer_loop = c.outer_loop < 0 ? around : c.outer_loop + loops;
      if (c.loop >= 0) c.loop += loops;
      l_.controls.push_back(c);
    }
    for (step_desc& s : in.l.steps) {  // no copies: nvcc does not end the lives of such loop variables
      for (program_desc* p : {&s.program, &s.prologue_a, &s.prologue_b}) {
        for (auto& d : p->inputs) fix(d.memory);
        for (auto& d : p->outputs) fix(d.memory);
      }
      for (auto& d : s.operands) fix(d.memory);
      if (s.control >= 0) s.control += controls;
      l_.steps.push_back(std::move(s));
    }
    l_.loops += in.l.loops;
  }
  /// The loop keeps the numbers of its body's random streams up to date.
  constexpr void stream_of(int loop) {
    for (control_desc& c : l_.controls)
      if (c.loop == loop) c.has_stream = true;
  }
  lowered& l_;
};

}  // namespace detail

template <class>
constexpr void plan(lowered& l) {
  l.own_steps = static_cast<int>(l.steps.size());
  // Sums over towers that follow each other travel together (graph/towers.hpp): what they read lives until the last is done.
  const auto meets = [&](std::size_t k) { return l.steps[k].op != nullptr && l.steps[k].op->id == id_of<ops::all_reduce_op>; };
  for (std::size_t k = l.steps.size(), end = 0; k-- > 0;) {
    if (!meets(k)) continue;
    if (k + 1 == l.steps.size() || !meets(k + 1)) end = k;
    if (const memory_ref& m = l.steps[k].operands[0].memory; m.kind == memory_ref::slot)
      if (int& last = l.slots[static_cast<std::size_t>(m.index)].last; last < static_cast<int>(end)) last = static_cast<int>(end);
  }
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
  detail::linker<>(l).run();
}

}  // namespace rill::graph

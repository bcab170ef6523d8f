// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The parallel schedule: two kernels that do not depend on each other, each too small to be worth several threads, run
/// side by side on two. The pass works on the lowered steps before the memory plan: a step is moved up behind another when
/// nothing between them stands in the way, and what it writes is alive from that other's start on, so that the two share no
/// memory. Whether a pair really forks is decided at each run, from the time that both would take at that batch; traced
/// runs, which tell what each kernel costs alone, never do. Results are the same either way.
///
/// The estimate of a step's time is rough (arithmetic at a core's usual rate, never measured): it only has to tell kernels
/// of a few microseconds from those that are over before another thread is awake, and from those that fork themselves.

#include "lower.hpp"

namespace rill::graph {

/// Pairs fork when both take at least the first, and neither more than the second: above that kernels fork themselves.
inline constexpr double shortest_side = 2500, longest_side = 15000;
constexpr bool worth_a_fork(const work_estimate& a, const work_estimate& b, std::int64_t batch) {
  const double x = a.at(batch), y = b.at(batch);
  return x >= shortest_side && y >= shortest_side && x <= longest_side && y <= longest_side;
}

namespace detail {

constexpr work_estimate estimate(const step_desc& s) {
  constexpr double flops_per_ns = 190, simple_ops_per_ns = 200, elements_per_ns = 24, costs_per_ns = 16;
  work_estimate w;
  const auto add = [&](std::int64_t n, double time) { (n < 0 ? w.per_row : w.fixed) += static_cast<double>(n < 0 ? -n : n) * time; };
  const auto program = [&](const program_desc& p, std::int64_t elements) {
    double time = 1 / elements_per_ns;
    for (const let_desc& l : each(p.lets)) time += static_cast<double>(l.op->cost) / simple_ops_per_ns;
    if (!p.lets.empty() || s.kind == group_kind::reduce) add(elements, time);
  };
  std::int64_t elements = 1;
  for (int d = 0; d < s.rank; ++d) elements *= s.extents[d];
  if (s.parts > 1) {
    elements = 0;
    for (const output_desc& o : each(s.program.outputs)) elements += o.elements;
    elements /= static_cast<std::int64_t>(s.program.outputs.size()) / s.parts;
  }
  if (s.kind == group_kind::map || s.kind == group_kind::reduce) program(s.program, elements);
  if (s.kind == group_kind::tile) {
    add(s.op->flops != nullptr ? s.op->flops(s.attr, s.in) : s.in[0].shape.num_elements(), 1 / flops_per_ns);
    program(s.program, s.out.shape.num_elements());
  }
  if (s.kind == group_kind::opaque) add(s.in[0].shape.num_elements(), static_cast<double>(s.op->cost) / costs_per_ns);
  return w;
}

/// What a step reads and writes.
template <class F>
constexpr void for_each_read(const step_desc& s, F&& f) {
  for (const program_desc* p : {&s.program, &s.prologue_a, &s.prologue_b})
    for (const input_desc& d : each(p->inputs)) f(d.memory);
  for (int k = 0; k < s.n_operands; ++k) f(s.operands[k].memory);
}
template <class F>
constexpr void for_each_write(const step_desc& s, F&& f) {
  for (const output_desc& d : each(s.program.outputs)) f(d.memory);
  if (s.kind == group_kind::reduce) f(s.operands[max_operands - 1].memory);
}
/// Whether one of them writes what the other one reads or writes.
constexpr bool depend(const step_desc& a, const step_desc& b) {
  bool found = false;
  const auto compare = [&](const memory_ref& x, const memory_ref& y) {
    found = found || (x.kind != memory_ref::none && x.kind == y.kind && x.index == y.index);
  };
  for_each_write(a, [&](const memory_ref& w) {
    for_each_read(b, [&](const memory_ref& r) { compare(w, r); });
    for_each_write(b, [&](const memory_ref& r) { compare(w, r); });
  });
  for_each_write(b, [&](const memory_ref& w) { for_each_read(a, [&](const memory_ref& r) { compare(w, r); }); });
  return found;
}

/// Element j moves to place `to` before it. (In a constant, nvcc does not assign a step.)
template <class T>
constexpr void rise(std::vector<T>& v, std::size_t j, std::size_t to) {
  const auto put = [&](std::size_t at, T&& x) {
    std::destroy_at(&v[at]);
    std::construct_at(&v[at], std::move(x));
  };
  T moved = std::move(v[j]);
  for (; j > to; --j) put(j, std::move(v[j - 1]));
  put(to, std::move(moved));
}

template <class = void>
class scheduler {
 public:
  constexpr scheduler(lowered& l, double shortest) : l_(l), shortest_(shortest) {}

  constexpr void run() {
    std::vector<work_estimate> work;
    work.reserve(l_.steps.size());
    for (const step_desc& s : each(l_.steps)) work.push_back(may_move(s) ? estimate(s) : work_estimate{});
    for (std::size_t i = 0; i + 1 < l_.steps.size(); ++i) {
      if (!may_move(l_.steps[i]) || !worth_pairing(work[i])) continue;
      std::size_t best = 0;
      for (std::size_t j = i + 1; j < l_.steps.size() && j <= i + reach && may_move(l_.steps[j]); ++j)
        if (worth_pairing(work[j]) && (best == 0 || work[j].at(usual) > work[best].at(usual)) && can_rise(j, i)) best = j;
      if (best == 0) continue;
      raise(best, i + 1);
      rise(work, best, i + 1);
      l_.steps[i].beside = true;
      l_.steps[i].work = work[i], l_.steps[i + 1].work = work[i + 1];
      for (slot_desc& s : each(l_.slots))
        if (s.first == static_cast<int>(i) + 1) --s.first;
      ++i;
    }
  }

 private:
  static constexpr std::size_t reach = 6;      ///< steps that one may be moved over
  static constexpr std::int64_t usual = 128;   ///< a batch, to compare steps
  /// Kernels that an op brings may be a program's own functions, which run in their order and one at a time; what may refuse
  /// its operands does so before anything behind it has run. That no other step moves is what keeps the memory right that
  /// loops and updates of rows read without listing it among their own.
  static constexpr bool may_move(const step_desc& s) {
    return s.kind != group_kind::control && s.kind != group_kind::rows && !s.deferred && (s.op == nullptr || (!s.op->effect && s.op->run == nullptr && s.op->id != id_of<ops::sparse_softmax_cross_entropy_op>));
  }
  /// Whether at some usual batch the step is neither too short nor too long.
  [[nodiscard]] constexpr bool worth_pairing(const work_estimate& w) const { return w.at(8 * usual) >= shortest_ && w.at(1) <= longest_side; }
  [[nodiscard]] constexpr bool can_rise(std::size_t j, std::size_t i) const {
    for (std::size_t k = i; k < j; ++k)
      if (depend(l_.steps[k], l_.steps[j])) return false;
    return true;
  }
  /// Step j becomes step `to`; those between move down.
  constexpr void raise(std::size_t j, std::size_t to) {
    if (j == to) return;
    const auto moved = [&](int k) {
      if (k == static_cast<int>(j)) return static_cast<int>(to);
      return k >= static_cast<int>(to) && k < static_cast<int>(j) ? k + 1 : k;
    };
    rise(l_.steps, j, to);
    for (step_desc& d : each(l_.steps))
      for (input_desc& in : each(d.program.inputs))
        if (in.memory.kind == memory_ref::deferred) in.memory.index = moved(in.memory.index);
    for (std::size_t k = 0; k < l_.slots.size(); ++k) {
      slot_desc& slot = l_.slots[k];
      slot.first = moved(slot.first);
      if (slot.last < static_cast<int>(to) || slot.last > static_cast<int>(j)) continue;
      slot.last = slot.first;  // its last reader is among the steps that moved
      for (int at = static_cast<int>(to); at <= static_cast<int>(j); ++at)
        for_each_read(l_.steps[static_cast<std::size_t>(at)], [&](const memory_ref& r) {
          if (r.kind == memory_ref::slot && r.index == static_cast<int>(k) && at > slot.last) slot.last = at;
        });
    }
  }
  lowered& l_;
  double shortest_;
};

}  // namespace detail

/// Marks pairs of steps that may run side by side (`step_desc::beside`). Steps that are shorter than `shortest` at a large
/// batch have nobody beside them.
template <class = void>
constexpr void schedule(lowered& l, double shortest = shortest_side) {
  detail::scheduler<>(l, shortest).run();
}

}  // namespace rill::graph

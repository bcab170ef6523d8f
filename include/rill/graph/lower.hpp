// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Lowering: each fusion group becomes a step, that is a canonical program (inputs, lets, outputs by number) with the
/// strides of its operands over a loop nest whose axes have been merged where all operands allow it, and, for
/// contractions, the root op with its operands. Still plain tables; types are made of them in compile.hpp.

#include "../expr/program.hpp"
#include "fuse.hpp"

namespace rill::graph {

/// Memory of a node or a variable, as a step sees it.
struct memory_ref {
  enum kind_type : std::uint8_t { none, slot, variable, feed, scalar, range, row, stack, deferred };
  kind_type kind = none;
  int index = -1;  ///< slot, variable, feed, scalar, range, row or stack number; of `deferred` the step that would give it
};

struct input_desc {
  int base = -1;
  memory_ref memory;
  dtype type = dtype::invalid;
  std::int64_t strides[max_rank] = {};  ///< over the step's merged axes; for a tile program [0] = rows, [1] = columns
  bool linear = false;
};

struct let_desc {
  const op_info* op = nullptr;
  dtype type = dtype::invalid;
  int arity = 0;
  int args[max_operands] = {};
};

struct output_desc {
  int node = -1;      ///< the node stored, or -1 for a variable
  memory_ref memory;
  dtype type = dtype::invalid;
  int value = 0;
  std::int64_t elements = 0;  ///< of this part of a step with several
  int further = 0;            ///< k > 0: the k-th further result of an op's own kernel
};

struct program_desc {
  std::vector<input_desc> inputs;
  std::vector<let_desc> lets;
  std::vector<output_desc> outputs;
};

/// Nanoseconds that a step takes on one core, about: so much, and so much per row of the batch.
struct work_estimate {
  double fixed = 0, per_row = 0;
  [[nodiscard]] constexpr double at(std::int64_t batch) const { return fixed + per_row * static_cast<double>(batch); }
};

/// Parts of a step, at most.
inline constexpr int max_parts = 64;

struct step_desc {
  group_kind kind = group_kind::map;
  int group = -1;
  int root = -1;
  const op_info* op = nullptr;
  attributes attr;
  dtype type = dtype::invalid;              ///< element type of the root's result
  signature in[max_operands];               ///< the root's operands as the op sees them
  signature out;                            ///< the root's result
  input_desc operands[max_operands];        ///< memory of the root's operands
  int n_operands = 0;
  int control = -1;                         ///< number of the loop or branch
  int parts = 1;                            ///< ranges of memory that the program runs over, each with its inputs and outputs
  int rank = 0;                             ///< merged axes
  std::int64_t extents[max_rank] = {};
  unsigned reduced = 0;                     ///< merged axes that a reduction removes, as bits
  program_desc program, prologue_a, prologue_b;
  bool has_prologue_a = false, has_prologue_b = false;
  bool beside = false;                      ///< may run at the same time as the next one
  work_estimate work;                       ///< of a step that has another one beside it
  bool deferred = false;                    ///< not run: what reads it does with its operands
};

/// Scalars that a step may read: constants and parameters, one cell each.
struct scalar_desc {
  dtype type = dtype::invalid;
  bool is_parameter = false;
  std::int64_t parameter = 0, scale = 0;
  double value = 0;
  std::int64_t integer = 0;
  int loop = -1;  ///< of parameter -4: the loop whose iteration it follows
};

struct range_desc {
  dtype type = dtype::invalid;
  std::int64_t extent = 0;
};

/// The row of the iteration that a loop is in: memory that moves.
struct row_desc {
  memory_ref stacked;
  int loop = -1;
  std::int64_t bytes = 0;  ///< of a row; negative: times the batch
};
/// Rows of a loop whose number is known when it has run, in memory that grows with it.
struct stack_desc {
  std::int64_t bytes = 0;  ///< of a row; negative: times the batch
};
/// Bytes that control flow copies before it runs: the first value of a state.
struct copy_desc {
  memory_ref from, to;
  std::int64_t bytes = 0;
};
/// Steps that control flow runs: [first, first + count) of the table. A model's own are its first.
struct region_desc {
  int first = 0, count = 0;
};
/// A loop or branch, ready to run.
struct control_desc {
  bool is_loop = false, reverse = false;
  std::int64_t trip = 0;       ///< as op::loop has it
  memory_ref chosen;           ///< the number of iterations (int64), or a branch's bool or int32
  dtype chosen_type = dtype::invalid;
  memory_ref test;             ///< what the condition gave
  int region = -1;             ///< its first body; a condition's steps are the next region's
  int branches = 0;
  int loop = -1, outer_loop = -1;  ///< numbers of this loop and the one around it
  bool has_stream = false;     ///< its bodies draw random numbers: each iteration has a stream of its own
  int copy = 0, copies = 0, stack = 0, stacks = 0;
};

/// A buffer of the arena: `bytes` and `offset` are per batch row when `per_row`.
struct slot_desc {
  int node = -1;
  bool per_row = false;
  std::int64_t bytes = 0, offset = -1;
  int first = 0, last = 0;  ///< steps
};

struct lowered {
  std::vector<step_desc> steps;
  std::vector<scalar_desc> scalars;
  std::vector<range_desc> ranges;
  std::vector<slot_desc> slots;
  std::vector<memory_ref> fetch_memory;  ///< per fetch
  std::vector<input_desc> fetch_operand;
  std::int64_t fixed_bytes = 0, row_bytes = 0;  ///< the arena: fixed_bytes + batch * row_bytes

  int own_steps = 0;  ///< the first ones; behind them the steps of bodies
  std::vector<control_desc> controls;
  std::vector<copy_desc> copies;
  std::vector<row_desc> rows;
  std::vector<stack_desc> stacks;
  std::vector<region_desc> regions;
  int loops = 0;
  /// A body of control flow, planned by itself, until `link` makes its tables part of these.
  struct inner_body;
  std::vector<inner_body> inner;
};
struct lowered::inner_body {
  lowered l;
  std::vector<memory_ref> feeds, variables;  ///< what its own mean outside
  int fixed_slot = -1, row_slot = -1;        ///< the memory that it works in
  int control = -1;
  bool is_condition = false;
};

template <class = void>
constexpr void plan(lowered& l);
template <class = void>
constexpr lowered lower(builder& b, fusion& f);

namespace detail {

template <class = void>
class lowering {
 public:
  constexpr lowering(builder& b, fusion& f) : b_(b), f_(f), nodes_(b.nodes.data()) {}

  constexpr lowered run() {
    values_.assign(b_.nodes.size(), unset);
    stack_of_.assign(b_.nodes.size(), -1);
    slot_of_.assign(b_.nodes.size(), -1);
    cell_of_.assign(b_.nodes.size(), -1);
    out_.steps.reserve(f_.groups.size());
    out_.slots.reserve(2 * f_.groups.size());
    for (std::size_t g = 0; g < f_.groups.size(); ++g) {
      const group& gr = f_.groups[g];
      if (gr.members.empty() && gr.root < 0 && gr.assigns.empty()) continue;
      lower(static_cast<int>(g), gr);
    }
    for (const auto& fe : each(b_.fetches)) {
      input_desc d;
      if (fe.node >= 0) {
        d = input(memory_base(fe.node));
        touch(d, static_cast<int>(out_.steps.size()));
      }
      out_.fetch_operand.push_back(d);
      out_.fetch_memory.push_back(d.memory);
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] constexpr const node& at(int id) const { return nodes_[id]; }
  [[nodiscard]] constexpr bool has_memory(int id) const {
    return f_.group_of[static_cast<std::size_t>(id)] >= 0 || at(id).op->kind == op_kind::source;
  }
  /// The node whose memory holds the elements of `id` in order (through reshapes).
  [[nodiscard]] constexpr int memory_base(int id) const {
    while (!has_memory(id)) id = at(id).in[0];
    return id;
  }

  constexpr int slot(int id) {
    int& s = slot_of_[static_cast<std::size_t>(id)];
    if (s < 0) {
      slot_desc d;
      d.node = id;
      const std::int64_t n = at(id).shape.num_elements();
      d.per_row = n < 0;
      d.bytes = (n < 0 ? -n : n) * static_cast<std::int64_t>(size_of(at(id).type));
      d.bytes = (d.bytes + 63) / 64 * 64;
      d.first = d.last = static_cast<int>(out_.steps.size());
      s = static_cast<int>(out_.slots.size());
      out_.slots.push_back(d);
    }
    return s;
  }
  constexpr int cell(int id) {
    int& c = cell_of_[static_cast<std::size_t>(id)];
    if (c < 0) {
      const node& n = at(id);
      if (n.op->id == id_of<source::range>) {
        c = static_cast<int>(out_.ranges.size());
        out_.ranges.push_back({n.type, n.shape[0]});
      } else {
        scalar_desc s;
        s.type = n.type;
        s.is_parameter = n.op->id == id_of<source::parameter>;
        s.parameter = n.attr.i[0], s.scale = n.attr.i[1];
        s.value = n.attr.f[0], s.integer = n.attr.i[0];
        c = static_cast<int>(out_.scalars.size());
        out_.scalars.push_back(s);
      }
    }
    return c;
  }
  constexpr std::int64_t bytes_of(const signature& s) const {
    return s.shape.num_elements() * static_cast<std::int64_t>(size_of(s.type));
  }
  constexpr int stack(int id) {
    int& s = stack_of_[static_cast<std::size_t>(id)];
    if (s < 0) {
      s = static_cast<int>(out_.stacks.size());
      out_.stacks.push_back({bytes_of(at(id).sig())});
    }
    return s;
  }
  constexpr input_desc input(int base) {
    input_desc d;
    const node& n = at(base);
    d.base = base;
    d.type = n.type;
    d.linear = true;
    if (n.op->id == id_of<source::input>) d.memory = {memory_ref::feed, static_cast<int>(n.attr.i[0])};
    else if (n.op->id == id_of<source::variable>) d.memory = {memory_ref::variable, static_cast<int>(n.attr.i[0])};
    else if (n.op->id == id_of<op::result> && n.attr.i[1] != 0) d.memory = {memory_ref::stack, stack(base)};
    else if (n.op->id == id_of<source::range>) d.memory = {memory_ref::range, cell(base)};
    else if (n.op->kind == op_kind::source) d.memory = {memory_ref::scalar, cell(base)};
    else d.memory = {memory_ref::slot, slot(base)};
    return d;
  }
  constexpr void touch(const input_desc& d, int step) {
    if (d.memory.kind == memory_ref::slot) out_.slots[static_cast<std::size_t>(d.memory.index)].last = step;
  }

  /// Follows views to the memory below, as fusion did; `through` the node itself, where that is a view with memory.
  constexpr operand_ref operand(int id, const tensor_shape& space, bool through = false) {
    operand_ref r;
    row_major(space, r.strides);
    r.linear = true;
    for (; through || !has_memory(id); through = false) {
      const node& n = at(id);
      const node& below = at(n.in[0]);
      if (n.op->id == id_of<op::broadcast_in_dim>) {
        std::int64_t from[max_rank] = {};
        row_major(below.shape, from);
        for (std::int64_t& s : r.strides) s = 0;
        for (int k = 0; k < below.shape.rank(); ++k)
          if (below.shape[k] == n.shape[static_cast<int>(n.attr.i[k])]) r.strides[n.attr.i[k]] = from[k];
        r.linear = false;
      }
      id = n.in[0];
    }
    r.base = id;
    if (at(id).shape.num_elements() == 1 && space.num_elements() != 1) {
      r.linear = false;
      for (std::int64_t& s : r.strides) s = 0;
    }
    return r;
  }

  /// Builds a program of `members` over `space`; value numbers: the root's own result is input 0 when root >= 0.
  constexpr program_desc program(const std::vector<int>& members, const tensor_shape& space, int root,
                                 std::vector<int>& value_of) {
    program_desc p;
    std::vector<operand_ref> refs;
    if (root >= 0) {
      input_desc acc;
      acc.base = root;
      acc.type = at(root).type;
      acc.linear = true;
      p.inputs.push_back(acc);
      refs.emplace_back();
      refs.back().base = root;
      row_major(space, refs.back().strides);
      value_of[static_cast<std::size_t>(root)] = ~0;
    }
    for (int m : each(members)) {
      const node& n = at(m);
      const bool view = n.op->kind != op_kind::elementwise;
      let_desc l;
      l.op = view ? &info_of<op::copy> : n.op;
      l.type = n.type;
      l.arity = view ? 1 : n.arity;
      for (int k = 0; k < l.arity; ++k) {
        operand_ref r = view ? operand(m, n.shape, true) : operand(n.in[k], n.shape);
        // shapes differ by a reshape only where every operand is linear or a scalar: then the space's own strides do
        if (r.linear) row_major(space, r.strides);
        const auto base = static_cast<std::size_t>(r.base);
        if (value_of[base] != unset) {
          l.args[k] = value_of[base];
          continue;
        }
        int found = -1;
        for (int i = root >= 0 ? 1 : 0; i < static_cast<int>(refs.size()) && found < 0; ++i)
          if (const operand_ref& known = refs[static_cast<std::size_t>(i)]; known.base == r.base && known == r) found = i;
        if (found < 0) {
          found = static_cast<int>(refs.size());
          refs.push_back(r);
          input_desc d = input(r.base);
          d.linear = r.linear;
          for (int a = 0; a < max_rank; ++a) d.strides[a] = r.strides[a];
          p.inputs.push_back(d);
        }
        l.args[k] = ~found;
      }
      value_of[static_cast<std::size_t>(m)] = static_cast<int>(p.lets.size());
      p.lets.push_back(l);
    }
    return p;
  }
  static constexpr int unset = -1000000;

  /// Memory for a body to work in while its step runs.
  constexpr int work_space(std::int64_t bytes, bool per_row, int step) {
    if (bytes == 0) return -1;
    slot_desc d;
    d.per_row = per_row, d.bytes = (bytes + 63) / 64 * 64, d.first = d.last = step;
    out_.slots.push_back(d);
    return static_cast<int>(out_.slots.size()) - 1;
  }
  constexpr void lower_control(int index, const group& g);

  constexpr void lower(int index, const group& g) {
    if (g.kind == group_kind::control) {
      lower_control(index, g);
      return;
    }
    const int step = static_cast<int>(out_.steps.size());
    step_desc s;
    s.kind = g.kind;
    s.group = index;
    s.root = g.root;
    if (g.root >= 0) {
      const node& root = at(g.root);
      s.op = root.op, s.attr = root.attr, s.type = root.type, s.out = root.sig();
      for (int k = 0; k < root.arity; ++k) s.in[k] = at(root.in[k]).sig();
      s.n_operands = root.arity;
    }
    std::vector<int>& value_of = values_;
    const auto prologue = [&](const std::vector<int>& members, program_desc& p) {
      if (members.empty()) return -1;
      p = program(members, at(members.back()).shape, -1, value_of);
      const int result = members.back();
      output_desc o;
      o.node = -1, o.type = at(result).type, o.value = value_of[static_cast<std::size_t>(result)];
      p.outputs.push_back(o);
      for (int m : each(members)) value_of[static_cast<std::size_t>(m)] = unset;
      return result;
    };
    const int a = prologue(g.prologue_of_a, s.prologue_a), b = prologue(g.prologue_of_b, s.prologue_b);
    s.has_prologue_a = a >= 0, s.has_prologue_b = b >= 0;
    const bool runs_program_first = g.kind == group_kind::reduce;
    if (g.root >= 0 && !runs_program_first) {
      const node& root = at(g.root);
      for (int k = 0; k < root.arity; ++k) {
        const int base = memory_base(root.in[k]);
        if (base == a || base == b) continue;
        s.operands[k] = input(base);
      }
    }
    const bool own_program = g.kind != group_kind::opaque;
    if (own_program) s.program = program(g.members, g.space, g.kind == group_kind::tile ? g.root : -1, value_of);
    if (runs_program_first) {
      const node& root = at(g.root);
      const int base = memory_base(root.in[0]);
      output_desc o;
      o.type = at(base).type;
      if (value_of[static_cast<std::size_t>(base)] == unset) {
        input_desc d = input(base);
        row_major(g.space, d.strides);
        o.value = ~static_cast<int>(s.program.inputs.size());
        s.program.inputs.push_back(d);
      } else {
        o.value = value_of[static_cast<std::size_t>(base)];
      }
      s.program.outputs.push_back(o);
    }
    // inputs are alive until this step
    const auto touch_all = [&](const program_desc& p) {
      for (const auto& d : each(p.inputs)) touch(d, step);
    };
    touch_all(s.program);
    touch_all(s.prologue_a);
    touch_all(s.prologue_b);
    for (int k = 0; k < s.n_operands; ++k) touch(s.operands[k], step);
    // results
    for (int id : each(g.stores)) {
      output_desc o;
      o.node = id;
      o.type = at(id).type;
      o.further = at(id).op->further;
      o.memory = {memory_ref::slot, slot(id)};
      if (own_program && !(runs_program_first && id == g.root)) o.value = value_of[static_cast<std::size_t>(id)];
      if (runs_program_first) {
        s.operands[max_operands - 1].memory = o.memory;  // where the reduction's result goes
        continue;
      }
      s.program.outputs.push_back(o);
    }
    for (int id : each(g.assigns)) {
      const node& n = at(id);
      output_desc o;
      o.type = n.type;
      o.memory = {memory_ref::variable, static_cast<int>(n.attr.i[0])};
      const int base = memory_base(n.in[0]);
      if (value_of[static_cast<std::size_t>(base)] != unset) {
        o.value = value_of[static_cast<std::size_t>(base)];
      } else {
        input_desc d = input(base);
        row_major(g.space, d.strides);
        d.linear = true;
        touch(d, step);
        o.value = ~static_cast<int>(s.program.inputs.size());
        s.program.inputs.push_back(d);
      }
      s.program.outputs.push_back(o);
    }
    if (g.root >= 0) value_of[static_cast<std::size_t>(g.root)] = unset;
    for (int m : each(g.members)) value_of[static_cast<std::size_t>(m)] = unset;
    if (g.kind == group_kind::tile) rows_and_columns(s, g.space);
    else if (own_program) merge_axes(s, g);
    for (output_desc& o : each(s.program.outputs))
      if (g.kind == group_kind::map && s.rank == 1) o.elements = s.extents[0];
    if (!is_part_of_last(s)) {
      out_.steps.push_back(std::move(s));
      return;
    }
    step_desc& whole = out_.steps.back();
    ++whole.parts;
    for (input_desc& d : each(s.program.inputs)) {
      if (d.memory.kind == memory_ref::slot) out_.slots[static_cast<std::size_t>(d.memory.index)].last = step - 1;
      whole.program.inputs.push_back(d);
    }
    for (output_desc& d : each(s.program.outputs)) whole.program.outputs.push_back(d);
    for (int& of : each(f_.group_of))
      if (of == index) of = whole.group;
  }

  /// Whether a step that updates variables does the same to them as the one before it does to others: then it is one more
  /// part of that kernel.
  [[nodiscard]] constexpr bool is_part_of_last(const step_desc& s) const {
    const auto updates = [](const step_desc& d) {
      bool yes = d.kind == group_kind::map && d.rank == 1 && d.extents[0] > 0 && !d.program.outputs.empty();
      for (const input_desc& i : each(d.program.inputs)) yes = yes && (i.strides[0] == 0 || i.strides[0] == 1);
      for (const output_desc& o : each(d.program.outputs)) yes = yes && o.memory.kind == memory_ref::variable;
      return yes;
    };
    if (!updates(s) || out_.steps.empty() || s.extents[0] > small_update) return false;
    const step_desc& last = out_.steps.back();
    const program_desc &p = s.program, &q = last.program;
    const auto parts = static_cast<std::size_t>(last.parts);
    if (!updates(last) || last.extents[0] > small_update || last.parts == max_parts || q.lets.size() != p.lets.size() ||
        q.inputs.size() != parts * p.inputs.size() || q.outputs.size() != parts * p.outputs.size())
      return false;
    bool same = true;
    for (std::size_t k = 0; k < p.lets.size(); ++k) {
      const let_desc &a = p.lets[k], &b = q.lets[k];
      same = same && a.op->id == b.op->id && a.type == b.type && a.arity == b.arity;
      for (int j = 0; j < a.arity; ++j) same = same && a.args[j] == b.args[j];
    }
    for (std::size_t k = 0; k < p.inputs.size(); ++k)
      same = same && p.inputs[k].type == q.inputs[k].type && p.inputs[k].strides[0] == q.inputs[k].strides[0];
    for (std::size_t k = 0; k < p.outputs.size(); ++k)
      same = same && p.outputs[k].type == q.outputs[k].type && p.outputs[k].value == q.outputs[k].value;
    if (!same) return false;
    const auto conflict = [](const program_desc& reader, const program_desc& writer) {
      for (const input_desc& i : each(reader.inputs)) {
        if (i.memory.kind != memory_ref::variable) continue;
        for (const output_desc& o : each(writer.outputs))
          if (i.memory.index == o.memory.index) return true;
      }
      return false;
    };
    return !conflict(p, q) && !conflict(q, p);  // a part may not read what another part writes
  }

  constexpr void rows_and_columns(step_desc& s, const tensor_shape& space) {
    for (std::size_t k = 0; k < s.program.inputs.size(); ++k) {
      input_desc& d = s.program.inputs[k];
      operand_ref r;
      r.base = d.base;
      for (int a = 0; a < max_rank; ++a) r.strides[a] = d.strides[a];
      if (k == 0) row_major(space, r.strides);
      std::int64_t row = 0, column = 0;
      as_rows_columns(r, space, row, column);
      for (std::int64_t& v : d.strides) v = 0;
      d.strides[0] = row, d.strides[1] = column;
    }
  }

  /// Drops axes of extent 1 and merges neighbours that every operand walks as one.
  constexpr void merge_axes(step_desc& s, const group& g) {
    std::int64_t own[max_rank] = {};
    row_major(g.space, own);
    const std::int64_t mask = g.kind == group_kind::reduce ? at(g.root).attr.i[0] : 0;
    int rank = 0;
    int axes[max_rank] = {};
    for (int d = 0; d < g.space.rank(); ++d)
      if (g.space[d] != 1) axes[rank++] = d;
    // merged axis m covers axes first[m] .. last[m]
    std::int64_t extents[max_rank] = {};
    int last[max_rank] = {};
    int merged = 0;
    for (int k = 0; k < rank; ++k) {
      const int d = axes[k];
      bool joins = merged > 0 && ((mask >> d) & 1) == ((mask >> last[merged - 1]) & 1);
      if (joins) {
        const int p = last[merged - 1];
        for (const auto& in : each(s.program.inputs)) joins = joins && in.strides[p] == in.strides[d] * g.space[d];
      }
      if (joins) {
        extents[merged - 1] *= g.space[d];
        last[merged - 1] = d;
      } else {
        extents[merged] = g.space[d];
        last[merged++] = d;
      }
    }
    s.rank = merged;
    for (int m = 0; m < merged; ++m) {
      s.extents[m] = extents[m];
      if ((mask >> last[m]) & 1) s.reduced |= 1u << m;
    }
    for (auto& in : each(s.program.inputs)) {
      std::int64_t strides[max_rank] = {};
      for (int m = 0; m < merged; ++m) strides[m] = in.strides[last[m]];
      for (int m = 0; m < max_rank; ++m) in.strides[m] = strides[m];
    }
  }

  builder& b_;
  fusion& f_;
  const node* nodes_;
  lowered out_;
  std::vector<int> slot_of_, cell_of_, stack_of_, values_;  // values_: per node its number in the program at hand
};

/// A loop or branch: its operands and results are memory that its bodies, lowered and planned by themselves, refer to as
/// their inputs and variables.
template <class V>
constexpr void lowering<V>::lower_control(int index, const group& g) {
  const int step = static_cast<int>(out_.steps.size());
  const node n = at(g.root);
  step_desc s;
  s.kind = group_kind::control;
  s.group = index, s.root = g.root, s.attr = n.attr;
  s.control = static_cast<int>(out_.controls.size());
  control_desc c;
  c.is_loop = n.op->id == id_of<op::loop>;
  std::vector<int> leaves = leaves_of(b_, n);
  std::vector<memory_ref> given, results;
  for (int leaf : leaves) {
    const input_desc d = input(memory_base(leaf));
    touch(d, step);
    given.push_back(d.memory);
  }
  const auto body = [&](std::int64_t k) -> builder& { return b_.bodies[static_cast<std::size_t>(k)]; };
  const std::vector<variable_decl>& variables = body(n.attr.i[0]).variables;
  results.resize(variables.size());
  std::vector<char> read(variables.size(), 0);
  c.stack = static_cast<int>(out_.stacks.size());
  for (int id : each(g.stores)) {
    const node& r = at(id);
    const auto k = static_cast<std::size_t>(r.attr.i[0]);
    read[k] = 1;
    results[k] = r.attr.i[1] != 0 ? memory_ref{memory_ref::stack, stack(id)} : memory_ref{memory_ref::slot, slot(id)};
  }
  c.stacks = static_cast<int>(out_.stacks.size()) - c.stack;
  for (std::size_t k = 0; k < variables.size(); ++k)
    if (!read[k]) {  // a state that only the loop reads, a row that nobody does
      const std::int64_t bytes = bytes_of({variables[k].type, variables[k].shape});
      results[k] = {memory_ref::slot, work_space(bytes < 0 ? -bytes : bytes == 0 ? 64 : bytes, bytes < 0, step)};
    }
  std::size_t next = 0;
  const auto row = [&](const memory_ref& stacked, const signature& of) {
    out_.rows.push_back({stacked, c.loop, bytes_of(of)});
    return memory_ref{memory_ref::row, static_cast<int>(out_.rows.size()) - 1};
  };
  const auto add_body = [&](builder& inside, bool is_condition) {
    lowered::inner_body in;
    in.control = s.control, in.is_condition = is_condition;
    for (std::size_t k = 0; k < inside.inputs.size(); ++k, ++next) {
      const signature of = inside.nodes[static_cast<std::size_t>(inside.inputs[k])].sig();
      in.feeds.push_back(inside.input_is_row[k] ? row(given[next], of) : given[next]);
    }
    for (std::size_t k = 0; k < inside.variables.size(); ++k) {
      const variable_decl& v = inside.variables[k];
      in.variables.push_back(inside.variable_is_row[k] && read[k] ? row(results[k], {v.type, v.shape}) : results[k]);
    }
    fusion f = fuse(inside);
    in.l = rill::graph::lower(inside, f);
    plan(in.l);
    in.fixed_slot = work_space(in.l.fixed_bytes, false, step);
    in.row_slot = work_space(in.l.row_bytes, true, step);
    out_.inner.push_back(std::move(in));
  };
  if (c.is_loop) {
    c.loop = out_.loops++;
    c.trip = n.attr.i[2], c.reverse = n.attr.i[3] != 0;
    if (c.trip == op::loop::counted) c.chosen = given[next++];
    builder& repeated = body(n.attr.i[0]);
    c.copy = static_cast<int>(out_.copies.size());
    for (std::size_t k = 0; k < repeated.variables.size(); ++k)
      if (!repeated.variable_is_row[k])
        out_.copies.push_back({given[next++], results[k], bytes_of({repeated.variables[k].type, repeated.variables[k].shape})});
    c.copies = static_cast<int>(out_.copies.size()) - c.copy;
    add_body(repeated, false);
    if (c.trip == op::loop::conditional) add_body(body(n.attr.i[1]), true);
  } else {
    c.chosen = given[next++];
    c.chosen_type = at(leaves[0]).type;
    c.branches = static_cast<int>(n.attr.i[1]);
    for (int k = 0; k < c.branches; ++k) add_body(body(n.attr.i[0] + k), false);
  }
  out_.controls.push_back(c);
  out_.steps.push_back(std::move(s));
}

}  // namespace detail

template <class>
constexpr lowered lower(builder& b, fusion& f) {
  return detail::lowering<>(b, f).run();
}

}  // namespace rill::graph

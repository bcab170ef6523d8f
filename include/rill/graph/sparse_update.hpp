// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Updates of a few rows of a table. The gradient of a lookup is zeros but for the rows that were looked up. Where an
/// assignment's new value is an element-wise function of such gradients, of variables and of scalars, and is the variable
/// itself wherever the gradients are zero, only those rows are computed, in place, and the gradient is never made. This
/// is found out by putting zeros in the gradients' place: gradient descent gives v - rate * 0 = v and Adagrad a + 0 * 0 = a
/// and v - rate * 0 * rsqrt(a) = v, while Momentum and Adam, whose slots decay, and losses with a penalty on the table
/// change every row and stay as they are. (A product with zero counts as zero: rates and slots are finite.)
///
/// Results equal those of the update of the whole table bit for bit, but for the sign of a weight that is zero. Works on
/// the lowered tables, before the memory plan: a scatter whose result is never made stays there as a `deferred` step,
/// whose operands the update reads.

#include "../ops/cast.hpp"
#include "../ops/select.hpp"
#include "../ops/unary.hpp"
#include "lower.hpp"

namespace rill::graph {

namespace detail {

/// What a value of a program is known to be where the gradients are zero.
struct known_value {
  enum kind_type : std::uint8_t { anything, zero, one, input };
  kind_type kind = anything;
  int index = -1;  ///< the input that it equals
  friend constexpr bool operator==(const known_value& a, const known_value& b) {
    return a.kind != anything && a.kind == b.kind && a.index == b.index;
  }
};

/// Whether f(0) = 0 for the element-wise op of one operand.
constexpr bool keeps_zero(const op_info* op) {
  const std::uint64_t ids[] = {id_of<ops::neg>, id_of<ops::abs>, id_of<ops::sign>, id_of<ops::square>, id_of<ops::sqrt>, id_of<ops::relu>,
                               id_of<ops::tanh>, id_of<ops::sin>, id_of<ops::expm1>, id_of<ops::log1p>, id_of<op::copy>,
                               id_of<ops::cast<float>>, id_of<ops::cast<double>>, id_of<ops::cast<half>>, id_of<ops::cast<bfloat16>>};
  for (std::uint64_t id : ids)
    if (op->id == id) return true;
  return false;
}
constexpr known_value value_of(const op_info* op, const known_value* x) {
  const auto is = [&](int k, known_value::kind_type kind) { return x[k].kind == kind; };
  constexpr auto zero = known_value::zero, one = known_value::one;
  const known_value nothing{zero};
  if (op->id == id_of<ops::add>) return is(0, zero) ? x[1] : is(1, zero) ? x[0] : known_value{};
  if (op->id == id_of<ops::sub>) return is(1, zero) ? x[0] : known_value{};
  if (op->id == id_of<ops::mul>) return is(0, zero) || is(1, zero) ? nothing : is(0, one) ? x[1] : is(1, one) ? x[0] : known_value{};
  if (op->id == id_of<ops::div>) return is(0, zero) ? nothing : is(1, one) ? x[0] : known_value{};
  if (op->id == id_of<ops::maximum> || op->id == id_of<ops::minimum>) return x[0] == x[1] ? x[0] : known_value{};
  if (op->id == id_of<ops::select>) return x[1] == x[2] ? x[1] : known_value{};
  return is(0, zero) && keeps_zero(op) ? nothing : known_value{};
}

template <class = void>
class sparse_updater {
 public:
  constexpr explicit sparse_updater(lowered& l) : l_(l) {}

  constexpr void run() {
    writer_.assign(l_.slots.size(), -1);
    bool any = false;
    for (std::size_t k = 0; k < l_.steps.size(); ++k)
      if (scatters_rows(l_.steps[k])) {
        writer_[static_cast<std::size_t>(l_.steps[k].program.outputs[0].memory.index)] = static_cast<int>(k);
        any = true;
      }
    if (!any) return;
    count_uses();
    for (std::size_t k = 0; k < l_.steps.size(); ++k)
      if (is_sparse(l_.steps[k])) rewrite(static_cast<int>(k));
  }

 private:
  static constexpr bool scatters_rows(const step_desc& s) {
    return s.kind == group_kind::opaque && s.op != nullptr && s.op->adds_rows && s.attr.i[0] == 0 && s.attr.i[1] == 0 &&
           is_floating(s.type) && s.out.shape.is_static() && s.program.outputs.size() == 1 &&
           s.program.outputs[0].memory.kind == memory_ref::slot;
  }
  /// How often each slot is read, and which variables are written.
  constexpr void count_uses() {
    uses_.assign(l_.slots.size(), 0);
    const auto use = [&](const memory_ref& m) {
      if (m.kind == memory_ref::slot) ++uses_[static_cast<std::size_t>(m.index)];
    };
    for (const step_desc& s : l_.steps) {
      for (const program_desc* p : {&s.program, &s.prologue_a, &s.prologue_b}) {
        for (const input_desc& d : p->inputs) use(d.memory);
        for (const output_desc& d : p->outputs)
          if (d.memory.kind == memory_ref::variable) written_.push_back(d.memory.index);
      }
      for (int k = 0; k < s.n_operands; ++k) use(s.operands[k].memory);
    }
    for (const memory_ref& m : l_.fetch_memory) use(m);
    for (const control_desc& c : l_.controls) use(c.chosen), use(c.test);
    for (const copy_desc& c : l_.copies) use(c.from), use(c.to);
    for (const row_desc& r : l_.rows) use(r.stacked);
    for (const auto& in : l_.inner) {
      for (const memory_ref& m : in.feeds) use(m);
      for (const memory_ref& m : in.variables) use(m);
    }
  }
  /// The step whose scattered rows an input is, or -1.
  [[nodiscard]] constexpr int scatter_of(const input_desc& d) const {
    return d.memory.kind == memory_ref::slot ? writer_[static_cast<std::size_t>(d.memory.index)] : -1;
  }
  /// Whether the memory still holds the same when a later step reads it.
  [[nodiscard]] constexpr bool stays(const memory_ref& m) const {
    if (m.kind == memory_ref::slot || m.kind == memory_ref::feed) return true;
    if (m.kind != memory_ref::variable) return false;
    for (int w : written_)
      if (w == m.index) return false;
    return true;
  }
  [[nodiscard]] constexpr known_value known(const input_desc& d, int index) const {
    if (scatter_of(d) >= 0) return {known_value::zero};
    if (d.memory.kind == memory_ref::scalar) {
      const scalar_desc& s = l_.scalars[static_cast<std::size_t>(d.memory.index)];
      if (!s.is_parameter && s.value == 0) return {known_value::zero};
      if (!s.is_parameter && s.value == 1) return {known_value::one};
    }
    return {known_value::input, index};
  }

  [[nodiscard]] constexpr bool is_sparse(const step_desc& s) const {
    if (s.kind != group_kind::map || s.parts != 1 || s.rank != 1 || s.extents[0] <= 0 || s.program.outputs.empty()) return false;
    const step_desc* first = nullptr;
    for (const input_desc& d : s.program.inputs) {
      if (!d.linear && d.strides[0] != 0) return false;
      const int k = scatter_of(d);
      if (k < 0) continue;
      const step_desc& scatter = l_.steps[static_cast<std::size_t>(k)];
      if (first == nullptr) first = &scatter;
      if (!d.linear || uses_[static_cast<std::size_t>(d.memory.index)] != 1 || scatter.out.shape.num_elements() != s.extents[0] ||
          scatter.out.shape[0] != first->out.shape[0] || !stays(scatter.operands[0].memory) || !stays(scatter.operands[1].memory))
        return false;
    }
    if (first == nullptr) return false;
    std::vector<known_value> inputs, lets;
    for (const input_desc& d : s.program.inputs) inputs.push_back(known(d, static_cast<int>(inputs.size())));
    const auto value = [&](int v) { return v < 0 ? inputs[static_cast<std::size_t>(~v)] : lets[static_cast<std::size_t>(v)]; };
    for (const let_desc& l : s.program.lets) {
      known_value x[max_operands];
      for (int k = 0; k < l.arity; ++k) x[k] = value(l.args[k]);
      lets.push_back(detail::value_of(l.op, x));
    }
    for (const output_desc& o : s.program.outputs) {
      const known_value v = value(o.value);
      if (o.memory.kind != memory_ref::variable || v.kind != known_value::input) return false;
      const input_desc& d = s.program.inputs[static_cast<std::size_t>(v.index)];
      if (d.memory.kind != memory_ref::variable || d.memory.index != o.memory.index || !d.linear) return false;
    }
    return true;
  }
  constexpr void rewrite(int step) {
    step_desc& s = l_.steps[static_cast<std::size_t>(step)];
    s.kind = group_kind::rows;
    for (input_desc& d : s.program.inputs) {
      const int k = scatter_of(d);
      if (k < 0) continue;
      step_desc& scatter = l_.steps[static_cast<std::size_t>(k)];
      l_.slots[static_cast<std::size_t>(d.memory.index)].bytes = 0;
      d.memory = {memory_ref::deferred, k};
      scatter.deferred = true;
      scatter.program.outputs.clear();
      for (int o = 0; o < 2; ++o)
        if (const memory_ref& m = scatter.operands[o].memory; m.kind == memory_ref::slot)
          if (int& last = l_.slots[static_cast<std::size_t>(m.index)].last; last < step) last = step;
    }
  }

  lowered& l_;
  std::vector<int> writer_, uses_, written_;
};

}  // namespace detail

/// Turns updates that change nothing where a lookup's gradient is zero into updates of the rows that were looked up.
template <class = void>
constexpr void update_rows_only(lowered& l) {
  detail::sparse_updater<>(l).run();
}

}  // namespace rill::graph

// SPDX-License-Identifier: Apache-2.0
// Branches and loops by the driver's interpreter; sequences and optionals.
#include <limits>

#include "driver.hpp"
#include "rill/eager/movement.hpp"

namespace onnx {
namespace {
using namespace rill;

bool truth(const value& v) { return v.t.span<bool>()[0]; }

results branch(const call& c) { return run(*c.at(truth(c.in.at(0)) ? "then_branch" : "else_branch").g, {}, c.opset, c.names); }

results loop(const call& c) {
  const graph& body = *c.at("body").g;
  const std::int64_t most = c.given(0) ? integers(c.x(0)).at(0) : std::numeric_limits<std::int64_t>::max();
  value go = c.given(1) ? c.in[1] : value(dynamic_tensor(true));
  std::vector<value> state(c.in.begin() + 2, c.in.end());
  std::vector<std::vector<dynamic_tensor>> scans(body.outputs.size() - 1 - state.size());
  for (std::int64_t k = 0; k < most && truth(go); ++k) {
    std::vector<value> in{dynamic_tensor(k), go};
    in.insert(in.end(), state.begin(), state.end());
    results out = run(body, in, c.opset, c.names);
    go = out.at(0);
    for (std::size_t s = 0; s < state.size(); ++s) state[s] = out.at(1 + s);
    for (std::size_t s = 0; s < scans.size(); ++s) scans[s].push_back(out.at(1 + state.size() + s).t);
  }
  for (const std::vector<dynamic_tensor>& s : scans) state.emplace_back(stack(s));
  return state;
}

results scan_once(const call& c, const std::vector<value>& in) {
  const graph& body = *c.at("body").g;
  const auto scanned = static_cast<std::size_t>(c.at("num_scan_inputs").i), states = in.size() - scanned;
  std::vector<value> state(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(states));
  std::vector<std::vector<dynamic_tensor>> rows, scans(body.outputs.size() - states);
  for (std::size_t k = states; k < in.size(); ++k) rows.push_back(unstack(in[k].t));
  for (std::size_t k = 0; k < rows.at(0).size(); ++k) {
    std::vector<value> step = state;
    for (const auto& r : rows) step.emplace_back(r.at(k));
    results out = run(body, step, c.opset, c.names);
    for (std::size_t s = 0; s < states; ++s) state[s] = out.at(s);
    for (std::size_t s = 0; s < scans.size(); ++s) scans[s].push_back(out.at(states + s).t);
  }
  for (const std::vector<dynamic_tensor>& s : scans) state.emplace_back(stack(s));
  return state;
}
// Operator set 8 has the lengths of the sequences first and a batch axis around everything.
results scan(const call& c) {
  if (c.opset >= 9) return scan_once(c, c.in);
  if (c.given(0)) throw unimplemented("Scan: of sequences of different lengths");
  std::vector<std::vector<dynamic_tensor>> batches;
  for (std::size_t k = 1; k < c.in.size(); ++k) batches.push_back(unstack(c.x(k)));
  std::vector<std::vector<dynamic_tensor>> out;
  for (std::size_t b = 0; b < batches.at(0).size(); ++b) {
    std::vector<value> in;
    for (const auto& x : batches) in.emplace_back(x[b]);
    const results r = scan_once(c, in);
    out.resize(r.size());
    for (std::size_t k = 0; k < r.size(); ++k) out[k].push_back(r[k].t);
  }
  results r;
  for (const auto& parts : out) r.emplace_back(stack(parts));
  return r;
}

std::size_t place(std::int64_t k, std::size_t n, bool end_too = false) {
  return static_cast<std::size_t>(axis_in(k, static_cast<int>(n), end_too));
}
results insert(const call& c) {
  value s = c.in.at(0);
  const std::size_t at = c.given(2) ? place(integers(c.x(2)).at(0), s.items.size(), true) : s.items.size();
  s.items.insert(s.items.begin() + static_cast<std::ptrdiff_t>(at), c.in.at(1));
  return {s};
}
results erase(const call& c) {
  value s = c.in.at(0);
  const std::size_t at = c.given(1) ? place(integers(c.x(1)).at(0), s.items.size()) : s.items.size() - 1;
  s.items.erase(s.items.begin() + static_cast<std::ptrdiff_t>(at));
  return {s};
}
results element_at(const call& c) { return {c.in.at(0).items.at(place(integers(c.x(1)).at(0), c.in[0].items.size()))}; }
results sequence_map(const call& c) {
  const graph& body = *c.at("body").g;
  std::vector<std::vector<value>> out(c.wanted());
  for (std::size_t k = 0; k < c.in.at(0).items.size(); ++k) {
    std::vector<value> in;
    for (const value& v : c.in) in.push_back(v.is_sequence ? v.items.at(k) : v);
    results r = run(body, in, c.opset, c.names);
    for (std::size_t s = 0; s < out.size(); ++s) out[s].push_back(r.at(s));
  }
  results r;
  for (auto& items : out) r.push_back(value::sequence(std::move(items)));
  return r;
}
results join(const call& c) {
  std::vector<dynamic_tensor> parts;
  for (const value& v : c.in.at(0).items) parts.push_back(v.t);
  const std::int64_t axis = c.at("axis").i;
  return {c.i("new_axis", 0) != 0 ? stack(parts, {axis}) : concat(parts, {axis})};
}
results split_up(const call& c) {
  const std::int64_t axis = axis_in(c.i("axis", 0), c.x().rank()), n = c.x().shape()[static_cast<int>(axis)];
  std::vector<value> items;
  if (!c.given(1)) {
    for (const dynamic_tensor& t : unstack(c.x(), {axis})) items.emplace_back(c.i("keepdims", 1) != 0 ? expand_dims(t, axis) : t);
  } else {
    std::vector<std::int64_t> sizes = integers(c.x(1));
    if (c.x(1).rank() == 0) {
      const std::int64_t size = sizes.at(0);
      sizes.clear();
      for (std::int64_t at = 0; at < n; at += size) sizes.push_back(std::min(size, n - at));
    }
    for (const dynamic_tensor& t : split(c.x(), shape_from(sizes), {axis})) items.emplace_back(t);
  }
  return {value::sequence(std::move(items))};
}

}  // namespace

void add_control(op_table& t) {
  t["If"] = branch;
  t["Loop"] = loop;
  t["Scan"] = scan;
  t["SequenceMap"] = sequence_map;
  t["SequenceConstruct"] = [](const call& c) -> results { return {value::sequence(c.in)}; };
  t["SequenceEmpty"] = [](const call&) -> results { return {value::sequence({})}; };
  t["SequenceLength"] = [](const call& c) -> results { return {dynamic_tensor(static_cast<std::int64_t>(c.in.at(0).items.size()))}; };
  t["SequenceInsert"] = insert;
  t["SequenceErase"] = erase;
  t["SequenceAt"] = element_at;
  t["ConcatFromSequence"] = join;
  t["SplitToSequence"] = split_up;
  t["Optional"] = [](const call& c) -> results { return {c.in.empty() ? value() : c.in[0]}; };
  t["OptionalHasElement"] = [](const call& c) -> results { return {dynamic_tensor(!c.in.empty() && c.in[0].has_value())}; };
  t["OptionalGetElement"] = [](const call& c) -> results { return {c.in.at(0)}; };
}

}  // namespace onnx

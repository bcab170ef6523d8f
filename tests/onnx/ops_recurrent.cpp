// SPDX-License-Identifier: Apache-2.0
// RNN, GRU and LSTM of one direction as compositions: X [steps, batch, inputs], W and R [1, gates * hidden, ..],
// B [1, 2 * gates * hidden], states [1, batch, hidden]; layout 1 has the batch first.
#include "driver.hpp"
#include "rill/eager/movement.hpp"

namespace onnx {
namespace {
using namespace rill;

dynamic_tensor times_transposed(const dynamic_tensor& x, const dynamic_tensor& w) { return op("MatMul", {x, transpose(w)}); }
num sigmoid_of(const num& x) { return op("Sigmoid", {x}); }
num tanh_of(const num& x) { return op("Tanh", {x}); }

struct recurrent {
  std::vector<dynamic_tensor> steps;
  dynamic_tensor w, r, wb, rb, h;
  std::int64_t hidden = 0, batch = 0;
  bool batch_first = false;

  recurrent(const call& c, int gates) {
    if (c.s("direction", "forward") != "forward" || c.x(1).shape()[0] != 1) throw unimplemented(c.n->op + ": only of one direction");
    if (c.has("activations") || c.has("clip")) throw unimplemented(c.n->op + ": only with the usual activations");
    batch_first = c.i("layout", 0) != 0;
    steps = unstack(c.x(0), {batch_first ? 1 : 0});
    if (c.given(4))
      for (const std::int64_t n : integers(c.x(4)))
        if (n != static_cast<std::int64_t>(steps.size())) throw unimplemented(c.n->op + ": only of sequences of one length");
    hidden = c.at("hidden_size").i, batch = steps.at(0).shape()[0];
    w = squeeze(c.x(1), {0}), r = squeeze(c.x(2), {0});
    const dynamic_tensor b = c.given(3) ? squeeze(c.x(3), {0}) : dynamic_tensor::zeros(w.type(), {2 * gates * hidden});
    wb = slice_along(b, 0, 0, gates * hidden), rb = slice_along(b, 0, gates * hidden, gates * hidden);
    h = state(c, 5);
  }
  [[nodiscard]] dynamic_tensor state(const call& c, std::size_t k) const {
    return c.given(k) ? squeeze(c.x(k), {batch_first ? 1 : 0}) : dynamic_tensor::zeros(w.type(), {batch, hidden});
  }
  [[nodiscard]] dynamic_tensor gate(const dynamic_tensor& x, int k, int axis) const { return slice_along(x, axis, k * hidden, hidden); }
  /// All states, and the last one.
  [[nodiscard]] results finish(const std::vector<dynamic_tensor>& states) const {
    const dynamic_tensor y = expand_dims(stack(states), 1);  // [steps, 1, batch, hidden]
    return batch_first ? results{transpose(y, {2, 0, 1, 3}), expand_dims(h, 1)} : results{y, expand_dims(h, 0)};
  }
};

results rnn(const call& c) {
  recurrent s(c, 1);
  std::vector<dynamic_tensor> out;
  for (const dynamic_tensor& x : s.steps) out.push_back(s.h = tanh_of(num(times_transposed(x, s.w)) + times_transposed(s.h, s.r) + s.wb + s.rb));
  return s.finish(out);
}

results gru(const call& c) {
  recurrent s(c, 3);
  const bool late = c.i("linear_before_reset", 0) != 0;
  std::vector<dynamic_tensor> out;
  for (const dynamic_tensor& step : s.steps) {
    const dynamic_tensor x = num(times_transposed(step, s.w)) + s.wb;
    const auto recur = [&](const dynamic_tensor& h, int k) { return num(times_transposed(h, s.gate(s.r, k, 0))) + s.gate(s.rb, k, 0); };
    const num z = sigmoid_of(num(s.gate(x, 0, 1)) + recur(s.h, 0)), r = sigmoid_of(num(s.gate(x, 1, 1)) + recur(s.h, 1));
    const num n = tanh_of(num(s.gate(x, 2, 1)) + (late ? r * recur(s.h, 2) : recur(r * s.h, 2)));
    out.push_back(s.h = (num(1) - z) * n + z * s.h);
  }
  return s.finish(out);
}

results lstm(const call& c) {
  recurrent s(c, 4);
  dynamic_tensor cell = s.state(c, 6);
  const dynamic_tensor p = c.given(7) ? squeeze(c.x(7), {0}) : dynamic_tensor::zeros(s.w.type(), {3 * s.hidden});
  std::vector<dynamic_tensor> out;
  for (const dynamic_tensor& step : s.steps) {
    const dynamic_tensor g = num(times_transposed(step, s.w)) + times_transposed(s.h, s.r) + s.wb + s.rb;
    const auto peep = [&](int k, const dynamic_tensor& with) { return num(s.gate(p, k, 0)) * with; };
    const num i = sigmoid_of(num(s.gate(g, 0, 1)) + peep(0, cell)), f = sigmoid_of(num(s.gate(g, 2, 1)) + peep(2, cell));
    cell = f * cell + i * tanh_of(s.gate(g, 3, 1));
    const num o = sigmoid_of(num(s.gate(g, 1, 1)) + peep(1, cell));
    out.push_back(s.h = o * tanh_of(cell));
  }
  results r = s.finish(out);
  r.emplace_back(expand_dims(cell, s.batch_first ? 1 : 0));
  return r;
}

}  // namespace

void add_recurrent(op_table& t) {
  t["RNN"] = rnn;
  t["GRU"] = gru;
  t["LSTM"] = lstm;
}

}  // namespace onnx

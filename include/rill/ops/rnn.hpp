// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The element-wise half of an LSTM cell (Hochreiter and Schmidhuber 1997, forget bias of Gers et al. 2000), fused: from
/// z [b, 4u], the four gates before their activations in TensorFlow's order i, j, f, o, and the cell state c [b, u]
///
///   lstm_state(z, c)  = c * sigmoid(f + forget_bias) + sigmoid(i) * tanh(j)         the next state
///   lstm_output(z, c) = tanh(c) * sigmoid(o)                                        of the next state: the cell's output
///
/// and whole layers over time steps as one op, lstm_sequence and gru_sequence (Cho et al. 2014; of TensorFlow's GRUCell: the
/// reset gate is applied before the candidate's product): the recurrent kernel is packed once, a tile of its product becomes
/// gates, state and output while it is in registers.
///
/// float32 and float64. First derivatives are kernels of their own (which have none). Include kernel/rnn.hpp to run them.

#include "movement.hpp"

namespace rill {

namespace ops {

namespace rnn {
/// What the ops share: gates [b, 4u], then `States` tensors [b, u]; the result is like the gates or like a state.
template <int States, bool GivesGates, int Cost>
struct gate_op {
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = Cost;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    const tensor_shape &z = in[0].shape, &c = in[1].shape;
    if (!(in[0].type == dtype::float32 || in[0].type == dtype::float64)) f.set("gates must be float32 or float64", "cast them", in[0]);
    else if (z.rank() != 2 || c.rank() != 2 || z[0] != c[0] || z[1] != 4 * c[1] || in[0].type != in[1].type)
      f.set("needs gates [batch, 4 units] and states [batch, units]", "", in[0], in[1]);
    for (int k = 2; k <= States; ++k)
      if (!(in[k].shape == c) || in[k].type != in[0].type) f.set("states differ", "", in[1], in[k]);
    return in[GivesGates ? 0 : 1];
  }
};
}  // namespace rnn

/// The gates' share of lstm_state's gradient: operands z, c and the result's gradient.
struct lstm_state_grad_op : rnn::gate_op<2, true, 40> {
  static constexpr auto name = "LSTMStateGrad";
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// dy * sigmoid(f + forget_bias): operands z, dy.
struct lstm_forget_op : rnn::gate_op<1, false, 20> {
  static constexpr auto name = "LSTMForget";
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// f[0]: the forget bias.
struct lstm_state_op : rnn::gate_op<1, false, 40> {
  static constexpr auto name = "LSTMState";
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto z, auto c) {
    return grads(rill::detail::emit<lstm_state_grad_op>({z, c, dy}, at), rill::detail::emit<lstm_forget_op>({z, dy}, at));
  }
};

/// The gates' share of lstm_output's gradient: operands z, c and the result's gradient.
struct lstm_output_grad_op : rnn::gate_op<2, true, 40> {
  static constexpr auto name = "LSTMOutputGrad";
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// The state's share: dy * sigmoid(o) * (1 - tanh(c)^2).
struct lstm_output_state_grad_op : rnn::gate_op<2, false, 40> {
  static constexpr auto name = "LSTMOutputStateGrad";
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
struct lstm_output_op : rnn::gate_op<1, false, 40> {
  static constexpr auto name = "LSTMOutput";
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto z, auto c) {
    return grads(rill::detail::emit<lstm_output_grad_op>({z, c, dy}, at), rill::detail::emit<lstm_output_state_grad_op>({z, c, dy}, at));
  }
};

// ---- whole sequences ---------------------------------------------------------------------------------------------------

/// What a sequence op gives besides outputs, of its operands' signatures: [t + More, b, Units * u].
template <int K, int More, int Units>
struct further_by_time {
  static constexpr op_kind kind = op_kind::alias;
  static constexpr int cost = 0, further = K;
  static constexpr int operands[] = {0, 1, 2};
  static constexpr signature infer(const attributes&, const signature* in) {
    return {in[0].type, {in[0].shape[0] + More, in[0].shape[1], in[1].shape[0] * Units}};
  }
};
namespace rnn {
/// The op that gives a sequence's gates' gradients of (gates, .., kernel, gradient of the result).
struct sequence_grad_op {
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  static constexpr signature infer(const attributes&, const signature* in, failure&) { return in[0]; }
  static constexpr std::int64_t flops(const attributes&, const signature* in) { return 2 * in[0].shape.num_elements() * in[2].shape[0]; }
};
/// One of projected inputs [t, b, Gates u], recurrent kernel [u, Gates u] and a first state, which a batch has as rows [b, u].
template <int Gates>
struct sequence_op {
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    const tensor_shape &p = in[0].shape, &k = in[1].shape;
    if (!(in[0].type == dtype::float32 || in[0].type == dtype::float64)) f.set("needs float32 or float64", "cast the operands", in[0]);
    else if (p.rank() != 3 || k.rank() != 2 || k[1] != Gates * k[0] || p[2] != k[1] || in[1].type != in[0].type)
      f.set(Gates == 4 ? "needs inputs [time, batch, 4 units] and a kernel [units, 4 units]" : "needs inputs [time, batch, 3 units] and a kernel [units, 3 units]", "", in[0], in[1]);
    else if (p[0] < 0) f.set("the number of time steps must be known", "use a loop", in[0]);
    return {in[0].type, p.rank() == 3 && k.rank() == 2 ? tensor_shape{p[0], p[1], k[0]} : p};
  }
  static constexpr std::int64_t flops(const attributes&, const signature* in) { return 2 * in[0].shape.num_elements() * in[1].shape[0]; }
};
/// [t, b, n] as [t * b, n].
template <class V>
constexpr V all_rows(const V& v) {
  return reshape_to(v, {v.shape()[0] * v.shape()[1], v.shape()[2]});
}
}  // namespace rnn

/// Gates after their activations, by time.
struct lstm_gates : further_by_time<2, 0, 4> {
  static constexpr auto name = "LSTMGates";
};
/// The outputs that each time step began with, by time.
struct lstm_outputs_before : further_by_time<3, 0, 1> {
  static constexpr auto name = "LSTMOutputsBefore";
};
/// The gradient of the first state and output, [2, b, u].
struct lstm_first_grad {
  static constexpr auto name = "LSTMFirstGrad";
  static constexpr op_kind kind = op_kind::alias;
  static constexpr int cost = 0, further = 1;
  static constexpr int operands[] = {0, 1};
  static constexpr signature infer(const attributes&, const signature* in) { return {in[0].type, {2, in[0].shape[1], in[2].shape[0]}}; }
};
/// (gates, states, kernel, gradient of the outputs, or of the states if i[1]) -> gradient of the projected inputs.
struct lstm_sequence_grad_op : rnn::sequence_grad_op {
  static constexpr auto name = "LSTMSequenceGrad";
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
struct lstm_sequence_op;
struct lstm_states;
namespace rnn {
/// Of projected inputs, kernel and first state, given the gradient of the outputs (0) or the states (1).
template <class V>
constexpr gradient_pack<V, V, V> sequence_gradients(attributes at, std::int64_t of_states, const V& dy, const V& projected, const V& kernel, const V& first) {
  const auto kept = rill::detail::emit_all<lstm_sequence_op, lstm_states, lstm_gates, lstm_outputs_before>({projected, kernel, first}, at);
  at.i[1] = of_states;
  const auto g = rill::detail::emit_all<lstm_sequence_grad_op, lstm_first_grad>({kept[2], kept[1], kernel, dy}, at);
  return grads(g[0], rill::matmul(all_rows(kept[3]), all_rows(g[0]), {.transpose_a = true}), g[1]);
}
}  // namespace rnn
/// Cell states in the order in which they were computed, the first one first.
struct lstm_states : further_by_time<1, 1, 1> {
  static constexpr auto name = "LSTMStates";
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto, auto projected, auto kernel, auto first) {
    const auto g = rnn::sequence_gradients(at, 1, dy, projected, kernel, first);
    return grads(no_gradient{}, g.head, g.tail.head, g.tail.tail.head);
  }
};
/// (projected inputs [t, b, 4u], recurrent kernel [u, 4u], first state and output [2, b, u]) -> outputs [t, b, u]; f[0]: the
/// forget bias; i[0]: from the last time step to the first.
struct lstm_sequence_op : rnn::sequence_op<4> {
  static constexpr auto name = "LSTMSequence";
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const tensor_shape &p = in[0].shape, &s = in[2].shape;
    const signature y = rnn::sequence_op<4>::infer(at, in, f);
    if (!f && (s.rank() != 3 || s[0] != 2 || s[1] != p[1] || s[2] != y.shape[2] || in[2].type != in[0].type))
      f.set("needs a first state and output [2, batch, units]", "", in[0], in[2]);
    return y;
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto projected, auto kernel, auto first) {
    return rnn::sequence_gradients(at, 0, dy, projected, kernel, first);
  }
};

/// Gates and candidate after their activations, by time: r, u, c.
struct gru_gates : further_by_time<1, 0, 3> {
  static constexpr auto name = "GRUGates";
};
/// The outputs that each time step began with, by time.
struct gru_outputs_before : further_by_time<2, 0, 1> {
  static constexpr auto name = "GRUOutputsBefore";
};
/// The same after the reset gate.
struct gru_reset : further_by_time<3, 0, 1> {
  static constexpr auto name = "GRUReset";
};
/// The gradient of the first state, [b, u].
struct gru_first_grad {
  static constexpr auto name = "GRUFirstGrad";
  static constexpr op_kind kind = op_kind::alias;
  static constexpr int cost = 0, further = 1;
  static constexpr int operands[] = {0, 1};
  static constexpr signature infer(const attributes&, const signature* in) { return {in[0].type, {in[1].shape[1], in[1].shape[2]}}; }
};
/// (gates, outputs before, kernel, gradient of the outputs) -> gradient of the projected inputs.
struct gru_sequence_grad_op : rnn::sequence_grad_op {
  static constexpr auto name = "GRUSequenceGrad";
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// (projected inputs [t, b, 3u], recurrent kernel [u, 3u], first state [b, u]) -> outputs [t, b, u]; i[0]: from the last time
/// step to the first.
struct gru_sequence_op : rnn::sequence_op<3> {
  static constexpr auto name = "GRUSequence";
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const tensor_shape &p = in[0].shape, &s = in[2].shape;
    const signature y = rnn::sequence_op<3>::infer(at, in, f);
    if (!f && (s.rank() != 2 || s[0] != p[1] || s[1] != y.shape[2] || in[2].type != in[0].type))
      f.set("needs a first state [batch, units]", "", in[0], in[2]);
    return y;
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto projected, auto kernel, auto first) {
    using V = decltype(dy);
    const std::int64_t units = kernel.shape()[0];
    const auto kept = rill::detail::emit_all<gru_sequence_op, gru_gates, gru_outputs_before, gru_reset>({projected, kernel, first}, at);
    const auto g = rill::detail::emit_all<gru_sequence_grad_op, gru_first_grad>({kept[1], kept[2], kernel, dy}, at);
    const V dz = rnn::all_rows(g[0]);
    const auto share = [&](const V& of, std::int64_t column, std::int64_t n) {
      return rill::matmul(rnn::all_rows(of), slice_along(dz, 1, column, n), {.transpose_a = true});
    };
    return grads(g[0], concat({share(kept[2], 0, 2 * units), share(kept[3], 2 * units, units)}, {1}), g[1]);
  }
};

}  // namespace ops

/// Outputs [t, b, u] and the states [t + 1, b, u] that an LSTM passes through, the first one first, from the share of the
/// inputs in its gates [t, b, 4u], the recurrent kernel [u, 4u], and its first state and output [b, u] each.
template <value V>
constexpr std::array<V, 2> lstm_sequence(V projected, V kernel, V first_c, V first_h, double forget_bias = 1, bool reverse = false) {
  attributes at;
  at.f[0] = forget_bias, at.i[0] = reverse;
  const V first = concat({expand_dims(first_c, 0), expand_dims(first_h, 0)}, {0});
  return detail::emit_all<ops::lstm_sequence_op, ops::lstm_states>({projected, kernel, first}, at);
}
/// Outputs [t, b, u] of a GRU from the share of the inputs in its gates r, u and its candidate c [t, b, 3u], the recurrent kernel
/// [u, 3u] and its first state [b, u]: r, u = sigmoid(z + h Kru), c = tanh(z + (r * h) Kc), h' = u * h + (1 - u) * c.
template <value V>
constexpr V gru_sequence(V projected, V kernel, V first, bool reverse = false) {
  attributes at;
  at.i[0] = reverse;
  return detail::emit<ops::gru_sequence_op>({projected, kernel, first}, at);
}
/// The next state of an LSTM cell from its gates z [b, 4u] and state c [b, u].
template <value V>
constexpr V lstm_state(V z, V c, double forget_bias = 1) {
  attributes at;
  at.f[0] = forget_bias;
  return detail::emit<ops::lstm_state_op>({z, c}, at);
}
/// The output of an LSTM cell from its gates and its next state.
template <value V>
constexpr V lstm_output(V z, V next_c) {
  return detail::emit<ops::lstm_output_op>({z, next_c});
}

}  // namespace rill

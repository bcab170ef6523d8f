// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The element-wise half of an LSTM cell (Hochreiter and Schmidhuber 1997, forget bias of Gers et al. 2000), fused: from
/// z [b, 4u], the four gates before their activations in TensorFlow's order i, j, f, o, and the cell state c [b, u]
///
///   lstm_state(z, c)  = c * sigmoid(f + forget_bias) + sigmoid(i) * tanh(j)         the next state
///   lstm_output(z, c) = tanh(c) * sigmoid(o)                                        of the next state: the cell's output
///
/// float32 and float64. First derivatives are kernels of their own (which have none). Include kernel/rnn.hpp to run them.

#include "functions.hpp"

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
  template <class = void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// dy * sigmoid(f + forget_bias): operands z, dy.
struct lstm_forget_op : rnn::gate_op<1, false, 20> {
  static constexpr auto name = "LSTMForget";
  template <class = void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// f[0]: the forget bias.
struct lstm_state_op : rnn::gate_op<1, false, 40> {
  static constexpr auto name = "LSTMState";
  template <class = void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto z, auto c) {
    return grads(rill::detail::emit<lstm_state_grad_op>({z, c, dy}, at), rill::detail::emit<lstm_forget_op>({z, dy}, at));
  }
};

/// The gates' share of lstm_output's gradient: operands z, c and the result's gradient.
struct lstm_output_grad_op : rnn::gate_op<2, true, 40> {
  static constexpr auto name = "LSTMOutputGrad";
  template <class = void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// The state's share: dy * sigmoid(o) * (1 - tanh(c)^2).
struct lstm_output_state_grad_op : rnn::gate_op<2, false, 40> {
  static constexpr auto name = "LSTMOutputStateGrad";
  template <class = void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
struct lstm_output_op : rnn::gate_op<1, false, 40> {
  static constexpr auto name = "LSTMOutput";
  template <class = void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto z, auto c) {
    return grads(rill::detail::emit<lstm_output_grad_op>({z, c, dy}, at), rill::detail::emit<lstm_output_state_grad_op>({z, c, dy}, at));
  }
};

}  // namespace ops

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

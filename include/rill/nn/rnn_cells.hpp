// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Recurrent cells: basic_rnn_cell, basic_lstm_cell, gru_cell, with TensorFlow's formulas, variables and names. A cell applied
/// to one input and a state gives std::pair(output, next state):
///
///   constexpr nn::basic_lstm_cell lstm{.units = 200};
///   auto state = lstm.zero_state(x);                  // (c, h), zeros [batch, 200]
///   auto [output, next] = lstm(x, state);             // x [batch, depth]
///
/// dynamic_rnn (dynamic_rnn.hpp) applies one to whole sequences. It calls `bind`, which makes the variables once, then
/// `project`, the share of the inputs in the gates, of all time steps as one matrix product, and in the loop only `step`.

#include <tuple>
#include <utility>

#include "../kernel/movement.hpp"
#include "../kernel/rnn.hpp"
#include "layer.hpp"

namespace rill::nn {

namespace detail {
/// Zeros [batch of x, units].
template <value V>
constexpr V zero_rows(V x, std::int64_t units) {
  if (V::front_end::failed(x)) return x;
  return broadcast_to(V::front_end::constant(x, x.type(), 0), {x.shape()[0], units});
}
/// One time step: the cell's input is [batch, depth].
template <class Cell, value V, class State>
constexpr std::pair<V, State> apply_cell(const Cell& cell, V x, const State& state) {
  if (V::front_end::failed(x)) return {x, state};
  if (x.rank() != 2) return {rill::detail::fail<ops::matmul_op>(x, "a cell needs [batch, depth]", "use dynamic_rnn for [batch, time, depth]"), state};
  const auto bound = cell.bind(x, x.shape()[1]);
  return bound.step(bound.project(x), state);
}
}  // namespace detail

/// output = next state = activation(x * Wx + h * Wh + b). Variables kernel [depth + units, units], bias [units].
struct basic_rnn_cell {
  std::int64_t units = 1;
  nn::activation activation = tanh;
  graph::initializer kernel_initializer = initializers::glorot_uniform();
  std::string_view name = "basic_rnn_cell";

  template <value V>
  struct bound {
    V input_kernel, recurrent_kernel, bias;
    nn::activation activation;
    constexpr V project(V x) const { return matrix_product(x, input_kernel) + bias; }
    constexpr std::pair<V, V> step(V projected, V h) const {
      const V y = activation(projected + matrix_product(h, recurrent_kernel));
      return {y, y};
    }
  };
  template <value V>
  constexpr V zero_state(V x) const {
    return detail::zero_rows(x, units);
  }
  template <value V>
  constexpr bound<V> bind(V x, std::int64_t depth) const {
    variable_scope scope(x, name);
    const V kernel = variable(x, {.name = "kernel", .shape = {depth + units, units}, .initializer = kernel_initializer, .type = x.type()});
    const V bias = variable(x, {.name = "bias", .shape = {units}, .initializer = initializers::zeros(), .type = x.type()});
    return {slice_along(kernel, 0, 0, depth), slice_along(kernel, 0, depth, units), bias, activation};
  }
  template <value V>
  constexpr std::pair<V, V> operator()(V x, V h) const {
    return detail::apply_cell(*this, x, h);
  }
};

/// Long short-term memory without peepholes; gates in the order i, j, f, o; the state is (c, h). Variables kernel
/// [depth + units, 4 units], bias [4 units].
struct basic_lstm_cell {
  std::int64_t units = 1;
  double forget_bias = 1;
  graph::initializer kernel_initializer = initializers::glorot_uniform();
  std::string_view name = "basic_lstm_cell";

  template <value V>
  struct bound {
    V input_kernel, recurrent_kernel, bias;
    double forget_bias;
    constexpr V project(V x) const { return matrix_product(x, input_kernel) + bias; }
    constexpr std::pair<V, std::tuple<V, V>> step(V projected, const std::tuple<V, V>& state) const {
      const V gates = projected + matrix_product(std::get<1>(state), recurrent_kernel);
      const V c = lstm_state(gates, std::get<0>(state), forget_bias);
      const V h = lstm_output(gates, c);
      return {h, {c, h}};
    }
    /// All time steps of a known number: projected [t, b, 4 units] -> outputs [t, b, units], the last state.
    constexpr std::pair<V, std::tuple<V, V>> sequence(V projected, const std::tuple<V, V>& state, bool reverse) const {
      const std::array<V, 2> r = lstm_sequence(projected, recurrent_kernel, std::get<0>(state), std::get<1>(state), forget_bias, reverse);
      const V &y = r[0], &states = r[1];
      if (V::front_end::failed(y)) return {y, state};
      const tensor_shape s = y.shape();
      const auto row = [&](const V& of, std::int64_t k) { return reshape_to(slice_along(of, 0, k, 1), {s[1], s[2]}); };
      return {y, {row(states, s[0]), row(y, reverse ? 0 : s[0] - 1)}};
    }
  };
  template <value V>
  constexpr std::tuple<V, V> zero_state(V x) const {
    return {detail::zero_rows(x, units), detail::zero_rows(x, units)};
  }
  template <value V>
  constexpr bound<V> bind(V x, std::int64_t depth) const {
    variable_scope scope(x, name);
    const V kernel = variable(x, {.name = "kernel", .shape = {depth + units, 4 * units}, .initializer = kernel_initializer, .type = x.type()});
    const V bias = variable(x, {.name = "bias", .shape = {4 * units}, .initializer = initializers::zeros(), .type = x.type()});
    return {slice_along(kernel, 0, 0, depth), slice_along(kernel, 0, depth, units), bias, forget_bias};
  }
  template <value V>
  constexpr std::pair<V, std::tuple<V, V>> operator()(V x, const std::tuple<V, V>& state) const {
    return detail::apply_cell(*this, x, state);
  }
};

/// Gated recurrent unit (Cho et al. 2014): r, u = sigmoid([x h] Wg + bg), c = tanh([x r h] Wc + bc), h' = u h + (1 - u) c.
/// Variables gates/kernel [depth + units, 2 units], gates/bias (ones), candidate/kernel [depth + units, units],
/// candidate/bias.
struct gru_cell {
  std::int64_t units = 1;
  graph::initializer kernel_initializer = initializers::glorot_uniform();
  std::string_view name = "gru_cell";

  template <value V>
  struct bound {
    V input_kernel, gates_recurrent, candidate_recurrent, bias;
    std::int64_t units;
    constexpr V project(V x) const { return matrix_product(x, input_kernel) + bias; }
    constexpr std::pair<V, V> step(V projected, V h) const {
      const V gates = sigmoid(slice_along(projected, 1, 0, 2 * units) + matrix_product(h, gates_recurrent));
      const V r = slice_along(gates, 1, 0, units), u = slice_along(gates, 1, units, units);
      const V c = tanh(slice_along(projected, 1, 2 * units, units) + matrix_product(r * h, candidate_recurrent));
      const V y = u * h + (1 - u) * c;
      return {y, y};
    }
    /// All time steps of a known number: projected [t, b, 3 units] -> outputs [t, b, units], the last state.
    constexpr std::pair<V, V> sequence(V projected, V h, bool reverse) const {
      const V y = gru_sequence(projected, concat({gates_recurrent, candidate_recurrent}, {.axis = 1}), h, reverse);
      if (V::front_end::failed(y)) return {y, h};
      const tensor_shape s = y.shape();
      return {y, reshape_to(slice_along(y, 0, reverse ? 0 : s[0] - 1, 1), {s[1], s[2]})};
    }
  };
  template <value V>
  constexpr V zero_state(V x) const {
    return detail::zero_rows(x, units);
  }
  template <value V>
  constexpr bound<V> bind(V x, std::int64_t depth) const {
    variable_scope scope(x, name);
    const auto part = [&](std::string_view of, std::int64_t columns, double first) {
      variable_scope inner(x, of);
      const V kernel = variable(x, {.name = "kernel", .shape = {depth + units, columns}, .initializer = kernel_initializer, .type = x.type()});
      return std::pair{kernel, variable(x, {.name = "bias", .shape = {columns}, .initializer = initializers::constant(first), .type = x.type()})};
    };
    const auto [gates, gates_bias] = part("gates", 2 * units, 1);
    const auto [candidate, candidate_bias] = part("candidate", units, 0);
    return {concat({slice_along(gates, 0, 0, depth), slice_along(candidate, 0, 0, depth)}, {.axis = 1}), slice_along(gates, 0, depth, units),
            slice_along(candidate, 0, depth, units), concat({gates_bias, candidate_bias}, {.axis = 0}), units};
  }
  template <value V>
  constexpr std::pair<V, V> operator()(V x, V h) const {
    return detail::apply_cell(*this, x, h);
  }
};

}  // namespace rill::nn

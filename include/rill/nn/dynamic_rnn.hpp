// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Recurrent networks over sequences: dynamic_rnn, bidirectional_dynamic_rnn, and the wrappers multi_rnn_cell (layers on top
/// of each other) and dropout_wrapper.
///
///   constexpr auto cells = nn::multi_rnn_cell(nn::basic_lstm_cell{.units = 200}, nn::basic_lstm_cell{.units = 200});
///   auto [outputs, last_state] = nn::dynamic_rnn(cells, inputs);                       // [b, t, depth] -> [b, t, 200]
///   auto [y, next] = nn::dynamic_rnn(cells, inputs, state, {.time_major = true});      // a state to begin with
///
/// The share of the inputs in the gates is one matrix product over all time steps of a layer; the loop holds the recurrent
/// product and the gates (an LSTM or a GRU over a known number of time steps is one kernel, lstm_sequence, gru_sequence). Layers
/// run one after the other over the whole sequence, which gives what running them time step by time step gives.
///
/// Models include graph/control_flow.hpp's loop with this file; tensors (in an eager::module) eager/loops.hpp besides.

#include "../graph/control_flow.hpp"
#include "rnn_cells.hpp"

namespace rill::nn {

/// Options of dynamic_rnn.
struct rnn_options {
  bool time_major = false;  ///< inputs and outputs are [time, batch, depth] instead of [batch, time, depth]
  bool reverse = false;     ///< from the last time step to the first
  int unroll = 1;           ///< time steps side by side in the loop's body
};

namespace detail {

/// Drops elements of a sequence in training, with this probability to keep them.
template <value V>
constexpr V keep(V x, double probability) {
  return probability < 1 ? dropout(x, 1 - probability) : x;
}
/// on where the mask [batch] holds, else off, member by member.
template <value V>
constexpr V choose(V mask, V on, V off) {
  return select(broadcast_to(mask, on.shape()), on, off);
}
template <value V, class... T>
constexpr std::tuple<T...> choose(V mask, const std::tuple<T...>& on, const std::tuple<T...>& off) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::tuple<T...>{choose(mask, std::get<I>(on), std::get<I>(off))...};
  }(std::make_index_sequence<sizeof...(T)>{});
}

/// One cell over x [t, b, depth]; lengths [b] (int32) or nothing. Gives outputs [t, b, units] and the last state.
template <class Cell, value V, class State, class... Lengths>
constexpr std::pair<V, State> over_time(const Cell& cell, V x, const State& first, const rnn_options& o, const Lengths&... lengths) {
  const tensor_shape s = x.shape();
  const auto bound = cell.bind(x, s[2]);
  V z = bound.project(reshape_to(x, {s[0] * s[1], s[2]}));
  if (V::front_end::failed(z)) return {z, first};
  z = reshape_to(z, {s[0], s[1], z.shape()[1]});
  if constexpr (sizeof...(Lengths) == 0 && requires { bound.sequence(z, first, false); })
    if (s[0] > 0) return bound.sequence(z, first, o.reverse);
  const loop_options loop{.reverse = o.reverse, .unroll = o.unroll};
  if constexpr (sizeof...(Lengths) == 0) {
    const auto [last, y] = loop_over([&](const State& state, const V& row) {
      const auto [output, next] = bound.step(row, state);
      return std::pair{next, output};
    }, first, z, loop);
    return {y, last};
  } else {
    const V times = V::front_end::range(x, dtype::int32, s[0]);
    const auto [last, y] = loop_over([&](const State& state, const std::tuple<V, V>& row) {
      const auto step = bound.step(std::get<0>(row), state);
      const V inside = expand_dims(less(std::get<1>(row), lengths...), 1);  // past its end a sequence keeps its state
      return std::pair{choose(inside, step.second, state), choose(inside, step.first, zeros_like(step.first))};
    }, first, std::tuple{z, times}, loop);
    return {y, last};
  }
}

}  // namespace detail

/// A cell whose inputs and outputs are dropped in training: each element stays with these probabilities and is scaled by
/// their inverse.
template <class Cell>
struct dropout_wrapper {
  Cell cell;
  double input_keep_prob = 1, output_keep_prob = 1;
  template <value V>
  constexpr auto zero_state(V x) const {
    return cell.zero_state(x);
  }
  template <value V, class State>
  constexpr auto operator()(V x, const State& state) const {
    auto r = cell(detail::keep(x, input_keep_prob), state);
    r.first = detail::keep(r.first, output_keep_prob);
    return r;
  }
};

/// Cells on top of each other; the state is the std::tuple of theirs.
template <class... Cells>
struct stacked_rnn_cells {
  std::tuple<Cells...> cells;
  template <value V>
  constexpr auto zero_state(V x) const {
    return std::apply([&](const auto&... c) { return std::tuple{c.zero_state(x)...}; }, cells);
  }
  template <value V, class... S>
  constexpr std::pair<V, std::tuple<S...>> operator()(V x, const std::tuple<S...>& state) const {
    variable_scope scope(x, "multi_rnn_cell");
    std::tuple<S...> next = state;
    [&]<std::size_t... I>(std::index_sequence<I...>) { (one<I>(x, state, next), ...); }(std::index_sequence_for<Cells...>{});
    return {x, next};
  }

 private:
  template <std::size_t I, value V, class State>
  constexpr void one(V& x, const State& state, State& next) const {
    variable_scope scope(x, graph::name_buffer("cell_").append_number(static_cast<std::int64_t>(I)).view());
    auto [y, s] = std::get<I>(cells)(x, std::get<I>(state));
    x = y;
    std::get<I>(next) = s;
  }
};
/// TensorFlow's MultiRNNCell.
template <class... Cells>
constexpr stacked_rnn_cells<Cells...> multi_rnn_cell(const Cells&... cells) {
  return {std::tuple<Cells...>{cells...}};
}

namespace detail {
template <class Cell, value V, class State, class... Lengths>
constexpr std::pair<V, State> over_time(const dropout_wrapper<Cell>& w, V x, const State& first, const rnn_options& o, const Lengths&... lengths) {
  auto r = over_time(w.cell, keep(x, w.input_keep_prob), first, o, lengths...);
  r.first = keep(r.first, w.output_keep_prob);
  return r;
}
template <class... Cells, value V, class... S, class... Lengths>
constexpr std::pair<V, std::tuple<S...>> over_time(const stacked_rnn_cells<Cells...>& stack, V x, const std::tuple<S...>& first,
                                                   const rnn_options& o, const Lengths&... lengths) {
  variable_scope scope(x, "multi_rnn_cell");
  std::tuple<S...> last = first;
  const auto layer = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
    variable_scope inner(x, graph::name_buffer("cell_").append_number(static_cast<std::int64_t>(I)).view());
    auto [y, s] = over_time(std::get<I>(stack.cells), x, std::get<I>(first), o, lengths...);
    x = y;
    std::get<I>(last) = s;
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) { (layer(std::integral_constant<std::size_t, I>{}), ...); }
  (std::index_sequence_for<Cells...>{});
  return {x, last};
}

template <class Cell, value V, class State, class... Lengths>
constexpr std::pair<V, State> rnn(const Cell& cell, V inputs, const State& first, const rnn_options& o, const Lengths&... lengths) {
  if (V::front_end::failed(inputs)) return {inputs, first};
  if (inputs.rank() != 3) return {rill::detail::fail<ops::matmul_op>(inputs, "a recurrent network needs [batch, time, depth]", ""), first};
  const V x = o.time_major ? inputs : transpose(inputs, {1, 0, 2});
  auto r = over_time(cell, x, first, o, lengths...);
  if (!o.time_major) r.first = transpose(r.first, {1, 0, 2});
  return r;
}
/// [batch, depth] zeros' batch, by which zero_state knows its rows.
template <value V>
constexpr V first_step(V inputs, const rnn_options& o) {
  if (V::front_end::failed(inputs) || inputs.rank() != 3) return inputs;
  const tensor_shape s = inputs.shape();
  return broadcast_to(V::front_end::constant(inputs, inputs.type(), 0), {o.time_major ? s[1] : s[0], s[2]});
}
}  // namespace detail

/// (outputs, last state) of a cell over inputs [batch, time, depth], from a state to begin with.
template <class Cell, value V, class State>
  requires(!std::is_same_v<State, rnn_options>)
constexpr std::pair<V, State> dynamic_rnn(const Cell& cell, V inputs, const State& initial_state, const rnn_options& o = {}) {
  variable_scope scope(inputs, "rnn");
  return detail::rnn(cell, inputs, initial_state, o);
}
/// The same from zeros.
template <class Cell, value V>
constexpr auto dynamic_rnn(const Cell& cell, V inputs, const rnn_options& o = {}) {
  return dynamic_rnn(cell, inputs, cell.zero_state(detail::first_step(inputs, o)), o);
}
/// The same for sequences of their own lengths, int32 [batch]: behind its end a sequence's outputs are zeros and its state
/// stays.
template <class Cell, value V, class State>
  requires(!std::is_same_v<State, rnn_options>)
constexpr std::pair<V, State> dynamic_rnn(const Cell& cell, V inputs, V sequence_length, const State& initial_state, const rnn_options& o = {}) {
  variable_scope scope(inputs, "rnn");
  return detail::rnn(cell, inputs, initial_state, o, sequence_length);
}

/// Outputs of one cell from the first time step on and of another from the last one, and the last state of each:
/// std::pair(std::pair(outputs forward, backward), std::pair(states)).
template <class Forward, class Backward, value V>
constexpr auto bidirectional_dynamic_rnn(const Forward& cell_fw, const Backward& cell_bw, V inputs, rnn_options o = {}) {
  variable_scope scope(inputs, "bidirectional_rnn");
  const auto run = [&](const auto& cell, std::string_view name, bool reverse) {
    variable_scope direction(inputs, name);
    rnn_options d = o;
    d.reverse = reverse;
    return detail::rnn(cell, inputs, cell.zero_state(detail::first_step(inputs, o)), d);
  };
  const auto fw = run(cell_fw, "fw", false);
  const auto bw = run(cell_bw, "bw", true);
  return std::pair{std::pair{fw.first, bw.first}, std::pair{fw.second, bw.second}};
}

}  // namespace rill::nn

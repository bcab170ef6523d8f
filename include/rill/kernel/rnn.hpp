// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Kernels of ops/rnn.hpp: one pass over the rows of gates and states, whole registers at a time.

#include "../ops/rnn.hpp"
#include "../ops/unary.hpp"
#include "row.hpp"
#include "simd_math.hpp"
#include "softmax.hpp"

namespace rill::kernel::detail {

/// Some units of one example: a register of each gate and state, or as many lanes of it as there are units left.
template <class T>
struct lstm_units {
  static constexpr int lanes = rill::detail::native_lanes<T>;
  using numbers = pack<T, lanes>;
  const operand_memory* in;
  const result_memory& out;
  std::int64_t units, row, first;

  [[nodiscard]] std::int64_t left() const { return units - first; }
  [[nodiscard]] numbers number(double v) const { return numbers(static_cast<T>(v)); }
  /// Before its activation: 0 to 3 are i, j, f, o.
  [[nodiscard]] numbers gate(int q) const { return load(in[0].as<T>() + row * 4 * units + q * units); }
  /// Of operand k.
  [[nodiscard]] numbers state(int k) const { return load(in[k].as<T>() + row * units); }
  void give(numbers v) const { store(v, out.as<T>() + row * units); }
  void give_gate(int q, numbers v) const { store(v, out.as<T>() + row * 4 * units + q * units); }

 private:
  numbers load(const T* p) const { return left() >= lanes ? numbers::load(p + first) : numbers::load(p + first, left()); }
  void store(numbers v, T* p) const {
    if (left() >= lanes) v.store(p + first);
    else v.store(p + first, left());
  }
};

/// Calls f(lstm_units) for all of them; operand 1 is a state.
template <class F>
void for_units(const operand_memory* in, const result_memory& out, const F& f) {
  const auto run = [&]<class T>(T) {
    const std::int64_t rows = in[1].shape[0], units = in[1].shape[1];
    parallel_for(rows, rows_per_task(units * 16), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        for (std::int64_t k = 0; k < units; k += lstm_units<T>::lanes) f(lstm_units<T>{in, out, units, r, k});
    });
  };
  if (in[0].type == dtype::float32) run(float());
  else run(double());
}

}  // namespace rill::kernel::detail

namespace rill::ops {

template <class>
void lstm_state_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::for_units(in, out, [&](const auto& c) {
    c.give(c.state(1) * sigmoid::eval(c.gate(2) + c.number(at.f[0])) + sigmoid::eval(c.gate(0)) * tanh::eval(c.gate(1)));
  });
}
template <class>
void lstm_state_grad_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::for_units(in, out, [&](const auto& c) {
    const auto one = c.number(1), i = sigmoid::eval(c.gate(0)), j = tanh::eval(c.gate(1)), f = sigmoid::eval(c.gate(2) + c.number(at.f[0]));
    const auto d = c.state(2);
    c.give_gate(0, d * j * i * (one - i));
    c.give_gate(1, d * i * (one - j * j));
    c.give_gate(2, d * c.state(1) * f * (one - f));
    c.give_gate(3, c.number(0));
  });
}
template <class>
void lstm_forget_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::for_units(in, out, [&](const auto& c) { c.give(c.state(1) * sigmoid::eval(c.gate(2) + c.number(at.f[0]))); });
}
template <class>
void lstm_output_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  kernel::detail::for_units(in, out, [](const auto& c) { c.give(tanh::eval(c.state(1)) * sigmoid::eval(c.gate(3))); });
}
template <class>
void lstm_output_grad_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  kernel::detail::for_units(in, out, [](const auto& c) {
    const auto o = sigmoid::eval(c.gate(3));
    for (int q = 0; q < 3; ++q) c.give_gate(q, c.number(0));
    c.give_gate(3, c.state(2) * tanh::eval(c.state(1)) * o * (c.number(1) - o));
  });
}
template <class>
void lstm_output_state_grad_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  kernel::detail::for_units(in, out, [](const auto& c) {
    const auto t = tanh::eval(c.state(1));
    c.give(c.state(2) * sigmoid::eval(c.gate(3)) * (c.number(1) - t * t));
  });
}

}  // namespace rill::ops

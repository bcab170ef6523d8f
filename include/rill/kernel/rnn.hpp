// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Kernels of ops/rnn.hpp: one pass over the rows of gates and states, whole registers at a time; and whole sequences, one
/// parallel loop per time step over blocks of units, in which a tile of the recurrent product stays in registers until its
/// gates are done. Rows are grouped by their number alone: results are the same for any number of threads.

#include "../ops/rnn.hpp"
#include "../ops/unary.hpp"
#include "row.hpp"
#include "scratch.hpp"
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

template <class T>
[[gnu::always_inline]] inline pack<T, rill::detail::native_lanes<T>> multiply_add(const pack<T, rill::detail::native_lanes<T>>& a,
                                                                                 const pack<T, rill::detail::native_lanes<T>>& b,
                                                                                 const pack<T, rill::detail::native_lanes<T>>& c) {
  return pack<T, rill::detail::native_lanes<T>>(rill::detail::mad_of(a.b[0], b.b[0], c.b[0]));
}
/// R rows of C registers.
template <class V, int R, int C>
using register_tile = V[static_cast<std::size_t>(R)][static_cast<std::size_t>(C)];
/// tile[r][c] += a[r][k] * panel[k][c] over `depth` k: R rows of a, C registers per row of the panel.
template <class V, int R, int C, class T>
[[gnu::always_inline]] inline void add_product(std::int64_t depth, const T* a, std::int64_t a_stride, const T* panel, register_tile<V, R, C>& tile) {
  for (std::int64_t k = 0; k < depth; ++k, panel += C * V::size) {
    V b[static_cast<std::size_t>(C)];
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) b[c] = V::load(panel + c * V::size);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const V v(a[r * a_stride + k]);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) tile[r][c] = multiply_add<T>(v, b[c], tile[r][c]);
    }
  }
}

/// A layer of LSTM cells over time.
template <class T>
struct lstm_layer {
  using V = pack<T, rill::detail::native_lanes<T>>;
  static constexpr std::int64_t W = V::size;
  static constexpr int pair = 2;  ///< registers of a block of units going back
  std::int64_t time, batch, units;
  T forget_bias;
  bool reverse;

  [[nodiscard]] std::int64_t row_of(std::int64_t step) const { return reverse ? time - 1 - step : step; }
  static V load(const T* p, std::int64_t n) { return n >= W ? V::load(p) : V::load(p, n); }
  static void store(const V& v, T* p, std::int64_t n) {
    if (n >= W) v.store(p);
    else v.store(p, n);
  }
  /// f(block, first row, R) for each block of units and each group of rows, of which R, a constant, is `Most`, two or one;
  /// some microseconds are a task.
  template <int Most, class F>
  void for_tiles(std::int64_t blocks, std::int64_t lanes, const F& f) const {
    const std::int64_t large = batch / Most, groups = large + batch % Most / 2 + batch % Most % 2;
    parallel_for(blocks * groups, 1 + 100000 / (8 * Most * units * lanes + 1), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const std::int64_t block = k / groups, group = k % groups, row = group < large ? group * Most : large * Most + (group - large) * 2;
        if (group < large) f(block, row, std::integral_constant<int, Most>{});
        else if (row + 2 <= batch) f(block, row, std::integral_constant<int, 2>{});
        else f(block, row, std::integral_constant<int, 1>{});
      }
    });
  }

  void forward(const T* projected, const T* kernel, const T* first, T* y, T* states, T* gates, T* before) const {
    const std::int64_t u = units, cells = batch * u, blocks = (u + W - 1) / W;
    const scratch_lease lease(static_cast<std::size_t>(blocks * 4 * W * u + (states != nullptr ? 0 : 2 * cells)) * sizeof(T));
    T* const panels = reinterpret_cast<T*>(lease.data());  // per block and unit that is read: its four gates' registers
    parallel_for(blocks, 1 + 65536 / (4 * W * u + 1), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b)
        for (std::int64_t k = 0; k < u; ++k)
          for (int g = 0; g < 4; ++g) load(kernel + k * 4 * u + g * u + b * W, u - b * W).store(panels + ((b * u + k) * 4 + g) * W);
    });
    const auto state = [&](std::int64_t step) { return states != nullptr ? states + step * cells : panels + blocks * 4 * W * u + step % 2 * cells; };
    std::copy(first, first + cells, state(0));
    const T* h = first + cells;
    for (std::int64_t step = 0; step < time; ++step) {
      const std::int64_t t = row_of(step);
      const T *z = projected + t * 4 * cells, *c = state(step);
      T *const next = state(step + 1), *const out = y + t * cells;
      if (before != nullptr) std::copy(h, h + cells, before + t * cells);
      for_tiles<5>(blocks, W, [&]<int R>(std::int64_t b, std::int64_t row, std::integral_constant<int, R>) {
        const std::int64_t at = b * W, n = u - at;
        register_tile<V, R, 4> tile;
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
          for (int g = 0; g < 4; ++g) tile[r][g] = load(z + (row + r) * 4 * u + g * u + at, n);
        add_product<V, R, 4>(u, h + row * u, u, panels + b * u * 4 * W, tile);
        for (int r = 0; r < R; ++r) {
          const std::int64_t place = (row + r) * u + at;
          const V i = ops::sigmoid::eval(tile[r][0]), j = ops::tanh::eval(tile[r][1]);
          const V f = ops::sigmoid::eval(tile[r][2] + V(forget_bias)), o = ops::sigmoid::eval(tile[r][3]);
          const V own = load(c + place, n) * f + i * j;
          store(own, next + place, n);
          store(ops::tanh::eval(own) * o, out + place, n);
          if (gates == nullptr) continue;
          T* const g = gates + t * 4 * cells + (row + r) * 4 * u + at;
          store(i, g, n), store(j, g + u, n), store(f, g + 2 * u, n), store(o, g + 3 * u, n);
        }
      });
      h = out;
    }
  }

  /// dz from the gradient of the outputs, or of the states [time + 1, ..]; d_first, that of [2, batch, units], may be null.
  void backward(const T* gates, const T* states, const T* kernel, const T* dy, bool of_states, T* dz, T* d_first) const {
    const std::int64_t u = units, cells = batch * u, width = pair * W, blocks = (u + width - 1) / width;
    const scratch_lease lease(static_cast<std::size_t>(blocks * width * 4 * u + cells) * sizeof(T));
    T *const panels = reinterpret_cast<T*>(lease.data()), *const dc = panels + blocks * width * 4 * u;  // the kernel transposed
    parallel_for(blocks, 1 + 65536 / (4 * width * u + 1), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b)
        for (std::int64_t k = 0; k < 4 * u; k += 16)
          for (std::int64_t j = 0; j < width; ++j)
            for (std::int64_t i = k; i < std::min(k + 16, 4 * u); ++i)
              panels[(b * 4 * u + i) * width + j] = b * width + j < u ? kernel[(b * width + j) * 4 * u + i] : T(0);
    });
    if (of_states) std::copy(dy + time * cells, dy + (time + 1) * cells, dc);
    else std::fill(dc, dc + cells, T(0));
    // dh of the time step that is reached, n units of a row from `place` on: its gates' gradients, and dc of the one before
    const auto through_gates = [&](std::int64_t step, std::int64_t row, std::int64_t at, std::int64_t n, V dh) {
      const std::int64_t t = row_of(step), place = row * u + at, gate = t * 4 * cells + row * 4 * u + at;
      const T* const g = gates + gate;
      const V i = load(g, n), j = load(g + u, n), f = load(g + 2 * u, n), o = load(g + 3 * u, n), one(T(1));
      const V tanh_c = ops::tanh::eval(load(states + (step + 1) * cells + place, n));
      if (!of_states) dh = dh + load(dy + t * cells + place, n);
      const V d = load(dc + place, n) + dh * o * (one - tanh_c * tanh_c);
      T* const to = dz + gate;
      store(d * j * i * (one - i), to, n);
      store(d * i * (one - j * j), to + u, n);
      store(d * load(states + step * cells + place, n) * f * (one - f), to + 2 * u, n);
      store(dh * tanh_c * o * (one - o), to + 3 * u, n);
      V back = d * f;
      if (of_states) back = back + load(dy + step * cells + place, n);
      store(back, dc + place, n);
    };
    for (std::int64_t step = time; step-- > 0 || d_first != nullptr;) {
      const T* const later = step + 1 < time ? dz + row_of(step + 1) * 4 * cells : nullptr;  // of the step that was done before
      for_tiles<10>(blocks, width, [&]<int R>(std::int64_t b, std::int64_t row, std::integral_constant<int, R>) {
        register_tile<V, R, pair> tile;
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
          for (int q = 0; q < pair; ++q) tile[r][q] = V(0);
        if (later != nullptr) add_product<V, R, pair>(4 * u, later + row * 4 * u, 4 * u, panels + b * width * 4 * u, tile);
        for (int r = 0; r < R; ++r)
          for (int q = 0; q < pair; ++q) {
            const std::int64_t at = b * width + q * W, n = u - at;
            if (n <= 0) break;
            if (step >= 0) through_gates(step, row + r, at, n, tile[r][q]);
            else store(tile[r][q], d_first + cells + (row + r) * u + at, n);
          }
      });
      if (step < 0) break;
    }
    if (d_first != nullptr) std::copy(dc, dc + cells, d_first);
  }
};

}  // namespace rill::kernel::detail

namespace rill::ops {

template <class>
void lstm_sequence_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const auto run = [&]<class T>(T) {
    const tensor_shape& s = in[0].shape;
    kernel::detail::lstm_layer<T>{s[0], s[1], in[1].shape[0], static_cast<T>(at.f[0]), at.i[0] != 0}.forward(
        in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), out.as<T>(), static_cast<T*>(out.more[0]), static_cast<T*>(out.more[1]), static_cast<T*>(out.more[2]));
  };
  if (in[0].type == dtype::float32) run(float());
  else run(double());
}
template <class>
void lstm_sequence_grad_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const auto run = [&]<class T>(T) {
    const tensor_shape& s = in[0].shape;
    kernel::detail::lstm_layer<T>{s[0], s[1], in[2].shape[0], static_cast<T>(at.f[0]), at.i[0] != 0}.backward(
        in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), in[3].as<T>(), at.i[1] != 0, out.as<T>(), static_cast<T*>(out.more[0]));
  };
  if (in[0].type == dtype::float32) run(float());
  else run(double());
}

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

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
  visit_float_or_double(in[0].type, [&](auto t) {
    using T = typename decltype(t)::type;
    const std::int64_t rows = in[1].shape[0], units = in[1].shape[1];
    parallel_for(rows, rows_per_task(units * 16), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        for (std::int64_t k = 0; k < units; k += lstm_units<T>::lanes) f(lstm_units<T>{in, out, units, r, k});
    });
  });
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
/// Up to a register's lanes: n elements at p, of which there may be none.
template <class V, class T>
[[gnu::always_inline]] inline V load_up_to(const T* p, std::int64_t n) {
  return n >= V::size ? V::load(p) : n > 0 ? V::load(p, n) : V(T(0));
}
template <class V, class T>
[[gnu::always_inline]] inline void store_up_to(const V& v, T* p, std::int64_t n) {
  if (n >= V::size) v.store(p);
  else v.store(p, n);
}

/// The matrix that every time step of a layer multiplies by, packed once: it has `depth` rows and, for each of G gates, a
/// column per unit. A tile of the product is that of some rows and all gates of P registers of units.
template <class T, int G, int P>
class step_product {
 public:
  using V = pack<T, rill::detail::native_lanes<T>>;
  static constexpr std::int64_t W = V::size, width = P * W;
  static constexpr int columns = G * P, most = 20 / columns;  ///< registers of a tile's row; its rows

  /// Elements of memory that the packed matrix takes.
  static constexpr std::int64_t room(std::int64_t depth, std::int64_t units) { return blocks_of(units) * depth * columns * W; }
  /// kernel[k, g * units + j], whose rows are `row` apart.
  static step_product of(const T* kernel, std::int64_t row, std::int64_t depth, std::int64_t units, T* memory) {
    const step_product s{depth, units, memory};
    s.for_blocks([&](std::int64_t b) {
      T* to = memory + b * depth * columns * W;
      for (std::int64_t k = 0; k < depth; ++k)
        for (int g = 0; g < G; ++g)
          for (int q = 0; q < P; ++q, to += W) {
            const std::int64_t at = b * width + q * W;
            load_up_to<V>(kernel + k * row + g * units + at, units - at).store(to);
          }
    });
    return s;
  }
  /// The transpose of kernel[j, k].
  static step_product of_transposed(const T* kernel, std::int64_t row, std::int64_t depth, std::int64_t units, T* memory) {
    static_assert(G == 1);
    const step_product s{depth, units, memory};
    s.for_blocks([&](std::int64_t b) {
      for (std::int64_t k = 0; k < depth; k += 16)
        for (std::int64_t j = 0; j < width; ++j)
          for (std::int64_t i = k; i < std::min(k + 16, depth); ++i)
            memory[(b * depth + i) * width + j] = b * width + j < units ? kernel[(b * width + j) * row + i] : T(0);
    });
    return s;
  }
  /// f(row, unit, n, gates V[G]) for n units of a row, from `unit` on: start, or zeros if it is null, + a * the matrix, which
  /// is left out if a is null. Some microseconds are a task; rows are grouped by their number alone.
  template <class F>
  void operator()(std::int64_t batch, const T* a, std::int64_t a_row, const T* start, std::int64_t start_row, const F& f) const {
    const std::int64_t large = batch / most, groups = large + batch % most / 2 + batch % most % 2;
    parallel_for(blocks_of(units_) * groups, 1 + 100000 / (2 * most * depth_ * columns * W + 1), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const std::int64_t block = k / groups, group = k % groups, row = group < large ? group * most : large * most + (group - large) * 2;
        const auto tile = [&](auto r) {
          one_tile<decltype(r)::value>(block, row, a != nullptr ? a + row * a_row : nullptr, a_row, start != nullptr ? start + row * start_row : nullptr, start_row, f);
        };
        if (group < large) tile(std::integral_constant<int, most>{});
        else if (row + 2 <= batch) tile(std::integral_constant<int, 2>{});
        else tile(std::integral_constant<int, 1>{});
      }
    });
  }

 private:
  step_product(std::int64_t depth, std::int64_t units, const T* memory) : depth_(depth), units_(units), panels_(memory) {}
  static constexpr std::int64_t blocks_of(std::int64_t units) { return (units + width - 1) / width; }
  template <class F>
  void for_blocks(const F& f) const {
    parallel_for(blocks_of(units_), 1 + 65536 / (columns * W * depth_ + 1), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) f(b);
    });
  }
  template <int R, class F>
  [[gnu::always_inline]] void one_tile(std::int64_t block, std::int64_t row, const T* a, std::int64_t a_row, const T* start, std::int64_t start_row,
                                       const F& f) const {
    register_tile<V, R, columns> tile;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int c = 0; c < columns; ++c) {
        const std::int64_t at = block * width + c % P * W;
        tile[r][c] = start != nullptr ? load_up_to<V>(start + r * start_row + c / P * units_ + at, units_ - at) : V(T(0));
      }
    if (a != nullptr) add_product<V, R, columns>(depth_, a, a_row, panels_ + block * depth_ * columns * W, tile);
    for (int r = 0; r < R; ++r)
      for (int q = 0; q < P; ++q) {
        const std::int64_t at = block * width + q * W, n = units_ - at;
        if (n <= 0) break;
        V gates[static_cast<std::size_t>(G)];
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) gates[g] = tile[r][g * P + q];
        f(row + r, at, n, gates);
      }
  }

  std::int64_t depth_, units_;
  const T* panels_;
};

/// A layer of recurrent cells over time: what LSTM and GRU share, the order of its steps.
template <class T>
struct recurrent_layer {
  using V = pack<T, rill::detail::native_lanes<T>>;
  std::int64_t time, batch, units;
  bool reverse;

  static V load(const T* p, std::int64_t n) { return load_up_to<V>(p, n); }
  static void store(const V& v, T* p, std::int64_t n) { store_up_to(v, p, n); }
  [[nodiscard]] std::int64_t cells() const { return batch * units; }
  [[nodiscard]] std::int64_t row_of(std::int64_t step) const { return reverse ? time - 1 - step : step; }
  /// f(step, t, the outputs before, those to write to y); keeps the outputs before, by t, if `before` is not null.
  template <class F>
  void for_steps(const T* first, T* y, T* before, const F& f) const {
    const T* h = first;
    for (std::int64_t step = 0; step < time; ++step) {
      const std::int64_t t = row_of(step);
      if (before != nullptr) std::copy(h, h + cells(), before + t * cells());
      f(step, t, h, y + t * cells());
      h = y + t * cells();
    }
  }
  /// From the last step to the first: f(step, t, the t of the step after it or -1), and once more for step -1 if the gradient of
  /// the first state is wanted.
  template <class F>
  void for_steps_back(bool first_too, const F& f) const {
    for (std::int64_t step = time - 1; step >= (first_too ? -1 : 0); --step) f(step, row_of(step), step + 1 < time ? row_of(step + 1) : -1);
  }
};

template <class T>
struct lstm_layer : recurrent_layer<T> {
  using typename recurrent_layer<T>::V;
  using recurrent_layer<T>::load, recurrent_layer<T>::store, recurrent_layer<T>::batch, recurrent_layer<T>::units;
  T forget_bias;

  void forward(const T* projected, const T* kernel, const T* first, T* y, T* states, T* gates, T* before) const {
    using product = step_product<T, 4, 1>;
    const std::int64_t u = units, cells = this->cells(), room = product::room(u, u);
    const scratch_lease lease(static_cast<std::size_t>(room + (states != nullptr ? 0 : 2 * cells)) * sizeof(T));
    T* const memory = reinterpret_cast<T*>(lease.data());
    const auto step_gates = product::of(kernel, 4 * u, u, u, memory);
    const auto state = [&](std::int64_t step) { return states != nullptr ? states + step * cells : memory + room + step % 2 * cells; };
    std::copy(first, first + cells, state(0));
    this->for_steps(first + cells, y, before, [&](std::int64_t step, std::int64_t t, const T* h, T* out) {
      const T* const c = state(step);
      T* const next = state(step + 1);
      step_gates(batch, h, u, projected + t * 4 * cells, 4 * u, [&](std::int64_t row, std::int64_t at, std::int64_t n, const V* z) {
        const std::int64_t place = row * u + at;
        const V i = ops::sigmoid::eval(z[0]), j = ops::tanh::eval(z[1]);
        const V f = ops::sigmoid::eval(z[2] + V(forget_bias)), o = ops::sigmoid::eval(z[3]);
        const V own = load(c + place, n) * f + i * j;
        store(own, next + place, n);
        store(ops::tanh::eval(own) * o, out + place, n);
        if (gates == nullptr) return;
        T* const g = gates + t * 4 * cells + row * 4 * u + at;
        store(i, g, n), store(j, g + u, n), store(f, g + 2 * u, n), store(o, g + 3 * u, n);
      });
    });
  }

  /// dz from the gradient of the outputs, or of the states [time + 1, ..]; d_first, that of [2, batch, units], may be null.
  void backward(const T* gates, const T* states, const T* kernel, const T* dy, bool of_states, T* dz, T* d_first) const {
    using product = step_product<T, 1, 2>;
    const std::int64_t u = units, cells = this->cells(), room = product::room(4 * u, u);
    const scratch_lease lease(static_cast<std::size_t>(room + cells) * sizeof(T));
    T *const memory = reinterpret_cast<T*>(lease.data()), *const dc = memory + room;
    const auto through_kernel = product::of_transposed(kernel, 4 * u, 4 * u, u, memory);
    if (of_states) std::copy(dy + this->time * cells, dy + (this->time + 1) * cells, dc);
    else std::fill(dc, dc + cells, T(0));
    // dh of the time step that is reached, n units of a row: its gates' gradients, and dc of the one before
    const auto through_gates = [&](std::int64_t step, std::int64_t t, std::int64_t row, std::int64_t at, std::int64_t n, V dh) {
      const std::int64_t place = row * u + at, gate = t * 4 * cells + row * 4 * u + at;
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
    this->for_steps_back(d_first != nullptr, [&](std::int64_t step, std::int64_t t, std::int64_t later) {
      through_kernel(batch, later < 0 ? nullptr : dz + later * 4 * cells, 4 * u, nullptr, 0, [&](std::int64_t row, std::int64_t at, std::int64_t n, const V* dh) {
        if (step >= 0) through_gates(step, t, row, at, n, dh[0]);
        else store(dh[0], d_first + cells + row * u + at, n);
      });
    });
    if (d_first != nullptr) std::copy(dc, dc + cells, d_first);
  }
};

/// Gates r, u and candidate c, in this order; the reset state r * h goes through the candidate's columns of the kernel.
template <class T>
struct gru_layer : recurrent_layer<T> {
  using typename recurrent_layer<T>::V;
  using recurrent_layer<T>::load, recurrent_layer<T>::store, recurrent_layer<T>::batch, recurrent_layer<T>::units;

  /// Keeps gates, outputs before each step and reset states, by time, where these are not null.
  void forward(const T* projected, const T* kernel, const T* first, T* y, T* gates, T* before, T* reset) const {
    using gates_product = step_product<T, 2, 1>;
    using candidate_product = step_product<T, 1, 2>;
    const std::int64_t u = units, cells = this->cells(), room = gates_product::room(u, u), more = candidate_product::room(u, u);
    const scratch_lease lease(static_cast<std::size_t>(room + more + 4 * cells) * sizeof(T));
    T *const memory = reinterpret_cast<T*>(lease.data()), *const own = memory + room + more;
    const auto step_gates = gates_product::of(kernel, 3 * u, u, u, memory);
    const auto step_candidate = candidate_product::of(kernel + 2 * u, 3 * u, u, u, memory + room);
    this->for_steps(first, y, before, [&](std::int64_t, std::int64_t t, const T* h, T* out) {
      const T* const z = projected + t * 3 * cells;
      T *const g = gates != nullptr ? gates + t * 3 * cells : own, *const rh = reset != nullptr ? reset + t * cells : own + 3 * cells;
      step_gates(batch, h, u, z, 3 * u, [&](std::int64_t row, std::int64_t at, std::int64_t n, const V* v) {
        const std::int64_t place = row * u + at;
        const V r = ops::sigmoid::eval(v[0]);
        store(r * load(h + place, n), rh + place, n);
        store(r, g + row * 3 * u + at, n);
        store(ops::sigmoid::eval(v[1]), g + row * 3 * u + u + at, n);
      });
      step_candidate(batch, rh, u, z + 2 * u, 3 * u, [&](std::int64_t row, std::int64_t at, std::int64_t n, const V* v) {
        const std::int64_t place = row * u + at;
        const V c = ops::tanh::eval(v[0]), keep = load(g + row * 3 * u + u + at, n);
        store(keep * load(h + place, n) + (V(T(1)) - keep) * c, out + place, n);
        store(c, g + row * 3 * u + 2 * u + at, n);
      });
    });
  }

  /// dz from the gradient of the outputs; d_first, that of [batch, units], may be null.
  void backward(const T* gates, const T* before, const T* kernel, const T* dy, T* dz, T* d_first) const {
    using product = step_product<T, 1, 2>;
    const std::int64_t u = units, cells = this->cells(), room = product::room(2 * u, u), more = product::room(u, u);
    const scratch_lease lease(static_cast<std::size_t>(room + more + cells) * sizeof(T));
    T *const memory = reinterpret_cast<T*>(lease.data()), *const back = memory + room + more;  // what reaches the outputs before
    const auto through_gates = product::of_transposed(kernel, 3 * u, 2 * u, u, memory);
    const auto through_candidate = product::of_transposed(kernel + 2 * u, 3 * u, u, u, memory + room);
    const V one(T(1));
    std::fill(back, back + cells, T(0));
    this->for_steps_back(d_first != nullptr, [&](std::int64_t step, std::int64_t t, std::int64_t later) {
      through_gates(batch, later < 0 ? nullptr : dz + later * 3 * cells, 3 * u, back, u, [&](std::int64_t row, std::int64_t at, std::int64_t n, const V* v) {
        const std::int64_t place = row * u + at, gate = t * 3 * cells + row * 3 * u + at;
        if (step < 0) return store(v[0], d_first + place, n);
        const V keep = load(gates + gate + u, n), c = load(gates + gate + 2 * u, n), dh = v[0] + load(dy + t * cells + place, n);
        store(dh * (load(before + t * cells + place, n) - c) * keep * (one - keep), dz + gate + u, n);
        store(dh * (one - keep) * (one - c * c), dz + gate + 2 * u, n);
        store(dh * keep, back + place, n);
      });
      if (step < 0) return;
      through_candidate(batch, dz + t * 3 * cells + 2 * u, 3 * u, nullptr, 0, [&](std::int64_t row, std::int64_t at, std::int64_t n, const V* v) {
        const std::int64_t place = row * u + at, gate = t * 3 * cells + row * 3 * u + at;
        const V r = load(gates + gate, n);
        store(v[0] * load(before + t * cells + place, n) * r * (one - r), dz + gate, n);
        store(load(back + place, n) + v[0] * r, back + place, n);
      });
    });
  }
};

}  // namespace rill::kernel::detail

namespace rill::ops {

template <class>
void lstm_sequence_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  visit_float_or_double(in[0].type, [&](auto t) {
    using T = typename decltype(t)::type;
    const tensor_shape& s = in[0].shape;
    kernel::detail::lstm_layer<T>{{s[0], s[1], in[1].shape[0], at.i[0] != 0}, static_cast<T>(at.f[0])}.forward(
        in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), out.as<T>(), static_cast<T*>(out.more[0]), static_cast<T*>(out.more[1]), static_cast<T*>(out.more[2]));
  });
}
template <class>
void lstm_sequence_grad_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  visit_float_or_double(in[0].type, [&](auto t) {
    using T = typename decltype(t)::type;
    const tensor_shape& s = in[0].shape;
    kernel::detail::lstm_layer<T>{{s[0], s[1], in[2].shape[0], at.i[0] != 0}, static_cast<T>(at.f[0])}.backward(
        in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), in[3].as<T>(), at.i[1] != 0, out.as<T>(), static_cast<T*>(out.more[0]));
  });
}
template <class>
void gru_sequence_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  visit_float_or_double(in[0].type, [&](auto t) {
    using T = typename decltype(t)::type;
    const tensor_shape& s = in[0].shape;
    kernel::detail::gru_layer<T>{{s[0], s[1], in[1].shape[0], at.i[0] != 0}}.forward(
        in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), out.as<T>(), static_cast<T*>(out.more[0]), static_cast<T*>(out.more[1]), static_cast<T*>(out.more[2]));
  });
}
template <class>
void gru_sequence_grad_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  visit_float_or_double(in[0].type, [&](auto t) {
    using T = typename decltype(t)::type;
    const tensor_shape& s = in[0].shape;
    kernel::detail::gru_layer<T>{{s[0], s[1], in[2].shape[0], at.i[0] != 0}}.backward(
        in[0].as<T>(), in[1].as<T>(), in[2].as<T>(), in[3].as<T>(), out.as<T>(), static_cast<T*>(out.more[0]));
  });
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

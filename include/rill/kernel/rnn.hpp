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

/// Calls f(row) for the rows of a call: f gets the number of units, of lanes at hand, and reads through `at`.
template <class T, class F>
void over_gates(std::int64_t rows, std::int64_t units, const F& f) {
  constexpr int W = rill::detail::native_lanes<T>;
  parallel_for(rows, rows_per_task(units * 16), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t k = 0; k < units; k += W) f(r, k, units - k < W ? static_cast<int>(units - k) : W);
  });
}
/// W numbers of a row, or as many as there are; the others are 0.
template <class T>
auto load_some(const T* p, int n) {
  constexpr int W = rill::detail::native_lanes<T>;
  return n == W ? pack<T, W>::load(p) : pack<T, W>::load(p, n);
}
template <class T, int W>
void store_some(pack<T, W> v, T* p, int n) {
  if (n == W) v.store(p);
  else v.store(p, n);
}

/// f(T()) for the dtype of a gate tensor.
template <class F>
void with_gates(const operand_memory& z, const F& f) {
  if (z.type == dtype::float32) f(float());
  else f(double());
}

}  // namespace rill::kernel::detail

namespace rill::ops {

// z's quarters are i, j, f, o.

template <class>
void lstm_state_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::with_gates(in[0], [&]<class T>(T) {
    using namespace kernel::detail;
    const std::int64_t u = in[1].shape[1];
    const T *z = in[0].as<T>(), *c = in[1].as<T>();
    T* y = out.as<T>();
    const pack<T, rill::detail::native_lanes<T>> bias(static_cast<T>(at.f[0]));
    over_gates<T>(in[1].shape[0], u, [&](std::int64_t r, std::int64_t k, int n) {
      const T* g = z + r * 4 * u + k;
      const auto i = sigmoid::eval(load_some(g, n)), j = tanh::eval(load_some(g + u, n)), f = sigmoid::eval(load_some(g + 2 * u, n) + bias);
      store_some(load_some(c + r * u + k, n) * f + i * j, y + r * u + k, n);
    });
  });
}
template <class>
void lstm_state_grad_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::with_gates(in[0], [&]<class T>(T) {
    using namespace kernel::detail;
    const std::int64_t u = in[1].shape[1];
    const T *z = in[0].as<T>(), *c = in[1].as<T>(), *dy = in[2].as<T>();
    T* dz = out.as<T>();
    using P = pack<T, rill::detail::native_lanes<T>>;
    const P bias(static_cast<T>(at.f[0])), one(T(1)), zero(T(0));
    over_gates<T>(in[1].shape[0], u, [&](std::int64_t r, std::int64_t k, int n) {
      const T* g = z + r * 4 * u + k;
      T* to = dz + r * 4 * u + k;
      const auto i = sigmoid::eval(load_some(g, n)), j = tanh::eval(load_some(g + u, n)), f = sigmoid::eval(load_some(g + 2 * u, n) + bias);
      const auto d = load_some(dy + r * u + k, n);
      store_some(d * j * i * (one - i), to, n);
      store_some(d * i * (one - j * j), to + u, n);
      store_some(d * load_some(c + r * u + k, n) * f * (one - f), to + 2 * u, n);
      store_some(zero, to + 3 * u, n);
    });
  });
}
template <class>
void lstm_forget_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::with_gates(in[0], [&]<class T>(T) {
    using namespace kernel::detail;
    const std::int64_t u = in[1].shape[1];
    const T *z = in[0].as<T>(), *dy = in[1].as<T>();
    T* y = out.as<T>();
    const pack<T, rill::detail::native_lanes<T>> bias(static_cast<T>(at.f[0]));
    over_gates<T>(in[1].shape[0], u, [&](std::int64_t r, std::int64_t k, int n) {
      store_some(load_some(dy + r * u + k, n) * sigmoid::eval(load_some(z + r * 4 * u + 2 * u + k, n) + bias), y + r * u + k, n);
    });
  });
}
template <class>
void lstm_output_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  kernel::detail::with_gates(in[0], [&]<class T>(T) {
    using namespace kernel::detail;
    const std::int64_t u = in[1].shape[1];
    const T *z = in[0].as<T>(), *c = in[1].as<T>();
    T* y = out.as<T>();
    over_gates<T>(in[1].shape[0], u, [&](std::int64_t r, std::int64_t k, int n) {
      store_some(tanh::eval(load_some(c + r * u + k, n)) * sigmoid::eval(load_some(z + r * 4 * u + 3 * u + k, n)), y + r * u + k, n);
    });
  });
}
template <class>
void lstm_output_grad_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  kernel::detail::with_gates(in[0], [&]<class T>(T) {
    using namespace kernel::detail;
    const std::int64_t u = in[1].shape[1];
    const T *z = in[0].as<T>(), *c = in[1].as<T>(), *dy = in[2].as<T>();
    T* dz = out.as<T>();
    using P = pack<T, rill::detail::native_lanes<T>>;
    const P one(T(1)), zero(T(0));
    over_gates<T>(in[1].shape[0], u, [&](std::int64_t r, std::int64_t k, int n) {
      T* to = dz + r * 4 * u + k;
      const auto o = sigmoid::eval(load_some(z + r * 4 * u + 3 * u + k, n));
      for (int q = 0; q < 3; ++q) store_some(zero, to + q * u, n);
      store_some(load_some(dy + r * u + k, n) * tanh::eval(load_some(c + r * u + k, n)) * o * (one - o), to + 3 * u, n);
    });
  });
}
template <class>
void lstm_output_state_grad_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  kernel::detail::with_gates(in[0], [&]<class T>(T) {
    using namespace kernel::detail;
    const std::int64_t u = in[1].shape[1];
    const T *z = in[0].as<T>(), *c = in[1].as<T>(), *dy = in[2].as<T>();
    T* dc = out.as<T>();
    const pack<T, rill::detail::native_lanes<T>> one(T(1));
    over_gates<T>(in[1].shape[0], u, [&](std::int64_t r, std::int64_t k, int n) {
      const auto t = tanh::eval(load_some(c + r * u + k, n));
      store_some(load_some(dy + r * u + k, n) * sigmoid::eval(load_some(z + r * 4 * u + 3 * u + k, n)) * (one - t * t), dc + r * u + k, n);
    });
  });
}

}  // namespace rill::ops

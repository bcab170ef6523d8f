// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The CPU kernels of ops/scan.hpp. Across rows a scan is a loop over packs of columns. Along a row it is cut into blocks of
/// four chains that run side by side (one addition waits for the one before, four do not), then each chain gets what lies
/// before it. The blocks depend on the length alone; very long rows find all blocks' totals first, in parallel, from the
/// same additions, so that results do not depend on the number of threads.

#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

#include "../ops/scan.hpp"
#include "indexing.hpp"
#include "simd.hpp"

namespace rill::kernel {

/// A tensor as [outer, n, inner] around one axis.
struct axis_layout {
  std::int64_t outer = 1, n = 0, inner = 1;
  axis_layout(const tensor_shape& s, std::int64_t axis) : n(s[static_cast<int>(axis)]) {
    for (int d = 0; d < s.rank(); ++d) (d < axis ? outer : inner) *= d == axis ? 1 : s[d];
  }
};

namespace detail {

/// to[k] = R(with, to[k]).
template <class R, class T>
void combine_all(T with, T* to, std::int64_t n) {
  using P = pack<T, lanes_for<T>()>;
  const P w(with);
  std::int64_t k = 0;
  for (; k + P::size <= n; k += P::size) R::combine(w, P::load(to + k)).store(to + k);
  if (k < n) R::combine(w, P::load(to + k, n - k)).store(to + k, n - k);
}
/// to[k] = R(a[k], b[k]).
template <class R, class T>
void combine_rows(const T* a, const T* b, T* to, std::int64_t n) {
  using P = pack<T, lanes_for<T>()>;
  std::int64_t k = 0;
  for (; k + P::size <= n; k += P::size) R::combine(P::load(a + k), P::load(b + k)).store(to + k);
  if (k < n) R::combine(P::load(a + k, n - k), P::load(b + k, n - k)).store(to + k, n - k);
}

/// Totals of the four chains of a block of 4 * s elements.
template <class T>
struct chain_totals {
  T t[4];
};
/// D: 1 or -1, the direction.
template <class R, int D, bool Store, bool Exclusive, class T>
[[gnu::always_inline]] inline chain_totals<T> run_chains(const T* x, T* y, std::int64_t s) {
  const T none = R::template identity<T>();
  T a = none, b = none, c = none, d = none;
  for (std::int64_t i = 0; i < s; ++i) {
    const std::int64_t k0 = D * i, k1 = D * (s + i), k2 = D * (2 * s + i), k3 = D * (3 * s + i);
    if constexpr (Store && Exclusive) y[k0] = a, y[k1] = b, y[k2] = c, y[k3] = d;
    a = static_cast<T>(R::combine(a, x[k0])), b = static_cast<T>(R::combine(b, x[k1]));
    c = static_cast<T>(R::combine(c, x[k2])), d = static_cast<T>(R::combine(d, x[k3]));
    if constexpr (Store && !Exclusive) y[k0] = a, y[k1] = b, y[k2] = c, y[k3] = d;
  }
  return {{a, b, c, d}};
}
template <class R, class T>
T combine_totals(T carry, const chain_totals<T>& t) {
  for (const T& v : t.t) carry = static_cast<T>(R::combine(carry, v));
  return carry;
}
inline constexpr std::int64_t scan_block = 2048;

/// A block of a row from `carry` on; gives what to carry on.
template <class R, int D, bool Exclusive, class T>
T scan_one_block(const T* x, T* y, std::int64_t n, T carry) {
  const std::int64_t s = n / 4;
  if (s > 0) {
    const chain_totals<T> totals = run_chains<R, D, true, Exclusive>(x, y, s);
    for (int k = 0; k < 4; ++k) {
      T* const part = D > 0 ? y + k * s : y - (k + 1) * s + 1;
      combine_all<R>(carry, part, s);
      carry = static_cast<T>(R::combine(carry, totals.t[k]));
    }
  }
  for (std::int64_t i = 4 * s; i < n; ++i) {
    if constexpr (Exclusive) y[D * i] = carry;
    carry = static_cast<T>(R::combine(carry, x[D * i]));
    if constexpr (!Exclusive) y[D * i] = carry;
  }
  return carry;
}
template <class R, int D, bool Exclusive, class T>
void scan_row(const T* x, T* y, std::int64_t n) {
  const std::int64_t blocks = (n + scan_block - 1) / scan_block;
  const T none = R::template identity<T>();
  const auto block = [&](std::int64_t b, T carry) {
    const std::int64_t at = b * scan_block;
    return scan_one_block<R, D, Exclusive>(x + D * at, y + D * at, std::min(scan_block, n - at), carry);
  };
  if (blocks < 64 || max_threads() < 3) {  // with two threads the second reading costs what the second thread saves
    T carry = none;
    for (std::int64_t b = 0; b < blocks; ++b) carry = block(b, carry);
    return;
  }
  std::vector<T> carry(static_cast<std::size_t>(blocks), none);
  std::vector<chain_totals<T>> totals(static_cast<std::size_t>(blocks));
  parallel_for(blocks - 1, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b)
      totals[static_cast<std::size_t>(b)] = run_chains<R, D, false, Exclusive>(x + D * b * scan_block, y, scan_block / 4);
  });
  for (std::size_t b = 1; b < carry.size(); ++b) carry[b] = combine_totals<R>(carry[b - 1], totals[b - 1]);
  parallel_for(blocks, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) block(b, carry[static_cast<std::size_t>(b)]);
  });
}

/// Any numbers, one after the other; added up in compute_t.
template <class R, class T>
void scan_plain(const T* x, T* y, const axis_layout& s, bool exclusive, bool reverse) {
  using A = compute_t<T>;
  const std::int64_t step = reverse ? -s.inner : s.inner, first = reverse ? (s.n - 1) * s.inner : 0;
  parallel_for(s.outer * s.inner, 16384 / (s.n + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      std::int64_t at = k / s.inner * s.n * s.inner + k % s.inner + first;
      A total = R::template identity<A>();
      for (std::int64_t i = 0; i < s.n; ++i, at += step) {
        if (exclusive) y[at] = static_cast<T>(total);
        total = static_cast<A>(R::combine(total, static_cast<A>(x[at])));
        if (!exclusive) y[at] = static_cast<T>(total);
      }
    }
  });
}

}  // namespace detail

/// y[i] = R(x[0], ..., x[i]) along the axis.
template <class R, class T>
void scan(const T* x, T* y, const axis_layout& s, bool exclusive, bool reverse) {
  if (s.outer * s.n * s.inner == 0) return;
  if constexpr (!std::is_same_v<R, ops::log_sum_exp> && (std::is_same_v<T, float> || std::is_same_v<T, double> ||
                                                         std::is_same_v<T, std::int32_t> || std::is_same_v<T, std::int64_t>)) {
    if (s.inner == 1) {
      parallel_for(s.outer, 16384 / s.n + 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r) {
          const T* const from = x + r * s.n;
          T* const to = y + r * s.n;
          const std::int64_t last = s.n - 1;
          if (exclusive) reverse ? detail::scan_row<R, -1, true>(from + last, to + last, s.n) : detail::scan_row<R, 1, true>(from, to, s.n);
          else reverse ? detail::scan_row<R, -1, false>(from + last, to + last, s.n) : detail::scan_row<R, 1, false>(from, to, s.n);
        }
      });
      return;
    }
    constexpr std::int64_t width = 512;
    const std::int64_t parts = (s.inner + width - 1) / width, step = reverse ? -s.inner : s.inner;
    parallel_for(s.outer * parts, 32768 / (s.n * std::min(width, s.inner)) + 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const std::int64_t c = k % parts * width, n = std::min(width, s.inner - c);
        const std::int64_t at = (k / parts * s.n + (reverse ? s.n - 1 : 0)) * s.inner + c;
        const T* from = x + at;
        T* to = y + at;
        if (exclusive) std::fill_n(to, n, R::template identity<T>());
        else std::copy_n(from, n, to);
        for (std::int64_t i = 1; i < s.n; ++i, from += step, to += step)
          detail::combine_rows<R>(to, exclusive ? from : from + step, to + step, n);
      }
    });
  } else {
    detail::scan_plain<R>(x, y, s, exclusive, reverse);
  }
}

/// The elements over the axes of a mask combined by f, in row-major order, from init on.
template <class T, class F>
void reduce_with(const T* x, const tensor_shape& s, std::int64_t mask, T init, T* out, const F& f) {
  std::int64_t step[max_rank] = {}, index[max_rank] = {}, to = 1;
  const int rank = s.rank();
  for (int d = rank - 1; d >= 0; --d) {
    if ((mask >> d & 1) != 0) continue;
    step[d] = to;
    to *= s[d];
  }
  std::fill_n(out, to, init);
  if (s.num_elements() == 0) return;
  int run = rank;  // the axes from here on are all reduced
  std::int64_t length = 1;
  while (run > 0 && (mask >> (run - 1) & 1) != 0) length *= s[--run];
  if ((mask & ((std::int64_t{1} << run) - 1)) == 0) {
    parallel_for(to, 16384 / length + 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        T total = init;
        for (const T* p = x + k * length; p < x + (k + 1) * length; ++p) total = static_cast<T>(f(total, *p));
        out[k] = total;
      }
    });
    return;
  }
  std::int64_t at = 0;
  for (std::int64_t k = 0, n = s.num_elements() / length; k < n; ++k) {
    T total = out[at];
    for (std::int64_t i = 0; i < length; ++i) total = static_cast<T>(f(total, x[k * length + i]));
    out[at] = total;
    for (int d = run - 1; d >= 0; --d) {
      at += step[d];
      if (++index[d] < s[d]) break;
      at -= step[d] * s[d];
      index[d] = 0;
    }
  }
}

}  // namespace rill::kernel

namespace rill::ops {

template <class Reducer>
template <class>
void scan_op<Reducer>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const auto go = [&]<class T>(std::type_identity<T>) {
    kernel::scan<Reducer>(in[0].as<T>(), out.as<T>(), kernel::axis_layout(out.shape, at.i[0]), at.i[1] != 0, at.i[2] != 0);
  };
  if constexpr (std::is_same_v<Reducer, log_sum_exp>) visit_floating(out.type, go, name);
  else if constexpr (std::is_same_v<Reducer, sum> || std::is_same_v<Reducer, prod>) visit_number(out.type, go, name);
  else visit_real(out.type, go, name);
}

template <class Reducer>
template <class>
void arg_scan_op<Reducer>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::axis_layout s(out.shape, at.i[0]);
  const bool reverse = at.i[2] != 0;
  visit_real(in[0].type, [&]<class T>(std::type_identity<T>) {
    parallel_for(s.outer * s.inner, 16384 / (s.n + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const std::int64_t first = k / s.inner * s.n * s.inner + k % s.inner;
        std::int64_t best = reverse ? s.n - 1 : 0;
        for (std::int64_t j = 0; j < s.n; ++j) {
          const std::int64_t i = reverse ? s.n - 1 - j : j;
          const T v = in[0].as<T>()[first + i * s.inner], b = in[0].as<T>()[first + best * s.inner];
          if (v != v ? b == b : std::is_same_v<Reducer, max> ? v >= b : v <= b) best = i;
          out.as<std::int64_t>()[first + i * s.inner] = best;
        }
      }
    });
  }, name);
}

template <class>
void linear_recurrence_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::axis_layout s(out.shape, at.i[0]);
  const std::int64_t step = at.i[2] != 0 ? -s.inner : s.inner;
  visit_floating(out.type, [&]<class T>(std::type_identity<T>) {
    using A = compute_t<T>;
    parallel_for(s.outer * s.inner, 16384 / (s.n + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        std::int64_t p = k / s.inner * s.n * s.inner + k % s.inner + (step < 0 ? (s.n - 1) * s.inner : 0);
        A h{0};
        for (std::int64_t i = 0; i < s.n; ++i, p += step) {
          const A b = static_cast<A>(in[1].as<T>()[p]);
          h = i == 0 ? b : static_cast<A>(in[0].as<T>()[p]) * h + b;
          out.as<T>()[p] = static_cast<T>(h);
        }
      }
    });
  }, name);
}

template <class>
void shift_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::axis_layout s(out.shape, at.i[0]);
  if (out.size() == 0) return;
  const bool back = at.i[2] != 0;
  const kernel::detail::element_value fill(out.type, at.f[0], 0);
  const auto place = [&](std::int64_t k) { return kernel::detail::element_at(out.type, out.data, k); };
  kernel::copy_nest rest, edge;
  const std::int64_t row = s.n * s.inner;
  rest.axis(s.outer, row, row), rest.axis((s.n - 1) * s.inner, 1, 1);
  edge.axis(s.outer, 0, row), edge.axis(s.inner, 0, 1);
  if (s.n > 1) kernel::copy(out.type, kernel::detail::element_at(out.type, in[0].data, back ? s.inner : 0), place(back ? 0 : s.inner), rest);
  kernel::copy(out.type, fill.data, place(back ? row - s.inner : 0), edge);
}

template <class F>
template <class>
void reduce_with_op<F>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  visit_dtype(out.type, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_invocable_r_v<T, const F&, T, T>)
      kernel::reduce_with(in[0].as<T>(), in[0].shape, at.i[0], *in[1].as<T>(), out.as<T>(), F{});
    else throw invalid_argument(std::string(name) + ": the function does not combine elements of " + std::string(name_of(out.type)));
  }, name);
}

}  // namespace rill::ops

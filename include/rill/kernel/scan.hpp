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
#include <tuple>
#include <vector>

#include "../ops/scan.hpp"
#include "cast.hpp"
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

/// The dtype that elements are combined and compared in: the narrow ones in float32 and int32, which saves compiling every
/// kernel for each of them.
constexpr dtype wide_dtype(dtype d) {
  if (is_floating(d) && size_of(d) == 2) return dtype::float32;
  return d == dtype::boolean || ((class_of(d) & types::reals) != 0 && size_of(d) < 4) ? dtype::int32 : d;
}
/// An operand in its wide dtype, converted aside where that is another one.
struct wide_operand {
  operand_memory m;
  std::vector<unsigned char> aside;

  explicit wide_operand(const operand_memory& x) : m(x) {
    m.type = wide_dtype(x.type);
    if (m.type == x.type) return;
    aside.resize(static_cast<std::size_t>(x.size()) * size_of(m.type));
    cast_elements(x, {m.type, m.shape, aside.data()});
    m.data = aside.data();
  }
};
/// A result in its wide dtype; finish() converts it where that is another one.
struct wide_result {
  result_memory m;
  result_memory narrow;
  std::vector<unsigned char> aside;

  explicit wide_result(const result_memory& y) : m(y), narrow(y) {
    m.type = wide_dtype(y.type);
    if (m.type == y.type) return;
    aside.resize(static_cast<std::size_t>(y.size()) * size_of(m.type));
    m.data = aside.data();
  }
  void finish() const {
    if (m.type != narrow.type) cast_elements({m.type, m.shape, m.data}, narrow);
  }
};
/// The wide real dtypes.
template <class F>
void visit_wide(dtype d, F&& f, const char* op) {
  rill::detail::visit_one_of<dtype::float32, dtype::float64, dtype::int32, dtype::int64, dtype::uint32, dtype::uint64>(d, "a real type", op, f);
}
/// Real and complex ones for sums and products; integers as unsigned ones, which have the same bits and wrap around.
template <class F>
void visit_modular(dtype d, F&& f, const char* op) {
  if (d == dtype::int32) d = dtype::uint32;
  if (d == dtype::int64) d = dtype::uint64;
  rill::detail::visit_one_of<dtype::float32, dtype::float64, dtype::uint32, dtype::uint64, dtype::complex64, dtype::complex128>(d, "a number type", op, f);
}

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

/// Rows next to each other. Short ones are chains of their own, four side by side.
template <class R, int D, bool Exclusive, class T>
void scan_rows(const T* x, T* y, std::int64_t rows, std::int64_t n) {
  constexpr std::int64_t is_short = 64;
  std::int64_t r = 0;
  if (n <= is_short)
    for (; r + 4 <= rows; r += 4) {
      const std::int64_t first = D > 0 ? r * n : (r + 4) * n - 1;
      run_chains<R, D, true, Exclusive>(x + first, y + first, n);
    }
  for (; r < rows; ++r) {
    const std::int64_t first = D > 0 ? r * n : (r + 1) * n - 1;
    if (n > is_short) {
      scan_row<R, D, Exclusive>(x + first, y + first, n);
      continue;
    }
    T total = R::template identity<T>();
    for (std::int64_t i = 0; i < n; ++i) {
      if constexpr (Exclusive) y[first + D * i] = total;
      total = static_cast<T>(R::combine(total, x[first + D * i]));
      if constexpr (!Exclusive) y[first + D * i] = total;
    }
  }
}

/// Any numbers, one after the other.
template <class R, class T>
void scan_plain(const T* x, T* y, const axis_layout& s, bool exclusive, bool reverse) {
  const std::int64_t step = reverse ? -s.inner : s.inner, first = reverse ? (s.n - 1) * s.inner : 0;
  parallel_for(s.outer * s.inner, 16384 / (s.n + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      std::int64_t at = k / s.inner * s.n * s.inner + k % s.inner + first;
      T total = R::template identity<T>();
      for (std::int64_t i = 0; i < s.n; ++i, at += step) {
        if (exclusive) y[at] = total;
        total = static_cast<T>(R::combine(total, x[at]));
        if (!exclusive) y[at] = total;
      }
    }
  });
}

}  // namespace detail

/// y[i] = R(x[0], ..., x[i]) along the axis.
template <class R, class T>
void scan(const T* x, T* y, const axis_layout& s, bool exclusive, bool reverse) {
  if (s.outer * s.n * s.inner == 0) return;
  if constexpr (!std::is_same_v<R, ops::log_sum_exp> && std::is_arithmetic_v<T>) {
    if (s.inner == 1 && !std::is_same_v<R, ops::sum>) return detail::scan_plain<R>(x, y, s, exclusive, reverse);
    if (s.inner == 1) {
      parallel_for(s.outer, 16384 / s.n + 1, [&](std::int64_t begin, std::int64_t end) {
        if constexpr (std::is_same_v<R, ops::sum>) {
          const T* const from = x + begin * s.n;
          T* const to = y + begin * s.n;
          if (exclusive) reverse ? detail::scan_rows<R, -1, true>(from, to, end - begin, s.n) : detail::scan_rows<R, 1, true>(from, to, end - begin, s.n);
          else reverse ? detail::scan_rows<R, -1, false>(from, to, end - begin, s.n) : detail::scan_rows<R, 1, false>(from, to, end - begin, s.n);
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

/// Several operands reduced together; total holds one tuple per element of the result.
template <class... T, class F>
std::vector<std::tuple<T...>> reduce_together(const std::tuple<const T*...>& x, const tensor_shape& s, std::int64_t mask, const std::tuple<T...>& init, const F& f) {
  std::int64_t step[max_rank] = {}, index[max_rank] = {}, size = 1;
  for (int d = s.rank() - 1; d >= 0; --d) {
    if ((mask >> d & 1) != 0) continue;
    step[d] = size;
    size *= s[d];
  }
  std::vector<std::tuple<T...>> total(static_cast<std::size_t>(size), init);
  std::int64_t at = 0;
  for (std::int64_t k = 0, n = s.num_elements(); k < n; ++k) {
    auto& t = total[static_cast<std::size_t>(at)];
    [&]<std::size_t... I>(std::index_sequence<I...>) { t = f(std::get<I>(t)..., std::get<I>(x)[k]...); }
    (std::index_sequence_for<T...>{});
    for (int d = s.rank() - 1; d >= 0; --d) {
      at += step[d];
      if (++index[d] < s[d]) break;
      at -= step[d] * s[d];
      index[d] = 0;
    }
  }
  return total;
}

}  // namespace rill::kernel

namespace rill::ops {

template <class Reducer>
template <class>
void scan_op<Reducer>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::detail::wide_operand x(in[0]);
  const kernel::detail::wide_result y(out);
  const auto go = [&]<class T>(std::type_identity<T>) {
    kernel::scan<Reducer>(x.m.as<T>(), y.m.as<T>(), kernel::axis_layout(out.shape, at.i[0]), at.i[1] != 0, at.i[2] != 0);
  };
  if constexpr (std::is_same_v<Reducer, log_sum_exp>) y.m.type == dtype::float64 ? go(std::type_identity<double>{}) : go(std::type_identity<float>{});
  else if constexpr (std::is_same_v<Reducer, sum> || std::is_same_v<Reducer, prod>) kernel::detail::visit_modular(y.m.type, go, name);
  else kernel::detail::visit_wide(y.m.type, go, name);
  y.finish();
}

template <class Reducer>
template <class>
void arg_scan_op<Reducer>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::axis_layout s(out.shape, at.i[0]);
  const bool reverse = at.i[2] != 0;
  const kernel::detail::wide_operand x(in[0]);
  kernel::detail::visit_wide(x.m.type, [&]<class T>(std::type_identity<T>) {
    parallel_for(s.outer * s.inner, 16384 / (s.n + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const std::int64_t first = k / s.inner * s.n * s.inner + k % s.inner;
        std::int64_t best = reverse ? s.n - 1 : 0;
        for (std::int64_t j = 0; j < s.n; ++j) {
          const std::int64_t i = reverse ? s.n - 1 - j : j;
          const T v = x.m.as<T>()[first + i * s.inner], b = x.m.as<T>()[first + best * s.inner];
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
  const kernel::detail::wide_operand a(in[0]), b(in[1]);
  const kernel::detail::wide_result y(out);
  const auto go = [&]<class T>(std::type_identity<T>) {
    parallel_for(s.outer * s.inner, 16384 / (s.n + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        std::int64_t p = k / s.inner * s.n * s.inner + k % s.inner + (step < 0 ? (s.n - 1) * s.inner : 0);
        T h(0);
        for (std::int64_t i = 0; i < s.n; ++i, p += step) {
          h = i == 0 ? b.m.as<T>()[p] : a.m.as<T>()[p] * h + b.m.as<T>()[p];
          y.m.as<T>()[p] = h;
        }
      }
    });
  };
  y.m.type == dtype::float64 ? go(std::type_identity<double>{}) : go(std::type_identity<float>{});
  y.finish();
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
  const auto go = [&]<class T>(std::type_identity<T>) {
    kernel::reduce_with(in[0].as<T>(), in[0].shape, at.i[0], *in[1].as<T>(), out.as<T>(), F{});
  };
  if constexpr (!std::is_void_v<element>) go(std::type_identity<element>{});
  else if (out.type == dtype::boolean) go(std::type_identity<bool>{});
  else visit_real(out.type, go, name);
}

template <int Result, class F, class T, class U>
template <class>
void reduce_together_op<Result, F, T, U>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const auto total = kernel::reduce_together(std::tuple<const T*, const U*>(in[0].as<T>(), in[1].as<U>()), in[0].shape, at.i[0],
                                             std::tuple<T, U>(*in[2].as<T>(), *in[3].as<U>()), F{});
  auto* const to = out.as<std::conditional_t<Result == 0, T, U>>();
  for (std::size_t k = 0; k < total.size(); ++k) to[k] = std::get<Result>(total[k]);
}

}  // namespace rill::ops

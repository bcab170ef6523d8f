// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Kernels of window ops. The axes before the first and after the last that windows move over are folded: `lead` times a
/// middle of windows times `inner` neighbours, which are worked on side by side. For each window the offsets of its
/// elements that lie inside are listed once; the kernels loop over that list. They are compiled for float, double, int64
/// and uint64; other dtypes are widened on the way in and narrowed on the way out.

#include <algorithm>
#include <vector>

#include "../core/storage.hpp"
#include "../ops/reduce_window.hpp"
#include "cast.hpp"
#include "movement.hpp"
#include "parallel.hpp"

namespace rill::kernel {

/// Windows over memory.
struct window_plan {
  std::int64_t lead = 1, inner = 1, in_middle = 1, windows = 1, taps = 1;
  int n = 0;  ///< axes in the middle
  rill::detail::window_axis axes[max_rank];
  std::int64_t out[max_rank] = {}, step[max_rank] = {};  ///< windows along an axis; elements between its neighbours

  window_plan(const ops::window_geometry& g, const tensor_shape& result) {
    int first = 0, last = g.rank;
    const auto whole = [&](int k) { return g.axes[k].trivial() && result[k] == g.axes[k].in; };
    while (first < last && whole(first)) lead *= g.axes[first++].in;
    while (last > first && whole(last - 1)) inner *= g.axes[--last].in;
    n = last - first;
    for (int k = n - 1; k >= 0; --k) {
      axes[k] = g.axes[first + k];
      out[k] = result[first + k];
      step[k] = in_middle * inner;
      in_middle *= axes[k].in, windows *= out[k], taps *= axes[k].window;
    }
  }
  /// Sets `offsets` to where the elements of window number q lie, relative to the middle's start.
  void list(std::int64_t q, std::vector<std::int64_t>& offsets) const {
    offsets.clear();
    offsets.push_back(0);
    std::int64_t rest = q, index[max_rank] = {};
    for (int k = n - 1; k >= 0; --k) index[k] = rest % out[k], rest /= out[k];
    for (int k = 0; k < n; ++k) {  // each axis replaces every offset so far by those of its taps
      const auto& a = axes[k];
      const std::int64_t start = index[k] * a.stride - a.before;
      const std::size_t before = offsets.size();
      for (std::size_t j = 0; j < before; ++j) {
        const std::int64_t from = offsets[j];
        for (std::int64_t t = 0; t < a.window; ++t) {
          const std::int64_t i = start + t * a.dilation;
          if (i < 0 || i % a.base_dilation != 0 || i / a.base_dilation >= a.in) continue;
          offsets.push_back(from + i / a.base_dilation * step[k]);
        }
      }
      offsets.erase(offsets.begin(), offsets.begin() + static_cast<std::ptrdiff_t>(before));
    }
  }
  [[nodiscard]] std::int64_t grain() const { return 60'000 / (taps * inner + 1) + 1; }
};

namespace detail {
inline constexpr std::int64_t window_lanes = 256;

/// The identity of a reducer over elements of a dtype, as its wide type.
template <class Reducer, class T>
T identity_of(dtype narrow) {
  if constexpr (std::is_same_v<T, std::int64_t> && (std::is_same_v<Reducer, ops::max> || std::is_same_v<Reducer, ops::min>)) {
    const int bits = static_cast<int>(size_of(narrow)) * 8 - (is_signed(narrow) ? 1 : 0);  // of the largest; uint64 is not widened
    const auto largest = static_cast<std::int64_t>((std::uint64_t{1} << bits) - 1);
    if constexpr (std::is_same_v<Reducer, ops::min>) return largest;
    else return is_signed(narrow) ? -largest - 1 : 0;
  } else {
    return Reducer::template identity<T>();
  }
}
/// Two elements combined by a reducer or a function.
template <class C, class T>
T scattered(T a, T b) {
  if constexpr (requires { C::combine(a, b); }) return C::combine(a, b);
  else return static_cast<T>(C{}(a, b));
}

/// The dtype that a real dtype is computed in.
constexpr dtype widened(dtype t) {
  if (is_floating(t)) return t == dtype::float64 ? t : dtype::float32;
  return t == dtype::uint64 ? t : dtype::int64;
}
/// Calls f(type, operands, result) for operands, and a result, of one real dtype, widened.
template <class F>
void with_wide(const operand_memory* in, int n, const result_memory& out, const F& f) {
  const dtype narrow = in[0].type, wide = widened(narrow);
  operand_memory x[4];
  result_memory y = out;
  storage kept[5];
  for (int k = 0; k < n; ++k) {
    x[k] = in[k];
    if (in[k].type == wide) continue;
    kept[k] = storage::allocate(static_cast<std::size_t>(in[k].size()) * size_of(wide));
    kernel::cast_elements(in[k], {wide, in[k].shape, kept[k].data()});
    x[k].type = wide, x[k].data = kept[k].data();
  }
  const bool back = out.type == narrow && narrow != wide;
  if (back) {
    kept[4] = storage::allocate(static_cast<std::size_t>(out.size()) * size_of(wide));
    y = {wide, out.shape, kept[4].data()};
  }
  if (wide == dtype::float32) f(std::type_identity<float>{}, x, y);
  else if (wide == dtype::float64) f(std::type_identity<double>{}, x, y);
  else if (wide == dtype::int64) f(std::type_identity<std::int64_t>{}, x, y);
  else f(std::type_identity<std::uint64_t>{}, x, y);
  if (back) kernel::cast_elements({wide, out.shape, y.data}, out);
}
}  // namespace detail

/// out = init combined with the elements of each window, in row-major order.
template <class T, class A, class F>
void reduce_windows(const window_plan& p, const T* x, T* out, const A& init, const F& combine) {
  parallel_for(p.lead * p.windows, p.grain(), [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> offsets;
    for (std::int64_t q = begin; q < end; ++q) {
      p.list(q % p.windows, offsets);
      const T* const from = x + q / p.windows * p.in_middle * p.inner;
      T* const to = out + q * p.inner;
      for (std::int64_t c = 0; c < p.inner; c += detail::window_lanes) {
        const std::int64_t m = std::min(detail::window_lanes, p.inner - c);
        A total[detail::window_lanes];
        for (std::int64_t i = 0; i < m; ++i) total[i] = init;
        for (const std::int64_t offset : offsets)
          for (std::int64_t i = 0; i < m; ++i) total[i] = static_cast<A>(combine(total[i], static_cast<A>(from[offset + c + i])));
        for (std::int64_t i = 0; i < m; ++i) to[c + i] = static_cast<T>(total[i]);
      }
    }
  });
}

/// Calls f(number of the result, offset of the chosen element or -1) for all windows, those of one lead in order.
template <class Select, class T, class F>
void select_windows(const window_plan& p, const T* x, bool in_order, const F& f) {
  const auto one = [&](std::int64_t lead, std::int64_t q, const std::vector<std::int64_t>& offsets) {
    const std::int64_t start = lead * p.in_middle * p.inner, to = (lead * p.windows + q) * p.inner;
    for (std::int64_t i = 0; i < p.inner; ++i) {
      if (offsets.empty()) {
        f(to + i, std::int64_t{-1});
        continue;
      }
      std::int64_t best = start + offsets[0] + i;
      T value = x[best];
      for (std::size_t k = 1; k < offsets.size(); ++k) {
        const std::int64_t at = start + offsets[k] + i;
        if (!Select::keep(value, x[at])) best = at, value = x[at];
      }
      f(to + i, best);
    }
  };
  if (in_order) {
    parallel_for(p.lead, p.grain() / p.windows + 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<std::int64_t> offsets;
      for (std::int64_t lead = begin; lead < end; ++lead)
        for (std::int64_t q = 0; q < p.windows; ++q) p.list(q, offsets), one(lead, q, offsets);
    });
  } else {
    parallel_for(p.lead * p.windows, p.grain(), [&](std::int64_t begin, std::int64_t end) {
      std::vector<std::int64_t> offsets;
      for (std::int64_t q = begin; q < end; ++q) p.list(q % p.windows, offsets), one(q / p.windows, q % p.windows, offsets);
    });
  }
}

}  // namespace rill::kernel

namespace rill::ops {

template <class Reducer>
template <class>
void reduce_window_op<Reducer>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::window_plan p(window_geometry::unpack(at, in[0].shape), out.shape);
  if (out.size() == 0) return;
  kernel::detail::with_wide(in, 1, out, [&]<class T>(std::type_identity<T>, const operand_memory* x, const result_memory& y) {
    if constexpr (std::is_integral_v<T> && (std::is_same_v<Reducer, sum> || std::is_same_v<Reducer, prod>)) {  // they wrap
      kernel::reduce_windows<T, std::uint64_t>(p, x[0].as<T>(), y.template as<T>(), Reducer::template identity<std::uint64_t>(),
                                               [](std::uint64_t a, std::uint64_t b) { return Reducer::combine(a, b); });
    } else {
      kernel::reduce_windows<T, T>(p, x[0].as<T>(), y.template as<T>(), kernel::detail::identity_of<Reducer, T>(out.type), [](T a, T b) { return Reducer::combine(a, b); });
    }
  });
}
template <class F>
template <class>
void reduce_window_with_op<F>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::window_plan p(window_geometry::unpack(at, in[0].shape), out.shape);
  if (out.size() == 0) return;
  kernel::detail::with_wide(in, 2, out, [&]<class T>(std::type_identity<T>, const operand_memory* x, const result_memory& y) {
    kernel::reduce_windows<T, T>(p, x[0].as<T>(), y.template as<T>(), *x[1].as<T>(), [](T a, T b) { return static_cast<T>(F{}(a, b)); });
  });
}
template <class Select>
template <class>
void window_scatter_op<Select>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::window_plan p(window_geometry::unpack(at, in[0].shape), in[1].shape);
  kernel::detail::with_wide(in, 2, out, [&]<class T>(std::type_identity<T>, const operand_memory* x, const result_memory& y) {
    T* const to = y.template as<T>();
    const T* const source = x[1].as<T>();
    std::fill_n(to, y.size(), T(0));
    if (x[1].size() == 0) return;
    kernel::select_windows<Select>(p, x[0].as<T>(), true, [&](std::int64_t q, std::int64_t chosen) {
      using W = std::conditional_t<std::is_integral_v<T>, std::uint64_t, T>;
      if (chosen >= 0) to[chosen] = static_cast<T>(static_cast<W>(to[chosen]) + static_cast<W>(source[q]));
    });
  });
}
template <class Select>
template <class>
void window_gather_op<Select>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::window_plan p(window_geometry::unpack(at, in[0].shape), out.shape);
  if (out.size() == 0) return;
  kernel::detail::with_wide(in, 2, out, [&]<class T>(std::type_identity<T>, const operand_memory* x, const result_memory& y) {
    T* const to = y.template as<T>();
    const T* const values = x[1].as<T>();
    kernel::select_windows<Select>(p, x[0].as<T>(), false, [&](std::int64_t q, std::int64_t chosen) { to[q] = chosen >= 0 ? values[chosen] : T(0); });
  });
}
template <class Select>
template <class>
void window_argument_op<Select>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::window_plan p(window_geometry::unpack(at, in[0].shape), out.shape);
  if (out.size() == 0) return;
  const std::int64_t entry = at.f[0] != 0 ? std::max<std::int64_t>(1, in[0].size() / std::max<std::int64_t>(1, in[0].shape[0])) : INT64_MAX;
  auto* const to = out.as<std::int64_t>();
  kernel::detail::with_wide(in, 1, {dtype::invalid, out.shape, nullptr}, [&]<class T>(std::type_identity<T>, const operand_memory* wide, const result_memory&) {
    kernel::select_windows<Select>(p, wide[0].as<T>(), false, [&](std::int64_t q, std::int64_t chosen) { to[q] = chosen < 0 ? -1 : chosen % entry; });
  });
}
template <class S, class C>
template <class>
void select_and_scatter_op<S, C>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::window_plan p(window_geometry::unpack(at, in[0].shape), in[1].shape);
  kernel::detail::with_wide(in, 3, out, [&]<class T>(std::type_identity<T>, const operand_memory* x, const result_memory& y) {
    T* const to = y.template as<T>();
    const T* const source = x[1].as<T>();
    std::fill_n(to, y.size(), *x[2].as<T>());
    if (x[1].size() == 0) return;
    kernel::select_windows<S>(p, x[0].as<T>(), true, [&](std::int64_t q, std::int64_t chosen) {
      if (chosen < 0) return;
      to[chosen] = kernel::detail::scattered<C>(to[chosen], source[q]);
    });
  });
}

}  // namespace rill::ops

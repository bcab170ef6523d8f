// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Kernels of window ops. The axes before the first and after the last that windows move over are folded: `lead` times a
/// middle of windows times `inner` neighbours, which are worked on side by side. For each window the offsets of its
/// elements that lie inside are listed once; the kernels loop over that list.

#include <cmath>
#include <vector>

#include "../ops/reduce_window.hpp"
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
}

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
  visit_real(out.type, [&]<class T>(std::type_identity<T>) {
    using A = std::conditional_t<is_narrow_v<T>, float, std::conditional_t<std::is_integral_v<T>, std::make_unsigned_t<std::conditional_t<std::is_integral_v<T>, T, int>>, T>>;
    if constexpr (std::is_integral_v<T> && (std::is_same_v<Reducer, sum> || std::is_same_v<Reducer, prod>))  // they wrap
      kernel::reduce_windows<T, A>(p, in[0].as<T>(), out.template as<T>(), Reducer::template identity<A>(), [](A a, A b) {
        using W = std::uint64_t;
        return std::is_same_v<Reducer, sum> ? static_cast<W>(a) + static_cast<W>(b) : static_cast<W>(a) * static_cast<W>(b);
      });
    else {
      using C = std::conditional_t<std::is_integral_v<T>, T, A>;
      kernel::reduce_windows<T, C>(p, in[0].as<T>(), out.template as<T>(), Reducer::template identity<C>(),
                                   [](C a, C b) { return Reducer::combine(a, b); });
    }
  }, name);
}
template <class F>
template <class>
void reduce_window_with_op<F>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::window_plan p(window_geometry::unpack(at, in[0].shape), out.shape);
  if (out.size() == 0) return;
  visit_real(out.type, [&]<class T>(std::type_identity<T>) {
    using A = compute_t<T>;
    kernel::reduce_windows<T, A>(p, in[0].as<T>(), out.template as<T>(), static_cast<A>(*in[1].as<T>()), [](A a, A b) { return F{}(a, b); });
  }, name);
}
template <class Select>
template <class>
void window_scatter_op<Select>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::window_plan p(window_geometry::unpack(at, in[0].shape), in[1].shape);
  visit_real(out.type, [&]<class T>(std::type_identity<T>) {
    using A = std::conditional_t<is_narrow_v<T>, float, T>;
    const std::int64_t n = out.size();
    std::vector<A> wide(is_narrow_v<T> ? static_cast<std::size_t>(n) : 0);
    A* to = nullptr;
    if constexpr (is_narrow_v<T>) to = wide.data();
    else to = out.template as<T>();
    std::fill_n(to, n, A(0));
    if (in[1].size() > 0)
      kernel::select_windows<Select>(p, in[0].as<T>(), true, [&](std::int64_t q, std::int64_t chosen) {
        if (chosen >= 0) to[chosen] = static_cast<A>(to[chosen] + static_cast<A>(in[1].as<T>()[q]));
      });
    if constexpr (is_narrow_v<T>)
      for (std::int64_t k = 0; k < n; ++k) out.template as<T>()[k] = static_cast<T>(wide[static_cast<std::size_t>(k)]);
  }, name);
}
template <class Select>
template <class>
void window_gather_op<Select>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::window_plan p(window_geometry::unpack(at, in[0].shape), out.shape);
  if (out.size() == 0) return;
  visit_real(out.type, [&]<class T>(std::type_identity<T>) {
    kernel::select_windows<Select>(p, in[0].as<T>(), false, [&](std::int64_t q, std::int64_t chosen) {
      out.template as<T>()[q] = chosen >= 0 ? in[1].as<T>()[chosen] : T(0);
    });
  }, name);
}
template <class Select>
template <class>
void window_argument_op<Select>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::window_plan p(window_geometry::unpack(at, in[0].shape), out.shape);
  if (out.size() == 0) return;
  const std::int64_t entry = at.f[0] != 0 ? in[0].size() / in[0].shape[0] : INT64_MAX;
  visit_real(in[0].type, [&]<class T>(std::type_identity<T>) {
    kernel::select_windows<Select>(p, in[0].as<T>(), false,
                                   [&](std::int64_t q, std::int64_t chosen) { out.template as<std::int64_t>()[q] = chosen < 0 ? -1 : chosen % entry; });
  }, name);
}
template <class S, class C>
template <class>
void select_and_scatter_op<S, C>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::window_plan p(window_geometry::unpack(at, in[0].shape), in[1].shape);
  visit_real(out.type, [&]<class T>(std::type_identity<T>) {
    using A = compute_t<T>;
    T* const to = out.template as<T>();
    std::fill_n(to, out.size(), *in[2].as<T>());
    if (in[1].size() == 0) return;
    kernel::select_windows<S>(p, in[0].as<T>(), true, [&](std::int64_t q, std::int64_t chosen) {
      if (chosen < 0) return;
      const A a = static_cast<A>(to[chosen]), b = static_cast<A>(in[1].as<T>()[q]);
      if constexpr (requires { C::combine(a, b); }) to[chosen] = static_cast<T>(C::combine(a, b));
      else to[chosen] = static_cast<T>(C{}(a, b));
    });
  }, name);
}

}  // namespace rill::ops

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Element-wise ops on tensors whose dtype is known at run time: one function per op and dtype over contiguous chunks, and
/// one driver, the same for all of them, that broadcasts operands chunk by chunk in first-level cache and runs in parallel.

#include <algorithm>
#include <cstring>

#include "../core/dynamic_tensor.hpp"
#include "../expr/broadcast.hpp"
#include "../kernel/map.hpp"
#include "../ops/cast.hpp"
#include "../ops/op.hpp"
#include "../ops/select.hpp"
#include "../ops/signature.hpp"

namespace rill::eager::detail {

inline constexpr int max_elementwise_operands = 4;
inline constexpr std::int64_t chunk_elements = 1024;

/// Evaluates n elements of contiguous operands.
using chunk_function = void (*)(const void* const* in, void* out, std::int64_t n);

template <class T>
inline constexpr bool on_packs = std::is_same_v<T, float> || std::is_same_v<T, double>;

template <class Op>
inline constexpr bool is_cast = false;
template <class To>
inline constexpr bool is_cast<ops::cast<To>> = true;  // kernel/cast.hpp

template <class Op, class R, class... T, std::size_t... I>
void loop(const void* const* in, void* out, std::int64_t n, std::index_sequence<I...>) {
  auto* const to = static_cast<R*>(out);
  for (std::int64_t k = 0; k < n; ++k) to[k] = static_cast<R>(Op::eval(static_cast<const T*>(in[I])[k]...));
}
/// Ops that look at the bits of an integer, whose width counts.
template <class Op>
inline constexpr bool counts_bits = false;
template <class Op>
  requires requires { Op::counts_bits; }
inline constexpr bool counts_bits<Op> = Op::counts_bits;

/// What T is computed as. Two-byte floats go through float; narrow integers through wider ones, whose results agree after
/// cutting. That leaves few functions to compile per op.
template <class Op, class T>
struct wide {
  using type = T;
};
template <class Op, class T>
  requires(std::is_same_v<T, half> || std::is_same_v<T, bfloat16>)
struct wide<Op, T> {
  using type = float;
};
template <class Op, class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool> && sizeof(T) < 4 && !counts_bits<Op>)
struct wide<Op, T> {
  using type = std::int32_t;
};
template <class Op>
  requires(!counts_bits<Op>)
struct wide<Op, std::uint32_t> {
  using type = std::int64_t;
};
template <class Op, class T>
using wide_type = typename wide<Op, T>::type;
template <class Op, class T>
inline constexpr bool is_widened = !std::is_same_v<T, wide_type<Op, T>>;

inline constexpr std::int64_t widened_elements = 256;

/// Runs f on widened copies of the operands, some elements at a time; the same code for every op.
template <class T, class W>
void widen(const void* from, std::int64_t n, void* to) {
  for (std::int64_t i = 0; i < n; ++i) static_cast<W*>(to)[i] = static_cast<W>(static_cast<const T*>(from)[i]);
}
struct widening {
  chunk_function f;
  int arity;
  std::size_t width[3], result_width;  // bytes of an element as given
  void (*up[3])(const void*, std::int64_t, void*);  // null: the operand as it is
  void (*down)(const void*, std::int64_t, void*);
};
inline void run_widened(const widening& w, const void* const* in, void* out, std::int64_t n) {
  alignas(64) unsigned char x[3][widened_elements * 8], y[widened_elements * 8];
  for (std::int64_t b = 0; b < n; b += widened_elements) {
    const std::int64_t m = std::min(widened_elements, n - b);
    const void* at[3] = {};
    for (int k = 0; k < w.arity; ++k) {
      at[k] = static_cast<const unsigned char*>(in[k]) + static_cast<std::size_t>(b) * w.width[k];
      if (!w.up[k]) continue;
      w.up[k](at[k], m, x[k]);
      at[k] = x[k];
    }
    void* const to = static_cast<unsigned char*>(out) + static_cast<std::size_t>(b) * w.result_width;
    w.f(at, w.down ? y : to, m);
    if (w.down) w.down(y, m, to);
  }
}

template <class Op, class... T>
void chunk(const void* const* in, void* out, std::int64_t n) {
  using R = typename Op::template result<T...>;
  if constexpr ((is_widened<Op, T> || ...)) {
    using W = typename Op::template result<wide_type<Op, T>...>;
    static constexpr auto up = []<class U>(std::type_identity<U>) -> void (*)(const void*, std::int64_t, void*) {
      if constexpr (is_widened<Op, U>) return &widen<U, wide_type<Op, U>>;
      else return nullptr;
    };
    widening w{&chunk<Op, wide_type<Op, T>...>, sizeof...(T), {sizeof(T)...}, sizeof(R), {up(std::type_identity<T>{})...}, nullptr};
    if constexpr (!std::is_same_v<R, W>) w.down = &widen<W, R>;
    run_widened(w, in, out, n);
  } else if constexpr ((on_packs<T> || ...)) {
    using lets = std::conditional_t<
        sizeof...(T) == 1, expr::list<expr::let<Op, ~0>>,
        std::conditional_t<sizeof...(T) == 2, expr::list<expr::let<Op, ~0, ~1>>, expr::list<expr::let<Op, ~0, ~1, ~2>>>>;
    using P = expr::program<expr::list<expr::in<T, expr::walk::contiguous>...>, lets, expr::list<expr::out<R, 0>>>;
    void* outs[] = {out};
    kernel::detail::map_row<P, false>(in, kernel::detail::unit_strides, outs, kernel::detail::unit_strides, true, n, 0);
  } else {
    loop<Op, R, T...>(in, out, n, std::index_sequence_for<T...>{});
  }
}

/// The function of Op for operands of dtype `d` (of a select: of its values); null when the op does not take it.
template <class Op>
chunk_function chunk_of(dtype d) {
  if ((class_of(d) & Op::accepts) == 0) return nullptr;
  return visit_dtype(d, []<class T>(std::type_identity<T>) -> chunk_function {
    if constexpr ((class_of(dtype_v<T>) & Op::accepts) == 0) return nullptr;
    else if constexpr (std::is_same_v<Op, ops::select>) return &chunk<Op, bool, T, T>;
    else if constexpr (Op::arity == 1) return &chunk<Op, T>;
    else if constexpr (Op::arity == 2 && !requires { typename Op::template result<T, T>; }) return nullptr;  // complex(half, half)
    else if constexpr (Op::arity == 2) return &chunk<Op, T, T>;
    else return &chunk<Op, T, T, T>;
  });
}

/// Writes elements begin .. begin+n-1 of x broadcast to `shape`; strides are x's, in elements, 0 where it repeats.
template <class Word>
void spread(const Word* x, const tensor_shape& shape, const std::int64_t* strides, std::int64_t begin, std::int64_t n, Word* to) {
  const int last = shape.rank() - 1;
  std::int64_t index[max_rank] = {}, at = 0;
  for (std::int64_t rest = begin, d = last; d >= 0; --d) {
    index[d] = rest % shape[static_cast<int>(d)];
    rest /= shape[static_cast<int>(d)];
    at += index[d] * strides[d];
  }
  if (last < 0) {
    std::fill_n(to, n, *x);
    return;
  }
  while (n > 0) {
    const std::int64_t run = std::min(n, shape[last] - index[last]);
    if (strides[last] == 0) std::fill_n(to, run, x[at]);
    else std::memcpy(to, x + at, static_cast<std::size_t>(run) * sizeof(Word));
    to += run, n -= run;
    at -= index[last] * strides[last];
    index[last] = 0;
    for (int d = last - 1; d >= 0; --d) {
      at += strides[d];
      if (++index[d] < shape[d]) break;
      at -= index[d] * strides[d];
      index[d] = 0;
    }
  }
}
inline void spread(std::size_t width, const void* x, const tensor_shape& shape, const std::int64_t* strides,
                   std::int64_t begin, std::int64_t n, void* to) {
  struct wide {
    std::uint64_t half[2];
  };
  const auto as = [&]<class Word>(Word) { spread(static_cast<const Word*>(x), shape, strides, begin, n, static_cast<Word*>(to)); };
  switch (width) {
    case 1: return as(std::uint8_t{});
    case 2: return as(std::uint16_t{});
    case 4: return as(std::uint32_t{});
    case 8: return as(std::uint64_t{});
    default: return as(wide{});
  }
}

/// Runs `f` over operands that broadcast to the shape of `out`; `cost` is the op's, per element.
inline void run_chunks(chunk_function f, const dynamic_tensor* in, int arity, dynamic_tensor& out, int cost) {
  const std::int64_t n = out.size();
  if (n == 0) return;
  struct operand {
    const unsigned char* data;
    std::size_t width;
    bool linear;
    std::int64_t strides[max_rank];
  } x[max_elementwise_operands] = {};
  const tensor_shape& shape = out.shape();
  bool linear = true;
  for (int k = 0; k < arity; ++k) {
    x[k].data = static_cast<const unsigned char*>(in[k].data());
    x[k].width = size_of(in[k].type());
    x[k].linear = in[k].size() == n;
    linear = linear && x[k].linear;
    std::int64_t stride = 1;
    for (int d = shape.rank() - 1, s = in[k].rank() - 1; s >= 0; --d, --s) {
      x[k].strides[d] = in[k].shape()[s] == 1 ? 0 : stride;
      stride *= in[k].shape()[s];
    }
  }
  auto* const to = static_cast<unsigned char*>(out.mutable_data());
  const std::size_t width = size_of(out.type());
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    const void* at[max_elementwise_operands] = {};
    alignas(64) unsigned char scratch[max_elementwise_operands][chunk_elements * 16];
    const std::int64_t step = linear ? end - begin : chunk_elements;
    for (std::int64_t b = begin; b < end; b += step) {
      const std::int64_t m = std::min(step, end - b);
      for (int k = 0; k < arity; ++k) {
        if (x[k].linear) {
          at[k] = x[k].data + static_cast<std::size_t>(b) * x[k].width;
        } else {
          spread(x[k].width, x[k].data, shape, x[k].strides, b, m, scratch[k]);
          at[k] = scratch[k];
        }
      }
      f(at, to + static_cast<std::size_t>(b) * width, m);
    }
  };
  const std::int64_t serial = 1 << 18, work = n * (cost + arity);
  if (work <= serial) return part(0, n);
  const std::int64_t pieces = work / (serial / 4) + 1;
  const std::int64_t grain = (n / pieces / chunk_elements + 1) * chunk_elements;
  parallel_for(n, grain, part);
}

}  // namespace rill::eager::detail

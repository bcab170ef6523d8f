// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How contraction kernels read and write expressions. `tile_epilogue<P, T>` runs a program on registers of a result tile
/// and stores its outputs (bias, activation, mask, update); `operand_reader<P, T>` computes stretches of an operand's row
/// while the kernel packs it. Both are small values of pointers and strides: copy them into the kernel, so that the
/// compiler keeps their fields in registers. A program that only passes its input on costs a plain store, or nothing.
///
///   tile_epilogue<P, float> e;  e.input(1, bias, 0);  e.output(0, c, ldc);  e.columns = n;
///   e(i, j, acc);               // acc: xsimd::batch<float> at row i, columns j ...
///   e.tail(i, j, acc, n);       // only the first n lanes

#include <cstdint>

#include "row.hpp"

namespace rill::kernel {

namespace detail {

template <class P>
inline constexpr bool passes_on = false;
template <class T, expr::walk W>
inline constexpr bool
    passes_on<expr::program<expr::list<expr::in<T, W>>, expr::list<>, expr::list<expr::out<T, ~0>>>> =
        W == expr::walk::contiguous;

}  // namespace detail

/// Program P applied to a tile of accumulators: input 0 is the accumulator, input k >= 1 is read and output k is written
/// at (row, column). Indexed ops see row * columns + column.
template <class P, class T>
struct tile_epilogue {
  static constexpr int inputs = P::inputs::size;
  static constexpr int outputs = P::outputs::size;
  static constexpr int lanes = rill::detail::native_lanes<T>;
  static_assert(inputs >= 1 && std::is_same_v<expr::value_type_t<P, ~0>, T>,
                "input 0 of an epilogue is the accumulator");
  /// Whether the program is nothing but the store of the accumulator into one matrix (`memory()`, `row_step()`).
  static constexpr bool plain_store = detail::passes_on<P>;

  const void* in[static_cast<std::size_t>(inputs)] = {};
  std::int64_t in_row[static_cast<std::size_t>(inputs)] = {};     ///< elements from row to row
  std::int64_t in_column[static_cast<std::size_t>(inputs)] = {};  ///< elements from column to column, for strided inputs
  void* out[static_cast<std::size_t>(outputs)] = {};
  std::int64_t out_row[static_cast<std::size_t>(outputs)] = {};
  std::int64_t columns = 0;  ///< of the result, for indexed ops

  void input(int k, const void* p, std::int64_t row_stride, std::int64_t column_stride = 1) {
    in[k] = p, in_row[k] = row_stride, in_column[k] = column_stride;
  }
  void output(int k, void* p, std::int64_t row_stride) { out[k] = p, out_row[k] = row_stride; }
  [[nodiscard]] T* memory() const { return static_cast<T*>(out[0]); }
  [[nodiscard]] std::int64_t row_step() const { return out_row[0]; }

  [[gnu::always_inline]] void operator()(std::int64_t i, std::int64_t j, const xsimd::batch<T>& acc) const {
    run<false>(i, j, acc, lanes);
  }
  [[gnu::always_inline]] void tail(std::int64_t i, std::int64_t j, const xsimd::batch<T>& acc, std::int64_t n) const {
    run<true>(i, j, acc, n);
  }

 private:
  using values = expr::registers<P, pack_lane<lanes>>;

  template <bool Partial>
  [[gnu::always_inline]] void run(std::int64_t i, std::int64_t j, const xsimd::batch<T>& acc, std::int64_t n) const {
    values v;
    v.template get<~0>() = pack<T, lanes>(acc);
    load<Partial>(v, i, j, n, std::make_integer_sequence<int, inputs - 1>{});
    v.run(i * columns + j);
    store<Partial>(v, i, j, n, std::make_integer_sequence<int, outputs>{});
  }
  template <bool Partial, int... K>
  [[gnu::always_inline]] void load([[maybe_unused]] values& v, [[maybe_unused]] std::int64_t i,
                                   [[maybe_unused]] std::int64_t j, [[maybe_unused]] std::int64_t n,
                                   std::integer_sequence<int, K...>) const {
    (load_one<Partial, K + 1>(v, i, j, n), ...);
  }
  template <bool Partial, int K>
  [[gnu::always_inline]] void load_one(values& v, std::int64_t i, std::int64_t j, [[maybe_unused]] std::int64_t n) const {
    using I = expr::detail::at<typename P::inputs, K>;
    using V = pack<typename I::type, lanes>;
    const auto* p = static_cast<const typename I::type*>(in[K]) + i * in_row[K];
    V& r = v.template get<~K>();
    if constexpr (I::inner == expr::walk::constant) r = V(*p);
    else if constexpr (I::inner == expr::walk::strided) {
      const std::int64_t s = in_column[K];
      if (s == 1) r = Partial ? V::load(p + j, n) : V::load(p + j);
      else if (s == 0) r = V(*p);
      else r = V::gather(p + j * s, s, n);
    } else if constexpr (Partial) r = V::load(p + j, n);
    else r = V::load(p + j);
  }
  template <bool Partial, int... O>
  [[gnu::always_inline]] void store(const values& v, std::int64_t i, std::int64_t j, [[maybe_unused]] std::int64_t n,
                                    std::integer_sequence<int, O...>) const {
    (store_one<Partial, O>(v, i, j, n), ...);
  }
  template <bool Partial, int O>
  [[gnu::always_inline]] void store_one(const values& v, std::int64_t i, std::int64_t j,
                                        [[maybe_unused]] std::int64_t n) const {
    using o = expr::detail::at<typename P::outputs, O>;
    auto* p = static_cast<typename o::type*>(out[O]) + i * out_row[O] + j;
    if constexpr (Partial) v.template get<o::value>().store(p, n);
    else v.template get<o::value>().store(p);
  }
};

/// Program P evaluated along rows of an operand: input k lies at in[k] + outer * in_outer[k] + inner * (its walk).
template <class P, class T>
struct operand_reader {
  static constexpr int inputs = P::inputs::size;
  static_assert(P::outputs::size == 1 && std::is_same_v<typename expr::detail::at<typename P::outputs, 0>::type, T>,
                "an operand's program has one output of the operand's type");
  /// Whether a segment is the memory of input 0 itself (`data()`, `ld()`): nothing is computed or copied.
  static constexpr bool plain_load = detail::passes_on<P>;

  const void* in[inputs > 0 ? static_cast<std::size_t>(inputs) : 1] = {};
  std::int64_t in_outer[inputs > 0 ? static_cast<std::size_t>(inputs) : 1] = {};
  std::int64_t in_inner[inputs > 0 ? static_cast<std::size_t>(inputs) : 1] = {};  ///< for strided inputs
  std::int64_t columns = 0;  ///< extent of the inner dimension, for indexed ops

  void input(int k, const void* p, std::int64_t outer_stride, std::int64_t inner_stride = 1) {
    in[k] = p, in_outer[k] = outer_stride, in_inner[k] = inner_stride;
  }
  [[nodiscard]] const T* data() const { return static_cast<const T*>(in[0]); }
  [[nodiscard]] std::int64_t ld() const { return in_outer[0]; }

  /// Elements [inner, inner + n) of row `outer`: written to `scratch` (n elements), or in place when `plain_load`.
  [[gnu::always_inline]] const T* segment(std::int64_t outer, std::int64_t inner, std::int64_t n,
                                          [[maybe_unused]] T* scratch) const {
    if constexpr (plain_load) {
      static_cast<void>(n);
      return data() + outer * ld() + inner;
    } else {
      constexpr int W = lanes_v<P>;
      const void* place[inputs > 0 ? static_cast<std::size_t>(inputs) : 1];
      offsets(place, outer, inner, std::make_integer_sequence<int, inputs>{});
      row<P> r;
      r.bind(place, in_inner);
      const std::int64_t index = outer * columns + inner;
      constexpr int result = expr::detail::at<typename P::outputs, 0>::value;
      std::int64_t i = 0;
      for (; i + W <= n; i += W) {
        typename row<P>::values v;
        r.load_and_run(v, i, index + i);
        v.template get<result>().store(scratch + i);
      }
      if (i < n) {
        typename row<P>::values v;
        r.load_and_run(v, i, n - i, index + i);
        v.template get<result>().store(scratch + i, n - i);
      }
      return scratch;
    }
  }

 private:
  template <int... K>
  [[gnu::always_inline]] void offsets([[maybe_unused]] const void** place, [[maybe_unused]] std::int64_t outer,
                                      [[maybe_unused]] std::int64_t inner, std::integer_sequence<int, K...>) const {
    (..., [&] {
      using I = expr::detail::at<typename P::inputs, K>;
      const std::int64_t step = I::inner == expr::walk::contiguous ? 1 : I::inner == expr::walk::constant ? 0 : in_inner[K];
      place[K] = static_cast<const typename I::type*>(in[K]) + outer * in_outer[K] + inner * step;
    }());
  }
};

}  // namespace rill::kernel

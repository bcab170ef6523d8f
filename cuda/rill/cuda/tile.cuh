// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How contraction kernels of a device read and write expressions: kernel/tile.hpp for device threads, with the same fields,
/// so that the same code binds them. `tile_epilogue<P, T>` runs a program on a result element and stores its outputs,
/// `operand_reader<P, T>` computes elements of an operand where they are read, `plain_operand<T>` is a matrix in memory. All
/// pointers are the device's, those of constants too.
///
///   tile_epilogue<P, float> e;  e.input(1, bias, 0);  e.output(0, c, ldc);  e.columns = n;
///   e(i, j, acc);                                  // the element at row i, column j
///   if (wide) e.template several<4>(i, j, acc);    // its neighbours too: 16 bytes at a time
///
/// `wide` is what the host found out: that pointers and row lengths let groups of neighbours be accessed at once.

#include <rill/kernel/tile.hpp>

#include "map.cuh"

// Loops over arrays that are registers.
#ifdef __CUDA_ARCH__
#define RILL_GPU_UNROLL _Pragma("unroll")
#define RILL_GPU_UNROLL_4 _Pragma("unroll 4")
#define RILL_GPU_ROLLED _Pragma("unroll 1")
#else
#define RILL_GPU_UNROLL
#define RILL_GPU_UNROLL_4
#define RILL_GPU_ROLLED
#endif

namespace rill::cuda {

namespace detail {

/// Reads or writes V neighbours: at once where they are `wide`; else those from `count` on are the first again.
template <int V, class T>
RILL_GPU void get(const T* p, std::uint32_t count, bool wide, T* v) {
  if (wide) {
    const auto a = *reinterpret_cast<const access<T, V>*>(p);
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) v[e] = a.v[e];
  } else {
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) v[e] = p[static_cast<std::uint32_t>(e) < count ? e : 0];
  }
}
template <int V, class T>
RILL_GPU void put(T* p, const T* v) {
  access<T, V> a;
  RILL_GPU_UNROLL
  for (int e = 0; e < V; ++e) a.v[e] = v[e];
  *reinterpret_cast<access<T, V>*>(p) = a;
}
/// Whether groups of `v` elements of `width` bytes from p on, in rows `row` elements apart, lie where one access takes them.
inline bool grouped(const void* p, std::int64_t row, std::size_t width, int v) {
  return reinterpret_cast<std::uintptr_t>(p) % (width * static_cast<std::size_t>(v)) == 0 && row % v == 0;
}

}  // namespace detail

/// Neighbours that fill 16 bytes, but no more than four.
template <class T>
inline constexpr int group_size = sizeof(T) >= 8 ? static_cast<int>(16 / sizeof(T)) : 4;

/// A matrix in memory: row `outer` starts at `data + outer * ld`.
template <class T>
struct plain_operand {
  using type = T;
  const T* data = nullptr;
  std::int64_t ld = 0;

  [[nodiscard]] RILL_GPU T value(std::int64_t outer, std::int64_t inner) const { return data[outer * ld + inner]; }
  /// `count` <= V neighbours from `inner` on, and no matter what else; all of them where they are `wide`.
  template <int V>
  RILL_GPU void several(std::int64_t outer, std::int64_t inner, std::uint32_t count, bool wide, T* v) const {
    detail::get<V>(data + outer * ld + inner, count, wide, v);
  }
  /// Whether they can be read at once where `inner` is a multiple of V.
  template <int V>
  [[nodiscard]] bool is_wide() const {
    return detail::grouped(data, ld, sizeof(T), V);
  }
};

/// Program P evaluated along rows of an operand: input k lies at in[k] + outer * in_outer[k] + inner * (its walk). Indexed
/// ops see outer * columns + inner.
template <class P, class T>
struct operand_reader {
  using type = T;
  static constexpr int inputs = P::inputs::size;
  static_assert(P::outputs::size == 1 && std::is_same_v<typename expr::detail::at<typename P::outputs, 0>::type, T>,
                "an operand's program has one output of the operand's type");

  const void* in[room<inputs>] = {};
  std::int64_t in_outer[room<inputs>] = {};
  std::int64_t in_inner[room<inputs>] = {};  ///< for strided inputs
  std::int64_t columns = 0;                  ///< extent of the inner dimension, for indexed ops

  void input(int k, const void* p, std::int64_t outer_stride, std::int64_t inner_stride = 1) {
    in[k] = p, in_outer[k] = outer_stride, in_inner[k] = inner_stride;
  }
  [[nodiscard]] RILL_GPU T value(std::int64_t outer, std::int64_t inner) const {
    T v[1];
    several<1>(outer, inner, 1, false, v);
    return v[0];
  }
  template <int V>
  RILL_GPU void several(std::int64_t outer, std::int64_t inner, std::uint32_t count, bool wide, T* v) const {
    run<V>(outer, inner, count, wide, v, std::make_integer_sequence<int, inputs>{});
  }
  template <int V>
  [[nodiscard]] bool is_wide() const {
    return all_wide<V>(std::make_integer_sequence<int, inputs>{});
  }

 private:
  template <int K>
  using input_at = expr::detail::at<typename P::inputs, K>;

  template <int V, int... K>
  RILL_GPU void run(std::int64_t outer, std::int64_t inner, [[maybe_unused]] std::uint32_t count, [[maybe_unused]] bool wide, T* v, std::integer_sequence<int, K...>) const {
    detail::scalar_registers<P> r[room<V>];
    (load<V, K>(r, outer, inner, count, wide), ...);
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) {
      r[e].run(outer * columns + inner + e);
      v[e] = r[e].template get<expr::detail::at<typename P::outputs, 0>::value>();
    }
  }
  template <int V, int K>
  RILL_GPU void load(detail::scalar_registers<P>* r, std::int64_t outer, std::int64_t inner, std::uint32_t count, bool wide) const {
    using I = typename input_at<K>::type;
    constexpr expr::walk walk = input_at<K>::inner;
    const I* p = static_cast<const I*>(in[K]) + outer * in_outer[K];
    I x[room<V>];
    if constexpr (walk == expr::walk::contiguous) detail::get<V>(p + inner, count, wide, x);
    else {
      const std::int64_t step = walk == expr::walk::constant ? 0 : in_inner[K];
      RILL_GPU_UNROLL
      for (int e = 0; e < V; ++e) x[e] = p[(static_cast<std::uint32_t>(e) < count ? inner + e : inner) * step];
    }
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) r[e].template get<~K>() = x[e];
  }
  template <int V, int... K>
  [[nodiscard]] bool all_wide(std::integer_sequence<int, K...>) const {
    return ((input_at<K>::inner != expr::walk::contiguous || detail::grouped(in[K], in_outer[K], sizeof(typename input_at<K>::type), V)) && ... && true);
  }
};

/// Program P applied to result elements: input 0 is the element, input k >= 1 is read and output k is written at (row,
/// column). Indexed ops see row * columns + column.
template <class P, class T>
struct tile_epilogue {
  using type = T;
  static constexpr int inputs = P::inputs::size;
  static constexpr int outputs = P::outputs::size;
  static_assert(inputs >= 1 && std::is_same_v<expr::value_type_t<P, ~0>, T>, "input 0 of an epilogue is the accumulator");
  /// Whether the program is nothing but the store of the element.
  static constexpr bool plain_store = kernel::detail::passes_on<P>;

  const void* in[room<inputs>] = {};
  std::int64_t in_row[room<inputs>] = {};     ///< elements from row to row
  std::int64_t in_column[room<inputs>] = {};  ///< elements from column to column, for strided inputs
  void* out[room<outputs>] = {};
  std::int64_t out_row[room<outputs>] = {};
  std::int64_t columns = 0;  ///< of the result, for indexed ops

  void input(int k, const void* p, std::int64_t row_stride, std::int64_t column_stride = 1) {
    in[k] = p, in_row[k] = row_stride, in_column[k] = column_stride;
  }
  void output(int k, void* p, std::int64_t row_stride) { out[k] = p, out_row[k] = row_stride; }

  RILL_GPU void operator()(std::int64_t i, std::int64_t j, T acc) const { run<1>(i, j, &acc); }
  /// The V elements from column j on, at once: only where is_wide<V>() and j is a multiple of V.
  template <int V>
  RILL_GPU void several(std::int64_t i, std::int64_t j, const T* acc) const {
    run<V>(i, j, acc);
  }
  template <int V>
  [[nodiscard]] bool is_wide() const {
    return inputs_wide<V>(std::make_integer_sequence<int, inputs - 1>{}) && outputs_wide<V>(std::make_integer_sequence<int, outputs>{});
  }

 private:
  template <int K>
  using input_at = expr::detail::at<typename P::inputs, K>;
  template <int K>
  using output_at = expr::detail::at<typename P::outputs, K>;

  template <int V>
  RILL_GPU void run(std::int64_t i, std::int64_t j, const T* acc) const {
    detail::scalar_registers<P> r[room<V>];
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) r[e].template get<~0>() = acc[e];
    load_all<V>(r, i, j, std::make_integer_sequence<int, inputs - 1>{});
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) r[e].run(i * columns + j + e);
    store_all<V>(r, i, j, std::make_integer_sequence<int, outputs>{});
  }
  template <int V, int... K>
  RILL_GPU void load_all([[maybe_unused]] detail::scalar_registers<P>* r, [[maybe_unused]] std::int64_t i, [[maybe_unused]] std::int64_t j, std::integer_sequence<int, K...>) const {
    (load<V, K + 1>(r, i, j), ...);
  }
  template <int V, int K>
  RILL_GPU void load(detail::scalar_registers<P>* r, std::int64_t i, std::int64_t j) const {
    using I = typename input_at<K>::type;
    constexpr expr::walk walk = input_at<K>::inner;
    const I* p = static_cast<const I*>(in[K]) + i * in_row[K];
    I x[room<V>];
    if constexpr (walk == expr::walk::contiguous) detail::get<V>(p + j, 1, V > 1, x);
    else {
      const std::int64_t step = walk == expr::walk::constant ? 0 : in_column[K];
      RILL_GPU_UNROLL
      for (int e = 0; e < V; ++e) x[e] = p[(j + e) * step];
    }
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) r[e].template get<~K>() = x[e];
  }
  template <int V, int... O>
  RILL_GPU void store_all(const detail::scalar_registers<P>* r, std::int64_t i, std::int64_t j, std::integer_sequence<int, O...>) const {
    (store<V, O>(r, i, j), ...);
  }
  template <int V, int O>
  RILL_GPU void store(const detail::scalar_registers<P>* r, std::int64_t i, std::int64_t j) const {
    using X = typename output_at<O>::type;
    X x[room<V>];
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) x[e] = r[e].template get<output_at<O>::value>();
    detail::put<V>(static_cast<X*>(out[O]) + i * out_row[O] + j, x);
  }
  template <int V, int... K>
  [[nodiscard]] bool inputs_wide(std::integer_sequence<int, K...>) const {
    return ((input_at<K + 1>::inner != expr::walk::contiguous ||
             detail::grouped(in[K + 1], in_row[K + 1], sizeof(typename input_at<K + 1>::type), V)) &&
            ... && true);
  }
  template <int V, int... O>
  [[nodiscard]] bool outputs_wide(std::integer_sequence<int, O...>) const {
    return (detail::grouped(out[O], out_row[O], sizeof(typename output_at<O>::type), V) && ... && true);
  }
};

/// Stores result elements: the epilogue of a contraction without one.
template <class T>
using store_epilogue = tile_epilogue<expr::program<expr::list<expr::in<T, expr::walk::contiguous>>, expr::list<>, expr::list<expr::out<T, ~0>>>, T>;

}  // namespace rill::cuda

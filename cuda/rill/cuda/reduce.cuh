// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `cuda::reduce<P, R>(device, nest, reduced, in, out)`: evaluates a fused program at every point of a loop nest and combines
/// its output along the dimensions whose bits are set in `reduced`; what kernel::reduce does on the CPU.
///
///   reduce<P, ops::sum>(device, {2, {m, n}, {{n, 1}, {1, 0}}}, 0b10, inputs, y);     // y[i] = sum over j of P(x)[i, j]
///
/// Where the innermost dimension is reduced, a few lanes, a warp or a block share a result; where it is kept, neighbouring
/// threads have neighbouring results, and the rows of a block are put together at the end. Where that leaves processors
/// idle, several blocks share a result, whose parts a second kernel combines. Every thread adds up at most some hundred
/// values before it starts afresh, and the rest is a tree, so that errors grow as slowly as the CPU's. The order depends on
/// the shape and on the number of the device's processors alone: nothing is added atomically.

#include <vector>

#include <rill/ops/reduction.hpp>

#include "map.cuh"

namespace rill::cuda {

namespace detail {

/// What several outputs of a program are combined to, one by one.
template <class T, int N>
struct several {
  T v[room<N>];
};
template <class T>
inline constexpr int count_of = 1;
template <class T, int N>
inline constexpr int count_of<several<T, N>> = N;

/// The type of the values that are combined (of all outputs together, whose types are equal), and that of results in memory.
template <class P>
using single_type = compute_t<expr::value_type_t<P, expr::detail::at<typename P::outputs, 0>::value>>;
template <class P>
using combined_type = std::conditional_t<P::outputs::size == 1, single_type<P>, several<single_type<P>, P::outputs::size>>;
template <class P>
using result_type = typename expr::detail::at<typename P::outputs, 0>::type;

/// What R collects values of type T in: its own `accumulator<T>`, else a T.
template <class R, class T>
struct accumulator_of {
  using type = T;
};
template <class R, class T>
  requires requires { typename R::template accumulator<T>; }
struct accumulator_of<R, T> {
  using type = typename R::template accumulator<T>;
};
template <class P, class R>
using accumulator_t = typename accumulator_of<R, combined_type<P>>::type;

/// How many arrays a reduction writes.
template <class P, class R>
inline constexpr int results_v = [] {
  if constexpr (requires { R::results; }) return R::results;
  else return P::outputs::size;
}();

/// R with what a reducer may leave out.
template <class R>
struct reducer {
  template <class A>
  static RILL_GPU A identity() {
    if constexpr (count_of<A> > 1) {
      A a;
      for (auto& v : a.v) v = identity<std::remove_reference_t<decltype(v)>>();
      return a;
    } else {
      return R::template identity<A>();
    }
  }
  template <class A>
  static RILL_GPU A combine(const A& a, const A& b) {
    if constexpr (count_of<A> > 1) {
      A c;
      for (int k = 0; k < count_of<A>; ++k) c.v[k] = combine(a.v[k], b.v[k]);
      return c;
    } else {
      return R::combine(a, b);
    }
  }
  /// Takes one more value.
  template <class A, class T>
  static RILL_GPU void add(A& a, const T& v) {
    if constexpr (requires { a.add(v); }) a.add(v);
    else a = combine(a, v);
  }
  /// Result k of `count` elements.
  template <class A>
  static RILL_GPU auto result(const A& a, [[maybe_unused]] int k, [[maybe_unused]] std::int64_t count) {
    if constexpr (requires { a.result(k); }) return a.result(k);
    else if constexpr (count_of<A> > 1) return result(a.v[k], 0, count);
    else if constexpr (requires { R::finish(a, count); }) return R::finish(a, count);
    else return a;
  }
};

/// The dimensions of a reduction but the innermost one: kept ones, then reduced ones.
template <int Count>
struct reduce_space {
  divider extents[max_rank];
  std::int64_t strides[max_rank][room<Count>];
  std::int64_t weight[max_rank];     ///< linear positions per step
  std::int64_t inner[room<Count>];   ///< strides of the innermost dimension
  std::int64_t inner_weight;
  int kept, rank;

  /// Where a position in dimensions [first, last) lies: adds to the offset of each operand, and to the linear position.
  RILL_GPU void advance(int first, int last, std::uint32_t p, std::int64_t* offset, std::int64_t& linear) const {
    for (int d = last - 1; d >= first; --d) {
      const std::uint32_t at = d == first ? p : extents[d].divide(p);
      for (int k = 0; k < Count; ++k) offset[k] += at * strides[d][k];
      linear += at * weight[d];
    }
  }
};

/// Neighbours that a thread handles: 16 bytes of the widest input, as far as what they are combined to fits into registers.
template <class P, class R>
struct reduce_width;
template <class... I, class L, class O, class R>
struct reduce_width<expr::program<expr::list<I...>, L, O>, R> {
  using P = expr::program<expr::list<I...>, L, O>;
  static constexpr int value = [] {
    std::size_t w = 0;
    bool strided = false;
    ((w = I::inner != expr::walk::constant && sizeof(typename I::type) > w ? sizeof(typename I::type) : w, strided = strided || I::inner == expr::walk::strided), ...);
    std::size_t v = w == 0 || strided ? 1 : 16 / w;
    while (v > 1 && v * sizeof(accumulator_t<P, R>) > 128) v /= 2;
    return static_cast<int>(v);
  }();
};
/// Accesses of V elements that a thread has under way.
template <class P, class R, int V>
inline constexpr int loads_at_once = [] {
  const std::size_t bytes = sizeof(accumulator_t<P, R>) * static_cast<std::size_t>(V);
  return expr::cost_v<P> > 40 || bytes >= 64 ? 1 : bytes >= 32 ? 2 : 4;
}();

/// The program's values at V neighbours along the innermost dimension, from element j on.
template <class P, int V>
struct neighbour_values {
  using T = combined_type<P>;

  template <class Space>
  static RILL_GPU void read(const operands<P>& x, const std::int64_t* offset, const Space& s, std::uint32_t j, std::int64_t index, T* to) {
    scalar_registers<P> r[room<V>];
    load_all(x, offset, s.inner, j, r, std::make_integer_sequence<int, P::inputs::size>{});
    for (int e = 0; e < V; ++e) {
      r[e].run(index + (j + static_cast<std::uint32_t>(e)) * s.inner_weight);
      take(r[e], to[e], std::make_integer_sequence<int, P::outputs::size>{});
    }
  }

 private:
  template <int... O>
  static RILL_GPU void take(const scalar_registers<P>& r, T& to, std::integer_sequence<int, O...>) {
    if constexpr (sizeof...(O) == 1) to = static_cast<T>(r.template get<expr::detail::at<typename P::outputs, 0>::value>());
    else ((to.v[O] = static_cast<single_type<P>>(r.template get<expr::detail::at<typename P::outputs, O>::value>())), ...);
  }
  template <int... I>
  static RILL_GPU void load_all(const operands<P>& x, const std::int64_t* offset, const std::int64_t* inner, std::uint32_t j, scalar_registers<P>* r,
                                std::integer_sequence<int, I...>) {
    (load<I>(x, offset[I], inner[I], j, r), ...);
  }
  template <int K>
  static RILL_GPU void load(const operands<P>& x, std::int64_t offset, [[maybe_unused]] std::int64_t step, [[maybe_unused]] std::uint32_t j, scalar_registers<P>* r) {
    constexpr expr::walk w = expr::detail::at<typename P::inputs, K>::inner;
    if constexpr (w == expr::walk::constant) {
      const auto v = x.template load<K>(offset);
      for (int e = 0; e < V; ++e) r[e].template get<~K>() = v;
    } else if constexpr (w == expr::walk::contiguous) {
      using E = typename operands<P>::template input_type<K>;
      const auto a = *reinterpret_cast<const access<E, V>*>(static_cast<const E*>(x.in[K]) + offset + j);
      for (int e = 0; e < V; ++e) r[e].template get<~K>() = a.v[e];
    } else {
      for (int e = 0; e < V; ++e) r[e].template get<~K>() = x.template load<K>(offset + (j + static_cast<std::uint32_t>(e)) * step);
    }
  }
};

/// All lanes of a group of 2^k <= 32 get what they have combined; a lane's number is the low bits of its own.
template <class R, class T, class Threads>
RILL_GPU T combine_group(const Threads& t, T x, std::uint32_t group) {
  for (std::uint32_t m = group / 2; m > 0; m /= 2) x = reducer<R>::combine(x, t.shuffle_xor(x, m));
  return x;
}

/// N values into one, as a tree.
template <class R, int N, class T>
RILL_GPU T combine_all(T* x) {
  for (int s = 1; s < N; s *= 2)
    for (int i = 0; i + s < N; i += 2 * s) x[i] = reducer<R>::combine(x[i], x[i + s]);
  return x[0];
}

/// Where results go: finished to the outputs, or as they are to the parts that a second kernel combines.
template <class P, class R>
struct reduce_target {
  static constexpr int arrays = results_v<P, R>;
  result_type<P>* out[room<arrays>];  ///< null: not wanted
  accumulator_t<P, R>* parts;  ///< [results][pieces]; null: there is one piece
  std::uint32_t pieces;
  std::int64_t count;          ///< elements per result

  RILL_GPU void finish(std::int64_t offset, const accumulator_t<P, R>& a) const {
    for (int k = 0; k < arrays; ++k)
      if (out[k] != nullptr) out[k][offset] = static_cast<result_type<P>>(reducer<R>::result(a, k, count));
  }
  RILL_GPU void store(std::uint32_t result, std::uint32_t piece, std::int64_t offset, const accumulator_t<P, R>& a) const {
    if (parts != nullptr) parts[static_cast<std::int64_t>(result) * pieces + piece] = a;
    else finish(offset, a);
  }
};

/// The innermost dimension is reduced. It is cut into chunks; a row is a chunk of one position of the other reduced
/// dimensions. `group` threads (2^k; more than 32: the block) share a result: they form rows of `across` threads, each of
/// which takes every so many pieces of V neighbours.
template <class P, class R, int V>
struct reduce_inner {
  static constexpr int count = P::inputs::size + 1;
  static constexpr int unroll = loads_at_once<P, R, V>;
  using T = combined_type<P>;
  using A = accumulator_t<P, R>;
  using with = reducer<R>;
  struct shared {
    A part[warp_size];
  };
  static constexpr bool synchronizes = true;
  operands<P> x;
  reduce_space<count> s;
  reduce_target<P, R> to;
  std::int64_t first;                ///< the position of element 0 in the whole space
  std::uint32_t results, rows, piece;
  std::uint32_t units, extent;       ///< of the innermost dimension: pieces of V, and elements
  std::uint32_t chunk;
  divider chunks;
  std::uint32_t group, group_bits, across_bits;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    const std::uint32_t lane = t.thread() & (group - 1), across = 1u << across_bits;
    const std::uint32_t li = lane & (across - 1), lo = lane >> across_bits;
    const std::uint32_t result = t.block() * (t.threads() >> group_bits) + (t.thread() >> group_bits);
    std::int64_t base[room<count>] = {}, origin = first;
    A total = with::template identity<A>();
    if (result < results) {
      s.advance(0, s.kept, result, base, origin);
      const std::uint32_t begin = t.block_y() * piece, end = rows - begin < piece ? rows : begin + piece;
      for (std::uint32_t row = begin + lo; row < end; row += group >> across_bits) total = with::combine(total, row_value(row, li, across, base, origin));
    }
    total = combine_group<R>(t, total, group < warp_size ? group : warp_size);
    if (group > warp_size) {
      A* const part = t.template shared<shared>().part;
      if (t.lane() == 0) part[t.warp()] = total;
      t.sync();
      if (t.warp() != 0) return;
      total = combine_group<R>(t, t.lane() < group / warp_size ? part[t.lane()] : with::template identity<A>(), warp_size);
    }
    if (lane == 0 && result < results) to.store(result, t.block_y(), base[P::inputs::size], total);
  }

 private:
  RILL_GPU A row_value(std::uint32_t row, std::uint32_t li, std::uint32_t across, const std::int64_t* base, std::int64_t origin) const {
    std::int64_t offset[room<count>];
    for (int k = 0; k < count; ++k) offset[k] = base[k];
    const std::uint32_t c = chunks.divide(row);
    s.advance(s.kept, s.rank, row, offset, origin);
    const std::uint32_t end = units - c * chunk < chunk ? units : (c + 1) * chunk;
    A sum[room<unroll>][room<V>];
    for (int u = 0; u < unroll; ++u)
      for (int e = 0; e < V; ++e) sum[u][e] = with::template identity<A>();
    std::uint32_t j = c * chunk + li;
    for (; j + (unroll - 1) * across < end; j += unroll * across) {
      T v[room<unroll>][room<V>];
      for (int u = 0; u < unroll; ++u) neighbour_values<P, V>::read(x, offset, s, (j + static_cast<std::uint32_t>(u) * across) * V, origin, v[u]);
      for (int u = 0; u < unroll; ++u)
        for (int e = 0; e < V; ++e) with::add(sum[u][e], v[u][e]);
    }
    for (int u = 0; u < unroll; ++u, j += across)  // at once as well
      if (j < end) {
        T v[room<V>];
        neighbour_values<P, V>::read(x, offset, s, j * V, origin, v);
        for (int e = 0; e < V; ++e) with::add(sum[u][e], v[e]);
      }
    if constexpr (V > 1) {  // the elements behind the last piece
      if (end == units)
        for (std::uint32_t i = units * V + li; i < extent; i += across) {
          T v;
          neighbour_values<P, 1>::read(x, offset, s, i, origin, &v);
          with::add(sum[0][1], v);
        }
    }
    return combine_all<R, unroll * V>(&sum[0][0]);
  }
};

/// The innermost dimension is kept: `across` threads (2^k) beside each other have V neighbouring results each, and the rows
/// of threads of a block share them.
template <class P, class R, int V>
struct reduce_outer {
  static constexpr int count = P::inputs::size + 1;
  static constexpr int unroll = loads_at_once<P, R, V> > 2 && V >= 4 ? 2 : loads_at_once<P, R, V>;
  static constexpr std::uint32_t threads = 256;
  static constexpr std::uint32_t run = 32 * unroll;  ///< rows that a thread combines before it starts afresh
  using T = combined_type<P>;
  using A = accumulator_t<P, R>;
  using with = reducer<R>;
  struct shared {
    A part[room<V>][threads];
  };
  static constexpr bool synchronizes = true;
  operands<P> x;
  reduce_space<count> s;
  reduce_target<P, R> to;
  std::int64_t first;
  std::uint32_t rows, piece;         ///< reduced positions, and those of one block
  std::uint32_t columns;             ///< of the innermost dimension
  std::uint32_t across_bits;
  divider tiles;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    const std::uint32_t across = 1u << across_bits, ti = t.thread() & (across - 1), beside = threads >> across_bits;
    std::uint32_t outer = t.block();
    const std::uint32_t j = (tiles.divide(outer) * across + ti) * V;
    std::int64_t base[room<count>] = {}, origin = first;
    s.advance(0, s.kept, outer, base, origin);
    const std::uint32_t begin = t.block_y() * piece, end = rows - begin < piece ? rows : begin + piece;
    A total[room<V>];
    for (int e = 0; e < V; ++e) total[e] = with::template identity<A>();
    if (j < columns)
      for (std::uint32_t row = begin + (t.thread() >> across_bits); row < end; row += run * beside) {
        const std::uint32_t most = (end - row + beside - 1) >> (8 - across_bits);
        add_rows(row, most < run ? most : run, beside, j, base, origin, total);
      }
    for (std::uint32_t m = warp_size / 2; m >= across; m /= 2)  // rows in the same warp
      for (int e = 0; e < V; ++e) total[e] = with::combine(total[e], t.shuffle_xor(total[e], m));
    const std::uint32_t width = across < warp_size ? warp_size : across;
    if (width < threads) {
      auto& part = t.template shared<shared>().part;
      for (int e = 0; e < V; ++e) part[e][t.thread()] = total[e];
      t.sync();
      if (t.thread() >= across) return;
      for (std::uint32_t i = t.thread() + width; i < threads; i += width)
        for (int e = 0; e < V; ++e) total[e] = with::combine(total[e], part[e][i]);
    }
    if (t.thread() >= across || j >= columns) return;
    for (int e = 0; e < V; ++e)
      to.store(outer * columns + j + static_cast<std::uint32_t>(e), t.block_y(), base[P::inputs::size] + (j + static_cast<std::uint32_t>(e)) * s.inner[P::inputs::size], total[e]);
  }

 private:
  RILL_GPU void read(std::uint32_t row, std::uint32_t j, const std::int64_t* base, std::int64_t origin, T* v) const {
    std::int64_t offset[room<count>];
    for (int k = 0; k < count; ++k) offset[k] = base[k];
    s.advance(s.kept, s.rank, row, offset, origin);
    neighbour_values<P, V>::read(x, offset, s, j, origin, v);
  }
  RILL_GPU void add_rows(std::uint32_t row, std::uint32_t n, std::uint32_t step, std::uint32_t j, const std::int64_t* base, std::int64_t origin, A* total) const {
    A sum[room<unroll>][room<V>];
    for (int u = 0; u < unroll; ++u)
      for (int e = 0; e < V; ++e) sum[u][e] = with::template identity<A>();
    std::uint32_t r = 0;
    for (; r + unroll <= n; r += unroll, row += unroll * step) {
      T v[room<unroll>][room<V>];
      for (int u = 0; u < unroll; ++u) read(row + static_cast<std::uint32_t>(u) * step, j, base, origin, v[u]);
      for (int u = 0; u < unroll; ++u)
        for (int e = 0; e < V; ++e) with::add(sum[u][e], v[u][e]);
    }
    for (; r < n; ++r, row += step) {
      T v[room<V>];
      read(row, j, base, origin, v);
      for (int e = 0; e < V; ++e) with::add(sum[0][e], v[e]);
    }
    for (int e = 0; e < V; ++e) {
      for (int u = 1; u < unroll; ++u) sum[0][e] = with::combine(sum[0][e], sum[u][e]);
      total[e] = with::combine(total[e], sum[0][e]);
    }
  }
};

/// Combines the pieces of every result: `group` lanes (2^k) each.
template <class P, class R>
struct reduce_parts {
  using A = accumulator_t<P, R>;
  using with = reducer<R>;
  using shared = no_shared;
  static constexpr bool synchronizes = true;
  reduce_target<P, R> to;
  std::uint32_t results, group, group_bits;
  int rank;
  divider extents[max_rank];
  std::int64_t strides[max_rank];

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    const std::uint32_t lane = t.thread() & (group - 1), result = t.index() >> group_bits;
    A total = with::template identity<A>();
    if (result < results)
      for (std::uint32_t i = lane; i < to.pieces; i += group) total = with::combine(total, to.parts[static_cast<std::int64_t>(result) * to.pieces + i]);
    total = combine_group<R>(t, total, group);
    if (lane != 0 || result >= results) return;
    std::int64_t offset = 0;
    std::uint32_t rest = result;
    for (int d = rank - 1; d >= 0; --d) offset += extents[d].divide(rest) * strides[d];
    to.finish(offset, total);
  }
};

/// Whether V neighbours of every input can be read at once, wherever in the nest.
template <class P, int N, int... I>
bool inputs_aligned(const operands<P>& x, const kernel::nest<N>& n, int v, std::integer_sequence<int, I...>) {
  const auto fits = [&](int k, expr::walk w, const void* p, std::size_t width) {
    if (w == expr::walk::constant) return true;
    if (w == expr::walk::strided || reinterpret_cast<std::uintptr_t>(p) % (width * static_cast<std::size_t>(v)) != 0) return false;
    for (int d = 0; d + 1 < n.rank; ++d)
      if (n.strides[k][d] % v != 0) return false;
    return true;
  };
  return (fits(I, expr::detail::at<typename P::inputs, I>::inner, x.in[I], sizeof(typename operands<P>::template input_type<I>)) && ...);
}

/// A part of the whole space.
template <class P, class R>
struct reduce_part {
  static constexpr int N = P::inputs::size + 1;
  kernel::nest<N> n;
  operands<P> x;
  result_type<P>* out[room<results_v<P, R>>];
  std::int64_t first;
  std::int64_t weight[max_rank];
};


/// The inner dimension is reduced: how many threads share a result, and how many blocks.
struct inner_plan {
  std::uint32_t units, across_bits, group_bits, chunk, rows, pieces, piece, threads;
};
inline inner_plan plan_inner(std::int64_t results, std::int64_t outer, std::int64_t extent, int v, int unroll, int processors) {
  inner_plan p{};
  p.units = static_cast<std::uint32_t>(extent / v);
  const std::int64_t units = p.units == 0 ? 1 : p.units, all = units * outer, fill = std::int64_t{8} * processors;  // blocks of 256 that keep a device busy
  const std::int64_t lanes = results * 32 < fill * 256 ? all : all / unroll;  // several accesses each where enough threads have work
  p.group_bits = log2_ceil(static_cast<std::uint64_t>(lanes < 1 ? 1 : lanes < 32 ? lanes : 32));
  if (all > 512 || (all > 64 && results * 32 < fill * 256 / 4)) {  // a block
    p.group_bits = log2_ceil(static_cast<std::uint64_t>(all / unroll));
    p.group_bits = p.group_bits < 6 ? 6 : p.group_bits > 8 ? 8 : p.group_bits;
  }
  p.threads = p.group_bits > 5 ? 1u << p.group_bits : 256;
  p.across_bits = log2_ceil(static_cast<std::uint64_t>(units));
  if (p.across_bits > p.group_bits) p.across_bits = p.group_bits;
  const std::int64_t across = std::int64_t{1} << p.across_bits, step = across * unroll;
  std::int64_t pieces = 1;
  if (p.group_bits > 5 && results < fill / 2) {
    const std::int64_t most = all / (step << (p.group_bits - p.across_bits)) / 2;  // two rounds of a block at least
    pieces = pieces > most ? 1 : most < (fill + results - 1) / results ? most : (fill + results - 1) / results;
  }
  const std::int64_t rows_wanted = (pieces + outer - 1) / outer;
  std::int64_t chunk = cuda::pieces(units, rows_wanted < 1 ? 1 : rows_wanted);
  chunk = cuda::pieces(chunk, step) * step;
  if (chunk > step * 32) chunk = step * 32;
  p.chunk = static_cast<std::uint32_t>(chunk);
  const std::int64_t rows = outer * cuda::pieces(units, chunk);
  p.rows = static_cast<std::uint32_t>(rows);
  p.piece = static_cast<std::uint32_t>(cuda::pieces(rows, pieces < 1 ? 1 : pieces));
  if (p.piece == 0) p.piece = 1;
  p.pieces = static_cast<std::uint32_t>(cuda::pieces(rows, p.piece));
  if (p.pieces == 0) p.pieces = 1;
  return p;
}

/// The inner dimension is kept: how many threads stand beside each other, and how many blocks share results.
struct outer_plan {
  std::uint32_t across_bits, tiles, pieces, piece;
};
inline outer_plan plan_outer(std::int64_t outer, std::int64_t columns, std::int64_t rows, int v, int processors) {
  outer_plan p{};
  const std::int64_t units = columns / v;
  p.across_bits = log2_ceil(static_cast<std::uint64_t>(units < 32 ? units : 32));
  if (rows < 32 && units > 32) {  // few rows: no need of many threads above each other
    p.across_bits = 8 - log2_ceil(static_cast<std::uint64_t>(rows < 1 ? 1 : rows)) / 2;
    if (p.across_bits > log2_ceil(static_cast<std::uint64_t>(units))) p.across_bits = log2_ceil(static_cast<std::uint64_t>(units));
  }
  const std::int64_t across = std::int64_t{1} << p.across_bits, beside = 256 / across;
  p.tiles = static_cast<std::uint32_t>(cuda::pieces(units, across));
  const std::int64_t blocks = outer * p.tiles, fill = std::int64_t{8} * processors;
  std::int64_t pieces = 1;
  if (blocks < fill / 2) {
    pieces = (fill + blocks - 1) / blocks;
    const std::int64_t most = rows / (beside * 8);  // eight rows per thread at least
    if (pieces > most) pieces = most < 1 ? 1 : most;
  }
  p.piece = static_cast<std::uint32_t>(cuda::pieces(rows, pieces));
  if (p.piece == 0) p.piece = 1;
  p.pieces = static_cast<std::uint32_t>(cuda::pieces(rows, p.piece));
  if (p.pieces == 0) p.pieces = 1;
  return p;
}

/// f(part) for parts of the space with less than 2^31 positions of each kind. `group[d]`: dimension d is reduced.
template <class P, class R, class F>
void each_part(const reduce_part<P, R>& part, const bool* group, bool cut_reduced, const F& f) {
  constexpr std::int64_t most = std::int64_t{1} << 31;
  const auto& n = part.n;
  std::int64_t inside = 1;
  for (int d = 0; d < n.rank; ++d)
    if (group[d] == cut_reduced) inside *= n.extents[d];
  if (inside < most) return f(part);
  int outer = 0;
  while (group[outer] != cut_reduced || n.extents[outer] == 1) ++outer;
  const std::int64_t extent = n.extents[outer];
  inside /= extent;
  const std::int64_t fit = inside >= most ? 1 : (most - 1) / inside, each = fit >= 16 ? fit / 16 * 16 : fit;  // pieces stay aligned
  reduce_part<P, R> p = part;
  for (std::int64_t done = 0; done < extent; done += each) {
    p.n.extents[outer] = each < extent - done ? each : extent - done;
    each_part(p, group, cut_reduced, f);
    advance(p.x, n, outer, p.n.extents[outer], std::make_integer_sequence<int, P::inputs::size>{}, std::integer_sequence<int>{});
    for (auto& o : p.out)
      if (o != nullptr) o += p.n.extents[outer] * n.strides[part.N - 1][outer];
    p.first += p.n.extents[outer] * p.weight[outer];
  }
}

template <class P, class R, int V, class Device, int N>
void launch_inner(Device& device, const reduce_part<P, R>& part, const reduce_space<N>& s, const inner_plan& p, std::int64_t results, const reduce_target<P, R>& to) {
  const auto extent = static_cast<std::uint32_t>(part.n.extents[part.n.rank - 1]);
  const std::uint32_t per_block = p.threads >> p.group_bits;
  device.launch(reduce_inner<P, R, V>{part.x, s, to, part.first, static_cast<std::uint32_t>(results), p.rows, p.piece, p.units, extent, p.chunk,
                                      divider(static_cast<std::uint32_t>(pieces(p.units == 0 ? 1 : p.units, p.chunk))), 1u << p.group_bits, p.group_bits, p.across_bits},
                {.blocks = static_cast<unsigned>(pieces(results, per_block)), .blocks_y = p.pieces, .threads = p.threads});
}
template <class P, class R, int V, class Device, int N>
void launch_outer(Device& device, const reduce_part<P, R>& part, const reduce_space<N>& s, const outer_plan& p, std::int64_t outer, std::int64_t rows, const reduce_target<P, R>& to) {
  const auto columns = static_cast<std::uint32_t>(part.n.extents[part.n.rank - 1]);
  device.launch(reduce_outer<P, R, V>{part.x, s, to, part.first, static_cast<std::uint32_t>(rows), p.piece, columns, p.across_bits, divider(p.tiles)},
                {.blocks = static_cast<unsigned>(outer * p.tiles), .blocks_y = p.pieces, .threads = 256});
}

/// One part of the kept space. Its reduced space may still be too large, and is then cut; all pieces meet at the end.
template <class P, class R, class Device, class Memory>
void reduce_kept(Device& device, const reduce_part<P, R>& whole, const bool* group, std::int64_t elements, const Memory& memory_of) {
  using A = accumulator_t<P, R>;
  constexpr int v = reduce_width<P, R>::value, N = reduce_part<P, R>::N;
  const int last = whole.n.rank - 1;
  std::int64_t results = 1;
  for (int d = 0; d <= last; ++d)
    if (!group[d]) results *= whole.n.extents[d];
  std::vector<reduce_part<P, R>> parts;
  each_part(whole, group, true, [&](const reduce_part<P, R>& p) { parts.push_back(p); });
  const auto inputs = std::make_integer_sequence<int, P::inputs::size>{};
  bool wide = v > 1 && (group[last] || whole.n.extents[last] % v == 0);
  std::vector<inner_plan> inner;
  std::vector<outer_plan> outer;
  std::int64_t total = 0;
  for (const auto& p : parts) wide = wide && inputs_aligned(p.x, p.n, v, inputs);
  for (const auto& p : parts) {
    std::int64_t rows = 1, beside = 1;  // positions of the reduced and of the kept dimensions, without the innermost one
    for (int d = 0; d < last; ++d) (group[d] ? rows : beside) *= p.n.extents[d];
    if (group[last]) {
      wide = wide && p.n.extents[last] >= v;
      inner.push_back(plan_inner(results, rows, p.n.extents[last], wide ? v : 1, wide ? reduce_inner<P, R, v>::unroll : reduce_inner<P, R, 1>::unroll, device.processors()));
      total += inner.back().pieces;
    } else {
      outer.push_back(plan_outer(beside, p.n.extents[last], rows, wide ? v : 1, device.processors()));
      total += outer.back().pieces;
    }
  }
  A* const memory = total > 1 ? static_cast<A*>(memory_of(static_cast<std::size_t>(results * total) * sizeof(A))) : nullptr;
  if constexpr (Memory::counts) return;
  reduce_target<P, R> to{{}, nullptr, static_cast<std::uint32_t>(total), elements};
  for (int k = 0; k < to.arrays; ++k) to.out[k] = whole.out[k];
  std::int64_t done = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& p = parts[i];
    reduce_space<N> s{};
    std::int64_t rows = 1, beside = 1;
    for (const bool kind : {false, true}) {
      if (kind) s.kept = s.rank;
      for (int d = 0; d < last; ++d) {
        if (group[d] != kind) continue;
        (kind ? rows : beside) *= p.n.extents[d];
        s.extents[s.rank] = divider(static_cast<std::uint32_t>(p.n.extents[d]));
        s.weight[s.rank] = p.weight[d];
        for (int k = 0; k < N; ++k) s.strides[s.rank][k] = p.n.strides[k][d];
        ++s.rank;
      }
    }
    for (int k = 0; k < N; ++k) s.inner[k] = p.n.strides[k][last];
    s.inner_weight = p.weight[last];
    to.parts = memory == nullptr ? nullptr : memory + done;
    if (group[last]) {
      done += inner[i].pieces;
      if (wide) launch_inner<P, R, v>(device, p, s, inner[i], results, to);
      else launch_inner<P, R, 1>(device, p, s, inner[i], results, to);
    } else {
      done += outer[i].pieces;
      if (wide) launch_outer<P, R, v>(device, p, s, outer[i], beside, rows, to);
      else launch_outer<P, R, 1>(device, p, s, outer[i], beside, rows, to);
    }
  }
  if (total == 1) return;
  to.parts = memory;
  reduce_parts<P, R> k{to, static_cast<std::uint32_t>(results), 0, 0, 0, {}, {}};
  k.group_bits = log2_ceil(static_cast<std::uint64_t>(total < 32 ? total : 32));
  k.group = 1u << k.group_bits;
  for (int d = 0; d <= last; ++d) {
    if (group[d]) continue;
    k.extents[k.rank] = divider(static_cast<std::uint32_t>(whole.n.extents[d]));
    k.strides[k.rank++] = whole.n.strides[N - 1][d];
  }
  device.launch(k, {.blocks = static_cast<unsigned>(pieces(results << k.group_bits, 256))});
}

/// Where a reduction's parts lie: in the device's scratch memory, in the caller's, or nowhere: then it is only found out how
/// many bytes there must be.
template <class Device>
struct device_memory {
  static constexpr bool counts = false;
  Device& device;
  void* operator()(std::size_t bytes) const { return device.scratch(bytes); }
};
struct given_memory {
  static constexpr bool counts = false;
  void* memory;
  void* operator()(std::size_t) const { return memory; }
};
struct counted_memory {
  static constexpr bool counts = true;
  std::size_t& bytes;
  void* operator()(std::size_t n) const { return bytes = n > bytes ? n : bytes, nullptr; }
};

/// A reduction to results_v arrays. Ops that ask for their element's position get that in the whole space, or in the reduced
/// one (Within).
template <class P, class R, bool Within, class Device, class Memory>
void reduce_nest(Device& device, kernel::nest<P::inputs::size + 1> n, unsigned reduced, const void* const* in, void* const* out, std::uint64_t numbers, const Memory& memory) {
  reduce_part<P, R> whole{};
  constexpr int N = reduce_part<P, R>::N;
  bool group[max_rank + 1] = {};
  std::int64_t kept = 1, elements = 1;
  for (int d = 0; d < n.rank; ++d) {
    group[d] = (reduced >> d & 1U) != 0;
    if (group[d]) n.strides[N - 1][d] = 0;
    (group[d] ? elements : kept) *= n.extents[d];
  }
  if (kept == 0) return;
  if (elements != 0) kernel::collapse<P>(n, group);
  void* unused[room<P::outputs::size>] = {};
  whole.n = n, whole.x = operands<P>(in, unused, numbers);
  for (int k = 0; k < results_v<P, R>; ++k) whole.out[k] = static_cast<result_type<P>*>(out[k]);
  std::int64_t weight = 1;
  for (int d = n.rank - 1; d >= 0; --d) {
    const bool counts = !Within || group[d];
    whole.weight[d] = counts ? weight : 0;
    if (counts) weight *= n.extents[d];
  }
  each_part(whole, group, false, [&](const reduce_part<P, R>& p) { reduce_kept<P, R>(device, p, group, elements, memory); });
}

}  // namespace detail

/// Combines the program's output along the dimensions whose bit is set in `reduced`; an empty reduction gives the reducer's
/// identity. The nest has one row of strides per input and one for the result, which may not be broadcast along kept
/// dimensions. Inputs named in `numbers` (a bit each) are single numbers of the host; all else is device memory.
template <class P, class R, class Device>
void reduce(Device& device, const kernel::nest<kernel::operands_v<P>>& n, unsigned reduced, const void* const* in, void* out, std::uint64_t numbers = 0) {
  static_assert(P::outputs::size == 1, "a reduction has one output");
  detail::reduce_nest<P, R, false>(device, n, reduced, in, &out, numbers, detail::device_memory<Device>{device});
}

}  // namespace rill::cuda

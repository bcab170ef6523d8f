// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `kernel::reduce<Program, Reducer>`: evaluates a fused program at every point of a loop nest and combines its output
/// along some dimensions; `kernel::arg_reduce` finds the first index of the extremum instead.
///
/// The innermost dimension may be reduced or kept; both are vectorised with several accumulators. Sums are pairwise over
/// blocks, so the error grows with the logarithm of the length. Work is cut by its size alone: the result does not depend
/// on the number of threads. Nothing is allocated.
///
///   reduce<p, ops::sum>({2, {m, n}, {{n, 1}, {1, 0}}}, 0b10, inputs, y);     // y[i] = sum over j of p(x)[i, j]
///
/// Bit d of `reduced` says that dimension d is reduced; the output's stride there does not matter.

#include <bit>
#include <cstdint>
#include <utility>

#include "../ops/reduction.hpp"
#include "parallel.hpp"
#include "product.hpp"
#include "row.hpp"

namespace rill::kernel {

namespace detail {

/// Elements of one task, at least: some 10 microseconds from memory, or of arithmetic.
template <class P>
inline constexpr std::int64_t reduce_chunk = expr::cost_v<P> <= 4 ? 131072 : 32768;
inline constexpr std::int64_t partial_bytes = 16384;    ///< stack memory for partial results
inline constexpr int max_reduce_operands = 40;

/// Dimensions of one kind (kept or reduced), with the strides of all operands.
struct reduce_dims {
  int rank = 0;
  std::int64_t size = 1;
  std::int64_t extents[max_rank];
  int dim[max_rank];
  std::int64_t weight[max_rank];  ///< linear positions per step of each dimension

  /// The linear position, in the whole iteration space, of position p here.
  [[nodiscard]] std::int64_t linear(std::int64_t p) const {
    std::int64_t at = 0;
    for (int i = rank - 1; i >= 0; --i) {
      at += p % extents[i] * weight[i];
      p /= extents[i];
    }
    return at;
  }
};

template <class L>
inline constexpr bool any_indexed = false;
template <class... L>
inline constexpr bool any_indexed<expr::list<L...>> = (L::op::indexed || ...);
/// Whether a program asks for the linear position of its elements.
template <class P>
inline constexpr bool indexed_v = any_indexed<typename P::lets>;

struct reduce_plan {
  int operands = 0, inputs = 0;
  const stride_row* strides = nullptr;
  const std::int64_t* width = nullptr;  ///< bytes per element of each operand
  reduce_dims kept, gone;
  bool inner_reduced = false;
  std::int64_t inner = 1;               ///< extent of the innermost dimension
  int inner_dim = 0;

  /// The offsets of result number `output`.
  void locate(std::int64_t output, std::int64_t* base) const {
    for (int k = 0; k < operands; ++k) base[k] = 0;
    advance(kept, output, base);
  }
  /// Adds the offsets (in elements) of position p of `d` to `offset`.
  void advance(const reduce_dims& d, std::int64_t p, std::int64_t* offset) const {
    for (int i = d.rank - 1; i >= 0; --i) {
      const std::int64_t x = p % d.extents[i];
      p /= d.extents[i];
      for (int k = 0; k < operands; ++k) offset[k] += x * strides[k][d.dim[i]];
    }
  }
};

inline reduce_plan plan_reduce(int rank, const std::int64_t* extents, const stride_row* strides, int operands,
                               const std::int64_t* width, const bool* reduced) {
  reduce_plan p;
  p.operands = operands;
  p.inputs = operands - 1;
  p.strides = strides;
  p.width = width;
  p.inner_dim = rank - 1;
  p.inner_reduced = reduced[rank - 1];
  p.inner = extents[rank - 1];
  std::int64_t weight = 1;
  for (int d = 0; d < rank; ++d) weight *= extents[d] > 0 ? extents[d] : 1;
  for (int d = 0; d < rank; ++d) {
    reduce_dims& g = reduced[d] ? p.gone : p.kept;
    g.size *= extents[d];
    if (d == rank - 1) break;  // the innermost one is walked by the rows
    weight /= extents[d] > 0 ? extents[d] : 1;
    g.weight[g.rank] = weight;
    g.extents[g.rank] = extents[d];
    g.dim[g.rank++] = d;
  }
  return p;
}

/// Adds up values pairwise, whatever their number: level k holds the combination of 2^k of them.
template <class R, class V, int N>
struct pairwise {
  V level[40][static_cast<std::size_t>(N)];
  std::int64_t count = 0;

  void push(V* v) {
    int k = 0;
    for (; (count >> k & 1) != 0; ++k)
      for (int i = 0; i < N; ++i) v[i] = R::combine(level[k][i], v[i]);
    for (int i = 0; i < N; ++i) level[k][i] = v[i];
    ++count;
  }
  /// All of them into v; false when there are none.
  bool finish(V* v) const {
    bool any = false;
    for (int k = 0; k < 40 && (count >> k) != 0; ++k) {
      if ((count >> k & 1) == 0) continue;
      for (int i = 0; i < N; ++i) v[i] = any ? R::combine(level[k][i], v[i]) : level[k][i];
      any = true;
    }
    return any;
  }
};

/// Calls f(0), ..., f(N - 1) in straight-line code, so that arrays indexed by the argument can live in registers.
template <class F, int... K>
[[gnu::always_inline]] inline void unrolled(const F& f, std::integer_sequence<int, K...>) {
  (f(std::integral_constant<int, K>{}), ...);
}
template <int N, class F>
[[gnu::always_inline]] inline void unrolled(const F& f) {
  unrolled(f, std::make_integer_sequence<int, N>{});
}

template <int W>
[[gnu::always_inline]] inline pack<bool, W> first_lanes(std::int64_t n) {
  return pack<bool, W>::from_bits(n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1);
}

/// The element type of the result in memory, and the type in which values are combined (floats for half and bfloat16).
template <class P>
using stored_type = expr::value_type_t<P, expr::detail::at<typename P::outputs, 0>::value>;
template <class P>
using reduced_type = compute_t<stored_type<P>>;

/// The value that a program hands to its reduction, at element i of a bound row.
template <class P, int W = lanes_v<P>>
struct row_value {
  static constexpr int id = expr::detail::at<typename P::outputs, 0>::value;
  row<P> r;
  std::int64_t index = 0;
  [[gnu::always_inline]] auto operator()(std::int64_t i) const {
    typename row<P>::values v;
    r.load_and_run(v, i, index + i);
    return static_cast<pack<reduced_type<P>, W>>(v.template get<id>());
  }
  [[gnu::always_inline]] auto operator()(std::int64_t i, std::int64_t n) const {
    typename row<P>::values v;
    r.load_and_run(v, i, n, index + i);
    return static_cast<pack<reduced_type<P>, W>>(v.template get<id>());
  }
};

inline void inner_strides(const reduce_plan& p, std::int64_t* inner) {
  for (int k = 0; k < p.operands; ++k) inner[k] = p.strides[k][p.inner_dim];
}

inline constexpr int row_accumulators = 8;

/// Elements of a row that are added up one after the other, 32 in each lane of an accumulator.
template <class P>
inline constexpr std::int64_t row_block = std::int64_t{row_accumulators} * lanes_v<P> * 32;

/// Combines n <= row_block elements of each of `rows` rows into one pack per row. Operand k of row r lies r * step[k] bytes
/// from in[k] and walks inner[k] elements at a time; `index` is the linear position of the first row, and grows by n.
template <class P, class R>
[[gnu::flatten]] void reduce_rows(const void* const* in, const std::int64_t* inner, const std::int64_t* step, int rows,
                                  std::int64_t n, std::int64_t index, pack<reduced_type<P>, lanes_v<P>>* to) {
  constexpr int W = lanes_v<P>;
  constexpr int A = row_accumulators;
  using V = pack<reduced_type<P>, W>;
  const V identity(R::template identity<reduced_type<P>>());
  constexpr auto inputs = static_cast<std::size_t>(P::inputs::size);
  const void* at[inputs + 1];  // copies, which stores cannot change
  std::int64_t walk[inputs + 1], jump[inputs + 1];
  for (std::size_t k = 0; k < inputs; ++k) at[k] = in[k], walk[k] = inner[k], jump[k] = step ? step[k] : 0;
  for (int r = 0; r < rows; ++r, index += n) {
    row_value<P> value;
    value.r.bind(at, walk);
    value.index = index;
    for (std::size_t k = 0; k < inputs; ++k) at[k] = static_cast<const unsigned char*>(at[k]) + jump[k];
    std::int64_t i = 0;
    V result = identity;
    if (n >= A * W) {
      V acc[A];
      unrolled<A>([&](auto a) __attribute__((always_inline)) { acc[a] = value(std::int64_t{a} * W); });
      for (i = A * W; i + A * W <= n; i += A * W)
        unrolled<A>([&](auto a) __attribute__((always_inline)) {
          acc[a] = R::combine(acc[a], value(i + std::int64_t{a} * W));
        });
      unrolled<4>([&](auto a) __attribute__((always_inline)) { acc[a] = R::combine(acc[a], acc[a + 4]); });
      unrolled<2>([&](auto a) __attribute__((always_inline)) { acc[a] = R::combine(acc[a], acc[a + 2]); });
      result = R::combine(acc[0], acc[1]);
    }
    for (; i + W <= n; i += W) result = R::combine(result, value(i));
    if (i < n) result = R::combine(result, select(first_lanes<W>(n - i), value(i, n - i), identity));
    to[r] = result;
  }
}

#if defined(__clang__) || __GNUC__ >= 12
/// Combines the lanes of W packs at once: level by level, lanes whose numbers differ in one bit meet, and packs whose
/// numbers differ in that bit become one. Lane r of the result is pack r combined.
template <class R, int Bit, class T, int W, int... I>
[[gnu::always_inline]] inline pack<T, W> combine_pair(const pack<T, W>& a, const pack<T, W>& b,
                                                      std::integer_sequence<int, I...>) {
  typedef T vector __attribute__((vector_size(sizeof(T) * static_cast<std::size_t>(W))));
  vector x, y;
  std::memcpy(&x, &a, sizeof x);  // nvcc's front end takes std::bit_cast between vectors for one and the same function
  std::memcpy(&y, &b, sizeof y);
  const auto here = shuffle<((I & Bit) == 0 ? I : W + (I ^ Bit))...>(x, y);
  const auto there = shuffle<((I & Bit) == 0 ? (I ^ Bit) : W + I)...>(x, y);
  pack<T, W> p, q;
  std::memcpy(&p, &here, sizeof here);
  std::memcpy(&q, &there, sizeof there);
  return R::combine(p, q);
}
template <class R, int Bit, class T, int W>
[[gnu::always_inline]] inline void combine_tree(pack<T, W>* x) {
  if constexpr (Bit > 0) {
    unrolled<Bit>([&](auto k) __attribute__((always_inline)) {
      x[k] = combine_pair<R, Bit>(x[k], x[k + Bit], std::make_integer_sequence<int, W>{});
    });
    combine_tree<R, Bit / 2>(x);
  }
}
#endif

template <class R, class V>
auto combine_pack(const V& v) {
  return combine_lanes(v, [](V a, V b) { return R::combine(a, b); });
}

/// The lanes of each of `rows` packs combined, to one number per pack.
template <class R, class T, int W>
[[gnu::flatten]] void combine_packs(pack<T, W>* x, int rows, T* to) {
#if defined(__clang__) || __GNUC__ >= 12
  if constexpr (rill::detail::batched<T> && rill::detail::native_lanes<T> == W) {
    for (int r = rows; r < W; ++r) x[r] = x[0];
    combine_tree<R, W / 2>(x);
    return x[0].store(to);
  }
#endif
  for (int r = 0; r < rows; ++r) to[r] = combine_pack<R>(x[r]);
}

/// Calls block(pointers, byte steps, rows, n, position) for all of [begin, end) of the reduced space of one output, innermost
/// dimension reduced: n <= row_block elements each of up to `most` rows, one after the other in the reduced space.
template <class P, class F>
void each_block(const reduce_plan& p, const void* const* in, const std::int64_t* base, const std::int64_t* inner,
                std::int64_t begin, std::int64_t end, int most, const F& block) {
  constexpr auto inputs = static_cast<std::size_t>(P::inputs::size);
  const int last = p.gone.rank - 1;
  std::int64_t step[inputs + 1], block_step[inputs + 1];
  for (std::size_t k = 0; k < inputs; ++k) {
    step[k] = last >= 0 ? p.strides[k][p.gone.dim[last]] * p.width[k] : 0;
    block_step[k] = row_block<P> * inner[k] * p.width[k];
  }
  std::int64_t row_index = begin / p.inner;
  std::int64_t first = begin - row_index * p.inner;
  while (begin < end) {
    std::int64_t n = p.inner - first < end - begin ? p.inner - first : end - begin;
    const std::int64_t* steps = step;
    std::int64_t rows = 1;
    if (n >= row_block<P>) {  // the blocks of a long row lie side by side like short rows
      rows = n / row_block<P> < most ? n / row_block<P> : most;
      n = row_block<P>;
      steps = block_step;
    } else if (n == p.inner && last >= 0 && !indexed_v<P>) {
      const std::int64_t beside = p.gone.extents[last] - row_index % p.gone.extents[last];
      rows = (end - begin) / n;
      if (rows > beside) rows = beside;
      if (rows > row_block<P> / n) rows = row_block<P> / n;
      if (rows > most) rows = most;
    }
    std::int64_t offset[max_reduce_operands];
    for (int k = 0; k < p.operands; ++k) offset[k] = base[k] + first * inner[k];
    p.advance(p.gone, row_index, offset);
    const void* at[inputs + 1];
    for (std::size_t k = 0; k < inputs; ++k) at[k] = static_cast<const unsigned char*>(in[k]) + offset[k] * p.width[k];
    const std::int64_t index = indexed_v<P> ? p.gone.linear(row_index) + first : 0;
    if (!block(at, steps, static_cast<int>(rows), n, begin, index)) return;
    begin += rows * n;
    first += rows * n;
    row_index += first / p.inner;
    first %= p.inner;
  }
}

/// Elements [begin, end) of the reduced space of one output, innermost dimension reduced, combined. `origin` is the
/// linear position of the output's first element.
template <class P, class R>
reduced_type<P> reduce_span(const reduce_plan& p, const void* const* in, const std::int64_t* base, std::int64_t origin,
                            std::int64_t begin, std::int64_t end) {
  constexpr int most = 16;
  using T = reduced_type<P>;
  using V = pack<T, lanes_v<P>>;
  std::int64_t inner[max_reduce_operands];
  inner_strides(p, inner);
  pairwise<R, V, 1> sum;
  V x[most];
  x[0] = V(R::template identity<T>());
  each_block<P>(p, in, base, inner, begin, end, most,
                [&](const void* const* at, const std::int64_t* step, int rows, std::int64_t n, std::int64_t, std::int64_t index) {
                  reduce_rows<P, R>(at, inner, step, rows, n, origin + index, x);
                  for (int s = 1; s < rows; s *= 2)
                    for (int k = 0; k + s < rows; k += 2 * s) x[k] = R::combine(x[k], x[k + s]);
                  sum.push(x);
                  return true;
                });
  sum.finish(x);
  return combine_pack<R>(x[0]);
}

/// A nest of two dimensions so small that preparing anything would take as long as its reduction.
template <class P>
struct small_matrix {
  const nest<operands_v<P>>& n;
  const void* const* in;
  std::int64_t rows, columns;

  small_matrix(const nest<operands_v<P>>& given, const void* const* operands)
      : n(given), in(operands), rows(given.extents[0]), columns(given.extents[1]) {}
  /// Whether a nest is one, for the price of one task at most.
  static bool is(const nest<operands_v<P>>& n) {
    return !indexed_v<P> && n.rank == 2 && n.extents[0] > 0 && n.extents[1] > 0 && n.extents[0] <= 4096 &&
           n.extents[0] * n.extents[1] <= reduce_chunk<P> / 8;
  }
  [[nodiscard]] std::int64_t inner(int k) const { return n.strides[k][1]; }  ///< elements from column to column
  [[nodiscard]] std::int64_t step(int k) const { return n.strides[k][0] * width(k); }  ///< bytes from row to row
  [[nodiscard]] const void* at(int k, std::int64_t row, std::int64_t column) const {
    return static_cast<const unsigned char*>(in[k]) + row * step(k) + column * inner(k) * width(k);
  }

 private:
  static std::int64_t width(int k) { return widths_of<typename P::inputs, typename P::outputs>::value[k]; }
};

/// A strip of columns, from `column` on: of one output of a plan, or of a small matrix.
template <class P>
struct strip {
  const reduce_plan* plan;
  const small_matrix<P>* matrix;  ///< instead of a plan
  const void* const* in;
  const std::int64_t* base;   ///< offsets of the output, and
  const std::int64_t* inner;  ///< elements from column to column, of a plan
  std::int64_t column;
};

/// Where the rows of a strip of columns lie, row after row of the reduced space: an odometer with pointers along its last
/// dimension and offsets along the others.
template <class P>
struct strip_walk {
  static constexpr int inputs = P::inputs::size;
  const void* at[static_cast<std::size_t>(inputs) + 1];    ///< of the row that is up
  std::int64_t walk[static_cast<std::size_t>(inputs) + 1];  ///< elements from column to column

  [[gnu::always_inline]] strip_walk(const strip<P>& s, std::int64_t begin, std::int64_t end) : p(s.plan), in(s.in) {
    if (s.matrix) {  // its rows are one run
      run = left = s.matrix->rows;
      for (int k = 0; k < inputs; ++k) {
        at[k] = s.matrix->at(k, begin, s.column);
        walk[k] = s.matrix->inner(k);
        jump[k] = s.matrix->step(k);
      }
      return;
    }
    last = p->gone.rank - 1;
    run = left = last >= 0 ? p->gone.extents[last] : 1;
    for (int k = 0; k < inputs; ++k) {
      offset[k] = s.base[k] + s.column * s.inner[k];
      walk[k] = s.inner[k];
      jump[k] = last >= 0 ? p->strides[k][p->gone.dim[last]] * p->width[k] : 0;
    }
    std::int64_t rest = begin;
    for (int d = last; d >= 0 && begin < end; --d) {  // nothing to place in an empty space
      index[d] = rest % p->gone.extents[d];
      rest /= p->gone.extents[d];
      for (int k = 0; k < inputs && d < last; ++k) offset[k] += index[d] * p->strides[k][p->gone.dim[d]];
    }
    if (last >= 0) left = run - index[last];
    for (int k = 0; k < inputs; ++k)
      at[k] = static_cast<const unsigned char*>(in[k]) + offset[k] * p->width[k] + (run - left) * jump[k];
  }
  /// The linear position of row r of the reduced space.
  [[nodiscard]] std::int64_t linear(std::int64_t r) const { return p->gone.linear(r); }
  [[gnu::always_inline]] void next() {
    if (--left == 0) return next_run();
    for (int k = 0; k < inputs; ++k) at[k] = static_cast<const unsigned char*>(at[k]) + jump[k];
  }

 private:
  void next_run() {
    for (int d = last - 1; d >= 0; --d) {
      for (int k = 0; k < inputs; ++k) offset[k] += p->strides[k][p->gone.dim[d]];
      if (++index[d] < p->gone.extents[d]) break;
      for (int k = 0; k < inputs; ++k) offset[k] -= p->strides[k][p->gone.dim[d]] * p->gone.extents[d];
      index[d] = 0;
    }
    for (int k = 0; k < inputs && p; ++k) at[k] = static_cast<const unsigned char*>(in[k]) + offset[k] * p->width[k];
    left = run;
  }
  const reduce_plan* p;
  const void* const* in;
  int last = 0;
  std::int64_t run, left;
  std::int64_t index[max_rank] = {};
  std::int64_t offset[static_cast<std::size_t>(inputs) + 1] = {};
  std::int64_t jump[static_cast<std::size_t>(inputs) + 1];
};

/// n columns of the innermost (kept) dimension, at linear position `origin`, over rows [begin, end) of the reduced space. The results go to `to`, one element each. `Packs` whole packs with `Rows` accumulators each, or
/// one partial pack.
template <class P, class R, int Packs, int Rows>
[[gnu::flatten]] void reduce_strip(const strip<P>& columns, [[maybe_unused]] std::int64_t origin, std::int64_t n,
                                   std::int64_t begin, std::int64_t end, reduced_type<P>* to) {
  constexpr int W = lanes_v<P>;
  constexpr std::int64_t block = std::int64_t{Rows} * 32;
  using T = reduced_type<P>;
  using V = pack<T, W>;
  const V identity(R::template identity<T>());
  pairwise<R, V, Packs> sum;
  V total[static_cast<std::size_t>(Packs)];
  for (V& t : total) t = identity;
  const bool partial = Packs == 1 && n < W;
  strip_walk<P> walk(columns, begin, end);
  while (begin < end) {
    const std::int64_t stop = begin + block < end ? begin + block : end;
    V acc[static_cast<std::size_t>(Rows)][static_cast<std::size_t>(Packs)];
    // constant indices throughout: the accumulators are to stay in registers
    unrolled<Rows * Packs>([&](auto k) __attribute__((always_inline)) { acc[k / Packs][k % Packs] = identity; });
    const auto one = [&](auto r) __attribute__((always_inline)) {
      row_value<P> value;
      value.r.bind(walk.at, walk.walk);
      if constexpr (indexed_v<P>) value.index = origin + walk.linear(begin);
      if constexpr (Packs == 1) {
        if (partial) acc[r][0] = R::combine(acc[r][0], value(0, n));
        else acc[r][0] = R::combine(acc[r][0], value(0));
      } else
        unrolled<Packs>([&](auto q) __attribute__((always_inline)) {
          acc[r][q] = R::combine(acc[r][q], value(std::int64_t{q} * W));
        });
      ++begin;
      walk.next();
    };
    while (begin + Rows <= stop) unrolled<Rows>([&](auto r) __attribute__((always_inline)) { one(r); });
    unrolled<Rows - 1>([&](auto r) __attribute__((always_inline)) {
      if (begin < stop) one(r);
    });
    static_assert(Rows == 2 || Rows == 4);
    unrolled<Packs>([&](auto q) __attribute__((always_inline)) {
      if constexpr (Rows == 4) acc[0][q] = R::combine(acc[0][q], acc[2][q]), acc[1][q] = R::combine(acc[1][q], acc[3][q]);
      acc[0][q] = R::combine(acc[0][q], acc[1][q]);
    });
    sum.push(acc[0]);
  }
  sum.finish(total);
  for (int q = 0; q < Packs; ++q) {
    if (partial) total[q].store(to, n);
    else total[q].store(to + std::int64_t{q} * W);
  }
}

template <class R, class T>
T finish_reduction(T x, [[maybe_unused]] std::int64_t count) {
  if constexpr (requires { R::finish(x, count); }) return R::finish(x, count);
  else return x;
}

/// How many pieces a reduction is cut into: by its size, and so that all partial results fit on the stack.
constexpr std::int64_t pieces_of(std::int64_t length, std::int64_t unit, std::int64_t outputs, std::int64_t bytes) {
  std::int64_t pieces = (length + unit - 1) / unit;
  const std::int64_t room = partial_bytes / (outputs * bytes);
  if (pieces > 64) pieces = 64;
  if (pieces > room) pieces = room;
  return pieces < 1 ? 1 : pieces;
}

/// `count` rows of at most row_block elements, `bytes[k]` apart from at[k] on: calls f(values, rows, pointers) for up to a
/// pack of them with what each combines to, and moves `at` on. `index` is the linear position of the first.
template <class P, class R, class F>
[[gnu::always_inline]] inline void short_rows(const void** at, const std::int64_t* inner, const std::int64_t* bytes,
                                              std::int64_t length, std::int64_t count, std::int64_t index, const F& f) {
  constexpr int W = lanes_v<P>;
  while (count > 0) {
    const int rows = count < W ? static_cast<int>(count) : W;
    pack<reduced_type<P>, W> x[static_cast<std::size_t>(W)];
    reduce_rows<P, R>(at, inner, bytes, rows, length, index, x);
    alignas(64) reduced_type<P> y[static_cast<std::size_t>(W)];
    combine_packs<R>(x, rows, y);
    f(y, rows, at);
    for (int k = 0; k < P::inputs::size; ++k) at[k] = static_cast<const unsigned char*>(at[k]) + rows * bytes[k];
    index += rows * length;
    count -= rows;
  }
}

/// For outputs [first, last), each of them one row of at most row_block elements: calls f(values, rows, offsets, steps,
/// pointers) for rows that lie side by side, up to a pack of them, with what each combines to.
template <class P, class R, class F>
void each_short_rows(const reduce_plan& p, const void* const* in, std::int64_t first, std::int64_t last, const F& f) {
  constexpr auto inputs = static_cast<std::size_t>(P::inputs::size);
  const int d = p.kept.rank - 1;  // the rows next to each other
  const std::int64_t length = p.inner, beside = d >= 0 ? p.kept.extents[d] : 1;
  std::int64_t inner[max_reduce_operands], step[max_reduce_operands] = {}, bytes[inputs + 1];
  inner_strides(p, inner);
  for (int k = 0; k < p.operands && d >= 0; ++k) step[k] = p.strides[k][p.kept.dim[d]];
  for (std::size_t k = 0; k < inputs; ++k) bytes[k] = step[k] * p.width[k];
  while (first < last) {
    std::int64_t base[max_reduce_operands];
    p.locate(first, base);
    std::int64_t left = beside - first % beside;
    if (left > last - first) left = last - first;
    const void* at[inputs + 1];
    for (std::size_t k = 0; k < inputs; ++k) at[k] = static_cast<const unsigned char*>(in[k]) + base[k] * p.width[k];
    short_rows<P, R>(at, inner, bytes, length, left, first * length, [&](const reduced_type<P>* y, int rows, const void* const* row) {
      f(y, rows, base, step, row);
      for (int k = 0; k < p.operands; ++k) base[k] += rows * step[k];
    });
    first += left;
  }
}

/// The rows of a small matrix, each combined: f(values, rows, pointers, inner strides, byte steps).
template <class P, class R, class F>
[[gnu::always_inline]] inline void each_matrix_row(const small_matrix<P>& m, const F& f) {
  constexpr auto inputs = static_cast<std::size_t>(P::inputs::size);
  const void* at[inputs + 1] = {};
  std::int64_t inner[inputs + 1], bytes[inputs + 1];
  for (int k = 0; k < P::inputs::size; ++k) at[k] = m.in[k], inner[k] = m.inner(k), bytes[k] = m.step(k);
  short_rows<P, R>(at, inner, bytes, m.columns, m.rows, 0,
                   [&](const reduced_type<P>* y, int rows, const void* const* row) { f(y, rows, row, inner, bytes); });
}

/// The columns of a small matrix in strips of `4 W` or W: f(packs, first column, number of columns).
template <class P, class F>
[[gnu::always_inline]] inline void each_matrix_strip(const small_matrix<P>& m, const F& f) {
  constexpr std::int64_t W = lanes_v<P>;
  std::int64_t c = 0;
  for (; c + 4 * W <= m.columns; c += 4 * W) f(std::integral_constant<int, 4>{}, c, 4 * W);
  for (; c < m.columns; c += W) f(std::integral_constant<int, 1>{}, c, m.columns - c < W ? m.columns - c : W);
}

/// One dimension of a small matrix reduced.
template <class P, class R>
void reduce_matrix(const small_matrix<P>& m, bool inner_reduced, stored_type<P>* out) {
  using T = reduced_type<P>;
  const std::int64_t count = inner_reduced ? m.columns : m.rows;
  const std::int64_t step = m.n.strides[P::inputs::size][inner_reduced ? 0 : 1];
  const auto deliver = [&](const T* x, std::int64_t n) {
    if (step == 1)
      for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<stored_type<P>>(finish_reduction<R>(x[i], count));
    else
      for (std::int64_t i = 0; i < n; ++i) out[i * step] = static_cast<stored_type<P>>(finish_reduction<R>(x[i], count));
    out += n * step;
  };
  if (inner_reduced)
    return each_matrix_row<P, R>(m, [&](const T* y, int rows, auto...) { deliver(y, rows); });
  each_matrix_strip(m, [&](auto packs, std::int64_t column, std::int64_t n) {
    alignas(64) T x[static_cast<std::size_t>(4 * lanes_v<P>)];
    reduce_strip<P, R, packs, packs == 4 ? 2 : 4>({nullptr, &m, m.in, nullptr, nullptr, column}, 0, n, 0, m.rows, x);
    deliver(x, n);
  });
}

template <class P, class R>
void reduce_inner(const reduce_plan& p, const void* const* in, stored_type<P>* out) {
  using T = reduced_type<P>;
  const std::int64_t outputs = p.kept.size;
  const std::int64_t length = p.gone.size;
  const std::int64_t pieces = pieces_of(length, reduce_chunk<P>, outputs, static_cast<std::int64_t>(sizeof(T)));
  const std::int64_t piece = (length + pieces - 1) / pieces;
  alignas(64) unsigned char memory[static_cast<std::size_t>(partial_bytes)];
  T* const partial = reinterpret_cast<T*>(memory);
  const auto short_rows = [&](std::int64_t first, std::int64_t last) {
    each_short_rows<P, R>(p, in, first, last, [&](const T* y, int rows, const std::int64_t* base, const std::int64_t* step, const void* const*) {
      stored_type<P>* const to = out + base[p.inputs];
      for (int r = 0; r < rows; ++r) to[r * step[p.inputs]] = static_cast<stored_type<P>>(finish_reduction<R>(y[r], length));
    });
  };
  const auto run = [&](std::int64_t first, std::int64_t last) {
    if (p.gone.rank == 0 && pieces == 1 && length <= row_block<P>) return short_rows(first, last);
    for (std::int64_t task = first; task < last; ++task) {
      const std::int64_t output = task / pieces;
      const std::int64_t k = task - output * pieces;
      std::int64_t base[max_reduce_operands];
      p.locate(output, base);
      const std::int64_t end = (k + 1) * piece < length ? (k + 1) * piece : length;
      const std::int64_t origin = indexed_v<P> ? p.kept.linear(output) : 0;
      const T x = k * piece < end ? reduce_span<P, R>(p, in, base, origin, k * piece, end) : R::template identity<T>();
      if (pieces == 1) out[base[p.inputs]] = static_cast<stored_type<P>>(finish_reduction<R>(x, length));
      else partial[task] = x;
    }
  };
  const std::int64_t tasks = outputs * pieces;
  if (tasks * piece <= reduce_chunk<P>) run(0, tasks);
  else parallel_for(tasks, piece >= reduce_chunk<P> ? 1 : reduce_chunk<P> / (piece + 1) + 1, run);
  if (pieces == 1) return;
  for (std::int64_t output = 0; output < outputs; ++output) {
    T* const x = partial + output * pieces;
    for (std::int64_t step = 1; step < pieces; step *= 2)
      for (std::int64_t k = 0; k + step < pieces; k += 2 * step) x[k] = R::combine(x[k], x[k + step]);
    std::int64_t base[max_reduce_operands];
    p.locate(output, base);
    out[base[p.inputs]] = static_cast<stored_type<P>>(finish_reduction<R>(x[0], length));
  }
}

template <class P, class R>
void reduce_outer(const reduce_plan& p, const void* const* in, stored_type<P>* out) {
  constexpr int W = lanes_v<P>;
  constexpr std::int64_t wide = 4 * W;
  using T = reduced_type<P>;
  const std::int64_t outer = p.inner > 0 ? p.kept.size / p.inner : 0;
  const std::int64_t rows = p.gone.size;
  const std::int64_t strips = p.inner / wide + (p.inner % wide + W - 1) / W;
  const std::int64_t across = p.inner < wide ? p.inner : wide;
  std::int64_t pieces = pieces_of(rows, reduce_chunk<P> / across + 1, p.kept.size, static_cast<std::int64_t>(sizeof(T)));
  if (outer * strips >= 64) pieces = 1;
  const std::int64_t piece = (rows + pieces - 1) / pieces;
  alignas(64) unsigned char memory[static_cast<std::size_t>(partial_bytes)];
  T* const partial = reinterpret_cast<T*>(memory);
  const std::int64_t out_step = p.strides[p.inputs][p.inner_dim];
  std::int64_t inner[max_reduce_operands];
  inner_strides(p, inner);
  const auto deliver = [&](const std::int64_t* base, std::int64_t column, std::int64_t n, const T* x) {
    stored_type<P>* const to = out + base[p.inputs] + column * out_step;
    for (std::int64_t i = 0; i < n; ++i) to[i * out_step] = static_cast<stored_type<P>>(finish_reduction<R>(x[i], rows));
  };
  const auto run = [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t task = first; task < last; ++task) {
      const std::int64_t k = task / (outer * strips);
      const std::int64_t o = task / strips % outer;
      const std::int64_t s = task % strips;
      std::int64_t base[max_reduce_operands];
      p.locate(o, base);
      const bool whole = s < p.inner / wide;
      const std::int64_t column = whole ? s * wide : p.inner / wide * wide + (s - p.inner / wide) * W;
      const std::int64_t n = whole ? wide : (p.inner - column < W ? p.inner - column : W);
      const std::int64_t begin = k * piece < rows ? k * piece : rows;
      const std::int64_t end = begin + piece < rows ? begin + piece : rows;
      alignas(64) T x[static_cast<std::size_t>(wide)];
      const std::int64_t origin = (indexed_v<P> ? p.kept.linear(o) : 0) + column;
      const strip<P> columns{&p, nullptr, in, base, inner, column};
      if (whole) reduce_strip<P, R, 4, 2>(columns, origin, n, begin, end, x);
      else reduce_strip<P, R, 1, 4>(columns, origin, n, begin, end, x);
      if (pieces == 1) deliver(base, column, n, x);
      else
        for (std::int64_t i = 0; i < n; ++i) partial[(k * outer + o) * p.inner + column + i] = x[i];
    }
  };
  const std::int64_t tasks = outer * strips * pieces;
  const std::int64_t work = piece * across;
  if (tasks * work <= reduce_chunk<P>) run(0, tasks);
  else parallel_for(tasks, work >= reduce_chunk<P> ? 1 : reduce_chunk<P> / (work + 1) + 1, run);
  if (pieces == 1) return;
  const std::int64_t row_size = outer * p.inner;
  for (std::int64_t step = 1; step < pieces; step *= 2)
    for (std::int64_t k = 0; k + step < pieces; k += 2 * step)
      for (std::int64_t i = 0; i < row_size; ++i)
        partial[k * row_size + i] = R::combine(partial[k * row_size + i], partial[(k + step) * row_size + i]);
  for (std::int64_t o = 0; o < outer; ++o) {
    std::int64_t base[max_reduce_operands];
    p.locate(o, base);
    deliver(base, 0, p.inner, partial + o * p.inner);
  }
}

}  // namespace detail

/// Combines the program's output along the dimensions whose bit is set in `reduced`. An empty reduction gives the
/// reducer's identity. The nest has one row of strides per input and one for the result. `Everything` promises that all
/// dimensions are reduced, which saves compiling the rest.
template <class P, class R, bool Everything = false>
void reduce(const nest<operands_v<P>>& given, unsigned reduced, const void* const* in, void* out) {
  static_assert(P::outputs::size == 1, "a reduction has one output");
  static_assert(operands_v<P> <= detail::max_reduce_operands, "a program has at most 40 operands");
  using T = detail::stored_type<P>;
  static_assert(std::is_same_v<T, typename expr::detail::at<typename P::outputs, 0>::type>);
  if (given.rank == 1 && (Everything || (reduced & 1U) != 0) && given.extents[0] <= detail::row_block<P>) {  // nothing to prepare
    std::int64_t inner[static_cast<std::size_t>(operands_v<P>)];
    for (int k = 0; k < operands_v<P>; ++k) inner[k] = given.strides[k][0];
    pack<detail::reduced_type<P>, lanes_v<P>> x;
    detail::reduce_rows<P, R>(in, inner, nullptr, 1, given.extents[0], 0, &x);
    *static_cast<T*>(out) = static_cast<T>(detail::finish_reduction<R>(detail::combine_pack<R>(x), given.extents[0]));
    return;
  }
  if constexpr (!Everything)
    if (detail::small_matrix<P>::is(given) && (reduced == 1U || (reduced == 2U && given.extents[1] <= detail::row_block<P>)))
      return detail::reduce_matrix<P, R>({given, in}, reduced == 2U, static_cast<T*>(out));
  auto n = given;
  bool group[max_rank] = {};
  for (int d = 0; d < n.rank; ++d) {
    group[d] = (reduced >> d & 1U) != 0;
    if (group[d]) n.strides[P::inputs::size][d] = 0;
  }
  collapse<P>(n, group);
  if constexpr (Everything) group[n.rank - 1] = true;
  const auto p = detail::plan_reduce(n.rank, n.extents, n.strides, operands_v<P>,
                                     detail::widths_of<typename P::inputs, typename P::outputs>::value, group);
  if (p.kept.size == 0) return;
  if (Everything || p.inner_reduced) detail::reduce_inner<P, R>(p, in, static_cast<T*>(out));
  else if constexpr (!Everything) detail::reduce_outer<P, R>(p, in, static_cast<T*>(out));
}

namespace detail {

/// What argmax and argmin look for; NaN before all.
template <class T, bool Largest>
using extremum = std::conditional_t<std::is_same_v<T, bool>, std::conditional_t<Largest, ops::any, ops::all>,
                                    std::conditional_t<Largest, ops::max, ops::min>>;

/// An extremum and where it lies in the reduced space; -1: nowhere yet.
template <class T>
struct place {
  T value;
  std::int64_t index;

  /// Whether a value that comes later is to be taken instead.
  template <bool Largest>
  [[nodiscard]] bool yields_to(T later) const {
    if (index < 0) return true;
    if constexpr (std::is_floating_point_v<T>)
      if (value != value || later != later) return value == value;
    return Largest ? value < later : later < value;
  }
};

/// The first of n elements that is equal to `wanted`, or NaN like it.
template <class P>
std::int64_t find_first(const void* const* at, const std::int64_t* inner, std::int64_t n, std::int64_t index, reduced_type<P> wanted) {
  constexpr int W = lanes_v<P>;
  using V = pack<reduced_type<P>, W>;
  row_value<P> value;
  value.r.bind(at, inner);
  value.index = index;
  const V key(wanted);
  for (std::int64_t i = 0; i < n; i += W) {
    const V v = i + W <= n ? value(i) : value(i, n - i);
    auto hit = v == key;
    if constexpr (std::is_floating_point_v<reduced_type<P>>)
      if (wanted != wanted) hit = v != v;
    const std::uint64_t bits = (hit && first_lanes<W>(n - i)).bits;
    if (bits != 0) return i + std::countr_zero(bits);
  }
  return 0;
}

/// The first place of the extremum among elements [begin, end) of one output, innermost dimension reduced.
template <class P, bool Largest>
place<reduced_type<P>> arg_span(const reduce_plan& p, const void* const* in, const std::int64_t* base, std::int64_t origin,
                                std::int64_t begin, std::int64_t end) {
  using T = reduced_type<P>;
  constexpr auto inputs = static_cast<std::size_t>(P::inputs::size);
  using R = extremum<T, Largest>;
  std::int64_t inner[max_reduce_operands];
  inner_strides(p, inner);
  place<T> best{T{}, -1};
  const void* block[inputs + 1] = {};  // where the extremum was seen, and is looked for at the end
  std::int64_t length = 0, linear = 0;
  each_block<P>(p, in, base, inner, begin, end, 1,
                [&](const void* const* at, const std::int64_t*, int, std::int64_t n, std::int64_t position, std::int64_t index) {
                  pack<T, lanes_v<P>> x;
                  reduce_rows<P, R>(at, inner, nullptr, 1, n, origin + index, &x);
                  const T v = combine_pack<R>(x);
                  if (!best.template yields_to<Largest>(v)) return true;
                  best = {v, position};
                  for (std::size_t k = 0; k < inputs; ++k) block[k] = at[k];
                  length = n, linear = origin + index;
                  return v == v;
                });
  if (best.index >= 0) best.index += find_first<P>(block, inner, length, linear, best.value);
  return best;
}

/// The same for n columns of the innermost (kept) dimension, at linear position `origin`, over rows [begin, end).
template <class P, bool Largest, int Packs>
[[gnu::flatten]] void arg_strip(const strip<P>& columns, [[maybe_unused]] std::int64_t origin, std::int64_t n,
                                std::int64_t begin, std::int64_t end, place<reduced_type<P>>* to) {
  constexpr int W = lanes_v<P>;
  using T = reduced_type<P>;
  using I = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;
  const bool partial = Packs == 1 && n < W;
  pack<T, W> best[std::size_t{Packs}];
  pack<I, W> where[std::size_t{Packs}];
  strip_walk<P> walk(columns, begin, end);
  const auto row = [&](std::int64_t r, auto first) __attribute__((always_inline)) {
    row_value<P> value;
    value.r.bind(walk.at, walk.walk);
    if constexpr (indexed_v<P>) value.index = origin + walk.linear(r);
    const pack<I, W> here(static_cast<I>(r - begin));
    unrolled<Packs>([&](auto q) __attribute__((always_inline)) {
      const pack<T, W> v = partial ? value(0, n) : value(std::int64_t{q} * W);
      if constexpr (first) best[q] = v, where[q] = here;
      else {
        auto better = Largest ? v > best[q] : v < best[q];
        if constexpr (std::is_floating_point_v<T>) better = better || (v != v && best[q] == best[q]);
        best[q] = select(better, v, best[q]);
        where[q] = select(better, here, where[q]);
      }
    });
  };
  row(begin, std::true_type{});
  for (std::int64_t r = begin + 1; r < end; ++r) {
    walk.next();
    row(r, std::false_type{});
  }
  alignas(64) T values[std::size_t{Packs} * std::size_t{W}];
  alignas(64) I rows[std::size_t{Packs} * std::size_t{W}];
  unrolled<Packs>([&](auto q) __attribute__((always_inline)) {
    best[q].store(values + std::int64_t{q} * W);
    where[q].store(rows + std::int64_t{q} * W);
  });
  for (std::int64_t i = 0; i < n; ++i) to[i] = {values[i], begin + rows[i]};
}

/// One dimension of a small matrix.
template <class P, bool Largest, class Index>
void arg_matrix(const small_matrix<P>& m, bool inner_reduced, Index* out) {
  using T = reduced_type<P>;
  const std::int64_t step = m.n.strides[P::inputs::size][inner_reduced ? 0 : 1];
  if (inner_reduced)
    return each_matrix_row<P, extremum<T, Largest>>(m, [&](const T* y, int rows, const void* const* row, const std::int64_t* inner, const std::int64_t* bytes) {
      const void* at[static_cast<std::size_t>(P::inputs::size) + 1] = {};
      for (int k = 0; k < P::inputs::size; ++k) at[k] = row[k];
      for (int r = 0; r < rows; ++r, out += step) {
        *out = static_cast<Index>(find_first<P>(at, inner, m.columns, 0, y[r]));
        for (int k = 0; k < P::inputs::size; ++k) at[k] = static_cast<const unsigned char*>(at[k]) + bytes[k];
      }
    });
  each_matrix_strip(m, [&](auto packs, std::int64_t column, std::int64_t n) {
    place<T> x[static_cast<std::size_t>(4 * lanes_v<P>)];
    arg_strip<P, Largest, packs>({nullptr, &m, m.in, nullptr, nullptr, column}, 0, n, 0, m.rows, x);
    for (std::int64_t i = 0; i < n; ++i, out += step) *out = static_cast<Index>(x[i].index);
  });
}

}  // namespace detail

/// Writes the index (of type Index) of the first largest or smallest value along the reduced dimensions, counted in
/// row-major order over them; a NaN counts as the extremum. The nest's last operand is the result.
template <class P, bool Largest, class Index>
void arg_reduce(const nest<operands_v<P>>& given, unsigned reduced, const void* const* in, Index* out) {
  using namespace detail;
  constexpr int W = lanes_v<P>;
  constexpr std::int64_t wide = 4 * W;
  using T = reduced_type<P>;
  if (small_matrix<P>::is(given) && (reduced == 1U || (reduced == 2U && given.extents[1] <= row_block<P>)))
    return arg_matrix<P, Largest>({given, in}, reduced == 2U, out);
  auto n = given;
  bool group[max_rank] = {};
  for (int d = 0; d < n.rank; ++d) {
    group[d] = (reduced >> d & 1U) != 0;
    if (group[d]) n.strides[P::inputs::size][d] = 0;
  }
  collapse<P>(n, group);
  const auto p = plan_reduce(n.rank, n.extents, n.strides, operands_v<P>,
                             widths_of<typename P::inputs, typename P::outputs>::value, group);
  const std::int64_t outputs = p.kept.size, length = p.gone.size;
  if (outputs == 0) return;
  std::int64_t inner[max_reduce_operands];
  inner_strides(p, inner);
  if (p.inner_reduced && p.gone.rank == 0 && length <= row_block<P>) {
    const auto rows = [&](std::int64_t first, std::int64_t last) {
      each_short_rows<P, extremum<T, Largest>>(p, in, first, last, [&](const T* y, int count, const std::int64_t* base, const std::int64_t* step, const void* const* row) {
        const void* at[static_cast<std::size_t>(P::inputs::size) + 1] = {};
        for (int k = 0; k < P::inputs::size; ++k) at[k] = row[k];
        for (int r = 0; r < count; ++r, first += 1) {
          out[base[p.inputs] + r * step[p.inputs]] = static_cast<Index>(find_first<P>(at, inner, length, first * length, y[r]));
          for (int k = 0; k < P::inputs::size; ++k) at[k] = static_cast<const unsigned char*>(at[k]) + step[k] * p.width[k];
        }
      });
    };
    return parallel_for(outputs, reduce_chunk<P> / (length + 4) + 1, rows);
  }
  // Cut into pieces as sums are.
  const std::int64_t width = p.inner_reduced ? 1 : p.inner, outer = outputs / width;
  const std::int64_t strips = p.inner_reduced ? 1 : width / wide + (width % wide + W - 1) / W;
  const std::int64_t across = width < wide ? width : wide;
  std::int64_t pieces = pieces_of(length, reduce_chunk<P> / across + 1, outputs, static_cast<std::int64_t>(sizeof(place<T>)));
  if (outer * strips >= 64) pieces = 1;
  const std::int64_t piece = (length + pieces - 1) / pieces;
  const std::int64_t out_step = p.inner_reduced ? 0 : p.strides[p.inputs][p.inner_dim];
  alignas(64) unsigned char memory[static_cast<std::size_t>(partial_bytes)];
  auto* const partial = reinterpret_cast<place<T>*>(memory);
  const auto deliver = [&](std::int64_t o, std::int64_t column, std::int64_t count, const place<T>* x) {
    std::int64_t base[max_reduce_operands];
    p.locate(o, base);
    Index* const to = out + base[p.inputs] + column * out_step;
    for (std::int64_t i = 0; i < count; ++i) to[i * out_step] = static_cast<Index>(x[i].index < 0 ? 0 : x[i].index);
  };
  const auto merge = [](place<T>* to, const place<T>* later, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i)
      if (later[i].index >= 0 && to[i].template yields_to<Largest>(later[i].value)) to[i] = later[i];
  };
  const auto run = [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t task = first; task < last; ++task) {
      const std::int64_t k = task / (outer * strips);
      const std::int64_t o = task / strips % outer;
      const std::int64_t s = task % strips;
      std::int64_t base[max_reduce_operands];
      p.locate(o, base);
      const bool whole = s < width / wide;
      const std::int64_t column = whole ? s * wide : width / wide * wide + (s - width / wide) * W;
      const std::int64_t count = whole ? wide : (width - column < W ? width - column : W);
      const std::int64_t end = (k + 1) * piece < length ? (k + 1) * piece : length;
      const std::int64_t origin = indexed_v<P> ? p.kept.linear(o) : 0;
      place<T> x[static_cast<std::size_t>(wide)], y[static_cast<std::size_t>(wide)];
      for (std::int64_t i = 0; i < count; ++i) x[i] = {T{}, -1};
      if (p.inner_reduced) x[0] = arg_span<P, Largest>(p, in, base, origin, k * piece, end);
      else
        for (std::int64_t begin = k * piece; begin < end; begin += INT32_MAX) {  // rows are counted in 31 bits
          const std::int64_t stop = end - begin < INT32_MAX ? end : begin + INT32_MAX;
          const strip<P> columns{&p, nullptr, in, base, inner, column};
          if (whole) arg_strip<P, Largest, 4>(columns, origin + column, count, begin, stop, y);
          else arg_strip<P, Largest, 1>(columns, origin + column, count, begin, stop, y);
          merge(x, y, count);
        }
      if (pieces == 1) deliver(o, column, count, x);
      else
        for (std::int64_t i = 0; i < count; ++i) partial[(k * outer + o) * width + column + i] = x[i];
    }
  };
  const std::int64_t tasks = outer * strips * pieces, work = piece * across;
  if (tasks * work <= reduce_chunk<P>) run(0, tasks);
  else parallel_for(tasks, work >= reduce_chunk<P> ? 1 : reduce_chunk<P> / (work + 1) + 1, run);
  if (pieces == 1) return;
  for (std::int64_t k = 1; k < pieces; ++k) merge(partial, partial + k * outputs, outputs);
  for (std::int64_t o = 0; o < outer; ++o) deliver(o, 0, width, partial + o * width);
}

}  // namespace rill::kernel

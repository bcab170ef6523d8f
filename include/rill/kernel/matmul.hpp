// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Packed matrix multiplication on a CPU: C[m,n] = op(A)[m,k] op(B)[k,n] for float and double, where A and B are read
/// through *operands* (so that an element-wise expression is evaluated while it is packed) and C is written through an
/// *epilogue* (so that bias, activation or a parameter update happen while the result is in registers).
///
/// An operand is a row-major matrix: `const T* segment(outer, inner0, n, T* scratch) const` returns n consecutive
/// elements of row `outer` from column `inner0`, either in place or evaluated into `scratch` (room for n elements). An
/// epilogue has `operator()(i, j, V acc)` for C[i, j .. j+lanes) and `tail(i, j, V acc, count)` for its first `count`
/// lanes; it is called exactly once per element of C. An optional `prefetch(i, j)` is called shortly before the
/// elements from (i, j) arrive.
///
/// The work is compiled once for an element type, whatever the operands and epilogues are: the functions at the end of
/// this file (and those of convolution.hpp) only wrap them in `operand_ref` and `tile_sink`, through which the kernels
/// call them for a stretch of a row or for a finished tile at a time.
///
/// The order of additions depends on the shapes alone: results are bit-identical for any number of threads. k = 0 gives
/// zeros. Scratch memory is kept by the calling thread and only grows. Shapes are checked by the callers, nothing is
/// thrown here but std::bad_alloc.
///
///     rill::kernel::matmul<false, false, float>(m, n, k, plain_operand<float>{a, k}, plain_operand<float>{b, n},
///                                               store_epilogue<float>{c, n});

#include <rill/kernel/narrow_matmul.hpp>
#include <rill/kernel/parallel.hpp>
#include <rill/kernel/scratch.hpp>
#include <rill/kernel/shuffle.hpp>
#include <rill/kernel/xsimd.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace rill::kernel {

/// A matrix in memory: row `outer` starts at `data + outer * ld`.
template <class T>
struct plain_operand {
  const T* data;
  std::int64_t ld;
  const T* segment(std::int64_t outer, std::int64_t inner0, std::int64_t, T*) const {
    return data + outer * ld + inner0;
  }
};

/// An operand that is a matrix in memory and may be read without going through `segment`.
template <class Op>
concept plain = requires(const Op& op) {
  op.data;
  op.ld;
};

namespace detail {

template <class T>
using vec = xsimd::batch<T>;
/// Elements of one SIMD register.
template <class T>
inline constexpr int lanes = static_cast<int>(vec<T>::size);

#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int vector_registers = 32;
#else
inline constexpr int vector_registers = 16;
#endif
/// Rows and vectors of the register tile: accumulators, one row of B and one broadcast fill the register file.
inline constexpr int tile_rows = vector_registers == 32 ? 14 : 6;
inline constexpr int tile_vecs = 2;
template <class T>
inline constexpr int tile_cols = tile_vecs* lanes<T>;
/// Depth of a block of the reduction: four panels of B of this depth fit the second-level cache, from which the kernel
/// streams them. Shorter blocks would let it pause for the accumulators more often.
template <class T>
inline constexpr std::int64_t block_depth = 4096 / static_cast<std::int64_t>(sizeof(T));

template <class V>
inline V multiply_add(const V& a, const V& b, const V& c) {
  return xsimd::fma(a, b, c);
}
#if defined(__AVX512F__)
// xsimd 8 has no fused form for AVX-512.
inline vec<float> multiply_add(const vec<float>& a, const vec<float>& b, const vec<float>& c) {
  return vec<float>(_mm512_fmadd_ps(a, b, c));
}
inline vec<double> multiply_add(const vec<double>& a, const vec<double>& b, const vec<double>& c) {
  return vec<double>(_mm512_fmadd_pd(a, b, c));
}
#endif

/// Stores the first n lanes.
template <class T>
inline void store_lanes(T* to, const vec<T>& v, std::int64_t n) {
  alignas(64) T lane[std::size_t{lanes<T>}];
  v.store_aligned(lane);
  for (std::int64_t i = 0; i < n; ++i) to[i] = lane[i];
}
/// Loads n lanes, the others are zero.
template <class T>
inline vec<T> load_lanes(const T* from, std::int64_t n) {
  alignas(64) T lane[std::size_t{lanes<T>}] = {};
  for (std::int64_t i = 0; i < n; ++i) lane[i] = from[i];
  return vec<T>::load_aligned(lane);
}
#if defined(__AVX512F__)
inline void store_lanes(float* to, const vec<float>& v, std::int64_t n) {
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1u), v);
}
inline void store_lanes(double* to, const vec<double>& v, std::int64_t n) {
  _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << n) - 1u), v);
}
inline vec<float> load_lanes(const float* from, std::int64_t n) {
  return vec<float>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1u), from));
}
inline vec<double> load_lanes(const double* from, std::int64_t n) {
  return vec<double>(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << n) - 1u), from));
}
#endif

/// Copies n elements with vectors; never touches memory outside the two ranges.
template <class T>
inline void copy_elements(T* to, const T* from, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) vec<T>::load_unaligned(from + i).store_unaligned(to + i);
  if (i < n) store_lanes(to + i, load_lanes(from + i, n - i), n - i);
}

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

/// n items in `parts` runs whose sizes differ by at most one.
struct even_split {
  std::int64_t parts, base, extra;
  constexpr even_split(std::int64_t n, std::int64_t wanted_parts)
      : parts(std::max<std::int64_t>(1, std::min(n, wanted_parts))), base(parts == 1 ? n : n / parts), extra(n - base * parts) {}
  [[nodiscard]] constexpr std::int64_t begin(std::int64_t p) const { return p * base + std::min(p, extra); }
  [[nodiscard]] constexpr std::int64_t size(std::int64_t p) const { return base + (p < extra); }
  [[nodiscard]] constexpr std::int64_t largest() const { return base + (extra > 0); }
};

/// n rows in tiles of an even number of rows, as equal as can be; where n is odd, the last tile is a row short.
struct tile_split {
  std::int64_t n, parts;
  even_split pairs;
  constexpr tile_split(std::int64_t rows, std::int64_t wanted_parts)
      : n(rows), parts(0), pairs(ceil_div(rows, 2), wanted_parts) {
    parts = pairs.parts;
  }
  [[nodiscard]] constexpr std::int64_t begin(std::int64_t p) const { return std::min(n, 2 * pairs.begin(p)); }
  [[nodiscard]] constexpr std::int64_t size(std::int64_t p) const { return begin(p + 1) - begin(p); }
  [[nodiscard]] constexpr std::int64_t largest() const { return std::min(n, 2 * pairs.largest()); }
};

// ---- operands and epilogues without their types ---------------------------------------------------------------------

/// An operand for the kernels: memory (no function to call, read in place) or anything with `segment`. Refers to the
/// operand, which must outlive it.
template <class T>
struct operand_ref {
  using read_function = const T* (*)(const void*, std::int64_t, std::int64_t, std::int64_t, T*);

  const T* data = nullptr;
  std::int64_t ld = 0;
  const void* object = nullptr;
  read_function read = nullptr;

  template <class Op>
  static operand_ref of(const Op& op) {
    if constexpr (std::is_same_v<Op, operand_ref>) return op;
    else if constexpr (plain<Op>) return {op.data, op.ld, nullptr, nullptr};
    else
      return {nullptr, 0, &op, [](const void* o, std::int64_t outer, std::int64_t inner0, std::int64_t n, T* to) {
                return static_cast<const Op*>(o)->segment(outer, inner0, n, to);
              }};
  }
  [[nodiscard]] bool in_memory() const { return read == nullptr; }
  const T* segment(std::int64_t outer, std::int64_t inner0, std::int64_t n, T* scratch) const {
    return in_memory() ? data + outer * ld + inner0 : read(object, outer, inner0, n, scratch);
  }
};

/// An epilogue that stores the result to `memory()`, rows `row_step()` elements apart, and does nothing else.
template <class E>
concept only_stores = requires { requires E::plain_store; };

/// An epilogue for the kernels: takes finished tiles. Refers to the epilogue, which must outlive it.
template <class T>
struct tile_sink {
  using finish_function = void (*)(const void*, const T*, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                                   std::int64_t, std::int64_t);
  using prefetch_function = void (*)(const void*, std::int64_t, std::int64_t, std::int64_t, std::int64_t);

  const void* epilogue;
  finish_function finish_tile;
  prefetch_function prefetch_tile;
  T* direct = nullptr;  ///< where the epilogue does nothing but store, `direct_ld` elements from row to row
  std::int64_t direct_ld = 0;

  template <class E>
  static tile_sink of(const E& epilogue) {
    prefetch_function prefetch = nullptr;
    if constexpr (requires { epilogue.prefetch(std::int64_t{0}, std::int64_t{0}); }) prefetch = &prefetch_all<E>;
    if constexpr (only_stores<E>) return {&epilogue, &finish_all<E>, prefetch, epilogue.memory(), epilogue.row_step()};
    else return {&epilogue, &finish_all<E>, prefetch};
  }

  /// Rows [0, rows) of c, `pitch` elements apart (whole vectors, aligned), are columns [j0, j0 + cols) of the result's
  /// rows i0, i0 + i_step, ...
  void finish(const T* c, std::int64_t pitch, std::int64_t rows, std::int64_t i0, std::int64_t i_step, std::int64_t j0,
              std::int64_t cols) const {
    finish_tile(epilogue, c, pitch, rows, i0, i_step, j0, cols);
  }
  void prefetch(std::int64_t rows, std::int64_t i0, std::int64_t j0, std::int64_t cols) const {
    if (prefetch_tile != nullptr) prefetch_tile(epilogue, rows, i0, j0, cols);
  }

 private:
  template <class E>
  static void finish_all(const void* object, const T* c, std::int64_t pitch, std::int64_t rows, std::int64_t i0,
                         std::int64_t i_step, std::int64_t j0, std::int64_t cols) {
    const E e = *static_cast<const E*>(object);  // a copy, which the stores cannot change
    const std::int64_t whole = cols / lanes<T> * lanes<T>, rest = cols - whole;
    if (whole > 0)
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t j = 0; j < whole; j += lanes<T>) e(i0 + r * i_step, j0 + j, vec<T>::load_aligned(c + r * pitch + j));
    if (rest > 0)  // in a loop of their own, whose mask is made once
      for (std::int64_t r = 0; r < rows; ++r) e.tail(i0 + r * i_step, j0 + whole, vec<T>::load_aligned(c + r * pitch + whole), rest);
  }
  template <class E>
  static void prefetch_all(const void* object, std::int64_t rows, std::int64_t i0, std::int64_t j0, std::int64_t cols) {
    const E& e = *static_cast<const E*>(object);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t j = 0; j < cols; j += lanes<T>) e.prefetch(i0 + r, j0 + j);
  }
};

/// A result of zeros.
template <class T>
[[gnu::noinline]] void zero_result(std::int64_t rows, std::int64_t cols, const tile_sink<T>& sink) {
  alignas(64) static constexpr T zeros[std::size_t{64}] = {};
  for (std::int64_t j = 0; j < cols; j += 64) sink.finish(zeros, 0, rows, 0, 1, j, std::min<std::int64_t>(64, cols - j));
}

// ---- scratch memory -------------------------------------------------------------------------------------------------

/// The scratch of one parallel call: `shared` elements for all, and `per_task` elements for each thread that may run a
/// part of it. All of it belongs to the caller, so that worker threads never allocate.
template <class T>
class call_scratch {
 public:
  call_scratch(std::int64_t shared, std::int64_t per_task)
      : shared_(round_up(shared, line)),
        per_task_(round_up(per_task, line)),
        slots_(rill::detail::loop_slots()),
        lease_(static_cast<std::size_t>(shared_ + per_task_ * slots_) * sizeof(T)) {}
  [[nodiscard]] T* shared() const { return reinterpret_cast<T*>(lease_.data()); }

  /// Calls `f(T* scratch)` with the calling thread's own part.
  template <class F>
  void with_task_scratch(F&& f) const {
    const int slot = rill::detail::loop_slot();
    if (slot < slots_) return f(shared() + shared_ + slot * per_task_);
    scratch_lease own(static_cast<std::size_t>(per_task_) * sizeof(T));
    f(reinterpret_cast<T*>(own.data()));
  }

 private:
  static constexpr std::int64_t line = 64 / static_cast<std::int64_t>(sizeof(T));
  std::int64_t shared_, per_task_;
  int slots_;
  scratch_lease lease_;
};

/// What makes a chunk worth handing to another core: a few microseconds of work.
inline constexpr std::int64_t flops_per_task = 500'000;
/// How many tasks of `flops` each make such a chunk.
constexpr std::int64_t task_grain(std::int64_t flops) {
  return std::max<std::int64_t>(1, flops_per_task / std::max<std::int64_t>(1, flops));
}

// ---- the register tile ----------------------------------------------------------------------------------------------

template <int N, class F>
[[gnu::always_inline]] inline void unroll(F&& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

template <class T>
struct tile_args;
/// The kernels of all heights and widths of tiles for one kind of multiplication.
template <class T>
struct tile_kernels {
  using kernel = void (*)(const tile_args<T>&);
  std::array<std::array<kernel, 3>, tile_rows / 2> even;  ///< [rows / 2 - 1][1, 2 or wide_vecs(rows) vectors]
  std::array<kernel, 4> row;                              ///< one row of 1, 2, 4 or 8 vectors
  kernel seven_rows;
  std::array<kernel, 2> copying;  ///< tile_rows - 2 and tile_rows rows of 2 vectors, which also pack B; or null
};
template <class Step, class T>
struct kernels_of {
  static const tile_kernels<T> table;
};

/// A step of a tile: c + a b. (Others, in low_precision_matmul.hpp, take the bits of T for several narrow numbers.)
struct fused_multiply_add {
  static constexpr bool wide = true;  ///< B is also read where it lies, by wide tiles
  template <class V>
  [[gnu::always_inline]] static V apply(const V& a, const V& b, const V& c) {
    return multiply_add(a, b, c);
  }
  template <class V>
  [[gnu::always_inline]] static V sum(const V& a, const V& b) {
    return a + b;
  }
};

/// One tile: c[r][x] (+)= sum over steps of a[r * a_row] * b[x], where step l of segment s reads its rows at
/// a + segment[s] + l * a_step, and b moves on by b_step at every step.
template <class T>
struct tile_args {
  const T* a;
  std::int64_t a_row, a_step;
  const std::int64_t* segment;
  std::int64_t segments, segment_length;
  const T* b;
  std::int64_t b_step;
  T* c;  ///< rows of NV vectors, c_pitch apart
  std::int64_t c_pitch;
  bool accumulate;
  T* to = nullptr;  ///< where the result goes, if not to c
  std::int64_t to_pitch = 0;
  std::int64_t last_lanes = lanes<T>;  ///< columns of the last vector, see masked_tiles
  T* copy = nullptr;  ///< where what is read of b goes, packed: by tiles that `copying` has kernels for
  bool last_row_twice = false;         ///< set by run_tile
  const tile_kernels<T>* kernels = &kernels_of<fused_multiply_add, T>::table;
};

inline constexpr std::int64_t no_offset[1] = {0};

/// Keeps the compiler from making a pointer of its own for every row of a tile: there are not enough registers for them.
template <class T>
[[gnu::always_inline]] inline void opaque(T*& p) {
#if defined(__GNUC__)
  asm("" : "+r"(p));
#endif
}

/// Whether the last vector of a tile may have fewer columns than lanes: the others are neither read nor written.
#if defined(__AVX512F__)
inline constexpr bool masked_tiles = true;
inline vec<float> load_masked(const float* p, std::uint32_t m) {
  return vec<float>(_mm512_maskz_loadu_ps(static_cast<__mmask16>(m), p));
}
inline vec<double> load_masked(const double* p, std::uint32_t m) {
  return vec<double>(_mm512_maskz_loadu_pd(static_cast<__mmask8>(m), p));
}
inline void store_masked(float* p, const vec<float>& v, std::uint32_t m) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>(m), v);
}
inline void store_masked(double* p, const vec<double>& v, std::uint32_t m) {
  _mm512_mask_storeu_pd(p, static_cast<__mmask8>(m), v);
}
#else
inline constexpr bool masked_tiles = false;
template <class T>
inline vec<T> load_masked(const T* p, std::uint32_t) {
  return vec<T>::load_unaligned(p);
}
template <class T>
inline void store_masked(T* p, const vec<T>& v, std::uint32_t) {
  v.store_unaligned(p);
}
#endif

/// Rows of B ahead of the one at work for which is asked where B comes from far away: by kernels of few rows, which read
/// it faster than the processor foresees, and while B is packed.
inline constexpr std::int64_t prefetch_rows = 8;

// Every loop over the tile must be unrolled, or the accumulators would live in memory. There are kernels for even numbers
// of rows (and for one and seven): a tile of one row less reads its last row twice, and writes it twice.
template <class Step, class T, int MR, int NV, bool Copy = false>
[[gnu::noinline]] void tile_kernel(const tile_args<T>& t) {
  using V = vec<T>;
  constexpr int w = lanes<T>;
  constexpr int groups = (MR + 3) / 4;  // of four rows, which share a pointer
  const std::uint32_t mask = (1u << t.last_lanes) - 1u;
  V acc[std::size_t{MR}][std::size_t{NV}];
  if (t.accumulate) {
    const T* from = t.c;
    const std::int64_t pitch = t.c_pitch, last_pitch = t.last_row_twice ? 0 : pitch;
#pragma GCC unroll 16
    for (int r = 0; r < MR; ++r) {
      opaque(from);
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) acc[r][v] = V::load_unaligned(from + v * w);
      from += r + 2 == MR ? last_pitch : pitch;
    }
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < MR; ++r)
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) acc[r][v] = V(T(0));
  }
  const T* b = t.b;
  const std::int64_t a_step = t.a_step, b_step = t.b_step, length = t.segment_length;
  [[maybe_unused]] const std::int64_t ahead = (Copy ? 2 : 1) * prefetch_rows * b_step;
  [[maybe_unused]] T* copy = t.copy;
  const std::int64_t row = t.a_row, row3 = 3 * row, last_row = ((MR - 1) % 4 - t.last_row_twice) * row;
  for (std::int64_t s = 0; s < t.segments; ++s) {
    const T* a[std::size_t{groups}];
#pragma GCC unroll 16
    for (int g = 0; g < groups; ++g) a[g] = t.a + t.segment[s] + 4 * g * row;
    const auto element = [&](int r) __attribute__((always_inline)) {
      const T* p = a[r / 4];
      if (MR > 1 && r == MR - 1) p += last_row;
      else p += r % 4 == 0 ? 0 : r % 4 == 1 ? row : r % 4 == 2 ? 2 * row : row3;
      T x;
      std::memcpy(&x, p, sizeof x);  // it may be narrow numbers that lie there
      return x;
    };
    const auto load = [&](int v) __attribute__((always_inline)) {
      return v == NV - 1 ? load_masked(b + v * w, mask) : V::load_unaligned(b + v * w);
    };
    for (std::int64_t l = length; l > 0; --l) {
      if constexpr (MR <= 6 || Copy) {
#pragma GCC unroll 16
        for (int v = 0; v < NV; ++v) __builtin_prefetch(b + ahead + v * w);
      }
#pragma GCC unroll 16
      for (int g = 0; g < groups; ++g) opaque(a[g]);
      if constexpr (MR < NV) {
        V av[std::size_t{MR}];
#pragma GCC unroll 16
        for (int r = 0; r < MR; ++r) av[r] = V(element(r));
#pragma GCC unroll 16
        for (int v = 0; v < NV; ++v) {
          const V bv = load(v);
#pragma GCC unroll 16
          for (int r = 0; r < MR; ++r) acc[r][v] = Step::apply(av[r], bv, acc[r][v]);
        }
      } else {
        V bv[std::size_t{NV}];
#pragma GCC unroll 16
        for (int v = 0; v < NV; ++v) {
          bv[v] = Copy ? V::load_unaligned(b + v * w) : load(v);
          if constexpr (Copy) bv[v].store_unaligned(copy + v * w);
        }
        if constexpr (Copy) copy += NV * w;
#pragma GCC unroll 16
        for (int r = 0; r < MR; ++r) {
          const V av(element(r));
#pragma GCC unroll 16
          for (int v = 0; v < NV; ++v) acc[r][v] = Step::apply(av, bv[v], acc[r][v]);
        }
      }
#pragma GCC unroll 16
      for (int g = 0; g < groups; ++g) a[g] += a_step;
      b += b_step;
    }
  }
  T* to = t.to != nullptr ? t.to : t.c;
  const std::int64_t pitch = t.to != nullptr ? t.to_pitch : t.c_pitch, last_pitch = t.last_row_twice ? 0 : pitch;
#pragma GCC unroll 16
  for (int r = 0; r < MR; ++r) {
    opaque(to);
#pragma GCC unroll 16
    for (int v = 0; v < NV; ++v) {
      if (v == NV - 1) store_masked(to + v * w, acc[r][v], mask);
      else acc[r][v].store_unaligned(to + v * w);
    }
    to += r + 2 == MR ? last_pitch : pitch;
  }
}

/// A tile of one row: as the sum of as many as give the multiplications of a narrow one something to do meanwhile.
template <class Step, class T, int NV>
[[gnu::noinline]] void row_kernel(const tile_args<T>& t) {
  using V = vec<T>;
  constexpr int w = lanes<T>, sums = 8 / NV;
  const std::uint32_t mask = (1u << t.last_lanes) - 1u;
  V acc[std::size_t{sums}][std::size_t{NV}];
  unroll<sums * NV>([&](auto i) __attribute__((always_inline)) {
    acc[i / NV][i % NV] = i < NV && t.accumulate ? V::load_unaligned(t.c + i * w) : V(T(0));
  });
  const T* b = t.b;
  const std::int64_t a_step = t.a_step, b_step = t.b_step, ahead = prefetch_rows * b_step;
  for (std::int64_t s = 0; s < t.segments; ++s) {
    const T* a = t.a + t.segment[s];
    const auto step = [&](int to) __attribute__((always_inline)) {
      T x;
      std::memcpy(&x, a, sizeof x);
      const V av(x);
      unroll<NV>([&](auto v) __attribute__((always_inline)) {
        __builtin_prefetch(b + ahead + v * w);
        const V bv = v == NV - 1 ? load_masked(b + v * w, mask) : V::load_unaligned(b + v * w);
        acc[to][v] = Step::apply(av, bv, acc[to][v]);
      });
      a += a_step;
      b += b_step;
    };
    std::int64_t l = t.segment_length;
    for (; l >= sums; l -= sums) unroll<sums>([&](auto u) __attribute__((always_inline)) { step(u); });
    for (; l > 0; --l) step(0);
  }
  T* const to = t.to != nullptr ? t.to : t.c;
  unroll<NV>([&](auto v) __attribute__((always_inline)) {
    unroll<3>([&](auto round) __attribute__((always_inline)) {
      constexpr int half = sums >> (round + 1);
      unroll<half>([&](auto u) __attribute__((always_inline)) { acc[u][v] = Step::sum(acc[u][v], acc[u + half][v]); });
    });
    if (v == NV - 1) store_masked(to + v * w, acc[0][v], mask);
    else acc[0][v].store_unaligned(to + v * w);
  });
}

/// Vectors per row of the widest tile of so many rows: where B is read once and straight from memory.
constexpr int wide_vecs(int rows) {
  int v = 8;
  while (v > tile_vecs && v * rows > vector_registers - 8) v /= 2;
  return v;
}

template <class Step, class T>
constinit const tile_kernels<T> kernels_of<Step, T>::table = []<int... I>(std::integer_sequence<int, I...>) {
  constexpr int seven = tile_rows > 7 ? 7 : 6;  // for images of 7 x 7
  constexpr auto widest = [](int rows) { return Step::wide ? wide_vecs(rows) : tile_vecs; };
  constexpr auto widest_row = [] {
    if constexpr (Step::wide) return &tile_kernel<Step, T, 1, wide_vecs(1)>;
    else return &row_kernel<Step, T, 2>;
  }();
  constexpr auto copying = [](auto rows) -> typename tile_kernels<T>::kernel {
    if constexpr (Step::wide) return &tile_kernel<Step, T, rows, tile_vecs, true>;
    else return nullptr;
  };
  return tile_kernels<T>{
      {{{{&tile_kernel<Step, T, 2 * I + 2, 1>, &tile_kernel<Step, T, 2 * I + 2, 2>, &tile_kernel<Step, T, 2 * I + 2, widest(2 * I + 2)>}}...}},
      {&row_kernel<Step, T, 1>, &row_kernel<Step, T, 2>, &row_kernel<Step, T, Step::wide ? 4 : 2>, widest_row},
      &tile_kernel<Step, T, seven, 2>,
      {copying(std::integral_constant<int, tile_rows - 2>{}), copying(std::integral_constant<int, tile_rows>{})}};
}(std::make_integer_sequence<int, tile_rows / 2>{});

/// Computes a tile of `rows` x `vectors`: 1, 2 or wide_vecs(rows), or 4 of one row.
template <class T>
inline void run_tile(tile_args<T>& t, std::int64_t rows, std::int64_t vectors) {
  const tile_kernels<T>& kernels = *t.kernels;
  t.last_row_twice = false;
  if (rows == 1) return kernels.row[vectors > 4 ? 3 : vectors > 2 ? 2 : static_cast<std::size_t>(vectors - 1)](t);
  if (tile_rows > 7 && rows == 7 && vectors == 2) return kernels.seven_rows(t);
  t.last_row_twice = rows % 2 != 0;
  if (t.copy != nullptr) return kernels.copying[rows > tile_rows - 2](t);
  kernels.even[static_cast<std::size_t>(rows - 1) / 2][vectors <= tile_vecs ? static_cast<std::size_t>(vectors - 1) : 2](t);
}
template <class T>
inline void run_tile(tile_args<T>&& t, std::int64_t rows, std::int64_t vectors) {
  run_tile(t, rows, vectors);
}

// ---- packing --------------------------------------------------------------------------------------------------------

/// Transposes a block of `rows` x `cols` elements, each at most the lanes of a vector: `row[q]` is read from `offset`,
/// column c is written to `to + c * step` as the first `width` elements of a vector whose other rows count as zero.
template <class T>
[[gnu::noinline]] void transpose_block(const T* const* row, std::int64_t rows, std::int64_t offset, std::int64_t cols,
                                       T* to, std::int64_t step, std::int64_t width) {
  constexpr int w = lanes<T>;
  typedef T native __attribute__((vector_size(sizeof(T) * static_cast<std::size_t>(w))));
  native v[std::size_t{w}];
  if (rows == w && cols == w) {
    unroll<w>([&](auto q) __attribute__((always_inline)) { std::memcpy(&v[q], row[q] + offset, sizeof(native)); });
  } else {
    for (std::int64_t q = 0; q < w; ++q) {
      const vec<T> x = q < rows ? load_lanes(row[q] + offset, cols) : vec<T>(T(0));
      std::memcpy(&v[q], &x, sizeof(native));
    }
  }
  // log2(w) rounds of perfect shuffles transpose the block.
  constexpr int rounds = w == 16 ? 4 : w == 8 ? 3 : w == 4 ? 2 : 1;
  unroll<rounds>([&](auto) __attribute__((always_inline)) {
    native u[std::size_t{w}];
    unroll<w / 2>([&](auto q) __attribute__((always_inline)) {
      [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
        u[2 * q] = shuffle<(I % 2 == 0 ? I / 2 : w + I / 2)...>(v[q], v[q + w / 2]);
        u[2 * q + 1] = shuffle<(w / 2 + (I % 2 == 0 ? I / 2 : w + I / 2))...>(v[q], v[q + w / 2]);
      }
      (std::make_integer_sequence<int, w>{});
    });
    unroll<w>([&](auto q) __attribute__((always_inline)) { v[q] = u[q]; });
  });
  if (cols == w && width == w) {
    unroll<w>([&](auto q) __attribute__((always_inline)) { std::memcpy(to + q * step, &v[q], sizeof(native)); });
  } else {
    alignas(64) T block[std::size_t{w * w}];
    std::memcpy(block, v, sizeof block);
    for (std::int64_t q = 0; q < cols; ++q) {
      const vec<T> x = vec<T>::load_aligned(block + q * w);
      if (width == w) x.store_unaligned(to + q * step);
      else store_lanes(to + q * step, x, width);
    }
  }
}

/// Elements between the starts of two packed row tiles of A: rows plus one vector of slack, because whole vectors are
/// stored and the part beyond a step's rows is overwritten by the next step.
template <class T>
constexpr std::int64_t packed_tile_size(std::int64_t rows, std::int64_t depth) {
  return round_up(rows * depth + lanes<T>, 64 / static_cast<std::int64_t>(sizeof(T)));
}

/// Vectors that hold the rows of a tile.
template <class T>
inline constexpr int row_groups = (tile_rows + lanes<T> - 1) / lanes<T>;

/// Scratch that the packing functions need for operands that are evaluated.
template <class T>
constexpr std::int64_t pack_scratch(std::int64_t widest_segment) {
  return std::max<std::int64_t>(std::max(row_groups<T> * lanes<T>, lanes<T>) * block_depth<T>, widest_segment);
}

/// Packs rows [i0, i0 + rows) of op(A), all k of them: out[step][row].
template <class T>
[[gnu::noinline]] void pack_rows(const operand_ref<T>& a, std::int64_t i0, std::int64_t rows, std::int64_t k, T* out,
                                 T* scratch) {
  constexpr std::int64_t w = lanes<T>;
  const T* row[static_cast<std::size_t>(row_groups<T> * w)];
  for (std::int64_t k0 = 0; k0 < k; k0 += block_depth<T>) {
    const std::int64_t depth = std::min(block_depth<T>, k - k0);
    for (std::int64_t r = 0; r < rows; ++r) row[r] = a.segment(i0 + r, k0, depth, scratch + r * block_depth<T>);
    for (std::int64_t r = rows; r < round_up(rows, w); ++r) row[r] = row[rows - 1];  // whole blocks are the fast ones
    for (std::int64_t kk = 0; kk < depth; kk += w) {
      const std::int64_t steps = std::min(w, depth - kk);
      T* to = out + (k0 + kk) * rows;
      for (std::int64_t g = (rows - 1) / w * w; g >= 0; g -= w) transpose_block<T>(row + g, w, kk, steps, to + g, rows, w);
    }
  }
}

/// Packs tiles [t0, t1) of op(A) = A^T, whose steps are contiguous in memory.
template <class T>
[[gnu::noinline]] void pack_transposed_rows(const operand_ref<T>& a, const tile_split& tiles, std::int64_t t0, std::int64_t t1, std::int64_t first_row,
                          std::int64_t k, std::int64_t tile_size, T* out, T* scratch) {
  const std::int64_t i0 = tiles.begin(t0), total = tiles.begin(t1) - i0;
  for (std::int64_t kk = 0; kk < k; ++kk) {
    const T* from = a.segment(kk, first_row + i0, total, scratch);
    std::int64_t left = total;
    for (std::int64_t t = t0; t < t1; ++t) {
      const std::int64_t rows = tiles.size(t);
      T* to = out + t * tile_size + kk * rows;
      if (left >= row_groups<T> * lanes<T>) {
        unroll<row_groups<T>>([&](auto g) __attribute__((always_inline)) {
          if (g * lanes<T> < rows) vec<T>::load_unaligned(from + g * lanes<T>).store_unaligned(to + g * lanes<T>);
        });
      } else {
        copy_elements(to, from, rows);
      }
      from += rows;
      left -= rows;
    }
  }
}

/// Packs steps [k0, k0 + depth) and columns [j0, j0 + cols) of B into panels of tile_cols columns, zero-padded:
/// panel p is out + p * panel_size, [step][column].
template <class T>
[[gnu::noinline]] void pack_columns(const operand_ref<T>& b, std::int64_t k0, std::int64_t depth, std::int64_t j0, std::int64_t cols, T* out,
                  std::int64_t panel_size, T* scratch) {
  constexpr std::int64_t nr = tile_cols<T>;
  constexpr int w = lanes<T>;
  const std::int64_t full = cols / nr, rest = cols % nr;
  for (std::int64_t kk = 0; kk < depth; ++kk) {
    const T* from = b.segment(k0 + kk, j0, cols, scratch);
    T* to = out + kk * nr;
    if (b.in_memory())
      for (std::int64_t x = 0; x < cols; x += w) __builtin_prefetch(from + prefetch_rows * b.ld + x);
    for (std::int64_t p = 0; p < full; ++p, from += nr, to += panel_size)
      unroll<tile_vecs>([&](auto v) __attribute__((always_inline)) {
        vec<T>::load_unaligned(from + v * w).store_unaligned(to + v * w);
      });
    for (std::int64_t x = 0; rest > 0 && x < nr; x += w)
      load_lanes(from + std::min(x, rest), std::clamp<std::int64_t>(rest - x, 0, w)).store_unaligned(to + x);
  }
}

/// The same for op(B) = B^T: column j of op(B) is row `outer0 + j` of the operand.
template <class T>
[[gnu::noinline]] void pack_transposed_columns(const operand_ref<T>& b, std::int64_t k0, std::int64_t depth, std::int64_t j0, std::int64_t cols,
                             T* out, std::int64_t panel_size, T* scratch) {
  constexpr std::int64_t nr = tile_cols<T>;
  constexpr int w = lanes<T>;
  const T* row[std::size_t{w}] = {};
  for (std::int64_t j = 0; j < round_up(cols, nr); j += w) {
    const std::int64_t rows = std::clamp<std::int64_t>(cols - j, 0, w);
    T* panel = out + j / nr * panel_size + j % nr;
    for (std::int64_t k1 = 0; k1 < depth; k1 += block_depth<T>) {
      const std::int64_t run = std::min(block_depth<T>, depth - k1);
      for (std::int64_t r = 0; r < rows; ++r)
        row[r] = b.segment(j0 + j + r, k0 + k1, run, scratch + r * block_depth<T>);
      for (std::int64_t kk = 0; kk < run; kk += w) {
        const std::int64_t steps = std::min<std::int64_t>(w, run - kk);
        T* to = panel + (k1 + kk) * nr;
        transpose_block<T>(row, rows, kk, steps, to, nr, w);
      }
    }
  }
}

/// Packs all tiles of rows [first_row, first_row + tiles) of op(A) in parallel.
template <class T>
[[gnu::noinline]] void pack_a(bool trans, const operand_ref<T>& a, const tile_split& tiles, std::int64_t first_row,
                              std::int64_t k, std::int64_t tile_size, T* out, const call_scratch<T>& scratch) {
  // A transposed operand is read in long rows, so neighbouring tiles go together.
  const std::int64_t together = trans ? 16 : 1;
  const std::int64_t grain = std::max<std::int64_t>(1, 60'000 / (together * tiles.largest() * k));
  parallel_for(ceil_div(tiles.parts, together), grain, [&](std::int64_t g0, std::int64_t g1) {
    scratch.with_task_scratch([&](T* own) {
      for (std::int64_t g = g0; g < g1; ++g) {
        const std::int64_t t0 = g * together, t1 = std::min(tiles.parts, t0 + together);
        if (trans) pack_transposed_rows(a, tiles, t0, t1, first_row, k, tile_size, out, own);
        else pack_rows(a, first_row + tiles.begin(t0), tiles.size(t0), k, out + t0 * tile_size, own);
      }
    });
  });
}

// ---- the three ways to multiply -------------------------------------------------------------------------------------

/// A product to compute; see matmul.
template <class T>
struct product {
  std::int64_t m, n, k;
  bool trans_a, trans_b;
  operand_ref<T> a, b;
  tile_sink<T> sink;
  const tile_kernels<T>* kernels = &kernels_of<fused_multiply_add, T>::table;
};

/// Asks for lines that will be read later on (into the second-level cache).
template <class T>
inline void prefetch_lines(const T* from, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 64 / static_cast<std::int64_t>(sizeof(T))) __builtin_prefetch(from + i, 0, 2);
}

/// Computes the tile of `args` at rows i0, i0 + i_step, ... and columns [j0, j0 + cols) of the result: stored at once
/// where nothing else is to be done, handed over from args.c otherwise.
template <class T>
inline void run_tile_to_sink(tile_args<T>& args, const tile_sink<T>& sink, std::int64_t rows, std::int64_t i0,
                             std::int64_t i_step, std::int64_t j0, std::int64_t cols) {
  const std::int64_t vectors = ceil_div(cols, lanes<T>);
  if (sink.direct != nullptr && (masked_tiles || cols == vectors * lanes<T>)) {
    args.to = sink.direct + i0 * sink.direct_ld + j0;
    args.to_pitch = i_step * sink.direct_ld;
    args.last_lanes = cols - (vectors - 1) * lanes<T>;
    run_tile<T>(args, rows, vectors);
  } else {
    args.to = nullptr;
    sink.prefetch(rows, i0, j0, cols);
    run_tile<T>(args, rows, vectors);
    sink.finish(args.c, args.c_pitch, rows, i0, i_step, j0, cols);
  }
}

/// Whether rows `ld` elements apart crowd into so few sets of the first-level cache that a tile's drive each other out.
template <class T>
constexpr bool crowded(std::int64_t ld) {
  return ld * static_cast<std::int64_t>(sizeof(T)) % 4096 == 0;
}

/// The general case. A is read where it is, or packed once for all if it is an expression, stored the other way round or
/// in crowded rows. B is packed block by block by the task that uses it when few tasks share it, else once for all as well.
template <class T>
[[gnu::noinline]] void matmul_packed(const product<T>& p) {
  const std::int64_t m = p.m, n = p.n, k = p.k;
  constexpr std::int64_t nr = tile_cols<T>, mr = tile_rows, depth = block_depth<T>;
  constexpr std::int64_t rows_per_task = mr * (256 / mr), most_panels = 4;
  constexpr std::int64_t packed_limit = (4 << 20) / static_cast<std::int64_t>(sizeof(T));  // elements of an operand at once
  const even_split k_blocks(k, ceil_div(k, depth));
  const std::int64_t row_parts = ceil_div(m, std::max(2 * rows_per_task, packed_limit / k));
  const std::int64_t m_step = round_up(ceil_div(m, row_parts), 2), rows_at_once = std::min(m, m_step);
  const bool narrow = n <= nr;
  const bool share_b = narrow || (m > 2 * rows_per_task && (n < 16 * nr || n * k <= packed_limit / 8));
  const std::int64_t n_step =
      share_b ? std::min(round_up(n, nr), std::max(nr * most_panels, packed_limit / k / nr * nr)) : round_up(n, nr);

  // A narrow result is cut along its rows, a wide one in wide tasks, because a row of B or C is read or written a task's
  // width at a time.
  const std::int64_t task_rows =
      narrow ? std::clamp(flops_per_task / (2 * n * k) / mr * mr, mr, rows_per_task) : share_b ? rows_per_task : m;
  const std::int64_t most_row_blocks = ceil_div(rows_at_once, task_rows);
  const std::int64_t panels_per_task = std::clamp<std::int64_t>(n_step / nr * most_row_blocks / 8, 1, share_b ? 2 * most_panels : most_panels);
  const tile_split widest(rows_at_once, ceil_div(rows_at_once, mr));
  // A tile kernel broadcasts single elements of A, wherever they lie: packing pays only for what is read often.
  const bool pack_a_first = !p.a.in_memory() || (!narrow && (p.trans_a || crowded<T>(p.a.ld)));
  const bool first_tile_packs = !share_b && p.b.in_memory() && !p.trans_b && p.kernels->copying[0] != nullptr;
  const std::int64_t tile_size = packed_tile_size<T>(std::min(mr, rows_at_once), k);
  const std::int64_t tiles_per_task = ceil_div(widest.parts, most_row_blocks) + 1;
  const std::int64_t a_size = pack_a_first ? round_up(widest.parts * tile_size, 16) : 0;
  const std::int64_t b_size = share_b ? n_step * k : 0;
  const std::int64_t own_b = share_b ? 0 : panels_per_task * nr * k_blocks.largest();
  const std::int64_t pitch = panels_per_task * nr;
  const std::int64_t own_c = (k_blocks.parts > 1 ? tiles_per_task : 1) * mr * pitch;
  const call_scratch<T> scratch(a_size + b_size, own_b + own_c + pack_scratch<T>(16 * mr + most_panels * nr));
  T* const packed_a = scratch.shared();
  T* const packed_b = packed_a + a_size;
  const auto pack_b = [&p](std::int64_t k0, std::int64_t steps, std::int64_t j0, std::int64_t cols, T* out,
                           std::int64_t panel_size, T* own) {
    if (p.trans_b) pack_transposed_columns(p.b, k0, steps, j0, cols, out, panel_size, own);
    else pack_columns(p.b, k0, steps, j0, cols, out, panel_size, own);
  };

  for (std::int64_t first_row = 0; first_row < m; first_row += m_step) {
    const std::int64_t m_here = std::min(m_step, m - first_row);
    const tile_split tiles(m_here, ceil_div(m_here, mr));
    const even_split row_blocks(tiles.parts, ceil_div(m_here, task_rows));
    if (pack_a_first) pack_a(p.trans_a, p.a, tiles, first_row, k, tile_size, packed_a, scratch);
    for (std::int64_t first_col = 0; first_col < n; first_col += n_step) {
      const std::int64_t n_here = std::min(n_step, n - first_col);
      const std::int64_t panels = ceil_div(n_here, nr);
      if (share_b) {
        const std::int64_t width = most_panels * nr, grain = std::max<std::int64_t>(1, 60'000 / (width * k));
        parallel_for(ceil_div(n_here, width), grain, [&](std::int64_t g0, std::int64_t g1) {
          scratch.with_task_scratch([&](T* own) {
            for (std::int64_t j = g0 * width, end = std::min(n_here, g1 * width); j < end; j += width)
              pack_b(0, k, first_col + j, std::min(width, end - j), packed_b + j * k, nr * k, own);
          });
        });
      }
      const even_split col_blocks(panels, ceil_div(panels, panels_per_task));
      const std::int64_t tasks = row_blocks.parts * col_blocks.parts;
      const std::int64_t grain = task_grain(2 * m_here * n_here * k / tasks);
      parallel_for(tasks, grain, [&](std::int64_t task0, std::int64_t task1) {
        scratch.with_task_scratch([&](T* own) {
          T* const block_b = own;
          T* const block_c = own + own_b;
          T* const pack_own = block_c + own_c;
          for (std::int64_t task = task0; task < task1; ++task) {
            const std::int64_t rb = task % row_blocks.parts, cb = task / row_blocks.parts;
            const std::int64_t t0 = row_blocks.begin(rb), t1 = t0 + row_blocks.size(rb);
            const std::int64_t q0 = col_blocks.begin(cb), q1 = q0 + col_blocks.size(cb);
            const std::int64_t j0 = first_col + q0 * nr, cols = std::min(q1 * nr, n_here) - q0 * nr;
            for (std::int64_t kb = 0; kb < k_blocks.parts; ++kb) {
              const std::int64_t k0 = k_blocks.begin(kb), steps = k_blocks.size(kb);
              const bool last = kb + 1 == k_blocks.parts;
              // The first tile packs whole panels of B, while it multiplies.
              const std::int64_t packed_later = first_tile_packs && tiles.size(t0) > mr - 4 ? cols / nr * nr : 0;
              if (!share_b && packed_later < cols)
                pack_b(k0, steps, j0 + packed_later, cols - packed_later, block_b + packed_later * steps, nr * steps, pack_own);
              // The next block of B comes from far away while this one is at work.
              const bool ahead = !share_b && !last && !p.trans_b && p.b.in_memory();
              const std::int64_t ahead_rows = ahead ? ceil_div(k_blocks.size(kb + 1), t1 - t0) : 0;
              // Strips of rows, so that the epilogue passes along rows of the result.
              for (std::int64_t t = t0; t < t1; ++t) {
                const std::int64_t rows = tiles.size(t), i = tiles.begin(t), i0 = first_row + i;
                T* const c = block_c + (k_blocks.parts > 1 ? t - t0 : 0) * mr * pitch;
                if (last && p.sink.direct == nullptr) p.sink.prefetch(rows, i0, j0, cols);
                for (std::int64_t l = k0 + steps + (t - t0) * ahead_rows, e = std::min(l + ahead_rows, k); l < e; ++l)
                  prefetch_lines(p.b.data + l * p.b.ld + j0, cols);
                tile_args<T> args{.a = packed_a + t * tile_size + k0 * rows,
                                  .a_row = 1,
                                  .a_step = rows,
                                  .segment = no_offset,
                                  .segments = 1,
                                  .segment_length = steps,
                                  .b = nullptr,
                                  .b_step = nr,
                                  .c = nullptr,
                                  .c_pitch = pitch,
                                  .accumulate = kb > 0,
                                  .kernels = p.kernels};
                if (!pack_a_first) {
                  args.a_row = p.trans_a ? 1 : p.a.ld;
                  args.a_step = p.trans_a ? p.a.ld : 1;
                  args.a = p.a.data + i0 * args.a_row + k0 * args.a_step;
                }
                const bool direct = last && p.sink.direct != nullptr;
                for (std::int64_t q = 0; q < q1 - q0; ++q) {
                  const std::int64_t here = std::min(nr, cols - q * nr);
                  args.b = share_b ? packed_b + (q0 + q) * nr * k + k0 * nr : block_b + q * nr * steps;
                  args.b_step = nr;
                  args.copy = nullptr;
                  if (t == t0 && q * nr < packed_later) {
                    args.copy = block_b + q * nr * steps;
                    args.b = p.b.data + k0 * p.b.ld + j0 + q * nr;
                    args.b_step = p.b.ld;
                  }
                  args.c = c + q * nr;
                  if (direct) run_tile_to_sink(args, p.sink, rows, i0, 1, j0 + q * nr, here);
                  else run_tile<T>(args, rows, ceil_div(here, lanes<T>));
                }
                if (last && !direct) p.sink.finish(c, pitch, rows, i0, 1, j0, cols);
              }
            }
          }
        });
      });
    }
  }
}

/// B is in memory, row by row, and read where it is: for a product that is too small, or has too few rows, for packing.
template <class T>
[[gnu::noinline]] void matmul_unpacked(const product<T>& p) {
  const std::int64_t m = p.m, n = p.n, k = p.k;
  constexpr std::int64_t w = lanes<T>;
  const tile_split tiles(m, ceil_div(m, tile_rows));
  const std::int64_t widest =
      tiles.parts > 1 || n <= tile_vecs * w ? tile_vecs : wide_vecs(static_cast<int>(m == 1 ? 1 : round_up(m, 2)));
  // What a product of few rows waits for is memory: count eight flops for every element of B.
  const std::int64_t worth = std::max<std::int64_t>(8, 2 * m) * n * k / flops_per_task;
  const auto compute = [&](std::int64_t t0, std::int64_t t1, std::int64_t j, std::int64_t end, const T* packed_a,
                           std::int64_t tile_size, T* last_panel) {
    constexpr std::int64_t together = 4 * vector_registers;  // rows of a narrow result that are finished at once
    alignas(64) T c[static_cast<std::size_t>(together * w)];
    tile_args<T> args{.a = nullptr,
                      .a_row = p.trans_a ? 1 : p.a.ld,
                      .a_step = p.trans_a ? p.a.ld : 1,
                      .segment = no_offset,
                      .segments = 1,
                      .segment_length = k,
                      .b = nullptr,
                      .b_step = p.b.ld,
                      .c = c,
                      .c_pitch = widest * w,
                      .accumulate = false,
                      .kernels = p.kernels};
    while (j < end) {
      const std::int64_t left = end - j;
      const std::int64_t vectors = left > (widest - 1) * w ? widest : m == 1 && left > 3 * w ? 4 : left > w ? tile_vecs : 1;
      const std::int64_t cols = std::min(left, vectors * w);
      args.b = p.b.data + j;
      args.last_lanes = cols - (vectors - 1) * w;
      if (!masked_tiles && cols < vectors * w) {
        for (std::int64_t l = 0; l < k; ++l)
          for (std::int64_t x = 0; x < vectors * w; x += w)
            load_lanes(args.b + l * p.b.ld + std::min(x, cols), std::clamp<std::int64_t>(cols - x, 0, w))
                .store_unaligned(last_panel + l * vectors * w + x);
        args.b = last_panel;
        args.b_step = vectors * w;
      }
      const bool gather = vectors == 1 && t1 - t0 > 1 && p.sink.direct == nullptr && p.sink.prefetch_tile == nullptr;
      if (gather) args.c_pitch = w;
      for (std::int64_t t = t0, gathered = 0; t < t1; ++t) {
        const std::int64_t i0 = tiles.begin(t), rows = tiles.size(t);
        if (packed_a != nullptr) args.a = packed_a + t * tile_size, args.a_row = 1, args.a_step = rows;
        else args.a = p.a.data + i0 * args.a_row;
        if (!gather) {
          run_tile_to_sink(args, p.sink, rows, i0, 1, j, cols);
          continue;
        }
        args.c = c + gathered * w;
        run_tile<T>(args, rows, 1);
        gathered += rows;
        if (t + 1 < t1 && gathered + tile_rows <= together) continue;
        p.sink.finish(c, w, gathered, i0 + rows - gathered, 1, j, cols);
        gathered = 0;
      }
      args.c = c, args.c_pitch = widest * w;
      j += cols;
    }
  };
  const bool pack = !p.a.in_memory() || (n > 64 && (p.trans_a || (m > 8 && crowded<T>(p.a.ld))));
  const bool ragged = !masked_tiles && n % w != 0;
  if (worth <= 1 && !pack && !ragged) return compute(0, tiles.parts, 0, n, nullptr, 0, nullptr);
  const even_split col_blocks(ceil_div(n, widest * w), std::min<std::int64_t>(worth, 8));
  const even_split row_blocks(tiles.parts, ceil_div(std::min<std::int64_t>(worth, 8), col_blocks.parts));
  const std::int64_t tile_size = packed_tile_size<T>(tiles.largest(), k);
  const call_scratch<T> scratch(pack ? tiles.parts * tile_size : 0,
                                std::max(ragged ? widest * w * k : 0, pack ? pack_scratch<T>(16 * tile_rows) : 0));
  if (pack) pack_a(p.trans_a, p.a, tiles, 0, k, tile_size, scratch.shared(), scratch);
  parallel_for(row_blocks.parts * col_blocks.parts, 1, [&](std::int64_t task0, std::int64_t task1) {
    scratch.with_task_scratch([&](T* own) {
      for (std::int64_t task = task0; task < task1; ++task) {
        const std::int64_t rb = task % row_blocks.parts, cb = task / row_blocks.parts;
        const std::int64_t t0 = row_blocks.begin(rb), q0 = col_blocks.begin(cb), q1 = q0 + col_blocks.size(cb);
        compute(t0, t0 + row_blocks.size(rb), q0 * widest * w, std::min(n, q1 * widest * w),
                pack ? scratch.shared() : nullptr, tile_size, own);
      }
    });
  });
}

/// The same for a small product of matrices in memory, with as little as can be around its tiles.
template <class T>
[[gnu::noinline]] void matmul_small(const product<T>& p) {
  constexpr std::int64_t w = lanes<T>;
  const auto m = static_cast<std::uint32_t>(p.m), parts = (m + tile_rows - 1) / tile_rows;
  const std::int64_t height = parts == 1 ? p.m : ((m + parts - 1) / parts + 1) / 2 * 2;
  alignas(64) T c[static_cast<std::size_t>(tile_rows * tile_cols<T>)];
  tile_args<T> args{.a = nullptr,
                    .a_row = p.trans_a ? 1 : p.a.ld,
                    .a_step = p.trans_a ? p.a.ld : 1,
                    .segment = no_offset,
                    .segments = 1,
                    .segment_length = p.k,
                    .b = p.b.data,
                    .b_step = p.b.ld,
                    .c = c,
                    .c_pitch = tile_cols<T>,
                    .accumulate = false,
                    .kernels = p.kernels};
  for (std::int64_t j = 0; j < p.n; j += tile_cols<T>, args.b += tile_cols<T>) {
    const std::int64_t cols = std::min<std::int64_t>(tile_cols<T>, p.n - j);
    args.last_lanes = cols > w ? cols - w : cols;
    args.a = p.a.data;
    for (std::int64_t i = 0; i < p.m; i += height, args.a += height * args.a_row)
      run_tile_to_sink(args, p.sink, std::min(height, p.m - i), i, 1, j, cols);
  }
}

inline constexpr int dot_rows = 4;

/// Lane i of the result is the sum of the lanes of v[i]; destroys v.
template <class T>
[[gnu::always_inline]] inline vec<T> sum_vectors(vec<T>* v) {
  constexpr int w = lanes<T>;
  typedef T native __attribute__((vector_size(sizeof(T) * static_cast<std::size_t>(w))));
  // In the round of step s, v[i] and v[i + s] become one: lanes without the bit s belong to the first.
  constexpr int rounds = w == 16 ? 4 : w == 8 ? 3 : w == 4 ? 2 : 1;
  unroll<rounds>([&](auto round) __attribute__((always_inline)) {
    constexpr int s = 1 << round;
    unroll<w / 2>([&](auto q) __attribute__((always_inline)) {
      constexpr int i = q / s * 2 * s;
      if constexpr (q % s == 0) {
        native x, y, z;
        std::memcpy(&x, &v[i], sizeof(native));
        std::memcpy(&y, &v[i + s], sizeof(native));
        [&]<int... L>(std::integer_sequence<int, L...>) __attribute__((always_inline)) {
          z = shuffle<((L & s) == 0 ? L : w + L - s)...>(x, y) + shuffle<((L & s) == 0 ? L + s : w + L)...>(x, y);
        }
        (std::make_integer_sequence<int, w>{});
        std::memcpy(&v[i], &z, sizeof(native));
      }
    });
  });
  return v[0];
}

/// Keeps the compiler from loading a vector again for every use: two loads per cycle are all there is.
template <class V>
[[gnu::always_inline]] inline void keep_in_register([[maybe_unused]] V& v) {
#if defined(__GNUC__) && defined(__AVX512F__)
  asm("" : "+v"(v.data));
#endif
}

/// sums[4 r + q] = dot(a row r, b[q]) over k elements, for MR rows of A and four rows of B.
template <class T, int MR>
[[gnu::noinline]] void dot_kernel(const T* a, std::int64_t a_ld, const T* const* b, std::int64_t k, T* sums) {
  using V = vec<T>;
  constexpr int w = lanes<T>, nq = dot_rows, count = static_cast<int>(round_up(MR * nq, w));
  V acc[std::size_t{count}];
  unroll<count>([&](auto i) __attribute__((always_inline)) { acc[i] = V(T(0)); });
  const auto step = [&](auto&& load) __attribute__((always_inline)) {
    V av[std::size_t{MR}];
    unroll<MR>([&](auto r) __attribute__((always_inline)) { av[r] = load(a + r * a_ld); });
    unroll<nq>([&](auto q) __attribute__((always_inline)) {
      V bv = load(b[q]);
      keep_in_register(bv);
      unroll<MR>([&](auto r)
                     __attribute__((always_inline)) { acc[r * nq + q] = multiply_add(av[r], bv, acc[r * nq + q]); });
    });
  };
  std::int64_t kk = 0;
  for (; kk + w <= k; kk += w) step([&](const T* p) __attribute__((always_inline)) { return V::load_unaligned(p + kk); });
  if (kk < k) step([&](const T* p) __attribute__((always_inline)) { return load_lanes(p + kk, k - kk); });
  unroll<count / w>([&](auto g) __attribute__((always_inline)) {
    sum_vectors<T>(acc + g * w).store_unaligned(sums + g * w);
  });
}
/// sums[q] = dot(a, row q of b) for as many rows of B as a vector has lanes.
template <class T>
[[gnu::noinline]] void dot_row_kernel(const T* a, const T* b, std::int64_t b_ld, std::int64_t k, T* sums) {
  using V = vec<T>;
  constexpr int w = lanes<T>, groups = (w + 3) / 4;  // of four rows, which share a pointer
  V acc[std::size_t{w}];
  unroll<w>([&](auto i) __attribute__((always_inline)) { acc[i] = V(T(0)); });
  const T* from[std::size_t{groups}];
  unroll<groups>([&](auto g) __attribute__((always_inline)) { from[g] = b + 4 * g * b_ld; });
  const auto step = [&](auto&& load) __attribute__((always_inline)) {
    const V av = load(a);
    unroll<groups>([&](auto g) __attribute__((always_inline)) { opaque(from[g]); });
    unroll<w>([&](auto q) __attribute__((always_inline)) { acc[q] = multiply_add(av, load(from[q / 4] + q % 4 * b_ld), acc[q]); });
  };
  std::int64_t left = k;
  for (; left >= w; left -= w) {
    step([&](const T* p) __attribute__((always_inline)) { return V::load_unaligned(p); });
    a += w;
    unroll<groups>([&](auto g) __attribute__((always_inline)) { from[g] += w; });
  }
  if (left > 0) step([&](const T* p) __attribute__((always_inline)) { return load_lanes(p, left); });
  sum_vectors<T>(acc).store_unaligned(sums);
}
template <class T>
inline void dots(std::int64_t rows, const T* a, std::int64_t a_ld, const T* const* b, std::int64_t k, T* sums) {
  switch (rows) {
    case 1: return dot_kernel<T, 1>(a, a_ld, b, k, sums);
    case 2: return dot_kernel<T, 2>(a, a_ld, b, k, sums);
    case 3: return dot_kernel<T, 3>(a, a_ld, b, k, sums);
    default: return dot_kernel<T, 4>(a, a_ld, b, k, sums);
  }
}

/// Up to four rows and a plain transposed B: dot products of rows, so that B streams past once.
template <class T>
[[gnu::noinline]] void matmul_dots(const product<T>& p) {
  const std::int64_t m = p.m, n = p.n, k = p.k;
  constexpr std::int64_t task_cols = 8 * dot_rows * lanes<T> / 4;
  const std::int64_t a_ld = round_up(k, lanes<T>);
  const call_scratch<T> scratch(m * a_ld, dot_rows * task_cols);
  T* const copy = scratch.shared();
  const T* rows = copy;
  if (m == 1 && p.a.in_memory() && (!p.trans_a || p.a.ld == 1)) {
    rows = p.a.data;
  } else if (p.trans_a) {
    T column[dot_rows];
    for (std::int64_t kk = 0; kk < k; ++kk) {
      const T* from = p.a.segment(kk, 0, m, column);
      for (std::int64_t i = 0; i < m; ++i) copy[i * a_ld + kk] = from[i];
    }
  } else {
    for (std::int64_t i = 0; i < m; ++i) {
      T* to = copy + i * a_ld;
      const T* from = p.a.segment(i, 0, k, to);
      if (from != to) copy_elements(to, from, k);
    }
  }
  // Short rows of B go past many at a time; long ones would be more streams than the processor follows.
  const bool many = m == 1 && k * static_cast<std::int64_t>(sizeof(T)) <= 2048 && !crowded<T>(p.b.ld);
  const std::int64_t grain = task_grain(8 * std::min(n, task_cols) * k);
  parallel_for(ceil_div(n, task_cols), grain, [&](std::int64_t task0, std::int64_t task1) {
    scratch.with_task_scratch([&](T* sums) {
      alignas(64) T four[static_cast<std::size_t>(round_up(dot_rows * dot_rows, lanes<T>))];
      for (std::int64_t j0 = task0 * task_cols; j0 < std::min(n, task1 * task_cols); j0 += task_cols) {
        const std::int64_t cols = std::min(task_cols, n - j0);
        std::int64_t j = 0;
        for (; many && j + lanes<T> <= cols; j += lanes<T>) dot_row_kernel(rows, p.b.data + (j0 + j) * p.b.ld, p.b.ld, k, sums + j);
        for (; j < cols; j += dot_rows) {
          const T* from[dot_rows];
          for (int q = 0; q < dot_rows; ++q) from[q] = p.b.data + (j0 + std::min(j + q, cols - 1)) * p.b.ld;
          dots(m, rows, a_ld, from, k, four);
          for (std::int64_t i = 0; i < m; ++i)
            for (std::int64_t q = 0; q < std::min<std::int64_t>(dot_rows, cols - j); ++q)
              sums[i * task_cols + j + q] = four[i * dot_rows + q];
        }
        p.sink.finish(sums, task_cols, m, 0, 1, j0, cols);
      }
    });
  });
}

/// Up to four columns, with A in memory: the same with the roles exchanged.
template <class T>
[[gnu::noinline]] void matmul_narrow(const product<T>& p) {
  const std::int64_t m = p.m, n = p.n, k = p.k;
  constexpr std::int64_t w = lanes<T>, room = round_up(dot_rows * dot_rows, w);
  const bool in_place = p.trans_b && p.b.in_memory();
  const std::int64_t pitch = in_place ? p.b.ld : round_up(k, w) + w;  // not a power of two
  const call_scratch<T> scratch(in_place ? 0 : n * pitch, round_up(dot_rows, w) * dot_rows);
  T* const copy = scratch.shared();
  if (!in_place && p.trans_b) {
    for (std::int64_t j = 0; j < n; ++j) {
      T* to = copy + j * pitch;
      const T* from = p.b.segment(j, 0, k, to);
      if (from != to) copy_elements(to, from, k);
    }
  } else if (!in_place) {
    T row[dot_rows];
    for (std::int64_t l = 0; l < k; ++l) {
      const T* from = p.b.segment(l, 0, n, row);
      for (std::int64_t j = 0; j < n; ++j) copy[j * pitch + l] = from[j];
    }
  }
  const T* const columns = in_place ? p.b.data : copy;
  parallel_for(ceil_div(m, dot_rows), task_grain(8 * dot_rows * k), [&](std::int64_t g0, std::int64_t g1) {
    scratch.with_task_scratch([&](T* own) {
      constexpr std::int64_t step = round_up(dot_rows, w);
      alignas(64) T sums[static_cast<std::size_t>(room)];
      for (std::int64_t i0 = g0 * dot_rows; i0 < std::min(m, g1 * dot_rows); i0 += dot_rows) {
        const std::int64_t rows = std::min<std::int64_t>(dot_rows, m - i0);
        const T* a[dot_rows];
        for (std::int64_t r = 0; r < dot_rows; ++r) a[r] = p.a.data + (i0 + std::min(r, rows - 1)) * p.a.ld;
        dots(n, columns, pitch, a, k, sums);
        for (std::int64_t r = 0; r < rows; ++r)
          for (std::int64_t j = 0; j < n; ++j) own[r * step + j] = sums[j * dot_rows + r];
        p.sink.finish(own, step, rows, i0, 1, 0, n);
      }
    });
  });
}

template <class T>
void multiply(const product<T>& p);
/// A transposed B of so few elements is turned round first, which takes less than packing.
inline constexpr std::int64_t few_elements = 512;
template <class T>
[[gnu::noinline]] void matmul_turned(const product<T>& p) {
  alignas(64) T b[static_cast<std::size_t>(few_elements)];
  for (std::int64_t j = 0; j < p.n; ++j)
    for (std::int64_t l = 0; l < p.k; ++l) b[l * p.n + j] = p.b.data[j * p.b.ld + l];
  product<T> q = p;
  q.trans_b = false, q.b.data = b, q.b.ld = p.n;
  multiply(q);
}

/// Rows of few numbers by a matrix that fits into the registers.
template <class T>
[[gnu::noinline]] void matmul_few(const product<T>& p) {
  constexpr std::int64_t w = lanes<T>, together = 128;
  alignas(64) T b[static_cast<std::size_t>(narrow_depth * w)], c[static_cast<std::size_t>(together * w)];
  for (std::int64_t l = 0; l < p.k; ++l) (p.trans_b ? vec<T>(T(0)) : load_lanes(p.b.data + l * p.b.ld, p.n)).store_aligned(b + l * w);
  if (p.trans_b)
    for (std::int64_t j = 0; j < p.n; ++j)
      for (std::int64_t l = 0; l < p.k; ++l) b[l * w + j] = p.b.data[j * p.b.ld + l];
  for (std::int64_t i = 0; i < p.m; i += together) {
    const std::int64_t rows = std::min(together, p.m - i);
    narrow_rows(p.k, p.a.data + i * p.a.ld, p.a.ld, b, rows, c);
    p.sink.finish(c, w, rows, i, 1, 0, p.n);
  }
}

template <class T>
[[gnu::noinline]] void multiply(const product<T>& p) {
  if (p.m <= 0 || p.n <= 0) return;
  const bool dots = p.kernels == &kernels_of<fused_multiply_add, T>::table;
  if (dots && p.n == 1 && p.m > 1 && p.k > 0 && p.sink.direct != nullptr && p.sink.direct_ld == 1 && p.a.in_memory())
    return multiply<T>({1, p.m, p.k, !p.trans_b, !p.trans_a, p.b, p.a, p.sink, p.kernels});  // a column is a row
  if (p.k <= 0) zero_result(p.m, p.n, p.sink);
  else if (masked_tiles && dots && p.m > narrow_depth && p.n <= lanes<T> && p.k <= narrow_depth && !p.trans_a && p.a.in_memory() && p.b.in_memory() &&
           2 * p.m * p.n * p.k <= flops_per_task)
    matmul_few(p);
  else if (masked_tiles && p.m <= 64 && p.k <= 64 && p.m > 1 && p.n <= 64 && p.a.in_memory() && p.b.in_memory() && !p.trans_b)
    matmul_small(p);
  else if (dots && p.b.in_memory() && p.trans_b && p.m <= dot_rows) matmul_dots(p);
  else if (dots && p.a.in_memory() && !p.trans_a && p.n <= dot_rows && p.k >= 8 * lanes<T>) matmul_narrow(p);
  else if (dots && p.b.in_memory() && p.trans_b && p.n * p.k <= few_elements) matmul_turned(p);
  else if (p.b.in_memory() && !p.trans_b && (p.m <= tile_rows || (p.n * p.k <= 65536 && p.m <= (crowded<T>(p.b.ld) ? 2 : 64) * tile_rows)))
    matmul_unpacked(p);
  else matmul_packed(p);
}

}  // namespace detail

/// Writes the result to memory: element (i, j) goes to data[i * ld + j].
template <class T>
struct store_epilogue {
  static constexpr bool plain_store = true;
  T* data;
  std::int64_t ld;
  [[nodiscard]] T* memory() const { return data; }
  [[nodiscard]] std::int64_t row_step() const { return ld; }
  template <class V>
  void operator()(std::int64_t i, std::int64_t j, V acc) const {
    acc.store_unaligned(data + i * ld + j);
  }
  template <class V>
  void tail(std::int64_t i, std::int64_t j, V acc, std::int64_t n) const {
    detail::store_lanes(data + i * ld + j, acc, n);
  }
};

/// C = op(A) op(B) with C m x n and k terms in each sum; op transposes where its flag says so, that is, A is stored
/// [m, k] or, transposed, [k, m], and B [k, n] or [n, k]. See the top of this file for operands and epilogue.
template <bool TransA, bool TransB, class T, class A, class B, class E>
void matmul(std::int64_t m, std::int64_t n, std::int64_t k, const A& a, const B& b, const E& epilogue) {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "matmul multiplies float or double matrices");
  detail::multiply<T>({m, n, k, TransA, TransB, detail::operand_ref<T>::of(a), detail::operand_ref<T>::of(b),
                       detail::tile_sink<T>::of(epilogue)});
}

}  // namespace rill::kernel

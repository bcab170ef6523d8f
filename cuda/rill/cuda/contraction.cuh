// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Contractions on a device: C(i, j) = sum over k of A(i, k) B(k, j), where A and B are anything that a "side" can read - a
/// matrix, an expression, the patches of an image (convolution.cuh) - and an epilogue takes the elements of C.
///
///   matmul<float>(device, m, n, k, false, true, plain_operand<float>{a, k}, plain_operand<float>{b, k}, epilogue);
///   matmul<float, precision::tf32>(device, ...);
///
/// A block computes a tile of C: of 128 x 128, 128 x 64, 64 x 64 or 128 x 32 elements the size that promises to be fastest.
/// Slices of A and B wait in shared memory, the next while the present one is multiplied; a thread keeps its part of the tile
/// in registers. Where there are too few tiles for the device, k is cut in parts whose sums a second kernel adds in order: a
/// result does not depend on what runs when, and is the same for the same sizes on the same device.
///
/// Precision: float is multiplied and summed as such unless the caller allows less. Then products are those of the rounded
/// operands, exact, and sums are float: tf32 keeps 11 bits (relative error of an operand 2^-12), half 11 bits within its
/// range, bfloat16 8 bits (2^-9). half and bfloat16 matrices always go this way: nothing of them is lost. double is double.
///
/// A side has `type`, `along_k()` (whether neighbours in memory follow k), `at(x)` - what it keeps of row or column x - and
/// load<V>(at, k, count, v): V values, along k or along x, of which `count` exist; others are not looked at.

#include <rill/core/bfloat16.hpp>
#include <rill/core/error.hpp>

#include "tile.cuh"

namespace rill::cuda {

/// What a contraction of floats may round its operands to.
enum class precision { float32, tf32, half, bfloat16 };

namespace detail {

/// A matrix as a side: element (x, k) at operand (x, k), or (k, x) where `transposed`.
template <class Operand>
struct matrix_side {
  using type = typename Operand::type;
  Operand operand;
  bool rows_of_k = true, wide = false;

  matrix_side() = default;
  /// `inner` is the extent of the operand's rows.
  matrix_side(const Operand& o, bool transposed, std::int64_t inner)
      : operand(o), rows_of_k(!transposed), wide(inner % group_size<type> == 0 && o.template is_wide<group_size<type>>()) {}

  [[nodiscard]] RILL_GPU bool along_k() const { return rows_of_k; }
  [[nodiscard]] RILL_GPU std::uint32_t at(std::uint32_t x) const { return x; }
  template <int V>
  RILL_GPU void load(std::uint32_t x, std::uint32_t k, std::uint32_t count, type* v) const {
    operand.template several<V>(rows_of_k ? x : k, rows_of_k ? k : x, count, wide, v);
  }
};

/// Matrices of a batch as a side, of which a block takes its own. Batch axes may be broadcast.
template <class T>
struct batch_side {
  using type = T;
  matrix_side<plain_operand<T>> first;
  int rank;
  divider extents[max_rank];
  std::int64_t strides[max_rank];  ///< in elements

  batch_side(const T* data, bool transposed, std::int64_t rows, std::int64_t columns, int batch_rank, const std::int64_t* batch_extents, const std::int64_t* matrices)
      : first({data, columns}, transposed, columns), rank(batch_rank) {
    for (int d = 0; d < max_rank; ++d) {
      extents[d] = divider(d < rank ? static_cast<std::uint32_t>(batch_extents[d]) : 1);
      strides[d] = d < rank ? matrices[d] * rows * columns : 0;
      first.wide = first.wide && strides[d] % group_size<T> == 0;
    }
  }
};
/// The side that a block reads.
template <class Side>
RILL_GPU const Side& of_batch(const Side& s, std::uint32_t) {
  return s;
}
template <class T>
RILL_GPU matrix_side<plain_operand<T>> of_batch(const batch_side<T>& s, std::uint32_t i) {
  auto r = s.first;
  for (int d = s.rank - 1; d >= 0; --d) r.operand.data += s.extents[d].divide(i) * s.strides[d];
  return r;
}
template <class Side>
using side_of = std::remove_cvref_t<decltype(of_batch(std::declval<const Side&>(), 0))>;

// ---- the tile of a block and its arithmetic ------------------------------------------------------------------------------

/// Sums in T: 8 x 4 lanes with Rows x Columns groups of neighbours each, in Down x Across warps.
template <class T, int Down, int Across, int Rows, int Columns>
struct scalar_math {
  using sum = T;
  using word = T;
  static constexpr int V = group_size<T>, threads = 32 * Down * Across, depth = 16, words = depth;
  static constexpr int rows = Down * 4 * V * Rows, columns = Across * 8 * V * Columns;
  static constexpr int row_pitch = rows + V, column_pitch = columns + V;
  /// The rows come out in pieces.
  static constexpr int pieces = Rows, piece_rows = rows / pieces;

  struct sums {
    T c[room<Rows * V>][room<Columns * V>] = {};
  };

  template <int Pitch, class F>
  static RILL_GPU void keep_along_k(word* tile, int k, int x, const F* v) {
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) tile[(k + e) * Pitch + x] = static_cast<T>(v[e]);
  }
  template <int Pitch, class F>
  static RILL_GPU void keep_along_x(word* tile, int k, int x, const F* v) {
    T w[room<V>];
    RILL_GPU_UNROLL
    for (int e = 0; e < V; ++e) w[e] = static_cast<T>(v[e]);
    put<V>(tile + k * Pitch + x, w);
  }
  template <class Threads>
  static RILL_GPU void multiply(const Threads& t, const word* a, const word* b, sums& s) {
    const int i = row(t), j = column(t);
    RILL_GPU_UNROLL
    for (int k = 0; k < depth; ++k) {
      T x[room<Rows * V>], y[room<Columns * V>];
      RILL_GPU_UNROLL
      for (int g = 0; g < Rows; ++g) get<V>(a + k * row_pitch + g * piece_rows + i, V, true, x + g * V);
      RILL_GPU_UNROLL
      for (int g = 0; g < Columns; ++g) get<V>(b + k * column_pitch + g * (columns / Columns) + j, V, true, y + g * V);
      RILL_GPU_UNROLL
      for (int p = 0; p < Rows * V; ++p) {
        RILL_GPU_UNROLL
        for (int q = 0; q < Columns * V; ++q) s.c[p][q] += x[p] * y[q];
      }
    }
  }
  template <class Threads>
  static RILL_GPU void write(const Threads& t, const sums& s, int piece, sum* to, int pitch) {
    RILL_GPU_UNROLL
    for (int p = 0; p < Rows * V; ++p) {
      if (p / V != piece) continue;
      RILL_GPU_UNROLL
      for (int g = 0; g < Columns; ++g) put<V>(to + (row(t) + p % V) * pitch + g * (columns / Columns) + column(t), s.c[p] + g * V);
    }
  }

 private:
  template <class Threads>
  static RILL_GPU int row(const Threads& t) {
    return static_cast<int>(t.warp() / Across * 4 + t.lane() / 8) * V;
  }
  template <class Threads>
  static RILL_GPU int column(const Threads& t) {
    return static_cast<int>(t.warp() % Across * 8 + t.lane() % 8) * V;
  }
};

/// Two numbers of two bytes.
struct alignas(4) number_pair {
  std::uint16_t v[2];
};

/// x as a number of the matrix unit, as its bits.
template <mma_type K>
RILL_GPU std::uint32_t rounded(float x) {
  if constexpr (K == mma_type::tf32) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    std::uint32_t r;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x));
    return r;
#else
    return x == x ? (std::bit_cast<std::uint32_t>(x) + 0x1000u) & ~0x1fffu : 0x7fffe000u;
#endif
  } else if constexpr (K == mma_type::half) {
#if defined(__CUDA_ARCH__)
    std::uint16_t r;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r) : "f"(x));
    return r;
#else
    return half(x).bits;
#endif
  } else {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    std::uint16_t r;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r) : "f"(x));
    return r;
#else
    return bfloat16(x).bits;
#endif
  }
}
template <mma_type K>
RILL_GPU std::uint32_t rounded(half x) {
  static_assert(K == mma_type::half);
  return x.bits;
}
template <mma_type K>
RILL_GPU std::uint32_t rounded(bfloat16 x) {
  static_assert(K == mma_type::bfloat16);
  return x.bits;
}

/// Products by the matrix units: Down x Across warps with Rows x Columns results of 16 x 8 each.
template <mma_type K, int Down, int Across, int Rows, int Columns>
struct matrix_math {
  static constexpr int packed = K == mma_type::tf32 ? 1 : 2;
  using sum = float;
  using word = std::conditional_t<packed == 1, std::uint32_t, number_pair>;
  static constexpr int V = 4, threads = 32 * Down * Across, words = 16, depth = words * packed;
  static constexpr int rows = Down * 16 * Rows, columns = Across * 8 * Columns;
  static constexpr int row_pitch = rows + 8, column_pitch = columns + 8;  // lanes of a warp meet each bank once
  static constexpr int pieces = Rows, piece_rows = 16 * Down;

  struct sums {
    float c[room<Rows>][room<Columns>][4] = {};
  };

  template <int Pitch, class F>
  static RILL_GPU void keep_along_k(word* tile, int k, int x, const F* v) {
    RILL_GPU_UNROLL
    for (int e = 0; e < V; e += packed) {
      word& w = tile[(k + e) / packed * Pitch + x];
      if constexpr (packed == 1) w = rounded<K>(v[e]);
      else w = {static_cast<std::uint16_t>(rounded<K>(v[e])), static_cast<std::uint16_t>(rounded<K>(v[e + 1]))};
    }
  }
  template <int Pitch, class F>
  static RILL_GPU void keep_along_x(word* tile, int k, int x, const F* v) {
    if constexpr (packed == 1) {
      word w[V];
      RILL_GPU_UNROLL
      for (int e = 0; e < V; ++e) w[e] = rounded<K>(v[e]);
      put<V>(tile + k * Pitch + x, w);
    } else {
      RILL_GPU_UNROLL
      for (int e = 0; e < V; ++e) tile[k / 2 * Pitch + x + e].v[k % 2] = static_cast<std::uint16_t>(rounded<K>(v[e]));
    }
  }
  template <class Threads>
  static RILL_GPU void multiply(const Threads& t, const word* a, const word* b, sums& s) {
    const int g = static_cast<int>(t.lane() / 4), q = static_cast<int>(t.lane() % 4);
    const word* const x = a + q * row_pitch + row(t) + g;
    const word* const y = b + q * column_pitch + column(t) + g;
    RILL_GPU_UNROLL
    for (int k = 0; k < words; k += 8) {
      std::uint32_t p[room<Rows>][4], r[room<Columns>][2];
      RILL_GPU_UNROLL
      for (int i = 0; i < Rows; ++i) {
        RILL_GPU_UNROLL
        for (int h = 0; h < 4; ++h) p[i][h] = std::bit_cast<std::uint32_t>(x[(k + h / 2 * 4) * row_pitch + i * piece_rows + h % 2 * 8]);
      }
      RILL_GPU_UNROLL
      for (int j = 0; j < Columns; ++j) {
        RILL_GPU_UNROLL
        for (int h = 0; h < 2; ++h) r[j][h] = std::bit_cast<std::uint32_t>(y[(k + h * 4) * column_pitch + j * 8 * Across]);
      }
      RILL_GPU_UNROLL
      for (int i = 0; i < Rows; ++i) {
        RILL_GPU_UNROLL
        for (int j = 0; j < Columns; ++j) t.template mma<K>(s.c[i][j], p[i], r[j]);
      }
    }
  }
  template <class Threads>
  static RILL_GPU void write(const Threads& t, const sums& s, int piece, sum* to, int pitch) {
    const int i = row(t) + static_cast<int>(t.lane() / 4), j = column(t) + static_cast<int>(t.lane() % 4) * 2;
    RILL_GPU_UNROLL
    for (int r = 0; r < Rows; ++r) {
      if (r != piece) continue;
      RILL_GPU_UNROLL
      for (int c = 0; c < Columns; ++c) {
        put<2>(to + i * pitch + j + c * 8 * Across, s.c[r][c]);
        put<2>(to + (i + 8) * pitch + j + c * 8 * Across, s.c[r][c] + 2);
      }
    }
  }

 private:
  template <class Threads>
  static RILL_GPU int row(const Threads& t) {
    return static_cast<int>(t.warp() / Across) * 16;
  }
  template <class Threads>
  static RILL_GPU int column(const Threads& t) {
    return static_cast<int>(t.warp() % Across) * 8;
  }
};

// ---- the kernel ----------------------------------------------------------------------------------------------------------

/// Whether neighbours in memory are never terms of one sum.
template <class Side>
inline constexpr bool only_along_x = false;
template <class Side>
  requires(!Side::along_k())
inline constexpr bool only_along_x<Side> = true;

/// What a thread brings of one side, whose tile has X rows or columns: groups of V neighbours, along k or along x.
template <class Math, class Side, int X, int Pitch>
struct carrier {
  using T = typename Side::type;
  static constexpr int V = Math::V, groups = X * Math::depth / V, passes = (groups + Math::threads - 1) / Math::threads;
  static constexpr int per_row = Math::depth / V, per_column = X / V;  // groups
  static_assert(Math::threads % per_row == 0 && (per_column % Math::threads == 0 || Math::threads % per_column == 0));

  decltype(std::declval<const Side&>().at(0)) at[only_along_x<Side> ? 1 : room<passes>];
  struct words {
    std::uint32_t w[room<V * static_cast<int>(sizeof(T)) / 4>];
  };
  words brought[room<passes>];  // not T: two numbers of two bytes shall wait in one register
  int x, k;  ///< in the tile, of the first pass
  bool some;  ///< whether there is anything to bring for this thread

  RILL_GPU carrier(const Side& s, std::uint32_t thread, std::uint32_t first) {
    const int n = static_cast<int>(thread);
    some = groups % Math::threads == 0 || n < groups;
    x = s.along_k() ? n / per_row : n % per_column * V;
    k = s.along_k() ? n % per_row * V : n / per_column;
    RILL_GPU_UNROLL
    for (int p = 0; p < (only_along_x<Side> ? 1 : passes); ++p) at[p] = s.at(first + static_cast<std::uint32_t>(x + x_step(s, p)));
  }
  /// Reads k in [begin, end), as much of it as the tile takes.
  RILL_GPU void fetch(const Side& s, std::uint32_t first, std::uint32_t extent, std::uint32_t begin, std::uint32_t end) {
    RILL_GPU_UNROLL
    for (int p = 0; p < passes; ++p) {
      const std::uint32_t i = first + static_cast<std::uint32_t>(x + x_step(s, p)), l = begin + static_cast<std::uint32_t>(k + k_step(s, p));
      std::uint32_t count = 0;
      if (some && i < extent && l < end) count = s.along_k() ? end - l : extent - i;
      access<T, V> a;
      if (count > 0) s.template load<V>(at[only_along_x<Side> ? 0 : p], l, count, a.v);
      RILL_GPU_UNROLL
      for (int e = 0; e < V; ++e)
        if (static_cast<std::uint32_t>(e) >= count) a.v[e] = T(0.f);
      brought[p] = std::bit_cast<words>(a);
    }
  }
  RILL_GPU void keep(const Side& s, typename Math::word* tile) const {
    if (!some) return;
    RILL_GPU_UNROLL
    for (int p = 0; p < passes; ++p) {
      const auto a = std::bit_cast<access<T, V>>(brought[p]);
      if (s.along_k()) Math::template keep_along_k<Pitch>(tile, k, x + x_step(s, p), a.v);
      else Math::template keep_along_x<Pitch>(tile, k + k_step(s, p), x, a.v);
    }
  }

 private:
  static RILL_GPU int x_step(const Side& s, int pass) { return s.along_k() ? pass * (Math::threads / per_row) : 0; }
  static RILL_GPU int k_step(const Side& s, int pass) { return s.along_k() ? 0 : pass * (Math::threads / per_column); }
};

template <class Math, class A, class B, class E>
struct contraction_kernel {
  static constexpr bool synchronizes = true;
  static constexpr int most_threads = Math::threads, blocks_per_processor = sizeof(typename Math::sum) == 8 || Math::rows * Math::columns > 64 * 64 ? 2 : 3;
  static constexpr int stage_pitch = Math::columns + group_size<typename Math::sum>;
  union shared {
    struct {
      typename Math::word a[2][room<Math::words * Math::row_pitch>], b[2][room<Math::words * Math::column_pitch>];
    } slices;
    typename Math::sum stage[room<Math::piece_rows * stage_pitch>];
  };

  A a;
  B b;
  E epilogue;
  std::uint32_t m, n, k;
  std::uint32_t part;   ///< how much of k a block sums, if not all: part block_y(), whose results are rows block_y() * m and on
  std::uint32_t first;  ///< product of a batch, whose rows follow on those of the one before
  bool wide;            ///< the epilogue takes groups

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    auto& s = t.template shared<shared>();
    // Blocks that run together share rows and columns: they go through eight rows of tiles, column by column.
    const std::uint32_t down = (m + Math::rows - 1) / Math::rows, across = (n + Math::columns - 1) / Math::columns;
    const std::uint32_t band = t.block() / (8 * across) * 8, high = down - band < 8 ? down - band : 8, in_band = t.block() - band * across;
    const std::uint32_t i0 = (band + in_band % high) * Math::rows, j0 = in_band / high * Math::columns;
    const std::uint32_t begin = part < k ? t.block_y() * part : 0, end = k - begin < part ? k : begin + part;

    const auto& x = of_batch(a, first + t.block_y());
    const auto& y = of_batch(b, first + t.block_y());
    carrier<Math, side_of<A>, Math::rows, Math::row_pitch> rows(x, t.thread(), i0);
    carrier<Math, side_of<B>, Math::columns, Math::column_pitch> columns(y, t.thread(), j0);
    typename Math::sums sums;
    rows.fetch(x, i0, m, begin, end);
    columns.fetch(y, j0, n, begin, end);
    rows.keep(x, s.slices.a[0]);
    columns.keep(y, s.slices.b[0]);
    t.sync();
    int now = 0;
    RILL_GPU_ROLLED
    for (std::uint32_t l = begin + Math::depth;; l += Math::depth, now ^= 1) {
      const bool more = l < end;
      if (more) {
        rows.fetch(x, i0, m, l, end);
        columns.fetch(y, j0, n, l, end);
      }
      Math::multiply(t, s.slices.a[now], s.slices.b[now], sums);
      if (!more) break;
      rows.keep(x, s.slices.a[now ^ 1]);
      columns.keep(y, s.slices.b[now ^ 1]);
      t.sync();
    }
    finish(t, s.stage, sums, i0, j0);
  }

 private:
  /// Hands the tile to the epilogue, piece by piece, by way of shared memory: so a warp writes rows, and the epilogue's code
  /// is there once, not once for every register.
  template <class Threads>
  RILL_GPU void finish(const Threads& t, typename Math::sum* stage, const typename Math::sums& sums, std::uint32_t i0, std::uint32_t j0) const {
    using T = typename E::type;
    constexpr int V = group_size<typename Math::sum>, columns = Math::columns;
    const int width = n - j0 < columns ? static_cast<int>(n - j0) : columns;
    const std::int64_t above = (static_cast<std::int64_t>(first) + t.block_y()) * m;
    RILL_GPU_ROLLED
    for (int piece = 0; piece < Math::pieces; ++piece) {
      t.sync();
      Math::write(t, sums, piece, stage, stage_pitch);
      t.sync();
      const std::uint32_t top = i0 + static_cast<std::uint32_t>(piece * Math::piece_rows);
      const int height = top >= m ? 0 : m - top < Math::piece_rows ? static_cast<int>(m - top) : Math::piece_rows;
      if (wide) {
        RILL_GPU_ROLLED
        for (int e = static_cast<int>(t.thread()); e < height * (columns / V); e += Math::threads) {
          const int r = e / (columns / V), c = e % (columns / V) * V;
          if (c >= width) continue;
          typename Math::sum x[room<V>];
          T y[room<V>];
          get<V>(stage + r * stage_pitch + c, V, true, x);
          RILL_GPU_UNROLL
          for (int p = 0; p < V; ++p) y[p] = static_cast<T>(x[p]);
          epilogue.template several<V>(above + top + static_cast<std::uint32_t>(r), j0 + static_cast<std::uint32_t>(c), y);
        }
      } else {
        RILL_GPU_ROLLED
        for (int e = static_cast<int>(t.thread()); e < height * columns; e += Math::threads) {
          const int r = e / columns, c = e % columns;
          if (c >= width) continue;
          epilogue(above + top + static_cast<std::uint32_t>(r), j0 + static_cast<std::uint32_t>(c), static_cast<T>(stage[r * stage_pitch + c]));
        }
      }
    }
  }
};

/// Adds the sums of the parts in order - 1 << bits threads every so manieth of them, then their sums - and runs the epilogue.
template <class S, class E>
struct sum_parts {
  static constexpr bool synchronizes = true;
  static constexpr int V = group_size<S>;
  struct shared {
    alignas(16) S sums[256][static_cast<std::size_t>(V)];
  };

  const S* sums;
  std::int64_t row, part;  ///< elements from row to row, from part to part
  E epilogue;
  std::uint32_t m, n, parts, bits;
  divider groups;  ///< of a row
  bool wide;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    using T = typename E::type;
    auto& s = t.template shared<shared>();
    const std::uint32_t slices = 1u << bits, together = 256u >> bits, slice = t.thread() >> (8 - bits), place = t.thread() & (together - 1);
    std::uint32_t i = t.block() * together + place;
    const std::uint32_t j = groups.divide(i) * V;
    S total[room<V>] = {};
    if (i < m) {
      const S* p = sums + i * row + j + slice * part;
      RILL_GPU_UNROLL_4
      for (std::uint32_t q = slice; q < parts; q += slices, p += slices * part) {
        S x[room<V>];
        get<V>(p, V, true, x);
        RILL_GPU_UNROLL
        for (int e = 0; e < V; ++e) total[e] += x[e];
      }
    }
    put<V>(s.sums[t.thread()], total);
    t.sync();
    if (i >= m || slice > 0) return;
    for (std::uint32_t q = 1; q < slices; ++q) {
      S x[room<V>];
      get<V>(s.sums[q * together + place], V, true, x);
      RILL_GPU_UNROLL
      for (int e = 0; e < V; ++e) total[e] += x[e];
    }
    if (wide) {
      T y[room<V>];
      RILL_GPU_UNROLL
      for (int e = 0; e < V; ++e) y[e] = static_cast<T>(total[e]);
      epilogue.template several<V>(i, j, y);
    } else {
      put<V>(s.sums[t.thread()], total);
      RILL_GPU_ROLLED
      for (std::uint32_t e = 0; e < V && j + e < n; ++e) epilogue(i, j + e, static_cast<T>(s.sums[t.thread()][e]));
    }
  }
};

// ---- choices -------------------------------------------------------------------------------------------------------------

template <class Math>
std::int64_t tiles_of(std::int64_t m, std::int64_t n) {
  return pieces(m, Math::rows) * pieces(n, Math::columns);
}

template <class Math, class E, class A, class B, class Device>
void launch_contraction(Device& device, const A& a, const B& b, const E& e, std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t part, std::int64_t along_y) {
  using K = contraction_kernel<Math, A, B, E>;
  constexpr int V = group_size<typename Math::sum>;
  const auto u = [](std::int64_t x) { return static_cast<std::uint32_t>(x); };
  for (std::int64_t first = 0; first < along_y; first += 65535)  // as many as a launch can have
    device.launch(K{a, b, e, u(m), u(n), u(k), u(part), u(first), n % V == 0 && e.template is_wide<V>()},
                  {.blocks = u(tiles_of<Math>(m, n)), .blocks_y = u(along_y - first < 65535 ? along_y - first : 65535), .threads = Math::threads});
}

/// How long the parts are that k is cut in: all of it, but where tiles leave processors without work and k is worth a second
/// kernel.
template <class Math>
std::int64_t part_of(std::int64_t tiles, std::int64_t k, std::int64_t count, std::int64_t processors) {
  constexpr std::int64_t shortest = 128;
  if (count > 1 || k < 4 * shortest || tiles >= processors) return k;
  const std::int64_t wanted = pieces(2 * processors, tiles), most = k / shortest;
  return pieces(pieces(k, wanted < most ? wanted : most), Math::depth) * Math::depth;
}

template <class Math, class A, class B, class E, class Device>
void contract_by(Device& device, std::int64_t m, std::int64_t n, std::int64_t k, const A& a, const B& b, const E& e, std::int64_t count) {
  using S = typename Math::sum;
  constexpr std::int64_t V = group_size<S>;
  const std::int64_t part = part_of<Math>(tiles_of<Math>(m, n), k, count, device.processors());
  if (part >= k) return launch_contraction<Math>(device, a, b, e, m, n, k, k, count);
  const std::int64_t parts = pieces(k, part), row = pieces(n, V) * V;
  store_epilogue<S> partial;
  auto* sums = static_cast<S*>(device.scratch(static_cast<std::size_t>(parts * m * row) * sizeof(S)));
  partial.output(0, sums, row);
  launch_contraction<Math>(device, a, b, partial, m, n, k, part, parts);
  const std::uint32_t bits = parts > 64 ? 5 : parts > 4 ? 3 : 0;
  const auto u = [](std::int64_t x) { return static_cast<std::uint32_t>(x); };
  device.launch(sum_parts<S, E>{sums, row, m * row, e, u(m), u(n), u(parts), bits, divider(u(row / V)), n % V == 0 && e.template is_wide<static_cast<int>(V)>()},
                {.blocks = u(pieces(m * (row / V), 256 >> bits)), .threads = 256});
}

/// The tiles there are for operands of type F.
template <class F, precision P>
struct maths_of;
template <>
struct maths_of<float, precision::float32> {
  using type = expr::list<scalar_math<float, 4, 2, 2, 2>, scalar_math<float, 4, 2, 2, 1>, scalar_math<float, 4, 2, 1, 1>, scalar_math<float, 8, 1, 1, 1>>;
};
template <precision P>
struct maths_of<double, P> {  // a thread's share of larger ones does not fit its registers
  using type = expr::list<scalar_math<double, 4, 2, 2, 2>, scalar_math<double, 8, 1, 2, 2>>;
};
template <mma_type K>
struct unit_maths {
  using type = expr::list<matrix_math<K, 2, 4, 4, 4>, matrix_math<K, 4, 2, 2, 4>, matrix_math<K, 2, 4, 2, 2>, matrix_math<K, 4, 2, 2, 2>>;
};
template <>
struct maths_of<float, precision::tf32> : unit_maths<mma_type::tf32> {};
template <>
struct maths_of<float, precision::half> : unit_maths<mma_type::half> {};
template <>
struct maths_of<float, precision::bfloat16> : unit_maths<mma_type::bfloat16> {};
template <precision P>
struct maths_of<half, P> : unit_maths<mma_type::half> {};
template <precision P>
struct maths_of<bfloat16, P> : unit_maths<mma_type::bfloat16> {};

/// What a product costs with these tiles: how many of them a processor computes, one after the other, at a pace that grows with
/// their size - a thread with 8 x 8 results reads 1/4 number for each product, one with 4 x 4 reads 1/2.
template <class Math>
double cost_of(std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t count, std::int64_t processors) {
  constexpr int share = Math::rows * Math::columns / Math::threads;
  constexpr double pace = share >= 64 ? 1 : share >= 32 ? 0.85 : 0.65;
  const std::int64_t tiles = tiles_of<Math>(m, n), part = part_of<Math>(tiles, k, count, processors), parts = part >= k ? 1 : pieces(k, part);
  return static_cast<double>(pieces(count * tiles * parts, processors)) / static_cast<double>(parts) * (Math::rows * Math::columns) / pace;
}
template <class... Math, class A, class B, class E, class Device>
void contract_by_best(expr::list<Math...>, Device& device, std::int64_t m, std::int64_t n, std::int64_t k, const A& a, const B& b, const E& e, std::int64_t count) {
  const double costs[] = {cost_of<Math>(m, n, k, count, device.processors())...};
  std::size_t best = 0, at = 0;
  for (std::size_t i = 1; i < sizeof...(Math); ++i)
    if (costs[i] < costs[best]) best = i;
  ((at++ == best ? contract_by<Math>(device, m, n, k, a, b, e, count) : void()), ...);
}

/// C(i, j) = sum over k of A(i, k) B(k, j), for sides of any kind; `count` such products where these are batches. Throws
/// resource_exhausted from 2^31 rows, columns, terms or products.
template <precision P, class A, class B, class E, class Device>
void contract(Device& device, std::int64_t m, std::int64_t n, std::int64_t k, const A& a, const B& b, const E& e, std::int64_t count = 1) {
  constexpr std::int64_t limit = (std::int64_t{1} << 31) - 128;
  if (m <= 0 || n <= 0) return;
  if (m > limit || n > limit || k > limit || count > limit || pieces(m, 64) * pieces(n, 32) > limit)
    throw resource_exhausted("contraction on a device: " + std::to_string(m) + " x " + std::to_string(n) + " sums of " + std::to_string(k) +
                             " terms; none of these may reach 2^31");
  contract_by_best(typename maths_of<typename A::type, P>::type{}, device, m, n, k, a, b, e, count);
}

}  // namespace detail

/// C = op(A) op(B), C m x n with k terms in each sum; op transposes where its flag says so: A is stored [m, k] or, transposed,
/// [k, m], and B [k, n] or [n, k]. T is float, double, half or bfloat16; operands are plain_operand<T> or operand_reader<., T>,
/// the epilogue a tile_epilogue<., T>. Runs when the device comes to it.
template <class T, precision P = precision::float32, class A, class B, class E, class Device>
void matmul(Device& device, std::int64_t m, std::int64_t n, std::int64_t k, bool transpose_a, bool transpose_b, const A& a, const B& b, const E& epilogue) {
  static_assert(std::is_same_v<typename A::type, T> && std::is_same_v<typename B::type, T> && std::is_same_v<typename E::type, T>);
  detail::contract<P>(device, m, n, k, detail::matrix_side<A>(a, transpose_a, transpose_a ? m : k),
                      detail::matrix_side<B>(b, !transpose_b, transpose_b ? k : n), epilogue);
}

/// BatchMatMul: products of matrices in memory, batch axes broadcast, all in one launch. `p` is what kernel/batch_matmul.hpp
/// plans (m, n, k, count, trans_a, trans_b, and rank, extents, a_strides and b_strides of the batch axes in matrices); the rows
/// of the results follow on each other: the epilogue sees row number (product * m + i).
template <class T, precision P = precision::float32, class Plan, class E, class Device>
void batch_matmul(Device& device, const Plan& p, const T* a, const T* b, const E& epilogue) {
  const detail::batch_side<T> x(a, p.trans_a, p.trans_a ? p.k : p.m, p.trans_a ? p.m : p.k, p.rank, p.extents, p.a_strides);
  const detail::batch_side<T> y(b, !p.trans_b, p.trans_b ? p.n : p.k, p.trans_b ? p.k : p.n, p.rank, p.extents, p.b_strides);
  if (p.count > 0) detail::contract<P>(device, p.m, p.n, p.k, x, y, epilogue, p.count);
}

}  // namespace rill::cuda

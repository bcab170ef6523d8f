// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `cuda::scan<R>(device, outer, n, inner, x, y, exclusive, reverse)`: combines all elements up to each along the middle axis
/// of [outer, n, inner] - cumsum, cumprod, cummax, cummin, cumulative_logsumexp (R = ops::sum, prod, max, min, log_sum_exp).
///
///   scan<ops::sum>(device, 1, rows, columns, x, y, false, false);      // y[i, j] = x[0, j] + ... + x[i, j]
///
/// Rows that lie in one piece are taken by blocks, 2048 elements at a time; others by threads, neighbours beside each other.
/// Where there are too few of them, each is cut into pieces, whose totals a reduction finds first. half and bfloat16 are
/// added up as floats.

#include <string>

#include <rill/core/error.hpp>

#include "reduce.cuh"

namespace rill::cuda {

namespace detail {

inline constexpr std::uint32_t scan_items = 8, scan_threads = 256, scan_tile = scan_items * scan_threads;

/// What the blocks of a scan share: pieces of an axis of n elements, and the totals of all but the last of them.
template <class T>
struct scan_axis {
  const T* x;
  T* y;
  const compute_t<T>* totals;
  std::uint32_t n, piece, before;  ///< before: pieces - 1
  bool exclusive, reverse;

  /// Where element i, counted in the scan's order, lies along the axis.
  [[nodiscard]] RILL_GPU std::uint32_t at(std::uint32_t i) const { return reverse ? n - 1 - i : i; }
  [[nodiscard]] RILL_GPU std::uint32_t end(std::uint32_t k) const { return n - k * piece < piece ? n : (k + 1) * piece; }
};

/// inner = 1: a block for each piece of a row.
template <class R, class T>
struct scan_rows : scan_axis<T> {
  using C = compute_t<T>;
  struct shared {
    C tile[scan_tile + scan_tile / 32];  // an element of padding after 32: neighbours in time lie in different banks
    C warps[scan_threads / warp_size];
  };
  static constexpr bool synchronizes = true;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    auto& s = t.template shared<shared>();
    const std::uint32_t p = t.block_y(), end = this->end(p);
    const std::int64_t row = static_cast<std::int64_t>(t.block()) * this->n;
    C carry = R::template identity<C>();
    for (std::uint32_t k = t.lane(); k < p; k += warp_size) carry = R::combine(carry, this->totals[static_cast<std::int64_t>(t.block()) * this->before + k]);
    carry = combine_group<R>(t, carry, p == 0 ? 1 : warp_size);
    for (std::uint32_t first = p * this->piece; first < end; first += scan_tile) {
      for (std::uint32_t k = 0; k < scan_items; ++k) {
        const std::uint32_t i = k * scan_threads + t.thread();
        s.tile[i + i / 32] = first + i < end ? static_cast<C>(this->x[row + this->at(first + i)]) : R::template identity<C>();
      }
      t.sync();
      C v[scan_items];
      for (std::uint32_t k = 0; k < scan_items; ++k) {
        const std::uint32_t i = t.thread() * scan_items + k;
        v[k] = s.tile[i + i / 32];
        if (k > 0) v[k] = R::combine(v[k - 1], v[k]);
      }
      C sum = v[scan_items - 1];  // of this thread and those before it in the warp
      for (std::uint32_t d = 1; d < warp_size; d *= 2) {
        const C earlier = t.shuffle(sum, t.lane() < d ? t.lane() : t.lane() - d);
        if (t.lane() >= d) sum = R::combine(earlier, sum);
      }
      C own = t.shuffle(sum, t.lane() == 0 ? 0 : t.lane() - 1);  // of those before it alone
      if (t.lane() == warp_size - 1) s.warps[t.warp()] = sum;
      t.sync();
      C start = carry;
      for (std::uint32_t w = 0; w < scan_threads / warp_size; ++w) {
        if (w == t.warp()) start = carry;
        carry = R::combine(carry, s.warps[w]);
      }
      if (t.lane() != 0) start = R::combine(start, own);
      for (std::uint32_t k = 0; k < scan_items; ++k) {
        const std::uint32_t i = t.thread() * scan_items + k;
        if (this->exclusive) s.tile[i + i / 32] = k == 0 ? start : R::combine(start, v[k - 1]);
        else s.tile[i + i / 32] = R::combine(start, v[k]);
      }
      t.sync();
      for (std::uint32_t k = 0; k < scan_items; ++k) {
        const std::uint32_t i = k * scan_threads + t.thread();
        if (first + i < end) this->y[row + this->at(first + i)] = static_cast<T>(s.tile[i + i / 32]);
      }
      t.sync();
    }
  }
};

/// A thread for each piece of a column.
template <class R, class T>
struct scan_columns : scan_axis<T> {
  using C = compute_t<T>;
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  std::uint32_t columns;
  divider inner;

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    std::uint32_t o = t.index();
    if (o >= columns) return;
    const std::uint32_t j = inner.divide(o), p = t.block_y(), end = this->end(p), width = inner.value();
    C carry = R::template identity<C>();
    for (std::uint32_t k = 0; k < p; ++k) carry = R::combine(carry, this->totals[(static_cast<std::int64_t>(o) * this->before + k) * width + j]);
    const std::int64_t base = static_cast<std::int64_t>(o) * this->n * width + j;
    constexpr std::uint32_t ahead = 4;  // elements that are read at once
    for (std::uint32_t i = p * this->piece; i < end; i += ahead) {
      C v[ahead];
      for (std::uint32_t k = 0; k < ahead; ++k)
        if (i + k < end) v[k] = static_cast<C>(this->x[base + static_cast<std::int64_t>(this->at(i + k)) * width]);
      for (std::uint32_t k = 0; k < ahead; ++k)
        if (i + k < end) {
          const C earlier = carry;
          carry = R::combine(carry, v[k]);
          this->y[base + static_cast<std::int64_t>(this->at(i + k)) * width] = static_cast<T>(this->exclusive ? earlier : carry);
        }
    }
  }
};

template <class T>
using scan_program = expr::program<expr::list<expr::in<T, expr::walk::contiguous>>, expr::list<>, expr::list<expr::out<compute_t<T>, ~0>>>;

}  // namespace detail

/// y[o, i, j] = R of x[o, 0 .. i, j]; exclusive: without x[o, i, j]; reverse: of x[o, i .. n-1, j]. y may be x.
template <class R, class T, class Device>
void scan(Device& device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y, bool exclusive, bool reverse) {
  using C = compute_t<T>;
  if (outer * n * inner == 0) return;
  if (n >= std::int64_t{1} << 31 || outer * inner >= std::int64_t{1} << 31)
    throw unimplemented("scan: takes less than 2^31 elements along an axis of less than 2^31 rows on a device, got " + std::to_string(n) + " of " + std::to_string(outer * inner));
  const bool rows = inner == 1 && n > 64;
  const std::int64_t unit = rows ? detail::scan_tile : 64, blocks = rows ? outer : pieces(outer * inner, 256), fill = std::int64_t{4} * device.processors();
  std::int64_t count = blocks >= fill / 2 ? 1 : pieces(fill, blocks);
  if (count > pieces(n, 2 * unit)) count = pieces(n, 2 * unit);
  const std::int64_t piece = pieces(pieces(n, count), unit) * unit;
  count = pieces(n, piece);
  const std::int64_t before = count - 1;
  C* totals = nullptr;
  if (before > 0) {  // in the scan's order, whichever that is
    const std::int64_t step = piece * inner;
    const kernel::nest<2> nest{4, {outer, before, piece, inner}, {{n * inner, step, inner, 1}, {before * inner, reverse ? -inner : inner, 0, 1}}};
    const void* in[] = {reverse ? x + (n - before * piece) * inner : x};
    void* out[] = {nullptr};
    using P = detail::scan_program<T>;
    std::size_t bytes = 0;
    const std::size_t own = (static_cast<std::size_t>(outer * before * inner) * sizeof(C) + 255) / 256 * 256;
    detail::reduce_nest<P, R, false>(device, nest, 0b0100, in, out, 0, detail::counted_memory{bytes});
    totals = static_cast<C*>(device.scratch(own + bytes));
    out[0] = reverse ? totals + (before - 1) * inner : totals;
    detail::reduce_nest<P, R, false>(device, nest, 0b0100, in, out, 0, detail::given_memory{reinterpret_cast<unsigned char*>(totals) + own});
  }
  const auto small = [](std::int64_t v) { return static_cast<std::uint32_t>(v); };
  const detail::scan_axis<T> axis{x, y, totals, small(n), small(piece), small(before), exclusive, reverse};
  const launch_shape shape{.blocks = small(blocks), .blocks_y = small(count), .threads = detail::scan_threads};
  if (rows) device.launch(detail::scan_rows<R, T>{axis}, shape);
  else device.launch(detail::scan_columns<R, T>{axis, small(outer * inner), divider(small(inner))}, shape);
}

}  // namespace rill::cuda

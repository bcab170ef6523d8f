// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `kernel::map<Program>`: the element-wise kernel. Evaluates a fused program at every point of a loop nest and stores its
/// outputs, vectorised along the innermost dimension and on several threads where that pays. An output may be the same
/// memory as an input that is walked in the same order (in place); any other overlap is the caller's to avoid.
///
///   using p = program<list<in<float, walk::contiguous>, in<float, walk::constant>>, list<let<ops::mul, ~0, ~1>>,
///                     list<out<float, 0>>>;
///   kernel::map<p>({1, {n}, {{1}, {0}, {1}}}, inputs, outputs);      // y[i] = x[i] * *s

#include <algorithm>
#include <cstdint>

#include "cache.hpp"
#include "parallel.hpp"
#include "row.hpp"

namespace rill::kernel {

namespace detail {

template <class P, int W, bool Partial, bool Stream, int... O>
[[gnu::always_inline]] inline void store_outputs(const expr::registers<P, pack_lane<W>>& v, void* const* out,
                                                 [[maybe_unused]] const std::int64_t* stride, std::int64_t i,
                                                 [[maybe_unused]] std::int64_t n, std::integer_sequence<int, O...>) {
  (..., [&] {
    using o = expr::detail::at<typename P::outputs, O>;
    auto* p = static_cast<typename o::type*>(out[O]);
    const auto& x = v.template get<o::value>();
    static_assert(std::is_same_v<typename std::remove_cvref_t<decltype(x)>::value_type, typename o::type>,
                  "an output of a program has the element type of its value");
    if constexpr (Stream) x.stream(p + i);
    else if constexpr (!Partial) x.store(p + i);
    else if (stride[O] == 1) x.store(p + i, n);
    else x.scatter(p + i * stride[O], stride[O], n);
  }());
}

/// Elements [0, n) of one row. All is inlined (`flatten`), so that the compiler contracts multiplications and additions in
/// the same way everywhere in the row.
template <class P, bool Stream>
[[gnu::flatten]] inline void map_row(const void* const* in, const std::int64_t* in_stride, void* const* out_pointers,
                    const std::int64_t* out_strides, bool unit, std::int64_t n, std::int64_t index) {
  constexpr int W = lanes_v<P>;
  constexpr auto O = std::make_integer_sequence<int, P::outputs::size>{};
  row<P> r;
  r.bind(in, in_stride);
  void* out[static_cast<std::size_t>(P::outputs::size)];  // copies, so that stores cannot change them
  std::int64_t out_stride[static_cast<std::size_t>(P::outputs::size)];
  for (int o = 0; o < P::outputs::size; ++o) out[o] = out_pointers[o], out_stride[o] = out_strides[o];
  std::int64_t i = 0;
  const auto whole = [&](std::int64_t at) __attribute__((always_inline)) {
    typename row<P>::values v;
    r.load_and_run(v, at, index + at);
    store_outputs<P, W, false, Stream>(v, out, out_stride, at, W, O);
  };
  if (unit) {
    if constexpr (expr::cost_v<P> <= 16) {
      for (; i + 2 * W <= n; i += 2 * W) {  // what is left, two packs at most, goes with the end of the row
        whole(i);
        whole(i + W);
      }
    } else
      for (; i + W <= n; i += W) whole(i);
    if constexpr (Stream) store_fence();
  }
  for (; i < n; i += W) {
    const std::int64_t m = n - i < W ? n - i : W;
    typename row<P>::values v;
    r.load_and_run(v, i, m, index + i);
    store_outputs<P, W, true, false>(v, out, out_stride, i, m, O);
  }
}

using row_function = void (*)(const void* const*, const std::int64_t*, void* const*, const std::int64_t*, bool,
                              std::int64_t, std::int64_t);

struct map_call {
  int rank;
  const std::int64_t* extents;
  const stride_row* strides;
  int inputs, outputs;
  const void* const* in;
  void* const* out;
  const std::int64_t* width;  ///< bytes per element of each operand
  row_function row;
};

inline constexpr int max_map_operands = 40;

/// Positions [begin, end) of the iteration space, row by row; the same code for every program.
inline void map_range(const map_call& c, std::int64_t begin, std::int64_t end) {
  const int last = c.rank - 1;
  const int operands = c.inputs + c.outputs;
  std::int64_t index[max_rank] = {};
  std::int64_t offset[max_map_operands] = {};
  std::int64_t rest = begin;
  for (int d = last; d >= 0; --d) {
    index[d] = rest % c.extents[d];
    rest /= c.extents[d];
    for (int k = 0; k < operands; ++k) offset[k] += index[d] * c.strides[k][d];
  }
  std::int64_t inner[max_map_operands];
  bool unit = true;
  for (int k = 0; k < operands; ++k) {
    inner[k] = c.strides[k][last];
    if (k >= c.inputs) unit = unit && inner[k] == 1;
  }
  const void* in[max_map_operands];
  void* out[max_map_operands];
  while (begin < end) {
    const std::int64_t left = c.extents[last] - index[last];
    const std::int64_t n = left < end - begin ? left : end - begin;
    for (int k = 0; k < c.inputs; ++k) in[k] = static_cast<const unsigned char*>(c.in[k]) + offset[k] * c.width[k];
    for (int k = 0; k < c.outputs; ++k)
      out[k] = static_cast<unsigned char*>(c.out[k]) + offset[c.inputs + k] * c.width[c.inputs + k];
    c.row(in, inner, out, inner + c.inputs, unit, n, begin);
    begin += n;
    if (begin >= end) return;
    // The next row: back to column 0, then one step of the odometer.
    for (int k = 0; k < operands; ++k) offset[k] -= index[last] * inner[k];
    index[last] = 0;
    for (int d = last - 1; d >= 0; --d) {
      for (int k = 0; k < operands; ++k) offset[k] += c.strides[k][d];
      if (++index[d] < c.extents[d]) break;
      for (int k = 0; k < operands; ++k) offset[k] -= c.strides[k][d] * c.extents[d];
      index[d] = 0;
    }
  }
}

/// Strides of operands that are contiguous.
inline constexpr std::int64_t unit_strides[static_cast<std::size_t>(max_map_operands)] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/// A flat program at run time: operands are contiguous or constant.
struct flat_call {
  int inputs, outputs;
  const void* const* in;
  void* const* out;
  const std::int64_t* width;
  const expr::walk* walks;
  row_function row;
};

/// [0, n) in tasks of `grain` elements; the same code for every program.
inline void map_flat_tasks(const flat_call& c, std::int64_t n, std::int64_t grain) {
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    const void* in[max_map_operands];
    void* out[max_map_operands];
    for (int k = 0; k < c.inputs; ++k)
      in[k] = static_cast<const unsigned char*>(c.in[k]) + (c.walks[k] == expr::walk::constant ? 0 : begin * c.width[k]);
    for (int k = 0; k < c.outputs; ++k)
      out[k] = static_cast<unsigned char*>(c.out[k]) + begin * c.width[c.inputs + k];
    c.row(in, unit_strides, out, unit_strides, true, end - begin, begin);
  });
}

/// Gives the operands of a range by its number.
using range_binding = function_ref<void(int, const void**, void**)>;

/// Elements [begin, end) of `count` ranges that lie end to end.
inline void map_flat_part(const flat_call& c, int count, const std::int64_t* lengths, range_binding bind, std::int64_t begin,
                          std::int64_t end) {
  const void* in[max_map_operands];
  void* out[max_map_operands];
  std::int64_t first = 0;
  for (int k = 0; k < count && first < end; first += lengths[k++]) {
    const std::int64_t from = std::max(begin - first, std::int64_t{0}), n = std::min(end - first, lengths[k]) - from;
    if (n <= 0) continue;
    bind(k, in, out);
    for (int i = 0; i < c.inputs; ++i)
      if (c.walks[i] != expr::walk::constant) in[i] = static_cast<const unsigned char*>(in[i]) + from * c.width[i];
    for (int o = 0; o < c.outputs; ++o) out[o] = static_cast<unsigned char*>(out[o]) + from * c.width[c.inputs + o];
    c.row(in, unit_strides, out, unit_strides, true, n, from);
  }
}

template <class I>
inline constexpr bool any_strided = false;
template <class... I>
inline constexpr bool any_strided<expr::list<I...>> = ((I::inner == expr::walk::strided) || ...);

/// Elements whose operands are `bytes` of memory, or fewer where the arithmetic takes 80000 cycles; a multiple of 1024.
template <class P>
constexpr std::int64_t elements_of(std::int64_t bytes) {
  const std::int64_t each = bytes_of<typename P::inputs>::value + bytes_of<typename P::outputs>::value + 1;
  const std::int64_t by_memory = bytes / each;
  const std::int64_t by_cost = (std::int64_t{80000} * lanes_v<P>) / (expr::cost_v<P> + 1);
  const std::int64_t n = by_memory < by_cost ? by_memory : by_cost;
  return n < 1024 ? std::int64_t{1024} : n / 1024 * 1024;
}

/// Work of one task, some 20 microseconds from memory.
template <class P>
inline constexpr std::int64_t grain_v = elements_of<P>(std::int64_t{400} << 10);

/// Up to here one thread is faster: what a second-level cache holds is done before other threads wake up.
template <class P>
inline constexpr std::int64_t serial_v = elements_of<P>(std::int64_t{1200} << 10);

/// Whether results that no cache will hold are to be written past the caches: `total` elements of the program, whose
/// contiguous outputs are aligned and replace no input. A cache that most of the operands flow through keeps little.
template <class P>
bool worth_streaming(std::int64_t total, const void* const* in, void* const* out) {
  const std::int64_t bytes = bytes_of<typename P::inputs>::value + bytes_of<typename P::outputs>::value;
  if (total < 3 * last_level_cache() / (2 * bytes)) return false;
  for (int o = 0; o < P::outputs::size; ++o) {
    if (reinterpret_cast<std::uintptr_t>(out[o]) % 64 != 0) return false;
    for (int i = 0; i < P::inputs::size; ++i)
      if (in[i] == out[o]) return false;
  }
  return true;
}

}  // namespace detail

/// As map_flat, for no more elements than one thread does faster (detail::serial_v).
template <class P>
void map_short(std::int64_t n, const void* const* in, void* const* out) {
  if (n > 0) detail::map_row<P, false>(in, detail::unit_strides, out, detail::unit_strides, true, n, 0);
}

/// The program over n elements, of which every operand is contiguous, or constant where the program says so.
template <class P>
void map_flat(std::int64_t n, const void* const* in, void* const* out) {
  static_assert(operands_v<P> <= detail::max_map_operands, "a program has at most 40 operands");
  static_assert(!detail::any_strided<typename P::inputs>, "the walks of a flat program are known");
  if (n <= detail::serial_v<P>) return map_short<P>(n, in, out);
  const auto row = detail::worth_streaming<P>(n, in, out) ? &detail::map_row<P, true> : &detail::map_row<P, false>;
  detail::map_flat_tasks({P::inputs::size, P::outputs::size, in, out,
                          detail::widths_of<typename P::inputs, typename P::outputs>::value,
                          detail::walks_of<P>::value, row},
                         n, detail::grain_v<P>);
}

/// The program over `count` flat ranges in one loop, range k of `lengths[k]` elements: many small updates cost one fork.
template <class P>
void map_flat_ranges(int count, const std::int64_t* lengths, detail::range_binding bind) {
  static_assert(!detail::any_strided<typename P::inputs>, "the walks of a flat program are known");
  std::int64_t total = 0;
  for (int k = 0; k < count; ++k) total += lengths[k];
  const detail::flat_call call{P::inputs::size, P::outputs::size, nullptr, nullptr,
                               detail::widths_of<typename P::inputs, typename P::outputs>::value,
                               detail::walks_of<P>::value, &detail::map_row<P, false>};
  if (total <= detail::serial_v<P>) return detail::map_flat_part(call, count, lengths, bind, 0, total);
  parallel_for(total, detail::grain_v<P>, [&](std::int64_t begin, std::int64_t end) {
    detail::map_flat_part(call, count, lengths, bind, begin, end);
  });
}

/// Runs the program over the nest. `in[k]` and `out[k]` point to the element at index 0 of every dimension. The walks in
/// the program are promises about the innermost stride; the nest may be given in full, it is collapsed here.
template <class P>
void map(const nest<operands_v<P>>& given, const void* const* in, void* const* out) {
  static_assert(operands_v<P> <= detail::max_map_operands, "a program has at most 40 operands");
  if (given.rank == 1 && given.extents[0] <= detail::serial_v<P>) {  // small and flat: nothing to prepare
    bool unit = true;
    for (int k = P::inputs::size; k < operands_v<P>; ++k) unit = unit && given.strides[k][0] == 1;
    if constexpr (!detail::any_strided<typename P::inputs>)
      if (unit)
        return detail::map_row<P, false>(in, detail::unit_strides, out, detail::unit_strides, true, given.extents[0], 0);
    std::int64_t inner[static_cast<std::size_t>(operands_v<P>)];
    for (int k = 0; k < operands_v<P>; ++k) inner[k] = given.strides[k][0];
    return detail::map_row<P, false>(in, inner, out, inner + P::inputs::size, unit, given.extents[0], 0);
  }
  const std::int64_t total = given.size();
  if (total == 0) return;
  auto n = given;
  collapse<P>(n);
  if constexpr (!detail::any_strided<typename P::inputs>) {
    bool flat = n.rank == 1;
    for (int o = P::inputs::size; o < operands_v<P>; ++o) flat = flat && n.strides[o][0] == 1;
    if (flat) return map_flat<P>(total, in, out);
  }
  const detail::map_call call{n.rank,
                              n.extents,
                              n.strides,
                              P::inputs::size,
                              P::outputs::size,
                              in,
                              out,
                              detail::widths_of<typename P::inputs, typename P::outputs>::value,
                              &detail::map_row<P, false>};
  if (total <= detail::serial_v<P>) return detail::map_range(call, 0, total);
  parallel_for(total, detail::grain_v<P>, [&](std::int64_t b, std::int64_t e) { detail::map_range(call, b, e); });
}

}  // namespace rill::kernel

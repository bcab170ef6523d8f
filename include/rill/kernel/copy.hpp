// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Moves elements of any type: what transposes, broadcasts, slices, reversals, paddings and tiles are. Source and destination
/// are walked with strides of their own; axes that follow each other in both become one, runs are copied by memcpy,
/// transposed pairs of axes in blocks of whole cache lines. One function per element width, whatever the dtype. Bound by
/// memory; large copies run in parallel.
///
///   kernel::copy_nest n;                                  // a transpose of [2, 3]
///   n.axis(3, 1, 2), n.axis(2, 3, 1);
///   kernel::copy(dtype::float32, from, to, n);

#include <bit>
#include <cstring>
#include <string>

#include "../ops/signature.hpp"
#include "cache.hpp"
#include "parallel.hpp"
#include "shuffle.hpp"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace rill::kernel {

/// Loops over two memories: to[sum of i_d * to_d] = from[sum of i_d * from_d]; strides in elements, from's may be 0.
struct copy_nest {
  static constexpr int max_axes = 2 * max_rank;
  int rank = 0;
  std::int64_t extents[max_axes] = {}, from[max_axes] = {}, to[max_axes] = {};

  void axis(std::int64_t extent, std::int64_t from_stride, std::int64_t to_stride) {
    extents[rank] = extent, from[rank] = from_stride, to[rank++] = to_stride;
  }
};

namespace detail {

/// N bytes that are moved as one; may lie at any address.
template <int N>
struct word {
  unsigned char bytes[static_cast<std::size_t>(N)];
};

/// A nest in the order in which the destination is walked, without axes of extent 1, neighbours merged.
struct copy_plan : copy_nest {
  std::int64_t from_offset = 0, to_offset = 0;
  std::int64_t size = 1;

  void move_axis(int d, int before) {  // keeps the order of the others
    const std::int64_t e = extents[d], f = from[d], t = to[d];
    const int step = d < before ? 1 : -1;
    for (; d != before; d += step) extents[d] = extents[d + step], from[d] = from[d + step], to[d] = to[d + step];
    extents[d] = e, from[d] = f, to[d] = t;
  }
};
inline copy_plan plan_copy(const copy_nest& n) {
  copy_plan p;
  for (int d = 0; d < n.rank; ++d) {
    p.size *= n.extents[d];
    if (n.extents[d] == 1) continue;
    const bool back = n.to[d] < 0;
    const std::int64_t f = back ? -n.from[d] : n.from[d], t = back ? -n.to[d] : n.to[d];
    if (back) p.from_offset += (n.extents[d] - 1) * n.from[d], p.to_offset += (n.extents[d] - 1) * n.to[d];
    int k = p.rank++;
    for (; k > 0 && p.to[k - 1] < t; --k)
      p.extents[k] = p.extents[k - 1], p.from[k] = p.from[k - 1], p.to[k] = p.to[k - 1];
    p.extents[k] = n.extents[d], p.from[k] = f, p.to[k] = t;
  }
  if (p.size == 0) return p;
  int kept = 0;
  for (int d = 0; d < p.rank; ++d) {
    if (kept > 0 && p.from[kept - 1] == p.from[d] * p.extents[d] && p.to[kept - 1] == p.to[d] * p.extents[d]) {
      p.extents[kept - 1] *= p.extents[d];
      p.from[kept - 1] = p.from[d], p.to[kept - 1] = p.to[d];
    } else {
      p.extents[kept] = p.extents[d], p.from[kept] = p.from[d], p.to[kept++] = p.to[d];
    }
  }
  p.rank = kept;
  return p;
}

/// n elements one after the other.
template <class Word>
void copy_run(const Word* from, std::int64_t n, Word* to) {
  if constexpr (!std::is_trivially_copyable_v<Word>) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = from[i];
  } else {
    if (n * static_cast<std::int64_t>(sizeof(Word)) <= 32) {  // shorter than the call would take
      for (std::int64_t i = 0; i < n; ++i) to[i] = from[i];
    } else {
      std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(Word));
    }
  }
}
/// The run `n` at `from`, `times` times one after the other.
template <class Word>
void repeat_run(const Word* from, std::int64_t n, std::int64_t times, Word* to) {
  const std::int64_t total = n * times, most = 16384 / static_cast<std::int64_t>(sizeof(Word));
  std::int64_t done = 1;
  if (n == 1) *to = *from;
  else copy_run(from, done = n, to);
  std::int64_t period = done;  // doubled while it stays in first-level cache
  while (done < total) {
    const std::int64_t m = period < total - done ? period : total - done;
    copy_run(to, m, to + done);
    done += m;
    if (period < most && done == 2 * period) period = done;
  }
}

/// Words that are moved in registers: as numbers, so many at a time.
template <class Word>
inline constexpr bool has_shuffles = std::is_trivially_copyable_v<Word> && sizeof(Word) <= 8;
template <std::size_t Width>
struct lanes_of_words {
  using number = std::conditional_t<Width == 1, std::uint8_t, std::conditional_t<Width == 2, std::uint16_t, std::conditional_t<Width == 4, std::uint32_t, std::uint64_t>>>;
#ifdef __AVX512F__
  static constexpr int bytes = 64;
#elif defined(__AVX__)
  static constexpr int bytes = 32;
#else
  static constexpr int bytes = 16;
#endif
  static constexpr int count = bytes / static_cast<int>(Width);
  typedef number type __attribute__((vector_size(bytes)));  // NOLINT: an attribute of a typedef
  using numbers = std::make_integer_sequence<int, count>;
  [[gnu::always_inline]] static type load(const void* p) {
    type x;
    std::memcpy(&x, p, sizeof x);
    return x;
  }
};
/// Lanes of a whose number has the bit change places with those of b that lack it.
template <int Bit, class V, int... I>
[[gnu::always_inline]] inline void exchange_lanes(V& a, V& b, std::integer_sequence<int, I...>) {
  constexpr int n = sizeof...(I);
  const V x = shuffle<((I & Bit) == 0 ? I : n + (I ^ Bit))...>(a, b);
  b = shuffle<((I & Bit) == 0 ? (I ^ Bit) : n + I)...>(a, b);
  a = x;
}
template <int Bit, class L>
[[gnu::always_inline]] inline void exchange_all(typename L::type* a) {
  if constexpr (Bit > 0) {
    for (int k = 0; k < L::count; ++k)
      if ((k & Bit) == 0) exchange_lanes<Bit>(a[k], a[k + Bit], typename L::numbers());
    exchange_all<Bit / 2, L>(a);
  }
}
/// Whether whole lines can be written past the caches.
#ifdef __AVX512F__
inline constexpr bool streams = true;
#else
inline constexpr bool streams = false;
#endif
/// to[r * to_stride + c] = from[r + c * from_stride] for r, c below the number of lanes.
template <bool Stream, class Word>
[[gnu::always_inline]] inline void transpose_square(const Word* from, std::int64_t from_stride, std::int64_t to_stride, Word* to) {
  using L = lanes_of_words<sizeof(Word)>;
  typename L::type a[static_cast<std::size_t>(L::count)];
  for (int c = 0; c < L::count; ++c) a[c] = L::load(from + c * from_stride);
  exchange_all<L::count / 2, L>(a);
#ifdef __AVX512F__
  if constexpr (Stream) {
    for (int r = 0; r < L::count; ++r) _mm512_stream_si512(reinterpret_cast<__m512i*>(to + r * to_stride), std::bit_cast<__m512i>(a[r]));
    return;
  }
#endif
  for (int r = 0; r < L::count; ++r) std::memcpy(to + r * to_stride, &a[r], sizeof a[r]);
}
/// n words one after the other, the source backwards from `from` on.
template <class Word, int... I>
void reverse_run(const Word* from, std::int64_t n, Word* to, std::integer_sequence<int, I...>) {
  using L = lanes_of_words<sizeof(Word)>;
  std::int64_t c = 0;
  for (; c + L::count <= n; c += L::count) {
    const auto x = L::load(from - c - (L::count - 1));
    const auto y = shuffle<(L::count - 1 - I)...>(x, x);
    std::memcpy(to + c, &y, sizeof y);
  }
  for (; c < n; ++c) to[c] = from[-c];
}
/// Words of S sources taken in turn, or one source dealt out to S destinations: element e of one is element e / S of number
/// e % S of the others, which lie `stride` apart. As many as fill registers; gives how many of each.
template <int S, int Part, class V, int... I>
[[gnu::always_inline]] inline V interleaved(const V* x, std::integer_sequence<int, I...>) {
  constexpr int n = sizeof...(I);
  V y = x[0];
  const auto add = [&](auto source) __attribute__((always_inline)) {
    constexpr int s = source;
    y = shuffle<((Part * n + I) % S == s ? n + (Part * n + I) / S : s == 1 && (Part * n + I) % S == 0 ? (Part * n + I) / S : I)...>(y, x[s]);
  };
  [&]<int... K>(std::integer_sequence<int, K...>) { (add(std::integral_constant<int, K + 1>()), ...); }
  (std::make_integer_sequence<int, S - 1>());
  return y;
}
template <int S, int Part, class V, int... I>
[[gnu::always_inline]] inline V dealt(const V* x, std::integer_sequence<int, I...>) {
  constexpr int n = sizeof...(I);
  V y = x[0];
  const auto add = [&](auto source) __attribute__((always_inline)) {
    constexpr int s = source;
    y = shuffle<((I * S + Part) / n == s ? n + (I * S + Part) % n : s == 1 && (I * S + Part) / n == 0 ? I * S + Part : I)...>(y, x[s]);
  };
  [&]<int... K>(std::integer_sequence<int, K...>) { (add(std::integral_constant<int, K + 1>()), ...); }
  (std::make_integer_sequence<int, S - 1>());
  return y;
}
template <int S, bool Deal, class Word>
std::int64_t interleave(const Word* from, std::int64_t n, std::int64_t stride, Word* to) {
  using L = lanes_of_words<sizeof(Word)>;
  std::int64_t k = 0;
  for (; k + L::count <= n; k += L::count) {
    typename L::type x[static_cast<std::size_t>(S)];
    for (int s = 0; s < S; ++s) x[s] = L::load(Deal ? from + k * S + s * L::count : from + k + s * stride);
    [&]<int... P>(std::integer_sequence<int, P...>) {
      const auto put = [&](const typename L::type& y, int part) __attribute__((always_inline)) {
        std::memcpy(Deal ? to + k + part * stride : to + k * S + part * L::count, &y, sizeof y);
      };
      if constexpr (Deal) (put(dealt<S, P>(x, typename L::numbers()), P), ...);
      else (put(interleaved<S, P>(x, typename L::numbers()), P), ...);
    }
    (std::make_integer_sequence<int, S>());
  }
  return k;
}

/// to[r * to_stride + c] = from[r + c * from_stride].
template <class Word>
void transpose_plain(const Word* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns,
                     std::int64_t to_stride, Word* to) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) to[r * to_stride + c] = from[r + c * from_stride];
}
/// The same in blocks whose cache lines are read and written whole: strips of a few lines of the destination, downwards.
/// Through a buffer where rows of the destination lie so that they would drive each other out of the cache; past the caches
/// with Stream (then the lines of the destination begin where its rows do). `Ahead`: the source is not in the cache.
template <bool Stream, class Word>
void transpose_tiles(const Word* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns,
                     std::int64_t to_stride, bool ahead, Word* to) {
  if constexpr (!std::is_trivially_copyable_v<Word>) {
    transpose_plain(from, from_stride, rows, columns, to_stride, to);
  } else {
    constexpr auto width = static_cast<std::int64_t>(sizeof(Word));
    constexpr bool squares = has_shuffles<Word> && width >= 4;
    constexpr std::int64_t line = 64 / width > 0 ? 64 / width : 1;
    constexpr std::int64_t down = squares ? line : width < 4 ? 64 : 16, strip = width < 4 ? 64 : 4 * line;
    if constexpr (has_shuffles<Word>) {
      const auto some = [&](auto few) {  // two to four of one side, next to each other: pixels of few channels
        constexpr int s = few;
        if (rows != s && columns != s) return false;
        const bool deal = rows == s && from_stride == s;
        if (!deal && !(columns == s && to_stride == s)) return false;
        const std::int64_t done = deal ? interleave<s, true>(from, columns, to_stride, to) : interleave<s, false>(from, rows, from_stride, to);
        if (deal) transpose_plain(from + done * s, from_stride, rows, columns - done, to_stride, to + done);
        else transpose_plain(from + done, from_stride, rows - done, columns, to_stride, to + done * s);
        return true;
      };
      if (some(std::integral_constant<int, 2>()) || some(std::integral_constant<int, 3>()) || some(std::integral_constant<int, 4>())) return;
    }
    const bool crowded = !Stream && to_stride * width % 2048 == 0;
    const bool apart = from_stride * width > 2048;  // the hardware follows fewer lines than these
    alignas(64) Word buffer[static_cast<std::size_t>(down * strip)];
    const auto lines = [&](const Word* f, std::int64_t m, std::int64_t n, std::int64_t stride, Word* t) {
      for (std::int64_t c = 0; c < n; c += 4)  // four lines of the source at a time
        transpose_plain(f + c * from_stride, from_stride, m, n - c < 4 ? n - c : 4, stride, t + c);
    };
    const auto bring = [&](const Word* f, std::int64_t n) {
      for (std::int64_t k = 0; k < n; ++k) __builtin_prefetch(f + k * from_stride);
    };
    // `next` is where the block lies that is read some time later, or null
    const auto block = [&](const Word* f, std::int64_t m, std::int64_t n, const Word* next, std::int64_t stride, Word* t) {
      if constexpr (squares) {
        constexpr std::int64_t lanes = lanes_of_words<sizeof(Word)>::count;
        const std::int64_t whole_r = m / lanes * lanes, whole_c = n / lanes * lanes;
        for (std::int64_t c = 0; c < whole_c; c += lanes) {
          if (next) bring(next + c * from_stride, lanes);
          for (std::int64_t r = 0; r < whole_r; r += lanes)
            transpose_square<Stream>(f + r + c * from_stride, from_stride, stride, t + r * stride + c);
        }
        if (whole_r < m) lines(f + whole_r, m - whole_r, whole_c, stride, t + whole_r * stride);
        if (whole_c < n) lines(f + whole_c * from_stride, m, n - whole_c, stride, t + whole_c);
      } else {
        if (next) bring(next, n);
        lines(f, m, n, stride, t);
      }
    };
    for (std::int64_t c = 0, n = 0; c < columns; c += n) {
      n = columns - c < strip ? columns - c : strip;
      if (squares && n > line) n = n / line * line;  // what is left is a strip of its own
      const std::int64_t most = n < line ? 2 * down : down;
      for (std::int64_t r = 0; r < rows; r += most) {
        const std::int64_t m = rows - r < most ? rows - r : most;
        const Word* const f = from + r + c * from_stride;
        Word* const t = to + r * to_stride + c;
        const std::int64_t later = apart ? 4 * line : strip * from_stride;
        const Word* const next = ahead && (apart ? r + later < rows : c + 2 * strip <= columns) ? f + later : nullptr;
        if (!crowded || n < strip / 2) {
          block(f, m, n, next, to_stride, t);
        } else {
          block(f, m, n, next, strip, buffer);
          for (std::int64_t k = 0; k < m; ++k) std::memcpy(t + k * to_stride, buffer + k * strip, static_cast<std::size_t>(n * width));
        }
      }
    }
  }
}

/// The two inner loops: rows x columns elements.
struct copy_plane {
  std::int64_t rows, columns, from_row, from_column, to_row, to_column;
  bool ahead;  // see transpose_tiles
};
template <class Word>
void copy_two_axes(const Word* from, const copy_plane& p, Word* to) {
  if (p.to_column == 1 && p.from_column == 1) {
    if (p.from_row == 0 && p.to_row == p.columns) return repeat_run(from, p.columns, p.rows, to);
    for (std::int64_t r = 0; r < p.rows; ++r) copy_run(from + r * p.from_row, p.columns, to + r * p.to_row);
  } else if (p.to_column == 1 && p.from_column == 0) {
    for (std::int64_t r = 0; r < p.rows; ++r) repeat_run(from + r * p.from_row, 1, p.columns, to + r * p.to_row);
  } else if (has_shuffles<Word> && p.to_column == 1 && p.from_column == -1) {
    if constexpr (has_shuffles<Word>)
      for (std::int64_t r = 0; r < p.rows; ++r)
        reverse_run(from + r * p.from_row, p.columns, to + r * p.to_row, typename lanes_of_words<sizeof(Word)>::numbers());
  } else if (p.to_column == 1 && p.from_row == 1) {
    transpose_tiles<false>(from, p.from_column, p.rows, p.columns, p.to_row, p.ahead, to);
  } else {
    for (std::int64_t r = 0; r < p.rows; ++r) {
      const Word* const f = from + r * p.from_row;
      Word* const t = to + r * p.to_row;
      for (std::int64_t c = 0; c < p.columns; ++c) t[c * p.to_column] = f[c * p.from_column];
    }
  }
}

template <class Word>
[[gnu::noinline]] void copy_words(const void* source, void* destination, const copy_plan& plan) {
  const Word* const from = static_cast<const Word*>(source) + plan.from_offset;
  Word* const to = static_cast<Word*>(destination) + plan.to_offset;
  copy_plan p = plan;
  if (p.rank == 0) {
    *to = *from;
    return;
  }
  while (p.rank < 2) p.axis(1, 0, 0), p.move_axis(p.rank - 1, 0);
  const int last = p.rank - 1;
  if (p.from[last] != 1 && p.from[last] != 0 && p.to[last] == 1)
    for (int d = 0; d < last; ++d)
      if (p.from[d] == 1) p.move_axis(d, last - 1);  // walked element by element in the source: transposed with the last
  const bool transposed = p.from[last - 1] == 1 && p.from[last] != 1 && p.from[last] != 0 && p.to[last] == 1;

  // Work is cut into planes of whole rows, or parts of rows.
  constexpr std::int64_t grain = 131072 / static_cast<std::int64_t>(sizeof(Word) < 64 ? sizeof(Word) : 64);
  const std::int64_t rows = p.extents[last - 1], columns = p.extents[last];
  std::int64_t row_step, column_step = columns;
  if (transposed) {
    row_step = columns < 16 ? grain / columns / 64 * 64 : 256;  // long runs of each line of the source
    if (row_step > rows) row_step = rows;
    if (columns > 2 * grain / row_step) column_step = (grain / row_step + 63) / 64 * 64;
  } else {
    if (columns > 2 * grain) column_step = grain;
    row_step = grain / column_step > 0 ? grain / column_step : 1;
    if (row_step > rows) row_step = rows;
  }
  const std::int64_t row_blocks = (rows + row_step - 1) / row_step, column_blocks = (columns + column_step - 1) / column_step;
  const std::int64_t per_plane = row_blocks * column_blocks, planes = p.size / rows / columns;
  const std::int64_t bytes = 2 * p.size * static_cast<std::int64_t>(sizeof(Word));
  constexpr bool can_stream = streams && has_shuffles<Word> && sizeof(Word) >= 4;
  bool stream = can_stream && transposed && bytes >= 3 * last_level_cache() / 2;
  if (stream) {  // only whole lines
    auto off = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(to) % 64);
    for (int d = 0; d < last; ++d) off |= p.to[d] * static_cast<std::int64_t>(sizeof(Word));
    stream = off % 64 == 0;
  }
  const auto run = [&](std::int64_t begin, std::int64_t end) {
    std::int64_t index[copy_nest::max_axes] = {}, f = 0, t = 0;
    const auto place = [&](std::int64_t plane) {
      f = t = 0;
      for (std::int64_t rest = plane, d = last - 2; d >= 0; --d) {
        index[d] = rest % p.extents[d];
        rest /= p.extents[d];
        f += index[d] * p.from[d], t += index[d] * p.to[d];
      }
    };
    place(begin / per_plane);
    std::int64_t part = begin % per_plane;
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t r = part / column_blocks * row_step, c = part % column_blocks * column_step;
      const copy_plane plane{rows - r < row_step ? rows - r : row_step, columns - c < column_step ? columns - c : column_step,
                             p.from[last - 1], p.from[last], p.to[last - 1], p.to[last], bytes > (std::int64_t{1} << 20)};
      const Word* const source_part = from + f + r * plane.from_row + c * plane.from_column;
      Word* const part_of = to + t + r * plane.to_row + c * plane.to_column;
      if constexpr (can_stream)
        if (stream) transpose_tiles<true>(source_part, plane.from_column, plane.rows, plane.columns, plane.to_row, true, part_of);
      if (!stream) copy_two_axes(source_part, plane, part_of);
      if (++part < per_plane) continue;
      part = 0;
      for (int d = last - 2; d >= 0; --d) {
        f += p.from[d], t += p.to[d];
        if (++index[d] < p.extents[d]) break;
        f -= p.from[d] * p.extents[d], t -= p.to[d] * p.extents[d];
        index[d] = 0;
      }
    }
    if (stream) store_fence();
  };
  parallel_for(planes * per_plane, grain / (row_step * column_step) + 1, run);
}

/// Counts a short innermost run as one wider word where everything else allows it.
inline std::int64_t widen_words(copy_plan& p, std::int64_t width) {
  if (p.rank == 0 || p.from[p.rank - 1] != 1 || p.to[p.rank - 1] != 1) return width;
  std::int64_t n = p.extents[p.rank - 1], m = 1;
  while (width * m < 16 && n % (2 * m) == 0) m *= 2;
  if (n != m) return width;
  for (int d = 0; d < p.rank - 1; ++d)
    if (p.from[d] % n != 0 || p.to[d] % n != 0) return width;
  if (p.from_offset % n != 0 || p.to_offset % n != 0) return width;
  --p.rank;
  for (int d = 0; d < p.rank; ++d) p.from[d] /= n, p.to[d] /= n;
  p.from_offset /= n, p.to_offset /= n;
  p.size /= n;
  return width * n;
}

}  // namespace detail

/// Copies the elements of a nest. The memories do not overlap; strings are assigned.
inline void copy(dtype type, const void* from, void* to, const copy_nest& n) {
  detail::copy_plan p = detail::plan_copy(n);
  if (p.size == 0) return;
  if (type == dtype::string) return detail::copy_words<std::string>(from, to, p);
  switch (detail::widen_words(p, static_cast<std::int64_t>(size_of(type)))) {
    case 1: return detail::copy_words<detail::word<1>>(from, to, p);
    case 2: return detail::copy_words<detail::word<2>>(from, to, p);
    case 4: return detail::copy_words<detail::word<4>>(from, to, p);
    case 8: return detail::copy_words<detail::word<8>>(from, to, p);
    default: return detail::copy_words<detail::word<16>>(from, to, p);
  }
}

/// out[i0, i1, ...] = the element of x at offset + sum of i_d * strides[d] (in elements); strides may be 0 or negative.
inline void copy_strided(const operand_memory& x, const std::int64_t* strides, const result_memory& out, std::int64_t offset = 0) {
  copy_nest n;
  std::int64_t to[max_rank] = {}, step = 1;
  for (int d = out.shape.rank() - 1; d >= 0; --d) to[d] = step, step *= out.shape[d];
  if (step == 0) return;
  for (int d = 0; d < out.shape.rank(); ++d) n.axis(out.shape[d], strides[d], to[d]);
  if (x.type == dtype::string) return copy(x.type, x.as<std::string>() + offset, out.data, n);
  copy(x.type, static_cast<const unsigned char*>(x.data) + offset * static_cast<std::int64_t>(size_of(x.type)), out.data, n);
}

}  // namespace rill::kernel

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The CPU kernels of ops/sort.hpp. Numbers become unsigned keys of 32 or 64 bits whose order is theirs; the keys, or keys
/// with indices below them, are sorted by digits (LSD radix sort; digits that all keys share cost nothing), short rows by
/// comparison. Long rows are sorted by several threads, each with a part of the row and its own places for every digit.
/// The order is unique - equal keys follow their index - so it is the same for any number of threads.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <tuple>
#include <vector>

#include "../ops/sort.hpp"
#include "segment.hpp"

namespace rill::kernel {

namespace detail {

template <class T>
using sort_key_t = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

/// The key of a number: NaN has the largest one, of either sign; -0 has that of 0 unless Zeros are told apart.
template <bool Zeros, class T>
[[gnu::always_inline]] constexpr sort_key_t<T> key_of(T x) {
  using K = sort_key_t<T>;
  if constexpr (std::is_floating_point_v<T>) {
    constexpr int bits = sizeof(K) * 8;
    const K b = std::bit_cast<K>(Zeros ? x : x + T(0));  // -0 + 0 is 0
    const K sign = b >> (bits - 1);
    const K k = b ^ ((K(0) - sign) | (K(1) << (bits - 1)));
    return x == x ? k : ~K(0);
  } else if constexpr (std::is_signed_v<T>) return static_cast<K>(static_cast<std::make_unsigned_t<T>>(x)) ^ (K(1) << (sizeof(T) * 8 - 1));
  else return static_cast<K>(x);
}
template <bool Zeros, class T>
[[gnu::always_inline]] constexpr sort_key_t<T> ordered_key(T x, bool descending) {
  const auto k = key_of<Zeros>(x);
  return descending ? ~k : k;
}
template <class T>
[[gnu::always_inline]] constexpr T number_of(sort_key_t<T> k) {
  using K = sort_key_t<T>;
  if constexpr (std::is_floating_point_v<T>) {
    if (k == ~K(0)) return std::numeric_limits<T>::quiet_NaN();
    constexpr int bits = sizeof(K) * 8;
    return std::bit_cast<T>((k >> (bits - 1)) != 0 ? k ^ (K(1) << (bits - 1)) : ~k);
  } else if constexpr (std::is_signed_v<T>) return static_cast<T>(k ^ (K(1) << (sizeof(T) * 8 - 1)));
  else return static_cast<T>(k);
}

/// A key with the index of its element, ordered by both.
struct wide_entry {
  std::uint64_t key;
  std::uint32_t index;
  friend bool operator<(const wide_entry& a, const wide_entry& b) { return a.key != b.key ? a.key < b.key : a.index < b.index; }
};
template <class K>
using entry_t = std::conditional_t<sizeof(K) == 8, wide_entry, std::uint64_t>;
template <class K>
[[gnu::always_inline]] inline entry_t<K> make_entry(K key, std::int64_t index) {
  if constexpr (sizeof(K) == 8) return {key, static_cast<std::uint32_t>(index)};
  else return std::uint64_t{key} << 32 | static_cast<std::uint32_t>(index);
}
inline std::uint32_t index_of(std::uint64_t e) { return static_cast<std::uint32_t>(e); }
inline std::uint32_t index_of(const wide_entry& e) { return e.index; }

/// What a radix sort looks at: the bits [first, last) of a word.
template <class E, bool Indexed>
struct radix_word {
  static constexpr int first = Indexed && std::is_same_v<E, std::uint64_t> ? 32 : 0;
  static constexpr int last = std::is_same_v<E, std::uint32_t> ? 32 : 64;
  [[gnu::always_inline]] static std::uint64_t of(const E& e) {
    if constexpr (std::is_same_v<E, wide_entry>) return e.key;
    else return e;
  }
};

/// Sorts a[0..n) by their words, in `passes` digits; leaves the result in a or spare and gives where.
template <class W, class E>
E* radix_sort(E* a, E* spare, std::int64_t n) {
  const int digit = n > 32768 ? 11 : 8, passes = (W::last - W::first + digit - 1) / digit;
  const std::size_t bins = std::size_t{1} << digit;
  const std::uint64_t mask = bins - 1;
  // the parts that threads work on; one for a short row
  const std::int64_t parts = n < 65536 ? 1 : std::min<std::int64_t>(max_threads(), 16);
  const std::int64_t part = (n + parts - 1) / parts;
  const auto each_part = [&](const auto& f) {
    if (parts == 1) f(std::int64_t{0}, std::int64_t{0}, n);
    else
      parallel_for(parts, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; ++p) f(p, p * part, std::min(n, (p + 1) * part));
      });
  };
  std::vector<std::uint32_t> counts(bins * static_cast<std::size_t>(parts == 1 ? passes : parts));
  if (parts == 1)
    for (std::int64_t k = 0; k < n; ++k) {
      const std::uint64_t w = W::of(a[k]) >> W::first;
      for (int p = 0; p < passes; ++p) ++counts[static_cast<std::size_t>(p) * bins + (w >> (p * digit) & mask)];
    }
  for (int p = 0; p < passes; ++p) {
    const int shift = W::first + p * digit;
    const auto at = [&](const E& e) { return static_cast<std::size_t>(W::of(e) >> shift & mask); };
    if (parts > 1) {
      std::fill(counts.begin(), counts.end(), 0U);
      each_part([&](std::int64_t q, std::int64_t begin, std::int64_t end) {
        std::uint32_t* const c = counts.data() + static_cast<std::size_t>(q) * bins;
        for (std::int64_t k = begin; k < end; ++k) ++c[at(a[k])];
      });
    }
    std::uint32_t* const table = counts.data() + (parts == 1 ? static_cast<std::size_t>(p) * bins : 0);
    std::uint32_t total = 0;
    bool one_bin = false;
    for (std::size_t b = 0; b < bins; ++b) {
      const std::uint32_t before = total;
      for (std::int64_t q = 0; q < parts; ++q) {
        std::uint32_t& c = table[static_cast<std::size_t>(q) * bins + b];
        const std::uint32_t here = c;
        c = total;
        total += here;
      }
      one_bin = one_bin || static_cast<std::int64_t>(total - before) == n;
    }
    if (one_bin) continue;
    each_part([&](std::int64_t q, std::int64_t begin, std::int64_t end) {
      std::uint32_t* const place = table + static_cast<std::size_t>(q) * bins;
      for (std::int64_t k = begin; k < end; ++k) spare[place[at(a[k])]++] = a[k];
    });
    std::swap(a, spare);
  }
  return a;
}
/// Puts a pair in order without a branch.
template <class E>
[[gnu::always_inline]] inline void order_pair(E& a, E& b) {
  const E low = b < a ? b : a, high = b < a ? a : b;
  a = low, b = high;
}
/// Sorts up to 256 numbers: runs of at most four by exchanges, then merges of two equal runs, from both ends at once, so that
/// no step waits for a branch and none has to look whether a run is at its end. Missing numbers count as the largest.
template <class E>
void merge_sort(E* a, std::int64_t n) {
  E buffer[2][256];
  int merges = 0;
  while ((n + (std::int64_t{1} << merges) - 1) >> merges > 4) ++merges;
  std::int64_t run = (n + (std::int64_t{1} << merges) - 1) >> merges;
  const std::int64_t size = run << merges;
  E *from = buffer[0], *to = buffer[1];
  std::copy_n(a, n, from);
  std::fill(from + n, from + size, static_cast<E>(~E(0)));
  for (E* p = from; p < from + size; p += run) {
    if (run == 4) order_pair(p[0], p[2]), order_pair(p[1], p[3]);
    else if (run == 3) order_pair(p[0], p[2]);
    if (run > 1) order_pair(p[0], p[1]);
    if (run == 4) order_pair(p[2], p[3]);
    if (run > 2) order_pair(p[1], p[2]);
  }
  for (; run < size; run *= 2, std::swap(from, to))
    for (std::int64_t k = 0; k < size; k += 2 * run) {
      const E *left = from + k, *right = left + run, *left_end = right - 1, *right_end = right + run - 1;
      E *first = to + k, *last = first + 2 * run - 1;
      for (std::int64_t i = 0; i < run; ++i) {
        const E l = *left, r = *right, le = *left_end, re = *right_end;
        const bool take = r < l, keep = re < le;
        *first++ = take ? r : l;
        right += take, left += !take;
        *last-- = keep ? le : re;
        left_end -= keep, right_end -= !keep;
      }
    }
  std::copy_n(from, n, a);
}
/// The same for any length.
template <class E, bool Indexed>
E* sort_words(E* a, E* spare, std::int64_t n) {
  if (n > 200) return radix_sort<radix_word<E, Indexed>>(a, spare, n);
  if constexpr (std::is_integral_v<E>) merge_sort(a, n);
  else std::sort(a, a + n);
  return a;
}

/// Calls f(from, to) for each row along an axis, contiguous; other rows are copied aside and back.
template <class = void>
void each_row(const operand_memory& x, const result_memory& y, std::int64_t axis, function_ref<void(const void*, void*)> f) {
  const axis_layout l(x.shape, axis);
  const std::int64_t rows = l.outer * l.inner, size = rows * l.n;
  if (size == 0) return;
  const auto go = [&](const void* from, void* to) {
    parallel_for(rows, 4096 / l.n + 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) f(element_at(x.type, from, r * l.n), element_at(y.type, to, r * l.n));
    });
  };
  if (l.inner == 1) return go(x.data, y.data);
  std::vector<unsigned char> aside(static_cast<std::size_t>(size) * size_of(x.type)), sorted(static_cast<std::size_t>(size) * size_of(y.type));
  copy_nest there, back;
  there.axis(l.outer, l.n * l.inner, l.n * l.inner), there.axis(l.inner, 1, l.n), there.axis(l.n, l.inner, 1);
  back.axis(l.outer, l.n * l.inner, l.n * l.inner), back.axis(l.n, 1, l.inner), back.axis(l.inner, l.n, 1);
  copy(x.type, x.data, aside.data(), there);
  go(aside.data(), sorted.data());
  copy(y.type, sorted.data(), y.data, back);
}

/// Strings along an axis: f(strings, order) for the order of each row.
template <class F>
void each_string_order(const std::string* x, const tensor_shape& s, const attributes& at, const F& f) {
  const axis_layout l(s, at.i[0]);
  std::vector<std::int64_t> order(static_cast<std::size_t>(l.n));
  for (std::int64_t r = 0; r < l.outer * l.inner; ++r) {
    const std::int64_t first = r / l.inner * l.n * l.inner + r % l.inner;
    for (std::int64_t k = 0; k < l.n; ++k) order[static_cast<std::size_t>(k)] = k;
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
      const std::string &a = x[first + i * l.inner], &b = x[first + j * l.inner];
      return at.i[1] != 0 ? b < a : a < b;
    });
    for (std::int64_t k = 0; k < l.n; ++k) f(first + k * l.inner, first + order[static_cast<std::size_t>(k)] * l.inner, order[static_cast<std::size_t>(k)]);
  }
}
/// The k smallest entries of a row, in order.
template <class E>
void smallest(std::vector<E>& entries, std::int64_t k) {
  const auto count = static_cast<std::ptrdiff_t>(std::min<std::int64_t>(k, static_cast<std::int64_t>(entries.size())));
  if (count < static_cast<std::ptrdiff_t>(entries.size())) std::nth_element(entries.begin(), entries.begin() + count, entries.end());
  entries.resize(static_cast<std::size_t>(count));
}
/// The k largest of x[begin, end) as entries (descending keys, indices of the row), in no order.
template <class T>
void select_largest(const T* x, std::int64_t begin, std::int64_t end, std::int64_t k, std::vector<entry_t<sort_key_t<T>>>& found) {
  const auto entry = [&](std::int64_t i) { return make_entry(ordered_key<false>(x[i], true), i); };
  const auto room = static_cast<std::size_t>(std::max<std::int64_t>(2 * k, k + 256));
  found.clear();
  found.reserve(room);
  std::int64_t i = begin;
  for (; i < end && static_cast<std::int64_t>(found.size()) < k; ++i) found.push_back(entry(i));
  if (i == end || k == 0) return;
  T least = x[index_of(*std::max_element(found.begin(), found.end()))];
  const auto offer = [&](std::int64_t j) {
    if (x[j] <= least) return;  // an equal one has the lower index already
    found.push_back(entry(j));
    if (found.size() < room) return;
    std::nth_element(found.begin(), found.begin() + (k - 1), found.end());
    found.resize(static_cast<std::size_t>(k));
    least = x[index_of(found.back())];
  };
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, std::int32_t> || std::is_same_v<T, std::int64_t>) {
    using P = pack<T, lanes_for<T>()>;
    for (; i + 4 * P::size <= end; i += 4 * P::size) {
      const P bound(least);
      const auto low = (P::load(x + i) <= bound) && (P::load(x + i + P::size) <= bound) && (P::load(x + i + 2 * P::size) <= bound) &&
                       (P::load(x + i + 3 * P::size) <= bound);
      if (low.bits == decltype(low)::full) continue;
      for (std::int64_t j = i; j < i + 4 * P::size; ++j) offer(j);
    }
  }
  for (; i < end; ++i) offer(i);
  smallest(found, k);
}
/// The indices of the k largest elements of a row, largest first.
template <class T>
void top_k_row(const T* x, std::int64_t n, std::int64_t k, std::int32_t* out) {
  using E = entry_t<sort_key_t<T>>;
  std::vector<E> found;
  constexpr std::int64_t part = 131072;
  if (k > n / 8) {
    found.resize(static_cast<std::size_t>(2 * n));
    for (std::int64_t i = 0; i < n; ++i) found[static_cast<std::size_t>(i)] = make_entry(ordered_key<false>(x[i], true), i);
    const E* const sorted = sort_words<E, true>(found.data(), found.data() + n, n);
    for (std::int64_t i = 0; i < k; ++i) out[i] = static_cast<std::int32_t>(index_of(sorted[i]));
    return;
  }
  if (n >= 2 * part && k <= part / 8 && max_threads() > 1) {
    std::vector<std::vector<E>> parts(static_cast<std::size_t>((n + part - 1) / part));
    parallel_for(n, part, [&](std::int64_t begin, std::int64_t end) { select_largest(x, begin, end, k, parts[static_cast<std::size_t>(begin / part)]); });
    for (const auto& p : parts) found.insert(found.end(), p.begin(), p.end());
    smallest(found, k);
  } else {
    select_largest(x, 0, n, k, found);
  }
  std::sort(found.begin(), found.end());  // by index too: a selection leaves equal keys in any order
  for (std::int64_t i = 0; i < k; ++i) out[i] = static_cast<std::int32_t>(index_of(found[static_cast<std::size_t>(i)]));
}

inline void check_row_length(const char* op, std::int64_t n) {
  if (n > INT32_MAX) throw invalid_argument(std::string(op) + ": an axis of " + std::to_string(n) + " elements is longer than int32 indices can say");
}

/// The order of searches: NaN is the greatest.
template <class T>
bool before(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) return a < b || (b != b && a == a);
  else return a < b;
}

}  // namespace detail

/// The elements of each row along an axis in order; wide dtypes.
template <class T>
void sort_rows(const operand_memory& x, const result_memory& y, std::int64_t axis, bool descending) {
  using K = detail::sort_key_t<T>;
  const std::int64_t n = x.shape[static_cast<int>(axis)];
  detail::each_row(x, y, axis, [&](const void* from, void* to) {
    std::vector<K> keys(static_cast<std::size_t>(2 * n));
    for (std::int64_t k = 0; k < n; ++k) keys[static_cast<std::size_t>(k)] = detail::ordered_key<true>(static_cast<const T*>(from)[k], descending);
    const K* const sorted = detail::sort_words<K, false>(keys.data(), keys.data() + n, n);
    for (std::int64_t k = 0; k < n; ++k) static_cast<T*>(to)[k] = detail::number_of<T>(descending ? static_cast<K>(~sorted[k]) : sorted[k]);
  });
}
/// The indices (int32) that put each row in order.
template <class T>
void argsort_rows(const operand_memory& x, const result_memory& y, std::int64_t axis, bool descending) {
  using E = detail::entry_t<detail::sort_key_t<T>>;
  const std::int64_t n = x.shape[static_cast<int>(axis)];
  detail::each_row(x, y, axis, [&](const void* from, void* to) {
    std::vector<E> keys(static_cast<std::size_t>(2 * n));
    for (std::int64_t k = 0; k < n; ++k)
      keys[static_cast<std::size_t>(k)] = detail::make_entry(detail::ordered_key<false>(static_cast<const T*>(from)[k], descending), k);
    const E* const sorted = detail::sort_words<E, true>(keys.data(), keys.data() + n, n);
    for (std::int64_t k = 0; k < n; ++k) static_cast<std::int32_t*>(to)[k] = static_cast<std::int32_t>(detail::index_of(sorted[k]));
  });
}
/// The stable order of operands along an axis by less(a0, b0, a1, b1, ...).
template <class... T, class F>
void sort_by(const std::tuple<const T*...>& x, std::int64_t* order, const tensor_shape& s, std::int64_t axis, F& less) {
  const axis_layout l(s, axis);
  parallel_for(l.outer * l.inner, 1024 / (l.n + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> row(static_cast<std::size_t>(l.n));
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t first = r / l.inner * l.n * l.inner + r % l.inner;
      for (std::size_t k = 0; k < row.size(); ++k) row[k] = static_cast<std::int64_t>(k);
      std::stable_sort(row.begin(), row.end(), [&](std::int64_t i, std::int64_t j) {
        const auto pairs = std::tuple_cat(
            std::apply([&](const auto*... p) { return std::tuple_cat(std::make_tuple(p[first + i * l.inner], p[first + j * l.inner])...); }, x));
        return static_cast<bool>(std::apply(less, pairs));
      });
      for (std::size_t k = 0; k < row.size(); ++k) order[first + static_cast<std::int64_t>(k) * l.inner] = row[k];
    }
  });
}

}  // namespace rill::kernel

namespace rill::ops {

template <class>
void sort_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if (out.type == dtype::string) {
    const auto* const x = in[0].as<std::string>();
    return kernel::detail::each_string_order(x, out.shape, at, [&](std::int64_t to, std::int64_t from, std::int64_t) { out.as<std::string>()[to] = x[from]; });
  }
  const kernel::detail::wide_operand x(in[0]);
  const kernel::detail::wide_result y(out);
  kernel::detail::visit_wide(x.m.type, [&]<class T>(std::type_identity<T>) { kernel::sort_rows<T>(x.m, y.m, at.i[0], at.i[1] != 0); }, name);
  y.finish();
}

template <class>
void argsort_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::check_row_length(name, out.shape[static_cast<int>(at.i[0])]);
  auto* const to = out.as<std::int32_t>();
  if (in[0].type == dtype::string)
    return kernel::detail::each_string_order(in[0].as<std::string>(), out.shape, at,
                                             [&](std::int64_t k, std::int64_t, std::int64_t index) { to[k] = static_cast<std::int32_t>(index); });
  const kernel::detail::wide_operand x(in[0]);
  kernel::detail::visit_wide(x.m.type, [&]<class T>(std::type_identity<T>) { kernel::argsort_rows<T>(x.m, out, at.i[0], at.i[1] != 0); }, name);
}

template <class>
void top_k_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if (out.size() == 0) return;
  const std::int64_t n = in[0].shape[in[0].shape.rank() - 1], k = at.i[0];
  kernel::detail::check_row_length(name, n);
  const kernel::detail::wide_operand x(in[0]);
  kernel::detail::visit_wide(x.m.type, [&]<class T>(std::type_identity<T>) {
    parallel_for(out.size() / k, 8192 / n + 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) kernel::detail::top_k_row(x.m.as<T>() + r * n, n, k, out.as<std::int32_t>() + r * k);
    });
  }, name);
}

template <class>
void nth_element_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if (out.size() == 0) return;
  const std::int64_t n = in[0].shape[in[0].shape.rank() - 1];
  const bool descending = at.i[1] != 0;
  const kernel::detail::wide_operand x(in[0]);
  const kernel::detail::wide_result y(out);
  kernel::detail::visit_wide(x.m.type, [&]<class T>(std::type_identity<T>) {
    using K = kernel::detail::sort_key_t<T>;
    parallel_for(out.size(), 8192 / n + 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<K> keys(static_cast<std::size_t>(n));
      for (std::int64_t r = begin; r < end; ++r) {
        for (std::int64_t k = 0; k < n; ++k) keys[static_cast<std::size_t>(k)] = kernel::detail::ordered_key<true>(x.m.as<T>()[r * n + k], descending);
        std::nth_element(keys.begin(), keys.begin() + at.i[0], keys.end());
        const K found = keys[static_cast<std::size_t>(at.i[0])];
        y.m.as<T>()[r] = kernel::detail::number_of<T>(descending ? static_cast<K>(~found) : found);
      }
    });
  }, name);
  y.finish();
}

template <class>
void in_top_k_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const std::int64_t classes = in[0].shape[1];
  const kernel::detail::wide_operand p(in[0]);
  const auto go = [&]<class T>(std::type_identity<T>) {
    for (std::int64_t r = 0; r < out.size(); ++r) {
      const T* const x = p.m.as<T>() + r * classes;
      const std::int64_t target = kernel::detail::index_at(in[1], r);
      bool certain = target >= 0 && target < classes;
      std::int64_t higher = 0;
      for (std::int64_t c = 0; certain && c < classes; ++c) {
        certain = std::isfinite(static_cast<double>(x[c]));
        higher += x[c] > x[target];
      }
      out.as<bool>()[r] = certain && higher < at.i[0];
    }
  };
  p.m.type == dtype::float64 ? go(std::type_identity<double>{}) : go(std::type_identity<float>{});
}

template <class>
void searchsorted_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const int last = out.shape.rank() - 1;
  const std::int64_t n = in[0].shape[last], m = out.shape[last];
  if (at.i[1] == static_cast<int>(dtype::int32)) kernel::detail::check_row_length(name, n);
  const kernel::detail::wide_operand x(in[0]), v(in[1]);
  const auto with = [&]<class T>(std::type_identity<T>) {
    parallel_for(out.size(), 1024, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const T* const row = x.m.as<T>() + k / m * n;
        const T& wanted = v.m.as<T>()[k];
        std::int64_t low = 0, high = n;
        while (low < high) {
          const std::int64_t middle = low + (high - low) / 2;
          const bool ahead = at.i[0] != 0 ? !kernel::detail::before(wanted, row[middle]) : kernel::detail::before(row[middle], wanted);
          ahead ? low = middle + 1 : high = middle;
        }
        if (out.type == dtype::int64) out.as<std::int64_t>()[k] = low;
        else out.as<std::int32_t>()[k] = static_cast<std::int32_t>(low);
      }
    });
  };
  if (in[0].type == dtype::string) with(std::type_identity<std::string>{});
  else kernel::detail::visit_wide(x.m.type, with, name);
}

template <class>
void histogram_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  std::vector<std::int64_t> count(static_cast<std::size_t>(at.i[0]));
  const kernel::detail::wide_operand values(in[0]), range(in[1]);
  kernel::detail::visit_wide(values.m.type, [&]<class T>(std::type_identity<T>) {
    using A = std::conditional_t<std::is_floating_point_v<T>, T, double>;
    const A low = static_cast<A>(range.m.as<T>()[0]), high = static_cast<A>(range.m.as<T>()[1]), bins = static_cast<A>(at.i[0]);
    if (!(low < high))
      throw invalid_argument(std::string(name) + ": value_range must ascend, got [" + std::to_string(low) + ", " + std::to_string(high) + "]");
    const T* const x = values.m.as<T>();
    for (std::int64_t k = 0, n = in[0].size(); k < n; ++k) {
      const A v = static_cast<A>(x[k]);
      if (!(v == v)) continue;
      const A at_bin = (v - low) / (high - low) * bins;
      ++count[!(at_bin >= A(1)) ? 0 : at_bin >= bins ? count.size() - 1 : static_cast<std::size_t>(at_bin)];
    }
  }, name);
  for (std::size_t b = 0; b < count.size(); ++b) {
    if (out.type == dtype::int64) out.as<std::int64_t>()[b] = count[b];
    else out.as<std::int32_t>()[b] = static_cast<std::int32_t>(count[b]);
  }
}

template <class F, class... T>
template <class>
void sort_by_op<F, T...>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  F less{};
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    kernel::sort_by<T...>(std::tuple<const T*...>(in[I].template as<T>()...), out.as<std::int64_t>(), out.shape, at.i[0], less);
  }
  (std::index_sequence_for<T...>{});
}

}  // namespace rill::ops

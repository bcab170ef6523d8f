// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The CPU kernels of ops/segment.hpp. Small ones walk the slices in order. Large ones give each thread segments (or
/// columns) of its own: slices are listed by segment, in order, so that every sum is made of the same additions.

#include <span>

#include "../ops/segment.hpp"
#include "scan.hpp"

namespace rill::kernel {

namespace detail {

/// The ids of all slices, -1 for one that is left out.
struct segment_ids {
  enum rule { ascending, negative_left_out, outside_left_out };
  std::vector<std::int64_t> id;

  segment_ids(const char* op, const operand_memory& ids, std::int64_t segments, rule r) : id(static_cast<std::size_t>(ids.size())) {
    const auto fill = [&](const auto* p) {
      for (std::size_t k = 0; k < id.size(); ++k) id[k] = static_cast<std::int64_t>(p[k]);
    };
    ids.type == dtype::int64 ? fill(ids.as<std::int64_t>()) : fill(ids.as<std::int32_t>());
    const auto at = [&](std::size_t k) { return "segment_" + position(ids.shape, static_cast<std::int64_t>(k)).replace(0, 7, "ids"); };
    for (std::size_t k = 1; r == ascending && k < id.size(); ++k)
      if (id[k] < id[k - 1])
        throw invalid_argument(std::string(op) + ": segment ids must not descend: " + at(k) + " = " + std::to_string(id[k]) + " follows " +
                               std::to_string(id[k - 1]));
    for (std::size_t k = 0; k < id.size(); ++k) {
      if (id[k] < 0 ? r == ascending : id[k] >= segments && r != outside_left_out)
        throw out_of_range(std::string(op) + ": " + at(k) + " = " + std::to_string(id[k]) + " is not in [0, " + std::to_string(segments) + ")");
      if (id[k] < 0 || id[k] >= segments) id[k] = -1;
    }
  }
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(id.size()); }
  std::int64_t operator[](std::int64_t k) const { return id[static_cast<std::size_t>(k)]; }
};

/// The numbers of the slices of each segment, in order.
struct slices_by_segment {
  std::vector<std::int64_t> first, order;

  slices_by_segment(const segment_ids& id, std::int64_t segments) : first(static_cast<std::size_t>(segments) + 1), order(static_cast<std::size_t>(id.size())) {
    for (const std::int64_t s : id.id)
      if (s >= 0) ++first[static_cast<std::size_t>(s) + 1];
    for (std::size_t s = 1; s < first.size(); ++s) first[s] += first[s - 1];
    std::vector<std::int64_t> next(first.begin(), first.end() - 1);
    for (std::int64_t k = 0; k < id.size(); ++k)
      if (id[k] >= 0) order[static_cast<std::size_t>(next[static_cast<std::size_t>(id[k])]++)] = k;
  }
  [[nodiscard]] std::span<const std::int64_t> operator[](std::int64_t s) const {
    const auto begin = static_cast<std::size_t>(first[static_cast<std::size_t>(s)]), end = static_cast<std::size_t>(first[static_cast<std::size_t>(s) + 1]);
    return std::span(order).subspan(begin, end - begin);
  }
};

/// to = R(to, from) for n elements.
template <class R, class T>
void combine_slice(const T* from, T* to, std::int64_t n) {
  if constexpr (std::is_arithmetic_v<T>) {
    if (n >= 4) return combine_rows<R>(to, from, to, n);
  }
  for (std::int64_t k = 0; k < n; ++k) to[k] = static_cast<T>(R::combine(to[k], from[k]));
}

/// out[id(k)] = R of the slices rows[k] (k without rows); `out` holds identities.
template <class R, class T>
void combine_segments(const T* x, std::int64_t inner, const segment_ids& id, std::int64_t segments, const std::int64_t* rows, T* out) {
  const std::int64_t n = id.size();
  const auto slice = [&](std::int64_t k) { return x + (rows ? rows[k] : k) * inner; };
  if (n * inner < 65536 || max_threads() == 1) {
    for (std::int64_t k = 0; k < n; ++k)
      if (id[k] >= 0) combine_slice<R>(slice(k), out + id[k] * inner, inner);
    return;
  }
  if (inner >= 2048) {
    parallel_for(inner, 512, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = 0; k < n; ++k)
        if (id[k] >= 0) combine_slice<R>(slice(k) + begin, out + id[k] * inner + begin, end - begin);
    });
    return;
  }
  const slices_by_segment by(id, segments);
  parallel_for(segments, 32768 * segments / (n * inner) + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t s = begin; s < end; ++s)
      for (const std::int64_t k : by[s]) combine_slice<R>(slice(k), out + s * inner, inner);
  });
}

/// The same from nothing, with `empty` in segments without slices.
template <class R, class T>
void reduce_segments(const T* x, std::int64_t inner, const segment_ids& id, std::int64_t segments, const std::int64_t* rows, T empty, T* out) {
  std::fill_n(out, segments * inner, R::template identity<T>());
  combine_segments<R>(x, inner, id, segments, rows, out);
  if constexpr (std::is_same_v<R, ops::max> || std::is_same_v<R, ops::min>) {
    std::vector<bool> seen(static_cast<std::size_t>(segments));
    for (const std::int64_t s : id.id)
      if (s >= 0) seen[static_cast<std::size_t>(s)] = true;
    for (std::int64_t s = 0; s < segments; ++s)
      if (!seen[static_cast<std::size_t>(s)]) std::fill_n(out + s * inner, inner, empty);
  }
}
/// Lowest and highest number of a dtype as a T, which is wider.
template <class T>
T extreme_of(dtype type, bool highest) {
  return visit_real(type, [&]<class N>(std::type_identity<N>) {
    return static_cast<T>(highest ? std::numeric_limits<N>::max() : std::numeric_limits<N>::lowest());
  }, "segments");
}
/// A reduction by segments in wide dtypes; Sorted: segments without slices hold 0.
template <class R>
void segments_of(const operand_memory& data, const segment_ids& id, const std::int64_t* rows, bool zero_empty, const result_memory& out, const char* op) {
  const wide_operand x(data);
  const wide_result y(out);
  const std::int64_t segments = out.shape[0];
  std::int64_t inner = 1;
  for (int d = 1; d < out.shape.rank(); ++d) inner *= out.shape[d];
  const auto go = [&]<class T>(std::type_identity<T>) {
    T empty(0);
    if constexpr (std::is_same_v<R, ops::max> || std::is_same_v<R, ops::min>)
      if (!zero_empty) empty = extreme_of<T>(out.type, std::is_same_v<R, ops::min>);
    reduce_segments<R>(x.m.as<T>(), inner, id, segments, rows, empty, y.m.as<T>());
  };
  if constexpr (std::is_same_v<R, ops::max> || std::is_same_v<R, ops::min>) visit_wide(y.m.type, go, op);
  else visit_modular(y.m.type, go, op);
  y.finish();
}

inline std::int64_t slice_size(const tensor_shape& s, int axes) {
  std::int64_t n = 1;
  for (int d = axes; d < s.rank(); ++d) n *= s[d];
  return n;
}

}  // namespace detail
}  // namespace rill::kernel

namespace rill::ops {

template <class Reducer, bool Sorted>
template <class>
void segment_op<Reducer, Sorted>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  using ids_of = kernel::detail::segment_ids;
  const ids_of ids(name, in[1], at.i[0], Sorted ? ids_of::ascending : at.i[1] != 0 ? ids_of::outside_left_out : ids_of::negative_left_out);
  kernel::detail::segments_of<Reducer>(in[0], ids, nullptr, Sorted, out, name);
}

template <class>
void spread_segments_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const std::int64_t segments = in[0].shape[0], inner = kernel::detail::slice_size(in[0].shape, 1);
  const kernel::detail::segment_ids ids(name, in[1], segments, kernel::detail::segment_ids::outside_left_out);
  if (out.size() == 0) return;
  bool whole = segments > 0;
  for (const std::int64_t s : ids.id) whole = whole && s >= 0;
  if (whole) return kernel::detail::gather_rows(out.type, in[0].data, inner, ids.size(), [&](std::int64_t k) { return ids[k]; }, out.data);
  const auto bytes = static_cast<std::size_t>(inner) * size_of(out.type);
  for (std::int64_t k = 0; k < ids.size(); ++k) {
    void* const to = kernel::detail::element_at(out.type, out.data, k * inner);
    if (ids[k] < 0) std::memset(to, 0, bytes);
    else std::memcpy(to, kernel::detail::element_at(out.type, in[0].data, ids[k] * inner), bytes);
  }
}

template <class>
void segment_count_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::detail::segment_ids ids(name, in[0], at.i[0], kernel::detail::segment_ids::outside_left_out);
  std::vector<std::int64_t> count(static_cast<std::size_t>(at.i[0]));
  for (const std::int64_t s : ids.id)
    if (s >= 0) ++count[static_cast<std::size_t>(s)];
  visit_number(out.type, [&]<class T>(std::type_identity<T>) {
    for (std::size_t s = 0; s < count.size(); ++s) out.as<T>()[s] = number_cast<T>(count[s]);
  }, name);
}

template <class>
void segment_shift_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const std::int64_t segments = at.i[0], inner = kernel::detail::slice_size(out.shape, in[1].shape.rank());
  const kernel::detail::segment_ids ids(name, in[1], segments, kernel::detail::segment_ids::outside_left_out);
  visit_number(out.type, [&]<class T>(std::type_identity<T>) {
    const T fill = number_cast<T>(at.f[0]);
    std::vector<const T*> last(static_cast<std::size_t>(segments), nullptr);
    const T* const x = in[0].as<T>();
    for (std::int64_t j = 0; j < ids.size(); ++j) {
      const std::int64_t k = at.i[2] != 0 ? ids.size() - 1 - j : j, s = ids[k];
      T* const to = out.as<T>() + k * inner;
      if (s < 0 || !last[static_cast<std::size_t>(s)]) std::fill_n(to, inner, fill);
      else std::copy_n(last[static_cast<std::size_t>(s)], inner, to);
      if (s >= 0) last[static_cast<std::size_t>(s)] = x + k * inner;
    }
  }, name);
}

template <class>
void segment_recurrence_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const std::int64_t segments = at.i[0], inner = kernel::detail::slice_size(out.shape, in[2].shape.rank());
  const kernel::detail::segment_ids ids(name, in[2], segments, kernel::detail::segment_ids::outside_left_out);
  const kernel::detail::wide_operand x0(in[0]), x1(in[1]);
  const kernel::detail::wide_result y(out);
  kernel::detail::visit_modular(y.m.type, [&]<class T>(std::type_identity<T>) {
    std::vector<bool> begun(static_cast<std::size_t>(segments));
    std::vector<T> h(static_cast<std::size_t>(segments * inner));
    for (std::int64_t j = 0; j < ids.size(); ++j) {
      const std::int64_t k = at.i[2] != 0 ? ids.size() - 1 - j : j, s = ids[k];
      T* const to = y.m.as<T>() + k * inner;
      const T *const a = x0.m.as<T>() + k * inner, *const b = x1.m.as<T>() + k * inner;
      if (s < 0) {
        std::fill_n(to, inner, T(0));
        continue;
      }
      T* const state = h.data() + s * inner;
      for (std::int64_t i = 0; i < inner; ++i) {
        state[i] = begun[static_cast<std::size_t>(s)] ? a[i] * state[i] + b[i] : b[i];
        to[i] = state[i];
      }
      begun[static_cast<std::size_t>(s)] = true;
    }
  }, name);
  y.finish();
}

template <class>
void sparse_segment_sum_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::check_indices(name, in[1], in[0].shape[0]);
  const kernel::detail::segment_ids ids(name, in[2], at.i[0], kernel::detail::segment_ids::ascending);
  std::vector<std::int64_t> rows(static_cast<std::size_t>(ids.size()));
  for (std::int64_t k = 0; k < ids.size(); ++k) rows[static_cast<std::size_t>(k)] = kernel::detail::index_at(in[1], k);
  kernel::detail::segments_of<sum>(in[0], ids, rows.data(), true, out, name);
}

}  // namespace rill::ops

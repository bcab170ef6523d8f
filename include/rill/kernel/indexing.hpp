// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The CPU kernels of ops/indexing.hpp. Gathers copy rows; scatters combine rows in the order of their indices: large ones
/// are cut by ranges of the destination, so that no two threads meet and every result is the same for any number of them.

#include <vector>

#include "../ops/indexing.hpp"
#include "movement.hpp"

namespace rill::kernel {

namespace detail {

/// "indices[1,2]" for element k of an index operand.
inline std::string position(const tensor_shape& s, std::int64_t k) {
  std::string text = "indices";
  std::string inside;
  for (int d = s.rank() - 1; d >= 0; --d) {
    inside = std::to_string(k % s[d]) + (inside.empty() ? "" : ",") + inside;
    k /= s[d];
  }
  return s.rank() == 0 ? text : text + "[" + inside + "]";
}
/// out_of_range unless all elements lie in [0, n).
inline void check_indices(const char* op, const operand_memory& m, std::int64_t n) {
  const auto with = [&]<class I>(const I* p) {
    bool bad = false;
    const std::int64_t size = m.size();
    for (std::int64_t k = 0; k < size; ++k) bad |= p[k] < 0 || static_cast<std::int64_t>(p[k]) >= n;
    for (std::int64_t k = 0; bad && k < size; ++k)
      if (p[k] < 0 || static_cast<std::int64_t>(p[k]) >= n)
        throw out_of_range(std::string(op) + ": " + position(m.shape, k) + " = " + std::to_string(p[k]) + " is not in [0, " +
                           std::to_string(n) + ")");
  };
  m.type == dtype::int64 ? with(m.as<std::int64_t>()) : with(m.as<std::int32_t>());
}

/// to[k] = from[at(k)] for k in [begin, end): rows of `inner` words.
template <class Word, class At>
void gather_rows(const Word* from, std::int64_t inner, std::int64_t begin, std::int64_t end, const At& at, Word* to) {
  if (inner == 1) {
    for (std::int64_t k = begin; k < end; ++k) to[k] = from[at(k)];
    return;
  }
  constexpr std::int64_t ahead = 8;
  for (std::int64_t k = begin; k < end; ++k) {
    if (k + ahead < end) __builtin_prefetch(from + at(k + ahead) * inner);
    copy_run(from + at(k) * inner, inner, to + k * inner);
  }
}
/// The same for `count` rows in parallel, by the width of a row.
template <class At>
void gather_rows(dtype type, const void* from, std::int64_t inner, std::int64_t count, const At& at, void* to) {
  if (inner == 0) return;
  const auto as = [&]<class Word>(std::type_identity<Word>, std::int64_t words) {
    const auto bytes = static_cast<std::int64_t>(sizeof(Word)) * words;
    parallel_for(count, 131072 / bytes + 1, [&](std::int64_t begin, std::int64_t end) {
      gather_rows(static_cast<const Word*>(from), words, begin, end, at, static_cast<Word*>(to));
    });
  };
  if (type == dtype::string) return as(std::type_identity<std::string>{}, inner);
  const std::int64_t bytes = inner * static_cast<std::int64_t>(size_of(type));
  switch (bytes) {
    case 1: return as(std::type_identity<word<1>>{}, 1);
    case 2: return as(std::type_identity<word<2>>{}, 1);
    case 4: return as(std::type_identity<word<4>>{}, 1);
    case 8: return as(std::type_identity<word<8>>{}, 1);
    case 16: return as(std::type_identity<word<16>>{}, 1);
    default: return bytes % 4 == 0 ? as(std::type_identity<word<4>>{}, bytes / 4) : as(std::type_identity<word<1>>{}, bytes);
  }
}

/// One element combined with an update.
template <scatter_kind Kind, class T>
T combined(const T& a, const T& b) {
  if constexpr (Kind == scatter_kind::update) return b;
  else if constexpr (std::is_integral_v<T> && Kind != scatter_kind::min && Kind != scatter_kind::max && Kind != scatter_kind::div) {
    using U = std::common_type_t<std::make_unsigned_t<T>, unsigned>;  // wraps
    const U x = static_cast<U>(a), y = static_cast<U>(b);
    return static_cast<T>(Kind == scatter_kind::add ? x + y : Kind == scatter_kind::sub ? x - y : x * y);
  } else if constexpr (Kind == scatter_kind::add) return static_cast<T>(a + b);
  else if constexpr (Kind == scatter_kind::sub) return static_cast<T>(a - b);
  else if constexpr (Kind == scatter_kind::mul) return static_cast<T>(a * b);
  else if constexpr (Kind == scatter_kind::div) {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) throw invalid_argument("Scatter: an integer is divided by zero");
      if constexpr (std::is_signed_v<T>)
        if (b == -1) return combined<scatter_kind::sub>(T(0), a);
    }
    return static_cast<T>(a / b);
  } else if constexpr (Kind == scatter_kind::min) return b < a || b != b ? b : a;
  else return a < b || b != b ? b : a;
}
/// Calls f(std::integral_constant<scatter_kind, kind>).
template <class F>
void visit_kind(scatter_kind kind, F&& f) {
  using k = scatter_kind;
  switch (kind) {
    case k::add: return f(std::integral_constant<k, k::add>{});
    case k::sub: return f(std::integral_constant<k, k::sub>{});
    case k::mul: return f(std::integral_constant<k, k::mul>{});
    case k::div: return f(std::integral_constant<k, k::div>{});
    case k::min: return f(std::integral_constant<k, k::min>{});
    case k::max: return f(std::integral_constant<k, k::max>{});
    default: return f(std::integral_constant<k, k::update>{});
  }
}
/// Calls f(type, kind) for what computes: numbers, and for extremes real ones.
template <class F>
void visit_scatter(const char* op, dtype type, scatter_kind kind, F&& f) {
  visit_number(type, [&]<class T>(std::type_identity<T> t) {
    if constexpr (is_complex_v<T>) {
      if (kind == scatter_kind::min || kind == scatter_kind::max)
        throw unimplemented(std::string(op) + ": complex numbers have no order");
      visit_kind(kind, [&]<scatter_kind K>(std::integral_constant<scatter_kind, K> k) {
        if constexpr (K != scatter_kind::min && K != scatter_kind::max) f(t, k);
      });
    } else {
      visit_kind(kind, [&](auto k) { f(t, k); });
    }
  }, op);
}
template <scatter_kind Kind, class T>
void combine_run(T* __restrict to, const T* __restrict from, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (std::int64_t j = 0; j < 16; ++j) to[i + j] = combined<Kind>(to[i + j], from[i + j]);
  for (; i < n; ++i) to[i] = combined<Kind>(to[i], from[i]);
}
/// Calls row(k * inner, at[k] * inner) for each k, ascending for every row of a destination of n rows.
template <class F>
void each_row(const std::vector<std::int64_t>& at, std::int64_t inner, std::int64_t n, const F& row) {
  const auto count = static_cast<std::int64_t>(at.size());
  if (count == 0 || inner == 0) return;
  const std::int64_t work = count * inner;
  std::int64_t ranges = inner < 8 ? 1 : work / 65536;
  ranges = ranges < 1 ? 1 : ranges > 16 ? 16 : ranges;
  const std::int64_t each = (n + ranges - 1) / ranges;
  parallel_for(n, each, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = 0; k < count; ++k)
      if (const std::int64_t r = at[static_cast<std::size_t>(k)]; r >= begin && r < end) row(k * inner, r * inner);
  });
}
/// Adds row k of the updates to row at[k] of a destination of n rows, k ascending.
template <class = void>
void add_rows_at(const char* op, dtype type, const std::vector<std::int64_t>& at, const void* updates, std::int64_t inner, std::int64_t n, void* to) {
  visit_number(type, [&]<class T>(std::type_identity<T>) {
    each_row(at, inner, n, [&](std::int64_t from, std::int64_t r) {
      combine_run<scatter_kind::add>(static_cast<T*>(to) + r, static_cast<const T*>(updates) + from, inner);
    });
  }, op);
}
/// Combines row k of the updates with row at[k] of a destination of n rows, k ascending.
template <class = void>
void scatter_rows(const char* op, dtype type, scatter_kind kind, const std::vector<std::int64_t>& at, const void* updates,
                  std::int64_t inner, std::int64_t n, void* to) {
  if (kind == scatter_kind::update) {
    if (type == dtype::string) {
      each_row(at, inner, n, [&](std::int64_t from, std::int64_t r) { copy_run(static_cast<const std::string*>(updates) + from, inner, static_cast<std::string*>(to) + r); });
      return;
    }
    const auto width = static_cast<std::int64_t>(size_of(type));
    each_row(at, inner, n, [&](std::int64_t from, std::int64_t r) {
      copy_run(static_cast<const word<1>*>(updates) + from * width, inner * width, static_cast<word<1>*>(to) + r * width);
    });
    return;
  }
  visit_scatter(op, type, kind, [&]<class T, scatter_kind K>(std::type_identity<T>, std::integral_constant<scatter_kind, K>) {
    each_row(at, inner, n, [&](std::int64_t from, std::int64_t r) { combine_run<K>(static_cast<T*>(to) + r, static_cast<const T*>(updates) + from, inner); });
  });
}

/// Extents of a gather along an axis: [batch, outer, n, inner] at [batch, m].
struct slice_extents {
  std::int64_t batch = 1, outer = 1, n = 1, inner = 1, m = 1;
  slice_extents(const tensor_shape& whole, const tensor_shape& indices, const attributes& at) {
    for (int d = 0; d < whole.rank(); ++d) (d < at.i[1] ? batch : d < at.i[0] ? outer : d == at.i[0] ? n : inner) *= whole[d];
    for (int d = static_cast<int>(at.i[1]); d < indices.rank(); ++d) m *= indices[d];
  }
};
/// The row of a tensor of index vectors [.., k] that each of them speaks of; out_of_range when there is none.
inline std::vector<std::int64_t> rows_at(const char* op, const operand_memory& indices, const tensor_shape& whole, std::int64_t& inner) {
  const int last = indices.shape.rank() - 1;
  const std::int64_t k = indices.shape[last];
  std::int64_t count = 1;
  for (int d = 0; d < last; ++d) count *= indices.shape[d];
  inner = 1;
  for (int d = static_cast<int>(k); d < whole.rank(); ++d) inner *= whole[d];
  std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
  for (std::int64_t r = 0; r < count; ++r) {
    std::int64_t row = 0;
    for (std::int64_t j = 0; j < k; ++j) {
      const std::int64_t i = index_at(indices, r * k + j), n = whole[static_cast<int>(j)];
      if (i < 0 || i >= n) {
        const tensor_shape front(indices.shape.begin(), last);
        std::string got;
        for (std::int64_t e = 0; e < k; ++e) got += (e > 0 ? ", " : "") + std::to_string(index_at(indices, r * k + e));
        throw out_of_range(std::string(op) + ": " + position(front, r) + " = [" + got + "] does not index into shape " + to_string(whole));
      }
      row = row * n + i;
    }
    rows[static_cast<std::size_t>(r)] = row;
  }
  return rows;
}

/// The windows of XLA's Gather and Scatter, one per index vector.
class window_walk {
 public:
  window_walk(const attributes& at, const tensor_shape& operand, const operand_memory& indices, const tensor_shape& result)
      : at_(at), operand_(operand), indices_(indices) {
    using w = ops::window_attributes;
    const int vector = w::index_vector_dim(at);
    std::int64_t step[max_rank] = {};
    row_major(result, step);
    row_major(operand, stride_);
    vector_ = vector < indices.shape.rank() ? indices.shape[vector] : 1;
    for (int d = vector + 1; d < indices.shape.rank(); ++d) after_ *= indices.shape[d];
    int window = 0;
    for (int k = 0; k < result.rank(); ++k) {
      if (rill::detail::is_bit(w::window_dims(at), k)) {
        while (rill::detail::is_bit(w::elided_dims(at), window)) ++window;
        bounds_[window] = result[k], to_[window++] = step[k];
      } else {
        batch_[batches_] = result[k], batch_step_[batches_++] = step[k];
        count_ *= result[k];
      }
    }
    for (int d = 0; d < operand.rank(); ++d)
      if (rill::detail::is_bit(w::elided_dims(at), d)) bounds_[d] = 1;
  }
  [[nodiscard]] std::int64_t count() const { return count_; }

  /// The part of window g that lies inside of the operand: a nest (operand's strides, result's strides) and where both
  /// begin; false when nothing does.
  bool at(std::int64_t g, copy_nest& n, std::int64_t& operand_at, std::int64_t& result_at) const {
    using w = ops::window_attributes;
    std::int64_t start[max_rank] = {};
    const std::int64_t before = g / after_, behind = g % after_;
    for (int k = 0; k < w::indexed_dims(at_); ++k)
      start[w::operand_dim(at_, k)] = index_at(indices_, (before * vector_ + k) * after_ + behind);
    operand_at = result_at = 0;
    for (std::int64_t rest = g, k = batches_ - 1; k >= 0; --k) {
      result_at += rest % batch_[k] * batch_step_[k];
      rest /= batch_[k];
    }
    n.rank = 0;
    for (int d = 0; d < operand_.rank(); ++d) {
      std::int64_t first = start[d], size = bounds_[d], skip = 0;
      if (w::outside(at_) == w::clamp) {
        first = std::clamp<std::int64_t>(first, 0, operand_[d] - size);
      } else {
        if (first <= -size || first >= operand_[d]) return false;
        if (first < 0) skip = -first, size += first, first = 0;
        size = std::min(size, operand_[d] - first);
      }
      if (size <= 0) return false;
      operand_at += first * stride_[d], result_at += skip * to_[d];
      n.axis(size, stride_[d], to_[d]);
    }
    return true;
  }
  /// Calls f(operand's element, result's element) for all pairs of all windows, in order.
  template <class F>
  void each(const F& f) const {
    for (std::int64_t g = 0; g < count_; ++g) {
      copy_nest n;
      std::int64_t o = 0, r = 0;
      if (!at(g, n, o, r)) continue;
      std::int64_t index[max_rank] = {};
      for (;;) {
        f(o, r);
        int d = n.rank - 1;
        for (; d >= 0; --d) {
          o += n.from[d], r += n.to[d];
          if (++index[d] < n.extents[d]) break;
          o -= n.from[d] * n.extents[d], r -= n.to[d] * n.extents[d];
          index[d] = 0;
        }
        if (d < 0) break;
      }
    }
  }

 private:
  attributes at_;
  tensor_shape operand_;
  operand_memory indices_;
  std::int64_t stride_[max_rank] = {}, to_[max_rank] = {}, bounds_[max_rank] = {};
  std::int64_t batch_[max_rank] = {}, batch_step_[max_rank] = {}, vector_ = 1, after_ = 1, count_ = 1;
  int batches_ = 0;
};

}  // namespace detail
}  // namespace rill::kernel

namespace rill::ops {

template <class>
void xla_gather_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if (out.size() == 0) return;
  const kernel::detail::window_walk windows(at, in[0].shape, in[1], out.shape);
  if (window_attributes::outside(at) == window_attributes::drop) kernel::detail::clear(out.type, out.data, out.size());
  parallel_for(windows.count(), 65536 * windows.count() / out.size() + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      kernel::copy_nest n;
      std::int64_t from = 0, to = 0;
      if (windows.at(g, n, from, to))
        kernel::copy(out.type, kernel::detail::element_at(out.type, in[0].data, from), kernel::detail::element_at(out.type, out.data, to), n);
    }
  });
}
template <class>
void xla_scatter_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::detail::copy_all(out.type, in[0].data, out.data, out.size());
  if (out.size() == 0 || in[2].size() == 0) return;
  const kernel::detail::window_walk windows(at, out.shape, in[1], in[2].shape);
  const scatter_kind how = window_attributes::combine(at);
  if (how == scatter_kind::update) {
    for (std::int64_t g = 0; g < windows.count(); ++g) {
      kernel::copy_nest n;
      std::int64_t to = 0, from = 0;
      if (!windows.at(g, n, to, from)) continue;
      for (int d = 0; d < n.rank; ++d) std::swap(n.from[d], n.to[d]);
      kernel::copy(out.type, kernel::detail::element_at(out.type, in[2].data, from), kernel::detail::element_at(out.type, out.data, to), n);
    }
    return;
  }
  kernel::detail::visit_scatter(name, out.type, how, [&](auto t, auto kind) {
    using T = typename decltype(t)::type;
    T* const to = out.as<T>();
    const T* const from = in[2].as<T>();
    windows.each([&](std::int64_t o, std::int64_t u) { to[o] = kernel::detail::combined<decltype(kind)::value>(to[o], from[u]); });
  });
}

template <class>
void gather_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::detail::slice_extents e(in[0].shape, in[1].shape, at);
  kernel::detail::check_indices(name, in[1], e.n);
  if (out.size() == 0) return;
  const auto with = [&](const auto* p) {
    if (e.batch == 1 && e.outer == 1)
      return kernel::detail::gather_rows(out.type, in[0].data, e.inner, e.m, [p](std::int64_t r) { return static_cast<std::int64_t>(p[r]); }, out.data);
    kernel::detail::gather_rows(out.type, in[0].data, e.inner, e.batch * e.outer * e.m, [&](std::int64_t r) {
      const std::int64_t plane = r / e.m, j = r % e.m;
      return plane * e.n + static_cast<std::int64_t>(p[plane / e.outer * e.m + j]);
    }, out.data);
  };
  in[1].type == dtype::int64 ? with(in[1].as<std::int64_t>()) : with(in[1].as<std::int32_t>());
}
template <class>
void scatter_slices_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::detail::slice_extents e(out.shape, in[1].shape, at);
  kernel::detail::check_indices(name, in[1], e.n);
  kernel::detail::clear(out.type, out.data, out.size());
  std::vector<std::int64_t> rows(static_cast<std::size_t>(in[0].size() == 0 ? 0 : e.batch * e.outer * e.m));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto k = static_cast<std::int64_t>(r);
    const std::int64_t plane = k / e.m;
    rows[r] = plane * e.n + kernel::detail::index_at(in[1], plane / e.outer * e.m + k % e.m);
  }
  kernel::detail::add_rows_at(name, out.type, rows, in[0].data, e.inner, e.batch * e.outer * e.n, out.data);
}

template <class>
void gather_nd_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  std::int64_t inner = 1;
  const auto rows = kernel::detail::rows_at(name, in[1], in[0].shape, inner);
  if (out.size() == 0) return;
  kernel::detail::gather_rows(out.type, in[0].data, inner, static_cast<std::int64_t>(rows.size()),
                              [p = rows.data()](std::int64_t r) { return p[r]; }, out.data);
}
template <class>
void scatter_nd_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  std::int64_t inner = 1;
  const auto rows = kernel::detail::rows_at(name, in[0], out.shape, inner);
  kernel::detail::clear(out.type, out.data, out.size());
  if (out.size() > 0) kernel::detail::add_rows_at(name, out.type, rows, in[1].data, inner, out.size() / inner, out.data);
}
template <class>
void tensor_scatter_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  std::int64_t inner = 1;
  const auto rows = kernel::detail::rows_at(name, in[1], out.shape, inner);
  kernel::detail::copy_all(out.type, in[0].data, out.data, out.size());
  if (out.size() > 0)
    kernel::detail::scatter_rows(name, out.type, static_cast<scatter_kind>(at.i[0]), rows, in[2].data, inner, out.size() / inner, out.data);
}

template <class>
void gather_elements_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const auto axis = static_cast<int>(at.i[0]);
  const std::int64_t n = in[0].shape[axis], m = out.shape[axis];
  kernel::detail::check_indices(name, in[1], n);
  std::int64_t inner = 1;
  for (int d = axis + 1; d < out.shape.rank(); ++d) inner *= out.shape[d];
  if (out.size() == 0) return;
  const auto with = [&](const auto* p) {
    kernel::detail::gather_rows(out.type, in[0].data, 1, out.size(), [&](std::int64_t k) {
      return (k / (m * inner) * n + static_cast<std::int64_t>(p[k])) * inner + k % inner;
    }, out.data);
  };
  in[1].type == dtype::int64 ? with(in[1].as<std::int64_t>()) : with(in[1].as<std::int32_t>());
}
template <class>
void scatter_elements_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const auto axis = static_cast<int>(at.i[0]);
  const std::int64_t n = out.shape[axis], m = in[0].shape[axis];
  kernel::detail::check_indices(name, in[1], n);
  kernel::detail::clear(out.type, out.data, out.size());
  std::int64_t inner = 1;
  for (int d = axis + 1; d < out.shape.rank(); ++d) inner *= out.shape[d];
  std::vector<std::int64_t> to(static_cast<std::size_t>(in[0].size()));
  for (std::size_t r = 0; r < to.size(); ++r) {
    const auto k = static_cast<std::int64_t>(r);
    to[r] = (k / (m * inner) * n + kernel::detail::index_at(in[1], k)) * inner + k % inner;
  }
  kernel::detail::add_rows_at(name, out.type, to, in[0].data, 1, out.size(), out.data);
}

template <class>
void one_hot_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if (out.size() == 0) return;
  const auto axis = static_cast<int>(at.i[0]);
  const kernel::detail::element_value on(out.type, at.f[0], 0), off(out.type, at.f[1], 0);
  std::int64_t begin[max_rank] = {}, size[max_rank] = {}, inner = 1;
  for (int d = 0; d < out.shape.rank(); ++d) size[d] = out.shape[d];
  for (int d = axis + 1; d < out.shape.rank(); ++d) inner *= out.shape[d];
  kernel::detail::fill_box(out, begin, size, off.data);
  const std::int64_t depth = out.shape[axis];
  const std::size_t width = size_of(out.type);
  for (std::int64_t k = 0, n = in[0].size(); k < n; ++k) {
    const std::int64_t i = in[0].type == dtype::uint8 ? in[0].as<std::uint8_t>()[k] : kernel::detail::index_at(in[0], k);
    if (i < 0 || i >= depth) continue;
    std::memcpy(kernel::detail::element_at(out.type, out.data, (k / inner * depth + i) * inner + k % inner), on.data, width);
  }
}
template <class>
void invert_permutation_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const std::int64_t n = in[0].size();
  kernel::detail::check_indices(name, in[0], n);
  std::vector<char> seen(static_cast<std::size_t>(n));
  for (std::int64_t k = 0; k < n; ++k) {
    const std::int64_t i = kernel::detail::index_at(in[0], k);
    if (seen[static_cast<std::size_t>(i)]++ != 0)
      throw invalid_argument("InvertPermutation: " + std::to_string(i) + " is there twice, at last at position " + std::to_string(k));
    if (out.type == dtype::int64) out.as<std::int64_t>()[i] = k;
    else out.as<std::int32_t>()[i] = static_cast<std::int32_t>(k);
  }
}

}  // namespace rill::ops

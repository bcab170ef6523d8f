// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The kernels of ops/movement.hpp: each says which elements go where; kernel/copy.hpp moves them on the CPU. Those that any
/// machine runs are functions `move` over a mover - mover(dtype, from, to, nest), as kernel::copy has it - and the op's type.

#include <algorithm>
#include <complex>

#include "../ops/movement.hpp"
#include "copy.hpp"

namespace rill::kernel {

namespace detail {

/// Row-major strides of a shape.
inline void row_major(const tensor_shape& s, std::int64_t* strides) {
  std::int64_t step = 1;
  for (int d = s.rank() - 1; d >= 0; --d) strides[d] = step, step *= s[d];
}
/// Element k of elements of this dtype.
inline const void* element_at(dtype type, const void* p, std::int64_t k) {
  if (type == dtype::string) return static_cast<const std::string*>(p) + k;
  return static_cast<const unsigned char*>(p) + k * static_cast<std::int64_t>(size_of(type));
}
inline void* element_at(dtype type, void* p, std::int64_t k) {
  return const_cast<void*>(element_at(type, static_cast<const void*>(p), k));
}
/// n elements as they are.
inline void copy_all(dtype type, const void* from, void* to, std::int64_t n) {
  copy_nest all;
  all.axis(n, 1, 1);
  copy(type, from, to, all);
}
/// Zeros, or empty strings.
inline void clear(dtype type, void* to, std::int64_t n) {
  if (n <= 0) return;
  if (type == dtype::string) {
    for (std::int64_t k = 0; k < n; ++k) static_cast<std::string*>(to)[k].clear();
    return;
  }
  const auto width = static_cast<std::int64_t>(size_of(type));
  parallel_for(n * width, 1 << 20, [&](std::int64_t begin, std::int64_t end) {
    std::memset(static_cast<unsigned char*>(to) + begin, 0, static_cast<std::size_t>(end - begin));
  });
}
/// Element k of an int32 or int64 operand.
inline std::int64_t index_at(const operand_memory& m, std::int64_t k) {
  return m.type == dtype::int64 ? m.as<std::int64_t>()[k] : m.as<std::int32_t>()[k];
}

/// The number of an attribute as an element of a dtype.
struct element_value {
  alignas(16) unsigned char bytes[16] = {};
  std::string text;
  const void* data;

  element_value(dtype type, double real, double imaginary) : data(type == dtype::string ? static_cast<void*>(&text) : bytes) {
    if (type == dtype::string || (real == 0 && imaginary == 0 && !std::signbit(real))) return;
    visit_dtype(type, [&]<class T>(std::type_identity<T>) {
      T v{};
      if constexpr (is_complex_v<T>) v = T(static_cast<real_type_t<T>>(real), static_cast<real_type_t<T>>(imaginary));
      else v = number_cast<T>(real);
      std::memcpy(bytes, &v, sizeof v);
    });
  }
  element_value(const element_value&) = delete;
  element_value& operator=(const element_value&) = delete;
};

/// Fills the box begin .. begin+size-1 of a result with one element.
inline void fill_box(const result_memory& out, const std::int64_t* begin, const std::int64_t* size, const void* value) {
  std::int64_t step[max_rank] = {}, at = 0;
  row_major(out.shape, step);
  copy_nest n;
  for (int d = 0; d < out.shape.rank(); ++d) {
    if (size[d] <= 0) return;
    n.axis(size[d], 0, step[d]);
    at += begin[d] * step[d];
  }
  copy(out.type, value, element_at(out.type, out.data, at), n);
}

/// The part of x that lies inside of a result, where element k of axis d goes to low_d + k * step_d.
struct padded_part {
  std::int64_t first[max_rank] = {}, count[max_rank] = {};
  bool dense = true, empty = false;
  std::int64_t source = 0, target = 0;  ///< where it begins in x and in the result
  copy_nest nest;

  padded_part(const tensor_shape& x, const std::int64_t* low, const std::int64_t* step, const tensor_shape& out) {
    std::int64_t from[max_rank] = {}, to[max_rank] = {};
    row_major(x, from);
    row_major(out, to);
    for (int d = 0; d < out.rank(); ++d) {
      first[d] = low[d] >= 0 ? 0 : (-low[d] + step[d] - 1) / step[d];
      const std::int64_t room = out[d] - low[d], last = room <= 0 ? 0 : (room + step[d] - 1) / step[d];
      count[d] = std::min(x[d], last) - first[d];
      empty = empty || count[d] <= 0;
      dense = dense && (step[d] == 1 || count[d] <= 1);
      source += first[d] * from[d], target += (low[d] + first[d] * step[d]) * to[d];
      nest.axis(count[d], from[d], to[d] * step[d]);
    }
  }
};

/// Copies the part of x that lies inside of out, where element k of axis d goes to low_d + k * step_d, and fills the rest.
inline void pad(const operand_memory& x, const std::int64_t* low, const std::int64_t* step, const void* value, const result_memory& out) {
  const padded_part p(x.shape, low, step, out.shape);
  std::int64_t begin[max_rank] = {}, size[max_rank] = {};
  for (int d = 0; d < out.shape.rank(); ++d) size[d] = out.shape[d];
  if (p.empty || !p.dense) {
    fill_box(out, begin, size, value);
  } else {
    for (int d = 0; d < out.shape.rank(); ++d) {  // what lies before and after along this axis, inside of the axes done
      const std::int64_t inner = low[d] + p.first[d] * step[d], whole = size[d];
      begin[d] = 0, size[d] = inner;
      fill_box(out, begin, size, value);
      begin[d] = inner + p.count[d], size[d] = whole - begin[d];
      fill_box(out, begin, size, value);
      begin[d] = inner, size[d] = p.count[d];
    }
  }
  if (!p.empty) copy(out.type, element_at(x.type, x.data, p.source), element_at(out.type, out.data, p.target), p.nest);
}

/// Copies between a block of whole, at `start`, and a tensor of its own.
inline void copy_block(dtype type, const void* from, const tensor_shape& from_shape, void* to, const tensor_shape& to_shape,
                       const std::int64_t* from_start, const std::int64_t* to_start, const tensor_shape& size) {
  std::int64_t f[max_rank] = {}, t[max_rank] = {}, source = 0, target = 0;
  row_major(from_shape, f);
  row_major(to_shape, t);
  copy_nest n;
  for (int d = 0; d < size.rank(); ++d) {
    n.axis(size[d], f[d], t[d]);
    source += from_start[d] * f[d], target += to_start[d] * t[d];
  }
  if (size.num_elements() > 0) copy(type, element_at(type, from, source), element_at(type, to, target), n);
}
/// The start indices of a dynamic slice, moved so that the block lies inside.
inline void clamped_start(const operand_memory& start, const tensor_shape& whole, const tensor_shape& part, std::int64_t* at) {
  for (int d = 0; d < whole.rank(); ++d) {
    const std::int64_t most = whole[d] - part[d];
    at[d] = std::clamp<std::int64_t>(index_at(start, d), 0, most < 0 ? 0 : most);
  }
}
/// Elements of the trailing two axes and how many such matrices there are.
struct matrices {
  std::int64_t count = 1, rows, columns;
  explicit matrices(const tensor_shape& s) : rows(s[s.rank() - 2]), columns(s[s.rank() - 1]) {
    for (int d = 0; d < s.rank() - 2; ++d) count *= s[d];
  }
  [[nodiscard]] std::int64_t diagonal() const { return std::min(rows, columns); }
};

}  // namespace detail

/// Moves elements in the CPU's memory.
struct host_mover {
  void operator()(dtype type, const void* from, void* to, const copy_nest& n) const { copy(type, from, to, n); }
  void clear(dtype type, void* to, std::int64_t n) const { detail::clear(type, to, n); }
};

/// Joins parts along an axis.
template <class Mover>
void concat(const Mover& mover, const operand_memory* in, int n, int axis, const result_memory& out) {
  std::int64_t outer = 1, inner = 1;
  for (int d = 0; d < axis; ++d) outer *= out.shape[d];
  for (int d = axis + 1; d < out.shape.rank(); ++d) inner *= out.shape[d];
  const std::int64_t row = out.shape[axis] * inner;
  std::int64_t at = 0;
  for (int k = 0; k < n; ++k) {
    const std::int64_t part = in[k].shape[axis] * inner;
    copy_nest c;
    c.axis(outer, part, row);
    c.axis(part, 1, 1);
    if (outer * part > 0) mover(out.type, in[k].data, detail::element_at(out.type, out.data, at), c);
    at += part;
  }
}
inline void concat(const operand_memory* in, int n, int axis, const result_memory& out) { concat(host_mover{}, in, n, axis, out); }

/// Axis by axis from an offset, at strides of its own: slices and reversals.
template <class Mover>
void move_strided(const Mover& mover, const operand_memory& x, const std::int64_t* strides, std::int64_t offset, const result_memory& out) {
  if (out.size() == 0) return;
  std::int64_t to[max_rank] = {};
  detail::row_major(out.shape, to);
  copy_nest n;
  for (int d = 0; d < out.shape.rank(); ++d) n.axis(out.shape[d], strides[d], to[d]);
  mover(out.type, detail::element_at(x.type, x.data, offset), out.data, n);
}
template <class Mover>
void move_all(const Mover& mover, dtype type, const void* from, void* to, std::int64_t size) {
  copy_nest n;
  n.axis(size, 1, 1);
  if (size > 0) mover(type, from, to, n);
}

template <int N, class Mover>
void move(std::type_identity<ops::concat_op<N>>, const Mover& mover, const attributes& at, const operand_memory* in, const result_memory& out) {
  concat(mover, in, N, static_cast<int>(at.i[0]), out);
}
template <class Mover>
void move(std::type_identity<ops::slice_op>, const Mover& mover, const attributes& at, const operand_memory* in, const result_memory& out) {
  std::int64_t stride[max_rank] = {}, offset = 0;
  detail::row_major(in[0].shape, stride);
  for (int d = 0; d < out.shape.rank(); ++d) {
    offset += at.i[d] * stride[d];
    stride[d] *= ::rill::detail::small_number(at, d);
  }
  move_strided(mover, in[0], stride, offset, out);
}
template <class Mover>
void move(std::type_identity<ops::reverse_op>, const Mover& mover, const attributes& at, const operand_memory* in, const result_memory& out) {
  std::int64_t stride[max_rank] = {}, offset = 0;
  detail::row_major(in[0].shape, stride);
  for (int d = 0; d < out.shape.rank(); ++d)
    if ((at.i[0] >> d & 1) != 0) {
      offset += (out.shape[d] - 1) * stride[d];
      stride[d] = -stride[d];
    }
  move_strided(mover, in[0], stride, offset, out);
}
template <class Mover>
void move(std::type_identity<ops::tile_op>, const Mover& mover, const attributes&, const operand_memory* in, const result_memory& out) {
  if (out.size() == 0) return;
  std::int64_t from[max_rank] = {}, to[max_rank] = {};
  detail::row_major(in[0].shape, from);
  detail::row_major(out.shape, to);
  copy_nest n;
  for (int d = 0; d < out.shape.rank(); ++d) {
    n.axis(out.shape[d] / in[0].shape[d], 0, to[d] * in[0].shape[d]);
    n.axis(in[0].shape[d], from[d], to[d]);
  }
  mover(out.type, in[0].data, out.data, n);
}
template <class Mover>
void move(std::type_identity<ops::bitcast_op>, const Mover& mover, const attributes&, const operand_memory* in, const result_memory& out) {
  move_all(mover, dtype::uint8, in[0].data, out.data, out.size() * static_cast<std::int64_t>(size_of(out.type)));
}
template <class Mover>
void move(std::type_identity<ops::matrix_diag_op>, const Mover& mover, const attributes&, const operand_memory* in, const result_memory& out) {
  const detail::matrices m(out.shape);
  mover.clear(out.type, out.data, out.size());
  copy_nest n;
  n.axis(m.count, m.rows, m.rows * m.rows);
  n.axis(m.rows, 1, m.rows + 1);
  mover(out.type, in[0].data, out.data, n);
}
template <class Mover>
void move(std::type_identity<ops::matrix_diag_part_op>, const Mover& mover, const attributes&, const operand_memory* in, const result_memory& out) {
  const detail::matrices m(in[0].shape);
  copy_nest n;
  n.axis(m.count, m.rows * m.columns, m.diagonal());
  n.axis(m.diagonal(), m.columns + 1, 1);
  mover(out.type, in[0].data, out.data, n);
}
template <class Mover>
void move(std::type_identity<ops::matrix_set_diag_op>, const Mover& mover, const attributes&, const operand_memory* in, const result_memory& out) {
  const detail::matrices m(out.shape);
  move_all(mover, out.type, in[0].data, out.data, out.size());
  copy_nest n;
  n.axis(m.count, m.diagonal(), m.rows * m.columns);
  n.axis(m.diagonal(), 1, m.columns + 1);
  mover(out.type, in[1].data, out.data, n);
}

}  // namespace rill::kernel

namespace rill::ops {

template <int N>
template <class>
void concat_op<N>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::move(std::type_identity<concat_op<N>>{}, kernel::host_mover{}, at, in, out);
}

template <class>
void slice_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::move(std::type_identity<slice_op>{}, kernel::host_mover{}, at, in, out);
}

template <int N>
template <class>
void pad_op<N>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  std::int64_t step[max_rank] = {};
  for (int d = 0; d < out.shape.rank(); ++d) step[d] = detail::small_number(at, d) + 1;
  if (out.size() == 0) return;
  const kernel::detail::element_value value(out.type, at.f[0], at.f[1]);
  kernel::detail::pad(in[0], at.i, step, N == 2 ? in[N - 1].data : value.data, out);
}

template <class>
void reverse_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::move(std::type_identity<reverse_op>{}, kernel::host_mover{}, at, in, out);
}

template <class>
void reverse_sequence_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const auto seq = static_cast<int>(at.i[0]), batch = static_cast<int>(at.i[1]);
  std::int64_t step[max_rank] = {};
  kernel::detail::row_major(out.shape, step);
  const std::int64_t n = out.shape[seq];
  for (std::int64_t b = 0; b < out.shape[batch]; ++b) {
    const std::int64_t length = kernel::detail::index_at(in[1], b);
    if (length < 0 || length > n)
      throw invalid_argument("ReverseSequence: seq_lengths[" + std::to_string(b) + "] = " + std::to_string(length) +
                             " is not in [0, " + std::to_string(n) + "]");
  }
  if (out.size() == 0) return;
  for (std::int64_t b = 0; b < out.shape[batch]; ++b) {
    const std::int64_t length = kernel::detail::index_at(in[1], b);
    for (int part = 0; part < 2; ++part) {
      const std::int64_t count = part == 0 ? length : n - length;
      if (count == 0) continue;
      kernel::copy_nest c;
      for (int d = 0; d < out.shape.rank(); ++d) {
        if (d == batch) continue;
        if (d != seq) c.axis(out.shape[d], step[d], step[d]);
        else c.axis(count, part == 0 ? -step[d] : step[d], step[d]);
      }
      const std::int64_t base = b * step[batch], to = base + (part == 0 ? 0 : length * step[seq]);
      const std::int64_t from = part == 0 ? base + (length - 1) * step[seq] : to;
      kernel::copy(out.type, kernel::detail::element_at(out.type, in[0].data, from),
                   kernel::detail::element_at(out.type, out.data, to), c);
    }
  }
}

template <class>
void tile_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::move(std::type_identity<tile_op>{}, kernel::host_mover{}, at, in, out);
}

template <class>
void dynamic_slice_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  std::int64_t start[max_rank] = {};
  const std::int64_t zero[max_rank] = {};
  kernel::detail::clamped_start(in[1], in[0].shape, out.shape, start);
  kernel::detail::copy_block(out.type, in[0].data, in[0].shape, out.data, out.shape, start, zero, out.shape);
}
template <class>
void dynamic_update_slice_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  std::int64_t start[max_rank] = {};
  const std::int64_t zero[max_rank] = {};
  kernel::detail::clamped_start(in[2], out.shape, in[1].shape, start);
  kernel::detail::copy_all(out.type, in[0].data, out.data, out.size());
  kernel::detail::copy_block(out.type, in[1].data, in[1].shape, out.data, out.shape, zero, start, in[1].shape);
}

template <class>
void bitcast_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::move(std::type_identity<bitcast_op>{}, kernel::host_mover{}, at, in, out);
}

template <class>
void matrix_diag_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::move(std::type_identity<matrix_diag_op>{}, kernel::host_mover{}, at, in, out);
}
template <class>
void matrix_diag_part_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::move(std::type_identity<matrix_diag_part_op>{}, kernel::host_mover{}, at, in, out);
}
template <class>
void matrix_set_diag_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  kernel::move(std::type_identity<matrix_set_diag_op>{}, kernel::host_mover{}, at, in, out);
}
template <class>
void matrix_band_part_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if (out.size() == 0) return;
  const kernel::detail::matrices m(out.shape);
  const auto width = static_cast<std::int64_t>(size_of(out.type));
  parallel_for(m.count * m.rows, 65536 / (m.columns * width + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      const std::int64_t row = k % m.rows;
      const std::int64_t first = at.i[0] < 0 ? 0 : std::clamp<std::int64_t>(row - at.i[0], 0, m.columns);
      const std::int64_t last = at.i[1] < 0 || at.i[1] >= m.columns ? m.columns : std::clamp<std::int64_t>(row + at.i[1] + 1, first, m.columns);
      const unsigned char* const from = static_cast<const unsigned char*>(in[0].data) + k * m.columns * width;
      unsigned char* const to = static_cast<unsigned char*>(out.data) + k * m.columns * width;
      std::memset(to, 0, static_cast<std::size_t>(first * width));
      std::memcpy(to + first * width, from + first * width, static_cast<std::size_t>((last - first) * width));
      std::memset(to + last * width, 0, static_cast<std::size_t>((m.columns - last) * width));
    }
  });
}

}  // namespace rill::ops

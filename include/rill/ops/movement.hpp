// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Ops that move elements and compute nothing: concat, stack, split, slices, paddings, reversals, tiles, blocks to and from
/// the batch, diagonals. They take every dtype, strings too. XLA's forms are in namespace `xla` (xla::slice, xla::pad, ...:
/// exact, nothing is inferred), TensorFlow's names and rules on top. Lists of one number per axis are written as shapes.
/// An axis that is the batch (dyn) passes through whole; what would cut it is an error of the trace.
/// Gradients move the elements back: slice and pad, concat and slice, tile and sum are each other's.
/// Sources: XLA's operation semantics; TensorFlow 1.8's tf.concat ... tf.matrix_band_part.
///
///   y = concat({a, b}, {.axis = 1});
///   y = index(x, 2, all, slice{1, -1}, newaxis);
///   y = pad(x, {{0, 0}, {2, 2}}, {.mode = pad_mode::reflect});

#include <array>
#include <initializer_list>
#include <vector>

#include "../core/view.hpp"
#include "functions.hpp"

namespace rill {

/// Padding of one axis: elements before, after, and (XLA) between neighbours; negative before and after remove elements.
struct pad_width {
  std::int64_t before = 0, after = 0, interior = 0;
};
/// The paddings of all axes, in order.
struct pad_list {
  int count = 0;
  bool overflow = false;
  pad_width axes[max_rank] = {};
  constexpr pad_list() = default;
  constexpr pad_list(std::initializer_list<pad_width> list) {
    for (const pad_width& w : list) push_back(w);
  }
  constexpr void push_back(const pad_width& w) {
    if (count < max_rank) axes[count++] = w;
    else overflow = true;
  }
};

/// What new elements are: a constant, or a reflection of the old ones without (reflect) or with (symmetric) the border.
enum class pad_mode : std::uint8_t { constant, reflect, symmetric };
/// Options of pad.
struct pad_options {
  pad_mode mode = pad_mode::constant;
  double constant_values = 0;
};
/// Options of ops along one axis: concat, stack, unstack, split.
struct axis_options {
  std::int64_t axis = 0;
};
/// Options of strided_slice: bit k speaks of position k of begin, end and strides.
struct strided_slice_options {
  unsigned begin_mask = 0;        ///< begin[k] is left out
  unsigned end_mask = 0;          ///< end[k] is left out
  unsigned ellipsis_mask = 0;     ///< position k stands for as many whole axes as are missing
  unsigned new_axis_mask = 0;     ///< position k inserts an axis of extent 1
  unsigned shrink_axis_mask = 0;  ///< begin[k] is the one index taken, and the axis goes
};
/// Options of reverse_sequence.
struct reverse_sequence_options {
  std::int64_t seq_axis = 0, batch_axis = 0;
};
/// Options of roll: axes and shifts pair up.
struct roll_options {
  axis_list shift = {};
  axis_list axis = {};
};
/// Options of space_to_depth and depth_to_space.
struct block_options {
  image_layout data_format = image_layout::nhwc;
};
/// Options of meshgrid: xy (the first two axes swapped, as NumPy's default) or ij.
struct meshgrid_options {
  bool ij = false;
};

/// As an index of `index`: as many whole axes as are missing.
struct ellipsis_t {};
inline constexpr ellipsis_t ellipsis{};

namespace detail {
/// Attributes of slice and pad: one large number per axis and one of 32 bits.
constexpr std::int64_t small_number(const attributes& at, int axis) {
  const auto word = static_cast<std::uint64_t>(at.i[8 + axis / 2]) >> (axis % 2 * 32);
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(word));
}
constexpr void set_small_number(attributes& at, int axis, std::int64_t v) {
  const std::uint64_t bits = static_cast<std::uint32_t>(static_cast<std::int32_t>(v));
  const int shift = axis % 2 * 32;
  const auto word = static_cast<std::uint64_t>(at.i[8 + axis / 2]) & ~(std::uint64_t{0xffffffff} << shift);
  at.i[8 + axis / 2] = static_cast<std::int64_t>(word | bits << shift);
}
/// The one dtype and shape of tensors joined along an axis; extents add up.
constexpr signature concat_signature(const signature* in, int n, std::int64_t axis, failure& f) {
  signature out = in[0];
  if (axis < 0 || axis >= out.shape.rank()) {
    f.set("axis out of range", "scalars cannot be joined; axes are -rank .. rank-1", in[0]);
    return out;
  }
  const int a = static_cast<int>(axis);
  for (int k = 1; k < n; ++k) {
    if (in[k].type != out.type) f.set("dtypes differ", "cast one operand", in[0], in[k]);
    bool same = in[k].shape.rank() == out.shape.rank();
    for (int d = 0; same && d < out.shape.rank(); ++d) same = d == a || in[k].shape[d] == out.shape[d];
    if (!same) f.set("shapes differ besides the axis", "", in[0], in[k]);
    if (f) return out;
    const std::int64_t more = in[k].shape[a];
    if (out.shape[a] != 0 && more != 0 && (out.shape[a] < 0) != (more < 0)) {
      f.set("an axis that is the batch cannot be joined with one of fixed extent", "", in[0], in[k]);
      return out;
    }
    out.shape[a] += more;
  }
  return out;
}
}  // namespace detail
namespace ops {

/// N tensors one after the other along axis i[0].
template <int N>
struct concat_op {
  static constexpr auto name = "ConcatV2";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    return detail::concat_signature(in, N, at.i[0], f);
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto a, auto b)
    requires(N == 2)
  {
    return grads(part(at, dy, 0, a), part(at, dy, a.shape()[axis(at)], b));
  }
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto a, auto b, auto c)
    requires(N == 3)
  {
    const std::int64_t second = a.shape()[axis(at)], third = second + b.shape()[axis(at)];
    return grads(part(at, dy, 0, a), part(at, dy, second, b), part(at, dy, third, c));
  }

 private:
  static constexpr int axis(const attributes& at) { return static_cast<int>(at.i[0]); }
  static constexpr auto part(const attributes& at, const auto& dy, std::int64_t start, const auto& x) {
    return slice_along(dy, axis(at), start, x.shape()[axis(at)]);
  }
};

/// out[.., k, ..] = x[.., start + k * stride, ..]: start of axis d in i[d], stride (32 bits, not 0) behind them.
struct slice_op {
  static constexpr auto name = "StridedSlice";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x) {
    attributes back;
    std::int64_t turned = 0;
    const tensor_shape n = dy.shape();
    for (int d = 0; d < n.rank(); ++d) {
      const std::int64_t stride = detail::small_number(at, d);
      if (stride < 0) turned |= std::int64_t{1} << d;
      back.i[d] = stride < 0 && n[d] > 0 ? at.i[d] + (n[d] - 1) * stride : at.i[d];
      detail::set_small_number(back, d, (stride < 0 ? -stride : stride) - 1);
    }
    return grads(pad_to(reverse_mask(dy, turned), x.shape(), back));
  }
};

/// out[.., low + k * (interior + 1), ..] = x[.., k, ..] where that exists, the value elsewhere: low of axis d in i[d],
/// interior (32 bits) behind them; the value is f (real and imaginary part) or, for N = 2, the second operand, a scalar.
template <int N>
struct pad_op {
  static constexpr auto name = "PadV2";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x)
    requires(N == 1)
  {
    return grads(back(at, dy, x));
  }
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x, auto)
    requires(N == 2)
  {
    attributes ones = at;
    ones.f[0] = 1;
    return grads(back(at, dy, x), sum_over(dy * pad_to(zeros_like(x), dy.shape(), ones), all_axes(dy.rank())));
  }

 private:
  static constexpr std::int64_t all_axes(int rank) { return (std::int64_t{1} << rank) - 1; }
  static constexpr auto back(const attributes& at, auto dy, const auto& x) {
    const tensor_shape in = x.shape();
    tensor_shape wide = dy.shape();
    attributes grow, take;
    bool grows = false;
    for (int d = 0; d < in.rank(); ++d) {  // where elements were removed, zeros come back
      const std::int64_t step = detail::small_number(at, d) + 1, low = at.i[d];
      take.i[d] = low;
      detail::set_small_number(take, d, step);
      if (wide[d] < 0) continue;
      const std::int64_t end = in[d] > 0 ? low + (in[d] - 1) * step + 1 : low;
      if (low < 0) grow.i[d] = -low, wide[d] -= low, take.i[d] = 0, grows = true;
      if (end - low > 0 && end > dy.shape()[d]) wide[d] += end - dy.shape()[d], grows = true;
    }
    return slice_to(grows ? pad_to(dy, wide, grow) : dy, in, take);
  }
};

/// The axes in the bit mask i[0] walked backwards.
struct reverse_op {
  static constexpr auto name = "ReverseV2";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto) { return grads(reverse_mask(dy, at.i[0])); }
};

/// The first lengths[b] elements along axis i[0] walked backwards, for each index b of axis i[1].
struct reverse_sequence_op {
  static constexpr auto name = "ReverseSequence";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const int rank = in[0].shape.rank();
    if (at.i[0] < 0 || at.i[0] >= rank || at.i[1] < 0 || at.i[1] >= rank || at.i[0] == at.i[1])
      f.set("needs two different axes of the operand", "seq_axis and batch_axis are -rank .. rank-1", in[0]);
    else if (in[1].type != dtype::int32 && in[1].type != dtype::int64)
      f.set("lengths must be int32 or int64", "cast them", in[1]);
    else if (in[1].shape.rank() != 1 || in[1].shape[0] != in[0].shape[static_cast<int>(at.i[1])])
      f.set("needs one length per index of batch_axis", "", in[0], in[1]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto, auto lengths) {
    return grads(reverse_sequence(dy, lengths, {.seq_axis = at.i[0], .batch_axis = at.i[1]}), no_gradient{});
  }
};

/// The operand repeated along its axes until it fills the result.
struct tile_op {
  static constexpr auto name = "Tile";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  /// i[d] = how often axis d repeats.
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x) {
    auto g = dy;
    const tensor_shape to = x.shape();
    for (int d = 0; d < to.rank(); ++d) {
      if (at.i[d] == 1) continue;
      std::int64_t outer = 1, inner = to[d];
      for (int k = 0; k < d; ++k) outer *= to[k];
      for (int k = d + 1; k < to.rank(); ++k) inner *= dy.shape()[k];
      g = sum_over(reshape_to(g, {outer, at.i[d], inner}), 2);
    }
    return grads(reshape_to(g, to));
  }
};

/// The block of the result's shape that begins at the run-time indices (one vector), moved inside where it sticks out.
struct dynamic_slice_op {
  static constexpr auto name = "DynamicSlice";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto, auto x, auto start) {
    return grads(dynamic_update_slice(zeros_like(x), dy, start), no_gradient{});
  }
};
/// x with the block that begins at the run-time indices replaced.
struct dynamic_update_slice_op {
  static constexpr auto name = "DynamicUpdateSlice";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    bool fits = in[0].shape.rank() == in[1].shape.rank();
    for (int d = 0; fits && d < in[0].shape.rank(); ++d) {
      const std::int64_t whole = in[0].shape[d], part = in[1].shape[d];
      fits = part == whole || (part >= 0 && whole >= 0 && part <= whole);
    }
    if (in[0].type != in[1].type) f.set("dtypes differ", "cast one operand", in[0], in[1]);
    else if (!fits) f.set("the update does not fit into the operand", "", in[0], in[1]);
    else if (in[2].type != dtype::int32 && in[2].type != dtype::int64)
      f.set("start indices must be int32 or int64", "cast them", in[2]);
    else if (in[2].shape.rank() != 1 || in[2].shape[0] != in[0].shape.rank())
      f.set("needs a vector of one start index per axis", "", in[0], in[2]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto, auto, auto update, auto start) {
    return grads(dynamic_update_slice(dy, zeros_like(update), start), dynamic_slice(dy, start, update.shape()), no_gradient{});
  }
};

/// The operand's bytes as elements of another dtype.
struct bitcast_op {
  static constexpr auto name = "Bitcast";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};

/// Vectors as diagonals of square matrices: [.., n] -> [.., n, n].
struct matrix_diag_op {
  static constexpr auto name = "MatrixDiag";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    signature out = in[0];
    if (out.shape.rank() == 0 || out.shape.rank() == max_rank) f.set("needs a tensor of rank 1 to 7", "", in[0]);
    else if (out.shape[out.shape.rank() - 1] < 0) f.set("the last axis cannot be the batch", "", in[0]);
    else out.shape.push_back(out.shape[out.shape.rank() - 1]);
    return out;
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto, auto) { return grads(matrix_diag_part(dy)); }
};
/// The diagonals of matrices: [.., m, n] -> [.., min(m, n)].
struct matrix_diag_part_op {
  static constexpr auto name = "MatrixDiagPart";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    const int rank = in[0].shape.rank();
    signature out{in[0].type, {}};
    if (rank < 2) {
      f.set("needs matrices", "a tensor of rank 2 or more", in[0]);
      return out;
    }
    const std::int64_t m = in[0].shape[rank - 2], n = in[0].shape[rank - 1];
    if (m < 0 || n < 0) f.set("rows and columns cannot be the batch", "", in[0]);
    for (int d = 0; d < rank - 2; ++d) out.shape.push_back(in[0].shape[d]);
    out.shape.push_back(m < n ? m : n);
    return out;
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto, auto x) { return grads(matrix_set_diag(zeros_like(x), dy)); }
};
/// Matrices with other diagonals: [.., m, n], [.., min(m, n)].
struct matrix_set_diag_op {
  static constexpr auto name = "MatrixSetDiag";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const signature part = matrix_diag_part_op::infer(at, in, f);
    if (!f && part.type != in[1].type) f.set("dtypes differ", "cast one operand", in[0], in[1]);
    if (!f && !(part.shape == in[1].shape)) f.set("the diagonal is not one of the matrices", "its shape is [.., min(m, n)]", in[0], in[1]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto, auto, auto diagonal) {
    return grads(matrix_set_diag(dy, zeros_like(diagonal)), matrix_diag_part(dy));
  }
};
/// Matrices without what lies more than i[0] below or i[1] above the diagonal (negative: everything is kept).
struct matrix_band_part_op {
  static constexpr auto name = "MatrixBandPart";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    const int rank = in[0].shape.rank();
    if (rank < 2) f.set("needs matrices", "a tensor of rank 2 or more", in[0]);
    else if (in[0].type == dtype::string) f.set("takes numbers", "", in[0]);
    else if (in[0].shape[rank - 1] < 0 || in[0].shape[rank - 2] < 0) f.set("rows and columns cannot be the batch", "", in[0]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto) {
    return grads(matrix_band_part(dy, at.i[0], at.i[1]));
  }
};

// Names for messages.
struct split_name : function_name {
  static constexpr auto name = "Split";
};
struct unstack_name : function_name {
  static constexpr auto name = "Unpack";
};
struct roll_name : function_name {
  static constexpr auto name = "Roll";
};
struct collapse_name : function_name {
  static constexpr auto name = "Collapse";
};
struct select_name : function_name {
  static constexpr auto name = "Select";
};
struct space_to_batch_name : function_name {
  static constexpr auto name = "SpaceToBatchND";
};
struct batch_to_space_name : function_name {
  static constexpr auto name = "BatchToSpaceND";
};
struct space_to_depth_name : function_name {
  static constexpr auto name = "SpaceToDepth";
};
struct depth_to_space_name : function_name {
  static constexpr auto name = "DepthToSpace";
};
struct meshgrid_name : function_name {
  static constexpr auto name = "Meshgrid";
};
struct shape_name : function_name {
  static constexpr auto name = "Shape";
};
struct diag_name : function_name {
  static constexpr auto name = "Diag";
};
struct diag_part_name : function_name {
  static constexpr auto name = "DiagPart";
};

}  // namespace ops

// ---- what gradients and composites are made of ---------------------------------------------------------------------------

namespace detail {
/// The axis counted from the front, or -1.
constexpr std::int64_t front_axis(std::int64_t axis, int rank) {
  const std::int64_t a = axis < 0 ? axis + rank : axis;
  return a < 0 || a >= rank ? -1 : a;
}
/// Bit mask of axes, none for an empty list; -1 for an axis out of range, -2 for one named twice.
constexpr std::int64_t named_axes(const axis_list& list, int rank) {
  std::int64_t mask = 0;
  for (int k = 0; k < list.count; ++k) {
    const std::int64_t a = front_axis(list.axes[k], rank);
    if (a < 0) return -1;
    if ((mask >> a & 1) != 0) return -2;
    mask |= std::int64_t{1} << a;
  }
  return mask;
}
constexpr tensor_shape with_extent(tensor_shape s, int axis, std::int64_t extent) {
  s[axis] = extent;
  return s;
}
/// s with more elements than 63 bits count would wrap: those of the result of a padding or tile.
constexpr bool countable(const tensor_shape& s) {
  std::int64_t n = 1;
  for (int d = 0; d < s.rank(); ++d) {
    const std::int64_t e = s[d] < 0 ? -s[d] : s[d];
    if (e == 0) continue;
    if (n > INT64_MAX / e) return false;
    n *= e;
  }
  return true;
}
}  // namespace detail

/// A slice whose attributes and shape are known to fit.
template <value V>
constexpr V slice_to(V x, const tensor_shape& size, const attributes& at) {
  if (V::front_end::failed(x)) return x;
  bool whole = x.shape() == size;
  for (int d = 0; whole && d < size.rank(); ++d) whole = at.i[d] == 0 && (detail::small_number(at, d) == 1 || size[d] <= 1);
  return whole ? x : V::front_end::template add<ops::slice_op>({x.type(), size}, {x}, at);
}
/// Elements start .. start+size-1 along one axis.
template <value V>
constexpr V slice_along(V x, int axis, std::int64_t start, std::int64_t size) {
  if (V::front_end::failed(x)) return x;
  if (start < 0) return detail::fail<ops::slice_op>(x, "a part of the batch cannot be cut off", "its size is known at run time only");
  attributes at;
  for (int d = 0; d < x.rank(); ++d) detail::set_small_number(at, d, 1);
  at.i[axis] = start;
  return slice_to(x, detail::with_extent(x.shape(), axis, size), at);
}
/// A padding (value f of the attributes) whose attributes and shape are known to fit.
template <value V>
constexpr V pad_to(V x, const tensor_shape& shape, const attributes& at) {
  if (V::front_end::failed(x)) return x;
  bool whole = x.shape() == shape;
  for (int d = 0; whole && d < shape.rank(); ++d) whole = at.i[d] == 0 && (detail::small_number(at, d) == 0 || shape[d] <= 1);
  return whole ? x : V::front_end::template add<ops::pad_op<1>>({x.type(), shape}, {x}, at);
}
/// The axes of a bit mask walked backwards.
template <value V>
constexpr V reverse_mask(V x, std::int64_t mask) {
  if (V::front_end::failed(x) || mask == 0) return x;
  attributes at;
  at.i[0] = mask;
  return V::front_end::template add<ops::reverse_op>({x.type(), x.shape()}, {x}, at);
}

// ---- concat, stack, split ------------------------------------------------------------------------------------------------

namespace detail {
/// Joins n >= 1 parts by ops of two and three operands.
template <value V>
constexpr V concat_parts(const V* parts, std::size_t n, std::int64_t axis) {
  for (std::size_t k = 0; k < n; ++k)
    if (V::front_end::failed(parts[k])) return parts[k];
  attributes at;
  at.i[0] = axis < 0 ? axis + parts[0].rank() : axis;
  if (n == 1)
    return at.i[0] < 0 || at.i[0] >= parts[0].rank()
               ? fail<ops::concat_op<2>>(parts[0], "axis out of range", "scalars cannot be joined; axes are -rank .. rank-1")
               : parts[0];
  if (n == 2) return emit<ops::concat_op<2>>({parts[0], parts[1]}, at);
  if (n == 3) return emit<ops::concat_op<3>>({parts[0], parts[1], parts[2]}, at);
  const std::size_t third = (n + 2) / 3, two = third + (n - third + 1) / 2;
  return emit<ops::concat_op<3>>({concat_parts(parts, third, axis), concat_parts(parts + third, two - third, axis),
                                  concat_parts(parts + two, n - two, axis)}, at);
}
}  // namespace detail

/// The tensors one after the other along an axis; their other extents are equal. One tensor at least.
template <value V>
constexpr V concat(std::initializer_list<V> values, axis_options o = {}) {
  if (values.size() == 0) throw invalid_argument("concat needs at least one tensor");
  return detail::concat_parts(values.begin(), values.size(), o.axis);
}
template <value V>
constexpr V concat(const std::vector<V>& values, axis_options o = {}) {
  if (values.empty()) throw invalid_argument("concat needs at least one tensor");
  return detail::concat_parts(values.data(), values.size(), o.axis);
}

namespace detail {
template <value V>
constexpr V stack_parts(const V* values, std::size_t n, std::int64_t axis) {
  if (n == 0) throw invalid_argument("stack needs at least one tensor");
  std::vector<V> parts;
  for (std::size_t k = 0; k < n; ++k) {
    if (V::front_end::failed(values[k])) return values[k];
    if (!(values[k].shape() == values[0].shape())) {
      failure f;
      f.set("shapes to stack differ", "", {values[0].type(), values[0].shape()}, {values[k].type(), values[k].shape()});
      return V::front_end::template fail<ops::concat_op<2>>(f, values[k]);
    }
    parts.push_back(expand_dims(values[k], axis));
  }
  return concat(parts, {axis < 0 ? axis + values[0].rank() + 1 : axis});
}
}  // namespace detail

/// Tensors of one shape along a new axis (tf.stack, once pack).
template <value V>
constexpr V stack(std::initializer_list<V> values, axis_options o = {}) {
  return detail::stack_parts(values.begin(), values.size(), o.axis);
}
template <value V>
constexpr V stack(const std::vector<V>& values, axis_options o = {}) {
  return detail::stack_parts(values.data(), values.size(), o.axis);
}

/// Parts of the given sizes along an axis; one size may be -1 and is worked out. `split(x, {4, 15, 11}, {.axis = 1})`
template <value V>
constexpr std::vector<V> split(V x, const tensor_shape& sizes, axis_options o = {}) {
  const auto count = static_cast<std::size_t>(sizes.rank());
  if (V::front_end::failed(x)) return std::vector<V>(count, x);
  const std::int64_t a = detail::front_axis(o.axis, x.rank());
  if (a < 0) return std::vector<V>(count, detail::fail<ops::split_name>(x, "axis out of range", "axes are -rank .. rank-1"));
  const int axis = static_cast<int>(a);
  tensor_shape s = sizes;
  std::int64_t known = 0;
  int open = -1;
  bool good = !sizes.overflow_;
  for (int k = 0; k < s.rank(); ++k) {
    if (s[k] >= 0) known += s[k];
    else if (s[k] == -1 && open < 0) open = k;
    else good = false;
  }
  const std::int64_t n = x.shape()[axis];
  if (open >= 0) s[open] = n - known;
  if (!good || n < 0 || (open >= 0 ? known > n : known != n))
    return std::vector<V>(count, detail::fail<ops::split_name>(x, "the sizes of the parts do not add up to the axis", "at most eight parts, one may be -1"));
  std::vector<V> parts;
  for (std::int64_t k = 0, at = 0; k < s.rank(); at += s[static_cast<int>(k)], ++k)
    parts.push_back(slice_along(x, axis, at, s[static_cast<int>(k)]));
  return parts;
}
namespace detail {
/// n equal parts written to `parts`.
template <value V>
constexpr void split_into(V* parts, std::int64_t n, const V& x, std::int64_t axis) {
  if (V::front_end::failed(x)) {
    for (std::int64_t k = 0; k < n; ++k) parts[k] = x;
    return;
  }
  const std::int64_t a = front_axis(axis, x.rank());
  if (a < 0 || x.shape()[static_cast<int>(a)] % n != 0 || x.shape()[static_cast<int>(a)] < 0) {
    const V bad = fail<ops::split_name>(x, a < 0 ? "axis out of range" : "the axis does not split into equal parts", "give a list of sizes");
    for (std::int64_t k = 0; k < n; ++k) parts[k] = bad;
    return;
  }
  const std::int64_t each = x.shape()[static_cast<int>(a)] / n;
  for (std::int64_t k = 0; k < n; ++k) parts[k] = slice_along(x, static_cast<int>(a), k * each, each);
}
template <value V>
constexpr void unstack_into(V* parts, std::int64_t n, const V& x, std::int64_t axis) {
  split_into(parts, n, x, axis);
  for (std::int64_t k = 0; k < n; ++k)
    if (!V::front_end::failed(parts[k])) parts[k] = squeeze(parts[k], {axis});
}
/// The extent of an axis that is unstacked.
template <value V>
constexpr std::int64_t unstacked(const V& x, std::int64_t axis) {
  const std::int64_t a = front_axis(axis, x.rank());
  return a < 0 ? -1 : x.shape()[static_cast<int>(a)];
}
}  // namespace detail

/// n equal parts along an axis.
template <value V>
constexpr std::vector<V> split(V x, std::int64_t n, axis_options o = {}) {
  if (n < 1 || n > 1 << 24) throw invalid_argument("split: cannot split into " + std::to_string(n) + " parts");
  std::vector<V> parts(static_cast<std::size_t>(n));
  detail::split_into(parts.data(), n, x, o.axis);
  return parts;
}
/// The same as an array: `auto [a, b] = split<2>(x, {.axis = 1});`
template <std::size_t N, value V>
constexpr std::array<V, N> split(V x, axis_options o = {}) {
  static_assert(N > 0);
  std::array<V, N> parts{};
  detail::split_into(parts.data(), static_cast<std::int64_t>(N), x, o.axis);
  return parts;
}
/// The tensors that `stack` would join: one per index of an axis, which goes.
template <value V>
constexpr std::vector<V> unstack(V x, axis_options o = {}) {
  if (V::front_end::failed(x)) return {};
  const std::int64_t n = detail::unstacked(x, o.axis);
  if (n < 0) {
    detail::fail<ops::unstack_name>(x, "cannot unstack this axis", "it is -rank .. rank-1 and not the batch");
    return {};
  }
  std::vector<V> parts(static_cast<std::size_t>(n));
  if (n > 0) detail::unstack_into(parts.data(), n, x, o.axis);
  return parts;
}
template <std::size_t N, value V>
constexpr std::array<V, N> unstack(V x, axis_options o = {}) {
  std::array<V, N> parts{};
  if (V::front_end::failed(x) || detail::unstacked(x, o.axis) == static_cast<std::int64_t>(N)) {
    detail::unstack_into(parts.data(), static_cast<std::int64_t>(N), x, o.axis);
  } else {
    const V bad = detail::fail<ops::unstack_name>(x, "the axis has another number of elements than unstack is to give");
    for (V& p : parts) p = bad;
  }
  return parts;
}

// ---- slices --------------------------------------------------------------------------------------------------------------

namespace xla {
/// Elements start .. limit-1 of each axis, every strides-th (XLA's Slice); strides are 1 when left out.
template <value V>
constexpr V slice(V x, const tensor_shape& start_indices, const tensor_shape& limit_indices, const tensor_shape& strides = {}) {
  if (V::front_end::failed(x)) return x;
  const int rank = x.rank();
  if (start_indices.rank() != rank || limit_indices.rank() != rank || (strides.rank() != 0 && strides.rank() != rank))
    return rill::detail::fail<ops::slice_op>(x, "needs one start, limit and stride per axis");
  attributes at;
  tensor_shape size;
  for (int d = 0; d < rank; ++d) {
    const std::int64_t n = x.shape()[d], begin = start_indices[d], end = limit_indices[d], step = strides.rank() == 0 ? 1 : strides[d];
    detail::set_small_number(at, d, 1);
    if (n < 0 && begin == 0 && end == n && step == 1) {
      size.push_back(n);
      continue;
    }
    if (n < 0) return rill::detail::fail<ops::slice_op>(x, "a part of the batch cannot be cut off", "its size is known at run time only");
    if (begin < 0 || end < begin || end > n || step < 1 || step > INT32_MAX)
      return rill::detail::fail<ops::slice_op>(x, "start, limit or stride out of range", "0 <= start <= limit <= extent, stride >= 1");
    at.i[d] = begin;
    detail::set_small_number(at, d, step);
    size.push_back((end - begin + step - 1) / step);
  }
  return slice_to(x, size, at);
}
}  // namespace xla

/// `size` elements of each axis from `begin` on (tf.slice); a size of -1 takes what is left.
template <value V>
constexpr V slice_from(V x, const tensor_shape& begin, const tensor_shape& size) {
  if (V::front_end::failed(x)) return x;
  if (begin.rank() != x.rank() || size.rank() != x.rank())
    return detail::fail<ops::slice_op>(x, "needs one begin and size per axis");
  tensor_shape limit;
  for (int d = 0; d < x.rank(); ++d) {
    const std::int64_t n = x.shape()[d];
    if (n >= 0 && (begin[d] < 0 || begin[d] > n || size[d] < -1 || size[d] > n - begin[d]))
      return detail::fail<ops::slice_op>(x, "begin or size out of range", "0 <= begin, begin + size <= extent");
    limit.push_back(size[d] == -1 ? n : begin[d] + size[d]);
  }
  return xla::slice(x, begin, limit);
}

/// begin:end:strides of each axis with NumPy's rules and TensorFlow's masks (tf.strided_slice): negative positions count
/// from the end, what lies outside is cut off, negative strides walk backwards. Axes that are not named are whole.
template <value V>
constexpr V strided_slice(V x, const tensor_shape& begin, const tensor_shape& end, const tensor_shape& strides = {},
                          strided_slice_options o = {}) {
  if (V::front_end::failed(x)) return x;
  using op = ops::slice_op;
  const int n = begin.rank(), rank = x.rank();
  if (end.rank() != n || (strides.rank() != 0 && strides.rank() != n) || begin.overflow_)
    return detail::fail<op>(x, "begin, end and strides must be of one length");
  int named = 0, dots = -1;
  for (int k = 0; k < n; ++k) {
    if ((o.ellipsis_mask >> k & 1) != 0) {
      if (dots >= 0) return detail::fail<op>(x, "only one ellipsis can be given");
      dots = k;
    } else if ((o.new_axis_mask >> k & 1) == 0) {
      ++named;
    }
  }
  if (named > rank) return detail::fail<op>(x, "more indices than the tensor has axes");
  attributes at;
  tensor_shape size, shape;
  const auto whole = [&](int d) {
    at.i[d] = 0;
    detail::set_small_number(at, d, 1);
    size.push_back(x.shape()[d]);
    shape.push_back(x.shape()[d]);
  };
  int d = 0;
  for (int k = 0; k < n; ++k) {
    if (k == dots) {
      for (int more = rank - named; more > 0; --more) whole(d++);
      continue;
    }
    if ((o.new_axis_mask >> k & 1) != 0) {
      shape.push_back(1);
      continue;
    }
    const std::int64_t extent = x.shape()[d], step = strides.rank() == 0 ? 1 : strides[k];
    const bool no_begin = (o.begin_mask >> k & 1) != 0, no_end = (o.end_mask >> k & 1) != 0;
    if (step == 0 || step > INT32_MAX || step < -INT32_MAX) return detail::fail<op>(x, "a stride must be a 32-bit number other than 0");
    if ((o.shrink_axis_mask >> k & 1) != 0) {
      const std::int64_t at_index = begin[k] < 0 ? begin[k] + extent : begin[k];
      if (extent < 0) return detail::fail<op>(x, "a part of the batch cannot be cut off", "its size is known at run time only");
      if (step < 0) return detail::fail<op>(x, "only a stride of 1 goes with one index of an axis");
      if (at_index < 0 || at_index >= extent) return detail::fail<op>(x, "an index is outside its axis", "indices are -extent .. extent-1");
      at.i[d] = at_index;
      detail::set_small_number(at, d, 1);
      size.push_back(1);
      ++d;
      continue;
    }
    if (extent < 0) {
      if (!((no_begin || (begin[k] == 0 && step > 0)) && no_end && step == 1))
        return detail::fail<op>(x, "a part of the batch cannot be cut off", "its size is known at run time only");
      whole(d++);
      continue;
    }
    const std::int64_t low = step > 0 ? 0 : -1, high = step > 0 ? extent : extent - 1;
    const auto place = [&](std::int64_t p) {
      if (p < 0) p = p < -extent ? low : p + extent;
      return p < low ? low : p > high ? high : p;
    };
    const std::int64_t first = no_begin ? (step > 0 ? 0 : extent - 1) : place(begin[k]);
    const std::int64_t last = no_end ? (step > 0 ? extent : -1) : place(end[k]);
    const std::int64_t span = step > 0 ? last - first : first - last, width = step > 0 ? step : -step;
    const std::int64_t count = span <= 0 ? 0 : 1 + (span - 1) / width;
    at.i[d] = count > 0 ? first : 0;
    detail::set_small_number(at, d, count > 1 ? step : 1);
    size.push_back(count);
    shape.push_back(count);
    ++d;
  }
  while (d < rank) whole(d++);
  if (shape.overflow_) return detail::fail<op>(x, "the result would have more than 8 axes");
  return reshape_to(slice_to(x, size, at), shape);
}

namespace detail {
template <class I>
concept any_index = slicing_index<I> || std::is_same_v<I, ellipsis_t>;
}  // namespace detail

/// x at indices, as t(2, all, slice{1, -1}) of a typed tensor: a number takes one index and drops the axis, `all` and
/// `slice` keep it, `newaxis` inserts one, `ellipsis` stands for the axes that are missing.
template <value V, class... I>
  requires(detail::any_index<I>&&...)
constexpr V index(V x, I... indices) {
  static_assert(sizeof...(I) <= static_cast<std::size_t>(max_rank), "at most eight indices");
  tensor_shape begin, end, strides;
  strided_slice_options o;
  int k = 0;
  (..., [&] {
    const unsigned bit = 1U << k;
    std::int64_t b = 0, e = 0, s = 1;
    if constexpr (std::is_integral_v<I>) {
      b = static_cast<std::int64_t>(indices), e = b + 1;
      o.shrink_axis_mask |= bit;
    } else if constexpr (std::is_same_v<I, slice>) {
      b = indices.begin, e = indices.end, s = indices.step;
      if (b == slice::none) o.begin_mask |= bit;
      if (e == slice::none) o.end_mask |= bit;
    } else if constexpr (std::is_same_v<I, newaxis_t>) {
      o.new_axis_mask |= bit;
    } else if constexpr (std::is_same_v<I, ellipsis_t>) {
      o.ellipsis_mask |= bit;
    } else {
      o.begin_mask |= bit, o.end_mask |= bit;
    }
    begin.push_back(b), end.push_back(e), strides.push_back(s);
    ++k;
  }());
  return strided_slice(x, begin, end, strides, o);
}

// ---- paddings ------------------------------------------------------------------------------------------------------------

namespace detail {
/// The attributes of a padding and the shape that it gives; false when it cannot be.
template <value V>
constexpr bool plan_padding(const V& x, const pad_list& config, attributes& at, tensor_shape& shape, const char*& problem) {
  problem = "needs one padding per axis";
  if (config.count != x.rank() || config.overflow) return false;
  for (int d = 0; d < x.rank(); ++d) {
    const pad_width& w = config.axes[d];
    const std::int64_t n = x.shape()[d];
    if (n < 0 && (w.before != 0 || w.after != 0 || w.interior != 0)) {
      problem = "the batch cannot be padded";
      return false;
    }
    constexpr std::int64_t most = std::int64_t{1} << 40;
    std::int64_t extent = n;
    if (n >= 0) {
      problem = "a padding is out of range";
      if (w.before > most || w.before < -most || w.after > most || w.after < -most || w.interior < 0 || w.interior > INT32_MAX - 1)
        return false;
      extent = n + w.before + w.after + (n > 1 ? (n - 1) * w.interior : 0);
      problem = "more elements are removed than there are";
      if (extent < 0) return false;
    }
    at.i[d] = w.before;
    detail::set_small_number(at, d, w.interior);
    shape.push_back(extent);
  }
  problem = "the result has more elements than 63 bits can count";
  return countable(shape);
}
}  // namespace detail

namespace xla {
/// x with `padding_value` (a scalar of its dtype) between neighbours and then before and after each axis, or with elements
/// removed there where the padding is negative (XLA's Pad).
template <value V>
constexpr V pad(V x, V padding_value, const pad_list& padding_config) {
  if (V::front_end::failed(x)) return x;
  if (V::front_end::failed(padding_value)) return padding_value;
  attributes at;
  tensor_shape shape;
  const char* problem = "";
  if (!rill::detail::plan_padding(x, padding_config, at, shape, problem)) return rill::detail::fail<ops::pad_op<2>>(x, problem);
  if (padding_value.type() != x.type() || padding_value.rank() != 0) {
    failure f;
    f.set("the padding value must be a scalar of the operand's dtype", "", {x.type(), x.shape()}, {padding_value.type(), padding_value.shape()});
    return V::front_end::template fail<ops::pad_op<2>>(f, x);
  }
  return V::front_end::template add<ops::pad_op<2>>({x.type(), shape}, {x, padding_value}, at);
}
}  // namespace xla

/// x with elements before and after each axis: a constant (zero, "", false when none is given), or reflected ones (tf.pad).
template <value V>
constexpr V pad(V x, const pad_list& paddings, pad_options o = {}) {
  if (V::front_end::failed(x)) return x;
  attributes at;
  tensor_shape shape;
  const char* problem = "";
  if (!detail::plan_padding(x, paddings, at, shape, problem)) return detail::fail<ops::pad_op<1>>(x, problem);
  if (o.mode == pad_mode::constant) {
    if (x.type() == dtype::string && o.constant_values != 0)
      return detail::fail<ops::pad_op<1>>(x, "strings are padded with empty ones", "give another with xla::pad");
    at.f[0] = o.constant_values;
    return pad_to(x, shape, at);
  }
  const std::int64_t border = o.mode == pad_mode::reflect ? 1 : 0;
  for (int d = 0; d < x.rank(); ++d) {
    const pad_width& w = paddings.axes[d];
    const std::int64_t n = x.shape()[d];
    if (n < 0) continue;
    if (w.before < 0 || w.after < 0 || w.interior != 0 || w.before > n - border || w.after > n - border)
      return detail::fail<ops::pad_op<1>>(x, "a reflected padding is longer than what it reflects", "at most extent - 1 elements (reflect), extent (symmetric)");
  }
  for (int d = 0; d < paddings.count; ++d) {
    const pad_width& w = paddings.axes[d];
    const std::int64_t n = x.shape()[d];
    if (w.before == 0 && w.after == 0) continue;
    std::vector<V> parts;
    if (w.before > 0) parts.push_back(reverse_mask(slice_along(x, d, border, w.before), std::int64_t{1} << d));
    parts.push_back(x);
    if (w.after > 0) parts.push_back(reverse_mask(slice_along(x, d, n - border - w.after, w.after), std::int64_t{1} << d));
    x = concat(parts, {d});
  }
  return x;
}

// ---- reversals, tiles, broadcasts ----------------------------------------------------------------------------------------

/// The named axes walked backwards (tf.reverse); none for an empty list.
template <value V>
constexpr V reverse(V x, const axis_list& axis) {
  if (V::front_end::failed(x)) return x;
  const std::int64_t mask = detail::named_axes(axis, x.rank());
  if (mask < 0) return detail::fail<ops::reverse_op>(x, mask == -1 ? "axis out of range" : "an axis is named twice", "axes are -rank .. rank-1");
  return reverse_mask(x, mask);
}
/// The first lengths[b] elements along seq_axis walked backwards, for each index b of batch_axis.
template <value V>
constexpr V reverse_sequence(V x, V seq_lengths, reverse_sequence_options o = {}) {
  if (V::front_end::failed(x)) return x;
  attributes at;
  at.i[0] = o.seq_axis < 0 ? o.seq_axis + x.rank() : o.seq_axis;
  at.i[1] = o.batch_axis < 0 ? o.batch_axis + x.rank() : o.batch_axis;
  return detail::emit<ops::reverse_sequence_op>({x, seq_lengths}, at);
}
/// x repeated multiples[d] times along axis d.
template <value V>
constexpr V tile(V x, const tensor_shape& multiples) {
  if (V::front_end::failed(x)) return x;
  if (multiples.rank() != x.rank() || multiples.overflow_) return detail::fail<ops::tile_op>(x, "needs one multiple per axis");
  tensor_shape shape;
  attributes at;
  bool unchanged = true;
  for (int d = 0; d < x.rank(); ++d) {
    if (multiples[d] < 0 || (multiples[d] == 0 && x.shape()[d] < 0)) return detail::fail<ops::tile_op>(x, "a multiple is negative");
    if (multiples[d] > (std::int64_t{1} << 40)) return detail::fail<ops::tile_op>(x, "a multiple is out of range");
    at.i[d] = multiples[d];
    unchanged = unchanged && multiples[d] == 1;
    if (x.shape()[d] != 0 && multiples[d] > INT64_MAX / (x.shape()[d] < 0 ? -x.shape()[d] : x.shape()[d]))
      return detail::fail<ops::tile_op>(x, "the result has more elements than 63 bits can count");
    shape.push_back(x.shape()[d] * multiples[d]);
  }
  if (!detail::countable(shape)) return detail::fail<ops::tile_op>(x, "the result has more elements than 63 bits can count");
  return unchanged ? x : V::front_end::template add<ops::tile_op>({x.type(), shape}, {x}, at);
}
/// x moved by `shift` along `axis`; what leaves at one end comes back at the other (tf.manip.roll).
template <value V>
constexpr V roll(V x, const roll_options& o) {
  if (V::front_end::failed(x)) return x;
  if (o.shift.count != o.axis.count) return detail::fail<ops::roll_name>(x, "needs one shift per axis");
  for (int k = 0; k < o.axis.count; ++k) {
    const std::int64_t a = detail::front_axis(o.axis.axes[k], x.rank());
    if (a < 0) return detail::fail<ops::roll_name>(x, "axis out of range", "axes are -rank .. rank-1");
    const int d = static_cast<int>(a);
    const std::int64_t n = x.shape()[d];
    if (n < 0) return detail::fail<ops::roll_name>(x, "the batch cannot be rolled");
    const std::int64_t s = n == 0 ? 0 : (o.shift.axes[k] % n + n) % n;
    if (s != 0) x = concat({slice_along(x, d, n - s, s), slice_along(x, d, 0, n - s)}, {d});
  }
  return x;
}

/// The block of `size_indices` that begins at `start_indices`, a vector; moved inside where it sticks out (DynamicSlice).
template <value V>
constexpr V dynamic_slice(V x, V start_indices, const tensor_shape& size_indices) {
  if (V::front_end::failed(x)) return x;
  if (V::front_end::failed(start_indices)) return start_indices;
  failure f;
  const signature got{x.type(), x.shape()}, index{start_indices.type(), start_indices.shape()};
  if (index.type != dtype::int32 && index.type != dtype::int64) f.set("start indices must be int32 or int64", "cast them", index);
  else if (index.shape.rank() != 1 || index.shape[0] != x.rank()) f.set("needs a vector of one start index per axis", "", got, index);
  else if (size_indices.rank() != x.rank()) f.set("needs one size per axis", "", got, {x.type(), size_indices});
  for (int d = 0; !f && d < x.rank(); ++d)
    if (size_indices[d] != x.shape()[d] && (x.shape()[d] < 0 || size_indices[d] < 0 || size_indices[d] > x.shape()[d]))
      f.set("a size is larger than its axis", "", got, {x.type(), size_indices});
  if (f) return V::front_end::template fail<ops::dynamic_slice_op>(f, x);
  return V::front_end::template add<ops::dynamic_slice_op>({x.type(), size_indices}, {x, start_indices});
}
/// x with the block that begins at `start_indices` replaced by `update` (DynamicUpdateSlice).
template <value V>
constexpr V dynamic_update_slice(V x, V update, V start_indices) {
  return detail::emit<ops::dynamic_update_slice_op>({x, update, start_indices});
}

namespace xla {
/// The tensors one after the other along a dimension (XLA's Concatenate).
template <value V>
constexpr V concatenate(std::initializer_list<V> operands, std::int64_t dimension) {
  return rill::concat(operands, {dimension});
}
/// The named dimensions walked backwards (XLA's Rev).
template <value V>
constexpr V rev(V x, const axis_list& dimensions) {
  return reverse(x, dimensions);
}
/// x repeated along new leading axes (XLA's Broadcast): sizes {a..}, operand [b..] -> [a.., b..].
template <value V>
constexpr V broadcast(V x, const tensor_shape& broadcast_sizes) {
  if (V::front_end::failed(x)) return x;
  tensor_shape shape = broadcast_sizes;
  int dims[max_rank] = {};
  for (int d = 0; d < x.rank(); ++d) {
    if (shape.rank() < max_rank) dims[d] = shape.rank();
    shape.push_back(x.shape()[d]);
  }
  bool good = !shape.overflow_ && rill::detail::countable(shape);
  for (int d = 0; d < broadcast_sizes.rank(); ++d) good = good && broadcast_sizes[d] >= 0;
  if (!good) return rill::detail::fail<ops::broadcast_in_dim_op>(x, "cannot be repeated to these sizes", "at most eight axes, no negative size");
  return rill::broadcast_in_dim(x, shape, dims);
}
/// x repeated to `shape`: axis k of x is axis broadcast_dimensions[k] of the result, which must be of the same extent, or
/// any when that of x is 1; the dimensions increase strictly.
template <value V>
constexpr V broadcast_in_dim(V x, const tensor_shape& shape, const axis_list& broadcast_dimensions) {
  if (V::front_end::failed(x)) return x;
  int dims[max_rank] = {};
  bool good = broadcast_dimensions.count == x.rank() && !shape.overflow_;
  for (int k = 0; good && k < x.rank(); ++k) {
    const std::int64_t d = broadcast_dimensions.axes[k];
    good = d >= 0 && d < shape.rank() && (k == 0 || d > broadcast_dimensions.axes[k - 1]);
    if (!good) break;
    dims[k] = static_cast<int>(d);
    good = x.shape()[k] == 1 || x.shape()[k] == shape[dims[k]];
  }
  if (!good) {
    failure f;
    f.set("the dimensions do not match", "one per axis, strictly increasing, of equal extent or 1", {x.type(), x.shape()}, {x.type(), shape});
    return V::front_end::template fail<ops::broadcast_in_dim_op>(f, x);
  }
  return rill::broadcast_in_dim(x, shape, dims);
}
/// x under a shape of this rank: its axis k at broadcast_dimensions[k], which increase strictly, and 1 elsewhere. So an
/// element-wise op meets an operand of another rank as XLA's with broadcast_dimensions does, ones repeating on either side:
///
///   add(m, xla::in_dim(v, 2, {0}))       // m [2, 3], v [2]: v[i] is added to row i
template <value V>
constexpr V in_dim(V x, int rank, const axis_list& broadcast_dimensions) {
  if (V::front_end::failed(x)) return x;
  tensor_shape s;
  for (int d = 0; d < rank && rank <= max_rank; ++d) s.push_back(1);
  bool good = broadcast_dimensions.count == x.rank() && rank <= max_rank;
  for (int k = 0; good && k < x.rank(); ++k) {
    const std::int64_t d = broadcast_dimensions.axes[k];
    good = d >= 0 && d < rank && (k == 0 || d > broadcast_dimensions.axes[k - 1]);
    if (good) s[static_cast<int>(d)] = x.shape()[k];
  }
  if (!good) return rill::detail::fail<ops::broadcast_in_dim_op>(x, "the dimensions do not match", "one per axis, strictly increasing, below the rank");
  return reshape_to(x, s);
}
/// Consecutive axes, named in order, become one (XLA's Collapse).
template <value V>
constexpr V collapse(V x, const axis_list& dimensions) {
  if (V::front_end::failed(x)) return x;
  for (int k = 0; k < dimensions.count; ++k)
    if (dimensions.axes[k] < 0 || dimensions.axes[k] >= x.rank() || (k > 0 && dimensions.axes[k] != dimensions.axes[k - 1] + 1))
      return rill::detail::fail<ops::collapse_name>(x, "needs consecutive axes in order");
  if (dimensions.count == 0) return x;
  tensor_shape s;
  for (int d = 0; d < x.rank(); ++d) {
    const bool inside = d > dimensions.axes[0] && d <= dimensions.axes[dimensions.count - 1];
    if (inside) s[s.rank() - 1] *= x.shape()[d];
    else s.push_back(x.shape()[d]);
  }
  return reshape_to(x, s);
}
/// The elements taken with axis dimensions[0] slowest, dimensions[last] fastest, under another shape (XLA's Reshape).
template <value V>
constexpr V reshape(V x, const axis_list& dimensions, const tensor_shape& new_sizes) {
  if (V::front_end::failed(x)) return x;
  if (dimensions.count != x.rank()) return rill::detail::fail<ops::reshape_op>(x, "needs a permutation of the axes");
  return rill::reshape(x.rank() == 0 ? x : rill::transpose(x, dimensions), new_sizes);
}
/// on_true where pred holds, on_false elsewhere; both of one shape, pred of that shape or a scalar (XLA's Select).
template <value V>
constexpr V select(V pred, V on_true, V on_false) {
  if (V::front_end::failed(pred)) return pred;
  if (V::front_end::failed(on_true)) return on_true;
  failure f;
  if (pred.type() != dtype::boolean) f.set("the predicate must be bool", "", {pred.type(), pred.shape()});
  else if (!(on_true.shape() == on_false.shape()))
    f.set("both values must have one shape", "", {on_true.type(), on_true.shape()}, {on_false.type(), on_false.shape()});
  else if (pred.rank() != 0 && !(pred.shape() == on_true.shape()))
    f.set("the predicate must be a scalar or of the shape of the values", "", {pred.type(), pred.shape()}, {on_true.type(), on_true.shape()});
  if (f) return V::front_end::template fail<ops::select_name>(f, pred);
  return rill::select(pred, on_true, on_false);
}
using rill::dynamic_slice;
using rill::dynamic_update_slice;
/// Each element as static_cast gives it in another dtype (XLA's ConvertElementType); integers to floats round to even.
template <value V>
constexpr V convert_element_type(V x, dtype new_element_type) {
  return cast_to(x, new_element_type);
}
/// The bits of each element as another dtype of the same width (BitcastConvertType).
template <value V>
constexpr V bitcast_convert_type(V x, dtype type) {
  if (V::front_end::failed(x)) return x;
  if (size_of(x.type()) != size_of(type) || size_of(type) == 0)
    return rill::detail::fail<ops::bitcast_op>(x, "the dtypes differ in width", "only types of equal width");
  return V::front_end::template add<ops::bitcast_op>({type, x.shape()}, {x});
}
}  // namespace xla

/// The bytes as another dtype (tf.bitcast): a narrower one adds a last axis, a wider one takes the last axis away.
template <value V>
constexpr V bitcast(V x, dtype type) {
  if (V::front_end::failed(x)) return x;
  const auto from = static_cast<std::int64_t>(size_of(x.type())), to = static_cast<std::int64_t>(size_of(type));
  tensor_shape s = x.shape();
  if (from == 0 || to == 0) return detail::fail<ops::bitcast_op>(x, "takes dtypes of a fixed width");
  if (from > to) s.push_back(from / to);
  if (from < to) {
    if (s.rank() == 0 || s[s.rank() - 1] != to / from)
      return detail::fail<ops::bitcast_op>(x, "the last axis must hold the parts of one wider element");
    s = tensor_shape(s.begin(), s.rank() - 1);
  }
  if (s.overflow_) return detail::fail<ops::bitcast_op>(x, "the result would have more than 8 axes");
  return V::front_end::template add<ops::bitcast_op>({type, s}, {x});
}

// ---- blocks --------------------------------------------------------------------------------------------------------------

namespace detail {
/// The longest side of a block, so that products with it fit.
inline constexpr std::int64_t most_block = 65535;
}  // namespace detail
/// Pads the axes behind the first, cuts them into blocks and moves the place in a block into the batch, slowest first
/// (tf.space_to_batch_nd): [b, s1, .., rest] -> [b * block1 * .., (s1 + padding) / block1, .., rest].
template <value V>
constexpr V space_to_batch_nd(V x, const tensor_shape& block_shape, const pad_list& paddings) {
  if (V::front_end::failed(x)) return x;
  const int m = block_shape.rank(), rank = x.rank();
  if (m + 1 > rank || paddings.count != m || rank + m > max_rank)
    return detail::fail<ops::space_to_batch_name>(x, "needs one block size and padding per spatial axis", "at most 8 axes with those of the blocks");
  pad_list config{{0, 0}};
  for (int d = 1; d < rank; ++d) config.push_back(d <= m ? paddings.axes[d - 1] : pad_width{});
  x = pad(x, config);
  if (V::front_end::failed(x)) return x;
  tensor_shape open{x.shape()[0]}, shape;
  std::int64_t batch = x.shape()[0];
  axis_list order;
  for (int k = 0; k < m; ++k) {
    const std::int64_t n = x.shape()[k + 1], b = block_shape[k];
    if (b < 1 || b > detail::most_block || n < 0 || n % b != 0) return detail::fail<ops::space_to_batch_name>(x, "a padded axis is not a multiple of its block");
    open.push_back(n / b), open.push_back(b);
    batch *= b;
    order.axes[order.count++] = 2 * k + 2;
  }
  order.axes[order.count++] = 0;
  shape.push_back(batch);
  for (int k = 0; k < m; ++k) order.axes[order.count++] = 2 * k + 1, shape.push_back(x.shape()[k + 1] / block_shape[k]);
  for (int d = m + 1; d < rank; ++d) open.push_back(x.shape()[d]), shape.push_back(x.shape()[d]), order.axes[order.count++] = m + d;
  return reshape_to(transpose(reshape_to(x, open), order), shape);
}
/// The way back, with elements cropped off at the end (tf.batch_to_space_nd).
template <value V>
constexpr V batch_to_space_nd(V x, const tensor_shape& block_shape, const pad_list& crops) {
  if (V::front_end::failed(x)) return x;
  const int m = block_shape.rank(), rank = x.rank();
  if (m + 1 > rank || crops.count != m || rank + m > max_rank)
    return detail::fail<ops::batch_to_space_name>(x, "needs one block size and crop per spatial axis", "at most 8 axes with those of the blocks");
  std::int64_t blocks = 1;
  for (int k = 0; k < m && blocks > 0; ++k)
    blocks = block_shape[k] < 1 || block_shape[k] > (std::int64_t{1} << 40) / blocks ? 0 : blocks * block_shape[k];
  if (blocks == 0 || x.shape()[0] % blocks != 0) return detail::fail<ops::batch_to_space_name>(x, "the first axis is not a multiple of the blocks");
  tensor_shape open, shape{x.shape()[0] / blocks};
  axis_list order;
  for (int k = 0; k < m; ++k) open.push_back(block_shape[k]);
  open.push_back(x.shape()[0] / blocks);
  order.axes[order.count++] = m;
  for (int k = 0; k < m; ++k) {
    open.push_back(x.shape()[k + 1]);
    order.axes[order.count++] = m + 1 + k, order.axes[order.count++] = k;
    shape.push_back(x.shape()[k + 1] * block_shape[k]);
  }
  for (int d = m + 1; d < rank; ++d) open.push_back(x.shape()[d]), shape.push_back(x.shape()[d]), order.axes[order.count++] = m + d;
  x = reshape_to(transpose(reshape_to(x, open), order), shape);
  tensor_shape begin{0}, limit{shape[0]};
  for (int d = 1; d < rank; ++d) {
    const pad_width c = d <= m ? crops.axes[d - 1] : pad_width{};
    if (c.before < 0 || c.after < 0 || (shape[d] >= 0 && c.after > shape[d] - c.before))
      return detail::fail<ops::batch_to_space_name>(x, "a crop is negative or longer than its axis");
    begin.push_back(c.before), limit.push_back(shape[d] - c.after);
  }
  return xla::slice(x, begin, limit);
}
/// The two-dimensional forms for NHWC images.
template <value V>
constexpr V space_to_batch(V x, const pad_list& paddings, std::int64_t block_size) {
  return space_to_batch_nd(x, {block_size, block_size}, paddings);
}
template <value V>
constexpr V batch_to_space(V x, const pad_list& crops, std::int64_t block_size) {
  return batch_to_space_nd(x, {block_size, block_size}, crops);
}
/// Blocks of pixels become channels: [b, h, w, c] -> [b, h / k, w / k, k * k * c] (NCHW: [b, k * k * c, h / k, w / k]).
template <value V>
constexpr V space_to_depth(V x, std::int64_t block_size, block_options o = {}) {
  if (V::front_end::failed(x)) return x;
  const std::int64_t k = block_size;
  const tensor_shape s = x.shape();
  const int h = o.data_format == image_layout::nhwc ? 1 : 2;
  if (s.rank() != 4 || k < 1 || k > detail::most_block || s[h] < 0 || s[h + 1] < 0 || s[h] % k != 0 || s[h + 1] % k != 0)
    return detail::fail<ops::space_to_depth_name>(x, "needs images whose height and width are multiples of the block");
  if (h == 1)
    return reshape_to(transpose(reshape_to(x, {s[0], s[1] / k, k, s[2] / k, k, s[3]}), {0, 1, 3, 2, 4, 5}),
                      {s[0], s[1] / k, s[2] / k, k * k * s[3]});
  return reshape_to(transpose(reshape_to(x, {s[0], s[1], s[2] / k, k, s[3] / k, k}), {0, 3, 5, 1, 2, 4}),
                    {s[0], k * k * s[1], s[2] / k, s[3] / k});
}
/// The way back: [b, h, w, k * k * c] -> [b, h * k, w * k, c].
template <value V>
constexpr V depth_to_space(V x, std::int64_t block_size, block_options o = {}) {
  if (V::front_end::failed(x)) return x;
  const std::int64_t k = block_size;
  const tensor_shape s = x.shape();
  const int c = o.data_format == image_layout::nhwc ? 3 : 1;
  if (s.rank() != 4 || k < 1 || k > detail::most_block || s[c] < 0 || s[c] % (k * k) != 0)
    return detail::fail<ops::depth_to_space_name>(x, "needs images whose channels are a multiple of the block's pixels");
  const std::int64_t d = s[c] / (k * k);
  if (c == 3)
    return reshape_to(transpose(reshape_to(x, {s[0], s[1], s[2], k, k, d}), {0, 1, 3, 2, 4, 5}), {s[0], s[1] * k, s[2] * k, d});
  return reshape_to(transpose(reshape_to(x, {s[0], k, k, d, s[2], s[3]}), {0, 3, 4, 1, 5, 2}), {s[0], d, s[2] * k, s[3] * k});
}

// ---- diagonals -----------------------------------------------------------------------------------------------------------

/// Vectors as diagonals of square matrices: [.., n] -> [.., n, n].
template <value V>
constexpr V matrix_diag(V diagonal) {
  return detail::emit<ops::matrix_diag_op>({diagonal});
}
/// The diagonals of matrices: [.., m, n] -> [.., min(m, n)].
template <value V>
constexpr V matrix_diag_part(V x) {
  return detail::emit<ops::matrix_diag_part_op>({x});
}
/// Matrices with other diagonals.
template <value V>
constexpr V matrix_set_diag(V x, V diagonal) {
  return detail::emit<ops::matrix_set_diag_op>({x, diagonal});
}
/// Matrices with zeros below the num_lower-th subdiagonal and above the num_upper-th superdiagonal; -1 keeps a whole side.
template <value V>
constexpr V matrix_band_part(V x, std::int64_t num_lower, std::int64_t num_upper) {
  attributes at;
  at.i[0] = num_lower, at.i[1] = num_upper;
  return detail::emit<ops::matrix_band_part_op>({x}, at);
}
/// A tensor as the diagonal of one of twice its rank: result[i.., i..] = x[i..] (tf.diag).
template <value V>
constexpr V diag(V x) {
  if (V::front_end::failed(x)) return x;
  const tensor_shape s = x.shape();
  if (s.rank() < 1 || 2 * s.rank() > max_rank || !s.is_static())
    return detail::fail<ops::diag_name>(x, "needs a tensor of rank 1 to 4 without a batch");
  tensor_shape twice = s;
  for (int d = 0; d < s.rank(); ++d) twice.push_back(s[d]);
  return reshape_to(matrix_diag(reshape_to(x, {s.num_elements()})), twice);
}
/// The way back: result[i..] = x[i.., i..] (tf.diag_part).
template <value V>
constexpr V diag_part(V x) {
  if (V::front_end::failed(x)) return x;
  const tensor_shape s = x.shape();
  const int half = s.rank() / 2;
  bool good = s.rank() >= 2 && s.rank() % 2 == 0 && s.is_static();
  for (int d = 0; good && d < half; ++d) good = s[d] == s[d + half];
  if (!good) return detail::fail<ops::diag_part_name>(x, "needs a tensor of even rank whose halves are of one shape");
  const tensor_shape to(s.begin(), half);
  return reshape_to(matrix_diag_part(reshape_to(x, {to.num_elements(), to.num_elements()})), to);
}

// ---- shapes --------------------------------------------------------------------------------------------------------------

/// The coordinates of a grid: vector k repeated along all axes but its own, for all k. By default the first two vectors run
/// along columns and rows (NumPy's xy).
template <value V, std::size_t N>
constexpr std::array<V, N> meshgrid(const std::array<V, N>& vectors, meshgrid_options o = {}) {
  static_assert(N > 0 && N <= static_cast<std::size_t>(max_rank));
  std::array<V, N> grid = vectors;
  const auto axis_of = [&](std::size_t k) { return o.ij || N < 2 || k > 1 ? k : 1 - k; };
  tensor_shape shape;
  for (std::size_t d = 0; d < N; ++d) shape.push_back(1);
  for (std::size_t k = 0; k < N; ++k) {
    if (V::front_end::failed(vectors[k])) return grid;
    if (vectors[k].rank() > 1) {
      grid[k] = detail::fail<ops::meshgrid_name>(vectors[k], "a grid is made of vectors");
      return grid;
    }
    shape[static_cast<int>(axis_of(k))] = vectors[k].rank() == 0 ? 1 : vectors[k].shape()[0];
  }
  for (std::size_t k = 0; k < N; ++k) {
    const int axis[] = {static_cast<int>(axis_of(k))};
    grid[k] = broadcast_in_dim(reshape_to(vectors[k], {shape[axis[0]]}), shape, axis);
  }
  return grid;
}
/// The extents as a vector (tf.shape); where one is the batch, it is known when the graph runs.
template <value V>
constexpr V shape_of(const V& x, dtype out_type = dtype::int32) {
  if (V::front_end::failed(x)) return x;
  if (out_type != dtype::int32 && out_type != dtype::int64) return detail::fail<ops::shape_name>(x, "is given as int32 or int64");
  const V like = V::front_end::constant(x, out_type, 0);
  if (x.rank() == 0) return slice_along(reshape_to(like, {1}), 0, 0, 0);
  std::vector<V> parts;
  for (int d = 0; d < x.rank(); ++d) parts.push_back(reshape_to(V::front_end::count(like, x.shape()[d]), {1}));
  return concat(parts);
}
/// The number of elements as a scalar (tf.size).
template <value V>
constexpr V count_of(const V& x, dtype out_type = dtype::int32) {
  if (V::front_end::failed(x)) return x;
  if (out_type != dtype::int32 && out_type != dtype::int64) return detail::fail<ops::shape_name>(x, "is given as int32 or int64");
  return V::front_end::count(V::front_end::constant(x, out_type, 0), x.shape().num_elements());
}
/// The number of axes as a scalar (tf.rank).
template <value V>
constexpr V rank_of(const V& x) {
  if (V::front_end::failed(x)) return x;
  return V::front_end::constant(x, dtype::int32, static_cast<double>(x.rank()));
}
/// The shape that two shapes broadcast to (tf.broadcast_static_shape); invalid_argument when they do not.
inline tensor_shape broadcast_static_shape(const tensor_shape& a, const tensor_shape& b) {
  tensor_shape r;
  const int rank = a.rank() > b.rank() ? a.rank() : b.rank();
  for (int d = 0; d < rank; ++d) {
    const int i = d - (rank - a.rank()), j = d - (rank - b.rank());
    const std::int64_t m = i < 0 ? 1 : a[i], n = j < 0 ? 1 : b[j];
    if (m != n && m != 1 && n != 1)
      throw invalid_argument("the shapes " + to_string(a) + " and " + to_string(b) + " do not broadcast");
    r.push_back(m == 1 ? n : m);
  }
  return r;
}

}  // namespace rill

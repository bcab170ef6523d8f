// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Ops that read and write at indices which are data: XLA's general Gather and Scatter (namespace `xla`), TensorFlow's
/// gather, gather_nd, scatter_nd, the scatter_* family as functions of values, take_along_axis, one_hot, sequence_mask,
/// invert_permutation, embedding_lookup. Indices are int32 or int64.
///
/// An index outside its axis: XLA's Gather moves the window inside, XLA's Scatter drops what lies outside; TensorFlow's
/// functions throw out_of_range when they run and name position, index and bound. Where several updates meet in one
/// element they are combined in the order of the indices, whatever the number of threads; of several `update`s the last
/// one stays. A gather's gradient is a scatter that adds, and the other way round; indices get none.
/// Sources: XLA's operation semantics; TensorFlow 1.8's tf.gather ... tf.nn.embedding_lookup.
///
///   rows = gather(table, ids);                         // [n, d], [..] -> [.., d]
///   y = gather_nd(x, indices);                         // indices [.., k]: the first k axes of x
///   g = scatter_nd(indices, updates, {8, 4});          // zeros but for the updates, which add up

#include "movement.hpp"

namespace rill {

/// How an update meets the element that it goes to.
enum class scatter_kind : std::uint8_t { update, add, sub, mul, div, min, max };

/// Options of gather: `axis` counts from the end when negative; the first batch_dims axes of operand and indices pair up
/// (negative: counted from the end of the indices). Without an axis it is batch_dims.
struct gather_options {
  static constexpr std::int64_t after_batch = INT64_MIN;
  std::int64_t axis = after_batch;
  std::int64_t batch_dims = 0;
};
/// Options of one_hot.
struct one_hot_options {
  double on_value = 1, off_value = 0;
  std::int64_t axis = -1;
  dtype type = dtype::float32;
};
/// How ids are dealt to the parts of an embedding table: in turn (mod) or in consecutive ranges (div).
enum class partition_strategy : std::uint8_t { mod, div };
/// Options of embedding_lookup.
struct embedding_options {
  partition_strategy strategy = partition_strategy::mod;
  double max_norm = 0;  ///< rows that are longer are shortened to it; 0: never
};

namespace xla {
/// Which axes of a gather's operand, indices and result belong together (XLA's GatherDimensionNumbers and window_bounds).
struct gather_dimensions {
  axis_list output_window_dims = {};           ///< axes of the result that run over a window, ascending
  axis_list elided_window_dims = {};           ///< axes of the operand that the result lacks; their bound is 1
  tensor_shape window_bounds = {};             ///< extents of a window, one per axis of the operand
  axis_list gather_dims_to_operand_dims = {};  ///< the operand's axis that element k of an index vector speaks of
  std::int64_t index_vector_dim = 0;           ///< the axis of the indices that holds index vectors; the rank: scalars
};
/// The same for a scatter.
struct scatter_dimensions {
  axis_list update_window_dims = {};
  axis_list inserted_window_dims = {};
  axis_list scatter_dims_to_operand_dims = {};
  std::int64_t index_vector_dim = 0;
};
}  // namespace xla

namespace ops {

/// The attributes of xla_gather_op and xla_scatter_op. Axes are bit masks, the map four bits an axis.
struct window_attributes {
  enum mode : std::uint8_t { clamp, drop };
  static constexpr std::int64_t window_dims(const attributes& at) { return at.i[0] & 0xff; }
  static constexpr std::int64_t elided_dims(const attributes& at) { return at.i[0] >> 8 & 0xff; }
  static constexpr int index_vector_dim(const attributes& at) { return static_cast<int>(at.i[0] >> 16 & 0xf); }
  static constexpr int indexed_dims(const attributes& at) { return static_cast<int>(at.i[0] >> 20 & 0xf); }
  static constexpr mode outside(const attributes& at) { return static_cast<mode>(at.i[0] >> 24 & 1); }
  static constexpr scatter_kind combine(const attributes& at) { return static_cast<scatter_kind>(at.i[0] >> 28 & 0xf); }
  static constexpr int operand_dim(const attributes& at, int k) { return static_cast<int>(at.i[1] >> (4 * k) & 0xf); }
  static constexpr std::int64_t bound(const attributes& at, int d) { return at.i[2 + d]; }
  static constexpr attributes with(attributes at, mode m, scatter_kind k) {
    at.i[0] = (at.i[0] & 0xffffff) | std::int64_t{m} << 24 | static_cast<std::int64_t>(k) << 28;
    return at;
  }
};

}  // namespace ops
namespace detail {
constexpr bool is_index(const signature& s) { return s.type == dtype::int32 || s.type == dtype::int64; }
constexpr bool is_bit(std::int64_t mask, int k) { return (mask >> k & 1) != 0; }
/// The shape of a gather's result; reports what does not fit.
constexpr tensor_shape gathered_shape(const attributes& at, const signature& operand, const signature& indices, failure& f) {
  using w = ops::window_attributes;
  const int rank = operand.shape.rank(), vector_dim = w::index_vector_dim(at), batches = indices.shape.rank() - (vector_dim < indices.shape.rank());
  tensor_shape window, out;
  for (int d = 0; d < rank; ++d) {
    const std::int64_t n = operand.shape[d], b = w::bound(at, d);
    if (b != n && (b < 0 || n < 0 || b > n)) f.set("a window bound is larger than its axis", "0 <= bound <= extent", operand, indices);
    if (!is_bit(w::elided_dims(at), d)) window.push_back(b);
    else if (b != 1) f.set("the bound of an elided axis must be 1", "", operand, indices);
  }
  const std::int64_t vector = vector_dim < indices.shape.rank() ? indices.shape[vector_dim] : 1;
  if (vector != w::indexed_dims(at)) f.set("the index vectors are not as long as the list of axes they speak of", "", operand, indices);
  std::int64_t seen = 0;
  for (int k = 0; k < w::indexed_dims(at); ++k) {
    const int d = w::operand_dim(at, k);
    if (d >= rank || is_bit(seen, d)) f.set("an index vector's axes must be different axes of the operand", "", operand, indices);
    seen |= std::int64_t{1} << d;
  }
  int windows = 0;
  for (int k = 0; k < 8; ++k) windows += is_bit(w::window_dims(at), k);
  if (windows != window.rank() || w::window_dims(at) >> (batches + windows) != 0)
    f.set("the window's axes are not those of the result", "as many as the operand has besides the elided ones", operand, indices);
  if (batches + windows > max_rank) f.set("the result would have more than 8 axes", "", operand, indices);
  if (f) return out;
  for (int k = 0, batch = 0, next = 0; k < batches + windows; ++k) {
    if (is_bit(w::window_dims(at), k)) out.push_back(window[next++]);
    else {
      if (batch == vector_dim) ++batch;
      out.push_back(indices.shape[batch++]);
    }
  }
  return out;
}
}  // namespace detail
namespace ops {

/// XLA's Gather: a window of the operand for each index vector.
struct xla_gather_op {
  static constexpr auto name = "Gather";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (!detail::is_index(in[1])) f.set("indices must be int32 or int64", "cast them", in[1]);
    return {in[0].type, detail::gathered_shape(at, in[0], in[1], f)};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x, auto indices) {
    return grads(scatter_windows(zeros_like(x), indices, dy, window_attributes::with(at, window_attributes::outside(at), scatter_kind::add)),
                 no_gradient{});
  }
};
/// XLA's Scatter: windows of updates combined with the operand at each index vector.
struct xla_scatter_op {
  static constexpr auto name = "Scatter";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (!detail::is_index(in[1])) f.set("indices must be int32 or int64", "cast them", in[1]);
    if (in[0].type != in[2].type) f.set("dtypes differ", "cast one operand", in[0], in[2]);
    if (window_attributes::combine(at) != scatter_kind::update && (in[0].type == dtype::string || in[0].type == dtype::boolean))
      f.set("these elements cannot be computed with", "they can be replaced", in[0]);
    if (const auto how = window_attributes::combine(at); is_complex(in[0].type) && (how == scatter_kind::min || how == scatter_kind::max))
      f.set("complex numbers have no order", "", in[0]);
    const tensor_shape wanted = detail::gathered_shape(at, in[0], in[1], f);
    if (!f && !(wanted == in[2].shape)) f.set("the updates do not fit operand and indices", "", {in[2].type, wanted}, in[2]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto x, auto indices, auto updates) {
    using w = window_attributes;
    const auto read = [&](const auto& v) { return gather_windows(v, indices, w::with(at, w::outside(at), scatter_kind::update)); };
    const auto write = [&](const auto& v, const auto& u, scatter_kind k) {
      return scatter_windows(v, indices, u, w::with(at, w::outside(at), k));
    };
    return scatter_gradients(w::combine(at), dy, y, x, updates, read, write);
  }
};

/// Slices of the operand along axis i[0]; the first i[1] axes of operand and indices pair up.
struct gather_op {
  static constexpr auto name = "GatherV2";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const int rank = in[0].shape.rank();
    signature out{in[0].type, {}};
    if (!detail::is_index(in[1])) f.set("indices must be int32 or int64", "cast them", in[1]);
    else if (at.i[0] < 0 || at.i[0] >= rank) f.set("axis out of range", "axes are -rank .. rank-1", in[0]);
    else if (at.i[1] < 0 || at.i[1] > at.i[0] || at.i[1] > in[1].shape.rank())
      f.set("batch_dims out of range", "at most axis and the rank of the indices", in[0], in[1]);
    for (int d = 0; !f && d < at.i[1]; ++d)
      if (in[0].shape[d] != in[1].shape[d]) f.set("the batch axes of operand and indices differ", "", in[0], in[1]);
    if (!f && rank - 1 + in[1].shape.rank() - at.i[1] > max_rank) f.set("the result would have more than 8 axes", "", in[0], in[1]);
    if (f) return out;
    for (int d = 0; d < at.i[0]; ++d) out.shape.push_back(in[0].shape[d]);
    for (int d = static_cast<int>(at.i[1]); d < in[1].shape.rank(); ++d) out.shape.push_back(in[1].shape[d]);
    for (int d = static_cast<int>(at.i[0]) + 1; d < rank; ++d) out.shape.push_back(in[0].shape[d]);
    return out;
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x, auto indices) {
    return grads(scatter_slices(dy, indices, x.shape(), at), no_gradient{});
  }
};
/// The transpose of gather: slices (operand 0) added up at their indices (operand 1); the result's shape is known.
struct scatter_slices_op {
  static constexpr auto name = "GatherGrad";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  static constexpr bool adds_rows = true;  ///< where both attributes are 0
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto, auto indices) {
    return grads(gather_slices(dy, indices, at), no_gradient{});
  }
};

/// result[i.., j..] = operand[indices[i..], j..]: the last axis of the indices holds one index per leading axis.
struct gather_nd_op {
  static constexpr auto name = "GatherNd";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    signature out{in[0].type, {}};
    const int last = in[1].shape.rank() - 1;
    if (!detail::is_index(in[1])) f.set("indices must be int32 or int64", "cast them", in[1]);
    else if (last < 0 || in[1].shape[last] < 0 || in[1].shape[last] > in[0].shape.rank())
      f.set("the last axis of the indices must hold at most one index per axis", "", in[0], in[1]);
    else if (last + in[0].shape.rank() - in[1].shape[last] > max_rank) f.set("the result would have more than 8 axes", "", in[0], in[1]);
    if (f) return out;
    for (int d = 0; d < last; ++d) out.shape.push_back(in[1].shape[d]);
    for (int d = static_cast<int>(in[1].shape[last]); d < in[0].shape.rank(); ++d) out.shape.push_back(in[0].shape[d]);
    return out;
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto, auto x, auto indices) {
    return grads(scatter_nd(indices, dy, x.shape()), no_gradient{});
  }
};
/// Operand 1, the updates, added up in zeros at the indices of operand 0; the result's shape is known.
struct scatter_nd_op {
  static constexpr auto name = "ScatterNd";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto, auto indices, auto) {
    return grads(no_gradient{}, gather_nd(dy, indices));
  }
};
/// Operand 0 with the updates (operand 2) combined at the indices (operand 1); i[0] is the scatter_kind.
struct tensor_scatter_op {
  static constexpr auto name = "TensorScatter";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const signature wanted = gather_nd_op::infer(at, in, f);
    if (!f && in[0].type != in[2].type) f.set("dtypes differ", "cast one operand", in[0], in[2]);
    if (!f && !(wanted.shape == in[2].shape)) f.set("the updates do not fit operand and indices", "", {in[2].type, wanted.shape}, in[2]);
    if (at.i[0] != 0 && (in[0].type == dtype::string || in[0].type == dtype::boolean))
      f.set("these elements cannot be computed with", "they can be replaced", in[0]);
    if (const auto how = static_cast<scatter_kind>(at.i[0]); is_complex(in[0].type) && (how == scatter_kind::min || how == scatter_kind::max))
      f.set("complex numbers have no order", "", in[0]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto x, auto indices, auto updates) {
    const auto read = [&](const auto& v) { return gather_nd(v, indices); };
    const auto write = [&](const auto& v, const auto& u, scatter_kind k) { return tensor_scatter(v, indices, u, k); };
    return scatter_gradients(static_cast<scatter_kind>(at.i[0]), dy, y, x, updates, read, write);
  }
};

/// result[.., j, ..] = operand[.., indices[.., j, ..], ..] along axis i[0].
struct gather_elements_op {
  static constexpr auto name = "TakeAlongAxis";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const int rank = in[0].shape.rank();
    if (!detail::is_index(in[1])) f.set("indices must be int32 or int64", "cast them", in[1]);
    else if (at.i[0] < 0 || at.i[0] >= rank) f.set("axis out of range", "axes are -rank .. rank-1", in[0]);
    else if (in[1].shape.rank() != rank) f.set("operand and indices must be of one rank", "", in[0], in[1]);
    for (int d = 0; !f && d < rank; ++d)
      if (d != at.i[0] && in[0].shape[d] != in[1].shape[d]) f.set("shapes differ besides the axis", "", in[0], in[1]);
    return {in[0].type, in[1].shape};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x, auto indices) {
    return grads(scatter_elements(dy, indices, x.shape(), at), no_gradient{});
  }
};
/// The transpose: elements (operand 0) added up at their indices (operand 1); the result's shape is known.
struct scatter_elements_op {
  static constexpr auto name = "TakeAlongAxisGrad";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto, auto indices) {
    return grads(take_along_axis(dy, indices, at.i[0]), no_gradient{});
  }
};

/// f[0] where the new axis i[0] equals the index, f[1] elsewhere; an index outside has only f[1].
struct one_hot_op {
  static constexpr auto name = "OneHot";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 2;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto, auto, auto) { return grads(no_gradient{}); }
};
/// result[x[i]] = i.
struct invert_permutation_op {
  static constexpr auto name = "InvertPermutation";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 4;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (!detail::is_index(in[0]) || in[0].shape.rank() != 1) f.set("needs a vector of int32 or int64", "", in[0]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};

}  // namespace ops

// ---- what gradients are made of ------------------------------------------------------------------------------------------

/// The gradients of a scatter: `read` gathers at its indices, `write` scatters there. Equal extremes share a gradient; of
/// updates that replace the same element only the one that stays has one; factors of zero get the product of the others.
template <value V>
constexpr auto scatter_gradients(scatter_kind kind, const V& dy, const V& y, const V& x, const V& updates, const auto& read,
                                 const auto& write) {
  V dx = dy, du = dy;
  switch (kind) {
    case scatter_kind::update: {
      dx = write(dy, zeros_like(updates), scatter_kind::update);
      const V none = broadcast_to(V::front_end::constant(x, dtype::int64, 0), x.shape());
      const V number = reshape_to(V::front_end::range(updates, dtype::int64, updates.shape().num_elements()), updates.shape());
      du = select(equal(read(write(none, number, scatter_kind::update)), number), read(dy), zeros_like(updates));
      break;
    }
    case scatter_kind::add: du = read(dy); break;
    case scatter_kind::sub: du = -read(dy); break;
    case scatter_kind::mul: {
      dx = write(dy, updates, scatter_kind::mul);
      const V zero = equal(updates, zeros_like(updates)), factors = select(zero, ones_like(updates), updates);
      const V zeros = read(write(zeros_like(x), cast_like(zero, x), scatter_kind::add));
      const V others = select(equal(zeros, ones_like(updates)), read(dy * write(x, factors, scatter_kind::mul)), zeros_like(updates));
      du = select(zero, others, read(dy * y) / factors);
      break;
    }
    case scatter_kind::div:
      dx = write(dy, updates, scatter_kind::div);
      du = -read(dy * y) / updates;
      break;
    default: {
      const V kept = cast_like(equal(x, y), x), taken = cast_like(equal(updates, read(y)), x);
      const V share = dy / write(kept, taken, scatter_kind::add);
      dx = kept * share;
      du = taken * read(share);
    }
  }
  return grads(dx, no_gradient{}, du);
}
template <value V>
constexpr V gather_windows(V x, V indices, const attributes& at) {
  return detail::emit<ops::xla_gather_op>({x, indices}, at);
}
template <value V>
constexpr V scatter_windows(V x, V indices, V updates, const attributes& at) {
  return detail::emit<ops::xla_scatter_op>({x, indices, updates}, at);
}
template <value V>
constexpr V gather_slices(V x, V indices, const attributes& at) {
  return detail::emit<ops::gather_op>({x, indices}, at);
}
template <value V>
constexpr V scatter_slices(V slices, V indices, const tensor_shape& shape, const attributes& at) {
  if (V::front_end::failed(slices)) return slices;
  return V::front_end::template add<ops::scatter_slices_op>({slices.type(), shape}, {slices, indices}, at);
}
template <value V>
constexpr V scatter_elements(V elements, V indices, const tensor_shape& shape, const attributes& at) {
  if (V::front_end::failed(elements)) return elements;
  return V::front_end::template add<ops::scatter_elements_op>({elements.type(), shape}, {elements, indices}, at);
}

// ---- XLA -----------------------------------------------------------------------------------------------------------------

namespace detail {
/// Packs dimension numbers; false when an axis is out of range or out of order.
constexpr bool pack_windows(const axis_list& windows, const axis_list& elided, const axis_list& map, std::int64_t vector_dim,
                            int index_rank, int rank, attributes& at) {
  const auto mask_of = [](const axis_list& list, int bound, bool& good) {
    std::int64_t mask = 0;
    for (int k = 0; k < list.count; ++k) {
      good = good && list.axes[k] >= 0 && list.axes[k] < bound && (k == 0 || list.axes[k] > list.axes[k - 1]);
      if (good) mask |= std::int64_t{1} << list.axes[k];
    }
    return mask;
  };
  bool good = vector_dim >= 0 && vector_dim <= index_rank;
  const std::int64_t w = mask_of(windows, max_rank, good), e = mask_of(elided, rank, good);
  std::int64_t packed = 0;
  for (int k = 0; good && k < map.count; ++k) {
    good = map.axes[k] >= 0 && map.axes[k] < rank;
    if (good) packed |= map.axes[k] << (4 * k);
  }
  if (!good) return false;
  at.i[0] = w | e << 8 | vector_dim << 16 | std::int64_t{map.count} << 20;
  at.i[1] = packed;
  return true;
}
}  // namespace detail

namespace xla {
/// A window of the operand for each index vector (XLA's Gather). A window that would stick out is moved inside.
///
///   gather(x16x11, indices5x2, {.output_window_dims = {1, 2}, .window_bounds = {8, 6},
///                               .gather_dims_to_operand_dims = {0, 1}, .index_vector_dim = 1});   // [5, 8, 6]
template <value V>
constexpr V gather(V operand, V gather_indices, const gather_dimensions& d) {
  if (V::front_end::failed(operand)) return operand;
  if (V::front_end::failed(gather_indices)) return gather_indices;
  attributes at;
  if (d.window_bounds.rank() != operand.rank())
    return rill::detail::fail<ops::xla_gather_op>(operand, "needs one window bound per axis");
  if (!rill::detail::pack_windows(d.output_window_dims, d.elided_window_dims, d.gather_dims_to_operand_dims, d.index_vector_dim,
                                  gather_indices.rank(), operand.rank(), at))
    return rill::detail::fail<ops::xla_gather_op>(operand, "a dimension number is out of range or out of order");
  for (int k = 0; k < operand.rank(); ++k) at.i[2 + k] = d.window_bounds[k];
  return gather_windows(operand, gather_indices, at);
}
/// The operand with windows of updates combined at each index vector (XLA's Scatter). What lies outside is dropped.
template <value V>
constexpr V scatter(V operand, V scatter_indices, V updates, const scatter_dimensions& d, scatter_kind kind = scatter_kind::update) {
  if (V::front_end::failed(operand)) return operand;
  if (V::front_end::failed(scatter_indices)) return scatter_indices;
  if (V::front_end::failed(updates)) return updates;
  attributes at;
  if (!rill::detail::pack_windows(d.update_window_dims, d.inserted_window_dims, d.scatter_dims_to_operand_dims, d.index_vector_dim,
                                  scatter_indices.rank(), operand.rank(), at))
    return rill::detail::fail<ops::xla_scatter_op>(operand, "a dimension number is out of range or out of order");
  int next = 0;
  for (int k = 0; k < operand.rank(); ++k) {
    at.i[2 + k] = 1;
    if (detail::is_bit(ops::window_attributes::elided_dims(at), k)) continue;
    if (next >= d.update_window_dims.count || d.update_window_dims.axes[next] >= updates.rank())
      return rill::detail::fail<ops::xla_scatter_op>(updates, "needs an axis of the updates per axis of a window");
    at.i[2 + k] = updates.shape()[static_cast<int>(d.update_window_dims.axes[next++])];
  }
  return scatter_windows(operand, scatter_indices, updates,
                         ops::window_attributes::with(at, ops::window_attributes::drop, kind));
}
}  // namespace xla

// ---- gather --------------------------------------------------------------------------------------------------------------

/// Slices along an axis: x[.., indices, ..] (tf.gather). out_of_range when an index is outside the axis.
template <value V>
constexpr V gather(V x, V indices, gather_options o = {}) {
  if (V::front_end::failed(x)) return x;
  if (V::front_end::failed(indices)) return indices;
  attributes at;
  at.i[1] = o.batch_dims < 0 ? o.batch_dims + indices.rank() : o.batch_dims;
  at.i[0] = o.axis == gather_options::after_batch ? at.i[1] : o.axis < 0 ? o.axis + x.rank() : o.axis;
  return gather_slices(x, indices, at);
}
/// Slices x[.., indices[.., j], ..] of the axis behind the axes that x and indices share (tf.batch_gather).
template <value V>
constexpr V batch_gather(V x, V indices) {
  if (V::front_end::failed(indices)) return indices;
  return gather(x, indices, {.batch_dims = indices.rank() - 1});
}
/// Slices at index vectors: indices [.., k] speak of the first k axes of x (tf.gather_nd).
template <value V>
constexpr V gather_nd(V x, V indices) {
  return detail::emit<ops::gather_nd_op>({x, indices});
}
/// One element per index along an axis: result[i, j, k] = x[i, indices[i, j, k], k] for axis 1 (NumPy's take_along_axis).
template <value V>
constexpr V take_along_axis(V x, V indices, std::int64_t axis) {
  if (V::front_end::failed(x)) return x;
  attributes at;
  at.i[0] = axis < 0 ? axis + x.rank() : axis;
  return detail::emit<ops::gather_elements_op>({x, indices}, at);
}

namespace detail {
template <class I, class V>
concept index_or_tensor = any_index<I> || std::is_same_v<I, V>;
/// `all` in the place of a tensor.
template <class V, class I>
constexpr auto index_or_all(const I& i) {
  if constexpr (std::is_same_v<I, V>) return all;
  else return i;
}
template <class I>
inline constexpr int kept_axes = std::is_integral_v<I> || std::is_same_v<I, ellipsis_t> ? 0 : 1;
}  // namespace detail

/// index with scalar tensors among the indices: each takes the one index that it holds when this runs, counted from the end
/// when negative, and drops the axis. `index(matrix, all, i)`; out_of_range when it is outside of its axis.
template <value V, class... I>
  requires((detail::index_or_tensor<I, V> && ...) && (std::is_same_v<I, V> || ...))
constexpr V index(V x, const I&... indices) {
  V y = index(x, detail::index_or_all<V>(indices)...);
  if (V::front_end::failed(y)) return y;
  std::int64_t axes[sizeof...(I)] = {};
  const V* picks[sizeof...(I)] = {};
  const int hidden = y.rank() - (detail::kept_axes<I> + ...);
  int n = 0, axis = 0;
  (..., [&] {
    if constexpr (std::is_same_v<I, ellipsis_t>) axis += hidden;
    if constexpr (std::is_same_v<I, V>) picks[n] = &indices, axes[n++] = axis;
    axis += detail::kept_axes<I>;
  }());
  while (n-- > 0) {
    V pick = *picks[n];
    if (V::front_end::failed(pick)) return pick;
    if (pick.rank() != 0) return detail::fail<ops::gather_op>(pick, "an index that is a tensor must be a scalar", "gather takes more");
    const V from_end = pick + V::front_end::count(pick, y.shape()[static_cast<int>(axes[n])]);
    y = gather(y, select(less(pick, zeros_like(pick)), from_end, pick), {.axis = axes[n]});
  }
  return y;
}

// ---- scatter -------------------------------------------------------------------------------------------------------------

/// Zeros of a shape but for the updates, which add up at the indices: indices [.., k], updates [.., shape[k..]]
/// (tf.scatter_nd).
template <value V>
constexpr V scatter_nd(V indices, V updates, const tensor_shape& shape) {
  if (V::front_end::failed(indices)) return indices;
  if (V::front_end::failed(updates)) return updates;
  const signature in[] = {{updates.type(), shape}, {indices.type(), indices.shape()}};
  failure f;
  const signature wanted = ops::gather_nd_op::infer({}, in, f);
  if (!f && shape.overflow_) f.set("more than 8 axes", "", in[0]);
  if (!f && !(wanted.shape == updates.shape())) f.set("the updates do not fit shape and indices", "", wanted, {updates.type(), updates.shape()});
  if (!f && (updates.type() == dtype::boolean || updates.type() == dtype::string)) f.set("these elements cannot be added", "", in[0]);
  if (f) return V::front_end::template fail<ops::scatter_nd_op>(f, updates);
  return V::front_end::template add<ops::scatter_nd_op>({updates.type(), shape}, {indices, updates});
}
/// x with the updates combined at index vectors (tf.scatter_nd_update, _add, ... as functions of values).
template <value V>
constexpr V tensor_scatter(V x, V indices, V updates, scatter_kind kind) {
  attributes at;
  at.i[0] = static_cast<std::int64_t>(kind);
  return detail::emit<ops::tensor_scatter_op>({x, indices, updates}, at);
}
template <value V>
constexpr V tensor_scatter_update(V x, V indices, V updates) {
  return tensor_scatter(x, indices, updates, scatter_kind::update);
}
template <value V>
constexpr V tensor_scatter_add(V x, V indices, V updates) {
  return tensor_scatter(x, indices, updates, scatter_kind::add);
}
template <value V>
constexpr V tensor_scatter_sub(V x, V indices, V updates) {
  return tensor_scatter(x, indices, updates, scatter_kind::sub);
}
template <value V>
constexpr V tensor_scatter_min(V x, V indices, V updates) {
  return tensor_scatter(x, indices, updates, scatter_kind::min);
}
template <value V>
constexpr V tensor_scatter_max(V x, V indices, V updates) {
  return tensor_scatter(x, indices, updates, scatter_kind::max);
}
namespace detail {
template <value V>
constexpr V scatter_rows(V x, V indices, V updates, scatter_kind kind) {
  if (V::front_end::failed(indices)) return indices;
  return tensor_scatter(x, expand_dims(indices, -1), updates, kind);
}
}  // namespace detail
/// x with the updates combined at indices of its first axis (tf.scatter_update, _add, ... as functions of values: assign the
/// result to the variable).
template <value V>
constexpr V scatter_update(V x, V indices, V updates) {
  return detail::scatter_rows(x, indices, updates, scatter_kind::update);
}
template <value V>
constexpr V scatter_add(V x, V indices, V updates) {
  return detail::scatter_rows(x, indices, updates, scatter_kind::add);
}
template <value V>
constexpr V scatter_sub(V x, V indices, V updates) {
  return detail::scatter_rows(x, indices, updates, scatter_kind::sub);
}
template <value V>
constexpr V scatter_mul(V x, V indices, V updates) {
  return detail::scatter_rows(x, indices, updates, scatter_kind::mul);
}
template <value V>
constexpr V scatter_div(V x, V indices, V updates) {
  return detail::scatter_rows(x, indices, updates, scatter_kind::div);
}
template <value V>
constexpr V scatter_min(V x, V indices, V updates) {
  return detail::scatter_rows(x, indices, updates, scatter_kind::min);
}
template <value V>
constexpr V scatter_max(V x, V indices, V updates) {
  return detail::scatter_rows(x, indices, updates, scatter_kind::max);
}

// ---- others --------------------------------------------------------------------------------------------------------------

/// on_value where the new axis of extent `depth` equals the index, off_value elsewhere (tf.one_hot).
template <value V>
constexpr V one_hot(V indices, std::int64_t depth, const one_hot_options& o) {
  if (V::front_end::failed(indices)) return indices;
  const int rank = indices.rank();
  const std::int64_t axis = o.axis < 0 ? o.axis + rank + 1 : o.axis;
  if (const dtype t = indices.type(); t != dtype::uint8 && t != dtype::int32 && t != dtype::int64)
    return detail::fail<ops::one_hot_op>(indices, "indices must be uint8, int32 or int64", "cast them");
  if (axis < 0 || axis > rank || rank == max_rank) return detail::fail<ops::one_hot_op>(indices, "axis out of range", "axes are -rank-1 .. rank");
  if (depth < 0) return detail::fail<ops::one_hot_op>(indices, "the depth is negative");
  if (size_of(o.type) == 0) return detail::fail<ops::one_hot_op>(indices, "cannot give strings");
  tensor_shape s;
  for (int d = 0; d <= rank; ++d) {
    if (d == axis) s.push_back(depth);
    if (d < rank) s.push_back(indices.shape()[d]);
  }
  attributes at;
  at.i[0] = axis, at.f[0] = o.on_value, at.f[1] = o.off_value;
  return V::front_end::template add<ops::one_hot_op>({o.type, s}, {indices}, at);
}
/// True in the first lengths[..] places of a new last axis of extent maxlen (tf.sequence_mask).
template <value V>
constexpr V sequence_mask(V lengths, std::int64_t maxlen, dtype type = dtype::boolean) {
  if (V::front_end::failed(lengths)) return lengths;
  if (!is_integer(lengths.type())) return detail::fail<ops::one_hot_op>(lengths, "lengths must be integers");
  if (maxlen < 0) return detail::fail<ops::one_hot_op>(lengths, "maxlen is negative");
  return cast_to(less(V::front_end::range(lengths, lengths.type(), maxlen), expand_dims(lengths, -1)), type);
}
/// The permutation that undoes x (tf.invert_permutation). invalid_argument when x is none.
template <value V>
constexpr V invert_permutation(V x) {
  return detail::emit<ops::invert_permutation_op>({x});
}
/// Rows of a table that may be cut into parts (tf.nn.embedding_lookup): part p holds ids p, p + n, p + 2n .. (mod) or a
/// range of consecutive ids (div); the first parts are longer by one row where the number of ids does not divide. A step
/// of gradient descent or Adagrad touches only these rows of a table in one part (graph/sparse_update.hpp).
template <value V>
constexpr V embedding_lookup(const std::vector<V>& params, V ids, embedding_options o = {}) {
  if (params.empty()) throw invalid_argument("embedding_lookup needs at least one part of a table");
  for (const V& p : params)
    if (V::front_end::failed(p)) return p;
  if (V::front_end::failed(ids)) return ids;
  const auto n = static_cast<std::int64_t>(params.size());
  V at = ids;
  if (n > 1 && o.strategy == partition_strategy::mod) {
    std::int64_t longer = 0;
    const std::int64_t rows = params.back().rank() == 0 ? 0 : params.back().shape()[0];
    for (const V& p : params) {
      const std::int64_t r = p.rank() == 0 ? -1 : p.shape()[0];
      if (r != rows && r != rows + 1) return detail::fail<ops::gather_op>(p, "the parts of a table dealt in turn differ by more than one row");
      longer += r == rows + 1;
    }
    const V part = floor_mod(ids, n);
    at = part * rows + minimum(part, longer) + floor_div(ids, n);
  }
  V rows = gather(n == 1 ? params[0] : concat(params), at);
  if (o.max_norm > 0 && !V::front_end::failed(rows)) {
    std::int64_t mask = 0;
    for (int d = ids.rank(); d < rows.rank(); ++d) mask |= std::int64_t{1} << d;
    tensor_shape s = rows.shape();
    for (int d = ids.rank(); d < rows.rank(); ++d) s[d] = 1;
    rows = rows * reshape_to(minimum(o.max_norm * rsqrt(sum_over(square(rows), mask)), 1), s);
  }
  return rows;
}
template <value V>
constexpr V embedding_lookup(const V& params, V ids, embedding_options o = {}) {
  return embedding_lookup(std::vector<V>{params}, ids, o);
}

// ---- sizes that depend on data: tensors only -----------------------------------------------------------------------------

namespace detail {
template <class>
inline constexpr bool size_depends_on_data = false;
}
/// Where the condition holds: one row of indices per true element. Only tensors (<rill/eager/indexing.hpp>) have it: in a
/// graph sizes are known before it runs.
template <value V>
V where(const V&) {
  static_assert(detail::size_depends_on_data<V>, "where(condition) gives as many rows as there are true elements, which a graph cannot know; use where(condition, a, b)");
}
template <value V>
V boolean_mask(const V&, const V&, axis_options = {}) {
  static_assert(detail::size_depends_on_data<V>, "boolean_mask gives as many slices as there are true elements, which a graph cannot know; use where(mask, x, 0)");
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Windows over any axes of a tensor: their elements combined (ReduceWindow), the place of one of them found, read
/// (SelectAndGather) or added to (SelectAndScatter); pooling over one to three spatial axes on top. Each axis has a window
/// size, a stride, a padding of any sign, a dilation of the window, and (sums) of the base. Elements outside count for
/// nothing: they are the identity of the combination, and are never selected.
///
/// Gradients: a sum's is a sum over windows of dy with stride and base dilation changed; a maximum's goes to the first
/// largest element of each window, the gradient of that reads it back, and so on; a product's is made of the products of the
/// other elements, a few ops per element of a window, and divides nothing. NaN is larger than all numbers.
/// Real dtypes; half and bfloat16 are computed in float, integers in 64 bits (so a caller's function sees these types).
/// Cost: windows x elements of a window.
/// Sources: XLA operation semantics; TensorFlow 1.8's tf.nn.pool, max_pool, avg_pool, max_pool_with_argmax.
///
///   y = xla::reduce_window(x, ops::max{}, {.window_dimensions = {2, 3}, .window_strides = {2, 3}});
///   y = avg_pool(x, {.window = {3, 3}, .strides = {2, 2}, .padding = same});
///   y = pool(x, {2}, pooling_type::max, {.strides = {2}});

#include <concepts>
#include <vector>

#include "window_padding.hpp"

namespace rill {

namespace xla {
/// Options of window ops: one number per axis of the operand; lists that are left out are ones.
struct window_options {
  tensor_shape window_dimensions = {};
  tensor_shape window_strides = {};
  window_padding padding = rill::padding::valid;
  tensor_shape base_dilations = {}, window_dilations = {};
};
}  // namespace xla

/// Options of pooling; lists have one number per spatial axis, and are ones when left out.
struct pooling_options {
  tensor_shape window = {};
  tensor_shape strides = {};
  window_padding padding = rill::padding::valid;
  tensor_shape dilations = {};
  image_layout data_format = image_layout::nhwc;  ///< channels last, or (nchw) right after the batch
};
/// What pool does with a window.
enum class pooling_type : std::uint8_t { avg, max };

namespace ops {

/// Windows, unpacked. i[k]: window (20 bits), stride (16), base dilation (16) and window dilation (12 bits) of axis k;
/// i[8..11]: elements before, 32 bits each.
struct window_geometry {
  int rank = 0;
  rill::detail::window_axis axes[max_rank];

  [[nodiscard]] constexpr attributes pack() const {
    attributes at;
    for (int k = 0; k < rank; ++k) {
      const auto& a = axes[k];
      at.i[k] = static_cast<std::int64_t>(static_cast<std::uint64_t>(a.window) | static_cast<std::uint64_t>(a.stride) << 20 |
                                          static_cast<std::uint64_t>(a.base_dilation) << 36 | static_cast<std::uint64_t>(a.dilation) << 52);
      detail::set_small_number(at, k, a.before);
    }
    return at;
  }
  /// `in` is the shape that the windows move over.
  static constexpr window_geometry unpack(const attributes& at, const tensor_shape& in) {
    window_geometry g;
    g.rank = in.rank();
    for (int k = 0; k < g.rank; ++k) {
      const auto word = static_cast<std::uint64_t>(at.i[k]);
      const auto part = [&](int shift, int bits) { return static_cast<std::int64_t>(word >> shift & ((std::uint64_t{1} << bits) - 1)); };
      auto& a = g.axes[k];
      a.in = in[k], a.window = part(0, 20), a.stride = part(20, 16), a.base_dilation = part(36, 16), a.dilation = part(52, 12);
      a.before = detail::small_number(at, k);
    }
    return g;
  }
  /// The windows whose sums of a result's gradient are the gradient of a sum's operand.
  [[nodiscard]] constexpr window_geometry transposed(const tensor_shape& out) const {
    window_geometry g = *this;
    for (int k = 0; k < rank; ++k) {
      g.axes[k].in = out[k];
      g.axes[k].stride = axes[k].base_dilation, g.axes[k].base_dilation = axes[k].stride;
      g.axes[k].before = (axes[k].window - 1) * axes[k].dilation - axes[k].before;
    }
    return g;
  }
};

/// Which of two elements a window selects; `a` comes first in row-major order.
struct first_largest {
  template <class T>
  static constexpr bool keep(const T& a, const T& b) {
    return !(b > a) && (b == b || a != a);  // NaN counts as largest
  }
};
struct first_smallest {
  template <class T>
  static constexpr bool keep(const T& a, const T& b) {
    return !(b < a) && (b == b || a != a);
  }
};
/// A function of the caller's, a type without state: f(a, b) is true where a is chosen.
template <class F>
struct selected_by {
  static_assert(std::is_empty_v<F>, "the function of a window op must not have state (a lambda without captures)");
  template <class T>
  static constexpr bool keep(const T& a, const T& b) {
    return static_cast<bool>(F{}(a, b));
  }
};

/// The elements of each window combined.
template <class Reducer>
struct reduce_window_op {
  static constexpr auto name = "ReduceWindow";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto x) {
    if constexpr (std::is_same_v<Reducer, sum>)
      return grads(windows_to<sum>(dy, x.shape(), window_geometry::unpack(at, x.shape()).transposed(y.shape())));
    else if constexpr (std::is_same_v<Reducer, prod>)
      return grads(window_product_gradient(dy, x, y.shape(), window_geometry::unpack(at, x.shape())));
    else return grads(window_scatter<std::conditional_t<std::is_same_v<Reducer, max>, first_largest, first_smallest>>(x, dy, at));
  }
};
/// The same by F, a type without state, starting from operand 1. No gradient.
template <class F>
struct reduce_window_with_op {
  static_assert(std::is_empty_v<F>, "the function of a window op must not have state (a lambda without captures)");
  static constexpr auto name = "ReduceWindow";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 200;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// (x, source): zeros of x's shape, to which each window's source is added where the element lies that it selects.
template <class Select>
struct window_scatter_op {
  static constexpr auto name = "SelectAndScatter";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x, auto source) {
    return grads(no_gradient{}, window_gather<Select>(x, dy, source.shape(), at));
  }
};
/// (x, values of x's shape): the value at the element that each window selects (zero where it has none).
template <class Select>
struct window_gather_op {
  static constexpr auto name = "SelectAndGather";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x, auto) {
    return grads(no_gradient{}, window_scatter<Select>(x, dy, at));
  }
};
/// The place (int64, counted in row-major order) of the element that each window selects; -1 where it has none. f[0] != 0:
/// counted within an entry of the first axis.
template <class Select>
struct window_argument_op {
  static constexpr auto name = "WindowArgument";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// (operand, source, initial value): every element starts from the initial value and is combined by C with the sources of
/// the windows that select it (by S), in row-major order. No gradient.
template <class S, class C>
struct select_and_scatter_op {
  static_assert(std::is_empty_v<C>, "the function of a window op must not have state (a lambda without captures)");
  static constexpr auto name = "SelectAndScatter";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 200;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};

/// The reducers of numbers.
template <class R>
concept window_reducer = std::is_same_v<R, sum> || std::is_same_v<R, prod> || std::is_same_v<R, max> || std::is_same_v<R, min>;
/// With those of booleans.
template <class R>
concept any_window_reducer = window_reducer<R> || std::is_same_v<R, any> || std::is_same_v<R, all>;

}  // namespace ops

namespace detail {

/// The windows over a shape; sets a failure that names what does not fit. `shape` becomes the result's.
constexpr ops::window_geometry plan_windows(const signature& x, const xla::window_options& o, tensor_shape& shape, failure& f) {
  ops::window_geometry g;
  const int n = x.shape.rank();
  g.rank = n;
  bool lists = o.window_dimensions.rank() == n && (!o.padding.given || (o.padding.pairs.count == n && !o.padding.pairs.overflow));
  if (!is_floating(x.type) && !is_integer(x.type)) f.set("needs an operand of a real dtype", "cast it", x);
  shape = {};
  for (int k = 0; k < n && lists && !f; ++k) {
    window_axis& a = g.axes[k];
    a.in = x.shape[k], a.window = o.window_dimensions[k];
    a.stride = number_at(o.window_strides, k, n, lists);
    a.base_dilation = number_at(o.base_dilations, k, n, lists), a.dilation = number_at(o.window_dilations, k, n, lists);
    if (a.window < 1 || a.stride < 1 || a.base_dilation < 1 || a.dilation < 1) f.set("windows, strides and dilations must be at least 1", "", x);
    else if (a.window >= 1 << 20 || a.stride >= 1 << 16 || a.base_dilation >= 1 << 16 || a.dilation >= 1 << 12)
      f.set("a window, stride or dilation is too large", "below 2^20, 2^16 and 2^12", x);
    if (f) break;
    if (!o.padding.given) a.pad(a.in < 0 ? rill::padding::valid : o.padding.rule);
    else a.before = o.padding.pairs.axes[k].before, a.after = o.padding.pairs.axes[k].after;
    if (a.before > INT32_MAX || a.before < -INT32_MAX || a.after > INT32_MAX || a.after < -INT32_MAX) {
      f.set("a padding is out of range", "", x);
      break;
    }
    if (a.in < 0 && (!a.trivial() || a.after != 0)) f.set("windows cannot move over the batch", "its size is known at run time only", x);
    shape.push_back(a.in < 0 ? a.in : a.out());
  }
  if (!lists) f.set("windows, strides, dilations and paddings need one entry per axis", "", x);
  if (!f && !countable(shape)) f.set("the result has more elements than 63 bits can count", "", x);
  return g;
}

}  // namespace detail

/// The combination of each window, of a known shape.
template <class Reducer, value V>
constexpr V windows_to(V x, const tensor_shape& shape, const ops::window_geometry& g) {
  if (V::front_end::failed(x)) return x;
  bool whole = true;
  for (int k = 0; k < g.rank; ++k) whole = whole && g.axes[k].trivial();
  if (whole && x.shape() == shape) return x;
  return V::front_end::template add<ops::reduce_window_op<Reducer>>({x.type(), shape}, {x}, g.pack());
}
/// Sums each window's source at the element that it selects.
template <class Select, value V>
constexpr V window_scatter(V x, V source, const attributes& at) {
  if (V::front_end::failed(x)) return x;
  if (V::front_end::failed(source)) return source;
  return V::front_end::template add<ops::window_scatter_op<Select>>({source.type(), x.shape()}, {x, source}, at);
}
/// The gradient of the products of windows: each element of a window gets dy times the product of the others.
template <value V>
constexpr V window_product_gradient(V dy, V x, const tensor_shape& out, const ops::window_geometry& g) {
  if (V::front_end::failed(dy)) return dy;
  if (V::front_end::failed(x) || out.num_elements() == 0) return zeros_like(x);
  const int rank = g.rank;
  pad_list around, back;
  std::int64_t taps = 1;
  bool holes = false;
  tensor_shape whole, start, dilated, step;
  for (int d = 0; d < rank; ++d) {
    const auto& a = g.axes[d];
    const std::int64_t n = a.dilated_in(), used = a.trivial() ? n : (out[d] - 1) * a.stride + a.dilated_window(), after = used - a.before - n;
    around.push_back({a.before, after, a.base_dilation - 1}), back.push_back({-a.before, -after});
    whole.push_back(used), start.push_back(0), dilated.push_back(n), step.push_back(a.base_dilation);
    taps *= a.window, holes = holes || a.base_dilation != 1;
  }
  const V base = pad(x, around, {.constant_values = 1});
  const auto at_tap = [&](std::int64_t t, tensor_shape& from, tensor_shape& to, tensor_shape& stride) {
    from = to = stride = whole;
    for (int d = rank - 1; d >= 0; --d) {
      const auto& a = g.axes[d];
      from[d] = t % a.window * a.dilation, t /= a.window, stride[d] = a.stride;
      to[d] = a.trivial() ? whole[d] : from[d] + (out[d] - 1) * a.stride + 1;
    }
  };
  tensor_shape from, to, stride;
  std::vector<V> elements, before;  // of all windows: element t, dy times the elements before it
  V product = dy;
  for (std::int64_t t = 0; t < taps; ++t) {
    at_tap(t, from, to, stride);
    elements.push_back(xla::slice(base, from, to, stride));
    before.push_back(product);
    if (t + 1 < taps) product = product * elements.back();
  }
  V sum = zeros_like(base), after = ones_like(dy);
  for (std::int64_t t = taps - 1; t >= 0; --t) {
    at_tap(t, from, to, stride);
    pad_list place;
    for (int d = 0; d < rank; ++d) place.push_back({from[d], whole[d] - to[d], stride[d] - 1});
    sum = sum + pad(before[static_cast<std::size_t>(t)] * after, place);
    if (t > 0) after = after * elements[static_cast<std::size_t>(t)];
  }
  const V inside = pad(sum, back);
  return holes ? xla::slice(inside, start, dilated, step) : inside;
}
/// Reads `values` where each window of x selects.
template <class Select, value V>
constexpr V window_gather(V x, V values, const tensor_shape& shape, const attributes& at) {
  if (V::front_end::failed(x)) return x;
  if (V::front_end::failed(values)) return values;
  return V::front_end::template add<ops::window_gather_op<Select>>({values.type(), shape}, {x, values}, at);
}

namespace xla {

/// The elements of each window combined by ops::sum, ops::prod, ops::max or ops::min (numbers), ops::any or ops::all
/// (booleans); a window that lies outside gives the combination's identity.
template <value V, ops::any_window_reducer R>
constexpr V reduce_window(V x, R, const window_options& o) {
  if (V::front_end::failed(x)) return x;
  if constexpr (ops::window_reducer<R>) {
    failure f;
    tensor_shape shape;
    const ops::window_geometry g = rill::detail::plan_windows({x.type(), x.shape()}, o, shape, f);
    if (f) return V::front_end::template fail<ops::reduce_window_op<R>>(f, x);
    return windows_to<R>(x, shape, g);
  } else {
    using order = std::conditional_t<std::is_same_v<R, ops::any>, ops::max, ops::min>;
    if (x.type() != dtype::boolean) return rill::detail::fail<ops::reduce_window_op<order>>(x, "any and all combine booleans", "compare first");
    return cast_to(reduce_window(cast_to(x, dtype::uint8), order{}, o), dtype::boolean);
  }
}
/// XLA's ReduceWindow: the same, then combined with a scalar init_value; or by any associative function of two elements
/// whose identity is init_value (a lambda without captures, generic over the element; called in row-major order).
template <value V, class F>
constexpr V reduce_window(V x, V init_value, F computation, const window_options& o) {
  if (V::front_end::failed(x)) return x;
  if (V::front_end::failed(init_value)) return init_value;
  if (init_value.type() != x.type() || init_value.rank() != 0) {
    failure f;
    f.set("the initial value must be a scalar of the operand's dtype", "", {x.type(), x.shape()}, {init_value.type(), init_value.shape()});
    return V::front_end::template fail<ops::reduce_window_op<ops::sum>>(f, x);
  }
  if constexpr (ops::any_window_reducer<F>) {
    const V y = reduce_window(x, computation, o);
    if (V::front_end::failed(y)) return y;
    if constexpr (std::is_same_v<F, ops::sum>) return y + init_value;
    else if constexpr (std::is_same_v<F, ops::prod>) return y * init_value;
    else if constexpr (std::is_same_v<F, ops::max>) return maximum(y, init_value);
    else if constexpr (std::is_same_v<F, ops::min>) return minimum(y, init_value);
    else if constexpr (std::is_same_v<F, ops::any>) return logical_or(y, init_value);
    else return logical_and(y, init_value);
  } else {
    failure f;
    tensor_shape shape;
    const ops::window_geometry g = rill::detail::plan_windows({x.type(), x.shape()}, o, shape, f);
    if (f) return V::front_end::template fail<ops::reduce_window_with_op<F>>(f, x);
    return V::front_end::template add<ops::reduce_window_with_op<F>>({x.type(), shape}, {x, init_value}, g.pack());
  }
}

/// XLA's SelectAndScatter: each window of the operand selects one element, by ops::first_largest, ops::first_smallest or a
/// function select(a, b) that is true where `a`, which comes first, is chosen; there the window's source is combined by
/// `scatter` (ops::sum, or a function of the value so far and the source) with what starts as init_value. With ops::sum it
/// has a gradient for source and init_value.
template <value V, class S, class C>
constexpr V select_and_scatter(V operand, S, const window_options& o, V source, V init_value, C) {
  for (const V& v : {operand, source, init_value})
    if (V::front_end::failed(v)) return v;
  using select = std::conditional_t<std::is_same_v<S, ops::first_largest> || std::is_same_v<S, ops::first_smallest>, S, ops::selected_by<S>>;
  using op = ops::select_and_scatter_op<select, C>;
  failure f;
  tensor_shape shape;
  const signature x{operand.type(), operand.shape()}, s{source.type(), source.shape()};
  const ops::window_geometry g = rill::detail::plan_windows(x, o, shape, f);
  for (int k = 0; k < g.rank && !f; ++k)
    if (g.axes[k].base_dilation != 1) f.set("cannot select in a dilated base", "", x);
  if (!f && (!(source.shape() == shape) || source.type() != operand.type()))
    f.set("the source must have one element of the operand's dtype per window", "", s, {x.type, shape});
  if (!f && (init_value.rank() != 0 || init_value.type() != operand.type()))
    f.set("the initial value must be a scalar of the operand's dtype", "", x, {init_value.type(), init_value.shape()});
  if (f) return V::front_end::template fail<op>(f, operand);
  if constexpr (std::is_same_v<C, ops::sum>) return window_scatter<select>(operand, source, g.pack()) + init_value;
  else return V::front_end::template add<op>(x, {operand, source, init_value}, g.pack());
}

}  // namespace xla

// ---- pooling -------------------------------------------------------------------------------------------------------------

namespace detail {

/// Windows over the spatial axes of a batch of this rank; `fits` becomes false where lists do not.
constexpr xla::window_options windows_of(int rank, const pooling_options& o, bool& fits) {
  const int n = rank - 2, first = o.data_format == image_layout::nhwc ? 1 : 2;
  xla::window_options r;
  const auto spread = [&](const tensor_shape& list, bool required) {
    tensor_shape s;
    if (list.rank() == 0 && !required) return s;
    if (list.rank() != n) return fits = false, s;
    for (int k = 0; k < rank; ++k) s.push_back(k >= first && k < first + n ? list[k - first] : 1);
    return s;
  };
  fits = fits && n >= 1 && rank <= max_rank;
  if (!fits) return r;
  r.window_dimensions = spread(o.window, true), r.window_strides = spread(o.strides, false), r.window_dilations = spread(o.dilations, false);
  r.padding = o.padding;
  if (o.padding.given) {
    fits = fits && o.padding.pairs.count == n && !o.padding.pairs.overflow;
    r.padding.pairs = {};
    for (int k = 0; fits && k < rank; ++k)
      r.padding.pairs.push_back(k >= first && k < first + n ? o.padding.pairs.axes[k - first] : pad_width{});
  }
  return r;
}
template <class Reducer, value V>
constexpr V pool_windows(V x, const pooling_options& o, int rank) {
  if (V::front_end::failed(x)) return x;
  using op = ops::reduce_window_op<Reducer>;
  if (rank != 0 && x.rank() != rank) return fail<op>(x, "the batch of images has another number of axes", "pooling takes [b, spatial.., channels]");
  bool fits = true;
  const xla::window_options w = windows_of(x.rank(), o, fits);
  if (!fits) return fail<op>(x, "windows, strides, dilations and paddings need one entry per spatial axis", "");
  return xla::reduce_window(x, Reducer{}, w);
}
template <value V>
constexpr V max_pool_nd(V x, const pooling_options& o, int rank) {
  if (V::front_end::failed(x)) return x;
  const auto pair = [](const tensor_shape& s) { return s.rank() == 2; };
  if (rank == 4 && x.rank() == 4 && !o.padding.given && o.dilations.rank() == 0 && pair(o.window) &&
      (pair(o.strides) || o.strides.rank() == 0) && (x.type() == dtype::float32 || x.type() == dtype::float64)) {
    const bool given = pair(o.strides);  // the fused op of images
    const pool_options fused{{o.window[0], o.window[1]}, {given ? o.strides[0] : 1, given ? o.strides[1] : 1}, o.padding.rule};
    return with_channels_last(x, o.data_format, [&](V image) { return max_pool(image, fused); });
  }
  return pool_windows<ops::max>(x, o, rank);
}
/// The mean of each window over the elements that lie inside of the image.
template <value V>
constexpr V avg_pool_nd(V x, const pooling_options& o, int rank) {
  if (V::front_end::failed(x)) return x;
  if (!is_floating(x.type())) return fail<ops::reduce_window_op<ops::mean>>(x, "means need a floating dtype", "cast the image");
  const V total = pool_windows<ops::sum>(x, o, rank);
  if (V::front_end::failed(total)) return total;
  const int first = o.data_format == image_layout::nhwc ? 1 : 2, n = x.rank() - 2;
  tensor_shape ones;
  for (int k = 0; k < x.rank(); ++k) ones.push_back(k >= first && k < first + n ? x.shape()[k] : 1);
  std::int64_t elements = 1;
  for (std::int64_t d : o.window) elements *= d;
  if (!o.padding.given && o.padding.rule == rill::padding::valid) return total / static_cast<double>(elements);
  const V one = broadcast_to(V::front_end::constant(x, x.type(), 1), ones);
  const V count = pool_windows<ops::sum>(one, o, rank);
  return total / maximum(count, ones_like(count));  // windows that lie outside give 0
}

}  // namespace detail

/// The largest element of each window over the spatial axes; NaN where there is one (but for the fused op of float images,
/// where that is not certain).
template <value V>
constexpr V max_pool1d(V x, const pooling_options& o) {
  return detail::max_pool_nd(x, o, 3);
}
/// max_pool with NCHW, dilations, explicit padding: max_pool(x, pooling_options{.window = {2, 2}, ...}).
template <value V, std::same_as<pooling_options> O>
constexpr V max_pool(V x, const O& o) {
  return detail::max_pool_nd(x, o, 4);
}
template <value V>
constexpr V max_pool3d(V x, const pooling_options& o) {
  return detail::max_pool_nd(x, o, 5);
}
/// The mean of each window over the spatial axes; elements of the padding do not count.
template <value V>
constexpr V avg_pool1d(V x, const pooling_options& o) {
  return detail::avg_pool_nd(x, o, 3);
}
template <value V, std::same_as<pooling_options> O>
constexpr V avg_pool(V x, const O& o) {
  return detail::avg_pool_nd(x, o, 4);
}
template <value V>
constexpr V avg_pool(V x, const pool_options& o = {}) {
  return detail::avg_pool_nd(x, {.window = {o.window[0], o.window[1]}, .strides = {o.strides[0], o.strides[1]}, .padding = o.padding}, 4);
}
template <value V>
constexpr V avg_pool3d(V x, const pooling_options& o) {
  return detail::avg_pool_nd(x, o, 5);
}
/// Pooling over as many spatial axes as the window has (tf.nn.pool).
template <value V>
constexpr V pool(V x, const tensor_shape& window_shape, pooling_type type, const pooling_options& o = {}) {
  pooling_options windows = o;
  windows.window = window_shape;
  const int rank = window_shape.rank() + 2;
  return type == pooling_type::max ? detail::max_pool_nd(x, windows, rank) : detail::avg_pool_nd(x, windows, rank);
}

/// The largest elements and where they lie: ((b * height + y) * width + x) * channels + c.
template <class V>
struct max_pool_with_argmax_result {
  V output, argmax;
};
/// Options of max_pool_with_argmax.
struct argmax_options {
  bool include_batch_in_index = true;  ///< false: counted within each image
};
template <value V>
constexpr max_pool_with_argmax_result<V> max_pool_with_argmax(V x, const pool_options& o = {}, argmax_options a = {}) {
  if (V::front_end::failed(x)) return {x, x};
  const V y = detail::pool_windows<ops::max>(x, {.window = {o.window[0], o.window[1]}, .strides = {o.strides[0], o.strides[1]}, .padding = o.padding}, 4);
  if (V::front_end::failed(y)) return {y, y};
  bool fits = true;
  failure f;
  tensor_shape shape;
  const auto w = detail::windows_of(4, {.window = {o.window[0], o.window[1]}, .strides = {o.strides[0], o.strides[1]}, .padding = o.padding}, fits);
  attributes at = detail::plan_windows({x.type(), x.shape()}, w, shape, f).pack();
  at.f[0] = a.include_batch_in_index ? 0 : 1;
  return {y, V::front_end::template add<ops::window_argument_op<ops::first_largest>>({dtype::int64, shape}, {x}, at)};
}

/// Options of extract_image_patches: size of a patch, strides between patches, rates within one.
struct patch_options {
  std::int64_t ksizes[2] = {1, 1};
  std::int64_t strides[2] = {1, 1};
  std::int64_t rates[2] = {1, 1};
  rill::padding padding = rill::padding::valid;
};
/// Patches of images [b, h, w, c], one after the other in the depth: [b, h', w', ksizes[0] * ksizes[1] * c].
template <value V>
constexpr V extract_image_patches(V x, const patch_options& o) {
  if (V::front_end::failed(x)) return x;
  using op = ops::slice_op;
  if (x.rank() != 4) return detail::fail<op>(x, "needs a batch of images [b, h, w, c]", "reshape to rank 4");
  detail::window_axis axes[2];
  for (int k = 0; k < 2; ++k) {
    auto& a = axes[k];
    a.in = x.shape()[1 + k], a.window = o.ksizes[k], a.stride = o.strides[k], a.dilation = o.rates[k];
    if (a.in < 0) return detail::fail<op>(x, "only the batch dimension may be dynamic");
    if (a.window < 1 || a.stride < 1 || a.dilation < 1 || a.window > 4096 || a.dilation > 1 << 20)
      return detail::fail<op>(x, "sizes, strides and rates of patches must be at least 1", "and sizes at most 4096");
    a.pad(o.padding);
    if (a.out() < 1) return detail::fail<op>(x, "the patch is larger than the image", "use same padding or smaller patches");
  }
  const V padded = pad(x, {{}, {axes[0].before, axes[0].after}, {axes[1].before, axes[1].after}, {}});
  if (V::front_end::failed(padded)) return padded;
  std::vector<V> parts;
  for (std::int64_t ky = 0; ky < o.ksizes[0]; ++ky)
    for (std::int64_t kx = 0; kx < o.ksizes[1]; ++kx) {
      const std::int64_t y = ky * o.rates[0], z = kx * o.rates[1];
      parts.push_back(xla::slice(padded, {0, y, z, 0},
                                 {x.shape()[0], y + (axes[0].out() - 1) * o.strides[0] + 1, z + (axes[1].out() - 1) * o.strides[1] + 1, x.shape()[3]},
                                 {1, o.strides[0], o.strides[1], 1}));
    }
  return concat(parts, {3});
}

}  // namespace rill

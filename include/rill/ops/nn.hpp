// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Losses on logits, softmax over any axis, and what dense and convolutional layers are made of besides products: biases,
/// concatenated rectifiers, L2 norms, images of mean 0. Names, arguments and defaults are those of TensorFlow 1.8's tf.nn; moments are in
/// ops/scan.hpp, in_top_k in ops/sort.hpp, the element-wise activations in ops/unary.hpp.
///
/// Operands are of a floating dtype; half and bfloat16 go through float32 where an op sums. Losses have the labels' shape
/// without the axis of classes, or the logits' shape where each element is a class of its own. All are differentiable as
/// often as one likes. None overflows: the largest logit is subtracted first, softplus stands for log(1 + exp).
///
///   loss = reduce_mean(softmax_cross_entropy_with_logits_v2(labels, logits));
///   y = bias_add(conv2d(x, w), b);

#include "movement.hpp"

namespace rill {

/// Options of softmax, log_softmax and the softmax cross-entropies.
struct softmax_options {
  std::int64_t axis = -1;
};
/// Options of bias_add.
struct bias_add_options {
  image_layout data_format = image_layout::nhwc;
};
/// Options of log_poisson_loss.
struct log_poisson_options {
  bool compute_full_loss = false;
};

namespace ops {

/// (y, dy) -> dx of y = log_softmax(x): dy - exp(y) sum(dy) along the last axis.
struct log_softmax_grad_op {
  static constexpr auto name = "LogSoftmaxGrad";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 30;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) { return softmax_grad_op::infer(at, in, f); }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto u, auto, auto y, auto dy) {
    const auto along = [](const auto& v) { return rill::reduce_sum(v, {.axis = {-1}, .keepdims = true}); };
    const auto p = u * rill::exp(y);
    return grads(-(p * along(dy)), u - along(p));
  }
};
/// y = x - log sum exp(x) along the last axis.
struct log_softmax_op {
  static constexpr auto name = "LogSoftmax";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 30;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (in[0].shape.rank() < 1 || !is_floating(in[0].type)) f.set("needs logits of a floating dtype and rank 1 or more", "", in[0]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto y, auto) {
    return grads(rill::detail::emit<log_softmax_grad_op>({y, dy}));
  }
};

/// (logits, labels), both [.., classes] -> loss [..] = sum labels (log sum exp(logits) - logits); a label of 0 counts
/// nothing whatever the logit. i[0]: whether labels are constants, which get no gradient.
struct softmax_cross_entropy_op {
  static constexpr auto name = "SoftmaxCrossEntropyWithLogits";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 30;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    const tensor_shape& s = in[0].shape;
    if (s.rank() < 1 || !is_floating(in[0].type)) f.set("needs logits of a floating dtype and rank 1 or more", "", in[0]);
    else if (in[1].type != in[0].type) f.set("labels and logits differ in dtype", "cast the labels", in[1], in[0]);
    else if (!(in[1].shape == s)) f.set("labels and logits differ in shape", "labels are a distribution over the classes of each row", in[1], in[0]);
    return {in[0].type, s.rank() < 1 ? s : tensor_shape(s.begin(), s.rank() - 1)};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto logits, auto labels) {
    auto g = rill::expand_dims(dy, -1);
    auto total = rill::reduce_sum(labels, {.axis = {-1}, .keepdims = true});
    decltype(g) to_labels{};
    if (at.i[0] == 0) to_labels = -(g * rill::detail::emit<log_softmax_op>({logits}));
    return grads(g * (rill::softmax(logits) * total - labels), to_labels);
  }
};

// Shape rules of functions that are written with other ops, and the names in their errors.

/// What is computed as other ops: `infer` is its rule.
struct composition {
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1;
};
/// Two operands of one floating dtype and shape.
struct pairwise_loss : composition {
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (!is_floating(in[0].type)) f.set("needs a floating dtype", "cast the operands", in[0], in[1]);
    else if (in[0].type != in[1].type) f.set("labels and logits differ in dtype", "cast the labels", in[0], in[1]);
    else if (!(in[0].shape == in[1].shape)) f.set("labels and logits differ in shape", "there is one label per logit", in[0], in[1]);
    return in[0];
  }
};
struct sigmoid_cross_entropy : pairwise_loss {
  static constexpr auto name = "SigmoidCrossEntropyWithLogits";
};
struct weighted_cross_entropy : pairwise_loss {
  static constexpr auto name = "WeightedCrossEntropyWithLogits";
};
struct log_poisson : pairwise_loss {
  static constexpr auto name = "LogPoissonLoss";
};
struct l2_loss_of : composition {
  static constexpr auto name = "L2Loss";
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (!is_floating(in[0].type)) f.set("needs a floating dtype", "cast the operand", in[0]);
    return {in[0].type, {}};
  }
};
struct l2_normalized : l2_loss_of {
  static constexpr auto name = "L2Normalize";
};
struct standardized : composition {
  static constexpr auto name = "PerImageStandardization";
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (!is_floating(in[0].type) && !is_integer(in[0].type)) f.set("needs images of real numbers", "", in[0]);
    else if (in[0].shape.rank() < 3) f.set("needs images [.., height, width, channels]", "", in[0]);
    return in[0];
  }
};
struct crelu_of : l2_loss_of {
  static constexpr auto name = "CRelu";
};
/// i[0]: the axis of the channels, or -1 where they come last.
struct biased : composition {
  static constexpr auto name = "BiasAdd";
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const tensor_shape& s = in[0].shape;
    const int axis = at.i[0] < 0 ? s.rank() - 1 : static_cast<int>(at.i[0]);
    if (s.rank() < (at.i[0] < 0 ? 2 : 3))
      f.set(at.i[0] < 0 ? "needs a value of rank 2 or more" : "needs a value of rank 3 or more in NCHW", "", in[0], in[1]);
    else if (in[0].type != in[1].type) f.set("dtypes differ", "cast the bias", in[0], in[1]);
    else if (in[1].shape.rank() != 1 || in[1].shape[0] != s[axis]) f.set("the bias must be a vector of one number per channel", "", in[0], in[1]);
    return in[0];
  }
};

}  // namespace ops

namespace detail {

/// Whether operands pass Op's shape rule; if not, `bad` is what the function returns.
template <class Op, value V>
constexpr bool passes(std::initializer_list<V> operands, const attributes& at, V& bad) {
  signature s[8];
  int n = 0;
  for (const V& v : operands) {
    if (V::front_end::failed(v)) {
      bad = v;
      return false;
    }
    s[n++] = {v.type(), v.shape()};
  }
  failure f;
  (void)Op::infer(at, s, f);
  if (f) bad = V::front_end::template fail<Op>(f, *operands.begin());
  return !f;
}
/// half and bfloat16 as float32, others as they are.
template <value V>
constexpr V widened(const V& x) {
  return is_floating(x.type()) && size_of(x.type()) == 2 ? cast_to(x, dtype::float32) : x;
}
/// An op over the last axis as one over any: f(x with the axis last), its result put back.
template <class Op, value V, class F>
constexpr V over_axis(const V& x, std::int64_t axis, const F& f) {
  if (V::front_end::failed(x)) return x;
  const int rank = x.rank();
  const std::int64_t a = axis < 0 ? axis + rank : axis;
  if (a < 0 || a >= rank) return fail<Op>(x, "axis out of range", "axes are -rank .. rank-1");
  const V wide = widened(x);
  if (a == rank - 1) return cast_like(f(wide), x);
  axis_list swap;  // its own inverse
  for (int d = 0; d < rank; ++d) swap.axes[swap.count++] = d == a ? rank - 1 : d == rank - 1 ? a : d;
  return cast_like(transpose(f(transpose(wide, swap)), swap), x);
}

template <class A, class B>
constexpr auto sigmoid_loss(const A& labels, const B& logits) {
  // max(x, 0) - x z + log(1 + exp(-|x|)), with the derivative of one side at 0, so that both parts agree there
  return rill::select(logits >= 0, logits - logits * labels, -(logits * labels)) + rill::softplus(rill::select(logits >= 0, -logits, logits));
}
template <class A, class B, class C>
constexpr auto weighted_loss(const A& targets, const B& logits, const C& pos_weight) {
  return targets * pos_weight * rill::softplus(-logits) + (1 - targets) * rill::softplus(logits);
}
template <class A, class B>
constexpr auto poisson_loss(const A& targets, const B& log_input) {
  return rill::exp(log_input) - log_input * targets;
}
/// Stirling's approximation of log(targets!), 0 for targets within [0, 1].
template <class A>
constexpr auto stirling(const A& targets) {
  const auto small = rill::logical_and(targets >= 0, targets <= 1);
  const auto t = rill::select(small, 1, targets);
  return rill::select(small, 0, t * rill::log(t) - t + 0.5 * rill::log(6.283185307179586477 * t));
}

template <value V>
constexpr V cross_entropy(V labels, V logits, const softmax_options& o, bool constant_labels) {
  if (V::front_end::failed(labels)) return labels;
  if (V::front_end::failed(logits)) return logits;
  const int rank = logits.rank();
  const std::int64_t a = o.axis < 0 ? o.axis + rank : o.axis;
  if (a < 0 || a >= rank) return fail<ops::softmax_cross_entropy_op>(logits, "axis out of range", "axes are -rank .. rank-1");
  V bad{};
  if (!passes<ops::softmax_cross_entropy_op>({logits, labels}, {}, bad)) return bad;
  axis_list last;
  for (int d = 0; d < rank; ++d)
    if (d != a) last.axes[last.count++] = d;
  last.axes[last.count++] = a;
  const auto moved = [&](const V& v) { return a == rank - 1 ? widened(v) : transpose(widened(v), last); };
  attributes at;
  at.i[0] = constant_labels;
  return cast_like(emit<ops::softmax_cross_entropy_op>({moved(logits), moved(labels)}, at), logits);
}

}  // namespace detail

// ---- softmax ---------------------------------------------------------------------------------------------------------

/// exp(x) / sum exp(x) along any axis (tf.nn.softmax).
template <value V>
constexpr V softmax(V logits, softmax_options o) {
  return detail::over_axis<ops::softmax_op>(logits, o.axis, [](const V& x) { return softmax(x); });
}
/// x - log sum exp(x) along an axis, exact where softmax is 0 in floating point (tf.nn.log_softmax).
template <value V>
constexpr V log_softmax(V logits, softmax_options o = {}) {
  return detail::over_axis<ops::log_softmax_op>(logits, o.axis, [](const V& x) { return detail::emit<ops::log_softmax_op>({x}); });
}

// ---- losses ----------------------------------------------------------------------------------------------------------

/// Cross-entropy of softmax(logits) and labels, a distribution for each row; labels and logits have one shape, the result
/// lacks the axis. Gradients flow into the labels too (tf.nn.softmax_cross_entropy_with_logits_v2).
template <value V>
constexpr V softmax_cross_entropy_with_logits_v2(V labels, V logits, softmax_options o = {}) {
  return detail::cross_entropy(labels, logits, o, false);
}
/// The same where labels are constants (tf.nn.softmax_cross_entropy_with_logits).
template <value V>
constexpr V softmax_cross_entropy_with_logits(V labels, V logits, softmax_options o = {}) {
  return detail::cross_entropy(stop_gradient(labels), logits, o, true);
}
/// -z log(sigmoid(x)) - (1 - z) log(1 - sigmoid(x)) for each logit x and its label z in [0, 1], of one shape
/// (tf.nn.sigmoid_cross_entropy_with_logits).
template <value V>
constexpr V sigmoid_cross_entropy_with_logits(V labels, V logits) {
  V bad{};
  if (!detail::passes<ops::sigmoid_cross_entropy>({labels, logits}, {}, bad)) return bad;
  return detail::sigmoid_loss(labels, logits);
}
/// The same with positive labels counting pos_weight times: -q z log(sigmoid(x)) - (1 - z) log(1 - sigmoid(x)); pos_weight
/// is a number or broadcasts to the logits (tf.nn.weighted_cross_entropy_with_logits).
template <value V, class W>
  requires(std::is_arithmetic_v<W> || std::is_same_v<W, V>)
constexpr V weighted_cross_entropy_with_logits(V targets, V logits, W pos_weight) {
  V bad{};
  if (!detail::passes<ops::weighted_cross_entropy>({targets, logits}, {}, bad)) return bad;
  return detail::weighted_loss(targets, logits, pos_weight);
}
/// exp(c) - z c for the logarithm c of a predicted rate and a count z, of one shape: the negative log-likelihood of a
/// Poisson process up to log(z!), which compute_full_loss approximates by Stirling's formula (tf.nn.log_poisson_loss).
template <value V>
constexpr V log_poisson_loss(V targets, V log_input, log_poisson_options o = {}) {
  V bad{};
  if (!detail::passes<ops::log_poisson>({targets, log_input}, {}, bad)) return bad;
  const V loss = detail::poisson_loss(targets, log_input);
  return o.compute_full_loss ? loss + detail::stirling(targets) : loss;
}
/// sum(t * t) / 2, a scalar (tf.nn.l2_loss).
template <value V>
constexpr V l2_loss(V t) {
  V bad{};
  if (!detail::passes<ops::l2_loss_of>({t}, {}, bad)) return bad;
  const V wide = detail::widened(t);
  return cast_like(reduce_sum(square(wide)) * 0.5, t);
}

// ---- norms, biases, rectifiers -----------------------------------------------------------------------------------------

/// x / sqrt(max(sum(x * x), epsilon)), the sum over axes, all when none is named (tf.nn.l2_normalize).
template <value V>
constexpr V l2_normalize(V x, const axis_list& axis = {}, double epsilon = 1e-12) {
  V bad{};
  if (!detail::passes<ops::l2_normalized>({x}, {}, bad)) return bad;
  if (axis_mask(axis, x.rank()) < 0) return detail::fail<ops::l2_normalized>(x, "axis out of range", "axes are -rank .. rank-1");
  const V wide = detail::widened(x);
  return cast_like(wide * rsqrt(maximum(reduce_sum(square(wide), {axis, true}), epsilon)), x);
}
/// Images [.., height, width, channels], each less its mean and divided by its deviation, which counts as at least
/// 1 / sqrt(number of elements), so that an image of one colour becomes 0 (tf.image.per_image_standardization). Integers give
/// float32.
template <value V>
constexpr V per_image_standardization(V image) {
  V bad{};
  if (!detail::passes<ops::standardized>({image}, {}, bad)) return bad;
  const V wide = is_floating(image.type()) ? detail::widened(image) : cast_to(image, dtype::float32);
  const axis_list axes{-3, -2, -1};
  const int r = image.rank();
  const V centred = wide - reduce_mean(wide, {axes, true});
  const V least = 1 / V::front_end::count(wide, image.shape()[r - 3] * image.shape()[r - 2] * image.shape()[r - 1]);
  const V y = centred * rsqrt(maximum(reduce_mean(square(centred), {axes, true}), least));
  return is_floating(image.type()) ? cast_like(y, image) : y;
}
/// value + bias, one number per channel: the last axis, or axis 1 in NCHW (tf.nn.bias_add).
template <value V>
constexpr V bias_add(V value, V bias, bias_add_options o = {}) {
  const bool last = o.data_format == image_layout::nhwc;
  attributes at;
  at.i[0] = last ? -1 : 1;
  V bad{};
  if (!detail::passes<ops::biased>({value, bias}, at, bad)) return bad;
  if (last) return value + bias;
  tensor_shape s{1, bias.shape()[0]};
  for (int d = 2; d < value.rank(); ++d) s.push_back(1);
  return value + reshape_to(bias, s);
}
/// relu(x) and relu(-x), one after the other along an axis, which doubles (tf.nn.crelu).
template <value V>
constexpr V crelu(V features, axis_options o = {-1}) {
  V bad{};
  if (!detail::passes<ops::crelu_of>({features}, {}, bad)) return bad;
  return concat({relu(features), relu(-features)}, o);
}

}  // namespace rill

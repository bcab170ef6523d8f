// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Values scaled down until their norm is at most a limit, one by one or together (TensorFlow's clip_by_norm,
/// clip_by_average_norm, clip_by_global_norm, global_norm); clip_by_value is in ops/binary.hpp. Operands are of a floating
/// dtype and keep shape and dtype; the limit is a positive number or a scalar of that dtype. Lists are std::vector,
/// std::array or what else can be copied and walked; what is None in an eager list stays None and counts nothing.
///
///   auto [clipped, norm] = clip_by_global_norm(gradients(loss, variables), 5.0);

#include "nn.hpp"

namespace rill {

/// The clipped list and the norm that it had before.
template <class List, class V>
struct clip_by_global_norm_result {
  List list_clipped;
  V global_norm;
};

namespace ops {
struct clip_operand : composition {
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (!is_floating(in[0].type)) f.set("needs a floating dtype", "cast the operand", in[0]);
    return in[0];
  }
};
struct clip_by_norm_of : clip_operand {
  static constexpr auto name = "ClipByNorm";
};
struct clip_by_average_norm_of : clip_operand {
  static constexpr auto name = "ClipByAverageNorm";
};
struct global_norm_of : clip_operand {
  static constexpr auto name = "GlobalNorm";
};
struct clip_by_global_norm_of : clip_operand {
  static constexpr auto name = "ClipByGlobalNorm";
};
}  // namespace ops

namespace detail {
template <class W, class V>
concept number_or = std::is_arithmetic_v<W> || std::is_same_v<W, V>;

template <class Op, value V, number_or<V> W>
constexpr bool clips(const V& t, const W& limit, V& bad) {
  if (!passes<Op>({t}, {}, bad)) return false;
  if constexpr (std::is_arithmetic_v<W>) {
    if (limit > W(0)) return true;
    bad = fail<Op>(t, "clip_norm must be positive");
  } else {
    if (V::front_end::failed(limit)) {
      bad = limit;
      return false;
    }
    if (limit.rank() == 0 && limit.type() == t.type()) return true;
    failure f;
    f.set("clip_norm must be a scalar of the operand's dtype", "", {t.type(), t.shape()}, {limit.type(), limit.shape()});
    bad = V::front_end::template fail<Op>(f, t);
  }
  return false;
}
/// The square root of a sum of squares, whose gradient at 0 is 0.
template <value V>
constexpr V safe_norm(const V& sum) {
  const V positive = greater(sum, zeros_like(sum));
  return select(positive, sqrt(select(positive, sum, ones_like(sum))), sum);
}
template <value V>
constexpr bool is_none(const V& v) {
  if constexpr (requires { v.has_value(); }) return !v.has_value();
  else return v.g == nullptr;
}
/// The norm of all in the list that is not None, in the first one's dtype; None for nothing.
template <class Op, class List>
constexpr auto norm_of(const List& list) {
  using V = typename List::value_type;
  V total{};
  for (const V& t : list) {
    if (is_none(t)) continue;
    V bad{};
    if (!passes<Op>({t}, {}, bad)) return bad;
    const V squares = reduce_sum(square(widened(t)));
    if (is_none(total)) total = squares;
    else total = total + cast_like(squares, total);
  }
  if (is_none(total)) throw invalid_argument(std::string(Op::name) + ": the list holds no tensor");
  return safe_norm(total);
}
}  // namespace detail

/// t clip_norm / max(norm, clip_norm), where norm is t's L2 norm over axes, all when none is named.
template <value V, detail::number_or<V> W>
constexpr V clip_by_norm(V t, W clip_norm, const axis_list& axes = {}) {
  V bad{};
  if (!detail::clips<ops::clip_by_norm_of>(t, clip_norm, bad)) return bad;
  if (axis_mask(axes, t.rank()) < 0) return detail::fail<ops::clip_by_norm_of>(t, "axis out of range", "axes are -rank .. rank-1");
  const V norm = detail::safe_norm(reduce_sum(square(t), {axes, true}));
  return t * clip_norm / maximum(norm, clip_norm);
}
/// The same with the norm divided by the number of elements.
template <value V, detail::number_or<V> W>
constexpr V clip_by_average_norm(V t, W clip_norm) {
  V bad{};
  if (!detail::clips<ops::clip_by_average_norm_of>(t, clip_norm, bad)) return bad;
  const V norm = detail::safe_norm(reduce_sum(square(t))) / V::front_end::count(t, t.shape().num_elements());
  return t * clip_norm / maximum(norm, clip_norm);
}
/// sqrt of the sum of squares of all elements of all tensors; half and bfloat16 give float32.
template <class List>
  requires value<typename List::value_type>
constexpr typename List::value_type global_norm(const List& t_list) {
  return detail::norm_of<ops::global_norm_of>(t_list);
}
/// Every tensor times clip_norm / max(use_norm, clip_norm); all become NaN where the norm is not finite. use_norm is their
/// global norm, if the caller has it already.
template <class List, class W>
  requires(value<typename List::value_type> && detail::number_or<W, typename List::value_type>)
constexpr clip_by_global_norm_result<List, typename List::value_type> clip_by_global_norm(const List& t_list, W clip_norm,
                                                                                          typename List::value_type use_norm) {
  using V = typename List::value_type;
  clip_by_global_norm_result<List, V> r{t_list, use_norm};
  V bad{};
  if (!detail::clips<ops::clip_by_global_norm_of>(use_norm, clip_norm, bad)) {
    for (V& t : r.list_clipped) t = bad;
    r.global_norm = bad;
    return r;
  }
  const V scale = clip_norm / maximum(use_norm, clip_norm) + (use_norm - use_norm);  // inf - inf is NaN
  for (V& t : r.list_clipped)
    if (!detail::is_none(t)) t = detail::passes<ops::clip_by_global_norm_of>({t}, {}, bad) ? t * cast_like(scale, t) : bad;
  return r;
}
template <class List, class W>
  requires(value<typename List::value_type> && detail::number_or<W, typename List::value_type>)
constexpr clip_by_global_norm_result<List, typename List::value_type> clip_by_global_norm(const List& t_list, W clip_norm) {
  return clip_by_global_norm(t_list, clip_norm, detail::norm_of<ops::clip_by_global_norm_of>(t_list));
}

}  // namespace rill

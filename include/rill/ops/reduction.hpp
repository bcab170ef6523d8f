// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Reductions: a reducer combines elements along axes. Public functions take TensorFlow's options, `axis` (default: all;
/// negative counts from the end) and `keepdims`. An empty reduction gives the identity (sum 0, prod 1, max lowest).

#include <initializer_list>
#include <limits>

#include "binary.hpp"
#include "op.hpp"
#include "signature.hpp"

namespace rill {

/// A short list of axes; empty means all.
struct axis_list {
  int count = 0;
  std::int64_t axes[max_rank] = {};
  constexpr axis_list() = default;
  constexpr axis_list(std::initializer_list<std::int64_t> list) {
    for (std::int64_t a : list)
      if (count < max_rank) axes[count++] = a;
  }
};

/// Options of the reductions.
struct reduce_options {
  axis_list axis = {};
  bool keepdims = false;
};

/// Options of argmax and argmin.
struct arg_options {
  std::int64_t axis = 0;
};

/// The axes as a bit mask for an operand of this rank; -1 when one is out of range.
constexpr std::int64_t axis_mask(const axis_list& list, int rank) {
  if (list.count == 0) return (std::int64_t{1} << rank) - 1;
  std::int64_t mask = 0;
  for (int k = 0; k < list.count; ++k) {
    const std::int64_t a = list.axes[k] < 0 ? list.axes[k] + rank : list.axes[k];
    if (a < 0 || a >= rank) return -1;
    mask |= std::int64_t{1} << a;
  }
  return mask;
}

namespace ops {

/// Reducers: identity and an associative, commutative combination; generic over scalars and packs. Integers wrap around.
struct sum {
  static constexpr auto name = "Sum";
  template <class T>
  static constexpr T identity() {
    return T{0};
  }
  template <class V>
  static constexpr V combine(V a, V b) {
    return static_cast<V>(scalar::wrapping(a) + scalar::wrapping(b));
  }
};
/// The sum, divided by the number of elements at the end.
struct mean : sum {
  static constexpr auto name = "Mean";
  template <class T>
  static constexpr T finish(T total, std::int64_t count) {
    using scalar::divide;
    return divide(total, number_cast<T>(count));
  }
};
struct prod {
  static constexpr auto name = "Prod";
  template <class T>
  static constexpr T identity() {
    return T{1};
  }
  template <class V>
  static constexpr V combine(V a, V b) {
    return static_cast<V>(scalar::wrapping(a) * scalar::wrapping(b));
  }
};
struct max {
  static constexpr auto name = "Max";
  template <class T>
  static constexpr T identity() {
    if constexpr (std::numeric_limits<T>::has_infinity) return -std::numeric_limits<T>::infinity();
    else return std::numeric_limits<T>::lowest();
  }
  template <class V>
  static constexpr V combine(V a, V b) {
    return maximum::eval(a, b);
  }
};
struct min {
  static constexpr auto name = "Min";
  template <class T>
  static constexpr T identity() {
    if constexpr (std::numeric_limits<T>::has_infinity) return std::numeric_limits<T>::infinity();
    else return std::numeric_limits<T>::max();
  }
  template <class V>
  static constexpr V combine(V a, V b) {
    return minimum::eval(a, b);
  }
};
struct any {
  static constexpr auto name = "Any";
  template <class T>
  static constexpr T identity() {
    return T{false};
  }
  template <class V>
  static constexpr V combine(V a, V b) {
    return a || b;
  }
};
struct all {
  static constexpr auto name = "All";
  template <class T>
  static constexpr T identity() {
    return T{true};
  }
  template <class V>
  static constexpr V combine(V a, V b) {
    return a && b;
  }
};
/// Index of the first largest (smallest) element along one axis.
struct argmax {
  static constexpr auto name = "ArgMax";
};
struct argmin {
  static constexpr auto name = "ArgMin";
};

/// The shape without the axes in the mask, or with 1 in their place.
constexpr tensor_shape reduced_shape(const tensor_shape& s, std::int64_t mask, bool keepdims) {
  tensor_shape r;
  for (int d = 0; d < s.rank(); ++d) {
    if (((mask >> d) & 1) == 0) r.push_back(s[d]);
    else if (keepdims) r.push_back(1);
  }
  return r;
}

/// Reduction over the axes in the mask i[0]; dimensions are dropped.
template <class Reducer>
struct reduce_op {
  using reducer = Reducer;
  static constexpr auto name = Reducer::name;
  static constexpr op_kind kind = op_kind::reduction;
  static constexpr int cost = 2;
  static constexpr std::int64_t flops(const attributes&, const signature* in) { return in[0].shape.num_elements(); }
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto x)
    requires(std::is_same_v<Reducer, sum> || std::is_same_v<Reducer, prod> || std::is_same_v<Reducer, max> || std::is_same_v<Reducer, min>)
  {
    const auto spread = [&](auto v) {
      int dims[max_rank] = {}, k = 0;
      for (int d = 0; d < x.rank(); ++d)
        if (((at.i[0] >> d) & 1) == 0) dims[k++] = d;
      return broadcast_in_dim(v, x.shape(), dims);
    };
    if constexpr (std::is_same_v<Reducer, sum>) {
      return grads(spread(dy));
    } else if constexpr (std::is_same_v<Reducer, prod>) {
      return grads(prod_gradient(dy, x, at.i[0]));
    } else {  // shared evenly among the elements that attain the extremum
      auto hit = cast_like(rill::equal(x, spread(y)), x);
      auto count = sum_over(hit, at.i[0]);
      return grads(hit * spread(dy / count));
    }
  }
};

/// x [parts, rows, n] -> for each element of a row the product of all others: the gradient of a product. Gradients of that
/// are the same of dual numbers, x + e dy with e e = 0, gradients of those of dual numbers of dual numbers; so a number has
/// 2^order parts, part s the factor of those e whose bits are set in s. Floating dtypes.
struct product_of_others_op {
  static constexpr auto name = "ProductOfOthers";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 8;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);  // kernel/product.hpp
  static constexpr auto vjp(const attributes&, auto dy, auto, auto x) { return grads(product_of_others_gradient(dy, x)); }
};

/// argmax/argmin along axis i[0].
template <class Reducer>
struct arg_reduce_op {
  using reducer = Reducer;
  static constexpr auto name = Reducer::name;
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 2;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const auto& x = in[0].shape;
    if (at.i[0] < 0 || at.i[0] >= x.rank()) {
      f.set("axis out of range", "axes are -rank .. rank-1", in[0]);
      return {};
    }
    if ((class_of(in[0].type) & types::reals) == 0) f.set("does not take operands of this dtype", "cast them", in[0]);
    return {dtype::int64, reduced_shape(x, std::int64_t{1} << at.i[0], false)};
  }
};

}  // namespace ops

}  // namespace rill

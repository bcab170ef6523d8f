// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Max pooling over NHWC images, its gradient, and the gradient of that, of any order. The gradient goes to the first maximum of each window in row-major
/// order; overlapping windows add (TensorFlow's MaxPoolGrad).

#include "op.hpp"
#include "signature.hpp"

namespace rill {

/// Options of max_pool: window and strides over height and width, padding.
struct pool_options {
  std::int64_t window[2] = {2, 2};
  std::int64_t strides[2] = {2, 2};
  rill::padding padding = rill::padding::valid;
};

namespace ops {

/// i[0..1] window, i[2..3] strides, i[4] same-padding.
struct pool_attributes {
  static constexpr attributes make(const pool_options& o) {
    attributes a;
    a.i[0] = o.window[0], a.i[1] = o.window[1], a.i[2] = o.strides[0], a.i[3] = o.strides[1];
    a.i[4] = o.padding == padding::same;
    return a;
  }
  static constexpr padding pad(const attributes& a) { return a.i[4] != 0 ? padding::same : padding::valid; }
  static constexpr window_extent height(const attributes& a, const tensor_shape& x) {
    return window_of(x[1], a.i[0], a.i[2], pad(a));
  }
  static constexpr window_extent width(const attributes& a, const tensor_shape& x) {
    return window_of(x[2], a.i[1], a.i[3], pad(a));
  }
};

struct max_pool_op {
  static constexpr auto name = "MaxPool";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    const auto& x = in[0].shape;
    if (x.rank() != 4) {
      f.set("needs an image batch [n, h, w, channels]", "reshape to rank 4", in[0]);
      return {};
    }
    if (!is_floating(in[0].type)) {
      f.set("needs a floating dtype", "cast the image", in[0]);
      return {};
    }
    for (int k = 0; k < 4; ++k)
      if (at.i[k] < 1 || at.i[k] > most_step) {
        f.set("window and strides must be at least 1", "and at most 2^20", in[0]);
        return {};
      }
    if (x[1] < 0 || x[2] < 0 || x[3] < 0) {
      f.set("only the batch dimension may be dynamic", "", in[0]);
      return {};
    }
    const auto oh = pool_attributes::height(at, x).out, ow = pool_attributes::width(at, x).out;
    if (oh < 1 || ow < 1) {
      f.set("the window is larger than the image", "use same padding or a smaller window", in[0]);
      return {};
    }
    return {in[0].type, {x[0], oh, ow, x[3]}};
  }
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto x) { return grads(max_pool_grad(x, y, dy, at)); }
};

/// (x, y, dy) -> gradient of x.
struct max_pool_grad_op {
  static constexpr auto name = "MaxPoolGrad";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  static constexpr signature infer(const attributes&, const signature* in, failure&) { return in[0]; }
  static constexpr auto vjp(const attributes& at, auto d, auto, auto x, auto y, auto) {
    return grads(no_gradient{}, no_gradient{}, max_pool_gather(x, y, d, at));
  }
};

/// (x, y, values of x's shape) -> of y's shape: the value at the first maximum of each window (MaxPoolGradGrad).
struct max_pool_gather_op {
  static constexpr auto name = "MaxPoolGradGrad";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  static constexpr signature infer(const attributes&, const signature* in, failure&) { return in[1]; }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto d, auto, auto x, auto y, auto) {
    return grads(no_gradient{}, no_gradient{}, max_pool_grad(x, y, d, at));
  }
};

}  // namespace ops
}  // namespace rill

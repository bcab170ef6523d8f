// SPDX-License-Identifier: Apache-2.0
// Normalizations and softmax in libtorch, called below the tape.
#include "normalization_torch.hpp"

#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/_log_softmax_backward_data.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <c10/core/InferenceMode.h>

#include <memory>

namespace bench::torch_peer {

namespace {

using three = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
at::Tensor from(const float* p, at::IntArrayRef sizes) { return at::from_blob(const_cast<float*>(p), sizes); }
const float* first(const three& t) { return std::get<0>(t).data_ptr<float>(); }

}  // namespace

norm_calls layer_norm(std::int64_t rows, std::int64_t n, const float* x, const float* scale, const float* offset, const float* dy, double epsilon) {
  const at::Tensor tx = from(x, {rows, n}), s = from(scale, {n}), b = from(offset, {n}), d = from(dy, {rows, n});
  auto y = std::make_shared<three>(), dx = std::make_shared<three>();
  const auto forward = [=] {
    c10::InferenceMode no_tape;
    *y = at::native_layer_norm(tx, {n}, s, b, epsilon);
    return first(*y);
  };
  forward();
  return {forward, [=] {
            c10::InferenceMode no_tape;
            *dx = at::native_layer_norm_backward(d, tx, {n}, std::get<1>(*y), std::get<2>(*y), s, b, {true, true, true});
            return first(*dx);
          }};
}

norm_calls batch_norm(std::int64_t rows, std::int64_t n, const float* x, const float* scale, const float* offset, const float* dy, double epsilon) {
  const auto image = [&](const float* p) { return from(p, {1, rows, 1, n}).permute({0, 3, 1, 2}); };
  const at::Tensor tx = image(x), d = image(dy), s = from(scale, {n}), b = from(offset, {n});
  auto y = std::make_shared<three>(), dx = std::make_shared<three>();
  const auto forward = [=] {
    c10::InferenceMode no_tape;
    *y = at::native_batch_norm(tx, s, b, {}, {}, true, 0.1, epsilon);
    return first(*y);
  };
  forward();
  return {forward, [=] {
            c10::InferenceMode no_tape;
            *dx = at::native_batch_norm_backward(d, tx, s, {}, {}, std::get<1>(*y), std::get<2>(*y), true, epsilon, {true, true, true});
            return first(*dx);
          }};
}

norm_calls softmax(bool logarithm, std::int64_t rows, std::int64_t n, const float* x, const float* dy) {
  const at::Tensor tx = from(x, {rows, n}), d = from(dy, {rows, n});
  auto y = std::make_shared<at::Tensor>(), dx = std::make_shared<at::Tensor>();
  const auto forward = [=]() -> const float* {
    c10::InferenceMode no_tape;
    *y = logarithm ? at::_log_softmax(tx, 1, false) : at::_softmax(tx, 1, false);
    return y->data_ptr<float>();
  };
  forward();
  return {forward, [=]() -> const float* {
            c10::InferenceMode no_tape;
            *dx = logarithm ? at::_log_softmax_backward_data(d, *y, 1, at::kFloat) : at::_softmax_backward_data(d, *y, 1, at::kFloat);
            return dx->data_ptr<float>();
          }};
}

}  // namespace bench::torch_peer

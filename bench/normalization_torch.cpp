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
const float* data_of(const at::Tensor& t) { return t.data_ptr<float>(); }
const float* data_of(const three& t) { return data_of(std::get<0>(t)); }

/// forward() and backward(what forward gave), whose results are kept.
template <class Forward, class Backward>
norm_calls below_the_tape(const Forward& forward, const Backward& backward) {
  auto y = std::make_shared<decltype(forward())>();
  auto dx = std::make_shared<decltype(backward(*y))>();
  const auto run = [=] {
    c10::InferenceMode no_tape;
    *y = forward();
    return data_of(*y);
  };
  run();
  return {run, [=] {
            c10::InferenceMode no_tape;
            *dx = backward(*y);
            return data_of(*dx);
          }};
}

}  // namespace

norm_calls layer_norm(std::int64_t rows, std::int64_t n, const float* x, const float* scale, const float* offset, const float* dy, double epsilon) {
  const at::Tensor tx = from(x, {rows, n}), s = from(scale, {n}), b = from(offset, {n}), d = from(dy, {rows, n});
  return below_the_tape([=] { return at::native_layer_norm(tx, {n}, s, b, epsilon); }, [=](const three& y) {
    return at::native_layer_norm_backward(d, tx, {n}, std::get<1>(y), std::get<2>(y), s, b, {true, true, true});
  });
}

norm_calls batch_norm(std::int64_t rows, std::int64_t n, const float* x, const float* scale, const float* offset, const float* dy, double epsilon) {
  const auto image = [&](const float* p) { return from(p, {1, rows, 1, n}).permute({0, 3, 1, 2}); };
  const at::Tensor tx = image(x), d = image(dy), s = from(scale, {n}), b = from(offset, {n});
  return below_the_tape([=] { return at::native_batch_norm(tx, s, b, {}, {}, true, 0.1, epsilon); }, [=](const three& y) {
    return at::native_batch_norm_backward(d, tx, s, {}, {}, std::get<1>(y), std::get<2>(y), true, epsilon, {true, true, true});
  });
}

norm_calls softmax(bool logarithm, std::int64_t rows, std::int64_t n, const float* x, const float* dy) {
  const at::Tensor tx = from(x, {rows, n}), d = from(dy, {rows, n});
  return below_the_tape([=] { return logarithm ? at::_log_softmax(tx, 1, false) : at::_softmax(tx, 1, false); }, [=](const at::Tensor& y) {
    return logarithm ? at::_log_softmax_backward_data(d, y, 1, at::kFloat) : at::_softmax_backward_data(d, y, 1, at::kFloat);
  });
}

}  // namespace bench::torch_peer

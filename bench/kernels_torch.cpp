// SPDX-License-Identifier: Apache-2.0
// Single operations in libtorch, called below the tape.
#include "peer_torch.hpp"

#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/_log_softmax_backward_data.h>
#include <ATen/ops/add.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/nll_loss_backward.h>
#include <ATen/ops/nll_loss_forward.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstring>

namespace bench::torch_peer {

namespace {

at::Tensor from(const float* p, at::IntArrayRef sizes) { return at::from_blob(const_cast<float*>(p), sizes); }

void copy_out(const at::Tensor& t, float* to) {
  const auto c = t.contiguous();
  std::memcpy(to, c.data_ptr<float>(), sizeof(float) * static_cast<std::size_t>(c.numel()));
}

struct convolution_state {
  at::Tensor x, w, dy, y, dx, dw;
  std::int64_t pad;
  std::tuple<at::Tensor, at::Tensor, at::Tensor> backward(bool input) {
    return at::convolution_backward(dy, x, w, c10::nullopt, {1, 1}, {pad, pad}, {1, 1}, false, {0, 0}, 1,
                                    {input, !input, false});
  }
};

}  // namespace

convolution_calls convolution(layout l, const convolution_shape& d, const float* x, const float* w, const float* dy) {
  c10::InferenceMode no_tape;
  const auto format = l == layout::nhwc ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  auto s = std::make_shared<convolution_state>();
  s->pad = d.k / 2;
  s->x = from(x, {d.batch, d.size, d.size, d.in}).permute({0, 3, 1, 2}).clone().contiguous(format);
  s->w = from(w, {d.k, d.k, d.in, d.out}).permute({3, 2, 0, 1}).clone().contiguous(format);
  s->dy = from(dy, {d.batch, d.size, d.size, d.out}).permute({0, 3, 1, 2}).clone().contiguous(format);
  convolution_calls c;
  c.forward = [s] {
    c10::InferenceMode no_tape;
    s->y = at::conv2d(s->x, s->w, {}, {1, 1}, at::IntArrayRef{s->pad, s->pad});
  };
  c.backprop_input = [s] {
    c10::InferenceMode no_tape;
    s->dx = std::get<0>(s->backward(true));
  };
  c.backprop_filter = [s] {
    c10::InferenceMode no_tape;
    s->dw = std::get<1>(s->backward(false));
  };
  c.forward_result = [s](float* to) { copy_out(s->y.permute({0, 2, 3, 1}), to); };
  c.backprop_input_result = [s](float* to) { copy_out(s->dx.permute({0, 2, 3, 1}), to); };
  c.backprop_filter_result = [s](float* to) { copy_out(s->dw.permute({2, 3, 1, 0}), to); };
  return c;
}

std::function<const float*()> softmax_cross_entropy(std::int64_t rows, std::int64_t columns, const float* logits,
                                                    const std::int32_t* labels) {
  c10::InferenceMode no_tape;
  struct state {
    at::Tensor x, labels, one, gradient;
  };
  auto s = std::make_shared<state>();
  s->x = from(logits, {rows, columns}).clone();
  s->labels = at::from_blob(const_cast<std::int32_t*>(labels), {rows}, at::kInt).to(at::kLong);
  s->one = at::ones({});
  return [s]() -> const float* {
    c10::InferenceMode no_tape;
    const auto y = at::_log_softmax(s->x, 1, false);
    const auto [loss, weight] = at::nll_loss_forward(y, s->labels, c10::nullopt, at::Reduction::Mean, -100);
    const auto dy = at::nll_loss_backward(s->one, y, s->labels, c10::nullopt, at::Reduction::Mean, -100, weight);
    s->gradient = at::_log_softmax_backward_data(dy, y, 1, at::kFloat);
    return s->gradient.data_ptr<float>();
  };
}

std::function<const float*()> sum(std::int64_t rows, std::int64_t columns, const float* x, int axis) {
  c10::InferenceMode no_tape;
  struct state {
    at::Tensor x, y;
  };
  auto s = std::make_shared<state>();
  s->x = from(x, {rows, columns});
  return [s, axis]() -> const float* {
    c10::InferenceMode no_tape;
    s->y = axis < 0 ? at::sum(s->x) : at::sum(s->x, {static_cast<std::int64_t>(axis)});
    return s->y.data_ptr<float>();
  };
}

std::function<const float*()> chain(std::int64_t n, const float* a, const float* b, const float* c) {
  c10::InferenceMode no_tape;
  struct state {
    at::Tensor a, b, c, y;
  };
  auto s = std::make_shared<state>();
  s->a = from(a, {n});
  s->b = from(b, {n});
  s->c = from(c, {n});
  return [s]() -> const float* {
    c10::InferenceMode no_tape;
    s->y = at::mul(s->a, s->b).add_(s->c).relu_().mul_(0.5).sub_(s->a);
    return s->y.data_ptr<float>();
  };
}

}  // namespace bench::torch_peer

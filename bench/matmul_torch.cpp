// SPDX-License-Identifier: Apache-2.0
// A dense layer and a batch of products in libtorch, called below the tape.
#include "matmul_torch.hpp"

#include <ATen/ops/addmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/relu.h>
#include <c10/core/InferenceMode.h>

#include <memory>

namespace bench::torch_peer {

std::function<const float*()> dense_relu(const float* x, const float* w, const float* bias, std::int64_t m, std::int64_t k,
                                         std::int64_t n) {
  const auto from = [](const float* p, at::IntArrayRef shape) { return at::from_blob(const_cast<float*>(p), shape); };
  c10::InferenceMode no_tape;
  const at::Tensor a = from(x, {m, k}), b = from(w, {k, n}), c = from(bias, {n});
  auto y = std::make_shared<at::Tensor>();
  return [=] {
    c10::InferenceMode inside;
    *y = at::addmm(c, a, b);
    at::relu_(*y);
    return y->data_ptr<float>();
  };
}

std::function<const float*()> batch_product(const float* a, const float* b, std::int64_t count, std::int64_t m, std::int64_t k, std::int64_t n) {
  const auto from = [](const float* p, at::IntArrayRef shape) { return at::from_blob(const_cast<float*>(p), shape); };
  c10::InferenceMode no_tape;
  const at::Tensor x = from(a, {count, m, k}), y = from(b, {count, k, n});
  auto z = std::make_shared<at::Tensor>();
  return [=] {
    c10::InferenceMode inside;
    *z = at::bmm(x, y);
    return z->data_ptr<float>();
  };
}

}  // namespace bench::torch_peer

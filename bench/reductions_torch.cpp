// SPDX-License-Identifier: Apache-2.0
// Reductions in libtorch, called below the tape.
#include "reductions_torch.hpp"

#include <ATen/ops/amax.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/sum.h>
#include <c10/core/InferenceMode.h>

#include <memory>

namespace bench::torch_peer {

std::function<const void*()> reduce(reducer r, number n, const void* x, const std::vector<std::int64_t>& shape,
                                    const std::vector<std::int64_t>& axes) {
  c10::InferenceMode no_tape;
  const auto type = n == number::f32 ? at::kFloat : n == number::f64 ? at::kDouble : at::kInt;
  const at::Tensor t = at::from_blob(const_cast<void*>(x), shape, type);
  auto y = std::make_shared<at::Tensor>();
  return [=]() -> const void* {
    c10::InferenceMode no_tape;
    switch (r) {
      case reducer::sum: *y = at::sum(t, axes); break;
      case reducer::mean: *y = at::mean(t, axes); break;
      case reducer::max: *y = at::amax(t, axes); break;
      case reducer::argmax: *y = at::argmax(t, axes[0]); break;
    }
    return y->data_ptr();
  };
}

}  // namespace bench::torch_peer

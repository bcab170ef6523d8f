// SPDX-License-Identifier: Apache-2.0
// Sorts and scans in libtorch, called below the tape.
#include "sort_torch.hpp"

#include <ATen/ops/cumsum.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_add.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <memory>
#include <tuple>

namespace bench::torch_peer {

namespace {

at::Tensor from(const float* p, std::int64_t rows, std::int64_t columns) { return at::from_blob(const_cast<float*>(p), {rows, columns}); }

template <class F>
std::function<ordered()> made(F f) {
  auto y = std::make_shared<std::tuple<at::Tensor, at::Tensor>>();
  return [y, f]() -> ordered {
    c10::InferenceMode no_tape;
    *y = f();
    const auto& [values, indices] = *y;
    return {values.template data_ptr<float>(), indices.defined() ? indices.template data_ptr<std::int64_t>() : nullptr};
  };
}

}  // namespace

std::function<ordered()> sort(const float* x, std::int64_t rows, std::int64_t columns, int axis) {
  return made([=] { return at::sort(from(x, rows, columns), axis); });
}
std::function<ordered()> top_k(const float* x, std::int64_t rows, std::int64_t columns, std::int64_t k) {
  return made([=] { return at::topk(from(x, rows, columns), k); });
}
std::function<ordered()> cumsum(const float* x, std::int64_t rows, std::int64_t columns, int axis) {
  return made([=] { return std::tuple(at::cumsum(from(x, rows, columns), axis), at::Tensor()); });
}
std::function<ordered()> segment_sum(const float* x, std::int64_t rows, std::int64_t columns, const std::int32_t* ids, std::int64_t segments) {
  c10::InferenceMode no_tape;
  const at::Tensor index = at::from_blob(const_cast<std::int32_t*>(ids), {rows}, at::kInt).clone();
  return made([=] { return std::tuple(at::index_add(at::zeros({segments, columns}), 0, index, from(x, rows, columns)), at::Tensor()); });
}

}  // namespace bench::torch_peer

// SPDX-License-Identifier: Apache-2.0
// Moves of elements in libtorch, called below the tape.
#include "movement_torch.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/embedding_dense_backward.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <c10/core/InferenceMode.h>

#include <memory>

namespace bench::torch_peer {

namespace {

at::Tensor from(const float* p, const extents& shape) { return at::from_blob(const_cast<float*>(p), shape); }
at::Tensor indices(const std::int32_t* ids, std::int64_t n) { return at::from_blob(const_cast<std::int32_t*>(ids), {n}, at::kInt).clone(); }

template <class F>
move made(F f) {
  c10::InferenceMode no_tape;
  auto y = std::make_shared<at::Tensor>();
  return [y, f]() -> const float* {
    c10::InferenceMode no_tape;
    *y = f();
    return y->data_ptr<float>();
  };
}

}  // namespace

move transpose(const float* x, const extents& shape, const extents& order) {
  return made([x, shape, order] { return from(x, shape).permute(order).contiguous(); });
}
move concat(const std::vector<const float*>& parts, const extents& shape, int axis) {
  return made([parts, shape, axis] {
    std::vector<at::Tensor> t;
    for (const float* p : parts) t.push_back(from(p, shape));
    return at::cat(t, axis);
  });
}
move slice(const float* x, const extents& shape, const extents& begin, const extents& size) {
  return made([=] {
    at::Tensor t = from(x, shape);
    for (std::size_t d = 0; d < shape.size(); ++d) t = t.narrow(static_cast<std::int64_t>(d), begin[d], size[d]);
    return t.contiguous();
  });
}
move pad(const float* x, const extents& shape, const extents& width) {
  extents last_first;
  for (std::size_t d = shape.size(); d-- > 0;) last_first.push_back(width[d]), last_first.push_back(width[d]);
  return made([=] { return at::constant_pad_nd(from(x, shape), last_first); });
}
move tile(const float* x, const extents& shape, const extents& multiples) {
  return made([=] { return from(x, shape).repeat(multiples); });
}
move reverse(const float* x, const extents& shape, const extents& axes) {
  return made([=] { return at::flip(from(x, shape), axes); });
}
move gather_rows(const float* x, std::int64_t rows, std::int64_t columns, const std::int32_t* ids, std::int64_t n) {
  return made([=, i = indices(ids, n)] { return at::index_select(from(x, {rows, columns}), 0, i); });
}
move add_rows(const float* dy, std::int64_t rows, std::int64_t columns, const std::int32_t* ids, std::int64_t n) {
  return made([=, i = indices(ids, n).to(at::kLong)] { return at::embedding_dense_backward(from(dy, {n, columns}), i, rows, -1, false); });
}

}  // namespace bench::torch_peer

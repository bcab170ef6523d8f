// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Windows over tensors, evaluated at once: ReduceWindow, SelectAndScatter, pooling, patches, morphology. The functions and
/// their meaning are those of ops/reduce_window.hpp and ops/morphology.hpp; on typed tensors the function of a window may
/// be any callable of two elements.
///
///   tensor<float, 4, 6> x = ...;
///   auto y = xla::reduce_window(x, ops::max{}, {.window_dimensions = {2, 3}, .window_strides = {2, 3}});    // [2, 2]
///   auto z = xla::reduce_window(x, 0.f, [](float a, float b) { return std::hypot(a, b); }, {.window_dimensions = {1, 6}});
///   auto p = avg_pool(images, {.window = {3, 3}, .strides = {2, 2}, .padding = same});

#include "../kernel/morphology.hpp"
#include "../kernel/reduce_window.hpp"
#include "../ops/morphology.hpp"
#include "../ops/reduce_window.hpp"
#include "lift.hpp"

namespace rill {

namespace eager::detail {
/// The windows over a typed operand, the shape of their result in `shape`; throws when they do not fit.
inline ops::window_geometry typed_windows(const char* op, const dynamic_tensor& x, const xla::window_options& o, tensor_shape& shape) {
  failure f;
  const ops::window_geometry g = rill::detail::plan_windows(signature_of(x), o, shape, f);
  if (f) throw invalid_argument(to_string(f, op));
  return g;
}
}  // namespace eager::detail

namespace xla {

/// The elements of each window combined by ops::sum, prod, max or min (any or all for booleans), from its identity.
template <expr::eager X, ops::any_window_reducer R>
auto reduce_window(const X& x, R computation, const window_options& o) {
  return eager::lift([&](const auto& v) { return reduce_window(v, computation, o); }, x);
}
/// XLA's ReduceWindow: starting from init_value, `computation(so far, element)` over each window in row-major order. A
/// reducer of ops:: or any callable.
template <expr::eager X, class F>
auto reduce_window(const X& x, std::type_identity_t<typename X::element_type> init_value, F computation, const window_options& o) {
  using T = typename X::element_type;
  if constexpr (ops::window_reducer<F>) {
    return eager::lift([&](const auto& v) { return reduce_window(v, dynamic_tensor(tensor<T>(init_value)), computation, o); }, x);
  } else {
    const dynamic_tensor v = eager::lend(x);
    tensor_shape shape;
    const ops::window_geometry g = eager::detail::typed_windows("ReduceWindow", v, o, shape);
    dynamic_tensor out = dynamic_tensor::uninitialized(v.type(), shape);
    if (out.size() > 0)
      kernel::reduce_windows<T, T>(kernel::window_plan(g, shape), static_cast<const T*>(v.data()), static_cast<T*>(out.mutable_data()),
                                   init_value, computation);
    return eager::as_tensor<T>(std::move(out));
  }
}
/// XLA's SelectAndScatter; `select` and `scatter` are ops::first_largest, first_smallest, ops::sum or callables.
template <expr::eager X, class S, expr::eager D, class C>
auto select_and_scatter(const X& operand, S select, const window_options& o, const D& source,
                        std::type_identity_t<typename X::element_type> init_value, C scatter) {
  using T = typename X::element_type;
  return eager::lift([&](const auto& x, const auto& s) { return select_and_scatter(x, select, o, s, dynamic_tensor(tensor<T>(init_value)), scatter); },
                     operand, source);
}

}  // namespace xla

template <expr::eager X>
auto max_pool1d(const X& x, const pooling_options& o) {
  return eager::lift([&](const auto& v) { return max_pool1d(v, o); }, x);
}
template <expr::eager X, std::same_as<pooling_options> O>
auto max_pool(const X& x, const O& o) {
  return eager::lift([&](const auto& v) { return max_pool(v, o); }, x);
}
template <expr::eager X>
auto max_pool3d(const X& x, const pooling_options& o) {
  return eager::lift([&](const auto& v) { return max_pool3d(v, o); }, x);
}
template <expr::eager X>
auto avg_pool1d(const X& x, const pooling_options& o) {
  return eager::lift([&](const auto& v) { return avg_pool1d(v, o); }, x);
}
template <expr::eager X, std::same_as<pooling_options> O>
auto avg_pool(const X& x, const O& o) {
  return eager::lift([&](const auto& v) { return avg_pool(v, o); }, x);
}
template <expr::eager X>
auto avg_pool(const X& x, const pool_options& o = {}) {
  return eager::lift([&](const auto& v) { return avg_pool(v, o); }, x);
}
template <expr::eager X>
auto avg_pool3d(const X& x, const pooling_options& o) {
  return eager::lift([&](const auto& v) { return avg_pool3d(v, o); }, x);
}
template <expr::eager X>
auto pool(const X& x, const tensor_shape& window_shape, pooling_type type, const pooling_options& o = {}) {
  return eager::lift([&](const auto& v) { return pool(v, window_shape, type, o); }, x);
}

/// The largest elements and where they lie, of static dtype.
template <class T>
struct typed_max_pool_with_argmax_result {
  tensor<T, any_rank> output;
  tensor<std::int64_t, any_rank> argmax;
};
template <expr::eager X>
auto max_pool_with_argmax(const X& x, const pool_options& o = {}, argmax_options a = {}) {
  auto r = max_pool_with_argmax(dynamic_tensor(eager::lend(x)), o, a);
  return typed_max_pool_with_argmax_result<typename X::element_type>{eager::as_tensor<typename X::element_type>(std::move(r.output)),
                                                                     eager::as_tensor<std::int64_t>(std::move(r.argmax))};
}
template <expr::eager X>
auto extract_image_patches(const X& x, const patch_options& o) {
  return eager::lift([&](const auto& v) { return extract_image_patches(v, o); }, x);
}

template <expr::eager X, expr::eager F>
auto dilation2d(const X& x, const F& filter, const morphology_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return dilation2d(a, b, o); }, x, filter);
}
template <expr::eager X, expr::eager F>
auto erosion2d(const X& x, const F& filter, const morphology_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return erosion2d(a, b, o); }, x, filter);
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The functions of ops/nn.hpp, ops/batch_norm.hpp, ops/clip.hpp and ops/quantization.hpp on tensors, run-time-typed or
/// typed. Element-wise losses of typed tensors are fused expressions; other results are tensor<T, any_rank>.
///
///   auto loss = reduce_mean(sigmoid_cross_entropy_with_logits(labels, logits));      // one pass
///   auto y = local_response_normalization(images, {.depth_radius = 4, .alpha = 0.001 / 9, .beta = 0.75});

#include "../kernel/nn.hpp"
#include "../kernel/quantization.hpp"
#include "../ops/clip.hpp"
#include "indexing.hpp"

namespace rill {

namespace eager::detail {
template <class X>
using element_of = typename X::element_type;
template <class Op, class A, class B>
void check_pair(const A& a, const B& b) {
  const signature in[] = {{dtype_v<element_of<A>>, a.shape()}, {dtype_v<element_of<B>>, b.shape()}};
  failure f;
  (void)Op::infer({}, in, f);
  if (f) throw invalid_argument(to_string(f, Op::name));
}
}  // namespace eager::detail

// ---- softmax, losses -------------------------------------------------------------------------------------------------

template <expr::eager X>
auto softmax(const X& logits, softmax_options o) {
  return eager::lift([&](const auto& v) { return softmax(v, o); }, logits);
}
template <expr::eager X>
auto log_softmax(const X& logits, softmax_options o = {}) {
  return eager::lift([&](const auto& v) { return log_softmax(v, o); }, logits);
}
template <expr::eager L, expr::eager X>
auto softmax_cross_entropy_with_logits_v2(const L& labels, const X& logits, softmax_options o = {}) {
  return eager::lift_as<typename X::element_type>([&](const auto& l, const auto& v) { return softmax_cross_entropy_with_logits_v2(l, v, o); }, labels, logits);
}
template <expr::eager L, expr::eager X>
auto softmax_cross_entropy_with_logits(const L& labels, const X& logits, softmax_options o = {}) {
  return softmax_cross_entropy_with_logits_v2(labels, logits, o);
}
template <expr::eager L, expr::eager X>
auto sigmoid_cross_entropy_with_logits(const L& labels, const X& logits) {
  eager::detail::check_pair<ops::sigmoid_cross_entropy>(labels, logits);
  return detail::sigmoid_loss(labels, logits);
}
template <expr::eager L, expr::eager X, class W>
auto weighted_cross_entropy_with_logits(const L& targets, const X& logits, const W& pos_weight) {
  eager::detail::check_pair<ops::weighted_cross_entropy>(targets, logits);
  return detail::weighted_loss(targets, logits, pos_weight);
}
template <expr::eager L, expr::eager X>
auto log_poisson_loss(const L& targets, const X& log_input, log_poisson_options o = {}) {
  return eager::lift([&](const auto& z, const auto& c) { return log_poisson_loss(z, c, o); }, targets, log_input);
}
template <expr::eager X>
auto l2_loss(const X& t) {
  return eager::lift([](const auto& v) { return l2_loss(v); }, t);
}
template <expr::eager X>
auto l2_normalize(const X& x, const axis_list& axis = {}, double epsilon = 1e-12) {
  return eager::lift([&](const auto& v) { return l2_normalize(v, axis, epsilon); }, x);
}
template <expr::eager X>
auto per_image_standardization(const X& image) {
  using T = typename X::element_type;
  return eager::lift_as<std::conditional_t<is_floating_v<T>, T, float>>([](const auto& v) { return per_image_standardization(v); }, image);
}
template <expr::eager X, expr::eager B>
auto bias_add(const X& value, const B& bias, bias_add_options o = {}) {
  return eager::lift([&](const auto& v, const auto& b) { return bias_add(v, b, o); }, value, bias);
}
template <expr::eager X>
auto crelu(const X& features, axis_options o = {-1}) {
  return eager::lift([&](const auto& v) { return crelu(v, o); }, features);
}

// ---- normalization ---------------------------------------------------------------------------------------------------

template <expr::eager X, expr::eager M, expr::eager S, expr::eager B, expr::eager G>
auto batch_normalization(const X& x, const M& mean, const S& variance, const B& offset, const G& scale, double variance_epsilon) {
  return eager::lift([&](const auto&... v) { return batch_normalization(v..., variance_epsilon); }, x, mean, variance, offset, scale);
}
template <expr::eager X, expr::eager M, expr::eager S>
auto batch_normalization(const X& x, const M& mean, const S& variance, double variance_epsilon) {
  return eager::lift([&](const auto&... v) { return batch_normalization(v..., variance_epsilon); }, x, mean, variance);
}
template <expr::eager X, expr::eager S, expr::eager B>
auto fused_batch_norm(const X& x, const S& scale, const B& offset, fused_batch_norm_options o = {}) {
  using T = typename X::element_type;
  auto r = fused_batch_norm(dynamic_tensor(eager::lend(x)), dynamic_tensor(eager::lend(scale)), dynamic_tensor(eager::lend(offset)), o);
  return fused_batch_norm_result<tensor<T, any_rank>>{eager::as_tensor<T>(std::move(r.y)), eager::as_tensor<T>(std::move(r.batch_mean)),
                                                      eager::as_tensor<T>(std::move(r.batch_var))};
}
template <expr::eager X, expr::eager S, expr::eager B, expr::eager M, expr::eager W>
auto fused_batch_norm(const X& x, const S& scale, const B& offset, const M& mean, const W& variance, fused_batch_norm_options o = {}) {
  using T = typename X::element_type;
  auto r = fused_batch_norm(dynamic_tensor(eager::lend(x)), dynamic_tensor(eager::lend(scale)), dynamic_tensor(eager::lend(offset)),
                            dynamic_tensor(eager::lend(mean)), dynamic_tensor(eager::lend(variance)), o);
  return fused_batch_norm_result<tensor<T, any_rank>>{eager::as_tensor<T>(std::move(r.y)), eager::as_tensor<T>(std::move(r.batch_mean)),
                                                      eager::as_tensor<T>(std::move(r.batch_var))};
}
template <expr::eager X, expr::eager S, expr::eager B>
auto layer_normalization(const X& x, const S& scale, const B& offset, layer_normalization_options o = {}) {
  return eager::lift([&](const auto&... v) { return layer_normalization(v..., o); }, x, scale, offset);
}
template <expr::eager X, expr::eager S, expr::eager B>
auto instance_normalization(const X& x, const S& scale, const B& offset, instance_normalization_options o = {}) {
  return eager::lift([&](const auto&... v) { return instance_normalization(v..., o); }, x, scale, offset);
}
template <expr::eager X>
auto local_response_normalization(const X& input, local_response_options o = {}) {
  return eager::lift([&](const auto& v) { return local_response_normalization(v, o); }, input);
}
template <expr::eager X>
auto lrn(const X& input, local_response_options o = {}) {
  return local_response_normalization(input, o);
}

// ---- clipping, quantization ------------------------------------------------------------------------------------------

template <expr::eager X, class W>
  requires std::is_arithmetic_v<W>
auto clip_by_norm(const X& t, W clip_norm, const axis_list& axes = {}) {
  return eager::lift([&](const auto& v) { return clip_by_norm(v, clip_norm, axes); }, t);
}
template <expr::eager X, class W>
  requires std::is_arithmetic_v<W>
auto clip_by_average_norm(const X& t, W clip_norm) {
  return eager::lift([&](const auto& v) { return clip_by_average_norm(v, clip_norm); }, t);
}
namespace eager::detail {
template <class List>
std::vector<dynamic_tensor> lend_all(const List& list) {
  std::vector<dynamic_tensor> r;
  for (const auto& t : list) r.push_back(lend(t));
  return r;
}
}  // namespace eager::detail
/// Of a list of typed tensors, a std::vector or std::array.
template <class List>
  requires expr::eager<typename List::value_type>
auto global_norm(const List& t_list) {
  return eager::as_tensor<typename List::value_type::element_type>(global_norm(eager::detail::lend_all(t_list)));
}
template <class List, class W>
  requires(expr::eager<typename List::value_type> && std::is_arithmetic_v<W>)
auto clip_by_global_norm(const List& t_list, W clip_norm) {
  using T = typename List::value_type::element_type;
  auto r = clip_by_global_norm(eager::detail::lend_all(t_list), clip_norm);
  clip_by_global_norm_result<List, tensor<T, any_rank>> to{t_list, eager::as_tensor<T>(std::move(r.global_norm))};
  std::size_t k = 0;
  for (auto& t : to.list_clipped) t = eager::as_tensor<T>(std::move(r.list_clipped[k++]));
  return to;
}

template <expr::eager X>
auto fake_quant_with_min_max_args(const X& inputs, fake_quant_args o = {}) {
  return eager::lift([&](const auto& v) { return fake_quant_with_min_max_args(v, o); }, inputs);
}
template <expr::eager X, expr::eager L, expr::eager H>
auto fake_quant_with_min_max_vars(const X& inputs, const L& min, const H& max, fake_quant_options o = {}) {
  return eager::lift([&](const auto&... v) { return fake_quant_with_min_max_vars(v..., o); }, inputs, min, max);
}
template <expr::eager X, expr::eager L, expr::eager H>
auto fake_quant_with_min_max_vars_per_channel(const X& inputs, const L& min, const H& max, fake_quant_options o = {}) {
  return eager::lift([&](const auto&... v) { return fake_quant_with_min_max_vars_per_channel(v..., o); }, inputs, min, max);
}
/// Code: uint8 or int8; the range comes as numbers.
template <class Code = std::uint8_t, expr::eager X>
quantize_result<tensor<Code, any_rank>, float> quantize(const X& input, double min_range, double max_range) {
  auto r = quantize(dynamic_tensor(eager::lend(input)), min_range, max_range, dtype_v<Code>);
  return {eager::as_tensor<Code>(std::move(r.output)), r.output_min.template item<float>(), r.output_max.template item<float>()};
}
template <expr::eager X>
tensor<float, any_rank> dequantize(const X& input, double min_range, double max_range) {
  return eager::lift_as<float>([&](const auto& v) { return dequantize(v, min_range, max_range); }, input);
}
/// Matrices of int8 or uint8, as int32.
template <expr::eager A, expr::eager B>
tensor<std::int32_t, any_rank> matmul_integer(const A& a, const B& b, matmul_options o = {}) {
  return eager::lift_as<std::int32_t>([&](const auto& x, const auto& y) { return matmul_integer(x, y, o); }, a, b);
}

namespace xla {
template <expr::eager X>
auto reduce_precision(const X& operand, precision p) {
  return eager::lift([&](const auto& v) { return reduce_precision(v, p); }, operand);
}
template <expr::eager X, expr::eager S, expr::eager B>
auto batch_norm_training(const X& operand, const S& scale, const B& offset, double epsilon, std::int64_t feature_index) {
  using T = typename X::element_type;
  auto r = batch_norm_training(dynamic_tensor(eager::lend(operand)), dynamic_tensor(eager::lend(scale)), dynamic_tensor(eager::lend(offset)), epsilon, feature_index);
  return batch_norm_training_result<tensor<T, any_rank>>{eager::as_tensor<T>(std::move(r.output)), eager::as_tensor<T>(std::move(r.batch_mean)),
                                                         eager::as_tensor<T>(std::move(r.batch_var))};
}
template <expr::eager X, expr::eager S, expr::eager B, expr::eager M, expr::eager W>
auto batch_norm_inference(const X& operand, const S& scale, const B& offset, const M& mean, const W& variance, double epsilon, std::int64_t feature_index) {
  return eager::lift([&](const auto&... v) { return batch_norm_inference(v..., epsilon, feature_index); }, operand, scale, offset, mean, variance);
}
template <expr::eager X, expr::eager S, expr::eager M, expr::eager W, expr::eager G>
auto batch_norm_grad(const X& operand, const S& scale, const M& mean, const W& variance, const G& grad_output, double epsilon, std::int64_t feature_index) {
  using T = typename X::element_type;
  auto r = batch_norm_grad(dynamic_tensor(eager::lend(operand)), dynamic_tensor(eager::lend(scale)), dynamic_tensor(eager::lend(mean)),
                           dynamic_tensor(eager::lend(variance)), dynamic_tensor(eager::lend(grad_output)), epsilon, feature_index);
  return batch_norm_grad_result<tensor<T, any_rank>>{eager::as_tensor<T>(std::move(r.grad_operand)), eager::as_tensor<T>(std::move(r.grad_scale)),
                                                     eager::as_tensor<T>(std::move(r.grad_offset))};
}
}  // namespace xla

}  // namespace rill

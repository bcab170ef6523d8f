// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// General convolutions of tensors, evaluated at once; the functions and their meaning are those of ops/conv_general.hpp.
///
///   tensor<float, 1, 5, 1> x = ...;  tensor<float, 3, 1, 2> w = ...;
///   auto y = conv1d(x, w, {.stride = 2, .padding = same});           // [1, 3, 2]

#include "../kernel/conv_general.hpp"
#include "../ops/conv_general.hpp"
#include "lift.hpp"

namespace rill {

namespace xla {
template <expr::eager X, expr::eager W>
auto conv(const X& lhs, const W& rhs, const conv_options& o = {}) {
  return eager::lift([&](const auto& x, const auto& w) { return conv(x, w, o); }, lhs, rhs);
}
template <expr::eager X, expr::eager W>
auto conv_with_general_padding(const X& lhs, const W& rhs, const tensor_shape& window_strides, const window_padding& padding,
                               const tensor_shape& lhs_dilation = {}, const tensor_shape& rhs_dilation = {}) {
  return conv(lhs, rhs, {.window_strides = window_strides, .padding = padding, .lhs_dilation = lhs_dilation, .rhs_dilation = rhs_dilation});
}
}  // namespace xla

template <expr::eager X, expr::eager W>
auto convolution(const X& x, const W& filter, const convolution_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return convolution(a, b, o); }, x, filter);
}
template <expr::eager X, expr::eager W>
auto conv1d(const X& x, const W& filters, const conv1d_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return conv1d(a, b, o); }, x, filters);
}
template <expr::eager X, expr::eager W, std::same_as<convolution_options> O>
auto conv2d(const X& x, const W& filter, const O& o) {
  return eager::lift([&](const auto& a, const auto& b) { return conv2d(a, b, o); }, x, filter);
}
template <expr::eager X, expr::eager W>
auto conv3d(const X& x, const W& filter, const convolution_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return conv3d(a, b, o); }, x, filter);
}
template <expr::eager X, expr::eager W>
auto atrous_conv2d(const X& x, const W& filters, std::int64_t rate, const window_padding& padding = rill::padding::valid) {
  return eager::lift([&](const auto& a, const auto& b) { return atrous_conv2d(a, b, rate, padding); }, x, filters);
}
template <expr::eager W, expr::eager D, std::same_as<convolution_options> O>
auto conv2d_backprop_input(const tensor_shape& input_sizes, const W& filter, const D& dy, const O& o) {
  return eager::lift([&](const auto& a, const auto& b) { return conv2d_backprop_input(input_sizes, a, b, o); }, filter, dy);
}
template <expr::eager X, expr::eager D, std::same_as<convolution_options> O>
auto conv2d_backprop_filter(const X& x, const tensor_shape& filter_sizes, const D& dy, const O& o) {
  return eager::lift([&](const auto& a, const auto& b) { return conv2d_backprop_filter(a, filter_sizes, b, o); }, x, dy);
}
template <expr::eager W, expr::eager D>
auto conv3d_backprop_input(const tensor_shape& input_sizes, const W& filter, const D& dy, const convolution_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return conv3d_backprop_input(input_sizes, a, b, o); }, filter, dy);
}
template <expr::eager X, expr::eager D>
auto conv3d_backprop_filter(const X& x, const tensor_shape& filter_sizes, const D& dy, const convolution_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return conv3d_backprop_filter(a, filter_sizes, b, o); }, x, dy);
}
template <expr::eager X, expr::eager W>
auto conv_transpose(const X& x, const W& filter, const tensor_shape& output_shape, const convolution_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return conv_transpose(a, b, output_shape, o); }, x, filter);
}
template <expr::eager X, expr::eager W>
auto conv1d_transpose(const X& x, const W& filter, const tensor_shape& output_shape, const conv1d_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return conv1d_transpose(a, b, output_shape, o); }, x, filter);
}
template <expr::eager X, expr::eager W>
auto conv2d_transpose(const X& x, const W& filter, const tensor_shape& output_shape, const convolution_options& o = {}) {
  return conv_transpose(x, filter, output_shape, o);
}
template <expr::eager X, expr::eager W>
auto conv3d_transpose(const X& x, const W& filter, const tensor_shape& output_shape, const convolution_options& o = {}) {
  return conv_transpose(x, filter, output_shape, o);
}
template <expr::eager X, expr::eager W>
auto atrous_conv2d_transpose(const X& x, const W& filters, const tensor_shape& output_shape, std::int64_t rate,
                             const window_padding& padding = rill::padding::valid) {
  return eager::lift([&](const auto& a, const auto& b) { return atrous_conv2d_transpose(a, b, output_shape, rate, padding); }, x, filters);
}
template <expr::eager X, expr::eager W>
auto depthwise_conv2d(const X& x, const W& filter, const convolution_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return depthwise_conv2d(a, b, o); }, x, filter);
}
template <expr::eager X, expr::eager W>
auto depthwise_conv2d_native(const X& x, const W& filter, const convolution_options& o = {}) {
  return depthwise_conv2d(x, filter, o);
}
template <expr::eager W, expr::eager D>
auto depthwise_conv2d_native_backprop_input(const tensor_shape& input_sizes, const W& filter, const D& dy, const convolution_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return depthwise_conv2d_native_backprop_input(input_sizes, a, b, o); }, filter, dy);
}
template <expr::eager X, expr::eager D>
auto depthwise_conv2d_native_backprop_filter(const X& x, const tensor_shape& filter_sizes, const D& dy, const convolution_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b) { return depthwise_conv2d_native_backprop_filter(a, filter_sizes, b, o); }, x, dy);
}
template <expr::eager X, expr::eager D, expr::eager P>
auto separable_conv2d(const X& x, const D& depthwise_filter, const P& pointwise_filter, const convolution_options& o = {}) {
  return eager::lift([&](const auto& a, const auto& b, const auto& c) { return separable_conv2d(a, b, c, o); }, x, depthwise_filter, pointwise_filter);
}

}  // namespace rill

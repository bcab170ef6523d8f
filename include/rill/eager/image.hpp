// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The functions of ops/image.hpp on tensors, and non_max_suppression, whose result's size depends on the data.
///
///   tensor<float, 1, 4, 4, 3> x = ...;
///   auto y = resize_bilinear(x, {8, 8});                                          // [1, 8, 8, 3]
///   auto kept = non_max_suppression(boxes, scores, 10, {.iou_threshold = 0.5});   // indices, best first

#include <algorithm>
#include <limits>
#include <vector>

#include "../kernel/image.hpp"
#include "../ops/image.hpp"
#include "lift.hpp"

namespace rill {

/// Options of non_max_suppression: boxes that share more than iou_threshold of their union with a better one are dropped,
/// and those with scores not above score_threshold.
struct non_max_suppression_options {
  double iou_threshold = 0.5;
  double score_threshold = -std::numeric_limits<double>::infinity();
};

/// Indices (int32) of at most max_output_size of the boxes [n, 4], by falling scores [n] (of equal ones the first), without
/// those that overlap with one chosen before. A box is [y1, x1, y2, x2], any two opposite corners
/// (tf.image.non_max_suppression).
inline dynamic_tensor non_max_suppression(const dynamic_tensor& boxes, const dynamic_tensor& scores, std::int64_t max_output_size,
                                          non_max_suppression_options o = {}) {
  const auto refuse = [&](const std::string& why) { throw invalid_argument("NonMaxSuppression: " + why); };
  if (boxes.rank() != 2 || boxes.shape()[1] != 4 || !is_floating(boxes.type()))
    refuse("needs boxes [number of boxes, 4] of a floating dtype, got " + std::string(name_of(boxes.type())) + to_string(boxes.shape()));
  if (scores.rank() != 1 || scores.shape()[0] != boxes.shape()[0] || !is_floating(scores.type()))
    refuse("needs a score for each of " + std::to_string(boxes.shape()[0]) + " boxes, got " + std::string(name_of(scores.type())) + to_string(scores.shape()));
  if (max_output_size < 0) refuse("max_output_size must not be negative, got " + std::to_string(max_output_size));
  if (!(o.iou_threshold >= 0 && o.iou_threshold <= 1)) refuse("iou_threshold must be in [0, 1], got " + std::to_string(o.iou_threshold));
  struct box {
    double y1, x1, y2, x2;
    [[nodiscard]] double area() const { return (y2 - y1) * (x2 - x1); }
  };
  const dynamic_tensor wide_boxes = cast_to(boxes, dtype::float64), wide_scores = cast_to(scores, dtype::float64);
  const auto* const b = static_cast<const double*>(wide_boxes.data());
  const auto* const s = static_cast<const double*>(wide_scores.data());
  std::vector<std::int32_t> order;
  for (std::int32_t k = 0; k < static_cast<std::int32_t>(scores.size()); ++k)
    if (s[k] > o.score_threshold) order.push_back(k);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t i, std::int32_t j) { return s[i] > s[j]; });
  std::vector<box> chosen;
  std::vector<std::int32_t> kept;
  for (const std::int32_t k : order) {
    if (static_cast<std::int64_t>(kept.size()) == max_output_size) break;
    const double* const v = b + 4 * std::int64_t{k};
    const box c{std::min(v[0], v[2]), std::min(v[1], v[3]), std::max(v[0], v[2]), std::max(v[1], v[3])};
    const bool overlaps = std::any_of(chosen.begin(), chosen.end(), [&](const box& d) {
      if (c.area() <= 0 || d.area() <= 0) return false;
      const double height = std::min(c.y2, d.y2) - std::max(c.y1, d.y1), width = std::min(c.x2, d.x2) - std::max(c.x1, d.x1);
      const double both = std::max(height, 0.0) * std::max(width, 0.0);
      return both / (c.area() + d.area() - both) > o.iou_threshold;
    });
    if (!overlaps) chosen.push_back(c), kept.push_back(k);
  }
  dynamic_tensor r = dynamic_tensor::uninitialized(dtype::int32, {static_cast<std::int64_t>(kept.size())});
  std::copy(kept.begin(), kept.end(), static_cast<std::int32_t*>(r.mutable_data()));
  return r;
}
template <expr::eager B, expr::eager S>
auto non_max_suppression(const B& boxes, const S& scores, std::int64_t max_output_size, non_max_suppression_options o = {}) {
  return eager::as_tensor<std::int32_t>(non_max_suppression(eager::lend(boxes), eager::lend(scores), max_output_size, o));
}

namespace eager::detail {
/// What the pixels of an element type become.
template <class T>
using pixel = std::conditional_t<std::is_same_v<T, double>, double, float>;
}  // namespace eager::detail

template <expr::eager X>
auto resize_bilinear(const X& images, const tensor_shape& size, resize_options o = {}) {
  return eager::lift_as<eager::detail::pixel<typename X::element_type>>([&](const auto& v) { return resize_bilinear(v, size, o); }, images);
}
template <expr::eager X>
auto resize_nearest_neighbor(const X& images, const tensor_shape& size, resize_options o = {}) {
  return eager::lift([&](const auto& v) { return resize_nearest_neighbor(v, size, o); }, images);
}
template <expr::eager X>
auto resize_bicubic(const X& images, const tensor_shape& size, resize_options o = {}) {
  return eager::lift_as<eager::detail::pixel<typename X::element_type>>([&](const auto& v) { return resize_bicubic(v, size, o); }, images);
}
template <expr::eager X>
auto resize_area(const X& images, const tensor_shape& size, resize_options o = {}) {
  return eager::lift_as<eager::detail::pixel<typename X::element_type>>([&](const auto& v) { return resize_area(v, size, o); }, images);
}
template <expr::eager X, expr::eager B, expr::eager I>
auto crop_and_resize(const X& images, const B& boxes, const I& box_indices, const tensor_shape& crop_size, crop_and_resize_options o = {}) {
  return eager::lift_as<eager::detail::pixel<typename X::element_type>>(
      [&](const dynamic_tensor& x, const dynamic_tensor& b, const dynamic_tensor& i) { return crop_and_resize(x, b, i, crop_size, o); }, images, boxes, box_indices);
}

}  // namespace rill

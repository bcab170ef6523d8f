// SPDX-License-Identifier: Apache-2.0
// Images at another size, and boxes that do not overlap.
#include <cmath>

#include "driver.hpp"
#include "rill/eager/image.hpp"
#include "rill/eager/movement.hpp"

namespace onnx {
namespace {
using namespace rill;

std::vector<double> numbers(const dynamic_tensor& t) {
  const dynamic_tensor wide = cast_to(t, dtype::float64);
  const auto v = wide.span<double>();
  return {v.begin(), v.end()};
}

// Of [batch, channels, height, width].
results resized(const call& c) {
  const dynamic_tensor x = transpose(c.x(), {0, 2, 3, 1});
  const std::string mode = c.s("mode", "nearest"), places = c.s("coordinate_transformation_mode", "half_pixel"),
                    nearest = c.s("nearest_mode", "round_prefer_floor");
  std::vector<double> scales;
  tensor_shape size;
  if (c.given(3)) {
    for (int d = 1; d < 3; ++d) size.push_back(integers(c.x(3)).at(static_cast<std::size_t>(d + 1))), scales.push_back(static_cast<double>(size[d - 1]) / static_cast<double>(x.shape()[d]));
  } else {
    for (int d = 1; d < 3; ++d) scales.push_back(numbers(c.x(2)).at(static_cast<std::size_t>(d + 1))), size.push_back(static_cast<std::int64_t>(std::floor(scales.back() * static_cast<double>(x.shape()[d]))));
  }
  dynamic_tensor y;
  if (places == "tf_crop_and_resize") {
    const std::vector<double> roi = numbers(c.x(1));  // the starts of all axes, then the ends
    tensor<float, 1, 4> box;
    for (std::size_t k = 0; k < 4; ++k) box.data()[k] = static_cast<float>(roi.at(k < 2 ? 2 + k : 4 + k));
    y = crop_and_resize(x, dynamic_tensor(box), dynamic_tensor::zeros(dtype::int32, {1}), size, {.extrapolation_value = c.f("extrapolation_value", 0)});
  } else {
    const auto axis = [&](int d) -> resample_axis {
      const double scale = scales[static_cast<std::size_t>(d - 1)], n = static_cast<double>(x.shape()[d]), out = scale * n;
      if (places == "asymmetric" || places == "tf_half_pixel_for_nn") return {1 / scale, 0};
      if (places == "align_corners") return {out == 1 ? 0 : (n - 1) / (out - 1), 0};
      if (places == "pytorch_half_pixel" && out <= 1) return {0, 0};
      if (places == "half_pixel" || places == "pytorch_half_pixel") return {1 / scale, -0.5};
      throw unimplemented("Resize: " + places);
    };
    y = resample(x, size,
                 {.method = mode == "nearest" ? resize_method::nearest_neighbor : mode == "linear" ? resize_method::bilinear : resize_method::bicubic,
                  .rows = axis(1),
                  .columns = axis(2),
                  .from_middles = places.find("half_pixel") != std::string::npos,
                  .rounding = nearest == "floor"               ? resample_rounding::down
                              : nearest == "ceil"              ? resample_rounding::up
                              : nearest == "round_prefer_ceil" ? resample_rounding::half_up
                                                               : resample_rounding::half_down,
                  .cubic = c.f("cubic_coeff_a", -0.75),
                  .exclude_outside = c.i("exclude_outside", 0) != 0});
  }
  return {transpose(y, {0, 3, 1, 2})};
}

// Rows [batch, class, box] of what is kept of boxes [batches, n, 4] by scores [batches, classes, n].
results suppressed(const call& c) {
  const dynamic_tensor &boxes = c.x(), &scores = c.x(1);
  const auto number = [&](std::size_t k, double otherwise) { return c.given(k) ? numbers(c.x(k)).at(0) : otherwise; };
  std::vector<std::int64_t> rows;
  for (std::int64_t b = 0; b < scores.shape()[0]; ++b)
    for (std::int64_t k = 0; k < scores.shape()[1]; ++k) {
      dynamic_tensor corners = reshape(slice_from(boxes, {b, 0, 0}, {1, -1, -1}), {-1, 4});
      if (c.i("center_point_box", 0) != 0) {  // x and y of the middle, width, height
        const dynamic_tensor middle = slice_from(corners, {0, 0}, {-1, 2}), reach = slice_from(corners, {0, 2}, {-1, 2}) * 0.5;
        corners = concat(std::vector<dynamic_tensor>{middle - reach, middle + reach}, {1});
      }
      const dynamic_tensor kept = non_max_suppression(corners, reshape(slice_from(scores, {b, k, 0}, {1, 1, -1}), {-1}), static_cast<std::int64_t>(number(2, 0)),
                                                      {number(3, 0), number(4, -std::numeric_limits<double>::infinity())});
      for (const std::int32_t i : kept.span<std::int32_t>()) rows.insert(rows.end(), {b, k, i});
    }
  return {reshape(from_integers(rows), {-1, 3})};
}

}  // namespace

void add_images(op_table& t) {
  t["Resize"] = resized;
  t["NonMaxSuppression"] = suppressed;
}

}  // namespace onnx

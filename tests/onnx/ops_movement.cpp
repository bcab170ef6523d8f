// SPDX-License-Identifier: Apache-2.0
// Operators that move elements: shapes, slices, paddings, joins, parts, triangles.
#include <algorithm>

#include "driver.hpp"
#include "rill/eager/indexing.hpp"
#include "rill/eager/movement.hpp"

namespace onnx {
namespace {
using namespace rill;

std::vector<dynamic_tensor> tensors(const call& c) {
  std::vector<dynamic_tensor> v;
  for (std::size_t k = 0; k < c.in.size(); ++k) v.push_back(c.x(k));
  return v;
}

results reshaped(const call& c) {
  tensor_shape s = shape_from(integers(c.x(1)));
  if (c.i("allowzero", 0) == 0)
    for (int d = 0; d < s.rank(); ++d)
      if (s[d] == 0) s[d] = c.x().shape()[d];
  return {reshape(c.x(), s)};
}
results flattened(const call& c) {
  const tensor_shape& s = c.x().shape();
  const std::int64_t axis = axis_in(c.i("axis", 1), s.rank(), true);
  tensor_shape r{1, 1};
  for (int d = 0; d < s.rank(); ++d) r[d < axis ? 0 : 1] *= s[d];
  return {reshape(c.x(), r)};
}
results squeezed(const call& c) { return {squeeze(c.x(), axes_from(c.list(1, "axes")))}; }
results unsqueezed(const call& c) {
  std::vector<std::int64_t> axes = c.list(1, "axes");
  const int rank = c.x().rank() + static_cast<int>(axes.size());
  for (std::int64_t& a : axes) a = axis_in(a, rank);
  std::sort(axes.begin(), axes.end());
  dynamic_tensor y = c.x();
  for (const std::int64_t a : axes) y = expand_dims(y, a);
  return {y};
}
results transposed(const call& c) { return {transpose(c.x(), axes_from(c.ints("perm")))}; }

// Both shapes may be 1 where the other is not.
results expanded(const call& c) {
  const tensor_shape want = shape_from(integers(c.x(1))), have = c.x().shape();
  const int rank = std::max(want.rank(), have.rank());
  tensor_shape s;
  for (int d = 0; d < rank; ++d) {
    const int w = d - (rank - want.rank()), h = d - (rank - have.rank());
    s.push_back(w >= 0 && want[w] != 1 ? want[w] : h >= 0 ? have[h] : 1);
  }
  return {broadcast_to(c.x(), s)};
}
results tiled(const call& c) { return {tile(c.x(), shape_from(integers(c.x(1))))}; }
results joined(const call& c) { return {concat(tensors(c), {c.at("axis").i})}; }

results parts(const call& c) {
  const std::int64_t axis = axis_in(c.i("axis", 0), c.x().rank()), n = c.x().shape()[static_cast<int>(axis)];
  std::vector<std::int64_t> sizes = c.list(1, "split");
  if (sizes.empty()) {
    const auto count = static_cast<std::int64_t>(c.wanted()), size = (n + count - 1) / count;
    for (std::int64_t at = 0; at < count; ++at) sizes.push_back(std::min(size, n - at * size));
  }
  results r;
  for (const dynamic_tensor& t : split(c.x(), shape_from(sizes), {axis})) r.push_back(t);
  return r;
}

results sliced(const call& c) {
  const tensor_shape& shape = c.x().shape();
  const std::vector<std::int64_t> start = c.list(1, "starts"), end = c.list(2, "ends"), strides = c.given(4) ? integers(c.x(4)) : std::vector<std::int64_t>();
  std::vector<std::int64_t> axes = c.list(3, "axes");
  if (axes.empty())
    for (std::size_t k = 0; k < start.size(); ++k) axes.push_back(static_cast<std::int64_t>(k));
  tensor_shape b, e, s;
  for (const std::int64_t n : shape) b.push_back(0), e.push_back(n), s.push_back(1);
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const int d = static_cast<int>(axis_in(axes[k], shape.rank()));
    b[d] = start.at(k), e[d] = end.at(k), s[d] = strides.empty() ? 1 : strides.at(k);
  }
  return {strided_slice(c.x(), b, e, s)};
}

results padded(const call& c) {
  const int rank = c.x().rank();
  const std::vector<std::int64_t> pads = c.list(1, "pads");
  const std::string mode = c.s("mode", "constant");
  pad_list p;
  for (int d = 0; d < rank; ++d) p.push_back({pads.at(static_cast<std::size_t>(d)), pads.at(static_cast<std::size_t>(d + rank)), 0});
  if (mode == "constant") return {c.given(2) ? xla::pad(c.x(), reshape(c.x(2), {}), p) : pad(c.x(), p)};
  if (mode == "reflect") return {pad(c.x(), p, {.mode = pad_mode::reflect})};
  // The border's element repeated: the indices of each axis, cut off at its ends.
  dynamic_tensor y = c.x();
  for (int d = 0; d < rank; ++d) {
    std::vector<std::int64_t> from;
    const std::int64_t n = y.shape()[d];
    for (std::int64_t k = -p.axes[d].before; k < n + p.axes[d].after; ++k) from.push_back(std::clamp(k, std::int64_t{0}, n - 1));
    y = gather(y, from_integers(from), {.axis = d});
  }
  return {y};
}

results to_depth(const call& c) { return {space_to_depth(c.x(), c.at("blocksize").i, {image_layout::nchw})}; }
results to_space(const call& c) {
  const std::int64_t b = c.at("blocksize").i;
  if (c.s("mode", "DCR") == "DCR") return {depth_to_space(c.x(), b, {image_layout::nchw})};
  const tensor_shape& s = c.x().shape();
  const dynamic_tensor y = transpose(reshape(c.x(), {s[0], s[1] / (b * b), b, b, s[2], s[3]}), {0, 1, 4, 2, 5, 3});
  return {reshape(y, {s[0], s[1] / (b * b), s[2] * b, s[3] * b})};
}

// Bands that end on the other side of the main diagonal are what the opposite band leaves.
results triangle(const call& c) {
  const std::int64_t k = c.given(1) ? integers(c.x(1)).at(0) : 0;
  const dynamic_tensor& x = c.x();
  if (c.i("upper", 1) != 0) {
    if (k <= 0) return {matrix_band_part(x, -k, -1)};
    return {op("Sub", {x, matrix_band_part(x, -1, k - 1)})};
  }
  if (k >= 0) return {matrix_band_part(x, -1, k)};
  return {op("Sub", {x, matrix_band_part(x, -k - 1, -1)})};
}

// Every element repeated along each axis: an axis of extent 1 behind each, tiled.
results upsampled(const call& c) {
  if (c.s("mode", "nearest") != "nearest") throw unimplemented("Upsample: only nearest");
  const auto scales = c.x(1).span<float>();
  dynamic_tensor y = c.x();
  for (int d = 0; d < y.rank(); ++d) {
    const auto times = static_cast<std::int64_t>(scales[static_cast<std::size_t>(d)]);
    if (static_cast<float>(times) != scales[static_cast<std::size_t>(d)]) throw unimplemented("Upsample: only by whole numbers");
    tensor_shape s = y.shape(), multiples;
    for (int e = 0; e <= y.rank(); ++e) multiples.push_back(e == d + 1 ? times : 1);
    s[d] *= times;
    y = reshape(tile(expand_dims(y, d + 1), multiples), s);
  }
  return {y};
}

results sequences_reversed(const call& c) {
  return {reverse_sequence(c.x(), c.x(1), {.seq_axis = c.i("time_axis", 0), .batch_axis = c.i("batch_axis", 1)})};
}

}  // namespace

void add_movement(op_table& t) {
  t["Reshape"] = reshaped;
  t["Flatten"] = flattened;
  t["Squeeze"] = squeezed;
  t["Unsqueeze"] = unsqueezed;
  t["Transpose"] = transposed;
  t["Expand"] = expanded;
  t["Tile"] = tiled;
  t["Concat"] = joined;
  t["Split"] = parts;
  t["Slice"] = sliced;
  t["Pad"] = padded;
  t["SpaceToDepth"] = to_depth;
  t["DepthToSpace"] = to_space;
  t["Trilu"] = triangle;
  t["Upsample"] = upsampled;
  t["ReverseSequence"] = sequences_reversed;
}

}  // namespace onnx

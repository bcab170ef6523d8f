// SPDX-License-Identifier: Apache-2.0
// The indices of the maxima of pools, and the way back.
#include "rill/eager/indexing.hpp"
#include "rill/eager/movement.hpp"
#include "windows.hpp"

namespace onnx {
namespace {
using namespace rill;

/// The elements of all windows at each place of the window, one after the other on a new first axis.
dynamic_tensor places(const dynamic_tensor& padded, const windows& w) {
  std::vector<dynamic_tensor> parts;
  tensor_shape at = w.kernel;
  for (int d = 0; d < w.n; ++d) at[d] = 0;
  for (std::int64_t k = 0, n = w.kernel.num_elements(); k < n; ++k) {
    tensor_shape begin{0, 0}, end{padded.shape()[0], padded.shape()[1]};
    for (int d = 0; d < w.n; ++d) {
      const std::int64_t size = (w.kernel[d] - 1) * w.dilations[d] + 1, from = at[d] * w.dilations[d], extent = padded.shape()[2 + d];
      begin.push_back(from), end.push_back(from + (extent - size) / w.strides[d] * w.strides[d] + 1);
    }
    parts.push_back(strided_slice(padded, begin, end, windows::with_two(w.strides)));
    for (int d = w.n - 1; d >= 0 && ++at[d] == w.kernel[d]; --d) at[d] = 0;
  }
  return stack(parts);
}

// Each element goes back to the index it came from; a larger shape that is named gets zeros behind.
results unpooled(const call& c) {
  const dynamic_tensor& x = c.x();
  const windows w = windows::of(c, x.shape());
  tensor_shape s{x.shape()[0], x.shape()[1]};
  for (int d = 0; d < w.n; ++d) s.push_back((x.shape()[2 + d] - 1) * w.strides[d] + w.kernel[d] - w.pads.axes[d].before - w.pads.axes[d].after);
  dynamic_tensor y = reshape(scatter_nd(reshape(c.x(1), {-1, 1}), reshape(x, {-1}), {s.num_elements()}), s);
  if (!c.given(2)) return {y};
  const tensor_shape wanted = shape_from(integers(c.x(2)));
  pad_list p;
  for (int d = 0; d < s.rank(); ++d) p.push_back({0, wanted[d] - s[d], 0});
  return {pad(y, p)};
}

}  // namespace

dynamic_tensor indices_of_maxima(const call& c) {
  const dynamic_tensor& x = c.x();
  const windows w = windows::of(c, x.shape());
  // The flat index of each element goes through the same windows; the maximum's place picks one.
  const tensor_shape& s = x.shape();
  dynamic_tensor index = eager::front_end::range(x, dtype::int64, s.num_elements());
  if (c.i("storage_order", 0) == 0) index = reshape(index, s);
  else {
    if (s.rank() != 4) throw unimplemented("MaxPool: column-major indices of other ranks than 4");
    index = transpose(reshape(index, {s[0], s[1], s[3], s[2]}), {0, 1, 3, 2});
  }
  const pad_list pads = windows::with_two(w.all());
  const dynamic_tensor values = places(xla::pad(x, scalar(-std::numeric_limits<double>::infinity(), x.type()), pads), w);
  const dynamic_tensor best = expand_dims(argmax(values, {0}), 0);
  return squeeze(take_along_axis(places(pad(index, pads), w), best, 0), {0});
}

void add_unpooling(op_table& t) { t["MaxUnpool"] = unpooled; }

}  // namespace onnx

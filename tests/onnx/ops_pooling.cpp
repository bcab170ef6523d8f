// SPDX-License-Identifier: Apache-2.0
// Pools: XLA's ReduceWindow over batches of channels.
#include "rill/eager/movement.hpp"
#include "rill/eager/window.hpp"
#include "windows.hpp"

namespace onnx {
namespace {
using namespace rill;

xla::window_options over(const windows& w, const pad_list& pads) {
  return {.window_dimensions = windows::with_two(w.kernel), .window_strides = windows::with_two(w.strides), .padding = windows::with_two(pads),
          .window_dilations = windows::with_two(w.dilations)};
}

results max_pooled(const call& c) {
  const dynamic_tensor& x = c.x();
  const windows w = windows::of(c, x.shape());
  const dynamic_tensor y = xla::reduce_window(x, ops::max{}, over(w, w.all()));
  if (c.wanted() < 2) return {y};
  return {y, indices_of_maxima(c)};
}

// The mean of the elements that are there: zeros of the padding count only if asked for.
results average_pooled(const call& c) {
  const windows w = windows::of(c, c.x().shape());
  dynamic_tensor x = c.x();
  pad_list pads = w.all();
  if (c.i("count_include_pad", 0) != 0) x = pad(x, windows::with_two(w.pads)), pads = w.ceiling;
  const xla::window_options o = over(w, pads);
  return {num(xla::reduce_window(x, ops::sum{}, o)) / xla::reduce_window(ones_like(x), ops::sum{}, o)};
}

template <bool Max>
results globally_pooled(const call& c) {
  axis_list axes;
  for (int d = 2; d < c.x().rank(); ++d) axes.axes[axes.count++] = d;
  return {Max ? reduce_max(c.x(), {axes, true}) : dynamic_tensor(op("ReduceMean", {c.x()}, {{"axes", of(std::vector<std::int64_t>(axes.axes, axes.axes + axes.count))}})[0].t)};
}

}  // namespace

void add_pooling(op_table& t) {
  t["MaxPool"] = max_pooled;
  t["AveragePool"] = average_pooled;
  t["GlobalMaxPool"] = globally_pooled<true>;
  t["GlobalAveragePool"] = globally_pooled<false>;
}

}  // namespace onnx

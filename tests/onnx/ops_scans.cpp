// SPDX-License-Identifier: Apache-2.0
// Arg max and arg min, cumulative sums, and reductions of several steps.
#include "reductions.hpp"
#include "rill/eager/scan.hpp"

namespace onnx {
namespace {
using namespace rill;

template <bool Largest>
results extremum_index(const call& c) {
  const std::int64_t axis = axis_in(c.i("axis", 0), c.x().rank());
  const bool last = c.i("select_last_index", 0) != 0;
  const dynamic_tensor x = last ? reverse(c.x(), {axis}) : c.x();
  dynamic_tensor k = Largest ? argmax(x, {axis}) : argmin(x, {axis});
  if (last) k = op("Sub", {dynamic_tensor(x.shape()[static_cast<int>(axis)] - 1), k});
  return {c.i("keepdims", 1) != 0 ? expand_dims(k, axis) : k};
}

results cumulative_sum(const call& c) {
  return {cumsum(c.x(), {.axis = integers(c.x(1)).at(0), .exclusive = c.i("exclusive", 0) != 0, .reverse = c.i("reverse", 0) != 0})};
}

}  // namespace

void add_scans(op_table& t) {
  t["ArgMax"] = extremum_index<true>;
  t["ArgMin"] = extremum_index<false>;
  t["CumSum"] = cumulative_sum;
  t["ReduceL2"] = [](const call& c) { return reduced(c, [](auto&& x, auto&& o) { return reduce_euclidean_norm(x, o); }, c.x()); };
  t["ReduceLogSumExp"] = [](const call& c) { return reduced(c, [](auto&& x, auto&& o) { return reduce_logsumexp(x, o); }, c.x()); };
}

}  // namespace onnx

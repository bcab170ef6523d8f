// SPDX-License-Identifier: Apache-2.0
// The largest and smallest elements.
#include "driver.hpp"
#include "rill/eager/movement.hpp"
#include "rill/eager/sort.hpp"

namespace onnx {
namespace {
using namespace rill;

results largest(const call& c) {
  const std::int64_t axis = axis_in(c.i("axis", -1), c.x().rank()), k = integers(c.x(1)).at(0);
  const dynamic_tensor x = with_axis_last(c.x(), axis);
  if (c.i("largest", 1) != 0) {
    const auto r = top_k(x, k);
    return {with_last_axis_at(r.values, axis), with_last_axis_at(cast_to(r.indices, dtype::int64), axis)};
  }
  const auto r = top_k(op("Neg", {x}), k);
  return {with_last_axis_at(op("Neg", {r.values}), axis), with_last_axis_at(cast_to(r.indices, dtype::int64), axis)};
}

}  // namespace

void add_sorting(op_table& t) {
  t["TopK"] = largest;
}

}  // namespace onnx

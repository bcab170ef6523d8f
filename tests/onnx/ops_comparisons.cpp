// SPDX-License-Identifier: Apache-2.0
// Comparisons, logic, selection, bounds.
#include "driver.hpp"
#include "rill/eager/front_end.hpp"

namespace onnx {
namespace {
using namespace rill;

results clip(const call& c) {
  dynamic_tensor y = c.x();
  const auto bound = [&](std::size_t k, const char* name) -> dynamic_tensor {
    if (c.given(k)) return c.x(k);
    return c.has(name) ? cast_like(dynamic_tensor(c.at(name).f), y) : dynamic_tensor();
  };
  const dynamic_tensor low = bound(1, "min"), high = bound(2, "max");
  if (low.has_value() && high.has_value()) return {clip_by_value(y, low, high)};
  if (low.has_value()) y = maximum(y, low);
  if (high.has_value()) y = minimum(y, high);
  return {y};
}

results is_infinite(const call& c) {
  const bool down = c.i("detect_negative", 1) != 0, up = c.i("detect_positive", 1) != 0;
  dynamic_tensor y = is_inf(c.x());
  if (!down) y = logical_and(y, greater(c.x(), 0));
  if (!up) y = logical_and(y, less(c.x(), 0));
  return {y};
}

}  // namespace

void add_comparisons(op_table& t) {
  t["Equal"] = [](const call& c) -> results { return {equal(c.x(0), c.x(1))}; };
  t["Less"] = [](const call& c) -> results { return {less(c.x(0), c.x(1))}; };
  t["LessOrEqual"] = [](const call& c) -> results { return {less_equal(c.x(0), c.x(1))}; };
  t["Greater"] = [](const call& c) -> results { return {greater(c.x(0), c.x(1))}; };
  t["GreaterOrEqual"] = [](const call& c) -> results { return {greater_equal(c.x(0), c.x(1))}; };
  t["And"] = [](const call& c) -> results { return {logical_and(c.x(0), c.x(1))}; };
  t["Or"] = [](const call& c) -> results { return {logical_or(c.x(0), c.x(1))}; };
  t["Xor"] = [](const call& c) -> results { return {logical_xor(c.x(0), c.x(1))}; };
  t["Not"] = [](const call& c) -> results { return {logical_not(c.x())}; };
  t["Where"] = [](const call& c) -> results { return {where(c.x(0), c.x(1), c.x(2))}; };
  t["IsNaN"] = [](const call& c) -> results { return {is_nan(c.x())}; };
  t["IsInf"] = is_infinite;
  t["Clip"] = clip;
}

}  // namespace onnx

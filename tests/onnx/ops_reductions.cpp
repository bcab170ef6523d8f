// SPDX-License-Identifier: Apache-2.0
// Reductions over axes.
#include "reductions.hpp"
#include "rill/eager/front_end.hpp"

namespace onnx {
namespace {
using namespace rill;

const auto sum_of = [](const dynamic_tensor& x, const reduce_options& o) { return reduce_sum(x, o); };

}  // namespace

void add_reductions(op_table& t) {
  t["ReduceSum"] = [](const call& c) { return reduced(c, sum_of, c.x()); };
  t["ReduceMean"] = [](const call& c) { return reduced(c, [](auto&& x, auto&& o) { return reduce_mean(x, o); }, c.x()); };
  t["ReduceMax"] = [](const call& c) { return reduced(c, [](auto&& x, auto&& o) { return reduce_max(x, o); }, c.x()); };
  t["ReduceMin"] = [](const call& c) { return reduced(c, [](auto&& x, auto&& o) { return reduce_min(x, o); }, c.x()); };
  t["ReduceProd"] = [](const call& c) { return reduced(c, [](auto&& x, auto&& o) { return reduce_prod(x, o); }, c.x()); };
  t["ReduceL1"] = [](const call& c) { return reduced(c, sum_of, op("Abs", {c.x()})); };
  t["ReduceLogSum"] = [](const call& c) -> results { return {op("Log", {reduced(c, sum_of, c.x())[0].t})}; };
  t["ReduceSumSquare"] = [](const call& c) { return reduced(c, sum_of, op("Mul", {c.x(), c.x()})); };
}

}  // namespace onnx

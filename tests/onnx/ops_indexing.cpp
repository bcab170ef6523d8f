// SPDX-License-Identifier: Apache-2.0
// Gathers, scatters, one-hot, masks.
#include "driver.hpp"
#include "rill/eager/indexing.hpp"

namespace onnx {
namespace {
using namespace rill;

/// Negative indices count from the end: n is added to them.
dynamic_tensor wrapped(const dynamic_tensor& k, std::int64_t n) { return op("Mod", {k, cast_like(dynamic_tensor(n), k)}); }
std::int64_t extent(const dynamic_tensor& x, std::int64_t axis) { return x.shape()[static_cast<int>(axis)]; }

results gathered(const call& c) {
  const std::int64_t axis = axis_in(c.i("axis", 0), c.x().rank());
  return {gather(c.x(), wrapped(c.x(1), extent(c.x(), axis)), {.axis = axis})};
}
results elements(const call& c) {
  const std::int64_t axis = axis_in(c.i("axis", 0), c.x().rank());
  return {take_along_axis(c.x(), wrapped(c.x(1), extent(c.x(), axis)), axis)};
}
/// Index vectors without negative indices.
dynamic_tensor wrapped_vectors(const dynamic_tensor& indices, const tensor_shape& shape, int from = 0) {
  std::vector<std::int64_t> n;
  for (std::int64_t k = 0; k < indices.shape()[indices.rank() - 1]; ++k) n.push_back(shape[from + static_cast<int>(k)]);
  return op("Mod", {indices, cast_like(from_integers(n), indices)});
}
results vectors(const call& c) {
  const std::int64_t batch_dims = c.i("batch_dims", 0);
  if (batch_dims == 0) return {gather_nd(c.x(), wrapped_vectors(c.x(1), c.x().shape()))};
  if (batch_dims != 1) throw unimplemented("GatherND: of more than one batch axis");
  std::vector<dynamic_tensor> rows;
  const std::vector<dynamic_tensor> x = unstack(c.x()), k = unstack(c.x(1));
  for (std::size_t b = 0; b < x.size(); ++b) rows.push_back(gather_nd(x[b], wrapped_vectors(k[b], x[b].shape())));
  return {stack(rows)};
}

dynamic_tensor combined(const call& c, const dynamic_tensor& x, const dynamic_tensor& indices, const dynamic_tensor& updates) {
  const std::string how = c.s("reduction", "none");
  return tensor_scatter(x, indices, updates, how == "add" ? scatter_kind::add : how == "mul" ? scatter_kind::mul : how == "max" ? scatter_kind::max : how == "min" ? scatter_kind::min : scatter_kind::update);
}
results scattered(const call& c) { return {combined(c, c.x(0), wrapped_vectors(c.x(1), c.x().shape()), c.x(2))}; }

// An index vector for each element: its own position, but for the axis.
results scattered_elements(const call& c) {
  const dynamic_tensor& x = c.x();
  const int axis = static_cast<int>(axis_in(c.i("axis", 0), x.rank()));
  const dynamic_tensor k = wrapped(cast_to(c.x(1), dtype::int64), extent(x, axis));
  std::vector<dynamic_tensor> parts;
  for (int d = 0; d < x.rank(); ++d) {
    tensor_shape line;
    for (int e = 0; e < x.rank(); ++e) line.push_back(e == d ? k.shape()[d] : 1);
    parts.push_back(d == axis ? k : broadcast_to(reshape(eager::front_end::range(k, dtype::int64, k.shape()[d]), line), k.shape()));
  }
  return {combined(c, x, stack(parts, {-1}), c.x(2))};
}

// Indices below -depth or from depth on give a line of off values, as every index outside gives in one_hot.
results one_hot_of(const call& c) {
  const auto depth = integers(cast_to(reshape(c.x(1), {1}), dtype::int64)).at(0);
  const std::vector<dynamic_tensor> two = unstack(c.x(2));
  const dynamic_tensor k = cast_to(c.x(), dtype::int64);
  const dynamic_tensor inside = op("And", {op("Less", {k, dynamic_tensor(depth)}), op("GreaterOrEqual", {k, dynamic_tensor(-depth)})});
  const dynamic_tensor from_front = op("Where", {inside, wrapped(k, depth), full_like(k, -1)});
  const dynamic_tensor hot = one_hot(from_front, depth, {.axis = c.i("axis", -1), .type = dtype::boolean});
  return {op("Where", {hot, two.at(1), two.at(0)})};
}

results non_zero(const call& c) { return {transpose(where(cast_to(c.x(), dtype::boolean)))}; }

// A condition that is shorter than the axis drops what lies behind it.
results compressed(const call& c) {
  const bool whole = !c.has("axis");
  const dynamic_tensor x = whole ? reshape(c.x(), {-1}) : c.x();
  const std::int64_t axis = whole ? 0 : axis_in(c.at("axis").i, x.rank());
  const dynamic_tensor kept = slice_along(x, static_cast<int>(axis), 0, c.x(1).shape()[0]);
  return {boolean_mask(kept, c.x(1), {axis})};
}

}  // namespace

void add_indexing(op_table& t) {
  t["Gather"] = gathered;
  t["GatherElements"] = elements;
  t["GatherND"] = vectors;
  t["ScatterND"] = scattered;
  t["ScatterElements"] = scattered_elements;
  t["Scatter"] = scattered_elements;
  t["OneHot"] = one_hot_of;
  t["NonZero"] = non_zero;
  t["Compress"] = compressed;
}

}  // namespace onnx

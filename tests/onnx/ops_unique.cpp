// SPDX-License-Identifier: Apache-2.0
// Distinct elements, rows.
#include "driver.hpp"
#include "rill/eager/sort.hpp"

namespace onnx {
namespace {
using namespace rill;

// The rank of each row among the distinct rows in lexicographic order: column by column, the rank so far and the rank
// within the column make a number whose rank is the next one.
dynamic_tensor rank_rows(const dynamic_tensor& rows) {
  const auto rank = [](const dynamic_tensor& v) {
    const auto u = unique(v, dtype::int64);
    return op("Gather", {cast_to(invert_permutation(argsort(u.y)), dtype::int64), u.idx});
  };
  dynamic_tensor r = zeros_like(cast_to(slice_along(rows, 1, 0, 1), dtype::int64));
  r = reshape(r, {-1});
  for (std::int64_t k = 0; k < rows.shape()[1]; ++k)
    r = rank(num(r) * static_cast<double>(rows.shape()[0]) + rank(reshape(slice_along(rows, 1, k, 1), {-1})));
  return r;
}

results distinct(const call& c) {
  const bool whole = !c.has("axis");
  const std::int64_t axis = whole ? 0 : axis_in(c.at("axis").i, c.x().rank());
  const dynamic_tensor x = whole ? reshape(c.x(), {-1}) : c.x();
  const std::int64_t n = x.shape()[static_cast<int>(axis)];
  dynamic_tensor keys = x;
  if (!whole) {
    const dynamic_tensor last = with_axis_last(x, axis);
    keys = rank_rows(transpose(reshape(last, {-1, n})));
  }
  const auto u = unique_with_counts(keys, dtype::int64);
  const std::int64_t groups = u.y.shape()[0];
  attribute least;
  least.s = "min";
  dynamic_tensor first = op("ScatterND", {broadcast_to(dynamic_tensor(n), {groups}), expand_dims(u.idx, 1), eager::front_end::range(x, dtype::int64, n)},
                            {{"reduction", least}})[0].t;
  dynamic_tensor inverse = u.idx, count = u.count;
  if (c.i("sorted", 1) != 0) {
    const dynamic_tensor order = argsort(u.y);
    first = op("Gather", {first, order}), count = op("Gather", {count, order});
    inverse = op("Gather", {cast_to(invert_permutation(order), dtype::int64), inverse});
  }
  return {op("Gather", {x, first}, {{"axis", of(axis)}})[0], first, inverse, count};
}

}  // namespace

void add_unique(op_table& t) { t["Unique"] = distinct; }

}  // namespace onnx

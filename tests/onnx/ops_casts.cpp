// SPDX-License-Identifier: Apache-2.0
// Casts, constants, shapes as tensors.
#include "driver.hpp"
#include "rill/eager/movement.hpp"
#include "rill/ops/string.hpp"

namespace onnx {
namespace {
using namespace rill;

dynamic_tensor cast_any(const dynamic_tensor& x, dtype to) {
  if (x.type() == to) return x;
  if (to == dtype::string) {
    if (x.type() != dtype::float32) throw unimplemented("Cast: only float32 is turned into strings here");
    return as_string(x.to<float, any_rank>(), {.precision = 8, .shortest = true});
  }
  if (x.type() == dtype::string) return cast_to(dynamic_tensor(string_to_number<double>(x.to<std::string, any_rank>())), to);
  return cast_to(x, to);
}

results constant(const call& c) {
  if (c.has("value")) return {c.at("value").t};
  if (c.has("value_float")) return {dynamic_tensor(c.at("value_float").f)};
  if (c.has("value_int")) return {dynamic_tensor(c.at("value_int").i)};
  if (c.has("value_ints")) return {from_integers(c.at("value_ints").ints)};
  if (c.has("value_floats")) {
    const std::vector<float>& v = c.at("value_floats").floats;
    dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float32, {static_cast<std::int64_t>(v.size())});
    for (std::size_t k = 0; k < v.size(); ++k) static_cast<float*>(t.mutable_data())[k] = v[k];
    return {t};
  }
  throw unimplemented("Constant: of a kind that is not read");
}

results constant_of_shape(const call& c) {
  const dynamic_tensor number = c.has("value") ? reshape(c.at("value").t, {}) : dynamic_tensor(0.f);
  return {broadcast_to(number, shape_from(integers(c.x())))};
}

results shape(const call& c) {
  const std::int64_t n = c.x().rank();
  const auto clamped = [&](std::int64_t k) { return std::min(std::max(k < 0 ? k + n : k, std::int64_t{0}), n); };
  const std::int64_t start = clamped(c.i("start", 0)), end = clamped(c.i("end", n));
  return {slice_along(shape_of(c.x(), dtype::int64), 0, start, std::max(end - start, std::int64_t{0}))};
}

// start + k * delta for the k that stay below limit.
results range(const call& c) {
  const dynamic_tensor &start = c.x(0), &delta = c.x(2);
  const dynamic_tensor n = op("Ceil", {op("Div", {cast_to(op("Sub", {c.x(1), start}), dtype::float64), cast_to(delta, dtype::float64)})});
  const dynamic_tensor k = eager::front_end::range(start, start.type(), std::max(static_cast<std::int64_t>(*n.span<double>().data()), std::int64_t{0}));
  return {op("Add", {op("Mul", {k, delta}), start})};
}

results eye_like(const call& c) {
  const tensor_shape& s = c.x().shape();
  const dtype type = c.has("dtype") ? dtype_of(c.at("dtype").i) : c.x().type();
  const dynamic_tensor row = eager::front_end::range(c.x(), dtype::int64, s[0]), column = eager::front_end::range(c.x(), dtype::int64, s[1]);
  return {cast_to(op("Equal", {op("Add", {expand_dims(row, 1), dynamic_tensor(c.i("k", 0))}), column}), type)};
}

}  // namespace

void add_casts(op_table& t) {
  t["Cast"] = [](const call& c) -> results { return {cast_any(c.x(), dtype_of(c.at("to").i))}; };
  t["CastLike"] = [](const call& c) -> results { return {cast_any(c.x(), c.x(1).type())}; };
  t["Constant"] = constant;
  t["ConstantOfShape"] = constant_of_shape;
  t["Shape"] = shape;
  t["Size"] = [](const call& c) -> results { return {count_of(c.x(), dtype::int64)}; };
  t["Range"] = range;
  t["EyeLike"] = eye_like;
}

}  // namespace onnx

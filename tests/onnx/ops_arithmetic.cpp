// SPDX-License-Identifier: Apache-2.0
// Arithmetic of two and more tensors.
#include "driver.hpp"
#include "rill/eager/front_end.hpp"

namespace onnx {
namespace {

using namespace rill;

template <dynamic_tensor (*F)(const dynamic_tensor&, const dynamic_tensor&)>
results variadic(const call& c) {
  dynamic_tensor y = c.x(0);
  for (std::size_t k = 1; k < c.in.size(); ++k) y = F(y, c.x(k));
  return {y};
}
using T = const dynamic_tensor&;

dynamic_tensor quotient(T a, T b) { return is_integer(a.type()) ? dynamic_tensor(truncate_div(a, b)) : dynamic_tensor(divide(a, b)); }
dynamic_tensor larger(T a, T b) { return maximum(a, b); }
dynamic_tensor smaller(T a, T b) { return minimum(a, b); }
dynamic_tensor sum_of(T a, T b) { return a + b; }

results mean_of(const call& c) {
  const dynamic_tensor sum = variadic<&sum_of>(c)[0].t;
  return {sum / static_cast<double>(c.in.size())};
}
results mod(const call& c) { return {c.i("fmod", 0) != 0 ? dynamic_tensor(truncate_mod(c.x(0), c.x(1))) : dynamic_tensor(floor_mod(c.x(0), c.x(1)))}; }

// The result has the type of the base; bases and exponents of different types meet in the wider of float32 and float64.
results power(const call& c) {
  const dynamic_tensor &x = c.x(0), &e = c.x(1);
  if (x.type() == e.type()) return {pow(x, e)};
  if (is_integer(x.type()) && is_integer(e.type())) return {pow(x, cast_like(e, x))};
  if (is_floating(x.type())) return {pow(x, cast_like(e, x))};
  return {cast_like(pow(cast_to(x, dtype::float64), cast_to(e, dtype::float64)), x)};
}
results bit_shift(const call& c) {
  return {c.s("direction", "") == "LEFT" ? dynamic_tensor(left_shift(c.x(0), c.x(1))) : dynamic_tensor(right_shift(c.x(0), c.x(1)))};
}

}  // namespace

void add_arithmetic(op_table& t) {
  t["Add"] = [](const call& c) -> results { return {c.x(0) + c.x(1)}; };
  t["Sub"] = [](const call& c) -> results { return {c.x(0) - c.x(1)}; };
  t["Mul"] = [](const call& c) -> results { return {c.x(0) * c.x(1)}; };
  t["Div"] = [](const call& c) -> results { return {quotient(c.x(0), c.x(1))}; };
  t["Max"] = variadic<&larger>;
  t["Min"] = variadic<&smaller>;
  t["Sum"] = variadic<&sum_of>;
  t["Mean"] = mean_of;
  t["Mod"] = mod;
  t["Pow"] = power;
  t["BitShift"] = bit_shift;
}

}  // namespace onnx

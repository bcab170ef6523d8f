// SPDX-License-Identifier: Apache-2.0
// Roots, exponentials, signs and rounding.
#include "driver.hpp"
#include "rill/eager/front_end.hpp"

namespace onnx {
namespace {
using namespace rill;
}

void add_elementwise(op_table& t) {
  t["Abs"] = [](const call& c) -> results { return {abs(c.x())}; };
  t["Neg"] = [](const call& c) -> results { return {negative(c.x())}; };
  t["Sign"] = [](const call& c) -> results { return {sign(c.x())}; };
  t["Ceil"] = [](const call& c) -> results { return {ceil(c.x())}; };
  t["Floor"] = [](const call& c) -> results { return {floor(c.x())}; };
  t["Round"] = [](const call& c) -> results { return {round(c.x())}; };
  t["Sqrt"] = [](const call& c) -> results { return {sqrt(c.x())}; };
  t["Reciprocal"] = [](const call& c) -> results { return {reciprocal(c.x())}; };
  t["Exp"] = [](const call& c) -> results { return {exp(c.x())}; };
  t["Log"] = [](const call& c) -> results { return {log(c.x())}; };
  t["Identity"] = [](const call& c) -> results { return {c.in.at(0)}; };
}

}  // namespace onnx

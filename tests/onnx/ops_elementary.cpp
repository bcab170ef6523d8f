// SPDX-License-Identifier: Apache-2.0
// Trigonometric and hyperbolic functions, erf.
#include "driver.hpp"
#include "rill/eager/front_end.hpp"

namespace onnx {
namespace {
using namespace rill;
}

void add_elementary(op_table& t) {
  t["Sin"] = [](const call& c) -> results { return {sin(c.x())}; };
  t["Cos"] = [](const call& c) -> results { return {cos(c.x())}; };
  t["Tan"] = [](const call& c) -> results { return {tan(c.x())}; };
  t["Asin"] = [](const call& c) -> results { return {asin(c.x())}; };
  t["Acos"] = [](const call& c) -> results { return {acos(c.x())}; };
  t["Atan"] = [](const call& c) -> results { return {atan(c.x())}; };
  t["Sinh"] = [](const call& c) -> results { return {sinh(c.x())}; };
  t["Cosh"] = [](const call& c) -> results { return {cosh(c.x())}; };
  t["Tanh"] = [](const call& c) -> results { return {tanh(c.x())}; };
  t["Asinh"] = [](const call& c) -> results { return {asinh(c.x())}; };
  t["Acosh"] = [](const call& c) -> results { return {acosh(c.x())}; };
  t["Atanh"] = [](const call& c) -> results { return {atanh(c.x())}; };
  t["Erf"] = [](const call& c) -> results { return {erf(c.x())}; };
}

}  // namespace onnx

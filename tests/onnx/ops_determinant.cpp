// SPDX-License-Identifier: Apache-2.0
// Determinants.
#include "driver.hpp"
#include "rill/eager/linalg.hpp"

namespace onnx {

void add_determinant(op_table& t) {
  t["Det"] = [](const call& c) -> results { return {rill::matrix_determinant(c.x())}; };
}

}  // namespace onnx

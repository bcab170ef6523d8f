// SPDX-License-Identifier: Apache-2.0
// Tensors whose static extents do not broadcast.
// expect: shapes_do_not_broadcast
// expect: extents<2, ?3>.*extents<4>

#include <rill/expr/eager.hpp>

int main() {
  rill::tensor<float, 2, 3> a;
#ifdef RILL_MUST_FAIL
  rill::tensor<float, 4> b;
#else
  rill::tensor<float, 3> b;
#endif
  rill::tensor c = a + b;
  return static_cast<int>(c(0, 0));
}

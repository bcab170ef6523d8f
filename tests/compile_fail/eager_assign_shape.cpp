// SPDX-License-Identifier: Apache-2.0
// A result assigned to a tensor of another static shape.
// expect: shapes_match<.*extents<3, ?2>.*extents<2, ?3>

#include <rill/expr/eager.hpp>

int main() {
  rill::tensor<float, 2, 3> a;
#ifdef RILL_MUST_FAIL
  rill::tensor<float, 3, 2> b = a * 2;
#else
  rill::tensor<float, 2, 3> b = a * 2;
#endif
  return static_cast<int>(b(0, 0));
}

// SPDX-License-Identifier: Apache-2.0
// Tensors of two dtypes: a cast is wanted.
// expect: dtypes_differ<float, ?int>

#include <rill/expr/eager.hpp>

int main() {
  rill::tensor<float, 3> a;
  rill::tensor<int, 3> b;
#ifdef RILL_MUST_FAIL
  rill::tensor c = a + b;
#else
  rill::tensor c = a + rill::cast<float>(b);
#endif
  return static_cast<int>(c(0));
}

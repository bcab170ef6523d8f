// SPDX-License-Identifier: Apache-2.0
// Arithmetic on strings: an op for numbers says where the functions of strings are.
// expect: this op works on numbers: string tensors have the functions of <rill/ops/string.hpp>

#include <rill/expr/eager.hpp>
#include <rill/ops/string.hpp>

int main() {
  const rill::tensor<std::string, rill::dyn> a{"x", "y"};
#ifdef RILL_MUST_FAIL
  rill::tensor b = a * a;
#else
  rill::tensor b = a + a;
#endif
  return static_cast<int>(b.size());
}

// SPDX-License-Identifier: Apache-2.0
// The example of TensorFlow's tfcompile documentation, with a library that rill_add_compiled_model made. It is linked without
// oneTBB.

#include <algorithm>
#include <iostream>

#include "matmul_model.h"

int main() {
  foo::bar::MatMulComp matmul;

  // Set up args and run the computation.
  const float args[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  std::copy(args + 0, args + 6, matmul.arg0_data());
  std::copy(args + 6, args + 12, matmul.arg1_data());
  if (!matmul.Run()) {
    std::cout << "Failed. " << matmul.error() << std::endl;
    return 1;
  }

  // Check result
  if (matmul.result0(0, 0) != 58) {
    std::cout << "Failed. Expected value 58 at 0,0. Got:" << matmul.result0(0, 0) << std::endl;
    return 1;
  }
  const float all[4] = {58, 64, 139, 154};
  if (!std::equal(all, all + 4, matmul.result0_data()) || matmul.arg1(2, 1) != 12) {
    std::cout << "Failed. The product is not {{58, 64}, {139, 154}}." << std::endl;
    return 1;
  }
  std::cout << "Success" << std::endl;
}

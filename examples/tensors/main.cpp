// SPDX-License-Identifier: Apache-2.0
// A tour of tensors: values, fused expressions, broadcasting, slices, reductions, products.

#include <iostream>
#include <rill/expr/eager.hpp>

using namespace rill;

int main() {
  tensor<int, 2, 2> a{{1, 2}, {3, 4}};
  tensor b = a + 1;
  std::cout << "a * (a + 1) =\n" << a * b << "\n\n";

  // Static extents are checked by the compiler, dyn ones when the expression is made.
  tensor<float, dyn, 3> x({4, 3});
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(i) / 2;
  tensor<float, 3> row{1, 0, -1};
  auto y = relu(x * 2 - 3) + row;  // nothing is computed yet; y keeps x and row alive
  std::cout << "relu(x * 2 - 3) + row =\n" << y << "\n\n";
  std::cout << "its mean over rows: " << reduce_mean(y, axis<0>) << ", its largest element: " << reduce_max(y) << '\n';
  std::cout << "argmax of each row: " << argmax(y, axis<1>) << "\n\n";

  x(all, 1) = x(all, 0) * 10;  // a slice is a view; assigning writes through it
  std::cout << "rows 1 to 3 of x, last column first:\n" << x(slice{1, 3}, slice{.step = -1}) << "\n\n";

  tensor w = transpose(x);
  std::cout << "x . x^T =\n" << matmul(x, w) << "\n\n";
  std::cout << "softmax of the documentation's logits: " << softmax(tensor<float, 1, 3>{{-1.3f, 2.6f, -0.9f}}) << '\n';

  try {
    tensor<float, dyn, dyn> wrong({5, 5});
    std::cout << matmul(x, wrong) << '\n';
  } catch (const invalid_argument& e) {
    std::cout << "\nand what does not fit says so: " << e.what() << '\n';
  }
}

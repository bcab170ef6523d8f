// SPDX-License-Identifier: Apache-2.0
// Batches of products, cumulative sums and orders as ops of a model: on a device as on the CPU, byte by byte.
#include "own_op.hpp"

namespace {

using namespace test;

TEST_CASE("products of matrices, cumulative sums and orders") {
  check<own::batch_matmul_kernel, float>({numbers<float>({3, 1, 5, 7}), numbers<float>({2, 4, 7})}, with({0, 1}));
  check<own::scan_kernel<ops::sum>, float>({numbers<float>({2, 70, 3})}, with({1, 1, 1}));
  check<own::sort_kernel, float>({numbers<float>({3, 41})}, with({1, 1}));
  check<own::argsort_kernel, float>({numbers<float>({3, 41})}, with({1}));
  check<own::top_k_kernel, float>({numbers<float>({3, 41})}, with({4}));
}

}  // namespace

// SPDX-License-Identifier: Apache-2.0
// Products and convolutions through NVIDIA's libraries, compiled where there is no GPU to run them.
#include <rill/cuda/blas.cuh>
#if __has_include(<cudnn.h>)
#include <rill/cuda/dnn.cuh>
#endif

using namespace rill;

void product(cuda::device& d, cuda::blas& library, const float* a, const float* b, float* c) {
  cuda::store_epilogue<float> store;
  store.output(0, c, 64), store.columns = 64;
  cuda::matmul<float, cuda::precision::tf32>(d, library, 128, 64, 32, false, true, cuda::plain_operand<float>{a, 32}, cuda::plain_operand<float>{b, 32}, store);
}

#if __has_include(<cudnn.h>)
void convolution(cuda::device& d, cuda::dnn& library, const kernel::conv2d_dims& dims, const float* x, const float* w, float* y) {
  cuda::store_epilogue<float> store;
  store.output(0, y, dims.out_c), store.columns = dims.out_c;
  cuda::conv2d<float>(d, library, dims, cuda::plain_operand<float>{x, dims.in_w * dims.in_c}, cuda::plain_operand<float>{w, dims.out_c}, store);
}
#endif

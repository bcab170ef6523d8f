// SPDX-License-Identifier: Apache-2.0
// Products and convolutions through NVIDIA's libraries, and training on several GPUs, compiled where there is no GPU to run them.
#include <rill/cuda/libraries.cuh>
#include <rill/cuda/towers.cuh>
#include <rill/losses/mean_squared_error.hpp>
#include <rill/nn/dense.hpp>
#include <rill/optimizers/gradient_descent.hpp>

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

/// A line that is fitted by two GPUs.
struct line {
  static constexpr bool training = true;
  constexpr auto operator()(auto x, auto y) const {
    const auto loss = losses::mean_squared_error(y, nn::dense{.units = 1}(x));
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{}.minimize(loss)));
  }
};
void fit(const tensor<float, dyn, 4>& x, const tensor<float, dyn, 1>& y) {
  cuda::tower_session<line, tensor<float, dyn, 4>, tensor<float, dyn, 1>> s({}, {}, cuda::towers(gpu(0), gpu(1)));
  s.step(x, y);
}

/// A layer by the libraries, in sessions.
struct layer {
  constexpr auto operator()(auto x) const { return nn::dense{.units = 64, .activation = relu}(x); }
};
void apply(const tensor<float, dyn, 64>& x) {
  using by = cuda::library_contractions<cuda::precision::tf32>;
  cuda::session_by<by, layer, tensor<float, dyn, 64>> s({}, {}, cuda::on(gpu(0), by{}));
  s.step(x);
}

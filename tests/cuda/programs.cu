// SPDX-License-Identifier: Apache-2.0
// What users write, compiled where there is no GPU to run it: tensors, a training session and an estimator on a GPU.
#include <rill/cuda.hpp>

using namespace rill;

namespace {

constexpr auto cnn = nn::sequential(nn::reshape{{28, 28, 1}}, nn::conv2d{.filters = 8, .kernel_size = {5, 5}, .padding = same, .activation = relu},
                                    nn::max_pooling2d{.pool_size = {2, 2}, .strides = {2, 2}}, nn::flatten{}, nn::dropout{.rate = 0.4f}, nn::dense{.units = 10});
struct model {
  constexpr auto operator()(auto images) const { return cnn(images); }
};

}  // namespace

/// One line a step: what it makes and how often the device is asked.
tensor<float, dyn> tensors(const tensor<float, dyn, 64>& host) {
  const gpu_tensor<float, dyn, 64> x = to(host, gpu(0));
  const gpu_tensor<float, dyn, 64> y = relu(x * 2 + 1) - tanh(x);
  const auto norms = reduce_sum(y * y, axis<1>);
  const auto products = matmul(y, x, {.transpose_b = true});
  return to(norms + reduce_max(softmax(products), axis<0>), cpu);
}

void train(const std::string& dir) {
  auto digits = data::synthetic_digits();
  estimator classifier{multi_class_head<model, 10>{}, optimizers::adam{.learning_rate = 0.001f}, run_config{.model_dir = dir}, cuda::on(gpu(0))};
  classifier.train(digits.train | data::repeat() | data::batch(100), {.steps = 10});
  classifier.evaluate(digits.test | data::batch(100));
}

// SPDX-License-Identifier: Apache-2.0
// What kernels and training steps take on a GPU, beside what its memory and arithmetic allow. One line a row,
// `name<TAB>microseconds<TAB>microseconds at the limit`, for bench/run_gpu, which adds PyTorch's.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <rill/cuda/blas.cuh>
#include <rill/cuda/normalization.cuh>
#include <rill/cuda/session.cuh>
#include <rill/cuda/tensor.cuh>
#include <rill/losses/losses.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/adam.hpp>
#include <rill/optimizers/momentum.hpp>

using namespace rill;

namespace {

struct mnist_step {
  static constexpr bool training = true;
  constexpr auto operator()(auto images, auto labels) const {
    const auto logits = nn::sequential(nn::reshape{{28, 28, 1}}, nn::conv2d{.filters = 32, .kernel_size = {5, 5}, .padding = same, .activation = relu},
                                       nn::max_pooling2d{.pool_size = {2, 2}, .strides = {2, 2}},
                                       nn::conv2d{.filters = 64, .kernel_size = {5, 5}, .padding = same, .activation = relu},
                                       nn::max_pooling2d{.pool_size = {2, 2}, .strides = {2, 2}}, nn::flatten{},
                                       nn::dense{.units = 1024, .activation = relu}, nn::dropout{.rate = 0.4f}, nn::dense{.units = 10})(images);
    const auto loss = losses::sparse_softmax_cross_entropy(labels, logits);
    return outputs(fetch("loss", loss), fetch("train", optimizers::momentum{.learning_rate = 0.01f}.minimize(loss)));
  }
};
/// One Adam update of 16 million parameters whose gradient is their value.
struct adam_step {
  static constexpr bool training = true;
  constexpr auto operator()(auto x) const {
    const auto w = variable(x, {.name = "w", .shape = {4096, 4096}, .initializer = constant(1.f)});
    return outputs(fetch("train", optimizers::adam{.learning_rate = 0.001f}.minimize(reduce_sum(square(w)) * 0.5f)));
  }
};

class bench {
 public:
  bench() : device_(cuda::device_of(gpu(0))) {
    cuda::check(cudaEventCreate(&begin_), "an event");
    cuda::check(cudaEventCreate(&end_), "an event");
  }
  cuda::device& device() { return device_; }
  /// The median of 50 timings of `repeats` calls each, after ten that are not counted, in microseconds.
  double time(const std::function<void()>& work, int repeats = 10) {
    for (int k = 0; k < 10; ++k) work();
    std::vector<float> samples;
    for (int k = 0; k < 50; ++k) {
      cuda::check(cudaEventRecord(begin_, device_.stream()), "an event");
      for (int r = 0; r < repeats; ++r) work();
      cuda::check(cudaEventRecord(end_, device_.stream()), "an event");
      cuda::check(cudaEventSynchronize(end_), "an event");
      float ms = 0;
      cuda::check(cudaEventElapsedTime(&ms, begin_, end_), "an event");
      samples.push_back(ms * 1000 / static_cast<float>(repeats));
    }
    std::nth_element(samples.begin(), samples.begin() + 25, samples.end());
    return static_cast<double>(samples[25]);
  }
  void row(const std::string& name, double limit, const std::function<void()>& work, int repeats = 10) {
    std::printf("%s\t%.2f\t%.2f\n", name.c_str(), time(work, repeats), limit);
    std::fflush(stdout);
  }

 private:
  cuda::device& device_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

void run() {
  bench b;
  cuda::device& d = b.device();
  std::fprintf(stderr, "%s, CUDA %d\n", d.name().c_str(), CUDART_VERSION);
  constexpr std::int64_t n = std::int64_t{1} << 26;  // larger than the second cache
  using matrix = gpu_tensor<float, dyn, dyn>;
  const auto numbers = [&](std::int64_t rows, std::int64_t columns) {
    tensor<float, dyn, dyn> t({rows, columns});
    for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<float>(i * 7919 % 2003) / 1000 - 1;
    return to(t, gpu(0));
  };
  const matrix x = numbers(8192, 8192), y = numbers(8192, 8192);
  matrix z = numbers(8192, 8192);
  static_assert(n == 8192 * 8192);

  // The limits: bytes copied a microsecond, and flops of cuBLASLt's largest product in floats.
  const double copy = b.time([&] { d.copy(z.data(), x.data(), n * 4); });
  const double bytes = 8.0 * n / copy;
  std::printf("copy of 256 MiB\t%.2f\t%.2f\n", copy, copy);
  cuda::blas library(d);
  const auto product = [&](std::int64_t m, std::int64_t k, std::int64_t columns, auto&& multiply) {
    cuda::store_epilogue<float> store;
    store.output(0, z.data(), columns), store.columns = columns;
    multiply(m, columns, k, cuda::plain_operand<float>{x.data(), k}, cuda::plain_operand<float>{y.data(), columns}, store);
  };
  const auto theirs = [&](std::int64_t m, std::int64_t c, std::int64_t k, const auto& p, const auto& q, const auto& s) {
    cuda::matmul<float>(d, library, m, c, k, false, false, p, q, s);
  };
  const auto ours = [&](std::int64_t m, std::int64_t c, std::int64_t k, const auto& p, const auto& q, const auto& s) {
    cuda::matmul<float>(d, m, c, k, false, false, p, q, s);
  };
  const double largest = b.time([&] { product(8192, 8192, 8192, theirs); }, 1);
  const double flops = 2.0 * 8192 * 8192 * 8192 / largest;
  std::printf("cuBLASLt float 8192^3\t%.2f\t%.2f\n", largest, largest);
  for (const std::int64_t m : {256, 1024, 4096}) {
    const std::string size = std::to_string(m) + "^3";
    const double limit = 2.0 * static_cast<double>(m) * static_cast<double>(m) * static_cast<double>(m) / flops;
    b.row("matmul float " + size, limit, [&] { product(m, m, m, ours); });
    b.row("matmul float " + size + " by cuBLASLt", limit, [&] { product(m, m, m, theirs); });
  }

  b.row("relu(x*y+x)*0.5-y, 64 Mi", 12.0 * n / bytes, [&] { z = relu(x * y + x) * 0.5f - y; });
  b.row("sum of rows, 8192x8192", 4.0 * n / bytes, [&] { static_cast<void>(reduce_sum(x, axis<1>)); });
  b.row("sum of columns, 8192x8192", 4.0 * n / bytes, [&] { static_cast<void>(reduce_sum(x, axis<0>)); });
  b.row("softmax, 8192x8192", 8.0 * n / bytes, [&] { cuda::softmax(d, 8192, 8192, x.data(), z.data()); });
  b.row("softmax, 65536x1024", 8.0 * n / bytes, [&] { cuda::softmax(d, 65536, 1024, x.data(), z.data()); });
  b.row("layer norm, 65536x1024", 8.0 * n / bytes, [&] { cuda::layer_norm<float>(d, 65536, 1024, x.data(), y.data(), y.data() + 1024, 1e-5f, z.data()); });
  b.row("transpose, 8192x8192", 8.0 * n / bytes, [&] {
    const int order[] = {1, 0};
    cuda::transpose(d, 4, {8192, 8192}, order, x.data(), z.data());
  });

  {
    graph::variable_store store;
    cuda::session<adam_step, tensor<float, dyn>> s(store, {}, {}, cuda::on(gpu(0)));
    const tensor<float, dyn> one({1});
    b.row("Adam, 16 Mi parameters", 28.0 * 4096 * 4096 / bytes, [&] { s.step(one); });
  }
  {
    graph::variable_store store;
    cuda::session<mnist_step, tensor<float, dyn, 784>, tensor<std::int32_t, dyn>> s(store, {}, {}, cuda::on(gpu(0)));
    tensor<float, dyn, 784> images({128, 784});
    tensor<std::int32_t, dyn> labels({128});
    for (float& v : images) v = 0.5f;
    b.row("MNIST CNN, training step, batch 128", 128 * 0.0816e9 / flops, [&] { s.step(images, labels); });
  }
}

}  // namespace

int main() {
  try {
    if (cuda::device_count() == 0) {
      std::fputs("there is no GPU here\n", stderr);
      return 77;
    }
    run();
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench/run_gpu: %s\n", e.what());
    return 1;
  }
}

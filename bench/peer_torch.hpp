// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// libtorch as the benchmarks see it: plain C++, no header of libtorch. Implemented in the *_torch.cpp files, which are
/// compiled only where libtorch is installed. Objects hold their input, so that a call does nothing but the work.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bench::torch_peer {

std::string name();
void use_threads(int threads);

enum class layout { nchw, nhwc };

/// The tutorial network with dropout 0.4 and plain gradient descent, on `batch` images of 28 x 28.
class mnist_network {
 public:
  /// `weights` are the values of the variables as TensorFlow stores them (HWIO filters, [in, out] matrices): kernel and
  /// bias of both convolutions and both dense layers, in order.
  mnist_network(layout l, const std::vector<const float*>& weights, const float* images, const std::int32_t* labels,
                std::int64_t batch, double learning_rate);
  mnist_network(const mnist_network&) = delete;
  mnist_network& operator=(const mnist_network&) = delete;
  ~mnist_network();
  /// Logits without dropout and without a tape; the first element is returned.
  float forward();
  /// Loss of these logits.
  float loss();
  /// One training step.
  void step();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// A k x k SAME convolution of `batch` images of size x size.
struct convolution_shape {
  std::int64_t batch, size, in, out, k;
};
/// Calls for the convolution and its gradients. `x` is NHWC, `w` HWIO, `dy` NHWC. `result` copies the last result out, in
/// the same layouts.
struct convolution_calls {
  std::function<void()> forward, backprop_input, backprop_filter;
  std::function<void(float*)> forward_result, backprop_input_result, backprop_filter_result;
};
convolution_calls convolution(layout l, const convolution_shape& s, const float* x, const float* w, const float* dy);

/// Sparse softmax cross-entropy, mean loss and its gradient, without a tape. The gradient lies behind the pointer
/// after each call.
std::function<const float*()> softmax_cross_entropy(std::int64_t rows, std::int64_t columns, const float* logits,
                                                    const std::int32_t* labels);

/// Sum of a matrix over all (axis -1) or along axis 0 or 1; the result lies behind the pointer after each call.
std::function<const float*()> sum(std::int64_t rows, std::int64_t columns, const float* x, int axis);

/// relu(a * b + c) * 0.5 - a, op by op.
std::function<const float*()> chain(std::int64_t n, const float* a, const float* b, const float* c);

}  // namespace bench::torch_peer

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Convolutions by cuDNN, where operands are memory, the padding is one that it knows (as much before as after, but for what no
/// window reaches), and the epilogue is the plain store or, forward, acc + bias or relu(acc + bias) with a bias for each channel.
/// Everything else, and what cuDNN has no deterministic algorithm for, goes to our own kernel. cuDNN wants filters as [output
/// channel, y, x, input channel]: they are transposed on the way. Needs cuDNN 9 and -lcudnn.
///
///   dnn library(device);                                              // one for a device: handle and algorithms
///   conv2d<float>(device, library, d, x, filter, epilogue);           // and conv2d_backprop_input, conv2d_backprop_filter

#include <cudnn.h>

#include "blas.cuh"
#include "convolution.cuh"
#include "transpose.cuh"

namespace rill::cuda {

namespace detail {

inline void check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  const std::string text = std::string(what) + ": " + cudnnGetErrorString(status);
  if (status == CUDNN_STATUS_ALLOC_FAILED) throw resource_exhausted(text);
  throw failed_precondition(text);
}

template <class T>
inline constexpr cudnnDataType_t cudnn_type = CUDNN_DATA_FLOAT;
template <>
inline constexpr cudnnDataType_t cudnn_type<double> = CUDNN_DATA_DOUBLE;
template <>
inline constexpr cudnnDataType_t cudnn_type<half> = CUDNN_DATA_HALF;
template <>
inline constexpr cudnnDataType_t cudnn_type<bfloat16> = CUDNN_DATA_BFLOAT16;

/// What cuDNN may do to the operands; bfloat16 is not among its conversions of floats.
template <class T, precision P>
inline constexpr cudnnMathType_t cudnn_math = std::is_same_v<T, float> ? (P == precision::half   ? CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION
                                                                          : P == precision::tf32 ? CUDNN_DEFAULT_MATH
                                                                                                 : CUDNN_FMA_MATH)
                                              : std::is_same_v<T, double> ? CUDNN_DEFAULT_MATH
                                                                          : CUDNN_TENSOR_OP_MATH;

enum class direction { forward, to_input, to_filter };

/// Everything that a choice of an algorithm depends on.
struct library_convolution {
  direction which;
  int batch, in_h, in_w, in_c, k_h, k_w, out_h, out_w, out_c, stride_h, stride_w, pad_h, pad_w;
  cudnnDataType_t type;
  cudnnMathType_t math;
  library_epilogue epilogue;
  friend bool operator==(const library_convolution&, const library_convolution&) = default;
};

}  // namespace detail

/// cuDNN on a device: its handle, its descriptors, and the algorithms it chose.
class dnn {
 public:
  /// Algorithms may use so much scratch memory of the device.
  explicit dnn(device& d, std::size_t most_workspace = std::size_t{256} << 20) : device_(&d), most_(most_workspace) {
    try {
      d.use();  // handles belong to the GPU that is current
      detail::check(cudnnCreate(&handle_), "cuDNN");
      detail::check(cudnnSetStream(handle_, d.stream()), "cuDNN");
      for (cudnnTensorDescriptor_t* t : {&in_, &out_, &bias_}) detail::check(cudnnCreateTensorDescriptor(t), "cuDNN");
      detail::check(cudnnCreateFilterDescriptor(&filter_), "cuDNN");
      detail::check(cudnnCreateConvolutionDescriptor(&convolution_), "cuDNN");
      detail::check(cudnnCreateActivationDescriptor(&activation_), "cuDNN");
    } catch (...) {
      close();
      throw;
    }
  }
  dnn(const dnn&) = delete;
  dnn& operator=(const dnn&) = delete;
  ~dnn() { close(); }

  /// Whether cuDNN does it, as conv2d and its gradients say. If not, nothing has been done.
  template <class T, precision P, class Program>
  bool forward(const kernel::conv2d_dims& d, const plain_operand<T>& x, const plain_operand<T>& filter, const tile_epilogue<Program, T>& e) {
    constexpr library_epilogue kind = detail::library_epilogue_of<Program>;
    if constexpr (kind == library_epilogue::none || kind == library_epilogue::relu) return false;
    else {
      const void* bias = detail::column_bias(e);
      if (x.ld != d.in_w * d.in_c || filter.ld != d.out_c || e.out_row[0] != d.out_c) return false;
      if (kind != library_epilogue::store && (bias == nullptr || std::is_same_v<T, double>)) return false;
      return run<T, P>(detail::direction::forward, kind, d, x.data, filter.data, e.out[0], bias);
    }
  }
  template <class T, precision P, class Program>
  bool to_input(const kernel::conv2d_dims& d, const plain_operand<T>& dy, const plain_operand<T>& filter, const tile_epilogue<Program, T>& e) {
    if constexpr (detail::library_epilogue_of<Program> != library_epilogue::store) return false;
    else {
      if (dy.ld != d.out_w * d.out_c || filter.ld != d.out_c || e.out_row[0] != d.in_c) return false;
      return run<T, P>(detail::direction::to_input, library_epilogue::store, d, dy.data, filter.data, e.out[0], nullptr);
    }
  }
  template <class T, precision P, class Program>
  bool to_filter(const kernel::conv2d_dims& d, const plain_operand<T>& x, const plain_operand<T>& dy, const tile_epilogue<Program, T>& e) {
    if constexpr (detail::library_epilogue_of<Program> != library_epilogue::store) return false;
    else {
      if (x.ld != d.in_w * d.in_c || dy.ld != d.out_w * d.out_c || e.out_row[0] != d.out_c) return false;
      return run<T, P>(detail::direction::to_filter, library_epilogue::store, d, x.data, dy.data, e.out[0], nullptr);
    }
  }

 private:
  struct choice {
    detail::library_convolution convolution;
    int algorithm;
    cudnnMathType_t math;
    std::size_t workspace;
    bool exists;
  };

  void close() {
    if (activation_ != nullptr) static_cast<void>(cudnnDestroyActivationDescriptor(activation_));
    if (convolution_ != nullptr) static_cast<void>(cudnnDestroyConvolutionDescriptor(convolution_));
    if (filter_ != nullptr) static_cast<void>(cudnnDestroyFilterDescriptor(filter_));
    for (cudnnTensorDescriptor_t t : {in_, out_, bias_})
      if (t != nullptr) static_cast<void>(cudnnDestroyTensorDescriptor(t));
    if (handle_ != nullptr) static_cast<void>(cudnnDestroy(handle_));
  }

  /// Whether cuDNN computes so many results along an axis with as much padding after the image as before it.
  static bool even(std::int64_t in, std::int64_t window, std::int64_t stride, std::int64_t pad, std::int64_t out) {
    return in + 2 * pad >= window && (in + 2 * pad - window) / stride + 1 == out;
  }

  template <class T, precision P>
  bool run(detail::direction which, library_epilogue kind, const kernel::conv2d_dims& d, const void* a, const void* b, void* to, const void* bias) {
    device_->use();
    if (std::is_same_v<T, float> && P == precision::bfloat16) return false;
    if (!even(d.in_h, d.k_h, d.stride_h, d.pad_top, d.out_h) || !even(d.in_w, d.k_w, d.stride_w, d.pad_left, d.out_w)) return false;
    for (const std::int64_t n : {d.batch, d.in_c, d.out_c, d.out_h, d.out_w, d.batch * d.in_h * d.in_w * d.in_c, d.batch * d.out_h * d.out_w * d.out_c})
      if (n <= 0 || n >= std::int64_t{1} << 31) return false;
    const auto i = [](std::int64_t n) { return static_cast<int>(n); };
    detail::library_convolution c;
    c.which = which, c.batch = i(d.batch), c.in_h = i(d.in_h), c.in_w = i(d.in_w), c.in_c = i(d.in_c), c.k_h = i(d.k_h), c.k_w = i(d.k_w);
    c.out_h = i(d.out_h), c.out_w = i(d.out_w), c.out_c = i(d.out_c), c.stride_h = i(d.stride_h), c.stride_w = i(d.stride_w);
    c.pad_h = i(d.pad_top), c.pad_w = i(d.pad_left), c.type = detail::cudnn_type<T>, c.math = detail::cudnn_math<T, P>, c.epilogue = kind;
    describe(c);
    choice& chosen = algorithm_for(c);
    if (!chosen.exists) return false;
    const cudnnStatus_t status = enqueue(chosen, sizeof(T), a, b, to, bias);
    if (CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED) return chosen.exists = false;  // whatever it suggested
    detail::check(status, "a convolution");
    return true;
  }

  void describe(const detail::library_convolution& c) {
    const char* what = "a convolution's description";
    detail::check(cudnnSetTensor4dDescriptor(in_, CUDNN_TENSOR_NHWC, c.type, c.batch, c.in_c, c.in_h, c.in_w), what);
    detail::check(cudnnSetTensor4dDescriptor(out_, CUDNN_TENSOR_NHWC, c.type, c.batch, c.out_c, c.out_h, c.out_w), what);
    detail::check(cudnnSetTensor4dDescriptor(bias_, CUDNN_TENSOR_NHWC, c.type, 1, c.out_c, 1, 1), what);
    detail::check(cudnnSetFilter4dDescriptor(filter_, c.type, CUDNN_TENSOR_NHWC, c.out_c, c.in_c, c.k_h, c.k_w), what);
    detail::check(cudnnSetConvolution2dDescriptor(convolution_, c.pad_h, c.pad_w, c.stride_h, c.stride_w, 1, 1, CUDNN_CROSS_CORRELATION,
                                                  c.type == CUDNN_DATA_DOUBLE ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT),
                  what);
    detail::check(cudnnSetConvolutionMathType(convolution_, c.math), what);
    detail::check(cudnnSetActivationDescriptor(activation_, c.epilogue == library_epilogue::bias_relu ? CUDNN_ACTIVATION_RELU : CUDNN_ACTIVATION_IDENTITY,
                                               CUDNN_NOT_PROPAGATE_NAN, 0),
                  what);
  }

  /// The first of cuDNN's suggestions, fastest first, that always gives the same results and does what is asked.
  choice& algorithm_for(const detail::library_convolution& c) {
    for (choice& known : choices_)
      if (known.convolution == c) return known;
    choice found{c, 0, c.math, 0, false};
    const auto take = [&](cudnnStatus_t status, const auto* suggestions, int count) {
      if (status != CUDNN_STATUS_SUCCESS) return;  // nothing for such a convolution
      for (int k = 0; k < count && !found.exists; ++k) {
        const auto& s = suggestions[k];
        if (s.status != CUDNN_STATUS_SUCCESS || s.determinism != CUDNN_DETERMINISTIC || s.memory > most_) continue;
        if (c.epilogue == library_epilogue::bias && static_cast<int>(s.algo) != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM) continue;
        found.algorithm = static_cast<int>(s.algo), found.workspace = s.memory, found.exists = true;
        if (c.math != CUDNN_FMA_MATH) found.math = s.mathType;
      }
    };
    constexpr int most = 8;
    int count = 0;
    if (c.which == detail::direction::forward) {
      cudnnConvolutionFwdAlgoPerf_t s[most];
      const cudnnStatus_t status = cudnnGetConvolutionForwardAlgorithm_v7(handle_, in_, filter_, convolution_, out_, most, &count, s);
      take(status, s, count);
    } else if (c.which == detail::direction::to_input) {
      cudnnConvolutionBwdDataAlgoPerf_t s[most];
      const cudnnStatus_t status = cudnnGetConvolutionBackwardDataAlgorithm_v7(handle_, filter_, out_, convolution_, in_, most, &count, s);
      take(status, s, count);
    } else {
      cudnnConvolutionBwdFilterAlgoPerf_t s[most];
      const cudnnStatus_t status = cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle_, in_, out_, convolution_, filter_, most, &count, s);
      take(status, s, count);
    }
    choices_.push_back(found);
    return choices_.back();
  }

  /// Scratch memory is a filter in cuDNN's order, then what the algorithm works in.
  cudnnStatus_t enqueue(const choice& chosen, std::size_t width, const void* a, const void* b, void* to, const void* bias) {
    const detail::library_convolution& c = chosen.convolution;
    const std::int64_t taps = std::int64_t{c.k_h} * c.k_w * c.in_c;
    const std::size_t filter_bytes = (static_cast<std::size_t>(taps * c.out_c) * width + 255) / 256 * 256, bytes = chosen.workspace;
    auto* const turned = static_cast<unsigned char*>(device_->scratch(filter_bytes + bytes));
    void* const workspace = turned + filter_bytes;
    const int other_way[] = {1, 0};
    const double one_double = 1, zero_double = 0;
    const float one_float = 1, zero_float = 0;
    const bool is_double = c.type == CUDNN_DATA_DOUBLE;
    const void* const one = is_double ? static_cast<const void*>(&one_double) : &one_float;
    const void* const zero = is_double ? static_cast<const void*>(&zero_double) : &zero_float;
    detail::check(cudnnSetConvolutionMathType(convolution_, chosen.math), "a convolution's description");
    if (c.which == detail::direction::to_filter) {
      const auto algorithm = static_cast<cudnnConvolutionBwdFilterAlgo_t>(chosen.algorithm);
      const cudnnStatus_t status = cudnnConvolutionBackwardFilter(handle_, one, in_, a, out_, b, convolution_, algorithm, workspace, bytes, zero, filter_, turned);
      if (status == CUDNN_STATUS_SUCCESS) transpose(*device_, width, tensor_shape{c.out_c, taps}, other_way, turned, to);
      return status;
    }
    transpose(*device_, width, tensor_shape{taps, c.out_c}, other_way, b, turned);
    if (c.which == detail::direction::to_input) {
      const auto algorithm = static_cast<cudnnConvolutionBwdDataAlgo_t>(chosen.algorithm);
      return cudnnConvolutionBackwardData(handle_, one, filter_, turned, out_, a, convolution_, algorithm, workspace, bytes, zero, in_, to);
    }
    const auto algorithm = static_cast<cudnnConvolutionFwdAlgo_t>(chosen.algorithm);
    if (c.epilogue == library_epilogue::store)
      return cudnnConvolutionForward(handle_, one, in_, a, filter_, turned, convolution_, algorithm, workspace, bytes, zero, out_, to);
    return cudnnConvolutionBiasActivationForward(handle_, one, in_, a, filter_, turned, convolution_, algorithm, workspace, bytes, zero, out_, to, bias_, bias,
                                                 activation_, out_, to);
  }

  device* device_;
  std::size_t most_;
  cudnnHandle_t handle_ = nullptr;
  cudnnTensorDescriptor_t in_ = nullptr, out_ = nullptr, bias_ = nullptr;
  cudnnFilterDescriptor_t filter_ = nullptr;
  cudnnConvolutionDescriptor_t convolution_ = nullptr;
  cudnnActivationDescriptor_t activation_ = nullptr;
  std::vector<choice> choices_;
};

/// conv2d by cuDNN where it can, else by our own kernel.
template <class T, precision P = precision::float32, class X, class W, class E>
void conv2d(device& device_, dnn& library, const kernel::conv2d_dims& d, const X& x, const W& filter, const E& epilogue) {
  if constexpr (std::is_same_v<X, plain_operand<T>> && std::is_same_v<W, plain_operand<T>>) {
    if (library.forward<T, P>(d, x, filter, epilogue)) return;
  }
  conv2d<T, P>(device_, d, x, filter, epilogue);
}
/// conv2d_backprop_input by cuDNN where it can, else by our own kernel.
template <class T, precision P = precision::float32, class DY, class W, class E>
void conv2d_backprop_input(device& device_, dnn& library, const kernel::conv2d_dims& d, const DY& dy, const W& filter, const E& epilogue) {
  if constexpr (std::is_same_v<DY, plain_operand<T>> && std::is_same_v<W, plain_operand<T>>) {
    if (library.to_input<T, P>(d, dy, filter, epilogue)) return;
  }
  conv2d_backprop_input<T, P>(device_, d, dy, filter, epilogue);
}
/// conv2d_backprop_filter by cuDNN where it can, else by our own kernel.
template <class T, precision P = precision::float32, class X, class DY, class E>
void conv2d_backprop_filter(device& device_, dnn& library, const kernel::conv2d_dims& d, const X& x, const DY& dy, const E& epilogue) {
  if constexpr (std::is_same_v<X, plain_operand<T>> && std::is_same_v<DY, plain_operand<T>>) {
    if (library.to_filter<T, P>(d, x, dy, epilogue)) return;
  }
  conv2d_backprop_filter<T, P>(device_, d, x, dy, epilogue);
}

}  // namespace rill::cuda

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Matrix products by cuBLASLt, where a program is one that it knows as an epilogue: the plain store, acc + bias,
/// relu(acc) and relu(acc + bias), with a bias for each column. Which it is, is settled at compile time; everything else, and what cuBLASLt
/// has no algorithm for, goes to our own kernel. Needs CUDA's headers and -lcublasLt.
///
///   blas library(device);                                             // one for a device: handle, workspace, algorithms
///   matmul<float>(device, library, m, n, k, false, false, a, b, epilogue);
///
/// Results are the same for the same sizes on the same device. float32 means float products and sums; the other precisions
/// are those of contraction.cuh.

#include <cublasLt.h>

#include <vector>

#include "contractions.cuh"
#include "device.cuh"

namespace rill::cuda {

namespace detail {

template <class T>
inline constexpr cudaDataType_t cuda_type = CUDA_R_32F;
template <>
inline constexpr cudaDataType_t cuda_type<double> = CUDA_R_64F;
template <>
inline constexpr cudaDataType_t cuda_type<half> = CUDA_R_16F;
template <>
inline constexpr cudaDataType_t cuda_type<bfloat16> = CUDA_R_16BF;

template <class T, precision P>
inline constexpr cublasComputeType_t cublas_compute = std::is_same_v<T, double>                                     ? CUBLAS_COMPUTE_64F
                                                      : !std::is_same_v<T, float> || P == precision::float32        ? CUBLAS_COMPUTE_32F
                                                      : P == precision::tf32                                        ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                      : P == precision::half                                        ? CUBLAS_COMPUTE_32F_FAST_16F
                                                                                                                    : CUBLAS_COMPUTE_32F_FAST_16BF;

inline void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string text = std::string(what) + ": " + cublasLtGetStatusString(status) + " (" + cublasLtGetStatusName(status) + ")";
  if (status == CUBLAS_STATUS_ALLOC_FAILED) throw resource_exhausted(text);
  throw failed_precondition(text);
}

/// A matrix as cuBLASLt takes it: column by column.
struct library_matrix {
  const void* data;
  std::int64_t rows, columns, ld;
};

/// Everything that a choice of an algorithm depends on.
struct library_product {
  std::int64_t m, n, k, ld[3];
  std::uint32_t alignment[4];  ///< of a, b, c and the bias
  cudaDataType_t type;
  cublasComputeType_t compute;
  library_epilogue epilogue;
  bool transpose_a, transpose_b, has_bias;
  friend bool operator==(const library_product&, const library_product&) = default;
};

}  // namespace detail

/// cuBLASLt on a device: its handle, its workspace, and the algorithms it chose. Belongs to the device's one stream.
class blas {
 public:
  explicit blas(device& d, std::size_t workspace_bytes = std::size_t{32} << 20) : device_(&d), bytes_(workspace_bytes) {
    d.use();  // handles belong to the GPU that is current
    detail::check(cublasLtCreate(&handle_), "cuBLASLt");
    try {
      workspace_ = d.allocate(bytes_);
    } catch (...) {
      static_cast<void>(cublasLtDestroy(handle_));
      throw;
    }
  }
  blas(const blas&) = delete;
  blas& operator=(const blas&) = delete;
  ~blas() {
    device_->release(workspace_);
    static_cast<void>(cublasLtDestroy(handle_));
  }

  /// Whether cuBLASLt does it: C = op(A) op(B) with the epilogue, as matmul says. If not, nothing has been done.
  template <class T, precision P = precision::float32, class Program>
  bool multiply(std::int64_t m, std::int64_t n, std::int64_t k, bool transpose_a, bool transpose_b, const plain_operand<T>& a, const plain_operand<T>& b,
                const tile_epilogue<Program, T>& e) {
    constexpr library_epilogue kind = detail::library_epilogue_of<Program>;
    if constexpr (kind == library_epilogue::none) return false;
    else {
      const void* bias = detail::column_bias(e);
      if (m <= 0 || n <= 0 || k <= 0 || (detail::has_bias(kind) && bias == nullptr)) return false;
      detail::library_product p;
      p.m = m, p.n = n, p.k = k;
      p.ld[0] = a.ld, p.ld[1] = b.ld, p.ld[2] = e.out_row[0];
      p.alignment[0] = alignment(a.data), p.alignment[1] = alignment(b.data), p.alignment[2] = alignment(e.out[0]);
      p.alignment[3] = bias != nullptr ? alignment(bias) : 0;
      p.type = detail::cuda_type<T>, p.compute = detail::cublas_compute<T, P>, p.epilogue = kind;
      p.transpose_a = transpose_a, p.transpose_b = transpose_b, p.has_bias = bias != nullptr;
      return run(p, a.data, b.data, e.out[0], bias);
    }
  }

 private:
  struct choice {
    detail::library_product product;
    cublasLtMatmulAlgo_t algorithm;
    bool exists;
  };

  /// What divides the address, up to 256.
  static std::uint32_t alignment(const void* p) {
    std::uint32_t a = 256;
    while (reinterpret_cast<std::uintptr_t>(p) % a != 0) a /= 2;
    return a;
  }

  /// Row-major matrices are transposed column-major ones: their product is B^T A^T, and columns are rows.
  bool run(const detail::library_product& p, const void* a, const void* b, void* c, const void* bias) {
    device_->use();
    cublasLtMatmulDescOpaque_t operation{};
    const cudaDataType_t scale = p.compute == CUBLAS_COMPUTE_64F ? CUDA_R_64F : CUDA_R_32F;
    detail::check(cublasLtMatmulDescInit(&operation, p.compute, scale), "a matrix product");
    const auto set = [&](cublasLtMatmulDescAttributes_t which, const auto& value) {
      detail::check(cublasLtMatmulDescSetAttribute(&operation, which, &value, sizeof value), "a matrix product");
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, p.epilogue == library_epilogue::store  ? CUBLASLT_EPILOGUE_DEFAULT
                                       : p.epilogue == library_epilogue::relu ? CUBLASLT_EPILOGUE_RELU
                                       : p.epilogue == library_epilogue::bias ? CUBLASLT_EPILOGUE_BIAS
                                                                              : CUBLASLT_EPILOGUE_RELU_BIAS);
    if (p.has_bias) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    cublasLtMatrixLayoutOpaque_t left{}, right{}, result{};
    const auto layout = [&](cublasLtMatrixLayoutOpaque_t& l, std::int64_t rows, std::int64_t columns, std::int64_t ld) {
      detail::check(cublasLtMatrixLayoutInit(&l, p.type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), ld), "a matrix product");
    };
    layout(left, p.transpose_b ? p.k : p.n, p.transpose_b ? p.n : p.k, p.ld[1]);
    layout(right, p.transpose_a ? p.m : p.k, p.transpose_a ? p.k : p.m, p.ld[0]);
    layout(result, p.n, p.m, p.ld[2]);
    choice& chosen = algorithm_for(p, operation, left, right, result);
    if (!chosen.exists) return false;
    const double one = 1, zero = 0;
    const float one_float = 1, zero_float = 0;
    const bool wide = scale == CUDA_R_64F;
    const cublasStatus_t status = cublasLtMatmul(handle_, &operation, wide ? static_cast<const void*>(&one) : &one_float, b, &left, a, &right,
                                                 wide ? static_cast<const void*>(&zero) : &zero_float, c, &result, c, &result, &chosen.algorithm,
                                                 workspace_, bytes_, device_->stream());
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return chosen.exists = false;  // whatever it suggested
    detail::check(status, "a matrix product");
    return true;
  }

  choice& algorithm_for(const detail::library_product& p, cublasLtMatmulDescOpaque_t& operation, cublasLtMatrixLayoutOpaque_t& left,
                              cublasLtMatrixLayoutOpaque_t& right, cublasLtMatrixLayoutOpaque_t& result) {
    for (choice& c : choices_)
      if (c.product == p) return c;
    cublasLtMatmulPreferenceOpaque_t preference{};
    detail::check(cublasLtMatmulPreferenceInit(&preference), "a matrix product");
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t which, const auto& value) {
      detail::check(cublasLtMatmulPreferenceSetAttribute(&preference, which, &value, sizeof value), "a matrix product");
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, bytes_);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p.alignment[1]);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p.alignment[0]);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p.alignment[2]);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p.alignment[2]);
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle_, &operation, &left, &right, &result, &result, &preference, 1, &found, &count);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) detail::check(status, "an algorithm for a matrix product");
    choices_.push_back({p, found.algo, status == CUBLAS_STATUS_SUCCESS && count > 0});
    return choices_.back();
  }

  device* device_;
  cublasLtHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  std::size_t bytes_;
  std::vector<choice> choices_;
};

/// matmul by cuBLASLt where it can, else by our own kernel.
template <class T, precision P = precision::float32, class A, class B, class E>
void matmul(device& d, blas& library, std::int64_t m, std::int64_t n, std::int64_t k, bool transpose_a, bool transpose_b, const A& a, const B& b, const E& epilogue) {
  if constexpr (std::is_same_v<A, plain_operand<T>> && std::is_same_v<B, plain_operand<T>>) {
    if (library.multiply<T, P>(m, n, k, transpose_a, transpose_b, a, b, epilogue)) return;
  }
  matmul<T, P>(d, m, n, k, transpose_a, transpose_b, a, b, epilogue);
}

}  // namespace rill::cuda

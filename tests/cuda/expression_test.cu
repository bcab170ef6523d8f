// SPDX-License-Identifier: Apache-2.0
// Compiled for sm_90, not run, where there is no device: one fused element-wise expression and one reduction as device
// kernels over the same programs that the CPU runs.
#include <rill/core/philox.hpp>
#include <rill/core/tensor.hpp>
#include <rill/expr/scalar_eval.hpp>
#include <rill/ops/binary.hpp>
#include <rill/ops/cast.hpp>
#include <rill/ops/comparison.hpp>
#include <rill/ops/reduction.hpp>
#include <rill/ops/select.hpp>
#include <rill/ops/unary.hpp>

namespace {

using namespace rill::expr;
namespace ops = rill::ops;

/// Pointers and element strides of up to eight operands over one dimension.
struct operand_table {
  const void* in[8];
  std::int64_t in_stride[8];
  void* out[4];
  std::int64_t out_stride[4];
};

/// One thread per element.
template <class P>
__global__ void map_kernel(operand_table t, std::int64_t n) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  std::int64_t in_offset[8];
  std::int64_t out_offset[4];
  for (int k = 0; k < P::inputs::size; ++k) in_offset[k] = i * t.in_stride[k];
  for (int k = 0; k < P::outputs::size; ++k) out_offset[k] = i * t.out_stride[k];
  scalar_eval<P>(i, t.in, in_offset, t.out, out_offset);
}

/// One block per row of `columns` elements: a tree over shared memory.
template <class P, class R>
__global__ void reduce_rows_kernel(operand_table t, std::int64_t columns) {
  using T = value_type_t<P, detail::at<typename P::outputs, 0>::value>;
  __shared__ T partial[256];
  T sum = R::template identity<T>();
  for (std::int64_t j = threadIdx.x; j < columns; j += blockDim.x) {
    const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * columns + j;
    std::int64_t offset[8];
    for (int k = 0; k < P::inputs::size; ++k) offset[k] = i * t.in_stride[k];
    sum = R::combine(sum, scalar_value<P>(i, t.in, offset));
  }
  partial[threadIdx.x] = sum;
  __syncthreads();
  for (unsigned step = blockDim.x / 2; step > 0; step /= 2) {
    if (threadIdx.x < step) partial[threadIdx.x] = R::combine(partial[threadIdx.x], partial[threadIdx.x + step]);
    __syncthreads();
  }
  if (threadIdx.x == 0) static_cast<T*>(t.out[0])[blockIdx.x] = partial[0];
}

using x = in<float, walk::contiguous>;
using s = in<float, walk::constant>;

// relu(a * b + c) * 0.5 - tanh(a), and whether it is positive
using chain = program<list<x, x, x, s, s>,
                      list<let<ops::mul, ~0, ~1>, let<ops::add, 0, ~2>, let<ops::relu, 1>, let<ops::mul, 2, ~3>,
                           let<ops::tanh, ~0>, let<ops::sub, 3, 4>, let<ops::greater, 5, ~4>>,
                      list<out<float, 5>, out<bool, 6>>>;
// sum of exp(x) where x is larger than s
using masked = program<list<x, s, s>, list<let<ops::exp, ~0>, let<ops::greater, ~0, ~1>, let<ops::select, 1, 0, ~2>>,
                       list<out<float, 2>>>;

}  // namespace

void launch_map(const operand_table& t, std::int64_t n, cudaStream_t stream) {
  map_kernel<chain><<<static_cast<unsigned>((n + 255) / 256), 256, 0, stream>>>(t, n);
}

void launch_reduce(const operand_table& t, std::int64_t rows, std::int64_t columns, cudaStream_t stream) {
  reduce_rows_kernel<masked, ops::sum><<<static_cast<unsigned>(rows), 256, 0, stream>>>(t, columns);
}

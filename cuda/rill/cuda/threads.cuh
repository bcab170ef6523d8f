// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What a kernel is, and how it sees its threads. A kernel is a small, trivially copyable struct - its operands are its
/// fields - whose call operator takes the threads it runs on:
///
///   struct scale {
///     using shared = no_shared;        // or a struct that the threads of a block share
///     static constexpr bool synchronizes = false;
///     float* x;
///     std::uint32_t n;
///     template <class Threads>
///     RILL_GPU void operator()(const Threads& t) const {
///       for (std::uint32_t i = t.index(); i < n; i += t.count()) x[i] *= 2;
///     }
///   };
///   device.launch(scale{x, n}, {.blocks = 80, .threads = 256});
///
/// On a GPU the threads are `gpu_threads`. Nothing in a kernel names CUDA, so that the tests run the same kernels, block by
/// block and thread by thread, where there is no GPU.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <rill/core/half.hpp>

#ifdef __CUDACC__
#define RILL_GPU __host__ __device__
#else
#define RILL_GPU
#endif

namespace rill::cuda {

/// Of a kernel whose blocks share no memory.
struct no_shared {};

/// How many blocks, along two axes, of how many threads (a multiple of 32, at most 1024).
struct launch_shape {
  unsigned blocks = 1;
  unsigned blocks_y = 1;
  unsigned threads = 256;
};

inline constexpr unsigned warp_size = 32;

/// n / d and n % d for n < 2^31 by a multiplication (Granlund and Montgomery 1994, figure 4.1): a GPU has no division.
class divider {
 public:
  divider() = default;
  explicit constexpr divider(std::uint32_t d) : d_(d == 0 ? 1 : d) {
    shift_ = static_cast<std::uint32_t>(std::bit_width(d_ - 1));
    multiplier_ = static_cast<std::uint32_t>((((std::uint64_t{1} << shift_) - d_) << 32) / d_ + 1);
  }
  [[nodiscard]] RILL_GPU constexpr std::uint32_t quotient(std::uint32_t n) const {
    const auto high = static_cast<std::uint32_t>(static_cast<std::uint64_t>(n) * multiplier_ >> 32);
    return (high + n) >> shift_;
  }
  /// n becomes n / d; gives n % d.
  RILL_GPU constexpr std::uint32_t divide(std::uint32_t& n) const {
    const std::uint32_t q = quotient(n), r = n - q * d_;
    n = q;
    return r;
  }
  [[nodiscard]] RILL_GPU constexpr std::uint32_t value() const { return d_; }

 private:
  std::uint32_t d_ = 1, multiplier_ = 1, shift_ = 0;
};

/// The length of an array for N elements: an array has one at least.
template <int N>
inline constexpr std::size_t room = N > 0 ? static_cast<std::size_t>(N) : 1;

/// Numbers that a matrix unit multiplies: a word holds one tf32 or two of the others; sums are float.
enum class mma_type { tf32, half, bfloat16 };

/// So many of what is `each`, rounded up.
constexpr std::int64_t pieces(std::int64_t n, std::int64_t each) { return (n + each - 1) / each; }

/// The smallest k with 2^k >= n.
constexpr std::uint32_t log2_ceil(std::uint64_t n) { return n <= 1 ? 0 : static_cast<std::uint32_t>(std::bit_width(n - 1)); }

namespace detail {

/// The numbers of a word for a matrix unit.
template <mma_type K>
RILL_GPU float number_of(std::uint32_t word, int k) {
  if constexpr (K == mma_type::tf32) return std::bit_cast<float>(word);
  else if constexpr (K == mma_type::half) return rill::detail::half_to_float(static_cast<std::uint16_t>(word >> (16 * k)));
  else return std::bit_cast<float>(k == 0 ? word << 16 : word & 0xffff0000u);
}
/// What a matrix unit does, without one.
template <mma_type K, class Threads>
RILL_GPU void mma_by_shuffles(const Threads& t, float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  const std::uint32_t g = t.lane() / 4, q = t.lane() % 4;
#ifdef __CUDA_ARCH__
#pragma unroll 1
#endif
  for (std::uint32_t w = 0; w < 8; ++w) {
    const std::uint32_t upper = t.shuffle(w < 4 ? a[0] : a[2], g * 4 + w % 4), lower = t.shuffle(w < 4 ? a[1] : a[3], g * 4 + w % 4);
    const std::uint32_t left = t.shuffle(w < 4 ? b[0] : b[1], 8 * q + w % 4), right = t.shuffle(w < 4 ? b[0] : b[1], 8 * q + 4 + w % 4);
    for (int k = 0; k < (K == mma_type::tf32 ? 1 : 2); ++k) {
      c[0] += number_of<K>(upper, k) * number_of<K>(left, k), c[1] += number_of<K>(upper, k) * number_of<K>(right, k);
      c[2] += number_of<K>(lower, k) * number_of<K>(left, k), c[3] += number_of<K>(lower, k) * number_of<K>(right, k);
    }
  }
}

}  // namespace detail

#ifdef __CUDACC__

/// The threads of a GPU: one object in each of them.
struct gpu_threads {
  /// This thread's number in its block, and how many the block has.
  [[nodiscard]] __device__ std::uint32_t thread() const { return threadIdx.x; }
  [[nodiscard]] __device__ std::uint32_t threads() const { return blockDim.x; }
  [[nodiscard]] __device__ std::uint32_t lane() const { return threadIdx.x % warp_size; }
  [[nodiscard]] __device__ std::uint32_t warp() const { return threadIdx.x / warp_size; }
  [[nodiscard]] __device__ std::uint32_t block() const { return blockIdx.x; }
  [[nodiscard]] __device__ std::uint32_t block_y() const { return blockIdx.y; }
  [[nodiscard]] __device__ std::uint32_t blocks() const { return gridDim.x; }
  /// This thread's number among those of all blocks along the first axis, and how many these are.
  [[nodiscard]] __device__ std::uint32_t index() const { return blockIdx.x * blockDim.x + threadIdx.x; }
  [[nodiscard]] __device__ std::uint32_t count() const { return gridDim.x * blockDim.x; }
  /// Waits for all threads of the block.
  __device__ void sync() const { __syncthreads(); }
  /// The value that lane `from` of the warp has, or the one whose number differs in the bits of `mask`. All lanes take part.
  template <class T>
  [[nodiscard]] __device__ T shuffle(const T& v, std::uint32_t from) const {
    return words(v, [&](int w) { return __shfl_sync(0xffffffffu, w, static_cast<int>(from)); });
  }
  template <class T>
  [[nodiscard]] __device__ T shuffle_xor(const T& v, std::uint32_t mask) const {
    return words(v, [&](int w) { return __shfl_xor_sync(0xffffffffu, w, static_cast<int>(mask)); });
  }
  /// The block's memory.
  template <class S>
  [[nodiscard]] __device__ S& shared() const {
    extern __shared__ __align__(16) unsigned char rill_cuda_shared[];
    return *reinterpret_cast<S*>(rill_cuda_shared);
  }
  /// c += a * b by the warp's matrix unit: a 16 x 8 words, b 8 words x 8, c 16 x 8. With g = lane / 4 and q = lane % 4 a
  /// thread has a's words (g, q), (g + 8, q), (g, q + 4), (g + 8, q + 4), b's (q, g), (q + 4, g) and of c the elements
  /// (g, 2 q), (g, 2 q + 1), (g + 8, 2 q), (g + 8, 2 q + 1). Devices before 8.0 add the products one after the other.
  template <mma_type K>
  __device__ void mma(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    if constexpr (K == mma_type::tf32)
      asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    else if constexpr (K == mma_type::half)
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    else
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    detail::mma_by_shuffles<K>(*this, c, a, b);
#endif
  }
  /// *p += v, whatever other threads do to it; the order of several is not known.
  template <class T>
  __device__ void atomic_add(T* p, T v) const {
    if constexpr (std::is_same_v<T, std::int64_t>) ::atomicAdd(reinterpret_cast<unsigned long long*>(p), static_cast<unsigned long long>(v));
    else ::atomicAdd(p, v);
  }

 private:
  template <class T, class F>
  static __device__ T words(const T& v, const F& f) {
    static_assert(std::is_trivially_copyable_v<T>);
    constexpr std::size_t n = (sizeof(T) + 3) / 4;
    int w[n] = {};
    memcpy(w, &v, sizeof(T));
#pragma unroll
    for (std::size_t k = 0; k < n; ++k) w[k] = f(w[k]);
    T r;
    memcpy(&r, w, sizeof(T));
    return r;
  }
};

namespace detail {

template <class K>
__global__ void entry(const __grid_constant__ K kernel) {
  kernel(gpu_threads{});
}
/// The same for kernels that say how many threads a block has at most, and how many blocks a processor shall hold at once:
/// registers are shared out accordingly.
template <class K>
  requires(K::most_threads > 0 && K::blocks_per_processor > 0)
__global__ void __launch_bounds__(K::most_threads, K::blocks_per_processor) entry(const __grid_constant__ K kernel) {
  kernel(gpu_threads{});
}

}  // namespace detail

#endif

}  // namespace rill::cuda

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Kernels of ops/quantization.hpp: bits of floats rounded as integers, fake quantization, products of bytes.

#include <bit>
#include <cmath>

#include "../ops/quantization.hpp"
#include "batch_matmul.hpp"
#include "parallel.hpp"

namespace rill::kernel {

/// The bits of a float of E exponent and M mantissa bits, rounded to `exponent` and `mantissa` bits.
template <int E, int M, class Bits>
constexpr Bits reduced_bits(Bits x, int exponent, int mantissa) {
  constexpr Bits one = 1, all = static_cast<Bits>((one << E) - 1), infinity = static_cast<Bits>(all << M);
  const Bits sign = static_cast<Bits>(x & static_cast<Bits>(one << (E + M)));
  Bits a = static_cast<Bits>(x & static_cast<Bits>((one << (E + M)) - 1));
  if (a > infinity) return x;  // NaN
  if (mantissa < M) {
    const int cut = M - mantissa;
    const Bits last = static_cast<Bits>(one << cut);
    const Bits odd = static_cast<Bits>(a >> cut & one);
    a = static_cast<Bits>(a + static_cast<Bits>((last >> 1) - one) + odd);
    a = static_cast<Bits>(a & static_cast<Bits>(~static_cast<Bits>(last - one)));
  }
  if (exponent < E) {
    const int bias = (1 << (E - 1)) - 1, reduced = (1 << (exponent - 1)) - 1;
    const int e = static_cast<int>(a >> M);
    if (e > bias + reduced) a = infinity;
    else if (e <= bias - reduced) a = 0;
  }
  return static_cast<Bits>(sign | a);
}

/// A range of floats moved so that 0 is one of the codes.
template <class T>
struct code_range {
  T low, high, step, per_step;
  code_range(T min, T max, int bits, bool narrow) {
    if (!(min <= max))
      throw invalid_argument("FakeQuantWithMinMaxVars: min " + std::to_string(min) + " must not exceed max " + std::to_string(max));
    const T first = narrow ? 1 : 0, last = static_cast<T>((1 << bits) - 1);
    step = (max - min) / (last - first);
    const T zero = min == max ? first : first - min / step;
    const T code = zero < first ? first : zero > last ? last : std::round(zero);
    low = (first - code) * step, high = (last - code) * step;
    per_step = min == max ? T(0) : T(1) / step;
  }
  T side(T x) const { return x < low ? T(-1) : x > high ? T(1) : T(0); }
  T rounded(T x) const {
    if (!(x == x)) return x;
    const T cut = x < low ? low : x > high ? high : x;
    return std::floor((cut - low) * per_step + T(0.5)) * step + low;
  }
};

namespace detail {
template <int E, int M, class Bits>
void reduce_precision(const attributes& at, const operand_memory& in, const result_memory& out) {
  const int exponent = static_cast<int>(std::min<std::int64_t>(at.i[0], E)), mantissa = static_cast<int>(std::min<std::int64_t>(at.i[1], M));
  const Bits* x = in.as<Bits>();
  Bits* y = out.as<Bits>();
  parallel_for(in.size(), 16384, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) y[k] = reduced_bits<E, M>(x[k], exponent, mantissa);
  });
}
}  // namespace detail

}  // namespace rill::kernel

namespace rill::ops {

template <class>
void reduce_precision_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  using kernel::detail::reduce_precision;
  if (in[0].type == dtype::float32) reduce_precision<8, 23, std::uint32_t>(at, in[0], out);
  else if (in[0].type == dtype::float64) reduce_precision<11, 52, std::uint64_t>(at, in[0], out);
  else if (in[0].type == dtype::float16) reduce_precision<5, 10, std::uint16_t>(at, in[0], out);
  else reduce_precision<8, 7, std::uint16_t>(at, in[0], out);
}

template <int Part>
template <class>
void fake_quant_op<Part>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const auto with = [&]<class T>(T) {
    std::vector<kernel::code_range<T>> ranges;
    for (std::int64_t c = 0; c < in[1].size(); ++c) ranges.emplace_back(in[1].as<T>()[c], in[2].as<T>()[c], static_cast<int>(at.i[0]), at.i[1] != 0);
    const std::int64_t channels = in[1].size();
    const T* x = in[0].as<T>();
    T* y = out.as<T>();
    parallel_for(in[0].size(), 16384, [&](std::int64_t begin, std::int64_t end) {
      if (begin == end) return;
      std::int64_t c = begin % channels;
      for (std::int64_t k = begin; k < end; ++k) {
        const auto& r = ranges[static_cast<std::size_t>(c)];
        y[k] = Part == 0 ? r.rounded(x[k]) : r.side(x[k]);
        if (++c == channels) c = 0;
      }
    });
  };
  if (in[0].type == dtype::float32) with(float());
  else with(double());
}

template <class>
void matmul_integer_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if (out.size() == 0) return;
  const kernel::detail::batch_product p = kernel::detail::plan_batch(at, in[0].shape, in[1].shape, out.shape);
  kernel::detail::for_each_product(p, [&](std::int64_t i, std::int64_t j, std::int64_t to) {
    const kernel::byte_matrix a{in[0].as<std::uint8_t>() + i * p.m * p.k, p.trans_a ? p.m : p.k, p.trans_a, in[0].type == dtype::int8, *in[2].as<std::int32_t>()};
    const kernel::byte_matrix b{in[1].as<std::uint8_t>() + j * p.k * p.n, p.trans_b ? p.k : p.n, p.trans_b, in[1].type == dtype::int8, *in[3].as<std::int32_t>()};
    kernel::matmul_integer(p.m, p.n, p.k, a, b, out.as<std::int32_t>() + to * p.m * p.n, p.n);
  });
}

}  // namespace rill::ops

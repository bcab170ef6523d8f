// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What a shape rule reads and writes: operand signatures, attributes, and the failure that it reports. The same rule
/// serves the trace (where a failure becomes a compile error) and eager calls (where it is thrown).

#include <cstdint>
#include <string>

#include "../core/dtype.hpp"
#include "../core/error.hpp"
#include "../core/shape.hpp"

namespace rill {

/// dtype and shape of one value.
struct signature {
  dtype type = dtype::invalid;
  tensor_shape shape;
};

/// Everything that an op can be told besides its operands; the meaning of each slot is the op's.
struct attributes {
  std::int64_t i[12] = {};
  double f[2] = {};
  friend constexpr bool operator==(const attributes& a, const attributes& b) {
    for (int k = 0; k < 12; ++k)
      if (a.i[k] != b.i[k]) return false;
    return a.f[0] == b.f[0] && a.f[1] == b.f[1];
  }
};

/// Why an op cannot be applied: the problem and its cure in words, the shapes that were given.
struct failure {
  const char* problem = nullptr;
  const char* cure = "";
  signature got[2];
  int n_got = 0;

  constexpr explicit operator bool() const { return problem != nullptr; }
  constexpr void set(const char* p, const char* c, const signature& a) {
    if (problem) return;
    problem = p, cure = c, got[0] = a, n_got = 1;
  }
  constexpr void set(const char* p, const char* c, const signature& a, const signature& b) {
    if (problem) return;
    problem = p, cure = c, got[0] = a, got[1] = b, n_got = 2;
  }
};

/// The sentence of a failure: "MatMul: inner dimensions differ: got float32[?, 784] and float32[783, 10]; cure".
inline std::string to_string(const failure& f, const char* op) {
  std::string r = std::string(op) + ": " + f.problem;
  for (int k = 0; k < f.n_got; ++k)
    r += (k == 0 ? ": got " : " and ") + std::string(name_of(f.got[k].type)) + to_string(f.got[k].shape);
  if (*f.cure) r += std::string("; ") + f.cure;
  return r;
}

/// Memory of an operand of a kernel op, row-major and contiguous, with the shape that it has in this call.
struct operand_memory {
  dtype type = dtype::invalid;
  tensor_shape shape;
  const void* data = nullptr;

  template <class T>
  [[nodiscard]] const T* as() const {
    return static_cast<const T*>(data);
  }
  [[nodiscard]] std::int64_t size() const { return shape.num_elements(); }
};
/// The same of its result: memory that overlaps no operand, to be written whole (strings are constructed already).
struct result_memory {
  dtype type = dtype::invalid;
  tensor_shape shape;
  void* data = nullptr;
  void* more[3] = {};  ///< further results (`detail::emit_all`); null for those that nobody reads

  template <class T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(data);
  }
  [[nodiscard]] std::int64_t size() const { return shape.num_elements(); }
};

namespace ops {
/// Calls an op's kernel, `Op::run(attributes, operands, result)`: a function or, so that only programs that use the op
/// compile it, a template `run<void>`. (No default for its argument: nvcc would give it twice.)
template <class Op>
void run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if constexpr (requires { Op::template run<void>(at, in, out); }) Op::template run<void>(at, in, out);
  else Op::run(at, in, out);
}
}  // namespace ops

/// Zero padding of a window op: `valid` none, `same` so that the output is ceil(input / stride).
enum class padding : std::uint8_t { valid, same };
inline constexpr padding valid = padding::valid;
inline constexpr padding same = padding::same;

/// Where images keep their channels: behind height and width (TensorFlow's default), or right behind the batch.
enum class image_layout : std::uint8_t { nhwc, nchw };
inline constexpr image_layout channels_last = image_layout::nhwc;
inline constexpr image_layout channels_first = image_layout::nchw;

/// The largest stride, and the largest pooling window: sums of them and of extents fit 63 bits.
inline constexpr std::int64_t most_step = 1 << 20;

/// Output extent and leading zeros of one windowed dimension.
struct window_extent {
  std::int64_t out = 0, pad_before = 0;
};
constexpr window_extent window_of(std::int64_t in, std::int64_t window, std::int64_t stride, padding p) {
  if (p == padding::valid) return {in < window ? 0 : (in - window) / stride + 1, 0};
  const std::int64_t out = (in + stride - 1) / stride;
  const std::int64_t total = (out - 1) * stride + window - in;
  return {out, total > 0 ? total / 2 : 0};
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The canonical form of a fused expression: a flat program over numbered values, the one thing that kernels are
/// instantiated on. It names element types, ops and how each operand walks along the innermost loop, and nothing else: no
/// position, no extents, no constants (they arrive as operands), so equal expressions anywhere share one kernel.
///
///   relu(a * b + c) with a row c broadcast over the rows of a and b, all float:
///   program<list<in<float, walk::contiguous>, in<float, walk::contiguous>, in<float, walk::contiguous>>,
///           list<let<ops::mul, ~0, ~1>, let<ops::add, 0, ~2>, let<ops::relu, 1>>,
///           list<out<float, 2>>>
///
/// Values are numbered per kind: argument k >= 0 is the result of the k-th `let`, argument ~k < 0 is the k-th input.

namespace rill::expr {

/// How an operand moves when the innermost index advances by one.
enum class walk : unsigned char {
  contiguous,  ///< by one element
  constant,    ///< not at all: a scalar, or a value that does not depend on the innermost index
  strided      ///< by a run-time number of elements
};

template <class T, walk W>
struct in {
  using type = T;
  static constexpr walk inner = W;
};

/// One value: `Op` applied to earlier values.
template <class Op, int... Args>
struct let {
  using op = Op;
};

/// Stores value `Value` (numbered as in `let`) as the next result; T is its element type.
template <class T, int Value>
struct out {
  using type = T;
  static constexpr int value = Value;
};

template <class... T>
struct list {
  static constexpr int size = sizeof...(T);
};

template <class Inputs, class Lets, class Outputs>
struct program {
  using inputs = Inputs;
  using lets = Lets;
  using outputs = Outputs;
};

}  // namespace rill::expr

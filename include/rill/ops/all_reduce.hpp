// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// all_reduce_op: the sum of a value over the machines that train a model together, which is where their steps meet
/// (graph/towers.hpp, which is also who emits it). On one machine alone it is the value itself. No gradient.

#include <cstring>

#include "functions.hpp"

namespace rill::ops {

struct all_reduce_op {
  static constexpr auto name = "NcclAllReduce";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  static constexpr signature infer(const attributes&, const signature* in, failure&) { return in[0]; }
  template <class = void>
  static void run(const attributes&, const operand_memory* in, const result_memory& out) {
    if (const auto bytes = static_cast<std::size_t>(in[0].size()) * size_of(in[0].type); bytes != 0) std::memcpy(out.data, in[0].data, bytes);
  }
};

}  // namespace rill::ops

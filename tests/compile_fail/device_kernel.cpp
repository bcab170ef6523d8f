// SPDX-License-Identifier: Apache-2.0
// An op that devices have no kernel for: the text names it, and what runs it.
// expect: op_without_a_device_kernel
// expect: HistogramFixedWidth|72, ?105, ?115, ?116
// expect: soft_placement

#include <rill/cuda/session.cuh>
#include <rill/kernel/sort.hpp>
#include <rill/ops/sort.hpp>

#include "../cuda/emulator.hpp"

struct model {
  constexpr auto operator()(rill::symbol x, rill::symbol range) const { return rill::histogram_fixed_width(x, range); }
};
#ifdef RILL_MUST_FAIL
using target = rill::cuda::basic_target<emulator::device>;
#else
using target = rill::cuda::basic_target<emulator::device, rill::cuda::placement::soft>;
#endif

int main() {
  emulator::device device;
  rill::graph::basic_session<target, model, rill::tensor<float, 9>, rill::tensor<float, 2>> s({}, {}, target(device));
  s.step({}, {});
}

// SPDX-License-Identifier: Apache-2.0
// A function compiled ahead of time has no batch of unknown size.
// expect: every extent of an input is known ahead of time: give a number instead of rill::dyn

#include <rill/graph/compiled_function.hpp>

struct model {
  constexpr auto operator()(rill::symbol x) const { return x + 1.f; }
};

#ifdef RILL_MUST_FAIL
constexpr std::int64_t rows = rill::dyn;
#else
constexpr std::int64_t rows = 4;
#endif

template class rill::graph::compiled_function<model, rill::tensor<float, rows, 3>>;

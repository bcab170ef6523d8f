// SPDX-License-Identifier: Apache-2.0
// A weight whose rows are not the features' columns: the compiler names the op, both shapes and the reason.
// expect: matmul_op
// expect: shape<-1, ?784>.*shape<783, ?10>
// expect: model.s shapes do not fit

#include <rill/graph/session.hpp>

struct model {
  constexpr auto operator()(rill::symbol x) const {
#ifdef RILL_MUST_FAIL
    constexpr int rows = 783;
#else
    constexpr int rows = 784;
#endif
    return matmul(x, rill::variable(x, {.name = "w", .shape = {rows, 10}}));
  }
};

rill::graph::session<model, rill::tensor<float, rill::dyn, 784>> session;

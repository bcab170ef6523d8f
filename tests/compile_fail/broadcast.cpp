// SPDX-License-Identifier: Apache-2.0
// A bias that does not broadcast over the logits.
// expect: ops::add
// expect: shape<-1, ?10>.*shape<11>

#include <rill/graph/session.hpp>

struct model {
  constexpr auto operator()(rill::symbol x) const {
#ifdef RILL_MUST_FAIL
    constexpr int n = 11;
#else
    constexpr int n = 10;
#endif
    return x + rill::variable(x, {.name = "bias", .shape = {n}});
  }
};

rill::graph::session<model, rill::tensor<float, rill::dyn, 10>> session;

// SPDX-License-Identifier: Apache-2.0
// A filter for other channels than the image's.
// expect: conv2d_op
// expect: shape<-1, ?28, ?28, ?3>.*shape<5, ?5, ?4, ?8>

#include <rill/graph/session.hpp>

struct model {
  constexpr auto operator()(rill::symbol x) const {
#ifdef RILL_MUST_FAIL
    constexpr int channels = 4;
#else
    constexpr int channels = 3;
#endif
    return conv2d(x, rill::variable(x, {.name = "w", .shape = {5, 5, channels, 8}}), {.padding = rill::same});
  }
};

rill::graph::session<model, rill::tensor<float, rill::dyn, 28, 28, 3>> session;

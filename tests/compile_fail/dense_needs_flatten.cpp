// SPDX-License-Identifier: Apache-2.0
// A dense layer on images: the layer names the cure, and the scope is in the text (g++ prints it as a string).
// expect: matmul_op
// expect: shape<-1, ?7, ?7, ?64>

#include <rill/graph/session.hpp>
#include <rill/nn/nn.hpp>

struct model {
  constexpr auto operator()(rill::symbol x) const {
#ifndef RILL_MUST_FAIL
    x = rill::nn::flatten{}(x);
#endif
    return rill::nn::dense{.units = 10}(x);
  }
};

rill::graph::session<model, rill::tensor<float, rill::dyn, 7, 7, 64>> session;

// SPDX-License-Identifier: Apache-2.0
// Labels that are not class indices.
// expect: sparse_softmax_cross_entropy_op
// expect: shape<-1, ?10>.*shape<-1>

#include <rill/graph/session.hpp>
#include <rill/losses/sparse_softmax_cross_entropy.hpp>

struct model {
  constexpr auto operator()(rill::symbol logits, rill::symbol labels) const {
    return rill::losses::sparse_softmax_cross_entropy(labels, logits);
  }
};

#ifdef RILL_MUST_FAIL
using label = float;
#else
using label = int;
#endif
rill::graph::session<model, rill::tensor<float, rill::dyn, 10>, rill::tensor<label, rill::dyn>> session;

// SPDX-License-Identifier: Apache-2.0
// A variable that towers would each train on their own rows, by a formula that no average goes into.
// expect: towers: a trainable variable is assigned what each tower makes of its own rows

#include <rill/graph/towers.hpp>
#include <rill/optimizers/gradient_descent.hpp>

struct model {
  static constexpr bool training = true;
  constexpr auto operator()(rill::symbol x) const {
    auto w = rill::variable(x, {.name = "w", .shape = {}});
    auto loss = rill::reduce_mean(x * w);
#ifdef RILL_MUST_FAIL
    rill::assign_sub(w, 0.1 * rill::gradients(loss, w)[0]);
    return loss;
#else
    return rill::outputs(rill::fetch("loss", loss), rill::fetch("train", rill::optimizers::gradient_descent{}.minimize(loss)));
#endif
  }
};

void step(const rill::tensor<float, rill::dyn>& x) {
  rill::graph::basic_session<rill::graph::towers<>, model, rill::tensor<float, rill::dyn>> session({}, {}, rill::graph::towers(2));
  session.step(x);
}

// SPDX-License-Identifier: Apache-2.0
// An output that the model does not have.
// expect: no output of this name

#include <rill/graph/session.hpp>

struct model {
  constexpr auto operator()(rill::symbol x) const { return rill::outputs(rill::fetch("twice", x * 2)); }
};

int main() {
  rill::graph::session<model, rill::tensor<float, 2>> s;
  rill::tensor<float, 2> x;
  s.step(x);
#ifdef RILL_MUST_FAIL
  return static_cast<int>(s.get<"thrice">()(0));
#else
  return static_cast<int>(s.get<"twice">()(0));
#endif
}

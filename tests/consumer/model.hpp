// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <rill/graph/session.hpp>

namespace consumer {

struct affine {
  constexpr auto operator()(rill::symbol x) const { return x * 2.f + 1.f; }
};

}  // namespace consumer

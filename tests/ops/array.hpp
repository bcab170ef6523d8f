// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The elements of a tensor as doubles, what plain loops compute on.

#include <vector>

#include <rill/eager/front_end.hpp>

namespace rill::test {

using array = std::vector<double>;
inline array values(const dynamic_tensor& t) {
  const dynamic_tensor d = cast_to(t, dtype::float64);
  return {d.span<double>().begin(), d.span<double>().end()};
}

}  // namespace rill::test
